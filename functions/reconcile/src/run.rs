//! One run: the steps of all routes, and what they share.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    route::Route,
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    altinn::Budget,
    metrics::{self, Reconciled},
    telemetry::Causes,
};
use uuid::Uuid;

use crate::{
    Parts,
    answer::{Answer, Report},
    due::DueRelays,
    pass::Pass,
    position::earlier,
    request::Request,
    time::{Share, Time},
    told::Told,
    trouble::Trouble,
};

/// One run, as its steps see it.
pub(crate) struct Run<'a> {
    pub(crate) parts: &'a Parts,
    /// Nothing is enqueued, and nothing kept.
    pub(crate) dry_run: bool,
    /// What changed at this moment or later is left to the triggers that are on their way.
    pub(crate) until: Timestamp,
    id: String,
    trace: Option<&'a str>,
}

/// A route under work.
pub(crate) struct Work<'a> {
    pub(crate) route: &'a Route,
    pub(crate) budget: Budget,
    pub(crate) report: Report,
    /// What was enqueued lately.
    pub(crate) told: Told,
    steps_left: usize,
}

/// One thing to do for a route. It can be left after any page, and gone on with.
enum Step<'a> {
    Due(DueRelays),
    Pass(Box<Pass<'a>>),
}

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To its end.
    Finished,
    /// To the end of its share of the time.
    Cut,
}

impl<'a> Run<'a> {
    pub(crate) fn new(parts: &'a Parts, request: &Request, trace: Option<&'a str>) -> Self {
        let until = earlier(parts.clock.now(), parts.settings.grace);
        Self {
            parts,
            dry_run: request.dry_run,
            // As fine as Storage compares it.
            until: Timestamp::from_microsecond(until.as_microsecond()).unwrap_or(until),
            id: Uuid::new_v4().to_string(),
            trace,
        }
    }

    /// Looks after the routes for as long as `left` says. A step that takes long does not keep the others
    /// waiting: it is cut, and goes on when all have had their turn.
    pub(crate) async fn carry_out(&self, request: &Request, left: Duration) -> Answer {
        let mut time = Time::new(Instant::now(), left);
        let mut works = Vec::new();
        let mut steps = VecDeque::new();
        let asked = |route: &&Route| request.route.as_ref().is_none_or(|it| *it == route.name);
        for (index, route) in self.parts.routes.iter().filter(asked).enumerate() {
            let mut own = vec![Step::Due(DueRelays::default())];
            own.extend(Pass::all(route).map(|pass| Step::Pass(Box::new(pass))));
            works.push(Work {
                route,
                budget: Budget::new(left),
                report: Report::new(route.name.clone()),
                told: Told::new(&route.name),
                steps_left: own.len(),
            });
            steps.extend(own.into_iter().map(|step| (index, step)));
        }
        while let Some((index, mut step)) = steps.pop_front() {
            let Some(work) = works.get_mut(index) else {
                continue;
            };
            if work.report.trouble.is_some() {
                continue;
            }
            if !time.admits_a_page(Instant::now()) {
                break;
            }
            let mut share = time.share(Instant::now(), steps.len() + 1);
            match self.take(&mut step, work, &mut share).await {
                Ok(Progress::Finished) => work.steps_left -= 1,
                Ok(Progress::Cut) => steps.push_back((index, step)),
                Err(trouble) if trouble.is_out_of_time(&work.budget) => {}
                Err(trouble) => {
                    let trouble = Causes(&trouble).to_string();
                    tracing::error!(
                        route = %work.route.name,
                        reason = trouble,
                        "this route is not looked at any further in this run"
                    );
                    work.report.trouble = Some(trouble);
                }
            }
        }
        let routes: Vec<Report> = works.into_iter().map(|work| self.conclude(work)).collect();
        let of_all = request.route.is_none() && !self.dry_run;
        if of_all && routes.iter().all(|report| report.finished) {
            metrics::run_finished(self.parts.clock.now());
        }
        Answer {
            routes,
            dry_run: self.dry_run,
        }
    }

    async fn take(
        &self,
        step: &mut Step<'_>,
        work: &mut Work<'_>,
        share: &mut Share<'_>,
    ) -> Result<Progress, Trouble> {
        match step {
            Step::Due(due) => due.go_on(self, work, share).await,
            Step::Pass(pass) => pass.go_on(self, work, share).await,
        }
    }

    /// Enqueues a trigger for each of these A instances.
    pub(crate) async fn enqueue(
        &self,
        route: &Route,
        instances: &[InstanceId],
    ) -> Result<(), Trouble> {
        if self.dry_run || instances.is_empty() {
            return Ok(());
        }
        let at = self.parts.clock.now();
        let triggers: Vec<Trigger> = instances
            .iter()
            .map(|instance| {
                Trigger::new(
                    route.name.clone(),
                    *instance,
                    Cause::Reconcile,
                    self.id.clone(),
                    at,
                )
            })
            .collect();
        Ok(self.parts.queue.send(&triggers, self.trace).await?)
    }

    fn conclude(&self, work: Work<'_>) -> Report {
        let report = Report {
            finished: work.steps_left == 0 && work.report.trouble.is_none(),
            calls: work.budget.calls(),
            ..work.report
        };
        tracing::info!(
            route = %report.route,
            run = self.id,
            trace = self.trace,
            dry_run = self.dry_run,
            finished = report.finished,
            missing = report.missing,
            due_claimed = report.due.claimed,
            due_waiting = report.due.waiting,
            due_created = report.due.created,
            failed = report.failed,
            done = report.done,
            in_hand = report.in_hand,
            skipped = report.skipped,
            doubles = report.doubles,
            vanished = report.vanished,
            reopened = report.reopened,
            restamped = report.restamped,
            unreadable = report.unreadable,
            drifted = report.drifted,
            pages = report.pages,
            calls = report.calls,
            "reconciled"
        );
        if !self.dry_run {
            Reconciled {
                route: &report.route,
                finished: report.finished,
                missed: report.missing,
                due: report.due.sum(),
                doubles: report.doubles,
                vanished: report.vanished,
            }
            .emit(self.parts.clock.now());
        }
        report
    }
}
