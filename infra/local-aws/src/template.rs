//! The SAM template as the local AWS reads it: the same table, queues, functions and routes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::yaml::{self, YamlError};
use super::{ACCOUNT, REGION};

/// The name of the stack that the local AWS plays.
const STACK: &str = "local";

const STAFETT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));

/// Why a template does not describe what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file is not a template.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The template has no such resource.
    #[error("template.yaml has no resource {0}")]
    NoResource(String),
    /// A resource has a property, or a value, that the local AWS does not know how to follow.
    #[error(
        "template.yaml: the local AWS does not know all properties of resource {resource}; teach infra/local-aws about it"
    )]
    Properties {
        /// The resource's logical id.
        resource: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// A function of CloudFormation's that the local AWS does not know, or whose value it was not
    /// given.
    #[error(
        "template.yaml: the local AWS has no value for {0}; give it one, or teach infra/local-aws about it"
    )]
    Unresolved(String),
}

/// A CloudFormation template, functions in their long form.
#[derive(Clone, Debug)]
pub struct Template {
    document: Value,
}

impl Template {
    /// Stafett's own template, as it was when this program was built.
    ///
    /// # Errors
    ///
    /// A template that is not valid YAML.
    pub fn stafett() -> Result<Self, TemplateError> {
        Self::parse(STAFETT)
    }

