//! What it costs to go through a long list of Storage, and what is seen of it: by Storage's own `next`, and by the
//! cursor, with pages of several sizes, where Storage's time of the last change lies behind the document's.
//!
//! `cargo bench --profile dev -p tests --bench lists -- 100000`
#![allow(clippy::print_stdout, reason = "a terminal is what this writes to")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stafett_core::{instance::Instance, relay::RelayId};
use stafett_runtime::{
    altinn::{
        Altinn, Budget, Call, Connection,
        cursor::Cursor,
        list::{InstanceQuery, ProcessFilter},
    },
    clock::Clock,
    settings::Environment,
};
use tests::{Folder, PERMIT, ROUTE, Story, permit_alone};
use uuid::Uuid;

#[tokio::main]
async fn main() {
    let count: usize = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(3_000);
    let story = Story::begin(permit_alone()).await;
    let altinn = client(&story).await;
    let folder = Folder::empty();
    let began = story.altinn.clock().now() - SignedDuration::from_hours(60);
    let all: Vec<String> = (0..count)
        .map(|number| {
            let at = began + SignedDuration::from_millis(20 * i64::try_from(number).unwrap_or(0));
            permit(&story, &folder, at)
        })
        .collect();
    for percent in [0, 1, 10] {
        let mut random = fastrand::Rng::with_seed(percent);
        for id in &all {
            let by = match random.u64(..100) < percent {
                true => Duration::from_millis(random.u64(1..100_000_000)),
                false => Duration::ZERO,
            };
            assert!(story.altinn.drift(id, by));
        }
        println!("{count} permits, {percent} % of them behind:");
        for size in [100, 1_000, 5_000] {
            by_next(&altinn, size, count).await;
            by_cursor(&altinn, size, count).await;
        }
    }
    search(&altinn, began, count).await;
    story.end().await;
}

async fn client(story: &Story) -> Altinn {
    let settings = &story.reconcile.settings().environment;
    let source = Environment::new(|name| settings.get(name).cloned());
    let connection = Connection::read(&source).expect("the settings are complete");
    let clock = story.altinn.clock().clone();
    let clock = Clock::reading(move || clock.now());
    let aws = story.aws.endpoints().sdk_config();
    connection.open(&aws, clock).await.expect("it opens")
}

fn permit(story: &Story, folder: &Folder, at: Timestamp) -> String {
    let permit = json!({
        "instanceOwner": {"personNumber": "12837832290"}, "appId": PERMIT,
        "process": {"started": at, "ended": at}, "created": at, "lastChanged": at, "data": [],
    });
    folder.write("instance.json", permit.to_string());
    story.import_from(folder.path())
}

fn ended(size: usize) -> InstanceQuery {
    InstanceQuery {
        process: Some(ProcessFilter::Ended),
        changed_from: Some("2026-11-01T00:00:00Z".parse().expect("a moment")),
        size,
        ..InstanceQuery::of(PERMIT.parse().expect("an app"))
    }
}

/// What a walk through a list has seen, and the time of each page.
#[derive(Default)]
struct Walk {
    seen: HashSet<Uuid>,
    twice: usize,
    pages: Vec<Duration>,
}

impl Walk {
    fn take(&mut self, began: Instant, instances: &[Instance]) {
        self.pages.push(began.elapsed());
        for instance in instances {
            self.twice += usize::from(!self.seen.insert(instance.id.guid));
        }
    }

    fn print(&self, how: &str, calls: u32, count: usize) {
        let ms = |pages: &[Duration]| {
            let sum: Duration = pages.iter().sum();
            sum.as_secs_f64() * 1_000.0 / pages.len().max(1) as f64
        };
        let depth = self.pages.len().div_ceil(10);
        println!(
            "  {how}: {calls} calls, {:.1} s, a page takes {:.1} ms at the beginning and {:.1} ms at the end; \
             {} of {count} seen, {} twice",
            self.pages.iter().sum::<Duration>().as_secs_f64(),
            ms(&self.pages[..depth]),
            ms(&self.pages[self.pages.len() - depth..]),
            self.seen.len(),
            self.twice,
        );
    }
}

async fn by_next(altinn: &Altinn, size: usize, count: usize) {
    let budget = Budget::new(Duration::from_secs(3_600));
    let query = ended(size);
    let call = Call::ListInstances(query.app.clone());
    let (mut walk, mut next) = (Walk::default(), None);
    loop {
        let began = Instant::now();
        let page = altinn.page(&budget, &call, &query, next.as_deref(), |_| true);
        let page = page.await.expect("Storage answers");
        walk.take(began, &page.instances);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    walk.print(&format!("by next, pages of {size}"), budget.calls(), count);
}

async fn by_cursor(altinn: &Altinn, size: usize, count: usize) {
    let budget = Budget::new(Duration::from_secs(3_600));
    let mut cursor = Cursor::new(ended(size));
    let call = Call::ListInstances(cursor.list().app.clone());
    let mut walk = Walk::default();
    while !cursor.is_finished() {
        let began = Instant::now();
        let page = cursor.page(altinn, &budget, &call, |_| true).await;
        walk.take(began, &page.expect("Storage answers").instances);
    }
    assert_eq!((walk.seen.len(), walk.twice), (count, 0));
    walk.print(
        &format!("by the cursor, pages of {size}"),
        budget.calls(),
        count,
    );
}

/// The search for a stamp within ten minutes and eleven of so many that were made within a row.
async fn search(altinn: &Altinn, began: Timestamp, count: usize) {
    let app = PERMIT.parse().expect("an app");
    let source = format!("1/{}", Uuid::new_v4())
        .parse()
        .expect("an instance id");
    let relay = RelayId::new(ROUTE.parse().expect("a route"), source);
    let window = began..=began + SignedDuration::from_secs(660);
    let budget = Budget::new(Duration::from_secs(600));
    let clock = Instant::now();
    let found = altinn.stamped(&budget, &app, &relay, &["stafett.relay"], window);
    assert_eq!(found.await.expect("Storage answers"), []);
    println!(
        "the search for a stamp, {} permits within its eleven minutes: {} calls, {:.1} s",
        count.min(33_001),
        budget.calls(),
        clock.elapsed().as_secs_f64()
    );
}
