//! Which calls there are.

use serde_json::json;

use crate::system::{Call, INSTANCE, POPULAR, SECRET, System};

#[tokio::test]
async fn health_tells_the_version_and_the_number_of_routes() {
    let system = System::start().await;
    let reply = system.call(Call::new("GET", "/health")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json(),
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "routes": POPULAR + 2 })
    );
}

#[tokio::test]
async fn a_known_path_with_another_method_is_refused_with_the_allowed_one() {
    let system = System::start().await;
    let events = format!("/events/{SECRET}");
    for (method, path, allowed) in [
        ("GET", "/triggers", "POST"),
        ("DELETE", "/triggers", "POST"),
        ("GET", events.as_str(), "POST"),
        ("POST", "/health", "GET"),
        ("HEAD", "/health", "GET"),
    ] {
        let reply = system.call(Call::new(method, path)).await;
        let detail = reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), Some(allowed));
        assert!(detail.contains(allowed), "{detail}");
        assert!(!reply.text.contains(SECRET));
    }
}

#[tokio::test]
async fn any_other_path_is_not_found() {
    let system = System::start().await;
    let unheard = [
        "/",
        "",
        "/trigger",
        "/triggers/",
        "/triggers/x",
        "/Health",
        "//health",
        "/events",
        "/health/x",
        "/relays",
    ];
    for path in unheard {
        for call in [
            Call::new("POST", path),
            Call::new("POST", path).by_default_route(),
        ] {
            let reply = system.call(call).await;
            reply.problem(404, "not-found");
        }
    }
}

#[tokio::test]
async fn a_base_path_of_the_api_does_not_matter() {
    let system = System::start().await;
    let body = json!({ "app": "ttd/permit", "instance": INSTANCE });
    for call in [
        system.trigger(&body).below("/stafett"),
        system.trigger(&body).by_default_route(),
    ] {
        assert_eq!(system.call(call).await.status, 202);
    }
    let health = Call::new("GET", "/health").below("/stafett");
    assert_eq!(system.call(health).await.status, 200);
    let secret = Call::new("GET", &format!("/events/{SECRET}"));
    for call in [secret.clone().below("/stafett"), secret.by_default_route()] {
        system.call(call).await.problem(405, "method-not-allowed");
    }
}
