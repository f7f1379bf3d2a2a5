//! The types of the filters of lists.

use rust_decimal::Decimal;

use crate::{
    language::{
        error::Problem,
        infer::{Applied, longest},
        types::{self, Kind, Type},
        typing::Inferred,
    },
    schema::limits::Limits,
};

pub(in crate::language) fn length<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let inferred = applied.inference.of(applied.of);
    let of = applied.of;
    applied.inference.expect(
        of,
        &inferred,
        &["a list", "a text", "a group of fields"],
        "a list or a text",
    );
    let mosts = inferred.known().map(|kind| match kind {
        Kind::List { most, .. } => *most,
        Kind::Text(limits) => longest(limits),
        Kind::Group(fields) => Some(fields.all().len() as u64),
        _ => None,
    });
    let most = mosts
        .collect::<Option<Vec<u64>>>()
        .and_then(|mosts| mosts.into_iter().max());
    let most = most.map_or(Decimal::from(types::MOST_ASSUMED), Decimal::from);
    Type::number(Decimal::ZERO, most, 0)
}

pub(in crate::language) fn list<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let (item, least, most) = applied.inference.list(applied.of);
    Applied::list_of(item, least, most)
}

pub(in crate::language) fn end<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let (item, least, _) = applied.inference.list(applied.of);
    if least == 0 { item.or_empty() } else { item }
}

pub(in crate::language) fn sum<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    /// Items of a list for which its schema names no limit.
    const ITEMS_ASSUMED: u64 = 100_000;
    let (item, _, most) = applied.inference.list(applied.of);
    let of = applied.of;
    let unfit = item
        .known()
        .find(|kind| !matches!(kind, Kind::Number { .. }));
    if let Some(unfit) = unfit {
        let is_certain = item
            .known()
            .all(|kind| !matches!(kind, Kind::Number { .. }));
        applied.inference.problem(
            of,
            is_certain,
            Problem::Item {
                is: unfit.words(),
                wanted: "a number",
            },
        );
    }
    let number = item.known().find_map(|kind| match kind {
        Kind::Number { limits, is_exact } => Some((limits.clone(), *is_exact)),
        _ => None,
    });
    let (limits, is_exact) = number.unwrap_or((Limits::default(), true));
    let (least, greatest, decimals) = types::bounds(&limits);
    let count = Decimal::from(most.unwrap_or(ITEMS_ASSUMED));
    let total = |bound: Decimal| bound.checked_mul(count);
    match (total(least), total(greatest)) {
        (Some(least), Some(most)) => {
            let (least, most) = (least.min(Decimal::ZERO), most.max(Decimal::ZERO));
            let whole = least.abs().max(most.abs()).trunc().to_string().len();
            if whole + decimals as usize > super::number::MAX_DIGITS {
                applied.inference.problem(of, false, Problem::DoesNotFit);
            }
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
        _ => {
            applied.inference.problem(of, false, Problem::DoesNotFit);
            Type::of(Kind::Number {
                limits: Limits::default(),
                is_exact,
            })
        }
    }
}

pub(in crate::language) fn join<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let separator = match applied.argument(0) {
        Some(argument) => longest(&applied.inference.as_text(argument)),
        None => Some(0),
    };
    let (item, _, most) = applied.inference.list(applied.of);
    let of = applied.of;
    let never_text =
        |kind: &&Kind<'s, 'a>| matches!(kind, Kind::Boolean | Kind::List { .. } | Kind::Group(_));
    if let Some(unfit) = item.known().find(never_text) {
        let is_certain = item.known().all(|kind| never_text(&kind));
        applied.inference.problem(
            of,
            is_certain,
            Problem::Item {
                is: unfit.words(),
                wanted: "a text",
            },
        );
        return Type::text(None);
    }
    let text = applied.inference.textable(of, &item);
    let length = longest(&text)
        .zip(separator)
        .map(|(text, separator)| text + separator);
    Type::text(
        length
            .zip(most)
            .map(|(length, most)| length.saturating_mul(most)),
    )
}
