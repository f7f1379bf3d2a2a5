//! The pictures of the README. `STAFETT_PICTURES=1` puts them where it shows them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::bench::Bench;

/// Pixels: a picture is as wide as a README, and as high as what it shows.
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
    if env::var_os("STAFETT_PICTURES").is_some() && readme().contains(&link(name)) {
        let kept = root().join(link(name));
        fs::create_dir_all(kept.parent().expect("a folder")).expect("the folder is there");
        fs::copy(&taken, kept).expect("the picture is kept");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn link(name: &str) -> String {
    format!("infra/playground/pictures/{name}.png")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("the README")
}

#[test]
fn every_picture_that_the_readme_shows_is_there_and_no_other() {
    let readme = readme();
    let kept = fs::read_dir(root().join("infra/playground/pictures")).expect("the pictures");
    let kept = kept.map(|it| it.expect("a file").path());
    let kept: Vec<String> = kept
        .filter_map(|it| Some(link(it.file_stem()?.to_str()?)))
        .collect();
    for picture in &kept {
        assert!(
            readme.contains(&format!("]({picture})")),
            "{picture} is not shown"
        );
    }
    assert_eq!(
        readme.matches("](infra/playground/pictures/").count(),
        kept.len()
    );
}
