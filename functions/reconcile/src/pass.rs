//! A pass over a list of instances: page by page, from where the last run stopped, in the order of
//! their last change.
//!
//! A window of a list is bounded by Storage's own time of the last change. That time can be seconds or days earlier
//! than the one in the document, where somebody writes data values while the process changes
//! ([`stafett_runtime::altinn::cursor`]). Such an A lies in a window that was read long ago. So once an hour the lists
//! are read that do not depend on that time: what ended within the last days, and what is in the route's task.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use stafett_core::route::{Gate, Route};
use stafett_runtime::altinn::{
    cursor::{Cursor, Place},
    list::{InstanceQuery, ProcessFilter},
};

use crate::{
    error::RunError,
    instances,
    listing::Listing,
    page,
    position::{Position, Stopped, filters},
    route_run::{RouteRun, TurnEnd},
    run::Run,
    time::{Share, earlier},
};

/// After a crash at most this many pages are processed again.
const KEEP_EVERY: u32 = 10;
/// How far back the first pass over B begins if the route has no `since`.
const DAY: Duration = Duration::from_secs(86_400);
/// How often a list is read from its beginning: the unconfirmed instances, those in a task, and those that ended lately.
const WHOLE_EVERY: Duration = Duration::from_secs(3600);
/// The list of what ended lately goes back this far.
const ENDED_WITHIN: Duration = Duration::from_secs(3 * 86_400);
/// How much earlier Storage's own time of the last change may be in that list. The bound keeps the query cheap (measured
/// on Storage d9364e40 with 100,000 ended instances: 12 ms a page, without that bound 130 ms).
const DRIFTED_BY: Duration = Duration::from_secs(3 * 86_400);

/// What a list is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A instances without a relay, as they change.
    Missing,
    /// A instances without a relay that ended within the last days, whatever Storage's time of their last change.
    Ended,
    /// B instances: a second one of a relay, or one that is gone.
    Stamps,
}

/// A list of instances, and how far it has been read.
pub(crate) struct Pass<'a> {
    route: &'a Route,
    purpose: Purpose,
    /// The name under which its position is kept.
    name: String,
    /// The list, without a window of time.
    list: InstanceQuery,
    /// As it was kept, once it has been read.
    position: Option<Position>,
    window: Option<Window>,
}

/// A window of time that is being read.
#[derive(Debug)]
struct Window {
    whole: bool,
    from: Option<Timestamp>,
    until: Timestamp,
    cursor: Cursor,
    /// Where the list goes on after the last page that was processed.
    processed: Place,
    /// Another window follows that reaches until today.
    of_the_past: bool,
    /// Pages since its position was kept.
    unkept: u32,
}

impl<'a> Pass<'a> {
    /// The passes that a route needs: over A, and then over B.
    pub(crate) fn all(route: &'a Route) -> impl Iterator<Item = Self> {
        let ended = InstanceQuery {
            process: Some(ProcessFilter::Ended),
            unconfirmed: route.then.complete,
            ..InstanceQuery::of(route.from.clone())
        };
        let in_task = match &route.gate {
            Gate::Completed => None,
            Gate::Task(task) => Some(InstanceQuery {
                process: Some(ProcessFilter::InTask(task.clone())),
                ..InstanceQuery::of(route.from.clone())
            }),
        };
        // Also those that another system of A's owner has confirmed.
        let ended_lately = InstanceQuery {
            process: Some(ProcessFilter::Ended),
            ..InstanceQuery::of(route.from.clone())
        };
        let of_b = InstanceQuery::of(route.to.app.clone());
        let new = move |purpose, suffix, list| Self {
            route,
            purpose,
            name: format!("{}{suffix}", route.name),
            list,
            position: None,
            window: None,
        };
        in_task
            .map(|list| new(Purpose::Missing, "#task", list))
            .into_iter()
            .chain([
                new(Purpose::Missing, "", ended),
                new(Purpose::Ended, "#ended", ended_lately),
                new(Purpose::Stamps, "#b", of_b),
            ])
    }

    /// The end of what is read in a run.
    fn until(&self, run: &Run<'_>) -> Timestamp {
        match self.purpose {
            Purpose::Missing | Purpose::Ended => run.until,
            Purpose::Stamps => run.until_b,
        }
    }

