//! One relay with one fault.

use std::fmt::Write as _;
use std::time::Duration;

use local_altinn::{CallFault, CreationStep, Fault};
use local_world::deployment::sample_apps;
use testbed::wire::Action;
use tests::{
    Attachment, BInstance, CASEWORK, DEADLINE, Folder, PERMIT, ROUTE, Story, binaries, guid,
    permit_alone, posts, stamp,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::call::{Call, Line};
use super::failure::{CallFailure, FaultInB};

/// The lease of a claim, and the longest that a request may take.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// How long B may go on with a request that was given up.
const SETTLE: Duration = Duration::from_secs(2);
/// When SQS redelivers a message that was not acknowledged: after lease and settle time.
const VISIBILITY: Duration = Duration::from_secs(8);

/// A deployment with one process of the built binary.
pub(super) async fn begin() -> Story {
    let plan = permit_alone();
    let mut plan = plan
        .setting("STAFETT_LEASE_SECONDS", LEASE.as_secs().to_string())
        .setting("STAFETT_SETTLE_SECONDS", SETTLE.as_secs().to_string());
    plan.code = binaries().code();
    plan.stack.queue.visibility_timeout = VISIBILITY;
    Story::begin(plan).await
}

/// The path on which a relay gets its B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Nothing goes wrong.
    Straight,
    /// B's response is lost: B is found by a search, and adopted.
    Adopted,
    /// B has no elements and may not be deleted: it is completed.
    Finished,
    /// B has no elements and may be deleted: it is deleted, and another is created.
    Renewed,
}

impl Way {
    fn label(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::Adopted => "adopt",
            Self::Finished => "finish",
            Self::Renewed => "renew",
        }
    }

    fn may_delete(self) -> bool {
        self == Self::Renewed
    }

    /// How many B are created on this path.
    fn made(self) -> usize {
        1 + usize::from(self == Self::Renewed)
    }

    /// Injects the faults that put a relay on this path.
    fn prepare(self, story: &Story) {
        match self {
            Self::Straight => {}
            Self::Adopted => {
                let faults = story.altinn_wire.faults();
                faults.add(posts().nth(1), Action::ResetAfter);
            }
            Self::Finished | Self::Renewed => {
                let faults = story.altinn.faults();
                faults.next(
                    1,
                    Some(CASEWORK),
                    Fault::at(CreationStep::Instance, CallFault::AnswerLost),
                );
            }
        }
    }
}

/// The expected content of B.
#[derive(Debug)]
pub(super) struct Clean {
    /// The form of B, with `A` for A's id.
    form: Vec<(String, String)>,
    attachments: Vec<Attachment>,
    due: serde_json::Value,
    owner: serde_json::Value,
    /// The texts that B's app derives from the form: its title in the inbox.
    texts: serde_json::Value,
}

impl Clean {
    fn new(b: &BInstance, a: &str) -> Self {
        let form = b.form.iter();
        Self {
            form: form
                .map(|(path, text)| (path.clone(), text.replace(a, "A")))
                .collect(),
            attachments: b.attachments.clone(),
            due: b.instance["dueBefore"].clone(),
            owner: b.instance["instanceOwner"].clone(),
            texts: b.instance["presentationTexts"].clone(),
        }
    }

    fn assert_is(&self, b: &BInstance, a: &str) {
        let seen = Self::new(b, a);
        assert_eq!(seen.form, self.form);
        assert_eq!(seen.attachments, self.attachments);
        assert_eq!(seen.due, self.due);
        assert_eq!(seen.owner, self.owner);
        assert_eq!(seen.texts, self.texts);
        let values = &b.instance["dataValues"];
        assert_eq!(values["stafett.relay"], stamp(ROUTE, a));
        assert_eq!(values["stafett.source"], a);
        assert_eq!(values["casework.referanse"], a);
        assert_eq!(b.instance["process"]["currentTask"]["elementId"], "Task_1");
    }
}

/// Imports the sample permit `two-measures` under an id of its own.
fn permit(story: &Story) -> String {
    let sample = Folder::copy(&sample_apps().join(PERMIT).join("samples/two-measures"));
    let instance = sample.path().join("instance.json");
    let instance = std::fs::read_to_string(instance).expect("the sample can be read");
    let document: serde_json::Value = serde_json::from_str(&instance).expect("it is JSON");
    let id = document["id"].as_str().expect("it has an id").to_owned();
    let fresh = instance.replace(guid(&id), &Uuid::new_v4().to_string());
    story.import_from(sample.with("instance.json", fresh).path())
}

