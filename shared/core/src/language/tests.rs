//! Expressions and their values.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;

fn data() -> Map<String, Json> {
    let data: Json = serde_json::from_str(
        r#"{
            "model": {
                "tittel": "Bod & garasje", "antall": 3, "areal": 12.50, "hel": 2.0, "stort": 12345678901234567.89,
                "merknad": null, "tomt": "", "gruppe": null, "hult": {"a": null}, "ja": true, "nei": false, "null": 0,
                "rader": [{"kode": "B", "belop": 2.675, "note": null}, {"kode": "A", "belop": 19.99, "note": "x"}],
                "koder": ["b", "å", "a", "b"], "tomme": [], "huller": ["a", null, "b"],
                "e-post": "a@b.no", "fødselsnummer": "01017012345", "in": "ord", "dato": "2026-11-01",
                "tid": "2026-10-31T23:30:00Z", "kr": "1 234,50", "kilde": "1234,50", "enorm": 1e300
            },
            "A3_RA-0792_M": {"InternInfo": {"raNummer": 1}},
            "flere": [{"x": 1}, {"x": 2}],
            "min type": {"x y": "z"}
        }"#,
    )
    .unwrap();
    match data {
        Json::Object(data) => data,
        _ => unreachable!(),
    }
}

fn instance() -> Json {
    json!({"id": "1/2", "dueBefore": null, "process": {"ended": "2026-06-30T22:30:00Z"}})
}

/// The value of an expression as JSON text, `-` for nothing.
fn evaluated(source: &str) -> Result<String, EvaluationError> {
    let expression =
        Expression::compile(source, &[]).unwrap_or_else(|error| panic!("{source}: {error}"));
    let (instance, data) = (instance(), data());
    let scope = Scope::new(&instance, &data);
    let value = expression.evaluate(&scope)?;
    Ok(value.map_or("-".into(), |value| value.to_string()))
}

