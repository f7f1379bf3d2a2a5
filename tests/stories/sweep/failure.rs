//! The faults of a call, and the faults inside B.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use local_altinn::{CallFault, CreationStep, Fault};
use local_aws::lambda::Processes;
use testbed::wire::{Action, CannedResponse, HookOutcome, On};
use tests::{CASEWORK, DEADLINE, Story, posts};

use super::call::Call;
use super::point::{End, LEASE, Way};

/// A fault of one call; it happens once unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallFailure {
    /// The process is killed (SIGKILL) before the call has any effect.
    KilledBefore,
    /// The process is killed after the effect and before the response.
    KilledAfter,
    /// The connection is reset; the call never arrives.
    ResetBefore,
    /// The call has its effect; the connection is reset instead of a response.
    ResetAfter,
    /// A response with this status, and no effect.
    Refused(u16),
    /// A response 503 with `Retry-After: 1`, and no effect.
    Busy,
    /// The call has its effect; a gateway answers with this status instead.
    Overruled(u16),
    /// The response body breaks off in the middle.
    CutShort,
    /// 500 to this and each later call of the kind, until the message has been delayed.
    Outage,
}

impl CallFailure {
    /// The faults that apply to a call.
    pub(super) fn of(call: &Call, way: Way) -> Vec<Self> {
        use CallFailure::{
            Busy, CutShort, KilledAfter, KilledBefore, Outage, Overruled, Refused, ResetAfter,
            ResetBefore,
        };
        let mut all = vec![
            KilledBefore,
            KilledAfter,
            ResetBefore,
            ResetAfter,
            Refused(500),
        ];
        if way == Way::Straight {
            all.extend([Busy, Refused(429), Refused(504), Refused(401), Outage]);
        }
        if call.makes_b() {
            all.extend([Overruled(500), Overruled(503), Overruled(504)]);
        }
        if call.answer > 1 {
            all.push(CutShort);
        }
        all
    }

    pub(super) fn label(self) -> String {
        match self {
            Self::KilledBefore => "killed before".to_owned(),
            Self::KilledAfter => "killed after".to_owned(),
            Self::ResetBefore => "reset before".to_owned(),
            Self::ResetAfter => "reset after".to_owned(),
            Self::Refused(status) => status.to_string(),
            Self::Busy => "503, Retry-After 1".to_owned(),
            Self::Overruled(status) => format!("{status} after"),
            Self::CutShort => "cut short".to_owned(),
            Self::Outage => "500 until put back".to_owned(),
        }
    }

    /// Injects the fault into `call` in the relay of `a`. The returned function counts how often it happened.
    pub(super) fn inject(self, story: &Story, call: &Call, a: &str) -> Box<dyn Fn() -> usize> {
        let faults = call.line.of(story).faults().clone();
        let on = call.on(a);
        if self == Self::Outage {
            let struck = Arc::new(AtomicUsize::new(0));
            let (seen, first, count) = (AtomicUsize::new(0), call.nth, Arc::clone(&struck));
            let on = On::any().when(move |request| {
                let is_meant =
                    on.matches(request) && seen.fetch_add(1, Ordering::Relaxed) + 1 >= first;
                count.fetch_add(usize::from(is_meant), Ordering::Relaxed);
                is_meant
            });
            let rule = faults.add(on, status(500));
            let put_back = On::operation("ChangeMessageVisibility").nth(1);
            let over = Action::before(move |_| {
                faults.remove(rule);
                async { HookOutcome::Continue }
            });
            story.sqs_wire.faults().add(put_back, over);
            return Box::new(move || usize::from(struck.load(Ordering::Relaxed) > 0));
        }
        let action = match self {
            Self::KilledBefore => Action::before(kill(story, HookOutcome::Reset)),
            Self::KilledAfter => Action::after(kill(story, HookOutcome::Reset)),
            Self::ResetBefore => Action::ResetBefore,
            Self::ResetAfter => Action::ResetAfter,
            Self::Refused(code) => status(code),
            Self::Busy | Self::Outage => {
                let soon = HeaderValue::from_static("1");
                let busy = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
                Action::Answer(busy.header(header::RETRY_AFTER, soon))
            }
            Self::Overruled(code) => Action::AnswerAfter(answer(code)),
            Self::CutShort => {
                Action::Truncate(usize::try_from(call.answer / 2).expect("a small answer"))
            }
        };
        let rule = faults.add(on.nth(call.nth), action);
        Box::new(move || faults.applied(rule))
    }
}

fn answer(status: u16) -> CannedResponse {
    CannedResponse::status(StatusCode::from_u16(status).expect("a status"))
}

fn status(status: u16) -> Action {
    Action::Answer(answer(status))
}

fn processes(story: &Story) -> Processes {
    let processes = story.instantiate.processes();
    processes.expect("it runs in processes").clone()
}

/// A hook that kills the process with SIGKILL, and waits until it is gone.
fn kill<T>(
    story: &Story,
    then: HookOutcome,
) -> impl Fn(T) -> std::pin::Pin<Box<dyn Future<Output = HookOutcome> + Send>> + Send + Sync + use<T>
{
    let processes = processes(story);
    move |_| {
        let processes = processes.clone();
        Box::pin(async move {
            processes.kill_all().await;
            then
        })
    }
}

