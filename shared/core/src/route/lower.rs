//! Lowers a route file to a [`Route`]: checks everything that its shape alone does not show, and compiles its expressions.

use std::path::Path;

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde_saphyr::{Location, Spanned};

use super::{
    Accepted, AfterSteps, AttachmentRule, Each, Expected, Gate, Mistake, Mode, NamePattern,
    OwnerRule, PaceRule, Route, RouteError, Target, VerifyRule, Words,
    file::{Owner, Pace, RouteFile, Then, To, Tree, When, bytes},
    model::{Group, Node},
    span::Scalars,
};
use crate::{id::InvalidId, language::Expression, moment, relay::short_digest, xml};

mod form;
mod leaf;

use form::Form;

/// Of a file with more mistakes than these, these are told.
const MAX_ERRORS: usize = 100;

/// The route of `file`, which was written as `text` at `path`.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn route(path: &Path, text: &str, file: RouteFile) -> Result<Route, Vec<RouteError>> {
    Check {
        path,
        text,
        scalars: &Scalars::of(text),
        errors: Vec::new(),
        accepted: Vec::new(),
    }
    .route(file)
}

/// Turns the file's parts into the route's, and collects what is wrong on the way.
struct Check<'a> {
    path: &'a Path,
    text: &'a str,
    scalars: &'a Scalars,
    errors: Vec<RouteError>,
    accepted: Vec<Accepted>,
}

/// What is wrong, and what is allowed or to be done.
struct Problem {
    problem: String,
    help: Option<String>,
}

impl<T: Into<String>> From<T> for Problem {
    fn from(problem: T) -> Self {
        Self {
            problem: problem.into(),
            help: None,
        }
    }
}

/// A problem with help.
fn with_help(problem: impl Into<String>, help: impl Into<String>) -> Problem {
    Problem {
        problem: problem.into(),
        help: Some(help.into()),
    }
}

impl<'a> Check<'a> {
    fn error(
        &mut self,
        mistake: Mistake,
        place: Option<Location>,
        field: &str,
        problem: impl Into<Problem>,
    ) {
        let Problem { problem, help } = problem.into();
        self.add(RouteError {
            at: place.map(|place| (place.line(), place.column())),
            field: Some(field.to_owned()),
            help,
            range: place.and_then(bytes),
            ..RouteError::new(self.path, mistake, problem)
        });
    }

    fn add(&mut self, error: RouteError) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    fn parsed<T: std::str::FromStr<Err = InvalidId>>(
        &mut self,
        text: &Spanned<String>,
        field: &str,
    ) -> Option<T> {
        let invalid = Mistake::InvalidValue(Words::new(&text.value, &[]));
        let parsed = text.value.parse();
        parsed
            .map_err(|InvalidId { kind, form }| {
                let problem = with_help(format!("not {kind}"), form);
                self.error(invalid, Some(text.referenced), field, problem);
            })
            .ok()
    }

    fn route(mut self, file: RouteFile) -> Result<Route, Vec<RouteError>> {
        let name = self.parsed(&file.name, "name");
        let from = self.parsed(&file.from.app, "from.app");
        let gate = self.gate(&file.from.when);
        let then = self.then(file.then, gate.as_ref());
        let since = file.from.since.as_ref().and_then(|since| self.since(since));
        if file.from.since.is_none() && !then.complete {
            let place = file.from.app.referenced;
            self.add(RouteError {
                at: Some((place.line(), place.column())),
                field: Some("from.since".into()),
                ..RouteError::new(self.path, Mistake::MissingKey("since".into()), "missing")
                    .help("the day before which no A instance is relayed, such as 2026-11-01")
            });
        }
        let (each, mut locals) = self.each(file.each, file.key);
        let target = self.target(file.to, file.model, &mut locals);
        let attachments: Vec<AttachmentRule> = file
            .attachments
            .into_iter()
            .map(|a| AttachmentRule {
                from: a.from,
                to: a.to,
                required: a.required,
                tag: a.tag,
                filename: a.filename.as_deref().map(NamePattern::new),
            })
            .collect();
        let due = file.due.as_ref().and_then(|due| self.due(due));
        if let Some(to) = &target
            && let Mode::Prefill { stamp } = &to.mode
        {
            self.fits_prefill(&to.forms.main.model, stamp, &attachments);
        }
        match (name, from, gate, target) {
            (Some(name), Some(from), Some(gate), Some(to)) if self.errors.is_empty() => Ok(Route {
                name,
                from,
                gate,
                since,
                to,
                attachments,
                due,
                each,
                then,
                accepted: self.accepted,
                version: short_digest(&[self.text]),
            }),
            _ => Err(self.errors),
        }
    }

