//! The referee: was it safe to lose this node now? Safe means that every Raft group keeps, without the node, a majority
//! of its configured peers whose own stores hold what the leader holds. It judges and records; it stops nobody.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::jsz::{self, Group, Jsz, Monitors};
use crate::plan::{NODES, Plan};

/// A store that follows its leader is a moment behind it, on a busy machine. What asked for the node waits meanwhile; a
/// store that is being copied does not get there in this time.
const FOLLOWS_WITHIN: Duration = Duration::from_millis(300);
/// A group whose peers are all there has a leader again by then. EC2 takes longer than that to end an instance, which serves
/// meanwhile; a group that lost its majority gets none in any time.
const ELECTED_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the referee found before a node was lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// When, RFC 3339.
    pub at: String,
    /// The node's name.
    pub node: String,
    /// Its instance.
    pub instance: String,
    /// Who asked: an AWS operation or a fault of the lab.
    pub cause: String,
    /// Whether every group kept its majority.
    pub safe: bool,
    /// One line for each group judged, the bad ones first.
    pub why: Vec<String>,
    /// The AWS call behind it; none behind a fault of the lab.
    #[serde(default)]
    pub request: Option<Request>,
}

/// An AWS call that asked for a termination, as in the record of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its number there.
    pub call: u64,
    /// The id that AWS answered.
    pub request_id: String,
    /// The caller's ARN.
    pub caller: String,
    /// The session's name, when a role was assumed.
    pub session: Option<String>,
}

/// One group's part of a verdict.
struct Finding {
    safe: bool,
    /// Nobody says what it holds.
    headless: bool,
    text: String,
}

impl Finding {
    fn new(safe: bool, text: String) -> Self {
        Self { safe, headless: false, text }
    }

    fn headless(what: &str) -> Self {
        Self { safe: false, headless: true, text: format!("{what}: no leader") }
    }
}

/// Judges losing node `target` now. Leaders are read first, then every store on its own, so traffic in between can
/// only make the stores look fuller, never emptier. `streams` are there, whether or not a node says so: those that could
/// may be the ones that do not answer.
pub(crate) async fn judge(
    plan: &Plan,
    at: &Monitors,
    streams: &[String],
    target: u8,
    instance: &str,
    cause: &str,
) -> Verdict {
    let mut first = jsz::of_all(at).await;
    let asked = Instant::now();
    let findings = loop {
        let second = jsz::of_all(at).await;
        let findings = found(&first, &second, streams, target);
        let headless = findings.iter().any(|finding| finding.headless);
        let patience = if headless { ELECTED_WITHIN } else { FOLLOWS_WITHIN };
        if findings.iter().all(|finding| finding.safe) || asked.elapsed() > patience {
            break findings;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        if headless {
            first = jsz::of_all(at).await;
        }
    };
    Verdict {
        at: jiff::Timestamp::now().to_string(),
        node: plan.node_name(target),
        instance: instance.to_owned(),
        cause: cause.to_owned(),
        safe: findings.iter().all(|finding| finding.safe),
        why: findings.into_iter().map(|finding| finding.text).collect(),
        request: None,
    }
}

/// What is bad while every node is there: a group without a leader, or without a majority that holds its data.
pub(crate) async fn unsafe_as_it_is(at: &Monitors) -> Option<String> {
    const NOBODY: u8 = 0;
    let answers = jsz::of_all(at).await;
    found(&answers, &answers, &[], NOBODY).into_iter().find(|finding| !finding.safe).map(|finding| finding.text)
}

/// One for each group, the bad ones first.
fn found(first: &Answers, second: &Answers, streams: &[String], target: u8) -> Vec<Finding> {
    let mut findings = vec![meta(first, second, target)];
    findings.extend(groups(first, second, streams, target));
    if findings.len() == 1 {
        findings.push(Finding::new(true, "no stream anywhere: the lab has deleted it".into()));
    }
    findings.sort_by_key(|finding| finding.safe);
    findings
}

type Answers = [Result<Jsz>; 3];

/// The answers of the nodes that would be left.
fn left(answers: &Answers, target: u8) -> Vec<&Jsz> {
    let others = NODES.iter().zip(answers).filter(|(n, _)| **n != target);
    others.filter_map(|(_, answer)| answer.as_ref().ok()).collect()
}

fn meta(first: &Answers, second: &Answers, target: u8) -> Finding {
    let sizes = first.iter().flatten().filter_map(|answer| answer.meta_cluster.as_ref());
    let Some(size) = sizes.filter(|meta| !meta.leader.is_empty()).map(|meta| meta.cluster_size).max() else {
        return Finding::headless("meta group");
    };
    count("meta group", size, left(second, target).iter().filter(|answer| answer.meta_leader().is_some()).count())
}

/// Streams and consumers, as their leaders name them.
fn groups(first: &Answers, second: &Answers, known: &[String], target: u8) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut streams = names(first);
    streams.extend(known.iter().cloned());
    for stream in streams {
        let views = || first.iter().flatten().filter_map(|answer| answer.stream(&stream));
        if views().next().is_none() {
            findings.push(Finding::new(false, format!("stream {stream}: no node that answers has it")));
            continue;
        }
        let Some(leader) = views().find(|view| led(view.cluster.as_ref())) else {
            findings.push(Finding::headless(&format!("stream {stream}")));
            continue;
        };
        let need = leader.state.last_seq;
        let stores = left(second, target).into_iter().filter_map(|answer| answer.stream(&stream)).collect::<Vec<_>>();
        let full = stores.iter().filter(|store| store.state.last_seq >= need).count();
        let mut finding = count(&format!("stream {stream}"), peers(leader.cluster.as_ref()), full);
        finding.text += &format!(" with last_seq {need}");
        findings.push(finding);
        for name in views()
            .flat_map(|view| &view.consumer_detail)
            .map(|c| c.name.clone())
            .collect::<std::collections::BTreeSet<_>>()
        {
            let consumers = || views().flat_map(|view| &view.consumer_detail).filter(|consumer| consumer.name == name);
            let title = format!("consumer {stream} > {name}");
            let Some(leader) = consumers().find(|consumer| led(consumer.cluster.as_ref())) else {
                findings.push(Finding::headless(&title));
                continue;
            };
            let has = |store: &&&jsz::Stream| store.consumer_detail.iter().any(|consumer| consumer.name == name);
            // A consumer is worth no more than the store below it, so only peers with a full store count.
            let held = stores.iter().filter(|store| store.state.last_seq >= need).filter(has).count();
            findings.push(count(&title, peers(leader.cluster.as_ref()), held));
        }
    }
    findings
}

