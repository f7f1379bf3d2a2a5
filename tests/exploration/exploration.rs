//! Explores every interleaving of deliveries, crashes, lost answers and late effects of one relay, within bounds that
//! are printed: two workers, two messages of the same relay, and a number of misfortunes, in a world whose clock
//! ticks in whole steps.
//!
//! The core under test is the real one. The world around it is a model: a ledger that compares revisions and swaps; a
//! queue that delivers at least once, a dead-letter queue that an operator redrives, and a reconcile that puts on record
//! what it tells of, and enqueues relays that are due; and an app B that behaves as Altinn's apps were observed to. B may answer any status before or after it has
//! created the instance. It may go on with a request after its sender is gone, for the settling time at most. Where its
//! policy allows deletion, it may in the end delete an instance that was complete before.
//!
//! The ledger may be lost once, at any point: emptied or replaced, or restored to any record that it had before. Workers
//! go on with the former ledger, and reconcile rebuilds the new one. What is left out is a worker that begins without
//! having noticed the loss, which a container may do for a minute.

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
            self, AddForm, AddFormOutcome, Attempt, Birth, Create, CreateOutcome, Delete,
            DeleteOutcome, Disposition, Failure, Finish, FinishOutcome, Found, Lacks, LookOutcome,
            NotReady, OnRecord, Policy, Put, PutOutcome, Quiet, ReadOutcome, Rebuild, Reply,
            Search, SearchOutcome, Standing, Step, VerifyOutcome,
        },
    },
};
use uuid::Uuid;

/// Seconds in a tick of the clock: a minute, which is as long as Storage may still process a call that B's app gave up
/// on.
const TICK: i64 = 60;
const LEASE: u64 = 1;
const SETTLE: u64 = 2;
const SOON: u64 = 1;
/// The tick at which the first slot of a search ends: all that goes wrong goes wrong within that slot.
const SLOT_END: u64 = 10;
/// How much clocks differ.
const MARGIN: u64 = 1;
/// How long a message is invisible after a receive, unless its visibility is changed.
const VISIBILITY: u64 = 2;
/// The longest wait that the model distinguishes from longer ones: after it, everything is quiet.
const LONGEST_WAIT: u64 = LEASE + SETTLE;
/// A message is moved to the dead-letter queue after so many receives.
const MAX_RECEIVES: u32 = 3;
/// A relay has so many attempts.
const MAX_ATTEMPTS: u32 = 3;
/// B asks for a pause that is too long for a message to be kept in the queue.
const LONG_PAUSE: Duration = Duration::from_secs(1_200);
/// Until here the clock goes tick by tick: two claims can expire and be taken over, one after the other. Then it
/// jumps to `CALM`, where every wait is over and nothing goes wrong any more.
const BUSY: u64 = 5;
const CALM: u64 = 1_000;

/// The rule that is removed from the protocol, to prove that the exploration finds what the rule prevents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The search never finds anything.
    NoSearch,
    /// B counts as quiet as soon as the sender of the request has given up.
    NoSettling,
    /// The ledger accepts every write, whatever revision it has.
    NoFencing,
    /// An answer of the app itself counts as proof that nothing was created.
    AnswersBelieved,
    /// A failed relay forgets that it sent a request.
    FailureForgets,
    /// An expired claim counts as one that sent nothing.
    ClaimForgets,
    /// A B that was adopted before its app was quiet is not looked at again.
    NoSecondLook,
    /// A relay whose message is not kept in the queue has no due time.
    NoDueTime,
    /// A search that was cut off keeps its place, although B was not quiet.
    EarlyPlaceKept,
    /// Nobody knows that the ledger is new.
    NoBirth,
}

/// How many misfortunes may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Misfortunes {
    crashes: u8,
    /// Lost and bad answers, writes without an answer, closed gates, refusals half-way, late deletions.
    faults: u8,
    /// Ticks that pass while a worker is busy: a slow request, or a process that is suspended.
    stalls: u8,
    /// Messages that an operator redrives, or that reconcile enqueues.
    messages: u8,
    /// Losses of the ledger.
    losses: u8,
    /// Records that a restored ledger may come back to.
    backups: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u64,
    ledger: Option<Record>,
    /// From when on reconcile looks after the relay.
    due: Option<u64>,
    /// What the ledger had when it was lost, for the workers that go on with it.
    former: Option<Record>,
    instances: Vec<Instance>,
    workers: [Option<Worker>; 2],
    messages: [Message; 2],
    /// Requests that no worker waits for any more, and the tick at which B and Storage have stopped processing them.
    loose: Vec<(Request, u64)>,
    /// When the ledger was lost.
    born: Option<u64>,
    /// The ledger is rebuilt.
    rebuilt: bool,
    /// What the ledger had, if it is restored, and when the relay was due.
    backup: Option<(Record, Option<u64>)>,
    misfortunes: Misfortunes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Instance {
    /// When it was created, if that may matter.
    created: u64,
    /// It has its form.
    form: bool,
    /// It was created without a fault, or has all that can be added to it.
    complete: bool,
    gone: bool,
    /// It was created after the first slot.
    late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Worker {
    message: usize,
    /// It works with the ledger that is lost.
    former: bool,
    work: Work,
}

/// What a worker is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Work {
    Between(Attempt),
    /// It waits for B's answer to this request.
    Creating(Create, Request),
}

