//! What an action says of itself: the part of the contract that the checker, `sluice actions` and the plan read.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema;

/// One operation a plugin offers, described. The description is data: it is digested, shown, and compared on resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionSpec {
    pub name: ActionName,
    /// One sentence, no full stop, in the imperative: "Read the health of every node".
    pub summary: String,
    /// What the action can do to the world. A runbook may raise it and never lower it.
    pub effect: Effect,
    /// True when doing it twice is the same as doing it once. Never true of `destroy`.
    pub idempotent: bool,
    /// Set when the action returns a verdict and may stand behind `gate:` without `expect`.
    pub gate: Option<GateClass>,
    /// True when what it returns lives only as long as the process (secrets, private files): a resumed run calls it again.
    pub ephemeral: bool,
    /// JSON Schema 2020-12 of `with`. A leaf that may hold a secret says `x-secret: true`.
    pub input: Value,
    /// JSON Schema 2020-12 of the output.
    pub output: Value,
    pub abilities: Abilities,
    /// What the caller's identity must be allowed to do, for `sluice iam`.
    pub permissions: Vec<Permission>,
    /// Examples that tests run against the schemas.
    pub examples: Vec<Example>,
    /// Raised by hand when the meaning changes while name, effect and schemas stay.
    pub revision: u32,
}

impl ActionSpec {
    /// A read without a verdict, rights and examples, described by the types it takes and gives. What differs is set on what
    /// comes back.
    pub fn reading<In: JsonSchema, Out: JsonSchema>(name: ActionName, summary: &str) -> Self {
        Self {
            name,
            summary: summary.to_owned(),
            effect: Effect::Read,
            idempotent: true,
            gate: None,
            ephemeral: false,
            input: schema::of::<In>(),
            output: schema::of::<Out>(),
            abilities: Abilities::default(),
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: 1,
        }
    }
}

/// What an action can do to the world. The order is the order of danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks. Writes nowhere but in the run's own private files.
    Read,
    /// Writes, and what it wrote can be written back.
    Change,
    /// Ends something that does not come back by itself.
    Destroy,
}

/// What a gate's verdict rests on. A runbook may lower a gate to evidence and never raise it to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateClass {
    /// It looked at the thing itself. It refuses.
    Data,
    /// It looked at what others say about the thing (logs). It stops, and a person may override.
    Evidence,
}

/// Which optional calls an action answers beside `run`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Abilities {
    pub check: bool,
    pub preview: bool,
    pub reconcile: bool,
}

/// One right that the caller's identity needs, in the words of the service that grants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// `aws`, `nats`, ...
    pub service: String,
    /// `autoscaling:TerminateInstanceInAutoScalingGroup`, `$JS.API.STREAM.INFO.*`, ...
    pub right: String,
    /// What it is needed on; may hold `{field}` of `with`.
    pub on: String,
}

/// A `with` that works, and what it is an example of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    pub summary: String,
    pub with: Value,
    /// An output that fits the output schema.
    pub output: Value,
}

/// `nats.quorum`: the plugin's name, a dot, the operation. This is what a journal keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ActionName(String);

/// The part of an action's name before the dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// A name that is not `[a-z][a-z0-9_]*`, with one dot where an action is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not {wanted}")]
pub struct BadName {
    name: String,
    wanted: &'static str,
}

impl ActionName {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        match text.split_once('.') {
            Some((plugin, operation)) if is_word(plugin) && is_word(operation) => Ok(Self(text.to_owned())),
            _ => Err(BadName {
                name: text.to_owned(),
                wanted: "the name of an action: `plugin.operation`, in small letters",
            }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn plugin(&self) -> &str {
        self.0.split_once('.').map_or("", |(plugin, _)| plugin)
    }

    pub fn operation(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, operation)| operation)
    }
}

impl PluginName {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if is_word(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(BadName { name: text.to_owned(), wanted: "the name of a plugin: small letters, digits and `_`" })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

macro_rules! text_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_name!(ActionName);
text_name!(PluginName);

impl fmt::Display for Effect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Read => "read",
            Self::Change => "change",
            Self::Destroy => "destroy",
        })
    }
}

impl fmt::Display for GateClass {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Data => "data",
            Self::Evidence => "evidence",
        })
    }
}
