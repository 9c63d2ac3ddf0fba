//! `aws.new_instance`: the gate behind a replacement. It passes when the group has exactly one instance, in service and
//! running, that is not the old one; until then it says why nothing has come.
//!
//! In service is what AWS says: it comes before the server is up, and long before its data is there.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, GateClass, Host, Outcome, Problem, Verdict};

use super::node_instance::{self, Output};
use crate::action::{About, gate_spec, input, judged, required, text};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::{self, DESCRIBE_INSTANCES};
use crate::group::{self, DESCRIBE_GROUPS, Member};
use crate::moving::{self, Activity, DESCRIBE_ACTIVITIES};

pub(crate) struct NewInstance(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
    /// The instance that was ended; null when the group had none.
    #[serde(default)]
    old: Option<String>,
}

#[async_trait]
impl Action for NewInstance {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.new_instance",
            summary: "Check that the replacement of an instance is in service",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_INSTANCES, "*"), (DESCRIBE_ACTIVITIES, "*")],
            examples: vec![example()],
        };
        gate_spec::<Input, Output>(GateClass::Data, about)
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node, old } = input(call)?;
        let aws = required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let names = std::slice::from_ref(&node.group);
        let (groups, newest) =
            tokio::try_join!(group::describe(&aws, names), moving::newest_activity(&aws, &node.group))?;
        let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(&aws, &node.group))?;
        let mut seen = Output::of_group(&node, aws.region(), group);
        let members = Member::all(group);
        if let Some(new) = members.iter().find(|member| Some(&member.id) != old.as_ref()) {
            let instance = ec2::describe(&aws, &new.id).await?;
            seen = seen.of_member(new.clone(), instance.as_ref());
        }
        let group_state = text(group.status());
        let verdict = verdict(&node, old.as_deref(), &seen, &members, group_state.as_deref(), newest.as_ref());
        judged(seen, verdict)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node, old }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &node.aws else { return Vec::new() };
        let look_for = match old {
            Some(old) => format!("one instance, InService, whose id is not {old}"),
            None => "one instance, InService".to_owned(),
        };
        vec![by_hand::account(aws), by_hand::groups(aws, [node.group.as_str()], &look_for)]
    }
}

/// Fail where nothing will come by itself; inconclusive where it is on its way.
fn verdict(
    node: &Node,
    old: Option<&str>,
    seen: &Output,
    members: &[Member],
    group_state: Option<&str>,
    newest: Option<&Activity>,
) -> (Verdict, String) {
    let name = &node.name;
    match members {
        [one] if Some(one.id.as_str()) != old => of_the_one(name, seen, one),
        [one] => (Verdict::Inconclusive, format!("{name} still has its old instance {} ({})", one.id, one.lifecycle)),
        [] => nothing_there(node, seen, group_state, newest),
        several => {
            let listed: Vec<_> = several.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect();
            let hint = hindrance(node, seen, group_state).map(|why| format!("; {why}")).unwrap_or_default();
            (Verdict::Inconclusive, format!("{name} has several instances: {}{hint}", listed.join(", ")))
        }
    }
}

fn of_the_one(name: &str, seen: &Output, one: &Member) -> (Verdict, String) {
    let state = seen.state.as_deref().unwrap_or("not listed by EC2 yet");
    let said = format!("{name} has {}: {}, {}, {state}", one.id, one.lifecycle, one.health);
    let there = one.lifecycle == "InService" && one.health == "Healthy" && state == "running";
    (if there { Verdict::Pass } else { Verdict::Inconclusive }, said)
}

fn nothing_there(
    node: &Node,
    seen: &Output,
    group_state: Option<&str>,
    newest: Option<&Activity>,
) -> (Verdict, String) {
    let newest = newest.map_or_else(|| "it has no scaling activity".to_owned(), |newest| newest.said());
    let empty = format!("group {} of {} has no instance", node.group, node.name);
    match hindrance(node, seen, group_state) {
        Some(why) => (Verdict::Fail, format!("{empty}, and none will come: {why}; {newest}")),
        None => (Verdict::Inconclusive, format!("{empty} yet; {newest}")),
    }
}

/// Why the group launches nothing, as far as its settings tell.
fn hindrance(node: &Node, seen: &Output, group_state: Option<&str>) -> Option<String> {
    if seen.suspended.iter().any(|process| process == "Launch") {
        return Some(format!("Launch is suspended in group {}", node.group));
    }
    if seen.desired.is_some_and(|desired| desired < 1) {
        return Some(format!("the desired capacity of group {} is 0", node.group));
    }
    group_state.map(|state| format!("group {}: {state}", node.group))
}

fn example() -> Example {
    let mut example = node_instance::example();
    "The replacement of node 1 is in service".clone_into(&mut example.summary);
    if let Some(with) = example.with.as_object_mut() {
        with.insert("old".to_owned(), json!("i-0fedcba9876543210"));
    }
    example
}

#[cfg(test)]
mod tests;
