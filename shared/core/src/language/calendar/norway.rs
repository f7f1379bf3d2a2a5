//! Norwegian time.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use thiserror::Error;

// The rules are compiled in, so that a draft depends on the route and A's data alone. A database of all zones would be
// 300 kB larger.
static NORWAY: TimeZone = jiff::tz::get!("Europe/Oslo");

/// Why a Norwegian date and time is no instant. It never quotes the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockChange {
    /// The clock was put forward past this time: from 02:00 to 03:00 in March.
    #[error("the clock was put forward past this time of day")]
    Skipped,
    /// The clock was put back, so that this time occurs twice: between 02:00 and 03:00 in October.
    #[error("the clock was put back, so that this time of day occurs twice")]
    Repeated,
    /// The instant is beyond what can be represented: about the year 9999.
    #[error("the instant is out of range")]
    OutOfRange,
}

/// The day in Norway at an instant. `2026-10-31T23:30:00Z` is 1 November.
///
/// Before 1970, the tz database has Berlin's rules for Norway, so that some summers are an hour off.
#[must_use]
pub fn norwegian_day(instant: Timestamp) -> Date {
    norwegian_date_time(instant).date()
}

/// The time of day in Norway at an instant. See [`norwegian_day`].
#[must_use]
pub fn norwegian_time(instant: Timestamp) -> Time {
    norwegian_date_time(instant).time()
}

/// The date and time in Norway at an instant. See [`norwegian_day`].
#[must_use]
pub fn norwegian_date_time(instant: Timestamp) -> DateTime {
    NORWAY.to_datetime(instant)
}

/// The instant at which clocks in Norway show this date and time.
///
/// # Errors
/// If they show it never or twice, because the clock is changed, or if the instant is out of range.
pub fn norwegian_instant(civil: DateTime) -> Result<Timestamp, ClockChange> {
    let ambiguous = NORWAY.to_ambiguous_timestamp(civil);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => offset
            .to_timestamp(civil)
            .map_err(|_| ClockChange::OutOfRange),
        AmbiguousOffset::Gap { .. } => Err(ClockChange::Skipped),
        AmbiguousOffset::Fold { .. } => Err(ClockChange::Repeated),
    }
}
