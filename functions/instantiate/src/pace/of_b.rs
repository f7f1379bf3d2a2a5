//! The traffic to one B app in this container, and what the ledger says of its breaker.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use stafett_core::{
    id::AppId,
    pace::{Ask, BreakerState, Change, Limits, Load, Patience, Traffic},
};
use stafett_runtime::{
    clock::Clock,
    ledger::{Ledger, PaceKept, PaceNote},
    metrics,
    telemetry::Causes,
};
use tokio::{sync::Notify, time::sleep};

use super::{Admitted, Turn};

/// How often a write to the note is tried again because another container wrote first.
const ATTEMPTS: u32 = 4;

/// The traffic to one B app.
#[derive(Debug)]
pub(crate) struct PaceOfB {
    app: AppId,
    ledger: Ledger,
    clock: Clock,
    shared: Mutex<Shared>,
    /// A turn is over, or the breaker has changed.
    changed: Notify,
    /// Held while the note is read for the first time, and while it is written.
    note: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    traffic: Traffic,
    /// The note as it was last read or written.
    note: Option<PaceNote>,
}

impl PaceOfB {
    pub(super) fn new(app: AppId, limits: Limits, ledger: Ledger, clock: Clock) -> Self {
        Self {
            app,
            ledger,
            shared: Mutex::new(Shared {
                traffic: Traffic::new(limits, clock.now()),
                note: None,
            }),
            clock,
            changed: Notify::new(),
            note: tokio::sync::Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic while it was held cannot leave it half-changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, for `most` at most.
    pub(crate) async fn admit(self: &Arc<Self>, most: Duration) -> Admitted {
        let since = self.clock.now();
        let patience = Patience { since, most };
        self.look_if_in_doubt().await;
        loop {
            let changed = self.changed.notified();
            let now = self.clock.now();
            let ask = self.shared().traffic.ask(patience, now);
            let (until, looks) = match ask {
                Ask::Turn => return Admitted::Turn(self.begun(false)),
                Ask::PutBack(until) => return Admitted::Quiet(until),
                Ask::Probe(change) => {
                    if self.keep(change).await {
                        tracing::info!(app = %self.app, "this relay finds out whether B is up again");
                        self.shared().traffic.begin_probe(self.clock.now());
                        return Admitted::Turn(self.begun(true));
                    }
                    continue;
                }
                Ask::Again(until) => (until, false),
                Ask::Look(until) => (until, true),
            };
            tokio::select! {
                () = changed => {}
                () = self.sleep_until(until) => if looks { self.read().await },
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

    async fn sleep_until(&self, until: Timestamp) {
        let left = until.duration_since(self.clock.now());
        sleep(Duration::try_from(left).unwrap_or_default()).await;
    }

    /// Waits for another turn in place of one that was taken and not used. Returns whether it comes within `left`.
    pub(super) async fn another_turn(&self, left: Duration) -> bool {
        let now = self.clock.now();
        let deadline = now.saturating_add(left).unwrap_or(Timestamp::MAX);
        loop {
            let taken = self.shared().traffic.take_another(self.clock.now());
            match taken {
                Ok(()) => return true,
                Err(turn) if turn > deadline => return false,
                Err(turn) => self.sleep_until(turn).await,
            }
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.shared().traffic.interval()
    }

    /// Reads the note for the first time, or again if something is wrong with B.
    async fn look_if_in_doubt(&self) {
        let must_look = || self.shared().traffic.must_look(self.clock.now());
        if !must_look() {
            return;
        }
        let reading = self.note.lock().await;
        // Another relay may have read it meanwhile.
        if must_look() {
            self.read().await;
        }
        drop(reading);
    }

    /// Reads the note again if that is due, for a caller that waits for something else at the same time.
    pub(crate) async fn refresh(&self) {
        let is_due = self.shared().traffic.look_again(self.clock.now());
        if is_due {
            self.read().await;
        }
    }

    async fn read(&self) {
        let read = self.ledger.pace(&self.app).await;
        let now = self.clock.now();
        let mut shared = self.shared();
        match read {
            Ok(note) => {
                let rate = note.as_ref().and_then(|note| note.rate);
                shared.traffic.saw(state(note.as_ref()), rate, now);
                shared.note = note;
            }
            Err(error) => {
                shared.traffic.saw_nothing(now);
                tracing::warn!(app = %self.app, reason = %Causes(&error), "cannot tell whether B is down");
            }
        }
        drop(shared);
        self.changed.notify_waiters();
    }

    /// Shares a change. Returns whether it is the shared state now.
    async fn keep(&self, change: Change) -> bool {
        let _writing = self.note.lock().await;
        for _ in 0..ATTEMPTS {
            let (note, rate) = {
                let shared = self.shared();
                (shared.note.clone(), shared.traffic.rate_found())
            };
            let kept = self
                .ledger
                .keep_pace(&self.app, note.as_ref(), change.state, rate);
            match kept.await {
                Ok(PaceKept::Written(note)) => {
                    self.learn(Some(note));
                    return true;
                }
                Ok(PaceKept::Conflict(seen)) if state(seen.as_ref()) != change.replaces => {
                    self.learn(seen);
                    return false;
                }
                Ok(PaceKept::Conflict(seen)) => self.shared().note = seen,
                Err(error) => {
                    tracing::warn!(app = %self.app, reason = %Causes(&error), "other containers do not know what was found out of B");
                    return false;
                }
            }
        }
        false
    }

    fn learn(&self, note: Option<PaceNote>) {
        let mut shared = self.shared();
        shared.traffic.learn(state(note.as_ref()));
        shared.note = note;
        drop(shared);
        self.changed.notify_waiters();
    }

    /// Takes in what an answer of B says of its load.
    pub(super) async fn answered(&self, load: Load, took: Duration, probe: bool) {
        let now = self.clock.now();
        let change = self.shared().traffic.answered(load, took, probe, now);
        self.changed.notify_waiters();
        let Some(change) = change else {
            return;
        };
        match change.state {
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
        let is_kept = self.keep(change).await;
        let opens = change.replaces == BreakerState::Closed && change.state != BreakerState::Closed;
        // Of several containers that find B down at once, one has its change kept, and counts for all.
        if opens && is_kept {
            metrics::breaker_opened(&self.app, now);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.shared().traffic.state() != BreakerState::Closed
    }

    /// A turn is over.
    pub(super) fn over(&self, unused: bool) {
        self.shared().traffic.over(unused);
        self.changed.notify_waiters();
    }

    /// The probe ended without asking B: the next relay is the probe.
    pub(super) async fn unasked(&self) {
        let change = self.shared().traffic.unasked(self.clock.now());
        if let Some(change) = change {
            self.keep(change).await;
        }
    }
}

fn state(note: Option<&PaceNote>) -> BreakerState {
    note.map(|note| note.state).unwrap_or_default()
}
