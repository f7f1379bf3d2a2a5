//! The jobs of a run, and the turns that they take.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use stafett_core::route::Route;
use stafett_runtime::{
    altinn::Budget,
    metrics::Reconciled,
    telemetry::{Causes, Trace},
};

use crate::{
    due::DueRelays,
    error::RunError,
    pass::Pass,
    rebuild::RebuildJob,
    response::Report,
    route_run::{RouteRun, TurnEnd},
    run::Run,
    still_failed,
    time::{Share, Time},
};

/// One thing to do for a route. It can be interrupted after any page, and resumed.
enum Job<'a> {
    Rebuild(Box<RebuildJob<'a>>),
    Due(DueRelays),
    StillFailed,
    Pass(Box<Pass<'a>>),
}

impl<'a> Job<'a> {
    /// What is to be done for a route before all else. Until its part of the ledger is rebuilt, an A without a record may
    /// have a B, and nothing else is of use.
    fn first(route: &'a Route) -> Self {
        Self::Rebuild(Box::new(RebuildJob::new(route)))
    }

    /// What is to be done for a route after that, in this order.
    fn others(route: &'a Route) -> Vec<Self> {
        let mut jobs = vec![Self::Due(DueRelays::default()), Self::StillFailed];
        jobs.extend(Pass::all(route).map(|pass| Self::Pass(Box::new(pass))));
        jobs
    }

    async fn go_on(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
    ) -> Result<TurnEnd, RunError> {
        match self {
            Self::Rebuild(rebuild) => rebuild.go_on(run, route_run, share).await,
            Self::Due(due) => due.go_on(run, route_run, share).await,
            Self::StillFailed => Ok(still_failed::count(run, route_run).await),
            Self::Pass(pass) => pass.go_on(run, route_run, share).await,
        }
    }
}

/// Does the jobs of all routes within the time that is left, and reports on each route. A job that takes long does not
/// keep the others waiting: it is interrupted when its share of the time is used, and goes on when all have had a turn.
pub(crate) async fn carry_out<'a>(
    run: &Run<'_>,
    routes: impl Iterator<Item = &'a Route>,
    left: Duration,
) -> Vec<Report> {
    let mut time = Time::new(Instant::now(), left);
    let mut route_runs = Vec::new();
    let mut jobs = VecDeque::new();
    for (index, route) in routes.enumerate() {
        route_runs.push((RouteRun::new(route, Budget::new(left)), 1));
        jobs.push_back((index, Job::first(route)));
    }
    while let Some((index, mut job)) = jobs.pop_front() {
        let Some((route_run, jobs_left)) = route_runs.get_mut(index) else {
            continue;
        };
        if route_run.report.trouble.is_some() {
            continue;
        }
        if !time.admits_a_page(Instant::now()) {
            break;
        }
        let mut share = time.share(Instant::now(), jobs.len() + 1);
        match job.go_on(run, route_run, &mut share).await {
            Ok(TurnEnd::Finished) => {
                *jobs_left -= 1;
                if matches!(job, Job::Rebuild(_)) {
                    let others = Job::others(route_run.route);
                    *jobs_left += others.len();
                    jobs.extend(others.into_iter().map(|job| (index, job)));
                }
            }
            Ok(TurnEnd::Later) => {}
            Ok(TurnEnd::ShareUsed) => jobs.push_back((index, job)),
            Err(error) if error.is_out_of_time(&route_run.budget) => {}
            Err(error) => {
                let error = Causes(&error).to_string();
                tracing::error!(
                    route = %route_run.route.name,
                    reason = error,
                    "this route is not looked at any further in this run"
                );
                route_run.report.trouble = Some(error);
            }
        }
    }
    let route_runs = route_runs.into_iter();
    route_runs
        .map(|(route_run, jobs_left)| conclude(run, route_run, jobs_left))
        .collect()
}

/// The report on a route, which is logged and counted in the metrics.
fn conclude(run: &Run<'_>, route_run: RouteRun<'_>, jobs_left: usize) -> Report {
    let report = Report {
        finished: jobs_left == 0 && route_run.report.trouble.is_none(),
        calls: route_run.budget.calls(),
        ..route_run.report
    };
    tracing::info!(
        route = %report.route,
        run = run.id,
        trace = run.trace.map(Trace::as_str),
        dry_run = run.dry_run,
        finished = report.finished,
        missing = report.missing,
        due_claimed = report.due.claimed,
        due_told = report.due.told,
        due_waiting = report.due.waiting,
        due_created = report.due.created,
        failed = report.failed,
        still_failed = report.still_failed,
        done = report.done,
        in_hand = report.in_hand,
        skipped = report.skipped,
        doubles = report.doubles,
        vanished = report.vanished,
        reopened = report.reopened,
        restamped = report.restamped,
        unrecorded = report.unrecorded,
        rebuilt = report.rebuilt,
        unreadable = report.unreadable,
        drifted = report.drifted,
        pages = report.pages,
        calls = report.calls,
        "reconciled"
    );
    if !run.dry_run {
        Reconciled {
            route: &report.route,
            finished: report.finished,
            missed: report.missing,
            due: report.due.sum(),
            doubles: report.doubles + report.unrecorded,
            vanished: report.vanished,
            still_failed: report.still_failed,
            rebuilt: report.rebuilt,
        }
        .emit(run.context.clock.now());
    }
    report
}
