//! Every way in which deliveries, crashes, lost answers and late effects of one relay can interleave,
//! within bounds that are printed: two workers, two messages of the same relay, and a number of
//! misfortunes, in a world whose clock ticks in whole steps.
//!
//! The core under test is the real one. The world is a model of what surrounds it: a ledger that
//! swaps by revision; a queue that delivers at least once, a dead-letter queue that an operator redrives, and a
//! reconcile that enqueues what is open; and an app B as Altinn's is seen to be. It answers any status before or
//! after it has made the instance. It goes on with a request after its sender is gone, for no longer than
//! the settling time. And where its policy lets it, it may delete at the end what was complete before.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
    io::Write,
    time::Duration,
};

use jiff::Timestamp;
use stafett_core::{
    id::InstanceId,
    relay::{
        Holder, Reason, Record, State,
        decide::{
            self, Answer, Attempt, Evidence, Found, Lacks, Policy, Problem, Quiet, Reply, Step,
            Verdict,
        },
    },
};
use uuid::Uuid;

/// Ticks of the clock; one tick is a minute to the core, which is as long as Storage may still work on a call
/// that B's app gave up on.
const TICK: i64 = 60;
const LEASE: u64 = 1;
const SETTLE: u64 = 2;
const SOON: u64 = 1;
/// A message is invisible this long after a receive, if nobody says otherwise.
const VISIBILITY: u64 = 2;
/// The longest wait that the model tells apart from longer ones: beyond it all is quiet.
const LONGEST_WAIT: u64 = LEASE + SETTLE;
/// A message is moved to the dead-letter queue after so many receives.
const MAX_RECEIVES: u32 = 3;
/// Tick by tick until here: two claims can run out and be taken over, one after the other. Then the
/// clock stands far ahead, where all that was waited for is over, and nothing goes wrong any more.
const BUSY: u64 = 5;
const CALM: u64 = 1_000;

/// What is taken away from the protocol, to see that the exploration finds what it prevents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The search always says that there is none.
    NoSearch,
    /// B counts as quiet as soon as its sender has given up.
    NoSettling,
    /// The ledger writes whatever it is told to, whoever wrote before.
    NoFencing,
    /// An answer of the app's own is believed to say that nothing was made.
    AnswersBelieved,
    /// A relay that failed forgets that a request of it was sent.
    FailureForgets,
    /// A claim that was never given back counts as one that sent nothing.
    ClaimForgets,
    /// What was adopted while its app was at work is not looked at again.
    NoSecondLook,
}

