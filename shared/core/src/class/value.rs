//! The values of a form.

/// The values of a class's properties, in the order in which the class declares them.
pub type Object = Vec<Value>;

/// A value. Numbers and dates are the text that .NET writes, with every digit.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, or nothing.
    Null,
    /// A string, a date, a value of an enumeration or a row id.
    Text(String),
    /// A number.
    Number(String),
    /// True or false.
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
    /// An object of a class.
    Object(Object),
}
