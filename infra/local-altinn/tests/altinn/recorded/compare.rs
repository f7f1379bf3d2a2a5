//! Compares a recorded response with another one.

use serde_json::{Map, Value};

use super::http::Reply;
use super::placeholders::Bindings;
use super::{Answer, Left};

/// The headers that clients use, or that tell which service responded.
const HEADERS: [&str; 11] = [
    "allow",
    "cache-control",
    "content-disposition",
    "content-type",
    "location",
    "referrer-policy",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-total-count",
];
/// Lists whose order is irrelevant.
const UNORDERED: [&str; 2] = ["data", "dataElements"];

/// One difference between two responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `status`, `class`, `headers.location`, `body.data[].filename`, `exact`, `left`, `then.GET Storage` …
    pub at: String,
    pub recorded: String,
    pub actual: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |text: &str| match text.char_indices().nth(160) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        write!(
            f,
            "{}: {} / {}",
            self.at,
            short(&self.recorded),
            short(&self.actual)
        )
    }
}

fn difference(at: &str, recorded: impl Into<String>, actual: impl Into<String>) -> Difference {
    Difference {
        at: at.to_owned(),
        recorded: recorded.into(),
        actual: actual.into(),
    }
}

/// The differences between two responses. Bodies of different statuses or classes are not compared further.
pub fn answers(recorded: &Answer, actual: &Reply, bindings: &mut Bindings) -> Vec<Difference> {
    let status =
        |status: Option<u16>| status.map_or("no answer".to_owned(), |status| status.to_string());
    if recorded.status != actual.status {
        return vec![difference(
            "status",
            format!(
                "{} {}",
                status(recorded.status),
                recorded.text.clone().unwrap_or_else(|| recorded
                    .body
                    .as_ref()
                    .map(Value::to_string)
                    .unwrap_or_default())
            ),
            format!("{} {}", status(actual.status), actual.text()),
        )];
    }
    let mut found = headers(recorded, actual, bindings);
    let media_type = actual.headers.get("content-type");
    let is_json = media_type.is_some_and(|media_type| media_type.contains("json"));
    let body = is_json.then(|| actual.json()).flatten();
    let (one, other) = (
        class(recorded.body.as_ref(), recorded.text.as_deref()),
        class(body.as_ref(), (!actual.bytes.is_empty()).then_some("text")),
    );
    if one != other {
        let body = recorded.body.as_ref().map(Value::to_string);
        found.push(difference(
            "class",
            format!(
                "{one} {}",
                body.or(recorded.text.clone()).unwrap_or_default()
            ),
            format!("{other} {}", actual.text()),
        ));
        return found;
    }
    match (&recorded.body, &recorded.text, body) {
        (Some(recorded_body), _, Some(body)) => {
            let before = bindings.clone();
            let differences = values(recorded_body, &body, bindings);
            if let (true, Some(exact)) = (differences.is_empty(), &recorded.exact)
                && !before.clone().matches(exact, &actual.text())
            {
                found.push(difference("exact", exact, actual.text()));
            }
            found.extend(differences);
        }
        (_, Some(text), _) if !bindings.matches(text, &actual.text()) => {
            found.push(difference("text", text, actual.text()));
        }
        _ => {}
    }
    found
}

/// The kind of body, by which clients distinguish responses of the same status.
fn class(body: Option<&Value>, text: Option<&str>) -> &'static str {
    match body {
        None if text.is_some() => "text",
        None => "nothing",
        Some(Value::String(_)) => "a JSON string",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(object)) if is_problem(object) => "problem details",
        Some(Value::Object(_)) => "an object",
        Some(_) => "JSON",
    }
}

fn is_problem(object: &Map<String, Value>) -> bool {
    object.contains_key("title") && object.get("status").is_some_and(Value::is_number)
        || object.contains_key("detail") && object.contains_key("status")
}

