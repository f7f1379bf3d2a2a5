//! Builds the draft of B from a route and A's data.
//!
//! The same route and data always give the same draft: nothing here depends on a clock, randomness or the environment.

use std::{collections::BTreeMap, fmt};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    draft::{Attachment, Draft, Owner, storable_filename},
    id::InstanceId,
    instance::{DataElement, Instance},
    language::{EvaluationError, Scope},
    number,
    relay::{Reason, RelayId, decide::Failure},
    route::{AttachmentRule, Gate, MappingError, OwnerRule, Route, model},
};

/// The data type of the PDFs that A's app makes of its forms (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Pdf/PdfService.cs).
const PDF: &str = "ref-data-as-pdf";

/// Why there is no draft. Names fields and data types, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransformError {
    /// A field of B could not be filled.
    #[error("route {route}: {problem}")]
    Mapping {
        /// The route.
        route: String,
        /// The field, and the reason.
        problem: MappingError,
    },
    /// B's owner could not be determined.
    #[error("route {route}: to.owner.{kind}: {problem}")]
    Owner {
        /// The route.
        route: String,
        /// The kind of owner that the route names.
        kind: &'static str,
        /// Why.
        problem: String,
    },
    /// A has no element of a data type that the route requires.
    #[error("A has no `{0}`, which the route requires")]
    AttachmentMissing(String),
    /// The virus scan of an element has not finished.
    #[error("the virus scan of a `{0}` is not done")]
    AttachmentScanned(String),
    /// The virus scan of an element found something.
    #[error("the virus scan found something in a `{0}`")]
    AttachmentInfected(String),
    /// A has several forms of a data type of which its metadata allows one.
    #[error("A has several `{0}`, and its metadata allows one")]
    SeveralForms(String),
    /// A value of `each` has no key, or the same key as another value.
    #[error("route {route}: key: {problem}")]
    Keys {
        /// The route.
        route: String,
        /// Why.
        problem: KeyError,
    },
    /// The due date is outside the range of dates.
    #[error("route {route}: due: gives no date")]
    Due {
        /// The route.
        route: String,
    },
}

/// Why a value of `each` cannot be told from the others. Names its index in the list, never the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The list cannot be evaluated.
    #[error("{0}")]
    List(EvaluationError),
    /// The value's key cannot be evaluated.
    #[error("value {index} of `each`: {problem}")]
    Failed {
        /// The value.
        index: usize,
        /// Why.
        problem: EvaluationError,
    },
    /// The value's key is empty, or no text and no number.
    #[error("value {index} of `each` has no key: a text or a number is needed")]
    Missing {
        /// The value.
        index: usize,
    },
    /// An earlier value has the same key.
    #[error("values {first} and {index} of `each` have the same key")]
    Repeated {
        /// The earlier value.
        first: usize,
        /// The value.
        index: usize,
    },
}

impl TransformError {
    /// Whether the error may go away without a change to the route or the data.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::AttachmentMissing(_) | Self::AttachmentScanned(_)
        )
    }

    /// The problem that stops the relay.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let reason = match self {
            Self::Mapping { .. }
            | Self::Owner { .. }
            | Self::Due { .. }
            | Self::SeveralForms(_) => Reason::MappingFailed,
            Self::Keys { .. } => Reason::KeysAmbiguous,
            Self::AttachmentMissing(_) => Reason::AttachmentMissing,
            Self::AttachmentScanned(_) => Reason::AttachmentScanned,
            Self::AttachmentInfected(_) => Reason::AttachmentInfected,
        };
        Failure::new(reason).because(self.to_string())
    }
}

/// When the gate opened for this A instance; `None` if it has not opened.
#[must_use]
pub fn open_since(gate: &Gate, source: &Instance) -> Option<Timestamp> {
    let ended = source.process.ended;
    match gate {
        Gate::Completed => ended,
        Gate::Task(wanted) => ended.or_else(|| {
            let task = source.process.current_task.as_ref()?;
            if task.element_id == *wanted {
                task.started.or(source.created)
            } else {
                None
            }
        }),
    }
}

