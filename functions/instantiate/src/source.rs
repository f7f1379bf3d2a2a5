//! Reading A: the instance, the gate, the form data, and from these the checked drafts.

use futures_util::future::try_join_all;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};
use stafett_core::{
    instance::Instance,
    preflight::{self, CheckedDraft},
    relay::{
        Reason,
        decide::{Failure, NotReady},
    },
    route::Route,
    transform::{self, TransformError},
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, AltinnErrorKind, Budget},
    telemetry::Causes,
};

use crate::arrivals::Version;

/// What B shall be, checked against B's metadata.
#[derive(Debug)]
pub(crate) struct Ready {
    /// When the gate opened.
    pub(crate) since: Timestamp,
    /// What B shall be.
    pub(crate) checked: CheckedDraft,
    /// The versions of the route and of B's schema that it was made with.
    pub(crate) version: Version,
}

/// One relay's share of an A instance.
pub(crate) struct Share {
    /// What tells it from the route's other relays of the instance; may be personal.
    pub(crate) key: Option<String>,
    /// What B shall be, or why there is no draft.
    pub(crate) ready: Result<Ready, NotReady>,
}

/// Turns the A instance into the shares of its relays: one, or one per value of the
/// route's `each`. `Err` is why there is no draft for any of them.
pub(crate) async fn prepare(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    source: &Instance,
) -> Result<Vec<Share>, NotReady> {
    if source.app != route.from {
        let failure = Failure::new(Reason::SourceForeign).because(format!(
            "the route starts at {}, the instance is of {}",
            route.from, source.app
        ));
        return Err(NotReady::Never(failure));
    }
    if source.status.is_hard_deleted {
        return Err(NotReady::Never(Failure::new(Reason::SourceDeleted)));
    }
    let Some(since) = transform::open_since(&route.gate, source) else {
        return Err(NotReady::NotYet(Failure::new(Reason::GateClosed)));
    };
    let (data, metadata) = tokio::join!(
        form_data(altinn, budget, route, source),
        altinn.metadata(budget, &route.to.app)
    );
    let parts =
        transform::drafts(route, source, &data?, since).map_err(|error| no_draft(&error))?;
    let metadata = metadata.map_err(|error| {
        NotReady::Unavailable(
            Failure::new(Reason::TargetUnavailable)
                .because(Causes(&error).to_string())
                .after(error.retry_after()),
        )
    })?;
    let version = Version::of(route, route.to.schema.as_ref());
    let shares = parts.into_iter().map(|part| {
        let checked = part
            .draft
            .map_err(|error| no_draft(&error))
            .and_then(|draft| {
                preflight::check(draft, &route.to, &metadata).map_err(|objections| {
                    // What is refused today may be admitted by metadata that is newer than ours.
                    altinn.forget_metadata(&route.to.app);
                    NotReady::Never(objections.failure())
                })
            });
        Share {
            key: part.key,
            ready: checked.map(|checked| Ready {
                since,
                checked,
                version: version.clone(),
            }),
        }
    });
    Ok(shares.collect())
}

fn no_draft(error: &TransformError) -> NotReady {
    if error.is_transient() {
        NotReady::NotYet(error.failure())
    } else {
        NotReady::Never(error.failure())
    }
}

/// A's form data by data type, as expressions see it.
async fn form_data(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    source: &Instance,
) -> Result<Map<String, Value>, NotReady> {
    let types = route.data_types();
    if types.is_empty() {
        return Ok(Map::new());
    }
    let read = types.iter().map(|data_type| async move {
        let elements = source
            .elements(data_type)
            .into_iter()
            .map(|element| altinn.form_data(budget, &route.from, source.id, element.id));
        Ok((data_type, try_join_all(elements).await?))
    });
    let (forms, metadata) =
        tokio::try_join!(try_join_all(read), altinn.metadata(budget, &route.from))
            .map_err(|error: AltinnError| NotReady::Unavailable(unread(&error)))?;
    let mut data = Map::new();
    for (data_type, forms) in forms {
        let form = transform::form_data(&metadata, data_type, forms);
        if let Some(form) = form.map_err(|error| no_draft(&error))? {
            data.insert(data_type.clone(), form);
        }
    }
    Ok(data)
}

/// What it means that A could not be read.
pub(crate) fn unread(error: &AltinnError) -> Failure {
    let reason = match (error.status(), &error.kind) {
        (Some(StatusCode::NOT_FOUND), _) => Reason::SourceMissing,
        (Some(StatusCode::FORBIDDEN), _) => Reason::SourceForbidden,
        // An answer that broke off on its way reads so, too, so it is asked for again before the relay fails.
        (_, AltinnErrorKind::Malformed(_) | AltinnErrorKind::TooLong) => Reason::SourceUnreadable,
        _ => Reason::SourceUnavailable,
    };
    Failure::new(reason)
        .because(Causes(error).to_string())
        .after(error.retry_after())
}
