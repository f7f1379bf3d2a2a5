//! No input is trusted, whoever sent it: no address in it is visited, nothing in it is unpacked, it takes no more
//! memory than there is, and it cannot forge a log line.
//!
//! Wherever an input could lure a function to another server, a trap listens that answers as all of Altinn.
//! It must never be called.

mod addresses;
mod lines;
mod paths;
mod sizes;

use local_altinn::{FormContent, Stage, Submission, SubmissionOwner};
use serde_json::json;
use testbed::wire::Wire;
use tests::{PERMIT, Story};

/// The trap: an address under which all of Altinn seems to answer.
struct Trap(Wire);

impl Trap {
    async fn of(story: &Story) -> Self {
        let wire = Wire::start(&story.altinn.url()).await;
        Self(wire.expect("a wire can be set up"))
    }

    fn url(&self) -> &str {
        self.0.url()
    }

    /// Asserts that nobody called it, and that a call would have been noticed.
    async fn assert_unvisited(self) {
        let visits = self.0.journal().all();
        assert!(visits.is_empty(), "the trap was visited: {visits:?}");
        let known = format!("{}/{PERMIT}/api/v1/applicationmetadata", self.url());
        let seen = reqwest::get(known).await.expect("the trap is open");
        assert_eq!(seen.status(), 200, "the trap gives what was hoped for");
        assert_eq!(self.0.journal().all().len(), 1);
    }
}

/// A citizen fills in a permit with these texts.
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
