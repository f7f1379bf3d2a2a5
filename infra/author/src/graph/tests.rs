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

/// Whether some number of hops, one at least, leads from an app to itself: by powers of the adjacency matrix.
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
        // Without the routes of the cycles there is none.
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
    fn the_picture_is_well_formed_and_holds_every_name_as_text(names in proptest::collection::vec("\\PC{1,20}|[<>&\"']{1,5}|\\x00[a-z]", 3), edges in edges()) {
        let routes = edges.iter().map(|(from, to)| route(&names[0], &format!("{}{from}", names[1]), &format!("{}{to}", names[2])));
        let graph = Graph::between(routes);
        for svg in [graph.svg(), graph.svg_file()] {
            let texts = texts(&svg);
            for edge in &graph.routes {
                let carried: String = edge.name.chars().filter(|c| *c != '\0').collect();
                prop_assert!(texts.iter().any(|text| text.starts_with(&carried)), "{carried:?} in {texts:?}");
            }
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn no_app_stands_on_another_and_nothing_leaves_the_picture(edges in edges()) {
        let graph = graph(&edges);
        let layout = layout::Layout::of(&graph);
        for (index, one) in layout.nodes.iter().enumerate() {
            prop_assert!(one.at.x + one.width <= layout.width && one.at.y + one.height <= layout.height);
            for other in layout.nodes.iter().skip(index + 1) {
                let apart = one.at.x + one.width <= other.at.x
                    || other.at.x + other.width <= one.at.x
                    || one.at.y + one.height <= other.at.y
                    || other.at.y + other.height <= one.at.y;
                prop_assert!(apart, "{one:?} {other:?}");
            }
        }
        for (line, edge) in layout.lines.iter().zip(&graph.routes) {
            for point in &line.points {
                prop_assert!((0.0..=layout.width).contains(&point.x) && (0.0..=layout.height).contains(&point.y), "{line:?}");
            }
            // A route starts at the right of its A and ends at the left of its B.
            let (from, to) = (layout.nodes[edge.from], layout.nodes[edge.to]);
            prop_assert_eq!(line.points.first().map(|p| p.x), Some(from.at.x + from.width));
            prop_assert_eq!(line.points.last().map(|p| p.x), Some(to.at.x));
        }
    }
}

/// The texts of an SVG document, read by an XML parser.
fn texts(svg: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut texts, mut text, mut depth) = (Vec::new(), String::new(), 0);
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth -= 1;
                texts.push(std::mem::take(&mut text));
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(name) => text.push(match &*name.xml10_content() {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                other => panic!("&{other};"),
            }),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    texts
}

#[test]
fn a_picture_needs_no_ids_styles_or_scripts() {
    let graph = graph(&[(0, 1), (1, 2), (2, 0), (1, 3)]);
    for forbidden in [" id=", " style=", "<style", "<script", "url(", "href"] {
        assert!(!graph.svg().contains(forbidden), "{forbidden}");
    }
    assert!(
        graph.svg().contains(r#"role="img""#)
            && graph
                .svg()
                .contains("<title>4 routes between 4 apps</title>")
    );
}

#[test]
fn routes_are_read_as_a_tree_with_their_cycles_below() {
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
