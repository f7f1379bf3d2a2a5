//! What goes wrong in real life, and what becomes of it.

use std::{path::Path, time::Duration};

use http::StatusCode;
use local_altinn::{Fault, FormContent, Stage as Point, Submission, SubmissionOwner};
use local_world::deployment::sample_routes;
use serde_json::{Value, json};
use testbed::wire::{Action, CannedResponse, On};

use super::{Failure, NOBODY, PERMIT, Stage, heading, trigger};

/// The route between them.
const ROUTE: &str = "permit-to-casework";
const MINUTE: Duration = Duration::from_secs(60);

impl Stage {
    /// Nobody says that an application is ready: reconcile finds it.
    pub(super) async fn never_told(&mut self) -> Result<(), Failure> {
        heading("A trigger that never came");
        let faults = self.deployment.altinn.faults();
        faults.always(Some(PERMIT), Fault::EventLost);
        let instance = self.submit()?;
        say!("{instance}  submitted; Altinn loses its events from now on, app A calls nobody");
        say!("{NOBODY}a quarter of an hour passes; reconcile looks every five minutes");
        self.deployment.pass(16 * MINUTE).await?;
        let found = self.ledger_state(&instance).await? == "done";
        self.expect(found, "reconcile did not find it in time");
        self.watch(PERMIT, &instance).await
    }

    /// A route has a mistake: the relay fails for good, until it is mended and redriven.
    pub(super) async fn mended(&mut self) -> Result<(), Failure> {
        heading("A relay that fails for good, is mended and redriven");
        let mistaken = mistaken_routes()?;
        self.deployment.deploy(mistaken.path()).await?;
        say!(
            "{NOBODY}deployed: a route whose `tittel` reads soker.fulltNavn, which A does not have"
        );
        let instance = self.submit()?;
        say!("{instance}  submitted; app A calls the trigger");
        trigger(&self.deployment, PERMIT, &instance).await?;
        self.failed(&instance).await?;

        say!("{NOBODY}the operator invokes redrive with {{\"action\":\"inspect\"}}:");
        let inspected = self.redrive(json!({ "action": "inspect" })).await?;
        show_groups(&inspected);
        let group = &inspected["groups"][0];
        let as_expected = inspected["total"] == 1
            && group["reason"] == "mapping_failed"
            && group["examples"] == json!([instance]);
        self.expect(as_expected, "inspect does not show the one failed relay");

        self.deployment.deploy(&sample_routes()).await?;
        say!("{NOBODY}the mended route is deployed");
        let request = json!({ "action": "redrive", "route": ROUTE, "reason": "mapping_failed" });
        say!("{NOBODY}the operator invokes redrive with {request}:");
        let redriven = self.redrive(request).await?;
        let (sent, deleted) = (&redriven["sent"], &redriven["deleted"]);
        say!(
            "{NOBODY}  sent back {sent}, deleted {deleted}, complete {}",
            redriven["complete"]
        );
        self.expect(*sent == 1 && *deleted == 1, "redrive did not send it back");
        self.redone(&instance).await
    }

    /// B is down all night.
    pub(super) async fn night(&mut self) -> Result<(), Failure> {
        const NIGHT: Duration = Duration::from_secs(10 * 3600);
        heading("B is down for a night");
        let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
        let faults = self.deployment.altinn_wire.faults().clone();
        let every = On::any().path("^/ttd/casework/");
        let outage = faults.add(every, Action::Answer(down));
        let instance = self.submit()?;
        say!("{instance}  submitted at dusk; app A calls the trigger; B answers 503 to everything");
        trigger(&self.deployment, PERMIT, &instance).await?;
        self.progress.be_quiet(true);
        let dawn = self.deployment.pass(NIGHT).await;
        self.progress.be_quiet(false);
        dawn?;

        let tries = self.progress.cost(&instance).tries;
        let dead = self.dead_letters().await?;
        let state = self.ledger_state(&instance).await?;
        say!(
            "{NOBODY}10 hours pass: tried {tries} times, now {state}; in the dead-letter queue: {dead}"
        );
        self.expect(
            (10..40).contains(&tries),
            "it was not tried at a sensible pace",
        );
        self.expect(dead == 0, "an outage of one night is no operator's work");
        faults.remove(outage);
        say!("{NOBODY}B is back");

        let mut minutes = 0;
        while self.ledger_state(&instance).await? != "done" && minutes < 90 {
            self.deployment.pass(5 * MINUTE).await?;
            minutes += 5;
        }
        say!("{NOBODY}{minutes} minutes later at most, B's case was there");
        self.watch(PERMIT, &instance).await
    }

