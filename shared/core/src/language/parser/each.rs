//! Filters that do something with each item of a list.

use std::ops::Range;

use super::{
    Argument, ITEM, Parsed,
    calls::{in_order, named_filter, named_test},
};
use crate::language::{
    error::SyntaxError,
    filters::Form,
    syntax::{Expr, Kind},
};

/// The item of a list in what a filter does with each.
pub(super) fn item(span: Range<usize>) -> Expr {
    Expr {
        kind: Kind::Name(ITEM.to_owned()),
        span,
    }
}

/// The field of an item that an argument names: `'address.postcode'`.
pub(super) fn field_of_item(attribute: &Expr) -> Parsed {
    let Kind::Text(path) = &attribute.kind else {
        return Err(SyntaxError::syntax(
            "the name of a field is needed here",
            "it stands in quotes, such as `'code'`",
            attribute.span.clone(),
        ));
    };
    let field = |of: Expr, name: &str| Expr {
        kind: Kind::Field {
            of: Box::new(of),
            name: name.to_owned(),
            place: attribute.span.clone(),
        },
        span: attribute.span.clone(),
    };
    Ok(path.split('.').fold(item(attribute.span.clone()), field))
}

pub(super) fn each(of: Expr, body: Expr) -> Kind {
    Kind::Map {
        of: Box::new(of),
        item: ITEM.to_owned(),
        body: Box::new(body),
    }
}

/// `map('upper')`, `map(attribute='code')`, and `map(attribute='code', default='-')`.
pub(super) fn map(of: Expr, arguments: Vec<Argument>, place: Range<usize>) -> Parsed<Kind> {
    let help = "such as `map('upper')`, which applies a filter, or `map(attribute='code')`, which takes a field";
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else {
        return Err(SyntaxError::syntax(
            "`map` needs a filter or a field",
            help,
            place,
        ));
    };
    match (first.name, &first.value.kind) {
        (None, Kind::Text(name)) => {
            let filter = named_filter(name, &first.value.span).map_err(|mut error| {
                let field = format!("a field of each is `map(attribute='{name}')`");
                error.help.get_or_insert(field);
                error
            })?;
            let arguments = in_order(filter, arguments.collect(), place)?;
            if !matches!(filter.form, Form::Plain | Form::OfItems) {
                return Err(SyntaxError::syntax(
                    format!("`{name}` works on a list, and cannot be applied to each item"),
                    help,
                    first.value.span,
                ));
            }
            let body = Expr {
                span: first.value.span.clone(),
                kind: Kind::Filter {
                    of: Box::new(item(first.value.span)),
                    filter,
                    arguments,
                },
            };
            Ok(each(of, body))
        }
        (Some((name, _)), _) if name == "attribute" => {
            let field = field_of_item(&first.value)?;
            let body = match arguments.next() {
                None => field,
                Some(Argument {
                    name: Some((name, place)),
                    value,
                }) if name == "default" => Expr {
                    span: field.span.clone(),
                    kind: Kind::Filter {
                        of: Box::new(field),
                        filter: named_filter("default", &place)?,
                        arguments: vec![Some(value), None],
                    },
                },
                Some(other) => {
                    return Err(SyntaxError::syntax(
                        "`map` takes no such argument",
                        help,
                        other.value.span,
                    ));
                }
            };
            Ok(each(of, body))
        }
        _ => Err(SyntaxError::syntax(
            "`map` needs a filter or a field",
            help,
            first.value.span,
        )),
    }
}

/// The test that a filter makes of each item: `'eq', 'A'`.
pub(super) fn item_test(of: Expr, name: &Expr, arguments: Vec<Argument>) -> Parsed {
    let Kind::Text(word) = &name.kind else {
        return Err(SyntaxError::syntax(
            "the name of a test is needed here",
            "it stands in quotes, such as `'eq'`",
            name.span.clone(),
        ));
    };
    let test = named_test(word, &name.span)?;
    let arguments: Vec<Expr> = arguments
        .into_iter()
        .map(|argument| argument.value)
        .collect();
    if arguments.len() != test.arguments {
        return Err(SyntaxError::syntax(
            format!(
                "the test `{word}` takes {} argument, and has {}",
                test.arguments,
                arguments.len()
            ),
            "an argument follows the name of the test, such as `'eq', 'A'`",
            name.span.clone(),
        ));
    }
    Ok(Expr {
        span: name.span.clone(),
        kind: Kind::Test {
            of: Box::new(of),
            test,
            arguments,
            negated: false,
        },
    })
}
