//! Printing an error with its causes.

use std::{error::Error, fmt};

/// An error and its causes on one line: `cannot read the keys: connection refused`.
///
/// The text of our own errors says what was being done to what; [`Error::source`] gives the cause. So everything that
/// shows an error to a person or a log prints it through this, and each cause appears once.
#[derive(Debug, Clone, Copy)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the keys")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("connection refused"));
        assert_eq!(
            Causes(&error).to_string(),
            "cannot read the keys: connection refused"
        );
    }
}
