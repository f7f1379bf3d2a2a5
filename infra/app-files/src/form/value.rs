//! The values of a form.

/// The values of a class's properties, in the order in which the class declares them.
pub(super) type Object = Vec<Value>;

/// A value. Numbers and dates are the text that .NET writes, with every digit.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// A string, a date, a value of an enumeration or a row id.
    Text(String),
    Number(String),
    Boolean(bool),
    List(Vec<Value>),
    Object(Object),
}
