//! Compares what the route says about B's forms with B's own files.

use serde_json::Value;
use stafett_core::{
    metadata::DataType,
    preflight::{FORM_CONTENT_TYPE, form_of},
    route::{FormRule, Mode},
    schema::{
        Schema,
        shape::{self, FormSchema},
    },
};

use super::{Fit, class_order, prefill};
use crate::check::words::{known, nearest};
use app_files::AppFiles;

/// A form of B that the route fills, as far as B's files tell.
pub(super) struct TargetForm<'b> {
    pub(super) rule: &'b FormRule,
    pub(super) data_type: Option<&'b DataType>,
    pub(super) schema: Option<FormSchema<'b>>,
}

impl<'b> TargetForm<'b> {
    /// The form that the route fills by `rule`.
    pub(super) fn of(fit: &mut Fit<'b>, rule: &'b FormRule, b: Option<&'b AppFiles>) -> Self {
        let data_type = b.and_then(|b| data_type_of(fit, rule, b));
        let theirs = b
            .zip(data_type)
            .and_then(|(b, form)| b.schemas.get(&form.id));
        let document = theirs.or(rule.schema.as_ref().map(Schema::document));
        Self {
            rule,
            data_type,
            schema: document.map(FormSchema::new),
        }
    }

    /// What a message adds to "B's form".
    pub(super) fn label(&self) -> String {
        match &self.rule.data_type {
            Some(data_type) if self.rule.is_further => format!(" `{data_type}`"),
            _ => String::new(),
        }
    }

    /// The field of the route that a finding about B's form itself names.
    pub(super) fn says_app(&self) -> String {
        if self.rule.is_further {
            self.rule.says_data_type()
        } else {
            "to.app".to_owned()
        }
    }

    /// Compares what the route says of the form with B's files.
    pub(super) fn agrees(&self, fit: &mut Fit<'_>, b: &AppFiles) {
        let Some(data_type) = self.data_type else {
            return;
        };
        self.root(fit, b, data_type);
        self.has_schema(fit, b, data_type);
        self.content_type(fit, b, data_type);
        stamp(fit, b, data_type, self.schema.as_ref());
        prefill::check(fit, b, self.rule, &data_type.id);
        class_order::check(fit, b, self, data_type);
    }

    /// Checks the form's root element.
    fn root(&self, fit: &mut Fit<'_>, b: &AppFiles, data_type: &DataType) {
        let Some(root) = b.roots.get(&data_type.id) else {
            return;
        };
        if *root == self.rule.root || fit.is_prefill() {
            return;
        }
        let field = self.rule.says("root");
        let message = format!(
            "the XML root element of {}'s form{} is `{root}`, not `{}`",
            b.id,
            self.label(),
            self.rule.root
        );
        let has_root = fit.subject.places.has(&field);
        let finding = fit.error("root", &field, message);
        let finding = if has_root {
            finding.suggest(Some(root))
        } else {
            let group = field.trim_end_matches(".root");
            finding.help(format!(
                "where nothing is said, it is `model`: add `root: {root}` to `{group}:`"
            ))
        };
        fit.push(finding);
    }

    /// Checks the form's media type.
    fn content_type(&self, fit: &mut Fit<'_>, b: &AppFiles, data_type: &DataType) {
        let types = &data_type.allowed_content_types;
        if fit.is_prefill() || types.is_empty() || types.iter().any(|it| it == FORM_CONTENT_TYPE) {
            return;
        }
        let finding = fit
            .error(
                "content-type",
                &self.rule.says_data_type(),
                format!(
                    "the form `{}` of {} is not taken as {FORM_CONTENT_TYPE}",
                    data_type.id, b.id
                ),
            )
            .help(format!(
                "it takes {}; add {FORM_CONTENT_TYPE} to its allowedContentTypes",
                known(types.iter().map(String::as_str))
            ));
        fit.push(finding);
    }

    /// Checks whether the form has a schema, and whether it is the one that the route names.
    fn has_schema(&self, fit: &mut Fit<'_>, b: &AppFiles, data_type: &DataType) {
        let field = self.rule.says("schema");
        let form = &data_type.id;
        let app = b.target_app();
        let finding = match (&self.rule.schema, app.schemas.get(form)) {
            (None, Some(Err(error))) => fit
                .error("schema", &self.says_app(), error.to_string())
                .help(format!("every relay would fail: mend B's schema, or name a file with one in `{field}`")),
            (None, None) => fit
                .warning(
                    "no-schema",
                    &self.says_app(),
                    format!("{} has no schema of its form `{form}`: names, types, values and order of its fields are not checked", b.id),
                )
                .help(format!("give the app a schema, or name a file with one in `{field}`")),
            (Some(ours), Some(Ok(theirs))) if !is_same(ours.document(), theirs.document()) => fit
                .warning(
                    "schema-differs",
                    &field,
                    format!(
                        "this schema ({}) is not used: {} serves another one of its form `{form}` ({})",
                        ours.digest(),
                        b.id,
                        theirs.digest()
                    ),
                )
                .help(format!("remove `{field}`: the schema that B's app serves counts")),
            _ => return,
        };
        fit.push(finding);
    }
}

