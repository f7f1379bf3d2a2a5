//! The pictures of the README. `STAFETT_PICTURES=1` puts them where it shows them.

use std::{env, fs, path::Path};

use serde_json::json;

use crate::bench::Bench;

#[tokio::test]
async fn pictures_of_the_playground_are_taken() {
    let Some(bench) = Bench::start(&["--no-samples"]).await else {
        return;
    };
    let light = json!({"features": [{"name": "prefers-color-scheme", "value": "light"}]});
    bench.emulate("setEmulatedMedia", light).await;
    bench.open("/apps/ttd/permit/new?lang=en").await;
    picture(&bench, "form").await;
    bench.open("/days").await;
    bench.press("begin-answer-lost-once").await;
    picture(&bench, "bad-days").await;
    let relay = bench.submit().await;
    bench.open("/clock").await;
    bench.press("wind-15m").await;
    bench.open(&relay).await;
    bench.until_state("done").await;
    picture(&bench, "timeline").await;
    bench.open(crate::OFFICERS).await;
    picture(&bench, "inbox").await;
    bench.open("/routes").await;
    picture(&bench, "routes").await;
    bench.open("/").await;
    picture(&bench, "home").await;
}

async fn picture(bench: &Bench, name: &str) {
    let taken = bench.keep_picture(name).await;
    let bytes = fs::read(&taken).expect("the picture");
    assert!(bytes.len() > 10_000, "{name} shows something");
    if env::var_os("STAFETT_PICTURES").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
        fs::create_dir_all(&folder).expect("a folder for pictures");
        fs::copy(&taken, folder.join(name).with_extension("png")).expect("the picture is kept");
    }
}
