//! The tree of an expression.

use std::{fmt, ops::Range};

use rust_decimal::Decimal;

use super::{filters::Filter, lexer, value_tests::ValueTest};

/// A node of the tree, and the bytes of the expression's text in which it stands.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What the node is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Range<usize>,
}

/// What a node of the tree is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `none`.
    None,
    /// `true` and `false`.
    Boolean(bool),
    /// `12.50`.
    Number(Decimal),
    /// `'text'`.
    Text(String),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{'name': a}`.
    Group(Vec<(String, Expr)>),
    /// `instance`, `data`, or the item of an `each`.
    Name(String),
    /// `of.name`, and `of['name']`, which is the same.
    Field {
        /// The group.
        of: Box<Expr>,
        /// The field's name.
        name: String,
        /// Where the name stands.
        place: Range<usize>,
    },
    /// `of[index]`.
    Item {
        /// A list or a group.
        of: Box<Expr>,
        /// The item's index from 0, from the end where it is negative; or the field's name.
        index: Box<Expr>,
    },
    /// `of[from:to]`, of a text or a list.
    Slice {
        /// What is sliced.
        of: Box<Expr>,
        /// The first index, 0 where it is left out.
        from: Option<Box<Expr>>,
        /// The index after the last, the length where it is left out.
        to: Option<Box<Expr>>,
    },
    /// `not of`.
    Not(Box<Expr>),
    /// `-of`.
    Negative(Box<Expr>),
    /// `left operator right`.
    Binary {
        /// The operator.
        operator: Operator,
        /// Its left side.
        left: Box<Expr>,
        /// Its right side.
        right: Box<Expr>,
    },
    /// `value if condition else otherwise`.
    Choice {
        /// The value where the condition is true.
        value: Box<Expr>,
        /// The condition.
        condition: Box<Expr>,
        /// The value where it is not.
        otherwise: Box<Expr>,
    },
    /// `of | filter(arguments)`.
    Filter {
        /// What is filtered.
        of: Box<Expr>,
        /// The filter.
        filter: &'static Filter,
        /// Its arguments in the order of its parameters.
        arguments: Vec<Option<Expr>>,
    },
    /// `of is test(arguments)`.
    Test {
        /// What is tested.
        of: Box<Expr>,
        /// The test.
        test: &'static ValueTest,
        /// Its arguments.
        arguments: Vec<Expr>,
        /// Whether it is `is not`.
        negated: bool,
    },
    /// A list in which `body` is computed for every item: `of | map(…)`.
    Map {
        /// The list.
        of: Box<Expr>,
        /// The name of the item in `body`.
        item: String,
        /// What becomes of an item.
        body: Box<Expr>,
    },
    /// The items for which `condition` is `wanted`: `of | select(…)`, `… in of if condition`.
    Keep {
        /// The list.
        of: Box<Expr>,
        /// The name of the item in `condition`.
        item: String,
        /// The condition.
        condition: Box<Expr>,
        /// Whether the items are kept for which it is true.
        wanted: bool,
    },
    /// A list by the `key` of its items: `of | sort`, `unique`, `min`, `max`.
    By {
        /// The list.
        of: Box<Expr>,
        /// What is done by the key.
        how: How,
        /// The name of the item in `key`.
        item: String,
        /// The key of an item.
        key: Box<Expr>,
    },
}

/// What is done with a list by the key of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The items in the order of their keys.
    Sort {
        /// From the last to the first.
        reverse: bool,
    },
    /// The first item of each key.
    Unique,
    /// The item with the smallest key.
    Min,
    /// The item with the largest key.
    Max,
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `~`
    Concat,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    DividedBy,
    /// `//`
    WholeDividedBy,
    /// `%`
    Remainder,
}

impl Operator {
    /// The operator as it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Concat => "~",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::DividedBy => "/",
            Self::WholeDividedBy => "//",
            Self::Remainder => "%",
        }
    }
}

/// A way to a value in A's data: `data.model.applicant.name`. It is what it means: `data['model'].x` is the same path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// The name with which the path begins: `instance`, `data` or the item of an `each`.
    #[must_use]
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The names after the first.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(String::as_str)
    }

    /// The data type of A whose form the path leads into.
    #[must_use]
    pub fn data_type(&self) -> Option<&str> {
        self.fields().next().filter(|_| self.root() == "data")
    }

    /// Whether `other` is this path or leads below it.
    #[must_use]
    pub fn leads_to(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root())?;
        for field in self.fields() {
            if lexer::is_name(field) {
                write!(f, ".{field}")?;
            } else {
                write!(f, "['{}']", field.replace('\\', r"\\").replace('\'', r"\'"))?;
            }
        }
        Ok(())
    }
}

impl Expr {
    /// The path, if the expression is nothing but one.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        match &self.kind {
            Kind::Name(name) => Some(Path(vec![name.clone()])),
            Kind::Field { of, name, .. } => {
                let mut path = of.path()?;
                path.0.push(name.clone());
                Some(path)
            }
            _ => None,
        }
    }

    /// The nodes directly below this one.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::None | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Name(_) => {
                Vec::new()
            }
            Kind::List(items) => items.iter().collect(),
            Kind::Group(fields) => fields.iter().map(|(_, field)| field).collect(),
            Kind::Field { of, .. } | Kind::Not(of) | Kind::Negative(of) => vec![of],
            Kind::Item { of, index } => vec![of, index],
            Kind::Slice { of, from, to } => std::iter::once(of)
                .chain(from)
                .chain(to)
                .map(|part| &**part)
                .collect(),
            Kind::Binary { left, right, .. } => vec![left, right],
            Kind::Choice {
                value,
                condition,
                otherwise,
            } => vec![value, condition, otherwise],
            Kind::Filter { of, arguments, .. } => std::iter::once(&**of)
                .chain(arguments.iter().flatten())
                .collect(),
            Kind::Test { of, arguments, .. } => std::iter::once(&**of).chain(arguments).collect(),
            Kind::Map { of, body, .. } => vec![of, body],
            Kind::Keep { of, condition, .. } => vec![of, condition],
            Kind::By { of, key, .. } => vec![of, key],
        }
    }

    /// The name that the node binds for the last of its children.
    fn binds(&self) -> Option<&str> {
        match &self.kind {
            Kind::Map { item, .. } | Kind::Keep { item, .. } | Kind::By { item, .. } => Some(item),
            _ => None,
        }
    }

    /// Visits the longest paths that the expression reads, with the nodes at which they end. Those that begin
    /// with a name that the expression itself binds are not among them.
    pub fn paths<'e>(&'e self, visit: &mut dyn FnMut(Path, &'e Self)) {
        self.free_paths(&mut Vec::new(), visit);
    }

    fn free_paths<'e>(&'e self, bound: &mut Vec<&'e str>, visit: &mut dyn FnMut(Path, &'e Self)) {
        if let Some(path) = self.path() {
            if !bound.contains(&path.root()) {
                visit(path, self);
            }
            return;
        }
        let children = self.children();
        let last = children.len().saturating_sub(1);
        for (index, child) in children.into_iter().enumerate() {
            let name = self.binds().filter(|_| index == last);
            bound.extend(name);
            child.free_paths(bound, visit);
            if name.is_some() {
                bound.pop();
            }
        }
    }
}
