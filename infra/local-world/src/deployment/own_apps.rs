//! Runs a user's own apps instead of the sample apps.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use app_files::{Apps, Unsupported};
use local_altinn::{App, Gap, LoadError, Organisation, Register, ServiceOwner};
use stafett_core::{id::AppId, route::Routes};

use super::{DeployError, Plan, sample_apps};

/// The file of parties in a folder of apps.
const REGISTER: &str = "register.yaml";
/// The first party id of generated organisations.
const FIRST_PARTY: u32 = 50_086_000;

/// What users should know about their apps before they run here.
#[derive(Debug, Clone, Default)]
pub struct OwnApps {
    /// The apps.
    pub apps: Vec<AppId>,
    /// Service owners that were not in the register, with the organisation numbers generated for
    /// them.
    pub made_up: Vec<ServiceOwner>,
    /// Apps that routes name but that are in none of the folders.
    pub missing: BTreeSet<AppId>,
    /// What the apps' files leave out, by app.
    pub gaps: Vec<(AppId, Gap)>,
    /// What the apps' files ask for but is not supported here.
    pub unsupported: Vec<Unsupported>,
}

impl Plan {
    /// Like [`Plan::samples`], with the apps in these folders instead of the samples, and the
    /// routes from `directory`.
    ///
    /// Parties come from a `register.yaml` in one of the folders, or else from the samples. An
    /// organisation that owns an app becomes a service owner if it is not one already. Stafett acts
    /// for the organisation that owns the first route's app A.
    ///
    /// # Errors
    /// When a folder or a file of an app cannot be read.
    pub fn with_apps(
        folders: &[PathBuf],
        directory: &Path,
        routes: &Routes,
    ) -> Result<(Self, OwnApps), DeployError> {
        let files = Apps::read_all(folders).map_err(LoadError::App)?;
        let mut plan = Self::samples()?;
        directory.clone_into(&mut plan.routes);
        let mut gaps = Vec::new();
        plan.altinn.apps = Vec::new();
        for app in files.iter() {
            let loaded = App::from_incomplete_files(app)?;
            gaps.extend(loaded.gaps.into_iter().map(|gap| (app.id.clone(), gap)));
            plan.altinn.apps.push(loaded.app);
        }
        let register = folders.iter().map(|folder| folder.join(REGISTER));
        let register = register.into_iter().find(|file| file.is_file());
        let register = register.unwrap_or_else(|| sample_apps().join(REGISTER));
        plan.altinn.register = Register::load(&register)?;
        let mut own = OwnApps {
            apps: files.iter().map(|app| app.id.clone()).collect(),
            gaps,
            ..OwnApps::default()
        };
        for app in files.iter() {
            own.unsupported.extend(app.unsupported.iter().cloned());
            own.made_up
                .extend(enrol(&mut plan.altinn.register, app.id.org()));
        }
        for route in routes.iter() {
            let named = [&route.from, &route.to.app].into_iter();
            own.missing
                .extend(named.filter(|id| files.get(id).is_none()).cloned());
        }
        let owner = routes.iter().next().map(|route| route.from.org());
        let number = owner.and_then(|org| number_of(&plan.altinn.register, org));
        if let Some(number) = number {
            plan.service_owner = number;
        }
        Ok((plan, own))
    }
}

/// Notes to print at the start, one per line; empty if everything works as in Altinn.
impl fmt::Display for OwnApps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for owner in &self.made_up {
            writeln!(
                f,
                "{} is a service owner here, with the made-up organisation number {}",
                owner.org, owner.org_number
            )?;
        }
        for app in &self.missing {
            writeln!(
                f,
                "{app} does not run here: its files are in none of the folders"
            )?;
        }
        for (app, gap) in &self.gaps {
            writeln!(f, "{app}: {gap}")?;
        }
        if !self.unsupported.is_empty() {
            writeln!(f, "What is in the apps' files and cannot be honoured here:")?;
        }
        for Unsupported { file, what } in &self.unsupported {
            writeln!(f, "  {}: {what}", file.display())?;
        }
        Ok(())
    }
}

fn number_of(register: &Register, org: &str) -> Option<String> {
    let mut owners = register.service_owners.iter();
    let owner = owners.find(|owner| owner.org == org)?;
    Some(owner.org_number.clone())
}

/// Makes an organisation a service owner, unless it is one.
fn enrol(register: &mut Register, org: &str) -> Option<ServiceOwner> {
    if number_of(register, org).is_some() {
        return None;
    }
    let taken = |number: &String| {
        let owners = register.service_owners.iter();
        let organisations = register.organisations.iter();
        owners.map(|owner| &owner.org_number).any(|it| it == number)
            || organisations
                .map(|it| &it.org_number)
                .any(|it| it == number)
    };
    let org_number = made_up_numbers(org).find(|number| !taken(number))?;
    let is_free = |id: &u32| {
        let mut organisations = register.organisations.iter();
        organisations.all(|known| known.party_id != *id)
    };
    let party_id = (FIRST_PARTY..).find(is_free)?;
    register.organisations.push(Organisation {
        party_id,
        org_number: org_number.clone(),
        name: org.to_uppercase(),
        unit_type: "ORGL".to_owned(),
    });
    let owner = ServiceOwner {
        org: org.to_owned(),
        org_number,
    };
    register.service_owners.push(owner.clone());
    Some(owner)
}

/// Generates an organisation number in Tenor's synthetic series, which begins with 31. The same
/// organisation always gets the same sequence: seven digits of ours, and the check digit (modulus
/// 11 with the weights 3, 2, 7, 6, 5, 4, 3, 2).
fn made_up_numbers(org: &str) -> impl Iterator<Item = String> {
    const WEIGHTS: [u32; 8] = [3, 2, 7, 6, 5, 4, 3, 2];
    let seed = org.bytes().fold(7_u32, |hash, byte| {
        (hash * 31 + u32::from(byte)) % 1_000_000
    });
    (0..1_000_000).filter_map(move |step| {
        let body = 31_000_000 + (seed + step) % 1_000_000;
        let digits = (0..8).map(|place| body / 10_u32.pow(7 - place) % 10);
        let sum: u32 = digits
            .zip(WEIGHTS)
            .map(|(digit, weight)| digit * weight)
            .sum();
        match 11 - sum % 11 {
            10 => None,
            11 => Some(format!("{body}0")),
            control => Some(format!("{body}{control}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_organisation_numbers_are_valid_and_stable() {
        let first = |org: &str| made_up_numbers(org).next();
        for org in ["brg", "digdir", "skd", "x"] {
            let number = first(org).unwrap();
            assert_eq!(number.len(), 9, "{number}");
            let digits: Vec<u32> = number
                .chars()
                .filter_map(|char| char.to_digit(10))
                .collect();
            let sum: u32 = digits
                .iter()
                .zip([3, 2, 7, 6, 5, 4, 3, 2, 1])
                .map(|(digit, weight)| digit * weight)
                .sum();
            assert_eq!(sum % 11, 0, "{number}");
            assert_eq!(first(org).as_ref(), Some(&number));
        }
    }

    #[test]
    fn an_organisation_is_enrolled_once() {
        let mut register = Register::default();
        let owner = enrol(&mut register, "brg").unwrap();
        assert!(enrol(&mut register, "brg").is_none());
        assert_eq!(number_of(&register, "brg"), Some(owner.org_number));
    }
}
