//! Data of A that its schema allows.

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};
use stafett_core::language::types::{DECIMALS_ASSUMED, MOST_ASSUMED};

use crate::{
    choices::Choices,
    form::{Field, Form, Number, Text},
    schema::in_json,
};

/// How much of a form is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As little as the schema allows.
    Bare,
    /// All of it, as long and as large as the schema allows.
    Full,
    /// Anything.
    Any,
}

/// What is found in real texts, and may mean something to an expression.
const WORDS: [&str; 21] = [
    "Bod",
    "",
    "å",
    "Ærlig Ødegård",
    "a,b, c",
    "12.50",
    "-7",
    "007",
    "1 234,50",
    "-12,5",
    "2026-11-01",
    "0001-01-01",
    "2026-10-31T23:30:00Z",
    "2026-11-01T12:30Z",
    "12:30",
    "310075728",
    "Straße İstanbul ǆ",
    "linje\nlinje\r\nlinje",
    "  rom  ",
    "100 % 'sitat' \"x\"",
    "👩‍👧 e\u{301}",
];

/// A's instance as Storage has it, and its form data by data type: one `model`, and any number of `flere`.
pub type Given = (Json, Map<String, Json>);

/// So many instances of a form: one that is full, one that is bare, and others.
pub fn instances(form: &Form, count: usize, choices: &mut Choices<'_>) -> Vec<Given> {
    let extents = [Extent::Full, Extent::Bare].into_iter();
    extents
        .chain(std::iter::repeat(Extent::Any))
        .take(count)
        .map(|extent| {
            let storage = storage(choices);
            let model = instance(form, extent, choices);
            let several = match extent {
                Extent::Full => 1,
                Extent::Bare => 0,
                Extent::Any => choices.below(3),
            };
            let several: Vec<Json> = (0..several)
                .map(|_| instance(form, extent, choices))
                .collect();
            let data = [
                ("model".to_owned(), model),
                ("flere".to_owned(), several.into()),
            ];
            (storage, data.into_iter().collect())
        })
        .collect()
}

/// An instance of a form.
pub fn instance(form: &Form, extent: Extent, choices: &mut Choices<'_>) -> Json {
    Writer { extent, choices }.value(form)
}

struct Writer<'c, 't> {
    extent: Extent,
    choices: &'c mut Choices<'t>,
}

impl Writer<'_, '_> {
    fn value(&mut self, form: &Form) -> Json {
        match form {
            Form::Text(text) => self.text(text).into(),
            Form::Number(number) => self.number(number),
            Form::Boolean => match self.extent {
                Extent::Bare => false.into(),
                Extent::Full => true.into(),
                Extent::Any => self.choices.chance(50).into(),
            },
            Form::Mixed if self.choices.chance(50) => self.choices.below(100).into(),
            Form::Mixed => (*self.choices.pick(&WORDS)).into(),
            Form::List {
                item,
                has_holes,
                least,
                most,
            } => {
                let most = most.unwrap_or(least + 3).min(least + 3);
                let count = match self.extent {
                    Extent::Bare => *least,
                    Extent::Full => most,
                    Extent::Any => self.choices.within(*least, most),
                };
                let items = (0..count).map(|index| {
                    let is_hole = match self.extent {
                        Extent::Bare => *has_holes,
                        Extent::Full => *has_holes && index == 1,
                        Extent::Any => *has_holes && self.choices.chance(30),
                    };
                    if is_hole {
                        Json::Null
                    } else {
                        self.value(item)
                    }
                });
                items.collect::<Vec<_>>().into()
            }
            Form::Group(fields) => {
                let mut group = Map::new();
                for field in fields {
                    if let Some(value) = self.field(field) {
                        group.insert(field.name.to_owned(), value);
                    }
                }
                group.into()
            }
        }
    }

    /// The value of a field; `None` where it is absent. A's app writes an empty field as `null` or not at all, whatever the
    /// schema says of `null`.
    fn field(&mut self, field: &Field) -> Option<Json> {
        let is_empty = match self.extent {
            Extent::Bare => field.may_be_empty(),
            Extent::Full => false,
            Extent::Any => field.may_be_empty() && self.choices.chance(40),
        };
        if !is_empty {
            return Some(self.value(&field.form));
        }
        (field.is_required || self.choices.chance(50)).then_some(Json::Null)
    }

