//! What is asked of the API, byte for byte as nobody's HTTP library would send it.

use http::Method;
use local_altinn::Stage;
use local_world::deployment::{SERVICE_OWNER, TRIGGER_SCOPE};
use serde_json::json;
use testbed::wire::On;
use tests::{PERMIT, ROUTE, Story};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The answer to a request that is sent as it is, without what changes from answer to answer.
async fn raw(story: &Story, method: &Method, path: &str, more: &str, body: &str) -> Vec<String> {
    let url = story.api.url();
    let host = url.trim_start_matches("http://");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.expect("the API listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the API reads");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("the API answers");
    let lines = answer.split("\r\n").map(str::to_owned);
    lines.filter(|line| !line.starts_with("date:")).collect()
}

fn status(answer: &[String]) -> &str {
    let line = answer.first().map(String::as_str).unwrap_or_default();
    line.split(' ').nth(1).unwrap_or_default()
}

fn bearer(story: &Story) -> String {
    let token = story
        .altinn
        .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None);
    format!("authorization: Bearer {}\r\n", token.expect("a token"))
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_path_are_the_same_to_the_last_byte() {
    let story = Story::of_the_permit().await;
    let url = story.events_url();
    let (_, secret) = url.rsplit_once('/').expect("the address has a path");
    let a = story.fill_in(Stage::Ended);
    let event = json!({
        "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
        "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": a,
    })
    .to_string();
    // Wrong in one character, at the beginning as at the end.
    let almost = secret.char_indices().map(|(at, character)| {
        let other = if character == 'x' { "y" } else { "x" };
        format!("{}{other}{}", &secret[..at], &secret[at + 1..])
    });
    let guesses = almost.chain([
        "x".to_owned(),
        secret.to_uppercase(),
        secret[1..].to_owned(),
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}x"),
        format!("{secret}%00"),
        format!("{secret}%20"),
        format!("{secret}/"),
        format!("{secret}%2f"),
        format!("x/{secret}"),
        format!("..%2fevents%2f{secret}"),
        format!("./{secret}"),
        format!(";{secret}"),
        "%7bsecret%7d".to_owned(),
        "%ff%fe".to_owned(),
        "x".repeat(8_000),
    ]);
    let nowhere = raw(&story, &Method::POST, "/nowhere", "", &event).await;
    assert_eq!(status(&nowhere), "404");
    for guess in guesses {
        for method in [Method::POST, Method::GET] {
            let path = format!("/events/{guess}");
            let answer = raw(&story, &method, &path, "", &event).await;
            assert_eq!(answer, nowhere, "{method} /events/{guess:.60}");
        }
    }
    for path in [
        format!("//events/{secret}"),
        format!("/EVENTS/{secret}"),
        format!("/events//{secret}"),
        format!("/events?secret={secret}"),
        format!("/x/../events/{secret}"),
    ] {
        let answer = raw(&story, &Method::POST, &path, "", &event).await;
        assert_eq!(answer, nowhere);
    }
    let sends = On::operation("SendMessageBatch");
    assert_eq!(story.sqs_wire.journal().count(&sends), 0);

    // The secret itself opens, in whatever way a path may write it.
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for secret in [secret, &percent] {
        let path = format!("/events/{secret}");
        let answer = raw(&story, &Method::POST, &path, "", &event).await;
        assert_eq!(status(&answer), "200");
    }
    assert_eq!(story.sqs_wire.journal().count(&sends), 2);
    story.reaches(ROUTE, &a, "done").await;
}

/// What is no id of an instance, as it stands in a path and in JSON. `{0}` is the GUID of one that is there.
const NO_IDS: [&str; 23] = [
    "/",
    "50085321/",
    "/{0}",
    "50085321/{0}/",
    "50085321/{0}/data",
    "50085321//{0}",
    "../50085321/{0}",
    "50085321/../50085321/{0}",
    "50085321/{0}/..",
    "50085321\\{0}",
    "050085321/{0}",
    "+50085321/{0}",
    "-50085321/{0}",
    "5e7/{0}",
    "0x2fc3d49/{0}",
    "４２/{0}",
    "٥٠٠٨٥٣٢١/{0}",
    "99999999999/{0}",
    "50085321/{{0}}",
    "50085321/urn:uuid:{0}",
    "50085321/{0}\u{0}",
    "50085321/{0}\n",
    "50085321/{0}%",
];

#[tokio::test]
async fn what_is_no_id_reaches_neither_queue_nor_ledger() {
    let story = Story::of_the_permit().await;
    let a = story.fill_in(Stage::Ended);
    let guid = tests::guid(&a);
    let bearer = bearer(&story);
    let simple = guid.replace('-', "");
    let ids = NO_IDS.map(|id| id.replace("{0}", guid));
    let ids = ids.into_iter().chain([format!("50085321/{simple}")]);
    for id in ids {
        let percent = |text: &str, all: bool| {
            let bytes = text.bytes().map(|byte| match byte {
                b'/' if !all => "/".to_owned(),
                byte if byte.is_ascii_alphanumeric() && !all => char::from(byte).to_string(),
                byte => format!("%{byte:02x}"),
            });
            bytes.collect::<String>()
        };
        for path in [percent(&id, false), percent(&id, true)] {
            let path = format!("/relays/{path}");
            let answer = raw(&story, &Method::GET, &path, &bearer, "").await;
            assert_eq!(status(&answer), "404", "{path}");
        }
        let trigger = json!({ "app": PERMIT, "instance": id }).to_string();
        let answer = raw(&story, &Method::POST, "/triggers", &bearer, &trigger).await;
        assert_eq!(status(&answer), "400", "{id:?}");
        let event = json!({
            "id": "e-1", "specversion": "1.0", "type": "app.instance.process.completed", "source": "urn:x",
            "resource": "urn:altinn:resource:app_ttd_permit", "resourceinstance": id,
        });
        let url = story.events_url();
        let path = url.trim_start_matches(&story.api.url());
        // An event of something else on the app's resource: left alone.
        let answer = raw(&story, &Method::POST, path, "", &event.to_string()).await;
        assert_eq!(status(&answer), "200", "{id:?}");
        assert_eq!(answer.last().map(String::as_str), Some("{\"relays\":[]}"));
    }
    for app in [
        "../permit",
        "ttd/../x",
        "ttd/permit/..",
        "ttd%2fpermit",
        "ttd\\permit",
        "TTD/permit",
    ] {
        let trigger = json!({ "app": app, "instance": a }).to_string();
        let answer = raw(&story, &Method::POST, "/triggers", &bearer, &trigger).await;
        assert_eq!(status(&answer), "400", "{app:?}");
    }
    let queued = story
        .sqs_wire
        .journal()
        .count(&On::operation("SendMessageBatch"));
    assert_eq!(queued, 0);
    assert_eq!(story.dynamodb_wire.journal().all().len(), 0);

    // The id itself is asked for.
    let answer = raw(&story, &Method::GET, &format!("/relays/{a}"), &bearer, "").await;
    assert_eq!(status(&answer), "404", "it has no relay yet");
    assert_eq!(
        story.dynamodb_wire.journal().count(&On::operation("Query")),
        1
    );
}
