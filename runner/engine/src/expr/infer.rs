//! The type of an expression, and everything that is wrong with it, before anything runs. Mirrors `eval.rs` arm by arm;
//! the rules themselves are in `look.rs`. Knows names only through the caller's [`TypeScope`].

use std::borrow::Cow;

use super::facts::{self, Fact};
use super::fault::{Cause, Span, TypeCode, TypeError};
use super::filters::Filter;
use super::kinds::Kinds;
use super::look::{self, Look};
use super::scope::{Resolved, TypeScope};
use super::tree::{Comparison, Expr, Key, Kind, Part, Path, Piece, Template, Test};
use super::ty::Ty;
use super::{access, near, operators, secret};

/// What an expression gives. `notes` are no errors: they say which values would still go wrong when evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    pub ty: Ty,
    pub errors: Vec<TypeError>,
    pub notes: Vec<TypeError>,
}

/// The type of an expression that stands alone. A secret may be the whole of it, and never a part.
pub fn infer(expr: &Expr, scope: &dyn TypeScope) -> Inferred {
    let mut walk = Walk::new(scope);
    let ty = walk.expr(expr);
    if ty.may_hold_secret() && !is_lone_secret(&ty) {
        let cause = Cause::new(TypeCode::Secret, "a secret stands inside this value, and it cannot be passed on whole");
        walk.errors.push(cause.hint(secret::SELECT).at(expr.span));
    }
    walk.finish(ty)
}

/// The type of a leaf of a runbook.
pub fn infer_template(template: &Template, scope: &dyn TypeScope) -> Inferred {
    match template {
        Template::Text(text) => Walk::new(scope).finish(Ty::literal(text)),
        Template::Whole(expr) => infer(expr, scope),
        Template::Parts(pieces) => {
            let mut walk = Walk::new(scope);
            pieces.iter().for_each(|piece| walk.piece(piece));
            walk.finish(Ty::Str)
        }
    }
}

/// The findings of a condition (`when`, `that`, `fail_if`); its type is always [`Ty::Bool`].
pub fn expect_bool(expr: &Expr, scope: &dyn TypeScope) -> Inferred {
    let mut walk = Walk::new(scope);
    walk.condition(expr);
    walk.finish(Ty::Bool)
}

fn is_lone_secret(ty: &Ty) -> bool {
    ty.parts().iter().all(|part| *part == Ty::Secret || !part.may_hold_secret())
}

struct Walk<'a> {
    scope: &'a dyn TypeScope,
    errors: Vec<TypeError>,
    notes: Vec<TypeError>,
    /// Inside `default` or `is defined`, where something may be missing.
    lenient: bool,
    /// What holds here.
    facts: Vec<Fact>,
}

impl<'a> Walk<'a> {
    fn new(scope: &'a dyn TypeScope) -> Self {
        Self { scope, errors: Vec::new(), notes: Vec::new(), lenient: false, facts: scope.facts().to_vec() }
    }

    /// What is looked at only where the condition holds, or only where it does not.
    fn under<T>(&mut self, condition: &Expr, holds: bool, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.facts.len();
        self.facts.extend(facts::given(condition, holds));
        let found = look(self);
        self.facts.truncate(before);
        found
    }

    fn finish(self, ty: Ty) -> Inferred {
        Inferred { ty, errors: self.errors, notes: self.notes }
    }

    /// Takes over what was found, and gives the type.
    fn take(&mut self, look: Look, span: Span) -> Ty {
        self.errors.extend(look.errors.into_iter().map(|cause| cause.at(span)));
        let lenient = self.lenient;
        let notes = look.notes.into_iter().filter(|cause| !lenient || cause.code != TypeCode::MayBeMissing);
        self.notes.extend(notes.map(|cause| cause.at(span)));
        look.ty
    }

