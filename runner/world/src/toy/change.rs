//! `world.change`: an act that must not be done twice. What it does and what is heard of it are two things, as in life.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, BadName, Call, Effect, Host, Outcome, Preview, Problem, Reconciled, parse_duration,
};

use super::{About, spec};
use crate::world::World;

pub(super) struct Change {
    spec: ActionSpec,
    world: World,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    value: Value,
    #[serde(default)]
    outcome: Heard,
    /// From the request until the deed is done, whoever still listens.
    #[serde(default)]
    takes: Option<String>,
    /// Nobody can find out afterwards whether it was done.
    #[serde(default)]
    hidden: bool,
}

/// What becomes of the deed, and what is heard of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    /// Done, and said so.
    #[default]
    Done,
    /// Refused before anything happened, provably.
    Refused,
    /// Done, and then the connection broke.
    BrokenDone,
    /// Not done, and the connection broke.
    BrokenNot,
    /// Done, and the answer never comes.
    SilentDone,
    /// Not done, and no answer ever comes.
    SilentNot,
}

impl Change {
    pub(super) fn new(world: &World) -> Result<Self, BadName> {
        let outcomes = ["done", "refused", "broken_done", "broken_not", "silent_done", "silent_not"];
        let spec = spec(About {
            name: "world.change",
            summary: "Do something that must not be done twice",
            effect: Effect::Change,
            idempotent: false,
            reconciles: true,
            input: json!({
                "type": "object", "additionalProperties": false, "properties": {
                    "value": {}, "outcome": { "type": "string", "enum": outcomes }, "takes": { "type": "string" },
                    "hidden": { "type": "boolean" },
                },
            }),
            output: json!({
                "type": "object", "required": ["value"], "additionalProperties": false, "properties": { "value": {} },
            }),
        })?;
        Ok(Self { spec, world: world.clone() })
    }
}

#[async_trait]
impl Action for Change {
    fn spec(&self) -> ActionSpec {
        self.spec.clone()
    }

    async fn run(&self, _: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let input = input(call)?;
        let takes = takes(&input)?;
        let heard = input.outcome;
        if heard == Heard::Refused {
            return Err(Problem::not_applied("refused", "the world refused it before anything happened"));
        }
        if matches!(heard, Heard::Done | Heard::BrokenDone | Heard::SilentDone) {
            // From here on it happens, whether or not the caller lives to see it.
            self.world.deed(call, takes).await;
        }
        self.world.clock().sleep(takes).await;
        match heard {
            Heard::Done | Heard::Refused => Ok(Outcome::plain(json!({ "value": input.value }))),
            Heard::BrokenDone | Heard::BrokenNot => {
                Err(Problem::maybe_applied("unreachable", "the connection broke before the answer came"))
            }
            Heard::SilentDone | Heard::SilentNot => std::future::pending().await,
        }
    }

    async fn preview(&self, _: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        let input = input(call)?;
        Ok(Preview::Ready { binding: json!({ "step": call.step, "value": input.value }), facts: json!({}) })
    }

    async fn reconcile(&self, _: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        let input = input(call)?;
        let done = self.world.did(call).await;
        let evidence = json!({ "deeds": self.world.deeds().len() });
        Ok(match (input.hidden, done) {
            (true, _) => Reconciled::CannotTell { evidence },
            (false, true) => Reconciled::Done { output: json!({ "value": input.value }), evidence },
            (false, false) => Reconciled::NotDone { evidence },
        })
    }
}

fn input(call: &Call) -> Result<Input, Problem> {
    Input::deserialize(&call.with).map_err(|error| Problem::bad_input("", format!("the input does not fit: {error}")))
}

fn takes(input: &Input) -> Result<Duration, Problem> {
    let takes = input.takes.as_deref().map(parse_duration).transpose();
    takes.map(Option::unwrap_or_default).map_err(|why| Problem::bad_input("/takes", why))
}
