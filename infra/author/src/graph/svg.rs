//! The graph as SVG.
//!
//! Presentation attributes only: a page's content security policy forbids styles in the page. No ids:
//! several pictures may stand on one page. What a picture shows stands in its `desc` as well.

use std::fmt::Write;

use quick_xml::escape::escape;

use super::{
    Graph,
    layout::{Layout, Line, Point},
};

/// What the picture stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// A page, whose text colour it takes.
    Page,
    /// White.
    White,
}

/// Radius of a corner.
const CORNER: f64 = 8.0;
/// Length of an arrow's head.
const HEAD: f64 = 9.0;

pub(super) fn write(graph: &Graph, on: On) -> String {
    let layout = Layout::of(graph);
    let mut svg = String::new();
    let color = match on {
        On::Page => "",
        On::White => r##" color="#1b1b1b""##,
    };
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" fill="none" stroke="currentColor" stroke-width="1.5" font-family="ui-monospace, monospace" font-size="12"{color}>"#
    );
    let _ = write!(svg, "<title>{}</title>", clean(&title(graph)));
    let _ = write!(svg, "<desc>{}</desc>", clean(&description(graph)));
    if on == On::White {
        let _ = write!(
            svg,
            r##"<rect width="{width}" height="{height}" fill="#ffffff" stroke="none"/>"##
        );
    }
    for (node, app) in layout.nodes.iter().zip(&graph.apps) {
        let (x, y) = (node.at.x, node.at.y);
        let _ = write!(
            svg,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" rx="6" fill="currentColor" fill-opacity="0.06"/>"#,
            node.width, node.height
        );
        let (middle, base) = (x + node.width / 2.0, y + node.height / 2.0 + 4.0);
        text(
            &mut svg,
            Point { x: middle, y: base },
            app,
            r#" font-weight="bold" text-anchor="middle""#,
        );
    }
    for (line, edge) in layout.lines.iter().zip(&graph.routes) {
        let dashes = if edge.cyclic {
            r#" stroke-dasharray="6 4""#
        } else {
            ""
        };
        let _ = write!(svg, r#"<path d="{}"{dashes}/>"#, path(line));
        head(&mut svg, line);
        let Point { x, y } = line.label;
        text(&mut svg, Point { x, y }, &edge.label(), "");
        text(
            &mut svg,
            Point { x, y: y + 20.0 },
            &edge.marks.join(", "),
            r#" fill-opacity="0.8""#,
        );
    }
    svg.push_str("</svg>");
    svg
}

fn title(graph: &Graph) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} between {}",
        count(graph.routes.len(), "route"),
        count(graph.apps.len(), "app")
    )
}

fn description(graph: &Graph) -> String {
    let routes = graph.routes.iter().map(|edge| {
        let marks = edge.marks.join(", ");
        format!(
            "{}: from {} to {} ({marks}).",
            edge.name,
            graph.app(edge.from),
            graph.app(edge.to)
        )
    });
    let cycles = graph
        .cycle_lines()
        .into_iter()
        .map(|line| format!("{line}."));
    routes.chain(cycles).collect::<Vec<_>>().join(" ")
}

fn text(svg: &mut String, at: Point, text: &str, attributes: &str) {
    let _ = write!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" fill="currentColor" stroke="none"{attributes}>{}</text>"#,
        at.x,
        at.y,
        clean(text)
    );
}

/// Escaped, and without what XML cannot carry.
fn clean(text: &str) -> String {
    let carried = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    let text: String = text.chars().filter(carried).collect();
    escape(text.as_str()).into_owned()
}

/// To the right in curves, back in straight lines with round corners.
fn path(line: &Line) -> String {
    let mut path = String::new();
    let mut points = line.points.iter().copied();
    let Some(mut here) = points.next() else {
        return path;
    };
    let _ = write!(path, "M{:.1} {:.1}", here.x, here.y);
    if line.back {
        let rest: Vec<Point> = points.collect();
        for (index, corner) in rest.iter().enumerate() {
            match rest.get(index + 1) {
                Some(next) => {
                    let (before, after) = (toward(*corner, here), toward(*corner, *next));
                    let _ = write!(
                        path,
                        " L{:.1} {:.1} Q{:.1} {:.1} {:.1} {:.1}",
                        before.x, before.y, corner.x, corner.y, after.x, after.y
                    );
                }
                None => {
                    let _ = write!(path, " L{:.1} {:.1}", corner.x - HEAD / 2.0, corner.y);
                }
            }
            here = *corner;
        }
        return path;
    }
    for (index, point) in points.enumerate() {
        if index == 0 {
            let _ = write!(path, " L{:.1} {:.1}", point.x, point.y);
        } else {
            let half = (point.x - here.x) / 2.0;
            let _ = write!(
                path,
                " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                here.x + half,
                here.y,
                point.x - half,
                point.y,
                point.x,
                point.y
            );
        }
        here = point;
    }
    path
}

/// The point beside `corner`, on the way to `other`.
fn toward(corner: Point, other: Point) -> Point {
    let (dx, dy) = (other.x - corner.x, other.y - corner.y);
    let length = dx.hypot(dy);
    if length < 1.0 {
        return corner;
    }
    let part = CORNER.min(length / 2.0) / length;
    Point {
        x: corner.x + dx * part,
        y: corner.y + dy * part,
    }
}

fn head(svg: &mut String, line: &Line) {
    if let Some(end) = line.points.last() {
        let (x, y, back, half) = (end.x, end.y, end.x - HEAD, HEAD / 2.0);
        let _ = write!(
            svg,
            r#"<path d="M{x:.1} {y:.1} L{back:.1} {:.1} L{back:.1} {:.1} Z" fill="currentColor" stroke="none"/>"#,
            y - half,
            y + half
        );
    }
}
