//! The route file as it is written.

use std::{ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{Mistake, Route, RouteError, Words, meaning};

#[cfg(feature = "schema")]
use super::file_schema;

/// How many bytes a route file has at most.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// Groups within groups; each takes some of the stack.
const MAX_DEPTH: usize = 24;

// The descriptions of the fields are those that an editor shows: they become part of the JSON schema.

/// A route: from which Altinn app, when, to which app, and how.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = file_schema::whole_route))]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    /// The route's name, a part of every relay's id: never rename it, never reuse it.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = file_schema::SLUG), example = &"permit-to-casework"))]
    pub(super) name: Spanned<String>,
    /// App A, whose instances are relayed.
    pub(super) from: From,
    /// App B, of which an instance is made.
    pub(super) to: To,
    /// The shape of B's form: its groups and fields by name, in B's order, each leaf an expression over `instance` (A's instance) and `data.<data type>` (A's form data).
    #[cfg_attr(feature = "schema", schemars(with = "file_schema::Group"))]
    #[serde(default)]
    pub(super) model: Option<Spanned<Tree>>,
    /// Data elements of A that B gets.
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    /// B's due date: an ISO 8601 duration after A's process ended.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = "^P[0-9YMWDTHS.,]+$"), example = &"P30D"))]
    pub(super) due: Option<Spanned<String>>,
    /// Fan-out, `name in list`: one B per value of the list. Needs `key`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = file_schema::BINDING), example = &"heir in data.model.heirs"))]
    pub(super) each: Option<Spanned<String>>,
    /// What makes a value of `each` itself, however the list changes: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(min = 1), example = &"heir.id"))]
    pub(super) key: Option<Spanned<String>>,
    /// What follows on A once B exists.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Then>"))]
    pub(super) then: Option<Spanned<Then>>,
}

/// App A, whose instances are relayed.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// The app, `{org}/{app}`.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = file_schema::APP), example = &"ttd/permit"))]
    pub(super) app: Spanned<String>,
    /// When an instance is ready.
    #[cfg_attr(feature = "schema", schemars(with = "When"))]
    pub(super) when: Spanned<When>,
    /// The day before which no instance is relayed. Needed unless `then.complete`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = file_schema::DAY), example = &"2026-11-01"))]
    pub(super) since: Option<Spanned<String>>,
}

/// When an instance is ready: one of `process` and `task`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = file_schema::exactly_one))]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// A's process has ended.
    #[cfg_attr(feature = "schema", schemars(with = "file_schema::Process"))]
    pub(super) process: Option<Spanned<String>>,
    /// A stands in this task, or its process has ended.
    #[cfg_attr(feature = "schema", schemars(with = "String", length(min = 1), example = &"Task_2"))]
    pub(super) task: Option<Spanned<String>>,
}

/// App B, of which an instance is made.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = file_schema::mode_needs_stamp))]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    /// The app, `{org}/{app}`.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = file_schema::APP), example = &"ttd/casework"))]
    pub(super) app: Spanned<String>,
    /// In whose inbox the instance appears.
    #[cfg_attr(feature = "schema", schemars(with = "Owner"))]
    pub(super) owner: Spanned<Owner>,
    /// B's form data type; if not given, the only one with app logic.
    #[serde(rename = "dataType")]
    #[cfg_attr(feature = "schema", schemars(example = &"model"))]
    pub(super) data_type: Option<String>,
    /// The XML root element of B's form, `model` if not given.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = file_schema::ELEMENT), example = &"melding"))]
    pub(super) root: Option<Spanned<String>>,
    /// B's JSON schema, a file beside the route: the draft is validated and its elements are ordered by it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(min = 1), example = &"casework.schema.json"))]
    pub(super) schema: Option<Spanned<String>>,
    /// `prefill` makes B by Altinn's simplified request, which takes flat texts only. Needs `stamp`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<file_schema::Mode>"))]
    pub(super) mode: Option<Spanned<String>>,
    /// With `mode: prefill`, the field of B's form that carries the relay's id, which B's `dataFields` must show.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = file_schema::PATH), example = &"soknad.relay"))]
    pub(super) stamp: Option<Spanned<String>>,
}

/// In whose inbox the instance appears: one of `organisation`, `person` and `party`, an expression each.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = file_schema::exactly_one))]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    /// A nine-digit organisation number: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "file_schema::Leaf", example = &"'310075728'"))]
    pub(super) organisation: Option<Spanned<Scalar>>,
    /// An eleven-digit national identity number: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "file_schema::Leaf", example = &"heir.ssn"))]
    pub(super) person: Option<Spanned<Scalar>>,
    /// A party id: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "file_schema::Leaf", example = &"instance.instanceOwner.partyId"))]
    pub(super) party: Option<Spanned<Scalar>>,
}

/// Data elements of A that B gets.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    /// A's data type.
    #[cfg_attr(feature = "schema", schemars(example = &"ref-data-as-pdf"))]
    pub(super) from: String,
    /// B's data type.
    #[cfg_attr(feature = "schema", schemars(example = &"vedlegg"))]
    pub(super) to: String,
    /// Whether the relay waits until there is one.
    #[serde(default)]
    pub(super) required: bool,
}

/// What follows on A once B exists.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = file_schema::not_empty))]
#[serde(deny_unknown_fields)]
pub(super) struct Then {
    /// What is shown beside A's instance in its owner's inbox.
    pub(super) substatus: Option<Substatus>,
    /// A is confirmed complete, and so leaves the list of unconfirmed instances.
    #[serde(default)]
    pub(super) complete: bool,
}

