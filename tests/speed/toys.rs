//! The plugin `speed`: an act that touches nothing, and a look that starts a process. What is measured is what the
//! engine adds to them.

use std::process::Command;

use async_trait::async_trait;
use serde_json::json;
use sluice_plugin::{
    Abilities, Action, ActionName, ActionSpec, BadName, Call, Effect, Host, NativePlugin, Outcome, PluginName,
    PluginSpec, Preview, Problem, Reconciled,
};

/// The program that is started.
pub(crate) const PROGRAM: &str = "/bin/true";

pub(crate) fn plugin() -> Result<NativePlugin, BadName> {
    let about = PluginSpec {
        name: PluginName::parse("speed")?,
        version: "1".to_owned(),
        summary: "Toys to measure the engine with".to_owned(),
        powers: Vec::new(),
        actions: Vec::new(),
    };
    let act = Act(spec("speed.act", Effect::Change)?);
    let start = Start(spec("speed.start", Effect::Read)?);
    Ok(NativePlugin::new(about, vec![("act", Box::new(act)), ("start", Box::new(start))]))
}

fn spec(name: &str, effect: Effect) -> Result<ActionSpec, BadName> {
    let acts = effect != Effect::Read;
    Ok(ActionSpec {
        name: ActionName::parse(name)?,
        summary: "Measure the engine".to_owned(),
        effect,
        idempotent: false,
        gate: None,
        ephemeral: false,
        input: json!({ "type": "object" }),
        output: json!({ "type": "object" }),
        abilities: Abilities { preview: acts, reconcile: acts, ..Abilities::default() },
        permissions: Vec::new(),
        examples: Vec::new(),
        revision: 1,
    })
}

/// Acts once, without a trace.
struct Act(ActionSpec);

#[async_trait]
impl Action for Act {
    fn spec(&self) -> ActionSpec {
        self.0.clone()
    }

    async fn run(&self, _: &dyn Host, _: &Call) -> Result<Outcome, Problem> {
        Ok(Outcome::plain(json!({})))
    }

    async fn preview(&self, _: &dyn Host, _: &Call) -> Result<Preview, Problem> {
        Ok(Preview::Ready { binding: json!({ "thing": 1 }), facts: json!({}) })
    }

    async fn reconcile(&self, _: &dyn Host, _: &Call) -> Result<Reconciled, Problem> {
        Ok(Reconciled::Done { output: json!({}), evidence: json!({}) })
    }
}

/// Starts a process and waits for it, as the shell it is compared with does.
struct Start(ActionSpec);

#[async_trait]
impl Action for Start {
    fn spec(&self) -> ActionSpec {
        self.0.clone()
    }

    async fn run(&self, _: &dyn Host, _: &Call) -> Result<Outcome, Problem> {
        match Command::new(PROGRAM).status() {
            Ok(status) if status.success() => Ok(Outcome::plain(json!({}))),
            Ok(status) => Err(Problem::not_applied("ended", format!("{PROGRAM}: {status}"))),
            Err(error) => Err(Problem::not_applied("not_started", format!("{PROGRAM}: {error}"))),
        }
    }
}
