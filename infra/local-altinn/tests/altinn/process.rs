use local_altinn::{Fault, Stage, SubmitError};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Altinn, KARI, application, casework, element, instance, permit, read, set};

fn kinds(altinn: &Altinn) -> Vec<String> {
    altinn
        .local
        .events()
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect()
}

fn pdfs(instance: &Value) -> Vec<&Value> {
    instance["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|element| element["dataType"] == "ref-data-as-pdf")
        .collect()
}

#[tokio::test]
async fn a_submission_stops_at_its_stage_and_is_archived_at_the_end() {
    let altinn = Altinn::start().await;
    for (until, task, count) in [
        (Stage::Task("Task_1".to_owned()), Some("Task_1"), 0),
        (Stage::Task("Task_2".to_owned()), Some("Task_2"), 1),
        (Stage::Ended, None, 1),
    ] {
        let id = altinn.application(until.clone());
        let instance = altinn.app_instance("ttd/permit", &id).await;
        assert_eq!(
            instance["process"]["currentTask"]["elementId"].as_str(),
            task,
            "{until:?}"
        );
        assert_eq!(pdfs(&instance).len(), count, "{until:?}");
        assert_eq!(
            element(&instance, "model")["locked"],
            task != Some("Task_1")
        );
        let ended = task.is_none();
        assert_eq!(instance["status"]["isArchived"], ended);
        assert_eq!(instance["status"]["archived"].is_string(), ended);
        assert_eq!(
            instance["process"]["endEvent"].as_str(),
            ended.then_some("EndEvent_1")
        );
        assert_eq!(instance["instanceOwner"]["personNumber"], KARI);
        assert_eq!(instance["createdBy"], "20001234");
        for pdf in pdfs(&instance) {
            assert_eq!(
                pdf["references"],
                json!([{"value": "Task_1", "relation": "GeneratedFrom", "valueType": "Task"}])
            );
            assert_eq!(
                (&pdf["filename"], &pdf["contentType"]),
                (
                    &json!("Søknad om tillatelse til tiltak.pdf"),
                    &json!("application/pdf")
                )
            );
            let bytes = altinn
                .local
                .bytes(&id, pdf["id"].as_str().unwrap())
                .unwrap();
            assert!(
                bytes.starts_with(b"%PDF-") && bytes.len() as u64 == pdf["size"].as_u64().unwrap()
            );
            assert!(
                String::from_utf8_lossy(&bytes).contains(&id),
                "a receipt of this instance"
            );
        }
    }
    let nowhere = altinn
        .local
        .submit(&application(Stage::Task("Task_9".to_owned())));
    assert!(matches!(nowhere, Err(SubmitError::Process { .. })));
}

#[tokio::test]
async fn events_are_published_only_if_the_app_publishes_them() {
    let altinn = Altinn::start().await;
    altinn.application(Stage::Ended);
    assert_eq!(
        kinds(&altinn),
        [
            "app.instance.created",
            "app.instance.process.movedTo.Task_2",
            "app.instance.process.completed"
        ]
    );
    altinn.local.app("ttd/permit").unwrap().set_events(false);
    altinn.application(Stage::Ended);
    altinn.case().await;
    assert_eq!(kinds(&altinn).len(), 3, "casework has them off");
    altinn.local.app("ttd/permit").unwrap().set_events(true);
    altinn
        .local
        .faults()
        .next(2, Some("ttd/permit"), Fault::EventLost);
    altinn.application(Stage::Ended);
    assert_eq!(
        kinds(&altinn)[3..],
        ["app.instance.process.completed"],
        "lost ones are lost"
    );
}

#[tokio::test]
async fn reject_without_a_gateway_moves_forward() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Task("Task_2".to_owned()));
    altinn.local.reject(&id).unwrap();
    let rejected = altinn.app_instance("ttd/permit", &id).await;
    assert!(rejected["process"]["ended"].is_string());
    assert_eq!(rejected["status"]["isArchived"], true);
}

#[tokio::test]
async fn a_rejected_receipt_is_deleted_and_generated_again() {
    let app = permit(|_, settings| settings.tasks[1].gateway = true);
    let altinn = Altinn::with_apps(vec![app]).await;
    let id = altinn.application(Stage::Task("Task_2".to_owned()));
    let before = altinn.app_instance("ttd/permit", &id).await;
    altinn.local.reject(&id).unwrap();
    let rejected = altinn.app_instance("ttd/permit", &id).await;
    assert_eq!(rejected["process"]["currentTask"]["elementId"], "Task_1");
    assert!(pdfs(&rejected).is_empty() && element(&rejected, "model")["locked"] == false);
    altinn.local.advance(&id).unwrap();
    let again = altinn.app_instance("ttd/permit", &id).await;
    assert_eq!(pdfs(&again).len(), 1);
    assert_ne!(pdfs(&again)[0]["id"], pdfs(&before)[0]["id"]);
}

