//! What valid routes say.

use std::{collections::BTreeSet, path::Path};

use jiff::Span;

use super::*;

#[test]
fn every_part_of_a_route_is_read() {
    let routes = load(
        r#"
name: permit-to-casework
from:
  app: ttd/permit
  when: { task: Task_2 }
  since: 2026-11-01
to:
  app: ttd/casework
  owner: { organisation: "'310075728'" }
  dataType: form
  root: melding
  schema: casework.schema.json
model:
  soknad:
    tittel: "'Permit for ' ~ data.model.applicant.name"
    referanse: instance.id
    antall: 2
    haster: true
    vedtak:
      $each: decision in data.model.decisions
      kode: decision.code
attachments:
  - { from: ref-data-as-pdf, to: vedlegg, required: true }
  - { from: drawing, to: tegning }
due: P30D
then:
  substatus: { label: Sent to case handling, description: Casework has received your application }
"#,
        r#"{"properties": {"soknad": {"properties": {"referanse": {}, "tittel": {}}}}}"#,
    );
    let route = only(&routes);
    assert_eq!(route.name().as_str(), "permit-to-casework");
    assert_eq!(route.from.to_string(), "ttd/permit");
    assert_eq!(route.gate, Gate::Task("Task_2".into()));
    let since = route.since.unwrap().to_string();
    assert_eq!(since, "2026-11-01T00:00:00Z");
    assert_eq!(
        route.then,
        AfterSteps {
            substatus: Some(Substatus {
                label: "Sent to case handling".into(),
                description: Some("Casework has received your application".into()),
            }),
            complete: false,
        }
    );
    assert_eq!(route.to.app.to_string(), "ttd/casework");
    assert_eq!(route.to.forms.main.data_type.as_deref(), Some("form"));
    assert_eq!(route.to.forms.main.root, "melding");
    assert_eq!(route.to.mode, Mode::Complete);
    assert_eq!(
        route.due.map(Span::fieldwise),
        Some(Span::new().days(30).fieldwise())
    );
    assert!(route.each.is_none());
    let rule = |from: &str, to: &str, required| AttachmentRule {
        from: from.into(),
        to: to.into(),
        required,
        tag: None,
        filename: None,
    };
    assert_eq!(
        route.attachments,
        [
            rule("ref-data-as-pdf", "vedlegg", true),
            rule("drawing", "tegning", false)
        ]
    );
    assert!(
        matches!(&route.to.owner, OwnerRule::Organisation(number) if number.source() == "'310075728'")
    );
    assert_eq!(route.data_types(), BTreeSet::from(["model".into()]));

    let filled = filled(
        route,
        json!({"id": "1/2"}),
        json!({"applicant": {"name": "Kari"}, "decisions": [{"code": "A"}, {"code": "B"}]}),
    );
    let order: Vec<_> = filled["soknad"].as_object().unwrap().keys().collect();
    assert_eq!(
        order,
        ["tittel", "referanse", "antall", "haster", "vedtak"],
        "as the route names them"
    );
    assert_eq!(
        Value::Object(filled.clone()),
        json!({"soknad": {
            "tittel": "Permit for Kari", "referanse": "1/2", "antall": 2, "haster": true,
            "vedtak": [{"kode": "A"}, {"kode": "B"}],
        }})
    );
    let ordered = route.to.forms.main.schema.as_ref().unwrap().ordered(filled);
    assert_eq!(
        ordered["soknad"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap(),
        "referanse"
    );
}

#[test]
fn optional_fields_have_defaults() {
    let routes = load(
        "name: r
from: { app: ttd/a, when: { process: completed }, since: 2026-11-01T12:30:00Z }
to: { app: ttd/b, owner: { party: instance.instanceOwner.partyId } }
model: { tittel: instance.id }
",
        "{}",
    );
    let route = only(&routes);
    assert_eq!(route.gate, Gate::Completed);
    let since = route.since.unwrap().to_string();
    assert_eq!(since, "2026-11-01T12:30:00Z");
    assert!(route.then.is_empty());
    assert_eq!(route.to.forms.main.data_type, None);
    assert_eq!(route.to.forms.main.root, "model");
    assert!(route.to.forms.main.schema.is_none());
    assert!(route.attachments.is_empty());
    assert!(route.due.is_none());
    assert!(matches!(route.to.owner, OwnerRule::Party(_)));
    assert!(route.data_types().is_empty());
}

#[test]
fn since_is_a_day_or_a_moment_and_is_read_in_full() {
    for (since, expected) in [
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("'2026-11-01'", "2026-11-01T00:00:00Z"),
        ("2026-11-01T23:30:00Z", "2026-11-01T23:30:00Z"),
        ("2026-11-01T00:30:00+01:00", "2026-10-31T23:30:00Z"),
        (
            "2026-11-01T23:30:00.123456789-02:30",
            "2026-11-02T02:00:00.123456789Z",
        ),
    ] {
        let routes = load(&with("since: 2026-11-01", &format!("since: {since}")), "{}");
        let found = only(&routes).since.unwrap().to_string();
        assert_eq!(found, expected, "{since}");
    }
}

#[test]
fn owner_and_model_can_use_the_value_of_a_fan_out() {
    let routes = load(
        "name: estate-to-heirs
from: { app: ttd/estate, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/heir, owner: { person: heir.ssn } }
each: heir in data.model.heirs
key: heir.id
model:
  navn: heir.name
  boer:
    $each: estate in data.other.estates
    gnr: estate.number ~ heir.id
",
        "{}",
    );
    let route = only(&routes);
    let each = route.each.as_ref().unwrap();
    assert_eq!(each.name, "heir");
    assert_eq!(each.list.text(), "data.model.heirs");
    assert_eq!(each.key.source(), "heir.id");
    assert!(matches!(&route.to.owner, OwnerRule::Person(number) if number.source() == "heir.ssn"));
    assert_eq!(
        route.data_types(),
        BTreeSet::from(["model".into(), "other".into()])
    );
}

#[test]
fn the_sample_route_loads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/routes");
    let routes = Routes::load(&directory).unwrap();
    let route = routes.get(&"permit-to-casework".parse().unwrap()).unwrap();
    assert_eq!(route.gate, Gate::Completed);
    assert_eq!(route.attachments.len(), 2);
    let from_permit: Vec<_> = routes
        .for_app(&"ttd/permit".parse().unwrap())
        .map(|route| route.name().as_str())
        .collect();
    assert_eq!(from_permit, ["permit-to-casework"]);
    assert_eq!(routes.for_app(&"ttd/other".parse().unwrap()).count(), 0);
}
