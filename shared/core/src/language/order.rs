//! The order of values in a list.

use std::cmp::Ordering;

use super::{collation, error::Problem, value::Value};

/// Values by their keys, from the smallest to the largest; those of one key in the order of the list.
///
/// # Errors
/// [`Problem`] where two keys have no order.
pub(super) fn sorted<'a>(
    mut keyed: Vec<(Value<'a>, Value<'a>)>,
) -> Result<Vec<(Value<'a>, Value<'a>)>, Problem> {
    // A sort by an order that is not total may panic, so the keys are looked at first.
    if let Some((first, _)) = keyed.first() {
        for (key, _) in &keyed {
            let is_same = std::mem::discriminant(key) == std::mem::discriminant(first);
            if !is_same || order(key, key)? != Ordering::Equal {
                return Err(Problem::NoOrder);
            }
        }
    }
    keyed.sort_by(|(a, _), (b, _)| order(a, b).unwrap_or(Ordering::Equal));
    Ok(keyed)
}

/// The order of two values in a list: texts as a Norwegian dictionary has them.
fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Ordering, Problem> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(collation::compare(a, b)),
        _ => a.order(b)?.ok_or(Problem::NoOrder),
    }
}
