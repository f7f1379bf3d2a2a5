//! Reading A: the instance, the gate, the form data, and from these the checked drafts.

use std::sync::Arc;

use futures_util::future::try_join_all;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};
use stafett_core::{
    instance::Instance,
    metadata::ApplicationMetadata,
    preflight::{self, CheckedDraft, TargetApp},
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
use tokio::time::Instant;

/// What B shall be, checked against B's metadata and schema.
#[derive(Debug)]
pub(crate) struct Ready {
    /// When the gate opened.
    pub(crate) since: Timestamp,
    /// What B shall be.
    pub(crate) checked: CheckedDraft,
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
    let asked = Instant::now();
    let (a, b) = tokio::join!(
        source_app(altinn, budget, route, source),
        altinn.target_app(budget, &route.to, None)
    );
    let mut a = a?;
    let shares = shares(route, source, since, &a, &b);
    if !is_refused(&shares) {
        return shares;
    }
    // An app may have been deployed since it was last asked about itself.
    if a.metadata.is_some() {
        let fresh = altinn.metadata_since(budget, &route.from, Some(asked));
        let fresh = fresh
            .await
            .map_err(|error| NotReady::Unavailable(unread(&error)))?;
        a.metadata = Some(fresh);
    }
    let b = altinn.target_app(budget, &route.to, Some(asked)).await;
    self::shares(route, source, since, &a, &b)
}

/// The shares of the instance's relays, by what is known of the two apps.
fn shares(
    route: &Route,
    source: &Instance,
    since: Timestamp,
    a: &SourceApp,
    b: &Result<TargetApp, AltinnError>,
) -> Result<Vec<Share>, NotReady> {
    let data = a.data().map_err(|error| no_draft(&error))?;
    let parts = transform::drafts(route, source, &data, since).map_err(|error| no_draft(&error))?;
    let b = b.as_ref().map_err(|error| {
        NotReady::Unavailable(
            Failure::new(Reason::TargetUnavailable)
                .because(Causes(error).to_string())
                .after(error.retry_after()),
        )
    })?;
    let shares = parts.into_iter().map(|part| {
        let draft = part.draft.map_err(|error| no_draft(&error));
        let checked = draft.and_then(|draft| {
            preflight::check(draft, &route.to, b)
                .map_err(|objections| NotReady::Never(objections.failure()))
        });
        Share {
            key: part.key,
            ready: checked.map(|checked| Ready { since, checked }),
        }
    });
    Ok(shares.collect())
}

/// Whether a relay would fail.
fn is_refused(shares: &Result<Vec<Share>, NotReady>) -> bool {
    match shares {
        Ok(shares) => shares
            .iter()
            .any(|share| matches!(share.ready, Err(NotReady::Never(_)))),
        Err(not_ready) => matches!(not_ready, NotReady::Never(_)),
    }
}

fn no_draft(error: &TransformError) -> NotReady {
    if error.is_transient() {
        NotReady::NotYet(error.failure())
    } else {
        NotReady::Never(error.failure())
    }
}

/// What the route reads of app A.
struct SourceApp {
    /// A's metadata; `None` if the route reads no form.
    metadata: Option<Arc<ApplicationMetadata>>,
    /// A's forms, by data type.
    forms: Vec<(String, Vec<Value>)>,
}

impl SourceApp {
    /// A's form data by data type, as expressions see it.
    fn data(&self) -> Result<Map<String, Value>, TransformError> {
        let mut data = Map::new();
        if let Some(metadata) = &self.metadata {
            for (data_type, forms) in &self.forms {
                let form = transform::form_data(metadata, data_type, forms.clone())?;
                data.extend(form.map(|form| (data_type.clone(), form)));
            }
        }
        Ok(data)
    }
}

async fn source_app(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    source: &Instance,
) -> Result<SourceApp, NotReady> {
    let types = route.data_types();
    if types.is_empty() {
        let (metadata, forms) = (None, Vec::new());
        return Ok(SourceApp { metadata, forms });
    }
    let read = types.into_iter().map(|data_type| async move {
        let elements = source
            .elements(&data_type)
            .into_iter()
            .map(|element| altinn.form_data(budget, &route.from, source.id, element.id));
        let forms = try_join_all(elements).await?;
        Ok((data_type, forms))
    });
    let (forms, metadata) =
        tokio::try_join!(try_join_all(read), altinn.metadata(budget, &route.from))
            .map_err(|error: AltinnError| NotReady::Unavailable(unread(&error)))?;
    Ok(SourceApp {
        metadata: Some(metadata),
        forms,
    })
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
