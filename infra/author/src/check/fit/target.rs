//! Compares what the route says about B's form with B's own files.

use serde_json::Value;
use stafett_core::{
    metadata::DataType,
    preflight::FORM_CONTENT_TYPE,
    route::Mode,
    schema::shape::{self, FormSchema},
};

use super::Fit;
use crate::check::words::{known, nearest};
use app_files::AppFiles;

/// B's form data type that the route fills.
pub(super) fn form<'b>(fit: &mut Fit<'_>, b: &'b AppFiles) -> Option<&'b DataType> {
    const FIELD: &str = "to.dataType";
    let types = &b.metadata.data_types;
    let forms: Vec<&DataType> = types.iter().filter(|it| it.is_form()).collect();
    let names = || forms.iter().map(|it| it.id.as_str());
    let listed = format!("the forms of {} are {}", b.id, known(names()));
    let Some(named) = fit.route().to.data_type.clone() else {
        if let [only] = forms.as_slice() {
            return Some(only);
        }
        let message = format!("{} has {} forms: one must be named", b.id, forms.len());
        let finding = fit.error("data-type", FIELD, message).help(listed);
        fit.push(finding);
        return None;
    };
    if let Some(form) = forms.iter().find(|it| it.id == named) {
        return Some(form);
    }
    let finding = if types.iter().any(|it| it.id == named) {
        fit.error(
            "no-form",
            FIELD,
            format!("`{named}` of {} is an attachment, and no form", b.id),
        )
    } else {
        fit.error(
            "data-type",
            FIELD,
            format!("{} has no data type `{named}`", b.id),
        )
        .suggest(nearest(&named, names()))
    };
    fit.push(finding.help(listed));
    None
}

/// Checks the form's root element, schema and media type.
pub(super) fn agrees(fit: &mut Fit<'_>, b: &AppFiles, form: &DataType) {
    let to = &fit.route().to;
    if let Some(root) = b.roots.get(&form.id)
        && *root != to.root
        && to.mode == Mode::Complete
    {
        let message = format!(
            "the XML root element of {}'s form is `{root}`, not `{}`",
            b.id, to.root
        );
        let has_root = fit.subject.places.has("to.root");
        let finding = fit.error("root", "to.root", message);
        let finding = if has_root {
            finding.suggest(Some(root))
        } else {
            finding.help(format!(
                "where nothing is said, it is `model`: add `root: {root}` to `to:`"
            ))
        };
        fit.push(finding);
    }
    schema(fit, b, form);
    let types = &form.allowed_content_types;
    if to.mode == Mode::Complete
        && !types.is_empty()
        && !types.iter().any(|it| it == FORM_CONTENT_TYPE)
    {
        let finding = fit
            .error(
                "content-type",
                "to.dataType",
                format!(
                    "the form `{}` of {} is not taken as {FORM_CONTENT_TYPE}",
                    form.id, b.id
                ),
            )
            .help(format!(
                "it takes {}; add {FORM_CONTENT_TYPE} to its allowedContentTypes",
                known(types.iter().map(String::as_str))
            ));
        fit.push(finding);
    }
}

/// Checks whether B's form has a schema, and whether it is the one that the route names.
fn schema(fit: &mut Fit<'_>, b: &AppFiles, form: &DataType) {
    const FIELD: &str = "to.schema";
    let app = b.target_app();
    let to = &fit.route().to;
    let finding = match (&to.schema, app.schemas.get(&form.id)) {
        (None, Some(Err(error))) => fit
            .error("schema", "to.app", error.to_string())
            .help("every relay would fail: mend B's schema, or name a file with one in `to.schema`"),
        (None, None) => fit
            .warning(
                "no-schema",
                "to.app",
                format!("{} has no schema of its form `{}`: names, types, values and order of its fields are not checked", b.id, form.id),
            )
            .help("give the app a schema, or name a file with one in `to.schema`"),
        (Some(ours), Some(Ok(theirs))) if !is_same(ours.document(), theirs.document()) => fit
            .warning(
                "schema-differs",
                FIELD,
                format!(
                    "this schema ({}) is not used: {} serves another one of its form `{}` ({})",
                    ours.digest(),
                    b.id,
                    form.id,
                    theirs.digest()
                ),
            )
            .help("remove `to.schema`: the schema that B's app serves counts"),
        _ => return,
    };
    fit.push(finding);
}

/// Checks, with `mode: prefill`, whether the stamp reaches B's data values.
pub(super) fn stamp(
    fit: &mut Fit<'_>,
    b: &AppFiles,
    form: &DataType,
    schema: Option<&FormSchema<'_>>,
) {
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
