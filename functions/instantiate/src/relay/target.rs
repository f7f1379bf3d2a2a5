//! The steps on B: search for it, create it, look at it, and repair a half-made one.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use stafett_core::{
    completeness::{self, Alike},
    draft::Attachment,
    id::{AppId, InstanceId},
    instance::{DataElement, Instance},
    preflight::{Content, STAMP},
    process::Progress,
    relay::{
        Reason,
        decide::{
            AddFormOutcome, CreateOutcome, DeleteOutcome, Engine, Failure, FinishOutcome, Found,
            Lacks, LookOutcome, Quiet, ResumeOutcome, Search, SearchOutcome,
        },
    },
};
use stafett_runtime::{
    altinn::{AltinnError, create::Answered, repair::Repair},
    telemetry::Causes,
};
use tokio::time::Instant;

use super::{RelayRun, draft_missing};
use crate::{pace::Turn, source::Ready, walks::Wanted};

impl RelayRun<'_> {
    /// Searches all apps in which this relay may have created a B, and weighs what it finds.
    pub(super) async fn search(&mut self, search: &Search) -> SearchOutcome {
        // Until something of this relay is found, all before the slot that is being listed has been searched.
        let mut reached = search.from;
        match self.found_by(search, &mut reached).await {
            Ok(found) => SearchOutcome::Found(found),
            Err(failure) => SearchOutcome::CutOff { reached, failure },
        }
    }

    async fn found_by(
        &mut self,
        search: &Search,
        reached: &mut Timestamp,
    ) -> Result<Vec<Found>, Failure> {
        let ready = self.ready.as_ref().ok_or_else(draft_missing)?;
        let instances = self.stamped(ready, search, reached).await;
        let instances = instances.map_err(|error| unavailable(&error))?;
        let mut found = Vec::with_capacity(instances.len());
        for b in &instances {
            let weighed = self.weigh(b, ready).await;
            found.push(weighed.map_err(|error| unavailable(&error))?);
        }
        self.found = instances.into_iter().map(|b| (b.id, b)).collect();
        Ok(found)
    }

    /// The instances with the stamp, and the one that B's answer named. Each is read individually, because the list
    /// shows no data elements.
    async fn stamped(
        &self,
        ready: &Ready,
        search: &Search,
        reached: &mut Timestamp,
    ) -> Result<Vec<Instance>, AltinnError> {
        let (own, claim) = (&self.route().to.app, search.claim());
        let context = self.delivery.context;
        let mut ids = Vec::new();
        for slot in search.slots() {
            for app in &claim.targets {
                let wanted = Wanted {
                    app,
                    slot,
                    relay: &self.relay,
                    final_since: search.final_since(),
                };
                let seen = context
                    .walks
                    .look(self.altinn(), self.budget(), &context.clock, wanted)
                    .await?;
                ids.extend(seen);
            }
            if ids.is_empty() {
                *reached = slot.before;
            }
        }
        let named = claim.instance;
        ids.extend(named.filter(|id| !ids.contains(id)));
        let mut keys = vec![STAMP, ready.checked.stamp_key()];
        keys.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let b = self.altinn().instance(self.budget(), id).await?;
            // An instance that only B's answer named may have no stamp yet, but never another relay's.
            let stamp = self.relay.to_string();
            let stamps = keys.iter().filter_map(|key| b.data_values.get(*key));
            let mine = stamps.fold(None, |mine, it| Some(mine.unwrap_or(false) || *it == stamp));
            if mine.unwrap_or(Some(id) == named && b.app == *own) {
                found.push(b);
            }
        }
        Ok(found)
    }

    /// Compares an instance with the draft.
    async fn weigh(&self, b: &Instance, ready: &Ready) -> Result<Found, AltinnError> {
        let gone = b.status.is_hard_deleted;
        // Today's draft is not for an app that an earlier version of the route named.
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

    pub(super) async fn create(&mut self) -> CreateOutcome {
        let began = Instant::now();
        if let Err(stopped) = self.admit().await {
            return CreateOutcome::NotSent(stopped);
        }
        // Waiting for another relay's B has taken time.
        let needed = self.delivery.context.settings.lease / 10;
        let left = self.budget().left().checked_sub(needed);
        let is_in_time = match (left, &self.turn) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(left), Some(turn)) => turn.renewed(began.elapsed(), left).await,
        };
        if !is_in_time {
            return CreateOutcome::NotSent(Failure::new(Reason::OutOfTime));
        }
        if self.turn.as_ref().is_some_and(Turn::is_over) {
            return CreateOutcome::NotSent(Failure::new(Reason::BQuiet));
        }
        let Some(ready) = &self.ready else {
            return CreateOutcome::NotSent(draft_missing());
        };
        let app = &self.route().to.app;
        let asked = Instant::now();
        let Answered { outcome, load } = self
            .altinn()
            .create(self.budget(), app, &self.relay, self.source, &ready.checked)
            .await;
        self.answered(load, asked.elapsed()).await;
        let app = &self.route().to.app;
        if matches!(&outcome, CreateOutcome::Unclear(reply) if reply.refused) {
            // B may have been deployed again since its metadata was read.
            self.altinn().forget_metadata(app);
        }
        self.made = matches!(outcome, CreateOutcome::Created(_));
        outcome
    }

    /// Whether the B on record still exists.
    pub(super) async fn look(&self, id: InstanceId) -> LookOutcome {
        match self.altinn().instance(self.budget(), id).await {
            Ok(b) if b.status.is_hard_deleted => LookOutcome::Gone,
            Ok(_) => LookOutcome::Alive,
            // A 404 proves nothing: Storage also answers it on failures of its own.
            Err(_) => LookOutcome::Unknown,
        }
    }

    /// Adds the forms that a half-made B lacks.
    pub(super) async fn add_form(&self, id: InstanceId) -> AddFormOutcome {
        let (Some(ready), Some(b)) = (&self.ready, self.found.get(&id)) else {
            return AddFormOutcome::Unclear(draft_missing(), Quiet::Now);
        };
        for form in completeness::lacking_forms(&ready.checked, b) {
            let Content::Xml(xml) = &form.content else {
                // The form of `mode: prefill` cannot be added on its own.
                return AddFormOutcome::Denied;
            };
            let added = self
                .altinn()
                .add_form(self.budget(), &b.app, id, &form.data_type, xml)
                .await;
            match added {
                Repair::Worked => {}
                Repair::Denied(failure) => {
                    // B may have been deployed again since its metadata was read.
                    self.altinn().forget_metadata(&b.app);
                    return AddFormOutcome::Refused(failure);
                }
                Repair::Unclear(failure, quiet) => return AddFormOutcome::Unclear(failure, quiet),
            }
        }
        AddFormOutcome::Added
    }

    pub(super) async fn delete(&self, id: InstanceId) -> DeleteOutcome {
        let app = self.app_of(id);
        match self.altinn().delete(self.budget(), &app, id).await {
            Repair::Worked => DeleteOutcome::Deleted,
            Repair::Denied(failure) => {
                warn_denied(&failure);
                DeleteOutcome::Denied
            }
            Repair::Unclear(failure, quiet) => DeleteOutcome::Unclear(failure, quiet),
        }
    }

    pub(super) async fn resume(&self, id: InstanceId) -> ResumeOutcome {
        let app = self.app_of(id);
        match self.altinn().resume(self.budget(), &app, id).await {
            Repair::Worked => ResumeOutcome::Resumed,
            Repair::Denied(failure) => ResumeOutcome::Unclear(failure, Quiet::Now),
            Repair::Unclear(failure, quiet) => ResumeOutcome::Unclear(failure, quiet),
        }
    }

    /// Adds what a half-made B lacks, except its forms.
    pub(super) async fn finish(&mut self, half: &Found) -> FinishOutcome {
        let added = self.add_lacking(half).await;
        self.made = added.is_ok();
        match added {
            Ok(missing) => FinishOutcome::Finished { missing },
            Err(outcome) => outcome,
        }
    }

    /// Returns what cannot be added.
    async fn add_lacking(&self, half: &Found) -> Result<Lacks, FinishOutcome> {
        let (Some(ready), Some(b)) = (&self.ready, self.found.get(&half.id)) else {
            return Err(FinishOutcome::Unclear(draft_missing(), Quiet::Now));
        };
        let cannot_be_added = half.lacks.form && ready.checked.is_prefill();
        // An archived instance takes nothing more (measured: tests/recorded/app-data-post-ended).
        if half.ended || cannot_be_added {
            return Err(FinishOutcome::Denied);
        }
        let mut missing = Lacks::default();
        // B's app copies texts and values when it stores a form. The copies of a form that was added since the search exist.
        for form in self.uncopied(half, ready, b).await? {
            if form.locked {
                missing.copies = true;
                continue;
            }
            let written = self
                .altinn()
                .rewrite_form(self.budget(), &b.app, b.id, form.id)
                .await;
            added(written)?;
        }
        for alike in completeness::alike(&ready.checked, b) {
            let lacking = self.lacking(&alike, b.id).await;
            // Reading sends nothing that changes B, and the changes before it have been answered: B is quiet.
            let lacking =
                lacking.map_err(|error| FinishOutcome::Unclear(unavailable(&error), Quiet::Now))?;
            for attachment in lacking {
                let sent = self
                    .altinn()
                    .add_attachment(self.budget(), &b.app, b.id, self.source, attachment)
                    .await;
                added(sent)?;
            }
        }
        Ok(missing)
    }

    /// The forms whose texts and values B's app has not copied.
    async fn uncopied<'b>(
        &self,
        half: &Found,
        ready: &Ready,
        b: &'b Instance,
    ) -> Result<Vec<&'b DataElement>, FinishOutcome> {
        if !half.lacks.copies {
            return Ok(Vec::new());
        }
        let metadata = self.altinn().metadata(self.budget(), &b.app).await;
        let metadata =
            metadata.map_err(|error| FinishOutcome::Unclear(unavailable(&error), Quiet::Now))?;
        Ok(completeness::uncopied(&ready.checked, &metadata, b))
    }

    /// The attachments of one data type and size that B lacks. If it has some of them, their content is compared.
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

/// B could not be read.
fn unavailable(error: &AltinnError) -> Failure {
    let reason = match error.status() {
        Some(StatusCode::FORBIDDEN) => Reason::TargetForbidden,
        _ => Reason::TargetUnavailable,
    };
    Failure::new(reason)
        .because(Causes(error).to_string())
        .after(error.retry_after())
}

/// Whether a part of B was added; `Err` is what that means for the whole step.
fn added(repair: Repair) -> Result<(), FinishOutcome> {
    match repair {
        Repair::Worked => Ok(()),
        Repair::Denied(failure) => {
            warn_denied(&failure);
            Err(FinishOutcome::Denied)
        }
        Repair::Unclear(failure, quiet) => Err(FinishOutcome::Unclear(failure, quiet)),
    }
}

fn warn_denied(failure: &Failure) {
    tracing::warn!(reason = failure.detail, "B refuses to be repaired");
}
