//! The Lambda function `instantiate`: takes a batch of triggers, and answers which of them SQS delivers again.
//!
//! The messages of a batch are processed at the same time, each in a task of its own, so that neither a poisoned
//! message nor a panic affects the others.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::{str::FromStr, sync::Arc, time::Duration};

use aws_config::SdkConfig;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use jiff::Timestamp;
use stafett_core::{
    relay::{
        Reason,
        decide::{Disposition, Message, backoff},
    },
    route::Routes,
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    altinn::Connection,
    clock::Clock,
    invocation::Invocation,
    ledger::Ledger,
    metrics::{Outcome, Relayed},
    queue::Queue,
    settings::{Environment, LedgerSettings, PaceSettings, QueueSettings, RouteSettings},
    start::StartError,
    telemetry::{Causes, Trace},
};

use self::{arrivals::Arrivals, pace::Paces, relay::Context, walks::Walks};

mod arrivals;
mod pace;
mod relay;
mod source;
mod walks;

/// What the function needs after its last request, to record and to answer.
const CLOSING: Duration = Duration::from_secs(2);

/// The function with its dependencies. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Instantiate {
    routes: Arc<Routes>,
    queue: Queue,
    context: Arc<Context>,
}

impl Instantiate {
    /// Builds the function from its settings.
    ///
    /// # Errors
    /// [`StartError`]: one line that names the setting or the route file.
    pub async fn new(
        environment: &Environment<'_>,
        aws: &SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let connection = Connection::read(environment)?;
        let settings = LedgerSettings::read(environment)?;
        let queue = Queue::new(aws, &QueueSettings::read(environment)?);
        let containers = PaceSettings::read(environment)?.containers;
        let routes = Routes::load(&RouteSettings::read(environment)?.directory)?;
        let ledger = Ledger::new(aws, &settings);
        Ok(Self {
            queue,
            context: Arc::new(Context {
                altinn: connection.open(aws, clock.clone()).await?,
                paces: Paces::new(&routes, containers, &ledger, &clock),
                ledger,
                settings,
                clock,
                arrivals: Arrivals::default(),
                walks: Walks::default(),
            }),
            routes: Arc::new(routes),
        })
    }

    /// Processes a batch within the time that is left. The response names the messages that SQS is to deliver again.
    pub async fn handle(&self, event: SqsEvent, invocation: &Invocation) -> SqsBatchResponse {
        let left = invocation.left.saturating_sub(CLOSING);
        let tasks = event.records.into_iter().map(|message| {
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
                // SQS gives every message an id. An empty one would fail the whole batch, and lose no message.
                (!finished).then(|| id.unwrap_or_default())
            }
        });
        let mut response = SqsBatchResponse::default();
        for id in join_all(tasks).await.into_iter().flatten() {
            response.add_failure(id);
        }
        response
    }

    /// Processes one message. Returns whether it is finished, so that SQS deletes it.
    async fn deliver(&self, message: &SqsMessage, left: Duration) -> bool {
        let receives = number(message, "ApproximateReceiveCount").unwrap_or(1);
        let sent_at = number(message, "SentTimestamp");
        let trace = message
            .attributes
            .get("AWSTraceHeader")
            .and_then(|header| Trace::read(header));
        let disposition = match Trigger::from_message(message.body.as_deref().unwrap_or_default()) {
            Ok(trigger) => {
                let message = Message {
                    receives,
                    sent_at: sent_at.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
                    redriven: trigger.cause == Cause::Redrive,
                };
                self.run(&trigger, trace.as_ref(), message, left).await
            }
            Err(error) => {
                tracing::error!(
                    message_id = message.message_id,
                    receives,
                    reason = Reason::NotATrigger.code(),
                    detail = %error,
                    "not a trigger; the message goes to the dead-letter queue"
                );
                Disposition::GiveUp
            }
        };
        let wait = match disposition {
            Disposition::Acknowledge => return true,
            Disposition::Again(wait) => wait,
            Disposition::GiveUp => Duration::ZERO,
        };
        if let Some(receipt) = &message.receipt_handle
            && let Err(error) = self.queue.delay(receipt, wait).await
        {
            tracing::warn!(message_id = message.message_id, reason = %Causes(&error), "not put back");
        }
        false
    }

    /// Runs the relay of a trigger, if its route is deployed here.
    async fn run(
        &self,
        trigger: &Trigger,
        trace: Option<&Trace>,
        message: Message,
        left: Duration,
    ) -> Disposition {
        match self.routes.get(&trigger.route) {
            Some(route) => self.context.run(route, trigger, trace, message, left).await,
            None => without_route(trigger, message.receives, self.context.clock.now()),
        }
    }
}

/// A number that SQS tells of a message (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS": `attributes`).
fn number<T: FromStr>(message: &SqsMessage, name: &str) -> Option<T> {
    message.attributes.get(name)?.parse().ok()
}

/// The route is not deployed here. It may be newer than this container, so the message is tried again a few times.
fn without_route(trigger: &Trigger, receives: u32, now: Timestamp) -> Disposition {
    const PATIENCE: u32 = 8;
    tracing::error!(
        route = %trigger.route,
        instance = %trigger.instance,
        receives,
        reason = Reason::RouteUnknown.code(),
        "no deployed route has this name"
    );
    if receives < PATIENCE {
        return Disposition::Again(backoff(receives, trigger.instance.guid.as_u64_pair().0));
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
    Disposition::GiveUp
}