    fn expr(&mut self, expr: &Expr) -> Ty {
        match &expr.kind {
            Kind::Literal(value) => Ty::of(value),
            Kind::List(items) => Ty::list(Ty::union(items.iter().map(|item| self.expr(item)).collect::<Vec<_>>())),
            Kind::Map(fields) => {
                Ty::record(fields.iter().map(|(name, value)| (name.clone(), self.expr(value))).collect::<Vec<_>>())
            }
            Kind::Path(path) => self.path(path),
            Kind::Get { base, part } => self.get(base, part),
            Kind::Item { base, index } => self.item(base, index),
            Kind::Not(inner) => self.condition(inner),
            Kind::Negate(inner) => self.negate(inner),
            Kind::Arithmetic { op, left, right } => {
                let (left, right) = (self.operand(left), self.operand(right));
                self.take(operators::arithmetic(*op, &left, &right), expr.span)
            }
            Kind::Concat { left, right } => self.concat(left, right),
            Kind::Compare { first, rest } => self.compare(first, rest),
            Kind::And { left, right } => self.either(left, right, true),
            Kind::Or { left, right } => self.either(left, right, false),
            Kind::If { condition, yes, no } => {
                self.condition(condition);
                let yes = self.under(condition, true, |walk| walk.expr(yes));
                Ty::union([yes, self.under(condition, false, |walk| walk.expr(no))])
            }
            Kind::Filter { filter, input, args } => self.filter(filter, input, args, expr.span),
            Kind::Test { test, input } => self.test(*test, input),
        }
    }

    /// The type of something that is looked at, and so must not hold a secret.
    fn operand(&mut self, expr: &Expr) -> Ty {
        let ty = self.expr(expr);
        if ty.may_hold_secret() {
            self.errors.push(
                Cause::new(TypeCode::Secret, format!("{} is or holds a secret", expr.named()))
                    .hint(secret::ALONE)
                    .at(expr.span),
            );
            return Ty::Any;
        }
        ty
    }

    /// A condition made of conditions is one; so each is looked at where it stands.
    fn condition(&mut self, expr: &Expr) -> Ty {
        match &expr.kind {
            Kind::And { left, right } | Kind::Or { left, right } => {
                self.condition(left);
                self.under(left, matches!(expr.kind, Kind::And { .. }), |walk| walk.condition(right));
            }
            Kind::If { condition, yes, no } => {
                self.condition(condition);
                self.under(condition, true, |walk| walk.condition(yes));
                self.under(condition, false, |walk| walk.condition(no));
            }
            _ => {
                let ty = self.operand(expr);
                self.take(operators::condition(&ty), expr.span);
            }
        }
        Ty::Bool
    }

    fn path(&mut self, path: &Path) -> Ty {
        let scope = self.scope;
        match scope.resolve(&path.root, &path.parts) {
            Resolved::Found { value, used } => self.down(value, path, used),
            Resolved::Unknown { known } => {
                let cause = Cause::new(TypeCode::UnknownName, format!("there is no `{}` here", path.root));
                let cause = cause.maybe_hint(near::hint(&path.root, known.iter().map(String::as_str)));
                self.take(Look::error(cause), path.root_span)
            }
            Resolved::Missing { used, known, why } => {
                let (cause, span) = missing(path, used, &known, why);
                self.take(Look::error(cause), span)
            }
        }
    }

    fn down(&mut self, ty: Cow<'_, Ty>, path: &Path, used: usize) -> Ty {
        let mut ty = self.without_what_is_not(ty.into_owned(), path, used);
        for (walked, part) in path.parts.iter().enumerate().skip(used) {
            let mut look = access::step(&ty, &part.key, &format!("`{}`", path.shown(walked)));
            if self.knows(path, walked + 1).is_some() {
                look.notes.retain(|cause| cause.code != TypeCode::MayBeMissing);
            }
            let found = self.take(look, part.span);
            ty = self.without_what_is_not(found, path, walked + 1);
        }
        ty
    }

    /// Whether the first `parts` parts are known to be there, and if so whether they are not none.
    fn knows(&self, path: &Path, parts: usize) -> Option<bool> {
        self.facts.iter().filter_map(|fact| fact.says(path, parts)).max()
    }

    fn without_what_is_not(&self, ty: Ty, path: &Path, parts: usize) -> Ty {
        if self.knows(path, parts) == Some(true) { ty.without_null() } else { ty }
    }

    fn get(&mut self, base: &Expr, part: &Part) -> Ty {
        let base = self.expr(base);
        self.take(access::step(&base, &part.key, "this"), part.span)
    }

    fn item(&mut self, base: &Expr, index: &Expr) -> Ty {
        let (ty, key) = (self.expr(base), self.operand(index));
        self.take(access::item(&ty, &key, &base.named()), index.span)
    }

