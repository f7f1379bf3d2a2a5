//! What comes in is material, whoever sent it: it names no place that is visited, brings nothing that is
//! unpacked, takes no more memory than there is, and writes no line of a log.
//!
//! Where somebody could be lured there stands a trap, which gives whoever comes all that was hoped for.
//! Nobody must ever come.

mod addresses;
mod lines;
mod paths;
mod sizes;

use local_altinn::{FormContent, Stage, Submission, SubmissionOwner};
use serde_json::json;
use testbed::wire::Wire;
use tests::{PERMIT, Story};

/// An address of a stranger, behind which all of Altinn seems to be.
struct Trap(Wire);

impl Trap {
    async fn of(story: &Story) -> Self {
        let wire = Wire::start(&story.altinn.url()).await;
        Self(wire.expect("a wire can be laid"))
    }

    fn url(&self) -> &str {
        self.0.url()
    }

    /// Nobody came; and had somebody come, it would have been noticed.
    async fn assert_unvisited(self) {
        let visits = self.0.journal().all();
        assert!(visits.is_empty(), "the trap was visited: {visits:?}");
        let known = format!("{}/{PERMIT}/api/v1/applicationmetadata", self.url());
        let seen = reqwest::get(known).await.expect("the trap is open");
        assert_eq!(seen.status(), 200, "the trap gives what was hoped for");
        assert_eq!(self.0.journal().all().len(), 1);
    }
}

/// A citizen fills in a permit with these words.
fn fill_in(story: &Story, name: &str, remark: &str) -> String {
    let form = json!({
        "soker": { "navn": name, "fodselsnummer": "12837832290" },
        "tiltak": [{ "kode": "TB", "beskrivelse": "Tilbygg", "areal": 24.5 }],
        "merknad": remark,
    });
    let submission = Submission {
        app: PERMIT.to_owned(),
        owner: SubmissionOwner::Person("12837832290".to_owned()),
        forms: vec![("model".to_owned(), FormContent::Json(form))],
        attachments: Vec::new(),
        until: Stage::Ended,
    };
    let submitted = story.altinn.submit(&submission);
    submitted.expect("a citizen can fill in a permit")
}
