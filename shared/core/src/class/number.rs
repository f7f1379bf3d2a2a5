//! Parses and writes numbers as .NET does.

/// The largest mantissa of a `System.Decimal`: 96 bits.
const MAX_MANTISSA: u128 = (1 << 96) - 1;
/// The maximum number of decimals of a `System.Decimal`.
const MAX_DECIMALS: usize = 28;

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    Syntax,
    TooLarge,
}

/// Trims what .NET's number styles treat as white space.
fn trim(text: &str) -> &str {
    text.trim_matches(['\t', '\n', '\u{b}', '\u{c}', '\r', ' '])
}

/// Splits off the sign; `true` means minus.
fn sign(text: &str) -> (bool, &str) {
    match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => (false, text),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// As `short.Parse`, `int.Parse` and `long.Parse`, with a leading sign and surrounding white space allowed.
pub(super) fn integer(text: &str, min: i64, max: i64) -> Result<String, NumberError> {
    let (negative, digits) = sign(trim(text));
    if digits.is_empty() || !is_digits(digits) {
        return Err(NumberError::Syntax);
    }
    let significant = digits.trim_start_matches('0');
    let magnitude = match significant {
        "" => 0,
        digits => digits.parse::<i128>().map_err(|_| NumberError::TooLarge)?,
    };
    let value = if negative { -magnitude } else { magnitude };
    if value < i128::from(min) || value > i128::from(max) {
        return Err(NumberError::TooLarge);
    }
    Ok(value.to_string())
}

/// As `decimal.Parse`, with a leading sign, a decimal point and surrounding white space allowed. The result has at most 96
/// bits and 28 decimals; further decimals are rounded.
pub(super) fn decimal(text: &str) -> Result<String, NumberError> {
    let (negative, number) = sign(trim(text));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(NumberError::Syntax);
    }
    let push = |mantissa: u128, digit: u8| {
        let longer = mantissa
            .checked_mul(10)?
            .checked_add(u128::from(digit - b'0'))?;
        (longer <= MAX_MANTISSA).then_some(longer)
    };
    let mut mantissa = 0;
    for digit in whole.bytes() {
        mantissa = push(mantissa, digit).ok_or(NumberError::TooLarge)?;
    }
    let mut scale = 0;
    let mut rest = fraction.bytes();
    while scale < MAX_DECIMALS {
        let Some(longer) = rest.clone().next().and_then(|digit| push(mantissa, digit)) else {
            break;
        };
        mantissa = longer;
        scale += 1;
        rest.next();
    }
    if let Some(first) = rest.next() {
        let exactly_half = first == b'5' && rest.all(|digit| digit == b'0');
        if first > b'5' || (first == b'5' && !exactly_half) || (exactly_half && mantissa % 2 == 1) {
            mantissa += 1;
            if mantissa > MAX_MANTISSA {
                if scale == 0 {
                    return Err(NumberError::TooLarge);
                }
                mantissa = (mantissa + 5) / 10;
                scale -= 1;
            }
        }
    }
    let digits = format!("{mantissa:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if negative && mantissa != 0 { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{fraction}"))
}

/// As `XmlConvert.ToDouble`, then `XmlConvert.ToString`, which writes the fewest digits that parse to the same number.
pub(super) fn double(text: &str) -> Result<String, NumberError> {
    let text = trim(text);
    let (negative, number) = sign(text);
    let value = match number {
        "INF" if !text.starts_with('+') => f64::INFINITY,
        _ if number.eq_ignore_ascii_case("Infinity") => f64::INFINITY,
        _ if number.eq_ignore_ascii_case("NaN") => f64::NAN,
        _ => {
            let (mantissa, exponent) = number
                .split_once(['e', 'E'])
                .map_or((number, None), |(mantissa, exponent)| {
                    (mantissa, Some(exponent))
                });
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let exponent = exponent.map(|exponent| sign(exponent).1);
            let plain = is_digits(whole)
                && is_digits(fraction)
                && !(whole.is_empty() && fraction.is_empty())
                && exponent.is_none_or(|exponent| !exponent.is_empty() && is_digits(exponent));
            if !plain {
                return Err(NumberError::Syntax);
            }
            number.parse().map_err(|_| NumberError::Syntax)?
        }
    };
    Ok(write_double(if negative { -value } else { value }))
}

/// Writes as few digits as parse to the same number, and an exponent for more than 17 digits before the decimal point or more
/// than 4 zeros after it (dotnet/runtime: src/libraries/System.Private.CoreLib/src/System/Number.Formatting.cs).
fn write_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..17).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}E{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_keep_their_digits_and_are_rounded_to_even_after_28() {
        let cases = [
            ("24.50", "24.50"),
            ("-0.00", "0.00"),
            (
                "0.00000000000000000000000000005",
                "0.0000000000000000000000000000",
            ),
            (
                "0.00000000000000000000000000015",
                "0.0000000000000000000000000002",
            ),
            (
                "0.000000000000000000000000000050000001",
                "0.0000000000000000000000000001",
            ),
            (
                "7.92281625142643375935439503355",
                "7.922816251426433759354395034",
            ),
            (
                "79228162514264337593543950335.4",
                "79228162514264337593543950335",
            ),
        ];
        for (text, written) in cases {
            assert_eq!(decimal(text).as_deref(), Ok(written), "{text}");
        }
        assert_eq!(
            decimal("79228162514264337593543950335.5"),
            Err(NumberError::TooLarge)
        );
        assert_eq!(decimal("."), Err(NumberError::Syntax));
    }

    #[test]
    fn doubles_are_written_with_an_exponent_where_dotnet_does() {
        let cases = [
            ("100000000000000", "100000000000000"),
            ("10000000000000000", "10000000000000000"),
            ("100000000000000000", "1E+17"),
            ("12345678901234567", "12345678901234568"),
            ("12345678901234567890", "1.2345678901234567E+19"),
            ("0.00001", "1E-05"),
            ("0.0001", "0.0001"),
            ("-0", "-0"),
            ("-INF", "-INF"),
        ];
        for (text, written) in cases {
            assert_eq!(double(text).as_deref(), Ok(written), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_that_fits_is_written_as_it_was_read(whole in 0_u64.., fraction in "[0-9]{1,8}") {
            let text = format!("{whole}.{fraction}");
            prop_assert_eq!(decimal(&text), Ok(text));
        }

        #[test]
        fn a_double_comes_back_as_the_same_number(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(double(&write_double(value)), Ok(write_double(value)));
            prop_assert_eq!(write_double(value).parse::<f64>().ok(), Some(value));
        }
    }
}
