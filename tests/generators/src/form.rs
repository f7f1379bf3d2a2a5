//! Random forms of A, and forms of B that differ from one of A by little or by much.

use rust_decimal::Decimal;

use crate::choices::Choices;

/// What a place of a form holds.
#[derive(Debug, Clone)]
pub enum Form {
    /// A text.
    Text(Text),
    /// A number.
    Number(Number),
    /// True or false.
    Boolean,
    /// A text or a number.
    Mixed,
    /// A list.
    List {
        /// What an item holds.
        item: Box<Form>,
        /// Whether an item may be `null`.
        has_holes: bool,
        /// The fewest items.
        least: usize,
        /// The most items.
        most: Option<usize>,
    },
    /// A group of fields.
    Group(Vec<Field>),
}

/// A field of a group.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Whether the schema requires it.
    pub is_required: bool,
    /// Whether the schema allows `null`.
    pub is_nullable: bool,
    /// What it holds.
    pub form: Form,
}

impl Field {
    /// Whether an instance may lack it or have `null`.
    pub fn may_be_empty(&self) -> bool {
        !self.is_required || self.is_nullable
    }
}

/// A text, as far as its schema says anything of it.
#[derive(Debug, Clone)]
pub enum Text {
    /// Any text.
    Free {
        /// The fewest characters.
        least: usize,
        /// The most characters.
        most: Option<usize>,
    },
    /// One of these.
    Listed(Vec<&'static str>),
    /// `format: date`
    Date,
    /// `format: date-time`
    DateTime,
    /// `format: time`
    Time,
    /// What matches.
    Pattern(&'static Pattern),
}

/// A regular expression, the texts that match it, and how to make one.
pub struct Pattern {
    /// The regular expression.
    pub expression: &'static str,
    /// Whether a text matches.
    pub matches: fn(&str) -> bool,
    /// Makes a text that matches.
    pub make: fn(&mut Choices<'_>) -> String,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expression)
    }
}

/// The patterns of the forms.
pub static PATTERNS: [Pattern; 3] = [
    Pattern {
        expression: "^[0-9]{4}$",
        matches: |text| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()),
        make: |choices| format!("{:04}", choices.below(10_000)),
    },
    Pattern {
        expression: "^[A-ZÆØÅ]{1,6}$",
        matches: |text| {
            (1..=6).contains(&text.chars().count())
                && text
                    .chars()
                    .all(|letter| matches!(letter, 'A'..='Z' | 'Æ' | 'Ø' | 'Å'))
        },
        make: |choices| {
            let count = choices.within(1, 6);
            let letters = (0..count).map(|_| *choices.pick(&['A', 'Z', 'Æ', 'Ø', 'Å']));
            letters.collect()
        },
    },
    Pattern {
        expression: "^(kr )?[0-9]+,[0-9]{2}$",
        matches: |text| {
            let amount = text.strip_prefix("kr ").unwrap_or(text);
            amount.split_once(',').is_some_and(|(whole, cents)| {
                let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                !whole.is_empty() && cents.len() == 2 && are_digits(whole) && are_digits(cents)
            })
        },
        make: |choices| {
            let unit = if choices.chance(30) { "kr " } else { "" };
            format!("{unit}{},{:02}", choices.below(60_000), choices.below(100))
        },
    },
];

/// A number, as far as its schema says anything of it.
#[derive(Debug, Clone)]
pub struct Number {
    /// Whether it is whole.
    pub is_whole: bool,
    /// The least.
    pub minimum: Option<Decimal>,
    /// Whether the least itself is excluded.
    pub is_above: bool,
    /// The most.
    pub maximum: Option<Decimal>,
    /// Whether the most itself is excluded.
    pub is_below: bool,
    /// What it is a multiple of.
    pub step: Option<Decimal>,
    /// The numbers that are allowed; all where none is listed.
    pub listed: Vec<Decimal>,
    /// `@xsdType`: the type of .NET, where it is another one than the schema's `type` makes it.
    pub class: Option<&'static str>,
}

/// Names of fields; those that are no names of the language among them.
const NAMES: [&str; 12] = [
    "navn",
    "antall",
    "dato",
    "kode",
    "rader",
    "e-post",
    "fødselsnummer",
    "in",
    "x y",
    "adresse",
    "Beløp",
    "id",
];

const CODES: [&str; 11] = [
    "A",
    "B",
    "Å",
    "ja",
    "nei",
    "2026-11-01",
    "12.50",
    "1 234,50",
    "12:30",
    "",
    "2026-11-01T12:30",
];

/// A random form of A.
pub fn form(choices: &mut Choices<'_>) -> Form {
    let mut writer = Writer {
        choices,
        is_target: false,
    };
    writer.group(0)
}

/// A random form of B, most of it like A's `form`.
pub fn target(form: &Form, choices: &mut Choices<'_>) -> Form {
    let mut writer = Writer {
        choices,
        is_target: true,
    };
    writer.near(form, 0)
}

struct Writer<'c, 't> {
    choices: &'c mut Choices<'t>,
    /// Whether the form is B's: then all of it has a place in XML and in a class.
    is_target: bool,
}

impl Writer<'_, '_> {
    fn form(&mut self, depth: usize) -> Form {
        let deep = if depth < 3 { 12 } else { 9 };
        match self.choices.below(deep) {
            0..=3 => self.text(),
            4..=6 => self.number(),
            7 => Form::Boolean,
            8 if !self.is_target && self.choices.chance(30) => Form::Mixed,
            8 => self.text(),
            9..=10 => self.list(depth),
            _ => self.group(depth),
        }
    }

