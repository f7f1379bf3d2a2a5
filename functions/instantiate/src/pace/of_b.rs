//! The pace of one B app in this container, and what the ledger says of its breaker.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use stafett_core::{
    id::AppId,
    pace::{Admission, Breaker, BreakerState, Limits, Load, Pace, Wait},
};
use stafett_runtime::{
    clock::Clock,
    ledger::{Ledger, PaceKept, PaceNote},
    telemetry::Causes,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Admitted, Turn};

/// How long the note is trusted: while all is well, and while something is wrong.
const NOTE_AGE: SignedDuration = SignedDuration::from_secs(30);
const NOTE_AGE_IN_DOUBT: SignedDuration = SignedDuration::from_secs(5);
/// After so many answers of B the rate is kept for new containers.
const KEEP_EVERY: u32 = 300;
/// How long a relay waits for the outcome of a probe before it is put back, and for how long.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);
const PROBE_AGAIN: Duration = Duration::from_secs(30);
/// How long a relay waits for its turn before it is put back: a container that waits works for no other route either.
const TURN_PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What a probe has: the longest request to B, and the reads before it.
const PROBE_LEASE: Duration = Duration::from_secs(180);
/// How long a relay is put back whose turn did not come: ten turns, and within these bounds.
const TURNS_AWAY: u32 = 10;
const SHORTEST_AWAY: Duration = Duration::from_secs(10);
const LONGEST_AWAY: Duration = Duration::from_secs(900);
/// How often a write to the note is tried again because another container wrote first.
const ATTEMPTS: u32 = 4;

/// The pace of one B app.
#[derive(Debug)]
pub(crate) struct PaceOfB {
    app: AppId,
    ledger: Ledger,
    clock: Clock,
    started: Timestamp,
    shared: Mutex<Shared>,
    /// A turn is over, or the breaker has changed.
    changed: Notify,
    /// Held while the note is read for the first time, and while it is written.
    note: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    pace: Pace,
    /// The route sets the pace.
    is_set: bool,
    breaker: Breaker,
    note: Option<PaceNote>,
    read: Option<Timestamp>,
    /// Answers since the rate was kept.
    unkept: u32,
}

/// What came of waiting for a turn.
enum Queued {
    Turn(Turn),
    /// It would not come before the deadline.
    TooLate,
    /// The breaker has opened.
    Opened,
}

impl PaceOfB {
    pub(super) fn new(app: AppId, limits: Limits, ledger: Ledger, clock: Clock) -> Self {
        Self {
            app,
            ledger,
            started: clock.now(),
            clock,
            shared: Mutex::new(Shared {
                pace: Pace::new(limits),
                is_set: matches!(limits, Limits::Set { .. }),
                breaker: Breaker::default(),
                note: None,
                read: None,
                unkept: 0,
            }),
            changed: Notify::new(),
            note: tokio::sync::Mutex::default(),
        }
    }

