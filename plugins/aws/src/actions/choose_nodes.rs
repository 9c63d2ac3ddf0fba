//! `aws.choose_nodes`: which nodes of a cluster are to be replaced: those named, those launched from an older template than
//! their group has now, those older than a given age.
//!
//! Each filter that is given leaves nodes out, and every node that is left out says why. A node without an instance is
//! never left out: there is nothing it could be up to date with. It asks AWS nothing where no filter needs it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::AutoScalingGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Timestamp, format_duration, parse_duration,
};

use crate::action::{About, input, output, read_spec, required};
use crate::by_hand;
use crate::clients::{ClientSet, Clients};
use crate::ec2::{self, DESCRIBE_INSTANCES, DESCRIBE_TEMPLATES, Versions};
use crate::group::{self, DESCRIBE_GROUPS, Member, Template};

pub(crate) struct ChooseNodes(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// Only these. None: all nodes of the cluster.
    #[serde(default)]
    nodes: Vec<Node>,
    /// Only those whose instance was launched from another template, or version of it, than the group has now.
    #[serde(default)]
    outdated: bool,
    /// Only those whose instance was launched longer ago: `7d`. `0s`: whatever its age.
    #[serde(default)]
    older_than: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// In the order of the cluster.
    nodes: Vec<Node>,
    left_out: Vec<LeftOut>,
    summary: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    node: String,
    why: String,
}

#[async_trait]
impl Action for ChooseNodes {
    fn spec(&self) -> ActionSpec {
        read_spec::<Input, Output>(About {
            name: "aws.choose_nodes",
            summary: "Choose the nodes of a cluster that are to be replaced",
            rights: &[(DESCRIBE_GROUPS, "*"), (DESCRIBE_INSTANCES, "*"), (DESCRIBE_TEMPLATES, "*")],
            examples: vec![example()],
        })
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let asked: Input = input(call)?;
        let filter =
            Filter { outdated: asked.outdated, older_than: age(asked.older_than.as_deref())?, now: host.now() };
        let Input { cluster, nodes: named, .. } = asked;
        let mut left_out = Vec::new();
        let (wanted, unnamed): (Vec<&Node>, Vec<&Node>) =
            cluster.nodes.iter().partition(|node| named.is_empty() || named.iter().any(|one| one.name == node.name));
        left_out
            .extend(unnamed.into_iter().map(|node| LeftOut { node: node.name.clone(), why: "not asked for".into() }));
        let mut chosen = Vec::new();
        let seen = if filter.is_open() { None } else { Some(self.look(&cluster, &wanted, call, &filter).await?) };
        for node in wanted {
            match seen.as_ref().and_then(|seen| filter.leaves_out(seen.get(&node.name)?)) {
                Some(why) => left_out.push(LeftOut { node: node.name.clone(), why }),
                None => chosen.push(node.clone()),
            }
        }
        let summary = summary(&chosen, cluster.nodes.len());
        output(Output { nodes: chosen, left_out, summary })
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, .. }) = input::<Input>(call) else { return Vec::new() };
        let Some(aws) = &cluster.aws else { return Vec::new() };
        let names = cluster.nodes.iter().map(|node| node.group.as_str());
        let look_for = "each instance's launch template beside its group's: those that differ are outdated";
        vec![by_hand::account(aws), by_hand::groups(aws, names, look_for)]
    }
}

impl ChooseNodes {
    /// The instances of these nodes, by the node's name.
    async fn look(
        &self,
        cluster: &Cluster,
        nodes: &[&Node],
        call: &Call,
        filter: &Filter,
    ) -> Result<BTreeMap<String, Seen>, Problem> {
        let aws = required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let names: Vec<String> = nodes.iter().map(|node| node.group.clone()).collect();
        let groups = group::describe(&aws, &names).await?;
        let templates = groups.values().filter_map(Template::of_group).filter(|_| filter.outdated);
        let versions = ec2::versions(&aws, templates.filter_map(|template| template.id).collect()).await?;
        let looks = nodes.iter().map(|node| one(&aws, node, groups.get(&node.group), &versions));
        let seen = futures::future::try_join_all(looks).await?;
        Ok(nodes.iter().map(|node| node.name.clone()).zip(seen).collect())
    }
}

