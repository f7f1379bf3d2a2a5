//! Where the apps and routes of the picture stand: apps in columns, so that routes lead to the right, but
//! for those that close a cycle, which lead back below everything.
//!
//! Lengths are in the picture's own units, about a pixel each.

use super::Graph;

/// Height of a line of text with what is around it.
const LINE: f64 = 18.0;
/// What one character takes of a line, in the picture's monospaced font.
const CHARACTER: f64 = 7.3;
/// Between the routes that leave an app.
const PORT: f64 = 2.0 * LINE + 8.0;
/// Around an app's name.
const PADDING: f64 = 14.0;
/// Between two apps of a column.
const SPACE: f64 = 28.0;
/// For the bend of a route, beside its label.
const BEND: f64 = 70.0;
/// Around all.
pub(super) const MARGIN: f64 = 16.0;
/// Between two routes that lead back.
const LANE: f64 = 14.0;

/// A point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// An app's box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Its upper left corner.
    pub(super) at: Point,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A route's line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// What it passes, start and end included.
    pub(super) points: Vec<Point>,
    /// Where its label begins.
    pub(super) label: Point,
    /// Whether it leads back.
    pub(super) back: bool,
}

/// The whole picture.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Node>,
    /// In the order of the graph's routes.
    pub(super) lines: Vec<Line>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// How wide a text is.
pub(super) fn width(text: &str) -> f64 {
    count(text.chars().count()) * CHARACTER
}

/// A count as a length; there are never so many that it matters how exact that is.
fn count(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slot {
    App(usize),
    /// A route on its way to a column further right.
    Passing(usize),
}

impl Layout {
    pub(super) fn of(graph: &Graph) -> Self {
        let back = leading_back(graph);
        let layer = layers(graph, &back);
        let columns = ordered(graph, &back, columns(graph, &back, &layer));
        let ports = |app: usize| graph.routes.iter().filter(|edge| edge.from == app).count();
        let height_of = |slot: &Slot| match slot {
            Slot::App(app) => (2.0 * PADDING + LINE).max(count(ports(*app)) * PORT),
            Slot::Passing(_) => 4.0,
        };
        let column_height = |column: &Vec<Slot>| {
            column.iter().map(height_of).sum::<f64>()
                + SPACE * count(column.len().saturating_sub(1))
        };
        let tallest = columns.iter().map(column_height).fold(0.0, f64::max);
        let empty = Node {
            at: Point { x: 0.0, y: 0.0 },
            width: 0.0,
            height: 0.0,
        };
        let mut nodes = vec![empty; graph.apps.len()];
        let mut bends: Vec<Vec<Point>> = vec![Vec::new(); graph.routes.len()];
        let mut x = MARGIN + LANE * count(back.iter().filter(|back| **back).count());
        for column in &columns {
            let widest = column.iter().filter_map(|slot| match slot {
                Slot::App(app) => graph.apps.get(*app).map(|app| width(app) + 2.0 * PADDING),
                Slot::Passing(_) => None,
            });
            let widest = widest.fold(0.0, f64::max);
            let mut y = MARGIN + (tallest - column_height(column)) / 2.0;
            for slot in column {
                let height = height_of(slot);
                match slot {
                    Slot::App(app) => {
                        if let Some(node) = nodes.get_mut(*app) {
                            *node = Node {
                                at: Point { x, y },
                                width: widest,
                                height,
                            };
                        }
                    }
                    Slot::Passing(route) => {
                        if let Some(bends) = bends.get_mut(*route) {
                            let y = y + height / 2.0;
                            bends.extend([Point { x, y }, Point { x: x + widest, y }]);
                        }
                    }
                }
                y += height + SPACE;
            }
            let leaves = |slot: &Slot, from: usize| matches!(slot, Slot::App(app) if *app == from);
            let labels = graph
                .routes
                .iter()
                .filter(|edge| column.iter().any(|slot| leaves(slot, edge.from)))
                .map(label_width);
            x += widest + labels.fold(0.0, f64::max) + BEND;
        }
        Self::lines(graph, &back, nodes, bends, tallest)
    }

    fn lines(
        graph: &Graph,
        back: &[bool],
        nodes: Vec<Node>,
        bends: Vec<Vec<Point>>,
        tallest: f64,
    ) -> Self {
        let mut lines = Vec::new();
        let mut lanes = 0;
        let at = |app: usize| nodes.get(app).copied();
        for (index, edge) in graph.routes.iter().enumerate() {
            let (Some(from), Some(to)) = (at(edge.from), at(edge.to)) else {
                continue;
            };
            let leaving: Vec<usize> =
                by_target(graph, &nodes, |other| other.from == edge.from, |it| it.to);
            let arriving: Vec<usize> =
                by_target(graph, &nodes, |other| other.to == edge.to, |it| it.from);
            let start = Point {
                x: from.at.x + from.width,
                y: port(&from, &leaving, index),
            };
            let end = Point {
                x: to.at.x,
                y: port(&to, &arriving, index),
            };
            let straight = start.x + label_width(edge);
            let mut points = vec![
                start,
                Point {
                    x: straight,
                    y: start.y,
                },
            ];
            let leads_back = back.get(index).copied().unwrap_or_default();
            if leads_back {
                lanes += 1;
                let lane = LANE * count(lanes);
                let below = MARGIN + tallest + SPACE + lane;
                let (right, left) = (straight + lane.min(BEND / 2.0), to.at.x - 12.0 - lane);
                points.extend([
                    Point {
                        x: right,
                        y: start.y,
                    },
                    Point { x: right, y: below },
                    Point { x: left, y: below },
                    Point { x: left, y: end.y },
                ]);
            } else {
                points.extend(bends.get(index).into_iter().flatten());
            }
            points.push(end);
            let label = Point {
                x: start.x + 8.0,
                y: start.y - 6.0,
            };
            lines.push(Line {
                points,
                label,
                back: leads_back,
            });
        }
        let right = nodes.iter().map(|node| node.at.x + node.width);
        let furthest = lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|point| point.x);
        let height = if lanes > 0 {
            tallest + SPACE + LANE * count(lanes)
        } else {
            tallest
        };
        Self {
            width: right.chain(furthest).fold(0.0, f64::max) + MARGIN,
            height: height + 2.0 * MARGIN,
            nodes,
            lines,
        }
    }
}

