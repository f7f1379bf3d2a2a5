//! What the routes need to subscribe to.

use std::collections::BTreeMap;

use stafett_core::{
    id::AppId,
    route::{Gate, Routes},
};

/// The end of an app's process (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessEventDispatcher.cs).
const COMPLETED: &str = "app.instance.process.completed";
/// How Altinn names an app as a resource, followed by `ttd_permit` for `ttd/permit`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Infrastructure/Clients/Events/EventsClient.cs).
pub(super) const APP_RESOURCE: &str = "urn:altinn:resource:app_";

/// Which events of an app the routes need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The end of its process.
    Completed,
    /// All, since a subscription names one type or none.
    All,
}

impl Kind {
    /// Altinn's `typeFilter`.
    #[must_use]
    pub fn filter(self) -> Option<&'static str> {
        match self {
            Self::Completed => Some(COMPLETED),
            Self::All => None,
        }
    }
}

/// What is subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// The app whose instances the events are about.
    pub app: AppId,
    /// Which events.
    pub kind: Kind,
}

impl Topic {
    /// Altinn's `resourceFilter`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{APP_RESOURCE}{}_{}", self.app.org(), self.app.app())
    }
}

/// What the routes need: one topic for each app A. A gate that a task opens needs the events of that task and the end of
/// the process, and so a subscription to all events.
#[must_use]
pub fn topics(routes: &Routes) -> Vec<Topic> {
    let mut kinds: BTreeMap<&AppId, Kind> = BTreeMap::new();
    for route in routes.iter() {
        let kind = match route.gate {
            Gate::Completed => Kind::Completed,
            Gate::Task(_) => Kind::All,
        };
        let known = kinds.entry(&route.from).or_insert(kind);
        *known = kind.max(*known);
    }
    let topic = |(app, kind): (&AppId, Kind)| Topic {
        app: app.clone(),
        kind,
    };
    kinds.into_iter().map(topic).collect()
}
