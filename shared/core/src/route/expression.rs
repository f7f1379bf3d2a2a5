//! One mapping expression: compiled when the route is loaded, evaluated per relay.
//!
//! Expressions are minijinja expressions over `instance` and `data.<dataType>`. They
//! see nothing else (no clock, no randomness, no environment), and fuel bounds their
//! work. An empty field of a form is *undefined*, whether Altinn leaves it out (XML,
//! Storage) or writes `null` (the app's JSON): using it without saying what then is
//! an error, `| default(…)` says it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    sync::{Arc, LazyLock},
};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, value::ValueKind};
use serde_json::{Map, Number};
use thiserror::Error;

use super::{Mistake, Words, words};

/// Virtual-machine instructions that one evaluation may take; a mapping takes tens.
const FUEL: u64 = 50_000;

/// Characters that an expression may have beside its texts. Each can be a level of the compiler's
/// recursion, whose stack is no larger than a thread's.
const MAX_CODE: usize = 2_000;

/// Functions that may be called in an expression; each is a pure function of its arguments.
/// (Of minijinja's own, `debug` is missing on purpose: it prints all of A's data.)
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// The names that every expression sees.
const ROOTS: [&str; 2] = ["instance", "data"];

static ENVIRONMENT: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(UndefinedBehavior::Strict));

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(false);
    environment
}

/// A compiled expression.
pub struct Expression {
    source: String,
    compiled: minijinja::Expression<'static, 'static>,
    names: BTreeSet<String>,
    paths: BTreeSet<String>,
    data_types: BTreeSet<String>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// An expression that cannot be used, found when the route is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}{}", help.as_ref().map(|help| format!(": {help}")).unwrap_or_default())]
pub struct SyntaxError {
    /// What is wrong.
    pub problem: String,
    /// What is allowed, or what to do.
    pub help: Option<&'static str>,
    /// Where in the expression's text, in bytes.
    pub range: Option<Range<usize>>,
    /// Which kind of mistake it is.
    pub mistake: Mistake,
}

/// An expression that gave no value for this A instance. Names paths, never values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluationError {
    /// A's data has no such field at all.
    #[error("A's data has no `{0}`: correct the path, or say what then with `| default(…)`")]
    Missing(String),
    /// The field is there, without a value.
    #[error("`{0}` is empty in A's data: say what then with `| default(…)`")]
    Empty(String),
    /// The expression used more than its fuel.
    #[error("`{0}` takes more than {FUEL} steps: make the expression simpler")]
    TooMuchWork(String),
    /// Anything else: an operator or filter that does not fit the value's type.
    #[error("`{expression}` cannot be evaluated for this instance ({what})")]
    Failed {
        /// The expression's text.
        expression: String,
        /// The kind of failure.
        what: String,
    },
    /// The value is not one that JSON or XML can hold.
    #[error("`{0}` gives something else than text, a number, true/false, a list or a group")]
    NotData(String),
}

/// What A's data says of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Present,
    Empty,
    Missing,
}

