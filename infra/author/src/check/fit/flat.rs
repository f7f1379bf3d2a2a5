//! What `mode: prefill` carries of the route's values: flat texts, which B's app reads by rules of its own.

use serde_json::{Map, Value};
use stafett_core::{
    language::{
        Expression, Scope,
        types::{Kind, Type},
    },
    preflight::{Objection, lost_in_prefill},
};

use crate::finding::Finding;

use super::mapping::{Mapping, shortened};

const NOT_FLAT: &str = "`mode: prefill` carries texts, numbers and true/false only";

impl<'s, 'a> Mapping<'_, 's, 'a, '_, '_> {
    /// Tells what of an expression's value B would not get as it is.
    pub(super) fn flat(&mut self, expression: &Expression, field: &str, inferred: &Type<'s, 'a>) {
        let is_told = |finding: &Finding| finding.field.as_deref() == Some(field);
        if !self.fit.is_prefill() || self.fit.found.iter().any(is_told) {
            return;
        }
        let text = shortened(expression.text());
        if expression.is_constant() {
            let value = expression.evaluate(&Scope::default());
            let value = value.ok().flatten();
            let lost = value.map(|value| lost_in_prefill(&nested(field, value), self.served));
            for objection in lost.unwrap_or_default() {
                let (code, message) = match objection {
                    Objection::Prefill { problem, .. } => ("refused-prefill", problem),
                    _ => ("not-flat", NOT_FLAT),
                };
                let message = format!("`{text}` would not arrive as it is: {message}");
                let finding = self.fit.error(code, field, message);
                self.fit.push(finding);
            }
            return;
        }
        let is_list = |kind: &Kind<'_, '_>| matches!(kind, Kind::List { .. });
        let lists = inferred.known().filter(|kind| is_list(kind)).count();
        if lists == 0 {
            return;
        }
        let finding = if lists == inferred.known().count() {
            let message = format!("`{text}` is a list: {NOT_FLAT}");
            self.fit.error("not-flat", field, message)
        } else {
            let message = format!("`{text}` may be a list: {NOT_FLAT}");
            self.fit.warning("not-flat", field, message)
        };
        self.fit
            .push(finding.help("make one text of it, such as `| join(', ')`"));
    }
}

/// A form with this value alone, at the place of the route's `field`.
fn nested(field: &str, value: Value) -> Map<String, Value> {
    let path = field.strip_prefix("model.").unwrap_or(field);
    let mut names = path.rsplit('.');
    let last = names.next().unwrap_or_default();
    let form = Map::from_iter([(last.to_owned(), value)]);
    names.fold(form, |form, name| {
        Map::from_iter([(name.to_owned(), Value::Object(form))])
    })
}
