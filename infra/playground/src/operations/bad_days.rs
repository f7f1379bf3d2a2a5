//! Bad days: what goes wrong in real life, made to go wrong here, in the local Altinn or on the wire to it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{Method, StatusCode, header};
use jiff::Timestamp;
use stafett_core::{causes::Causes, id::AppId};

use local_altinn::{CallFault, CreationStep, Fault, FaultId};
use local_world::deployment::{DeployError, Deployment};
use testbed::wire::{Action, CannedResponse, HookOutcome, On, RuleId};

/// How late B answers when it is slow, in real time.
const SLOW: Duration = Duration::from_secs(5);

/// One kind of misfortune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadDay {
    /// B's app answers 503 to everything.
    BDown,
    /// B's app answers everything late.
    BSlow,
    /// B makes the instance, and its answer never arrives.
    AnswerLost,
    /// B stops when it has stored the first part, and leaves what it has begun.
    HalfMade,
    /// `instantiate` is killed at the moment when B has made the instance.
    FunctionKilled,
    /// A's events are not published.
    EventLost,
    /// B cannot look up owners.
    RegisterDown,
    /// B does not take our token any more.
    TokenExpired,
}

/// Whose app a misfortune befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The app that a route starts from.
    A,
    /// The app that it leads to.
    B,
}

/// How long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// It strikes the next time that it can, and is over.
    Once,
    /// It strikes every time, until it is switched off.
    Lasting,
}

impl Length {
    /// The word for it in forms.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Lasting => "lasting",
        }
    }

    /// What [`Length::slug`] names.
    pub(super) fn named(slug: &str) -> Option<Self> {
        [Self::Once, Self::Lasting]
            .into_iter()
            .find(|length| length.slug() == slug)
    }
}

impl BadDay {
    /// All, in the order in which they are shown.
    pub(super) const ALL: [Self; 8] = [
        Self::BDown,
        Self::BSlow,
        Self::AnswerLost,
        Self::HalfMade,
        Self::FunctionKilled,
        Self::EventLost,
        Self::RegisterDown,
        Self::TokenExpired,
    ];

    /// The word for it in forms and in the keys of its texts.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::BDown => "b-down",
            Self::BSlow => "b-slow",
            Self::AnswerLost => "answer-lost",
            Self::HalfMade => "half-made",
            Self::FunctionKilled => "function-killed",
            Self::EventLost => "event-lost",
            Self::RegisterDown => "register-down",
            Self::TokenExpired => "token-expired",
        }
    }

    /// What [`BadDay::slug`] names.
    pub(super) fn named(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.slug() == slug)
    }

    /// Whose app it befalls.
    pub(super) fn side(self) -> Side {
        match self {
            Self::EventLost => Side::A,
            _ => Side::B,
        }
    }

    /// How long it may last.
    pub(super) fn lengths(self) -> &'static [Length] {
        match self {
            // An application has several events, of which the next is seldom the one that matters.
            Self::EventLost => &[Length::Lasting],
            _ => &[Length::Once, Length::Lasting],
        }
    }

    /// By how much to wind the clock on, when it is over, to see the recovery; none where nobody has to wait.
    pub(super) fn recovery(self) -> Option<Duration> {
        let minutes = match self {
            Self::BSlow => return None,
            // The app itself has answered.
            Self::HalfMade => 5,
            Self::EventLost | Self::RegisterDown | Self::TokenExpired => 15,
            // Nobody has answered, or a gateway: the settling time, and a while more.
            Self::AnswerLost | Self::BDown => 30,
            Self::FunctionKilled => 60,
        };
        Some(Duration::from_secs(minutes * 60))
    }

    /// Lets it happen to `app`.
    fn strike(
        self,
        deployment: &Arc<Deployment>,
        app: &AppId,
        length: Length,
    ) -> Result<Cause, DeployError> {
        Ok(match self {
            Self::BDown => {
                let down = CannedResponse::status(StatusCode::SERVICE_UNAVAILABLE);
                wired(deployment, calls(app), length, Action::Answer(down))
            }
            Self::BSlow => wired(deployment, calls(app), length, Action::Latency(SLOW)),
            Self::AnswerLost => wired(deployment, creations(app), length, Action::ResetAfter),
            Self::HalfMade => {
                let stops = Fault::at(CreationStep::ElementsFrom(1), CallFault::Refused(500));
                inside(deployment, app, length, stops)
            }
            Self::FunctionKilled => {
                deployment
                    .instantiate
                    .isolate()
                    .map_err(DeployError::Kill)?;
                let killed = Arc::downgrade(deployment);
                let kill = Action::after(move |_| {
                    let killed = killed.clone();
                    async move {
                        if let Some(deployment) = killed.upgrade()
                            && let Err(error) = deployment.kill_instantiate().await
                        {
                            tracing::warn!(error = %Causes(&error), "instantiate was killed, and remembers what it had in its memory");
                        }
                        HookOutcome::Reset
                    }
                });
                wired(deployment, creations(app), length, kill)
            }
            Self::EventLost => inside(deployment, app, length, Fault::EventLost),
            Self::RegisterDown => inside(deployment, app, length, Fault::RegisterDown),
            Self::TokenExpired => {
                let with_token =
                    calls(app).when(|seen| seen.headers.contains_key(header::AUTHORIZATION));
                let refused = CannedResponse::status(StatusCode::UNAUTHORIZED);
                wired(deployment, with_token, length, Action::Answer(refused))
            }
        })
    }
}

