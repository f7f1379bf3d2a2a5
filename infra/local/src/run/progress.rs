//! The functions' own log lines, as they come: each relay's steps in the terminal, its figures for the table.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, SpanRef},
};

/// What a relay has cost, over all its deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// How often it was tried.
    pub(crate) tries: u64,
    /// Calls to Altinn.
    pub(crate) calls: u64,
    /// Milliseconds.
    pub(crate) ms: u64,
}

/// What has been logged of each relay. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    began: Instant,
    costs: Arc<Mutex<BTreeMap<String, Cost>>>,
    quiet: Arc<AtomicBool>,
}

impl Progress {
    /// Starts to listen to this process' logs.
    pub(crate) fn start() -> Self {
        let progress = Self {
            began: Instant::now(),
            costs: Arc::default(),
            quiet: Arc::default(),
        };
        let wanted = Targets::new()
            .with_target("stafett", LevelFilter::DEBUG)
            .with_target("instantiate", LevelFilter::INFO)
            .with_target("receive", LevelFilter::INFO)
            .with_target("reconcile", LevelFilter::WARN)
            .with_target("redrive", LevelFilter::WARN)
            .with_target("local", LevelFilter::WARN);
        let subscriber = Registry::default().with(progress.clone().with_filter(wanted));
        // Nobody else sets one in this program.
        let _ = tracing::subscriber::set_global_default(subscriber);
        progress
    }

    /// Tells no steps from now on, or tells them again: what repeats all night long is worth one line.
    pub(crate) fn be_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// What the relays of an A instance have cost.
    pub(crate) fn cost(&self, instance: &str) -> Cost {
        self.costs().get(instance).copied().unwrap_or_default()
    }

    fn costs(&self) -> MutexGuard<'_, BTreeMap<String, Cost>> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, who: &str, what: &str) -> String {
        let seconds = self.began.elapsed().as_secs_f64();
        format!("{seconds:>7.3} s  {who:46}  {what}")
    }

    fn tell(&self, line: &str) {
        if !self.quiet.load(Ordering::Relaxed) {
            println!("{line}");
        }
    }
}

/// The fields of a line or a span, as text.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }
}

/// One delivery of a trigger: its A instance, who told of it, and the steps so far.
struct Delivery {
    instance: String,
    cause: String,
    /// Told when something comes of them. The repeats of a failed relay are no news.
    steps: Vec<String>,
}

impl<S> Layer<S> for Progress
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(instance), Some(span)) = (fields.get("instance"), context.span(id)) {
            span.extensions_mut().insert(Delivery {
                instance: instance.to_owned(),
                cause: fields.get("cause").unwrap_or_default().to_owned(),
                steps: Vec::new(),
            });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.get("message").unwrap_or_default();
        let span = context
            .event_scope(event)
            .and_then(|mut scope| scope.find(|span| span.extensions().get::<Delivery>().is_some()));
        let mut extensions = span.as_ref().map(SpanRef::extensions_mut);
        let mut delivery = extensions.as_mut().and_then(|it| it.get_mut::<Delivery>());
        let instance = delivery
            .as_ref()
            .map(|it| it.instance.clone())
            .or_else(|| fields.get("instance").map(str::to_owned));
        let who = instance.clone().unwrap_or_default();
        if event.metadata().target() == "stafett::step" {
            let step = fields.get("step").unwrap_or_default();
            let line = self.line(&who, &format!("{step:11} {:>5} ms", fields.number("ms")));
            if let Some(delivery) = &mut delivery {
                delivery.steps.push(line);
            }
        } else if message == "relay" {
            let cost = Cost {
                tries: 1,
                calls: fields.number("calls"),
                ms: fields.number("ms"),
            };
            if let Some(instance) = instance {
                let mut costs = self.costs();
                let sum = costs.entry(instance).or_default();
                sum.tries += cost.tries;
                sum.calls += cost.calls;
                sum.ms += cost.ms;
            }
            let outcome = fields.get("outcome").unwrap_or_default();
            let b = fields
                .get("b")
                .map(|b| format!(" → {b}"))
                .unwrap_or_default();
            let reason = fields
                .get("reason")
                .map(|it| format!(" ({it})"))
                .unwrap_or_default();
            let steps = delivery.as_mut().map(|it| std::mem::take(&mut it.steps));
            for line in steps.into_iter().flatten() {
                self.tell(&line);
            }
            let cause = match delivery.as_ref().map(|it| it.cause.as_str()) {
                Some("reconcile") => ", found by reconcile",
                Some("redrive") => ", redriven",
                _ => "",
            };
            self.tell(&self.line(&who, &format!("{outcome}{b}{reason}{cause}")));
        } else if *event.metadata().level() <= Level::WARN {
            let reason = fields.get("reason").unwrap_or_default();
            let level = event.metadata().level();
            self.tell(&self.line(&who, &format!("{level}: {message} {reason}")));
        }
    }
}
