//! From A, as Altinn gives it, to the checked drafts of B, or to the reason why there is none.
//!
//! The function and the tools of a route's author run this same code, and differ only in where A comes from: Altinn, or a
//! folder.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    draft::Draft,
    id::AppId,
    instance::Instance,
    metadata::{ApplicationMetadata, DataType},
    preflight::{self, CheckedDraft, Objections, TargetApp},
    relay::{
        Reason,
        decide::{Failure, NotReady},
    },
    route::Route,
    transform::{self, TransformError},
};

/// An A instance with its form data. Holds personal data, so `Debug` prints none of it.
#[derive(Clone)]
pub struct InstanceData {
    /// The instance, as Storage gives it.
    pub instance: Instance,
    /// Its form data by data type, as expressions see it: a list where A's metadata allows several forms, however many there
    /// are; else the one, or none.
    data: Map<String, Value>,
    /// The data types that were read, and whether A's metadata allows several forms of each.
    read: BTreeMap<String, bool>,
    /// The forms of each data type of which A has several although its metadata allows one.
    several: BTreeMap<String, Vec<Value>>,
}

impl fmt::Debug for InstanceData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceData")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

impl InstanceData {
    /// An A instance whose app has this `metadata`, with its `forms` by data type as A's app gives them in JSON, the oldest
    /// first.
    #[must_use]
    pub fn new(
        instance: Instance,
        metadata: &ApplicationMetadata,
        forms: impl IntoIterator<Item = (String, Vec<Value>)>,
    ) -> Self {
        let mut made = Self::without_forms(instance);
        for (data_type, mut forms) in forms {
            let known = metadata.data_types.iter().find(|it| it.id == data_type);
            let is_list = known.is_some_and(DataType::may_be_several);
            made.read.insert(data_type.clone(), is_list);
            if is_list {
                made.data.insert(data_type, forms.into());
            } else if forms.len() > 1 {
                made.several.insert(data_type, forms);
            } else if let Some(form) = forms.pop() {
                made.data.insert(data_type, form);
            }
        }
        made
    }

    /// An A instance of which no form is read.
    #[must_use]
    pub fn without_forms(instance: Instance) -> Self {
        Self {
            instance,
            data: Map::new(),
            read: BTreeMap::new(),
            several: BTreeMap::new(),
        }
    }

    /// The same instance and forms, for an app that has other metadata by now.
    #[must_use]
    pub fn with_metadata(self, metadata: &ApplicationMetadata) -> Self {
        let Self {
            instance,
            mut data,
            read,
            mut several,
        } = self;
        let forms = read.into_iter().map(|(data_type, is_list)| {
            let forms = match data.shift_remove(&data_type) {
                Some(Value::Array(forms)) if is_list => forms,
                Some(form) => vec![form],
                None => several.remove(&data_type).unwrap_or_default(),
            };
            (data_type, forms)
        });
        Self::new(instance, metadata, forms)
    }

    /// Its form data by data type, as expressions see it.
    #[must_use]
    pub fn data(&self) -> &Map<String, Value> {
        &self.data
    }
}

/// What an A instance gives.
#[derive(Debug)]
pub struct Prepared {
    /// When the gate opened.
    pub since: Timestamp,
    /// One share per relay.
    pub shares: Vec<Share>,
}

/// One relay's share of an A instance.
pub struct Share {
    /// What tells it from the route's other relays of the instance; may be personal. `None` if the route has no `each`.
    pub key: Option<String>,
    /// What B shall be, or why there is no draft.
    pub b: Result<Shaped, Obstacle>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("b", &self.b)
            .finish_non_exhaustive()
    }
}

/// What B shall be.
#[derive(Debug, Clone)]
pub enum Shaped {
    /// A draft that B will accept, as far as its metadata and schema show.
    Checked(CheckedDraft),
    /// A draft that was not checked, because nothing is known of B.
    Unchecked(Draft),
}

/// Why there is no draft that can be sent. Names fields and data types, never values.
#[derive(Debug, Clone, Error)]
pub enum Obstacle {
    /// The instance is of another app than the route's A.
    #[error("the route starts at {from}, the instance is of {app}")]
    OtherApp {
        /// The route's A.
        from: AppId,
        /// The instance's app.
        app: AppId,
    },
    /// The instance is deleted for good.
    #[error("the A instance is deleted for good")]
    Deleted,
    /// The gate has not opened.
    #[error("the gate is closed")]
    GateClosed,
    /// A's data gives no draft.
    #[error(transparent)]
    NoDraft(#[from] TransformError),
    /// B would refuse the draft.
    #[error("{}", .0.objections)]
    Refused(Box<Refused>),
}

/// A draft that B would refuse.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The draft.
    pub draft: Draft,
    /// All that B would refuse of it.
    pub objections: Objections,
}

