//! A component as a plugin: what the contract asks, asked of an instance, and its answers looked at before they are believed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;
use sluice_plugin::wit::Unreadable;
use sluice_plugin::{
    ActionSpec, Applied, ByHand, Call, Effect, Host, Outcome, Plugin, PluginSpec, Preview, Problem, Purpose, Reconciled,
};

use crate::bounds::Bounds;
use crate::home::Component;
use crate::instance::{ask, ask_alone};
use crate::questions::{self, Called};
use crate::wit::types;

/// Effects that the inventory raises, by operation.
pub type Raised = BTreeMap<String, Effect>;

/// A plugin in a sandbox.
pub struct WasmPlugin {
    component: Component,
    spec: PluginSpec,
}

impl WasmPlugin {
    /// `raised` makes actions more dangerous than they say they are, and never less.
    pub fn new(component: Component, raised: &Raised) -> Self {
        let mut spec = component.described.spec.clone();
        for action in &mut spec.actions {
            if let Some(effect) = raised.get(action.name.operation()) {
                raise(action, *effect);
            }
        }
        Self { component, spec }
    }

    fn known(&self, operation: &str) -> Result<(), Problem> {
        let none = || format!("plugin {} has no action `{operation}`", self.spec.name);
        self.action(operation).map(|_| ()).ok_or_else(|| Problem::not_applied("no_such_action", none()))
    }
}

/// What it says it repeats without harm, it says of something else.
fn raise(action: &mut ActionSpec, to: Effect) {
    if to > action.effect {
        action.effect = to;
        action.idempotent = false;
        action.gate = None;
    }
}

#[async_trait]
impl Plugin for WasmPlugin {
    fn describe(&self) -> &PluginSpec {
        &self.spec
    }

    fn check(&self, action: &str, with: &Value) -> Vec<Problem> {
        let able = self.action(action).is_some_and(|spec| spec.abilities.check);
        if !able {
            return Vec::new();
        }
        let question = questions::Check { action, with: &with.to_string() };
        match ask_alone(&self.component.linked, &question) {
            Ok(problems) => problems.into_iter().take(MOST_PROBLEMS).map(shortened).collect(),
            Err(ended) => vec![ended.problem(&Bounds::WORDS, Applied::No, Purpose::Read)],
        }
    }

    async fn run(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        self.known(action)?;
        let told = types::Call::from(call);
        let answered = ask(&self.component.linked, host, call, questions::Run(Called { action, call: &told })).await?;
        let mut outcome = answered.answer.map_err(|problem| doubted(shortened(problem), answered.taken))?;
        within(call.purpose, &[&outcome.output])?;
        if let Some(judgement) = &mut outcome.judgement {
            judgement.why = judgement.why.chars().take(LONGEST_MESSAGE).collect();
        }
        believed(outcome, call.purpose)
    }

    async fn preview(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Preview, Problem> {
        self.known(action)?;
        let told = types::Call::from(call);
        let question = questions::Preview(Called { action, call: &told });
        let answer = ask(&self.component.linked, host, call, question).await?.answer;
        let preview = answer.map_err(shortened)?;
        match &preview {
            types::Preview::Ready(ready) => within(call.purpose, &[&ready.binding, &ready.facts])?,
            types::Preview::Already(already) => within(call.purpose, &[&already.output])?,
            types::Preview::Refused(refused) => within(call.purpose, &[&refused.why])?,
        }
        believed(preview, call.purpose)
    }

    async fn reconcile(&self, action: &str, host: &dyn Host, call: &Call) -> Result<Reconciled, Problem> {
        self.known(action)?;
        let told = types::Call::from(call);
        let question = questions::Reconcile(Called { action, call: &told });
        let answer = ask(&self.component.linked, host, call, question).await?.answer;
        let reconciled = answer.map_err(shortened)?;
        match &reconciled {
            types::Reconciled::Done(done) => within(call.purpose, &[&done.output, &done.evidence])?,
            types::Reconciled::NotDone(not) => within(call.purpose, &[&not.evidence])?,
            types::Reconciled::CannotTell(cannot) => within(call.purpose, &[&cannot.evidence])?,
        }
        believed(reconciled, call.purpose)
    }

    fn by_hand(&self, action: &str, call: &Call) -> Vec<ByHand> {
        let told = types::Call::from(call);
        let question = questions::ByHand(Called { action, call: &told });
        let commands = ask_alone(&self.component.linked, &question).unwrap_or_default();
        commands.iter().filter_map(|command| serde_json::from_str(command).ok()).collect()
    }

    fn foresee(&self, action: &str, call: &Call) -> Option<Value> {
        let told = types::Call::from(call);
        let question = questions::Foresee(Called { action, call: &told });
        serde_json::from_str(&ask_alone(&self.component.linked, &question).ok()??).ok()
    }
}

/// A failure that a plugin tells of, cut to what somebody reads.
fn shortened(problem: types::Problem) -> Problem {
    let cut = |text: String, most: usize| if text.len() <= most { text } else { text.chars().take(most).collect() };
    let details = problem.details.filter(|details| details.len() <= LONGEST_DETAILS);
    let path = problem.path.map(|path| cut(path, LONGEST_PATH));
    let (code, message) = (cut(problem.code, LONGEST_PATH), cut(problem.message, LONGEST_MESSAGE));
    types::Problem { code, message, path, details, ..problem }.into()
}

/// A plugin that says it changed nothing, after somebody answered with success that something was, is not believed.
fn doubted(problem: Problem, taken: bool) -> Problem {
    if !taken || problem.applied != Applied::No {
        return problem;
    }
    let message = format!(
        "{}; a request of it was answered with success before, so it may have changed something",
        problem.message
    );
    Problem { applied: Applied::Maybe, message, ..problem }
}

const LONGEST_MESSAGE: usize = 4_000;
const LONGEST_PATH: usize = 500;
const LONGEST_DETAILS: usize = 64 << 10;
const MOST_PROBLEMS: usize = 100;

/// Texts of this size are taken apart; larger ones are not even looked into.
fn within(purpose: Purpose, texts: &[&str]) -> Result<(), Problem> {
    let (size, most) = (texts.iter().map(|text| text.len()).sum::<usize>(), Bounds::CALL.output);
    if size <= most {
        return Ok(());
    }
    let message = format!("the plugin gave back {} MiB, and may give {}", size.div_ceil(1 << 20), most >> 20);
    Err(Problem { applied: perhaps(purpose), ..Problem::not_applied("plugin_output_too_large", message) })
}

/// What came back and cannot be used may have been done all the same.
fn perhaps(purpose: Purpose) -> Applied {
    if purpose == Purpose::Act { Applied::Maybe } else { Applied::No }
}

/// An answer whose texts are JSON.
fn believed<W, T: TryFrom<W, Error = Unreadable>>(answer: W, purpose: Purpose) -> Result<T, Problem> {
    T::try_from(answer).map_err(|error| {
        let message = format!("the plugin's answer cannot be read: {error}");
        Problem { applied: perhaps(purpose), ..Problem::not_applied("bad_output", message) }
    })
}
