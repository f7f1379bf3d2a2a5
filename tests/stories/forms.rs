//! B has two forms, which the route fills in one request.

use local_altinn::{App, CallFault, CreationStep, Fault, Stage};
use serde_json::{Value, json};
use tests::{
    BInstance, CASEWORK, Folder, ROUTE, Story, app_of, permit_alone, permit_route, routes,
};

/// B's second form.
const ASSESSMENT: &str = "vurdering";
/// What the route says of it.
const FORMS: &str = "  forms:
    vurdering:
      root: vurdering
      model:
        sak: { referanse: instance.id }
        anbefaling: \"'Søknad fra ' ~ data.model.soker.navn\"
";

/// The sample app B with a second form, of which it copies a field.
fn casework(change: impl FnOnce(&Folder)) -> App {
    app_of(CASEWORK, |folder| {
        let metadata = folder.path().join("applicationmetadata.json");
        let text = std::fs::read_to_string(&metadata).expect("the sample can be read");
        let mut document: Value = serde_json::from_str(&text).expect("it is JSON");
        let second = json!({
            "id": ASSESSMENT,
            "allowedContentTypes": ["application/xml"],
            "appLogic": { "autoCreate": true, "classRef": "Altinn.App.Models.Vurdering" },
            "taskId": "Task_1", "maxCount": 1, "minCount": 1,
        });
        let copied = json!({ "id": "vurdering.referanse", "path": "sak.referanse", "dataTypeId": ASSESSMENT });
        push(&mut document["dataTypes"], second);
        push(&mut document["presentationFields"], copied);
        // An app copies nothing of a form whose fields stand behind those of another one.
        document["presentationFields"]
            .as_array_mut()
            .expect("a list")
            .rotate_right(1);
        folder.write("applicationmetadata.json", document.to_string());
        folder.write(
            "app.yaml",
            "events: false\nroots: { model: melding, vurdering: vurdering }\n",
        );
        let text = json!({ "type": "string" });
        let case = json!({ "type": "object", "properties": { "referanse": text } });
        let schema = json!({
            "type": "object",
            "required": ["anbefaling"],
            "properties": { "sak": case, "anbefaling": text },
        });
        folder.write("models/vurdering.schema.json", schema.to_string());
        change(folder);
    })
}

fn push(list: &mut Value, item: Value) {
    list.as_array_mut().expect("a list").push(item);
}

/// The permit's story with this app B.
async fn story_with(b: App) -> Story {
    let route = permit_route().replace("model:\n  soknad:", &format!("{FORMS}model:\n  soknad:"));
    let routes = routes([(ROUTE, route)]);
    let mut plan = permit_alone().setting("STAFETT_SETTLE_SECONDS", "1");
    plan.routes = routes.path().to_owned();
    plan.altinn.apps.retain(|app| app.id() != CASEWORK);
    plan.altinn.apps.push(b);
    Story::begin(plan).await
}

/// B has each form once, with all that it was sent.
fn assert_complete(story: &Story, a: &str, b: &BInstance) {
    let forms: Vec<_> = b
        .attachments
        .iter()
        .filter(|it| it.data_type == ASSESSMENT)
        .collect();
    let [second] = forms.as_slice() else {
        panic!("{} assessments", forms.len())
    };
    let second = String::from_utf8_lossy(&second.bytes);
    for expected in [
        format!("<referanse>{a}</referanse>"),
        "<anbefaling>Søknad fra Kari Bygger</anbefaling>".to_owned(),
    ] {
        assert!(second.contains(&expected), "{second}");
    }
    assert_eq!(b.field("soknad/referanse"), [a]);
    let elements = b.instance["data"].as_array().into_iter().flatten();
    assert_eq!(elements.filter(|it| it["dataType"] == "model").count(), 1);
    let files = b.attachments.iter().filter(|it| it.data_type != ASSESSMENT);
    assert!(files.eq(&story.files_for_b(a)));
    assert_eq!(b.instance["presentationTexts"]["vurdering.referanse"], a);
    assert_eq!(b.instance["dataValues"]["casework.referanse"], a);
}

#[tokio::test]
async fn a_b_with_two_forms_arrives_complete_in_one_request() {
    let story = story_with(casework(|_| {})).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    story.reaches(ROUTE, &a, "done").await;
    assert_complete(&story, &a, &story.the_b(ROUTE, &a));
    assert_eq!(story.posts().len(), 1);
    story.settled().await;
}

#[tokio::test]
async fn wherever_b_stops_there_is_one_b_with_both_forms_in_the_end() {
    for may_delete in [false, true] {
        let story = story_with(casework(|_| {})).await;
        if may_delete {
            let b = story.altinn.app(CASEWORK).expect("it runs");
            b.permit("delete");
        }
        // Two forms and the PDF are three elements. Each of them is lacking once, alone and with all behind it.
        let steps = (0..3).map(CreationStep::Element);
        let steps = steps.chain((0..=3).map(CreationStep::ElementsFrom));
        let steps: Vec<_> = steps.chain([CreationStep::Process]).collect();
        for step in &steps {
            let fault = Fault::at(*step, CallFault::Refused(500));
            story.altinn.faults().next(1, Some(CASEWORK), fault);
        }
        let permits: Vec<String> = steps.iter().map(|_| story.fill_in(Stage::Ended)).collect();
        story
            .send(permits.iter().map(|a| Story::message(ROUTE, a)))
            .await;
        for a in &permits {
            story.reaches(ROUTE, a, "done").await;
            assert_complete(&story, a, &story.the_live_b(ROUTE, a));
        }
        story.settled().await;
        assert!(story.dead_letters(0).await.is_empty());
        story.end().await;
    }
}

#[tokio::test]
async fn a_class_of_the_second_form_that_drops_a_field_stops_the_route() {
    let b = casework(|folder| {
        let class = "public class Vurdering {\n  [XmlElement(\"sak\", Order = 0)] public Sak sak { get; set; }\n}\n\
             public class Sak {\n  [XmlElement(\"referanse\", Order = 0)] public string referanse { get; set; }\n}\n";
        folder.write("models/Vurdering.cs", class);
    });
    let story = story_with(b).await;
    let a = story.fill_in(Stage::Ended);
    story.trigger(&a).await;
    let item = story.reaches(ROUTE, &a, "failed").await;
    assert_eq!(item["reason"], "arrived_differently");
    let detail = item["detail"].as_str().expect("a detail");
    assert_eq!(detail, "B lacks to.forms.vurdering.model.anbefaling");
}
