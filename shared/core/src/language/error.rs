//! What is wrong with an expression: its text, or what it meets in A's data.

use std::ops::Range;

use thiserror::Error;

use super::{calendar::PatternProblem, number::LiteralProblem};

/// An expression that cannot be used, found when the route is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}{}", help.as_ref().map(|help| format!(": {help}")).unwrap_or_default())]
pub struct SyntaxError {
    /// What is wrong.
    pub problem: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
    /// Where in the expression's text, in bytes.
    pub range: Option<Range<usize>>,
    /// Which kind of mistake it is.
    pub kind: SyntaxProblem,
}

/// The kinds of mistakes in the text of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxProblem {
    /// The text is not an expression.
    Syntax,
    /// The expression is too long or too deeply nested.
    TooLong,
    /// A name that means nothing here, and those that do.
    UnknownName(Box<Unknown>),
    /// A filter that does not exist, and those that do.
    UnknownFilter(Box<Unknown>),
    /// A test that does not exist, and those that do.
    UnknownTest(Box<Unknown>),
    /// `data` without a data type.
    DataWithoutType,
    /// `name in list` is needed, and something else is there.
    EachForm,
    /// The name of an item has another meaning already.
    NameTaken(String),
}

/// A word that means nothing, and the words that are known in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The word.
    pub word: String,
    /// The known words.
    pub known: Vec<String>,
}

impl SyntaxError {
    pub(super) fn new(
        kind: SyntaxProblem,
        problem: impl Into<String>,
        help: Option<String>,
        range: Range<usize>,
    ) -> Self {
        Self {
            problem: problem.into(),
            help,
            range: Some(range),
            kind,
        }
    }

    pub(super) fn syntax(
        problem: impl Into<String>,
        help: impl Into<String>,
        range: Range<usize>,
    ) -> Self {
        Self::new(SyntaxProblem::Syntax, problem, Some(help.into()), range)
    }

    /// A number that is none, written as `text`.
    pub(super) fn number(text: &str, problem: LiteralProblem, range: Range<usize>) -> Self {
        let help = match problem {
            LiteralProblem::LeadingZero | LiteralProblem::Form => {
                format!("a text stands in quotes: '{text}'")
            }
            LiteralProblem::Digits => {
                format!("a number has 28 digits at most, and a text stands in quotes: '{text}'")
            }
        };
        Self::syntax(format!("`{text}` {problem}"), help, range)
    }

    pub(super) fn escape(range: Range<usize>) -> Self {
        Self::syntax(
            "unknown escape in a text",
            r"the escapes are \\, \', \n, \r, \t and \u with four digits; write `\\` for a backslash",
            range,
        )
    }

    pub(super) fn open_text(range: Range<usize>) -> Self {
        Self::syntax(
            "the quote that opens here has no end",
            "a text ends with the quote with which it begins",
            range,
        )
    }
}

/// An expression that gave no value for this A instance. Names paths and pieces of the expression, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A value is needed, and there is none.
    #[error("`{piece}` is empty in A's data: say what then with `| default(…)`")]
    Empty {
        /// The piece of the expression that is empty: mostly a path.
        piece: String,
        /// Where it stands in the expression's text, in bytes.
        place: Range<usize>,
    },
    /// A piece of the expression gives a value that cannot be used as it is.
    #[error("`{piece}` {problem}")]
    Unsuitable {
        /// The piece.
        piece: String,
        /// Where it stands in the expression's text, in bytes.
        place: Range<usize>,
        /// What is wrong with its value.
        problem: Problem,
    },
    /// The expression used more than its steps.
    #[error("`{0}` takes too many steps: make the expression simpler")]
    TooMuchWork(String),
}

