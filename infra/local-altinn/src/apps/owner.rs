//! Who shall own a new instance.
//!
//! Rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::StatusCode;

use super::Visit;
use super::template::OwnerReference;
use crate::answer::{self, Refusal};
use crate::faults::Fault;
use crate::register::Party;

/// Looks the owner up; the first field present decides.
pub(super) fn look_up<'v>(visit: &'v Visit, owner: &OwnerReference) -> Result<Party<'v>, Refusal> {
    let register = &visit.world.register;
    if let Some(party_id) = &owner.party_id {
        let Ok(number) = party_id.parse::<u32>() else {
            return Err(unknown(&format!(
                "Failed to lookup party by partyId: {party_id}. The exception was: The input string '{party_id}' was not in a correct format."
            )));
        };
        if visit.strikes(&Fault::RegisterDown) {
            return Err(answer::client_error(StatusCode::FORBIDDEN).into());
        }
        return register
            .by_party_id(number)
            .ok_or_else(|| {
            unknown(&format!(
                "Failed to lookup party by partyId: {number}. The exception was: Object reference not set to an instance of an object."
            ))
        });
    }
    let (kind, value, found) = if let Some(number) = &owner.person_number {
        ("personNumber", number, register.by_person_number(number))
    } else if let Some(number) = &owner.organisation_number {
        (
            "organisationNumber",
            number,
            register.by_organisation_number(number),
        )
    } else {
        // The library looks for no username and no external identifier (measured, tests/recorded/create-external-identifier.json).
        return Err(unknown(
            "Failed to lookup party by personNumber or organisationNumber: . The exception was: 404 - Not Found - ",
        ));
    };
    let failed = |exception: &str| {
        unknown(&format!(
            "Failed to lookup party by {kind}: {value}. The exception was: {exception}"
        ))
    };
    // A register that is down looks the same as an unknown number, but for the words.
    if visit.strikes(&Fault::RegisterDown) {
        return Err(failed("Connection refused (127.0.0.1:5101)"));
    }
    let (name, digits) = if owner.person_number.is_some() {
        ("Ssn", 11)
    } else {
        ("OrgNo", 9)
    };
    found.ok_or_else(|| {
        if value.len() == digits {
            failed("404 - Not Found - ")
        } else {
            failed(&format!(
                "400 - Bad Request - {{\n  \"{name}\": [\n    \"Value needs to be exactly {digits} digits.\"\n  ]\n}}"
            ))
        }
    })
}

fn unknown(why: &str) -> Refusal {
    answer::sentence(StatusCode::NOT_FOUND, format!("Cannot lookup party: {why}")).into()
}
