//! Why B would refuse a draft.

use std::fmt;

use thiserror::Error;

use crate::{
    relay::{Reason, decide::Failure},
    route::FormRule,
    schema::{SchemaError, Violation},
    xml::XmlError,
};

/// The largest request that B accepts, in bytes (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs).
pub(super) const MAX_REQUEST: u64 = 2000 * 1024 * 1024;

/// A reason why B would refuse the draft. Names data types and fields, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// The route names no form data type, and B does not have exactly one to choose.
    FormType(usize),
    /// B has no such data type, or it cannot be used this way.
    DataType {
        /// B's data type.
        data_type: String,
        /// What is wrong.
        problem: String,
    },
    /// B's schema does not allow the form.
    Schema(Violation),
    /// B's app serves a schema that cannot be used, and the route names no other.
    NoSchema {
        /// The field of the route that would name one: `to.schema`.
        says: String,
        /// Why it cannot be used.
        error: SchemaError,
    },
    /// B does not copy the field with the relay's id to its `dataValues`.
    Stamp(String),
    /// A value that cannot be sent as a text.
    NotFlat(String),
    /// A text that B would read as another value in `mode: prefill`.
    Prefill {
        /// The field, as a dotted path.
        field: String,
        /// What the text looks like, and how B would read it.
        problem: &'static str,
    },
    /// The form cannot be written as XML.
    Xml(XmlError),
    /// B does not allow this kind of owner.
    Owner(&'static str),
    /// The whole request is too large.
    TooLarge(u64),
}

impl Objection {
    /// An objection to a value of a form, with the field as the route file names it.
    #[must_use]
    pub fn to_value_of(self, form: &FormRule) -> Self {
        match self {
            Self::Schema(Violation { field, problem }) => Self::Schema(Violation {
                field: form.names(&field),
                problem,
            }),
            Self::Xml(error) => Self::Xml(error.renamed(|field| form.names(field))),
            other => other,
        }
    }

    /// The field of B's form, or of the route, that it is about, dotted; `None` where it is about something else.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Schema(violation) => Some(&violation.field),
            Self::Stamp(_) => Some("to.stamp"),
            Self::NotFlat(field) | Self::Prefill { field, .. } => Some(field),
            Self::Xml(error) => Some(error.field()),
            Self::FormType(_)
            | Self::DataType { .. }
            | Self::NoSchema { .. }
            | Self::Owner(_)
            | Self::TooLarge(_) => None,
        }
    }

    /// What is wrong, without the field.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::FormType(count) => {
                format!("B has {count} data types with app logic: name one in to.dataType")
            }
            Self::DataType { data_type, problem } => format!("data type `{data_type}`: {problem}"),
            Self::Schema(violation) => violation.problem.clone(),
            Self::NoSchema { says, error } => {
                format!("{error}; name a file with B's schema in {says}")
            }
            Self::Stamp(stamp) => format!(
                "B's dataFields show no field `{stamp}` of its form: add it to B's applicationmetadata, or leave `mode: prefill`"
            ),
            Self::NotFlat(_) => {
                "`mode: prefill` carries texts, numbers and true/false only".to_owned()
            }
            Self::Prefill { problem, .. } => (*problem).to_owned(),
            Self::Xml(error) => error.problem(),
            Self::Owner(kind) => format!("B admits no {kind} as owner (partyTypesAllowed)"),
            Self::TooLarge(bytes) => {
                format!("the request would have {bytes} bytes, B takes {MAX_REQUEST}")
            }
        }
    }
}

impl From<XmlError> for Objection {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field() {
            Some(field) => write!(f, "{field}: {}", self.problem()),
            None => f.write_str(&self.problem()),
        }
    }
}

impl std::error::Error for Objection {}

/// All reasons why B would refuse the draft.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Objections(pub Vec<Objection>);

impl fmt::Display for Objections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

impl Objections {
    /// The problem that stops the relay.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(Reason::DraftRefused).because(self.to_string())
    }
}
