//! The CloudEvents of Altinn: what one says of an instance, and of which.
//!
//! Others publish on an app's resource, too. Dialogporten does, with the id of a dialog as `resourceinstance`
//! (measured, tests/recorded/events/events-webhook-dialogporten.json).

use stafett_core::id::{AppId, InstanceId};

use crate::body::{Malformed, Object};

/// How the type of an event begins that can open a gate: a task has begun, or the process has ended
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessEventDispatcher.cs).
const PROCESS: &str = "app.instance.process.";

/// How the resource of an app begins; for `ttd/permit`, `ttd_permit` follows
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Infrastructure/Clients/Events/EventsClient.cs).
const APP_RESOURCE: &str = "urn:altinn:resource:app_";

/// The longest event id that goes into a message, in bytes. Altinn's own are GUIDs; a longer one must not swell the
/// message.
const MAX_ID: usize = 128;

/// A CloudEvent in structured JSON form: the required attributes, and the two extensions by which Altinn names an
/// instance.
#[derive(Debug)]
pub(crate) struct CloudEvent<'a> {
    id: &'a str,
    kind: &'a str,
    source: &'a str,
    resource: Option<&'a str>,
    instance: Option<&'a str>,
}

impl<'a> CloudEvent<'a> {
    /// Reads an event, and refuses one without the required attributes (CloudEvents 1.0, "Required attributes").
    pub(crate) fn read(event: &'a Object) -> Result<Self, Malformed> {
        let required = |field| match event.text(field)? {
            "" => Err(Malformed::Other {
                field,
                expected: "a text that is not empty",
            }),
            text => Ok(text),
        };
        if required("specversion")? != "1.0" {
            return Err(Malformed::Other {
                field: "specversion",
                expected: "\"1.0\", of the CloudEvents specification",
            });
        }
        Ok(Self {
            id: required("id")?,
            kind: required("type")?,
            source: required("source")?,
            resource: event.optional("resource")?,
            instance: event.optional("resourceinstance")?,
        })
    }

    /// The instance that the event is about, and its app. None where the event can open no gate, and where it does not
    /// name one instance of one app. `resource` and `source` may each name them, and must then agree.
    pub(crate) fn subject(&self) -> Option<(AppId, InstanceId)> {
        if !self.kind.starts_with(PROCESS) {
            return None;
        }
        let source = EventSource::read(self.source);
        let app = agreed(self.resource.map(app_of_resource), source.app)?;
        let named = self.instance.map(|instance| instance.parse().ok());
        let instance = agreed(named, source.instance)?;
        Some((app, instance))
    }

    /// The event's id, if it is short and plain enough to go into a message.
    pub(crate) fn short_id(&self) -> Option<&'a str> {
        let is_plain = self.id.bytes().all(|byte| byte.is_ascii_graphic());
        (self.id.len() <= MAX_ID && is_plain).then_some(self.id)
    }
}

/// What a field names, unless `source` names something else; what `source` names, where the field is absent.
/// A field that is there but names nothing of ours gives none, whatever `source` names.
fn agreed<T: PartialEq>(field: Option<Option<T>>, source: Option<T>) -> Option<T> {
    match (field, source) {
        (Some(named), None) => named,
        (Some(named), source) if named == source => named,
        (Some(_), Some(_)) => None,
        (None, source) => source,
    }
}

/// The app that a resource stands for; none for another kind of resource.
fn app_of_resource(resource: &str) -> Option<AppId> {
    let app = resource.strip_prefix(APP_RESOURCE)?;
    // No organisation's code has an underscore, so the first one ends it.
    app.replacen('_', "/", 1).parse().ok()
}

/// What the address of an instance names: `https://…/{org}/{app}/instances/{party}/{guid}`. It is only read as text; no
/// request is ever sent to an address that came with an event.
#[derive(Debug, Default)]
struct EventSource {
    app: Option<AppId>,
    instance: Option<InstanceId>,
}

impl EventSource {
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

    /// The app and the instance that an event is about.
    fn subject(changes: Value) -> Option<(String, String)> {
        let event = event(changes);
        let (app, instance) = CloudEvent::read(&event).unwrap().subject()?;
        Some((app.to_string(), instance.to_string()))
    }

    fn refused(changes: Value) -> String {
        CloudEvent::read(&event(changes)).unwrap_err().to_string()
    }

