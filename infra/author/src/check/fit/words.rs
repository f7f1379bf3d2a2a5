//! The small change of messages.

/// Names in a message: `` `a`, `b` ``.
pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Names of what there is, in a message; of many the first, and of none that there is none.
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
