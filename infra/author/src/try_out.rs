//! Which B an A instance would lead to. Nothing is sent.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use stafett_core::{
    draft::Draft,
    id::{AppId, InstanceId},
    preflight::{SOURCE, TargetApp},
    prepare::{self, InstanceData, Share},
    relay::{RelayId, decide::Failure},
    route::{Gate, Mode, Route},
    transform,
};
use uuid::Uuid;

use crate::{
    check::Checked,
    finding::Finding,
    judge::{self, Judged},
    located_route::LocatedRoute,
    schema_in_use::SchemasInUse,
};

mod findings;
mod text;

/// Which B an A instance would lead to. Holds A's data, so `Debug` prints none of it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TryOut {
    /// The route.
    pub route: String,
    /// Its file.
    pub file: PathBuf,
    /// The A instance.
    pub instance: InstanceId,
    /// App A.
    pub from: AppId,
    /// App B.
    pub to: AppId,
    /// By which schemas B's forms are checked and ordered.
    pub schema: String,
    /// Whether the A instance is ready.
    pub gate: GateState,
    /// One per relay; none if the gate is closed, or nothing can be made of this A instance.
    pub parts: Vec<Part>,
    /// What follows on A once B exists.
    pub then: Vec<String>,
    /// What the function would record of all of it, where no relay gets a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What is wrong with all of it.
    pub findings: Vec<Finding>,
    /// What `check` calls an error of the route.
    pub check: Vec<Finding>,
    /// What B's app fills into its forms itself, beside the draft, one line each.
    pub prefilled: Vec<String>,
    /// What could not be compared, and what is needed for it, one line each.
    pub not_compared: Vec<String>,
}

/// What the function would record of a relay that gets no B. Names fields and data types, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The reason's code.
    pub reason: &'static str,
    /// Details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether something would be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Each relay would be sent to B, and nothing of B's is against it.
    Sent,
    /// At least one relay would not, or not yet, or should not.
    NotSent,
    /// Nothing is known against any relay, and B's metadata or schema is not at hand.
    NotTold,
}

/// Whether an A instance is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateState {
    /// What the route waits for.
    pub waits_for: String,
    /// Since when the gate is open; `None` if it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_since: Option<Timestamp>,
    /// Where A's process stands.
    pub stands: String,
}

/// What one relay would make.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// What tells it from the other relays of the instance. `None` without `each`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The relay's id.
    pub relay: String,
    /// B; `None` where the route gives none for this A instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Preview>,
    /// What the route's check and B's files say of it.
    pub verdict: Judgement,
    /// What the function would record, if it sent nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// B as it would be asked for.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Its owner, as Altinn's instance template has it.
    pub owner: Value,
    /// When it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The form's data type, where the route or B's files tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_type: Option<String>,
    /// The form, its fields in the order in which they are sent.
    pub model: Map<String, Value>,
    /// The form as it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
    /// The form as it is sent with `mode: prefill`, texts by dotted path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefill: Option<Value>,
    /// Its further forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<FurtherForm>,
    /// The elements of A that it gets.
    pub attachments: Vec<Attached>,
    /// Its `dataValues`.
    pub stamps: BTreeMap<String, String>,
}

/// A further form of B, as it would be sent.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FurtherForm {
    /// Its data type.
    pub form_type: String,
    /// The form, its fields in the order in which they are sent.
    pub model: Map<String, Value>,
    /// The form as it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xml: Option<String>,
}

/// An element of A that B gets.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    /// A's data element.
    pub element: Uuid,
    /// A's data type.
    pub from: String,
    /// B's data type.
    pub to: String,
    /// Its name in B.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
}

/// Whether B would take a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Judgement {
    /// Nothing in B's metadata and schema is against it.
    Taken,
    /// B would refuse it, it cannot be made, or the route has an error.
    Refused,
    /// Nothing is known against it, but B's metadata or its form's schema is not at hand.
    NotJudged,
}

impl fmt::Debug for TryOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryOut")
            .field("instance", &self.instance)
            .field("gate", &self.gate)
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

impl TryOut {
    /// What the route makes of the A instance. `b` is what B's app tells of itself, where it is at hand; `checked` is what `check`
    /// finds in the route.
    #[must_use]
    pub fn of(
        located: LocatedRoute<'_>,
        source: &InstanceData,
        b: Option<&TargetApp>,
        checked: &Checked,
    ) -> Self {
        let route = located.route;
        let mut out = Self {
            route: route.name.to_string(),
            file: located.file.to_owned(),
            instance: source.instance.id,
            from: route.from.clone(),
            to: route.to.app.clone(),
            schema: SchemasInUse::of(&route.to, b).to_string(),
            gate: GateState::of(route, source),
            parts: Vec::new(),
            then: then(route),
            refusal: None,
            findings: Vec::new(),
            check: checked.errors().cloned().collect(),
            prefilled: checked.prefilled().map(str::to_owned).collect(),
            not_compared: checked.unchecked.clone(),
        };
        match prepare::prepare(route, source, b) {
            Ok(prepared) => {
                let try_out = PartOf {
                    located,
                    source,
                    b,
                    is_judged: judge::is_judged(&route.to, b),
                    has_errors: !out.check.is_empty(),
                };
                let parts = prepared.shares.into_iter();
                out.parts = parts.map(|share| try_out.part(share)).collect();
            }
            Err(obstacle) => {
                out.findings
                    .extend(findings::of_instance(located, &obstacle));
                out.refusal = Some(obstacle.failure().into());
            }
        }
        out
    }

