//! What is simulated: which A become ready when, who tells of them, and how the apps behave.

use crate::{
    altinn::Behaviour,
    time::{HOUR, MINUTE, Ms, SECOND},
};

/// A day to simulate.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What happens, in a few words.
    pub name: &'static str,
    /// How many A become ready.
    pub relays: u32,
    /// Over what time they become ready, at equal distances.
    pub within: Ms,
    /// How long after it became ready each A is told of: once by its trigger, and once more by its event.
    pub told: Vec<Ms>,
    /// The apps B, one for each route. The A belong to the routes in turn.
    pub apps: Vec<Behaviour>,
    /// The template's `MaximumConcurrency`.
    pub concurrency: usize,
    /// The ledger is new, and of every hundred A so many had a B before.
    pub had_b: u64,
    /// When the relays of the first app are left out of the times to B, because it is the one that hangs.
    pub watch_others: bool,
}

/// How long a trigger takes to the queue.
const TRIGGER: Ms = SECOND / 2;
/// How long an event of Altinn takes to the queue (wire-protocol: "Events": some seconds).
const EVENT: Ms = 10 * SECOND;
/// The template's default.
const CONCURRENCY: usize = 5;

impl Scenario {
    /// So many triggers in an hour, for one B that takes 20 a second.
    pub fn hour(name: &'static str, relays: u32) -> Self {
        Self {
            name,
            relays,
            within: HOUR,
            told: vec![TRIGGER],
            apps: vec![Behaviour::of(Some(20))],
            concurrency: CONCURRENCY,
            had_b: 0,
            watch_others: false,
        }
    }

    /// The days of the table, with every number of relays divided by `divisor`.
    pub fn all(divisor: u32) -> Vec<Self> {
        let hour = |name| {
            let mut hour = Self::hour(name, 200_000 / divisor);
            hour.within /= Ms::from(divisor);
            hour
        };
        let app = || Behaviour::of(Some(20));
        let down = |hours: Ms| Behaviour {
            down: Some(5 * MINUTE / Ms::from(divisor)..hours * HOUR),
            ..app()
        };
        vec![
            hour("B takes 20/s"),
            Self {
                told: vec![TRIGGER, EVENT],
                ..hour("told twice")
            },
            Self {
                apps: vec![Behaviour {
                    takes: 3 * SECOND,
                    ..Behaviour::of(None)
                }],
                ..hour("B takes 3 s each")
            },
            Self {
                apps: vec![down(8)],
                ..hour("B down for 8 h")
            },
            Self {
                apps: vec![down(62)],
                ..hour("B down for a weekend")
            },
            Self {
                apps: vec![Behaviour { loses: 10, ..app() }],
                ..hour("10 % lost answers")
            },
            Self {
                relays: 60_000 / divisor,
                apps: vec![app(), app(), app()],
                watch_others: true,
                ..hour("three B, all well")
            },
            Self {
                relays: 60_000 / divisor,
                apps: vec![
                    Behaviour {
                        hangs: Some(0..2 * HOUR),
                        ..app()
                    },
                    app(),
                    app(),
                ],
                watch_others: true,
                ..hour("one of three B hangs")
            },
            Self {
                relays: 1_000_000 / divisor,
                told: Vec::new(),
                had_b: 99,
                ..hour("lost ledger, 1 % lack B")
            },
        ]
    }
}
