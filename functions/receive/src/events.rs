//! `POST /events/{secret}`: Altinn Events says that something happened to an instance.
//!
//! An event is a hint, and the gate decides: whatever type it has, it triggers,
//! unless its type says that no gate can have opened.

use lambda_http::Request;
use stafett::{
    id::{AppId, InstanceId},
    trigger::Cause,
};

use crate::{
    Receive,
    answer::Answer,
    body::{self, Malformed, Object},
    log::Entry,
    problem::Problem,
};

/// Sent when a subscription is made; any 2xx accepts it
/// (Altinn/altinn-events: src/Events/Services/WebhookService.cs).
const VALIDATION: &str = "platform.events.validatesubscription";

/// Types that cannot open a gate: an instance that was just made has not reached anything, and our own
/// after-steps change the substatus
/// (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs).
const PASSED_OVER: [&str; 2] = ["app.instance.created", "app.instance.substatus.changed"];

/// How Altinn names an app as a resource, followed by `ttd_permit` for `ttd/permit`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Infrastructure/Clients/Events/EventsClient.cs).
const APP_RESOURCE: &str = "urn:altinn:resource:app_";

/// The longest event id, in bytes. Altinn's own are GUIDs; a message must not grow with what comes in.
const MAX_ID: usize = 128;

pub(crate) async fn receive(
    receive: &Receive,
    request: &Request,
    entry: &mut Entry,
) -> Result<Answer, Problem> {
    entry.cause = Some(Cause::Event);
    let event = body::object(request)?;
    let Some(Hint { id, app, instance }) = hint(&event)? else {
        return Ok(Answer::NothingToDo);
    };
    entry.instance = Some(instance);
    let trace = entry.trace.as_ref();
    let routes = receive
        .enqueue(&app, instance, Cause::Event, id, trace)
        .await?;
    if routes.is_empty() {
        return Ok(Answer::NothingToDo);
    }
    entry.relays = routes.len();
    Ok(Answer::Noted { instance, routes })
}

/// What an event is about.
#[derive(Debug, PartialEq, Eq)]
struct Hint<'a> {
    id: &'a str,
    app: AppId,
    instance: InstanceId,
}

/// Reads a CloudEvent in structured JSON form. None where it can open no gate of an app.
fn hint(event: &Object) -> Result<Option<Hint<'_>>, Malformed> {
    if event.text("specversion")? != "1.0" {
        return Err(Malformed::Other {
            field: "specversion",
            expected: "\"1.0\", of the CloudEvents specification",
        });
    }
    let kind = event.text("type")?;
    if kind == VALIDATION || PASSED_OVER.contains(&kind) {
        return Ok(None);
    }
    let id = event.text("id")?;
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Malformed::Other {
            field: "id",
            expected: "1 to 128 visible ASCII characters",
        });
    }
    let resource = event.optional("resource")?;
    let source = event.optional("source")?.map(Source::read);
    let source = source.unwrap_or_default();

    let app = match (resource.map(app_of_resource).transpose()?, source.app) {
        (Some(Some(app)), Some(other)) if app != other => {
            return Err(Malformed::Contradiction("resource", "source"));
        }
        (Some(Some(app)), _) | (_, Some(app)) => app,
        // Another publisher's event, on a resource that is no app.
        (Some(None), None) => return Ok(None),
        (None, None) => return Err(Malformed::Missing("resource")),
    };
    let named = event.optional("resourceinstance")?;
    let named = named
        .map(|text| body::id("resourceinstance", text))
        .transpose()?;
    let instance = match (named, source.instance) {
        (Some(instance), Some(other)) if instance != other => {
            return Err(Malformed::Contradiction("resourceinstance", "source"));
        }
        (Some(instance), _) | (None, Some(instance)) => instance,
        (None, None) => return Err(Malformed::Missing("resourceinstance")),
    };
    Ok(Some(Hint { id, app, instance }))
}

/// The app that a resource stands for; none for a resource that is no app.
fn app_of_resource(resource: &str) -> Result<Option<AppId>, Malformed> {
    let Some(app) = resource.strip_prefix(APP_RESOURCE) else {
        return Ok(None);
    };
    // No organisation's code has an underscore, so the first one ends it.
    let app = app.replacen('_', "/", 1);
    body::id("resource", &app).map(Some)
}

/// What the address of an instance says, `https://…/{org}/{app}/instances/{party}/{guid}`. It is read as
/// text: nothing is ever asked at an address that came with an event.
#[derive(Debug, Default)]
struct Source {
    app: Option<AppId>,
    instance: Option<InstanceId>,
}

