//! Any form gives the same draft twice, and no message repeats it.

use std::sync::LazyLock;

use proptest::{prelude::*, sample::Index};

use super::*;

/// Part of every text in the forms below; no message may contain it.
const SECRET: &str = "hemmelig";

/// Expressions that can be evaluated for some forms and not for others.
const EXPRESSIONS: [&str; 27] = [
    "data.model.a",
    "data.model.a.b",
    "data.model.a.b.c",
    "data.model",
    "data.model.a ~ data.model.b",
    "data.model.a + data.model.b",
    "data.model.a * 3",
    "data.model.a / data.model.b",
    "data.model.a < data.model.b",
    "data.model.a in data.model.b",
    "data.model.a | int",
    "data.model.a | float",
    "data.model.a | upper",
    "data.model.a | first",
    "data.model.a | length",
    "data.model.a | sort",
    "data.model.a | round",
    "data.model.a | join(data.model.b)",
    "data.model.a | replace(data.model.b, 'x')",
    "data.model.a | default(data.model.b)",
    "data.model.a | map(attribute='b') | list",
    "data.model.a | sum(attribute='b')",
    "data.model.a[data.model.b]",
    "data.model.a[0].b",
    "data.model.a is startingwith(data.model.b)",
    "{'x': data.model.a}",
    "[data.model.a, data.model.b]",
];

static ROUTES: LazyLock<Vec<Routes>> = LazyLock::new(|| {
    let with_title = |title| load(Text { title, ..TEXT });
    let with_owner = |kind| {
        let owner = (kind, "data.model.a");
        load(Text { owner, ..TEXT })
    };
    let fanned_out = |list| {
        let rest = format!("each: row in {list}\nkey: row.b");
        load(Text {
            owner: ("person", "row.a"),
            title: "row.c | int",
            rest: &rest,
            ..TEXT
        })
    };
    EXPRESSIONS
        .into_iter()
        .map(with_title)
        .chain(["organisation", "person", "party"].map(with_owner))
        .chain(["data.model.a", "data.model.a | reverse"].map(fanned_out))
        .collect()
});

fn form() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(|text| Value::from(format!("{SECRET}{text}"))),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        let fields = proptest::collection::btree_map("[abc]", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(Value::from_iter),
        ]
    })
}

/// Every message about an error.
fn messages(error: &TransformError) -> String {
    format!("{error} {error:?} {:?}", error.failure())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn drafts_are_reproducible_and_messages_contain_nothing_from_the_form(
        route in any::<Index>(), a in form(), b in form(),
    ) {
        let routes = route.get(&ROUTES);
        let form = json!({"a": a, "b": b});
        let once = all(routes, ended(), form.clone());
        let twice = all(routes, ended(), form);
        let (drafts, again) = match (once, twice) {
            (Ok(drafts), Ok(again)) => (drafts, again),
            (Err(error), Err(again)) => {
                prop_assert_eq!(messages(&error).find(SECRET), None, "{}", error);
                prop_assert_eq!(error, again);
                return Ok(());
            }
            _ => return Err(TestCaseError::fail("the results differ")),
        };
        let printed = format!("{drafts:?}");
        prop_assert_eq!(printed.find(SECRET), None);
        prop_assert_eq!(drafts.len(), again.len());
        for (first, again) in drafts.into_iter().zip(again) {
            prop_assert_eq!(first.key, again.key);
            if let Err(error) = &first.draft {
                prop_assert_eq!(messages(error).find(SECRET), None, "{}", error);
            }
            prop_assert!(first.draft == again.draft);
        }
    }
}
