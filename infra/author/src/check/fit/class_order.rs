//! Compares the order in which the route's fields are sent with the order in which B's class reads them, where its C# is at hand.
//!
//! B drops the first element that comes too late for its class or that its class does not have, and all that follows it in the
//! same group (measured: tests/xmlserializer). The functions know B's schema only, whose order may be another one.

use app_files::{AppFiles, form::ReadClass};
use stafett_core::{
    metadata::DataType,
    route::{
        FormRule, Order,
        model::{Group, Node as RouteNode},
    },
    schema::shape::{FormSchema, Node},
};

use super::{Fit, target::TargetForm};
use crate::check::words::{nearest, quoted};

/// Groups within groups; a class may contain itself.
const MAX_DEPTH: usize = 20;

/// Checks the route's groups, and those that its expressions make.
pub(super) fn check(fit: &mut Fit<'_>, b: &AppFiles, form: &TargetForm<'_>, data_type: &DataType) {
    if fit.is_prefill() {
        return;
    }
    let Some(class) = b.csharp.read_class(data_type.class_name()) else {
        return;
    };
    let schema = form.schema.as_ref();
    let mut walk = Walk {
        fit,
        class: &class,
        rule: form.rule,
        schema,
        path: Vec::new(),
    };
    let model = form.rule.says("model");
    walk.group(&form.rule.model, &model, schema.map(FormSchema::root));
}

struct Walk<'w, 'f, 'a> {
    fit: &'w mut Fit<'f>,
    class: &'w ReadClass,
    rule: &'w FormRule,
    schema: Option<&'w FormSchema<'a>>,
    /// The names of the groups around.
    path: Vec<&'w str>,
}

impl<'w, 'a> Walk<'w, '_, 'a> {
    /// Checks a group that the route lists.
    fn group(&mut self, group: &'w Group, field: &str, node: Option<Node<'a>>) {
        let written: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
        self.compare(&written, field, node.as_ref());
        for (name, below) in group {
            let field = format!("{field}.{name}");
            let node = self.child(node.as_ref(), name);
            self.path.push(name);
            match below {
                RouteNode::Group(group) | RouteNode::Repeat { group, .. } => {
                    self.group(group, &field, node);
                }
                RouteNode::Field(_) => self.made(&field, node),
            }
            self.path.pop();
        }
    }

    /// Checks a group that an expression may make, which may have any of the schema's fields.
    fn made(&mut self, field: &str, node: Option<Node<'a>>) {
        let Some((schema, node)) = self.schema.zip(node) else {
            return;
        };
        let names: Vec<&'a str> = schema.shape(&node).names().collect();
        if names.is_empty() || self.path.len() > MAX_DEPTH {
            return;
        }
        self.compare(&names, field, Some(&node));
    }

    /// A field of a group, or of the items of a list.
    fn child(&self, node: Option<&Node<'a>>, name: &str) -> Option<Node<'a>> {
        let (schema, node) = self.schema.zip(node)?;
        let child = schema.shape(node).field(name)?.clone();
        let items = schema.shape(&child).items.clone();
        Some(items.unwrap_or(child))
    }

    /// Compares the order in which `written` is sent with that of the class.
    fn compare(&mut self, written: &[&str], field: &str, node: Option<&Node<'a>>) {
        let Some(class) = self.class.group(&self.path) else {
            return;
        };
        let is_known = |name: &&str| class.elements.contains(name) || class.others.contains(name);
        for name in written.iter().filter(|name| !is_known(name)) {
            let names = class.elements.iter().copied();
            let field = format!("{field}.{name}");
            let finding = self
                .fit
                .error(
                    "class-field",
                    &field,
                    format!("B's class has no element `{name}`: B would drop it, and all that follows it, without a word"),
                )
                .at(self.fit.subject.places.key(&field))
                .suggest(nearest(name, names.clone()))
                .help(format!("the class has {}", quoted(names)));
            self.fit.push(finding);
        }
        let order = self.rule.order;
        let sent: Vec<&str> = match (order, self.schema.zip(node)) {
            (Order::Schema, Some((schema, node))) => {
                let shape = schema.shape(node);
                let names = shape.names().filter(|name| written.contains(name));
                names.collect()
            }
            _ => written.to_vec(),
        };
        let sent: Vec<&str> = sent
            .into_iter()
            .filter(|name| class.elements.contains(name))
            .collect();
        let read: Vec<&str> = class
            .elements
            .into_iter()
            .filter(|name| sent.contains(name))
            .collect();
        let Some((late, _)) = sent.iter().zip(&read).find(|(sent, read)| sent != read) else {
            return;
        };
        if !class.is_ordered {
            return;
        }
        let told = match order {
            Order::Schema => format!(
                "`{late}` would be sent too early: the order of B's schema is not that of its class, and B would drop what its class expects before it, without a word"
            ),
            Order::Route => format!(
                "`{late}` comes too early: B would drop what its class expects before it, without a word"
            ),
        };
        let mut finding = self.fit.error("class-order", field, told);
        finding = finding.at(self.fit.subject.places.key(field));
        if order == Order::Schema {
            let field = self.rule.says("order");
            let group = field.trim_end_matches(".order");
            finding = finding.help(format!(
                "write `order: route` under `{group}:`, which sends the fields as the route lists them"
            ));
        }
        finding = finding.help(format!(
            "list the fields as the class reads them: {}",
            quoted(read.into_iter())
        ));
        self.fit.push(finding);
    }
}
