//! A human being as a process knows them: the name the system gives, and the person of the inventory whose name it is.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who answers, overrides or starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// `ana@laptop`: the name the system gives.
    pub actor: String,
    /// The person of the inventory to whom that name belongs. People are counted by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Of the person.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    pub proof: Proof,
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Somebody was at a terminal of this user: whoever has the machine can have any name there.
    Presence,
    /// A server has verified who it is.
    Verified,
}

impl Identity {
    /// A name that no person of the inventory has.
    pub fn nobody_known(actor: &str) -> Self {
        Self { actor: actor.to_owned(), person: None, groups: BTreeSet::new(), proof: Proof::Presence }
    }

    /// By whom people are told apart.
    pub fn who(&self) -> &str {
        self.person.as_deref().unwrap_or(&self.actor)
    }

    /// May they be the same human being? Names that belong to nobody known may be anybody's.
    pub fn may_be(&self, other: &Self) -> bool {
        match (&self.person, &other.person) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.person {
            Some(person) => write!(out, "{person} ({})", self.actor),
            None => out.write_str(&self.actor),
        }
    }
}
