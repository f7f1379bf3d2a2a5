//! Lowers what a route says of a form of B.

use std::path::Path;

use serde_saphyr::{Location, Spanned};

use super::{Check, with_help};
use crate::{
    forms::Forms,
    language::Expression,
    route::{
        Accepted, Expected, FormRule, Mistake, Order, RouteError, Words,
        file::{FurtherForms, Tree},
        model::{Group, Node},
    },
    schema::Schema,
    xml,
};

/// What to do about further forms with `mode: prefill`.
const PREFILL_HELP: &str =
    "leave out `mode` and `stamp`: B is then made by the request that carries all forms";

/// A form, as the file writes it.
pub(super) struct Form {
    pub(super) data_type: Option<String>,
    pub(super) is_further: bool,
    pub(super) root: Option<Spanned<String>>,
    pub(super) schema: Option<Spanned<String>>,
    pub(super) order: Option<Spanned<String>>,
    pub(super) model: Option<Spanned<Tree>>,
    /// Where a further form stands.
    pub(super) place: Option<Location>,
}

impl Check<'_> {
    /// B's forms: the `main` one, and the `further` ones by data type.
    pub(super) fn forms(
        &mut self,
        main: Form,
        further: Option<Spanned<FurtherForms>>,
        is_prefill: bool,
        locals: &mut Vec<String>,
    ) -> Option<Forms<FormRule>> {
        if let Some(further) = &further
            && !further.value.0.is_empty()
            && is_prefill
        {
            self.error(
                Mistake::Contradiction,
                Some(further.referenced),
                "to.forms",
                with_help("`mode: prefill` sends one form only", PREFILL_HELP),
            );
        }
        let named = main.data_type.clone();
        let main = self.form(main, locals);
        let mut whole = true;
        let mut forms = Vec::new();
        let further = further.map_or_else(Vec::new, |further| further.value.0);
        for (data_type, form) in further {
            let place = Some(form.referenced);
            if named.as_ref() == Some(&data_type) {
                self.error(
                    Mistake::Contradiction,
                    place,
                    &format!("to.forms.{data_type}"),
                    with_help(
                        "is B's form of `to.dataType` already",
                        "say what it is filled with once: in `model` beside `to`, or here",
                    ),
                );
            }
            let form = form.value;
            let form = Form {
                data_type: Some(data_type),
                is_further: true,
                root: form.root,
                schema: form.schema,
                order: form.order,
                model: form.model,
                place,
            };
            match self.form(form, locals) {
                Some(form) => forms.push(form),
                None => whole = false,
            }
        }
        whole.then_some(())?;
        Some(Forms {
            main: main?,
            further: forms,
        })
    }

    fn form(&mut self, form: Form, locals: &mut Vec<String>) -> Option<FormRule> {
        // What the form is called depends on these two only.
        let mut rule = FormRule {
            data_type: form.data_type,
            is_further: form.is_further,
            root: String::new(),
            schema: None,
            order: Order::default(),
            model: Group::new(),
        };
        let root = self.root(form.root, &rule.says("root"));
        rule.schema = self.schema(form.schema, &rule.says("schema"));
        let order = self.order(form.order, &rule.says("order"));
        let field = rule.says("model");
        let model = match form.model {
            Some(model) => self.model(model, &field, locals),
            None => {
                self.missing_model(&field, form.place);
                None
            }
        };
        rule.root = root?;
        rule.order = order?;
        rule.model = model?;
        Some(rule)
    }

    fn root(&mut self, root: Option<Spanned<String>>, field: &str) -> Option<String> {
        match root {
            None => Some("model".to_owned()),
            Some(root) if xml::is_name(&root.value) => Some(root.value),
            Some(root) => {
                self.error(
                    Mistake::InvalidValue(Words::new(&root.value, &[])),
                    Some(root.referenced),
                    field,
                    "not the name of an XML element",
                );
                None
            }
        }
    }

    fn schema(&mut self, file: Option<Spanned<String>>, field: &str) -> Option<Schema> {
        let file = file?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        match Schema::read(&directory.join(&file.value)) {
            Ok(schema) => Some(schema),
            Err(error) => {
                self.error(
                    Mistake::Schema(file.value, Box::new(error.clone())),
                    Some(file.referenced),
                    field,
                    error.to_string(),
                );
                None
            }
        }
    }

    fn order(&mut self, order: Option<Spanned<String>>, field: &str) -> Option<Order> {
        let Some(order) = order else {
            return Some(Order::default());
        };
        match order.value.as_str() {
            "schema" => Some(Order::Schema),
            "route" => Some(Order::Route),
            word => {
                self.error(
                    Mistake::InvalidValue(Words::new(word, &["schema", "route"])),
                    Some(order.referenced),
                    field,
                    "must be `schema` or `route`",
                );
                None
            }
        }
    }

    fn missing_model(&mut self, field: &str, place: Option<Location>) {
        self.add(RouteError {
            at: place.map(|place| (place.line(), place.column())),
            field: Some(field.to_owned()),
            ..RouteError::new(self.path, Mistake::MissingKey("model".into()), "missing")
                .help("the fields of B's form, each an expression")
        });
    }

    fn model(
        &mut self,
        model: Spanned<Tree>,
        field: &str,
        locals: &mut Vec<String>,
    ) -> Option<Group> {
        match model.value {
            Tree::Map(fields) => self.group(fields, field, locals),
            _ => {
                self.error(
                    Mistake::WrongKind(Expected::Group),
                    Some(model.referenced),
                    field,
                    "must be a group of fields",
                );
                None
            }
        }
    }

    fn group(
        &mut self,
        fields: Vec<(Spanned<String>, Spanned<Tree>)>,
        path: &str,
        locals: &mut Vec<String>,
    ) -> Option<Group> {
        let mut group = Vec::new();
        let mut whole = true;
        for (name, tree) in fields {
            let field = format!("{path}.{}", name.value);
            if !xml::is_name(&name.value) {
                let (mistake, problem) = if name.value == "$each" {
                    (
                        Mistake::MisplacedEach,
                        "`$each` belongs into a field of `model`, not beside it".into(),
                    )
                } else {
                    let help = "letters, digits, `_`, `-` and `.`, first a letter or `_`";
                    (
                        Mistake::ElementName,
                        with_help("not the name of an XML element", help),
                    )
                };
                self.error(mistake, Some(name.referenced), &field, problem);
                whole = false;
                continue;
            }
            match self.node(tree, &field, locals) {
                Some(node) => group.push((name.value, node)),
                None => whole = false,
            }
        }
        whole.then_some(group)
    }

    fn node(&mut self, tree: Spanned<Tree>, field: &str, locals: &mut Vec<String>) -> Option<Node> {
        match tree.value {
            Tree::Leaf => self.expression(&tree, field, locals).map(Node::Field),
            Tree::Map(fields) if fields.iter().any(|(name, _)| name.value == "$value") => {
                self.valued(fields, field, locals).map(Node::Field)
            }
            Tree::Map(mut fields) => {
                match fields.iter().position(|(name, _)| name.value == "$each") {
                    None => self.group(fields, field, locals).map(Node::Group),
                    Some(index) => {
                        let (_, each) = fields.remove(index);
                        self.repeat(&each, fields, field, locals)
                    }
                }
            }
            Tree::List(_) => {
                self.error(
                    Mistake::List,
                    Some(tree.referenced),
                    field,
                    "a list is written as a group with `$each: item in data.model.items`",
                );
                None
            }
        }
    }

    /// An expression with what its author accepts: `$value`, `$accept` and `$because`.
    fn valued(
        &mut self,
        fields: Vec<(Spanned<String>, Spanned<Tree>)>,
        field: &str,
        locals: &[String],
    ) -> Option<Expression> {
        const KEYS: [&str; 3] = ["$value", "$accept", "$because"];
        let (mut value, mut findings, mut because) = (None, None, None);
        for (name, tree) in fields {
            match name.value.as_str() {
                "$value" => value = self.expression(&tree, field, locals),
                "$accept" => findings = self.findings(&tree, &format!("{field}.$accept")),
                "$because" => because = self.text(&tree, &format!("{field}.$because")),
                other => self.error(
                    Mistake::UnknownKey(Words::new(other, &KEYS)),
                    Some(name.referenced),
                    &format!("{field}.{other}"),
                    "stands beside `$value`, where only `$accept` and `$because` stand",
                ),
            }
        }
        match (findings, because) {
            (Some(findings), Some(because)) => self.accepted.push(Accepted {
                field: field.to_owned(),
                findings,
                because,
            }),
            (findings, _) => {
                let (key, help) = match findings {
                    None => (
                        "$accept",
                        "the warnings that are accepted: `$accept: [may-be-empty]`",
                    ),
                    Some(_) => (
                        "$because",
                        "why they are accepted: `$because: A's page requires it`",
                    ),
                };
                let mistake = Mistake::MissingKey(key.into());
                let key = format!("{field}.{key}");
                self.error(mistake, None, &key, with_help("missing", help));
            }
        }
        value
    }

    /// The codes of accepted warnings.
    fn findings(&mut self, tree: &Spanned<Tree>, field: &str) -> Option<Vec<String>> {
        match &tree.value {
            Tree::List(items) if !items.is_empty() => {
                let codes: Vec<_> = items.iter().map(|item| self.text(item, field)).collect();
                codes.into_iter().collect()
            }
            _ => {
                let expected = Expected::List;
                let mistake = Mistake::WrongKind(expected);
                self.error(mistake, Some(tree.referenced), field, expected.problem());
                None
            }
        }
    }

    fn repeat(
        &mut self,
        each: &Spanned<Tree>,
        fields: Vec<(Spanned<String>, Spanned<Tree>)>,
        field: &str,
        locals: &mut Vec<String>,
    ) -> Option<Node> {
        let each_field = format!("{field}.$each");
        let (name, list) = self.binding(each, &each_field, locals)?;
        locals.push(name.clone());
        let group = self.group(fields, field, locals);
        locals.pop();
        Some(Node::Repeat {
            name,
            list: list?,
            group: group?,
        })
    }
}
