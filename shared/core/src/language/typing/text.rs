//! The types of the filters of texts.

use crate::{
    language::{
        error::Problem,
        filters,
        infer::{Applied, longest},
        printf,
        syntax::Kind as Node,
        types::{self, Kind, Type},
        typing::Inferred,
    },
    schema::limits::Limits,
};

/// A text in which each letter becomes another one.
fn letters<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
    change: fn(&str) -> String,
) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    match &limits.admitted {
        Some(values) => Type::one_of(values.iter().filter_map(|value| value.as_str()).map(change)),
        None => Type::of(Kind::Text(Limits {
            min_length: limits.min_length,
            max_length: longest(&limits),
            ..Limits::default()
        })),
    }
}

pub(in crate::language) fn upper<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    letters(applied, filters::text::to_upper)
}

pub(in crate::language) fn lower<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    letters(applied, filters::text::to_lower)
}

pub(in crate::language) fn capitalize<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    letters(applied, filters::text::to_capitalized)
}

pub(in crate::language) fn title<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    letters(applied, filters::text::to_title)
}

pub(in crate::language) fn trim<'s, 'a>(applied: &mut Applied<'_, '_, 's, 'a>) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    match &limits.admitted {
        Some(values) => {
            let texts = values.iter().filter_map(|value| value.as_str());
            Type::one_of(texts.map(|text| text.trim().to_owned()))
        }
        None => Type::text(longest(&limits)),
    }
}

pub(in crate::language) fn replace<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    for index in [0, 1] {
        if let Some(argument) = applied.argument(index) {
            applied.inference.as_text(argument);
        }
    }
    let (old, new) = (applied.constant(0), applied.constant(1));
    let count = |text: &str| text.chars().count() as u64;
    let most = match (longest(&limits), old.map(count), new.map(count)) {
        (Some(most), Some(old), Some(new)) if new <= old => Some(most),
        (Some(most), Some(old), Some(new)) if old > 0 => Some(most / old * new + most % old),
        _ => None,
    };
    Type::text(most)
}

pub(in crate::language) fn split<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    let limits = applied.inference.text(applied.of);
    if let Some(argument) = applied.argument(0) {
        applied.inference.as_text(argument);
    }
    let most = longest(&limits);
    Type::list(Type::text(most), 0, most.map(|most| most + 1))
}

pub(in crate::language) fn lines<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    split(applied)
}

pub(in crate::language) fn format<'s, 'a>(
    applied: &mut Applied<'_, '_, 's, 'a>,
) -> Inferred<'s, 'a> {
    applied.inference.text(applied.of);
    let pieces = match &applied.of.kind {
        Node::Text(pattern) => match printf::pieces(pattern) {
            Ok(pieces) => pieces,
            Err(problem) => {
                applied.inference.problem(applied.of, true, problem);
                return Type::text(None);
            }
        },
        _ => {
            applied
                .inference
                .problem(applied.of, false, Problem::NoPattern);
            return Type::text(None);
        }
    };
    let mut next = 0;
    let mut most = Some(0);
    for piece in pieces {
        let length = match piece {
            printf::Piece::Text(text) => Some(text.chars().count() as u64),
            printf::Piece::Value(form) => {
                let Some(argument) = applied.argument(next) else {
                    applied
                        .inference
                        .problem(applied.of, true, Problem::PatternUnfit);
                    return Type::text(None);
                };
                next += 1;
                match form {
                    printf::Form::Text => longest(&applied.inference.as_text(argument)),
                    printf::Form::Fixed(_) => {
                        let number = applied.inference.number(argument);
                        Some(types::length_of_number(&number.limits) + 30)
                    }
                    printf::Form::Whole { width } => {
                        let number = applied.inference.number(argument);
                        applied.inference.rounded(argument, &number);
                        Some(types::length_of_number(&number.limits).max(width as u64))
                    }
                }
            }
        };
        most = most.zip(length).map(|(most, length)| most + length);
    }
    if let Some(surplus) = applied.argument(next) {
        applied.inference.problem(surplus, true, Problem::NoPlace);
    }
    Type::text(most)
}
