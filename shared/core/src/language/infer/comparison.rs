//! Comparisons and tests: which values may be compared, and which texts can be read as what they are compared with.

use super::{DoubtKind, Inference, Quantity};
use crate::language::{
    error::Problem,
    syntax::Expr,
    types::{Kind, Type},
};

impl<'s, 'a> Inference<'_, 's, 'a> {
    /// A test of a value, which asks for as much of the value and of its argument as the evaluation does.
    pub(super) fn test(&mut self, whole: &Expr, of: &Expr, name: &str, argument: Option<&Expr>) {
        match (name, argument) {
            ("even" | "odd", _) => {
                self.integer(of);
            }
            ("divisibleby", Some(divisor)) => {
                self.integer(of);
                let inferred = self.needed(divisor);
                self.expect(divisor, &inferred, &["a number"], "a number");
                self.exact(divisor, &inferred);
                self.not_zero(divisor, &Quantity::of(&inferred));
            }
            ("eq" | "equalto" | "sameas" | "ne", Some(other)) => self.compared(whole, of, other),
            ("in", Some(container)) => self.contained(whole, of, container),
            ("lt" | "le" | "gt" | "ge" | "lessthan" | "greaterthan", Some(other)) => {
                self.ordered(of, other);
            }
            ("startingwith" | "endingwith", Some(piece)) => {
                // What is empty neither starts nor ends with anything.
                let inferred = self.of(of);
                self.expect(of, &inferred, &["a text"], "a text");
                self.text(piece);
            }
            _ => {
                self.of(of);
            }
        }
    }

    /// Two values that are compared for being the same.
    pub(super) fn compared(&mut self, whole: &Expr, left: &Expr, right: &Expr) {
        let (a, b) = (self.of(left), self.of(right));
        self.comparable(whole, &a, &b);
        self.exact(left, &a);
        self.exact(right, &b);
    }

    /// A value that is looked for in a list, a text or a group; in what is empty there is nothing.
    pub(super) fn contained(&mut self, whole: &Expr, part: &Expr, container: &Expr) {
        let wanted = self.of(part);
        let inferred = self.of(container);
        self.expect(
            container,
            &inferred,
            &["a list", "a text", "a group of fields"],
            "a list or a text",
        );
        if let Some(item) = inferred.item() {
            self.comparable(whole, &wanted, &item);
            self.exact(part, &wanted);
            self.exact(container, &item);
        }
        let holds_texts = |kind: &Kind<'s, 'a>| matches!(kind, Kind::Text(_) | Kind::Group(_));
        if inferred.known().any(holds_texts) {
            // A list may hold anything, and what is empty holds nothing.
            let is_certain = inferred.known().all(holds_texts) && !inferred.may_be_empty;
            self.certain_if(is_certain, |this| {
                let wanted = this.needed(part);
                this.expect(part, &wanted, &["a text"], "a text");
            });
        }
    }

    /// Tells two values that are never equal, whatever A has.
    pub(super) fn comparable(&mut self, whole: &Expr, a: &Type<'s, 'a>, b: &Type<'s, 'a>) {
        let (Some(left), Some(right)) = (&a.kinds, &b.kinds) else {
            return;
        };
        let moments = ["a date", "a date with a time", "a time of day"];
        let meets = |a: &Kind<'s, 'a>, b: &Kind<'s, 'a>| {
            let (a, b) = (a.words(), b.words());
            a == b || a == "a text" && moments.contains(&b) || b == "a text" && moments.contains(&a)
        };
        let is_possible = left.iter().any(|a| right.iter().any(|b| meets(a, b)));
        // A comparison with nothing asks whether there is something.
        if is_possible || left.is_empty() || right.is_empty() {
            return;
        }
        let kind = DoubtKind::NeverEqual {
            left: a.words(),
            right: b.words(),
        };
        self.doubt(whole, true, kind);
    }

    /// Two values of which one must be smaller than the other, or the same.
    pub(super) fn ordered(&mut self, left: &Expr, right: &Expr) {
        let (a, b) = (self.needed(left), self.needed(right));
        self.exact(left, &a);
        self.exact(right, &b);
        let is_moment =
            |kind: &Kind<'s, 'a>| matches!(kind, Kind::Date | Kind::DateTime | Kind::Time);
        let (mut of_all, mut of_some) = (true, false);
        for (mine, other) in pairs(&a, &b) {
            let is_ordered = match (mine, other) {
                (Kind::List { .. } | Kind::Group(_), _)
                | (_, Kind::List { .. } | Kind::Group(_)) => false,
                // A text beside a date is read as one.
                (Kind::Text(_), moment) if is_moment(moment) => {
                    let is_only = b.known().count() == 1;
                    self.certain_if(is_only, |this| this.readable(left, &a, moment.words()));
                    true
                }
                (moment, Kind::Text(_)) if is_moment(moment) => {
                    let is_only = a.known().count() == 1;
                    self.certain_if(is_only, |this| this.readable(right, &b, moment.words()));
                    true
                }
                _ => mine.words() == other.words(),
            };
            of_all &= is_ordered;
            of_some |= is_ordered;
        }
        if of_all {
            return;
        }
        let mut no_order = false;
        for (expr, inferred) in [(left, &a), (right, &b)] {
            let has_order =
                |kind: &Kind<'s, 'a>| !matches!(kind, Kind::List { .. } | Kind::Group(_));
            if !inferred.known().any(has_order) {
                self.problem(expr, true, Problem::NoOrder);
                no_order = true;
            }
        }
        if let Some(wanted) = a.known().next().map(Kind::words)
            && !no_order
        {
            self.not_alike(left, &a, right, &b, of_some, wanted);
        }
    }

    /// Tells a text that is read as a date, and may be none.
    pub(super) fn readable(&mut self, expr: &Expr, inferred: &Type<'s, 'a>, wanted: &str) {
        let (format, test, problem) = match wanted {
            "a date" => ("date", "date", Problem::NoDate),
            "a date with a time" => ("instant", "datetime", Problem::NoDateTime),
            _ => ("time", "time", Problem::NoTime),
        };
        self.reads(expr, inferred, format, test, problem);
    }

    /// Tells a text that may not be of a form: unless its schema or a condition says that it is.
    pub(in crate::language) fn reads(
        &mut self,
        expr: &Expr,
        inferred: &Type<'s, 'a>,
        format: &str,
        test: &str,
        problem: Problem,
    ) {
        if self.holds(expr, test) {
            return;
        }
        let (mut may_be_read, mut may_not) = (false, false);
        for kind in inferred.known() {
            let Kind::Text(limits) = kind else {
                may_be_read = true;
                continue;
            };
            match &limits.admitted {
                _ if limits.format == Some(format) => may_be_read = true,
                Some(values) => {
                    let read = |value: &str| reads_as(test, value);
                    let mut values = values.iter().map(|value| value.as_str().is_some_and(read));
                    may_not |= values.clone().any(|is_read| !is_read);
                    may_be_read |= values.any(|is_read| is_read);
                }
                None => (may_be_read, may_not) = (true, true),
            }
        }
        if may_not {
            self.problem(expr, !may_be_read, problem);
        }
    }
}

/// Every kind that one value can be, with every kind that another one can be.
pub(super) fn pairs<'t, 's, 'a>(
    a: &'t Type<'s, 'a>,
    b: &'t Type<'s, 'a>,
) -> impl Iterator<Item = (&'t Kind<'s, 'a>, &'t Kind<'s, 'a>)> {
    a.known()
        .flat_map(|mine| b.known().map(move |other| (mine, other)))
}

/// Whether a test holds for a text.
pub(super) fn reads_as(test: &str, text: &str) -> bool {
    use crate::language::{calendar, reading};
    match test {
        "date" => calendar::parse_date(text).is_ok(),
        "datetime" => matches!(
            calendar::parse_date_time(text),
            Ok(calendar::Moment::Instant(_))
        ),
        "time" => calendar::parse_time(text).is_ok(),
        "numeric" => reading::plain_number(text.trim()).is_ok(),
        "norwegian_number" => reading::norwegian_number(text).is_ok(),
        _ => false,
    }
}
