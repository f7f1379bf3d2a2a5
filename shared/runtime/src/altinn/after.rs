//! The after-steps: what follows on A, through A's app, once B exists.
//!
//! Both calls may be repeated: a second confirmation changes nothing, and a substatus is overwritten
//! (Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs, UpdateSubstatus and
//! AddCompleteConfirmation). They go through the app, because Storage does not always let the service owner do
//! either.

use serde::Serialize;
use stafett_core::{id::AppId, instance::Instance, route::Substatus};

use super::{
    budget::Budget,
    client::{Altinn, READ_TIMEOUT},
    error::{AltinnError, Call},
};

/// A substatus as the app reads it.
#[derive(Serialize)]
struct Body<'a> {
    label: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

impl Altinn {
    /// Sets the substatus of an instance, unless it has it already: each time causes an event.
    ///
    /// # Errors
    /// [`AltinnError`]. 403 unless the token speaks for the app's owner.
    pub async fn set_substatus(
        &self,
        budget: &Budget,
        app: &AppId,
        instance: &Instance,
        substatus: &Substatus,
    ) -> Result<(), AltinnError> {
        let body = Body {
            label: &substatus.label,
            description: substatus.description.as_deref(),
        };
        let has = instance.status.substatus.as_ref();
        if has.is_some_and(|has| {
            has.label.as_deref() == Some(body.label)
                && has.description.as_deref() == body.description
        }) {
            return Ok(());
        }
        let id = instance.id;
        let call = Call::SetSubstatus {
            app: app.clone(),
            instance: id,
        };
        let url = self.app(app, &format!("instances/{id}/substatus"));
        self.send(budget, &call, READ_TIMEOUT, || {
            self.0.http.put(&url).json(&body)
        })
        .await
        .map(drop)
    }

    /// Confirms for the app's owner that an instance was processed, unless it is confirmed already. It then leaves the
    /// list of unconfirmed instances, and is purged some time after its owner deletes it.
    ///
    /// # Errors
    /// [`AltinnError`]. 403 unless A's policy gives the service owner `complete`, as Altinn's templates do.
    pub async fn confirm_complete(
        &self,
        budget: &Budget,
        app: &AppId,
        instance: &Instance,
    ) -> Result<(), AltinnError> {
        if instance.is_confirmed_by(app.org()) {
            return Ok(());
        }
        let id = instance.id;
        let call = Call::ConfirmComplete {
            app: app.clone(),
            instance: id,
        };
        let url = self.app(app, &format!("instances/{id}/complete"));
        self.send(budget, &call, READ_TIMEOUT, || self.0.http.post(&url))
            .await
            .map(drop)
    }
}
