//! Replays the corpus of the fuzz targets, and a few thousand mutated seeds: nothing panics, and no output
//! repeats the input.

#[path = "../fuzz/entries.rs"]
mod entries;

use std::path::Path;
use std::rc::Rc;

use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use tests::Story;

/// A word that each seed has where form data, numbers or names would be, and that occurs nowhere else.
const SECRET: &str = "HEMMELIG";
/// The number of mutated seeds for each target.
const CASES: u32 = 1_500;

/// One change to a seed. None copies a part of it, so that a secret stays in its field.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    CutOff(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    const WORDS: &[&str] = &[
        "\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "-1",
        "1e999",
        "\\u0000",
        "\\ud800",
        "\n",
        "\t",
        "- ",
        "&a",
        "*a",
        "!!str ",
        "|",
        "'",
        "{{",
        "}}",
        "{%",
        "~",
        "../",
        "\u{feff}",
        "\u{0}",
        "99999999999999999999",
    ];
    let insert = prop_oneof![
        proptest::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        (any::<Index>(), 1..=255_u8).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), insert).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        any::<Index>().prop_map(Mutation::CutOff),
    ]
}

fn mutate(mut seed: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let within = |at: &Index| at.index(seed.len() + 1);
        match mutation {
            Mutation::Flip(at, bits) => {
                let at = within(at);
                if let Some(byte) = seed.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Mutation::Remove(at, length) => {
                let from = within(at);
                let to = (from + length).min(seed.len());
                seed.drain(from..to);
            }
            Mutation::Insert(at, bytes) => {
                let at = within(at);
                seed.splice(at..at, bytes.iter().copied());
            }
            Mutation::CutOff(at) => {
                let at = within(at);
                seed.truncate(at);
            }
        }
    }
    seed
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files = std::fs::read_dir(folder).expect("the target has a corpus");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{target} has a corpus");
    files
        .iter()
        .map(|file| std::fs::read(file).expect("a file"))
        .collect()
}

/// Passes every seed, and then mutated ones, to `entry`, which returns all output that it produces.
fn replay(target: &str, entry: impl Fn(&[u8]) -> Vec<String>) {
    let check = |seed: &[u8]| {
        for said in entry(seed) {
            assert!(!said.contains(SECRET), "it repeats the input: {said}");
        }
    };
    let seeds = seeds(target);
    for seed in &seeds {
        check(seed);
    }
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let changed = (any::<Index>(), proptest::collection::vec(mutation(), 1..6));
    let changed =
        changed.prop_map(|(seed, mutations)| mutate(seed.get(&seeds).clone(), &mutations));
    let run = TestRunner::new(config).run(&changed, |seed| {
        check(&seed);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{target}: {error}");
    }
}

#[test]
fn no_queue_message_causes_a_panic_or_is_echoed() {
    assert!(
        seeds("message")
            .iter()
            .any(|seed| entries::message(seed).is_empty()),
        "one is a trigger"
    );
    replay("message", entries::message);
}

#[test]
fn no_instance_causes_a_panic_or_is_echoed() {
    let drafting = entries::Drafting::new();
    let checked = |seed: &Vec<u8>| {
        let said = drafting.instance(seed);
        said.iter().any(|it| it.starts_with("CheckedDraft"))
    };
    assert!(
        seeds("instance").iter().any(checked),
        "one comes to a draft"
    );
    replay("instance", |json| drafting.instance(json));
}

#[test]
fn no_expression_causes_a_panic_or_repeats_what_it_reads() {
    let failing = |seed: &Vec<u8>| entries::expression(seed).len() > 1;
    assert!(seeds("expression").iter().any(failing), "one fails");
    replay("expression", entries::expression);
}

#[test]
fn no_route_file_causes_a_panic_and_errors_name_the_file() {
    let drafting = entries::Drafting::new();
    replay("route", |text| {
        drafting.route(text);
        Vec::new()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_inbound_body_causes_a_panic_or_is_echoed() {
    // Each call has a token of its own: the issuer's tokens are valid for two minutes.
    let story = Rc::new(Story::of_the_permit().await);
    let issuer = Rc::clone(&story);
    let token = move || {
        let token = issuer
            .altinn
            .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None);
        token.expect("a token can be issued")
    };
    let inbound = entries::Inbound::new(&story.altinn.issuer(), Some(Box::new(token))).await;
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        replay("inbound", |body| runtime.block_on(inbound.body(body)));
    });
}
