//! The graph as a Mermaid flowchart.

use std::fmt::Write;

use super::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (index, app) in graph.apps.iter().enumerate() {
        let _ = writeln!(text, "    a{index}[\"{}\"]", escaped(app));
    }
    for edge in &graph.routes {
        let mut label = escaped(&edge.label());
        for mark in &edge.marks {
            label.push_str("<br>");
            label.push_str(&escaped(mark));
        }
        let (from, to) = (edge.from, edge.to);
        let arrow = if edge.cyclic { "-.->" } else { "-->" };
        let _ = writeln!(text, "    a{from} {arrow}|\"{label}\"| a{to}");
    }
    text
}

/// A text between quotes: what Mermaid, Markdown or HTML could take for markup is written as the number of its
/// character, and a character that ends a line as a space.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            character if character.is_alphanumeric() => escaped.push(character),
            ' ' | '-' | '/' | '.' | ',' | '(' | ')' => escaped.push(character),
            character if character.is_control() => escaped.push(' '),
            character => {
                let _ = write!(escaped, "#{};", u32::from(character));
            }
        }
    }
    escaped
}
