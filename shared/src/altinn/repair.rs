//! What can be done about a half-made B: add what it lacks, or delete it.

use std::sync::Arc;

use http::{StatusCode, header};
use secrecy::ExposeSecret;

use super::{Altinn, AltinnError, Budget, READ_TIMEOUT, Trouble, create::Progress};
use crate::{
    draft::Attachment,
    id::{AppId, InstanceId},
    preflight::{CheckedDraft, FORM_CONTENT_TYPE, Form, Lacking},
};

/// What came of a repair.
#[derive(Debug)]
pub enum Repair {
    /// Done.
    Worked,
    /// Refused for good.
    Denied,
    /// No answer that settles it; it may have had its effect.
    Trouble(AltinnError),
}

impl Altinn {
    /// Deletes an instance for good. Needs `delete` in the app's policy, which Altinn's templates do not give.
    pub async fn delete(&self, budget: &Budget, app: &AppId, id: InstanceId) -> Repair {
        let doing = format!("delete instance {id} of {app}");
        let url = self.app(app, &format!("instances/{id}?hard=true"));
        let sent = self
            .send(budget, &doing, READ_TIMEOUT, || self.0.http.delete(&url))
            .await;
        match sent {
            Ok(_) => Repair::Worked,
            Err(error) if error.status() == Some(StatusCode::FORBIDDEN) => Repair::Denied,
            Err(error) => Repair::Trouble(error),
        }
    }

    /// Adds one element that `id` lacks (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/DataController.cs).
    ///
    /// Not repeated on its own: the app would add a second element.
    pub async fn add(
        &self,
        budget: &Arc<Budget>,
        app: &AppId,
        id: InstanceId,
        source: InstanceId,
        checked: &CheckedDraft,
        lacking: &Lacking<'_>,
    ) -> Repair {
        let data_type = match lacking {
            Lacking::Form => &checked.form_type,
            Lacking::Attachment(attachment) => &attachment.data_type,
        };
        let Form::Xml(form) = &checked.form else {
            // The simplified request gives no form that could be added on its own.
            return Repair::Denied;
        };
        let doing = format!("add a `{data_type}` to instance {id} of {app}");
        let failed = |trouble: Trouble| Repair::Trouble(AltinnError::new(&doing, trouble));
        let left = budget.left();
        if left.is_zero() {
            return failed(Trouble::OutOfTime);
        }
        let token = match self.0.tokens.get(left, left).await {
            Ok(token) => token,
            Err(error) => return failed(error.into()),
        };
        let url = self.app(app, &format!("instances/{id}/data"));
        let request = self
            .0
            .http
            .post(&url)
            .query(&[("dataType", data_type)])
            .bearer_auth(token.expose_secret())
            .timeout(left);
        let progress = Arc::new(Progress::default());
        let request = match lacking {
            Lacking::Form => request
                .header(header::CONTENT_TYPE, FORM_CONTENT_TYPE)
                .body(form.clone()),
            Lacking::Attachment(attachment) => request
                .header(header::CONTENT_TYPE, &attachment.content_type)
                .header(header::CONTENT_DISPOSITION, disposition(attachment))
                .header(header::CONTENT_LENGTH, attachment.size)
                .body(self.attachment_body(budget, source, attachment, &progress)),
        };
        match budget.count(request.send()).await {
            Ok(answer) if answer.status().is_success() => Repair::Worked,
            Ok(answer) => match answer.status() {
                StatusCode::BAD_REQUEST
                | StatusCode::FORBIDDEN
                | StatusCode::CONFLICT
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE => Repair::Denied,
                status => failed(Trouble::Status {
                    status,
                    retry_after: super::retry_after(answer.headers()),
                }),
            },
            Err(error) => failed(error.into()),
        }
    }
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