    /// Reads a template from its YAML text.
    ///
    /// # Errors
    ///
    /// Text that is not a YAML document as CloudFormation takes it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            document: yaml::parse(text)?,
        })
    }

    /// The whole document, functions in their long form.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// All resources of a type, as (logical id, resource).
    pub fn resources(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.document["Resources"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(move |(_, resource)| resource["Type"] == *kind)
            .map(|(id, resource)| (id.as_str(), resource))
    }

    /// A resource's properties, parameters replaced by `parameters` or their defaults.
    ///
    /// # Errors
    ///
    /// An unknown resource, or properties that do not fit `T`.
    pub fn properties<T: DeserializeOwned>(
        &self,
        id: &str,
        values: &Values,
    ) -> Result<T, TemplateError> {
        let properties = &self.resource(id)?["Properties"];
        let resolved = self.resolve(properties, values)?;
        serde_json::from_value(resolved).map_err(|source| TemplateError::Properties {
            resource: id.to_owned(),
            source,
        })
    }

    fn resource(&self, id: &str) -> Result<&Value, TemplateError> {
        match &self.document["Resources"][id] {
            Value::Null => Err(TemplateError::NoResource(id.to_owned())),
            resource => Ok(resource),
        }
    }

    /// A function's settings: its own over the template's globals.
    ///
    /// # Errors
    ///
    /// An unknown function, or an environment variable that depends on an unknown value.
    pub fn function(&self, id: &str, values: &Values) -> Result<FunctionSettings, TemplateError> {
        let global = self.resolve(&self.document["Globals"]["Function"], values)?;
        let global: Option<FunctionProperties> =
            serde_json::from_value(global).map_err(|source| TemplateError::Properties {
                resource: "Globals".to_owned(),
                source,
            })?;
        let global = global.unwrap_or_default();
        let own: FunctionProperties = self.properties(id, values)?;
        let mut environment = BTreeMap::new();
        for (name, value) in global
            .environment
            .variables
            .into_iter()
            .chain(own.environment.variables)
        {
            environment.insert(name, as_text(&value));
        }
        Ok(FunctionSettings {
            name: id.to_owned(),
            // Lambda's own defaults: 3 seconds, 128 MB.
            timeout: Duration::from_secs(own.timeout.or(global.timeout).unwrap_or(3)),
            memory_mb: own.memory_size.or(global.memory_size).unwrap_or(128),
            environment,
        })
    }

    /// The queue's event source mapping of a function (its one event of type `SQS`).
    ///
    /// # Errors
    ///
    /// A function without such an event, or a setting that the local event source does not follow.
    pub fn event_source(
        &self,
        id: &str,
        values: &Values,
    ) -> Result<EventSourceSettings, TemplateError> {
        let event: SqsEventProperties = self.event(id, "SQS", values)?;
        Ok(EventSourceSettings {
            batch_size: event.batch_size.unwrap_or(10),
            maximum_batching_window: Duration::from_secs(
                event.maximum_batching_window_in_seconds.unwrap_or(0),
            ),
            maximum_concurrency: event.scaling_config.and_then(|it| it.maximum_concurrency),
            report_batch_item_failures: event
                .function_response_types
                .iter()
                .any(|kind| kind == "ReportBatchItemFailures"),
        })
    }

    /// The schedule of a function (its one event of type `ScheduleV2`).
    ///
    /// # Errors
    ///
    /// A function without such an event, or a setting that the local scheduler does not follow.
    pub fn schedule(&self, id: &str, values: &Values) -> Result<ScheduleSettings, TemplateError> {
        let event: ScheduleProperties = self.event(id, "ScheduleV2", values)?;
        Ok(ScheduleSettings {
            every: event.schedule_expression,
            input: event.input,
        })
    }

    /// The properties of a function's one event of a type.
    fn event<T: DeserializeOwned>(
        &self,
        id: &str,
        kind: &str,
        values: &Values,
    ) -> Result<T, TemplateError> {
        let resource = self.resource(id)?;
        let event = resource["Properties"]["Events"]
            .as_object()
            .into_iter()
            .flat_map(|events| events.values())
            .find(|event| event["Type"] == *kind)
            .ok_or_else(|| {
                TemplateError::NoResource(format!("{id} with an event of type {kind}"))
            })?;
        let resolved = self.resolve(&event["Properties"], values)?;
        serde_json::from_value(resolved).map_err(|source| TemplateError::Properties {
            resource: id.to_owned(),
            source,
        })
    }

    /// The routes of the HTTP API, over all functions.
    #[must_use]
    pub fn http_routes(&self) -> Vec<HttpRoute> {
        let mut routes = Vec::new();
        for (function, resource) in self.resources("AWS::Serverless::Function") {
            let events = resource["Properties"]["Events"].as_object();
            for event in events.into_iter().flat_map(|events| events.values()) {
                let properties = &event["Properties"];
                if event["Type"] == "HttpApi"
                    && let Some(method) = properties["Method"].as_str()
                    && let Some(path) = properties["Path"].as_str()
                {
                    routes.push(HttpRoute {
                        method: method.to_uppercase(),
                        path: path.to_owned(),
                        function: function.to_owned(),
                    });
                }
            }
        }
        routes
    }

    /// `value` with its references replaced by what they stand for; null where it is left out.
    fn resolve(&self, value: &Value, values: &Values) -> Result<Value, TemplateError> {
        Ok(self.resolved(value, values)?.unwrap_or_default())
    }

    /// The same; none where it is to be left out.
    fn resolved(&self, value: &Value, values: &Values) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Object(entries) => {
                if let Some((name, argument)) = function(value) {
                    return self.call(name, argument, values);
                }
                let mut resolved = Map::new();
                for (key, entry) in entries {
                    // For the deployed stack only, full of references to its resources.
                    let deployed_only = matches!(
                        key.as_str(),
                        "Role"
                            | "RoleArn"
                            | "Layers"
                            | "LoggingConfig"
                            | "DeadLetterConfig"
                            | "Events"
                    );
                    if !deployed_only && let Some(entry) = self.resolved(entry, values)? {
                        resolved.insert(key.clone(), entry);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| self.resolved(item, values));
                let items: Vec<_> = items.collect::<Result<_, _>>()?;
                Ok(Some(items.into_iter().flatten().collect()))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    /// What one of CloudFormation's functions gives; none where that is to be left out.
    fn call(
        &self,
        name: &str,
        argument: &Value,
        values: &Values,
    ) -> Result<Option<Value>, TemplateError> {
        let unresolved = || TemplateError::Unresolved(json!({ name: argument }).to_string());
        match (name, argument) {
            ("Ref", Value::String(id)) if id == "AWS::NoValue" => Ok(None),
            ("Ref", Value::String(id)) => {
                self.reference(id, values).map(Some).ok_or_else(unresolved)
            }
            ("Fn::GetAtt", Value::Array(parts)) => {
                let key: Vec<_> = parts.iter().map(as_text).collect();
                let known = values.resources.get(&key.join("."));
                known
                    .map(|it| Some(Value::from(it.as_str())))
                    .ok_or_else(unresolved)
            }
            ("Fn::If", Value::Array(parts)) => {
                let [condition, yes, no] = parts.as_slice() else {
                    return Err(unresolved());
                };
                let holds = self.holds(&json!({ "Condition": condition }), values)?;
                self.resolved(if holds { yes } else { no }, values)
            }
            ("Fn::Sub", Value::String(text)) => {
                let text = self.substituted(text, values).ok_or_else(unresolved)?;
                Ok(Some(Value::from(text)))
            }
            _ => Err(unresolved()),
        }
    }

    /// Whether a condition holds.
    fn holds(&self, condition: &Value, values: &Values) -> Result<bool, TemplateError> {
        let unresolved = || TemplateError::Unresolved(condition.to_string());
        let (name, argument) = function(condition).ok_or_else(unresolved)?;
        let all = |wanted: bool| {
            let parts = argument.as_array().ok_or_else(unresolved)?.iter();
            let held = parts.map(|part| self.holds(part, values));
            let held: Vec<bool> = held.collect::<Result<_, _>>()?;
            Ok(held.into_iter().all(|held| held == wanted))
        };
        match (name, argument) {
            ("Condition", Value::String(named)) => match &self.document["Conditions"][named] {
                Value::Null => Err(unresolved()),
                condition => self.holds(condition, values),
            },
            ("Fn::Equals", Value::Array(sides)) => {
                let [one, other] = sides.as_slice() else {
                    return Err(unresolved());
                };
                let text = |side| self.resolve(side, values).map(|side| as_text(&side));
                Ok(text(one)? == text(other)?)
            }
            ("Fn::And", _) => all(true),
            ("Fn::Or", _) => all(false).map(|none| !none),
            ("Fn::Not", Value::Array(parts)) if parts.len() == 1 => all(false),
            _ => Err(unresolved()),
        }
    }

    /// A text with the `${Name}` and `${Name.Attribute}` in it replaced; `${!Literal}` stands for `${Literal}`.
    fn substituted(&self, text: &str, values: &Values) -> Option<String> {
        let mut parts = text.split("${");
        let mut replaced = parts.next()?.to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            match name.strip_prefix('!') {
                Some(literal) => replaced.extend(["${", literal, "}"]),
                None => replaced.push_str(&as_text(&self.reference(name, values)?)),
            }
            replaced.push_str(rest);
        }
        Some(replaced)
    }

    /// What a parameter, a resource, an attribute of one (`Id.Attribute`) or a name of AWS's stands for.
    fn reference(&self, id: &str, values: &Values) -> Option<Value> {
        if let Some(given) = values
            .parameters
            .get(id)
            .or_else(|| values.resources.get(id))
        {
            return Some(Value::from(given.as_str()));
        }
        let pseudo = match id {
            "AWS::AccountId" => ACCOUNT,
            "AWS::Partition" => "aws",
            "AWS::Region" => REGION,
            "AWS::StackName" => STACK,
            "AWS::URLSuffix" => "amazonaws.com",
            _ => match &self.document["Parameters"][id]["Default"] {
                Value::Null => return None,
                default => return Some(default.clone()),
            },
        };
        Some(Value::from(pseudo))
    }
}

/// Name and argument of a call of one of CloudFormation's functions; none when `value` is no such call.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let entries = value.as_object().filter(|it| it.len() == 1)?;
    let (name, argument) = entries.iter().next()?;
    let is_function = name.starts_with("Fn::")
        || name == "Ref"
        // Elsewhere, as in a policy, a member of this name is what it says.
        || (name == "Condition" && argument.is_string());
    is_function.then_some((name, argument))
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What the template's references stand for on this machine.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Parameters by name; one that is missing has the template's default.
    pub parameters: BTreeMap<String, String>,
    /// What `!Ref Id` and `!GetAtt Id.Attribute` give, by `Id` and `Id.Attribute`.
    pub resources: BTreeMap<String, String>,
}

