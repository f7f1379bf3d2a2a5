//! What the JSON schema of a form says about each of its fields.
//!
//! A schema is read as the shape of a form: through `$ref` within the document, `allOf`, `anyOf` and
//! `oneOf`. Nothing is ever fetched, and reading ends for schemas that are huge or refer to themselves.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use serde_json::Value;

use super::limits::Limits;
use crate::{class::root, number};

/// The most subschemas that are combined for one field.
const MAX_PARTS: usize = 2_000;
/// The most levels of alternatives.
const MAX_DEPTH: usize = 8;

/// What a value can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// A group of fields.
    Group,
}

impl Kind {
    /// The kind as a message names it: `a text`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Group => "a group of fields",
        }
    }

    /// The kind of a value; `None` for `null`.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) => {
                let whole = number::whole(number).is_some();
                if whole { Self::Integer } else { Self::Number }
            }
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Group,
        })
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::Text,
            "number" => Self::Number,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "array" => Self::List,
            "object" => Self::Group,
            _ => return None,
        })
    }

    /// Whether a value of this kind is allowed where the kinds `wanted` are.
    #[must_use]
    pub fn fits(self, wanted: &BTreeSet<Self>) -> bool {
        wanted.contains(&self) || self == Self::Integer && wanted.contains(&Self::Number)
    }
}

/// The schema of a form.
pub struct FormSchema<'a> {
    document: &'a Value,
    shapes: RefCell<HashMap<Node<'a>, Rc<Shape<'a>>>>,
}

/// A place in a form: the subschemas that apply to it.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    parts: Vec<&'a Value>,
    /// Whether the parts are alternatives; otherwise all of them apply.
    either: bool,
}

impl Node<'_> {
    fn key(&self) -> (Vec<*const Value>, bool) {
        let address = |part: &&Value| std::ptr::from_ref(*part);
        (self.parts.iter().map(address).collect(), self.either)
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Node<'_> {}

impl std::hash::Hash for Node<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// What a schema says about one place of a form.
#[derive(Debug, Clone, Default)]
pub struct Shape<'a> {
    /// What the value can be; empty where the schema does not say.
    pub kinds: BTreeSet<Kind>,
    /// A group's fields, in the schema's order.
    pub fields: Vec<(&'a str, Node<'a>)>,
    by_name: HashMap<&'a str, usize>,
    /// Whether the schema lists the fields, be it none.
    lists_fields: bool,
    /// Whether the schema says what the value can be, and `null` is not among it.
    pub refuses_null: bool,
    /// The required fields of a group.
    pub required: BTreeSet<&'a str>,
    /// A list's items.
    pub items: Option<Node<'a>>,
    /// What the schema says beside the kind.
    pub limits: Limits<'a>,
    /// Whether B's class sets the value itself: an attribute or text content with `const`.
    pub is_fixed: bool,
    /// Whether the schema has keywords that are not read here, so that it may refuse a value that
    /// the rest allows, or the reverse.
    pub unsure: bool,
    /// The references into other documents.
    pub remote: BTreeSet<&'a str>,
    /// The references that lead nowhere.
    pub broken: BTreeSet<&'a str>,
}

