//! What an app tells everybody about itself: its metadata, and the JSON schemas of its forms. Both are kept for five minutes.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use reqwest::Response;
use serde_json::Value;
use stafett_core::{
    class::root,
    id::AppId,
    metadata::{ApplicationMetadata, DataType},
    preflight::{ServedSchema, TargetApp, form_of},
    route::Target,
    schema::Schema,
};
use tokio::time::Instant;

use super::{
    budget::Budget,
    client::{Altinn, READ_TIMEOUT, quickly},
    error::{AltinnError, AltinnErrorKind, Call},
    json, percent,
};

/// How long an app's answer is kept before the app is asked again.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Of the answer of an app that has no schema, so much is read.
const MAX_TRACE: usize = 64 * 1024;

/// What apps have said, and when they were asked.
#[derive(Default)]
pub(super) struct AppsSaid {
    metadata: Said<AppId, Arc<ApplicationMetadata>>,
    /// By app and data type; `None` if the app serves none.
    schemas: Said<(AppId, String), Option<ServedSchema>>,
}

type Said<K, V> = Mutex<HashMap<K, (Instant, V)>>;

/// An answer that is recent enough, and was not asked for before `since`.
fn recent<K: Eq + Hash, V: Clone>(said: &Said<K, V>, key: &K, since: Option<Instant>) -> Option<V> {
    let is_recent =
        |asked: &Instant| asked.elapsed() < MAX_AGE && since.is_none_or(|since| *asked >= since);
    let said = locked(said);
    let (_, answer) = said.get(key).filter(|(asked, _)| is_recent(asked))?;
    Some(answer.clone())
}

fn locked<K, V>(said: &Said<K, V>) -> MutexGuard<'_, HashMap<K, (Instant, V)>> {
    // A panic while the map was held cannot leave it half-changed.
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Altinn {
    /// An app's metadata, at most five minutes old. The app gives it to everybody.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn metadata(
        &self,
        budget: &Budget,
        app: &AppId,
    ) -> Result<Arc<ApplicationMetadata>, AltinnError> {
        self.metadata_since(budget, app, None).await
    }

    /// The same, but no answer that was asked for before `since`.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn metadata_since(
        &self,
        budget: &Budget,
        app: &AppId,
        since: Option<Instant>,
    ) -> Result<Arc<ApplicationMetadata>, AltinnError> {
        let said = &self.0.apps_said.metadata;
        if let Some(metadata) = recent(said, app, since) {
            return Ok(metadata);
        }
        let call = Call::ReadMetadata(app.clone());
        let url = self.app(app, "api/v1/applicationmetadata");
        let asked = Instant::now();
        let json = self
            .read_json(budget, &call, || self.0.http.get(&url))
            .await?;
        let metadata = ApplicationMetadata::from_json(&json).map_err(|_| {
            AltinnError::new(&call, AltinnErrorKind::Malformed("application metadata"))
        })?;
        let metadata = Arc::new(metadata);
        locked(said).insert(app.clone(), (asked, metadata.clone()));
        Ok(metadata)
    }

    /// What B tells of itself: its metadata, and the schemas of the forms that the route fills; at most five minutes old, and
    /// not asked for before `since`.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn target_app(
        &self,
        budget: &Budget,
        to: &Target,
        since: Option<Instant>,
    ) -> Result<TargetApp, AltinnError> {
        let metadata = self.metadata_since(budget, &to.app, since).await?;
        let mut schemas = BTreeMap::new();
        let forms = to.forms.iter();
        for form in forms.filter_map(|rule| form_of(rule, &metadata)) {
            if let Some(schema) = self.schema(budget, &to.app, form, since).await? {
                schemas.insert(form.id.clone(), schema);
            }
        }
        Ok(TargetApp { metadata, schemas })
    }

    /// The JSON schema that an app serves of a form; `None` if it serves none.
    async fn schema(
        &self,
        budget: &Budget,
        app: &AppId,
        form: &DataType,
        since: Option<Instant>,
    ) -> Result<Option<ServedSchema>, AltinnError> {
        let (said, key) = (&self.0.apps_said.schemas, (app.clone(), form.id.clone()));
        if let Some(schema) = recent(said, &key, since) {
            return Ok(schema);
        }
        let asked = Instant::now();
        let document = self.schema_document(budget, app, &form.id).await?;
        let schema = document.map(|document| {
            let name = format!("the schema that {app} serves of its form `{}`", form.id);
            Schema::compile(root::rooted(document, Some(form.class_name())), name).map(Arc::new)
        });
        locked(said).insert(key, (asked, schema.clone()));
        Ok(schema)
    }

    async fn schema_document(
        &self,
        budget: &Budget,
        app: &AppId,
        data_type: &str,
    ) -> Result<Option<Value>, AltinnError> {
        let call = Call::ReadSchema {
            app: app.clone(),
            data_type: data_type.to_owned(),
        };
        let url = self.app(
            app,
            &format!("api/jsonschema/{}", percent::encoded(data_type)),
        );
        let failed = |kind| AltinnError::new(&call, kind);
        let answered = quickly(|| async {
            let ask = self.ask(budget, &call, READ_TIMEOUT, || self.0.http.get(&url));
            let answer = ask.await?;
            let status = answer.status();
            if status.is_success() {
                return document(answer).await.map(Some).map_err(failed);
            }
            let error = failed(AltinnErrorKind::of_status(&answer));
            if status == StatusCode::INTERNAL_SERVER_ERROR && names_no_file(answer).await {
                return Ok(None);
            }
            Err(error)
        })
        .await;
        match answered {
            // An app without a schema answers 500, and in production it says no more (measured,
            // tests/recorded/app-jsonschema-unknown.json). It is up: it gave its metadata a moment ago.
            Err(error) if error.status() == Some(StatusCode::INTERNAL_SERVER_ERROR) => Ok(None),
            answered => answered,
        }
    }

    /// Drops what an app said of itself, after the app refused what that seemed to allow.
    pub fn forget_metadata(&self, app: &AppId) {
        locked(&self.0.apps_said.metadata).remove(app);
        locked(&self.0.apps_said.schemas).retain(|(of, _), _| of != app);
    }
}

