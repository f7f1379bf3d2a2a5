//! Each bad day, begun with a button, and what becomes of an application on it.

use std::time::Instant;

use thirtyfour::By;

use super::bench::{Bench, DEADLINE};

/// Every bad day: the button that begins it, and how an application is told of then.
const DAYS: [(&str, &str, &str); 8] = [
    ("b-down", "once", "app"),
    ("b-slow", "once", "app"),
    ("answer-lost", "once", "app"),
    ("half-made", "once", "app"),
    ("function-killed", "once", "app"),
    ("event-lost", "lasting", "event"),
    ("register-down", "once", "app"),
    ("token-expired", "once", "app"),
];

#[tokio::test]
async fn after_each_bad_day_there_is_exactly_one_case_for_each_application() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    for (index, (day, length, told)) in DAYS.into_iter().enumerate() {
        bench.open("/days").await;
        let befallen = if day == "event-lost" {
            super::A
        } else {
            super::B
        };
        let choose = format!("document.getElementById('app-{day}').value = '{befallen}'");
        bench.script(&choose).await;
        bench.press(&format!("begin-{day}-{length}")).await;
        bench.open(super::PERMIT_FORM).await;
        let way = bench.page.find(By::Id(format!("told-{told}"))).await;
        let way = way.expect("the way in which it is told of");
        way.click().await.expect("it can be chosen");
        bench.press("submit").await;
        let relay = bench.script("return location.pathname").await;
        let relay = relay.as_str().unwrap_or_default().to_owned();
        struck(&bench, day).await;
        recover(&bench, day, &relay).await;
        assert_eq!(bench.cases().await, index as u64 + 1, "after {day}");
        bench.open("/days").await;
        bench.press("good-day").await;
    }
}

/// Waits until the bad day has struck, as its page says.
async fn struck(bench: &Bench, day: &str) {
    bench.open("/days").await;
    let over =
        "return document.querySelector('#standing .badge.plain, #standing .badge.bad') !== null";
    bench.until(&format!("{day} has struck"), over).await;
}

/// Winds the clock on, as the page of bad days advises, until the relay is done.
async fn recover(bench: &Bench, day: &str, relay: &str) {
    let began = Instant::now();
    loop {
        bench.open(relay).await;
        let done =
            "return document.querySelector('#records .badge')?.textContent.trim() === 'done'";
        if bench.script(done).await == true {
            return;
        }
        assert!(began.elapsed() < DEADLINE, "no recovery after {day}");
        bench.open("/days").await;
        let advice = format!("recover-{day}");
        if bench.page.find(By::Id(&*advice)).await.is_ok() {
            bench.press(&advice).await;
        }
    }
}
