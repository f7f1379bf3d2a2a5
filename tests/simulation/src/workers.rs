//! The containers of `instantiate`: each works on one batch at a time, and on the messages of a batch at the same time.
//!
//! The event source mapping gives every container up to ten visible messages. The answer of the function, by which the
//! messages that are finished are deleted, comes when the last of the batch is finished (AWS Lambda Developer Guide, "Using
//! Lambda with Amazon SQS"). At most `MaximumConcurrency` containers work at the same time.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use stafett_core::{
    id::AppId,
    pace::Load,
    relay::{
        Holder, Reason,
        decide::{
            AddForm, AddFormOutcome, Attempt, Create, CreateOutcome, Delete, DeleteOutcome,
            Disposition, End, Failure, Finish, FinishOutcome, Lacks, Look, LookOutcome, Message,
            NotReady, Policy, Put, Read, ReadOutcome, Search, SearchOutcome, Step, VerifyOutcome,
        },
    },
    slot::Slot,
};
use uuid::Uuid;

use crate::{
    altinn::{Answer, unanswered},
    pace::{Admitted, PaceOfB},
    queue::MessageId,
    time::{Ms, SECOND, length, moment, ms},
    world::{Event, LEASE, World},
};

/// The template's `BatchSize`.
pub const BATCH: usize = 10;
/// What the function keeps for itself at the end (functions/instantiate: `CLOSING`).
const CLOSING: Ms = 2 * SECOND;
/// Reading A's instance, its form, and preparing the draft.
const READ: Ms = 150;
/// A call to Storage or an app that is answered at once.
const CALL: Ms = 50;
/// Instances on a page of a search (shared/runtime: `SEARCH_PAGE`).
const SEARCH_PAGE: usize = 5_000;
/// What an undisturbed relay takes besides the creation itself.
pub const UNDISTURBED: Ms = READ + CALL;
/// A page of a search (wire-protocol 5.6: 12 to 130 ms on Storage's side), and each instance on it.
const PAGE: (Ms, f64) = (150, 0.1);
/// How old what another search has listed may be (functions/instantiate: `JUST_NOW`), unless it is final.
const JUST_NOW: SignedDuration = SignedDuration::from_secs(5);
/// The longest that a request to B may take (shared/runtime: `LONGEST_CHANGE`).
const LONGEST_CHANGE: Ms = 120 * SECOND;
/// How long a message waits for its turn towards B before it is put back: half of the time that it has (functions/instantiate).
const PATIENCE: Ms = 149 * SECOND;
/// The longest visibility that is asked for (shared/runtime: `LONGEST_DELAY_SECONDS`).
const LONGEST_DELAY: Ms = 11 * 3600 * SECOND;

/// The workers: one for each message that is being worked on.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    free: Vec<u32>,
    /// The batches of the containers, by container: how many messages are not finished, and which are to be deleted.
    batches: Vec<Batch>,
    idle: Vec<usize>,
    /// When each container has last listed the slots of the apps.
    walks: Vec<HashMap<(usize, Slot), Timestamp>>,
    /// The pace of each container towards each app.
    paces: Vec<Vec<PaceOfB>>,
}

#[derive(Debug, Default)]
struct Batch {
    unfinished: usize,
    deleted: Vec<MessageId>,
}

#[derive(Debug)]
struct Worker {
    container: usize,
    message: MessageId,
    relay: u32,
    began: Ms,
    /// When its time ends.
    ends: Ms,
    work: Option<Work>,
    turn: Option<Turn>,
    /// How often it was woken: older events do not count.
    woken: u32,
}

/// A turn to send requests to B.
#[derive(Debug, Clone, Copy)]
struct Turn {
    probe: bool,
    used: bool,
}

/// What a worker waits for.
#[derive(Debug)]
enum Work {
    /// It waits for its turn.
    Turn {
        /// It reads the note of the pace before it asks.
        looks: bool,
    },
    Read(Read),
    /// A search that reaches the end of its window, or only this moment.
    Search(Search, Result<(), Ms>),
    /// The request arrives at B.
    Arrives(Create),
    /// B's answer.
    Answer(Create, CreateOutcome, Load, Ms),
    Look(Look),
    AddForm(AddForm),
    Delete(Delete),
    Finish(Finish),
}

