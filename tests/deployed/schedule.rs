//! What the scheduled reconcile finds.

use std::time::Instant;

use http::Method;
use serde_json::{Value, json};

use crate::deployed::{Deployed, print, run_story};

/// Changes expression and state of the stack's schedule; everything else stays as in the template.
async fn change(deployed: &Deployed, told: &Value, expression: &str, state: &str) {
    let path = format!(
        "/schedules/{}",
        deployed.named("/schedules/ReconcileSchedule")
    );
    let changed = json!({
        "ScheduleExpression": expression,
        "State": state,
        "Description": told["Description"],
        "FlexibleTimeWindow": told["FlexibleTimeWindow"],
        "Target": told["Target"],
    });
    deployed
        .aws("scheduler", Method::PUT, &path, Some(changed))
        .await;
}

/// The template's five minutes are too long for a test: here the same schedule fires every minute.
#[test]
fn the_schedule_finds_an_instance_without_a_trigger() {
    run_story(async |deployed| {
        let path = format!(
            "/schedules/{}",
            deployed.named("/schedules/ReconcileSchedule")
        );
        let told = deployed.aws("scheduler", Method::GET, &path, None).await;
        assert_eq!(told["ScheduleExpression"], "rate(5 minutes)");
        let a = deployed.submit();
        let began = Instant::now();
        change(deployed, &told, "rate(1 minute)", "ENABLED").await;
        deployed.done(&a).await;
        print(format!(
            "found by the schedule after {} ms",
            began.elapsed().as_millis()
        ));
        deployed.the_one_complete_b(&a);
        change(deployed, &told, "rate(5 minutes)", "DISABLED").await;
    });
}
