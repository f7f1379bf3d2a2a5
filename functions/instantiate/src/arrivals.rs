//! What a container knows of the forms that have arrived: whether a route's first B holds what it was sent, and whether the
//! route is stopped because one did not.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use stafett_core::{id::RouteName, preflight::TargetApp, route::Route, schema::Schema};
use stafett_runtime::ledger::{Ledger, LedgerError};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long the ledger's note of a stopped route, or its absence, is trusted.
const NOTE_AGE: SignedDuration = SignedDuration::from_secs(60);

/// A version of a route together with those of B's schemas. All digests are of files, so that it says nothing of any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) String);

impl Version {
    /// The version of a route together with those of the schemas of B's forms, as far as they are known.
    pub(crate) fn of(route: &Route, b: &TargetApp) -> Self {
        let mut version = route.version.clone();
        for form in route.to.forms.iter() {
            let schema = b.schema(form).ok().flatten();
            version.push(':');
            version.push_str(schema.map_or("-", Schema::digest));
        }
        Self(version)
    }
}

/// The arrivals of all routes.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(std::sync::Mutex<HashMap<RouteName, Arc<RouteArrivals>>>);

/// The arrivals of one route.
#[derive(Debug, Default)]
pub(crate) struct RouteArrivals {
    /// Held while the first B of a version is made and compared: the others wait for what comes of it.
    first: Arc<Mutex<()>>,
    seen: std::sync::Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The version whose first B held what it was sent.
    verified: Option<Version>,
    /// The version with which the route was stopped, and when the ledger said so.
    stopped: Option<(Timestamp, Option<Version>)>,
    /// How many first B could not be read back.
    unread: usize,
}

/// Whether a B of a version may be made.
pub(crate) enum Admission {
    /// A B of this version has been compared.
    Verified,
    /// This will be the first, and the others wait until this guard is dropped.
    First(OwnedMutexGuard<()>),
    /// The first B could not be read back while this one waited for it. It waits for no other.
    Unread,
    /// The first B of this version lacked fields.
    Stopped,
}

impl Arrivals {
    /// The arrivals of a route.
    pub(crate) fn of(&self, route: &RouteName) -> Arc<RouteArrivals> {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.entry(route.clone()).or_default().clone()
    }
}

impl RouteArrivals {
    /// Whether the route is stopped with this version, by what the ledger has said within the last minute.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(crate) async fn is_stopped(
        &self,
        ledger: &Ledger,
        route: &RouteName,
        version: &Version,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let known = self.seen().stopped.clone();
        let known = known.filter(|(read_at, _)| now.duration_since(*read_at) < NOTE_AGE);
        let stopped = match known {
            Some((_, stopped)) => stopped,
            None => {
                let stopped = ledger.stopped(route).await?.map(Version);
                self.seen().stopped = Some((now, stopped.clone()));
                stopped
            }
        };
        Ok(stopped.as_ref() == Some(version))
    }

    /// Waits until no first B of this route is under way, or one could not be read back.
    pub(crate) async fn admit(&self, version: &Version) -> Admission {
        if let Some(admission) = self.known(version) {
            return admission;
        }
        let unread = self.seen().unread;
        let guard = self.first.clone().lock_owned().await;
        if let Some(admission) = self.known(version) {
            return admission;
        }
        if self.seen().unread != unread {
            return Admission::Unread;
        }
        Admission::First(guard)
    }

    fn known(&self, version: &Version) -> Option<Admission> {
        let seen = self.seen();
        if matches!(&seen.stopped, Some((_, Some(stopped))) if stopped == version) {
            return Some(Admission::Stopped);
        }
        (seen.verified.as_ref() == Some(version)).then_some(Admission::Verified)
    }

    /// A B of this version held what it was sent.
    pub(crate) fn verified(&self, version: Version) {
        self.seen().verified = Some(version);
    }

    /// A first B could not be read back: those that wait for it need not wait for another one.
    pub(crate) fn unread(&self) {
        self.seen().unread += 1;
    }

    /// A B of this version lacked fields.
    pub(crate) fn stop(&self, version: Version, now: Timestamp) {
        let mut seen = self.seen();
        seen.verified = None;
        seen.stopped = Some((now, Some(version)));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic while it was held cannot leave it half-changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version(text.to_owned())
    }

    #[tokio::test]
    async fn the_others_wait_for_the_first_b_of_a_version() {
        let arrivals = Arc::new(RouteArrivals::default());
        let Admission::First(guard) = arrivals.admit(&version("1")).await else {
            panic!("the first is admitted as such")
        };
        let other = {
            let arrivals = arrivals.clone();
            tokio::spawn(async move {
                matches!(arrivals.admit(&version("1")).await, Admission::Verified)
            })
        };
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        arrivals.verified(version("1"));
        drop(guard);
        assert!(other.await.unwrap());
        assert!(matches!(
            arrivals.admit(&version("2")).await,
            Admission::First(_)
        ));
    }

    #[tokio::test]
    async fn after_a_first_b_that_lacked_fields_no_other_of_that_version_is_admitted() {
        let arrivals = RouteArrivals::default();
        let first = arrivals.admit(&version("1")).await;
        arrivals.stop(version("1"), Timestamp::UNIX_EPOCH);
        drop(first);
        assert!(matches!(
            arrivals.admit(&version("1")).await,
            Admission::Stopped
        ));
        assert!(matches!(
            arrivals.admit(&version("2")).await,
            Admission::First(_)
        ));
    }

    #[tokio::test]
    async fn a_first_b_that_cannot_be_read_back_releases_those_that_wait_and_the_next_one_tries_again()
     {
        let arrivals = Arc::new(RouteArrivals::default());
        let Admission::First(guard) = arrivals.admit(&version("1")).await else {
            panic!("the first is admitted as such")
        };
        let others: Vec<_> = (0..5)
            .map(|_| {
                let arrivals = arrivals.clone();
                tokio::spawn(async move {
                    matches!(arrivals.admit(&version("1")).await, Admission::Unread)
                })
            })
            .collect();
        tokio::task::yield_now().await;
        arrivals.unread();
        drop(guard);
        for other in others {
            assert!(other.await.unwrap());
        }
        assert!(matches!(
            arrivals.admit(&version("1")).await,
            Admission::First(_)
        ));
    }

    #[tokio::test]
    async fn a_first_b_without_an_outcome_leaves_its_place_to_the_next() {
        let arrivals = RouteArrivals::default();
        drop(arrivals.admit(&version("1")).await);
        assert!(matches!(
            arrivals.admit(&version("1")).await,
            Admission::First(_)
        ));
    }
}
