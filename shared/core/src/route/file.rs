//! The shape of a route file, and its parser.

use std::{ops::Range, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_path_to_error::{Path as FieldPath, Segment};
use serde_saphyr::{
    ExternalMessageSource, Location, MessageFormatter, NonFiniteFloatPolicy, Spanned,
    UserMessageFormatter, granit_parser::ErrorKind,
};

use super::{
    error::{Expected, Mistake, RouteError, Words, YamlMistake},
    span::Scalars,
};

#[cfg(feature = "schema")]
use super::schema_parts;

/// Groups within groups; each takes some of the stack.
const MAX_DEPTH: usize = 24;

// The descriptions of the fields are those that an editor shows: they become part of the JSON schema.

/// A route: from which Altinn app, when, to which app, and how.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::whole_route))]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    /// The route's name, a part of every relay's id: never rename it, never reuse it.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = schema_parts::SLUG), example = &"permit-to-casework"))]
    pub(super) name: Spanned<String>,
    /// App A, whose instances are relayed.
    pub(super) from: From,
    /// App B, of which an instance is made.
    pub(super) to: To,
    /// The shape of B's form: its groups and fields by name, in B's order, each leaf an expression over `instance` (A's instance) and `data.<data type>` (A's form data).
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Group"))]
    #[serde(default)]
    pub(super) model: Option<Spanned<Tree>>,
    /// Data elements of A that B gets.
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    /// B's due date: an ISO 8601 duration after A's process ended.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = "^P[0-9YMWDTHS.,]+$"), example = &"P30D"))]
    pub(super) due: Option<Spanned<String>>,
    /// Fan-out, `name in list`: one B per value of the list. Needs `key`.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = schema_parts::BINDING), example = &"heir in data.model.heirs"))]
    #[serde(default, deserialize_with = "present")]
    pub(super) each: Option<Spanned<Tree>>,
    /// What makes a value of `each` itself, however the list changes: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Leaf", example = &"heir.id"))]
    #[serde(default, deserialize_with = "present")]
    pub(super) key: Option<Spanned<Tree>>,
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
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = schema_parts::APP), example = &"ttd/permit"))]
    pub(super) app: Spanned<String>,
    /// When an instance is ready.
    #[cfg_attr(feature = "schema", schemars(with = "When"))]
    pub(super) when: Spanned<When>,
    /// The day before which no instance is relayed. Needed unless `then.complete`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = schema_parts::DAY), example = &"2026-11-01"))]
    pub(super) since: Option<Spanned<String>>,
}

/// When an instance is ready: one of `process` and `task`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::exactly_one))]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// A's process has ended.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Process"))]
    pub(super) process: Option<Spanned<String>>,
    /// A stands in this task, or its process has ended.
    #[cfg_attr(feature = "schema", schemars(with = "String", length(min = 1), example = &"Task_2"))]
    pub(super) task: Option<Spanned<String>>,
}

/// App B, of which an instance is made.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::mode_needs_stamp))]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    /// The app, `{org}/{app}`.
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = schema_parts::APP), example = &"ttd/casework"))]
    pub(super) app: Spanned<String>,
    /// In whose inbox the instance appears.
    #[cfg_attr(feature = "schema", schemars(with = "Owner"))]
    pub(super) owner: Spanned<Owner>,
    /// B's form data type; if not given, the only one with app logic.
    #[serde(rename = "dataType")]
    #[cfg_attr(feature = "schema", schemars(example = &"model"))]
    pub(super) data_type: Option<String>,
    /// The XML root element of B's form, `model` if not given.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = schema_parts::ELEMENT), example = &"melding"))]
    pub(super) root: Option<Spanned<String>>,
    /// The JSON schema for a B whose app serves none, a file beside the route.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(min = 1), example = &"casework.schema.json"))]
    pub(super) schema: Option<Spanned<String>>,
    /// `route` writes the fields of B's form as the route lists them, for a B whose class has another order than its schema.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema_parts::Order>"))]
    pub(super) order: Option<Spanned<String>>,
    /// B needs no person to fill in the rest: its required fields are checked, too.
    #[serde(default)]
    pub(super) complete: bool,
    /// Further forms of B, by data type, sent in the same request.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<std::collections::BTreeMap<String, FurtherForm>>")
    )]
    pub(super) forms: Option<Spanned<FurtherForms>>,
    /// `prefill` makes B by Altinn's simplified request, which takes flat texts only. Needs `stamp`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema_parts::Mode>"))]
    pub(super) mode: Option<Spanned<String>>,
    /// With `mode: prefill`, the field of B's form that carries the relay's id, which B's `dataFields` must show.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = schema_parts::PATH), example = &"soknad.relay"))]
    pub(super) stamp: Option<Spanned<String>>,
    /// Which B are read back and compared with what was sent: `always`, `sampled` (if not given) or `never`.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema_parts::Verify>"))]
    pub(super) verify: Option<Spanned<String>>,
    /// How many B are made in a second and at a time, at most; if not given, found out from B's answers.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Pace>"))]
    pub(super) pace: Option<Spanned<Pace>>,
}

