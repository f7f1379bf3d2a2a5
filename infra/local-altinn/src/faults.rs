//! Failures inside Altinn that tests switch on. Failures of the network are made by a proxy in front.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A failure inside Altinn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The app's instantiation validator refuses with this message: 403 before anything is created.
    InstantiationRefused(String),
    /// Calls of one creation fail, each at its step.
    Creation(Vec<(CreationStep, CallFault)>),
    /// The app's own code (a data processor, a file validator) refuses the parts after the instance was created: problem details with this
    /// status.
    PartsRefused(u16),
    /// The caller's token expires right after the instance was created: later steps and the clean-up are refused.
    TokenExpiresInside,
    /// Storage waits this long (real time) between reading the instance and writing data values or presentation texts.
    WriteBackDelayed(Duration),
    /// Storage's GET of an instance answers 404 because of an internal failure.
    StorageReadNotFound,
    /// Storage's GET of a data element's bytes answers 404 because the blob is missing.
    StorageDataNotFound,
    /// The token exchange answers 401 because of an internal failure.
    ExchangeUnauthorized,
    /// An app cannot reach the register: it answers 404 for an owner by number, and 403 for an owner by party id.
    RegisterDown,
    /// An app cannot reach the policy decision point: 403 where the controller asks it, 500 where ASP.NET does.
    DecisionPointDown,
    /// An app cannot reach Storage: 500.
    StorageDown,
    /// The body of a creation arrives too slowly: 400 before anything is created.
    SenderTooSlow,
    /// Making the PDF fails when a task ends.
    PdfFails,
    /// An app fails to publish an event. The app only logs the failure.
    EventLost,
    /// An app publishes no events, as if its settings said so.
    EventsOff,
    /// An event is not delivered to a subscriber, and the delivery is not retried.
    DeliveryLost,
    /// An event is delivered to a subscriber twice.
    DeliveryDuplicated,
}

/// A step of a creation, in app-lib's order: a call to Storage, or to the workflow engine if there is one
/// (measured; Altinn/app-lib-dotnet: src/Altinn.App.Api/Controllers/InstancesController.cs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreationStep {
    /// Creating the instance, with the template's data values and the first task.
    Instance,
    /// Storing the element of one part. Parts are counted from 0.
    Element(usize),
    /// Storing this element and all later ones.
    ElementsFrom(usize),
    /// Writing the presentation texts, if the form has any.
    PresentationTexts,
    /// Writing the data values, if the form has any.
    DataValues,
    /// Reading the instance back.
    ReadBack,
    /// Storing the forms that the first task creates automatically.
    FurtherForms,
    /// Writing the process and its history.
    Process,
    /// Handing the start of the process to the workflow engine.
    Submission,
    /// Asking the workflow engine for its progress.
    Poll,
    /// Deleting the instance after the creation failed, if the library cleans up.
    CleanUp,
}

impl CreationStep {
    /// Every step that makes one call, and all elements as one step.
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

    /// Whether a fault at this step applies to the call of the step `at`.
    pub(crate) fn covers(self, at: Self) -> bool {
        match (self, at) {
            (Self::ElementsFrom(first), Self::Element(number)) => number >= first,
            _ => self == at,
        }
    }
}

/// A failure of one call of the app. It has no effect at a step that the creation does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// The call is delayed, by the world's clock. Can be combined with another fault at the same step. The app goes on even if its caller
    /// has disconnected.
    Delayed(Duration),
    /// The call has no effect and is answered with this status.
    Refused(u16),
    /// The call has its effect, but is answered with this status.
    DoneThen(u16),
    /// The call has its effect, but no answer arrives.
    AnswerLost,
    /// The call has no effect, because no connection can be made.
    Unreachable,
}

impl Fault {
    /// A creation that fails at one step.
    #[must_use]
    pub fn at(step: CreationStep, call_fault: CallFault) -> Self {
        Self::Creation(vec![(step, call_fault)])
    }

