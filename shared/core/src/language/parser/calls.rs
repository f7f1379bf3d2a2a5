//! Filters and tests, and their arguments.

use std::ops::Range;

use super::{
    Argument, ITEM, Parsed, Parser,
    each::{each, field_of_item, item, item_test, map},
    operators::joined,
};
use crate::language::{
    error::{SyntaxError, SyntaxProblem, Unknown},
    filters::{self, FILTERS, Filter, Form},
    lexer::TokenKind,
    syntax::{Expr, How, Kind, Operator},
    value_tests::{self, TESTS},
};

impl Parser<'_> {
    /// The arguments in brackets, if there are any.
    pub(super) fn arguments(&mut self, depth: usize) -> Parsed<Vec<Argument>> {
        if !self.sign("(") {
            return Ok(Vec::new());
        }
        self.separated(")", |parser| {
            let name = match (parser.kind(0), parser.kind(1)) {
                (Some(TokenKind::Word(name)), Some(TokenKind::Sign("="))) => {
                    Some((name.clone(), parser.place(0)))
                }
                _ => None,
            };
            parser.at += 2 * usize::from(name.is_some());
            let value = parser.choice(depth)?;
            Ok(Argument { name, value })
        })
    }

    pub(super) fn filter(&mut self, of: Expr, depth: usize) -> Parsed {
        let place = self.place(0);
        let Some(TokenKind::Word(name)) = self.kind(0).cloned() else {
            let help = match self.kind(0) {
                Some(TokenKind::Sign("|")) => "where `||` means or, write `or`",
                _ => "such as `| upper` or `| default('…')`",
            };
            return Err(SyntaxError::syntax(
                format!("{}, and the name of a filter is needed", self.found()),
                help,
                place,
            ));
        };
        self.at += 1;
        let filter = named_filter(&name, &place)?;
        let arguments = self.arguments(depth)?;
        let span = of.span.start..self.last_end();
        let kind = self.applied(of, filter, arguments, place)?;
        Ok(Expr { kind, span })
    }

    /// The node that a filter with these arguments becomes.
    pub(super) fn applied(
        &self,
        of: Expr,
        filter: &'static Filter,
        arguments: Vec<Argument>,
        place: Range<usize>,
    ) -> Parsed<Kind> {
        match filter.form {
            Form::Plain => Ok(Kind::Filter {
                of: Box::new(of),
                filter,
                arguments: in_order(filter, arguments, place)?,
            }),
            Form::OfItems => {
                let mut arguments = in_order(filter, arguments, place)?;
                // `attribute` is the last of the parameters.
                let attribute = arguments.pop().flatten();
                let of = match attribute {
                    Some(attribute) => Expr {
                        span: of.span.clone(),
                        kind: each(of, field_of_item(&attribute)?),
                    },
                    None => of,
                };
                arguments.push(None);
                Ok(Kind::Filter {
                    of: Box::new(of),
                    filter,
                    arguments,
                })
            }
            Form::Sort | Form::Unique | Form::Min | Form::Max => {
                let mut arguments = in_order(filter, arguments, place)?;
                let attribute = arguments.pop().flatten();
                let how = match filter.form {
                    Form::Sort => {
                        let reverse = arguments.pop().flatten();
                        let reverse = reverse
                            .map(|reverse| constant_boolean(&reverse))
                            .transpose()?;
                        How::Sort {
                            reverse: reverse.unwrap_or(false),
                        }
                    }
                    Form::Unique => How::Unique,
                    Form::Min => How::Min,
                    _ => How::Max,
                };
                let key = match attribute {
                    Some(attribute) => field_of_item(&attribute)?,
                    None => item(of.span.clone()),
                };
                Ok(Kind::By {
                    of: Box::new(of),
                    how,
                    item: ITEM.to_owned(),
                    key: Box::new(key),
                })
            }
            Form::Map => map(of, arguments, place),
            Form::Keep {
                by_attribute,
                wanted,
            } => {
                let mut arguments = arguments.into_iter();
                let tested = if by_attribute {
                    let Some(attribute) = arguments.next() else {
                        return Err(missing_argument(filter, "attribute", place));
                    };
                    field_of_item(&attribute.value)?
                } else {
                    item(of.span.clone())
                };
                let condition = match arguments.next() {
                    Some(test) => item_test(tested, &test.value, arguments.collect())?,
                    None => tested,
                };
                Ok(Kind::Keep {
                    of: Box::new(of),
                    item: ITEM.to_owned(),
                    condition: Box::new(condition),
                    wanted,
                })
            }
            Form::Where => {
                let mut arguments = in_order(filter, arguments, place)?;
                let value = arguments.pop().flatten();
                let Some(attribute) = arguments.pop().flatten() else {
                    return Err(SyntaxError::syntax(
                        "`where` needs a field",
                        "such as `where('code', 'A')`",
                        0..0,
                    ));
                };
                let field = field_of_item(&attribute)?;
                let condition = match value {
                    Some(value) => joined(Operator::Equal, field, value),
                    None => field,
                };
                Ok(Kind::Keep {
                    of: Box::new(of),
                    item: ITEM.to_owned(),
                    condition: Box::new(condition),
                    wanted: true,
                })
            }
        }
    }

    pub(super) fn test(&mut self, of: Expr, depth: usize) -> Parsed {
        let negated = self.word("not");
        let place = self.place(0);
        let Some(TokenKind::Word(name)) = self.kind(0).cloned() else {
            return Err(SyntaxError::syntax(
                format!("{}, and the name of a test is needed", self.found()),
                "such as `is defined`, `is none` or `is number`",
                place,
            ));
        };
        self.at += 1;
        let test = named_test(&name, &place)?;
        let mut arguments = Vec::new();
        if test.arguments > 0 {
            if let Some(TokenKind::Sign("(")) = self.kind(0) {
                let given = self.arguments(depth)?;
                arguments.extend(given.into_iter().map(|argument| argument.value));
            } else {
                // `x is divisibleby 3`
                let primary = self.signed(depth)?;
                arguments.push(primary);
            }
        } else if let (Some(TokenKind::Sign("(")), Some(TokenKind::Sign(")"))) =
            (self.kind(0), self.kind(1))
        {
            self.at += 2;
        }
        if arguments.len() != test.arguments {
            let needed = test.arguments;
            return Err(SyntaxError::syntax(
                format!(
                    "the test `{name}` takes {needed} argument, and has {}",
                    arguments.len()
                ),
                format!("write `is {name}(…)`"),
                place,
            ));
        }
        let span = of.span.start..self.last_end();
        Ok(Expr {
            kind: Kind::Test {
                of: Box::new(of),
                test,
                arguments,
                negated,
            },
            span,
        })
    }
}

