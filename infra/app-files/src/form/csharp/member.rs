//! A property of a class, as its C# declares it.

use stafett_core::class::Place;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) is_nullable: bool,
    pub(super) is_list: bool,
    pub(super) place: Place,
    pub(super) xml: Option<String>,
    pub(super) json: Option<String>,
    pub(super) order: Option<i64>,
    pub(super) data_type: Option<String>,
    /// Whether the attribute says `IsNullable = true`.
    pub(super) is_nillable: bool,
    /// The literal that the property is initialised with.
    pub(super) initial: Option<String>,
}
