//! One relay that meets one misfortune.

use std::fmt::Write as _;
use std::time::Duration;

use local_altinn::{CallFault, CreationStep, Fault};
use local_world::deployment::sample_apps;
use testbed::wire::Action;
use tests::{
    Attachment, B, CASEWORK, DEADLINE, Folder, PERMIT, ROUTE, Story, binaries, guid, permit_alone,
    posts, stamp,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::call::{Call, Line};
use super::misfortune::{InB, Misfortune};

/// How long a claim lasts, and a request at most.
pub(super) const LEASE: Duration = Duration::from_secs(3);
/// How long B may go on with a request that was given up.
const SETTLE: Duration = Duration::from_secs(2);
/// When SQS delivers again what nobody answered for: lease and settling time are over then.
const VISIBILITY: Duration = Duration::from_secs(6);

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

/// How a relay comes to its B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Nothing goes wrong.
    Straight,
    /// B's answer is lost: B is searched for, and adopted.
    Adopted,
    /// B is left without any part, and may not be deleted: it is completed.
    Finished,
    /// The same B may be deleted: it is, and another is made.
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

    /// How many B are made on it.
    fn made(self) -> usize {
        1 + usize::from(self == Self::Renewed)
    }

    /// What puts a relay on this way.
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

/// What B shall be.
#[derive(Debug)]
pub(super) struct Clean {
    /// The form of B, A's id being `A`.
    form: Vec<(String, String)>,
    attachments: Vec<Attachment>,
    due: serde_json::Value,
    owner: serde_json::Value,
    /// What B's app copies from the form: its title in the inbox.
    texts: serde_json::Value,
}

impl Clean {
    fn new(b: &B, a: &str) -> Self {
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

    fn assert_is(&self, b: &B, a: &str) {
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

/// A permit as the sample `two-measures`, under an id of its own.
fn permit(story: &Story) -> String {
    let sample = Folder::copy(&sample_apps().join(PERMIT).join("samples/two-measures"));
    let instance = sample.path().join("instance.json");
    let instance = std::fs::read_to_string(instance).expect("the sample can be read");
    let document: serde_json::Value = serde_json::from_str(&instance).expect("it is JSON");
    let id = document["id"].as_str().expect("it has an id").to_owned();
    let fresh = instance.replace(guid(&id), &Uuid::new_v4().to_string());
    story.import_from(sample.with("instance.json", fresh).path())
}

/// A relay in a fresh process, on wires that remember nothing: what came before is over.
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

/// Sends the one message of a relay, and waits until it is dealt with. Returns the number of deliveries,
/// and how long it took.
async fn relayed(story: &Story, a: &str, end: End) -> (usize, Duration) {
    let before = story.mapping.delivered();
    let began = Instant::now();
    story.send([Story::message(ROUTE, a)]).await;
    let state = match end {
        End::Whole => {
            // Looks at nothing while it waits: there are many who do.
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
    // What a process asked for that is gone has had its effect now.
    let altinn = story.altinn_wire.journal();
    let quiet = altinn.wait_until(DEADLINE, |calls| calls.iter().all(|it| it.ended.is_some()));
    quiet.await.expect("nobody is at work any more");
    let after = story.mapping.delivered();
    (after.invocations - before.invocations, took)
}

/// Walks a way with nothing else in it, and tells its calls: on another way than the straight one those
/// after the request that put the relay on it.
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
    let first_post = &calls[first_post.expect("a B was asked for")].1;
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
    /// On record as failed, the message a dead letter; so many half-made B are left.
    Failed {
        /// One where B may not be deleted.
        orphans: usize,
    },
}

/// One relay and its misfortune.
#[derive(Clone, Debug)]
pub(super) enum Point {
    /// On this way, at this call.
    OnTheWire(Way, Call, Misfortune),
    /// Inside B, which we may delete, or not.
    InB(InB, bool),
}

impl Point {
    pub(super) fn end(&self) -> End {
        match self {
            Self::OnTheWire(..) => End::Whole,
            Self::InB(in_b, may_delete) => in_b.end(*may_delete),
        }
    }

    fn names(&self) -> [String; 3] {
        match self {
            Self::OnTheWire(way, call, misfortune) => {
                [way.label().to_owned(), call.label(), misfortune.label()]
            }
            Self::InB(in_b, may_delete) => {
                let way = if *may_delete {
                    "may delete"
                } else {
                    "no delete"
                };
                [way.to_owned(), "inside B".to_owned(), in_b.label()]
            }
        }
    }

    /// Relays one permit through the misfortune; returns the permit and what was seen.
    ///
    /// # Panics
    /// When it does not end as it should.
    pub(super) async fn run(&self, story: &Story, clean: &Clean) -> (String, Outcome) {
        let may_delete = match self {
            Self::OnTheWire(way, ..) => way.may_delete(),
            Self::InB(_, may_delete) => *may_delete,
        };
        let a = fresh(story, may_delete).await;
        let made_before = story.creations();
        let (made, (deliveries, took)) = match self {
            Self::OnTheWire(way, call, misfortune) => {
                way.prepare(story);
                let struck = misfortune.strike(story, call, &a);
                let relayed = relayed(story, &a, self.end()).await;
                assert_eq!(struck(), 1, "it happened: {:?}", self.names());
                (way.made(), relayed)
            }
            Self::InB(in_b, may_delete) => {
                let relayed = in_b.strike(story, relayed(story, &a, self.end())).await;
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

    /// Its place in the table.
    fn place(&self) -> (Option<Way>, usize) {
        match self {
            Self::OnTheWire(way, call, _) => (Some(*way), call.place),
            Self::InB(..) => (None, 0),
        }
    }
}

/// One complete B of this A is alive; or, of a relay that failed, as many half-made ones as could not be
/// deleted.
///
/// # Panics
/// When it is not so.
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

/// What was seen of a point.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    place: (Option<Way>, usize),
    names: [String; 3],
    /// None if it went wrong.
    end: Option<End>,
    deliveries: usize,
    /// Requests that make a B, and how many did.
    posts: usize,
    made: usize,
    took: Duration,
}

impl Outcome {
    /// A point that went wrong.
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

    /// Way by way in the order of the calls, what happens inside B at the end.
    pub(super) fn order(&self) -> (bool, (Option<Way>, usize), &[String]) {
        (self.place.0.is_none(), self.place, &self.names)
    }

    /// The table of all points.
    pub(super) fn table(outcomes: &[Self]) -> String {
        let mut table = String::from(
            "way        call                                             misfortune                 deliveries POSTs made     ms end\n",
        );
        for it in outcomes {
            let [way, call, misfortune] = &it.names;
            let end = match it.end {
                Some(End::Whole) => "one complete B",
                Some(End::Failed { .. }) => "failed, on record: B refuses the draft for good",
                None => "WRONG",
            };
            let call = short(call);
            let (deliveries, posts, made) = (it.deliveries, it.posts, it.made);
            let _ = writeln!(
                table,
                "{way:<10} {call:<48} {misfortune:<26} {deliveries:>10} {posts:>5} {made:>4} {:>6} {end}",
                it.took.as_millis(),
            );
        }
        table
    }
}

/// A call's name in the table: its method, and the end of its path.
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