fn each(expected: &[(&str, &str)]) {
    for (source, expected) in expected {
        let value = evaluated(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(value, *expected, "{source}");
    }
}

#[test]
fn a_path_is_what_it_means() {
    each(&[
        ("data.model.tittel", r#""Bod & garasje""#),
        ("data['model'].tittel", r#""Bod & garasje""#),
        ("data[\"model\"]['tittel']", r#""Bod & garasje""#),
        ("data.model.fødselsnummer", r#""01017012345""#),
        ("data.model.e-post", r#""a@b.no""#),
        ("data.A3_RA-0792_M.InternInfo.raNummer", "1"),
        ("data['min type']['x y']", r#""z""#),
        ("data.model.in", r#""ord""#),
        ("data.flere[1].x", "2"),
        ("data.flere[-1].x", "2"),
        ("instance.id", r#""1/2""#),
    ]);
    let paths = |source| {
        let expression = Expression::compile(source, &["rad".into()]).unwrap();
        expression
            .paths()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(paths("data['model'].x ~ data.model['x']"), "data.model.x");
    assert_eq!(paths("data['min type'].x[:5]"), "data['min type'].x");
    assert_eq!(
        paths("rad.a if data.m.x is defined else (data.m.rader | map(attribute='b') | first)"),
        "data.m.rader data.m.x rad.a"
    );
}

#[test]
fn decimals_keep_their_digits() {
    each(&[
        ("data.model.stort", "12345678901234567.89"),
        ("data.model.areal", "12.50"),
        ("'kr ' ~ data.model.areal", r#""kr 12.5""#),
        ("data.model.areal * 2", "25.00"),
        ("0.1 + 0.2", "0.3"),
        ("(19.99 * 100) | int", "1999"),
        ("2.675 | round(2)", "2.68"),
        ("2.5 | round", "3"),
        ("2.5 | round('even')", "2"),
        ("-2.5 | round", "-3"),
        ("(1 / 3) | round(2)", "0.33"),
        ("10 / 4", "2.5"),
        ("7 // 2", "3"),
        ("-7 % 3", "2"),
        ("1 == 1.0", "true"),
        ("'%.2f' | format(data.model.antall)", r#""3.00""#),
        (
            "'nr %03d av %s' | format(7, data.model.antall)",
            r#""nr 007 av 3""#,
        ),
        ("data.model.antall | fixed(2)", r#""3.00""#),
        ("data.model.rader | sum(attribute='belop')", "22.665"),
        ("'12.50' | number", "12.50"),
        ("data.model.kr | norwegian_number", "1234.50"),
        ("1234.5 | norwegian", "\"1\u{a0}234,50\""),
    ]);
    for (source, problem) in [
        ("1 / 3", "is a quotient with more digits"),
        ("'x' ~ (1 / 3)", "is a quotient with more digits"),
        ("1 / 0", "is zero"),
        (
            "79228162514264337593543950 * 100000",
            "does not fit into a decimal",
        ),
        ("data.model.enorm", "does not fit into a decimal"),
        ("data.model.kilde | int", "`data.model.kilde` is no number"),
        (
            "data.model.kilde | float",
            "`| norwegian_number` reads `1 234,50`",
        ),
        (
            "data.model.tittel + 1",
            "`data.model.tittel` is a text, and a number is needed",
        ),
        (
            "data.model.antall + data.model.tittel",
            "`data.model.tittel` is a text, and a number is needed",
        ),
    ] {
        let error = evaluated(source).unwrap_err().to_string();
        assert!(error.contains(problem), "{source}: {error}");
    }
}

#[test]
fn empty_is_one_thing() {
    each(&[
        ("data.model.merknad", "-"),
        ("data.model.finnes_ikke", "-"),
        ("data.model.gruppe.under.dypt", "-"),
        ("none", "-"),
        ("data.model.gruppe.under | default('0000')", r#""0000""#),
        ("data.model.rader[5].kode | default('ingen')", r#""ingen""#),
        (
            "(data.model.tomme | first).kode | default('ingen')",
            r#""ingen""#,
        ),
        ("data.model.huller[1] | default('hull')", r#""hull""#),
        ("data.model.tomt | default('x')", r#""""#),
        ("data.model.tomt | default('x', true)", r#""x""#),
        ("data.model.merknad is none", "true"),
        ("data.model.finnes_ikke is none", "true"),
        ("data.model.merknad is defined", "false"),
        ("data.model.merknad is not defined", "true"),
        ("data.model.tomt is defined", "true"),
        ("data.model.tomt is empty", "true"),
        ("data.model.tomme is empty", "true"),
        ("'ja' if data.model.merknad else 'nei'", r#""nei""#),
        ("'ja' if data.model.null else 'nei'", r#""nei""#),
        ("data.model.merknad or 'x'", r#""x""#),
        ("data.model.merknad == none", "true"),
        ("data.model.merknad == 'x'", "false"),
        ("data.model.merknad in ['x']", "false"),
        ("data.model.gruppe | length", "0"),
        ("data.model.huller | join('+')", r#""a+b""#),
        // A group whose fields are all empty is as empty as one without fields.
        ("data.model.hult", "{}"),
        ("data.model.hult | length", "0"),
        ("data.model.hult is empty", "true"),
        ("'ja' if data.model.hult else 'nei'", r#""nei""#),
        ("data.model.hult == {}", "true"),
        ("'a' in data.model.hult", "false"),
        ("'a' is in(data.model.hult)", "false"),
        ("'kode' in data.model.rader[0]", "true"),
        ("data.model.merknad is in(['x', none])", "true"),
        ("data.model.merknad is startingwith('x')", "false"),
    ]);
    for source in [
        "'Merknad: ' ~ data.model.merknad",
        "data.model.merknad | upper",
        "data.model.merknad + 1",
        "data.model.antall < data.model.merknad",
        "data.model.antall is lt(data.model.merknad)",
        "data.model.antall is divisibleby(data.model.merknad)",
        "data.model.tittel is startingwith(data.model.merknad)",
        "data.model.merknad in data.model.tittel",
        "data.model.merknad is in(data.model.tittel)",
    ] {
        let error = evaluated(source).unwrap_err();
        let EvaluationError::Empty { piece, place } = error else {
            panic!("{source}: {error}")
        };
        assert_eq!(
            (piece.as_str(), &source[place]),
            ("data.model.merknad", "data.model.merknad")
        );
    }
}

#[test]
fn a_list_a_group_or_a_boolean_never_becomes_a_text_by_itself() {
    for (source, help) in [
        ("'Koder: ' ~ data.model.koder", "`| join(', ')`"),
        ("'Rader: ' ~ data.model.rader[0]", "name one of its fields"),
        ("'Svar: ' ~ data.model.ja", "'ja' if"),
        ("data.model.ja | string", "'ja' if"),
        (
            "data.model.rader | join(', ')",
            "`| join(', ', 'name')` joins a field of each",
        ),
        ("'Rader: ' ~ data.model.rader", "`| join(', ', 'name')`"),
    ] {
        let error = evaluated(source).unwrap_err().to_string();
        assert!(error.contains(help), "{source}: {error}");
        assert!(!error.contains("garasje"), "{error}");
    }
    each(&[("data.model.koder | join(', ')", r#""b, å, a, b""#)]);
}

#[test]
fn lists_are_sorted_filtered_and_counted() {
    each(&[
        ("data.model.koder | sort | join", r#""abbå""#),
        ("data.model.koder | unique | join", r#""båa""#),
        (
            "data.model.rader | map(attribute='kode') | list",
            r#"["B","A"]"#,
        ),
        (
            "data.model.rader | sort(attribute='kode') | map(attribute='belop') | first",
            "19.99",
        ),
        ("data.model.rader | where('kode', 'A') | count", "1"),
        (
            "data.model.rader | selectattr('note') | map(attribute='kode') | join",
            r#""A""#,
        ),
        (
            "data.model.rader | rejectattr('note') | map(attribute='kode') | join",
            r#""B""#,
        ),
        (
            "data.model.rader | selectattr('belop', 'gt', 10) | length",
            "1",
        ),
        ("data.model.koder | select('in', ['å']) | list", r#"["å"]"#),
        ("data.model.koder | map('upper') | last", r#""B""#),
        ("(data.model.rader | max(attribute='belop')).kode", r#""A""#),
        ("data.model.koder | reverse | join", r#""baåb""#),
        ("data.model.koder[1:3] | join", r#""åa""#),
        ("data.model.tittel[:3]", r#""Bod""#),
        ("data.model.tittel[-3:]", r#""sje""#),
        ("'å' in data.model.koder", "true"),
        ("'garasje' not in data.model.tittel", "false"),
        (
            "{'A': 'Alfa', 'B': 'Beta'}[data.model.rader[0].kode]",
            r#""Beta""#,
        ),
        (
            "data.model.rader[1].kode | translate({'A': 'Alfa'})",
            r#""Alfa""#,
        ),
        (
            "data.model.rader[0].kode | translate({'A': 'Alfa'}, 'annet')",
            r#""annet""#,
        ),
        ("'a,b' | split(',') | length", "2"),
        ("1 < 2 < 3", "true"),
        ("3 > 2 > 2", "false"),
    ]);
    let error = evaluated("data.model.rader[0].kode | translate({'A': 'Alfa'})").unwrap_err();
    assert!(error.to_string().contains("none of the codes"), "{error}");
}

#[test]
fn dates_are_read_whole_and_written_by_pattern() {
    each(&[
        ("data.model.dato | date", r#""2026-11-01""#),
        (
            "data.model.dato | format_date('dd.MM.yyyy')",
            r#""01.11.2026""#,
        ),
        ("'31.12.2026' | date('dd.MM.yyyy')", r#""2026-12-31""#),
        ("instance.process.ended | norwegian_day", r#""2026-07-01""#),
        ("instance.process.ended | norwegian_time", r#""00:30:00""#),
        ("data.model.tid | norwegian_day", r#""2026-11-01""#),
        ("data.model.dato | add_days(30)", r#""2026-12-01""#),
        ("data.model.dato | days_to('2026-12-01')", "30"),
        ("'2000-06-15' | years_to(data.model.dato)", "26"),
        ("(data.model.dato | date) < '2026-12-01'", "true"),
        ("data.model.dato is date", "true"),
        ("data.model.tittel is date", "false"),
    ]);
    for source in [
        "data.model.tid | date",
        "'1.1.2026' | date",
        "'2026-11-01T12:00' | datetime",
    ] {
        assert!(evaluated(source).is_err(), "{source}");
    }
}

#[test]
fn what_cannot_work_is_refused_when_the_route_is_loaded() {
    for (source, problem, help) in [
        ("data.model.title ~ ", "the expression ends", "such as"),
        ("data.model.title | upcase", "unknown filter `upcase`", ""),
        ("(data.model.a + 1) | upcase", "unknown filter `upcase`", ""),
        (
            "data.model.x and (data.model.x | upcase)",
            "unknown filter `upcase`",
            "",
        ),
        (
            "(data.model.x | upcase) if data.model.y else 'z'",
            "unknown filter `upcase`",
            "",
        ),
        (
            "data.model.x | map('upcase')",
            "unknown filter `upcase`",
            "",
        ),
        ("data.model.x is upcase", "unknown test `upcase`", ""),
        (
            "data.model.x | selectattr('a', 'upcase')",
            "unknown test `upcase`",
            "",
        ),
        ("now()", "no function `now`", "only filters"),
        (
            "upper(data.model.x)",
            "no function `upper`",
            "`value | upper`",
        ),
        ("data.model.x.split(' ')", "is a method", "`x | split`"),
        (
            "data.model.x.startswith('a')",
            "is a method",
            "`x is startingwith('…')`",
        ),
        (
            "model.title",
            "unknown name `model`, allowed are `instance`, `data`",
            "",
        ),
        ("NO", "unknown name `NO`", ""),
        ("null", "unknown name `null`", "write `none`"),
        ("loop.index", "unknown name `loop`", "there is no loop here"),
        ("dаta.model.x", "unknown name", "Cyrillic"),
        ("data", "must name a data type", "data.model"),
        ("data[instance.id]", "must name a data type", "data.model"),
        ("01017012345", "no leading zero", "'01017012345'"),
        ("1e3", "is no number", "'1e3'"),
        ("'x' if data.model.y", "has no `else`", "`else none`"),
        ("data.model.x = 1", "`=` compares nothing", "`==`"),
        ("data.model.x && 1", "`&` has no meaning", "`and`"),
        ("!data.model.x", "`!` has no meaning", "`not`"),
        (
            "data.model.x default('x')",
            "where the expression should end",
            "an operator is missing",
        ),
        (
            "data.model.x\u{a0}| default('x')",
            "no-break space (U+00A0)",
            "a blank",
        ),
        ("‘x’", "curly quote", "`'`"),
        (
            "data.model.rader.0",
            "the name of a field is needed",
            "`list[0]`",
        ),
        ("data.model.x[::2]", "no step", ""),
        ("{navn: 1}", "stands in braces", "in quotes"),
        ("{'a': 1, 'a': 2}", "the field `a` stands twice", ""),
        ("'a' 'b'", "a text follows a text", "`~` joins them"),
        ("data.model.x | default", "", ""),
        ("", "is empty", "`none` leaves the element out"),
    ] {
        match Expression::compile(source, &[]) {
            Ok(_) => assert_eq!(problem, "", "{source}"),
            Err(error) => {
                assert!(
                    !problem.is_empty() && error.problem.contains(problem),
                    "{source}: {error}"
                );
                assert!(
                    error.help.clone().unwrap_or_default().contains(help),
                    "{source}: {error}"
                );
                assert!(
                    error.range.is_some_and(|range| source.get(range).is_some()),
                    "{source}"
                );
            }
        }
    }
    let error = Expression::compile("rad-1", &["rad".into()]).unwrap_err();
    assert!(error.help.unwrap().contains("`rad - 1`"));
}

#[test]
fn an_each_binds_a_name_and_may_have_a_condition() {
    let (instance, data) = (instance(), data());
    let scope = Scope::new(&instance, &data);
    let values = |source: &str, field: &str| {
        let binding = Binding::compile(source, &[]).unwrap();
        let field = Expression::compile(field, std::slice::from_ref(&binding.name)).unwrap();
        let scopes = binding
            .list
            .as_ref()
            .unwrap()
            .each(&binding.name, &scope)
            .unwrap();
        let values: Vec<String> = scopes
            .iter()
            .map(|scope| {
                field
                    .evaluate(scope)
                    .unwrap()
                    .map_or("-".into(), |value| value.to_string())
            })
            .collect();
        values.join(" ")
    };
    assert_eq!(values("rad in data.model.rader", "rad.kode"), r#""B" "A""#);
    assert_eq!(
        values("rad in data.model.rader if rad.note", "rad.kode"),
        r#""A""#
    );
    assert_eq!(values("rad in data.model.merknad", "rad"), "");
    assert_eq!(
        values("ærfugl in data.model.koder", "ærfugl"),
        r#""b" "å" "a" "b""#
    );
    for (source, is_form) in [
        ("data.model.rader", true),
        ("rad of data.model.rader", true),
        ("data in data.model.rader", false),
        ("none in data.model.rader", false),
        ("True in data.model.rader", false),
    ] {
        let error = Binding::compile(source, &[]).unwrap_err();
        assert_eq!(
            error.kind == SyntaxProblem::EachForm,
            is_form,
            "{source}: {error}"
        );
    }
    assert!(Binding::compile("rad in", &[]).unwrap().list.is_err());
    let not_a_list = Binding::compile("rad in data.model.tittel", &[]).unwrap();
    let error = not_a_list
        .list
        .as_ref()
        .unwrap()
        .each("rad", &scope)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "`data.model.tittel` is a text, and a list is needed");
}

#[test]
fn what_a_filter_does_with_each_item_hides_no_name_of_the_author() {
    let (instance, data) = (instance(), data());
    let scope = Scope::new(&instance, &data);
    let binding = Binding::compile("item in data.model.rader", &[]).unwrap();
    let field = Expression::compile(
        "data.model.rader | where('kode', item.kode) | count",
        &["item".into()],
    )
    .unwrap();
    for scope in binding.list.as_ref().unwrap().each("item", &scope).unwrap() {
        assert_eq!(field.evaluate(&scope), Ok(Some(json!(1))));
    }
}

#[test]
fn work_is_bounded() {
    let doubled = format!(
        "'{}'{}",
        "x".repeat(1000),
        " | replace('x', 'xxxxxxxxxx')".repeat(12)
    );
    let nested = format!("{}1{}", "(".repeat(1000), ")".repeat(1000));
    let long = format!("1{}", " + 1".repeat(2000));
    let chain = format!("1{}", " + 1".repeat(150));
    assert!(matches!(
        evaluated(&doubled),
        Err(EvaluationError::TooMuchWork(_))
    ));
    for source in [
        nested.as_str(),
        &long,
        &chain,
        &"-".repeat(2000),
        &"not ".repeat(1000),
        &"[".repeat(1000),
    ] {
        let error = Expression::compile(source, &[]).unwrap_err();
        assert_eq!(error.kind, SyntaxProblem::TooLong, "{error}");
    }
    let rows: Vec<Json> = (0..20_000).map(|row| json!({"a": row % 7})).collect();
    let mut data = data();
    data.insert("stor".into(), rows.into());
    let instance = instance();
    let scope = Scope::new(&instance, &data);
    let nested = Expression::compile(
        "data.stor | where('a', data.stor | where('a', 3) | count)",
        &[],
    )
    .unwrap();
    assert!(matches!(
        nested.evaluate(&scope),
        Err(EvaluationError::TooMuchWork(_))
    ));
    let twice = Expression::compile("data.stor | select('in', data.stor)", &[]).unwrap();
    assert!(matches!(
        twice.evaluate(&scope),
        Err(EvaluationError::TooMuchWork(_))
    ));
    let fair = Expression::compile(
        "data.stor | sort(attribute='a') | map(attribute='a') | sum",
        &[],
    )
    .unwrap();
    assert_eq!(fair.evaluate(&scope), Ok(Some(json!(59_997))));
}

#[test]
fn the_longest_and_deepest_expressions_need_little_of_the_stack() {
    let chain = format!("1{}", " + 1".repeat(149));
    let filters = format!("'x'{}", " | trim".repeat(149));
    let brackets = format!("{}1{}", "(".repeat(20), ")".repeat(20));
    let run = move || {
        for source in [&chain, &filters, &brackets] {
            let expression = Expression::compile(source, &[]).unwrap();
            let nothing = Scope::default();
            assert!(expression.evaluate(&nothing).is_ok());
            assert_eq!(expression.infer(&Surroundings::default()).1, []);
        }
    };
    let thread = std::thread::Builder::new().stack_size(1024 * 1024);
    thread.spawn(run).unwrap().join().unwrap();
}

/// Pieces of expressions, put together without a plan.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("data.model.tittel".to_owned()),
        Just("data.model.rader".to_owned()),
        Just("data.model.antall".to_owned()),
        Just("data.model.merknad".to_owned()),
        prop::sample::select(FILTERS.iter().map(|filter| filter.name).collect::<Vec<_>>())
            .prop_map(|name| format!("| {name}")),
        prop::sample::select(FILTERS.iter().map(|filter| filter.name).collect::<Vec<_>>())
            .prop_map(|name| format!("| {name}('kode', 2)")),
        prop::sample::select(FILTERS.iter().map(|filter| filter.name).collect::<Vec<_>>())
            .prop_map(|name| format!("| {name}(1)")),
        prop::sample::select(TESTS.iter().map(|test| test.name).collect::<Vec<_>>())
            .prop_map(|name| format!("is {name}")),
        prop::sample::select(vec![
            "~", "+", "-", "*", "/", "//", "%", "==", "<", "in", "not", "and", "or", "if", "else",
            "(", ")", "[", "]", "{", "}", ":", ",", "'x'", "1", "0.5", "none", "true", "[0]",
            ".kode", "[1:]", "-1"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn every_text_is_an_expression_or_refused_and_every_expression_ends(source in text()) {
        match Expression::compile(&source, &[]) {
            Ok(expression) => {
                let (instance, data) = (instance(), data());
                let scope = Scope::new(&instance, &data);
                let first = expression.evaluate(&scope);
                prop_assert_eq!(&first, &expression.evaluate(&scope));
                if let Err(error) = first {
                    prop_assert!(!error.to_string().contains("garasje"), "{}", error);
                }
            }
            Err(error) => prop_assert!(error.range.is_some_and(|range| source.get(range).is_some())),
        }
    }

    #[test]
    fn any_characters_are_an_expression_or_refused(source in "\\PC{0,40}") {
        if let Err(error) = Expression::compile(&source, &[]) {
            prop_assert!(error.range.is_some_and(|range| source.get(range).is_some()));
        }
        let _ = Binding::compile(&source, &[]);
    }
}
