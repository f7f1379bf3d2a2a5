//! Rules for data elements: who may write them, and which content is allowed.
//!
//! Rules: Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Data/DataElementAccessChecker.cs,
//! src/Altinn.App.Api/Helpers/RequestHandling/DataRestrictionValidation.cs.

use app_files::form::Form;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::{AppRequest, form};
use crate::app::DataType;
use crate::content_disposition::ContentDisposition;
use crate::instance::Instance;
use crate::library::Library;
use crate::responses::{self, Refusal};

/// A change of a data element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DataChange {
    /// As a part of an instantiation.
    Creation,
    /// As a new element of an existing instance.
    Addition,
    Replacement,
    Deletion,
}

/// A refusal. The old endpoint writes it as text, the new ones as problem details.
#[derive(Debug)]
pub(super) struct DataRefusal {
    status: StatusCode,
    title: &'static str,
    detail: String,
    /// Code and description of each issue of an upload.
    issues: Vec<(&'static str, String)>,
}

impl DataRefusal {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
            issues: Vec::new(),
        }
    }

    /// The instance has the largest number of elements of the data type.
    pub(super) fn too_many(data_type: &DataType) -> Self {
        let most = data_type.max_count().unwrap_or_default();
        Self::new(
            StatusCode::CONFLICT,
            "Max Count Exceeded",
            format!(
                "Cannot create more than {most} data elements of type {}",
                data_type.id
            ),
        )
    }

    fn restriction(code: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "File validation failed",
            detail: "Common checks failed".to_owned(),
            issues: vec![(code, description.into())],
        }
    }

    pub(super) fn problem_details(&self) -> Response {
        if self.issues.is_empty() {
            return responses::problem(self.status, self.title, &self.detail);
        }
        let issue = |(code, description): &(&str, String)| {
            json!({
                "severity": 1, "dataElementId": null, "field": null, "code": code, "description": description,
                "source": "DataRestrictionValidation",
            })
        };
        let issues: Value = self.issues.iter().map(issue).collect();
        responses::problem_with(
            self.status,
            self.title,
            &self.detail,
            [("uploadValidationIssues", issues)],
        )
    }

    /// The response of the old endpoint: plain text for 400, problem details for the rest.
    pub(super) fn text(&self) -> Response {
        if self.status != StatusCode::BAD_REQUEST {
            return self.problem_details();
        }
        let descriptions: Vec<&str> = self
            .issues
            .iter()
            .map(|(_, description)| description.as_str())
            .collect();
        let text = if descriptions.is_empty() {
            self.detail.clone()
        } else {
            descriptions.join(";")
        };
        responses::text(StatusCode::BAD_REQUEST, text)
    }
}

impl From<DataRefusal> for Refusal {
    fn from(refusal: DataRefusal) -> Self {
        refusal.problem_details().into()
    }
}

/// Checks that the caller may make this change now.
pub(super) fn check_access(
    request: &AppRequest,
    instance: &Instance,
    data_type: &DataType,
    change: DataChange,
) -> Result<(), DataRefusal> {
    let forbidden =
        |detail: String| Err(DataRefusal::new(StatusCode::FORBIDDEN, "Forbidden", detail));
    let id = &data_type.id;
    if id == "ref-data-as-pdf" {
        return forbidden("ref-data-as-pdf is written by the app only".to_owned());
    }
    let library = request.app.library();
    let checks_contributors =
        change != DataChange::Creation || library >= Library::CHECKS_CONTRIBUTORS;
    if checks_contributors
        && data_type
            .allowed_contributors()
            .is_some_and(|allowed| !is_contributor(request, allowed))
    {
        return forbidden(format!(
            "The caller is not among the allowed contributors of data type {id}"
        ));
    }
    if data_type
        .action_required_to_write
        .as_deref()
        .is_some_and(|action| !request.permits(instance.owner.party_id, action))
    {
        return forbidden(format!(
            "The action that data type {id} requires for writing is denied"
        ));
    }
    let task = instance.current_task().map(|task| task.element_id.as_str());
    if let (true, Some(owner)) = (
        request.app.settings.enforce_tasks,
        data_type.task_id.as_deref(),
    ) && task != Some(owner)
    {
        let detail = format!(
            "Data type {id} can only be modified in {owner} (current task {})",
            task.unwrap_or("none")
        );
        return Err(DataRefusal::new(StatusCode::CONFLICT, "Conflict", detail));
    }
    let is_new = matches!(change, DataChange::Creation | DataChange::Addition);
    if is_new && is_full(request, instance, data_type) {
        return Err(DataRefusal::too_many(data_type));
    }
    let is_owner = request.caller.owns(&request.app.org);
    if is_new && data_type.disallows_user_create() && !is_owner {
        return Err(DataRefusal::new(
            StatusCode::BAD_REQUEST,
            "User create not allowed",
            format!("{id} is created by the app only"),
        ));
    }
    if change == DataChange::Deletion
        && (data_type.is_main_form() || (data_type.disallows_user_delete() && !is_owner))
    {
        return Err(DataRefusal::new(
            StatusCode::BAD_REQUEST,
            "Cannot Delete main data element",
            "Cannot delete the only data element of a class with app logic",
        ));
    }
    Ok(())
}

/// Whether an instance has the largest number of elements of a type.
pub(super) fn is_full(request: &AppRequest, instance: &Instance, data_type: &DataType) -> bool {
    let most = data_type.max_count();
    request.app.library() >= Library::COUNTS_ELEMENTS
        && most.is_some_and(|most| instance.elements_of(&data_type.id).count() >= most)
}