/// How many B are made in a second and at a time, at most: one of the two, or both.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::at_least_one))]
#[serde(deny_unknown_fields)]
pub(super) struct Pace {
    /// So many B in a second at most, by all functions together.
    #[serde(rename = "perSecond")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", range(min = 1, max = 1000), example = &20))]
    pub(super) per_second: Option<Spanned<u32>>,
    /// So many B at the same time at most, by all functions together.
    #[serde(rename = "atOnce")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>", range(min = 1, max = 1000), example = &5))]
    pub(super) at_once: Option<Spanned<u32>>,
}

/// A further form of B.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::form_needs_model))]
#[serde(deny_unknown_fields)]
pub(super) struct FurtherForm {
    /// The XML root element of this form, `model` if not given.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", regex(pattern = schema_parts::ELEMENT), example = &"melding"))]
    pub(super) root: Option<Spanned<String>>,
    /// The JSON schema for a B whose app serves none of this form, a file beside the route.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", length(min = 1), example = &"other.schema.json"))]
    pub(super) schema: Option<Spanned<String>>,
    /// `route` writes the fields of this form as the route lists them, for a B whose class has another order than its schema.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema_parts::Order>"))]
    pub(super) order: Option<Spanned<String>>,
    /// The shape of this form, as `model` beside `to` is that of B's form of `to.dataType`.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Group"))]
    #[serde(default)]
    pub(super) model: Option<Spanned<Tree>>,
}

/// Further forms of B by data type, in the order of the file.
pub(super) struct FurtherForms(pub(super) Vec<(String, Spanned<FurtherForm>)>);

impl<'de> Deserialize<'de> for FurtherForms {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FurtherFormsVisitor)
    }
}

struct FurtherFormsVisitor;

impl<'de> Visitor<'de> for FurtherFormsVisitor {
    type Value = FurtherForms;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a group of forms by data type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FurtherForms, A::Error> {
        let mut forms = Vec::new();
        while let Some(form) = map.next_entry()? {
            forms.push(form);
        }
        Ok(FurtherForms(forms))
    }
}

/// In whose inbox the instance appears: one of `organisation`, `person` and `party`, an expression each.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::exactly_one))]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    /// A nine-digit organisation number: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Leaf", example = &"'310075728'"))]
    #[serde(default, deserialize_with = "present")]
    pub(super) organisation: Option<Spanned<Tree>>,
    /// An eleven-digit national identity number: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Leaf", example = &"heir.ssn"))]
    #[serde(default, deserialize_with = "present")]
    pub(super) person: Option<Spanned<Tree>>,
    /// A party id: an expression.
    #[cfg_attr(feature = "schema", schemars(with = "schema_parts::Leaf", example = &"instance.instanceOwner.partyId"))]
    #[serde(default, deserialize_with = "present")]
    pub(super) party: Option<Spanned<Tree>>,
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
    /// Only elements with this tag.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), example = &"vedtak"))]
    pub(super) tag: Option<String>,
    /// Only elements whose file name has this form; `*` stands for any characters.
    #[cfg_attr(feature = "schema", schemars(length(min = 1), example = &"vedtak*.pdf"))]
    pub(super) filename: Option<String>,
}

/// What follows on A once B exists.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = schema_parts::not_empty))]
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

/// A node of `model:`, or an expression elsewhere.
pub(super) enum Tree {
    /// A scalar. Its text is taken from where it stands in the file: an expression is what is written, and not what
    /// YAML makes of `01`, `1e3`, `NO` or `~`.
    Leaf,
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
    List(Vec<Spanned<Tree>>),
}

/// Reads a field that is given, if only by an empty value or YAML's `~`, which would else count as not given.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spanned<Tree>>, D::Error> {
    Spanned::deserialize(deserializer).map(Some)
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an expression or a group of fields")
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
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