impl Expression {
    /// Compiles `source`, which may use `instance`, `data.<dataType>` and `locals` (the names that an
    /// enclosing `each` binds).
    ///
    /// # Errors
    /// [`SyntaxError`] for bad syntax, an unknown name, filter, test or function, or form
    /// data that is not named (`data` alone, `data[x]`).
    pub fn compile(source: &str, locals: &[String]) -> Result<Self, SyntaxError> {
        if code_length(source) > MAX_CODE {
            return Err(SyntaxError {
                problem: format!("has more than {MAX_CODE} characters beside its quoted texts"),
                help: Some("make it simpler"),
                range: None,
                mistake: Mistake::ExpressionTooLong,
            });
        }
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|error| {
                let detail = error.detail().unwrap_or("not an expression").to_owned();
                SyntaxError {
                    problem: format!("syntax error: {detail}"),
                    help: None,
                    range: error.range(),
                    mistake: Mistake::ExpressionSyntax,
                }
            })?;
        let analysed = ENVIRONMENT.compile_expression_owned(unsliced(source));
        let analysed = analysed.as_ref().unwrap_or(&compiled);
        let names: BTreeSet<String> = analysed.undeclared_variables(false).into_iter().collect();
        for name in &names {
            let known = ROOTS.contains(&name.as_str())
                || FUNCTIONS.contains(&name.as_str())
                || locals.contains(name);
            if !known {
                let allowed: Vec<_> = ROOTS
                    .iter()
                    .copied()
                    .chain(locals.iter().map(String::as_str))
                    .collect();
                return Err(SyntaxError {
                    problem: format!("unknown name `{name}`, allowed are {}", quoted(&allowed)),
                    help: None,
                    range: words::find(source, name, |before| !before.ends_with('.')),
                    mistake: Mistake::UnknownName(Words::new(name, &allowed)),
                });
            }
        }
        let paths: BTreeSet<String> = analysed
            .undeclared_variables(true)
            .into_iter()
            .filter(|p| p.contains('.'))
            .collect();
        let mut data_types: BTreeSet<String> = paths
            .iter()
            .filter_map(|path| path.strip_prefix("data."))
            .filter_map(|rest| rest.split('.').next())
            .map(str::to_owned)
            .collect();
        if analysed.undeclared_variables(true).contains("data") {
            let subscripted = subscripts_of_data(source);
            if subscripted.is_empty() {
                return Err(SyntaxError {
                    problem: "`data` must name a data type of A".into(),
                    help: Some("`data.model`, or `data['my-type']`"),
                    range: words::find(source, "data", |before| !before.ends_with('.')),
                    mistake: Mistake::DataWithoutType,
                });
            }
            data_types.extend(subscripted);
        }
        dry_run(source, locals)?;
        Ok(Self {
            source: source.to_owned(),
            compiled,
            names,
            paths,
            data_types,
        })
    }

    /// The expression's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A's data types that the expression reads.
    pub fn data_types(&self) -> impl Iterator<Item = &str> {
        self.data_types.iter().map(String::as_str)
    }

    /// The dotted paths that the expression reads: `data.model.applicant.name`.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// The names that the expression uses: `instance`, `data`, those of an `each`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the expression is nothing but a path.
    fn is_path(&self) -> bool {
        self.paths.contains(self.source.trim())
    }

    /// The value, with its type; `None` when an optional field is empty, or the expression says `none`.
    ///
    /// # Errors
    /// [`EvaluationError`], which names the path or the expression, never a value.
    pub fn evaluate(&self, scope: &Scope) -> Result<Option<serde_json::Value>, EvaluationError> {
        let value = self.value(scope)?;
        if value.is_undefined() || value.is_none() {
            Ok(None)
        } else {
            self.json(&value, scope).map(Some)
        }
    }

    /// The value's items, for `each`, each as a scope in which `name` is the item; an empty field has none.
    ///
    /// # Errors
    /// [`EvaluationError`], also when the value is not a list.
    pub fn each(&self, name: &str, scope: &Scope) -> Result<Vec<Scope>, EvaluationError> {
        let value = self.value(scope)?;
        if value.is_undefined() || value.is_none() {
            return Ok(Vec::new());
        }
        // An empty list in an expression, where other paths lead into the list.
        if value.kind() == ValueKind::Map && value.len() == Some(0) {
            return Ok(Vec::new());
        }
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Err(EvaluationError::Failed {
                expression: self.source.clone(),
                what: format!("a list is needed, this is a {}", value.kind()),
            });
        }
        let items: Vec<Value> = value
            .try_iter()
            .map_err(|error| self.failure(&error))?
            .collect();
        // A list that is taken as it is keeps its rows' empty fields apart from missing ones.
        let rows = match scope.lookup(self.source.trim()) {
            Some(serde_json::Value::Array(rows)) if self.is_path() && rows.len() == items.len() => {
                rows.iter().cloned().map(Some).collect()
            }
            _ => vec![None; items.len()],
        };
        Ok(items
            .into_iter()
            .zip(rows)
            .map(|(item, row)| scope.with(name, item, row))
            .collect())
    }

    /// An undefined value is returned only where every path that it can stem from is an empty field.
    fn value(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        // An empty field into which other paths lead stands as a group without fields in the context.
        if self.is_path() && scope.presence(self.source.trim()) == Presence::Empty {
            return Ok(Value::UNDEFINED);
        }
        match self.compiled.eval(scope.context.clone()) {
            Ok(value) if value.is_undefined() => self.undefined(scope, true),
            Ok(value) => Ok(value),
            Err(error) if error.kind() == ErrorKind::UndefinedError => {
                self.undefined(scope, self.is_path())
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn undefined(&self, scope: &Scope, empty_is_a_value: bool) -> Result<Value, EvaluationError> {
        let lacking = |wanted| {
            self.paths
                .iter()
                .find(|path| scope.presence(path) == wanted)
                .cloned()
        };
        if let Some(path) = lacking(Presence::Missing) {
            return Err(EvaluationError::Missing(path));
        }
        match lacking(Presence::Empty) {
            Some(_) if empty_is_a_value => Ok(Value::UNDEFINED),
            Some(path) => Err(EvaluationError::Empty(path)),
            None => Err(EvaluationError::Missing(self.source.clone())),
        }
    }

    fn failure(&self, error: &minijinja::Error) -> EvaluationError {
        match error.kind() {
            ErrorKind::OutOfFuel => EvaluationError::TooMuchWork(self.source.clone()),
            // The kind only: details may quote values.
            kind => EvaluationError::Failed {
                expression: self.source.clone(),
                what: kind.to_string(),
            },
        }
    }

    fn json(&self, value: &Value, scope: &Scope) -> Result<serde_json::Value, EvaluationError> {
        let not_data = || EvaluationError::NotData(self.source.clone());
        let failed = |error: minijinja::Error| self.failure(&error);
        match value.kind() {
            ValueKind::None => Ok(serde_json::Value::Null),
            ValueKind::Bool => Ok(value.is_true().into()),
            ValueKind::String => Ok(value.as_str().ok_or_else(not_data)?.into()),
            ValueKind::Number => {
                if let Ok(number) = i64::try_from(value.clone())
                    && value.is_integer()
                {
                    return Ok(number.into());
                }
                if let Ok(number) = u64::try_from(value.clone())
                    && value.is_integer()
                {
                    return Ok(number.into());
                }
                let number = f64::try_from(value.clone()).map_err(failed)?;
                Number::from_f64(number)
                    .map(Into::into)
                    .ok_or_else(not_data)
            }
            ValueKind::Seq | ValueKind::Iterable => value
                .try_iter()
                .map_err(failed)?
                .map(|item| self.json(&item, scope))
                .collect::<Result<Vec<_>, _>>()
                .map(Into::into),
            ValueKind::Map => {
                let mut map = Map::new();
                for key in value.try_iter().map_err(failed)? {
                    let name = key.as_str().ok_or_else(not_data)?.to_owned();
                    let item = value.get_item(&key).map_err(failed)?;
                    map.insert(name, self.json(&item, scope)?);
                }
                Ok(map.into())
            }
            ValueKind::Undefined => self.undefined(scope, false).and_then(|_| Err(not_data())),
            _ => Err(not_data()),
        }
    }
}

/// The text with each slice, `x[a:b]`, as an index, `x[a or b]`: the compiler tells the names in what is
/// indexed, and not those in what is sliced.
fn unsliced(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    // Of each bracket that is open: which it is, whether it slices, and whether its part is empty so far.
    let mut open: Vec<(char, bool, bool)> = Vec::new();
    let mut quote = None;
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                text.push(character);
                text.extend(characters.next());
                continue;
            }
            (Some(end), _) if end == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, ':') => {
                if let Some(('[', slices, empty)) = open.last_mut() {
                    text.push_str(if *empty { "0 or " } else { " or " });
                    (*slices, *empty) = (true, true);
                    continue;
                }
            }
            (None, ')' | ']' | '}') => {
                if let Some((_, true, true)) = open.pop() {
                    text.push('0');
                }
            }
            _ => {}
        }
        if let Some((_, _, empty)) = open.last_mut() {
            *empty &= character.is_whitespace();
        }
        if quote.is_none() && matches!(character, '(' | '[' | '{') {
            open.push((character, false, true));
        }
        text.push(character);
    }
    text
}

