//! The rebuild: fills a ledger that is new, emptied or restored with what the stamps on B tell.
//!
//! B's instances are listed by the time at which they were created, in windows: the first from the route's `since` until
//! now, each later one what may have come or changed since. The former ledger's functions may go on for a lease after the
//! birth, and B's app for the settling time after that. So the rebuild is finished by the first window that was begun
//! after both, and in which no B was left because a worker had claimed its relay.

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::{
    completeness,
    id::InstanceId,
    instance::Instance,
    preflight::{SOURCE, form_of},
    process::Progress,
    relay::{
        Holder, RelayId,
        decide::{Birth, Engine, OnRecord, Rebuild, Standing},
    },
    route::Route,
};
use stafett_runtime::{
    altinn::{
        cursor::{Cursor, Place},
        list::InstanceQuery,
    },
    ledger::{Put, Rebuilt, RelayStatus},
};
use uuid::Uuid;

use crate::{
    error::RunError,
    instances::{live_one, report_doubles, stamp},
    page,
    position::filters,
    route_run::{RouteRun, TurnEnd},
    run::Run,
    time::{Share, earlier},
};

/// After a crash at most this many pages are processed again.
const KEEP_EVERY: u32 = 10;
/// B that are judged at the same time. Each costs three calls.
const JUDGED_AT_ONCE: usize = 8;
/// The version of the note that is written and read.
const VERSION: u32 = 1;

/// How far a route's rebuild is, as it is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progressed {
    v: u32,
    /// The list: another one if the route's B app is another.
    of: String,
    /// The birth after which the ledger is rebuilt.
    born: Timestamp,
    /// The route's `since` when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// What was created before this has been processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// An unfinished window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    /// Pages that were read.
    pub(crate) pages: u64,
    /// Records that were written.
    pub(crate) records: u64,
}

/// Where a window stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stopped {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    until: Timestamp,
    began: Timestamp,
    left: bool,
    place: Place,
}

/// A window that is being read.
#[derive(Debug)]
struct Window {
    from: Option<Timestamp>,
    until: Timestamp,
    /// When it was begun.
    began: Timestamp,
    /// A B in it was left to a worker, and has to be looked at again.
    left: bool,
    cursor: Cursor,
    /// Where the list goes on after the last page that was processed.
    processed: Place,
    /// Pages since its place was kept.
    unkept: u32,
}

/// The rebuild of one route.
pub(crate) struct RebuildJob<'a> {
    route: &'a Route,
    progressed: Option<Progressed>,
    window: Option<Window>,
}

/// The name of the note with a route's progress.
pub(crate) fn note_of(route: &Route) -> String {
    format!("rebuild:{}", route.name)
}

impl Progressed {
    fn beginning(route: &Route, of: String, born: Timestamp) -> Self {
        Self {
            v: VERSION,
            of,
            born,
            since: route.since,
            until: None,
            stopped: None,
            pages: 0,
            records: 0,
        }
    }

    /// Reads what was kept. `None` if it is of another birth, app or `since`, or cannot be read.
    pub(crate) fn read(text: &str, route: &Route, born: Timestamp) -> Option<Self> {
        let kept: Self = serde_json::from_str(text).ok()?;
        let is_same = kept.v == VERSION
            && kept.born == born
            && kept.of == list_of(route)
            && kept.since == route.since;
        is_same.then_some(kept)
    }
}

/// The filters of the route's list, without the window.
fn list_of(route: &Route) -> String {
    let list = InstanceQuery::of(route.to.app.clone()).to_string();
    filters(&list).to_owned()
}

impl<'a> RebuildJob<'a> {
    pub(crate) fn new(route: &'a Route) -> Self {
        Self {
            route,
            progressed: None,
            window: None,
        }
    }

