//! The arithmetic.

use super::inputs::{Inputs, Price};

const DAYS: f64 = 30.0;
const MINUTES: f64 = DAYS * 24.0 * 60.0;
/// In a GB.
const KILOBYTES: f64 = 1_000_000.0;

/// One line of a month's bill.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is paid for.
    pub what: &'static str,
    /// How much of it.
    pub quantity: f64,
    /// What one costs.
    pub price: Price,
}

impl Item {
    /// US dollars.
    #[must_use]
    pub fn usd(&self) -> f64 {
        self.quantity / self.price.per * self.price.usd
    }
}

/// A month's bill.
#[derive(Clone, Debug)]
pub struct Bill {
    /// Its lines, always the same ones in the same order.
    pub items: Vec<Item>,
}

impl Bill {
    /// What `relays` relays a month cost. Of what is kept for longer than a month, the bill is that of a
    /// month after so many have come for as long as it is kept.
    #[must_use]
    pub fn new(inputs: &Inputs, relays: u64) -> Self {
        let Inputs {
            prices,
            relay,
            reconcile,
            deployment,
        } = inputs;
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody counts cents of 2^52 relays"
        )]
        let relays = relays as f64;
        let api_requests = relays * relay.api_requests;
        let runs = MINUTES / deployment.reconcile_every_minutes;
        let looks = runs * deployment.routes;
        let polls = deployment.pollers * MINUTES * 60.0 / deployment.poll_seconds;
        let milliseconds = api_requests * relay.receive_milliseconds
            + relays * relay.instantiate_milliseconds
            + looks * reconcile.milliseconds;
        let gb_seconds = milliseconds / 1_000.0 * deployment.memory_megabytes / 1_024.0;
        let table = relays * relay.item_kilobytes / KILOBYTES * deployment.ledger_days / DAYS;
        let logs = (relays * relay.log_kilobytes + looks * reconcile.log_kilobytes) / KILOBYTES;
        let logs_kept = logs * deployment.log_compression * deployment.log_days / DAYS;

        let item = |what, quantity, price: &Price| Item {
            what,
            quantity,
            price: price.clone(),
        };
        let items = vec![
            item("API requests", api_requests, &prices.api_request),
            item(
                "Lambda requests",
                api_requests + relays + runs,
                &prices.lambda_request,
            ),
            item("Lambda GB-seconds", gb_seconds, &prices.lambda_gb_second),
            item(
                "SQS requests",
                relays * relay.queue_requests + polls,
                &prices.queue_request,
            ),
            item(
                "DynamoDB write units",
                relays * relay.write_units + looks * reconcile.write_units,
                &prices.write_unit,
            ),
            item(
                "DynamoDB read units",
                relays * relay.read_units + looks * reconcile.read_units,
                &prices.read_unit,
            ),
            item("DynamoDB GB", table, &prices.table_gb_month),
            item("DynamoDB GB, recoverable", table, &prices.backup_gb_month),
            item("Scheduler invocations", runs, &prices.scheduled_run),
            item("log GB, written", logs, &prices.log_gb),
            item("log GB, kept", logs_kept, &prices.log_gb_month),
            item(
                "custom metrics",
                deployment.metrics_of_all_routes + deployment.routes * deployment.metrics_per_route,
                &prices.metric,
            ),
            item(
                "alarmed metrics",
                deployment.alarmed_metrics,
                &prices.alarmed_metric,
            ),
            item("dashboards", deployment.dashboards, &prices.dashboard),
            item("secrets", deployment.secrets, &prices.secret),
            item(
                "secret reads",
                deployment.starts_per_day * DAYS,
                &prices.secret_read,
            ),
            item(
                "GB sent to B",
                relays * relay.attachment_kilobytes / KILOBYTES,
                &prices.gb_out,
            ),
        ];
        Self { items }
    }

    /// US dollars.
    #[must_use]
    pub fn usd(&self) -> f64 {
        self.items.iter().map(Item::usd).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use proptest::prelude::*;

    use super::*;

    fn inputs() -> Inputs {
        Inputs::default_file().unwrap()
    }

    fn item<'a>(bill: &'a Bill, what: &str) -> &'a Item {
        bill.items.iter().find(|item| item.what == what).unwrap()
    }

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        let near = (found - expected).abs() <= 1e-9 * expected.abs().max(1.0);
        assert!(near, "{found} is not {expected}");
    }

    /// Reckoned by hand, with inputs of its own, so that a wrong factor is seen.
    #[test]
    fn each_line_is_what_a_hand_reckons() {
        let mut inputs = inputs();
        inputs.relay.api_requests = 2.0;
        inputs.relay.receive_milliseconds = 10.0;
        inputs.relay.instantiate_milliseconds = 500.0;
        inputs.relay.item_kilobytes = 0.5;
        inputs.relay.log_kilobytes = 4.0;
        inputs.relay.attachment_kilobytes = 250.0;
        inputs.reconcile.milliseconds = 2_000.0;
        inputs.reconcile.write_units = 3.0;
        inputs.reconcile.log_kilobytes = 5.0;
        inputs.deployment.routes = 2.0;
        inputs.deployment.memory_megabytes = 512.0;
        inputs.deployment.reconcile_every_minutes = 10.0;
        inputs.deployment.metrics_per_route = 10.0;
        inputs.deployment.metrics_of_all_routes = 4.0;
        inputs.deployment.ledger_days = 300.0;
        inputs.deployment.log_days = 60.0;
        inputs.deployment.log_compression = 0.25;
        inputs.prices.write_unit.usd = 0.75;
        let bill = Bill::new(&inputs, 10_000);
        for (what, quantity) in [
            ("API requests", 20_000.0),
            // 4,320 runs of reconcile in 30 days.
            ("Lambda requests", 34_320.0),
            // 200 s + 5,000 s + 2 × 8,640 s, with half a GB.
            ("Lambda GB-seconds", 11_240.0),
            // 5 × 3 × 60 × 24 × 30 polls.
            ("SQS requests", 678_000.0),
            ("DynamoDB write units", 65_920.0),
            // 5 MB a month, ten months of it.
            ("DynamoDB GB", 0.05),
            ("Scheduler invocations", 4_320.0),
            // 40 MB and 43.2 MB.
            ("log GB, written", 0.0832),
            ("log GB, kept", 0.0416),
            ("custom metrics", 24.0),
            ("secret reads", 3_000.0),
            ("GB sent to B", 2.5),
        ] {
            assert_near(item(&bill, what).quantity, quantity);
        }
        assert_near(item(&bill, "DynamoDB write units").usd(), 0.049_44);
        assert_near(item(&bill, "secret reads").usd(), 0.015);
    }

    proptest! {
        #[test]
        fn relays_cost_by_the_piece_and_the_total_is_the_sum(a in 0..1_000_000_u64, b in 0..1_000_000_u64) {
            let inputs = inputs();
            let bill = |relays| Bill::new(&inputs, relays);
            let idle = bill(0).usd();
            let together = bill(a + b).usd() - idle;
            let apart = bill(a).usd() - idle + bill(b).usd() - idle;
            prop_assert!((together - apart).abs() < 1e-6, "{together} {apart}");
            let sum: f64 = bill(a).items.iter().map(Item::usd).sum();
            prop_assert!((bill(a).usd() - sum).abs() < 1e-9);
            for (idle, busy) in bill(0).items.iter().zip(bill(a).items) {
                prop_assert!(idle.quantity >= 0.0 && busy.quantity >= idle.quantity, "{}", busy.what);
            }
        }
    }

    /// The text of template.yaml, and of what it nests.
    fn templates() -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let nested = fs::read_dir(root.join("infra")).unwrap();
        let nested = nested.map(|entry| entry.unwrap().path());
        let is_yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml");
        std::iter::once(root.join("template.yaml"))
            .chain(nested.filter(is_yaml))
            .map(|path| fs::read_to_string(path).unwrap())
            .filter(|text| text.contains("AWSTemplateFormatVersion"))
            .collect()
    }

    #[test]
    fn the_inputs_say_of_the_deployment_what_the_template_says() {
        let templates = templates();
        let lines = || templates.lines().map(str::trim);
        let has = |line: String| lines().any(|it| it == line);
        let resources = |kind: &str| {
            let line = format!("Type: {kind}");
            lines().filter(|it| *it == line).count() as f64
        };
        let inputs = inputs().deployment;
        // Only alarms name metrics in YAML.
        let alarmed = templates.matches("MetricName: ").count();
        assert_near(inputs.alarmed_metrics, alarmed as f64);
        assert_near(inputs.dashboards, resources("AWS::CloudWatch::Dashboard"));
        // The Maskinporten key's is made by hand, and given as a parameter.
        let secrets = resources("AWS::SecretsManager::Secret") + 1.0;
        assert_near(inputs.secrets, secrets);
        assert!(has(format!("MemorySize: {}", inputs.memory_megabytes)));
        let every = inputs.reconcile_every_minutes;
        assert!(has(format!("ScheduleExpression: rate({every} minutes)")));
        assert!(has(format!("Default: {}", inputs.log_days)));
    }
}
