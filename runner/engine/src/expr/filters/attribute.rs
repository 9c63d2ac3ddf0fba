//! Filters that look at one attribute of each item. An attribute is a path: `state`, `ports.client`, `peers.0`.

use serde_json::Value;

use super::super::fault::{Cause, EvalCode, TypeCode};
use super::super::look::{self, Look};
use super::super::tree::{Comparison, Key};
use super::super::ty::Ty;
use super::super::{access, boolean, near, number, operators, walk};
use super::Args;

type Outcome<T> = Result<T, Cause<EvalCode>>;

const TESTS: [(&str, Comparison); 8] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
    ("in", Comparison::In),
    ("not in", Comparison::NotIn),
];

pub(super) fn map(input: &Value, args: Args<'_>) -> Outcome<Value> {
    let values = of_each(items(input), args.text(0).unwrap_or_default())?;
    Ok(Value::Array(values.into_iter().cloned().collect()))
}

pub(super) fn map_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    match args.first() {
        Some(Some(path)) => ty_of_each(input, path).map(Ty::list),
        _ => Ty::list(Ty::Any).into(),
    }
}

pub(super) fn select(input: &Value, args: Args<'_>) -> Outcome<Value> {
    filtered(input, args, true)
}

pub(super) fn reject(input: &Value, args: Args<'_>) -> Outcome<Value> {
    filtered(input, args, false)
}

fn filtered(input: &Value, args: Args<'_>, wanted: bool) -> Outcome<Value> {
    let values = of_each(items(input), args.text(0).unwrap_or_default())?;
    let mut kept = Vec::new();
    for (item, value) in items(input).iter().zip(values) {
        if passes(value, args)? == wanted {
            kept.push(item.clone());
        }
    }
    Ok(Value::Array(kept))
}

fn passes(value: &Value, args: Args<'_>) -> Outcome<bool> {
    match (args.text(1), args.get(2)) {
        (None, _) => boolean::of(value),
        (Some(test), Some(other)) => number::compare(test_of(test)?, value, other),
        (Some(_), None) => Err(Cause::new(EvalCode::BadValue, NO_VALUE)),
    }
}

const NO_VALUE: &str = "there is a test and nothing to test against";

fn test_of(name: &str) -> Outcome<Comparison> {
    find_test(name)
        .ok_or_else(|| Cause::new(EvalCode::BadValue, format!("there is no test {name:?}")).maybe_hint(tests()))
}

fn find_test(name: &str) -> Option<Comparison> {
    TESTS.into_iter().find(|(known, _)| *known == name).map(|(_, op)| op)
}

/// All of them: between `=`, `==` and `!=` the nearest is no advice.
fn tests() -> Option<String> {
    near::list(TESTS.into_iter().map(|(known, _)| known))
}

pub(super) fn select_ty(input: &Ty, args: &[Option<Ty>]) -> Look {
    let get = |place: usize| args.get(place).and_then(Option::as_ref);
    let attribute = get(0).map_or_else(|| Ty::Any.into(), |path| ty_of_each(input, path));
    let test = match (get(1), get(2)) {
        (None, _) => operators::condition(&attribute.ty),
        (Some(_), None) => Look::error(Cause::new(TypeCode::WrongType, NO_VALUE)),
        (Some(test), Some(value)) => test_ty(test, &attribute.ty, value),
    };
    Look::from(input.clone()).and(attribute).and(test)
}

fn test_ty(test: &Ty, attribute: &Ty, value: &Ty) -> Look {
    let Some(name) = look::only_text(test) else {
        return Look::error(
            Cause::new(TypeCode::WrongType, "the test is written out").hint("write it in quotes: \"==\""),
        );
    };
    match find_test(name) {
        Some(op) => operators::comparison(op, attribute, value),
        None => Look::error(Cause::new(TypeCode::WrongType, format!("there is no test {name:?}")).maybe_hint(tests())),
    }
}

/// The attribute of each item; an error names the item that has none.
pub(super) fn of_each<'a>(items: &'a [Value], path: &str) -> Outcome<Vec<&'a Value>> {
    let keys = keys_of(path);
    items.iter().enumerate().map(|(index, item)| of_one(item, index, &keys)).collect()
}

fn of_one<'a>(item: &'a Value, index: usize, keys: &[Key]) -> Outcome<&'a Value> {
    keys.iter().try_fold(item, |value, key| walk::step(value, key, &|| format!("item {index} of the list")))
}

/// The type of the attribute; the path must be written out.
pub(super) fn ty_of_each(input: &Ty, path: &Ty) -> Look {
    let Some(path) = look::only_text(path) else {
        return Look::error(Cause::new(TypeCode::WrongType, "the attribute is written out").hint("write it in quotes"));
    };
    keys_of(path).iter().fold(Look::from(input.items()), |look, key| {
        let next = access::step(&look.ty, key, "an item of the list");
        look.then(next)
    })
}

fn keys_of(path: &str) -> Vec<Key> {
    path.split('.').map(|name| name.parse().map_or_else(|_| Key::Name(name.to_owned()), Key::Index)).collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
