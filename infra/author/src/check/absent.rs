//! What could not be checked, as no file of an app tells it.

use stafett_core::{
    id::AppId,
    route::{Gate, Route},
};

use app_files::{AppFiles, Told};

/// What of a route could not be compared with its apps, a line each; names the app and the file.
pub(super) fn of(route: &Route, a: Option<&AppFiles>, b: Option<&AppFiles>) -> Vec<String> {
    let mut lines = Vec::new();
    let read = route.data_types();
    match a {
        None => lines.push(not_at_hand(&route.from)),
        Some(a) => lines.extend(missing(a, |what| match what {
            Told::Tasks => matches!(route.gate, Gate::Task(_)),
            Told::Policy => true,
            Told::Fields(form) => read.contains(form.as_str()),
        })),
    }
    match b {
        None => lines.push(not_at_hand(&route.to.app)),
        Some(b) => lines.extend(missing(b, |what| match what {
            // A route depends on no task of B.
            Told::Tasks => false,
            Told::Policy => true,
            Told::Fields(form) => route.to.data_type.as_ref().is_none_or(|it| it == form),
        })),
    }
    lines
}

fn missing(app: &AppFiles, matters: impl Fn(&Told) -> bool) -> impl Iterator<Item = String> {
    let absent = app
        .absent
        .iter()
        .filter(move |absent| matters(&absent.what));
    absent.map(|absent| {
        let what = match &absent.what {
            Told::Tasks => "its tasks".to_owned(),
            Told::Policy => "what its policy permits".to_owned(),
            Told::Fields(form) => format!("the fields of its form `{form}`"),
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
