//! Tests of explanations.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    check::Checked,
    fixtures::{FAN_OUT, File, ROUTE, plain, source, two_forms},
    try_out::TryOut,
};

/// The draft's value of a field, whose path has indexes.
fn lookup<'v>(model: &'v Map<String, Value>, field: &str) -> Option<&'v Value> {
    let mut names = segments(field).into_iter().skip(1);
    let step = |here: &'v Value, index: Option<&str>| match index {
        None => Some(here),
        Some(index) => here.get(index.parse::<usize>().ok()?),
    };
    let (name, index) = names.next()?;
    let first = step(model.get(name)?, index)?;
    names.try_fold(first, |here, (name, index)| step(here.get(name)?, index))
}

fn one(route: &str, source: &InstanceData, field: &str) -> Explained {
    let file = File::of(route);
    let explanation = explain(file.located(), source, None, field).unwrap();
    let [only] = <[Explained; 1]>::try_from(explanation.values).unwrap_or_else(|all| {
        panic!("{field} has {} values", all.len());
    });
    only
}

#[test]
fn a_field_of_a_further_form_is_explained_by_its_whole_name() {
    let field = "to.forms.vurdering.model.soknad.tittel";
    for asked in [field, &field["to.".len()..]] {
        let explained = one(&two_forms(), &plain(), asked);
        assert_eq!(explained.field, field);
        assert_eq!(explained.rule, "data.model.soker.navn");
        assert!(explained.place.is_some());
        assert_eq!(
            explained.notes,
            ["element 1 of 2 in to.forms.vurdering.model.soknad, moved there from 2 by B's schema"]
        );
    }
    let file = File::of(&two_forms());
    let wrong = explain(
        file.located(),
        &plain(),
        None,
        "to.forms.vurdering.model.soknad.titel",
    );
    let meant = wrong.expect_err("there is no such field").meant;
    assert_eq!(meant.as_deref(), Some(field));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_value_of_an_explanation_is_the_value_of_the_draft(
        rows in proptest::collection::vec((proptest::option::of("[A-Z]{0,4}"), proptest::option::of(0_u32..9999)), 0..5),
        name in "\\PC{1,20}",
        note in proptest::option::of("\\PC{1,20}"),
        heirs in proptest::collection::vec("[a-zæøå ]{1,9}", 0..4),
    ) {
        let source = source(|_, form| {
            form["soker"]["navn"] = json!(name);
            form["merknad"] = json!(note);
            form["tiltak"] = rows.iter().map(|(kode, areal)| json!({"kode": kode, "areal": areal})).collect();
            form["heirs"] = heirs.iter().enumerate().map(|(index, name)| json!({"id": format!("1283783229{index}"), "name": name})).collect();
        });
        for route in [ROUTE, FAN_OUT] {
            let file = File::of(route);
            let tried = TryOut::of(file.located(), &source, None, &Checked::default());
            let explanation = explain(file.located(), &source, None, "model").unwrap();
            let mut explained = 0;
            for part in &tried.parts {
                let model = &part.b.as_ref().expect("a draft").model;
                for value in explanation.values.iter().filter(|value| value.key == part.key && !value.field.ends_with("$each")) {
                    explained += 1;
                    let gives = match &value.outcome {
                        Outcome::Value(value) => Some(value),
                        Outcome::LeftOut(_) => None,
                        Outcome::Refused(why) => return Err(TestCaseError::fail(why.clone())),
                    };
                    prop_assert_eq!(gives, lookup(model, &value.field), "{}", value.field);
                }
            }
            let fields = explanation.values.iter().filter(|value| !value.field.ends_with("$each")).count();
            prop_assert_eq!(explained, fields);
        }
    }
}

#[test]
fn an_explanation_names_what_was_read_and_its_value() {
    let value = one(ROUTE, &plain(), "model.soknad.tittel");
    assert_eq!(value.rule, "'Søknad fra ' ~ data.model.soker.navn");
    assert_eq!(value.place.as_ref().map(|place| place.line), Some(10));
    let [read] = &value.reads[..] else {
        panic!("one path")
    };
    assert_eq!(read.path, "data.model.soker.navn");
    assert!(read.has == Has::Value(json!("Kari Bygger")));
    assert!(value.outcome == Outcome::Value(json!("Søknad fra Kari Bygger")));
    assert_eq!(
        value.notes,
        ["element 1 of 4 in model.soknad, moved there from 2 by B's schema"]
    );
}

