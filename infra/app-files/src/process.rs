//! `process.bpmn`: the tasks that an instance goes through.
//!
//! (Altinn/app-lib-dotnet: src/Altinn.App.Core/Internal/Process/ProcessReader.cs and
//! Elements/AltinnExtensionProperties/AltinnTaskExtension.cs. Before version 8 the task type was an
//! attribute of the task.)

use std::{collections::BTreeSet, path::Path};

use super::{AppFilesError, Task, Unheeded, xml, xml::Element};

/// What a `process.bpmn` says.
pub(super) struct Process {
    /// The tasks on the way from the start to the end.
    pub(super) tasks: Vec<Task>,
    /// The tasks that can be rejected, and behind which no gateway asks whether they were.
    pub(super) unheeded_rejections: Vec<String>,
    pub(super) unheeded: Vec<Unheeded>,
}

pub(super) fn read(path: &Path, bpmn: &str) -> Result<Process, AppFilesError> {
    let definitions = xml::parse(path, bpmn)?;
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
        unheeded: Vec::new(),
    };
    let mut tasks: Vec<Task> = Vec::new();
    let mut node = walk.after(start)?;
    while let Some(here) = node {
        match here.name.as_str() {
            "endEvent" => break,
            // Altinn runs these itself and goes on.
            "serviceTask" => {
                let kind = task_type(here).unwrap_or("unknown");
                walk.leave_out(&format!(
                    "the service task `{}` ({kind}) is not run: the process goes past it",
                    id(here)
                ));
            }
            name if is_task(name) => tasks.push(Task {
                id: id(here).to_owned(),
                kind: task_type(here)
                    .ok_or_else(|| {
                        wrong(
                            here.line,
                            format!("the task `{}` has no altinn:taskType", id(here)),
                        )
                    })?
                    .to_owned(),
                name: here
                    .attribute("name")
                    .filter(|name| !name.trim().is_empty())
                    .unwrap_or(id(here))
                    .to_owned(),
                gateway: false,
            }),
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
            "no task on the way from the start event to an end event".to_owned(),
        ));
    }
    let aside = process.children.iter().filter(|node| {
        is_task(&node.name) && node.name != "serviceTask" && !walk.seen.contains(id(node))
    });
    let aside: Vec<&str> = aside.map(id).collect();
    if !aside.is_empty() {
        walk.leave_out(&format!(
            "the process never comes to `{}` here, which only other ways through its gateways reach",
            aside.join("`, `")
        ));
    }
    let can_reject = process.children.iter().filter(|node| can_be_rejected(node));
    let unheeded_rejections = can_reject
        .filter(|task| walk.seen.contains(id(task)) && !is_before_a_gateway(process, task))
        .map(|task| id(task).to_owned())
        .collect();
    Ok(Process {
        tasks,
        unheeded_rejections,
        unheeded: walk.unheeded,
    })
}

/// Whether a task lists the action `reject`, or is a confirmation that lists no actions: the policy alone
/// decides then.
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

/// Whether a gateway decides what comes after a node, or conditions on its flows do. Service tasks in between
/// decide nothing.
fn is_before_a_gateway(process: &Element, node: &Element) -> bool {
    let mut here = node;
    // No process has more nodes in a row than it has nodes.
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

/// The way through a process.
struct Walk<'p> {
    path: &'p Path,
    process: &'p Element,
    seen: BTreeSet<String>,
    unheeded: Vec<Unheeded>,
}

impl<'p> Walk<'p> {
    /// What comes after a node: behind a gateway the first that was not there before, since the way
    /// back after a rejection is one of a gateway's flows, too.
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
            self.leave_out(&format!(
                "the conditions of `{}` are not evaluated: the first of its flows that leads on is taken",
                id(node)
            ));
        }
        let on = |node: &&Element| !self.seen.contains(id(node));
        Ok(targets.into_iter().find(on))
    }

    fn leave_out(&mut self, what: &str) {
        self.unheeded.push(Unheeded {
            file: self.path.to_owned(),
            what: what.to_owned(),
        });
    }
}

