//! `base.toy`: a read action and a gate that does what its script says. It writes nothing but its own count.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{Action, ActionSpec, Call, Effect, GateClass, Host, Outcome, Problem, Verdict};

use super::{Lie, Scene, Script, Told};
use crate::describe::{example, input_of, output, spec};

pub(crate) struct Toy;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    script: Script,
    /// What to return.
    #[serde(default)]
    value: Value,
    /// The verdict of the first call, the second, and so on; the last one stays. Without any there is no verdict.
    #[serde(default)]
    verdicts: Vec<Told>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    value: Value,
    /// How many calls there were, this one included.
    calls: u32,
}

#[async_trait]
impl Action for Toy {
    fn spec(&self) -> ActionSpec {
        let mut spec = spec::<Input, Output>("toy", "Do what a script says and touch nothing", Effect::Read);
        spec.idempotent = true;
        spec.gate = Some(GateClass::Data);
        spec.examples = vec![
            example(
                "a gate that passes when asked for the third time",
                json!({ "verdicts": ["fail", "inconclusive", "pass"], "script": { "memory": "/tmp/toy-calls" } }),
                json!({ "value": null, "calls": 3 }),
            ),
            example(
                "a read that works at the second attempt",
                json!({ "value": 7, "script": { "fail_first": 1, "problem": { "retryable": true } } }),
                json!({ "value": 7, "calls": 2 }),
            ),
        ];
        spec
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input: Input = input_of(call)?;
        let (calls, scene) = input.script.play(host, call).await;
        let told = match scene? {
            Scene::Truth => verdict(&input.verdicts, calls),
            Scene::Lie(Lie::Claim) => Some(Verdict::Pass),
            Scene::Lie(Lie::Schema) => return Ok(Outcome::plain(json!({ "calls": "many" }))),
        };
        let output = output(&Output { value: input.value, calls })?;
        Ok(match told {
            Some(verdict) => Outcome::judged(output, verdict, format!("call {calls} was told to say {verdict}")),
            None => Outcome::plain(output),
        })
    }
}

fn verdict(told: &[Told], calls: u32) -> Option<Verdict> {
    let nth = usize::try_from(calls).unwrap_or(usize::MAX).saturating_sub(1);
    told.get(nth).or(told.last()).map(|told| (*told).into())
}
