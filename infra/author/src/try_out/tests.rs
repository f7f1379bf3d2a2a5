//! Tests of try-outs.

use proptest::prelude::*;
use serde_json::json;
use stafett_core::schema::SchemaError;

use super::*;
use crate::fixtures::{FAN_OUT, File, ROUTE, b, b_of_two_forms, plain, source, two_forms};

/// Code and line of each finding.
fn found(tried: &TryOut) -> Vec<(&'static str, Option<usize>)> {
    let place = |finding: &Finding| finding.place.as_ref().map(|place| place.line);
    tried
        .all_findings()
        .map(|finding| (finding.code, place(finding)))
        .collect()
}

/// What the route makes of the A instance. Nothing else is known of the apps.
fn try_out(located: LocatedRoute<'_>, source: &InstanceData, b: Option<&TargetApp>) -> TryOut {
    TryOut::of(located, source, b, &Checked::default())
}

#[test]
fn a_further_form_is_shown_beside_the_first_and_its_mistakes_stand_at_its_fields() {
    let file = File::of(&two_forms());
    let tried = try_out(file.located(), &plain(), Some(&b_of_two_forms()));
    assert_eq!(tried.outcome(), Outcome::Sent, "{tried:?}");
    let preview = tried.parts[0].b.as_ref().expect("a draft");
    let [second] = &preview.forms[..] else {
        panic!("{} further forms", preview.forms.len())
    };
    assert_eq!(second.form_type, "vurdering");
    let xml = second.xml.as_deref().expect("it is sent");
    // In the order of the schema, as the first form.
    assert!(
        xml.contains("<tittel>Kari Bygger</tittel><referanse>"),
        "{xml}"
    );
    assert!(tried.text().contains(xml));

    let text = two_forms();
    let file = File::with(
        &text,
        "          tittel: data.model.soker.navn",
        "          tittel: data.model.tiltak | length",
    );
    let tried = try_out(file.located(), &plain(), Some(&b_of_two_forms()));
    assert_eq!(found(&tried), [("refused-by-schema", Some(14))]);
    let file = File::with(
        &text,
        "          tittel: data.model.soker.navn",
        "          tittel: data.model.merknad | upper",
    );
    let tried = try_out(file.located(), &plain(), Some(&b_of_two_forms()));
    assert_eq!(found(&tried), [("empty", Some(14))]);
}

