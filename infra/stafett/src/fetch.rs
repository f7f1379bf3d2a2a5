//! An app's files, from the app itself: its anonymous endpoints, stored as [`AppFiles::read`] finds them.
//!
//! (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/ApplicationMetadataController.cs,
//! ResourceController.cs.)

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, StatusCode, Url, header, redirect};
use serde_json::Value;
use stafett_core::{id::AppId, metadata::ApplicationMetadata};
use thiserror::Error;

#[cfg(doc)]
use app_files::AppFiles;

/// No file of an app that is fetched is larger: 16 MiB.
const LARGEST: usize = 16 * 1024 * 1024;
/// An app has a handful of forms.
const MAX_FORMS: usize = 50;
const CONNECT: Duration = Duration::from_secs(5);
/// For one file, from the request to its last byte.
const WHOLE: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 3;

/// What an app gave of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The files that were stored.
    pub stored: Vec<PathBuf>,
    /// What the app did not give.
    pub missing: Vec<Missing>,
}

/// A file that an app did not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The file, below the app's folder.
    pub file: PathBuf,
    /// Why, one line.
    pub why: String,
}

/// Why an app's files cannot be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    /// The address is none at which apps could be.
    #[error(
        "`{base}` is no address of apps: give one such as https://{{org}}.apps.tt02.altinn.no or http://127.0.0.1:5005, \
         without user, query or fragment"
    )]
    Base {
        /// The address, without what may be secret in it.
        base: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// No whole answer came.
    #[error("no answer from {url}: {why}")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// Why.
        why: String,
    },
    /// The app does not give its metadata, without which nothing else is known of it.
    #[error("{url}: {why}")]
    Refused {
        /// What was asked.
        url: String,
        /// Why.
        why: String,
    },
    /// A file cannot be stored.
    #[error("cannot store {}", path.display())]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Fetches the files of `app` from where it runs, and stores them in the folder `into`. `base` is the
/// address of apps, in which `{org}` stands for the app's organisation:
/// `https://{org}.apps.tt02.altinn.no`.
///
/// What the app has not, or does not give to everybody, is told, and is no error; only without its
/// metadata nothing is stored. Each file is stored as a whole or not at all.
///
/// # Errors
/// [`FetchError`].
pub(crate) async fn fetch(base: &str, app: &AppId, into: &Path) -> Result<Fetched, FetchError> {
    let fetching = Fetching {
        client: client()?,
        base: address(base, app)?,
        into,
    };
    let mut fetched = Fetched {
        stored: Vec::new(),
        missing: Vec::new(),
    };

    let url = fetching.url("api/v1/applicationmetadata");
    let refused = |why: String| FetchError::Refused {
        url: url.to_string(),
        why,
    };
    let text = fetching.text(&url, Form::Json).await?.map_err(refused)?;
    let forms = forms(&text, app).map_err(refused)?;
    fetched
        .stored
        .push(fetching.store("applicationmetadata.json", &text)?);

    let mut wanted = vec![
        (
            "process.bpmn".to_owned(),
            "api/v1/meta/process".to_owned(),
            Form::Xml,
        ),
        (
            "policy.xml".to_owned(),
            "api/v1/meta/authorizationpolicy".to_owned(),
            Form::Xml,
        ),
    ];
    for form in forms.iter().take(MAX_FORMS) {
        let file = format!("models/{form}.schema.json");
        if is_name(form) {
            wanted.push((file, format!("api/jsonschema/{form}"), Form::Schema));
        } else {
            fetched.missing.push(Missing {
                file: "models".into(),
                why: format!("the data type {form:?} cannot name a file"),
            });
        }
    }
    for (file, path, form) in wanted {
        match fetching.text(&fetching.url(&path), form).await? {
            Ok(text) => fetched.stored.push(fetching.store(&file, &text)?),
            Err(why) => fetched.missing.push(Missing {
                file: file.into(),
                why,
            }),
        }
    }
    if forms.len() > MAX_FORMS {
        fetched.missing.push(Missing {
            file: "models".into(),
            why: format!(
                "the app has {} forms, of which the first {MAX_FORMS} were asked for",
                forms.len()
            ),
        });
    }
    Ok(fetched)
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// JSON that an app gives as text, or as a JSON text within JSON, after what is asked for.
    Schema,
    Xml,
}

