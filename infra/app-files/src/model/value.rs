//! What a form holds.

/// The values of a class's properties, in the order in which the class declares them.
pub(super) type Object = Vec<Value>;

/// A value; numbers and dates in the text that .NET writes, to the last digit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// A string, a date, an enumeration's value or a row id.
    Text(String),
    Number(String),
    Boolean(bool),
    List(Vec<Value>),
    Object(Object),
}
