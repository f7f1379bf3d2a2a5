//! Finds what a route may say but hardly means.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::Value;
use stafett_core::{
    language::{Expression, Scope},
    route::{
        OwnerRule,
        model::{self, Node},
    },
};

use crate::finding::Finding;
use crate::located_route::LocatedRoute;

/// At most this many findings are reported for one route.
const MAX_FINDINGS: usize = 100;

/// What is doubtful in a route that loads.
pub(super) fn findings(subject: &LocatedRoute<'_>, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    since(subject, now, &mut found);
    due(subject, now, &mut found);
    itself(subject, &mut found);
    owner(subject, &mut found);
    fan_out(subject, &mut found);
    attachments(subject, &mut found);
    for form in subject.route.to.forms.iter() {
        let model = form.says("model");
        if form.model.is_empty() {
            found.push(
                warning(
                    subject,
                    "empty-model",
                    &model,
                    "the form of B would be empty",
                )
                .help("name the fields of B's form, each with an expression"),
            );
        }
        group(subject, &form.model, &model, &mut found);
    }
    found
}

fn warning(
    subject: &LocatedRoute<'_>,
    code: &'static str,
    field: &str,
    message: impl Into<String>,
) -> Finding {
    Finding::warning(code, subject.file, message)
        .field(field)
        .at(subject.places.value(field))
}

/// A `since` so far ahead that it is probably a typing error.
fn since(subject: &LocatedRoute<'_>, now: Timestamp, found: &mut Vec<Finding>) {
    let Some(since) = subject.route.since else {
        return;
    };
    let today = now.to_zoned(TimeZone::UTC);
    let soon = today
        .checked_add(60.days())
        .map_or(now, |it| it.timestamp());
    if since > soon {
        let day = since.to_zoned(TimeZone::UTC).date();
        found.push(
            warning(
                subject,
                "since-ahead",
                "from.since",
                format!("nothing is relayed before {day}, which is far ahead"),
            )
            .help("`since` is the day before which no instance of A is relayed"),
        );
    }
}

/// A due date beyond the last date that can be represented.
fn due(subject: &LocatedRoute<'_>, now: Timestamp, found: &mut Vec<Finding>) {
    let Some(due) = subject.route.due else {
        return;
    };
    if now.to_zoned(TimeZone::UTC).checked_add(due).is_err() {
        found.push(
            Finding::error(
                "due",
                subject.file,
                "due: gives no date: no B could be made",
            )
            .field("due")
            .at(subject.places.value("due"))
            .help("write, for example, `due: P30D`"),
        );
    }
}

/// A route into its own app would relay the instances that it made.
fn itself(subject: &LocatedRoute<'_>, found: &mut Vec<Finding>) {
    let route = subject.route;
    if route.from == route.to.app {
        found.push(
            warning(
                subject,
                "own-app",
                "to.app",
                format!("{} relays into itself: each B is an A again", route.to.app),
            )
            .help("each B that reaches the gate gets a B of its own, without end"),
        );
    }
}

/// An owner that is the same for every B can be checked now.
fn owner(subject: &LocatedRoute<'_>, found: &mut Vec<Finding>) {
    let rule = &subject.route.to.owner;
    let Some(value) = constant(rule.expression()) else {
        return;
    };
    let digits = |text: &str, count: usize| {
        text.trim().len() == count && text.trim().bytes().all(|byte| byte.is_ascii_digit())
    };
    let (field, wanted, is_right, help) = match rule {
        OwnerRule::Organisation(_) => (
            "to.owner.organisation",
            "nine digits",
            match &value {
                Value::String(text) => digits(text, 9),
                Value::Number(number) => digits(&number.to_string(), 9),
                _ => false,
            },
            "such as \"'310075728'\", in quotes within quotes",
        ),
        OwnerRule::Person(_) => (
            "to.owner.person",
            "a text of eleven digits",
            // A number may have lost its leading zero.
            value.as_str().is_some_and(|text| digits(text, 11)),
            "read the number from A's data, such as `data.model.applicant.ssn`",
        ),
        OwnerRule::Party(_) => {
            let number = value
                .as_u64()
                .or_else(|| value.as_str()?.trim().parse().ok());
            (
                "to.owner.party",
                "a party id",
                number.is_some_and(|number| u32::try_from(number).is_ok()),
                "such as `instance.instanceOwner.partyId`",
            )
        }
    };
    if !is_right {
        found.push(
            Finding::error(
                "owner-number",
                subject.file,
                format!("{field}: not {wanted}: no B could be made"),
            )
            .field(field)
            .at(subject.places.value(field))
            .help(help),
        );
    } else if field == "to.owner.person" {
        found.push(
            warning(
                subject,
                "personal-data",
                field,
                "a person's national identity number stands in a route file",
            )
            .help(
                "route files lie in version control and on servers: read the number from A's data",
            ),
        );
    }
}

