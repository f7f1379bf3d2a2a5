//! `policy.xml`: what an app's policy permits.
//!
//! XACML 3.0, as far as Altinn writes it: rules with targets. A rule holds for a request when in
//! each of its `AnyOf` one `AllOf` holds, and that when all of its matches do; a denial prevails
//! unless the policy says otherwise.
//! (<https://docs.oasis-open.org/xacml/3.0/xacml-3.0-core-spec-os-en.html>, 7.7 and appendix C;
//! Altinn/altinn-authorization: src/Altinn.Platform.Authorization.ABAC.)
//!
//! Asked is for each action, once for the app as a whole and once in each task and end event that
//! the policy names. A person is taken to have every role that the policy names, for what is their
//! own.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use stafett_core::id::AppId;

use super::{AppFilesError, Policy, Unheeded, xml, xml::Element};

const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
const RESOURCE: &str = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource";
const ACTION: &str = "urn:oasis:names:tc:xacml:3.0:attribute-category:action";
const ACTION_ID: &str = "urn:oasis:names:tc:xacml:1.0:action:action-id";
const ORG: &str = "urn:altinn:org";
const APP: &str = "urn:altinn:app";
const TASK: &str = "urn:altinn:task";
const END_EVENT: &str = "urn:altinn:endevent";
const APP_AS_RESOURCE: &str = "urn:altinn:resource";
const ROLE: &str = "urn:altinn:rolecode";
/// The category of the obligation that names the lowest level of authentication.
const MINIMUM_LEVEL: &str = "urn:altinn:minimum-authenticationlevel";
/// What Altinn itself asks for, whether or not a policy names it.
const ACTIONS: [&str; 5] = ["instantiate", "read", "write", "delete", "complete"];

/// What a `policy.xml` says.
pub(super) struct PolicyFile {
    pub(super) policy: Policy,
    /// Of the service owner's actions, those that are permitted in some places only, and in which.
    pub(super) limited: BTreeMap<String, BTreeSet<String>>,
    pub(super) unheeded: Vec<Unheeded>,
}

pub(super) fn read(path: &Path, app: &AppId, document: &str) -> Result<PolicyFile, AppFilesError> {
    let root = xml::parse(path, document)?;
    if root.name != "Policy" {
        return Err(AppFilesError::content(
            path,
            Some(root.line),
            format!("a `Policy` of XACML is expected, this is `{}`", root.name),
        ));
    }
    let mut reader = Reader {
        app,
        path,
        unheeded: BTreeSet::new(),
    };
    let rules = Rules {
        target: reader.target(&root)?,
        permits_prevail: root
            .attribute("RuleCombiningAlgId")
            .is_some_and(|algorithm| algorithm.ends_with("permit-overrides")),
        rules: root
            .all("Rule")
            .map(|rule| reader.rule(rule))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect(),
    };
    let named = |category, attribute| rules.named(category, attribute);
    let more = named(ACTION, ACTION_ID).filter(|action| {
        !ACTIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(action))
    });
    let actions: BTreeSet<String> = ACTIONS.map(str::to_owned).into_iter().chain(more).collect();
    let mut places = vec![None];
    for attribute in [TASK, END_EVENT] {
        places.extend(named(RESOURCE, attribute).map(|place| Some((attribute, place))));
    }
    let request =
        |org: Option<&str>, action: &str, place: Option<&(&'static str, String)>| Request {
            app: app.clone(),
            org: org.map(str::to_owned),
            action: action.to_owned(),
            place: place.cloned(),
        };
    let mut file = PolicyFile {
        policy: Policy {
            service_owner: BTreeSet::new(),
            others: BTreeSet::new(),
            persons: BTreeSet::new(),
            minimum_level: minimum_level(path, &root)?,
        },
        limited: BTreeMap::new(),
        unheeded: Vec::new(),
    };
    for action in &actions {
        let permits = |place: &Option<(&'static str, String)>| {
            rules.permits(&request(None, action, place.as_ref()))
        };
        if places.iter().any(permits) {
            file.policy.persons.insert(action.clone());
        }
    }
    for action in &actions {
        let permits = |place: &&Option<(&'static str, String)>| {
            rules.permits(&request(Some(app.org()), action, place.as_ref()))
        };
        let granted: Vec<_> = places.iter().filter(permits).collect();
        if granted.is_empty() {
            continue;
        }
        file.policy.service_owner.insert(action.clone());
        if granted.len() < places.len() {
            let in_places = granted
                .into_iter()
                .flatten()
                .map(|(_, place)| place.clone());
            file.limited.insert(action.clone(), in_places.collect());
        }
    }
    let others: BTreeSet<String> = named(SUBJECT, ORG)
        .filter(|org| !org.eq_ignore_ascii_case(app.org()))
        .collect();
    for org in &others {
        for action in &actions {
            let permits = |place: &Option<(&'static str, String)>| {
                rules.permits(&request(Some(org), action, place.as_ref()))
            };
            if places.iter().any(permits) {
                file.policy.others.insert(action.clone());
            }
        }
    }
    if !file.policy.others.is_empty() {
        reader.unheeded.insert(format!(
            "what it permits {} is permitted to every other organisation here",
            list(&others)
        ));
    }
    if file.policy.service_owner.is_empty() {
        reader.unheeded.insert(format!(
            "it permits `{}` nothing in {app}: are its rules about another app?",
            app.org()
        ));
    }
    for (action, places) in &file.limited {
        if !places.is_empty() {
            reader.unheeded.insert(format!(
                "it permits `{action}` in {} only: here it is permitted everywhere",
                list(places)
            ));
        }
    }
    let unheeded = |what| Unheeded {
        file: path.to_owned(),
        what,
    };
    file.unheeded = reader.unheeded.into_iter().map(unheeded).collect();
    Ok(file)
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The lowest level of authentication that the policy takes: 0 where it says nothing of it.
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

