//! The parts of a route.

use std::collections::BTreeSet;

use jiff::{Span, Timestamp};

use super::model;
use crate::{
    forms::Forms,
    id::{AppId, RouteName},
    instance::DataElement,
    language::Expression,
    schema::Schema,
};

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Its name, which is the first part of each of its relay ids.
    pub name: RouteName,
    /// App A.
    pub from: AppId,
    /// When an A instance is ready.
    pub gate: Gate,
    /// The reconcile function ignores older instances. Always set unless the route completes A.
    pub since: Option<Timestamp>,
    /// App B, and how B instances are created.
    pub to: Target,
    /// Which of A's data elements are copied to B.
    pub attachments: Vec<AttachmentRule>,
    /// The time from when the gate opened to B's due date.
    pub due: Option<Span>,
    /// Fan-out: one relay per value.
    pub each: Option<Each>,
    /// What is done to A after B exists.
    pub then: AfterSteps,
    /// What the author knows of fields and accepts.
    pub accepted: Vec<Accepted>,
    /// The first 16 hex digits of the SHA-256 of the file's text.
    pub version: String,
}

/// Warnings of `check` about a field that the route's author has looked at and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The field, such as `model.soknad.tittel` or `to.forms.other.model.tittel`.
    pub field: String,
    /// The warnings by their codes, such as `may-be-empty`.
    pub findings: Vec<String>,
    /// Why.
    pub because: String,
}

/// What is done to A, through A's app, after B exists. In a fan-out this happens after all B instances exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AfterSteps {
    /// The substatus that is set on A.
    pub substatus: Option<Substatus>,
    /// Whether A is confirmed complete, which removes it from the list of unconfirmed instances.
    pub complete: bool,
}

impl AfterSteps {
    /// Whether nothing is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.substatus.is_none() && !self.complete
    }
}

/// The substatus of an instance, which its owner sees in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substatus {
    /// A word or two, or the key of one of A's text resources.
    pub label: String,
    /// A sentence, or the key of one of A's text resources.
    pub description: Option<String>,
}

/// A fan-out: one relay, with an owner and a form of its own, per value of a list.
#[derive(Debug)]
pub struct Each {
    /// The name of the value in the other expressions.
    pub name: String,
    /// The list.
    pub list: Expression,
    /// An expression for the key of a value, which stays the same when the list changes.
    pub key: Expression,
}

/// The condition on A's process state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// A's process has ended.
    Completed,
    /// A's current task is this one, or its process has ended.
    Task(String),
}

/// App B.
#[derive(Debug)]
pub struct Target {
    /// The app.
    pub app: AppId,
    /// Who owns B.
    pub owner: OwnerRule,
    /// Its forms, and what they are filled with.
    pub forms: Forms<FormRule>,
    /// Whether B is complete as it is made. Otherwise a person fills in the rest, and B's required fields may stay empty.
    pub complete: bool,
    /// How B instances are created.
    pub mode: Mode,
    /// Which B are read back and compared with what was sent.
    pub verify: VerifyRule,
    /// The pace of requests to B, if the route sets it.
    pub pace: Option<PaceRule>,
}

/// The pace of requests to a B app that its routes set, for all containers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceRule {
    /// At most so many B per second.
    pub per_second: Option<u32>,
    /// At most so many at once.
    pub at_once: Option<u32>,
}

impl PaceRule {
    /// The highest value of either.
    pub const HIGHEST: u32 = 1_000;
}

/// A form of B, and what it is filled with.
#[derive(Debug)]
pub struct FormRule {
    /// B's data type. If `None`, the only one with app logic.
    pub data_type: Option<String>,
    /// Whether it is one of the route's `to.forms`, which always have a data type.
    pub is_further: bool,
    /// The XML root element.
    pub root: String,
    /// The JSON schema for a B whose app serves none.
    pub schema: Option<Schema>,
    /// In which order its fields are written.
    pub order: Order,
    /// Its structure.
    pub model: model::Group,
}

impl FormRule {
    /// The field of the route file that says this of the form: `to.root`, `model`, `to.forms.other.root`,
    /// `to.forms.other.model`.
    #[must_use]
    pub fn says(&self, key: &str) -> String {
        match &self.data_type {
            Some(data_type) if self.is_further => format!("to.forms.{data_type}.{key}"),
            _ if key == "model" => key.to_owned(),
            _ => format!("to.{key}"),
        }
    }

