//! `nats.metrics`: the figures of one server as they are kept every few seconds, and how much its counters grew since this
//! process looked last.
//!
//! What does not answer is said in the output: a lost sample would look like a dead machine. It judges nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::inventory::Node;
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Host, Outcome, Problem, Timestamp};

use super::common;
use crate::by_hand;
use crate::monitor::figures::{ConnzFigures, Growth, JszFigures, VarzFigures};
use crate::monitor::reach::Unreached;
use crate::monitor::read::{self, Figures};

/// The looks at more servers than any cluster has are not remembered.
const REMEMBERED: usize = 64;

/// Remembers the last look at each server, for as long as the process lives.
#[derive(Default)]
pub(super) struct Metrics(Mutex<BTreeMap<String, Look>>);

/// What counters were.
#[derive(Clone)]
struct Look {
    at: Timestamp,
    varz: Option<VarzFigures>,
    /// Of the server that `varz` names; the one endpoint may have answered and the other not.
    api_errors: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    node: Node,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// The HTTP code of `/healthz` as text, or `error: ` and why there is none. 200 is in it only where that is the code.
    health_status: String,
    /// The same as a number; 0 where there was no answer.
    health_code: u16,
    /// What the server complains of.
    #[serde(skip_serializing_if = "Option::is_none")]
    health_error: Option<String>,
    /// Not there where the endpoint did not answer, as the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    varz: Option<VarzFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connz: Option<ConnzFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jsz: Option<JszFigures>,
    /// Since this process looked last. Not there the first time, and after the server was started anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    growth: Option<Growth>,
    /// `jsz: timeout`: each endpoint that did not answer.
    errors: Vec<String>,
    /// How long all of it took.
    took_ms: u64,
}

#[async_trait]
impl Action for Metrics {
    fn spec(&self) -> ActionSpec {
        let cluster = common::example_cluster();
        let node = cluster.pointer("/nodes/0").cloned().unwrap_or_default();
        let with = serde_json::json!({ "node": node });
        let example = common::example("a server that is well", with, include_str!("../../examples/metrics.json"));
        common::reads::<Input, Output>("nats.metrics", "Read the figures of one server", vec![example])
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let Input { node } = common::input(call)?;
        let begun = host.now();
        let seen = read::figures(host, &node).await;
        let growth = self.growth(&node.name, Look::new(begun, &seen));
        common::plain(&output(seen, growth, host.now().since(begun).as_millis()))
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(Input { node }) = common::input(call) else { return Vec::new() };
        let endpoints = [
            ("/healthz", "{\"status\":\"ok\"}"),
            ("/varz", "slow_consumers, mem, cpu"),
            ("/connz?limit=1", "total"),
            ("/jsz", "storage, and max_storage in config"),
        ];
        endpoints.map(|(path, look_for)| by_hand::endpoint(&node, path, look_for)).into()
    }
}

impl Metrics {
    /// How much the counters grew since the last look, which this one takes the place of.
    fn growth(&self, node: &str, look: Look) -> Option<Growth> {
        // After a gap the next growth is over all of it.
        look.varz.as_ref()?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.get(node).cloned();
        if before.is_some() || last.len() < REMEMBERED {
            last.insert(node.to_owned(), look.clone().or_as(before.as_ref()));
        }
        look.growth(&before?)
    }
}

impl Look {
    fn new(at: Timestamp, seen: &Figures) -> Self {
        let api_errors = seen.jsz.as_ref().ok().map(|jsz| jsz.api.errors);
        Self { at, varz: seen.varz.as_ref().ok().cloned(), api_errors }
    }

    /// What it has no answer about is as it was before, as long as the same server runs: its growth is not lost.
    fn or_as(self, before: Option<&Self>) -> Self {
        let before = before.filter(|before| self.same_start(before).is_some());
        Self { api_errors: self.api_errors.or_else(|| before?.api_errors), ..self }
    }

    /// Nothing where another server answers now, or the same one was started anew: its counters began at 0 again.
    fn same_start<'a>(&'a self, before: &'a Self) -> Option<(&'a VarzFigures, &'a VarzFigures)> {
        let (now, then) = (self.varz.as_ref()?, before.varz.as_ref()?);
        ((&now.server_id, &now.start) == (&then.server_id, &then.start)).then_some((now, then))
    }

    fn growth(&self, before: &Self) -> Option<Growth> {
        let (now, then) = self.same_start(before)?;
        let grown = |of: fn(&VarzFigures) -> u64| of(now).checked_sub(of(then));
        Some(Growth {
            interval_s: self.at.since(before.at).as_secs_f64(),
            slow_consumers: grown(|varz| varz.slow_consumers),
            total_connections: grown(|varz| varz.total_connections),
            in_msgs: grown(|varz| varz.in_msgs),
            in_bytes: grown(|varz| varz.in_bytes),
            out_msgs: grown(|varz| varz.out_msgs),
            out_bytes: grown(|varz| varz.out_bytes),
            api_errors: self.api_errors.and_then(|now| now.checked_sub(before.api_errors?)),
        })
    }
}

fn output(seen: Figures, growth: Option<Growth>, took_ms: u128) -> Output {
    let parts = [
        ("healthz", seen.health.as_ref().err()),
        ("varz", seen.varz.as_ref().err()),
        ("connz", seen.connz.as_ref().err()),
        ("jsz", seen.jsz.as_ref().err()),
    ];
    let said = |(name, why): (&str, Option<&Unreached>)| Some(format!("{name}: {}", why?.kind.word()));
    let errors = parts.into_iter().filter_map(said).collect();
    let (health_status, health_code, health_error) = match seen.health {
        Ok(health) => (health.code.to_string(), health.code, health.error),
        Err(why) => (format!("error: {}", why.kind.word()), 0, None),
    };
    Output {
        health_status,
        health_code,
        health_error,
        varz: seen.varz.ok(),
        connz: seen.connz.ok(),
        jsz: seen.jsz.ok(),
        growth,
        errors,
        took_ms: u64::try_from(took_ms).unwrap_or(u64::MAX),
    }
}
