//! Runs a relay: takes the steps that [`stafett_core::relay::decide`] names, and gives each step its outcome.
//!
//! The relay without a digest of a route with `each` stands for the whole set: it claims, reads A, and
//! then runs one relay per value, each under its own claim.

use std::{
    collections::BTreeMap,
    mem,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    instance::Instance,
    relay::{
        Holder, Reason, RelayId, State,
        decide::{
            Attempt, Birth, Disposition, End, Failure, Message, NotReady, Policy, Put, PutOutcome,
            Step, backoff,
        },
    },
    route::{Mode, Route},
    trigger::Trigger,
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, Budget},
    clock::Clock,
    ledger::{self, Ledger, MEMORY},
    settings::LedgerSettings,
    telemetry::{Causes, Trace},
};
use tokio::{sync::OwnedMutexGuard, time::Instant};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    arrivals::Arrivals,
    pace::{Admitted, PaceOfB, Paces, Turn},
    source::Ready,
    walks::Walks,
};

mod arrival;
mod read;
mod report;
mod set;
mod target;

/// What every relay is worked on with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) altinn: Altinn,
    pub(crate) ledger: Ledger,
    pub(crate) settings: LedgerSettings,
    pub(crate) clock: Clock,
    pub(crate) arrivals: Arrivals,
    pub(crate) walks: Walks,
    pub(crate) paces: Paces,
}

impl Context {
    /// Works on the relay of `trigger` for at most the time that is `left`.
    pub(crate) async fn run(
        &self,
        route: &Route,
        trigger: &Trigger,
        trace: Option<&Trace>,
        message: Message,
        left: Duration,
    ) -> Disposition {
        let relay = RelayId::new(route.name.clone(), trigger.instance);
        let birth = match self.ledger.birth(&route.name, self.clock.now()).await {
            Ok(birth) => birth,
            Err(error) => {
                tracing::error!(%relay, reason = %Causes(&error), "the ledger does not tell when it was born; the message comes again");
                let seed = trigger.instance.guid.as_u64_pair().0;
                return Disposition::Again(backoff(message.receives, seed));
            }
        };
        // No request may last longer than the lease or the function.
        let budget = Arc::new(Budget::new(left.min(self.settings.lease)));
        let delivery = Delivery {
            context: self,
            route,
            trigger,
            trace,
            message,
            birth,
            budget,
            handed: Arc::default(),
        };
        let run = delivery.run(relay, trigger.instance, None);
        let Some(pace) = self.paces.of(&route.to.app) else {
            return run.await.0;
        };
        let ((disposition, _), ()) = tokio::join!(run, pace.refresh());
        disposition
    }
}

/// One delivery of a trigger.
#[derive(Clone)]
struct Delivery<'a> {
    context: &'a Context,
    route: &'a Route,
    trigger: &'a Trigger,
    trace: Option<&'a Trace>,
    message: Message,
    /// The birth of the ledger, if another one came before it.
    birth: Option<Birth>,
    budget: Arc<Budget>,
    /// The turn of the set's relay, for the first of its parts.
    handed: Arc<Mutex<Option<Turn>>>,
}

impl<'a> Delivery<'a> {
    /// Works on one relay of the A instance `source`. `share` is its share of A, if A has been read already. Returns
    /// what becomes of the message, and the relay's state.
    async fn run(
        self,
        relay: RelayId,
        source: InstanceId,
        share: Option<Result<Ready, NotReady>>,
    ) -> (Disposition, Option<State>) {
        let span = tracing::info_span!(
            "relay",
            relay = %relay,
            route = %self.route.name,
            instance = %self.trigger.instance,
            cause = self.trigger.cause.as_str(),
            receives = self.message.receives,
            trace = self.trace.map(Trace::as_str),
        );
        let (turn, quiet_until) = self.admit().instrument(span.clone()).await;
        let run = RelayRun {
            turn,
            quiet_until,
            reads_ahead: self.message.receives == 1 && share.is_none(),
            delivery: self,
            relay,
            source,
            share,
            read_ahead: None,
            a: None,
            made: false,
            ready: None,
            found: BTreeMap::new(),
            first: None,
        };
        run.run().instrument(span).await
    }

