//! Drafts that B accepts, and drafts that it would refuse.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    language::Expression,
    relay::Reason,
    route::{Order, OwnerRule, VerifyRule},
    schema::Schema,
};

mod forms;
mod schema;

/// A draft that B accepts, with B's metadata and the route's target.
struct Case {
    draft: Draft,
    metadata: Value,
    /// What B's app serves.
    schemas: BTreeMap<String, ServedSchema>,
    target: Target,
}

fn valid() -> Case {
    let model = json!({"soknad": {"tittel": "Bod"}});
    Case {
        draft: Draft {
            owner: Owner::Organisation("310075728".into()),
            models: Forms::one(model.as_object().unwrap().clone()),
            attachments: vec![pdf("plan.pdf", 1_000)],
            due: None,
        },
        metadata: json!({
            "id": "ttd/casework",
            "dataTypes": [
                {"id": "model", "allowedContentTypes": ["application/xml"], "appLogic": {"classRef": "Model"}, "maxCount": 1},
                {
                    "id": "vedlegg", "allowedContentTypes": ["application/pdf"], "allowedContributors": ["org:ttd"],
                    "maxSize": 2, "maxCount": 3,
                },
                {"id": "fritt", "allowedContentTypes": null, "maxSize": null, "maxCount": 0},
            ],
            "partyTypesAllowed": {"person": false, "organisation": true},
        }),
        schemas: BTreeMap::new(),
        target: Target {
            app: "ttd/casework".parse().unwrap(),
            owner: OwnerRule::Organisation(Expression::compile("'310075728'", &[]).unwrap()),
            forms: Forms::one(FormRule {
                data_type: None,
                is_further: false,
                root: "melding".into(),
                schema: None,
                order: Order::Schema,
                model: Vec::new(),
            }),
            complete: true,
            mode: Mode::Complete,
            verify: VerifyRule::Sampled,
            pace: None,
        },
    }
}

fn pdf(filename: &str, size: u64) -> Attachment {
    Attachment {
        element: Uuid::nil(),
        data_type: "vedlegg".into(),
        filename: filename.into(),
        content_type: "application/pdf".into(),
        size,
    }
}

impl Case {
    fn checked(self) -> Result<CheckedDraft, Objections> {
        let schemas = self.schemas.clone();
        let b = TargetApp {
            schemas,
            ..self.b()
        };
        check(self.draft, &self.target, &b)
    }

    fn b(&self) -> TargetApp {
        TargetApp::without_schemas(ApplicationMetadata::from_json(&self.metadata).unwrap())
    }

    /// Lets B's app serve this schema of its form.
    fn serve(&mut self, document: Value) {
        let schema = Schema::compile(document, "the schema of B".to_owned()).map(Arc::new);
        self.schemas.insert("model".to_owned(), schema);
    }

    fn attachment(&mut self) -> &mut Attachment {
        self.draft.attachments.first_mut().unwrap()
    }

    /// B's data type for attachments.
    fn data_type(&mut self) -> &mut Value {
        &mut self.metadata["dataTypes"][1]
    }
}

/// The objections to [`valid`] after a change; empty if it passes.
fn objections(change: impl FnOnce(&mut Case)) -> String {
    let mut case = valid();
    change(&mut case);
    match case.checked() {
        Ok(_) => String::new(),
        Err(objections) => {
            assert_eq!(objections.failure().reason, Reason::DraftRefused);
            assert_eq!(objections.failure().detail, Some(objections.to_string()));
            objections.to_string()
        }
    }
}

#[test]
fn a_valid_draft_is_written_for_b() {
    let checked = valid().checked().unwrap();
    assert_eq!(checked.forms.main.data_type, "model");
    assert_eq!(checked.stamp_key(), "stafett.relay");
    assert_eq!(checked.draft, valid().draft);
    let Content::Xml(form) = &checked.forms.main.content else {
        panic!("{checked:?}")
    };
    assert_eq!(
        form,
        r#"<?xml version="1.0" encoding="utf-8"?><melding><soknad><tittel>Bod</tittel></soknad></melding>"#
    );
    assert!(!format!("{checked:?}").contains("Bod"));
}

/// A rule of B's, a change that breaks it, and the expected objections.
type Rule = (&'static str, fn(&mut Case), &'static str);

fn assert_rules(rules: &[Rule]) {
    for (rule, broken, expected) in rules {
        assert_eq!(objections(broken), *expected, "{rule}");
    }
}

