//! Reading how far the process of an instance has come.

use stafett_core::{
    id::{AppId, InstanceId},
    process::Progress,
};

use super::{Altinn, AltinnError, Budget, Trouble};

impl Altinn {
    /// Reads how far the process of an instance has come, through its app: two calls, side by side.
    ///
    /// # Errors
    /// [`AltinnError`].
    pub async fn progress(
        &self,
        budget: &Budget,
        app: &AppId,
        id: InstanceId,
    ) -> Result<Progress, AltinnError> {
        let doing = format!("read the process of instance {id} through {app}");
        let process = self.app(app, &format!("instances/{id}/process"));
        let history = format!("{process}/history");
        let (process, history) = tokio::try_join!(
            self.read_json(budget, &doing, || self.0.http.get(&process)),
            self.read_json(budget, &doing, || self.0.http.get(&history)),
        )?;
        Progress::read(&process, &history)
            .map_err(|_| AltinnError::new(&doing, Trouble::Malformed("a process")))
    }
}
