//! What the paths of a route's expressions lead to in A's schemas.

use std::{collections::BTreeMap, ops::Range, rc::Rc};

use serde_json::Value;

use super::{
    shape::{FormSchema, Node, Shape},
    target::is_auto_created,
};
use crate::check::words::{known, nearest};
use app_files::AppFiles;

/// The schemas of A's instance and, where A's files are available, of its forms.
pub(super) struct SourceSchemas<'a> {
    instance: FormSchema<'a>,
    a: Option<&'a AppFiles>,
    forms: BTreeMap<&'a str, FormSchema<'a>>,
}

/// A place in A's data.
#[derive(Clone)]
pub(super) struct Place<'s, 'a> {
    pub(super) form: &'s FormSchema<'a>,
    pub(super) node: Node<'a>,
    /// Whether A may leave it empty.
    pub(super) may_be_empty: bool,
    /// Whether it is part of A's form, and not of the instance.
    pub(super) is_form_data: bool,
}

impl<'a> Place<'_, 'a> {
    /// What A's schema says about it.
    pub(super) fn shape(&self) -> Rc<Shape<'a>> {
        self.form.shape(&self.node)
    }

    /// The items of a list.
    pub(super) fn item(&self) -> Option<Self> {
        Some(Self {
            node: self.shape().items.clone()?,
            may_be_empty: false,
            ..self.clone()
        })
    }
}

/// The names that enclosing `each`es bind, the innermost last, and what they refer to, where that is
/// known.
pub(super) type Names<'s, 'a> = Vec<(String, Option<Place<'s, 'a>>)>;

/// Where a path leads.
pub(super) enum Lead<'s, 'a> {
    /// Here.
    To(Place<'s, 'a>),
    /// It cannot be told: a schema is missing, or does not say.
    Unknown,
    /// Nowhere.
    Nowhere(Mistake),
}

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) code: &'static str,
    /// The wrong piece of the path.
    pub(super) piece: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) suggestion: Option<String>,
}

impl<'a> SourceSchemas<'a> {
    /// The schemas of a route's A, whose instances have this schema.
    pub(super) fn new(instance: &'a Value, a: Option<&'a AppFiles>) -> Self {
        let schemas = a.into_iter().flat_map(|a| &a.schemas);
        Self {
            instance: FormSchema::new(instance),
            a,
            forms: schemas
                .map(|(data_type, schema)| (data_type.as_str(), FormSchema::new(schema)))
                .collect(),
        }
    }

