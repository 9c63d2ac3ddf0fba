//! One look at whether an instance was ended: EC2's word, the group's word, and the group's activities.
//!
//! It asks about the instance and not about who ended it. A look that could not be taken is a problem, and then nobody
//! can tell.

use serde::Serialize;
use sluice_plugin::Problem;
use sluice_plugin::inventory::Node;

use crate::clients::ClientSet;
use crate::ec2;
use crate::group::{self, Member};
use crate::moving::{self, Activity, MOST_ACTIVITIES};

/// What was seen; the evidence as it stands.
#[derive(Debug, Serialize)]
pub(super) struct Look {
    /// EC2's state; null when EC2 does not list the instance.
    pub(super) state: Option<String>,
    /// What the group lists, the instance or others.
    pub(super) instances: Vec<Member>,
    /// The newest activity that ends the instance.
    pub(super) ending: Option<Activity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Done,
    NotDone,
    Nothing,
}

pub(super) async fn look(aws: &ClientSet, node: &Node, instance: &str) -> Result<Look, Problem> {
    let names = std::slice::from_ref(&node.group);
    let (groups, seen, activities) = tokio::try_join!(
        group::describe(aws, names),
        ec2::describe(aws, instance),
        moving::activities(aws, &node.group, MOST_ACTIVITIES)
    )?;
    let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(aws, &node.group))?;
    Ok(Look {
        state: ec2::state(seen.as_ref()),
        instances: Member::all(group),
        ending: activities.into_iter().find(|activity| activity.ends(instance)),
    })
}

impl Look {
    pub(super) fn says(&self, instance: &str) -> Says {
        let member = self.instances.iter().find(|member| member.id == instance);
        let lifecycle = member.map(|member| member.lifecycle.as_str());
        // An activity that failed or was cancelled is a word for neither.
        let accepted = self.ending.as_ref().map(|ending| !["Failed", "Cancelled"].contains(&ending.status.as_str()));
        match (self.state.as_deref(), lifecycle, accepted) {
            (Some("shutting-down" | "terminated"), ..) => Says::Done,
            (_, Some(lifecycle), _) if lifecycle.starts_with("Terminat") => Says::Done,
            (_, _, Some(true)) => Says::Done,
            // EC2 forgets an instance an hour after its end.
            (None, None, _) => Says::Done,
            (Some("running" | "pending" | "stopping" | "stopped"), Some("InService"), None) => Says::NotDone,
            _ => Says::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, lifecycle: &str) -> Member {
        Member {
            id: id.into(),
            lifecycle: lifecycle.into(),
            health: "Healthy".into(),
            zone: None,
            instance_type: None,
            protected_from_scale_in: false,
            launch_template: None,
        }
    }

    fn ending(status: &str) -> Activity {
        Activity {
            id: "a1".into(),
            status: status.into(),
            message: None,
            description: Some("Terminating EC2 instance: i-1".into()),
            cause: None,
            progress: None,
            started_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn what_a_look_says() {
        let check = |state: Option<&str>, instances: &[(&str, &str)], activity: Option<&str>, expect: Says| {
            let look = Look {
                state: state.map(str::to_owned),
                instances: instances.iter().map(|(id, lifecycle)| member(id, lifecycle)).collect(),
                ending: activity.map(ending),
            };
            assert_eq!(look.says("i-1"), expect, "{look:?}");
        };
        let (listed, other) = ([("i-1", "InService")], [("i-2", "InService")]);
        check(Some("terminated"), &[], None, Says::Done);
        check(Some("shutting-down"), &listed, None, Says::Done);
        check(Some("terminated"), &other, Some("Successful"), Says::Done);
        check(Some("running"), &[("i-1", "Terminating")], None, Says::Done);
        check(Some("running"), &[("i-1", "Terminating:Wait"), ("i-2", "Pending")], None, Says::Done);
        check(Some("running"), &listed, Some("InProgress"), Says::Done);
        check(Some("running"), &[], Some("Successful"), Says::Done);
        check(None, &other, None, Says::Done);
        check(None, &[], None, Says::Done);

        check(Some("running"), &listed, None, Says::NotDone);
        check(Some("stopped"), &listed, None, Says::NotDone);

        check(Some("running"), &listed, Some("Failed"), Says::Nothing);
        check(Some("running"), &listed, Some("Cancelled"), Says::Nothing);
        check(None, &listed, None, Says::Nothing);
        check(Some("running"), &[], None, Says::Nothing);
        check(Some("running"), &other, None, Says::Nothing);
        check(Some("running"), &[("i-1", "Standby")], None, Says::Nothing);
        check(Some("running"), &[("i-1", "Pending")], None, Says::Nothing);
        check(Some("pondering"), &listed, None, Says::Nothing);
    }
}
