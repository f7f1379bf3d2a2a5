//! Tests of comparisons.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{FAN_OUT, File, ROUTE, b, b_of_two_forms, plain, source, two_forms};

fn compare(old: &File, new: &File, sources: &[InstanceData]) -> Report {
    let app = b(|_| {});
    let [old, new] = [old, new].map(|file| Version {
        route: &file.route,
        b: Some(&app),
    });
    let mut comparison = Comparison::new(old, new, 2);
    sources.iter().for_each(|source| comparison.add(source));
    comparison.report()
}

/// `[added, removed, changed, of another type]` of the one field that changes.
fn only(report: &Report) -> (&str, [u64; 4]) {
    let [change] = &report.fields[..] else {
        panic!(
            "{:?}",
            report.fields.iter().map(|it| &it.field).collect::<Vec<_>>()
        )
    };
    (
        &change.field,
        [
            change.added,
            change.removed,
            change.changed,
            change.type_changed,
        ],
    )
}

fn three() -> Vec<InstanceData> {
    let named = |name: &str, guid: &str| {
        source(|instance, form| {
            instance["id"] = json!(format!("51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e{guid}"));
            form["soker"]["navn"] = json!(name);
        })
    };
    vec![named("Kari", "01"), named("Ola", "02"), named("Pål", "03")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_route_compared_with_itself_changes_nothing(
        names in proptest::collection::vec(proptest::option::of("\\PC{0,60}"), 1..4),
        codes in proptest::collection::vec(proptest::option::of("\\PC{0,5}"), 0..4),
        ended in any::<bool>(),
    ) {
        let sources: Vec<InstanceData> = names.iter().map(|name| source(|instance, form| {
            form["soker"]["navn"] = json!(name);
            form["tiltak"] = codes.iter().map(|code| json!({"kode": code, "areal": "not a number"})).collect();
            if !ended {
                instance["process"] = json!({"currentTask": {"elementId": "Task_1"}});
            }
        })).collect();
        for route in [ROUTE, FAN_OUT] {
            let report = compare(&File::of(route), &File::of(route), &sources);
            prop_assert!(report.is_same() && report.fields.is_empty() && report.warnings.is_empty());
            prop_assert_eq!(report.verdict(), "No B changes.");
            prop_assert_eq!(report.instances, names.len() as u64);
        }
    }

    #[test]
    fn what_is_added_one_way_is_removed_the_other_way(codes in proptest::collection::vec("[A-Z]{0,2}", 0..4)) {
        let source = source(|_, form| form["tiltak"] = codes.iter().map(|code| json!({"kode": code, "areal": 1})).collect());
        let (old, new) = (File::of(ROUTE), File::with(ROUTE, "      areal: tiltak.areal\n", ""));
        let (there, back) = (compare(&old, &new, std::slice::from_ref(&source)), compare(&new, &old, &[source]));
        prop_assert_eq!(there.is_same(), codes.is_empty());
        let count = |report: &Report| report.fields.iter().fold((0, 0), |(added, removed), it| (added + it.added, removed + it.removed));
        prop_assert_eq!(count(&there), (0, codes.len() as u64));
        prop_assert_eq!(count(&back), (codes.len() as u64, 0));
    }
}

#[test]
fn a_changed_field_is_counted_and_shown_with_examples() {
    let new = File::with(ROUTE, "'Søknad fra '", "'Byggesøknad fra '");
    let report = compare(&File::of(ROUTE), &new, &three());
    assert_eq!(only(&report), ("model.soknad.tittel", [0, 0, 3, 0]));
    assert_eq!(
        report.verdict(),
        "3 of 3 instances give another B; 0 fail that did not before."
    );
    let text = report.text();
    assert!(text.contains("51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e01: \"Søknad fra Kari\" → \"Byggesøknad fra Kari\""), "{text}");
    assert_eq!(report.fields[0].examples.len(), 2);
}

#[test]
fn items_of_a_list_are_counted_separately_under_one_field() {
    let new = File::with(ROUTE, "kode: tiltak.kode", "kode: \"tiltak.kode ~ '!'\"");
    assert_eq!(
        only(&compare(&File::of(ROUTE), &new, &[plain()])),
        ("model.soknad.vedtak[].kode", [0, 0, 2, 0])
    );
    let open = |text: &str| File::of(&text.replace("  schema: casework.schema.json\n", ""));
    let another_type = open(&ROUTE.replace(
        "areal: tiltak.areal",
        "areal: \"'over ' ~ (tiltak.areal | default(1))\"",
    ));
    assert_eq!(
        only(&compare(&open(ROUTE), &another_type, &[plain()])),
        ("model.soknad.vedtak[].areal", [1, 0, 0, 1])
    );
}

#[test]
fn only_what_is_sent_to_b_is_compared() {
    // As XML, 2 and "2" are the same.
    let open = |text: &str| File::of(&text.replace("  schema: casework.schema.json\n", ""));
    let text = ROUTE.replace(
        "data.model.tiltak | length",
        "(data.model.tiltak | length) ~ ''",
    );
    assert!(compare(&open(ROUTE), &open(&text), &three()).is_same());
    // By the schema the order stays; without it, it is the route's.
    let moved = ROUTE
        .replace("    referanse: instance.id\n", "")
        .replace("    merknad:", "    referanse: instance.id\n    merknad:");
    assert!(compare(&File::of(ROUTE), &File::of(&moved), &three()).is_same());
    let report = compare(&open(ROUTE), &open(&moved), &three());
    assert_eq!(only(&report), ("model (order of elements)", [0, 0, 3, 0]));
}

#[test]
fn owner_due_and_attachments_are_compared_too() {
    let field = |old: &str, new: &str| {
        let report = compare(&File::of(ROUTE), &File::with(ROUTE, old, new), &[plain()]);
        report
            .fields
            .iter()
            .map(|it| it.field.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(field("'310075728'", "'405003309'"), ["owner.organisation"]);
    assert_eq!(
        field("{ organisation: \"'310075728'\" }", "{ party: 51001234 }"),
        ["owner.organisation", "owner.party"]
    );
    assert_eq!(field("due: P30D", "due: P31D"), ["due"]);
    assert_eq!(
        field("  - { from: tegning, to: tegning }\n", ""),
        ["attachments.tegning"]
    );
    assert_eq!(
        field("  schema:", "  root: melding\n  schema:"),
        ["to.root"]
    );
}

#[test]
fn a_changed_name_or_key_is_a_warning_because_it_makes_a_second_b() {
    let renamed = compare(
        &File::of(ROUTE),
        &File::with(ROUTE, "name: permit-to-casework", "name: permit-to-cases"),
        &three(),
    );
    assert_eq!(only(&renamed), ("stamp", [0, 0, 3, 0]));
    assert!(
        renamed.text().starts_with("!! The route's name changes"),
        "{}",
        renamed.text()
    );

    let rekeyed = compare(
        &File::of(FAN_OUT),
        &File::with(FAN_OUT, "key: heir.id", "key: heir.name"),
        &[plain()],
    );
    assert_eq!(
        (
            rekeyed.relays.rekeyed,
            rekeyed.relays.appeared,
            rekeyed.relays.vanished
        ),
        (2, 0, 0)
    );
    assert!(
        rekeyed
            .text()
            .contains("2 values of `each` have another key: each would get A SECOND B"),
        "{}",
        rekeyed.text()
    );

    let fewer = File::with(
        FAN_OUT,
        "heir in data.model.heirs",
        "heir in data.model.heirs[:1]",
    );
    let report = compare(&File::of(FAN_OUT), &fewer, &[plain()]);
    assert_eq!(
        (
            report.relays.rekeyed,
            report.relays.appeared,
            report.relays.vanished
        ),
        (0, 0, 1)
    );
    let report = compare(&fewer, &File::of(FAN_OUT), &[plain()]);
    assert_eq!((report.relays.appeared, report.differing), (1, 1));

    let whole = FAN_OUT
        .replace("each: heir in data.model.heirs\nkey: heir.id\n", "")
        .replace("heir.id", "\"data.model.heirs[0].id\"")
        .replace("heir.name", "data.model.soker.navn");
    let report = compare(&File::of(&whole), &File::of(FAN_OUT), &[plain()]);
    assert!(report.warnings[0].starts_with("`each` is new"));
    assert_eq!((report.relays.appeared, report.relays.vanished), (2, 1));
}

#[test]
fn new_and_solved_failures_are_reported_with_their_reason() {
    let broken = File::with(ROUTE, "data.model.merknad", "data.model.merkand | upper");
    let report = compare(&File::of(ROUTE), &broken, &three());
    assert_eq!(
        (report.differing, report.failing, report.mending),
        (0, 3, 0)
    );
    assert_eq!(
        report.verdict(),
        "0 of 3 instances give another B; 3 fail that did not before."
    );
    assert!(
        report.failures[0].reason.contains("data.model.merkand") && report.failures[0].relays == 3
    );
    let back = compare(&broken, &File::of(ROUTE), &three());
    assert_eq!((back.failing, back.mending), (0, 3));
    assert!(back.verdict().ends_with("3 fail no longer."));
    // What B refuses is failing as well: the title has 40 characters at most.
    let long = File::with(
        ROUTE,
        "'Søknad fra '",
        "'En søknad om et byggetiltak som kommer fra '",
    );
    assert_eq!(compare(&File::of(ROUTE), &long, &three()).failing, 3);
}

#[test]
fn a_change_in_one_form_is_reported_under_its_name_and_the_others_are_the_same() {
    let app = b_of_two_forms();
    let compared = |old: &File, new: &File| {
        let [old, new] = [old, new].map(|file| Version {
            route: &file.route,
            b: Some(&app),
        });
        let mut comparison = Comparison::new(old, new, 2);
        comparison.add(&plain());
        comparison.report()
    };
    let text = two_forms();
    let old = File::of(&text);
    let title = "          tittel: data.model.soker.navn\n";
    let new = File::with(&text, title, "          tittel: \"'Kari'\"\n");
    let report = compared(&old, &new);
    assert_eq!(
        only(&report),
        ("to.forms.vurdering.model.soknad.tittel", [0, 0, 1, 0])
    );
    assert!(compared(&old, &old).is_same());
    let without = File::with(&text, title, "");
    assert_eq!(
        only(&compared(&old, &without)),
        ("to.forms.vurdering.model.soknad.tittel", [0, 1, 0, 0])
    );
}

#[test]
fn a_gate_that_opens_earlier_is_a_change() {
    let earlier = File::with(ROUTE, "{ process: completed }", "{ task: Task_2 }");
    let standing = source(|instance, _| {
        instance["process"] =
            json!({"currentTask": {"elementId": "Task_2", "started": "2026-11-20T09:12:45Z"}})
    });
    let report = compare(&File::of(ROUTE), &earlier, &[standing.clone(), plain()]);
    assert_eq!(
        (
            report.gate_opens.count,
            report.gate_closes.count,
            report.differing
        ),
        (1, 0, 1)
    );
    let report = compare(&earlier, &File::of(ROUTE), &[standing]);
    assert_eq!((report.gate_opens.count, report.gate_closes.count), (0, 1));
}

#[test]
fn instances_of_other_apps_do_not_count() {
    let other = source(|instance, _| instance["appId"] = json!("ttd/other"));
    let report = compare(&File::of(ROUTE), &File::of(ROUTE), &[other, plain()]);
    assert_eq!((report.instances, report.of_other_apps), (1, 1));
}

#[test]
fn a_changed_after_step_is_reported_and_is_no_change_of_b() {
    let report = compare(
        &File::of(ROUTE),
        &File::with(ROUTE, "label: Sendt", "label: Mottatt"),
        &three(),
    );
    assert!(report.is_same());
    assert_eq!(
        report.on_a,
        [
            "A gets the substatus “Mottatt”, not confirmed (before: the substatus “Sendt”, not confirmed)"
        ]
    );
}
