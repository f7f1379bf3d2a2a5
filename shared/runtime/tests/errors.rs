//! An error says its cause once: its own text says what was being done, and `source()` gives the cause.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use http::StatusCode;
use proptest::{prelude::*, sample::select};
use stafett_core::{relay::RelayId, route::Routes};
use stafett_runtime::{
    altinn::{
        AltinnError, AltinnErrorKind, Call, ConnectionError, TokenError,
        subscriptions::SubscribeError, token::SigningKey,
    },
    caller::{CallerError, KeysError, MissingRight, TokenFault},
    dead_letters::DeadLetters,
    ledger::{LedgerError, Operation},
    queue::{Queue, QueueError},
    settings::{DeadLetterSettings, QueueSettings, SecretError},
    start::StartError,
    telemetry::Causes,
};

type AnyError = Box<dyn Error + Send + Sync>;

fn cause(text: &str) -> AnyError {
    io::Error::other(text.to_owned()).into()
}

fn http_error() -> reqwest::Error {
    let request = reqwest::Client::new().get("no address").build();
    request.expect_err("that is not an address")
}

fn altinn(kind: AltinnErrorKind) -> AltinnError {
    AltinnError {
        call: Box::new(Call::ListSubscriptions),
        kind,
    }
}

fn key_error() -> stafett_runtime::altinn::token::KeyError {
    SigningKey::from_jwk(&"{}".into()).expect_err("that is not a key")
}

fn secret_error(text: &str) -> SecretError {
    let refusal = SdkError::<GetSecretValueError>::construction_failure(cause(text));
    SecretError::Unreadable {
        arn: "arn:aws:secretsmanager:eu-north-1:123456789012:secret:a".to_owned(),
        source: Box::new(refusal.into()),
    }
}

/// Errors that only a client makes: without a region every call fails before it is sent.
async fn of_clients() -> Vec<AnyError> {
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .build();
    let url = "https://sqs.example.no/queue".to_owned();
    let settings = QueueSettings { url: url.clone() };
    let queue = Queue::new(&aws, &settings);
    let letters = DeadLetters::new(&aws, &DeadLetterSettings { url }, &settings);
    vec![
        queue
            .delay("receipt", Duration::ZERO)
            .await
            .expect_err("there is no region")
            .into(),
        letters
            .hidden()
            .await
            .expect_err("there is no region")
            .into(),
    ]
}

/// One sample of each error of this crate that has a cause; the causes at the bottom say `text`.
fn samples(text: &str) -> Vec<AnyError> {
    let relay: RelayId = "permit-to-casework:3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"
        .parse()
        .expect("a relay id");
    let refused = TokenError::Refused {
        error: "invalid_grant".to_owned(),
        code: Some("MP-121".to_owned()),
    };
    let keys = || {
        Arc::new(KeysError::Unreachable {
            what: "keys",
            source: http_error(),
        })
    };
    let no_routes = || {
        Routes::load(Path::new("/nowhere"))
            .map(drop)
            .expect_err("there is no such directory")
    };
    vec![
        LedgerError::Refused {
            operation: Operation::Write(relay.clone()),
            source: cause(text),
        }
        .into(),
        LedgerError::Unreadable {
            operation: Operation::Write(relay),
            source: serde::de::Error::custom(text),
        }
        .into(),
        altinn(AltinnErrorKind::OutOfTime).into(),
        altinn(AltinnErrorKind::Token(refused.clone())).into(),
        altinn(AltinnErrorKind::NoAnswer(http_error())).into(),
        altinn(AltinnErrorKind::Status {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        })
        .into(),
        SubscribeError::Altinn(altinn(AltinnErrorKind::Token(refused))).into(),
        QueueError::Unreachable {
            unsent: 1,
            total: 2,
            source: Box::new(SdkError::construction_failure(cause(text))),
        }
        .into(),
        QueueError::Unwritable(cause(text)).into(),
        CallerError::Unauthorized(TokenFault::Expired).into(),
        CallerError::Forbidden(MissingRight::Scope).into(),
        CallerError::Unavailable {
            source: keys(),
            retry_after: Duration::ZERO,
        }
        .into(),
        secret_error(text).into(),
        ConnectionError::Secret(secret_error(text)).into(),
        ConnectionError::Key(key_error()).into(),
        ConnectionError::Http(http_error().into()).into(),
        StartError::Secret(secret_error(text)).into(),
        StartError::Altinn(ConnectionError::Http(http_error().into())).into(),
        StartError::from(no_routes()).into(),
        StartError::Http(http_error().into()).into(),
    ]
}

/// Panics where the text of a cause occurs more than once in what is printed.
fn check(error: &(dyn Error + 'static)) {
    let printed = Causes(error).to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // A single word may also occur inside a sentence.
        let link = if text.contains(' ') || text.len() >= 12 {
            text.clone()
        } else {
            format!(": {text}")
        };
        assert_eq!(printed.matches(&link).count(), 1, "`{text}` in `{printed}`");
        next = cause.source();
    }
}

proptest! {
    #[test]
    fn no_cause_is_printed_twice(text in "[A-Z]{12,20}", index in 0usize..20) {
        let samples = samples(&text);
        prop_assert_eq!(samples.len(), 20, "each sample is drawn some time");
        check(&*samples[index]);
    }

    #[test]
    fn a_cause_is_printed_behind_what_was_being_done(kind in select(vec!["one", "two"])) {
        let error = LedgerError::Refused { operation: Operation::LookUp, source: cause(kind) };
        let printed = Causes(&error).to_string();
        prop_assert!(printed.starts_with("cannot look up relays in the ledger; "), "{}", printed);
        prop_assert!(printed.ends_with(&format!(": {kind}")), "{}", printed);
    }
}

#[tokio::test]
async fn no_cause_of_an_aws_client_is_printed_twice() {
    for error in of_clients().await {
        assert!(error.source().is_some(), "{error}");
        check(&*error);
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The errors of a file whose text contains the cause that `source()` gives as well.
fn doubled(code: &str) -> Vec<&str> {
    let doubles = |error: &&str| {
        let Some((text, item)) = error.split_once(")]\n") else {
            return false;
        };
        let item = item.split("\n}").next().unwrap_or(item);
        let is_source = item.contains("#[from]")
            || item.contains("#[source]")
            || item.lines().any(|line| line.trim().starts_with("source:"));
        let prints = ["{0}", "{0:", "{source", "Causes(", "DisplayErrorContext("];
        is_source && prints.iter().any(|it| text.contains(it))
    };
    code.split("#[error(").skip(1).filter(doubles).collect()
}

#[test]
fn no_text_of_an_error_repeats_its_source() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut files = Vec::new();
    for folder in ["shared", "functions", "infra"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    for file in files {
        let code = fs::read_to_string(&file).expect("text");
        let doubled = doubled(&code);
        assert!(doubled.is_empty(), "{}: {doubled:#?}", file.display());
    }
}

#[test]
fn an_error_whose_text_repeats_its_source_is_recognised() {
    for code in [
        "#[error(\"cannot listen: {0}\")]\nListen(#[from] io::Error),\n}",
        "#[error(\"cannot read {path}: {source}\")]\nRead {\n    path: PathBuf,\n    source: io::Error,\n}",
    ] {
        assert_eq!(doubled(code).len(), 1, "{code}");
    }
    let single = "#[error(\"cannot listen\")]\nListen(#[from] io::Error),\n}";
    assert!(doubled(single).is_empty());
}
