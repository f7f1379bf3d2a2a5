//! What changes in B when a route changes: two versions of it over the same A instances.
//!
//! Instances are handled one by one and not kept, so that there may be any number of them.

mod made;
mod report;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;
use stafett_core::{
    id::InstanceId,
    preflight::TargetApp,
    prepare::InstanceData,
    route::{AfterSteps, Gate, OwnerRule, Route},
};

pub use report::{Example, Failure, FieldChange, Noted, Relays, Report};

use crate::{fields, judge::is_judged, schema_in_use::SchemasInUse};
use made::{B, Form, Made, Part};

/// How many fields, and how many reasons for failing, are reported separately; the rest is summed up.
const MOST: usize = 2_000;
/// The name under which further fields are summed up.
const FURTHER: &str = "(further)";

/// The old and the new value, `None` where there is none.
type Pair = (Option<Value>, Option<Value>);

/// One version of a route, and what is known of B's app.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The route.
    pub route: &'a Route,
    /// B's app, where its files are at hand.
    pub b: Option<&'a TargetApp>,
}

/// A comparison that instances are added to.
#[derive(Debug)]
pub struct Comparison<'a> {
    old: Version<'a>,
    new: Version<'a>,
    examples: usize,
    fields: BTreeMap<String, usize>,
    report: Report,
}

impl<'a> Comparison<'a> {
    /// A comparison of two versions, which shows up to `examples` examples of each change.
    #[must_use]
    pub fn new(old: Version<'a>, new: Version<'a>, examples: usize) -> Self {
        let report = Report {
            old: old.route.name.to_string(),
            new: new.route.name.to_string(),
            warnings: warnings(old.route, new.route),
            schemas: schemas(old, new),
            on_a: on_a(old.route, new.route),
            judged: [old, new].iter().all(|it| is_judged(&it.route.to, it.b)),
            ..Report::default()
        };
        Self {
            old,
            new,
            examples,
            fields: BTreeMap::new(),
            report,
        }
    }

    /// Runs both versions over an A instance.
    pub fn add(&mut self, source: &InstanceData) {
        let id = source.instance.id;
        let old = Made::of(self.old, source);
        let new = Made::of(self.new, source);
        if matches!((&old, &new), (Made::OfAnotherApp, Made::OfAnotherApp)) {
            self.report.of_other_apps += 1;
            return;
        }
        self.report.instances += 1;
        let mut change = Change::default();
        match (old, new) {
            (Made::Parts(old), Made::Parts(new)) => self.parts(id, old, new, &mut change),
            (Made::Parts(old), Made::Nothing(why)) if made(&old) => {
                change.fails = true;
                self.fails(id, None, why);
            }
            (Made::Nothing(why), Made::Parts(new)) if made(&new) => {
                change.mended = true;
                self.mended(id, None, why);
            }
            (Made::Parts(old), Made::Closed | Made::OfAnotherApp) if made(&old) => {
                change.differs = true;
                note(&mut self.report.gate_closes, id, self.examples);
            }
            (Made::Closed | Made::OfAnotherApp, Made::Parts(new)) if made(&new) => {
                change.differs = true;
                note(&mut self.report.gate_opens, id, self.examples);
            }
            _ => {}
        }
        self.report.differing += u64::from(change.differs);
        self.report.failing += u64::from(change.fails);
        self.report.mending += u64::from(change.mended);
    }

    /// Counts an A instance of another app, which need not be read.
    pub fn skip(&mut self) {
        self.report.of_other_apps += 1;
    }

    /// The result.
    #[must_use]
    pub fn report(self) -> Report {
        self.report
    }

    fn parts(&mut self, id: InstanceId, old: Vec<Part>, new: Vec<Part>, change: &mut Change) {
        let rekeyed = rekeyed(&old, &new);
        let mut new: BTreeMap<Option<String>, Result<B, String>> =
            new.into_iter().map(|part| (part.key, part.b)).collect();
        for part in old {
            if let Some(b) = new.remove(&part.key) {
                self.part(id, part.key, part.b, b, change);
                continue;
            }
            let successor = rekeyed.get(&part.key).cloned().flatten();
            match successor.and_then(|key| Some((key.clone(), new.remove(&Some(key))?))) {
                Some((key, b)) => {
                    change.differs = true;
                    let example = Example {
                        instance: id,
                        key: None,
                        old: part.key.as_deref().map(Value::from),
                        new: Some(key.into()),
                    };
                    self.report.relays.rekeyed += 1;
                    push(
                        &mut self.report.relays.rekeyed_examples,
                        example,
                        self.examples,
                    );
                    self.part(id, part.key, part.b, b, change);
                }
                None => {
                    change.differs = true;
                    let example = Example {
                        instance: id,
                        key: None,
                        old: part.key.map(Value::from),
                        new: None,
                    };
                    self.report.relays.vanished += 1;
                    push(
                        &mut self.report.relays.vanished_examples,
                        example,
                        self.examples,
                    );
                }
            }
        }
        for key in new.into_keys() {
            change.differs = true;
            let example = Example {
                instance: id,
                key: None,
                old: None,
                new: key.map(Value::from),
            };
            self.report.relays.appeared += 1;
            push(
                &mut self.report.relays.appeared_examples,
                example,
                self.examples,
            );
        }
    }

