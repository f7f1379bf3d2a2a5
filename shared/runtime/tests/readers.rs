//! Every answer that was recorded from Altinn's own code is read, in each of the ways in which Altinn may write it.

#![allow(
    clippy::print_stdout,
    reason = "the test tells how many recordings and cases it ran"
)]

#[path = "../../../tests/src/recorded.rs"]
mod recorded;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use stafett_core::{
    instance::{DataElement, Instance},
    metadata::ApplicationMetadata,
    tolerant,
};
use stafett_runtime::altinn::subscriptions::Subscription;

/// What a reader makes of a document: its value, field by field.
type Read = BTreeMap<&'static str, String>;

/// A reader of the client's.
#[derive(Clone, Copy)]
struct Reader {
    name: &'static str,
    read: fn(&Value) -> serde_json::Result<Read>,
    /// Whether a document is one of its kind.
    takes: fn(&Value) -> bool,
    /// The fields without which a document is none of its kind, at any depth.
    required: &'static [&'static str],
}

const READERS: [Reader; 4] = [
    Reader {
        name: "instance",
        read: instance,
        takes: |it| it["id"].is_string() && it["appId"].is_string(),
        required: &["id", "appId", "data.id", "data.dataType"],
    },
    Reader {
        name: "data element",
        read: element,
        takes: |it| it["dataType"].is_string() && it["instanceGuid"].is_string(),
        required: &["id", "dataType"],
    },
    Reader {
        name: "metadata",
        read: metadata,
        takes: |it| it["id"].is_string() && it["dataTypes"].is_array(),
        required: &[
            "id",
            "dataTypes.id",
            "dataFields.id",
            "presentationFields.id",
        ],
    },
    Reader {
        name: "subscription",
        read: subscription,
        takes: |it| it["id"].is_number() && it["endPoint"].is_string(),
        required: &["id", "endPoint"],
    },
];

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

fn instance(json: &Value) -> serde_json::Result<Read> {
    let it = Instance::from_json(json.clone())?;
    let elements = it.data.iter().map(element_value).collect::<Vec<_>>();
    let substatus = it.status.substatus.as_ref();
    let status = (
        it.status.is_archived,
        it.status.is_soft_deleted,
        (it.status.is_hard_deleted, it.status.hard_deleted),
        substatus.map(|it| (it.label.clone(), it.description.clone())),
    );
    Ok(Read::from([
        ("id", shown(it.id)),
        ("appId", shown(it.app)),
        ("process", shown(it.process)),
        ("status", shown(status)),
        ("data", shown(elements)),
        ("dataValues", shown(it.data_values)),
        ("presentationTexts", shown(it.presentation_texts)),
        ("completeConfirmations", shown(it.confirmed_by)),
        ("created", shown(it.created)),
        ("lastChanged", shown(it.last_changed)),
        ("createdBy", shown(it.created_by)),
        ("lastChangedBy", shown(it.last_changed_by)),
    ]))
}

fn element(json: &Value) -> serde_json::Result<Read> {
    let it: DataElement = tolerant::read(json)?;
    Ok(element_value(&it))
}

fn element_value(it: &DataElement) -> Read {
    let scan = (it.is_being_scanned(), it.is_infected());
    Read::from([
        ("id", shown(it.id)),
        ("dataType", shown(&it.data_type)),
        ("filename", shown(&it.filename)),
        ("contentType", shown(&it.content_type)),
        ("size", shown(it.size)),
        ("created", shown(it.created)),
        ("references", shown(&it.references)),
        ("fileScanResult", shown(scan)),
        ("deleteStatus", shown(it.is_live())),
        ("locked", shown(it.locked)),
    ])
}

fn metadata(json: &Value) -> serde_json::Result<Read> {
    let it = ApplicationMetadata::from_json(json)?;
    Ok(Read::from([
        ("id", shown(it.id)),
        ("dataTypes", shown(it.data_types)),
        ("dataFields", shown(it.data_fields)),
        ("presentationFields", shown(it.presentation_fields)),
        ("partyTypesAllowed", shown(it.party_types_allowed)),
    ]))
}

