//! The clock of the functions.
//!
//! In Lambda it is the system's. A host program that runs the functions in its own process may give them another clock,
//! to let a night pass in a moment.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

/// A clock. Cloning it is cheap; clones show the same time.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows the time that `read` returns. It must not run backwards by more than the clocks of different
    /// machines differ.
    #[must_use]
    pub fn reading(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(read)))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(read) => read(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
