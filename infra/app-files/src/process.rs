//! `process.bpmn`: the tasks of an app's process.
//!
//! (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessReader.cs and
//! Elements/AltinnExtensionProperties/AltinnTaskExtension.cs. Before version 8 the task type was an
//! attribute of the task.)

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use crate::{
    error::AppFilesError,
    unsupported::Unsupported,
    xml_tree::{self, Element},
};

/// A task of an app's process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its element id in the BPMN, such as `Task_1`.
    pub id: String,
    /// Altinn's task type, such as `data` or `confirmation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its display name.
    pub name: String,
    /// Whether a gateway follows: then `reject` moves the process back. Without a gateway `reject` moves it forward, as
    /// every action does (measured, tests/recorded/app-process-next-reject.json).
    #[serde(default)]
    pub gateway: bool,
}

/// What a `process.bpmn` says.
pub(super) struct Process {
    /// The tasks from the start event to an end event, in order.
    pub(super) tasks: Vec<Task>,
    /// The ids of the tasks that can be rejected but have no gateway after them.
    pub(super) ignored_rejections: Vec<String>,
    pub(super) unsupported: Vec<Unsupported>,
}

pub(super) fn read(path: &Path, bpmn: &str) -> Result<Process, AppFilesError> {
    let definitions = xml_tree::parse(path, bpmn)?;
    let wrong = |line, problem: String| AppFilesError::content(path, Some(line), problem);
    let process = definitions
        .first("process")
        .ok_or_else(|| wrong(definitions.line, "no `process` in it".to_owned()))?;
    let start = process
        .first("startEvent")
        .ok_or_else(|| wrong(process.line, "the process has no start event".to_owned()))?;
    let mut walk = Walk {
        path,
        process,
        seen: BTreeSet::new(),
        unsupported: Vec::new(),
    };
    let mut tasks: Vec<Task> = Vec::new();
    let mut node = walk.after(start)?;
    while let Some(here) = node {
        match here.name.as_str() {
            "endEvent" => break,
            // Altinn runs a service task without waiting for a user.
            "serviceTask" => {
                let kind = task_type(here).unwrap_or("unknown");
                walk.add_unsupported(&format!(
                    "the service task `{}` ({kind}) is not run: the process goes past it",
                    id(here)
                ));
            }
            name if is_task(name) => tasks.push(task(path, here)?),
            "exclusiveGateway" => {
                if let Some(task) = tasks.last_mut() {
                    task.gateway = true;
                }
            }
            _ => {}
        }
        node = walk.after(here)?;
    }
    if tasks.is_empty() {
        return Err(wrong(
            process.line,
            "no task between the start event and an end event".to_owned(),
        ));
    }
    walk.report_unreached();
    let can_reject = process.children.iter().filter(|node| can_be_rejected(node));
    let ignored_rejections = can_reject
        .filter(|task| walk.seen.contains(id(task)) && !is_followed_by_gateway(process, task))
        .map(|task| id(task).to_owned())
        .collect();
    Ok(Process {
        tasks,
        ignored_rejections,
        unsupported: walk.unsupported,
    })
}

fn task(path: &Path, node: &Element) -> Result<Task, AppFilesError> {
    let kind = task_type(node).ok_or_else(|| {
        AppFilesError::content(
            path,
            Some(node.line),
            format!("the task `{}` has no altinn:taskType", id(node)),
        )
    })?;
    let name = node
        .attribute("name")
        .filter(|name| !name.trim().is_empty())
        .unwrap_or(id(node));
    Ok(Task {
        id: id(node).to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        gateway: false,
    })
}

/// Whether a task lists the action `reject`, or is a confirmation that lists no actions, for which the policy alone
/// decides.
fn can_be_rejected(task: &Element) -> bool {
    if !is_task(&task.name) {
        return false;
    }
    let extension = task
        .first("extensionElements")
        .and_then(|elements| elements.first("taskExtension"));
    match extension.and_then(|extension| extension.first("actions")) {
        Some(actions) => actions
            .all("action")
            .any(|action| action.text().trim() == "reject"),
        None => task_type(task) == Some("confirmation"),
    }
}

/// Whether a gateway, or conditions on several flows, decide which node follows. Service tasks in between are skipped.
fn is_followed_by_gateway(process: &Element, node: &Element) -> bool {
    let mut here = node;
    // Bounded by the number of nodes, because the flows may form a circle.
    for _ in &process.children {
        let mut flows = process
            .all("sequenceFlow")
            .filter(|flow| flow.attribute("sourceRef") == Some(id(here)));
        let (Some(flow), None) = (flows.next(), flows.next()) else {
            return true;
        };
        let target = flow.attribute("targetRef").unwrap_or_default();
        match process.children.iter().find(|node| id(node) == target) {
            Some(next) if next.name.ends_with("Gateway") => return true,
            Some(next) if next.name == "serviceTask" => here = next,
            _ => return false,
        }
    }
    false
}

