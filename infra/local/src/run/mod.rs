//! One run: set up, trigger, watch, and show what became of each A instance.

use std::{
    collections::BTreeMap,
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use local::deployment::{Deployment, Plan, sample_apps};
use serde_json::Value;
use stafett::route::Routes;

mod progress;
mod scenes;
mod table;

use progress::Progress;
use table::Row;

/// A relay takes tenths of a second here; whoever waits longer than this waits in vain.
const DEADLINE: Duration = Duration::from_secs(60);

/// App A of the samples.
const PERMIT: &str = "ttd/permit";
/// Stands where a line about an A instance has its id.
const NOBODY: &str = "                                                ";

type Failure = Box<dyn Error + Send + Sync>;

/// Runs the samples, or the instance in `input`; whether each has exactly one complete B.
pub(crate) async fn run(input: Option<PathBuf>, routes: Option<PathBuf>) -> Result<bool, Failure> {
    let progress = Progress::start();
    let began = Instant::now();
    let mut plan = Plan::samples()?;
    plan.schedule = true;
    let of_samples = routes.is_none();
    if let Some(routes) = routes {
        plan.routes = routes;
    }
    let routes = Routes::load(&plan.routes)?;
    let deployment = Deployment::start(plan).await?;
    println!(
        "Stafett runs on this machine ({} ms to start):",
        began.elapsed().as_millis()
    );
    println!(
        "  Altinn, all apps and Maskinporten  {}",
        deployment.altinn_wire.url()
    );
    println!(
        "  the HTTP API of the functions      {}",
        deployment.api.url()
    );
    for route in routes.iter() {
        println!("  route {}: {} → {}", route.name, route.from, route.to.app);
    }
    let mut stage = Stage {
        deployment,
        routes,
        progress,
        relays: Vec::new(),
        goes_well: true,
    };
    match input {
        Some(folder) => stage.one(&folder).await?,
        None => {
            stage.samples().await?;
            // What goes wrong with the routes of the samples, and is mended, fits these only.
            if of_samples {
                stage.never_told().await?;
                stage.mended().await?;
                stage.night().await?;
            }
        }
    }
    stage.end().await
}

/// Where it happens.
pub(crate) struct Stage {
    deployment: Deployment,
    routes: Routes,
    progress: Progress,
    /// What was relayed, in order.
    relays: Vec<Triggered>,
    goes_well: bool,
}

impl Stage {
    /// Shows the table, and stops; whether all went well.
    async fn end(self) -> Result<bool, Failure> {
        println!();
        let rows: Vec<Row> = self
            .relays
            .iter()
            .map(|relay| Row::new(&self.deployment.altinn, relay, &self.progress))
            .collect();
        table::print(&rows);
        let complete = self.goes_well && rows.iter().all(Row::is_one_complete_b);
        self.deployment.stop().await;
        if complete {
            println!("\nExactly one complete B for each.");
        } else if rows.iter().all(Row::is_one_complete_b) {
            println!("\nExactly one complete B for each, but not as it should be; see above.");
        } else {
            println!("\nNot each has exactly one complete B.");
        }
        Ok(complete)
    }

    /// Something that must be so; it is said if it is not.
    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            println!("{NOBODY}NOT AS IT SHOULD BE: {otherwise}");
            self.goes_well = false;
        }
    }

    /// Waits for the relays of an A instance, which belong into the table from now on.
    async fn watch(&mut self, app: &str, instance: &str) -> Result<(), Failure> {
        let relays = Triggered::all(&self.routes, app, instance)?;
        let done = watch(&self.deployment, &relays).await?;
        self.relays.extend(relays);
        self.expect(done, "a relay is not done");
        Ok(())
    }
}

/// An A instance whose relay was triggered.
pub(crate) struct Triggered {
    /// Its id, `{party}/{guid}`.
    pub(crate) instance: String,
    /// App B.
    pub(crate) to: String,
    /// The route.
    pub(crate) route: String,
    /// The data types of A whose elements B is to get, as pairs of A's and B's.
    pub(crate) attachments: Vec<(String, String)>,
}