/// How many characters of an expression stand outside of quotes.
fn code_length(source: &str) -> usize {
    let (mut length, mut quote) = (0, None);
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) => length += 1,
        }
    }
    length
}

/// The data types in `data['…']` and `data["…"]`, which the compiler reports as `data` only.
fn subscripts_of_data(source: &str) -> BTreeSet<String> {
    source
        .split("data[")
        .skip(1)
        .filter_map(|rest| {
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let (name, rest) = rest.get(1..)?.split_once(quote)?;
            rest.starts_with(']').then(|| name.to_owned())
        })
        .collect()
}

/// Evaluates over nothing, where every lookup is undefined, to find filters, tests and functions that do not exist.
fn dry_run(source: &str, locals: &[String]) -> Result<(), SyntaxError> {
    static LENIENT: LazyLock<Environment<'static>> =
        LazyLock::new(|| environment(UndefinedBehavior::Chainable));
    let Ok(expression) = LENIENT.compile_expression(source) else {
        return Ok(());
    };
    let context: Vec<(&str, Value)> = ROOTS
        .iter()
        .copied()
        .chain(locals.iter().map(String::as_str))
        .map(|name| (name, Value::UNDEFINED))
        .collect();
    let Err(error) = expression.eval(Value::from_pairs(context)) else {
        return Ok(());
    };
    let problem = error
        .detail()
        .unwrap_or("an unknown filter, test or function")
        .to_owned();
    // `filter upcase is unknown`
    let word = problem.split(' ').nth(1).unwrap_or_default();
    let (mistake, range) = match error.kind() {
        ErrorKind::UnknownFilter => (
            Mistake::UnknownFilter(Words::new(word, &words::FILTERS)),
            words::find(source, word, |before| before.ends_with('|')),
        ),
        ErrorKind::UnknownTest => (
            Mistake::UnknownTest(Words::new(word, &words::TESTS)),
            words::find(source, word, |before| {
                let word = before.rsplit(' ').next();
                word == Some("is") || word == Some("not")
            }),
        ),
        ErrorKind::UnknownFunction => (Mistake::UnknownName(Words::new(word, &FUNCTIONS)), None),
        _ => return Ok(()),
    };
    Err(SyntaxError {
        problem,
        help: None,
        range,
        mistake,
    })
}

