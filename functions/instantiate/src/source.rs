//! Reading A: the instance and its form data. What follows from them, [`stafett_core::prepare`] says.

use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    instance::Instance,
    pace::Load,
    preflight::{CheckedDraft, TargetApp},
    prepare::{self, InstanceData, Shaped},
    relay::{
        Reason,
        decide::{Failure, NotReady, Read},
    },
    route::Route,
    transform::relayable_since,
};
use stafett_runtime::{
    altinn::{Altinn, AltinnError, AltinnErrorKind, Budget},
    telemetry::Causes,
};
use tokio::time::Instant;

use crate::arrivals::Version;

/// What B shall be, checked against B's metadata and schema.
#[derive(Debug)]
pub(crate) struct Ready {
    /// When the gate opened.
    pub(crate) since: Timestamp,
    /// The earliest moment at which A may have been relayed.
    pub(crate) earliest: Timestamp,
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
/// route's `each`. `Err` is why there is no draft for any of them. Also returns what it says of B's load if B's app could
/// not be asked about itself.
pub(crate) async fn prepare(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    instance: &Instance,
    read: &Read,
) -> (Result<Vec<Share>, NotReady>, Load) {
    let mut load = Load::Unknown;
    let shares = prepared(altinn, budget, route, instance, read, &mut load).await;
    (shares, load)
}

async fn prepared(
    altinn: &Altinn,
    budget: &Budget,
    route: &Route,
    instance: &Instance,
    read: &Read,
    load: &mut Load,
) -> Result<Vec<Share>, NotReady> {
    // Nothing more is read of an instance that is not relayed.
    prepare::opened(route, instance).map_err(|obstacle| NotReady::from(&obstacle))?;
    if read.must_wait(relayable_since(&route.gate, instance)) {
        return Err(NotReady::Rebuilding);
    }
    let asked = Instant::now();
    let (source, b) = tokio::join!(
        altinn.instance_data(budget, route, instance),
        altinn.target_app(budget, &route.to, None)
    );
    *load = b.as_ref().err().map_or(Load::Unknown, AltinnError::load);
    let mut source = source.map_err(|error| NotReady::Unavailable(unread(&error)))?;
    let shares = shares(route, &source, &b);
    if !is_refused(&shares) {
        return shares;
    }
    // An app may have been deployed since it was last asked about itself.
    if !route.data_types().is_empty() {
        let fresh = altinn
            .metadata_since(budget, &route.from, Some(asked))
            .await;
        let fresh = fresh.map_err(|error| NotReady::Unavailable(unread(&error)))?;
        source = source.with_metadata(&fresh);
    }
    let b = altinn.target_app(budget, &route.to, Some(asked)).await;
    *load = b.as_ref().err().map_or(Load::Unknown, AltinnError::load);
    self::shares(route, &source, &b)
}

/// The shares of the instance's relays, by what is known of the two apps.
fn shares(
    route: &Route,
    source: &InstanceData,
    b: &Result<TargetApp, AltinnError>,
) -> Result<Vec<Share>, NotReady> {
    let prepared = prepare::prepare(route, source, b.as_ref().ok())
        .map_err(|obstacle| NotReady::from(&obstacle))?;
    let since = prepared.since;
    let earliest = relayable_since(&route.gate, &source.instance);
    let version = b.as_ref().ok().map(|b| Version::of(route, b));
    let shares = prepared.shares.into_iter().map(|share| {
        let ready = match (share.b, &version) {
            (Ok(Shaped::Checked(checked)), Some(version)) => Ok(Ready {
                since,
                earliest,
                checked,
                version: version.clone(),
            }),
            (Ok(_), _) => Err(target_unknown(b.as_ref().err())),
            (Err(obstacle), _) => Err(NotReady::from(&obstacle)),
        };
        Share {
            key: share.key,
            ready,
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

/// B's app could not be asked.
fn target_unknown(error: Option<&AltinnError>) -> NotReady {
    let mut failure = Failure::new(Reason::TargetUnavailable);
    if let Some(error) = error {
        failure = failure
            .because(Causes(error).to_string())
            .after(error.retry_after());
    }
    NotReady::Unavailable(failure)
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
