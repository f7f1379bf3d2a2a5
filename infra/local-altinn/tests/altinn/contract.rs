//! The local Altinn answers as Altinn's own code did when it was recorded.
//!
//! Each recorded request is put to a local Altinn of its own, over HTTP and with a signed token. What may differ is named in
//! [`differences`]; everything else is a failure, and so is a named difference that is gone.

mod differences;
mod given;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use futures_util::StreamExt as _;

use self::stage::Stage;
use super::recorded::compare::Difference;
use super::recorded::table::judge;
use super::recorded::{Conversation, load};
use local_altinn::{App, Library};

/// App-lib of today, older ones, and the next generation.
const FOLDERS: [&str; 3] = ["", "older", "v9"];
/// So many conversations at a time.
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
            // What `given` describes may be impossible here: that is a difference like any other.
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
