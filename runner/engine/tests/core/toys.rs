//! Actions that are only described. Nobody calls them: the tests answer in their place.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::json;
use sluice_engine::registry::Registry;
use sluice_engine::runbook::{Checked, load};
use sluice_engine::source::Source;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, Call, Effect, GateClass, Host, NativePlugin, Outcome, PluginName,
    PluginSpec, Problem,
};

/// `toy.read`, `toy.change`, `toy.token` and `toy.lease` (both ephemeral, the second an act), `toy.gate`; `toy.once` and
/// `toy.send`, which may not be done twice: the second can be previewed and looked for.
pub(crate) const OPERATIONS: [&str; 7] = ["read", "change", "token", "lease", "gate", "once", "send"];

struct Toy(&'static str);

#[async_trait]
impl Action for Toy {
    fn spec(&self) -> ActionSpec {
        let output = json!({
            "type": "object",
            "required": ["value", "yes", "items"],
            "properties": { "value": {}, "yes": { "type": "boolean" }, "items": { "type": "array" } },
        });
        ActionSpec {
            name: ActionName::parse(&format!("toy.{}", self.0)).unwrap(),
            summary: "Do nothing".into(),
            effect: if matches!(self.0, "change" | "lease" | "once" | "send") { Effect::Change } else { Effect::Read },
            idempotent: !matches!(self.0, "once" | "send"),
            gate: (self.0 == "gate").then_some(GateClass::Data),
            ephemeral: matches!(self.0, "token" | "lease"),
            input: json!({ "type": "object", "additionalProperties": false, "properties": { "value": {} } }),
            output,
            abilities: Abilities { check: false, preview: self.0 == "send", reconcile: self.0 == "send" },
            permissions: Vec::new(),
            examples: Vec::new(),
            revision: 1,
        }
    }

    async fn run(&self, _: &dyn Host, _: &Call) -> Result<Outcome, Problem> {
        Err(Problem::not_applied("toy", "nobody calls this"))
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    let name = PluginName::parse("toy").unwrap();
    let spec = PluginSpec {
        name: name.clone(),
        version: "1".into(),
        summary: "Toys".into(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let toys = || OPERATIONS.map(|name| -> Box<dyn Action> { Box::new(Toy(name)) });
    registry.add(name, move || Arc::new(NativePlugin::new(spec.clone(), toys().into()))).unwrap();
    registry
});

pub(super) fn checked(text: &str) -> Result<Checked, String> {
    match load(&Source::new("toy.yaml", text), &*REGISTRY) {
        Ok(loaded) => Ok(loaded.runbook),
        Err(errors) => Err(errors.iter().map(|error| format!("{error:?}\n")).collect()),
    }
}
