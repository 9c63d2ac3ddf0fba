//! Expressions: what stands in `when:` and between `{{ }}`, from text to value and to type.
//!
//! Parse once ([`parse`], [`parse_template`]), check against types ([`infer`], [`infer_template`], [`expect_bool`],
//! [`fits`]), evaluate against values ([`eval`], [`eval_ref`], [`truth`], [`render`]). All of it is pure: no I/O, no
//! clock, no randomness. Nothing here knows a runbook, a step or a file: names are resolved by the caller's [`Scope`]
//! and [`TypeScope`], and spans are byte offsets into the text that was given.

mod access;
mod arguments;
mod boolean;
mod eval;
mod facts;
mod fault;
mod filters;
mod fit;
mod infer;
mod kinds;
mod look;
mod near;
mod number;
mod operators;
mod rank;
mod roots;
mod schema;
mod scope;
mod secret;
mod syntax;
mod template;
mod text;
mod tree;

mod ty;
mod walk;

pub use eval::{eval, eval_ref, render, render_text, truth};
pub use facts::{Fact, facts};
pub use fault::{EvalCode, EvalError, Fault, ParseCode, ParseError, Span, TypeCode, TypeError};
pub use filters::{FILTERS, Filter, Param};
pub use fit::{Fit, Misfit, fits};
pub use infer::{Inferred, expect_bool, infer, infer_template};
pub use kinds::Kinds;
pub use rank::lowest;
pub use roots::{roots, template_roots};
pub use scope::{Layered, Resolved, Scope, TypeScope};
pub(crate) use secret::holds_secret;
pub use syntax::{MAX_DEPTH, MAX_EXPRESSION, parse};
pub use template::{MAX_TEMPLATE, parse_template};
pub use tree::{Arithmetic, Comparison, Expr, Key, Kind, Part, Path, Piece, Template, Test};
pub use ty::{Field, Object, Rest, Ty};

#[cfg(test)]
mod tests;
