//! Reads the SAM template for the local AWS: the same table, queues, functions and routes as
//! deployed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::yaml::{self, YamlError};
use super::{ACCOUNT, REGION};

/// The name of the stack that the local AWS uses.
const STACK: &str = "local";

const STAFETT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));

/// Why something could not be read from the template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file is not a template.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The template has no resource with this id.
    #[error("template.yaml has no resource {0}")]
    NoResource(String),
    /// A resource has a property or a value that the local AWS does not support.
    #[error(
        "template.yaml: the local AWS does not support all properties of resource {resource}; add them to infra/local-aws"
    )]
    Properties {
        /// The resource's logical id.
        resource: String,
        /// What is unsupported.
        source: serde_json::Error,
    },
    /// A CloudFormation function that the local AWS does not know, or a reference without a value.
    #[error(
        "template.yaml: the local AWS has no value for {0}; pass one, or add it to infra/local-aws"
    )]
    Unresolved(String),
}

/// A CloudFormation template with its functions in long form.
#[derive(Clone, Debug)]
pub struct Template {
    document: Value,
}

impl Template {
    /// Stafett's own template, as of the build of this program.
    ///
    /// # Errors
    ///
    /// When the template is not valid YAML.
    pub fn stafett() -> Result<Self, TemplateError> {
        Self::parse(STAFETT)
    }

    /// Reads a template from its YAML text.
    ///
    /// # Errors
    ///
    /// When the text is not YAML that CloudFormation accepts.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            document: yaml::parse(text)?,
        })
    }

    /// The whole document, with functions in long form.
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

    /// A resource's properties, with parameters replaced by `values` or their defaults.
    ///
    /// # Errors
    ///
    /// When the resource is unknown, or its properties do not fit `T`.
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

    /// A function's settings; they override the template's globals.
    ///
    /// # Errors
    ///
    /// When the function is unknown, or an environment variable refers to an unknown value.
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

    /// A function's event source mapping (its one event of type `SQS`).
    ///
    /// # Errors
    ///
    /// When the function has no such event, or a setting is not supported locally.
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

    /// A function's schedule (its one event of type `ScheduleV2`).
    ///
    /// # Errors
    ///
    /// When the function has no such event, or a setting is not supported locally.
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

    /// The routes of the HTTP API, of all functions.
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

    /// Resolves the references in `value`; null if the value is to be omitted.
    fn resolve(&self, value: &Value, values: &Values) -> Result<Value, TemplateError> {
        Ok(self.resolved(value, values)?.unwrap_or_default())
    }

    /// Like [`resolve`](Self::resolve); none if the value is to be omitted.
    fn resolved(&self, value: &Value, values: &Values) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Object(entries) => {
                if let Some((name, argument)) = function(value) {
                    return self.call(name, argument, values);
                }
                let mut resolved = Map::new();
                for (key, entry) in entries {
                    // Only for the deployed stack, and full of references to its resources.
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

    /// The result of a CloudFormation function; none if the value is to be omitted.
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

    /// Evaluates a condition.
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

    /// Replaces `${Name}` and `${Name.Attribute}` in a text; `${!Literal}` becomes `${Literal}`.
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

    /// The value of a parameter, a resource, a resource's attribute (`Id.Attribute`) or a pseudo
    /// parameter.
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

/// Name and argument of a CloudFormation function call; none if `value` is not one.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let entries = value.as_object().filter(|it| it.len() == 1)?;
    let (name, argument) = entries.iter().next()?;
    let is_function = name.starts_with("Fn::")
        || name == "Ref"
        // Elsewhere, for example in a policy, a member with this name is a plain one.
        || (name == "Condition" && argument.is_string());
    is_function.then_some((name, argument))
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Values for the template's references on this machine.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Parameters by name; a missing one gets the template's default.
    pub parameters: BTreeMap<String, String>,
    /// The results of `!Ref Id` and `!GetAtt Id.Attribute`, by `Id` and `Id.Attribute`.
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

/// A function's settings.
#[derive(Clone, Debug)]
pub struct FunctionSettings {
    /// Its logical id.
    pub name: String,
    /// The timeout of one invocation.
    pub timeout: Duration,
    /// Memory in MB.
    pub memory_mb: u32,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
}

/// The settings of an event source mapping.
#[derive(Clone, Debug)]
pub struct EventSourceSettings {
    /// The maximum number of messages in one invocation.
    pub batch_size: usize,
    /// How long to wait for a batch to fill up.
    pub maximum_batching_window: Duration,
    /// The maximum number of concurrent invocations; none means the account's limit.
    pub maximum_concurrency: Option<usize>,
    /// Whether the function's response lists the failed messages.
    pub report_batch_item_failures: bool,
}

/// When a function is invoked on a schedule, and with what payload.
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
    /// The method in capitals, or `ANY`.
    pub method: String,
    /// The path with parameters in braces, such as `/events/{secret}`.
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
    // Names the deployed schedule; the local one has no name.
    #[serde(rename = "OmitName")]
    _omit_name: Option<bool>,
    // Retries of failed deliveries; here every invocation reaches its function.
    #[serde(rename = "RetryPolicy")]
    _retries: Value,
}

/// The period of a rate such as `rate(5 minutes)`.
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
        let problem =
            format!("ScheduleExpression {expression:?} is not a rate such as rate(5 minutes)");
        serde::de::Error::custom(problem)
    })
}

/// JSON that is given as a string.
fn json<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let text = String::deserialize(deserializer)?;
    serde_json::from_str(&text).map_err(serde::de::Error::custom)
}

/// A number that may be given as a string, as parameter values are.
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
    fn a_functions_own_settings_override_the_globals() {
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
    fn a_given_parameter_overrides_its_default() {
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
    fn an_omitted_value_is_left_out_of_lists_and_mappings() {
        let document =
            "Resources: {R: {Properties: {a: [1, !Ref AWS::NoValue, 2], b: !Ref AWS::NoValue}}}";
        let template = Template::parse(document).unwrap();
        let properties: Value = template.properties("R", &Values::default()).unwrap();
        assert_eq!(properties, json!({ "a": [1, 2] }));
    }

    #[test]
    fn an_unknown_function_is_named_in_the_error() {
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
    fn an_unknown_reference_is_named_in_the_error() {
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
