//! Patterns such as `dd.MM.yyyy`, by which dates and times are read and written.

use std::{
    fmt::{self, Write as _},
    ops::Range,
};

use jiff::civil::{Date, DateTime, Time};
use thiserror::Error;

use super::{
    is_in_range,
    reader::{Form, Parts, ReadError, Reader},
};

/// The months in bokmål and nynorsk.
const MONTHS: [&str; 12] = [
    "januar",
    "februar",
    "mars",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "desember",
];

/// The letters of [`Part`]s.
const PARTS: &str = "yMdHms";

/// How dates and times are written, such as `dd.MM.yyyy`, `d. MMMM yyyy` or `HH:mm`.
///
/// | part | is | reads |
/// |---|---|---|
/// | `yyyy` | the year | four digits |
/// | `yy` | the last two digits of the year | two digits, see [`Self::with_years_from`] |
/// | `MM` | the month | two digits |
/// | `M` | the month, without a leading zero | one or two digits |
/// | `MMMM` | the month's Norwegian name, such as `november` | in upper or lower case |
/// | `dd` | the day of the month | two digits |
/// | `d` | the day of the month, without a leading zero | one or two digits |
/// | `HH` | the hour, 0 to 23 | two digits |
/// | `H` | the hour, without a leading zero | one or two digits |
/// | `mm` | the minute | two digits |
/// | `ss` | the second | two digits |
///
/// These letters mean the same in .NET and in Java. Spaces and the characters `.`, `,`, `-`, `/` and `:` stand for
/// themselves. All else stands between apostrophes, as in `d. MMMM 'kl.' HH:mm`; two apostrophes are one. A part occurs
/// once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    items: Vec<Item>,
    /// The first of the hundred years that `yy` stands for.
    years_from: Option<i16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Part(Part),
    Literal(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    ShortMonth,
    MonthName,
    Day,
    ShortDay,
    Hour,
    ShortHour,
    Minute,
    Second,
}

impl Part {
    fn new(letters: &str) -> Option<Self> {
        Some(match letters {
            "yyyy" => Self::Year,
            "yy" => Self::ShortYear,
            "MM" => Self::Month,
            "M" => Self::ShortMonth,
            "MMMM" => Self::MonthName,
            "dd" => Self::Day,
            "d" => Self::ShortDay,
            "HH" => Self::Hour,
            "H" => Self::ShortHour,
            "mm" => Self::Minute,
            "ss" => Self::Second,
            _ => return None,
        })
    }

    /// What the author of unknown letters probably meant.
    fn meant(letters: &str) -> Option<&'static str> {
        Some(match letters {
            "y" | "yyy" | "Y" | "YYY" | "YYYY" | "u" | "uuuu" | "åååå" | "ÅÅÅÅ" => "yyyy",
            "YY" | "uu" | "åå" | "ÅÅ" => "yy",
            "MMM" | "LLL" | "LLLL" => "MMMM",
            "D" => "d",
            "DD" => "dd",
            "h" => "H",
            "hh" => "HH",
            "m" => "mm",
            "s" | "S" | "SS" => "ss",
            _ => return None,
        })
    }

    fn unit(self) -> Unit {
        match self {
            Self::Year | Self::ShortYear => Unit::Year,
            Self::Month | Self::ShortMonth | Self::MonthName => Unit::Month,
            Self::Day | Self::ShortDay => Unit::Day,
            Self::Hour | Self::ShortHour => Unit::Hour,
            Self::Minute => Unit::Minute,
            Self::Second => Unit::Second,
        }
    }

    /// Whether it is written with one or two digits.
    fn is_short_number(self) -> bool {
        matches!(self, Self::ShortMonth | Self::ShortDay | Self::ShortHour)
    }
}

/// A unit of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// The year.
    Year,
    /// The month.
    Month,
    /// The day of the month.
    Day,
    /// The hour.
    Hour,
    /// The minute.
    Minute,
    /// The second.
    Second,
}

impl Unit {
    const DATE: [Self; 3] = [Self::Year, Self::Month, Self::Day];
    const TIME: [Self; 3] = [Self::Hour, Self::Minute, Self::Second];
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        })
    }
}

/// What can be read by a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A date and time without an offset.
    DateTime,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "a date",
            Self::Time => "a time of day",
            Self::DateTime => "a date and time",
        })
    }
}

/// What is wrong with a pattern, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct PatternError {
    /// The wrong part, as a byte range of the pattern.
    pub at: Range<usize>,
    /// What is wrong with it.
    pub problem: PatternProblem,
}