/// Follows the flows of a process from node to node.
struct Walk<'p> {
    path: &'p Path,
    process: &'p Element,
    seen: BTreeSet<String>,
    unsupported: Vec<Unsupported>,
}

impl<'p> Walk<'p> {
    /// The node after `node`. After a gateway that is the first node that was not visited before, because one of the flows
    /// leads back after a rejection.
    fn after(&mut self, node: &'p Element) -> Result<Option<&'p Element>, AppFilesError> {
        self.seen.insert(id(node).to_owned());
        let flows: Vec<&Element> = self
            .process
            .all("sequenceFlow")
            .filter(|flow| flow.attribute("sourceRef") == Some(id(node)))
            .collect();
        let mut targets = Vec::new();
        for flow in &flows {
            let target = flow.attribute("targetRef").unwrap_or_default();
            let found = self.process.children.iter().find(|node| id(node) == target);
            targets.push(found.ok_or_else(|| {
                AppFilesError::content(
                    self.path,
                    Some(flow.line),
                    format!("a sequence flow leads to `{target}`, which is not in the process"),
                )
            })?);
        }
        if flows.len() > 1 {
            self.add_unsupported(&format!(
                "the conditions of `{}` are not evaluated: the first flow to a new node is taken",
                id(node)
            ));
        }
        let is_new = |node: &&Element| !self.seen.contains(id(node));
        Ok(targets.into_iter().find(is_new))
    }

    /// Reports the tasks that were not visited.
    fn report_unreached(&mut self) {
        let unreached = self.process.children.iter().filter(|node| {
            is_task(&node.name) && node.name != "serviceTask" && !self.seen.contains(id(node))
        });
        let unreached: Vec<&str> = unreached.map(id).collect();
        if !unreached.is_empty() {
            self.add_unsupported(&format!(
                "the process never reaches `{}` here: only other paths through its gateways lead there",
                unreached.join("`, `")
            ));
        }
    }

    fn add_unsupported(&mut self, what: &str) {
        self.unsupported.push(Unsupported {
            file: self.path.to_owned(),
            what: what.to_owned(),
        });
    }
}

fn id(node: &Element) -> &str {
    node.attribute("id").unwrap_or_default()
}

/// Whether an element is a task. Of BPMN's eight kinds of task Altinn treats only the service task differently.
fn is_task(name: &str) -> bool {
    name == "task" || name.ends_with("Task")
}

fn task_type(task: &Element) -> Option<&str> {
    let extension = task
        .first("extensionElements")
        .and_then(|elements| elements.first("taskExtension"))
        .and_then(|extension| extension.first("taskType"))
        .map(Element::text);
    extension
        .or_else(|| task.attribute("tasktype"))
        .filter(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bpmn(body: &str) -> String {
        format!(
            r#"<?xml version="1.0" encoding="utf-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:altinn="http://altinn.no/process">
<bpmn:process id="P" isExecutable="false">{body}</bpmn:process></bpmn:definitions>"#
        )
    }

    fn task(id: &str, kind: &str) -> String {
        format!(
            r#"<bpmn:task id="{id}" name="Name of {id}"><bpmn:extensionElements><altinn:taskExtension>
<altinn:taskType>{kind}</altinn:taskType></altinn:taskExtension></bpmn:extensionElements></bpmn:task>"#
        )
    }

    fn flow(from: &str, to: &str) -> String {
        format!(r#"<bpmn:sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}" />"#)
    }

    fn read(body: &str) -> Result<Process, AppFilesError> {
        super::read(Path::new("process.bpmn"), &bpmn(body))
    }

    const ENDS: &str = r#"<bpmn:startEvent id="S"/><bpmn:endEvent id="E"/>"#;

    #[test]
    fn tasks_are_in_the_order_of_the_flows_and_not_of_the_file() {
        let body = [
            ENDS,
            &task("Task_2", "confirmation"),
            &task("Task_1", "data"),
            &flow("Task_1", "Task_2"),
            &flow("S", "Task_1"),
            &flow("Task_2", "E"),
        ]
        .concat();
        let process = read(&body).unwrap();
        let tasks: Vec<_> = process
            .tasks
            .iter()
            .map(|task| (&*task.id, &*task.kind, &*task.name))
            .collect();
        assert_eq!(
            tasks,
            [
                ("Task_1", "data", "Name of Task_1"),
                ("Task_2", "confirmation", "Name of Task_2")
            ]
        );
        assert_eq!(process.unsupported, []);
    }

    #[test]
    fn the_first_flow_to_a_new_node_is_taken_after_a_gateway_and_unreached_tasks_are_reported() {
        let body = [
            ENDS,
            r#"<bpmn:exclusiveGateway id="G"/>"#,
            &task("Task_1", "data"),
            &task("Task_2", "confirmation"),
            &task("Unreached", "signing"),
            &flow("S", "Task_1"),
            &flow("Task_1", "G"),
            &flow("G", "Task_1"),
            &flow("G", "Task_2"),
            &flow("G", "Unreached"),
            &flow("Task_2", "E"),
        ]
        .concat();
        let process = read(&body).unwrap();
        let ids: Vec<_> = process.tasks.iter().map(|task| &*task.id).collect();
        assert_eq!(ids, ["Task_1", "Task_2"]);
        let [gateway, unreached] = &process.unsupported[..] else {
            panic!("{:?}", process.unsupported)
        };
        assert!(gateway.what.contains("`G`"), "{}", gateway.what);
        assert!(unreached.what.contains("`Unreached`"), "{}", unreached.what);
    }

    #[test]
    fn a_rejection_is_ignored_unless_a_gateway_follows() {
        let actions = |actions: &str| {
            task("Task_2", "confirmation").replace(
                "</altinn:taskType>",
                &format!("</altinn:taskType><altinn:actions>{actions}</altinn:actions>"),
            )
        };
        let confirm = "<altinn:action>confirm</altinn:action>";
        let reject = "<altinn:action>reject</altinn:action>";
        let ignored = |second: &str, between: &str, flows: &[(&str, &str)]| {
            let flows: String = flows.iter().map(|(from, to)| flow(from, to)).collect();
            let first = task("Task_1", "data");
            read(&[ENDS, &first, second, between, &flow("S", "Task_1"), &flows].concat())
                .unwrap()
                .ignored_rejections
        };
        let straight = [("Task_1", "Task_2"), ("Task_2", "E")];
        let both = actions(&format!("{confirm}{reject}"));
        assert_eq!(ignored(&both, "", &straight), ["Task_2"]);
        // An older app lists no actions.
        assert_eq!(
            ignored(&task("Task_2", "confirmation"), "", &straight),
            ["Task_2"]
        );
        assert!(ignored(&actions(confirm), "", &straight).is_empty());
        assert!(ignored(&task("Task_2", "data"), "", &straight).is_empty());
        let gateway = r#"<bpmn:exclusiveGateway id="G"/>"#;
        let back = [
            ("Task_1", "Task_2"),
            ("Task_2", "G"),
            ("G", "Task_1"),
            ("G", "E"),
        ];
        assert!(ignored(&both, gateway, &back).is_empty());
        let service = format!(r#"{gateway}<bpmn:serviceTask id="P"/>"#);
        let through = [
            ("Task_1", "Task_2"),
            ("Task_2", "P"),
            ("P", "G"),
            ("G", "E"),
        ];
        assert!(ignored(&both, &service, &through).is_empty());
        let no_gateway = [("Task_1", "Task_2"), ("Task_2", "P"), ("P", "E")];
        assert_eq!(ignored(&both, &service, &no_gateway), ["Task_2"]);
    }

    #[test]
    fn the_task_type_of_older_apps_is_an_attribute() {
        let body = [
            ENDS,
            r#"<bpmn:task id="Task_1" altinn:tasktype="data"/>"#,
            &flow("S", "Task_1"),
            &flow("Task_1", "E"),
        ]
        .concat();
        let process = read(&body).unwrap();
        assert_eq!(process.tasks[0].kind, "data");
        assert_eq!(process.tasks[0].name, "Task_1");
    }

    #[test]
    fn an_invalid_process_is_refused_with_its_line() {
        for (body, problem) in [
            ("", "no start event"),
            (ENDS, "no task between"),
            (
                &*[ENDS, &flow("S", "Nowhere")].concat(),
                "leads to `Nowhere`",
            ),
            (
                &*[ENDS, r#"<bpmn:task id="T"/>"#, &flow("S", "T")].concat(),
                "has no altinn:taskType",
            ),
        ] {
            let error = read(body).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("process.bpmn:3: "), "{error}");
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_file_with_entity_declarations_is_refused() {
        let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>"#;
        let error = super::read(Path::new("p.bpmn"), bomb)
            .map(|_| ())
            .unwrap_err();
        assert!(
            error.to_string().contains("document type definition"),
            "{error}"
        );
    }
}