    fn text(&mut self, text: &Text) -> String {
        match text {
            Text::Free { least, most } => {
                let most = most.unwrap_or(least + 40);
                let word = self.choices.pick(&WORDS).chars();
                match self.extent {
                    Extent::Bare => word.chain("xyz".chars()).take(*least).collect(),
                    Extent::Full => word.chain("æøå ".chars().cycle()).take(most).collect(),
                    Extent::Any => {
                        let count = word.clone().count().clamp(*least, most);
                        word.chain("12345".chars()).take(count).collect()
                    }
                }
            }
            Text::Listed(codes) => (*self.choices.pick(codes)).to_owned(),
            Text::Date => self.date(),
            Text::DateTime => {
                // .NET's `DateTime` has seconds, and seven digits of one at most.
                let time = self.time(&[":00", ":59.1234567", ":07.0000001"]);
                let offset = *self.choices.pick(&["Z", "+01:00", "-11:30", ""]);
                format!("{}T{time}{offset}", self.date())
            }
            Text::Time => self.time(&[":00", "", ":59.1234567", ":07.000000001"]),
            Text::Pattern(pattern) => (pattern.make)(self.choices),
        }
    }

    /// A day that people write.
    fn date(&mut self) -> String {
        let year = 1700 + self.choices.below(600);
        let (month, day) = (self.choices.within(1, 12), self.choices.within(1, 28));
        match self.choices.below(8) {
            0 => "2024-02-29".to_owned(),
            _ => format!("{year}-{month:02}-{day:02}"),
        }
    }

    fn time(&mut self, seconds: &[&str]) -> String {
        let (hour, minute) = (self.choices.below(24), self.choices.below(60));
        let rest = *self.choices.pick(seconds);
        format!("{hour:02}:{minute:02}{rest}")
    }

    /// A number within the schema's bounds, or within those that are assumed where it names none.
    fn number(&mut self, number: &Number) -> Json {
        if !number.listed.is_empty() {
            return in_json(*self.choices.pick(&number.listed));
        }
        let step = match number.step {
            Some(step) => step,
            None if number.is_whole => Decimal::ONE,
            None => {
                let decimals = u32::try_from(self.choices.within(0, 6)).unwrap_or_default();
                Decimal::new(1, decimals.min(DECIMALS_ASSUMED))
            }
        };
        let assumed = if number.is_whole && number.class.is_none() {
            Decimal::from(i32::MAX)
        } else {
            Decimal::from(MOST_ASSUMED) - step
        };
        let least = number.minimum.map_or(-assumed, |least| {
            least + if number.is_above { step } else { Decimal::ZERO }
        });
        let most = number.maximum.map_or(assumed, |most| {
            most - if number.is_below { step } else { Decimal::ZERO }
        });
        // In steps, within the bounds.
        let (least, most) = ((least / step).ceil(), (most / step).floor());
        let [least, most] =
            [least, most].map(|steps| steps.to_string().parse::<i128>().unwrap_or_default());
        let most = most.max(least);
        let steps = match (self.extent, self.choices.below(6)) {
            (Extent::Bare, _) | (_, 0) => least,
            (Extent::Full, _) | (_, 1) => most,
            (_, 2) => 0.clamp(least, most),
            (_, 3) => 1.clamp(least, most),
            (_, 4) => self.choices.large(least, most.min(least + 200)),
            _ => self.choices.large(least, most),
        };
        let value = Decimal::from_i128_with_scale(steps, 0) * step;
        if self.choices.chance(20) {
            return in_json(value.normalize());
        }
        if self.choices.chance(50) && !value.is_zero() && value.abs() < Decimal::new(1, 4) {
            // As .NET writes a double that is this small.
            let plain = value.normalize();
            let text = format!("{}E-{:02}", plain.mantissa(), plain.scale());
            return serde_json::from_str(&text).unwrap_or_default();
        }
        in_json(value)
    }
}

/// A's instance, of which expressions see two fields.
pub fn storage(choices: &mut Choices<'_>) -> Json {
    let due = if choices.chance(50) {
        json!("2026-11-22T10:00:00.1234567Z")
    } else {
        Json::Null
    };
    json!({"id": "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77", "dueBefore": due})
}
