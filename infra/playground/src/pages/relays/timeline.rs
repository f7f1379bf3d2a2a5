//! A relay's deliveries, step by step.

use std::time::{Duration, Instant};

use local_world::timeline::{Delivery, Journey};
use minijinja::{Value as Shown, context};
use testbed::wire::Exchange;
use uuid::Uuid;

use super::{badge, standing};
use crate::Site;

/// The width of the chart, in SVG units.
const WIDTH: f64 = 1_000.0;
/// The minimum width of a bar, so that a step without duration stays visible.
const LEAST: f64 = 4.0;
/// The maximum number of calls shown per step.
const CALLS: usize = 12;

/// The deliveries of a journey, the newest first.
pub(super) fn deliveries(site: &Site, journey: &Journey) -> Vec<Shown> {
    let exchanges = site.deployment.altinn_wire.journal().all();
    let others = site.timeline.latest(usize::MAX);
    let others: Vec<&Delivery> = others.iter().flat_map(|it| &it.deliveries).collect();
    let shown = journey.deliveries.iter().rev().map(|delivery| {
        let told = journey.told.iter().rev().find(|told| {
            // Only the first receive belongs to a trigger that came over HTTP.
            delivery.receives == 1
                && told.cause == delivery.cause
                && told.answered <= delivery.began + told_slack(told.ms)
        });
        let mut chart = Chart::new(delivery);
        if let Some(told) = told {
            let began = told
                .answered
                .checked_sub(milliseconds(told.ms))
                .unwrap_or(told.answered);
            chart.began = began.min(delivery.began);
            chart.bar("trigger", began, told.answered, Vec::new());
            chart.bar(
                "queue",
                told.answered.min(delivery.began),
                delivery.began,
                Vec::new(),
            );
        }
        let overlaps = |it: &&&Delivery| {
            it.number != delivery.number
                && it.began <= delivery.ended.unwrap_or_else(Instant::now)
                && it.ended.is_none_or(|ended| ended >= delivery.began)
        };
        let alone = others.iter().find(overlaps).is_none();
        let mut before = delivery.began;
        for step in &delivery.steps {
            let calls = calls(&exchanges, before, step.ended, &journey.instance, alone);
            chart.bar(
                &step.name,
                step.began().max(delivery.began),
                step.ended,
                calls,
            );
            before = step.ended;
        }
        chart.shown(delivery)
    });
    shown.collect()
}

fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1_000.0).unwrap_or_default()
}

/// Allows for a message that is received before its sender has responded.
fn told_slack(ms: f64) -> Duration {
    milliseconds(ms) + Duration::from_millis(50)
}

/// The calls to Altinn that began between two moments. While other deliveries run, only calls that
/// name the A instance are attributed.
fn calls(
    exchanges: &[Exchange],
    after: Instant,
    until: Instant,
    instance: &str,
    alone: bool,
) -> Vec<Shown> {
    let guid = instance.rsplit('/').next().unwrap_or_default();
    exchanges
        .iter()
        .filter(|it| after < it.started && it.started <= until)
        .filter(|it| alone || it.path().contains(guid))
        .take(CALLS)
        .map(|it| {
            // The query is left out, because it may contain search values.
            let path = short(it.path().split('?').next().unwrap_or_default());
            context! {
                method => it.method().as_str(),
                path,
                status => it.status.map(|status| status.as_u16()),
                ms => it.took().map(|took| took.as_millis()),
                fault => it.fault,
                is_trouble => it.fault.is_some() || it.status.is_none_or(|it| it.is_client_error() || it.is_server_error()),
            }
        })
        .collect()
}

/// A path with shortened GUIDs, for readability.
fn short(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.get(..8) {
        Some(start) if part.parse::<Uuid>().is_ok() => format!("{start}…"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A chart of bars on one scale.
struct Chart {
    began: Instant,
    ended: Instant,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    began: Instant,
    ended: Instant,
    calls: Vec<Shown>,
}

impl Chart {
    fn new(delivery: &Delivery) -> Self {
        Self {
            began: delivery.began,
            ended: delivery.ended.unwrap_or_else(Instant::now),
            bars: Vec::new(),
        }
    }

    fn bar(&mut self, name: &str, began: Instant, ended: Instant, calls: Vec<Shown>) {
        self.bars.push(Bar {
            name: name.to_owned(),
            began,
            ended,
            calls,
        });
    }

    fn shown(&self, delivery: &Delivery) -> Shown {
        let whole = self
            .ended
            .duration_since(self.began)
            .as_secs_f64()
            .max(0.000_1);
        let at = |instant: Instant| {
            let share = instant.saturating_duration_since(self.began).as_secs_f64() / whole;
            (share * WIDTH).clamp(0.0, WIDTH)
        };
        let bars: Vec<Shown> = self
            .bars
            .iter()
            .map(|bar| {
                let width = (at(bar.ended) - at(bar.began)).max(LEAST);
                let x = at(bar.began).min(WIDTH - width);
                let took = bar.ended.saturating_duration_since(bar.began);
                context! {
                    name => bar.name.clone(),
                    look => look(&bar.name),
                    x => format!("{x:.1}"),
                    width => format!("{width:.1}"),
                    ms => took.as_millis(),
                    calls => bar.calls.clone(),
                }
            })
            .collect();
        let outcome = delivery.outcome.as_ref();
        let warnings: Vec<Shown> = delivery
            .warnings
            .iter()
            .map(|it| context! { level => it.level, message => it.message.clone(), reason => it.reason.clone() })
            .collect();
        context! {
            number => delivery.number,
            route => delivery.route.clone(),
            relay => delivery.relay.clone(),
            cause => delivery.cause.clone(),
            receives => delivery.receives,
            at => delivery.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            state => badge(standing(delivery)),
            is_working => delivery.ended.is_none(),
            is_cut => delivery.is_cut_short(),
            ms => delivery.took().as_millis(),
            calls => outcome.map(|it| it.calls),
            b => outcome.and_then(|it| it.b.as_deref()),
            adopted => outcome.is_some_and(|it| it.adopted),
            reason => outcome.and_then(|it| it.reason.as_deref()),
            detail => outcome.and_then(|it| it.detail.as_deref()),
            repeats => delivery.repeats,
            again_s => outcome.and_then(|it| it.again_s),
            bars,
            warnings,
        }
    }
}

/// The CSS class of a bar.
fn look(step: &str) -> String {
    match step {
        "trigger" | "queue" | "claim" | "read" | "search" | "create" | "verify" | "look"
        | "record" | "delete" | "add-form" | "finish" | "resume" | "after-steps" => {
            format!("step-{step}")
        }
        _ => "step-other".to_owned(),
    }
}
