//! A walk through the dead-letter queue. What is received is held until the end, so that nothing is read
//! twice, and is then either deleted or put back, whatever happened in between.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::Serialize;
use stafett_runtime::{
    clock::Clock,
    dead_letters::{
        BATCH, CALL, DeadLetter, DeadLetters, DeadLettersError, HIDDEN_FOR, Receipt, SentBack,
    },
    ledger::LedgerError,
    telemetry::Causes,
};
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// How many dead letters make a page: as many relays as the ledger reads in one call.
const PAGE: usize = 100;
/// A page ends when its bodies are longer than this, in bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The walk ends when receiving has failed this often in a row.
const ATTEMPTS: u32 = 3;
/// The pause after each of these failures.
const PAUSE: Duration = Duration::from_millis(300);
/// What a step may take: to send ten and delete them, or to receive ten and look them up.
const STEP: Duration = Duration::from_secs(2 * CALL.as_secs());
/// What it takes to put dead letters back and to answer, however few they are.
const CLOSING: Duration = Duration::from_secs(5);
/// More than it takes to put each one back that is held.
const CLOSING_EACH: Duration = Duration::from_millis(1);
/// The most errors in a response.
const MOST_ERRORS: usize = 10;

/// Why a walk did not reach the end of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stopped {
    /// It has read, or selected, as many as it was asked to; there may be more.
    Max,
    /// Too little of the invocation's time was left; there may be more.
    Time,
    /// A queue or the ledger failed.
    Trouble,
}

/// What went wrong on the way.
#[derive(Debug, Error)]
pub enum WalkError {
    /// One of the queues failed.
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    /// The records of the relays could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The queue took the call, but not each of its messages.
    #[error(
        "{count} dead letters were not sent back, since the queue refused them ({code}); they are where they were, redrive them again"
    )]
    Refused {
        /// How many were refused.
        count: usize,
        /// The code that SQS gave for the first of them.
        code: String,
    },
    /// Dead letters were sent back, and are still in the dead-letter queue.
    #[error(
        "{0} dead letters were sent back, but not deleted: redriving them again does no harm; see that sqs:DeleteMessage is allowed on the dead-letter queue"
    )]
    Undeleted(usize),
    /// Dead letters stay hidden for a while.
    #[error(
        "{0} dead letters could not be put back: they show again by themselves within two minutes; see that sqs:ChangeMessageVisibility is allowed on the dead-letter queue"
    )]
    Hidden(usize),
}

/// A dead letter that was received.
#[derive(Debug)]
struct Held {
    receipt: Receipt,
    /// It was sent back, so it is in the queue as well.
    sent: bool,
}

/// A walk through the dead-letter queue.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    queue: &'a DeadLetters,
    clock: &'a Clock,
    deadline: Instant,
    /// By message id.
    held: HashMap<String, Held>,
    /// The message ids of what was sent back: it may fail again, and be received again within this walk.
    sent: HashSet<String>,
    renewed: Instant,
    ended: bool,
    stopped: Option<Stopped>,
    errors: Vec<WalkError>,
}

/// How a walk ended.
#[derive(Debug)]
pub(crate) struct End {
    /// Why it did not reach the end of the queue.
    pub(crate) stopped: Option<Stopped>,
    /// How many were deleted only now.
    pub(crate) deleted: usize,
    /// What went wrong, in order.
    pub(crate) errors: Vec<WalkError>,
}

impl<'a> Walk<'a> {
    /// Begins a walk that ends, with everything put back, before `left` is over.
    pub(crate) fn begin(queue: &'a DeadLetters, clock: &'a Clock, left: Duration) -> Self {
        let now = Instant::now();
        Self {
            queue,
            clock,
            deadline: now + left,
            held: HashMap::new(),
            sent: HashSet::new(),
            renewed: now,
            ended: false,
            stopped: None,
            errors: Vec::new(),
        }
    }

    /// Ends the walk before the queue's end.
    pub(crate) fn stop(&mut self, why: Stopped) {
        self.ended = true;
        self.stopped = self.stopped.or(Some(why));
    }

    /// Remembers an error for the response.
    pub(crate) fn note(&mut self, error: impl Into<WalkError>) {
        let error = error.into();
        tracing::warn!(reason = %Causes(&error), "trouble on the way through the dead-letter queue");
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }

