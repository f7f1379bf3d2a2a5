//! A pass over a list of instances: page by page, from where the last run stopped, in the order of
//! their last change.
//!
//! Storage's own time of the last change, by which a window of a list is cut, can fall behind the document's, by
//! seconds or by days, where somebody writes data values beside a change of the process
//! ([`stafett_runtime::altinn::cursor`]). Such an A lies in a window that was looked through long ago. So once an hour
//! the lists are looked through that do not lean on it: what ended within the last days, and what stands in
//! the route's task.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use stafett_core::route::{Gate, Route};
use stafett_runtime::altinn::{
    Call,
    cursor::{Cursor, Place},
    list::{InstanceQuery, Page, ProcessFilter},
};

use crate::{
    instances::{self, Shows},
    position::{Position, Stopped, earlier, filters},
    run::{Progress, Run, Work},
    time::Share,
    trouble::Trouble,
};

/// So many pages are dealt with again at most after a crash.
const KEEP_EVERY: u32 = 10;
/// Where the first pass over B begins if the route does not say.
const DAY: Duration = Duration::from_secs(86_400);
/// How often a list is looked through from its beginning: that of unconfirmed instances, that of a task, and that of
/// what ended lately. What was enqueued less long ago may still lie in the queue.
const WHOLE_EVERY: Duration = Duration::from_secs(3600);
/// The list of what ended lately shows what ended on these days.
const ENDED_WITHIN: Duration = Duration::from_secs(3 * 86_400);
/// So much further back it takes Storage's own time of the last change, which keeps the query cheap (measured on Storage
/// d9364e40 with 100,000 ended instances: 12 ms a page, without that bound 130 ms).
const DRIFTED_BY: Duration = Duration::from_secs(3 * 86_400);

/// What a list is looked through for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A instances without a relay, as they change.
    Missing,
    /// A instances without a relay that ended within the last days, whatever Storage's time of their last change.
    Ended,
    /// B of one relay that are two, or gone.
    Stamps,
}

/// A list of instances, and how far it has been looked through.
pub(crate) struct Pass<'a> {
    route: &'a Route,
    purpose: Purpose,
    /// What its position is kept under.
    name: String,
    /// The list, without a window of time.
    list: InstanceQuery,
    /// As it was kept, once it has been read.
    position: Option<Position>,
    window: Option<Window>,
}

/// A window of time that is being looked at.
#[derive(Debug)]
struct Window {
    whole: bool,
    from: Option<Timestamp>,
    until: Timestamp,
    cursor: Cursor,
    /// Where the list goes on behind the last page that was dealt with.
    dealt: Place,
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