    fn text(&mut self) -> Form {
        Form::Text(match self.choices.below(8) {
            0..=2 => Text::Free {
                least: *self.choices.pick(&[0, 0, 1, 3]),
                most: *self
                    .choices
                    .pick(&[None, Some(5), Some(10), Some(80), Some(3)]),
            },
            3 => {
                let count = self.choices.within(1, 4);
                let from = self.choices.below(CODES.len());
                let codes = CODES.iter().cycle().skip(from).take(count);
                Text::Listed(codes.copied().collect())
            }
            4 => Text::Date,
            5 => Text::DateTime,
            6 => Text::Time,
            _ => Text::Pattern(self.choices.pick(&PATTERNS)),
        })
    }

    fn number(&mut self) -> Form {
        let is_whole = self.choices.chance(50);
        let mut number = Number {
            is_whole,
            minimum: None,
            is_above: false,
            maximum: None,
            is_below: false,
            step: None,
            listed: Vec::new(),
            class: None,
        };
        if self.choices.chance(8) {
            number.listed = [1, 2, 40].map(Decimal::from).to_vec();
            return Form::Number(number);
        }
        if self.choices.chance(65) {
            let least =
                *self
                    .choices
                    .pick(&["0", "1", "-100", "-5.5", "1000000", "-4000000000000000"]);
            let least = decimal(least);
            let width = *self
                .choices
                .pick(&["10", "100", "9999.5", "8000000000000000"]);
            let most = least + decimal(width);
            if self.choices.chance(85) {
                number.minimum = Some(least);
                number.is_above = may_exclude(least) && self.choices.chance(25);
            }
            if self.choices.chance(85) && most > Decimal::ZERO {
                number.maximum = Some(most);
                number.is_below = may_exclude(most) && self.choices.chance(25);
            }
        }
        if !is_whole && self.choices.chance(50) {
            let step = *self
                .choices
                .pick(&["0.01", "1", "0.5", "0.25", "0.00000001"]);
            number.step = Some(decimal(step));
        }
        self.class(&mut number);
        Form::Number(number)
    }

    /// The type of .NET for a number.
    fn class(&mut self, number: &mut Number) {
        let is_large = |bound: Option<Decimal>| {
            bound.is_some_and(|bound| bound.abs() > Decimal::from(i32::MAX))
        };
        number.class = match number.is_whole {
            true if is_large(number.minimum) || is_large(number.maximum) => Some("long"),
            true => *self.choices.pick(&[None, Some("long")]),
            false if self.is_target && self.choices.chance(15) => Some("double"),
            false => None,
        };
    }

    fn list(&mut self, depth: usize) -> Form {
        let mut item = self.form(depth + 1);
        // A list of lists has no form in XML.
        while let (true, Form::List { item: inner, .. }) = (self.is_target, &item) {
            item = (**inner).clone();
        }
        Form::List {
            item: Box::new(item),
            has_holes: !self.is_target && self.choices.chance(10),
            least: *self.choices.pick(&[0, 0, 0, 1, 2]),
            most: *self.choices.pick(&[None, None, Some(3), Some(2)]),
        }
    }

    fn group(&mut self, depth: usize) -> Form {
        let count = self.choices.within(1, if depth == 0 { 7 } else { 3 });
        let from = self.choices.below(NAMES.len());
        let names = NAMES.iter().cycle().skip(from).take(count);
        let mut fields = Vec::new();
        for name in names {
            let form = self.form(depth + 1);
            self.add_field(&mut fields, name, form, [55, 15]);
        }
        Form::Group(fields)
    }

    fn add_field(
        &mut self,
        fields: &mut Vec<Field>,
        name: &'static str,
        form: Form,
        [required, nullable]: [usize; 2],
    ) {
        let (is_required, is_nullable) =
            (self.choices.chance(required), self.choices.chance(nullable));
        let has_element = !name.contains(' ');
        if has_element || !self.is_target {
            fields.push(Field {
                name,
                is_required,
                is_nullable,
                form,
            });
        }
    }

