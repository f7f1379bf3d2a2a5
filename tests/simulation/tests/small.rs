//! Small deadline days, in which everything must end well.

use simulation::{scenario::Scenario, world::World};

#[test]
fn on_a_small_deadline_day_nothing_is_doubled_lost_or_failed() {
    for scenario in Scenario::all(100) {
        let figures = World::simulate(scenario);
        let ends = (figures.doubled, figures.lost, figures.open, figures.failed);
        assert_eq!(ends, (0, 0, 0, 0), "{figures:?}");
    }
}
