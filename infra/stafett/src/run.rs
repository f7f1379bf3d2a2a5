//! One run: sets everything up, triggers the relays, waits, and prints the result of each A instance. The
//! playground runs beside it, for as long as the user wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use futures_util::future::try_join_all;
use local_altinn::LocalAltinn;
use local_world::{
    deployment::{Deployment, OwnApps, Plan, sample_apps, sample_routes},
    timeline::Timeline,
};
use playground::{DEFAULT_PORT, Playground, Scene};
use serde_json::Value;
use stafett_core::route::Routes;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Prints a line. The reader may have closed the pipe, which is no reason to stop.
macro_rules! say {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

mod progress;
mod scenes;
mod table;

use progress::Progress;
use table::Row;

/// A relay takes tenths of a second here, so this is long enough.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long unfinished work may delay the program's exit; all data is in memory only.
const PATIENCE: Duration = Duration::from_millis(500);

/// App A of the samples.
const PERMIT: &str = "ttd/permit";
/// The placeholder of an A instance's id in a line.
const NOBODY: &str = "                                                ";

type Failure = Box<dyn Error + Send + Sync>;

/// What to run, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Relay the A instance in this folder instead: `instance.json` as Altinn returns it, and a
    /// file for each of its data elements, named by the element's `filename`, its data type
    /// (`model.xml`) or its id.
    #[arg(long, value_name = "FOLDER")]
    input: Option<PathBuf>,
    /// The directory of route files.
    #[arg(long, value_name = "DIR")]
    routes: Option<PathBuf>,
    /// Run the apps in this folder instead of the samples: repositories of Altinn apps, or what `check --from` stored;
    /// can be given more than once. No samples are played then.
    #[arg(long, value_name = "DIR")]
    apps: Vec<PathBuf>,
    /// The port of the playground. If it is in use, the next free one is taken.
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Keep running until Ctrl-C, even without a terminal.
    #[arg(long)]
    serve: bool,
    /// Play no samples: the playground is ready at once, and runs until Ctrl-C.
    #[arg(long, conflicts_with = "input")]
    no_samples: bool,
}

impl Arguments {
    /// Whether to keep running after the samples.
    fn stays(&self) -> bool {
        let is_watched = io::stdin().is_terminal() && io::stdout().is_terminal();
        // With the user's own apps there are no samples to play, so the playground stays; with an
        // instance, the program ends after it.
        let has_nothing_to_play = !self.apps.is_empty() && self.input.is_none();
        self.serve || self.no_samples || has_nothing_to_play || is_watched
    }
}

/// Runs the samples or the given instance, and the playground beside them.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut interrupted = Interrupted::new()?;
    let stays = arguments.stays();
    // Everything in this future ends when it is dropped.
    let (stage, goes_well) = tokio::select! {
        biased;
        code = interrupted.wait() => return Ok(code),
        played = play(&arguments) => played?,
    };
    if stays {
        say!(
            "\nThe playground stays open at {} until Ctrl-C.",
            stage.playground.url()
        );
        interrupted.wait().await;
    }
    tokio::select! {
        () = stage.stop() => {}
        // A second signal ends the program at once.
        _ = interrupted.wait() => {}
    }
    Ok(if goes_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A signal that ends the program.
struct Interrupted {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupted {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The exit code after this signal: 128 plus its number.
    async fn wait(&mut self) -> ExitCode {
        tokio::select! {
            _ = self.interrupt.recv() => ExitCode::from(130),
            _ = self.terminate.recv() => ExitCode::from(143),
        }
    }
}

/// Sets everything up and plays the samples or the instance; returns whether each has exactly one
/// complete B.
async fn play(arguments: &Arguments) -> Result<(Stage, bool), Failure> {
    let timeline = Timeline::start();
    let progress = Progress::start(&timeline);
    let began = Instant::now();
    let (plan, routes, own) = plan(arguments)?;
    let routes_folder = plan.routes.clone();
    let deployment = Arc::new(Deployment::start(plan).await?);
    timeline.set_clock(deployment.altinn.clock().clone());
    let scene = Scene {
        deployment: Arc::clone(&deployment),
        timeline,
        routes: Routes::load(&routes_folder)?,
        routes_folder,
        apps_folders: if arguments.apps.is_empty() {
            vec![sample_apps()]
        } else {
            arguments.apps.clone()
        },
    };
    let playground = Playground::start(scene, arguments.port).await?;
    say!(
        "Stafett runs on this machine ({} ms to start):",
        began.elapsed().as_millis()
    );
    let wanted = arguments.port;
    let instead = if wanted == 0 || playground.port() == wanted {
        String::new()
    } else {
        format!(" (port {wanted} is in use)")
    };
    say!(
        "  the playground, for your browser   {}{instead}",
        playground.url()
    );
    say!(
        "  Altinn, all apps and Maskinporten  {}",
        deployment.altinn_wire.url()
    );
    say!(
        "  the HTTP API of the functions      {}",
        deployment.api.url()
    );
    for route in routes.iter() {
        say!("  route {}: {} → {}", route.name, route.from, route.to.app);
    }
    match own.map(|own| own.to_string()) {
        Some(own) if own.is_empty() => {}
        Some(own) => say!("{}", own.trim_end()),
        None => {
            for app in missing(&routes, &deployment.altinn) {
                say!(
                    "  {app} is not among the sample apps: give the folder of its files with --apps"
                );
            }
        }
    }
    let mut stage = Stage {
        deployment,
        playground,
        routes,
        progress,
        relays: Vec::new(),
        goes_well: true,
    };
    if arguments.no_samples || (arguments.input.is_none() && !arguments.apps.is_empty()) {
        return Ok((stage, true));
    }
    let turn = stage.playground.play();
    match &arguments.input {
        Some(folder) => stage.one(folder).await?,
        None => {
            stage.samples().await?;
            // The scenes with a mistaken route work only with the sample routes.
            if arguments.routes.is_none() {
                stage.never_told().await?;
                stage.mended().await?;
                stage.night().await?;
            }
        }
    }
    drop(turn);
    let goes_well = stage.sum_up();
    Ok((stage, goes_well))
}

fn plan(arguments: &Arguments) -> Result<(Plan, Routes, Option<OwnApps>), Failure> {
    let directory = arguments.routes.clone().unwrap_or_else(sample_routes);
    let routes = Routes::load(&directory)?;
    let (mut plan, own) = if arguments.apps.is_empty() {
        (Plan::samples()?, None)
    } else {
        let (plan, own) = Plan::with_apps(&arguments.apps, &directory, &routes)?;
        (plan, Some(own))
    };
    plan.routes = directory;
    plan.schedule = true;
    Ok((plan, routes, own))
}

/// Apps that routes name but that are not running.
fn missing(routes: &Routes, altinn: &LocalAltinn) -> BTreeSet<String> {
    routes
        .iter()
        .flat_map(|route| [&route.from, &route.to.app])
        .map(ToString::to_string)
        .filter(|app| altinn.app(app).is_none())
        .collect()
}

/// The running deployment and what is shown of it.
pub(crate) struct Stage {
    deployment: Arc<Deployment>,
    playground: Playground,
    routes: Routes,
    progress: Progress,
    /// The relayed A instances, in order.
    relays: Vec<Triggered>,
    goes_well: bool,
}

impl Stage {
    /// Prints the table; returns whether all went well.
    fn sum_up(&self) -> bool {
        say!();
        let rows: Vec<Row> = self
            .relays
            .iter()
            .map(|relay| Row::new(&self.deployment.altinn, relay, &self.progress))
            .collect();
        table::print(&rows);
        let complete = self.goes_well && rows.iter().all(Row::is_one_complete_b);
        if complete {
            say!("\nExactly one complete B for each.");
        } else if rows.iter().all(Row::is_one_complete_b) {
            say!("\nNot all is as it should be; see above.");
        } else {
            say!("\nNot each has exactly one complete B.");
        }
        complete
    }

    async fn stop(self) {
        self.playground.stop().await;
        // No page uses the deployment any more; if one still does, everything ends on drop.
        if let Some(deployment) = Arc::into_inner(self.deployment) {
            let _ = tokio::time::timeout(PATIENCE, deployment.stop()).await;
        }
    }

    /// Checks a condition, and reports it if it does not hold.
    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            say!("{NOBODY}NOT AS IT SHOULD BE: {otherwise}");
            self.goes_well = false;
        }
    }

    /// Waits for the relays of an A instance, and adds it to the table.
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
    /// Whether the route has `each`, and so one relay per value.
    pub(crate) is_set: bool,
    /// The data types of the elements that B should get, as pairs of A's and B's.
    pub(crate) attachments: Vec<(String, String)>,
}

