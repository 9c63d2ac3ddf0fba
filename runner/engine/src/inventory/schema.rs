//! The JSON Schema of the inventory, for editors. What holds between sections is for the parser to check.

use serde_json::{Value, json};

use super::keys;
use super::names::{ClusterName, SecretName};
use crate::yaml::schema::{described, duration, list_of, map_of, object, text, texts, words};

const SSM_PATH: &str = "^/[A-Za-z0-9_./{} -]*[A-Za-z0-9_.}-]$";
const WORD: &str = "^[a-z][a-z0-9_]*$";

/// JSON Schema 2020-12 of `sluice.yaml`.
pub fn inventory_schema() -> Value {
    let top = object(keys::INVENTORY, &[], |key| match key {
        "clusters" => map_of(ClusterName::PATTERN, cluster()),
        "policy" => {
            described(list_of(rule()), "who must confirm, by labels of the cluster; the first that fits counts")
        }
        "people" => json!({ "type": "object", "additionalProperties": person() }),
        "plugins" => map_of(WORD, plugin()),
        "secrets" => map_of(SecretName::PATTERN, secret()),
        "axiom" => object(keys::AXIOM, &[], |_| text("address of the API")),
        "terraform" => object(keys::TERRAFORM, &[], |_| json!({ "type": "string" })),
        "slack" | "schedules" | "server" => json!({ "type": ["object", "null"], "maxProperties": 0 }),
        "store" => object(keys::STORE, &[], |_| text("where journals are kept; `~` is the home of the user")),
        _ => json!(true),
    });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sluice inventory",
    });
    if let (Some(schema), Value::Object(top)) = (schema.as_object_mut(), top) {
        schema.extend(top);
    }
    schema
}

fn cluster() -> Value {
    object(keys::CLUSTER, &["nodes"], |key| match key {
        "nodes" => json!({ "oneOf": [
            { "type": "integer", "minimum": 1, "maximum": 99, "description": "how many" },
            { "type": "array", "minItems": 1, "items": node() },
        ] }),
        "aws" => aws(),
        "labels" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "node_name" | "node_host" | "group" => text("for each node; `{{ cluster }}` and `{{ n }}` are filled in"),
        "ports" => ports(),
        "ssm_prefix" => json!({ "type": "string", "pattern": SSM_PATH, "description": "where its parameters stand" }),
        "streams" => texts("streams that must exist"),
        "services" => map_of("^[A-Za-z0-9_-]{1,64}$", service()),
        "creds" => object(keys::CREDS, &[], |_| creds_at()),
        "soak" => duration("between two nodes"),
        "locks" => words(&["ssm", "store", "local"], "where the lock around destroy steps lives"),
        "logs" => object(keys::LOGS, &[], |key| match key {
            "cloudwatch" => logs_in_cloudwatch(),
            _ => logs_in_axiom(),
        }),
        "units" => texts("systemd units on each node"),
        _ => json!(true),
    })
}

fn node() -> Value {
    object(keys::NODE, &[], |key| match key {
        "ports" => ports(),
        _ => json!({ "type": "string" }),
    })
}

fn aws() -> Value {
    object(keys::AWS, &["region"], |key| match key {
        "account" => json!({ "type": "string", "pattern": "^[0-9]{12}$", "description": "in quotes" }),
        "region" => json!({ "type": "string", "pattern": "^[a-z]+(-[a-z]+)+-[0-9]+$" }),
        "act_role" => {
            json!({ "type": "string", "pattern": "^arn:", "description": "assumed for the one call of an act" })
        }
        _ => json!({ "type": "string" }),
    })
}

fn ports() -> Value {
    object(keys::PORTS, &[], |_| json!({ "type": "integer", "minimum": 1, "maximum": 65535 }))
}

fn service() -> Value {
    let fields = object(keys::SERVICE, &[], |key| match key {
        "publishes" | "consumes" => texts("subjects"),
        "ssm_path" => json!({ "type": "string", "pattern": SSM_PATH }),
        _ => json!({ "type": "string" }),
    });
    json!({ "anyOf": [{ "type": "null" }, fields] })
}