/// The earliest moment at which an A instance whose gate is open may have been relayed. A process ends once, but may come
/// to a task several times.
#[must_use]
pub fn relayable_since(gate: &Gate, source: &Instance) -> Timestamp {
    let earliest = match gate {
        Gate::Completed => source.process.ended,
        Gate::Task(_) => source.created,
    };
    earliest.unwrap_or(Timestamp::MIN)
}

/// The draft of one relay, with the relay's key.
pub struct KeyedDraft {
    /// The key that distinguishes the route's relays of one A instance; may be personal. `None` if the route has no `each`.
    pub key: Option<String>,
    /// The draft, or why there is none.
    pub draft: Result<Draft, TransformError>,
}

impl fmt::Debug for KeyedDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedDraft")
            .field("draft", &self.draft)
            .finish_non_exhaustive()
    }
}

/// One value of a route's `each`; for a route without `each`, the A instance as a whole.
pub struct EachValue<'a> {
    /// Its index in the list, from 0. `None` without `each`.
    pub index: Option<usize>,
    /// What tells it from the others, or why nothing does; may be personal. `None` without `each`.
    pub key: Result<Option<String>, KeyError>,
    /// What the route's expressions see.
    pub scope: Scope<'a>,
}

impl fmt::Debug for EachValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachValue")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// The relay of an A instance and, with `each`, a value's key.
#[must_use]
pub fn relay_id(route: &Route, source: InstanceId, key: Option<&str>) -> RelayId {
    match key {
        None => RelayId::new(route.name.clone(), source),
        Some(key) => RelayId::keyed(route.name.clone(), source, key),
    }
}

/// The values that each get a relay of their own, with their keys. If one of them has no key, none gets a
/// draft.
///
/// # Errors
/// [`KeyError::List`] when the list cannot be evaluated.
pub fn each_values<'v>(
    route: &'v Route,
    scope: &'v Scope<'v>,
) -> Result<Vec<EachValue<'v>>, KeyError> {
    let Some(each) = &route.each else {
        return Ok(vec![EachValue {
            index: None,
            key: Ok(None),
            scope: scope.clone(),
        }]);
    };
    let scopes = each.list.each(&each.name, scope).map_err(KeyError::List)?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut key = |index, scope: &Scope<'_>| {
        let key = match each.key.evaluate(scope) {
            Ok(Some(Value::String(text))) if !text.trim().is_empty() => text.trim().to_owned(),
            // A's app may write the same number as 1 and as 1.0.
            Ok(Some(Value::Number(number))) => number::normalized(&number),
            Ok(_) => return Err(KeyError::Missing { index }),
            Err(problem) => return Err(KeyError::Failed { index, problem }),
        };
        match seen.get(&key) {
            Some(&first) => Err(KeyError::Repeated { first, index }),
            None => {
                seen.insert(key.clone(), index);
                Ok(Some(key))
            }
        }
    };
    let values = scopes
        .into_iter()
        .enumerate()
        .map(|(index, scope)| EachValue {
            index: Some(index),
            key: key(index, &scope),
            scope,
        });
    Ok(values.collect())
}

/// Builds the drafts for an A instance: one, or one per value of the route's `each`.
/// `data` is A's form data by data type: an object, or a list if A has several forms of the type.
///
/// # Errors
/// [`TransformError`] if the keys of the values are missing or not unique. An error in a single draft is in its
/// [`KeyedDraft`].
pub fn drafts(
    route: &Route,
    source: &Instance,
    data: &Map<String, Value>,
    open_since: Timestamp,
) -> Result<Vec<KeyedDraft>, TransformError> {
    let refused = |problem| TransformError::Keys {
        route: route.name.to_string(),
        problem,
    };
    let scope = Scope::new(&source.raw, data);
    let mut drafts = Vec::new();
    for EachValue { key, scope, .. } in each_values(route, &scope).map_err(refused)? {
        drafts.push(KeyedDraft {
            key: key.map_err(refused)?,
            draft: draft(route, source, &scope, open_since),
        });
    }
    Ok(drafts)
}

