//! Creations that stop early, continue late, or are cleaned up late.

use std::time::Duration;

use local_altinn::{CallFault, CreationStep, Fault};
use reqwest::Method;
use serde_json::{Value, json};

use super::again::{self, assert_answers, assert_left, case};
use super::support::{Altinn, MODEL, file, instance, model, read};

const CASEWORK: &str = "ttd/casework";
const PDF: &[u8] = b"%PDF-1.4";

/// An Altinn in which the next creation of a case has this fault.
async fn with_fault(fault: Fault) -> Altinn {
    let altinn = Altinn::start().await;
    altinn.local.faults().next(1, Some(CASEWORK), fault);
    altinn
}

impl Altinn {
    /// Creates a case with a form and an attachment.
    async fn whole_case(&self) -> super::support::Reply {
        let pdf = file("vedlegg", "a.pdf", "application/pdf", PDF);
        self.create(CASEWORK, &[instance(), model(MODEL), pdf])
            .await
    }

    /// The only case, as Storage gives it.
    #[track_caller]
    fn only_case(&self) -> Value {
        let mut cases = self.local.instances(CASEWORK);
        assert_eq!(cases.len(), 1);
        cases.remove(0)
    }

    async fn history(&self, id: &str) -> Vec<Value> {
        let path = format!("/{CASEWORK}/instances/{id}/process/history");
        let history = self.get(&path).await.expect(200).json();
        history["processHistory"].as_array().unwrap().clone()
    }
}

fn data_types(case: &Value) -> Vec<&str> {
    let data = case["data"].as_array().unwrap();
    let mut types: Vec<&str> = data
        .iter()
        .filter_map(|it| it["dataType"].as_str())
        .collect();
    types.sort_unstable();
    types
}

#[tokio::test]
async fn a_status_of_storage_is_passed_on_as_recorded() {
    for (name, step, status) in [
        (
            "older/v8.12.7-create-storage-400-data",
            CreationStep::Element(0),
            400,
        ),
        (
            "older/v8.12.7-create-storage-429-process",
            CreationStep::Process,
            429,
        ),
    ] {
        let (altinn, case) = (again::altinn().await, case(name));
        let fault = Fault::at(step, CallFault::Refused(status));
        altinn.local.faults().next(1, Some(CASEWORK), fault);
        assert_answers(&case, &altinn.replay(&case, &[]).await, &[]);
        assert_left(&altinn, CASEWORK, &case);
    }
}

#[tokio::test]
async fn a_creation_that_fails_at_a_step_does_no_later_step() {
    // For each step: the elements that exist after Storage refused it.
    let steps = [
        (CreationStep::Instance, None),
        (CreationStep::ElementsFrom(0), Some((0, false, false))),
        (CreationStep::Element(0), Some((1, false, false))),
        (CreationStep::Element(1), Some((1, false, false))),
        (CreationStep::PresentationTexts, Some((2, false, false))),
        (CreationStep::DataValues, Some((2, true, false))),
        (CreationStep::ReadBack, Some((2, true, true))),
        (CreationStep::Process, Some((2, true, true))),
    ];
    for (step, left) in steps {
        for status in [400, 401, 403, 404, 409, 413, 429, 500, 503] {
            let altinn = with_fault(Fault::at(step, CallFault::Refused(status))).await;
            let reply = altinn.whole_case().await.expect(status).json();
            let text = reply.as_str().unwrap();
            assert!(text.starts_with(&format!("{status} - ")), "{text}");
            assert!(!text.contains("50085321"), "{step:?}: it names no instance");
            let Some((elements, texts, values)) = left else {
                assert!(altinn.local.creations().is_empty());
                continue;
            };
            let case = altinn.only_case();
            assert_eq!(case["data"].as_array().unwrap().len(), elements, "{step:?}");
            assert_eq!(
                case["presentationTexts"]["title"].is_string(),
                texts,
                "{step:?}"
            );
            assert_eq!(case["dataValues"]["casework.referanse"].is_string(), values);
            assert_eq!(case["dataValues"]["stafett.relay"], "r1", "it is stamped");
            assert_eq!(case["process"]["currentTask"]["elementId"], "Task_1");
            assert_eq!(case["status"]["isHardDeleted"], false);
            let id = case["id"].as_str().unwrap();
            assert!(altinn.history(id).await.is_empty(), "{step:?}");
        }
    }
}

