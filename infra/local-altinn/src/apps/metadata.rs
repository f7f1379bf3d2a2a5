//! The endpoints of an app that need no authentication: metadata, process, policy and schemas.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::routing::get;

use crate::app::{App, AppDefinition};
use crate::app_metadata;
use crate::responses::{self, HandlerResult, Refusal};
use crate::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/{org}/{app}/api/v1/applicationmetadata", get(application))
        .route("/{org}/{app}/api/v1/meta/process", get(process))
        .route("/{org}/{app}/api/v1/meta/authorizationpolicy", get(policy))
        .route("/{org}/{app}/api/jsonschema/{data_type}", get(schema))
}

fn find(world: &World, org: &str, app: &str) -> Result<Arc<AppDefinition>, Refusal> {
    world
        .app(org, app)
        .ok_or_else(|| responses::empty(StatusCode::NOT_FOUND).into())
}

async fn application(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
) -> HandlerResult {
    let app = find(&world, &org, &app)?;
    Ok(responses::with_header(
        responses::json_value(
            StatusCode::OK,
            &app_metadata::from_app(&app.document, app.library()),
        ),
        header::CACHE_CONTROL,
        "public,max-age=60",
    ))
}

async fn schema(
    State(world): State<Arc<World>>,
    Path((org, app, data_type)): Path<(String, String, String)>,
) -> HandlerResult {
    let app = find(&world, &org, &app)?;
    let model = app
        .models
        .get(&data_type)
        .ok_or_else(|| {
            let file = format!("models/{data_type}.schema.json");
            responses::unhandled(
                app.settings.production,
                format!(
                    "System.IO.FileNotFoundException: Could not find file '{file}'.\nFile name: '{file}'"
                ),
            )
        })?;
    // The app sends the file as text (measured, tests/recorded/app-jsonschema.json).
    let text = serde_json::to_string_pretty(model.schema()).unwrap_or_default();
    Ok(responses::text(StatusCode::OK, text))
}

async fn process(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
) -> HandlerResult {
    let app = find(&world, &org, &app)?;
    Ok(responses::with_body(
        StatusCode::OK,
        Some("text/xml; charset=utf-8"),
        Body::from(app.bpmn.clone().unwrap_or_else(|| bpmn(&app))),
    ))
}

async fn policy(
    State(world): State<Arc<World>>,
    Path((org, app)): Path<(String, String)>,
) -> HandlerResult {
    let app = find(&world, &org, &app)?;
    let text = app.xacml().map(str::to_owned);
    Ok(responses::with_body(
        StatusCode::OK,
        Some("text/xml; charset=utf-8"),
        Body::from(text.unwrap_or_else(|| xacml(&App(app)))),
    ))
}

/// The process as BPMN: the start event, the tasks in order, the end event.
fn bpmn(app: &AppDefinition) -> String {
    let escape = |text: &str| quick_xml::escape::escape(text.to_owned()).into_owned();
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<bpmn:definitions xmlns:bpmn=\"http://www.omg.org/spec/BPMN/20100524/MODEL\" \
         xmlns:altinn=\"http://altinn.no/process\" id=\"Altinn_Local_Process_Definition\" targetNamespace=\"http://bpmn.io/schema/bpmn\">\n\
         <bpmn:process id=\"Process\" isExecutable=\"false\">\n<bpmn:startEvent id=\"StartEvent_1\" />\n",
    );
    let mut flows = String::new();
    let mut previous = "StartEvent_1".to_owned();
    let ids = app
        .settings
        .tasks
        .iter()
        .map(|task| task.id.as_str())
        .chain(["EndEvent_1"]);
    for (index, id) in ids.enumerate() {
        let _ = writeln!(
            flows,
            "<bpmn:sequenceFlow id=\"Flow_{}\" sourceRef=\"{}\" targetRef=\"{}\" />",
            index + 1,
            escape(&previous),
            escape(id)
        );
        id.clone_into(&mut previous);
    }
    for task in &app.settings.tasks {
        let _ = writeln!(
            xml,
            "<bpmn:task id=\"{}\" name=\"{}\"><bpmn:extensionElements><altinn:taskExtension><altinn:taskType>{}</altinn:taskType>\
             </altinn:taskExtension></bpmn:extensionElements></bpmn:task>",
            escape(&task.id),
            escape(&task.name),
            escape(&task.kind)
        );
    }
    xml.push_str("<bpmn:endEvent id=\"EndEvent_1\" />\n");
    xml.push_str(&flows);
    xml.push_str("</bpmn:process>\n</bpmn:definitions>\n");
    xml
}

/// The rule of the app's policy for the service owner, as XACML.
fn xacml(app: &App) -> String {
    let matching = |category: &str, attribute: &str, value: &str| {
        format!(
            "<xacml:Match MatchId=\"urn:oasis:names:tc:xacml:1.0:function:string-equal\"><xacml:AttributeValue \
             DataType=\"http://www.w3.org/2001/XMLSchema#string\">{}</xacml:AttributeValue><xacml:AttributeDesignator AttributeId=\"{attribute}\" \
             Category=\"{category}\" DataType=\"http://www.w3.org/2001/XMLSchema#string\" MustBePresent=\"false\"/></xacml:Match>",
            quick_xml::escape::escape(value.to_owned())
        )
    };
    let actions: String = app
        .policy()
        .service_owner
        .iter()
        .map(|action| {
            let action = matching(
                "urn:oasis:names:tc:xacml:3.0:attribute-category:action",
                "urn:oasis:names:tc:xacml:1.0:action:action-id",
                action,
            );
            format!("<xacml:AllOf>{action}</xacml:AllOf>")
        })
        .collect();
    let resource = "urn:oasis:names:tc:xacml:3.0:attribute-category:resource";
    let subject = "urn:oasis:names:tc:xacml:1.0:subject-category:access-subject";
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xacml:Policy xmlns:xacml=\"urn:oasis:names:tc:xacml:3.0:core:schema:wd-17\" \
         PolicyId=\"urn:altinn:policyid:1\" Version=\"1.0\" \
         RuleCombiningAlgId=\"urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides\"><xacml:Target/>\
         <xacml:Rule RuleId=\"urn:altinn:example:ruleid:1\" Effect=\"Permit\"><xacml:Target><xacml:AnyOf><xacml:AllOf>{}</xacml:AllOf></xacml:AnyOf>\
         <xacml:AnyOf><xacml:AllOf>{}{}</xacml:AllOf></xacml:AnyOf><xacml:AnyOf>{actions}</xacml:AnyOf></xacml:Target></xacml:Rule></xacml:Policy>\n",
        matching(subject, "urn:altinn:org", &app.0.org),
        matching(resource, "urn:altinn:org", &app.0.org),
        matching(resource, "urn:altinn:app", app.0.name()),
    )
}
