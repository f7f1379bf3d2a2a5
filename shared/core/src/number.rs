//! The numbers of a form, with every digit that they have in JSON.
//!
//! .NET's `decimal` holds 28 digits and its scale: A's app writes `100.00`, and B stores `100.00`. Rust's `f64` holds 15 to
//! 17 digits and no scale, so a number of a form is never converted to one. It stays the text that [`Number`] keeps.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde_json::Number;

/// The number without an exponent, with the digits and the scale that it has. `None` if it has an exponent and is beyond the
/// range of a double, in which case no number of .NET holds it and its digits could fill the memory.
#[must_use]
pub fn plain(number: &Number) -> Option<String> {
    let text = number.as_str();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return Some(text.to_owned());
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(format!("{sign}0"));
    }
    // Only whether it is in range: the value is not used.
    number.as_f64().filter(|value| *value != 0.0)?;
    let exponent: i64 = exponent.parse().ok()?;
    let decimals = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let count = usize::try_from(decimals.unsigned_abs()).ok()?;
    if decimals <= 0 {
        return Some(format!("{sign}{digits}{}", "0".repeat(count)));
    }
    let digits = format!("{digits:0>width$}", width = count.checked_add(1)?);
    let (whole, fraction) = digits.split_at_checked(digits.len().checked_sub(count)?)?;
    Some(format!("{sign}{whole}.{fraction}"))
}

/// The number as an integer: `3` for `3`, `3.00` and `0.3e1`. `None` if it has a fraction other than zero.
#[must_use]
pub fn whole(number: &Number) -> Option<String> {
    let text = plain(number)?;
    let text = without_trailing_zeros(&text);
    (!text.contains('.')).then(|| text.to_owned())
}

/// One text for all ways to write the same number: `1`, `1.0` and `1e0` give `1`, and `-0` gives `0`.
#[must_use]
pub fn normalized(number: &Number) -> String {
    plain(number).map_or_else(|| number.to_string(), |text| normalized_text(&text))
}

/// The order of two numbers, by all their digits. `None` where [`plain`] gives none for one of them.
#[must_use]
pub fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    let (one, other) = (
        normalized_text(&plain(one)?),
        normalized_text(&plain(other)?),
    );
    Some(match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (None, None) => compare_sizes(&one, &other),
        (Some(one), Some(other)) => compare_sizes(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    })
}

/// The order of two normalized numbers without a sign.
fn compare_sizes(one: &str, other: &str) -> Ordering {
    let (whole, fraction) = one.split_once('.').unwrap_or((one, ""));
    let (other_whole, other_fraction) = other.split_once('.').unwrap_or((other, ""));
    (whole.len(), whole, fraction).cmp(&(other_whole.len(), other_whole, other_fraction))
}

/// The .NET `decimal` with exactly these digits, in plain notation; trailing zeros may be missing. It has at most 96 bits, and
/// at most 28 decimals (dotnet/runtime: src/libraries/System.Private.CoreLib/src/System/Decimal.cs). .NET refuses a larger number,
/// and rounds further decimals without an error.
pub(crate) fn decimal(digits: &str) -> Option<Decimal> {
    Decimal::from_str_exact(without_trailing_zeros(digits)).ok()
}

/// Whether .NET's `double` holds the number with these digits, in plain notation, so that it is written with the same digits
/// again: 15 always, up to 17 for some.
pub(crate) fn is_double(digits: &str) -> bool {
    let nearest = digits.parse().ok().and_then(Number::from_f64);
    nearest.is_some_and(|nearest| normalized(&nearest) == normalized_text(digits))
}

/// A number in plain notation without zeros at either end, and without the sign of zero.
pub(crate) fn normalized_text(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    match without_trailing_zeros(digits).trim_start_matches('0') {
        "" => "0".to_owned(),
        digits if digits.starts_with('.') => format!("{sign}0{digits}"),
        digits => format!("{sign}{digits}"),
    }
}

