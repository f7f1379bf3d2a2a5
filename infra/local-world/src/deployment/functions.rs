//! The functions as this machine runs them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lambda_events::event::sqs::SqsEvent;
use aws_types::SdkConfig;
use instantiate::Instantiate;
use lambda_http::{Request, RequestExt};
use lambda_runtime::{LambdaEvent, service_fn};
use receive::Receive;
use reconcile::Reconcile;
use redrive::Redrive;
use serde_json::Value;
use stafett_runtime::{
    clock::Clock, invocation::Invocation, settings::Environment, start::StartError,
    telemetry::Causes,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Code, DeployError, Deployment};
use local_aws::lambda::Function;
use local_aws::{FunctionSettings, Template, TemplateError, Values};

/// What the functions run with.
pub(super) struct Ground<'a> {
    pub(super) template: &'a Template,
    pub(super) values: &'a Values,
    /// Settings that replace the template's, by variable.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) aws: SdkConfig,
    pub(super) clock: Clock,
}

/// The four functions.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) receive: Function,
    pub(super) instantiate: Function,
    pub(super) reconcile: Function,
    pub(super) redrive: Function,
    pub(super) in_process: Option<InProcess>,
}

/// The code of the functions that run in this process, which can be deployed anew.
pub(super) struct InProcess {
    receive: Version<Arc<Receive>>,
    instantiate: Version<Arc<Instantiate>>,
    reconcile: Version<Arc<Reconcile>>,
    redrive: Version<Arc<Redrive>>,
    /// What the deployed version was built with.
    settings: Version<[FunctionSettings; 4]>,
    aws: SdkConfig,
    clock: Clock,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

/// The version of a function's code that is deployed now.
struct Version<T>(Arc<RwLock<T>>);

impl<T> Clone for Version<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Clone> Version<T> {
    fn new(code: T) -> Self {
        Self(Arc::new(RwLock::new(code)))
    }

    fn now(&self) -> T {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, code: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = code;
    }
}

impl Functions {
    pub(super) async fn new(code: Code, ground: Ground<'_>) -> Result<Self, DeployError> {
        let settings = |id| {
            let mut function = ground.template.function(id, ground.values)?;
            function.environment.extend(ground.settings.clone());
            Ok::<_, TemplateError>(function)
        };
        let settings = [
            settings("Receive")?,
            settings("Instantiate")?,
            settings("Reconcile")?,
            settings("Redrive")?,
        ];
        match code {
            Code::Programs {
                receive,
                instantiate,
                reconcile,
                redrive,
            } => {
                let [for_receive, for_instantiate, for_reconcile, for_redrive] = settings;
                Ok(Self {
                    receive: Function::process(for_receive, receive),
                    instantiate: Function::process(for_instantiate, instantiate),
                    reconcile: Function::process(for_reconcile, reconcile),
                    redrive: Function::process(for_redrive, redrive),
                    in_process: None,
                })
            }
            Code::InProcess => Ok(InProcess::new(settings, ground.aws, ground.clock)
                .await?
                .functions()),
        }
    }
}

impl InProcess {
    async fn new(
        settings: [FunctionSettings; 4],
        aws: SdkConfig,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let code = Built::new(&settings, &aws, &clock).await?;
        Ok(Self {
            receive: Version::new(code.receive),
            instantiate: Version::new(code.instantiate),
            reconcile: Version::new(code.reconcile),
            redrive: Version::new(code.redrive),
            settings: Version::new(settings),
            aws,
            clock,
        })
    }

    /// Lets `instantiate` start as a new process of the deployed version does: with nothing in its memory.
    async fn restart_instantiate(&self) -> Result<(), StartError> {
        let [_, settings, _, _] = self.settings.now();
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        let code =
            on_a_thread(async move || Instantiate::new(&source(&settings), &aws, clock).await);
        self.instantiate.replace(Arc::new(code.await?));
        Ok(())
    }

