//! How the lists that are read show an A instance.

/// What a page of A instances is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    /// The instances that changed.
    Changes,
    /// The unconfirmed instances, read from the beginning of the list: an instance stays on it until its relay is
    /// finished, even if its message was lost.
    Unconfirmed,
    /// A whole list whose older instances were shown before, as changes. A young instance on it is left alone: its
    /// trigger is on its way.
    Whole,
    /// A list whose instances another list has shown, and counted, before.
    Repeated,
}
