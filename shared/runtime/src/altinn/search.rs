//! The search for a stamp in Storage.
//!
//! Storage cannot query `dataValues`, so this lists the instances of B's app that were created within a window, and
//! filters them here. `created` never changes, so an instance stays within the window whatever happens to it later.
//! Within the window the list is in the order of the last change: an instance that changes while the list is read
//! appears again at its end.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    preflight::STAMP,
    relay::RelayId,
    route::{Mode, Target},
};

use super::{
    budget::Budget,
    client::Altinn,
    cursor::Cursor,
    error::{AltinnError, AltinnErrorKind, Call},
    list::{InstanceQuery, Unreadable},
};

/// Instances on a page of the search.
const SEARCH_PAGE: usize = 5_000;
/// A search that reads more pages than this is given up.
const MAX_PAGES: usize = 1_000;

/// An instance that carries the stamp, as the list has it: without its data elements, which must be read from the
/// instance itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The instance.
    pub id: InstanceId,
    /// Its app.
    pub app: AppId,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// It is hard-deleted, and stays in the list until it is purged.
    pub gone: bool,
}

impl Altinn {
    /// The keys of B's `dataValues` under which the stamp of a relay may stand. The app's metadata are read for a route
    /// with `mode: prefill`, whose stamp is a field of B's form.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn stamp_keys(
        &self,
        budget: &Budget,
        to: &Target,
    ) -> Result<Vec<String>, AltinnError> {
        let mut keys = vec![STAMP.to_owned()];
        if let Mode::Prefill { stamp } = &to.mode {
            let metadata = self.metadata(budget, &to.app).await?;
            let shown = metadata.data_fields.iter();
            let shown = shown.filter(|field| field.path.as_ref() == Some(stamp));
            keys.extend(shown.map(|field| field.id.clone()));
        }
        Ok(keys)
    }

    /// The instances of `app` that were created within `created`, both ends included, and whose `dataValues` hold the
    /// relay's stamp under one of `keys`: each once, and also the hard-deleted ones.
    ///
    /// The search is not restricted to an owner: for a number that the register does not know, Storage answers with an
    /// empty list (measured: tests/recorded/query-identifier-unknown.json), which would look like "there is none".
    ///
    /// # Errors
    /// [`AltinnError`], also when the list does not end or when an instance that cannot be read carries the stamp:
    /// otherwise the search could miss a B.
    pub async fn stamped(
        &self,
        budget: &Budget,
        app: &AppId,
        relay: &RelayId,
        keys: &[&str],
        created: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Stamped>, AltinnError> {
        let call = Call::SearchStamp {
            app: app.clone(),
            relay: relay.clone(),
        };
        let stamp = relay.to_string();
        let mut cursor = Cursor::new(InstanceQuery {
            created_from: Some(*created.start()),
            created_until: Some(*created.end()),
            size: SEARCH_PAGE,
            ..InstanceQuery::of(app.clone())
        });
        // If Storage ignored a filter, the list would be longer and still complete.
        let is_stamped = |instance: &Instance| {
            instance.app == *app
                && keys
                    .iter()
                    .any(|key| instance.data_values.get(*key) == Some(&stamp))
        };
        let mut found: Vec<Stamped> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = cursor.page(self, budget, &call, is_stamped).await?;
            for unreadable in &page.unreadable {
                pass_over(unreadable, &call, &stamp)?;
            }
            for instance in page.instances {
                let stamped = Stamped {
                    id: instance.id,
                    app: instance.app,
                    created: instance.created,
                    gone: instance.status.is_hard_deleted,
                };
                // An instance that changed meanwhile appears again, as it is now.
                match found.iter_mut().find(|it| it.id == stamped.id) {
                    Some(known) => *known = stamped,
                    None => found.push(stamped),
                }
            }
            if cursor.is_finished() {
                return Ok(found);
            }
        }
        Err(AltinnError::new(
            &call,
            AltinnErrorKind::Malformed("a list that ends"),
        ))
    }
}

/// Skips an instance that cannot be read, unless it holds the stamp.
fn pass_over(unreadable: &Unreadable, call: &Call, stamp: &str) -> Result<(), AltinnError> {
    if unreadable.carries(stamp) {
        let kind = AltinnErrorKind::Unreadable(unreadable.to_string());
        return Err(AltinnError::new(call, kind));
    }
    tracing::warn!(
        instance = unreadable.id.map(tracing::field::display),
        "an instance in Storage's list cannot be read; it does not carry the stamp, and was passed over in: {call}"
    );
    Ok(())
}
