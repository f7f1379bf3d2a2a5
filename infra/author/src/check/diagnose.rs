//! Puts into words what is wrong with a route file by itself.

use std::{ops::Range, path::Path};

use stafett_core::{
    id::{AppId, RouteName},
    route::{Mistake, RouteError, Words, YamlMistake, file_schema},
    schema::SchemaError,
};

use super::words::{nearest, quoted};
use crate::{
    finding::{Finding, Place},
    places::Places,
};

/// An example of each key.
const EXAMPLES: [(&str, &[&str]); 16] = [
    ("name", &["name: permit-to-casework"]),
    (
        "from",
        &["from: { app: ttd/permit, when: { process: completed }, since: 2026-11-01 }"],
    ),
    ("from.app", &["app: ttd/permit"]),
    (
        "from.when",
        &["when: { process: completed }", "when: { task: Task_2 }"],
    ),
    ("from.since", &["since: 2026-11-01"]),
    (
        "to",
        &["to: { app: ttd/casework, owner: { organisation: \"'310075728'\" } }"],
    ),
    ("to.app", &["app: ttd/casework"]),
    (
        "to.owner",
        &[
            "owner: { organisation: \"'310075728'\" }",
            "owner: { person: data.model.applicant.ssn }",
            "owner: { party: instance.instanceOwner.partyId }",
        ],
    ),
    ("to.owner.organisation", &["organisation: \"'310075728'\""]),
    (
        "model",
        &["model: { soknad: { tittel: data.model.title } }"],
    ),
    (
        "attachments",
        &["attachments: [{ from: ref-data-as-pdf, to: vedlegg }]"],
    ),
    (
        "attachments.from",
        &["{ from: ref-data-as-pdf, to: vedlegg }"],
    ),
    (
        "attachments.to",
        &["{ from: ref-data-as-pdf, to: vedlegg }"],
    ),
    ("attachments.required", &["required: true"]),
    ("due", &["due: P30D"]),
    (
        "then.substatus.label",
        &["substatus: { label: Sent to case handling }"],
    ),
];

/// Words of other languages, and the words that mean the same in expressions.
const ALIASES: [(&str, &str); 16] = [
    ("null", "none"),
    ("nil", "none"),
    ("undefined", "none"),
    ("upcase", "upper"),
    ("uppercase", "upper"),
    ("toupper", "upper"),
    ("downcase", "lower"),
    ("lowercase", "lower"),
    ("tolower", "lower"),
    ("len", "length"),
    ("size", "length"),
    ("strip", "trim"),
    ("concat", "join"),
    ("to_string", "string"),
    ("ifempty", "default"),
    ("number", "float"),
];

/// The finding that a refused route file gives.
pub(super) fn finding(error: &RouteError, text: &str, places: &Places) -> Finding {
    let place = place(error, text, places);
    let code = error.mistake.code();
    let start = |message: String| Finding::error(code, &error.file, message);
    let (problem, help) = (&error.problem, error.help.as_deref());
    let field = error.field.as_deref().unwrap_or_default();
    let about_field = || match (field, &error.mistake) {
        ("", Mistake::WrongKind(_)) => start(format!("a route {problem}")),
        ("", _) => start(format!("the file {problem}")),
        (field, _) => start(format!("{field}: {problem}")),
    };
    let line = error.at.and_then(|(line, _)| usize::try_from(line).ok());
    let line = line.and_then(|line| text.lines().nth(line.saturating_sub(1)));
    let written = line.unwrap_or_default();
    let told = |help: &str| Some(help.to_owned());
    let finding = match &error.mistake {
        Mistake::UnknownKey(words) => unknown_key(start, words, field),
        Mistake::MissingKey(key) => start(format!("{}: missing", dotted(field, key)))
            .helps(help)
            .helps(example(&dotted(field, key))),
        Mistake::WrongKind(_) if written.contains("{{") => {
            about_field().help("an expression stands for itself: write it without `{{` and `}}`")
        }
        Mistake::WrongKind(_) | Mistake::List | Mistake::NoExpression => {
            about_field().helps(help).helps(example(field))
        }
        Mistake::InvalidValue(words) => about_field()
            .helps(help)
            .suggest(instead(field, words, places).filter(|it| *it != words.word)),
        Mistake::UnknownName(words) => unknown_name(start, words, error, &place, text),
        Mistake::UnknownFilter(words) => start(format!("{field}: unknown filter `{}`", words.word))
            .helps(help.map_or_else(|| all_if_none_is_near(words, "the filters are"), told))
            .suggest(meant(words)),
        Mistake::UnknownTest(words) => start(format!("{field}: unknown test `{}`", words.word))
            .helps(help.map_or_else(|| all_if_none_is_near(words, "the tests are"), told))
            .suggest(meant(words)),
        Mistake::ExpressionSyntax => about_field()
            .expression(help, field, places)
            .suggest(error.suggestion.as_ref()),
        Mistake::Syntax(kind) => start(problem.clone()).helps(yaml_help(*kind)),
        Mistake::DuplicateKey(key) => duplicate_key(start, field, key, places),
        Mistake::NameTaken(_) => about_field().help("give the item another name"),
        Mistake::Schema(name, problem) => schema(start, &error.file, field, name, problem),
        Mistake::NotText => about_field().help("save the file as UTF-8"),
        Mistake::Contradiction if field == "from.when" => {
            start(format!("{field}: give one of `process` and `task`")).helps(example(field))
        }
        Mistake::NameReused => start(format!("{problem}: {}", help.unwrap_or_default()))
            .label("another route's name")
            .help("the name is a part of every relay's id: give this route a name of its own"),
        _ => about_field().helps(help),
    };
    let finding = match &error.field {
        Some(field) => finding.field(field),
        None => finding,
    };
    finding.at(place)
}

