//! Compares the form that B has stored with the one that it was sent.
//!
//! .NET's XML reader loses what it does not expect, and B's app answers 201 all the same (measured: tests/xmlserializer). So
//! only a look at what arrived shows that B's class is the one that the draft was written for.

use std::{collections::BTreeMap, fmt};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use crate::number;

/// The most fields that are named in a message.
const MOST_NAMED: usize = 5;
/// The deepest nesting of elements that is read.
const MAX_DEPTH: usize = 200;
/// Attributes with these names or prefixes belong to XML or to the app, and not to the form.
const NOT_OF_THE_FORM: [&str; 4] = ["xmlns", "xsi", "xml", "altinnRowId"];

/// How B's forms differ from those that were sent. Names fields, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrival {
    /// The fields that were sent with a value and have none in B, as dotted paths in the order in which they were sent.
    pub missing: Vec<String>,
    /// How many fields have another value in B: its app calculates some itself.
    pub changed: usize,
}

/// The stored form cannot be compared: it is not XML, or nested deeper than any form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the form that B has stored is not XML that can be compared")]
pub struct NotComparable;

impl Arrival {
    /// Adds how another form of the same B differs.
    fn add(&mut self, other: Self) {
        self.missing.extend(other.missing);
        self.changed += other.changed;
    }
}

/// A form of B: as it was sent, and as it is stored.
#[derive(Clone, Copy)]
pub struct Both<'a> {
    /// What its fields are named below, such as `model`.
    pub form: &'a str,
    /// As it was sent.
    pub sent: &'a str,
    /// As it is stored.
    pub stored: &'a str,
}

/// Compares all forms of a B that can be compared.
///
/// # Errors
/// [`NotComparable`] if none can.
pub fn compare_all<'a>(
    forms: impl IntoIterator<Item = Both<'a>>,
) -> Result<Arrival, NotComparable> {
    let mut whole = Err(NotComparable);
    for Both { form, sent, stored } in forms {
        let Ok(arrival) = compare(form, sent, stored) else {
            continue;
        };
        match &mut whole {
            Ok(whole) => Arrival::add(whole, arrival),
            Err(NotComparable) => whole = Ok(arrival),
        }
    }
    whole
}

/// The missing fields, a few of them by name.
impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        match named.split_at_checked(MOST_NAMED) {
            Some((first, rest)) if !rest.is_empty() => {
                write!(f, "{} and {} more", first.join(", "), rest.len())
            }
            _ => f.write_str(&named.join(", ")),
        }
    }
}

/// Compares a form with the one that was `sent`, field by field. The fields are named below `form`, such as `model`.
///
/// # Errors
/// [`NotComparable`].
fn compare(form: &str, sent: &str, stored: &str) -> Result<Arrival, NotComparable> {
    let sent = leaves(form, sent)?;
    let stored: BTreeMap<String, String> = leaves(form, stored)?.into_iter().collect();
    let mut arrival = Arrival::default();
    for (field, value) in sent.into_iter().filter(|(_, value)| !value.is_empty()) {
        match stored.get(&field) {
            Some(there) if !there.is_empty() => {
                arrival.changed += usize::from(!is_same(&value, there));
            }
            _ => arrival.missing.push(field),
        }
    }
    Ok(arrival)
}

/// Whether two texts are the same value to .NET: B stores `100.00` for `+100.00`, `true` for `1`, and a day as a moment.
fn is_same(sent: &str, stored: &str) -> bool {
    let decimal = |text: &str| number::decimal(text.strip_prefix('+').unwrap_or(text));
    let truth = |text: &str| match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    };
    let numbers = decimal(sent).zip(decimal(stored));
    let truths = truth(sent).zip(truth(stored));
    sent == stored
        || numbers.is_some_and(|(sent, stored)| sent == stored)
        || truths.is_some_and(|(sent, stored)| sent == stored)
        || stored.strip_prefix(sent) == Some("T00:00:00")
}

/// An element that is open.
struct Open {
    path: String,
    text: String,
    has_children: bool,
    /// How many children of each name there were.
    children: BTreeMap<String, usize>,
}

