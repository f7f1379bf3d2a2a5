//! Calls to a deployment as app A, an operator and a developer make them.

use std::{collections::BTreeMap, io, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use reconcile::PaceStatus;
use serde_json::{Value, json};
use stafett_core::{id::AppId, route::Routes};
use thiserror::Error;

use super::{Deployment, SCOPES, TRIGGER_SCOPE, ledger};

impl Deployment {
    /// Calls `POST /triggers` as app A does, with a token of the service owner's own client.
    ///
    /// # Errors
    /// When no token can be issued, or the API does not respond.
    pub async fn trigger(&self, app: &str, instance: &str) -> Result<reqwest::Response, CallError> {
        let token = self
            .altinn
            .maskinporten_token(&self.service_owner, TRIGGER_SCOPE, None)?;
        Ok(reqwest::Client::new()
            .post(format!("{}/triggers", self.api.url()))
            .bearer_auth(token)
            .json(&json!({"app": app, "instance": instance}))
            .send()
            .await?)
    }

    /// Subscribes to an app's events as an operator does, and waits until Altinn has validated the
    /// address.
    ///
    /// # Errors
    /// When Altinn refuses, or has not validated the address within ten seconds.
    pub async fn subscribe(&self, app: &str) -> Result<(), CallError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let client = reqwest::Client::new();
        let platform = self.altinn_wire.url();
        let token = self
            .altinn
            .maskinporten_token(&self.service_owner, &SCOPES.join(" "), None)?;
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
    /// When DynamoDB does not respond.
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

    /// What is known of the load of each B app of these routes, as `reconcile` shows it to an operator.
    ///
    /// # Errors
    /// When DynamoDB does not respond.
    pub async fn paces(
        &self,
        routes: &Routes,
    ) -> Result<BTreeMap<AppId, Option<PaceStatus>>, CallError> {
        let paces = reconcile::paces(&ledger(&self.aws), routes.iter()).await;
        paces.map_err(|error| CallError::Aws(error.into()))
    }
}

/// A call to the deployment that failed.
#[derive(Debug, Error)]
pub enum CallError {
    /// No token could be issued.
    #[error("cannot make a token")]
    Token(#[from] io::Error),
    /// No response, or a refusal.
    #[error("a call of the local deployment failed")]
    NoAnswer(#[from] reqwest::Error),
    /// Altinn Events did not validate the address.
    #[error("the events subscription was not validated: does the HTTP API answer?")]
    NotValidated,
    /// DynamoDB or SQS failed.
    #[error("the local AWS did not answer")]
    Aws(#[source] Box<dyn std::error::Error + Send + Sync>),
}
