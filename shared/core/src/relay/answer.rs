//! Reads B's answer to the request that creates it: whether to try again, and when B is quiet.
//!
//! An answer never shows what exists. app-lib passes Storage's statuses on after the instance was created (measured:
//! tests/recorded/older, `create-storage-*`), and a gateway answers while the app goes on. An answer shows three things:
//! whether B refused the draft by its own check, whether app-lib gives this answer only before it creates anything, and
//! who answered, which decides when nobody can still be processing the request.
//! Only the kind of the body is read, because a body may quote personal data.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::{
    id::InstanceId,
    pace::Load,
    relay::{
        Reason,
        decide::{Failure, Quiet, Reply},
    },
};

/// Within this time no call of an app to Storage can have timed out: that takes 100 s (.NET's default;
/// Altinn/app-lib-dotnet sets none). When the app answers with a 5xx before, Storage has answered all its calls.
const NO_TIME_OUT: Duration = Duration::from_secs(90);

/// How the texts of a 400 begin that app-lib answers before it creates anything (measured: tests/recorded/create-*).
const REFUSED_TEXTS: [&str; 5] = [
    "Error when comparing content to application metadata:",
    "Error: instanceOwnerPartyId",
    "Cannot create an instance without an instanceOwner",
    "You cannot provide an instanceOwnerPartyId",
    "Creating instance based on a copy",
];

/// B's answer to a request that creates or changes it, other than success. It does not print its body.
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The time from the request to the answer.
    pub elapsed: Duration,
    /// The body; `None` if it did not arrive whole.
    body: Option<Body>,
}

impl Refusal {
    /// An answer after the time `elapsed`. `body` is `None` if it did not arrive whole; `html` is whether its
    /// `Content-Type` says so.
    #[must_use]
    pub fn new(
        status: StatusCode,
        retry_after: Option<Duration>,
        elapsed: Duration,
        body: Option<&[u8]>,
        html: bool,
    ) -> Self {
        Self {
            status,
            retry_after,
            elapsed,
            body: body.map(|body| Body::read(body, html)),
        }
    }

    /// What it says of B's load.
    #[must_use]
    pub fn load(&self) -> Load {
        let by_gateway = matches!(self.body, Some(Body::Html));
        Load::of(self.status, by_gateway, self.retry_after)
    }

    /// Whether B's app refuses a data element by its own check, and would refuse it again (measured:
    /// tests/recorded/app-data-post-*). A status of Storage's that the app passes on is no such refusal.
    #[must_use]
    pub fn refuses_element(&self) -> bool {
        matches!(
            self.status,
            StatusCode::BAD_REQUEST
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
        ) && self.body.as_ref().is_some_and(|body| {
            matches!(body, Body::Text(_) | Body::Problem(_)) && !body.passes_on_storage()
        })
    }
}

/// The kinds of body.
enum Body {
    Empty,
    Html,
    /// A status of Storage's that the app passes on as text: `429 - Too Many Requests - …`.
    OfStorage,
    /// Plain text, or another JSON string.
    Text(String),
    /// An object with a `title`: problem details (RFC 9457).
    Problem(Value),
    /// Other JSON: failed obligations, a validation result, a gateway's object.
    Other(Value),
}

