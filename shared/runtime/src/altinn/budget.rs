//! What one relay may spend on calls to Altinn.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// What one relay may spend, and has spent: time, and calls to Altinn.
#[derive(Debug)]
pub struct Budget {
    until: Instant,
    calls: AtomicU32,
    waited_us: AtomicU64,
}

impl Budget {
    /// A budget that ends after `left`.
    #[must_use]
    pub fn new(left: Duration) -> Self {
        Self {
            until: Instant::now() + left,
            calls: AtomicU32::new(0),
            waited_us: AtomicU64::new(0),
        }
    }

    /// The time that is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The number of calls to Altinn so far. Calls for tokens do not count, since all relays of a container share
    /// its tokens.
    #[must_use]
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How long Altinn took to answer these calls, added up.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }

    /// Counts a call, and the time until it is answered.
    pub(super) async fn count<T>(&self, call: impl Future<Output = T>) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let answer = call.await;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited_us.fetch_add(took, Ordering::Relaxed);
        answer
    }
}
