//! The playground, as somebody with a browser sees it: with a mouse, with a keyboard alone, with a screen reader's
//! needs, on a narrow screen, and without a script.
//!
//! Headless Chromium is driven through its own WebDriver. Where there is none, a test says so and is left out;
//! `STAFETT_BROWSER=required` makes that a failure. Pictures are kept in `target/tmp/screenshots`.

#![allow(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod bad_days;
mod bench;
mod everybody;
mod operator;
mod pictures;

use std::time::Instant;

use bench::{Bench, DEADLINE, PAUSE};
use serde_json::json;
use thirtyfour::{By, error::WebDriverResult};

/// The samples' apps.
const A: &str = "ttd/permit";
const B: &str = "ttd/casework";
/// The form of A.
const PERMIT_FORM: &str = "/apps/ttd/permit/new";
/// The inbox of the case officers.
const OFFICERS: &str = "/inbox/50085321";

impl Bench {
    /// Presses a button or follows a link, and waits until the page that it leads to is there.
    pub(crate) async fn press(&self, id: &str) {
        self.follow(&format!("#{id}")).await;
    }

    /// The same, of the first that a CSS selector finds. A live part may be replaced under the mouse: then again.
    pub(crate) async fn follow(&self, selector: &str) {
        self.script("window.isOld = true").await;
        let began = Instant::now();
        while let Err(error) = self.click(selector).await {
            assert!(began.elapsed() < DEADLINE, "{selector}: {error}");
            tokio::time::sleep(PAUSE).await;
        }
        let there = "return window.isOld === undefined && document.readyState === 'complete'";
        self.until(&format!("the page after {selector}"), there)
            .await;
    }

    async fn click(&self, selector: &str) -> WebDriverResult<()> {
        let element = self.page.find(By::Css(selector)).await?;
        element.scroll_into_view().await?;
        element.click().await
    }

    /// A citizen sends in the form as it is prefilled; the path of the relay's page, on which the browser is then.
    pub(crate) async fn submit(&self) -> String {
        self.open(PERMIT_FORM).await;
        self.press("submit").await;
        let path = self.script("return location.pathname").await;
        let path = path.as_str().unwrap_or_default().to_owned();
        assert!(path.starts_with("/relays/"), "{path}");
        path
    }

    /// How many cases the officers have in their inbox.
    pub(crate) async fn cases(&self) -> u64 {
        self.open(OFFICERS).await;
        let rows = self
            .script("return document.querySelectorAll('tbody tr').length")
            .await;
        rows.as_u64().unwrap_or_default()
    }

    /// The state that the ledger has for the relay whose page is open.
    pub(crate) async fn until_state(&self, state: &str) {
        let script = format!(
            "return document.querySelector('#records .badge')?.textContent.trim() === {}",
            json!(state)
        );
        self.until(&format!("the relay is {state}"), &script).await;
    }
}

#[tokio::test]
async fn a_citizen_submits_an_application_and_the_case_officers_find_it_in_their_inbox() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    assert_eq!(bench.cases().await, 0);
    bench.submit().await;
    // Live: nobody loads this page again.
    bench.until_state("done").await;
    for step in ["trigger", "queue", "claim", "read a", "post of b", "record"] {
        let shown = format!(
            "return [...document.querySelectorAll('#timeline tbody th')].some(it => it.textContent.toLowerCase().includes({}))",
            json!(step)
        );
        bench
            .until(&format!("the step `{step}` is in the timeline"), &shown)
            .await;
    }
    assert_eq!(bench.cases().await, 1);
    bench.follow("tbody a").await;
    bench.until_shown("stafett.relay").await;
    bench.until_shown("permit-to-casework").await;
    let file = "return document.querySelector('#files-wrap a').getAttribute('href')";
    let file = bench.script(file).await;
    let fetched = format!(
        "const done = arguments[0]; fetch({file}).then(it => it.blob().then(body => done([it.status, body.size > 0])))"
    );
    let fetched = bench.page.execute_async(&*fetched, vec![]).await;
    assert_eq!(
        fetched.expect("the file is fetched").json(),
        &json!([200, true])
    );
}
