//! Each relay's steps in the terminal, as they come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use local_world::timeline::{Cost, Delivery, Seen, Timeline};

/// Tells the terminal of what the timeline sees. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    timeline: Timeline,
    quiet: Arc<AtomicBool>,
}

impl Progress {
    /// Starts to tell.
    pub(crate) fn start(timeline: &Timeline) -> Self {
        let progress = Self {
            timeline: timeline.clone(),
            quiet: Arc::default(),
        };
        let told = progress.clone();
        timeline.listen(move |seen| told.tell(seen));
        progress
    }

    /// Tells no steps from now on, or tells them again: what repeats all night long is worth one line.
    pub(crate) fn be_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// What the relays of an A instance have cost.
    pub(crate) fn cost(&self, instance: &str) -> Cost {
        self.timeline.cost(instance)
    }

    fn tell(&self, seen: &Seen) {
        if self.quiet.load(Ordering::Relaxed) {
            return;
        }
        match seen {
            Seen::Ended { instance, delivery } => {
                for line in self.lines(instance, delivery) {
                    say!("{line}");
                }
            }
            Seen::Trouble {
                instance,
                trouble,
                at,
            } => {
                let what = format!("{}: {} {}", trouble.level, trouble.message, trouble.reason);
                say!("{}", line(*at, instance, &what));
            }
        }
    }

    /// The steps of a delivery, and what it came to.
    fn lines(&self, instance: &str, delivery: &Delivery) -> Vec<String> {
        let at = |moment: std::time::Instant| moment.duration_since(self.timeline.began());
        let mut lines: Vec<String> = delivery
            .steps
            .iter()
            .map(|step| {
                let what = format!("{:11} {:>5} ms", step.name, step.ms);
                line(at(step.ended), instance, &what)
            })
            .collect();
        if let (Some(outcome), Some(ended)) = (&delivery.outcome, delivery.ended) {
            let b = outcome.b.as_ref().map(|b| format!(" → {b}"));
            let reason = outcome.reason.as_ref().map(|it| format!(" ({it})"));
            let cause = match delivery.cause.as_str() {
                "reconcile" => ", found by reconcile",
                "redrive" => ", redriven",
                _ => "",
            };
            let (b, reason) = (b.unwrap_or_default(), reason.unwrap_or_default());
            let what = format!("{}{b}{reason}{cause}", outcome.state);
            lines.push(line(at(ended), instance, &what));
        }
        lines
    }
}

fn line(at: Duration, who: &str, what: &str) -> String {
    format!("{:>7.3} s  {who:46}  {what}", at.as_secs_f64())
}
