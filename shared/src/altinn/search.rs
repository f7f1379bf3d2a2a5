//! The search for a stamp in Storage.
//!
//! Storage cannot query `dataValues`, so the instances of B's app are listed from a
//! moment on and filtered here. Its query drops filters that it does not understand
//! without a word, and lists deleted instances; each one returned is looked at again
//! (Altinn/altinn-storage: src/Storage/Models/InstanceQueryParameters.cs,
//! src/Storage/Repository/PgInstanceRepository.cs).

use jiff::Timestamp;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::{Altinn, AltinnError, Budget, Instance, Trouble};
use crate::{draft::Owner, id::AppId, relay::RelayId};

/// Instances on a page; Storage sets no bound, its own clients ask for no more.
const PAGE: u32 = 100;
/// A search that is longer than this finds no end.
const MAX_PAGES: usize = 10_000;

/// A page of Storage's query.
#[derive(Deserialize)]
struct Page {
    instances: Vec<Value>,
    #[serde(default)]
    next: Option<String>,
}

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
        let malformed = |what| AltinnError::new(&doing, Trouble::Malformed(what));
        let stamp = relay.to_string();
        let mut query = first_query(app, since, owner);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let url = format!("{}?{query}", self.storage("instances"));
            let request = || {
                let request = self.platform_request(Method::GET, &url);
                match owner.and_then(identifier) {
                    Some(identifier) => request.header("X-Ai-InstanceOwnerIdentifier", identifier),
                    None => request,
                }
            };
            let json = self.read_json(budget, &doing, request).await?;
            let page: Page =
                serde_json::from_value(json).map_err(|_| malformed("a page of instances"))?;
            for instance in page.instances {
                let instance = Instance::from_json(instance)
                    .map_err(|_| malformed("a page of instances that can be read"))?;
                if instance.app == *app
                    && keys
                        .iter()
                        .any(|key| instance.data_values.get(*key) == Some(&stamp))
                {
                    found.push(instance);
                }
            }
            match page.next {
                None => return Ok(found),
                Some(next) => {
                    // Its query goes back verbatim, its host is not ours to call.
                    let next = Url::parse(&next).ok();
                    let next = next.as_ref().and_then(Url::query);
                    let next = next.ok_or_else(|| malformed("a page with a usable `next`"))?;
                    if next == query {
                        return Err(malformed("a list that goes on"));
                    }
                    query = next.to_owned();
                }
            }
        }
        Err(malformed("a list that ends"))
    }
}

/// Ascending, since the descending order skips and repeats instances at page boundaries. Every
/// character of it may stand in a query as it is.
fn first_query(app: &AppId, since: Timestamp, owner: Option<&Owner>) -> String {
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ");
    let query = format!("appId={app}&created=gte:{since}&order=asc:lastChanged&size={PAGE}");
    match owner {
        Some(Owner::Party(party)) => format!("{query}&instanceOwner.partyId={party}"),
        _ => query,
    }
}

/// The header that names an owner by number.
fn identifier(owner: &Owner) -> Option<String> {
    match owner {
        Owner::Organisation(number) => Some(format!("Organisation:{number}")),
        Owner::Person(number) => Some(format!("Person:{number}")),
        Owner::Party(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_falls_into_none_of_storages_traps() {
        let query = first_query(
            &"ttd/casework".parse().unwrap(),
            "2026-11-22T10:00:00.123Z".parse().unwrap(),
            Some(&Owner::Party(50_085_321)),
        );
        assert_eq!(
            query,
            "appId=ttd/casework&created=gte:2026-11-22T10:00:00Z&order=asc:lastChanged&size=100&instanceOwner.partyId=50085321"
        );
    }
}
