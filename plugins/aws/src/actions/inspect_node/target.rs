//! Which instance of a node is looked at: the one its group has now.
//!
//! The state of the instance does not matter here: one that starts, goes or is ill is a reason to look.

use sluice_plugin::Problem;
use sluice_plugin::inventory::Node;

use crate::clients::ClientSet;
use crate::group::{self, Member};

pub(super) async fn instance(aws: &ClientSet, node: &Node, wanted: Option<&str>) -> Result<String, Problem> {
    let groups = group::describe(aws, std::slice::from_ref(&node.group)).await?;
    let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(aws, &node.group))?;
    let members = Member::all(group);
    let listed = members.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect::<Vec<_>>().join(", ");
    let by_name = |code: &str, message: String| Problem {
        path: Some("/instance".to_owned()),
        ..Problem::not_applied(code, message)
    };
    match (wanted, members.as_slice()) {
        (_, []) => {
            let message = format!(
                "group {} of {} has no instance; wait for the next one, or see with aws.activities why none comes",
                node.group, node.name
            );
            Err(Problem::not_applied("no_instance", message).retryable())
        }
        (Some(wanted), members) if members.iter().any(|one| one.id == wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => {
            let message = format!("{wanted} is not in group {} of {}, which has {listed}", node.group, node.name);
            Err(by_name("not_found", message))
        }
        (None, [one]) => Ok(one.id.clone()),
        (None, several) => {
            let message = format!(
                "group {} of {} has {} instances: {listed}; say with `instance` which one is meant",
                node.group,
                node.name,
                several.len()
            );
            Err(by_name("several_instances", message))
        }
    }
}
