//! An expression of which the inference of types doubts nothing has a value of its type, for all data that A's schema
//! allows; and what the inference calls certain to fail does fail.
//!
//! Random schemas, instances and expressions are put together. `STAFETT_TRIPLES=1000000` tries that many of them.

mod always;
mod within;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    io::Write,
};

use generators::{
    Choices, expression,
    form::{self, Form},
    instance::{self, Extent},
    runner::{Triples, all_words, words},
    schema,
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};
use serde_json::{Map, Value as Json};
use stafett_core::{
    language::{
        Binding, Doubt, DoubtKind, EvaluationError, Expression, Scope, Surroundings, SyntaxProblem,
        types::Type,
    },
    schema::shape::FormSchema,
};

use always::Always;

/// Instances of one form that are tried with one expression.
const INSTANCES: usize = 5;

/// Triples that are tried where nobody asks for more.
const TRIPLES: usize = 100_000;

/// A schema, an expression over it, and instances of it.
struct Case {
    schema: Json,
    binding: Option<String>,
    expression: String,
    instances: Vec<instance::Given>,
}

impl Case {
    fn new(form: &[u16], expression: &[u16], instances: &[u16]) -> Self {
        let (form, document) = form_and_schema(form);
        let written = expression::expression(&form, &mut Choices::new(expression));
        Self {
            schema: document,
            binding: written.binding,
            expression: written.expression,
            instances: instance::instances(&form, INSTANCES, &mut Choices::new(instances)),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nschema: {}", self.schema)?;
        if let Some(binding) = &self.binding {
            writeln!(f, "each: {binding}")?;
        }
        writeln!(f, "expression: {}", self.expression)
    }
}

/// A random form, and its JSON schema.
fn form_and_schema(tape: &[u16]) -> (Form, Json) {
    let mut choices = Choices::new(tape);
    let form = form::form(&mut choices);
    let document = schema::document(&form, &mut choices);
    (form, document)
}

fn cases() -> impl Strategy<Value = Case> {
    let tapes = (
        vec(any::<u16>(), 96),
        vec(any::<u16>(), 160),
        vec(any::<u16>(), 256),
    );
    tapes.prop_map(|(schema, expression, instances)| Case::new(&schema, &expression, &instances))
}

/// What A's schema tells of `instance` and `data`.
fn surroundings<'s, 'a>(form: &'s FormSchema<'a>) -> Surroundings<'s, 'a> {
    let model = Type::given(form, &form.root(), false);
    let instance = Type::group(vec![
        ("id".to_owned(), Type::text(None)),
        ("dueBefore".to_owned(), Type::text(Some(40)).or_empty()),
    ]);
    let data = Type::group(vec![
        ("model".to_owned(), model.clone()),
        ("flere".to_owned(), Type::list(model, 0, None)),
    ]);
    Surroundings {
        names: vec![("instance".to_owned(), instance), ("data".to_owned(), data)],
        facts: Vec::new(),
    }
}

/// Holds one case to both properties. Tells whether nothing is doubted.
fn check(case: &Case) -> Result<bool, String> {
    let form = FormSchema::new(&case.schema);
    let mut around = surroundings(&form);
    let scopes: Vec<Scope<'_>> = case
        .instances
        .iter()
        .map(|(instance, data)| Scope::new(instance, data))
        .collect();
    let Some(binding) = &case.binding else {
        return match compiled(&case.expression, &[])? {
            Some(expression) => hold(&expression, &[], &around, &scopes, case),
            None => Ok(false),
        };
    };
    let Binding { name, list } =
        Binding::compile(binding, &[]).map_err(|error| error.to_string())?;
    let list = match list {
        Ok(list) => list,
        Err(error) if error.kind == SyntaxProblem::TooLong => return Ok(false),
        Err(error) => return Err(format!("{binding}: {error}")),
    };
    let (inferred, facts, doubts) = list.infer_items(&name, &around);
    let mut items = Vec::new();
    let mut errors = Vec::new();
    for (scope, (_, data)) in scopes.iter().zip(&case.instances) {
        match list.each(&name, scope) {
            Err(error) => errors.push((error, data)),
            Ok(found) => {
                if doubts.is_empty()
                    && let Some(stafett_core::language::types::Kind::List { least, most, .. }) =
                        inferred.known().next()
                {
                    let count = found.len() as u64;
                    if count < *least || most.is_some_and(|most| count > most) {
                        return Err(format!("{count} items, not {least} to {most:?}; {data:?}"));
                    }
                }
                items.extend(found);
            }
        }
    }
    if doubts.is_empty()
        && let Some((error, data)) = errors.first()
    {
        return Err(format!("the list fails: {error}\ndata: {}", shown(data)));
    }
    if errors.is_empty() {
        unfailed(&list, &[], &doubts, &scopes)?;
    }
    if !doubts.is_empty() {
        return Ok(false);
    }
    around
        .names
        .push((name.clone(), inferred.item().unwrap_or_else(Type::unknown)));
    around.facts = facts;
    match compiled(&case.expression, std::slice::from_ref(&name))? {
        Some(expression) => hold(
            &expression,
            std::slice::from_ref(&name),
            &around,
            &items,
            case,
        ),
        None => Ok(false),
    }
}

/// The expression; `None` where it is too long.
fn compiled(source: &str, locals: &[String]) -> Result<Option<Expression>, String> {
    match Expression::compile(source, locals) {
        Ok(expression) => Ok(Some(expression)),
        Err(error) if error.kind == SyntaxProblem::TooLong => Ok(None),
        Err(error) => Err(format!("{source}: {error}")),
    }
}

/// Holds an expression to both properties.
fn hold(
    expression: &Expression,
    locals: &[String],
    around: &Surroundings<'_, '_>,
    scopes: &[Scope<'_>],
    case: &Case,
) -> Result<bool, String> {
    let (inferred, doubts) = expression.infer(around);
    let mut has_failed = scopes.is_empty();
    for (index, scope) in scopes.iter().enumerate() {
        let data = || match case.binding {
            // The items of all instances stand in one row.
            Some(_) => case
                .instances
                .iter()
                .map(|(_, data)| shown(data))
                .collect::<Vec<_>>()
                .join("\n"),
            None => shown(&case.instances[index].1),
        };
        match expression.evaluate(scope) {
            Err(error) if doubts.is_empty() => {
                return Err(format!(
                    "nothing is doubted, but: {error}\ndata: {}",
                    data()
                ));
            }
            Err(EvaluationError::TooMuchWork(_)) | Err(_) => has_failed = true,
            Ok(value) if doubts.is_empty() => {
                if let Some(reason) = within::misfit(value.as_ref(), &inferred) {
                    return Err(format!("the value {reason}\ndata: {}", data()));
                }
            }
            Ok(_) => {}
        }
    }
    if !has_failed {
        unfailed(expression, locals, &doubts, scopes)?;
    }
    Ok(doubts.is_empty())
}

/// Nothing has failed, and so nothing that is always evaluated can be certain to, unless it is always empty.
fn unfailed(
    expression: &Expression,
    locals: &[String],
    doubts: &[Doubt],
    scopes: &[Scope<'_>],
) -> Result<(), String> {
    let always = Always::of(expression.tree());
    for doubt in doubts {
        let (DoubtKind::Empty { piece }
        | DoubtKind::Unsuitable { piece, .. }
        | DoubtKind::NoGroup { piece, .. }) = &doubt.kind
        else {
            continue;
        };
        if !doubt.is_certain || !always.has(&doubt.place) {
            continue;
        }
        let piece = compiled(piece, locals)?;
        let has_value = |scope| {
            let value = piece.as_ref().map(|piece| piece.evaluate(scope));
            !matches!(value, None | Some(Ok(None)))
        };
        let needs_value = matches!(doubt.kind, DoubtKind::Empty { .. });
        if needs_value || scopes.iter().any(has_value) {
            return Err(format!("certain to fail, and never does: {doubt:?}"));
        }
    }
    Ok(())
}

fn shown(data: &Map<String, Json>) -> String {
    Json::from(data.clone()).to_string()
}

#[test]
fn what_nothing_is_doubted_of_has_a_value_of_its_type_and_what_is_certain_to_fail_fails() {
    let triples = Triples::of(TRIPLES, INSTANCES);
    let undoubted = Cell::new(0_usize);
    let used: RefCell<BTreeSet<&str>> = RefCell::default();
    let held = triples.hold(&cases(), |case| {
        let is_undoubted = check(&case).map_err(TestCaseError::fail)?;
        if is_undoubted {
            undoubted.set(undoubted.get() + 1);
            used.borrow_mut().extend(words(&case.expression));
        }
        Ok(())
    });
    if let Err(failure) = held {
        panic!("{failure}");
    }
    let count = triples.cases;
    let share = undoubted.get() * 100 / count;
    let _ = writeln!(
        std::io::stderr(),
        "{count} expressions, {share} % without a doubt"
    );
    assert!(
        share >= 30,
        "only {share} % of the expressions are without a doubt"
    );
    let used = used.into_inner();
    let unused: Vec<&str> = all_words().filter(|word| !used.contains(word)).collect();
    assert!(
        unused.is_empty(),
        "in no expression without a doubt: {unused:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn the_schema_allows_every_instance_but_for_empty_fields(
        schema in vec(any::<u16>(), 96),
        instances in vec(any::<u16>(), 256),
    ) {
        let (form, document) = form_and_schema(&schema);
        let validator = jsonschema::validator_for(&document).expect("a schema");
        let mut choices = Choices::new(&instances);
        for extent in [Extent::Full, Extent::Bare, Extent::Any, Extent::Any] {
            let mut instance = instance::instance(&form, extent, &mut choices);
            without_empty_fields(&form, &mut instance);
            let errors: Vec<String> = validator.iter_errors(&instance).map(|error| error.to_string()).collect();
            prop_assert!(errors.is_empty(), "{:?}\n{}\n{}", errors, document, instance);
        }
    }
}

/// Removes the optional fields that are `null`, which A's app writes whatever its schema says.
fn without_empty_fields(form: &Form, instance: &mut Json) {
    match (form, instance) {
        (Form::Group(fields), Json::Object(values)) => {
            for field in fields {
                if !field.is_required && values.get(field.name).is_some_and(Json::is_null) {
                    values.shift_remove(field.name);
                }
                if let Some(value) = values.get_mut(field.name) {
                    without_empty_fields(&field.form, value);
                }
            }
        }
        (Form::List { item, .. }, Json::Array(items)) => {
            for value in items {
                without_empty_fields(item, value);
            }
        }
        _ => {}
    }
}
