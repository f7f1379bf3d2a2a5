//! Exact decimals: 28 digits, as .NET's `decimal` has them, and never rounded without a word.

use std::cmp::Ordering;

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

/// The most significant digits of a number in the text of an expression.
pub const MAX_DIGITS: usize = 28;

/// Why a number in the text of an expression is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LiteralProblem {
    /// It begins with a zero that does not count.
    #[error("is no number: a number has no leading zero")]
    LeadingZero,
    /// It has something else than digits and one point.
    #[error("is no number: a number is digits, and a point before its decimals")]
    Form,
    /// It has too many digits.
    #[error("has too many digits")]
    Digits,
}

/// The number that is written as `text` in an expression.
///
/// # Errors
/// [`LiteralProblem`] for anything but digits with at most one point between them.
pub fn literal(text: &str) -> Result<Decimal, LiteralProblem> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return Err(LiteralProblem::Form);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(LiteralProblem::LeadingZero);
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits > MAX_DIGITS {
        return Err(LiteralProblem::Digits);
    }
    Decimal::from_str_exact(text).map_err(|_| LiteralProblem::Digits)
}

/// The number that `text` is in JSON or XML, exponent and all; `None` where it does not fit exactly.
#[must_use]
pub fn read(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let negative = whole.starts_with('-');
    let digits: String = whole
        .trim_start_matches(['-', '+'])
        .chars()
        .chain(fraction.chars())
        .collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The scale that is written, which a text of the number keeps: 100.00.
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        let scale = u32::try_from(scale.clamp(0, 28)).ok()?;
        return Some(Decimal::new(0, scale));
    }
    let mut significant = significant.to_owned();
    let mut scale = scale;
    while scale > 28 && significant.ends_with('0') {
        significant.pop();
        scale -= 1;
    }
    while scale < 0 {
        // No decimal has more digits than these.
        if significant.len() > 29 {
            return None;
        }
        significant.push('0');
        scale += 1;
    }
    let mantissa: i128 = significant.parse().ok()?;
    let mantissa = if negative { -mantissa } else { mantissa };
    Decimal::try_from_i128_with_scale(mantissa, u32::try_from(scale).ok()?).ok()
}

/// A number on its way through an expression.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    /// The number, or the nearest decimal of a quotient.
    pub value: Decimal,
    /// Whether the decimal is the number; a quotient that never ends must be rounded first.
    pub is_exact: bool,
}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        Self {
            value,
            is_exact: true,
        }
    }
}

/// An operation whose result is not a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberProblem {
    /// It has too many digits.
    DoesNotFit,
    /// The divisor is zero.
    Zero,
}

type Operation = Result<Number, NumberProblem>;

impl Number {
    fn carried(self, other: Self, value: Option<Decimal>) -> Operation {
        let value = value.ok_or(NumberProblem::DoesNotFit)?;
        Ok(Self {
            value,
            is_exact: self.is_exact && other.is_exact,
        })
    }

    /// The sum.
    ///
    /// # Errors
    /// [`NumberProblem::DoesNotFit`] where the exact sum is no decimal.
    pub fn plus(self, other: Self) -> Operation {
        let sum = exactly(self.value, other.value, |a, b| {
            Some((a.checked_add(b)?, a.scale().max(b.scale())))
        });
        self.carried(other, sum)
    }

    /// The difference.
    ///
    /// # Errors
    /// As [`Self::plus`].
    pub fn minus(self, other: Self) -> Operation {
        let negative = Self {
            value: -other.value,
            ..other
        };
        self.plus(negative)
    }

    /// The product.
    ///
    /// # Errors
    /// As [`Self::plus`].
    pub fn times(self, other: Self) -> Operation {
        let product = product(self.value, other.value);
        self.carried(other, product)
    }

    /// The quotient, which is not exact where it never ends.
    ///
    /// # Errors
    /// [`NumberProblem`]
    pub fn divided_by(self, other: Self) -> Operation {
        if other.value.is_zero() {
            return Err(NumberProblem::Zero);
        }
        let quotient = self
            .value
            .checked_div(other.value)
            .ok_or(NumberProblem::DoesNotFit)?;
        let back = Self::from(quotient).times(other.value.into());
        let is_exact = back.is_ok_and(|back| back.value == self.value);
        Ok(Self {
            value: quotient.normalize(),
            is_exact: is_exact && self.is_exact && other.is_exact,
        })
    }

    /// The whole part of the quotient, such that the remainder is not negative.
    ///
    /// # Errors
    /// [`NumberProblem`]
    pub fn whole_divided_by(self, other: Self) -> Operation {
        let rest = self.remainder(other)?;
        let whole = self.minus(rest)?.divided_by(other)?;
        Ok(Self {
            value: whole.value.round(),
            is_exact: self.is_exact && other.is_exact,
        })
    }

