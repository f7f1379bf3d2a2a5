//! Personal texts, and how to recognise them in every encoding.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// The citizen's national identity number, which the register knows.
pub(super) const NUMBER: &str = "12837832290";
/// A national identity number that the register does not know.
pub(super) const UNKNOWN_NUMBER: &str = "22837832290";
/// Her name, as she typed it.
pub(super) const NAME: &str = "Hemmeline Zqnavnx Ødegård";
/// A free text.
pub(super) const REMARK: &str =
    "Min \"sykdom\" er <zqmerknadx> & ikke noe å snakke om / $tale %om.";
/// Another one, longer than B's schema allows for a code.
pub(super) const DESCRIPTION: &str = "Skjulested zqbeskrivelsex i kjeller";
/// A code.
pub(super) const CODE: &str = "zqkodex";
/// A number.
pub(super) const AREA: u64 = 918_273_645_625;
/// A file name.
pub(super) const FILE: &str = "journal zqfilnavnx å.png";
/// The content of that file.
pub(super) const CONTENT: &[u8] = b"\x89PNG\r\n\x1a\n and then zqinnholdx, and no more";
/// A personal text in Altinn's responses.
pub(super) const GOSSIP: &str = "Zqsladderx: personNumber 12837832290 is Hemmeline Zqnavnx Ødegård";
/// A text in calls to our API.
pub(super) const SENT: &str = "zqinnsendtx";

/// A word from each that occurs nowhere else, and one from her name in the register.
const MARKS: [&str; 12] = [
    NUMBER,
    UNKNOWN_NUMBER,
    "Bygger",
    "Zqnavnx",
    "zqmerknadx",
    "zqbeskrivelsex",
    CODE,
    "918273645625",
    "zqfilnavnx",
    "zqinnholdx",
    "Zqsladderx",
    SENT,
];

/// Fails if `text`, which comes from `place`, contains anything personal.
pub(super) fn assert_none_in(place: &str, text: &str) {
    if let Some(mark) = mark_in(text) {
        // The line that contains it, or the whole text if it spans several lines.
        let line = text.lines().find(|line| mark_in(line).is_some());
        panic!("{place} has {mark}: {}", line.unwrap_or(text));
    }
}

/// The first personal word in `text`.
fn mark_in(text: &str) -> Option<&'static str> {
    let letters = letters(text);
    MARKS.into_iter().find(|mark| {
        letters.contains(&self::letters(mark))
            || encodings(mark).iter().any(|form| text.contains(form))
    })
}

/// The letters and digits, which survive escaping, quoting, splitting and changes of case.
fn letters(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The hexadecimal digits in both cases, and base64 at each of its three alignments.
fn encodings(mark: &str) -> Vec<String> {
    let hex: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![hex.to_ascii_uppercase(), hex];
    for before in 0..3 {
        let text = format!("{}{mark}", "\0".repeat(before));
        // A base64 digit that shares bits with the neighbouring text is left out.
        let (first, end) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&text)[first..end].to_owned());
        }
    }
    forms
}

#[test]
fn personal_texts_are_recognised_in_every_encoding() {
    let percent = |text: &str| {
        let escaped = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        });
        escaped.collect::<String>()
    };
    let content = CONTENT.escape_ascii().to_string();
    let area = AREA.to_string();
    let texts = [
        NUMBER,
        "Kari Bygger",
        NAME,
        REMARK,
        DESCRIPTION,
        CODE,
        &area,
        FILE,
        &content,
        GOSSIP,
        SENT,
    ];
    for text in texts {
        let forms = [
            text.to_owned(),
            text.to_uppercase(),
            format!("{text:?}"),
            serde_json::to_string(&serde_json::to_string(text).unwrap()).unwrap(),
            percent(text),
            percent(&percent(text)).to_lowercase(),
            text.replace(' ', "+"),
            text.replace('&', "&amp;").replace('<', "&lt;"),
            text.chars().map(|letter| format!("{letter} ")).collect(),
            text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        let encoded = ["", "x", "xy", "xyz"]
            .map(|before| BASE64_STANDARD_NO_PAD.encode(format!("{before}{text} and so on")));
        for form in forms.iter().chain(&encoded) {
            assert!(mark_in(form).is_some(), "{text} as {form}");
        }
    }
    for harmless in [
        "",
        "{\"relay\":\"permit-to-casework:3f8d2c1e\"}",
        "zqnavn",
        "1283783229 1",
    ] {
        assert_eq!(mark_in(harmless), None);
    }
}