/// Help that is given only where there is some.
trait Telling: Sized {
    fn helps(self, help: Option<impl Into<String>>) -> Self;
    fn expression(self, help: Option<&str>, field: &str, places: &Places) -> Self;
}

impl Telling for Finding {
    fn helps(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// The help that there is, or else that for what is often written in place of an expression.
    fn expression(self, help: Option<&str>, field: &str, places: &Places) -> Self {
        let text = places.scalar(field).unwrap_or_default().trim();
        if let Some(help) = help {
            self.help(help)
        } else if text.contains("{{") {
            let bare = text.replace("{{", "").replace("}}", "");
            self.help(format!(
                "an expression stands for itself, without braces: {}",
                bare.trim()
            ))
        } else if text.contains("&&") || text.contains("||") {
            self.help("write `and`, `or`, `not`")
        } else {
            self.help(
                "an expression is made of paths (`data.model.title`), texts in quotes, operators \
                 (`~` joins texts) and filters (`| default('none')`)",
            )
        }
    }
}

/// The place of the mistake, as exact as the reader of the file knows it, or else the place of its field.
fn place(error: &RouteError, text: &str, places: &Places) -> Option<Place> {
    let field = error.field.as_deref().unwrap_or_default();
    let exact = || {
        error
            .range
            .clone()
            .map(|range| places.place(word_at(text, range)))
    };
    match &error.mistake {
        // Whoever writes looks for the group that lacks the key.
        Mistake::MissingKey(key) => exact().or_else(|| {
            let group = field.strip_suffix(&format!(".{key}")).unwrap_or(field);
            places.key(group).or_else(|| places.first())
        }),
        // The parser misses it where the next thing starts.
        Mistake::Syntax(
            YamlMistake::OpenBrace | YamlMistake::OpenBracket | YamlMistake::Incomplete,
        ) if places.has(field) => places.value(field),
        Mistake::Syntax(_)
        | Mistake::DuplicateKey(_)
        | Mistake::TooLarge
        | Mistake::NotText
        | Mistake::Tag(_)
        | Mistake::ExpressionSyntax => exact(),
        // The start of a group only.
        _ if error.range.as_ref().is_none_or(|it| it.len() <= 1) && !field.is_empty() => {
            places.value(field)
        }
        _ => exact(),
    }
}

/// `range` without leading spaces; for a point in front of a word, the word.
fn word_at(text: &str, range: Range<usize>) -> Range<usize> {
    let rest = text.get(range.start..).unwrap_or_default();
    let start = range.start + rest.len() - rest.trim_start_matches(' ').len();
    if start < range.end {
        return start..range.end;
    }
    let rest = text.get(start..).unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    start..start + end
}

fn dotted(field: &str, key: &str) -> String {
    match field {
        "" => key.to_owned(),
        field if field == key || field.ends_with(&format!(".{key}")) => field.to_owned(),
        field => format!("{field}.{key}"),
    }
}

/// The field's name without the numbers of list items.
fn general(field: &str) -> String {
    let mut name = String::new();
    for part in field.split('[') {
        name.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    name
}

fn example(field: &str) -> Option<String> {
    let further = field.strip_prefix("to.forms.");
    let field = match further.and_then(|it| it.split_once(".model")) {
        Some((_, "")) => "model".to_owned(),
        _ => general(field),
    };
    let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == field)?;
    let examples: Vec<_> = examples.iter().map(|it| format!("`{it}`")).collect();
    Some(format!("write, for example, {}", examples.join(" or ")))
}

fn unknown_key(start: impl Fn(String) -> Finding, words: &Words, field: &str) -> Finding {
    let group = field.rfind('.').map_or("", |end| &field[..end]);
    let where_it_is = if group.is_empty() {
        String::new()
    } else {
        format!(" in `{group}`")
    };
    let near = meant(words);
    let elsewhere = groups_with(&words.word)
        .into_iter()
        .find(|name| *name != general(group));
    start(format!("unknown key `{}`{where_it_is}", words.word))
        .help(format!(
            "allowed here: {}",
            quoted(words.allowed.iter().map(String::as_str))
        ))
        .helps(match (&near, elsewhere) {
            (None, Some(name)) if name.is_empty() => Some(format!(
                "`{}` stands beside `name`, `from` and `to`",
                words.word
            )),
            (None, Some(name)) => Some(format!("`{}` is a key of `{name}`", words.word)),
            _ => None,
        })
        .suggest(near)
}

/// The groups of a route in which `key` may stand; the route itself is `""`.
fn groups_with(key: &str) -> Vec<String> {
    fn visit(
        root: &serde_json::Value,
        schema: &serde_json::Value,
        path: &str,
        key: &str,
        found: &mut Vec<String>,
    ) {
        let referenced = schema
            .get("$ref")
            .and_then(|it| it.as_str()?.strip_prefix('#'))
            .and_then(|pointer| root.pointer(pointer));
        if let Some(schema) = referenced {
            return visit(root, schema, path, key, found);
        }
        for branch in schema
            .get("anyOf")
            .and_then(|it| it.as_array())
            .into_iter()
            .flatten()
        {
            visit(root, branch, path, key, found);
        }
        if let Some(items) = schema.get("items") {
            visit(root, items, path, key, found);
        }
        let properties = schema.get("properties").and_then(|it| it.as_object());
        for (name, schema) in properties.into_iter().flatten() {
            if name == key {
                found.push(path.to_owned());
            }
            // The form's fields may have any names.
            if name != "model" {
                visit(root, schema, &dotted(path, name), key, found);
            }
        }
    }
    let schema = file_schema();
    let mut found = Vec::new();
    visit(&schema, &schema, "", key, &mut found);
    found
}

fn unknown_name(
    start: impl Fn(String) -> Finding,
    words: &Words,
    error: &RouteError,
    place: &Option<Place>,
    text: &str,
) -> Finding {
    let word = &words.word;
    let field = error.field.as_deref().unwrap_or_default();
    let after = place
        .as_ref()
        .and_then(|place| text.get(place.range.end..))
        .unwrap_or_default();
    if after.starts_with('(') {
        return start(format!("{field}: {}", error.problem))
            .helps(error.help.as_deref())
            .help("no clock, no randomness, no environment: a draft depends on the route and A's data alone");
    }
    let start = start(format!("{field}: unknown name `{word}`")).help(format!(
        "known here: {}",
        quoted(words.allowed.iter().map(String::as_str))
    ));
    if let Some(suggestion) = &error.suggestion {
        // In place of the whole text; a name, only where that is the whole text.
        let near = meant(words).filter(|_| *suggestion == format!("\"'{word}'\""));
        return start
            .helps(error.help.as_deref())
            .suggest(near.as_ref().or(Some(suggestion)));
    }
    match meant(words) {
        Some(meant) => start.helps(error.help.as_deref()).suggest(Some(meant)),
        None if error.help.is_some() => start.helps(error.help.as_deref()),
        None if after.starts_with('.') => start
            .help("A's form data is read by its data type, and an item by the name that `$each` gives it")
            .suggest(Some(format!("data.{word}"))),
        None => start.help("a text stands in quotes: `'…'`"),
    }
}

/// The allowed word that was probably meant.
fn meant(words: &Words) -> Option<String> {
    let alias = ALIASES.iter().find(|(theirs, ours)| {
        words.word.eq_ignore_ascii_case(theirs)
            && (*ours == "none" || words.allowed.iter().any(|word| word == ours))
    });
    match alias {
        Some((_, ours)) => Some((*ours).to_owned()),
        None => nearest(&words.word, words.allowed.iter().map(String::as_str)).map(str::to_owned),
    }
}

fn all_if_none_is_near(words: &Words, are: &str) -> Option<String> {
    match meant(words) {
        Some(_) => None,
        None => Some(format!(
            "{are} {}",
            quoted(words.allowed.iter().map(String::as_str))
        )),
    }
}

fn duplicate_key(
    start: impl Fn(String) -> Finding,
    group: &str,
    key: &str,
    places: &Places,
) -> Finding {
    let first = Some(dotted(group, key)).filter(|field| places.has(field));
    let first = first.and_then(|field| places.key(&field));
    start(format!("`{key}` stands twice in one group"))
        .label("the second one")
        .helps(first.map(|first| format!("the first one stands in line {}", first.line)))
}

fn schema(
    start: impl Fn(String) -> Finding,
    route: &Path,
    field: &str,
    name: &str,
    error: &SchemaError,
) -> Finding {
    match error {
        SchemaError::NotFound { .. } => {
            let folder = route.parent().unwrap_or(Path::new("."));
            let there: Vec<String> = std::fs::read_dir(folder)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| name.ends_with(".json"))
                .collect();
            start(format!("{field}: there is no file {name}"))
                .help("the path starts at the route file's directory")
                .suggest(nearest(name, there.iter().map(String::as_str)))
        }
        SchemaError::Unreadable { problem, .. } => {
            start(format!("{field}: cannot read the schema {name}")).help(problem)
        }
        SchemaError::Remote { reference, .. } => start(format!(
            "{field}: {name} refers to {reference}, which is another document"
        ))
        .help("nothing is ever fetched: copy what is referred to into the schema's own `$defs`"),
        SchemaError::Invalid { file, problem } => start(format!(
            "{field}: {file} is not a JSON schema that stands for itself"
        ))
        .help(problem),
    }
}

