//! Reads the tree of an expression from its tokens, by the precedence of its operators.

use std::ops::Range;

use super::{
    error::{SyntaxError, SyntaxProblem, Unknown},
    filters,
    lexer::{self, Token, TokenKind},
    odd,
    syntax::{Expr, Kind},
};

mod calls;
mod each;
mod operators;

use self::calls::method;

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
}

fn names_of(locals: &[String]) -> Vec<String> {
    let roots = ROOTS.iter().map(|root| (*root).to_owned());
    roots.chain(locals.iter().cloned()).collect()
}
