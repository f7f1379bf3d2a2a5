//! What can be done about a half-made B: add what it lacks, have its engine go on, or delete it.

use std::sync::Arc;

use futures_util::StreamExt;
use http::{StatusCode, header};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
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
use tokio::time::Instant;
use uuid::Uuid;

use super::{Altinn, AltinnError, Budget, READ_TIMEOUT, create::Progress, refusal};

/// The token must outlive a change by this much: B checks it without any leeway, also at the end.
const TOKEN_MARGIN: std::time::Duration = std::time::Duration::from_secs(60);

/// What came of a change to an instance.
#[derive(Debug)]
pub enum Repair {
    /// Done.
    Worked,
    /// Refused, and it would be refused again.
    Denied(Failure),
    /// No answer that settles it. It may have had its effect, or have it until B is quiet.
    Unclear(Failure, Quiet),
}

impl Altinn {
    /// Deletes an instance for good. Needs `delete` in the app's policy, which Altinn's templates do not give.
    ///
    /// An app answers 403 also for an instance that is not there (measured: tests/recorded/app-delete-unknown).
    pub async fn delete(&self, budget: &Budget, app: &AppId, id: InstanceId) -> Repair {
        let doing = format!("delete instance {id} of {app}");
        let url = self.app(app, &format!("instances/{id}?hard=true"));
        let request = self.0.http.delete(&url);
        self.change(budget, &doing, request, |refusal| {
            refusal.status == StatusCode::FORBIDDEN
        })
        .await
    }

    /// Adds a form to an instance (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs). Its app
    /// makes presentation texts and data values of it, and refuses a form that its class cannot read with a 400.
    ///
    /// Not repeated on its own: libraries before 8.5 add a second one.
    pub async fn add_form(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        data_type: &str,
        xml: &str,
    ) -> Repair {
        let doing = format!("add a `{data_type}` to instance {id} of {app}");
        let request = self
            .adding(app, id, data_type)
            .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
            .body(xml.to_owned());
        self.change(budget, &doing, request, Refusal::refuses_element)
            .await
    }

    /// Adds an attachment to an instance, streamed from the A instance `source`.
    ///
    /// Not repeated on its own: the app would add a second one.
    pub async fn add_attachment(
        &self,
        budget: &Arc<Budget>,
        app: &AppId,
        id: InstanceId,
        source: InstanceId,
        attachment: &Attachment,
    ) -> Repair {
        let doing = format!("add a `{}` to instance {id} of {app}", attachment.data_type);
        let progress = Arc::new(Progress::default());
        let request = self
            .adding(app, id, &attachment.data_type)
            .header(header::CONTENT_TYPE, &attachment.content_type)
            .header(header::CONTENT_DISPOSITION, disposition(attachment))
            .header(header::CONTENT_LENGTH, attachment.size)
            .body(self.attachment_body(budget, source, attachment, &progress));
        self.change(budget, &doing, request, Refusal::refuses_element)
            .await
    }

    /// Writes a form of an instance again, as it is stored: its app makes presentation texts and data values of it,
    /// which one that stopped early has not made (measured on app-lib 8.12.7).
    pub async fn rewrite_form(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        element: Uuid,
    ) -> Repair {
        let stored = match self.stored(budget, id, element).await {
            Ok(stored) => stored,
            Err(error) => return unsent(&error),
        };
        let doing = format!("write form {element} of instance {id} of {app} again");
        let url = self.app(app, &format!("instances/{id}/data/{element}"));
        let request = self
            .0
            .http
            .put(&url)
            .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
            .body(stored);
        self.change(budget, &doing, request, Refusal::refuses_element)
            .await
    }

    /// Has the workflow engine of an app go on with a task that it has stopped at (measured:
    /// tests/recorded/v9/v9-create-step-failed).
    pub async fn resume(&self, budget: &Budget, app: &AppId, id: InstanceId) -> Repair {
        let doing = format!("resume the process of instance {id} of {app}");
        let url = self.app(app, &format!("instances/{id}/process/resume"));
        let request = self.0.http.post(&url).header(header::CONTENT_LENGTH, 0);
        self.change(budget, &doing, request, |_| false).await
    }

