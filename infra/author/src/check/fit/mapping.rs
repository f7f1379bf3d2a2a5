//! Compares the route's `model:` with B's form field by field, as far as no data is needed.

use stafett_core::{
    language::{
        Doubt, DoubtKind, Expr, Expression, Fact, Kind as Syntax, Problem, Scope, Surroundings,
        foreign_letter,
        types::{Kind, Type},
    },
    route::model::{Group, Node as RouteNode},
    schema::{
        Schema,
        shape::{Node, Shape},
    },
};

use super::{
    Fit,
    compat::{FormTarget, has_no_element, may_be_left_out, too_few, too_many},
    misfit::Misfit,
    source_schemas::SourceSchemas,
};
use crate::{
    check::words::{known, nearest, quoted},
    finding::{Finding, Place, Severity},
};

/// The walk through `model:`.
pub(super) struct Mapping<'m, 's, 'a, 'b, 'f> {
    pub(super) fit: &'m mut Fit<'f>,
    pub(super) source: &'s SourceSchemas<'a>,
    /// What a message adds to "B's form": nothing, or the name of a further form.
    pub(super) form: String,
    pub(super) target: Option<FormTarget<'s, 'b>>,
    /// The schema of B's form as B's app serves it.
    pub(super) served: Option<&'s Schema>,
    /// What the expressions see at this place.
    pub(super) around: Surroundings<'s, 'a>,
}

