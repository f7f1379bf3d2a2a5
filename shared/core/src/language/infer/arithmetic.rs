//! The types of sums, products and quotients: the bounds of the numbers, and whether they fit.

use rust_decimal::Decimal;

use super::{Inference, comparison::pairs, texts::joined};
use crate::{
    language::{
        error::Problem,
        number::{self, Number},
        syntax::{Expr, Operator},
        types::{self, Kind, Type},
    },
    schema::limits::Limits,
};

impl<'s, 'a> Inference<'_, 's, 'a> {
    /// The sum of two numbers, or two texts or lists as one.
    pub(super) fn plus(&mut self, whole: &Expr, left: &Expr, right: &Expr) -> Type<'s, 'a> {
        let (a, b) = (self.needed(left), self.needed(right));
        if a.is_unknown() || b.is_unknown() {
            return Type::unknown();
        }
        let mut sums = Vec::new();
        for (mine, other) in pairs(&a, &b) {
            sums.push(match (mine, other) {
                (Kind::Text(a), Kind::Text(b)) => Type::of(Kind::Text(joined(a, b))),
                (
                    Kind::List { least, most, .. },
                    Kind::List {
                        least: fewest,
                        most: greatest,
                        ..
                    },
                ) => {
                    let item = a.item().into_iter().chain(b.item()).reduce(Type::or);
                    let most = most.zip(*greatest).map(|(a, b)| a.saturating_add(b));
                    let least = least.saturating_add(*fewest);
                    Type::list(item.unwrap_or_else(Type::unknown), least, most)
                }
                (Kind::Number { .. }, Kind::Number { .. }) => {
                    let (a, b) = (Quantity::of(&a), Quantity::of(&b));
                    self.computed(whole, Operator::Plus, (left, &a), (right, &b))
                }
                _ => continue,
            });
        }
        if sums.len() < pairs(&a, &b).count() {
            self.not_alike(left, &a, right, &b, !sums.is_empty(), "a number");
        }
        let unknown = || Quantity::unknown(true);
        sums.into_iter().reduce(Type::or).unwrap_or_else(unknown)
    }

    /// Tells two values that are not always of one kind, and `wanted` where they never are.
    pub(super) fn not_alike(
        &mut self,
        left: &Expr,
        a: &Type<'s, 'a>,
        right: &Expr,
        b: &Type<'s, 'a>,
        is_possible: bool,
        wanted: &'static str,
    ) {
        let first = |inferred: &Type<'s, 'a>| inferred.known().next().map(Kind::words);
        if !is_possible {
            let unfit =
                |inferred: &Type<'s, 'a>| inferred.known().all(|kind| kind.words() != wanted);
            let (expr, of) = if unfit(a) { (left, a) } else { (right, b) };
            if let Some(is) = first(of) {
                self.problem(expr, true, Problem::Type { is, wanted });
            }
            return;
        }
        // The one that may be several things is the one to look at.
        let is_left = a.known().count() > 1;
        let (expr, of, other) = if is_left { (left, a, b) } else { (right, b, a) };
        let wanted = first(other).unwrap_or(wanted);
        let is = of.known().map(Kind::words).find(|words| *words != wanted);
        if let Some(is) = is {
            self.problem(expr, false, Problem::Type { is, wanted });
        }
    }

    pub(super) fn computed(
        &mut self,
        whole: &Expr,
        operator: Operator,
        (left, a): (&Expr, &Quantity<'a>),
        (right, b): (&Expr, &Quantity<'a>),
    ) -> Type<'s, 'a> {
        let (least, most, decimals) = types::bounds(&a.limits);
        let (fewest, greatest, places) = types::bounds(&b.limits);
        let compute = |a: Decimal, b: Decimal| {
            let (a, b) = (Number::from(a), Number::from(b));
            let result = match operator {
                Operator::Plus => a.plus(b),
                Operator::Minus => a.minus(b),
                _ => a.times(b),
            };
            result.ok().map(|number| number.value)
        };
        let corners = [
            compute(least, fewest),
            compute(least, greatest),
            compute(most, fewest),
            compute(most, greatest),
        ];
        let corners: Option<Vec<Decimal>> = corners.into_iter().collect();
        let bounds =
            corners.and_then(|corners| Some((*corners.iter().min()?, *corners.iter().max()?)));
        let is_exact = a.is_exact && b.is_exact;
        // A quotient times 100 has the same digits.
        let moves_point = operator == Operator::Times
            && (a.is_power_of_ten() && a.is_exact || b.is_power_of_ten() && b.is_exact);
        if moves_point && !is_exact {
            if let Some((least, most)) = bounds.filter(|(least, most)| fits(*least, *most, 0)) {
                return Quantity::within(least, most, 28, false);
            }
        } else {
            self.rounded(left, a);
            self.rounded(right, b);
        }
        let decimals = match operator {
            Operator::Times => decimals + places,
            _ => decimals.max(places),
        };
        match bounds {
            Some((least, most)) if !is_exact || fits(least, most, decimals) => {
                Quantity::within(least, most, decimals.min(28), is_exact)
            }
            _ => {
                self.problem(whole, false, Problem::DoesNotFit);
                Quantity::unknown(is_exact)
            }
        }
    }

    /// A number by which another one is divided.
    pub(super) fn not_zero(&mut self, expr: &Expr, number: &Quantity<'a>) {
        if number.is_known && number.may_be_zero() && !self.holds(expr, "true value") {
            let (least, most, _) = types::bounds(&number.limits);
            self.problem(expr, least.is_zero() && most.is_zero(), Problem::Zero);
        }
    }

    /// Tells a quotient that must be rounded before something else is made of it.
    pub(in crate::language) fn rounded(&mut self, expr: &Expr, number: &Quantity<'a>) {
        if !number.is_exact {
            self.problem(expr, false, Problem::NotRounded);
        }
    }

    pub(super) fn divided(
        &mut self,
        whole: &Expr,
        operator: Operator,
        (left, a): (&Expr, &Quantity<'a>),
        (right, b): (&Expr, &Quantity<'a>),
    ) -> Type<'s, 'a> {
        self.not_zero(right, b);
        let (least, most, decimals) = types::bounds(&a.limits);
        let (fewest, greatest, places) = types::bounds(&b.limits);
        if operator == Operator::DividedBy {
            // By a constant of twos and fives it ends.
            let ending = (fewest == greatest && a.is_exact && b.is_exact)
                .then(|| ending(fewest))
                .flatten()
                .map(|digits| decimals + digits);
            return match quotients(a, b) {
                Some((least, most)) => match ending {
                    Some(places) if fits(least, most, places) => {
                        Quantity::within(least, most, places, true)
                    }
                    _ => Quantity::within(least, most, 28, false),
                },
                None => {
                    self.problem(whole, false, Problem::DoesNotFit);
                    Quantity::unknown(false)
                }
            };
        }
        self.rounded(left, a);
        self.rounded(right, b);
        let divisor = fewest.abs().max(greatest.abs());
        // The remainder, and what is without it.
        let decimals = decimals.max(places);
        let reach = least.abs().max(most.abs()).checked_add(divisor);
        let fits = reach.is_some_and(|reach| fits(-reach, reach, decimals));
        let bounds = match operator {
            Operator::Remainder => {
                // A number that is not negative is at least what it leaves.
                let most = if least.is_sign_negative() {
                    divisor
                } else {
                    divisor.min(most)
                };
                Some((Decimal::ZERO, most, decimals))
            }
            // The whole part may be the next one, away from zero.
            _ => quotients(a, b).map(|(least, most)| {
                (
                    (least - Decimal::ONE).floor(),
                    (most + Decimal::ONE).ceil(),
                    0,
                )
            }),
        };
        match bounds {
            Some((least, most, decimals)) if fits => Quantity::within(least, most, decimals, true),
            _ => {
                self.problem(whole, false, Problem::DoesNotFit);
                Quantity::unknown(true)
            }
        }
    }
}

/// How many decimals a division by a constant adds where it always ends: those of a number of twos and fives.
pub(super) fn ending(divisor: Decimal) -> Option<u32> {
    let mut rest = divisor.normalize().mantissa().unsigned_abs();
    if rest == 0 {
        return None;
    }
    let mut counts = [0_u32, 0];
    for (prime, count) in [2, 5].into_iter().zip(&mut counts) {
        while rest.is_multiple_of(prime) {
            rest /= prime;
            *count += 1;
        }
    }
    (rest == 1).then(|| counts[0].max(counts[1]))
}

/// The bounds of all quotients of two numbers, of which the second one is not zero; `None` where no decimal holds them.
pub(super) fn quotients(a: &Quantity<'_>, b: &Quantity<'_>) -> Option<(Decimal, Decimal)> {
    let (least, most, _) = types::bounds(&a.limits);
    let (fewest, greatest, places) = types::bounds(&b.limits);
    // The divisor that is next to zero, on either side.
    let next = Decimal::try_new(1, places).ok()?;
    let divisors = match (fewest > Decimal::ZERO, greatest < Decimal::ZERO) {
        (false, false) => vec![fewest, -next, next, greatest],
        _ => vec![fewest, greatest],
    };
    let divisors = divisors
        .into_iter()
        .filter(|divisor| !divisor.is_zero() && (fewest..=greatest).contains(divisor));
    let quotients: Option<Vec<Decimal>> = divisors
        .flat_map(|divisor| [least.checked_div(divisor), most.checked_div(divisor)])
        .collect();
    let quotients = quotients?;
    match (quotients.iter().min(), quotients.iter().max()) {
        (Some(least), Some(most)) => Some((*least, *most)),
        // By nothing but zero.
        _ => Some((Decimal::ZERO, Decimal::ZERO)),
    }
}

/// Whether all numbers between two bounds with so many decimals are decimals.
pub(super) fn fits(least: Decimal, most: Decimal, decimals: u32) -> bool {
    let digits = |number: Decimal| {
        let whole = number.trunc().abs();
        if whole.is_zero() {
            0
        } else {
            whole.to_string().len()
        }
    };
    let whole = digits(least).max(digits(most));
    decimals <= 28 && whole + decimals as usize <= number::MAX_DIGITS
}

/// A number, as far as it is known.
pub(in crate::language) struct Quantity<'a> {
    pub(in crate::language) limits: Limits<'a>,
    pub(in crate::language) is_exact: bool,
    /// Whether its type is known to be a number: a schema that names no limits says that, too.
    pub(super) is_known: bool,
}

impl<'a> Quantity<'a> {
    pub(super) fn of(inferred: &Type<'_, 'a>) -> Self {
        let found = inferred.known().find_map(|kind| match kind {
            Kind::Number { limits, is_exact } => Some((limits.clone(), *is_exact)),
            _ => None,
        });
        let is_known = found.is_some();
        let (limits, is_exact) = found.unwrap_or((Limits::default(), true));
        Self {
            limits,
            is_exact,
            is_known,
        }
    }

    /// Whether it is 1, 10, 100 and so on.
    fn is_power_of_ten(&self) -> bool {
        let (least, most, _) = types::bounds(&self.limits);
        let digits = least.normalize().to_string();
        least == most && digits.starts_with('1') && digits.trim_end_matches('0') == "1"
    }

    /// Whether it may be zero.
    fn may_be_zero(&self) -> bool {
        let (least, most, _) = types::bounds(&self.limits);
        let is_excluded =
            self.limits.above && least.is_zero() || self.limits.below && most.is_zero();
        let is_listed = match &self.limits.admitted {
            Some(values) => values.iter().any(|value| {
                number::read(&value.to_string()).is_none_or(|number| number.is_zero())
            }),
            None => true,
        };
        least <= Decimal::ZERO && most >= Decimal::ZERO && !is_excluded && is_listed
    }

    pub(super) fn within<'s>(
        least: Decimal,
        most: Decimal,
        decimals: u32,
        is_exact: bool,
    ) -> Type<'s, 'a> {
        Type::of(Kind::Number {
            limits: Limits {
                minimum: Some(least),
                maximum: Some(most),
                decimals: Some(decimals),
                ..Limits::default()
            },
            is_exact,
        })
    }

    fn unknown<'s>(is_exact: bool) -> Type<'s, 'a> {
        Type::of(Kind::Number {
            limits: Limits::default(),
            is_exact,
        })
    }

    /// A number within other bounds, as exact as this one.
    pub(in crate::language) fn like<'s>(
        &self,
        least: Decimal,
        most: Decimal,
        decimals: u32,
    ) -> Type<'s, 'a> {
        Self::within(least, most, decimals, self.is_exact)
    }
}