fn quoted(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What expressions see: A's instance, its form data, and what enclosing `each`es bound.
///
/// Holds personal data, and so does not print it.
#[derive(Clone, Default)]
pub struct Scope {
    context: Value,
    pairs: Vec<(String, Value)>,
    /// The same, with the empty fields in place, to tell an empty field from one that does not exist.
    /// `None` for a value that an expression computed.
    roots: BTreeMap<String, Option<Arc<serde_json::Value>>>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

impl Scope {
    /// A scope over A's instance and its form data by data type.
    ///
    /// `paths` are those that the route reads: a group of the form that is empty, and
    /// below which a path leads, becomes a group without fields.
    pub fn new<'a>(
        instance: serde_json::Value,
        data: Map<String, serde_json::Value>,
        paths: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut tree = PathTree::default();
        for path in paths {
            tree.add(path);
        }
        let roots = [("instance", instance), ("data", data.into())];
        let pairs: Vec<(String, Value)> = roots
            .iter()
            .map(|(name, value)| {
                let value = without_nulls(value, tree.0.get(*name)).unwrap_or_default();
                ((*name).to_owned(), value)
            })
            .collect();
        let roots = roots
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Some(value.into())))
            .collect();
        Self {
            context: Value::from_pairs(pairs.clone()),
            pairs,
            roots,
        }
    }

    /// This scope, with `name` bound to `item`, which was `row` in A's data.
    fn with(&self, name: &str, item: Value, row: Option<serde_json::Value>) -> Self {
        let mut pairs = self.pairs.clone();
        pairs.push((name.to_owned(), item));
        let mut roots = self.roots.clone();
        roots.insert(name.to_owned(), row.map(Into::into));
        Self {
            context: Value::from_pairs(pairs.clone()),
            pairs,
            roots,
        }
    }

    /// What A's data holds at `path`, empty fields included.
    fn lookup(&self, path: &str) -> Option<&serde_json::Value> {
        let mut segments = path.split('.');
        let root = self.roots.get(segments.next()?)?.as_deref()?;
        segments.try_fold(root, |here, segment| here.get(segment))
    }

    fn presence(&self, path: &str) -> Presence {
        let mut segments = path.split('.');
        let root = segments.next().and_then(|root| self.roots.get(root));
        let Some(mut here) = root.and_then(Option::as_deref) else {
            return self.computed_presence(path);
        };
        for segment in segments {
            match here {
                serde_json::Value::Null => return Presence::Empty,
                serde_json::Value::Object(map) => match map.get(segment) {
                    Some(value) => here = value,
                    None => return Presence::Missing,
                },
                // A list's `length` or the like: nothing that the form could lack.
                _ => return Presence::Present,
            }
        }
        if here.is_null() {
            Presence::Empty
        } else {
            Presence::Present
        }
    }

    /// A row of a list that an expression made has lost its empty fields: what is not there counts as empty.
    fn computed_presence(&self, path: &str) -> Presence {
        let mut here = self.context.clone();
        for segment in path.split('.') {
            match here.get_attr(segment) {
                Ok(value) if !value.is_undefined() => here = value,
                _ => return Presence::Empty,
            }
        }
        Presence::Present
    }
}

