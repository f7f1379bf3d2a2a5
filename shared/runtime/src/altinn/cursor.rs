//! The cursor of a list: where Storage is asked to go on.
//!
//! Storage sorts and filters by a column `lastChanged` of its own. A write of data values or presentation texts
//! beside a change of the process takes that column back to what it was before both, while the document keeps the
//! right time; and Storage builds `next` from the document of the page's last instance (measured on Storage
//! d9364e40; Altinn/altinn-storage: src/Storage/Repository/PgInstanceRepository.cs). Where the last instance's
//! column lies behind its document, `next` skips all that stands in between, and says nothing.
//!
//! So a list is continued by asking again, from the earliest document time among the page's last [`TAIL`]
//! instances: the column never exceeds the document, so one instance among them whose column is right makes that
//! a moment that the page has reached. That there was one shows on the following page, which then lists the page
//! before from that instance on. Two of these are needed, since the column of one may be set right in between.
//! Where they do not stand there, the list is asked again from where the page before began, with twice as many
//! instances.

use std::collections::HashMap;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::instance::Instance;
use uuid::Uuid;

use super::{
    budget::Budget,
    client::Altinn,
    error::{AltinnError, AltinnErrorKind, Call},
    list::{InstanceQuery, Page, Row},
};

/// So many of a page's last instances are looked at for the moment from which the list goes on; the next page begins
/// with as many again at the most.
///
/// The number is a matter of cost alone, since a page shows whether it follows. Of 100,000 instances in pages of 1,000, 5
/// to 40 of them make 101 to 106 calls at 0, 1, 10 and 40 % drift; in pages of 100 they make 1,050 to 1,670. Too few,
/// and clusters that a batch moved send the list back; 20 all wrong by chance are one page in ninety million at 40 %.
pub const TAIL: usize = 20;
/// So many instances of a page are kept for a later run, to show that its first page follows.
const WITNESSES: usize = 4;
/// A page is not made longer than this: Storage takes `size=20000` (measured), what is read of an answer holds
/// some 13,000 instances.
const MOST: usize = 10_000;

/// Where a list goes on. Everything before it has been seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Everything whose column is before this has been seen. None at the beginning of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// The query of the next page, where more instances changed at `from` than go on a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// How much further the list has been seen, as it seems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guess: Option<Guess>,
}

/// A moment that the last page has reached, if the column of its anchor is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Guess {
    from: Timestamp,
    /// The anchor, and some that stood behind it on the page. None in what an earlier version kept.
    #[serde(default)]
    witnesses: Vec<Witness>,
}

/// An instance of the last page, and the time of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Witness {
    id: Uuid,
    changed: Timestamp,
}

/// Goes through a list page by page.
#[derive(Debug)]
pub struct Cursor {
    list: InstanceQuery,
    place: Place,
    /// An earlier run left it here, and Storage has not been asked since.
    resumed: bool,
    /// How often the page at `place` was doubled.
    doubled: u32,
    /// The most instances on a page that Storage's answer has room for.
    most: usize,
    /// The instances of the page before.
    seen: HashMap<Uuid, Seen>,
    /// How many of them stand from the anchor of the guess on.
    overlap: usize,
    finished: bool,
}

/// An instance that the page before had.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The time of its document.
    changed: Timestamp,
    /// It stood at the anchor of the guess, or behind it.
    overlaps: bool,
}

/// What came of a page.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It follows the page before.
    On,
    /// It does so as far as one can tell: the answer cannot be longer.
    Unproven,
    /// It may not: the list is asked again from where the page before began.
    Back,
}

impl Cursor {
    /// At the beginning of a list.
    #[must_use]
    pub fn new(list: InstanceQuery) -> Self {
        Self {
            most: list.size.max(MOST),
            list,
            place: Place::default(),
            resumed: false,
            doubled: 0,
            seen: HashMap::new(),
            overlap: 0,
            finished: false,
        }
    }

