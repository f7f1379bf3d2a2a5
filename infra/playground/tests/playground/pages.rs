//! All pages.

use regex::Regex;

use crate::{
    form::{PERMIT, fields, submit},
    markup::{check, tags},
    stage::Stage,
};

const PAGES: [&str; 10] = [
    "/",
    "/apply",
    PERMIT,
    "/apps/ttd/estate/new",
    "/inbox",
    "/inbox/50085321",
    "/relays",
    "/days",
    "/tables",
    "/clock",
];

#[tokio::test]
async fn every_page_is_well_formed_in_both_languages() {
    let stage = Stage::start().await;
    let relay = submit(&stage, &fields(&stage.page(PERMIT).await, "submit")).await;
    stage
        .until_shown(&relay, "class=\"badge good\" data-announce>done")
        .await;
    let a = relay.replace("/relays/", "/instances/");
    let mut paths: Vec<&str> = PAGES.to_vec();
    paths.extend(["/routes", &relay, &a]);
    for path in paths {
        for language in ["nb", "en"] {
            let response = stage.get(&format!("{path}?lang={language}")).await;
            assert_eq!(response.status(), 200, "{path}");
            let cookie = response.headers()["set-cookie"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(cookie.starts_with(&format!("lang={language};")), "{cookie}");
            let policy = response.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            let page = response.text().await.unwrap();
            check(&page, language);
        }
    }
    stage.stop().await;
}

#[tokio::test]
async fn links_of_a_page_lead_somewhere() {
    let stage = Stage::start().await;
    let relay = submit(&stage, &fields(&stage.page(PERMIT).await, "submit")).await;
    stage
        .until_shown(&relay, "class=\"badge good\" data-announce>done")
        .await;
    let mut seen = std::collections::BTreeSet::new();
    let mut open = vec!["/".to_owned(), relay];
    while let Some(path) = open.pop() {
        if seen.len() > 150 || !seen.insert(path.clone()) {
            continue;
        }
        let response = stage.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        if !kind.starts_with("text/html") {
            continue;
        }
        let page = response.text().await.unwrap();
        let here = path.split('?').next().unwrap().to_owned();
        for tag in tags(&page) {
            let Some(to) = tag.get("href").or_else(|| tag.get("src")) else {
                continue;
            };
            let to = to.split('#').next().unwrap();
            match to.chars().next() {
                Some('/') => open.push(to.to_owned()),
                Some('?') => open.push(format!("{here}{to}")),
                _ => {}
            }
        }
    }
    assert!(seen.len() > 30, "{seen:?}");
    stage.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_on_a_page() {
    let stage = Stage::start().await;
    for path in [
        "/nope",
        "/inbox/nobody",
        "/apps/ttd/nope/new",
        "/instances/1/2",
        "/relays/1/2",
        "/instances/50085321/3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77/data/x",
        "/apps/..%2f..%2fetc/passwd/new",
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        check(&response.text().await.unwrap(), "en");
    }
    stage.stop().await;
}

#[tokio::test]
async fn no_link_of_a_page_leads_to_another_place() {
    let stage = Stage::start().await;
    let response = stage.get("//example.com/").await;
    assert_eq!(response.status(), 404);
    let page = response.text().await.unwrap();
    let elsewhere = tags(&page).into_iter().find(|tag| {
        let to = tag.get("href").or_else(|| tag.get("src"));
        to.is_some_and(|to| to.starts_with("//") || to.contains(':'))
    });
    assert!(elsewhere.is_none(), "{elsewhere:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_bad_day_is_named_on_every_page_until_it_is_over() {
    let stage = Stage::start().await;
    let fields = [
        ("day", "b-down"),
        ("app", "ttd/casework"),
        ("length", "lasting"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(stage.post("/days", &[], &fields).await.status(), 303);
    for (language, warning, day) in [
        ("en", "Switched on now:", "B is down"),
        ("nb", "Slått på nå:", "B er nede"),
    ] {
        for path in [
            "/", "/apply", PERMIT, "/inbox", "/relays", "/tables", "/clock", "/routes",
        ] {
            let page = stage.page(&format!("{path}?lang={language}")).await;
            assert!(
                page.contains(warning) && page.contains(day),
                "{path}: {page}"
            );
            check(&page, language);
        }
    }
    assert!(
        !stage.page("/days").await.contains("Switched on now:"),
        "it says more itself"
    );
    stage.post("/days/good", &[], &[]).await;
    assert!(!stage.page("/").await.contains("Switched on now:"));
    stage.stop().await;
}

#[tokio::test]
async fn nobody_else_makes_the_playground_do_anything() {
    let stage = Stage::start().await;
    let origin = stage.playground.url();
    let path = "/instances/1/2/tell";
    let status =
        async |headers: &[(&str, &str)]| stage.post(path, headers, &[]).await.status().as_u16();
    assert_eq!(
        status(&[("Origin", &origin)]).await,
        404,
        "it came as far as to look for the instance"
    );
    assert_eq!(status(&[("Origin", "https://example.com")]).await, 403);
    assert_eq!(status(&[("Origin", "null")]).await, 403);
    assert_eq!(status(&[("Sec-Fetch-Site", "cross-site")]).await, 403);
    assert_eq!(
        status(&[("Host", "example.com"), ("Origin", "http://example.com")]).await,
        421
    );
    assert_eq!(status(&[("Content-Type", "application/json")]).await, 415);
    let big = [("x".to_owned(), "y".repeat(2_000_000))];
    assert_eq!(stage.post("/days", &[], &big).await.status().as_u16(), 413);
    let bigger = [("x".to_owned(), "y".repeat(31_000_000))];
    assert_eq!(stage.send(PERMIT, &bigger, &[]).await.status(), 413);
    stage.stop().await;
}

#[tokio::test]
async fn while_somebody_plays_pages_can_be_seen_and_nothing_be_changed() {
    let stage = Stage::start().await;
    let turn = stage.playground.play().unwrap();
    assert!(stage.playground.play().is_none(), "one at a time");
    assert!(
        stage
            .page("/")
            .await
            .contains("The samples are still being played")
    );
    let filled = fields(&stage.page(PERMIT).await, "submit");
    let response = stage.send(PERMIT, &filled, &[]).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    check(&response.text().await.unwrap(), "en");
    drop(turn);
    assert_eq!(stage.send(PERMIT, &filled, &[]).await.status(), 303);
    stage.stop().await;
}

#[tokio::test]
async fn a_page_is_told_when_something_has_changed() {
    let stage = Stage::start().await;
    let mut events = stage.get("/events").await;
    let mut counts = Vec::new();
    let count = Regex::new(r"data: ?(\d+)").unwrap();
    let filled = fields(&stage.page(PERMIT).await, "submit");
    while counts.len() < 2 {
        let chunk = tokio::time::timeout(crate::stage::DEADLINE, events.chunk());
        let chunk = chunk.await.unwrap().unwrap().unwrap();
        let text = String::from_utf8_lossy(&chunk).into_owned();
        counts.extend(
            count
                .captures_iter(&text)
                .map(|it| it[1].parse::<u64>().unwrap()),
        );
        if counts.len() == 1 {
            submit(&stage, &filled).await;
        }
    }
    assert!(counts[1] > counts[0], "{counts:?}");
    // The stream is still open; it does not keep the playground from stopping.
    stage.stop().await;
}
