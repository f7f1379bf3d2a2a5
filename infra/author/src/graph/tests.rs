//! Tests of the graph.

use proptest::prelude::*;

use super::*;

fn route(name: &str, from: &str, to: &str) -> (String, String, String, Vec<String>) {
    (
        name.to_owned(),
        from.to_owned(),
        to.to_owned(),
        vec!["when completed".to_owned()],
    )
}

/// Whether one or more hops lead from an app to itself, computed by powers of the adjacency matrix.
fn some_power_has_a_diagonal(apps: usize, edges: &[(usize, usize)]) -> bool {
    let mut power = vec![vec![false; apps]; apps];
    for (from, to) in edges {
        power[*from][*to] = true;
    }
    let first = power.clone();
    (0..apps).any(|_| {
        let cyclic = (0..apps).any(|app| power[app][app]);
        let mut next = vec![vec![false; apps]; apps];
        for (row, next) in power.iter().zip(&mut next) {
            for (middle, there) in row.iter().enumerate().filter(|(_, there)| **there) {
                for (to, hop) in first[middle].iter().enumerate() {
                    next[to] |= *hop && *there;
                }
            }
        }
        power = next;
        cyclic
    })
}

fn edges() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0_usize..7, 0_usize..7), 1..12)
}

fn graph(edges: &[(usize, usize)]) -> Graph {
    let routes = edges.iter().enumerate().map(|(index, (from, to))| {
        route(
            &format!("r{index:02}"),
            &format!("ttd/a{from}"),
            &format!("ttd/a{to}"),
        )
    });
    Graph::between(routes)
}

proptest! {
    #[test]
    fn a_cycle_is_found_exactly_where_there_is_one(edges in edges()) {
        let graph = graph(&edges);
        prop_assert_eq!(graph.has_cycle(), some_power_has_a_diagonal(7, &edges));
        // Without the routes of the cycles there is no cycle.
        let rest: Vec<_> = graph.routes.iter().filter(|edge| !edge.cyclic).map(|edge| (edge.from, edge.to)).collect();
        prop_assert!(!some_power_has_a_diagonal(graph.apps.len(), &rest));
        let mut named: Vec<&String> = graph.cycles.iter().flatten().collect();
        named.sort();
        let cyclic: Vec<&String> = graph.routes.iter().filter(|edge| edge.cyclic).map(|edge| &edge.name).collect();
        prop_assert_eq!(named, cyclic);
    }

    #[test]
    fn the_text_names_each_route_once_and_each_app(edges in edges()) {
        let graph = graph(&edges);
        let tree = graph.text();
        let tree = tree.split("\ncycle:").next().unwrap_or_default();
        for edge in &graph.routes {
            prop_assert_eq!(tree.matches(&format!("─ {} →", edge.name)).count(), 1, "{}", tree);
        }
        for app in &graph.apps {
            prop_assert!(tree.contains(app.as_str()));
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_quotes(name in "\\PC{0,20}|[<>&\"'`\\\\|#;\\]\\[{}()\n\r\t]{1,8}") {
        let graph = Graph::between([route(&name, "ttd/a", &name)]);
        let mermaid = graph.mermaid();
        let [head, apps @ .., edge] = &mermaid.lines().collect::<Vec<_>>()[..] else { panic!("{mermaid}") };
        prop_assert_eq!(*head, "flowchart LR");
        prop_assert_eq!(apps.len(), graph.apps.len());
        for app in apps {
            prop_assert_eq!(app.matches('"').count(), 2, "{}", mermaid);
            prop_assert!(app.ends_with("\"]"), "{}", mermaid);
        }
        prop_assert_eq!(edge.matches('"').count(), 2, "{}", mermaid);
        prop_assert_eq!(edge.matches('<').count(), 1, "the break before the mark: {}", mermaid);
        let dot = graph.dot();
        prop_assert_eq!(dot.lines().count(), 3 + graph.apps.len() + 1 + 1, "{}", dot);
        for line in dot.lines().filter(|line| line.contains("label=")) {
            prop_assert_eq!(labels(line), 1, "{}", dot);
        }
    }
}

/// How many quoted texts a line of DOT has.
fn labels(line: &str) -> usize {
    let mut quotes = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '"' => quotes += 1,
            _ => {}
        }
    }
    assert_eq!(quotes % 2, 0, "{line}");
    quotes / 2
}

#[test]
fn a_cycle_is_dashed_in_mermaid_and_dot() {
    let graph = Graph::between([
        route("permit-to-casework", "ttd/permit", "ttd/casework"),
        route("casework-to-permit", "ttd/casework", "ttd/permit"),
        route("estate-to-archive", "ttd/estate", "ttd/archive"),
    ]);
    assert_eq!(
        graph.mermaid(),
        "\
flowchart LR
    a0[\"ttd/archive\"]
    a1[\"ttd/casework\"]
    a2[\"ttd/estate\"]
    a3[\"ttd/permit\"]
    a1 -.->|\"casework-to-permit (cycle)<br>when completed\"| a3
    a2 -->|\"estate-to-archive<br>when completed\"| a0
    a3 -.->|\"permit-to-casework (cycle)<br>when completed\"| a1
"
    );
    assert_eq!(
        graph.dot(),
        "\
digraph routes {
    rankdir=LR;
    node [shape=box];
    a0 [label=\"ttd/archive\"];
    a1 [label=\"ttd/casework\"];
    a2 [label=\"ttd/estate\"];
    a3 [label=\"ttd/permit\"];
    a1 -> a3 [label=\"casework-to-permit (cycle)\\nwhen completed\", style=dashed];
    a2 -> a0 [label=\"estate-to-archive\\nwhen completed\"];
    a3 -> a1 [label=\"permit-to-casework (cycle)\\nwhen completed\", style=dashed];
}
"
    );
}

#[test]
fn the_text_is_a_tree_of_routes_followed_by_the_cycles() {
    let graph = Graph::between([
        route("permit-to-casework", "ttd/permit", "ttd/casework"),
        route("casework-to-archive", "ttd/casework", "ttd/archive"),
        route("casework-to-permit", "ttd/casework", "ttd/permit"),
        route("estate-to-inheritance", "ttd/estate", "ttd/inheritance"),
    ]);
    assert_eq!(
        graph.text(),
        "\
ttd/estate
└─ estate-to-inheritance → ttd/inheritance   [when completed]
ttd/casework
├─ casework-to-archive → ttd/archive   [when completed]
└─ casework-to-permit → ttd/permit   [when completed]   ↺ cycle
   └─ permit-to-casework → ttd/casework   [when completed]   ↺ cycle

cycle: casework-to-permit (ttd/casework → ttd/permit), permit-to-casework (ttd/permit → ttd/casework): an instance leads to another one of its own app, and so on without end
"
    );
}