    /// A form that differs from another one by little, mostly.
    fn near(&mut self, form: &Form, depth: usize) -> Form {
        if depth > 0 && self.choices.chance(20) {
            return self.form(depth);
        }
        match form {
            Form::Boolean => Form::Boolean,
            Form::Mixed => self.text(),
            Form::Text(text) => Form::Text(self.near_text(text)),
            Form::Number(number) => Form::Number(self.near_number(number)),
            Form::List {
                item, least, most, ..
            } => {
                let mut item = self.near(item, depth + 1);
                while let Form::List { item: inner, .. } = item {
                    item = *inner;
                }
                let (least, most) = (self.near_count(*least), self.near_limit(*most));
                Form::List {
                    item: Box::new(item),
                    has_holes: false,
                    least: most.map_or(least, |most| least.min(most)),
                    most,
                }
            }
            Form::Group(theirs) => {
                let mut fields = Vec::new();
                for field in theirs {
                    if !self.choices.chance(12) {
                        let form = self.near(&field.form, depth + 1);
                        self.add_field(&mut fields, field.name, form, [40, 10]);
                    }
                }
                let is_new = |name: &&&'static str| !theirs.iter().any(|it| it.name == **name);
                let new = NAMES.iter().find(is_new);
                if let (true, Some(name)) = (fields.is_empty() || self.choices.chance(30), new) {
                    let form = self.form(depth + 1);
                    self.add_field(&mut fields, name, form, [40, 10]);
                }
                if fields.is_empty() {
                    self.add_field(&mut fields, "id", Form::Boolean, [0, 0]);
                }
                Form::Group(fields)
            }
        }
    }

    fn near_count(&mut self, count: usize) -> usize {
        match self.choices.below(6) {
            0..=3 => count,
            4 => count + 1,
            _ => count.saturating_sub(1),
        }
    }

    fn near_limit(&mut self, limit: Option<usize>) -> Option<usize> {
        match (limit, self.choices.below(8)) {
            (Some(limit), 0..=3) => Some(limit),
            (Some(limit), 4 | 5) => Some((limit - 1).max(1)),
            (Some(limit), 6) => Some(limit + 1),
            (None, 0) => Some(40),
            _ => None,
        }
    }

    fn near_text(&mut self, text: &Text) -> Text {
        match (text, self.choices.below(8)) {
            (Text::Free { least, most }, 0..=6) => {
                let (least, most) = (self.near_count(*least), self.near_limit(*most));
                Text::Free {
                    least: most.map_or(least, |most| least.min(most)),
                    most,
                }
            }
            (Text::Listed(codes), 0..=2) => Text::Listed(codes.clone()),
            (Text::Listed(codes), 3 | 4) if codes.len() > 1 => {
                Text::Listed(codes.iter().copied().skip(1).collect())
            }
            (Text::Listed(codes), 5) => {
                let new = CODES.iter().find(|code| !codes.contains(code));
                Text::Listed(codes.iter().chain(new).copied().collect())
            }
            (Text::Date, 6) => Text::DateTime,
            (Text::DateTime, 6) => Text::Date,
            (same @ (Text::Date | Text::DateTime | Text::Time | Text::Pattern(_)), 0..=6) => {
                same.clone()
            }
            (Text::Pattern(_), _) => Text::Free {
                least: 4,
                most: Some(4),
            },
            _ => Text::Free {
                least: 0,
                most: None,
            },
        }
    }

    fn near_number(&mut self, number: &Number) -> Number {
        let mut near = number.clone();
        let mut change = |bound: &mut Option<Decimal>, is_excluded: &mut bool| {
            match self.choices.below(8) {
                0 => *bound = bound.map(|bound| bound + Decimal::ONE),
                1 => *bound = bound.map(|bound| bound - Decimal::ONE),
                2 => *is_excluded = bound.is_some_and(may_exclude) && !*is_excluded,
                3 if self.choices.chance(50) => *bound = None,
                _ => {}
            }
            *is_excluded &= bound.is_some();
        };
        change(&mut near.minimum, &mut near.is_above);
        change(&mut near.maximum, &mut near.is_below);
        match self.choices.below(10) {
            0 => near.is_whole = !near.is_whole,
            1 if !near.is_whole => near.step = None,
            2 if !near.is_whole => {
                let step = *self.choices.pick(&["0.01", "0.5", "0.05", "1"]);
                near.step = Some(decimal(step));
            }
            3 if near.is_whole => {
                let step = *self.choices.pick(&["5", "10", "2"]);
                near.step = Some(decimal(step));
            }
            4 if !near.listed.is_empty() => near.listed.truncate(2),
            _ => {}
        }
        if near.is_whole && near.step.is_some_and(|step| !step.fract().is_zero()) {
            near.step = None;
        }
        self.class(&mut near);
        near
    }
}

/// `jsonschema` compares a number that is not whole with a large whole bound as doubles.
fn may_exclude(bound: Decimal) -> bool {
    bound.abs() < decimal("1000000000")
}

/// A decimal from its digits.
pub fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap_or_default()
}
