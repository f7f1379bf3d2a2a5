//! Who shall own a new instance.
//!
//! Rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::StatusCode;
use serde_json::json;

use super::Visit;
use super::template::OwnerReference;
use crate::altinn::answer::{self, Refusal};
use crate::altinn::faults::Fault;
use crate::altinn::register::Party;

/// Looks the owner up; the first field present decides.
pub(super) fn look_up<'v>(visit: &'v Visit, owner: &OwnerReference) -> Result<Party<'v>, Refusal> {
    let (faults, app) = (&visit.world.faults, Some(visit.app.id.as_str()));
    let register = &visit.world.register;
    if let Some(party_id) = &owner.party_id {
        let Ok(number) = party_id.parse::<u32>() else {
            return Err(unknown(&format!(
                "Failed to lookup party by partyId: {party_id}"
            )));
        };
        if faults.strikes(app, &Fault::PartyLookupForbidden) {
            return Err(answer::empty(StatusCode::FORBIDDEN).into());
        }
        let found = register
            .by_party_id(number)
            .filter(|_| !faults.strikes(app, &Fault::PartyLookupNotFound));
        return found.ok_or_else(|| unknown("Unknown party"));
    }
    let (kind, value, found) = if let Some(urn) = &owner.external_identifier {
        let found = urn
            .strip_prefix("urn:altinn:person:identifier-no:")
            .and_then(|number| register.by_person_number(number))
            .or_else(|| {
                register.by_organisation_number(
                    urn.strip_prefix("urn:altinn:organization:identifier-no:")?,
                )
            });
        ("externalIdentifier", urn, found)
    } else if let Some(number) = &owner.person_number {
        ("personNumber", number, register.by_person_number(number))
    } else if let Some(number) = &owner.organisation_number {
        (
            "organisationNumber",
            number,
            register.by_organisation_number(number),
        )
    } else if let Some(name) = &owner.username {
        ("username", name, None)
    } else {
        return Err(unknown(
            "Neither personNumber, organisationNumber nor username has value in instanceOwner",
        ));
    };
    // A register that is down looks the same as an unknown number.
    found.filter(|_| !faults.strikes(app, &Fault::PartyLookupNotFound)).ok_or_else(|| {
        unknown(&format!("Failed to lookup party by {kind}: {value}. The exception was: the register knows no such party"))
    })
}

fn unknown(why: &str) -> Refusal {
    answer::json_value(
        StatusCode::NOT_FOUND,
        &json!(format!("Cannot lookup party: {why}")),
    )
    .into()
}
