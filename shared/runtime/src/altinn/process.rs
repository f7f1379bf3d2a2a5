//! Reading the progress of an instance's process.

use stafett_core::{
    id::{AppId, InstanceId},
    process::Progress,
};

use super::{
    budget::Budget,
    client::Altinn,
    error::{AltinnError, AltinnErrorKind, Call},
};

impl Altinn {
    /// Reads the progress of an instance's process through its app, with two concurrent calls.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn progress(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
    ) -> Result<Progress, AltinnError> {
        let call = Call::ReadProcess {
            app: app.clone(),
            instance: id,
        };
        let process = self.app(app, &format!("instances/{id}/process"));
        let history = format!("{process}/history");
        let (process, history) = tokio::try_join!(
            self.read_json(budget, &call, || self.0.http.get(&process)),
            self.read_json(budget, &call, || self.0.http.get(&history)),
        )?;
        Progress::read(&process, &history)
            .map_err(|_| AltinnError::new(&call, AltinnErrorKind::Malformed("a process")))
    }
}
