//! Computes the value of an expression.

use std::cmp::Ordering;

use super::{
    error::{EvaluationError, Problem},
    number::{Number, NumberProblem},
    scope::Scope,
    syntax::{Expr, How, Kind, Operator},
    value::{Group, List, Value},
};

/// Steps that one evaluation may take; a mapping takes tens. A step is a node, an item of a list, or 64 bytes of a new text.
const MAX_STEPS: usize = 1_000_000;

/// Bytes of a new text that count as one step.
const BYTES_PER_STEP: usize = 64;

pub(super) type Evaluated<'a> = Result<Value<'a>, EvaluationError>;

/// The evaluation of one expression.
pub(super) struct Evaluation<'a> {
    source: &'a str,
    scope: &'a Scope<'a>,
    /// The items that the expression itself binds.
    items: Vec<(&'a str, Value<'a>)>,
    steps: usize,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(source: &'a str, scope: &'a Scope<'a>) -> Self {
        Self {
            source,
            scope,
            items: Vec::new(),
            steps: 0,
        }
    }

    /// The text of a node, for messages.
    pub(super) fn piece(&self, expr: &Expr) -> String {
        match expr.path() {
            Some(path) => path.to_string(),
            None => self
                .source
                .get(expr.span.clone())
                .unwrap_or(self.source)
                .to_owned(),
        }
    }

    pub(super) fn unsuitable(&self, expr: &Expr, problem: Problem) -> EvaluationError {
        EvaluationError::Unsuitable {
            piece: self.piece(expr),
            place: expr.span.clone(),
            problem,
        }
    }

    fn empty(&self, expr: &Expr) -> EvaluationError {
        EvaluationError::Empty {
            piece: self.piece(expr),
            place: expr.span.clone(),
        }
    }

    pub(super) fn step(&mut self, count: usize) -> Result<(), EvaluationError> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > MAX_STEPS {
            return Err(EvaluationError::TooMuchWork(self.source.to_owned()));
        }
        Ok(())
    }

    /// A text that the expression made.
    pub(super) fn made(&mut self, text: String) -> Evaluated<'a> {
        self.step(text.len() / BYTES_PER_STEP)?;
        Ok(Value::text(text))
    }

    pub(super) fn value(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        self.step(1)?;
        match &expr.kind {
            Kind::None => Ok(Value::Empty),
            Kind::Boolean(value) => Ok(Value::Boolean(*value)),
            Kind::Number(number) => Ok(Value::number(*number)),
            Kind::Text(text) => Ok(Value::text(text.as_str())),
            Kind::List(items) => {
                let items = items.iter().map(|item| self.value(item));
                Ok(Value::list(items.collect::<Result<_, _>>()?))
            }
            Kind::Group(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, field)| Ok((name.as_str(), self.value(field)?)));
                let fields: Vec<_> = fields.collect::<Result<_, EvaluationError>>()?;
                Ok(Value::Group(Group::Made(fields.into())))
            }
            Kind::Name(name) => Ok(self.name(name)),
            Kind::Field { of, name, .. } => match self.value(of)? {
                Value::Empty => Ok(Value::Empty),
                Value::Group(group) => Ok(group.get(name)),
                other => Err(self.unsuitable(of, other.not("a group of fields"))),
            },
            Kind::Item { of, index } => self.item(of, index),
            Kind::Slice { of, from, to } => self.slice(of, from.as_deref(), to.as_deref()),
            Kind::Not(of) => Ok(Value::Boolean(!self.value(of)?.is_true())),
            Kind::Negative(of) => {
                let number = self.number(of)?;
                Ok(Value::Number(Number {
                    value: -number.value,
                    ..number
                }))
            }
            Kind::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, left, right),
            Kind::Choice {
                value,
                condition,
                otherwise,
            } => {
                if self.value(condition)?.is_true() {
                    self.value(value)
                } else {
                    self.value(otherwise)
                }
            }
            Kind::Filter {
                of,
                filter,
                arguments,
            } => (filter.evaluate)(&mut Call {
                evaluation: self,
                of,
                arguments,
            }),
            Kind::Test {
                of,
                test,
                arguments,
                negated,
            } => {
                let holds = (test.holds)(&mut TestCall {
                    evaluation: self,
                    of,
                    arguments,
                })?;
                Ok(Value::Boolean(holds != *negated))
            }
            Kind::Map { of, item, body } => {
                let list = self.list(of)?;
                let items = list.iter();
                let items = items.map(|value| self.with(item, value, body));
                Ok(Value::list(items.collect::<Result<_, _>>()?))
            }
            Kind::Keep {
                of,
                item,
                condition,
                wanted,
            } => {
                let list = self.list(of)?;
                let mut kept = Vec::new();
                for value in list.iter() {
                    if self.with(item, value.clone(), condition)?.is_true() == *wanted {
                        kept.push(value);
                    }
                }
                Ok(Value::list(kept))
            }
            Kind::By { of, how, item, key } => self.by(of, *how, item, key),
        }
    }

    fn name(&self, name: &str) -> Value<'a> {
        let own = self.items.iter().rev().find(|(known, _)| *known == name);
        match own {
            Some((_, value)) => value.clone(),
            None => self.scope.get(name),
        }
    }

    /// The value of `body`, in which `name` is `item`.
    fn with(&mut self, name: &'a str, item: Value<'a>, body: &'a Expr) -> Evaluated<'a> {
        self.items.push((name, item));
        let value = self.value(body);
        self.items.pop();
        value
    }

    /// A value that must be there.
    pub(super) fn needed(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        match self.value(expr)? {
            Value::Empty => Err(self.empty(expr)),
            value => Ok(value),
        }
    }

    pub(super) fn number(&mut self, expr: &'a Expr) -> Result<Number, EvaluationError> {
        match self.needed(expr)? {
            Value::Number(number) => Ok(number),
            other => Err(self.unsuitable(expr, other.not("a number"))),
        }
    }

    /// An exact number.
    pub(super) fn exact(
        &mut self,
        expr: &'a Expr,
    ) -> Result<rust_decimal::Decimal, EvaluationError> {
        let value = self.needed(expr)?;
        value
            .exact()
            .map_err(|problem| self.unsuitable(expr, problem))
    }

    /// A list; an empty one has no items.
    pub(super) fn list(&mut self, expr: &'a Expr) -> Result<List<'a>, EvaluationError> {
        let list = match self.value(expr)? {
            Value::Empty => List::Given(&[]),
            Value::List(list) => list,
            other => return Err(self.unsuitable(expr, other.not("a list"))),
        };
        self.step(list.len())?;
        Ok(list)
    }

    fn item(&mut self, of: &'a Expr, index: &'a Expr) -> Evaluated<'a> {
        let value = self.value(of)?;
        match (value, self.needed(index)?) {
            (Value::Empty, _) => Ok(Value::Empty),
            (Value::List(list), at @ Value::Number(_)) => {
                let at = self.index(index, &at)?;
                Ok(position(at, list.len())
                    .and_then(|at| list.get(at))
                    .unwrap_or(Value::Empty))
            }
            (Value::Group(group), Value::Text(name)) => Ok(group.get(&name)),
            (Value::List(_), other) => Err(self.unsuitable(index, other.not("a number"))),
            (Value::Group(_), other) => Err(self.unsuitable(index, other.not("a text"))),
            (other, _) => Err(self.unsuitable(of, other.not("a list or a group"))),
        }
    }

    fn index(&self, expr: &Expr, value: &Value<'a>) -> Result<i64, EvaluationError> {
        let number = value
            .exact()
            .map_err(|problem| self.unsuitable(expr, problem))?;
        if !number.fract().is_zero() {
            return Err(self.unsuitable(expr, Problem::NotWhole));
        }
        number
            .trunc()
            .try_into()
            .map_err(|_| self.unsuitable(expr, Problem::TooLarge))
    }

    /// A whole number that must be there.
    pub(super) fn whole(&mut self, expr: &'a Expr) -> Result<i64, EvaluationError> {
        let value = self.needed(expr)?;
        self.index(expr, &value)
    }

    fn slice(
        &mut self,
        of: &'a Expr,
        from: Option<&'a Expr>,
        to: Option<&'a Expr>,
    ) -> Evaluated<'a> {
        let value = self.value(of)?;
        let from = from.map(|from| self.whole(from)).transpose()?;
        let to = to.map(|to| self.whole(to)).transpose()?;
        match value {
            // Nothing has no part.
            Value::Empty => Ok(Value::Empty),
            Value::Text(text) => {
                let (start, end) = bounds(from, to, text.chars().count());
                let part: String = text.chars().skip(start).take(end - start).collect();
                self.made(part)
            }
            Value::List(list) => {
                let (start, end) = bounds(from, to, list.len());
                self.step(list.len())?;
                Ok(Value::list(
                    list.iter().skip(start).take(end - start).collect(),
                ))
            }
            other => Err(self.unsuitable(of, other.not("a text or a list"))),
        }
    }

    fn binary(&mut self, operator: Operator, left: &'a Expr, right: &'a Expr) -> Evaluated<'a> {
        match operator {
            Operator::Or => {
                let value = self.value(left)?;
                if value.is_true() {
                    Ok(value)
                } else {
                    self.value(right)
                }
            }
            Operator::And => {
                let value = self.value(left)?;
                if value.is_true() {
                    self.value(right)
                } else {
                    Ok(value)
                }
            }
            Operator::Equal | Operator::Unequal => {
                let (a, b) = (self.value(left)?, self.value(right)?);
                let equal = a
                    .equals(&b)
                    .map_err(|problem| self.unsuitable(left, problem))?;
                Ok(Value::Boolean(equal == (operator == Operator::Equal)))
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                let order = self.order(left, right)?;
                Ok(Value::Boolean(match operator {
                    Operator::Less => order.is_lt(),
                    Operator::LessOrEqual => order.is_le(),
                    Operator::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            Operator::In => Ok(Value::Boolean(self.contains(right, left)?)),
            Operator::NotIn => Ok(Value::Boolean(!self.contains(right, left)?)),
            Operator::Concat => {
                let mut text = self.as_text(left)?.into_owned();
                text.push_str(&self.as_text(right)?);
                self.made(text)
            }
            Operator::Plus => match (self.needed(left)?, self.needed(right)?) {
                (Value::Text(a), Value::Text(b)) => self.made(format!("{a}{b}")),
                (Value::List(a), Value::List(b)) => {
                    self.step(a.len() + b.len())?;
                    Ok(Value::list(a.iter().chain(b.iter()).collect()))
                }
                (Value::Number(a), Value::Number(b)) => self.computed(left, right, a.plus(b)),
                (Value::Number(_), other) => Err(self.unsuitable(right, other.not("a number"))),
                (other, _) => Err(self.unsuitable(left, other.not("a number"))),
            },
            Operator::Minus => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                self.computed(left, right, a.minus(b))
            }
            Operator::Times => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                self.computed(left, right, a.times(b))
            }
            Operator::DividedBy => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                self.computed(left, right, a.divided_by(b))
            }
            Operator::WholeDividedBy => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                self.computed(left, right, a.whole_divided_by(b))
            }
            Operator::Remainder => {
                let (a, b) = (self.number(left)?, self.number(right)?);
                self.computed(left, right, a.remainder(b))
            }
        }
    }

    fn computed(
        &self,
        left: &Expr,
        right: &Expr,
        result: Result<Number, NumberProblem>,
    ) -> Evaluated<'a> {
        match result {
            Ok(number) => Ok(Value::Number(number)),
            Err(NumberProblem::Zero) => Err(self.unsuitable(right, Problem::Zero)),
            Err(NumberProblem::DoesNotFit) => {
                let place = left.span.start..right.span.end;
                let whole = self.source.get(place.clone());
                Err(EvaluationError::Unsuitable {
                    piece: whole.unwrap_or(self.source).to_owned(),
                    place,
                    problem: Problem::DoesNotFit,
                })
            }
        }
    }

    /// The order of two values, which must be there.
    pub(super) fn order(
        &mut self,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Result<Ordering, EvaluationError> {
        let (a, b) = (self.needed(left)?, self.needed(right)?);
        let order = a
            .order(&b)
            .map_err(|problem| self.unsuitable(left, problem))?;
        order.ok_or_else(|| {
            let problem = if a.words() == b.words() {
                Problem::NoOrder
            } else {
                b.not(a.words())
            };
            self.unsuitable(right, problem)
        })
    }

    /// Whether a list has an item, a text a piece, or a group a field. What is empty has nothing in it.
    pub(super) fn contains(
        &mut self,
        whole: &'a Expr,
        part: &'a Expr,
    ) -> Result<bool, EvaluationError> {
        let wanted = self.value(part)?;
        match self.value(whole)? {
            Value::Empty => Ok(false),
            Value::List(list) => {
                self.step(list.len())?;
                for item in list.iter() {
                    let same = item.equals(&wanted);
                    if same.map_err(|problem| self.unsuitable(part, problem))? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Value::Text(text) => match wanted {
                Value::Text(piece) => {
                    self.step(text.len() / BYTES_PER_STEP)?;
                    Ok(text.contains(&*piece))
                }
                Value::Empty => Err(self.empty(part)),
                other => Err(self.unsuitable(part, other.not("a text"))),
            },
            Value::Group(group) => match wanted {
                Value::Text(name) => Ok(!group.get(&name).is_empty()),
                Value::Empty => Err(self.empty(part)),
                other => Err(self.unsuitable(part, other.not("a text"))),
            },
            other => Err(self.unsuitable(whole, other.not("a list or a text"))),
        }
    }

    /// A value as a text, which must be there.
    pub(super) fn as_text(
        &mut self,
        expr: &'a Expr,
    ) -> Result<std::borrow::Cow<'a, str>, EvaluationError> {
        let value = self.needed(expr)?;
        value
            .as_text()
            .map_err(|problem| self.unsuitable(expr, problem))
    }

    fn by(&mut self, of: &'a Expr, how: How, name: &'a str, key: &'a Expr) -> Evaluated<'a> {
        let list = self.list(of)?;
        let mut keyed = Vec::with_capacity(list.len());
        for item in list.iter() {
            keyed.push((self.with(name, item.clone(), key)?, item));
        }
        if how == How::Unique {
            let mut unique: Vec<(Value<'a>, Value<'a>)> = Vec::new();
            for (key_value, item) in keyed {
                self.step(unique.len())?;
                let mut is_known = false;
                for (known, _) in &unique {
                    let same = known.equals(&key_value);
                    is_known |= same.map_err(|problem| self.unsuitable(of, problem))?;
                }
                if !is_known {
                    unique.push((key_value, item));
                }
            }
            return Ok(Value::list(
                unique.into_iter().map(|(_, item)| item).collect(),
            ));
        }
        if keyed.iter().any(|(key, _)| key.is_empty()) {
            return Err(self.empty(key));
        }
        let sorted = super::order::sorted(keyed).map_err(|problem| self.unsuitable(of, problem))?;
        // A sort takes more steps than the list has items.
        self.step(
            list.len()
                .saturating_mul(list.len().max(1).ilog2() as usize + 1),
        )?;
        let mut items = sorted.into_iter().map(|(_, item)| item);
        Ok(match how {
            How::Min => items.next().unwrap_or(Value::Empty),
            How::Max => items.next_back().unwrap_or(Value::Empty),
            How::Sort { reverse: true } => Value::list(items.rev().collect()),
            How::Sort { reverse: false } | How::Unique => Value::list(items.collect()),
        })
    }
}

/// The position in a list of this length that an index means; a negative one counts from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 {
        index.checked_add(length)?
    } else {
        index
    };
    usize::try_from(index).ok()
}

