//! Why a group is not idle, in words; it asks nobody.

use sluice_plugin::Verdict;

use super::Group;
use crate::group::Member;
use crate::moving::{Activity, Refresh};

pub(super) fn verdict(busy: &[String]) -> (Verdict, String) {
    match busy {
        [] => (Verdict::Pass, "nothing moves in any group".to_owned()),
        busy => (Verdict::Fail, busy.join("; ")),
    }
}

/// All reasons, each with the node's name before it.
pub(super) fn reasons(group: &Group) -> Vec<String> {
    let mut reasons = Vec::new();
    if group.exists {
        reasons.extend(group.status.iter().map(|status| format!("group {}: {status}", group.name)));
        reasons.extend(group.refreshes.iter().map(Refresh::said));
        reasons.extend(group.activities.iter().map(Activity::said));
        if group.suspended.iter().any(|process| process == "Launch") {
            reasons.push("Launch is suspended: a lost instance is not replaced".to_owned());
        }
        reasons.extend(instances(group));
    } else {
        reasons.push(format!("AWS knows no group {}", group.name));
    }
    reasons.into_iter().map(|reason| format!("{}: {reason}", group.node)).collect()
}

fn instances(group: &Group) -> Option<String> {
    match group.instances.as_slice() {
        [one] if group.excepted || is_well(one) => None,
        [one] => Some(format!("{} is {} and {}", one.id, one.lifecycle, one.health)),
        [] if group.excepted => None,
        [] => Some("its group has no instance".to_owned()),
        several => {
            let listed: Vec<_> = several.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect();
            Some(format!("its group has {} instances: {}", several.len(), listed.join(", ")))
        }
    }
}

/// One that is unhealthy is about to be replaced by its group.
fn is_well(member: &Member) -> bool {
    member.lifecycle == "InService" && member.health == "Healthy"
}

/// Processes that are switched off and leave the cluster idle all the same.
pub(super) fn warning(group: &Group) -> Option<String> {
    let others: Vec<&str> = group.suspended.iter().map(String::as_str).filter(|process| *process != "Launch").collect();
    let listed = others.join(", ");
    (!others.is_empty()).then(|| format!("{}: suspended in its group: {listed}", group.node))
}