fn label_width(edge: &super::Edge) -> f64 {
    width(&edge.label()).max(width(&edge.marks.join(", "))) + 16.0
}

/// The routes that `of` an app, from the upper end to the lower.
fn by_target(
    graph: &Graph,
    nodes: &[Node],
    of: impl Fn(&super::Edge) -> bool,
    end: impl Fn(&super::Edge) -> usize,
) -> Vec<usize> {
    let y = |route: &usize| {
        let app = graph.routes.get(*route).map(&end);
        app.and_then(|app| nodes.get(app))
            .map_or(0.0, |node| node.at.y)
    };
    let routes = graph.routes.iter().enumerate().filter(|(_, edge)| of(edge));
    let mut routes: Vec<usize> = routes.map(|(index, _)| index).collect();
    routes.sort_by(|a, b| y(a).total_cmp(&y(b)).then(a.cmp(b)));
    routes
}

/// The height at which a route leaves or reaches an app.
fn port(node: &Node, routes: &[usize], route: usize) -> f64 {
    let index = routes
        .iter()
        .position(|known| *known == route)
        .unwrap_or_default();
    node.at.y + node.height * (count(index) + 0.5) / count(routes.len().max(1))
}

/// The routes that lead back to an app that led to where they start, as found from the first app on.
fn leading_back(graph: &Graph) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    fn visit(graph: &Graph, app: usize, state: &mut [State], back: &mut [bool]) {
        let mut stack = vec![(app, 0)];
        let set = |state: &mut [State], app: usize, to| {
            if let Some(state) = state.get_mut(app) {
                *state = to;
            }
        };
        set(state, app, State::Open);
        while let Some((app, next)) = stack.pop() {
            let edge = graph
                .routes
                .iter()
                .enumerate()
                .skip(next)
                .find(|(_, edge)| edge.from == app);
            let Some((index, edge)) = edge else {
                set(state, app, State::Done);
                continue;
            };
            stack.push((app, index + 1));
            match state.get(edge.to) {
                Some(State::Open) => {
                    if let Some(back) = back.get_mut(index) {
                        *back = true;
                    }
                }
                Some(State::New) => {
                    set(state, edge.to, State::Open);
                    stack.push((edge.to, 0));
                }
                _ => {}
            }
        }
    }
    let mut state = vec![State::New; graph.apps.len()];
    let mut back = vec![false; graph.routes.len()];
    let is_target = |app| {
        graph
            .routes
            .iter()
            .any(|edge| edge.to == app && edge.from != app)
    };
    let (first, rest): (Vec<usize>, Vec<usize>) =
        (0..graph.apps.len()).partition(|app| !is_target(*app));
    for app in first.into_iter().chain(rest) {
        if state.get(app) == Some(&State::New) {
            visit(graph, app, &mut state, &mut back);
        }
    }
    back
}