fn creds_at() -> Value {
    let path = json!({ "type": "string", "pattern": SSM_PATH, "description": "a parameter's path, never the value" });
    object(keys::CREDS_AT, keys::CREDS_AT, |_| path.clone())
}

fn logs_in_cloudwatch() -> Value {
    object(keys::LOGS_IN_CLOUDWATCH, &[], |key| match key {
        "group" => text("the log group; `{{ cluster }}` is filled in"),
        "stream_prefix" => text("for each node; `{{ cluster }}` and `{{ n }}` are filled in"),
        _ => object(keys::BOOTSTRAP, &[], |key| match key {
            "match" => text("text of the line that says how a node's start went"),
            "ok" => texts("whole words of the line that say it went well"),
            _ => texts("whole words of the line that say it did not"),
        }),
    })
}

fn logs_in_axiom() -> Value {
    object(keys::LOGS_IN_AXIOM, &[], |key| match key {
        "dataset" => text("the dataset; `{{ cluster }}` is filled in"),
        "node_field" => text("the field that says which node an event is of"),
        "match" => text("what stands in `node_field`, for each node; `{{ cluster }}` and `{{ n }}` are filled in"),
        "instance_field" => text("the field that says which instance an event is of"),
        _ => text("the field with the time of the event"),
    })
}

fn rule() -> Value {
    object(keys::RULE, &[], |key| match key {
        "when" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "confirm" => object(keys::CONFIRM, &[], |key| match key {
            "people" => json!({ "type": "integer", "minimum": 1, "maximum": 10 }),
            "requester" => json!({ "type": "boolean", "description": "whether the one who asked may be among them" }),
            "groups" => texts("groups they must belong to"),
            "answer_within" => duration("how long the question stays open"),
            _ => json!(true),
        }),
        "override" => object(keys::OVERRIDE, &[], |_| texts("groups that may override")),
        _ => json!(true),
    })
}

fn person() -> Value {
    object(keys::PERSON, &[], |key| match key {
        "groups" => texts("groups the person belongs to"),
        _ => json!({ "type": "string" }),
    })
}

fn plugin() -> Value {
    let mut schema = object(keys::PLUGIN, &[], |key| match key {
        "component" => text("a WASM file"),
        "sha256" => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
        "grants" => object(keys::GRANTS, &[], |key| match key {
            "http" => list_of(http_grant()),
            _ => list_of(json!({ "type": "string", "pattern": SecretName::PATTERN })),
        }),
        "effects" => json!({
            "type": "object",
            "description": "what actions of a plugin of one's own are at least, by the name after the dot",
            "additionalProperties": { "enum": ["change", "destroy"] },
        }),
        _ => json!(true),
    });
    if let Some(object) = schema.as_object_mut() {
        object.insert("dependentRequired".to_owned(), json!({ "component": ["sha256"], "sha256": ["component"] }));
    }
    schema
}

fn http_grant() -> Value {
    object(keys::HTTP_GRANT, &["origin"], |key| match key {
        "origin" => json!({ "type": "string", "pattern": "^https?://[^/?#@]+$" }),
        "read" => list_of(json!({ "type": "string", "pattern": "^[A-Z]+ /" })),
        "write" => list_of(json!({
            "type": "string",
            "description": "the only actions that may change something there, by the name after the dot",
        })),
        _ => json!({ "type": "boolean", "description": "whether private addresses may be reached" }),
    })
}

fn secret() -> Value {
    let mut schema = object(keys::SECRET, &[], |key| match key {
        "ssm" => json!({ "type": "string", "pattern": SSM_PATH }),
        "to" => list_of(json!({ "type": "string", "pattern": "^https?://[^/?#@]+$" })),
        _ => json!({ "type": "string" }),
    });
    if let Some(object) = schema.as_object_mut() {
        let places = ["env", "ssm", "file"].map(|place| json!({ "required": [place] }));
        object.insert("oneOf".to_owned(), json!(places));
    }
    schema
}
