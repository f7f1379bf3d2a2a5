//! What one version of a route makes of one A instance, in a form that can be compared.

use serde_json::{Map, Value, json};
use stafett_core::{
    draft::Attachment,
    preflight::Objection,
    prepare::{self, InstanceData, Obstacle, Share},
    route::{Mode, Route},
    transform::{self, TransformError},
};

use super::Version;
use crate::{fields::of_any_item, judge::Judged, words};

/// What a route makes of an A instance.
pub(super) enum Made {
    /// The route starts at another app.
    OfAnotherApp,
    /// The gate is not open.
    Closed,
    /// No B at all, because of this.
    Nothing(String),
    /// One part per relay.
    Parts(Vec<Part>),
}

/// What a route makes of one relay.
pub(super) struct Part {
    pub(super) key: Option<String>,
    /// B, or why there is none.
    pub(super) b: Result<B, String>,
}

/// B as it would be asked for.
pub(super) struct B {
    /// Everything but the order, by dotted field; every single value of the form.
    pub(super) fields: Map<String, Value>,
    /// Its forms, the main one first.
    pub(super) forms: Vec<Form>,
}

/// A form of B as it would be asked for.
pub(super) struct Form {
    /// The field of the route that describes it: `model`.
    pub(super) field: String,
    /// The form as it is sent.
    pub(super) sent: String,
    /// The names of its elements, in the order in which they are sent.
    pub(super) order: String,
}

impl Made {
    pub(super) fn of(version: Version<'_>, source: &InstanceData) -> Self {
        let route = version.route;
        let shares = match prepare::prepare(route, source, version.b) {
            Ok(prepared) => prepared.shares,
            Err(Obstacle::OtherApp { .. }) => return Self::OfAnotherApp,
            Err(Obstacle::GateClosed) => return Self::Closed,
            Err(obstacle) => return Self::Nothing(failed(obstacle)),
        };
        let part = |share: Share| {
            let id = transform::relay_id(route, source.instance.id, share.key.as_deref());
            let judged = Judged::of(share.b, &route.to, version.b).map_err(failed);
            let b = judged.and_then(|judged| {
                if judged.objections.is_empty() {
                    Ok(B::of(route, id.to_string(), judged))
                } else {
                    Err(refused(&judged.objections))
                }
            });
            Part { key: share.key, b }
        };
        Self::Parts(shares.into_iter().map(part).collect())
    }
}

impl Form {
    /// Whether this is one of its fields.
    pub(super) fn has(&self, field: &str) -> bool {
        let below = field.strip_prefix(&self.field);
        below.is_some_and(|below| below.starts_with('.'))
    }

    /// The field of the route that names its root element.
    pub(super) fn root(&self) -> String {
        match self.field.strip_suffix(".model") {
            Some(form) => format!("{form}.root"),
            None => "to.root".to_owned(),
        }
    }
}

impl B {
    fn of(route: &Route, relay: String, judged: Judged) -> Self {
        let mut fields = Map::new();
        fields.insert("to.app".into(), route.to.app.to_string().into());
        let mode = match &route.to.mode {
            Mode::Complete => Value::Null,
            Mode::Prefill { stamp } => json!(format!("prefill, stamp {stamp}")),
        };
        let is_prefill = !mode.is_null();
        if is_prefill {
            fields.insert("to.mode".into(), mode);
        }
        for (rule, form) in route.to.forms.as_ref().zip(judged.forms.as_ref()) {
            if !is_prefill {
                fields.insert(rule.says("root"), rule.root.clone().into());
            }
            if let Some(data_type) = &form.data_type {
                fields.insert(rule.says_data_type(), data_type.clone().into());
            }
        }
        let draft = judged.draft;
        let (kind, number) = words::owner(&draft.owner);
        fields.insert(format!("owner.{kind}"), number.into());
        if let Some(due) = draft.due {
            fields.insert("due".into(), due.to_string().into());
        }
        fields.insert("stamp".into(), relay.into());
        let mut attachments: Map<String, Value> = Map::new();
        for attachment in &draft.attachments {
            let of_type = attachments
                .entry(format!("attachments.{}", attachment.data_type))
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(of_type) = of_type {
                of_type.push(element(attachment));
            }
        }
        fields.append(&mut attachments);
        let prefill = judged.prefill;
        let forms = route.to.forms.as_ref().zip(judged.forms).zip(draft.models);
        let forms = forms.into_iter().map(|((rule, form), model)| {
            let field = rule.says("model");
            let mut order = Vec::new();
            for (name, value) in &model {
                flatten(&format!("{field}.{name}"), value, &mut fields, &mut order);
            }
            let texts = || prefill.as_ref().map(Value::to_string);
            Form {
                field,
                sent: form
                    .xml
                    .or_else(texts)
                    .unwrap_or_else(|| Value::from(model).to_string()),
                order: order.join(" "),
            }
        });
        let forms = forms.collect();
        Self { fields, forms }
    }
}

/// Why there is no draft, in the same words for every item of a repeating group.
fn failed(obstacle: Obstacle) -> String {
    match obstacle {
        Obstacle::NoDraft(TransformError::Mapping { route, problem }) => format!(
            "route {route}: {}: {}",
            of_any_item(problem.field()),
            problem.problem()
        ),
        obstacle => obstacle.to_string(),
    }
}

/// What B would refuse, likewise.
fn refused(objections: &[Objection]) -> String {
    let line = |objection: &Objection| match objection.field() {
        Some(field) => format!("{}: {}", of_any_item(field), objection.problem()),
        None => objection.problem(),
    };
    objections.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn element(attachment: &Attachment) -> Value {
    json!({
        "filename": attachment.filename, "contentType": attachment.content_type,
        "size": attachment.size, "element": attachment.element,
    })
}

/// Adds every single value below `value` by its field, and each field's name once to `order`.
fn flatten(field: &str, value: &Value, fields: &mut Map<String, Value>, order: &mut Vec<String>) {
    match value {
        Value::Object(group) if !group.is_empty() => {
            for (name, value) in group {
                flatten(&format!("{field}.{name}"), value, fields, order);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{field}[{index}]"), value, fields, order);
            }
        }
        value => {
            let name = of_any_item(field);
            if !order.contains(&name) {
                order.push(name);
            }
            fields.insert(field.to_owned(), value.clone());
        }
    }
}
