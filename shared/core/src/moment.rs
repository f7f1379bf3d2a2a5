//! Days and moments that a person writes: read in full, or refused.
//!
//! jiff's parsers take more than they keep. `civil::Date` reads the day of `2026-11-01T23:30:00+01:00` and drops the
//! rest, and `Timestamp` reads a sixtieth second as the one before and drops what stands in brackets.

use jiff::{Timestamp, civil::Date};

/// The day that `text` is: `2026-11-01`, and nothing else.
#[must_use]
pub fn day(text: &str) -> Option<Date> {
    let is_day = has_shape(text, "0000-00-00");
    is_day.then(|| text.parse().ok()).flatten()
}

/// The moment that `text` is: `2026-11-01T12:30:00Z`, with an offset such as `+01:00` in place of the `Z`, and with up
/// to 9 decimals (RFC 3339, 5.6). Leap seconds, which no clock of AWS or Altinn shows, are refused.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    day(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix(['T', 't'])?;
    let (time, rest) = (rest.get(..8)?, rest.get(8..)?);
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(decimals) => {
            let offset = decimals.trim_start_matches(|c: char| c.is_ascii_digit());
            let count = decimals.len() - offset.len();
            (1..=9).contains(&count).then_some(offset)?
        }
    };
    let is_offset = match offset {
        "Z" | "z" => true,
        _ => offset
            .strip_prefix(['+', '-'])
            .is_some_and(|offset| has_shape(offset, "00:00") && *offset < *"24:00"),
    };
    let is_moment = has_shape(time, "00:00:00") && !time.ends_with("60") && is_offset;
    is_moment.then(|| text.parse().ok()).flatten()
}

/// Whether `text` has a digit wherever `shape` has a zero, and the same characters elsewhere.
pub(crate) fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(is, wanted): (u8, u8)| match wanted {
        b'0' => is.is_ascii_digit(),
        _ => is == wanted,
    };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use jiff::tz::{Offset, TimeZone};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_stands_alone() {
        assert_eq!(day("2026-11-01"), Some(jiff::civil::date(2026, 11, 1)));
        for text in [
            "2026-11-01T23:30:00",
            "2026-11-01T23:30:00+01:00",
            "2026-11-01 23:30",
            "2026-11-01[Europe/Oslo]",
            "2026-11-01 ",
            " 2026-11-01",
            "2026-11-31",
            "2026-11-1",
            "20261101",
            "+002026-11-01",
            "2026-W44-7",
            "",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_has_a_day_a_time_and_an_offset_and_nothing_else() {
        for (text, expected) in [
            ("2026-11-01T23:30:00Z", "2026-11-01T23:30:00Z"),
            ("2026-11-01t23:30:00z", "2026-11-01T23:30:00Z"),
            ("2026-11-01T00:30:00+01:00", "2026-10-31T23:30:00Z"),
            ("2026-11-01T23:30:00-00:00", "2026-11-01T23:30:00Z"),
            (
                "2026-11-01T23:30:00.123456789+23:59",
                "2026-10-31T23:31:00.123456789Z",
            ),
        ] {
            let found = parse(text).map(|moment| moment.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "2026-11-01",
            "2026-11-01T23:30:00",
            "2026-11-01T23:30Z",
            "2026-11-01T23Z",
            "2026-11-01 23:30:00Z",
            "20261101T233000Z",
            "2026-11-01T23:30:00Z[Europe/Oslo]",
            "2026-11-01T23:30:00+01:00[America/New_York]",
            "2026-11-01T23:30:00+01:00[u-ca=hebrew]",
            "2026-11-01T23:30:00+01",
            "2026-11-01T23:30:00+0100",
            "2026-11-01T23:30:00+01:00:30",
            "2026-11-01T23:30:00+24:00",
            "2026-11-01T23:30:00+01:60",
            "2026-11-01T24:00:00Z",
            "2016-12-31T23:59:60Z",
            "2026-11-01T23:30:00.Z",
            "2026-11-01T23:30:00,5Z",
            "2026-11-01T23:30:00.1234567891Z",
            "2026-11-01T23:30:00Z ",
            "2026-11-01T23:30:00Zulu",
            "2026-13-01T23:30:00Z",
            "2026-11-01T23:30:0æ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_all_that_was_written(
            second in -62_000_000_000_i64..253_000_000_000,
            nanosecond in 0..1_000_000_000_i32,
            offset in -1439..=1439_i32,
            tail in prop_oneof![Just(String::new()), "[ -~æ]{1,6}"],
        ) {
            let written = Timestamp::new(second, nanosecond).unwrap();
            let offset = Offset::from_seconds(offset * 60).unwrap();
            let text = written.display_with_offset(offset).to_string();
            prop_assert_eq!(parse(&text), Some(written));
            let date = written.to_zoned(TimeZone::fixed(offset)).date();
            prop_assert_eq!(day(&date.to_string()), Some(date));
            // With anything behind it, it is refused.
            if !tail.is_empty() {
                prop_assert_eq!(parse(&format!("{text}{tail}")), None);
                prop_assert_eq!(day(&format!("{date}{tail}")), None);
            }
        }

        #[test]
        fn no_text_breaks_it(text in "[0-9TtZz:.+ -]{0,30}|.{0,30}") {
            if let Some(moment) = parse(&text) {
                prop_assert_eq!(text.parse::<Timestamp>().ok(), Some(moment));
            }
        }
    }
}