impl EvaluationError {
    /// Where in the expression's text the piece stands that gives no value; `None` for the whole.
    #[must_use]
    pub fn place(&self) -> Option<Range<usize>> {
        match self {
            Self::Empty { place, .. } | Self::Unsuitable { place, .. } => Some(place.clone()),
            Self::TooMuchWork(_) => None,
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is of another type.
    #[error("is {is}, and {wanted} is needed{}", way_out(is, wanted))]
    Type {
        /// The type that it is of, in words.
        is: &'static str,
        /// The type that is needed, in words.
        wanted: &'static str,
    },
    /// A text that is not a number.
    #[error(
        "is no number: only digits, `-` and `.` make one (`| norwegian_number` reads `1 234,50`)"
    )]
    NoNumber,
    /// A text that is not a number as it is written in Norway.
    #[error("is no number as it is written in Norway, such as `1 234,50`")]
    NoNorwegianNumber,
    /// A number with more digits than a decimal has.
    #[error("does not fit into a decimal: 28 digits at most")]
    DoesNotFit,
    /// A quotient that never ends.
    #[error("is a quotient with more digits than a decimal has: round it, such as `| round(2)`")]
    NotRounded,
    /// Division by zero.
    #[error("is zero, and nothing can be divided by zero")]
    Zero,
    /// A number that must be whole.
    #[error("is no whole number")]
    NotWhole,
    /// A number that is out of range.
    #[error("is too large here")]
    TooLarge,
    /// A text that is not a date.
    #[error(
        "is no date such as `2026-11-01` (`| date('dd.MM.yyyy')` reads another form, `| norwegian_day` the day of a date and time)"
    )]
    NoDate,
    /// A text that is not a moment.
    #[error("is no date and time with an offset such as `2026-11-01T12:30:00Z`")]
    NoDateTime,
    /// A text that is not a time of day.
    #[error("is no time of day such as `12:30`")]
    NoTime,
    /// A text that is not written as a pattern says.
    #[error("is not written as the pattern says")]
    NotInPattern,
    /// A pattern that does not exist.
    #[error("is no pattern: see the page of the language for those that are")]
    NoPattern,
    /// What is wrong with a pattern of the route file.
    #[error("is no pattern: {0}")]
    Pattern(PatternProblem),
    /// A value for which a pattern has no place.
    #[error("has no place in the pattern: each `%s`, `%d` or `%.2f` takes one value")]
    NoPlace,
    /// A way to round that does not exist.
    #[error("is no way to round: these are `'common'`, `'even'`, `'ceil'` and `'floor'`")]
    RoundingMethod,
    /// An item of a list is of another type.
    #[error(
        "has an item that is {is}, and {wanted} is needed{}",
        way_out_of_item(is, wanted)
    )]
    Item {
        /// The type that it is of, in words.
        is: &'static str,
        /// The type that is needed, in words.
        wanted: &'static str,
    },
    /// A pattern that asks for what a value does not have.
    #[error("has no part that the pattern asks for")]
    PatternUnfit,
    /// A date that the calendar does not have.
    #[error("leads to a date that the calendar does not have")]
    NoSuchDate,
    /// A code that a table does not have.
    #[error(
        "is none of the codes in the table: name it there, or say what then: `translate({{…}}, 'other')`"
    )]
    UnknownCode,
    /// Texts and other things in one list cannot be put into an order.
    #[error(
        "has items that cannot be put into an order: all texts, all numbers or all dates are needed"
    )]
    NoOrder,
}

/// The way out of a wrong type, where there is one for all cases.
fn way_out(is: &str, wanted: &str) -> &'static str {
    match (is, wanted) {
        ("a list", "a text") => {
            ": `| join(', ')` joins its items, `| join(', ', 'name')` a field of each"
        }
        ("true or false", "a text") => ": `'ja' if … else 'nei'`",
        ("a group of fields", "a text") => ": name one of its fields",
        ("a text", "a number") => {
            ": `| number` reads 1234.50, `| norwegian_number` 1 234,50, and `~` joins texts"
        }
        ("a text", "a list or a group") => ": a part of a text is `[:1]`",
        _ => "",
    }
}

/// The way out of an item of a wrong type, where there is one for all cases.
fn way_out_of_item(is: &str, wanted: &str) -> &'static str {
    match (is, wanted) {
        ("a group of fields", "a text") => ": `| join(', ', 'name')` joins a field of each",
        ("a group of fields", "a number") => ": `| sum('name')` adds a field of each",
        ("a text", "a number") => ": `| map('number')` before it reads each as a number",
        _ => "",
    }
}