#[tokio::test]
async fn a_clean_creation_has_a_history() {
    let altinn = Altinn::start().await;
    let created = altinn.whole_case().await.expect(201).json();
    let history = altinn.history(created["id"].as_str().unwrap()).await;
    let entry = |index: usize, name: &str| history[index][name].clone();
    assert_eq!(history.len(), 2);
    assert_eq!(entry(0, "eventType"), "process_StartEvent");
    assert_eq!(entry(0, "elementId"), "StartEvent_1");
    assert_eq!(entry(1, "eventType"), "process_StartTask");
    assert_eq!(
        (entry(1, "elementId"), entry(1, "ended")),
        (json!("Task_1"), Value::Null)
    );
    assert_eq!(
        (entry(0, "performedBy"), entry(1, "performedBy")),
        (json!("ttd"), json!("ttd"))
    );
}

#[tokio::test]
async fn the_app_cleans_up_after_every_step_if_the_policy_permits_it() {
    let steps = [
        CreationStep::Element(0),
        CreationStep::PresentationTexts,
        CreationStep::DataValues,
        CreationStep::ReadBack,
        CreationStep::Process,
    ];
    for step in steps {
        for trouble in [
            CallFault::Refused(429),
            CallFault::AnswerLost,
            CallFault::Unreachable,
        ] {
            let altinn = with_fault(Fault::at(step, trouble)).await;
            altinn.local.app(CASEWORK).unwrap().permit("delete");
            let reply = altinn.whole_case().await;
            if trouble == CallFault::Refused(429) {
                reply.expect(429);
            } else {
                let text = reply.expect(500).json();
                let case = altinn.only_case();
                let id = case["id"].as_str().unwrap();
                let said = format!(
                    "Instantiation of data elements failed for instance {id} for party 50085321"
                );
                assert_eq!(text, said);
            }
            assert_eq!(
                altinn.only_case()["status"]["isHardDeleted"],
                true,
                "{step:?}"
            );
        }
    }
}

#[tokio::test]
async fn storage_refuses_an_unknown_data_type_after_the_instance_was_created() {
    let altinn = Altinn::start().await;
    altinn
        .local
        .app(CASEWORK)
        .unwrap()
        .hide_from_storage("vedlegg");
    let reply = altinn.whole_case().await.expect(400).json();
    let said =
        r#"400 - Bad Request - "Requested element type is not declared in application metadata""#;
    assert_eq!(reply, said);
    let case = altinn.only_case();
    assert_eq!(data_types(&case), ["model"]);
    let path = format!(
        "/{CASEWORK}/instances/{}/data?dataType=vedlegg",
        case["id"].as_str().unwrap()
    );
    let add = || {
        let add = altinn.request(Method::POST, &path).body(PDF);
        let add = add.header("content-type", "application/pdf");
        read(add.header("content-disposition", "attachment; filename=\"a.pdf\""))
    };
    add().await.expect(400);
    altinn.local.app(CASEWORK).unwrap().show_to_storage();
    add().await.expect(201);
}

