//! The types of what is inside: fields, items, and what is wrong with a way there. Knows types only.

use super::fault::{Cause, TypeCode};
use super::kinds::Kinds;
use super::look::{Look, only_text, require, wrong};
use super::tree::Key;
use super::ty::{Object, Rest, Ty};
use super::{near, secret};

/// The type under `key`. `base` is how a message names what it is under.
pub(super) fn step(ty: &Ty, key: &Key, base: &str) -> Look {
    let looks = ty.parts().iter().map(|part| step_part(part, key, base)).collect();
    joined(looks, || may_lack(ty, &format!("`{}`", key.bare()), base))
}

/// The type under a key that is only known when evaluated.
pub(super) fn item(ty: &Ty, index: &Ty, base: &str) -> Look {
    if let Some(key) = only_text(index) {
        return step(ty, &Key::Name(key.to_owned()), base);
    }
    let keys = require(index, Kinds::INT.or(Kinds::STRING), "an access in `[ ]`");
    if !keys.errors.is_empty() {
        return keys;
    }
    let looks = ty.parts().iter().map(|part| item_part(part, index, base)).collect();
    let look = joined(looks, || may_lack(ty, "such item", base));
    // What a list or an object says of the key is more exact than what is said of keys in general.
    if look.notes.is_empty() { keys.then(look) } else { look }
}

/// What the members of a union give together: an error where all do, a note where some do.
fn joined(looks: Vec<Look>, note: impl Fn() -> Cause<TypeCode>) -> Look {
    let bad = looks.iter().filter(|look| !look.errors.is_empty()).count();
    if bad == looks.len() {
        let error = looks.into_iter().find(|look| !look.errors.is_empty());
        return error.unwrap_or_else(|| Ty::NEVER.into());
    }
    let good = looks.iter().filter(|look| look.errors.is_empty());
    let mut all = Look::from(Ty::union(good.map(|look| look.ty.clone())));
    for look in looks {
        all.errors.extend(look.errors.into_iter().filter(|cause| cause.code == TypeCode::Secret));
        all.notes.extend(look.notes);
    }
    if bad > 0 { all.note(note()) } else { all }
}

fn may_lack(ty: &Ty, what: &str, base: &str) -> Cause<TypeCode> {
    let others = ty.parts().iter().any(|part| !matches!(part, Ty::Null | Ty::Object(_) | Ty::List(_)));
    let (code, message) = if others {
        (TypeCode::MayNotFit, format!("{base} may be {}, and then there is no {what}", ty.kinds()))
    } else if ty.parts().contains(&Ty::Null) {
        (TypeCode::MayBeMissing, format!("{base} may be none, and then there is no {what}"))
    } else {
        (TypeCode::MayBeMissing, format!("{base} may have no {what}"))
    };
    Cause::new(code, message).hint("use `| default(...)` or `is defined`")
}

fn item_part(ty: &Ty, index: &Ty, base: &str) -> Look {
    let (found, fits) = match ty {
        Ty::Any => return Ty::Any.into(),
        Ty::Secret => return inside_secret(base),
        Ty::List(items) => ((**items).clone(), Kinds::INT),
        Ty::Object(object) => (Ty::union(object.types().cloned()), Kinds::STRING),
        Ty::Null | Ty::Bool | Ty::Int | Ty::Float | Ty::Str | Ty::OneOf(_) | Ty::Union(_) => {
            return Look::error(wrong(format!("{base} is {}, which has no items", ty.kinds())));
        }
    };
    let keys = index.kinds();
    if keys.is_empty() || *index == Ty::Any || keys.within(fits) {
        return found.into();
    }
    if keys.and(fits).is_empty() {
        return Look::error(wrong(format!("{base} is {}, which is not read by {keys}", ty.kinds())));
    }
    let message = format!("{base} is {}, which is read by {fits}, and this may be {}", ty.kinds(), keys.without(fits));
    Look::from(found).note(Cause::new(TypeCode::MayNotFit, message))
}

fn inside_secret(base: &str) -> Look {
    let message = format!("{base} is a secret, and there is no way into it");
    Look::error(Cause::new(TypeCode::Secret, message).hint(secret::ALONE))
}

fn step_part(ty: &Ty, key: &Key, base: &str) -> Look {
    match (ty, key) {
        (Ty::Any, _) => Ty::Any.into(),
        (Ty::Secret, _) => inside_secret(base),
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
        // What may be left out and may be null is written as null by whoever keeps to its own schema: the null is noted
        // where it goes.
        (Some(field), _) if field.required || field.ty.parts().contains(&Ty::Null) => field.ty.clone().into(),
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
