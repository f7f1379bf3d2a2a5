//! Parses single values from text, on the server's day.

use jiff::{Timestamp, tz::TimeZone};

use stafett_core::class::{Classes, Kind, Value};

/// Parses text as the generated code of `XmlSerializer` does. The error is .NET's message, which may contain the text.
pub(super) fn read(classes: &Classes, kind: Kind, text: &str) -> Result<Value, String> {
    // Only a text without a day takes the server's.
    let today = (kind == Kind::DateTime).then(|| Timestamp::now().to_zoned(TimeZone::UTC).date());
    classes.read(kind, text, today)
}