/// A schema, which an app sends as text, or as a text in JSON to whoever asks for JSON (measured,
/// tests/recorded/app-jsonschema.json).
async fn document(answer: Response) -> Result<Value, AltinnErrorKind> {
    let parsed = |text: &[u8]| json::parse(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text));
    let document = match parsed(&json::read_text(answer).await?)? {
        Value::String(text) => parsed(text.as_bytes())?,
        document => document,
    };
    if document.is_object() {
        Ok(document)
    } else {
        Err(AltinnErrorKind::Malformed("a JSON schema"))
    }
}

/// Whether an app says that it has no such file.
async fn names_no_file(answer: Response) -> bool {
    let text = json::read_capped(answer, MAX_TRACE)
        .await
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.contains("FileNotFoundException") || text.contains("DirectoryNotFoundException")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_kept_for_five_minutes_unless_a_later_one_is_wanted() {
        let now = Instant::now();
        let ago = |seconds| now.checked_sub(Duration::from_secs(seconds)).unwrap();
        let kept = |asked: Instant, since| {
            let said: Said<&str, &str> = Mutex::new(HashMap::from([("app", (asked, "answer"))]));
            recent(&said, &"app", since).is_some()
        };
        assert!(kept(ago(1), None) && kept(ago(290), None));
        assert!(!kept(ago(300), None) && !kept(ago(301), None));
        assert!(kept(now, Some(now)) && kept(now, Some(ago(1))));
        assert!(!kept(ago(1), Some(now)), "it was asked for before");
    }

    fn answer(body: impl Into<reqwest::Body>) -> Response {
        Response::from(http::Response::new(body))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }.build().unwrap().block_on(future)
    }

    /// The conversation with Altinn's own code of this name.
    fn recorded(name: &str) -> Value {
        let file = format!(
            "{}/../../tests/recorded/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(file).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["answer"].take()
    }

    #[test]
    fn the_schema_that_an_app_serves_is_read_as_text_and_as_a_text_in_json() {
        let text = recorded("app-jsonschema")["text"]
            .as_str()
            .unwrap()
            .to_owned();
        let schema: Value = serde_json::from_str(&text).unwrap();
        for body in [
            text.clone(),
            format!("\u{feff}{text}"),
            json!(text).to_string(),
        ] {
            assert_eq!(run(document(answer(body))).unwrap(), schema);
        }
        for body in ["", "<html></html>", "null", "[]", "\"\"", &text[..100]] {
            let refused = run(document(answer(body.to_owned()))).unwrap_err();
            assert!(
                matches!(refused, AltinnErrorKind::Malformed(_)),
                "{body}: {refused}"
            );
        }
    }

    #[test]
    fn an_app_without_a_schema_says_that_it_has_no_such_file() {
        let unknown = recorded("app-jsonschema-unknown");
        assert_eq!(unknown["status"], 500);
        let text = unknown["text"].as_str().unwrap().to_owned();
        assert!(run(names_no_file(answer(text))));
        assert!(!run(names_no_file(answer(
            "System.TimeoutException: too slow"
        ))));
    }
}
