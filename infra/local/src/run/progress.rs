//! The functions' own log lines, as they come: each relay's steps in the terminal, its figures for the table.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    registry::LookupSpan,
};

/// What a relay has cost, over all its deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
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
}

impl Progress {
    /// Starts to listen to this process' logs.
    pub(crate) fn start() -> Self {
        let progress = Self {
            began: Instant::now(),
            costs: Arc::default(),
        };
        let wanted = Targets::new()
            .with_target("stafett", LevelFilter::DEBUG)
            .with_target("instantiate", LevelFilter::INFO)
            .with_target("receive", LevelFilter::INFO)
            .with_target("local", LevelFilter::WARN);
        let subscriber = Registry::default().with(progress.clone().with_filter(wanted));
        // Nobody else sets one in this program.
        let _ = tracing::subscriber::set_global_default(subscriber);
        progress
    }

    /// What the relays of an A instance have cost.
    pub(crate) fn cost(&self, instance: &str) -> Cost {
        self.costs().get(instance).copied().unwrap_or_default()
    }

    fn costs(&self) -> MutexGuard<'_, BTreeMap<String, Cost>> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, who: &str, what: &str) {
        println!(
            "{:>7.3} s  {who}  {what}",
            self.began.elapsed().as_secs_f64()
        );
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

/// The A instance that a span is about.
struct About(String);

impl<S> Layer<S> for Progress
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(instance), Some(span)) = (fields.get("instance"), context.span(id)) {
            span.extensions_mut().insert(About(instance.to_owned()));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let about = context.event_scope(event).and_then(|scope| {
            scope.into_iter().find_map(|span| {
                span.extensions()
                    .get::<About>()
                    .map(|About(instance)| instance.clone())
            })
        });
        let instance = about.as_deref().or_else(|| fields.get("instance"));
        let who = instance.map_or_else(|| format!("{:46}", ""), |it| format!("{it:46}"));
        let message = fields.get("message").unwrap_or_default();
        if event.metadata().target() == "stafett::step" {
            let step = fields.get("step").unwrap_or_default();
            self.tell(&who, &format!("{step:11} {:>5} ms", fields.number("ms")));
        } else if message == "relay" {
            let cost = Cost {
                calls: fields.number("calls"),
                ms: fields.number("ms"),
            };
            if let Some(instance) = instance {
                let mut costs = self.costs();
                let sum = costs.entry(instance.to_owned()).or_default();
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
            self.tell(&who, &format!("{outcome}{b}{reason}"));
        } else if *event.metadata().level() <= Level::WARN {
            let reason = fields.get("reason").unwrap_or_default();
            self.tell(
                &who,
                &format!("{}: {message} {reason}", event.metadata().level()),
            );
        }
    }
}
