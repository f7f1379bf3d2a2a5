//! A route of which `check` says nothing makes a B that is right, of every instance that A's schema allows; and what
//! `check` calls an error fails.
//!
//! Random pairs of forms, routes between them and instances are put together. `STAFETT_TRIPLES=1000000` tries that many
//! of them.

mod kept;
mod pair;
mod route;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Write,
};

use author::{Finding, Severity};
use generators::{
    Choices, form, instance,
    runner::{Triples, words},
    schema,
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use serde_json::Value as Json;

use pair::{Made, Pair};
use route::Group;

/// Instances of A that are tried with one route.
const INSTANCES: usize = 8;

/// Triples that are tried where nobody asks for more.
const TRIPLES: usize = 20_000;

/// How often a route is mended until `check` says nothing of it.
const ROUNDS: usize = 6;

/// Two schemas, a route, and instances of A.
struct Case {
    a: Json,
    b: Json,
    model: Group,
    instances: Vec<instance::Given>,
}

impl Case {
    fn new([a, b, route, instances]: [&[u16]; 4]) -> Self {
        let (mut of_a, mut of_b) = (Choices::new(a), Choices::new(b));
        let a = form::form(&mut of_a);
        let b = form::target(&a, &mut of_b);
        Self {
            instances: instance::instances(&a, INSTANCES, &mut Choices::new(instances)),
            model: route::model(&a, &b, &mut Choices::new(route)),
            a: schema::document(&a, &mut of_a),
            b: schema::document(&b, &mut of_b),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nA: {}\nB: {}", self.a, self.b)
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let tapes = (
        vec(any::<u16>(), 96),
        vec(any::<u16>(), 96),
        vec(any::<u16>(), 400),
        vec(any::<u16>(), 400),
    );
    tapes.prop_map(|(a, b, route, instances)| Case::new([&a, &b, &route, &instances]))
}

/// What was tried.
#[derive(Default)]
struct Tally {
    routes: usize,
    /// How many there were before the first that was wrong.
    right: Option<usize>,
    /// Routes of which `check` says nothing.
    accepted: usize,
    /// Their expressions that read A.
    expressions: usize,
    /// The words of the language in them.
    used: BTreeSet<&'static str>,
    /// What `check` calls an error, and fails, by code.
    failed: BTreeMap<&'static str, usize>,
    /// What `check` says in the first place, by severity and code.
    said: BTreeMap<(Severity, &'static str), usize>,
}

/// Holds one case to both properties.
fn hold(case: &Case, tally: &mut Tally) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let pair = Pair::new(folder.path(), &case.a, &case.b);
    let mut model = case.model.clone();
    route::without_empty(&mut model);
    tally.routes += 1;
    let mut errors = Vec::new();
    for round in 0..ROUNDS {
        if model.is_empty() {
            return Ok(());
        }
        let (findings, unchecked, text) = pair.check(&model);
        if round == 0 {
            for finding in &findings {
                *tally
                    .said
                    .entry((finding.severity, finding.code))
                    .or_default() += 1;
            }
            errors = errors_of(&findings, &model);
        }
        if findings.is_empty() {
            if let Some(line) = unchecked.first() {
                return Err(format!("not everything could be checked: {line}"));
            }
            tally.accepted += 1;
            accepted(case, &pair, &model, tally).map_err(|reason| format!("{reason}\n{text}"))?;
            return converse(case, &pair, &model, &errors, tally);
        }
        if !mended(&mut model, &findings) {
            return Ok(());
        }
    }
    Ok(())
}

/// Mends every field of which something was found. Returns whether that was possible.
fn mended(model: &mut Group, findings: &[Finding]) -> bool {
    let fields: BTreeSet<&str> = findings
        .iter()
        .filter_map(|finding| finding.field.as_deref())
        .collect();
    let mut is_mended = false;
    for field in fields {
        is_mended |= field
            .strip_prefix("model.")
            .is_some_and(|field| route::mend(model, field));
    }
    route::without_empty(model);
    is_mended
}

/// Nothing was said of the route: so every instance gives a right B.
fn accepted(case: &Case, pair: &Pair, model: &Group, tally: &mut Tally) -> Result<(), String> {
    let mut of_a = Vec::new();
    route::of_a(model, &mut of_a);
    tally.expressions += of_a.len();
    tally.used.extend(of_a.iter().flat_map(|text| words(text)));
    let loaded = pair.load();
    for (storage, data) in &case.instances {
        let reason = match pair.made(&loaded, storage, data) {
            Made::Right(_) => continue,
            Made::No(reason) | Made::Wrong(reason) => reason,
        };
        let data = Json::from(data.clone());
        return Err(format!("check says nothing, but: {reason}\ndata: {data}"));
    }
    Ok(())
}

/// The fields with an error and nothing else, each with its expression and the error's code.
fn errors_of(findings: &[Finding], model: &Group) -> Vec<(String, String, &'static str)> {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    errors
        .filter_map(|finding| {
            let field = finding.field.as_deref()?.strip_prefix("model.")?;
            let expression = route::expression(model, field)?;
            Some((field.to_owned(), expression.to_owned(), finding.code))
        })
        .collect()
}

/// An error in a route without any other: so some instance gives no right B.
fn converse(
    case: &Case,
    pair: &Pair,
    model: &Group,
    errors: &[(String, String, &'static str)],
    tally: &mut Tally,
) -> Result<(), String> {
    for (field, expression, code) in errors.iter().take(2) {
        let mut model = model.clone();
        if !route::set(&mut model, field, expression) || is_lazy(expression) {
            continue;
        }
        let (findings, _, text) = pair.check(&model);
        let full = format!("model.{field}");
        let is_alone = findings
            .iter()
            .all(|finding| finding.field.as_deref() == Some(&full));
        if !is_alone || !findings.iter().any(|finding| finding.code == *code) {
            continue;
        }
        let loaded = pair.load();
        let mut has_value = false;
        let has_failed =
            case.instances
                .iter()
                .any(|(storage, data)| match pair.made(&loaded, storage, data) {
                    Made::Right(made) => {
                        has_value |= is_filled(&Json::from(made), field);
                        false
                    }
                    Made::No(_) | Made::Wrong(_) => true,
                });
        if has_failed {
            *tally.failed.entry(code).or_default() += 1;
        } else if has_value {
            return Err(format!("an error that never fails: {findings:?}\n{text}"));
        }
    }
    Ok(())
}

/// Whether a part of an expression may not be evaluated for any instance at hand.
fn is_lazy(expression: &str) -> bool {
    const LAZY: [&str; 12] = [
        " if ",
        " and ",
        " or ",
        "default",
        "| d(",
        "translate",
        "map(",
        "select",
        "reject",
        "where",
        "sort",
        "unique",
    ];
    LAZY.iter().any(|word| expression.contains(word))
}

/// Whether a field of the draft has a value, in any item.
fn is_filled(value: &Json, field: &str) -> bool {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    match value {
        Json::Array(items) => items.iter().any(|item| is_filled(item, field)),
        _ => match (value.get(name), rest) {
            (None | Some(Json::Null), _) => false,
            (Some(_), "") => true,
            (Some(value), rest) => is_filled(value, rest),
        },
    }
}

#[test]
fn a_route_of_which_check_says_nothing_makes_right_drafts_and_what_it_calls_an_error_fails() {
    let triples = Triples::of(TRIPLES, INSTANCES);
    let tally = RefCell::new(Tally::default());
    let result = triples.hold(&cases(), |case| {
        let mut tally = tally.borrow_mut();
        let held = hold(&case, &mut tally);
        if held.is_err() {
            tally.right = tally.right.or(Some(tally.routes));
        }
        held.map_err(TestCaseError::fail)
    });
    let tally = tally.into_inner();
    if let Err(failure) = result {
        let tried = tally.right.unwrap_or_default() * INSTANCES;
        panic!("after {tried} triples: {failure}");
    }
    let count = triples.cases;
    let share = tally.accepted * 100 / count;
    let judged = tally.accepted * INSTANCES;
    let each = tally.expressions / tally.accepted.max(1);
    let _ = writeln!(
        std::io::stderr(),
        "{} triples, {judged} of them judged: {share} % of the routes, each with {each} expressions over A and {} words of the language in all; errors that failed: {:?}; said: {:?}",
        count * INSTANCES,
        tally.used.len(),
        tally.failed,
        tally.said
    );
    assert!(
        share >= 50,
        "check says nothing of {share} % of the routes only"
    );
    assert!(each >= 2, "the routes read A in {each} expressions only");
    let words = tally.used.len();
    assert!(
        words >= 70,
        "the routes have {words} filters and tests only"
    );
}
