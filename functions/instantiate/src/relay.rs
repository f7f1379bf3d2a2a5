//! A relay: takes the steps that [`stafett_core::relay::decide`] names, and reports what came of them.
//!
//! Of a route with `each` the relay without a digest stands for the whole set: it claims, reads A, and
//! then runs one relay per value, each under a claim of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream};
use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    instance::Instance,
    relay::{
        Holder, Reason, Record, RelayId, State,
        decide::{Answer, Attempt, Evidence, Parts, Policy, Problem, Step, Verdict},
    },
    route::{Mode, Route},
    trigger::Trigger,
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, Budget},
    clock::Clock,
    ledger::{Ledger, MEMORY, Put},
    settings::LedgerSettings,
    telemetry::{Causes, Trace},
};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::source::{self, Ready, Share};

mod report;
mod target;

/// Relays of one A instance that are worked on at the same time.
const PARTS_AT_ONCE: usize = 4;

/// What every relay is worked on with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) altinn: Altinn,
    pub(crate) ledger: Ledger,
    pub(crate) settings: LedgerSettings,
    pub(crate) clock: Clock,
}

impl Context {
    /// Works on the relay of `trigger` within the time that is left.
    pub(crate) async fn run(
        &self,
        route: &Route,
        trigger: &Trigger,
        trace: Option<&Trace>,
        receives: u32,
        left: Duration,
    ) -> Verdict {
        let relay = RelayId::new(route.name.clone(), trigger.instance);
        // No request outlives the lease, and none the function.
        let budget = Arc::new(Budget::new(left.min(self.settings.lease)));
        let delivery = Delivery {
            context: self,
            route,
            trigger,
            trace,
            receives,
            budget,
        };
        delivery.run(relay, trigger.instance, None).await.0
    }
}

/// One delivery of a trigger.
#[derive(Clone)]
struct Delivery<'a> {
    context: &'a Context,
    route: &'a Route,
    trigger: &'a Trigger,
    trace: Option<&'a Trace>,
    receives: u32,
    budget: Arc<Budget>,
}

impl<'a> Delivery<'a> {
    /// Works on one relay of the A instance `source`; its share of A, where it has been read already. The
    /// verdict, and the state that the relay is in.
    async fn run(
        self,
        relay: RelayId,
        source: InstanceId,
        share: Option<Result<Ready, Evidence>>,
    ) -> (Verdict, Option<State>) {
        let span = tracing::info_span!(
            "relay",
            relay = %relay,
            route = %self.route.name,
            instance = %self.trigger.instance,
            cause = self.trigger.cause.as_str(),
            receives = self.receives,
            trace = self.trace.map(Trace::as_str),
        );
        let work = Work {
            delivery: self,
            relay,
            source,
            share,
            read: None,
            a: None,
            made: false,
            ready: None,
            found: BTreeMap::new(),
        };
        work.run().instrument(span).await
    }

    /// Works on one of several relays of an A instance that has been read. Boxed, since it is one of these
    /// runs that runs it.
    fn run_part(
        self,
        relay: RelayId,
        source: InstanceId,
        ready: Result<Ready, Evidence>,
    ) -> BoxFuture<'a, (Verdict, Option<State>)> {
        Box::pin(self.run(relay, source, Some(ready)))
    }
}

/// What one delivery knows while it works on a relay.
struct Work<'a> {
    delivery: Delivery<'a>,
    relay: RelayId,
    /// The A instance: as the trigger names it, and by its own id once it has been read.
    source: InstanceId,
    /// This relay's share of A, where it is one of several.
    share: Option<Result<Ready, Evidence>>,
    /// A, read ahead while the claim was written.
    read: Option<Result<Instance, AltinnError>>,
    /// A, once it has been read.
    a: Option<Instance>,
    /// B was made or completed in this delivery.
    made: bool,
    ready: Option<Ready>,
    found: BTreeMap<InstanceId, Instance>,
}

