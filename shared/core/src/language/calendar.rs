//! Dates and times: reading, writing, and the arithmetic of a form's author.
//!
//! A date lies in the years 1 to 9999, as in .NET. A text is read whole and strictly: what is not understood is refused,
//! and nothing of it is dropped.
//!
//! The day and the time of day of an instant are those of Norway. The rules of Norwegian time come with the program, so
//! neither the machine's time zone nor its files or environment matter.

mod iso;
mod norway;
mod pattern;
mod reader;

#[cfg(test)]
mod tests;

use jiff::{Span, civil::Date};
use thiserror::Error;

pub use self::{
    iso::{Moment, parse_date, parse_date_time, parse_time},
    norway::{norwegian_date_time, norwegian_day, norwegian_time},
    pattern::{FormatError, Kind, Pattern, PatternError, PatternProblem, Unit},
    reader::{Form, ReadError},
};

/// A date or an instant that is not within the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the result is not within the years 1 to 9999")]
pub struct OutOfRange;

/// Whether a date lies in the years 1 to 9999.
fn is_in_range(date: Date) -> bool {
    (1..=9999).contains(&date.year())
}

fn add(date: Date, span: Result<Span, jiff::Error>) -> Result<Date, OutOfRange> {
    span.and_then(|span| date.checked_add(span))
        .ok()
        .filter(|date| is_in_range(*date))
        .ok_or(OutOfRange)
}

/// The date so many days later, or earlier if `days` is negative.
///
/// # Errors
/// If the result is not within the years 1 to 9999.
pub fn add_days(date: Date, days: i64) -> Result<Date, OutOfRange> {
    add(date, Span::new().try_days(days))
}

/// The same day so many months later, or earlier if `months` is negative.
///
/// If that month is too short, the result is its last day: one month after 31 January is 28 or 29 February. .NET's
/// `AddMonths` does the same.
///
/// # Errors
/// If the result is not within the years 1 to 9999.
pub fn add_months(date: Date, months: i64) -> Result<Date, OutOfRange> {
    add(date, Span::new().try_months(months))
}

/// The same day so many years later, or earlier if `years` is negative; 28 February for 29 February in a year that is no
/// leap year, as in .NET's `AddYears`.
///
/// # Errors
/// If the result is not within the years 1 to 9999.
pub fn add_years(date: Date, years: i64) -> Result<Date, OutOfRange> {
    add(date, Span::new().try_years(years))
}

/// The days from one date to another: 1 from today to tomorrow, negative if `to` is earlier.
#[must_use]
pub fn days_between(from: Date, to: Date) -> i64 {
    i64::from((to - from).get_days())
}

/// The whole years from one date to another, negative if `to` is earlier: the age on the day `to` of somebody who was
/// born on the day `from`.
///
/// Somebody who was born on 29 February becomes a year older on 1 March if the year is no leap year.
#[must_use]
pub fn years_between(from: Date, to: Date) -> i64 {
    if to < from {
        return -years_between(to, from);
    }
    let years = i64::from(to.year()) - i64::from(from.year());
    let is_before_the_day = (to.month(), to.day()) < (from.month(), from.day());
    years - i64::from(is_before_the_day)
}