/// The fields of a form with their texts: elements without children, and attributes. A repeated element has its index.
fn leaves(form: &str, document: &str) -> Result<Vec<(String, String)>, NotComparable> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Open> = Vec::new();
    let mut found = Vec::new();
    loop {
        match reader.read_event().map_err(|_| NotComparable)? {
            Event::Start(start) => {
                if open.len() >= MAX_DEPTH {
                    return Err(NotComparable);
                }
                let path = match open.last_mut() {
                    None => form.to_owned(),
                    Some(parent) => {
                        parent.has_children = true;
                        let name = start.local_name().as_ref().to_owned();
                        let index = parent.children.entry(name.clone()).or_default();
                        let path = match *index {
                            0 => format!("{}.{name}", parent.path),
                            index => format!("{}.{name}[{index}]", parent.path),
                        };
                        *index += 1;
                        path
                    }
                };
                attributes(&start, &path, &mut found)?;
                open.push(Open {
                    path,
                    text: String::new(),
                    has_children: false,
                    children: BTreeMap::new(),
                });
            }
            Event::End(_) => {
                let Some(closed) = open.pop() else {
                    return Err(NotComparable);
                };
                if !closed.has_children {
                    found.push((closed.path, closed.text));
                }
                if open.is_empty() {
                    return Ok(found);
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => add(&mut open, &resolved(&reference)?),
            Event::Eof => return Err(NotComparable),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

fn add(open: &mut [Open], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, NotComparable> {
    let character = reference.resolve_char_ref().map_err(|_| NotComparable)?;
    let text = match (character, &*reference.xml10_content()) {
        (Some(character), _) => return Ok(character.to_string()),
        (None, "amp") => "&",
        (None, "lt") => "<",
        (None, "gt") => ">",
        (None, "quot") => "\"",
        (None, "apos") => "'",
        (None, _) => return Err(NotComparable),
    };
    Ok(text.to_owned())
}

fn attributes(
    start: &BytesStart<'_>,
    path: &str,
    found: &mut Vec<(String, String)>,
) -> Result<(), NotComparable> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| NotComparable)?;
        let name = attribute.key.as_ref();
        let prefix = name.split_once(':').map_or(name, |(prefix, _)| prefix);
        if NOT_OF_THE_FORM.contains(&prefix) {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| NotComparable)?;
        found.push((format!("{path}.@{name}"), value.into_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::xml;

    fn missing(sent: &str, stored: &str) -> Vec<String> {
        compare("model", sent, stored).unwrap().missing
    }

    #[test]
    fn what_the_class_lost_is_named() {
        let sent = "<model><navn>Kari</navn><rader><kode>A</kode></rader><rader><kode>B</kode></rader></model>";
        for (stored, expected) in [
            (sent, vec![]),
            (
                "<model/>",
                vec!["model.navn", "model.rader.kode", "model.rader[1].kode"],
            ),
            (
                "<model><navn>Kari</navn><rader><kode>A</kode></rader></model>",
                vec!["model.rader[1].kode"],
            ),
            (
                "<model><navn/><rader><kode>A</kode></rader><rader><kode>B</kode></rader></model>",
                vec!["model.navn"],
            ),
        ] {
            assert_eq!(missing(sent, stored), expected, "{stored}");
        }
    }

    #[test]
    fn an_attribute_and_the_text_beside_it_are_fields() {
        let sent = r#"<model><epost orid="19022">a@b.no</epost></model>"#;
        assert_eq!(
            missing(sent, "<model><epost><value>a@b.no</value></epost></model>"),
            ["model.epost.@orid", "model.epost"]
        );
        assert_eq!(
            missing(sent, r#"<model><epost orid="19022"/></model>"#),
            ["model.epost"]
        );
    }

    #[test]
    fn what_the_app_adds_is_no_difference() {
        let sent = "<model><rader><kode>A &amp; B</kode></rader></model>";
        let stored = concat!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n",
            r#"<model xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="x">"#,
            "\n  <rader altinnRowId=\"5b2f8a1c\">\n    <kode>A &#38; B</kode>\n    <sum>1</sum>\n  </rader>\n</model>",
        );
        assert_eq!(compare("model", sent, stored), Ok(Arrival::default()));
    }

    #[test]
    fn another_way_to_write_a_value_is_no_change() {
        let changed = |sent: &str, stored: &str| {
            let document = |value: &str| format!("<model><x>{value}</x></model>");
            compare("model", &document(sent), &document(stored))
                .unwrap()
                .changed
        };
        for (sent, stored) in [
            ("100.00", "100"),
            ("+3", "3"),
            ("1", "true"),
            ("2026-01-02", "2026-01-02T00:00:00"),
        ] {
            assert_eq!(changed(sent, stored), 0, "{sent} {stored}");
        }
        for (sent, stored) in [
            ("100.00", "100.01"),
            ("0", "true"),
            ("Kari", "Ola"),
            ("2026-01-02", "2026-01-03T00:00:00"),
        ] {
            assert_eq!(changed(sent, stored), 1, "{sent} {stored}");
        }
    }

    #[test]
    fn a_message_names_a_few_fields_and_counts_the_others() {
        let of = |count: usize| Arrival {
            missing: (0..count).map(|n| format!("model.f{n}")).collect(),
            changed: 0,
        };
        assert_eq!(of(2).to_string(), "model.f0, model.f1");
        assert_eq!(
            of(7).to_string(),
            "model.f0, model.f1, model.f2, model.f3, model.f4 and 2 more"
        );
    }

    #[test]
    fn what_is_no_xml_cannot_be_compared() {
        let sent = "<model><x>1</x></model>";
        for stored in [
            "",
            "{}",
            "<model>",
            "<model>&x;</model>",
            &"<a>".repeat(500),
        ] {
            assert_eq!(
                compare("model", sent, stored),
                Err(NotComparable),
                "{stored:.20}"
            );
        }
    }

    #[test]
    fn each_form_is_compared_under_its_own_name_as_far_as_it_can_be() {
        let both = |form, stored| Both {
            form,
            sent: "<model><x>1</x></model>",
            stored,
        };
        let lost = "<model/>";
        let arrival = compare_all([both("model", lost), both("to.forms.a.model", lost)]).unwrap();
        assert_eq!(arrival.missing, ["model.x", "to.forms.a.model.x"]);
        let arrival = compare_all([both("model", "{}"), both("to.forms.a.model", lost)]).unwrap();
        assert_eq!(arrival.missing, ["to.forms.a.model.x"]);
        assert_eq!(compare_all([both("model", "{}")]), Err(NotComparable));
    }

    fn any_form() -> impl Strategy<Value = Map<String, Value>> {
        let leaf =
            prop_oneof!["[a-zæøå<&\"' 0-9]{1,8}", Just("x".to_owned())].prop_map(Value::from);
        let node = leaf.prop_recursive(3, 24, 4, |inner| {
            let fields = prop::collection::btree_map("[a-f]", inner, 1..4);
            let group = fields.prop_map(|fields| Value::Object(fields.into_iter().collect()));
            prop_oneof![
                group.clone(),
                prop::collection::vec(group, 1..3).prop_map(Value::from)
            ]
        });
        prop::collection::btree_map("[a-f]", node, 1..4)
            .prop_map(|fields| fields.into_iter().collect())
    }

    /// The fields of a model with a text.
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(fields) => fields.values().map(count).sum(),
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 1,
        }
    }

    proptest! {
        #[test]
        fn a_form_that_arrived_whole_has_no_difference(model in any_form()) {
            let sent = xml::write("model", None, &model).unwrap();
            prop_assert_eq!(compare("model", &sent, &sent), Ok(Arrival::default()));
        }

        #[test]
        fn every_field_of_a_lost_group_is_missing(model in any_form(), lost in any::<prop::sample::Index>()) {
            let sent = xml::write("model", None, &model).unwrap();
            let mut rest = model.clone();
            let (_, gone) = model.iter().nth(lost.index(model.len())).unwrap();
            let name = model.keys().nth(lost.index(model.len())).unwrap();
            rest.shift_remove(name);
            let stored = xml::write("model", None, &rest).unwrap();
            prop_assert_eq!(compare("model", &sent, &stored).unwrap().missing.len(), count(gone));
        }

        #[test]
        fn no_document_stops_the_comparison(stored in "(<[a-c/!?]{0,3}>|&[a-z#0-9]{0,4};|[a-z ]){0,30}") {
            let _ = compare("model", "<model><x>1</x></model>", &stored);
        }

        #[test]
        fn no_value_is_shown(value in "[A-Z]{12}") {
            let form = json!({"x": value}).as_object().unwrap().clone();
            let sent = xml::write("model", None, &form).unwrap();
            let arrival = compare("model", &sent, "<model/>").unwrap();
            let shown = format!("{arrival} {arrival:?}");
            prop_assert!(!shown.contains(&value));
        }
    }
}
