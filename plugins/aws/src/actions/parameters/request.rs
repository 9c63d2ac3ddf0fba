//! What a runbook asks of `aws.parameters`, and what can be said about it before anything is asked of AWS.
//!
//! It knows names and keys and no value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use sluice_plugin::Problem;
use sluice_plugin::inventory::Aws;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The `aws` of a cluster in the inventory.
    pub(super) aws: Option<Aws>,
    /// By a key of your choice: the parameter's name, path or ARN, also with `:version` or `:label`.
    #[schemars(extend("minProperties" = 1))]
    names: BTreeMap<String, String>,
    /// Off only for parameters that are not encrypted.
    #[serde(default = "yes")]
    pub(super) decrypt: bool,
    /// Keys whose values are secrets: they are sealed and never shown.
    #[serde(default)]
    secret: BTreeSet<String>,
    /// Keys that may be absent; their value is then null.
    #[serde(default)]
    optional: BTreeSet<String>,
    /// By key: what the value must look like.
    #[serde(default)]
    kinds: BTreeMap<String, Kind>,
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A token of three parts that starts with `eyJ`. Always secret.
    Jwt,
    /// The seed of an NKey user, which starts with `SU`. Always secret.
    Seed,
    /// Plain text that is no secret even where it is stored encrypted.
    Text,
}

/// A name as the parameter store takes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ParameterName(String);

fn yes() -> bool {
    true
}

impl Input {
    pub(super) fn parameter_names(&self) -> Result<BTreeMap<&str, ParameterName>, Problem> {
        let names = self.names.iter().map(|(key, name)| {
            let name = ParameterName::parse(name).map_err(|why| Problem::bad_input(&at("names", key), why))?;
            Ok((key.as_str(), name))
        });
        names.collect()
    }

    pub(super) fn is_secret(&self, key: &str) -> bool {
        self.secret.contains(key)
    }

    pub(super) fn is_optional(&self, key: &str) -> bool {
        self.optional.contains(key)
    }

    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.kinds.get(key).copied()
    }
}

impl ParameterName {
    /// Letters, digits and `_.-/`, and `:` for an ARN, a version or a label.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/:".contains(&byte);
        match name.len() {
            0 => Err("the name of a parameter is empty".to_owned()),
            2049.. => Err("the name of a parameter has more than 2048 characters".to_owned()),
            _ if name.bytes().all(allowed) => Ok(Self(name.to_owned())),
            _ => Err(format!("`{}` is no name of a parameter: use letters, digits and `_.-/`", name.escape_debug())),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParameterName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The lists must speak of keys that are there. Reads JSON and not [`Input`], because leaves may still hold expressions.
pub(super) fn check(with: &Value) -> Vec<Problem> {
    let Some(names) = with.get("names").and_then(Value::as_object) else { return Vec::new() };
    let known: Vec<_> = names.keys().map(String::as_str).collect();
    let listed = |field: &'static str| {
        let items = with.get(field).and_then(Value::as_array).into_iter().flatten().enumerate();
        items.filter_map(move |(index, key)| Some((format!("/{field}/{index}"), key.as_str()?)))
    };
    let kinds = with.get("kinds").and_then(Value::as_object);
    let kinds = || kinds.into_iter().flatten();
    let stray = listed("secret")
        .chain(listed("optional"))
        .chain(kinds().map(|(key, _)| (at("kinds", key), key.as_str())))
        .filter(|(_, key)| !key.contains("{{") && !known.contains(key))
        .map(|(path, key)| {
            Problem::bad_input(&path, format!("`{key}` is not a key of `names`, which has {}", known.join(", ")))
        });
    let secret: Vec<_> = listed("secret").map(|(_, key)| key).collect();
    let open = kinds()
        .filter(|(key, kind)| matches!(kind.as_str(), Some("jwt" | "seed")) && !secret.contains(&key.as_str()))
        .map(|(key, kind)| {
            let message = format!("`{key}` is of kind {kind}, which is a secret; list it under `secret`");
            Problem::bad_input(&at("kinds", key), message)
        });
    stray.chain(open).collect()
}

fn at(field: &str, key: &str) -> String {
    format!("/{field}/{}", key.replace('~', "~0").replace('/', "~1"))
}
