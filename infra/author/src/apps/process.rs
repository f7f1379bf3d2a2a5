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
    let mut tasks = Vec::new();
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
            }),
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
    Ok(Process {
        tasks,
        unheeded: walk.unheeded,
    })
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
