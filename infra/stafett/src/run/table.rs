//! The table at the end: each A instance with its B instance, and whether that B is complete.

use std::collections::BTreeSet;

use local_altinn::LocalAltinn;
use local_world::timeline::Cost;
use serde_json::Value;

use super::{Triggered, progress::Progress};

/// One A instance and its B instances.
pub(crate) struct Row {
    source: String,
    /// Whether there is one relay per value of the route's `each`, and so any number of B.
    is_set: bool,
    /// Live B instances that carry the stamp of one of its relays.
    found: Vec<B>,
    /// The expected attachments of B, as (data type, size), sorted.
    expected: Vec<(String, u64)>,
    cost: Cost,
}

struct B {
    /// The relay whose stamp it carries.
    relay: String,
    id: String,
    owner: String,
    fields: usize,
    attachments: Vec<(String, u64)>,
}

impl Row {
    pub(crate) fn new(altinn: &LocalAltinn, triggered: &Triggered, progress: &Progress) -> Self {
        let guid = triggered.instance.rsplit('/').next().unwrap_or_default();
        let stamp = format!("{}:{guid}", triggered.route);
        let source = altinn.instance(&triggered.instance).unwrap_or_default();
        let found = altinn
            .instances(&triggered.to)
            .iter()
            .filter(|b| b["status"]["isHardDeleted"] != true)
            .filter_map(|b| Some(B::new(altinn, b, relay(b, &stamp)?)))
            .collect();
        let mut expected: Vec<(String, u64)> = triggered
            .attachments
            .iter()
            .flat_map(|(from, to)| sizes(&source, from).map(|size| (to.clone(), size)))
            .collect();
        expected.sort();
        Self {
            source: triggered.instance.clone(),
            is_set: triggered.is_set,
            found,
            expected,
            cost: progress.cost(&triggered.instance),
        }
    }

    /// Whether there is exactly one B for each relay, with a filled-in form and every attachment.
    pub(crate) fn is_one_complete_b(&self) -> bool {
        let relays: BTreeSet<&str> = self.found.iter().map(|b| b.relay.as_str()).collect();
        let is_complete = |b: &B| b.fields > 0 && b.attachments == self.expected;
        relays.len() == self.found.len()
            && self.found.iter().all(is_complete)
            && (self.is_set || !self.found.is_empty())
    }
}

impl B {
    fn new(altinn: &LocalAltinn, b: &Value, relay: String) -> Self {
        let id = b["id"].as_str().unwrap_or_default().to_owned();
        let owner = &b["instanceOwner"];
        let elements = b["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_form = |element: &&Value| element["contentType"] == "application/xml";
        let fields = elements
            .iter()
            .filter(is_form)
            .filter_map(|element| altinn.bytes(&id, element["id"].as_str()?))
            .map(|form| filled_fields(&String::from_utf8_lossy(&form)))
            .sum();
        let mut attachments: Vec<(String, u64)> = elements
            .iter()
            .filter(|element| !is_form(element))
            .map(|element| {
                let data_type = element["dataType"].as_str().unwrap_or_default().to_owned();
                (data_type, element["size"].as_u64().unwrap_or_default())
            })
            .collect();
        attachments.sort();
        // Identify a person by party id, never by national identity number.
        let number = owner["organisationNumber"].as_str().map(str::to_owned);
        let party = || format!("party {}", owner["partyId"].as_str().unwrap_or_default());
        Self {
            relay,
            id,
            owner: number.unwrap_or_else(party),
            fields,
            attachments,
        }
    }
}

/// The relay whose stamp an instance carries, if it is the one with this id or, with `each`, one of its set. With
/// `mode: prefill` the stamp has the key of a field that B's app shows.
fn relay(b: &Value, id: &str) -> Option<String> {
    let values = b["dataValues"].as_object()?.values();
    let is_of_set = |stamp: &&str| {
        let rest = stamp.strip_prefix(id);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let mut stamps = values.filter_map(Value::as_str).filter(is_of_set);
    stamps.next().map(str::to_owned)
}

/// The sizes of an instance's elements of one data type.
fn sizes(instance: &Value, data_type: &str) -> impl Iterator<Item = u64> {
    let elements = instance["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    elements
        .iter()
        .filter(move |element| element["dataType"] == data_type)
        .filter_map(|element| element["size"].as_u64())
        .collect::<Vec<_>>()
        .into_iter()
}

/// The number of form elements with text.
fn filled_fields(form: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(form);
    let (mut fields, mut has_text) = (0, false);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => has_text = false,
            Ok(quick_xml::events::Event::Text(text)) => has_text |= !text.trim().is_empty(),
            Ok(quick_xml::events::Event::GeneralRef(_)) => has_text = true,
            Ok(quick_xml::events::Event::End(_)) => {
                fields += usize::from(std::mem::take(&mut has_text));
            }
            Ok(quick_xml::events::Event::Eof) | Err(_) => return fields,
            Ok(_) => {}
        }
    }
}

/// Prints the rows.
pub(crate) fn print(rows: &[Row]) {
    const HEAD: [&str; 8] = [
        "A instance",
        "B instance",
        "owner",
        "fields",
        "attached",
        "bytes",
        "calls",
        "ms",
    ];
    let mut lines: Vec<[String; 8]> = vec![HEAD.map(str::to_owned)];
    for row in rows {
        let cost = [row.cost.calls.to_string(), row.cost.ms.to_string()];
        if row.found.is_empty() {
            let [calls, ms] = cost.clone();
            let none = String::new;
            lines.push([
                row.source.clone(),
                "none".into(),
                none(),
                none(),
                none(),
                none(),
                calls,
                ms,
            ]);
        }
        for b in &row.found {
            let [calls, ms] = cost.clone();
            let bytes: u64 = b.attachments.iter().map(|(_, size)| size).sum();
            lines.push([
                row.source.clone(),
                b.id.clone(),
                b.owner.clone(),
                b.fields.to_string(),
                b.attachments.len().to_string(),
                bytes.to_string(),
                calls,
                ms,
            ]);
        }
    }
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column < 3 {
                    format!("{cell:width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
