//! How far a run is, from the many statuses that Terraform Cloud has for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// On its way to a plan that can be confirmed, in whichever queue or check it is.
    Planning,
    /// It waits for a person's yes.
    Waiting,
    /// It has its yes, and is not at the end.
    Applying,
    Applied,
    /// The plan found nothing to change.
    Unchanged,
    Discarded,
    Canceled,
    Errored,
    /// A status that this version does not know: on its way, until another one comes.
    Unknown,
}

/// Statuses before a yes.
const BEFORE: [&str; 19] = [
    "pending",
    "fetching",
    "fetching_completed",
    "pre_plan_running",
    "pre_plan_completed",
    "queuing",
    "plan_queued",
    "planning",
    "planned",
    "cost_estimating",
    "cost_estimated",
    "policy_checking",
    "policy_override",
    "policy_checked",
    "post_plan_running",
    "post_plan_awaiting_decision",
    "post_plan_completed",
    "planned_and_saved",
    "assessing",
];

/// Statuses after it.
const BEHIND: [&str; 6] =
    ["confirmed", "queuing_apply", "apply_queued", "pre_apply_running", "pre_apply_completed", "applying"];

impl Stage {
    /// `confirmable` is what Terraform Cloud says beside the status, and the only sign that a yes is waited for: with the
    /// same status a run may go on by itself.
    pub(crate) fn of(status: &str, confirmable: bool) -> Self {
        match status {
            "applied" => Self::Applied,
            "planned_and_finished" => Self::Unchanged,
            "discarded" => Self::Discarded,
            "canceled" | "force_canceled" => Self::Canceled,
            // The last one: a policy that only warns said no, and nobody overrode it.
            "errored" | "policy_soft_failed" => Self::Errored,
            _ if BEHIND.contains(&status) => Self::Applying,
            _ if confirmable => Self::Waiting,
            _ if BEFORE.contains(&status) => Self::Planning,
            _ => Self::Unknown,
        }
    }

    /// Nothing follows.
    pub(crate) fn is_final(self) -> bool {
        match self {
            Self::Applied | Self::Unchanged | Self::Discarded | Self::Canceled | Self::Errored => true,
            Self::Planning | Self::Waiting | Self::Applying | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_stage() {
        let check = |status: &str, confirmable: bool, expect: Stage, ends: bool| {
            let stage = Stage::of(status, confirmable);
            assert_eq!((stage, stage.is_final()), (expect, ends), "{status}");
        };
        BEFORE.iter().for_each(|status| check(status, false, Stage::Planning, false));
        BEFORE.iter().for_each(|status| check(status, true, Stage::Waiting, false));
        BEHIND.iter().for_each(|status| check(status, false, Stage::Applying, false));
        check("confirmed", true, Stage::Applying, false);
        check("applied", false, Stage::Applied, true);
        check("planned_and_finished", false, Stage::Unchanged, true);
        check("discarded", false, Stage::Discarded, true);
        check("canceled", false, Stage::Canceled, true);
        check("force_canceled", false, Stage::Canceled, true);
        check("errored", true, Stage::Errored, true);
        check("policy_soft_failed", false, Stage::Errored, true);
        check("dreaming", false, Stage::Unknown, false);
        check("dreaming", true, Stage::Waiting, false);
        check("", false, Stage::Unknown, false);
    }
}
