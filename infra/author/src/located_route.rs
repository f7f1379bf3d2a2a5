//! A route with the file that it stands in.

use std::path::Path;

use stafett_core::route::Route;

use crate::places::Places;

/// A route with its file and the places of its fields there.
#[derive(Debug, Clone, Copy)]
pub struct LocatedRoute<'a> {
    /// The route.
    pub route: &'a Route,
    /// Its file.
    pub file: &'a Path,
    /// Where its fields stand in the file.
    pub places: &'a Places,
}