/// Each app's column: one to the right of every app that leads to it.
fn layers(graph: &Graph, back: &[bool]) -> Vec<usize> {
    let mut layer = vec![0; graph.apps.len()];
    // Without the routes that lead back, no way is longer than there are apps.
    for _ in 0..graph.apps.len() {
        let mut moved = false;
        for (edge, _) in graph.routes.iter().zip(back).filter(|(_, back)| !**back) {
            let after = layer.get(edge.from).map_or(0, |from| from + 1);
            if let Some(to) = layer.get_mut(edge.to)
                && *to < after
            {
                *to = after;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    layer
}

fn columns(graph: &Graph, back: &[bool], layer: &[usize]) -> Vec<Vec<Slot>> {
    let count = layer.iter().max().map_or(0, |last| last + 1);
    let mut columns: Vec<Vec<Slot>> = vec![Vec::new(); count];
    for (app, layer) in layer.iter().enumerate() {
        if let Some(column) = columns.get_mut(*layer) {
            column.push(Slot::App(app));
        }
    }
    for (index, edge) in graph.routes.iter().enumerate() {
        if back.get(index) == Some(&true) {
            continue;
        }
        let (Some(from), Some(to)) = (layer.get(edge.from), layer.get(edge.to)) else {
            continue;
        };
        for column in columns.iter_mut().take(*to).skip(from + 1) {
            column.push(Slot::Passing(index));
        }
    }
    columns
}

/// Each column in the order of what leads into it, so that few routes cross.
fn ordered(graph: &Graph, back: &[bool], mut columns: Vec<Vec<Slot>>) -> Vec<Vec<Slot>> {
    for index in 1..columns.len() {
        let (before, here) = columns.split_at_mut(index);
        let (Some(before), Some(here)) = (before.last(), here.first_mut()) else {
            continue;
        };
        let place = |slot: &Slot| before.iter().position(|known| known == slot);
        let from = |route: usize| {
            let passing = place(&Slot::Passing(route));
            passing.or_else(|| place(&Slot::App(graph.routes.get(route)?.from)))
        };
        let mean = |slot: &Slot| {
            let places: Vec<usize> = match slot {
                Slot::Passing(route) => from(*route).into_iter().collect(),
                Slot::App(app) => {
                    let leading = graph.routes.iter().enumerate().zip(back);
                    let leading = leading.filter(|((_, edge), back)| edge.to == *app && !**back);
                    leading.filter_map(|((route, _), _)| from(route)).collect()
                }
            };
            count(places.iter().sum()) / count(places.len().max(1))
        };
        here.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
    }
    columns
}