    /// Processes page after page. [`TurnEnd::Finished`]: the route's part of the ledger is rebuilt, or need not be.
    pub(crate) async fn go_on(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
    ) -> Result<TurnEnd, RunError> {
        let now = run.context.clock.now();
        let birth = run.context.ledger.birth(&self.route.name, now).await?;
        let Some(birth) = birth.filter(|birth| birth.rebuilt_from.is_none()) else {
            return Ok(TurnEnd::Finished);
        };
        let outcome = self.walk(run, route_run, share, birth).await;
        let kept = self.keep(run).await;
        let end = outcome?;
        kept?;
        Ok(end)
    }

    async fn walk(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        share: &mut Share<'_>,
        birth: Birth,
    ) -> Result<TurnEnd, RunError> {
        while share.admits_a_page(Instant::now()) {
            let began = Instant::now();
            let mut window = match self.window.take() {
                Some(window) => window,
                None => self.open(run, birth).await?,
            };
            let read = self.page(run, route_run, &mut window, birth).await;
            let is_finished = window.cursor.is_finished();
            self.window = Some(window);
            read?;
            share.spent(began.elapsed());
            if is_finished {
                return self.close(run, birth).await;
            }
            if self
                .window
                .as_ref()
                .is_some_and(|it| it.unkept >= KEEP_EVERY)
            {
                self.keep(run).await?;
            }
        }
        Ok(TurnEnd::ShareUsed)
    }

    /// The window to read: the one in which an earlier run stopped, or the next.
    async fn open(&mut self, run: &Run<'_>, birth: Birth) -> Result<Window, RunError> {
        let mut progressed = match self.progressed.take() {
            Some(progressed) => progressed,
            None => {
                let kept = run.context.ledger.noted(&note_of(self.route)).await?;
                kept.and_then(|text| Progressed::read(&text, self.route, birth.at))
                    .unwrap_or_else(|| {
                        Progressed::beginning(self.route, list_of(self.route), birth.at)
                    })
            }
        };
        let stopped = progressed.stopped.take();
        let last = progressed.until;
        self.progressed = Some(progressed);
        Ok(match stopped {
            Some(stopped) => Window {
                from: stopped.from,
                until: stopped.until,
                began: stopped.began,
                left: stopped.left,
                processed: stopped.place.clone(),
                cursor: Cursor::resume(self.query(run, stopped.from, stopped.until), stopped.place),
                unkept: 0,
            },
            None => {
                let began = run.context.clock.now();
                let from = self.from(run, birth, last);
                let until = began.min(run.context.quiet_after(birth));
                Window {
                    from,
                    until,
                    began,
                    left: false,
                    processed: Place::default(),
                    cursor: Cursor::new(self.query(run, from, until)),
                    unkept: 0,
                }
            }
        })
    }

    /// Where the next window begins: what the former ledger's functions were at work on is looked at again. `None`: at the
    /// first B.
    fn from(&self, run: &Run<'_>, birth: Birth, last: Option<Timestamp>) -> Option<Timestamp> {
        let overlap = run.context.settings.overlap;
        let first = self.route.since.map(|since| earlier(since, overlap));
        let at_work = run.context.lease + run.context.settle + overlap;
        let next = last.map(|last| earlier(last.min(birth.at), at_work));
        first.max(next)
    }

    fn query(&self, run: &Run<'_>, from: Option<Timestamp>, until: Timestamp) -> InstanceQuery {
        InstanceQuery {
            created_from: from,
            created_until: Some(until),
            size: run.context.settings.page,
            ..InstanceQuery::of(self.route.to.app.clone())
        }
    }

