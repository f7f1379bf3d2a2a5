//! TLS: which authorities are trusted, read once for all clients of a process.
//!
//! Left to themselves, the AWS SDK and `reqwest` each read the bundle of root certificates and every file in the
//! folder beside it, some 290 of them on Debian, and the SDK parses them anew for each of its clients: two fifths of
//! a cold start's processor time. Here one bundle is read and parsed once, and the SDK's calls go through `reqwest`, too.
//!
//! | read | when |
//! |---|---|
//! | the file that `SSL_CERT_FILE` names, and the files in the folders that `SSL_CERT_DIR` names | either is set |
//! | the system's bundle ([`BUNDLES`]) | on Linux |
//! | whatever else the system keeps | there is no bundle |
//!
//! The system's bundle is read, and none is compiled in, which would save a sixth of what is left: on Lambda
//! (`provided.al2023`) AWS keeps the bundle up to date, so an authority that has lost its trust is gone without a
//! deployment of ours, and an authority that was added to the system is trusted.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use aws_config::{BehaviorVersion, SdkConfig};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use thiserror::Error;

use sdk_client::SdkClient;

mod sdk_client;

const FILE: &str = "SSL_CERT_FILE";
const FOLDERS: &str = "SSL_CERT_DIR";

/// Where the distributions of Linux keep the bundle of root certificates: Amazon Linux and Fedora, Debian and
/// Alpine, SUSE.
const BUNDLES: [&str; 3] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// What HTTP servers may be asked to speak, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS cannot be set up.
#[derive(Debug, Clone, Error)]
pub enum TlsError {
    /// Nobody is trusted, so no server could prove who it is.
    #[error(
        "no root certificate can be read{}; install the system's CA certificates, or set {FILE} to a file of certificates in PEM format, for example {FILE}=/etc/pki/tls/certs/ca-bundle.crt",
        .0.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    NoRoots(Option<String>),
    /// The TLS library refuses its own defaults.
    #[error("the TLS library cannot be set up")]
    Library(#[from] rustls::Error),
}

/// An HTTP client cannot be made.
#[derive(Debug, Error)]
pub enum HttpError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP library refuses its settings.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// Whom clients trust.
struct Trust(ClientConfig);

impl Trust {
    /// The trust of this process, read by whoever asks first.
    fn of_process() -> Result<&'static Self, TlsError> {
        static TRUST: OnceLock<Result<Trust, TlsError>> = OnceLock::new();
        let trust = TRUST.get_or_init(|| Self::read(|name| std::env::var_os(name)));
        trust.as_ref().map_err(Clone::clone)
    }

    /// Reads the certificates that `variable`, the environment, leads to.
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, TlsError> {
        let found = find(variable);
        let mut roots = RootCertStore::empty();
        // Bundles hold certificates of old forms, which nobody needs.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(TlsError::NoRoots(
                found.errors.first().map(ToString::to_string),
            ));
        }
        for error in &found.errors {
            tracing::warn!(reason = %error, "some root certificates cannot be read");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self(config))
    }
}

/// The certificates that `variable`, the environment, leads to.
fn find(variable: impl Fn(&str) -> Option<OsString>) -> CertificateResult {
    // CloudFormation cannot leave a variable out, so an empty one counts as not set.
    let paths = |name| -> Vec<PathBuf> {
        let value = variable(name).unwrap_or_default();
        let paths = std::env::split_paths(&value);
        paths.filter(|path| !path.as_os_str().is_empty()).collect()
    };
    let (files, folders) = (paths(FILE), paths(FOLDERS));
    if !files.is_empty() || !folders.is_empty() {
        let files = files
            .iter()
            .map(|file| load_certs_from_paths(Some(file), None));
        let folders = folders
            .iter()
            .map(|folder| load_certs_from_paths(None, Some(folder)));
        return files
            .chain(folders)
            .fold(CertificateResult::default(), |mut all, found| {
                all.certs.extend(found.certs);
                all.errors.extend(found.errors);
                all
            });
    }
    let bundles = BUNDLES.map(Path::new).into_iter();
    let bundles = bundles.filter(|bundle| cfg!(target_os = "linux") && bundle.exists());
    let mut read = bundles.map(|bundle| load_certs_from_paths(Some(bundle), None));
    let found = read.find(|found| !found.certs.is_empty());
    found.unwrap_or_else(load_native_certs)
}

/// The TLS configuration of every HTTP client of ours.
///
/// # Errors
/// [`TlsError`].
pub fn client_config() -> Result<ClientConfig, TlsError> {
    Ok(Trust::of_process()?.0.clone())
}

/// The AWS SDK's settings from the environment, with a client that trusts whom all others trust.
///
/// # Errors
/// [`TlsError`].
pub async fn aws_config() -> Result<SdkConfig, TlsError> {
    let client = SdkClient::new(client_config()?);
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12());
    Ok(config.http_client(client).load().await)
}

#[cfg(test)]
mod tests;
