//! Parses and writes dates and times as .NET does (dotnet/runtime: src/libraries/System.Private.Xml/src/System/Xml/Schema/XsdDateTime.cs).

use jiff::{
    SignedDuration,
    civil::{Date, DateTime},
};

/// .NET's ticks in a second.
const TICKS_PER_SECOND: i32 = 10_000_000;

/// The time zone in a text.
enum Zone {
    None,
    Utc,
    /// Seconds east of UTC.
    Offset(i64),
}

/// The parsed parts of a date and time.
struct Parsed {
    /// `None` means today.
    date: Option<Date>,
    /// Hour, minute, second, ticks.
    time: (i8, i8, i8, i32),
    zone: Zone,
}

/// As `XmlConvert.ToDateTime` with `RoundtripKind`, then `XmlConvert.ToString`. The server's time zone is assumed to
/// be UTC. Without `today`, what has no year of its own is refused.
pub(super) fn date_time(text: &str, today: Option<Date>) -> Option<String> {
    let given = parse(text, today)?;
    let date = given.date.or(today)?;
    let (hour, minute, second, ticks) = given.time;
    let seconds = date.at(hour, minute, second, 0);
    let carried = SignedDuration::from_nanos(i64::from(ticks) * 100);
    let local = seconds.checked_add(carried).ok()?;
    Some(match given.zone {
        Zone::None => format(local),
        Zone::Utc => format(local) + "Z",
        Zone::Offset(seconds) => {
            let utc = local.checked_sub(SignedDuration::from_secs(seconds)).ok()?;
            format(utc) + "+00:00"
        }
    })
}

/// As `DateTime.ParseExact` for `DataType = "date"`: a date, with surrounding white space allowed.
pub(super) fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let (date, rest) = date_of(text)?;
    rest.is_empty().then(|| date.to_string())
}

fn format(time: DateTime) -> String {
    let ticks = time.subsec_nanosecond() / 100;
    let fraction = format!(".{ticks:07}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn parse(text: &str, today: Option<Date>) -> Option<Parsed> {
    const MIDNIGHT: (i8, i8, i8, i32) = (0, 0, 0, 0);
    // The year of a month and day without a year; a lone day or month is in the current year.
    const LEAP_YEAR: i16 = 1904;
    let text = text.trim_start();
    let on = |date: Date, rest: &str| {
        zone_of(rest).map(|zone| Parsed {
            date: Some(date),
            time: MIDNIGHT,
            zone,
        })
    };
    let first = |year: i16, month: i8, day: i8| Date::new(year, month, day).ok();
    let dated = || {
        let (date, rest) = date_of(text)?;
        let timed = rest.strip_prefix('T').and_then(time_of);
        match timed {
            Some((time, zone)) => Some(Parsed {
                date: Some(date),
                time,
                zone,
            }),
            None => on(date, rest),
        }
    };
    let timed = || {
        let (time, zone) = time_of(text)?;
        Some(Parsed {
            date: None,
            time,
            zone,
        })
    };
    let year = || {
        let (year, rest) = digits(text, 4).filter(|(year, _)| *year >= 1)?;
        let month = || {
            let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
            on(first(year, i8::try_from(month).ok()?, 1)?, rest)
        };
        month().or_else(|| on(first(year, 1, 1)?, rest))
    };
    let this_year = || today.map(Date::year);
    let month = || {
        let (month, rest) = digits(text.strip_prefix("--")?, 2)?;
        let month = i8::try_from(month).ok()?;
        let day = || {
            let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
            on(first(LEAP_YEAR, month, i8::try_from(day).ok()?)?, rest)
        };
        day()
            .or_else(|| on(first(this_year()?, month, 1)?, rest))
            .or_else(|| on(first(this_year()?, month, 1)?, rest.strip_prefix("--")?))
    };
    let day = || {
        let (day, rest) = digits(text.strip_prefix("---")?, 2)?;
        on(first(this_year()?, 1, i8::try_from(day).ok()?)?, rest)
    };
    dated()
        .or_else(timed)
        .or_else(year)
        .or_else(month)
        .or_else(day)
}

/// Parses `count` digits at the start.
fn digits(text: &str, count: usize) -> Option<(i16, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| all)?, rest))
}

/// Parses `yyyy-MM-dd` at the start.
fn date_of(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = digits(text, 4).filter(|(year, _)| *year >= 1)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 2)?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Some((date.ok()?, rest))
}

/// Parses a time and its zone, up to the end of the text. Seconds are rounded to seven decimals, half to even.
fn time_of(text: &str) -> Option<((i8, i8, i8, i32), Zone)> {
    let below = |(value, rest), most| (value < most).then_some((value, rest));
    let (hour, rest) = below(digits(text, 2)?, 24)?;
    let (minute, rest) = below(digits(rest.strip_prefix(':')?, 2)?, 60)?;
    let (second, mut rest) = below(digits(rest.strip_prefix(':')?, 2)?, 60)?;
    let mut ticks = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(fraction.len());
        let (decimals, after) = fraction.split_at(end);
        let (kept, beyond) = decimals.split_at(decimals.len().min(7));
        ticks = format!("{kept:0<7}").parse::<i32>().ok()?;
        let rounds_up = match beyond.as_bytes() {
            [] | [b'0'..=b'4', ..] => false,
            [b'5', rest @ ..] if rest.iter().all(|digit| *digit == b'0') => ticks % 2 == 1,
            _ => true,
        };
        if decimals.is_empty() {
            return None;
        }
        ticks = (ticks + i32::from(rounds_up)).min(TICKS_PER_SECOND);
        rest = after;
    }
    let part = |value: i16| i8::try_from(value).ok();
    Some((
        (part(hour)?, part(minute)?, part(second)?, ticks),
        zone_of(rest)?,
    ))
}

/// Parses an optional zone and white space, up to the end of the text.
fn zone_of(text: &str) -> Option<Zone> {
    let ends = |rest: &str| rest.trim().is_empty();
    if ends(text) {
        return Some(Zone::None);
    }
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return ends(rest).then_some(Zone::Utc);
    }
    let east = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(text.get(1..)?, 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(':')?, 2)?;
    let seconds = (i64::from(hours) * 60 + i64::from(minutes)) * 60;
    ends(rest).then_some(Zone::Offset(east * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_a_second_are_rounded_to_seven_and_may_carry() {
        let cases = [
            ("2026-01-02T10:11:12.10", "2026-01-02T10:11:12.1"),
            ("2026-12-31T23:59:59.99999999", "2027-01-01T00:00:00"),
            ("2026-01-02T10:11:12.00000005Z", "2026-01-02T10:11:12Z"),
            ("2026-01-02T00:30:00-01:00", "2026-01-02T01:30:00+00:00"),
            ("--02-29", "1904-02-29T00:00:00"),
        ];
        for (text, expected) in cases {
            assert_eq!(date_time(text, None).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "2026-01-02T10:11:12.",
            "9999-12-31T23:59:59.99999999",
            "2026-01-02T10:11",
        ] {
            assert_eq!(date_time(text, None), None, "{text}");
        }
    }
}