    /// Whether something would be sent.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is = |verdict| self.parts.iter().any(|part| part.verdict == verdict);
        if self.refusal.is_some() || !self.check.is_empty() || is(Judgement::Refused) {
            Outcome::NotSent
        } else if is(Judgement::NotJudged) {
            Outcome::NotTold
        } else {
            Outcome::Sent
        }
    }

    /// Everything that is wrong, with the route and with all parts.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let of_parts = self.parts.iter().flat_map(|part| &part.findings);
        self.check.iter().chain(&self.findings).chain(of_parts)
    }

    /// Everything but the findings, for people to read.
    #[must_use]
    pub fn text(&self) -> String {
        text::write(self)
    }
}

impl GateState {
    fn of(route: &Route, source: &InstanceData) -> Self {
        let process = &source.instance.process;
        Self {
            waits_for: gate(&route.gate),
            open_since: transform::open_since(&route.gate, &source.instance),
            stands: match (&process.ended, &process.current_task) {
                (Some(ended), _) => format!("ended {ended}"),
                (None, Some(task)) => format!("in {}", task.element_id),
                (None, None) => "nowhere: it has not started".to_owned(),
            },
        }
    }
}

/// A route's condition, in words.
fn gate(gate: &Gate) -> String {
    match gate {
        Gate::Completed => "A's process has ended".to_owned(),
        Gate::Task(task) => format!("A stands in {task}, or its process has ended"),
    }
}

/// What follows on A, in words.
fn then(route: &Route) -> Vec<String> {
    let substatus = route.then.substatus.as_ref().map(|substatus| {
        let description = substatus
            .description
            .iter()
            .map(|text| format!(" ({text})"));
        format!(
            "A gets the substatus “{}”{}",
            substatus.label,
            description.collect::<String>()
        )
    });
    let complete = route.then.complete.then(|| {
        "A is confirmed complete by its service owner, and leaves the unconfirmed instances"
            .to_owned()
    });
    substatus.into_iter().chain(complete).collect()
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            reason: failure.reason.code(),
            detail: failure.detail,
        }
    }
}

/// What all parts of a try-out share.
struct PartOf<'a> {
    located: LocatedRoute<'a>,
    source: &'a InstanceData,
    b: Option<&'a TargetApp>,
    is_judged: bool,
    has_errors: bool,
}

impl PartOf<'_> {
    fn part(&self, share: Share) -> Part {
        let (located, source) = (self.located, self.source);
        let relay = transform::relay_id(located.route, source.instance.id, share.key.as_deref());
        let refusal = share.b.as_ref().err().map(|it| it.failure().into());
        let (judged, findings) = match Judged::of(share.b, &located.route.to, self.b) {
            Ok(judged) => {
                let objections = judged.objections.iter();
                let found = objections.map(|it| findings::of_objection(located, it));
                let found = found.collect();
                (Some(judged), found)
            }
            Err(obstacle) => {
                let key = share.key.as_deref();
                (None, findings::of_draft(located, source, key, &obstacle))
            }
        };
        let is_refused = self.has_errors || !findings.is_empty() || judged.is_none();
        let verdict = match (is_refused, self.is_judged) {
            (true, _) => Judgement::Refused,
            (false, true) => Judgement::Taken,
            (false, false) => Judgement::NotJudged,
        };
        Part {
            b: judged.map(|judged| Preview::of(judged, located.route, source, &relay)),
            key: share.key,
            relay: relay.to_string(),
            verdict,
            refusal,
            findings,
        }
    }
}

impl Preview {
    fn of(judged: Judged, route: &Route, source: &InstanceData, relay: &RelayId) -> Self {
        let Draft {
            owner,
            models,
            attachments,
            due,
        } = judged.draft;
        let mut stamps = BTreeMap::new();
        if let Some(key) = judged.stamp_key {
            stamps.insert(key, relay.to_string());
        }
        // Only the complete request carries a second stamp.
        if judged.prefill.is_none() && route.to.mode == Mode::Complete {
            stamps.insert(SOURCE.to_owned(), source.instance.id.to_string());
        }
        let from = |element: Uuid| {
            let elements = &source.instance.data;
            let found = elements.iter().find(|known| known.id == element);
            found
                .map(|element| element.data_type.clone())
                .unwrap_or_default()
        };
        let further = judged.forms.further.into_iter().zip(models.further);
        let further = further.map(|(form, model)| FurtherForm {
            form_type: form.data_type.unwrap_or_default(),
            model,
            xml: form.xml,
        });
        Self {
            owner: owner.template(),
            due,
            form_type: judged.forms.main.data_type,
            model: models.main,
            xml: judged.forms.main.xml,
            prefill: judged.prefill,
            forms: further.collect(),
            attachments: attachments
                .into_iter()
                .map(|attachment| Attached {
                    from: from(attachment.element),
                    element: attachment.element,
                    to: attachment.data_type,
                    filename: attachment.filename,
                    content_type: attachment.content_type,
                    size: attachment.size,
                })
                .collect(),
            stamps,
        }
    }
}

#[cfg(test)]
mod tests;
