//! Who looks at what: the language and the place of a request.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};

use super::language::Language;

/// The cookie and the parameter that choose a language.
pub(super) const LANGUAGE: &str = "lang";
/// The parameter that names the text of a message.
pub(super) const SAID: &str = "said";

/// What a request says about its page, beside the page's own matters.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) language: Language,
    /// Whether the language was chosen by this request.
    pub(super) chosen: bool,
    pub(crate) path: String,
    /// The parameters, without those of language and message.
    pub(super) query: Vec<(String, String)>,
    /// A message's key and what belongs into it.
    pub(super) said: Option<(String, Vec<(String, String)>)>,
}

impl Visit {
    pub(super) fn new(uri: &Uri, headers: &HeaderMap) -> Self {
        let mut query: Vec<(String, String)> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let chosen = query
            .iter()
            .find(|(name, _)| name == LANGUAGE)
            .and_then(|(_, tag)| Language::named(tag));
        query.retain(|(name, _)| name != LANGUAGE);
        // A message's values follow its key.
        let message = query.iter().position(|(name, _)| name == SAID);
        let said = message.map(|at| {
            let mut message = query.split_off(at);
            let (_, key) = message.remove(0);
            (key, message)
        });
        let accepted = || {
            let header = headers.get(header::ACCEPT_LANGUAGE);
            Language::accepted(header.and_then(|it| it.to_str().ok()).unwrap_or_default())
        };
        Self {
            language: chosen.or_else(|| kept(headers)).unwrap_or_else(accepted),
            chosen: chosen.is_some(),
            path: uri.path().to_owned(),
            query,
            said,
        }
    }

    /// The address of this page in a language, relative to it: a path of two slashes would lead elsewhere.
    pub(super) fn in_language(&self, language: Language) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.query);
        query.append_pair(LANGUAGE, language.tag());
        format!("?{}", query.finish())
    }
}

/// The language that a cookie keeps.
fn kept(headers: &HeaderMap) -> Option<Language> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == LANGUAGE).then(|| Language::named(value))?
        })
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::new(&parts.uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(uri: &str, headers: &[(header::HeaderName, &'static str)]) -> Visit {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        Visit::new(&uri.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn what_is_chosen_now_counts_more_than_what_is_kept_and_that_more_than_what_is_accepted() {
        let accepts = (header::ACCEPT_LANGUAGE, "en");
        let keeps = (header::COOKIE, "a=b; lang=nb");
        assert_eq!(
            visit("/", std::slice::from_ref(&accepts)).language,
            Language::English
        );
        assert_eq!(
            visit("/", &[accepts.clone(), keeps.clone()]).language,
            Language::Bokmal
        );
        let chosen = visit("/?lang=en", &[accepts, keeps]);
        assert_eq!(chosen.language, Language::English);
        assert!(chosen.chosen);
        assert!(!visit("/?lang=xx", &[]).chosen);
    }

    #[test]
    fn the_other_language_shows_the_same_page_and_repeats_no_message() {
        let visit = visit("/tables?route=a%26b&lang=nb&said=said-sent&count=2", &[]);
        assert_eq!(visit.in_language(Language::English), "?route=a%26b&lang=en");
        let values = vec![("count".to_owned(), "2".to_owned())];
        assert_eq!(visit.said, Some(("said-sent".to_owned(), values)));
    }
}
