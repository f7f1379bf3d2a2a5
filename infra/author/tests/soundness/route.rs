//! Random routes from one form into another.

use generators::{
    Choices,
    expression::{Entered, Sort, Writer},
    form::{Field, Form, Number, Text},
    instance::{self, Extent},
};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

/// The names of the items of the `each`es, the outermost first.
const ITEMS: [&str; 3] = ["rad", "post", "ledd"];

/// A group of the route's `model:`, by field.
pub(crate) type Group = Vec<(&'static str, Node)>;

/// One field of the route's `model:`.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(Tries),
    Group {
        fields: Group,
        /// What stands in its place if it does not fit.
        constant: Option<String>,
    },
    Each {
        binding: Tries,
        fields: Group,
    },
}

/// Expressions for one field, of which the first that `check` says nothing of is taken.
#[derive(Debug, Clone)]
pub(crate) struct Tries {
    pub(crate) expressions: Vec<String>,
    /// Whether the last expression reads nothing of A.
    has_constant: bool,
}

impl Tries {
    fn now(&self) -> &str {
        self.expressions.first().map_or("none", String::as_str)
    }

    /// Whether what stands there now is of A.
    fn is_of_a(&self) -> bool {
        self.expressions.len() > usize::from(self.has_constant)
    }
}

/// A random route's `model:` from the form `a` into `b`.
pub(crate) fn model(a: &Form, b: &Form, choices: &mut Choices<'_>) -> Group {
    let mut route = Route {
        writer: Writer::new(a, choices),
        depth: 0,
    };
    match b {
        Form::Group(fields) => route.group(fields),
        _ => Vec::new(),
    }
}

struct Route<'c, 't, 'f> {
    writer: Writer<'c, 't, 'f>,
    /// How many `each`es are around.
    depth: usize,
}