/// Start and end of a slice, inside of a text or list of this length.
fn bounds(from: Option<i64>, to: Option<i64>, length: usize) -> (usize, usize) {
    let clamped = |index: i64| {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let index = if index < 0 {
            index.saturating_add(length)
        } else {
            index
        };
        usize::try_from(index.clamp(0, length)).unwrap_or_default()
    };
    let start = from.map_or(0, clamped);
    let end = to.map_or(length, clamped);
    (start, end.max(start))
}

/// A filter at work.
pub(super) struct Call<'e, 'a> {
    pub(super) evaluation: &'e mut Evaluation<'a>,
    pub(super) of: &'a Expr,
    pub(super) arguments: &'a [Option<Expr>],
}

impl<'a> Call<'_, 'a> {
    pub(super) fn argument(&self, index: usize) -> Option<&'a Expr> {
        self.arguments.get(index).and_then(Option::as_ref)
    }

    /// What the filter is applied to, as a text that must be one already.
    pub(super) fn text(&mut self) -> Result<std::borrow::Cow<'a, str>, EvaluationError> {
        match self.evaluation.needed(self.of)? {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong(other.not("a text"))),
        }
    }

    pub(super) fn text_argument(
        &mut self,
        index: usize,
    ) -> Result<Option<std::borrow::Cow<'a, str>>, EvaluationError> {
        let argument = self.argument(index);
        argument
            .map(|argument| self.evaluation.as_text(argument))
            .transpose()
    }

    pub(super) fn whole_argument(&mut self, index: usize) -> Result<Option<i64>, EvaluationError> {
        let argument = self.argument(index);
        argument
            .map(|argument| self.evaluation.whole(argument))
            .transpose()
    }

    /// Whether an argument is given and true.
    pub(super) fn flag(&mut self, index: usize) -> Result<bool, EvaluationError> {
        match self.argument(index) {
            Some(argument) => Ok(self.evaluation.value(argument)?.is_true()),
            None => Ok(false),
        }
    }

    /// The error for what the filter is applied to.
    pub(super) fn wrong(&self, problem: Problem) -> EvaluationError {
        self.evaluation.unsuitable(self.of, problem)
    }

    /// The error for an argument.
    pub(super) fn wrong_argument(&self, index: usize, problem: Problem) -> EvaluationError {
        let argument = self.argument(index).unwrap_or(self.of);
        self.evaluation.unsuitable(argument, problem)
    }
}

