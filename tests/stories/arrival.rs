//! B's class is not the one that its schema describes: its app drops fields and answers 201.

use std::time::Duration;

use local_altinn::{App, Stage};
use serde_json::{Value, json};
use tests::{CASEWORK, ROUTE, Story, app, app_of, permit_alone, permit_route, routes};

/// The fields of an application in B's class, in the order of its schema.
const FIELDS: [&str; 6] = [
    "string tittel",
    "string referanse",
    "string innsender",
    "DateTime? mottatt",
    "string merknad",
    "List<Vedtak> vedtak",
];
/// How many messages are worked on at the same time, by the template.
const BATCH: usize = 10;
/// How many citizens have applied before anybody notices.
const APPLICATIONS: usize = 12;

/// The property of a class.
fn property(index: usize, field: &str) -> String {
    let name = field.rsplit(' ').next().unwrap_or_default();
    format!("  [XmlElement(\"{name}\", Order = {index})] public {field} {{ get; set; }}\n")
}

/// The sample app B, whose class has these fields of an application.
fn casework_with(fields: &[&str]) -> App {
    let properties = |fields: &[&str]| -> String {
        let numbered = fields.iter().enumerate();
        numbered
            .map(|(index, field)| property(index, field))
            .collect()
    };
    let class = format!(
        "public class Melding {{\n{}}}\npublic class Soknad {{\n{}}}\npublic class Vedtak {{\n{}}}\n",
        properties(&["Soknad soknad"]),
        properties(fields),
        properties(&["string kode", "string beskrivelse", "decimal? areal"]),
    );
    app_of(CASEWORK, |folder| folder.write("models/Melding.cs", class))
}

/// The permit's story with this app B and this route.
async fn story_with(fields: &[&str], route: &str) -> Story {
    let routes = routes([(ROUTE, route.to_owned())]);
    let mut plan = permit_alone();
    plan.routes = routes.path().to_owned();
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(casework_with(fields));
    Story::begin(plan).await
}

/// The sample route with another rule for reading back.
fn verifying(rule: &str) -> String {
    permit_route().replace(
        "  root: melding\n",
        &format!("  root: melding\n  verify: {rule}\n"),
    )
}

/// Citizens apply; returns their instances when the deployment is idle.
async fn apply(story: &Story) -> Vec<String> {
    let applications: Vec<String> = (0..APPLICATIONS)
        .map(|_| story.fill_in(Stage::Ended))
        .collect();
    for a in &applications {
        story.trigger(a).await;
    }
    story.rest().await.expect("the deployment comes to rest");
    applications
}

/// The ledger items with this state, each with its A instance.
async fn in_state(story: &Story, applications: &[String], state: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for a in applications {
        let item = story
            .ledger_item(a, ROUTE)
            .await
            .expect("the ledger answers");
        if item["state"] == state {
            found.push((a.clone(), item));
        }
    }
    found
}

/// What becomes of a dozen applications: wrong forms, and relays that wait.
async fn counted(story: &Story, applications: &[String]) -> (usize, usize, usize) {
    let [done, failed, waiting] =
        ["done", "failed", "waiting"].map(|state| in_state(story, applications, state));
    (done.await.len(), failed.await.len(), waiting.await.len())
}

#[tokio::test]
async fn a_class_that_drops_a_field_costs_one_wrong_form_and_stops_the_route() {
    // Everything from the unknown element on is lost.
    let fields = FIELDS.map(|field| field.replace("innsender", "avsender"));
    let fields = fields.each_ref().map(String::as_str);
    let story = story_with(&fields, &permit_route()).await;
    let applications = apply(&story).await;

    let failed = in_state(&story, &applications, "failed").await;
    let [(wrong, item)] = failed.as_slice() else {
        panic!("{} relays have failed", failed.len())
    };
    assert_eq!(item["reason"], "arrived_differently");
    let detail = item["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("model.soknad.innsender") && detail.contains("model.soknad.vedtak.kode"),
        "{detail}"
    );
    assert!(!story.whole_ledger().await.contains("Kari"));
    let waiting = in_state(&story, &applications, "waiting").await;
    assert_eq!(waiting.len(), APPLICATIONS - 1);
    assert!(
        waiting
            .iter()
            .all(|(_, item)| item["reason"] == "route_stopped")
    );
    assert_eq!(story.creations(), 1);

    // The author leaves the field out, and the others go on by themselves.
    let mended = permit_route().replace("    innsender: data.model.soker.navn\n", "");
    let mended = routes([(ROUTE, mended)]);
    story
        .deploy(mended.path())
        .await
        .expect("the route is right");
    story
        .pass(Duration::from_secs(900))
        .await
        .expect("time passes");
    assert_eq!(
        counted(&story, &applications).await,
        (APPLICATIONS - 1, 1, 0)
    );

    // The wrong B is compared again as long as it exists, and another one is made after it was deleted.
    let redrive = json!({"action": "redrive"});
    story.redrive.invoke(&redrive).await.expect("it sends back");
    story.rest().await.expect("the deployment comes to rest");
    assert_eq!(
        counted(&story, &applications).await,
        (APPLICATIONS - 1, 1, 0)
    );
    let b = item["instance"].as_str().expect("a B");
    story.altinn.delete(b, true).expect("it can be deleted");
    story.redrive.invoke(&redrive).await.expect("it sends back");
    story.reaches(ROUTE, wrong, "done").await;
    let b = story.the_live_b(ROUTE, wrong);
    assert_eq!(b.field("soknad/vedtak/kode"), ["TB"]);
    assert_eq!(story.creations(), APPLICATIONS + 1);
}

