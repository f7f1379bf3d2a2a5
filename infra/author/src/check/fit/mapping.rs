//! Compares the route's `model:` with B's form field by field, as far as no data is needed.

use std::collections::BTreeMap;

use stafett_core::route::{
    Expression, Scope,
    model::{Group, Node as RouteNode},
};

use super::{
    Fit,
    compat::{FormTarget, Misfit, too_many},
    reading,
    shape::{Kind, Node, Shape},
    source_schemas::{Lead, Mistake, Names, Place, SourceSchemas},
};
use crate::{
    check::words::{known, nearest, quoted},
    finding::Severity,
};

/// A field of the route that must be tried with data.
#[derive(Clone)]
pub(super) struct Leaf<'a> {
    /// Its place in B's form, where that is known.
    pub(super) node: Option<Node<'a>>,
    /// Whether drafts are validated and B's form requires the field in its group.
    pub(super) is_required: bool,
    /// Whether everything that the expression reads has few possible values, which are all tried.
    pub(super) is_exhausted: bool,
    /// Whether the expression is a path, whose values were compared already.
    pub(super) is_path: bool,
}

/// The walk through `model:`.
pub(super) struct Mapping<'m, 's, 'a, 'b, 'f> {
    pub(super) fit: &'m mut Fit<'f>,
    pub(super) source: &'s SourceSchemas<'a>,
    pub(super) target: Option<FormTarget<'s, 'b>>,
    pub(super) names: Names<'s, 'a>,
    /// The fields to try, by name.
    pub(super) leaves: BTreeMap<String, Leaf<'b>>,
}

impl<'s, 'a, 'b> Mapping<'_, 's, 'a, 'b, '_> {
    /// Checks a group of the route against a group of B's form.
    pub(super) fn group(&mut self, group: &'s Group, field: &str, node: Option<&Node<'b>>) {
        let shape = match (&self.target, node) {
            (Some(target), Some(node)) => Some(target.form.shape(node)),
            _ => None,
        };
        let shape = shape.as_deref();
        for (name, written) in group {
            let field = format!("{field}.{name}");
            let (node, is_required) = match shape {
                Some(shape) => {
                    if let Some(node) = self.child(shape, &field, name) {
                        (Some(node), shape.required.contains(name.as_str()))
                    } else {
                        (None, false)
                    }
                }
                None => (None, false),
            };
            let is_required = is_required && self.is_validated();
            match written {
                RouteNode::Field(expression) => self.leaf(expression, &field, node, is_required),
                RouteNode::Group(group) => {
                    let node = node.filter(|node| self.is_single_group(&field, node));
                    self.group(group, &field, node.as_ref());
                }
                RouteNode::Repeat { name, list, group } => {
                    self.repeat(name, list, group, &field, node, is_required);
                }
            }
        }
        if let Some(shape) = shape {
            self.order(group, field, shape);
            self.required(group, field, shape);
        }
    }

    fn is_validated(&self) -> bool {
        self.target.is_some_and(|target| target.is_validated)
    }