    /// A creation in which each call is delayed by this much, by the world's clock.
    #[must_use]
    pub fn each_step_delayed(by: Duration) -> Self {
        Self::Creation(
            CreationStep::ALL
                .map(|step| (step, CallFault::Delayed(by)))
                .to_vec(),
        )
    }

    /// Adds a fault to the same creation. Has no effect on other kinds of faults.
    #[must_use]
    pub fn and(mut self, step: CreationStep, call_fault: CallFault) -> Self {
        if let Self::Creation(call_faults) = &mut self {
            call_faults.push((step, call_fault));
        }
        self
    }
}

/// Identifies a fault that was switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

/// The faults that are switched on.
#[derive(Debug, Default)]
pub struct Faults {
    active: Mutex<Switched>,
    limits: Mutex<BTreeMap<String, Limit>>,
    disturbance: Mutex<Option<Disturbance>>,
}

#[derive(Debug, Default)]
struct Switched {
    last_id: u64,
    /// The faults that can still strike.
    on: Vec<Active>,
    /// How often each fault has struck. Includes faults that cannot strike any more.
    struck: BTreeMap<FaultId, u64>,
}

#[derive(Debug)]
struct Active {
    id: FaultId,
    app: Option<String>,
    fault: Fault,
    /// How often it can still strike. `None` means until it is switched off.
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

/// Whether an app accepts a creation that has just arrived.
pub(crate) enum Admission {
    /// Accepted. It counts as running while the permit is held.
    Accepted(
        #[expect(dead_code, reason = "held for its effect on drop")] Option<OwnedSemaphorePermit>,
    ),
    /// Rejected with this status, and with `Retry-After` in seconds.
    Rejected(u16, Option<u64>),
}

impl Faults {
    /// Switches a fault on for the next `times` calls to which it applies, in this app or in any.
    pub fn next(&self, times: u64, app: Option<&str>, fault: Fault) -> FaultId {
        self.add(app, fault, Some(times))
    }

    /// Switches a fault on for every call to which it applies, in this app or in any, until it is switched off.
    pub fn always(&self, app: Option<&str>, fault: Fault) -> FaultId {
        self.add(app, fault, None)
    }

    /// Switches one fault off. Its earlier effects stay.
    pub fn remove(&self, id: FaultId) {
        let mut active = self.switched();
        active.on.retain(|entry| entry.id != id);
        active.struck.remove(&id);
    }

    /// How often a fault has struck. 0 if it was switched off.
    #[must_use]
    pub fn struck(&self, id: FaultId) -> u64 {
        self.switched().struck.get(&id).copied().unwrap_or_default()
    }

    /// Limits how many instances an app creates at a time. Further creations get 429 with `Retry-After` (seconds).
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

    /// Answers this share (0 to 1) of all creations with 429 or 503. The seed determines which.
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

    /// Takes the first fault that is on for this app and that `strikes` accepts, and counts it.
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

    /// Whether this fault is on for the app. If so, it is counted.
    pub fn strikes(&self, app: Option<&str>, fault: &Fault) -> bool {
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
                Admission::Rejected(429, Some(1))
            } else {
                Admission::Rejected(503, None)
            };
        }
        let limit = self
            .limits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(app)
            .cloned();
        match limit {
            None => Admission::Accepted(None),
            Some(limit) => match limit.slots.try_acquire_owned() {
                Ok(permit) => Admission::Accepted(Some(permit)),
                Err(_) => Admission::Rejected(429, Some(limit.retry_after)),
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
    fn a_counted_fault_strikes_that_often_and_only_in_its_app() {
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
    fn equal_faults_are_counted_and_switched_off_separately() {
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
    fn a_limit_counts_running_creations() {
        let faults = Faults::default();
        faults.limit_creations("ttd/b", 1, 7);
        let first = faults.admit_creation("ttd/b");
        assert!(matches!(
            faults.admit_creation("ttd/b"),
            Admission::Rejected(429, Some(7))
        ));
        drop(first);
        assert!(matches!(
            faults.admit_creation("ttd/b"),
            Admission::Accepted(_)
        ));
    }
}
