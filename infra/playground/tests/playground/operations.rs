//! The operator's pages over HTTP: bad days and their recovery, an operator's actions, and a route
//! file that is edited while the playground runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use local_altinn::{FormContent, Stage, Submission, SubmissionOwner};
use local_world::{
    deployment::{Deployment, Plan, sample_apps, sample_routes},
    timeline::Timeline,
};
use playground::{Playground, Scene};
use regex::Regex;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use stafett_core::route::Routes;
use tempfile::TempDir;

const PERMIT: &str = "ttd/permit";
const CASEWORK: &str = "ttd/casework";
const ROUTE: &str = "permit-to-casework";
/// Generous, for a loaded machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// A playground with a copy of the sample route, and an HTTP client.
struct Bench {
    deployment: Arc<Deployment>,
    playground: Playground,
    routes: TempDir,
    client: Client,
}

impl Bench {
    async fn open() -> Self {
        Self::open_with(|_| {}, |text| text).await
    }

    /// The same with `change` applied to the plan and the route.
    async fn open_with(
        planned: impl FnOnce(&mut Plan),
        changed: impl FnOnce(String) -> String,
    ) -> Self {
        let routes = tempfile::tempdir().unwrap();
        let name = "permit-to-casework.yaml";
        fs::copy(sample_routes().join(name), routes.path().join(name)).unwrap();
        let mut plan = Plan::samples().unwrap();
        plan.routes = routes.path().to_owned();
        plan.schedule = true;
        planned(&mut plan);
        let file = routes.path().join("permit-to-casework.yaml");
        fs::write(&file, changed(fs::read_to_string(&file).unwrap())).unwrap();
        let deployment = Arc::new(Deployment::start(plan).await.unwrap());
        let scene = Scene {
            deployment: Arc::clone(&deployment),
            timeline: Timeline::start(),
            routes: Routes::load(routes.path()).unwrap(),
            routes_folder: routes.path().to_owned(),
            apps_folders: vec![sample_apps()],
        };
        let playground = Playground::start(scene, 0).await.unwrap();
        Self {
            deployment,
            playground,
            routes,
            client: Client::new(),
        }
    }

    async fn get_in(&self, language: &str, path: &str) -> Response {
        let url = format!("{}{path}", self.playground.url());
        let request = self.client.get(url).header("accept-language", language);
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.get_in("en", path).await;
        assert_eq!(answer.status(), 200, "{path}");
        text(&answer.text().await.unwrap())
    }

    /// Waits until a page has this text; the page.
    async fn shows(&self, path: &str, text: &str) -> String {
        eventually(async || {
            let page = self.get(path).await;
            if page.contains(text) {
                Ok(page)
            } else {
                Err(page)
            }
        })
        .await
    }

    async fn try_post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let url = format!("{}{path}", self.playground.url());
        let request = self
            .client
            .post(url)
            .header("accept-language", "en")
            .form(form);
        request.send().await.unwrap()
    }

    /// Sends a form, and returns the page that it leads to.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.try_post(path, form).await;
        assert_eq!(answer.status(), 200, "{path} {form:?}");
        text(&answer.text().await.unwrap())
    }

    /// A citizen submits an application.
    fn submit(&self) -> String {
        self.submit_until(Stage::Ended)
    }

    fn submit_until(&self, until: Stage) -> String {
        let form = json!({
            "soker": { "navn": "Ola Minst", "fodselsnummer": "05866511588" },
            "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg mot vest", "areal": 24.5 }],
        });
        let submission = Submission {
            app: PERMIT.to_owned(),
            owner: SubmissionOwner::Person("05866511588".to_owned()),
            forms: vec![("model".to_owned(), FormContent::Json(form))],
            attachments: Vec::new(),
            until,
        };
        self.deployment.altinn.submit(&submission).unwrap()
    }

    /// The same, and app A triggers its relay.
    async fn submit_and_tell(&self) -> String {
        let instance = self.submit();
        let answer = self.deployment.trigger(PERMIT, &instance).await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        instance
    }

    async fn item(&self, instance: &str) -> Value {
        self.deployment.ledger_item(instance, ROUTE).await.unwrap()
    }

    /// Waits until the relay's item satisfies `wanted`.
    async fn until(&self, instance: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(async || {
            let item = self.item(instance).await;
            if wanted(&item) {
                Ok(item)
            } else {
                Err(item.to_string())
            }
        })
        .await
    }

    /// The application's only B, with the form and A's receipt.
    fn the_b(&self, instance: &str) -> Value {
        let stamp = format!("{ROUTE}:{}", instance.rsplit('/').next().unwrap());
        let mut made = self.deployment.altinn.instances(CASEWORK);
        made.retain(|b| b["dataValues"]["stafett.relay"] == stamp);
        made.retain(|b| b["status"]["isHardDeleted"] != true);
        let [b] = &made[..] else {
            panic!("{} cases of {instance}", made.len())
        };
        let types: BTreeSet<&str> = data(b).map(|it| it["dataType"].as_str().unwrap()).collect();
        assert_eq!(types, BTreeSet::from(["model", "vedlegg"]), "of {b}");
        assert_eq!(data(b).count(), 2, "nothing is there twice");
        b.clone()
    }

    /// B's form as XML.
    fn form(&self, b: &Value) -> String {
        let form = data(b).find(|it| it["dataType"] == "model").unwrap();
        let bytes = self
            .deployment
            .altinn
            .bytes(b["id"].as_str().unwrap(), form["id"].as_str().unwrap());
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }

    fn edit(&self, change: impl FnOnce(&str) -> String) {
        let file = self.routes.path().join("permit-to-casework.yaml");
        let (before, saved) = (
            fs::read_to_string(&file).unwrap(),
            file.with_extension("saved"),
        );
        let after = change(&before);
        assert_ne!(before, after, "something is edited");
        // Editors save to a temporary file first and then rename it.
        fs::write(&saved, after).unwrap();
        fs::rename(saved, file).unwrap();
    }

    async fn close(self) {
        self.playground.stop().await;
        let deployment = Arc::try_unwrap(self.deployment);
        deployment.expect("nobody else holds it").stop().await;
    }
}

