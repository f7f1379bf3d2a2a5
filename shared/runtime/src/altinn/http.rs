//! The HTTP client of every call to Altinn and Maskinporten.

use std::time::Duration;

use crate::tls::{self, HttpError};

/// An HTTP client that follows no redirects.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client, HttpError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config()?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        // After a container was frozen its connections are dead.
        .pool_idle_timeout(Duration::from_secs(20))
        .user_agent(concat!("stafett/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}
