//! A draft as it would be sent to B, and what B would refuse of it.

use std::{fmt, mem};

use serde_json::Value;
use stafett_core::{
    draft::Draft,
    forms::Forms,
    preflight::{self, CheckedDraft, Content, Objection, TargetApp, arranged},
    prepare::{Obstacle, Shaped},
    route::{FormRule, Mode, Target},
    schema::Schema,
    xml,
};

/// A draft as it would be sent to B, and what B would refuse. Holds personal data, so `Debug` prints none of it.
#[derive(Clone)]
pub(crate) struct Judged {
    /// What B shall be; its fields in the order in which they are sent.
    pub(crate) draft: Draft,
    /// How B's forms are sent.
    pub(crate) forms: Forms<JudgedForm>,
    /// The form as flat texts, with `mode: prefill`.
    pub(crate) prefill: Option<Value>,
    /// The key of B's `dataValues` that holds the stamp, if it is known.
    pub(crate) stamp_key: Option<String>,
    /// Everything that B would refuse, as far as it is known.
    pub(crate) objections: Vec<Objection>,
}

/// A form as it would be sent to B.
#[derive(Clone)]
pub(crate) struct JudgedForm {
    /// The form as XML, if it is sent as XML and XML can carry it.
    pub(crate) xml: Option<String>,
    /// B's data type, if the route or B's files name it.
    pub(crate) data_type: Option<String>,
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged")
            .field("objections", &self.objections)
            .finish_non_exhaustive()
    }
}

/// The schema of a form of B: its app's, as far as the app is known; else the route's.
pub(crate) fn schema_of<'a>(rule: &'a FormRule, b: Option<&'a TargetApp>) -> Option<&'a Schema> {
    match b {
        Some(b) => b.schema(rule).ok().flatten(),
        None => rule.schema.as_ref(),
    }
}

/// Whether B's metadata and its forms' schemas are at hand. With `mode: prefill` B itself completes the form.
pub(crate) fn is_judged(to: &Target, b: Option<&TargetApp>) -> bool {
    let has_schema = |rule| schema_of(rule, b).is_some();
    b.is_some() && (to.mode != Mode::Complete || to.forms.iter().all(has_schema))
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
        match share {
            Ok(Shaped::Checked(checked)) => Ok(Self::checked(checked)),
            Ok(Shaped::Unchecked(draft)) => {
                let forms = to.forms.as_ref().zip(draft.models.as_ref()).into_iter();
                let objections = forms.flat_map(|(rule, model)| {
                    let schema = used_schema(rule, to, b);
                    let violations = schema.map(|schema| schema.violations(model, to.complete));
                    let violations = violations.into_iter().flatten().map(Objection::Schema);
                    violations.map(|objection| objection.to_value_of(rule))
                });
                let objections = objections.collect();
                Ok(Self::refused(draft, to, b, objections))
            }
            Err(Obstacle::Refused(refused)) => {
                let objections = refused.objections.0;
                Ok(Self::refused(refused.draft, to, b, objections))
            }
            Err(obstacle) => Err(obstacle),
        }
    }

    fn checked(checked: CheckedDraft) -> Self {
        let stamp_key = checked.stamp_key().to_owned();
        let CheckedDraft { draft, forms } = checked;
        let mut prefill = None;
        let forms = forms.map(|form| JudgedForm {
            data_type: Some(form.data_type),
            xml: match form.content {
                Content::Xml(xml) => Some(xml),
                Content::Prefill { texts, .. } => {
                    prefill = Some(serde_json::json!(texts));
                    None
                }
            },
        });
        Self {
            draft,
            forms,
            prefill,
            stamp_key: Some(stamp_key),
            objections: Vec::new(),
        }
    }

    /// The forms as they would look, although they have not passed the preflight.
    fn refused(
        mut draft: Draft,
        to: &Target,
        b: Option<&TargetApp>,
        mut objections: Vec<Objection>,
    ) -> Self {
        let complete = to.mode == Mode::Complete;
        let models = to.forms.as_ref().zip(draft.models.as_mut());
        let forms = models.map(|(rule, model)| {
            let schema = used_schema(rule, to, b);
            if let Some(schema) = schema {
                *model = arranged(mem::take(model), rule, schema);
            }
            let xml = match xml::write(&rule.root, schema, model) {
                Ok(xml) => complete.then_some(xml),
                Err(error) => {
                    let objection = Objection::from(error).to_value_of(rule);
                    if !objections.contains(&objection) {
                        objections.push(objection);
                    }
                    None
                }
            };
            JudgedForm {
                xml,
                data_type: rule.data_type.clone(),
            }
        });
        Self {
            draft,
            forms,
            prefill: None,
            stamp_key: complete.then(|| preflight::STAMP.to_owned()),
            objections,
        }
    }
}

/// The schema to which a form is held and by which it is arranged; none with `mode: prefill`.
fn used_schema<'a>(
    rule: &'a FormRule,
    to: &Target,
    b: Option<&'a TargetApp>,
) -> Option<&'a Schema> {
    schema_of(rule, b).filter(|_| to.mode == Mode::Complete)
}
