//! The crash sweep: whatever fault hits whichever call of a relay, exactly one complete B exists in the end.
//!
//! A clean relay in one fresh process of the built binary lists the calls: to Maskinporten, Altinn, B and
//! DynamoDB. Then every fault is injected into every call, each in a relay of its own, again in a fresh
//! process. The recoveries from an unknown outcome (adopt B, complete it, or delete it and create another) are
//! swept in the same way: their own clean runs list the calls, including those to SQS.
//!
//! Only SQS redelivers, with the template's redrive policy; lease, settle time and visibility timeout are
//! seconds. A point ends when its queue is empty. After the last point each A is checked once more for a late
//! effect.
//!
//! One fault does not end with a complete B: B's model class cannot deserialise the form, but the instance already
//! exists. The same form would be refused again, so the relay is recorded as failed with its reason,
//! and its message becomes a dead letter.

mod call;
mod failure;
mod point;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tests::Story;
use tokio::time::Instant;

use failure::{CallFailure, FaultInB};
use point::{Clean, End, Outcome, Point, Way, begin, walk};

/// The number of relays at the same time, each with its own deployment: most of the time is waiting.
const LANES: usize = 24;

/// Every point of the sweep, as listed by the clean runs.
async fn enumerate() -> (Clean, Vec<Point>) {
    let story = begin().await;
    let mut points = Vec::new();
    let mut clean = None;
    for way in [Way::Straight, Way::Adopted, Way::Finished, Way::Renewed] {
        let (reference, calls) = walk(&story, way, clean.as_ref()).await;
        if way == Way::Straight {
            clean = Some(reference);
        }
        for call in calls {
            for failure in CallFailure::of(&call, way) {
                points.push(Point::OnTheWire(way, call.clone(), failure));
            }
        }
    }
    let in_b = FaultInB::all().into_iter();
    points.extend(in_b.flat_map(|it| [Point::FaultInB(it, false), Point::FaultInB(it, true)]));
    story.end().await;
    (clean.expect("the straight way was walked"), points)
}

/// Works off the remaining points, with a new deployment after each point that failed.
async fn lane(points: &RefCell<VecDeque<Point>>, clean: &Clean) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut relayed = Vec::new();
    let mut story: Option<Story> = None;
    loop {
        let Some(point) = points.borrow_mut().pop_front() else {
            break;
        };
        let ours = match story.take() {
            Some(story) => story,
            None => begin().await,
        };
        let run = AssertUnwindSafe(point.run(&ours, clean)).catch_unwind();
        match run.await {
            Ok((a, outcome)) => {
                relayed.push((a, point));
                outcomes.push(outcome);
                story = Some(ours);
            }
            // The panic message has already been printed. The next point begins a story of its own.
            Err(_) => {
                outcomes.push(Outcome::wrong(&point));
                look_again(&ours, mem::take(&mut relayed), clean, &mut outcomes);
            }
        }
    }
    if let Some(story) = story {
        look_again(&story, relayed, clean, &mut outcomes);
        story.end().await;
    }
    outcomes
}

/// Sees to it that no effect of the story's relays came late.
fn look_again(
    story: &Story,
    relayed: Vec<(String, Point)>,
    clean: &Clean,
    outcomes: &mut Vec<Outcome>,
) {
    for (a, point) in relayed {
        let still = || point::assert_b(story, &a, point.end(), clean);
        if std::panic::catch_unwind(AssertUnwindSafe(still)).is_err() {
            outcomes.retain(|outcome| !outcome.is_of(&point));
            outcomes.push(Outcome::wrong(&point));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_every_call_leaves_one_complete_case() {
    let began = Instant::now();
    let (clean, points) = enumerate().await;
    let calls = |way: Way| {
        let of_way = points.iter().filter_map(|point| match point {
            Point::OnTheWire(of, call, _) if *of == way => Some(call.label()),
            _ => None,
        });
        of_way.collect::<std::collections::BTreeSet<String>>().len()
    };
    // The calls for two tokens and the issuer's document, three or more for A, B's metadata, B, and two writes.
    assert!(calls(Way::Straight) >= 11, "calls are missing in the sweep");
    for way in [Way::Adopted, Way::Finished, Way::Renewed] {
        assert!(calls(way) >= 6, "calls of {way:?} are missing in the sweep");
    }

    let count = points.len();
    let points = RefCell::new(VecDeque::from(points));
    let lanes = (0..LANES).map(|_| lane(&points, &clean));
    let mut outcomes: Vec<Outcome> = join_all(lanes).await.into_iter().flatten().collect();
    outcomes.sort_by(|one, other| one.order().cmp(&other.order()));

    let ends = |is: fn(Option<End>) -> bool| outcomes.iter().filter(|it| is(it.end())).count();
    let (whole, failed) = (
        ends(|end| end == Some(End::Whole)),
        ends(|end| matches!(end, Some(End::Failed { .. }))),
    );
    let mut report = Outcome::table(&outcomes);
    let _ = writeln!(
        report,
        "{count} points in {} s: {whole} × one complete B, {failed} × refused for good and recorded as failed, {} lost or doubled",
        began.elapsed().as_secs(),
        count - whole - failed,
    );
    print(&report);
    assert_eq!(outcomes.len(), count);
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|it| it.end().is_none()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Prints the report into Cargo's output, and writes it to the directory for test files.
#[expect(clippy::print_stdout, reason = "the sweep's result is its table")]
fn print(report: &str) {
    println!("{report}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep.txt");
    std::fs::write(file, report).expect("the report can be written");
}
