//! The world of one story: a deployment, the people who use it, and what they observe.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use http::Method;
use local_altinn::{FormContent, Stage, Submission, SubmissionOwner};
use local_aws::QueueId;
use local_world::deployment::{Deployment, Plan, SERVICE_OWNER, sample_apps};
use reqwest::Client;
use serde_json::{Value, json};
use testbed::wire::{Exchange, On};
use tokio::time::{Instant, sleep};

use crate::{Attachment, BInstance, Folder};

/// App A of the samples.
pub const PERMIT: &str = "ttd/permit";
/// App B of the samples.
pub const CASEWORK: &str = "ttd/casework";
/// The route between them.
pub const ROUTE: &str = "permit-to-casework";
/// How long a story waits for anything before it fails.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// A deployment and its users.
#[derive(Debug)]
pub struct Story(Deployment);

impl Deref for Story {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.0
    }
}

/// Polls `something` until it returns `Ok`, and returns that value.
///
/// # Panics
/// If it does not within [`DEADLINE`].
pub async fn eventually<T>(what: &str, mut something: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match something().await {
            Ok(value) => return value,
            Err(seen) => assert!(
                began.elapsed() < DEADLINE,
                "not within {DEADLINE:?}: {what}; last seen: {seen}"
            ),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The last part of an instance's id.
#[must_use]
pub fn guid(instance: &str) -> &str {
    instance.rsplit('/').next().unwrap_or_default()
}

/// The stamp that B carries.
#[must_use]
pub fn stamp(route: &str, instance: &str) -> String {
    format!("{route}:{}", guid(instance))
}

/// The samples' plan with only the permit's route, so that counts are those of one route.
///
/// # Panics
/// When the samples cannot be read.
#[must_use]
pub fn permit_alone() -> Plan {
    let mut plan = Plan::samples().expect("the samples can be read");
    plan.routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("routes");
    plan
}

/// The requests that create an instance of the sample app B.
#[must_use]
pub fn posts() -> On {
    On::request(Method::POST, "^/ttd/casework/instances$")
}

/// The event that Lambda sends for these messages, each sent now and received for the first time.
///
/// AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
#[must_use]
pub fn sqs_event(bodies: impl IntoIterator<Item = String>) -> Value {
    let now = jiff::Timestamp::now().as_millisecond().to_string();
    let records = bodies.into_iter().enumerate().map(|(number, body)| {
        json!({
            "messageId": format!("message-{number}"),
            "receiptHandle": format!("receipt-{number}"),
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": now },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "awsRegion": local_aws::REGION,
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

impl Story {
    /// Starts a deployment of `plan`.
    ///
    /// # Panics
    /// When the deployment cannot be set up.
    pub async fn begin(plan: Plan) -> Self {
        Self(
            Deployment::start(plan)
                .await
                .expect("the deployment starts"),
        )
    }

    /// Starts a deployment of the permit sample with all functions in this process.
    ///
    /// # Panics
    /// When the deployment cannot be set up.
    pub async fn of_the_permit() -> Self {
        Self::begin(permit_alone()).await
    }

    /// Begins with the permit's sample and these routes.
    ///
    /// # Panics
    /// When it cannot be set up.
    pub async fn on(routes: &Folder) -> Self {
        let mut plan = permit_alone();
        plan.routes = routes.path().to_owned();
        Self::begin(plan).await
    }

    /// Shuts the deployment down as Lambda would.
    pub async fn end(self) {
        self.0.stop().await;
    }

    /// Imports a sample application that a citizen has submitted.
    ///
    /// # Panics
    /// When the sample cannot be read, or was already imported.
    #[must_use]
    pub fn import(&self, sample: &str) -> String {
        self.import_from(&sample_apps().join(PERMIT).join("samples").join(sample))
    }

    /// Imports the A instance in a folder.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn import_from(&self, folder: &Path) -> String {
        self.altinn
            .import(folder)
            .expect("the folder holds an instance")
    }

    /// A citizen fills in an application for a permit, up to the stage `until`.
    ///
    /// # Panics
    /// When Altinn refuses.
    #[must_use]
    pub fn fill_in(&self, until: Stage) -> String {
        self.fill_in_with(until, Vec::new())
    }

    /// The same, with attachments.
    ///
    /// # Panics
    /// When Altinn refuses.
    #[must_use]
    pub fn fill_in_with(&self, until: Stage, attachments: Vec<local_altinn::Attachment>) -> String {
        let form = json!({
            "soker": { "navn": "Kari Bygger", "fodselsnummer": "12837832290" },
            "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg mot vest", "areal": 24.5 }],
            "merknad": "Nabovarsel er sendt 3. november.",
        });
        let submission = Submission {
            app: PERMIT.to_owned(),
            owner: SubmissionOwner::Person("12837832290".to_owned()),
            forms: vec![("model".to_owned(), FormContent::Json(form))],
            attachments,
            until,
        };
        self.altinn
            .submit(&submission)
            .expect("a citizen can fill in a permit")
    }

    /// App A triggers the relay of an instance.
    ///
    /// # Panics
    /// When the trigger is not accepted.
    pub async fn trigger(&self, instance: &str) {
        let answer = self
            .0
            .trigger(PERMIT, instance)
            .await
            .expect("the API answers");
        let status = answer.status();
        assert_eq!(
            status,
            202,
            "the trigger of {instance}; logged: {:#?}",
            self.logs()
        );
    }

    /// App A triggers the relays of its instance. Returns the answer's status.
    ///
    /// # Panics
    /// When the API does not answer.
    pub async fn trigger_of(&self, app: &str, instance: &str) -> u16 {
        let answer = self.0.trigger(app, instance).await;
        answer.expect("the API answers").status().as_u16()
    }

    /// Waits until a relay reaches a state; returns its ledger item.
    ///
    /// # Panics
    /// When the relay does not reach the state in time.
    pub async fn reaches(&self, route: &str, instance: &str, state: &str) -> Value {
        self.reaches_with(route, instance, state, |_| true).await
    }

    /// The same, and the item must also satisfy `wanted`.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn reaches_with(
        &self,
        route: &str,
        instance: &str,
        state: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(
            &format!("the relay of {instance} by {route} is {state}"),
            async || {
                let item = self
                    .ledger_item(instance, route)
                    .await
                    .expect("the ledger answers");
                if item["state"] == state && wanted(&item) {
                    Ok(item)
                } else {
                    Err(item.to_string())
                }
            },
        )
        .await
    }

    /// The only B that was ever created for a relay; it must still exist.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub fn the_b(&self, route: &str, instance: &str) -> BInstance {
        let made = self.made(route, instance);
        assert_eq!(
            made.len(),
            1,
            "number of B created with the stamp {}",
            stamp(route, instance)
        );
        self.the_live_b(route, instance)
    }

    /// The only live B of a relay; others may have been created and deleted.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn the_live_b(&self, route: &str, instance: &str) -> BInstance {
        let made = self.made(route, instance);
        let live = made.iter().filter_map(|id| self.altinn.instance(id));
        let live: Vec<Value> = live
            .filter(|b| b["status"]["isHardDeleted"] != true)
            .collect();
        let [b] = live.as_slice() else {
            panic!("{} has {} live cases", stamp(route, instance), live.len())
        };
        BInstance::new(&self.altinn, b)
    }

    /// Every B that was ever created with the relay's stamp.
    fn made(&self, route: &str, instance: &str) -> Vec<String> {
        let stamp = stamp(route, instance);
        let creations = self.altinn.creations().into_iter();
        creations
            .filter(|it| it.data_values.get("stafett.relay") == Some(&stamp))
            .map(|it| it.instance)
            .collect()
    }

    /// The files of an A instance as B should have them: the PDF gets another data type, everything else is unchanged.
    ///
    /// # Panics
    /// When the instance does not exist.
    #[must_use]
    pub fn files_for_b(&self, instance: &str) -> Vec<Attachment> {
        let a = self
            .altinn
            .instance(instance)
            .expect("the instance is there");
        let mut files = BInstance::new(&self.altinn, &a).attachments;
        for file in files
            .iter_mut()
            .filter(|file| file.data_type == "ref-data-as-pdf")
        {
            file.data_type = "vedlegg".to_owned();
        }
        files.sort();
        files
    }

    /// The number of instances of app B that were ever created.
    #[must_use]
    pub fn creations(&self) -> usize {
        self.altinn
            .creations()
            .iter()
            .filter(|it| it.app == CASEWORK)
            .count()
    }

    /// The requests that were sent to create a B.
    #[must_use]
    pub fn posts(&self) -> Vec<Exchange> {
        self.altinn_wire.journal().matching(&posts())
    }

    /// Waits until the queue is empty, in-flight messages included.
    ///
    /// # Panics
    /// When the queue is not empty in time.
    pub async fn settled(&self) {
        let queue = &self.aws.resources().queue;
        eventually("the queue is empty", async || {
            match self.depth(queue).await {
                0 => Ok(()),
                left => Err(format!("{left} messages")),
            }
        })
        .await;
    }

    /// Waits until the dead-letter queue has exactly `count` messages and the queue has none; returns their
    /// bodies and empties the dead-letter queue.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub async fn dead_letters(&self, count: usize) -> Vec<String> {
        self.settled().await;
        let queue = &self.aws.resources().dead_letter_queue;
        eventually(&format!("{count} dead letters"), async || {
            match self.depth(queue).await {
                depth if depth == count => Ok(()),
                depth => Err(format!("{depth}")),
            }
        })
        .await;
        let sqs = self.sqs();
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let received = sqs
                .receive_message()
                .queue_url(&queue.url)
                .max_number_of_messages(10);
            for message in received
                .send()
                .await
                .expect("SQS answers")
                .messages
                .unwrap_or_default()
            {
                let receipt = message.receipt_handle.unwrap_or_default();
                let delete = sqs
                    .delete_message()
                    .queue_url(&queue.url)
                    .receipt_handle(receipt);
                delete.send().await.expect("SQS answers");
                bodies.push(message.body.unwrap_or_default());
            }
        }
        bodies
    }

    /// The number of messages in the dead-letter queue now, whatever is in the queue.
    pub async fn dead_letters_now(&self) -> usize {
        self.depth(&self.aws.resources().dead_letter_queue).await
    }

    /// The number of messages in the queue now, visible or not.
    pub async fn messages(&self) -> usize {
        self.depth(&self.aws.resources().queue).await
    }

    /// Sends messages to the queue, in batches of at most ten.
    ///
    /// # Panics
    /// When SQS refuses a message.
    pub async fn send(&self, bodies: impl IntoIterator<Item = String>) {
        use aws_sdk_sqs::types::SendMessageBatchRequestEntry as Entry;
        let entries: Vec<Entry> = bodies
            .into_iter()
            .enumerate()
            .map(|(id, body)| {
                Entry::builder()
                    .id(id.to_string())
                    .message_body(body)
                    .build()
                    .expect("an entry")
            })
            .collect();
        for batch in entries.chunks(10) {
            let batch = self
                .sqs()
                .send_message_batch()
                .queue_url(&self.aws.resources().queue.url)
                .set_entries(Some(batch.to_vec()))
                .send()
                .await
                .expect("SQS answers");
            assert!(
                batch.failed.is_empty(),
                "SQS refuses a message: {:?}",
                batch.failed
            );
        }
    }

    /// The queue message for a trigger.
    #[must_use]
    pub fn message(route: &str, instance: &str) -> String {
        json!({
            "v": 1, "route": route, "instance": instance, "cause": "app", "id": "a-story",
            "at": jiff::Timestamp::now(),
        })
        .to_string()
    }

    async fn depth(&self, queue: &QueueId) -> usize {
        use QueueAttributeName as Name;
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self
            .sqs()
            .get_queue_attributes()
            .queue_url(&queue.url)
            .set_attribute_names(Some(names.to_vec()));
        let found = request
            .send()
            .await
            .expect("SQS answers")
            .attributes
            .unwrap_or_default();
        names
            .iter()
            .filter_map(|name| found.get(name)?.parse::<usize>().ok())
            .sum()
    }

    /// The content of the whole ledger, as text.
    ///
    /// # Panics
    /// When DynamoDB does not answer.
    pub async fn whole_ledger(&self) -> String {
        let scan = self
            .dynamodb()
            .scan()
            .table_name(&self.aws.resources().table);
        let items: Vec<std::collections::HashMap<String, AttributeValue>> = scan
            .send()
            .await
            .expect("DynamoDB answers")
            .items
            .unwrap_or_default();
        // Sorted, so that two equal ledgers give the same text.
        let items: Vec<std::collections::BTreeMap<String, Value>> =
            serde_dynamo::from_items(items).expect("items are values");
        json!(items).to_string()
    }

    /// All log lines of the functions' processes.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        let functions = [
            &self.receive,
            &self.instantiate,
            &self.reconcile,
            &self.redrive,
        ];
        let processes = functions.into_iter().filter_map(|it| it.processes());
        let lines = processes.flat_map(|it| it.log());
        lines.map(|line| line.text).collect()
    }

    /// An Altinn token for the service owner's own system.
    async fn service_owner_token(&self) -> String {
        let scopes = "altinn:serviceowner altinn:serviceowner/instances.write";
        let token = self.altinn.maskinporten_token(SERVICE_OWNER, scopes, None);
        let altinn = self.altinn.url();
        let exchange = format!("{altinn}/authentication/api/v1/exchange/maskinporten");
        let exchange = Client::new()
            .get(exchange)
            .bearer_auth(token.expect("a token can be issued"));
        let token = exchange
            .send()
            .await
            .expect("Altinn answers")
            .text()
            .await
            .expect("a token");
        token.trim().trim_matches('"').to_owned()
    }

    /// The service owner's own system uploads a file to an instance through the app.
    ///
    /// # Panics
    /// When Altinn refuses it.
    pub async fn upload(&self, app: &str, instance: &str, file: &Attachment) {
        let url = format!(
            "{}/{app}/instances/{instance}/data?dataType={}",
            self.altinn.url(),
            file.data_type
        );
        let disposition = format!("attachment; filename=\"{}\"", file.filename);
        let request = Client::new()
            .post(url)
            .bearer_auth(self.service_owner_token().await)
            .header("content-type", &file.content_type)
            .header("content-disposition", disposition)
            .body(file.bytes.clone());
        accepted(request).await;
    }

    /// The service owner's own system replaces the form of an instance through the app.
    ///
    /// # Panics
    /// When the instance has no form, or Altinn refuses.
    pub async fn replace_form(&self, app: &str, instance: &str, form: &Value) {
        let now = self
            .altinn
            .instance(instance)
            .expect("the instance is there");
        let mut elements = now["data"].as_array().into_iter().flatten();
        let element = elements.find(|it| it["dataType"] == "model");
        let element = element.expect("it has a form")["id"].as_str();
        let url = format!(
            "{}/{app}/instances/{instance}/data/{}",
            self.altinn.url(),
            element.unwrap_or_default()
        );
        let request = Client::new()
            .put(url)
            .bearer_auth(self.service_owner_token().await)
            .json(form);
        accepted(request).await;
    }

    /// An instance of app B by id, however it was created.
    ///
    /// # Panics
    /// When it does not exist.
    #[must_use]
    pub fn b(&self, id: &str) -> BInstance {
        let b = self.altinn.instance(id).expect("the instance is there");
        BInstance::new(&self.altinn, &b)
    }
}

async fn accepted(request: reqwest::RequestBuilder) {
    let answer = request.send().await.expect("Altinn answers");
    assert!(
        answer.status().is_success(),
        "{}: {}",
        answer.status(),
        answer.text().await.unwrap()
    );
}