/// The paths that a route reads, as a tree; lists on the way are passed through.
#[derive(Default)]
struct PathTree(BTreeMap<String, PathTree>);

impl PathTree {
    fn add(&mut self, path: &str) {
        let mut here = self;
        for segment in path.split('.') {
            here = here.0.entry(segment.to_owned()).or_default();
        }
    }
}

fn without_nulls_in(map: &Map<String, serde_json::Value>, paths: Option<&PathTree>) -> Value {
    let fields = map.iter().filter_map(|(name, value)| {
        let paths = paths.and_then(|paths| paths.0.get(name));
        without_nulls(value, paths).map(|value| (Value::from(name.as_str()), value))
    });
    Value::from_pairs(fields.collect::<Vec<_>>())
}

/// The value for expressions; `None` for an empty field, unless a path leads below it.
fn without_nulls(value: &serde_json::Value, paths: Option<&PathTree>) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => match paths {
            Some(below) if !below.0.is_empty() => Value::from_pairs(Vec::<(Value, Value)>::new()),
            _ => return None,
        },
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (_, Some(number)) => Value::from(number),
            _ => Value::from(number.as_f64()?),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(
            items
                .iter()
                .map(|item| without_nulls(item, paths).unwrap_or(Value::from(())))
                .collect::<Vec<_>>(),
        ),
        serde_json::Value::Object(map) => without_nulls_in(map, paths),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(paths: &[&str]) -> Scope {
        let data = json!({"model": {
            "title": "Bod & garasje", "count": 3, "area": 12.50, "whole": 2.0, "big": 18_446_744_073_709_551_615_u64,
            "remark": null, "group": null, "rows": [{"code": "A", "note": null}, {"code": "B", "note": "x"}], "none": [],
        }});
        let serde_json::Value::Object(data) = data else {
            unreachable!()
        };
        Scope::new(
            json!({"id": "1/2", "dueBefore": null}),
            data,
            paths.iter().copied(),
        )
    }

    fn evaluate(source: &str) -> Result<Option<serde_json::Value>, EvaluationError> {
        let expression = Expression::compile(source, &[]).unwrap();
        let paths: Vec<_> = expression.paths().collect();
        expression.evaluate(&scope(&paths))
    }

    #[test]
    fn a_value_keeps_its_type() {
        for (source, expected) in [
            ("data.model.title", json!("Bod & garasje")),
            ("data.model.count", json!(3)),
            ("data.model.count + 1", json!(4)),
            ("data.model.area", json!(12.5)),
            ("data.model.whole", json!(2.0)),
            ("data.model.big", json!(18_446_744_073_709_551_615_u64)),
            ("data.model.count > 2", json!(true)),
            (
                "data.model.rows | map(attribute='code') | list",
                json!(["A", "B"]),
            ),
            ("{'z': 1, 'a': data.model.count}", json!({"z": 1, "a": 3})),
            (
                "'Søknad: ' ~ data.model.title",
                json!("Søknad: Bod & garasje"),
            ),
            ("data['model'].count", json!(3)),
            ("instance.id", json!("1/2")),
        ] {
            assert_eq!(evaluate(source).unwrap(), Some(expected), "{source}");
        }
    }

    #[test]
    fn an_empty_field_alone_leaves_the_element_out() {
        for source in [
            "data.model.remark",
            "data.model.group.name",
            "instance.dueBefore",
            "none",
            "data.model.remark | default(none)",
        ] {
            assert_eq!(evaluate(source), Ok(None), "{source}");
        }
    }

    #[test]
    fn an_empty_field_inside_an_expression_never_becomes_the_word_none() {
        assert_eq!(
            evaluate("'Merknad: ' ~ data.model.remark"),
            Err(EvaluationError::Empty("data.model.remark".into()))
        );
        for source in [
            "'Merknad: ' ~ (data.model.remark | default('ingen'))",
            "'Merknad: ' ~ (data.model.group.name | default('ingen'))",
            "'Merknad: ' ~ (data.model.nothing | default('ingen'))",
        ] {
            assert_eq!(
                evaluate(source).unwrap(),
                Some(json!("Merknad: ingen")),
                "{source}"
            );
        }
    }

    #[test]
    fn a_path_that_does_not_exist_is_named() {
        for source in [
            "data.model.titel",
            "'x' ~ data.model.titel",
            "[data.model.titel]",
            "data.model.titel.deep",
        ] {
            let error = evaluate(source).unwrap_err();
            assert!(
                error.to_string().contains("data.model.titel"),
                "{source}: {error}"
            );
        }
        assert!(matches!(
            evaluate("data.model.titel"),
            Err(EvaluationError::Missing(_))
        ));
    }

    #[test]
    fn no_error_repeats_a_value() {
        for source in [
            "data.model.title | int",
            "data.model.title + 1",
            "data.model.title / 2",
            "data.model.rows + data.model.title",
        ] {
            if let Err(error) = evaluate(source) {
                assert!(!error.to_string().contains("garasje"), "{error}");
            }
        }
    }

    #[test]
    fn work_is_bounded() {
        let error = evaluate("range(90000) | map('string') | map('length') | sum").unwrap_err();
        assert!(
            matches!(
                error,
                EvaluationError::TooMuchWork(_) | EvaluationError::Failed { .. }
            ),
            "{error}"
        );
        assert!(matches!(
            evaluate("'x' * 1000000000000"),
            Err(EvaluationError::TooMuchWork(_))
        ));
    }

    #[test]
    fn what_cannot_work_is_refused_when_the_route_is_loaded() {
        for (source, word) in [
            ("data.model.title ~ ", "syntax error"),
            ("data.model.title | upcase", "filter upcase"),
            ("now()", "`now`"),
            ("debug()", "`debug`"),
            (
                "model.title",
                "unknown name `model`, allowed are `instance`, `data`",
            ),
            ("data", "must name a data type"),
            ("data[instance.id]", "must name a data type"),
        ] {
            let error = Expression::compile(source, &[]).unwrap_err();
            assert!(error.problem.contains(word), "{source}: {error}");
        }
        assert_eq!(
            Expression::compile("a b", &["a".into()]).unwrap_err().range,
            Some(2..3)
        );
    }

    #[test]
    fn the_data_types_that_an_expression_reads_are_known() {
        let expression =
            Expression::compile("data.a.x ~ data['b-c'].y ~ data[\"d\"].z", &[]).unwrap();
        assert_eq!(
            expression.data_types().collect::<Vec<_>>(),
            ["a", "b-c", "d"]
        );
    }

    #[test]
    fn what_is_sliced_is_read_too() {
        for source in [
            "data.m.x[:5]",
            "('x:' ~ data.m.x)[1:]",
            "data.m.x[::2] | upper",
            "[data.m.x[ : ]]",
        ] {
            let expression = Expression::compile(source, &[]).unwrap();
            assert_eq!(
                expression.data_types().collect::<Vec<_>>(),
                ["m"],
                "{source}"
            );
            assert_eq!(
                expression.paths().collect::<Vec<_>>(),
                ["data.m.x"],
                "{source}"
            );
        }
        assert!(Expression::compile("modell.x[:5]", &[]).is_err());
    }

    #[test]
    fn rows_are_seen_one_by_one_and_their_typos_are_found() {
        let rows = |source| {
            let rows = Expression::compile(source, &[]).unwrap();
            rows.each("row", &scope(&[])).unwrap()
        };
        let evaluate = |source, row: &Scope| {
            Expression::compile(source, &["row".into()])
                .unwrap()
                .evaluate(row)
        };
        let plain = rows("data.model.rows");
        assert_eq!(evaluate("row.note", &plain[0]), Ok(None));
        assert_eq!(evaluate("row.note", &plain[1]), Ok(Some(json!("x"))));
        assert_eq!(
            evaluate("row.nota", &plain[0]),
            Err(EvaluationError::Missing("row.nota".into()))
        );
        let computed = rows("data.model.rows | rejectattr('note') | list");
        assert_eq!(evaluate("row.code", &computed[0]), Ok(Some(json!("A"))));
        assert!(rows("data.model.remark").is_empty());
        let error = Expression::compile("data.model.title", &[])
            .unwrap()
            .each("row", &scope(&[]));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("a list is needed, this is a string")
        );
    }
}
