//! What is left of a request that nobody has heard of since.

use std::collections::BTreeSet;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stafett_core::relay::{Holder, Record, RelayId, Sent, State};
use stafett_runtime::{
    ledger::{Ledger, Put},
    settings::{Environment, LedgerSettings},
};
use testbed::wire::On;
use tests::{CASEWORK, Folder, ROUTE, Story, stamp};
use uuid::Uuid;

/// The lists that a search asks Storage for.
pub(crate) fn lists() -> On {
    On::request(Method::GET, r"^/storage/api/v1/instances\?.*created=")
}

/// Puts relays on record whose request lasted 40 minutes, ended at this moment without an answer, and made nothing. B is
/// quiet twenty minutes later.
pub(crate) async fn leave_in_doubt(story: &Story, permits: &[String], ended: Timestamp) {
    let settings = &story.instantiate.settings().environment;
    let environment = Environment::new(|name| settings.get(name).cloned());
    let settings = LedgerSettings::read(&environment).expect("the settings are complete");
    let ledger = Ledger::new(&story.aws.endpoints().sdk_config(), &settings);
    let from = ended - SignedDuration::from_mins(40);
    for permit in permits {
        let source = permit.parse().expect("an instance id");
        let relay = RelayId::new(ROUTE.parse().expect("a route"), source);
        let record = Record {
            rev: 1,
            state: State::Waiting,
            holder: Holder(Uuid::nil()),
            lease_until: ended,
            not_before: None,
            sent: Some(Sent {
                from,
                ended,
                quiet: ended + SignedDuration::from_mins(20),
            }),
            first: from,
            attempts: 1,
            targets: BTreeSet::from([CASEWORK.parse().expect("an app")]),
            instance: None,
            reason: None,
            detail: None,
            updated: ended,
        };
        let put = ledger.put(&relay, source, &record, None, None).await;
        assert_eq!(put.expect("DynamoDB answers"), Put::Written);
    }
}

/// Imports a B of another relay, created at this moment.
pub(crate) fn import_case(story: &Story, folder: &Folder, at: Timestamp) {
    let permit = format!("50085321/{}", Uuid::new_v4());
    let case = json!({
        "instanceOwner": {"organisationNumber": "310075728"}, "appId": CASEWORK,
        "process": {"started": at, "currentTask": {"elementId": "Task_1"}},
        "created": at, "lastChanged": at, "data": [],
        "dataValues": {"stafett.relay": stamp(ROUTE, &permit), "stafett.source": permit},
    });
    folder.write("instance.json", case.to_string());
    let _id = story.import_from(folder.path());
}