fn draft(
    route: &Route,
    source: &Instance,
    scope: &Scope<'_>,
    open_since: Timestamp,
) -> Result<Draft, TransformError> {
    let name = || route.name.to_string();
    let owner = owner(&route.to.owner, scope).map_err(|(kind, problem)| TransformError::Owner {
        route: name(),
        kind,
        problem,
    })?;
    let models = route.to.forms.as_ref().try_map(|form| {
        model::fill(form, scope).map_err(|problem| TransformError::Mapping {
            route: name(),
            problem,
        })
    })?;
    let mut attachments = Vec::new();
    for rule in &route.attachments {
        attachments.extend(pick(rule, source)?);
    }
    let due = match route.due {
        None => None,
        Some(span) => {
            let due = open_since.to_zoned(TimeZone::UTC).checked_add(span);
            Some(
                due.map_err(|_| TransformError::Due { route: name() })?
                    .timestamp(),
            )
        }
    };
    Ok(Draft {
        owner,
        models,
        attachments,
        due,
    })
}

/// The owner that a rule names; otherwise the kind of owner and what is wrong.
fn owner(rule: &OwnerRule, scope: &Scope<'_>) -> Result<Owner, (&'static str, String)> {
    let digits = |value: &Value, count: usize| {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number::normalized(number),
            _ => return None,
        };
        (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
    };
    let value = |kind| match rule.expression().evaluate(scope) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err((
            kind,
            EvaluationError::Empty {
                piece: rule.expression().text().into(),
                place: rule.expression().tree().span.clone(),
            }
            .to_string(),
        )),
        Err(error) => Err((kind, error.to_string())),
    };
    match rule {
        OwnerRule::Organisation(_) => digits(&value("organisation")?, 9)
            .map(Owner::Organisation)
            .ok_or(("organisation", "not nine digits".into())),
        // Only a text: a number would have lost a leading zero.
        OwnerRule::Person(_) => match value("person")? {
            text @ Value::String(_) => digits(&text, 11).map(Owner::Person),
            _ => None,
        }
        .ok_or(("person", "not a text of eleven digits".into())),
        OwnerRule::Party(_) => {
            let value = value("party")?;
            let party = value
                .as_u64()
                .or_else(|| value.as_str()?.trim().parse().ok());
            party
                .and_then(|party| u32::try_from(party).ok())
                .map(Owner::Party)
                .ok_or(("party", "not a party id".into()))
        }
    }
}

/// The elements of A that a rule selects: the newest PDF of each task, or all elements of another data type, of those
/// with its tag and its form of file names.
fn pick(rule: &AttachmentRule, source: &Instance) -> Result<Vec<Attachment>, TransformError> {
    let mut elements = source.elements(&rule.from);
    elements.retain(|element| rule.takes(element));
    if rule.from == PDF {
        let mut newest: BTreeMap<Option<&str>, &DataElement> = BTreeMap::new();
        for element in elements {
            let task = element
                .references
                .iter()
                .find_map(|reference| reference.value.as_deref());
            newest.insert(task, element);
        }
        elements = newest.into_values().collect();
    }
    if elements.is_empty() && rule.required {
        return Err(TransformError::AttachmentMissing(rule.from.clone()));
    }
    if elements.iter().any(|element| element.is_infected()) {
        return Err(TransformError::AttachmentInfected(rule.from.clone()));
    }
    if elements.iter().any(|element| element.is_being_scanned()) {
        return Err(TransformError::AttachmentScanned(rule.from.clone()));
    }
    Ok(elements
        .into_iter()
        .map(|element| attachment(rule, element))
        .collect())
}

fn attachment(rule: &AttachmentRule, element: &DataElement) -> Attachment {
    let content_type = element
        .content_type
        .clone()
        .unwrap_or_else(|| "application/octet-stream".into());
    // B requires a filename with an extension for an element that is added to an instance
    // (Altinn/app-lib-dotnet: src/Altinn.App.Api/Helpers/RequestHandling/DataRestrictionValidation.cs).
    let mut filename = element
        .filename
        .clone()
        .unwrap_or_else(|| rule.from.clone());
    if !filename.contains('.') {
        filename.push('.');
        filename.push_str(media_type::extension(&content_type));
    }
    Attachment {
        element: element.id,
        data_type: rule.to.clone(),
        // The name that B would give it anyway; it has no characters that are special in a header.
        filename: storable_filename(&filename),
        content_type,
        size: element.size,
    }
}

mod media_type;
#[cfg(test)]
mod tests;