#[tokio::test]
async fn whatever_differs_in_the_class_at_most_one_form_is_wrong() {
    let without = |name: &str| -> Vec<&str> {
        let others = FIELDS.into_iter().filter(|field| !field.ends_with(name));
        others.collect()
    };
    let moved = [&["List<Vedtak> vedtak"], &without("vedtak")[..]].concat();
    let added = [&FIELDS[..], &["string nytt"]].concat();
    let added_first = [&["string nytt"], &FIELDS[..]].concat();
    for (change, fields, expected) in [
        ("none", FIELDS.to_vec(), (APPLICATIONS, 0, 0)),
        (
            "a field removed",
            without("merknad"),
            (0, 1, APPLICATIONS - 1),
        ),
        ("a field moved", moved, (0, 1, APPLICATIONS - 1)),
        ("a field added behind", added, (APPLICATIONS, 0, 0)),
        ("a field added before", added_first, (APPLICATIONS, 0, 0)),
    ] {
        let story = story_with(&fields, &permit_route()).await;
        let applications = apply(&story).await;
        assert_eq!(counted(&story, &applications).await, expected, "{change}");
        assert_eq!(story.creations(), expected.0 + expected.1, "{change}");
        story.end().await;
    }
}

#[tokio::test]
async fn a_b_that_is_deployed_anew_costs_no_more_forms_than_were_under_way_where_every_b_is_compared()
 {
    let story = story_with(&FIELDS, &verifying("always")).await;
    let before = apply(&story).await;
    assert_eq!(counted(&story, &before).await, (APPLICATIONS, 0, 0));
    story.altinn.deploy(casework_with(&FIELDS[..4]));
    let after = apply(&story).await;
    let (done, wrong, waiting) = counted(&story, &after).await;
    assert_eq!((done, wrong + waiting), (0, APPLICATIONS));
    assert!((1..=BATCH).contains(&wrong), "{wrong} forms are wrong");
    assert_eq!(story.creations(), APPLICATIONS + wrong);
}

#[tokio::test]
async fn an_operator_lets_a_stopped_route_go_on_and_the_next_b_is_compared() {
    let story = story_with(&FIELDS[..3], &permit_route()).await;
    let applications = apply(&story).await;
    assert_eq!(
        counted(&story, &applications).await,
        (0, 1, APPLICATIONS - 1)
    );
    let resume = json!({"action": "resume", "route": ROUTE});
    let resumed = story.redrive.invoke(&resume).await.expect("it goes on");
    assert_eq!(resumed["wasStopped"], true);
    story
        .pass(Duration::from_secs(900))
        .await
        .expect("time passes");
    assert_eq!(
        counted(&story, &applications).await,
        (0, 2, APPLICATIONS - 2)
    );
    assert_eq!(story.creations(), 2);
    let unknown = json!({"action": "resume", "route": "permit-to-nowhere"});
    let refused = story
        .redrive
        .invoke(&unknown)
        .await
        .expect_err("it is not deployed");
    assert!(
        refused.to_string().contains("permit-to-nowhere"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_route_that_never_reads_back_makes_all_forms() {
    let story = story_with(&FIELDS[..3], &verifying("never")).await;
    let applications = apply(&story).await;
    assert_eq!(counted(&story, &applications).await, (APPLICATIONS, 0, 0));
}

/// How many forms of a B were read back.
fn read_back(story: &Story) -> usize {
    let reads = testbed::wire::On::request(
        http::Method::GET,
        "^/storage/api/v1/instances/[^/]+/[^/]+/data/",
    );
    // The attachment of each A is read, too.
    story.altinn_wire.journal().count(&reads) - APPLICATIONS
}

#[tokio::test]
async fn what_b_calculates_itself_is_no_difference() {
    let story = story_with(&FIELDS, &verifying("always")).await;
    let applications = apply(&story).await;
    assert_eq!(counted(&story, &applications).await, (APPLICATIONS, 0, 0));
    assert_eq!(read_back(&story), APPLICATIONS);
}

#[tokio::test]
async fn of_a_b_that_stores_its_form_as_json_only_the_first_is_read_back() {
    let stores_json = app(CASEWORK, |metadata| {
        metadata["dataTypes"][0]["allowedContentTypes"] =
            json!(["application/json", "application/xml"]);
    });
    let mut plan = permit_alone();
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(stores_json);
    let story = Story::begin(plan).await;
    let applications: Vec<String> = (0..APPLICATIONS)
        .map(|_| story.fill_in(Stage::Ended))
        .collect();
    story
        .send(applications.iter().map(|a| Story::message(ROUTE, a)))
        .await;
    story.rest().await.expect("the deployment comes to rest");
    assert_eq!(counted(&story, &applications).await, (APPLICATIONS, 0, 0));
    // Were each of them the first, they would have been made one after the other. A few are read back as a sample.
    let read = read_back(&story);
    assert!((1..APPLICATIONS / 2).contains(&read), "{read} forms");
}