impl Values {
    /// Sets a parameter of the template.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }
}

/// How a function is set up.
#[derive(Clone, Debug)]
pub struct FunctionSettings {
    /// Its logical id.
    pub name: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

/// How a queue feeds a function.
#[derive(Clone, Debug)]
pub struct EventSourceSettings {
    /// Messages in one invocation, at most.
    pub batch_size: usize,
    /// How long a batch may wait to fill up.
    pub maximum_batching_window: Duration,
    /// Invocations at the same time, at most; none means that only the account's limit holds.
    pub maximum_concurrency: Option<usize>,
    /// Whether the function's answer says which messages failed.
    pub report_batch_item_failures: bool,
}

/// When a function is invoked without being asked, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleSettings {
    /// The time between two invocations.
    pub every: Duration,
    /// Their payload.
    pub input: Value,
}

/// One route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRoute {
    /// Method in capitals, or `ANY`.
    pub method: String,
    /// Path with parameters in braces, as `/events/{secret}`.
    pub path: String,
    /// Logical id of the function behind it.
    pub function: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FunctionProperties {
    timeout: Option<u64>,
    memory_size: Option<u32>,
    environment: Environment,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SqsEventProperties {
    #[serde(rename = "Queue")]
    _queue: Value,
    batch_size: Option<usize>,
    maximum_batching_window_in_seconds: Option<u64>,
    #[serde(default)]
    function_response_types: Vec<String>,
    scaling_config: Option<ScalingConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScalingConfig {
    #[serde(default, deserialize_with = "number")]
    maximum_concurrency: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ScheduleProperties {
    #[serde(deserialize_with = "rate")]
    schedule_expression: Duration,
    #[serde(deserialize_with = "json")]
    input: Value,
    #[serde(rename = "Description")]
    _description: Option<String>,
    // Of the deployed schedule; the local one has no name.
    #[serde(rename = "OmitName")]
    _omit_name: Option<bool>,
    // For invocations that do not come through; here they all do.
    #[serde(rename = "RetryPolicy")]
    _retries: Value,
}

/// The time between two invocations of `rate(5 minutes)`.
///
/// Amazon EventBridge Scheduler User Guide, "Schedule types", rate-based schedules.
fn rate<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let expression = String::deserialize(deserializer)?;
    let parsed = || {
        let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
        let (count, unit) = inner.split_once(' ')?;
        let seconds: u64 = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 60 * 60,
            "day" => 24 * 60 * 60,
            _ => return None,
        };
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Duration::from_secs(seconds.checked_mul(count)?))
    };
    parsed().ok_or_else(|| {
        let problem = format!("ScheduleExpression {expression:?} is no rate as rate(5 minutes)");
        serde::de::Error::custom(problem)
    })
}

