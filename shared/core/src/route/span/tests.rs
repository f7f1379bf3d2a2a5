use proptest::{prelude::*, sample::select};

use super::*;

/// The scalar of `file` with this text.
fn scalar(file: &str, text: &str) -> Scalar {
    let mut all = Scalars::of(file).0.into_values();
    let found = all.find(|scalar| scalar.text() == text);
    found.unwrap_or_else(|| panic!("no `{text}` in {:?}", Scalars::of(file)))
}

/// What the file has for the first `piece` of the text.
fn written<'f>(file: &'f str, text: &str, piece: &str) -> &'f str {
    let start = text.find(piece).unwrap();
    let range = scalar(file, text).written(file, start..start + piece.len());
    range.map_or("nowhere", |range| &file[range])
}

#[test]
fn a_piece_is_found_behind_quotes_and_what_they_escape() {
    let text = r#"data.a ~ 'Søknad' ~ "x" ~ wrong"#;
    for value in [
        text.to_owned(),
        format!("'{}'", text.replace('\'', "''")),
        format!("\"{}\"", text.replace('"', "\\\"")),
        format!("\"{}\"", text.replace('"', "\\x22").replace('ø', "\\u00f8")),
    ] {
        for file in [
            format!("model:\n  tittel: {value}\n"),
            format!("model: {{ tittel: !!str &a {value} }}\n"),
        ] {
            assert_eq!(written(&file, text, "wrong"), "wrong", "{file}");
            assert_eq!(written(&file, text, "data.a"), "data.a", "{file}");
        }
    }
    assert_eq!(written("t: 'it''s'", "it's", "'s"), "''s");
    let file = r#"t: "S\u00f8k\tom \ud83d\ude00 \U0001F600 \"x\"""#;
    let text = "Søk\tom 😀 😀 \"x\"";
    for (piece, expected) in [
        ("ø", r"\u00f8"),
        ("Søk", r"S\u00f8k"),
        ("\t", r"\t"),
        ("😀 😀", r"\ud83d\ude00 \U0001F600"),
        ("\"x", "\\\"x"),
    ] {
        assert_eq!(written(file, text, piece), expected);
    }
}

#[test]
fn a_piece_is_found_on_a_later_line() {
    for file in [
        "t: data.a\n  ~ wrong\n",
        "t: 'data.a \n\n  \n  ~ wrong'\n",
        "t: \"data.a \\\n  ~ wrong\"\r\n",
        "t: |\n  data.a\n  ~ wrong\n",
        "t: |2-\n\n\n  data.a\n  ~ wrong\n",
        "t: >+ # folded\n  data.a\n  ~ wrong\n\n\n",
        "t: >\r\n  data.a\r\n    ~ wrong\r\n",
    ] {
        let all = Scalars::of(file).0;
        let scalar = all.values().find(|it| it.text().contains("wrong")).unwrap();
        assert_eq!(written(file, scalar.text(), "wrong"), "wrong", "{file}");
        assert_eq!(written(file, scalar.text(), "a"), "a", "{file}");
    }
}

