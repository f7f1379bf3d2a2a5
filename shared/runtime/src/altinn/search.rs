//! The search for a stamp in Storage.
//!
//! Storage cannot query `dataValues`, so the instances of B's app that were made within a window are listed
//! and filtered here. The window alone bounds the search: `created` never moves, in the list or in the instance, so
//! what was made in it stays in it, whatever became of it since. Within the window the list is in the order of
//! the last change; an instance that changes while it is read comes once more at its end.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    relay::RelayId,
};

use super::{
    Altinn, AltinnError, Budget, Trouble,
    cursor::Cursor,
    list::{InstanceQuery, Unreadable},
};

/// Instances on a page of the search.
const SEARCH_PAGE: usize = 5_000;
/// A search that is longer than this finds no end.
const MAX_PAGES: usize = 1_000;

/// An instance that carries the stamp, as the list shows it. The list has no data elements: what the instance
/// has and lacks is read from the instance itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The instance.
    pub id: InstanceId,
    /// Its app.
    pub app: AppId,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// It is hard-deleted, and is only listed until it is purged.
    pub gone: bool,
}

impl Altinn {
    /// The instances of `app` that were made within `created`, both ends included, and whose `dataValues` carry the
    /// relay's stamp under one of `keys`. Each once, hard-deleted ones included.
    ///
    /// Not narrowed to an owner: Storage answers an empty list for a number that the register does not know (measured:
    /// tests/recorded/query-identifier-unknown.json), which would look like "there is none".
    ///
    /// # Errors
    /// [`AltinnError`], also when the list does not end, or when an instance that cannot be read carries the stamp:
    /// nothing is taken for absent that was not seen.
    pub async fn stamped(
        &self,
        budget: &Budget,
        app: &AppId,
        relay: &RelayId,
        keys: &[&str],
        created: RangeInclusive<Timestamp>,
    ) -> Result<Vec<Stamped>, AltinnError> {
        let doing = format!("search the instances of {app} for the stamp of relay {relay}");
        let stamp = relay.to_string();
        let mut cursor = Cursor::new(InstanceQuery {
            created_from: Some(*created.start()),
            created_until: Some(*created.end()),
            size: SEARCH_PAGE,
            ..InstanceQuery::of(app.clone())
        });
        // A filter that Storage ignores makes the list longer, and hides nothing.
        let is_stamped = |instance: &Instance| {
            instance.app == *app
                && keys
                    .iter()
                    .any(|key| instance.data_values.get(*key) == Some(&stamp))
        };
        let mut found: Vec<Stamped> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = cursor.page(self, budget, &doing, is_stamped).await?;
            for unreadable in &page.unreadable {
                pass_over(unreadable, &doing, &stamp)?;
            }
            for instance in page.instances {
                let stamped = Stamped {
                    id: instance.id,
                    app: instance.app,
                    created: instance.created,
                    gone: instance.status.is_hard_deleted,
                };
                // What changed meanwhile comes again, as it is now.
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
            &doing,
            Trouble::Malformed("a list that ends"),
        ))
    }
}

/// Passes over an instance that cannot be read, unless it may be the one that is searched for.
fn pass_over(unreadable: &Unreadable, doing: &str, stamp: &str) -> Result<(), AltinnError> {
    if unreadable.carries(stamp) {
        return Err(AltinnError::new(
            &format!("{doing} (see {unreadable}, which carries it)"),
            Trouble::Malformed("a list of instances that can be read"),
        ));
    }
    tracing::warn!(
        instance = unreadable.id.map(tracing::field::display),
        "an instance in Storage's list cannot be read; it does not carry the stamp, and was passed over in: {doing}"
    );
    Ok(())
}