impl Route<'_, '_, '_> {
    fn group(&mut self, fields: &[Field]) -> Group {
        let mut group = Vec::new();
        for field in fields {
            if field.is_required || !self.writer.choices.chance(15) {
                group.push((field.name, self.node(field)));
            }
        }
        group
    }

    fn node(&mut self, field: &Field) -> Node {
        match &field.form {
            Form::Group(fields) if self.writer.choices.chance(70) => Node::Group {
                fields: self.group(fields),
                constant: field.is_required.then(|| self.constant(&field.form)),
            },
            Form::List { item, .. } if self.writer.choices.chance(70) => {
                let Form::Group(fields) = &**item else {
                    return self.leaf(field);
                };
                let name = ITEMS.get(self.depth);
                let sort = Sort::of(item);
                let fits =
                    |given: &Sort| matches!((given, &sort), (Sort::Group(_), Sort::Group(_)));
                let entered = name.and_then(|name| self.writer.enter(name, fits));
                let Some(entered) = entered else {
                    return self.leaf(field);
                };
                self.each(field, fields, &entered)
            }
            _ => self.leaf(field),
        }
    }

    fn each(&mut self, field: &Field, fields: &[Field], entered: &Entered) -> Node {
        self.depth += 1;
        let fields = self.group(fields);
        self.depth -= 1;
        self.writer.leave(entered);
        let mut expressions = vec![entered.binding.clone(), entered.plain.clone()];
        if let Form::List {
            most: Some(most), ..
        } = &field.form
        {
            expressions.push(format!("{}[:{most}]", entered.plain));
        }
        let constant = field.is_required.then(|| self.constant(&field.form));
        let has_constant = constant.is_some();
        expressions.extend(constant);
        Node::Each {
            binding: Tries {
                expressions,
                has_constant,
            },
            fields,
        }
    }

    fn leaf(&mut self, field: &Field) -> Node {
        let mut expressions = vec![self.expression(field), self.expression(field)];
        if let Some(copy) = self.writer.copy(&Sort::of(&field.form), field.name) {
            expressions.push(self.fitted(copy, &field.form));
        }
        let has_constant = field.is_required || self.writer.choices.chance(20);
        if has_constant {
            expressions.push(self.constant(&field.form));
        }
        Node::Leaf(Tries {
            expressions,
            has_constant,
        })
    }

    fn expression(&mut self, field: &Field) -> String {
        let sort = self.sort(&field.form);
        let copied = match self.writer.choices.below(10) {
            0..=4 => self.writer.copy(&Sort::of(&field.form), field.name),
            _ => None,
        };
        let expression = copied.unwrap_or_else(|| {
            let depth = self.writer.choices.within(1, 4);
            self.writer.of(&sort, depth)
        });
        match self.writer.choices.chance(55) {
            true => self.fitted(expression, &field.form),
            false => expression,
        }
    }

    /// A sort of which a value may fit.
    fn sort(&mut self, form: &Form) -> Sort {
        let other = match form {
            Form::Text(Text::Date) => Sort::Date,
            Form::Text(Text::DateTime) => Sort::DateTime,
            Form::Text(Text::Time) => Sort::Time,
            form => return Sort::of(form),
        };
        match self.writer.choices.chance(50) {
            true => other,
            false => Sort::Text,
        }
    }

    /// The expression, made to fit what a field of B takes; mostly.
    fn fitted(&mut self, expression: String, form: &Form) -> String {
        let choices = &mut *self.writer.choices;
        match form {
            Form::Text(Text::Free { least, most }) => {
                let short = match most {
                    Some(most) => format!("({expression})[:{most}]"),
                    None => expression,
                };
                match least {
                    0 => short,
                    _ if choices.chance(50) => format!("({short}) or {}", self.constant(form)),
                    least => format!("(({short}) ~ '{}')", "x".repeat(*least)),
                }
            }
            Form::Text(Text::Listed(codes)) => {
                let code = quoted(codes.first().copied().unwrap_or_default());
                let all: Vec<String> = codes.iter().map(|code| quoted(code)).collect();
                let all = all.join(", ");
                match choices.below(3) {
                    0 => format!("({expression} if {expression} in [{all}] else {code})"),
                    1 => {
                        let table: Vec<String> = codes
                            .iter()
                            .map(|code| format!("{0}: {0}", quoted(code)))
                            .collect();
                        format!(
                            "({expression} | translate({{{}}}, {code}))",
                            table.join(", ")
                        )
                    }
                    _ => format!("{code} if {expression} is defined else none"),
                }
            }
            Form::Text(Text::Date) => format!(
                "({expression} | string) if ({expression} | string) is date else '2026-11-01'"
            ),
            Form::Text(Text::Pattern(pattern)) => {
                let text = quoted(&(pattern.make)(choices));
                format!("({expression}) or {text}")
            }
            Form::Number(number) => fitted_number(expression, number, choices),
            Form::List {
                most: Some(most), ..
            } => format!("({expression})[:{most}]"),
            _ => expression,
        }
    }

    /// A value that the form allows.
    fn constant(&mut self, form: &Form) -> String {
        let value = instance::instance(form, Extent::Any, self.writer.choices);
        literal(&value)
    }
}

fn fitted_number(expression: String, number: &Number, choices: &mut Choices<'_>) -> String {
    if !number.listed.is_empty() {
        let listed: Vec<String> = number.listed.iter().map(Decimal::to_string).collect();
        return format!(
            "({expression} if {expression} in [{}] else 1)",
            listed.join(", ")
        );
    }
    let mut fitted = expression;
    let step = number
        .step
        .or_else(|| number.is_whole.then_some(Decimal::ONE));
    if let Some(step) = step {
        let places = step.normalize().scale();
        fitted = match (choices.below(3), places) {
            (0, 0) => format!("({fitted} | round)"),
            (1, 0) => format!("({fitted} | int)"),
            _ => format!("({fitted} | round({places}))"),
        };
    }
    if let Some(least) = number.minimum {
        fitted = format!("([{fitted}, {least}] | max)");
    }
    if let Some(most) = number.maximum {
        fitted = format!("([{fitted}, {most}] | min)");
    }
    fitted
}

/// A text as an expression writes it.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("'{escaped}'")
}

