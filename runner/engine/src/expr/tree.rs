//! The tree of an expression, ours and small. Whatever stands here can be evaluated and typed: everything else was
//! refused when the text was parsed. Knows neither minijinja nor values of a run.

use std::fmt;

use serde_json::Value;

use super::Span;
use super::filters::Filter;
use super::kinds::Kinds;

/// An expression with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// none, true, false, a number or a string.
    Literal(Value),
    List(Vec<Expr>),
    /// In the order written; keys are distinct.
    Map(Vec<(String, Expr)>),
    /// A name and what is known before evaluation of the way from it.
    Path(Path),
    /// An access to something that is not a path, `(a | first).name`.
    Get {
        base: Box<Expr>,
        part: Part,
    },
    /// An access by a key that is only known when evaluated, `a[item]`.
    Item {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Arithmetic {
        op: Arithmetic,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `left ~ right`, always text.
    Concat {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `first < second <= third`: all must hold; evaluation stops at the first that does not.
    Compare {
        first: Box<Expr>,
        rest: Vec<(Comparison, Expr)>,
    },
    /// The left operand if it is false, else the right one.
    And {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// The left operand if it is true, else the right one.
    Or {
        left: Box<Expr>,
        right: Box<Expr>,
    },
    If {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    /// `args` are in the order of the filter's parameters; `None` where one was left out.
    Filter {
        filter: &'static Filter,
        input: Box<Expr>,
        args: Vec<Option<Expr>>,
    },
    Test {
        test: Test,
        input: Box<Expr>,
    },
}

/// `steps.quorum.voters_left`, `inputs.nodes[0].name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: String,
    pub root_span: Span,
    pub parts: Vec<Part>,
}

/// One step on the way. The span is that of the key alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub key: Key,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Name(String),
    /// Negative counts from the end.
    Index(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Also joins two strings or two lists.
    Add,
    Subtract,
    Multiply,
    /// Always a float.
    Divide,
    /// Rounds down.
    FloorDivide,
    /// Has the sign of the divisor.
    Remainder,
    /// Integers only, the exponent not negative.
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// What may stand after `is`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Defined,
    Undefined,
    None,
    Boolean,
    Integer,
    Number,
    String,
    List,
    Object,
}

/// A text with `{{ }}` in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// No expression in it; what was written, unchanged.
    Text(String),
    /// One `{{ }}` and nothing else: the value keeps its type.
    Whole(Expr),
    /// The pieces joined are text.
    Parts(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Value(Expr),
}

impl Template {
    /// The expressions in it, from left to right.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Whole(expr) => vec![expr],
            Self::Parts(pieces) => pieces.iter().filter_map(Piece::expr).collect(),
        }
    }
}

impl Piece {
    fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Text(_) => None,
            Self::Value(expr) => Some(expr),
        }
    }
}

impl Expr {
    /// How a message names it: the path, if it is one.
    pub(super) fn named(&self) -> String {
        match &self.kind {
            Kind::Path(path) => format!("`{path}`"),
            _ => "this".to_owned(),
        }
    }
}

impl Path {
    /// The path up to and including `parts` parts, as one writes it.
    pub fn shown(&self, parts: usize) -> String {
        self.parts.iter().take(parts).fold(self.root.clone(), |mut text, part| {
            part.key.append_to(&mut text);
            text
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown(self.parts.len()))
    }
}

impl Key {
    /// The key alone, for a message: `name`, `0`.
    pub(super) fn bare(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Index(index) => index.to_string(),
        }
    }

    fn append_to(&self, text: &mut String) {
        match self {
            Self::Name(name) if is_identifier(name) => {
                text.push('.');
                text.push_str(name);
            }
            Self::Name(name) => text.push_str(&format!("[{}]", Value::from(name.as_str()))),
            Self::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
}

/// The key as it follows a value: `.name`, `["a b"]`, `[0]`.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.append_to(&mut text);
        out.write_str(&text)
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Arithmetic {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
        }
    }
}

impl Comparison {
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }
}

impl Test {
    pub const ALL: [Self; 9] = [
        Self::Defined,
        Self::Undefined,
        Self::None,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::String,
        Self::List,
        Self::Object,
    ];

    /// The kinds for which the test holds; what is defined can be anything.
    pub(super) fn kinds(self) -> Kinds {
        match self {
            Self::Defined => Kinds::ANY,
            Self::Undefined => Kinds::NOTHING,
            Self::None => Kinds::NULL,
            Self::Boolean => Kinds::BOOL,
            Self::Integer => Kinds::INT,
            Self::Number => Kinds::NUMBER,
            Self::String => Kinds::STRING,
            Self::List => Kinds::LIST,
            Self::Object => Kinds::OBJECT,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Defined => "defined",
            Self::Undefined => "undefined",
            Self::None => "none",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}
