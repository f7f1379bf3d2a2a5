//! The history of a process in Storage.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The history of a process, as Storage gives it: one entry for each element of the process
/// (Altinn/altinn-storage: src/Storage/Helpers/ProcessHelper.cs, MapInstanceEventsToProcessHistory).
#[derive(Clone, Default)]
pub(crate) struct History {
    entries: Vec<HistoryEntry>,
}

#[derive(Clone)]
struct HistoryEntry {
    event_type: &'static str,
    element_id: String,
    occurred: Option<Timestamp>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    performed_by: String,
}

impl History {
    /// The entries as Storage gives them.
    pub(crate) fn view(&self) -> Vec<Value> {
        let view = |entry: &HistoryEntry| {
            json!({
                "eventType": entry.event_type, "elementId": entry.element_id, "occured": entry.occurred, "started": entry.started,
                "ended": entry.ended, "performedBy": entry.performed_by,
            })
        };
        self.entries.iter().map(view).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Records that a start or end event occurred.
    pub(crate) fn occurred(
        &mut self,
        event_type: &'static str,
        element: &str,
        at: Timestamp,
        by: &str,
    ) {
        self.entries.push(HistoryEntry {
            occurred: Some(at),
            ..entry(event_type, element, by)
        });
    }

    pub(crate) fn task_started(&mut self, task: &str, at: Timestamp, by: &str) {
        self.change_entry(task, "process_StartTask", by, |entry| {
            entry.occurred.get_or_insert(at);
            entry.started = Some(at);
        });
    }

    /// Records the end of a task, even if its start was never recorded.
    pub(crate) fn task_ended(&mut self, task: &str, at: Timestamp, by: &str) {
        self.change_entry(task, "process_EndTask", by, |entry| entry.ended = Some(at));
    }

    /// Changes the entry of a task. Creates the entry if there is none.
    fn change_entry(
        &mut self,
        task: &str,
        event_type: &'static str,
        by: &str,
        change: impl FnOnce(&mut HistoryEntry),
    ) {
        let known = self
            .entries
            .iter_mut()
            .find(|entry| entry.element_id == task);
        if let Some(known) = known {
            change(known);
        } else {
            let mut new = entry(event_type, task, by);
            change(&mut new);
            self.entries.push(new);
        }
    }
}

fn entry(event_type: &'static str, element: &str, by: &str) -> HistoryEntry {
    HistoryEntry {
        event_type,
        element_id: element.to_owned(),
        occurred: None,
        started: None,
        ended: None,
        performed_by: by.to_owned(),
    }
}
