//! Words that were probably meant.

/// The known word that is nearest to `word`, if any is near.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    // A third of the letters may be wrong, and of a short word one.
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

/// Words in a message: `` `a`, `b` ``.
pub(super) fn listed(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_near_and_another_word_is_not() {
        let known = || ["since", "app", "when", "dataType"].into_iter();
        assert_eq!(nearest("sinse", known()), Some("since"));
        assert_eq!(nearest("datatype", known()), Some("dataType"));
        assert_eq!(nearest("ap", known()), Some("app"));
        assert_eq!(nearest("owner", known()), None);
        assert_eq!(nearest("app", known()), None);
    }
}