    fn gate(&mut self, when: &Spanned<When>) -> Option<Gate> {
        const ALLOWED: &str = "allowed are `{ process: completed }` and `{ task: Task_2 }`";
        match (&when.value.process, &when.value.task) {
            (Some(process), None) if process.value == "completed" => Some(Gate::Completed),
            (None, Some(task)) if !task.value.is_empty() => Some(Gate::Task(task.value.clone())),
            _ => {
                let (mistake, place) = match (&when.value.process, &when.value.task) {
                    (Some(process), None) => (
                        Mistake::InvalidValue(Words::new(&process.value, &["completed"])),
                        bytes(process.referenced),
                    ),
                    (None, Some(task)) => (
                        Mistake::InvalidValue(Words::default()),
                        bytes(task.referenced),
                    ),
                    _ => (Mistake::Contradiction, None),
                };
                self.error(mistake, Some(when.referenced), "from.when", ALLOWED);
                if let (Some(error), Some(place)) = (self.errors.last_mut(), place) {
                    error.range = Some(place);
                }
                None
            }
        }
    }

    fn then(&mut self, then: Option<Spanned<Then>>, gate: Option<&Gate>) -> AfterSteps {
        let Some(then) = then else {
            return AfterSteps::default();
        };
        let place = Some(then.referenced);
        let Then {
            substatus,
            complete,
        } = then.value;
        if substatus.is_none() && !complete {
            self.error(
                Mistake::Contradiction,
                place,
                "then",
                with_help(
                    "says nothing",
                    "allowed are `substatus: { label: …, description: … }` and `complete: true`",
                ),
            );
        }
        if complete && matches!(gate, Some(Gate::Task(_))) {
            self.error(
                Mistake::Contradiction,
                place,
                "then.complete",
                with_help("needs `when: { process: completed }`", "Altinn deletes a confirmed instance at once if it is deleted before its process has ended"),
            );
        }
        let substatus = substatus.map(|substatus| {
            if substatus.label.value.trim().is_empty() {
                self.error(
                    Mistake::InvalidValue(Words::default()),
                    Some(substatus.label.referenced),
                    "then.substatus.label",
                    with_help("empty", "Altinn needs a word"),
                );
            }
            super::Substatus {
                label: substatus.label.value,
                description: substatus.description,
            }
        });
        AfterSteps {
            substatus,
            complete,
        }
    }

    fn since(&mut self, since: &Spanned<String>) -> Option<Timestamp> {
        let midnight = |day: Date| Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let moment = match moment::day(&since.value) {
            Some(day) => midnight(day),
            None => moment::parse(&since.value),
        };
        if moment.is_none() {
            let start = since.value.get(..10);
            let has_time = since.value.len() > 10 && start.and_then(moment::day).is_some();
            self.error(
                Mistake::InvalidValue(Words::new(&since.value, &[])),
                Some(since.referenced),
                "from.since",
                Problem {
                    problem: "not a day such as 2026-11-01".into(),
                    help: has_time.then(|| {
                        "a moment has seconds and an offset, such as 2026-11-01T12:30:00+01:00"
                            .into()
                    }),
                },
            );
        }
        moment
    }

    fn due(&mut self, due: &Spanned<String>) -> Option<Span> {
        // The parser would also take `p30d`, `30 days`, and more words than anybody could list.
        let is_iso =
            |text: &&str| text.starts_with('P') && !text.contains(|c: char| c.is_ascii_lowercase());
        let iso = Some(due.value.as_str()).filter(is_iso);
        let span: Option<Span> = iso
            .and_then(|text| text.parse().ok())
            .filter(|span: &Span| span.is_positive());
        if span.is_none() {
            self.error(
                Mistake::InvalidValue(Words::new(&due.value, &[])),
                Some(due.referenced),
                "due",
                "not a positive ISO 8601 duration such as P30D (30 days) or P1M (a month)",
            );
        }
        span
    }