    /// The field of the route file that names the form's data type.
    #[must_use]
    pub fn says_data_type(&self) -> String {
        match &self.data_type {
            Some(data_type) if self.is_further => format!("to.forms.{data_type}"),
            _ => "to.dataType".to_owned(),
        }
    }

    /// A field of this form as the route file names it; `field` begins with `model`, whatever the form.
    #[must_use]
    pub fn names(&self, field: &str) -> String {
        let model = self.says("model");
        match field.strip_prefix("model") {
            Some(below) => format!("{model}{below}"),
            None => field.to_owned(),
        }
    }
}

/// Which B of a route are read back and compared with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyRule {
    /// All.
    Always,
    /// The first that a container makes with this version of the route and of B's schema, one in a hundred of the others,
    /// and every B that is found already made.
    #[default]
    Sampled,
    /// None.
    Never,
}

impl VerifyRule {
    /// The rules by their names in a route file.
    pub const ALL: [(&str, Self); 3] = [
        ("always", Self::Always),
        ("sampled", Self::Sampled),
        ("never", Self::Never),
    ];
}

/// In which order the fields of a form of B are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// In that of B's schema; without one, as the route lists them.
    #[default]
    Schema,
    /// As the route lists them: for a B whose class has another order than its schema.
    Route,
}

/// How B instances are created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By one multipart request with form, attachments and stamp.
    Complete,
    /// By the simplified request of Altinn's guide, which has flat texts but neither a stamp nor attachments. The stamp is a
    /// field of B's form, which B copies to its `dataValues` (by its `dataFields`) when it saves the form. If B stops before
    /// that, its instance has no stamp, and a second instance may be created.
    Prefill {
        /// The field of B's form that holds the relay's id, as a dotted path.
        stamp: String,
    },
}

/// B's owner: its kind, and the expression for its number.
#[derive(Debug)]
pub enum OwnerRule {
    /// A nine-digit organisation number.
    Organisation(Expression),
    /// An eleven-digit national identity number.
    Person(Expression),
    /// A party id.
    Party(Expression),
}

impl OwnerRule {
    /// The expression for the number.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        match self {
            Self::Organisation(expression) | Self::Person(expression) | Self::Party(expression) => {
                expression
            }
        }
    }
}

/// A data type of A whose elements are copied to B.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentRule {
    /// A's data type.
    pub from: String,
    /// B's data type.
    pub to: String,
    /// Whether the relay waits until A has such an element.
    pub required: bool,
    /// Only elements with this tag.
    pub tag: Option<String>,
    /// Only elements whose file name has this form.
    pub filename: Option<NamePattern>,
}

/// The form of a file name, in which `*` stands for any characters. Case does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Vec<String>);

impl NamePattern {
    /// Reads a pattern such as `vedtak*.pdf`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase().split('*').map(str::to_owned).collect())
    }

    /// Whether a file name has this form.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| *only == name);
        };
        let Some(rest) = name.strip_prefix(first.as_str()) else {
            return false;
        };
        // Each part as early as it comes: what is left for the others is then the most.
        let rest = middle.iter().try_fold(rest, |rest, part| {
            rest.split_once(part.as_str()).map(|(_, rest)| rest)
        });
        rest.is_some_and(|rest| rest.ends_with(last.as_str()))
    }
}

impl AttachmentRule {
    /// Whether the rule takes this element of its data type.
    #[must_use]
    pub fn takes(&self, element: &DataElement) -> bool {
        let has_tag = |tag: &String| element.tags.iter().any(|it| it.eq_ignore_ascii_case(tag));
        let name = element.filename.as_deref().unwrap_or_default();
        self.tag.as_ref().is_none_or(has_tag)
            && self.filename.as_ref().is_none_or(|form| form.matches(name))
    }
}

impl Route {
    /// The route's name.
    #[must_use]
    pub fn name(&self) -> &RouteName {
        &self.name
    }

    /// The form data types of A that the route reads.
    #[must_use]
    pub fn data_types(&self) -> BTreeSet<String> {
        let mut types = self.to.owner.expression().data_types();
        for expression in self.each.iter().flat_map(|each| [&each.list, &each.key]) {
            types.extend(expression.data_types());
        }
        for form in self.to.forms.iter() {
            model::expressions(&form.model, &mut |expression| {
                types.extend(expression.data_types());
            });
        }
        types
    }
}