pub(super) fn named_filter(name: &str, place: &Range<usize>) -> Parsed<&'static Filter> {
    filters::find(name).ok_or_else(|| {
        let unknown = Unknown {
            word: name.to_owned(),
            known: FILTERS
                .iter()
                .map(|filter| filter.name.to_owned())
                .collect(),
        };
        SyntaxError::new(
            SyntaxProblem::UnknownFilter(Box::new(unknown)),
            format!("unknown filter `{name}`"),
            value_tests::find(name).map(|_| format!("`{name}` is a test: write `value is {name}`")),
            place.clone(),
        )
    })
}

pub(super) fn named_test(
    name: &str,
    place: &Range<usize>,
) -> Parsed<&'static value_tests::ValueTest> {
    value_tests::find(name).ok_or_else(|| {
        let unknown = Unknown {
            word: name.to_owned(),
            known: TESTS.iter().map(|test| test.name.to_owned()).collect(),
        };
        SyntaxError::new(
            SyntaxProblem::UnknownTest(Box::new(unknown)),
            format!("unknown test `{name}`"),
            filters::find(name).map(|_| format!("`{name}` is a filter: write `value | {name}`")),
            place.clone(),
        )
    })
}

/// `x.split(' ')`: what is a method elsewhere is a filter here.
pub(super) fn method(name: &str, place: Range<usize>) -> SyntaxError {
    const SAME: [(&str, &str); 12] = [
        ("strip", "trim"),
        ("toUpperCase", "upper"),
        ("toLowerCase", "lower"),
        ("ToUpper", "upper"),
        ("ToLower", "lower"),
        ("Trim", "trim"),
        ("Replace", "replace"),
        ("Split", "split"),
        ("Substring", "[from:to]"),
        ("ToString", "string"),
        ("get", "default"),
        ("len", "length"),
    ];
    let meant = SAME.iter().find(|(method, _)| *method == name);
    let meant = meant.map_or(name, |(_, filter)| filter);
    let help = if meant.starts_with('[') {
        format!("write `x{meant}`")
    } else if filters::find(meant).is_some() {
        format!("`{meant}` is a filter: write `x | {meant}` or `x | {meant}(…)`")
    } else if matches!(name, "startswith" | "startsWith" | "StartsWith") {
        "it is a test: write `x is startingwith('…')`".to_owned()
    } else if matches!(name, "endswith" | "endsWith" | "EndsWith") {
        "it is a test: write `x is endingwith('…')`".to_owned()
    } else if matches!(name, "contains" | "Contains" | "includes") {
        "it is an operator: write `'…' in x`".to_owned()
    } else {
        "filters do what methods do elsewhere: `x | filter`".to_owned()
    };
    SyntaxError::syntax(
        format!("`{name}(…)` is a method, and values have none"),
        help,
        place,
    )
}

