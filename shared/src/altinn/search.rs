//! The search for a stamp in Storage.
//!
//! Storage cannot query `dataValues`, so the instances of B's app are listed from a
//! moment on and filtered here.

use jiff::Timestamp;

use super::{Altinn, AltinnError, Budget, Instance, Trouble, list::InstanceQuery};
use crate::{draft::Owner, id::AppId, relay::RelayId};

/// A search that is longer than this finds no end.
const MAX_PAGES: usize = 10_000;

impl Altinn {
    /// The instances of `app`, made since, whose `dataValues` carry the relay's stamp under one of `keys`;
    /// of one owner, if given.
    ///
    /// # Errors
    /// [`AltinnError`], also when the list does not end, or an instance cannot be read: nothing is
    /// taken for absent that was not seen.
    pub async fn stamped(
        &self,
        budget: &Budget,
        app: &AppId,
        relay: &RelayId,
        keys: &[&str],
        since: Timestamp,
        owner: Option<&Owner>,
    ) -> Result<Vec<Instance>, AltinnError> {
        let doing = format!("search the instances of {app} for the stamp of relay {relay}");
        let stamp = relay.to_string();
        let query = InstanceQuery {
            created_from: Some(since),
            owner: owner.cloned(),
            with_elements: true,
            ..InstanceQuery::of(app.clone())
        };
        // A filter that Storage ignores makes the list longer, and hides nothing.
        let is_stamped = |instance: &Instance| {
            instance.app == *app
                && keys
                    .iter()
                    .any(|key| instance.data_values.get(*key) == Some(&stamp))
        };
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let page = self.page(budget, &doing, &query, next.as_deref()).await?;
            found.extend(page.instances.into_iter().filter(is_stamped));
            match page.next {
                None => return Ok(found),
                some => next = some,
            }
        }
        Err(AltinnError::new(
            &doing,
            Trouble::Malformed("a list that ends"),
        ))
    }
}
