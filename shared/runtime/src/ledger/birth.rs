//! The ledger's birth, in each container's memory.
//!
//! The birth is the later of two times: when DynamoDB created the table, and the note `born`, which the first function
//! that uses the table writes into it. A table that was emptied has lost the note with its items; a table that was
//! restored has the note of another one. In both cases the note is written anew.
//!
//! An operator says once that no ledger came before this one ([`Ledger::is_the_first`]). The note keeps that.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::{
    id::RouteName,
    relay::decide::{BIRTH_REMEMBERED, Birth},
};

use super::{
    Ledger,
    error::{LedgerError, Operation},
};

/// The name of the note of the birth.
const BORN: &str = "born";
/// How often the note is read again because others write it.
const TRIES: u32 = 5;

/// When the ledger was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Born {
    /// Since when this table is in use.
    pub at: Timestamp,
    /// No ledger came before it.
    pub is_first: bool,
}

/// A route's part of the ledger has been rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// The birth after which it was rebuilt.
    pub born: Timestamp,
    /// Every live B that was created at this moment or later is on record.
    pub from: Timestamp,
    /// When the rebuild was finished.
    pub at: Timestamp,
}

/// The table, as DynamoDB describes it.
#[derive(Debug, Clone)]
struct Table {
    id: String,
    created: Timestamp,
}

/// The note `born`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The table into which it was written: a restored table has the note of another one.
    table: String,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    first: bool,
}

/// What a container remembers of the birth.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Mutex<Known>,
    /// One of several concurrent relays reads, and the others wait for it.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    born: Option<Remembered>,
    /// By route, with the time at which the ledger was asked.
    rebuilt: HashMap<RouteName, (Option<Rebuilt>, Timestamp)>,
}

/// A birth that was read.
#[derive(Debug, Clone)]
struct Remembered {
    born: Born,
    /// The text of the note that told it.
    note: String,
    read: Timestamp,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what was read at `read` is still remembered.
fn is_fresh(read: Timestamp, now: Timestamp) -> bool {
    read <= now && now.duration_since(read) < BIRTH_REMEMBERED
}

impl Ledger {
    /// The birth, as far as a route's relays depend on it: `None` if no ledger came before this one. Asks the ledger at
    /// most once a minute.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn birth(
        &self,
        route: &RouteName,
        now: Timestamp,
    ) -> Result<Option<Birth>, LedgerError> {
        let born = self.born(now).await?;
        if born.is_first {
            return Ok(None);
        }
        Ok(Some(Birth {
            at: born.at,
            rebuilt_from: self.rebuilt(route, born.at, now).await?.map(|it| it.from),
        }))
    }