#[test]
fn an_explanation_says_that_an_empty_field_is_left_out() {
    let value = one(ROUTE, &plain(), "model.soknad.merknad");
    assert!(value.reads.iter().all(|read| read.has == Has::Empty));
    assert!(value.outcome == Outcome::LeftOut("`data.model.merknad` is empty in A".into()));
}

#[test]
fn a_row_is_named_by_its_list_and_its_index() {
    for field in [
        "model.soknad.vedtak[1].kode",
        "to.model.soknad.vedtak[1].kode",
    ] {
        let value = one(ROUTE, &plain(), field);
        let item = Item {
            name: "tiltak".into(),
            list: "data.model.tiltak".into(),
            index: 1,
        };
        assert_eq!(value.items, [item]);
        assert!(value.outcome == Outcome::Value(json!("GA")));
    }
    let file = File::of(ROUTE);
    let all = |field: &str| {
        explain(file.located(), &plain(), None, field)
            .unwrap()
            .values
            .len()
    };
    assert_eq!(all("model.soknad.vedtak.kode"), 2);
    assert_eq!(all("model.soknad.vedtak[].kode"), 2);
    // Two fields of two rows, and the list.
    assert_eq!(all("model.soknad.vedtak"), 5);
    let none = explain(
        file.located(),
        &plain(),
        None,
        "model.soknad.vedtak[7].kode",
    )
    .unwrap();
    assert!(none.values.is_empty() && none.none.is_some());
}

#[test]
fn owner_due_key_and_attachments_can_be_asked_for() {
    assert!(one(ROUTE, &plain(), "owner").outcome == Outcome::Value(json!("310075728")));
    assert!(one(ROUTE, &plain(), "to.owner").outcome == Outcome::Value(json!("310075728")));
    assert!(one(ROUTE, &plain(), "due").outcome == Outcome::Value(json!("2026-12-20T09:12:45Z")));
    for field in ["attachments[1]", "attachments.tegning"] {
        assert!(
            one(ROUTE, &plain(), field).outcome == Outcome::Value(json!(["plan.pdf"])),
            "{field}"
        );
    }
    let file = File::of(FAN_OUT);
    let each = explain(file.located(), &plain(), None, "key")
        .unwrap()
        .values;
    let outcomes: Vec<_> = each.iter().skip(1).map(|value| &value.outcome).collect();
    assert!(
        outcomes
            == [
                &Outcome::Value(json!("12837832290")),
                &Outcome::Value(json!("15897499870"))
            ]
    );
    let owners = explain(file.located(), &plain(), None, "owner")
        .unwrap()
        .values;
    assert_eq!(
        owners
            .iter()
            .map(|value| value.key.as_deref())
            .collect::<Vec<_>>(),
        [Some("12837832290"), Some("15897499870")]
    );
}

#[test]
fn a_field_that_cannot_be_filled_says_why() {
    let file = File::with(ROUTE, "data.model.merknad", "data.model.merkand | upper");
    let value = explain(file.located(), &plain(), None, "model.soknad.merknad")
        .unwrap()
        .values
        .remove(0);
    assert!(value.reads.iter().all(|read| read.has == Has::Empty));
    let Outcome::Refused(why) = value.outcome else {
        panic!("refused")
    };
    assert!(why.contains("`data.model.merkand`"), "{why}");
}

#[test]
fn an_unknown_field_is_answered_with_a_suggestion() {
    let file = File::of(ROUTE);
    let meant = |field: &str| {
        explain(file.located(), &plain(), None, field)
            .unwrap_err()
            .meant
    };
    assert_eq!(
        meant("model.soknad.titel").as_deref(),
        Some("model.soknad.tittel")
    );
    assert_eq!(
        meant("model.soknad.vedtak[0].kod").as_deref(),
        Some("model.soknad.vedtak.kode")
    );
    assert_eq!(meant("ownr").as_deref(), Some("owner"));
    assert_eq!(meant("something.quite.different"), None);
    let error = explain(file.located(), &plain(), None, "key")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("route permit-to-casework has no field `key`"),
        "{error}"
    );
}

#[test]
fn debug_output_has_none_of_as_data() {
    let file = File::of(ROUTE);
    let explanation = explain(file.located(), &plain(), None, "model").unwrap();
    assert!(!format!("{explanation:?}").contains("Kari"));
    assert!(
        !format!(
            "{:?}",
            TryOut::of(file.located(), &plain(), None, &Checked::default())
        )
        .contains("Kari")
    );
}

/// The explanation of a field of a route in `file`.
fn explained(file: &File, source: &InstanceData, field: &str) -> Explanation {
    explain(file.located(), source, None, field).unwrap()
}

