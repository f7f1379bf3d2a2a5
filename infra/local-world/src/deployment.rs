//! Everything on one machine: Altinn with its apps, AWS, and the functions between them. Each is
//! called through a wire that can inject faults.

mod calls;
mod functions;
mod own_apps;
mod time;

use std::{
    collections::BTreeMap,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use local_altinn::{ClientRegistration, DevelopmentKey, LocalAltinn};
use local_aws::{
    Endpoints, LocalAws, Stack, Template, TemplateError, Values,
    lambda::{EventSourceMapping, Function, HttpApi, HttpApiError, Program, Schedule},
};
use stafett_runtime::{
    clock::Clock,
    ledger::{Ledger, LedgerError},
    settings::LedgerSettings,
    start::StartError,
};
use testbed::wire::{Wire, WireError};
use thiserror::Error;
use tokio::net::TcpListener;

pub use calls::CallError;
pub use own_apps::OwnApps;
pub use reconcile::PaceStatus;
pub use time::PassError;

use functions::{Functions, Ground, InProcess};

/// The service owner that Stafett acts for with the sample apps; it owns them.
pub const SERVICE_OWNER: &str = "405003309";
/// The scope that a caller of `POST /triggers` needs.
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
#[expect(clippy::large_enum_variant, reason = "a deployment has one of it")]
pub enum Code {
    /// In this process.
    InProcess,
    /// As the built binaries, in separate processes.
    Programs {
        /// `receive`.
        receive: Program,
        /// `instantiate`.
        instantiate: Program,
        /// `reconcile`.
        reconcile: Program,
        /// `redrive`.
        redrive: Program,
    },
}

/// The settings of a deployment.
#[derive(Debug)]
pub struct Plan {
    /// The apps and the register.
    pub altinn: local_altinn::Config,
    /// The directory of route files.
    pub routes: PathBuf,
    /// How the functions run.
    pub code: Code,
    /// Table and queues; the template's unless changed.
    pub stack: Stack,
    /// Environment variables that override the template's.
    pub settings: BTreeMap<String, String>,
    /// Whether the template's schedule invokes `reconcile`; otherwise it runs only on request.
    pub schedule: bool,
    /// Organisation number of the service owner that Stafett acts for.
    pub service_owner: String,
}

/// The deployment could not be set up.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The template has something that is not supported locally.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// DynamoDB or SQS did not start.
    #[error(transparent)]
    Aws(#[from] local_aws::Error),
    /// A wire did not start.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The HTTP API did not start.
    #[error(transparent)]
    Api(#[from] HttpApiError),
    /// The local Altinn did not start.
    #[error("cannot start the local Altinn")]
    Altinn(#[from] io::Error),
    /// An app or the register could not be read.
    #[error(transparent)]
    Apps(#[from] local_altinn::LoadError),
    /// The ledger did not take a note.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A function did not start.
    #[error(transparent)]
    Function(#[from] StartError),
    /// The system cannot start another thread.
    #[error("cannot kill a function")]
    Kill(#[source] io::Error),
    /// The functions run in separate processes.
    #[error("only functions that run in this process can be deployed anew")]
    Programs,
}

/// The folder of the sample apps.
#[must_use]
pub fn sample_apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps")
}

/// The folder of the sample routes.
#[must_use]
pub fn sample_routes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../routes")
}

impl Plan {
    /// The sample apps and routes, with the functions in this process, and otherwise the template's
    /// settings.
    ///
    /// # Errors
    /// When a file of the samples or the template cannot be read.
    pub fn samples() -> Result<Self, DeployError> {
        let mut altinn = local_altinn::Config::from_folder(&sample_apps())?;
        altinn.events.allow_local_http = true;
        // Local subscriptions work at once; the real ones may miss events for an hour.
        altinn.events.subscription_cache = Duration::ZERO;
        Ok(Self {
            altinn,
            routes: sample_routes(),
            code: Code::InProcess,
            stack: Stack::stafett()?,
            settings: BTreeMap::new(),
            schedule: false,
            service_owner: SERVICE_OWNER.to_owned(),
        })
    }

    /// Overrides one setting of the template.
    #[must_use]
    pub fn setting(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.settings.insert(variable.to_owned(), value.into());
        self
    }
}

/// A running deployment. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Deployment {
    /// Altinn, to inspect it and to act as the citizens.
    pub altinn: LocalAltinn,
    /// The wire between the functions and Altinn.
    pub altinn_wire: Wire,
    /// The wire between the functions and DynamoDB.
    pub dynamodb_wire: Wire,
    /// The wire between the functions and SQS.
    pub sqs_wire: Wire,
    /// DynamoDB and SQS.
    pub aws: LocalAws,
    /// The HTTP API in front of `receive`.
    pub api: HttpApi,
    /// `receive`.
    pub receive: Function,
    /// `instantiate`.
    pub instantiate: Function,
    /// `reconcile`.
    pub reconcile: Function,
    /// `redrive`.
    pub redrive: Function,
    /// The event source mapping of `instantiate`.
    pub mapping: EventSourceMapping,
    /// The schedule of `reconcile`, if the plan has it on.
    pub schedule: Option<Schedule>,
    service_owner: String,
    in_process: Option<InProcess>,
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Deployment {
    /// Sets everything up. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn start(plan: Plan) -> Result<Self, DeployError> {
        let template = Template::stafett()?;
        let clock = plan.altinn.clock.clone();
        let aws = LocalAws::start_at(&plan.stack, clock.clone()).await?;
        is_the_first_ledger(&aws, clock.now()).await?;
        let dynamodb_wire = Wire::start(&aws.endpoints().dynamodb).await?;
        let sqs_wire = Wire::start(&aws.endpoints().sqs).await?;
        let (altinn, altinn_wire) = start_altinn(plan.altinn, &plan.service_owner).await?;
        let wired = Endpoints {
            dynamodb: dynamodb_wire.url().to_owned(),
            sqs: sqs_wire.url().to_owned(),
        };
        let mut settings = wired.environment();
        settings.extend(stafett_settings(&altinn, &altinn_wire, &aws, &plan.routes)?);
        settings.insert("TRIGGER_CONSUMERS".to_owned(), plan.service_owner.clone());
        settings.extend(plan.settings);
        let values = values(&aws, &plan.service_owner);
        let ground = Ground {
            template: &template,
            values: &values,
            settings,
            aws: wired.sdk_config(),
            clock: functions_clock(clock.clone()),
        };
        let functions = Functions::new(plan.code, ground).await?;
        let routes = template.http_routes().into_iter();
        let routes = routes.map(|route| (route, functions.receive.clone()));
        let api = HttpApi::start((Ipv4Addr::LOCALHOST, 0), routes).await?;
        // Lambda's own poller does not use the functions' wire.
        let direct = aws.endpoints().sdk_config();
        let sqs = aws_sdk_sqs::Client::new(&direct);
        let mapping = EventSourceMapping::start(
            sqs.clone(),
            &aws.resources().queue,
            template.event_source("Instantiate", &values)?,
            functions.instantiate.clone(),
        );
        let schedule = if plan.schedule {
            let schedule = template.schedule("Reconcile", &values)?;
            Some(Schedule::start(
                schedule,
                functions.reconcile.clone(),
                clock,
            ))
        } else {
            None
        };
        Ok(Self {
            altinn,
            altinn_wire,
            dynamodb_wire,
            sqs_wire,
            aws,
            api,
            receive: functions.receive,
            instantiate: functions.instantiate,
            reconcile: functions.reconcile,
            redrive: functions.redrive,
            mapping,
            schedule,
            service_owner: plan.service_owner,
            in_process: functions.in_process,
            sqs,
            dynamodb: aws_sdk_dynamodb::Client::new(&direct),
        })
    }

    /// The address that Altinn Events calls.
    #[must_use]
    pub fn events_url(&self) -> String {
        format!("{}/events/{EVENTS_SECRET}", self.api.url())
    }

    /// An SQS client that does not go through a wire.
    #[must_use]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        self.sqs.clone()
    }

    /// A DynamoDB client that does not go through a wire.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// Shuts down as Lambda would: stops receiving messages, and sends SIGTERM to the functions'
    /// processes.
    pub async fn stop(self) {
        if let Some(schedule) = self.schedule {
            schedule.stop().await;
        }
        self.mapping.stop().await;
        for function in [self.receive, self.instantiate, self.reconcile, self.redrive] {
            function.stop().await;
        }
        self.altinn.shutdown().await;
    }
}

/// Notes that no ledger came before this deployment's, as the operator of a first deployment does.
async fn is_the_first_ledger(aws: &LocalAws, now: Timestamp) -> Result<(), DeployError> {
    ledger(aws).is_the_first(now).await?;
    Ok(())
}

/// The ledger, not through a wire.
fn ledger(aws: &LocalAws) -> Ledger {
    let settings = LedgerSettings {
        table: aws.resources().table.clone(),
        // No relay is worked on here.
        lease: Duration::ZERO,
        settle: Duration::ZERO,
    };
    Ledger::new(&aws.endpoints().sdk_config(), &settings)
}

/// The functions' clock shows the same time as Altinn's and moves with it.
fn functions_clock(clock: testbed::clock::Clock) -> Clock {
    Clock::reading(move || clock.now())
}

async fn start_altinn(
    mut config: local_altinn::Config,
    service_owner: &str,
) -> Result<(LocalAltinn, Wire), DeployError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let wire = Wire::start(&format!("http://{}", listener.local_addr()?)).await?;
    config.public_url = Some(wire.url().to_owned());
    let altinn = LocalAltinn::start_on(listener, config)?;
    altinn.register_client(&ClientRegistration {
        client_id: CLIENT_ID.to_owned(),
        org_number: service_owner.to_owned(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        jwk: DevelopmentKey::client()?.public_jwk(),
    })?;
    Ok((altinn, wire))
}

/// The template's parameters, and the names of the created resources.
fn values(aws: &LocalAws, service_owner: &str) -> Values {
    [
        ("MaskinportenClientId", CLIENT_ID),
        ("MaskinportenJwkSecretArn", ""),
        ("TriggerScope", TRIGGER_SCOPE),
        ("TriggerConsumers", service_owner),
    ]
    .into_iter()
    .fold(aws.resources().values(), |values, (name, value)| {
        values.parameter(name, value)
    })
}

/// The settings that depend on this machine.
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
        (
            "STAFETT_DEAD_LETTER_QUEUE_URL",
            resources.dead_letter_queue.url.clone(),
        ),
        ("ALTINN_PLATFORM_URL", wire.url().to_owned()),
        ("ALTINN_APPS_URL", wire.url().to_owned()),
        ("MASKINPORTEN_ISSUER", altinn.issuer()),
        ("MASKINPORTEN_CLIENT_ID", CLIENT_ID.to_owned()),
        ("MASKINPORTEN_JWK", DevelopmentKey::client()?.private_jwk()),
        ("MASKINPORTEN_JWK_SECRET", String::new()),
        ("TRIGGER_ISSUER", altinn.issuer()),
        ("TRIGGER_SCOPE", TRIGGER_SCOPE.to_owned()),
        ("EVENTS_SECRET", EVENTS_SECRET.to_owned()),
        ("EVENTS_SECRET_ARN", String::new()),
    ];
    Ok(settings
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}
