use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

use super::*;

/// An authority that no system knows, and a server whose certificate it has signed, for `localhost` and until 2120
/// (made with OpenSSL; the authorities' keys are gone).
struct Authority {
    certificate: &'static str,
    server: &'static str,
    key: &'static str,
}

const OWN: Authority = Authority {
    certificate: include_str!("certificates/own-authority.pem"),
    server: include_str!("certificates/own-server.pem"),
    key: include_str!("certificates/own-server.key"),
};
const OTHER: Authority = Authority {
    certificate: include_str!("certificates/other-authority.pem"),
    server: include_str!("certificates/other-server.pem"),
    key: include_str!("certificates/other-server.key"),
};

/// The authority's server. It answers every connection once.
fn server(authority: &Authority) -> String {
    let certificate = CertificateDer::from_pem_slice(authority.server.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(authority.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("localhost:0").unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            // Whoever does not trust the server hangs up.
            let (mut line, mut body) = (String::new(), 0);
            while stream
                .read_line(&mut line)
                .is_ok_and(|_| line != "\r\n" && !line.is_empty())
            {
                let header = line.to_ascii_lowercase();
                let length = header.strip_prefix("content-length:");
                body = length.map_or(body, |length| length.trim().parse().unwrap());
                line.clear();
            }
            let _ = stream.read_exact(&mut vec![0; body]);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            let _ = stream.get_mut().write_all(answer);
            stream.get_mut().conn.send_close_notify();
            let _ = stream.get_mut().flush();
        }
    });
    url
}

fn trust(variables: &[(&str, &Path)]) -> Result<Trust, TlsError> {
    Trust::read(|name| {
        let mut variables = variables.iter();
        let found = variables.find(|(variable, _)| *variable == name);
        found.map(|(_, path)| path.as_os_str().to_owned())
    })
}

/// Whether each of the two HTTP stacks takes the server for who it says it is.
async fn are_trusting(trust: &Trust, url: &str) -> (bool, bool) {
    let altinn = reqwest::Client::builder()
        .tls_backend_preconfigured(trust.0.clone())
        .no_proxy()
        .build()
        .unwrap();
    let altinn = altinn
        .get(url)
        .send()
        .await
        .is_ok_and(|answer| answer.status() == 200);
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .region(aws_config::Region::new("eu-north-1"))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(
            aws_sdk_sqs::config::Credentials::new("id", "secret", None, None, "test"),
        ))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(SdkClient::new(trust.0.clone()))
        .build();
    let answer = aws_sdk_sqs::Client::new(&aws).list_queues().send().await;
    (altinn, answer.is_ok())
}

fn folder_with(pem: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    fs::write(&file, pem).unwrap();
    (folder, file)
}

#[tokio::test]
async fn an_own_authority_is_trusted_by_both_stacks_and_nobody_else_is() {
    let (url, elsewhere) = (server(&OWN), server(&OTHER));
    let (folder, file) = folder_with(OWN.certificate);
    for variables in [[(FILE, file.as_path())], [(FOLDERS, folder.path())]] {
        let trust = trust(&variables).unwrap();
        assert_eq!(
            are_trusting(&trust, &url).await,
            (true, true),
            "{variables:?}"
        );
        assert_eq!(
            are_trusting(&trust, &elsewhere).await,
            (false, false),
            "{variables:?}"
        );
    }
    let system = trust(&[(FILE, Path::new(""))]).unwrap();
    assert_eq!(are_trusting(&system, &url).await, (false, false));
}

#[tokio::test]
async fn what_is_no_certificate_is_left_out() {
    let url = server(&OWN);
    let broken = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    let (_folder, file) = folder_with(&format!("{broken}# A comment\n{}", OWN.certificate));
    let trust = trust(&[(FILE, &file)]).unwrap();
    assert_eq!(are_trusting(&trust, &url).await, (true, true));
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_variable() {
    let refused = trust(&[(FILE, Path::new("/nowhere/authorities.pem"))]).map(drop);
    let line = refused.unwrap_err().to_string();
    assert!(
        line.starts_with("no root certificate can be read ("),
        "{line}"
    );
    assert!(line.contains("/nowhere/authorities.pem"), "{line}");
    assert!(line.contains("for example SSL_CERT_FILE=/"), "{line}");
}