    /// Reads a page, and writes the records that the ledger lacks.
    async fn page(
        &mut self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        window: &mut Window,
        birth: Birth,
    ) -> Result<(), RunError> {
        let mark = format!("{}:", self.route.name);
        let page = page::next(
            run,
            route_run,
            &mut window.cursor,
            |unreadable| match unreadable.carries(&mark) {
                true => Err(RunError::UnreadableStamp(unreadable.to_string())),
                false => Ok(()),
            },
        )
        .await?;
        let written = self
            .record(run, route_run, window, &page.instances, birth)
            .await?;
        window.processed = window.cursor.place().clone();
        window.unkept += 1;
        route_run.report.rebuilt += written;
        if let Some(progressed) = &mut self.progressed {
            progressed.pages += 1;
            progressed.records += written;
        }
        Ok(())
    }

    /// Compares the stamps of a page with the ledger, and writes what it lacks. Returns how many records were written.
    async fn record(
        &self,
        run: &Run<'_>,
        route_run: &mut RouteRun<'_>,
        window: &mut Window,
        page: &[Instance],
        birth: Birth,
    ) -> Result<u64, RunError> {
        let keys = run
            .context
            .altinn
            .stamp_keys(&route_run.budget, &self.route.to)
            .await?;
        let stamped: Vec<(&Instance, RelayId)> = page
            .iter()
            .filter(|b| !b.status.is_hard_deleted)
            .filter_map(|b| Some((b, stamp(self.route, b, &keys)?)))
            // The relay of a whole set has no B of its own: it is claimed, and finds its parts on record.
            .filter(|(_, relay)| self.route.each.is_none() || relay.digest().is_some())
            .collect();
        let relays: Vec<RelayId> = stamped.iter().map(|(_, relay)| relay.clone()).collect();
        let statuses = run.context.ledger.statuses(&relays).await?;
        let now = run.context.clock.now();
        let mut unknown = Vec::new();
        for ((b, relay), status) in stamped.into_iter().zip(statuses) {
            let rebuild = self.rebuild(run, b, &relay, birth);
            match rebuild.standing(status.as_ref().map(on_record).as_ref(), now) {
                Standing::Known(None) => {}
                Standing::Known(Some(other)) => {
                    if let Some(recorded) = live_one(run, route_run, other).await? {
                        report_doubles(route_run, &relay, &recorded, b);
                    }
                }
                Standing::InWork => window.left = true,
                Standing::Unknown => unknown.push((b, relay, rebuild, status)),
            }
        }
        if run.dry_run {
            return Ok(unknown.len() as u64);
        }
        let of = &*route_run;
        // Collected first, because a closure in the stream would bind the future to one thread.
        let writes: Vec<_> = unknown
            .into_iter()
            .map(|(b, relay, rebuild, status)| self.write(run, of, b, relay, rebuild, status))
            .collect();
        let written: Vec<bool> = stream::iter(writes)
            .buffer_unordered(JUDGED_AT_ONCE)
            .try_collect()
            .await?;
        window.left |= written.contains(&false);
        Ok(written.into_iter().filter(|written| *written).count() as u64)
    }

    fn rebuild(&self, run: &Run<'_>, b: &Instance, relay: &RelayId, birth: Birth) -> Rebuild {
        Rebuild {
            b: b.id,
            app: b.app.clone(),
            created: b.created.unwrap_or(birth.at),
            born: birth.at,
            lease: run.context.lease,
            settle: run.context.settle,
            // After-steps follow a whole set, not one of its parts.
            after_steps: !self.route.then.is_empty() && relay.digest().is_none(),
        }
    }

    /// Judges a B, and writes its record. False if somebody else has written the relay's record since.
    async fn write(
        &self,
        run: &Run<'_>,
        route_run: &RouteRun<'_>,
        b: &Instance,
        relay: RelayId,
        rebuild: Rebuild,
        status: Option<RelayStatus>,
    ) -> Result<bool, RunError> {
        let is_whole = self.is_whole(run, route_run, b).await?;
        let on_record = status.as_ref().map(on_record);
        let holder = Holder(Uuid::new_v4());
        let now = run.context.clock.now();
        let (record, due) = rebuild.record(is_whole, on_record.as_ref(), holder, now);
        let source = source_of(b, &relay, status.as_ref());
        let put = run
            .context
            .ledger
            .put(&relay, source, &record, on_record.map(|it| it.rev), due)
            .await?;
        Ok(put == Put::Written)
    }

