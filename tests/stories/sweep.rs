//! The crash sweep: whatever happens to whichever call of a relay, one complete B exists in the end.
//!
//! A clean relay in one fresh process of the built binary tells which calls there are: to Maskinporten,
//! Altinn, B and DynamoDB. Then every call meets every misfortune, each in a relay of its own, again in a
//! fresh process. The ways back from an unknown outcome (to adopt B, to complete it, to delete it and make
//! another) are swept in the same manner: their own clean runs tell the calls, SQS's among them.
//!
//! Nothing but SQS delivers again, with the template's redrive policy; lease, settling and visibility
//! are seconds. A relay's point is over when its queue is empty, and at the end of all of them each A is
//! looked at once more: nothing may have come later.
//!
//! One misfortune has no complete B as its right end: a B whose class cannot read the form, when its instance
//! exists already. The same form would be refused again, so that the relay is on record as failed, with its reason,
//! and its message is a dead letter.

mod call;
mod misfortune;
mod point;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tests::Story;
use tokio::time::Instant;

use misfortune::{InB, Misfortune};
use point::{Clean, End, Outcome, Point, Way, begin, walk};

/// Relays at the same time, each with a deployment of its own: most of the time is waiting.
const LANES: usize = 24;

/// Every point of the sweep, as the clean runs tell.
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
            for misfortune in Misfortune::of(&call, way) {
                points.push(Point::OnTheWire(way, call.clone(), misfortune));
            }
        }
    }
    let in_b = InB::all().into_iter();
    points.extend(in_b.flat_map(|it| [Point::InB(it, false), Point::InB(it, true)]));
    story.end().await;
    (clean.expect("the straight way was walked"), points)
}

/// Works through the points that are left, with a new deployment after one that went wrong.
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
            // The panic has been printed, with what was seen.
            Err(_) => outcomes.push(Outcome::wrong(&point)),
        }
    }
    if let Some(story) = story {
        for (a, point) in relayed {
            // Nothing came later.
            let still = || point::assert_b(&story, &a, point.end(), clean);
            if std::panic::catch_unwind(AssertUnwindSafe(still)).is_err() {
                outcomes.retain(|outcome| !outcome.is_of(&point));
                outcomes.push(Outcome::wrong(&point));
            }
        }
        story.end().await;
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_whichever_call_there_is_one_complete_case() {
    let began = Instant::now();
    let (clean, points) = enumerate().await;
    let calls = |way: Way| {
        let of_way = points.iter().filter_map(|point| match point {
            Point::OnTheWire(of, call, _) if *of == way => Some(call.label()),
            _ => None,
        });
        of_way.collect::<std::collections::BTreeSet<String>>().len()
    };
    // Two tokens' calls and the issuer's document, A three or more times, B's metadata, B, two writes.
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
        "{count} points in {} s: {whole} × one complete B, {failed} × refused for good and on record, {} lost or doubled",
        began.elapsed().as_secs(),
        count - whole - failed,
    );
    print(&report);
    assert_eq!(outcomes.len(), count);
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|it| it.end().is_none()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Shows the report where Cargo shows output, and leaves it in its directory for tests' files.
#[expect(clippy::print_stdout, reason = "the sweep's result is its table")]
fn print(report: &str) {
    println!("{report}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep.txt");
    std::fs::write(file, report).expect("the report can be written");
}
