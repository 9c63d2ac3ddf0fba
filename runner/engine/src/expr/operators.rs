//! The types of operators and conditions, and which operands they refuse. Knows types only.

use super::fault::{Cause, TypeCode};
use super::kinds::Kinds;
use super::look::{Look, only_text, require, wrong};
use super::tree::{Arithmetic, Comparison};
use super::ty::Ty;
use super::{near, number, text};

pub(super) fn arithmetic(op: Arithmetic, left: &Ty, right: &Ty) -> Look {
    let families: &[Kinds] = match op {
        Arithmetic::Add => &[Kinds::NUMBER, Kinds::STRING, Kinds::LIST],
        Arithmetic::Power => &[Kinds::INT],
        Arithmetic::Subtract
        | Arithmetic::Multiply
        | Arithmetic::Divide
        | Arithmetic::FloorDivide
        | Arithmetic::Remainder => &[Kinds::NUMBER],
    };
    let (lefts, rights) = (left.kinds(), right.kinds());
    if lefts.is_empty() || rights.is_empty() {
        return Ty::NEVER.into();
    }
    let common: Vec<Kinds> =
        families.iter().copied().filter(|f| !f.and(lefts).is_empty() && !f.and(rights).is_empty()).collect();
    if common.is_empty() {
        return Look::error(operands(op, left, right));
    }
    let look = Look::from(Ty::union(common.iter().map(|family| sum_of(op, *family, left, right))));
    let sure = matches!(common.as_slice(), [only] if lefts.within(*only) && rights.within(*only));
    if sure || *left == Ty::Any || *right == Ty::Any { look } else { look.note(may_not_go(op, left, right)) }
}

fn operands(op: Arithmetic, left: &Ty, right: &Ty) -> Cause<TypeCode> {
    let cause = number::not_for(op, left.kinds(), right.kinds());
    wrong(cause.message).maybe_hint(cause.hint)
}

fn may_not_go(op: Arithmetic, left: &Ty, right: &Ty) -> Cause<TypeCode> {
    let message = format!("`{}` may not go with {} and {}", op.symbol(), left.kinds(), right.kinds());
    let null = Kinds::NULL.within(left.kinds().or(right.kinds()));
    Cause::new(TypeCode::MayNotFit, message).maybe_hint(null.then(|| text::NOT_NONE.to_owned()))
}

/// The result of an operator within one family of kinds.
fn sum_of(op: Arithmetic, family: Kinds, left: &Ty, right: &Ty) -> Ty {
    if family == Kinds::STRING {
        return Ty::Str;
    }
    if family == Kinds::LIST {
        return Ty::list(Ty::union([left.items(), right.items()]));
    }
    let (lefts, rights) = (left.kinds().and(family), right.kinds().and(family));
    let some_float = Kinds::FLOAT.and(lefts.or(rights));
    if op == Arithmetic::Divide || lefts == Kinds::FLOAT || rights == Kinds::FLOAT {
        Ty::Float
    } else if some_float.is_empty() {
        Ty::Int
    } else {
        Ty::number()
    }
}

pub(super) fn comparison(op: Comparison, left: &Ty, right: &Ty) -> Look {
    match op {
        Comparison::Equal | Comparison::NotEqual => equality(left, right).map(|_| Ty::Bool),
        Comparison::In | Comparison::NotIn => containment(right, left),
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            let look = one_order(left, &format!("`{}`", op.symbol()));
            if !look.errors.is_empty() || !look.notes.is_empty() {
                return look.map(|_| Ty::Bool);
            }
            let look = one_order(right, &format!("`{}`", op.symbol()));
            if !look.errors.is_empty() || !look.notes.is_empty() {
                return look.map(|_| Ty::Bool);
            }
            one_order_of(left, right)
        }
    }
}

/// For two types each of which has an order in itself.
fn one_order_of(left: &Ty, right: &Ty) -> Look {
    let (lefts, rights) = (left.kinds(), right.kinds());
    let known = *left != Ty::Any && *right != Ty::Any && !lefts.is_empty() && !rights.is_empty();
    if !known || lefts.or(rights).within(Kinds::NUMBER) || lefts.or(rights) == Kinds::STRING {
        return Ty::Bool.into();
    }
    let message = format!("{lefts} cannot be compared with {rights}");
    Look::error(wrong(message).hint("`| int` or `| float` makes a number of text")).map(|_| Ty::Bool)
}

