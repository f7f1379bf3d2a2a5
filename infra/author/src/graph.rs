//! The routes between apps, as text, Mermaid or Graphviz DOT.

mod dot;
mod mermaid;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stafett_core::route::{Mode, Route};

/// Apps, and the routes between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The apps' ids, sorted.
    pub apps: Vec<String>,
    /// The routes.
    pub routes: Vec<Edge>,
    /// The cycles: for each, the names of the routes over which an instance leads to another one of its own
    /// app, and so on without end.
    pub cycles: Vec<Vec<String>>,
}

/// A route from one app to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Its name.
    pub name: String,
    /// App A: its index among the apps.
    pub from: usize,
    /// App B, likewise.
    pub to: usize,
    /// The gate and whatever else marks it, a few words each.
    pub marks: Vec<String>,
    /// Whether it is part of a cycle.
    pub cyclic: bool,
}

impl Graph {
    /// The graph of these routes.
    #[must_use]
    pub fn of<'a>(routes: impl IntoIterator<Item = &'a Route>) -> Self {
        let routes = routes.into_iter().map(|route| {
            let (from, to) = (route.from.to_string(), route.to.app.to_string());
            (route.name.to_string(), from, to, marks(route))
        });
        Self::between(routes)
    }

    /// The graph of routes by name, app A, app B and marks.
    fn between(routes: impl IntoIterator<Item = (String, String, String, Vec<String>)>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort();
        let apps: BTreeSet<&String> = routes
            .iter()
            .flat_map(|(_, from, to, _)| [from, to])
            .collect();
        let index: BTreeMap<&String, usize> = apps
            .iter()
            .enumerate()
            .map(|(index, app)| (*app, index))
            .collect();
        let at = |app| index.get(app).copied().unwrap_or_default();
        let mut edges: Vec<Edge> = routes
            .iter()
            .map(|(name, from, to, marks)| Edge {
                name: name.clone(),
                from: at(from),
                to: at(to),
                marks: marks.clone(),
                cyclic: false,
            })
            .collect();
        let apps: Vec<String> = apps.into_iter().cloned().collect();
        let reach = reachable(apps.len(), &edges);
        let back = |edge: &Edge| reaches(&reach, edge.to, edge.from);
        // Routes between apps that reach each other in both directions belong to the same cycle.
        let mut cycles: BTreeMap<BTreeSet<usize>, Vec<String>> = BTreeMap::new();
        for edge in &mut edges {
            edge.cyclic = back(edge);
            if edge.cyclic {
                let both_ways = (0..apps.len())
                    .filter(|app| {
                        *app == edge.from
                            || (reaches(&reach, edge.from, *app)
                                && reaches(&reach, *app, edge.from))
                    })
                    .collect();
                cycles.entry(both_ways).or_default().push(edge.name.clone());
            }
        }
        Self {
            apps,
            routes: edges,
            cycles: cycles.into_values().collect(),
        }
    }

    /// Whether an instance can lead to another one of its own app.
    #[must_use]
    pub fn has_cycle(&self) -> bool {
        !self.cycles.is_empty()
    }

    /// A list of the apps with their routes, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// A flowchart in the language of Mermaid, which GitHub and many editors draw.
    #[must_use]
    pub fn mermaid(&self) -> String {
        mermaid::write(self)
    }

    /// A graph in the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::write(self)
    }

    /// The cycles, a line each.
    #[must_use]
    pub fn cycle_lines(&self) -> Vec<String> {
        let line = |names: &Vec<String>| {
            let of_cycle = self.routes.iter().filter(|edge| names.contains(&edge.name));
            let hops = of_cycle.map(|edge| {
                format!(
                    "{} ({} → {})",
                    edge.name,
                    self.app(edge.from),
                    self.app(edge.to)
                )
            });
            format!(
                "cycle: {}: an instance leads to another one of its own app, and so on without end",
                hops.collect::<Vec<_>>().join(", ")
            )
        };
        self.cycles.iter().map(line).collect()
    }

    fn app(&self, index: usize) -> &str {
        self.apps.get(index).map(String::as_str).unwrap_or_default()
    }
}

impl Edge {
    /// The text at its arrow.
    fn label(&self) -> String {
        if self.cyclic {
            format!("{} (cycle)", self.name)
        } else {
            self.name.clone()
        }
    }
}

/// What a diagram shows of a route beside its name.
fn marks(route: &Route) -> Vec<String> {
    let gate = match &route.gate {
        stafett_core::route::Gate::Completed => "when completed".to_owned(),
        stafett_core::route::Gate::Task(task) => format!("in {task}"),
    };
    let mut marks = vec![gate];
    marks.extend(
        route
            .each
            .iter()
            .map(|each| format!("one B per {}", each.name)),
    );
    if matches!(route.to.mode, Mode::Prefill { .. }) {
        marks.push("prefill".to_owned());
    }
    marks.extend(
        route
            .then
            .substatus
            .iter()
            .map(|_| "then substatus".to_owned()),
    );
    marks.extend(route.then.complete.then(|| "then complete".to_owned()));
    marks
}

/// The apps that each app reaches over one route or more.
fn reachable(apps: usize, edges: &[Edge]) -> Vec<BTreeSet<usize>> {
    (0..apps)
        .map(|start| {
            let mut reached = BTreeSet::new();
            let mut due = vec![start];
            while let Some(app) = due.pop() {
                for edge in edges.iter().filter(|edge| edge.from == app) {
                    if reached.insert(edge.to) {
                        due.push(edge.to);
                    }
                }
            }
            reached
        })
        .collect()
}

fn reaches(reach: &[BTreeSet<usize>], from: usize, to: usize) -> bool {
    from == to || reach.get(from).is_some_and(|reached| reached.contains(&to))
}

#[cfg(test)]
mod tests;
