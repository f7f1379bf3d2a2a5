//! Repairing a half-made B: add what it lacks, resume its process, or delete it.

use std::sync::Arc;

use http::{StatusCode, header};
use reqwest::{Method, RequestBuilder};
use stafett_core::{
    draft::Attachment,
    id::{AppId, InstanceId},
    preflight::FORM_CONTENT_TYPE,
    relay::{
        Reason,
        answer::{Refusal, classify},
        decide::{Failure, Quiet},
    },
};
use uuid::Uuid;

use super::{
    attachment::Progress,
    budget::Budget,
    client::Altinn,
    error::{AltinnError, AltinnErrorKind, Call, transport},
    percent, refusal,
};
use crate::telemetry::Causes;

/// What came of a change to an instance.
#[derive(Debug)]
pub enum Repair {
    /// Done.
    Worked,
    /// Refused for good.
    Denied(Failure),
    /// No answer that tells. The change may have had its effect, or may have it until B is quiet.
    Unclear(Failure, Quiet),
}

impl Altinn {
    /// Deletes an instance for good. Needs `delete` in the app's policy, which Altinn's templates do not give.
    ///
    /// An app answers 403 also for an instance that is not there (measured: tests/recorded/app-delete-unknown).
    pub async fn delete(&self, budget: &Budget, app: &AppId, id: InstanceId) -> Repair {
        let call = Call::DeleteInstance {
            app: app.clone(),
            instance: id,
        };
        let url = self.app(app, &format!("instances/{id}?hard=true"));
        let request = self.0.http.delete(&url);
        self.change(budget, &call, request, |refusal| {
            refusal.status == StatusCode::FORBIDDEN
        })
        .await
    }

    /// Adds a form to an instance (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs). The app
    /// derives presentation texts and data values from it, and answers 400 to a form that its class cannot read.
    ///
    /// Never sent twice: libraries before 8.5 would add a second form.
    pub async fn add_form(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        data_type: &str,
        xml: &str,
    ) -> Repair {
        let call = Call::AddElement {
            app: app.clone(),
            instance: id,
            data_type: data_type.to_owned(),
        };
        let request = self
            .adding(app, id, data_type)
            .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
            .body(xml.to_owned());
        self.change(budget, &call, request, Refusal::refuses_element)
            .await
    }

    /// Adds an attachment to an instance, streamed from the A instance `source`.
    ///
    /// Never sent twice: the app would add a second one.
    pub async fn add_attachment(
        &self,
        budget: &Arc<Budget>,
        app: &AppId,
        id: InstanceId,
        source: InstanceId,
        attachment: &Attachment,
    ) -> Repair {
        let call = Call::AddElement {
            app: app.clone(),
            instance: id,
            data_type: attachment.data_type.clone(),
        };
        let progress = Arc::new(Progress::default());
        let request = self
            .adding(app, id, &attachment.data_type)
            .header(header::CONTENT_TYPE, &attachment.content_type)
            .header(header::CONTENT_DISPOSITION, disposition(attachment))
            .header(header::CONTENT_LENGTH, attachment.size)
            .body(self.attachment_body(budget, source, attachment, &progress));
        self.change(budget, &call, request, Refusal::refuses_element)
            .await
    }

    /// Writes a form of an instance again as it is stored, so that its app derives the presentation texts and data
    /// values that are missing if it stopped early (measured on app-lib 8.12.7).
    pub async fn rewrite_form(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        element: Uuid,
    ) -> Repair {
        let stored = match self.stored_form(budget, id, element).await {
            Ok(stored) => stored,
            Err(error) => return unsent(&error),
        };
        let call = Call::RewriteForm {
            app: app.clone(),
            instance: id,
            element,
        };
        let url = self.app(app, &format!("instances/{id}/data/{element}"));
        let request = self
            .0
            .http
            .put(&url)
            .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
            .body(stored);
        self.change(budget, &call, request, Refusal::refuses_element)
            .await
    }