    /// Looks at page after page. Wherever it is left, the position of what has been dealt with is kept.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        work: &mut Work<'_>,
        share: &mut Share<'_>,
    ) -> Result<Progress, Trouble> {
        let outcome = self.look(run, work, share).await;
        let told = work.told.keep(run).await;
        let kept = match outcome {
            Ok(Progress::Finished) => Ok(()),
            _ => self.keep(run).await,
        };
        // What stopped the pass is told first; that what was kept is older does no harm.
        let progress = outcome?;
        told.and(kept)?;
        Ok(progress)
    }

    async fn look(
        &mut self,
        run: &Run<'_>,
        work: &mut Work<'_>,
        share: &mut Share<'_>,
    ) -> Result<Progress, Trouble> {
        while share.admits_a_page(Instant::now()) {
            let began = Instant::now();
            if self.window.is_none() {
                self.window = self.open(run).await?;
            }
            let Some(window) = &mut self.window else {
                return Ok(Progress::Finished);
            };
            let page = Self::read(run, work, window).await?;
            let shows = match self.purpose {
                Purpose::Missing if window.whole && self.list.unconfirmed => Shows::Unconfirmed,
                Purpose::Missing if window.whole => Shows::Whole,
                Purpose::Ended => Shows::Again,
                Purpose::Missing | Purpose::Stamps => Shows::Changes,
            };
            match self.purpose {
                Purpose::Missing | Purpose::Ended => {
                    instances::relay_missing(run, work, &page.instances, shows).await?;
                }
                Purpose::Stamps => instances::compare_stamps(run, work, &page.instances).await?,
            }
            window.dealt = window.cursor.place().clone();
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
                return Ok(Progress::Finished);
            }
        }
        Ok(Progress::Cut)
    }

    /// The window to look at: the one that an earlier run left, or the next. None where the list is not due yet.
    async fn open(&mut self, run: &Run<'_>) -> Result<Option<Window>, Trouble> {
        let list = self.list.to_string();
        let of = filters(&list);
        let since = self.route.since;
        let mut position = match self.position.take() {
            Some(position) => position,
            None => match run.parts.ledger.noted(&self.name).await? {
                None => Position::beginning(of, since),
                Some(kept) => Position::read(&kept, of, since).unwrap_or_else(|useless| {
                    tracing::warn!(
                        route = %self.route.name,
                        position = self.name,
                        reason = %useless,
                        "the position that was kept is no use; the list is looked through anew"
                    );
                    Position::beginning(of, since)
                }),
            },
        };
        let window = match position.stopped.take() {
            Some(stopped) => {
                let query = self.query(run, stopped.from, stopped.until);
                Some(Window {
                    of_the_past: stopped.until < run.until,
                    whole: stopped.whole,
                    from: stopped.from,
                    until: stopped.until,
                    dealt: stopped.place.clone(),
                    cursor: Cursor::resume(query, stopped.place),
                    unkept: 0,
                })
            }
            None => self.next(run, &position).map(|(whole, from)| Window {
                of_the_past: false,
                whole,
                from,
                until: run.until,
                dealt: Place::default(),
                cursor: Cursor::new(self.query(run, from, run.until)),
                unkept: 0,
            }),
        };
        self.position = Some(position);
        Ok(window)
    }

    /// Whether the next window is the whole list, and where it begins. None where it is not due yet.
    fn next(&self, run: &Run<'_>, position: &Position) -> Option<(bool, Option<Timestamp>)> {
        let overlap = run.parts.settings.overlap;
        let since = self.route.since;
        let of_a_task = matches!(self.list.process, Some(ProcessFilter::InTask(_)));
        let whole_is_due = position
            .whole
            .is_none_or(|last| last <= earlier(run.until, WHOLE_EVERY) || last > run.until);
        match self.purpose {
            // Also what ended while nobody looked.
            Purpose::Ended => whole_is_due.then(|| {
                let last = position.whole.map_or(run.until, |it| it.min(run.until));
                (true, Some(earlier(last, ENDED_WITHIN + DRIFTED_BY)))
            }),
            _ if whole_is_due && of_a_task => Some((true, None)),
            _ if whole_is_due && self.list.unconfirmed => Some((true, since)),
            _ => {
                let first = since.unwrap_or_else(|| earlier(run.until, DAY));
                Some((false, Some(position.next_from(first, run.until, overlap))))
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
            size: run.parts.settings.page,
            ..self.list.clone()
        }
    }

    /// The next page of the window, held against what was asked for.
    async fn read(
        run: &Run<'_>,
        work: &mut Work<'_>,
        window: &mut Window,
    ) -> Result<Page, Trouble> {
        let query = window.cursor.list().clone();
        let call = Call::ListInstances(query.app.clone());
        let altinn = &run.parts.altinn;
        let page = window
            .cursor
            .page(altinn, &work.budget, &call, |_| true)
            .await?;
        let report = &mut work.report;
        report.pages += 1;
        report.drifted += page.drifted() as u64;
        for unreadable in &page.unreadable {
            tracing::error!(
                route = %work.route.name,
                app = %query.app,
                instance = unreadable.id.map(tracing::field::display),
                "an instance in Storage's list cannot be read and was passed over: see what it holds; no relay of it is \
                 found missing as long as that is so"
            );
            report.is_unreadable(unreadable.id);
        }
        let ignored = page
            .instances
            .iter()
            .find_map(|it| Some((it.id, query.ignored_for(it)?)));
        if let Some((instance, filter)) = ignored {
            return Err(Trouble::FilterIgnored {
                filter,
                instance,
                query: query.to_string(),
            });
        }
        Ok(page)
    }

    /// The window has been looked at to its end. If it was of the past, the next one follows.
    async fn close(&mut self, run: &Run<'_>) -> Result<(), Trouble> {
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

    /// Keeps the position of what has been dealt with.
    async fn keep(&mut self, run: &Run<'_>) -> Result<(), Trouble> {
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
            place: window.dealt.clone(),
        });
        window.unkept = 0;
        let text = position.to_text()?;
        self.note(run, &text).await
    }

    async fn note(&self, run: &Run<'_>, text: &str) -> Result<(), Trouble> {
        if run.dry_run {
            return Ok(());
        }
        Ok(run.parts.ledger.note(&self.name, text).await?)
    }
}

/// The day of a moment, in UTC.
fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