pub(super) fn missing_argument(filter: &Filter, name: &str, place: Range<usize>) -> SyntaxError {
    SyntaxError::syntax(
        format!("the filter `{}` needs `{name}`", filter.name),
        format!("write `| {}(…)`", filter.name),
        place,
    )
}

/// The arguments in the order of the filter's parameters.
pub(super) fn in_order(
    filter: &'static Filter,
    arguments: Vec<Argument>,
    place: Range<usize>,
) -> Parsed<Vec<Option<Expr>>> {
    let mut ordered: Vec<Option<Expr>> = filter.parameters.iter().map(|_| None).collect();
    for (position, argument) in arguments.into_iter().enumerate() {
        let index = match &argument.name {
            None => Some(position),
            Some((name, _)) => filter.parameters.iter().position(|it| it.name == name),
        };
        let slot = index.and_then(|index| ordered.get_mut(index));
        let span = argument
            .name
            .map_or(argument.value.span.clone(), |(_, place)| place);
        match slot {
            Some(slot @ None) => *slot = Some(argument.value),
            _ => {
                let names: Vec<_> = filter
                    .parameters
                    .iter()
                    .map(|it| format!("`{}`", it.name))
                    .collect();
                let help = if names.is_empty() {
                    format!("write `| {}`", filter.name)
                } else {
                    format!("it takes {}", names.join(", "))
                };
                return Err(SyntaxError::syntax(
                    format!("the filter `{}` takes no such argument", filter.name),
                    help,
                    span,
                ));
            }
        }
    }
    let lacking = filter.parameters.iter().zip(&ordered);
    let mut lacking = lacking.filter(|(parameter, given)| parameter.is_required && given.is_none());
    match lacking.next() {
        Some((parameter, _)) => Err(missing_argument(filter, parameter.name, place)),
        None => Ok(ordered),
    }
}

pub(super) fn constant_boolean(expr: &Expr) -> Parsed<bool> {
    match expr.kind {
        Kind::Boolean(value) => Ok(value),
        _ => Err(SyntaxError::syntax(
            "`true` or `false` is needed here",
            "write `true` or `false`",
            expr.span.clone(),
        )),
    }
}
