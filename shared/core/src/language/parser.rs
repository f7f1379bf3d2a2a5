//! Reads the tree of an expression from its tokens, by the precedence of its operators.

use std::ops::Range;

use super::{
    error::{SyntaxError, SyntaxProblem, Unknown},
    filters::{self, FILTERS, Filter, Form},
    lexer::{self, Token, TokenKind},
    odd,
    syntax::{Expr, How, Kind, Operator},
    value_tests::{self, TESTS},
};

/// Tokens that an expression has at most.
const MAX_TOKENS: usize = 1_000;

/// Levels of brackets and operators that the parser goes down.
const MAX_DEPTH: usize = 96;

/// Levels of a tree. A chain of operators is as deep as it is long, and each level takes some of the stack.
const MAX_LEVELS: usize = 150;

/// The names that every expression sees.
const ROOTS: [&str; 2] = ["instance", "data"];

/// Words that are no names.
const RESERVED: [&str; 14] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "null", "True", "False",
    "None",
];

/// The name of the item in what a filter does with each. No author can write it, so that it hides none of theirs.
const ITEM: &str = "each item";

/// What words of other languages are called here.
const NOTHING: [&str; 4] = ["null", "nil", "undefined", "None"];

type Parsed<T = Expr> = Result<T, SyntaxError>;

/// The tree of an expression.
///
/// # Errors
/// [`SyntaxError`] for bad syntax, an unknown name, filter or test, or form data that is not named.
pub(super) fn expression(source: &str, locals: &[String]) -> Parsed {
    let mut parser = Parser::new(source, locals)?;
    let expr = parser.whole()?;
    parser.end()?;
    shallow(expr)
}

/// The tree, if it is not too deep.
fn shallow(expr: Expr) -> Parsed {
    let mut due = vec![(&expr, 1)];
    while let Some((node, level)) = due.pop() {
        if level > MAX_LEVELS {
            return Err(SyntaxError::new(
                SyntaxProblem::TooLong,
                format!("has more than {MAX_LEVELS} operators or filters one upon the other"),
                Some("make it simpler".into()),
                expr.span.clone(),
            ));
        }
        due.extend(node.children().into_iter().map(|child| (child, level + 1)));
    }
    Ok(expr)
}

/// `name in list`, and `name in list if condition`.
pub(super) struct Binding {
    /// The name of the item.
    pub(super) name: String,
    /// The list, without the items for which the condition does not hold.
    pub(super) list: Parsed,
}

/// The binding of an `each`.
///
/// # Errors
/// As [`expression`]; [`SyntaxProblem::EachForm`] where it is no binding, [`SyntaxProblem::NameTaken`] for a name
/// that has a meaning already.
pub(super) fn binding(source: &str, locals: &[String]) -> Parsed<Binding> {
    let mut parser = Parser::new(source, locals)?;
    let form = || {
        SyntaxError::new(
            SyntaxProblem::EachForm,
            "must be `name in list`, such as `decision in data.model.decisions`",
            None,
            0..source.len(),
        )
    };
    let (Some(TokenKind::Word(name)), Some(TokenKind::Word(word))) =
        (parser.kind(0).cloned(), parser.kind(1).cloned())
    else {
        return Err(form());
    };
    // A hyphen would make the name look like a subtraction wherever it is used.
    if word != "in" || name.contains('-') {
        return Err(form());
    }
    let place = parser.place(0);
    let is_taken = RESERVED.contains(&name.as_str())
        || ROOTS.contains(&name.as_str())
        || NOTHING.contains(&name.as_str())
        || locals.contains(&name);
    if is_taken {
        let problem = format!("`{name}` has a meaning here already");
        return Err(SyntaxError::new(
            SyntaxProblem::NameTaken(name),
            problem,
            Some("give the item another name".into()),
            place,
        ));
    }
    parser.at += 2;
    Ok(Binding {
        list: parser.items(&name),
        name,
    })
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    at: usize,
    locals: Vec<String>,
}