/// What is wrong with a part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternProblem {
    /// Letters that are not in the table of [`Pattern`].
    #[error("`{letters}` is no part of a date or time{}", hint(letters, *.meant))]
    UnknownLetters {
        /// The letters, as written.
        letters: String,
        /// The part that was probably meant.
        meant: Option<&'static str>,
    },
    /// A character that stands for itself only between apostrophes.
    #[error("`{0}` must stand between apostrophes")]
    Unquoted(char),
    /// An apostrophe that nothing closes.
    #[error("the apostrophe is never closed")]
    Open,
    /// There is no part of a date or time.
    #[error("the pattern shows nothing of a date or time; `dd.MM.yyyy` is an example")]
    Empty,
    /// A second part of this unit.
    #[error(
        "`{letters}` is the {unit}, which the pattern already has{}",
        confusion(letters)
    )]
    Repeated {
        /// The letters, as written.
        letters: String,
        /// The unit that occurs twice.
        unit: Unit,
    },
    /// One or two digits, directly followed by more digits.
    #[error(
        "nobody could tell where `{letters}` ends, because digits follow; write `{letters}{letters}`"
    )]
    Endless {
        /// The letters, as written.
        letters: String,
    },
    /// A part of the time without the larger one.
    #[error(
        "`{letters}` is the {unit}, but the pattern has no {missing}{}",
        confusion(letters)
    )]
    Lonely {
        /// The letters, as written.
        letters: String,
        /// What they stand for.
        unit: Unit,
        /// The unit that they need.
        missing: Unit,
    },
}

fn hint(letters: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("; write `{meant}`"),
        None => format!("; a text stands between apostrophes: `'{letters}'`"),
    }
}

fn confusion(letters: &str) -> &'static str {
    match letters {
        "mm" => "; the month is `MM`",
        "MM" => "; the minute is `mm`",
        _ => "",
    }
}

/// Why a value cannot be written by a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The pattern shows a time of day, and the value is a date.
    #[error("the pattern shows a time of day, which a date does not have")]
    NoTime,
    /// The pattern shows a date, and the value is a time of day.
    #[error("the pattern shows a date, which a time of day does not have")]
    NoDate,
    /// The date is not within the years 1 to 9999.
    #[error("the date is not within the years 1 to 9999")]
    OutOfRange,
}

