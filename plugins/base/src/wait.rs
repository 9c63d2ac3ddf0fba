//! `base.wait`: waits a while, saying how long it still takes. A condition to wait for is a gate, not this.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Effect, Host, Outcome, Problem, Progress, duration, format_duration,
    parse_duration,
};

use crate::describe::{example, input, input_of, output, spec};

pub(crate) struct Wait;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// How long: `10s`, `2m`.
    #[serde(rename = "for")]
    #[schemars(schema_with = "duration::schema")]
    time: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// How long it waited, in milliseconds.
    waited_ms: u64,
}

/// How often it says how far it is.
const TICK: Duration = Duration::from_secs(1);

#[async_trait]
impl Action for Wait {
    fn spec(&self) -> ActionSpec {
        let mut spec =
            spec::<Input, Output>("wait", "Wait a while; cut short and resumed, it begins anew", Effect::Read);
        spec.idempotent = true;
        spec.abilities.check = true;
        spec.examples = vec![example("ten seconds", json!({ "for": "10s" }), json!({ "waited_ms": 10_003 }))];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        input::<Input>(with).and_then(|input| time(&input)).err().into_iter().collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let total = time(&input_of(call)?)?;
        let start = host.now();
        sleep(host, total).await;
        answer(host.now().since(start)).map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let total = input_of(call).and_then(|input| time(&input));
        let wait = |total: Duration| ByHand::run("sleep", [total.as_secs_f64().to_string()], "nothing: it waits");
        total.map(wait).into_iter().collect()
    }

    fn foresee(&self, call: &Call) -> Option<Value> {
        answer(time(&input_of(call).ok()?).ok()?).ok()
    }
}

fn answer(waited: Duration) -> Result<Value, Problem> {
    output(&Output { waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) })
}

fn time(input: &Input) -> Result<Duration, Problem> {
    parse_duration(&input.time).map_err(|why| Problem::bad_input("/for", why))
}

/// Counts what it slept, not the wall clock: somebody may set that meanwhile.
pub(crate) async fn sleep(host: &dyn Host, total: Duration) {
    let mut slept = Duration::ZERO;
    while slept < total {
        let left = total.saturating_sub(slept);
        host.progress(Progress {
            note: format!("waiting, {} left", format_duration(rounded(left))),
            done: slept.as_secs(),
            total: Some(total.as_secs()),
        });
        let step = left.min(TICK);
        host.sleep(step).await;
        slept += step;
    }
}

/// To whole seconds once there is at least one, and to whole minutes from ten minutes on: nobody reads `3599s`.
fn rounded(left: Duration) -> Duration {
    match left.as_secs() {
        0 => left,
        seconds @ 1..600 => Duration::from_secs(seconds),
        seconds => Duration::from_secs(seconds.div_ceil(60) * 60),
    }
}
