//! The local Altinn responds as Altinn's own code did when it was recorded.
//!
//! Each recorded request is sent to a new local Altinn, over HTTP and with a signed token. The known differences are listed in
//! [`differences`]. Every other difference fails the test, and so does a listed difference that does not occur.

mod differences;
mod given;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use futures_util::StreamExt as _;
use local_altinn::{App, Library};

use self::stage::Stage;
use super::recorded::compare::Difference;
use super::recorded::table::judge;
use super::recorded::{Conversation, load};

/// The current app-lib, older versions, and the next generation.
const FOLDERS: [&str; 3] = ["", "older", "v9"];
/// The number of conversations that are replayed at a time.
const AT_A_TIME: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_altinn_answers_as_recorded() {
    let only = std::env::var("CONVERSATION").ok();
    let conversations: Vec<Conversation> = FOLDERS
        .into_iter()
        .flat_map(load)
        .filter(|conversation| only.as_ref().is_none_or(|only| conversation.name == *only))
        .collect();
    assert!(!conversations.is_empty(), "no conversation of that name");
    let count = conversations.len();
    let files = stage::files();
    let libraries: BTreeSet<Library> = conversations
        .iter()
        .map(|conversation| stage::library(&conversation.name))
        .collect();
    let apps: BTreeMap<Library, Vec<App>> = libraries
        .into_iter()
        .map(|library| (library, stage::apps(&files, library)))
        .collect();
    let outcomes: BTreeMap<String, Vec<Difference>> = futures_util::stream::iter(conversations)
        .map(|conversation| {
            let apps = apps[&stage::library(&conversation.name)].clone();
            let name = conversation.name.clone();
            // If the state that `given` describes cannot be set up here, that counts as a difference.
            let played =
                tokio::spawn(async move { Stage::set(&conversation, apps).await.play().await });
            async move {
                let differences = played.await.unwrap_or_else(|error| {
                    vec![Difference {
                        at: "given".to_owned(),
                        recorded: "possible".to_owned(),
                        actual: error.to_string(),
                    }]
                });
                (name, differences)
            }
        })
        .buffer_unordered(AT_A_TIME)
        .collect()
        .await;
    let outcome = judge(differences::TABLE, &outcomes);
    let report = format!(
        "{count} recorded conversations: {} agree, {} differ as named in {} rows, {} differences are not named, {} rows name nothing\n",
        outcome.agreed,
        outcome.named,
        differences::TABLE.len(),
        outcome.unnamed.len(),
        outcome.gone.len(),
    );
    std::io::stdout().write_all(report.as_bytes()).unwrap();
    assert!(
        outcome.unnamed.is_empty(),
        "{report}recorded / here:\n{}",
        outcome.unnamed.join("\n")
    );
    assert!(
        only.is_some() || outcome.gone.is_empty(),
        "{report}no longer different, or never was: {}",
        outcome.gone.join("\n")
    );
}
