use proptest::{collection::vec, option::of, prelude::*};

use super::*;

const MOST: Duration = Duration::from_secs(140);

/// A relay of one of the containers.
#[derive(Debug)]
struct Relay {
    container: usize,
    since: Timestamp,
    /// Its turn, and whether it is the probe's.
    turn: Option<(Timestamp, bool)>,
}

/// Containers that share one breaker.
struct World {
    now: Timestamp,
    shared: BreakerState,
    containers: Vec<Traffic>,
    relays: Vec<Relay>,
}

#[derive(Debug, Clone)]
enum Event {
    /// A relay comes to this container.
    Comes(usize),
    /// All that wait ask again after this time.
    Passes(Duration),
    /// B answers one of those whose turn has come.
    Answers(usize, Load),
    /// One of them ends without asking B.
    Ends(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let after = || of((0..1_000_u64).prop_map(Duration::from_secs));
    let load = prop_oneof![
        2 => Just(Load::Done),
        1 => after().prop_map(Load::Busy),
        4 => after().prop_map(Load::Down),
        2 => Just(Load::Hung),
    ];
    let event = prop_oneof![
        3 => any::<usize>().prop_map(Event::Comes),
        3 => (1..40_000_u64).prop_map(|millis| Event::Passes(Duration::from_millis(millis))),
        4 => (any::<usize>(), load).prop_map(|(which, load)| Event::Answers(which, load)),
        1 => any::<usize>().prop_map(Event::Ends),
    ];
    vec(event, 1..120)
}

impl World {
    fn new() -> Self {
        let now = Timestamp::UNIX_EPOCH;
        Self {
            now,
            shared: BreakerState::default(),
            containers: vec![Traffic::new(Limits::Found { first: None }, now); 3],
            relays: Vec::new(),
        }
    }

    fn share(&mut self, container: usize, change: Change) -> bool {
        let is_known = self.shared == change.replaces;
        if is_known {
            self.shared = change.state;
        }
        self.containers[container].learn(self.shared);
        is_known
    }

    /// One relay asks for its turn. Returns whether it goes on waiting.
    fn ask(&mut self, relay: &mut Relay) -> Result<bool, TestCaseError> {
        let now = self.now;
        let patience = Patience {
            since: relay.since,
            most: MOST,
        };
        if self.containers[relay.container].must_look(now) {
            self.containers[relay.container].saw(self.shared, None, now);
        }
        match self.containers[relay.container].ask(patience, now) {
            Ask::Turn => {
                let state = self.containers[relay.container].state();
                prop_assert_eq!(state, BreakerState::Closed);
                relay.turn = Some((now, false));
            }
            Ask::Probe(change) => {
                if self.share(relay.container, change) {
                    self.containers[relay.container].begin_probe(now);
                    relay.turn = Some((now, true));
                }
            }
            Ask::PutBack(until) => {
                prop_assert!(until > now);
                return Ok(false);
            }
            Ask::Again(at) | Ask::Look(at) => {
                prop_assert!(at > now && at <= relay.since + MOST, "{at}");
                prop_assert!(now < relay.since + TURN_PATIENCE);
                self.containers[relay.container].saw(self.shared, None, now);
            }
        }
        Ok(true)
    }

    fn ask_all(&mut self) -> Result<(), TestCaseError> {
        for mut relay in std::mem::take(&mut self.relays) {
            if relay.turn.is_some() || self.ask(&mut relay)? {
                self.relays.push(relay);
            }
        }
        Ok(())
    }