    fn negate(&mut self, inner: &Expr) -> Ty {
        let ty = self.operand(inner);
        self.take(look::require(&ty, Kinds::NUMBER, "`-`"), inner.span);
        Ty::union(
            ty.parts()
                .iter()
                .filter(|part| part.kinds().within(Kinds::NUMBER))
                .cloned()
                .chain((ty == Ty::Any).then(Ty::number)),
        )
    }

    fn concat(&mut self, left: &Expr, right: &Expr) -> Ty {
        for side in [left, right] {
            let ty = self.operand(side);
            self.take(look::require(&ty, Kinds::TEXT, "`~`"), side.span);
        }
        Ty::Str
    }

    fn compare(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) -> Ty {
        let mut left = self.operand(first);
        let mut span = first.span;
        for (op, right) in rest {
            let ty = self.operand(right);
            self.take(operators::comparison(*op, &left, &ty), span.to(right.span));
            (left, span) = (ty, right.span);
        }
        Ty::Bool
    }

    /// What is none is never the result of `or` from the left; what is only true or false tells nothing more.
    fn either(&mut self, left: &Expr, right: &Expr, is_and: bool) -> Ty {
        let ty = self.operand(left);
        self.take(operators::condition(&ty), left.span);
        let kept = if is_and { ty } else { ty.without_null() };
        Ty::union([kept, self.under(left, is_and, |walk| walk.expr(right))])
    }

    fn filter(&mut self, filter: &Filter, input: &Expr, args: &[Option<Expr>], span: Span) -> Ty {
        let before = self.lenient;
        self.lenient |= filter.lenient;
        let ty = self.operand(input);
        self.lenient = before;
        let args: Vec<Option<Ty>> = args.iter().map(|arg| arg.as_ref().map(|arg| self.operand(arg))).collect();
        let mut checks = look::require(&ty, filter.takes, &format!("`{}`", filter.name));
        for (param, arg) in filter.params.iter().zip(&args) {
            if let Some(arg) = arg {
                checks = checks.and_require(arg, param.takes, &format!("`{}` of `{}`", param.name, filter.name));
            }
        }
        if !checks.errors.is_empty() {
            return self.take(Look { ty: Ty::Any, ..checks }, span);
        }
        let result = checks.then((filter.gives)(&narrowed(&ty, filter.takes), &args));
        self.take(result, span)
    }

    fn test(&mut self, test: Test, input: &Expr) -> Ty {
        match test {
            Test::Defined | Test::Undefined => {
                let before = std::mem::replace(&mut self.lenient, true);
                self.expr(input);
                self.lenient = before;
            }
            Test::None | Test::Boolean | Test::Integer | Test::Number | Test::String | Test::List | Test::Object => {
                self.operand(input);
            }
        }
        Ty::Bool
    }

    fn piece(&mut self, piece: &Piece) {
        if let Piece::Value(expr) = piece {
            let ty = self.operand(expr);
            self.take(look::require(&ty, Kinds::TEXT, "text"), expr.span);
        }
    }
}

/// The part of a type that a filter gets to see; the rest was noted.
fn narrowed(ty: &Ty, takes: Kinds) -> Ty {
    if *ty == Ty::Any {
        return Ty::of_kinds(takes);
    }
    Ty::union(ty.parts().iter().filter(|part| part.kinds().within(takes)).cloned())
}

fn missing(path: &Path, used: usize, known: &[String], why: Option<String>) -> (Cause<TypeCode>, Span) {
    let part = path.parts.get(used);
    let span = part.map_or(path.root_span, |part| part.span);
    let hint = match part.map(|part| &part.key) {
        _ if why.is_some() => None,
        Some(Key::Name(name)) => near::hint(name, known.iter().map(String::as_str)),
        Some(Key::Index(_)) | None => near::list(known.iter().map(String::as_str)),
    };
    let message = why.unwrap_or_else(|| match part {
        Some(part) => format!("`{}` has no `{}`", path.shown(used), part.key.bare()),
        None => format!("`{path}` is no value by itself"),
    });
    (Cause::new(TypeCode::UnknownProperty, message).maybe_hint(hint), span)
}
