//! A form with files, as a browser sends it (RFC 7578).

use axum::extract::{Multipart, multipart::MultipartError};
use bytes::Bytes;

use local_altinn::Attachment;

/// The names of file inputs begin with this, and the data type follows.
const FILES: &str = "file:";

/// What was sent.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) fields: Vec<(String, String)>,
    pub(super) files: Vec<Attachment>,
}

/// Why a file cannot be added.
#[derive(Clone, Copy)]
pub(super) enum UploadError {
    /// There is no such data type for users.
    NotHere,
    /// Its content type is not allowed.
    Kind,
    /// It is too large.
    Large,
    /// There are too many.
    Many,
}

impl UploadError {
    /// Names the text that says so.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::NotHere => "file-not-here",
            Self::Kind => "file-kind",
            Self::Large => "file-large",
            Self::Many => "file-many",
        }
    }
}

impl Upload {
    pub(super) async fn read(mut body: Multipart) -> Result<Self, MultipartError> {
        let mut upload = Self::default();
        while let Some(part) = body.next_field().await? {
            let name = part.name().unwrap_or_default().to_owned();
            let Some(data_type) = name.strip_prefix(FILES) else {
                upload.fields.push((name, part.text().await?));
                continue;
            };
            let filename = part.file_name().unwrap_or_default().to_owned();
            let content_type = part.content_type().map(str::to_owned);
            let bytes = part.bytes().await?;
            // An input without a file is sent with an empty name.
            if !filename.is_empty() {
                upload
                    .files
                    .push(file(data_type, filename, content_type, bytes));
            }
        }
        Ok(upload)
    }
}

fn file(data_type: &str, filename: String, given: Option<String>, bytes: Bytes) -> Attachment {
    let guess = || mime_guess::from_path(&filename).first_or_octet_stream();
    let content_type = given.unwrap_or_else(|| guess().to_string());
    Attachment {
        data_type: data_type.to_owned(),
        content_type,
        bytes,
        filename,
    }
}