    /// What a whole division leaves, which is never negative.
    ///
    /// # Errors
    /// [`NumberProblem`]
    pub fn remainder(self, other: Self) -> Operation {
        if other.value.is_zero() {
            return Err(NumberProblem::Zero);
        }
        let rest = self.carried(other, self.value.checked_rem(other.value))?;
        if rest.value.is_sign_negative() && !rest.value.is_zero() {
            let magnitude = Self {
                value: other.value.abs(),
                ..other
            };
            return rest.plus(magnitude);
        }
        Ok(rest)
    }

    /// Rounded to `places` decimals, or before the point where `places` is negative.
    ///
    /// # Errors
    /// [`NumberProblem::DoesNotFit`] where the rounded number is no decimal.
    pub fn rounded(self, places: i32, how: Rounding) -> Operation {
        let strategy = match how {
            Rounding::HalfAwayFromZero => RoundingStrategy::MidpointAwayFromZero,
            Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
            Rounding::Up => RoundingStrategy::ToPositiveInfinity,
            Rounding::Down => RoundingStrategy::ToNegativeInfinity,
            Rounding::TowardsZero => RoundingStrategy::ToZero,
        };
        let value = match u32::try_from(places) {
            Ok(places) => self.value.round_dp_with_strategy(places.min(28), strategy),
            Err(_) => {
                // No unit is larger than the decimals that are counted on.
                let factor =
                    power_of_ten(places.unsigned_abs()).ok_or(NumberProblem::DoesNotFit)?;
                let rest = self.value % factor;
                // What is left counts as less than a half, a half, or more: nothing else decides.
                let part = match (rest.abs() * Decimal::TWO).cmp(&factor) {
                    _ if rest.is_zero() => Decimal::ZERO,
                    Ordering::Less => Decimal::new(25, 2),
                    Ordering::Equal => Decimal::new(50, 2),
                    Ordering::Greater => Decimal::new(75, 2),
                };
                let part = if rest.is_sign_negative() { -part } else { part };
                ((self.value - rest) / factor + part)
                    .round_dp_with_strategy(0, strategy)
                    .checked_mul(factor)
                    .ok_or(NumberProblem::DoesNotFit)?
            }
        };
        Ok(value.into())
    }
}

/// How a number is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Half away from zero: 2.5 is 3, and -2.5 is -3.
    HalfAwayFromZero,
    /// Half to the even neighbour: 2.5 is 2, and 3.5 is 4.
    HalfEven,
    /// To the next larger number.
    Up,
    /// To the next smaller number.
    Down,
    /// To the next number towards zero.
    TowardsZero,
}

/// Ten to the power of `exponent`; `None` where no decimal holds it.
pub(super) fn power_of_ten(exponent: u32) -> Option<Decimal> {
    let power = 10_i128.checked_pow(exponent.min(28))?;
    Decimal::try_from_i128_with_scale(power, 0).ok()
}

/// The result of an operation on decimals if it is exact: the crate rounds a result that has more digits than fit, and its
/// scale shows that.
fn exactly(
    a: Decimal,
    b: Decimal,
    operation: impl Fn(Decimal, Decimal) -> Option<(Decimal, u32)>,
) -> Option<Decimal> {
    let exact = |a: Decimal, b: Decimal| {
        let (result, scale) = operation(a, b)?;
        (result.scale() == scale || result.is_zero() && (a.is_zero() || b.is_zero()))
            .then_some(result)
    };
    exact(a, b).or_else(|| exact(a.normalize(), b.normalize()))
}

/// The exact product, with the decimals of both where they fit.
fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (mut a, mut b, mut scale) = (a.mantissa(), b.mantissa(), a.scale() + b.scale());
    loop {
        let fits = a
            .checked_mul(b)
            .and_then(|product| Decimal::try_from_i128_with_scale(product, scale).ok());
        if fits.is_some() || scale == 0 {
            return fits;
        }
        // A zero at the end of the product takes no digit: it is a ten in one of them, or a five and a two in both.
        let tens = [(10, 1), (1, 10), (5, 2), (2, 5)];
        let (x, y) = tens.into_iter().find(|(x, y)| a % x == 0 && b % y == 0)?;
        (a, b, scale) = (a / x, b / y, scale - 1);
    }
}

/// Plain decimal notation, with the decimals that the number has: 100.00 stays 100.00.
#[must_use]
pub fn text(value: Decimal) -> String {
    // Altinn's .NET writes no sign before a zero.
    if value.is_zero() {
        value.abs().to_string()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests;