    /// Waits for the relay's turn, before its claim, so that no lease is used up. If it does not come, the second
    /// value is until when B may not be asked.
    async fn admit(&self) -> (Option<Turn>, Option<Timestamp>) {
        let handed = self.handed.lock();
        let handed = handed.unwrap_or_else(PoisonError::into_inner).take();
        let Some(pace) = self.pace().filter(|_| handed.is_none()) else {
            return (handed, None);
        };
        // The rest is for the work.
        match pace.admit(self.budget.left() / 2).await {
            Admitted::Turn(turn) => (Some(turn), None),
            Admitted::Quiet(until) => (None, Some(until)),
        }
    }

    fn pace(&self) -> Option<&'a Arc<PaceOfB>> {
        self.context.paces.of(&self.route.to.app)
    }
}

/// One delivery's run of a relay, and what it has read so far.
struct RelayRun<'a> {
    delivery: Delivery<'a>,
    relay: RelayId,
    /// The A instance: as the trigger names it, and by its own id after it has been read.
    source: InstanceId,
    /// This relay's share of A, if it is one of several.
    share: Option<Result<Ready, NotReady>>,
    /// A is to be read while the claim is written: on the first receive, the claim is likely to succeed.
    reads_ahead: bool,
    /// A, read while the claim was written.
    read_ahead: Option<Result<Instance, AltinnError>>,
    /// A, after it has been read.
    a: Option<Instance>,
    /// B was created or completed in this run.
    made: bool,
    ready: Option<Ready>,
    /// What the last search found.
    found: BTreeMap<InstanceId, Instance>,
    /// Held while this relay makes the first B of a version.
    first: Option<OwnedMutexGuard<()>>,
    /// Its turn to ask B.
    turn: Option<Turn>,
    /// It has no turn, and B may not be asked before this moment.
    quiet_until: Option<Timestamp>,
}

