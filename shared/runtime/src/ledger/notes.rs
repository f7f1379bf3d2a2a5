//! Notes: small texts under a name. Reconcile keeps its place in them, and instantiate stops routes with them.

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{AttributeValue, ReturnValue},
};

use stafett_core::id::RouteName;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::key,
};

/// The partition of the notes. Relays have a GUID there.
pub(super) const NOTES: &str = "reconcile";

impl Ledger {
    /// Stores a text under a name. Of two writers the later one wins.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn note(&self, name: &str, text: &str) -> Result<(), LedgerError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(NOTES, name)))
            .item("note", AttributeValue::S(text.to_owned()))
            .send()
            .await
            .map(drop)
            .map_err(|error| Operation::WriteNote(name.to_owned()).refused(error))
    }

    /// Stores a text under a name in the place of the text `before` (`None`: of none). Returns whether that is what was
    /// there.
    ///
    /// # Errors
    /// [`LedgerError`]. If the answer to our own write is lost, the repeated call returns `false`, as if somebody else
    /// had written.
    pub(super) async fn note_instead(
        &self,
        name: &str,
        text: &str,
        before: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(NOTES, name)))
            .item("note", AttributeValue::S(text.to_owned()));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("note = :before")
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(Operation::WriteNote(name.to_owned()).refused(error)),
        }
    }

    /// The text that was stored under a name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn noted(&self, name: &str) -> Result<Option<String>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(NOTES, name)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Operation::ReadNote(name.to_owned()).refused(error))?;
        let note = answer.item.and_then(|mut item| item.remove("note"));
        Ok(note.and_then(|note| match note {
            AttributeValue::S(text) => Some(text),
            _ => None,
        }))
    }

    /// Stops a route, as long as it and B's schema have this version.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn stop(&self, route: &RouteName, version: &str) -> Result<(), LedgerError> {
        self.note(&stop(route), version).await
    }

    /// The version with which a route was stopped.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn stopped(&self, route: &RouteName) -> Result<Option<String>, LedgerError> {
        let version = self.noted(&stop(route)).await?;
        Ok(version.filter(|version| !version.is_empty()))
    }

    /// Lets a route go on. Returns whether it was stopped.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn resume(&self, route: &RouteName) -> Result<bool, LedgerError> {
        let name = stop(route);
        let refused = |error| Operation::WriteNote(name.clone()).refused(error);
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(NOTES, &name)))
            .item("note", AttributeValue::S(String::new()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(refused)?;
        let before = answer.attributes.and_then(|mut item| item.remove("note"));
        Ok(matches!(before, Some(AttributeValue::S(version)) if !version.is_empty()))
    }
}

/// The name of the note that stops a route. A route's own notes of reconcile begin with its name, which has no colon.
fn stop(route: &RouteName) -> String {
    format!("stop:{route}")
}
