//! Failed relays outlive the dead-letter queue, and are sent again from the ledger.

use super::*;

/// Records a part of a route's set as failed.
async fn record_part(desk: &Desk, instance: &str, key: &str, reason: Reason) {
    let source = instance.parse().expect("an instance id");
    let relay = RelayId::keyed(ROUTE.parse().expect("a route name"), source, key);
    desk.put(&relay, source, State::Failed, Some(reason)).await;
}

#[tokio::test]
async fn inspect_counts_the_queue_and_the_ledger_apart() {
    let desk = Desk::set_up().await;
    // These have a message; one of them has two.
    let with = desk
        .fail(ROUTE, 3, State::Failed, Reason::DraftRefused)
        .await;
    desk.add_dead_letters([Story::message(ROUTE, &with[0])])
        .await;
    // The message of these has left the queue.
    for instance in instances(4) {
        desk.record(ROUTE, &instance, State::Failed, Some(Reason::Refused))
            .await;
    }
    let set = instances(1).remove(0);
    desk.record(ROUTE, &set, State::Failed, Some(Reason::PartsFailed))
        .await;
    record_part(&desk, &set, "1", Reason::Refused).await;
    desk.record(ROUTE, &instances(1)[0], State::Waiting, None)
        .await;

    let answer = desk.ask(json!({ "action": INSPECT })).await;
    assert_eq!(
        (&answer["total"], &answer["complete"]),
        (&json!(4), &json!(true))
    );
    let ledger = &answer["ledger"];
    assert_eq!(
        (&ledger["total"], &ledger["withoutLetter"]),
        (&json!(9), &json!(6)),
        "{ledger:#}"
    );
    let groups: Vec<Value> = ledger["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| json!([group["route"], group["reason"], group["count"]]))
        .collect();
    assert_eq!(
        groups,
        [
            json!([ROUTE, "b_refused", 5]),
            json!([ROUTE, "draft_refused", 3]),
            json!([ROUTE, "parts_failed", 1]),
        ]
    );
}

#[tokio::test]
async fn each_failed_a_gets_one_trigger_and_the_next_invocation_goes_on() {
    let desk = Desk::set_up().await;
    let wanted = instances(25);
    for instance in &wanted {
        desk.record(ROUTE, instance, State::Failed, Some(Reason::PartsFailed))
            .await;
        for key in ["1", "2"] {
            record_part(&desk, instance, key, Reason::Refused).await;
        }
    }
    for instance in instances(3) {
        desk.record(ROUTE, &instance, State::Failed, Some(Reason::MappingFailed))
            .await;
    }
    desk.clock
        .stand_at(desk.clock.now() + SignedDuration::from_secs(1));
    let selection = |dry_run| {
        json!({
            "action": "redrive", "from": "ledger", "route": ROUTE, "reason": "b_refused",
            "max": 10, "perSecond": 1000, "dryRun": dry_run,
        })
    };
    let dry = desk.ask(selection(true)).await;
    assert_eq!(dry["sent"], 10, "{dry:#}");
    assert_eq!(desk.depth(desk.queue()).await, (0, 0));

    let (mut request, mut sent) = (selection(false), 0);
    let mut calls = 0;
    while request != Value::Null {
        let answer = desk.ask(request).await;
        sent += answer["sent"].as_u64().unwrap_or_default();
        let ended = answer["next"].is_null();
        assert_eq!(answer["complete"], ended, "{answer:#}");
        assert_eq!(
            answer["stopped"],
            if ended { json!(null) } else { json!("max") }
        );
        // What fails again meanwhile is not sent again.
        desk.record(
            ROUTE,
            &instances(1)[0],
            State::Failed,
            Some(Reason::Refused),
        )
        .await;
        request = answer["next"].clone();
        calls += 1;
        assert!(calls < 10, "it does not end");
    }
    let bodies = desk.take_bodies(desk.queue()).await;
    assert_eq!(bodies.len() as u64, sent);
    assert!(
        bodies
            .iter()
            .all(|body| body.contains("\"cause\":\"redrive\""))
    );
    let told: BTreeSet<String> = triggers(&bodies).into_keys().collect();
    assert_eq!(
        told,
        BTreeSet::from_iter(wanted),
        "no other, and none is lost"
    );
    // An A whose parts lie on both sides of the place where an invocation stopped has one trigger of each.
    assert!((25..25 + calls).contains(&sent), "{sent} in {calls} calls");
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_sent_by_the_next_invocation() {
    let desk = Desk::set_up().await;
    let wanted = instances(25);
    for instance in &wanted {
        desk.record(ROUTE, instance, State::Failed, Some(Reason::Refused))
            .await;
    }
    desk.clock
        .stand_at(desk.clock.now() + SignedDuration::from_secs(1));
    let faults = desk.sqs_wire.faults();
    let refuse = CannedResponse::status(StatusCode::FORBIDDEN);
    faults.add(
        On::operation("SendMessageBatch").nth(2),
        Action::Answer(refuse),
    );
    let all = json!({ "action": "redrive", "from": "ledger", "route": ROUTE, "perSecond": 1000 });
    let some = desk.ask(all).await;
    assert_eq!(
        (&some["sent"], &some["stopped"]),
        (&json!(10), &json!("trouble")),
        "{some:#}"
    );
    let rest = desk.ask(some["next"].clone()).await;
    assert_eq!(
        (&rest["sent"], &rest["complete"]),
        (&json!(15), &json!(true))
    );
    let bodies = desk.take_bodies(desk.queue()).await;
    assert_eq!(bodies.len(), 25, "each once");
    let told: BTreeSet<String> = triggers(&bodies).into_keys().collect();
    assert_eq!(told, BTreeSet::from_iter(wanted));
}

#[tokio::test]
async fn a_relay_whose_message_is_gone_is_made_after_its_cause_was_corrected() {
    let broken = permit_route().replace(
        "innsender: data.model.soker.navn",
        "innsender: data.model.soker.telefon | upper",
    );
    assert_ne!(broken, permit_route());
    let folder = routes([(ROUTE, broken)]);
    let mut plan = permit_alone();
    plan.routes = folder.path().to_owned();
    plan.code = binaries().code();
    let story = Story::begin(plan).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "failed").await;
    dead(&story, 1).await;
    let url = &story.aws.resources().dead_letter_queue.url;
    let purged = story.sqs().purge_queue().queue_url(url).send().await;
    purged.expect("SQS answers");
    dead(&story, 0).await;

    folder.write(&format!("{ROUTE}.yaml"), permit_route());
    let processes = story.instantiate.processes();
    processes.expect("it runs in processes").kill_all().await;
    let request = json!({ "action": "redrive", "from": "ledger", "route": ROUTE });
    let sent = story.redrive.invoke(&request).await.expect("it answers");
    assert_eq!((&sent["sent"], &sent["next"]), (&json!(1), &json!(null)));
    story.reaches(ROUTE, &a, "done").await;
    story.the_b(ROUTE, &a);
    let again = story.redrive.invoke(&request).await.expect("it answers");
    assert_eq!(again["total"], 0, "it is out of the index: {again:#}");
    story.end().await;
}