#[test]
fn a_sound_route_shows_b_exactly_as_it_would_be_sent() {
    let file = File::of(ROUTE);
    let tried = try_out(file.located(), &plain(), Some(&b(|_| {})));
    assert_eq!(tried.outcome(), Outcome::Sent, "{tried:?}");
    let [part] = &tried.parts[..] else {
        panic!("one relay")
    };
    let preview = part.b.as_ref().expect("a draft");
    assert_eq!(part.verdict, Judgement::Taken);
    assert_eq!(
        part.relay,
        "permit-to-casework:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
    );
    assert_eq!(preview.owner, json!({"organisationNumber": "310075728"}));
    assert_eq!(
        preview.due.map(|due| due.to_string()).as_deref(),
        Some("2026-12-20T09:12:45Z")
    );
    assert_eq!(preview.form_type.as_deref(), Some("model"));
    assert_eq!(
        preview.xml.as_deref(),
        Some(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><model><soknad><tittel>Søknad fra Kari Bygger</tittel>\
             <referanse>51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77</referanse><antall>2</antall>\
             <vedtak><kode>TB</kode><areal>24.5</areal></vedtak><vedtak><kode>GA</kode></vedtak></soknad></model>"
        )
    );
    assert_eq!(
        preview.stamps,
        BTreeMap::from([
            ("stafett.relay".to_owned(), part.relay.clone()),
            (
                "stafett.source".to_owned(),
                "51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77".to_owned()
            ),
        ])
    );
    let attached: Vec<_> = preview
        .attachments
        .iter()
        .map(|it| (it.from.as_str(), it.to.as_str(), it.filename.as_str()))
        .collect();
    assert_eq!(
        attached,
        [
            ("ref-data-as-pdf", "vedlegg", "permit.pdf"),
            ("tegning", "tegning", "plan.pdf")
        ]
    );
    assert_eq!(tried.then, ["A gets the substatus “Sendt”"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_form_is_what_the_functions_own_preflight_makes_of_it(name in "\\PC{1,20}", codes in proptest::collection::vec("\\PC{0,5}", 0..4)) {
        let source = source(|_, form| {
            form["soker"]["navn"] = json!(name);
            form["tiltak"] = codes.iter().map(|code| json!({"kode": code, "areal": 1})).collect();
        });
        let file = File::of(ROUTE);
        let since = transform::open_since(&file.route.gate, &source.instance).expect("open");
        let draft = transform::drafts(&file.route, &source.instance, source.data(), since).expect("parts").remove(0).draft.expect("a draft");
        let checked = stafett_core::preflight::check(draft, &file.route.to, &b(|_| {})).expect("taken");
        let tried = try_out(file.located(), &source, Some(&b(|_| {})));
        let preview = tried.parts[0].b.as_ref().expect("a draft");
        let stafett_core::preflight::Content::Xml(xml) = checked.forms.main.content else { panic!("complete") };
        prop_assert_eq!(preview.xml.as_ref(), Some(&xml));
        prop_assert_eq!(&preview.model, &checked.draft.models.main);
    }
}

#[test]
fn without_bs_files_everything_is_shown_and_nothing_judged() {
    let file = File::of(ROUTE);
    let tried = try_out(file.located(), &plain(), None);
    assert_eq!(tried.parts[0].verdict, Judgement::NotJudged);
    assert_eq!(tried.outcome(), Outcome::NotTold);
    assert!(!tried.text().contains("would be sent"), "{}", tried.text());
    assert!(
        tried
            .text()
            .contains("<tittel>Søknad fra Kari Bygger</tittel>")
    );
}

#[test]
fn a_closed_gate_shows_where_a_stands_and_what_the_route_waits_for() {
    let closed = source(|instance, _| {
        instance["process"] = json!({"currentTask": {"elementId": "Task_2"}});
    });
    let file = File::of(ROUTE);
    let tried = try_out(file.located(), &closed, None);
    assert!(tried.outcome() == Outcome::NotSent && tried.parts.is_empty());
    assert!(
        tried
            .text()
            .contains("closed: A's process stands in Task_2"),
        "{}",
        tried.text()
    );
}

#[test]
fn every_field_that_cannot_be_filled_is_a_finding_at_its_place() {
    let file = File::of(
        &ROUTE
            .replace("data.model.merknad", "data.model.merkand | upper")
            .replace("tiltak.kode", "tiltak.kode + 1")
            .replace("~ data.model.soker.navn", "~ data.model.merknad"),
    );
    let tried = try_out(file.located(), &plain(), Some(&b(|_| {})));
    assert_eq!(
        found(&tried),
        [
            ("empty", Some(10)),
            ("empty", Some(11)),
            ("expression", Some(15))
        ]
    );
    let place = tried.parts[0].findings[1].place.as_ref().expect("a place");
    assert_eq!(
        (place.column, place.length),
        (14, "data.model.merkand".len())
    );
    assert!(tried.parts[0].b.is_none() && tried.outcome() == Outcome::NotSent);
}

#[test]
fn what_prevents_a_draft_is_found_at_the_part_of_the_route_that_causes_it() {
    let tell = |file: &File, source: &InstanceData| {
        found(&try_out(file.located(), source, Some(&b(|_| {}))))
    };
    let owner = File::with(ROUTE, "\"'310075728'\"", "\"'31007572'\"");
    assert_eq!(tell(&owner, &plain()), [("owner", Some(5))]);
    let no_pdf = source(|instance, _| instance["data"] = json!([]));
    assert_eq!(
        tell(&File::of(ROUTE), &no_pdf),
        [("attachment-missing", Some(18))]
    );
    let infected = source(|instance, _| instance["data"][1]["fileScanResult"] = json!("Infected"));
    assert_eq!(
        tell(&File::of(ROUTE), &infected),
        [("attachment-infected", Some(19))]
    );
    let twins = source(|_, form| form["heirs"][1]["id"] = form["heirs"][0]["id"].clone());
    assert_eq!(tell(&File::of(FAN_OUT), &twins), [("key", Some(6))]);
    let other = source(|instance, _| instance["appId"] = json!("ttd/other"));
    assert_eq!(tell(&File::of(ROUTE), &other), [("other-app", Some(2))]);
    let gone = source(|instance, _| instance["status"]["isHardDeleted"] = json!(true));
    assert_eq!(tell(&File::of(ROUTE), &gone), [("source-deleted", None)]);
}

#[test]
fn what_b_would_refuse_is_found_at_the_part_of_the_route_that_causes_it() {
    let tell = |source: &InstanceData, b: &TargetApp| {
        let file = File::of(ROUTE);
        let tried = try_out(file.located(), source, Some(b));
        assert!(
            tried.parts[0].b.is_some(),
            "the draft is shown all the same"
        );
        found(&tried)
    };
    let only_png = b(|b| b["dataTypes"][1]["allowedContentTypes"] = json!(["image/png"]));
    assert_eq!(tell(&plain(), &only_png), [("refused-element", Some(18))]);
    let persons = b(|b| b["partyTypesAllowed"] = json!({"person": true}));
    assert_eq!(tell(&plain(), &persons), [("refused-owner", Some(5))]);
    let long = source(|_, form| form["soker"]["navn"] = json!("x".repeat(60)));
    assert_eq!(tell(&long, &b(|_| {})), [("refused-by-schema", Some(10))]);
    let bell = source(|_, form| form["merknad"] = json!("\u{7}"));
    assert_eq!(tell(&bell, &b(|_| {})), [("not-xml", Some(11))]);
}

#[test]
fn it_says_why_the_schema_of_the_route_is_used_instead_of_bs() {
    let file = File::of(ROUTE);
    let says = |b: Option<&TargetApp>| try_out(file.located(), &plain(), b).schema;
    let without = b(|_| {});
    let mut unusable = without.clone();
    let error = SchemaError::Remote {
        file: "B's app".to_owned(),
        reference: "elsewhere.json".to_owned(),
    };
    unusable.schemas.insert("model".to_owned(), Err(error));
    for (b, why) in [
        (None, "; if B's app serves one, that one counts"),
        (Some(&without), ", as B's app has none"),
        (Some(&unusable), ", as the one of B's app cannot be used"),
    ] {
        let said = says(b);
        assert!(said.ends_with(&format!(" in to.schema{why}")), "{said}");
    }
}

#[test]
fn a_fan_out_shows_a_part_with_a_relay_of_its_own_for_each_value() {
    let file = File::of(FAN_OUT);
    let tried = try_out(file.located(), &plain(), None);
    let keys: Vec<_> = tried
        .parts
        .iter()
        .filter_map(|part| part.key.as_deref())
        .collect();
    assert_eq!(keys, ["12837832290", "15897499870"]);
    assert_ne!(tried.parts[0].relay, tried.parts[1].relay);
    assert!(
        tried
            .parts
            .iter()
            .all(|part| !part.relay.contains("12837832290"))
    );
    let none = source(|_, form| form["heirs"] = json!([]));
    let tried = try_out(file.located(), &none, None);
    assert!(tried.outcome() == Outcome::Sent && tried.text().contains("no B would be made"));
}

#[test]
fn no_finding_repeats_a_value_of_a() {
    let file = File::of(&ROUTE.replace("data.model.tiltak | length", "data.model.soker.navn + 1"));
    let tried = try_out(file.located(), &plain(), None);
    assert!(!tried.parts[0].findings.is_empty());
    let told = serde_json::to_string(&tried.parts[0].findings).expect("JSON");
    assert!(!told.contains("Kari"), "{told}");
}