    /// Processes page after page. However the turn ends, the position of what has been processed is kept.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
    ) -> Result<TurnEnd, RunError> {
        let outcome = self.look(run, route_run, share).await;
        let kept = match outcome {
            Ok(TurnEnd::Finished) => Ok(()),
            _ => self.keep(run).await,
        };
        // What stopped the pass is reported first. If an older position was kept, pages are processed twice.
        let progress = outcome?;
        kept?;
        Ok(progress)
    }

    async fn look(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
    ) -> Result<TurnEnd, RunError> {
        while share.admits_a_page(Instant::now()) {
            let began = Instant::now();
            if self.window.is_none() {
                self.window = self.open(run).await?;
            }
            let Some(window) = &mut self.window else {
                return Ok(TurnEnd::Finished);
            };
            let page = page::next(run, route_run, &mut window.cursor, |_| Ok(())).await?;
            let listing = match self.purpose {
                Purpose::Missing if window.whole && self.list.unconfirmed => Listing::Unconfirmed,
                Purpose::Missing if window.whole => Listing::Whole,
                Purpose::Ended => Listing::Repeated,
                Purpose::Missing | Purpose::Stamps => Listing::Changes,
            };
            match self.purpose {
                Purpose::Missing | Purpose::Ended => {
                    instances::relay_missing(run, route_run, &page.instances, listing).await?;
                }
                Purpose::Stamps => {
                    instances::compare_stamps(run, route_run, &page.instances).await?
                }
            }
            window.processed = window.cursor.place().clone();
            window.unkept += 1;
            let finished = window.cursor.is_finished();
            let keep = window.unkept >= KEEP_EVERY;
            if finished {
                self.close(run).await?;
            } else if keep {
                self.keep(run).await?;
            }
            share.spent(began.elapsed());
            if finished && self.window.is_none() {
                return Ok(TurnEnd::Finished);
            }
        }
        Ok(TurnEnd::ShareUsed)
    }

    /// The window to read: the one in which an earlier run stopped, or the next. None where the list is not due yet.
    async fn open(&mut self, run: &Run<'_>) -> Result<Option<Window>, RunError> {
        let list = self.list.to_string();
        let of = filters(&list);
        let since = self.route.since;
        let mut position = match self.position.take() {
            Some(position) => position,
            None => match run.context.ledger.noted(&self.name).await? {
                None => Position::beginning(of, since),
                Some(kept) => Position::read(&kept, of, since).unwrap_or_else(|unusable| {
                    tracing::warn!(
                        route = %self.route.name,
                        position = self.name,
                        reason = %unusable,
                        "the position that was kept is no use; the list is looked through anew"
                    );
                    Position::beginning(of, since)
                }),
            },
        };
        let until = self.until(run);
        let window = match position.stopped.take() {
            Some(stopped) => {
                let query = self.query(run, stopped.from, stopped.until);
                Some(Window {
                    of_the_past: stopped.until < until,
                    whole: stopped.whole,
                    from: stopped.from,
                    until: stopped.until,
                    processed: stopped.place.clone(),
                    cursor: Cursor::resume(query, stopped.place),
                    unkept: 0,
                })
            }
            None => self.next(run, &position).map(|(whole, from)| Window {
                of_the_past: false,
                whole,
                from,
                until,
                processed: Place::default(),
                cursor: Cursor::new(self.query(run, from, until)),
                unkept: 0,
            }),
        };
        self.position = Some(position);
        Ok(window)
    }

    /// Whether the next window is the whole list, and where it begins. None where it is not due yet.
    fn next(&self, run: &Run<'_>, position: &Position) -> Option<(bool, Option<Timestamp>)> {
        let overlap = run.context.settings.overlap;
        let since = self.route.since;
        let of_a_task = matches!(self.list.process, Some(ProcessFilter::InTask(_)));
        let until = self.until(run);
        let whole_is_due = position
            .whole
            .is_none_or(|last| last <= earlier(until, WHOLE_EVERY) || last > until);
        match self.purpose {
            // Also what ended since the last pass, however long ago that was.
            Purpose::Ended => whole_is_due.then(|| {
                let last = position.whole.map_or(until, |it| it.min(until));
                (true, Some(earlier(last, ENDED_WITHIN + DRIFTED_BY)))
            }),
            _ if whole_is_due && of_a_task => Some((true, None)),
            _ if whole_is_due && self.list.unconfirmed => Some((true, since)),
            _ => {
                let first = since.unwrap_or_else(|| earlier(until, DAY));
                Some((false, Some(position.next_from(first, until, overlap))))
            }
        }
    }

    /// The list within a window.
    fn query(&self, run: &Run<'_>, from: Option<Timestamp>, until: Timestamp) -> InstanceQuery {
        let ended_from = match self.purpose {
            Purpose::Ended => from.map(|from| day_of(from.checked_add(DRIFTED_BY).unwrap_or(from))),
            Purpose::Missing | Purpose::Stamps => self.list.ended_from,
        };
        InstanceQuery {
            ended_from,
            changed_from: from,
            changed_before: Some(until),
            size: run.context.settings.page,
            ..self.list.clone()
        }
    }

    /// Ends a window that has been read to its end. If a later one remains, it is opened.
    async fn close(&mut self, run: &Run<'_>) -> Result<(), RunError> {
        let (Some(window), Some(position)) = (&self.window, &mut self.position) else {
            return Ok(());
        };
        position.until = Some(window.until);
        if window.whole {
            position.whole = Some(window.until);
        }
        position.stopped = None;
        let text = position.to_text()?;
        self.note(run, &text).await?;
        let next = match self.window.take() {
            Some(window) if window.of_the_past => self.open(run).await?,
            _ => None,
        };
        self.window = next;
        Ok(())
    }

    /// Keeps the position of what has been processed.
    async fn keep(&mut self, run: &Run<'_>) -> Result<(), RunError> {
        let (Some(window), Some(position)) = (&mut self.window, &self.position) else {
            return Ok(());
        };
        if window.unkept == 0 {
            return Ok(());
        }
        let position = position.stopped_at(Stopped {
            whole: window.whole,
            from: window.from,
            until: window.until,
            place: window.processed.clone(),
        });
        window.unkept = 0;
        let text = position.to_text()?;
        self.note(run, &text).await
    }

    async fn note(&self, run: &Run<'_>, text: &str) -> Result<(), RunError> {
        if run.dry_run {
            return Ok(());
        }
        Ok(run.context.ledger.note(&self.name, text).await?)
    }
}

/// The day of a moment, in UTC.
fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
