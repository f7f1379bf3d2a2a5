//! Failures inside Altinn, switched on by tests. (Failures of the network belong to a proxy in front.)

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Something that goes wrong inside Altinn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The app's instantiation validator refuses, with this message: 403 before anything is created.
    InstantiationRefused(String),
    /// One creation runs into these troubles, each at its step.
    Creation(Vec<(Step, Trouble)>),
    /// The app's own code (a data processor, a file validator) refuses the parts when the instance exists: problem details with this status.
    PartsRefused(u16),
    /// The caller's token expires right after the instance was created: later steps and the cleanup are refused.
    TokenExpiresInside,
    /// An app cannot reach the register: an owner by number is 404, one by party id 403.
    RegisterDown,
    /// An app cannot reach the policy decision point: 403 where it asks by itself, 500 where ASP.NET does.
    DecisionPointDown,
    /// An app cannot reach Storage: 500.
    StorageDown,
    /// The body of a creation arrives too slowly: 400 before anything is created.
    SenderTooSlow,
    /// Making the PDF fails when a task ends.
    PdfFails,
    /// An app fails to publish an event; it only logs that.
    EventLost,
    /// An app publishes no events, as one whose settings say so.
    EventsOff,
}

/// A step of a creation, in the order of app-lib: the calls that it makes to Storage, and to the workflow engine where there is one
/// (measured; Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creating the instance, with the template's data values and the first task.
    Instance,
    /// Storing one element; the parts are counted from 0.
    Element(usize),
    /// Storing this element and each one after it.
    ElementsFrom(usize),
    /// Writing the presentation texts, where the form makes any.
    PresentationTexts,
    /// Writing the data values, where the form makes any.
    DataValues,
    /// Reading the instance back.
    ReadBack,
    /// Storing the forms that the first task makes by itself.
    FurtherForms,
    /// Writing the process and its history.
    Process,
    /// Handing the start of the process to the workflow engine.
    Submission,
    /// Asking the workflow engine how far it is.
    Poll,
    /// Deleting the instance again, where the creation failed and the library cleans up. It may come late, too.
    CleanUp,
}

impl Step {
    /// Every step at which one call is made, and the elements as one.
    pub const ALL: [Self; 10] = [
        Self::Instance,
        Self::ElementsFrom(0),
        Self::PresentationTexts,
        Self::DataValues,
        Self::ReadBack,
        Self::FurtherForms,
        Self::Process,
        Self::Submission,
        Self::Poll,
        Self::CleanUp,
    ];

    /// Whether trouble at this step strikes a call that is made at `at`.
    pub(crate) fn covers(self, at: Self) -> bool {
        match (self, at) {
            (Self::ElementsFrom(first), Self::Element(number)) => number >= first,
            _ => self == at,
        }
    }
}

/// What goes wrong with a call of the app.
///
/// A step that the creation never comes to is never struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The call is made so much later, by the clock of the world. Goes together with other troubles at the same step. The app goes on when
    /// its caller has gone.
    Delayed(Duration),
    /// Nothing is done; the answer is this status.
    Refused(u16),
    /// It is done; the answer is this status.
    DoneThen(u16),
    /// It is done; no answer comes.
    AnswerLost,
    /// Nothing is done; no connection can be made.
    Unreachable,
}

impl Fault {
    /// A creation has trouble at one step.
    #[must_use]
    pub fn at(step: Step, trouble: Trouble) -> Self {
        Self::Creation(vec![(step, trouble)])
    }

    /// The same creation has one more trouble. Other faults stay as they are.
    #[must_use]
    pub fn and(mut self, step: Step, trouble: Trouble) -> Self {
        if let Self::Creation(troubles) = &mut self {
            troubles.push((step, trouble));
        }
        self
    }
}

/// Names a fault that was switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

/// The switches.
#[derive(Debug, Default)]
pub struct Faults {
    active: Mutex<Switched>,
    limits: Mutex<BTreeMap<String, Limit>>,
    disturbance: Mutex<Option<Disturbance>>,
}

#[derive(Debug, Default)]
struct Switched {
    last_id: u64,
    /// Those that can strike.
    on: Vec<Active>,
    /// How often each has struck, also those that cannot any more.
    struck: BTreeMap<FaultId, u64>,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    app: Option<String>,
    fault: Fault,
    /// How often it still strikes; none = until cleared.
    left: Option<u64>,
}

#[derive(Clone, Debug)]
struct Limit {
    slots: Arc<Semaphore>,
    retry_after: u64,
}

#[derive(Debug)]
struct Disturbance {
    rate: f64,
    rng: fastrand::Rng,
}

/// What an app does with a creation that has just arrived.
pub(crate) enum Admission {
    /// Goes on, while the permit is held.
    In(#[expect(dead_code, reason = "held for its effect on drop")] Option<OwnedSemaphorePermit>),
    /// Is turned away with this status, and asked to come back after so many seconds.
    Out(u16, Option<u64>),
}

impl Faults {
    /// The fault strikes the next `times` calls that it can strike; in any app where `app` is none.
    pub fn next(&self, times: u64, app: Option<&str>, fault: Fault) -> FaultId {
        self.add(app, fault, Some(times))
    }

    /// The fault strikes every call that it can strike, until it is switched off.
    pub fn always(&self, app: Option<&str>, fault: Fault) -> FaultId {
        self.add(app, fault, None)
    }

