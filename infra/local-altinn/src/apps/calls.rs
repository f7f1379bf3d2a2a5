//! The calls that an app makes while it creates an instance, with the faults that a test switched on.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::AppRequest;
use crate::faults::{CallFault, CreationStep, Fault};
use crate::responses;

/// The body of a response whose status a fault set, as in the recordings.
const INJECTED: &str = r#"{"title":"injected"}"#;

/// The calls of one creation.
pub(super) struct Calls {
    request: AppRequest,
    call_faults: Vec<(CreationStep, CallFault)>,
    expires_inside: bool,
}

/// Why a call of the app failed.
#[derive(Debug)]
pub(super) enum CallError {
    /// Storage answered with this status and this body.
    Answered(u16, String),
    /// There was no answer or no connection, which is an exception in the app.
    NoAnswer,
}

impl CallError {
    pub(super) fn answered(status: StatusCode, body: &str) -> Self {
        Self::Answered(status.as_u16(), body.to_owned())
    }

    /// The app's response: Storage's status is passed on, every other failure becomes 500 with the app's own text
    /// (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs, ExceptionResponse; measured,
    /// tests/recorded/older/v8.12.7-create-storage-429-process.json).
    pub(super) fn into_response(self, text: &str) -> Response {
        match self {
            Self::Answered(status, body) => {
                let status = responses::status(status);
                let reason = status.canonical_reason().unwrap_or_default();
                let text = format!("{} - {reason} - {body}", status.as_u16());
                responses::json_value(status, &json!(text))
            }
            Self::NoAnswer => {
                responses::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text))
            }
        }
    }
}

impl Calls {
    /// The calls of a creation that starts now.
    pub(super) fn begin(request: &AppRequest) -> Self {
        let app = Some(request.app.id.as_str());
        let faults = &request.world.faults;
        let call_faults = faults.take(app, |fault| match fault {
            Fault::Creation(call_faults) => Some(call_faults.clone()),
            _ => None,
        });
        Self {
            request: request.clone(),
            call_faults: call_faults.unwrap_or_default(),
            expires_inside: faults.strikes(app, &Fault::TokenExpiresInside),
        }
    }

    /// Makes one call. `effect` is the work of the called service.
    pub(super) async fn call<T>(
        &self,
        step: CreationStep,
        effect: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.delay(step).await;
        self.require_token(step)?;
        if step == CreationStep::Instance && self.request.strikes(&Fault::StorageDown) {
            return Err(CallError::NoAnswer);
        }
        self.apply_fault(step, effect)
    }

    /// Calls without faults.
    pub(super) fn without_faults(request: &AppRequest) -> Self {
        Self {
            request: request.clone(),
            call_faults: Vec::new(),
            expires_inside: false,
        }
    }

    fn require_token(&self, step: CreationStep) -> Result<(), CallError> {
        let is_call_of_engine = matches!(
            step,
            CreationStep::FurtherForms
                | CreationStep::Process
                | CreationStep::Submission
                | CreationStep::Poll
        );
        if is_call_of_engine && self.request.app.library().has_engine() {
            return Ok(());
        }
        let has_expired = self.expires_inside && step != CreationStep::Instance;
        if has_expired || !self.request.caller.is_alive(self.request.world.clock.now()) {
            return Err(CallError::answered(StatusCode::UNAUTHORIZED, ""));
        }
        Ok(())
    }

    async fn delay(&self, step: CreationStep) {
        for fault in self.at(step) {
            if let CallFault::Delayed(by) = fault {
                self.wait(by).await;
            }
        }
    }

    /// Waits by the world's clock.
    pub(super) async fn wait(&self, long: Duration) {
        let clock = &self.request.world.clock;
        let long = SignedDuration::try_from(long).unwrap_or(SignedDuration::MAX);
        let until = clock.now().checked_add(long).unwrap_or(Timestamp::MAX);
        clock.wait_until(until).await;
    }

    fn apply_fault<T>(
        &self,
        step: CreationStep,
        effect: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let fault = self
            .at(step)
            .find(|fault| !matches!(fault, CallFault::Delayed(_)));
        let injected = |status| CallError::Answered(status, INJECTED.to_owned());
        match fault {
            None | Some(CallFault::Delayed(_)) => effect(),
            Some(CallFault::Refused(status)) => Err(injected(status)),
            Some(CallFault::Unreachable) => Err(CallError::NoAnswer),
            Some(CallFault::DoneThen(status)) => effect().and(Err(injected(status))),
            Some(CallFault::AnswerLost) => effect().and(Err(CallError::NoAnswer)),
        }
    }

    fn at(&self, step: CreationStep) -> impl Iterator<Item = CallFault> {
        self.call_faults
            .iter()
            .filter(move |(at, _)| at.covers(step))
            .map(|(_, fault)| *fault)
    }
}
