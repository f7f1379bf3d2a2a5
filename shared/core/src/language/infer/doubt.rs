//! What may go wrong when an expression is evaluated.

use std::ops::Range;

use crate::language::{error::Problem, syntax::Path};

/// Something that may go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where in the expression's text, in bytes.
    pub place: Range<usize>,
    /// Whether it goes wrong whenever the piece is evaluated; where nothing may stand in the piece's place, whenever it has a
    /// value.
    pub is_certain: bool,
    /// What.
    pub kind: DoubtKind,
}

/// What may go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DoubtKind {
    /// A group has no such field.
    NoField {
        /// The group.
        of: Option<Path>,
        /// The group's text, where it is no path.
        piece: String,
        /// The field.
        name: String,
        /// The fields that there are.
        known: Vec<String>,
    },
    /// What has fields is no group.
    NoGroup {
        /// The piece.
        piece: String,
        /// What it is, in words.
        is: String,
        /// Whether it is a list, whose items have fields.
        is_list: bool,
        /// The field.
        name: String,
    },
    /// A piece is needed, and may be empty.
    Empty {
        /// The piece.
        piece: String,
    },
    /// A piece cannot be used as it is.
    Unsuitable {
        /// The piece.
        piece: String,
        /// Why.
        problem: Problem,
    },
    /// The day is cut out of the text of a moment, which is written by UTC.
    DayByUtc {
        /// The moment.
        piece: String,
        /// Whether it always has an offset; a form's value may have none, and is no UTC then.
        has_offset: bool,
    },
    /// Two values that are never the same are compared.
    NeverEqual {
        /// What the left one is, in words.
        left: String,
        /// What the right one is, in words.
        right: String,
    },
}
