use jiff::{
    Timestamp, ToSpan, Unit as JiffUnit,
    civil::{DateTime, Time, date, time},
    fmt::strtime,
};
use proptest::prelude::*;

use super::*;

/// Any date of the years 1 to 9999.
fn dates() -> impl Strategy<Value = Date> {
    (0..=3_652_058_i64).prop_map(|days| add_days(date(1, 1, 1), days).unwrap())
}

/// Any time of day, often a whole second.
fn times() -> impl Strategy<Value = Time> {
    let decimals = prop_oneof![Just(0), 0..1_000_000_000];
    (0..24_i8, 0..60_i8, 0..60_i8, decimals)
        .prop_map(|(hour, minute, second, nanosecond)| time(hour, minute, second, nanosecond))
}

fn date_times() -> impl Strategy<Value = DateTime> {
    (dates(), times()).prop_map(|(date, time)| date.to_datetime(time))
}

/// Any instant that jiff knows.
fn instants() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn pattern(source: &str) -> Pattern {
    Pattern::new(source).unwrap()
}

// ISO texts.

#[test]
fn iso_texts_are_read() {
    assert_eq!(parse_date("2026-11-01"), Ok(date(2026, 11, 1)));
    assert_eq!(parse_time("12:30"), Ok(time(12, 30, 0, 0)));
    assert_eq!(parse_time("12:30:05"), Ok(time(12, 30, 5, 0)));
    assert_eq!(parse_time("12:30:05.123"), Ok(time(12, 30, 5, 123_000_000)));
    let civil = date(2026, 11, 1).at(12, 30, 0, 0);
    assert_eq!(
        parse_date_time("2026-11-01T12:30"),
        Ok(Moment::Civil(civil))
    );
    for (text, utc) in [
        (
            "2026-11-01T12:30:00.1234567Z",
            "2026-11-01T12:30:00.1234567Z",
        ),
        ("2026-11-01T00:30:00+01:00", "2026-10-31T23:30:00Z"),
        ("2026-11-01T12:30-05:30", "2026-11-01T18:00:00Z"),
        ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(parse_date_time(text), Ok(Moment::Instant(instant(utc))));
    }
}

#[test]
fn a_text_that_is_not_wholly_iso_is_refused() {
    use ReadError::{NoSuchDay, NoSuchOffset, NoSuchTime, OutOfRange, TooFine};
    for text in [
        "",
        " 2026-11-01",
        "2026-11-01 ",
        "2026-11-01\n",
        "2026-11-1",
        "20261101",
        "+2026-11-01",
        "12026-11-01",
        "2026-11-01Z",
        "2026-11-01T12:30",
        "2026-W44-7",
        "01.11.2026",
        "２０２６-11-01",
    ] {
        assert_eq!(parse_date(text), Err(ReadError::Form(Form::Date)), "{text}");
    }
    for text in [
        "",
        "12",
        "1230",
        "12.30",
        "12:3",
        "12:30:",
        "12:30:00.",
        "12:30:00,5",
        "12:30.5",
        "T12:30",
        "12:30Z",
        "12:30 PM",
        "kl. 12:30",
    ] {
        assert_eq!(parse_time(text), Err(ReadError::Form(Form::Time)), "{text}");
    }
    for text in [
        "2026-11-01",
        "2026-11-01 12:30",
        "2026-11-01t12:30",
        "2026-11-01T12:30z",
        "2026-11-01T12:30+01",
        "2026-11-01T12:30+0100",
        "2026-11-01T12:30+-01:00",
        "2026-11-01T12:30+01:00[Europe/Oslo]",
        "2026-11-01T12:30ZZ",
    ] {
        let refused = Err(ReadError::Form(Form::DateTime));
        assert_eq!(parse_date_time(text), refused, "{text}");
    }
    for text in [
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-04-31",
        "0000-01-01",
    ] {
        assert_eq!(parse_date(text), Err(NoSuchDay), "{text}");
    }
    for text in ["24:00", "12:60", "23:59:60"] {
        assert_eq!(parse_time(text), Err(NoSuchTime), "{text}");
    }
    assert_eq!(parse_time("12:30:00.1234567890"), Err(TooFine));
    for text in ["2026-11-01T12:30+14:01", "2026-11-01T12:30+01:60"] {
        assert_eq!(parse_date_time(text), Err(NoSuchOffset), "{text}");
    }
    let last = parse_date_time("9999-12-31T23:59:59.9999999Z");
    assert_eq!(last, Err(OutOfRange));
}