#[tokio::test]
async fn a_failed_receipt_stops_the_process() {
    let altinn = Altinn::start().await;
    let id = altinn.application(Stage::Task("Task_1".to_owned()));
    altinn
        .local
        .faults()
        .next(2, Some("ttd/permit"), Fault::PdfFails);
    assert!(altinn.local.advance(&id).is_err());
    let reply = read(altinn.request(
        Method::PUT,
        &format!("/ttd/permit/instances/{id}/process/next"),
    ))
    .await
    .expect(500);
    assert_eq!(reply.json()["title"], "Process next failed.");
    let instance = altinn.app_instance("ttd/permit", &id).await;
    assert_eq!(instance["process"]["currentTask"]["elementId"], "Task_1");
    assert_eq!(element(&instance, "model")["locked"], false);
    assert_eq!(kinds(&altinn), ["app.instance.created"]);
    altinn.local.advance(&id).unwrap();
}

#[tokio::test]
async fn the_service_owner_may_end_a_data_task_but_neither_confirm_nor_reject() {
    let altinn = Altinn::start().await;
    let id = altinn.case().await;
    let path = format!("/ttd/casework/instances/{id}/process");
    let state = altinn.get(&path).await.expect(200).json();
    assert_eq!(state["currentTask"]["altinnTaskType"], "data");
    assert_eq!(state["processTasks"].as_array().unwrap().len(), 2);
    let state = read(altinn.request(Method::PUT, &format!("{path}/next")))
        .await
        .expect(200)
        .json();
    assert_eq!(state["currentTask"]["elementId"], "Task_2");
    assert_eq!(
        state["currentTask"]["actions"],
        json!({"read": true, "write": true, "confirm": false, "reject": false})
    );
    for body in [
        None,
        Some(json!({"action": "confirm"})),
        Some(json!({"action": "reject"})),
    ] {
        let request = altinn.request(Method::PUT, &format!("{path}/next"));
        let request = if let Some(body) = body {
            request.json(&body)
        } else {
            request
        };
        assert_eq!(read(request).await.expect(403).json()["status"], 403);
    }
    altinn.local.app("ttd/casework").unwrap().permit("confirm");
    let state = read(altinn.request(Method::PUT, &format!("{path}/next")))
        .await
        .expect(200)
        .json();
    assert!(
        state["currentTask"].is_null()
            && state["ended"].is_string()
            && state["endEvent"] == "EndEvent_1"
    );
    let ended = read(altinn.request(Method::PUT, &format!("{path}/next")))
        .await
        .expect(409)
        .json();
    assert_eq!(ended["detail"], "Process is ended.");
    let history = altinn
        .get(&format!("{path}/history"))
        .await
        .expect(200)
        .json();
    assert_eq!(history["processHistory"].as_array().unwrap().len(), 4);
    let missing = "/ttd/casework/instances/50085321/00000000-0000-4000-8000-000000000000/process";
    assert!(altinn.get(missing).await.expect(404).bytes.is_empty());
}

#[tokio::test]
async fn a_task_with_invalid_data_does_not_end() {
    let altinn = Altinn::start().await;
    let created = altinn
        .create("ttd/casework", &[instance()])
        .await
        .expect(201)
        .json();
    let id = created["id"].as_str().unwrap();
    let reply = read(altinn.request(
        Method::PUT,
        &format!("/ttd/casework/instances/{id}/process/next"),
    ))
    .await
    .expect(409)
    .json();
    assert_eq!(reply["title"], "Validation failed for task");
    let issues = reply["validationIssues"].as_array().unwrap();
    assert_eq!(
        reply["detail"],
        format!("{} validation errors found for task Task_1", issues.len())
    );
    assert!(issues.iter().all(|issue| issue["severity"] == 1) && !issues.is_empty());

    let few = casework(|document, _| set(document, "vedlegg", "minCount", json!(1)));
    let altinn = Altinn::with_apps(vec![few]).await;
    let id = altinn.case().await;
    let reply = read(altinn.request(
        Method::PUT,
        &format!("/ttd/casework/instances/{id}/process/next"),
    ))
    .await
    .expect(409)
    .json();
    assert_eq!(
        reply["validationIssues"][0]["code"],
        "TooFewDataElementsOfType"
    );
}

#[tokio::test]
async fn an_app_may_delete_its_instances_at_the_end() {
    let app = permit(|document, _| document["autoDeleteOnProcessEnd"] = json!(true));
    let altinn = Altinn::with_apps(vec![app]).await;
    altinn.application(Stage::Ended);
    let instance = &altinn.local.instances("ttd/permit")[0];
    assert_eq!(
        (
            &instance["status"]["isHardDeleted"],
            &instance["status"]["isArchived"]
        ),
        (&json!(true), &json!(true))
    );
}