fn subscription(json: &Value) -> serde_json::Result<Read> {
    let it = Subscription::from_json(json)?;
    Ok(Read::from([
        ("id", shown(it.id)),
        ("endPoint", shown(it.endpoint)),
        ("resourceFilter", shown(&it.resource)),
        ("typeFilter", shown(&it.kind)),
        ("sourceFilter", shown(it.narrowed)),
        ("validated", shown(it.validated)),
        ("created", shown(it.created)),
    ]))
}

/// A document of an answer, with the reader that it is for.
struct Document {
    recording: String,
    reader: Reader,
    json: Value,
}

/// Every document in the answers, at any depth: a page holds instances, an instance data elements.
fn documents() -> (usize, Vec<Document>) {
    let recordings = recorded::all();
    let mut found = Vec::new();
    for recording in &recordings {
        let mut due: Vec<&Value> = recording.json().into_iter().collect();
        while let Some(value) = due.pop() {
            for reader in READERS.into_iter().filter(|reader| (reader.takes)(value)) {
                found.push(Document {
                    recording: recording.name.clone(),
                    reader,
                    json: value.clone(),
                });
            }
            match value {
                Value::Array(items) => due.extend(items),
                Value::Object(fields) => due.extend(fields.values()),
                _ => {}
            }
        }
    }
    (recordings.len(), found)
}

impl Document {
    fn read(&self, json: &Value) -> Read {
        (self.reader.read)(json).unwrap_or_else(|error| {
            panic!(
                "{}: {}: {error}\n{json:#}",
                self.recording, self.reader.name
            )
        })
    }
}

/// Whether the names in a group are data, and no fields.
fn is_dictionary(name: &str) -> bool {
    [
        "dataValues",
        "presentationTexts",
        "title",
        "description",
        "features",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(name))
}

/// Every group of a document, with the dotted path to it, may be changed.
fn each_group(json: &mut Value, path: &str, change: &mut dyn FnMut(&str, &mut Map<String, Value>)) {
    match json {
        Value::Object(fields) => {
            change(path, fields);
            for (name, value) in fields.iter_mut().filter(|(name, _)| !is_dictionary(name)) {
                let dot = if path.is_empty() { "" } else { "." };
                each_group(value, &format!("{path}{dot}{name}"), change);
            }
        }
        Value::Array(items) => {
            for item in items {
                each_group(item, path, change);
            }
        }
        _ => {}
    }
}

/// A moment in other words.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Digits of the fraction.
    digits: usize,
    offset: Offset,
}

#[derive(Debug, Clone, Copy)]
enum Offset {
    Z,
    None,
    Zero,
    TwoHours,
}

const OFFSETS: [Offset; 4] = [Offset::Z, Offset::None, Offset::Zero, Offset::TwoHours];

impl Clock {
    fn written(self, second: &str) -> String {
        let fraction = match self.digits {
            0 => String::new(),
            digits => format!(".{}", &"7654321"[..digits]),
        };
        match self.offset {
            Offset::Z => format!("{second}{fraction}Z"),
            Offset::None => format!("{second}{fraction}"),
            Offset::Zero => format!("{second}{fraction}+00:00"),
            Offset::TwoHours => {
                let moment: Timestamp = format!("{second}Z").parse().unwrap();
                let later = moment + jiff::SignedDuration::from_hours(2);
                format!(
                    "{}{fraction}+02:00",
                    later.to_string().trim_end_matches('Z')
                )
            }
        }
    }
}

/// Writes all moments of a document anew.
fn set_clocks(json: &mut Value, clock: Clock) {
    each_group(json, "", &mut |_, fields| {
        for value in fields.values_mut() {
            let Some(text) = value.as_str() else { continue };
            let is_moment = tolerant::parse_timestamp(text).is_some() && text.len() > 18;
            if is_moment {
                *value = clock.written(&text[..19]).into();
            }
        }
    });
}

