//! What is done about a B on record that was deleted before its process ended.
//!
//! B's app can delete an instance by itself, long after it was created: it does so when the creation fails, with the
//! token of the caller, and a caller that has stopped waiting does not learn of it. A B that was deleted in this way
//! within the settle time of its creation is created anew. Any other deletion is taken as intended.

use std::time::Duration;

use jiff::SignedDuration;
use stafett_core::{
    instance::Instance,
    relay::{RelayId, Sent, State, decide::MAX_ATTEMPTS},
    route::Mode,
};
use stafett_runtime::ledger::{RelayStatus, Reopened, Reopening};

use crate::{error::RunError, route_run::RouteRun, run::Run};

/// A relay that was tried this often is not opened again. Opening it does not reset its attempts. Otherwise an app that deletes everything it creates would be
/// sent new requests for ever.
const MOST_CLAIMS: u32 = MAX_ATTEMPTS;
/// How often opening a relay is tried while others write it.
const TRIES: u32 = 3;

/// Opens the relay whose recorded B is gone and enqueues it, or only reports it.
pub(crate) async fn deal_with(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    b: &Instance,
    standing: RelayStatus,
) -> Result<(), RunError> {
    let relay = standing.relay.clone();
    let Some(sent) = request_of(b, run.context.settle).filter(|_| standing.attempts < MOST_CLAIMS)
    else {
        route_run.report.vanished += 1;
        tracing::warn!(%relay, b = %b.id, "the B of this relay was deleted before its process ended");
        return Ok(());
    };
    if !run.dry_run && !open(run, route_run, b, standing, sent).await? {
        return Ok(());
    }
    route_run.report.reopened += 1;
    tracing::warn!(
        %relay,
        b = %b.id,
        created = %sent.from,
        deleted = %sent.ended,
        "the B of this relay was deleted by its own app soon after it was made; the relay is open again, and gets a new B"
    );
    Ok(())
}

/// Opens the relay and enqueues it. False where somebody else takes care of it.
async fn open(
    run: &Run<'_>,
    route_run: &RouteRun<'_>,
    b: &Instance,
    mut standing: RelayStatus,
    sent: Sent,
) -> Result<bool, RunError> {
    let ledger = &run.context.ledger;
    let relay = standing.relay.clone();
    let source = standing.source;
    let of_set = relay
        .digest()
        .map(|_| RelayId::new(relay.route().clone(), source));
    let stamped_late = matches!(route_run.route.to.mode, Mode::Prefill { .. });
    for _ in 0..TRIES {
        let set = match &of_set {
            Some(set) => ledger.statuses(std::slice::from_ref(set)).await?.pop(),
            None => None,
        };
        let reopening = Reopening {
            relay: &standing,
            set: set.as_ref().and_then(Option::as_ref),
            sent,
            named: stamped_late.then_some(b.id),
            now: run.context.clock.now(),
        };
        match ledger.reopen(reopening).await? {
            Reopened::Opened => {
                // The relay is due as well, so after a crash here the next run enqueues it.
                run.enqueue(route_run.route, &[source]).await?;
                return Ok(true);
            }
            // B was adopted while its app may still have been processing the request; it is looked at again.
            Reopened::Doubt => return Ok(false),
            Reopened::Conflict => {}
        }
        let now = ledger.statuses(std::slice::from_ref(&relay)).await?.pop();
        match now.flatten() {
            Some(now)
                if now.instance == Some(b.id)
                    && matches!(now.state, State::Created | State::Done) =>
            {
                standing = now;
            }
            _ => return Ok(false),
        }
    }
    Err(RunError::Contended(relay))
}

/// The request that created `b`, where its own app deleted it within `settle` of its creation.
///
/// A removal by the redrive function is not one of these: it puts another B on record before it deletes one.
fn request_of(b: &Instance, settle: Duration) -> Option<Sent> {
    let (created, deleted) = (b.created?, b.status.hard_deleted?);
    let by_its_maker = b.created_by.is_some() && b.created_by == b.last_changed_by;
    let is_organisation =
        |number: &str| number.len() == 9 && number.bytes().all(|it| it.is_ascii_digit());
    let by_us = by_its_maker && b.created_by.as_deref().is_some_and(is_organisation);
    let quiet = created
        .saturating_add(SignedDuration::try_from(settle).ok()?)
        .ok()?;
    (by_us && deleted <= quiet).then_some(Sent {
        from: created,
        ended: deleted.max(created),
        quiet,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SETTLE: Duration = Duration::from_secs(1200);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn deleted(after: i64, by: Value) -> Instance {
        let json = json!({
            "id": "1/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77", "appId": "ttd/casework",
            "created": at(0), "createdBy": "405003309", "lastChanged": at(after), "lastChangedBy": by,
            "status": {"isHardDeleted": true, "hardDeleted": at(after)},
        });
        Instance::from_json(json).unwrap()
    }

    #[test]
    fn only_what_its_own_app_deleted_within_the_settle_time_is_created_anew() {
        let ours = json!("405003309");
        for (after, by, settle, expected) in [
            (0, ours.clone(), SETTLE, true),
            (1200, ours.clone(), SETTLE, true),
            (1201, ours.clone(), SETTLE, false),
            (1, ours.clone(), Duration::ZERO, false),
            (1, json!("1337"), SETTLE, false),
            (1, json!("Testdepartementet"), SETTLE, false),
            (1, Value::Null, SETTLE, false),
        ] {
            let sent = request_of(&deleted(after, by.clone()), settle);
            assert_eq!(sent.is_some(), expected, "after {after} s, by {by}");
        }
        let mut b = deleted(1, json!("1337"));
        b.created_by = Some("1337".to_owned());
        assert_eq!(
            request_of(&b, SETTLE),
            None,
            "its owner created it, and deleted it"
        );
        let mut b = deleted(1, ours);
        b.status.hard_deleted = None;
        assert_eq!(request_of(&b, SETTLE), None);
    }

    proptest! {
        #[test]
        fn the_request_is_open_until_the_settle_time_is_over(after in -60_i64..1200) {
            let sent = request_of(&deleted(after, json!("405003309")), SETTLE).unwrap();
            prop_assert_eq!((sent.from, sent.quiet), (at(0), at(1200)));
            prop_assert!(sent.from <= sent.ended && sent.ended <= sent.quiet);
        }
    }
}
