//! The calls that an app makes while it creates an instance, and the trouble that a test gave them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Visit;
use crate::answer;
use crate::faults::{Fault, Step, Trouble};

/// What a service says with a status that a fault gave it, as in the recorded conversations.
const INJECTED: &str = r#"{"title":"injected"}"#;

/// The calls of one creation.
pub(super) struct Calls {
    visit: Visit,
    troubles: Vec<(Step, Trouble)>,
    expires_inside: bool,
}

/// A call of the app that did not succeed.
#[derive(Debug)]
pub(super) enum CallError {
    /// Storage answered with this status and this body.
    Answered(u16, String),
    /// No answer came, or there was no connection; in the app an exception.
    NoAnswer,
}

impl CallError {
    pub(super) fn answered(status: StatusCode, body: &str) -> Self {
        Self::Answered(status.as_u16(), body.to_owned())
    }

    /// The app's answer: Storage's status is passed on, everything else is 500 with the app's own text
    /// (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs, ExceptionResponse; measured,
    /// tests/recorded/older/v8.12.7-create-storage-429-process.json).
    pub(super) fn into_answer(self, text: &str) -> Response {
        match self {
            Self::Answered(status, body) => {
                let status = answer::status(status);
                let reason = status.canonical_reason().unwrap_or_default();
                let text = format!("{} - {reason} - {body}", status.as_u16());
                answer::json_value(status, &json!(text))
            }
            Self::NoAnswer => answer::json_value(StatusCode::INTERNAL_SERVER_ERROR, &json!(text)),
        }
    }
}

impl Calls {
    /// The calls of a creation that begins now.
    pub(super) fn begin(visit: &Visit) -> Self {
        let app = Some(visit.app.id.as_str());
        let faults = &visit.world.faults;
        let troubles = faults.take(app, |fault| match fault {
            Fault::Creation(troubles) => Some(troubles.clone()),
            _ => None,
        });
        Self {
            visit: visit.clone(),
            troubles: troubles.unwrap_or_default(),
            expires_inside: faults.strikes(app, &Fault::TokenExpiresInside),
        }
    }

    /// Makes one call; `effect` is what the service does.
    pub(super) async fn call<T>(
        &self,
        step: Step,
        effect: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        self.delay(step).await;
        self.require_token(step)?;
        if step == Step::Instance && self.visit.strikes(&Fault::StorageDown) {
            return Err(CallError::NoAnswer);
        }
        self.meet_trouble(step, effect)
    }

    /// Calls that no trouble meets.
    pub(super) fn without_trouble(visit: &Visit) -> Self {
        Self {
            visit: visit.clone(),
            troubles: Vec::new(),
            expires_inside: false,
        }
    }

    fn require_token(&self, step: Step) -> Result<(), CallError> {
        let is_the_engines = matches!(
            step,
            Step::FurtherForms | Step::Process | Step::Submission | Step::Poll
        );
        if is_the_engines && self.visit.app.library().has_engine() {
            return Ok(());
        }
        let has_expired = self.expires_inside && step != Step::Instance;
        if has_expired || !self.visit.caller.is_alive(&self.visit.world) {
            return Err(CallError::answered(StatusCode::UNAUTHORIZED, ""));
        }
        Ok(())
    }

    async fn delay(&self, step: Step) {
        for trouble in self.at(step) {
            if let Trouble::Delayed(by) = trouble {
                self.wait(by).await;
            }
        }
    }

    /// Waits, by the clock of the world.
    pub(super) async fn wait(&self, long: Duration) {
        let clock = &self.visit.world.clock;
        let long = SignedDuration::try_from(long).unwrap_or(SignedDuration::MAX);
        let until = clock.now().checked_add(long).unwrap_or(Timestamp::MAX);
        clock.wait_until(until).await;
    }

    fn meet_trouble<T>(
        &self,
        step: Step,
        effect: impl FnOnce() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let trouble = self
            .at(step)
            .find(|trouble| !matches!(trouble, Trouble::Delayed(_)));
        let injected = |status| CallError::Answered(status, INJECTED.to_owned());
        match trouble {
            None | Some(Trouble::Delayed(_)) => effect(),
            Some(Trouble::Refused(status)) => Err(injected(status)),
            Some(Trouble::Unreachable) => Err(CallError::NoAnswer),
            Some(Trouble::DoneThen(status)) => effect().and(Err(injected(status))),
            Some(Trouble::AnswerLost) => effect().and(Err(CallError::NoAnswer)),
        }
    }

    fn at(&self, step: Step) -> impl Iterator<Item = Trouble> {
        self.troubles
            .iter()
            .filter(move |(at, _)| at.covers(step))
            .map(|(_, trouble)| *trouble)
    }
}