    /// Where an earlier run left it.
    #[must_use]
    pub fn resume(list: InstanceQuery, place: Place) -> Self {
        let witnesses = place.guess.iter().flat_map(|guess| &guess.witnesses);
        let seen: HashMap<Uuid, Seen> = witnesses
            .map(|witness| {
                let (changed, overlaps) = (witness.changed, true);
                (witness.id, Seen { changed, overlaps })
            })
            .collect();
        Self {
            overlap: seen.len(),
            seen,
            place,
            resumed: true,
            ..Self::new(list)
        }
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> &InstanceQuery {
        &self.list
    }

    /// Where the list goes on behind the page that came last.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the page that came last was the last one.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The next page; of its instances those that `keep` keeps and that the page before did not have. What changed
    /// since comes again.
    ///
    /// # Errors
    /// [`AltinnError`]. The place stays, and the same page may be asked for again.
    pub async fn page(
        &mut self,
        altinn: &Altinn,
        budget: &Budget,
        call: &Call,
        keep: impl Fn(&Instance) -> bool + Sync,
    ) -> Result<Page, AltinnError> {
        loop {
            let (query, next) = self.ask();
            let answer = altinn
                .page(budget, call, &query, next.as_deref(), &keep)
                .await;
            if matches!(&answer, Err(error) if matches!(error.kind, AltinnErrorKind::TooLong))
                && query.size > 2 * TAIL
            {
                self.most = query.size / 2;
                continue;
            }
            let resumed = std::mem::take(&mut self.resumed);
            let is_old = resumed && next.is_some();
            let useless = match &answer {
                Ok(page) => page.rows.is_empty() && page.next.is_none(),
                Err(error) => is_about_the_query(error),
            };
            if is_old && useless {
                tracing::warn!(
                    app = %self.list.app,
                    "Storage does not go on with the list where an earlier run stopped; that moment is listed anew"
                );
                self.place.next = None;
                continue;
            }
            let mut page = answer?;
            match self.turn(&mut page) {
                Turn::On => return Ok(page),
                Turn::Unproven => {
                    tracing::warn!(
                        app = %self.list.app,
                        "no instance tells whether this page follows the one before: the times of many do not agree \
                         with Storage's order"
                    );
                    return Ok(page);
                }
                Turn::Back => {}
            }
        }
    }

    /// The query to put to Storage, and the continuation to put instead.
    fn ask(&self) -> (InstanceQuery, Option<String>) {
        let size = match self.place.guess {
            Some(_) => self.list.size,
            None => self.list.size << self.doubled,
        };
        let size = size.min(self.most);
        let from = self.place.asked_from();
        let query = InstanceQuery {
            changed_from: self.list.changed_from.max(from),
            size,
            ..self.list.clone()
        };
        let next = self.place.next.as_deref();
        let next = next.filter(|_| self.place.guess.is_none());
        let next = next.map(|next| match size == self.list.size {
            true => next.to_owned(),
            false => with_size(next, size),
        });
        (query, next)
    }

    /// What the page before had of it, if it has not changed since.
    fn known(&self, row: &Row) -> Option<(Uuid, Seen)> {
        let id = row.id?;
        let seen = self.seen.get(&id)?;
        (row.changed == Some(seen.changed)).then_some((id, *seen))
    }

    /// Goes on behind a page, and takes out of it what the page before had.
    fn turn(&mut self, page: &mut Page) -> Turn {
        let known: Vec<(Uuid, Seen)> = page.rows.iter().filter_map(|row| self.known(row)).collect();
        let mut turn = Turn::On;
        if let Some(guess) = &self.place.guess {
            let overlap = known.iter().filter(|(_, seen)| seen.overlaps).count();
            // Half of them: some may have changed since. Two: the column of one may have been set right.
            if overlap < 2 || 2 * overlap < self.overlap {
                let size = self.list.size << self.doubled;
                if size < self.most {
                    self.doubled += 1;
                    self.place.guess = None;
                    return Turn::Back;
                }
                turn = Turn::Unproven;
            }
            self.place = Place {
                from: Some(guess.from),
                ..Place::default()
            };
            self.doubled = 0;
        }
        page.drop_known(known.iter().map(|(id, _)| *id));
        match &page.next {
            None => self.finished = true,
            Some(next) => self.place.go_on(&page.rows, next),
        }
        let anchor = self.place.guess.as_ref().and_then(|guess| {
            let anchor = guess.witnesses.first()?.id;
            page.rows.iter().position(|row| row.id == Some(anchor))
        });
        let anchor = anchor.unwrap_or(usize::MAX);
        self.overlap = page.rows.len().saturating_sub(anchor);
        let seen = |(place, row): (usize, &Row)| {
            let (changed, overlaps) = (row.changed?, place >= anchor);
            Some((row.id?, Seen { changed, overlaps }))
        };
        self.seen = page.rows.iter().enumerate().filter_map(seen).collect();
        if self.place.guess.is_none() {
            self.doubled = 0;
        }
        turn
    }
}

impl Place {
    /// The moment from which Storage is asked.
    fn asked_from(&self) -> Option<Timestamp> {
        self.guess.as_ref().map(|it| it.from).or(self.from)
    }

    /// Behind a full page of these rows, which Storage would continue by `next`.
    fn go_on(&mut self, rows: &[Row], next: &str) {
        let witness = |row: &Row| {
            let (id, changed) = (row.id?, row.changed?);
            Some(Witness { id, changed })
        };
        let tail = rows.iter().enumerate().rev().take(TAIL);
        let beyond = tail.filter_map(|(place, row)| Some((row.changed?, row.id?, place)));
        let beyond = beyond.filter(|(at, ..)| self.from.is_none_or(|from| *at > from));
        match beyond.min() {
            Some((from, _, anchor)) => {
                let behind = rows.iter().skip(anchor).filter_map(witness);
                self.guess = Some(Guess {
                    from,
                    witnesses: behind.take(WITNESSES).collect(),
                });
            }
            // All of them changed at the moment from which was asked: so did the last one, and `next` is right.
            None => self.next = Some(next.to_owned()),
        }
    }
}

/// The query of a next page, with another number of instances on it.
fn with_size(next: &str, size: usize) -> String {
    let parts: Vec<String> = next
        .split('&')
        .map(|part| match part.split_once('=') {
            Some(("size", _)) => format!("size={size}"),
            _ => part.to_owned(),
        })
        .collect();
    parts.join("&")
}

/// Whether Storage refuses the query itself, and not the caller, or every caller for a while. It answers 500 to a
/// continuation that it cannot read (measured: `a;b`).
fn is_about_the_query(error: &AltinnError) -> bool {
    error.status().is_some_and(|status| {
        status == StatusCode::INTERNAL_SERVER_ERROR
            || status.is_client_error()
                && !matches!(
                    status,
                    StatusCode::UNAUTHORIZED
                        | StatusCode::FORBIDDEN
                        | StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_MANY_REQUESTS
                )
    })
}

#[cfg(test)]
mod tests;
