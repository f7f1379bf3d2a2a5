//! Finding the owner of a new instance.
//!
//! Rules: Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs.

use axum::http::StatusCode;

use super::AppRequest;
use super::template::OwnerReference;
use crate::faults::Fault;
use crate::register::Party;
use crate::responses::{self, Refusal};

/// Looks up the owner in the register by the first identifier that is given.
pub(super) fn look_up<'v>(
    request: &'v AppRequest,
    owner: &OwnerReference,
) -> Result<Party<'v>, Refusal> {
    let register = &request.world.register;
    if let Some(party_id) = &owner.party_id {
        let Ok(number) = party_id.parse::<u32>() else {
            return Err(unknown(&format!(
                "Failed to lookup party by partyId: {party_id}. The exception was: The input string '{party_id}' was not in a correct format."
            )));
        };
        if request.strikes(&Fault::RegisterDown) {
            return Err(responses::client_error(StatusCode::FORBIDDEN).into());
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
        // The library does not look up usernames and external identifiers (measured, tests/recorded/create-external-identifier.json).
        return Err(unknown(
            "Failed to lookup party by personNumber or organisationNumber: . The exception was: 404 - Not Found - ",
        ));
    };
    let failed = |exception: &str| {
        unknown(&format!(
            "Failed to lookup party by {kind}: {value}. The exception was: {exception}"
        ))
    };
    // If the register is down, the response differs from that for an unknown number only by its text.
    if request.strikes(&Fault::RegisterDown) {
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
    responses::json_string(StatusCode::NOT_FOUND, format!("Cannot lookup party: {why}")).into()
}
