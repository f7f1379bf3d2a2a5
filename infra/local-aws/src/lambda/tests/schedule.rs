//! Functions that are invoked by the clock.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::ScheduleSettings;
use testbed::clock::Clock;

#[tokio::test]
async fn a_schedule_follows_the_clock_fails_on_and_does_not_catch_up() {
    let clock = Clock::default();
    let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    clock.stand_at(start);
    let after = |minutes| start + SignedDuration::from_mins(minutes);
    let invoked: Arc<Mutex<Vec<(Timestamp, Value)>>> = Arc::default();
    let function = Function::in_process(settings(DEADLINE), {
        let (invoked, clock) = (invoked.clone(), clock.clone());
        service_fn(move |event: LambdaEvent<Value>| {
            invoked.lock().unwrap().push((clock.now(), event.payload));
            async { Err::<Value, _>(Error::from("it fails")) }
        })
    });
    let every_five_minutes = ScheduleSettings {
        every: Duration::from_secs(300),
        input: json!({ "by": "the clock" }),
    };
    let schedule = Schedule::start(every_five_minutes, function, clock.clone());
    assert_eq!(schedule.next(), after(5));
    clock.advance(Duration::from_secs(299));
    clock.advance(Duration::from_secs(1));
    eventually(|| schedule.next() == after(10)).await;
    clock.advance(Duration::from_secs(3600));
    eventually(|| schedule.next() == after(70)).await;
    schedule.stop().await;
    let input = json!({ "by": "the clock" });
    assert_eq!(
        *invoked.lock().unwrap(),
        [(after(5), input.clone()), (after(65), input)]
    );
}
