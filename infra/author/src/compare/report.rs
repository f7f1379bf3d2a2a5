//! What a comparison has found.

use serde::Serialize;
use serde_json::Value;
use stafett_core::id::InstanceId;

/// What a comparison has found, in counts and examples. The examples hold A's data.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The name of the old route.
    pub old: String,
    /// The name of the new one.
    pub new: String,
    /// How many A instances of the routes' app were looked at.
    pub instances: u64,
    /// How many more belong to other apps.
    pub of_other_apps: u64,
    /// How many get another B, other relays, a B where there was none, or no B any more.
    pub differing: u64,
    /// How many fail that did not fail before.
    pub failing: u64,
    /// How many failed before and no longer fail.
    pub mending: u64,
    /// Whether B's metadata and its form's schema were available for both versions, so that what B refuses counts as failing.
    pub judged: bool,
    /// By which schemas of B the forms are checked and ordered.
    pub schemas: Vec<String>,
    /// What affects every A instance.
    pub warnings: Vec<String>,
    /// What changes, by field of B, `[]` for any item of a list.
    pub fields: Vec<FieldChange>,
    /// What changes of the relays, with `each`.
    pub relays: Relays,
    /// Instances whose gate is open now and was not.
    pub gate_opens: Noted,
    /// Instances whose gate was open and is not now.
    pub gate_closes: Noted,
    /// Why instances fail that did not fail before.
    pub failures: Vec<Failure>,
    /// Why instances failed that no longer fail.
    pub mended: Vec<Failure>,
    /// What changes on A.
    pub on_a: Vec<String>,
}

/// What changes in one field of B.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// The field: `model.soknad.vedtak[].kode`.
    pub field: String,
    /// Values that are there and were not.
    pub added: u64,
    /// Values that were there and are not.
    pub removed: u64,
    /// Values that have changed.
    pub changed: u64,
    /// Values whose type has changed.
    pub type_changed: u64,
    /// In how many B.
    pub bs: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// One example.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// The A instance.
    pub instance: InstanceId,
    /// The key of the relay, with `each`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What changes of the relays.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relays {
    /// Values that have another key: each would get a second B.
    pub rekeyed: u64,
    /// Some of them.
    pub rekeyed_examples: Vec<Example>,
    /// Relays that are new.
    pub appeared: u64,
    /// Some of them.
    pub appeared_examples: Vec<Example>,
    /// Relays that are no more; a B that is there already stays.
    pub vanished: u64,
    /// Some of them.
    pub vanished_examples: Vec<Example>,
}

/// A count of A instances, and some of them.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Noted {
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<InstanceId>,
}

/// A reason for failing.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The reason; names fields, never values.
    pub reason: String,
    /// How many relays fail for it.
    pub relays: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("instances", &self.instances)
            .field("differing", &self.differing)
            .field("failing", &self.failing)
            .finish_non_exhaustive()
    }
}

impl Report {
    /// Whether nothing changes in any B of these instances.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differing == 0 && self.failing == 0 && self.mending == 0
    }

    /// The verdict, in one line.
    #[must_use]
    pub fn verdict(&self) -> String {
        if self.is_same() {
            return "No B changes.".to_owned();
        }
        let mut verdict = format!(
            "{} of {} instances give another B; {} fail that did not before.",
            self.differing, self.instances, self.failing
        );
        if self.mending > 0 {
            verdict.push_str(&format!(" {} fail no longer.", self.mending));
        }
        verdict
    }
}
