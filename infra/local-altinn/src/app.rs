//! An Altinn app: its metadata, form data models, process and policy.

mod load;
mod metadata;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app_files::form::Model;
use app_files::{AppFiles, Policy, Prefill, Task};
use serde_json::Value;

use crate::library::Library;
use crate::register::Party;
use crate::token::Caller;

pub use load::{Gap, IncompleteApp};
pub use metadata::DataType;
pub(crate) use metadata::{DataField, Metadata};

/// A loaded app. It is started with [`crate::LocalAltinn::start`].
#[derive(Clone)]
pub struct App(pub(crate) Arc<AppDefinition>);

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("App").field(&self.0.id).finish()
    }
}

pub(crate) struct AppDefinition {
    /// `org/app`.
    pub(crate) id: String,
    pub(crate) org: String,
    /// applicationmetadata.json, unchanged.
    pub(crate) document: Value,
    pub(crate) metadata: Metadata,
    pub(crate) settings: AppSettings,
    /// Whether the tasks are the app's own: an app whose process no file describes gets one.
    pub(crate) knows_tasks: bool,
    pub(crate) models: BTreeMap<String, Model>,
    /// The text of `process.bpmn`, if the process was read from that file.
    pub(crate) bpmn: Option<String>,
    /// The policy of `policy.xml` and the file's text, if the policy was read from that file.
    xacml: Option<(Policy, String)>,
    policy: Mutex<Policy>,
    library: Mutex<Library>,
    /// Data types that are missing from Storage's copy of the metadata.
    unknown_to_storage: Mutex<BTreeSet<String>>,
    events: AtomicBool,
}

/// The settings of an app that are not in applicationmetadata.json.
#[derive(Clone, Debug, Default)]
pub struct AppSettings {
    /// Whether the app publishes events: `AppSettings:RegisterEventsWithEventsComponent`, false in Altinn's templates.
    pub events: bool,
    /// Whether the app runs in ASP.NET's environment `Production`.
    pub production: bool,
    /// Whether data elements may be written only in the task that owns them.
    pub enforce_tasks: bool,
    /// Who may perform which actions.
    pub policy: Policy,
    /// The tasks of the process, in order.
    pub tasks: Vec<Task>,
    /// XML root element by data type. Without an entry, any root element is read and the name of the class is written.
    pub roots: BTreeMap<String, String>,
    /// Prefill by data type.
    pub prefill: BTreeMap<String, Prefill>,
}

impl From<&AppFiles> for AppSettings {
    /// Settings that no file gives have the values of Altinn's app template.
    fn from(files: &AppFiles) -> Self {
        Self {
            events: files.events.unwrap_or_default(),
            production: files.production,
            enforce_tasks: files.enforce_tasks,
            policy: files.policy.clone().unwrap_or_default(),
            tasks: files.tasks.clone().unwrap_or_default(),
            roots: files.roots.clone(),
            prefill: files.prefill.clone(),
        }
    }
}

/// The decision of the policy decision point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Permit,
    Deny,
    /// Permitted with an obligation: the caller must authenticate at this level or higher.
    LevelTooLow(u8),
    /// The decision point cannot be reached.
    Unavailable,
}

impl App {
    /// `org/app`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The app's title in a language (`nb`, `nn`, `en`), or else in Bokmål. `None` if it has neither.
    #[must_use]
    pub fn title(&self, language: &str) -> Option<&str> {
        let titles = &self.0.document["title"];
        titles[language].as_str().or_else(|| titles["nb"].as_str())
    }

    /// The data types of the app's metadata.
    #[must_use]
    pub fn data_types(&self) -> &[DataType] {
        &self.0.metadata.data_types
    }

    /// The model of a form data type.
    #[must_use]
    pub fn model(&self, data_type: &str) -> Option<&Model> {
        self.0.models.get(data_type)
    }

    /// The tasks of the app's process, in order.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.0.settings.tasks
    }

    /// Whether this party may own an instance of the app.
    #[must_use]
    pub fn may_be_owned_by(&self, party: &Party<'_>) -> bool {
        party.is_allowed(&self.0.metadata.party_types_allowed)
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the policy. The new policy applies from the next request on.
    pub fn set_policy(&self, policy: Policy) {
        *self.0.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// Lets the service owner perform one more action, e.g. `delete`.
    pub fn permit(&self, action: &str) {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .service_owner
            .insert(action.to_owned());
    }

    /// Forbids the service owner an action.
    pub fn forbid(&self, action: &str) {
        self.0
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .service_owner
            .remove(action);
    }

    /// Sets the version of app-lib on which the app runs, from the next request on. Default: [`Library::TODAY`].
    pub fn run_on(&self, library: Library) {
        *self
            .0
            .library
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = library;
    }

    /// Hides a data type from Storage. After a deployment, Storage's copy of the app's metadata is up to five minutes old
    /// (Altinn/altinn-storage: src/Storage/Repository/ApplicationRepository.cs, cached).
    pub fn hide_from_storage(&self, data_type: &str) {
        self.0.unknown_to_storage().insert(data_type.to_owned());
    }

    /// Lets Storage see all data types again.
    pub fn show_to_storage(&self) {
        self.0.unknown_to_storage().clear();
    }

    /// Switches the publishing of events on or off.
    pub fn set_events(&self, on: bool) {
        self.0.events.store(on, Ordering::Relaxed);
    }
}

impl AppDefinition {
    pub(crate) fn library(&self) -> Library {
        *self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Storage's copy of the metadata contains a data type.
    pub(crate) fn storage_knows(&self, data_type: &str) -> bool {
        self.data_type(data_type).is_some() && !self.unknown_to_storage().contains(data_type)
    }

    fn unknown_to_storage(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.unknown_to_storage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of `policy.xml`, as long as its policy is in force.
    pub(crate) fn xacml(&self) -> Option<&str> {
        let (policy_of_file, text) = self.xacml.as_ref()?;
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        (*policy == *policy_of_file).then_some(text)
    }

    pub(crate) fn data_type(&self, id: &str) -> Option<&DataType> {
        self.metadata
            .data_types
            .iter()
            .find(|data_type| data_type.id == id)
    }

    pub(crate) fn publishes_events(&self) -> bool {
        self.events.load(Ordering::Relaxed)
    }

    /// Decides by the current policy whether the caller may perform an action on an instance of the party `owner`.
    pub(crate) fn decide(&self, caller: &Caller, owner: u32, action: &str) -> Decision {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        let permitted = match &caller.user {
            // Users act for themselves only: this Altinn has no delegation.
            Some(user) => user.party == owner && policy.persons.contains(action),
            None => permits_organisation(&policy, caller.owns(&self.org), action),
        };
        if !permitted {
            Decision::Deny
        } else if caller.level < policy.minimum_level {
            Decision::LevelTooLow(policy.minimum_level)
        } else {
            Decision::Permit
        }
    }

    /// Whether the current policy permits an organisation the action.
    pub(crate) fn permits(&self, org: Option<&str>, action: &str) -> bool {
        let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        permits_organisation(&policy, org == Some(&self.org), action)
    }

    pub(crate) fn task(&self, id: &str) -> Option<&Task> {
        self.settings.tasks.iter().find(|task| task.id == id)
    }

    /// The app's name without the organisation.
    pub(crate) fn name(&self) -> &str {
        self.id
            .split_once('/')
            .map_or(self.id.as_str(), |(_, name)| name)
    }
}

fn permits_organisation(policy: &Policy, is_owner: bool, action: &str) -> bool {
    let actions = if is_owner {
        &policy.service_owner
    } else {
        &policy.others
    };
    actions.contains(action)
}