/// A part of a pattern, and where it stands.
struct Found<'p> {
    part: Part,
    letters: &'p str,
    at: Range<usize>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If the pattern has letters that are not in the table above, or makes no sense. The error quotes the pattern, which
    /// a route's author wrote.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let mut items: Vec<Item> = Vec::new();
        let mut found: Vec<Found<'_>> = Vec::new();
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let start = source.len() - rest.len();
            let (token, after) = token(rest, first).map_err(|(length, problem)| PatternError {
                at: start..start + length,
                problem,
            })?;
            let at = start..source.len() - after.len();
            let letters = source.get(at.clone()).unwrap_or_default();
            rest = after;
            let starts_with_digit = match &token {
                Item::Part(part) => *part != Part::MonthName,
                Item::Literal(literal) => literal.starts_with(|c: char| c.is_ascii_digit()),
            };
            if starts_with_digit
                && let Some(Item::Part(before)) = items.last()
                && before.is_short_number()
                && let Some(last) = found.last()
            {
                return Err(last.is(PatternProblem::Endless {
                    letters: last.letters.to_owned(),
                }));
            }
            match (token, items.last_mut()) {
                (Item::Literal(literal), Some(Item::Literal(last))) => last.push_str(&literal),
                (Item::Literal(literal), _) => items.push(Item::Literal(literal)),
                (Item::Part(part), _) => {
                    found.push(Found { part, letters, at });
                    items.push(Item::Part(part));
                }
            }
        }
        check(source, &found)?;
        Ok(Self {
            source: source.to_owned(),
            items,
            years_from: None,
        })
    }

    /// The same pattern, where `yy` is read as one of the hundred years from this one on: from 1930, `26` is 2026, and
    /// `30` is 1930. Without this, `yy` can be written, but not read, because it does not say its century.
    ///
    /// Returns `None` if the hundred years do not lie in the years 1 to 9999.
    #[must_use]
    pub fn with_years_from(self, first: i16) -> Option<Self> {
        (1..=9900).contains(&first).then_some(Self {
            years_from: Some(first),
            ..self
        })
    }

    /// The pattern, as its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The most characters of what it writes.
    #[must_use]
    pub fn longest(&self) -> u64 {
        let of = |item: &Item| match item {
            Item::Part(Part::Year) => 4,
            // `september`
            Item::Part(Part::MonthName) => 9,
            Item::Part(_) => 2,
            Item::Literal(text) => text.chars().count() as u64,
        };
        self.items.iter().map(of).sum()
    }

    /// Whether it has any part of a date, so that it cannot write a time of day.
    #[must_use]
    pub fn shows_date(&self) -> bool {
        Unit::DATE.into_iter().any(|unit| self.shows(unit))
    }

    /// Whether it has any part of a time of day, so that it cannot write a date.
    #[must_use]
    pub fn shows_time(&self) -> bool {
        Unit::TIME.into_iter().any(|unit| self.shows(unit))
    }

    /// What can be read by the pattern; `None` if it holds too little, and can only write.
    ///
    /// A date needs year, month and day; a time of day hour and minute, its second is 0 if the pattern has none.
    #[must_use]
    pub fn reads(&self) -> Option<Kind> {
        let has_year = !self.has(Part::ShortYear) || self.years_from.is_some();
        let is_date = has_year && Unit::DATE.into_iter().all(|unit| self.shows(unit));
        let is_time = self.shows(Unit::Hour) && self.shows(Unit::Minute);
        match (is_date, is_time) {
            (true, false) if !self.shows_time() => Some(Kind::Date),
            (false, true) if !self.shows_date() => Some(Kind::Time),
            (true, true) => Some(Kind::DateTime),
            _ => None,
        }
    }

    /// Reads a date.
    ///
    /// # Errors
    /// If the pattern does not read a [`Kind::Date`], or the text is not wholly as the pattern says.
    pub fn parse_date(&self, text: &str) -> Result<Date, ReadError> {
        self.parse(text, Kind::Date)?.date()
    }

    /// Reads a time of day.
    ///
    /// # Errors
    /// If the pattern does not read a [`Kind::Time`], or the text is not wholly as the pattern says.
    pub fn parse_time(&self, text: &str) -> Result<Time, ReadError> {
        self.parse(text, Kind::Time)?.time()
    }

    /// Reads a date and time.
    ///
    /// # Errors
    /// If the pattern does not read a [`Kind::DateTime`], or the text is not wholly as the pattern says.
    pub fn parse_date_time(&self, text: &str) -> Result<DateTime, ReadError> {
        self.parse(text, Kind::DateTime)?.date_time()
    }

    /// Writes a date.
    ///
    /// # Errors
    /// If the pattern shows a time of day, or the date is not within the years 1 to 9999.
    pub fn format_date(&self, date: Date) -> Result<String, FormatError> {
        self.format(Some(date), None)
    }

    /// Writes a time of day.
    ///
    /// # Errors
    /// If the pattern shows a date.
    pub fn format_time(&self, time: Time) -> Result<String, FormatError> {
        self.format(None, Some(time))
    }

    /// Writes a date and time, or as much of it as the pattern shows.
    ///
    /// # Errors
    /// If the date is not within the years 1 to 9999.
    pub fn format_date_time(&self, date_time: DateTime) -> Result<String, FormatError> {
        self.format(Some(date_time.date()), Some(date_time.time()))
    }

    fn has(&self, part: Part) -> bool {
        self.items.contains(&Item::Part(part))
    }

    fn shows(&self, unit: Unit) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item, Item::Part(part) if part.unit() == unit))
    }

    fn parse(&self, text: &str, wanted: Kind) -> Result<Parts<'static>, ReadError> {
        if self.reads() != Some(wanted) {
            return Err(ReadError::Pattern {
                pattern: self.source.clone(),
                wanted,
            });
        }
        let mut reader = Reader(text);
        let mut parts = Parts::default();
        let is_read = self
            .items
            .iter()
            .all(|item| self.read(item, &mut reader, &mut parts).is_some());
        (is_read && reader.is_at_end())
            .then_some(parts)
            .ok_or_else(|| ReadError::Form(Form::Pattern(self.source.clone())))
    }

    fn read(&self, item: &Item, reader: &mut Reader<'_>, parts: &mut Parts<'_>) -> Option<()> {
        let part = match item {
            Item::Literal(literal) => return reader.literal(literal),
            Item::Part(part) => *part,
        };
        match part {
            Part::Year => parts.year = reader.number(4, 4)?,
            Part::ShortYear => {
                let first = self.years_from?;
                let year: i16 = reader.number(2, 2)?;
                parts.year = first + (year - first).rem_euclid(100);
            }
            Part::MonthName => {
                let index = reader.word(&MONTHS)?;
                parts.month = i8::try_from(index + 1).ok()?;
            }
            Part::Month => parts.month = reader.number(2, 2)?,
            Part::ShortMonth => parts.month = reader.number(1, 2)?,
            Part::Day => parts.day = reader.number(2, 2)?,
            Part::ShortDay => parts.day = reader.number(1, 2)?,
            Part::Hour => parts.hour = reader.number(2, 2)?,
            Part::ShortHour => parts.hour = reader.number(1, 2)?,
            Part::Minute => parts.minute = reader.number(2, 2)?,
            Part::Second => parts.second = reader.number(2, 2)?,
        }
        Some(())
    }

    fn format(&self, date: Option<Date>, time: Option<Time>) -> Result<String, FormatError> {
        if date.is_some_and(|date| !is_in_range(date)) {
            return Err(FormatError::OutOfRange);
        }
        let mut text = String::new();
        for item in &self.items {
            let part = match item {
                Item::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Item::Part(part) => *part,
            };
            let date = date.ok_or(FormatError::NoDate);
            let time = time.ok_or(FormatError::NoTime);
            let (number, width) = match part {
                Part::MonthName => {
                    let month = usize::try_from(date?.month()).unwrap_or_default();
                    text.push_str(
                        MONTHS
                            .get(month.wrapping_sub(1))
                            .copied()
                            .unwrap_or_default(),
                    );
                    continue;
                }
                Part::Year => (date?.year(), 4),
                Part::ShortYear => (date?.year().rem_euclid(100), 2),
                Part::Month => (date?.month().into(), 2),
                Part::ShortMonth => (date?.month().into(), 1),
                Part::Day => (date?.day().into(), 2),
                Part::ShortDay => (date?.day().into(), 1),
                Part::Hour => (time?.hour().into(), 2),
                Part::ShortHour => (time?.hour().into(), 1),
                Part::Minute => (time?.minute().into(), 2),
                Part::Second => (time?.second().into(), 2),
            };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{number:0width$}");
        }
        Ok(text)
    }
}

