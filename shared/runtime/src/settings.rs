//! Settings from the environment: one struct per integration. Nothing else reads the environment.
//!
//! A missing or malformed setting ends the start-up with one line that names the variable and shows a
//! valid example. Errors never repeat values, since some are secret.

mod altinn;
mod api;
mod environment;
mod reconcile;
mod relay;
mod secret;
mod telemetry;

pub use altinn::{AltinnSettings, MaskinportenSettings};
pub use api::{ApiSettings, CallerSettings, EVENTS_SECRET_MIN_CHARACTERS, EventsSettings};
pub use environment::{Environment, SettingError};
pub use reconcile::{PAGE_SIZE, ReconcileSettings};
pub use relay::{DeadLetterSettings, LedgerSettings, PaceSettings, QueueSettings, RouteSettings};
pub use secret::{SecretError, SecretSource};
pub(crate) use telemetry::DEFAULT_NAMESPACE;
pub use telemetry::{LogSettings, MetricSettings};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn from<'a>(pairs: &'a [(&'a str, &'a str)]) -> Environment<'a> {
        let map: BTreeMap<_, _> = pairs.iter().copied().collect();
        Environment::new(move |name| map.get(name).map(|value| (*value).to_owned()))
    }

    const ALTINN: [(&str, &str); 2] = [
        ("ALTINN_PLATFORM_URL", "https://platform.tt02.altinn.no"),
        ("ALTINN_APPS_URL", "https://{org}.apps.tt02.altinn.no"),
    ];

    #[test]
    fn a_missing_setting_is_named_with_an_example() {
        let error = AltinnSettings::read(&from(&ALTINN[..1])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ALTINN_APPS_URL is not set; set it to the https address of the apps, with {org} for \
             the organisation's code, for example ALTINN_APPS_URL=https://{org}.apps.tt02.altinn.no"
        );
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let read = |url| {
            let pairs = [("ALTINN_PLATFORM_URL", url), ALTINN[1]];
            AltinnSettings::read(&from(&pairs)).map(|_| ())
        };
        assert!(read("http://127.0.0.1:4711").is_ok());
        assert!(read("https://platform.altinn.no").is_ok());
        let error = read("http://platform.altinn.no").unwrap_err().to_string();
        assert!(
            error.starts_with("ALTINN_PLATFORM_URL is not the https address"),
            "{error}"
        );
    }

    #[test]
    fn the_trigger_issuer_defaults_to_maskinporten() {
        let mut pairs = vec![
            ("MASKINPORTEN_ISSUER", "https://test.maskinporten.no/"),
            ("TRIGGER_SCOPE", "ttd:stafett.trigger"),
            ("TRIGGER_CONSUMERS", "405003309, 0192:310075728"),
        ];
        let caller = CallerSettings::read(&from(&pairs)).unwrap();
        assert_eq!(caller.issuer, "https://test.maskinporten.no/");
        assert_eq!(caller.consumers, ["405003309", "310075728"]);
        pairs.push(("TRIGGER_ISSUER", "https://other.example.no/"));
        assert_eq!(
            CallerSettings::read(&from(&pairs)).unwrap().issuer,
            "https://other.example.no/"
        );
    }

    #[test]
    fn an_issuer_keeps_its_trailing_slash() {
        let error = MaskinportenSettings::read(&from(&[
            ("MASKINPORTEN_ISSUER", "https://test.maskinporten.no"),
            ("MASKINPORTEN_CLIENT_ID", "c"),
            ("MASKINPORTEN_JWK", "{}"),
        ]));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("MASKINPORTEN_ISSUER is not")
        );
    }

    #[test]
    fn a_short_or_unprintable_events_secret_is_refused_without_being_shown() {
        for secret in ["short", "contains/a/slash/and/is/long/enough/otherwise"] {
            let error = EventsSettings::check(secret).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
        EventsSettings::check(&"a".repeat(32)).unwrap();
    }

    #[test]
    fn no_settings_print_a_secret() {
        let settings =
            EventsSettings::read(&from(&[("EVENTS_SECRET", "hemmelig-hemmelig")])).unwrap();
        assert!(!format!("{settings:?}").contains("hemmelig"));
    }

    /// The page whose table lists all settings.
    const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/DEPLOY.md");

    /// The variables that the modules of `settings` read.
    fn variables_in_code() -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings");
        let mut found = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let code = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let names = code.split("name: \"").skip(1);
            found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        found
    }

    /// The variables in the first column of the table that begins with `STAFETT_ROUTES`.
    fn variables_in_table() -> BTreeSet<String> {
        let page = std::fs::read_to_string(TABLE).unwrap();
        let rows = page
            .lines()
            .skip_while(|line| !line.starts_with("| `STAFETT_ROUTES`"))
            .take_while(|line| line.starts_with('|'));
        let first_cells = rows.filter_map(|row| row.split('|').nth(1));
        let quoted = |cell: &'_ str| -> Vec<String> {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        first_cells.flat_map(quoted).collect()
    }

    #[test]
    fn the_table_of_settings_lists_each_variable_that_is_read_and_no_other() {
        let code = variables_in_code();
        assert!(code.len() > 15, "{code:?}");
        assert_eq!(variables_in_table(), code);
    }
}
