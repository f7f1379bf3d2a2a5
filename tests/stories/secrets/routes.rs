//! What a route's own expressions do with personal data, in valid and in broken routes.

use serde_json::Value;
use tests::{BInstance, ROUTE, Story, permit_route, routes, stamp};

use super::markers::{DESCRIPTION, NAME, NUMBER, REMARK, SENT, UNKNOWN_NUMBER, assert_none_in};
use super::{assert_has_it_all, assert_no_trace, assert_no_trace_for_operators, fill_in, story};

/// A broken route: what it replaces in the sample route, and the reason in the ledger.
const BROKEN: [(&str, [&str; 2], &str); 17] = [
    (
        "missing-path",
        [SENDER, "innsender: data.model.soker.telefon | upper"],
        "mapping_failed",
    ),
    (
        "path-by-value",
        [
            SENDER,
            "innsender: data.model.soker[data.model.soker.navn] | upper",
        ],
        "mapping_failed",
    ),
    (
        "path-by-number",
        [
            SENDER,
            "innsender: data.model.soker[data.model.soker.fodselsnummer] | upper",
        ],
        "mapping_failed",
    ),
    (
        "not-a-number",
        [SENDER, "innsender: data.model.soker.navn | int"],
        "mapping_failed",
    ),
    (
        "wrong-operator",
        [
            SENDER,
            "innsender: data.model.merknad - data.model.soker.navn",
        ],
        "mapping_failed",
    ),
    (
        "wrong-filter",
        [
            SENDER,
            "innsender: data.model.tiltak | replace('a', 'b') | abs",
        ],
        "mapping_failed",
    ),
    (
        "a-group-for-a-text",
        [SENDER, "innsender: data.model.soker"],
        "draft_refused",
    ),
    (
        "owner-by-name",
        [ORGANISATION, "data.model.soker.navn"],
        "mapping_failed",
    ),
    (
        "owner-by-number",
        [ORGANISATION, "data.model.soker.fodselsnummer"],
        "mapping_failed",
    ),
    (
        "group-of-a-text",
        ["data.model.tiltak", "data.model.merknad"],
        "mapping_failed",
    ),
    (
        "against-the-schema",
        ["kode: tiltak.kode", "kode: tiltak.beskrivelse"],
        "draft_refused",
    ),
    (
        "against-the-type",
        ["areal: tiltak.areal", "areal: tiltak.beskrivelse"],
        "draft_refused",
    ),
    (
        "against-the-format",
        [
            "mottatt: instance.process.ended",
            "mottatt: data.model.merknad",
        ],
        "draft_refused",
    ),
    (
        "not-for-xml",
        [SENDER, r#"innsender: "data.model.soker.navn ~ '\u0007'""#],
        "draft_refused",
    ),
    (
        "foreign-media-type",
        ["to: tegning }", "to: vedlegg }"],
        "draft_refused",
    ),
    ("same-keys", ["due: P30D", EACH_SAME], "keys_ambiguous"),
    (
        "each-of-a-text",
        [
            "due: P30D",
            "each: x in data.model.merknad\nkey: x\ndue: P30D",
        ],
        "keys_ambiguous",
    ),
];
const SENDER: &str = "innsender: data.model.soker.navn";
const ORGANISATION: &str = "\"'310075728'\"";
const EACH_SAME: &str =
    "each: x in data.model.tiltak\nkey: data.model.soker.fodselsnummer\ndue: P30D";

/// A case for each measure; the key is a text that she wrote.
const EACH: &str = "by-description";
/// A case that she owns herself.
const OWN: &str = "to-herself";
/// A case by the simplified request of Altinn's guide.
const PREFILL: &str = "by-prefill";

fn broken(name: &str, [from, to]: [&str; 2]) -> String {
    let sample = permit_route().replace(ROUTE, name);
    assert!(sample.contains(from), "{name}");
    sample.replacen(from, to, 1)
}

fn each() -> String {
    let route = permit_route().replace(ROUTE, EACH);
    let route = route.replacen(SENDER, "innsender: x.beskrivelse", 1);
    route + "each: x in data.model.tiltak\nkey: x.beskrivelse\n"
}

fn own() -> String {
    let route = permit_route().replace(ROUTE, OWN);
    let person = "person: data.model.soker.fodselsnummer";
    route.replacen(&format!("organisation: {ORGANISATION}"), person, 1)
}

fn prefill() -> String {
    let (head, _model) = permit_route()
        .split_once("  dataType")
        .map(|(head, model)| (head.to_owned(), model.to_owned()))
        .expect("the sample names B's data type");
    let model = "  mode: prefill
  stamp: soknad.referanse
model:
  soknad:
    tittel: data.model.merknad
    innsender: data.model.soker.navn
    merknad: data.model.merknad
";
    head.replace(ROUTE, PREFILL) + model
}

/// Every B of the relays of a route with `each`.
fn parts(story: &Story, a: &str) -> Vec<BInstance> {
    let set = stamp(EACH, a) + ":";
    let made = story.altinn.creations().into_iter();
    let parts = made.filter(|it| {
        let relay = it.data_values.get("stafett.relay");
        relay.is_some_and(|relay| relay.starts_with(&set))
    });
    parts.map(|it| story.b(&it.instance)).collect()
}

#[tokio::test]
async fn personal_data_that_a_route_maps_reaches_b_or_nothing() {
    let good = [
        (ROUTE, permit_route()),
        (EACH, each()),
        (OWN, own()),
        (PREFILL, prefill()),
    ];
    let bad = BROKEN
        .iter()
        .map(|(name, instead, _)| (*name, broken(name, *instead)));
    let folder = routes(good.into_iter().chain(bad));
    let story = story(&folder).await;
    let a = fill_in(&story);
    story.trigger(&a).await;
    for route in [ROUTE, EACH, OWN] {
        story.reaches(route, &a, "done").await;
    }
    let prefilled = story.reaches(PREFILL, &a, "done").await;
    let prefilled = story.b(prefilled["instance"].as_str().unwrap_or_default());
    assert_eq!(prefilled.field("soknad/innsender"), [NAME]);
    assert_eq!(prefilled.field("soknad/merknad"), [REMARK]);
    assert_has_it_all(&story.the_b(ROUTE, &a));
    let hers = story.the_b(OWN, &a);
    assert_has_it_all(&hers);
    assert_eq!(hers.instance["instanceOwner"]["personNumber"], NUMBER);
    let parts = parts(&story, &a);
    let mut senders: Vec<&str> = parts
        .iter()
        .flat_map(|b| b.field("soknad/innsender"))
        .collect();
    senders.sort_unstable();
    assert_eq!(
        senders,
        [DESCRIPTION.to_owned(), format!("{DESCRIPTION} også")]
    );

    for (route, _, reason) in BROKEN {
        let item = story.reaches(route, &a, "failed").await;
        assert_eq!(item["reason"], reason, "{item}");
        assert_ne!(
            item["detail"],
            Value::Null,
            "an operator is told what is wrong: {item}"
        );
    }
    story.settled().await;
    assert_no_trace_for_operators(&story).await;
    assert_none_in(
        "the queue",
        &story.dead_letters(BROKEN.len()).await.join("\n"),
    );
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn a_waiting_relay_reveals_no_personal_data() {
    const LATE: &str = "late-attachment";
    const UNKNOWN: &str = "unknown-owner";
    let letter = "{ from: brev, to: vedlegg, required: true }";
    let late = broken(LATE, ["{ from: tegning, to: tegning }", letter]);
    let first = format!(
        "person: \"'{}' ~ data.model.soker.fodselsnummer[1:]\"",
        &UNKNOWN_NUMBER[..1]
    );
    let unknown = broken(UNKNOWN, [&format!("organisation: {ORGANISATION}"), &first]);
    let folder = routes([(ROUTE, permit_route()), (LATE, late), (UNKNOWN, unknown)]);
    let story = story(&folder).await;
    let a = fill_in(&story);
    story.trigger(&a).await;
    for (route, reason) in [(LATE, "attachment_missing"), (UNKNOWN, "owner_unknown")] {
        let item = story.reaches(route, &a, "waiting").await;
        assert_eq!(item["reason"], reason, "{item}");
    }
    story.reaches(ROUTE, &a, "done").await;
    assert_has_it_all(&story.the_b(ROUTE, &a));
    assert_no_trace_for_operators(&story).await;
    assert_no_trace(&story).await;
    story.end().await;
}

#[tokio::test]
async fn a_malformed_message_is_kept_unchanged_and_reported_without_its_text() {
    let folder = routes([(ROUTE, permit_route())]);
    let story = story(&folder).await;
    let a = fill_in(&story);
    let message = Story::message(ROUTE, &a);
    let mut poison = vec![
        format!("{{ \"navn\": \"{NAME}\", {SENT}"),
        format!("[\"{NUMBER}\"]"),
        format!("\"{SENT}\""),
        message.replace(&a, NUMBER),
        message.replace(&a, SENT),
        message.replace(ROUTE, NAME),
        message.replace("\"cause\":\"app\"", &format!("\"cause\":\"{SENT}\"")),
        message.replace("\"v\":1", &format!("\"v\":\"{SENT}\"")),
        message.replace("\"v\":1", "\"v\":12837832290"),
        format!("{{\"v\":1,\"navn\":\"{SENT}\"}}"),
    ];
    story
        .send(poison.clone().into_iter().chain([message]))
        .await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;
    assert_no_trace_for_operators(&story).await;
    let mut dead = story.dead_letters(poison.len()).await;
    dead.sort();
    poison.sort();
    assert_eq!(dead, poison);
    assert_has_it_all(&story.the_b(ROUTE, &a));
    assert_no_trace(&story).await;
    story.end().await;
}
