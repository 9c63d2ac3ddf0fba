//! Everything one tick after the other is done with: the runbook as it was read, the engine, the secrets. A tick's journal is
//! in memory and ends with it.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Outcome, Trigger};
use sluice_engine::machine::{State, fill};
use sluice_engine::run::{Alive, Ending, Order, Signal};
use sluice_engine::runbook::checked::Input;
use sluice_plugin::Effect;
use tokio::sync::mpsc::unbounded_channel;

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::launch::Launch;
use crate::prepare::{Pair, Prepared, prepare};
use crate::report::Report;

pub(super) struct Site {
    launch: Launch<'static>,
    run: RunId,
    prepared: Prepared,
}

/// How a tick ended.
pub(super) struct Tick {
    /// What the runbook gives. Of a tick that failed, what it had come to: a poll that was not delivered was made all the same.
    pub(super) outputs: Map<String, Value>,
    pub(super) failure: Option<Box<Failure>>,
}

pub(super) struct Failure {
    /// In one line.
    pub(super) why: String,
    pub(super) report: Option<Report>,
}

impl Site {
    /// Reads, checks and fetches all there is to read, check and fetch.
    pub(super) async fn open(context: Rc<Context>, run: &RunId, wanted: &str, inputs: &[Pair]) -> Result<Self> {
        let prepared = prepare(&context, wanted, inputs)?;
        may_tick(&prepared)?;
        let mut launch = Launch::of_ticks(context, run)?;
        launch.ready(run, &prepared).await?;
        Ok(Self { launch, run: run.clone(), prepared })
    }

    pub(super) fn runbook(&self) -> &str {
        self.prepared.runbook.name.as_str()
    }

    /// What the last tick gave to the next one counts here too, for inputs that are there and take it from the same output.
    pub(super) fn goes_on_from(&mut self, before: &Self) {
        let (Some(inputs), Some(last)) = (self.prepared.inputs.as_object_mut(), before.prepared.inputs.as_object())
        else {
            return;
        };
        for (name, input) in &self.prepared.runbook.inputs {
            let same = |other: &Input| other.from_last == input.from_last && other.kind == input.kind;
            if input.from_last.is_some()
                && before.prepared.runbook.inputs.get(name).is_some_and(same)
                && let Some(value) = last.get(name)
            {
                inputs.insert(name.clone(), value.clone());
            }
        }
    }

    /// Outputs that are inputs the next time are nobody else's.
    pub(super) fn carry(&mut self, outputs: &mut Map<String, Value>) {
        let Some(inputs) = self.prepared.inputs.as_object_mut() else { return };
        let carried =
            self.prepared.runbook.inputs.iter().filter_map(|(name, input)| Some((name, input.from_last.as_ref()?)));
        for (name, output) in carried {
            if let Some(value) = outputs.shift_remove(output).filter(|value| !value.is_null()) {
                inputs.insert(name.clone(), value);
            }
        }
    }

    /// `hurry` ends when nobody waits for the tick any more: reads are cut then, a started act ends.
    pub(super) async fn tick(&self, hurry: impl Future<Output = &'static str>) -> Tick {
        let Prepared { runbook, origin, inputs } = &self.prepared;
        let (cut, mut signals) = unbounded_channel();
        let (runbook, origin, inputs) = (runbook.clone(), origin.clone(), inputs.clone());
        let order = Order { run: self.run.clone(), runbook, origin, inputs, trigger: Trigger::Cli };
        let mut driven = std::pin::pin!(self.launch.once(order, &mut signals));
        let (mut why, mut hurry) = (None, std::pin::pin!(hurry));
        let done = loop {
            tokio::select! {
                biased;
                done = &mut driven => break done,
                reason = &mut hurry, if why.is_none() => {
                    why = Some(reason);
                    // The tick may have ended meanwhile.
                    let _ = cut.send(Signal::Interrupt);
                }
            }
        };
        match done {
            Ok((ending, state)) => Tick {
                outputs: fill::outputs_known(&self.prepared.runbook, &state),
                failure: (ending != Ending::Ended(Outcome::Done)).then(|| Box::new(self.failure(&state, why))),
            },
            Err(error) => {
                let why = CommandError::from(error).message;
                Tick { outputs: Map::new(), failure: Some(Box::new(Failure { why, report: None })) }
            }
        }
    }

    fn failure(&self, state: &State, cut: Option<&str>) -> Failure {
        let Prepared { runbook, origin, .. } = &self.prepared;
        let report = Report::new(&self.run, origin, runbook, state, Alive::Yes);
        let step = report.decided_by.as_deref().and_then(|key| report.step(key));
        let said = step.map(|step| {
            let problem = step.problem.as_ref().map(|problem| problem.message.clone());
            let why = problem.or_else(|| step.why.clone()).unwrap_or_else(|| step.status.clone());
            format!("{}: {why}", step.key)
        });
        let why = cut.map(str::to_owned).or(said).unwrap_or_else(|| report.status.name().to_owned());
        Failure { why, report: Some(report) }
    }
}

/// Nobody is there to be asked, and nobody to see what a run left open.
fn may_tick(prepared: &Prepared) -> Result<()> {
    let runbook = &prepared.runbook;
    let refuse = |why: &str, hint: &str| {
        Err(CommandError::refused(format!("{} {why}, so it is not run at intervals", runbook.name)).hint(hint))
    };
    if runbook.walk_deep().into_iter().any(|step| step.effect() == Effect::Destroy) {
        return refuse("can destroy", "nothing is destroyed unattended; run it once, where somebody can be asked");
    }
    if runbook.session.is_some() {
        return refuse("hands the terminal to a person", "run it once");
    }
    if runbook.lock.is_some() {
        return refuse("takes a lock", "what only looks needs none: leave out `lock`, or run it once");
    }
    Ok(())
}

/// Longer than that no tick is waited for.
pub(super) fn longest(interval: Duration) -> Duration {
    interval.max(Duration::from_secs(30))
}
