//! For everybody: keyboard, screen reader, narrow screen, no script, both languages.

use serde_json::{Value, json};
use thirtyfour::{Key, TypingData};

use super::{OFFICERS, PERMIT_FORM, bench::Bench};

/// Every kind of page, with something on it.
async fn pages(bench: &Bench) -> Vec<String> {
    let relay = bench.submit().await;
    bench.until_state("done").await;
    let instance = relay.replace("/relays/", "/instances/");
    [
        "/",
        "/apply",
        PERMIT_FORM,
        "/apps/ttd/estate/new",
        "/inbox",
        OFFICERS,
        "/relays",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([relay, instance])
    .chain(["/days", "/tables", "/clock", "/routes", "/no-such-page"].map(str::to_owned))
    .collect()
}

#[tokio::test]
async fn no_page_violates_wcag_2_2_aa_in_either_language_or_colour_scheme() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    let pages = pages(&bench).await;
    // Something stands in each table.
    bench.open("/days").await;
    bench.press("begin-b-down-lasting").await;
    bench.submit().await;
    bench.open("/tables").await;
    bench.press("inspect").await;
    bench.press("reconcile-look").await;
    bench.open("/clock").await;
    bench.press("wind-1m").await;
    for (language, scheme) in [("en", "light"), ("nb", "dark")] {
        let wanted = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        bench.emulate("setEmulatedMedia", wanted).await;
        for page in &pages {
            bench.open(&format!("{page}?lang={language}")).await;
            let shown = bench.script("return document.documentElement.lang").await;
            assert_eq!(shown, language, "{page}");
            let Some(found) = bench.violations().await else {
                return;
            };
            assert!(
                found.is_empty(),
                "{page}, {language}, {scheme}:\n{}",
                found.join("\n\n")
            );
        }
    }
    // It does find what is wrong.
    bench
        .script("document.querySelector('main').append(document.createElement('button'))")
        .await;
    let found = bench.violations().await.unwrap_or_default();
    assert!(
        found.iter().any(|it| it.starts_with("button-name")),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_application_can_be_sent_in_with_the_keyboard_alone() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    bench.open("/").await;
    press_key(&bench, Key::Tab).await;
    assert_eq!(
        focused(&bench, "className").await,
        "skip",
        "the first stop skips the navigation"
    );
    press_key(&bench, Key::Enter).await;
    let main = "return document.activeElement.id === 'main' || location.hash === '#main'";
    bench.until("the main part has the focus", main).await;
    // From there on to the first solution's form, through it, and away with it.
    walk_to(&bench, "href", "/apps/").await;
    seen(&bench).await;
    press_key(&bench, Key::Enter).await;
    bench
        .until(
            "the form is there",
            "return document.getElementById('submit') !== null",
        )
        .await;
    walk_to(&bench, "id", "submit").await;
    seen(&bench).await;
    press_key(&bench, Key::Enter).await;
    let relay =
        "return location.pathname.startsWith('/relays/') && document.readyState === 'complete'";
    bench.until("the relay's page is there", relay).await;
    bench.until_state("done").await;
}

async fn press_key(bench: &Bench, key: Key) {
    let typed = bench
        .page
        .action_chain()
        .send_keys(TypingData::from(key))
        .perform()
        .await;
    typed.expect("a key is pressed");
}

async fn focused(bench: &Bench, property: &str) -> String {
    let value = format!("return String(document.activeElement?.{property} ?? '')");
    let value = bench.script(&value).await;
    value.as_str().unwrap_or_default().to_owned()
}

/// Presses Tab until what has the focus says `wanted`; it must never get stuck.
async fn walk_to(bench: &Bench, property: &str, wanted: &str) {
    const STOPS: usize = 150;
    for _ in 0..STOPS {
        press_key(bench, Key::Tab).await;
        let here = focused(bench, property).await;
        // Not a part of another word: `submit` is the id of one button.
        if here == wanted || (wanted.starts_with('/') && here.contains(wanted)) {
            return;
        }
    }
    panic!("no {property} {wanted} within {STOPS} presses of Tab");
}

/// What has the focus shows it.
async fn seen(bench: &Bench) {
    let outline = "const style = getComputedStyle(document.activeElement); \
        return [style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, document.activeElement.outerHTML]";
    let seen = bench.script(outline).await;
    assert_eq!(seen[0], true, "no outline around {}", seen[1]);
}

#[tokio::test]
async fn no_page_scrolls_sideways_on_a_screen_320_pixels_wide() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    let pages = pages(&bench).await;
    let narrow = json!({"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false});
    bench.emulate("setDeviceMetricsOverride", narrow).await;
    for page in &pages {
        bench.open(page).await;
        let width = bench
            .script("return document.documentElement.scrollWidth")
            .await;
        assert!(width.as_u64() <= Some(320), "{page} is {width} wide");
    }
}

#[tokio::test]
async fn without_a_script_everything_can_be_read_and_sent() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    bench
        .emulate("setScriptExecutionDisabled", json!({"value": true}))
        .await;
    bench.open(PERMIT_FORM).await;
    let button = bench.page.find(thirtyfour::By::Id("submit")).await;
    button
        .expect("the button")
        .click()
        .await
        .expect("it is pressed");
    let began = std::time::Instant::now();
    loop {
        let source = bench.page.source().await.expect("the page");
        if source.contains("badge good") && source.contains("/instances/50085321/") {
            break;
        }
        assert!(began.elapsed() < super::bench::DEADLINE, "{source}");
        // Nothing comes by itself without a script.
        bench.page.refresh().await.expect("the page loads again");
    }
    for page in [
        "/", "/inbox", "/relays", "/days", "/tables", "/clock", "/routes",
    ] {
        bench.open(page).await;
        let title = bench.page.find(thirtyfour::By::Tag("h1")).await;
        let title = title.expect("a title").text().await.expect("its text");
        assert!(!title.is_empty(), "{page}");
    }
}

#[tokio::test]
async fn the_browser_has_nothing_to_complain_about() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    for page in pages(&bench).await {
        bench.open(&page).await;
        let ids = "const ids = [...document.querySelectorAll('[id]')].map(it => it.id); \
            return ids.filter((id, index) => ids.indexOf(id) !== index)";
        assert_eq!(bench.script(ids).await, Value::Array(Vec::new()), "{page}");
    }
    let log = bench.page.browser_log().await.expect("the browser's log");
    // The page that is not there is asked for on purpose, and shows that the browser tells.
    let (wanted, complaints): (Vec<_>, Vec<_>) = log
        .iter()
        .map(|entry| format!("{entry:?}"))
        .partition(|entry| entry.contains("/no-such-page"));
    assert!(!wanted.is_empty(), "the browser tells nothing at all");
    assert!(complaints.is_empty(), "{complaints:#?}");
}
