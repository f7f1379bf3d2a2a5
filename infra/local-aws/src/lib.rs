//! AWS on one machine: DynamoDB and SQS in this process, on free ports of 127.0.0.1, spoken to with
//! the real SDK over real HTTP. What is in them comes from `template.yaml`, so that the local and
//! the deployed setup cannot drift apart.

pub mod lambda;
mod messages;
mod stack;
mod template;
mod yaml;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustack_sqs_core::config::SqsConfig;
use rustack_sqs_core::handler::RustackSqsHandler;
use rustack_sqs_core::provider::RustackSqs;
use rustack_sqs_http::service::{SqsHttpConfig, SqsHttpService};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use messages::{Bookkeeping, Messages};
use testbed::clock::Clock;

pub use messages::{Hidden, QueuedMessage};
pub use stack::{Index, Queue, QueueId, Resources, Stack, Table};
pub use template::{
    EventSourceSettings, FunctionSettings, HttpRoute, ScheduleSettings, Template, TemplateError,
    Values,
};
pub use yaml::YamlError;

/// The region that the local AWS plays.
pub const REGION: &str = "eu-north-1";
/// The account that the local AWS plays.
pub const ACCOUNT: &str = "000000000000";

// The local services check that requests are signed, not by whom.
const ACCESS_KEY_ID: &str = "local";
const SECRET_ACCESS_KEY: &str = "local";

/// Why the local AWS did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No free port, or no network at all.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// The embedded database did not start.
    #[error("cannot start the embedded DynamoDB")]
    Database(#[source] dynoxide::DynoxideError),
    /// The template asks for something that the local AWS does not have.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A resource of the template could not be made.
    #[error("cannot make {what}")]
    Create {
        /// Kind and name of the resource.
        what: String,
        /// What the service said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// A running DynamoDB and SQS with Stafett's table and queues. Everything ends and is forgotten
/// when this is dropped.
#[derive(Debug)]
pub struct LocalAws {
    endpoints: Endpoints,
    resources: Resources,
    messages: Messages,
    _dynamodb: oneshot::Sender<()>,
    _sqs: JoinSet<()>,
}

impl LocalAws {
    /// Starts both services and makes the stack's table and queues in them.
    ///
    /// # Errors
    ///
    /// No free port, or a stack that the services refuse.
    pub async fn start(stack: &Stack) -> Result<Self, Error> {
        Self::start_at(stack, Clock::default()).await
    }

    /// The same, with messages dated by `clock`. Moving it makes none visible that is hidden.
    ///
    /// # Errors
    ///
    /// No free port, or a stack that the services refuse.
    pub async fn start_at(stack: &Stack, clock: Clock) -> Result<Self, Error> {
        let messages = Messages::new(clock);
        let (dynamodb, stop_dynamodb) = start_dynamodb().await?;
        let (sqs, sqs_task) = start_sqs(messages.clone()).await?;
        let endpoints = Endpoints { dynamodb, sqs };
        let resources = stack.create(&endpoints.sdk_config(), "stafett").await?;
        Ok(Self {
            endpoints,
            resources,
            messages,
            _dynamodb: stop_dynamodb,
            _sqs: sqs_task,
        })
    }

    /// Where the services listen.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The messages that lie in a queue, hidden or not, the oldest first. Nobody receives them by that.
    pub async fn messages(&self, queue: &QueueId) -> Vec<QueuedMessage> {
        self.messages.all(&queue.url).await
    }

    /// The messages of a queue that are hidden, in no order.
    pub async fn hidden(&self, queue: &QueueId) -> Vec<Hidden> {
        self.messages.hidden(&queue.url).await
    }

    /// The hidden messages of a queue whose moment has come at `now`, by the local clock.
    pub async fn due(&self, queue: &QueueId, now: Timestamp) -> Vec<Hidden> {
        self.messages.due(&queue.url, now).await
    }

    /// How many messages of a queue are hidden, and when the first of them comes back.
    pub async fn outlook(&self, queue: &QueueId) -> (usize, Option<Timestamp>) {
        self.messages.outlook(&queue.url).await
    }

    /// How many messages a queue has given away so far, a message as often as it was received.
    pub async fn handed_out(&self, queue: &QueueId) -> usize {
        self.messages.handed_out(&queue.url).await
    }

    /// The names of the table and the queues.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
}

async fn listen() -> Result<(TcpListener, u16), Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(Error::Listen)?;
    let port = listener.local_addr().map_err(Error::Listen)?.port();
    Ok((listener, port))
}

async fn start_dynamodb() -> Result<(String, oneshot::Sender<()>), Error> {
    let (listener, port) = listen().await?;
    let database = dynoxide::Database::memory().map_err(Error::Database)?;
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let served = dynoxide::server::serve_with_shutdown(listener, database, async {
            // Dropping the sender stops the server, too.
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            tracing::error!(error, "the embedded DynamoDB ended");
        }
    });
    Ok((format!("http://127.0.0.1:{port}"), stop))
}

async fn start_sqs(messages: Messages) -> Result<(String, JoinSet<()>), Error> {
    let (listener, port) = listen().await?;
    let provider = RustackSqs::new(SqsConfig {
        skip_signature_validation: true,
        default_region: REGION.to_owned(),
        account_id: ACCOUNT.to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
    });
    let service = SqsHttpService::new(
        Arc::new(Bookkeeping::new(
            RustackSqsHandler::new(Arc::new(provider)),
            messages,
        )),
        SqsHttpConfig {
            region: REGION.to_owned(),
            ..SqsHttpConfig::default()
        },
    );
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let connection = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service.clone());
                        connections.spawn(async move {
                            if let Err(error) = connection.await {
                                tracing::debug!(%error, "a connection to the embedded SQS broke");
                            }
                        });
                    }
                    Err(error) => tracing::warn!(%error, "the embedded SQS could not accept"),
                },
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok((format!("http://127.0.0.1:{port}"), server))
}

/// The addresses of the two services: their own, or those of wires in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// DynamoDB, as `http://127.0.0.1:40123`.
    pub dynamodb: String,
    /// SQS, as `http://127.0.0.1:40124`.
    pub sqs: String,
}

impl Endpoints {
    /// Configuration for SDK clients in this process.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new(
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            None,
            None,
            "infra/local-aws",
        );
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .service_config(self.clone())
            .build()
    }

    /// The same as environment variables, for a process of its own.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
            ("AWS_ENDPOINT_URL_SQS", &self.sqs),
            // A machine that is an EC2 instance must not lend its role to a local run.
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        match (key.service_id(), key.profile()) {
            ("DynamoDB", "endpoint_url") => Some(self.dynamodb.clone()),
            ("SQS", "endpoint_url") => Some(self.sqs.clone()),
            _ => None,
        }
    }
}
