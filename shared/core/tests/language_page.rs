//! The page that defines the language of expressions, `infra/routes/README.md`: it names everything that there is and
//! nothing else, and each of its examples has the value that it shows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use stafett_core::language::{
    Binding, Expression, FILTERS, Filter, Kind, Operator, Scope, TESTS, types,
};

const PAGE: &str = include_str!("../../../infra/routes/README.md");

const OPERATORS: [Operator; 17] = [
    Operator::Or,
    Operator::And,
    Operator::Equal,
    Operator::Unequal,
    Operator::Less,
    Operator::LessOrEqual,
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::In,
    Operator::NotIn,
    Operator::Concat,
    Operator::Plus,
    Operator::Minus,
    Operator::Times,
    Operator::DividedBy,
    Operator::WholeDividedBy,
    Operator::Remainder,
];

/// `expression → value`, or `expression → refused: start of the message`.
#[derive(Debug)]
struct Example {
    expression: String,
    shown: String,
}

/// The section below a heading, up to the next heading of its level or above.
fn section(heading: &str) -> &'static str {
    let (level, _) = heading.split_once(' ').unwrap();
    let (_, below) = PAGE
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the page has no heading `{heading}`"));
    let ends = |line: &str| {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=level.len()).contains(&hashes)
    };
    let mut fenced = false;
    let mut length = 0;
    for line in below.split_inclusive('\n') {
        fenced ^= line.starts_with("```");
        if !fenced && ends(line) {
            break;
        }
        length += line.len();
    }
    &below[..length]
}

/// The text between the fences of a language.
fn fenced<'t>(text: &'t str, language: &str) -> &'t str {
    let (_, block) = text.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0
}

/// The code in a line of Markdown: in a table, `\|` is a bar.
fn code(line: &str) -> Vec<String> {
    let spans = line.split('`').skip(1).step_by(2);
    assert!(line.matches('`').count().is_multiple_of(2), "{line}");
    let bar = if line.starts_with('|') { r"\|" } else { "|" };
    spans.map(|span| span.replace(bar, "|")).collect()
}

fn examples() -> Vec<Example> {
    let text = section("## Expressions");
    let refusals = fenced(text, "text");
    let mut prose = true;
    let mut pieces: Vec<String> = refusals.lines().map(str::to_owned).collect();
    for line in text.lines() {
        if line.starts_with("```") {
            prose = !prose;
        } else if prose {
            pieces.extend(code(line));
        }
    }
    let example = |piece: String| {
        let (expression, shown) = piece.split_once(" → ")?;
        Some(Example {
            expression: expression.to_owned(),
            shown: shown.to_owned(),
        })
    };
    pieces.into_iter().filter_map(example).collect()
}

/// The rows of a section's table, without its head.
fn rows(heading: &str) -> impl Iterator<Item = &'static str> {
    let rows = section(heading)
        .lines()
        .filter(|line| line.starts_with('|'));
    rows.skip(2)
}

/// The code in the first column of a section's table.
fn named(heading: &str) -> Vec<String> {
    let first = rows(heading).map(|row| row.trim_start_matches('|').split(" | ").next().unwrap());
    // Only a line that starts with a bar has escaped ones.
    first.flat_map(|cell| code(&format!("|{cell}"))).collect()
}

fn a() -> (Value, Map<String, Value>) {
    let shown = fenced(section("## Expressions"), "json");
    let mut a: Map<String, Value> = serde_json::from_str(shown).unwrap();
    match (a.remove("instance"), a.remove("data")) {
        (Some(instance), Some(Value::Object(data))) => (instance, data),
        _ => panic!("the page shows no `instance` with `data`"),
    }
}

/// The value of an expression over the page's A as JSON, `-` where it is empty; or why there is none.
fn evaluated(source: &str) -> Result<String, String> {
    let expression = Expression::compile(source, &[]).map_err(|error| error.to_string())?;
    let (instance, data) = a();
    let value = expression.evaluate(&Scope::new(&instance, &data));
    match value.map_err(|error| error.to_string())? {
        Some(value) => Ok(value.to_string()),
        None => Ok("-".into()),
    }
}

