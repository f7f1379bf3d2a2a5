//! XACML 3.0, as far as Altinn uses it: rules with targets.
//!
//! A rule applies to a request if one `AllOf` holds in each of its `AnyOf`; an `AllOf` holds if all of its matches do. A
//! denial overrides a permit unless the policy says otherwise.
//! (<https://docs.oasis-open.org/xacml/3.0/xacml-3.0-core-spec-os-en.html>, 7.7 and appendix C;
//! Altinn/altinn-authorization: src/Altinn.Platform.Authorization.ABAC.)

use std::{collections::BTreeSet, path::Path};

use stafett_core::id::AppId;

use crate::{error::AppFilesError, xml_tree::Element};

pub(super) const SUBJECT: &str = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
pub(super) const RESOURCE: &str = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource";
pub(super) const ACTION: &str = "urn:oasis:names:tc:xacml:3.0:attribute-category:action";
pub(super) const ACTION_ID: &str = "urn:oasis:names:tc:xacml:1.0:action:action-id";
pub(super) const ORG: &str = "urn:altinn:org";
pub(super) const APP: &str = "urn:altinn:app";
pub(super) const TASK: &str = "urn:altinn:task";
pub(super) const END_EVENT: &str = "urn:altinn:endevent";
pub(super) const APP_AS_RESOURCE: &str = "urn:altinn:resource";
pub(super) const ROLE: &str = "urn:altinn:rolecode";

/// A request for a decision, as Altinn's apps make it.
pub(super) struct Request {
    pub(super) app: AppId,
    /// The code of the organisation that asks; `None` for a person.
    pub(super) org: Option<String>,
    pub(super) action: String,
    /// The task or end event of the instance, by attribute and id; `None` for the app as a whole.
    pub(super) task: Option<(&'static str, String)>,
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
                .task
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
    ignores_case: bool,
}

impl Match {
    fn holds(&self, request: &Request) -> bool {
        if self.category == SUBJECT && self.attribute == ROLE {
            return request.org.is_none();
        }
        request
            .value(&self.category, &self.attribute)
            .is_some_and(|value| {
                if self.ignores_case {
                    value.eq_ignore_ascii_case(&self.value)
                } else {
                    value == self.value
                }
            })
    }
}

/// The `AnyOf` elements of a target, all of which must hold. One of their `AllOf` must hold, and with it all of its
/// matches.
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

/// A parsed policy.
pub(super) struct Rules {
    target: Target,
    /// Whether a permit overrides a denial, instead of the reverse.
    permit_overrides: bool,
    rules: Vec<Rule>,
    /// What in the policy cannot be evaluated.
    pub(super) unsupported: BTreeSet<String>,
}

impl Rules {
    /// Parses the policy of an app from its root element. `path` is the file, for errors.
    pub(super) fn parse(path: &Path, app: &AppId, root: &Element) -> Result<Self, AppFilesError> {
        let mut parser = Parser {
            app,
            path,
            unsupported: BTreeSet::new(),
        };
        let target = parser.target(root)?;
        let rules = root
            .all("Rule")
            .map(|rule| parser.rule(rule))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            target,
            permit_overrides: root
                .attribute("RuleCombiningAlgId")
                .is_some_and(|algorithm| algorithm.ends_with("permit-overrides")),
            rules: rules.into_iter().flatten().collect(),
            unsupported: parser.unsupported,
        })
    }

    /// Whether the policy permits the request.
    pub(super) fn permits(&self, request: &Request) -> bool {
        if !self.target.holds(request) {
            return false;
        }
        let decided = |permit: bool| {
            self.rules
                .iter()
                .any(|rule| rule.permit == permit && rule.target.holds(request))
        };
        decided(true) && (self.permit_overrides || !decided(false))
    }

    /// All values that the rules compare an attribute with.
    pub(super) fn named<'r>(
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

struct Parser<'a> {
    app: &'a AppId,
    path: &'a Path,
    unsupported: BTreeSet<String>,
}

impl Parser<'_> {
    /// Parses a rule. `None` if it has a condition, which cannot be evaluated.
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
            self.unsupported.insert(format!(
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
                .map(|all_of| {
                    all_of
                        .all("Match")
                        .map(|one| self.parse_match(one))
                        .collect()
                })
                .collect()
        };
        target
            .all("AnyOf")
            .map(any_of)
            .collect::<Result<_, _>>()
            .map(Target)
    }

    fn parse_match(&mut self, one: &Element) -> Result<Match, AppFilesError> {
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
            self.unsupported
                .insert(format!("matches by {function} hold for nobody here"));
        }
        let names_an_organisation = attribute.contains("org") && attribute != ORG;
        if category == SUBJECT && names_an_organisation {
            self.unsupported.insert(format!(
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
            value: self.fill_placeholders(value.text()),
            ignores_case: function.ends_with("ignore-case"),
        })
    }

    /// Replaces the placeholders of Altinn Studio's template, as deployment does.
    fn fill_placeholders(&self, value: &str) -> String {
        match value {
            "[ORG]" | "[org]" => self.app.org().to_owned(),
            "[APP]" | "[app]" => self.app.app().to_owned(),
            _ => value
                .replace("[ORG]", self.app.org())
                .replace("[APP]", self.app.app()),
        }
    }
}