impl Source {
    fn read(source: &str) -> Self {
        let path = source.split(['?', '#']).next().unwrap_or_default();
        let mut back = path.rsplit('/');
        let mut next = || back.next().unwrap_or_default();
        let (guid, party, instances, app, org) = (next(), next(), next(), next(), next());
        let app = format!("{org}/{app}").parse().ok();
        Self {
            app: app.filter(|_| instances == "instances"),
            instance: format!("{party}/{guid}").parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const INSTANCE: &str = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";

    /// An event as Altinn Events delivers it, with some fields changed; null leaves one out.
    fn event(changes: Value) -> Object {
        let mut event = json!({
            "id": "7f8d6a4e-5a83-4c1b-a1e2-8b3f0c9d2e10",
            "source": format!("https://ttd.apps.tt02.altinn.no/ttd/app-a/instances/{INSTANCE}"),
            "specversion": "1.0",
            "type": "app.instance.process.completed",
            "subject": "/party/50085321",
            "alternativesubject": "/org/310075728",
            "resource": "urn:altinn:resource:app_ttd_app-a",
            "resourceinstance": INSTANCE,
            "time": "2026-08-22T10:12:44.7712345Z"
        });
        let fields = event.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        object(event)
    }

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone().into()
    }

    fn named(changes: Value) -> (String, String) {
        let event = event(changes);
        let hint = hint(&event).unwrap().unwrap();
        (hint.app.to_string(), hint.instance.to_string())
    }

    fn refused(changes: Value) -> String {
        hint(&event(changes)).unwrap_err().to_string()
    }

    #[test]
    fn resource_and_source_each_name_the_app_and_the_instance() {
        let expected = ("ttd/app-a".to_owned(), INSTANCE.to_owned());
        assert_eq!(named(json!({})), expected);
        assert_eq!(named(json!({ "source": null })), expected);
        assert_eq!(named(json!({ "resource": null })), expected);
        assert_eq!(named(json!({ "resourceinstance": null })), expected);
        assert_eq!(
            named(json!({ "resource": null, "resourceinstance": null })),
            expected
        );
        let elsewhere = json!({ "source": format!("urn:x/{INSTANCE}"), "resourceinstance": null });
        assert_eq!(named(elsewhere), expected);
    }

    #[test]
    fn an_event_that_contradicts_itself_is_refused() {
        assert_eq!(
            refused(json!({ "resource": "urn:altinn:resource:app_ttd_app-b" })),
            "`resource` and `source` contradict each other"
        );
        assert_eq!(
            refused(json!({ "resourceinstance": INSTANCE.replace("77", "78") })),
            "`resourceinstance` and `source` contradict each other"
        );
    }

    #[test]
    fn an_event_that_names_no_app_or_no_instance_is_refused() {
        let nothing = json!({ "resource": null, "source": null });
        assert_eq!(refused(nothing), "`resource` is missing");
        let no_instance = json!({
            "source": "https://ttd.apps.tt02.altinn.no/ttd/app-a", "resourceinstance": null
        });
        assert_eq!(refused(no_instance), "`resourceinstance` is missing");
        assert!(
            refused(json!({ "resourceinstance": "../x" })).starts_with("`resourceinstance` is not")
        );
        assert!(
            refused(json!({ "resource": "urn:altinn:resource:app_ttd" }))
                .starts_with("`resource` is not")
        );
        assert_eq!(
            refused(json!({ "resource": 7 })),
            "`resource` must be a text"
        );
    }

    #[test]
    fn only_types_that_can_open_no_gate_are_passed_over() {
        for kind in ["app.instance.created", "app.instance.substatus.changed"] {
            assert_eq!(
                hint(&event(json!({ "type": kind }))).unwrap(),
                None,
                "{kind}"
            );
        }
        for kind in [
            "app.instance.process.movedTo.Task_2",
            "app.instance.anything",
            "no.altinn.other",
        ] {
            assert!(
                hint(&event(json!({ "type": kind }))).unwrap().is_some(),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_event_of_a_resource_that_is_no_app_is_passed_over() {
        let other =
            json!({ "resource": "urn:altinn:resource:dialog", "source": "https://example.no/1" });
        assert_eq!(hint(&event(other)).unwrap(), None);
    }

    #[test]
    fn the_validation_event_needs_nothing_but_its_type() {
        let validation = object(json!({
            "id": "1", "source": "https://platform.tt02.altinn.no/events/api/v1/subscriptions/4711",
            "specversion": "1.0", "type": "platform.events.validatesubscription"
        }));
        assert_eq!(hint(&validation).unwrap(), None);
    }

    #[test]
    fn an_id_that_could_swell_or_spoil_a_message_is_refused() {
        for id in ["", "a b", "\u{feff}", &"a".repeat(129)] {
            assert!(
                refused(json!({ "id": id })).starts_with("`id` must be"),
                "{id:?}"
            );
        }
        let longest = "a".repeat(128);
        assert_eq!(
            hint(&event(json!({ "id": longest }))).unwrap().unwrap().id,
            longest
        );
    }

    proptest! {
        #[test]
        fn an_app_is_the_same_by_resource_and_by_source(
            org in "[a-z][a-z0-9]{1,5}", app in "[a-z][a-z0-9-]{0,20}", party: u32, guid: u128
        ) {
            let instance = InstanceId { party, guid: uuid::Uuid::from_u128(guid) };
            let changes = json!({
                "resource": format!("urn:altinn:resource:app_{org}_{app}"),
                "source": format!("https://{org}.apps.altinn.no/{org}/{app}/instances/{instance}"),
                "resourceinstance": instance,
            });
            prop_assert_eq!(named(changes), (format!("{org}/{app}"), instance.to_string()));
        }

        #[test]
        fn no_event_panics_or_is_repeated(
            field in proptest::sample::select(&["id", "source", "type", "resource", "resourceinstance"]),
            text in "\\PC{0,40}",
        ) {
            let text = format!("hemmelig{text}");
            if let Err(refused) = hint(&event(json!({ field: text }))) {
                prop_assert!(!refused.to_string().contains("hemmelig"));
            }
        }
    }
}
