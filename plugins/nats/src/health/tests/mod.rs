//! Judgement over recorded answers of three real servers (2.15.1), changed case by case.

mod meta;
mod nodes;
mod streams;
mod thresholds;

use serde_json::{Value, json};
use sluice_plugin::Verdict;
use sluice_plugin::thresholds::Threshold;

use super::judge;
use super::report::Report;
use super::sample::{ApiSaid, ApiStream, Configured, Own, Sample};
use crate::monitor::model::Health;
use crate::monitor::reach::{Kind, Unreached};
use crate::monitor::read::{NodeRead, Round};

/// node-3 leads the meta group, node-2 leads `pivot_main` and both consumers; all are at sequence 684.
const RECORDED: &str = include_str!("../../../tests/samples/three-nodes.json");
pub(crate) const STREAM: &str = "/account_details/0/stream_detail/0";

/// Two rounds of three nodes as JSON, to be changed before they are judged.
pub(crate) struct World {
    pub(crate) rounds: Vec<Vec<Said>>,
    pub(crate) streams: Vec<String>,
    own: Own,
    api: Option<Result<Vec<ApiStream>, String>>,
}

#[derive(Clone)]
pub(crate) struct Said {
    silent: Option<Kind>,
    pub(crate) health: Health,
    pub(crate) varz: Value,
    pub(crate) jsz: Value,
    connz: Value,
}

pub(crate) fn recorded() -> World {
    let all: Value = serde_json::from_str(RECORDED).unwrap();
    let said = |number: usize| {
        let node = &all[format!("nats-staging-node-{number}")];
        let (varz, jsz, connz) = (node["varz"].clone(), node["jsz"].clone(), node["connz"].clone());
        Said { silent: None, health: Health { code: 200, error: None }, varz, jsz, connz }
    };
    let round = vec![said(1), said(2), said(3)];
    World { rounds: vec![round.clone(), round], streams: vec!["pivot_main".into()], own: Own::default(), api: None }
}

impl World {
    pub(crate) fn node(&mut self, number: usize) -> Vec<&mut Said> {
        self.rounds.iter_mut().map(|round| &mut round[number - 1]).collect()
    }

    pub(crate) fn silence(&mut self, number: usize, kind: Kind) {
        self.node(number).into_iter().for_each(|said| said.silent = Some(kind));
    }

    /// Sets a place in the `/jsz` of a node in every round.
    pub(crate) fn jsz(&mut self, number: usize, pointer: &str, value: &Value) {
        self.node(number).into_iter().for_each(|said| put(&mut said.jsz, pointer, value));
    }

    /// A node's own last sequence of the stream, round by round.
    pub(crate) fn seqs(&mut self, number: usize, seqs: &[u64]) {
        let pointer = format!("{STREAM}/state/last_seq");
        for (said, seq) in self.node(number).into_iter().zip(seqs) {
            put(&mut said.jsz, &pointer, &json!(seq));
        }
    }

    /// What the stream's leader (node-2) says of node-3.
    pub(crate) fn told_of_node_3(&mut self, peer: &Value) {
        let mut full =
            json!({ "name": "nats-staging-node-3", "current": true, "active": 200_000_000, "peer": "8ZgsgcPf" });
        full.as_object_mut().unwrap().extend(peer.as_object().unwrap().clone());
        let others = json!([{ "name": "nats-staging-node-1", "current": true, "active": 100_000_000 }, full]);
        self.jsz(2, &format!("{STREAM}/cluster/replicas"), &others);
    }

    pub(crate) fn sample(&self) -> Sample {
        let configured = |number| {
            let name = format!("nats-staging-node-{number}");
            Configured { host: format!("{name}.nats-staging.internal"), name }
        };
        let rounds = self.rounds.iter().enumerate();
        Sample {
            cluster: "nats-staging".into(),
            nodes: (1..=3).map(configured).collect(),
            streams: self.streams.clone(),
            rounds: rounds
                .map(|(at, round)| Round { at: at as u64 * 3_000, reads: round.iter().map(Said::read).collect() })
                .collect(),
            own: self.own,
            api: self.api.clone(),
        }
    }
}

impl Said {
    fn read(&self) -> NodeRead {
        if let Some(kind) = self.silent {
            let why = Unreached::new(kind, "");
            return NodeRead {
                health: Err(why.clone()),
                varz: Err(why.clone()),
                jsz: Err(why.clone()),
                connz: Err(why),
            };
        }
        NodeRead {
            health: Ok(self.health.clone()),
            varz: Ok(serde_json::from_value(self.varz.clone()).unwrap()),
            jsz: Ok(serde_json::from_value(self.jsz.clone()).unwrap()),
            connz: Ok(serde_json::from_value(self.connz.clone()).unwrap()),
        }
    }
}

pub(crate) fn put(json: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match parent {
        Value::Array(list) if key == "-" => list.push(value.clone()),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
        _ => parent[key] = value.clone(),
    }
}

/// The rows the runbooks ship with.
fn shipped() -> Vec<Threshold> {
    #[derive(serde::Deserialize)]
    struct File {
        thresholds: Vec<Threshold>,
    }
    let file: File = serde_saphyr::from_str(include_str!("../../../../../runbooks/thresholds.yaml")).unwrap();
    file.thresholds
}

/// Judges the recorded cluster after `change`; `expect` lists the findings as `severity code subject-name`.
fn check(change: impl FnOnce(&mut World), verdict: Verdict, expect: &[&str]) -> Report {
    let mut world = recorded();
    change(&mut world);
    let report = judge(&world.sample(), &shipped());
    let found: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{:?} {} {}", finding.severity, finding.code, finding.subject.name).to_lowercase())
        .collect();
    let mut sorted = found.clone();
    sorted.sort();
    let mut expected: Vec<String> = expect.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(sorted, expected, "{:#?}", report.findings);
    assert_eq!(report.verdict(), verdict, "{}", report.summary);
    for finding in &report.findings {
        let told = [&finding.seen, &finding.threshold, &finding.why, &finding.todo];
        assert!(told.iter().all(|text| !text.is_empty()), "a finding says everything: {finding:?}");
    }
    report
}
