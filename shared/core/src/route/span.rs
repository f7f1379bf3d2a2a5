//! Finds the bytes of a route file in which a piece of a scalar's text stands, however the scalar is quoted.

use std::ops::Range;

/// The bytes of `file` in which the bytes `piece` of a scalar's text stand. `start` is the byte at
/// which the scalar starts, its quote included.
///
/// `None` for a scalar whose text is not in the file as it is: it is folded, or escapes more than it must.
#[must_use]
pub fn range(file: &str, start: usize, text: &str, piece: Range<usize>) -> Option<Range<usize>> {
    let written = file.get(start..)?;
    let style = written.chars().next()?;
    let end_of = |offset: usize| {
        let before = as_written(text.get(..offset)?, style);
        written
            .starts_with(&*before)
            .then_some(start + before.len())
    };
    // The parser of expressions counts bytes: its piece can end inside of a character.
    let end = (piece.end..=text.len()).find(|&end| text.is_char_boundary(end))?;
    Some(end_of(piece.start)?..end_of(end)?)
}

/// The start of a scalar in the file, that begins with `text`, in the style that its first character shows.
fn as_written(text: &str, style: char) -> String {
    match style {
        '\'' => format!("'{}", text.replace('\'', "''")),
        '"' => format!("\"{}", text.replace('\\', r"\\").replace('"', r#"\""#)),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(scalar: &str, text: &str, piece: &str) -> Option<String> {
        let file = format!("tittel: {scalar}\n");
        let at = text.find(piece).unwrap();
        range(&file, 8, text, at..at + piece.len()).map(|range| file[range].to_owned())
    }

    #[test]
    fn a_piece_is_found_behind_quotes_and_what_they_escape() {
        let text = r#"data.a ~ 'Søknad' ~ "x" ~ wrong"#;
        for scalar in [
            text.to_owned(),
            format!("'{}'", text.replace('\'', "''")),
            format!("\"{}\"", text.replace('"', "\\\"")),
        ] {
            assert_eq!(piece(&scalar, text, "wrong").as_deref(), Some("wrong"));
        }
    }

    #[test]
    fn what_is_not_written_as_it_reads_is_not_found() {
        assert_eq!(piece("data.a\n  ~ x", "data.a ~ x", "x"), None);
        assert_eq!(piece("*title", "data.a", "data"), None);
        assert_eq!(piece(r#""S\u00f8knad ~ x""#, "Søknad ~ x", "x"), None);
    }
}
