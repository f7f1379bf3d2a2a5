//! B is deployed with another schema while relays run.

use http::{Method, StatusCode};
use local_altinn::{App, Stage};
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};
use tests::{
    CASEWORK, ROUTE, Story, app_of, change_schema, permit_alone, permit_route, routes, sqs_event,
};

const EAGER: &str = "permit-to-next-casework";

/// What changes in B's schema, and in a route that is for the new one.
struct Change {
    schema: fn(&mut Value),
    route: [&'static str; 2],
    /// What the new B has, and the old one has not.
    arrived: (&'static str, &'static str),
}

const SENDER: &str = "innsender: data.model.soker.navn";
const CHANGES: [Change; 4] = [
    Change {
        schema: |schema| rename(schema, "innsender", "avsender"),
        route: [SENDER, "avsender: data.model.soker.navn"],
        arrived: ("soknad/avsender", "Kari Bygger"),
    },
    Change {
        schema: |schema| {
            schema["$defs"]["soknad"]["properties"]["innsender"] = json!({ "type": "integer" })
        },
        route: [SENDER, "innsender: data.model.tiltak | length"],
        arrived: ("soknad/innsender", "1"),
    },
    Change {
        schema: |schema| {
            rename(schema, "innsender", "part");
            let part =
                json!({ "type": "object", "properties": { "innsender": { "type": "string" } } });
            schema["$defs"]["soknad"]["properties"]["part"] = part;
        },
        route: [SENDER, "part: { innsender: data.model.soker.navn }"],
        arrived: ("soknad/part/innsender", "Kari Bygger"),
    },
    Change {
        schema: |schema| schema["$defs"]["soknad"]["required"] = json!(["tittel"]),
        route: ["    referanse: instance.id\n", ""],
        arrived: ("soknad/innsender", "Kari Bygger"),
    },
];

/// Gives a field of the application another name, in its place.
fn rename(schema: &mut Value, old: &str, new: &str) {
    let fields = schema["$defs"]["soknad"]["properties"].as_object_mut();
    let fields = fields.expect("the application has fields");
    *fields = std::mem::take(fields)
        .into_iter()
        .map(|(name, field)| (if name == old { new.to_owned() } else { name }, field))
        .collect();
}

/// The next version of B.
fn next(change: fn(&mut Value)) -> App {
    app_of(CASEWORK, |folder| change_schema(folder, change))
}

fn schemas() -> On {
    On::request(Method::GET, &format!("^/{CASEWORK}/api/jsonschema/model$"))
}

/// Delivers a message of this route only, as long as it is not finished.
async fn relay(story: &Story, route: &str, a: &str) {
    let event = sqs_event([Story::message(route, a)]);
    let answer = story.instantiate.invoke(&event).await;
    answer.expect("the function answers");
}

#[tokio::test]
async fn a_draft_that_only_the_new_schema_takes_is_sent_at_once_after_b_was_deployed() {
    for change in CHANGES {
        let [old, new] = change.route;
        let eager = permit_route()
            .replace(ROUTE, EAGER)
            .replace("  root: melding\n", "  root: melding\n  complete: true\n")
            .replace(old, new);
        let folder = routes([(ROUTE, permit_route()), (EAGER, eager)]);
        let story = Story::on(&folder).await;
        let a = story.fill_in(Stage::Ended);
        relay(&story, ROUTE, &a).await;
        story.reaches(ROUTE, &a, "done").await;
        // The old schema refuses it, and B is asked for its schema once more before the relay fails.
        relay(&story, EAGER, &a).await;
        let item = story.reaches(EAGER, &a, "failed").await;
        assert_eq!(item["reason"], "draft_refused", "{item}");
        assert_eq!(story.altinn_wire.journal().count(&schemas()), 2);
        assert_eq!(story.posts().len(), 1);

        story.altinn.deploy(next(change.schema));
        let a = story.fill_in(Stage::Ended);
        relay(&story, EAGER, &a).await;
        story.reaches(EAGER, &a, "done").await;
        let b = story.the_b(EAGER, &a);
        let (field, value) = change.arrived;
        assert_eq!(b.field(field), [value]);
        assert_eq!(story.altinn_wire.journal().count(&schemas()), 3);
    }
}

#[tokio::test]
async fn a_container_that_asks_b_anew_sends_nothing_that_the_new_schema_refuses() {
    let changes: [fn(&mut Value); 3] = [
        |schema| rename(schema, "innsender", "avsender"),
        |schema| {
            let fields = schema["$defs"]["soknad"]["properties"].as_object_mut();
            fields
                .expect("the application has fields")
                .shift_remove("innsender");
        },
        |schema| {
            schema["$defs"]["soknad"]["properties"]["innsender"] = json!({ "type": "integer" })
        },
    ];
    for change in changes {
        let story = Story::of_the_permit().await;
        let a = story.fill_in(Stage::Ended);
        relay(&story, ROUTE, &a).await;
        story.reaches(ROUTE, &a, "done").await;
        story.altinn.deploy(next(change));
        let folder = routes([(ROUTE, permit_route())]);
        // What a container knows of B lives for five minutes, and no longer than the container.
        story.deploy(folder.path()).await.expect("it is deployed");
        let a = story.fill_in(Stage::Ended);
        relay(&story, ROUTE, &a).await;
        let item = story.reaches(ROUTE, &a, "failed").await;
        assert_eq!(item["reason"], "draft_refused", "{item}");
        let detail = item["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("model.soknad.innsender"), "{detail}");
        assert_eq!(story.posts().len(), 1, "nothing is sent to the new B");
    }
}

#[tokio::test]
async fn what_the_new_b_refuses_is_sent_once_and_the_next_is_refused_before_it_is_sent() {
    let story = Story::begin(permit_alone().setting("STAFETT_SETTLE_SECONDS", "1")).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    let b = next(|schema| {
        schema["$defs"]["vedtak"]["properties"]["areal"] = json!({ "type": "boolean" });
    });
    b.permit("delete");
    story.altinn.deploy(b);

    // By the schema that the function knows, the form is right.
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(item["reason"], "b_refused", "{item}");
    assert_eq!(story.posts().len(), 2);
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(item["reason"], "draft_refused", "{item}");
    assert_eq!(story.posts().len(), 2, "nothing more is sent");
}

#[tokio::test]
async fn a_form_is_checked_by_the_routes_file_if_bs_app_serves_no_schema() {
    let with_file = permit_route().replace("to:\n  app", "to:\n  schema: ours.schema.json\n  app");
    assert_ne!(with_file, permit_route());
    let narrow = json!({ "type": "object", "properties": { "sak": { "type": "string" } } });
    for (route, state) in [(with_file, "failed"), (permit_route(), "done")] {
        let folder = routes([(ROUTE, route)]).with("ours.schema.json", narrow.to_string());
        let story = Story::on(&folder).await;
        // An app in production says no more than 500.
        let none = CannedResponse::status(StatusCode::INTERNAL_SERVER_ERROR);
        story
            .altinn_wire
            .faults()
            .add(schemas(), Action::Answer(none));
        let a = story.fill_in(Stage::Ended);
        relay(&story, ROUTE, &a).await;
        let item = story.reaches(ROUTE, &a, state).await;
        if state == "failed" {
            assert_eq!(item["reason"], "draft_refused", "{item}");
            assert_eq!(story.posts().len(), 0);
        }
    }
}

#[tokio::test]
async fn while_b_does_not_give_its_schema_nothing_is_sent() {
    for status in [404, 502, 503] {
        let story = Story::of_the_permit().await;
        let down = CannedResponse::status(StatusCode::from_u16(status).expect("a status"));
        let rule = story
            .altinn_wire
            .faults()
            .add(schemas(), Action::Answer(down));
        let a = story.fill_in(Stage::Ended);
        relay(&story, ROUTE, &a).await;
        let item = story.reaches(ROUTE, &a, "waiting").await;
        assert_eq!(item["reason"], "b_unavailable", "{item}");
        assert_eq!(story.posts().len(), 0);
        assert!(story.altinn_wire.faults().applied(rule) >= 1);
    }
}