    fn part(
        &mut self,
        id: InstanceId,
        key: Option<String>,
        old: Result<B, String>,
        new: Result<B, String>,
        change: &mut Change,
    ) {
        match (old, new) {
            (Ok(old), Ok(new)) => change.differs |= self.diff(id, key.as_deref(), &old, &new),
            (Ok(_), Err(why)) => {
                change.fails = true;
                self.fails(id, key, why);
            }
            (Err(why), Ok(_)) => {
                change.mended = true;
                self.mended(id, key, why);
            }
            (Err(_), Err(_)) => {}
        }
    }

    /// Records what differs, and returns whether anything does.
    fn diff(&mut self, id: InstanceId, key: Option<&str>, old: &B, new: &B) -> bool {
        // Their fields by the place at which the route describes them, and whether they are sent as before.
        let same = |form: &Form| {
            let other = new.forms.iter().find(|other| other.field == form.field);
            other.is_some_and(|other| other.sent == form.sent)
        };
        let is_same: Vec<(&Form, bool)> = old.forms.iter().map(|it| (it, same(it))).collect();
        // A form is sent as text, where `1` and `"1"` are the same.
        let is_of_same = |field: &str| {
            is_same
                .iter()
                .any(|(form, is_same)| *is_same && form.has(field))
        };
        let mut changes: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
        let mut differs = |field: &str, old: Option<&Value>, new: Option<&Value>| {
            if old != new && !is_of_same(field) {
                let change = (old.cloned(), new.cloned());
                changes
                    .entry(fields::of_any_item(field))
                    .or_default()
                    .push(change);
            }
        };
        for (field, value) in &old.fields {
            differs(field, Some(value), new.fields.get(field));
        }
        for (field, value) in &new.fields {
            if !old.fields.contains_key(field) {
                differs(field, None, Some(value));
            }
        }
        for (form, _) in is_same.iter().filter(|(_, is_same)| !is_same) {
            let other = new.forms.iter().find(|other| other.field == form.field);
            let explains =
                |field: &String| form.has(field) || *field == form.root() || field == "to.mode";
            if let Some(other) = other.filter(|_| !changes.keys().any(explains)) {
                let order = |form: &Form| Some(Value::from(form.order.clone()));
                let name = format!("{} (order of elements)", form.field);
                changes.insert(name, vec![(order(form), order(other))]);
            }
        }
        let any = !changes.is_empty();
        for (field, values) in changes {
            self.field(field, id, key, values);
        }
        any
    }

    fn field(&mut self, field: String, id: InstanceId, key: Option<&str>, values: Vec<Pair>) {
        let known = self.fields.len();
        let field = if known >= MOST && !self.fields.contains_key(&field) {
            FURTHER.to_owned()
        } else {
            field
        };
        let index = *self.fields.entry(field.clone()).or_insert_with(|| {
            self.report.fields.push(FieldChange {
                field,
                ..FieldChange::default()
            });
            self.report.fields.len() - 1
        });
        let Some(change) = self.report.fields.get_mut(index) else {
            return;
        };
        change.bs += 1;
        for (old, new) in values {
            match (&old, &new) {
                (None, _) => change.added += 1,
                (_, None) => change.removed += 1,
                (Some(old), Some(new)) if kind(old) != kind(new) => change.type_changed += 1,
                _ => change.changed += 1,
            }
            let key = key.map(str::to_owned);
            push(
                &mut change.examples,
                Example {
                    instance: id,
                    key,
                    old,
                    new,
                },
                self.examples,
            );
        }
    }

    fn fails(&mut self, id: InstanceId, key: Option<String>, why: String) {
        failure(&mut self.report.failures, id, key, why, self.examples);
    }

    fn mended(&mut self, id: InstanceId, key: Option<String>, why: String) {
        failure(&mut self.report.mended, id, key, why, self.examples);
    }
}

/// How one instance is affected.
#[derive(Default)]
struct Change {
    differs: bool,
    fails: bool,
    mended: bool,
}

fn made(parts: &[Part]) -> bool {
    parts.iter().any(|part| part.b.is_ok())
}

