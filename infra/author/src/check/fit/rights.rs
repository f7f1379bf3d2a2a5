//! Checks who may own B, and what the policies of A and B permit Stafett to do.

use std::collections::BTreeSet;

use stafett_core::{
    language::types::{Kind, Type},
    route::{Each, Gate, OwnerRule},
};

use super::{Fit, mapping::Mapping, target::data_type};
use crate::check::words::{known, nearest, quoted};
use app_files::AppFiles;

/// Compares the gate with A's tasks.
pub(super) fn gate(fit: &mut Fit<'_>, a: &AppFiles) {
    let (Gate::Task(wanted), Some(tasks)) = (&fit.route().gate, &a.tasks) else {
        return;
    };
    if tasks.iter().any(|task| task.id == *wanted) {
        return;
    }
    let names = || tasks.iter().map(|task| task.id.as_str());
    let finding = fit
        .error(
            "task",
            "from.when.task",
            format!("the process of {} has no task `{wanted}`", a.id),
        )
        .help(format!("it has {}", known(names())))
        .suggest(nearest(wanted, names()));
    fit.push(finding);
}

/// Whether a rejected A can be told from a confirmed one: without a gateway that leads back, the process goes
/// on to its end on `reject` as well, and the instance tells nothing of it (measured,
/// tests/recorded/app-process-next-reject.json).
pub(super) fn rejection(fit: &mut Fit<'_>, a: &AppFiles) {
    if fit.route().gate != Gate::Completed {
        return;
    }
    for task in &a.ignored_rejections {
        let finding = fit
            .warning(
                "reject",
                "from.when.process",
                format!(
                    "an instance of {} that is rejected in `{task}` ends like a confirmed one, and is relayed",
                    a.id
                ),
            )
            .help(format!(
                "put a gateway behind `{task}` that leads back where `gatewayAction` is `reject`, or let nobody reject: take the action out of the task and out of the policy of {}",
                a.id
            ));
        fit.push(finding);
    }
}

/// Checks the expression that names B's owner, and whether B allows such an owner.
pub(super) fn owner<'s>(
    mapping: &mut Mapping<'_, 's, '_, '_, '_>,
    rule: &'s OwnerRule,
    b: Option<&AppFiles>,
) {
    let (kind, field) = match rule {
        OwnerRule::Organisation(_) => ("organisation", "to.owner.organisation"),
        OwnerRule::Person(_) => ("person", "to.owner.person"),
        OwnerRule::Party(_) => ("party", "to.owner.party"),
    };
    if let Some(b) = b {
        let admits = b.metadata.party_types_allowed;
        let organisations = admits.organisation || admits.sub_unit || admits.bankruptcy_estate;
        let is_refused = match rule {
            OwnerRule::Organisation(_) => admits.person && !organisations,
            OwnerRule::Person(_) => organisations && !admits.person,
            OwnerRule::Party(_) => false,
        };
        if is_refused {
            let other = if kind == "person" {
                "organisations"
            } else {
                "persons"
            };
            let finding = mapping
                .fit
                .error(
                    "owner",
                    field,
                    format!("{} admits no {kind} as owner, but {other} only", b.id),
                )
                .at(mapping.fit.subject.places.key(field))
                .help("see partyTypesAllowed in B's applicationmetadata.json");
            mapping.fit.push(finding);
        }
    }
    let expression = rule.expression();
    let (inferred, is_sound) = mapping.infer(expression, field);
    if !is_sound || expression.is_constant() {
        return;
    }
    let fits = |kind: &Kind<'_, '_>| match kind {
        Kind::Text(_) => true,
        Kind::Number { .. } => !matches!(rule, OwnerRule::Person(_)),
        _ => false,
    };
    let text = expression.text();
    if inferred.known().next().is_some() && !inferred.known().any(fits) {
        let message = format!(
            "`{text}` is {} in A, and no {kind} can be read of it",
            inferred.words()
        );
        let finding = mapping.fit.error("owner", field, message);
        mapping.fit.push(finding);
    } else if inferred.may_be_empty {
        let message = format!("`{text}` may be empty in A, and B has no owner then");
        let finding = mapping
            .fit
            .warning("may-be-empty", field, message)
            .help("require the field in A's schema: an instance without gets no B");
        mapping.fit.push(finding);
    }
}