impl Obstacle {
    /// The problem that stops the relay.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::OtherApp { .. } => Failure::new(Reason::SourceForeign).because(self.to_string()),
            Self::Deleted => Failure::new(Reason::SourceDeleted),
            Self::GateClosed => Failure::new(Reason::GateClosed),
            Self::NoDraft(error) => error.failure(),
            Self::Refused(refused) => refused.objections.failure(),
        }
    }

    /// Whether the obstacle may go away without a change to the route or the data.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::GateClosed => true,
            Self::NoDraft(error) => error.is_transient(),
            Self::OtherApp { .. } | Self::Deleted | Self::Refused(_) => false,
        }
    }
}

impl From<&Obstacle> for NotReady {
    fn from(obstacle: &Obstacle) -> Self {
        if obstacle.is_transient() {
            Self::NotYet(obstacle.failure())
        } else {
            Self::Never(obstacle.failure())
        }
    }
}

/// When the gate opened for this instance. Its forms need not be read for this.
///
/// # Errors
/// [`Obstacle::OtherApp`], [`Obstacle::Deleted`] or [`Obstacle::GateClosed`].
pub fn opened(route: &Route, instance: &Instance) -> Result<Timestamp, Obstacle> {
    if instance.app != route.from {
        return Err(Obstacle::OtherApp {
            from: route.from.clone(),
            app: instance.app.clone(),
        });
    }
    if instance.status.is_hard_deleted {
        return Err(Obstacle::Deleted);
    }
    transform::open_since(&route.gate, instance).ok_or(Obstacle::GateClosed)
}

/// Turns an A instance into the shares of its relays: one, or one per value of the route's `each`. `b` is what B's app
/// tells of itself; if that is unknown, the drafts stay unchecked.
///
/// # Errors
/// [`Obstacle`]: why there is no draft for any of them.
pub fn prepare(
    route: &Route,
    source: &InstanceData,
    b: Option<&TargetApp>,
) -> Result<Prepared, Obstacle> {
    let since = opened(route, &source.instance)?;
    let shares = drafts(route, source, since)?.into_iter().map(|part| Share {
        key: part.key,
        b: part
            .draft
            .map_err(Obstacle::NoDraft)
            .and_then(|draft| check(route, draft, b)),
    });
    Ok(Prepared {
        since,
        shares: shares.collect(),
    })
}

/// The drafts of an A instance as they are if the gate opened at `since`.
///
/// # Errors
/// [`TransformError`]: why there is none at all.
pub fn drafts(
    route: &Route,
    source: &InstanceData,
    since: Timestamp,
) -> Result<Vec<transform::KeyedDraft>, TransformError> {
    let read = route.data_types();
    if let Some(data_type) = source.several.keys().find(|it| read.contains(*it)) {
        return Err(TransformError::SeveralForms(data_type.clone()));
    }
    transform::drafts(route, &source.instance, &source.data, since)
}

fn check(route: &Route, draft: Draft, b: Option<&TargetApp>) -> Result<Shaped, Obstacle> {
    let Some(b) = b else {
        return Ok(Shaped::Unchecked(draft));
    };
    match preflight::check(draft.clone(), &route.to, b) {
        Ok(checked) => Ok(Shaped::Checked(checked)),
        Err(objections) => Err(Obstacle::Refused(Box::new(Refused { draft, objections }))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instance() -> Instance {
        let instance =
            json!({"id": "51001234/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77", "appId": "ttd/a"});
        Instance::from_json(instance).unwrap()
    }

    fn metadata(most: u64) -> ApplicationMetadata {
        let metadata = json!({"id": "ttd/a", "dataTypes": [{"id": "model", "maxCount": most}]});
        ApplicationMetadata::from_json(&metadata).unwrap()
    }

    fn forms(count: usize) -> [(String, Vec<Value>); 1] {
        [(
            "model".into(),
            (0..count).map(|n| json!({ "n": n })).collect(),
        )]
    }

    #[test]
    fn the_metadata_says_whether_forms_are_a_list_however_many_there_are() {
        for count in 0..3 {
            let read = |most| InstanceData::new(instance(), &metadata(most), forms(count));
            let several = read(0);
            assert_eq!(
                several.data()["model"].as_array().map(Vec::len),
                Some(count)
            );
            assert!(several.several.is_empty());
            let one = read(1);
            let is_object = one.data().get("model").map(Value::is_object);
            assert_eq!(is_object, (count == 1).then_some(true));
            assert_eq!(one.several.len(), usize::from(count > 1));
        }
    }

    #[test]
    fn newer_metadata_gives_what_it_would_have_given_at_first() {
        for count in 0..3 {
            for (before, after) in [(0, 1), (1, 0), (1, 1), (0, 0)] {
                let at_first = InstanceData::new(instance(), &metadata(after), forms(count));
                let later = InstanceData::new(instance(), &metadata(before), forms(count))
                    .with_metadata(&metadata(after));
                let what = format!("{count} forms, maxCount {before}, then {after}");
                assert_eq!(later.data(), at_first.data(), "{what}");
                assert_eq!(later.several, at_first.several, "{what}");
            }
        }
    }
}
