//! What B's app fills into its form itself, from the registers, in addition to what the route gives.
//!
//! (Altinn/app-lib-dotnet: src/Altinn.App.Core/Implementation/PrefillSI.cs.)

use stafett_core::route::{FormRule, OwnerRule, model::Node};

use super::Fit;
use app_files::{AppFiles, Prefill};

/// A field of B's form that its prefill fills, and the field of the register it is filled from.
struct Filled<'p> {
    path: &'p str,
    from: &'p str,
}

/// Reports the fields of the form `form`, which the route fills by `rule`, that B's app fills from the register's data about
/// B's owner.
pub(super) fn check(fit: &mut Fit<'_>, b: &AppFiles, rule: &FormRule, form: &str) {
    let Some(prefill) = b.prefill.get(form) else {
        return;
    };
    let route = fit.route();
    let (ours, others): (Vec<_>, Vec<_>) = of_owner(prefill, &route.to.owner)
        .into_iter()
        .map(|filled| (field_of(rule, filled.path), filled))
        .partition(|(field, _)| field.is_some());
    if prefill.allow_overwrite {
        for (field, filled) in ours
            .iter()
            .filter_map(|(field, it)| field.as_ref().zip(Some(it)))
        {
            let finding = fit
                .warning(
                    "prefill",
                    field,
                    format!(
                        "the prefill of {} puts `{}` of B's owner in place of this value",
                        b.id, filled.from
                    ),
                )
                .help(format!(
                    "leave `{}` to B, or set `allowOverwrite` to false in App/models/{form}.prefill.json of B",
                    filled.path
                ));
            fit.push(finding);
        }
    } else if !ours.is_empty() {
        let fields: Vec<String> = ours.iter().map(|(_, it)| described(it)).collect();
        let finding = fit
            .warning(
                "prefill",
                "to.app",
                format!(
                    "where the route leaves them empty, the prefill of {} fills {} from B's owner",
                    b.id,
                    fields.join(", ")
                ),
            )
            .help("give each of them a value for every A, or take it out of B's prefill");
        fit.push(finding);
    }
    if !others.is_empty() {
        let fields: Vec<String> = others.iter().map(|(_, it)| described(it)).collect();
        let finding = fit
            .warning(
                "prefill",
                "to.app",
                format!(
                    "the prefill of {} fills {} from B's owner, beside what the route gives",
                    b.id,
                    fields.join(", ")
                ),
            )
            .help(format!(
                "B's owner is who the route names in `to.owner`: see that these are meant to be that one's, or take them out of App/models/{form}.prefill.json of B"
            ));
        fit.push(finding);
    }
}

fn described(filled: &Filled<'_>) -> String {
    format!("`{}` ({})", filled.path, filled.from)
}

/// What is filled for an owner of this kind: an organisation or a person.
fn of_owner<'p>(prefill: &'p Prefill, owner: &OwnerRule) -> Vec<Filled<'p>> {
    let (organisation, person) = match owner {
        OwnerRule::Organisation(_) => (true, false),
        OwnerRule::Person(_) => (false, true),
        OwnerRule::Party(_) => (true, true),
    };
    let organisation = prefill.organisation.iter().filter(|_| organisation);
    let person = prefill.person.iter().filter(|_| person);
    let filled = organisation.chain(person);
    filled.map(|(from, path)| Filled { path, from }).collect()
}

/// The field of the route that gives the element at `path` in B's form. B's class is searched without
/// regard to case.
fn field_of(rule: &FormRule, path: &str) -> Option<String> {
    let (mut group, mut field) = (&rule.model, rule.says("model"));
    let mut names = path.split('.');
    while let Some(name) = names.next() {
        let (name, node) = group.iter().find(|(it, _)| it.eq_ignore_ascii_case(name))?;
        field = format!("{field}.{name}");
        match node {
            Node::Field(_) => return names.next().is_none().then_some(field),
            Node::Group(inner) => group = inner,
            Node::Repeat { .. } => return None,
        }
    }
    None
}