    fn target(
        &mut self,
        to: To,
        model: Option<Spanned<Tree>>,
        locals: &mut Vec<String>,
    ) -> Option<Target> {
        let app = self.parsed(&to.app, "to.app");
        let owner = self.owner(to.owner, locals);
        let mode = self.mode(to.mode, to.stamp);
        let verify = self.verify(to.verify);
        let pace = self.pace(to.pace);
        let main = Form {
            data_type: to.data_type,
            is_further: false,
            root: to.root,
            schema: to.schema,
            order: to.order,
            model,
            place: None,
        };
        let is_prefill = matches!(mode, Some(Mode::Prefill { .. }));
        let forms = self.forms(main, to.forms, is_prefill, locals);
        Some(Target {
            app: app?,
            owner: owner?,
            forms: forms?,
            complete: to.complete,
            mode: mode?,
            verify: verify?,
            pace: pace?,
        })
    }

    /// The pace, if the route sets one.
    fn pace(&mut self, pace: Option<Spanned<Pace>>) -> Option<Option<PaceRule>> {
        let Some(pace) = pace else {
            return Some(None);
        };
        let place = pace.referenced;
        let Pace {
            per_second,
            at_once,
        } = pace.value;
        if per_second.is_none() && at_once.is_none() {
            self.error(
                Mistake::MissingKey("perSecond".into()),
                Some(place),
                "to.pace",
                "must have `perSecond`, how many B are made in a second at most, or `atOnce`, how many at the same time",
            );
            return None;
        }
        let per_second = self.pace_number(per_second, "to.pace.perSecond");
        let at_once = self.pace_number(at_once, "to.pace.atOnce");
        Some(Some(PaceRule {
            per_second: per_second?,
            at_once: at_once?,
        }))
    }

    fn pace_number(&mut self, number: Option<Spanned<u32>>, field: &str) -> Option<Option<u32>> {
        let Some(number) = number else {
            return Some(None);
        };
        if (1..=PaceRule::HIGHEST).contains(&number.value) {
            return Some(Some(number.value));
        }
        self.error(
            Mistake::InvalidValue(Words::new(&number.value.to_string(), &[])),
            Some(number.referenced),
            field,
            Expected::Number.problem(),
        );
        None
    }

    fn verify(&mut self, verify: Option<Spanned<String>>) -> Option<VerifyRule> {
        let Some(verify) = verify else {
            return Some(VerifyRule::default());
        };
        let named = VerifyRule::ALL
            .iter()
            .find(|(name, _)| *name == verify.value);
        if named.is_none() {
            let names = VerifyRule::ALL.map(|(name, _)| name);
            self.error(
                Mistake::InvalidValue(Words::new(&verify.value, &names)),
                Some(verify.referenced),
                "to.verify",
                "must be `always`, `sampled` or `never`",
            );
        }
        named.map(|(_, rule)| *rule)
    }

    fn owner(&mut self, owner: Spanned<Owner>, locals: &[String]) -> Option<OwnerRule> {
        let place = owner.referenced;
        let Owner {
            organisation,
            person,
            party,
        } = owner.value;
        let (kind, tree, field): (fn(Expression) -> OwnerRule, _, _) =
            match (organisation, person, party) {
                (Some(tree), None, None) => {
                    (OwnerRule::Organisation, tree, "to.owner.organisation")
                }
                (None, Some(tree), None) => (OwnerRule::Person, tree, "to.owner.person"),
                (None, None, Some(tree)) => (OwnerRule::Party, tree, "to.owner.party"),
                _ => {
                    self.error(
                        Mistake::Contradiction,
                        Some(place),
                        "to.owner",
                        "give one of `organisation`, `person` and `party`",
                    );
                    return None;
                }
            };
        self.expression(&tree, field, locals).map(kind)
    }

