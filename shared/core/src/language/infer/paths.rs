//! The types of fields, items and slices.

use std::ops::Range;

use super::{Doubt, DoubtKind, Inference, longest};
use crate::{
    language::{
        error::Problem,
        syntax::{Expr, Kind as Node},
        types::{Field, Kind, Type},
    },
    schema::limits::Limits,
};

/// The characters of a day, `yyyy-MM-dd`.
const DAY: u64 = 10;

impl<'s, 'a> Inference<'_, 's, 'a> {
    pub(super) fn field(&mut self, of: &Expr, name: &str, place: &Range<usize>) -> Type<'s, 'a> {
        let group = self.of(of);
        if group.is_unknown() {
            return Type::unknown();
        }
        let may_be_empty = group.may_be_empty;
        if matches!(group.field(name), Some(Field::Known(_) | Field::Unknown)) {
            self.expect(of, &group, &["a group of fields"], "a group of fields");
        }
        match group.field(name) {
            Some(Field::Known(field)) if may_be_empty => field.or_empty(),
            Some(Field::Known(field)) => field,
            Some(Field::Unknown) => Type::unknown(),
            Some(Field::None { known }) => {
                let kind = DoubtKind::NoField {
                    of: of.path(),
                    piece: self.piece(of),
                    name: name.to_owned(),
                    known,
                };
                self.doubts.push(Doubt {
                    place: place.clone(),
                    is_certain: true,
                    kind,
                });
                Type::unknown()
            }
            // Nothing has no fields, and that is no mistake.
            None if group.known().next().is_none() => group,
            None => {
                let kind = DoubtKind::NoGroup {
                    piece: self.piece(of),
                    is: group.words(),
                    is_list: group.item().is_some(),
                    name: name.to_owned(),
                };
                self.doubts.push(Doubt {
                    place: place.clone(),
                    is_certain: true,
                    kind,
                });
                Type::unknown()
            }
        }
    }

    pub(super) fn item(&mut self, of: &Expr, index: &Expr) -> Type<'s, 'a> {
        let whole = self.of(of);
        let at = self.needed(index);
        if whole.is_unknown() {
            return Type::unknown();
        }
        self.expect(
            of,
            &whole,
            &["a list", "a group of fields"],
            "a list or a group",
        );
        let fields = whole.known().find_map(|kind| match kind {
            Kind::Group(fields) => Some(fields.all()),
            _ => None,
        });
        match (whole.item(), fields) {
            (Some(item), fields) => {
                self.whole(index);
                if fields.is_some() {
                    let (is, wanted) = ("a group of fields", "a list");
                    self.problem(of, false, Problem::Type { is, wanted });
                }
                // The index may be beyond the end of the list.
                item.or_empty()
            }
            (None, Some(fields)) => {
                self.expect(index, &at, &["a text"], "a text");
                let types = fields.into_iter().map(|(_, field)| field);
                types
                    .reduce(Type::or)
                    .unwrap_or_else(Type::empty)
                    .or_empty()
            }
            (None, None) if whole.known().next().is_none() => whole,
            (None, None) => Type::unknown(),
        }
    }

    /// Doubts that the day in a moment's text is the one that is meant.
    pub(super) fn day_by_utc(&mut self, of: &Expr, sliced: &Type<'s, 'a>) {
        let format = sliced.known().find_map(|kind| match kind {
            Kind::Text(limits) => limits.format,
            _ => None,
        });
        if let Some(format @ ("date-time" | "instant")) = format {
            let piece = self.piece(of);
            let has_offset = format == "instant";
            self.doubt(of, false, DoubtKind::DayByUtc { piece, has_offset });
        }
    }

    pub(super) fn sliced(
        &mut self,
        of: &Expr,
        sliced: &Type<'s, 'a>,
        from: Option<&Expr>,
        to: Option<&Expr>,
    ) -> Type<'s, 'a> {
        self.expect(of, sliced, &["a text", "a list"], "a text or a list");
        // As many as between two constant indexes of one direction.
        let constant = |index: Option<&Expr>| match index.map(|index| &index.kind) {
            Some(Node::Number(number)) => u64::try_from(number.trunc()).ok(),
            None => Some(0),
            Some(_) => None,
        };
        let until = to.and_then(|to| constant(Some(to)));
        if constant(from).is_some() && until.is_some_and(|until| until <= DAY) {
            self.day_by_utc(of, sliced);
        }
        let span = match (constant(from), until) {
            (Some(from), Some(to)) => Some(to.saturating_sub(from)),
            _ => None,
        };
        let most = |most: Option<u64>| match (most, span) {
            (Some(most), Some(span)) => Some(most.min(span)),
            (most, span) => most.or(span),
        };
        let kinds = sliced.known().filter_map(|kind| match kind {
            Kind::Text(limits) => Some(Kind::Text(Limits {
                max_length: most(longest(limits)),
                ..Limits::default()
            })),
            Kind::List {
                items, most: many, ..
            } => Some(Kind::List {
                items: items.clone(),
                least: 0,
                most: most(*many),
            }),
            _ => None,
        });
        let kinds: Vec<_> = kinds.collect();
        match sliced.is_unknown() || kinds.is_empty() && sliced.known().next().is_some() {
            true => Type::unknown(),
            false => Type {
                kinds: Some(kinds),
                may_be_empty: sliced.may_be_empty,
            },
        }
    }
}