fn id(node: &Element) -> &str {
    node.attribute("id").unwrap_or_default()
}

/// BPMN has eight kinds of task; Altinn looks at none of them but the service task.
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
    fn tasks_come_in_the_order_of_the_flows_not_of_the_file() {
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
        assert_eq!(process.unheeded, []);
    }

    #[test]
    fn a_gateway_is_passed_by_the_flow_that_leads_on_and_what_is_aside_is_told() {
        let body = [
            ENDS,
            r#"<bpmn:exclusiveGateway id="G"/>"#,
            &task("Task_1", "data"),
            &task("Task_2", "confirmation"),
            &task("Aside", "signing"),
            &flow("S", "Task_1"),
            &flow("Task_1", "G"),
            &flow("G", "Task_1"),
            &flow("G", "Task_2"),
            &flow("G", "Aside"),
            &flow("Task_2", "E"),
        ]
        .concat();
        let process = read(&body).unwrap();
        let ids: Vec<_> = process.tasks.iter().map(|task| &*task.id).collect();
        assert_eq!(ids, ["Task_1", "Task_2"]);
        let [gateway, aside] = &process.unheeded[..] else {
            panic!("{:?}", process.unheeded)
        };
        assert!(gateway.what.contains("`G`"), "{}", gateway.what);
        assert!(aside.what.contains("`Aside`"), "{}", aside.what);
    }

    #[test]
    fn a_rejection_is_heeded_where_a_gateway_comes_next() {
        let actions = |actions: &str| {
            task("Task_2", "confirmation").replace(
                "</altinn:taskType>",
                &format!("</altinn:taskType><altinn:actions>{actions}</altinn:actions>"),
            )
        };
        let confirm = "<altinn:action>confirm</altinn:action>";
        let reject = "<altinn:action>reject</altinn:action>";
        let unheeded = |second: &str, between: &str, flows: &[(&str, &str)]| {
            let flows: String = flows.iter().map(|(from, to)| flow(from, to)).collect();
            let first = task("Task_1", "data");
            read(&[ENDS, &first, second, between, &flow("S", "Task_1"), &flows].concat())
                .unwrap()
                .unheeded_rejections
        };
        let straight = [("Task_1", "Task_2"), ("Task_2", "E")];
        let both = actions(&format!("{confirm}{reject}"));
        assert_eq!(unheeded(&both, "", &straight), ["Task_2"]);
        // An older app lists no actions.
        assert_eq!(
            unheeded(&task("Task_2", "confirmation"), "", &straight),
            ["Task_2"]
        );
        assert!(unheeded(&actions(confirm), "", &straight).is_empty());
        assert!(unheeded(&task("Task_2", "data"), "", &straight).is_empty());
        let gateway = r#"<bpmn:exclusiveGateway id="G"/>"#;
        let back = [
            ("Task_1", "Task_2"),
            ("Task_2", "G"),
            ("G", "Task_1"),
            ("G", "E"),
        ];
        assert!(unheeded(&both, gateway, &back).is_empty());
        let service = format!(r#"{gateway}<bpmn:serviceTask id="P"/>"#);
        let through = [
            ("Task_1", "Task_2"),
            ("Task_2", "P"),
            ("P", "G"),
            ("G", "E"),
        ];
        assert!(unheeded(&both, &service, &through).is_empty());
        let past = [("Task_1", "Task_2"), ("Task_2", "P"), ("P", "E")];
        assert_eq!(unheeded(&both, &service, &past), ["Task_2"]);
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
    fn a_process_that_cannot_be_followed_is_refused_with_its_line() {
        for (body, problem) in [
            ("", "no start event"),
            (ENDS, "no task on the way"),
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
    fn a_file_that_declares_entities_is_refused_unread() {
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
