//! `aws.bootstrap_line`: the gate on what a new instance's own start said into CloudWatch Logs.
//!
//! The text that is looked for stands in a line of failure too, so the line is read: `says`. Lines of the instance's
//! predecessors do not count. Where the lines are and what they say is the inventory's word, most of it a guess.

mod read;
mod says;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Example, GateClass, Host, Outcome, Problem, Verdict};

use self::read::{Line, Wanted};
use self::says::Says;
use super::groups;
use crate::action::{About, gate_spec, input, judged, millis, required};
use crate::by_hand;
use crate::clients::Clients;
use crate::ec2::{self, DESCRIBE_INSTANCES};
use crate::logs::{self, FILTER, LOG_GROUP_ARN, phrase};

pub(crate) struct BootstrapLine(pub(crate) Arc<Clients>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    node: Node,
    /// The instance whose start it is.
    #[schemars(regex(pattern = r"^i-[0-9a-z]{1,32}$"))]
    instance: String,
    /// Milliseconds since 1970 in UTC: older lines do not count. Without it, since EC2 launched the instance.
    #[serde(default)]
    since: Option<i64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    node: String,
    instance: String,
    /// What the newest line says: `ok`, `failed`, `unclear`; null when there is none.
    says: Option<Says>,
    /// The newest line; null when there is none.
    newest: Option<String>,
    /// Milliseconds since 1970 in UTC; null when EC2 does not know when the instance was launched.
    since: Option<i64>,
    group: String,
    stream_prefix: String,
    /// Newest first, ten at most.
    lines: Vec<Line>,
}

#[async_trait]
impl Action for BootstrapLine {
    fn spec(&self) -> ActionSpec {
        let about = About {
            name: "aws.bootstrap_line",
            summary: "Check what the start of an instance said in CloudWatch Logs",
            rights: &[(FILTER, LOG_GROUP_ARN), (DESCRIBE_INSTANCES, "*")],
            examples: vec![example()],
        };
        gate_spec::<Input, Output>(GateClass::Evidence, about)
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { cluster, node, instance, since } = input(call)?;
        let (logs, prefix) = logs::of_node(&cluster, &node)?;
        let aws = required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
        let aws = self.0.open(aws, call.purpose).await?;
        let since = match since {
            Some(since) => Some(since),
            None => millis(ec2::describe(&aws, &instance).await?.as_ref().and_then(|one| one.launch_time())),
        };
        let mut seen = Output {
            node: node.name.clone(),
            instance: instance.clone(),
            says: None,
            newest: None,
            since,
            group: logs.group.clone(),
            stream_prefix: prefix.to_owned(),
            lines: Vec::new(),
        };
        let Some(since) = since else {
            let why =
                format!("EC2 does not tell when {instance} was launched, so nobody can tell its lines from older");
            return judged(seen, (Verdict::Inconclusive, why));
        };
        let wanted = Wanted { prefix, instance: &instance, since, bootstrap: &logs.bootstrap };
        seen.lines = read::lines(&aws, &logs.group, &wanted).await?;
        (seen.says, seen.newest) = seen.lines.first().map(|line| (line.says, line.text.clone())).unzip();
        let verdict = verdict(&node, &seen, &logs.bootstrap.phrase);
        judged(seen, verdict)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, node, instance, since }) = input::<Input>(call) else { return Vec::new() };
        let (Some(aws), Ok((logs, prefix))) = (&cluster.aws, logs::of_node(&cluster, &node)) else { return Vec::new() };
        let pattern = phrase(&logs.bootstrap.phrase);
        let since = since.map(|since| since.to_string());
        let ask = ["logs", "filter-log-events", "--log-group-name", &logs.group, "--log-stream-name-prefix", prefix];
        let ask = ask.into_iter().chain(["--filter-pattern", &pattern]);
        let ask = ask.chain(since.iter().flat_map(|since| ["--start-time", since.as_str()]));
        let look_for = format!("a line of {instance} that says it went well");
        vec![by_hand::account(aws), by_hand::aws(aws, ask, &look_for)]
    }
}

fn verdict(node: &Node, seen: &Output, phrase: &str) -> (Verdict, String) {
    let Some(newest) = seen.lines.first() else {
        let Output { group, stream_prefix, instance, .. } = seen;
        let why = format!(
            "no line of {instance} with \"{phrase}\" in {group}, streams {stream_prefix}*; it may not have come yet, or \
             the group may keep no lines that old"
        );
        return (Verdict::Inconclusive, why);
    };
    let said = format!("{} said: {}", node.name, newest.text);
    match newest.says {
        Says::Ok => (Verdict::Pass, said),
        Says::Failed => (Verdict::Fail, said),
        Says::Unclear => {
            let ways = "logs.cloudwatch.bootstrap.ok and .failed of the cluster in the inventory";
            (Verdict::Inconclusive, format!("{said}; whether that is good or bad is not known: look at {ways}"))
        }
    }
}

pub(super) fn example() -> Example {
    let groups = groups::example();
    let mut cluster = groups.with.get("cluster").cloned().unwrap_or_default();
    let node = cluster.pointer("/nodes/0").cloned().unwrap_or_default();
    if let Some(cluster) = cluster.as_object_mut() {
        let by_node = |value: &str| json!({ "nats-staging-node-1": value });
        let logs = json!({
            "cloudwatch": {
                "group": "/aws/ec2/nats-cluster/nats-staging/diagnostic",
                "stream_prefixes": by_node("nats-staging-node-1-bootstrap-"),
                "bootstrap": { "match": "Axiom ingest check", "ok": ["ok"], "failed": ["failed"] },
            },
            "axiom": {
                "url": "https://api.axiom.co", "dataset": "nats-logs", "node_field": "host", "match": by_node("nats-staging-node-1"),
                "instance_field": "instance_id", "time_field": "_time",
            },
        });
        cluster.insert("logs".to_owned(), logs);
    }
    let (at, instance) = (1_795_370_460_000_i64, "i-0123456789abcdef0");
    Example {
        summary: "The start of the new instance of node 1 went well".to_owned(),
        with: json!({ "cluster": cluster, "node": node, "instance": instance, "since": at - 60_000 }),
        output: json!({
            "node": "nats-staging-node-1", "instance": instance, "says": "ok",
            "newest": "[bootstrap] Axiom ingest check: OK (HTTP 200)", "since": at - 60_000,
            "group": "/aws/ec2/nats-cluster/nats-staging/diagnostic", "stream_prefix": "nats-staging-node-1-bootstrap-",
            "lines": [{
                "at": at, "stream": format!("nats-staging-node-1-bootstrap-{instance}"),
                "text": "[bootstrap] Axiom ingest check: OK (HTTP 200)", "says": "ok",
            }],
        }),
    }
}

#[cfg(test)]
mod tests;