#[test]
fn an_attachment_has_one_of_bs_data_types() {
    assert_rules(&[
        (
            "unknown",
            |case| case.attachment().data_type = "bilag".into(),
            "data type `bilag`: B has none of this id, it has `model`, `vedlegg`, `fritt`",
        ),
        (
            "in another case",
            |case| case.attachment().data_type = "Vedlegg".into(),
            "data type `Vedlegg`: B has none of this id, it has `model`, `vedlegg`, `fritt`",
        ),
        (
            "unknown, said once for many",
            |case| {
                case.attachment().data_type = "bilag".into();
                let same = case.attachment().clone();
                case.draft.attachments.push(same);
            },
            "data type `bilag`: B has none of this id, it has `model`, `vedlegg`, `fritt`",
        ),
        (
            "a form",
            |case| {
                case.attachment().data_type = "model".into();
                case.attachment().content_type = "application/xml".into();
            },
            "data type `model`: a form, and no place for attachments",
        ),
        (
            "B's own PDF",
            |case| {
                case.data_type()["id"] = json!("ref-data-as-pdf");
                case.attachment().data_type = "ref-data-as-pdf".into();
            },
            "data type `ref-data-as-pdf`: only B itself writes it",
        ),
    ]);
}

#[test]
fn a_media_type_matches_exactly_and_has_no_parameters() {
    assert_rules(&[
        (
            "another one",
            |case| case.attachment().content_type = "image/png".into(),
            "data type `vedlegg`: B takes application/pdf, this is image/png",
        ),
        (
            "in another case",
            |case| case.attachment().content_type = "application/PDF".into(),
            "data type `vedlegg`: B takes application/pdf, this is application/PDF",
        ),
        (
            "any type, if none is listed",
            |case| {
                case.attachment().data_type = "fritt".into();
                case.attachment().content_type = "image/png".into();
            },
            "",
        ),
        (
            "with parameters, if any type is allowed",
            |case| {
                case.attachment().data_type = "fritt".into();
                case.attachment().content_type = "text/plain; charset=utf-8".into();
            },
            "",
        ),
        (
            "with parameters, if it is allowed without",
            |case| {
                case.data_type()["allowedContentTypes"] = json!(["text/plain", "application/pdf"]);
                case.attachment().content_type = "text/plain; charset=utf-8".into();
            },
            "data type `vedlegg`: a media type with parameters, which B refuses after it has made the instance; \
             data type `vedlegg`: B takes text/plain, application/pdf, this is text/plain; charset=utf-8",
        ),
        (
            "of the form: JSON only",
            |case| {
                case.metadata["dataTypes"][0]["allowedContentTypes"] = json!(["application/json"]);
            },
            "data type `model`: B takes application/json, this is application/xml",
        ),
    ]);
}

#[test]
fn an_element_is_not_empty_and_not_larger_than_its_limit() {
    assert_rules(&[
        (
            "empty",
            |case| case.attachment().size = 0,
            "data type `vedlegg`: an element without content, which B refuses",
        ),
        (
            "as large as the limit",
            |case| case.attachment().size = 2 * 1024 * 1024,
            "",
        ),
        (
            "a byte larger",
            |case| case.attachment().size = 2 * 1024 * 1024 + 1,
            "data type `vedlegg`: 2097153 bytes, B takes 2 MiB at most",
        ),
        (
            "without limit",
            |case| {
                case.attachment().data_type = "fritt".into();
                case.attachment().size = 1_999 * 1024 * 1024;
            },
            "",
        ),
        (
            "a limit that overflows in bytes",
            |case| case.data_type()["maxSize"] = json!(i64::MAX),
            "",
        ),
    ]);
}

#[test]
fn the_form_is_not_larger_than_its_limit() {
    let with_title = |length: usize| {
        objections(|case| {
            case.metadata["dataTypes"][0]["maxSize"] = json!(1);
            case.draft.models.main["soknad"]["tittel"] = "x".repeat(length).into();
        })
    };
    let Content::Xml(form) = valid().checked().unwrap().forms.main.content else {
        panic!("no XML")
    };
    let room = 1024 * 1024 - (form.len() - "Bod".len());
    assert_eq!(with_title(room), "");
    assert_eq!(
        with_title(room + 1),
        "data type `model`: 1048577 bytes, B takes 1 MiB at most"
    );
}

