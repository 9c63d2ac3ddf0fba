//! A JSON Schema as a person reads it: one line for each field, nested ones indented.

use serde_json::{Map, Value};

use super::text;
use crate::screen::{Stream, Tone};

/// Nested deeper than this is shown by its type alone.
const DEEPEST: usize = 4;

/// The fields of an object schema; for anything else its type.
pub(crate) fn show(schema: &Value, stream: &Stream, indent: usize) -> String {
    let mut shown = String::new();
    match schema.get("properties").and_then(Value::as_object) {
        Some(fields) => object(schema, fields, stream, indent, 0, &mut shown),
        None => shown.push_str(&format!("{:indent$}{}\n", "", type_of(schema))),
    }
    if shown.is_empty() { format!("{:indent$}nothing\n", "") } else { shown }
}

fn object(
    schema: &Value,
    fields: &Map<String, Value>,
    stream: &Stream,
    indent: usize,
    depth: usize,
    shown: &mut String,
) {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let width = fields.keys().map(|name| text::width(name)).max().unwrap_or(0);
    for (name, field) in fields {
        let mut about = type_of(field);
        if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
            about.push_str(&format!(", default {default}"));
        } else if depth == 0 && required.contains(&name.as_str()) {
            about.push_str(", required");
        }
        let pad = indent + depth * 2;
        let head = stream.paint(Tone::Strong, name);
        let fill = " ".repeat(width.saturating_sub(text::width(name)) + 2);
        shown.push_str(&format!("{:pad$}{head}{fill}{}\n", "", stream.paint(Tone::Dim, &about)));
        if let Some(description) = field.get("description").and_then(Value::as_str) {
            let room = stream.width.saturating_sub(pad + width + 2).max(24);
            for line in text::wrap(description, room) {
                shown.push_str(&format!("{:1$}{line}\n", "", pad + width + 2));
            }
        }
        let inner = inside(field);
        if let Some(fields) = inner.get("properties").and_then(Value::as_object).filter(|_| depth < DEEPEST) {
            object(inner, fields, stream, indent, depth + 1, shown);
        }
    }
}

/// The schema itself, or the one beside null where there is exactly one.
pub(crate) fn without_null(schema: &Value) -> &Value {
    match variants(schema).as_slice() {
        [only] => only,
        _ => schema,
    }
}

/// The schema of the items, or the one that is not `null`.
fn inside(schema: &Value) -> &Value {
    if let Some(items) = schema.get("items") {
        return inside(items);
    }
    match variants(schema).as_slice() {
        [only] => inside(only),
        _ => schema,
    }
}

/// What `anyOf` or `oneOf` allows beside null.
fn variants(schema: &Value) -> Vec<&Value> {
    let all = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    let real = |one: &&Value| one.get("type").and_then(Value::as_str) != Some("null");
    all.into_iter().flatten().filter(real).collect()
}

fn type_of(schema: &Value) -> String {
    if schema.get("x-secret") == Some(&Value::Bool(true)) {
        return "secret".to_owned();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            format!("list of {}", schema.get("items").map_or_else(|| "anything".to_owned(), type_of))
        }
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => match variants(schema).as_slice() {
            [] => "anything".to_owned(),
            all => all.iter().map(|one| type_of(one)).collect::<Vec<_>>().join(" or "),
        },
    }
}
