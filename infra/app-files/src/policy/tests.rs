//! Policies, and what they permit.

use super::{
    xacml::{APP, ROLE},
    *,
};

fn one(category: &str, attribute: &str, value: &str) -> String {
    format!(
        r#"<Match MatchId="urn:oasis:names:tc:xacml:3.0:function:string-equal-ignore-case">
<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">{value}</AttributeValue>
<AttributeDesignator AttributeId="{attribute}" Category="{category}" MustBePresent="false"/></Match>"#
    )
}

fn any_of(alternatives: &[String]) -> String {
    let all_of: String = alternatives
        .iter()
        .map(|matches| format!("<AllOf>{matches}</AllOf>"))
        .collect();
    format!("<AnyOf>{all_of}</AnyOf>")
}

/// A rule as Altinn Studio writes it; `task` limits it to a task.
fn rule(effect: &str, subject: &str, task: &str, actions: &[&str]) -> String {
    let app = one(RESOURCE, ORG, "[ORG]") + &one(RESOURCE, APP, "[APP]");
    let actions: Vec<String> = actions
        .iter()
        .map(|action| one(ACTION, ACTION_ID, action))
        .collect();
    format!(
        r#"<Rule RuleId="r" Effect="{effect}"><Target>{}{}{}</Target></Rule>"#,
        any_of(&[subject.to_owned()]),
        any_of(&[app + task]),
        any_of(&actions)
    )
}

fn policy(rules: &[String]) -> PolicyFile {
    let document = format!(
        r#"<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides"><Target/>{}</Policy>"#,
        rules.concat()
    );
    let app = "ttd/casework".parse().unwrap();
    read(Path::new("policy.xml"), &app, &document).unwrap()
}

fn org(code: &str) -> String {
    one(SUBJECT, ORG, code)
}

fn names(actions: &BTreeSet<String>) -> Vec<&str> {
    actions.iter().map(String::as_str).collect()
}

#[test]
fn the_service_owner_has_the_actions_of_its_own_rules_and_not_those_of_a_role() {
    let file = policy(&[
        rule(
            "Permit",
            &one(SUBJECT, "urn:altinn:rolecode", "dagl"),
            "",
            &["delete"],
        ),
        rule("Permit", &org("[org]"), "", &["read", "Instantiate"]),
    ]);
    assert_eq!(names(&file.policy.service_owner), ["instantiate", "read"]);
    assert!(file.policy.others.is_empty());
    assert!(file.limited.is_empty());
    assert_eq!(file.unsupported, []);
}

#[test]
fn an_action_in_one_task_is_permitted_and_listed_as_limited() {
    let task = one(RESOURCE, TASK, "Task_1");
    let end = one(RESOURCE, END_EVENT, "EndEvent_1");
    let file = policy(&[
        rule("Permit", &org("ttd"), "", &["read"]),
        rule("Permit", &org("ttd"), &task, &["write"]),
        rule("Permit", &org("ttd"), &end, &["complete"]),
    ]);
    assert_eq!(
        names(&file.policy.service_owner),
        ["complete", "read", "write"]
    );
    assert_eq!(names(&file.limited["write"]), ["Task_1"]);
    assert_eq!(names(&file.limited["complete"]), ["EndEvent_1"]);
    assert!(!file.limited.contains_key("read"));
    assert_eq!(file.unsupported.len(), 2);
}

#[test]
fn a_denial_overrides_a_permit_and_a_rule_about_events_permits_nothing_else() {
    let events = one(RESOURCE, "urn:altinn:appresource", "events");
    let file = policy(&[
        rule("Permit", &org("ttd"), "", &["read", "delete"]),
        rule("Deny", &org("ttd"), "", &["delete"]),
        rule("Permit", &org("ttd"), &events, &["write"]),
    ]);
    assert_eq!(names(&file.policy.service_owner), ["read"]);
}

#[test]
fn actions_of_another_organisation_are_given_to_all_others_and_that_is_reported() {
    let file = policy(&[
        rule("Permit", &org("ttd"), "", &["read", "write"]),
        rule("Permit", &org("skd"), "", &["instantiate"]),
    ]);
    assert_eq!(names(&file.policy.service_owner), ["read", "write"]);
    assert_eq!(names(&file.policy.others), ["instantiate"]);
    assert!(
        file.unsupported[0].what.contains("`skd`"),
        "{:?}",
        file.unsupported
    );
}

#[test]
fn what_cannot_be_evaluated_permits_nothing_and_is_reported() {
    let by_number = one(SUBJECT, "urn:altinn:organizationnumber", "405003309");
    let conditional = rule("Permit", &org("ttd"), "", &["delete"])
        .replace("</Target></Rule>", "</Target><Condition/></Rule>");
    let file = policy(&[rule("Permit", &by_number, "", &["read"]), conditional]);
    assert!(file.policy.service_owner.is_empty());
    let told: Vec<&str> = file.unsupported.iter().map(|it| it.what.as_str()).collect();
    assert!(
        told.iter().any(|what| what.contains("condition")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|what| what.contains("organizationnumber")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|what| what.contains("another app")),
        "{told:?}"
    );
}

#[test]
fn an_invalid_policy_is_refused_with_its_line() {
    let app = "ttd/casework".parse().unwrap();
    for (document, problem) in [
        ("<PolicySet/>", "this is `PolicySet`"),
        ("<Policy><Rule Effect='Maybe'/></Policy>", "Permit or Deny"),
        ("<Policy>", "ends before its root element"),
        ("<Policy><Target></Policy>", "not well-formed"),
    ] {
        let error = read(Path::new("policy.xml"), &app, document).map(|_| ());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("policy.xml:1: "), "{error}");
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_person_has_every_role_and_an_obligation_gives_the_minimum_level() {
    let rules = [
        rule(
            "Permit",
            &one(SUBJECT, ROLE, "dagl"),
            "",
            &["read", "confirm"],
        ),
        rule("Permit", &org("[ORG]"), "", &["read"]),
    ];
    let file = policy(&rules);
    assert_eq!(names(&file.policy.persons), ["confirm", "read"]);
    assert_eq!(file.policy.minimum_level, 0);
    let obligation = format!(
        r#"<Rule RuleId="none" Effect="Deny"><Target>{}</Target></Rule><ObligationExpressions>
<ObligationExpression ObligationId="o" FulfillOn="Permit"><AttributeAssignmentExpression AttributeId="a" Category="{MINIMUM_LEVEL}">
<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#integer">3</AttributeValue>
</AttributeAssignmentExpression></ObligationExpression></ObligationExpressions>"#,
        any_of(&[org("nobody")])
    );
    assert_eq!(policy(&[obligation]).policy.minimum_level, 3);
}
