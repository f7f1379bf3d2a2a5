//! Checks a draft before it is sent. B refuses some requests only after it has created an instance, which then stays
//! behind as an orphan.
//!
//! The draft is checked against B's own metadata by the rules that B applies to a
//! multipart request (Altinn/app-lib-dotnet: src/Altinn.App.Api/Helpers/RequestHandling/
//! RequestPartValidator.cs, src/Altinn.App.Core/Helpers/AllowedContributorsHelper.cs), and
//! against the JSON schema of B's form.

mod objection;
mod prefill;
mod target_app;

use std::{collections::BTreeMap, fmt, mem};

use serde_json::{Map, Value};

use crate::{
    draft::{Attachment, Draft, Owner},
    forms::Forms,
    metadata::{ApplicationMetadata, DataType},
    route::{FormRule, Mode, Target},
    xml,
};
use objection::MAX_REQUEST;
pub use objection::{Objection, Objections};
pub use prefill::lost as lost_in_prefill;
pub use target_app::{ServedSchema, TargetApp, arranged, form_of};

/// The media type of the part with the form.
pub const FORM_CONTENT_TYPE: &str = "application/xml";
/// The key of the stamp in B's `dataValues`.
pub const STAMP: &str = "stafett.relay";
/// The key of A's instance id in B's `dataValues`.
pub const SOURCE: &str = "stafett.source";
/// The maximum size of a part without its content, in bytes.
const PART_OVERHEAD: u64 = 1024;
const MIB: u64 = 1024 * 1024;
/// The data type of PDFs, which only the app itself may write
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Data/DataElementAccessChecker.cs).
const APP_OWNED: &str = "ref-data-as-pdf";

/// What is wrong with a form of `to.forms` that is B's only one, which needs no name.
const TWICE: &str = "the route fills it twice: by `model`, and in to.forms";

/// A draft that B will accept, as far as its metadata and schema show. `Debug` omits the data.
#[derive(Clone)]
pub struct CheckedDraft {
    /// The draft.
    pub draft: Draft,
    /// B's forms, and how they are sent.
    pub forms: Forms<CheckedForm>,
}

/// A form of B, and how it is sent.
#[derive(Clone)]
pub struct CheckedForm {
    /// B's data type.
    pub data_type: String,
    /// The field of the route that describes it: `model`, or `to.forms.other.model`.
    pub field: String,
    /// How it is sent.
    pub content: Content,
}

/// How a form of B is sent.
#[derive(Clone)]
pub enum Content {
    /// As XML, in one multipart request.
    Xml(String),
    /// As texts by dotted path, in the simplified request, which carries one form only.
    Prefill {
        /// The texts, without the relay's id.
        texts: BTreeMap<String, String>,
        /// The field that carries the relay's id.
        stamp: String,
        /// The key in B's `dataValues` to which B copies that field.
        key: String,
    },
}

impl fmt::Debug for CheckedDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedDraft")
            .field("draft", &self.draft)
            .field("data_type", &self.forms.main.data_type)
            .finish_non_exhaustive()
    }
}

/// Checks a draft for `target`, of whose app this is known.
///
/// # Errors
/// All reasons why B would refuse the draft.
pub fn check(mut draft: Draft, target: &Target, b: &TargetApp) -> Result<CheckedDraft, Objections> {
    let mut check = Check {
        target,
        metadata: &b.metadata,
        size: PART_OVERHEAD,
        objections: Vec::new(),
    };
    let models = target.forms.as_ref().zip(draft.models.as_mut());
    let forms = models.map(|(rule, model)| check.form(rule, model, b));
    check.attachments(&draft.attachments);
    check.owner(&draft.owner);
    if check.size > MAX_REQUEST {
        check.objections.push(Objection::TooLarge(check.size));
    }
    match forms.try_map(|form| form.ok_or(())) {
        Ok(forms) if check.objections.is_empty() => Ok(CheckedDraft { draft, forms }),
        _ => Err(Objections(check.objections)),
    }
}

struct Check<'a> {
    target: &'a Target,
    metadata: &'a ApplicationMetadata,
    /// The size of the request so far.
    size: u64,
    objections: Vec<Objection>,
}

