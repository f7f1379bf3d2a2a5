//! The pace towards each B app, as operators see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{id::AppId, pace::BreakerState, route::Route};
use stafett_runtime::ledger::{Ledger, LedgerError, PaceNote};

/// The pace towards a B app, and its breaker, as `instantiate` keeps them for all its containers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaceStatus {
    /// B is down: no relay asks it before this moment, and then one does. `None` if B is up.
    pub quiet_until: Option<Timestamp>,
    /// A container's rate, in B per second, as it was last kept.
    pub per_second: Option<f64>,
}

impl PaceStatus {
    /// Whether nobody asks B at `now`. A breaker that is open is not enough: where no relay has come since the last outage,
    /// none has found out that B is up again.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        self.quiet_until.is_some_and(|until| now < until)
    }
}

impl From<PaceNote> for PaceStatus {
    fn from(note: PaceNote) -> Self {
        Self {
            quiet_until: match note.state {
                BreakerState::Closed => None,
                BreakerState::Open { quiet_until, .. } => Some(quiet_until),
            },
            per_second: note.rate,
        }
    }
}

/// What is known of the load of each B app of these routes, by one read each. `None` if nothing was kept of it yet.
///
/// # Errors
/// [`LedgerError`].
pub async fn paces(
    ledger: &Ledger,
    routes: impl Iterator<Item = &Route>,
) -> Result<BTreeMap<AppId, Option<PaceStatus>>, LedgerError> {
    let mut paces: BTreeMap<_, _> = routes.map(|route| (route.to.app.clone(), None)).collect();
    for (app, pace) in &mut paces {
        *pace = ledger.pace(app).await?.map(PaceStatus::from);
    }
    Ok(paces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_is_quiet_until_its_next_probe() {
        let until = Timestamp::from_second(1_800_000_000).unwrap();
        let before = Timestamp::from_second(1_799_999_999).unwrap();
        let pace = |quiet_until| PaceStatus {
            quiet_until,
            per_second: None,
        };
        assert!(pace(Some(until)).is_quiet(before));
        assert!(!pace(Some(until)).is_quiet(until));
        assert!(!pace(None).is_quiet(before));
    }
}