    /// Switches one fault off. What it has struck already is not mended by that.
    pub fn remove(&self, id: FaultId) {
        let mut active = self.switched();
        active.on.retain(|entry| entry.id != id);
        active.struck.remove(&id);
    }

    /// How often a fault has struck; 0 for one that was switched off.
    #[must_use]
    pub fn struck(&self, id: FaultId) -> u64 {
        self.switched().struck.get(&id).copied().unwrap_or_default()
    }

    /// Lets an app create at most so many instances at a time; further creations get 429 with `Retry-After` (seconds).
    pub fn limit_creations(&self, app: &str, at_a_time: usize, retry_after: u64) {
        let limit = Limit {
            slots: Arc::new(Semaphore::new(at_a_time)),
            retry_after,
        };
        self.limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(app.to_owned(), limit);
    }

    /// Answers this share (0 to 1) of all creations with 429 or 503, drawn from `seed`.
    pub fn disturb_creations(&self, rate: f64, seed: u64) {
        let disturbance = Disturbance {
            rate,
            rng: fastrand::Rng::with_seed(seed),
        };
        *self
            .disturbance
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(disturbance);
    }

    /// Switches everything off.
    pub fn clear(&self) {
        let mut active = self.switched();
        active.on.clear();
        active.struck.clear();
        drop(active);
        self.limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        *self
            .disturbance
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The first active fault that `strikes` accepts, for this app; counts it down.
    pub(crate) fn take<T>(
        &self,
        app: Option<&str>,
        strikes: impl Fn(&Fault) -> Option<T>,
    ) -> Option<T> {
        let mut active = self.switched();
        let (index, struck) = active.on.iter().enumerate().find_map(|(index, entry)| {
            let here = entry.app.is_none() || entry.app.as_deref() == app;
            here.then(|| strikes(&entry.fault))
                .flatten()
                .map(|struck| (index, struck))
        })?;
        if let Some(entry) = active.on.get_mut(index) {
            let id = entry.id;
            let is_over = entry.left.as_mut().is_some_and(|left| {
                *left -= 1;
                *left == 0
            });
            *active.struck.entry(id).or_default() += 1;
            if is_over {
                active.on.remove(index);
            }
        }
        Some(struck)
    }

    pub(crate) fn strikes(&self, app: Option<&str>, fault: &Fault) -> bool {
        self.take(app, |active| (active == fault).then_some(()))
            .is_some()
    }

    pub(crate) fn storage_is_down(&self, app: &str) -> bool {
        self.strikes(Some(app), &Fault::StorageDown)
    }

    pub(crate) fn admit_creation(&self, app: &str) -> Admission {
        if let Some(disturbance) = self
            .disturbance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            && disturbance.rng.f64() < disturbance.rate
        {
            return if disturbance.rng.bool() {
                Admission::Out(429, Some(1))
            } else {
                Admission::Out(503, None)
            };
        }
        let limit = self
            .limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(app)
            .cloned();
        match limit {
            None => Admission::In(None),
            Some(limit) => match limit.slots.try_acquire_owned() {
                Ok(permit) => Admission::In(Some(permit)),
                Err(_) => Admission::Out(429, Some(limit.retry_after)),
            },
        }
    }

    fn add(&self, app: Option<&str>, fault: Fault, left: Option<u64>) -> FaultId {
        let mut active = self.switched();
        active.last_id += 1;
        let id = FaultId(active.last_id);
        if left != Some(0) {
            active.on.push(Active {
                id,
                app: app.map(str::to_owned),
                fault,
                left,
            });
        }
        id
    }

    fn switched(&self) -> MutexGuard<'_, Switched> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_fault_strikes_as_often_as_it_was_told_and_only_in_its_app() {
        let faults = Faults::default();
        faults.next(2, Some("ttd/b"), Fault::PdfFails);
        let hits = |app| {
            (0..5)
                .filter(|_| faults.strikes(Some(app), &Fault::PdfFails))
                .count()
        };
        assert_eq!((hits("ttd/a"), hits("ttd/b")), (0, 2));
        faults.always(None, Fault::PdfFails);
        assert_eq!(hits("ttd/a"), 5);
        faults.clear();
        assert_eq!(hits("ttd/a"), 0);
    }

    #[test]
    fn one_of_two_alike_is_switched_off_and_each_knows_how_often_it_struck() {
        let faults = Faults::default();
        let once = faults.next(1, Some("ttd/b"), Fault::EventLost);
        let always = faults.always(None, Fault::EventLost);
        let strike = || faults.strikes(Some("ttd/b"), &Fault::EventLost);
        assert!((0..3).all(|_| strike()));
        assert_eq!((faults.struck(once), faults.struck(always)), (1, 2));
        faults.remove(always);
        assert!(!strike());
        assert_eq!((faults.struck(once), faults.struck(always)), (1, 0));
        let again = faults.always(None, Fault::EventLost);
        assert_ne!(again, always);
        faults.clear();
        assert_eq!((strike(), faults.struck(once)), (false, 0));
    }

    #[test]
    fn a_limit_counts_those_inside() {
        let faults = Faults::default();
        faults.limit_creations("ttd/b", 1, 7);
        let first = faults.admit_creation("ttd/b");
        assert!(matches!(
            faults.admit_creation("ttd/b"),
            Admission::Out(429, Some(7))
        ));
        drop(first);
        assert!(matches!(faults.admit_creation("ttd/b"), Admission::In(_)));
    }
}