impl Workers {
    /// So many containers.
    pub fn new(containers: usize, apps: usize) -> Self {
        let paces = || (0..apps).map(|_| PaceOfB::default()).collect();
        Self {
            workers: Vec::new(),
            free: Vec::new(),
            batches: (0..containers).map(|_| Batch::default()).collect(),
            idle: (0..containers).collect(),
            walks: vec![HashMap::new(); containers],
            paces: (0..containers).map(|_| paces()).collect(),
        }
    }

    fn hire(&mut self, mut worker: Worker) -> u32 {
        match self.free.pop() {
            Some(number) => {
                // What woke the one before must not wake this one.
                worker.woken = self.workers[number as usize].woken + 1;
                self.workers[number as usize] = worker;
                number
            }
            None => {
                self.workers.push(worker);
                u32::try_from(self.workers.len() - 1).expect("few workers")
            }
        }
    }
}

impl World {
    /// Gives batches to the containers that are idle.
    pub fn dispatch(&mut self) {
        while let Some(container) = self.workers.idle.last().copied() {
            let messages = self.queue.receive(BATCH);
            if messages.is_empty() {
                return;
            }
            self.workers.idle.pop();
            self.workers.batches[container].unfinished = messages.len();
            for message in messages {
                self.start(container, message);
            }
        }
    }

    fn start(&mut self, container: usize, id: MessageId) {
        let worker = self.workers.hire(Worker {
            container,
            message: id,
            relay: self.queue.message(id).relay,
            began: self.now,
            ends: self.now + length(LEASE) - CLOSING,
            work: None,
            turn: None,
            woken: 0,
        });
        let route = self.scenario.route(self.queue.message(id).relay);
        self.workers.paces[container][route].begins(&self.notes[route], self.now);
        self.wait(worker, 0, Work::Turn { looks: false });
    }

    /// Wakes a worker, unless it was woken since.
    pub fn wake(&mut self, number: u32, woken: u32) {
        if self.workers.workers[number as usize].woken == woken {
            self.work(number);
        }
    }

    /// Asks for a turn towards B, and begins the attempt when the answer is known.
    fn ask(&mut self, number: u32, looks: bool) {
        let worker = &self.workers.workers[number as usize];
        let (container, relay, began) = (worker.container, worker.relay, worker.began);
        let route = self.scenario.route(relay);
        let pace = &mut self.workers.paces[container][route];
        let note = &mut self.notes[route];
        pace.waiting.retain(|waiting| *waiting != number);
        if looks {
            pace.look(note, self.now);
        }
        let admitted = pace.admit(note, began, began + PATIENCE, self.now);
        if std::mem::take(&mut pace.news) {
            self.notify(container, route);
        }
        let quiet = match admitted {
            Admitted::Ask { at, looks } => {
                let pace = &mut self.workers.paces[container][route];
                pace.waiting.push_back(number);
                let time = at.max(self.now + 1) - self.now;
                return self.wait(number, time, Work::Turn { looks });
            }
            Admitted::Turn { probe } => {
                let turn = Turn { probe, used: false };
                self.workers.workers[number as usize].turn = Some(turn);
                None
            }
            Admitted::Quiet(until) => Some(until),
        };
        let message = self
            .queue
            .message(self.workers.workers[number as usize].message);
        let holder = Holder(Uuid::from_u64_pair(self.dice.number(), self.dice.number()));
        let policy = Policy {
            quiet_until: quiet,
            ..self.policy()
        };
        let delivered = Message {
            receives: u32::from(message.receives),
            sent_at: Some(moment(message.sent)),
            redriven: false,
        };
        let attempt = Attempt::new(policy, holder, target(route), delivered);
        self.go_on(number, relay, attempt);
    }

    /// Something has changed for those that wait for a turn.
    fn notify(&mut self, container: usize, route: usize) {
        for number in std::mem::take(&mut self.workers.paces[container][route].waiting) {
            self.wait(number, 0, Work::Turn { looks: false });
        }
    }

