//! Expressions over the whole language, mostly well-typed for a form.

use crate::{
    choices::Choices,
    form::{Form, Text},
};

/// What an expression is meant to give.
#[derive(Debug, Clone, PartialEq)]
pub enum Sort {
    /// A text.
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    DateTime,
    /// A time of day.
    Time,
    /// A list.
    List(Box<Sort>),
    /// A group of fields.
    Group(Vec<(&'static str, Sort)>),
}

const SCALARS: [Sort; 6] = [
    Sort::Text,
    Sort::Number,
    Sort::Boolean,
    Sort::Date,
    Sort::DateTime,
    Sort::Time,
];

impl Sort {
    /// The sort of what a form holds.
    pub fn of(form: &Form) -> Self {
        match form {
            Form::Text(_) | Form::Mixed => Self::Text,
            Form::Number(_) => Self::Number,
            Form::Boolean => Self::Boolean,
            Form::List { item, .. } => Self::List(Box::new(Self::of(item))),
            Form::Group(fields) => {
                let fields = fields.iter();
                Self::Group(
                    fields
                        .map(|field| (field.name, Self::of(&field.form)))
                        .collect(),
                )
            }
        }
    }
}

/// What a text can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Date,
    DateTime,
    Time,
    Codes,
    Anything,
}

/// A path into A's data.
#[derive(Debug, Clone)]
struct Known<'f> {
    text: String,
    sort: Sort,
    may_be_empty: bool,
    reads: Reads,
    /// A number that is whole and small.
    is_small: bool,
    /// The items of a list, and whether they may be empty.
    item: Option<(&'f Form, bool)>,
}

/// An expression, and the list of the `each` around it, in which an item is called `rad`.
pub struct Written {
    /// The `each`.
    pub binding: Option<String>,
    /// The expression.
    pub expression: String,
}

/// A random expression over a form.
pub fn expression(form: &Form, choices: &mut Choices<'_>) -> Written {
    let mut writer = Writer::new(form, choices);
    let entered = match writer.choices.chance(20) {
        true => writer.enter("rad", |_| true),
        false => None,
    };
    let depth = writer.choices.within(1, 5);
    let sort = writer.sort(depth);
    let expression = writer.of(&sort, depth);
    Written {
        binding: entered.map(|entered| entered.binding),
        expression,
    }
}

/// Writes expressions over a form, which is `data.model`; `data.flere` are several of the kind.
pub struct Writer<'c, 't, 'f> {
    /// Where the choices come from.
    pub choices: &'c mut Choices<'t>,
    known: Vec<Known<'f>>,
    /// The paths of which a condition around says that they are not empty.
    filled: Vec<String>,
    /// The paths that a condition around speaks of: these are preferred.
    focus: Vec<String>,
}

/// An `each` that a [`Writer`] is in.
#[derive(Debug)]
pub struct Entered {
    /// `item in list`, with whatever the list is made of and a condition.
    pub binding: String,
    /// The same items without any filter or condition.
    pub plain: String,
    /// How many paths were known, filled and preferred before.
    before: [usize; 3],
}

/// A field of what `of` gives.
fn field(of: &str, name: &str) -> String {
    if name.contains(' ') {
        format!("{of}['{name}']")
    } else {
        format!("{of}.{name}")
    }
}

impl<'c, 't, 'f> Writer<'c, 't, 'f> {
    /// A writer that knows `form`.
    pub fn new(form: &'f Form, choices: &'c mut Choices<'t>) -> Self {
        let mut writer = Self {
            choices,
            known: Vec::new(),
            filled: Vec::new(),
            focus: Vec::new(),
        };
        writer.know("data.model", form, false);
        writer.known.push(Known {
            text: "instance.dueBefore".to_owned(),
            sort: Sort::Text,
            may_be_empty: true,
            reads: Reads::DateTime,
            is_small: false,
            item: None,
        });
        writer.known.push(Known {
            text: "data.flere".to_owned(),
            sort: Sort::List(Box::new(Sort::of(form))),
            may_be_empty: false,
            reads: Reads::Anything,
            is_small: false,
            item: Some((form, false)),
        });
        writer
    }

    /// An `each` over a list whose items are of a sort that fits, mostly; an item has this name.
    pub fn enter(&mut self, name: &str, fits: impl Fn(&Sort) -> bool) -> Option<Entered> {
        let lists = self.known.iter().filter(|known| known.item.is_some());
        let lists: Vec<Known<'f>> = lists.cloned().collect();
        let fitting = lists.iter().filter(|known| match &known.sort {
            Sort::List(item) => fits(item),
            _ => false,
        });
        let fitting: Vec<Known<'f>> = fitting.cloned().collect();
        let from = if fitting.is_empty() { &lists } else { &fitting };
        if from.is_empty() {
            return None;
        }
        let list = self.choices.pick(from).clone();
        let before = [self.known.len(), self.filled.len(), self.focus.len()];
        let plain = format!("{name} in {}", list.text);
        let binding = self.binding(name, &list);
        Some(Entered {
            binding,
            plain,
            before,
        })
    }

    /// Forgets what is known within an `each`.
    pub fn leave(&mut self, entered: &Entered) {
        let [known, filled, focus] = entered.before;
        self.known.truncate(known);
        self.filled.truncate(filled);
        self.focus.truncate(focus);
    }

    /// A path of a sort, mostly one that ends with this name, as it stands or with something in its place where it may
    /// be empty.
    pub fn copy(&mut self, sort: &Sort, name: &str) -> Option<String> {
        let is_named = |known: &Known<'f>| known.text.ends_with(name);
        let named = self.choices.chance(75);
        let known = self
            .path(|known| known.sort == *sort && (!named || is_named(known)))
            .or_else(|| self.path(|known| known.sort == *sort))?;
        match self.choices.chance(50) {
            true => Some(known.text),
            false => Some(self.used(&known)),
        }
    }

    /// Makes all paths below `path` known.
    fn know(&mut self, path: &str, form: &'f Form, may_be_empty: bool) {
        let reads = match form {
            Form::Text(Text::Date) => Reads::Date,
            Form::Text(Text::DateTime) => Reads::DateTime,
            Form::Text(Text::Time) => Reads::Time,
            Form::Text(Text::Listed(_)) => Reads::Codes,
            _ => Reads::Anything,
        };
        let is_small = match form {
            Form::Number(number) => {
                let is_short = |bound: Option<rust_decimal::Decimal>| {
                    bound.is_some_and(|bound| bound.abs() <= 10_000.into())
                };
                number.is_whole && is_short(number.minimum) && is_short(number.maximum)
            }
            _ => false,
        };
        self.known.push(Known {
            text: path.to_owned(),
            sort: Sort::of(form),
            may_be_empty,
            reads,
            is_small,
            item: match form {
                Form::List {
                    item, has_holes, ..
                } => Some((item, *has_holes)),
                _ => None,
            },
        });
        if let Form::Group(fields) = form {
            for below in fields {
                let may_be_empty = may_be_empty || below.may_be_empty();
                self.know(&field(path, below.name), &below.form, may_be_empty);
            }
        }
    }

