//! Reading one variable of the environment, and what is said where it is missing or malformed.

use std::{fmt, str::FromStr, time::Duration};

use reqwest::Url;
use thiserror::Error;

/// A setting that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingError {
    /// Not set, and without a default.
    #[error("{variable} is not set; set it to {what}, for example {variable}={example}")]
    Missing {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        what: &'static str,
        /// A valid value.
        example: &'static str,
    },
    /// Set to something other than what it must be.
    #[error("{variable} is not {what}; a valid value is {example}")]
    Malformed {
        /// The environment variable.
        variable: &'static str,
        /// What it must be.
        what: &'static str,
        /// A valid value.
        example: &'static str,
    },
}

/// The variables that settings are read from: those of this process, or a map in tests and on one machine.
pub struct Environment<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// One variable: its name, what it holds, and a valid example.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) example: &'static str,
}

impl Variable {
    fn missing(&self) -> SettingError {
        SettingError::Missing {
            variable: self.name,
            what: self.what,
            example: self.example,
        }
    }

    pub(super) fn malformed(&self) -> SettingError {
        SettingError::Malformed {
            variable: self.name,
            what: self.what,
            example: self.example,
        }
    }
}

impl<'a> Environment<'a> {
    /// The environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// An environment in which `lookup` gives the value of a variable by its name.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self(Box::new(lookup))
    }

    /// The variable's value. An empty value counts as not set, since CloudFormation cannot leave a variable out.
    pub(super) fn optional(&self, variable: &Variable) -> Option<String> {
        (self.0)(variable.name).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, variable: &Variable) -> Result<String, SettingError> {
        self.optional(variable).ok_or_else(|| variable.missing())
    }

    pub(super) fn parsed<T: FromStr>(&self, variable: &Variable) -> Result<T, SettingError> {
        self.required(variable)?
            .parse()
            .map_err(|_| variable.malformed())
    }

    pub(super) fn base_url(&self, variable: &Variable) -> Result<Url, SettingError> {
        let text = self.required(variable)?;
        parse_base_url(&text).ok_or_else(|| variable.malformed())
    }

    pub(super) fn seconds(
        &self,
        variable: &Variable,
        default: Duration,
    ) -> Result<Duration, SettingError> {
        match self.optional(variable) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map(Duration::from_secs)
                .map_err(|_| variable.malformed()),
        }
    }
}

/// An absolute URL without a query, over TLS or to this machine.
pub(super) fn parse_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && local);
    (allowed && url.query().is_none() && url.fragment().is_none()).then_some(url)
}
