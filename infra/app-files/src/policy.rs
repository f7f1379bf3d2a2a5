//! `policy.xml`: what an app's policy permits.
//!
//! The policy is evaluated for each action: once for the app as a whole, and once in each task and end event that the
//! policy names. A person is assumed to have every role that the policy names, for their own instances.

mod xacml;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use stafett_core::id::AppId;

use crate::{
    error::AppFilesError,
    unsupported::Unsupported,
    xml_tree::{self, Element},
};
use xacml::{ACTION, ACTION_ID, END_EVENT, ORG, RESOURCE, Request, Rules, SUBJECT, TASK};

/// The category of the obligation that names the minimum authentication level.
const MINIMUM_LEVEL: &str = "urn:altinn:minimum-authenticationlevel";
/// The actions that Altinn itself requires, whether or not a policy names them.
const ACTIONS: [&str; 5] = ["instantiate", "read", "write", "delete", "complete"];

/// The actions that an app's policy permits in at least one task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Policy {
    /// Actions of the organisation that owns the app. Default: `read, write, instantiate,
    /// complete`, but not `delete`
    /// (Altinn/altinn-studio: src/App/template/v8/src/App/config/authorization/policy.xml).
    pub service_owner: BTreeSet<String>,
    /// Actions of every other organisation, service owner or not. Default: none.
    pub others: BTreeSet<String>,
    /// Actions of a person on their own instances, in any role. Default: `read, write,
    /// delete, instantiate, confirm, reject`.
    pub persons: BTreeSet<String>,
    /// The minimum authentication level, from the policy's obligations. Default: 0.
    pub minimum_level: u8,
}

impl Default for Policy {
    fn default() -> Self {
        let service_owner = ["read", "write", "instantiate", "complete"];
        let persons = [
            "read",
            "write",
            "delete",
            "instantiate",
            "confirm",
            "reject",
        ];
        Self {
            service_owner: service_owner.map(str::to_owned).into(),
            others: BTreeSet::new(),
            persons: persons.map(str::to_owned).into(),
            minimum_level: 0,
        }
    }
}

/// What a `policy.xml` says.
pub(super) struct PolicyFile {
    pub(super) policy: Policy,
    /// The service owner's actions that are permitted only in certain tasks or end events, with the ids of those.
    pub(super) limited: BTreeMap<String, BTreeSet<String>>,
    pub(super) unsupported: Vec<Unsupported>,
}

