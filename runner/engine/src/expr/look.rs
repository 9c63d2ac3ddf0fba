//! The rules of types: what an access, an operator or a condition gives, and what is wrong with it. Knows types only;
//! the walk over an expression is `infer.rs`.

use super::fault::{Cause, TypeCode};
use super::kinds::Kinds;
use super::tree::{Arithmetic, Comparison, Key};
use super::ty::{Object, Rest, Ty};
use super::{near, secret};

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

fn wrong(message: impl Into<String>) -> Cause<TypeCode> {
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
        Some("`| default(...)` gives a value in place of none".to_owned())
    } else if has == Kinds::STRING && takes.within(Kinds::NUMBER) {
        Some("`| int` or `| float` makes a number of text".to_owned())
    } else if has.within(Kinds::NUMBER) && takes == Kinds::STRING {
        Some("`| string` makes text of it".to_owned())
    } else if has.within(Kinds::LIST.or(Kinds::OBJECT)) && Kinds::STRING.within(takes) {
        Some(super::text::how(has).to_owned())
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

/// The type under `key`. `base` is how a message names what it is under.
pub(super) fn step(ty: &Ty, key: &Key, base: &str) -> Look {
    let looks: Vec<Look> = ty.parts().iter().map(|part| step_part(part, key, base)).collect();
    let bad = looks.iter().filter(|look| !look.errors.is_empty()).count();
    if bad == looks.len() {
        let error = looks.into_iter().find(|look| !look.errors.is_empty());
        return error.unwrap_or_else(|| Ty::NEVER.into());
    }
    let secret = looks.iter().flat_map(|look| &look.errors).find(|cause| cause.code == TypeCode::Secret).cloned();
    let mut joined =
        Look::from(Ty::union(looks.iter().filter(|look| look.errors.is_empty()).map(|look| look.ty.clone())));
    joined.notes = looks.into_iter().flat_map(|look| look.notes).collect();
    joined.errors = secret.into_iter().collect();
    if bad > 0 { joined.note(may_lack(ty, key, base)) } else { joined }
}

fn may_lack(ty: &Ty, key: &Key, base: &str) -> Cause<TypeCode> {
    let message = if ty.parts().contains(&Ty::Null) {
        format!("{base} may be none, and then there is no `{}`", key.bare())
    } else {
        format!("{base} may have no `{}`", key.bare())
    };
    Cause::new(TypeCode::MayBeMissing, message).hint("use `| default(...)` or `is defined`")
}

fn step_part(ty: &Ty, key: &Key, base: &str) -> Look {
    match (ty, key) {
        (Ty::Any, _) => Ty::Any.into(),
        (Ty::Secret, _) => {
            let message = format!("{base} is a secret, and there is no way into it");
            Look::error(Cause::new(TypeCode::Secret, message).hint(secret::ALONE))
        }
        (Ty::Object(object), Key::Name(name)) => field(object, name, base),
        (Ty::List(items), Key::Index(_)) => (**items).clone().into(),
        (Ty::List(_), Key::Name(_)) => Look::error(no_way(ty, key, base).hint("take an item first: `[0]`, `| first`")),
        (Ty::Object(_), Key::Index(_)) => Look::error(no_way(ty, key, base).hint("an object is read by name")),
        (Ty::Null | Ty::Bool | Ty::Int | Ty::Float | Ty::Str | Ty::OneOf(_) | Ty::Union(_), _) => {
            Look::error(no_way(ty, key, base))
        }
    }
}

fn no_way(ty: &Ty, key: &Key, base: &str) -> Cause<TypeCode> {
    wrong(format!("{base} is {}, which has no `{key}`", ty.kinds()))
}

fn field(object: &Object, name: &str, base: &str) -> Look {
    match (object.fields.get(name), &object.rest) {
        (Some(field), _) if field.required => field.ty.clone().into(),
        (Some(field), _) => Look::from(field.ty.clone()).note(optional(name, base)),
        (None, Rest::Open(ty)) if **ty == Ty::Any => Ty::Any.into(),
        (None, Rest::Open(ty)) => Look::from((**ty).clone()).note(optional(name, base)),
        (None, Rest::Closed | Rest::Unsaid) => Look::error(unknown(object, name, base)),
    }
}

fn optional(name: &str, base: &str) -> Cause<TypeCode> {
    Cause::new(TypeCode::MayBeMissing, format!("{base} may have no `{name}`"))
        .hint("use `| default(...)` or `is defined`")
}

fn unknown(object: &Object, name: &str, base: &str) -> Cause<TypeCode> {
    Cause::new(TypeCode::UnknownProperty, format!("{base} has no `{name}`"))
        .maybe_hint(near::hint(name, object.fields.keys().map(String::as_str)))
}

/// The type under a key that is only known when evaluated.
pub(super) fn item(base: &Ty, index: &Ty) -> Look {
    if let Some(name) = only_text(index) {
        return step(base, &Key::Name(name.to_owned()), "this");
    }
    let keys = require(index, Kinds::INT.or(Kinds::STRING), "an access in `[ ]`");
    let whole = require(base, Kinds::LIST.or(Kinds::OBJECT), "an access by `[ ]`");
    let (by_number, by_name) = (Kinds::INT.within(index.kinds()), Kinds::STRING.within(index.kinds()));
    let found = base.parts().iter().filter_map(|part| match part {
        Ty::Any => Some(Ty::Any),
        Ty::List(items) if by_number => Some((**items).clone()),
        Ty::Object(object) if by_name => Some(Ty::union(object.types().cloned())),
        _ => None,
    });
    let fits = (by_number && Kinds::LIST.within(base.kinds())) || (by_name && Kinds::OBJECT.within(base.kinds()));
    let look = Look::from(Ty::union(found)).and(keys).and(whole);
    if !look.errors.is_empty() || index.kinds().is_empty() || base.kinds().is_empty() {
        return look;
    }
    if !fits {
        return Look::error(wrong(format!("{} is not read by {}", base.kinds(), index.kinds())));
    }
    let exact = if Kinds::LIST.within(base.kinds()) { Kinds::INT } else { Kinds::STRING };
    let mixed = base.kinds() == Kinds::LIST.or(Kinds::OBJECT) || !index.kinds().within(exact);
    let known = *base != Ty::Any && *index != Ty::Any;
    if mixed && known && look.notes.is_empty() {
        return look.note(Cause::new(TypeCode::MayNotFit, format!("{base} may not be readable by {index}")));
    }
    look
}

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
    let cause = super::number::not_for(op, left.kinds(), right.kinds());
    wrong(cause.message).maybe_hint(cause.hint)
}

