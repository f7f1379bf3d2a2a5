//! Norwegian time.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

// The rules are compiled in, so that a draft depends on the route and A's data alone. A database of all zones would be
// 300 kB larger.
static NORWAY: TimeZone = jiff::tz::get!("Europe/Oslo");

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
