//! Recorded conversations with Altinn's own code (`tests/recorded`), and the means to replay them against the local Altinn.
//!
//! A test loads [`Conversation`]s, sets up the state that `given` describes, [sends](http::send) the request with its [placeholders]
//! filled in, and [compares](compare::answers) the responses. The known differences are in one [table].

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several tests, each of which uses a part of it"
)]

pub mod compare;
pub mod http;
pub mod placeholders;
pub mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One request, its response, and the results of later calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    pub name: String,
    pub doc: String,
    pub note: Option<String>,
    /// The state before the request.
    pub given: Option<String>,
    /// The value of `{party}`.
    pub party: Option<String>,
    pub request: Request,
    pub answer: Answer,
    /// The instances that a creation left in Storage.
    pub left: Option<Vec<Left>>,
    /// The results of later calls, by call.
    pub then: Option<BTreeMap<String, Value>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Request {
    pub method: String,
    /// An app (`org/app`, perhaps with the services that it cannot reach), `storage`, `platform`, `events` or `receive`.
    pub at: String,
    pub path: String,
    /// The caller whose token is sent.
    #[serde(rename = "as")]
    pub caller: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<Value>,
    pub parts: Option<Vec<Part>>,
    /// The connection is half-closed before the announced end of the body.
    pub cut: Option<String>,
    /// The closing boundary is missing.
    pub no_end: Option<String>,
}

/// A part of a multipart body.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: Option<String>,
    pub filename: Option<String>,
    /// The whole header. Absent if it follows from name and file name, null if there is none.
    #[serde(default, deserialize_with = "given_or_null")]
    pub disposition: Option<Option<String>>,
    #[serde(rename = "type")]
    pub media_type: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

fn given_or_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub status: Option<u16>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A body that is JSON.
    #[serde(default, deserialize_with = "json_or_null")]
    pub body: Option<Value>,
    /// A body that is not JSON.
    pub text: Option<String>,
    /// The exact body, if the JSON cannot be written with the same characters.
    pub exact: Option<String>,
    /// The JSON has `\u` escapes.
    #[serde(default)]
    pub escaped: bool,
    /// The body begins with a byte order mark.
    #[serde(default)]
    pub bom: bool,
    /// Why there is no response.
    pub closed: Option<String>,
}

fn json_or_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An instance in Storage after a creation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Left {
    pub task: Option<String>,
    /// Keys only.
    pub data_values: Vec<String>,
    /// Data types, sorted.
    pub data: Vec<String>,
    /// Storage's events by type, if they were recorded.
    pub events: Option<Vec<String>>,
    pub hard_deleted: bool,
}

impl Left {
    /// The data of an instance in Storage, without its events.
    pub fn of(instance: &Value) -> Self {
        let data = instance["data"].as_array().into_iter().flatten();
        let mut left = Self {
            task: instance["process"]["currentTask"]["elementId"]
                .as_str()
                .map(str::to_owned),
            data_values: instance["dataValues"]
                .as_object()
                .map(|values| values.keys().cloned().collect())
                .unwrap_or_default(),
            data: data
                .filter_map(|element| element["dataType"].as_str().map(str::to_owned))
                .collect(),
            events: None,
            hard_deleted: instance["status"]["isHardDeleted"] == true,
        };
        left.sort();
        left
    }

    pub fn sort(&mut self) {
        self.data_values.sort();
        self.data.sort();
        if let Some(events) = &mut self.events {
            events.sort();
        }
    }
}

/// The folder `tests/recorded`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recorded")
}

/// The conversations of the folder (`""`) or of a folder within (`events`, `v9`, `older`), by name.
pub fn load(within: &str) -> Vec<Conversation> {
    let folder = folder().join(within);
    let files = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut conversations: Vec<Conversation> = files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    conversations.sort_by(|one, other| one.name.cmp(&other.name));
    conversations
}
