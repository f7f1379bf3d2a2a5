//! The HTTP client of the AWS SDK: `reqwest`, as for all other calls.
//!
//! The SDK's own client takes certificates as PEM alone, and parses all of them again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, redirect};
use rustls::ClientConfig;

/// One client for all of the SDK's clients that wait equally long.
#[derive(Debug, Clone)]
pub(super) struct SdkClient {
    tls: Arc<ClientConfig>,
    connectors: Arc<Mutex<HashMap<Timeouts, SharedHttpConnector>>>,
}

/// To connect, and between two reads of an answer.
type Timeouts = (Option<Duration>, Option<Duration>);

impl SdkClient {
    pub(super) fn new(tls: ClientConfig) -> Self {
        Self {
            tls: Arc::new(tls),
            connectors: Arc::default(),
        }
    }

    fn connect(&self, (connect, read): Timeouts) -> SharedHttpConnector {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(ClientConfig::clone(&self.tls))
            // An answer of AWS's that redirects is an error to the SDK.
            .redirect(redirect::Policy::none());
        if let Some(connect) = connect {
            builder = builder.connect_timeout(connect);
        }
        if let Some(read) = read {
            builder = builder.read_timeout(read);
        }
        match builder.build() {
            Ok(client) => SharedHttpConnector::new(Connector(client)),
            Err(error) => SharedHttpConnector::new(Broken(Arc::new(error))),
        }
    }
}

impl HttpClient for SdkClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(timeouts);
        connector.or_insert_with(|| self.connect(timeouts)).clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("reqwest", None))
    }
}

#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| match body.bytes() {
        Some(bytes) => reqwest::Body::from(bytes.to_vec()),
        None => reqwest::Body::wrap(body),
    });
    let request = request
        .try_into()
        .map_err(|error: reqwest::Error| ConnectorError::user(error.into()))?;
    let answer = client.execute(request).await.map_err(failed)?;
    let answer = http::Response::from(answer).map(SdkBody::from_body_1_x);
    HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
}

/// As the SDK's own connector tells failures apart: what timed out or broke on the way is tried again.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() {
        ConnectorError::io(error.into()).never_connected()
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

/// No client could be made: every call says why.
#[derive(Debug)]
struct Broken(Arc<reqwest::Error>);

impl HttpConnector for Broken {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let error = ConnectorError::user(self.0.clone().into());
        HttpConnectorFuture::ready(Err(error))
    }
}
