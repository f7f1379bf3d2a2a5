//! What would be sent to B for a draft, and what B would refuse of it.

use std::fmt;

use serde_json::{Map, Value};
use stafett_core::{
    draft::Draft,
    metadata::ApplicationMetadata,
    preflight::{self, CheckedDraft, Form, Objection},
    route::{Mode, Target},
    xml,
};

/// A draft as it would be sent to B, and what B would refuse. Holds personal data, so `Debug` prints none of it.
#[derive(Clone)]
pub(crate) struct Judged {
    /// What B shall be; its fields in the order in which they are sent.
    pub(crate) draft: Draft,
    /// The form as XML, if it is sent as XML and XML can carry it.
    pub(crate) xml: Option<String>,
    /// The form as flat texts, with `mode: prefill`.
    pub(crate) prefill: Option<Value>,
    /// B's form data type, if the route or B's files name it.
    pub(crate) form_type: Option<String>,
    /// The key of B's `dataValues` that holds the stamp, if it is known.
    pub(crate) stamp_key: Option<String>,
    /// Everything that B would refuse, as far as it is known.
    pub(crate) objections: Vec<Objection>,
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged")
            .field("objections", &self.objections)
            .finish_non_exhaustive()
    }
}

/// Judges a draft by B's metadata; without it, by the schema that the route names.
pub(crate) fn judge(draft: Draft, to: &Target, b: Option<&ApplicationMetadata>) -> Judged {
    let Some(metadata) = b else {
        let objections = schema_objections(to, &draft.model);
        return unchecked(draft, to, objections);
    };
    match preflight::check(draft.clone(), to, metadata) {
        Ok(checked) => {
            let stamp_key = checked.stamp_key().to_owned();
            let CheckedDraft {
                draft,
                form_type,
                form,
            } = checked;
            let (xml, prefill) = match form {
                Form::Xml(xml) => (Some(xml), None),
                Form::Prefill { texts, .. } => (None, Some(serde_json::json!(texts))),
            };
            Judged {
                draft,
                xml,
                prefill,
                form_type: Some(form_type),
                stamp_key: Some(stamp_key),
                objections: Vec::new(),
            }
        }
        Err(objections) => unchecked(draft, to, objections.0),
    }
}

/// The form as it would look, although it has not passed the preflight.
fn unchecked(mut draft: Draft, to: &Target, mut objections: Vec<Objection>) -> Judged {
    let complete = to.mode == Mode::Complete;
    if let Some(schema) = to.schema.as_ref().filter(|_| complete) {
        draft.model = schema.ordered(draft.model);
    }
    let xml = match xml::write(&to.root, to.schema.as_ref(), &draft.model) {
        Ok(xml) => complete.then_some(xml),
        Err(error) => {
            let objection = Objection::from(error);
            if !objections.contains(&objection) {
                objections.push(objection);
            }
            None
        }
    };
    Judged {
        draft,
        xml,
        prefill: None,
        form_type: to.data_type.clone(),
        stamp_key: complete.then(|| preflight::STAMP.to_owned()),
        objections,
    }
}

fn schema_objections(to: &Target, model: &Map<String, Value>) -> Vec<Objection> {
    let schema = to.schema.iter().filter(|_| to.mode == Mode::Complete);
    let violations = schema.flat_map(|schema| schema.violations(model, to.complete));
    violations.map(Objection::Schema).collect()
}