#[tokio::test]
async fn an_incomplete_case_can_move_on_if_it_has_its_form() {
    let altinn = with_fault(Fault::at(
        CreationStep::PresentationTexts,
        CallFault::Refused(429),
    ))
    .await;
    altinn.whole_case().await.expect(429);
    let case = altinn.only_case();
    let base = format!("/{CASEWORK}/instances/{}", case["id"].as_str().unwrap());
    for call in ["start", "resume"] {
        let call = altinn.request(Method::POST, &format!("{base}/process/{call}"));
        read(call).await.expect(409);
    }
    let form = super::support::element(&case, "model")["id"]
        .as_str()
        .unwrap();
    let put = altinn
        .request(Method::PUT, &format!("{base}/data/{form}"))
        .body(MODEL);
    read(put.header("content-type", "application/xml"))
        .await
        .expect(201);
    let whole = altinn.only_case();
    assert_eq!(whole["presentationTexts"]["title"], "Bod & garasje");
    assert_eq!(whole["dataValues"]["casework.referanse"], "A/1");
    assert_eq!(whole["dataValues"]["stafett.relay"], "r1");
    read(altinn.request(Method::PUT, &format!("{base}/process/next")))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_case_without_its_form_cannot_move_on() {
    let altinn = with_fault(Fault::at(
        CreationStep::ElementsFrom(0),
        CallFault::Refused(503),
    ))
    .await;
    altinn.whole_case().await.expect(503);
    let id = altinn.only_case()["id"].as_str().unwrap().to_owned();
    let next = altinn.request(
        Method::PUT,
        &format!("/{CASEWORK}/instances/{id}/process/next"),
    );
    let refused = read(next).await.expect(409).json();
    assert_eq!(
        refused["validationIssues"][0]["code"],
        "TooFewDataElementsOfType"
    );
}

/// Waits until the only case satisfies `is_so`.
async fn until(altinn: &Altinn, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(case) = altinn.local.instances(CASEWORK).pop()
            && is_so(&case)
        {
            return case;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a creation, and disconnects when the instance exists.
async fn disconnect(altinn: &Altinn) {
    let pdf = file("vedlegg", "a.pdf", "application/pdf", PDF);
    let request = altinn.creation(CASEWORK, &[instance(), model(MODEL), pdf]);
    let sent = tokio::spawn(request.send());
    until(altinn, "the instance is made", |_| true).await;
    sent.abort();
}

/// Advances the clock by `step` until the only case satisfies `is_so`. It repeats this, because the app may not yet wait at the first time.
async fn wind_until(
    altinn: &Altinn,
    step: Duration,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        altinn.local.clock().advance(step);
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let case = altinn.only_case();
            if is_so(&case) {
                return case;
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}");
    }
}

#[tokio::test]
async fn the_app_completes_a_creation_after_its_client_disconnected() {
    let long = Duration::from_secs(100);
    let steps = [
        CreationStep::ElementsFrom(0),
        CreationStep::PresentationTexts,
        CreationStep::DataValues,
        CreationStep::Process,
    ];
    let delays = steps.map(|step| (step, CallFault::Delayed(long))).to_vec();
    let altinn = with_fault(Fault::Creation(delays)).await;
    disconnect(&altinn).await;
    let case = altinn.only_case();
    assert_eq!(case["data"], json!([]), "nothing else has happened yet");
    let has_data = |case: &Value| data_types(case).len() == 2;
    wind_until(&altinn, long, "the elements come", has_data).await;
    let has_title = |case: &Value| case["presentationTexts"]["title"].is_string();
    wind_until(&altinn, long, "the texts come", has_title).await;
    let has_value = |case: &Value| case["dataValues"]["casework.referanse"].is_string();
    wind_until(&altinn, long, "the values come", has_value).await;
    let has_history = |case: &Value| history(&altinn, case).len() == 2;
    wind_until(&altinn, long, "the process starts", has_history).await;
}

fn history(altinn: &Altinn, case: &Value) -> Vec<Value> {
    altinn.local.history(case["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_complete_instance_can_be_deleted_by_a_late_clean_up() {
    let late = Duration::from_secs(300);
    let fault = Fault::at(CreationStep::Process, CallFault::DoneThen(503));
    let altinn = with_fault(fault.and(CreationStep::CleanUp, CallFault::Delayed(late))).await;
    altinn.local.app(CASEWORK).unwrap().permit("delete");
    disconnect(&altinn).await;
    let whole = |case: &Value| {
        data_types(case) == ["model", "vedlegg"]
            && case["presentationTexts"]["title"].is_string()
            && case["dataValues"]["casework.referanse"].is_string()
            && history(&altinn, case).len() == 2
    };
    let case = until(&altinn, "it is complete", whole).await;
    assert_eq!(case["status"]["isHardDeleted"], false);
    let is_deleted = |case: &Value| case["status"]["isHardDeleted"] == true;
    wind_until(&altinn, late, "it is deleted", is_deleted).await;
}

#[tokio::test]
async fn the_clean_up_can_fail() {
    let fault = Fault::at(CreationStep::ReadBack, CallFault::Refused(500));
    let altinn = with_fault(fault.and(CreationStep::CleanUp, CallFault::Refused(429))).await;
    altinn.local.app(CASEWORK).unwrap().permit("delete");
    let text = altinn.whole_case().await.expect(500).json();
    assert_eq!(
        text,
        r#"500 - Internal Server Error - {"title":"injected"}"#
    );
    assert_eq!(altinn.only_case()["status"]["isHardDeleted"], false);
}
