//! The graph in the language of Graphviz.

use std::fmt::Write;

use super::Graph;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = "digraph routes {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
    for (index, app) in graph.apps.iter().enumerate() {
        let _ = writeln!(text, "    a{index} [label=\"{}\"];", escaped(app));
    }
    for edge in &graph.routes {
        let mut label = escaped(&edge.label());
        for mark in &edge.marks {
            label.push_str("\\n");
            label.push_str(&escaped(mark));
        }
        let style = if edge.cyclic { ", style=dashed" } else { "" };
        let (from, to) = (edge.from, edge.to);
        let _ = writeln!(text, "    a{from} -> a{to} [label=\"{label}\"{style}];");
    }
    text.push_str("}\n");
    text
}

/// A text between quotes: a backslash would start an escape, and Graphviz reads HTML's entities.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}
