//! A walk through the dead-letter queue: what is taken is held until the end, so that nothing is seen
//! twice, and then either deleted or put back, whatever happened in between.

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
};
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// How many dead letters are looked at together: as many as the ledger takes in one call.
const PAGE: usize = 100;
/// How many bytes of bodies are in memory at most, and those of the last call.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How often in a row the queue may fail to give dead letters before the walk ends.
const ATTEMPTS: u32 = 3;
/// How long is waited between these.
const PAUSE: Duration = Duration::from_millis(300);
/// What a step may take: to send ten and to delete them, or to take ten and to look them up.
const STEP: Duration = Duration::from_secs(2 * CALL.as_secs());
/// What it takes in any case to put dead letters back and to answer.
const CLOSING: Duration = Duration::from_secs(5);
/// What it takes for each that is held, many times over.
const CLOSING_EACH: Duration = Duration::from_millis(1);
/// How many troubles an answer tells.
const MOST_TROUBLES: usize = 10;

/// Why a walk did not come to the end of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stopped {
    /// It has seen, or selected, as many as it was to; there may be more.
    Max,
    /// Too little of the invocation's time was left; there may be more.
    Time,
    /// A queue or the ledger did not do what was asked.
    Trouble,
}

/// What went wrong on the way.
#[derive(Debug, Error)]
pub enum Trouble {
    /// One of the queues did not do what was asked.
    #[error(transparent)]
    DeadLetters(#[from] DeadLettersError),
    /// The ledger did not say how the relays stand.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The queue took the call, but not each of its messages.
    #[error(
        "{count} dead letters were not sent back, since the queue refused them ({code}); they are where they were, redrive them again"
    )]
    Refused {
        /// How many.
        count: usize,
        /// The code that SQS gave for the first of them.
        code: String,
    },
    /// Dead letters are in both queues.
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

/// A dead letter that was taken.
#[derive(Debug)]
struct Held {
    receipt: Receipt,
    /// It is in the queue as well.
    sent: bool,
}

/// A walk through the dead-letter queue.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    queue: &'a DeadLetters,
    clock: &'a Clock,
    deadline: Instant,
    /// By the names that SQS gave them.
    held: HashMap<String, Held>,
    /// The names of what was sent back: it may fail again, and come again within this walk.
    sent: HashSet<String>,
    renewed: Instant,
    ended: bool,
    stopped: Option<Stopped>,
    troubles: Vec<Trouble>,
}

/// How a walk ended.
#[derive(Debug)]
pub(crate) struct End {
    /// Why it did not come to the end.
    pub(crate) stopped: Option<Stopped>,
    /// How many were deleted only now.
    pub(crate) deleted: usize,
    /// What went wrong, the first first.
    pub(crate) troubles: Vec<Trouble>,
}

impl<'a> Walk<'a> {
    /// A walk that ends, with everything put back, before `left` is over.
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
            troubles: Vec::new(),
        }
    }

    /// Ends the walk before the queue's end.
    pub(crate) fn stop(&mut self, why: Stopped) {
        self.ended = true;
        self.stopped = self.stopped.or(Some(why));
    }

    /// Remembers what went wrong.
    pub(crate) fn note(&mut self, trouble: impl Into<Trouble>) {
        let trouble = trouble.into();
        tracing::warn!(reason = %trouble, "trouble on the way through the dead-letter queue");
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(trouble);
        }
    }

    /// Whether it ended because something went wrong.
    pub(crate) fn is_troubled(&self) -> bool {
        self.stopped == Some(Stopped::Trouble)
    }

    /// Whether another step can be taken and everything put back afterwards; else the walk is stopped.
    pub(crate) fn has_time(&mut self) -> bool {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let needed = STEP + CLOSING + CLOSING_EACH * held;
        let enough = Instant::now() + needed <= self.deadline;
        if !enough {
            self.stop(Stopped::Time);
        }
        enough
    }

    /// The next dead letters, `most` at most; none at the end of the walk.
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

    /// Holds what was taken; whether it is new in this walk.
    fn hold(&mut self, letter: &DeadLetter) -> bool {
        let held = Held {
            receipt: letter.receipt().clone(),
            sent: false,
        };
        match self.held.get_mut(letter.id()) {
            // It showed again, because of SQS or since it could not be hidden for longer.
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

    /// Hides what is held for longer, when it is time to.
    pub(crate) async fn renew(&mut self) {
        if self.renewed.elapsed() < HIDDEN_FOR / 2 {
            return;
        }
        self.renewed = Instant::now();
        // What could not be renewed shows again, and is known by its name.
        let _renewed = self.queue.renew(&self.receipts_where(|_, _| true).1).await;
    }

    /// Sends dead letters back, as many as one call may carry, and deletes what the queue has
    /// confirmed; how many were sent, and of these deleted.
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
                SentBack::Confirmed(name) => {
                    self.sent.insert(name);
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
            self.note(Trouble::Refused { count, code });
        }
        let deleted = self.delete(|id, _| sent.contains(&id)).await;
        (sent.len(), deleted)
    }

    /// Deletes what is meant; how many SQS confirmed.
    async fn delete(&mut self, meant: impl Fn(&str, &Held) -> bool) -> usize {
        let (ids, receipts) = self.receipts_where(meant);
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

    /// Puts everything back that is held, but what was sent back is deleted if that can be.
    pub(crate) async fn end(mut self) -> End {
        let deleted = self.delete(|_, held| held.sent).await;
        let undeleted = self.held.values().filter(|held| held.sent).count();
        if undeleted > 0 {
            self.note(Trouble::Undeleted(undeleted));
        }
        let (_, receipts) = self.receipts_where(|_, _| true);
        let back = self.queue.put_back(&receipts).await;
        let hidden = back.iter().filter(|shows| !**shows).count();
        if hidden > 0 {
            self.note(Trouble::Hidden(hidden));
        }
        End {
            stopped: self.stopped,
            deleted,
            troubles: self.troubles,
        }
    }

    /// The names and receipts of what is held and meant.
    fn receipts_where(&self, meant: impl Fn(&str, &Held) -> bool) -> (Vec<String>, Vec<Receipt>) {
        let held = self.held.iter().filter(|(id, held)| meant(id, held));
        held.map(|(id, held)| (id.clone(), held.receipt.clone()))
            .unzip()
    }
}
