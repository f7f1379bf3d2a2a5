use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    draft::{Draft, Owner},
    forms::Forms,
    preflight::Content,
    relay::decide::Engine,
};

const DONE: Progress = Progress {
    started: true,
    engine: Engine::Idle,
};

/// Data type and size.
type Element = (&'static str, u64);

/// A draft with a form of type `model` and these attachments.
fn checked(model: &Value, attachments: &[Element]) -> CheckedDraft {
    let attachment = |(data_type, size): &Element| Attachment {
        element: Uuid::nil(),
        data_type: (*data_type).into(),
        filename: "a+b.pdf".into(),
        content_type: "application/pdf".into(),
        size: *size,
    };
    CheckedDraft {
        draft: Draft {
            owner: Owner::Party(1),
            models: Forms::one(model.as_object().unwrap().clone()),
            attachments: attachments.iter().map(attachment).collect(),
            due: None,
        },
        forms: Forms::one(CheckedForm {
            data_type: "model".into(),
            field: "model".into(),
            content: Content::Xml("<melding/>".into()),
        }),
    }
}

/// A live element of B.
fn element((data_type, size): Element) -> Value {
    json!({"id": Uuid::nil(), "dataType": data_type, "size": size, "filename": "a b.pdf"})
}

/// The same element, marked as deleted.
fn deleted(mut element: Value) -> Value {
    element["deleteStatus"] = json!({"isHardDeleted": true});
    element
}

fn b(elements: &[Value]) -> Instance {
    copied(elements, &[], &[])
}

/// A B with these elements, and these keys in `dataValues` and `presentationTexts`.
fn copied(elements: &[Value], values: &[&str], texts: &[&str]) -> Instance {
    let group = |keys: &[&str]| -> Value {
        keys.iter()
            .map(|key| ((*key).to_owned(), json!("as copied")))
            .collect()
    };
    Instance::from_json(json!({
        "id": format!("1/{}", Uuid::nil()), "appId": "ttd/casework", "data": elements,
        "dataValues": group(values), "presentationTexts": group(texts),
    }))
    .unwrap()
}

/// A field that B copies: id, path, data type.
type Field = (&'static str, &'static str, &'static str);

fn fields(fields: &[Field]) -> Value {
    fields
        .iter()
        .map(|(id, path, data_type)| json!({"id": id, "path": path, "dataTypeId": data_type}))
        .collect()
}

fn metadata(data_fields: &[Field], presentation_fields: &[Field]) -> ApplicationMetadata {
    ApplicationMetadata::from_json(&json!({
        "id": "ttd/casework", "dataFields": fields(data_fields), "presentationFields": fields(presentation_fields),
    }))
    .unwrap()
}

/// What `b` lacks if its process was started and its app copies nothing.
fn lacking(checked: &CheckedDraft, b: &Instance) -> Lacks {
    lacks(checked, &metadata(&[], &[]), b, DONE)
}

#[test]
fn a_complete_b_lacks_nothing_and_an_empty_one_everything() {
    let draft = checked(&json!({}), &[("vedlegg", 10), ("vedlegg", 20)]);
    let complete = b(&[
        element(("vedlegg", 20)),
        element(("model", 300)),
        element(("vedlegg", 10)),
        element(("ref-data-as-pdf", 10)),
    ]);
    assert!(lacking(&draft, &complete).is_nothing());

    let empty = lacks(
        &draft,
        &metadata(&[], &[]),
        &b(&[]),
        Progress {
            started: false,
            ..DONE
        },
    );
    let all = Lacks {
        form: true,
        attachments: 2,
        copies: false,
        start: true,
    };
    assert_eq!(empty, all);
}

/// Storage decodes names twice, so that `a+b.pdf` arrives as `a b.pdf`.
#[test]
fn an_attachment_is_identified_by_data_type_and_size_and_not_by_name() {
    let draft = checked(&json!({}), &[("vedlegg", 10)]);
    let with = |other: Value| lacking(&draft, &b(&[element(("model", 1)), other]));
    let mut unnamed = element(("vedlegg", 10));
    unnamed["filename"] = Value::Null;
    for same in [element(("vedlegg", 10)), unnamed] {
        assert!(with(same).is_nothing());
    }
    for other in [
        element(("annet", 10)),
        element(("Vedlegg", 10)),
        element(("vedlegg", 11)),
        deleted(element(("vedlegg", 10))),
    ] {
        assert_eq!(with(other.clone()).attachments, 1, "{other}");
    }
}

#[test]
fn a_deleted_form_counts_as_missing() {
    let draft = checked(&json!({}), &[]);
    assert!(lacking(&draft, &b(&[deleted(element(("model", 300)))])).form);
    assert!(lacking(&draft, &b(&[element(("Model", 300))])).form);
    assert!(!lacking(&draft, &b(&[element(("model", 0))])).form);
}

#[test]
fn attachments_of_one_data_type_and_size_are_counted_together() {
    let draft = checked(
        &json!({}),
        &[
            ("vedlegg", 10),
            ("annet", 10),
            ("vedlegg", 10),
            ("vedlegg", 10),
        ],
    );
    let b = b(&[
        element(("vedlegg", 10)),
        element(("annet", 10)),
        element(("annet", 10)),
    ]);
    let groups: Vec<_> = alike(&draft, &b)
        .iter()
        .map(|group| (group.wanted.len(), group.there.len(), group.lacking()))
        .collect();
    // A surplus `annet` does not replace a missing `vedlegg`.
    assert_eq!(groups, [(1, 2, 0), (3, 1, 2)]);
    assert_eq!(lacking(&draft, &b).attachments, 2);
}

#[test]
fn copies_are_missing_if_the_form_has_the_value_and_b_has_no_copy() {
    let form = element(("model", 1));
    let model =
        json!({"soknad": {"navn": "Bod", "antall": 0, "haster": false, "tom": "", "null": null}});
    let draft = checked(&model, &[]);
    let of = |path| [("it", path, "model")];
    let copies = |data: &[Field], presentation: &[Field], values: &[&str], texts: &[&str]| {
        let b = copied(std::slice::from_ref(&form), values, texts);
        lacks(&draft, &metadata(data, presentation), &b, DONE).copies
    };
    for path in [
        "soknad.navn",
        "SOKNAD.Navn",
        "soknad.antall",
        "soknad.haster",
    ] {
        assert!(copies(&of(path), &[], &[], &[]), "{path}");
        assert!(copies(&[], &of(path), &[], &[]), "{path}");
        assert!(!copies(&of(path), &[], &["it"], &[]), "{path}");
        assert!(!copies(&[], &of(path), &[], &["it"]), "{path}");
        // A data value does not replace a presentation text, nor the other way round.
        assert!(copies(&of(path), &[], &[], &["it"]), "{path}");
        assert!(copies(&[], &of(path), &["it"], &[]), "{path}");
    }
    for path in [
        "soknad.tom",
        "soknad.null",
        "soknad.mangler",
        "soknad",
        "soknad.navn.mer",
        "",
    ] {
        assert!(!copies(&of(path), &of(path), &[], &[]), "{path}");
    }
}

#[test]
fn a_path_through_a_list_names_no_copied_value() {
    let draft = checked(&json!({"tiltak": [{"kode": "TB"}]}), &[]);
    let metadata = metadata(
        &[
            ("kode", "tiltak.kode", "model"),
            ("kode", "tiltak", "model"),
        ],
        &[],
    );
    assert!(!lacks(&draft, &metadata, &b(&[element(("model", 1))]), DONE).copies);
}

/// app-lib leaves its loop at the first field of another data type.
#[test]
fn fields_after_one_of_another_data_type_are_not_copied() {
    let draft = checked(&json!({"navn": "Bod"}), &[]);
    let (ours, other) = (("ours", "navn", "model"), ("other", "navn", "annet"));
    let ids = |fields: &[Field]| {
        let metadata = metadata(fields, &[]);
        expected(&metadata.data_fields, "model", &draft.draft.models.main)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&[ours, other]), ["ours"]);
    assert!(ids(&[other, ours]).is_empty());
    let without_a_value = ("none", "mangler", "model");
    assert_eq!(ids(&[without_a_value, ours]), ["ours"]);

    let mut untyped = metadata(&[ours, ours], &[]);
    untyped.data_fields[0].data_type_id = None;
    let mut ids = expected(&untyped.data_fields, "model", &draft.draft.models.main);
    assert_eq!(ids.next(), None);
}

/// A draft with a second form of type `annet`.
fn with_two_forms() -> CheckedDraft {
    let mut draft = checked(&json!({"navn": "Bod"}), &[]);
    let model = json!({"svar": "ja"}).as_object().unwrap().clone();
    draft.draft.models.further.push(model);
    draft.forms.further.push(CheckedForm {
        data_type: "annet".into(),
        field: "to.forms.annet.model".into(),
        content: Content::Xml("<annet/>".into()),
    });
    draft
}

#[test]
fn a_b_has_all_forms_and_the_copies_of_each() {
    let draft = with_two_forms();
    let [ours, other] = [("ours", "navn", "model"), ("other", "svar", "annet")];
    let fields = metadata(&[ours], &[other]);
    let (model, annet) = (element(("model", 1)), element(("annet", 1)));
    for (elements, missing) in [
        (vec![], vec!["model", "annet"]),
        (vec![model.clone()], vec!["annet"]),
        (vec![annet.clone()], vec!["model"]),
        (vec![model.clone(), annet.clone()], vec![]),
    ] {
        let b = b(&elements);
        let forms = lacking_forms(&draft, &b);
        let lacking: Vec<_> = forms.map(|form| form.data_type.as_str()).collect();
        assert_eq!(lacking, missing);
        assert_eq!(lacks(&draft, &fields, &b, DONE).form, !missing.is_empty());
    }
    let both = [model, annet];
    for (values, texts, missing) in [
        (vec!["ours"], vec!["other"], vec![]),
        (vec![], vec!["other"], vec!["model"]),
        (vec!["ours"], vec![], vec!["annet"]),
    ] {
        let b = copied(&both, &values, &texts);
        let forms = uncopied(&draft, &fields, &b);
        let types: Vec<_> = forms.iter().map(|form| form.data_type.as_str()).collect();
        assert_eq!(types, missing);
        assert_eq!(lacks(&draft, &fields, &b, DONE).copies, !missing.is_empty());
    }
}

#[test]
fn what_b_lacks_is_described_without_its_data() {
    let draft = checked(&json!({"navn": "Bod"}), &[("vedlegg", 10), ("vedlegg", 20)]);
    let metadata = metadata(&[("ours", "navn", "model")], &[]);
    let never_started = Progress {
        started: false,
        ..DONE
    };
    assert_eq!(
        lacks(&draft, &metadata, &b(&[]), never_started).to_string(),
        "a form, 2 attachments, presentation texts or data values, the start of its process (start hooks, further \
         forms and the created event)"
    );
    let one = b(&[element(("vedlegg", 10)), element(("model", 1))]);
    let lacking = lacks(&draft, &metadata, &one, DONE).to_string();
    assert_eq!(lacking, "an attachment, presentation texts or data values");
}

const KEYS: [&str; 3] = ["one", "two", "three"];

proptest! {
    #[test]
    fn b_lacks_what_is_removed_from_it(
        attachments in vec((select(&["vedlegg", "annet"][..]), 1..3_u64), 0..8),
        kept in any::<u8>(), form in any::<bool>(), started in any::<bool>(),
        values in any::<[bool; 3]>(), texts in any::<[bool; 3]>(), by_deletion in any::<bool>(),
    ) {
        let draft = checked(&json!({"one": "a", "two": 2, "three": true}), &attachments);
        let copied_fields = KEYS.map(|key| (key, key, "model"));
        let metadata = metadata(&copied_fields, &copied_fields);
        let is_kept = |index: usize| kept >> index & 1 == 1;
        let mut parts: Vec<(Value, bool)> = attachments
            .iter()
            .enumerate()
            .map(|(index, attachment)| (element(*attachment), is_kept(index)))
            .collect();
        parts.push((element(("model", 1)), form));
        // Storage lists them in any order.
        parts.reverse();
        let elements: Vec<Value> = parts
            .into_iter()
            .filter_map(|(element, kept)| match (kept, by_deletion) {
                (true, _) => Some(element),
                (false, true) => Some(deleted(element)),
                (false, false) => None,
            })
            .collect();
        let of = |kept: [bool; 3]| -> Vec<&str> {
            KEYS.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(key, _)| key).collect()
        };
        let b = copied(&elements, &of(values), &of(texts));
        let taken = Lacks {
            form: !form,
            attachments: (0..attachments.len()).filter(|index| !is_kept(*index)).count(),
            copies: values.contains(&false) || texts.contains(&false),
            start: !started,
        };
        prop_assert_eq!(lacks(&draft, &metadata, &b, Progress { started, ..DONE }), taken);
    }
}