/// Prepares a relay in a fresh process, and clears the faults and journals of all wires.
async fn fresh(story: &Story, may_delete: bool) -> String {
    for line in Line::ALL {
        line.of(story).faults().clear();
        line.of(story).journal().clear();
    }
    story.altinn.faults().clear();
    let b = story.altinn.app(CASEWORK).expect("it runs");
    match may_delete {
        true => b.permit("delete"),
        false => b.forbid("delete"),
    }
    let processes = story.instantiate.processes().expect("it runs in processes");
    processes.kill_all().await;
    permit(story)
}

/// Sends the one message of a relay, and waits until it is processed. Returns the number of deliveries
/// and the time it took.
async fn relayed(story: &Story, a: &str, end: End) -> (usize, Duration) {
    let before = story.mapping.delivered();
    let began = Instant::now();
    story.send([Story::message(ROUTE, a)]).await;
    let state = match end {
        End::Whole => {
            // Does not poll while it waits, because many relays wait at the same time.
            let deleted = story
                .mapping
                .wait_until(DEADLINE, |it| it.deleted > before.deleted);
            deleted.await.expect("the message is acknowledged");
            "done"
        }
        End::Failed { .. } => "failed",
    };
    let item = story.reaches(ROUTE, a, state).await;
    let took = began.elapsed();
    if let End::Failed { orphans } = end {
        let reason = ["b_refused", "orphan_left"][orphans];
        assert_eq!(item["reason"], reason);
    }
    story.settled().await;
    // Requests of a process that is gone have had their effect once all calls have ended.
    let altinn = story.altinn_wire.journal();
    let quiet = altinn.wait_until(DEADLINE, |calls| calls.iter().all(|it| it.ended.is_some()));
    quiet.await.expect("nobody is at work any more");
    let after = story.mapping.delivered();
    (after.invocations - before.invocations, took)
}

/// Relays on a path without further faults, and returns its calls. Except on the straight path, these are only the
/// calls after the request that put the relay on the path.
pub(super) async fn walk(story: &Story, way: Way, clean: Option<&Clean>) -> (Clean, Vec<Call>) {
    let a = fresh(story, way.may_delete()).await;
    way.prepare(story);
    let made = story.creations();
    relayed(story, &a, End::Whole).await;
    assert_eq!(story.creations() - made, way.made());
    let b = story.the_live_b(ROUTE, &a);
    assert_eq!(b.attachments, story.files_for_b(&a));
    let reference = Clean::new(&b, &a);
    if let Some(clean) = clean {
        clean.assert_is(&b, &a);
    }
    let calls = Call::all(story, &a);
    let first_post = calls.iter().position(|(call, _)| call.makes_b());
    let first_post = &calls[first_post.expect("a B was requested")].1;
    let turned = first_post.ended.expect("it has ended");
    let calls = calls.iter().filter(|(_, exchange)| match way {
        Way::Straight => true,
        _ => exchange.started > turned,
    });
    let calls = calls.map(|(call, _)| call.clone()).collect();
    (reference, calls)
}

/// How a relay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// One complete B.
    Whole,
    /// Recorded as failed, with the message as a dead letter and this many half-made B left.
    Failed {
        /// 1 if B may not be deleted.
        orphans: usize,
    },
}

/// One relay and its failure.
#[derive(Clone, Debug)]
pub(super) enum Point {
    /// A fault of a call on this path.
    OnTheWire(Way, Call, CallFailure),
    /// A fault inside B, and whether we may delete B.
    FaultInB(FaultInB, bool),
}

impl Point {
    pub(super) fn end(&self) -> End {
        match self {
            Self::OnTheWire(..) => End::Whole,
            Self::FaultInB(in_b, may_delete) => in_b.end(*may_delete),
        }
    }

    fn names(&self) -> [String; 3] {
        match self {
            Self::OnTheWire(way, call, failure) => {
                [way.label().to_owned(), call.label(), failure.label()]
            }
            Self::FaultInB(in_b, may_delete) => {
                let way = if *may_delete {
                    "may delete"
                } else {
                    "no delete"
                };
                [way.to_owned(), "inside B".to_owned(), in_b.label()]
            }
        }
    }