/// Checks a fan-out: its list and its key.
pub(super) fn each<'s>(mapping: &mut Mapping<'_, 's, '_, '_, '_>, each: &'s Each) {
    let (items, facts) = mapping.list(&each.name, &each.list, "each");
    let item = items.item().unwrap_or_else(Type::unknown);
    mapping.around.names.push((each.name.clone(), item));
    mapping.around.facts.extend(facts);
    let (key, is_sound) = mapping.infer(&each.key, "key");
    if !is_sound {
        return;
    }
    let fit = &mut mapping.fit;
    let text = each.key.text();
    let is_key =
        |kind: &Kind<'_, '_>| !matches!(kind, Kind::Boolean | Kind::List { .. } | Kind::Group(_));
    if key.known().next().is_some() && !key.known().any(is_key) {
        let message = format!(
            "`{text}` is {} in A: a key is a text or a number",
            key.words()
        );
        let finding = fit.error("key", "key", message);
        fit.push(finding);
    } else if key.may_be_empty {
        let message =
            format!("`{text}` may be empty in A, and then no B is made of the whole instance");
        let finding = fit
            .warning("may-be-empty", "key", message)
            .help("take a field that is always filled in, or require this one in A's schema");
        fit.push(finding);
    }
}

/// Checks what A's policy must permit.
pub(super) fn source(fit: &mut Fit<'_>, a: &AppFiles) {
    let route = fit.route();
    // Stafett's token is that of B's organisation.
    let is_own = route.from.org() == route.to.app.org();
    let mut needed: Vec<(String, &str)> = vec![("read".into(), "from.app")];
    if route.then.complete {
        needed.push(("complete".into(), "then.complete"));
    }
    let attached = route.attachments.iter().map(|rule| rule.from.clone());
    for id in route.data_types().into_iter().chain(attached) {
        let action =
            data_type(&a.document, &id).and_then(|it| it.get("actionRequiredToRead")?.as_str());
        needed.extend(
            action
                .filter(|it| !it.is_empty())
                .map(|action| (action.to_owned(), "from.app")),
        );
    }
    let who = if is_own {
        "the service owner".into()
    } else {
        format!("`{}`", route.to.app.org())
    };
    permits(fit, a, is_own, &who, needed);
    if route.then.substatus.is_some() && !is_own {
        let message = format!(
            "only `{}` may set a substatus of {}, and B's organisation is `{}`",
            route.from.org(),
            a.id,
            route.to.app.org()
        );
        let finding = fit.error("policy", "then.substatus", message);
        fit.push(finding);
    }
}

/// Checks what B's policy must permit.
pub(super) fn target(fit: &mut Fit<'_>, b: &AppFiles, forms: &[&str]) {
    let route = fit.route();
    let mut needed: Vec<(String, &str)> = ["instantiate", "read", "write"]
        .map(|action| (action.to_owned(), "to.app"))
        .into();
    let attached = route.attachments.iter().map(|rule| rule.to.as_str());
    for id in forms.iter().copied().chain(attached) {
        let action =
            data_type(&b.document, id).and_then(|it| it.get("actionRequiredToWrite")?.as_str());
        needed.extend(
            action
                .filter(|it| !it.is_empty())
                .map(|action| (action.to_owned(), "to.app")),
        );
    }
    permits(fit, b, true, "the service owner", needed);
    let Some(policy) = &b.policy else { return };
    if !policy.service_owner.contains("delete") {
        let finding = fit
            .warning("orphans", "to.app", format!("the policy of {} lets the service owner delete nothing: a B that its app left half-made stays in its owner's inbox until Stafett has finished it; one that cannot be finished, and one of two B, only its owner can delete", b.id))
            .help("add the action `delete` to the rule of the service owner, `[ORG]`, in App/config/authorization/policy.xml of B");
        fit.push(finding);
    }
}

fn permits(
    fit: &mut Fit<'_>,
    app: &AppFiles,
    is_own: bool,
    who: &str,
    needed: Vec<(String, &str)>,
) {
    let Some(policy) = &app.policy else { return };
    let actions = if is_own {
        &policy.service_owner
    } else {
        &policy.others
    };
    let mut told = BTreeSet::new();
    for (action, field) in needed {
        if actions.contains(&action) || !told.insert(action.clone()) {
            continue;
        }
        let permitted = match actions.len() {
            0 => "it permits nothing".to_owned(),
            _ => format!("it permits {}", quoted(actions.iter().map(String::as_str))),
        };
        let finding = fit
            .error(
                "policy",
                field,
                format!(
                    "the policy of {} does not permit {who} the action `{action}`",
                    app.id
                ),
            )
            .help(format!(
                "{permitted}: add `{action}` in App/config/authorization/policy.xml of {}",
                app.id
            ));
        fit.push(finding);
    }
}
