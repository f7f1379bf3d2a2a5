//! Whether a page is well-formed, as far as a machine without a browser can tell.

use std::collections::BTreeSet;

use regex::Regex;

const VOID: [&str; 6] = ["meta", "link", "img", "input", "br", "hr"];

/// A start tag.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The text that an attribute or an element stands for.
pub(crate) fn unescaped(text: &str) -> String {
    [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The start tags of a page, in order; every element that begins ends, and in its parent.
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let markup =
        Regex::new(r#"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^"'>]|"[^"]*"|'[^']*')*)>"#).unwrap();
    let attribute = Regex::new(r#"([a-zA-Z-]+)(?:="([^"]*)")?"#).unwrap();
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for tag in markup.captures_iter(page) {
        let name = tag[2].to_owned();
        if !tag[1].is_empty() {
            assert_eq!(
                open.pop().as_deref(),
                Some(name.as_str()),
                "closed at {}",
                &tag[0]
            );
            continue;
        }
        let rest = &tag[3];
        if !VOID.contains(&name.as_str()) && !rest.ends_with('/') {
            open.push(name.clone());
        }
        let attributes = attribute.captures_iter(rest).map(|it| {
            let value = it.get(2).map_or("", |value| value.as_str());
            (it[1].to_owned(), unescaped(value))
        });
        found.push(Tag {
            name,
            attributes: attributes.collect(),
        });
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    found
}

/// What every page must have.
pub(crate) fn check(page: &str, language: &str) {
    let tags = tags(page);
    let of = |name: &str| {
        tags.iter()
            .filter(|tag| tag.name == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("html")[0].get("lang"), Some(language));
    assert_eq!((of("h1").len(), of("main").len()), (1, 1));
    let head = tags.iter().take_while(|tag| tag.name != "body");
    assert_eq!(head.filter(|tag| tag.name == "title").count(), 1);
    let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is there twice: {ids:?}");
    assert!(
        ids.iter()
            .all(|id| !id.is_empty() && !id.contains(char::is_whitespace))
    );
    let labelled: BTreeSet<&str> = of("label")
        .iter()
        .filter_map(|tag| tag.get("for"))
        .collect();
    assert!(
        labelled.iter().all(|id| unique.contains(id)),
        "a label is of nothing: {labelled:?}"
    );
    for control in tags
        .iter()
        .filter(|it| ["input", "select", "textarea"].contains(&it.name.as_str()))
    {
        let is_hidden = control.get("type") == Some("hidden");
        let is_labelled = control.get("id").is_some_and(|id| labelled.contains(id));
        assert!(is_hidden || is_labelled, "no label: {control:?}");
    }
    for tag in &tags {
        for named in ["aria-labelledby", "aria-describedby"] {
            for id in tag.get(named).unwrap_or_default().split_whitespace() {
                assert!(unique.contains(id), "{named} names nothing: {tag:?}");
            }
        }
        assert!(
            tag.get("style").is_none() && tag.get("onclick").is_none(),
            "inline: {tag:?}"
        );
    }
    assert_eq!(
        of("table").len(),
        of("caption").len(),
        "a table without a caption"
    );
    assert!(
        of("th").iter().all(|it| it.get("scope").is_some()),
        "a head without a scope"
    );
    assert!(
        of("script").iter().all(|it| it.get("src").is_some()),
        "a script in the page"
    );
    let mut level = 1;
    for tag in &tags {
        if let Some(next) = tag
            .name
            .strip_prefix('h')
            .and_then(|it| it.parse::<u32>().ok())
        {
            assert!(
                next <= level + 1,
                "headings leave out a level: h{level} to h{next}"
            );
            level = next;
        }
    }
}
