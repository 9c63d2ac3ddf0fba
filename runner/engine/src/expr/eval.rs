//! Evaluation: an expression and a scope give a value or an error with its place. Values are borrowed from the scope as
//! long as possible, so a leaf of a large output costs a leaf. Knows no clock, no randomness and no I/O.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::fault::{Cause, EvalCode, EvalError, Span};
use super::filters::{Args, Filter};
use super::kinds::Kinds;
use super::number::{self, Num};
use super::scope::{Resolved, Scope};
use super::tree::{Comparison, Expr, Key, Kind, Part, Path, Piece, Template, Test};
use super::{boolean, near, secret, text, walk};

type Found<'a> = Result<Cow<'a, Value>, EvalError>;

/// The value of an expression. It may be a reference to a secret, alone; it never holds one further inside.
pub fn eval(expr: &Expr, scope: &dyn Scope) -> Result<Value, EvalError> {
    eval_ref(expr, scope).map(Cow::into_owned)
}

/// As [`eval`], borrowed where it is a value of the scope.
pub fn eval_ref<'a>(expr: &'a Expr, scope: &'a dyn Scope) -> Found<'a> {
    let value = Eval { scope }.expr(expr)?;
    if !secret::is_secret(&value) && secret::holds_secret(&value) {
        let cause = Cause::new(EvalCode::Secret, "a secret stands inside this value, and it cannot be passed on whole");
        return Err(cause.hint(secret::SELECT).at(expr.span));
    }
    Ok(value)
}

/// The value of a condition (`when`, `that`, `fail_if`).
pub fn truth(expr: &Expr, scope: &dyn Scope) -> Result<bool, EvalError> {
    Eval { scope }.truth(expr)
}

/// The value of a leaf of a runbook: what was written, an expression's value, or text joined of both.
pub fn render(template: &Template, scope: &dyn Scope) -> Result<Value, EvalError> {
    match template {
        Template::Text(text) => Ok(Value::String(text.clone())),
        Template::Whole(expr) => eval(expr, scope),
        Template::Parts(pieces) => Eval { scope }.pieces(pieces),
    }
}

/// As [`render`], where only text can stand: what has no text of its own is an error, none included.
pub fn render_text(template: &Template, scope: &dyn Scope) -> Result<String, EvalError> {
    match template {
        Template::Text(text) => Ok(text.clone()),
        Template::Whole(expr) => {
            let value = Eval { scope }.operand(expr)?;
            text::of(&value).map(Cow::into_owned).map_err(|cause| cause.at(expr.span))
        }
        Template::Parts(pieces) => {
            let value = Eval { scope }.pieces(pieces)?;
            Ok(value.as_str().map(str::to_owned).unwrap_or_default())
        }
    }
}

#[derive(Clone, Copy)]
struct Eval<'a> {
    scope: &'a dyn Scope,
}

impl<'a> Eval<'a> {
    fn expr(self, expr: &'a Expr) -> Found<'a> {
        match &expr.kind {
            Kind::Literal(value) => Ok(Cow::Borrowed(value)),
            Kind::List(items) => self.list(items),
            Kind::Map(fields) => self.map(fields),
            Kind::Path(path) => self.path(path),
            Kind::Get { base, part } => self.get(base, part),
            Kind::Item { base, index } => self.item(base, index),
            Kind::Not(inner) => Ok(Cow::Owned(Value::Bool(!self.truth(inner)?))),
            Kind::Negate(inner) => self.negate(inner),
            Kind::Arithmetic { op, left, right } => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                number::arithmetic(*op, &left, &right).map(Cow::Owned).map_err(|cause| cause.at(expr.span))
            }
            Kind::Concat { left, right } => self.concat(left, right, expr.span),
            Kind::Compare { first, rest } => self.compare(first, rest),
            Kind::And { left, right } => self.either(left, right, false),
            Kind::Or { left, right } => self.either(left, right, true),
            Kind::If { condition, yes, no } => self.expr(if self.truth(condition)? { yes } else { no }),
            Kind::Filter { filter, input, args } => self.filter(filter, input, args, expr.span),
            Kind::Test { test, input } => self.test(*test, input),
        }
    }

