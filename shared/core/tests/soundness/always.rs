//! Which pieces of an expression are evaluated for every instance.

use std::{collections::HashSet, ops::Range};

use stafett_core::language::{Expr, Kind, Operator};

/// The places of an expression, by whether what stands there is evaluated for every instance.
#[derive(Default)]
pub(crate) struct Always {
    always: HashSet<Range<usize>>,
    maybe: HashSet<Range<usize>>,
}

impl Always {
    pub(crate) fn of(tree: &Expr) -> Self {
        let mut found = Self::default();
        found.visit(tree, true);
        found
    }

    /// Whether all that stands at a place is evaluated for every instance.
    pub(crate) fn has(&self, place: &Range<usize>) -> bool {
        self.always.contains(place) && !self.maybe.contains(place)
    }

    fn visit(&mut self, expr: &Expr, is_always: bool) {
        let mut add = |place: &Range<usize>, is_always: bool| {
            let places = if is_always {
                &mut self.always
            } else {
                &mut self.maybe
            };
            places.insert(place.clone());
        };
        add(&expr.span, is_always);
        // How many of the children, from the first, are evaluated whenever this node is.
        let children = expr.children();
        let sure = match &expr.kind {
            Kind::Choice { .. } => {
                for (index, child) in children.iter().enumerate() {
                    self.visit(child, is_always && index == 1);
                }
                return;
            }
            Kind::Binary {
                operator: Operator::And | Operator::Or,
                ..
            }
            | Kind::Map { .. }
            | Kind::Keep { .. } => 1,
            // An item may be wrong, and there may be none; the list stands for its items in a message.
            Kind::By { of, .. } => {
                add(&of.span, false);
                1
            }
            // In nothing there is no item, whatever the index.
            Kind::Item { .. } => 1,
            Kind::Filter { of, filter, .. } => match filter.name {
                "join" | "sum" => {
                    add(&of.span, false);
                    children.len()
                }
                "default" | "d" => 1,
                "translate" => 2,
                _ => children.len(),
            },
            Kind::Test { test, .. } => match test.name {
                "startingwith" | "endingwith" => 1,
                _ => children.len(),
            },
            Kind::Field { place, .. } => {
                add(place, is_always);
                children.len()
            }
            _ => children.len(),
        };
        for (index, child) in children.into_iter().enumerate() {
            self.visit(child, is_always && index < sure);
        }
    }
}