/// The names of Altinn's enumerations by number.
const ENUMERATIONS: [(&str, &[&str]); 4] = [
    (
        "fileScanResult",
        &["NotApplicable", "Pending", "Clean", "Infected"],
    ),
    ("readStatus", &["Unread", "Read", "UpdatedSinceLastReview"]),
    ("relation", &["GeneratedFrom"]),
    ("valueType", &["DataElement", "Task"]),
];

/// Writes enumerations as numbers, or as text.
fn set_enumerations(json: &mut Value, as_number: bool) {
    each_group(json, "", &mut |_, fields| {
        for (field, names) in ENUMERATIONS {
            let Some(value) = fields.get_mut(field) else {
                continue;
            };
            let number = match &*value {
                Value::String(text) => names.iter().position(|name| name == text),
                Value::Number(number) => number.as_u64().and_then(|it| usize::try_from(it).ok()),
                _ => None,
            };
            let Some(number) = number else { continue };
            *value = if as_number {
                json!(number)
            } else {
                json!(names[number])
            };
        }
    });
}

/// Puts the fields of every group into another order: sorted by a hash with a seed.
fn reorder(json: &mut Value, seed: u64) {
    each_group(json, "", &mut |_, fields| {
        let mut taken: Vec<(String, Value)> = std::mem::take(fields).into_iter().collect();
        taken.sort_by_key(|(name, _)| {
            name.bytes().fold(seed, |hash, byte| {
                (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95)
            })
        });
        fields.extend(taken);
    });
}

