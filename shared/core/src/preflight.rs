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

use std::{collections::BTreeMap, fmt};

use crate::{
    draft::{Attachment, Draft, Owner},
    metadata::{ApplicationMetadata, DataType},
    route::{Mode, Target},
    xml,
};
use objection::MAX_REQUEST;
pub use objection::{Objection, Objections};
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

/// A draft that B will accept, as far as its metadata and schema show. `Debug` omits the data.
#[derive(Clone)]
pub struct CheckedDraft {
    /// The draft.
    pub draft: Draft,
    /// B's form data type.
    pub form_type: String,
    /// B's form, and how it is sent.
    pub form: Form,
}

/// B's form, and how it is sent.
#[derive(Clone)]
pub enum Form {
    /// As XML, in one multipart request.
    Xml(String),
    /// As texts by dotted path, in the simplified request.
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
            .field("form_type", &self.form_type)
            .finish_non_exhaustive()
    }
}

/// Checks a draft for `target`, of whose app this is known.
///
/// # Errors
/// All reasons why B would refuse the draft.
pub fn check(mut draft: Draft, target: &Target, b: &TargetApp) -> Result<CheckedDraft, Objections> {
    let mut check = Check {
        metadata: &b.metadata,
        org: target.app.org(),
        objections: Vec::new(),
    };
    let schema = b.schema(target).unwrap_or_else(|error| {
        check.objections.push(Objection::NoSchema(error.clone()));
        None
    });
    // A prefilled form is only a part of B's form, which B completes and orders itself. There the schema gives only the types
    // of the fields.
    if let Some(schema) = schema
        && target.mode == Mode::Complete
    {
        let violations = schema.violations(&draft.model, target.complete);
        check
            .objections
            .extend(violations.into_iter().map(Objection::Schema));
        draft.model = arranged(draft.model, target, schema);
    }
    let form_type = check.form_type(target.data_type.as_deref());
    let xml = xml::write(&target.root, schema, &draft.model)
        .map_err(|error| check.objections.push(error.into()))
        .ok();
    let size_of_form = xml.as_ref().map_or(0, |xml| xml.len() as u64);
    let form = match &target.mode {
        Mode::Complete => {
            if let (Some(form_type), Some(_)) = (form_type, &xml) {
                check.form(form_type, size_of_form);
            }
            Form::Xml(xml.unwrap_or_default())
        }
        Mode::Prefill { stamp } => {
            let texts = prefill::texts(&draft.model, schema, &mut check.objections);
            check.prefill(form_type, texts, stamp)
        }
    };
    check.attachments(&draft.attachments);
    check.owner(&draft.owner);
    // The sizes come from A, so their sum may overflow.
    let size = draft
        .attachments
        .iter()
        .map(|attachment| attachment.size.saturating_add(PART_OVERHEAD))
        .fold(size_of_form + 2 * PART_OVERHEAD, u64::saturating_add);
    if size > MAX_REQUEST {
        check.objections.push(Objection::TooLarge(size));
    }
    match form_type {
        Some(form_type) if check.objections.is_empty() => Ok(CheckedDraft {
            draft,
            form_type: form_type.id.clone(),
            form,
        }),
        _ => Err(Objections(check.objections)),
    }
}

struct Check<'a> {
    metadata: &'a ApplicationMetadata,
    /// B's organisation, in whose name the request is made.
    org: &'a str,
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

    /// The data type of B's form; objects if there is none, or no single one.
    fn form_type(&mut self, named: Option<&str>) -> Option<&'a DataType> {
        if let Some(id) = named {
            let data_type = self.data_type(id)?;
            if !data_type.is_form() {
                self.object(
                    id,
                    "B takes it for an attachment: it has no appLogic.classRef",
                );
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
        let ours = format!("org:{}", self.org);
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

    fn form(&mut self, data_type: &DataType, size: u64) {
        self.part(data_type, FORM_CONTENT_TYPE, size);
    }

    fn prefill(
        &mut self,
        form_type: Option<&DataType>,
        texts: BTreeMap<String, String>,
        stamp: &str,
    ) -> Form {
        let shown = self.metadata.data_fields.iter().find(|field| {
            field.path.as_deref() == Some(stamp)
                && form_type.is_some_and(|form| field.data_type_id.as_deref() == Some(&form.id))
        });
        if shown.is_none() {
            self.objections.push(Objection::Stamp(stamp.to_owned()));
        }
        let key = shown.map(|field| field.id.clone()).unwrap_or_default();
        Form::Prefill {
            texts,
            stamp: stamp.to_owned(),
            key,
        }
    }

    fn attachments(&mut self, attachments: &[Attachment]) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for attachment in attachments {
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
        match &self.form {
            Form::Xml(_) => STAMP,
            Form::Prefill { key, .. } => key,
        }
    }
}

#[cfg(test)]
mod tests;
