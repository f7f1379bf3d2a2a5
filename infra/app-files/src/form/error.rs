//! Why a document cannot be read as a form.

use thiserror::Error;

/// Why a document is not a form of this model.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormError {
    /// The app's own message, as in its response. It may contain a value of the form: see [`FormError::without_values`].
    #[error("There is an error in XML document ({line}, {column}). {reason}")]
    Xml {
        /// The 1-based line.
        line: usize,
        /// The 1-based column.
        column: usize,
        /// The message of .NET's XML reader.
        reason: String,
        /// Whether `reason` contains a value of the form.
        shows_value: bool,
    },
    /// The document is not JSON.
    #[error("not well-formed: JSON, line {line} column {column}")]
    Json {
        /// The 1-based line.
        line: usize,
        /// The 1-based column.
        column: usize,
    },
    /// The class cannot hold a value.
    #[error("{path}: {problem}")]
    Value {
        /// The path of the value.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl FormError {
    /// What is wrong with the document, without any value of the form; for everything but the app's own response.
    #[must_use]
    pub fn without_values(&self) -> String {
        match self {
            Self::Xml {
                line,
                column,
                shows_value: true,
                ..
            } => format!("line {line}, column {column}: a value that the model cannot hold"),
            _ => self.to_string(),
        }
    }
}
