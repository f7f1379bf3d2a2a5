//! Relays in which nothing goes wrong.

use local_altinn::Stage;
use testbed::wire::Exchange;
use tests::{CASEWORK, PERMIT, ROUTE, Story, guid, stamp};

#[tokio::test]
async fn a_submitted_permit_becomes_one_complete_case() {
    let story = Story::of_the_permit().await;
    let a = story.import("two-measures");
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "done").await;
    story.settled().await;

    let b = story.the_b(ROUTE, &a);
    assert_eq!(story.creations(), 1);
    assert_eq!(b.instance["appId"], CASEWORK);
    assert_eq!(
        b.instance["instanceOwner"]["organisationNumber"],
        "310075728"
    );
    assert_eq!(
        b.instance["dueBefore"], "2026-12-20T09:12:45.1Z",
        "30 days after A's end"
    );
    assert_eq!(b.instance["process"]["currentTask"]["elementId"], "Task_1");
    assert_eq!(b.instance["dataValues"]["stafett.relay"], stamp(ROUTE, &a));
    assert_eq!(b.instance["dataValues"]["stafett.source"], a);
    let form: Vec<(&str, &str)> = b
        .form
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        form,
        [
            ("soknad/tittel", "Byggesøknad fra Kari Bygger"),
            ("soknad/referanse", &a),
            ("soknad/innsender", "Kari Bygger"),
            ("soknad/mottatt", "2026-11-20T09:12:45.1Z"),
            ("soknad/merknad", "Nabovarsel er sendt 3. november."),
            ("soknad/vedtak/kode", "TB"),
            ("soknad/vedtak/beskrivelse", "Tilbygg mot vest"),
            ("soknad/vedtak/areal", "24.5"),
            ("soknad/vedtak/kode", "GA"),
            ("soknad/vedtak/beskrivelse", "Frittliggende garasje"),
            ("soknad/vedtak/areal", "36"),
        ]
    );
    assert_eq!(b.attachments, story.files_for_b(&a));
    assert_eq!(b.attachments.len(), 2);

    assert_eq!(item["instance"], b.id);
    assert_eq!(item["source"], a);
    assert_eq!(item["attempts"], 1);
    assert!(story.dead_letters(0).await.is_empty());
}

#[tokio::test]
async fn characters_arrive_as_they_were_typed() {
    let story = Story::of_the_permit().await;
    let a = story.import("characters");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_b(ROUTE, &a);
    assert_eq!(b.field("soknad/innsender"), ["Åse Øvregård & sønner"]);
    assert_eq!(
        b.field("soknad/merknad"),
        ["Hilsen Åse 😀 & co. ]]> <slutt>"]
    );
    assert_eq!(
        b.field("soknad/vedtak/beskrivelse"),
        [
            "“Fasadeendring” – nye vinduer 🪟🏗️, 2 < 3 & 5 > 4",
            "Terrasse\nmed linjeskift og 'apostrof'"
        ]
    );
    assert_eq!(b.field("soknad/vedtak/kode"), ["FA", "ÆØ"]);
    assert_eq!(b.attachments, story.files_for_b(&a));
    let names: Vec<&str> = b
        .attachments
        .iter()
        .map(|it| it.filename.as_str())
        .collect();
    assert_eq!(names, ["Fasade mot sør & øst.png", "permit.pdf"]);
}

#[tokio::test]
async fn a_missing_optional_attachment_is_no_error() {
    let story = Story::of_the_permit().await;
    let a = story.import("minimal");
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    let b = story.the_b(ROUTE, &a);
    let types: Vec<&str> = b
        .attachments
        .iter()
        .map(|it| it.data_type.as_str())
        .collect();
    assert_eq!(types, ["vedlegg"]);
    assert_eq!(
        b.field("soknad/merknad"),
        Vec::<&str>::new(),
        "empty in A, left out in B"
    );
}

#[tokio::test]
async fn a_clean_relay_costs_four_altinn_calls_and_two_writes() {
    let story = Story::of_the_permit().await;
    // The first relay also fetches tokens, and what the apps tell of themselves, which are then cached; and its B is read
    // back with its form.
    let first = story.fill_in(Stage::Ended);
    story.trigger(&first).await;
    story.reaches(ROUTE, &first, "done").await;
    story.settled().await;
    let (altinn, dynamodb) = (story.altinn_wire.journal(), story.dynamodb_wire.journal());
    let of_cold: Vec<String> = altinn.all().iter().map(call).collect();
    for once in [
        format!("GET /{PERMIT}/api/v1/applicationmetadata"),
        format!("GET /{CASEWORK}/api/v1/applicationmetadata"),
        format!("GET /{CASEWORK}/api/jsonschema/model"),
    ] {
        assert_eq!(
            of_cold.iter().filter(|it| **it == once).count(),
            1,
            "{once}"
        );
    }
    let about_tokens = |call: &&String| {
        ["/maskinporten/", "/authentication/"]
            .iter()
            .any(|it| call.contains(it))
    };
    let tokens = of_cold.iter().filter(about_tokens).count();
    assert_eq!(of_cold.len() - tokens, 4 + 3 + 2, "{of_cold:?}");
    altinn.clear();
    dynamodb.clear();

    let a = story.fill_in(Stage::Ended);
    let data = story.altinn.instance(&a).expect("A is there")["data"].clone();
    let element = |data_type: &str| {
        let found = data
            .as_array()
            .into_iter()
            .flatten()
            .find(|it| it["dataType"] == data_type);
        found
            .and_then(|it| it["id"].as_str())
            .expect("A has it")
            .to_owned()
    };
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    story.settled().await;

    let mut calls: Vec<String> = altinn.all().iter().map(call).collect();
    calls.sort();
    let mut expected = [
        format!("GET /storage/api/v1/instances/{a}"),
        format!("GET /{PERMIT}/instances/{a}/data/{}", element("model")),
        format!(
            "GET /storage/api/v1/instances/{a}/data/{}",
            element("ref-data-as-pdf")
        ),
        format!("POST /{CASEWORK}/instances"),
    ];
    expected.sort();
    assert_eq!(calls, expected, "and no token, no metadata, no schema");
    let operations: Vec<String> = dynamodb
        .all()
        .iter()
        .filter_map(|it| it.head().operation().map(str::to_owned))
        .collect();
    assert_eq!(
        operations,
        ["PutItem", "GetItem", "PutItem"],
        "the claim, the ledger's birth, the record"
    );
    assert!(story.whole_ledger().await.contains(guid(&a)));
}

fn call(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method(), exchange.path())
}
