//! Whether every Raft group keeps a majority of its configured peers. Whoever could not be asked counts as down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity, Subject};

/// The votes of one group.
#[derive(Clone, Debug)]
pub(crate) struct Votes {
    pub(crate) subject: Subject,
    /// Configured peers, or more when the group counts over more.
    pub(crate) total: u64,
    pub(crate) left: u64,
}

/// The group that is nearest to losing its majority, and how many have lost it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Voters {
    /// Which group the three figures are of.
    pub(crate) group: String,
    pub(crate) total: u64,
    pub(crate) left: u64,
    pub(crate) majority: u64,
    /// Raft groups looked at.
    pub(crate) groups: u64,
    pub(crate) without_majority: Vec<String>,
}

impl Votes {
    pub(crate) fn majority(&self) -> u64 {
        self.total / 2 + 1
    }

    pub(crate) fn lost(&self) -> bool {
        self.left < self.majority()
    }

    /// How many more may go. Below zero the majority is gone.
    fn margin(&self) -> i128 {
        i128::from(self.left) - i128::from(self.majority())
    }
}

/// A group of one has no margin ever, so one of several is shown where there is one, and the meta group at a tie.
pub(crate) fn voters(votes: &[Votes]) -> Voters {
    let nearest = votes.iter().min_by_key(|votes| (!votes.lost(), votes.total < 2, votes.margin()));
    let lost = votes.iter().filter(|votes| votes.lost());
    Voters {
        group: nearest.map_or_else(String::new, |votes| votes.subject.to_string()),
        total: nearest.map_or(0, |votes| votes.total),
        left: nearest.map_or(0, |votes| votes.left),
        majority: nearest.map_or(0, Votes::majority),
        groups: votes.len() as u64,
        without_majority: lost.map(|votes| votes.subject.to_string()).collect(),
    }
}

pub(crate) fn findings(votes: &[Votes]) -> Vec<Finding> {
    votes.iter().filter(|votes| votes.lost()).map(lost).collect()
}

fn lost(votes: &Votes) -> Finding {
    let (left, total, majority) = (votes.left, votes.total, votes.majority());
    Finding::new(Severity::Critical, "no_quorum", votes.subject.clone())
        .seen(format!("{left} of {total} voters"), format!("{majority} of {total}"))
        .settling()
        .told(
            format!(
                "{} has {left} voters that can be counted on and needs {majority}; unknown counts as down",
                votes.subject
            ),
            "bring a node back before anything else; touch none of the nodes that still answer",
        )
}