/// Whether the caller is in a list of contributors. Only service owners can be; `app:owned` stands for the app itself.
fn is_contributor(request: &AppRequest, allowed: &[String]) -> bool {
    let Some(org) = request.caller.org.as_deref() else {
        return false;
    };
    allowed.iter().any(|entry| match entry.split_once(':') {
        Some(("org", code)) => code.eq_ignore_ascii_case(org),
        Some(("orgno", number)) => number == request.caller.org_number,
        _ => false,
    })
}

/// Refuses callers from whom Storage accepts no data: it accepts data only from users and service owners.
pub(super) fn require_identity(request: &AppRequest) -> Result<(), DataRefusal> {
    if request.caller.is_known_to_storage() {
        return Ok(());
    }
    Err(DataRefusal::new(
        StatusCode::BAD_REQUEST,
        "Platform error",
        "Storage answered 400: the caller is neither a user nor a service owner",
    ))
}

/// Storage's refusal of an element whose data type is not in its copy of the metadata (measured,
/// tests/recorded/older/v8.0.0-create-second-instance-part.json).
pub(super) const UNDECLARED: &str =
    r#""Requested element type is not declared in application metadata""#;

/// Refuses a data type that is not in Storage's copy of the metadata.
pub(super) fn require_known_to_storage(
    request: &AppRequest,
    data_type: &DataType,
) -> Result<(), DataRefusal> {
    if request.app.storage_knows(&data_type.id) {
        return Ok(());
    }
    let detail = format!("400 - Bad Request - {UNDECLARED}");
    let status = StatusCode::BAD_REQUEST;
    Err(DataRefusal::new(status, "Platform error", detail))
}

/// Reads a form. A request without content type means an empty form.
pub(super) fn read_form(
    request: &AppRequest,
    data_type: &DataType,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Result<Form, DataRefusal> {
    let Some(model) = request.app.models.get(&data_type.id) else {
        return Err(DataRefusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error",
            "The data type has no model",
        ));
    };
    let Some(content_type) = content_type else {
        return Ok(model.empty());
    };
    let (read, title) = match content_type.split(';').next().unwrap_or_default().trim() {
        form::XML => (model.read_xml(bytes), "Failed to deserialize XML"),
        form::JSON => (model.read_json(bytes), "Failed to deserialize JSON"),
        other => {
            let detail =
                format!("Content-Type {other} is neither application/xml nor application/json");
            return Err(DataRefusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported content type",
                detail,
            ));
        }
    };
    read.map_err(|error| DataRefusal::new(StatusCode::BAD_REQUEST, title, error.to_string()))
}

/// Checks a binary upload to a data endpoint. Returns its file name and content type.
pub(super) fn check_binary(
    headers: &HeaderMap,
    data_type: &DataType,
    change: DataChange,
) -> Result<(String, String), DataRefusal> {
    let Some(disposition) = headers.get(header::CONTENT_DISPOSITION) else {
        return Err(DataRefusal::restriction(
            "MissingFileName",
            "Invalid data provided. Error: The request must include a Content-Disposition header",
        ));
    };
    // A replacement uses the plain name (measured, tests/recorded/app-data-put-attachment.json).
    let named = ContentDisposition::parse(disposition).and_then(|disposition| match change {
        DataChange::Replacement => disposition.plain_filename.or(disposition.filename),
        _ => disposition.filename,
    });
    let Some(filename) = named else {
        return Err(DataRefusal::restriction(
            "MissingFileName",
            "Invalid data provided. Error: The Content-Disposition header must contain a filename",
        ));
    };
    if !filename.contains('.') {
        return Err(DataRefusal::restriction(
            "InvalidFileNameFormat",
            "Invalid data provided. Error: Invalid format for filename. Filename is expected to end with '.{filetype}'.",
        ));
    }
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let (Some(length), Some(most)) = (length, data_type.max_bytes())
        && length > most
    {
        return Err(DataRefusal::restriction(
            "DataElementTooLarge",
            format!("Invalid data provided. Error: Binary attachment exceeds limit of {most}"),
        ));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    if let Some(allowed) = data_type.allowed_content_types() {
        let Some(content_type) = content_type.as_deref() else {
            return Err(DataRefusal::restriction(
                "InsufficientContentType",
                "Invalid data provided. Error: Content-Type header must be included in request.",
            ));
        };
        let implied = mime_guess::from_path(&filename)
            .first_raw()
            .unwrap_or("application/octet-stream");
        if content_type != implied && content_type != "application/octet-stream" {
            return Err(DataRefusal::restriction(
                "ContentTypeMismatch",
                format!(
                    "Invalid data provided. Error: Content type header {content_type} does not match mime type {implied} for uploaded file. Please fix header or upload another file."
                ),
            ));
        }
        let open = allowed
            .iter()
            .any(|allowed| allowed == "application/octet-stream");
        if !open && !allowed.iter().any(|allowed| allowed == content_type) {
            return Err(DataRefusal::restriction(
                "ContentTypeNotAllowed",
                format!(
                    "Invalid data provided. Error: Invalid content type: {content_type}. Please try another file. Permitted content types include: {}",
                    allowed.join(", ")
                ),
            ));
        }
    }
    Ok((
        filename,
        content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
    ))
}
