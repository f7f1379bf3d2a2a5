//! Compares a route with the apps that it connects, as far as their files are available.
//!
//! Every expression has a type, which A's schemas tell, and the type is compared with what B's field takes. So nothing
//! depends on which instances anybody thought of.

mod attachments;
mod auto_delete;
mod class_order;
mod compat;
mod flat;
mod instance;
mod mapping;
mod misfit;
mod prefill;
mod regular;
mod rights;
mod source_schemas;
mod target;

#[cfg(test)]
mod tests;

use stafett_core::{
    preflight::TargetApp,
    route::{Mode, Route},
    schema::shape::{FormSchema, dangling},
};

use self::{
    compat::FormTarget, mapping::Mapping, source_schemas::SourceSchemas, target::TargetForm,
};
use crate::finding::Finding;
use crate::located_route::LocatedRoute;
use app_files::AppFiles;

/// What is wrong with a route for these apps. An app whose files are not available gives no findings.
pub(crate) fn findings(
    subject: &LocatedRoute<'_>,
    a: Option<&AppFiles>,
    b: Option<&AppFiles>,
) -> Found {
    let route = subject.route;
    let mut fit = Fit {
        subject,
        found: Vec::new(),
        notes: Vec::new(),
    };
    let instance = instance::schema(&route.gate, a.map(|a| a.metadata.party_types_allowed));
    let source = SourceSchemas::new(&instance, a);
    let app = b.map(AppFiles::target_app);
    if let Some(a) = a {
        rights::gate(&mut fit, a);
        rights::rejection(&mut fit, a);
        rights::source(&mut fit, a);
        auto_delete::check(&mut fit, a);
        for (data_type, schema) in &a.schemas {
            if route.data_types().contains(data_type.as_str()) {
                fit.references(
                    &FormSchema::new(schema),
                    "from.app",
                    &format!("the schema `{data_type}` of {}", a.id),
                );
            }
        }
    }
    let forms: Vec<_> = route
        .to
        .forms
        .iter()
        .map(|rule| TargetForm::of(&mut fit, rule, b))
        .collect();
    if let Some(b) = b {
        let types = forms.iter().filter_map(|form| form.data_type);
        let types: Vec<&str> = types.map(|it| it.id.as_str()).collect();
        rights::target(&mut fit, b, &types);
        for form in &forms {
            form.agrees(&mut fit, b);
        }
    }
    for form in &forms {
        let is_usable = app.as_ref().is_none_or(|b| b.schema(form.rule).is_ok());
        if let Some(schema) = form.schema.as_ref().filter(|_| is_usable) {
            let whose = format!("the schema of {}'s form{}", route.to.app, form.label());
            fit.references(schema, &form.says_app(), &whose);
        }
    }
    attachments::check(&mut fit, a, b);
    models(&mut fit, &source, &forms, b, app.as_ref());
    Found {
        findings: fit.found,
        notes: fit.notes,
    }
}

/// What a comparison with the apps found.
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    /// What is no mistake, one line each.
    pub(crate) notes: Vec<String>,
}

/// Checks `each`, the owner, and the `model:` of each form.
fn models<'s>(
    fit: &mut Fit<'s>,
    source: &'s SourceSchemas<'s>,
    forms: &'s [TargetForm<'s>],
    b: Option<&AppFiles>,
    app: Option<&'s TargetApp>,
) {
    let route = fit.route();
    let is_prefill = fit.is_prefill();
    let mut mapping = Mapping {
        fit,
        source,
        form: String::new(),
        target: None,
        served: None,
        around: source.surroundings(),
    };
    if let Some(each) = &route.each {
        rights::each(&mut mapping, each);
    }
    rights::owner(&mut mapping, &route.to.owner, b);
    for form in forms {
        mapping.form = form.label();
        mapping.served = app.and_then(|b| b.schema(form.rule).ok().flatten());
        mapping.target = form.schema.as_ref().map(|schema| FormTarget {
            form: schema,
            // A prefilled form is only a part of B's form.
            is_validated: !is_prefill,
            is_complete: !is_prefill && route.to.complete,
        });
        let root = form.schema.as_ref().map(FormSchema::root);
        let model = form.rule.says("model");
        mapping.group(&form.rule.model, &model, root.as_ref());
    }
}

/// A route, and the findings about it so far.
pub(super) struct Fit<'f> {
    subject: &'f LocatedRoute<'f>,
    found: Vec<Finding>,
    notes: Vec<String>,
}

impl<'f> Fit<'f> {
    fn route(&self) -> &'f Route {
        self.subject.route
    }

    fn is_prefill(&self) -> bool {
        matches!(self.route().to.mode, Mode::Prefill { .. })
    }

    fn error(&self, code: &'static str, field: &str, message: impl Into<String>) -> Finding {
        Finding::error(code, self.subject.file, message)
            .field(field)
            .at(self.subject.places.value(field))
    }

    fn warning(&self, code: &'static str, field: &str, message: impl Into<String>) -> Finding {
        Finding::warning(code, self.subject.file, message)
            .field(field)
            .at(self.subject.places.value(field))
    }

    fn push(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// Reports references that are not followed.
    fn references(&mut self, schema: &FormSchema<'_>, field: &str, whose: &str) {
        for (reference, (place, is_remote)) in dangling(schema) {
            let place = if place.is_empty() {
                String::new()
            } else {
                format!(" in `{place}`")
            };
            let finding = if is_remote {
                self.warning("reference", field, format!("{whose} refers to another document{place}, which is never fetched: `{reference}`"))
                    .help("what it says there is not checked; copy its definitions into the schema")
            } else {
                self.warning(
                    "reference",
                    field,
                    format!(
                        "{whose} refers to a definition{place} that it does not have: `{reference}`"
                    ),
                )
                .help("what it says there is not checked")
            };
            self.push(finding);
        }
    }
}