impl Body {
    fn read(bytes: &[u8], html: bool) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim();
        if text.is_empty() {
            return Self::Empty;
        }
        if html || text.starts_with('<') {
            return Self::Html;
        }
        match serde_json::from_str(text) {
            Ok(Value::String(text)) if is_of_storage(&text) => Self::OfStorage,
            Ok(Value::String(text)) => Self::Text(text),
            Ok(object @ Value::Object(_)) if object.get("title").is_some() => Self::Problem(object),
            Ok(json) => Self::Other(json),
            Err(_) if is_of_storage(text) => Self::OfStorage,
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    /// Whether only the app can have written it: no gateway answers like this.
    fn is_of_the_app(&self) -> bool {
        matches!(self, Self::OfStorage | Self::Problem(_))
    }

    /// Whether it is a status of Storage's that the app passes on, as text or in problem details.
    fn passes_on_storage(&self) -> bool {
        match self {
            Self::OfStorage => true,
            Self::Problem(_) => self.text("detail").is_some_and(is_of_storage),
            _ => false,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self {
            Self::Problem(json) | Self::Other(json) => json.get(name)?.as_str(),
            _ => None,
        }
    }
}

/// Whether the text has the form of app-lib's exception for an answer of the platform: `{status} - {words} - {body}`
/// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Helpers/PlatformHttpException.cs).
fn is_of_storage(text: &str) -> bool {
    let mut parts = text.splitn(2, " - ");
    let status = parts.next().unwrap_or_default();
    status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit()) && parts.next().is_some()
}

/// Reads an answer other than 201.
#[must_use]
pub fn classify(refusal: &Refusal) -> Reply {
    let status = refusal.status;
    let quiet = quiet(status, refusal.body.as_ref(), refusal.elapsed);
    // A body that did not arrive whole says nothing.
    let body = refusal.body.as_ref().unwrap_or(&Body::Empty);
    let said = said(status, body);
    let what = said.what;
    let failure = Failure::new(said.reason)
        .because(format!("B answered {}{what}", status.as_u16()))
        .after(refusal.retry_after);
    Reply {
        failure,
        refused: said.refused,
        nothing_made: said.nothing_made && quiet == Quiet::Now,
        quiet,
        instance: named_instance(body),
    }
}

/// When B is quiet: that depends on who answered.
fn quiet(status: StatusCode, body: Option<&Body>, elapsed: Duration) -> Quiet {
    let Some(body) = body else {
        return Quiet::Settled;
    };
    // 499, which has no constant, is nginx's status for a closed request.
    if matches!(body, Body::Html)
        || status == StatusCode::REQUEST_TIMEOUT
        || status.as_u16() == 499
        || !(status.is_client_error() || status.is_server_error())
    {
        return Quiet::Settled;
    }
    if status.is_client_error() {
        return Quiet::Now;
    }
    let by_the_app = body.is_of_the_app() || status == StatusCode::INTERNAL_SERVER_ERROR;
    if by_the_app && elapsed < NO_TIME_OUT {
        Quiet::Soon
    } else {
        Quiet::Settled
    }
}

/// What the status and the body of an answer say.
struct Said {
    reason: Reason,
    refused: bool,
    nothing_made: bool,
    what: String,
}

impl Said {
    /// B's own check refuses the draft, before anything is created.
    fn refused(what: &str) -> Self {
        Self {
            reason: Reason::Refused,
            refused: true,
            nothing_made: true,
            what: what.to_owned(),
        }
    }

    /// B refuses the draft after it has created the instance.
    fn refused_late(what: impl Into<String>) -> Self {
        Self {
            nothing_made: false,
            what: what.into(),
            ..Self::refused("")
        }
    }

    /// Another attempt may succeed.
    fn passing(reason: Reason, what: &str) -> Self {
        Self {
            reason,
            refused: false,
            nothing_made: false,
            what: what.to_owned(),
        }
    }

