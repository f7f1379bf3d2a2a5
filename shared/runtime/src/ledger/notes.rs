//! Reconcile's notes: small texts under a name.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::key,
};

/// The partition of the notes. Relays have a GUID there.
const NOTES: &str = "reconcile";

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
}