    /// Lets the workflow engine of an app continue with the task at which it stopped (measured:
    /// tests/recorded/v9/v9-create-step-failed).
    pub async fn resume(&self, budget: &Budget, app: &AppId, id: InstanceId) -> Repair {
        let call = Call::ResumeProcess {
            app: app.clone(),
            instance: id,
        };
        let url = self.app(app, &format!("instances/{id}/process/resume"));
        let request = self.0.http.post(&url).header(header::CONTENT_LENGTH, 0);
        self.change(budget, &call, request, |_| false).await
    }

    fn adding(&self, app: &AppId, id: InstanceId, data_type: &str) -> RequestBuilder {
        let url = self.app(app, &format!("instances/{id}/data"));
        self.0
            .http
            .request(Method::POST, &url)
            .query(&[("dataType", data_type)])
    }

    /// Sends a change once, within what is left of the budget. `denies` tells which refusals are final.
    async fn change(
        &self,
        budget: &Budget,
        call: &Call,
        request: RequestBuilder,
        denies: impl FnOnce(&Refusal) -> bool,
    ) -> Repair {
        let failure = |reason: Reason, what: &str| {
            Failure::new(reason).because(format!("cannot {call}: {what}"))
        };
        match self.send_once(budget, request).await {
            Ok((answer, _)) if answer.status().is_success() => Repair::Worked,
            Ok((answer, took)) => {
                let refusal = refusal::read(answer, took).await;
                let reply = classify(&refusal);
                let said = reply.failure.detail.unwrap_or_default();
                let after = reply.failure.after;
                if denies(&refusal) {
                    Repair::Denied(failure(Reason::Refused, &said))
                } else {
                    let failure = failure(Reason::TargetUnavailable, &said).after(after);
                    Repair::Unclear(failure, reply.quiet)
                }
            }
            Err(AltinnErrorKind::NoAnswer(error)) => {
                let quiet = if error.is_connect() {
                    Quiet::Now
                } else {
                    Quiet::Settled
                };
                let what = format!("no answer ({})", transport(&error));
                Repair::Unclear(failure(Reason::TargetUnavailable, &what), quiet)
            }
            Err(error @ AltinnErrorKind::OutOfTime) => {
                Repair::Unclear(failure(Reason::OutOfTime, &error.to_string()), Quiet::Now)
            }
            // Nothing was sent.
            Err(AltinnErrorKind::Token(error)) => {
                let failure = failure(Reason::TargetUnavailable, &error.to_string());
                Repair::Unclear(failure, Quiet::Now)
            }
            Err(error) => {
                let failure = failure(Reason::TargetUnavailable, &Causes(&error).to_string());
                Repair::Unclear(failure, Quiet::Settled)
            }
        }
    }
}

/// Nothing was sent, because the form to write could not be read.
fn unsent(error: &AltinnError) -> Repair {
    let failure = Failure::new(Reason::TargetUnavailable)
        .because(Causes(error).to_string())
        .after(error.retry_after());
    Repair::Unclear(failure, Quiet::Now)
}

/// A quoted name for old readers, and the name itself, percent-encoded (RFC 6266, RFC 8187).
fn disposition(attachment: &Attachment) -> String {
    let name = percent::sent_filename(&attachment.filename);
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let encoded = percent::encoded(&name);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filename_cannot_break_out_of_its_header() {
        let attachment = Attachment {
            element: uuid::Uuid::nil(),
            data_type: "vedlegg".into(),
            filename: "søk \"nad\"\r\nX: y.pdf".into(),
            content_type: "application/pdf".into(),
            size: 1,
        };
        assert_eq!(
            disposition(&attachment),
            "attachment; filename=\"s_k__nad___X:_y.pdf\"; filename*=UTF-8''s%C3%B8k%20%22nad%22%0D%0AX%3A%20y.pdf"
        );
    }
}
