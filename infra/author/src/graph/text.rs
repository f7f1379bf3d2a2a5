//! The graph as a tree of text.

use std::{collections::BTreeSet, fmt::Write};

use super::{Edge, Graph};

pub(super) fn write(graph: &Graph) -> String {
    let mut tree = Tree {
        graph,
        text: String::new(),
        shown: BTreeSet::new(),
    };
    let is_target = |app| {
        graph
            .routes
            .iter()
            .any(|edge| edge.to == app && edge.from != app)
    };
    let leads_on = |app: &usize| graph.routes.iter().any(|edge| edge.from == *app);
    let all = || (0..graph.apps.len()).filter(leads_on);
    // Apps that no route leads to come first, then those that only a cycle leads to.
    for app in all()
        .filter(|app| !is_target(*app))
        .chain(all().filter(|app| is_target(*app)))
    {
        if !tree.shown.contains(&app) {
            let _ = writeln!(tree.text, "{}", graph.app(app));
            tree.below(app, "");
        }
    }
    for line in graph.cycle_lines() {
        let _ = write!(tree.text, "\n{line}\n");
    }
    tree.text
}

struct Tree<'g> {
    graph: &'g Graph,
    text: String,
    /// The apps whose routes have been written.
    shown: BTreeSet<usize>,
}

impl Tree<'_> {
    fn below(&mut self, app: usize, indent: &str) {
        if !self.shown.insert(app) {
            return;
        }
        let graph = self.graph;
        let edges: Vec<&Edge> = graph
            .routes
            .iter()
            .filter(|edge| edge.from == app)
            .collect();
        for (index, edge) in edges.iter().enumerate() {
            let last = index + 1 == edges.len();
            let (branch, rest) = if last {
                ("└─", "   ")
            } else {
                ("├─", "│  ")
            };
            let cycle = if edge.cyclic { "   ↺ cycle" } else { "" };
            let leads_on = graph.routes.iter().any(|next| next.from == edge.to);
            let again = if leads_on && self.shown.contains(&edge.to) && !edge.cyclic {
                "   (its routes stand above)"
            } else {
                ""
            };
            let _ = writeln!(
                self.text,
                "{indent}{branch} {} → {}   [{}]{cycle}{again}",
                edge.name,
                graph.app(edge.to),
                edge.marks.join(", ")
            );
            self.below(edge.to, &format!("{indent}{rest}"));
        }
    }
}
