//! The HTTP client of every call to Altinn and Maskinporten.

use std::time::Duration;

/// The HTTP client cannot be set up.
pub type HttpError = reqwest::Error;

/// An HTTP client that follows no redirects.
///
/// # Errors
/// When TLS cannot be set up.
pub fn http_client() -> Result<reqwest::Client, HttpError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        // After a container was frozen its connections are dead.
        .pool_idle_timeout(Duration::from_secs(20))
        .user_agent(concat!("stafett/", env!("CARGO_PKG_VERSION")))
        .build()
}