/// JSON that stands as text.
fn json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

/// A number that may stand as text, as a parameter's value does.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    as_text(&value)
        .parse()
        .map(Some)
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
Parameters:
  Key: { Type: String, Default: "" }
  Pace: { Type: Number, Default: 5 }
Conditions:
  Keyed: !Not [!Equals [!Ref Key, ""]]
  Slow: !Equals [!Ref Pace, 5]
  Both: !And [!Condition Keyed, !Condition Slow]
  Either: !Or [!Condition Keyed, !Condition Slow]
Globals:
  Function:
    MemorySize: 256
    Environment: { Variables: { SHARED: yes, QUEUE: !Ref Queue } }
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 300
      Role: !GetAtt Unknown.Arn
      Environment:
        Variables:
          SHARED: mine
          KEY: !Ref Key
          ADDRESS: !Sub "https://${Queue.Arn}.${AWS::Region}/${!literal}/${Pace}"
          KEYED: !If [Keyed, !Ref Key, !Ref AWS::NoValue]
          HELD: !If [Both, both, !If [Either, either, neither]]
      Events:
        Messages:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: !Ref Pace }
        Http: { Type: HttpApi, Properties: { Method: post, Path: "/x/{y}" } }
        Now: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 hour), Input: '{"a":1}', RetryPolicy: {} } }