/// A fault inside B while it creates the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultInB {
    /// Storage creates the instance, but B never learns of it: 500.
    AnswerLost,
    /// Storing the elements fails with this status after this many are stored.
    PartsFail(u16, usize),
    /// The model class cannot deserialise the form: 400, although the instance already exists.
    RefusesForm,
    /// All elements are stored, then the first task does not start.
    TaskFails(u16),
    /// The process is killed while B is working; the effect comes after that.
    KilledMeanwhile,
    /// The process gives up at the end of its lease while B is working; the effect comes later.
    GivenUpMeanwhile,
}

/// What B's app says of a form that its class cannot read.
const UNREAD: &str = r#"{"title":"Failed to deserialize XML","status":400,"detail":"There is an error in XML document (1, 82)."}"#;
/// How long B takes when the effect comes late: shorter than lease and settle time.
const LATE: Duration = Duration::from_millis(1_500);
/// How long B takes to outlast the lease.
const TOO_LATE: Duration = Duration::from_millis(LEASE.as_millis() as u64 + 300);

impl FaultInB {
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = (0..=2).map(|after| Self::PartsFail(500, after)).collect();
        all.extend([
            Self::AnswerLost,
            Self::TaskFails(500),
            Self::PartsFail(429, 1),
            Self::TaskFails(429),
            Self::RefusesForm,
            Self::KilledMeanwhile,
            Self::GivenUpMeanwhile,
        ]);
        all
    }

    pub(super) fn label(self) -> String {
        match self {
            Self::AnswerLost => "made, its id lost (500)".to_owned(),
            Self::RefusesForm => "cannot read the form (400)".to_owned(),
            Self::PartsFail(status, after) => format!("fails after {after} parts ({status})"),
            Self::TaskFails(status) => format!("task does not start ({status})"),
            Self::KilledMeanwhile => "at work when we are killed".to_owned(),
            Self::GivenUpMeanwhile => "at work when we give up".to_owned(),
        }
    }

    /// The expected end.
    pub(super) fn end(self, may_delete: bool) -> End {
        match self {
            Self::RefusesForm => End::Failed {
                orphans: usize::from(!may_delete),
            },
            _ => End::Whole,
        }
    }

    /// How many B are created: one more if a half-made one is deleted.
    pub(super) fn made(self, may_delete: bool) -> usize {
        match self {
            Self::AnswerLost | Self::PartsFail(..) | Self::TaskFails(_) => {
                1 + usize::from(may_delete)
            }
            _ => 1,
        }
    }

    /// Injects the fault into the next creation of a B, and awaits `relayed`.
    pub(super) async fn inject<T>(self, story: &Story, relayed: impl Future<Output = T>) -> T {
        let fault = match self {
            Self::AnswerLost => Fault::at(CreationStep::Instance, CallFault::AnswerLost),
            Self::RefusesForm => {
                let refusal = Action::AnswerAfter(answer(400).body(UNREAD));
                story.altinn_wire.faults().add(posts().nth(1), refusal);
                Fault::PartsRefused(400)
            }
            Self::PartsFail(status, after) => Fault::at(
                CreationStep::ElementsFrom(after),
                CallFault::Refused(status),
            ),
            Self::TaskFails(status) => Fault::at(CreationStep::Process, CallFault::Refused(status)),
            Self::KilledMeanwhile => Fault::at(CreationStep::Instance, CallFault::Delayed(LATE)),
            Self::GivenUpMeanwhile => {
                Fault::at(CreationStep::Instance, CallFault::Delayed(TOO_LATE))
            }
        };
        story.altinn.faults().next(1, Some(CASEWORK), fault);
        if self == Self::RefusesForm {
            // B's class refuses the form however it comes: a delivery whose time ends with the refusal is followed by one
            // that adds it.
            let elements = On::request(Method::POST, "^/ttd/casework/instances/.*/data");
            let faults = story.altinn_wire.faults();
            let rule = faults.add(elements, Action::Answer(answer(400).body(UNREAD)));
            let outcome = relayed.await;
            faults.remove(rule);
            return outcome;
        }
        if self != Self::KilledMeanwhile {
            return relayed.await;
        }
        let killed = async {
            let sent = story.altinn_wire.journal().wait_until(DEADLINE, |calls| {
                calls.iter().any(|call| {
                    let length = call.head().headers.get(header::CONTENT_LENGTH);
                    let length = length.and_then(|it| it.to_str().ok()?.parse().ok());
                    posts().matches(call.head()) && length == Some(call.request_bytes)
                })
            });
            let calls = sent.await.expect("B has the whole request");
            let post = calls.iter().find(|call| posts().matches(call.head()));
            assert!(post.is_some_and(|post| !post.forwarded), "B is at work");
            processes(story).kill_all().await;
        };
        let made = story.creations();
        let at_the_kill = async {
            killed.await;
            assert_eq!(story.creations(), made, "the effect is yet to come");
        };
        tokio::join!(relayed, at_the_kill).0
    }
}
