//! The register: persons, organisations and service owners.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::load::{LoadError, read_text};

/// The parties of the local Altinn, as `register.yaml` lists them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Register {
    /// Service owners, with organisation code and number (Altinn's organisation list).
    #[serde(default)]
    pub service_owners: Vec<ServiceOwner>,
    /// Organisations that can own instances.
    #[serde(default)]
    pub organisations: Vec<Organisation>,
    /// Persons that can own instances.
    #[serde(default)]
    pub persons: Vec<Person>,
}

/// A service owner.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceOwner {
    /// Organisation code, e.g. `ttd`.
    pub org: String,
    /// Nine digits.
    pub org_number: String,
}

/// An organisation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Organisation {
    /// Altinn's party id.
    pub party_id: u32,
    /// Nine digits.
    pub org_number: String,
    /// Registered name.
    pub name: String,
    /// Unit type of the Central Coordinating Register, e.g. `AS`, `ORGL`, `BEDR`.
    pub unit_type: String,
}

/// A synthetic person.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Person {
    /// Altinn's party id.
    pub party_id: u32,
    /// Altinn's user id.
    pub user_id: u32,
    /// National identity number (eleven digits) of Skatteetaten's synthetic series (month + 80).
    pub ssn: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("party_id", &self.party_id)
            .finish_non_exhaustive()
    }
}

/// A person or an organisation that can own instances.
#[derive(Clone, Copy)]
pub enum Party<'a> {
    /// A person.
    Person(&'a Person),
    /// An organisation.
    Organisation(&'a Organisation),
}

impl Register {
    /// Reads `register.yaml`.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a valid register; the error names file, line and field.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = read_text(path)?;
        serde_saphyr::from_str(&text).map_err(|error| LoadError::Content {
            path: path.into(),
            message: error.to_string(),
        })
    }

    /// All persons and organisations.
    pub fn parties(&self) -> impl Iterator<Item = Party<'_>> {
        self.persons
            .iter()
            .map(Party::Person)
            .chain(self.organisations.iter().map(Party::Organisation))
    }

    /// The party with this id.
    #[must_use]
    pub fn by_party_id(&self, id: u32) -> Option<Party<'_>> {
        self.parties().find(|party| party.party_id() == id)
    }

    /// The person with this national identity number.
    #[must_use]
    pub fn by_person_number(&self, ssn: &str) -> Option<Party<'_>> {
        self.persons
            .iter()
            .find(|person| person.ssn == ssn)
            .map(Party::Person)
    }

    /// The organisation with this number.
    #[must_use]
    pub fn by_organisation_number(&self, number: &str) -> Option<Party<'_>> {
        self.organisations
            .iter()
            .find(|organisation| organisation.org_number == number)
            .map(Party::Organisation)
    }

    /// Whether a value of `createdBy` is a user's id, not an organisation's number.
    pub(crate) fn is_user(&self, actor: &str) -> bool {
        self.persons
            .iter()
            .any(|person| person.user_id.to_string() == actor)
    }

    pub(crate) fn service_owner_by_number(&self, number: &str) -> Option<&ServiceOwner> {
        self.service_owners
            .iter()
            .find(|owner| owner.org_number == number)
    }
}

impl Party<'_> {
    /// The party's id in Altinn.
    #[must_use]
    pub fn party_id(&self) -> u32 {
        match self {
            Party::Person(person) => person.party_id,
            Party::Organisation(organisation) => organisation.party_id,
        }
    }

    /// The party's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Party::Person(person) => &person.name,
            Party::Organisation(organisation) => &organisation.name,
        }
    }

    /// A person's national identity number.
    #[must_use]
    pub fn person_number(&self) -> Option<&str> {
        match self {
            Party::Person(person) => Some(&person.ssn),
            Party::Organisation(_) => None,
        }
    }

    pub(crate) fn organisation_number(&self) -> Option<&str> {
        match self {
            Party::Person(_) => None,
            Party::Organisation(organisation) => Some(&organisation.org_number),
        }
    }

    /// The party as a value of `createdBy`: a user id, or an organisation number.
    pub(crate) fn actor(&self) -> String {
        match self {
            Party::Person(person) => person.user_id.to_string(),
            Party::Organisation(organisation) => organisation.org_number.clone(),
        }
    }

    /// Whether this party may own an instance, given the app's `partyTypesAllowed`. If no type is allowed there, all are
    /// (Altinn/app-lib-dotnet: src/Altinn.App.Core/Helpers/InstantiationHelper.cs).
    pub(crate) fn is_allowed(&self, allowed: &Value) -> bool {
        let is = |name: &str| allowed[name].as_bool().unwrap_or(false);
        if !["person", "organisation", "subUnit", "bankruptcyEstate"]
            .into_iter()
            .any(is)
        {
            return true;
        }
        match self {
            Party::Person(_) => is("person"),
            Party::Organisation(organisation) => match organisation.unit_type.as_str() {
                "BEDR" | "AAFY" => is("subUnit"),
                "KBO" => is("bankruptcyEstate") || is("organisation"),
                _ => is("organisation"),
            },
        }
    }

    /// `instanceOwner.party` as an app writes it: with the party type as a number.
    pub(crate) fn view(&self) -> Value {
        let party_id = self.party_id();
        match self {
            Party::Person(person) => json!({
                "partyId": party_id, "partyUuid": party_uuid(party_id), "partyTypeName": 1, "ssn": person.ssn, "orgNumber": null,
                "unitType": null, "name": person.name, "isDeleted": false,
            }),
            Party::Organisation(organisation) => json!({
                "partyId": party_id, "partyUuid": party_uuid(party_id),
                "partyTypeName": match organisation.unit_type.as_str() { "BEDR" | "AAFY" => 4, "KBO" => 5, _ => 2 },
                "ssn": null, "orgNumber": organisation.org_number, "unitType": organisation.unit_type, "name": organisation.name, "isDeleted": false,
            }),
        }
    }
}

fn party_uuid(party_id: u32) -> Uuid {
    Uuid::from_fields(
        party_id,
        0x55d0,
        0x4b0a,
        &[0x8f, 0x7c, 0x0d, 0x9f, 0x1c, 0x2b, 0x3a, 0x44],
    )
}