    /// The value of something that is looked at, and so must not hold a secret.
    fn operand(self, expr: &'a Expr) -> Found<'a> {
        let value = self.expr(expr)?;
        if secret::holds_secret(&value) {
            return Err(Cause::new(EvalCode::Secret, format!("{} is or holds a secret", expr.named()))
                .hint(secret::ALONE)
                .at(expr.span));
        }
        Ok(value)
    }

    fn truth(self, expr: &'a Expr) -> Result<bool, EvalError> {
        boolean::of(&*self.operand(expr)?).map_err(|cause| cause.at(expr.span))
    }

    fn list(self, items: &'a [Expr]) -> Found<'a> {
        let items = items.iter().map(|item| self.expr(item).map(Cow::into_owned)).collect::<Result<_, _>>()?;
        Ok(Cow::Owned(Value::Array(items)))
    }

    fn map(self, fields: &'a [(String, Expr)]) -> Found<'a> {
        let field = |(name, value): &'a (String, Expr)| Ok((name.clone(), self.expr(value)?.into_owned()));
        Ok(Cow::Owned(Value::Object(fields.iter().map(field).collect::<Result<Map<_, _>, _>>()?)))
    }

    fn path(self, path: &'a Path) -> Found<'a> {
        match self.scope.resolve(&path.root, &path.parts) {
            Resolved::Found { value, used } => walk_path(value, path, used),
            Resolved::Unknown { known } => {
                let cause = Cause::new(EvalCode::UnknownName, format!("there is no `{}` here", path.root));
                Err(cause.maybe_hint(near::hint(&path.root, known.iter().map(String::as_str))).at(path.root_span))
            }
            Resolved::Missing { used, known, why } => Err(missing(path, used, &known, why)),
        }
    }

    fn get(self, base: &'a Expr, part: &'a Part) -> Found<'a> {
        into(self.expr(base)?, &part.key, &|| "this".to_owned()).map_err(|cause| cause.at(part.span))
    }

    fn item(self, base: &'a Expr, index: &'a Expr) -> Found<'a> {
        let key = match &*self.operand(index)? {
            Value::String(name) => Some(Key::Name(name.clone())),
            // No list is so long that the greatest of the larger numbers would not be behind its end.
            Value::Number(number) if number.is_u64() => Some(Key::Index(number.as_i64().unwrap_or(i64::MAX))),
            Value::Number(number) => number.as_i64().map(Key::Index),
            _ => None,
        };
        let Some(key) = key else {
            return Err(Cause::new(EvalCode::WrongType, "an item is read by an integer or by a name").at(index.span));
        };
        into(self.expr(base)?, &key, &|| base.named()).map_err(|cause| cause.at(index.span))
    }

    fn negate(self, inner: &'a Expr) -> Found<'a> {
        let value = self.operand(inner)?;
        let number = Num::of(&value).ok_or_else(|| {
            Cause::new(EvalCode::WrongType, format!("`-` takes a number, and this is {}", Kinds::of(&value)))
        });
        number.and_then(Num::negated).map(Cow::Owned).map_err(|cause| cause.at(inner.span))
    }

    fn concat(self, left: &'a Expr, right: &'a Expr, span: Span) -> Found<'a> {
        let (first, second) = (self.operand(left)?, self.operand(right)?);
        let first = text::of(&first).map_err(|cause| cause.at(left.span))?;
        let second = text::of(&second).map_err(|cause| cause.at(right.span))?;
        text::join([&*first, &*second]).map(Cow::Owned).map_err(|cause| cause.at(span))
    }

    fn compare(self, first: &'a Expr, rest: &'a [(Comparison, Expr)]) -> Found<'a> {
        let mut left = self.operand(first)?;
        let mut span = first.span;
        for (op, right) in rest {
            let value = self.operand(right)?;
            let holds = number::compare(*op, &left, &value).map_err(|cause| cause.at(span.to(right.span)))?;
            if !holds {
                return Ok(Cow::Owned(Value::Bool(false)));
            }
            (left, span) = (value, right.span);
        }
        Ok(Cow::Owned(Value::Bool(true)))
    }

    /// `and` stops at what is false, `or` at what is true; either gives the operand it stopped at.
    fn either(self, left: &'a Expr, right: &'a Expr, stops_at: bool) -> Found<'a> {
        let value = self.operand(left)?;
        let stops = boolean::of(&value).map_err(|cause| cause.at(left.span))? == stops_at;
        if stops { Ok(value) } else { self.expr(right) }
    }

