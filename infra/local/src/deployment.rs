//! All of it on one machine: Altinn with its apps, AWS, and the functions between them, each part
//! reached through a wire on which things can go wrong.

use std::{
    collections::BTreeMap,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use stafett::{settings::Source, start::StartError};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::{
    altinn::{self, ClientRegistration, DevelopmentKey, LocalAltinn},
    aws::{self, Endpoints, LocalAws, Stack, Template, TemplateError, Values},
    lambda::{EventSourceMapping, Function, HttpApi, HttpApiError, Program},
    wire::{Wire, WireError},
};

/// The organisation whose service Stafett is: it owns the sample apps.
pub const SERVICE_OWNER: &str = "405003309";
/// The scope that a caller of `POST /triggers` needs here.
pub const TRIGGER_SCOPE: &str = "ttd:stafett.trigger";
const CLIENT_ID: &str = "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11";
const EVENTS_SECRET: &str = "a-secret-that-is-none-outside-of-this-machine";
const SCOPES: [&str; 3] = [
    "altinn:serviceowner",
    "altinn:serviceowner/instances.read",
    "altinn:serviceowner/instances.write",
];

/// How the functions run.
#[derive(Clone, Debug)]
pub enum Code {
    /// In this process.
    InProcess,
    /// As the built binaries, in processes of their own.
    Programs {
        /// `receive`.
        receive: Program,
        /// `instantiate`.
        instantiate: Program,
    },
}

/// What is to be set up.
#[derive(Debug)]
pub struct Plan {
    /// The apps and the register.
    pub altinn: altinn::Config,
    /// The directory of routes.
    pub routes: PathBuf,
    /// How the functions run.
    pub code: Code,
    /// Table and queues, as the template has them unless changed.
    pub stack: Stack,
    /// Settings that replace the template's, by variable.
    pub settings: BTreeMap<String, String>,
}

/// Something could not be set up.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The template says something that cannot be followed here.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// DynamoDB or SQS.
    #[error(transparent)]
    Aws(#[from] aws::Error),
    /// A wire.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The HTTP API.
    #[error(transparent)]
    Api(#[from] HttpApiError),
    /// Altinn.
    #[error("cannot start the local Altinn: {0}")]
    Altinn(#[from] io::Error),
    /// An app, or the register.
    #[error(transparent)]
    Apps(#[from] altinn::LoadError),
    /// A function refuses to start.
    #[error(transparent)]
    Function(#[from] StartError),
}

/// The folder of the sample apps.
#[must_use]
pub fn sample_apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps")
}

/// The folder of the sample routes.
#[must_use]
pub fn sample_routes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../routes")
}

impl Plan {
    /// The sample apps and routes, the functions in this process, all else as the template has it.
    ///
    /// # Errors
    /// When a file of the samples or the template cannot be read.
    pub fn samples() -> Result<Self, DeployError> {
        let mut altinn = altinn::Config::from_folder(&sample_apps())?;
        altinn.events.allow_local_http = true;
        // A new subscription misses nothing here, where the real one may for an hour.
        altinn.events.subscription_cache = Duration::ZERO;
        Ok(Self {
            altinn,
            routes: sample_routes(),
            code: Code::InProcess,
            stack: Stack::stafett()?,
            settings: BTreeMap::new(),
        })
    }

    /// With one setting other than the template's.
    #[must_use]
    pub fn setting(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.settings.insert(variable.to_owned(), value.into());
        self
    }
}

/// A running deployment. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    /// Altinn, to look into and to play the citizens.
    pub altinn: LocalAltinn,
    /// What the functions call Altinn through.
    pub altinn_wire: Wire,
    /// What the functions call DynamoDB through.
    pub dynamodb_wire: Wire,
    /// What the functions call SQS through.
    pub sqs_wire: Wire,
    /// DynamoDB and SQS.
    pub aws: LocalAws,
    /// The HTTP API in front of `receive`.
    pub api: HttpApi,
    /// `receive`.
    pub receive: Function,
    /// `instantiate`.
    pub instantiate: Function,
    /// What feeds `instantiate`.
    pub mapping: EventSourceMapping,
}

impl Deployment {
    /// Sets everything up. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn start(plan: Plan) -> Result<Self, DeployError> {
        let template = Template::stafett()?;
        let aws = LocalAws::start(&plan.stack).await?;
        let dynamodb_wire = Wire::start(&aws.endpoints().dynamodb).await?;
        let sqs_wire = Wire::start(&aws.endpoints().sqs).await?;
        let (altinn, altinn_wire) = start_altinn(plan.altinn).await?;
        let wired = Endpoints {
            dynamodb: dynamodb_wire.url().to_owned(),
            sqs: sqs_wire.url().to_owned(),
        };

        let mut settings = wired.environment();
        settings.extend(stafett_settings(&altinn, &altinn_wire, &aws, &plan.routes)?);
        settings.extend(plan.settings);
        let values = values(&aws);
        let function = |id| {
            let mut function = template.function(id, &values)?;
            function.environment.extend(settings.clone());
            Ok::<_, TemplateError>(function)
        };
        let (receive, instantiate) = match plan.code {
            Code::Programs {
                receive,
                instantiate,
            } => (
                Function::process(function("Receive")?, receive),
                Function::process(function("Instantiate")?, instantiate),
            ),
            Code::InProcess => {
                let settings = function("Receive")?;
                let source = Source::new(|name| settings.environment.get(name).cloned());
                let code = Arc::new(receive::Receive::new(&source, &wired.sdk_config()).await?);
                drop(source);
                let receive = Function::http(settings, move |request| {
                    let code = code.clone();
                    async move {
                        Ok::<_, std::convert::Infallible>(receive::handle(&code, request).await)
                    }
                });
                let settings = function("Instantiate")?;
                let source = Source::new(|name| settings.environment.get(name).cloned());
                let code = instantiate::Instantiate::new(&source, &wired.sdk_config()).await?;
                drop(source);
                let handler = service_fn(move |event: LambdaEvent<SqsEvent>| {
                    let code = code.clone();
                    async move {
                        let left = event.context.deadline();
                        let left = left.duration_since(std::time::SystemTime::now()).ok();
                        Ok::<_, std::convert::Infallible>(code.handle(event.payload, left).await)
                    }
                });
                (receive, Function::in_process(settings, handler))
            }
        };
        let routes = template
            .http_routes()
            .into_iter()
            .map(|route| (route, receive.clone()));
        let api = HttpApi::start((Ipv4Addr::LOCALHOST, 0), routes).await?;
        // Lambda's own poller does not go through the functions' wire.
        let poller = aws_sdk_sqs::Client::new(&aws.endpoints().sdk_config());
        let mapping = EventSourceMapping::start(
            poller,
            &aws.resources().queue,
            template.event_source("Instantiate", &values)?,
            instantiate.clone(),
        );
        Ok(Self {
            altinn,
            altinn_wire,
            dynamodb_wire,
            sqs_wire,
            aws,
            api,
            receive,
            instantiate,
            mapping,
        })
    }

    /// The address that Altinn Events is to call.
    #[must_use]
    pub fn events_url(&self) -> String {
        format!("{}/events/{EVENTS_SECRET}", self.api.url())
    }

    /// A client of the queues that does not go through a wire.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.aws.endpoints().sdk_config())
    }

    /// A client of the table that does not go through a wire.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.aws.endpoints().sdk_config())
    }

    /// Ends it as Lambda would: no more messages, and the functions' processes with SIGTERM.
    pub async fn stop(self) {
        self.mapping.stop().await;
        self.receive.stop().await;
        self.instantiate.stop().await;
        self.altinn.shutdown().await;
    }
}