    /// The same as [`Ledger::birth`], but a ledger that was emptied or replaced since it was last asked is noticed. This
    /// takes one read.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn birth_now(
        &self,
        route: &RouteName,
        now: Timestamp,
    ) -> Result<Option<Birth>, LedgerError> {
        let remembered = self.birth.known().born.clone();
        if let Some(remembered) = remembered
            && self.noted(BORN).await?.as_ref() != Some(&remembered.note)
        {
            self.forget_birth();
        }
        self.birth(route, now).await
    }

    /// When the ledger was born. Asks the ledger at most once a minute.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn born(&self, now: Timestamp) -> Result<Born, LedgerError> {
        let _one = self.birth.reading.lock().await;
        let remembered = self.birth.known().born.clone();
        if let Some(remembered) = remembered.filter(|it| is_fresh(it.read, now)) {
            return Ok(remembered.born);
        }
        let (born, note) = self.read_birth(now).await?;
        let read = now;
        self.birth.known().born = Some(Remembered { born, note, read });
        Ok(born)
    }

    /// Asks the ledger again the next time. For whoever has reason to doubt what is remembered.
    pub fn forget_birth(&self) {
        *self.birth.known() = Known::default();
    }

    /// Notes that no ledger came before this one, so that nothing has to be rebuilt.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn is_the_first(&self, now: Timestamp) -> Result<Born, LedgerError> {
        self.forget_birth();
        let table = self.describe().await?;
        for _ in 0..TRIES {
            let before = self.noted(BORN).await?;
            if self
                .write_birth(&table, true, before.as_deref(), now)
                .await?
            {
                break;
            }
        }
        self.born(now).await
    }

    /// The note that a route was rebuilt after this birth.
    async fn rebuilt(
        &self,
        route: &RouteName,
        born: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Rebuilt>, LedgerError> {
        let remembered = self.birth.known().rebuilt.get(route).copied();
        match remembered {
            Some((Some(rebuilt), _)) if rebuilt.born == born => return Ok(Some(rebuilt)),
            Some((None, asked)) if is_fresh(asked, now) => return Ok(None),
            _ => {}
        }
        let text = self.noted(&rebuilt_note(route)).await?;
        let rebuilt: Option<Rebuilt> = text.and_then(|text| serde_json::from_str(&text).ok());
        let rebuilt = rebuilt.filter(|rebuilt| rebuilt.born == born);
        let asked = (rebuilt, now);
        self.birth.known().rebuilt.insert(route.clone(), asked);
        Ok(rebuilt)
    }

    /// Notes that a route's part of the ledger has been rebuilt.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn is_rebuilt(&self, route: &RouteName, rebuilt: Rebuilt) -> Result<(), LedgerError> {
        let name = rebuilt_note(route);
        let text = serde_json::to_string(&rebuilt)
            .map_err(|error| Operation::WriteNote(name.clone()).refused(error))?;
        self.note(&name, &text).await?;
        let known = (Some(rebuilt), rebuilt.at);
        self.birth.known().rebuilt.insert(route.clone(), known);
        Ok(())
    }

    /// The birth by table and note, and the text of the note. The note is written where it is missing or of another table.
    async fn read_birth(&self, now: Timestamp) -> Result<(Born, String), LedgerError> {
        // Each time, because a table may have been replaced by one of the same name without any call having failed.
        let table = self.describe().await?;
        for _ in 0..TRIES {
            let text = self.noted(BORN).await?;
            // A note that cannot be read counts as one of another table.
            let note: Option<Note> = text
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            if let (Some(note), Some(text)) = (note.filter(|note| note.table == table.id), &text) {
                let born = Born {
                    at: note.at.max(table.created),
                    is_first: note.first,
                };
                return Ok((born, text.clone()));
            }
            self.write_birth(&table, false, text.as_deref(), now)
                .await?;
        }
        Err(LedgerError::Contended(BORN.to_owned()))
    }

    /// Writes the note in the place of what was read. Returns whether it is still that.
    async fn write_birth(
        &self,
        table: &Table,
        first: bool,
        before: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let note = Note {
            table: table.id.clone(),
            at: now,
            first,
        };
        let text = serde_json::to_string(&note)
            .map_err(|error| Operation::WriteNote(BORN.to_owned()).refused(error))?;
        let written = self.note_instead(BORN, &text, before).await?;
        if written && !first {
            tracing::warn!(
                table = note.table,
                born = %now,
                "this ledger is new, emptied or restored: it is rebuilt from the stamps on B before anything old is relayed"
            );
        }
        Ok(written)
    }

    /// Which table it is.
    async fn describe(&self) -> Result<Table, LedgerError> {
        let answer = self
            .client
            .describe_table()
            .table_name(&self.table)
            .send()
            .await
            .map_err(|error| Operation::Describe.refused(error))?;
        let described = answer
            .table
            .ok_or_else(|| Operation::Describe.refused("there is no description"))?;
        let created = described
            .creation_date_time
            .and_then(|at| Timestamp::from_second(at.secs()).ok())
            .unwrap_or(Timestamp::MIN);
        Ok(Table {
            id: described.table_id.unwrap_or_else(|| created.to_string()),
            created,
        })
    }
}

/// The name of the note that a route was rebuilt.
fn rebuilt_note(route: &RouteName) -> String {
    format!("rebuilt:{route}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_remembered_for_a_minute_and_not_across_a_clock_that_went_back() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (now, fresh) in [(99, false), (100, true), (159, true), (160, false)] {
            assert_eq!(is_fresh(at(100), at(now)), fresh, "{now}");
        }
    }
}