    /// The list of an `each`, whose item is known from here on.
    fn binding(&mut self, name: &str, list: &Known<'f>) -> String {
        let mut own = Writer {
            choices: &mut *self.choices,
            known: self.known.clone(),
            filled: self.filled.clone(),
            focus: self.focus.clone(),
        };
        let text = match own.choices.below(6) {
            0..=2 => list.text.clone(),
            3 => format!("{} | default([])", list.text),
            4 => format!("{}[:2]", list.text),
            _ => own.of(&list.sort, 1),
        };
        if let Some((item, has_holes)) = list.item {
            own.know(name, item, has_holes);
        }
        let below = format!("{name}.");
        let condition = own.choices.chance(50).then(|| {
            let about: Vec<Known<'f>> = own
                .known
                .iter()
                .filter(|known| known.text == name || known.text.starts_with(&below))
                .cloned()
                .collect();
            match about.len() {
                0 => own.boolean(1),
                _ => {
                    let about = own.choices.pick(&about).clone();
                    own.condition(&about, 1).0
                }
            }
        });
        self.known = own.known;
        // What the condition says is often used.
        if let Some(condition) = &condition {
            for known in &self.known {
                if known.text.starts_with(&below) && condition.contains(&known.text) {
                    self.focus.push(known.text.clone());
                    if self.choices.chance(50) {
                        self.filled.push(known.text.clone());
                    }
                }
            }
        }
        match condition {
            Some(condition) => format!("{name} in {text} if {condition}"),
            None => format!("{name} in {text}"),
        }
    }

    /// A random sort, mostly a scalar.
    fn sort(&mut self, depth: usize) -> Sort {
        match self.choices.below(16) {
            0..=4 => Sort::Text,
            5..=8 => Sort::Number,
            9 | 10 => Sort::Boolean,
            11 => Sort::Date,
            12 => self.choices.pick(&SCALARS).clone(),
            _ if depth == 0 => Sort::Text,
            13 | 14 => Sort::List(Box::new(self.item_sort(depth))),
            _ => self.group_sort(),
        }
    }

    /// The sort of a list's items, mostly that of a list that A has.
    fn item_sort(&mut self, depth: usize) -> Sort {
        let lists = self.known.iter().filter_map(|known| match &known.sort {
            Sort::List(item) => Some((**item).clone()),
            _ => None,
        });
        let lists: Vec<Sort> = lists.collect();
        if !lists.is_empty() && self.choices.chance(75) {
            return self.choices.pick(&lists).clone();
        }
        match self.choices.below(8) {
            0..=3 => Sort::Text,
            4..=6 => Sort::Number,
            _ => self.sort(depth - 1),
        }
    }

    fn group_sort(&mut self) -> Sort {
        let groups = self
            .known
            .iter()
            .filter(|known| matches!(known.sort, Sort::Group(_)));
        let groups: Vec<Sort> = groups.map(|known| known.sort.clone()).collect();
        if !groups.is_empty() && self.choices.chance(60) {
            return self.choices.pick(&groups).clone();
        }
        Sort::Group(vec![("a", Sort::Text), ("b", Sort::Number)])
    }

    /// An expression of a sort; of another one now and then.
    pub fn of(&mut self, sort: &Sort, depth: usize) -> String {
        if depth == 0 {
            return self.leaf(sort);
        }
        if self.choices.chance(3) {
            let other = self.sort(depth);
            return self.of(&other, depth - 1);
        }
        if self.choices.chance(35) {
            return self.general(sort, depth - 1);
        }
        match sort {
            Sort::Text => self.text(depth - 1),
            Sort::Number => self.number(depth - 1),
            Sort::Boolean => self.boolean(depth - 1),
            Sort::Date => self.date(depth - 1),
            Sort::DateTime => format!("({} | datetime)", self.moment_text(depth - 1)),
            Sort::Time => match self.choices.below(3) {
                0 => format!("({} | time)", self.time_text(depth - 1)),
                1 => format!("({} | norwegian_time)", self.moment(depth - 1)),
                _ => format!(
                    "('{}' | time('HH.mm'))",
                    self.choices.pick(&["07.30", "23.59", "7.30"])
                ),
            },
            Sort::List(item) => self.list(item, depth - 1),
            Sort::Group(fields) => self.group(fields, depth - 1),
        }
    }

