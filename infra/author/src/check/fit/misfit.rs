//! Why a field of B does not take a value, and what to do about it.

use crate::finding::Severity;

/// Why a field of B does not take a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    /// The path below the field, dotted; empty for the field itself.
    pub(super) below: String,
    /// What is wrong: the predicate of a sentence about the value.
    pub(super) what: String,
    pub(super) help: Option<String>,
    /// The type that would do, in words, and the filter that makes it of the value.
    pub(super) conversion: Option<(&'static str, &'static str)>,
    /// Whether it is about each item of the list, and not about the list.
    pub(super) of_item: bool,
    pub(super) suggestion: Option<String>,
}

impl Misfit {
    pub(super) fn new(severity: Severity, code: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            below: String::new(),
            what: what.into(),
            help: None,
            conversion: None,
            of_item: false,
            suggestion: None,
        }
    }

    pub(super) fn error(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, what)
    }

    pub(super) fn warning(code: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, what)
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn convert(mut self, wanted: &'static str, filter: &'static str) -> Self {
        self.conversion = Some((wanted, filter));
        self
    }

    /// The same about an item of a list. What can be done with one value cannot be done with the list.
    pub(super) fn in_item(mut self) -> Self {
        if self.below.is_empty() {
            self.of_item = true;
            self.limit_in_schema();
        }
        self
    }

    pub(super) fn limit_in_schema(&mut self) {
        if self.code == "length" && self.help.is_some() {
            self.help = Some("limit it in A's schema".to_owned());
        }
    }

    /// What the sentence is about: the value of `expression`, or a part of it.
    pub(super) fn subject(&self, expression: &str) -> String {
        match (self.below.as_str(), self.of_item) {
            ("", false) => format!("`{expression}`"),
            ("", true) => format!("an item of `{expression}`"),
            (below, false) => format!("`{below}` in `{expression}`"),
            (below, true) => format!("an item of `{below}` in `{expression}`"),
        }
    }

    /// What to do about it.
    pub(super) fn way_out(&self) -> Option<String> {
        let Some((wanted, filter)) = self.conversion else {
            return self.help.clone();
        };
        Some(match (self.below.is_empty(), self.of_item) {
            (true, false) => format!("make it {wanted} in the expression: `| {filter}`"),
            (true, true) => format!("make each {wanted} in the expression: `| map('{filter}')`"),
            (false, false) => {
                format!("write the group field by field, and make this one {wanted}: `| {filter}`")
            }
            (false, true) => format!(
                "write the group field by field, and make each of these {wanted}: `| map('{filter}')`"
            ),
        })
    }

    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.limit_in_schema();
        self.below = if self.below.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{}", self.below)
        };
        self
    }
}
