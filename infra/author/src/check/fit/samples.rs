//! Sample instances of A, made from its schemas: from the emptiest form that they allow to the fullest.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use stafett_core::{id::AppId, route::Gate};

use super::{
    limits::Limits,
    regular,
    shape::{FormSchema, Kind, Node},
    source_schemas::SourceSchemas,
};

/// The most fields of a sample form; a larger schema gets no samples.
const MAX_FIELDS: usize = 50_000;
/// The most characters of the long texts of a sample form; further texts are short.
const MAX_LETTERS: usize = 4 * 1024 * 1024;
/// The length of a long text without a limit in the schema.
const LONG: u64 = 5_000;
/// How many items a list has.
const ROWS: u64 = 2;
/// Texts for fields about which the schema says nothing; expressions treat them differently.
const TEXTS: [&str; 4] = ["Tekst", "1", "2026-11-01", "2026-11-01T12:30:00Z"];
/// How many full instances there are, and so how many of a field's listed values are tried.
const TURNS: usize = 12;

/// A sample instance of A, with its forms.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) instance: Value,
    pub(super) data: Map<String, Value>,
}

/// Which optional fields are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    Nothing,
    /// Groups and lists, with nothing in them.
    Groups,
    /// Every other value.
    Some,
    Everything,
}

/// How an instance is filled in.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Which optional fields are filled in.
    filling: Filling,
    /// Whether texts are as long and numbers as large as they may be.
    long: bool,
    /// Which of several possible values is taken.
    turn: usize,
    /// Whether an empty field is `null`, as an app writes it; Storage leaves it out.
    nulls: bool,
}

/// Instances of A for which the route's gate is open; none if a schema is missing or too
/// complex.
pub(super) fn samples(
    source: &SourceSchemas<'_>,
    app: &AppId,
    gate: &Gate,
    data_types: &BTreeSet<&str>,
) -> Vec<Sample> {
    let least = Manner {
        filling: Filling::Nothing,
        long: false,
        turn: 0,
        nulls: true,
    };
    let groups = Manner {
        filling: Filling::Groups,
        ..least
    };
    let all = Manner {
        filling: Filling::Everything,
        ..least
    };
    let manners = [
        least,
        Manner {
            long: true,
            ..least
        },
        groups,
        Manner {
            long: true,
            ..groups
        },
        Manner {
            filling: Filling::Some,
            ..least
        },
        Manner {
            filling: Filling::Some,
            turn: 1,
            ..least
        },
        Manner { long: true, ..all },
    ];
    let turns = (0..TURNS).map(|turn| Manner { turn, ..all });
    let made: Option<Vec<_>> = manners
        .into_iter()
        .chain(turns)
        .map(|manner| sample(source, app, gate, data_types, manner))
        .collect();
    made.unwrap_or_default()
}

fn sample(
    source: &SourceSchemas<'_>,
    app: &AppId,
    gate: &Gate,
    data_types: &BTreeSet<&str>,
    manner: Manner,
) -> Option<Sample> {
    let mut data = Map::new();
    for data_type in data_types {
        let form = source.form(data_type)?;
        let one = imagined(form, manner)?;
        let are_several = source.may_be_several(data_type) && !manner.turn.is_multiple_of(2);
        let all = if are_several { json!([one, one]) } else { one };
        data.insert((*data_type).to_owned(), all);
    }
    let mut instance = imagined(
        source.instance(),
        Manner {
            nulls: false,
            ..manner
        },
    )?;
    // Ids must be valid, or nothing reads the instance.
    const GUID: &str = "0f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    const ELEMENT: &str = "1f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
    instance["id"] = json!(format!("50000001/{GUID}"));
    instance["instanceOwner"]["partyId"] = json!("50000001");
    instance["appId"] = json!(app.to_string());
    instance["org"] = json!(app.org());
    for element in instance["data"].as_array_mut()?.iter_mut() {
        element["id"] = json!(ELEMENT);
        element["instanceGuid"] = json!(GUID);
        element["deleteStatus"] = Value::Null;
        element["references"] = Value::Null;
    }
    if let (Gate::Task(task), Some(process)) = (gate, instance["process"].as_object_mut()) {
        if manner.filling == Filling::Everything && manner.turn.is_multiple_of(2) {
            process.remove("currentTask");
        } else {
            process.retain(|name, _| !matches!(name.as_str(), "ended" | "endEvent"));
            process.insert(
                "currentTask".into(),
                json!({"flow": 3, "started": "2026-11-01T12:30:00Z", "elementId": task}),
            );
        }
    } else if let Some(process) = instance["process"].as_object_mut() {
        process.remove("currentTask");
    }
    Some(Sample { instance, data })
}