impl Triggered {
    fn all(routes: &Routes, app: &str, instance: &str) -> Result<Vec<Self>, Failure> {
        let app = app.parse()?;
        let triggered = routes.for_app(&app).map(|route| Self {
            instance: instance.to_owned(),
            to: route.to.app.to_string(),
            route: route.name.to_string(),
            attachments: route
                .attachments
                .iter()
                .map(|rule| (rule.from.clone(), rule.to.clone()))
                .collect(),
        });
        Ok(triggered.collect())
    }
}

impl Stage {
    /// Three permit applications: over the trigger, over Altinn Events, and over both at once.
    async fn samples(&mut self) -> Result<(), Failure> {
        heading("Three applications");
        let deployment = &self.deployment;
        deployment.subscribe(PERMIT).await?;
        let folder = sample_apps().join("ttd/permit/samples");
        let submitted: Vec<String> = ["two-measures", "minimal", "characters"]
            .into_iter()
            .map(|sample| deployment.altinn.import(&folder.join(sample)))
            .collect::<Result<_, _>>()?;
        let [by_trigger, by_event, by_both] = submitted.as_slice() else {
            return Err("three samples are submitted".into());
        };
        println!("{by_trigger}  submitted; app A calls the trigger");
        println!("{by_event}  submitted; Altinn Events tells");
        println!("{by_both}  submitted; both at the same time\n");
        deployment.altinn.announce(by_event)?;
        deployment.altinn.announce(by_both)?;
        try_join_all([by_trigger, by_both].map(|instance| trigger(deployment, PERMIT, instance)))
            .await?;
        for instance in &submitted {
            self.watch(PERMIT, instance).await?;
        }
        Ok(())
    }

    /// The instance in a folder of the user's.
    async fn one(&mut self, folder: &Path) -> Result<(), Failure> {
        let folder = if folder.is_file() {
            folder.parent().unwrap_or(folder)
        } else {
            folder
        };
        let instance = self.deployment.altinn.import(folder)?;
        let app = self
            .deployment
            .altinn
            .app_of(&instance)
            .ok_or_else(|| format!("{} holds no instance", folder.display()))?;
        if Triggered::all(&self.routes, &app, &instance)?.is_empty() {
            return Err(format!("no route starts at {app}; add one to infra/routes").into());
        }
        println!("\n{instance}  imported from {}\n", folder.display());
        trigger(&self.deployment, &app, &instance).await?;
        self.watch(&app, &instance).await
    }
}

fn heading(text: &str) {
    println!("\n── {text}\n");
}

async fn trigger(deployment: &Deployment, app: &str, instance: &str) -> Result<(), Failure> {
    let answer = deployment.trigger(app, instance).await?;
    if answer.status().as_u16() == 202 {
        return Ok(());
    }
    let status = answer.status();
    Err(format!(
        "the trigger of {instance} was answered {status}: {}",
        answer.text().await?
    )
    .into())
}

/// Waits until every relay is done or failed; whether all are done.
async fn watch(deployment: &Deployment, triggered: &[Triggered]) -> Result<bool, Failure> {
    let began = Instant::now();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let mut open = 0;
        let mut done = true;
        for relay in triggered {
            let item = deployment
                .ledger_item(&relay.instance, &relay.route)
                .await?;
            let state = item
                .get("state")
                .and_then(Value::as_str)
                .unwrap_or("not yet claimed");
            if !matches!(state, "done" | "failed") {
                open += 1;
            }
            done &= state == "done";
            if matches!(state, "failed" | "waiting") {
                let reason = item
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let detail = item
                    .get("detail")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let line = format!("{}  {state}: {reason} ({detail})", relay.instance);
                if told.insert(relay.instance.clone(), line.clone()).as_ref() != Some(&line) {
                    println!("{line}");
                }
            }
        }
        if open == 0 {
            return Ok(done);
        }
        if began.elapsed() > DEADLINE {
            println!(
                "{open} of {} are not finished after {} s",
                triggered.len(),
                DEADLINE.as_secs()
            );
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