#[test]
fn a_piece_may_be_empty_or_end_inside_a_character_but_not_behind_the_text() {
    let file = "t: 'æb'";
    let scalar = scalar(file, "æb");
    for (piece, expected) in [
        (0..0, Some(4..4)),
        (2..2, Some(6..6)),
        (3..3, Some(7..7)),
        (0..1, Some(4..6)),
        (1..2, Some(4..6)),
        (1..3, Some(4..7)),
        (0..4, None),
        (4..4, None),
    ] {
        assert_eq!(scalar.written(file, piece.clone()), expected, "{piece:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "no caller may break it")]
    let reversed = scalar.written(file, 2..1);
    assert_eq!(reversed, None);
    let empty = self::scalar("t: ''", "");
    assert_eq!(empty.written("t: ''", 0..0), Some(4..4));
}

#[test]
fn in_another_file_nothing_is_found() {
    let scalar = scalar("t: data.a", "data.a");
    for other in ["t: data.b", "t: data", "", "t: 'data.a'"] {
        assert_eq!(scalar.written(other, 0..6), None, "{other}");
    }
}

#[test]
fn every_tag_but_that_of_a_text_is_known() {
    for (value, tag) in [
        ("x", None),
        ("!!str x", None),
        ("!<tag:yaml.org,2002:str> x", None),
        ("!!int x", Some("!!int")),
        ("! x", Some("!")),
        ("!own x", Some("!own")),
        ("!!binary x", Some("!!binary")),
    ] {
        let file = format!("t: {value}");
        assert_eq!(scalar(&file, "x").tag(), tag, "{value}");
    }
}

#[test]
fn a_value_that_is_not_there_has_no_text() {
    for file in [
        "t:",
        "t: # ~\nu: ~",
        "{ t: , u: ~ }",
        "{ t }",
        "- ",
        "[ {t: } ]",
        "? t",
        "? t\n: # ~\n",
        "t: !!str\n",
    ] {
        let scalars = Scalars::of(file).0;
        assert!(
            scalars.values().any(|it| it.text.is_empty()),
            "{file}: {scalars:?}"
        );
        let tildes = scalars.values().filter(|it| it.text == "~").count();
        assert_eq!(tildes, file.matches(": ~").count(), "{file}: {scalars:?}");
    }
    // A tilde that is written is a text, however it is written.
    for file in [
        "~",
        "'~'",
        "\"~\"",
        "\"\\x7e\"",
        "|-\n  ~",
        ">-\n  ~",
        "!!null ~",
    ] {
        assert_eq!(scalar(file, "~").text(), "~", "{file}");
    }
}

/// A scalar in one of YAML's styles, on as many lines as it likes, each indented by four spaces at least.
fn any_scalar() -> impl Strategy<Value = String> {
    let pieces = |own: &'static [&'static str]| {
        let shared: &'static [_] = &[
            "a",
            "æ",
            "😀",
            "data.x",
            " ",
            "  ",
            "\t",
            " ~ ",
            "\n    ",
            "\n     ",
            " \n    ",
            "\t\n\t\n    ",
            "\n\n    ",
            "\n  \n\n      ",
            "\r\n    ",
            "\r\n\r\n    ",
        ];
        let piece = prop_oneof![3 => select(shared), 2 => select(own)];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    };
    let plain = pieces(&["'", "\"", "\\", ".", "|", ">", "-", "x:y", "x#"]);
    let single = pieces(&["''", "\"", "\\", "\\n", "#", " #", ": ", "|", "{", "]"]);
    let double = pieces(&[
        "'",
        "#",
        ": ",
        "\\\\",
        "\\\"",
        "\\n",
        "\\t",
        "\\ ",
        "\\/",
        "\\_",
        "\\0",
        "\\u00f8",
        "\\x41",
        "\\U0001F600",
        "\\ud83d\\ude00",
        "\\\n    ",
        "\\\r\n\n    ",
        " \\\n\t\n    ",
        "\\\n    \\ ",
    ]);
    let line = prop_oneof![
        2 => Just(String::new()),
        1 => "[ ]{1,3}",
        5 => " {0,2}[aæ#'\"~:\\\\😀-][aæ \t#'\"~:\\\\😀-]{0,8}".prop_map(|line| format!("    {line}")),
        1 => "    \t[a\t ]{0,3}",
    ];
    let header = "[|>]([+-]?2?|2[+-])( # c)?";
    let break_ = select(&["\n", "\r\n", "\r"][..]);
    let lines = prop::collection::vec((line, break_), 0..8);
    let start = (header, "\r?\n", 1..4_usize);
    let block =
        (start, lines, any::<bool>()).prop_map(|((header, newline, breaks), lines, ends)| {
            let mut lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
            if !ends {
                lines.truncate(lines.trim_end_matches(['\r', '\n']).len());
            }
            format!("{header}{}    x{newline}{lines}", newline.repeat(breaks))
        });
    prop_oneof![
        plain.prop_map(|text| format!("a{}", text.trim_end())),
        single.prop_map(|text| format!("'{text}'")),
        double.prop_map(|text| format!("\"{text}\"")),
        block,
    ]
}

/// Whether the file's `written` reads as this character of a text.
fn reads_as(written: &str, character: char) -> bool {
    let is_break = matches!(written, "" | "\n" | "\r" | "\r\n");
    let is_folded = written.starts_with(['\n', '\r']) && written.trim().is_empty();
    let escaped = Scalars::of(&format!("\"{written}\"")).0;
    written.chars().eq([character])
        || (written == "''" && character == '\'')
        || (character == '\n' && is_break)
        || (character == ' ' && is_folded)
        || (written.starts_with('\\')
            && escaped.values().any(|it| it.text().chars().eq([character])))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_character_of_a_text_is_found_where_it_is_written(
        value in any_scalar(),
        before in "(# æ\n)?",
        behind in "(\nz: 1\n)?",
        ends in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let file = format!("{before}model:\n  t: {value}{behind}");
        let start = before.len() + "model:\n  t: ".len();
        let scalars = Scalars::of(&file).0;
        let scalar = scalars.values().find(|it| it.range.start >= start && it.text != "z");
        prop_assert!(scalar.is_some(), "{file:?} is no YAML");
        let scalar = scalar.unwrap();
        let characters = written::characters(&file, scalar);
        prop_assert!(characters.is_some(), "{file:?}: {scalar:?}");
        let characters = characters.unwrap();
        prop_assert!(characters.iter().map(|(at, _)| *at).eq(scalar.text.char_indices().map(|(at, _)| at)));
        let content = written::content(scalar).unwrap();
        let mut end = content.start;
        for ((_, range), character) in characters.iter().zip(scalar.text.chars()) {
            let (gap, written) = (&file[end..range.start], &file[range.clone()]);
            prop_assert!(reads_as(written, character), "{file:?}: {written:?} is no {character:?}");
            // Only what YAML drops stands between two characters.
            prop_assert!(gap.replace('\\', "").trim().is_empty(), "{file:?}: {gap:?}");
            end = range.end;
        }
        prop_assert!(end <= content.end);
        let (one, other) = (ends.0.index(scalar.text.len() + 1), ends.1.index(scalar.text.len() + 1));
        let piece = one.min(other)..one.max(other);
        let range = scalar.written(&file, piece.clone());
        prop_assert!(range.as_ref().is_some_and(|it| file.get(it.clone()).is_some()), "{file:?}: {piece:?}");
        prop_assert!(!piece.is_empty() || range.unwrap().is_empty(), "{file:?}: {piece:?}");
    }
}