impl<'a> Shape<'a> {
    /// A field of a group.
    pub fn field(&self, name: &str) -> Option<&Node<'a>> {
        let index = *self.by_name.get(name)?;
        self.fields.get(index).map(|(_, node)| node)
    }

    /// The names of a group's fields, in the schema's order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.fields.iter().map(|(name, _)| *name)
    }

    /// Whether the schema says which fields the group has.
    pub fn is_closed(&self) -> bool {
        self.lists_fields
    }

    /// Whether a value can only be a list.
    pub fn is_list(&self) -> bool {
        self.is_only(Kind::List)
    }

    /// Whether a value can only be a group.
    pub fn is_group(&self) -> bool {
        self.is_only(Kind::Group)
    }

    /// Whether the schema says what a value can be, and that it is neither a list nor a group.
    pub fn is_scalar(&self) -> bool {
        !self.kinds.is_empty()
            && !self.kinds.contains(&Kind::List)
            && !self.kinds.contains(&Kind::Group)
    }

    fn is_only(&self, kind: Kind) -> bool {
        self.kinds.len() == 1 && self.kinds.contains(&kind)
    }

    /// What a value can be, as a message says it.
    pub fn words(&self) -> String {
        let words: Vec<_> = self.kinds.iter().map(|kind| kind.words()).collect();
        if words.is_empty() {
            "anything".into()
        } else {
            words.join(" or ")
        }
    }

    /// The shape that satisfies both.
    fn and(&mut self, other: Self) {
        if self.kinds.is_empty() {
            self.kinds = other.kinds;
        } else if !other.kinds.is_empty() {
            let both: BTreeSet<_> = self
                .kinds
                .iter()
                .filter(|kind| kind.fits(&other.kinds))
                .chain(other.kinds.iter().filter(|kind| kind.fits(&self.kinds)))
                .copied()
                .collect();
            self.kinds = both;
        }
        for (name, node) in other.fields {
            self.add_field(name, node, false);
        }
        self.lists_fields |= other.lists_fields;
        self.refuses_null |= other.refuses_null;
        self.required.extend(other.required);
        match (&mut self.items, other.items) {
            (Some(mine), Some(items)) => join(mine, items, false),
            (mine @ None, items) => *mine = items,
            _ => {}
        }
        self.limits.and(other.limits);
        self.is_fixed |= other.is_fixed;
        self.unsure |= other.unsure;
        self.remote.extend(other.remote);
        self.broken.extend(other.broken);
    }

    /// The shape that satisfies either.
    fn or(&mut self, other: Self) {
        if self.kinds.is_empty() || other.kinds.is_empty() {
            self.kinds.clear();
        } else {
            self.kinds.extend(other.kinds);
        }
        for (name, node) in other.fields {
            self.add_field(name, node, true);
        }
        self.lists_fields |= other.lists_fields;
        self.refuses_null &= other.refuses_null;
        self.required = &self.required & &other.required;
        match (&mut self.items, other.items) {
            (Some(mine), Some(items)) => join(mine, items, true),
            (mine, items) => *mine = mine.take().or(items),
        }
        self.limits.or(other.limits);
        self.unsure = true;
        self.remote.extend(other.remote);
        self.broken.extend(other.broken);
    }

    fn add_field(&mut self, name: &'a str, node: Node<'a>, either: bool) {
        match self
            .by_name
            .get(name)
            .and_then(|index| self.fields.get_mut(*index))
        {
            Some((_, mine)) => join(mine, node, either),
            None => {
                self.by_name.insert(name, self.fields.len());
                self.fields.push((name, node));
            }
        }
    }
}

/// Joins two nodes; parts that are there already are not added again.
fn join<'a>(mine: &mut Node<'a>, other: Node<'a>, either: bool) {
    let new: Vec<_> = other
        .parts
        .into_iter()
        .filter(|part| !mine.parts.iter().any(|known| std::ptr::eq(*known, *part)))
        .collect();
    if new.is_empty() {
        return;
    }
    // A mixture of both is read the looser way.
    mine.either |= other.either || either;
    mine.parts.extend(new);
}

impl<'a> FormSchema<'a> {
    /// The schema in `document`.
    pub fn new(document: &'a Value) -> Self {
        Self {
            document,
            shapes: RefCell::default(),
        }
    }