    fn functions(self) -> Functions {
        let [for_receive, for_instantiate, for_reconcile, for_redrive] = self.settings.now();
        let code = self.receive.clone();
        let receive = Function::http(for_receive, move |request: Request| {
            let code = code.now();
            async move {
                let context = request.lambda_context_ref();
                let invocation = context.map(Invocation::from).unwrap_or_default();
                Ok::<_, Infallible>(code.handle(request, &invocation).await)
            }
        });
        let code = self.instantiate.clone();
        let instantiate = service_fn(move |event: LambdaEvent<SqsEvent>| {
            let code = code.now();
            async move {
                let invocation = Invocation::from(&event.context);
                Ok::<_, Infallible>(code.handle(event.payload, &invocation).await)
            }
        });
        let code = self.reconcile.clone();
        let reconcile = service_fn(move |event: LambdaEvent<Value>| {
            let code = code.now();
            async move {
                let invocation = Invocation::from(&event.context);
                code.handle(event.payload, &invocation).await
            }
        });
        let code = self.redrive.clone();
        let redrive = service_fn(move |event: LambdaEvent<Value>| {
            let code = code.now();
            on_a_thread(async move || {
                let invocation = Invocation::from(&event.context);
                let response = code.handle(event.payload, &invocation).await;
                response.map_err(|error| Causes(&error).to_string())
            })
        });
        Functions {
            receive,
            instantiate: Function::in_process(for_instantiate, instantiate),
            reconcile: Function::in_process(for_reconcile, reconcile),
            redrive: Function::in_process(for_redrive, redrive),
            in_process: Some(self),
        }
    }
}

/// Runs work that stays on one thread, as a function's process does with all of its work: that redrive's, or
/// that of its start, could go on on another one the compiler cannot see. It ends with the future that is returned.
async fn on_a_thread<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let (awaited, forgotten) = oneshot::channel::<Infallible>();
    let runtime = Handle::current();
    let thread = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                result = work() => Some(result),
                _ = forgotten => None,
            }
        })
    });
    let result = thread.await;
    drop(awaited);
    match result {
        Ok(Some(result)) => result,
        // Only the one who awaits can end it, and that is here.
        Ok(None) => std::future::pending().await,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is on its way down.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What a function reads its settings from.
fn source(function: &FunctionSettings) -> Environment<'_> {
    Environment::new(|name: &str| function.environment.get(name).cloned())
}

/// One version of all functions.
struct Built {
    receive: Arc<Receive>,
    instantiate: Arc<Instantiate>,
    reconcile: Arc<Reconcile>,
    redrive: Arc<Redrive>,
}

impl Built {
    async fn new(
        settings: &[FunctionSettings; 4],
        aws: &SdkConfig,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        let [for_receive, for_instantiate, for_reconcile, for_redrive] =
            settings.each_ref().map(source);
        let clock = || clock.clone();
        Ok(Self {
            receive: Arc::new(Receive::new(&for_receive, aws, clock()).await?),
            instantiate: Arc::new(Instantiate::new(&for_instantiate, aws, clock()).await?),
            reconcile: Arc::new(Reconcile::new(&for_reconcile, aws, clock()).await?),
            redrive: Arc::new(Redrive::new(&for_redrive, aws, clock()).await?),
        })
    }
}

impl Deployment {
    /// Deploys the routes in another directory: each invocation that begins from now on has them. Only for
    /// functions that run in this process.
    ///
    /// # Errors
    /// When a function refuses to start with them, or runs in a process of its own; the old ones stay then.
    pub async fn deploy(&self, routes: &Path) -> Result<(), DeployError> {
        let Some(functions) = &self.in_process else {
            return Err(DeployError::Programs);
        };
        let mut settings = functions.settings.now();
        for function in &mut settings {
            let routes = routes.display().to_string();
            function
                .environment
                .insert("STAFETT_ROUTES".to_owned(), routes);
        }
        let (built, aws, clock) = (
            settings.clone(),
            functions.aws.clone(),
            functions.clock.clone(),
        );
        let code = on_a_thread(async move || Built::new(&built, &aws, &clock).await).await?;
        functions.receive.replace(code.receive);
        functions.instantiate.replace(code.instantiate);
        functions.reconcile.replace(code.reconcile);
        functions.redrive.replace(code.redrive);
        functions.settings.replace(settings);
        Ok(())
    }

    /// Kills `instantiate` with all that it works on (see [`Function::kill`]): claims stay behind, and
    /// messages come back when their visibility timeout ends. The next invocation remembers nothing.
    ///
    /// # Errors
    /// When the function cannot start anew, as its routes are not there any more. It is killed nevertheless, and
    /// goes on with what it remembers.
    pub async fn kill_instantiate(&self) -> Result<(), DeployError> {
        self.instantiate.kill().await.map_err(DeployError::Kill)?;
        match &self.in_process {
            Some(functions) => Ok(functions.restart_instantiate().await?),
            None => Ok(()),
        }
    }
}
