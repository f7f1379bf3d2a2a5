//! Reading instances, form data and attachments.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, future::try_join_all};
use http::header;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stafett_core::{
    id::{AppId, InstanceId},
    instance::Instance,
    prepare::InstanceData,
    route::Route,
};
use uuid::Uuid;

use super::{
    budget::Budget,
    client::{Altinn, READ_TIMEOUT, quickly},
    error::{AltinnError, AltinnErrorKind, Call},
    json,
};

/// The largest stored form that is read, in bytes.
const MAX_FORM: usize = 16 * 1024 * 1024;

impl Altinn {
    /// Reads an instance from Storage, which finds it by its GUID alone. If the sender of a trigger named a wrong
    /// party, it does not matter: from here on the instance's own id is used.
    ///
    /// # Errors
    /// [`AltinnError`]. Storage answers 404 also on any failure of its own
    /// (Altinn/altinn-storage: src/Storage/Controllers/InstancesController.cs, Get).
    pub async fn instance(&self, budget: &Budget, id: InstanceId) -> Result<Instance, AltinnError> {
        let call = Call::ReadInstance(id);
        let url = self.storage(&format!("instances/{id}"));
        let json = self
            .read_json(budget, &call, || self.platform_request(Method::GET, &url))
            .await?;
        let instance = Instance::from_json(json)
            .ok()
            .filter(|instance| instance.id.guid == id.guid);
        instance.ok_or_else(|| AltinnError::new(&call, AltinnErrorKind::Malformed("that instance")))
    }

    /// Reads form data through its app, as JSON: typed, lists as lists.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn form_data(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
        element: Uuid,
    ) -> Result<Value, AltinnError> {
        let call = Call::ReadForm {
            app: app.clone(),
            instance: id,
            element,
        };
        let url = self.app(app, &format!("instances/{id}/data/{element}"));
        self.read_json(budget, &call, || {
            self.0
                .http
                .get(&url)
                .header(header::ACCEPT, "application/json")
        })
        .await
    }

    /// Reads those forms of an A instance that the route's expressions name, and A's metadata, which says how many there may
    /// be.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn instance_data(
        &self,
        budget: &Budget,
        route: &Route,
        instance: &Instance,
    ) -> Result<InstanceData, AltinnError> {
        let types = route.data_types();
        if types.is_empty() {
            return Ok(InstanceData::without_forms(instance.clone()));
        }
        let reads = types.into_iter().map(|data_type| async move {
            let elements = instance.elements(&data_type).into_iter();
            let forms = elements.map(|it| self.form_data(budget, &route.from, instance.id, it.id));
            let forms = try_join_all(forms).await?;
            Ok((data_type, forms))
        });
        let (forms, metadata) =
            tokio::try_join!(try_join_all(reads), self.metadata(budget, &route.from))?;
        Ok(InstanceData::new(instance.clone(), &metadata, forms))
    }

    /// Opens an attachment in Storage: its bytes, as they were stored.
    ///
    /// # Errors
    /// [`AltinnError`], also within the stream.
    pub async fn attachment(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<impl Stream<Item = Result<Bytes, AltinnError>> + Send + use<>, AltinnError> {
        let call = Call::ReadElement {
            instance: id,
            element,
        };
        let url = self.storage(&format!("instances/{id}/data/{element}"));
        // An attachment may be large, so only the budget limits how long it takes.
        let answer = quickly(|| {
            self.send(budget, &call, Duration::MAX, || {
                self.platform_request(Method::GET, &url)
            })
        })
        .await?;
        Ok(answer
            .bytes_stream()
            .map_err(move |error| AltinnError::new(&call, error)))
    }

    /// The SHA-256 of a data element, as it is stored.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn digest(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<[u8; 32], AltinnError> {
        let mut bytes = std::pin::pin!(self.attachment(budget, id, element).await?);
        let mut digest = Sha256::new();
        while let Some(chunk) = bytes.next().await {
            digest.update(chunk?);
        }
        Ok(digest.finalize().into())
    }

    /// A form as it is stored.
    pub(super) async fn stored_form(
        &self,
        budget: &Budget,
        id: InstanceId,
        element: Uuid,
    ) -> Result<Vec<u8>, AltinnError> {
        let call = Call::ReadStoredForm {
            instance: id,
            element,
        };
        let url = self.storage(&format!("instances/{id}/data/{element}"));
        let answer = self
            .send(budget, &call, READ_TIMEOUT, || {
                self.platform_request(Method::GET, &url)
            })
            .await?;
        json::read_capped(answer, MAX_FORM)
            .await
            .map_err(|kind| AltinnError::new(&call, kind))
    }

    /// The forms of an instance with these data types, as they are stored.
    ///
    /// # Errors
    /// [`AltinnError`], also if the instance lacks such an element or it is not text.
    pub async fn stored_forms(
        &self,
        budget: &Budget,
        id: InstanceId,
        data_types: &[&str],
    ) -> Result<Vec<String>, AltinnError> {
        let instance = self.instance(budget, id).await?;
        let missing = || {
            AltinnError::new(
                &Call::ReadInstance(id),
                AltinnErrorKind::Malformed("an instance with the form"),
            )
        };
        let mut forms = Vec::new();
        for data_type in data_types {
            let element = instance.elements(data_type).first().ok_or_else(missing)?.id;
            let stored = self.stored_form(budget, id, element).await?;
            let text = String::from_utf8(stored).map_err(|_| {
                let call = Call::ReadStoredForm {
                    instance: id,
                    element,
                };
                AltinnError::new(&call, AltinnErrorKind::Malformed("text"))
            })?;
            forms.push(text);
        }
        Ok(forms)
    }
}