fn may_not_go(op: Arithmetic, left: &Ty, right: &Ty) -> Cause<TypeCode> {
    let message = format!("`{}` may not go with {} and {}", op.symbol(), left.kinds(), right.kinds());
    let null = Kinds::NULL.within(left.kinds().or(right.kinds()));
    Cause::new(TypeCode::MayNotFit, message).maybe_hint(if null { mend(Kinds::NULL, Kinds::NOTHING) } else { None })
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
            let both = Ty::union([left.clone(), right.clone()]);
            let alone = [left, right].map(|ty| one_order(ty, "`<` and its like"));
            let [first, second] = alone;
            let look = Look::from(Ty::Bool).and(first).and(second);
            if look.errors.is_empty() && look.notes.is_empty() {
                return look.and(one_order_of(left, right, &both));
            }
            look
        }
    }
}

fn one_order_of(left: &Ty, right: &Ty, both: &Ty) -> Look {
    let (lefts, rights) = (left.kinds(), right.kinds());
    if *left == Ty::Any || *right == Ty::Any || both.kinds().within(Kinds::NUMBER) || both.kinds() == Kinds::STRING {
        return Ty::Bool.into();
    }
    let message = format!("{lefts} cannot be compared with {rights}");
    let either = Kinds::NUMBER.or(Kinds::STRING);
    if lefts.is_empty() || rights.is_empty() || (lefts == either || rights == either) {
        return Look::from(Ty::Bool).note(Cause::new(TypeCode::MayNotFit, message));
    }
    Look::error(wrong(message).hint("`| int` or `| float` makes a number of text"))
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
        return look.and(equality(&whole.items(), part).map(|_| Ty::Bool));
    }
    let sure = part.kinds().within(Kinds::STRING) || *part == Ty::Any;
    let note = Cause::new(TypeCode::MayNotFit, "only a string can be searched in a string or in the keys of an object");
    if sure { look } else { look.note(note) }
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