/// How much may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Misfortunes {
    crashes: u8,
    /// Lost and bad answers, writes of which nobody hears, closed gates, refusals half-way, late deletions.
    faults: u8,
    /// Ticks that pass while somebody is at work: a request that takes long, a process that stands still.
    stalls: u8,
    /// Messages that an operator sends back, or that reconcile enqueues.
    messages: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    ledger: Option<Record>,
    instances: Vec<Instance>,
    workers: [Option<Worker>; 2],
    messages: [Message; 2],
    /// Requests that no worker waits for any more, and the tick at which B and Storage have ended them.
    loose: Vec<(Request, u64)>,
    misfortunes: Misfortunes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Instance {
    /// It has its form.
    form: bool,
    /// It is as a clean one is, or has all that can be added to it.
    complete: bool,
    gone: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Worker {
    message: usize,
    attempt: Attempt,
    /// The request for a new instance that it waits for.
    request: Option<Request>,
}

/// How far B is with a request for a new instance, which is known by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Request {
    Sent,
    /// The instance is made, its parts are not stored.
    Half(usize),
    Complete(usize),
    /// B refused after it had made the instance, and left it.
    Orphaned(usize),
    /// The instance is to be deleted.
    Deletion(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Message {
    Visible { receives: u32, from: u64 },
    InWork { receives: u32, until: u64 },
    Deleted,
    Dead,
}

fn moment(tick: u64) -> Timestamp {
    Timestamp::from_second(1_000_000 + TICK * i64::try_from(tick).unwrap()).unwrap()
}

/// What the core is told of so many receives: here a message has fewer.
fn told(receives: u32) -> u32 {
    match receives {
        1 => 1,
        MAX_RECEIVES.. => decide::MAX_RECEIVES,
        _ => 2,
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs(count * TICK.unsigned_abs())
}

fn id(index: usize) -> InstanceId {
    InstanceId {
        party: 1,
        guid: Uuid::from_u128(index as u128),
    }
}

fn index(id: InstanceId) -> usize {
    usize::try_from(id.guid.as_u128()).unwrap()
}

/// The step without what no decision depends on, so that worlds that differ by it only are one.
fn forgetful(mut step: Step) -> Step {
    if let Step::Put { record, .. } = &mut step {
        record.reason = record.reason.map(|_| Reason::Refused);
        record.updated = moment(0);
        record.first = moment(0);
        record.attempts = 0;
        record.detail = None;
        if record.state != State::Claimed {
            record.lease_until = moment(0);
        }
        if let Some(sent) = &mut record.sent {
            sent.from = moment(0);
            // When it ended tells only how soon the next search is.
            sent.ended = moment(0);
        }
    }
    if let Step::Search { from, until, .. } = &mut step {
        (*from, *until) = (moment(0), moment(0));
    }
    step
}

fn trouble() -> Evidence {
    Evidence::Trouble(problem())
}

fn problem() -> Problem {
    Problem::new(Reason::TargetUnavailable)
}

fn unclear(quiet: Quiet) -> Evidence {
    Evidence::Unclear(problem(), quiet)
}

/// An answer of the app's own that is not 201.
fn reply(refused: bool, nothing_made: bool, quiet: Quiet) -> Answer {
    Answer::Unclear(Reply {
        problem: Problem::new(Reason::Refused),
        refused,
        nothing_made,
        quiet,
        instance: None,
    })
}

#[derive(Clone, Copy)]
struct Model {
    broken: Broken,
    /// B's policy lets us delete half-made instances.
    may_delete: bool,
    /// The route has steps on A after B is made.
    after_steps: bool,
}

impl Model {
    fn policy(self) -> Policy {
        let settle = if self.broken == Broken::NoSettling {
            0
        } else {
            SETTLE
        };
        Policy {
            lease: ticks(LEASE),
            settle: ticks(settle),
            memory: Duration::from_secs(1_000_000),
            after_steps: self.after_steps,
            stamped_late: false,
        }
    }

    /// Every world that can follow.
    fn successors(self, world: &World) -> Vec<World> {
        let mut next = Vec::new();
        // Reading A touches nothing that anybody else sees: it may as well be done at once.
        let reads = |number: &usize| world.next_step(*number) == Some(Step::Read);
        if let Some(number) = (0..world.workers.len()).find(reads) {
            self.step(world, number, &mut next);
            return next;
        }
        self.deliver(world, &mut next);
        for (number, worker) in world.workers.iter().enumerate() {
            let Some(worker) = worker else { continue };
            match worker.request {
                Some(request) => self.answer(world, number, request, &mut next),
                None => self.step(world, number, &mut next),
            }
            if world.misfortunes.crashes > 0 {
                next.push(world.crashed(number));
            }
        }
        for (position, (request, until)) in world.loose.iter().copied().enumerate() {
            for (request, mut world) in self.advanced(world, request, true) {
                world.loose.remove(position);
                world.let_loose(request, until);
                next.push(world);
            }
        }
        next.extend(world.woken());
        next.extend(world.redriven());
        next.extend(world.ticked());
        next
    }

    fn deliver(self, world: &World, next: &mut Vec<World>) {
        for (position, message) in world.messages.iter().enumerate() {
            let Message::Visible { receives, from } = *message else {
                continue;
            };
            if from > world.now {
                continue;
            }
            let mut world = world.clone();
            if receives >= MAX_RECEIVES {
                world.messages[position] = Message::Dead;
                next.push(world);
                continue;
            }
            // Workers are alike: the first that is free takes it.
            let Some(free) = world.workers.iter().position(Option::is_none) else {
                continue;
            };
            let receives = receives + 1;
            // Revisions tell writers apart; that all have one name makes fewer worlds.
            let holder = Holder(Uuid::nil());
            let target = "ttd/casework".parse().unwrap();
            world.workers[free] = Some(Worker {
                message: position,
                // All that the core asks here is whether it is the first time, or the last.
                attempt: Attempt::new(self.policy(), holder, target, told(receives)),
                request: None,
            });
            let until = world.now + VISIBILITY;
            world.messages[position] = Message::InWork { receives, until };
            next.push(world);
        }
    }

    /// The worker takes the step that the core names, with every evidence that it can come to.
    fn step(self, world: &World, number: usize, next: &mut Vec<World>) {
        let Some(mut step) = world.next_step(number) else {
            return;
        };
        if let Step::Put { record, .. } = &mut step {
            record.rev = world.fresh_revision();
            self.forget(record, world.ledger.as_ref());
        }
        let mut push = |world: &World, evidence: Evidence| {
            next.push(world.learned(number, step.clone(), evidence));
        };
        let unlucky = world.unlucky();
        match &step {
            Step::Put {
                record, replaces, ..
            } => {
                let holds = world.ledger.as_ref().map(|record| record.rev);
                let admitted = holds == *replaces || self.broken == Broken::NoFencing;
                let mut written = world.clone();
                if admitted {
                    written.ledger = Some((**record).clone());
                    push(&written, Evidence::Written);
                } else {
                    push(
                        world,
                        Evidence::Conflict(world.ledger.clone().map(Box::new)),
                    );
                }
                if let Some(unlucky) = unlucky {
                    push(&unlucky, Evidence::Unwritten);
                    written.misfortunes = unlucky.misfortunes;
                    push(&written, Evidence::Unwritten);
                }
            }
            Step::Read => {
                push(world, Evidence::Ready { since: moment(0) });
                if let Some(unlucky) = unlucky {
                    push(&unlucky, trouble());
                    push(&unlucky, Evidence::NotYet(Problem::new(Reason::GateClosed)));
                }
            }
            Step::Search { .. } => {
                push(world, Evidence::Found(self.found(world)));
                if let Some(unlucky) = unlucky {
                    push(&unlucky, trouble());
                }
            }
            Step::Create => {
                let mut sent = world.clone();
                if let Some(worker) = &mut sent.workers[number] {
                    worker.request = Some(Request::Sent);
                }
                if let Some(unlucky) = unlucky {
                    push(&unlucky, Evidence::Answered(Answer::NotSent(problem())));
                }
                next.push(sent);
            }
            Step::Look(b) => {
                let alive = !world.instances[index(*b)].gone;
                push(world, Evidence::Looked { alive });
                if let Some(unlucky) = unlucky {
                    push(&unlucky, trouble());
                }
            }
            Step::Delete(_) if !self.may_delete => push(world, Evidence::Denied),
            Step::Delete(b) => {
                let mut worked = world.clone();
                worked.instances[index(*b)].gone = true;
                push(&worked, Evidence::Worked);
                if let Some(mut unlucky) = unlucky {
                    push(&unlucky, unclear(Quiet::Now));
                    // Storage may do it later.
                    unlucky.let_loose(Request::Deletion(index(*b)), unlucky.now + SETTLE);
                    push(&unlucky, unclear(Quiet::Settled));
                }
            }
            Step::AddForm(b) | Step::Finish(b) => {
                let mut worked = world.clone();
                let instance = &mut worked.instances[index(*b)];
                instance.form = true;
                instance.complete |= matches!(step, Step::Finish(_));
                push(&worked, Evidence::Worked);
                if let Some(unlucky) = unlucky {
                    push(&unlucky, unclear(Quiet::Now));
                    if matches!(step, Step::AddForm(_)) {
                        push(&unlucky, Evidence::Refused(Problem::new(Reason::Refused)));
                    }
                    worked.misfortunes = unlucky.misfortunes;
                    push(&worked, unclear(Quiet::Settled));
                }
            }
            Step::Resume(_) => unreachable!("this B has no engine"),
            Step::AfterSteps => {
                push(world, Evidence::Worked);
                if let Some(unlucky) = unlucky {
                    push(&unlucky, trouble());
                }
            }
            Step::End(verdict) => next.push(world.concluded(number, *verdict)),
        }
    }

    fn found(self, world: &World) -> Vec<Found> {
        if self.broken == Broken::NoSearch {
            return Vec::new();
        }
        let found = world
            .instances
            .iter()
            .enumerate()
            .map(|(index, instance)| Found {
                id: id(index),
                created: None,
                gone: instance.gone,
                ended: false,
                touched: false,
                engine: Default::default(),
                lacks: Lacks {
                    form: !instance.form,
                    start: !instance.complete,
                    ..Lacks::default()
                },
            });
        found.collect()
    }

    /// Takes out of a record that replaces another what a broken protocol forgets.
    fn forget(self, record: &mut Record, before: Option<&Record>) {
        let over_a_claim = before.is_some_and(|before| before.state == State::Claimed);
        let forgets = match self.broken {
            Broken::FailureForgets => record.state == State::Failed,
            Broken::ClaimForgets => record.state == State::Claimed && over_a_claim,
            Broken::NoSecondLook => record.state == State::Created,
            _ => false,
        };
        if forgets {
            record.sent = None;
        }
    }

    /// B goes on with a request whose sender waits; it answers, or its answer is lost.
    fn answer(self, world: &World, number: usize, request: Request, next: &mut Vec<World>) {
        for (request, mut world) in self.advanced(world, request, false) {
            if let Some(worker) = &mut world.workers[number] {
                worker.request = Some(request);
            }
            next.push(world);
        }
        let mut push = |mut world: World, answer: Answer| {
            if let Some(worker) = &mut world.workers[number] {
                worker.request = None;
            }
            let answer = match answer {
                Answer::Unclear(reply)
                    if self.broken == Broken::AnswersBelieved && reply.quiet == Quiet::Now =>
                {
                    Answer::NotSent(reply.problem)
                }
                answer => answer,
            };
            next.push(world.learned(number, Step::Create, Evidence::Answered(answer)));
        };
        let nothing_made = request == Request::Sent;
        match request {
            Request::Complete(index) => push(world.clone(), Answer::Created(id(index))),
            Request::Orphaned(_) => push(world.clone(), reply(true, false, Quiet::Now)),
            Request::Sent | Request::Half(_) | Request::Deletion(_) => {}
        }
        if let Some(unlucky) = world.unlucky() {
            // Storage's status, passed on: the app is done, whatever it has made.
            push(unlucky.clone(), reply(false, false, Quiet::Now));
            if nothing_made {
                push(unlucky.clone(), reply(true, true, Quiet::Now));
            }
            for (quiet, ends) in [(Quiet::Soon, SOON), (Quiet::Settled, SETTLE)] {
                let mut goes_on = unlucky.clone();
                goes_on.let_loose(request, world.now + ends);
                push(goes_on, reply(false, false, quiet));
            }
        }
    }

    /// What B may do next with a request. One whose sender is gone may also end in a deletion.
    fn advanced(self, world: &World, request: Request, loose: bool) -> Vec<(Request, World)> {
        let mut next = Vec::new();
        let deleted = |world: &World, index: usize| {
            let mut deleted = world.clone();
            deleted.instances[index].gone = true;
            deleted
        };
        match request {
            Request::Sent => {
                let mut made = world.clone();
                made.instances.push(Instance {
                    form: false,
                    complete: false,
                    gone: false,
                });
                next.push((Request::Half(made.instances.len() - 1), made));
            }
            Request::Half(index) if !world.instances[index].gone => {
                let mut stored = world.clone();
                stored.instances[index].form = true;
                stored.instances[index].complete = true;
                next.push((Request::Complete(index), stored));
                if let Some(refused) = world.unlucky() {
                    next.push((Request::Orphaned(index), refused));
                }
            }
            Request::Complete(index) if loose && self.may_delete => {
                if let Some(unlucky) = world.unlucky() {
                    next.push((Request::Orphaned(index), deleted(&unlucky, index)));
                }
            }
            Request::Deletion(index) => {
                next.push((Request::Orphaned(index), deleted(world, index)))
            }
            Request::Half(_) | Request::Complete(_) | Request::Orphaned(_) => {}
        }
        next
    }
}

impl World {
    fn start(misfortunes: Misfortunes) -> Self {
        Self {
            now: 0,
            ledger: None,
            instances: Vec::new(),
            workers: [None, None],
            messages: [Message::Visible {
                receives: 0,
                from: 0,
            }; 2],
            loose: Vec::new(),
            misfortunes,
        }
    }

    /// The same world, one fault later.
    fn unlucky(&self) -> Option<Self> {
        let faults = self.misfortunes.faults.checked_sub(1)?;
        let misfortunes = Misfortunes {
            faults,
            ..self.misfortunes
        };
        Some(Self {
            misfortunes,
            ..self.clone()
        })
    }

    fn learned(&self, number: usize, step: Step, evidence: Evidence) -> Self {
        let mut world = self.clone();
        let now = moment(world.now);
        if let Some(worker) = &mut world.workers[number] {
            worker.attempt.learn(step, evidence, now);
        }
        world
    }

    /// A revision that nobody knows. All that counts of revisions is whether two are the same.
    fn fresh_revision(&self) -> u64 {
        let held = self.workers.iter().flatten();
        let held = held.filter_map(|worker| worker.attempt.record());
        let known: Vec<u64> = held.chain(&self.ledger).map(|record| record.rev).collect();
        (1..).find(|rev| !known.contains(rev)).unwrap_or_default()
    }

    /// The step that a worker takes next.
    fn next_step(&self, number: usize) -> Option<Step> {
        let worker = self.workers[number]
            .as_ref()
            .filter(|worker| worker.request.is_none())?;
        Some(forgetful(worker.attempt.next(moment(self.now))))
    }

    /// The worker is gone. Its request goes on without it, its message comes again in time.
    fn crashed(&self, number: usize) -> Self {
        let mut world = self.clone();
        world.misfortunes.crashes -= 1;
        if let Some(request) = world.workers[number]
            .take()
            .and_then(|worker| worker.request)
        {
            let until = world.now + SETTLE;
            world.let_loose(request, until);
        }
        world
    }

    /// A request without a sender. What it still does, it does before `until`.
    fn let_loose(&mut self, request: Request, until: u64) {
        if !matches!(request, Request::Orphaned(_)) {
            self.loose.push((request, until));
            self.loose.sort_unstable();
        }
    }

    fn concluded(&self, number: usize, verdict: Verdict) -> Self {
        let mut world = self.clone();
        let Some(worker) = world.workers[number].take() else {
            return world;
        };
        let message = &mut world.messages[worker.message];
        *message = match (*message, verdict) {
            // A receipt works as long as the message is there, in work or visible again.
            (Message::InWork { .. } | Message::Visible { .. }, Verdict::Acknowledge) => {
                Message::Deleted
            }
            (Message::InWork { receives, .. }, Verdict::Again(wait)) => {
                let wait = wait.as_secs().div_ceil(TICK.unsigned_abs());
                let wait = wait.clamp(1, LONGEST_WAIT);
                // When all is calm nobody watches the clock: what is put back comes back.
                let from = if world.now < CALM {
                    world.now + wait
                } else {
                    0
                };
                Message::Visible { receives, from }
            }
            (Message::InWork { receives, .. }, Verdict::GiveUp) => {
                Message::Visible { receives, from: 0 }
            }
            (other, _) => other,
        };
        world
    }

    /// Reconcile enqueues a relay that is open: at any moment, and in the end without fail.
    fn woken(&self) -> Option<Self> {
        let open = self.ledger.as_ref().is_some_and(|record| {
            matches!(
                record.state,
                State::Claimed | State::Waiting | State::Created
            )
        });
        let free = |message: &Message| *message == Message::Deleted;
        let position = self.messages.iter().position(free).filter(|_| open)?;
        let mut world = self.clone();
        if self.now < CALM {
            world.misfortunes.messages = self.misfortunes.messages.checked_sub(1)?;
        } else if !self.is_settled() {
            return None;
        }
        world.messages[position] = Message::Visible {
            receives: 0,
            from: 0,
        };
        Some(world)
    }

    /// An operator sends a dead letter back.
    fn redriven(&self) -> Option<Self> {
        let dead = |message: &Message| *message == Message::Dead;
        let position = self.messages.iter().position(dead)?;
        let mut world = self.clone();
        world.misfortunes.messages = self.misfortunes.messages.checked_sub(1)?;
        world.messages[position] = Message::Visible {
            receives: 0,
            from: 0,
        };
        Some(world)
    }

    /// The clock goes on, unless something must happen first.
    fn ticked(&self) -> Option<Self> {
        if self.is_good_end() || self.now >= CALM {
            return None;
        }
        let mut world = self.clone();
        world.now = if self.now < BUSY { self.now + 1 } else { CALM };
        if self.workers.iter().any(Option::is_some) {
            world.misfortunes.stalls = self.misfortunes.stalls.checked_sub(1)?;
        }
        for worker in world.workers.iter().flatten() {
            let lease_until = worker.attempt.record().map(|record| record.lease_until);
            // No request outlives its claim: by the lease's end its sender has given it up.
            if worker.request.is_some() && lease_until.is_some_and(|end| moment(world.now) > end) {
                return None;
            }
        }
        // What a request without a sender has not done by now it never does.
        let now = world.now;
        if let Some(record) = &mut world.ledger {
            // Moments that have passed are all alike.
            if record.lease_until + ticks(SETTLE) <= moment(now) {
                record.lease_until = moment(0);
            }
            if let Some(sent) = record
                .sent
                .as_mut()
                .filter(|sent| sent.quiet <= moment(now))
            {
                sent.quiet = moment(0);
            }
        }
        world.loose.retain(|(_, until)| now < *until);
        for message in &mut world.messages {
            match *message {
                Message::InWork { receives, until } if until <= now => {
                    *message = Message::Visible { receives, from: 0 };
                }
                Message::Visible { receives, from } if from <= now => {
                    *message = Message::Visible { receives, from: 0 };
                }
                _ => {}
            }
        }
        if now == CALM {
            world.misfortunes = Misfortunes::default();
        }
        Some(world)
    }

    fn live_complete(&self) -> usize {
        self.instances
            .iter()
            .filter(|instance| instance.complete && !instance.gone)
            .count()
    }

    /// All messages are dealt with, nobody works, and B rests.
    fn is_settled(&self) -> bool {
        let dealt_with = |message: &Message| matches!(message, Message::Deleted | Message::Dead);
        self.workers.iter().all(Option::is_none)
            && self.loose.is_empty()
            && self.messages.iter().all(dealt_with)
    }

    /// Workers are alike, and so are the two messages: worlds that differ by their order are one.
    fn canonical(mut self) -> Self {
        let key = |hashed: &dyn Fn(&mut QuickHasher)| {
            let mut hasher = QuickHasher::default();
            hashed(&mut hasher);
            hasher.finish()
        };
        let message_key = |world: &Self, position: usize| {
            key(&|hasher| {
                world.messages[position].hash(hasher);
                for worker in world.workers.iter().flatten() {
                    if worker.message == position {
                        (&worker.attempt, worker.request).hash(hasher);
                    }
                }
            })
        };
        if message_key(&self, 0) > message_key(&self, 1) {
            self.messages.swap(0, 1);
            for worker in self.workers.iter_mut().flatten() {
                worker.message = 1 - worker.message;
            }
        }
        self.workers
            .sort_by_cached_key(|worker| key(&|hasher| worker.hash(hasher)));
        self
    }

    /// One B, and done; or on record with a reason, or in the dead-letter queue.
    fn is_good_end(&self) -> bool {
        self.is_settled()
            && match &self.ledger {
                Some(record) if record.state == State::Done => self.live_complete() == 1,
                Some(record) if record.state == State::Failed => record.reason.is_some(),
                // Open: reconcile wakes it, or an operator finds it in the dead-letter queue.
                Some(_) => self.messages.contains(&Message::Dead),
                None => self.messages.contains(&Message::Dead),
            }
    }

    /// A message is deleted though nothing is on record.
    fn has_forgotten(&self) -> bool {
        self.messages.contains(&Message::Deleted)
            && self.ledger.as_ref().is_none_or(|record| {
                // A claim stands for the other delivery, whose message is still there.
                record.state == State::Claimed
                    && !self.messages.iter().any(|m| {
                        matches!(
                            m,
                            Message::InWork { .. } | Message::Visible { .. } | Message::Dead
                        )
                    })
                    && self.workers.iter().all(Option::is_none)
            })
    }
}

#[derive(Debug, Default)]
struct Explored {
    states: usize,
    /// The first world with two live complete B.
    doubled: Option<World>,
    /// The first world in which a message was deleted before its relay was on record.
    forgotten: Option<World>,
    /// Worlds from which no good end can be reached.
    lost: usize,
    most_instances: usize,
}

/// What tells worlds apart. 64 bits: that two of a million are alike by chance happens once in ten million runs.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Orders what is alike. Two that differ and hash alike are two worlds where one would do.
#[derive(Default)]
struct QuickHasher(u64);

impl Hasher for QuickHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// Fingerprints are hashes already.
#[derive(Default)]
struct NoHasher(u64);

impl Hasher for NoHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// Visits every world that can be reached.
fn explore(model: Model, misfortunes: Misfortunes) -> Explored {
    let mut explored = Explored::default();
    let mut known: HashMap<u64, u32, BuildHasherDefault<NoHasher>> = HashMap::default();
    let mut before: Vec<Vec<u32>> = Vec::new();
    let mut good_ends: Vec<u32> = Vec::new();
    let mut due: VecDeque<(World, u32)> = VecDeque::new();
    let mut visit = |world: World, from: Option<u32>, due: &mut VecDeque<(World, u32)>| {
        let there = u32::try_from(before.len()).unwrap();
        let there = *known.entry(fingerprint(&world)).or_insert(there);
        if there as usize == before.len() {
            before.push(Vec::new());
            explored.states += 1;
            explored.most_instances = explored.most_instances.max(world.instances.len());
            if world.live_complete() > 1 && explored.doubled.is_none() {
                explored.doubled = Some(world.clone());
            }
            if world.has_forgotten() && explored.forgotten.is_none() {
                explored.forgotten = Some(world.clone());
            }
            if world.is_good_end() {
                good_ends.push(there);
            }
            due.push_back((world, there));
        }
        before[there as usize].extend(from);
        // Of a broken protocol one second B is enough.
        model.broken == Broken::Nothing || explored.doubled.is_none()
    };
    visit(World::start(misfortunes), None, &mut due);
    'worlds: while let Some((world, here)) = due.pop_front() {
        for next in model.successors(&world) {
            if !visit(next.canonical(), Some(here), &mut due) {
                break 'worlds;
            }
        }
    }
    let mut ends_well = vec![false; before.len()];
    good_ends
        .iter()
        .for_each(|&end| ends_well[end as usize] = true);
    while let Some(here) = good_ends.pop() {
        for &earlier in &before[here as usize] {
            if !std::mem::replace(&mut ends_well[earlier as usize], true) {
                good_ends.push(earlier);
            }
        }
    }
    explored.lost = ends_well.iter().filter(|ends_well| !**ends_well).count();
    explored
}

fn assert_sound(misfortunes: Misfortunes) {
    assert_sound_with(false, misfortunes);
}

fn assert_sound_with(after_steps: bool, misfortunes: Misfortunes) {
    for may_delete in [false, true] {
        let explored = explore(
            Model {
                broken: Broken::Nothing,
                may_delete,
                after_steps,
            },
            misfortunes,
        );
        tell(&format!(
            "{misfortunes:?}, after-steps: {after_steps}, deletion {}: {} states, no second B; at most {} instances were ever made",
            if may_delete { "allowed" } else { "denied" },
            explored.states,
            explored.most_instances,
        ));
        assert!(
            explored.doubled.is_none(),
            "two live B: {:#?}",
            explored.doubled
        );
        assert!(
            explored.forgotten.is_none(),
            "deleted unrecorded: {:#?}",
            explored.forgotten
        );
        assert_eq!(explored.lost, 0, "worlds that cannot end well");
    }
}

/// Straight to the terminal: how much was explored is for whoever reads a run that passed.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn misfortunes(crashes: u8, faults: u8, stalls: u8) -> Misfortunes {
    Misfortunes {
        crashes,
        faults,
        stalls,
        messages: 0,
    }
}

impl Misfortunes {
    /// The same, with so many messages that an operator sends back or reconcile enqueues.
    fn and_messages(self, messages: u8) -> Self {
        Self { messages, ..self }
    }
}

#[test]
fn slow_workers_alone_never_make_a_second_b() {
    assert_sound(misfortunes(0, 0, 2));
}

#[test]
fn two_crashes_never_make_a_second_b() {
    assert_sound(misfortunes(2, 0, 0));
}

#[test]
fn a_crash_and_a_lost_answer_never_make_a_second_b() {
    assert_sound(misfortunes(1, 1, 0));
}

#[test]
fn two_bad_answers_never_make_a_second_b() {
    assert_sound(misfortunes(0, 2, 0));
}

#[test]
fn a_fault_while_workers_are_slow_never_makes_a_second_b() {
    assert_sound(misfortunes(0, 1, 1));
}

#[test]
fn a_crash_while_workers_are_slow_never_makes_a_second_b() {
    assert_sound(misfortunes(1, 0, 1));
}

#[test]
fn a_message_that_is_sent_again_after_a_fault_never_makes_a_second_b() {
    assert_sound(misfortunes(0, 1, 1).and_messages(1));
}

#[test]
fn a_message_that_is_sent_again_after_a_crash_never_makes_a_second_b() {
    assert_sound(misfortunes(1, 0, 1).and_messages(1));
}

#[test]
fn after_steps_that_fail_and_holders_that_crash_never_make_a_second_b() {
    assert_sound_with(true, misfortunes(1, 1, 0));
}

/// The exploration can fail: whatever part of the protocol is taken away, it finds a second B, or none.
#[test]
fn without_any_one_of_its_rules_the_protocol_doubles_or_loses() {
    for (broken, misfortunes, may_delete) in [
        (Broken::NoSearch, misfortunes(1, 0, 0), false),
        (Broken::NoSettling, misfortunes(1, 0, 2), false),
        (Broken::NoFencing, misfortunes(0, 0, 1), false),
        (Broken::AnswersBelieved, misfortunes(0, 1, 0), false),
        (
            Broken::FailureForgets,
            misfortunes(0, 2, 0).and_messages(1),
            false,
        ),
        (Broken::ClaimForgets, misfortunes(1, 0, 0), false),
        (Broken::NoSecondLook, misfortunes(1, 1, 0), true),
    ] {
        let explored = explore(
            Model {
                broken,
                may_delete,
                after_steps: false,
            },
            misfortunes,
        );
        let (doubled, lost) = (explored.doubled.is_some(), explored.lost > 0);
        tell(&format!(
            "{broken:?}, {misfortunes:?}: {} states, {}",
            explored.states,
            if doubled {
                "a second B"
            } else {
                "no B in the end"
            },
        ));
        assert!(doubled || lost, "{broken:?} must show");
    }
}
