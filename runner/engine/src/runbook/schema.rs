//! The JSON Schema of a runbook, for editors. What only the checker can know (actions, names, types) is not in it.

use serde_json::{Value, json};

use super::keys;
use crate::yaml::schema::{described, duration, list_of, map_of, object, text, words};

const NAME: &str = "^[a-z][a-z0-9_]{0,63}$";
const RUNBOOK_NAME: &str = "^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$";
const ACTION: &str = "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$";
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// JSON Schema 2020-12 of a runbook's file.
pub fn runbook_schema() -> Value {
    let top = object(keys::RUNBOOK, &["runbook", "steps"], |key| match key {
        "runbook" => json!({ "type": "string", "pattern": RUNBOOK_NAME, "description": "its name" }),
        "summary" => text("what it does, in one sentence"),
        "inputs" => described(map_of(NAME, input()), "what must be given to run it"),
        "lock" => text("name of the lock the run holds; `{{ inputs... }}` is filled in"),
        "confirm_once" => json!({
            "type": ["string", "boolean"],
            "description": "an expression over inputs; true: whoever starts it is shown the plan and says yes once, to all that it \
                            would destroy; what is bound to something else by its turn is asked for anew",
        }),
        "defaults" => described(map_of(ACTION, json!({ "type": "object" })), "fields of `with`, by action"),
        "steps" => described(steps(), "done in this order"),
        "finally" => described(steps(), "done at the end, whatever happened; reads and changes, no gates"),
        "outputs" => described(map_of(NAME, output()), "what the run gives back"),
        "session" => session(),
        "triggers" => list_of(words(&["cli", "api", "slack", "schedule", "webhook"], "what may start it")),
        _ => json!(true),
    });
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sluice runbook",
        "$defs": { "step": step(), "schema": schema() },
    });
    if let (Some(schema), Value::Object(top)) = (schema.as_object_mut(), top) {
        schema.extend(top);
    }
    schema
}

fn steps() -> Value {
    json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/step" } })
}

/// Exactly one kind; each kind has its own keys.
fn step() -> Value {
    let one = |kinds: &[&str], keys: &[&str]| -> Vec<Value> {
        let keys =
            |kind: &str| keys.iter().copied().filter(|key| *key == kind || !kinds.contains(key)).collect::<Vec<_>>();
        kinds.iter().map(|kind| object(&keys(kind), &["id", kind], step_key)).collect()
    };
    let kinds = [
        one(&["uses"], keys::USE),
        one(&["gate"], keys::GATE),
        one(&["steps", "parallel"], keys::GROUP),
        one(&["call"], keys::CALL),
    ];
    json!({ "oneOf": kinds.concat() })
}

fn step_key(key: &str) -> Value {
    let condition = |description: &str| json!({ "type": ["string", "boolean"], "description": description });
    match key {
        "id" => json!({ "type": "string", "pattern": NAME, "description": "its output is `steps.<id>`" }),
        "summary" => text("what it does, in one sentence"),
        "uses" => json!({ "type": "string", "pattern": ACTION, "description": "the action that does it" }),
        "gate" => json!({ "type": "string", "pattern": ACTION, "description": "the action that looks; it must pass" }),
        "steps" => described(steps(), "a group, in this order"),
        "parallel" => described(steps(), "a group, all at once"),
        "call" => text("the runbook to run here: a name, or a path relative to this file"),
        "with" => {
            json!({ "type": "object", "description": "the action's fields or the inputs; `{{ }}` is filled in" })
        }
        "when" => condition("an expression without `{{ }}`: false skips the step"),
        "needs" => list_of(json!({ "type": "string", "pattern": NAME, "description": "a gate before it" })),
        "for_each" => {
            json!({ "type": ["string", "array"], "description": "an expression that gives a list, or a list" })
        }
        "max_parallel" => json!({ "type": "integer", "minimum": 1, "maximum": 1000 }),
        "next_by" => next_by(),
        "confirm" => confirm(),
        "expect" => list_of(object(keys::EXPECT, &["that"], |key| match key {
            "that" => condition("an expression over `seen`, what the gate saw"),
            _ => text("said when it does not hold"),
        })),
        "passes" => passes(),
        "timeout" => duration("for one attempt or one sample"),
        "retry" => retry(),
        "on_error" => words(
            &["stop", "continue"],
            "what happens to the rest when it fails; `continue` does not count the failure. Where nothing is said the rest \
             stops, and in `finally` it goes on and the failure counts",
        ),
        "effect" => words(&["read", "change", "destroy"], "raises the action's effect"),
        "class" => words(&["evidence", "data"], "lowers the gate's class"),
        _ => json!(true),
    }
}

