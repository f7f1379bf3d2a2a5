//! AWS on one machine: DynamoDB and SQS in this process, on free ports of 127.0.0.1. The real SDK
//! calls them over real HTTP. Tables and queues are created from `template.yaml`, so the local and
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

/// The region that the local AWS claims to be.
pub const REGION: &str = "eu-north-1";
/// The account id that the local AWS uses.
pub const ACCOUNT: &str = "000000000000";

// The local services require signed requests, but accept any credentials.
const ACCESS_KEY_ID: &str = "local";
const SECRET_ACCESS_KEY: &str = "local";

/// Why the local AWS did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No free port, or no network.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// The embedded database did not start.
    #[error("cannot start the embedded DynamoDB")]
    Database(#[source] dynoxide::DynoxideError),
    /// The template uses something that the local AWS does not support.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A resource of the template could not be created.
    #[error("cannot make {what}")]
    Create {
        /// Kind and name of the resource.
        what: String,
        /// The service's error.
        source: Box<dyn StdError + Send + Sync>,
    },
}

/// A running DynamoDB and SQS with Stafett's table and queues. Dropping it stops both and loses all
/// data.
#[derive(Debug)]
pub struct LocalAws {
    endpoints: Endpoints,
    resources: Resources,
    messages: Messages,
    _dynamodb: oneshot::Sender<()>,
    _sqs: JoinSet<()>,
}

impl LocalAws {
    /// Starts both services and creates the stack's table and queues in them.
    ///
    /// # Errors
    ///
    /// When no port is free, or the services refuse the stack.
    pub async fn start(stack: &Stack) -> Result<Self, Error> {
        Self::start_at(stack, Clock::default()).await
    }

    /// Like [`start`](Self::start), but dates messages by `clock`. Moving the clock does not make
    /// hidden messages visible.
    ///
    /// # Errors
    ///
    /// When no port is free, or the services refuse the stack.
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

    /// The addresses of the services.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The messages in a queue, hidden or not, the oldest first. This does not receive them.
    pub async fn messages(&self, queue: &QueueId) -> Vec<QueuedMessage> {
        self.messages.all(&queue.url).await
    }

    /// The hidden messages of a queue, in no particular order.
    pub async fn hidden(&self, queue: &QueueId) -> Vec<Hidden> {
        self.messages.hidden(&queue.url).await
    }

    /// The hidden messages of a queue that become visible by `now` on the local clock.
    pub async fn due(&self, queue: &QueueId, now: Timestamp) -> Vec<Hidden> {
        self.messages.due(&queue.url, now).await
    }

    /// How many messages of a queue are hidden, and when the first becomes visible again.
    pub async fn outlook(&self, queue: &QueueId) -> (usize, Option<Timestamp>) {
        self.messages.outlook(&queue.url).await
    }

    /// How many messages a queue has delivered so far; each receive of a message counts.
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

/// The addresses of the two services, or of wires in front of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// DynamoDB's, such as `http://127.0.0.1:40123`.
    pub dynamodb: String,
    /// SQS's, such as `http://127.0.0.1:40124`.
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

    /// The same as environment variables, for another process.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
            ("AWS_ENDPOINT_URL_SQS", &self.sqs),
            // On an EC2 instance, a local run must not use the instance's role.
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