/// Parses a route file's text.
///
/// # Errors
/// What is wrong with it: of what is not in shape, the first.
pub(super) fn parse(path: &Path, text: &str) -> Result<RouteFile, Box<RouteError>> {
    let mut track = serde_path_to_error::Track::new();
    let options = serde_saphyr::options! {
        with_snippet: false,
        // `.inf` and `1e999` are read as expressions, as every other scalar is.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, flow_nesting_limit: MAX_DEPTH },
    };
    let parsed =
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            RouteFile::deserialize(serde_path_to_error::Deserializer::new(
                deserializer,
                &mut track,
            ))
        });
    parsed.map_err(|error| Box::new(refused(path, text, track.path(), &error)))
}

/// What the parser found wrong.
fn refused(path: &Path, text: &str, parsed: FieldPath, error: &serde_saphyr::Error) -> RouteError {
    let (mut field, is_key) = field(&parsed);
    // Keys are texts.
    let expected = if is_key {
        Expected::Text
    } else {
        expected(&field)
    };
    let mistake = mistake(error, expected);
    let place = error.location();
    let mut range = place.and_then(|place| bytes(place).or_else(|| point(text, place)));
    match &mistake {
        Mistake::UnknownKey(Words { word, .. }) => {
            if field.last() != Some(&Step::Name(word)) {
                field.push(Step::Name(word));
            }
            range = range.map(|range| word_in(text, &range, word).unwrap_or(range));
        }
        // The parser was at the end of the group when it missed the key.
        Mistake::MissingKey(_) => range = None,
        _ => {}
    }
    let field = dotted(&field);
    let scalars = Scalars::of(text);
    let scalar = range.as_ref().and_then(|range| scalars.at(range));
    let what = match (&mistake, scalar.and_then(|scalar| scalar.tag())) {
        (Mistake::WrongKind(_) | Mistake::Syntax(YamlMistake::Other), Some(tag)) => {
            RouteError::tagged(path, tag)
        }
        _ => RouteError::new(path, mistake.clone(), problem(&mistake, error)),
    };
    RouteError {
        at: place.map(|place| (place.line(), place.column())),
        field: (!field.is_empty()).then_some(field),
        range,
        ..what
    }
}

/// A step on the way to a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

/// The field that the parser was at, and whether it was at the field's key.
fn field(parsed: &FieldPath) -> (Vec<Step<'_>>, bool) {
    let mut steps = Vec::new();
    let mut is_wrapped = false;
    for segment in parsed {
        match segment {
            // `Spanned` is a struct with a field `value` to serde; that is no field of the route.
            Segment::Map { key } if key == "value" && !steps.is_empty() && !is_wrapped => {
                is_wrapped = true;
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                steps.push(Step::Name(key));
                is_wrapped = false;
            }
            Segment::Seq { index } => {
                steps.push(Step::Item(*index));
                is_wrapped = false;
            }
            Segment::Unknown => return (steps, true),
        }
    }
    (steps, false)
}

