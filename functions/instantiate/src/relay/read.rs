//! The steps on A: read it, and prepare what the relay takes from it.

use std::time::Duration;

use stafett_core::{
    instance::Instance,
    pace::Load,
    relay::{
        Reason,
        decide::{Failure, NotReady, Read, ReadOutcome},
    },
};
use stafett_runtime::{altinn::AltinnError, telemetry::Causes};
use tokio::time::Instant;

use super::{Context, RelayRun, draft_missing};
use crate::source::{self, Share};

impl RelayRun<'_> {
    pub(super) async fn read(&mut self, read: &mut Read) -> ReadOutcome {
        if matches!(self.share, Some(Ok(_)))
            && let Err(not_ready) = self.ask_again(read).await
        {
            return ReadOutcome::NotReady(not_ready);
        }
        let share = match self.share.take() {
            Some(Ok(ready)) if read.must_wait(ready.earliest) => {
                return ReadOutcome::NotReady(NotReady::Rebuilding);
            }
            Some(share) => share,
            None => match self.prepare(read).await {
                Err(not_ready) => Err(not_ready),
                Ok(shares) if self.route().each.is_some() => {
                    return ReadOutcome::Set(self.run_set(read, shares).await);
                }
                Ok(mut shares) => match shares.pop() {
                    Some(share) => share.ready,
                    None => Err(NotReady::Unavailable(draft_missing())),
                },
            },
        };
        let share = match share {
            Ok(ready) => self.stopped(&ready).await.map(|()| ready),
            Err(not_ready) => Err(not_ready),
        };
        match share {
            Ok(ready) => {
                let since = ready.since;
                self.ready = Some(ready);
                ReadOutcome::Ready { since }
            }
            Err(not_ready) => ReadOutcome::NotReady(not_ready),
        }
    }

    /// Reads A and prepares the shares of its relays.
    async fn prepare(&mut self, read: &mut Read) -> Result<Vec<Share>, NotReady> {
        let a = self
            .read_a()
            .await
            .map_err(|error| NotReady::Unavailable(source::unread(&error)))?;
        self.ask_again(read).await?;
        let asked = Instant::now();
        let (shares, load) =
            source::prepare(self.altinn(), self.budget(), self.route(), &a, read).await;
        self.a = Some(a);
        self.answered(load, asked.elapsed()).await;
        shares
    }

    /// Asks the ledger once more when it was born, if the relay depends on it.
    async fn ask_again(&mut self, read: &mut Read) -> Result<(), NotReady> {
        if !read.must_ask_again() {
            return Ok(());
        }
        let Context { ledger, clock, .. } = self.delivery.context;
        let birth = ledger.birth_now(&self.route().name, clock.now()).await;
        let birth = birth.map_err(|error| {
            let failure = Failure::new(Reason::LedgerRebuilding);
            NotReady::Unavailable(failure.because(Causes(&error).to_string()))
        })?;
        self.delivery.birth = birth;
        read.learn_birth(birth);
        Ok(())
    }

    /// Takes in what an answer of B's app says of its load.
    pub(super) async fn answered(&mut self, load: Load, took: Duration) {
        if let Some(turn) = self.turn.as_mut().filter(|_| load != Load::Unknown) {
            turn.answered(load, took).await;
        }
    }

    pub(super) async fn read_a(&mut self) -> Result<Instance, AltinnError> {
        let a = match self.read_ahead.take() {
            Some(read) => read?,
            None => self.altinn().instance(self.budget(), self.source).await?,
        };
        // The trigger may have named a party that the instance does not belong to.
        self.source = a.id;
        Ok(a)
    }
}