impl<'a> Check<'a> {
    fn object(&mut self, data_type: &str, problem: impl Into<String>) {
        self.objections.push(Objection::DataType {
            data_type: data_type.to_owned(),
            problem: problem.into(),
        });
    }

    /// B's data type with this id; objects if there is none.
    fn data_type(&mut self, id: &str) -> Option<&'a DataType> {
        let found = self
            .metadata
            .data_types
            .iter()
            .find(|data_type| data_type.id == id);
        if found.is_none() {
            let known: Vec<_> = self
                .metadata
                .data_types
                .iter()
                .map(|t| format!("`{}`", t.id))
                .collect();
            self.object(
                id,
                format!("B has none of this id, it has {}", known.join(", ")),
            );
        }
        found
    }

    /// Arranges the fields of a form, and checks it. `None` if B has no such form.
    fn form(
        &mut self,
        rule: &'a FormRule,
        model: &mut Map<String, Value>,
        b: &'a TargetApp,
    ) -> Option<CheckedForm> {
        let schema = b.schema(rule).unwrap_or_else(|error| {
            self.objections.push(Objection::NoSchema {
                says: rule.says("schema"),
                error: error.clone(),
            });
            None
        });
        // A prefilled form is only a part of B's form, which B completes and orders itself. There the schema gives only the
        // types of the fields.
        if let Some(schema) = schema
            && self.target.mode == Mode::Complete
        {
            let violations = schema.violations(model, self.target.complete);
            let violations = violations.into_iter().map(Objection::Schema);
            self.objections
                .extend(violations.map(|objection| objection.to_value_of(rule)));
            *model = arranged(mem::take(model), rule, schema);
        }
        let data_type = self.form_type(rule);
        let xml = xml::write(&rule.root, schema, model);
        let xml = xml
            .map_err(|error| {
                let objection = Objection::from(error).to_value_of(rule);
                self.objections.push(objection);
            })
            .ok();
        let size = xml.as_ref().map_or(0, |xml| xml.len() as u64);
        self.add_part(size);
        let content = match &self.target.mode {
            Mode::Complete => {
                if let (Some(data_type), Some(_)) = (data_type, &xml) {
                    self.part(data_type, FORM_CONTENT_TYPE, size);
                }
                Content::Xml(xml.unwrap_or_default())
            }
            Mode::Prefill { stamp } => {
                let texts = prefill::texts(model, schema, &mut self.objections);
                self.prefill(data_type, texts, stamp)
            }
        };
        Some(CheckedForm {
            data_type: data_type?.id.clone(),
            field: rule.says("model"),
            content,
        })
    }

    /// The sizes come from A, so their sum may overflow.
    fn add_part(&mut self, size: u64) {
        let part = size.saturating_add(PART_OVERHEAD);
        self.size = self.size.saturating_add(part);
    }

    /// The data type of one of B's forms; objects if there is none, or no single one.
    fn form_type(&mut self, rule: &FormRule) -> Option<&'a DataType> {
        if let Some(id) = rule.data_type.as_deref() {
            let data_type = self.data_type(id)?;
            if !data_type.is_form() {
                self.object(
                    id,
                    "B takes it for an attachment: it has no appLogic.classRef",
                );
                return None;
            }
            let main = form_of(&self.target.forms.main, self.metadata);
            if rule.is_further && main.is_some_and(|main| main.id == id) {
                self.object(id, TWICE);
                return None;
            }
            return Some(data_type);
        }
        let forms: Vec<&DataType> = self
            .metadata
            .data_types
            .iter()
            .filter(|data_type| data_type.is_form())
            .collect();
        match forms.as_slice() {
            [only] => Some(only),
            _ => {
                self.objections.push(Objection::FormType(forms.len()));
                None
            }
        }
    }

    /// Checks what applies to every part.
    fn part(&mut self, data_type: &DataType, content_type: &str, size: u64) {
        let allowed = &data_type.allowed_content_types;
        if !allowed.is_empty() && !allowed.iter().any(|allowed| allowed == content_type) {
            self.object(
                &data_type.id,
                format!("B takes {}, this is {content_type}", allowed.join(", ")),
            );
        }
        if size == 0 {
            self.object(&data_type.id, "an element without content, which B refuses");
        }
        if data_type.max_size > 0 && size > data_type.max_size.saturating_mul(MIB) {
            let limit = data_type.max_size;
            self.object(
                &data_type.id,
                format!("{size} bytes, B takes {limit} MiB at most"),
            );
        }
        let contributors = &data_type.allowed_contributors;
        // The request is made in the name of B's organisation.
        let ours = format!("org:{}", self.target.app.org());
        // Our organisation number is unknown here, so any number may be ours.
        let admitted = |c: &String| c.eq_ignore_ascii_case(&ours) || c.starts_with("orgno:");
        if !contributors.is_empty() && !contributors.iter().any(admitted) {
            self.object(
                &data_type.id,
                format!("B admits {} to add it, not {ours}", contributors.join(", ")),
            );
        }
        if data_type.id == APP_OWNED {
            self.object(&data_type.id, "only B itself writes it");
        }
    }

    fn count(&mut self, data_type: &DataType, count: u64) {
        if data_type.max_count > 0 && count > data_type.max_count {
            let limit = data_type.max_count;
            self.object(
                &data_type.id,
                format!("{count} elements, B takes {limit} at most"),
            );
        }
    }

    fn prefill(
        &mut self,
        form_type: Option<&DataType>,
        texts: BTreeMap<String, String>,
        stamp: &str,
    ) -> Content {
        let shown = self.metadata.data_fields.iter().find(|field| {
            field.path.as_deref() == Some(stamp)
                && form_type.is_some_and(|form| field.data_type_id.as_deref() == Some(&form.id))
        });
        if shown.is_none() {
            self.objections.push(Objection::Stamp(stamp.to_owned()));
        }
        let key = shown.map(|field| field.id.clone()).unwrap_or_default();
        Content::Prefill {
            texts,
            stamp: stamp.to_owned(),
            key,
        }
    }

    fn attachments(&mut self, attachments: &[Attachment]) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for attachment in attachments {
            self.add_part(attachment.size);
            let count = counts.entry(&attachment.data_type).or_default();
            *count += 1;
            let first = *count == 1;
            let known = if first {
                self.data_type(&attachment.data_type)
            } else {
                self.metadata
                    .data_types
                    .iter()
                    .find(|t| t.id == attachment.data_type)
            };
            let Some(data_type) = known else { continue };
            if data_type.is_form() && first {
                self.object(&data_type.id, "a form, and no place for attachments");
            }
            // B compares the whole header with its list, if it has one.
            if attachment.content_type.contains(';') && !data_type.allowed_content_types.is_empty()
            {
                self.object(
                    &data_type.id,
                    "a media type with parameters, which B refuses after it has made the instance",
                );
            }
            self.part(data_type, &attachment.content_type, attachment.size);
        }
        for (data_type, count) in counts {
            if let Some(data_type) = self.metadata.data_types.iter().find(|t| t.id == data_type) {
                self.count(data_type, count);
            }
        }
    }

    fn owner(&mut self, owner: &Owner) {
        let allowed = self.metadata.party_types_allowed;
        let any =
            allowed.person || allowed.organisation || allowed.sub_unit || allowed.bankruptcy_estate;
        if !any {
            return;
        }
        match owner {
            Owner::Person(_) if !allowed.person => {
                self.objections.push(Objection::Owner("person"));
            }
            // Only the register knows which kind of organisation a number belongs to.
            Owner::Organisation(_)
                if !(allowed.organisation || allowed.sub_unit || allowed.bankruptcy_estate) =>
            {
                self.objections.push(Objection::Owner("organisation"));
            }
            _ => {}
        }
    }
}

impl CheckedDraft {
    /// The key of the stamp in B's `dataValues`.
    #[must_use]
    pub fn stamp_key(&self) -> &str {
        match &self.forms.main.content {
            Content::Xml(_) => STAMP,
            Content::Prefill { key, .. } => key,
        }
    }

    /// Whether B is made by the simplified request.
    #[must_use]
    pub fn is_prefill(&self) -> bool {
        matches!(self.forms.main.content, Content::Prefill { .. })
    }

    /// The forms that are sent as XML: none with `mode: prefill`, otherwise all.
    pub fn xml_forms(&self) -> impl Iterator<Item = (&CheckedForm, &str)> {
        self.forms.iter().filter_map(|form| match &form.content {
            Content::Xml(xml) => Some((form, xml.as_str())),
            Content::Prefill { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests;
