//! The table of known differences. A difference without a row fails a test, and so does a row without a difference.

use std::collections::BTreeMap;

use super::compare::Difference;

/// A known difference.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Names of conversations, separated by spaces; `*` stands for any text within a name.
    pub conversations: &'static str,
    /// The place of the difference; `*` stands for any text.
    pub at: &'static str,
    /// Why the difference is accepted.
    pub why: &'static str,
}

impl Row {
    fn names(&self, conversation: &str, at: &str) -> bool {
        is_like(self.at, at)
            && self
                .conversations
                .split_whitespace()
                .any(|pattern| is_like(pattern, conversation))
    }
}

fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            rest.is_empty()
                || text
                    .char_indices()
                    .map(|(index, _)| &text[index..])
                    .chain([""])
                    .any(|text| is_like(rest, text))
        }),
    }
}

/// The result of all conversations.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Conversations without any difference.
    pub agreed: usize,
    /// Conversations whose differences are all in the table.
    pub named: usize,
    /// Differences that are not in the table, one per line.
    pub unnamed: Vec<String>,
    /// Rows of the table without a difference.
    pub gone: Vec<String>,
}

/// Judges the differences of each conversation, by name.
pub fn judge(table: &[Row], conversations: &BTreeMap<String, Vec<Difference>>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut used = vec![false; table.len()];
    for (name, differences) in conversations {
        let mut all_named = true;
        for difference in differences {
            let mut named = false;
            for (row, used) in table.iter().zip(&mut used) {
                if row.names(name, &difference.at) {
                    (*used, named) = (true, true);
                }
            }
            if !named {
                all_named = false;
                outcome.unnamed.push(format!("{name}: {difference}"));
            }
        }
        if differences.is_empty() {
            outcome.agreed += 1;
        } else if all_named {
            outcome.named += 1;
        }
    }
    // Each word of a pattern of names must match a conversation.
    for (row, used) in table.iter().zip(used) {
        let idle: Vec<&str> = row
            .conversations
            .split_whitespace()
            .filter(|pattern| {
                !conversations.iter().any(|(name, differences)| {
                    is_like(pattern, name) && differences.iter().any(|d| is_like(row.at, &d.at))
                })
            })
            .collect();
        if !used || !idle.is_empty() {
            outcome
                .gone
                .push(format!("{} at {} ({})", idle.join(" "), row.at, row.why));
        }
    }
    outcome
}

#[test]
fn a_row_without_a_difference_is_reported_like_a_new_difference() {
    let difference = |at: &str| Difference {
        at: at.to_owned(),
        recorded: String::new(),
        actual: String::new(),
    };
    let table = [
        Row {
            conversations: "create-* delete",
            at: "body.*",
            why: "",
        },
        Row {
            conversations: "read",
            at: "status",
            why: "",
        },
    ];
    let conversations = BTreeMap::from([
        ("create-a".to_owned(), vec![difference("body.x")]),
        ("create-b".to_owned(), vec![difference("status")]),
        ("read".to_owned(), Vec::new()),
    ]);
    let outcome = judge(&table, &conversations);
    assert_eq!((outcome.agreed, outcome.named), (1, 1));
    assert_eq!(outcome.unnamed.len(), 1, "{:?}", outcome.unnamed);
    assert_eq!(outcome.gone.len(), 2, "{:?}", outcome.gone);
}
