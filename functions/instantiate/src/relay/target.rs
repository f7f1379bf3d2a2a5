//! The steps on B: search for it, make it, look at it, and repair what its app has left half-made.

use std::{collections::BTreeMap, ops::RangeInclusive};

use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    completeness::{self, Alike},
    draft::Attachment,
    id::{AppId, InstanceId},
    instance::Instance,
    preflight::{Form, STAMP},
    process::Progress,
    relay::{
        Reason, Record,
        decide::{Answer, Engine, Evidence, Found, Lacks, Problem, Quiet},
    },
};
use stafett_runtime::{
    altinn::{AltinnError, repair::Repair},
    telemetry::Causes,
};

use super::{Work, unprepared};
use crate::source::Ready;

impl Work<'_> {
    /// Searches wherever this relay may have made a B, and weighs what it finds.
    pub(super) async fn search(
        &mut self,
        created: RangeInclusive<Timestamp>,
        record: Option<&Record>,
    ) -> Evidence {
        let Some(ready) = &self.ready else {
            return unprepared();
        };
        let found = match self.stamped(ready, created, record).await {
            Ok(found) => found,
            Err(error) => return unsearched(&error),
        };
        let mut evidence = Vec::with_capacity(found.len());
        for b in &found {
            match self.weigh(b, ready).await {
                Ok(weighed) => evidence.push(weighed),
                Err(error) => return unsearched(&error),
            }
        }
        self.found = found.into_iter().map(|b| (b.id, b)).collect();
        Evidence::Found(evidence)
    }

    /// The instances that carry the stamp, and the one that B's answer named, each read by itself: the list shows no
    /// data elements.
    async fn stamped(
        &self,
        ready: &Ready,
        created: RangeInclusive<Timestamp>,
        record: Option<&Record>,
    ) -> Result<Vec<Instance>, AltinnError> {
        let own = &self.route().to.app;
        let targets = record.into_iter().flat_map(|record| &record.targets);
        let mut apps: Vec<&AppId> = targets.chain([own]).collect();
        apps.sort();
        apps.dedup();
        let mut keys = vec![STAMP, ready.checked.stamp_key()];
        keys.dedup();
        let mut ids = Vec::new();
        for app in apps {
            let listed = self
                .altinn()
                .stamped(self.budget(), app, &self.relay, &keys, created.clone())
                .await?;
            ids.extend(listed.into_iter().map(|stamped| stamped.id));
        }
        let named = record.and_then(|record| record.instance);
        ids.extend(named.filter(|id| !ids.contains(id)));
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let b = self.altinn().instance(self.budget(), id).await?;
            // One that only B's answer named may have no stamp yet, but no other relay's.
            let stamp = self.relay.to_string();
            let stamps = keys.iter().filter_map(|key| b.data_values.get(*key));
            let mine = stamps.fold(None, |mine, it| Some(mine.unwrap_or(false) || *it == stamp));
            if mine.unwrap_or(Some(id) == named && b.app == *own) {
                found.push(b);
            }
        }
        Ok(found)
    }

    async fn weigh(&self, b: &Instance, ready: &Ready) -> Result<Found, AltinnError> {
        let gone = b.status.is_hard_deleted;
        // Of an app that the route has left, today's draft says nothing.
        let left = b.app != self.route().to.app;
        let (engine, lacks) = if gone || left {
            (Engine::Idle, Lacks::default())
        } else {
            let metadata = self.altinn().metadata(self.budget(), &b.app).await?;
            let progress = if b.process.ended.is_some() {
                Progress {
                    started: true,
                    engine: Engine::Idle,
                }
            } else {
                self.altinn().progress(self.budget(), &b.app, b.id).await?
            };
            let lacks = completeness::lacks(&ready.checked, &metadata, b, progress);
            (progress.engine, lacks)
        };
        Ok(Found {
            id: b.id,
            created: b.created,
            gone,
            ended: b.process.ended.is_some(),
            touched: b.last_changed_by != b.created_by,
            engine,
            lacks,
        })
    }

    pub(super) async fn create(&self) -> Evidence {
        let Some(ready) = &self.ready else {
            return unprepared();
        };
        let app = &self.route().to.app;
        let answer = self
            .altinn()
            .create(self.budget(), app, &self.relay, self.source, &ready.checked)
            .await;
        if matches!(&answer, Answer::Unclear(reply) if reply.refused) {
            // B may have been deployed anew since its metadata was read.
            self.altinn().forget_metadata(app);
        }
        Evidence::Answered(answer)
    }

    /// Whether the B on record is still there.
    pub(super) async fn look(&self, id: InstanceId) -> Evidence {
        match self.altinn().instance(self.budget(), id).await {
            Ok(b) => Evidence::Looked {
                alive: !b.status.is_hard_deleted,
            },
            // A 404 is no proof: Storage answers it on failures of its own, too.
            Err(error) => unsearched(&error),
        }
    }

    pub(super) async fn add_form(&self, id: InstanceId) -> Evidence {
        let Some(ready) = &self.ready else {
            return unprepared();
        };
        let Form::Xml(xml) = &ready.checked.form else {
            // The simplified request has no form that could be added on its own.
            return Evidence::Denied;
        };
        let (app, form_type) = (self.app_of(id), &ready.checked.form_type);
        let added = self
            .altinn()
            .add_form(self.budget(), &app, id, form_type, xml)
            .await;
        match added {
            Repair::Denied(problem) => {
                // B may have been deployed anew since its metadata was read.
                self.altinn().forget_metadata(&app);
                Evidence::Refused(problem)
            }
            other => repaired(other),
        }
    }

    pub(super) async fn delete(&self, id: InstanceId) -> Evidence {
        repaired(
            self.altinn()
                .delete(self.budget(), &self.app_of(id), id)
                .await,
        )
    }

    pub(super) async fn resume(&self, id: InstanceId) -> Evidence {
        match self
            .altinn()
            .resume(self.budget(), &self.app_of(id), id)
            .await
        {
            Repair::Denied(problem) => Evidence::Unclear(problem, Quiet::Now),
            other => repaired(other),
        }
    }

    /// Adds what a half-made B lacks, its form aside.
    pub(super) async fn finish(&self, id: InstanceId) -> Evidence {
        let (Some(ready), Some(b)) = (&self.ready, self.found.get(&id)) else {
            return unprepared();
        };
        if b.process.ended.is_some() {
            // An archived instance takes nothing more (measured: tests/recorded/app-data-post-ended).
            return Evidence::Denied;
        }
        if let Form::Prefill { .. } = &ready.checked.form
            && b.elements(&ready.checked.form_type).is_empty()
        {
            return Evidence::Denied;
        }
        // Its app makes texts and values when it stores a form. One that was added just now has made them.
        let mut left = Lacks::default();
        if let Some(form) = b.elements(&ready.checked.form_type).first() {
            let metadata = match self.altinn().metadata(self.budget(), &b.app).await {
                Ok(metadata) => metadata,
                Err(error) => return unfinished(&error),
            };
            let started = Progress {
                started: true,
                engine: Engine::Idle,
            };
            let lacks = completeness::lacks(&ready.checked, &metadata, b, started);
            if lacks.copies && form.locked {
                left.copies = true;
            } else if lacks.copies {
                let written = self
                    .altinn()
                    .rewrite_form(self.budget(), &b.app, id, form.id)
                    .await;
                match repaired(written) {
                    Evidence::Worked => {}
                    other => return other,
                }
            }
        }
        for alike in completeness::alike(&ready.checked, b) {
            let lacking = match self.lacking(&alike, id).await {
                Ok(lacking) => lacking,
                Err(error) => return unfinished(&error),
            };
            for attachment in lacking {
                let added = self
                    .altinn()
                    .add_attachment(self.budget(), &b.app, id, self.source, attachment)
                    .await;
                match repaired(added) {
                    Evidence::Worked => {}
                    other => return other,
                }
            }
        }
        if left.is_nothing() {
            Evidence::Worked
        } else {
            Evidence::Left(left)
        }
    }

    /// Which of the attachments of one data type and size B lacks. Where it has some of them, their content tells.
    async fn lacking<'a>(
        &self,
        alike: &Alike<'a>,
        id: InstanceId,
    ) -> Result<Vec<&'a Attachment>, AltinnError> {
        if alike.lacking() == 0 || alike.there.is_empty() {
            let count = alike.lacking();
            return Ok(alike.wanted.iter().copied().take(count).collect());
        }
        let mut there: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for element in &alike.there {
            let digest = self.altinn().digest(self.budget(), id, element.id).await?;
            *there.entry(digest).or_default() += 1;
        }
        let mut lacking = Vec::new();
        for attachment in &alike.wanted {
            let digest = self
                .altinn()
                .digest(self.budget(), self.source, attachment.element)
                .await?;
            match there.get_mut(&digest) {
                Some(left) if *left > 0 => *left -= 1,
                _ => lacking.push(*attachment),
            }
        }
        Ok(lacking)
    }

    fn app_of(&self, id: InstanceId) -> AppId {
        self.found
            .get(&id)
            .map_or_else(|| self.route().to.app.clone(), |b| b.app.clone())
    }
}

fn unavailable(error: &AltinnError) -> Problem {
    let reason = match error.status() {
        Some(StatusCode::FORBIDDEN) => Reason::TargetForbidden,
        _ => Reason::TargetUnavailable,
    };
    Problem::new(reason)
        .because(Causes(error).to_string())
        .after(error.retry_after())
}

/// What was to be looked at could not be read.
fn unsearched(error: &AltinnError) -> Evidence {
    Evidence::Trouble(unavailable(error))
}

/// What was to be added could not be read: nothing was sent.
fn unfinished(error: &AltinnError) -> Evidence {
    Evidence::Unclear(unavailable(error), Quiet::Now)
}

fn repaired(repair: Repair) -> Evidence {
    match repair {
        Repair::Worked => Evidence::Worked,
        Repair::Denied(problem) => {
            tracing::warn!(reason = problem.detail, "B refuses to be repaired");
            Evidence::Denied
        }
        Repair::Unclear(problem, quiet) => Evidence::Unclear(problem, quiet),
    }
}
