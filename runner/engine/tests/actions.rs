//! A small fixed set of actions for the checker. None of them does anything.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_engine::runbook::Actions;
use sluice_plugin::inventory::{Aws, Cluster, Node};
use sluice_plugin::{Abilities, ActionName, ActionSpec, Effect, GateClass, Problem, schema};

pub(crate) struct Fake(BTreeMap<ActionName, ActionSpec>);

impl Actions for Fake {
    fn spec(&self, name: &ActionName) -> Option<&ActionSpec> {
        self.0.get(name)
    }

    fn names(&self) -> Vec<ActionName> {
        self.0.keys().cloned().collect()
    }

    /// `base.echo` refuses the word "forbidden".
    fn check(&self, name: &ActionName, with: &Value) -> Vec<Problem> {
        if name.as_str() == "base.echo" && with["value"] == "forbidden" {
            return vec![Problem::bad_input("/value", "this word is refused by the plugin")];
        }
        Vec::new()
    }
}

pub(crate) fn fake() -> Fake {
    let specs = [
        spec("base.echo", Effect::Read, true, None, echo_input(), any()),
        spec("base.sleep", Effect::Read, true, None, closed(json!({ "time": text() }), &["time"]), empty()),
        spec("base.write", Effect::Change, true, None, write_input(), empty()),
        spec("base.append", Effect::Change, false, None, write_input(), empty()),
        ActionSpec { ephemeral: true, ..spec("base.hand_out", Effect::Change, false, None, write_input(), empty()) },
        spec("nats.health", Effect::Read, true, Some(GateClass::Data), cluster_input(), health_output()),
        spec("nats.logs", Effect::Read, true, Some(GateClass::Evidence), cluster_input(), empty()),
        spec("nats.varz", Effect::Read, true, None, node_input(), varz_output()),
        spec("base.look_up", Effect::Read, true, None, look_up_input(), look_up_output()),
        spec("nats.creds", Effect::Read, true, None, cluster_input(), creds_output()),
        spec("nats.connect", Effect::Read, true, None, connect_input(), empty()),
        spec("aws.whoami", Effect::Read, true, None, aws_input(), empty()),
        spec("aws.terminate_instance", Effect::Destroy, false, None, instance_input(), empty()),
    ];
    Fake(specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect())
}

fn spec(
    name: &str,
    effect: Effect,
    idempotent: bool,
    gate: Option<GateClass>,
    input: Value,
    output: Value,
) -> ActionSpec {
    ActionSpec {
        name: ActionName::parse(name).unwrap(),
        summary: "Do as a test needs".into(),
        effect,
        idempotent,
        gate,
        ephemeral: false,
        input,
        output,
        abilities: Abilities::default(),
        permissions: Vec::new(),
        examples: Vec::new(),
        revision: 1,
    }
}

fn closed(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn any() -> Value {
    json!({})
}

fn empty() -> Value {
    closed(json!({}), &[])
}

fn echo_input() -> Value {
    closed(
        json!({
            "value": {},
            "times": { "type": "integer", "minimum": 1, "maximum": 9 },
            "mode": { "enum": ["plain", "loud"] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "place": closed(json!({ "line": { "type": "integer" } }), &["line"]),
            "note": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
        }),
        &["value"],
    )
}

fn write_input() -> Value {
    closed(
        json!({ "file": { "type": "string", "description": "path of the file" }, "text": text() }),
        &["file", "text"],
    )
}

fn cluster_input() -> Value {
    closed(json!({ "cluster": schema::of::<Cluster>() }), &["cluster"])
}

fn node_input() -> Value {
    closed(json!({ "node": schema::of::<Node>() }), &["node"])
}

fn aws_input() -> Value {
    closed(json!({ "aws": { "anyOf": [schema::of::<Aws>(), { "type": "null" }] } }), &["aws"])
}

fn health_output() -> Value {
    let counts =
        json!({ "healthy": { "type": "integer" }, "total": { "type": "integer" }, "behind": { "type": "integer" } });
    closed(counts, &["healthy", "total", "behind"])
}

fn varz_output() -> Value {
    closed(json!({ "server_name": text(), "connections": { "type": "integer" } }), &["server_name", "connections"])
}

fn look_up_input() -> Value {
    let list = json!({ "type": "array", "items": { "type": "string" } });
    let names = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    closed(json!({ "names": names, "secret": list, "optional": list }), &["names"])
}

fn look_up_output() -> Value {
    let values = json!({
        "type": "object", "additionalProperties": { "type": ["string", "null"] },
        "x-keys": { "of": "names", "not": "secret", "maybe": "optional" },
    });
    let secrets = json!({
        "type": "object", "additionalProperties": { "anyOf": [{ "type": "null" }, { "type": "string", "x-secret": true }] },
        "x-keys": { "of": "secret", "maybe": "optional" },
    });
    closed(json!({ "values": values, "secrets": secrets }), &["values", "secrets"])
}

fn creds_output() -> Value {
    closed(json!({ "jwt": { "type": "string", "x-secret": true }, "url": text() }), &["jwt", "url"])
}

fn connect_input() -> Value {
    closed(json!({ "url": text(), "jwt": { "type": "string", "x-secret": true } }), &["url", "jwt"])
}

fn instance_input() -> Value {
    closed(json!({ "instance": text() }), &["instance"])
}
