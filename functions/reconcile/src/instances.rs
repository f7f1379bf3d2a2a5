//! What is done about the instances of a page: A instances without a relay are enqueued, and B instances whose stamp
//! contradicts the ledger are reported.

use std::collections::{BTreeMap, btree_map::Entry};

use http::StatusCode;
use stafett_core::{
    id::InstanceId,
    instance::Instance,
    preflight::SOURCE,
    reconcile::Open,
    relay::{RelayId, State},
    route::Route,
    transform::open_since,
};
use stafett_runtime::ledger::{MEMORY, RelayStatus, Telling, Told};

use crate::{
    error::RunError,
    listing::Listing,
    response::{Doubled, InstanceSummary},
    route_run::RouteRun,
    run::Run,
    time::earlier,
    vanished,
};

/// Enqueues the A instances of a page that have no relay, or whose relay waits for the gate that is open now.
pub(crate) async fn relay_missing(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    page: &[Instance],
    listing: Listing,
) -> Result<(), RunError> {
    let route = route_run.route;
    let ready: Vec<InstanceId> = page
        .iter()
        .filter(|instance| is_ready(route, instance))
        .filter(|instance| {
            matches!(listing, Listing::Changes | Listing::Unconfirmed)
                || has_waited(run, route, instance)
        })
        .map(|instance| instance.id)
        .collect();
    let relays: Vec<RelayId> = ready
        .iter()
        .map(|id| RelayId::new(route.name.clone(), *id))
        .collect();
    let standings = run.context.ledger.statuses(&relays).await?;
    let (mut missing, mut open) = (Vec::new(), Vec::new());
    let (mut failed, mut done, mut in_hand) = (0, 0, 0);
    for ((relay, instance), standing) in relays.into_iter().zip(&ready).zip(standings) {
        let record = standing.as_ref().map(|it| (it.state, it.reason));
        match Open::of(record) {
            Open::Missing => missing.push(Telling::New(relay, *instance)),
            Open::Opened => open.extend(standing.map(Telling::Opened)),
            Open::InHand => in_hand += 1,
            Open::Done => done += 1,
            Open::Failed => failed += 1,
        }
    }
    let missing = tell(run, route_run, missing).await?;
    let open = tell(run, route_run, open).await?;
    route_run.report.due.waiting += open.len() as u64;
    let report = &mut route_run.report;
    if listing != Listing::Repeated {
        report.skipped += (page.len() - ready.len()) as u64;
        report.failed += failed;
        report.done += done;
        report.in_hand += in_hand;
    }
    for instance in missing {
        report.is_missing(instance);
    }
    Ok(())
}

/// Puts relays on record as told, and enqueues them. Returns the A instances of those that nobody else has begun to work on
/// meanwhile. A crash in between leaves them on record, and they are enqueued when they are due.
async fn tell(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    tellings: Vec<Telling>,
) -> Result<Vec<InstanceId>, RunError> {
    let sources = tellings.iter().map(Telling::source);
    if run.dry_run {
        let new = sources.filter(|source| route_run.found_dry.insert(*source));
        return Ok(new.collect());
    }
    let now = run.context.clock.now();
    let told = run.context.ledger.tell(&tellings, now).await?;
    let news = sources.zip(told).filter(|(_, told)| *told == Told::Told);
    let news: Vec<InstanceId> = news.map(|(source, _)| source).collect();
    run.enqueue(route_run.route, &news).await?;
    Ok(news)
}

/// Whether an A instance is to be relayed: it is not deleted, and its gate opened no earlier than the route's `since`.
fn is_ready(route: &Route, instance: &Instance) -> bool {
    let opened = open_since(&route.gate, instance);
    !instance.status.is_hard_deleted
        && opened.is_some_and(|opened| route.since.is_none_or(|since| opened >= since))
}

/// Whether the gate of an A instance opened long enough ago that its trigger should have arrived.
fn has_waited(run: &Run<'_>, route: &Route, instance: &Instance) -> bool {
    open_since(&route.gate, instance).is_some_and(|opened| opened < run.until)
}

/// Compares the stamps on the B instances of a page with the ledger.
pub(crate) async fn compare_stamps(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    page: &[Instance],
) -> Result<(), RunError> {
    let altinn = &run.context.altinn;
    let to = &route_run.route.to;
    let keys = altinn.stamp_keys(&route_run.budget, to).await?;
    let stamped: Vec<(&Instance, RelayId)> = page
        .iter()
        .filter_map(|b| Some((b, stamp(route_run.route, b, &keys)?)))
        .collect();
    let relays: Vec<RelayId> = stamped.iter().map(|(_, relay)| relay.clone()).collect();
    let standings = run.context.ledger.statuses(&relays).await?;
    report_unrecorded(run, route_run, &stamped, &standings).await?;
    // The recorded instances that were read; none for one that is gone.
    let mut live: BTreeMap<InstanceId, Option<Instance>> = BTreeMap::new();
    for ((b, relay), standing) in stamped.into_iter().zip(standings) {
        // While a relay is in work, `instantiate` itself searches for its B.
        let Some((standing, recorded)) = standing.and_then(on_record) else {
            continue;
        };
        let gone = b.status.is_hard_deleted;
        if recorded == b.id {
            if gone && b.process.ended.is_none() {
                vanished::deal_with(run, route_run, b, standing).await?;
            }
        } else if !gone {
            let recorded = match live.entry(recorded) {
                Entry::Occupied(read) => read.into_mut(),
                Entry::Vacant(unread) => unread.insert(live_one(run, route_run, recorded).await?),
            };
            if let Some(recorded) = recorded {
                report_doubles(route_run, &relay, recorded, b);
            }
        }
    }
    report_restamped(run, route_run, page, &keys).await
}

