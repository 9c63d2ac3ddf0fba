//! The whole judgement: every finding, what was seen of everything, and the verdict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Verdict;
use sluice_plugin::thresholds::Threshold;

use super::asset;
use super::finding::{Finding, Severity, Subject, SubjectKind};
use super::quorum::{self, Voters};
use super::sample::Sample;
use super::stream::Row;
use super::threshold;
use super::view::{ConsumerView, MetaView, ServerView, StreamView};
use super::{meta, node, second, stream};

/// What `nats.cluster_health` returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// One line: how the cluster is, and the worst that was found.
    pub(crate) summary: String,
    /// Critical first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) counts: Counts,
    pub(crate) nodes: Vec<ServerView>,
    pub(crate) streams: Vec<StreamView>,
    pub(crate) consumers: Vec<ConsumerView>,
    pub(crate) meta: MetaView,
    pub(crate) totals: Totals,
    pub(crate) voters: Voters,
    /// Ids of thresholds whose fields are not to be seen here (`system.*`).
    pub(crate) not_judged: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) critical: u64,
    pub(crate) warning: u64,
    pub(crate) unknown: u64,
}

/// Sums over the nodes that answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    pub(crate) nodes: u64,
    pub(crate) nodes_answering: u64,
    pub(crate) connections: u64,
    pub(crate) streams: u64,
    pub(crate) consumers: u64,
    /// In all streams, each counted once.
    pub(crate) messages: u64,
    /// Over all nodes, so every replica counts.
    pub(crate) storage_bytes: u64,
    pub(crate) max_storage_bytes: u64,
    /// Between the first look and the last, our own calls taken off.
    pub(crate) api_errors_growth: u64,
    pub(crate) slow_consumers_growth: u64,
    pub(crate) window_ms: u64,
}

/// Judges a sample. Same sample, same report.
pub(crate) fn judge(sample: &Sample, thresholds: &[Threshold]) -> Report {
    let meta = meta::judge(sample);
    let mut findings = node::findings(sample);
    findings.extend(meta.findings);
    let mut votes = vec![meta.votes];
    let (mut streams, mut consumers) = (Vec::new(), Vec::new());
    for asset in asset::gather(sample) {
        let judged = stream::judge(sample, &asset);
        findings.extend(judged.findings);
        votes.push(judged.votes);
        match judged.row {
            Row::Stream(row) => streams.push(row),
            Row::Consumer(row) => consumers.push(row),
        }
    }
    findings.extend(missing_streams(sample, &streams));
    findings.extend(second::findings(sample, &streams));
    findings.extend(quorum::findings(&votes));
    findings.extend(threshold::findings(sample, thresholds));
    threshold::word(&mut findings, thresholds);
    findings.sort_by_key(|finding| finding.severity);
    let nodes = node::views(sample);
    let counts = Counts::of(&findings);
    let totals = totals(sample, &nodes, &streams, &consumers);
    let voters = quorum::voters(&votes);
    Report {
        summary: summary(sample, &findings, (counts, totals), &nodes, &voters, &meta.view),
        findings,
        counts,
        nodes,
        streams,
        consumers,
        meta: meta.view,
        totals,
        voters,
        not_judged: thresholds.iter().filter(|row| threshold::is_elsewhere(row)).map(|row| row.id.clone()).collect(),
    }
}

impl Report {
    /// Warnings pass. Unknown alone is inconclusive.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.counts.critical, self.counts.unknown) {
            (0, 0) => Verdict::Pass,
            (0, _) => Verdict::Inconclusive,
            _ => Verdict::Fail,
        }
    }

    /// True when something was found that may be gone a moment later.
    pub(crate) fn may_settle(&self) -> bool {
        self.findings.iter().any(|finding| finding.may_settle)
    }
}

impl Counts {
    fn of(findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
        Self {
            critical: count(Severity::Critical),
            warning: count(Severity::Warning),
            unknown: count(Severity::Unknown),
        }
    }
}

/// A stream nobody shows is missing only when everybody could be asked; else its nodes may be the silent ones.
fn missing_streams(sample: &Sample, seen: &[StreamView]) -> Vec<Finding> {
    let all = sample.last().is_some_and(|round| round.reads.iter().all(|read| read.jsz.is_ok()));
    let severity = if all { Severity::Critical } else { Severity::Unknown };
    let missing = sample.streams.iter().filter(|name| !seen.iter().any(|stream| stream.name == **name));
    let finding = |name: &String| {
        let finding =
            Finding::new(severity, "stream_missing", Subject::new(SubjectKind::Stream, name.clone())).settling();
        finding.seen("not there", "configured in the inventory").told(
            format!("no node that answers has the stream {name}"),
            "if nodes are unknown, bring them back first; otherwise the stream is gone with its messages and must be made again",
        )
    };
    missing.map(finding).collect()
}

fn totals(sample: &Sample, nodes: &[ServerView], streams: &[StreamView], consumers: &[ConsumerView]) -> Totals {
    let sum = |of: fn(&ServerView) -> Option<u64>| nodes.iter().filter_map(of).fold(0, u64::saturating_add);
    let grown =
        |field| (0..nodes.len()).filter_map(|node| threshold::growth(sample, node, field)).fold(0, u64::saturating_add);
    Totals {
        nodes: nodes.len() as u64,
        nodes_answering: nodes.iter().filter(|node| node.reachable).count() as u64,
        connections: sum(|node| node.connections).saturating_sub(sample.own.connections),
        streams: streams.len() as u64,
        consumers: consumers.len() as u64,
        messages: streams.iter().map(|stream| stream.messages).fold(0, u64::saturating_add),
        storage_bytes: sum(|node| node.storage_bytes),
        max_storage_bytes: sum(|node| node.max_storage_bytes),
        api_errors_growth: grown("jsz.api.errors").saturating_sub(sample.own.api_errors),
        slow_consumers_growth: grown("varz.slow_consumers"),
        window_ms: sample.window(),
    }
}

fn summary(
    sample: &Sample,
    findings: &[Finding],
    (counts, totals): (Counts, Totals),
    nodes: &[ServerView],
    voters: &Voters,
    meta: &MetaView,
) -> String {
    let worst = findings.first();
    let verdict = match worst.map(|finding| finding.severity) {
        None => "healthy".to_owned(),
        Some(Severity::Warning) => format!("healthy, {} to look at", many(counts.warning, "warning")),
        Some(Severity::Unknown) => format!("not known: {} could not be seen", counts.unknown),
        Some(Severity::Critical) => format!("not healthy: {} critical, {} unknown", counts.critical, counts.unknown),
    };
    let silent: Vec<&str> = nodes.iter().filter(|node| !node.reachable).map(|node| node.name.as_str()).collect();
    let silent = if silent.is_empty() { String::new() } else { format!(" (not {})", silent.join(", ")) };
    let leader = meta.group.leader.as_deref().unwrap_or("none");
    let state = format!(
        "{} of {} nodes answer{silent}, {} of {} voters left and {} needed, meta leader {leader}, {}, {}, {}",
        totals.nodes_answering,
        totals.nodes,
        voters.left,
        voters.total,
        voters.majority,
        many(totals.streams, "stream"),
        many(totals.consumers, "consumer"),
        many(totals.connections, "connection"),
    );
    let first = worst.map(|finding| format!("; first: {}: {}", finding.subject, finding.seen)).unwrap_or_default();
    format!("{}: {verdict}; {state}{first}", sample.cluster)
}

fn many(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