    /// The time of the pace. It is the clock's, as the breaker's and the relays' is.
    fn elapsed(&self) -> Duration {
        Duration::try_from(self.clock.now().duration_since(self.started)).unwrap_or_default()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic while it was held cannot leave it half-changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, for `most` at most.
    pub(crate) async fn admit(self: &Arc<Self>, most: Duration) -> Admitted {
        let deadline = Instant::now() + TURN_PATIENCE.min(most);
        let patience = Instant::now() + PROBE_PATIENCE.min(most);
        self.look_if_in_doubt().await;
        loop {
            let now = self.clock.now();
            let admission = self.shared().breaker.admit(now, PROBE_LEASE);
            match admission {
                Admission::Go => match self.turn(deadline).await {
                    Queued::Turn(turn) => return Admitted::Turn(turn),
                    Queued::TooLate => return Admitted::Quiet(self.later(self.away())),
                    Queued::Opened => {}
                },
                Admission::Quiet(until) => return Admitted::Quiet(until),
                Admission::Probing if Instant::now() >= patience => {
                    return Admitted::Quiet(self.later(PROBE_AGAIN));
                }
                Admission::Probing => {
                    let changed = self.changed.notified();
                    tokio::select! {
                        () = changed => {}
                        () = sleep_until(Instant::now() + LOOK_EVERY) => self.read().await,
                    }
                }
                Admission::Probe(taken) => {
                    let before = self.shared().breaker.state();
                    if self.keep(before, taken).await {
                        tracing::info!(app = %self.app, "this relay finds out whether B is up again");
                        let now = self.elapsed();
                        self.shared().pace.take_anyway(now);
                        return Admitted::Turn(self.begun(true));
                    }
                    if Instant::now() >= patience {
                        return Admitted::Quiet(self.later(PROBE_AGAIN));
                    }
                }
            }
        }
    }

    fn begun(self: &Arc<Self>, probe: bool) -> Turn {
        Turn {
            of: Arc::clone(self),
            probe,
            used: false,
        }
    }

    /// Waits for a turn.
    async fn turn(self: &Arc<Self>, deadline: Instant) -> Queued {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut shared = self.shared();
                if shared.breaker.state() != BreakerState::Closed {
                    return Queued::Opened;
                }
                shared.pace.take(self.elapsed())
            };
            let until = match wait {
                Ok(()) => return Queued::Turn(self.begun(false)),
                Err(Wait::Until(turn)) => Instant::now() + turn.saturating_sub(self.elapsed()),
                Err(Wait::ForAnother) => deadline,
            };
            if until > deadline || Instant::now() >= deadline {
                return Queued::TooLate;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Waits for another turn in place of one that was taken and not used. Returns whether it comes before the deadline.
    pub(super) async fn another_turn(&self, deadline: Instant) -> bool {
        loop {
            let turn = match self.shared().pace.retake(self.elapsed()) {
                Ok(()) => return true,
                Err(turn) => Instant::now() + turn.saturating_sub(self.elapsed()),
            };
            if turn > deadline {
                return false;
            }
            sleep_until(turn).await;
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.shared().pace.interval()
    }

    /// For how long a relay is put back whose turn did not come.
    fn away(&self) -> Duration {
        let turns = self.shared().pace.interval() * TURNS_AWAY;
        turns.clamp(SHORTEST_AWAY, LONGEST_AWAY)
    }

    fn later(&self, by: Duration) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(by).unwrap_or(Timestamp::MAX)
    }

    /// Reads the note for the first time, or again if something is wrong with B.
    async fn look_if_in_doubt(&self) {
        let is_old = || {
            let shared = self.shared();
            let age = self.age(&shared);
            age.is_none_or(|age| shared.breaker.is_in_doubt() && age >= NOTE_AGE_IN_DOUBT)
        };
        if !is_old() {
            return;
        }
        let reading = self.note.lock().await;
        // Another relay may have read it meanwhile.
        if is_old() {
            self.read().await;
        }
        drop(reading);
    }

    /// Reads the note again if that is due, for a caller that waits for something else at the same time.
    pub(crate) async fn refresh(&self) {
        let is_due = {
            let mut shared = self.shared();
            let is_due = self.age(&shared).is_some_and(|age| age >= NOTE_AGE);
            if is_due {
                shared.read = Some(self.clock.now());
            }
            is_due
        };
        if is_due {
            self.read().await;
        }
    }

    fn age(&self, shared: &Shared) -> Option<SignedDuration> {
        Some(self.clock.now().duration_since(shared.read?).abs())
    }

    async fn read(&self) {
        let read = self.ledger.pace(&self.app).await;
        let mut shared = self.shared();
        let is_first = shared.read.is_none();
        shared.read = Some(self.clock.now());
        match read {
            Ok(note) => {
                if is_first && let Some(rate) = note.as_ref().and_then(|note| note.rate) {
                    shared.begin_at(rate);
                }
                shared.learn(note);
            }
            Err(error) => {
                tracing::warn!(app = %self.app, reason = %Causes(&error), "cannot tell whether B is down");
            }
        }
        drop(shared);
        self.changed.notify_waiters();
    }

    /// Writes a state over the one that was known `before`. Returns whether it is the shared one now.
    async fn keep(&self, before: BreakerState, state: BreakerState) -> bool {
        let _writing = self.note.lock().await;
        for _ in 0..ATTEMPTS {
            let (note, rate) = {
                let shared = self.shared();
                let rate = (!shared.is_set).then(|| shared.pace.rate());
                (shared.note.clone(), rate)
            };
            let kept = self.ledger.keep_pace(&self.app, note.as_ref(), state, rate);
            match kept.await {
                Ok(PaceKept::Written(note)) => {
                    self.shared().learn(Some(note));
                    self.changed.notify_waiters();
                    return true;
                }
                Ok(PaceKept::Conflict(seen)) => {
                    let seen_state = seen.as_ref().map(|seen| seen.state).unwrap_or_default();
                    self.shared().note = seen.clone();
                    if seen_state != before {
                        self.shared().learn(seen);
                        self.changed.notify_waiters();
                        return false;
                    }
                }
                Err(error) => {
                    tracing::warn!(app = %self.app, reason = %Causes(&error), "other containers do not know what was found out of B");
                    return false;
                }
            }
        }
        false
    }

    /// Takes in what an answer of B says of its load.
    pub(super) async fn answered(&self, load: Load, took: Duration, probe: bool) {
        let now = self.clock.now();
        let (before, next) = {
            let mut shared = self.shared();
            let before = shared.breaker.state();
            shared.pace.answered(self.elapsed(), load, took);
            shared.unkept += 1;
            let next = shared.breaker.answered(load, probe, now);
            let keeps_rate = load == Load::Done && shared.unkept >= KEEP_EVERY && !shared.is_set;
            let next = next.or((keeps_rate && before == BreakerState::Closed).then_some(before));
            if let Some(next) = next {
                shared.unkept = 0;
                // At once, and also if the ledger does not take it.
                shared.breaker.learn(next);
            }
            (before, next)
        };
        self.changed.notify_waiters();
        let Some(state) = next else {
            return;
        };
        match state {
            BreakerState::Open {
                quiet_until, times, ..
            } => tracing::error!(
                app = %self.app,
                until = %quiet_until,
                times,
                "B is down; its relays wait, and one at a time tries it"
            ),
            BreakerState::Closed if probe => tracing::warn!(app = %self.app, "B is up again"),
            BreakerState::Closed => {}
        }
        self.keep(before, state).await;
    }
}

impl PaceOfB {
    pub(super) fn is_open(&self) -> bool {
        self.shared().breaker.state() != BreakerState::Closed
    }

    /// A turn is over.
    pub(super) fn over(&self, unused: bool) {
        self.shared().pace.over(unused);
        self.changed.notify_waiters();
    }

    /// The probe ended without asking B: the next relay is the probe.
    pub(super) async fn unasked(&self) {
        let (before, unasked) = {
            let breaker = &self.shared().breaker;
            (breaker.state(), breaker.unasked(self.clock.now()))
        };
        if let Some(state) = unasked {
            self.keep(before, state).await;
        }
    }
}

impl Shared {
    fn learn(&mut self, note: Option<PaceNote>) {
        let state = note.as_ref().map(|note| note.state).unwrap_or_default();
        self.breaker.learn(state);
        self.note = note;
    }

    fn begin_at(&mut self, rate: f64) {
        if !self.is_set {
            self.pace = Pace::new(Limits::Found { first: Some(rate) });
        }
    }
}