    /// B has answered a request.
    fn heard(&mut self, number: u32, load: Load, took: Ms) {
        let worker = &mut self.workers.workers[number as usize];
        let (container, route) = (worker.container, self.scenario.route(worker.relay));
        let Some(turn) = &mut worker.turn else {
            return;
        };
        let probe = turn.probe;
        (turn.used, turn.probe) = (true, probe && load == Load::Unknown);
        let pace = &mut self.workers.paces[container][route];
        pace.answered(&mut self.notes[route], load, took, probe, self.now);
        self.notify(container, route);
    }

    /// What a worker waited for is there: it goes on until it waits again.
    fn work(&mut self, number: u32) {
        let worker = &mut self.workers.workers[number as usize];
        let (relay, Some(work)) = (worker.relay, worker.work.take()) else {
            return;
        };
        let now = self.moment();
        let app = &mut self.apps[self.scenario.route(relay)];
        let attempt = match work {
            Work::Turn { looks } => return self.ask(number, looks),
            Work::Read(read) => {
                let since = moment(self.ready(relay));
                let outcome = if read.must_wait(since) {
                    ReadOutcome::NotReady(NotReady::Rebuilding)
                } else {
                    ReadOutcome::Ready { since }
                };
                read.outcome(outcome, now)
            }
            Work::Search(search, Err(reached)) => {
                let failure = Failure::new(Reason::TargetUnavailable).because("out of time");
                let reached = moment(reached);
                search.outcome(SearchOutcome::CutOff { reached, failure }, now)
            }
            Work::Search(search, Ok(())) => {
                let found = app.found(relay, &(ms(search.from)..ms(search.until)), self.now);
                // Each is read by itself: its elements, and its process.
                self.calls += 2 * found.len() as u64;
                search.outcome(SearchOutcome::Found(found), now)
            }
            Work::Arrives(create) => return self.arrives(number, create),
            Work::Answer(create, outcome, load, took) => {
                self.heard(number, load, took);
                create.outcome(outcome, now)
            }
            Work::Look(look) => {
                let outcome = if app.exists(look.id) {
                    LookOutcome::Alive
                } else {
                    LookOutcome::Gone
                };
                look.outcome(outcome, now)
            }
            Work::AddForm(add) => add.outcome(AddFormOutcome::Added, now),
            Work::Delete(delete) => {
                app.delete(delete.half.id);
                delete.outcome(DeleteOutcome::Deleted, now)
            }
            Work::Finish(finish) => {
                app.finish(finish.half.id, self.now);
                let missing = Lacks::default();
                finish.outcome(FinishOutcome::Finished { missing }, now)
            }
        };
        self.go_on(number, relay, attempt);
    }

    /// Takes steps until one takes time.
    fn go_on(&mut self, number: u32, relay: u32, mut attempt: Attempt) {
        loop {
            let now = self.moment();
            let step = attempt.next(now);
            attempt = match step {
                Step::Claim(put) | Step::Record(put) => self.put(relay, put),
                Step::Verify(verify) => verify.outcome(VerifyOutcome::Passed, now),
                Step::Read(read) => {
                    self.calls += 2;
                    return self.wait(number, READ, Work::Read(read));
                }
                Step::Search(search) => return self.search(number, relay, search),
                Step::Create(create) => {
                    // The attachment is read from Storage while it is sent.
                    self.calls += 2;
                    return self.wait(number, CALL, Work::Arrives(create));
                }
                Step::Look(look) => return self.call(number, Work::Look(look)),
                Step::AddForm(add) => return self.call(number, Work::AddForm(add)),
                Step::Delete(delete) => return self.call(number, Work::Delete(delete)),
                Step::Finish(finish) => return self.call(number, Work::Finish(finish)),
                Step::Resume(_) | Step::AfterSteps(_) => {
                    unreachable!("this B has no engine, and the route no after-steps")
                }
                Step::End(end) => return self.end(number, &end),
            }
        }
    }

    fn put(&mut self, relay: u32, put: Put) -> Attempt {
        let route = u16::try_from(self.scenario.route(relay)).unwrap_or_default();
        let before = self.ledger.record(relay).map(|record| record.state);
        let after = put.record.state;
        let outcome = self.ledger.put(relay, route, &put, self.now);
        if outcome == stafett_core::relay::decide::PutOutcome::Written {
            self.count_open(before, after);
        }
        put.outcome(outcome)
    }