impl Work {
    fn record(&self) -> Option<&Record> {
        match self {
            Self::Between(attempt) => attempt.record(),
            Self::Creating(create, _) => Some(create.claim()),
        }
    }
}

/// How far B is with a request for a new instance, which is identified by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Request {
    Sent,
    /// The instance is created, its parts are not stored.
    Half(usize),
    Complete(usize),
    /// B refused after it had created the instance, and left it.
    Orphaned(usize),
    /// The instance is to be deleted.
    Deletion(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Message {
    /// It may be sent.
    Unsent,
    Visible {
        receives: u32,
        from: u64,
        sent: Sending,
    },
    InWork {
        receives: u32,
        until: u64,
        sent: Sending,
    },
    Deleted,
    Dead,
}

/// The tick in which a message was sent; none for the triggers that were sent before all else. It counts as newer than
/// what was written in the same tick.
type Sending = Option<u64>;

/// What is in the queue in the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Two messages of the relay.
    Triggered,
    /// One message. It may wait so long that reconcile tells of the relay, too.
    Backlog,
    /// None: reconcile tells of the relay.
    Untold,
}

fn moment(tick: u64) -> Timestamp {
    Timestamp::from_second(1_000_000 + TICK * i64::try_from(tick).unwrap()).unwrap()
}

fn sent_at(sent: Sending) -> Timestamp {
    sent.map_or(moment(0) - ticks(60), |tick| moment(tick) + ticks(1) / 2)
}

/// A moment in ticks, rounded up. All moments after the busy time are one.
fn tick_of(at: Timestamp) -> u64 {
    let seconds = at.duration_since(moment(0)).as_secs_f64();
    let tick = (seconds / TICK as f64).ceil().max(0.0) as u64;
    if tick > BUSY { CALM } else { tick }
}

/// The number of receives that the core is told. Messages of the model are received fewer times.
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

/// A moment long before the first tick: when the records of a ledger were written that is lost later.
fn before() -> Timestamp {
    moment(0) - ticks(100)
}

/// A moment, as far as it lies before the ledger's birth or not.
fn by_birth(at: Timestamp, born: Option<u64>) -> Timestamp {
    match born {
        Some(born) if at >= moment(born) => moment(born),
        _ => before(),
    }
}

/// Removes from a record what no decision depends on, so that worlds that differ only by it are one.
fn normalise(record: &mut Record, now: u64, born: Option<u64>) {
    let gate_closed = record.reason == Some(Reason::GateClosed);
    record.reason = record.reason.map(|reason| match reason {
        Reason::GateClosed => Reason::GateClosed,
        _ => Reason::Refused,
    });
    // The clock stands still at `CALM`: what is to wait then has waited.
    record.not_before = record
        .not_before
        .filter(|_| now < CALM)
        .map(|at| moment(tick_of(at)));
    let compared = record.state == State::Failed || (gate_closed && record.not_before.is_some());
    if !compared {
        record.updated = by_birth(record.updated, born);
    }
    record.first = by_birth(record.first, born);
    // The core is told that the last attempt of the model is the last of all.
    if record.attempts >= MAX_ATTEMPTS {
        record.attempts = decide::MAX_ATTEMPTS;
    }
    record.detail = None;
    if record.state != State::Claimed {
        record.lease_until = moment(0);
    }
    if let Some(sent) = &mut record.sent {
        sent.from = if sent.from < moment(SLOT_END) {
            moment(0)
        } else {
            // A search that was cut off has moved it on, or it was sent in calm times.
            moment(SLOT_END + 1)
        };
        // When it ended decides only how soon the next search is.
        sent.ended = moment(0);
    }
}

fn failure() -> Failure {
    Failure::new(Reason::TargetUnavailable)
}

fn refusal() -> Failure {
    Failure::new(Reason::Refused)
}

/// An answer other than 201.
fn reply(refused: bool, nothing_made: bool, quiet: Quiet) -> CreateOutcome {
    CreateOutcome::Unclear(Reply {
        failure: refusal(),
        refused,
        nothing_made,
        quiet,
        instance: None,
    })
}

#[derive(Clone, Copy)]
struct Model {
    broken: Broken,
    /// B's policy allows us to delete half-made instances.
    may_delete: bool,
    /// The route has after-steps.
    after_steps: bool,
}

impl Model {
    fn policy(self, world: &World) -> Policy {
        let settle = if self.broken == Broken::NoSettling {
            0
        } else {
            SETTLE
        };
        Policy {
            lease: ticks(LEASE),
            settle: ticks(settle),
            memory: Duration::from_secs(1_000_000),
            birth: self.birth(world),
            after_steps: self.after_steps,
            stamped_late: false,
            of_set: false,
            quiet_until: None,
        }
    }

    fn birth(self, world: &World) -> Option<Birth> {
        let born = world.born.filter(|_| self.broken != Broken::NoBirth)?;
        Some(Birth {
            at: moment(born),
            rebuilt_from: world.rebuilt.then_some(Timestamp::MIN),
        })
    }

