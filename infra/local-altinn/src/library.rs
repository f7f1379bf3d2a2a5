//! Versions of app-lib, and the behaviour that depends on them.

use std::fmt;

/// The version of app-lib on which an app runs. The app's responses depend on it (measured, tests/recorded/older and tests/recorded/v9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Library {
    /// The default version.
    pub const TODAY: Self = Self::new(8, 12, 7);
    /// The next generation, in which a workflow engine runs the processes (9.0.0-preview).
    pub const NEXT: Self = Self::new(9, 0, 0);

    /// Tasks have actions, and `GET …/process` lists all tasks.
    pub(crate) const HAS_ACTIONS: Self = Self::new(8, 0, 0);
    /// Missing things and forbidden actions get problem details. In older versions, they cause an exception.
    pub(crate) const NAMES_PROBLEMS: Self = Self::new(8, 5, 0);
    /// Refused forms get problem details, and the app cleans up after the failed creation.
    pub(crate) const REFUSES_FORMS: Self = Self::new(8, 5, 0);
    /// A creation writes data values and presentation texts.
    pub(crate) const WRITES_VALUES: Self = Self::new(8, 5, 0);
    /// `maxCount` is checked when an element is added.
    pub(crate) const COUNTS_ELEMENTS: Self = Self::new(8, 5, 0);
    /// The response to a creation contains the owner's party.
    pub(crate) const RETURNS_PARTY: Self = Self::new(8, 6, 0);
    /// The parts of a creation are stored concurrently, not one after the other.
    pub(crate) const STORES_CONCURRENTLY: Self = Self::new(8, 6, 0);
    /// A creation checks who may contribute to a data type.
    pub(crate) const CHECKS_CONTRIBUTORS: Self = Self::new(8, 11, 4);
    /// The app cleans up after exceptions, too, and a failed clean-up does not hide the first error.
    pub(crate) const CLEANS_UP_AFTER_EXCEPTIONS: Self = Self::new(8, 12, 3);

    /// The version `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Whether a workflow engine runs the app's processes.
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