pub(super) fn read(path: &Path, app: &AppId, document: &str) -> Result<PolicyFile, AppFilesError> {
    let root = xml_tree::parse(path, document)?;
    if root.name != "Policy" {
        return Err(AppFilesError::content(
            path,
            Some(root.line),
            format!("a `Policy` of XACML is expected, this is `{}`", root.name),
        ));
    }
    let rules = Rules::parse(path, app, &root)?;
    let evaluation = Evaluation::new(app, &rules);
    let (service_owner, limited) = evaluation.service_owner();
    let other_orgs = evaluation.other_orgs();
    let policy = Policy {
        service_owner,
        others: evaluation.permitted_to_any(other_orgs.iter().map(|org| Some(org.as_str()))),
        persons: evaluation.permitted_to_any([None]),
        minimum_level: minimum_level(path, &root)?,
    };
    let mut unsupported = rules.unsupported;
    if !policy.others.is_empty() {
        unsupported.insert(format!(
            "what it permits {} is permitted to every other organisation here",
            list(&other_orgs)
        ));
    }
    if policy.service_owner.is_empty() {
        unsupported.insert(format!(
            "it permits `{}` nothing in {app}: are its rules about another app?",
            app.org()
        ));
    }
    for (action, tasks) in &limited {
        if !tasks.is_empty() {
            unsupported.insert(format!(
                "it permits `{action}` in {} only: here it is permitted everywhere",
                list(tasks)
            ));
        }
    }
    let unsupported = unsupported.into_iter().map(|what| Unsupported {
        file: path.to_owned(),
        what,
    });
    Ok(PolicyFile {
        policy,
        limited,
        unsupported: unsupported.collect(),
    })
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The minimum authentication level; 0 if the policy gives none.
fn minimum_level(path: &Path, policy: &Element) -> Result<u8, AppFilesError> {
    let assignment = policy
        .all("ObligationExpressions")
        .flat_map(|expressions| expressions.all("ObligationExpression"))
        .flat_map(|expression| expression.all("AttributeAssignmentExpression"))
        .find(|assignment| assignment.attribute("Category") == Some(MINIMUM_LEVEL));
    let Some(value) = assignment.and_then(|assignment| assignment.first("AttributeValue")) else {
        return Ok(0);
    };
    value.text().parse().map_err(|_| {
        AppFilesError::content(
            path,
            Some(value.line),
            "a minimum level of authentication must be a small number",
        )
    })
}

/// The attribute and the id of a task or end event; `None` for the app as a whole.
type TaskOrEnd = Option<(&'static str, String)>;

/// Evaluates the rules for every action, in the app as a whole and in each task and end event that the rules name.
struct Evaluation<'r> {
    app: &'r AppId,
    rules: &'r Rules,
    actions: BTreeSet<String>,
    tasks: Vec<TaskOrEnd>,
}

impl<'r> Evaluation<'r> {
    fn new(app: &'r AppId, rules: &'r Rules) -> Self {
        let is_known = |action: &String| {
            let known = |known: &&str| known.eq_ignore_ascii_case(action);
            ACTIONS.iter().any(known)
        };
        let more = rules
            .named(ACTION, ACTION_ID)
            .filter(|action| !is_known(action));
        let actions = ACTIONS.map(str::to_owned).into_iter().chain(more).collect();
        let mut tasks = vec![None];
        for attribute in [TASK, END_EVENT] {
            tasks.extend(
                rules
                    .named(RESOURCE, attribute)
                    .map(|id| Some((attribute, id))),
            );
        }
        Self {
            app,
            rules,
            actions,
            tasks,
        }
    }

    /// Whether `org`, or a person if that is `None`, may do `action` in `task`.
    fn permits(&self, org: Option<&str>, action: &str, task: &TaskOrEnd) -> bool {
        self.rules.permits(&Request {
            app: self.app.clone(),
            org: org.map(str::to_owned),
            action: action.to_owned(),
            task: task.clone(),
        })
    }

    /// The other organisations that the rules name.
    fn other_orgs(&self) -> BTreeSet<String> {
        self.rules
            .named(SUBJECT, ORG)
            .filter(|org| !org.eq_ignore_ascii_case(self.app.org()))
            .collect()
    }

    /// The actions that one of `orgs` may do in at least one task. `None` is a person.
    fn permitted_to_any<'o>(
        &self,
        orgs: impl IntoIterator<Item = Option<&'o str>>,
    ) -> BTreeSet<String> {
        let mut permitted = BTreeSet::new();
        for org in orgs {
            let actions = self.actions.iter().filter(|action| {
                self.tasks
                    .iter()
                    .any(|task| self.permits(org, action, task))
            });
            permitted.extend(actions.cloned());
        }
        permitted
    }

    /// The actions of the service owner, and those of them that are permitted only in certain tasks or end events, with
    /// the ids of those.
    fn service_owner(&self) -> (BTreeSet<String>, BTreeMap<String, BTreeSet<String>>) {
        let mut permitted = BTreeSet::new();
        let mut limited = BTreeMap::new();
        for action in &self.actions {
            let granted: Vec<_> = self
                .tasks
                .iter()
                .filter(|task| self.permits(Some(self.app.org()), action, task))
                .collect();
            if granted.is_empty() {
                continue;
            }
            permitted.insert(action.clone());
            if granted.len() < self.tasks.len() {
                let ids = granted.into_iter().flatten().map(|(_, id)| id.clone());
                limited.insert(action.clone(), ids.collect());
            }
        }
        (permitted, limited)
    }
}

#[cfg(test)]
mod tests;
