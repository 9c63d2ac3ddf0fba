//! `base.echo`: gives back what it is given. For first runbooks, and to give a value a name.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Problem};

use crate::describe::{example, input_of, output, spec};

pub(crate) struct Echo;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Echoed {
    /// Anything.
    value: Value,
}

#[async_trait]
impl Action for Echo {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Echoed, Echoed>("echo", "Give back a value", Effect::Read);
        spec.idempotent = true;
        spec.examples = vec![example("a greeting", json!({ "value": "hello" }), json!({ "value": "hello" }))];
        spec
    }

    async fn run(&self, _host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        output(&input_of::<Echoed>(call)?).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        call.with.get("value").map(|value| ByHand::run("echo", [text(value)], "the value")).into_iter().collect()
    }
}