#[test]
fn each_example_has_the_value_that_it_shows() {
    let examples = examples();
    let wrong: Vec<String> = examples
        .iter()
        .filter_map(|Example { expression, shown }| {
            let value = evaluated(expression);
            let is_right = match (shown.strip_prefix("refused: "), &value) {
                (Some(start), Err(message)) => message.starts_with(start),
                // Compared as they are written, so that 100.00 is not 100.
                (None, Ok(value)) => evaluated(shown).as_ref() == Ok(value),
                _ => false,
            };
            (!is_right).then(|| format!("{expression} → {shown}: {value:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let least = FILTERS.len() + TESTS.len();
    assert!(
        examples.len() >= least,
        "{} examples, of {least}",
        examples.len()
    );
}

#[test]
fn the_page_names_every_filter_with_its_arguments_and_no_other() {
    let signature = |filter: &Filter| {
        let parameters = filter.parameters.iter().map(|parameter| {
            let mark = if parameter.is_required { "" } else { "?" };
            format!("{}{mark}", parameter.name)
        });
        format!(
            "{}({})",
            filter.name,
            parameters.collect::<Vec<_>>().join(", ")
        )
    };
    let on_page = named("### Filters");
    let shown: BTreeSet<&str> = on_page
        .iter()
        .map(|name| name.split('(').next().unwrap())
        .collect();
    let known: BTreeSet<&str> = FILTERS.iter().map(|filter| filter.name).collect();
    assert_eq!(shown, known);
    assert_eq!(on_page.len(), FILTERS.len(), "a filter is named twice");
    for name in on_page.iter().filter(|name| name.contains('(')) {
        let filter = FILTERS
            .iter()
            .find(|filter| name.starts_with(&format!("{}(", filter.name)));
        assert_eq!(*name, signature(filter.unwrap()));
    }
}

#[test]
fn the_page_names_every_test_and_no_other() {
    let on_page = named("### Tests");
    let shown: BTreeSet<&str> = on_page.iter().map(String::as_str).collect();
    let known: BTreeSet<&str> = TESTS.iter().map(|test| test.name).collect();
    assert_eq!(shown, known);
    assert_eq!(on_page.len(), TESTS.len(), "a test is named twice");
}

/// The operators between two values, with the levels that the page gives them.
fn levels() -> Vec<(Operator, u32)> {
    let level = |operator: Operator| {
        let shown = rows("### Operators").filter_map(|row| {
            let (level, rest) = row.trim_start_matches('|').split_once(" | ").unwrap();
            let names = code(rest.split(" | ").next().unwrap());
            let is_shown = names.iter().any(|name| name == operator.sign());
            is_shown.then(|| level.trim().parse().unwrap())
        });
        let shown: Vec<u32> = shown.collect();
        assert_eq!(shown.len(), 1, "rows of {operator:?}");
        (operator, shown[0])
    };
    OPERATORS.into_iter().map(level).collect()
}

#[test]
fn the_operators_bind_as_the_page_says() {
    const COMPARISONS: u32 = 7;
    for (first, level) in levels() {
        for (second, other) in levels() {
            let source = format!("1 {} 2 {} 3", first.sign(), second.sign());
            let expression = Expression::compile(&source, &[]).unwrap();
            let Kind::Binary { operator, .. } = expression.tree().kind else {
                panic!("{source}");
            };
            let loosest = match (level, other) {
                // `1 < 2 < 3` is `1 < 2 and 2 < 3`.
                (COMPARISONS, COMPARISONS) => Operator::And,
                _ if level > other => first,
                _ => second,
            };
            assert_eq!(operator, loosest, "{source}");
        }
    }
}

/// Whether an example has a word behind one of these, and not only the start of a longer word.
fn uses(example: &Example, before: &[&str], word: &str) -> bool {
    before.iter().any(|before| {
        let piece = format!("{before}{word}");
        let found = example.expression.match_indices(&piece);
        found.into_iter().any(|(at, _)| {
            let next = example.expression[at + piece.len()..].chars().next();
            next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
        })
    })
}

#[test]
fn each_row_shows_what_it_names() {
    let shown = |heading: &str, before: &[&str]| {
        for row in rows(heading) {
            let (names, rest) = row.trim_start_matches('|').split_once(" | ").unwrap();
            let examples: Vec<Example> = code(&format!("|{rest}"))
                .iter()
                .filter_map(|piece| piece.split_once(" → "))
                .map(|(expression, shown)| Example {
                    expression: expression.to_owned(),
                    shown: shown.to_owned(),
                })
                .collect();
            for name in code(&format!("|{names}")) {
                let word = name.split('(').next().unwrap();
                assert!(
                    examples.iter().any(|example| uses(example, before, word)),
                    "no example of `{word}` in its row"
                );
            }
        }
    };
    shown("### Filters", &["| "]);
    shown("### Tests", &["is ", "is not "]);
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn a_filter_takes_an_empty_value_only_where_the_page_names_a_list_or_any_value() {
    for row in rows("### Filters") {
        let cells = cells(row);
        let from = cells[1].split(" → ").next().unwrap();
        let takes_empty = from.contains("list") || from == "any";
        for name in code(cells[0]) {
            let name = name.split('(').next().unwrap();
            let filter = FILTERS.iter().find(|filter| filter.name == name).unwrap();
            let required = filter.parameters.iter().filter(|it| it.is_required);
            let arguments = match name {
                "map" | "selectattr" | "rejectattr" => vec!["'upper'"],
                _ => required.map(|_| "'yyyy'").collect(),
            };
            let value = evaluated(&format!("none | {name}({})", arguments.join(", ")));
            match value {
                Ok(_) => assert!(takes_empty, "{name}"),
                Err(message) => {
                    assert!(!takes_empty, "{name}: {message}");
                    assert!(message.starts_with("`none` is empty"), "{name}: {message}");
                }
            }
        }
    }
}

#[test]
fn an_empty_value_meets_the_tests_that_the_page_says() {
    for row in rows("### Tests") {
        let cells = cells(row);
        let is_refused = cells[1].contains("refuses an empty value");
        for name in code(cells[0]) {
            let test = TESTS.iter().find(|test| test.name == name).unwrap();
            let argument = match (test.arguments, name.as_str()) {
                (0, _) => "",
                (_, "in") => "(['x'])",
                _ => "('x')",
            };
            let meets = matches!(name.as_str(), "none" | "undefined" | "empty" | "ne");
            match evaluated(&format!("none is {name}{argument}")) {
                Ok(value) => {
                    assert!(!is_refused, "{name}");
                    assert_eq!(value, meets.to_string(), "{name}");
                }
                Err(message) => {
                    assert!(is_refused, "{name}: {message}");
                    assert!(message.starts_with("`none` is empty"), "{name}: {message}");
                }
            }
        }
    }
}

#[test]
fn each_binding_on_the_page_can_be_used() {
    let (instance, data) = a();
    let scope = Scope::new(&instance, &data);
    let mut counts = Vec::new();
    for line in section("## Expressions").lines() {
        let spans = line.split('`').skip(1).step_by(2);
        for source in spans.filter_map(|span| span.strip_prefix("$each: ")) {
            let binding = Binding::compile(source, &[]).unwrap();
            let list = binding.list.as_ref().unwrap();
            counts.push(list.each(&binding.name, &scope).unwrap().len());
        }
    }
    assert_eq!(counts, [2, 1]);
}

#[test]
fn the_limits_are_those_that_the_page_names() {
    let limits = section("### Limits").replace('\n', " ");
    let number = |before: &str, after: &str| -> usize {
        let (_, from) = limits.split_once(before).unwrap();
        let (number, _) = from.split_once(after).unwrap();
        number.trim().replace(',', "").parse().unwrap()
    };
    let names = number("has at most ", " names");
    let brackets = number("brackets within brackets at most ", " deep");
    let compiles = |source: &str| Expression::compile(source, &[]).is_ok();
    // So many numbers and commas, and two brackets.
    let list = |tokens: usize| format!("[{}]", "1,".repeat(tokens / 2 - 1));
    assert!(compiles(&list(names)) && !compiles(&list(names + 2)));
    let operators = number("signs, at most ", " operators");
    let sum = |operators: usize| format!("1{}", " + 1".repeat(operators));
    assert!(compiles(&sum(operators)) && !compiles(&sum(operators + 1)));
    for (open, close) in [("(", ")"), ("[", "]"), ("{'a': ", "}"), ("1 | round(", ")")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(compiles(&nested(brackets)), "{open}");
    }
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(!compiles(&nested(brackets + 1)));
    let assumed = number("within ±", " and");
    assert_eq!(i64::try_from(assumed), Ok(types::MOST_ASSUMED));
    let decimals = number("and has at most ", " decimals");
    assert_eq!(u32::try_from(decimals), Ok(types::DECIMALS_ASSUMED));
}
