//! A pass over a list of instances: page by page, from where the last run stopped, in the order of
//! their last change.

use std::time::{Duration, Instant};

use http::StatusCode;
use jiff::Timestamp;
use stafett::{
    altinn::{
        AltinnError,
        list::{InstanceQuery, Page, ProcessFilter},
    },
    route::{Gate, Route},
};

use crate::{
    instances,
    position::{Position, Stopped, earlier},
    run::{Progress, Run, Work},
    time::Share,
    trouble::Trouble,
};

/// So many pages are dealt with again at most after a crash.
const KEEP_EVERY: u32 = 10;
/// Where the first pass over B begins if the route does not say.
const DAY: Duration = Duration::from_secs(86_400);
/// How often the list of unconfirmed instances is looked through from its beginning. What was enqueued from
/// it less long ago may still lie in the queue.
const WHOLE_EVERY: Duration = Duration::from_secs(3600);

/// What a list is looked through for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A instances without a relay.
    Missing,
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
    next: Option<String>,
    seen: Option<Timestamp>,
    /// It was begun by an earlier run, and no page of it has come in this one.
    resumed: bool,
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
        if !matches!(outcome, Ok(Progress::Finished)) {
            let kept = self.keep(run).await;
            // What stopped the pass is told first; that its position is older does no harm.
            if outcome.is_ok() {
                kept?;
            }
        }
        outcome
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
                self.window = Some(self.open(run).await?);
            }
            let Some(page) = self.read(run, work).await? else {
                continue;
            };
            match self.purpose {
                Purpose::Missing => instances::relay_missing(run, work, &page.instances).await?,
                Purpose::Stamps => instances::compare_stamps(run, work, &page.instances).await?,
            }
            let finished = self.turn(page);
            if finished {
                self.close(run).await?;
            } else if self
                .window
                .as_ref()
                .is_some_and(|it| it.unkept >= KEEP_EVERY)
            {
                self.keep(run).await?;
            }
            share.spent(began.elapsed());
            if finished && self.window.is_none() {
                return Ok(Progress::Finished);
            }
        }
        Ok(Progress::Cut)
    }

    /// The window to look at: the one that an earlier run left, or the next.
    async fn open(&mut self, run: &Run<'_>) -> Result<Window, Trouble> {
        let overlap = run.parts.settings.overlap;
        let of = self.list.to_string();
        let since = self.route.since;
        let mut position = match self.position.take() {
            Some(position) => position,
            None => match run.parts.ledger.noted(&self.name).await? {
                None => Position::beginning(&of, since),
                Some(kept) => Position::read(&kept, &of, since).unwrap_or_else(|useless| {
                    tracing::warn!(
                        route = %self.route.name,
                        position = self.name,
                        reason = %useless,
                        "the position that was kept is no use; the list is looked through anew"
                    );
                    Position::beginning(&of, since)
                }),
            },
        };
        let window = match position.stopped.take() {
            Some(stopped) => Window {
                of_the_past: stopped.until < run.until,
                whole: stopped.whole,
                from: stopped.from,
                until: stopped.until,
                next: Some(stopped.next),
                seen: stopped.seen,
                resumed: true,
                unkept: 0,
            },
            None => {
                let whole_again = |last: Timestamp| last <= earlier(run.until, WHOLE_EVERY);
                let whole = self.list.unconfirmed && position.whole.is_none_or(whole_again);
                let first = since.unwrap_or_else(|| earlier(run.until, DAY));
                let from = if whole {
                    since
                } else {
                    Some(position.next_from(first, run.until, overlap))
                };
                Window {
                    of_the_past: false,
                    whole,
                    from,
                    until: run.until,
                    next: None,
                    seen: None,
                    resumed: false,
                    unkept: 0,
                }
            }
        };
        self.position = Some(position);
        Ok(window)
    }

    /// The next page of the window, held against what was asked for. `None` where the query of the next page,
    /// which an earlier run kept, is no use any more: then the window begins anew.
    async fn read(&mut self, run: &Run<'_>, work: &mut Work<'_>) -> Result<Option<Page>, Trouble> {
        let Some(window) = &mut self.window else {
            return Ok(None);
        };
        let query = InstanceQuery {
            changed_from: window.from,
            changed_before: Some(window.until),
            ..self.list.clone()
        };
        let doing = format!("list the instances of {}", query.app);
        let next = window.next.as_deref();
        let page = run
            .parts
            .altinn
            .page(&work.budget, &doing, &query, next, |_| true)
            .await;
        let resumed = std::mem::take(&mut window.resumed);
        let useless = match &page {
            Ok(page) => page.instances.is_empty() && page.next.is_none(),
            Err(error) => is_about_the_query(error),
        };
        if resumed && useless {
            tracing::warn!(
                route = %self.route.name,
                position = self.name,
                "Storage does not go on with the list where an earlier run stopped; its window begins anew"
            );
            window.begin_anew(run.parts.settings.overlap);
            return Ok(None);
        }
        let page = page?;
        work.report.pages += 1;
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
        Ok(Some(page))
    }

    /// Goes on behind a page that has been dealt with; whether it was the last one.
    fn turn(&mut self, page: Page) -> bool {
        let Some(window) = &mut self.window else {
            return true;
        };
        let seen = page.instances.last().and_then(|it| it.last_changed);
        window.seen = window.seen.max(seen);
        window.unkept += 1;
        window.next = page.next;
        window.next.is_none()
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
            Some(window) if window.of_the_past => Some(self.open(run).await?),
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
        let Some(next) = window.next.clone().filter(|_| window.unkept > 0) else {
            return Ok(());
        };
        let position = position.stopped_at(Stopped {
            whole: window.whole,
            from: window.from,
            until: window.until,
            next,
            seen: window.seen,
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

impl Window {
    /// From its first page on, less what has been seen.
    fn begin_anew(&mut self, overlap: Duration) {
        self.from = self.from.max(self.seen.map(|seen| earlier(seen, overlap)));
        self.next = None;
    }
}

/// Whether Storage refuses the query itself, and not the caller, or every caller for a while.
fn is_about_the_query(error: &AltinnError) -> bool {
    error.status().is_some_and(|status| {
        status.is_client_error()
            && !matches!(
                status,
                StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_MANY_REQUESTS
            )
    })
}
