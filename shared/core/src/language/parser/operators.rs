//! Operators, by their precedence.

use super::{Parsed, Parser};
use crate::language::{
    error::SyntaxError,
    lexer::TokenKind,
    syntax::{Expr, Kind, Operator},
};

impl Parser<'_> {
    /// `value if condition else otherwise`
    pub(super) fn choice(&mut self, depth: usize) -> Parsed {
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

    pub(super) fn or(&mut self, depth: usize) -> Parsed {
        let mut left = self.and(depth)?;
        while self.word("or") {
            let right = self.and(depth)?;
            left = joined(Operator::Or, left, right);
        }
        Ok(left)
    }

    pub(super) fn and(&mut self, depth: usize) -> Parsed {
        let mut left = self.not(depth)?;
        while self.word("and") {
            let right = self.not(depth)?;
            left = joined(Operator::And, left, right);
        }
        Ok(left)
    }

    pub(super) fn not(&mut self, depth: usize) -> Parsed {
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

    pub(super) fn comparison_operator(&mut self) -> Option<Operator> {
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
    pub(super) fn comparison(&mut self, depth: usize) -> Parsed {
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

    pub(super) fn sum(&mut self, depth: usize) -> Parsed {
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

    pub(super) fn concatenation(&mut self, depth: usize) -> Parsed {
        let mut left = self.product(depth)?;
        while self.sign("~") {
            let right = self.product(depth)?;
            left = joined(Operator::Concat, left, right);
        }
        Ok(left)
    }

    pub(super) fn product(&mut self, depth: usize) -> Parsed {
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
    pub(super) fn filtered(&mut self, depth: usize) -> Parsed {
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

    pub(super) fn signed(&mut self, depth: usize) -> Parsed {
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
}

pub(super) fn joined(operator: Operator, left: Expr, right: Expr) -> Expr {
    Expr {
        span: left.span.start..right.span.end,
        kind: Kind::Binary {
            operator,
            left: Box::new(left),
            right: Box::new(right),
        },
    }
}
