//! How far the ledger is: what an operator sees while it is rebuilt.

use jiff::Timestamp;
use serde::Serialize;
use stafett_core::{
    id::RouteName,
    route::{Route, Routes},
};
use stafett_runtime::ledger::Born;

use crate::{
    error::RunError,
    pace::{PaceStatus, paces},
    rebuild::{Progressed, note_of},
    run::Context,
};

/// The answer to `{"action": "status"}`. Nothing is changed by it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The ledger.
    pub ledger: LedgerStatus,
    /// The routes, in the order of their names.
    pub routes: Vec<RouteStatus>,
}

/// The ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerStatus {
    /// Since when it is in use.
    pub born: Timestamp,
    /// No ledger came before it, so that nothing has to be rebuilt.
    pub first: bool,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// The route.
    pub route: RouteName,
    /// Whether each of its relays that has a B is on record.
    pub rebuilt: bool,
    /// How far the rebuild is, or was at its end. `None` if it has not begun, or nothing had to be rebuilt.
    pub rebuild: Option<RebuildStatus>,
    /// What is known of the B app's load. `None` if nothing was kept of it yet.
    pub pace: Option<PaceStatus>,
}

/// How far the rebuild of a route is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildStatus {
    /// B that were created before this have been looked at.
    pub until: Option<Timestamp>,
    /// Pages of Storage's lists that were read.
    pub pages: u64,
    /// Records that were written.
    pub records: u64,
    /// It cannot be finished before this.
    pub not_before: Timestamp,
}

impl From<Born> for LedgerStatus {
    fn from(born: Born) -> Self {
        Self {
            born: born.at,
            first: born.is_first,
        }
    }
}

impl Status {
    /// The status of these routes.
    pub(crate) async fn read(
        context: &Context,
        routes: &Routes,
        only: Option<&RouteName>,
    ) -> Result<Self, RunError> {
        let born = context.ledger.born(context.clock.now()).await?;
        let asked = |route: &&Route| only.is_none_or(|it| *it == route.name);
        let paces = paces(&context.ledger, routes.iter().filter(asked)).await?;
        let mut statuses = Vec::new();
        for route in routes.iter().filter(asked) {
            let pace = paces.get(&route.to.app).copied().flatten();
            statuses.push(RouteStatus::read(context, route, pace).await?);
        }
        Ok(Self {
            ledger: born.into(),
            routes: statuses,
        })
    }
}

impl RouteStatus {
    async fn read(
        context: &Context,
        route: &Route,
        pace: Option<PaceStatus>,
    ) -> Result<Self, RunError> {
        let birth = context
            .ledger
            .birth(&route.name, context.clock.now())
            .await?;
        let Some(birth) = birth else {
            return Ok(Self {
                route: route.name.clone(),
                rebuilt: true,
                rebuild: None,
                pace,
            });
        };
        let kept = context.ledger.noted(&note_of(route)).await?;
        let progressed = kept.and_then(|text| Progressed::read(&text, route, birth.at));
        Ok(Self {
            route: route.name.clone(),
            rebuilt: birth.rebuilt_from.is_some(),
            rebuild: progressed.map(|it| RebuildStatus {
                until: it.until,
                pages: it.pages,
                records: it.records,
                not_before: context.quiet_after(birth),
            }),
            pace,
        })
    }
}