/// A request for a decision, as Altinn's apps make it.
struct Request {
    app: AppId,
    /// The organisation that asks; none for a person.
    org: Option<String>,
    action: String,
    /// The attribute and the id of the task or end event that the instance stands in.
    place: Option<(&'static str, String)>,
}

impl Request {
    /// The value of one of its attributes.
    fn value(&self, category: &str, attribute: &str) -> Option<String> {
        match (category, attribute) {
            (SUBJECT, ORG) => self.org.clone(),
            (RESOURCE, ORG) => Some(self.app.org().to_owned()),
            (RESOURCE, APP) => Some(self.app.app().to_owned()),
            (RESOURCE, APP_AS_RESOURCE) => {
                Some(format!("app_{}_{}", self.app.org(), self.app.app()))
            }
            (RESOURCE, _) => self
                .place
                .as_ref()
                .filter(|(kind, _)| *kind == attribute)
                .map(|(_, id)| id.clone()),
            (ACTION, ACTION_ID) => Some(self.action.clone()),
            _ => None,
        }
    }
}

/// A condition on one attribute.
struct Match {
    category: String,
    attribute: String,
    value: String,
    any_case: bool,
}

impl Match {
    fn holds(&self, request: &Request) -> bool {
        if self.category == SUBJECT && self.attribute == ROLE {
            return request.org.is_none();
        }
        request
            .value(&self.category, &self.attribute)
            .is_some_and(|value| {
                if self.any_case {
                    value.eq_ignore_ascii_case(&self.value)
                } else {
                    value == self.value
                }
            })
    }
}

/// All of: one of: all of.
struct Target(Vec<Vec<Vec<Match>>>);

impl Target {
    fn holds(&self, request: &Request) -> bool {
        self.0.iter().all(|any_of| {
            any_of
                .iter()
                .any(|all_of| all_of.iter().all(|one| one.holds(request)))
        })
    }