/// What to do about what keeps a text from being YAML.
fn yaml_help(mistake: YamlMistake) -> Option<&'static str> {
    let help = match mistake {
        YamlMistake::AfterQuote => {
            "an expression that starts with a quote stands in quotes as a whole: \"'Permit for ' ~ data.model.name\""
        }
        YamlMistake::SeveralDocuments => {
            "a file has one route: move the part from `---` on into a file of its own"
        }
        YamlMistake::Tab => "YAML is indented by spaces",
        YamlMistake::Colon => "an expression with `: ` in it stands in quotes",
        YamlMistake::OpenQuote => "the quote that opens here has no end",
        YamlMistake::OpenBrace => "the `{` before this has no `}`",
        YamlMistake::OpenBracket => "the `[` before this has no `]`",
        YamlMistake::UnknownAnchor => "a text that starts with `*` stands in quotes",
        YamlMistake::Empty => "the file is empty: a route has `name`, `from`, `to` and `model`",
        YamlMistake::Incomplete | YamlMistake::Other => return None,
    };
    Some(help)
}

/// What was probably meant by a value that is not allowed.
fn instead(field: &str, words: &Words, places: &Places) -> Option<String> {
    if let [only] = &words.allowed[..] {
        return Some(only.clone());
    }
    let word = words.word.trim();
    let slug = |text: &str| -> String {
        let slug = text.to_lowercase().replace(['_', ' ', '.'], "-");
        slug.trim_matches('-').to_owned()
    };
    match field {
        "name" => Some(slug(word)).filter(|it| it.parse::<RouteName>().is_ok()),
        "from.app" | "to.app" => {
            let other = if field == "to.app" {
                "from.app"
            } else {
                "to.app"
            };
            let other_org = places
                .scalar(other)
                .and_then(|other| other.split_once('/'))
                .map(|(org, _)| org);
            let (org, app) = word.split_once('/').or(Some((other_org?, word)))?;
            let whole = format!("{}/{}", slug(org), slug(app));
            whole.parse::<AppId>().ok().map(|it| it.to_string())
        }
        "from.since" => day(word),
        "due" => duration(word),
        _ => None,
    }
}

/// A day that is written as in Norway, `1.11.2026`, or with slashes.
fn day(word: &str) -> Option<String> {
    let parts: Vec<&str> = word
        .split(['.', '/', '-', ' '])
        .filter(|it| !it.is_empty())
        .collect();
    let [first, month, last] = parts[..] else {
        return None;
    };
    let (year, day) = if first.len() == 4 {
        (first, last)
    } else {
        (last, first)
    };
    let day = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    day.ok().map(|day| day.to_string())
}

/// A duration that is written in words, or without its `P`.
fn duration(word: &str) -> Option<String> {
    let upper = word.trim_start_matches('-').to_uppercase();
    let count: String = upper.chars().filter(char::is_ascii_digit).collect();
    let unit = upper
        .trim_start_matches(|c: char| !c.is_ascii_alphabetic() || c == 'P')
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let letter = match unit.chars().next() {
        None | Some('D') => 'D',
        Some('W' | 'U') => 'W',
        Some('M') => 'M',
        Some('Y' | 'Å') => 'Y',
        Some(_) => return None,
    };
    if count.is_empty() || count.parse::<u16>().ok()? == 0 {
        return None;
    }
    Some(format!("P{count}{letter}"))
}
