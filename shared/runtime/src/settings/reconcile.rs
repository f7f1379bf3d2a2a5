//! What reconcile leaves alone, and what it reads twice.

use std::time::Duration;

use super::environment::{Environment, SettingError, Variable};

/// Instances on a page of Storage's list where nobody says otherwise: about 1.2 MB of JSON. Storage scans from the
/// start of each page, so few pages are cheap; `cargo bench --bench lists` measures sizes.
pub const PAGE_SIZE: usize = 1_000;

const DEFAULT_GRACE: Duration = Duration::from_secs(600);
const DEFAULT_OVERLAP: Duration = Duration::from_secs(600);

/// What reconcile leaves alone, and what it reads twice.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileSettings {
    /// `STAFETT_RECONCILE_GRACE_SECONDS`: reconcile leaves an instance alone that changed within this time, in
    /// seconds, since its trigger may still be on its way. Default 600.
    pub grace: Duration,
    /// `STAFETT_RECONCILE_OVERLAP_SECONDS`: how far each run looks back behind the end of the run before, in
    /// seconds. Default 600.
    pub overlap: Duration,
    /// `STAFETT_RECONCILE_PAGE`: instances on a page of Storage's lists, 50 to 5000. Default [`PAGE_SIZE`].
    pub page: usize,
}

impl ReconcileSettings {
    /// # Errors
    /// [`SettingError`] for a malformed variable.
    pub fn read(environment: &Environment<'_>) -> Result<Self, SettingError> {
        Ok(Self {
            grace: environment.seconds(
                &Variable {
                    name: "STAFETT_RECONCILE_GRACE_SECONDS",
                    what: "a number of seconds: how long a trigger may be on its way",
                    example: "600",
                },
                DEFAULT_GRACE,
            )?,
            overlap: environment.seconds(
                &Variable {
                    name: "STAFETT_RECONCILE_OVERLAP_SECONDS",
                    what: "a number of seconds: how far a run looks back behind the end of the last one",
                    example: "600",
                },
                DEFAULT_OVERLAP,
            )?,
            page: Self::read_page(environment)?,
        })
    }

    fn read_page(environment: &Environment<'_>) -> Result<usize, SettingError> {
        let variable = Variable {
            name: "STAFETT_RECONCILE_PAGE",
            what: "a number from 50 to 5000: how many instances stand on a page of Storage's lists",
            example: "1000",
        };
        match environment.optional(&variable) {
            None => Ok(PAGE_SIZE),
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (50..=5_000).contains(size))
                .ok_or_else(|| variable.malformed()),
        }
    }
}
