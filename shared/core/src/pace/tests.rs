use std::{cmp::Reverse, collections::BinaryHeap};

use jiff::Timestamp;
use proptest::{collection::vec, option::of, prelude::*};

use super::{
    breaker::{FAILURES, LONGEST_ASKED},
    *,
};

const FOUND: Limits = Limits::Found { first: None };

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn any_load() -> impl Strategy<Value = Load> {
    let after = || of((0..100_000_u64).prop_map(Duration::from_secs));
    prop_oneof![
        3 => Just(Load::Done),
        1 => Just(Load::Answered),
        2 => after().prop_map(Load::Busy),
        2 => after().prop_map(Load::Down),
        1 => Just(Load::Hung),
        1 => Just(Load::Unknown),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        of(any::<f64>()).prop_map(|first| Limits::Found { first }),
        (of(0.01..200.0_f64), of(0..200_u32)).prop_map(|(per_second, at_once)| Limits::Set {
            per_second,
            at_once
        }),
    ]
}

/// Containers that share one B, each with more to do than it may.
struct World {
    /// What B takes in a second; what it does not use it may use later, for one second and up to five requests.
    capacity: f64,
    /// How many B takes at once, if that is its limit.
    at_once: u32,
    allowance: f64,
    filled: f64,
    busy: u32,
    containers: Vec<Pace>,
    /// When what happens to whom: microseconds, container, and for an answer whether B took the request.
    events: BinaryHeap<Reverse<(u64, usize, Option<bool>)>>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Came {
    took: u32,
    refused: u32,
}

impl World {
    const LATENCY: u64 = 300_000;

    fn of(containers: Vec<Pace>, capacity: f64, at_once: u32) -> Self {
        let events = (0..containers.len()).map(|it| Reverse((it as u64 * 7_919, it, None)));
        Self {
            capacity,
            at_once,
            allowance: capacity,
            filled: 0.0,
            busy: 0,
            events: events.collect(),
            containers,
        }
    }

    fn takes(&mut self, micros: u64) -> bool {
        let now = micros as f64 / 1e6;
        self.allowance =
            (self.allowance + (now - self.filled) * self.capacity).min(self.capacity.max(5.0));
        self.filled = now;
        let takes = self.allowance >= 1.0 && self.busy < self.at_once;
        if takes {
            self.allowance -= 1.0;
            self.busy += 1;
        }
        takes
    }