impl Triggered {
    fn all(routes: &Routes, app: &str, instance: &str) -> Result<Vec<Self>, Failure> {
        let app = app.parse()?;
        let triggered = routes.for_app(&app).map(|route| Self {
            instance: instance.to_owned(),
            to: route.to.app.to_string(),
            route: route.name.to_string(),
            is_set: route.each.is_some(),
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
    /// Three permit applications: triggered by the app, by Altinn Events, and by both at once.
    async fn samples(&mut self) -> Result<(), Failure> {
        heading("Three applications");
        let deployment = &self.deployment;
        self.playground.subscribe(PERMIT).await?;
        let folder = sample_apps().join("ttd/permit/samples");
        let submitted: Vec<String> = ["two-measures", "minimal", "characters"]
            .into_iter()
            .map(|sample| deployment.altinn.import(&folder.join(sample)))
            .collect::<Result<_, _>>()?;
        let [by_trigger, by_event, by_both] = submitted.as_slice() else {
            return Err("three samples are submitted".into());
        };
        say!("{by_trigger}  submitted; app A calls the trigger");
        say!("{by_event}  submitted; Altinn Events calls the events address");
        say!("{by_both}  submitted; both at the same time\n");
        deployment.altinn.announce(by_event)?;
        deployment.altinn.announce(by_both)?;
        try_join_all([by_trigger, by_both].map(|instance| trigger(deployment, PERMIT, instance)))
            .await?;
        for instance in &submitted {
            self.watch(PERMIT, instance).await?;
        }
        Ok(())
    }

    /// Relays the instance in the user's folder.
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
        say!("\n{instance}  imported from {}\n", folder.display());
        trigger(&self.deployment, &app, &instance).await?;
        self.watch(&app, &instance).await
    }
}

fn heading(text: &str) {
    say!("\n── {text}\n");
}

async fn trigger(deployment: &Deployment, app: &str, instance: &str) -> Result<(), Failure> {
    let answer = deployment.trigger(app, instance).await?;
    if answer.status().as_u16() == 202 {
        return Ok(());
    }
    let status = answer.status();
    Err(format!(
        "the trigger of {instance} got the response {status}: {}",
        answer.text().await?
    )
    .into())
}

/// Waits until every relay is done or failed; returns whether all are done.
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
                    say!("{line}");
                }
            }
        }
        if open == 0 {
            return Ok(done);
        }
        if began.elapsed() > DEADLINE {
            say!(
                "{open} of {} are not finished after {} s",
                triggered.len(),
                DEADLINE.as_secs()
            );
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