/// A form as it may be filled in; `None` if its schema is too complex.
fn imagined(form: &FormSchema<'_>, manner: Manner) -> Option<Value> {
    let mut imagining = Imagining {
        form,
        manner,
        fields: 0,
        letters: 0,
        above: Vec::new(),
    };
    imagining.value(&form.root())
}

struct Imagining<'f, 'a> {
    form: &'f FormSchema<'a>,
    manner: Manner,
    fields: usize,
    /// Characters of texts so far.
    letters: usize,
    /// The groups around the current one: no group is made within itself.
    above: Vec<Node<'a>>,
}

impl<'a> Imagining<'_, 'a> {
    fn value(&mut self, node: &Node<'a>) -> Option<Value> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return None;
        }
        let shape = self.form.shape(node);
        if let Some(listed) = &shape.limits.admitted {
            let count = listed.len().max(1);
            return Some(
                listed
                    .get(self.manner.turn % count)
                    .map_or(Value::Null, |value| (*value).clone()),
            );
        }
        // Several kinds take turns.
        let kinds: Vec<Kind> = shape.kinds.iter().copied().collect();
        let kind = kinds
            .get(self.manner.turn % kinds.len().max(1))
            .copied()
            .unwrap_or(Kind::Text);
        Some(match kind {
            Kind::Text => {
                let long = self.manner.long && self.letters < MAX_LETTERS;
                let text = text(
                    &shape.limits,
                    Manner {
                        long,
                        ..self.manner
                    },
                )?;
                self.letters += text.len();
                text.into()
            }
            Kind::Boolean => (self.manner.turn.is_multiple_of(2)).into(),
            Kind::Integer => number(&shape.limits, self.manner, true),
            Kind::Number => number(&shape.limits, self.manner, false),
            Kind::List => {
                let least = shape.limits.min_items.unwrap_or(0);
                let most = shape.limits.max_items.unwrap_or(u64::MAX);
                let is_filled = self.manner.filling != Filling::Nothing;
                let count = if is_filled {
                    least.max(ROWS).min(most)
                } else {
                    least
                };
                let Some(items) = &shape.items else {
                    return Some(json!([]));
                };
                if self.above.contains(items) {
                    return Some(json!([]));
                }
                let items: Option<Vec<Value>> = (0..count).map(|_| self.value(items)).collect();
                items?.into()
            }
            Kind::Group => {
                self.above.push(node.clone());
                let mut group = Map::new();
                for (name, field) in &shape.fields {
                    let is_wanted = shape.required.contains(name) || self.is_filled(field);
                    if is_wanted && !self.above.contains(field) {
                        group.insert((*name).to_owned(), self.value(field)?);
                    } else if self.manner.nulls {
                        let empty = if self.form.shape(field).is_list() {
                            json!([])
                        } else {
                            Value::Null
                        };
                        group.insert((*name).to_owned(), empty);
                    }
                }
                self.above.pop();
                group.into()
            }
        })
    }

    /// Whether an optional field is filled in.
    fn is_filled(&self, field: &Node<'a>) -> bool {
        let shape = self.form.shape(field);
        match self.manner.filling {
            Filling::Nothing => false,
            Filling::Groups => shape.is_group() || shape.is_list(),
            Filling::Some => {
                shape.is_group()
                    || shape.is_list()
                    || (self.fields + self.manner.turn).is_multiple_of(2)
            }
            Filling::Everything => true,
        }
    }
}

/// A text within its limits; `None` if none is found.
fn text(limits: &Limits<'_>, manner: Manner) -> Option<String> {
    let least = limits.min_length.unwrap_or(1).max(1);
    let most = limits.max_length.unwrap_or(LONG.max(least));
    let fits = |text: &String| {
        let length = text.chars().count() as u64;
        let matches = |pattern: &&str| regular::matches(pattern, text) == Some(true);
        (least..=most).contains(&length) && limits.patterns.iter().all(matches)
    };
    let of_format = match limits.format {
        Some("date") => Some("2026-11-01"),
        Some("date-time") => Some("2026-11-01T12:30:00Z"),
        Some("time") => Some("12:30:00"),
        Some("email") => Some("ola@example.com"),
        Some("uri") => Some("https://example.com/"),
        Some("uuid") => Some("0f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"),
        _ => None,
    };
    if let Some(text) = of_format {
        return Some(text.to_owned());
    }
    if let Some(pattern) = limits.patterns.first() {
        let extra = if manner.long {
            [u32::try_from(most.min(LONG)).unwrap_or(0), 0, 1, 8]
        } else {
            [0, 1, 8, 32]
        };
        let mut examples = extra
            .iter()
            .filter_map(|extra| regular::example(pattern, *extra));
        return examples.find(fits);
    }
    let filled =
        |count: u64| "x".repeat(usize::try_from(count.min(LONG.max(least))).unwrap_or_default());
    if manner.long {
        return Some(filled(most));
    }
    let usual = TEXTS
        .get(manner.turn % TEXTS.len())
        .map(|text| (*text).to_owned())
        .filter(fits);
    Some(usual.unwrap_or_else(|| filled(least)))
}

