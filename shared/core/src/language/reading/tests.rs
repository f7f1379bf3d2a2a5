use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn decimals(count: u32) -> Decimals {
    Decimals::new(count).unwrap()
}

#[test]
fn norwegian_numbers_are_read_as_people_write_them() {
    for (text, number) in [
        ("1234,50", "1234.50"),
        ("1 234,50", "1234.50"),
        ("1\u{a0}234,50", "1234.50"),
        ("1\u{202f}234,50", "1234.50"),
        ("1\u{2009}234\u{2009}567", "1234567"),
        ("1.234,50", "1234.50"),
        ("1.234.567,5", "1234567.5"),
        ("-12,5", "-12.5"),
        ("\u{2212}12,5", "-12.5"),
        ("\u{2013}12,5", "-12.5"),
        ("1,234", "1.234"),
        ("007", "7"),
        ("0,5", "0.5"),
        ("-0", "0"),
    ] {
        assert_eq!(norwegian_number(text), Ok(decimal(number)), "{text}");
    }
}

#[test]
fn a_text_that_is_not_wholly_a_norwegian_number_is_refused() {
    use NumberError::{AmbiguousPoint, Groups, Norwegian, TooLong};
    for (text, error) in [
        ("", Norwegian),
        ("-", Norwegian),
        (",5", Norwegian),
        ("5,", Norwegian),
        ("+5", Norwegian),
        ("- 5", Norwegian),
        ("--5", Norwegian),
        (" 5", Norwegian),
        ("5 ", Norwegian),
        ("kr 1 234", Norwegian),
        ("1 234,-", Norwegian),
        ("1,234,567", Norwegian),
        ("1,234.50", Norwegian),
        ("1e3", Norwegian),
        ("1'234", Norwegian),
        ("٣", Norwegian),
        ("1.234", AmbiguousPoint),
        ("12.50", AmbiguousPoint),
        ("1.234.567", AmbiguousPoint),
        ("1 234.50", AmbiguousPoint),
        ("1234 567", Groups),
        ("1 2345", Groups),
        ("1 23,5", Groups),
        ("1  234", Groups),
        ("1 234.567,5", Groups),
        ("1234.567,5", Groups),
        ("12345678901234567890123456789", TooLong),
        ("1234567890123456789012345678,9", TooLong),
    ] {
        assert_eq!(norwegian_number(text), Err(error), "{text}");
    }
}

#[test]
fn plain_numbers_are_read_exactly() {
    for (text, number) in [
        ("1234.50", "1234.50"),
        ("-7", "-7"),
        ("007", "7"),
        ("12345678901234567.89", "12345678901234567.89"),
        (
            "0.0000000000000000000000000001",
            "0.0000000000000000000000000001",
        ),
        (
            "9999999999999999999999999999",
            "9999999999999999999999999999",
        ),
    ] {
        let read = plain_number(text);
        assert_eq!(read, Ok(decimal(number)), "{text}");
        assert_eq!(read.unwrap().to_string(), number, "{text}");
    }
    assert!(!plain_number("-0.0").unwrap().is_sign_negative());
    for text in [
        "",
        "-",
        ".5",
        "5.",
        "+5",
        "1,5",
        "1 234",
        "1e3",
        " 5",
        "0x1",
        "\u{2212}5",
        "NaN",
    ] {
        assert_eq!(plain_number(text), Err(NumberError::Plain), "{text}");
    }
    for text in [
        "10000000000000000000000000000",
        "1.0000000000000000000000000000",
        "0.00000000000000000000000000001",
    ] {
        assert_eq!(plain_number(text), Err(NumberError::TooLong), "{text}");
    }
}