    fn matches(&self) -> impl Iterator<Item = &Match> {
        self.0.iter().flatten().flatten()
    }
}

struct Rule {
    target: Target,
    permit: bool,
}

struct Rules {
    target: Target,
    permits_prevail: bool,
    rules: Vec<Rule>,
}

impl Rules {
    fn permits(&self, request: &Request) -> bool {
        if !self.target.holds(request) {
            return false;
        }
        let decided = |permit: bool| {
            self.rules
                .iter()
                .any(|rule| rule.permit == permit && rule.target.holds(request))
        };
        decided(true) && (self.permits_prevail || !decided(false))
    }

    /// All values that the policy compares an attribute with.
    fn named<'r>(
        &'r self,
        category: &'static str,
        attribute: &'static str,
    ) -> impl Iterator<Item = String> + 'r {
        let values: BTreeSet<String> = self
            .rules
            .iter()
            .flat_map(|rule| rule.target.matches())
            .filter(|one| one.category == category && one.attribute == attribute)
            .map(|one| one.value.clone())
            .collect();
        values.into_iter()
    }
}

struct Reader<'a> {
    app: &'a AppId,
    path: &'a Path,
    unheeded: BTreeSet<String>,
}

impl Reader<'_> {
    /// `None` where it has a condition, which is not evaluated.
    fn rule(&mut self, rule: &Element) -> Result<Option<Rule>, AppFilesError> {
        let wrong = |problem: &str| AppFilesError::content(self.path, Some(rule.line), problem);
        let permit = match rule.attribute("Effect") {
            Some("Permit") => true,
            Some("Deny") => false,
            _ => return Err(wrong("a rule's Effect must be Permit or Deny")),
        };
        let target = self.target(rule)?;
        if rule.first("Condition").is_some() {
            let id = rule.attribute("RuleId").unwrap_or("without an id");
            self.unheeded.insert(format!(
                "the rule {id} is left out: its condition is not evaluated"
            ));
            return Ok(None);
        }
        Ok(Some(Rule { target, permit }))
    }

    fn target(&mut self, parent: &Element) -> Result<Target, AppFilesError> {
        let Some(target) = parent.first("Target") else {
            return Ok(Target(Vec::new()));
        };
        let any_of = |any_of: &Element| {
            any_of
                .all("AllOf")
                .map(|all_of| all_of.all("Match").map(|one| self.one(one)).collect())
                .collect()
        };
        target
            .all("AnyOf")
            .map(any_of)
            .collect::<Result<_, _>>()
            .map(Target)
    }

    fn one(&mut self, one: &Element) -> Result<Match, AppFilesError> {
        let (value, designator) = one
            .first("AttributeValue")
            .zip(one.first("AttributeDesignator"))
            .ok_or_else(|| {
                AppFilesError::content(
                    self.path,
                    Some(one.line),
                    "a match needs an AttributeValue and an AttributeDesignator",
                )
            })?;
        let function = one.attribute("MatchId").unwrap_or_default();
        let attribute = designator.attribute("AttributeId").unwrap_or_default();
        let category = designator.attribute("Category").unwrap_or_default();
        let is_equality = function.ends_with(":string-equal")
            || function.ends_with(":string-equal-ignore-case")
            || function.ends_with(":anyURI-equal");
        if !is_equality {
            self.unheeded
                .insert(format!("matches by {function} hold for nobody here"));
        }
        let names_an_organisation = attribute.contains("org") && attribute != ORG;
        if category == SUBJECT && names_an_organisation {
            self.unheeded.insert(format!(
                "what it permits by {attribute} is permitted to nobody here"
            ));
        }
        Ok(Match {
            category: category.to_owned(),
            attribute: if is_equality {
                attribute.to_owned()
            } else {
                function.to_owned()
            },
            value: self.filled_in(value.text()),
            any_case: function.ends_with("ignore-case"),
        })
    }

    /// With the placeholders of Altinn Studio's template replaced, as at deployment.
    fn filled_in(&self, value: &str) -> String {
        match value {
            "[ORG]" | "[org]" => self.app.org().to_owned(),
            "[APP]" | "[app]" => self.app.app().to_owned(),
            _ => value
                .replace("[ORG]", self.app.org())
                .replace("[APP]", self.app.app()),
        }
    }
}

#[cfg(test)]
mod tests;
