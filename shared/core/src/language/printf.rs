//! The patterns of `format`: `'%.2f' | format(x)`.

use rust_decimal::Decimal;

use super::{error::Problem, reading::Decimals};

/// A piece of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// Is written as it stands.
    Text(&'p str),
    /// Stands for the next value.
    Value(Form),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `%s`
    Text,
    /// `%.2f`
    Fixed(Decimals),
    /// `%d`, `%05d`
    Whole {
        /// At least so many digits.
        width: usize,
    },
}

/// The pieces of a pattern.
///
/// # Errors
/// [`Problem::NoPattern`] for anything but `%s`, `%d`, `%05d`, `%.2f` and `%%` behind a `%`.
pub(super) fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, Problem> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (piece, length) = piece(after).ok_or(Problem::NoPattern)?;
        pieces.push(piece);
        rest = after.get(length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The piece behind a `%`, and how long it is.
fn piece(after: &str) -> Option<(Piece<'_>, usize)> {
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (flags, kind) = (after.get(..end)?, after.get(end..=end)?);
    let piece = match (flags, kind) {
        ("", "%") => Piece::Text("%"),
        ("", "s") => Piece::Value(Form::Text),
        ("", "d") => Piece::Value(Form::Whole { width: 0 }),
        ("", "f") => Piece::Value(Form::Fixed(Decimals::new(6)?)),
        (width, "d") => {
            let width = width
                .strip_prefix('0')?
                .parse()
                .ok()
                .filter(|width| *width <= 28)?;
            Piece::Value(Form::Whole { width })
        }
        (places, "f") => {
            let places = places.strip_prefix('.')?.parse().ok()?;
            Piece::Value(Form::Fixed(Decimals::new(places)?))
        }
        _ => return None,
    };
    Some((piece, end + 1))
}

/// A whole number with zeros before it.
pub(super) fn padded(number: Decimal, width: usize) -> String {
    let digits = number.abs().to_string();
    let sign = if number.is_sign_negative() && !number.is_zero() {
        "-"
    } else {
        ""
    };
    let width = width.saturating_sub(sign.len());
    format!("{sign}{digits:0>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_taken_apart_or_refused() {
        assert_eq!(
            pieces("kr %.2f (%05d %s) 100 %%"),
            Ok(vec![
                Piece::Text("kr "),
                Piece::Value(Form::Fixed(Decimals::new(2).unwrap())),
                Piece::Text(" ("),
                Piece::Value(Form::Whole { width: 5 }),
                Piece::Text(" "),
                Piece::Value(Form::Text),
                Piece::Text(") 100 "),
                Piece::Text("%"),
            ])
        );
        for refused in ["%", "%x", "%5d", "%.f", "%.29f", "%é", "%099d"] {
            assert_eq!(pieces(refused), Err(Problem::NoPattern), "{refused}");
        }
        assert_eq!(padded(Decimal::new(-7, 0), 4), "-007");
    }
}
