//! Leaves out the warnings that a route's author accepts.

use crate::{
    finding::{Finding, Severity},
    located_route::LocatedRoute,
};

/// `found` without what the route accepts; and a warning for each accepted warning that is not there, if all files are
/// at hand that could tell.
pub(super) fn without(
    subject: &LocatedRoute<'_>,
    found: Vec<Finding>,
    is_known: bool,
) -> Vec<Finding> {
    let accepted = || {
        let accepted = subject.route.accepted.iter();
        accepted.flat_map(|it| {
            it.findings
                .iter()
                .map(|code| (it.field.as_str(), code.as_str()))
        })
    };
    let is = |finding: &Finding, (field, code): (&str, &str)| {
        finding.severity == Severity::Warning
            && finding.code == code
            && finding.field.as_deref() == Some(field)
    };
    let unused = accepted().filter(|it| is_known && !found.iter().any(|finding| is(finding, *it)));
    let unused: Vec<Finding> = unused
        .map(|(field, code)| {
            let key = format!("{field}.$accept");
            let message =
                format!("{field} accepts `{code}`, and there is no such warning about it");
            Finding::warning("not-found", subject.file, message)
                .at(subject.places.value(&key))
                .field(key)
                .help("remove it: a warning that comes later would not be seen")
        })
        .collect();
    let is_left = |finding: &Finding| !accepted().any(|it| is(finding, it));
    found.into_iter().filter(is_left).chain(unused).collect()
}
