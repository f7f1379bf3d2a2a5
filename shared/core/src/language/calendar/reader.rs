//! Reading a text from left to right, and the parts of a date and time.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use thiserror::Error;

use super::{Kind, is_in_range};

/// Why a text is not read as a date or time. It never quotes the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The text is written in another way.
    #[error("the text is not written as {0}")]
    Form(Form),
    /// Such as 30 February.
    #[error("the text names a day that does not exist")]
    NoSuchDay,
    /// Such as 24:00, or a 60th second.
    #[error("the text names a time of day that does not exist")]
    NoSuchTime,
    /// The offset from UTC is larger than 14 hours, .NET's and XML Schema's limit.
    #[error("the text names an offset from UTC that does not exist")]
    NoSuchOffset,
    /// The seconds have more than nine decimals.
    #[error("the text has more than nine decimals of a second")]
    TooFine,
    /// The instant is beyond what can be represented: about the year 9999, by UTC.
    #[error("the text names an instant that is out of range")]
    OutOfRange,
    /// The pattern does not hold what is asked for: all of it, and nothing else.
    #[error("the pattern `{pattern}` does not give {wanted}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What was asked for.
        wanted: Kind,
    },
}

/// The way in which a text should be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// An ISO date.
    Date,
    /// An ISO time of day.
    Time,
    /// An ISO date and time.
    DateTime,
    /// This pattern of a route's author.
    Pattern(String),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date => f.write_str("a date such as 2026-11-01"),
            Self::Time => f.write_str("a time of day such as 12:30 or 12:30:00"),
            Self::DateTime => f.write_str(
                "a date and time such as 2026-11-01T12:30:00 or 2026-11-01T12:30:00+01:00",
            ),
            Self::Pattern(pattern) => write!(f, "`{pattern}`"),
        }
    }
}

/// The part of a text that is yet to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t>(pub(super) &'t str);

impl<'t> Reader<'t> {
    pub(super) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    /// Reads this literal.
    pub(super) fn literal(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// Reads as many ASCII digits as there are, up to `most`.
    pub(super) fn digits(&mut self, most: usize) -> &'t str {
        let count = self.0.bytes().take(most);
        let count = count.take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(count).unwrap_or(("", self.0));
        self.0 = rest;
        digits
    }

    /// Reads a number with `least` to `most` digits.
    pub(super) fn number<N: std::str::FromStr>(&mut self, least: usize, most: usize) -> Option<N> {
        let digits = self.digits(most);
        (digits.len() >= least).then(|| digits.parse().ok())?
    }

    /// Reads the first of these words that is there, in any case of ASCII, and returns its index.
    pub(super) fn word(&mut self, words: &[&str]) -> Option<usize> {
        words.iter().position(|word| {
            let Some((start, rest)) = self.0.split_at_checked(word.len()) else {
                return false;
            };
            let is_there = start.eq_ignore_ascii_case(word);
            if is_there {
                self.0 = rest;
            }
            is_there
        })
    }
}

/// The parts of a date and time, as read; zero where the text has none.
#[derive(Default)]
pub(super) struct Parts<'t> {
    pub(super) year: i16,
    pub(super) month: i8,
    pub(super) day: i8,
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    /// The decimals of the second.
    pub(super) fraction: &'t str,
}

impl Parts<'_> {
    pub(super) fn date(&self) -> Result<Date, ReadError> {
        Date::new(self.year, self.month, self.day)
            .ok()
            .filter(|date| is_in_range(*date))
            .ok_or(ReadError::NoSuchDay)
    }

    pub(super) fn time(&self) -> Result<Time, ReadError> {
        let missing = 9usize
            .checked_sub(self.fraction.len())
            .ok_or(ReadError::TooFine)?;
        let zeros = std::iter::repeat_n(b'0', missing);
        let nanoseconds = self.fraction.bytes().chain(zeros);
        let nanoseconds = nanoseconds.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'));
        Time::new(self.hour, self.minute, self.second, nanoseconds)
            .map_err(|_| ReadError::NoSuchTime)
    }

    pub(super) fn date_time(&self) -> Result<DateTime, ReadError> {
        Ok(self.date()?.to_datetime(self.time()?))
    }
}
