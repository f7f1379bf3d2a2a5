//! App B and its instances in Storage.
//!
//! B answers as Altinn's apps and the gateway before them do (wire-protocol: "What B's answer says"): 201 with a
//! complete instance; 429 with `Retry-After` before it creates anything; 503 of the gateway while the app is down; or
//! nothing at all. The core's own reader of answers says what each means.

use std::{collections::HashMap, ops::Range, time::Duration};

use http::StatusCode;
use stafett_core::{
    id::InstanceId,
    pace::Load,
    relay::{
        Reason,
        answer::{Refusal, classify},
        decide::{CreateOutcome, Failure, Found, Lacks, Quiet, Reply},
    },
};
use uuid::Uuid;

use crate::time::{BEGIN, Dice, Ms, SECOND, moment};

/// `Retry-After` of a B that is too busy.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long B's answer takes where it refuses at once.
const AT_ONCE: Ms = 50;
/// After this time a lost answer is known to be lost: the connection is reset.
const LOST_AFTER: Ms = 2 * SECOND;

/// How an app behaves.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// How long it takes to create an instance.
    pub takes: Ms,
    /// How many creations it begins in a second; it answers 429 to more.
    pub per_second: Option<u32>,
    /// While it is down, counted from the beginning: its gateway answers 503.
    pub down: Option<Range<Ms>>,
    /// While it hangs, counted from the beginning: it takes requests and never answers them.
    pub hangs: Option<Range<Ms>>,
    /// How many answers of a hundred are lost.
    pub loses: u64,
}

impl Behaviour {
    /// An app that takes half a second, and so many creations a second.
    pub fn of(per_second: Option<u32>) -> Self {
        Self {
            takes: SECOND / 2,
            per_second,
            down: None,
            hangs: None,
            loses: 0,
        }
    }
}

/// An instance of B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    created: Ms,
    /// When its app has stored its form and started its process. Never, for a half-made one.
    complete: Option<Ms>,
    gone: bool,
}

/// One app B.
#[derive(Debug)]
pub struct App {
    behaviour: Behaviour,
    instances: HashMap<u32, Vec<Instance>>,
    /// When instances were created, and of which relay, in order.
    created: Vec<(Ms, u32)>,
    /// The creations that it may begin at once, and when that was so: what it did not begin in one second it may in the next.
    bucket: (Ms, f64),
    dice: Dice,
    /// How many requests to create an instance arrived, and how many were turned away.
    pub asked: u64,
    /// How many of them it turned away: 429, 503, no connection.
    pub turned_away: u64,
}

/// What comes of a request to create an instance.
#[derive(Debug)]
pub enum Answer {
    /// After this time comes this outcome, which says this of B's load.
    After(Ms, CreateOutcome, Load),
    /// None comes.
    Never,
}

impl App {
    /// An app that behaves like this.
    pub fn new(behaviour: Behaviour, seed: u64) -> Self {
        Self {
            behaviour,
            instances: HashMap::new(),
            created: Vec::new(),
            bucket: (0, 0.0),
            dice: Dice::new(seed),
            asked: 0,
            turned_away: 0,
        }
    }

    /// An instance that was complete before the simulation began.
    pub fn had(&mut self, relay: u32, created: Ms) {
        self.created.push((created, relay));
        let complete = Some(created);
        self.instances.entry(relay).or_default().push(Instance {
            created,
            complete,
            gone: false,
        });
    }

