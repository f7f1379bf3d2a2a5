//! The route file as it is written, and its one way to become a [`Route`].

use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp, civil::Date};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{
    AfterSteps, AttachmentRule, Each, Gate, Mode, OwnerRule, Route, RouteError, Target,
    expression::Expression,
    model::{Group, Node},
};
use crate::{schema::Schema, xml};

/// A route file larger than this is no route.
const MAX_BYTES: u64 = 1024 * 1024;
/// Groups within groups; each takes some of the stack.
const MAX_DEPTH: usize = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteFile {
    name: Spanned<String>,
    from: From,
    to: To,
    #[serde(default)]
    model: Option<Spanned<Tree>>,
    #[serde(default)]
    attachments: Vec<Attachment>,
    due: Option<Spanned<String>>,
    each: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    then: Option<Spanned<Then>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct From {
    app: Spanned<String>,
    when: Spanned<When>,
    since: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    process: Option<Spanned<String>>,
    task: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    app: Spanned<String>,
    owner: Spanned<Owner>,
    #[serde(rename = "dataType")]
    data_type: Option<String>,
    root: Option<Spanned<String>>,
    schema: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
    stamp: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    organisation: Option<Spanned<Scalar>>,
    person: Option<Spanned<Scalar>>,
    party: Option<Spanned<Scalar>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attachment {
    from: String,
    to: String,
    #[serde(default)]
    required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    substatus: Option<Substatus>,
    #[serde(default)]
    complete: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Substatus {
    label: Spanned<String>,
    description: Option<String>,
}

/// An expression's text; a bare number or `true` is one too.
struct Scalar(String);

/// A node of `model:`.
enum Tree {
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
    let whole = |problem: String| {
        vec![RouteError {
            file: path.to_owned(),
            at: None,
            field: None,
            problem,
        }]
    };
    let size = std::fs::metadata(path)
        .map_err(|e| whole(format!("cannot be read: {e}")))?
        .len();
    if size > MAX_BYTES {
        return Err(whole(format!(
            "has {size} bytes, a route file has {MAX_BYTES} at most"
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| whole(format!("cannot be read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        whole(format!(
            "is not UTF-8 text (byte {})",
            e.utf8_error().valid_up_to()
        ))
    })?;
    let file = parse(&text).map_err(|error| {
        vec![RouteError {
            file: path.to_owned(),
            ..error
        }]
    })?;
    Check {
        path,
        text: &text,
        errors: Vec::new(),
    }
    .route(file)
}

fn parse(text: &str) -> Result<RouteFile, RouteError> {
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
        let path = track.path().to_string();
        // `Spanned` is a struct with a field `value` to serde; that is no field of the route.
        let field = path.trim_end_matches(".value").replace(".value.", ".");
        // From here on the path is not known.
        let field = field.split_once('?').map_or(&*field, |(known, _)| known);
        let field = field.trim_end_matches('.');
        let at = error
            .location()
            .map(|location| (location.line(), location.column()));
        RouteError {
            file: PathBuf::new(),
            at,
            field: (!field.is_empty()).then(|| field.to_owned()),
            problem: problem(&error, at),
        }
    })
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

fn at(location: Location) -> Option<(u64, u64)> {
    Some((location.line(), location.column()))
}

/// Turns the file's parts into the route's, and collects what is wrong on the way.
struct Check<'a> {
    path: &'a Path,
    text: &'a str,
    errors: Vec<RouteError>,
}

impl Check<'_> {
    fn error(&mut self, at: Option<(u64, u64)>, field: &str, problem: impl Into<String>) {
        self.errors.push(RouteError {
            file: self.path.to_owned(),
            at,
            field: Some(field.to_owned()),
            problem: problem.into(),
        });
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        text: &Spanned<String>,
        field: &str,
    ) -> Option<T> {
        text.value
            .parse()
            .map_err(|error| self.error(at(text.referenced), field, format!("{error}")))
            .ok()
    }

    fn route(mut self, file: RouteFile) -> Result<Route, Vec<RouteError>> {
        let name = self.parsed(&file.name, "name");
        let from = self.parsed(&file.from.app, "from.app");
        let gate = self.gate(&file.from.when);
        let then = self.then(file.then, gate.as_ref());
        let since = file.from.since.as_ref().and_then(|since| self.since(since));
        if file.from.since.is_none() && !then.complete {
            self.error(
                at(file.from.app.referenced),
                "from.since",
                "missing: the day before which no A instance is relayed, such as 2026-11-01",
            );
        }
        let (each, mut locals) = self.each(file.each, file.key);
        let target = self.target(file.to, &locals);
        let model = match file.model {
            None => {
                self.error(
                    None,
                    "model",
                    "missing: the fields of B's form, each an expression",
                );
                None
            }
            Some(model) => self.model(model, &mut locals),
        };
        let attachments: Vec<AttachmentRule> = file
            .attachments
            .into_iter()
            .map(|a| AttachmentRule {
                from: a.from,
                to: a.to,
                required: a.required,
            })
            .collect();
        let due = file.due.as_ref().and_then(|due| self.due(due));
        if let Some(to) = &target
            && to.mode != Mode::Complete
        {
            self.fits_prefill(to, model.as_ref(), &attachments);
        }
        match (name, from, gate, target, model) {
            (Some(name), Some(from), Some(gate), Some(to), Some(model))
                if self.errors.is_empty() =>
            {
                Ok(Route {
                    name,
                    from,
                    gate,
                    since,
                    to,
                    model,
                    attachments,
                    due,
                    each,
                    then,
                })
            }
            _ => Err(self.errors),
        }
    }

    fn gate(&mut self, when: &Spanned<When>) -> Option<Gate> {
        const ALLOWED: &str = "allowed are `{ process: completed }` and `{ task: Task_2 }`";
        match (&when.value.process, &when.value.task) {
            (Some(process), None) if process.value == "completed" => Some(Gate::Completed),
            (None, Some(task)) if !task.value.is_empty() => Some(Gate::Task(task.value.clone())),
            _ => {
                self.error(at(when.referenced), "from.when", ALLOWED);
                None
            }
        }
    }

    fn then(&mut self, then: Option<Spanned<Then>>, gate: Option<&Gate>) -> AfterSteps {
        let Some(then) = then else {
            return AfterSteps::default();
        };
        let place = at(then.referenced);
        let Then {
            substatus,
            complete,
        } = then.value;
        if substatus.is_none() && !complete {
            self.error(
                place,
                "then",
                "says nothing: allowed are `substatus: { label: …, description: … }` and `complete: true`",
            );
        }
        if complete && matches!(gate, Some(Gate::Task(_))) {
            self.error(
                place,
                "then.complete",
                "needs `when: { process: completed }`: Altinn deletes a confirmed instance at once if it is deleted before its process has ended",
            );
        }
        let substatus = substatus.map(|substatus| {
            if substatus.label.value.trim().is_empty() {
                self.error(
                    at(substatus.label.referenced),
                    "then.substatus.label",
                    "empty: Altinn needs a word",
                );
            }
            super::Substatus {
                label: substatus.label.value,
                description: substatus.description,
            }
        });
        AfterSteps {
            substatus,
            complete,
        }
    }

    fn since(&mut self, since: &Spanned<String>) -> Option<Timestamp> {
        let day = since
            .value
            .parse::<Date>()
            .ok()
            .and_then(|day| Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()));
        let moment = day.or_else(|| since.value.parse().ok());
        if moment.is_none() {
            self.error(
                at(since.referenced),
                "from.since",
                "not a day such as 2026-11-01",
            );
        }
        moment
    }

    fn due(&mut self, due: &Spanned<String>) -> Option<Span> {
        // The parser would also take `30 days`, and more words than anybody could list.
        let iso = Some(due.value.as_str()).filter(|text| text.starts_with('P'));
        let span: Option<Span> = iso
            .and_then(|text| text.parse().ok())
            .filter(|span: &Span| span.is_positive());
        if span.is_none() {
            self.error(
                at(due.referenced),
                "due",
                "not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
            );
        }
        span
    }

    fn target(&mut self, to: To, locals: &[String]) -> Option<Target> {
        let app = self.parsed(&to.app, "to.app");
        let owner = self.owner(to.owner, locals);
        let mode = self.mode(to.mode, to.stamp);
        let root = match to.root {
            None => Some("model".to_owned()),
            Some(root) if xml::is_name(&root.value) => Some(root.value),
            Some(root) => {
                self.error(
                    at(root.referenced),
                    "to.root",
                    "not the name of an XML element",
                );
                None
            }
        };
        let schema = match to.schema {
            None => None,
            Some(file) => {
                let path = self
                    .path
                    .parent()
                    .unwrap_or(Path::new("."))
                    .join(&file.value);
                match Schema::read(&path) {
                    Ok(schema) => Some(schema),
                    Err(error) => {
                        self.error(at(file.referenced), "to.schema", error.to_string());
                        None
                    }
                }
            }
        };
        Some(Target {
            app: app?,
            owner: owner?,
            data_type: to.data_type,
            root: root?,
            schema,
            mode: mode?,
        })
    }

    fn owner(&mut self, owner: Spanned<Owner>, locals: &[String]) -> Option<OwnerRule> {
        let place = owner.referenced;
        let Owner {
            organisation,
            person,
            party,
        } = owner.value;
        let (kind, text, field): (fn(Expression) -> OwnerRule, _, _) =
            match (organisation, person, party) {
                (Some(text), None, None) => {
                    (OwnerRule::Organisation, text, "to.owner.organisation")
                }
                (None, Some(text), None) => (OwnerRule::Person, text, "to.owner.person"),
                (None, None, Some(text)) => (OwnerRule::Party, text, "to.owner.party"),
                _ => {
                    self.error(
                        at(place),
                        "to.owner",
                        "give one of `organisation`, `person` and `party`",
                    );
                    return None;
                }
            };
        self.expression(&text.value.0, text.referenced, field, locals)
            .map(kind)
    }

    fn expression(
        &mut self,
        text: &str,
        place: Location,
        field: &str,
        locals: &[String],
    ) -> Option<Expression> {
        self.end_of_expression(text, 0, place, field, locals)
    }

    /// Compiles what follows the first `skipped` bytes of a scalar's text.
    fn end_of_expression(
        &mut self,
        text: &str,
        skipped: usize,
        place: Location,
        field: &str,
        locals: &[String],
    ) -> Option<Expression> {
        Expression::compile(text.get(skipped..).unwrap_or_default(), locals)
            .map_err(|error| {
                let inside = error.range.as_ref().map_or(0, |range| {
                    self.characters_before(text, skipped + range.start, place)
                });
                let at = Some((place.line(), place.column() + inside));
                self.error(at, field, error.problem);
            })
            .ok()
    }

    /// How many characters of the file stand between a scalar's start and the `offset`th byte of its
    /// text; 0 for one that is folded, or escapes what need not be.
    fn characters_before(&self, text: &str, offset: usize, place: Location) -> u64 {
        let written = place
            .span()
            .byte_offset()
            .and_then(|start| self.text.get(usize::try_from(start).ok()?..))
            .unwrap_or_default();
        let before = text.get(..offset).unwrap_or_default();
        let before = match written.chars().next() {
            Some('\'') => format!("'{}", before.replace('\'', "''")),
            Some('"') => format!("\"{}", before.replace('\\', r"\\").replace('"', r#"\""#)),
            _ => before.to_owned(),
        };
        if written.starts_with(&before) {
            before.chars().count() as u64
        } else {
            0
        }
    }

    fn model(&mut self, model: Spanned<Tree>, locals: &mut Vec<String>) -> Option<Group> {
        match model.value {
            Tree::Map(fields) => self.group(fields, "model", locals),
            _ => {
                self.error(at(model.referenced), "model", "must be a group of fields");
                None
            }
        }
    }

    fn group(
        &mut self,
        fields: Vec<(Spanned<String>, Spanned<Tree>)>,
        path: &str,
        locals: &mut Vec<String>,
    ) -> Option<Group> {
        let mut group = Vec::new();
        let mut whole = true;
        for (name, tree) in fields {
            let field = format!("{path}.{}", name.value);
            if !xml::is_name(&name.value) {
                let problem = if name.value == "$each" {
                    "`$each` belongs into a field of `model`, not beside it"
                } else {
                    "not the name of an XML element: letters, digits, `_`, `-` and `.`, first a letter or `_`"
                };
                self.error(at(name.referenced), &field, problem);
                whole = false;
                continue;
            }
            match self.node(tree, &field, locals) {
                Some(node) => group.push((name.value, node)),
                None => whole = false,
            }
        }
        whole.then_some(group)
    }

    fn node(&mut self, tree: Spanned<Tree>, field: &str, locals: &mut Vec<String>) -> Option<Node> {
        let place = tree.referenced;
        match tree.value {
            Tree::Scalar(text) => self
                .expression(&text, place, field, locals)
                .map(Node::Field),
            Tree::Map(mut fields) => {
                match fields.iter().position(|(name, _)| name.value == "$each") {
                    None => self.group(fields, field, locals).map(Node::Group),
                    Some(index) => {
                        let (_, each) = fields.remove(index);
                        self.repeat(each, fields, field, locals)
                    }
                }
            }
            Tree::List => {
                self.error(
                    at(place),
                    field,
                    "a list is written as a group with `$each: item in data.model.items`",
                );
                None
            }
            Tree::Nothing => {
                self.error(
                    at(place),
                    field,
                    "no expression; `none` leaves the element out",
                );
                None
            }
        }
    }

    fn repeat(
        &mut self,
        each: Spanned<Tree>,
        fields: Vec<(Spanned<String>, Spanned<Tree>)>,
        field: &str,
        locals: &mut Vec<String>,
    ) -> Option<Node> {
        let each_field = format!("{field}.$each");
        let text = match &each.value {
            Tree::Scalar(text) => text,
            _ => "",
        };
        let (name, list) = self.binding(text, each.referenced, &each_field, locals)?;
        locals.push(name.clone());
        let group = self.group(fields, field, locals);
        locals.pop();
        Some(Node::Repeat {
            name,
            list: list?,
            group: group?,
        })
    }

    /// `name in list`: a name that has no meaning yet, and the list; `None` for the list if only that is wrong.
    fn binding(
        &mut self,
        text: &str,
        place: Location,
        field: &str,
        locals: &[String],
    ) -> Option<(String, Option<Expression>)> {
        const FORM: &str = "must be `name in list`, such as `decision in data.model.decisions`";
        let is_name = |name: &str| {
            let mut bytes = name.bytes();
            bytes
                .next()
                .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
                && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let parts = text
            .split_once(" in ")
            .map(|(name, list)| (name.trim(), list.trim_start()));
        let Some((name, list)) = parts.filter(|(name, _)| is_name(name)) else {
            self.error(at(place), field, FORM);
            return None;
        };
        // `true` and the like are words of the expression language, which no name takes over.
        let is_free = Expression::compile(&format!("{name}.x"), &[name.to_owned()])
            .is_ok_and(|it| it.paths().next().is_some());
        if !is_free
            || ["data", "instance"].contains(&name)
            || locals.iter().any(|local| local == name)
        {
            self.error(
                at(place),
                field,
                format!("`{name}` has a meaning here already"),
            );
            return None;
        }
        let skipped = text.len() - list.len();
        let list = self.end_of_expression(text, skipped, place, field, locals);
        Some((name.to_owned(), list))
    }

    /// The fan-out, and the names that it binds, which hold even where it is broken otherwise.
    fn each(
        &mut self,
        each: Option<Spanned<String>>,
        key: Option<Spanned<String>>,
    ) -> (Option<Each>, Vec<String>) {
        let Some(each) = each else {
            if let Some(key) = key {
                let place = at(key.referenced);
                self.error(place, "key", "belongs to `each`, which is missing");
            }
            return (None, Vec::new());
        };
        let Some((name, list)) = self.binding(&each.value, each.referenced, "each", &[]) else {
            return (None, Vec::new());
        };
        let locals = vec![name.clone()];
        let Some(key) = key else {
            self.error(
                at(each.referenced),
                "key",
                "missing: with `each`, what makes a value itself, such as `heir.id`",
            );
            return (None, locals);
        };
        let key = self.expression(&key.value, key.referenced, "key", &locals);
        let each = list.zip(key).map(|(list, key)| Each { name, list, key });
        (each, locals)
    }

    fn mode(
        &mut self,
        mode: Option<Spanned<String>>,
        stamp: Option<Spanned<String>>,
    ) -> Option<Mode> {
        match (mode, stamp) {
            (None, None) => Some(Mode::Complete),
            (Some(mode), Some(stamp)) if mode.value == "prefill" => {
                let whole = !stamp.value.is_empty() && stamp.value.split('.').all(xml::is_name);
                if whole {
                    return Some(Mode::Prefill { stamp: stamp.value });
                }
                self.error(
                    at(stamp.referenced),
                    "to.stamp",
                    "not a field of B's form, such as `soknad.relay`",
                );
                None
            }
            (Some(mode), None) if mode.value == "prefill" => {
                self.error(
                    at(mode.referenced),
                    "to.stamp",
                    "missing: with `mode: prefill`, the field of B's form that carries the relay's id, which B's dataFields must show",
                );
                None
            }
            (Some(mode), _) => {
                self.error(
                    at(mode.referenced),
                    "to.mode",
                    "the only mode that can be named is `prefill`",
                );
                None
            }
            (None, Some(stamp)) => {
                self.error(
                    at(stamp.referenced),
                    "to.stamp",
                    "belongs to `mode: prefill`: without it every B is stamped",
                );
                None
            }
        }
    }

    /// The simplified request carries flat texts and nothing else.
    fn fits_prefill(&mut self, to: &Target, model: Option<&Group>, attachments: &[AttachmentRule]) {
        if !attachments.is_empty() {
            self.error(None, "attachments", "`mode: prefill` cannot carry any");
        }
        if model.is_some_and(has_repeat) {
            self.error(
                None,
                "model",
                "`mode: prefill` cannot fill a repeating group (`$each`)",
            );
        }
        if to.schema.is_some() {
            self.error(
                None,
                "to.schema",
                "`mode: prefill` fills a part of B's form, which no schema of the whole fits",
            );
        }
    }
}

fn has_repeat(group: &Group) -> bool {
    group.iter().any(|(_, node)| match node {
        Node::Field(_) => false,
        Node::Group(group) => has_repeat(group),
        Node::Repeat { .. } => true,
    })
}
