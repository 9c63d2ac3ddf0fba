//! What every action of this plugin shares: reading `with`, writing the output, and saying what it is.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{
    ActionName, ActionSpec, Call, Example, GateClass, Host, Outcome, Permission, PluginName, Problem, Progress, typed,
};

pub(super) use sluice_plugin::typed::output;

/// A reading action with this input and output; no gate, not ephemeral, no permissions.
pub(super) fn reads<Input: JsonSchema, Output: JsonSchema>(
    name: &str,
    summary: &str,
    examples: Vec<Example>,
) -> ActionSpec {
    ActionSpec { examples, ..ActionSpec::reading::<Input, Output>(action_name(name), summary) }
}

/// The same, usable as a gate that looked at the thing itself.
pub(super) fn gate(spec: ActionSpec) -> ActionSpec {
    ActionSpec { gate: Some(GateClass::Data), ..spec }
}

pub(super) fn needs(subject: &str, on: &str) -> Permission {
    Permission { service: "nats".to_owned(), right: subject.to_owned(), on: on.to_owned() }
}

pub(super) fn input<Input: DeserializeOwned>(call: &Call) -> Result<Input, Problem> {
    typed::input(&call.with)
}

pub(super) fn plain<Output: Serialize>(value: &Output) -> Result<Outcome, Problem> {
    output(value).map(Outcome::plain)
}

pub(super) fn progress(host: &dyn Host, note: impl Into<String>, done: u64, total: Option<u64>) {
    host.progress(Progress { note: note.into(), done, total });
}

/// A cluster without nodes is a mistake of the inventory, not an empty answer.
pub(super) fn some_nodes(cluster: &Cluster) -> Result<(), Problem> {
    if cluster.nodes.is_empty() {
        return Err(Problem::bad_input(
            "/cluster/nodes",
            format!("cluster {} has no nodes in the inventory", cluster.name),
        ));
    }
    Ok(())
}

/// An example whose output stands in a file beside this one.
pub(super) fn example(summary: &str, with: Value, output: &str) -> Example {
    Example { summary: summary.to_owned(), with, output: serde_json::from_str(output).unwrap_or_default() }
}

#[expect(clippy::expect_used, reason = "every name is a literal of this plugin, and a test builds them all")]
fn action_name(name: &str) -> ActionName {
    ActionName::parse(name).expect("a literal")
}

#[expect(clippy::expect_used, reason = "a literal, and a test builds it")]
pub(super) fn plugin_name(name: &str) -> PluginName {
    PluginName::parse(name).expect("a literal")
}

/// The three nodes of the examples, as the inventory fills them in.
pub(crate) fn example_cluster() -> Value {
    let node = |number: u8| {
        serde_json::json!({
            "number": number, "name": format!("nats-staging-node-{number}"), "cluster": "nats-staging",
            "host": format!("nats-staging-node-{number}.nats-staging.internal"),
            "group": format!("nats-staging-node-{number}-asg"),
            "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": null
        })
    };
    serde_json::json!({
        "name": "nats-staging", "labels": { "tier": "staging" }, "nodes": [node(1), node(2), node(3)], "aws": null,
        "ssm_prefix": "/nats-cluster/nats-staging", "streams": ["pivot_main"], "services": {},
        "creds": {
            "admin": {
                "jwt": "/nats-cluster/nats-staging/admin/nats_admin_jwt",
                "seed": "/nats-cluster/nats-staging/admin/nats_admin_nkey_seed"
            },
            "system": null
        }
    })
}