    /// The instance's schema.
    pub(super) fn instance(&self) -> &FormSchema<'a> {
        &self.instance
    }

    /// The schema of one of A's forms.
    pub(super) fn form(&self, data_type: &str) -> Option<&FormSchema<'a>> {
        self.forms.get(data_type)
    }

    /// Whether A may have several forms of a type; `data` has a list then.
    pub(super) fn may_be_several(&self, data_type: &str) -> bool {
        let Some(a) = self.a else { return false };
        let types = &a.metadata.data_types;
        let is_auto_created = is_auto_created(&a.document, data_type);
        types
            .iter()
            .any(|it| it.id == data_type && it.max_count != 1 && !is_auto_created)
    }

    /// What is wrong with a data type that an expression reads.
    pub(super) fn data_type(
        &self,
        data_type: &str,
    ) -> Option<(&'static str, String, Option<String>, Option<String>)> {
        let a = self.a?;
        let types = &a.metadata.data_types;
        let forms = || {
            types
                .iter()
                .filter(|it| it.is_form())
                .map(|it| it.id.as_str())
        };
        let help = format!("the forms of {} are {}", a.id, known(forms()));
        match types.iter().find(|it| it.id == data_type) {
            Some(found) if found.is_form() => None,
            Some(_) => Some((
                "no-form",
                format!(
                    "`{data_type}` of {} is an attachment, and no form whose fields could be read",
                    a.id
                ),
                Some(help),
                None,
            )),
            None => Some((
                "data-type",
                format!("{} has no data type `{data_type}`", a.id),
                Some(help),
                nearest(data_type, forms()).map(str::to_owned),
            )),
        }
    }

    /// Where `path` leads, which starts with `instance`, `data` or one of `names`.
    pub(super) fn follow<'s>(&'s self, path: &str, names: &Names<'s, 'a>) -> Lead<'s, 'a> {
        let mut at = 0;
        let mut segments = path.split('.').map(|segment| {
            let range = at..at + segment.len();
            at = range.end + 1;
            (range, segment)
        });
        let Some((_, first)) = segments.next() else {
            return Lead::Unknown;
        };
        let bound = names.iter().rev().find(|(name, _)| name == first);
        let mut place = match (bound, first) {
            (Some((_, Some(place))), _) => place.clone(),
            (Some((_, None)), _) => return Lead::Unknown,
            (None, "instance") => Place {
                form: &self.instance,
                node: self.instance.root(),
                may_be_empty: false,
                is_form_data: false,
            },
            (None, "data") => {
                let Some((piece, data_type)) = segments.next() else {
                    return Lead::Unknown;
                };
                if let Some((code, message, help, suggestion)) = self.data_type(data_type) {
                    return Lead::Nowhere(Mistake {
                        code,
                        piece,
                        message,
                        help,
                        suggestion,
                    });
                }
                let Some(form) = self.forms.get(data_type) else {
                    return Lead::Unknown;
                };
                if self.may_be_several(data_type) {
                    return Lead::Unknown;
                }
                Place {
                    form,
                    node: form.root(),
                    may_be_empty: false,
                    is_form_data: true,
                }
            }
            _ => return Lead::Unknown,
        };
        for (piece, segment) in segments {
            let above = path
                .get(..piece.start.saturating_sub(1))
                .unwrap_or_default();
            match self.step(&place, segment, piece, above) {
                Ok(Some(next)) => place = next,
                Ok(None) => return Lead::Unknown,
                Err(mistake) => return Lead::Nowhere(mistake),
            }
        }
        Lead::To(place)
    }

    fn step<'s>(
        &self,
        place: &Place<'s, 'a>,
        segment: &str,
        piece: Range<usize>,
        above: &str,
    ) -> Result<Option<Place<'s, 'a>>, Mistake> {
        let shape = place.shape();
        if let Some(node) = shape.field(segment) {
            return Ok(Some(Place {
                node: node.clone(),
                may_be_empty: place.may_be_empty || !shape.required.contains(segment),
                ..place.clone()
            }));
        }
        let mistake = |code, message: String, help: Option<String>, suggestion: Option<String>| {
            Err(Mistake {
                code,
                piece: piece.clone(),
                message,
                help,
                suggestion,
            })
        };
        if shape.is_list() {
            return mistake(
                "in-a-list",
                format!("`{above}` is a list, and has no field `{segment}` itself"),
                Some(format!(
                    "take its items one by one, `$each: item in {above}`, or one of them, `({above} | first).{segment}`"
                )),
                None,
            );
        }
        if shape.is_scalar() {
            return mistake(
                "source-path",
                format!(
                    "`{above}` is {}, and has no field `{segment}`",
                    shape.words()
                ),
                None,
                None,
            );
        }
        // Another document or a missing definition may say anything.
        if !shape.is_closed() || !shape.remote.is_empty() || !shape.broken.is_empty() {
            return Ok(None);
        }
        let whose = match (place.is_form_data, self.a) {
            (true, Some(a)) => format!("the schema of {}", a.id),
            _ => "an instance, as Storage gives it,".into(),
        };
        mistake(
            "source-path",
            format!("{whose} has no field `{segment}` in `{above}`"),
            Some(format!("`{above}` has {}", known(shape.names()))),
            nearest(segment, shape.names()).map(str::to_owned),
        )
    }
}
