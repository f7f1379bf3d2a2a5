//! The Lambda function `instantiate`: a batch of triggers in, one verdict per message out.
//!
//! The messages of a batch are worked on at the same time, each in a task of its own:
//! neither a poisoned message nor a panic reaches the others.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::{sync::Arc, time::Duration};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use jiff::Timestamp;
use stafett_core::{
    relay::{
        Reason,
        decide::{Verdict, backoff},
    },
    route::Routes,
    trigger::Trigger,
};
use stafett_runtime::{
    altinn::{Altinn, Connection},
    clock::Clock,
    ledger::Ledger,
    metrics::{Outcome, Relayed},
    queue::Queue,
    settings::{Environment, LedgerSettings, QueueSettings, RouteSettings},
    start::StartError,
    telemetry::{Causes, Trace},
};

mod relay;
mod source;

/// The longest time that is left before Lambda stops the function, if it does not say.
const UNKNOWN_LEFT: Duration = Duration::from_secs(60);
/// What the function needs after its last request, to record and to answer.
const CLOSING: Duration = Duration::from_secs(2);

/// The function with all that it works with. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Instantiate(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    routes: Routes,
    altinn: Altinn,
    ledger: Ledger,
    queue: Queue,
    settings: LedgerSettings,
    clock: Clock,
}

impl Instantiate {
    /// The function as `environment` sets it up.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &aws_config::SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let connection = Connection::read(environment)?;
        let settings = LedgerSettings::read(environment)?;
        let queue = Queue::new(aws, &QueueSettings::read(environment)?);
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        Ok(Self(Arc::new(Parts {
            routes,
            altinn: connection.open(aws, clock.clone()).await?,
            ledger: Ledger::new(aws, &settings),
            queue,
            settings,
            clock,
        })))
    }

    /// Works on a batch for as long as `left` says. What is not finished by its verdict is in the answer.
    pub async fn handle(&self, event: SqsEvent, left: Option<Duration>) -> SqsBatchResponse {
        let left = left.unwrap_or(UNKNOWN_LEFT).saturating_sub(CLOSING);
        let works = event.records.into_iter().map(|message| {
            let function = self.clone();
            async move {
                let id = message.message_id.clone();
                // A task of its own: the runtime catches panics per invocation only.
                let task =
                    tokio::spawn(async move { function.deliver(&message, left).await }).await;
                let finished = task.unwrap_or_else(|_| {
                    tracing::error!(
                        message_id = id,
                        "the work on this message panicked; it comes again"
                    );
                    false
                });
                // SQS names every message; an answer without a name fails the batch, and loses none.
                (!finished).then(|| id.unwrap_or_default())
            }
        });
        let mut response = SqsBatchResponse::default();
        for id in join_all(works).await.into_iter().flatten() {
            response.add_failure(id);
        }
        response
    }

    /// Works on one message; whether it is finished, and may be deleted.
    async fn deliver(&self, message: &SqsMessage, left: Duration) -> bool {
        let receives = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1);
        let trace = message
            .attributes
            .get("AWSTraceHeader")
            .and_then(|header| Trace::read(header));
        let verdict = match Trigger::from_message(message.body.as_deref().unwrap_or_default()) {
            Ok(trigger) => self.run(&trigger, trace.as_ref(), receives, left).await,
            Err(error) => {
                tracing::error!(
                    message_id = message.message_id,
                    receives,
                    reason = Reason::NotATrigger.code(),
                    detail = %error,
                    "not a trigger; the message goes to the dead-letter queue"
                );
                Verdict::GiveUp
            }
        };
        let wait = match verdict {
            Verdict::Acknowledge => return true,
            Verdict::Again(wait) => wait,
            Verdict::GiveUp => Duration::ZERO,
        };
        if let Some(receipt) = &message.receipt_handle
            && let Err(error) = self.0.queue.delay(receipt, wait).await
        {
            tracing::warn!(message_id = message.message_id, reason = %Causes(&error), "not put back");
        }
        false
    }

    /// A route that is not deployed here: an older container may have got a newer route's message.
    fn without_route(trigger: &Trigger, receives: u32, now: Timestamp) -> Verdict {
        const PATIENCE: u32 = 8;
        tracing::error!(
            route = %trigger.route,
            instance = %trigger.instance,
            receives,
            reason = Reason::RouteUnknown.code(),
            "no deployed route has this name"
        );
        if receives < PATIENCE {
            return Verdict::Again(backoff(receives, trigger.instance.guid.as_u64_pair().0));
        }
        if receives == PATIENCE {
            Relayed {
                route: &trigger.route,
                outcome: Outcome::Failed(Reason::RouteUnknown),
                doubled: false,
                incomplete: false,
                seconds_to_b: None,
                altinn: None,
            }
            .emit(now);
        }
        Verdict::GiveUp
    }
}