impl Form {
    fn accept(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Schema => "text/plain, application/json;q=0.9",
            Self::Xml => "text/xml, application/xml;q=0.9",
        }
    }

    fn is_of_type(self, content_type: &str) -> bool {
        let media_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let is_json = media_type == "application/json" || media_type.ends_with("+json");
        match self {
            Self::Json => is_json,
            Self::Schema => is_json || media_type == "text/plain",
            Self::Xml => {
                matches!(media_type.as_str(), "text/xml" | "application/xml")
                    || media_type.ends_with("+xml")
            }
        }
    }

    /// The file's text, if it is what it should be.
    fn read(self, bytes: Vec<u8>) -> Result<String, String> {
        let text = String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let not_json = |error: serde_json::Error| format!("the answer is not JSON: {error}");
        match self {
            Self::Json => serde_json::from_str::<Value>(text)
                .map_err(not_json)
                .map(|_| text.to_owned()),
            Self::Schema => match serde_json::from_str(text).map_err(not_json)? {
                Value::String(inner) => Self::Json.read(inner.into_bytes()),
                Value::Object(_) => Ok(text.to_owned()),
                _ => Err("the answer is no JSON schema of a form".into()),
            },
            Self::Xml if text.trim_start().starts_with('<') => Ok(text.to_owned()),
            Self::Xml => Err("the answer is not XML".into()),
        }
    }
}

struct Fetching<'a> {
    client: Client,
    /// Of the app, with a slash at its end.
    base: String,
    into: &'a Path,
}

impl Fetching<'_> {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The text of a file, or why the app does not give it.
    async fn text(&self, url: &str, form: Form) -> Result<Result<String, String>, FetchError> {
        let no_answer = |error: reqwest::Error| FetchError::NoAnswer {
            url: url.to_owned(),
            why: cause(&error.without_url()),
        };
        let request = self.client.get(url).header(header::ACCEPT, form.accept());
        let mut response = request.send().await.map_err(no_answer)?;
        if response.status() != StatusCode::OK {
            return Ok(Err(why(response.status())));
        }
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        if !form.is_of_type(&content_type) {
            return Ok(Err(format!(
                "the answer is {content_type:?}, and {:?} was asked for",
                form.accept()
            )));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Ok(Err(format!(
                    "the answer is larger than {} MiB",
                    LARGEST / 1024 / 1024
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(form.read(bytes))
    }

    /// Stores a file as a whole: who reads it at the same time reads the old one or the new one.
    fn store(&self, file: &str, text: &str) -> Result<PathBuf, FetchError> {
        let path = self.into.join(file);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FetchError::Store { path, source }
        };
        let folder = path.parent().unwrap_or(self.into);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let part = folder.join(format!(".{}.part", std::process::id()));
        let stored = fs::write(&part, text).and_then(|()| fs::rename(&part, &path));
        if let Err(source) = stored {
            // Nothing is left behind, as far as that can be had.
            let _ = fs::remove_file(&part);
            return Err(failed(&path)(source));
        }
        Ok(path)
    }
}

/// What is at the bottom of an error, which says most.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

fn client() -> Result<Client, FetchError> {
    // To another host, or to one whose answers anybody can read and change, no redirect is followed.
    let same_host = redirect::Policy::custom(|attempt| {
        let stays = attempt.previous().first().is_some_and(|first| {
            let is_downgrade = first.scheme() == "https" && attempt.url().scheme() != "https";
            first.host() == attempt.url().host() && !is_downgrade
        });
        if stays && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    Client::builder()
        .redirect(same_host)
        .connect_timeout(CONNECT)
        .timeout(WHOLE)
        .user_agent(concat!("stafett/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(FetchError::Client)
}

/// The app's own address, with a slash at its end.
fn address(base: &str, app: &AppId) -> Result<String, FetchError> {
    let address = format!(
        "{}/{app}/",
        base.trim()
            .replace("{org}", app.org())
            .trim_end_matches('/')
    );
    let sound = Url::parse(&address).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    match sound {
        Some(url) => Ok(url.to_string()),
        None => {
            // What stands before an @ may be a password.
            let shown = base.rsplit('@').next().unwrap_or_default().to_owned();
            Err(FetchError::Base { base: shown })
        }
    }
}

fn why(status: StatusCode) -> String {
    match status {
        StatusCode::NOT_FOUND => "the app has none there (404)".into(),
        StatusCode::CONFLICT => "another app answers there (409)".into(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!(
                "the app does not give it to everybody ({})",
                status.as_u16()
            )
        }
        status if status.is_redirection() => {
            format!(
                "the answer leads to another host, which is not followed ({})",
                status.as_u16()
            )
        }
        status => format!("the app answers with status {}", status.as_u16()),
    }
}

/// The form data types in an app's metadata, which must be this app's.
fn forms(text: &str, app: &AppId) -> Result<Vec<String>, String> {
    let metadata = serde_json::from_str(text)
        .and_then(|document| ApplicationMetadata::from_json(&document))
        .map_err(|error| format!("the answer is no applicationmetadata.json: {error}"))?;
    if metadata.id != *app {
        return Err(format!("another app answers there: {}", metadata.id));
    }
    let forms = metadata.data_types.into_iter().filter(|it| it.is_form());
    Ok(forms.map(|it| it.id).collect())
}

/// Whether a data type's id can name a file, here and in an address.
fn is_name(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=100).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(is_plain)
}

#[cfg(test)]
mod tests;
