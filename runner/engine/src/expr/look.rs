//! What is found when looking at types: the type of a result, errors and notes, and how they add up. The rules for
//! accesses stand in `access.rs`, those for operators in `operators.rs`; the walk over an expression is `infer.rs`.

use super::fault::{Cause, TypeCode};
use super::kinds::Kinds;
use super::text;
use super::ty::Ty;

/// The type of a result and what was found on the way. A note says where a value of the type could still go wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) ty: Ty,
    pub(super) errors: Vec<Cause<TypeCode>>,
    pub(super) notes: Vec<Cause<TypeCode>>,
}

impl From<Ty> for Look {
    fn from(ty: Ty) -> Self {
        Self { ty, errors: Vec::new(), notes: Vec::new() }
    }
}

impl Look {
    /// After an error nothing is known, so that one mistake is told once.
    pub(super) fn error(cause: Cause<TypeCode>) -> Self {
        Self { ty: Ty::Any, errors: vec![cause], notes: Vec::new() }
    }

    pub(super) fn note(mut self, cause: Cause<TypeCode>) -> Self {
        self.notes.push(cause);
        self
    }

    pub(super) fn map(mut self, change: impl FnOnce(Ty) -> Ty) -> Self {
        self.ty = change(self.ty);
        self
    }

    /// This type, with the findings of both.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.errors.extend(other.errors);
        self.notes.extend(other.notes);
        self
    }

    /// The other type, with the findings of both.
    pub(super) fn then(self, other: Self) -> Self {
        let ty = other.ty.clone();
        Self { ty, ..self.and(other) }
    }

    pub(super) fn and_require(self, ty: &Ty, takes: Kinds, what: &str) -> Self {
        self.and(require(ty, takes, what))
    }
}

pub(super) fn wrong(message: impl Into<String>) -> Cause<TypeCode> {
    Cause::new(TypeCode::WrongType, message)
}

/// Whether values of the type are of these kinds: an error where none is, a note where some are not.
pub(super) fn require(ty: &Ty, takes: Kinds, what: &str) -> Look {
    let kinds = ty.kinds();
    if *ty == Ty::Any || kinds.within(takes) {
        return Ty::Any.into();
    }
    if kinds.and(takes).is_empty() {
        return Look::error(wrong(format!("{what} takes {takes}, and this is {ty}")).maybe_hint(mend(kinds, takes)));
    }
    let odd = kinds.without(takes);
    let note = Cause::new(TypeCode::MayNotFit, format!("{what} takes {takes}, and this may be {odd}"));
    Look::from(Ty::Any).note(note.maybe_hint(mend(odd, takes)))
}

/// What makes the one kind of the other.
fn mend(has: Kinds, takes: Kinds) -> Option<String> {
    if Kinds::NULL.within(has) {
        Some(text::NOT_NONE.to_owned())
    } else if has == Kinds::STRING && takes.within(Kinds::NUMBER) {
        Some("`| int` or `| float` makes a number of text".to_owned())
    } else if has.within(Kinds::NUMBER) && takes == Kinds::STRING {
        Some("`| string` makes text of it".to_owned())
    } else if has.within(Kinds::LIST.or(Kinds::OBJECT)) && Kinds::STRING.within(takes) {
        Some(text::how(has).to_owned())
    } else {
        None
    }
}

/// The text, if the type is one string and no other.
pub(super) fn only_text(ty: &Ty) -> Option<&str> {
    match ty {
        Ty::OneOf(texts) if texts.len() == 1 => texts.first().map(String::as_str),
        _ => None,
    }
}
