//! The secret in the path that Altinn Events calls.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use stafett_runtime::settings::{EventsSettings, SettingError};
use subtle::ConstantTimeEq;

/// The secret, kept as its digest: comparing digests takes the same time for every guess, however long it is.
pub(crate) struct EventsSecret([u8; 32]);

impl EventsSecret {
    /// # Errors
    /// [`SettingError::Malformed`] for a secret that is too short, or that a path would have to escape.
    pub(crate) fn new(secret: &SecretString) -> Result<Self, SettingError> {
        EventsSettings::check(secret.expose_secret())?;
        Ok(Self(digest(secret.expose_secret())))
    }

    pub(crate) fn matches(&self, guess: &str) -> bool {
        self.0.ct_eq(&digest(guess)).into()
    }
}

impl fmt::Debug for EventsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventsSecret")
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyz-_";

    proptest! {
        #[test]
        fn only_the_secret_itself_matches(guess in "\\PC{0,50}", cut in 0..SECRET.len()) {
            let secret = EventsSecret::new(&SECRET.into()).unwrap();
            prop_assert!(secret.matches(SECRET));
            prop_assert_eq!(secret.matches(&guess), guess == SECRET);
            prop_assert!(!secret.matches(SECRET.split_at(cut).0));
            prop_assert!(!secret.matches(&SECRET.to_uppercase()));
            let longer = format!("{SECRET}{guess}");
            prop_assert_eq!(secret.matches(&longer), guess.is_empty());
        }
    }

    #[test]
    fn a_short_secret_is_refused_at_the_start() {
        let error = EventsSecret::new(&"abc".into()).unwrap_err();
        assert!(error.to_string().starts_with("EVENTS_SECRET is not"));
    }
}