    /// The fan-out, and the names that it binds, which hold even where it is broken otherwise.
    fn each(
        &mut self,
        each: Option<Spanned<Tree>>,
        key: Option<Spanned<Tree>>,
    ) -> (Option<Each>, Vec<String>) {
        let Some(each) = each else {
            if let Some(key) = key {
                self.error(
                    Mistake::Contradiction,
                    Some(key.referenced),
                    "key",
                    "belongs to `each`, which is missing",
                );
            }
            return (None, Vec::new());
        };
        let Some((name, list)) = self.binding(&each, "each", &[]) else {
            return (None, Vec::new());
        };
        let locals = vec![name.clone()];
        let Some(key) = key else {
            self.error(
                Mistake::MissingKey("key".into()),
                Some(each.referenced),
                "key",
                with_help(
                    "missing",
                    "with `each`, what makes a value itself, such as `heir.id`",
                ),
            );
            return (None, locals);
        };
        let key = self.expression(&key, "key", &locals);
        let each = list.zip(key).map(|(list, key)| Each { name, list, key });
        (each, locals)
    }

    fn mode(
        &mut self,
        mode: Option<Spanned<String>>,
        stamp: Option<Spanned<String>>,
    ) -> Option<Mode> {
        match (mode, stamp) {
            (None, None) => Some(Mode::Complete),
            (Some(mode), Some(stamp)) if mode.value == "prefill" => {
                let whole = !stamp.value.is_empty() && stamp.value.split('.').all(xml::is_name);
                if whole {
                    return Some(Mode::Prefill { stamp: stamp.value });
                }
                self.error(
                    Mistake::InvalidValue(Words::new(&stamp.value, &[])),
                    Some(stamp.referenced),
                    "to.stamp",
                    "not a field of B's form, such as `soknad.relay`",
                );
                None
            }
            (Some(mode), None) if mode.value == "prefill" => {
                self.error(
                    Mistake::MissingKey("stamp".into()),
                    Some(mode.referenced),
                    "to.stamp",
                    with_help("missing", "with `mode: prefill`, the field of B's form that carries the relay's id, which B's dataFields must show"),
                );
                None
            }
            (Some(mode), _) => {
                self.error(
                    Mistake::InvalidValue(Words::new(&mode.value, &["prefill"])),
                    Some(mode.referenced),
                    "to.mode",
                    "the only mode that can be named is `prefill`",
                );
                None
            }
            (None, Some(stamp)) => {
                self.error(
                    Mistake::Contradiction,
                    Some(stamp.referenced),
                    "to.stamp",
                    with_help(
                        "belongs to `mode: prefill`",
                        "without it every B is stamped",
                    ),
                );
                None
            }
        }
    }

    /// The simplified request carries flat texts and nothing else.
    fn fits_prefill(&mut self, model: &Group, stamp: &str, attachments: &[AttachmentRule]) {
        if !attachments.is_empty() {
            self.error(
                Mistake::Contradiction,
                None,
                "attachments",
                "`mode: prefill` cannot carry any",
            );
        }
        if has_repeat(model) {
            self.error(
                Mistake::Contradiction,
                None,
                "model",
                "`mode: prefill` cannot fill a repeating group (`$each`)",
            );
        }
        if fills(model, stamp) {
            self.error(
                Mistake::Contradiction,
                None,
                &format!("model.{stamp}"),
                with_help(
                    "is the field of `to.stamp`, and gets the relay's id",
                    "leave it out of `model`, or name another field in `to.stamp`",
                ),
            );
        }
    }
}

/// Whether a group of the route fills the field at a dotted path, or a part of it. B's class has its fields without regard to
/// case.
fn fills(group: &Group, path: &str) -> bool {
    let (name, below) = match path.split_once('.') {
        Some((name, below)) => (name, Some(below)),
        None => (path, None),
    };
    group.iter().any(|(written, node)| {
        written.eq_ignore_ascii_case(name)
            && match (node, below) {
                (Node::Group(inner), Some(below)) => fills(inner, below),
                _ => true,
            }
    })
}

fn has_repeat(group: &Group) -> bool {
    group.iter().any(|(_, node)| match node {
        Node::Field(_) => false,
        Node::Group(group) => has_repeat(group),
        Node::Repeat { .. } => true,
    })
}