impl Found<'_> {
    fn is(&self, problem: PatternProblem) -> PatternError {
        PatternError {
            at: self.at.clone(),
            problem,
        }
    }
}

/// The part or literal at the start of `rest`, and what follows it; or the length of what is wrong.
fn token(rest: &str, first: char) -> Result<(Item, &str), (usize, PatternProblem)> {
    if let Some(quoted) = rest.strip_prefix('\'') {
        return quotation(quoted).ok_or((rest.len(), PatternProblem::Open));
    }
    let until = |end: &dyn Fn(char) -> bool| {
        let length = rest.find(end).unwrap_or(rest.len());
        rest.split_at_checked(length).unwrap_or((rest, ""))
    };
    if !first.is_alphabetic() {
        return match first {
            ' ' | '\u{a0}' | '.' | ',' | '-' | '/' | ':' => {
                let (_, after) = rest
                    .split_at_checked(first.len_utf8())
                    .unwrap_or((rest, ""));
                Ok((Item::Literal(first.into()), after))
            }
            _ => Err((first.len_utf8(), PatternProblem::Unquoted(first))),
        };
    }
    let (letters, after) = until(&|c| c != first);
    if let Some(part) = Part::new(letters) {
        return Ok((Item::Part(part), after));
    }
    let meant = Part::meant(letters);
    let letters = match meant {
        Some(_) => letters,
        // A word such as `kl`.
        None if PARTS.contains(first) => letters,
        None => until(&|c| !c.is_alphabetic() || PARTS.contains(c)).0,
    };
    Err((
        letters.len(),
        PatternProblem::UnknownLetters {
            letters: letters.to_owned(),
            meant,
        },
    ))
}

/// The text up to the closing apostrophe, and what follows that. Two apostrophes are one, as in Java.
fn quotation(quoted: &str) -> Option<(Item, &str)> {
    let (text, mut after) = quoted.split_once('\'')?;
    let mut text = text.to_owned();
    if text.is_empty() {
        return Some((Item::Literal("'".to_owned()), after));
    }
    while let Some(more) = after.strip_prefix('\'') {
        let (next, rest) = more.split_once('\'')?;
        text.push('\'');
        text.push_str(next);
        after = rest;
    }
    Some((Item::Literal(text), after))
}

/// Checks that the parts of a pattern make sense together.
fn check(source: &str, found: &[Found<'_>]) -> Result<(), PatternError> {
    if found.is_empty() {
        return Err(PatternError {
            at: 0..source.len(),
            problem: PatternProblem::Empty,
        });
    }
    let has = |unit| found.iter().any(|part| part.part.unit() == unit);
    for (index, part) in found.iter().enumerate() {
        let unit = part.part.unit();
        let letters = || part.letters.to_owned();
        if found
            .iter()
            .take(index)
            .any(|earlier| earlier.part.unit() == unit)
        {
            return Err(part.is(PatternProblem::Repeated {
                letters: letters(),
                unit,
            }));
        }
        let needed = match unit {
            Unit::Minute => Some(Unit::Hour),
            Unit::Second => Some(Unit::Minute),
            // `HH:MM` and `dd.mm HH`, in which month and minute are confused.
            Unit::Month if has(Unit::Hour) => Some(Unit::Day),
            Unit::Day if has(Unit::Hour) => Some(Unit::Month),
            _ => None,
        };
        if let Some(missing) = needed.filter(|needed| !has(*needed)) {
            return Err(part.is(PatternProblem::Lonely {
                letters: letters(),
                unit,
                missing,
            }));
        }
    }
    Ok(())
}
