//! The table of subscriptions. It shows no secret, and of other systems' addresses the host alone.

use reqwest::Url;
use stafett_runtime::altinn::subscriptions::{Subscription, Topic};

const HEAD: [&str; 5] = ["subscription", "app", "events", "address", "state"];

#[derive(Debug)]
pub(super) struct Report {
    api: Url,
    rows: Vec<[String; 5]>,
}

impl Report {
    pub(super) fn new(api: &Url) -> Self {
        Self {
            api: api.clone(),
            rows: Vec::new(),
        }
    }

    /// A subscription, and how it stands.
    pub(super) fn subscription(&mut self, subscription: &Subscription, state: impl Into<String>) {
        let about = match subscription.app() {
            Some(app) => app.to_string(),
            None => subscription.resource.clone().unwrap_or_default(),
        };
        let address = if subscription.endpoint.is_of(&self.api) {
            self.ours()
        } else {
            subscription.endpoint.to_string()
        };
        let mut events = events(subscription.kind.as_deref());
        if subscription.narrowed {
            events.push_str(" of some");
        }
        let id = subscription.id.to_string();
        self.rows.push([id, about, events, address, state.into()]);
    }

    /// A topic without a subscription.
    pub(super) fn topic(&mut self, topic: &Topic, state: &str) {
        self.rows.push([
            "-".to_owned(),
            topic.app.to_string(),
            events(topic.kind.filter()),
            self.ours(),
            state.to_owned(),
        ]);
    }

    fn ours(&self) -> String {
        format!("{}/events/…", self.api.as_str().trim_end_matches('/'))
    }

    pub(super) fn print(&self) {
        if self.rows.is_empty() {
            println!("There is no subscription.");
            return;
        }
        let head = HEAD.map(str::to_owned);
        let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(&self.rows).collect();
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in rows {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            println!("{}", line.join("  ").trim_end());
        }
    }
}

fn events(kind: Option<&str>) -> String {
    kind.unwrap_or("all").to_owned()
}
