//! Apps on different versions of app-lib.

use local_altinn::{CallFault, CreationStep, Fault, Library};
use reqwest::Method;
use serde_json::{Value, json};

use super::again::{self, assert_answers, assert_left, assert_like, case};
use super::support::{Altinn, Reply, read};
use crate::recorded::Conversation;

const CASEWORK: &str = "ttd/casework";
const CONTRACT: &str = "ttd/contract";

/// The apps of the recordings on another version of the library.
async fn on(library: Library) -> Altinn {
    let altinn = again::altinn().await;
    for app in [CASEWORK, CONTRACT, "ttd/permit"] {
        altinn.local.app(app).unwrap().run_on(library);
    }
    altinn
}

fn library(name: &str) -> Library {
    let version = name.trim_start_matches("older/v");
    let version = version.split('-').next().unwrap();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Library::new(next(), next(), next())
}

/// Replays a recorded creation, and compares the instances that it left with the recording.
async fn creation(name: &str, fault: Option<Fault>) -> (Conversation, Reply) {
    let (altinn, case) = (on(library(name)).await, case(name));
    let app = case.request.at.clone();
    if app == CONTRACT {
        altinn.local.app(CONTRACT).unwrap().permit("delete");
    }
    if let Some(fault) = fault {
        altinn.local.faults().next(1, Some(&app), fault);
    }
    let reply = altinn.replay(&case, &[]).await;
    assert_left(&altinn, &app, &case);
    (case, reply)
}

#[tokio::test]
async fn a_refused_form_is_answered_as_by_each_version() {
    for name in [
        "older/v7.15.3-create-form-bad-date",
        "older/v8.0.0-create-form-bad-date",
        "older/v8.0.0-create-orphan",
        "older/v8.0.0-create-second-instance-part",
        "older/v8.12.2-create-orphan",
    ] {
        let (case, reply) = creation(name, None).await;
        assert_answers(&case, &reply, &[]);
    }
}

#[tokio::test]
async fn a_refused_form_leaves_a_deleted_instance_only_if_the_library_cleans_up() {
    for (library, deleted, status) in [
        (Library::new(8, 4, 9), false, 500),
        (Library::new(8, 5, 0), true, 400),
        (Library::new(8, 12, 2), true, 400),
        (Library::TODAY, true, 400),
    ] {
        let altinn = on(library).await;
        altinn.local.app(CASEWORK).unwrap().permit("delete");
        let case = case("create-orphan");
        altinn.replay(&case, &[]).await.expect(status);
        let left = &altinn.local.instances(CASEWORK)[0];
        assert_eq!(left["status"]["isHardDeleted"], deleted, "{library}");
    }
}

#[tokio::test]
async fn only_the_newest_library_cleans_up_after_an_exception() {
    for (library, deleted) in [(Library::new(8, 12, 2), false), (Library::TODAY, true)] {
        let altinn = on(library).await;
        altinn.local.app(CONTRACT).unwrap().permit("delete");
        let fault = Fault::at(CreationStep::Process, CallFault::Refused(429));
        altinn.local.faults().next(1, Some(CONTRACT), fault);
        altinn.replay(&case("create-full"), &[]).await.expect(429);
        let left = &altinn.local.instances(CONTRACT)[0];
        assert_eq!(left["status"]["isHardDeleted"], deleted, "{library}");
    }
}

#[tokio::test]
async fn an_older_library_stores_parts_in_turn_and_writes_no_values() {
    for (name, step, status) in [
        (
            "older/v8.0.0-create-storage-400-data",
            CreationStep::Element(0),
            400,
        ),
        (
            "older/v8.0.0-create-storage-429-data",
            CreationStep::Element(0),
            429,
        ),
        (
            "older/v8.0.0-create-storage-429-process",
            CreationStep::Process,
            429,
        ),
    ] {
        let fault = Fault::at(step, CallFault::Refused(status));
        let (case, reply) = creation(name, Some(fault)).await;
        assert_answers(&case, &reply, &[]);
    }
    let (case, reply) = creation("older/v8.0.0-create-full", None).await;
    let (recorded, made) = (case.answer.body.unwrap(), reply.expect(201).json());
    assert_eq!(made["presentationTexts"], recorded["presentationTexts"]);
    let fields = |it: &Value| {
        let it = it["instanceOwner"].as_object().unwrap();
        it.keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(fields(&made), fields(&recorded), "it has no party");
}

/// An instance of `contract`.
async fn contract(altinn: &Altinn) -> String {
    let made = altinn
        .replay(&case("create-full"), &[])
        .await
        .expect(201)
        .json();
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_older_library_does_not_limit_added_elements() {
    for name in [
        "older/v8.0.0-app-data-post-form",
        "older/v8.0.0-app-data-post-over-max",
        "older/v8.0.0-app-data-post-unknown-type",
    ] {
        let altinn = on(library(name)).await;
        let id = contract(&altinn).await;
        let (party, guid) = id.split_once('/').unwrap();
        let case = case(name);
        let reply = altinn.replay(&case, &[("party", party), ("a", guid)]).await;
        assert_eq!(
            case.answer.status,
            Some(reply.status),
            "{name}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn an_ended_process_is_refused_as_by_each_version() {
    for name in [
        "older/v7.15.3-app-process-next-ended",
        "older/v8.0.0-app-process-next-ended",
        "app-process-next-ended",
    ] {
        let age = if name.starts_with("older") {
            library(name)
        } else {
            Library::TODAY
        };
        let altinn = on(age).await;
        let id = contract(&altinn).await;
        let next = format!("/{CONTRACT}/instances/{id}/process/next");
        read(altinn.request(Method::PUT, &next)).await.expect(200);
        let (party, guid) = id.split_once('/').unwrap();
        let case = case(name);
        let reply = altinn.replay(&case, &[("party", party), ("a", guid)]).await;
        if age == Library::TODAY {
            assert_eq!(reply.expect(409).json()["detail"], "Process is ended.");
        } else {
            assert_answers(&case, &reply, &[]);
        }
    }
}

#[tokio::test]
async fn the_oldest_library_has_no_actions() {
    let altinn = on(Library::new(7, 15, 3)).await;
    let id = contract(&altinn).await;
    let process = altinn
        .get(&format!("/{CONTRACT}/instances/{id}/process"))
        .await
        .expect(200);
    let recorded = case("older/v7.15.3-app-process");
    assert_like("process", &recorded.answer.body.unwrap(), &process.json());
    let next = format!("/{CONTRACT}/instances/{id}/process/next");
    let ended = altinn
        .send(Method::PUT, &next, &json!({"action": "sign"}))
        .await
        .expect(200);
    let recorded = case("older/v7.15.3-app-process-next-wrong-action");
    assert_like("ended", &recorded.answer.body.unwrap(), &ended.json());
}