/// All calls of an app.
fn calls(app: &AppId) -> On {
    On::any().path(&format!("^/{}/", regex::escape(&app.to_string())))
}

/// Calls that make an instance of an app.
fn creations(app: &AppId) -> On {
    let path = format!(
        "^/{}/instances(/create)?([?]|$)",
        regex::escape(&app.to_string())
    );
    On::request(Method::POST, &path)
}

fn wired(deployment: &Deployment, on: On, length: Length, action: Action) -> Cause {
    let on = match length {
        Length::Once => on.next(1),
        Length::Lasting => on,
    };
    Cause::Wire(deployment.altinn_wire.faults().add(on, action))
}

fn inside(deployment: &Deployment, app: &AppId, length: Length, fault: Fault) -> Cause {
    let (faults, app) = (deployment.altinn.faults(), app.to_string());
    Cause::Altinn(match length {
        Length::Once => faults.next(1, Some(&app), fault),
        Length::Lasting => faults.always(Some(&app), fault),
    })
}

/// What was switched on for a bad day.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Wire(RuleId),
    Altinn(FaultId),
}

impl Cause {
    fn struck(self, deployment: &Deployment) -> u64 {
        match self {
            Self::Wire(rule) => deployment.altinn_wire.faults().applied(rule) as u64,
            Self::Altinn(fault) => deployment.altinn.faults().struck(fault),
        }
    }

    fn end(self, deployment: &Deployment) {
        match self {
            Self::Wire(rule) => deployment.altinn_wire.faults().remove(rule),
            Self::Altinn(fault) => deployment.altinn.faults().remove(fault),
        }
    }
}

/// The bad days that were switched on here and not off.
#[derive(Debug, Default)]
pub(super) struct BadDays(Mutex<Days>);

#[derive(Debug, Default)]
struct Days {
    last_id: u64,
    begun: Vec<Begun>,
}

#[derive(Clone, Debug)]
struct Begun {
    id: u64,
    day: BadDay,
    app: AppId,
    length: Length,
    since: Timestamp,
    cause: Cause,
}

/// A bad day, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// By which it is switched off.
    pub(super) id: u64,
    pub(super) day: BadDay,
    pub(super) app: AppId,
    pub(super) length: Length,
    /// When it was switched on, by Altinn's clock.
    pub(super) since: Timestamp,
    /// How often it has struck.
    pub(super) struck: u64,
}

impl Standing {
    /// It was to strike once, and has.
    pub(super) fn is_over(&self) -> bool {
        self.length == Length::Once && self.struck > 0
    }
}

impl BadDays {
    fn lock(&self) -> MutexGuard<'_, Days> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches one on; whether it was not on already.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(super) fn begin(
        &self,
        deployment: &Arc<Deployment>,
        day: BadDay,
        app: &AppId,
        length: Length,
    ) -> Result<bool, DeployError> {
        let mut days = self.lock();
        let is_on = days.begun.iter().any(|it| {
            let same = (it.day, &it.app, it.length) == (day, app, length);
            same && !it.standing(deployment).is_over()
        });
        if is_on {
            return Ok(false);
        }
        let cause = day.strike(deployment, app, length)?;
        days.last_id += 1;
        let begun = Begun {
            id: days.last_id,
            day,
            app: app.clone(),
            length,
            since: deployment.altinn.clock().now(),
            cause,
        };
        days.begun.push(begun);
        Ok(true)
    }

    /// Switches one off; none where it is not on.
    pub(super) fn end(&self, deployment: &Deployment, id: u64) -> Option<BadDay> {
        let mut days = self.lock();
        let index = days.begun.iter().position(|it| it.id == id)?;
        let begun = days.begun.remove(index);
        begun.cause.end(deployment);
        Some(begun.day)
    }

    /// A good day again: switches all off that were switched on here; how many that were.
    pub(super) fn end_all(&self, deployment: &Deployment) -> usize {
        let begun = std::mem::take(&mut self.lock().begun);
        for it in &begun {
            it.cause.end(deployment);
        }
        begun.len()
    }

    /// Those that were switched on and not off, the oldest first.
    pub(super) fn standing(&self, deployment: &Deployment) -> Vec<Standing> {
        let begun = self.lock().begun.clone();
        begun.iter().map(|it| it.standing(deployment)).collect()
    }
}

