//! Searching for the stamp: where, and what follows from what is found.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    Attempt, Create, Failure, Found, IfNone, Phase, Verify, Worker,
    disposition::Back,
    patience::{LONGEST_WAIT, later},
    put::{Then, Writing},
};
use crate::{
    id::InstanceId,
    relay::{Reason, Record, Sent, State},
    slot::Slot,
};

/// A search covers this much more than the window of its request at both ends, because clocks differ.
pub(super) const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(1);
/// A search before B is quiet asks for what was created up to this long after the request: the instance is the
/// first thing that B's app creates.
pub(super) const CREATED_WITHIN: Duration = Duration::from_secs(600);

/// The last search asks for no later instances than this, however late B became quiet: the settling time, unless that is
/// set to more.
const SETTLED: Duration = Duration::from_secs(1200);
/// The wait before a search that was cut off goes on.
const GO_ON: Duration = Duration::from_secs(1);

/// [`Step::Search`](super::Step::Search): search for B instances with this relay's stamp, created in this window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Search {
    /// The start of the window, included.
    pub from: Timestamp,
    /// The end of the window, included.
    pub until: Timestamp,
    /// The request that B may still be processing when the search begins. If there is none, the search is conclusive.
    open: Option<Sent>,
    worker: Worker,
    if_none: IfNone,
}

/// What came of [`Search`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SearchOutcome {
    /// The whole window was searched, and this was found.
    Found(Vec<Found>),
    /// The search was cut off.
    CutOff {
        /// No instance of this relay was created before this moment, as far as the search could see.
        reached: Timestamp,
        /// What cut it off.
        failure: Failure,
    },
}

impl Search {
    /// The search at `now`: for what the open request created, or for all that the ledger may have forgotten.
    pub(super) fn new(worker: Worker, if_none: IfNone, now: Timestamp) -> Self {
        let sent = worker.record.sent;
        let open = sent.filter(|sent| now < sent.quiet);
        let mut from = sent.map_or(now, |sent| sent.from);
        // The window depends on the request alone, so that a search costs the same however late it runs. The last one
        // goes on to where B is quiet: an app that is overloaded may make the instance only then.
        let mut until = match (sent, open) {
            (None, _) => now,
            (Some(sent), Some(_)) => later(sent.ended, CREATED_WITHIN),
            (Some(sent), None) => {
                // A repair has made B quiet later, and no instance.
                let settle = worker.delivery.policy.settle.max(SETTLED);
                let until = sent.quiet.max(later(sent.ended, CREATED_WITHIN));
                until.min(later(sent.ended, settle))
            }
        };
        if let Some(since) = worker.forgotten_since {
            from = from.min(since);
            until = until.max(now);
        }
        Self {
            from: from.saturating_sub(CLOCK_MARGIN).unwrap_or(Timestamp::MIN),
            until: until.saturating_add(CLOCK_MARGIN).unwrap_or(Timestamp::MAX),
            open,
            worker,
            if_none,
        }
    }

    /// The claim under which the search is made. It names the apps to search, and the instance that B's answer named.
    #[must_use]
    pub fn claim(&self) -> &Record {
        &self.worker.record
    }

    /// Whether B is quiet when the search begins, so that "none" and "half-made" are final. A complete B is adopted
    /// in any case.
    #[must_use]
    pub fn is_conclusive(&self) -> bool {
        self.open.is_none()
    }

    /// A list of what B's app has made is final for this search if it was begun at this moment or later: no request of
    /// this relay can have made an instance since.
    ///
    /// None if the search is not conclusive: then no list is final.
    #[must_use]
    pub fn final_since(&self) -> Option<Timestamp> {
        match (self.open, self.worker.record.sent) {
            (Some(_), _) => None,
            (None, Some(sent)) => Some(sent.quiet),
            (None, None) => Some(self.worker.record.first),
        }
    }

