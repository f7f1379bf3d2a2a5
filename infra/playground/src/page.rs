//! Renders pages from templates, with what all pages share.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, context, value::Kwargs};

use super::{
    PlaygroundError, Site,
    guard::Busy,
    language::{Catalogue, Language},
    operations, pages,
    visit::{LANGUAGE, SAID, Visit},
};

const TEXTS: &str = include_str!("texts.yaml");
const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The templates that every page uses, as pairs of file name and content.
const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("error.html", include_str!("templates/error.html")),
];

/// The main pages: path, text key of the name, and path prefix of their subpages.
const NAVIGATION: [(&str, &str, &str); 8] = [
    ("/", "nav-home", "//"),
    ("/apply", "nav-apply", "/apps/"),
    ("/inbox", "nav-inbox", "/instances/"),
    ("/relays", "nav-relays", "/relays/"),
    ("/days", "nav-days", "/days/"),
    ("/tables", "nav-tables", "/tables/"),
    ("/clock", "nav-clock", "/clock/"),
    ("/routes", "nav-routes", "/routes/"),
];

/// Templates and texts.
pub(super) struct Pages {
    templates: Environment<'static>,
    texts: Arc<Catalogue>,
}

impl Pages {
    pub(super) fn new() -> Result<Self, PlaygroundError> {
        let texts = Arc::new(Catalogue::read(&[TEXTS, operations::TEXTS])?);
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let all = [TEMPLATES, pages::TEMPLATES, operations::TEMPLATES].concat();
        for (name, source) in all {
            templates.add_template(name, source)?;
        }
        Ok(Self { templates, texts })
    }

    fn text(&self, language: Language, key: &str) -> String {
        let text = self.texts.text(language, key, &[]);
        text.unwrap_or_else(|| key.to_owned())
    }
}

/// `t("key", name=value)` in a template: a text in the visitor's language.
fn translator(texts: &Arc<Catalogue>, language: Language) -> Value {
    let texts = Arc::clone(texts);
    Value::from_function(move |key: &str, values: Kwargs| {
        let values = values
            .args()
            .map(|name| Ok((name, values.get::<Value>(name)?.to_string())))
            .collect::<Result<Vec<_>, Error>>()?;
        texts
            .text(language, key, &values)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no text `{key}`")))
    })
}

impl Site {
    /// Renders a page.
    pub(crate) fn page(&self, visit: &Visit, template: &str, content: Value) -> Response {
        self.page_with(StatusCode::OK, visit, template, content)
    }

    /// Renders a page with the given status.
    pub(crate) fn page_with(
        &self,
        status: StatusCode,
        visit: &Visit,
        template: &str,
        content: Value,
    ) -> Response {
        let rendered = self
            .pages
            .templates
            .get_template(template)
            .and_then(|template| template.render(context! { ..self.frame(visit), ..content }));
        match rendered {
            Ok(html) => {
                let mut response = (status, Html(html)).into_response();
                let headers = response.headers_mut();
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(
                    header::VARY,
                    HeaderValue::from_static("Accept-Language, Cookie"),
                );
                if visit.chosen {
                    headers.insert(header::SET_COOKIE, cookie(visit.language));
                }
                response
            }
            Err(error) => {
                // The template's data may be personal; only the error's details contain it.
                let line = error.line().unwrap_or_default();
                let place = error.name().unwrap_or(template);
                let reason = format!("{place}, line {line}: {}", error.kind());
                tracing::error!(reason, "a page cannot be rendered");
                let text = self.text(visit, "error-500");
                (StatusCode::INTERNAL_SERVER_ERROR, Html(text)).into_response()
            }
        }
    }

    /// An error page; `key` names its text.
    pub(crate) fn refuse(&self, visit: &Visit, status: StatusCode, key: &str) -> Response {
        let content = context! { key, status => status.as_u16() };
        self.page_with(status, visit, "error.html", content)
    }

    /// A text in the language of a visit.
    pub(crate) fn text(&self, visit: &Visit, key: &str) -> String {
        self.pages.text(visit.language, key)
    }

    /// The data that all pages show.
    fn frame(&self, visit: &Visit) -> Value {
        let navigation = NAVIGATION.map(|(href, key, below)| {
            let is_below = |folder: &str| visit.path.starts_with(folder);
            let is_here = visit.path == href
                || is_below(below)
                || href != "/" && is_below(&format!("{href}/"));
            context! { href, key, is_here }
        });
        let said = visit.said.as_ref().and_then(|(key, values)| {
            let values: Vec<_> = values
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            // A forged address can at most choose one of our own messages.
            let key = Some(key).filter(|key| key.starts_with("said-"))?;
            self.pages.texts.text(visit.language, key, &values)
        });
        let other = visit.language.other();
        context! {
            t => translator(&self.pages.texts, visit.language),
            lang => visit.language.tag(),
            other_lang => other.tag(),
            other_lang_href => visit.in_language(other),
            path => visit.path.clone(),
            navigation => navigation.as_slice(),
            said,
            busy => self.busy().map(Busy::key),
            bad_days => operations::bad_days(self, &visit.path),
        }
    }
}