    fn before_anything(self) -> Self {
        Self {
            nothing_made: true,
            ..self
        }
    }
}

fn said(status: StatusCode, body: &Body) -> Said {
    let title = body.text("title").unwrap_or_default();
    let detail = body.text("detail").unwrap_or_default();
    let unavailable = |what| Said::passing(Reason::TargetUnavailable, what);
    match (status, body) {
        (_, body) if body.passes_on_storage() => {
            unavailable(", a status of Storage's that it passes on")
        }
        (_, Body::Html) => unavailable(" with a page, as a gateway does"),
        (StatusCode::BAD_REQUEST, Body::Text(text))
            if REFUSED_TEXTS.iter().any(|it| text.starts_with(it)) =>
        {
            Said::refused(": its check of the request's parts and owner does not admit them")
        }
        (StatusCode::BAD_REQUEST, Body::Problem(json))
            if json.get("errors").is_some_and(Value::is_object) =>
        {
            Said::refused(": the request has not the form that it reads")
        }
        (StatusCode::BAD_REQUEST, Body::Problem(_)) if title == "Error reading request" => {
            if detail.starts_with("IOException") || detail.contains("MinRequestBodyDataRate") {
                unavailable(": the request did not arrive whole, or too slowly").before_anything()
            } else {
                Said::refused(": it could not read the request")
            }
        }
        (StatusCode::BAD_REQUEST, Body::Problem(_))
            if title.starts_with("Failed to deserialize") =>
        {
            Said::refused_late(format!(": its class cannot read the form{}", place(detail)))
        }
        (StatusCode::BAD_REQUEST, Body::Text(text)) if text.contains("in XML document (") => {
            Said::refused_late(format!(": its class cannot read the form{}", place(text)))
        }
        (StatusCode::BAD_REQUEST, Body::Problem(json))
            if title == "File validation failed"
                || json
                    .get("uploadValidationIssues")
                    .is_some_and(Value::is_array) =>
        {
            Said::refused_late(": its check of files refuses an attachment")
        }
        (StatusCode::UNAUTHORIZED, Body::Empty) => {
            unavailable(": it does not take our token").before_anything()
        }
        (StatusCode::FORBIDDEN, Body::Text(text))
            if text.starts_with("Party ") && text.contains("is not allowed to instantiate") =>
        {
            Said::refused(": it does not admit this owner (partyTypesAllowed)")
        }
        (StatusCode::FORBIDDEN, Body::Other(json))
            if json.get("valid") == Some(&Value::Bool(false)) =>
        {
            Said::refused(": its own rules do not admit this owner")
        }
        (StatusCode::FORBIDDEN, Body::Other(json))
            if json.get("RequiredAuthenticationLevel").is_some() =>
        {
            Said::passing(
                Reason::TargetForbidden,
                ": its policy wants a higher level of authentication than our token has",
            )
            .before_anything()
        }
        (StatusCode::FORBIDDEN, _)
            if detail.contains("Insufficient scope") || title == "Insufficient scope" =>
        {
            Said::passing(
                Reason::TargetForbidden,
                ": our token lacks a scope that it wants (apiScopes)",
            )
            .before_anything()
        }
        (StatusCode::FORBIDDEN, _) => Said::passing(
            Reason::TargetForbidden,
            ": we have no right there, or it cannot ask the policy service",
        ),
        (StatusCode::NOT_FOUND, Body::Text(text)) if text.starts_with("Cannot lookup party") => {
            Said::passing(Reason::OwnerUnknown, ": it cannot look up the owner").before_anything()
        }
        (StatusCode::TOO_MANY_REQUESTS, _) => unavailable(": it is too busy"),
        (StatusCode::PAYLOAD_TOO_LARGE, _) => unavailable(": the request is too large"),
        _ => unavailable(""),
    }
}

/// Where in the form .NET's reader stopped: `… in XML document (1, 82).` The rest of the text is dropped, because it
/// quotes values.
fn place(detail: &str) -> String {
    let place = detail
        .split_once("XML document (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .and_then(|(place, _)| place.split_once(", "))
        .and_then(|(line, column)| Some((line.parse::<u32>().ok()?, column.parse::<u32>().ok()?)));
    place.map_or_else(String::new, |(line, column)| {
        format!(" (line {line}, column {column})")
    })
}

/// The instance that an answer names: `instanceId` of an app with a workflow engine (measured:
/// tests/recorded/v9), or the text `… failed for instance {party}/{guid} for party …`.
fn named_instance(body: &Body) -> Option<InstanceId> {
    if let Body::Text(text) = body {
        let (_, rest) = text.split_once(" for instance ")?;
        return rest.split_whitespace().next()?.parse().ok();
    }
    body.text("instanceId")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn read(status: u16, body: Option<&str>, seconds: u64) -> Reply {
        classify(&Refusal::new(
            StatusCode::from_u16(status).unwrap(),
            None,
            Duration::from_secs(seconds),
            body.map(str::as_bytes),
            false,
        ))
    }

    /// A recorded creation. `left`: it left an instance, which may have been deleted.
    struct Recorded {
        name: String,
        status: u16,
        body: String,
        left: bool,
    }

    /// The recorded answers to creations, except 201 and broken connections.
    fn recorded() -> Vec<Recorded> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recorded");
        let mut recorded = Vec::new();
        for folder in ["", "older", "v9"].map(|name| folder.join(name)) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                if !name.contains("create-") || path.extension().is_none_or(|it| it != "json") {
                    continue;
                }
                let case: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let answer = &case["answer"];
                let Some(status) = answer["status"].as_u64().filter(|status| *status != 201) else {
                    continue;
                };
                // Replaces the guid that was removed from the recording.
                let guid = "3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";
                let text = match (&answer["exact"], &answer["text"], &answer["body"]) {
                    (Value::String(text), ..) | (_, Value::String(text), _) => text.clone(),
                    (.., Value::Null) => String::new(),
                    (.., body) => body.to_string(),
                };
                let left = case["left"].as_array().is_some_and(|left| !left.is_empty());
                let status = u16::try_from(status).unwrap();
                let body = text.replace("{guid2}", guid);
                recorded.push(Recorded {
                    name,
                    status,
                    body,
                    left,
                });
            }
        }
        recorded
    }

    #[test]
    fn no_recorded_answer_claims_that_nothing_was_made_when_something_was() {
        let recorded = recorded();
        assert!(recorded.len() >= 60, "{} recordings", recorded.len());
        for it in &recorded {
            let reply = read(it.status, Some(&it.body), 0);
            assert!(!(reply.nothing_made && it.left), "{}: {reply:?}", it.name);
        }
        let nothing_made = recorded
            .iter()
            .filter(|it| read(it.status, Some(&it.body), 0).nothing_made);
        assert!(nothing_made.count() >= 35);
    }

    #[test]
    fn only_the_apps_own_check_of_parts_owner_and_form_is_a_refusal() {
        let refused: Vec<String> = recorded()
            .into_iter()
            .filter(|it| read(it.status, Some(&it.body), 0).refused)
            .map(|it| it.name)
            .collect();
        for name in [
            "create-form-bad-date",
            "create-orphan",
            "create-too-large",
            "create-wrong-media-type",
            "create-no-owner",
            "create-person-to-organisation-app",
            "create-part-no-type",
            "create-simplified-number-value",
            "v9-create-orphan",
        ] {
            assert!(refused.iter().any(|it| it == name), "{name}");
        }
        for name in [
            "create-cut-off",
            "create-other-owner",
            "create-low-level",
            "create-no-token",
            "create-unknown-person",
            "down-pdp-create",
            "down-register-create",
            "down-storage-create",
            "v8.12.7-create-storage-400-data",
            "v8.12.7-create-storage-429-process",
            "v8.12.2-create-orphan",
            "v8.0.0-create-second-instance-part",
            "v9-create-step-failed",
        ] {
            assert!(!refused.iter().any(|it| it == name), "{name}");
        }
    }

    #[test]
    fn the_instance_that_an_answer_names_is_read() {
        let named: Vec<String> = recorded()
            .into_iter()
            .filter(|it| read(it.status, Some(&it.body), 0).instance.is_some())
            .map(|it| it.name)
            .collect();
        for name in [
            "v9-create-step-failed",
            "v9-create-not-accepted",
            "v8.0.0-create-orphan",
            "create-filename-quotes",
        ] {
            assert!(named.iter().any(|it| it == name), "{name}: {named:?}");
        }
    }

    #[test]
    fn b_is_quiet_sooner_after_an_answer_of_its_app_than_of_a_gateway() {
        const STORAGE: &str = r#""503 - Service Unavailable - {}""#;
        const PROBLEM: &str = r#"{"title":"Instance initialization failed.","status":500}"#;
        for (status, body, seconds, expected) in [
            (400, Some(""), 0, Quiet::Now),
            (400, Some(r#""400 - Bad Request - x""#), 200, Quiet::Now),
            (401, Some(""), 0, Quiet::Now),
            (413, Some(""), 0, Quiet::Now),
            (
                429,
                Some(r#"{"statusCode":429,"message":"Rate limit"}"#),
                0,
                Quiet::Now,
            ),
            (500, Some(""), 0, Quiet::Soon),
            (500, Some(PROBLEM), 89, Quiet::Soon),
            (500, Some(PROBLEM), 90, Quiet::Settled),
            (503, Some(STORAGE), 0, Quiet::Soon),
            (502, Some(PROBLEM), 0, Quiet::Soon),
            (502, Some(""), 0, Quiet::Settled),
            (
                503,
                Some(r#"{"statusCode":503,"message":"no"}"#),
                0,
                Quiet::Settled,
            ),
            (504, Some("upstream request timeout"), 0, Quiet::Settled),
            (408, Some(PROBLEM), 0, Quiet::Settled),
            (499, Some(""), 0, Quiet::Settled),
            (
                403,
                Some("<html><body>Forbidden</body></html>"),
                0,
                Quiet::Settled,
            ),
            (400, Some("<!DOCTYPE html>"), 0, Quiet::Settled),
            (302, Some(""), 0, Quiet::Settled),
            (400, None, 0, Quiet::Settled),
            (500, None, 0, Quiet::Settled),
        ] {
            assert_eq!(
                read(status, body, seconds).quiet,
                expected,
                "{status} {body:?}"
            );
        }
    }

    #[test]
    fn a_refused_form_is_reported_with_the_position_but_not_the_value() {
        let detail = "There is an error in XML document (1, 82). The string 'Kari' is not a valid AllXsd value.";
        let body = serde_json::json!({"title": "Failed to deserialize XML", "status": 400, "detail": detail});
        let detail = read(400, Some(&body.to_string()), 0)
            .failure
            .detail
            .unwrap();
        assert_eq!(
            detail,
            "B answered 400: its class cannot read the form (line 1, column 82)"
        );
    }

    #[test]
    fn a_slow_or_interrupted_request_is_no_refusal() {
        for detail in [
            "IOException while reading a section of the request: Reading the request body timed out due to data arriving \
             too slowly. See MinRequestBodyDataRate.",
            "Reading the request body timed out due to data arriving too slowly. See MinRequestBodyDataRate.",
        ] {
            let body = serde_json::json!({"title": "Error reading request", "status": 400, "detail": detail});
            let reply = read(400, Some(&body.to_string()), 0);
            assert!(!reply.refused && reply.nothing_made, "{reply:?}");
        }
    }

    #[test]
    fn no_body_is_repeated() {
        let reply = read(
            404,
            Some(r#""Cannot lookup party: Failed to lookup party by personNumber: 01017012345""#),
            0,
        );
        assert!(!format!("{reply:?}").contains("01017012345"));
        assert_eq!(reply.failure.reason, Reason::OwnerUnknown);
    }
}