/// A value as an expression writes it.
fn literal(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => {
            let text = number.to_string();
            let decimal =
                Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
            decimal.map_or(text, |decimal| decimal.to_string())
        }
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields =
                fields.map(|(name, value)| format!("{}: {}", quoted(name), literal(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The group as the route file has it.
pub(crate) fn written(group: &Group) -> Map<String, Json> {
    let mut fields = Map::new();
    for (name, node) in group {
        let value = match node {
            Node::Leaf(tries) => tries.now().into(),
            Node::Group { fields, .. } => written(fields).into(),
            Node::Each { binding, fields } => {
                let mut each = Map::from_iter([("$each".to_owned(), binding.now().into())]);
                each.extend(written(fields));
                each.into()
            }
        };
        fields.insert((*name).to_owned(), value);
    }
    fields
}

/// Removes groups without a field, which no route has.
pub(crate) fn without_empty(group: &mut Group) {
    group.retain_mut(|(_, node)| match node {
        Node::Leaf(_) => true,
        Node::Each { binding, fields } => {
            without_empty(fields);
            let constant = binding.expressions.last().cloned();
            match constant.filter(|_| fields.is_empty() && binding.has_constant) {
                Some(constant) => {
                    *node = Node::constant(constant);
                    true
                }
                None => !fields.is_empty(),
            }
        }
        Node::Group { fields, constant } => {
            without_empty(fields);
            match constant.take_if(|_| fields.is_empty()) {
                Some(constant) => {
                    *node = Node::constant(constant);
                    true
                }
                None => !fields.is_empty(),
            }
        }
    });
}

impl Node {
    fn constant(expression: String) -> Self {
        Self::Leaf(Tries {
            expressions: vec![expression],
            has_constant: true,
        })
    }

    /// A field with this expression.
    pub(crate) fn field(expression: &str) -> Self {
        Self::Leaf(Tries {
            expressions: vec![expression.to_owned()],
            has_constant: false,
        })
    }
}

/// Takes the next expression of a field of which `check` has found something, or leaves it out. Returns whether there is
/// such a field.
pub(crate) fn mend(group: &mut Group, field: &str) -> bool {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    let Some(index) = group.iter().position(|(known, _)| *known == name) else {
        return false;
    };
    let is_left = match &mut group[index].1 {
        Node::Leaf(tries) => {
            tries.expressions.remove(0);
            !tries.expressions.is_empty()
        }
        Node::Group { fields, constant } => {
            if !rest.is_empty() && mend(fields, rest) {
                true
            } else if let Some(constant) = constant.take() {
                group[index].1 = Node::constant(constant);
                true
            } else {
                false
            }
        }
        Node::Each { binding, fields } => {
            if !rest.is_empty() && rest != "$each" && mend(fields, rest) {
                true
            } else {
                binding.expressions.remove(0);
                let is_constant = !binding.is_of_a() && binding.has_constant;
                let constant = binding.expressions.last().filter(|_| is_constant).cloned();
                if let Some(constant) = constant {
                    group[index].1 = Node::constant(constant);
                    true
                } else {
                    !binding.expressions.is_empty()
                }
            }
        }
    };
    if !is_left {
        group.remove(index);
    }
    true
}

/// The expression of a field.
pub(crate) fn expression<'g>(group: &'g Group, field: &str) -> Option<&'g str> {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    let (_, node) = group.iter().find(|(known, _)| *known == name)?;
    match node {
        Node::Leaf(tries) => rest.is_empty().then(|| tries.now()),
        Node::Group { fields, .. } | Node::Each { fields, .. } => expression(fields, rest),
    }
}

/// Sets the expression of a field, where there is such a field.
pub(crate) fn set(group: &mut Group, field: &str, expression: &str) -> bool {
    let (name, rest) = field.split_once('.').unwrap_or((field, ""));
    let known = group.iter_mut().find(|(known, _)| *known == name);
    match known.map(|(_, node)| node) {
        Some(node @ Node::Leaf(_)) if rest.is_empty() => {
            *node = Node::field(expression);
            true
        }
        Some(Node::Group { fields, .. } | Node::Each { fields, .. }) => {
            set(fields, rest, expression)
        }
        Some(Node::Leaf(_)) | None => false,
    }
}

/// How many expressions read A, and what they are.
pub(crate) fn of_a<'g>(group: &'g Group, found: &mut Vec<&'g str>) {
    for (_, node) in group {
        match node {
            Node::Leaf(tries) if tries.is_of_a() => found.push(tries.now()),
            Node::Leaf(_) => {}
            Node::Group { fields, .. } => of_a(fields, found),
            Node::Each { binding, fields } => {
                found.push(binding.now());
                of_a(fields, found);
            }
        }
    }
}
