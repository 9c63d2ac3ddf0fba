//! One step from a value to what is inside it. Knows no scope.

use serde_json::{Map, Value};

use super::fault::{Cause, EvalCode};
use super::kinds::Kinds;
use super::tree::Key;
use super::{near, secret};

/// What stands under `key`. `base` says what was walked so far, and is called only for a message.
pub(super) fn step<'a>(value: &'a Value, key: &Key, base: &dyn Fn() -> String) -> Result<&'a Value, Cause<EvalCode>> {
    if secret::is_secret(value) {
        return Err(inside_secret(&base()));
    }
    match (value, key) {
        (Value::Object(fields), Key::Name(name)) => fields.get(name).ok_or_else(|| no_field(fields, name, &base())),
        (Value::Array(items), Key::Index(index)) => {
            at(items, *index).ok_or_else(|| no_item(items.len(), *index, &base()))
        }
        (Value::Null, _) => Err(Cause::new(EvalCode::Undefined, format!("{} is none", base()))),
        _ => Err(no_way(Kinds::of(value), key, &base())),
    }
}

fn at(items: &[Value], index: i64) -> Option<&Value> {
    let index = match usize::try_from(index) {
        Ok(index) => index,
        Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    items.get(index)
}

fn inside_secret(base: &str) -> Cause<EvalCode> {
    Cause::new(EvalCode::Secret, format!("{base} is a secret, and there is no way into it")).hint(secret::ALONE)
}

fn no_field(fields: &Map<String, Value>, name: &str, base: &str) -> Cause<EvalCode> {
    Cause::new(EvalCode::Undefined, format!("{base} has no `{name}`"))
        .maybe_hint(near::hint(name, fields.keys().map(String::as_str)))
}

fn no_item(count: usize, index: i64, base: &str) -> Cause<EvalCode> {
    let items = if count == 1 { "1 item" } else { &format!("{count} items") };
    Cause::new(EvalCode::Undefined, format!("{base} has no item {index}: it has {items}"))
}

fn no_way(kinds: Kinds, key: &Key, base: &str) -> Cause<EvalCode> {
    let cause = Cause::new(EvalCode::WrongType, format!("{base} is {kinds}, which has no `{key}`"));
    match key {
        Key::Name(_) if kinds == Kinds::LIST => {
            cause.hint("take an item first: `[0]`, `| first`, `| map(attribute=\"...\")`")
        }
        Key::Index(_) if kinds == Kinds::OBJECT => cause.hint("an object is read by name"),
        Key::Name(_) | Key::Index(_) => cause,
    }
}
