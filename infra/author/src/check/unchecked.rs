//! What could not be checked because a file of an app is missing.

use stafett_core::{
    id::AppId,
    route::{Gate, Mode, Route},
};

use app_files::{AppFiles, MissingContent};

/// What could not be compared with the route's apps, one line each, which names the app and the file.
pub(super) fn of(route: &Route, a: Option<&AppFiles>, b: Option<&AppFiles>) -> Vec<String> {
    let mut lines = Vec::new();
    let read = route.data_types();
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
            lines.extend(root(route, b));
            lines.extend(missing(b, |what| match what {
                // A route depends on no task of B.
                MissingContent::Tasks => false,
                MissingContent::Policy => true,
                MissingContent::Fields(form) => {
                    route.to.data_type.as_ref().is_none_or(|it| it == form)
                }
            }));
        }
    }
    lines
}

/// B's root element, where no file tells it.
fn root(route: &Route, b: &AppFiles) -> Option<String> {
    let mut forms = b.metadata.data_types.iter().filter(|it| it.is_form());
    let form = match &route.to.data_type {
        Some(named) => forms.find(|it| it.id == *named)?,
        None => forms.next()?,
    };
    let is_known = b.roots.contains_key(&form.id) || route.to.mode != Mode::Complete;
    (!is_known).then(|| {
        format!(
            "{} has no file that tells the XML root element of its form `{}`: that it is `{}` was not checked, and B refuses \
             a form with another one; it stands in the C# of B's model, in XmlRoot",
            b.id, form.id, route.to.root
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