    /// Whether it ended because a queue or the ledger failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.stopped == Some(Stopped::Trouble)
    }

    /// Whether there is time for another step and for putting everything back. If not, the walk is stopped.
    pub(crate) fn has_time(&mut self) -> bool {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let needed = STEP + CLOSING + CLOSING_EACH * held;
        let enough = Instant::now() + needed <= self.deadline;
        if !enough {
            self.stop(Stopped::Time);
        }
        enough
    }

    /// The next dead letters, `most` at most. Empty at the end of the walk.
    pub(crate) async fn page(&mut self, most: usize) -> Vec<DeadLetter> {
        let mut page = Vec::new();
        let (mut bytes, mut failures) = (0, 0);
        while !self.ended && page.len() < PAGE && bytes < PAGE_BYTES {
            let wanted = BATCH.min(most.min(PAGE).saturating_sub(page.len()));
            if wanted == 0 {
                self.stop(Stopped::Max);
            }
            if self.ended || !self.has_time() {
                break;
            }
            self.renew().await;
            match self.queue.take(wanted, self.clock.now()).await {
                Ok(letters) if letters.is_empty() => self.ended = true,
                Ok(letters) => {
                    failures = 0;
                    let new = letters.into_iter().filter(|letter| self.hold(letter));
                    for letter in new {
                        bytes += letter.size();
                        page.push(letter);
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.note(error);
                    if failures < ATTEMPTS {
                        sleep(PAUSE).await;
                    } else {
                        self.stop(Stopped::Trouble);
                    }
                }
            }
        }
        page
    }

    /// Holds a dead letter that was received. Returns whether it is new in this walk.
    fn hold(&mut self, letter: &DeadLetter) -> bool {
        let held = Held {
            receipt: letter.receipt().clone(),
            sent: false,
        };
        match self.held.get_mut(letter.id()) {
            // It was received again, because SQS does so at times, or because it could not be hidden for longer.
            Some(known) => {
                known.receipt = held.receipt;
                false
            }
            None => {
                self.held.insert(letter.id().to_owned(), held);
                !self.sent.contains(letter.id())
            }
        }
    }

    /// Extends the time for which what is held is hidden, when half of it has passed.
    pub(crate) async fn renew(&mut self) {
        if self.renewed.elapsed() < HIDDEN_FOR / 2 {
            return;
        }
        self.renewed = Instant::now();
        // What could not be renewed is received again, and then recognised by its id.
        let _renewed = self.queue.renew(&self.receipts_where(|_, _| true).1).await;
    }

    /// Sends dead letters back, as many as fit into one call, and deletes those that the queue has confirmed. Returns how
    /// many were sent, and how many of these were deleted.
    pub(crate) async fn send_back(&mut self, letters: &[DeadLetter]) -> (usize, usize) {
        let outcomes = match self.queue.send_back(letters).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.note(error);
                self.stop(Stopped::Trouble);
                return (0, 0);
            }
        };
        let (mut sent, mut refused) = (Vec::new(), Vec::new());
        for (letter, outcome) in letters.iter().zip(outcomes) {
            match outcome {
                SentBack::Confirmed(id) => {
                    self.sent.insert(id);
                    sent.push(letter.id());
                    if let Some(held) = self.held.get_mut(letter.id()) {
                        held.sent = true;
                    }
                }
                SentBack::Refused(code) => refused.push(code),
            }
        }
        let count = refused.len();
        if let Some(code) = refused.into_iter().next() {
            self.note(WalkError::Refused { count, code });
        }
        let deleted = self.delete(|id, _| sent.contains(&id)).await;
        (sent.len(), deleted)
    }

    /// Deletes those that are `chosen`. Returns how many SQS confirmed.
    async fn delete(&mut self, chosen: impl Fn(&str, &Held) -> bool) -> usize {
        let (ids, receipts) = self.receipts_where(chosen);
        let deleted = self.queue.delete(&receipts).await;
        let mut count = 0;
        for (id, deleted) in ids.iter().zip(deleted) {
            if deleted {
                self.held.remove(id);
                count += 1;
            }
        }
        count
    }

    /// Ends the walk: deletes what was sent back, if that is possible now, and puts back everything else that is held.
    pub(crate) async fn end(mut self) -> End {
        let deleted = self.delete(|_, held| held.sent).await;
        let undeleted = self.held.values().filter(|held| held.sent).count();
        if undeleted > 0 {
            self.note(WalkError::Undeleted(undeleted));
        }
        let (_, receipts) = self.receipts_where(|_, _| true);
        let back = self.queue.put_back(&receipts).await;
        let hidden = back.iter().filter(|shows| !**shows).count();
        if hidden > 0 {
            self.note(WalkError::Hidden(hidden));
        }
        End {
            stopped: self.stopped,
            deleted,
            errors: self.errors,
        }
    }

    /// The message ids and receipts of what is held and `chosen`.
    fn receipts_where(&self, chosen: impl Fn(&str, &Held) -> bool) -> (Vec<String>, Vec<Receipt>) {
        let held = self.held.iter().filter(|(id, held)| chosen(id, held));
        held.map(|(id, held)| (id.clone(), held.receipt.clone()))
            .unzip()
    }
}
