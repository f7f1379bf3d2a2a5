//! What expressions are in a file: what is written, whatever YAML would make of it.

use std::path::Path;

use proptest::prelude::*;
use serde_saphyr::Spanned;

use super::*;
use crate::route::{
    file::{self, RouteFile, Tree, bytes},
    span::Scalars,
};

/// The file with `{LEAF}` as an expression.
const FILE: &str = "name: r
from: { app: ttd/a, when: { process: completed }, since: 2026-11-01 }
to: { app: ttd/b, owner: { party: instance.instanceOwner.partyId } }
model:
  t: {LEAF}
";

fn parse(text: &str) -> RouteFile {
    file::parse(Path::new("route.yaml"), text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The text of the scalar at `tree`.
fn text_of(file: &str, tree: &Spanned<Tree>) -> Option<String> {
    let scalars = Scalars::of(file);
    let scalar = scalars.at(&bytes(tree.defined).unwrap());
    matches!(tree.value, Tree::Leaf).then(|| scalar.unwrap().text().to_owned())
}

/// The texts of all expressions of `model`, in order.
fn texts(file: &str) -> Vec<String> {
    fn collect(file: &str, tree: &Spanned<Tree>, found: &mut Vec<String>) {
        match &tree.value {
            Tree::Map(fields) => fields
                .iter()
                .for_each(|(_, tree)| collect(file, tree, found)),
            _ => found.extend(text_of(file, tree)),
        }
    }
    let mut found = Vec::new();
    collect(file, parse(file).model.as_ref().unwrap(), &mut found);
    found
}

fn with_leaf(leaf: &str) -> String {
    FILE.replace("{LEAF}", leaf)
}

fn errors_in(file: &str) -> Vec<RouteError> {
    let directory = directory(&[("route.yaml", file.as_bytes())]);
    let RouteErrors(errors) = Routes::load(directory.path()).unwrap_err();
    errors
        .iter()
        .for_each(|error| assert_range(error, file.as_bytes()));
    errors
}

/// The one error of the file with this expression, which is about the expression.
fn error(leaf: &str) -> RouteError {
    let mut errors = errors_in(&with_leaf(leaf));
    let error = errors.pop().unwrap();
    // What keeps the file from being parsed is told of the group.
    let field = error.field.as_deref();
    assert!(matches!(field, Some("model" | "model.t")), "{error}");
    assert_eq!(errors, [], "{leaf}");
    error
}

/// Scalars of which YAML, in one of its versions, makes something else than a text.
const TYPED: [&str; 39] = [
    "01017012345",
    "00",
    "007",
    "0o17",
    "0x1F",
    "0b101",
    "1_000",
    "+1",
    "-0",
    "1e3",
    "1E+3",
    ".5",
    "5.",
    "1e999",
    "12345678901234567.890",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "190:20:30",
    "1:30",
    ".inf",
    "-.Inf",
    ".nan",
    "NO",
    "no",
    "on",
    "Off",
    "y",
    "yes",
    "true",
    "True",
    "FALSE",
    "~",
    "null",
    "Null",
    "2026-11-01",
    "2026-11-01T23:30:00+01:00",
    "=",
    "<<",
    "none",
];

#[test]
fn an_expression_is_what_is_written_whatever_yaml_makes_of_it() {
    for text in TYPED {
        for leaf in [
            text.to_owned(),
            format!("{text}   # a comment"),
            format!("!!str {text}"),
            format!("&anchor {text}"),
            format!("'{text}'"),
            format!("\"{text}\""),
            format!("|-\n    {text}"),
            format!(">-\n    {text}"),
        ] {
            assert_eq!(texts(&with_leaf(&leaf)), [text], "{leaf}");
        }
        for leaf in [
            format!("{{ a: {text}, b: '{text}' }}"),
            format!("&x {text}\n  u: *x"),
            format!("{{ a: &x {{ b: {text} }}, c: *x }}"),
            format!("\n    a: &x {{ b: {text} }}\n    c: {{ <<: *x }}"),
        ] {
            assert_eq!(texts(&with_leaf(&leaf)), [text, text], "{leaf}");
        }
        let with_byte_order_mark = format!("\u{feff}{}", with_leaf(text));
        assert_eq!(texts(&with_byte_order_mark), [text]);
    }
}

#[test]
fn every_place_of_an_expression_takes_what_is_written() {
    for text in TYPED {
        let file = with_leaf("instance.id").replace("instance.instanceOwner.partyId", text)
            + &format!("each: {text}\nkey: {text}\n");
        let parsed = parse(&file);
        let owner = parsed.to.owner.value.party;
        for tree in [owner, parsed.each, parsed.key] {
            let found = text_of(&file, &tree.unwrap());
            assert_eq!(found.as_deref(), Some(text));
        }
    }
}

#[test]
fn a_text_of_several_lines_is_folded_and_escapes_are_resolved() {
    for (leaf, expected) in [
        (
            "data.a\n    ~ data.b\n\n    ~ data.c",
            "data.a ~ data.b\n~ data.c",
        ),
        ("'''it''\n    ~ data.b'", "'it' ~ data.b"),
        (r#""'S\u00f8k\x6E\U00000061d' \"\"""#, "'Søknad' \"\""),
        ("\"data.a \\\n    ~ data.b\"", "data.a ~ data.b"),
        ("|\n    data.a\n      ~ data.b", "data.a\n  ~ data.b\n"),
        (">2-\n    data.a\n    ~ data.b\n\n", "data.a ~ data.b"),
    ] {
        assert_eq!(texts(&with_leaf(leaf)), [expected], "{leaf}");
    }
}

#[test]
fn nothing_is_silently_none() {
    for leaf in ["", "# ~", "!!str", "&x"] {
        let error = error(leaf);
        assert_eq!(error.mistake, Mistake::NoExpression, "{leaf}");
        assert_eq!(
            error.help.as_deref(),
            Some("`none` leaves the element out"),
            "{leaf}"
        );
    }
    for leaf in ["~", "null", "Null", "NULL"] {
        let error = error(leaf);
        assert_ne!(error.mistake, Mistake::NoExpression, "{leaf}");
        assert_eq!(error.help.as_deref(), Some("write `none`"), "{leaf}");
        assert_eq!(error.suggestion.as_deref(), Some("none"), "{leaf}");
    }
    let fan_out = with_leaf("instance.id") + "each: x in data.m.rows\nkey: x.id\n";
    let party = "party: instance.instanceOwner.partyId";
    for (old, new, mistake) in [
        ("key: x.id", "key:", Mistake::NoExpression),
        ("key: x.id", "key: ~", Mistake::ExpressionSyntax),
        ("each: x in data.m.rows", "each: ~", Mistake::EachForm),
        ("each: x in data.m.rows", "each:", Mistake::EachForm),
        (party, "party: ", Mistake::NoExpression),
        (party, "party: ~", Mistake::ExpressionSyntax),
    ] {
        let errors = errors_in(&fan_out.replace(old, new));
        assert_eq!(errors[0].mistake, mistake, "{new}");
    }
}

#[test]
fn a_tag_is_refused_where_an_expression_stands() {
    for (leaf, tag) in [
        ("!!int 5", "!!int"),
        ("!!int five", "!!int"),
        ("!!bool x", "!!bool"),
        ("!!float 1", "!!float"),
        ("!!null x", "!!null"),
        ("!!null", "!!null"),
        ("!!binary aGVp", "!!binary"),
        ("!!binary x", "!!binary"),
        ("!!timestamp 2026-11-01", "!!timestamp"),
        ("!own x", "!own"),
        ("! x", "!"),
        ("!!set x", "!!set"),
        ("!!int 'x'", "!!int"),
        ("!!map x", "!!map"),
    ] {
        let error = error(leaf);
        assert_eq!(error.mistake, Mistake::Tag(tag.into()), "{leaf}: {error}");
        assert_eq!(
            error.problem,
            format!("a value must not have the tag `{tag}`"),
            "{leaf}"
        );
    }
    let fan_out = with_leaf("instance.id") + "each: x in data.m.rows\nkey: x.id\n";
    for (expression, tagged) in [
        ("instance.instanceOwner.partyId", "!!int 5"),
        ("x in data.m.rows", "!!binary aGVp"),
        ("x in data.m.rows", "!!int x"),
        ("x.id", "!!null ~"),
    ] {
        let errors = errors_in(&fan_out.replace(expression, tagged));
        assert_eq!(errors[0].mistake.code(), "tag", "{tagged}: {}", errors[0]);
    }
}

#[test]
fn an_exclamation_mark_before_a_path_is_told_to_be_not() {
    let error = error("!data.model.ja");
    assert_eq!(error.mistake.code(), "tag");
    let help = "where `!` means not, write `not data.model.ja`";
    assert_eq!(error.help.as_deref(), Some(help));
}

#[test]
fn a_text_without_quotes_of_its_own_is_told_to_have_them() {
    for (leaf, text) in [
        ("Oslo", "Oslo"),
        ("NO", "NO"),
        ("on", "on"),
        ("'Oslo'", "Oslo"),
        ("\"Oslo\"", "Oslo"),
        ("'Oslo (sentrum): 2. etasje'", "Oslo (sentrum): 2. etasje"),
        ("Bygg og anlegg", "Bygg og anlegg"),
        ("12:30", "12:30"),
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
        ("“Oslo”", "Oslo"),
        ("‘Oslo sentrum’", "Oslo sentrum"),
        ("\"«Oslo»\"", "Oslo"),
        ("Bygg-\n    og anlegg", "Bygg- og anlegg"),
    ] {
        let file = with_leaf(leaf);
        let error = error(leaf);
        let suggestion = format!("\"'{text}'\"");
        let help = format!("a text stands in quotes within quotes: {suggestion}");
        assert_eq!(error.help, Some(help), "{leaf}");
        assert_eq!(
            error.suggestion.as_deref(),
            Some(suggestion.as_str()),
            "{leaf}"
        );
        let Some(range) = error.range else {
            panic!("{leaf}")
        };
        assert_eq!(&file[range.clone()], leaf);
        // What is suggested works when it is followed to the letter.
        let mended = [&file[..range.start], &suggestion, &file[range.end..]].concat();
        let routes = load(&mended, "{}");
        let route = only(&routes);
        let filled = filled(route, json!({}), json!({}));
        assert_eq!(filled["t"], json!(text), "{leaf}");
    }
    // A header of a block cannot be replaced together with its text.
    let error = error("|\n    Oslo");
    let help = "a text stands in quotes within quotes: \"'Oslo'\"";
    assert_eq!(error.help.as_deref(), Some(help));
    assert_eq!(error.suggestion, None);
}

#[test]
fn an_expression_with_a_mistake_is_not_taken_for_a_text() {
    for leaf in [
        "model.tittel",
        "'model.tittel'",
        "instance ekstra",
        "now()",
        "'now()'",
        "Oslo ~ data.model.by",
        "'data.model.by | stor'",
        "by == 1",
        "'by if poststed'",
        "ikke -",
        "\"'Oslo' Bergen\"",
        "data?.model",
    ] {
        let error = error(leaf);
        assert_eq!(error.suggestion, None, "{leaf}: {error}");
        let help = error.help.unwrap_or_default();
        assert!(!help.contains("quotes within quotes"), "{leaf}: {help}");
    }
}

#[test]
fn the_item_of_a_list_has_a_name_in_any_script() {
    let repeated = |binding: &str| {
        let leaf = format!("{{ $each: \"{binding} in data.m.rader\", x: instance.id }}");
        let directory = directory(&[("route.yaml", with_leaf(&leaf).as_bytes())]);
        Routes::load(directory.path()).map(|routes| match &only(&routes).to.forms.main.model[..] {
            [(_, model::Node::Repeat { name, .. })] => name.clone(),
            _ => panic!("{leaf}"),
        })
    };
    for name in [
        "rad", "_", "Rad_2", "søker", "Ærlig", "ряд", "行", "loop", "isrosa", "trueish",
    ] {
        assert_eq!(repeated(name).unwrap(), name);
        assert_eq!(repeated(&format!("  {name}\\n ")).unwrap(), name);
    }
    for name in ["1", "rad-1", "a.b", "", "a b", "'rad'"] {
        let RouteErrors(errors) = repeated(name).unwrap_err();
        assert_eq!(errors[0].mistake, Mistake::EachForm, "{name}");
    }
    for name in ["2rad", "rad\u{a0}", "\u{664}rad"] {
        let RouteErrors(errors) = repeated(name).unwrap_err();
        assert_eq!(errors[0].mistake, Mistake::ExpressionSyntax, "{name}");
    }
    for name in [
        "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False",
        "None", "data", "instance",
    ] {
        let RouteErrors(errors) = repeated(name).unwrap_err();
        assert_eq!(errors[0].mistake, Mistake::NameTaken(name.into()), "{name}");
    }
    let RouteErrors(errors) = repeated("rad\u{a0}").unwrap_err();
    assert_eq!(errors[0].help.as_deref(), Some("write a blank"));
}

proptest! {
    #[test]
    fn any_plain_text_is_taken_as_it_is_written(
        text in "[0-9a-zæ~.+][0-9A-Za-zæø_.:~+-]{0,20}[0-9a-z_.]",
    ) {
        for leaf in [text.clone(), format!("{{ a: {text} }}"), format!("\n    a: &a {text}\n")] {
            prop_assert_eq!(texts(&with_leaf(&leaf)), [text.as_str()]);
        }
    }
}