#[test]
fn a_data_type_has_no_more_elements_than_its_limit() {
    let of = |data_type: &'static str, count: usize| {
        objections(|case| {
            case.attachment().data_type = data_type.into();
            case.draft.attachments = vec![case.draft.attachments[0].clone(); count];
        })
    };
    assert_eq!(of("vedlegg", 0), "");
    assert_eq!(of("vedlegg", 3), "");
    assert_eq!(
        of("vedlegg", 4),
        "data type `vedlegg`: 4 elements, B takes 3 at most"
    );
    assert_eq!(of("fritt", 40), "", "0 means no limit");
}

#[test]
fn only_allowed_contributors_may_add_an_element() {
    for (contributors, admitted) in [
        (json!([]), true),
        (json!(null), true),
        (json!(["org:ttd"]), true),
        (json!(["ORG:TTD"]), true),
        (json!(["app:owned", "org:ttd"]), true),
        (json!(["orgno:991825827"]), true),
        (json!(["org:skd"]), false),
        (json!(["app:owned"]), false),
        (json!(["org:ttdx"]), false),
    ] {
        let named = contributors.to_string();
        let found = objections(|case| case.data_type()["allowedContributors"] = contributors);
        assert_eq!(found.is_empty(), admitted, "{named}: {found}");
    }
    assert_rules(&[
        (
            "another one",
            |case| case.data_type()["allowedContributors"] = json!(["org:skd", "app:owned"]),
            "data type `vedlegg`: B admits org:skd, app:owned to add it, not org:ttd",
        ),
        (
            "in the old spelling",
            |case| {
                case.data_type()
                    .as_object_mut()
                    .unwrap()
                    .remove("allowedContributors");
                case.data_type()["allowedContributers"] = json!(["org:skd"]);
            },
            "data type `vedlegg`: B admits org:skd to add it, not org:ttd",
        ),
        (
            "of the form",
            |case| case.metadata["dataTypes"][0]["allowedContributors"] = json!(["app:owned"]),
            "data type `model`: B admits app:owned to add it, not org:ttd",
        ),
    ]);
}

#[test]
fn the_form_has_the_named_data_type_or_the_only_one() {
    assert_rules(&[
        (
            "named",
            |case| case.target.forms.main.data_type = Some("model".into()),
            "",
        ),
        (
            "named, among several",
            |case| {
                case.data_type()["appLogic"] = json!({"classRef": "Other"});
                case.draft.attachments.clear();
                case.target.forms.main.data_type = Some("model".into());
            },
            "",
        ),
        (
            "named, but unknown",
            |case| case.target.forms.main.data_type = Some("skjema".into()),
            "data type `skjema`: B has none of this id, it has `model`, `vedlegg`, `fritt`",
        ),
        (
            "named, but not a form",
            |case| case.target.forms.main.data_type = Some("fritt".into()),
            "data type `fritt`: B takes it for an attachment: it has no appLogic.classRef",
        ),
        (
            "not named, with several",
            |case| {
                case.metadata["dataTypes"][2]["appLogic"] = json!({"classRef": "Other"});
            },
            "B has 2 data types with app logic: name one in to.dataType",
        ),
        (
            "not named, with none",
            |case| case.metadata["dataTypes"][0]["appLogic"] = json!({"classRef": null}),
            "B has 0 data types with app logic: name one in to.dataType",
        ),
        (
            "no data types at all",
            |case| {
                case.metadata["dataTypes"] = json!(null);
                case.draft.attachments.clear();
            },
            "B has 0 data types with app logic: name one in to.dataType",
        ),
    ]);
}

#[test]
fn the_owner_is_of_a_kind_that_b_allows() {
    let person = || Owner::Person("01017012345".into());
    let organisation = || Owner::Organisation("310075728".into());
    let kinds = |kinds: Value, owner: Owner| {
        objections(|case| {
            case.metadata["partyTypesAllowed"] = kinds;
            case.draft.owner = owner;
        })
    };
    let no_person = "B admits no person as owner (partyTypesAllowed)";
    let no_organisation = "B admits no organisation as owner (partyTypesAllowed)";
    for (allowed, owner, expected) in [
        (json!(null), person(), ""),
        (json!({}), organisation(), ""),
        (
            json!({"person": false, "organisation": false}),
            person(),
            "",
        ),
        (json!({"person": true}), person(), ""),
        (json!({"person": true}), organisation(), no_organisation),
        (json!({"organisation": true}), person(), no_person),
        (json!({"organisation": true}), organisation(), ""),
        (json!({"subUnit": true}), organisation(), ""),
        (json!({"subUnit": true}), person(), no_person),
        (json!({"bankruptcyEstate": true}), organisation(), ""),
        (json!({"bankruptcyEstate": true}), Owner::Party(1), ""),
    ] {
        assert_eq!(
            kinds(allowed.clone(), owner.clone()),
            expected,
            "{allowed} {owner:?}"
        );
    }
}

