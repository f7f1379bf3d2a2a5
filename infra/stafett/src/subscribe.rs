//! `cargo run -- subscribe`: the subscriptions of Altinn Events that the routes need.

use std::time::{Duration, Instant};

use clap::Args;
use reqwest::StatusCode;
use stafett_core::route::Routes;
use stafett_runtime::{
    altinn::{
        Altinn, AltinnError, Budget,
        subscriptions::{self, Endpoint, SubscribeError, Subscription, Topic},
    },
    settings::ApiSettings,
};

use crate::{Failure, connect};

mod plan;
mod probe;
mod report;
mod settings;

use plan::Plan;
use probe::Finding;
use report::Report;
use settings::Options;

/// For all calls but the wait: a few small ones.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a subscription that is not validated yet.
const PAUSE: Duration = Duration::from_secs(1);
/// Before another try when Altinn answers 429 and does not say how long to wait.
const UNSAID: Duration = Duration::from_secs(10);
const CREATED: &str = "created";
const THERE: &str = "there already";
const SUPERFLUOUS: &str = "needed by no route";

/// Subscribes to the events of every app that a route starts from.
///
/// Altinn Events then calls POST /events/{secret} of the deployed API. What is there already is left as it
/// is, so this can be run as often as you like: after each deployment that adds a route, and after a
/// rotation of the events secret. It ends with exit code 0 when Altinn has validated every subscription.
///
/// Deploy first: Altinn calls the address at once, and delivers nothing before it has answered. Altinn
/// remembers for an hour who subscribes: a new subscription may miss events in its first hour (the function
/// reconcile finds these), a deleted one may still get some. App A must publish events:
/// `RegisterEventsWithEventsComponent` in its `appsettings.json`.
///
/// The secrets come from the environment (EVENTS_SECRET, MASKINPORTEN_JWK, ALTINN_SUBSCRIPTION_KEY), from AWS
/// Secrets Manager (by ARN) or, the events secret, from the terminal; never as arguments, and nothing shows them.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show every subscription of the organisation, and change nothing.
    #[arg(long, conflicts_with_all = ["delete", "prune", "dry_run"])]
    list: bool,
    /// Delete the subscriptions of this deployment: those whose address is below its API.
    #[arg(long, conflicts_with = "prune")]
    delete: bool,
    /// Delete what no route needs any more of this deployment's: an older secret, another filter, a route that is gone.
    #[arg(long)]
    prune: bool,
    /// Show what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for Altinn to validate the address.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u32,
    #[command(flatten)]
    options: Options,
}

/// Does it; whether all is as it should be afterwards.
pub(crate) async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let source = arguments.options.source();
    let api = ApiSettings::read(&source)?;
    let command = Command {
        altinn: connect::altinn(&source).await?,
        budget: Budget::new(PATIENCE + arguments.wait()),
        dry: arguments.dry_run,
        api,
    };
    if arguments.delete {
        let existing = command.existing().await?;
        let is_ours = |it: &Subscription| it.endpoint.is_of(&command.api.url);
        command.delete(existing.into_iter().filter(is_ours)).await?;
        return Ok(true);
    }
    let topics = subscriptions::topics(&Routes::load(&arguments.options.routes())?);
    if arguments.list {
        let secret = settings::known_secret(&source).await?;
        let endpoint = secret.map(|secret| Endpoint::new(&command.api.url, &secret));
        command.list(topics, endpoint).await?;
        return Ok(true);
    }
    let secret = settings::secret(&source).await?;
    let endpoint = Endpoint::new(&command.api.url, &secret);
    let existing = command.existing().await?;
    let plan = Plan::new(topics, existing, &command.api.url, &endpoint);
    if arguments.prune {
        command.delete(plan.superfluous).await?;
        return Ok(true);
    }
    let done = command.create(plan, &endpoint, arguments.wait()).await?;
    if done.silent > 0 {
        println!("{}", Finding::of(&command.api, &secret).await);
    }
    Ok(done.is_well())
}

impl Arguments {
    fn wait(&self) -> Duration {
        Duration::from_secs(self.wait.into())
    }
}

struct Command {
    altinn: Altinn,
    budget: Budget,
    api: ApiSettings,
    dry: bool,
}

/// What came of the subscriptions that the routes need.
struct Done {
    /// How many Altinn refused.
    refused: usize,
    /// How many addresses it has not validated.
    silent: usize,
}

impl Done {
    fn is_well(&self) -> bool {
        self.refused == 0 && self.silent == 0
    }
}

/// A call that did not give what was asked for.
trait Refusal {
    /// How long to wait before the same call; none where waiting does not help.
    fn pause(&self) -> Option<Duration>;
}

impl Refusal for AltinnError {
    fn pause(&self) -> Option<Duration> {
        let is_too_often = self.status() == Some(StatusCode::TOO_MANY_REQUESTS);
        is_too_often.then(|| self.retry_after().unwrap_or(UNSAID))
    }
}

impl Refusal for SubscribeError {
    fn pause(&self) -> Option<Duration> {
        match self {
            Self::Altinn(error) => error.pause(),
            Self::Refused { .. } => None,
        }
    }
}

/// A subscription that Altinn was asked for, and how it came to be.
struct Asked {
    topic: Topic,
    subscription: Subscription,
    origin: &'static str,
}

