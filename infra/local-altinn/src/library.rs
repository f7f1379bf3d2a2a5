//! The version of app-lib on which an app runs.

use std::fmt;

/// A version of app-lib: what an app answers depends on it (measured, tests/recorded/older and tests/recorded/v9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Library {
    /// The version on which apps run where nothing else is said.
    pub const TODAY: Self = Self::new(8, 12, 7);
    /// The next generation, whose processes a workflow engine runs (9.0.0-preview).
    pub const NEXT: Self = Self::new(9, 0, 0);

    /// A process has actions, and tells of all its tasks.
    pub(crate) const HAS_ACTIONS: Self = Self::new(8, 0, 0);
    /// What is not there, or not allowed, is named, where it was an exception before.
    pub(crate) const NAMES_PROBLEMS: Self = Self::new(8, 5, 0);
    /// Forms that are refused get problem details, and the app cleans up after them.
    pub(crate) const REFUSES_FORMS: Self = Self::new(8, 5, 0);
    /// Data values and presentation texts are written at creation.
    pub(crate) const WRITES_VALUES: Self = Self::new(8, 5, 0);
    /// `maxCount` is heeded when an element is added.
    pub(crate) const COUNTS_ELEMENTS: Self = Self::new(8, 5, 0);
    /// The answer to a creation has the owner's party.
    pub(crate) const ANSWERS_PARTY: Self = Self::new(8, 6, 0);
    /// The parts of a creation are stored side by side, not one after the other.
    pub(crate) const STORES_SIDE_BY_SIDE: Self = Self::new(8, 6, 0);
    /// A creation checks who may contribute to a data type.
    pub(crate) const CHECKS_CONTRIBUTORS: Self = Self::new(8, 11, 4);
    /// A refused clean-up does not hide the first error, and the app cleans up after exceptions, too.
    pub(crate) const CLEANS_UP_AFTER_ALL: Self = Self::new(8, 12, 3);

    /// The version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Whether a workflow engine runs the processes.
    pub(crate) fn has_engine(self) -> bool {
        self >= Self::NEXT
    }
}

impl Default for Library {
    fn default() -> Self {
        Self::TODAY
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