fn data(instance: &Value) -> impl Iterator<Item = &Value> {
    instance["data"].as_array().into_iter().flatten()
}

async fn eventually<T>(mut something: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match something().await {
            Ok(value) => return value,
            Err(seen) => assert!(began.elapsed() < DEADLINE, "in the end: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A page with unescaped quotation marks.
fn text(page: &str) -> String {
    page.replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&#x2f;", "/")
}

/// Plays a bad day until there is exactly one B: switches the day on, submits an application, waits
/// until its relay's item satisfies `trouble`, switches the day off if it lasts, and winds the clock
/// as the page advises.
async fn survived(day: &str, length: &str, trouble: impl Fn(&Value) -> bool) -> (Bench, String) {
    let bench = Bench::open().await;
    let form = [("day", day), ("app", CASEWORK), ("length", length)];
    let page = bench.post("/days", &form).await;
    assert!(page.contains("Switched on for ttd/casework"), "{page}");
    assert!(page.contains("has not struck yet"));

    let a = bench.submit_and_tell().await;
    let item = bench.until(&a, trouble).await;
    let page = bench.get("/days").await;
    let struck = if length == "once" {
        "has struck once and is over"
    } else {
        "has struck: "
    };
    assert!(page.contains(struck), "{item}: {page}");

    let page = bench.post("/days/good", &[]).await;
    assert!(
        page.contains("A good day again. Switched off: 1."),
        "{page}"
    );
    let offered = Regex::new(&format!(
        "id=\"recover-{day}\" name=\"span\" value=\"([^\"]+)\""
    ))
    .unwrap();
    if let Some(span) = offered.captures(&page) {
        let page = bench.post("/clock", &[("span", &span[1])]).await;
        let is_waited_for = item["state"] != "done";
        assert_eq!(
            page.contains("One relay has changed."),
            is_waited_for,
            "{page}"
        );
    }
    let item = bench.until(&a, |item| item["state"] == "done").await;
    let b = bench.the_b(&a);
    assert_eq!(item["instance"], b["id"]);
    let page = bench.get("/tables").await;
    assert!(
        page.contains(&a) && page.contains(b["id"].as_str().unwrap()),
        "{page}"
    );
    assert!(page.contains("No dead letters."), "{page}");
    (bench, a)
}

fn creations(bench: &Bench) -> usize {
    let creations = bench.deployment.altinn.creations();
    creations.iter().filter(|it| it.app == CASEWORK).count()
}

#[tokio::test]
async fn while_b_is_down_a_relay_waits_and_when_it_is_back_it_is_done() {
    let waits = |item: &Value| item["state"] == "waiting" && item["reason"] == "b_unavailable";
    let (bench, _) = survived("b-down", "lasting", waits).await;
    assert_eq!(creations(&bench), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_b_that_is_down_is_shown_as_quiet_until_it_answers_a_relay() {
    let bench = Bench::open().await;
    let quiet = Regex::new(r"B is quiet until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.").unwrap();
    let page = bench.get("/tables").await;
    assert!(
        page.contains("B apps: 1") && !quiet.is_match(&page),
        "{page}"
    );
    assert!(page.contains("<code>ttd/casework</code>"), "{page}");

    let form = [("day", "b-down"), ("app", CASEWORK), ("length", "lasting")];
    bench.post("/days", &form).await;
    // Five failures in a row open the breaker.
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(bench.submit_and_tell().await);
    }
    let page = bench.shows("/tables", "B is quiet until").await;
    assert!(quiet.is_match(&page), "{page}");
    let rate = Regex::new(r#"<td class="number">\d+\.\d</td>"#).unwrap();
    assert!(rate.is_match(&page), "{page}");
    let answer = bench.get_in("nb", "/tables").await;
    let page = answer.text().await.unwrap();
    assert!(page.contains("B får være i fred til"), "{page}");

    bench.post("/days/good", &[]).await;
    bench.post("/clock", &[("span", "1h")]).await;
    for a in &all {
        bench.until(a, |item| item["state"] == "done").await;
    }
    let page = bench.get("/tables").await;
    assert!(!quiet.is_match(&page), "{page}");
    assert!(
        page.contains("<span class=\"badge good\">up</span>"),
        "{page}"
    );
    bench.close().await;
}

#[tokio::test]
async fn a_slow_b_costs_time_and_nothing_else() {
    let began = Instant::now();
    let (bench, a) = survived("b-slow", "once", |item| item["state"] == "done").await;
    assert!(began.elapsed() >= Duration::from_secs(5));
    assert_eq!(bench.item(&a).await["attempts"], 1);
    bench.close().await;
}

#[tokio::test]
async fn a_b_whose_response_was_lost_is_found_and_recorded() {
    let (bench, _) = survived("answer-lost", "once", |item| item["doubt"] == true).await;
    assert_eq!(creations(&bench), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_half_made_b_is_made_whole() {
    let (bench, _) = survived("half-made", "once", |item| item["doubt"] == true).await;
    assert_eq!(creations(&bench), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_killed_function_leaves_a_claim_behind_and_its_b_is_found() {
    let bench = Bench::open().await;
    let form = [
        ("day", "function-killed"),
        ("app", CASEWORK),
        ("length", "once"),
    ];
    bench.post("/days", &form).await;
    let a = bench.submit_and_tell().await;
    bench
        .deployment
        .mapping
        .wait_until(DEADLINE, |it| it.errors == 1)
        .await
        .expect("the invocation has ended");
    let item = bench.item(&a).await;
    assert_eq!(
        (&item["state"], &item["instance"]),
        (&json!("claimed"), &Value::Null)
    );
    assert_eq!(creations(&bench), 1, "B has made it");
    let page = bench.get("/tables").await;
    assert!(
        page.contains("claimed until") && page.contains("hidden until"),
        "{page}"
    );
    assert!(
        bench
            .get("/days")
            .await
            .contains("has struck once and is over")
    );
    // The page of bad days offers an hour.
    let page = bench.post("/clock", &[("span", "1h")]).await;
    assert!(page.contains("One relay has changed."), "{page}");
    let item = bench.until(&a, |item| item["state"] == "done").await;
    assert_eq!(item["instance"], bench.the_b(&a)["id"]);
    assert_eq!(creations(&bench), 1, "and nobody made another");
    bench.close().await;
}

#[tokio::test]
async fn an_application_whose_events_were_lost_is_found_by_reconcile() {
    let bench = Bench::open().await;
    bench.deployment.subscribe(PERMIT).await.unwrap();
    let form = [
        ("day", "event-lost"),
        ("app", PERMIT),
        ("length", "lasting"),
    ];
    bench.post("/days", &form).await;
    let a = bench.submit();
    assert!(bench.get("/days").await.contains("has struck: "));
    bench.post("/days/good", &[]).await;
    let page = bench.post("/clock", &[("span", "15m")]).await;
    assert!(page.contains("One relay has changed."), "{page}");
    assert!(page.contains("not on record yet"), "{page}");
    assert_eq!(bench.item(&a).await["state"], "done");
    bench.the_b(&a);
    bench.close().await;
}

#[tokio::test]
async fn reconcile_looks_and_runs_when_it_is_told_to() {
    let bench = Bench::open_with(|plan| plan.schedule = false, |text| text).await;
    let a = bench.submit();
    bench.post("/clock", &[("span", "15m")]).await;
    for _ in 0..2 {
        let page = bench.post("/tables/reconcile", &[("look", "yes")]).await;
        assert!(page.contains("Reconcile would enqueue: 1."), "{page}");
        assert_eq!(bench.item(&a).await, Value::Null, "looking changes nothing");
    }
    let page = bench.post("/tables/reconcile", &[]).await;
    assert!(page.contains("Reconcile enqueued: 1."), "{page}");
    bench.until(&a, |item| item["state"] == "done").await;
    bench.the_b(&a);
    bench.close().await;
}

#[tokio::test]
async fn while_the_register_is_down_a_relay_waits_for_its_owner() {
    let waits = |item: &Value| item["state"] == "waiting" && item["reason"] == "owner_unknown";
    let (bench, _) = survived("register-down", "lasting", waits).await;
    assert_eq!(creations(&bench), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_token_that_b_refuses_once_is_replaced_at_once() {
    let (bench, a) = survived("token-expired", "once", |item| item["state"] == "done").await;
    assert_eq!(bench.item(&a).await["attempts"], 1);
    bench.close().await;
}

#[tokio::test]
async fn while_b_refuses_every_token_a_relay_waits() {
    let waits = |item: &Value| item["state"] == "waiting";
    let (bench, _) = survived("token-expired", "lasting", waits).await;
    assert_eq!(creations(&bench), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_relay_that_failed_for_good_is_inspected_fixed_and_redriven() {
    // The mistaken route reads a field that A does not have.
    let mistake =
        |text: String| text.replace("~ data.model.soker.navn", "~ data.model.soker.fulltNavn");
    let bench = Bench::open_with(|_| {}, mistake).await;
    let page = bench.shows("/routes", "fulltNavn").await;
    assert!(page.contains("read at the start"));
    let a = bench.submit_and_tell().await;
    bench.until(&a, |item| item["state"] == "failed").await;
    let page = bench.shows("/tables", "Dead letters: 1").await;
    assert!(page.contains("mapping_failed"), "{page}");

    let page = bench.post("/tables/inspect", &[]).await;
    assert!(page.contains("Inspected. Dead letters: 1."), "{page}");
    assert!(
        page.contains("Correct the route or A's data, deploy, redrive."),
        "{page}"
    );

    bench.edit(|text| text.replace("fulltNavn", "navn"));
    bench.shows("/routes", "The routes are deployed").await;

    // The button of the group on the inspect page.
    let group = [("route", ROUTE), ("reason", "mapping_failed")];
    let page = bench.post("/tables/redrive", &group).await;
    assert!(
        page.contains("Sent back: 1. Deleted from the dead-letter queue: 1."),
        "{page}"
    );
    bench.until(&a, |item| item["state"] == "done").await;
    bench.the_b(&a);
    assert!(bench.get("/tables").await.contains("No dead letters."));
    bench.close().await;
}

#[tokio::test]
async fn a_rejection_without_a_gateway_reports_that_the_process_has_ended() {
    let bench = Bench::open().await;
    let a = bench.submit_until(Stage::Task("Task_2".to_owned()));
    let page = bench.post(&format!("/instances/{a}/reject"), &[]).await;
    assert!(page.contains("Rejected. The process has ended"), "{page}");
    let process = &bench.deployment.altinn.instance(&a).unwrap()["process"];
    assert!(process["ended"].is_string(), "{process}");
    bench.close().await;
}

#[tokio::test]
async fn an_edited_route_is_deployed_and_a_broken_one_is_not() {
    let bench = Bench::open().await;
    bench.edit(|text| text.replace("Byggesøknad fra", "Ny søknad fra"));
    bench.shows("/routes", "The routes are deployed").await;
    let first = bench.submit_and_tell().await;
    bench.until(&first, |item| item["state"] == "done").await;
    assert!(bench.form(&bench.the_b(&first)).contains("Ny søknad fra"));

    bench.edit(|text| {
        text.replace("Ny søknad fra", "Enda nyere fra")
            .replace("model:\n", "modell:\n")
    });
    let page = bench.shows("/routes", "NOT deployed").await;
    assert!(
        page.contains("modell") && page.contains("class=\"line error\""),
        "{page}"
    );
    let second = bench.submit_and_tell().await;
    bench.until(&second, |item| item["state"] == "done").await;
    assert!(
        bench.form(&bench.the_b(&second)).contains("Ny søknad fra"),
        "the old one still works"
    );

    bench.edit(|text| text.replace("modell:\n", "model:\n"));
    bench.shows("/routes", "The routes are deployed").await;
    let third = bench.submit_and_tell().await;
    bench.until(&third, |item| item["state"] == "done").await;
    assert!(bench.form(&bench.the_b(&third)).contains("Enda nyere fra"));
    bench.close().await;
}

#[tokio::test]
async fn what_does_not_exist_is_refused_and_never_repeated_as_markup() {
    let bench = Bench::open().await;
    let script = "<script>alert(1)</script>";
    let refused: [(&str, &[(&str, &str)]); 6] = [
        (
            "/days",
            &[("day", script), ("app", CASEWORK), ("length", "once")],
        ),
        (
            "/days",
            &[("day", "b-down"), ("app", script), ("length", "once")],
        ),
        (
            "/days",
            &[("day", "b-down"), ("app", PERMIT), ("length", "once")],
        ),
        (
            "/days",
            &[("day", "event-lost"), ("app", PERMIT), ("length", "once")],
        ),
        ("/clock", &[("span", script)]),
        ("/days/end", &[("id", script)]),
    ];
    for (path, form) in refused {
        let answer = bench.try_post(path, form).await;
        assert!(
            answer.status().is_client_error(),
            "{path} {form:?}: {}",
            answer.status()
        );
        assert!(
            !answer.text().await.unwrap().contains(script),
            "{path} {form:?}"
        );
    }
    let answer = bench
        .try_post("/tables/redrive", &[("route", script)])
        .await;
    let page = answer.text().await.unwrap();
    assert!(
        page.contains("The function gave no answer") && !page.contains(script),
        "{page}"
    );
    assert!(bench.get("/days").await.contains("Nothing is switched on."));
    bench.close().await;
}

#[tokio::test]
async fn while_somebody_else_has_the_turn_nothing_is_changed() {
    let bench = Bench::open().await;
    let turn = bench.playground.play().expect("nobody plays");
    let before = bench.deployment.altinn.clock().now();
    for (path, form) in [("/clock", ("span", "1d")), ("/days/good", ("", ""))] {
        let answer = bench.try_post(path, &[form]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }
    let passed = bench.deployment.altinn.clock().now().duration_since(before);
    assert!(passed.as_hours() < 1);
    drop(turn);
    let page = bench.post("/clock", &[("span", "1d")]).await;
    assert!(page.contains("The clock was wound on by 1 day."), "{page}");
    bench.close().await;
}

#[tokio::test]
async fn every_page_is_there_in_both_languages_with_every_field_named_once() {
    let bench = Bench::open().await;
    let a = bench.submit_and_tell().await;
    bench.until(&a, |item| item["state"] == "done").await;
    for day in ["b-down", "half-made"] {
        let form = [("day", day), ("app", CASEWORK), ("length", "once")];
        bench.post("/days", &form).await;
    }
    bench.post("/tables/reconcile", &[]).await;
    bench.post("/clock", &[("span", "1m")]).await;
    let ids = Regex::new(r#"\sid="([^"]*)""#).unwrap();
    let fields =
        Regex::new(r#"<(?:select|textarea|input(?: type="[^h][a-z]*")?) id="([^"]*)""#).unwrap();
    let mentioned = Regex::new(r#"\s(?:for|aria-labelledby|aria-describedby)="([^"]*)""#).unwrap();
    for path in ["/days", "/tables", "/clock", "/routes"] {
        let mut titles = BTreeSet::new();
        for language in ["nb", "en"] {
            let answer = bench.get_in(language, path).await;
            assert_eq!(answer.status(), 200);
            let page = answer.text().await.unwrap();
            assert!(
                page.contains(&format!("<html lang=\"{language}\">")),
                "{path}"
            );
            titles.insert(page.split("</title>").next().unwrap().to_owned());
            let mut count: BTreeMap<&str, usize> = BTreeMap::new();
            for id in ids.captures_iter(&page) {
                *count.entry(id.get(1).unwrap().as_str()).or_default() += 1;
            }
            let twice: Vec<_> = count.iter().filter(|(_, count)| **count > 1).collect();
            assert!(twice.is_empty(), "{path}: {twice:?}");
            for named in mentioned.captures_iter(&page) {
                assert!(
                    count.contains_key(&named[1]),
                    "{path}: {} is nowhere",
                    &named[1]
                );
            }
            for field in fields.captures_iter(&page) {
                let label = format!("<label for=\"{}\"", &field[1]);
                assert!(page.contains(&label), "{path}: {} has no label", &field[1]);
            }
            assert!(
                !page.contains(" style=") && !page.contains("<script>"),
                "{path}"
            );
        }
        assert_eq!(
            titles.len(),
            2,
            "{path} has a title of its own in each language"
        );
    }
    bench.close().await;
}