fn headers(recorded: &Answer, actual: &Reply, bindings: &mut Bindings) -> Vec<Difference> {
    let absent = || "absent".to_owned();
    HEADERS
        .into_iter()
        .filter_map(|name| {
            let (one, other) = (recorded.headers.get(name), actual.headers.get(name));
            let agree = match (one, other) {
                (None, None) => true,
                (Some(pattern), Some(value)) => bindings.matches(pattern, value),
                _ => false,
            };
            (!agree).then(|| {
                difference(
                    &format!("headers.{name}"),
                    one.cloned().unwrap_or_else(absent),
                    other.cloned().unwrap_or_else(absent),
                )
            })
        })
        .collect()
}

/// The differences of two JSON bodies in keys, types and values. The order of keys is irrelevant.
pub fn values(recorded: &Value, actual: &Value, bindings: &mut Bindings) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("body", recorded, actual, bindings, &mut found);
    found
}

/// The differences of two JSON values at the given place.
pub fn values_at(
    at: &str,
    recorded: &Value,
    actual: &Value,
    bindings: &mut Bindings,
) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(at, recorded, actual, bindings, &mut found);
    found
}

fn walk(
    at: &str,
    recorded: &Value,
    actual: &Value,
    bindings: &mut Bindings,
    found: &mut Vec<Difference>,
) {
    match (recorded, actual) {
        (Value::Object(recorded), Value::Object(actual)) => {
            for (key, value) in recorded {
                let at = format!("{at}.{key}");
                match actual.get(key) {
                    Some(other) => walk(&at, value, other, bindings, found),
                    None => found.push(difference(&at, value.to_string(), "absent")),
                }
            }
            for (key, value) in actual {
                if !recorded.contains_key(key) {
                    found.push(difference(
                        &format!("{at}.{key}"),
                        "absent",
                        value.to_string(),
                    ));
                }
            }
        }
        (Value::Array(recorded), Value::Array(actual)) => {
            if recorded.len() != actual.len() {
                found.push(difference(
                    &format!("{at}.length"),
                    recorded.len().to_string(),
                    actual.len().to_string(),
                ));
            }
            let key = at.rsplit(['.', ']']).next().unwrap_or_default();
            let pairs = if UNORDERED.contains(&key) {
                paired(recorded, actual, bindings)
            } else {
                recorded.iter().zip(actual).collect()
            };
            let at = format!("{at}[]");
            for (one, other) in pairs {
                walk(&at, one, other, bindings, found);
            }
        }
        (Value::String(pattern), Value::String(text)) => {
            if !bindings.matches(pattern, text) {
                found.push(difference(at, pattern, text));
            }
        }
        // `1.0` was recorded as `1`. The exact digits are compared in `exact`.
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (recorded, actual) => {
            if recorded != actual {
                found.push(difference(at, recorded.to_string(), actual.to_string()));
            }
        }
    }
}

/// Pairs the items of two lists that are most similar.
fn paired<'v>(
    recorded: &'v [Value],
    actual: &'v [Value],
    bindings: &Bindings,
) -> Vec<(&'v Value, &'v Value)> {
    let mut rest: Vec<&Value> = actual.iter().collect();
    let mut pairs = Vec::new();
    let mut bindings = bindings.clone();
    for one in recorded {
        let distance = |other: &Value| {
            let mut found = Vec::new();
            walk("", one, other, &mut bindings.clone(), &mut found);
            // Elements of different types are less similar than elements with any number of different fields.
            let kinds = ["id", "dataType", "filename"];
            found.len() + 100 * found.iter().filter(|d| kinds.contains(&&d.at[1..])).count()
        };
        let nearest = (0..rest.len()).min_by_key(|index| distance(rest[*index]));
        if let Some(index) = nearest {
            let other = rest.remove(index);
            walk("", one, other, &mut bindings, &mut Vec::new());
            pairs.push((one, other));
        }
    }
    pairs
}

/// The differences of the instances that two creations left, in any order.
pub fn left(recorded: &[Left], actual: &[Left]) -> Vec<Difference> {
    let sorted = |left: &[Left]| {
        let mut left = left.to_vec();
        left.iter_mut().for_each(Left::sort);
        left.sort();
        left
    };
    let (recorded, actual) = (sorted(recorded), sorted(actual));
    if recorded == actual {
        return Vec::new();
    }
    vec![difference(
        "left",
        format!("{recorded:?}"),
        format!("{actual:?}"),
    )]
}
