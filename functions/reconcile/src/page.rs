//! A page of a list, checked against its query and counted in the report.

use stafett_runtime::altinn::{
    Call,
    cursor::Cursor,
    list::{Page, Unreadable},
};

use crate::{error::RunError, route_run::RouteRun, run::Run};

/// The next page. Every instance that cannot be read is shown to `unreadable` as well, and passed over if that is right.
pub(crate) async fn next(
    run: &Run<'_>,
    route_run: &mut RouteRun<'_>,
    cursor: &mut Cursor,
    unreadable: impl Fn(&Unreadable) -> Result<(), RunError>,
) -> Result<Page, RunError> {
    let query = cursor.list().clone();
    let call = Call::ListInstances(query.app.clone());
    let altinn = &run.context.altinn;
    let page = cursor
        .page(altinn, &route_run.budget, &call, |_| true)
        .await?;
    let report = &mut route_run.report;
    report.pages += 1;
    report.drifted += page.drifted() as u64;
    for it in &page.unreadable {
        tracing::error!(
            route = %route_run.route.name,
            app = %query.app,
            instance = it.id.map(tracing::field::display),
            "an instance in Storage's list cannot be read and was passed over: see what it holds; no relay of it is \
             found missing as long as that is so"
        );
        report.is_unreadable(it.id);
        unreadable(it)?;
    }
    let ignored = page
        .instances
        .iter()
        .find_map(|it| Some((it.id, query.ignored_for(it)?)));
    if let Some((instance, filter)) = ignored {
        return Err(RunError::FilterIgnored {
            filter,
            instance,
            query: query.to_string(),
        });
    }
    Ok(page)
}