    /// The place in B's form of a field of the route.
    fn child(&mut self, shape: &Shape<'b>, field: &str, name: &str) -> Option<Node<'b>> {
        if let Some(node) = shape.field(name) {
            return Some(node.clone());
        }
        if shape.is_closed() && shape.remote.is_empty() && shape.broken.is_empty() {
            let b = &self.fit.route().to.app;
            let group = field
                .strip_suffix(name)
                .unwrap_or(field)
                .trim_end_matches('.');
            let group = match group.strip_prefix("model.") {
                Some(group) => format!("`{group}`"),
                None => "it".into(),
            };
            let finding = self
                .fit
                .error(
                    "target-path",
                    field,
                    format!("the form of {b} has no field `{name}`, and would drop it silently"),
                )
                .at(self.fit.subject.places.key(field))
                .help(format!("{group} has {}", known(shape.names())))
                .suggest(nearest(name, shape.names()));
            self.fit.push(finding);
        }
        None
    }

    /// Whether B's field is a group, as the route writes it.
    fn is_single_group(&mut self, field: &str, node: &Node<'b>) -> bool {
        let Some(target) = self.target else {
            return false;
        };
        let shape = target.form.shape(node);
        let finding = if shape.is_list() {
            self.fit
                .error(
                    "repeating",
                    field,
                    format!("{field} is a repeating group in B, and one group here"),
                )
                .label("one group")
                .help("begin it with `$each: item in …`, the list whose items fill it")
        } else if shape.is_scalar() {
            self.fit
                .error(
                    "type",
                    field,
                    format!(
                        "{field} is a group here, and B's field takes {}",
                        shape.words()
                    ),
                )
                .label("a group")
        } else {
            return true;
        };
        let finding = finding.at(self.fit.subject.places.key(field));
        self.fit.push(finding);
        false
    }

    fn repeat(
        &mut self,
        name: &str,
        list: &'s Expression,
        group: &'s Group,
        field: &str,
        node: Option<Node<'b>>,
        is_required: bool,
    ) {
        let each = format!("{field}.$each");
        let place = self.list(list, &each);
        let mut item = None;
        if let (Some(target), Some(node)) = (self.target, &node) {
            let shape = target.form.shape(node);
            if shape.is_group() || shape.is_scalar() {
                let finding = self
                    .fit
                    .error(
                        "repeating",
                        field,
                        format!(
                            "{field} repeats here, and B's field takes {}",
                            shape.words()
                        ),
                    )
                    .at(self.fit.subject.places.key(field))
                    .label("repeats")
                    .help("take one item of the list instead, such as `(… | first).name`");
                self.fit.push(finding);
            } else {
                item = shape.items.clone();
                let theirs = place
                    .as_ref()
                    .filter(|_| reading::path(list, self.locals()).is_some());
                if let (Some(most), Some(theirs)) = (shape.limits.max_items, theirs)
                    && theirs
                        .shape()
                        .limits
                        .max_items
                        .is_none_or(|many| many > most)
                {
                    self.misfit(&each, list, too_many(theirs.shape().limits.max_items, most));
                }
            }
        }
        let leaf = Leaf {
            node: None,
            is_required,
            is_exhausted: false,
            is_path: false,
        };
        self.leaves.insert(each, leaf);
        self.names
            .push((name.to_owned(), place.as_ref().and_then(Place::item)));
        self.group(group, field, item.as_ref());
        self.names.pop();
    }

    /// Checks the list of an `each`, and returns its place in A's data.
    pub(super) fn list(&mut self, list: &'s Expression, field: &str) -> Option<Place<'s, 'a>> {
        if self.paths(list, field) {
            return None;
        }
        let path = reading::list(list, self.locals())?;
        let Lead::To(place) = self.source.follow(path, &self.names) else {
            return None;
        };
        let shape = place.shape();
        if !shape.kinds.is_empty() && !shape.kinds.contains(&Kind::List) {
            let finding = self
                .fit
                .error(
                    "no-list",
                    field,
                    format!("`{path}` is {} in A, and no list", shape.words()),
                )
                .at(self.fit.subject.places.word(field, path))
                .label(shape.words());
            self.fit.push(finding);
            return None;
        }
        Some(place)
    }

    /// Checks all paths of an expression, and returns whether any is wrong.
    pub(super) fn paths(&mut self, expression: &Expression, field: &str) -> bool {
        let mut is_wrong = false;
        for data_type in expression.data_types() {
            let is_told_below = expression.paths().any(|path| {
                path.strip_prefix("data.")
                    .is_some_and(|rest| rest.split('.').next() == Some(data_type))
            });
            if let Some((code, message, help, suggestion)) = self.source.data_type(data_type)
                && !is_told_below
            {
                is_wrong = true;
                let mut finding = self
                    .fit
                    .error(code, field, message)
                    .at(self.fit.subject.places.word(field, data_type))
                    .suggest(suggestion);
                finding.help.extend(help);
                self.fit.push(finding);
            }
        }
        for path in expression.paths() {
            let Lead::Nowhere(mistake) = self.source.follow(path, &self.names) else {
                continue;
            };
            is_wrong = true;
            // Two paths into the same wrong group are one mistake.
            let Mistake {
                code,
                piece,
                message,
                help,
                suggestion,
            } = mistake;
            let mut finding = if reading::has_default(expression) && code == "source-path" {
                self.fit
                    .warning(code, field, message)
                    .help("what the expression says for an empty field is taken for every instance")
            } else {
                self.fit.error(code, field, message)
            };
            finding = finding
                .at(self.fit.piece(field, path, piece))
                .suggest(suggestion);
            finding.help.extend(help);
            if !self.fit.found.contains(&finding) {
                self.fit.push(finding);
            }
        }
        is_wrong
    }

    fn leaf(
        &mut self,
        expression: &'s Expression,
        field: &str,
        node: Option<Node<'b>>,
        is_required: bool,
    ) {
        if self.paths(expression, field) {
            return;
        }
        if reading::is_constant(expression, self.locals()) {
            self.constant(expression, field, node.as_ref(), is_required);
            return;
        }
        let path = reading::path(expression, self.locals());
        let lead = path.map(|path| (path, self.source.follow(path, &self.names)));
        let mut is_path = false;
        if let Some((path, Lead::To(place))) = lead {
            is_path = true;
            self.path(path, &place, expression, field, node.as_ref(), is_required);
        }
        let is_exhausted = self.is_exhausted(expression);
        let leaf = Leaf {
            node,
            is_required,
            is_exhausted,
            is_path,
        };
        self.leaves.insert(field.to_owned(), leaf);
    }

    /// Whether everything that an expression reads has a short list of possible values.
    fn is_exhausted(&self, expression: &Expression) -> bool {
        let is_below = |name: &str, path: &str| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let bare = expression
            .names()
            .filter(|name| !expression.paths().any(|path| is_below(name, path)));
        expression
            .paths()
            .chain(bare)
            .all(|path| match self.source.follow(path, &self.names) {
                Lead::To(place) => {
                    let shape = place.shape();
                    let is_flag = !shape.kinds.is_empty()
                        && shape.kinds.iter().all(|kind| *kind == Kind::Boolean);
                    is_flag || shape.limits.admitted.is_some()
                }
                _ => false,
            })
    }

    /// A field that has the same value in every B.
    fn constant(
        &mut self,
        expression: &Expression,
        field: &str,
        node: Option<&Node<'b>>,
        is_required: bool,
    ) {
        match expression.evaluate(&Scope::default()) {
            Ok(Some(value)) => {
                let misfit = match (self.target, node) {
                    (Some(target), Some(node)) => target.refuses(node, &value),
                    _ => None,
                };
                if let Some(misfit) = misfit {
                    // Inside the quotes, so that the suggestion keeps them.
                    let word = value.as_str().filter(|_| misfit.suggestion.is_some());
                    let place = word.map(|word| self.fit.subject.places.word(field, word));
                    self.misfit(field, expression, misfit);
                    if let (Some(place), Some(finding)) = (place, self.fit.found.last_mut()) {
                        finding.place = place;
                    }
                }
            }
            Ok(None) if is_required => {
                let finding = self.fit.error(
                    "required",
                    field,
                    format!("{field} is always empty, and B requires it"),
                );
                self.fit.push(finding);
            }
            Ok(None) => {}
            Err(error) => {
                let finding = self.fit.error("evaluation", field, error.to_string());
                self.fit.push(finding);
            }
        }
    }

    /// A field whose value is that of one of A's fields.
    fn path(
        &mut self,
        path: &str,
        place: &Place<'s, 'a>,
        expression: &Expression,
        field: &str,
        node: Option<&Node<'b>>,
        is_required: bool,
    ) {
        if place.may_be_empty && !place.is_form_data {
            let finding = self
                .fit
                .warning(
                    "may-be-missing",
                    field,
                    format!("`{path}` is not in every instance, and no B is made of one without"),
                )
                .at(self.fit.subject.places.word(field, path))
                .help("say what then, such as `| default(none)`, which leaves the field out");
            self.fit.push(finding);
        } else if place.may_be_empty && is_required {
            let finding = self
                .fit
                .warning(
                    "may-be-empty",
                    field,
                    format!("`{path}` may be empty in A, and B requires this field"),
                )
                .at(self.fit.subject.places.word(field, path))
                .help(
                    "say what then, such as `| default('…')`, or require the field in A's schema",
                );
            self.fit.push(finding);
        }
        let (Some(target), Some(node)) = (self.target, node) else {
            return;
        };
        for misfit in target.misfits(place.form, &place.node, node) {
            self.misfit(field, expression, misfit);
        }
    }

    fn misfit(&mut self, field: &str, expression: &Expression, misfit: Misfit) {
        let source = expression.source().trim();
        let what = if misfit.below.is_empty() {
            format!("`{}` {}", shortened(source), misfit.what)
        } else {
            format!(
                "`{}` in `{}` {}",
                misfit.below,
                shortened(source),
                misfit.what
            )
        };
        let finding = match misfit.severity {
            Severity::Error => self.fit.error(misfit.code, field, what),
            Severity::Warning => self.fit.warning(misfit.code, field, what),
        };
        let mut finding = finding.suggest(misfit.suggestion);
        finding.help.extend(misfit.help);
        self.fit.push(finding);
    }

    /// Without a schema, B gets its elements in the order of the route.
    fn order(&mut self, group: &Group, field: &str, shape: &Shape<'b>) {
        if self.is_validated() || self.fit.is_prefill() {
            return;
        }
        let index = |name: &str| shape.names().position(|known| known == name);
        let mut last = None;
        let late = group.iter().find(|(name, _)| match (index(name), last) {
            (Some(index), Some(before)) if index < before => true,
            (index, _) => {
                last = index.or(last);
                false
            }
        });
        let Some((name, _)) = late else { return };
        let ordered = shape
            .names()
            .filter(|name| group.iter().any(|(written, _)| written == name));
        let field = format!("{field}.{name}");
        let finding = self
            .fit
            .error("order", &field, format!("`{name}` comes too late: B reads elements in the order of its schema, and drops this one silently"))
            .at(self.fit.subject.places.key(&field))
            .help(format!("the order is {}", quoted(ordered)))
            .help("or give B's schema in `to.schema`, which orders them");
        self.fit.push(finding);
    }

    /// A validated draft must have what B requires; otherwise somebody may fill it in later in B.
    fn required(&mut self, group: &Group, field: &str, shape: &Shape<'b>) {
        if !self.is_validated() || shape.unsure {
            return;
        }
        let lacking: Vec<&str> = shape
            .names()
            .filter(|name| {
                shape.required.contains(name) && !group.iter().any(|(written, _)| written == name)
            })
            .collect();
        if lacking.is_empty() {
            return;
        }
        let which = field
            .strip_prefix("model.")
            .map_or("B's form".into(), |group| format!("`{group}` of B's form"));
        let finding = self
            .fit
            .error(
                "required",
                field,
                format!(
                    "{which} requires {}, which the route does not fill",
                    quoted(lacking.into_iter())
                ),
            )
            .at(self.fit.subject.places.key(field));
        self.fit.push(finding);
    }

    fn locals(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }
}

/// The text of an expression as a message shows it.
pub(super) fn shortened(source: &str) -> String {
    const MOST: usize = 60;
    if source.chars().count() <= MOST {
        return source.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let start: String = source.chars().take(MOST).collect();
    format!("{start}…")
}
