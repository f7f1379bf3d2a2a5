//! Why B would refuse a draft.

use std::fmt;

use thiserror::Error;

use crate::{
    relay::{Reason, decide::Failure},
    schema::Violation,
    xml::XmlError,
};

/// The largest request that B accepts, in bytes (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs).
pub(super) const MAX_REQUEST: u64 = 2000 * 1024 * 1024;

/// A reason why B would refuse the draft. Names data types and fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Objection {
    /// The route names no form data type, and B does not have exactly one to choose.
    #[error("B has {0} data types with app logic: name one in to.dataType")]
    FormType(usize),
    /// B has no such data type, or it cannot be used this way.
    #[error("data type `{data_type}`: {problem}")]
    DataType {
        /// B's data type.
        data_type: String,
        /// What is wrong.
        problem: String,
    },
    /// B's schema does not allow the form.
    #[error("{0}")]
    Schema(Violation),
    /// B does not copy the field with the relay's id to its `dataValues`.
    #[error(
        "to.stamp: B's dataFields show no field `{0}` of its form: add it to B's applicationmetadata, or leave `mode: prefill`"
    )]
    Stamp(String),
    /// A value that cannot be sent as a text.
    #[error("{0}: `mode: prefill` carries texts, numbers and true/false only")]
    NotFlat(String),
    /// A text that B would read as another value in `mode: prefill`.
    #[error("{field}: {problem}")]
    Prefill {
        /// The field, as a dotted path.
        field: String,
        /// What the text looks like, and how B would read it.
        problem: &'static str,
    },
    /// The form cannot be written as XML.
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// B does not allow this kind of owner.
    #[error("B admits no {0} as owner (partyTypesAllowed)")]
    Owner(&'static str),
    /// The whole request is too large.
    #[error("the request would have {0} bytes, B takes {MAX_REQUEST}")]
    TooLarge(u64),
}

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
