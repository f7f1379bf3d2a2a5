//! What could not be checked because a file of an app is missing.

use stafett_core::{
    id::AppId,
    preflight::form_of,
    route::{FormRule, Gate, Mode, Order, Route, Target},
};

use app_files::{AppFiles, MissingContent};

/// What could not be compared with the route's apps, one line each, which names the app and the file.
pub(super) fn of(route: &Route, a: Option<&AppFiles>, b: Option<&AppFiles>) -> Vec<String> {
    let mut lines = Vec::new();
    let read = route.data_types();
    let forms = || route.to.forms.iter();
    match a {
        None => lines.push(not_at_hand(&route.from)),
        Some(a) => lines.extend(missing(a, |what| match what {
            MissingContent::Tasks => matches!(route.gate, Gate::Task(_)),
            MissingContent::Policy => true,
            MissingContent::Fields(form) => read.contains(form.as_str()),
        })),
    }
    match b {
        None => lines.push(not_at_hand(&route.to.app)),
        Some(b) => {
            lines.extend(forms().filter_map(|rule| order(route, rule, b)));
            lines.extend(missing(b, |what| match what {
                // A route depends on no task of B.
                MissingContent::Tasks => false,
                MissingContent::Policy => true,
                MissingContent::Fields(form) => {
                    forms().any(|rule| rule.data_type.as_ref().is_none_or(|it| it == form))
                }
            }));
        }
    }
    if let Some(b) = b {
        lines.extend(forms().filter_map(|rule| root(&route.to, rule, b)));
    }
    lines
}

/// Only B's class tells whether the order of a route with `order: route` is right.
fn order(route: &Route, rule: &FormRule, b: &AppFiles) -> Option<String> {
    let form = form_of(rule, &b.metadata)?;
    let is_unknown = rule.order == Order::Route && b.csharp.read_class(form.class_name()).is_none();
    let which = if rule.is_further {
        format!(" `{}`", form.id)
    } else {
        String::new()
    };
    is_unknown.then(|| {
        format!(
            "the C# class of {}'s form{which} is not at hand: the order of the fields in route {} could not be compared with it",
            b.id, route.name
        )
    })
}

/// The root element of B's form, if none of B's files tells it.
fn root(to: &Target, rule: &FormRule, b: &AppFiles) -> Option<String> {
    let form = form_of(rule, &b.metadata)?;
    let is_compared = to.mode != Mode::Complete || b.roots.contains_key(&form.id);
    (!is_compared).then(|| {
        format!(
            "no file of {} tells the XML root element of its form `{}`: `root: {}` could not be compared with it; its C# model does",
            b.id, form.id, rule.root
        )
    })
}

fn missing(
    app: &AppFiles,
    matters: impl Fn(&MissingContent) -> bool,
) -> impl Iterator<Item = String> {
    let absent = app
        .missing
        .iter()
        .filter(move |absent| matters(&absent.content));
    absent.map(|absent| {
        let what = match &absent.content {
            MissingContent::Tasks => "its tasks".to_owned(),
            MissingContent::Policy => "what its policy permits".to_owned(),
            MissingContent::Fields(form) => format!("the fields of its form `{form}`"),
        };
        format!(
            "{} has no file {}: {what} could not be compared with the routes",
            app.id,
            absent.file.display()
        )
    })
}

fn not_at_hand(app: &AppId) -> String {
    format!(
        "the files of {app} are not at hand: its data types, tasks, schemas and policy were not compared with the \
         routes; give them by `--apps DIR`, or fetch them from the running app by `--from URL`"
    )
}
