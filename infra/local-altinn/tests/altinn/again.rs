//! Replays recorded conversations against the local Altinn under the conditions of a test.

use bytes::Bytes;
use local_altinn::Config;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::support::{Altinn, Reply};
use crate::recorded::compare::{self, Difference};
use crate::recorded::placeholders::Bindings;
use crate::recorded::{Conversation, Left, folder, http};

/// The values of placeholders: `a` for `{a}`.
pub(super) type Names<'n> = &'n [(&'n str, &'n str)];

/// The conversation with this name, such as `older/v8.0.0-create-orphan`. The two v9 apps of the recordings are `casework` here.
#[track_caller]
pub(super) fn case(name: &str) -> Conversation {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let text = text
        .replace("casework9d", "casework")
        .replace("casework9", "casework");
    let mut case: Conversation = serde_json::from_str(&text).unwrap();
    for left in case.left.iter_mut().flatten() {
        // Storage's events are checked through the history.
        left.events = None;
    }
    case
}

/// A local Altinn with the apps and persons of the recordings.
pub(super) async fn altinn() -> Altinn {
    Altinn::with(|config| *config = Config::from_folder(&folder().join("apps")).unwrap()).await
}

impl Altinn {
    /// Sends a recorded request as the service owner.
    pub(super) async fn replay(&self, case: &Conversation, names: Names<'_>) -> Reply {
        let mut bindings = bound(names);
        let address = self.local.url().trim_start_matches("http://").to_owned();
        let token = Some(self.token.as_str());
        let reply = http::send(&address, &case.request, token, &mut bindings).await;
        Reply {
            status: reply.status.expect("there is an answer"),
            headers: HeaderMap::new(),
            bytes: Bytes::from(reply.bytes),
        }
    }

    /// The instances that creations in `app` left in Storage.
    fn left(&self, app: &str) -> Vec<Left> {
        self.local.instances(app).iter().map(Left::of).collect()
    }
}

fn bound(names: Names<'_>) -> Bindings {
    let mut bindings = Bindings::default();
    for (name, value) in names {
        bindings.bind(name, *value);
    }
    bindings
}

/// Asserts that a creation left the recorded instances in `app`.
#[track_caller]
pub(super) fn assert_left(altinn: &Altinn, app: &str, case: &Conversation) {
    let recorded = case.left.as_deref().unwrap();
    let differences = compare::left(recorded, &altinn.left(app));
    assert_none(&case.name, &differences);
}

/// Asserts the status and body of the recorded response.
#[track_caller]
pub(super) fn assert_answers(case: &Conversation, reply: &Reply, names: Names<'_>) {
    let (name, answer) = (&case.name, &case.answer);
    assert_eq!(
        answer.status,
        Some(reply.status),
        "{name}: {}",
        reply.text()
    );
    let (recorded, seen) = match (&answer.body, &answer.text) {
        (Some(body), _) => (body.clone(), reply.json()),
        (None, text) => (
            json!(text.as_deref().unwrap_or_default()),
            json!(reply.text()),
        ),
    };
    let differences = compare::values_at(name, &recorded, &seen, &mut bound(names));
    assert_none(name, &differences);
}

/// Asserts that a value equals the recorded one.
#[track_caller]
pub(super) fn assert_like(at: &str, recorded: &Value, seen: &Value) {
    let differences = compare::values_at(at, recorded, seen, &mut Bindings::default());
    assert_none(at, &differences);
}

#[track_caller]
fn assert_none(what: &str, differences: &[Difference]) {
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(
        told.is_empty(),
        "{what}, recorded / here:\n{}",
        told.join("\n")
    );
}