    /// Reconcile looks at all B, and writes the records that the ledger lacks. It does so at any time, and is finished when
    /// nothing can come from the former ledger any more.
    fn rebuilt(self, world: &World) -> Option<World> {
        let born = world.born.filter(|_| !world.rebuilt)?;
        let mut rebuilt = world.clone();
        let mut in_work = false;
        for (index, instance) in world.instances.iter().enumerate() {
            if instance.gone {
                continue;
            }
            let rebuild = Rebuild {
                b: id(index),
                app: "ttd/casework".parse().unwrap(),
                created: moment(instance.created),
                born: moment(born),
                lease: ticks(LEASE),
                settle: ticks(SETTLE),
                after_steps: self.after_steps,
            };
            let on_record = rebuilt.ledger.as_ref().map(|record| OnRecord {
                rev: record.rev,
                state: record.state,
                instance: record.instance,
                first: record.first,
                // The model forgets when a record was written, but not when its claim ends.
                updated: match record.state {
                    State::Claimed if record.updated >= moment(born) => {
                        (record.lease_until - ticks(LEASE)).max(moment(born))
                    }
                    _ => record.updated,
                },
            });
            match rebuild.standing(on_record.as_ref(), moment(world.now)) {
                Standing::Known(_) => {}
                Standing::InWork => in_work = true,
                Standing::Unknown => {
                    let is_whole = instance.form && instance.complete;
                    let holder = Holder(Uuid::nil());
                    let now = moment(world.now);
                    let (mut record, due) =
                        rebuild.record(is_whole, on_record.as_ref(), holder, now);
                    normalise(&mut record, world.now, world.born);
                    record.rev = rebuilt.fresh_revision();
                    rebuilt.ledger = Some(record);
                    rebuilt.due = due.map(tick_of);
                    rebuilt.age();
                }
            }
        }
        let quiet = born + LEASE + MARGIN + SETTLE;
        rebuilt.rebuilt = !in_work && world.now >= quiet;
        (rebuilt != *world).then_some(rebuilt)
    }

