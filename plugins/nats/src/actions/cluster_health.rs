//! `nats.cluster_health`: the whole cluster looked at in one go, and judged.
//!
//! It reads every node in rounds: the leaders' word comes from the first, each replica's own store from a later one.
//! What the rounds mean is judged in `health`; here is only when to look and when to look again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::inventory::Cluster;
use sluice_plugin::thresholds::Threshold;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem, Timestamp};

use super::common;
use super::second_source::SecondSource;
use crate::by_hand;
use crate::health::sample::{Configured, Own, Sample};
use crate::health::threshold;
use crate::health::{Report, judge};
use crate::link::creds::CredsInput;
use crate::link::wire::Wire;
use crate::monitor::reach::Kind;
use crate::monitor::read::{self, NodeRead, PATIENCE, Round};
use crate::span::Span;

pub(super) struct ClusterHealth(pub(super) Arc<dyn Wire>);

/// A node that did not answer the first time gets this long the second time.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// A failing `/healthz` writes a warning into the server's log, so it is not asked more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    cluster: Cluster,
    /// Time between the two looks that counters are compared over.
    #[serde(default = "three_seconds")]
    sample: Span,
    /// How long to go on looking at something that may settle by itself (a follower a moment behind, an election).
    #[serde(default = "three_seconds")]
    settle: Span,
    /// The alert table, `runbooks/thresholds.yaml`.
    thresholds: Vec<Threshold>,
    /// With these the JetStream API is asked for the configured streams too, and must agree with the endpoints.
    #[serde(default)]
    creds: Option<CredsInput>,
}

fn three_seconds() -> Span {
    Span::millis(3_000)
}

#[async_trait]
impl Action for ClusterHealth {
    fn spec(&self) -> ActionSpec {
        let row = json!({
            "id": "slow_consumers", "field": "varz.slow_consumers", "op": "grows", "value": 0,
            "wording": "Alert on non-zero", "say": "the server cut off or dropped messages for clients that read too slowly"
        });
        let with = json!({ "cluster": common::example_cluster(), "thresholds": [row] });
        let example = common::example("a healthy cluster", with, include_str!("../../examples/cluster_health.json"));
        let summary = "Look at every node, stream, consumer and Raft group of the cluster and judge them";
        common::gate(common::reads::<Input, Report>("nats.cluster_health", summary, vec![example]))
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        threshold::check_all(with)
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        if let Some(problem) = self.check(&call.with).into_iter().next() {
            return Err(problem);
        }
        let mut input: Input = common::input(call)?;
        common::some_nodes(&input.cluster)?;
        let labels = &input.cluster.labels;
        input.thresholds = input.thresholds.iter().filter_map(|row| row.for_labels(labels)).collect();
        let creds = input.creds.as_ref().map(|creds| creds.reveal(host, "/creds")).transpose()?;
        let mut second = match &creds {
            Some(creds) => Some(SecondSource::open(&*self.0, &input.cluster, creds).await),
            None => None,
        };
        let report = look(host, &input, second.as_mut()).await;
        let verdict = report.verdict();
        Ok(Outcome::judged(common::output(&report)?, verdict, report.summary))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { cluster, .. }) = common::input::<Input>(call) else { return Vec::new() };
        let ask = |path, look_for| by_hand::endpoints(&cluster, path, look_for);
        let mut commands = ask("/healthz", "{\"status\":\"ok\"}; this alone is true long before the data is there");
        let counters = "slow_consumers, jetstream.stats.api.errors: ask again after some seconds, they must not grow";
        commands.extend(ask("/varz", counters));
        let raft = "in each stream and consumer, cluster: a leader, and of every replica current true, offline not true, \
                    lag 0; in meta_cluster: the same leader on every node, as many peers as nodes; last_seq of each \
                    stream about the same on every node";
        commands.extend(by_hand::raft(&cluster, raft));
        commands.extend(ask("/connz?limit=1", "num_connections: not zero on all nodes together"));
        commands
    }
}

async fn look(host: &dyn Host, input: &Input, mut second: Option<&mut SecondSource>) -> Report {
    let start = host.now();
    let mut sample = empty(&input.cluster);
    common::progress(host, format!("first look at {} nodes", input.cluster.nodes.len()), 0, Some(2));
    add_round(host, input, start, &mut sample, second.as_deref_mut()).await;
    sleep_until(host, start.plus(input.sample.0)).await;
    common::progress(host, "second look, after the leaders' word", 1, Some(2));
    add_round(host, input, start, &mut sample, second.as_deref_mut()).await;
    let mut report = judge(&sample, &input.thresholds);
    let until = host.now().plus(input.settle.0);
    while report.may_settle() && host.now().plus(LOOK_AGAIN) <= until {
        common::progress(host, waits_for(&report), 2, None);
        host.sleep(LOOK_AGAIN).await;
        add_round(host, input, start, &mut sample, second.as_deref_mut()).await;
        report = judge(&sample, &input.thresholds);
    }
    report
}

fn empty(cluster: &Cluster) -> Sample {
    let nodes = cluster.nodes.iter().map(|node| Configured { name: node.name.clone(), host: node.host.clone() });
    Sample {
        cluster: cluster.name.clone(),
        nodes: nodes.collect(),
        streams: cluster.streams.clone(),
        rounds: Vec::new(),
        api: None,
        own: Own::default(),
    }
}

/// One look at all nodes, and after it at the second source, whose errors up to here are ours.
async fn add_round(
    host: &dyn Host,
    input: &Input,
    start: Timestamp,
    sample: &mut Sample,
    second: Option<&mut SecondSource>,
) {
    let at = u64::try_from(host.now().since(start).as_millis()).unwrap_or(u64::MAX);
    let frozen = |node: usize| sample.silent(node).is_some_and(|why| why.kind == Kind::Timeout);
    let patience = |node| if frozen(node) { SHORT_PATIENCE } else { PATIENCE };
    let reads: Vec<NodeRead> = read::round(host, &input.cluster.nodes, patience).await;
    sample.rounds.push(Round { at, reads });
    if let Some(second) = second {
        sample.own = second.own();
        sample.api = Some(second.ask(&input.cluster.streams).await);
    }
}

async fn sleep_until(host: &dyn Host, moment: Timestamp) {
    let left = moment.since(host.now());
    if !left.is_zero() {
        host.sleep(left).await;
    }
}

/// What is being waited for, for the person who watches.
fn waits_for(report: &Report) -> String {
    let first = report.findings.iter().find(|finding| finding.may_settle);
    first.map_or_else(String::new, |finding| format!("looking again: {}: {}", finding.subject, finding.seen))
}