fn number(limits: &Limits<'_>, manner: Manner, whole: bool) -> Value {
    let step = if whole { 1.0 } else { 0.5 };
    let least = limits
        .minimum
        .map(|least| if limits.above { least + step } else { least });
    let most = limits
        .maximum
        .map(|most| if limits.below { most - step } else { most });
    let number = match (least, most) {
        (_, Some(most)) if manner.long => most,
        (Some(least), None) if manner.long => least.max(1_000_000.0),
        (None, None) if manner.long => 1_000_000.0,
        (Some(least), _) => {
            least + step * f64::from(u32::from(most.is_none_or(|most| least + step <= most)))
        }
        (None, Some(most)) => most.min(1.0),
        (None, None) => {
            if whole {
                2.0
            } else {
                2.5
            }
        }
    };
    if whole {
        #[expect(clippy::cast_possible_truncation)]
        return json!(number.ceil() as i64);
    }
    json!(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::fit::instance;

    #[test]
    fn an_imagined_instance_is_one() {
        let app: AppId = "ttd/a".parse().unwrap();
        for gate in [Gate::Completed, Gate::Task("Task_2".into())] {
            let schema = instance::schema(&gate, None);
            let source = SourceSchemas::new(&schema, None);
            let samples = samples(&source, &app, &gate, &BTreeSet::new());
            assert_eq!(samples.len(), TURNS + 7);
            for sample in samples {
                let instance =
                    stafett_core::instance::Instance::from_json(sample.instance).unwrap();
                assert!(stafett_core::transform::open_since(&gate, &instance).is_some());
            }
        }
    }

    #[test]
    fn a_sample_of_a_form_that_contains_itself_has_it_once() {
        let document = json!({"properties": {"name": {"type": "string"}, "below": {"type": "array", "minItems": 1, "items": {"$ref": "#"}}, "other": {"$ref": "#"}}, "required": ["below", "other"]});
        let form = FormSchema::new(&document);
        let manner = Manner {
            filling: Filling::Everything,
            long: false,
            turn: 0,
            nulls: true,
        };
        let value = imagined(&form, manner).unwrap();
        assert_eq!(value["name"], "Tekst");
    }

    fn field() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            (0_u64..5, 5_u64..40).prop_map(
                |(least, most)| json!({"type": "string", "minLength": least, "maxLength": most})
            ),
            Just(json!({"type": "string", "pattern": "^[0-9]{4}$"})),
            Just(json!({"type": ["string", "null"], "format": "date"})),
            (-5_i64..5, 5_i64..50).prop_map(
                |(least, most)| json!({"type": "integer", "minimum": least, "maximum": most})
            ),
            (-5_i64..5).prop_map(|least| json!({"type": "number", "exclusiveMinimum": least})),
            Just(json!({"type": "boolean"})),
            Just(json!({"enum": ["A", "B", "C"]})),
        ];
        scalar.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                (inner.clone(), 0_u64..3, 3_u64..6).prop_map(|(items, least, most)| json!({"type": "array", "items": items, "minItems": least, "maxItems": most})),
                (proptest::collection::btree_map("[a-d]", inner, 1..4), any::<bool>()).prop_map(|(fields, required)| {
                    let names: Vec<_> = fields.keys().cloned().collect();
                    json!({"type": "object", "properties": fields, "required": if required { names } else { Vec::new() }})
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn what_is_imagined_is_admitted_by_its_schema(field in field(), long: bool, filling in 0_usize..4, turn in 0_usize..5) {
            let form = FormSchema::new(&field);
            // As Storage does; `null` for an empty field comes from the app, and no schema mentions it.
            let filling = [Filling::Nothing, Filling::Groups, Filling::Some, Filling::Everything][filling];
            let manner = Manner { filling, long, turn, nulls: false };
            let value = imagined(&form, manner).unwrap();
            prop_assert!(jsonschema::is_valid(&field, &value), "{field} {value}");
        }
    }
}
