//! The languages of the pages, and their texts.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Bokmal,
    English,
}

impl Language {
    /// Its tag (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Bokmal => "nb",
            Self::English => "en",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Bokmal => Self::English,
            Self::English => Self::Bokmal,
        }
    }

    /// The language with exactly this tag.
    pub(crate) fn named(tag: &str) -> Option<Self> {
        [Self::Bokmal, Self::English]
            .into_iter()
            .find(|language| language.tag() == tag)
    }

    /// What a reader of these languages (a header `Accept-Language`, RFC 9110, section 12.5.4) likes best:
    /// bokmål for any Norwegian, and English for everybody else.
    pub(crate) fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::English);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts
                .find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok())
                .unwrap_or(1.0);
            let language = match tag.split('-').next().unwrap_or_default() {
                "nb" | "nn" | "no" => Self::Bokmal,
                "en" => Self::English,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// The texts are not what they should be.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// Not read.
    #[error("the playground's texts cannot be read: {0}")]
    Malformed(String),
    /// Two texts of one name.
    #[error("the playground has two texts `{0}`")]
    Twice(String),
}

/// One text in all languages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    nb: String,
    en: String,
}

/// All texts, by key.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(BTreeMap<String, Text>);

impl Catalogue {
    /// Reads files of `key: { nb: …, en: … }`.
    pub(crate) fn read(files: &[&str]) -> Result<Self, CatalogueError> {
        let mut all = BTreeMap::new();
        for file in files {
            let texts: BTreeMap<String, Text> = serde_saphyr::from_str(file)
                .map_err(|error| CatalogueError::Malformed(error.to_string()))?;
            for (key, text) in texts {
                if all.insert(key.clone(), text).is_some() {
                    return Err(CatalogueError::Twice(key));
                }
            }
        }
        Ok(Self(all))
    }

    /// A text, with each `{name}` replaced by its value.
    pub(crate) fn text(
        &self,
        language: Language,
        key: &str,
        values: &[(&str, String)],
    ) -> Option<String> {
        let text = self.0.get(key)?;
        let text = match language {
            Language::Bokmal => &text.nb,
            Language::English => &text.en,
        };
        Some(fill_in(text, values))
    }
}

/// In one pass, so that a value that looks like a place is left as it is.
fn fill_in(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let value = after.split_once('}').and_then(|(name, after)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, after))
        });
        if let Some((value, after)) = value {
            filled.push_str(value);
            rest = after;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norwegians_get_bokmal_and_everybody_else_english() {
        for (header, expected) in [
            ("nb-NO,nb;q=0.9,en;q=0.8", Language::Bokmal),
            ("nn", Language::Bokmal),
            ("no;q=0.4, en;q=0.3", Language::Bokmal),
            ("en-GB,en;q=0.9,nb;q=0.8", Language::English),
            ("de-DE, nb;q=0.5", Language::Bokmal),
            ("fr", Language::English),
            ("", Language::English),
            ("nb;q=0", Language::English),
            ("nb;q=zero,;;,", Language::Bokmal),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }

    #[test]
    fn values_stand_where_a_text_names_them_and_are_never_read_as_text() {
        let values = [("n", "3".to_owned()), ("who", "{n} <b>".to_owned())];
        assert_eq!(fill_in("{n} for {who}, {n}", &values), "3 for {n} <b>, 3");
        assert_eq!(fill_in("{unknown} { {n}", &values), "{unknown} { 3");
    }

    #[test]
    fn a_text_lacks_no_language_and_has_no_double() {
        assert!(Catalogue::read(&["a: { nb: x }"]).is_err());
        assert!(matches!(
            Catalogue::read(&["a: { nb: x, en: x }", "a: { nb: x, en: x }"]),
            Err(CatalogueError::Twice(key)) if key == "a"
        ));
    }
}