impl Command {
    async fn create(
        &self,
        plan: Plan,
        endpoint: &Endpoint,
        wait: Duration,
    ) -> Result<Done, Failure> {
        let mut report = Report::new(&self.api.url);
        let (validated, waiting): (Vec<_>, Vec<_>) =
            plan.standing.into_iter().partition(|(_, it)| it.validated);
        for (_, subscription) in &validated {
            report.subscription(subscription, standing(THERE, subscription));
        }
        // Whoever asks again for a subscription that is there has its address validated anew.
        let waiting = waiting
            .into_iter()
            .map(|(topic, _)| (topic, "there already"));
        let lacking = plan.lacking.into_iter().map(|topic| (topic, "created"));
        let mut asked = Vec::new();
        let mut refusals: Vec<SubscribeError> = Vec::new();
        for (topic, origin) in lacking.chain(waiting) {
            if self.dry {
                let state = match origin {
                    CREATED => "would be created",
                    _ => "would be validated anew",
                };
                report.topic(&topic, state);
                continue;
            }
            let subscribe = || self.altinn.subscribe(&self.budget, &topic, endpoint);
            match self.patiently(subscribe).await {
                Ok(subscription) => asked.push(Asked {
                    topic,
                    subscription,
                    origin,
                }),
                Err(error) => {
                    report.topic(&topic, "REFUSED");
                    refusals.push(error);
                }
            }
        }
        self.wait(&mut asked, wait).await?;
        for it in &asked {
            report.subscription(&it.subscription, standing(it.origin, &it.subscription));
        }
        for subscription in &plan.superfluous {
            report.subscription(subscription, SUPERFLUOUS);
        }
        report.print();
        for refusal in &refusals {
            println!("{refusal}");
        }
        let silent = asked.iter().filter(|it| !it.subscription.validated);
        let silent: Vec<String> = silent.map(|it| it.topic.app.to_string()).collect();
        if !silent.is_empty() {
            println!(
                "Within {} s Altinn has not validated the address for {}: it delivers none of these events.",
                wait.as_secs(),
                silent.join(", ")
            );
        }
        if !plan.superfluous.is_empty() {
            println!("What no route needs does no harm; `subscribe --prune` deletes it.");
        }
        if asked.iter().any(|it| it.origin == CREATED) {
            println!(
                "For an hour Altinn may not know of a new subscription: what it misses, reconcile finds."
            );
        }
        Ok(Done {
            refused: refusals.len(),
            silent: silent.len(),
        })
    }

    /// Looks at the subscriptions until all are validated, or the time is up.
    async fn wait(&self, asked: &mut [Asked], longest: Duration) -> Result<(), AltinnError> {
        let began = Instant::now();
        loop {
            let mut open = 0;
            for it in asked.iter_mut().filter(|it| !it.subscription.validated) {
                let id = it.subscription.id;
                let read = || self.altinn.subscription(&self.budget, id);
                let now = self.patiently(read).await?;
                it.subscription.validated = now.is_some_and(|now| now.validated);
                open += usize::from(!it.subscription.validated);
            }
            if open == 0 || began.elapsed() >= longest {
                return Ok(());
            }
            let rest = longest.saturating_sub(began.elapsed());
            tokio::time::sleep(PAUSE.min(rest)).await;
        }
    }

    async fn existing(&self) -> Result<Vec<Subscription>, AltinnError> {
        self.patiently(|| self.altinn.subscriptions(&self.budget))
            .await
    }

    /// Calls again whenever Altinn asks to come back later, as long as there is time for it.
    async fn patiently<T, E, F>(&self, call: impl Fn() -> F) -> Result<T, E>
    where
        E: Refusal,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            let refused = match call().await {
                Ok(answer) => return Ok(answer),
                Err(refused) => refused,
            };
            let Some(pause) = refused.pause().filter(|it| *it < self.budget.left()) else {
                return Err(refused);
            };
            eprintln!(
                "Altinn Events is asked too often; the next try is in {} s.",
                pause.as_secs()
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn list(
        &self,
        topics: Vec<Topic>,
        endpoint: Option<Endpoint>,
    ) -> Result<(), AltinnError> {
        let existing = self.existing().await?;
        let mut report = Report::new(&self.api.url);
        match endpoint {
            Some(endpoint) => {
                let plan = Plan::new(topics, existing, &self.api.url, &endpoint);
                for (_, subscription) in &plan.standing {
                    report.subscription(subscription, standing("needed", subscription));
                }
                for topic in &plan.lacking {
                    report.topic(topic, "LACKING");
                }
                for subscription in &plan.superfluous {
                    report.subscription(subscription, SUPERFLUOUS);
                }
                for subscription in &plan.others {
                    report.subscription(subscription, standing("another system's", subscription));
                }
            }
            // Which of them is called with the deployed secret cannot be told.
            None => {
                for subscription in &existing {
                    let whose = if subscription.endpoint.is_of(&self.api.url) {
                        "this deployment's"
                    } else {
                        "another system's"
                    };
                    report.subscription(subscription, standing(whose, subscription));
                }
            }
        }
        report.print();
        Ok(())
    }

    /// Deletes what is given, all of it this deployment's.
    async fn delete(
        &self,
        subscriptions: impl IntoIterator<Item = Subscription>,
    ) -> Result<(), AltinnError> {
        let mut report = Report::new(&self.api.url);
        for subscription in subscriptions {
            if self.dry {
                report.subscription(&subscription, "would be deleted");
            } else {
                let id = subscription.id;
                let unsubscribe = || self.altinn.unsubscribe(&self.budget, id);
                self.patiently(unsubscribe).await?;
                report.subscription(&subscription, "deleted");
            }
        }
        report.print();
        Ok(())
    }
}

fn standing(origin: &str, subscription: &Subscription) -> String {
    let validated = if subscription.validated {
        "validated"
    } else {
        "NOT validated"
    };
    format!("{origin}, {validated}")
}