#[test]
fn the_request_is_not_larger_than_bs_limit() {
    let limit = 2_000 * 1024 * 1024;
    let Content::Xml(form) = valid().checked().unwrap().forms.main.content else {
        panic!("no XML")
    };
    let rest = form.len() as u64 + 2 * PART_OVERHEAD + 2 * PART_OVERHEAD;
    let two = |size: u64| {
        objections(|case| {
            case.attachment().data_type = "fritt".into();
            case.attachment().size = 1024 * 1024;
            let larger = Attachment {
                size,
                ..case.attachment().clone()
            };
            case.draft.attachments.push(larger);
        })
    };
    let room = limit - rest - 1024 * 1024;
    assert_eq!(two(room), "");
    assert_eq!(
        two(room + 1),
        format!(
            "the request would have {} bytes, B takes {limit}",
            limit + 1
        )
    );
    assert_eq!(
        two(u64::MAX),
        format!("the request would have {} bytes, B takes {limit}", u64::MAX)
    );
}

#[test]
fn an_objection_names_the_field_that_xml_cannot_contain() {
    assert_rules(&[
        (
            "a character",
            |case| case.draft.models.main["soknad"]["tittel"] = json!("hemmelig \u{1}"),
            "model.soknad.tittel: has the character U+0001, which XML cannot carry: remove it in the expression \
             with `| replace`, or correct A's data",
        ),
        (
            "a list of lists",
            |case| case.draft.models.main["soknad"]["tittel"] = json!([["hemmelig"]]),
            "model.soknad.tittel[0]: a list in a list has no place in a form",
        ),
    ]);
}

#[test]
fn all_objections_are_reported_at_once() {
    assert_eq!(
        objections(|case| {
            case.target.forms.main.data_type = Some("skjema".into());
            case.attachment().size = 0;
            case.draft.owner = Owner::Person("01017012345".into());
        }),
        "data type `skjema`: B has none of this id, it has `model`, `vedlegg`, `fritt`; \
         data type `vedlegg`: an element without content, which B refuses; \
         B admits no person as owner (partyTypesAllowed)"
    );
}

/// Changes [`valid`] to the simplified request.
fn prefilled(case: &mut Case) {
    case.draft.attachments.clear();
    case.target.mode = Mode::Prefill {
        stamp: "soknad.relay".into(),
    };
    case.metadata["dataFields"] =
        json!([{"id": "relay", "path": "soknad.relay", "dataTypeId": "model"}]);
}

#[test]
fn the_simplified_request_has_flat_texts() {
    let mut case = valid();
    prefilled(&mut case);
    case.draft.models.main["soknad"] =
        json!({"tittel": "Bod", "antall": 3, "ja": true, "areal": 2.50, "tom": null});
    let checked = case.checked().unwrap();
    assert_eq!(checked.stamp_key(), "relay");
    let Content::Prefill { texts, stamp, key } = checked.forms.main.content else {
        panic!("no prefill")
    };
    assert_eq!((stamp.as_str(), key.as_str()), ("soknad.relay", "relay"));
    let texts: Vec<_> = texts
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        texts,
        [
            ("soknad.antall", "3"),
            ("soknad.areal", "2.5"),
            ("soknad.ja", "true"),
            ("soknad.tittel", "Bod")
        ]
    );
}

/// The values of the fields as they are read from A's JSON.
fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// A schema of B with fields of all numeric types.
fn numeric_schema() -> Value {
    json!({"properties": {"soknad": {"properties": {
        "antall": {"type": "integer"}, "belop": {"type": "number"}, "lengde": {"type": "number", "@xsdType": "double"},
        "ja": {"type": "boolean"}, "relay": {"type": "string"},
    }}}})
}

