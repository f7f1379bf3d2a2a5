//! The types of the filters: what each needs, and what it gives.

use super::{
    error::Problem,
    infer::Applied,
    number,
    syntax::Kind as Node,
    types::{Kind, Type},
};

pub(super) mod dates;
pub(super) mod lists;
pub(super) mod numbers;
pub(super) mod text;

type Inferred<'s, 'a> = Type<'s, 'a>;

pub(super) fn default<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let value = applied.inference.of(applied.of);
    let other = match applied.argument(0) {
        Some(argument) => applied.inference.of(argument),
        None => Type::one_of([String::new()]),
    };
    if let Some(argument) = applied.argument(1) {
        applied.inference.of(argument);
    } else if !value.may_be_empty && !value.is_unknown() {
        return value;
    }
    value.filled().or(other)
}

pub(super) fn translate<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let code = applied.inference.as_text(applied.of);
    let table = match applied.argument(0) {
        Some(table) => {
            let inferred = applied.inference.needed(table);
            applied.inference.expect(
                table,
                &inferred,
                &["a group of fields"],
                "a group of fields",
            );
            inferred
        }
        None => Type::unknown(),
    };
    let otherwise = applied
        .argument(1)
        .map(|argument| applied.inference.of(argument));
    let fields = table.known().find_map(|kind| match kind {
        Kind::Group(fields) => Some(fields.all()),
        _ => None,
    });
    let Some(fields) = fields else {
        return Type::unknown();
    };
    let is_written = applied
        .argument(0)
        .is_some_and(|table| matches!(table.kind, Node::Group(_)));
    // A field that A may leave out is in no table then; one that is written there always is, even if it is empty.
    let is_sure = |field: &Inferred<'s, 'a>| is_written || !field.may_be_empty;
    let codes: Option<Vec<&str>> = code
        .admitted
        .as_ref()
        .map(|codes| codes.iter().filter_map(|code| code.as_str()).collect());
    let is_code = |name: &str| codes.as_ref().is_none_or(|codes| codes.contains(&name));
    let all_are_sure = codes.as_ref().is_some_and(|codes| {
        codes.iter().all(|code| {
            let mut fields = fields.iter();
            fields.any(|(name, field)| name == code && is_sure(field))
        })
    });
    let none_is_there = !fields.iter().any(|(name, _)| is_code(name));
    if otherwise.is_none() && !all_are_sure {
        let is_certain = codes.is_some() && none_is_there;
        applied
            .inference
            .problem(applied.of, is_certain, Problem::UnknownCode);
    }
    let otherwise = otherwise.filter(|_| !all_are_sure);
    let values = fields.iter().filter(|(name, _)| is_code(name));
    let values = values.map(|(_, field)| field.clone()).chain(otherwise);
    values.reduce(Type::or).unwrap_or_else(Type::unknown)
}

pub(super) fn string<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    Type::of(Kind::Text(applied.inference.as_text(applied.of)))
}

/// What a filter gives that is read into another node.
pub(super) fn itself<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    applied.inference.of(applied.of)
}
