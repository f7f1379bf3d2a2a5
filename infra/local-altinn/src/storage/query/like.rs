//! SQL's ILIKE.

/// Whether a text matches a pattern in any case. `%` stands for any text, `_` for one character.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    // The positions of the pattern that the text read so far can have reached.
    let mut reached = vec![false; pattern.len() + 1];
    let spread = |reached: &mut Vec<bool>| {
        for (index, char) in pattern.iter().enumerate() {
            if *char == '%' && reached[index] {
                reached[index + 1] = true;
            }
        }
    };
    reached[0] = true;
    spread(&mut reached);
    for char in text {
        let mut next = vec![false; pattern.len() + 1];
        for (index, wanted) in pattern.iter().enumerate() {
            if reached[index] {
                match wanted {
                    '%' => next[index] = true,
                    '_' => next[index + 1] = true,
                    wanted => next[index + 1] |= *wanted == char,
                }
            }
        }
        reached = next;
        spread(&mut reached);
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn wildcards_match_as_in_sql() {
        for (text, pattern, like) in [
            ("Oppfølging", "%FØLG%", true),
            ("abc", "a_c", true),
            ("abc", "a%", true),
            ("abc", "b%", false),
            ("", "%", true),
            ("a", "", false),
            ("aab", "%ab", true),
        ] {
            assert_eq!(is_like(text, pattern), like, "{text} {pattern}");
        }
    }
}
