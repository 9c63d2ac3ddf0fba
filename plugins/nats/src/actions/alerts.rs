//! `nats.alerts`: the alert table judged on samples that somebody else took: newest figures, what has lasted, what grows. A gate
//! of class evidence: it looks at what was written down of the cluster, not at the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_plugin::inventory::Cluster;
use sluice_plugin::thresholds::Threshold;
use sluice_plugin::{
    Action, ActionSpec, Call, GateClass, Host, Outcome, Problem, Timestamp, Verdict, duration, parse_duration,
};

use super::common;
use crate::alerts::{self, NotJudged, Sample, Samples, Series};
use crate::health::finding::{Finding, Severity};
use crate::health::threshold;

pub(super) struct Alerts;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// The alert table, `runbooks/thresholds.yaml`.
    thresholds: Vec<Threshold>,
    /// Events of `collect-metrics`, of all nodes, in any order; nested, or with dotted names as Axiom gives them back.
    samples: Vec<Map<String, Value>>,
    /// The field with the time of a sample: RFC 3339.
    #[serde(default = "time_field")]
    time_field: String,
    /// The field with the name of the node.
    #[serde(default = "node_field")]
    node_field: String,
    /// A sample that is older says nothing of now.
    #[serde(default = "two_minutes")]
    #[schemars(schema_with = "duration::schema")]
    fresh: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    summary: String,
    /// Critical first.
    findings: Vec<Finding>,
    nodes: Vec<NodeSeen>,
    /// Samples that are of no node of the cluster, or have no time.
    not_used: u64,
    /// Rows that could not be judged on a node. A row that could be on none is a finding too.
    not_judged: Vec<NotJudged>,
}

#[derive(Serialize, JsonSchema)]
struct NodeSeen {
    name: String,
    samples: u64,
    /// Null where there is none.
    newest_age_seconds: Option<u64>,
}

fn time_field() -> String {
    "_time".to_owned()
}

fn node_field() -> String {
    "node".to_owned()
}

fn two_minutes() -> String {
    "2m".to_owned()
}

#[async_trait]
impl Action for Alerts {
    fn spec(&self) -> ActionSpec {
        let row = json!({ "id": "disk", "field": "system.disk_used_percent", "op": "at_least", "value": 80 });
        let sample = json!({ "_time": "2026-11-22T17:54:46.927Z", "node": "nats-staging-node-1", "system": { "disk_used_percent": 12.5 } });
        let with = json!({ "cluster": common::example_cluster(), "thresholds": [row], "samples": [sample] });
        let example = common::example("one node is silent", with, include_str!("../../examples/alerts.json"));
        let summary = "Judge the alert table on samples that were taken before";
        let spec = common::reads::<Input, Output>("nats.alerts", summary, vec![example]);
        ActionSpec { gate: Some(GateClass::Evidence), ..spec }
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        let mut problems = threshold::check_all(with);
        let fresh = with.get("fresh").and_then(Value::as_str).filter(|text| !text.contains("{{"));
        problems.extend(fresh.and_then(|text| fresh_of(text).err()));
        problems
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        if let Some(problem) = self.check(&call.with).into_iter().next() {
            return Err(problem);
        }
        let input: Input = common::input(call)?;
        common::some_nodes(&input.cluster)?;
        let (samples, not_used) = sorted(&input, host.now(), fresh_of(&input.fresh)?);
        let labels = &input.cluster.labels;
        let rows: Vec<Threshold> = input.thresholds.iter().filter_map(|row| row.for_labels(labels)).collect();
        let findings = alerts::judge(&samples, &rows);
        let not_judged = alerts::not_judged(&samples, &rows);
        let (verdict, summary) = (verdict(&findings), summary(&samples, &findings, &not_judged));
        let nodes = samples.nodes.iter().map(|(name, series)| NodeSeen {
            name: name.clone(),
            samples: series.len() as u64,
            newest_age_seconds: series.newest().map(|sample| samples.now.since(sample.at).as_secs()),
        });
        let output = Output { summary: summary.clone(), findings, nodes: nodes.collect(), not_used, not_judged };
        Ok(Outcome::judged(common::output(&output)?, verdict, summary))
    }
}

fn fresh_of(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| Problem::bad_input("/fresh", why))
}

/// Each node's own samples, and how many are nobody's.
fn sorted(input: &Input, now: Timestamp, fresh: Duration) -> (Samples, u64) {
    let mut of_nodes: BTreeMap<&str, Vec<Sample>> =
        input.cluster.nodes.iter().map(|node| (node.name.as_str(), Vec::new())).collect();
    let mut not_used = 0;
    for fields in &input.samples {
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let of = text(&input.node_field).and_then(|name| of_nodes.get_mut(name));
        match (of, text(&input.time_field).and_then(sluice_plugin::time::read)) {
            (Some(series), Some(at)) => series.push(Sample { at, fields: fields.clone() }),
            _ => not_used += 1,
        }
    }
    let nodes = input
        .cluster
        .nodes
        .iter()
        .map(|node| (node.name.clone(), Series::new(of_nodes.remove(node.name.as_str()).unwrap_or_default())));
    (Samples { cluster: input.cluster.name.clone(), nodes: nodes.collect(), now, fresh }, not_used)
}

/// An alarm is an alarm, whatever its severity; that nothing is known alone is inconclusive.
fn verdict(findings: &[Finding]) -> Verdict {
    match (findings.is_empty(), findings.iter().all(|one| one.severity == Severity::Unknown)) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::Inconclusive,
        (false, false) => Verdict::Fail,
    }
}

fn summary(samples: &Samples, findings: &[Finding], not_judged: &[NotJudged]) -> String {
    let of = format!("{}, {} nodes", samples.cluster, samples.nodes.len());
    let Some(first) = findings.first() else {
        let left_out = not_judged.first().map(|one| {
            format!("; not judged {} times, first: {} on {}: {}", not_judged.len(), one.row, one.node, one.why)
        });
        return format!("{of}: no alarm{}", left_out.unwrap_or_default());
    };
    let count = if findings.len() == 1 { "1 alarm".to_owned() } else { format!("{} alarms", findings.len()) };
    format!("{of}: {count}; first: {}: {}", first.subject, first.seen)
}