/// An argument of a filter or test.
struct Argument {
    name: Option<(String, Range<usize>)>,
    value: Expr,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, locals: &[String]) -> Parsed<Self> {
        let tokens = lexer::tokens(source)?;
        if let Some(token) = tokens.get(MAX_TOKENS) {
            return Err(SyntaxError::new(
                SyntaxProblem::TooLong,
                format!("has more than {MAX_TOKENS} names, values and signs"),
                Some("make it simpler".into()),
                token.span.clone(),
            ));
        }
        Ok(Self {
            source,
            tokens,
            at: 0,
            locals: locals.to_vec(),
        })
    }

    fn kind(&self, ahead: usize) -> Option<&TokenKind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    /// The place of a token, or the end of the text.
    fn place(&self, ahead: usize) -> Range<usize> {
        match self.tokens.get(self.at + ahead) {
            Some(token) => token.span.clone(),
            None => self.source.len()..self.source.len(),
        }
    }

    /// The end of the token before this place.
    fn last_end(&self) -> usize {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map_or(0, |token| token.span.end)
    }

    /// Goes past a sign, if it is there.
    fn sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.kind(0), Some(TokenKind::Sign(found)) if *found == sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.kind(ahead), Some(TokenKind::Word(found)) if found == word)
    }

    /// Goes past a word, if it is there.
    fn word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(0, word);
        self.at += usize::from(is_there);
        is_there
    }

    /// What stands at this place.
    fn found(&self) -> String {
        match self.tokens.get(self.at) {
            None => "the expression ends here".into(),
            Some(token) => match &token.kind {
                TokenKind::Text(_) => "a text stands here".into(),
                _ => format!(
                    "`{}` stands here",
                    self.source.get(token.span.clone()).unwrap_or_default()
                ),
            },
        }
    }

    fn expect(&mut self, sign: &str, before: &str) -> Parsed<()> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(SyntaxError::syntax(
            format!("{}, and `{sign}` is needed", self.found()),
            format!("{before} ends with `{sign}`"),
            self.place(0),
        ))
    }

    /// All that is left is an error.
    fn end(&self) -> Parsed<()> {
        let place = self.place(0);
        let (problem, help) = match self.kind(0) {
            None => return Ok(()),
            Some(TokenKind::Sign("=")) => ("`=` compares nothing".to_owned(), "write `==`"),
            Some(TokenKind::Sign("&")) => ("`&` has no meaning here".to_owned(), "write `and`"),
            Some(TokenKind::Sign("!")) => ("`!` has no meaning here".to_owned(), "write `not`"),
            Some(TokenKind::Sign("**")) => {
                ("there is no `**`".to_owned(), "write the product, `x * x`")
            }
            Some(TokenKind::Sign(":")) => (
                "`:` has no meaning here".to_owned(),
                "it stands in `{'name': value}` and in `x[from:to]`; a text such as `'12:30'` stands in quotes",
            ),
            Some(TokenKind::Word(word)) if word == "else" => (
                "`else` has no `if` before it".to_owned(),
                "write `value if condition else other`",
            ),
            _ => (
                format!("{}, where the expression should end", self.found()),
                "an operator is missing before it: `~` joins texts, and a text stands in quotes",
            ),
        };
        Err(SyntaxError::syntax(problem, help, place))
    }

    fn deeper(&self, depth: usize) -> Parsed<usize> {
        if depth < MAX_DEPTH {
            return Ok(depth + 1);
        }
        Err(SyntaxError::new(
            SyntaxProblem::TooLong,
            format!("has more than {MAX_DEPTH} levels"),
            Some("make it simpler".into()),
            self.place(0),
        ))
    }

    /// The rest of a binding: a list, and maybe a condition for its items.
    fn items(&mut self, name: &str) -> Parsed {
        let start = self.place(0).start;
        let list = self.or(0)?;
        if !self.word("if") {
            self.end()?;
            return shallow(list);
        }
        self.locals.push(name.to_owned());
        let condition = self.or(0)?;
        self.end()?;
        let span = start..condition.span.end;
        shallow(Expr {
            kind: Kind::Keep {
                of: Box::new(list),
                item: name.to_owned(),
                condition: Box::new(condition),
                wanted: true,
            },
            span,
        })
    }

    fn whole(&mut self) -> Parsed {
        if self.tokens.is_empty() {
            return Err(SyntaxError::syntax(
                "is empty",
                "`none` leaves the element out, and `''` is an empty text",
                0..self.source.len(),
            ));
        }
        self.choice(0)
    }

    /// `value if condition else otherwise`
    fn choice(&mut self, depth: usize) -> Parsed {
        let depth = self.deeper(depth)?;
        let value = self.or(depth)?;
        let place = self.place(0);
        if !self.word("if") {
            return Ok(value);
        }
        let condition = self.or(depth)?;
        if !self.word("else") {
            return Err(SyntaxError::syntax(
                "this `if` has no `else`",
                "say what then: `else none` leaves the element out",
                place,
            ));
        }
        let otherwise = self.choice(depth)?;
        let span = value.span.start..otherwise.span.end;
        Ok(Expr {
            kind: Kind::Choice {
                value: Box::new(value),
                condition: Box::new(condition),
                otherwise: Box::new(otherwise),
            },
            span,
        })
    }

    fn or(&mut self, depth: usize) -> Parsed {
        let mut left = self.and(depth)?;
        while self.word("or") {
            let right = self.and(depth)?;
            left = joined(Operator::Or, left, right);
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Parsed {
        let mut left = self.not(depth)?;
        while self.word("and") {
            let right = self.not(depth)?;
            left = joined(Operator::And, left, right);
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Parsed {
        let depth = self.deeper(depth)?;
        let start = self.place(0).start;
        if !self.word("not") {
            return self.comparison(depth);
        }
        let of = self.not(depth)?;
        let span = start..of.span.end;
        Ok(Expr {
            kind: Kind::Not(Box::new(of)),
            span,
        })
    }

    fn comparison_operator(&mut self) -> Option<Operator> {
        let operator = match self.kind(0)? {
            TokenKind::Sign("==") => Operator::Equal,
            TokenKind::Sign("!=") => Operator::Unequal,
            TokenKind::Sign("<") => Operator::Less,
            TokenKind::Sign("<=") => Operator::LessOrEqual,
            TokenKind::Sign(">") => Operator::Greater,
            TokenKind::Sign(">=") => Operator::GreaterOrEqual,
            TokenKind::Word(word) if word == "in" => Operator::In,
            TokenKind::Word(word) if word == "not" && self.is_word(1, "in") => {
                self.at += 1;
                Operator::NotIn
            }
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    /// `a < b`, and `a < b < c`, which is `a < b and b < c`.
    fn comparison(&mut self, depth: usize) -> Parsed {
        let mut left = self.sum(depth)?;
        let mut whole: Option<Expr> = None;
        while let Some(operator) = self.comparison_operator() {
            let right = self.sum(depth)?;
            let pair = joined(operator, left, right.clone());
            whole = Some(match whole {
                Some(before) => joined(Operator::And, before, pair),
                None => pair,
            });
            left = right;
        }
        Ok(whole.unwrap_or(left))
    }

    fn sum(&mut self, depth: usize) -> Parsed {
        let mut left = self.concatenation(depth)?;
        loop {
            let operator = if self.sign("+") {
                Operator::Plus
            } else if self.sign("-") {
                Operator::Minus
            } else {
                return Ok(left);
            };
            let right = self.concatenation(depth)?;
            left = joined(operator, left, right);
        }
    }

    fn concatenation(&mut self, depth: usize) -> Parsed {
        let mut left = self.product(depth)?;
        while self.sign("~") {
            let right = self.product(depth)?;
            left = joined(Operator::Concat, left, right);
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Parsed {
        let mut left = self.filtered(depth)?;
        loop {
            let operator = if self.sign("*") {
                Operator::Times
            } else if self.sign("//") {
                Operator::WholeDividedBy
            } else if self.sign("/") {
                Operator::DividedBy
            } else if self.sign("%") {
                Operator::Remainder
            } else {
                return Ok(left);
            };
            let right = self.filtered(depth)?;
            left = joined(operator, left, right);
        }
    }

    /// A value with its filters and tests, which belong to it and its sign.
    fn filtered(&mut self, depth: usize) -> Parsed {
        let depth = self.deeper(depth)?;
        let mut expr = self.signed(depth)?;
        loop {
            if self.sign("|") {
                expr = self.filter(expr, depth)?;
            } else if self.word("is") {
                expr = self.test(expr, depth)?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn signed(&mut self, depth: usize) -> Parsed {
        let depth = self.deeper(depth)?;
        let start = self.place(0).start;
        if !self.sign("-") {
            let primary = self.primary(depth)?;
            return self.postfix(primary, depth);
        }
        let of = self.signed(depth)?;
        let span = start..of.span.end;
        Ok(Expr {
            kind: Kind::Negative(Box::new(of)),
            span,
        })
    }

    fn primary(&mut self, depth: usize) -> Parsed {
        let place = self.place(0);
        let Some(kind) = self.kind(0).cloned() else {
            return Err(SyntaxError::syntax(
                "the expression ends where a value is needed",
                "such as `data.model.name`, `'text'`, `12.50` or `none`",
                place,
            ));
        };
        let start = place.start;
        let kind = match kind {
            TokenKind::Number(number) => Kind::Number(number),
            TokenKind::Text(text) => {
                let next = self.kind(1);
                if matches!(next, Some(TokenKind::Text(_))) {
                    self.at += 1;
                    return Err(SyntaxError::syntax(
                        "a text follows a text",
                        "`~` joins them; a quote inside of a text is written `\\'`",
                        self.place(0),
                    ));
                }
                Kind::Text(text)
            }
            TokenKind::Word(word) => match word.as_str() {
                "true" | "True" => Kind::Boolean(true),
                "false" | "False" => Kind::Boolean(false),
                "none" | "None" => Kind::None,
                _ => return self.name(&word, place),
            },
            TokenKind::Sign("(") => {
                self.at += 1;
                let inner = self.choice(depth)?;
                self.expect(")", "what begins with `(`")?;
                // The brackets are a part of what a message shows.
                return Ok(Expr {
                    span: start..self.last_end(),
                    ..inner
                });
            }
            TokenKind::Sign("[") => {
                self.at += 1;
                let items = self.separated("]", |parser| parser.choice(depth))?;
                return Ok(Expr {
                    kind: Kind::List(items),
                    span: start..self.last_end(),
                });
            }
            TokenKind::Sign("{") => {
                self.at += 1;
                let mut names = Vec::new();
                let fields = self.separated("}", |parser| {
                    let place = parser.place(0);
                    let (name, field) = parser.field_of_group(depth)?;
                    if names.contains(&name) {
                        return Err(SyntaxError::syntax(
                            format!("the field `{name}` stands twice in this group"),
                            "each field of a group has another name",
                            place,
                        ));
                    }
                    names.push(name.clone());
                    Ok((name, field))
                })?;
                return Ok(Expr {
                    kind: Kind::Group(fields),
                    span: start..self.last_end(),
                });
            }
            TokenKind::Sign("!") => {
                return Err(SyntaxError::syntax(
                    "`!` has no meaning here",
                    "write `not`",
                    place,
                ));
            }
            TokenKind::Sign(_) => {
                return Err(SyntaxError::syntax(
                    format!("{}, and a value is needed", self.found()),
                    "such as `data.model.name`, `'text'`, `12.50` or `none`",
                    place,
                ));
            }
        };
        self.at += 1;
        Ok(Expr { kind, span: place })
    }

    /// What stands between commas up to `end`.
    fn separated<T>(
        &mut self,
        end: &'static str,
        mut one: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut all = Vec::new();
        while !self.sign(end) {
            if !all.is_empty() {
                if !self.sign(",") {
                    return Err(SyntaxError::syntax(
                        format!("{}, and `,` or `{end}` is needed", self.found()),
                        format!(
                            "values are separated by `,`, and the last one is followed by `{end}`"
                        ),
                        self.place(0),
                    ));
                }
                if self.sign(end) {
                    break;
                }
            }
            all.push(one(self)?);
        }
        Ok(all)
    }

    fn field_of_group(&mut self, depth: usize) -> Parsed<(String, Expr)> {
        let name = match self.kind(0) {
            Some(TokenKind::Text(name)) => name.clone(),
            Some(TokenKind::Number(number)) => number.to_string(),
            Some(TokenKind::Sign("{") | TokenKind::Word(_)) => {
                return Err(SyntaxError::syntax(
                    "an expression stands in braces",
                    "it stands for itself, without braces; in `{'name': value}`, the name stands in quotes",
                    self.place(0),
                ));
            }
            _ => {
                return Err(SyntaxError::syntax(
                    format!("{}, and the name of a field is needed", self.found()),
                    "the name of a field stands in quotes: `{'name': value}`",
                    self.place(0),
                ));
            }
        };
        self.at += 1;
        if !self.sign(":") {
            return Err(SyntaxError::syntax(
                format!("{}, and `:` is needed", self.found()),
                "a field is a name and a value: `{'name': value}`",
                self.place(0),
            ));
        }
        Ok((name, self.choice(depth)?))
    }

    fn name(&mut self, name: &str, place: Range<usize>) -> Parsed {
        if let Some(TokenKind::Sign("(")) = self.kind(1) {
            return Err(self.call(name, place));
        }
        let is_known = ROOTS.contains(&name) || self.locals.iter().any(|local| local == name);
        if !is_known {
            return Err(self.unknown_name(name, place));
        }
        self.at += 1;
        let expr = Expr {
            kind: Kind::Name(name.to_owned()),
            span: place.clone(),
        };
        let names_field = match self.kind(0) {
            Some(TokenKind::Sign(".")) => true,
            Some(TokenKind::Sign("[")) => matches!(self.kind(1), Some(TokenKind::Text(_))),
            _ => false,
        };
        if name == "data" && !names_field && !self.locals.iter().any(|local| local == name) {
            return Err(SyntaxError::new(
                SyntaxProblem::DataWithoutType,
                "`data` must name a data type of A",
                Some("`data.model`, or `data['my type']`".into()),
                place,
            ));
        }
        Ok(expr)
    }

    /// There are no functions: `now()`.
    fn call(&self, name: &str, place: Range<usize>) -> SyntaxError {
        let help = if filters::find(name).is_some() {
            format!("`{name}` is a filter: write `value | {name}`")
        } else {
            "there are no functions, only filters: `value | filter`".to_owned()
        };
        let known = names_of(&self.locals);
        let problem = format!("there is no function `{name}`");
        let unknown = Unknown {
            word: name.to_owned(),
            known,
        };
        SyntaxError::new(
            SyntaxProblem::UnknownName(Box::new(unknown)),
            problem,
            Some(help),
            place,
        )
    }

    fn unknown_name(&self, name: &str, place: Range<usize>) -> SyntaxError {
        let known = names_of(&self.locals);
        let listed: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let known_start = name
            .split_once('-')
            .filter(|(start, _)| known.iter().any(|known| known == start));
        let help = if name == "loop" {
            Some("there is no loop here: a row has no number of its own".to_owned())
        } else if NOTHING.contains(&name) {
            Some("write `none`".to_owned())
        } else if let Some((start, rest)) = known_start {
            Some(format!(
                "`{name}` is one name; subtraction has blanks around it: `{start} - {rest}`"
            ))
        } else {
            odd::foreign_letter(name)
        };
        let problem = format!("unknown name `{name}`, allowed are {}", listed.join(", "));
        let unknown = Unknown {
            word: name.to_owned(),
            known,
        };
        SyntaxError::new(
            SyntaxProblem::UnknownName(Box::new(unknown)),
            problem,
            help,
            place,
        )
    }

    fn postfix(&mut self, mut expr: Expr, depth: usize) -> Parsed {
        loop {
            let start = expr.span.start;
            if self.sign(".") {
                let place = self.place(0);
                let Some(TokenKind::Word(name)) = self.kind(0).cloned() else {
                    let help = match self.kind(0) {
                        Some(TokenKind::Number(_)) => {
                            "an item of a list stands in brackets: `list[0]`; so does a name that begins with a digit: `['1st']`"
                        }
                        _ => {
                            "a name follows a point; another name stands in brackets: `['my name']`"
                        }
                    };
                    return Err(SyntaxError::syntax(
                        format!("{}, and the name of a field is needed", self.found()),
                        help,
                        place,
                    ));
                };
                self.at += 1;
                if let Some(TokenKind::Sign("(")) = self.kind(0) {
                    return Err(method(&name, place));
                }
                expr = Expr {
                    span: start..place.end,
                    kind: Kind::Field {
                        of: Box::new(expr),
                        name,
                        place,
                    },
                };
            } else if self.sign("[") {
                expr = self.brackets(expr, depth)?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn brackets(&mut self, of: Expr, depth: usize) -> Parsed {
        let start = of.span.start;
        if self.sign(":") {
            return self.slice(of, None, depth);
        }
        let index = self.choice(depth)?;
        if self.sign(":") {
            return self.slice(of, Some(index), depth);
        }
        self.expect("]", "what begins with `[`")?;
        let span = start..self.last_end();
        let kind = match index.kind {
            Kind::Text(name) => Kind::Field {
                of: Box::new(of),
                name,
                place: index.span,
            },
            _ => Kind::Item {
                of: Box::new(of),
                index: Box::new(index),
            },
        };
        Ok(Expr { kind, span })
    }

    fn slice(&mut self, of: Expr, from: Option<Expr>, depth: usize) -> Parsed {
        let start = of.span.start;
        let to = match self.kind(0) {
            Some(TokenKind::Sign("]" | ":")) => None,
            _ => Some(Box::new(self.choice(depth)?)),
        };
        let place = self.place(0);
        if self.sign(":") {
            return Err(SyntaxError::syntax(
                "a slice has no step",
                "`x[from:to]` takes the items from one index to another",
                place,
            ));
        }
        self.expect("]", "what begins with `[`")?;
        Ok(Expr {
            span: start..self.last_end(),
            kind: Kind::Slice {
                of: Box::new(of),
                from: from.map(Box::new),
                to,
            },
        })
    }

    /// The arguments in brackets, if there are any.
    fn arguments(&mut self, depth: usize) -> Parsed<Vec<Argument>> {
        if !self.sign("(") {
            return Ok(Vec::new());
        }
        self.separated(")", |parser| {
            let name = match (parser.kind(0), parser.kind(1)) {
                (Some(TokenKind::Word(name)), Some(TokenKind::Sign("="))) => {
                    Some((name.clone(), parser.place(0)))
                }
                _ => None,
            };
            parser.at += 2 * usize::from(name.is_some());
            let value = parser.choice(depth)?;
            Ok(Argument { name, value })
        })
    }

    fn filter(&mut self, of: Expr, depth: usize) -> Parsed {
        let place = self.place(0);
        let Some(TokenKind::Word(name)) = self.kind(0).cloned() else {
            return Err(SyntaxError::syntax(
                format!("{}, and the name of a filter is needed", self.found()),
                "such as `| upper` or `| default('…')`",
                place,
            ));
        };
        self.at += 1;
        let filter = named_filter(&name, &place)?;
        let arguments = self.arguments(depth)?;
        let span = of.span.start..self.last_end();
        let kind = self.applied(of, filter, arguments, place)?;
        Ok(Expr { kind, span })
    }

    /// The node that a filter with these arguments becomes.
    fn applied(
        &self,
        of: Expr,
        filter: &'static Filter,
        arguments: Vec<Argument>,
        place: Range<usize>,
    ) -> Parsed<Kind> {
        match filter.form {
            Form::Plain => Ok(Kind::Filter {
                of: Box::new(of),
                filter,
                arguments: in_order(filter, arguments, place)?,
            }),
            Form::OfItems => {
                let mut arguments = in_order(filter, arguments, place)?;
                // `attribute` is the last of the parameters.
                let attribute = arguments.pop().flatten();
                let of = match attribute {
                    Some(attribute) => Expr {
                        span: of.span.clone(),
                        kind: each(of, field_of_item(&attribute)?),
                    },
                    None => of,
                };
                arguments.push(None);
                Ok(Kind::Filter {
                    of: Box::new(of),
                    filter,
                    arguments,
                })
            }
            Form::Sort | Form::Unique | Form::Min | Form::Max => {
                let mut arguments = in_order(filter, arguments, place)?;
                let attribute = arguments.pop().flatten();
                let how = match filter.form {
                    Form::Sort => {
                        let reverse = arguments.pop().flatten();
                        let reverse = reverse
                            .map(|reverse| constant_boolean(&reverse))
                            .transpose()?;
                        How::Sort {
                            reverse: reverse.unwrap_or(false),
                        }
                    }
                    Form::Unique => How::Unique,
                    Form::Min => How::Min,
                    _ => How::Max,
                };
                let key = match attribute {
                    Some(attribute) => field_of_item(&attribute)?,
                    None => item(of.span.clone()),
                };
                Ok(Kind::By {
                    of: Box::new(of),
                    how,
                    item: ITEM.to_owned(),
                    key: Box::new(key),
                })
            }
            Form::Map => map(of, arguments, place),
            Form::Keep {
                by_attribute,
                wanted,
            } => {
                let mut arguments = arguments.into_iter();
                let tested = if by_attribute {
                    let Some(attribute) = arguments.next() else {
                        return Err(missing_argument(filter, "attribute", place));
                    };
                    field_of_item(&attribute.value)?
                } else {
                    item(of.span.clone())
                };
                let condition = match arguments.next() {
                    Some(test) => item_test(tested, &test.value, arguments.collect())?,
                    None => tested,
                };
                Ok(Kind::Keep {
                    of: Box::new(of),
                    item: ITEM.to_owned(),
                    condition: Box::new(condition),
                    wanted,
                })
            }
            Form::Where => {
                let mut arguments = in_order(filter, arguments, place)?;
                let value = arguments.pop().flatten();
                let Some(attribute) = arguments.pop().flatten() else {
                    return Err(SyntaxError::syntax(
                        "`where` needs a field",
                        "such as `where('code', 'A')`",
                        0..0,
                    ));
                };
                let field = field_of_item(&attribute)?;
                let condition = match value {
                    Some(value) => joined(Operator::Equal, field, value),
                    None => field,
                };
                Ok(Kind::Keep {
                    of: Box::new(of),
                    item: ITEM.to_owned(),
                    condition: Box::new(condition),
                    wanted: true,
                })
            }
        }
    }

    fn test(&mut self, of: Expr, depth: usize) -> Parsed {
        let negated = self.word("not");
        let place = self.place(0);
        let Some(TokenKind::Word(name)) = self.kind(0).cloned() else {
            return Err(SyntaxError::syntax(
                format!("{}, and the name of a test is needed", self.found()),
                "such as `is defined`, `is none` or `is number`",
                place,
            ));
        };
        self.at += 1;
        let test = named_test(&name, &place)?;
        let mut arguments = Vec::new();
        if test.arguments > 0 {
            if let Some(TokenKind::Sign("(")) = self.kind(0) {
                let given = self.arguments(depth)?;
                arguments.extend(given.into_iter().map(|argument| argument.value));
            } else {
                // `x is divisibleby 3`
                let primary = self.signed(depth)?;
                arguments.push(primary);
            }
        } else if let (Some(TokenKind::Sign("(")), Some(TokenKind::Sign(")"))) =
            (self.kind(0), self.kind(1))
        {
            self.at += 2;
        }
        if arguments.len() != test.arguments {
            let needed = test.arguments;
            return Err(SyntaxError::syntax(
                format!(
                    "the test `{name}` takes {needed} argument, and has {}",
                    arguments.len()
                ),
                format!("write `is {name}(…)`"),
                place,
            ));
        }
        let span = of.span.start..self.last_end();
        Ok(Expr {
            kind: Kind::Test {
                of: Box::new(of),
                test,
                arguments,
                negated,
            },
            span,
        })
    }
}

fn names_of(locals: &[String]) -> Vec<String> {
    let roots = ROOTS.iter().map(|root| (*root).to_owned());
    roots.chain(locals.iter().cloned()).collect()
}

fn joined(operator: Operator, left: Expr, right: Expr) -> Expr {
    Expr {
        span: left.span.start..right.span.end,
        kind: Kind::Binary {
            operator,
            left: Box::new(left),
            right: Box::new(right),
        },
    }
}

fn named_filter(name: &str, place: &Range<usize>) -> Parsed<&'static Filter> {
    filters::find(name).ok_or_else(|| {
        let unknown = Unknown {
            word: name.to_owned(),
            known: FILTERS
                .iter()
                .map(|filter| filter.name.to_owned())
                .collect(),
        };
        SyntaxError::new(
            SyntaxProblem::UnknownFilter(Box::new(unknown)),
            format!("unknown filter `{name}`"),
            None,
            place.clone(),
        )
    })
}

fn named_test(name: &str, place: &Range<usize>) -> Parsed<&'static value_tests::ValueTest> {
    value_tests::find(name).ok_or_else(|| {
        let unknown = Unknown {
            word: name.to_owned(),
            known: TESTS.iter().map(|test| test.name.to_owned()).collect(),
        };
        SyntaxError::new(
            SyntaxProblem::UnknownTest(Box::new(unknown)),
            format!("unknown test `{name}`"),
            None,
            place.clone(),
        )
    })
}

/// `x.split(' ')`: what is a method elsewhere is a filter here.
fn method(name: &str, place: Range<usize>) -> SyntaxError {
    const SAME: [(&str, &str); 12] = [
        ("strip", "trim"),
        ("toUpperCase", "upper"),
        ("toLowerCase", "lower"),
        ("ToUpper", "upper"),
        ("ToLower", "lower"),
        ("Trim", "trim"),
        ("Replace", "replace"),
        ("Split", "split"),
        ("Substring", "[from:to]"),
        ("ToString", "string"),
        ("get", "default"),
        ("len", "length"),
    ];
    let meant = SAME.iter().find(|(method, _)| *method == name);
    let meant = meant.map_or(name, |(_, filter)| filter);
    let help = if meant.starts_with('[') {
        format!("write `x{meant}`")
    } else if filters::find(meant).is_some() {
        format!("`{meant}` is a filter: write `x | {meant}` or `x | {meant}(…)`")
    } else if matches!(name, "startswith" | "startsWith" | "StartsWith") {
        "it is a test: write `x is startingwith('…')`".to_owned()
    } else if matches!(name, "endswith" | "endsWith" | "EndsWith") {
        "it is a test: write `x is endingwith('…')`".to_owned()
    } else if matches!(name, "contains" | "Contains" | "includes") {
        "it is an operator: write `'…' in x`".to_owned()
    } else {
        "filters do what methods do elsewhere: `x | filter`".to_owned()
    };
    SyntaxError::syntax(
        format!("`{name}(…)` is a method, and values have none"),
        help,
        place,
    )
}

/// The item of a list in what a filter does with each.
fn item(span: Range<usize>) -> Expr {
    Expr {
        kind: Kind::Name(ITEM.to_owned()),
        span,
    }
}

/// The field of an item that an argument names: `'address.postcode'`.
fn field_of_item(attribute: &Expr) -> Parsed {
    let Kind::Text(path) = &attribute.kind else {
        return Err(SyntaxError::syntax(
            "the name of a field is needed here",
            "it stands in quotes, such as `'code'`",
            attribute.span.clone(),
        ));
    };
    let field = |of: Expr, name: &str| Expr {
        kind: Kind::Field {
            of: Box::new(of),
            name: name.to_owned(),
            place: attribute.span.clone(),
        },
        span: attribute.span.clone(),
    };
    Ok(path.split('.').fold(item(attribute.span.clone()), field))
}

fn each(of: Expr, body: Expr) -> Kind {
    Kind::Map {
        of: Box::new(of),
        item: ITEM.to_owned(),
        body: Box::new(body),
    }
}

/// `map('upper')`, `map(attribute='code')`, and `map(attribute='code', default='-')`.
fn map(of: Expr, arguments: Vec<Argument>, place: Range<usize>) -> Parsed<Kind> {
    let help = "such as `map('upper')`, which applies a filter, or `map(attribute='code')`, which takes a field";
    let mut arguments = arguments.into_iter();
    let Some(first) = arguments.next() else {
        return Err(SyntaxError::syntax(
            "`map` needs a filter or a field",
            help,
            place,
        ));
    };
    match (first.name, &first.value.kind) {
        (None, Kind::Text(name)) => {
            let filter = named_filter(name, &first.value.span)?;
            let arguments = in_order(filter, arguments.collect(), place)?;
            if !matches!(filter.form, Form::Plain | Form::OfItems) {
                return Err(SyntaxError::syntax(
                    format!("`{name}` works on a list, and cannot be applied to each item"),
                    help,
                    first.value.span,
                ));
            }
            let body = Expr {
                span: first.value.span.clone(),
                kind: Kind::Filter {
                    of: Box::new(item(first.value.span)),
                    filter,
                    arguments,
                },
            };
            Ok(each(of, body))
        }
        (Some((name, _)), _) if name == "attribute" => {
            let field = field_of_item(&first.value)?;
            let body = match arguments.next() {
                None => field,
                Some(Argument {
                    name: Some((name, place)),
                    value,
                }) if name == "default" => Expr {
                    span: field.span.clone(),
                    kind: Kind::Filter {
                        of: Box::new(field),
                        filter: named_filter("default", &place)?,
                        arguments: vec![Some(value), None],
                    },
                },
                Some(other) => {
                    return Err(SyntaxError::syntax(
                        "`map` takes no such argument",
                        help,
                        other.value.span,
                    ));
                }
            };
            Ok(each(of, body))
        }
        _ => Err(SyntaxError::syntax(
            "`map` needs a filter or a field",
            help,
            first.value.span,
        )),
    }
}

/// The test that a filter makes of each item: `'eq', 'A'`.
fn item_test(of: Expr, name: &Expr, arguments: Vec<Argument>) -> Parsed {
    let Kind::Text(word) = &name.kind else {
        return Err(SyntaxError::syntax(
            "the name of a test is needed here",
            "it stands in quotes, such as `'eq'`",
            name.span.clone(),
        ));
    };
    let test = named_test(word, &name.span)?;
    let arguments: Vec<Expr> = arguments
        .into_iter()
        .map(|argument| argument.value)
        .collect();
    if arguments.len() != test.arguments {
        return Err(SyntaxError::syntax(
            format!(
                "the test `{word}` takes {} argument, and has {}",
                test.arguments,
                arguments.len()
            ),
            "an argument follows the name of the test, such as `'eq', 'A'`",
            name.span.clone(),
        ));
    }
    Ok(Expr {
        span: name.span.clone(),
        kind: Kind::Test {
            of: Box::new(of),
            test,
            arguments,
            negated: false,
        },
    })
}

fn missing_argument(filter: &Filter, name: &str, place: Range<usize>) -> SyntaxError {
    SyntaxError::syntax(
        format!("the filter `{}` needs `{name}`", filter.name),
        format!("write `| {}(…)`", filter.name),
        place,
    )
}

/// The arguments in the order of the filter's parameters.
fn in_order(
    filter: &'static Filter,
    arguments: Vec<Argument>,
    place: Range<usize>,
) -> Parsed<Vec<Option<Expr>>> {
    let mut ordered: Vec<Option<Expr>> = filter.parameters.iter().map(|_| None).collect();
    for (position, argument) in arguments.into_iter().enumerate() {
        let index = match &argument.name {
            None => Some(position),
            Some((name, _)) => filter.parameters.iter().position(|it| it.name == name),
        };
        let slot = index.and_then(|index| ordered.get_mut(index));
        let span = argument
            .name
            .map_or(argument.value.span.clone(), |(_, place)| place);
        match slot {
            Some(slot @ None) => *slot = Some(argument.value),
            _ => {
                let names: Vec<_> = filter
                    .parameters
                    .iter()
                    .map(|it| format!("`{}`", it.name))
                    .collect();
                let help = if names.is_empty() {
                    format!("write `| {}`", filter.name)
                } else {
                    format!("it takes {}", names.join(", "))
                };
                return Err(SyntaxError::syntax(
                    format!("the filter `{}` takes no such argument", filter.name),
                    help,
                    span,
                ));
            }
        }
    }
    let lacking = filter.parameters.iter().zip(&ordered);
    let mut lacking = lacking.filter(|(parameter, given)| parameter.is_required && given.is_none());
    match lacking.next() {
        Some((parameter, _)) => Err(missing_argument(filter, parameter.name, place)),
        None => Ok(ordered),
    }
}

fn constant_boolean(expr: &Expr) -> Parsed<bool> {
    match expr.kind {
        Kind::Boolean(value) => Ok(value),
        _ => Err(SyntaxError::syntax(
            "`true` or `false` is needed here",
            "write `true` or `false`",
            expr.span.clone(),
        )),
    }
}
