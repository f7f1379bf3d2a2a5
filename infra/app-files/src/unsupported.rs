//! What an app's files ask for and a local Altinn cannot do.

use std::path::PathBuf;

/// Something in an app's files that only Altinn itself can do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsupported {
    /// The file.
    pub file: PathBuf,
    /// What is not supported, in one line.
    pub what: String,
}