fn cookie(language: Language) -> HeaderValue {
    let tag = language.tag();
    HeaderValue::from_str(&format!(
        "{LANGUAGE}={tag}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly"
    ))
    .unwrap_or(HeaderValue::from_static(""))
}

/// Redirects to a page with a message: the text of a key that begins with `said-`.
pub(crate) fn said(path: &str, key: &str, values: &[(&str, &str)]) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(SAID, key).extend_pairs(values);
    see_other(&format!("{path}?{}", query.finish()))
}

/// Redirects to a page.
pub(crate) fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

pub(super) async fn no_such_page(State(site): State<Site>, visit: Visit) -> Response {
    site.refuse(&visit, StatusCode::NOT_FOUND, "error-404")
}

pub(super) async fn not_allowed(State(site): State<Site>, visit: Visit) -> Response {
    site.refuse(&visit, StatusCode::METHOD_NOT_ALLOWED, "error-405")
}

pub(super) fn assets() -> Router<Site> {
    let asset = |kind: &'static str, content: &'static str| {
        get(move || async move {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, content)
        })
    };
    Router::new()
        .route("/assets/style.css", asset("text/css; charset=utf-8", STYLE))
        .route(
            "/assets/script.js",
            asset("text/javascript; charset=utf-8", SCRIPT),
        )
        .route("/assets/icon.svg", asset("image/svg+xml", ICON))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    fn templates() -> Vec<(&'static str, &'static str)> {
        [TEMPLATES, pages::TEMPLATES, operations::TEMPLATES].concat()
    }

    #[test]
    fn every_text_of_a_template_is_in_the_catalogue() {
        let pages = Pages::new().unwrap();
        let is_known = |key: &str| pages.texts.text(Language::English, key, &[]).is_some();
        let whole = Regex::new(r#"\bt\(["']([a-z0-9-]+)["']\s*[,)]"#).unwrap();
        let mut count = 0;
        for (name, source) in templates() {
            for found in whole.captures_iter(source) {
                count += 1;
                assert!(is_known(&found[1]), "{name}: {}", &found[1]);
            }
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn every_key_that_the_code_names_is_in_the_catalogue() {
        let pages = Pages::new().unwrap();
        for key in [
            "error-400",
            "error-403",
            "error-404",
            "error-405",
            "error-413",
            "error-415",
            "error-421",
            "error-500",
            "error-no-such-app",
            "error-no-such-file",
            "error-no-such-instance",
            "error-no-such-party",
            "busy-over",
            "cause-app",
            "cause-event",
            "cause-reconcile",
            "cause-redrive",
            "step-trigger",
            "step-queue",
            "step-claim",
            "step-read",
            "step-search",
            "step-create",
            "step-record",
            "step-delete",
            "step-finish",
            "step-verify",
            "step-look",
            "step-add-form",
            "step-resume",
            "step-after-steps",
            "step-end",
            "relay-done",
            "relay-created",
            "relay-claimed",
            "relay-waiting",
            "relay-failed",
            "relay-cut",
            "relay-working",
            "relay-told",
            "relay-none",
            "state-task",
            "state-ended",
            "state-none",
            "state-binned",
            "state-deleted",
            "person",
            "organisation",
            "stranger",
            "wrong-required",
            "wrong-type",
            "wrong-pattern",
            "wrong-longer",
            "wrong-shorter",
            "wrong-more",
            "wrong-fewer",
            "wrong-greater",
            "wrong-less",
            "wrong-choice",
            "wrong-other",
            "file-not-here",
            "file-kind",
            "file-large",
            "file-many",
            "apply-refused",
            "apply-told-app",
            "apply-told-event",
            "apply-told-nobody",
            "said-submitted-app",
            "said-submitted-event",
            "said-submitted-unheard",
            "said-submitted-nobody",
            "said-trigger-refused",
            "said-advanced",
            "said-rejected",
            "said-rejected-ended",
            "said-deleted",
            "said-told",
            "said-refused",
            Busy::Samples.key(),
            Busy::TimePasses.key(),
        ] {
            assert!(
                pages.texts.text(Language::Bokmal, key, &[]).is_some(),
                "{key}"
            );
        }
        for (_, key, _) in NAVIGATION {
            assert!(
                pages.texts.text(Language::Bokmal, key, &[]).is_some(),
                "{key}"
            );
        }
    }

    #[test]
    fn a_message_goes_with_the_address_and_cannot_break_it() {
        let response = said("/inbox", "said-told", &[("who", "a&b=c\r\nSet-Cookie: x")]);
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        assert_eq!(
            location,
            "/inbox?said=said-told&who=a%26b%3Dc%0D%0ASet-Cookie%3A+x"
        );
    }
}