    /// A request to create an instance arrives.
    pub fn create(&mut self, relay: u32, now: Ms) -> Answer {
        self.asked += 1;
        let since = now.saturating_sub(BEGIN);
        let within =
            |times: &Option<Range<Ms>>| times.as_ref().is_some_and(|it| it.contains(&since));
        if within(&self.behaviour.down) {
            self.turned_away += 1;
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                None,
                b"no available server",
            );
        }
        if within(&self.behaviour.hangs) {
            return Answer::Never;
        }
        if !self.admits(now) {
            self.turned_away += 1;
            return refusal(StatusCode::TOO_MANY_REQUESTS, Some(RETRY_AFTER), b"");
        }
        let takes = self.behaviour.takes;
        let loses = self.behaviour.loses;
        let is_lost = self.dice.percent(loses);
        // Of every two instances whose answer is lost, one is complete.
        let is_complete = !is_lost || self.dice.percent(50);
        self.created.push((now, relay));
        let all = self.instances.entry(relay).or_default();
        all.push(Instance {
            created: now,
            complete: is_complete.then_some(now + takes),
            gone: false,
        });
        if is_lost {
            let outcome = unanswered("the connection was reset");
            return Answer::After(LOST_AFTER, outcome, Load::Down(None));
        }
        let number = all.len() - 1;
        Answer::After(takes, CreateOutcome::Created(id(relay, number)), Load::Done)
    }

    /// Whether the app begins another creation: a token bucket, as ASP.NET's `TokenBucketRateLimiter`.
    fn admits(&mut self, now: Ms) -> bool {
        let Some(per_second) = self.behaviour.per_second else {
            return true;
        };
        let (filled, left) = self.bucket;
        let rate = f64::from(per_second);
        let left = (left + rate * (now - filled) as f64 / 1_000.0).min(rate);
        let admits = left >= 1.0;
        self.bucket = (now, if admits { left - 1.0 } else { left });
        admits
    }

    /// How many instances were created within these times.
    pub fn created_within(&self, times: Range<Ms>) -> usize {
        let before = |moment: Ms| {
            self.created
                .partition_point(|(created, _)| *created < moment)
        };
        before(times.end).saturating_sub(before(times.start))
    }

    /// Where the next page of the instances that were created from one time until the other begins; none after the last.
    pub fn page(&self, from: Ms, until: Ms, size: usize) -> Option<Ms> {
        let first = self.created.partition_point(|(created, _)| *created < from);
        let (next, _) = self.created.get(first + size).copied()?;
        (next < until).then_some(next)
    }

    /// A page of the list of instances by the time of creation, with their relays: from this place on, and before this time.
    pub fn listed(&self, from: usize, until: Ms, size: usize) -> &[(Ms, u32)] {
        let rest = self.created.get(from..).unwrap_or_default();
        let end = rest.partition_point(|(created, _)| *created < until);
        rest.get(..end.min(size)).unwrap_or_default()
    }

    /// How many instances were created before.
    pub fn created_before(&self, moment: Ms) -> usize {
        self.created
            .partition_point(|(created, _)| *created < moment)
    }

    /// What a search finds of a relay that was created within these times.
    pub fn found(&self, relay: u32, times: &Range<Ms>, now: Ms) -> Vec<Found> {
        let all = self.instances.get(&relay).into_iter().flatten().enumerate();
        all.filter(|(_, instance)| times.contains(&instance.created))
            .map(|(number, instance)| Found {
                id: id(relay, number),
                created: Some(moment(instance.created)),
                gone: instance.gone,
                ended: false,
                touched: false,
                engine: Default::default(),
                lacks: Lacks {
                    form: instance.complete.is_none_or(|complete| complete > now),
                    start: instance.complete.is_none_or(|complete| complete > now),
                    ..Lacks::default()
                },
            })
            .collect()
    }

    /// Whether this instance exists.
    pub fn exists(&self, id: InstanceId) -> bool {
        let (relay, number) = parts(id);
        let all = self.instances.get(&relay);
        all.and_then(|all| all.get(number))
            .is_some_and(|it| !it.gone)
    }

    /// Deletes an instance.
    pub fn delete(&mut self, id: InstanceId) {
        let (relay, number) = parts(id);
        if let Some(it) = self
            .instances
            .get_mut(&relay)
            .and_then(|all| all.get_mut(number))
        {
            it.gone = true;
        }
    }

    /// Adds to an instance what it lacks.
    pub fn finish(&mut self, id: InstanceId, now: Ms) {
        let (relay, number) = parts(id);
        if let Some(it) = self
            .instances
            .get_mut(&relay)
            .and_then(|all| all.get_mut(number))
        {
            it.complete.get_or_insert(now);
        }
    }

    /// When the first complete B of a relay was complete, and how many there are.
    pub fn complete(&self, relay: u32) -> (Option<Ms>, usize) {
        let all = self.instances.get(&relay).into_iter().flatten();
        let complete = all.filter(|it| !it.gone).filter_map(|it| it.complete);
        (complete.clone().min(), complete.count())
    }
}

/// An answer of the app or its gateway.
fn refusal(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Answer {
    let elapsed = Duration::from_millis(AT_ONCE);
    let refusal = Refusal::new(status, retry_after, elapsed, Some(body), false);
    Answer::After(
        AT_ONCE,
        CreateOutcome::Unclear(classify(&refusal)),
        refusal.load(),
    )
}

/// No answer came to a request that had left.
pub fn unanswered(why: &str) -> CreateOutcome {
    CreateOutcome::Unclear(Reply {
        failure: Failure::new(Reason::OutcomeUnknown).because(why),
        refused: false,
        nothing_made: false,
        quiet: Quiet::Settled,
        instance: None,
    })
}

/// The id of a relay's instance.
pub fn id(relay: u32, number: usize) -> InstanceId {
    InstanceId {
        party: 1,
        guid: Uuid::from_u128((u128::from(relay) << 32) | number as u128),
    }
}

/// The relay of an instance, and which of its instances it is.
fn parts(id: InstanceId) -> (u32, usize) {
    let guid = id.guid.as_u128();
    let relay = u32::try_from(guid >> 32).unwrap_or(u32::MAX);
    (relay, (guid & 0xFFFF_FFFF) as usize)
}
