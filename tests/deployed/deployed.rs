//! The deployed stack, and the operations on it from outside.

use std::fmt::Display;
use std::io::{Write, stderr};
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use http::Method;
use local_altinn::{
    ClientRegistration, Config, DevelopmentKey, FormContent, LocalAltinn, Stage, Submission,
    SubmissionOwner,
};
use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE, sample_apps};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tests::{PERMIT, ROUTE, eventually, guid, stamp};
use tokio::{
    process::Command,
    runtime::{Builder, Runtime},
};

/// The environment variable with the path of the file in which `.ci/deploy.py` describes the deployment.
const WHERE: &str = "STAFETT_DEPLOYED";

/// One runtime for all stories, since the Altinn that they share runs on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Builder::new_multi_thread();
    runtime
        .enable_all()
        .build()
        .expect("a runtime can be created")
});

static DEPLOYED: LazyLock<Option<Deployed>> = LazyLock::new(|| {
    let description = description()?;
    Some(RUNTIME.block_on(Deployed::new(description)))
});

/// The description of the present deployment, if there is one.
fn description() -> Option<Value> {
    let file = std::env::var_os(WHERE)?;
    let description = std::fs::read(file).expect("the deployment's description can be read");
    Some(serde_json::from_slice(&description).expect("the description is JSON"))
}

/// Runs a story against the deployment; prints that it was skipped if there is none.
pub(crate) fn run_story(story: impl AsyncFnOnce(&Deployed)) {
    match &*DEPLOYED {
        Some(deployed) => RUNTIME.block_on(story(deployed)),
        None => print(format!(
            "skipped: {WHERE} names no deployment, see .ci/deployed"
        )),
    }
}

/// Prints an observation of a story that passes.
pub(crate) fn print(what: impl Display) {
    writeln!(stderr(), "  {what}").expect("standard error takes a line");
}

/// A deployed stack, and the local Altinn that its functions call.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) altinn: Arc<LocalAltinn>,
    pub(crate) sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    http: Client,
    description: Value,
}

impl Deployed {
    async fn new(description: Value) -> Self {
        let apps = Config::from_folder(&sample_apps()).expect("the sample apps can be read");
        let altinn = LocalAltinn::start(apps).await.expect("Altinn starts");
        let deployed = Self::described(altinn.into(), description).await;
        let registration = ClientRegistration {
            client_id: deployed.named("/clientId").to_owned(),
            org_number: SERVICE_OWNER.to_owned(),
            scopes: [
                "altinn:serviceowner",
                "altinn:serviceowner/instances.read",
                "altinn:serviceowner/instances.write",
            ]
            .map(str::to_owned)
            .to_vec(),
            jwk: DevelopmentKey::client()
                .expect("there is a key")
                .public_jwk(),
        };
        let registered = deployed.altinn.register_client(&registration);
        registered.expect("Maskinporten registers the client");
        deployed.configure_functions().await;
        // No ledger came before this one.
        let first = json!({ "action": "first-ledger" });
        let first = deployed.invoke("Reconcile", first).await;
        assert_eq!(first["first"], true, "{first}");
        deployed
    }

    async fn described(altinn: Arc<LocalAltinn>, description: Value) -> Self {
        let aws = aws_config::load_from_env().await;
        Self {
            altinn,
            sqs: aws_sdk_sqs::Client::new(&aws),
            dynamodb: aws_sdk_dynamodb::Client::new(&aws),
            http: Client::new(),
            description,
        }
    }

    /// Deletes the stack, and deploys another one with the ledger that it leaves behind.
    ///
    /// # Panics
    /// When that fails, or the emulator lacks something that it is not known to lack.
    pub(crate) async fn replaced(&self) -> Self {
        let command = self.description["replace"].as_array();
        let command = command.expect("the description tells how to replace the stack");
        let words: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
        let mut replace = Command::new(words[0]);
        let replaced = replace.args(&words[1..]).status().await;
        assert!(replaced.expect("it can be run").success(), "{words:?}");
        let description = description().expect("it describes the new deployment");
        let replaced = Self::described(self.altinn.clone(), description).await;
        replaced.configure_functions().await;
        replaced
    }

    /// A value of the deployment's description.
    pub(crate) fn named(&self, pointer: &str) -> &str {
        let named = self.description.pointer(pointer).and_then(Value::as_str);
        named.unwrap_or_else(|| panic!("the deployment's description has no {pointer}"))
    }

    /// The template accepts only addresses of the real Altinn: the local one's are set on the functions directly.
    /// Every such change starts new execution environments.
    pub(crate) async fn configure_functions(&self) {
        let (here, issuer) = (self.altinn.url(), self.altinn.issuer());
        let settings = [
            ("ALTINN_PLATFORM_URL", here.as_str()),
            ("ALTINN_APPS_URL", &here),
            ("MASKINPORTEN_ISSUER", &issuer),
        ];
        let functions = self.description["functions"].as_object();
        for (id, name) in functions.expect("the stack has functions") {
            let path = format!(
                "/2015-03-31/functions/{}/configuration",
                name.as_str().expect("a function has a name")
            );
            let told = self.aws("lambda", Method::GET, &path, None).await;
            let mut variables = told["Environment"]["Variables"].clone();
            for (variable, value) in settings {
                if variables.get(variable).is_some() {
                    variables[variable] = value.into();
                }
            }
            if id == "Reconcile" {
                // Otherwise reconcile would leave a new instance alone, because its trigger may still be on its way.
                variables["STAFETT_RECONCILE_GRACE_SECONDS"] = "0".into();
            }
            let change = json!({ "Environment": { "Variables": variables } });
            self.aws("lambda", Method::PUT, &path, Some(change)).await;
            eventually(&format!("{id} has its settings"), async || {
                let told = self.aws("lambda", Method::GET, &path, None).await;
                let set = told["Environment"]["Variables"] == variables;
                if set && told["LastUpdateStatus"] == "Successful" {
                    Ok(())
                } else {
                    Err(told.to_string())
                }
            })
            .await;
        }
    }