/// Reports live B whose relay is not on record. `instantiate` claims a relay before it creates its B, so another ledger is
/// in use, with the same route.
async fn report_unrecorded(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    stamped: &[(&Instance, RelayId)],
    standings: &[Option<RelayStatus>],
) -> Result<(), RunError> {
    // Reconcile itself may have just told of an A whose record is lost.
    let is_unknown = |b: &Instance, standing: &Option<RelayStatus>| match standing {
        None => true,
        Some(it) => it.state == State::Told && b.created.is_some_and(|created| created < it.first),
    };
    let mut both = stamped.iter().zip(standings);
    if !both.any(|((b, _), standing)| is_unknown(b, standing)) {
        return Ok(());
    }
    let now = run.context.clock.now();
    let born = run.context.ledger.born(now).await?;
    let own_since = run.context.handed_over_after(born.at);
    // The records of older ones may have expired.
    let remembered_since = earlier(now, MEMORY);
    for ((b, relay), standing) in stamped.iter().zip(standings) {
        let is_own = b
            .created
            .is_some_and(|created| created >= own_since.max(remembered_since));
        if is_unknown(b, standing) && is_own && !b.status.is_hard_deleted {
            route_run.report.unrecorded += 1;
            tracing::error!(
                %relay,
                b = %b.id,
                created = b.created.map(tracing::field::display),
                "this B carries a stamp of the route, and its relay is not on record: another ledger is in use with the \
                 same route, or somebody has deleted the record; see which deployment made it, and stop one of them"
            );
        }
    }
    Ok(())
}

/// The recorded B of a relay, if it has been created.
fn on_record(standing: RelayStatus) -> Option<(RelayStatus, InstanceId)> {
    let is_made = matches!(standing.state, State::Created | State::Done);
    let instance = standing.instance.filter(|_| is_made)?;
    Some((standing, instance))
}

/// Reports two live B of one relay, with what was done with each.
pub(crate) fn report_doubles(
    route_run: &mut RouteRun<'_>,
    relay: &RelayId,
    recorded: &Instance,
    other: &Instance,
) {
    let doubled = Doubled {
        relay: relay.to_string(),
        instances: [InstanceSummary::of(recorded), InstanceSummary::of(other)],
    };
    let [b, second] = &doubled.instances;
    tracing::error!(
        %relay,
        b = %b.id,
        b.created = b.created.map(tracing::field::display),
        b.last_changed = b.last_changed.map(tracing::field::display),
        b.untouched = b.untouched,
        b.task = b.task,
        b.ended = b.ended.map(tracing::field::display),
        other = %second.id,
        other.created = second.created.map(tracing::field::display),
        other.last_changed = second.last_changed.map(tracing::field::display),
        other.untouched = second.untouched,
        other.task = second.task,
        other.ended = second.ended.map(tracing::field::display),
        "two live B carry the stamp of this relay, the first is on record: have the one deleted with which nobody has \
         worked, and tell how it came about"
    );
    route_run.report.is_doubled(doubled);
}

/// Reports B that name their A and are on record, but do not carry the stamp of their relay. Anybody who may write data
/// values can overwrite the stamp, and a search for it would then not find them.
async fn report_restamped(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    page: &[Instance],
    keys: &[String],
) -> Result<(), RunError> {
    let route = route_run.route;
    let suspects: Vec<(&Instance, InstanceId)> = page
        .iter()
        .filter(|b| !b.status.is_hard_deleted)
        .filter_map(|b| Some((b, b.data_values.get(SOURCE)?.parse().ok()?)))
        .filter(|(b, source): &(&Instance, InstanceId)| {
            stamp(route, b, keys).is_none_or(|relay| relay.guid() != source.guid)
        })
        .collect();
    // One query for all of them. Only relays of a route with `each` cannot be named by A alone.
    let whole: Vec<RelayId> = suspects
        .iter()
        .map(|(_, source)| RelayId::new(route.name.clone(), *source))
        .collect();
    let standings = run.context.ledger.statuses(&whole).await?;
    for ((b, source), standing) in suspects.into_iter().zip(standings) {
        let is_of_b = |standing: &RelayStatus| standing.instance == Some(b.id);
        let recorded = match standing {
            Some(standing) if route.each.is_some() && !is_of_b(&standing) => {
                let all = run.context.ledger.of_source(source).await?;
                let own = all.into_iter().filter(|it| *it.relay.route() == route.name);
                own.into_iter().find(is_of_b)
            }
            standing => standing.filter(is_of_b),
        };
        if let Some(recorded) = recorded {
            route_run.report.restamped += 1;
            tracing::warn!(
                relay = %recorded.relay,
                a = %source,
                b = %b.id,
                found = stamp(route, b, keys).map(tracing::field::display),
                "the stamp of this relay on its B was overwritten: have `stafett.relay` set right, or a search for it finds \
                 nothing"
            );
        }
    }
    Ok(())
}

/// The relay of this route whose stamp an instance carries. Any other text is not ours.
pub(crate) fn stamp(route: &Route, b: &Instance, keys: &[String]) -> Option<RelayId> {
    keys.iter()
        .filter_map(|key| b.data_values.get(key)?.parse::<RelayId>().ok())
        .find(|relay| *relay.route() == route.name)
}

/// The recorded B, unless it is deleted.
pub(crate) async fn live_one(
    run: &Run<'_>,
    route_run: &RouteRun<'_>,
    id: InstanceId,
) -> Result<Option<Instance>, RunError> {
    match run.context.altinn.instance(&route_run.budget, id).await {
        Ok(instance) => Ok(Some(instance).filter(|it| !it.status.is_hard_deleted)),
        // Most likely it was purged.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
