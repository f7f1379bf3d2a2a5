//! A function with a wrong configuration does not start, and says why.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use local_aws::lambda::Function;
use tests::{Story, binaries, permit_route, routes};
use tokio::process::Command;

const OF_RECEIVE: [&str; 5] = [
    "STAFETT_ROUTES",
    "STAFETT_QUEUE_URL",
    "TRIGGER_SCOPE",
    "TRIGGER_CONSUMERS",
    "EVENTS_SECRET",
];
const OF_INSTANTIATE: [&str; 8] = [
    "STAFETT_ROUTES",
    "STAFETT_QUEUE_URL",
    "STAFETT_TABLE",
    "ALTINN_PLATFORM_URL",
    "ALTINN_APPS_URL",
    "MASKINPORTEN_ISSUER",
    "MASKINPORTEN_CLIENT_ID",
    "MASKINPORTEN_JWK",
];

/// The output of a binary that exits; it never reaches a runtime API.
async fn run(binary: &Path, environment: &BTreeMap<String, String>) -> Output {
    let run = Command::new(binary)
        .env_clear()
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .env("AWS_LAMBDA_FUNCTION_NAME", "a-function")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(tests::DEADLINE, run).await;
    ended.expect("it ends").expect("the function can be run")
}

/// The one line that a binary wrote before it exited with an error.
async fn only_line(binary: &Path, environment: &BTreeMap<String, String>) -> String {
    let output = run(binary, environment).await;
    assert!(
        !output.status.success(),
        "{binary:?} ends with {}",
        output.status
    );
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("lines are text");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    said
}

fn functions(story: &Story) -> [(&'static Path, &Function, &'static [&'static str]); 2] {
    [
        (&binaries().receive, &story.receive, &OF_RECEIVE),
        (&binaries().instantiate, &story.instantiate, &OF_INSTANTIATE),
    ]
}

#[tokio::test]
async fn a_missing_setting_is_named_in_one_line_with_an_example() {
    let story = Story::of_the_permit().await;
    for (binary, function, required) in functions(&story) {
        for variable in required {
            let mut environment = function.settings().environment.clone();
            assert!(
                environment.remove(*variable).is_some(),
                "{variable} is set here"
            );
            let line = only_line(binary, &environment).await;
            assert!(
                line.contains(&format!("{variable} is not set; set it to ")),
                "{line}"
            );
            assert!(line.contains(&format!("for example {variable}=")), "{line}");
        }
    }
}

#[tokio::test]
async fn a_setting_of_the_wrong_form_is_named_without_its_value() {
    let story = Story::of_the_permit().await;
    let wrong = [
        ("STAFETT_QUEUE_URL", "no-url-at-all"),
        ("ALTINN_PLATFORM_URL", "http://platform.altinn.no"),
        ("ALTINN_APPS_URL", "apps.altinn.no"),
        ("MASKINPORTEN_ISSUER", "https://maskinporten.no"),
        ("MASKINPORTEN_JWK", "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"),
        ("STAFETT_LEASE_SECONDS", "-300"),
        ("STAFETT_SETTLE_SECONDS", "four minutes"),
        ("STAFETT_MAXIMUM_CONCURRENCY", "as-many-as-there-are"),
        ("TRIGGER_SCOPE", "two scopes"),
        ("TRIGGER_CONSUMERS", "four, five"),
        ("TRIGGER_ISSUER", "https://an-issuer.example.no"),
        ("EVENTS_SECRET", "too-short-to-be-one"),
        ("EVENTS_SECRET_ARN", "not-an-arn"),
        ("MASKINPORTEN_JWK_SECRET", "not-an-arn"),
    ];
    let of_receive = |variable: &str| {
        OF_RECEIVE.contains(&variable)
            || variable.starts_with("TRIGGER_")
            || variable.starts_with("EVENTS_")
    };
    let [receive, instantiate] = functions(&story);
    for (variable, value) in wrong {
        let (binary, function, _) = if of_receive(variable) {
            receive
        } else {
            instantiate
        };
        let mut environment = function.settings().environment.clone();
        environment.insert(variable.to_owned(), value.to_owned());
        let line = only_line(binary, &environment).await;
        assert!(line.contains(&format!("{variable} is not ")), "{line}");
        assert!(!line.contains(value), "{line}");
    }
}

#[tokio::test]
async fn a_broken_route_file_is_named_with_line_and_column() {
    let story = Story::of_the_permit().await;
    let broken = [
        (
            "unknown-key",
            permit_route().replace("due: P30D", "dew: P30D"),
        ),
        (
            "no-expression",
            permit_route().replace("instance.id", "instance..id"),
        ),
        (
            "no-yaml",
            permit_route().replace("attachments:", "attachments: ["),
        ),
    ];
    for (name, text) in broken {
        let line_of_the_fault = text.lines().count();
        let folder = routes([(name, text)]);
        for (binary, function, _) in functions(&story) {
            let mut environment = function.settings().environment.clone();
            let path = folder.path().display().to_string();
            environment.insert("STAFETT_ROUTES".to_owned(), path);
            let said = only_line(binary, &environment).await;
            let at = format!("{name}.yaml:");
            let place = said.split_once(&at).unwrap_or_else(|| panic!("{said}")).1;
            let mut numbers = place.split(|c: char| !c.is_ascii_digit());
            let mut number = || numbers.next().and_then(|it| it.parse::<usize>().ok());
            let (line, column) = (number(), number());
            assert!(
                (1..=line_of_the_fault + 1).contains(&line.unwrap_or(0)),
                "{said}"
            );
            assert!(column.is_some_and(|it| it > 0), "{said}");
        }
    }
}
