//! What went wrong in an expression, and where in its text. One shape for parsing, evaluating and checking; only the
//! codes differ. Knows no file: the caller adds where the text stands.

use std::fmt;

/// One thing that is wrong. `message` and `hint` are lower case without a full stop; the hint says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<Code> {
    pub code: Code,
    pub span: Span,
    pub message: String,
    pub hint: Option<String>,
}

pub type ParseError = Fault<ParseCode>;
pub type EvalError = Fault<EvalCode>;
pub type TypeError = Fault<TypeCode>;

/// Bytes `start..end` of the text that was parsed; both lie on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseCode {
    /// Not an expression at all.
    Syntax,
    /// An expression of minijinja that Sluice leaves out on purpose (calls, slices, blocks, comments).
    NotAllowed,
    /// Longer or deeper than an expression may be.
    TooLarge,
    UnknownFilter,
    UnknownTest,
    /// A filter was given the wrong arguments.
    BadArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalCode {
    /// The first name of a path is not known. The checker finds this before a run.
    UnknownName,
    /// A property, an item or an output is not there. `default` and `is defined` catch exactly this.
    Undefined,
    WrongType,
    /// Overflow, division by zero, a result that is not a number.
    Arithmetic,
    /// The type is right and the value is not (`"abc" | int`).
    BadValue,
    /// A secret stood where none may stand.
    Secret,
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeCode {
    UnknownName,
    UnknownProperty,
    WrongType,
    /// `==` between things that are never equal.
    NeverEqual,
    NotACondition,
    /// A secret in a place that takes none.
    Secret,
    /// Only as a note: it is right if the value is there.
    MayBeMissing,
    /// Only as a note: it is right for some of the values this can have.
    MayNotFit,
}

impl<Code> Fault<Code> {
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), hint: None }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A fault of which the place is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause<Code> {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl<Code> Cause<Code> {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    pub(super) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    pub(super) fn at(self, span: Span) -> Fault<Code> {
        Fault { code: self.code, span, message: self.message, hint: self.hint }
    }
}

impl<Code> fmt::Display for Fault<Code> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(out, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl<Code: fmt::Debug> std::error::Error for Fault<Code> {}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of the one to the end of the other.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    #[must_use]
    pub(super) fn shifted(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}