async fn one(
    aws: &ClientSet,
    node: &Node,
    group: Option<&AutoScalingGroup>,
    versions: &BTreeMap<String, Versions>,
) -> Result<Seen, Problem> {
    let group = group.ok_or_else(|| group::no_such_group(aws, &node.group))?;
    let next = Template::of_group(group).map(|template| resolved(template, versions));
    let mut all = Member::all(group);
    // Of several nobody can say which one is the node: it is not left out, and whoever replaces it refuses, with the reason.
    let Some(member) = all.pop().filter(|_| all.is_empty()) else { return Ok(Seen { instance: None, next }) };
    let launched = ec2::describe(aws, &member.id).await?.and_then(|seen| crate::action::millis(seen.launch_time()));
    Ok(Seen { instance: Some((member, launched.map(Timestamp))), next })
}

/// With the number in place of `$Latest` and `$Default`.
fn resolved(template: Template, versions: &BTreeMap<String, Versions>) -> Template {
    let known = template.id.as_ref().and_then(|id| versions.get(id));
    let version = match (template.version.as_deref(), known) {
        (Some("$Latest"), Some(known)) => known.latest.to_string(),
        // A group that names no version takes the default one.
        (Some("$Default") | None, Some(known)) => known.default.to_string(),
        _ => return template,
    };
    Template { version: Some(version), ..template }
}

/// What is known of one node.
struct Seen {
    /// With when it was launched.
    instance: Option<(Member, Option<Timestamp>)>,
    /// What its group launches next.
    next: Option<Template>,
}

struct Filter {
    outdated: bool,
    older_than: Duration,
    now: Timestamp,
}

impl Filter {
    /// Nothing has to be looked at.
    fn is_open(&self) -> bool {
        !self.outdated && self.older_than.is_zero()
    }

    /// Why the node is not to be replaced. What is not known leaves nothing out.
    fn leaves_out(&self, seen: &Seen) -> Option<String> {
        let (member, launched) = seen.instance.as_ref()?;
        if let Some(age) = launched.map(|launched| self.now.since(launched)).filter(|age| *age < self.older_than) {
            let (age, limit) = (format_duration(Duration::from_secs(age.as_secs())), format_duration(self.older_than));
            return Some(format!("{} was launched {age} ago, which is less than {limit}", member.id));
        }
        let is = member.launch_template.as_ref().filter(|_| self.outdated)?;
        let next = seen.next.as_ref()?;
        let known = |template: &Template| Some((template.id.clone()?, template.version.clone()?));
        let same = known(is)? == known(next)?;
        same.then(|| format!("{} runs version {} of its launch template already", member.id, version(is)))
    }
}

fn version(template: &Template) -> &str {
    template.version.as_deref().unwrap_or("?")
}

fn age(text: Option<&str>) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    parse_duration(text).map_err(|why| Problem::bad_input("/older_than", format!("`older_than`: {why}")))
}

fn summary(chosen: &[Node], all: usize) -> String {
    let names = chosen.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    if chosen.is_empty() {
        return format!("none of {all} nodes is to be replaced");
    }
    format!("{} of {all} nodes: {names}", chosen.len())
}

fn example() -> Example {
    let (cluster, node) = super::groups::cluster_of_one();
    Example {
        summary: "The only node, whose group has a newer launch template".to_owned(),
        with: json!({ "cluster": cluster, "outdated": true }),
        output: json!({ "nodes": [node], "left_out": [], "summary": "1 of 1 nodes: nats-staging-node-1" }),
    }
}

#[cfg(test)]
mod tests;
