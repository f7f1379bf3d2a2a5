//! One outgoing call, identified in the same way in every relay.

use std::collections::BTreeMap;

use http::Method;
use testbed::wire::{Exchange, On, RequestHead, Wire};
use tests::Story;
use uuid::Uuid;

/// The wire that a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    Altinn,
    DynamoDb,
    Sqs,
}

impl Line {
    pub(super) const ALL: [Self; 3] = [Self::Altinn, Self::DynamoDb, Self::Sqs];

    pub(super) fn of(self, story: &Story) -> &Wire {
        match self {
            Self::Altinn => &story.altinn_wire,
            Self::DynamoDb => &story.dynamodb_wire,
            Self::Sqs => &story.sqs_wire,
        }
    }
}

/// A call of a relay, taken from a clean run.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its position in the run.
    pub(super) place: usize,
    pub(super) line: Line,
    /// The request, written the same in each relay.
    what: String,
    /// The same, with data types in place of the ids of A's elements.
    label: String,
    /// Which of several equal calls, from 1.
    pub(super) nth: usize,
    /// The length of the response body, in bytes.
    pub(super) answer: u64,
}

impl Call {
    /// The calls of the relay of `a`, in the order in which they started.
    pub(super) fn all(story: &Story, a: &str) -> Vec<(Self, Exchange)> {
        let mut exchanges: Vec<(Line, Exchange)> = Line::ALL
            .into_iter()
            .flat_map(|line| {
                let journal = line.of(story).journal().all();
                journal.into_iter().map(move |exchange| (line, exchange))
            })
            .collect();
        exchanges.sort_by_key(|(_, exchange)| exchange.started);
        let elements = story.altinn.instance(a).expect("A is there")["data"].clone();
        let label = |what: &str| {
            let elements = elements.as_array().into_iter().flatten();
            elements.fold(what.to_owned(), |label, element| {
                let [id, data_type] = ["id", "dataType"].map(|it| element[it].as_str());
                label.replace(id.unwrap_or_default(), data_type.unwrap_or_default())
            })
        };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let calls = exchanges
            .into_iter()
            .enumerate()
            .map(|(place, (line, exchange))| {
                let what = what(exchange.head(), a);
                let nth = seen.entry(what.clone()).or_default();
                *nth += 1;
                let call = Self {
                    place,
                    line,
                    label: label(&what),
                    what,
                    nth: *nth,
                    answer: exchange.response_bytes,
                };
                (call, exchange)
            })
            // A search is one list for each ten minutes of the clock that it touches: how many, depends on the time.
            .filter(|(call, _)| {
                call.nth == 1 || !call.label.ends_with(" /storage/api/v1/instances")
            });
        calls.collect()
    }

    /// Matches the same call in the relay of `a`, however often it is made.
    pub(super) fn on(&self, a: &str) -> On {
        let (wanted, a) = (self.what.clone(), a.to_owned());
        On::any().when(move |seen| what(seen, &a) == wanted)
    }

    pub(super) fn label(&self) -> String {
        match self.nth {
            1 => self.label.clone(),
            nth => format!("{} ({nth})", self.label),
        }
    }

    /// Whether this is the request that creates B.
    pub(super) fn makes_b(&self) -> bool {
        self.what == "POST /ttd/casework/instances"
    }
}

/// A request without the parts that differ from relay to relay: A is `A`, another instance `B`, its elements are `element`, and of the query only
/// the data type is kept.
fn what(seen: &RequestHead, a: &str) -> String {
    if let Some(operation) = seen.operation() {
        return operation.to_owned();
    }
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let path = path.replace(a, "A");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        let is_instance = segment.parse::<Uuid>().is_ok()
            && segments
                .last()
                .is_some_and(|party| party.parse::<u32>().is_ok());
        if is_instance {
            segments.pop();
            segments.push("B");
        } else if segment.parse::<Uuid>().is_ok() && segments.ends_with(&["B", "data"]) {
            segments.push("element");
        } else {
            segments.push(segment);
        }
    }
    let path = segments.join("/");
    let query = match query.strip_prefix("dataType=") {
        Some(data_type) if seen.method == Method::POST => format!(" {data_type}"),
        _ => String::new(),
    };
    format!("{} {path}{query}", seen.method)
}