/// What is shown beside A's instance in its owner's inbox.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct Substatus {
    /// A word or two, or the key of one of A's own texts.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = r"\S"), example = &"Sent to case handling"))]
    pub(super) label: Spanned<String>,
    /// A sentence, likewise.
    pub(super) description: Option<String>,
}

/// An expression's text; a bare number or `true` is one too.
pub(super) struct Scalar(pub(super) String);

/// A node of `model:`.
pub(super) enum Tree {
    Scalar(String),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
    List,
    Nothing,
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an expression or a group of fields")
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(Tree::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Tree::Map(fields))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Tree::deserialize(deserializer)? {
            Tree::Scalar(text) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom(
                "expected an expression, such as \"'310075728'\"",
            )),
        }
    }
}

/// Reads one route file.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Route, Vec<RouteError>> {
    let whole = |mistake, problem: String| vec![RouteError::new(path, mistake, problem)];
    let unreadable =
        |error: std::io::Error| whole(Mistake::Unreadable, format!("cannot be read: {error}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // A pipe or a device may never come to an end.
    if !metadata.is_file() {
        let problem = "cannot be read: it is no file with text in it";
        return Err(whole(Mistake::Unreadable, problem.into()));
    }
    let size = metadata.len();
    if size > MAX_BYTES {
        return Err(whole(
            Mistake::TooLarge,
            format!("has {size} bytes, a route file has {MAX_BYTES} at most"),
        ));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        vec![RouteError {
            range: Some(at..at + 1),
            ..RouteError::new(
                path,
                Mistake::NotText,
                format!("is not UTF-8 text (byte {at})"),
            )
        }]
    })?;
    let file = parse(path, &text).map_err(|error| vec![*error])?;
    meaning::route(path, &text, file)
}

fn parse(path: &Path, text: &str) -> Result<RouteFile, Box<RouteError>> {
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, flow_nesting_limit: MAX_DEPTH },
    };
    let parsed =
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            RouteFile::deserialize(serde_path_to_error::Deserializer::new(
                deserializer,
                &mut track,
            ))
        });
    parsed.map_err(|error| {
        let field = track.path().to_string();
        // `Spanned` is a struct with a field `value` to serde; that is no field of the route.
        let field = field.trim_end_matches(".value").replace(".value.", ".");
        // From here on the path is not known.
        let field = field.split_once('?').map_or(&*field, |(known, _)| known);
        let field = field.trim_end_matches('.');
        let place = error.location();
        let at = place.map(|place| (place.line(), place.column()));
        let problem = problem(&error, at);
        let mistake = mistake(&error, &problem);
        let key = match &mistake {
            Mistake::UnknownKey(Words { word, .. }) => Some(word.as_str()),
            _ => None,
        };
        Box::new(RouteError {
            at,
            field: (!field.is_empty()).then(|| field.to_owned()),
            range: place.and_then(|place| {
                let range = bytes(place).or_else(|| point(text, place))?;
                Some(
                    key.and_then(|key| word_in(text, &range, key))
                        .unwrap_or(range),
                )
            }),
            ..RouteError::new(path, mistake, problem)
        })
    })
}

/// Which kind of mistake the parser's error is.
fn mistake(error: &serde_saphyr::Error, problem: &str) -> Mistake {
    use serde_saphyr::Error;
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => Mistake::UnknownKey(Words::new(field, expected)),
        Error::SerdeMissingField { field, .. } => Mistake::MissingKey((*field).to_owned()),
        Error::DuplicateMappingKey { .. } => Mistake::DuplicateKey,
        Error::Unexpected { .. } | Error::InvalidScalar { .. } => Mistake::WrongKind,
        _ if problem.starts_with("too large") => Mistake::TooLarge,
        _ if problem.starts_with("expected an expression") => Mistake::WrongKind,
        _ => Mistake::Syntax,
    }
}

/// What the parser found wrong, in the words of who writes a route, without the place.
fn problem(error: &serde_saphyr::Error, at: Option<(u64, u64)>) -> String {
    if let serde_saphyr::Error::Unexpected { expected, .. } = error {
        match *expected {
            "mapping start" => return "must be a group, `name: value` each".into(),
            "sequence start" => return "must be a list".into(),
            "string scalar" => return "must be a text".into(),
            _ => {}
        }
    }
    let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    if message.contains("too large or too complex") {
        return format!("too large or too complex, {MAX_DEPTH} levels of groups at most");
    }
    let place = at.map(|(line, column)| format!(" at line {line}, column {column}"));
    place
        .and_then(|place| message.strip_suffix(&*place))
        .unwrap_or(&message)
        .to_owned()
}

/// The bytes of `word`, which starts at `range` or behind its quote.
fn word_in(text: &str, range: &Range<usize>, word: &str) -> Option<Range<usize>> {
    let starts = range.start..range.start + 2;
    starts
        .map(|start| start..start + word.len())
        .find(|range| text.get(range.clone()) == Some(word))
}

/// The point of the file at a location that the parser knows by line and column only.
fn point(text: &str, location: Location) -> Option<Range<usize>> {
    let line = usize::try_from(location.line()).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column()).ok()?.checked_sub(1)?;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let before = text.get(start..)?.chars().take(column).map(char::len_utf8);
    let at = start + before.sum::<usize>();
    Some(at..at)
}

/// The bytes of the file at `location`.
pub(super) fn bytes(location: Location) -> Option<Range<usize>> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    Some(start..start + length)
}