async fn start_altinn(mut config: altinn::Config) -> Result<(LocalAltinn, Wire), DeployError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let wire = Wire::start(&format!("http://{}", listener.local_addr()?)).await?;
    config.public_url = Some(wire.url().to_owned());
    let altinn = LocalAltinn::start_on(listener, config)?;
    altinn.register_client(&ClientRegistration {
        client_id: CLIENT_ID.to_owned(),
        org_number: SERVICE_OWNER.to_owned(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        jwk: DevelopmentKey::client()?.public_jwk(),
    })?;
    Ok((altinn, wire))
}

/// What an operator gives the template, and the names of what it makes.
fn values(aws: &LocalAws) -> Values {
    [
        ("MaskinportenClientId", CLIENT_ID),
        ("MaskinportenJwkSecretArn", ""),
        ("TriggerScope", TRIGGER_SCOPE),
        ("TriggerConsumers", SERVICE_OWNER),
    ]
    .into_iter()
    .fold(aws.resources().values(), |values, (name, value)| {
        values.parameter(name, value)
    })
}

/// The settings whose values only this machine knows.
fn stafett_settings(
    altinn: &LocalAltinn,
    wire: &Wire,
    aws: &LocalAws,
    routes: &Path,
) -> io::Result<BTreeMap<String, String>> {
    let resources = aws.resources();
    let settings = [
        ("STAFETT_ROUTES", routes.display().to_string()),
        ("STAFETT_TABLE", resources.table.clone()),
        ("STAFETT_QUEUE_URL", resources.queue.url.clone()),
        ("ALTINN_PLATFORM_URL", wire.url().to_owned()),
        ("ALTINN_APPS_URL", wire.url().to_owned()),
        ("MASKINPORTEN_ISSUER", altinn.issuer()),
        ("MASKINPORTEN_CLIENT_ID", CLIENT_ID.to_owned()),
        ("MASKINPORTEN_JWK", DevelopmentKey::client()?.private_jwk()),
        ("MASKINPORTEN_JWK_SECRET", String::new()),
        ("TRIGGER_ISSUER", altinn.issuer()),
        ("TRIGGER_SCOPE", TRIGGER_SCOPE.to_owned()),
        ("TRIGGER_CONSUMERS", SERVICE_OWNER.to_owned()),
        ("EVENTS_SECRET", EVENTS_SECRET.to_owned()),
        ("EVENTS_SECRET_ARN", String::new()),
    ];
    Ok(settings
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}

impl Deployment {
    /// Calls `POST /triggers` as app A does, with a token of the service owner's own client.
    ///
    /// # Errors
    /// When no token could be made, or the API did not answer.
    pub async fn trigger(&self, app: &str, instance: &str) -> Result<reqwest::Response, CallError> {
        let token = self
            .altinn
            .maskinporten_token(SERVICE_OWNER, TRIGGER_SCOPE, None)?;
        Ok(reqwest::Client::new()
            .post(format!("{}/triggers", self.api.url()))
            .bearer_auth(token)
            .json(&json!({"app": app, "instance": instance}))
            .send()
            .await?)
    }

    /// Subscribes to an app's events as an operator does, and waits until Altinn has validated the address.
    ///
    /// # Errors
    /// When Altinn refuses, or does not validate within ten seconds.
    pub async fn subscribe(&self, app: &str) -> Result<(), CallError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let client = reqwest::Client::new();
        let platform = self.altinn_wire.url();
        let token = self
            .altinn
            .maskinporten_token(SERVICE_OWNER, &SCOPES.join(" "), None)?;
        let exchange = format!("{platform}/authentication/api/v1/exchange/maskinporten");
        let token = client
            .get(exchange)
            .bearer_auth(token)
            .send()
            .await?
            .text()
            .await?;
        let token = token.trim().trim_matches('"');
        let subscriptions = format!("{platform}/events/api/v1/subscriptions");
        let resource = format!("urn:altinn:resource:app_{}", app.replace('/', "_"));
        let body = json!({"endPoint": self.events_url(), "resourceFilter": resource});
        let made: Value = client
            .post(&subscriptions)
            .bearer_auth(token)
            .json(&body)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let made = format!("{subscriptions}/{}", made["id"]);
        let began = tokio::time::Instant::now();
        loop {
            let now: Value = client
                .get(&made)
                .bearer_auth(token)
                .send()
                .await?
                .json()
                .await?;
            if now["validated"] == true {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(CallError::NotValidated);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A relay's item in the ledger as plain JSON; null if there is none.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
    pub async fn ledger_item(&self, instance: &str, route: &str) -> Result<Value, CallError> {
        let guid = instance.rsplit('/').next().unwrap_or_default();
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let answer = self
            .dynamodb()
            .get_item()
            .table_name(&self.aws.resources().table)
            .key("pk", key(guid))
            .key("sk", key(route))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| CallError::Aws(error.into()))?;
        let item = answer.item.map(serde_dynamo::from_item).transpose();
        Ok(item
            .map_err(|error| CallError::Aws(error.into()))?
            .unwrap_or(Value::Null))
    }
}

/// A call to the deployment that did not work.
#[derive(Debug, Error)]
pub enum CallError {
    /// No token.
    #[error("cannot make a token: {0}")]
    Token(#[from] io::Error),
    /// No answer, or a refusal.
    #[error("a call of the local deployment failed: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// Events has not accepted the address.
    #[error("the events subscription was not validated: does the HTTP API answer?")]
    NotValidated,
    /// DynamoDB or SQS.
    #[error("the local AWS did not answer: {0}")]
    Aws(Box<dyn std::error::Error + Send + Sync>),
}
