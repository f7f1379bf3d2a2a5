//! Errors in route files.

use std::{fmt, ops::Range, path::PathBuf};

use thiserror::Error;

use crate::{
    language::{SyntaxProblem, Unknown},
    schema::SchemaError,
};

/// An error in a route file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct RouteError {
    /// The file.
    pub file: PathBuf,
    /// The 1-based line and column, if known.
    pub at: Option<(u64, u64)>,
    /// The field, as a dotted path, if known.
    pub field: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
    /// The kind of mistake.
    pub mistake: Mistake,
    /// The byte range of the problem in the file, if known; more exact than [`Self::at`].
    pub range: Option<Range<usize>>,
    /// What was probably meant in place of [`Self::range`].
    pub suggestion: Option<String>,
}

/// The kinds of mistakes in a route file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// The file cannot be read.
    Unreadable,
    /// The file has too many bytes, levels or aliases.
    TooLarge,
    /// The file is not UTF-8.
    NotText,
    /// The directory cannot be read, or has no route file.
    NoRoutes,
    /// The file is not YAML.
    Syntax(YamlMistake),
    /// This key is repeated in a group.
    DuplicateKey(String),
    /// A key is unknown in its group.
    UnknownKey(Words),
    /// A required key is missing.
    MissingKey(String),
    /// A value is of the wrong type, for example a text instead of a group.
    WrongKind(Expected),
    /// A value is not one of the allowed ones.
    InvalidValue(Words),
    /// Two fields exclude each other, or one lacks the other that it requires.
    Contradiction,
    /// Another route has the same name.
    NameReused,
    /// Another route completes the same app's instances.
    CompletedTwice,
    /// The JSON schema in this file cannot be used. The file is named as in the route.
    Schema(String, Box<SchemaError>),
    /// A key of `model` is not the name of an XML element.
    ElementName,
    /// `model` contains a list.
    List,
    /// An expression is missing, for example in a field of `model`.
    NoExpression,
    /// A value has this YAML tag, which would make another value of it.
    Tag(String),
    /// `$each` is at the top level of `model`.
    MisplacedEach,
    /// The value of `each` or `$each` is not of the form `name in list`.
    EachForm,
    /// A new name already has a meaning.
    NameTaken(String),
    /// An expression cannot be parsed.
    ExpressionSyntax,
    /// An expression is too long.
    ExpressionTooLong,
    /// An expression has an unknown name.
    UnknownName(Words),
    /// An expression has an unknown filter.
    UnknownFilter(Words),
    /// An expression has an unknown test.
    UnknownTest(Words),
    /// An expression has `data` without a data type.
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
    /// A whole number.
    Number,
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
            Self::Number => "must be a whole number from 1 to 1000",
            Self::Expression => "must be an expression, such as \"'310075728'\"",
        }
    }
}

/// A word that is not allowed, with the words that are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The word; empty if the value is not a word.
    pub word: String,
    /// The allowed words; empty if they cannot be listed.
    pub allowed: Vec<String>,
}

impl Words {
    /// `word`, which is none of `allowed`.
    #[must_use]
    pub fn new(word: &str, allowed: &[&str]) -> Self {
        Self {
            word: word.to_owned(),
            allowed: allowed.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

impl From<Unknown> for Words {
    fn from(unknown: Unknown) -> Self {
        Self {
            word: unknown.word,
            allowed: unknown.known,
        }
    }
}

impl From<SyntaxProblem> for Mistake {
    fn from(problem: SyntaxProblem) -> Self {
        match problem {
            SyntaxProblem::Syntax => Self::ExpressionSyntax,
            SyntaxProblem::TooLong => Self::ExpressionTooLong,
            SyntaxProblem::UnknownName(unknown) => Self::UnknownName((*unknown).into()),
            SyntaxProblem::UnknownFilter(unknown) => Self::UnknownFilter((*unknown).into()),
            SyntaxProblem::UnknownTest(unknown) => Self::UnknownTest((*unknown).into()),
            SyntaxProblem::DataWithoutType => Self::DataWithoutType,
            SyntaxProblem::EachForm => Self::EachForm,
            SyntaxProblem::NameTaken(name) => Self::NameTaken(name),
        }
    }
}

impl Mistake {
    /// A stable code for the kind.
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
            Self::Tag(_) => "tag",
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
    /// An error in this file at an unknown position.
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
            suggestion: None,
        }
    }

    /// The error of a value with this tag in this file.
    pub(super) fn tagged(file: impl Into<PathBuf>, tag: &str) -> Self {
        let problem = format!("a value must not have the tag `{tag}`");
        let negated = tag.strip_prefix('!').filter(|rest| rest.contains('.'));
        let help = match negated {
            Some(rest) => format!("where `!` means not, write `not {rest}`"),
            None => "a value is read as it is written: leave the tag out".to_owned(),
        };
        Self::new(file, Mistake::Tag(tag.to_owned()), problem).help(help)
    }

    /// Adds what is allowed, or what to do.
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

/// All errors in a directory of routes. Displayed with one line for each.
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