    /// Runs until this second, and counts from the other one on.
    fn run(&mut self, until: u64, from: u64) -> Came {
        let mut came = Came::default();
        while let Some(&Reverse((micros, index, answer))) = self.events.peek()
            && micros < until * 1_000_000
        {
            self.events.pop();
            let now = Duration::from_micros(micros);
            if let Some(took) = answer {
                let load = if took { Load::Done } else { Load::Busy(None) };
                self.busy -= u32::from(took);
                self.containers[index].answered(now, load, Duration::from_micros(Self::LATENCY));
                self.containers[index].over(false);
                if micros >= from * 1_000_000 {
                    came.took += u32::from(took);
                    came.refused += u32::from(!took);
                }
            }
            // A lambda of one batch works on ten relays.
            while self.containers[index].in_flight < 10 {
                match self.containers[index].take(now) {
                    Ok(()) => {
                        let took = self.takes(micros);
                        let latency = if took { Self::LATENCY } else { 20_000 };
                        let event = (micros + latency, index, Some(took));
                        self.events.push(Reverse(event));
                    }
                    Err(Wait::Until(turn)) => {
                        let turn = u64::try_from(turn.as_micros()).unwrap() + 1;
                        self.events.push(Reverse((turn, index, None)));
                        break;
                    }
                    Err(Wait::ForAnother) => break,
                }
            }
        }
        came
    }
}

proptest! {
    #[test]
    fn rate_and_window_never_leave_their_bounds(
        limits in any_limits(), answers in vec((any_load(), 0..10_000_u64, 0..150_000_u64), 0..300),
    ) {
        let mut pace = Pace::new(limits);
        let mut now = Duration::ZERO;
        for (load, later, took) in answers {
            now += Duration::from_millis(later);
            let taken = pace.take(now).is_ok();
            pace.answered(now, load, Duration::from_millis(took));
            if taken {
                pace.over(load == Load::Unknown);
            }
            let least = if matches!(limits, Limits::Set { .. }) { 0.001 } else { LOWEST_RATE };
            prop_assert!((least..=HIGHEST_RATE).contains(&pace.rate()), "{pace:?}");
            prop_assert!((SMALLEST_WINDOW..=LARGEST_WINDOW).contains(&pace.window()), "{pace:?}");
            prop_assert!(f64::from(pace.in_flight) <= pace.window().max(1.0));
        }
    }

    #[test]
    fn after_enough_successes_the_highest_rate_is_reached_again(answers in vec(any_load(), 0..100)) {
        let mut pace = Pace::new(FOUND);
        let mut now = Duration::ZERO;
        for load in answers {
            now += Duration::from_secs(3);
            pace.answered(now, load, seconds(0.1));
        }
        for _ in 0..4_000 {
            pace.answered(now, Load::Done, seconds(0.1));
        }
        prop_assert_eq!((pace.rate(), pace.window()), (HIGHEST_RATE, LARGEST_WINDOW));
    }

    #[test]
    fn a_pace_that_the_route_sets_is_kept_whatever_b_answers(
        per_second in 1..50_u32, answers in vec(any_load(), 1..200),
    ) {
        let limit = f64::from(per_second);
        let mut pace = Pace::new(Limits::Set { per_second: Some(limit), at_once: None });
        let mut now = Duration::ZERO;
        let mut turns = 0;
        for load in answers {
            while let Err(Wait::Until(turn)) = pace.take(now) {
                now = turn;
            }
            turns += 1;
            pace.answered(now, load, seconds(0.1));
            pace.over(false);
        }
        prop_assert!(f64::from(turns) <= now.as_secs_f64() * limit + 1.001, "{turns} in {now:?}");
    }

    #[test]
    fn a_turn_that_was_not_used_goes_to_the_next(rate in 0.1..10.0_f64, unused in 1..20_u32) {
        let mut pace = Pace::new(Limits::Set { per_second: Some(rate), at_once: None });
        for _ in 0..unused {
            prop_assert_eq!(pace.take(seconds(5.0)), Ok(()));
            pace.over(true);
        }
        prop_assert_eq!(pace.take(seconds(5.0)), Ok(()));
        prop_assert!(pace.take(seconds(5.0)).is_err());
    }

    #[test]
    fn an_open_breaker_admits_nothing_while_b_is_quiet_and_one_probe_after_it(
        answers in vec((any_load(), 0..2_000_i64), 1..60),
    ) {
        let lease = Duration::from_secs(300);
        let mut breaker = Breaker::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut failures = 0;
        for (load, later) in answers {
            now += Duration::from_secs(later.unsigned_abs());
            let probe = match breaker.admit(now, lease) {
                Admission::Go => false,
                Admission::Quiet(until) => {
                    prop_assert!(now < until && until <= now + LONGEST_ASKED);
                    // What was under way when it opened changes nothing.
                    prop_assert_eq!(breaker.answered(load, false, now), None);
                    continue;
                }
                Admission::Probing => return Err(TestCaseError::fail("an outcome was given")),
                Admission::Probe(taken) => {
                    breaker.learn(taken);
                    prop_assert_eq!(breaker.admit(now, lease), Admission::Probing);
                    true
                }
            };
            let next = breaker.answered(load, probe, now).or_else(|| {
                probe.then(|| breaker.unasked(now)).flatten()
            });
            failures = match load {
                Load::Down(_) => failures + 1,
                Load::Hung => failures + 4,
                Load::Done | Load::Answered => 0,
                Load::Busy(_) if probe => 0,
                Load::Busy(_) | Load::Unknown => failures,
            };
            if let Some(next) = next {
                breaker.learn(next);
            }
            match (load, breaker.state()) {
                (Load::Down(_) | Load::Hung, BreakerState::Open { quiet_until, .. }) => {
                    prop_assert!(quiet_until > now);
                }
                (Load::Down(_) | Load::Hung, BreakerState::Closed) => prop_assert!(failures < FAILURES),
                (Load::Unknown, BreakerState::Open { .. }) => prop_assert!(probe),
                (_, state) => prop_assert_eq!(state, BreakerState::Closed),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The shares count from the fifth minute on, when the pace has been found out.
    #[test]
    fn a_b_with_a_limit_is_used_well_and_refuses_little(
        containers in 1..12_usize, share in 0.5..12.0_f64,
    ) {
        let capacity = share * containers as f64;
        let mut world = World::of(vec![Pace::new(FOUND); containers], capacity, u32::MAX);
        let came = world.run(1_500, 300);
        let refused = f64::from(came.refused) / f64::from(came.refused + came.took);
        let used = f64::from(came.took) / (1_200.0 * capacity);
        prop_assert!(refused <= 0.03 && used >= 0.85, "{refused} refused, {used} used of {capacity}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_b_that_takes_a_few_at_once_is_used_well_and_refuses_little(at_once in 5..20_u32) {
        let mut world = World::of(vec![Pace::new(FOUND); 5], f64::from(u32::MAX), at_once);
        let came = world.run(1_500, 300);
        let refused = f64::from(came.refused) / f64::from(came.refused + came.took);
        prop_assert!(refused <= 0.05, "{refused} refused with {at_once} at once");
    }
}

#[test]
fn relays_that_waited_for_the_same_ask_one_after_the_other() {
    let mut pace = Pace::new(Limits::Set {
        per_second: Some(2.0),
        at_once: None,
    });
    let second = |second: f64| Duration::from_secs_f64(second);
    let mut now = Duration::ZERO;
    for _ in 0..4 {
        if let Err(Wait::Until(turn)) = pace.take(now) {
            now = turn;
            assert_eq!(pace.take(now), Ok(()));
        }
    }
    // The first B of a version has taken ten seconds.
    let mut asked = Vec::new();
    let mut now = now + second(10.0);
    let begin = now;
    while asked.len() < 4 {
        match pace.retake(now) {
            Ok(()) => asked.push((now - begin).as_secs_f64()),
            Err(turn) => now = turn,
        }
    }
    assert_eq!(asked, [0.0, 0.5, 1.0, 1.5]);
}