    fn filter(self, filter: &Filter, input: &'a Expr, args: &'a [Option<Expr>], span: Span) -> Found<'a> {
        let value = match self.operand(input) {
            Err(error) if filter.lenient && error.code == EvalCode::Undefined => Cow::Owned(Value::Null),
            other => other?,
        };
        let args = args.iter().map(|arg| arg.as_ref().map(|arg| self.operand(arg)).transpose());
        let args = args.collect::<Result<Vec<_>, _>>()?;
        filter.apply(&value, Args(&args)).map(Cow::Owned).map_err(|cause| cause.at(span))
    }

    fn test(self, test: Test, input: &'a Expr) -> Found<'a> {
        Ok(Cow::Owned(Value::Bool(match test {
            Test::Defined => self.is_defined(input)?,
            Test::Undefined => !self.is_defined(input)?,
            Test::None | Test::Boolean | Test::Integer | Test::Number | Test::String | Test::List | Test::Object => {
                Kinds::of(&*self.operand(input)?).within(test.kinds())
            }
        })))
    }

    /// The one question that may be asked of a secret: it says only whether there is one.
    fn is_defined(self, input: &'a Expr) -> Result<bool, EvalError> {
        match self.expr(input) {
            Ok(_) => Ok(true),
            Err(error) if error.code == EvalCode::Undefined => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn pieces(self, pieces: &'a [Piece]) -> Result<Value, EvalError> {
        let mut whole = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Value(expr) => {
                    let value = self.operand(expr)?;
                    whole.push_str(&text::of(&value).map_err(|cause| cause.at(expr.span))?);
                    if whole.len() > text::MAX_TEXT {
                        return Err(text::too_long().at(expr.span));
                    }
                }
            }
        }
        Ok(Value::String(whole))
    }
}

fn walk_path<'a>(value: Cow<'a, Value>, path: &Path, used: usize) -> Found<'a> {
    let rest = path.parts.get(used..).unwrap_or_default();
    let base = |walked: usize| format!("`{}`", path.shown(used + walked));
    match value {
        Cow::Borrowed(value) => down(value, rest, &base).map(Cow::Borrowed),
        Cow::Owned(value) if rest.is_empty() => Ok(Cow::Owned(value)),
        Cow::Owned(value) => down(&value, rest, &base).cloned().map(Cow::Owned),
    }
}

fn down<'v>(value: &'v Value, parts: &[Part], base: &dyn Fn(usize) -> String) -> Result<&'v Value, EvalError> {
    parts.iter().enumerate().try_fold(value, |value, (walked, part)| {
        walk::step(value, &part.key, &|| base(walked)).map_err(|cause| cause.at(part.span))
    })
}

fn missing(path: &Path, used: usize, known: &[String], why: Option<String>) -> EvalError {
    let span = path.parts.get(used).map_or(path.root_span, |part| part.span);
    let hint = match path.parts.get(used).map(|part| &part.key) {
        _ if why.is_some() => None,
        Some(Key::Name(name)) => near::hint(name, known.iter().map(String::as_str)),
        Some(Key::Index(_)) | None => near::list(known.iter().map(String::as_str)),
    };
    let message = why.unwrap_or_else(|| match path.parts.get(used) {
        Some(part) => format!("`{}` has no `{}`", path.shown(used), part.key.bare()),
        None => format!("`{path}` is no value by itself"),
    });
    Cause::new(EvalCode::Undefined, message).maybe_hint(hint).at(span)
}

/// One step into a value that may be owned.
fn into<'a>(value: Cow<'a, Value>, key: &Key, base: &dyn Fn() -> String) -> Result<Cow<'a, Value>, Cause<EvalCode>> {
    match value {
        Cow::Borrowed(value) => walk::step(value, key, base).map(Cow::Borrowed),
        Cow::Owned(value) => walk::step(&value, key, base).cloned().map(Cow::Owned),
    }
}
