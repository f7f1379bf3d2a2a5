//! The forms of ISO 8601 that JSON Schema, XML Schema, .NET and browsers share.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::Offset,
};

use super::reader::{Form, Parts, ReadError, Reader};

/// A date and time, as written with or without an offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Written with `Z` or an offset: a point in time.
    Instant(Timestamp),
    /// Written without: what a calendar and a clock on the wall show, wherever that is.
    Civil(DateTime),
}

/// Reads a date such as `2026-11-01`.
///
/// # Errors
/// If the text is anything else; a date with a time or an offset, too.
pub fn parse_date(text: &str) -> Result<Date, ReadError> {
    whole(text, Form::Date, date)?.date()
}

/// Reads a time of day such as `12:30`, `12:30:00` or `12:30:00.1234567`, with up to nine decimals.
///
/// `24:00` and a 60th second are refused, as .NET refuses them.
///
/// # Errors
/// If the text is anything else.
pub fn parse_time(text: &str) -> Result<Time, ReadError> {
    whole(text, Form::Time, |reader, parts| time(reader, parts))?.time()
}

/// Reads a date and time such as `2026-11-01T12:30:00`, `2026-11-01T12:30:00.1234567Z` (.NET) or
/// `2026-11-01T12:30+01:00`.
///
/// # Errors
/// If the text is anything else; a date alone, too.
pub fn parse_date_time(text: &str) -> Result<Moment, ReadError> {
    let mut written = WrittenOffset::None;
    let parts = whole(text, Form::DateTime, |reader, parts| {
        date(reader, parts)?;
        reader.literal("T")?;
        time(reader, parts)?;
        written = offset(reader)?;
        Some(())
    })?;
    let civil = parts.date_time()?;
    let seconds = match written {
        WrittenOffset::None => return Ok(Moment::Civil(civil)),
        WrittenOffset::Utc => 0,
        WrittenOffset::Ahead {
            sign,
            hours,
            minutes,
        } => {
            let total = hours * 60 + minutes;
            if minutes > 59 || total > 14 * 60 {
                return Err(ReadError::NoSuchOffset);
            }
            sign * total * 60
        }
    };
    let offset = Offset::from_seconds(seconds).map_err(|_| ReadError::NoSuchOffset)?;
    let instant = offset.to_timestamp(civil);
    instant
        .map(Moment::Instant)
        .map_err(|_| ReadError::OutOfRange)
}

/// The parts that `read` reads, if it reads all of the text.
fn whole<'t>(
    text: &'t str,
    form: Form,
    read: impl FnOnce(&mut Reader<'t>, &mut Parts<'t>) -> Option<()>,
) -> Result<Parts<'t>, ReadError> {
    let mut reader = Reader(text);
    let mut parts = Parts::default();
    let is_read = read(&mut reader, &mut parts).is_some() && reader.is_at_end();
    is_read.then_some(parts).ok_or(ReadError::Form(form))
}

fn date(reader: &mut Reader<'_>, parts: &mut Parts<'_>) -> Option<()> {
    parts.year = reader.number(4, 4)?;
    reader.literal("-")?;
    parts.month = reader.number(2, 2)?;
    reader.literal("-")?;
    parts.day = reader.number(2, 2)?;
    Some(())
}

fn time<'t>(reader: &mut Reader<'t>, parts: &mut Parts<'t>) -> Option<()> {
    parts.hour = reader.number(2, 2)?;
    reader.literal(":")?;
    parts.minute = reader.number(2, 2)?;
    if reader.literal(":").is_some() {
        parts.second = reader.number(2, 2)?;
        if reader.literal(".").is_some() {
            parts.fraction = reader.digits(usize::MAX);
            return (!parts.fraction.is_empty()).then_some(());
        }
    }
    Some(())
}

/// An offset from UTC, as written.
enum WrittenOffset {
    None,
    Utc,
    Ahead { sign: i32, hours: i32, minutes: i32 },
}

fn offset(reader: &mut Reader<'_>) -> Option<WrittenOffset> {
    if reader.literal("Z").is_some() {
        return Some(WrittenOffset::Utc);
    }
    let sign = if reader.literal("+").is_some() {
        1
    } else if reader.literal("-").is_some() {
        -1
    } else {
        return Some(WrittenOffset::None);
    };
    let hours = reader.number(2, 2)?;
    reader.literal(":")?;
    let minutes = reader.number(2, 2)?;
    Some(WrittenOffset::Ahead {
        sign,
        hours,
        minutes,
    })
}
