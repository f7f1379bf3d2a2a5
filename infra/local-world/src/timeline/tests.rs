use tracing::{Dispatch, Instrument};

use super::*;

const INSTANCE: &str = "50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77";

/// A timeline that has heard what `work` logged, and nothing else.
fn heard(work: impl FnOnce()) -> Timeline {
    let timeline = Timeline::new();
    let subscriber = Registry::default().with(layer::Reader(timeline.clone()));
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), work);
    timeline
}

fn span(instance: &str, receives: u64) -> tracing::Span {
    tracing::info_span!(
        "relay",
        relay = "a-route:3f8d",
        route = "a-route",
        instance,
        cause = "app",
        receives
    )
}

#[test]
fn a_delivery_is_seen_from_its_trigger_to_its_b() {
    let timeline = heard(|| {
        tracing::info!(
            status = 202,
            cause = "app",
            instance = INSTANCE,
            ms = 3.5,
            "answered"
        );
        span(INSTANCE, 1).in_scope(|| {
            tracing::debug!(target: "stafett_runtime::step", step = "claim", ms = 4, "step");
            tracing::debug!(target: "stafett_runtime::step", step = "create", ms = 40, "step");
            tracing::info!(
                outcome = "done",
                b = "1/2",
                adopted = false,
                calls = 4,
                ms = 50,
                "relay"
            );
        });
    });
    let journey = timeline.journey(INSTANCE).unwrap();
    assert_eq!((journey.told.len(), journey.told[0].status), (1, 202));
    let [delivery] = &*journey.deliveries.iter().collect::<Vec<_>>() else {
        panic!("one delivery")
    };
    let steps: Vec<_> = delivery
        .steps
        .iter()
        .map(|step| (step.name.as_str(), step.ms))
        .collect();
    assert_eq!(steps, [("claim", 4), ("create", 40)]);
    assert!(!delivery.is_cut_short());
    let outcome = delivery.outcome.as_ref().unwrap();
    assert_eq!(
        (outcome.state.as_str(), outcome.b.as_deref()),
        ("done", Some("1/2"))
    );
    let cost = Cost {
        tries: 1,
        calls: 4,
        ms: 50,
    };
    assert_eq!(timeline.cost(INSTANCE), cost);
}

#[test]
fn a_delivery_that_is_dropped_halfway_is_cut_short_and_repeats_of_a_failed_relay_are_counted() {
    let timeline = heard(|| {
        let work = async {
            tracing::debug!(target: "stafett_runtime::step", step = "claim", ms = 4, "step");
            std::future::pending::<()>().await;
        };
        let mut work = Box::pin(work.instrument(span(INSTANCE, 1)));
        let waker = std::task::Waker::noop();
        assert!(
            work.as_mut()
                .poll(&mut std::task::Context::from_waker(waker))
                .is_pending()
        );
        drop(work);
        for receives in 2..5 {
            span(INSTANCE, receives).in_scope(|| tracing::debug!("repeat of a failed relay"));
        }
    });
    let journey = timeline.journey(INSTANCE).unwrap();
    assert_eq!(journey.deliveries.len(), 1);
    assert!(journey.deliveries[0].is_cut_short());
    assert_eq!(journey.deliveries[0].repeats, 3);
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_still_counts() {
    let timeline = heard(|| {
        for number in 0..1_000 {
            let instance = format!("1/{number}");
            span(&instance, 1).in_scope(|| {});
            span(INSTANCE, number).in_scope(|| {
                tracing::info!(outcome = "waiting", calls = 1, ms = 1, "relay");
            });
            tracing::info!(status = 202, cause = "event", instance, ms = 1, "answered");
        }
    });
    assert_eq!(timeline.latest(usize::MAX).len(), JOURNEYS);
    // It was the first of all, and so has been forgotten and begun anew.
    let journey = timeline.journey(INSTANCE).unwrap();
    assert!(journey.deliveries.len() <= 80);
    assert!(journey.cost.tries >= journey.deliveries.len() as u64);
}

#[test]
fn trouble_is_noted_where_it_happened_and_told_at_once() {
    let timeline = Timeline::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&told);
    timeline.listen(move |seen| hears.lock().unwrap().push(seen.clone()));
    let subscriber = Registry::default().with(layer::Reader(timeline.clone()));
    tracing::dispatcher::with_default(&Dispatch::new(subscriber), || {
        span(INSTANCE, 1).in_scope(|| tracing::warn!(reason = "it is down", "no answer"));
        tracing::error!("of nobody");
    });
    let delivery = &timeline.journey(INSTANCE).unwrap().deliveries[0];
    assert_eq!(delivery.troubles[0].reason, "it is down");
    let told = told.lock().unwrap();
    assert!(matches!(&told[..], [
        Seen::Trouble { instance: first, .. },
        Seen::Trouble { instance: second, .. },
    ] if first == INSTANCE && second.is_empty()));
}