#[test]
fn numbers_are_written_with_as_many_decimals_as_asked_for() {
    for (number, count, plain, norwegian) in [
        ("100", 2, "100.00", "100,00"),
        ("1234567.891", 1, "1234567.9", "1\u{a0}234\u{a0}567,9"),
        ("-1234.5", 0, "-1235", "\u{2212}1\u{a0}235"),
        ("123456", 0, "123456", "123\u{a0}456"),
        ("0.05", 1, "0.1", "0,1"),
        ("-0.04", 1, "0.0", "0,0"),
        ("2.675", 2, "2.68", "2,68"),
        ("2.5", 0, "3", "3"),
        ("-2.5", 0, "-3", "\u{2212}3"),
        ("999.5", 0, "1000", "1\u{a0}000"),
    ] {
        let number = decimal(number);
        assert_eq!(format_plain(number, decimals(count)), plain);
        assert_eq!(format_norwegian(number, decimals(count)), norwegian);
    }
    let written = format_plain(Decimal::MAX, decimals(28));
    assert_eq!(written, format!("{}.{}", Decimal::MAX, "0".repeat(28)));
    assert_eq!(Decimals::new(29), None);
}

/// A number that can be read: 28 digits at most.
fn numbers() -> impl Strategy<Value = Decimal> {
    let magnitude = 10_i128.pow(28);
    let mantissa = prop_oneof![-1_000_000..1_000_000_i128, 1 - magnitude..magnitude];
    (mantissa, 0..=28_u32)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

/// Any number that a `Decimal` holds.
fn all_numbers() -> impl Strategy<Value = Decimal> {
    let magnitude = 2_i128.pow(96);
    (1 - magnitude..magnitude, 0..=28_u32)
        .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
}

/// The text of a number, rounded digit by digit as at school.
fn rounded_at_school(number: Decimal, count: u32) -> String {
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let count = usize::try_from(count).unwrap();
    let fraction = format!("{fraction:0<width$}", width = count + 1);
    let (kept, dropped) = fraction.split_at(count);
    let mut digits: Vec<u8> = format!("0{whole}{kept}").into_bytes();
    if dropped.as_bytes()[0] >= b'5' {
        let mut place = digits.len() - 1;
        while digits[place] == b'9' {
            digits[place] = b'0';
            place -= 1;
        }
        digits[place] += 1;
    }
    let text = String::from_utf8(digits).unwrap();
    let (whole, fraction) = text.split_at(text.len() - count);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let is_zero = text.bytes().all(|digit| digit == b'0');
    let sign = if number.is_sign_negative() && !is_zero {
        "-"
    } else {
        ""
    };
    let point = if count == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

proptest! {
    #[test]
    fn half_is_rounded_away_from_zero(number in all_numbers(), count in 0..=28_u32) {
        let written = format_plain(number, decimals(count));
        prop_assert_eq!(written, rounded_at_school(number, count));
    }

    #[test]
    fn what_is_written_with_all_decimals_is_read_as_the_same_number(number in numbers()) {
        let all = decimals(number.scale());
        prop_assert_eq!(plain_number(&format_plain(number, all)), Ok(number));
        prop_assert_eq!(norwegian_number(&format_norwegian(number, all)), Ok(number));
        prop_assert_eq!(plain_number(&number.to_string()), Ok(number));
    }

    #[test]
    fn norwegian_is_plain_with_other_signs(number in all_numbers(), count in 0..=28_u32) {
        let norwegian = format_norwegian(number, decimals(count));
        let plain = norwegian.replace('\u{a0}', "").replace(',', ".").replace('\u{2212}', "-");
        prop_assert_eq!(plain, format_plain(number, decimals(count)));
        let groups: Vec<&str> = norwegian.split('\u{a0}').skip(1).collect();
        prop_assert!(groups.iter().all(|group| group.split(',').next().unwrap().len() == 3));
    }

    /// A text that both readers accept has no separator at all, so both read the same.
    #[test]
    fn the_two_readers_never_read_different_numbers(text in "-?[0-9 .,]{1,12}") {
        if let (Ok(plain), Ok(norwegian)) = (plain_number(&text), norwegian_number(&text)) {
            prop_assert_eq!(plain, norwegian);
        }
    }

    #[test]
    fn plain_numbers_are_those_of_a_decimal(text in "-?[0-9]{0,3}[.]?[0-9]{0,3}") {
        let is_plain = text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && !text.starts_with("-.")
            && text.ends_with(|c: char| c.is_ascii_digit());
        let expected = is_plain.then(|| decimal(&text));
        prop_assert_eq!(plain_number(&text).ok(), expected);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = (plain_number(&text), norwegian_number(&text));
    }
}