    fn call(&mut self, number: u32, work: Work) {
        self.calls += 1;
        self.wait(number, CALL, work);
    }

    fn wait(&mut self, number: u32, time: Ms, work: Work) {
        let worker = &mut self.workers.workers[number as usize];
        worker.work = Some(work);
        worker.woken += 1;
        let event = Event::Work(number, worker.woken);
        self.schedule.at(self.now + time, event);
    }

    /// A search lists all that B's app created within its window, slot by slot. It is cut off where the time does not suffice. What
    /// another search of this container has listed is not listed again.
    fn search(&mut self, number: u32, relay: u32, search: Search) {
        let worker = &self.workers.workers[number as usize];
        let (container, route) = (worker.container, self.scenario.route(relay));
        let left = worker.ends.saturating_sub(self.now);
        let (mut took, mut outcome) = (0, Ok(()));
        for slot in search.slots() {
            let known = self.workers.walks[container].get(&(route, slot));
            let is_known = known.is_some_and(|listed| match search.final_since() {
                Some(since) => *listed >= since,
                None => now_less(self.moment(), JUST_NOW) <= *listed,
            });
            if is_known {
                continue;
            }
            let (from, before) = (ms(slot.from), ms(slot.before));
            let instances = self.apps[route].created_within(from..before);
            let pages = instances / SEARCH_PAGE + 1;
            let (page, instance) = PAGE;
            took += page * pages as Ms + (instance * instances as f64) as Ms;
            if took > left {
                outcome = Err(from);
                break;
            }
            self.calls += pages as u64;
            let listed = self.moment();
            self.workers.walks[container].insert((route, slot), listed);
        }
        self.wait(number, took.min(left), Work::Search(search, outcome));
    }

    fn arrives(&mut self, number: u32, create: Create) {
        let worker = &self.workers.workers[number as usize];
        let left = worker.ends.saturating_sub(self.now).min(LONGEST_CHANGE);
        let relay = worker.relay;
        let app = &mut self.apps[self.scenario.route(relay)];
        let (took, outcome, load) = match app.create(relay, self.now) {
            Answer::After(took, outcome, load) if took <= left => (took, outcome, load),
            Answer::After(..) | Answer::Never => {
                (left, unanswered("the request timed out"), Load::Hung)
            }
        };
        self.wait(number, took, Work::Answer(create, outcome, load, took));
    }

    fn end(&mut self, number: u32, end: &End) {
        let worker = &self.workers.workers[number as usize];
        let (container, message) = (worker.container, worker.message);
        let route = self.scenario.route(worker.relay);
        let turn = self.workers.workers[number as usize].turn.take();
        self.workers.free.push(number);
        if let Some(turn) = turn {
            let pace = &mut self.workers.paces[container][route];
            pace.over(&mut self.notes[route], turn.used, turn.probe, self.now);
            self.notify(container, route);
        }
        match end.disposition {
            Disposition::Acknowledge => self.workers.batches[container].deleted.push(message),
            Disposition::Again(wait) => {
                // Visibility is set in whole seconds.
                let wait = length(wait).div_ceil(SECOND) * SECOND;
                let at = self.now + wait.min(LONGEST_DELAY);
                self.schedule.at(at, Event::Visible(message));
            }
            Disposition::GiveUp => self.schedule.at(self.now, Event::Visible(message)),
        }
        let batch = &mut self.workers.batches[container];
        batch.unfinished -= 1;
        if batch.unfinished == 0 {
            for message in std::mem::take(&mut batch.deleted) {
                let relay = self.queue.message(message).relay;
                self.messages[relay as usize] -= 1;
                self.queue.delete(message);
            }
            self.workers.idle.push(container);
            self.dispatch();
        }
    }
}

/// The moment a while before another.
fn now_less(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// The app B of a route.
pub fn target(route: usize) -> AppId {
    let app = format!("ttd/b{route}");
    app.parse().expect("an app id")
}
