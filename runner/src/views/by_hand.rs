//! A plan as commands for a person's own shell, in order, with what to look for after each.
//!
//! What explains a command stands behind `:`, quoted: pasted into any shell it does nothing, whatever text it holds.
//! How a command is quoted is not decided here.

use std::collections::BTreeSet;

use serde_json::Value;
use sluice_engine::run::{Plan, Planned, What};
use sluice_plugin::by_hand::{self, ByHand, quoted};
use sluice_plugin::{PluginName, SecretRef};

use super::plan::origin;
use crate::plan_document::PlanDocument;

/// What plugins that do not ship with Sluice say does the same, nobody here has looked at.
pub(crate) fn show(document: &PlanDocument, ships: fn(&PluginName) -> bool) -> String {
    let plan = &document.plan;
    let mut shown = Script { ships, text: String::new(), said: BTreeSet::new() };
    shown.say(&format!("{} by hand: {}", plan.runbook, origin(plan)));
    shown.say(&format!("plan {} of {}; nothing here was run", plan.digest, document.made));
    shown.say("for bash or zsh; secrets stand in variables of that shell and on no command line");
    shown.secrets(plan);
    shown.lock(plan);
    let (steps, finally): (Vec<_>, Vec<_>) = plan.steps.iter().partition(|step| !step.finally);
    steps.into_iter().for_each(|step| shown.step(step));
    if plan.session {
        shown.gap();
        shown.say("then the work itself, in this shell");
    }
    if !finally.is_empty() {
        shown.gap();
        shown.say("finally: what follows is done in any case, also when something above failed or was left out");
    }
    finally.into_iter().for_each(|step| shown.step(step));
    shown.text
}

struct Script {
    ships: fn(&PluginName) -> bool,
    text: String,
    /// Preparations that stand above already.
    said: BTreeSet<String>,
}

impl Script {
    fn say(&mut self, said: &str) {
        self.line(&format!(": {}", quoted(said)));
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Secrets of the inventory are not made by any step: a person gives them first.
    fn secrets(&mut self, plan: &Plan) {
        let places = plan.sources.uses.get("secrets").and_then(Value::as_object);
        for (secret, place) in places.into_iter().flatten() {
            let name = by_hand::name(&SecretRef(format!("secrets.{secret}")));
            let place = place.get("from").unwrap_or(place).as_object().and_then(|place| place.iter().next());
            let place = place.map(|(kind, at)| format!("{kind} {}", at.as_str().unwrap_or_default()));
            self.gap();
            self.say(&format!("type the secret {secret}, from {}", place.unwrap_or_default()));
            self.line(&format!("read -rs {name}"));
        }
    }

    /// Nobody takes it for a person: it only tells whether a run is on.
    fn lock(&mut self, plan: &Plan) {
        let Some(lock) = &plan.lock else { return };
        self.gap();
        self.say(&format!(
            "first see that no run has the lock {} ({}); it does not keep runs away from what you do by hand",
            lock.name, lock.at
        ));
        self.line("sluice locks");
        self.say(&format!("look for: no line that says {}; else wait, or talk to whoever is named there", lock.name));
    }

    fn step(&mut self, step: &Planned) {
        self.gap();
        let summary = step.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
        let kind = if step.gate.is_some() { "gate".to_owned() } else { step.effect.to_string() };
        self.say(&format!("{} ({kind}){summary}", step.key));
        match why_not(step) {
            Some(why) => self.say(&why),
            None => {
                self.whose(step);
                step.by_hand.iter().for_each(|command| self.command(command));
            }
        }
    }

    fn whose(&mut self, step: &Planned) {
        let plugin = step.action.as_ref().and_then(|action| PluginName::parse(action.plugin()).ok());
        if let Some(plugin) = plugin.filter(|plugin| !(self.ships)(plugin)) {
            self.say(&format!("read it before you run it: these are the words of the plugin {plugin}, not of Sluice"));
        }
    }

    fn command(&mut self, command: &ByHand) {
        let line = command.line();
        if command.once && !self.said.insert(line.clone()) {
            return;
        }
        self.line(&line);
        self.say(&format!("look for: {}", command.look_for));
    }
}

/// Why there is no command for a step.
fn why_not(step: &Planned) -> Option<String> {
    match &step.what {
        What::Loop { items } => Some(format!("once for each of {}", items.join(", "))),
        What::Call { runbook } => Some(format!("the steps of {runbook}:")),
        What::Skipped => Some("nothing to do: skipped".to_owned()),
        What::Already { .. } => Some("nothing to do: it is so already".to_owned()),
        What::KnownAfter { step, .. } => Some(format!("known after {step}: make the plan again then")),
        What::Refused { why } => Some(format!("Sluice would refuse this: {why}")),
        What::Failed { problem } if step.by_hand.is_empty() => Some(format!("not planned: {}", problem.message)),
        What::Read { .. }
        | What::Foreseen { .. }
        | What::MadeInTheRun
        | What::Sample { .. }
        | What::Would { .. }
        | What::Failed { .. } => {
            let action = step.action.as_ref().map(ToString::to_string).unwrap_or_default();
            step.by_hand.is_empty().then(|| format!("{action} has no command that does the same"))
        }
    }
}