    /// The paths of a sort: those of which a condition speaks, if there are any and the choice falls on them.
    fn path(&mut self, fits: impl Fn(&Known<'f>) -> bool) -> Option<Known<'f>> {
        let focused = self.choices.chance(60);
        let of = |focused: bool| {
            let paths = self.known.iter().filter(|known| fits(known));
            let paths = paths.filter(|known| !focused || self.focus.contains(&known.text));
            paths.cloned().collect::<Vec<_>>()
        };
        let mut paths = if focused { of(true) } else { Vec::new() };
        if paths.is_empty() {
            paths = of(false);
        }
        (!paths.is_empty()).then(|| self.choices.pick(&paths).clone())
    }

    /// A path as it can be used, mostly: with something in its place where it may be empty.
    fn used(&mut self, known: &Known<'f>) -> String {
        let is_filled = !known.may_be_empty
            || self.filled.iter().any(|filled| {
                filled == &known.text || filled.starts_with(&format!("{}.", known.text))
            });
        if is_filled || self.choices.chance(14) {
            return known.text.clone();
        }
        let other = match (&known.sort, known.reads) {
            (Sort::Text, Reads::Date) => "'2026-11-01'".to_owned(),
            (Sort::Text, Reads::DateTime) => "'2026-11-01T00:00:00Z'".to_owned(),
            (Sort::Text, Reads::Time) => "'12:30'".to_owned(),
            (sort, _) => self.literal(&sort.clone()),
        };
        let flag = if self.choices.chance(10) {
            ", true"
        } else {
            ""
        };
        format!("({} | default({other}{flag}))", known.text)
    }

    fn leaf(&mut self, sort: &Sort) -> String {
        if self.choices.chance(75)
            && let Some(known) = self.path(|known| known.sort == *sort)
        {
            return self.used(&known);
        }
        self.literal(sort)
    }

    fn literal(&mut self, sort: &Sort) -> String {
        match sort {
            Sort::Text => {
                let text = self.choices.pick(&[
                    "a",
                    "A",
                    "",
                    "Å",
                    "ja",
                    "kode",
                    "12.50",
                    "-3",
                    "2026-11-01",
                    "æ ø",
                    "31.12.2026",
                    ",",
                    "1 234,50",
                    "ß",
                ]);
                format!("'{text}'")
            }
            Sort::Number => {
                let number = self.choices.pick(&[
                    "1",
                    "0",
                    "2",
                    "10",
                    "0.5",
                    "12.50",
                    "-7",
                    "100",
                    "-0.01",
                    "3",
                    "1000000",
                    "99999999999999999999.99",
                ]);
                (*number).to_owned()
            }
            Sort::Boolean => (*self.choices.pick(&["true", "false"])).to_owned(),
            Sort::Date => "('2026-11-01' | date)".to_owned(),
            Sort::DateTime => "('2026-10-31T23:30:00Z' | datetime)".to_owned(),
            Sort::Time => "('12:30' | time)".to_owned(),
            Sort::List(item) => {
                let count = self.choices.below(4);
                let items: Vec<String> = (0..count).map(|_| self.literal(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Sort::Group(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, sort)| format!("'{name}': {}", self.literal(sort)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// What gives any sort.
    fn general(&mut self, sort: &Sort, depth: usize) -> String {
        match self.choices.below(18) {
            0..=3 => self.narrowed(sort, depth),
            4 => {
                let (value, other) = (self.maybe_empty(sort, depth), self.of(sort, depth));
                let filter = *self.choices.pick(&["default", "d"]);
                let flag = *self
                    .choices
                    .pick(&["", "", "", ", true", ", boolean=false"]);
                format!("({value} | {filter}({other}{flag}))")
            }
            5 => {
                let (condition, value, other) = (
                    self.boolean(depth),
                    self.of(sort, depth),
                    self.of(sort, depth),
                );
                format!("({value} if {condition} else {other})")
            }
            6 => format!(
                "({} or {})",
                self.maybe_empty(sort, depth),
                self.of(sort, depth)
            ),
            7 => format!("({} and {})", self.any(depth), self.of(sort, depth)),
            8 => {
                let (a, b) = (self.of(sort, depth), self.of(sort, depth));
                let end = *self.choices.pick(&["first", "last"]);
                format!("([{a}, {b}] | {end})")
            }
            9 => {
                let (code, a, b) = (self.code(depth), self.of(sort, depth), self.of(sort, depth));
                match self.choices.below(3) {
                    0 => format!("({code} | translate({{'A': {a}, 'B': {b}}}, {a}))"),
                    1 => format!("('A' | translate({{'A': {a}, 'B': {b}}}))"),
                    _ => format!(
                        "({code} | translate({{'A': {a}, 'B': {b}, 'Å': {a}, 'ja': {b}, 'nei': {a}}}))"
                    ),
                }
            }
            10 => {
                let (a, b) = (self.of(sort, depth), self.any(depth));
                let name = *self.choices.pick(&["a", "b", "x y"]);
                field(&format!("{{'{name}': {a}, 'c': {b}}}"), name)
            }
            11 => {
                let (a, key) = (self.of(sort, depth), self.code(depth));
                let b = self.of(sort, depth);
                format!("({{'A': {a}, 'B': {b}}}[{key}] | default({a}))")
            }
            12 => {
                let list = self.of(&Sort::List(Box::new(sort.clone())), depth);
                let (index, other) = (self.whole(depth.min(1)), self.of(sort, depth));
                format!("({list}[{index}] | default({other}))")
            }
            13 if matches!(sort, Sort::Text | Sort::Number | Sort::Boolean | Sort::Date) => {
                let (a, b) = (self.of(sort, depth), self.of(sort, depth));
                let end = *self.choices.pick(&["min", "max"]);
                format!("([{a}, {b}] | {end})")
            }
            17 => {
                let group = self.group_sort();
                let code = match &group {
                    Sort::Group(fields) if !fields.is_empty() && self.choices.chance(60) => {
                        format!("'{}'", self.choices.pick(fields).0)
                    }
                    _ => self.code(depth),
                };
                let table = match self.choices.chance(50) {
                    true => self.leaf(&group),
                    false => self.of(&group, depth),
                };
                match self.choices.below(3) {
                    0 => format!("({code} | translate({table}, {}))", self.of(sort, depth)),
                    1 => format!("({code} | translate({table}))"),
                    _ => format!("({table}[({code})] | default({}))", self.of(sort, depth)),
                }
            }
            14 => self.field_of_item(sort).unwrap_or_else(|| self.leaf(sort)),
            15 => self.maybe_empty(sort, depth),
            _ => self.leaf(sort),
        }
    }

    /// The field of an item of a list, or what stands in its place.
    fn field_of_item(&mut self, sort: &Sort) -> Option<String> {
        let (list, name) = self.list_with(|of| of == sort)?;
        let end = match self.choices.below(5) {
            0 => format!("({list} | first)"),
            1 => format!("{list}[0]"),
            2 => format!("{list}[-1]"),
            3 => format!("({list} | last)"),
            _ => format!("{list}[{}]", self.whole(0)),
        };
        let other = self.literal(sort);
        Some(format!("({} | default({other}))", field(&end, name)))
    }

    /// A list of groups with a field of some sort, and the field's name.
    fn list_with(&mut self, fits: impl Fn(&Sort) -> bool) -> Option<(String, &'static str)> {
        let lists: Vec<(Known<'f>, &'static str)> = self
            .known
            .iter()
            .filter_map(|known| match &known.sort {
                Sort::List(item) => match &**item {
                    Sort::Group(fields) => Some((known, fields)),
                    _ => None,
                },
                _ => None,
            })
            .flat_map(|(known, fields)| {
                let fields = fields.iter().filter(|(_, sort)| fits(sort));
                fields.map(|(name, _)| (known.clone(), *name))
            })
            .collect();
        if lists.is_empty() {
            return None;
        }
        let (list, name) = self.choices.pick(&lists).clone();
        // What is empty has no items, and so needs nothing in its place.
        Some((list.text, name))
    }

    /// What may be empty.
    fn maybe_empty(&mut self, sort: &Sort, depth: usize) -> String {
        let path = self.path(|known| known.sort == *sort && known.may_be_empty);
        match (self.choices.below(6), path) {
            (0..=2, Some(known)) => known.text,
            (3, _) => {
                let list = self.of(&Sort::List(Box::new(sort.clone())), depth);
                let end = *self.choices.pick(&["first", "last", "first"]);
                format!("({list} | {end})")
            }
            (4, _) => format!(
                "({} if {} else none)",
                self.of(sort, depth),
                self.boolean(depth)
            ),
            _ => self.of(sort, depth),
        }
    }

    /// A choice whose condition speaks of a path that its branches use.
    fn narrowed(&mut self, sort: &Sort, depth: usize) -> String {
        let prefers_empty = self.choices.chance(70);
        let about = self
            .path(|known| known.may_be_empty == prefers_empty)
            .or_else(|| self.path(|_| true));
        let Some(about) = about else {
            return self.leaf(sort);
        };
        let (condition, fills) = self.condition(&about, depth);
        let before = (self.filled.len(), self.focus.len());
        self.focus.push(about.text.clone());
        let mut branches = [true, false].map(|truth| {
            let is_filled = fills == Some(truth) || self.choices.chance(4);
            if is_filled {
                self.filled.push(about.text.clone());
            }
            let branch = match (is_filled, &about.sort) {
                (true, about_sort) if about_sort == sort && self.choices.chance(50) => {
                    about.text.clone()
                }
                (true, Sort::Text) if self.choices.chance(60) => {
                    self.read(sort, &about, &condition, depth)
                }
                _ => self.of(sort, depth),
            };
            self.filled.truncate(before.0);
            branch
        });
        self.focus.truncate(before.1);
        if self.choices.chance(3) {
            branches.swap(0, 1);
        }
        let [value, otherwise] = branches;
        format!("({value} if {condition} else {otherwise})")
    }

    /// Something that reads a text which a condition speaks of.
    fn read(&mut self, sort: &Sort, about: &Known<'f>, condition: &str, depth: usize) -> String {
        let path = &about.text;
        match sort {
            Sort::Date if condition.contains("datetime") => format!("({path} | norwegian_day)"),
            Sort::Date => format!("({path} | date)"),
            Sort::DateTime => format!("({path} | datetime)"),
            Sort::Time => format!("({path} | time)"),
            Sort::Number if condition.contains("norwegian") => {
                format!("({path} | norwegian_number)")
            }
            Sort::Number if condition.contains("numeric") => {
                let filter = *self.choices.pick(&["number", "float", "int"]);
                format!("({path} | {filter})")
            }
            Sort::Number => format!("({path} | length)"),
            Sort::Text if condition.contains("is date") => {
                format!("({path} | format_date('d. MMMM yyyy'))")
            }
            Sort::Text => format!("({path} ~ {})", self.text(depth.min(1))),
            _ => self.of(sort, depth),
        }
    }

    /// A condition that speaks of a path, and on which branch the path is not empty, as far as that is clear.
    fn condition(&mut self, about: &Known<'f>, depth: usize) -> (String, Option<bool>) {
        let path = about.text.clone();
        let simple = match self.choices.below(18) {
            0 | 1 => (format!("{path} is defined"), Some(true)),
            2 => (format!("{path} is not none"), Some(true)),
            3 => (format!("{path} is none"), Some(false)),
            4 => (path, Some(true)),
            5 => (format!("{path} != none"), Some(true)),
            6 => (format!("none == {path}"), Some(false)),
            7 => (format!("(not {path})"), Some(false)),
            8 => (format!("{path} is undefined"), Some(false)),
            9 => (format!("{path} is empty"), Some(false)),
            10 => {
                let test = *self.choices.pick(&[
                    "text", "number", "boolean", "list", "group", "string", "mapping", "sequence",
                    "iterable", "integer",
                ]);
                (format!("{path} is {test}"), Some(true))
            }
            11 | 12 => {
                let test = *self.choices.pick(&[
                    "date",
                    "numeric",
                    "datetime",
                    "time",
                    "norwegian_number",
                    "organisation_number",
                    "national_identity_number",
                ]);
                (format!("{path} is {test}"), Some(true))
            }
            13 => {
                let value = self.leaf(&about.sort);
                let sign = *self.choices.pick(&["==", "!=", "<", ">=", "in", "not in"]);
                let value = if sign.ends_with("in") {
                    format!("[{value}]")
                } else {
                    value
                };
                (format!("{path} {sign} {value}"), None)
            }
            14 => {
                let value = self.literal(&about.sort);
                let form = self.choices.below(4);
                let condition = match form {
                    0 => format!("{path} == {value}"),
                    1 => format!("{value} == {path}"),
                    2 => format!("{path} in [{value}, {value}]"),
                    _ => format!("{path} is eq({value})"),
                };
                (condition, Some(true))
            }
            15 => {
                let value = self.maybe_empty(&about.sort.clone(), depth.min(1));
                let test = *self.choices.pick(&["eq", "equalto", "sameas", "ne", "in"]);
                let value = if test == "in" {
                    format!("[{value}, none]")
                } else {
                    value
                };
                (format!("{path} is {test}({value})"), None)
            }
            16 => {
                let test = *self.choices.pick(&["true", "false"]);
                (format!("{path} is {test}"), Some(true))
            }
            _ => {
                let text = *self.choices.pick(&["startingwith", "endingwith"]);
                (format!("{path} is {text}('a')"), Some(true))
            }
        };
        let (condition, fills) = simple;
        match self.choices.below(12) {
            0 => (
                format!("({condition} and {})", self.boolean(depth.min(1))),
                fills.filter(|truth| *truth),
            ),
            1 => (
                format!("({} or {condition})", self.boolean(depth.min(1))),
                fills.filter(|truth| !*truth),
            ),
            2 => (format!("(not ({condition}))"), fills.map(|truth| !truth)),
            _ => (format!("({condition})"), fills),
        }
    }

    /// Anything.
    fn any(&mut self, depth: usize) -> String {
        let sort = self.sort(depth);
        self.of(&sort, depth)
    }

    // Texts.

    fn text(&mut self, depth: usize) -> String {
        match self.choices.below(27) {
            0 | 1 => self.leaf(&Sort::Text),
            2..=4 => format!("({} ~ {})", self.textable(depth), self.textable(depth)),
            5 => format!(
                "({} + {})",
                self.of(&Sort::Text, depth),
                self.of(&Sort::Text, depth)
            ),
            6 | 7 => {
                let of = self.of(&Sort::Text, depth);
                format!("{of}{}", self.slice())
            }
            8..=11 => {
                let filter = *self.choices.pick(&[
                    "upper",
                    "lower",
                    "capitalize",
                    "title",
                    "trim",
                    "string",
                ]);
                format!("({} | {filter})", self.of(&Sort::Text, depth))
            }
            12 => format!("({} | string)", self.textable(depth)),
            13 | 14 => {
                let (of, old) = (self.of(&Sort::Text, depth), self.leaf(&Sort::Text));
                let new = self.textable(depth.min(1));
                let old = if self.choices.chance(50) {
                    "'a'".to_owned()
                } else {
                    old
                };
                let new = if self.choices.chance(50) {
                    "'æøå'".to_owned()
                } else {
                    new
                };
                format!("({of} | replace({old}, {new}))")
            }
            15 | 16 => {
                let item = self
                    .choices
                    .pick(&[Sort::Text, Sort::Number, Sort::Date])
                    .clone();
                let list = self.of(&Sort::List(Box::new(item)), depth);
                match self.choices.below(3) {
                    0 => format!("({list} | join(', '))"),
                    1 => format!("({list} | join({}))", self.leaf(&Sort::Text)),
                    _ => format!("({list} | join)"),
                }
            }
            17 => match self.list_with(|sort| matches!(sort, Sort::Text | Sort::Number)) {
                Some((list, name)) => format!("({list} | join(', ', attribute='{name}'))"),
                None => self.leaf(&Sort::Text),
            },
            18 => self.formatted(depth),
            19 | 20 => {
                let filter = *self.choices.pick(&["fixed", "norwegian"]);
                let places = match self.choices.below(4) {
                    0 => String::new(),
                    1 => format!("({})", self.choices.within(0, 28)),
                    2 => "(0)".to_owned(),
                    _ => format!("({})", self.whole(0)),
                };
                format!("({} | {filter}{places})", self.of(&Sort::Number, depth))
            }
            21 | 22 => {
                let pattern = *self.choices.pick(&[
                    "dd.MM.yyyy",
                    "d. MMMM yyyy",
                    "MM/yyyy",
                    "yy-M-d",
                    "'den' d.",
                    "HH:mm",
                    "YYYY",
                ]);
                let of = if pattern.contains("HH") {
                    self.of(&Sort::Time, depth)
                } else {
                    self.day(depth)
                };
                let pattern = pattern.replace('\'', "\\'");
                format!("({of} | format_date('{pattern}'))")
            }
            23 => {
                let list = self.of(&Sort::List(Box::new(Sort::Text)), depth);
                let end = *self.choices.pick(&["first", "last", "min", "max"]);
                format!("({list} | {end} | default({}))", self.leaf(&Sort::Text))
            }
            24 => self.date_text(depth),
            25 => self.of(&Sort::Text, depth),
            _ => self
                .field_of_item(&Sort::Text)
                .unwrap_or_else(|| self.leaf(&Sort::Text)),
        }
    }

    fn slice(&mut self) -> String {
        let (from, to) = (self.choices.below(4), self.choices.within(0, 6));
        match self.choices.below(8) {
            0 | 1 => format!("[:{to}]"),
            2 => format!("[{from}:]"),
            3 => format!("[{from}:{to}]"),
            4 => format!("[-{}:]", from + 1),
            5 => format!("[:-{}]", from + 1),
            6 => format!("[{}:{to}]", self.whole(0)),
            _ => format!("[{from}:{}]", self.whole(1)),
        }
    }

    /// What becomes a text.
    fn textable(&mut self, depth: usize) -> String {
        let sort = match self.choices.below(10) {
            0..=5 => Sort::Text,
            6 | 7 => Sort::Number,
            8 => Sort::Date,
            _ => self.choices.pick(&[Sort::Time, Sort::DateTime]).clone(),
        };
        self.of(&sort, depth)
    }

    fn formatted(&mut self, depth: usize) -> String {
        match self.choices.below(7) {
            0 | 1 => format!("('nr %s' | format({}))", self.textable(depth)),
            2 => format!(
                "('%.2f kr, 100 %%' | format({}))",
                self.of(&Sort::Number, depth)
            ),
            3 => format!("('%05d' | format({}))", self.of(&Sort::Number, depth)),
            4 => format!(
                "('%d av %s' | format({}, {}))",
                self.of(&Sort::Number, depth),
                self.textable(depth)
            ),
            5 => format!(
                "('%f%s' | format({}, second={}))",
                self.of(&Sort::Number, depth),
                self.textable(depth)
            ),
            _ => format!(
                "({} | format({}))",
                self.leaf(&Sort::Text),
                self.textable(depth)
            ),
        }
    }

    /// A text that may be a code.
    fn code(&mut self, depth: usize) -> String {
        let code = self.path(|known| known.reads == Reads::Codes);
        match (self.choices.below(5), code) {
            (0 | 1, Some(code)) => self.used(&code),
            (2, _) => format!("({} | upper)", self.of(&Sort::Text, depth.min(1))),
            (3, _) => self.of(&Sort::Text, depth),
            _ => (*self.choices.pick(&["'A'", "'navn'", "'kode'", "'a'"])).to_owned(),
        }
    }

    // Numbers.

    fn number(&mut self, depth: usize) -> String {
        match self.choices.below(27) {
            0 | 1 => self.leaf(&Sort::Number),
            2..=5 => {
                let (a, b) = (self.of(&Sort::Number, depth), self.of(&Sort::Number, depth));
                let sign = *self.choices.pick(&["+", "-", "*"]);
                format!("({a} {sign} {b})")
            }
            6 | 7 => {
                let (a, b) = (self.small(depth), self.small(depth));
                format!("({a} {} {b})", self.choices.pick(&["*", "+", "-", "*"]))
            }
            8..=10 => {
                let a = self.of(&Sort::Number, depth);
                let sign = *self.choices.pick(&["/", "//", "%"]);
                let b = match self.choices.below(5) {
                    0..=2 => (*self.choices.pick(&[
                        "4",
                        "3",
                        "100",
                        "-7",
                        "0.5",
                        "12",
                        "1000000007",
                        "0.3",
                    ]))
                    .to_owned(),
                    3 => format!("({} or 1)", self.leaf(&Sort::Number)),
                    _ => self.small(depth),
                };
                format!("({a} {sign} {b})")
            }
            11 => format!("-{}", self.of(&Sort::Number, depth)),
            12 => format!("({} | abs)", self.of(&Sort::Number, depth)),
            13..=16 => {
                let of = match self.choices.chance(40) {
                    true => format!(
                        "({} / {})",
                        self.of(&Sort::Number, depth),
                        self.choices.pick(&["3", "7", "0.3", "-11"])
                    ),
                    false => self.of(&Sort::Number, depth),
                };
                let arguments = match self.choices.below(12) {
                    0 | 1 => String::new(),
                    2 | 3 => "(2)".to_owned(),
                    4 => "('even')".to_owned(),
                    5 => "(1, 'floor')".to_owned(),
                    6 => "(2, method='ceil')".to_owned(),
                    7 => format!("(-{})", self.choices.within(1, 5)),
                    8 => format!("(-{}, 'ceil')", self.choices.within(1, 31)),
                    9 => format!("({})", self.whole(depth.min(1))),
                    10 => format!("({}, 'common')", self.choices.within(0, 30)),
                    _ => format!("(0, {})", self.leaf(&Sort::Text)),
                };
                format!("({of} | round{arguments})")
            }
            17 => {
                let of = match self.choices.below(3) {
                    0 => self.of(&Sort::Number, depth),
                    1 => format!("'{}'", self.choices.pick(&["12.50", "-7", "1e3", " 007 "])),
                    _ => self.of(&Sort::Text, depth),
                };
                format!(
                    "({of} | {})",
                    self.choices.pick(&["int", "number", "float"])
                )
            }
            18 => {
                let of = match self.choices.below(2) {
                    0 => format!(
                        "'{}'",
                        self.choices.pick(&["1 234,50", "-12,5", "1.234,5", "12.5"])
                    ),
                    _ => self.of(&Sort::Text, depth),
                };
                format!("({of} | norwegian_number)")
            }
            19 => format!(
                "({} | {}({}))",
                self.day(depth),
                self.choices.pick(&["days_to", "years_to"]),
                self.day(depth)
            ),
            20 => format!(
                "({} | {})",
                self.day(depth),
                self.choices.pick(&["year", "month", "day"])
            ),
            21 => self.count(depth),
            22 => match self.list_with(|sort| *sort == Sort::Number) {
                Some((list, name)) => format!("({list} | sum(attribute='{name}'))"),
                None => self.count(depth),
            },
            23 => format!(
                "({} | sum)",
                self.of(&Sort::List(Box::new(Sort::Number)), depth)
            ),
            24 => {
                let list = self.of(&Sort::List(Box::new(Sort::Number)), depth);
                format!(
                    "({list} | {} | default(0))",
                    self.choices.pick(&["min", "max", "first"])
                )
            }
            25 => self
                .field_of_item(&Sort::Number)
                .unwrap_or_else(|| self.leaf(&Sort::Number)),
            _ => self.small(depth),
        }
    }

    fn count(&mut self, depth: usize) -> String {
        let filter = *self.choices.pick(&["length", "count"]);
        let of = match self.choices.below(4) {
            0 | 1 => {
                let item = self.item_sort(depth.max(1));
                self.of(&Sort::List(Box::new(item)), depth)
            }
            2 => self.of(&Sort::Text, depth),
            _ => {
                let group = self.group_sort();
                self.maybe_empty(&group, depth)
            }
        };
        format!("({of} | {filter})")
    }

    /// A number with few digits.
    fn small(&mut self, depth: usize) -> String {
        let small = self.path(|known| known.is_small);
        match (self.choices.below(6), small) {
            (0..=2, Some(known)) => self.used(&known),
            (3, _) => format!("({} % 97)", self.of(&Sort::Number, depth)),
            (4, _) => self.count(depth),
            _ => (*self
                .choices
                .pick(&["2", "1", "0", "12", "-3", "0.25", "2.50"]))
            .to_owned(),
        }
    }

    /// A whole number, mostly a small one.
    fn whole(&mut self, depth: usize) -> String {
        let small = self.path(|known| known.is_small);
        match (self.choices.below(10), small) {
            (0..=4, _) => (*self
                .choices
                .pick(&["0", "1", "2", "-1", "-2", "5", "1000000"]))
            .to_owned(),
            (5, Some(known)) => self.used(&known),
            (6, _) if depth > 0 => self.count(depth - 1),
            (7, _) if depth > 0 => format!(
                "({} | {})",
                self.of(&Sort::Number, depth - 1),
                self.choices.pick(&["int", "round"])
            ),
            (8, _) if depth > 0 => self.of(&Sort::Number, depth - 1),
            _ => "3".to_owned(),
        }
    }

    // Dates.

    /// A date, or a text that is one.
    fn day(&mut self, depth: usize) -> String {
        if self.choices.chance(50) {
            self.of(&Sort::Date, depth)
        } else {
            self.date_text(depth)
        }
    }

    fn date_text(&mut self, depth: usize) -> String {
        let known = self.path(|known| known.reads == Reads::Date);
        match (self.choices.below(5), known) {
            (0..=2, Some(known)) => self.used(&known),
            (3, _) if depth > 0 => self.of(&Sort::Text, depth - 1),
            _ => format!(
                "'{}'",
                self.choices
                    .pick(&["2026-11-01", "2024-02-29", "1999-12-31", "2026-02-30"])
            ),
        }
    }

    fn time_text(&mut self, depth: usize) -> String {
        let known = self.path(|known| known.reads == Reads::Time);
        match (self.choices.below(4), known) {
            (0 | 1, Some(known)) => self.used(&known),
            (2, _) if depth > 0 => self.of(&Sort::Text, depth - 1),
            _ => format!("'{}'", self.choices.pick(&["12:30", "07:00:00.5", "24:00"])),
        }
    }

    fn moment_text(&mut self, depth: usize) -> String {
        let known = self.path(|known| known.reads == Reads::DateTime);
        match (self.choices.below(4), known) {
            (0, Some(known)) => self.used(&known),
            (1, Some(known)) => format!(
                "({0} if {0} is datetime else '2026-11-01T00:00:00Z')",
                known.text
            ),
            (2, _) if depth > 0 => self.of(&Sort::Text, depth - 1),
            _ => "'2026-10-31T23:30:00Z'".to_owned(),
        }
    }

    /// A moment, or a text that is one.
    fn moment(&mut self, depth: usize) -> String {
        if self.choices.chance(50) {
            self.of(&Sort::DateTime, depth)
        } else {
            self.moment_text(depth)
        }
    }

    fn date(&mut self, depth: usize) -> String {
        match self.choices.below(10) {
            0..=2 => format!("({} | date)", self.date_text(depth)),
            3..=6 => {
                let filter = *self.choices.pick(&["add_days", "add_months", "add_years"]);
                let of = self.day(depth);
                let count = match self.choices.below(8) {
                    0 => self.whole(depth.min(1)),
                    1 => (*self.choices.pick(&["200", "-200", "5000", "-10000"])).to_owned(),
                    _ => (*self.choices.pick(&["1", "-1", "30", "18"])).to_owned(),
                };
                format!("({of} | {filter}({count}))")
            }
            7 => format!("({} | norwegian_day)", self.moment(depth)),
            8 => {
                let (text, arguments) = *self.choices.pick(&[
                    ("31.12.2026", "'dd.MM.yyyy'"),
                    ("1. mai 2026", "'d. MMMM yyyy'"),
                    ("31.12.26", "'dd.MM.yy', 1930"),
                    ("31.12.26", "'dd.MM.yy', years_from=2000"),
                    ("31.12.26", "'dd.MM.yy'"),
                    ("1.1.2026", "'dd.MM.yyyy'"),
                    ("12:30", "'HH:mm'"),
                ]);
                format!("('{text}' | date({arguments}))")
            }
            _ => format!("({} | date('dd.MM.yyyy'))", self.of(&Sort::Text, depth)),
        }
    }

    // True and false.

    fn boolean(&mut self, depth: usize) -> String {
        match self.choices.below(20) {
            0 => self.leaf(&Sort::Boolean),
            1 | 2 => {
                let about = self.path(|_| true);
                match about {
                    Some(about) => self.condition(&about, depth).0,
                    None => self.leaf(&Sort::Boolean),
                }
            }
            3 => format!("(not {})", self.any(depth)),
            4 => format!(
                "({} and {})",
                self.boolean_below(depth),
                self.boolean_below(depth)
            ),
            5 => format!(
                "({} or {})",
                self.boolean_below(depth),
                self.boolean_below(depth)
            ),
            6..=8 => {
                let sort = self.sort(depth);
                let (a, b) = (self.maybe_empty(&sort, depth), self.of(&sort, depth));
                format!("({a} {} {b})", self.choices.pick(&["==", "!="]))
            }
            9..=11 => {
                let sort = self.choices.pick(&SCALARS).clone();
                let (a, b) = (self.of(&sort, depth), self.of(&sort, depth));
                let b = match sort {
                    Sort::Date if self.choices.chance(40) => self.date_text(depth),
                    Sort::Time if self.choices.chance(40) => self.time_text(depth),
                    Sort::DateTime if self.choices.chance(40) => self.moment_text(depth),
                    _ => b,
                };
                let sign = *self.choices.pick(&["<", "<=", ">", ">="]);
                if self.choices.chance(10) {
                    return format!("({a} {sign} {b} {sign} {a})");
                }
                format!("({a} {sign} {b})")
            }
            12 | 13 => {
                let sort = self.sort(depth);
                let sign = *self.choices.pick(&["in", "not in"]);
                let (part, whole) = match self.choices.below(4) {
                    0 => (self.of(&Sort::Text, depth), self.of(&Sort::Text, depth)),
                    1 => {
                        let group = self.group_sort();
                        (self.of(&Sort::Text, depth), self.maybe_empty(&group, depth))
                    }
                    _ => {
                        let list = Sort::List(Box::new(sort.clone()));
                        (
                            self.maybe_empty(&sort, depth),
                            self.maybe_empty(&list, depth),
                        )
                    }
                };
                format!("({part} {sign} {whole})")
            }
            14 => {
                let sort = self.choices.pick(&SCALARS).clone();
                let test = *self
                    .choices
                    .pick(&["lt", "le", "gt", "ge", "lessthan", "greaterthan"]);
                format!(
                    "({} is {test}({}))",
                    self.of(&sort, depth),
                    self.of(&sort, depth)
                )
            }
            15 => {
                let sort = self.sort(depth);
                let test = *self.choices.pick(&["eq", "ne", "equalto", "sameas"]);
                format!(
                    "({} is not {test}({}))",
                    self.maybe_empty(&sort, depth),
                    self.of(&sort, depth)
                )
            }
            16 => {
                let sort = self.sort(depth);
                let whole = match self.choices.below(3) {
                    0 => self.any(depth),
                    _ => self.maybe_empty(&Sort::List(Box::new(sort.clone())), depth),
                };
                format!("({} is in({whole}))", self.maybe_empty(&sort, depth))
            }
            17 => match self.choices.below(3) {
                0 => format!(
                    "({} is {})",
                    self.whole(depth),
                    self.choices.pick(&["even", "odd"])
                ),
                1 => format!(
                    "({} is divisibleby({}))",
                    self.whole(depth),
                    self.choices.pick(&["3", "7", "0", "0.5"])
                ),
                _ => format!(
                    "({} is divisibleby({}))",
                    self.whole(depth),
                    self.of(&Sort::Number, depth)
                ),
            },
            18 => {
                let test = *self.choices.pick(&["startingwith", "endingwith"]);
                let of = self.maybe_empty(&Sort::Text, depth);
                format!("({of} is {test}({}))", self.of(&Sort::Text, depth))
            }
            _ => {
                let test = *self.choices.pick(&[
                    "boolean",
                    "date",
                    "datetime",
                    "defined",
                    "empty",
                    "false",
                    "group",
                    "integer",
                    "iterable",
                    "list",
                    "mapping",
                    "national_identity_number",
                    "none",
                    "norwegian_number",
                    "number",
                    "numeric",
                    "organisation_number",
                    "sequence",
                    "string",
                    "text",
                    "time",
                    "true",
                    "undefined",
                ]);
                let not = if self.choices.chance(30) { "not " } else { "" };
                format!("({} is {not}{test})", self.any(depth))
            }
        }
    }

    fn boolean_below(&mut self, depth: usize) -> String {
        self.of(&Sort::Boolean, depth)
    }

    // Lists and groups.

    fn list(&mut self, item: &Sort, depth: usize) -> String {
        let sort = Sort::List(Box::new(item.clone()));
        match self.choices.below(17) {
            0 | 1 => self.leaf(&sort),
            2 | 3 => {
                let count = self.choices.within(0, 3);
                let items: Vec<String> = (0..count)
                    .map(|_| match self.choices.chance(15) {
                        true => self.maybe_empty(item, depth),
                        false => self.of(item, depth),
                    })
                    .collect();
                format!("[{}]", items.join(", "))
            }
            4 | 5 => match self.list_with(|of| of == item) {
                Some((list, name)) => match self.choices.below(3) {
                    0 | 1 => format!("({list} | map(attribute='{name}'))"),
                    _ => format!(
                        "({list} | map(attribute='{name}', default={}))",
                        self.literal(item)
                    ),
                },
                None => self.leaf(&sort),
            },
            6 if self.choices.chance(70) => self.mapped(item, depth),
            6 | 7 => {
                let list = self.of(&sort, depth);
                let filter = *self.choices.pick(&["reverse", "list", "unique", "sort"]);
                format!("({list} | {filter})")
            }
            8 => {
                let list = self.of(&sort, depth);
                format!("{list}{}", self.slice())
            }
            9 => format!("({} + {})", self.of(&sort, depth), self.of(&sort, depth)),
            10 | 11 => {
                let list = self.of(&sort, depth);
                let filter = *self.choices.pick(&["select", "reject"]);
                let test = self.test_of_item(item, depth);
                format!("({list} | {filter}({test}))")
            }
            12 => {
                let list = self.of(&sort, depth);
                let filter =
                    *self
                        .choices
                        .pick(&["sort", "sort(true)", "sort(reverse=true)", "unique"]);
                format!("({list} | {filter})")
            }
            13..=15 => match item {
                Sort::Group(fields) if !fields.is_empty() => {
                    let list = self.of(&sort, depth);
                    let (name, of) = self.choices.pick(fields).clone();
                    match self.choices.below(6) {
                        0 => format!(
                            "({list} | where('{name}', {}))",
                            self.maybe_empty(&of, depth)
                        ),
                        1 => format!("({list} | where('{name}'))"),
                        2 => format!(
                            "({list} | {}('{name}'))",
                            self.choices.pick(&["selectattr", "rejectattr"])
                        ),
                        3 => {
                            let filter = *self.choices.pick(&["selectattr", "rejectattr"]);
                            let test = self.test_of_item(&of, depth);
                            format!("({list} | {filter}('{name}', {test}))")
                        }
                        4 => format!("({list} | sort(attribute='{name}'))"),
                        _ => format!("({list} | unique(attribute='{name}'))"),
                    }
                }
                _ => self.leaf(&sort),
            },
            _ => format!("({} | default([]))", self.maybe_empty(&sort, depth)),
        }
    }

    /// A list of what a filter makes of each item of another list.
    fn mapped(&mut self, item: &Sort, depth: usize) -> String {
        let of_texts = Sort::List(Box::new(Sort::Text));
        let of_numbers = Sort::List(Box::new(Sort::Number));
        match item {
            Sort::Text => match self.choices.below(9) {
                0 => {
                    let separator = *self.choices.pick(&["','", "", "' '", "'a'"]);
                    format!("({} | split({separator}))", self.of(&Sort::Text, depth))
                }
                1 => format!("({} | lines)", self.of(&Sort::Text, depth)),
                2 | 3 => {
                    let filter = *self.choices.pick(&[
                        "'upper'",
                        "'trim'",
                        "'string'",
                        "'title'",
                        "'default', 'x'",
                        "'replace', 'a', 'aa'",
                        "'translate', {'A': 'a', 'B': 'b'}, 'c'",
                    ]);
                    format!("({} | map({filter}))", self.of(&of_texts, depth))
                }
                4 => {
                    let filter = *self
                        .choices
                        .pick(&["'fixed', 1", "'norwegian'", "'string'"]);
                    format!("({} | map({filter}))", self.of(&of_numbers, depth))
                }
                5 => {
                    let lists = Sort::List(Box::new(of_texts));
                    let filter = *self.choices.pick(&["'join', ', '", "'first'", "'last'"]);
                    format!("({} | map({filter}))", self.of(&lists, depth))
                }
                6 => {
                    let dates = Sort::List(Box::new(Sort::Date));
                    let of = self.of(&dates, depth);
                    format!("({of} | map('format_date', 'dd.MM.yyyy'))")
                }
                _ => format!("({} | map('trim'))", self.of(&of_texts, depth)),
            },
            Sort::Number => match self.choices.below(5) {
                0 => format!("({} | map('length'))", self.of(&of_texts, depth)),
                1 | 2 => {
                    let filter =
                        *self
                            .choices
                            .pick(&["'abs'", "'round', -2", "'int'", "'default', 0"]);
                    format!("({} | map({filter}))", self.of(&of_numbers, depth))
                }
                3 => format!("({} | map('number'))", self.of(&of_texts, depth)),
                _ => {
                    let lists = Sort::List(Box::new(of_numbers));
                    let filter = *self.choices.pick(&["sum", "length", "first"]);
                    format!("({} | map('{filter}'))", self.of(&lists, depth))
                }
            },
            Sort::Date => format!("({} | map('date'))", self.of(&of_texts, depth)),
            Sort::List(_) => {
                let lists = Sort::List(Box::new(item.clone()));
                let filter = *self.choices.pick(&["list", "reverse"]);
                format!("({} | map('{filter}'))", self.of(&lists, depth))
            }
            _ => {
                let other = self.of(item, depth);
                let list = Sort::List(Box::new(item.clone()));
                format!("({} | map('default', {other}))", self.of(&list, depth))
            }
        }
    }

    /// A test of an item, and its argument.
    fn test_of_item(&mut self, item: &Sort, depth: usize) -> String {
        match self.choices.below(8) {
            0 => "'defined'".to_owned(),
            1 => "'none'".to_owned(),
            2 => format!(
                "'{}', {}",
                self.choices.pick(&["eq", "ne", "==", "!="]),
                self.maybe_empty(item, depth)
            ),
            3 => format!(
                "'{}', {}",
                self.choices.pick(&["gt", "<=", "ge", "lessthan"]),
                self.of(item, depth)
            ),
            4 => format!(
                "'in', {}",
                self.of(&Sort::List(Box::new(item.clone())), depth)
            ),
            5 => format!(
                "'{}'",
                self.choices
                    .pick(&["number", "text", "date", "numeric", "true"])
            ),
            6 => format!("'startingwith', {}", self.of(&Sort::Text, depth)),
            _ => format!("'{}'", self.choices.pick(&["even", "empty", "group"])),
        }
    }

    fn group(&mut self, fields: &[(&'static str, Sort)], depth: usize) -> String {
        let sort = Sort::Group(fields.to_vec());
        match self.choices.below(7) {
            0 | 1 => self.leaf(&sort),
            2 | 3 => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, sort)| match self.choices.chance(30) {
                        true => format!("'{name}': {}", self.maybe_empty(sort, depth)),
                        false => format!("'{name}': {}", self.of(sort, depth)),
                    })
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            4 => {
                let list = self.of(&Sort::List(Box::new(sort.clone())), depth);
                format!("({list} | first | default({}))", self.leaf(&sort))
            }
            5 => {
                let list = self.of(&Sort::List(Box::new(sort.clone())), depth);
                match fields {
                    [] => self.leaf(&sort),
                    _ => {
                        let (name, _) = self.choices.pick(fields).clone();
                        let end = *self.choices.pick(&["min", "max"]);
                        format!(
                            "({list} | {end}(attribute='{name}') | default({}))",
                            self.leaf(&sort)
                        )
                    }
                }
            }
            _ => self.leaf(&sort),
        }
    }
}
