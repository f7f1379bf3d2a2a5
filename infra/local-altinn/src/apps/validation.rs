//! Validation of a task before it ends.

use serde_json::{Value, json};

use super::form;
use crate::app::AppDefinition;
use crate::instance::{Element, Instance};

/// A validation issue. Its text never contains form data.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) element: Option<String>,
    pub(crate) field: Option<String>,
    pub(crate) code: String,
    pub(crate) description: String,
    pub(crate) source: &'static str,
}

impl Issue {
    /// Whether it is an error. This Altinn reports errors only, though the API also has warnings.
    pub(crate) fn is_error(&self) -> bool {
        true
    }

    /// The field and the description in one line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{}: {}",
            self.field.as_deref().unwrap_or(&self.code),
            self.description
        )
    }

    pub(crate) fn view(&self) -> Value {
        let mut view = json!({
            "severity": 1, "dataElementId": self.element, "field": self.field, "code": self.code, "description": self.description,
            "source": self.source,
        });
        if self.element.is_none() {
            view["noIncrementalUpdates"] = json!(true);
        }
        view
    }
}

/// The issues that prevent a task from ending: wrong numbers of elements, and forms that violate their schema.
pub(crate) fn task_issues(app: &AppDefinition, instance: &Instance, task: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    for data_type in app
        .metadata
        .data_types
        .iter()
        .filter(|data_type| data_type.task_id.as_deref() == Some(task))
    {
        let count = instance.elements_of(&data_type.id).count();
        let source = "Altinn.App.Core.Features.Validation.Default.DefaultTaskValidator-*";
        let mut wrong = |code: &str| {
            issues.push(Issue {
                element: None,
                field: Some(data_type.id.clone()),
                code: code.to_owned(),
                description: code.to_owned(),
                source,
            });
        };
        if count < data_type.min_count() {
            wrong("TooFewDataElementsOfType");
        }
        if data_type.max_count().is_some_and(|most| count > most) {
            wrong("TooManyDataElementsOfType");
        }
        for element in instance.elements_of(&data_type.id) {
            issues.extend(element_issues(app, element));
        }
    }
    issues
}

fn element_issues(app: &AppDefinition, element: &Element) -> Vec<Issue> {
    let Some(model) = app.models.get(&element.data_type) else {
        return Vec::new();
    };
    let source = "DataAnnotations";
    let id = Some(element.id.to_string());
    match form::decode(model, element) {
        Ok(form) => model
            .violations(&form)
            .into_iter()
            .map(|(field, description)| Issue {
                element: id.clone(),
                field: Some(indexed(&field)),
                code: description.clone(),
                description,
                source,
            })
            .collect(),
        Err(error) => vec![Issue {
            element: id,
            field: None,
            code: "unreadable".to_owned(),
            description: error.to_string(),
            source,
        }],
    }
}

/// Rewrites `tiltak.0.kode` as apps write it: `tiltak[0].kode`.
fn indexed(path: &str) -> String {
    let mut field = String::with_capacity(path.len() + 2);
    for segment in path.split('.') {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) {
            field.push_str(&format!("[{segment}]"));
            continue;
        }
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(segment);
    }
    field
}
