//! Schemas from Rust types, so that a plugin's documentation cannot go stale.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

/// The JSON Schema 2020-12 of a type, with everything in place (no `$ref`) so that it reads alone.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    schema
}

/// For `#[schemars(schema_with = "sluice_plugin::schema::secret")]`: a string that may be given as a secret.
pub fn secret(_: &mut SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "x-secret": true })
}

/// For a field that holds a secret reference in an output or an input, as JSON.
pub type SecretLeaf = Value;
