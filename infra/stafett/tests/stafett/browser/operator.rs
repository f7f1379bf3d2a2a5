//! An operator, and the author of a mistaken route.

use std::{fs, path::Path};

use super::bench::Bench;

const RIGHT: &str = "data.model.soker.navn\"";
const WRONG: &str = "data.model.soker.fulltNavn\"";

/// The sample routes, in a folder of the author's own.
fn own_routes(folder: &Path) {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../routes");
    for file in fs::read_dir(samples).expect("the sample routes") {
        let path = file.expect("a file").path();
        let name = path.file_name().expect("it has a name").to_owned();
        fs::copy(&path, folder.join(name)).expect("it is copied");
    }
}

fn edit(folder: &Path, from: &str, to: &str) {
    let file = folder.join("permit-to-casework.yaml");
    let text = fs::read_to_string(&file).expect("the route");
    assert!(text.contains(from), "{text}");
    fs::write(&file, text.replace(from, to)).expect("the route is written");
}

#[tokio::test]
async fn a_relay_that_failed_is_inspected_its_route_mended_and_sent_back_from_the_dead_letter_queue()
 {
    let folder = tempfile::tempdir().expect("a folder");
    own_routes(folder.path());
    // Neither Stafett nor the author knows the forms of A here: so the mistake gets through.
    edit(folder.path(), RIGHT, WRONG);
    let routes = folder.path().display().to_string();
    let Some(bench) = Bench::start(&["--no-samples", "--routes", &routes]).await else {
        return;
    };
    bench.open("/routes").await;
    bench.until_shown("fulltNavn").await;
    let relay = bench.submit().await;
    bench.until_state("failed").await;

    bench.open("/tables").await;
    let dead = "return document.querySelectorAll('#dead tbody tr').length === 1";
    bench
        .until("the message is in the dead-letter queue", dead)
        .await;
    bench.press("inspect").await;
    bench.until_shown("mapping_failed").await;

    bench.open("/routes").await;
    edit(folder.path(), WRONG, RIGHT);
    let mended = "return !document.querySelector('#checked .findings .badge.bad') \
        && !document.querySelector('#checked').innerText.includes('fulltNavn')";
    bench.until("the page shows the mended route", mended).await;

    bench.open("/tables").await;
    bench.press("redrive-1").await;
    bench.open(&relay).await;
    bench.until_state("done").await;
    bench.open("/tables").await;
    let empty = "return document.querySelectorAll('#dead tbody tr').length === 0";
    bench.until("the dead-letter queue is empty", empty).await;
    assert_eq!(bench.cases().await, 1);
}

#[tokio::test]
async fn a_route_is_checked_while_it_is_written_and_a_broken_one_is_never_deployed() {
    let folder = tempfile::tempdir().expect("a folder");
    own_routes(folder.path());
    let routes = folder.path().display().to_string();
    let Some(bench) = Bench::start(&["--no-samples", "--routes", &routes]).await else {
        return;
    };
    bench.open("/routes").await;
    edit(folder.path(), "dataType: model", "dataTyp: model");
    bench.until_shown("unknown-key").await;
    // The one that was deployed goes on.
    bench.submit().await;
    bench.until_state("done").await;
    bench.open("/routes").await;
    edit(folder.path(), "dataTyp: model", "dataType: model");
    let gone = "return !document.querySelector('#checked').innerText.includes('unknown-key')";
    bench.until("the mistake is gone", gone).await;
}