/// Whether all values of the type have an order among themselves: all numbers or all strings.
pub(super) fn one_order(ty: &Ty, what: &str) -> Look {
    let look = require(ty, Kinds::NUMBER.or(Kinds::STRING), what);
    let kinds = ty.kinds();
    let mixed = !kinds.and(Kinds::NUMBER).is_empty() && !kinds.and(Kinds::STRING).is_empty();
    if mixed && *ty != Ty::Any && look.errors.is_empty() {
        return look.note(Cause::new(TypeCode::MayNotFit, format!("{what} cannot mix numbers and strings")));
    }
    look
}

/// `==` and `!=`: an error where the two can never be equal.
fn equality(left: &Ty, right: &Ty) -> Look {
    if left.kinds().is_empty() || right.kinds().is_empty() || may_be_equal(left, right) {
        return Ty::Bool.into();
    }
    let message = format!("{left} is never equal to {right}");
    if *left == Ty::Null || *right == Ty::Null {
        return Look::from(Ty::Bool).note(Cause::new(TypeCode::NeverEqual, message));
    }
    Look::error(Cause::new(TypeCode::NeverEqual, message).maybe_hint(nearer(left, right)))
}

fn nearer(left: &Ty, right: &Ty) -> Option<String> {
    let (text, texts) = match (only_text(left), only_text(right), left, right) {
        (_, Some(text), Ty::OneOf(texts), _) | (Some(text), _, _, Ty::OneOf(texts)) => (text, texts),
        _ => return None,
    };
    near::hint(text, texts.iter().map(String::as_str))
}

fn may_be_equal(left: &Ty, right: &Ty) -> bool {
    left.parts().iter().any(|left| right.parts().iter().any(|right| parts_may_be_equal(left, right)))
}

fn parts_may_be_equal(left: &Ty, right: &Ty) -> bool {
    match (left, right) {
        (Ty::Any, _) | (_, Ty::Any) => true,
        (Ty::OneOf(left), Ty::OneOf(right)) => !left.is_disjoint(right),
        (Ty::Int | Ty::Float, Ty::Int | Ty::Float) => true,
        (left, right) => !left.kinds().and(right.kinds()).is_empty(),
    }
}

/// `part in whole`.
pub(super) fn containment(whole: &Ty, part: &Ty) -> Look {
    let holders = Kinds::LIST.or(Kinds::STRING).or(Kinds::OBJECT);
    let look = Look::from(Ty::Bool).and_require(whole, holders, "`in`");
    let kinds = whole.kinds();
    if *whole == Ty::Any || !look.errors.is_empty() {
        return look;
    }
    if !Kinds::LIST.within(kinds) {
        return look.and_require(part, Kinds::STRING, "a search in a string or in the keys of an object");
    }
    if kinds.within(Kinds::LIST.or(Kinds::NULL)) {
        return look.and(membership(&whole.items(), part));
    }
    let sure = part.kinds().within(Kinds::STRING) || *part == Ty::Any;
    let note = Cause::new(TypeCode::MayNotFit, "only a string can be searched in a string or in the keys of an object");
    if sure { look } else { look.note(note) }
}

fn membership(items: &Ty, part: &Ty) -> Look {
    if items.kinds().is_empty() || part.kinds().is_empty() || may_be_equal(items, part) {
        return Ty::Bool.into();
    }
    let message = format!("{part} is never in a list of which each item is {items}");
    Look::error(Cause::new(TypeCode::NeverEqual, message).maybe_hint(nearer(items, part))).map(|_| Ty::Bool)
}

/// Whether the type may stand as a condition: a boolean, a list, or what is none when it is not there.
pub(super) fn condition(ty: &Ty) -> Look {
    let kinds = ty.kinds();
    let plain = Kinds::BOOL.or(Kinds::LIST).or(Kinds::NULL);
    if *ty == Ty::Any || kinds.within(plain) {
        return Ty::Bool.into();
    }
    if !kinds.and(Kinds::NUMBER).is_empty() {
        let message = format!("this is {ty}, and a number is neither true nor false");
        return not_a_condition(message, "compare it: `> 0`");
    }
    if Kinds::NULL.within(kinds) {
        return Ty::Bool.into();
    }
    not_a_condition(format!("this is {ty}, which says neither yes nor no"), "compare it: `== ...`, `!= \"\"`")
}

fn not_a_condition(message: String, hint: &str) -> Look {
    Look::error(Cause::new(TypeCode::NotACondition, message).hint(hint))
}
