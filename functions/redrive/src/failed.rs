//! The failed relays in the ledger: counted for an operator, or sent a new trigger. They stay there when their message
//! has left the dead-letter queue.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{
    id::{InstanceId, RouteName},
    relay::{Reason, RelayId, State},
    trigger::{Cause, Trigger},
};
use stafett_runtime::{
    clock::Clock,
    ledger::{FailedPlace, Ledger, RelayStatus},
    queue::Queue,
    telemetry::Causes,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    finding::Finding,
    pace::Pace,
    request::{FailedSelection, MOST},
    response::{InLedger, Resent},
    walk::Stopped,
};

/// Triggers that go in one call.
const BATCH: usize = 10;
/// What a step may take, a page of the ledger or a call to the queue, and the answer after it.
const STEP: Duration = Duration::from_secs(15);
/// How many A instances a group names.
const EXAMPLES: usize = 5;

/// Failed relays that have a route and a reason in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedGroup {
    /// The route.
    pub route: RouteName,
    /// The code of the reason; null where this version does not know it.
    pub reason: Option<&'static str>,
    /// How many there are.
    pub count: usize,
    /// When the first of them failed.
    pub oldest: Timestamp,
    /// Up to five of their A instances.
    pub examples: Vec<String>,
    /// What can be done about them.
    pub hint: String,
}

/// Counts failed relays.
#[derive(Debug, Default)]
struct FailedGroups(BTreeMap<(RouteName, Option<Reason>), Counted>);

#[derive(Debug)]
struct Counted {
    count: usize,
    oldest: Timestamp,
    examples: Vec<String>,
}

impl FailedGroups {
    fn count(&mut self, relay: &RelayStatus) {
        let key = (relay.relay.route().clone(), relay.reason);
        let group = self.0.entry(key).or_insert(Counted {
            count: 0,
            oldest: relay.updated,
            examples: Vec::new(),
        });
        group.count += 1;
        group.oldest = group.oldest.min(relay.updated);
        let example = relay.source.to_string();
        if group.examples.len() < EXAMPLES && !group.examples.contains(&example) {
            group.examples.push(example);
        }
    }

    /// By route, the largest first.
    fn list(self) -> Vec<FailedGroup> {
        let groups = self.0.into_iter();
        let mut list: Vec<FailedGroup> = groups
            .map(|((route, reason), counted)| FailedGroup {
                route,
                reason: reason.map(Reason::code),
                count: counted.count,
                oldest: counted.oldest,
                examples: counted.examples,
                hint: Finding::hint(Some(State::Failed), reason),
            })
            .collect();
        list.sort_by(|a, b| a.route.cmp(&b.route).then(b.count.cmp(&a.count)));
        list
    }
}

/// The failed relays, and what is needed to send triggers for them.
pub(crate) struct Failed<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) queue: &'a Queue,
    pub(crate) clock: &'a Clock,
}