    /// A citizen submits an application.
    fn submit(&self) -> Result<String, Failure> {
        let form = json!({
            "soker": { "navn": "Ola Minst", "fodselsnummer": "05866511588" },
            "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg mot vest", "areal": 24.5 }],
        });
        let submission = Submission {
            app: PERMIT.to_owned(),
            owner: SubmissionOwner::Person("05866511588".to_owned()),
            forms: vec![("model".to_owned(), FormContent::Json(form))],
            attachments: Vec::new(),
            until: Point::Ended,
        };
        // That an app cannot publish its events is said once, and not three times for each application.
        self.progress.be_quiet(true);
        let submitted = self.deployment.altinn.submit(&submission);
        self.progress.be_quiet(false);
        Ok(submitted?)
    }

    async fn ledger_state(&self, instance: &str) -> Result<String, Failure> {
        let item = self.deployment.ledger_item(instance, ROUTE).await?;
        let state = item["state"].as_str().unwrap_or("not yet claimed");
        Ok(state.to_owned())
    }

    /// Waits until a relay has failed, and its message is in the dead-letter queue.
    async fn failed(&mut self, instance: &str) -> Result<(), Failure> {
        self.deployment.rest().await?;
        let state = self.ledger_state(instance).await?;
        let dead = self.dead_letters().await?;
        say!("{NOBODY}{state}; in the dead-letter queue: {dead}");
        self.expect(state == "failed" && dead == 1, "it did not fail");
        Ok(())
    }

    /// Waits until what was redriven is done.
    async fn redone(&mut self, instance: &str) -> Result<(), Failure> {
        self.deployment.rest().await?;
        let dead = self.dead_letters().await?;
        self.expect(dead == 0, "the dead-letter queue is not empty");
        self.watch(PERMIT, instance).await
    }

    async fn redrive(&self, request: Value) -> Result<Value, Failure> {
        Ok(self.deployment.redrive.invoke(&request).await?)
    }

    /// How many messages are in the dead-letter queue.
    async fn dead_letters(&self) -> Result<usize, Failure> {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        let found = self
            .deployment
            .sqs()
            .get_queue_attributes()
            .queue_url(&self.deployment.aws.resources().dead_letter_queue.url)
            .attribute_names(Name::ApproximateNumberOfMessages)
            .send()
            .await?;
        let count = found
            .attributes
            .and_then(|it| it.get(&Name::ApproximateNumberOfMessages)?.parse().ok());
        Ok(count.unwrap_or_default())
    }
}

fn show_groups(inspected: &Value) {
    for group in inspected["groups"].as_array().into_iter().flatten() {
        let text = |name: &str| group[name].as_str().unwrap_or("-").to_owned();
        say!(
            "{NOBODY}  {} × {}, {}, {}, {}, as {}",
            group["count"],
            text("route"),
            text("state"),
            text("reason"),
            text("age"),
            group["examples"][0].as_str().unwrap_or("-"),
        );
        say!("{NOBODY}  {}", text("hint"));
    }
}

/// The sample routes in a folder of their own, with a mistake in one.
fn mistaken_routes() -> Result<tempfile::TempDir, Failure> {
    const RIGHT: &str = "tittel: \"'Byggesøknad fra ' ~ data.model.soker.navn\"";
    const WRONG: &str = "tittel: \"'Byggesøknad fra ' ~ data.model.soker.fulltNavn\"";
    let folder = tempfile::tempdir()?;
    for file in std::fs::read_dir(sample_routes())? {
        let path = file?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, folder.path().join(name))?;
        }
    }
    let file = folder.path().join(Path::new(ROUTE).with_extension("yaml"));
    let route = std::fs::read_to_string(&file)?;
    let mistaken = route.replace(RIGHT, WRONG);
    if mistaken == route {
        return Err(format!("{} has no line `{RIGHT}` to be mistaken in", file.display()).into());
    }
    std::fs::write(&file, mistaken)?;
    Ok(folder)
}
