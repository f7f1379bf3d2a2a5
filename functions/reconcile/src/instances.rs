//! What is done about the instances of a page: of A those without a relay, of B those whose stamp
//! contradicts the ledger.

use std::collections::{BTreeMap, btree_map::Entry};

use http::StatusCode;
use stafett_core::preflight::SOURCE;
use stafett_core::{
    id::InstanceId,
    instance::Instance,
    preflight::STAMP,
    relay::{Reason, RelayId, State},
    route::{Mode, Route},
    transform::open_since,
};
use stafett_runtime::ledger::Standing;

use crate::{
    answer::{Doubled, Trace},
    due::wake,
    run::{Run, Work},
    trouble::Trouble,
    vanished,
};

/// What a page of A instances shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// What has changed.
    Changes,
    /// The list of unconfirmed ones from its beginning: whatever became of a message, its instance comes up again.
    Unconfirmed,
    /// What earlier windows of the list have shown before. What is too young to have been shown is left alone: its
    /// trigger is on its way.
    Whole,
    /// What another list has shown before, and counted.
    Again,
}

/// Enqueues the A instances of a page that have no relay, or one that waits for what has happened.
pub(crate) async fn relay_missing(
    run: &Run<'_>,
    work: &mut Work<'_>,
    page: &[Instance],
    shows: Shows,
) -> Result<(), Trouble> {
    let route = work.route;
    let ready: Vec<InstanceId> = page
        .iter()
        .filter(|instance| is_ready(route, instance))
        .filter(|instance| {
            matches!(shows, Shows::Changes | Shows::Unconfirmed) || has_waited(run, route, instance)
        })
        .map(|instance| instance.id)
        .collect();
    let relays: Vec<RelayId> = ready
        .iter()
        .map(|id| RelayId::new(route.name.clone(), *id))
        .collect();
    let standings = run.parts.ledger.standings(&relays).await?;
    let (mut missing, mut open) = (Vec::new(), Vec::new());
    let (mut failed, mut done, mut in_hand) = (0, 0, 0);
    for (instance, standing) in ready.iter().zip(standings) {
        match standing {
            None if work.told.has(run, *instance, shows).await? => in_hand += 1,
            None => missing.push(*instance),
            // It would be tried again some time: its gate is open now.
            Some(it) if it.state == State::Waiting && it.reason == Some(Reason::GateClosed) => {
                if work.told.has(run, *instance, shows).await? {
                    in_hand += 1;
                } else {
                    open.push(it);
                }
            }
            Some(it) => match it.state {
                State::Failed => failed += 1,
                State::Done => done += 1,
                State::Claimed | State::Waiting | State::Created => in_hand += 1,
            },
        }
    }
    run.enqueue(route, &missing).await?;
    work.told.add(run, &missing).await?;
    wake(run, work, &open).await?;
    let woken: Vec<InstanceId> = open.iter().map(|it| it.source).collect();
    work.told.add(run, &woken).await?;
    let report = &mut work.report;
    if shows != Shows::Again {
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

/// Whether an A instance is to be relayed: it is there, and its gate opened since the route begins.
fn is_ready(route: &Route, instance: &Instance) -> bool {
    let opened = open_since(&route.gate, instance);
    !instance.status.is_hard_deleted
        && opened.is_some_and(|opened| route.since.is_none_or(|since| opened >= since))
}

/// Whether the gate of an A instance opened long enough ago for its trigger to have come.
fn has_waited(run: &Run<'_>, route: &Route, instance: &Instance) -> bool {
    open_since(&route.gate, instance).is_some_and(|opened| opened < run.until)
}

/// Compares the stamps on the B instances of a page with the ledger.
pub(crate) async fn compare_stamps(
    run: &Run<'_>,
    work: &mut Work<'_>,
    page: &[Instance],
) -> Result<(), Trouble> {
    let keys = stamp_keys(run, work).await?;
    let stamped: Vec<(&Instance, RelayId)> = page
        .iter()
        .filter_map(|b| Some((b, stamp(work.route, b, &keys)?)))
        .collect();
    let relays: Vec<RelayId> = stamped.iter().map(|(_, relay)| relay.clone()).collect();
    let standings = run.parts.ledger.standings(&relays).await?;
    // Those on record that were read and are there.
    let mut live: BTreeMap<InstanceId, Option<Instance>> = BTreeMap::new();
    for ((b, relay), standing) in stamped.into_iter().zip(standings) {
        // What is not on record of a relay in work, instantiate finds by itself.
        let Some((standing, recorded)) = standing.and_then(on_record) else {
            continue;
        };
        let gone = b.status.is_hard_deleted;
        if recorded == b.id {
            if gone && b.process.ended.is_none() {
                vanished::deal_with(run, work, b, standing).await?;
            }
        } else if !gone {
            let recorded = match live.entry(recorded) {
                Entry::Occupied(read) => read.into_mut(),
                Entry::Vacant(unread) => unread.insert(live_one(run, work, recorded).await?),
            };
            if let Some(recorded) = recorded {
                tell_doubles(work, &relay, recorded, b);
            }
        }
    }
    tell_restamped(run, work, page, &keys).await
}

/// The B of a relay that is made.
fn on_record(standing: Standing) -> Option<(Standing, InstanceId)> {
    let is_made = matches!(standing.state, State::Created | State::Done);
    let instance = standing.instance.filter(|_| is_made)?;
    Some((standing, instance))
}

/// Two live B of one relay, and what was done with each since.
fn tell_doubles(work: &mut Work<'_>, relay: &RelayId, recorded: &Instance, other: &Instance) {
    let doubled = Doubled {
        relay: relay.to_string(),
        instances: [Trace::of(recorded), Trace::of(other)],
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
    work.report.is_doubled(doubled);
}

/// Tells of B that name their A, are on record as a B of it, and do not carry the stamp of their relay: whoever may
/// write data values can overwrite it, and a search for the stamp would not find them.
async fn tell_restamped(
    run: &Run<'_>,
    work: &mut Work<'_>,
    page: &[Instance],
    keys: &[String],
) -> Result<(), Trouble> {
    let route = work.route;
    let suspects: Vec<(&Instance, InstanceId)> = page
        .iter()
        .filter(|b| !b.status.is_hard_deleted)
        .filter_map(|b| Some((b, b.data_values.get(SOURCE)?.parse().ok()?)))
        .filter(|(b, source): &(&Instance, InstanceId)| {
            stamp(route, b, keys).is_none_or(|relay| relay.guid() != source.guid)
        })
        .collect();
    // One look at the ledger for all of them; only a route with `each` has relays that the A alone does not name.
    let whole: Vec<RelayId> = suspects
        .iter()
        .map(|(_, source)| RelayId::new(route.name.clone(), *source))
        .collect();
    let standings = run.parts.ledger.standings(&whole).await?;
    for ((b, source), standing) in suspects.into_iter().zip(standings) {
        let is_of_b = |standing: &Standing| standing.instance == Some(b.id);
        let recorded = match standing {
            Some(standing) if route.each.is_some() && !is_of_b(&standing) => {
                let all = run.parts.ledger.of_source(source).await?;
                let own = all.into_iter().filter(|it| *it.relay.route() == route.name);
                own.into_iter().find(is_of_b)
            }
            standing => standing.filter(is_of_b),
        };
        if let Some(recorded) = recorded {
            work.report.restamped += 1;
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

/// The keys of B's `dataValues` under which a stamp may stand.
async fn stamp_keys(run: &Run<'_>, work: &Work<'_>) -> Result<Vec<String>, Trouble> {
    let mut keys = vec![STAMP.to_owned()];
    if let Mode::Prefill { stamp } = &work.route.to.mode {
        let app = &work.route.to.app;
        let metadata = run.parts.altinn.metadata(&work.budget, app).await?;
        let shown = metadata.data_fields.iter();
        let shown = shown.filter(|field| field.path.as_ref() == Some(stamp));
        keys.extend(shown.map(|field| field.id.clone()));
    }
    Ok(keys)
}

/// The relay of this route whose stamp an instance carries. Other texts are not ours.
fn stamp(route: &Route, b: &Instance, keys: &[String]) -> Option<RelayId> {
    keys.iter()
        .filter_map(|key| b.data_values.get(key)?.parse::<RelayId>().ok())
        .find(|relay| *relay.route() == route.name)
}

/// The B on record, if it is there.
async fn live_one(
    run: &Run<'_>,
    work: &Work<'_>,
    id: InstanceId,
) -> Result<Option<Instance>, Trouble> {
    match run.parts.altinn.instance(&work.budget, id).await {
        Ok(instance) => Ok(Some(instance).filter(|it| !it.status.is_hard_deleted)),
        // Purged, as far as one can tell.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
