//! Numbers as texts: as people write them in Norwegian, and plain.
//!
//! A number is exact. It has at most 28 digits, not counting zeros at its start, and at most 28 decimals, so that .NET's
//! `decimal` holds it; one with more is refused, never rounded.

use rust_decimal::Decimal;
use thiserror::Error;

/// The most digits and the most decimals of a number.
const MOST_DIGITS: usize = 28;

/// Why a text is not read as a number. It never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The text is no plain number.
    #[error("the text is not a plain number such as 1234.5")]
    Plain,
    /// The text is no number as it is written in Norwegian.
    #[error("the text is not a number as it is written in Norwegian, such as 1 234,50")]
    Norwegian,
    /// A point without a comma after it.
    #[error("a point without a comma after it may separate thousands or decimals")]
    AmbiguousPoint,
    /// There is a separator of thousands, but not before every group of three digits, or separators of two kinds.
    #[error("the digits before the comma are not in groups of three")]
    Groups,
    /// The number has more than 28 digits or decimals.
    #[error("the number has more than 28 digits")]
    TooLong,
}

/// Reads a plain number: `1234.50`, `-7`, `007` (which is 7).
///
/// There is a digit on both sides of the point, and nothing but digits, the point and a hyphen as minus: no plus sign, which
/// telephone numbers have, no exponent and no space.
///
/// # Errors
/// If the text is anything else, or has too many digits.
pub fn plain_number(text: &str) -> Result<Decimal, NumberError> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = halves(rest, '.').ok_or(NumberError::Plain)?;
    if !is_digits(whole) {
        return Err(NumberError::Plain);
    }
    number(is_negative, whole.bytes(), decimals)
}

/// Reads a number as people write it in Norwegian: `1234,5`, `1 234,50`, `-12,5`, `1.234,50`.
///
/// * The comma separates decimals; there is a digit on both sides of it.
/// * Thousands are separated everywhere or nowhere: by one space (also a no-break, narrow, thin or figure space), or by a
///   point if a comma follows. `1.234` alone is refused, because it may mean 1234 or 1,234.
/// * Minus is a hyphen, the minus sign U+2212 or an en dash, directly before the digits.
/// * Zeros at the start mean nothing: `007` is 7.
///
/// Units, `kr` and `,-`, spaces around the number, and a plus sign are refused.
///
/// # Errors
/// If the text is anything else, or has too many digits.
pub fn norwegian_number(text: &str) -> Result<Decimal, NumberError> {
    let (is_negative, rest) = match text.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = halves(rest, ',').ok_or(NumberError::Norwegian)?;
    let is_separator = |c: char| c == '.' || is_space(c);
    let starts_and_ends_with_digit = whole.starts_with(|c: char| c.is_ascii_digit())
        && whole.ends_with(|c: char| c.is_ascii_digit());
    let is_grouped_number = whole.chars().all(|c| c.is_ascii_digit() || is_separator(c));
    if !starts_and_ends_with_digit || !is_grouped_number {
        return Err(NumberError::Norwegian);
    }
    if whole.contains('.') && decimals.is_empty() {
        return Err(NumberError::AmbiguousPoint);
    }
    let is_mixed = whole.contains('.') && whole.contains(is_space);
    let mut groups = whole.split(is_separator);
    let first = groups.next().map_or(0, str::len);
    let mut groups = groups.peekable();
    let is_separated = groups.peek().is_some();
    if is_mixed || (is_separated && first > 3) || groups.any(|group| group.len() != 3) {
        return Err(NumberError::Groups);
    }
    let digits = whole.bytes().filter(u8::is_ascii_digit);
    number(is_negative, digits, decimals)
}

/// The spaces that separate thousands: space, no-break space, figure space, thin space, narrow no-break space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}')
}

/// What stands before and after a decimal separator, which may be missing. What stands after is digits.
fn halves(text: &str, separator: char) -> Option<(&str, &str)> {
    match text.split_once(separator) {
        Some((whole, decimals)) => is_digits(decimals).then_some((whole, decimals)),
        None => Some((text, "")),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of these digits.
fn number(
    is_negative: bool,
    whole: impl Iterator<Item = u8>,
    decimals: &str,
) -> Result<Decimal, NumberError> {
    let digits = whole.chain(decimals.bytes());
    let mut significant = digits.skip_while(|digit| *digit == b'0');
    let mut magnitude = 0;
    for digit in significant.by_ref().take(MOST_DIGITS) {
        magnitude = magnitude * 10 + i128::from(digit - b'0');
    }
    if significant.next().is_some() || decimals.len() > MOST_DIGITS {
        return Err(NumberError::TooLong);
    }
    let scale = u32::try_from(decimals.len()).map_err(|_| NumberError::TooLong)?;
    let number = if is_negative { -magnitude } else { magnitude };
    Decimal::try_from_i128_with_scale(number, scale).map_err(|_| NumberError::TooLong)
}

/// How many decimals a number is written with: 0 to 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimals(u32);

impl Decimals {
    /// So many decimals; `None` if that is more than 28.
    #[must_use]
    pub fn new(count: u32) -> Option<Self> {
        (count <= Decimal::MAX_SCALE).then_some(Self(count))
    }
}

/// Writes a number with exactly so many decimals: `100.00`, `-1234.5`. Half is rounded away from zero, and a zero has no
/// sign.
#[must_use]
pub fn format_plain(number: Decimal, decimals: Decimals) -> String {
    let (is_negative, whole, fraction) = rounded(number, decimals);
    let sign = if is_negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// Writes a number in Norwegian with exactly so many decimals: `−1 234,50`, with a no-break space (U+00A0) between
/// thousands and the minus sign U+2212, as CLDR and so .NET write it for `nb`. Half is rounded away from zero, and a zero
/// has no sign.
#[must_use]
pub fn format_norwegian(number: Decimal, decimals: Decimals) -> String {
    let (is_negative, whole, fraction) = rounded(number, decimals);
    let mut text = String::new();
    if is_negative {
        text.push('\u{2212}');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push(',');
        text.push_str(&fraction);
    }
    text
}

/// Whether a rounded number is negative, and its digits before and after the decimal separator.
fn rounded(number: Decimal, Decimals(decimals): Decimals) -> (bool, String, String) {
    use rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    let number = number.round_dp_with_strategy(decimals, MidpointAwayFromZero);
    // A `Decimal` cannot hold 28 digits and more decimals; the zeros of those are added to the text.
    let scale = usize::try_from(number.scale()).unwrap_or_default();
    let mut digits = format!(
        "{:0>width$}",
        number.mantissa().unsigned_abs(),
        width = scale + 1
    );
    let mut fraction = digits.split_off(digits.len() - scale);
    let missing = usize::try_from(decimals)
        .unwrap_or_default()
        .saturating_sub(scale);
    fraction.extend(std::iter::repeat_n('0', missing));
    (
        number.is_sign_negative() && !number.is_zero(),
        digits,
        fraction,
    )
}

#[cfg(test)]
mod tests;