impl Begun {
    fn standing(&self, deployment: &Deployment) -> Standing {
        Standing {
            id: self.id,
            day: self.day,
            app: self.app.clone(),
            length: self.length,
            since: self.since,
            struck: self.cause.struck(deployment),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use local_world::deployment::Plan;

    async fn deployment() -> Arc<Deployment> {
        Arc::new(Deployment::start(Plan::samples().unwrap()).await.unwrap())
    }

    fn app(id: &str) -> AppId {
        id.parse().unwrap()
    }

    async fn status(deployment: &Deployment) -> Option<u16> {
        let url = deployment.altinn_wire.url();
        let answer = reqwest::get(format!("{url}/ttd/casework/api/v1/applicationmetadata")).await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    #[test]
    fn each_day_and_each_length_has_a_word_of_its_own() {
        let slugs: BTreeSet<_> = BadDay::ALL.map(BadDay::slug).into();
        assert_eq!(slugs.len(), BadDay::ALL.len());
        for day in BadDay::ALL {
            assert_eq!(BadDay::named(day.slug()), Some(day));
            for length in day.lengths() {
                assert_eq!(Length::named(length.slug()), Some(*length));
            }
        }
        assert_eq!((BadDay::named("b_down"), Length::named("")), (None, None));
    }

    #[tokio::test]
    async fn a_day_that_lasts_strikes_until_it_is_switched_off_and_only_its_app() {
        let (days, deployment) = (BadDays::default(), deployment().await);
        let (permit, casework) = (app("ttd/permit"), app("ttd/casework"));
        let begin = |app| days.begin(&deployment, BadDay::BDown, app, Length::Lasting);
        assert!(begin(&casework).unwrap());
        assert!(!begin(&casework).unwrap(), "it is on already");
        assert!(begin(&permit).unwrap());
        for _ in 0..2 {
            assert_eq!(status(&deployment).await, Some(503));
        }
        let standing = days.standing(&deployment);
        let struck: Vec<_> = standing.iter().map(|it| (&it.app, it.struck)).collect();
        assert_eq!(struck, [(&casework, 2), (&permit, 0)]);
        let id = standing[0].id;
        assert_eq!(days.end(&deployment, id), Some(BadDay::BDown));
        assert_eq!(days.end(&deployment, id), None);
        assert_eq!(status(&deployment).await, Some(200));
        assert_eq!(days.standing(&deployment).len(), 1);
    }

    #[tokio::test]
    async fn what_strikes_once_is_over_then_and_can_be_switched_on_anew() {
        let (days, deployment) = (BadDays::default(), deployment().await);
        let casework = app("ttd/casework");
        let begin = || days.begin(&deployment, BadDay::BDown, &casework, Length::Once);
        assert!(begin().unwrap());
        assert!(!begin().unwrap(), "it has not struck yet");
        assert_eq!(status(&deployment).await, Some(503));
        assert_eq!(status(&deployment).await, Some(200));
        let [standing] = &days.standing(&deployment)[..] else {
            panic!("one day")
        };
        assert!(standing.is_over());
        assert!(begin().unwrap());
    }

    #[tokio::test]
    async fn a_good_day_ends_what_was_begun_here_and_leaves_other_faults_alone() {
        let (days, deployment) = (BadDays::default(), deployment().await);
        let casework = app("ttd/casework");
        deployment.altinn.faults().always(None, Fault::PdfFails);
        for day in BadDay::ALL {
            days.begin(&deployment, day, &casework, Length::Lasting)
                .unwrap();
        }
        assert_eq!(days.end_all(&deployment), BadDay::ALL.len());
        assert_eq!(days.standing(&deployment), []);
        assert_eq!(status(&deployment).await, Some(200));
        let strikes = |fault| {
            deployment
                .altinn
                .faults()
                .strikes(Some("ttd/casework"), &fault)
        };
        assert!(!strikes(Fault::EventLost) && strikes(Fault::PdfFails));
    }
}