/// Adds fields that nobody knows, of every type.
fn add_unknown(json: &mut Value) {
    each_group(json, "", &mut |path, fields| {
        if path.split('.').any(|name| name.starts_with("ny")) {
            return;
        }
        for (name, value) in [
            ("nyttFelt", json!("tekst")),
            ("nyttTall", json!(1.5)),
            ("nyGruppe", json!({"id": 7, "created": "i dag"})),
            ("nyListe", json!([null, {}, "id"])),
            ("nyNull", json!(null)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    });
}

/// Writes the names of all fields with a capital letter, as a C# class has them.
fn capitalize(json: &mut Value) {
    each_group(json, "", &mut |_, fields| {
        let taken: Vec<(String, Value)> = std::mem::take(fields).into_iter().collect();
        fields.extend(taken.into_iter().map(|(name, value)| {
            let (first, rest) = name.split_at(1);
            (format!("{}{rest}", first.to_ascii_uppercase()), value)
        }));
    });
}

/// Writes whole numbers as text.
fn numbers_as_text(json: &mut Value) {
    each_group(json, "", &mut |_, fields| {
        for value in fields.values_mut().filter(|value| value.is_u64()) {
            *value = value.to_string().into();
        }
    });
}

/// Every field of a document, by its dotted path.
fn paths(json: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_group(&mut json.clone(), "", &mut |path, fields| {
        let dot = if path.is_empty() { "" } else { "." };
        found.extend(fields.keys().map(|name| format!("{path}{dot}{name}")));
    });
    found.sort();
    found.dedup();
    found
}

/// Changes each field of this path.
fn at(json: &mut Value, path: &str, change: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    let (group, name) = path.rsplit_once('.').unwrap_or(("", path));
    each_group(json, "", &mut |found, fields| {
        if found == group {
            change(fields, name);
        }
    });
}

#[test]
fn every_recorded_answer_is_read_however_altinn_writes_it() {
    let (recordings, documents) = documents();
    let mut cases = 0;
    for document in &documents {
        let expected = document.read(&document.json);
        let mut same = |changed: &Value, how: &str| {
            cases += 1;
            let read = document.read(changed);
            assert_eq!(read, expected, "{} {how}: {changed:#}", document.recording);
        };
        let changed = |change: &dyn Fn(&mut Value)| {
            let mut changed = document.json.clone();
            change(&mut changed);
            changed
        };
        same(&changed(&add_unknown), "with unknown fields");
        same(&changed(&capitalize), "with capital letters");
        same(&changed(&numbers_as_text), "with numbers as text");
        for as_number in [true, false] {
            same(
                &changed(&|it| set_enumerations(it, as_number)),
                "with other enumerations",
            );
        }
        for seed in 1..4 {
            same(&changed(&|it| reorder(it, seed)), "in another order");
        }
        for digits in 0..8 {
            let canonical = Clock {
                digits,
                offset: Offset::Z,
            };
            let expected = document.read(&changed(&|it| set_clocks(it, canonical)));
            for offset in OFFSETS {
                cases += 1;
                let changed = changed(&|it| set_clocks(it, Clock { digits, offset }));
                assert_eq!(document.read(&changed), expected, "{}", document.recording);
            }
        }
        cases += without_each_field(document, &expected);
    }
    println!(
        "{recordings} recordings, {} documents, {cases} cases",
        documents.len()
    );
    assert!(
        recordings > 400 && documents.len() > 350,
        "{recordings}, {}",
        documents.len()
    );
    for reader in READERS {
        let read = documents.iter().filter(|it| it.reader.name == reader.name);
        assert!(read.count() > 9, "{}", reader.name);
    }
}

/// A field that is null is one that is absent, and takes nothing else with it.
fn without_each_field(document: &Document, expected: &Read) -> usize {
    let mut cases = 0;
    for path in paths(&document.json) {
        let (mut dropped, mut nulled) = (document.json.clone(), document.json.clone());
        at(&mut dropped, &path, &mut |fields, name| {
            drop(fields.shift_remove(name))
        });
        at(&mut nulled, &path, &mut |fields, name| {
            drop(fields.insert(name.to_owned(), Value::Null))
        });
        cases += 2;
        if document.reader.required.contains(&path.as_str()) {
            for without in [&dropped, &nulled] {
                let read = (document.reader.read)(without);
                assert!(read.is_err(), "{}: without {path}", document.recording);
            }
            continue;
        }
        let read = document.read(&dropped);
        assert_eq!(
            document.read(&nulled),
            read,
            "{}: {path}",
            document.recording
        );
        let field = path.split('.').next().unwrap();
        for (name, value) in &read {
            let may_differ =
                *name == field || field.ends_with("Filter") || field == "includeSubunits";
            assert!(
                may_differ || *value == expected[name],
                "{}: {name} without {path}",
                document.recording
            );
        }
    }
    cases
}

#[test]
fn all_of_it_at_once_reads_the_same() {
    let (_, documents) = documents();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let changes = (
        0..documents.len(),
        any::<u64>(),
        any::<[bool; 4]>(),
        (0..8_usize, 0..OFFSETS.len()),
    );
    runner
        .run(
            &changes,
            |(index, seed, [unknown, capital, text, number], (digits, offset))| {
                let document = &documents[index];
                let mut plain = document.json.clone();
                set_clocks(
                    &mut plain,
                    Clock {
                        digits,
                        offset: Offset::Z,
                    },
                );
                let mut changed = document.json.clone();
                set_clocks(
                    &mut changed,
                    Clock {
                        digits,
                        offset: OFFSETS[offset],
                    },
                );
                set_enumerations(&mut changed, number);
                if text {
                    numbers_as_text(&mut changed);
                }
                if unknown {
                    add_unknown(&mut changed);
                }
                reorder(&mut changed, seed);
                if capital {
                    capitalize(&mut changed);
                }
                let expected = document.read(&plain);
                prop_assert_eq!(document.read(&changed), expected, "{}", document.recording);
                Ok(())
            },
        )
        .unwrap();
}
