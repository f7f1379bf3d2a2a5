//! The address of a subscription.

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

/// An address that Altinn Events calls. Everything after its host is secret and never shown.
#[derive(Clone)]
pub struct Endpoint(pub(super) SecretString);

impl Endpoint {
    /// The address of `POST /events/{secret}` below `api`.
    #[must_use]
    pub fn new(api: &Url, secret: &SecretString) -> Self {
        let address = format!("{}{}", folder(api), secret.expose_secret());
        Self::from(address)
    }

    /// Whether it is the address of `POST /events/{secret}` below `api`, with any secret.
    #[must_use]
    pub fn is_of(&self, api: &Url) -> bool {
        let secret = self.0.expose_secret().strip_prefix(&folder(api));
        secret.is_some_and(|secret| !secret.is_empty() && !secret.contains(['/', '?', '#']))
    }
}

/// The address of `POST /events/{secret}` up to the secret.
fn folder(api: &Url) -> String {
    format!("{}/events/", api.as_str().trim_end_matches('/'))
}

impl From<String> for Endpoint {
    fn from(address: String) -> Self {
        // As `Url` writes it, so that equal addresses have equal texts. The addresses of others need not be URLs.
        let same = Url::parse(&address).map_or(address, String::from);
        Self(same.into())
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for Endpoint {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = Url::parse(self.0.expose_secret()).ok();
        let origin = url.map(|url| url.origin()).filter(|it| it.is_tuple());
        match origin {
            Some(origin) => write!(f, "{}/…", origin.ascii_serialization()),
            None => f.write_str("…"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn api() -> Url {
        "https://abc123.execute-api.eu-north-1.amazonaws.com"
            .parse()
            .unwrap()
    }

    proptest! {
        #[test]
        fn an_endpoint_shows_nothing_of_its_path_and_is_recognised_by_its_api(secret in "[A-Za-z0-9_-]{8,64}") {
            let endpoint = Endpoint::new(&api(), &secret.clone().into());
            let shown = format!("{endpoint} {endpoint:?}");
            prop_assert!(!shown.contains(&secret), "{}", shown);
            prop_assert!(endpoint.is_of(&api()));
            let other: Url = "https://abc123.execute-api.eu-north-1.amazonaws.com/other".parse().unwrap();
            prop_assert!(!endpoint.is_of(&other));
            prop_assert!(Endpoint::new(&other, &secret.into()).is_of(&other));
        }

        #[test]
        fn nothing_after_the_host_of_another_address_is_shown(address in "\\PC{0,60}") {
            let shown = Endpoint::from(format!("https://hooks.example.no/hemmelig{address}")).to_string();
            prop_assert_eq!(shown, "https://hooks.example.no/…");
            let shown = format!("{:?}", Endpoint::from(format!("hemmelig{address}")));
            prop_assert!(!shown.contains("hemmelig"), "{}", shown);
        }
    }

    #[test]
    fn an_address_that_is_not_below_the_api_is_not_ours() {
        for address in [
            "https://abc123.execute-api.eu-north-1.amazonaws.com/events/",
            "https://abc123.execute-api.eu-north-1.amazonaws.com/events/a/b",
            "https://abc123.execute-api.eu-north-1.amazonaws.com.example.no/events/a",
            "https://abc123.execute-api.eu-north-1.amazonaws.com/eventsa",
            "http://abc123.execute-api.eu-north-1.amazonaws.com/events/a",
            "no address",
        ] {
            assert!(
                !Endpoint::from(address.to_owned()).is_of(&api()),
                "{address}"
            );
        }
        let same = "https://ABC123.execute-api.eu-north-1.amazonaws.com:443/events/a".to_owned();
        assert!(Endpoint::from(same).is_of(&api()));
    }
}