impl<'s, 'a, 'b> Mapping<'_, 's, 'a, 'b, '_> {
    /// Checks a group of the route against a group of B's form. Returns whether some field of it is never empty.
    pub(super) fn group(&mut self, group: &'s Group, field: &str, node: Option<&Node<'b>>) -> bool {
        let mut is_filled = false;
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
            let is_required = is_required && self.is_complete();
            is_filled |= match written {
                RouteNode::Field(expression) => self.leaf(expression, &field, node, is_required),
                RouteNode::Group(group) => {
                    let node = node.filter(|node| self.is_single_group(&field, node));
                    let is_filled = self.group(group, &field, node.as_ref());
                    if is_required && !is_filled {
                        self.left_out(&field);
                    }
                    is_filled
                }
                RouteNode::Repeat { name, list, group } => {
                    self.repeat(name, list, group, &field, node, is_required)
                }
            };
        }
        if let Some(shape) = shape {
            self.required(group, field, shape);
        }
        is_filled
    }

    /// Tells a required group of B of which every field may be empty.
    fn left_out(&mut self, field: &str) {
        let message = format!(
            "every field of {field} may be empty; B gets no such group then, and requires it"
        );
        let finding = self
            .fit
            .warning("may-be-empty", field, message)
            .at(self.fit.subject.places.key(field))
            .help("say for one of its fields what then, such as `| default('…')`");
        self.fit.push(finding);
    }

    fn is_complete(&self) -> bool {
        self.target.is_some_and(|target| target.is_complete)
    }

    fn is_fixed(&self, shape: &Shape<'b>, name: &str) -> bool {
        let field = self.target.zip(shape.field(name));
        field.is_some_and(|(target, node)| target.form.shape(node).is_fixed)
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
            let group = match below_model(group) {
                Some(group) => format!("`{group}`"),
                None => "it".into(),
            };
            let finding = self
                .fit
                .error(
                    "target-path",
                    field,
                    format!(
                        "the form{} of {b} has no field `{name}`, and would drop it silently",
                        self.form
                    ),
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
    ) -> bool {
        let each = format!("{field}.$each");
        let (items, facts) = self.list(name, list, &each);
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
                self.count(&items, &shape, list, &each, is_required);
            }
        }
        let before = (self.around.names.len(), self.around.facts.len());
        let of_item = items.item().unwrap_or_else(Type::unknown);
        self.around.names.push((name.to_owned(), of_item));
        self.around.facts.extend(facts);
        self.group(group, field, item.as_ref());
        self.around.names.truncate(before.0);
        self.around.facts.truncate(before.1);
        fewest(&items) > 0
    }

    /// Checks how many items a list has against how many B takes.
    fn count(
        &mut self,
        items: &Type<'s, 'a>,
        shape: &Shape<'b>,
        list: &Expression,
        each: &str,
        is_required: bool,
    ) {
        let counts = items.known().find_map(|kind| match kind {
            Kind::List { least, most, .. } => Some((*least, *most)),
            _ => None,
        });
        let Some((least, most)) = counts else { return };
        if let Some(limit) = shape.limits.max_items
            && most.is_none_or(|many| many > limit)
        {
            self.misfit(each, list, too_many(most, limit));
        }
        // An empty list is left out.
        if let Some(limit) = shape.limits.min_items
            && self.is_complete()
            && least.max(1) < limit
        {
            self.misfit(each, list, too_few(least.max(1), limit));
        }
        // Without items, B gets no such element at all.
        if is_required && least == 0 {
            let message = format!(
                "`{}` may be empty, and B requires this field",
                shortened(list.text())
            );
            let finding = self.fit.warning("may-be-empty", each, message);
            self.fit
                .push(finding.help("say what then, such as `| default([…])`"));
        }
    }

    /// Checks the list of an `each` whose items are called `name`: its type, and what holds for its items.
    pub(super) fn list(
        &mut self,
        name: &str,
        list: &'s Expression,
        field: &str,
    ) -> (Type<'s, 'a>, Vec<Fact>) {
        let (items, facts, doubts) = list.infer_items(name, &self.around);
        for doubt in doubts {
            let is_no_list = doubt.place == list.tree().span;
            if let DoubtKind::Unsuitable {
                piece,
                problem:
                    Problem::Type {
                        is,
                        wanted: "a list",
                    },
            } = &doubt.kind
                && is_no_list
            {
                let message = format!("`{piece}` is {is} in A, and no list");
                let finding = self.fit.error("no-list", field, message);
                let finding = finding
                    .at(self.fit.subject.places.within(field, doubt.place))
                    .label(*is);
                self.fit.push(finding);
            } else {
                self.doubt(field, list, doubt);
            }
        }
        (items, facts)
    }

    /// Infers the type of an expression, and tells all that may go wrong with it. Returns whether nothing goes wrong for
    /// certain.
    pub(super) fn infer(&mut self, expression: &Expression, field: &str) -> (Type<'s, 'a>, bool) {
        let (inferred, doubts) = expression.infer(&self.around);
        let is_sound = !doubts.iter().any(|doubt| doubt.is_certain);
        for doubt in doubts {
            self.doubt(field, expression, doubt);
        }
        (inferred, is_sound)
    }

    /// Tells a doubt about a piece of an expression.
    fn doubt(&mut self, field: &str, expression: &Expression, doubt: Doubt) {
        let Doubt {
            place,
            is_certain,
            kind,
        } = doubt;
        let place = self.fit.subject.places.within(field, place);
        let finding = match kind {
            DoubtKind::NoField {
                of,
                piece,
                name,
                known: fields,
            } => {
                let root = of.as_ref().map(|of| of.root());
                if root == Some("data")
                    && of.as_ref().is_some_and(|of| of.fields().next().is_none())
                {
                    self.no_data_type(field, &name)
                } else {
                    let whose = match (root, self.source.app()) {
                        (Some("instance"), _) => "an instance, as Storage gives it,".to_owned(),
                        (_, Some(app)) => format!("the schema of {app}"),
                        _ => "A".to_owned(),
                    };
                    let message = format!("{whose} has no field `{name}` in `{piece}`");
                    let names = || fields.iter().map(String::as_str);
                    let finding = if says_what_then(expression) {
                        let help = "what the expression says for an empty field is taken for every instance";
                        self.fit.warning("source-path", field, message).help(help)
                    } else {
                        self.fit.error("source-path", field, message)
                    };
                    let finding = finding.help(format!("`{piece}` has {}", known(names())));
                    let mut minuend = name.match_indices('-').map(|(at, _)| name.split_at(at));
                    let minuend = minuend.rfind(|(start, _)| names().any(|it| it == *start));
                    match (foreign_letter(&name), minuend) {
                        (Some(letter), _) => finding.help(letter),
                        (None, Some((start, rest))) => {
                            let rest = rest.trim_start_matches('-');
                            return self.push_at(
                                finding.help(format!(
                                    "`{name}` is one name; subtraction has blanks around it: `{start} - {rest}`"
                                )),
                                place,
                            );
                        }
                        (None, None) => finding,
                    }
                    .suggest(nearest(&name, names()))
                }
            }
            DoubtKind::NoGroup {
                piece,
                name,
                is_list: true,
                ..
            } => {
                let message = format!("`{piece}` is a list, and has no field `{name}` itself");
                self.fit.error("in-a-list", field, message).help(format!(
                    "take its items one by one, `$each: item in {piece}`, or one of them, `({piece} | first).{name}`"
                ))
            }
            DoubtKind::NoGroup {
                piece, is, name, ..
            } => {
                let message = format!("`{piece}` is {is}, and has no field `{name}`");
                self.fit.error("source-path", field, message)
            }
            DoubtKind::Empty { piece } if is_certain => {
                let message =
                    format!("`{piece}` is empty in every instance, and no B is made then");
                self.fit
                    .error("may-be-empty", field, message)
                    .help(SAY_WHAT_THEN)
            }
            DoubtKind::Empty { piece } => {
                let message = format!("`{piece}` may be empty in A, and no B is made then");
                self.fit
                    .warning("may-be-empty", field, message)
                    .help(SAY_WHAT_THEN)
            }
            DoubtKind::Unsuitable { piece, problem } => {
                let message = format!("`{}` {problem}", shortened(&piece));
                if is_certain {
                    self.fit.error("evaluation", field, message)
                } else {
                    let message = format!("depends on A's data: {message}");
                    let help = "no B is made of an instance for which it fails";
                    self.fit.warning("evaluation", field, message).help(help)
                }
            }
            DoubtKind::DayByUtc { piece, has_offset } => {
                let message = if has_offset {
                    format!(
                        "`{piece}` is written by UTC: until one or two o'clock at night the day in it is the one before Norway's"
                    )
                } else {
                    format!(
                        "A's app turns an offset in `{piece}` to UTC: the day in it may be another than the one filled in"
                    )
                };
                let mut help = format!("write `{piece} | norwegian_day`: the day in Norway");
                if !has_offset {
                    help.push_str(
                        "; it wants an offset, and where A's values have none, accept `utc-day`",
                    );
                }
                self.fit.warning("utc-day", field, message).help(help)
            }
            DoubtKind::NeverEqual { left, right } => {
                let message =
                    format!("{left} is compared with {right}, and they are never the same");
                let help = "compare values of one type: `| string` makes a text of a number, `| number` a number of a text";
                self.fit.warning("never-equal", field, message).help(help)
            }
        };
        self.push_at(finding, place);
    }

    /// Adds a finding. Two paths into the same wrong group are one mistake.
    fn push_at(&mut self, finding: Finding, place: Option<Place>) {
        let finding = finding.at(place);
        if !self.fit.found.contains(&finding) {
            self.fit.push(finding);
        }
    }

    /// A has no form of a data type.
    fn no_data_type(&self, field: &str, data_type: &str) -> Finding {
        match self.source.data_type(data_type) {
            Some((code, message, help, suggestion)) => {
                let mut finding = self.fit.error(code, field, message).suggest(suggestion);
                finding.help.extend(help);
                finding
            }
            None => self.fit.error(
                "data-type",
                field,
                format!("A has no data type `{data_type}`"),
            ),
        }
    }

    fn leaf(
        &mut self,
        expression: &'s Expression,
        field: &str,
        node: Option<Node<'b>>,
        is_required: bool,
    ) -> bool {
        let (inferred, is_sound) = self.infer(expression, field);
        if !is_sound {
            return true;
        }
        if expression.is_constant() {
            let is_filled = self.constant(expression, field, node.as_ref(), is_required);
            self.flat(expression, field, &inferred);
            return is_filled;
        }
        self.flat(expression, field, &inferred);
        self.emptiness(&inferred, expression, field, is_required);
        if let (Some(target), Some(node)) = (self.target, &node) {
            for misfit in target.misfits(&inferred, node) {
                self.misfit(field, expression, misfit);
            }
        }
        !may_be_left_out(&inferred)
    }

    /// Tells a required field of B that may stay empty.
    fn emptiness(
        &mut self,
        inferred: &Type<'s, 'a>,
        expression: &Expression,
        field: &str,
        is_required: bool,
    ) {
        if !is_required || !may_be_left_out(inferred) {
            return;
        }
        let text = shortened(expression.text());
        let is_always = inferred.kinds.as_ref().is_some_and(Vec::is_empty);
        let finding = if is_always {
            let message = format!("`{text}` is always empty, and B requires this field");
            self.fit.error("required", field, message)
        } else if expression.tree().path().is_some() {
            let message = format!("`{text}` may be empty in A, and B requires this field");
            self.fit
                .warning("may-be-empty", field, message)
                .help(SAY_WHAT_THEN)
        } else {
            let message = format!("`{text}` may be empty, and B requires this field");
            let help = "say what then, such as `| default('…')`";
            self.fit.warning("may-be-empty", field, message).help(help)
        };
        let place = self
            .fit
            .subject
            .places
            .within(field, expression.tree().span.clone());
        self.fit.push(finding.at(place));
    }

    /// A field that has the same value in every B. Returns whether it has one.
    fn constant(
        &mut self,
        expression: &Expression,
        field: &str,
        node: Option<&Node<'b>>,
        is_required: bool,
    ) -> bool {
        let nothing = Scope::default();
        let value = expression.evaluate(&nothing);
        let is_filled = match &value {
            Ok(value) => !value.as_ref().is_none_or(has_no_element),
            Err(_) => true,
        };
        match value {
            Ok(Some(value)) if is_filled || !is_required => {
                let misfit = match (self.target, node) {
                    (Some(target), Some(node)) => target.refuses(node, &value),
                    _ => None,
                };
                if let Some(misfit) = misfit {
                    // Inside the quotes, so that the suggestion keeps them.
                    let is_text = matches!(expression.tree().kind, Syntax::Text(_));
                    let place = (is_text && misfit.suggestion.is_some()).then(|| {
                        let span = &expression.tree().span;
                        let inside = span.start + 1..span.end.saturating_sub(1);
                        self.fit.subject.places.within(field, inside)
                    });
                    self.misfit(field, expression, misfit);
                    if let (Some(place), Some(finding)) = (place, self.fit.found.last_mut()) {
                        finding.place = place;
                    }
                }
            }
            Ok(_) if is_required => {
                let finding = self.fit.error(
                    "required",
                    field,
                    format!("{field} is always empty, and B requires it"),
                );
                self.fit.push(finding);
            }
            Ok(_) => {}
            Err(error) => {
                let finding = self.fit.error("evaluation", field, error.to_string());
                self.fit.push(finding);
            }
        }
        is_filled
    }

    fn misfit(&mut self, field: &str, expression: &Expression, misfit: Misfit) {
        let subject = misfit.subject(&shortened(expression.text()));
        let what = format!("{subject} {}", misfit.what);
        let finding = match misfit.severity {
            Severity::Error => self.fit.error(misfit.code, field, what),
            Severity::Warning => self.fit.warning(misfit.code, field, what),
        };
        let way_out = misfit.way_out();
        let mut finding = finding.suggest(misfit.suggestion);
        finding.help.extend(way_out);
        self.fit.push(finding);
    }

    /// A complete B must have what it requires; otherwise a person fills it in. What B's class sets itself is never lacking.
    fn required(&mut self, group: &Group, field: &str, shape: &Shape<'b>) {
        // A field that B does not have may be the required one, misspelt.
        let is_known = |(name, _): &(String, RouteNode)| shape.field(name).is_some();
        if !self.is_validated() || shape.unsure || !group.iter().all(is_known) {
            return;
        }
        let lacking: Vec<&str> = shape
            .names()
            .filter(|name| {
                shape.required.contains(name)
                    && !group.iter().any(|(written, _)| written == name)
                    && !self.is_fixed(shape, name)
            })
            .collect();
        if lacking.is_empty() {
            return;
        }
        let form = format!("B's form{}", self.form);
        let which = match below_model(field) {
            Some(group) => format!("`{group}` of {form}"),
            None => form,
        };
        if !self.is_complete() {
            let name = &self.fit.route().name;
            let note = format!(
                "{name}: {which} requires {}, which the route does not fill: a person does so in B; if none does, say \
                 `complete: true` in `to:`",
                quoted(lacking.into_iter())
            );
            self.fit.notes.push(note);
            return;
        }
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
}

/// A group without the field of the route that describes its form; `None` for the form itself.
fn below_model(field: &str) -> Option<&str> {
    let further = field.strip_prefix("to.forms.");
    match further.and_then(|further| further.split_once(".model")) {
        Some((_, below)) => below.strip_prefix('.'),
        None => field.strip_prefix("model."),
    }
}

/// The fewest items of a list; 0 where nothing is known of it.
fn fewest(items: &Type<'_, '_>) -> u64 {
    let of = |kind: &Kind<'_, '_>| match kind {
        Kind::List { least, .. } => *least,
        _ => 0,
    };
    items.known().map(of).min().unwrap_or(0)
}

/// What to do about a field that may be empty.
const SAY_WHAT_THEN: &str =
    "say what then, such as `| default('…')`, or require the field in A's schema";

/// Whether an expression says what to do if a field is empty.
fn says_what_then(expression: &Expression) -> bool {
    fn says(expr: &Expr) -> bool {
        let itself = match &expr.kind {
            Syntax::Choice { .. } | Syntax::Test { .. } => true,
            Syntax::Filter { filter, .. } => matches!(filter.name, "default" | "d"),
            _ => false,
        };
        itself || expr.children().into_iter().any(says)
    }
    says(expression.tree())
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
