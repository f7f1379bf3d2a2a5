//! From log lines to journeys.

use std::{collections::BTreeMap, fmt::Debug, str::FromStr, time::Instant};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::{Delivery, Outcome, Step, Timeline, Told, Trouble};

/// Reads log lines.
pub(super) struct Reader(pub(super) Timeline);

/// The delivery that a span is about.
#[derive(Clone)]
struct About {
    instance: String,
    number: u64,
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

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }
}

impl<S> Layer<S> for Reader
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let (Some(instance), Some(relay)) = (fields.get("instance"), fields.get("relay")) else {
            return;
        };
        let Some(span) = context.span(id) else {
            return;
        };
        let delivery = Delivery {
            number: 0,
            relay: relay.to_owned(),
            route: fields.text("route"),
            cause: fields.text("cause"),
            receives: fields.number("receives").unwrap_or(1),
            at: self.0.now(),
            began: Instant::now(),
            ended: None,
            steps: Vec::new(),
            troubles: Vec::new(),
            outcome: None,
            repeats: 0,
        };
        let about = About {
            instance: instance.to_owned(),
            number: self.0.begin(instance, delivery),
        };
        span.extensions_mut().insert(about);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.get("message").unwrap_or_default();
        let about = context
            .event_scope(event)
            .and_then(|mut scope| scope.find_map(|span| span.extensions().get::<About>().cloned()));
        let is_step = event.metadata().target() == "stafett_runtime::step";
        match about {
            Some(about) if is_step => self.step(&about, &fields),
            Some(about) if message == "relay" => {
                self.0.end(&about.instance, about.number, outcome(&fields));
            }
            Some(about) if message == "repeat of a failed relay" => {
                self.0.repeat(&about.instance, about.number);
            }
            about if *event.metadata().level() <= Level::WARN => {
                let number = about.as_ref().map(|it| it.number);
                let instance = about.map(|it| it.instance);
                let instance = instance.unwrap_or_else(|| fields.text("instance"));
                let trouble = Trouble {
                    level: event.metadata().level().as_str(),
                    message: message.to_owned(),
                    reason: fields.text("reason"),
                };
                self.0.trouble(&instance, number, trouble);
            }
            _ if message == "answered" => self.told(&fields),
            _ => {}
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id);
        let about = span.and_then(|span| span.extensions().get::<About>().cloned());
        if let Some(about) = about {
            self.0.change(&about.instance, about.number, |delivery| {
                delivery.ended.get_or_insert_with(Instant::now);
            });
        }
    }
}

impl Reader {
    fn step(&self, about: &About, fields: &Fields) {
        let step = Step {
            name: fields.text("step"),
            ms: fields.number("ms").unwrap_or_default(),
            ended: Instant::now(),
        };
        self.0.change(&about.instance, about.number, |delivery| {
            delivery.steps.push(step);
        });
    }

    /// `receive` took a trigger. Its other answers are about no A instance.
    fn told(&self, fields: &Fields) {
        if let (Some(instance), Some(cause)) = (fields.get("instance"), fields.get("cause")) {
            let told = Told {
                at: self.0.now(),
                answered: Instant::now(),
                cause: cause.to_owned(),
                status: fields.number("status").unwrap_or_default(),
                ms: fields.number("ms").unwrap_or_default(),
            };
            self.0.told(instance, told);
        }
    }
}

fn outcome(fields: &Fields) -> Outcome {
    let text = |name: &str| fields.get(name).map(str::to_owned);
    Outcome {
        state: fields.text("outcome"),
        b: text("b"),
        reason: text("reason"),
        detail: text("detail"),
        adopted: fields.get("adopted") == Some("true"),
        again_s: fields.number("again_s"),
        calls: fields.number("calls").unwrap_or_default(),
        ms: fields.number("ms").unwrap_or_default(),
    }
}