/// The data type of B's form that the route fills by `rule`.
fn data_type_of<'b>(fit: &mut Fit<'_>, rule: &FormRule, b: &'b AppFiles) -> Option<&'b DataType> {
    let field = rule.says_data_type();
    let types = &b.metadata.data_types;
    let forms: Vec<&DataType> = types.iter().filter(|it| it.is_form()).collect();
    let names = || forms.iter().map(|it| it.id.as_str());
    let listed = format!("the forms of {} are {}", b.id, known(names()));
    let Some(named) = &rule.data_type else {
        if let [only] = forms.as_slice() {
            return Some(only);
        }
        let message = format!("{} has {} forms: one must be named", b.id, forms.len());
        let finding = fit.error("data-type", &field, message).help(listed);
        fit.push(finding);
        return None;
    };
    let main = form_of(&fit.route().to.forms.main, &b.metadata);
    let finding = match forms.iter().find(|it| it.id == *named) {
        Some(form) if rule.is_further && main.is_some_and(|main| main.id == form.id) => {
            let message = format!("`{named}` is filled twice: by `model` beside `to`, and here");
            fit.error("data-type", &field, message)
        }
        Some(form) => return Some(form),
        None if types.iter().any(|it| it.id == *named) => fit.error(
            "no-form",
            &field,
            format!("`{named}` of {} is an attachment, and no form", b.id),
        ),
        None => fit
            .error(
                "data-type",
                &field,
                format!("{} has no data type `{named}`", b.id),
            )
            .suggest(nearest(named, names())),
    };
    let finding = finding.help(listed);
    // The name of a further form is a key of the file.
    let finding = match rule.is_further {
        true => finding.at(fit.subject.places.key(&field)),
        false => finding,
    };
    fit.push(finding);
    None
}

/// Checks, with `mode: prefill`, whether the stamp reaches B's data values.
fn stamp(fit: &mut Fit<'_>, b: &AppFiles, form: &DataType, schema: Option<&FormSchema<'_>>) {
    const FIELD: &str = "to.stamp";
    let Mode::Prefill { stamp } = &fit.route().to.mode else {
        return;
    };
    if let Some(schema) = schema {
        let mut node = schema.root();
        for segment in stamp.split('.') {
            let shape = schema.shape(&node);
            match shape.field(segment) {
                Some(next) => node = next.clone(),
                None if shape.is_closed() => {
                    let finding = fit
                        .error(
                            "stamp",
                            FIELD,
                            format!("the form of {} has no field `{stamp}`", b.id),
                        )
                        .help(format!("there, it has {}", known(shape.names())))
                        .suggest(
                            nearest(segment, shape.names())
                                .map(|name| stamp.replace(segment, name)),
                        );
                    fit.push(finding);
                    return;
                }
                None => return,
            }
        }
        let shape = schema.shape(&node);
        if !shape.kinds.is_empty() && !shape.kinds.contains(&shape::Kind::Text) {
            let finding = fit.error(
                "stamp",
                FIELD,
                format!("`{stamp}` is {} in B: the stamp is a text", shape.words()),
            );
            fit.push(finding);
            return;
        }
    }
    let is_shown = b.metadata.data_fields.iter().any(|field| {
        field.path.as_deref() == Some(stamp) && field.data_type_id.as_deref() == Some(&form.id)
    });
    if !is_shown {
        let finding = fit
            .error("stamp", FIELD, format!("no `dataFields` of {} show `{stamp}`: a B could not be found again by it", b.id))
            .help(format!(
                "add {{\"id\": \"stafett\", \"path\": \"{stamp}\", \"dataTypeId\": \"{}\"}} to the dataFields of its applicationmetadata.json",
                form.id
            ));
        fit.push(finding);
    }
    if !is_auto_created(&b.document, &form.id) {
        let finding = fit
            .error(
                "prefill",
                "to.mode",
                format!(
                    "{} does not create its form `{}` itself, and only such forms are prefilled",
                    b.id, form.id
                ),
            )
            .help(
                "leave `mode: prefill`, or set appLogic.autoCreate in B's applicationmetadata.json",
            );
        fit.push(finding);
    }
}

/// Whether an app creates its form of a type itself.
pub(super) fn is_auto_created(document: &Value, form: &str) -> bool {
    data_type(document, form)
        .and_then(|it| it.get("appLogic")?.get("autoCreate")?.as_bool())
        .unwrap_or(false)
}

/// A data type as an app's metadata has it.
pub(super) fn data_type<'d>(document: &'d Value, id: &str) -> Option<&'d Value> {
    let types = document.get("dataTypes")?.as_array()?;
    types
        .iter()
        .find(|it| it.get("id").and_then(Value::as_str) == Some(id))
}

/// Whether two schemas say the same, whatever their titles and ids.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    let nameless = |schema: &Value| match schema {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.retain(|name, _| {
                !matches!(name.as_str(), "$id" | "$schema" | "title" | "description")
            });
            Value::Object(fields)
        }
        other => other.clone(),
    };
    nameless(ours) == nameless(theirs)
}