/// The value of an expression that reads nothing of A.
fn constant(expression: &Expression) -> Option<Value> {
    if !expression.is_constant() {
        return None;
    }
    expression.evaluate(&Scope::default()).ok().flatten()
}

/// A fan-out whose B are all the same.
fn fan_out(subject: &LocatedRoute<'_>, found: &mut Vec<Finding>) {
    let route = subject.route;
    let Some(each) = &route.each else { return };
    let reads = |expression: &Expression| expression.reads(&each.name);
    let mut forms = route.to.forms.iter();
    let in_model = forms.any(|form| model_reads(&form.model, &each.name));
    if !reads(&each.key) {
        found.push(
            Finding::error(
                "same-key",
                subject.file,
                format!("key: does not depend on `{}`: all values would have the same key", each.name),
            )
            .field("key")
            .at(subject.places.value("key"))
            .help(format!(
                "the key tells one value from another, such as `{}.id`: with one key there is one B",
                each.name
            )),
        );
    }
    if !in_model && !reads(route.to.owner.expression()) {
        found.push(
            warning(
                subject,
                "unused-each",
                "each",
                format!(
                    "neither owner nor model reads `{}`: every B would be the same",
                    each.name
                ),
            )
            .help(format!(
                "use `{}` in `to.owner` or in `model`, or leave `each` out",
                each.name
            )),
        );
    }
}

fn model_reads(group: &model::Group, name: &str) -> bool {
    let mut found = false;
    model::expressions(group, &mut |expression| {
        found |= expression.reads(name);
    });
    found
}

/// The same rule twice would send the same element twice.
fn attachments(subject: &LocatedRoute<'_>, found: &mut Vec<Finding>) {
    let rules = &subject.route.attachments;
    for (index, rule) in rules.iter().enumerate() {
        let same = |other: &&stafett_core::route::AttachmentRule| {
            other.from == rule.from
                && other.to == rule.to
                && other.tag == rule.tag
                && other.filename == rule.filename
        };
        if rules[..index].iter().any(|other| same(&other)) {
            found.push(
                warning(
                    subject,
                    "attachment-twice",
                    &format!("attachments[{index}].from"),
                    format!("`{}` goes to `{}` twice", rule.from, rule.to),
                )
                .help("B would get each of these elements twice: remove one of the two lines"),
            );
        }
    }
}

fn group(subject: &LocatedRoute<'_>, fields: &model::Group, path: &str, found: &mut Vec<Finding>) {
    for (name, node) in fields {
        if found.len() >= MAX_FINDINGS {
            return;
        }
        let field = format!("{path}.{name}");
        match node {
            Node::Field(expression) => quoted_path(subject, &field, expression, found),
            Node::Group(fields) => group(subject, fields, &field, found),
            Node::Repeat {
                name,
                group: fields,
                ..
            } => {
                if !model_reads(fields, name) {
                    let each = format!("{field}.$each");
                    found.push(
                        warning(
                            subject,
                            "unused-each",
                            &each,
                            format!("no field below reads `{name}`: every item would be the same"),
                        )
                        .help(format!("read the item's fields, such as `{name}.code`")),
                    );
                }
                group(subject, fields, &field, found);
            }
        }
    }
}

/// A path in quotes is a text, not a path.
fn quoted_path(
    subject: &LocatedRoute<'_>,
    field: &str,
    expression: &Expression,
    found: &mut Vec<Finding>,
) {
    let Some(Value::String(text)) = constant(expression) else {
        return;
    };
    let is_path = (text.starts_with("data.") || text.starts_with("instance."))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || "._".contains(c));
    if is_path {
        found.push(
            warning(
                subject,
                "quoted-path",
                field,
                format!("{field} would be the text “{text}”"),
            )
            .label("a text, as it stands in quotes")
            .help("without quotes it is read from A's data")
            .suggest(Some(text)),
        );
    }
}
