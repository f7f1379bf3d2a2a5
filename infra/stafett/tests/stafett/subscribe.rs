//! `stafett subscribe` as an operator runs it: the built program, with the local Altinn and a
//! deployment.

use std::{
    collections::BTreeMap,
    process::Output,
    time::{Duration, Instant},
};

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    routing::post,
};
use local_altinn::{Config, DevelopmentClient, LocalAltinn};
use local_world::deployment::{Deployment, Plan, SERVICE_OWNER, sample_apps, sample_routes};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On, Wire};
use tokio::{net::TcpListener, process::Command, sync::watch};

const SECRET: &str = "hemmelig-og-langt-nok-til-at-det-duger";
const SCOPES: &str =
    "altinn:serviceowner altinn:serviceowner/instances.read altinn:serviceowner/instances.write";
const SUBSCRIPTIONS: &str = "/events/api/v1/subscriptions";
const COMPLETED: &str = "app.instance.process.completed";

/// The command's output and exit code.
#[derive(Debug)]
struct Said {
    text: String,
    code: Option<i32>,
}

impl Said {
    /// The table's row for an app or for a subscription's address.
    #[track_caller]
    fn row(&self, with: &str) -> &str {
        let mut rows = self.text.lines().filter(|line| line.contains(with));
        rows.next()
            .unwrap_or_else(|| panic!("no line with {with} in\n{}", self.text))
    }
}

/// An operator's shell: runs the program with settings.
struct Shell {
    settings: BTreeMap<&'static str, String>,
}

impl Shell {
    fn new(platform: &str, issuer: String, client: &DevelopmentClient, api: &str) -> Self {
        let settings = [
            ("ALTINN_PLATFORM_URL", platform.to_owned()),
            ("MASKINPORTEN_ISSUER", issuer),
            ("MASKINPORTEN_CLIENT_ID", client.client_id.clone()),
            ("MASKINPORTEN_JWK", client.jwk.clone()),
            ("STAFETT_API_URL", api.to_owned()),
            ("EVENTS_SECRET", SECRET.to_owned()),
        ];
        Self {
            settings: settings.into(),
        }
    }

    fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.settings.insert(variable, value.into());
    }

    /// The events secret and the private parts of the key, if set.
    fn secrets(&self) -> Vec<String> {
        let jwk: Value =
            serde_json::from_str(&self.settings["MASKINPORTEN_JWK"]).unwrap_or_default();
        let private = ["d", "p", "q"].map(|name| jwk[name].as_str().unwrap_or_default().to_owned());
        let mut secrets = vec![self.settings["EVENTS_SECRET"].clone()];
        secrets.extend(private);
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }

    async fn subscribe(&self, arguments: &[&str]) -> Said {
        let run = Command::new(env!("CARGO_BIN_EXE_stafett"))
            .arg("subscribe")
            .args(arguments)
            .env_clear()
            .envs(&self.settings)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let Output {
            status,
            stdout,
            stderr,
        } = tokio::time::timeout(Duration::from_secs(120), run)
            .await
            .expect("it ends")
            .expect("it starts");
        let text = String::from_utf8([stdout, stderr].concat()).expect("it writes text");
        for secret in self.secrets() {
            assert!(!text.contains(&secret), "a secret is shown:\n{text}");
        }
        Said {
            text,
            code: status.code(),
        }
    }
}

/// An Altinn behind a wire, and an API that responds to the events address with a changeable
/// status.
struct Place {
    altinn: LocalAltinn,
    wire: Wire,
    api: String,
    status: watch::Sender<u16>,
}