    /// Whether B was created without a fault. The list does not show its elements.
    async fn is_whole(
        &self,
        run: &Run<'_>,
        route_run: &RouteRun<'_>,
        b: &Instance,
    ) -> Result<bool, RunError> {
        let (altinn, budget) = (&run.context.altinn, &route_run.budget);
        let metadata = altinn.metadata(budget, &b.app).await?;
        let b = altinn.instance(budget, b.id).await?;
        let progress = if b.process.ended.is_some() {
            Progress {
                started: true,
                engine: Engine::Idle,
            }
        } else {
            altinn.progress(budget, &b.app, b.id).await?
        };
        let forms = self.route.to.forms.iter();
        let forms = forms.filter_map(|rule| form_of(rule, &metadata));
        let forms = forms.map(|form| form.id.as_str());
        Ok(completeness::is_whole(forms, &b, progress))
    }

    /// Ends a window. The last one ends the rebuild.
    async fn close(&mut self, run: &Run<'_>, birth: Birth) -> Result<TurnEnd, RunError> {
        let (Some(window), Some(progressed)) = (self.window.take(), &mut self.progressed) else {
            return Ok(TurnEnd::Later);
        };
        progressed.until = Some(window.until);
        let is_last = window.began >= run.context.quiet_after(birth) && !window.left;
        if run.dry_run {
            return Ok(if is_last {
                TurnEnd::Finished
            } else {
                TurnEnd::Later
            });
        }
        let text = serde_json::to_string(progressed)?;
        let ledger = &run.context.ledger;
        ledger.note(&note_of(self.route), &text).await?;
        if !is_last {
            return Ok(TurnEnd::Later);
        }
        let since = self.route.since.unwrap_or(Timestamp::UNIX_EPOCH);
        let rebuilt = Rebuilt {
            born: birth.at,
            from: since,
            at: run.context.clock.now(),
        };
        ledger.is_rebuilt(&self.route.name, rebuilt).await?;
        tracing::info!(
            route = %self.route.name,
            pages = progressed.pages,
            records = progressed.records,
            "the ledger is rebuilt from the stamps on B"
        );
        Ok(TurnEnd::Finished)
    }

    /// Keeps the place of what has been processed.
    async fn keep(&mut self, run: &Run<'_>) -> Result<(), RunError> {
        let (Some(window), Some(progressed)) = (&mut self.window, &self.progressed) else {
            return Ok(());
        };
        if window.unkept == 0 || run.dry_run {
            return Ok(());
        }
        window.unkept = 0;
        let kept = Progressed {
            stopped: Some(Stopped {
                from: window.from,
                until: window.until,
                began: window.began,
                left: window.left,
                place: window.processed.clone(),
            }),
            ..progressed.clone()
        };
        let text = serde_json::to_string(&kept)?;
        Ok(run.context.ledger.note(&note_of(self.route), &text).await?)
    }
}

/// What the rebuild needs of a relay's status.
fn on_record(status: &RelayStatus) -> OnRecord {
    OnRecord {
        rev: status.rev,
        state: status.state,
        instance: status.instance,
        first: status.first,
        updated: status.updated,
    }
}

/// The A instance of a relay. A B of `mode: prefill` names only its GUID; until A is read again, it stands under B's party.
fn source_of(b: &Instance, relay: &RelayId, status: Option<&RelayStatus>) -> InstanceId {
    let named = b.data_values.get(SOURCE).and_then(|it| it.parse().ok());
    named
        .filter(|source: &InstanceId| source.guid == relay.guid())
        .or_else(|| status.map(|status| status.source))
        .unwrap_or(InstanceId {
            party: b.id.party,
            guid: relay.guid(),
        })
}
