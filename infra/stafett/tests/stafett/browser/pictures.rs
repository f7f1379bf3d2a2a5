//! The pictures of the pages. `STAFETT_PICTURES=1` takes those anew that are kept.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::bench::Bench;

/// Pixels: a picture is as wide as a page, and as high as what it shows.
const WIDTH: u32 = 1120;

#[tokio::test]
async fn pictures_of_the_playground_are_taken() {
    // As from the root of the repository, so that no picture shows where somebody keeps it.
    let Some(bench) = Bench::start(&["--no-samples", "--routes", "infra/routes"]).await else {
        return;
    };
    let light = json!({"features": [{"name": "prefers-color-scheme", "value": "light"}]});
    bench.emulate("setEmulatedMedia", light).await;
    bench
        .emulate("setScrollbarsHidden", json!({"hidden": true}))
        .await;
    bench.open("/apps/ttd/permit/new?lang=en").await;
    picture(&bench, "form", "main", 800).await;
    bench.open("/days").await;
    bench.press("begin-answer-lost-once").await;
    bench.open("/days").await;
    picture(&bench, "bad-days", "main", 1000).await;
    let relay = bench.submit().await;
    bench.open("/clock").await;
    bench.press("wind-15m").await;
    bench.open(&relay).await;
    // B is adopted while its app may still be at work, and looked at once more when it cannot be.
    bench
        .until_shown("B had been made already and was adopted.")
        .await;
    bench.open("/clock").await;
    bench.press("wind-30m").await;
    bench.open(&relay).await;
    bench.until_state("done").await;
    picture(&bench, "timeline", "timeline", 1000).await;
    bench.open(super::OFFICERS).await;
    bench.follow("tbody a").await;
    picture(&bench, "case", "main", 900).await;
    bench.open("/routes").await;
    picture(&bench, "routes", "main", 900).await;
    bench.open("/").await;
    picture(&bench, "home", "main", 900).await;
}

/// A picture of what begins with the element of this id; of the whole page's top for `main`.
async fn picture(bench: &Bench, name: &str, id: &str, height: u32) {
    let screen = json!({"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": false});
    bench.emulate("setDeviceMetricsOverride", screen).await;
    let top = match id {
        "main" => "window.scrollTo(0, 0)",
        _ => "document.getElementById(arguments[0]).scrollIntoView()",
    };
    let scrolled = bench.page.execute(top, vec![json!(id)]).await;
    scrolled.expect("the page scrolls");
    let place = root().canonicalize().expect("the repository is somewhere");
    let shown = format!("return document.body.innerText.includes({})", json!(place));
    assert_eq!(bench.script(&shown).await, false, "{name} shows {place:?}");
    let taken = bench.keep_picture(name).await;
    let bytes = fs::read(&taken).expect("the picture");
    assert!(bytes.len() > 10_000, "{name} shows something");
    let kept = root().join(format!("infra/playground/pictures/{name}.png"));
    if env::var_os("STAFETT_PICTURES").is_some() && kept.exists() {
        fs::copy(&taken, kept).expect("the picture is kept");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