/// An expression, or a read and an expression over what it gave.
fn next_by() -> Value {
    let key = "an expression that gives a number, text, true or false for each remaining `item`; the lowest is next";
    let bare = format!("{key}. In place of it a mapping, to read how things stand before each choice");
    let read = object(keys::NEXT_BY, &["uses", "by"], |key_name| match key_name {
        "uses" => {
            json!({ "type": "string", "pattern": ACTION, "description": "the action that reads, called anew each time" })
        }
        "with" => {
            json!({ "type": "object", "description": "the action's fields; `{{ remaining }}` are the items to choose from" })
        }
        "timeout" => duration("for one attempt"),
        "retry" => retry(),
        "by" => json!({ "type": ["string", "boolean"], "description": format!("{key}; `seen` is what was read") }),
        _ => json!(true),
    });
    json!({ "anyOf": [{ "type": ["string", "boolean"], "description": bare }, read] })
}

fn passes() -> Value {
    let mut schema = object(keys::PASSES, &["within"], |key| match key {
        "consecutive" => json!({
            "type": "integer", "minimum": 1, "maximum": 1000,
            "description": "passes in a row; counted anew after a gap far above `every`: the machine slept",
        }),
        "for" => json!({ "anyOf": [
            duration("only passes for so long, from the start of the first sample to the start of the last"),
            { "type": "string", "pattern": r"^\{\{ *inputs\.[A-Za-z0-9_]+ *\}\}$", "description": "the same of an input of type duration" },
        ] }),
        "every" => duration("between samples; 5s where it is left out"),
        "within" => {
            duration("how long the gate is given; what is answered later is no pass, and a resume gives no more time")
        }
        "progress" => {
            text("an expression over `seen` that gives a number or text; it must keep changing, in whichever direction")
        }
        "stalled" => duration(
            "the gate fails when it does not pass and `progress` has not moved for so long: a number that has not fallen, a text that is the same",
        ),
        "fail_if" => {
            json!({ "type": ["string", "boolean"], "description": "an expression over `seen`: true fails the gate at once" })
        }
        _ => json!(true),
    });
    if let Some(object) = schema.as_object_mut() {
        object.insert("not".to_owned(), json!({ "required": ["consecutive", "for"] }));
        object.insert("dependentRequired".to_owned(), json!({ "stalled": ["progress"] }));
    }
    schema
}

fn confirm() -> Value {
    let schema = object(keys::CONFIRM, &["typed"], |key| match key {
        "typed" => text("what a person has to type: the name of what dies; `{{ }}` is filled in"),
        "answer_within" => duration("an answer that comes later is none; 10m"),
        "valid_for" => duration("from the yes to the last act; 15m"),
        _ => json!(true),
    });
    described(schema, "people are asked once for all that destroys in this step, before anything in it happens")
}

fn retry() -> Value {
    object(keys::RETRY, &["attempts"], |key| match key {
        "attempts" => json!({ "type": "integer", "minimum": 1, "maximum": 1000, "description": "in all" }),
        "delay" => duration("before the next attempt; 5s where it is left out"),
        "backoff" => words(&["fixed", "double"], "whether the delay grows"),
        _ => json!(true),
    })
}

fn output() -> Value {
    let described = object(keys::OUTPUT, &["value"], |key| match key {
        "type" => json!({ "enum": keys::JSON_TYPES }),
        "description" => text("what it is"),
        _ => json!(true),
    });
    json!({ "anyOf": [{ "not": { "type": "object" } }, described] })
}

fn session() -> Value {
    object(keys::SESSION, &[], |key| match key {
        "summary" => text("what the person is to do"),
        "command" => json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
        "env" => map_of(VARIABLE, json!({ "type": "string" })),
        "banner" => text("shown before the terminal is handed over"),
        _ => json!(true),
    })
}

fn input() -> Value {
    let own = keys::OWN_TYPES.iter().chain(keys::JSON_TYPES).copied().collect::<Vec<_>>();
    object(keys::INPUT, &["type"], |key| match key {
        "type" => words(&own, "what is wanted"),
        "of" => text("the input of type `cluster` that a node belongs to"),
        "default" => json!({ "description": "taken when nothing is given" }),
        "from_last" => text("with `--every`: the output that this input is the next time"),
        other => schema_key(other),
    })
}

fn schema() -> Value {
    object(keys::SCHEMA, &[], schema_key)
}

/// Keywords of JSON Schema that inputs may use.
fn schema_key(key: &str) -> Value {
    match key {
        "type" => json!({ "enum": keys::JSON_TYPES }),
        "description" | "pattern" => json!({ "type": "string" }),
        "enum" | "required" => json!({ "type": "array" }),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => json!({ "type": "number" }),
        "minLength" | "maxLength" | "minItems" | "maxItems" => json!({ "type": "integer", "minimum": 0 }),
        "uniqueItems" => json!({ "type": "boolean" }),
        "items" => json!({ "$ref": "#/$defs/schema" }),
        "properties" => json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/schema" } }),
        "additionalProperties" => json!({ "type": "boolean" }),
        _ => json!(true),
    }
}
