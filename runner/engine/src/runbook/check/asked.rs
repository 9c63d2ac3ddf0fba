//! Outputs whose keys are those that the step asked for: `aws.parameters` gives a value for each of its `names`. The
//! schema of such a map says so with `x-keys`, and what was not asked for is then known not to be there.
//!
//! `{ "x-keys": { "of": "names", "not": "secret", "maybe": "optional" } }`: the fields of `with` that name the keys (a
//! mapping by its keys, a list by its items), those that are not among them, and those whose value may be null.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::checked::Tree;
use crate::expr::{Field, Object, Rest, Ty};

/// The type of what an action gives for this `with`.
pub(super) fn output(schema: &Value, with: Option<&Tree>) -> Ty {
    let mut ty = Ty::from_schema(schema);
    let properties = schema.get("properties").and_then(Value::as_object);
    let (Ty::Object(object), Some(properties), Some(with)) = (&mut ty, properties, with) else { return ty };
    for (name, property) in properties {
        let asked = property.get("x-keys").and_then(|hint| keys(hint, with));
        if let (Some(asked), Some(field)) = (asked, object.fields.get_mut(name))
            && let Ty::Object(Object { rest: Rest::Open(value), .. }) = &field.ty
        {
            field.ty = record(asked, value);
        }
    }
    ty
}

/// Each key, and whether its value may be null. Nothing where a template decides.
fn keys(hint: &Value, with: &Tree) -> Option<Vec<(String, bool)>> {
    let named = |part: &str| match hint.get(part).and_then(Value::as_str) {
        Some(field) => names(with, field),
        None => Some(BTreeSet::new()),
    };
    let (asked, not, maybe) = (named("of")?, named("not")?, named("maybe")?);
    Some(asked.difference(&not).map(|key| (key.clone(), maybe.contains(key))).collect())
}

fn record(keys: Vec<(String, bool)>, value: &Ty) -> Ty {
    let field = |(key, may_be_null): (String, bool)| {
        let ty = if may_be_null { value.clone() } else { value.without_null() };
        (key, Field { ty, required: true })
    };
    Ty::Object(Object { fields: keys.into_iter().map(field).collect(), rest: Rest::Closed })
}

/// The keys of a mapping or the texts of a list. A field that was left out names none.
fn names(with: &Tree, field: &str) -> Option<BTreeSet<String>> {
    let of_value = |value: &Value| match value {
        Value::Object(object) => Some(object.keys().cloned().collect()),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    match with {
        Tree::Constant(whole) => whole.get(field).map_or_else(|| Some(BTreeSet::new()), of_value),
        Tree::Map(entries) => match entries.get(field) {
            None => Some(BTreeSet::new()),
            Some(Tree::Constant(value)) => of_value(value),
            Some(Tree::Map(inner)) => Some(inner.keys().cloned().collect()),
            Some(Tree::Leaf(_) | Tree::Seq(_)) => None,
        },
        Tree::Leaf(_) | Tree::Seq(_) => None,
    }
}
