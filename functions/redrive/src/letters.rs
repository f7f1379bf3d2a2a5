//! The dead letters: counted for an operator, or sent back to the queue.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use stafett_core::{relay::RelayId, route::Routes};
use stafett_runtime::{
    clock::Clock,
    dead_letters::{DeadLetter, DeadLetters, batches},
    ledger::{Ledger, LedgerError, RelayStatus},
    telemetry::Causes,
};

use crate::{
    finding::{Finding, relay},
    groups::{Group, Groups},
    pace::Pace,
    request::{MOST, Selection},
    response::{Reach, Redriven},
    walk::{Stopped, Walk, WalkError},
};

/// The dead-letter queue, and what is needed to tell what its messages mean.
pub(crate) struct Letters<'a> {
    pub(crate) routes: &'a Routes,
    pub(crate) ledger: &'a Ledger,
    pub(crate) queue: &'a DeadLetters,
    pub(crate) clock: &'a Clock,
}

/// What was read of the dead-letter queue.
pub(crate) struct Counted {
    pub(crate) total: usize,
    pub(crate) groups: Vec<Group>,
    pub(crate) reach: Reach,
    /// The relays whose dead letters were read; of a route with `each`, the whole set's.
    pub(crate) relays: HashSet<RelayId>,
}

impl Letters<'_> {
    /// Counts `max` dead letters at most, and puts them back.
    pub(crate) async fn inspect(&self, max: usize, left: Duration) -> Result<Counted, WalkError> {
        let began = Instant::now();
        let mut walk = Walk::begin(self.queue, self.clock, left);
        let hidden = self.hidden(&mut walk).await;
        let mut groups = Groups::new(self.clock.now());
        let mut relays = HashSet::new();
        loop {
            let page = walk.page(max.saturating_sub(groups.total())).await;
            let Some(findings) = self.findings(&mut walk, &page).await else {
                break;
            };
            for (letter, finding) in page.iter().zip(&findings) {
                groups.count(letter.id(), finding, letter.sent());
                let relay = finding.route.clone().zip(finding.instance);
                relays.extend(relay.map(|(route, instance)| RelayId::new(route, instance)));
            }
        }
        let total = groups.total();
        let (reach, _) = finish(walk, hidden, total).await?;
        tracing::info!(
            total,
            complete = reach.complete,
            ms = began.elapsed().as_millis(),
            "inspected"
        );
        Ok(Counted {
            total,
            groups: groups.list(),
            reach,
            relays,
        })
    }

    /// Sends the selected dead letters back to the queue, and puts the others back.
    pub(crate) async fn redrive(
        &self,
        selection: &Selection,
        left: Duration,
    ) -> Result<Redriven, WalkError> {
        let (began, began_at) = (Instant::now(), self.clock.now());
        let mut walk = Walk::begin(self.queue, self.clock, left);
        let hidden = self.hidden(&mut walk).await;
        let mut groups = Groups::new(began_at);
        let mut pace = Pace::new(selection.per_second);
        let (mut total, mut sent, mut deleted) = (0, 0, 0);
        loop {
            if groups.total() == selection.max {
                walk.stop(Stopped::Max);
            }
            let page = walk.page(MOST.saturating_sub(total)).await;
            let Some(findings) = self.findings(&mut walk, &page).await else {
                break;
            };
            total += page.len();
            let mut selected = Vec::new();
            for (letter, finding) in page.into_iter().zip(findings) {
                if admits(selection, &finding, letter.sent()) && groups.total() < selection.max {
                    groups.count(letter.id(), &finding, letter.sent());
                    selected.push(letter);
                }
            }
            if selection.dry_run {
                continue;
            }
            // At a slow pace, a batch is no larger than what may go in a second.
            let most = usize::try_from(selection.per_second).unwrap_or(usize::MAX);
            for batch in batches(&selected, most) {
                pace.wait(batch.len()).await;
                walk.renew().await;
                if walk.has_failed() || !walk.has_time() {
                    break;
                }
                let done = walk.send_back(batch).await;
                sent += done.0;
                deleted += done.1;
            }
        }
        let matched = groups.total();
        let (reach, late) = finish(walk, hidden, total).await?;
        deleted += late;
        tracing::info!(
            dry_run = selection.dry_run,
            total,
            matched,
            sent,
            deleted,
            complete = reach.complete,
            ms = began.elapsed().as_millis(),
            "redriven"
        );
        let is_cut_off = reach.stopped == Some(Stopped::Time) && !selection.dry_run;
        Ok(Redriven {
            next: is_cut_off.then(|| selection.rest(sent, began_at)),
            dry_run: selection.dry_run,
            total,
            matched,
            sent,
            deleted,
            left: matched.saturating_sub(sent),
            groups: groups.list(),
            reach,
        })
    }

    async fn hidden(&self, walk: &mut Walk<'_>) -> Option<u64> {
        let hidden = self.queue.hidden().await;
        hidden.map_err(|error| walk.note(error)).ok()
    }

    /// What is known of each dead letter of a page, in their order; none at the end of the walk.
    async fn findings(&self, walk: &mut Walk<'_>, page: &[DeadLetter]) -> Option<Vec<Finding>> {
        if page.is_empty() {
            return None;
        }
        let triggers: Vec<_> = page.iter().map(DeadLetter::trigger).collect();
        let relays: Vec<RelayId> = triggers.iter().flatten().map(relay).collect();
        let mut standings = self.standings(walk, &relays).await?.into_iter();
        let findings = triggers.iter().map(|trigger| {
            let standing = trigger
                .as_ref()
                .ok()
                .and_then(|_| standings.next().flatten());
            let route = trigger.as_ref().ok().map(|trigger| &trigger.route);
            let deployed = route.is_some_and(|route| self.routes.get(route).is_some());
            Finding::of(trigger, standing.as_ref(), deployed)
        });
        Some(findings.collect())
    }

    /// The record of each relay; none where the ledger cannot be read, which ends the walk.
    async fn standings(
        &self,
        walk: &mut Walk<'_>,
        relays: &[RelayId],
    ) -> Option<Vec<Option<RelayStatus>>> {
        let mut error = match self.ledger.statuses(relays).await {
            Ok(standings) => return Some(standings),
            Err(error) => error,
        };
        // One item that was edited by hand and cannot be read must not hide all others.
        if let LedgerError::Unreadable { .. } = error {
            let mut standings = Vec::with_capacity(relays.len());
            for relay in relays {
                match self.ledger.statuses(std::slice::from_ref(relay)).await {
                    Ok(found) => standings.extend(found),
                    Err(unreadable @ LedgerError::Unreadable { .. }) => {
                        walk.note(unreadable);
                        standings.push(None);
                    }
                    Err(other) => {
                        error = other;
                        break;
                    }
                }
            }
            if standings.len() == relays.len() {
                return Some(standings);
            }
        }
        walk.note(error);
        walk.stop(Stopped::Trouble);
        None
    }
}

