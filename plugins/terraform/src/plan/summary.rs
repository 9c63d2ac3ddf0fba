//! A plan in JSON, without its values: those are never taken out of the answer.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;

/// What a plan says as far as it is read.
#[derive(Deserialize)]
pub(super) struct Summary {
    #[serde(default)]
    format_version: String,
    #[serde(default)]
    pub(super) terraform_version: Option<String>,
    #[serde(default)]
    resource_changes: Vec<Planned>,
    #[serde(default)]
    output_changes: BTreeMap<String, Done>,
    /// What is left for a later run.
    #[serde(default)]
    deferred_changes: Vec<IgnoredAny>,
    /// What is called beside resources.
    #[serde(default)]
    action_invocations: Vec<IgnoredAny>,
    #[serde(default)]
    errored: bool,
}

#[derive(Deserialize)]
struct Planned {
    address: String,
    #[serde(default)]
    module_address: String,
    #[serde(rename = "type")]
    kind: String,
    /// What is left over of a replacement that failed.
    #[serde(default)]
    deposed: Option<String>,
    change: Done,
}

#[derive(Deserialize)]
struct Done {
    actions: Vec<String>,
    #[serde(default)]
    importing: Option<IgnoredAny>,
}

/// One resource that changes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Change {
    pub(super) address: String,
    /// Empty outside of modules.
    pub(super) module: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) action: Does,
    pub(super) allowed: bool,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Does {
    Create,
    Update,
    Delete,
    /// Deleted and created, in either order.
    Replace,
    /// Taken into the state as it is.
    Import,
    /// Taken out of the state and left.
    Forget,
    /// Something that is not known here, and never allowed.
    Other,
}

impl Summary {
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// Only a form that this was written for is judged.
    pub(super) fn understood(self) -> Result<Self, Problem> {
        if self.format_version.starts_with("1.") {
            return Ok(self);
        }
        let message = format!(
            "the plan has the format `{}`, and only 1.x is known here: judge it in the web page of the run",
            self.format_version.escape_debug()
        );
        Err(Problem::not_applied("unexpected_answer", message))
    }

    /// Why a look at the resources does not say all.
    pub(super) fn is_whole(&self) -> Result<(), &'static str> {
        if self.errored {
            return Err("ended in an error, and holds only a part of what would change");
        }
        if !self.deferred_changes.is_empty() {
            return Err("leaves changes for a later run, which nobody can judge yet");
        }
        if !self.action_invocations.is_empty() {
            return Err("calls actions beside what it does to resources, which nothing here can allow");
        }
        Ok(())
    }

    pub(super) fn outputs(&self) -> Vec<String> {
        let changed = self.output_changes.iter().filter(|(_, done)| done.does().is_some());
        changed.map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn changes(self, allowed: impl Fn(&Change) -> bool) -> Vec<Change> {
        let changes = self.resource_changes.into_iter().filter_map(|planned| {
            let action = planned.change.does()?;
            let address = match planned.deposed {
                Some(key) => format!("{} (deposed {key})", planned.address),
                None => planned.address,
            };
            let change = Change { address, module: planned.module_address, kind: planned.kind, action, allowed: false };
            Some(Change { allowed: allowed(&change), ..change })
        });
        changes.collect()
    }
}

impl Done {
    /// `None`: nothing, or it is only read.
    fn does(&self) -> Option<Does> {
        let actions: Vec<&str> = self.actions.iter().map(String::as_str).collect();
        Some(match actions.as_slice() {
            ["no-op"] if self.importing.is_some() => Does::Import,
            ["no-op" | "read"] => return None,
            ["create"] => Does::Create,
            ["update"] => Does::Update,
            ["delete"] => Does::Delete,
            ["delete", "create"] | ["create", "delete"] => Does::Replace,
            ["forget"] => Does::Forget,
            _ => Does::Other,
        })
    }
}

impl fmt::Display for Does {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Replace => "replace",
            Self::Import => "import",
            Self::Forget => "forget",
            Self::Other => "do something unknown to",
        })
    }
}