    /// Calls an AWS service that speaks JSON over HTTP.
    ///
    /// # Panics
    /// When the service refuses.
    pub(crate) async fn aws(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Value {
        let (endpoint, region) = (self.named("/endpoint"), self.named("/region"));
        let key = std::env::var("AWS_ACCESS_KEY_ID").unwrap_or_default();
        // The emulator reads service, region and caller from a signature, but does not verify it for these calls.
        let scope = format!("{key}/20261122/{region}/{service}/aws4_request");
        let signature =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let call = self
            .http
            .request(method.clone(), format!("{endpoint}{path}"));
        let call = call.header("authorization", signature);
        let call = body.iter().fold(call, RequestBuilder::json);
        let answer = call.send().await.expect("the emulator answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.expect("the emulator answers in full");
        assert!(
            status.is_success() && !headers.contains_key("x-amz-function-error"),
            "{service} {method} {path}: {status} {text}"
        );
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Invokes a function and waits for its response.
    pub(crate) async fn invoke(&self, function: &str, event: Value) -> Value {
        let name = self.named(&format!("/functions/{function}"));
        let path = format!("/2015-03-31/functions/{name}/invocations");
        self.aws("lambda", Method::POST, &path, Some(event)).await
    }

    /// Builds a call to the deployed API.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.named("/api")))
    }

    /// A token for app A.
    pub(crate) fn token(&self) -> String {
        let token = self
            .altinn
            .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None);
        token.expect("Maskinporten issues a token")
    }

    /// App A triggers the relay of an instance with this token.
    pub(crate) async fn trigger(&self, instance: &str, token: &str) -> Response {
        let call = self.call(Method::POST, "/triggers").bearer_auth(token);
        let call = call.json(&json!({ "app": PERMIT, "instance": instance }));
        call.send().await.expect("the API answers")
    }

    /// A citizen submits an application; no trigger is sent.
    pub(crate) fn submit(&self) -> String {
        let form = json!({
            "soker": { "navn": "Kari Bygger", "fodselsnummer": "12837832290" },
            "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg mot vest", "areal": 24.5 }],
            "merknad": "Nabovarsel er sendt 3. november.",
        });
        let submission = Submission {
            app: PERMIT.to_owned(),
            owner: SubmissionOwner::Person("12837832290".to_owned()),
            forms: vec![("model".to_owned(), FormContent::Json(form))],
            attachments: Vec::new(),
            until: Stage::Ended,
        };
        let submitted = self.altinn.submit(&submission);
        submitted.expect("a citizen can apply for a permit")
    }

    /// The state of a relay in the ledger; `None` if there is no item.
    pub(crate) async fn state(&self, instance: &str) -> Option<String> {
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let item = self.dynamodb.get_item().table_name(self.named("/table"));
        let item = item.key("pk", key(guid(instance))).key("sk", key(ROUTE));
        let item = item.consistent_read(true).send().await;
        let item = item.expect("the ledger answers").item?;
        Some(item["state"].as_s().expect("a state is a text").clone())
    }

    /// Waits until a relay is done.
    pub(crate) async fn done(&self, instance: &str) {
        eventually(
            &format!("the relay of {instance} is done"),
            async || match self.state(instance).await {
                Some(state) if state == "done" => Ok(()),
                state => Err(format!("{state:?}")),
            },
        )
        .await;
    }

    /// The B of an application as Storage has it. It must be the only one ever created, with the application's number
    /// in its form and the application's receipt attached.
    pub(crate) fn the_one_complete_b(&self, instance: &str) -> Value {
        let stamp = stamp(ROUTE, instance);
        let made = self.altinn.creations().into_iter();
        let mut made = made.filter(|it| it.data_values.get("stafett.relay") == Some(&stamp));
        let (Some(b), None) = (made.next(), made.next()) else {
            panic!("not exactly one B of {instance} was made")
        };
        let a = self.altinn.instance(instance).expect("A is there");
        let b = self.altinn.instance(&b.instance).expect("B is there");
        let form = self.element(&b, "model");
        assert!(
            String::from_utf8_lossy(&form).contains(guid(instance)),
            "B's form refers to A"
        );
        assert_eq!(
            self.element(&b, "vedlegg"),
            self.element(&a, "ref-data-as-pdf")
        );
        b
    }

    fn element(&self, instance: &Value, data_type: &str) -> Vec<u8> {
        let elements = instance["data"].as_array().into_iter().flatten();
        let mut of_type = elements.filter(|it| it["dataType"] == data_type);
        let (Some(element), None) = (of_type.next(), of_type.next()) else {
            panic!("not exactly one {data_type} in {}", instance["id"])
        };
        let [instance, element] =
            [&instance["id"], &element["id"]].map(|id| id.as_str().unwrap_or_default());
        let bytes = self.altinn.bytes(instance, element);
        bytes.expect("an element has bytes").to_vec()
    }

    /// The number of messages in a queue, in-flight ones included.
    pub(crate) async fn depth(&self, queue: &str) -> usize {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let told = self.sqs.get_queue_attributes().queue_url(self.named(queue));
        let told = told.set_attribute_names(Some(counts.to_vec())).send().await;
        let told = told.expect("SQS answers").attributes.unwrap_or_default();
        let count = |name| told[name].parse::<usize>().expect("a count is a number");
        counts.iter().map(count).sum()
    }
}