    /// The SHA-256 of a data element, as it is stored.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn digest(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<[u8; 32], AltinnError> {
        let mut bytes = std::pin::pin!(self.attachment(budget, id, element).await?);
        let mut digest = Sha256::new();
        while let Some(chunk) = bytes.next().await {
            digest.update(chunk?);
        }
        Ok(digest.finalize().into())
    }

    fn adding(&self, app: &AppId, id: InstanceId, data_type: &str) -> RequestBuilder {
        let url = self.app(app, &format!("instances/{id}/data"));
        self.0
            .http
            .request(Method::POST, &url)
            .query(&[("dataType", data_type)])
    }

    /// Sends a change once, within what is left. `denies` tells which refusals are for good.
    async fn change(
        &self,
        budget: &Budget,
        doing: &str,
        request: RequestBuilder,
        denies: impl FnOnce(&Refusal) -> bool,
    ) -> Repair {
        let problem = |reason: Reason, what: &str| {
            Failure::new(reason).because(format!("cannot {doing}: {what}"))
        };
        let left = budget.left();
        if left.is_zero() {
            let problem = problem(Reason::OutOfTime, "no time is left within the lease");
            return Repair::Unclear(problem, Quiet::Now);
        }
        let token = match self.0.tokens.get(left + TOKEN_MARGIN, left).await {
            Ok(token) => token,
            Err(error) => {
                let problem = problem(Reason::TargetUnavailable, &error.to_string());
                return Repair::Unclear(problem, Quiet::Now);
            }
        };
        let request = request
            .bearer_auth(token.expose_secret())
            .timeout(budget.left());
        let started = Instant::now();
        match budget.count(request.send()).await {
            Ok(answer) if answer.status().is_success() => Repair::Worked,
            Ok(answer) => {
                if answer.status() == StatusCode::UNAUTHORIZED {
                    self.0.tokens.forget(&token).await;
                }
                let refusal = refusal::read(answer, started.elapsed()).await;
                let reply = classify(&refusal);
                let said = reply.failure.detail.unwrap_or_default();
                let after = reply.failure.after;
                if denies(&refusal) {
                    Repair::Denied(problem(Reason::Refused, &said))
                } else {
                    let problem = problem(Reason::TargetUnavailable, &said).after(after);
                    Repair::Unclear(problem, reply.quiet)
                }
            }
            Err(error) => {
                let quiet = if error.is_connect() {
                    Quiet::Now
                } else {
                    Quiet::Settled
                };
                let what = format!("no answer ({})", super::transport(&error));
                Repair::Unclear(problem(Reason::TargetUnavailable, &what), quiet)
            }
        }
    }

    /// A form as it is stored.
    async fn stored(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<Vec<u8>, AltinnError> {
        let doing = format!("read form {element} of instance {id} from Storage");
        let url = self.storage(&format!("instances/{id}/data/{element}"));
        let answer = self
            .send(budget, &doing, READ_TIMEOUT, || {
                self.platform_request(Method::GET, &url)
            })
            .await?;
        super::json::read_capped(answer, MAX_FORM)
            .await
            .map_err(|trouble| AltinnError::new(&doing, trouble))
    }
}

/// The largest form that is written again, in bytes.
const MAX_FORM: usize = 16 * 1024 * 1024;

/// What was to be written could not be read, so nothing was sent.
fn unsent(error: &AltinnError) -> Repair {
    let problem = Failure::new(Reason::TargetUnavailable)
        .because(error.to_string())
        .after(error.retry_after());
    Repair::Unclear(problem, Quiet::Now)
}

/// A quoted name for old readers, and the name itself, percent-encoded (RFC 6266, RFC 8187).
fn disposition(attachment: &Attachment) -> String {
    let name = &attachment.filename;
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
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
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