/// A test at work.
pub(super) struct TestCall<'e, 'a> {
    pub(super) evaluation: &'e mut Evaluation<'a>,
    pub(super) of: &'a Expr,
    pub(super) arguments: &'a [Expr],
}

impl<'a> TestCall<'_, 'a> {
    /// A value that must be there.
    pub(super) fn needed(&mut self) -> Evaluated<'a> {
        self.evaluation.needed(self.of)
    }

    /// The error for what is tested.
    pub(super) fn wrong(&self, problem: Problem) -> EvaluationError {
        self.evaluation.unsuitable(self.of, problem)
    }

    /// The error for the test's argument.
    pub(super) fn wrong_argument(&self, problem: Problem) -> EvaluationError {
        self.evaluation.unsuitable(self.argument_expr(), problem)
    }

    pub(super) fn value(&mut self) -> Evaluated<'a> {
        self.evaluation.value(self.of)
    }

    /// The test's argument. The parser gives one to each test that has one.
    pub(super) fn argument_expr(&self) -> &'a Expr {
        self.arguments.first().unwrap_or(self.of)
    }

    pub(super) fn argument(&mut self) -> Evaluated<'a> {
        self.evaluation.value(self.argument_expr())
    }

    /// An argument that must be there.
    pub(super) fn needed_argument(&mut self) -> Evaluated<'a> {
        self.evaluation.needed(self.argument_expr())
    }
}