/// `attachments[0].to`.
fn dotted(field: &[Step<'_>]) -> String {
    let mut name = String::new();
    for step in field {
        match step {
            Step::Name(step) if name.is_empty() => name.push_str(step),
            Step::Name(step) => {
                name.push('.');
                name.push_str(step);
            }
            Step::Item(index) => name.push_str(&format!("[{index}]")),
        }
    }
    name
}

/// What kind of value a field of the route file takes.
fn expected(field: &[Step<'_>]) -> Expected {
    use Step::{Item, Name};
    match field {
        [Name("attachments")] => Expected::List,
        [Name("attachments"), Item(_), Name("required")]
        | [Name("to" | "then"), Name("complete")] => Expected::Boolean,
        [Name("to"), Name("pace"), Name(_)] => Expected::Number,
        [Name("model"), ..]
        | [Name("to"), Name("forms"), _, Name("model"), ..]
        | [Name("to"), Name("owner"), _]
        | [Name("key")] => Expected::Expression,
        []
        | [Name("from" | "to" | "then")]
        | [Name("attachments"), Item(_)]
        | [Name("from"), Name("when")]
        | [Name("to"), Name("owner" | "forms" | "pace")]
        | [Name("to"), Name("forms"), _]
        | [Name("then"), Name("substatus")] => Expected::Group,
        _ => Expected::Text,
    }
}

/// Which kind of mistake the parser's error is.
fn mistake(error: &serde_saphyr::Error, expected: Expected) -> Mistake {
    use serde_saphyr::Error;
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => Mistake::UnknownKey(Words::new(field, expected)),
        Error::SerdeMissingField { field, .. } => Mistake::MissingKey((*field).to_owned()),
        Error::DuplicateMappingKey { key, .. } => {
            Mistake::DuplicateKey(key.clone().unwrap_or_default())
        }
        Error::Unexpected { .. }
        | Error::InvalidScalar { .. }
        | Error::InvalidBooleanStrict { .. }
        | Error::NullIntoString { .. }
        | Error::SerdeInvalidType { .. } => Mistake::WrongKind(expected),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => Mistake::TooLarge,
        Error::AliasError { error, .. } => mistake(error, expected),
        Error::Eof { .. } => Mistake::Syntax(YamlMistake::Empty),
        Error::MultipleDocuments { .. } => Mistake::Syntax(YamlMistake::SeveralDocuments),
        Error::UnknownAnchor { .. } => Mistake::Syntax(YamlMistake::UnknownAnchor),
        Error::ExternalMessage { source, .. } => match &**source {
            ExternalMessageSource::Parser(error) => scanned(error.kind()),
            _ => Mistake::Syntax(YamlMistake::Other),
        },
        _ => Mistake::Syntax(YamlMistake::Other),
    }
}

/// Which kind of mistake keeps the text from being YAML.
fn scanned(kind: &ErrorKind) -> Mistake {
    let kind = match kind {
        ErrorKind::RecursionLimitExceeded => return Mistake::TooLarge,
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => YamlMistake::AfterQuote,
        ErrorKind::UnclosedQuotedScalar => YamlMistake::OpenQuote,
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnclosedFlowCollection { open: '{' } => YamlMistake::OpenBrace,
        ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnclosedFlowCollection { open: '[' } => YamlMistake::OpenBracket,
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation => YamlMistake::Tab,
        ErrorKind::MappingValueNotAllowed => YamlMistake::Colon,
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedNodeContent
        | ErrorKind::ExpectedBlockSequenceEntry => YamlMistake::Incomplete,
        _ => YamlMistake::Other,
    };
    Mistake::Syntax(kind)
}

/// What is wrong, in the words of who writes a route.
fn problem(mistake: &Mistake, error: &serde_saphyr::Error) -> String {
    let problem = match mistake {
        Mistake::WrongKind(expected) => expected.problem(),
        Mistake::TooLarge => {
            return format!("too large or too complex, {MAX_DEPTH} levels of groups at most");
        }
        _ => return UserMessageFormatter.format_message(error).into_owned(),
    };
    problem.to_owned()
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

#[cfg(feature = "schema")]
#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::route::file_schema::file_schema;

    /// The kind of value that a part of the JSON schema takes.
    fn kind(root: &Value, schema: &Value) -> Expected {
        if let Some(reference) = schema["$ref"].as_str() {
            return match reference {
                "#/$defs/Expression" => Expected::Expression,
                _ => kind(root, resolved(root, schema)),
            };
        }
        let types = &schema["type"];
        let first = types.get(0).unwrap_or(types);
        match first.as_str() {
            Some("object") => Expected::Group,
            Some("array") => Expected::List,
            Some("boolean") => Expected::Boolean,
            Some("integer") => Expected::Number,
            Some("string") => Expected::Text,
            _ => {
                let branches = schema.get("anyOf").or(schema.get("oneOf"));
                kind(root, &branches.unwrap_or_else(|| panic!("{schema}"))[0])
            }
        }
    }

    fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
        let schema = schema["anyOf"].get(0).unwrap_or(schema);
        let pointer = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#'));
        pointer.map_or(schema, |pointer| root.pointer(pointer).unwrap())
    }

    fn compare<'s>(root: &'s Value, schema: &'s Value, field: &mut Vec<Step<'s>>) -> usize {
        if field.last() == Some(&Step::Name("model")) {
            return 0;
        }
        let name = dotted(field);
        assert_eq!(expected(field), kind(root, schema), "{name}");
        let group = resolved(root, schema);
        let mut compared = 1;
        if let Some(items) = group.get("items") {
            field.push(Step::Item(0));
            compared += compare(root, items, field);
            field.pop();
        }
        if let Some(any) = group
            .get("additionalProperties")
            .filter(|any| any.is_object())
        {
            field.push(Step::Name("any"));
            compared += compare(root, any, field);
            field.pop();
        }
        for (name, schema) in group["properties"].as_object().into_iter().flatten() {
            field.push(Step::Name(name));
            compared += compare(root, schema, field);
            field.pop();
        }
        compared
    }

    #[test]
    fn every_field_is_expected_to_be_of_the_kind_that_the_schema_names() {
        let schema = file_schema();
        assert!(compare(&schema, &schema, &mut Vec::new()) > 25);
    }
}
