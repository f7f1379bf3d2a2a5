//! The requests that went over a wire.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Method, StatusCode};
use tokio::sync::watch;

use super::faults::{NotInTime, On, RequestHead};

/// One request and its outcome.
#[derive(Clone)]
pub struct Exchange {
    head: RequestHead,
    /// Bytes of the request's body that were forwarded or read.
    pub request_bytes: u64,
    /// Bytes of the response's body that were sent to the client.
    pub response_bytes: u64,
    /// The status that the client got, or would have got if the connection had not been cut.
    pub status: Option<StatusCode>,
    /// Whether the upstream has responded, so that the request has had its effect.
    pub forwarded: bool,
    /// The fault that was applied.
    pub fault: Option<&'static str>,
    /// When the head of the request had arrived.
    pub started: Instant,
    /// When the last byte of the response was sent, or the connection was lost.
    pub ended: Option<Instant>,
}

impl Exchange {
    /// Number in the order of arrival, from 1.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// Method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// Path with query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.head.path
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// How long it took. `None` while it is under way.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.duration_since(self.started))
    }
}

// A path may hold a secret.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.head.sequence, self.head.method)?;
        if let Some(target) = self.head.target() {
            write!(f, " {target}")?;
        }
        match self.status {
            Some(status) => write!(f, " -> {}", status.as_u16())?,
            None => f.write_str(" -> no answer")?,
        }
        if self.forwarded {
            f.write_str(", forwarded")?;
        }
        if let Some(fault) = self.fault {
            write!(f, ", {fault}")?;
        }
        if self.ended.is_none() {
            f.write_str(", under way")?;
        }
        Ok(())
    }
}

/// All requests of a wire since it started. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    entries: Arc<watch::Sender<Vec<Exchange>>>,
    last: Arc<AtomicU64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: Arc::new(watch::Sender::new(Vec::new())),
            last: Arc::default(),
        }
    }
}

impl Journal {
    /// Every exchange, in the order of arrival.
    #[must_use]
    pub fn all(&self) -> Vec<Exchange> {
        self.entries.borrow().clone()
    }

    /// The exchanges that match a condition, without regard to its turn.
    #[must_use]
    pub fn matching(&self, on: &On) -> Vec<Exchange> {
        self.entries
            .borrow()
            .iter()
            .filter(|it| on.matches(&it.head))
            .cloned()
            .collect()
    }

    /// How many exchanges match a condition, ended or not.
    #[must_use]
    pub fn count(&self, on: &On) -> usize {
        self.entries
            .borrow()
            .iter()
            .filter(|it| on.matches(&it.head))
            .count()
    }

    /// Removes all exchanges that have ended, except the `newest` ones.
    pub fn keep(&self, newest: usize) {
        self.entries.send_if_modified(|entries| {
            let old = entries.len().saturating_sub(newest);
            let mut index = 0;
            entries.retain(|it| {
                index += 1;
                index > old || it.ended.is_none()
            });
            old > 0
        });
    }

    /// Removes all exchanges that have ended. Sequence numbers continue.
    pub fn clear(&self) {
        self.entries
            .send_modify(|entries| entries.retain(|it| it.ended.is_none()));
    }

    /// Waits until the journal satisfies `condition`, and returns its exchanges.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when it does not hold within `deadline`.
    pub async fn wait_until(
        &self,
        deadline: Duration,
        mut condition: impl FnMut(&[Exchange]) -> bool,
    ) -> Result<Vec<Exchange>, NotInTime> {
        let mut entries = self.entries.subscribe();
        let reached = entries.wait_for(|entries| condition(entries));
        match tokio::time::timeout(deadline, reached).await {
            Ok(Ok(entries)) => Ok(entries.clone()),
            // `self` owns the sender, so only the deadline can end this.
            Ok(Err(_)) | Err(_) => Err(NotInTime { deadline }),
        }
    }

    /// Waits until `count` exchanges that match a condition have ended, and returns all that have.
    ///
    /// # Errors
    ///
    /// [`NotInTime`] when fewer have ended within `deadline`.
    pub async fn ended(
        &self,
        on: &On,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<Exchange>, NotInTime> {
        let ended = |it: &Exchange| it.ended.is_some() && on.matches(&it.head);
        let mut all = self
            .wait_until(deadline, |entries| {
                entries.iter().filter(|it| ended(it)).count() >= count
            })
            .await?;
        all.retain(ended);
        Ok(all)
    }

    pub(super) fn begin(&self, parts: &Parts) -> (RequestHead, Entry) {
        let mut head = RequestHead::new(0, parts);
        self.entries.send_modify(|entries| {
            // Counted under the lock, so that the journal is sorted by sequence number.
            head.sequence = self.last.fetch_add(1, Ordering::Relaxed) + 1;
            entries.push(Exchange {
                head: head.clone(),
                request_bytes: 0,
                response_bytes: 0,
                status: None,
                forwarded: false,
                fault: None,
                started: Instant::now(),
                ended: None,
            });
        });
        let entry = Entry {
            journal: self.clone(),
            sequence: head.sequence,
        };
        (head, entry)
    }
}

/// Updates one exchange. Dropping it ends the exchange.
#[derive(Debug)]
pub(super) struct Entry {
    journal: Journal,
    sequence: u64,
}

impl Entry {
    /// Changes the exchange and wakes waiting tasks.
    pub(super) fn note(&self, change: impl FnOnce(&mut Exchange)) {
        self.journal.entries.send_modify(|entries| {
            let found = entries.binary_search_by_key(&self.sequence, Exchange::sequence);
            if let Some(entry) = found.ok().and_then(|index| entries.get_mut(index)) {
                change(entry);
            }
        });
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.note(|it| it.ended = Some(Instant::now()));
    }
}
