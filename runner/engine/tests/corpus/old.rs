//! The plugin that the runs of the corpus use. Their journals hold the digests of its contracts, so what stands here is
//! never changed: a new construct gets a new action.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::registry::Registry;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, Call, Effect, GateClass, Host, Listed, NativePlugin, Outcome, Plugin,
    PluginName, PluginSpec, Preview, Problem, Reconciled, Verdict,
};

/// What was called, in order: the operation and its step.
pub(super) type Calls = Arc<Mutex<Vec<(&'static str, String)>>>;

/// `old.read`, `old.change`, `old.gate`; `old.large` gives as much as an event cannot hold, `old.token` something that
/// dies with its process, `old.once` does something that may not be done twice, `old.destroy` the same for good.
struct Old {
    operation: &'static str,
    calls: Calls,
}

const OPERATIONS: [&str; 7] = ["read", "change", "gate", "large", "token", "once", "destroy"];

#[async_trait]
impl Action for Old {
    fn spec(&self) -> ActionSpec {
        let input = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "value": {},
                "takes": { "type": "string" },
                "fails": { "type": "integer" },
                "verdicts": { "type": "string" },
            },
        });
        let destroys = self.operation == "destroy";
        let once = self.operation == "once" || destroys;
        let acting = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "value": {}, "answer": { "enum": ["ok", "lost"] }, "found": { "type": "string" } },
        });
        ActionSpec {
            name: ActionName::parse(&format!("old.{}", self.operation)).unwrap(),
            summary: "Do as told".into(),
            effect: match self.operation {
                "destroy" => Effect::Destroy,
                "once" | "change" => Effect::Change,
                _ => Effect::Read,
            },
            idempotent: !once,
            gate: (self.operation == "gate").then_some(GateClass::Data),
            ephemeral: self.operation == "token",
            input: if once { acting } else { input },
            output: json!({ "type": "object", "required": ["value"], "properties": { "value": {} } }),
            abilities: Abilities { preview: once, reconcile: once, ..Abilities::default() },
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: 1,
        }
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        if let Some(time) = call.with.get("takes").and_then(Value::as_str) {
            host.sleep(sluice_plugin::parse_duration(time).unwrap()).await;
        }
        let times = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((self.operation, call.step.clone()));
            calls.iter().filter(|(_, step)| *step == call.step).count()
        };
        if u64::from(call.attempt.0) <= call.with.get("fails").and_then(Value::as_u64).unwrap_or(0) {
            return Err(Problem::not_applied("old", "it was told to fail").retryable());
        }
        let value = call.with.get("value").cloned().unwrap_or(Value::Null);
        match self.operation {
            "gate" => {
                let letters = call.with.get("verdicts").and_then(Value::as_str).unwrap_or("p");
                let letter = letters.chars().nth(times - 1).unwrap_or('p');
                let verdict = match letter {
                    'p' => Verdict::Pass,
                    'f' => Verdict::Fail,
                    _ => Verdict::Inconclusive,
                };
                Ok(Outcome::judged(json!({ "value": value }), verdict, "as told"))
            }
            "once" if call.with["answer"] == "lost" => Err(Problem::maybe_applied("old", "its answer was lost")),
            "large" => Ok(Outcome::plain(json!({ "value": "x".repeat(60_000) }))),
            _ => Ok(Outcome::plain(json!({ "value": value }))),
        }
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        Ok(Preview::Ready { binding: json!({ "value": call.with["value"] }), facts: json!({}) })
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let evidence = json!({ "looked": true });
        match call.with.get("found").and_then(Value::as_str) {
            Some("done") => Ok(Reconciled::Done { output: json!({ "value": "found" }), evidence }),
            Some("not done") => Ok(Reconciled::NotDone { evidence }),
            _ => Ok(Reconciled::CannotTell { evidence }),
        }
    }
}

pub(super) fn registry(calls: &Calls) -> Registry {
    let calls = calls.clone();
    let name = PluginName::parse("old").unwrap();
    let spec = PluginSpec {
        name: name.clone(),
        version: "1".into(),
        summary: "Toys of old".into(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let mut registry = Registry::default();
    let make = move || -> Arc<dyn Plugin> {
        let old = |operation| -> Listed { (operation, Box::new(Old { operation, calls: calls.clone() })) };
        Arc::new(NativePlugin::new(spec.clone(), OPERATIONS.map(old).into()))
    };
    registry.add(name, make).unwrap();
    registry
}