/// Whether a dead letter is to be sent back: every filter that is given must admit what was found of it, and the time
/// when it was first sent.
fn admits(selection: &Selection, finding: &Finding, sent: Timestamp) -> bool {
    let route = selection.route.as_ref();
    route.is_none_or(|route| finding.route.as_ref() == Some(route))
        && selection
            .reason
            .is_none_or(|reason| finding.reason == Some(reason))
        && selection.before.is_none_or(|before| sent < before)
}

/// Ends a walk on which `total` dead letters were read. Returns how far it went, and how many were deleted only now.
/// Fails where an error kept it from reading any.
async fn finish(
    walk: Walk<'_>,
    hidden: Option<u64>,
    total: usize,
) -> Result<(Reach, usize), WalkError> {
    let end = walk.end().await;
    let trouble: Vec<String> = end.errors.iter().map(|it| Causes(it).to_string()).collect();
    if let (0, Some(Stopped::Trouble), Some(first)) =
        (total, end.stopped, end.errors.into_iter().next())
    {
        return Err(first);
    }
    let reach = Reach {
        complete: end.stopped.is_none() && trouble.is_empty(),
        stopped: end.stopped,
        hidden,
        trouble,
    };
    Ok((reach, end.deleted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stafett_core::{id::RouteName, relay::Reason};

    use super::*;

    proptest! {
        #[test]
        fn a_dead_letter_is_admitted_if_every_filter_that_is_given_admits_it(
            route in prop::option::of(0..2), reason in prop::option::of(0..2), before in prop::option::of(0i64..3),
            its_route in prop::option::of(0..2), its_reason in prop::option::of(0..2), sent in 0i64..3,
        ) {
            let name = |number: i32| format!("route-{number}").parse::<RouteName>().unwrap();
            let code = |number: i32| if number == 0 { Reason::Refused } else { Reason::OrphanLeft };
            let moment = |second| Timestamp::from_second(second).unwrap();
            let selection = Selection {
                route: route.map(name), reason: reason.map(code), before: before.map(moment),
                max: 1, per_second: 1, dry_run: false,
            };
            let finding = Finding {
                route: its_route.map(name), reason: its_reason.map(code), instance: None, state: None,
            };
            let expected = route.is_none_or(|it| Some(it) == its_route)
                && reason.is_none_or(|it| Some(it) == its_reason)
                && before.is_none_or(|it| sent < it);
            prop_assert_eq!(admits(&selection, &finding, moment(sent)), expected);
        }
    }
}
