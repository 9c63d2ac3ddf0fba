//! `world.put`, `world.remove` and `world.things`: acts that may be repeated, and a look at what is there. What a run
//! puts it has to remove again: a test sees what was left.

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, BadName, Call, Effect, Host, Outcome, Problem};

use super::{About, spec};
use crate::world::World;

#[derive(Clone, Copy)]
pub(super) enum Deed {
    Put,
    Remove,
    Look,
}

pub(super) struct Things {
    spec: ActionSpec,
    deed: Deed,
    world: World,
}

impl Things {
    pub(super) fn new(world: &World, deed: Deed) -> Result<Self, BadName> {
        let (name, summary, effect) = match deed {
            Deed::Put => ("world.put", "Put a thing there, if it is not there", Effect::Change),
            Deed::Remove => ("world.remove", "Remove a thing, if it is there", Effect::Change),
            Deed::Look => ("world.things", "List the things that are there", Effect::Read),
        };
        let key = json!({ "type": "string" });
        let (properties, required) = match deed {
            Deed::Put | Deed::Remove => (json!({ "key": key }), json!(["key"])),
            Deed::Look => (json!({}), json!([])),
        };
        let input = json!({
            "type": "object", "required": required, "additionalProperties": false, "properties": properties,
        });
        let output = json!({
            "type": "object", "required": ["things"], "additionalProperties": false,
            "properties": { "things": { "type": "array", "items": { "type": "string" } } },
        });
        let spec = spec(About { name, summary, effect, idempotent: true, reconciles: false, input, output })?;
        Ok(Self { spec, deed, world: world.clone() })
    }
}

#[async_trait]
impl Action for Things {
    fn spec(&self) -> ActionSpec {
        self.spec.clone()
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let key = call.with.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
        let deed = self.deed;
        let things = self.world.call(format!("{} {key}", self.spec.name), |state| {
            match deed {
                Deed::Put => drop(state.things.insert(key)),
                Deed::Remove => drop(state.things.remove(&key)),
                Deed::Look => {}
            }
            state.things.clone()
        });
        Ok(Outcome::plain(json!({ "things": things.await })))
    }
}
