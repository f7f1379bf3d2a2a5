//! A draft as it would be sent to B, and what B would refuse of it.

use std::fmt;

use serde_json::Value;
use stafett_core::{
    draft::Draft,
    preflight::{self, CheckedDraft, Form, Objection, TargetApp, arranged},
    prepare::{Obstacle, Shaped},
    route::{Mode, Target},
    schema::Schema,
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

/// The schema of B's form: its app's, as far as the app is known; else the route's.
pub(crate) fn schema_of<'a>(to: &'a Target, b: Option<&'a TargetApp>) -> Option<&'a Schema> {
    match b {
        Some(b) => b.schema(to).ok().flatten(),
        None => to.schema.as_ref(),
    }
}

/// Whether B's metadata and its form's schema are at hand. With `mode: prefill` B itself completes the form.
pub(crate) fn is_judged(to: &Target, b: Option<&TargetApp>) -> bool {
    b.is_some() && (to.mode != Mode::Complete || schema_of(to, b).is_some())
}

impl Judged {
    /// A relay's share of A, as it would be sent to the app `b`. If nothing is known of that, its draft is held to the schema
    /// that the route names.
    ///
    /// # Errors
    /// [`Obstacle`]: why there is no draft.
    pub(crate) fn of(
        share: Result<Shaped, Obstacle>,
        to: &Target,
        b: Option<&TargetApp>,
    ) -> Result<Self, Obstacle> {
        let schema = schema_of(to, b).filter(|_| to.mode == Mode::Complete);
        match share {
            Ok(Shaped::Checked(checked)) => Ok(Self::checked(checked)),
            Ok(Shaped::Unchecked(draft)) => {
                let violations = schema.map(|schema| schema.violations(&draft.model, to.complete));
                let violations = violations.into_iter().flatten();
                let objections = violations.map(Objection::Schema).collect();
                Ok(Self::refused(draft, to, schema, objections))
            }
            Err(Obstacle::Refused(refused)) => {
                let objections = refused.objections.0;
                Ok(Self::refused(refused.draft, to, schema, objections))
            }
            Err(obstacle) => Err(obstacle),
        }
    }

    fn checked(checked: CheckedDraft) -> Self {
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
        Self {
            draft,
            xml,
            prefill,
            form_type: Some(form_type),
            stamp_key: Some(stamp_key),
            objections: Vec::new(),
        }
    }

    /// The form as it would look, although it has not passed the preflight.
    fn refused(
        mut draft: Draft,
        to: &Target,
        schema: Option<&Schema>,
        mut objections: Vec<Objection>,
    ) -> Self {
        let complete = to.mode == Mode::Complete;
        if let Some(schema) = schema {
            draft.model = arranged(draft.model, to, schema);
        }
        let xml = match xml::write(&to.root, schema, &draft.model) {
            Ok(xml) => complete.then_some(xml),
            Err(error) => {
                let objection = Objection::from(error);
                if !objections.contains(&objection) {
                    objections.push(objection);
                }
                None
            }
        };
        Self {
            draft,
            xml,
            prefill: None,
            form_type: to.data_type.clone(),
            stamp_key: complete.then(|| preflight::STAMP.to_owned()),
            objections,
        }
    }
}