/// A number in plain notation without the zeros at the end of its fraction.
fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Number {
        serde_json::from_str(json).unwrap()
    }

    fn fits_decimal(json: &str) -> bool {
        plain(&read(json)).is_some_and(|digits| decimal(&digits).is_some())
    }

    fn fits_double(json: &str) -> bool {
        plain(&read(json)).is_some_and(|digits| is_double(&digits))
    }

    #[test]
    fn a_number_without_an_exponent_stays_as_it_is() {
        for json in [
            "0",
            "-0",
            "-0.00",
            "100.00",
            "12345678901234567.89",
            "922337203685477.5807",
            "18446744073709551616",
            "0.0000000000000000000000000001",
        ] {
            assert_eq!(plain(&read(json)).as_deref(), Some(json));
        }
    }

    #[test]
    fn an_exponent_moves_the_point_and_keeps_the_digits() {
        for (json, expected) in [
            ("1e-7", "0.0000001"),
            ("1E+3", "1000"),
            ("1E-05", "0.00001"),
            ("1.50e1", "15.0"),
            ("1.50e2", "150"),
            ("1.50E+0", "1.50"),
            ("-12.5e-3", "-0.0125"),
            ("0.05e1", "0.5"),
            ("0e999999999999", "0"),
            ("-0.0e5", "-0"),
            ("1.2345678901234567E+19", "12345678901234567000"),
        ] {
            assert_eq!(plain(&read(json)).as_deref(), Some(expected), "{json}");
        }
        assert_eq!(plain(&read("1e308")).unwrap().len(), 309);
        assert_eq!(plain(&read("5E-324")).unwrap().len(), 326);
    }

    #[test]
    fn a_number_beyond_the_range_of_a_double_is_never_written_out() {
        for json in [
            "1e309",
            "-1e999999999",
            "1e-400",
            "1e-999999999",
            "1e99999999999999999999",
        ] {
            let number = read(json);
            assert_eq!(plain(&number), None, "{json}");
            assert_eq!(whole(&number), None, "{json}");
        }
    }

    #[test]
    fn a_decimal_has_96_bits_and_28_decimals() {
        for json in [
            "79228162514264337593543950335",
            "-79228162514264337593543950335",
            "7.9228162514264337593543950335",
            "0.0000000000000000000000000001",
            "1.00000000000000000000000000000000",
            "1e28",
            "-0",
        ] {
            assert!(fits_decimal(json), "{json}");
        }
        for json in [
            "79228162514264337593543950336",
            "79228162514264337593543950335.1",
            "7.9228162514264337593543950336",
            "0.00000000000000000000000000001",
            "0.12345678901234567890123456789",
            "1e29",
        ] {
            assert!(!fits_decimal(json), "{json}");
        }
    }

    #[test]
    fn a_double_fits_if_it_is_written_with_the_same_digits_again() {
        for json in ["0.1", "100.00", "1E+300", "-0", "1.2345678901234567E+19"] {
            assert!(fits_double(json), "{json}");
        }
        for json in ["12345678901234567.89", "922337203685477.5807", "1e309"] {
            assert!(!fits_double(json), "{json}");
        }
    }

    proptest! {
        /// `Decimal::from_scientific` is another implementation of the same conversion.
        #[test]
        fn an_exponent_is_read_as_another_implementation_does(
            mantissa in "-?[1-9](\\.[0-9]{1,9})?", exponent in -15_i32..15, mark in "[eE]\\+?"
        ) {
            let mark = if exponent < 0 { "e" } else { &mark };
            let number = read(&format!("{mantissa}{mark}{exponent}"));
            let expected = Decimal::from_scientific(&format!("{mantissa}e{exponent}")).unwrap();
            prop_assert_eq!(plain(&number), Some(expected.to_string()));
        }

        #[test]
        fn all_ways_to_write_a_number_are_normalized_to_one(
            whole in "0|[1-9][0-9]{0,20}", fraction in "[0-9]{0,20}", zeros in 0..10_usize, shift in 0..40_usize
        ) {
            let point = |fraction: &str| if fraction.is_empty() { "" } else { "." };
            let once = read(&format!("{whole}{}{fraction}", point(&fraction)));
            let longer = format!("{fraction}{}", "0".repeat(zeros));
            let decimals = i32::try_from(fraction.len()).unwrap();
            let mantissa = |shift: usize| {
                let digits = format!("{whole}{fraction}{}", "0".repeat(shift));
                let digits = digits.trim_start_matches('0');
                if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
            };
            for same in [
                format!("{whole}{}{longer}", point(&longer)),
                format!("{}e-{decimals}", mantissa(0)),
                format!("{}e{}", mantissa(shift), -decimals - i32::try_from(shift).unwrap()),
            ] {
                prop_assert_eq!(normalized(&once), normalized(&read(&same)), "{}", same);
            }
        }

        #[test]
        fn no_number_is_the_same_as_its_neighbour(mantissa in 0..u64::MAX, decimals in 0..40_i32) {
            let number = |mantissa: u64| read(&format!("{mantissa}e-{decimals}"));
            prop_assert_ne!(normalized(&number(mantissa)), normalized(&number(mantissa + 1)));
        }

        /// The order of integers is that of the numbers with one exponent.
        #[test]
        fn numbers_are_ordered_by_all_their_digits(
            one in any::<i128>(), other in any::<i128>(), step in -1..=1_i128, shift in 0..127_u32, exponent in -60..60_i32
        ) {
            let one = one >> shift;
            for other in [other >> shift, one.saturating_add(step)] {
                let number = |mantissa: i128| read(&format!("{mantissa}e{exponent}"));
                prop_assert_eq!(compare(&number(one), &number(other)), Some(one.cmp(&other)));
            }
        }

        #[test]
        fn a_number_is_a_decimal_if_its_digits_have_96_bits(mantissa in any::<u128>(), shift in 0..64_u32, decimals in 0..40_u32) {
            let mantissa = mantissa >> shift;
            let mut digits = mantissa;
            let mut scale = decimals;
            while scale > 0 && digits.is_multiple_of(10) {
                digits /= 10;
                scale -= 1;
            }
            let fits = digits < 1 << 96 && scale <= 28;
            prop_assert_eq!(fits_decimal(&format!("{mantissa}e-{decimals}")), fits);
        }
    }
}