#[test]
fn an_explanation_and_the_transform_report_the_same_problem_with_keys() {
    let heirs = |heirs: Value| source(|_, form| form["heirs"] = heirs);
    let heir = |id: Value| json!({"id": id, "name": "Kari"});
    for (case, source) in [
        (
            "blank",
            heirs(json!([heir(json!("12837832290")), heir(json!("  "))])),
        ),
        (
            "empty",
            heirs(json!([heir(Value::Null), heir(json!("15897499870"))])),
        ),
        ("list", heirs(json!([heir(json!(["1"]))]))),
        (
            "same",
            heirs(json!([
                heir(json!("1")),
                heir(json!(" 1 ")),
                heir(json!("2"))
            ])),
        ),
        ("missing", heirs(json!([{"name": "Kari"}]))),
        ("no list", heirs(json!("Kari"))),
    ] {
        let file = File::of(FAN_OUT);
        let drafts = transform::drafts(
            &file.route,
            &source.instance,
            source.data(),
            transform::open_since(&file.route.gate, &source.instance).unwrap(),
        );
        let Err(TransformError::Keys { problem, .. }) = drafts else {
            panic!("{case}: {drafts:?}")
        };
        for field in ["model", "owner"] {
            let explanation = explained(&file, &source, field);
            assert!(explanation.values.is_empty(), "{case}");
            assert!(explanation.is_refused(), "{case}");
            assert_eq!(explanation.refused, Some(problem.to_string()), "{case}");
        }
        let key = explained(&file, &source, "key");
        let refused = Outcome::Refused(problem.to_string());
        let first = key
            .values
            .iter()
            .find(|value| matches!(value.outcome, Outcome::Refused(_)));
        assert!(
            first.is_some_and(|value| value.outcome == refused),
            "{case}"
        );
        assert!(key.is_refused(), "{case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_explanation_and_the_transform_find_the_same_keys(
        ids in proptest::collection::vec(
            prop_oneof![Just(json!(null)), Just(json!(" ")), Just(json!("a")), Just(json!(" b ")), Just(json!("c")), Just(json!(7)), Just(json!(true))],
            0..4,
        ),
    ) {
        let source = source(|_, form| {
            form["heirs"] = ids.iter().map(|id| json!({"id": id, "name": "Kari"})).collect();
        });
        let file = File::with(FAN_OUT, "{ person: heir.id }", "{ party: 1 }");
        let since = transform::open_since(&file.route.gate, &source.instance).unwrap();
        let drafts = transform::drafts(&file.route, &source.instance, source.data(), since);
        let keys = explained(&file, &source, "key");
        let outcomes: Vec<&Outcome> = keys.values.iter().skip(1).map(|value| &value.outcome).collect();
        match drafts {
            Ok(parts) => {
                let made: Vec<Outcome> = parts.iter().map(|part| Outcome::Value(part.key.clone().into())).collect();
                prop_assert!(outcomes == made.iter().collect::<Vec<_>>(), "{ids:?}");
                let names = explained(&file, &source, "model.soknad.tittel");
                let relays: Vec<&Option<String>> = names.values.iter().map(|value| &value.key).collect();
                prop_assert_eq!(relays, parts.iter().map(|part| &part.key).collect::<Vec<_>>());
            }
            Err(_) => prop_assert!(keys.is_refused() && explained(&file, &source, "model").is_refused()),
        }
    }

    #[test]
    fn an_explanation_refuses_a_field_exactly_where_the_transform_fails(
        rows in proptest::collection::vec(proptest::option::of("[A-Z]{1,4}"), 0..4),
    ) {
        let source = source(|_, form| {
            form["tiltak"] = rows.iter().map(|kode| json!({"kode": kode, "areal": 1})).collect();
        });
        let file = File::with(ROUTE, "kode: tiltak.kode", "kode: \"'x' ~ tiltak.kode\"");
        let since = transform::open_since(&file.route.gate, &source.instance).unwrap();
        let mut parts = transform::drafts(&file.route, &source.instance, source.data(), since).unwrap();
        let refused: Vec<String> = explained(&file, &source, "model")
            .values
            .iter()
            .filter(|value| matches!(value.outcome, Outcome::Refused(_)))
            .map(|value| value.field.clone())
            .collect();
        match parts.remove(0).draft {
            Ok(_) => prop_assert_eq!(refused, Vec::<String>::new()),
            Err(TransformError::Mapping { problem: source, .. }) => {
                prop_assert_eq!(refused.first().map(String::as_str), Some(source.field()));
                prop_assert_eq!(refused.len(), rows.iter().filter(|row| row.is_none()).count());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
}