    /// The form as a whole.
    pub fn root(&self) -> Node<'a> {
        Node {
            parts: vec![root::node(self.document)],
            either: false,
        }
    }

    /// What the schema says about a place.
    pub fn shape(&self, node: &Node<'a>) -> Rc<Shape<'a>> {
        if let Some(shape) = self.shapes.borrow().get(node) {
            return Rc::clone(shape);
        }
        let mut budget = MAX_PARTS;
        let mut shape = if node.either {
            let shapes = node
                .parts
                .iter()
                .map(|part| self.all(&[*part], 0, &mut budget));
            either(shapes.collect())
        } else {
            self.all(&node.parts, 0, &mut budget)
        };
        if shape.is_only(Kind::Integer) {
            shape.limits.hold_whole_number();
        }
        let shape = Rc::new(shape);
        self.shapes
            .borrow_mut()
            .insert(node.clone(), Rc::clone(&shape));
        shape
    }

    /// What all of these schemas say together.
    fn all(&self, parts: &[&'a Value], depth: usize, budget: &mut usize) -> Shape<'a> {
        let mut shape = Shape::default();
        let mut seen: Vec<*const Value> = Vec::new();
        let mut due: Vec<&'a Value> = parts.iter().rev().copied().collect();
        while let Some(part) = due.pop() {
            if seen.contains(&std::ptr::from_ref(part)) {
                continue;
            }
            seen.push(std::ptr::from_ref(part));
            if *budget == 0 || depth > MAX_DEPTH {
                shape.unsure = true;
                return shape;
            }
            *budget -= 1;
            // `true` allows everything and `false` nothing: neither says anything about a form.
            let Value::Object(schema) = part else {
                continue;
            };
            shape.and(own(schema));
            for reference in ["$ref", "$dynamicRef"]
                .iter()
                .filter_map(|keyword| schema.get(*keyword))
            {
                let Some(reference) = reference.as_str() else {
                    continue;
                };
                match root::target(self.document, reference) {
                    Some(target) => due.push(target),
                    None => {
                        shape.unsure = true;
                        let known = if reference.starts_with('#') {
                            &mut shape.broken
                        } else {
                            &mut shape.remote
                        };
                        known.insert(reference);
                    }
                }
            }
            due.extend(list(schema.get("allOf")).rev());
            for keyword in ["oneOf", "anyOf"] {
                let alternatives = || list(schema.get(keyword)).filter(|part| !is_null(part));
                // Beside `null` or alone, it is no alternative.
                match alternatives().count() {
                    0 => {}
                    1 if list(schema.get(keyword)).any(is_null) => {
                        let shapes =
                            alternatives().map(|part| self.all(&[part], depth + 1, budget));
                        let mut other = either(shapes.collect());
                        other.refuses_null = false;
                        shape.and(other);
                    }
                    1 => due.extend(alternatives()),
                    _ => {
                        let shapes =
                            alternatives().map(|part| self.all(&[part], depth + 1, budget));
                        let shapes = shapes.collect();
                        shape.and(either(shapes));
                    }
                }
            }
        }
        shape
    }
}

/// What a schema says by itself, without the schemas to which it refers.
fn own<'a>(schema: &'a serde_json::Map<String, Value>) -> Shape<'a> {
    let mut shape = Shape {
        limits: Limits::of(schema),
        ..Shape::default()
    };
    let listed = schema.get("properties").and_then(Value::as_object);
    shape.lists_fields = listed.is_some();
    for (name, field) in listed.into_iter().flatten() {
        shape.add_field(
            name,
            Node {
                parts: vec![field],
                either: false,
            },
            false,
        );
    }
    shape.required = list(schema.get("required"))
        .filter_map(Value::as_str)
        .collect();
    shape.items = schema
        .get("items")
        .filter(|items| items.is_object())
        .map(|items| Node {
            parts: vec![items],
            either: false,
        });
    let named = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    shape.kinds = named.iter().filter_map(|name| Kind::named(name)).collect();
    let lists_null = |values: &Value| list(Some(values)).any(Value::is_null);
    // Where only its fields or items say what a value is, nobody thinks of `null`, which JSON Schema allows.
    let is_meant = named.is_empty() && (!shape.fields.is_empty() || shape.items.is_some());
    shape.refuses_null = is_meant
        || !named.is_empty() && !named.contains(&"null")
        || schema.get("enum").is_some_and(|values| !lists_null(values))
        || schema.get("const").is_some_and(|value| !value.is_null());
    if named.is_empty() {
        if !shape.fields.is_empty() {
            shape.kinds.insert(Kind::Group);
        } else if shape.items.is_some() {
            shape.kinds.insert(Kind::List);
        } else if let Some(admitted) = &shape.limits.admitted {
            shape.kinds = admitted
                .iter()
                .filter_map(|value| Kind::of(value))
                .collect();
        }
    }
    let says = |keyword: &str| schema.get(keyword).and_then(Value::as_bool) == Some(true);
    let is_attribute = says("@xsdAttribute")
        || schema.get("@xsdType").and_then(Value::as_str) == Some("XmlAttribute");
    shape.is_fixed = schema.contains_key("const") && (is_attribute || says("@xsdText"));
    const BEYOND: [&str; 7] = [
        "not",
        "if",
        "patternProperties",
        "prefixItems",
        "dependentSchemas",
        "dependentRequired",
        "contains",
    ];
    shape.unsure = BEYOND.iter().any(|keyword| schema.contains_key(*keyword))
        || schema.get("items").is_some_and(Value::is_array);
    shape
}

fn either(shapes: Vec<Shape<'_>>) -> Shape<'_> {
    let mut shapes = shapes.into_iter();
    let mut shape = shapes.next().unwrap_or_default();
    for other in shapes {
        shape.or(other);
    }
    shape
}

fn list(value: Option<&Value>) -> impl DoubleEndedIterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// Whether a schema allows only `null`.
fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The references of a schema that cannot be followed, with the dotted path of the first place where
/// each is used, and whether it leads into another document.
pub fn dangling(form: &FormSchema<'_>) -> BTreeMap<String, (String, bool)> {
    const MAX_PLACES: usize = 10_000;
    let mut found = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    let mut due = vec![(String::new(), form.root())];
    while let Some((path, node)) = due.pop() {
        if seen.len() > MAX_PLACES || !seen.insert(node.clone()) {
            continue;
        }
        let shape = form.shape(&node);
        let mut note = |references: &BTreeSet<&str>, remote| {
            for reference in references {
                found
                    .entry((*reference).to_owned())
                    .or_insert_with(|| (path.clone(), remote));
            }
        };
        note(&shape.remote, true);
        note(&shape.broken, false);
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        due.extend(
            shape
                .fields
                .iter()
                .rev()
                .map(|(name, node)| (below(name), node.clone())),
        );
        due.extend(shape.items.iter().map(|node| (path.clone(), node.clone())));
    }
    found
}

#[cfg(test)]
mod tests;
