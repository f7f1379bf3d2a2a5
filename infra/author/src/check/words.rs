//! Words for messages: the word that was probably meant, and lists of known words.

/// The known word that is nearest to `word`, if any is near.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    // A third of the letters may be wrong, in a short word one.
    let admitted = (word.chars().count() / 3).max(1);
    known
        .filter(|name| *name != word)
        .map(|name| {
            let distance = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
            (distance, name)
        })
        .filter(|(distance, _)| *distance <= admitted)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Names in a message: `` `a`, `b` ``.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// A list of names for a message: only the first of many, and `nothing` for none.
pub(super) fn known<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MAX_LISTED: usize = 20;
    let names: Vec<_> = names.collect();
    let listed = quoted(names.iter().take(MAX_LISTED).copied());
    match names.len() {
        0 => "nothing".into(),
        count if count > MAX_LISTED => format!("{listed} and {} more", count - MAX_LISTED),
        _ => listed,
    }
}

/// A number of characters.
pub(super) fn characters(count: u64) -> String {
    if count == 1 {
        "1 character".into()
    } else {
        format!("{count} characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_near_and_another_word_is_not() {
        let known = || ["since", "app", "when", "dataType"].into_iter();
        assert_eq!(nearest("sinse", known()), Some("since"));
        assert_eq!(nearest("datatype", known()), Some("dataType"));
        assert_eq!(nearest("ap", known()), Some("app"));
        assert_eq!(nearest("owner", known()), None);
        assert_eq!(nearest("app", known()), None);
    }
}