    /// Every world that can follow.
    fn successors(self, world: &World) -> Vec<World> {
        let mut next = Vec::new();
        // Reading A changes nothing that others can see, so its order among other steps does not matter.
        let reads = |number: &usize| matches!(world.next_step(*number), Some(Step::Read(_)));
        if let Some(number) = (0..world.workers.len()).find(reads) {
            self.step(world, number, &mut next);
            return next;
        }
        self.deliver(world, &mut next);
        for (number, worker) in world.workers.iter().enumerate() {
            let Some(worker) = worker else { continue };
            match &worker.work {
                Work::Creating(create, request) => {
                    self.answer(world, number, create, *request, &mut next);
                }
                Work::Between(_) => self.step(world, number, &mut next),
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
        next.extend(world.told());
        next.extend(world.woken());
        next.extend(world.lost());
        next.extend(world.backed_up());
        next.extend(self.rebuilt(world));
        next.extend(world.redriven());
        next.extend(world.ticked());
        next
    }

    fn deliver(self, world: &World, next: &mut Vec<World>) {
        for (position, message) in world.messages.iter().enumerate() {
            let Message::Visible {
                receives,
                from,
                sent,
            } = *message
            else {
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
            // Workers are interchangeable: the first that is free takes the message.
            let Some(free) = world.workers.iter().position(Option::is_none) else {
                continue;
            };
            let receives = receives + 1;
            // Revisions distinguish the writers; giving all the same name makes fewer worlds.
            let holder = Holder(Uuid::nil());
            let target = "ttd/casework".parse().unwrap();
            // The core only distinguishes the first receive and the last.
            let received = decide::Message {
                receives: told(receives),
                sent_at: Some(sent_at(sent)),
                redriven: false,
            };
            world.workers[free] = Some(Worker {
                message: position,
                former: false,
                work: Work::Between(Attempt::new(self.policy(&world), holder, target, received)),
            });
            let until = world.now + VISIBILITY;
            world.messages[position] = Message::InWork {
                receives,
                until,
                sent,
            };
            next.push(world);
        }
    }

    /// The worker takes the step that the core names, with every outcome that it can have.
    fn step(self, world: &World, number: usize, next: &mut Vec<World>) {
        let now = moment(world.now);
        let unlucky = world.unlucky();
        let mut push = |world: &World, attempt: Attempt| next.push(world.with(number, attempt));
        let Some(step) = world.next_step(number) else {
            return;
        };
        match step {
            Step::Claim(put) | Step::Record(put) => self.put(world, number, put, next),
            Step::Read(read) if read.must_wait(moment(0)) => {
                let rebuilding = ReadOutcome::NotReady(NotReady::Rebuilding);
                push(world, read.outcome(rebuilding, now));
            }
            Step::Read(read) => {
                let ready = ReadOutcome::Ready { since: moment(0) };
                push(world, read.clone().outcome(ready, now));
                if let Some(unlucky) = unlucky {
                    for not_ready in [
                        NotReady::Unavailable(failure()),
                        NotReady::Unavailable(failure().after(Some(LONG_PAUSE))),
                        NotReady::NotYet(Failure::new(Reason::GateClosed)),
                    ] {
                        let outcome = ReadOutcome::NotReady(not_ready);
                        push(&unlucky, read.clone().outcome(outcome, now));
                    }
                }
            }
            Step::Search(search) => {
                let found = SearchOutcome::Found(self.found(world, &search));
                push(world, search.clone().outcome(found, now));
                if let Some(unlucky) = unlucky {
                    self.cut_off(&unlucky, number, &search, next);
                }
            }
            Step::Create(create) => {
                if let Some(unlucky) = unlucky {
                    let not_sent = CreateOutcome::NotSent(failure());
                    push(&unlucky, create.clone().outcome(not_sent, now));
                }
                next.push(world.working(number, Work::Creating(create, Request::Sent)));
            }
            Step::Verify(verify) => {
                push(world, verify.clone().outcome(VerifyOutcome::Passed, now));
                if let Some(unlucky) = unlucky {
                    push(
                        &unlucky,
                        verify.outcome(VerifyOutcome::Lacking(failure()), now),
                    );
                }
            }
            Step::Look(look) => {
                let seen = if world.instances[index(look.id)].gone {
                    LookOutcome::Gone
                } else {
                    LookOutcome::Alive
                };
                push(world, look.clone().outcome(seen, now));
                if let Some(unlucky) = unlucky {
                    push(&unlucky, look.outcome(LookOutcome::Unknown, now));
                }
            }
            Step::AddForm(add) => world.add_form(number, &add, next),
            Step::Delete(delete) if !self.may_delete => {
                push(world, delete.outcome(DeleteOutcome::Denied, now));
            }
            Step::Delete(delete) => world.delete(number, &delete, next),
            Step::Finish(finish) => world.finish(number, &finish, next),
            Step::Resume(_) => unreachable!("this B has no engine"),
            Step::AfterSteps(after_steps) => {
                push(world, after_steps.clone().outcome(Ok(()), now));
                if let Some(unlucky) = unlucky {
                    push(&unlucky, after_steps.outcome(Err(failure()), now));
                }
            }
            Step::End(end) => next.push(world.concluded(number, end.disposition)),
        }
    }

    /// The ledger accepts the write or not, and answers or not.
    fn put(self, world: &World, number: usize, mut put: Put, next: &mut Vec<World>) {
        normalise(&mut put.record, world.now, world.born);
        put.record.rev = world.fresh_revision();
        let is_former = world.workers[number].as_ref().is_some_and(|it| it.former);
        let ledger = if is_former {
            &world.former
        } else {
            &world.ledger
        };
        self.forget(&mut put.record, ledger.as_ref());
        let mut push = |world: &World, outcome: PutOutcome| {
            next.push(world.with(number, put.clone().outcome(outcome)));
        };
        if is_former {
            // Its table was emptied; or else it is still there.
            push(world, PutOutcome::Conflict(None));
        }
        let holds = ledger.as_ref().map(|record| record.rev);
        let accepted = holds == put.replaces || self.broken == Broken::NoFencing;
        let mut written = world.clone();
        if accepted {
            let kept = if is_former {
                &mut written.former
            } else {
                &mut written.ledger
            };
            *kept = Some((*put.record).clone());
            if !is_former {
                let waits = put.record.state == State::Waiting;
                let forgotten = waits && self.broken == Broken::NoDueTime;
                written.due = put.due.filter(|_| !forgotten).map(tick_of);
            }
            push(&written, PutOutcome::Written);
        } else {
            let seen = ledger.clone().map(Box::new);
            push(world, PutOutcome::Conflict(seen));
        }
        if let Some(unlucky) = world.unlucky() {
            push(&unlucky, PutOutcome::Unknown);
            written.misfortunes = unlucky.misfortunes;
            push(&written, PutOutcome::Unknown);
        }
    }

    /// The search is cut off at once, or behind the first slot.
    fn cut_off(self, world: &World, number: usize, search: &Search, next: &mut Vec<World>) {
        let now = moment(world.now);
        let cut_off = |reached| {
            let failure = failure();
            let outcome = SearchOutcome::CutOff { reached, failure };
            search.clone().outcome(outcome, now)
        };
        next.push(world.with(number, cut_off(search.from)));
        let behind = moment(SLOT_END);
        if search.from >= behind || !self.found(world, search).is_empty() {
            return;
        }
        let attempt = cut_off(behind);
        match attempt.clone().next(now) {
            Step::Record(mut put) if self.broken == Broken::EarlyPlaceKept => {
                if let Some(sent) = &mut put.record.sent {
                    sent.from = moment(SLOT_END + 1);
                }
                self.put(world, number, put, next);
            }
            _ => next.push(world.with(number, attempt)),
        }
    }

    fn found(self, world: &World, search: &Search) -> Vec<Found> {
        if self.broken == Broken::NoSearch {
            return Vec::new();
        }
        let from_the_beginning = search.from < moment(SLOT_END);
        let found = world
            .instances
            .iter()
            .enumerate()
            .filter(|(_, instance)| instance.late || from_the_beginning)
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

    /// Removes from a record what a broken protocol forgets.
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

    /// B goes on with a request whose sender waits, or answers it, or its answer is lost.
    fn answer(
        self,
        world: &World,
        number: usize,
        create: &Create,
        request: Request,
        next: &mut Vec<World>,
    ) {
        for (request, world) in self.advanced(world, request, false) {
            next.push(world.working(number, Work::Creating(create.clone(), request)));
        }
        let mut push = |world: World, outcome: CreateOutcome| {
            let outcome = match outcome {
                CreateOutcome::Unclear(reply)
                    if self.broken == Broken::AnswersBelieved && reply.quiet == Quiet::Now =>
                {
                    CreateOutcome::NotSent(reply.failure)
                }
                outcome => outcome,
            };
            let attempt = create.clone().outcome(outcome, moment(world.now));
            next.push(world.with(number, attempt));
        };
        let nothing_made = request == Request::Sent;
        match request {
            Request::Complete(index) => push(world.clone(), CreateOutcome::Created(id(index))),
            Request::Orphaned(_) => push(world.clone(), reply(true, false, Quiet::Now)),
            Request::Sent | Request::Half(_) | Request::Deletion(_) => {}
        }
        if let Some(unlucky) = world.unlucky() {
            // The app passes on a status of Storage's: it is done, whatever it has created.
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

    /// What B may do next with a request. A request whose sender is gone may also end in a deletion.
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
                    created: if world.may_be_lost() { world.now } else { 0 },
                    form: false,
                    complete: false,
                    gone: false,
                    late: world.now >= SLOT_END,
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
    fn start(misfortunes: Misfortunes, start: Start) -> Self {
        let trigger = Message::Visible {
            receives: 0,
            from: 0,
            sent: None,
        };
        Self {
            now: 0,
            ledger: None,
            due: None,
            former: None,
            instances: Vec::new(),
            workers: [None, None],
            messages: match start {
                Start::Triggered => [trigger, trigger],
                Start::Backlog => [trigger, Message::Unsent],
                Start::Untold => [Message::Unsent, Message::Unsent],
            },
            loose: Vec::new(),
            born: None,
            rebuilt: false,
            backup: None,
            misfortunes,
        }
    }

    /// The same world after one more fault.
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

    /// The same world, in which this worker is doing something else.
    fn working(&self, number: usize, work: Work) -> Self {
        let mut world = self.clone();
        if let Some(worker) = &mut world.workers[number] {
            worker.work = work;
        }
        world
    }

    /// The same world, in which this worker's attempt has got this far.
    fn with(&self, number: usize, attempt: Attempt) -> Self {
        self.working(number, Work::Between(attempt))
    }

    /// B takes the form of a half-made instance or not, and answers or not.
    fn add_form(&self, number: usize, add: &AddForm, next: &mut Vec<Self>) {
        let mut push = |world: &Self, outcome: AddFormOutcome| {
            let attempt = add.clone().outcome(outcome, moment(self.now));
            next.push(world.with(number, attempt));
        };
        let mut added = self.clone();
        added.instances[index(add.half.id)].form = true;
        push(&added, AddFormOutcome::Added);
        if let Some(unlucky) = self.unlucky() {
            push(&unlucky, AddFormOutcome::Unclear(failure(), Quiet::Now));
            push(&unlucky, AddFormOutcome::Refused(refusal()));
            added.misfortunes = unlucky.misfortunes;
            push(&added, AddFormOutcome::Unclear(failure(), Quiet::Settled));
        }
    }

    /// Storage deletes a half-made instance now, later or never, and answers or not.
    fn delete(&self, number: usize, delete: &Delete, next: &mut Vec<Self>) {
        let mut push = |world: &Self, outcome: DeleteOutcome| {
            let attempt = delete.clone().outcome(outcome, moment(self.now));
            next.push(world.with(number, attempt));
        };
        let b = index(delete.half.id);
        let mut deleted = self.clone();
        deleted.instances[b].gone = true;
        push(&deleted, DeleteOutcome::Deleted);
        if let Some(mut unlucky) = self.unlucky() {
            push(&unlucky, DeleteOutcome::Unclear(failure(), Quiet::Now));
            unlucky.let_loose(Request::Deletion(b), unlucky.now + SETTLE);
            push(&unlucky, DeleteOutcome::Unclear(failure(), Quiet::Settled));
        }
    }

    /// B takes what a half-made instance lacks or not, and answers or not.
    fn finish(&self, number: usize, finish: &Finish, next: &mut Vec<Self>) {
        let mut push = |world: &Self, outcome: FinishOutcome| {
            let attempt = finish.clone().outcome(outcome, moment(self.now));
            next.push(world.with(number, attempt));
        };
        let mut finished = self.clone();
        let instance = &mut finished.instances[index(finish.half.id)];
        (instance.form, instance.complete) = (true, true);
        let missing = Lacks::default();
        push(&finished, FinishOutcome::Finished { missing });
        if let Some(unlucky) = self.unlucky() {
            push(&unlucky, FinishOutcome::Unclear(failure(), Quiet::Now));
            finished.misfortunes = unlucky.misfortunes;
            push(&finished, FinishOutcome::Unclear(failure(), Quiet::Settled));
        }
    }

    /// A revision that nobody knows. The only thing that matters about revisions is whether two are equal.
    fn fresh_revision(&self) -> u64 {
        let held = self.workers.iter().flatten();
        let held = held.filter_map(|worker| worker.work.record());
        let known: Vec<u64> = held
            .chain(&self.ledger)
            .chain(&self.former)
            .chain(self.backup.as_ref().map(|(record, _)| record))
            .map(|record| record.rev)
            .collect();
        (1..).find(|rev| !known.contains(rev)).unwrap_or_default()
    }

    /// The step that a worker takes next, unless it waits for B's answer.
    fn next_step(&self, number: usize) -> Option<Step> {
        match &self.workers[number].as_ref()?.work {
            Work::Between(attempt) => Some(attempt.clone().next(moment(self.now))),
            Work::Creating(..) => None,
        }
    }

    /// The worker crashes. Its request goes on without it, and its message becomes visible again in time.
    fn crashed(&self, number: usize) -> Self {
        let mut world = self.clone();
        world.misfortunes.crashes -= 1;
        let worker = world.workers[number].take();
        if let Some(Work::Creating(_, request)) = worker.map(|worker| worker.work) {
            let until = world.now + SETTLE;
            world.let_loose(request, until);
        }
        world
    }

    /// A request loses its sender. What B still does about it, it does before `until`.
    fn let_loose(&mut self, request: Request, until: u64) {
        if !matches!(request, Request::Orphaned(_)) {
            self.loose.push((request, until));
            self.loose.sort_unstable();
        }
    }

    fn concluded(&self, number: usize, disposition: Disposition) -> Self {
        let mut world = self.clone();
        let Some(worker) = world.workers[number].take() else {
            return world;
        };
        let message = &mut world.messages[worker.message];
        *message = match (*message, disposition) {
            // A receipt handle works as long as the message exists, even if it is visible again.
            (Message::InWork { .. } | Message::Visible { .. }, Disposition::Acknowledge) => {
                Message::Deleted
            }
            (Message::InWork { receives, sent, .. }, Disposition::Again(wait)) => {
                let wait = wait.as_secs().div_ceil(TICK.unsigned_abs());
                let wait = wait.clamp(1, LONGEST_WAIT);
                // The clock stands still at `CALM`: a message that has to wait is visible at once.
                let from = if world.now < CALM {
                    world.now + wait
                } else {
                    0
                };
                Message::Visible {
                    receives,
                    from,
                    sent,
                }
            }
            (Message::InWork { receives, sent, .. }, Disposition::GiveUp) => Message::Visible {
                receives,
                from: 0,
                sent,
            },
            (other, _) => other,
        };
        world
    }

    /// A message that is sent now.
    fn sent_now(&self) -> Message {
        Message::Visible {
            receives: 0,
            from: 0,
            sent: Some(self.now),
        }
    }

    /// Reconcile finds no record of A, puts the relay on record as told, and then enqueues it, or crashes before.
    fn told(&self) -> Vec<Self> {
        // Nothing is enqueued while the ledger is being rebuilt; after that also an A whose messages have been worked on.
        let is_free = |message: &Message| match message {
            Message::Unsent => true,
            Message::Deleted => self.rebuilt,
            _ => false,
        };
        let Some(position) = self.messages.iter().position(is_free) else {
            return Vec::new();
        };
        if self.ledger.is_some() || (self.born.is_some() && !self.rebuilt) {
            return Vec::new();
        }
        let mut crashed = self.clone();
        crashed.due = Some(CALM);
        crashed.ledger = Some(Record {
            rev: self.fresh_revision(),
            state: State::Told,
            holder: Holder(Uuid::nil()),
            lease_until: moment(0),
            not_before: None,
            sent: None,
            first: by_birth(moment(self.now), self.born),
            attempts: 0,
            targets: Default::default(),
            instance: None,
            reason: None,
            detail: None,
            updated: by_birth(moment(self.now), self.born),
        });
        let mut told = crashed.clone();
        told.messages[position] = self.sent_now();
        vec![told, crashed]
    }

    /// Reconcile enqueues a relay that has a due time: before that because its gate is open, when it is due, and in the end
    /// with certainty.
    fn woken(&self) -> Option<Self> {
        let free = |message: &Message| matches!(message, Message::Deleted | Message::Unsent);
        let position = self.messages.iter().position(free)?;
        let due = self.due.filter(|_| self.born.is_none() || self.rebuilt)?;
        let mut world = self.clone();
        if self.now < CALM {
            if due > self.now {
                world.misfortunes.messages = self.misfortunes.messages.checked_sub(1)?;
            }
            world.due = Some(CALM);
        } else if !self.is_settled() {
            return None;
        }
        world.messages[position] = self.sent_now();
        Some(world)
    }

    /// Whether the ledger is lost now or later.
    fn may_be_lost(&self) -> bool {
        self.born.is_some() || self.misfortunes.losses > 0
    }

    /// The ledger is lost: what follows knows only what is restored.
    fn lost(&self) -> Option<Self> {
        let losses = self.misfortunes.losses.checked_sub(1)?;
        // A worker that claims a relay without having noticed the loss is left out.
        let workers = self.workers.iter().flatten();
        if workers.clone().any(|worker| worker.work.record().is_none()) {
            return None;
        }
        let mut world = self.clone();
        world.misfortunes.losses = losses;
        world.misfortunes.backups = 0;
        world.born = Some(self.now);
        world.former = world.ledger.take();
        let (record, due) = world.backup.take().unzip();
        world.ledger = record;
        world.due = due.flatten();
        // What the former ledger wrote was written before the birth, also within the same tick.
        if let Some(record) = &mut world.ledger {
            record.updated = before();
        }
        for worker in world.workers.iter_mut().flatten() {
            worker.former = true;
        }
        Some(world)
    }

    /// This is what the ledger has when it is restored.
    fn backed_up(&self) -> Option<Self> {
        let record = self.ledger.clone()?;
        let mut world = self.clone();
        world.misfortunes.backups = self.misfortunes.backups.checked_sub(1)?;
        world.backup = Some((record, self.due));
        Some(world)
    }

    /// An operator redrives a dead letter.
    fn redriven(&self) -> Option<Self> {
        let dead = |message: &Message| *message == Message::Dead;
        let position = self.messages.iter().position(dead)?;
        let mut world = self.clone();
        world.misfortunes.messages = self.misfortunes.messages.checked_sub(1)?;
        world.messages[position] = self.sent_now();
        Some(world)
    }

    /// The clock advances, unless something must happen first.
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
            // No sender waits for an answer after the end of its lease.
            if let Work::Creating(create, _) = &worker.work
                && moment(world.now) > create.claim().lease_until
            {
                return None;
            }
        }
        let now = world.now;
        // An invocation ends with its lease: the former ledger's functions as well.
        if let Some(end) = world.born.map(|born| born + LEASE).filter(|end| now > *end) {
            for number in 0..world.workers.len() {
                if world.workers[number].as_ref().is_some_and(|it| it.former)
                    && let Some(worker) = world.workers[number].take()
                    && let Work::Creating(_, request) = worker.work
                {
                    world.let_loose(request, end + SETTLE);
                }
            }
        }
        world.age();
        // B has stopped processing these requests.
        world.loose.retain(|(_, until)| now < *until);
        for message in &mut world.messages {
            match *message {
                Message::InWork {
                    receives,
                    until: from,
                    sent,
                }
                | Message::Visible {
                    receives,
                    from,
                    sent,
                } if from <= now => {
                    *message = Message::Visible {
                        receives,
                        from: 0,
                        sent,
                    };
                }
                _ => {}
            }
        }
        if now == CALM {
            world.misfortunes = Misfortunes::default();
        }
        Some(world)
    }

    /// Moments that have passed are all equivalent, and at `CALM` all have passed.
    fn age(&mut self) {
        let now = self.now;
        let born = self.born;
        if !self.workers.iter().flatten().any(|worker| worker.former) {
            self.former = None;
        }
        let backup = self.backup.as_mut().map(|(record, _)| record);
        let kept = self.ledger.iter_mut().chain(&mut self.former);
        for record in kept.chain(backup) {
            if record.not_before.is_some_and(|at| at <= moment(now)) {
                record.not_before = None;
                record.updated = by_birth(record.updated, born);
            }
            if record.lease_until + ticks(SETTLE) <= moment(now) {
                record.lease_until = moment(0);
            }
            if let Some(sent) = record
                .sent
                .as_mut()
                .filter(|sent| sent.quiet <= moment(now) || now >= CALM)
            {
                sent.quiet = moment(0);
            }
        }
    }

    fn live_complete(&self) -> usize {
        self.instances
            .iter()
            .filter(|instance| instance.complete && !instance.gone)
            .count()
    }

    /// No message is on its way, no worker is busy, and B is quiet.
    fn is_settled(&self) -> bool {
        self.loose.is_empty() && self.is_at_rest()
    }

    /// No message is on its way, and no worker is busy.
    fn is_at_rest(&self) -> bool {
        let dealt_with = |message: &Message| {
            matches!(message, Message::Unsent | Message::Deleted | Message::Dead)
        };
        self.workers.iter().all(Option::is_none) && self.messages.iter().all(dealt_with)
    }

    /// The relay is not finished, and neither a message nor a due time will wake it.
    fn is_abandoned(&self) -> bool {
        let open = |record: &Record| !matches!(record.state, State::Done | State::Failed);
        self.is_at_rest() && self.due.is_none() && self.ledger.as_ref().is_some_and(open)
    }

    /// Workers are interchangeable, and so are the two messages: worlds that differ only by their order become one.
    fn canonical(mut self) -> Self {
        let key = |hashed: &dyn Fn(&mut QuickHasher)| {
            let mut hasher = QuickHasher::default();
            hashed(&mut hasher);
            hasher.finish()
        };
        // Two workers may have the same message: their order must not decide which message comes first.
        self.workers.sort_by_cached_key(|worker| {
            key(&|hasher| {
                if let Some(worker) = worker {
                    worker.work.hash(hasher);
                }
            })
        });
        let message_key = |world: &Self, position: usize| {
            key(&|hasher| {
                world.messages[position].hash(hasher);
                for worker in world.workers.iter().flatten() {
                    if worker.message == position {
                        worker.work.hash(hasher);
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

    /// The relay is done and has one B, or failed with a reason, or has a message in the dead-letter queue.
    fn is_good_end(&self) -> bool {
        self.is_settled()
            && match &self.ledger {
                Some(record) if record.state == State::Done => self.live_complete() == 1,
                Some(record) if record.state == State::Failed => record.reason.is_some(),
                // An operator finds it. Of an open relay without a dead letter, reconcile enqueues another message.
                Some(_) | None => self.messages.contains(&Message::Dead),
            }
    }

    /// A message was deleted although nothing is on record.
    fn has_forgotten(&self) -> bool {
        // After a loss, reconcile finds A in Altinn.
        self.born.is_none()
            && self.messages.contains(&Message::Deleted)
            && self.ledger.as_ref().is_none_or(|record| {
                // A claim belongs to the other delivery, whose message still exists.
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
    /// The first world in which nothing wakes an open relay.
    abandoned: Option<World>,
    /// Worlds from which no good end can be reached.
    lost: usize,
    most_instances: usize,
}

/// Identifies a world. In 64 bits, two of a million worlds collide by chance once in some forty million runs.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// Puts interchangeable parts into an order. A collision only costs a world that could have been merged.
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

/// A hasher for fingerprints, which are hashes already.
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

/// Visits every reachable world.
fn explore(model: Model, misfortunes: Misfortunes, start: Start) -> Explored {
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
            if world.is_abandoned() && explored.abandoned.is_none() {
                explored.abandoned = Some(world.clone());
            }
            if world.is_good_end() {
                good_ends.push(there);
            }
            due.push_back((world, there));
        }
        before[there as usize].extend(from);
        // For a broken protocol, the first world with two B is enough.
        model.broken == Broken::Nothing || explored.doubled.is_none()
    };
    visit(World::start(misfortunes, start), None, &mut due);
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
    assert_sound_with(false, Start::Triggered, misfortunes);
}

fn assert_sound_with(after_steps: bool, start: Start, misfortunes: Misfortunes) {
    for may_delete in [false, true] {
        let explored = explore(
            Model {
                broken: Broken::Nothing,
                may_delete,
                after_steps,
            },
            misfortunes,
            start,
        );
        tell(&format!(
            "{start:?}, {misfortunes:?}, after-steps: {after_steps}, deletion {}: {} states, no second B; at most {} instances were created",
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
        assert!(
            explored.abandoned.is_none(),
            "nothing wakes it: {:#?}",
            explored.abandoned
        );
        assert_eq!(explored.lost, 0, "worlds that cannot end well");
    }
}

/// Writes straight to the terminal, so that the figures also show when the test passes.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn misfortunes(crashes: u8, faults: u8, stalls: u8) -> Misfortunes {
    Misfortunes {
        crashes,
        faults,
        stalls,
        ..Misfortunes::default()
    }
}

impl Misfortunes {
    /// The same with this number of messages that an operator redrives or reconcile enqueues.
    fn and_messages(self, messages: u8) -> Self {
        Self { messages, ..self }
    }

    /// The same with a loss of the ledger.
    fn and_a_loss(self) -> Self {
        Self { losses: 1, ..self }
    }

    /// The same with a loss of the ledger, and a restored one.
    fn and_a_restored_ledger(self) -> Self {
        Self {
            backups: 1,
            ..self.and_a_loss()
        }
    }
}

#[test]
fn slow_workers_never_create_a_second_b() {
    assert_sound(misfortunes(0, 0, 2));
}

#[test]
fn two_crashes_never_create_a_second_b() {
    assert_sound(misfortunes(2, 0, 0));
}

#[test]
fn a_crash_and_a_lost_answer_never_create_a_second_b() {
    assert_sound(misfortunes(1, 1, 0));
}

#[test]
fn two_bad_answers_never_create_a_second_b() {
    assert_sound(misfortunes(0, 2, 0));
}

#[test]
fn a_fault_while_workers_are_slow_never_creates_a_second_b() {
    assert_sound(misfortunes(0, 1, 1));
}

#[test]
fn a_crash_while_workers_are_slow_never_creates_a_second_b() {
    assert_sound(misfortunes(1, 0, 1));
}

#[test]
fn a_redriven_message_after_a_fault_never_creates_a_second_b() {
    assert_sound(misfortunes(0, 1, 1).and_messages(1));
}

#[test]
fn a_redriven_message_after_a_crash_never_creates_a_second_b() {
    assert_sound(misfortunes(1, 0, 1).and_messages(1));
}

#[test]
fn failing_after_steps_and_a_crash_never_create_a_second_b() {
    assert_sound_with(true, Start::Triggered, misfortunes(1, 1, 0));
}

#[test]
fn a_relay_that_reconcile_tells_of_while_its_trigger_waits_gets_one_b() {
    for misfortunes in [misfortunes(1, 0, 0), misfortunes(0, 1, 0)] {
        assert_sound_with(false, Start::Backlog, misfortunes);
    }
}

#[test]
fn a_relay_that_only_reconcile_tells_of_gets_one_b() {
    for misfortunes in [misfortunes(1, 1, 0), misfortunes(1, 0, 0).and_messages(1)] {
        assert_sound_with(false, Start::Untold, misfortunes);
    }
}

#[test]
fn a_lost_ledger_never_leads_to_a_second_b() {
    assert_sound(misfortunes(0, 0, 0).and_a_loss());
}

#[test]
fn a_lost_ledger_after_a_crash_never_leads_to_a_second_b() {
    assert_sound(misfortunes(1, 0, 0).and_a_loss());
}

#[test]
fn a_lost_ledger_after_a_fault_never_leads_to_a_second_b() {
    assert_sound(misfortunes(0, 1, 0).and_a_loss());
}

#[test]
fn a_lost_ledger_and_a_slow_worker_never_lead_to_a_second_b() {
    assert_sound(misfortunes(0, 0, 1).and_a_loss());
}

#[test]
fn a_restored_ledger_never_leads_to_a_second_b() {
    assert_sound(misfortunes(0, 0, 0).and_a_restored_ledger());
}

#[test]
fn a_lost_ledger_of_which_nobody_knows_doubles_b() {
    let model = Model {
        broken: Broken::NoBirth,
        may_delete: false,
        after_steps: false,
    };
    let explored = explore(model, misfortunes(0, 0, 0).and_a_loss(), Start::Triggered);
    assert!(explored.doubled.is_some());
}

/// Proves that the exploration can fail: without any one of these rules it finds a second B, or none in the end.
#[test]
fn removing_any_one_rule_of_the_protocol_doubles_or_loses_b() {
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
        (Broken::NoDueTime, misfortunes(0, 1, 0), false),
        (Broken::EarlyPlaceKept, misfortunes(0, 2, 0), false),
    ] {
        let explored = explore(
            Model {
                broken,
                may_delete,
                after_steps: false,
            },
            misfortunes,
            Start::Triggered,
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
        assert!(doubled || lost, "{broken:?} goes unnoticed");
    }
}