impl Failed<'_> {
    /// Counts the failed relays of these routes. `letters` are the relays whose dead letters were read.
    pub(crate) async fn inspect(
        &self,
        routes: &BTreeSet<RouteName>,
        letters: &HashSet<RelayId>,
        left: Duration,
    ) -> InLedger {
        let (deadline, now) = (Instant::now() + left, self.clock.now());
        let mut groups = FailedGroups::default();
        let (mut total, mut without_letter) = (0, 0);
        let (mut complete, mut trouble) = (true, Vec::new());
        for route in routes {
            let mut place = None;
            loop {
                if total >= MOST || Instant::now() + STEP > deadline {
                    complete = false;
                    break;
                }
                let page = match self.ledger.failed(route, now, place.as_ref()).await {
                    Ok(page) => page,
                    Err(error) => {
                        complete = false;
                        trouble.push(Causes(&error).to_string());
                        break;
                    }
                };
                for (relay, _) in &page.0 {
                    total += 1;
                    // A part of a set has no message of its own.
                    let set = RelayId::new(route.clone(), relay.source);
                    without_letter += usize::from(!letters.contains(&set));
                    groups.count(relay);
                }
                place = page.1;
                if place.is_none() {
                    break;
                }
            }
        }
        let groups = groups.list();
        InLedger {
            total,
            without_letter,
            groups,
            complete,
            trouble,
        }
    }

    /// Sends a trigger for each A instance that has a selected relay. What fails again meanwhile is not selected again.
    pub(crate) async fn resend(&self, selection: &FailedSelection, left: Duration) -> Resent {
        let before = selection.before.unwrap_or_else(|| self.clock.now());
        let mut sending = Sending {
            failed: self,
            selection,
            deadline: Instant::now() + left,
            pace: Pace::new(selection.per_second),
            id: Uuid::new_v4().to_string(),
            told: HashSet::new(),
            waiting: Vec::new(),
            sent: 0,
            reached: selection.after.clone(),
            place: selection.after.clone(),
            stopped: None,
            trouble: Vec::new(),
        };
        let mut groups = FailedGroups::default();
        let (mut total, mut matched) = (0, 0);
        let mut next = selection.after.clone();
        'pages: while sending.has_time() {
            let page = self.ledger.failed(&selection.route, before, next.as_ref());
            let page = match page.await {
                Ok(page) => page,
                Err(error) => {
                    sending.fail(&error);
                    break;
                }
            };
            for (relay, place) in page.0 {
                let admitted = selection.reason.is_none_or(|it| relay.reason == Some(it));
                if admitted && !sending.take(&relay, &place).await {
                    break 'pages;
                }
                total += 1;
                if admitted {
                    matched += 1;
                    groups.count(&relay);
                }
            }
            next = page.1;
            if next.is_none() {
                sending.flush().await;
                break;
            }
        }
        tracing::info!(
            route = %selection.route,
            dry_run = selection.dry_run,
            total,
            matched,
            sent = sending.sent,
            stopped = ?sending.stopped,
            "redriven from the ledger"
        );
        Resent {
            from: "ledger",
            dry_run: selection.dry_run,
            total,
            matched,
            sent: sending.sent,
            groups: groups.list(),
            complete: sending.stopped.is_none(),
            next: sending
                .stopped
                .map(|_| selection.rest(before, sending.place.as_ref())),
            stopped: sending.stopped,
            trouble: sending.trouble,
        }
    }
}

/// Triggers on their way to the queue.
struct Sending<'a> {
    failed: &'a Failed<'a>,
    selection: &'a FailedSelection,
    deadline: Instant,
    pace: Pace,
    id: String,
    /// The A instances that have, or will have, a trigger of this invocation.
    told: HashSet<Uuid>,
    waiting: Vec<InstanceId>,
    /// The place of the relay that was taken last.
    reached: Option<FailedPlace>,
    sent: usize,
    /// All before this place have been sent, or were not selected.
    place: Option<FailedPlace>,
    stopped: Option<Stopped>,
    trouble: Vec<String>,
}

impl Sending<'_> {
    fn has_time(&mut self) -> bool {
        let enough = Instant::now() + STEP <= self.deadline;
        if !enough {
            self.stopped = Some(Stopped::Time);
        }
        enough
    }

    fn fail(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.stopped = Some(Stopped::Trouble);
        self.trouble.push(Causes(error).to_string());
    }

    /// Takes a selected relay, and sends what waits when there is enough for a call. Returns whether to go on.
    async fn take(&mut self, relay: &RelayStatus, place: &FailedPlace) -> bool {
        let is_new = !self.told.contains(&relay.source.guid);
        if is_new && self.told.len() == self.selection.max {
            if self.flush().await {
                self.stopped = Some(Stopped::Max);
            }
            return false;
        }
        self.reached = Some(place.clone());
        if is_new {
            self.told.insert(relay.source.guid);
            self.waiting.push(relay.source);
        }
        // At a slow pace, a batch is no larger than what may go in a second.
        let most = usize::try_from(self.selection.per_second).unwrap_or(BATCH);
        self.waiting.len() < BATCH.min(most) || self.flush().await
    }

    /// Sends what waits. Returns whether all that was taken has been sent.
    async fn flush(&mut self) -> bool {
        let waiting = std::mem::take(&mut self.waiting);
        if !self.selection.dry_run && !waiting.is_empty() {
            self.pace.wait(waiting.len()).await;
            if !self.has_time() {
                return false;
            }
            let at = self.failed.clock.now();
            let triggers: Vec<Trigger> = waiting
                .iter()
                .map(|instance| {
                    let (route, id) = (self.selection.route.clone(), self.id.clone());
                    Trigger::new(route, *instance, Cause::Redrive, id, at)
                })
                .collect();
            if let Err(error) = self.failed.queue.send(&triggers, None).await {
                self.fail(&error);
                return false;
            }
        }
        self.sent += waiting.len();
        self.place.clone_from(&self.reached);
        true
    }
}
