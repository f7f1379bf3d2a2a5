//! Functions behind the HTTP API.

use ::http::Response;

use super::*;
use crate::HttpRoute;

fn route(method: &str, path: &str) -> HttpRoute {
    let function = "Play".to_owned();
    HttpRoute {
        method: method.to_owned(),
        path: path.to_owned(),
        function,
    }
}

async fn hello(request: lambda_http::Request) -> Result<Response<String>, Error> {
    use lambda_http::RequestExt;
    let body = String::from_utf8_lossy(request.body().as_ref()).into_owned();
    if body == "fail" {
        return Err("no luck".into());
    }
    let parameters: BTreeMap<String, String> = request
        .path_parameters()
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let text = format!(
        "{} {} {parameters:?} {}",
        request.method(),
        request.uri().path(),
        body.len()
    );
    Ok(Response::builder()
        .status(202)
        .header("x-note", "a")
        .body(text)?)
}

#[tokio::test]
async fn requests_reach_the_function_of_their_route_and_its_answer_comes_back() {
    let function = Function::http(settings(DEADLINE), hello);
    let routes = [
        "/triggers",
        "/events/{secret}",
        "/events/test",
        "/files/{rest+}",
    ];
    let routes = routes.map(|path| (route("POST", path), function.clone()));
    let api = HttpApi::start("127.0.0.1:0", routes).await.unwrap();
    let client = reqwest::Client::new();
    let post = async |path: &str, body: &'static str| {
        let answer = client
            .post(format!("{}{path}", api.url()))
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(
        post("/triggers", "body").await,
        (202, "POST /triggers {} 4".to_owned())
    );
    let (_, text) = post("/events/hush?x=1", "{}").await;
    assert_eq!(text, "POST /events/hush {\"secret\": \"hush\"} 2");
    assert_eq!(post("/events/test", "").await.1, "POST /events/test {} 0");
    assert_eq!(
        post("/files/a/b", "").await.1,
        "POST /files/a/b {\"rest\": \"a/b\"} 0"
    );
    let not_found = (404, r#"{"message":"Not Found"}"#.to_owned());
    for path in [
        "/",
        "/events",
        "/events/",
        "/events/a/b",
        "/triggers/",
        "/files/",
        "/other",
    ] {
        assert_eq!(post(path, "").await, not_found, "{path}");
    }
    let answer = client
        .get(format!("{}/triggers", api.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404, "another method");
    let error = (500, r#"{"message":"Internal Server Error"}"#.to_owned());
    assert_eq!(post("/triggers", "fail").await, error);
    let answer = client
        .post(format!("{}/triggers", api.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-note"], "a");
}

#[tokio::test]
async fn a_body_that_is_too_large_does_not_reach_the_function() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let function = Function::http(settings(DEADLINE), move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Error>("fine") }
    });
    let api = HttpApi::start("127.0.0.1:0", [(route("ANY", "/x"), function)])
        .await
        .unwrap();
    let post = async |size: usize| {
        let request = reqwest::Client::new().post(format!("{}/x", api.url()));
        request
            .body(vec![b'x'; size])
            .send()
            .await
            .map(|it| it.status().as_u16())
    };
    // A gateway that answers early may close before a client has sent everything.
    let far_too_large = post((10 << 20) + 1).await;
    assert!(far_too_large.is_err() || far_too_large.unwrap() == 413);
    assert_eq!(post(7 << 20).await.unwrap(), 413, "too large for Lambda");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(post(1 << 20).await.unwrap(), 200);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
