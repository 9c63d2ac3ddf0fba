//! `aws.bootstrap_line` over what the starts of the world's nodes left in the log.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::{CloudWatchLogs, Cluster, Node};
use sluice_plugin::{Call, Outcome, Problem, Verdict};

use super::instance::at;
use crate::fault::BootLine;
use crate::state::State;
use crate::state::scaling::LogLine;
use crate::world::World;

#[derive(Deserialize)]
struct Input {
    cluster: Cluster,
    node: Node,
    instance: String,
    #[serde(default)]
    since: Option<i64>,
}

pub(super) async fn run(world: &World, call: &Call) -> Result<Outcome, Problem> {
    let Input { cluster, node, instance, since } = super::input(call)?;
    let aws = super::required(cluster.aws.as_ref(), "/cluster/aws", &cluster.name)?;
    let unknown = || Problem::bad_input("/cluster/logs", format!("nobody says where the logs of {} are", node.name));
    let logs = cluster.logs.as_ref().map(|logs| &logs.cloudwatch).ok_or_else(unknown)?;
    let prefix = logs.stream_prefixes.get(&node.name).ok_or_else(unknown)?;
    let since = match since {
        Some(since) => Some(since),
        None => {
            let launched = |state: &mut State| {
                let mut known = state.groups.iter().flat_map(|group| &group.instances);
                known.find(|known| known.id == instance).map(|known| at(known.launched))
            };
            super::ask(world, aws, "ec2:DescribeInstances", launched).await?
        }
    };
    let mut seen = json!({
        "node": node.name, "instance": instance, "says": null, "newest": null, "since": since, "group": logs.group,
        "stream_prefix": prefix, "lines": [],
    });
    let Some(since) = since else {
        return super::judged(seen, Verdict::Inconclusive, format!("EC2 does not tell when {instance} was launched"));
    };
    let its = |line: &&LogLine| line.node == node.name && line.instance == instance && at(line.at) >= since;
    let newest = |state: &mut State| state.log.iter().rev().filter(its).cloned().collect();
    let lines: Vec<LogLine> = super::ask(world, aws, "logs:FilterLogEvents", newest).await?;
    let shown: Vec<Value> = lines.iter().map(|line| shown(line, logs, prefix)).collect();
    let (verdict, why) = match shown.first() {
        None => (Verdict::Inconclusive, format!("no line of {instance} in {}", logs.group)),
        Some(line) => (verdict(lines.first()), format!("{} said: {}", node.name, line["text"])),
    };
    if let (Some(newest), Some(fields)) = (shown.first(), seen.as_object_mut()) {
        fields.insert("says".to_owned(), newest["says"].clone());
        fields.insert("newest".to_owned(), newest["text"].clone());
        fields.insert("lines".to_owned(), json!(shown));
    }
    super::judged(seen, verdict, why)
}

fn verdict(newest: Option<&LogLine>) -> Verdict {
    match newest.map(|line| line.says) {
        Some(BootLine::Ok) => Verdict::Pass,
        Some(BootLine::Failed) => Verdict::Fail,
        Some(BootLine::Unclear | BootLine::Missing) | None => Verdict::Inconclusive,
    }
}

fn shown(line: &LogLine, logs: &CloudWatchLogs, prefix: &str) -> Value {
    let (says, word) = match line.says {
        BootLine::Ok => ("ok", "OK (HTTP 200)"),
        BootLine::Failed => ("failed", "FAILED (HTTP 403)"),
        BootLine::Unclear | BootLine::Missing => ("unclear", "begun"),
    };
    json!({
        "at": at(line.at), "stream": format!("{prefix}{}", line.instance), "says": says,
        "text": format!("[bootstrap] {}: {word}", logs.bootstrap.phrase),
    })
}