    /// Relays one permit through the fault; returns the permit and the outcome.
    ///
    /// # Panics
    /// When it does not end as expected.
    pub(super) async fn run(&self, story: &Story, clean: &Clean) -> (String, Outcome) {
        let may_delete = match self {
            Self::OnTheWire(way, ..) => way.may_delete(),
            Self::FaultInB(_, may_delete) => *may_delete,
        };
        if matches!(self, Self::FaultInB(FaultInB::GivenUpMeanwhile, _)) {
            // Two requests in a row that hang would open the breaker of B.
            let well = fresh(story, may_delete).await;
            relayed(story, &well, End::Whole).await;
        }
        let a = fresh(story, may_delete).await;
        let made_before = story.creations();
        let (made, (deliveries, took)) = match self {
            Self::OnTheWire(way, call, failure) => {
                way.prepare(story);
                let struck = failure.inject(story, call, &a);
                let relayed = relayed(story, &a, self.end()).await;
                assert_eq!(struck(), 1, "it happened: {:?}", self.names());
                (way.made(), relayed)
            }
            Self::FaultInB(in_b, may_delete) => {
                let relayed = in_b.inject(story, relayed(story, &a, self.end())).await;
                (in_b.made(*may_delete), relayed)
            }
        };
        let names = self.names();
        assert_eq!(story.creations() - made_before, made, "{names:?}");
        let dead = usize::from(self.end() != End::Whole);
        assert_eq!(story.dead_letters(dead).await.len(), dead, "{names:?}");
        assert_b(story, &a, self.end(), clean);
        let outcome = Outcome {
            place: self.place(),
            names,
            end: Some(self.end()),
            deliveries,
            posts: story.posts().len(),
            made,
            took,
        };
        (a, outcome)
    }

    /// Its position in the table.
    fn place(&self) -> (Option<Way>, usize) {
        match self {
            Self::OnTheWire(way, call, _) => (Some(*way), call.place),
            Self::FaultInB(..) => (None, 0),
        }
    }
}

/// Asserts that one complete B of this A is alive; or, after a failed relay, as many half-made ones as could not be
/// deleted.
///
/// # Panics
/// When that is not so.
pub(super) fn assert_b(story: &Story, a: &str, end: End, clean: &Clean) {
    match end {
        End::Whole => clean.assert_is(&story.the_live_b(ROUTE, a), a),
        End::Failed { orphans } => {
            let stamp = stamp(ROUTE, a);
            let alive = story.altinn.instances(CASEWORK).into_iter().filter(|b| {
                b["dataValues"]["stafett.relay"] == stamp && b["status"]["isHardDeleted"] != true
            });
            assert_eq!(alive.count(), orphans, "of {stamp}");
        }
    }
}

/// The outcome of a point.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    place: (Option<Way>, usize),
    names: [String; 3],
    /// `None` if the point failed.
    end: Option<End>,
    deliveries: usize,
    /// The number of requests to create a B, and the number of B created.
    posts: usize,
    made: usize,
    took: Duration,
}

impl Outcome {
    /// The outcome of a point that failed.
    pub(super) fn wrong(point: &Point) -> Self {
        Self {
            place: point.place(),
            names: point.names(),
            end: None,
            deliveries: 0,
            posts: 0,
            made: 0,
            took: DEADLINE,
        }
    }

    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    pub(super) fn is_of(&self, point: &Point) -> bool {
        self.place == point.place() && self.names == point.names()
    }

    /// Sort key: by path in the order of the calls, with the faults inside B last.
    pub(super) fn order(&self) -> (bool, (Option<Way>, usize), &[String]) {
        (self.place.0.is_none(), self.place, &self.names)
    }

    /// The table of all points.
    pub(super) fn table(outcomes: &[Self]) -> String {
        let mut table = String::from(
            "way        call                                             failure                    deliveries POSTs made     ms end\n",
        );
        for it in outcomes {
            let [way, call, failure] = &it.names;
            let end = match it.end {
                Some(End::Whole) => "one complete B",
                Some(End::Failed { .. }) => "failed, on record: B refuses the draft for good",
                None => "WRONG",
            };
            let call = short(call);
            let (deliveries, posts, made) = (it.deliveries, it.posts, it.made);
            let _ = writeln!(
                table,
                "{way:<10} {call:<48} {failure:<26} {deliveries:>10} {posts:>5} {made:>4} {:>6} {end}",
                it.took.as_millis(),
            );
        }
        table
    }
}

/// A short name for a call in the table: its method, and the end of its path.
fn short(call: &str) -> String {
    const WIDTH: usize = 48;
    match call.split_once(' ') {
        Some((method, path)) if call.len() > WIDTH => {
            let kept = WIDTH - method.len() - 2;
            format!("{method} …{}", &path[path.len() - kept..])
        }
        _ => call.to_owned(),
    }
}