    /// Removes one of the relays whose turn has come.
    fn pick(&mut self, which: usize) -> Option<(usize, Timestamp, bool)> {
        let turns: Vec<usize> = (0..self.relays.len())
            .filter(|relay| self.relays[*relay].turn.is_some())
            .collect();
        let picked = turns.get(which % turns.len().max(1))?;
        let relay = self.relays.remove(*picked);
        relay
            .turn
            .map(|(began, probe)| (relay.container, began, probe))
    }
}

proptest! {
    #[test]
    fn no_relay_waits_long_and_one_probe_at_a_time_asks_a_b_that_is_down(events in events()) {
        let mut world = World::new();
        for event in events {
            match event {
                Event::Comes(container) => {
                    let relay = Relay {
                        container: container % world.containers.len(),
                        since: world.now,
                        turn: None,
                    };
                    world.relays.push(relay);
                }
                Event::Passes(time) => world.now += time,
                Event::Answers(which, load) => {
                    if let Some((container, began, probe)) = world.pick(which) {
                        let took = Duration::try_from(world.now.duration_since(began)).unwrap();
                        let traffic = &mut world.containers[container];
                        let change = traffic.answered(load, took, probe, world.now);
                        traffic.over(false);
                        if let Some(change) = change {
                            world.share(container, change);
                        }
                    }
                }
                Event::Ends(which) => {
                    if let Some((container, _, probe)) = world.pick(which) {
                        world.containers[container].over(true);
                        let change = world.containers[container].unasked(world.now);
                        if let Some(change) = change.filter(|_| probe) {
                            world.share(container, change);
                        }
                    }
                }
            }
            world.ask_all()?;
            let probes = world.relays.iter().filter(|relay| {
                relay.turn.is_some_and(|(began, probe)| probe && world.now < began + PROBE_LEASE)
            });
            prop_assert!(probes.count() <= 1);
        }
    }

    #[test]
    fn a_b_that_was_down_for_long_gets_the_pace_that_it_bore_before(probes in 1..60_u32) {
        let mut traffic = Traffic::new(Limits::Found { first: Some(20.0) }, Timestamp::UNIX_EPOCH);
        let mut now = Timestamp::UNIX_EPOCH;
        let took = Duration::from_millis(300);
        while traffic.state() == BreakerState::Closed {
            traffic.answered(Load::Down(None), took, false, now);
        }
        for _ in 0..probes {
            now += LONGEST_AWAY;
            traffic.answered(Load::Down(None), took, true, now);
        }
        traffic.answered(Load::Done, took, true, now);
        prop_assert_eq!(traffic.state(), BreakerState::Closed);
        prop_assert!(traffic.rate_found() >= Some(10.0), "{:?}", traffic.rate_found());
    }
}

#[test]
fn a_container_whose_changes_nobody_takes_tries_to_become_the_probe_a_few_times() {
    let mut now = Timestamp::UNIX_EPOCH;
    let mut traffic = Traffic::new(Limits::Found { first: None }, now);
    while traffic.state() == BreakerState::Closed {
        traffic.answered(Load::Hung, LONGEST_AWAY, false, now);
    }
    now += LONGEST_AWAY;
    let (since, most) = (now, MOST);
    let patience = Patience { since, most };
    let mut tried = 0;
    loop {
        match traffic.ask(patience, now) {
            Ask::Probe(_) => tried += 1,
            Ask::Look(_) => now += Duration::from_millis(10),
            Ask::PutBack(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(now, since + PROBE_PATIENCE);
    assert_eq!(tried, 5);
}

#[test]
fn a_relay_whose_try_was_overtaken_tries_again_at_once_if_it_may() {
    let mut now = Timestamp::UNIX_EPOCH;
    let mut traffic = Traffic::new(Limits::Found { first: None }, now);
    let open = |quiet_until, times| BreakerState::Open {
        quiet_until,
        probing: false,
        times,
    };
    traffic.saw(open(now, 1), None, now);
    let (since, most) = (now, MOST);
    let patience = Patience { since, most };
    assert!(matches!(traffic.ask(patience, now), Ask::Probe(_)));
    assert!(matches!(traffic.ask(patience, now), Ask::Look(_)));
    now += Duration::from_millis(1);
    traffic.learn(open(now, 2));
    assert!(matches!(traffic.ask(patience, now), Ask::Probe(_)));
}