fn names(answers: &Answers) -> std::collections::BTreeSet<String> {
    answers.iter().flatten().flat_map(Jsz::streams).map(|stream| stream.name.clone()).collect()
}

/// A group of one replica has no cluster section, and its only server leads.
fn led(group: Option<&Group>) -> bool {
    group.is_none_or(Group::led_here)
}

fn peers(group: Option<&Group>) -> usize {
    group.map_or(1, |group| group.replicas.len() + 1)
}

fn count(title: &str, peers: usize, held: usize) -> Finding {
    let majority = peers / 2 + 1;
    Finding::new(held >= majority, format!("{title}: {held} of {peers} left, {majority} needed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use serde_json::{Value, json};

    /// A node's answer: who it thinks leads, its own last_seq (None: no replica), and the peers besides itself.
    fn answer(leader: &str, last_seq: Option<u64>, others: [&str; 2]) -> Result<Jsz> {
        let group = json!({ "leader": leader, "replicas": others.map(|name| json!({ "name": name })) });
        let stream = last_seq.map(|seq| {
            json!({ "name": "s", "state": { "last_seq": seq }, "cluster": group,
                    "consumer_detail": [{ "name": "c", "cluster": group }] })
        });
        let streams: Vec<Value> = stream.into_iter().collect();
        Ok(serde_json::from_value(json!({
            "meta_cluster": { "leader": leader, "cluster_size": 3 },
            "account_details": [{ "name": "P", "stream_detail": streams }]
        }))
        .unwrap())
    }

    fn safe(answers: &Answers, target: u8) -> bool {
        safe_with(answers, &["s"], target)
    }

    fn safe_with(answers: &Answers, known: &[&str], target: u8) -> bool {
        let known: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
        let groups = groups(answers, answers, &known, target);
        meta(answers, answers, target).safe && groups.iter().all(|finding| finding.safe)
    }

    #[test]
    fn a_stream_that_nobody_speaks_of_is_not_safe() {
        let silent = || [answer("a", None, ["b", "c"]), answer("a", None, ["a", "c"]), Err(Error::new("dead"))];
        assert!(!safe_with(&silent(), &["s"], 3), "the only ones with a replica do not answer");
        assert!(safe_with(&silent(), &[], 3), "deleted by the lab");
        let other =
            [answer("a", Some(9), ["b", "c"]), answer("a", Some(9), ["a", "c"]), answer("a", Some(9), ["a", "b"])];
        assert!(!safe_with(&other, &["s", "t"], 1), "one of two streams is missing");
    }

    #[test]
    fn a_majority_of_full_stores_must_stay() {
        let whole =
            [answer("a", Some(9), ["b", "c"]), answer("a", Some(9), ["a", "c"]), answer("a", Some(9), ["a", "b"])];
        assert!(safe(&whole, 1) && safe(&whole, 2) && safe(&whole, 3));
        let behind =
            [answer("a", Some(9), ["b", "c"]), answer("a", Some(4), ["a", "c"]), answer("a", Some(9), ["a", "b"])];
        assert!(!safe(&behind, 1), "b is not caught up, so only c would hold the data");
        assert!(safe(&behind, 2), "losing the one that is behind costs nothing");
        let empty = [answer("a", Some(9), ["b", "c"]), answer("a", None, ["a", "c"]), answer("a", Some(9), ["a", "b"])];
        assert!(!safe(&empty, 3));
        let dead = [answer("a", Some(9), ["b", "c"]), Err(Error::new("dead")), answer("a", Some(9), ["a", "b"])];
        assert!(!safe(&dead, 1) && safe(&dead, 2));
        let headless =
            [answer("", Some(9), ["b", "c"]), answer("", Some(9), ["a", "c"]), answer("", Some(9), ["a", "b"])];
        assert!(!safe(&headless, 1));
    }
}