/// The values of `each` whose key changes: there are as many values as before, and another key in the same place.
fn rekeyed(old: &[Part], new: &[Part]) -> BTreeMap<Option<String>, Option<String>> {
    if old.len() != new.len() {
        return BTreeMap::new();
    }
    let has = |parts: &[Part], key: &Option<String>| parts.iter().any(|part| part.key == *key);
    let pairs = old.iter().zip(new).filter(|(before, after)| {
        let keyed = before.key.is_some() && after.key.is_some();
        keyed && !has(new, &before.key) && !has(old, &after.key)
    });
    pairs
        .map(|(before, after)| (before.key.clone(), after.key.clone()))
        .collect()
}

fn note(noted: &mut Noted, id: InstanceId, most: usize) {
    noted.count += 1;
    push(&mut noted.examples, id, most);
}

fn push<T>(examples: &mut Vec<T>, example: T, most: usize) {
    if examples.len() < most {
        examples.push(example);
    }
}

fn failure(
    failures: &mut Vec<Failure>,
    id: InstanceId,
    key: Option<String>,
    why: String,
    examples: usize,
) {
    let full = failures.len() >= MOST;
    let known = failures.iter().position(|failure| failure.reason == why);
    let index = match known {
        Some(index) => index,
        None if full => failures.len() - 1,
        None => {
            failures.push(Failure {
                reason: why,
                ..Failure::default()
            });
            failures.len() - 1
        }
    };
    if let Some(failure) = failures.get_mut(index) {
        failure.relays += 1;
        push(
            &mut failure.examples,
            Example {
                instance: id,
                key,
                old: None,
                new: None,
            },
            examples,
        );
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// By which schemas the two versions' forms are checked and ordered: one line, or one for each.
fn schemas(old: Version<'_>, new: Version<'_>) -> Vec<String> {
    let [old, new] = [old, new].map(|it| SchemasInUse::of(&it.route.to, it.b).to_string());
    if old == new {
        vec![format!("B's forms are compared {new}")]
    } else {
        vec![
            format!("the old B's form is made {old}"),
            format!("the new one's {new}"),
        ]
    }
}

/// What affects every A instance, also those that have their B already.
fn warnings(old: &Route, new: &Route) -> Vec<String> {
    let mut warnings = Vec::new();
    if old.name != new.name {
        warnings.push(format!(
            "The route's name changes from {} to {}: every relay gets another id, so every A instance would \
             get another B beside the one that it has. Keep the name.",
            old.name, new.name
        ));
    }
    if old.from != new.from {
        warnings.push(format!(
            "The route starts at another app: {} instead of {}.",
            new.from, old.from
        ));
    }
    match (&old.each, &new.each) {
        (None, Some(_)) => warnings.push(
            "`each` is new: every relay gets another id, so every A instance would get new Bs beside the one \
             that it has."
                .to_owned(),
        ),
        (Some(_), None) => warnings.push(
            "`each` is gone: every relay gets another id, so every A instance would get one more B beside \
             those that it has."
                .to_owned(),
        ),
        (Some(old), Some(new)) if old.key.source() != new.key.source() => warnings.push(format!(
            "`key` changes from `{}` to `{}`: where that gives a value another key, the value would get a second B.",
            old.key.source(),
            new.key.source()
        )),
        _ => {}
    }
    if old.gate != new.gate {
        warnings.push(format!(
            "The gate changes: from {} to {}.",
            gate(&old.gate),
            gate(&new.gate)
        ));
    }
    if kind_of_owner(&old.to.owner) != kind_of_owner(&new.to.owner) {
        warnings.push(format!(
            "The owner is given as {} instead of {}.",
            kind_of_owner(&new.to.owner),
            kind_of_owner(&old.to.owner)
        ));
    }
    warnings
}

fn gate(gate: &Gate) -> String {
    match gate {
        Gate::Completed => "`process: completed`".to_owned(),
        Gate::Task(task) => format!("`task: {task}`"),
    }
}

fn kind_of_owner(owner: &OwnerRule) -> &'static str {
    match owner {
        OwnerRule::Organisation(_) => "organisation",
        OwnerRule::Person(_) => "person",
        OwnerRule::Party(_) => "party",
    }
}

/// What changes on A.
fn on_a(old: &Route, new: &Route) -> Vec<String> {
    let words = |then: &AfterSteps| {
        let substatus = match &then.substatus {
            Some(substatus) => format!("the substatus “{}”", substatus.label),
            None => "no substatus".to_owned(),
        };
        let complete = if then.complete {
            "confirmed complete"
        } else {
            "not confirmed"
        };
        format!("{substatus}, {complete}")
    };
    if old.then == new.then {
        return Vec::new();
    }
    let (before, after) = (words(&old.then), words(&new.then));
    if before == after {
        vec!["A's substatus has another description".to_owned()]
    } else {
        vec![format!("A gets {after} (before: {before})")]
    }
}

#[cfg(test)]
mod tests;