proptest! {
    /// jiff reads more forms, but writes only one.
    #[test]
    fn a_text_is_a_date_if_jiff_would_write_it_so(text in "[0-9]{3,5}-[01][0-9]-[0-3][0-9]") {
        let by_jiff = text.parse::<Date>().ok();
        let by_jiff = by_jiff.filter(|date| date.to_string() == text && date.year() > 0);
        prop_assert_eq!(parse_date(&text).ok(), by_jiff);
    }

    #[test]
    fn what_jiff_writes_is_read(date_time in date_times(), hours in -14..=14_i8) {
        prop_assert_eq!(parse_date(&date_time.date().to_string()), Ok(date_time.date()));
        prop_assert_eq!(parse_time(&date_time.time().to_string()), Ok(date_time.time()));
        let text = date_time.to_string();
        prop_assert_eq!(parse_date_time(&text), Ok(Moment::Civil(date_time)));
        if let Ok(instant) = jiff::tz::offset(hours).to_timestamp(date_time) {
            let text = format!("{text}{hours:+03}:00");
            prop_assert_eq!(parse_date_time(&text), Ok(Moment::Instant(instant)));
        }
    }

    #[test]
    fn nothing_that_stands_around_a_text_is_dropped(
        date_time in date_times(),
        rubbish in "[^0-9.]|[0-9]{3}",
    ) {
        let text = date_time.to_string();
        for text in [format!("{rubbish}{text}"), format!("{text}{rubbish}")] {
            let is_read = match parse_date_time(&text) {
                Ok(Moment::Civil(read)) => read.to_string() == text || text.ends_with('0'),
                Ok(Moment::Instant(_)) => text.ends_with('Z'),
                Err(_) => true,
            };
            prop_assert!(is_read, "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = (parse_date(&text), parse_time(&text), parse_date_time(&text));
        if let Ok(pattern) = Pattern::new(&text) {
            let _ = pattern.format_date_time(date(2026, 11, 1).at(12, 30, 0, 0));
            let _ = (pattern.parse_date(&text), pattern.parse_time(&text));
        }
    }
}

// Norwegian time.

#[test]
fn half_past_midnight_in_norway_is_the_day_before_by_utc() {
    let instant = instant("2026-10-31T23:30:00Z");
    assert_eq!(norwegian_day(instant), date(2026, 11, 1));
    assert_eq!(norwegian_time(instant), time(0, 30, 0, 0));
}

#[test]
fn the_clock_is_changed_in_march_and_october() {
    for (utc, shown) in [
        ("2026-03-29T00:59:59Z", date(2026, 3, 29).at(1, 59, 59, 0)),
        ("2026-03-29T01:00:00Z", date(2026, 3, 29).at(3, 0, 0, 0)),
        ("2026-10-25T00:59:59Z", date(2026, 10, 25).at(2, 59, 59, 0)),
        ("2026-10-25T01:00:00Z", date(2026, 10, 25).at(2, 0, 0, 0)),
    ] {
        assert_eq!(norwegian_date_time(instant(utc)), shown, "{utc}");
    }
}

/// The last Sunday of a month, by trial.
fn last_sunday(year: i16, month: i8) -> Date {
    let mut day = date(year, month, 31);
    while day.weekday() != jiff::civil::Weekday::Sunday {
        day = day.yesterday().unwrap();
    }
    day
}

proptest! {
    /// Directive 2000/84/EC: summer time lasts from the last Sunday of March to that of October, at 01:00 UTC.
    #[test]
    fn norway_is_one_hour_ahead_of_utc_and_two_in_summer(second in 852_076_800_i64..4_102_444_800) {
        let instant = Timestamp::from_second(second).unwrap();
        let utc = jiff::tz::Offset::UTC.to_datetime(instant);
        let start = last_sunday(utc.year(), 3).at(1, 0, 0, 0);
        let end = last_sunday(utc.year(), 10).at(1, 0, 0, 0);
        let hours = if start <= utc && utc < end { 2 } else { 1 };
        prop_assert_eq!(norwegian_date_time(instant), utc + hours.hours());
    }

    #[test]
    fn every_instant_has_a_day_and_a_time_in_norway(instant in instants()) {
        let shown = norwegian_date_time(instant);
        let parts = norwegian_day(instant).to_datetime(norwegian_time(instant));
        prop_assert_eq!(shown, parts);
    }
}

// Patterns.

#[test]
fn patterns_write_dates_and_times() {
    let value = date(2026, 11, 1).at(9, 5, 7, 0);
    for (source, expected) in [
        ("dd.MM.yyyy", "01.11.2026"),
        ("d.M.yyyy", "1.11.2026"),
        ("yyyy-MM-dd", "2026-11-01"),
        ("ddMMyy", "011126"),
        ("HH:mm", "09:05"),
        ("H:mm", "9:05"),
        ("HH:mm:ss", "09:05:07"),
        ("d. MMMM yyyy", "1. november 2026"),
        ("d. MMMM 'kl.' HH:mm", "1. november kl. 09:05"),
        ("yyyy-MM-dd'T'HH:mm:ss", "2026-11-01T09:05:07"),
        ("yyyy", "2026"),
        ("MMMM", "november"),
        ("''yy", "'26"),
        ("'år''et' yyyy", "år'et 2026"),
    ] {
        let written = pattern(source).format_date_time(value);
        assert_eq!(written.as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn patterns_read_dates_and_times() {
    let first = date(2026, 11, 1);
    for (source, text) in [
        ("dd.MM.yyyy", "01.11.2026"),
        ("d.M.yyyy", "1.11.2026"),
        ("d.M.yyyy", "01.11.2026"),
        ("yyyyMMdd", "20261101"),
        ("d. MMMM yyyy", "1. november 2026"),
        ("d. MMMM yyyy", "1. November 2026"),
    ] {
        assert_eq!(pattern(source).parse_date(text), Ok(first), "{source}");
    }
    assert_eq!(pattern("HH:mm").parse_time("09:05"), Ok(time(9, 5, 0, 0)));
    let both = pattern("dd.MM.yyyy 'kl.' HH:mm").parse_date_time("01.11.2026 kl. 09:05");
    assert_eq!(both, Ok(first.at(9, 5, 0, 0)));
}

#[test]
fn a_text_that_is_not_wholly_as_its_pattern_is_refused() {
    for (source, text) in [
        ("dd.MM.yyyy", "1.11.2026"),
        ("dd.MM.yyyy", "01.11.26"),
        ("dd.MM.yyyy", "01.11.2026 "),
        ("dd.MM.yyyy", "01.11.20260"),
        ("dd.MM.yyyy", "01-11-2026"),
        ("d.M.yyyy", "001.11.2026"),
        ("d. MMMM yyyy", "1. novembe 2026"),
        ("d. MMMM yyyy", "1. nøvember 2026"),
    ] {
        let refused = Err(ReadError::Form(Form::Pattern(source.to_owned())));
        assert_eq!(pattern(source).parse_date(text), refused, "{text}");
    }
    let leap = pattern("dd.MM.yyyy").parse_date("29.02.2026");
    assert_eq!(leap, Err(ReadError::NoSuchDay));
}

#[test]
fn a_pattern_reads_only_what_it_holds_in_full() {
    for (source, kind) in [
        ("dd.MM.yyyy", Some(Kind::Date)),
        ("HH:mm", Some(Kind::Time)),
        ("dd.MM.yyyy HH:mm", Some(Kind::DateTime)),
        ("dd.MM.yyyy HH", None),
        ("MM.yyyy", None),
        ("d. MMMM", None),
        ("HH", None),
        ("ddMMyy", None),
    ] {
        assert_eq!(pattern(source).reads(), kind, "{source}");
    }
    let error = pattern("dd.MM.yyyy HH:mm").parse_date("01.11.2026 09:05");
    let expected = "the pattern `dd.MM.yyyy HH:mm` does not give a date";
    assert_eq!(error.unwrap_err().to_string(), expected);
    let error = pattern("HH:mm").format_date(date(2026, 11, 1));
    assert_eq!(error, Err(FormatError::NoTime));
    let error = pattern("dd.MM HH:mm").format_time(time(9, 5, 0, 0));
    assert_eq!(error, Err(FormatError::NoDate));
    let error = pattern("yyyy").format_date(date(0, 1, 1));
    assert_eq!(error, Err(FormatError::OutOfRange));
}

#[test]
fn two_digits_of_a_year_are_read_once_the_century_is_known() {
    let short = pattern("ddMMyy").with_years_from(1930).unwrap();
    assert_eq!(short.reads(), Some(Kind::Date));
    for (text, year) in [
        ("011130", 1930),
        ("011199", 1999),
        ("011100", 2000),
        ("011129", 2029),
    ] {
        assert_eq!(short.parse_date(text), Ok(date(year, 11, 1)), "{text}");
    }
    assert_eq!(pattern("ddMMyy").with_years_from(0), None);
    assert_eq!(pattern("ddMMyy").with_years_from(9901), None);
}

#[test]
fn the_error_names_the_wrong_part_of_a_pattern() {
    for (source, part, message) in [
        (
            "DD.MM.yyyy",
            "DD",
            "`DD` is no part of a date or time; write `dd`",
        ),
        (
            "dd.MM.YYYY",
            "YYYY",
            "`YYYY` is no part of a date or time; write `yyyy`",
        ),
        (
            "dd.MM.åååå",
            "åååå",
            "`åååå` is no part of a date or time; write `yyyy`",
        ),
        (
            "hh:mm",
            "hh",
            "`hh` is no part of a date or time; write `HH`",
        ),
        (
            "dd.mm.yyyy",
            "mm",
            "`mm` is the minute, but the pattern has no hour; the month is `MM`",
        ),
        (
            "HH:MM",
            "MM",
            "`MM` is the month, but the pattern has no day; the minute is `mm`",
        ),
        (
            "yyyy-MM-ddTHH:mm",
            "T",
            "`T` is no part of a date or time; a text stands between apostrophes: `'T'`",
        ),
        (
            "kl. HH:mm",
            "kl",
            "`kl` is no part of a date or time; a text stands between apostrophes: `'kl'`",
        ),
        (
            "dddd d. MMMM",
            "dddd",
            "`dddd` is no part of a date or time; a text stands between apostrophes: `'dddd'`",
        ),
        (
            "dMyyyy",
            "d",
            "nobody could tell where `d` ends, because digits follow; write `dd`",
        ),
        (
            "d'1'",
            "d",
            "nobody could tell where `d` ends, because digits follow; write `dd`",
        ),
        ("dd_MM", "_", "`_` must stand between apostrophes"),
        ("dd 'i MM", "'i MM", "the apostrophe is never closed"),
        ("dd.MM.yyyy (d.)", "(", "`(` must stand between apostrophes"),
        (
            "dd.MM.dd",
            "dd",
            "`dd` is the day, which the pattern already has",
        ),
        (
            "dd.MM.yyyy HH:MM",
            "MM",
            "`MM` is the month, which the pattern already has; the minute is `mm`",
        ),
        (
            "'dato'",
            "'dato'",
            "the pattern shows nothing of a date or time; `dd.MM.yyyy` is an example",
        ),
        (
            "",
            "",
            "the pattern shows nothing of a date or time; `dd.MM.yyyy` is an example",
        ),
    ] {
        let error = Pattern::new(source).unwrap_err();
        assert_eq!(error.to_string(), message, "{source}");
        assert_eq!(&source[error.at], part, "{source}");
    }
}

/// A pattern that holds all of a date, and how jiff writes the same.
fn date_patterns() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("dd.MM.yyyy", "%d.%m.%Y"),
        ("d.M.yyyy", "%-d.%-m.%Y"),
        ("yyyy-MM-dd", "%Y-%m-%d"),
        ("ddMMyyyy", "%d%m%Y"),
        ("M/d/yyyy", "%-m/%-d/%Y"),
        ("yyyy 'den' d.M.", "%Y den %-d.%-m."),
    ])
}

/// The characters and words of patterns, in any order.
fn anything_like_a_pattern() -> impl Strategy<Value = String> {
    let tokens = vec![
        "yyyy", "yy", "MM", "M", "MMMM", "dd", "d", "HH", "H", "mm", "ss", " ", ".", ":", "'kl.'",
        "''", "'1'", "'i'",
    ];
    prop::collection::vec(prop::sample::select(tokens), 1..10).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn a_date_is_written_as_jiff_writes_it(value in dates(), (source, format) in date_patterns()) {
        let text = pattern(source).format_date(value).unwrap();
        prop_assert_eq!(&text, &strtime::format(format, value).unwrap());
        prop_assert_eq!(pattern(source).parse_date(&text), Ok(value));
    }

    #[test]
    fn what_a_pattern_writes_it_reads(source in anything_like_a_pattern(), value in date_times()) {
        let Ok(pattern) = Pattern::new(&source) else { return Ok(()) };
        let value = value.with().subsec_nanosecond(0).build().unwrap();
        let text = pattern.format_date_time(value).unwrap();
        let first = (value.year() / 100 * 100).clamp(1, 9900);
        let pattern = pattern.with_years_from(first).unwrap();
        let minute = value.with().second(0).build().unwrap();
        let expected = if source.contains("ss") { value } else { minute };
        match pattern.reads() {
            Some(Kind::Date) => prop_assert_eq!(pattern.parse_date(&text), Ok(value.date())),
            Some(Kind::Time) => prop_assert_eq!(pattern.parse_time(&text), Ok(expected.time())),
            Some(Kind::DateTime) => prop_assert_eq!(pattern.parse_date_time(&text), Ok(expected)),
            None => {}
        }
    }

    #[test]
    fn the_range_of_an_error_lies_in_the_pattern(source in "[a-zåA-Z'. \u{a0}]{0,12}") {
        if let Err(error) = Pattern::new(&source) {
            prop_assert!(source.get(error.at).is_some());
        }
    }
}

// Arithmetic.

#[test]
fn a_month_that_is_too_short_ends_on_its_last_day() {
    let january = date(2026, 1, 31);
    assert_eq!(add_months(january, 1), Ok(date(2026, 2, 28)));
    assert_eq!(add_months(january, -2), Ok(date(2025, 11, 30)));
    assert_eq!(add_years(date(2024, 2, 29), 1), Ok(date(2025, 2, 28)));
    assert_eq!(add_days(date(2026, 2, 28), 1), Ok(date(2026, 3, 1)));
}

#[test]
fn dates_end_with_the_years_1_and_9999() {
    let (first, last) = (date(1, 1, 1), date(9999, 12, 31));
    for result in [
        add_days(last, 1),
        add_days(first, -1),
        add_months(last, 1),
        add_years(first, -1),
        add_days(first, i64::MAX),
        add_months(first, i64::MIN),
        add_years(last, i64::MIN),
    ] {
        assert_eq!(result, Err(OutOfRange));
    }
    assert_eq!(add_years(first, 9998), Ok(date(9999, 1, 1)));
}

#[test]
fn somebody_becomes_18_on_the_birthday() {
    let born = date(2008, 11, 1);
    assert_eq!(years_between(born, date(2026, 10, 31)), 17);
    assert_eq!(years_between(born, date(2026, 11, 1)), 18);
    assert_eq!(years_between(date(2026, 10, 31), born), -17);
    let leap = date(2004, 2, 29);
    assert_eq!(years_between(leap, date(2022, 2, 28)), 17);
    assert_eq!(years_between(leap, date(2022, 3, 1)), 18);
}

proptest! {
    #[test]
    fn added_days_lie_between(day in dates(), days in -4_000_000..4_000_000_i64) {
        if let Ok(other) = add_days(day, days) {
            prop_assert_eq!(days_between(day, other), days);
            prop_assert_eq!(days_between(other, day), -days);
        }
    }

    #[test]
    fn added_months_keep_the_day_if_the_month_has_it(day in dates(), months in -130_000..130_000_i64) {
        let index = i64::from(day.year()) * 12 + i64::from(day.month()) - 1 + months;
        let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
        match add_months(day, months) {
            Ok(other) => {
                prop_assert_eq!((other.year().into(), other.month().into()), (year, month));
                prop_assert_eq!(other.day(), day.day().min(other.days_in_month()));
                let years = add_years(day, months);
                prop_assert_eq!(years, add_months(day, months * 12));
            }
            Err(OutOfRange) => prop_assert!(!(1..=9999).contains(&year)),
        }
    }

    #[test]
    fn an_age_is_the_one_that_jiff_counts(born in dates(), on in dates()) {
        let by_jiff = born.until((JiffUnit::Year, on)).unwrap();
        if born <= on {
            prop_assert_eq!(years_between(born, on), i64::from(by_jiff.get_years()));
        }
        prop_assert_eq!(years_between(born, on), -years_between(on, born));
    }
}