    /// The window in slots, the earliest first. Each is to be listed as a whole.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        Slot::cover(self.from, self.until)
    }

    /// Takes in what came of it by `now`. B may have become quiet since the search began, but the search may have listed
    /// what there was before that: it stays inconclusive.
    #[must_use]
    pub fn outcome(self, outcome: SearchOutcome, now: Timestamp) -> Attempt {
        let found = match outcome {
            SearchOutcome::Found(found) => found,
            SearchOutcome::CutOff { reached, failure } => {
                return self.cut_off(reached, failure, now).into();
            }
        };
        let Self {
            mut worker,
            if_none,
            open,
            ..
        } = self;
        let named = worker.record.instance;
        let named_is_gone = found.iter().any(|it| it.gone && Some(it.id) == named);
        let mut live: Vec<Found> = found.into_iter().filter(|found| !found.gone).collect();
        live.sort_by_key(|found| (found.created, found.id));
        worker.doubled = live.iter().filter(|found| found.is_complete()).count() > 1;
        let complete = live.iter().find(|found| found.is_complete());
        match (
            complete.map(|complete| (complete.id, complete.touched)),
            open,
        ) {
            (Some((id, touched)), None) => worker.adopt(id, touched, now),
            (Some((id, _)), Some(open)) => worker.adopt_early(id, &open, now).into(),
            (None, Some(open)) => worker.wait_for_quiet(&open, None, now).into(),
            (None, None) => match live.into_iter().next() {
                Some(half) => worker.repair(half, if_none, now),
                None => worker.conclude_that_none_exists(if_none, named_is_gone, now),
            },
        }
    }

    /// The next attempt goes on where this one was cut off. One that got further does not count: the window ends, so
    /// there are only so many.
    fn cut_off(self, reached: Timestamp, failure: Failure, now: Timestamp) -> Writing {
        let reached = reached.min(self.until);
        let mut worker = self.worker;
        let is_final = self.open.is_none() && reached > self.from;
        // For an operator who must look for a B without a stamp, the record keeps when the request was sent.
        let is_of_request =
            !worker.delivery.policy.stamped_late && worker.forgotten_since.is_none();
        let keeps_place = is_final && is_of_request;
        let Some(sent) = worker.record.sent.as_mut().filter(|_| keeps_place) else {
            return worker.retry(failure, now);
        };
        // The next search takes the margin off again, and begins at `reached`.
        sent.from = reached
            .saturating_add(CLOCK_MARGIN)
            .unwrap_or(Timestamp::MAX);
        worker.record.attempts = worker.record.attempts.saturating_sub(1);
        let wait = failure.after.unwrap_or_default().clamp(GO_ON, LONGEST_WAIT);
        worker.give_back(failure, Back::For(wait), now)
    }
}

impl Worker {
    /// A complete B was found. What somebody has changed since says nothing of what arrived.
    fn adopt(mut self, id: InstanceId, touched: bool, now: Timestamp) -> Attempt {
        self.adopted = true;
        if touched {
            return self.complete(Some(id), now).into();
        }
        let since = self.record.sent.map_or(now, |sent| sent.from);
        Verify::of(self, id, since)
    }

    /// A complete B was found while its app may still be processing the open request, and may yet delete B.
    fn adopt_early(mut self, id: InstanceId, open: &Sent, now: Timestamp) -> Writing {
        self.adopted = true;
        let back = Back::For(self.delivery.wait_for(open.quiet, now));
        self.write(now, Then::Back(back), |record| {
            record.state = State::Created;
            record.instance = Some(id);
        })
    }

    /// B is quiet, and the search has found none.
    fn conclude_that_none_exists(
        mut self,
        if_none: IfNone,
        named_is_gone: bool,
        now: Timestamp,
    ) -> Attempt {
        // Where the stamp comes late, a B that its app left without a form cannot be found by it.
        let proven = !self.delivery.policy.stamped_late || named_is_gone;
        if let Some(sent) = self.record.sent.filter(|_| !proven) {
            return self.fail_unproven(&sent, now).into();
        }
        self.record.sent = None;
        self.record.instance = None;
        self.forgotten_since = None;
        match if_none {
            IfNone::Create => Attempt(Phase::Create(Create {
                worker: self,
                since: now,
            })),
            IfNone::Fail(failure) => self.fail(failure, now).into(),
            IfNone::Retry(failure) => self.retry(failure, now).into(),
        }
    }

    fn fail_unproven(self, sent: &Sent, now: Timestamp) -> Writing {
        let failure = Failure::new(Reason::OutcomeUnknown).because(format!(
            "no instance of {} shows this relay's id, and one that its app left without a form cannot show it: look there \
             for one without a form that was created from {} to {}",
            self.delivery.target, sent.from, sent.quiet
        ));
        self.fail(failure, now)
    }
}