impl RelayRun<'_> {
    async fn run(mut self) -> (Disposition, Option<State>) {
        let started = Instant::now();
        let mut attempt = self.attempt();
        loop {
            let step = attempt.next(self.delivery.context.clock.now());
            let name = report::name(&step);
            let step_started = Instant::now();
            attempt = match self.take(step).await {
                ControlFlow::Continue(attempt) => attempt,
                ControlFlow::Break(end) => {
                    if let Some(turn) = self.turn.take() {
                        turn.end().await;
                    }
                    self.conclude(&end, started.elapsed());
                    return (end.disposition, end.record.map(|record| record.state));
                }
            };
            tracing::debug!(
                target: "stafett_runtime::step",
                step = name,
                ms = step_started.elapsed().as_millis(),
                "step"
            );
        }
    }

    /// Takes the step, and gives it its outcome.
    async fn take(&mut self, step: Step) -> ControlFlow<End, Attempt> {
        let clock = self.delivery.context.clock.clone();
        ControlFlow::Continue(match step {
            Step::Claim(put) => {
                let outcome = self.claim(&put).await;
                put.outcome(outcome)
            }
            Step::Record(put) => {
                let outcome = self.put(&put).await;
                put.outcome(outcome)
            }
            Step::Read(mut read) => {
                let outcome = self.read(&mut read).await;
                read.outcome(outcome, clock.now())
            }
            Step::Search(search) => {
                let outcome = self.search(&search).await;
                search.outcome(outcome, clock.now())
            }
            Step::Create(create) => {
                let outcome = self.create().await;
                create.outcome(outcome, clock.now())
            }
            Step::Verify(verify) => {
                let outcome = self.verify(&verify).await;
                verify.outcome(outcome, clock.now())
            }
            Step::Look(look) => {
                let outcome = self.look(look.id).await;
                look.outcome(outcome, clock.now())
            }
            Step::AddForm(add) => {
                let outcome = self.add_form(add.half.id).await;
                add.outcome(outcome, clock.now())
            }
            Step::Delete(delete) => {
                let outcome = self.delete(delete.half.id).await;
                delete.outcome(outcome, clock.now())
            }
            Step::Finish(finish) => {
                let outcome = self.finish(&finish.half).await;
                finish.outcome(outcome, clock.now())
            }
            Step::Resume(resume) => {
                let outcome = self.resume(resume.id).await;
                resume.outcome(outcome, clock.now())
            }
            Step::AfterSteps(after_steps) => {
                let outcome = self.after_steps().await;
                after_steps.outcome(outcome, clock.now())
            }
            Step::End(end) => return ControlFlow::Break(end),
        })
    }

    fn attempt(&self) -> Attempt {
        let settings = &self.delivery.context.settings;
        let policy = Policy {
            lease: settings.lease,
            settle: settings.settle,
            memory: MEMORY,
            birth: self.delivery.birth,
            // After-steps follow the whole set, not one of its relays.
            after_steps: !self.route().then.is_empty() && self.relay.digest().is_none(),
            stamped_late: matches!(self.route().to.mode, Mode::Prefill { .. }),
            of_set: self.relay.digest().is_some(),
            quiet_until: self.quiet_until,
        };
        let holder = Holder(Uuid::new_v4());
        let target = self.route().to.app.clone();
        Attempt::new(policy, holder, target, self.delivery.message)
    }

    fn route(&self) -> &Route {
        self.delivery.route
    }

    fn budget(&self) -> &Arc<Budget> {
        &self.delivery.budget
    }

    fn altinn(&self) -> &Altinn {
        &self.delivery.context.altinn
    }

    async fn put(&self, put: &Put) -> PutOutcome {
        let Put {
            record,
            replaces,
            due,
            ..
        } = put;
        let ledger = &self.delivery.context.ledger;
        match ledger
            .put(&self.relay, self.source, record, *replaces, *due)
            .await
        {
            Ok(ledger::Put::Written) => PutOutcome::Written,
            Ok(ledger::Put::Conflict(seen)) => PutOutcome::Conflict(seen),
            Err(error) => {
                tracing::error!(reason = %Causes(&error), "the ledger did not take a write");
                PutOutcome::Unknown
            }
        }
    }

    /// Writes the claim, and on the first try also reads A.
    async fn claim(&mut self, put: &Put) -> PutOutcome {
        if !mem::take(&mut self.reads_ahead) {
            return self.put(put).await;
        }
        let read = self.altinn().instance(self.budget(), self.source);
        let (outcome, read) = tokio::join!(self.put(put), read);
        self.read_ahead = Some(read);
        outcome
    }

    /// Does the after-steps on A, except those that A shows to be done.
    async fn after_steps(&mut self) -> Result<(), Failure> {
        let a = match self.a.take() {
            Some(a) => a,
            None => self.read_a().await.map_err(|error| not_followed(&error))?,
        };
        if a.status.is_hard_deleted {
            // Its owner deleted it after B was created: there is nobody left to tell.
            return Ok(());
        }
        let route = self.route();
        if let Some(substatus) = &route.then.substatus {
            self.altinn()
                .set_substatus(self.budget(), &route.from, &a, substatus)
                .await
                .map_err(|error| not_followed(&error))?;
        }
        if route.then.complete {
            self.altinn()
                .confirm_complete(self.budget(), &route.from, &a)
                .await
                .map_err(|error| not_followed(&error))?;
        }
        Ok(())
    }
}

/// Why an after-step failed: A's app refused it, or did not answer.
fn not_followed(error: &AltinnError) -> Failure {
    let refused = error.status().is_some_and(|status| {
        status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && status != StatusCode::REQUEST_TIMEOUT
    });
    let reason = if refused {
        Reason::AfterStepRefused
    } else {
        Reason::AfterStepUnavailable
    };
    Failure::new(reason)
        .because(Causes(error).to_string())
        .after(error.retry_after())
}

/// A step that needs the draft was to be taken without one. The core names such a step only after [`ReadOutcome::Ready`].
fn draft_missing() -> Failure {
    Failure::new(Reason::SourceUnavailable)
}
