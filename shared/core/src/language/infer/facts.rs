//! What a condition tells of the values in it.

use super::Fact;
use crate::language::syntax::{Expr, Kind as Node, Operator};

/// What holds where a condition is as `truth` says.
pub(in crate::language) fn facts(condition: &Expr, truth: bool) -> Vec<Fact> {
    match &condition.kind {
        Node::Name(_) | Node::Field { .. } if truth => fact(condition, Some("true value")),
        Node::Not(of) => facts(of, !truth),
        Node::Binary {
            operator,
            left,
            right,
        } => match operator {
            Operator::And if truth => [facts(left, true), facts(right, true)].concat(),
            Operator::Or if !truth => [facts(left, false), facts(right, false)].concat(),
            Operator::Equal => facts_of_equality(left, right, truth),
            Operator::Unequal => facts_of_equality(left, right, !truth),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => facts_of_order(left, right),
            Operator::In if truth => facts_of_membership(left, right),
            Operator::NotIn if !truth => facts_of_membership(left, right),
            _ => Vec::new(),
        },
        Node::Test {
            of,
            test,
            arguments,
            negated,
        } => {
            let holds = truth != *negated;
            match (test.name, arguments.first()) {
                ("none" | "undefined" | "empty", _) if holds => Vec::new(),
                ("none" | "undefined" | "empty", _) => fact(of, None),
                ("eq" | "equalto" | "sameas", Some(other)) => facts_of_equality(of, other, holds),
                ("ne", Some(other)) => facts_of_equality(of, other, !holds),
                ("lt" | "le" | "gt" | "ge" | "lessthan" | "greaterthan", Some(other)) => {
                    facts_of_order(of, other)
                }
                ("in", Some(container)) if holds => facts_of_membership(of, container),
                ("in", _) => Vec::new(),
                // A number was there, or there would be no answer.
                ("even" | "odd" | "divisibleby", _) => fact(of, None),
                (name, _) if holds => fact(of, Some(name)),
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// That a value is there, and a test holds for it.
pub(super) fn fact(expr: &Expr, test: Option<&'static str>) -> Vec<Fact> {
    let fact = expr.path().map(|path| Fact { path, test });
    fact.into_iter().collect()
}

/// Whether an expression is a value that is written there.
pub(super) fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        Node::Text(_) | Node::Number(_) | Node::Boolean(_) => true,
        Node::Negative(of) => matches!(of.kind, Node::Number(_)),
        _ => false,
    }
}

/// What holds where two values are equal, or are not.
pub(super) fn facts_of_equality(left: &Expr, right: &Expr, is_equal: bool) -> Vec<Fact> {
    let is_none = |expr: &Expr| matches!(expr.kind, Node::None);
    match is_equal {
        true if is_literal(right) => fact(left, None),
        true if is_literal(left) => fact(right, None),
        false if is_none(right) => fact(left, None),
        false if is_none(left) => fact(right, None),
        _ => Vec::new(),
    }
}

/// What holds where two values have been brought into an order: both were there, or there would be no answer.
pub(super) fn facts_of_order(left: &Expr, right: &Expr) -> Vec<Fact> {
    [fact(left, None), fact(right, None)].concat()
}

/// What holds where a value is in a list.
pub(super) fn facts_of_membership(part: &Expr, container: &Expr) -> Vec<Fact> {
    match &container.kind {
        Node::List(items) if items.iter().all(is_literal) => fact(part, None),
        _ => Vec::new(),
    }
}