    #[test]
    fn resource_and_source_each_name_the_app_and_the_instance() {
        let expected = Some(("ttd/app-a".to_owned(), INSTANCE.to_owned()));
        assert_eq!(subject(json!({})), expected);
        assert_eq!(subject(json!({ "source": "urn:x" })), expected);
        assert_eq!(subject(json!({ "resource": null })), expected);
        assert_eq!(subject(json!({ "resourceinstance": null })), expected);
        assert_eq!(
            subject(json!({ "resource": null, "resourceinstance": null })),
            expected
        );
        let elsewhere = json!({ "source": format!("urn:x/{INSTANCE}"), "resourceinstance": null });
        assert_eq!(subject(elsewhere), expected);
    }

    #[test]
    fn an_event_that_does_not_name_one_instance_of_one_app_has_no_subject() {
        for changes in [
            json!({ "resource": "urn:altinn:resource:app_ttd_app-b" }),
            json!({ "resourceinstance": INSTANCE.replace("77", "78") }),
            json!({ "resource": null, "source": "urn:x" }),
            json!({ "source": "https://ttd.apps.tt02.altinn.no/ttd/app-a", "resourceinstance": null }),
            json!({ "resource": "urn:altinn:resource:dialog", "source": "https://example.no/1" }),
            json!({ "resource": "urn:altinn:resource:dialog" }),
            json!({ "resource": "urn:altinn:resource:app_ttd", "source": "https://example.no/1" }),
            json!({ "resourceinstance": "3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77" }),
            json!({ "resourceinstance": "../x" }),
        ] {
            assert_eq!(subject(changes.clone()), None, "{changes}");
        }
    }

    #[test]
    fn only_events_of_the_process_can_open_a_gate() {
        for kind in [
            "app.instance.process.completed",
            "app.instance.process.movedTo.Task_2",
        ] {
            assert!(subject(json!({ "type": kind })).is_some(), "{kind}");
        }
        for kind in [
            "app.instance.created",
            "app.instance.substatus.changed",
            "platform.events.validatesubscription",
            "dialogporten.dialog.created.v1",
            "app.event.sent",
        ] {
            assert_eq!(subject(json!({ "type": kind })), None, "{kind}");
        }
    }

    #[test]
    fn an_event_without_a_required_attribute_is_refused() {
        for field in ["specversion", "id", "type", "source"] {
            assert_eq!(
                refused(json!({ field: null })),
                format!("`{field}` is missing")
            );
            assert_eq!(
                refused(json!({ field: 7 })),
                format!("`{field}` must be a text")
            );
            assert_eq!(
                refused(json!({ field: "" })),
                format!("`{field}` must be a text that is not empty")
            );
        }
        assert!(refused(json!({ "specversion": "0.3" })).starts_with("`specversion` must be"));
        assert_eq!(
            refused(json!({ "resource": 7 })),
            "`resource` must be a text"
        );
    }

    #[test]
    fn a_long_or_unprintable_id_does_not_go_into_a_message() {
        let short = |id: &str| {
            let event = event(json!({ "id": id }));
            let event = CloudEvent::read(&event).unwrap();
            assert!(event.subject().is_some(), "the event counts all the same");
            event.short_id().map(str::to_owned)
        };
        for id in ["a b", "\u{feff}", &"a".repeat(MAX_ID + 1)] {
            assert_eq!(short(id), None, "{id:?}");
        }
        let longest = "a".repeat(MAX_ID);
        assert_eq!(short(&longest), Some(longest));
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
            prop_assert_eq!(subject(changes), Some((format!("{org}/{app}"), instance.to_string())));
        }

        #[test]
        fn every_event_with_the_required_attributes_is_read(
            field in proptest::sample::select(&["id", "source", "type", "resource", "resourceinstance"]),
            text in "\\PC{1,40}",
        ) {
            let event = event(json!({ field: text }));
            let event = CloudEvent::read(&event);
            prop_assert!(event.is_ok(), "{:?}", event);
            let _subject = event.unwrap().subject();
        }

        #[test]
        fn no_refusal_repeats_a_value_of_the_event(text in "\\PC{0,40}") {
            let text = format!("hemmelig{text}");
            for changes in [json!({ "specversion": text.clone() }), json!({ "type": [text] })] {
                let refused = refused(changes);
                prop_assert!(!refused.contains("hemmelig"), "{}", refused);
            }
        }
    }
}
