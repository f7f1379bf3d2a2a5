//! Elements of A that are JSON and no form are read as data.

use local_altinn::Stage;
use serde_json::json;
use tests::{Attachment, PERMIT, ROUTE, Story, app, permit_alone, permit_route, routes};

/// A data type of A for JSON, of which A may have so many.
fn measurements(most: u64) -> local_altinn::App {
    app(PERMIT, |a| {
        let types = a["dataTypes"].as_array_mut().expect("A has data types");
        types.push(json!({
            "id": "opplysninger", "allowedContentTypes": ["application/json"], "maxCount": most, "minCount": 0,
        }));
    })
}

#[tokio::test]
async fn json_without_a_class_is_read_and_is_a_list_where_a_may_have_several() {
    for (most, expression) in [
        (1, "data.opplysninger.hoyde"),
        (0, "(data.opplysninger | first).hoyde"),
    ] {
        let route = permit_route()
            .replace("{ process: completed }", "{ task: Task_1 }")
            .replace("    mottatt: instance.process.ended\n", "")
            .replace(
                "  - { from: ref-data-as-pdf, to: vedlegg, required: true }\n",
                "",
            )
            .replace(
                "merknad: data.model.merknad",
                &format!("merknad: \"'Høyde ' ~ {expression}\""),
            );
        let folder = routes([(ROUTE, route)]);
        let mut plan = permit_alone();
        plan.routes = folder.path().to_owned();
        plan.altinn.apps.retain(|app| app.id() != PERMIT);
        plan.altinn.apps.push(measurements(most));
        let story = Story::begin(plan).await;
        let a = story.fill_in(Stage::Task("Task_1".to_owned()));
        let file = Attachment {
            data_type: "opplysninger".to_owned(),
            filename: "maal.json".to_owned(),
            content_type: "application/json".to_owned(),
            bytes: r#"{"hoyde": 4.50, "bredde": null}"#.into(),
        };
        story.upload(PERMIT, &a, &file).await;
        story.trigger(&a).await;
        story.reaches(ROUTE, &a, "done").await;
        let b = story.the_b(ROUTE, &a);
        assert_eq!(b.field("soknad/merknad"), ["Høyde 4.5"], "{expression}");
        story.end().await;
    }
}
