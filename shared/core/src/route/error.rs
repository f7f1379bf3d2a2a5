//! What is wrong with route files, and where.

use std::{fmt, ops::Range, path::PathBuf};

use thiserror::Error;

use crate::schema::SchemaError;

/// What is wrong with a route file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct RouteError {
    /// The file.
    pub file: PathBuf,
    /// 1-based line and column, where known.
    pub at: Option<(u64, u64)>,
    /// The field, dotted, where known.
    pub field: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
    /// Which kind of mistake it is.
    pub mistake: Mistake,
    /// The bytes of the file that the problem is about, where known; more exact than [`Self::at`].
    pub range: Option<Range<usize>>,
}

/// The kinds of mistakes in a route file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// The file cannot be read.
    Unreadable,
    /// More bytes, levels or aliases than a route has.
    TooLarge,
    /// The file is not UTF-8.
    NotText,
    /// The directory cannot be read, or has no route file.
    NoRoutes,
    /// Not YAML.
    Syntax(YamlMistake),
    /// This key stands twice in one group.
    DuplicateKey(String),
    /// A key that does not exist there.
    UnknownKey(Words),
    /// A key that must be there is not.
    MissingKey(String),
    /// A text where a group is needed, or the like.
    WrongKind(Expected),
    /// A value that is none of the allowed.
    InvalidValue(Words),
    /// Two fields that exclude each other, or one without the other that it needs.
    Contradiction,
    /// The route's name is another route's.
    NameReused,
    /// Another route completes the same app's instances.
    CompletedTwice,
    /// The JSON schema in this file, which the route names so, cannot be used.
    Schema(String, Box<SchemaError>),
    /// A key of `model` that is no name of an XML element.
    ElementName,
    /// A list in `model`.
    List,
    /// A field of `model` without an expression.
    NoExpression,
    /// `$each` beside the fields of `model`.
    MisplacedEach,
    /// Not `name in list`.
    EachForm,
    /// A name that has a meaning already.
    NameTaken(String),
    /// An expression that does not parse.
    ExpressionSyntax,
    /// An expression that is too long.
    ExpressionTooLong,
    /// A name in an expression that means nothing there.
    UnknownName(Words),
    /// A filter that does not exist.
    UnknownFilter(Words),
    /// A test that does not exist.
    UnknownTest(Words),
    /// `data` without a data type.
    DataWithoutType,
}

/// What keeps a text from being YAML, as far as it can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YamlMistake {
    /// Nothing is in the file.
    Empty,
    /// More than one document is in the file.
    SeveralDocuments,
    /// `*name` refers to an anchor that does not exist.
    UnknownAnchor,
    /// Something follows a quoted text on its line.
    AfterQuote,
    /// A quote is not closed.
    OpenQuote,
    /// A brace is not closed.
    OpenBrace,
    /// A bracket is not closed.
    OpenBracket,
    /// Indented by a tab.
    Tab,
    /// `: ` in a text without quotes.
    Colon,
    /// Something is missing before the place that is named.
    Incomplete,
    /// Anything else.
    Other,
}

/// What kind of value is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// `name: value` each.
    Group,
    /// A list.
    List,
    /// A text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// An expression.
    Expression,
}

impl Expected {
    /// What is wrong where it is not there.
    #[must_use]
    pub(super) fn problem(self) -> &'static str {
        match self {
            Self::Group => "must be a group, `name: value` each",
            Self::List => "must be a list",
            Self::Text => "must be a text",
            Self::Boolean => "must be `true` or `false`",
            Self::Expression => "must be an expression, such as \"'310075728'\"",
        }
    }
}

/// A word that is none of the allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The word; empty where it is not one.
    pub word: String,
    /// What is allowed; empty where that cannot be listed.
    pub allowed: Vec<String>,
}

impl Words {
    /// `word`, where one of `allowed` should be.
    #[must_use]
    pub fn new(word: &str, allowed: &[&str]) -> Self {
        Self {
            word: word.to_owned(),
            allowed: allowed.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

impl Mistake {
    /// A stable word for the kind.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too-large",
            Self::NotText => "not-utf-8",
            Self::NoRoutes => "no-routes",
            Self::Syntax(_) => "syntax",
            Self::DuplicateKey(_) => "duplicate-key",
            Self::UnknownKey(_) => "unknown-key",
            Self::MissingKey(_) => "missing-key",
            Self::WrongKind(_) => "wrong-kind",
            Self::InvalidValue(_) => "invalid-value",
            Self::Contradiction => "contradiction",
            Self::NameReused => "name-reused",
            Self::CompletedTwice => "completed-twice",
            Self::Schema(..) => "schema",
            Self::ElementName => "element-name",
            Self::List => "list-in-model",
            Self::NoExpression => "no-expression",
            Self::MisplacedEach => "misplaced-each",
            Self::EachForm => "each-form",
            Self::NameTaken(_) => "name-taken",
            Self::ExpressionSyntax => "expression-syntax",
            Self::ExpressionTooLong => "expression-too-long",
            Self::UnknownName(_) => "unknown-name",
            Self::UnknownFilter(_) => "unknown-filter",
            Self::UnknownTest(_) => "unknown-test",
            Self::DataWithoutType => "data-without-type",
        }
    }
}

impl RouteError {
    /// A mistake of this kind in this file, place unknown.
    pub(super) fn new(
        file: impl Into<PathBuf>,
        mistake: Mistake,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            at: None,
            field: None,
            problem: problem.into(),
            help: None,
            mistake,
            range: None,
        }
    }

    /// With what is allowed, or what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.help {
            Some(help) => write!(f, ": {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a directory of routes, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct RouteErrors(pub Vec<RouteError>);

impl fmt::Display for RouteErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}
