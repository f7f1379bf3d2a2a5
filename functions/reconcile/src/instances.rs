//! What is done about the instances of a page: of A those without a relay, of B those whose stamp
//! contradicts the ledger.

use std::collections::BTreeSet;

use http::StatusCode;
use stafett::{
    altinn::Instance,
    id::InstanceId,
    preflight::STAMP,
    relay::{Reason, RelayId, State},
    route::{Mode, Route},
    transform::open_since,
};

use crate::{
    due::wake,
    run::{Run, Work},
    trouble::Trouble,
};

/// Enqueues the A instances of a page that have no relay, or one that waits for what has happened.
pub(crate) async fn relay_missing(
    run: &Run<'_>,
    work: &mut Work<'_>,
    page: &[Instance],
) -> Result<(), Trouble> {
    let route = work.route;
    let ready: Vec<InstanceId> = page
        .iter()
        .filter(|instance| is_ready(route, instance))
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
            None => missing.push(*instance),
            // It would be tried again some time: its gate is open now.
            Some(it) if it.state == State::Waiting && it.reason == Some(Reason::GateClosed) => {
                open.push(it);
            }
            Some(it) => match it.state {
                State::Failed => failed += 1,
                State::Done => done += 1,
                State::Claimed | State::Waiting | State::Created => in_hand += 1,
            },
        }
    }
    run.enqueue(route, &missing).await?;
    wake(run, work, &open).await?;
    let report = &mut work.report;
    report.skipped += (page.len() - ready.len()) as u64;
    report.failed += failed;
    report.done += done;
    report.in_hand += in_hand;
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
    let mut live = BTreeSet::new();
    for ((b, relay), standing) in stamped.into_iter().zip(standings) {
        // What is not on record of a relay in work, instantiate finds by itself.
        let Some(recorded) = standing.and_then(|standing| standing.instance) else {
            continue;
        };
        let gone = b.status.is_hard_deleted;
        if recorded == b.id {
            if gone && b.process.ended.is_none() {
                work.report.vanished += 1;
                tracing::warn!(
                    %relay,
                    b = %b.id,
                    "the B of this relay was deleted before its process ended"
                );
            }
        } else if !gone {
            if !live.contains(&recorded) && is_live(run, work, recorded).await? {
                live.insert(recorded);
            }
            if live.contains(&recorded) {
                work.report.doubles += 1;
                tracing::error!(
                    %relay,
                    b = %recorded,
                    other = %b.id,
                    "two live B carry the stamp of this relay: have one of them deleted, and tell how it came about"
                );
            }
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

/// Whether the B on record is there.
async fn is_live(run: &Run<'_>, work: &Work<'_>, id: InstanceId) -> Result<bool, Trouble> {
    match run.parts.altinn.instance(&work.budget, id).await {
        Ok(instance) => Ok(!instance.status.is_hard_deleted),
        // Purged, as far as one can tell.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