impl Place {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::start(&format!("http://{}", listener.local_addr().unwrap()))
            .await
            .unwrap();
        let mut config = Config::from_folder(&sample_apps()).unwrap();
        config.public_url = Some(wire.url().to_owned());
        let altinn = LocalAltinn::start_on(listener, config).unwrap();
        let hook = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", hook.local_addr().unwrap());
        let (status, now) = watch::channel(200);
        let path = format!("/events/{SECRET}");
        let router = Router::new().route(
            &path,
            post(async move || StatusCode::from_u16(*now.borrow()).unwrap()),
        );
        tokio::spawn(async move { axum::serve(hook, router).await });
        Self {
            altinn,
            wire,
            api,
            status,
        }
    }

    /// A shell in which the permit's route is the only one.
    fn shell(&self) -> Shell {
        let client = self
            .altinn
            .development_client(SERVICE_OWNER, SCOPES)
            .unwrap();
        let mut shell = Shell::new(self.wire.url(), self.altinn.issuer(), &client, &self.api);
        let alone = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/routes");
        shell.set("STAFETT_ROUTES", alone);
        shell
    }

    /// The service owner's subscriptions according to Altinn.
    async fn subscriptions(&self) -> Vec<Value> {
        self.call(Method::GET, None).await["subscriptions"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Another system of the same organisation subscribes.
    async fn subscribe(&self, address: &str, resource: &str) {
        let body = json!({"endPoint": address, "resourceFilter": resource});
        self.call(Method::POST, Some(body)).await;
    }

    async fn call(&self, method: Method, body: Option<Value>) -> Value {
        let token = self
            .altinn
            .maskinporten_token(SERVICE_OWNER, SCOPES, None)
            .unwrap();
        let http = reqwest::Client::new();
        let exchange = "/authentication/api/v1/exchange/maskinporten";
        let answer = http
            .get(format!("{}{exchange}", self.altinn.url()))
            .bearer_auth(token);
        let token = answer.send().await.unwrap().text().await.unwrap();
        let mut request = http
            .request(method, format!("{}{SUBSCRIPTIONS}", self.altinn.url()))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        answer.json().await.unwrap()
    }

    /// How often the command has requested and deleted a subscription.
    fn changes(&self) -> (usize, usize) {
        let journal = self.wire.journal();
        let asked = journal.matching(&On::request(Method::POST, SUBSCRIPTIONS));
        let deleted = journal.matching(&On::any().when(|seen| seen.method == Method::DELETE));
        (asked.len(), deleted.len())
    }
}

/// A directory with the sample route, changed.
fn routes(change: impl Fn(String) -> Vec<(&'static str, String)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(sample_routes().join(name)).unwrap();
    for (name, text) in change(read("permit-to-casework.yaml")) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn what_the_routes_need_is_subscribed_to_once_and_then_left_alone() {
    let deployment = Deployment::start(Plan::samples().unwrap()).await.unwrap();
    let client = deployment
        .altinn
        .development_client(SERVICE_OWNER, SCOPES)
        .unwrap();
    let (platform, issuer) = (deployment.altinn_wire.url(), deployment.altinn.issuer());
    let mut shell = Shell::new(platform, issuer, &client, &deployment.api.url());
    let events_url = deployment.events_url();
    shell.set("EVENTS_SECRET", events_url.rsplit('/').next().unwrap());
    let asked = || {
        let journal = deployment.altinn_wire.journal();
        journal
            .matching(&On::request(Method::POST, SUBSCRIPTIONS))
            .len()
    };

    let first = shell.subscribe(&[]).await;
    assert_eq!(first.code, Some(0), "{}", first.text);
    let row = first.row("ttd/permit");
    assert!(row.ends_with("created, validated"), "{row}");
    assert!(row.contains(COMPLETED), "{row}");
    assert!(first.text.contains("For an hour"), "{}", first.text);
    let row = first.row("ttd/estate");
    assert!(row.ends_with("created, validated"), "{row}");
    assert_eq!(asked(), 2, "one for each app A of the sample routes");

    let second = shell.subscribe(&[]).await;
    assert_eq!(second.code, Some(0), "{}", second.text);
    let row = second.row("ttd/permit");
    assert!(row.ends_with("there already, validated"), "{row}");
    assert_eq!(asked(), 2, "nothing was asked for again");

    // Events do arrive: an application is relayed without any other trigger.
    let folder = sample_apps().join("ttd/permit/samples/minimal");
    let permit = deployment.altinn.import(&folder).unwrap();
    deployment.altinn.announce(&permit).unwrap();
    let relayed = async {
        loop {
            let item = deployment
                .ledger_item(&permit, "permit-to-casework")
                .await
                .unwrap();
            if item["state"] == "done" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), relayed)
        .await
        .expect("the event led to a relay");
    deployment.stop().await;
}

#[tokio::test]
async fn an_address_that_altinn_does_not_validate_is_named_and_validated_by_the_next_run() {
    let place = Place::start().await;
    let shell = place.shell();
    place.status.send_replace(500);
    let said = shell.subscribe(&["--wait", "2"]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    let row = said.row("created,");
    assert!(row.ends_with("created, NOT validated"), "{row}");
    let row = said.row("has not validated");
    assert!(row.contains("ttd/permit"), "{row}");
    let row = said.row("From here");
    assert!(
        row.contains("answers 500") && row.contains("receive"),
        "{row}"
    );

    place.status.send_replace(200);
    let said = shell.subscribe(&[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    let row = said.row("ttd/permit");
    assert!(row.ends_with("there already, validated"), "{row}");
    assert_eq!(place.subscriptions().await.len(), 1);
}

#[tokio::test]
async fn a_secret_or_an_api_that_differs_from_the_deployed_one_is_reported() {
    let place = Place::start().await;
    let mut shell = place.shell();
    shell.set(
        "EVENTS_SECRET",
        "another-secret-that-is-not-the-deployed-one",
    );
    let said = shell.subscribe(&["--wait", "0"]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    let row = said.row("From here");
    assert!(
        row.contains("answers 404") && row.contains("another secret"),
        "{row}"
    );

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    shell.set("STAFETT_API_URL", address);
    let said = shell.subscribe(&["--wait", "0"]).await;
    let row = said.row("From here");
    assert!(
        row.contains("does not answer") && row.contains("STAFETT_API_URL"),
        "{row}"
    );
}

#[tokio::test]
async fn after_a_rotation_the_new_secret_is_subscribed_and_the_old_one_pruned() {
    let place = Place::start().await;
    let mut shell = place.shell();
    shell.set("EVENTS_SECRET", "the-secret-before-the-rotation-of-today");
    shell.subscribe(&["--wait", "0"]).await;
    let other = "urn:altinn:resource:app_ttd_permit";
    place
        .subscribe(&format!("{}/others/hemmelig", place.api), other)
        .await;

    shell.set("EVENTS_SECRET", SECRET);
    let said = shell.subscribe(&[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.row("created, validated");
    said.row("needed by no route");
    said.row("--prune");

    let (_, before) = place.changes();
    let said = shell.subscribe(&["--prune", "--dry-run"]).await;
    said.row("would be deleted");
    assert_eq!(place.changes().1, before);

    let said = shell.subscribe(&["--prune"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.row("deleted");
    let left = place.subscriptions().await;
    let addresses: Vec<&str> = left
        .iter()
        .filter_map(|it| it["endPoint"].as_str())
        .collect();
    let ours = format!("{}/events/{SECRET}", place.api);
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(addresses.contains(&&*ours), "{addresses:?}");
}

#[tokio::test]
async fn others_subscriptions_are_listed_without_their_path_and_never_deleted() {
    let place = Place::start().await;
    let shell = place.shell();
    let other = "https://hooks.example.no/hemmelig/9f3c2b7a51d84e0c";
    place
        .subscribe(other, "urn:altinn:resource:app_ttd_casework")
        .await;
    let listed = shell.subscribe(&["--list"]).await;
    assert_eq!(listed.code, Some(0), "{}", listed.text);
    let row = listed.row("ttd/casework");
    assert!(row.contains("https://hooks.example.no/…"), "{row}");
    assert!(!listed.text.contains("hemmelig"), "{}", listed.text);
    assert!(listed.row("ttd/permit").ends_with("MISSING"));

    shell.subscribe(&[]).await;
    let listed = shell.subscribe(&["--list"]).await;
    assert!(listed.row("ttd/permit").ends_with("needed, validated"));
    let mut stranger = place.shell();
    stranger.set("EVENTS_SECRET", "");
    let listed = stranger.subscribe(&["--list"]).await;
    let row = listed.row("ttd/permit");
    assert!(row.ends_with("this deployment's, validated"), "{row}");
    assert!(!listed.text.contains(SECRET), "{}", listed.text);

    let said = shell.subscribe(&["--delete"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.row("ttd/permit").ends_with("deleted"));
    let left = place.subscriptions().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["endPoint"], other);
    shell.subscribe(&["--delete"]).await.row("no subscription");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let place = Place::start().await;
    let shell = place.shell();
    let said = shell.subscribe(&["--dry-run"]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.row("ttd/permit").ends_with("would be created"));
    assert_eq!(place.changes(), (0, 0));
    shell.subscribe(&[]).await;
    let said = shell.subscribe(&["--delete", "--dry-run"]).await;
    assert!(said.row("ttd/permit").ends_with("would be deleted"));
    assert_eq!(place.changes(), (1, 0));
    assert_eq!(place.subscriptions().await.len(), 1);
}

#[tokio::test]
async fn each_app_of_the_routes_has_one_subscription_and_a_refused_one_keeps_no_other_from_its_own()
{
    let place = Place::start().await;
    let folder = routes(|sample| {
        let second = sample
            .replace("name: permit-to-casework", "name: permit-in-work")
            .replace("{ process: completed }", "{ task: Task_2 }");
        let foreign = sample
            .replace("name: permit-to-casework", "name: foreign-to-casework")
            .replace("app: ttd/permit", "app: skd/foreign");
        vec![
            ("one.yaml", sample),
            ("two.yaml", second),
            ("three.yaml", foreign),
        ]
    });
    let shell = place.shell();
    let folder = folder.path().to_str().unwrap();
    let said = shell.subscribe(&["--routes", folder]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(said.row("skd/foreign  ").ends_with("REFUSED"));
    let row = said.row("refuses the subscription to skd/foreign with status 403");
    let sentence = "\"Not authorized to create a subscription for resource urn:altinn:resource:app_skd_foreign.\"";
    assert!(
        row.contains(sentence) && row.contains("exists") && row.contains("`read`"),
        "{row}"
    );
    assert!(said.row("ttd/permit  ").ends_with("created, validated"));
    let made = place.subscriptions().await;
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(
        made[0]["typeFilter"],
        Value::Null,
        "a task's gate needs more than the end"
    );
}

#[tokio::test]
async fn altinns_refusal_is_shown_without_the_secret_that_it_repeats() {
    let place = Place::start().await;
    let said = format!(
        "Missing or invalid endpoint {}/events/{SECRET} of 12837832290",
        place.api
    );
    let refusal = CannedResponse::status(StatusCode::BAD_REQUEST).body(json!(said).to_string());
    let on = On::request(Method::POST, SUBSCRIPTIONS);
    place.wire.faults().add(on, Action::Answer(refusal));
    let said = place.shell().subscribe(&[]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    let row = said.row("with status 400");
    assert!(row.contains("Missing or invalid endpoint"), "{row}");
    assert!(row.contains("/events/… of …\""), "{row}");
    assert!(!said.text.contains("12837832290"), "{}", said.text);
}

#[tokio::test]
async fn altinn_is_called_again_after_the_seconds_in_retry_after() {
    let place = Place::start().await;
    let busy = |seconds: &str| {
        let busy = CannedResponse::status(StatusCode::TOO_MANY_REQUESTS);
        busy.header(RETRY_AFTER, HeaderValue::from_str(seconds).unwrap())
    };
    let faults = place.wire.faults();
    let list = On::request(Method::GET, SUBSCRIPTIONS).next(1);
    let make = On::request(Method::POST, SUBSCRIPTIONS).next(1);
    faults.add(list, Action::Answer(busy("1")));
    faults.add(make, Action::Answer(busy("2")));
    let began = Instant::now();
    let said = place.shell().subscribe(&[]).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.row("ttd/permit").ends_with("created, validated"));
    said.row("the next attempt is in 1 s");
    said.row("the next attempt is in 2 s");
    assert!(began.elapsed() >= Duration::from_secs(3));

    // The command does not wait for an hour.
    faults.add(
        On::request(Method::GET, SUBSCRIPTIONS),
        Action::Answer(busy("3600")),
    );
    let said = place.shell().subscribe(&["--list"]).await;
    assert_eq!(said.code, Some(1), "{}", said.text);
    said.row("429");
}

#[tokio::test]
async fn a_missing_setting_is_named_before_anything_is_called() {
    let place = Place::start().await;
    for variable in [
        "STAFETT_API_URL",
        "ALTINN_PLATFORM_URL",
        "MASKINPORTEN_ISSUER",
        "MASKINPORTEN_CLIENT_ID",
        "MASKINPORTEN_JWK",
        "EVENTS_SECRET",
    ] {
        let mut shell = place.shell();
        shell.set(variable, "");
        let said = shell.subscribe(&[]).await;
        assert_eq!(said.code, Some(1), "{variable}: {}", said.text);
        assert!(
            said.text.starts_with(&format!("{variable} is not set")),
            "{variable}: {}",
            said.text
        );
    }
    assert_eq!(place.wire.journal().all().len(), 0);
}
