//! Dates and times in the formats that .NET's `DateTime.Parse` accepts.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time},
    tz::Offset,
};

/// Parses `2026-08-20`, `2026-08-20T10:00[:00[.5]][Z|+02:00]`, or a time of day alone, whose date is then arbitrary.
/// A text without an offset is UTC.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return utc(date.to_datetime(Time::midnight()));
    }
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        let (time, _) = split_offset(text)?;
        return utc(DateTime::default()
            .with()
            .time(parse_time(time)?)
            .build()
            .ok()?);
    };
    let date: Date = (date.len() == 10).then(|| date.parse().ok()).flatten()?;
    let (time, offset_seconds) = split_offset(time)?;
    let moment = utc(date.to_datetime(parse_time(time)?))?;
    moment
        .checked_sub(SignedDuration::from_secs(offset_seconds))
        .ok()
}

fn utc(civil: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(civil).ok()
}

/// `HH:mm[:ss[.fffffff]]`.
fn parse_time(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let two_digits = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    let hour = two_digits(parts.next()?)?;
    let minute = two_digits(parts.next()?)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (second, fraction) = part.split_once('.').unwrap_or((part, "0"));
            if fraction.is_empty()
                || fraction.len() > 7
                || !fraction.bytes().all(|byte| byte.is_ascii_digit())
            {
                return None;
            }
            (
                two_digits(second)?,
                format!("{fraction:0<9}").parse::<i32>().ok()?,
            )
        }
    };
    if parts.next().is_some() {
        return None;
    }
    Time::new(hour, minute, second, fraction).ok()
}

/// The text before the offset, and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, 0));
    }
    let Some(index) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (time, offset) = text.split_at(index);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |part: &str| {
        (part.len() == 2)
            .then(|| part.parse::<i64>().ok())
            .flatten()
    };
    Some((time, sign * (number(hours)? * 3600 + number(minutes)? * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_formats_are_parsed() {
        let read = |text| parse(text).map(|at| at.to_string());
        assert_eq!(read("2026-08-20").as_deref(), Some("2026-08-20T00:00:00Z"));
        assert_eq!(
            read("2026-08-20T10:00:00Z").as_deref(),
            Some("2026-08-20T10:00:00Z")
        );
        assert_eq!(
            read("2026-08-20T10:00:00.5").as_deref(),
            Some("2026-08-20T10:00:00.5Z")
        );
        assert_eq!(
            read("2026-08-20T10:00:00+02:00").as_deref(),
            Some("2026-08-20T08:00:00Z")
        );
        assert!(read("00:00Z").is_some() && read("10:30").is_some());
    }

    #[test]
    fn what_dotnet_does_not_parse_is_not_parsed() {
        for text in [
            "",
            "45:00Z",
            "2026-13-01",
            "2026-08-20T10:00:00 02:00",
            "i dag",
            "2026-08-20T",
            "10",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