impl Work<'_> {
    async fn run(mut self) -> (Verdict, Option<State>) {
        let started = Instant::now();
        let settings = &self.delivery.context.settings;
        let clock = self.delivery.context.clock.clone();
        let policy = Policy {
            lease: settings.lease,
            settle: settings.settle,
            memory: MEMORY,
            // Of one relay of several nothing follows on A: it does of their set.
            after_steps: !self.route().then.is_empty() && self.relay.digest().is_none(),
            stamped_late: matches!(self.route().to.mode, Mode::Prefill { .. }),
        };
        let holder = Holder(Uuid::new_v4());
        let receives = self.delivery.receives;
        let mut attempt = Attempt::new(policy, holder, self.route().to.app.clone(), receives);
        // A message that comes for the first time is worth reading A for before it is known whose it is.
        let mut read_ahead = receives == 1 && self.share.is_none();
        loop {
            let step = attempt.next(clock.now());
            if let Step::End(verdict) = step {
                self.conclude(&attempt, verdict, started.elapsed());
                return (verdict, attempt.record().map(|record| record.state));
            }
            let step_started = Instant::now();
            let evidence = self
                .take(&step, &attempt, std::mem::take(&mut read_ahead))
                .await;
            tracing::debug!(
                target: "stafett_runtime::step",
                step = report::name(&step),
                ms = step_started.elapsed().as_millis(),
                "step"
            );
            attempt.learn(step, evidence, clock.now());
        }
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

    async fn take(&mut self, step: &Step, attempt: &Attempt, read_ahead: bool) -> Evidence {
        match step {
            Step::Put {
                record,
                replaces,
                due,
            } => {
                let put = self.put(record, *replaces, *due);
                if !read_ahead {
                    return put.await;
                }
                let read = self.altinn().instance(self.budget(), self.source);
                let (put, read) = tokio::join!(put, read);
                self.read = Some(read);
                put
            }
            Step::Read => self.read().await,
            Step::Search { from, until, .. } => self.search(*from..=*until, attempt.record()).await,
            Step::Create => {
                let evidence = self.create().await;
                self.made = matches!(evidence, Evidence::Answered(Answer::Created(_)));
                evidence
            }
            Step::Look(id) => self.look(*id).await,
            Step::AddForm(id) => self.add_form(*id).await,
            Step::Delete(id) => self.delete(*id).await,
            Step::Finish(id) => {
                let evidence = self.finish(*id).await;
                self.made = matches!(evidence, Evidence::Worked | Evidence::Left(_));
                evidence
            }
            Step::Resume(id) => self.resume(*id).await,
            Step::AfterSteps => self.after_steps().await,
            // An end is no step.
            Step::End(_) => Evidence::Denied,
        }
    }

    async fn put(
        &self,
        record: &Record,
        replaces: Option<u64>,
        due: Option<Timestamp>,
    ) -> Evidence {
        match self
            .delivery
            .context
            .ledger
            .put(&self.relay, self.source, record, replaces, due)
            .await
        {
            Ok(Put::Written) => Evidence::Written,
            Ok(Put::Conflict(seen)) => Evidence::Conflict(seen),
            Err(error) => {
                tracing::error!(reason = %Causes(&error), "the ledger did not take a write");
                Evidence::Unwritten
            }
        }
    }

    async fn read(&mut self) -> Evidence {
        let share = match self.share.take() {
            Some(share) => share,
            None => {
                let a = match self.read_a().await {
                    Ok(a) => a,
                    Err(error) => return Evidence::Trouble(source::unread(&error)),
                };
                let prepared =
                    source::prepare(self.altinn(), self.budget(), self.route(), &a).await;
                self.a = Some(a);
                match prepared {
                    Err(evidence) => Err(evidence),
                    Ok(shares) if self.route().each.is_some() => {
                        return Evidence::Parts(self.run_parts(shares).await);
                    }
                    Ok(mut shares) => match shares.pop() {
                        Some(share) => share.ready,
                        None => Err(unprepared()),
                    },
                }
            }
        };
        match share {
            Ok(ready) => {
                let since = ready.since;
                self.ready = Some(ready);
                Evidence::Ready { since }
            }
            Err(evidence) => evidence,
        }
    }

    async fn read_a(&mut self) -> Result<Instance, AltinnError> {
        let a = match self.read.take() {
            Some(read) => read?,
            None => self.altinn().instance(self.budget(), self.source).await?,
        };
        // Who told of it may have named a party that it does not belong to.
        self.source = a.id;
        Ok(a)
    }

    /// What follows on A. Each step is left out that was done before, as far as A shows it.
    async fn after_steps(&mut self) -> Evidence {
        let a = match self.a.take() {
            Some(a) => a,
            None => match self.read_a().await {
                Ok(a) => a,
                Err(error) => return unfollowed(&error),
            },
        };
        if a.status.is_hard_deleted {
            // Its owner deleted it after B was made: nobody is left to be told.
            return Evidence::Worked;
        }
        let route = self.route();
        if let Some(substatus) = &route.then.substatus {
            let set = self
                .altinn()
                .set_substatus(self.budget(), &route.from, &a, substatus)
                .await;
            if let Err(error) = set {
                return unfollowed(&error);
            }
        }
        if route.then.complete {
            let confirmed = self
                .altinn()
                .confirm_complete(self.budget(), &route.from, &a)
                .await;
            if let Err(error) = confirmed {
                return unfollowed(&error);
            }
        }
        Evidence::Worked
    }

    /// One relay per value, some at a time.
    async fn run_parts(&self, shares: Vec<Share>) -> Parts {
        let keyed: Vec<(RelayId, Share)> = shares
            .into_iter()
            .map(|share| {
                let key = share.key.as_deref().unwrap_or_default();
                (
                    RelayId::keyed(self.route().name.clone(), self.source, key),
                    share,
                )
            })
            .collect();
        self.report_vanished(keyed.iter().map(|(relay, _)| relay))
            .await;
        let runs = keyed.into_iter().map(|(relay, share)| {
            self.delivery
                .clone()
                .run_part(relay, self.source, share.ready)
        });
        let outcomes: Vec<_> = stream::iter(runs)
            .buffer_unordered(PARTS_AT_ONCE)
            .collect()
            .await;
        Parts::sum(outcomes)
    }

    /// A value that was there in an earlier attempt and is gone: its relay is reported, not undone.
    async fn report_vanished(&self, now: impl Iterator<Item = &RelayId>) {
        if self.delivery.receives == 1 {
            return;
        }
        let now: BTreeSet<String> = now.map(RelayId::sort_key).collect();
        match self.delivery.context.ledger.of_route(&self.relay).await {
            Ok(earlier) => {
                for sort_key in earlier.into_iter().filter(|key| !now.contains(key)) {
                    if sort_key != self.relay.sort_key() {
                        tracing::warn!(
                            vanished = sort_key,
                            "a value of `each` is gone that an earlier attempt relayed; its B stays as it is"
                        );
                    }
                }
            }
            Err(error) => {
                tracing::warn!(reason = %Causes(&error), "cannot tell whether a value of `each` is gone");
            }
        }
    }
}

/// Why an after-step did not work: A's app refused it, or did not answer.
fn unfollowed(error: &AltinnError) -> Evidence {
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
    Evidence::Trouble(
        Problem::new(reason)
            .because(error.to_string())
            .after(error.retry_after()),
    )
}

/// A step that asks for a draft before there is one is never named.
fn unprepared() -> Evidence {
    Evidence::Trouble(Problem::new(Reason::SourceUnavailable))
}