#[test]
fn a_number_is_sent_with_its_digits_and_a_whole_number_without_a_fraction() {
    let mut case = valid();
    case.serve(numeric_schema());
    case.draft.models.main["soknad"] =
        read(r#"{"antall": 3.00, "belop": 922337203685477.5807, "lengde": 1.5E-05}"#);
    let Content::Xml(form) = case.checked().unwrap().forms.main.content else {
        panic!("no XML")
    };
    assert!(
        form.contains(
            "<antall>3</antall><belop>922337203685477.5807</belop><lengde>0.000015</lengde>"
        ),
        "{form}"
    );
}

#[test]
fn a_number_that_b_would_round_is_refused_before_anything_is_sent() {
    let decimal = "has more digits than .NET's decimal holds (28, or 29 up to 79228162514264337593543950335): B would \
                   round or refuse the number";
    let double = "has more digits than .NET's double holds (15, or up to 17): B would round or refuse the number";
    for (field, number, problem) in [
        ("belop", "0.12345678901234567890123456789", decimal),
        ("belop", "79228162514264337593543950336", decimal),
        ("antall", "-1E+29", decimal),
        ("lengde", "12345678901234567.89", double),
    ] {
        for change in [|_: &mut Case| {}, prefilled] {
            let found = objections(|case| {
                change(case);
                case.serve(numeric_schema());
                case.draft.models.main["soknad"] = read(&format!(r#"{{"{field}": {number}}}"#));
            });
            assert_eq!(found, format!("model.soknad.{field}: {problem}"));
        }
    }
}

#[test]
fn a_number_that_no_field_can_hold_is_refused_without_a_schema_too() {
    for change in [|_: &mut Case| {}, prefilled] {
        let found = objections(|case| {
            change(case);
            case.draft.models.main["soknad"] = read(r#"{"belop": 1E+309}"#);
        });
        assert_eq!(
            found,
            "model.soknad.belop: is a number with an exponent beyond the range of .NET's double"
        );
    }
}

#[test]
fn a_prefilled_number_is_a_text_that_its_field_reads_as_the_same_number() {
    let prefill = |soknad: &str| {
        let mut case = valid();
        prefilled(&mut case);
        case.serve(numeric_schema());
        case.draft.models.main["soknad"] = read(soknad);
        case.checked()
    };
    let checked = prefill(r#"{"antall": 3.00, "belop": 100.00, "lengde": 1E-7}"#).unwrap();
    let Content::Prefill { texts, .. } = checked.forms.main.content else {
        panic!("no prefill")
    };
    let texts: Vec<_> = texts.values().map(String::as_str).collect();
    assert_eq!(texts, ["3", "100.00", "0.0000001"]);
    for (soknad, problem) in [
        (
            r#"{"antall": 3.5}"#,
            "model.soknad.antall: no whole number of the form -1234",
        ),
        (r#"{"ja": 1}"#, "model.soknad.ja: neither true nor false"),
    ] {
        let objections = prefill(soknad).unwrap_err();
        assert_eq!(objections.to_string(), problem);
    }
}

#[test]
fn the_simplified_request_needs_a_visible_stamp_and_flat_values() {
    let hidden = "to.stamp: B's dataFields show no field `soknad.relay` of its form: add it to B's \
                  applicationmetadata, or leave `mode: prefill`";
    for fields in [
        json!(null),
        json!([{"id": "relay", "path": "soknad.other", "dataTypeId": "model"}]),
        json!([{"id": "relay", "path": "soknad.relay", "dataTypeId": "other"}]),
    ] {
        let found = objections(|case| {
            prefilled(case);
            case.metadata["dataFields"] = fields;
        });
        assert_eq!(found, hidden);
    }
    let found = objections(|case| {
        prefilled(case);
        case.draft.models.main["soknad"]["tittel"] = json!(["a", "b"]);
    });
    assert_eq!(
        found,
        "model.soknad.tittel: `mode: prefill` carries texts, numbers and true/false only"
    );
}

#[test]
fn a_prefilled_text_that_b_would_read_as_another_value_is_refused() {
    let found = |text: &str| {
        objections(|case| {
            prefilled(case);
            case.draft.models.main["soknad"] = json!({"antall": text, "tom": ""});
        })
    };
    for (text, rule) in [
        ("12,5", "model.soknad.antall: written like a number"),
        ("20.11.2026", "model.soknad.antall: written like a date"),
        ("d'Arc", "model.soknad.antall: an apostrophe"),
    ] {
        let found = found(text);
        assert!(found.starts_with(rule), "{found}");
        assert!(!found.contains(text), "{found}");
    }
}