"#;

    fn values() -> Values {
        Values {
            resources: BTreeMap::from([
                ("Queue".to_owned(), "http://queue".to_owned()),
                ("Queue.Arn".to_owned(), "arn:queue".to_owned()),
            ]),
            ..Values::default()
        }
    }

    #[test]
    fn a_function_has_the_globals_under_its_own_settings() {
        let template = Template::parse(SMALL).unwrap();
        let function = template.function("Work", &values()).unwrap();
        assert_eq!(function.timeout, Duration::from_secs(300));
        assert_eq!(function.memory_mb, 256);
        let text: Vec<_> = function
            .environment
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            text,
            [
                ("ADDRESS", "https://arn:queue.eu-north-1/${literal}/5"),
                ("HELD", "either"),
                ("KEY", ""),
                ("QUEUE", "http://queue"),
                ("SHARED", "mine")
            ]
        );
    }

    #[test]
    fn a_parameter_that_is_given_stands_before_its_default() {
        let template = Template::parse(SMALL).unwrap();
        let values = values().parameter("Key", "k").parameter("Pace", "9");
        let function = template.function("Work", &values).unwrap();
        assert_eq!(function.environment["KEY"], "k");
        let source = template.event_source("Work", &values).unwrap();
        assert_eq!(source.maximum_concurrency, Some(9));
        assert!(source.report_batch_item_failures);
        assert_eq!(source.batch_size, 10);
    }

    #[test]
    fn a_condition_follows_the_parameters() {
        let template = Template::parse(SMALL).unwrap();
        for (key, pace, keyed, held) in [
            ("", "5", None, "either"),
            ("", "9", None, "neither"),
            ("k", "5", Some("k"), "both"),
            ("k", "9", Some("k"), "either"),
        ] {
            let values = values().parameter("Key", key).parameter("Pace", pace);
            let environment = template.function("Work", &values).unwrap().environment;
            assert_eq!(environment.get("KEYED").map(String::as_str), keyed);
            assert_eq!(environment["HELD"], held);
        }
    }

    #[test]
    fn what_is_left_out_is_in_no_list_and_no_mapping() {
        let document =
            "Resources: {R: {Properties: {a: [1, !Ref AWS::NoValue, 2], b: !Ref AWS::NoValue}}}";
        let template = Template::parse(document).unwrap();
        let properties: Value = template.properties("R", &Values::default()).unwrap();
        assert_eq!(properties, json!({ "a": [1, 2] }));
    }

    #[test]
    fn a_function_that_is_not_known_names_itself() {
        for call in [
            "!Join ['', [a]]",
            "!If [Unknown, 1, 2]",
            "!If [Strange, 1, 2]",
            "!Sub 'a ${Unknown}'",
            "!Sub 'a ${open'",
            "!GetAtt Unknown.Arn",
        ] {
            let document = format!(
                "Conditions: {{Strange: !Xor [a, b]}}\nResources: {{R: {{Properties: {{a: {call}}}}}}}"
            );
            let template = Template::parse(&document).unwrap();
            let refused = template.properties::<Value>("R", &Values::default());
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("has no value for {"), "{call}: {error}");
        }
    }

    #[test]
    fn a_schedule_is_a_rate_with_an_input() {
        let template = Template::parse(SMALL).unwrap();
        let schedule = template.schedule("Work", &values()).unwrap();
        assert_eq!(schedule.every, Duration::from_secs(3600));
        assert_eq!(schedule.input, serde_json::json!({ "a": 1 }));
        for expression in ["rate(0 hours)", "rate(5 weeks)", "cron(0 12 * * ? *)"] {
            let template = Template::parse(&SMALL.replace("rate(1 hour)", expression)).unwrap();
            let error = template.schedule("Work", &values()).unwrap_err();
            let error = stafett_core::causes::Causes(&error).to_string();
            assert!(error.contains(expression), "{error}");
        }
    }

    #[test]
    fn an_unknown_reference_names_itself() {
        let template = Template::parse(SMALL).unwrap();
        let error = template
            .function("Work", &Values::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(r#"{"Ref":"Queue"}"#), "{error}");
    }

    #[test]
    fn routes_name_method_path_and_function() {
        let template = Template::parse(SMALL).unwrap();
        let expected = HttpRoute {
            method: "POST".to_owned(),
            path: "/x/{y}".to_owned(),
            function: "Work".to_owned(),
        };
        assert_eq!(template.http_routes(), [expected]);
    }
}
