//! `sluice cancel`

use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Outcome};
use sluice_engine::machine::State;
use sluice_engine::run::{Alive, Loaded, OpenError};

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::report::{RunStatus, status};
use crate::verbs::which;

const AFTER: &str = "\
A started act always ends by itself. A run whose process is gone is ended from here, `finally` included.

Examples:
  sluice cancel last --because 'wrong cluster'
  sluice cancel 0198c1f2-7a --after-step --because 'the window closes'";

/// End a run
#[derive(clap::Args)]
#[command(after_help = AFTER)]
#[command(group(clap::ArgGroup::new("how").args(["after_step", "now", "abandon"])))]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// What runs now may finish; nothing new starts; `finally` runs
    #[arg(long)]
    after_step: bool,

    /// Waits and reads are cut; `finally` runs [default]
    #[arg(long)]
    now: bool,

    /// Nothing more happens, not even `finally`
    #[arg(long)]
    abandon: bool,

    /// Its process ran on another machine, and you know that it is gone: end the run from here
    #[arg(long)]
    owner_is_gone: bool,

    /// Why, for the journal
    #[arg(long, value_name = "WHY", default_value = "no reason given", hide_default_value = true)]
    because: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let how = match (args.after_step, args.abandon) {
        (true, _) => CancelHow::AfterStep,
        (_, true) => CancelHow::Abandon,
        (false, false) => CancelHow::Now,
    };
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let mut launch = Launch::new(context, store, &run, None, Vec::new())?;
        launch.engine.locking.owner_is_gone = args.owner_is_gone;
        let loaded = match launch.engine.load(&run, &AsItWas).await {
            // Nothing of it is called, so it need not be understood.
            Err(OpenError::Runbook { .. }) if how == CancelHow::Abandon => {
                launch.engine.abandon(&run, &args.because).await?;
                context.note(&format!("run {run} is abandoned; its runbook could not be read"));
                return Ok(Exit::DONE);
            }
            loaded => loaded?,
        };
        let over = |state: &State| state.ended.as_ref().is_some_and(|(outcome, _)| *outcome != Outcome::Interrupted);
        let ends_here = |state: &State, alive| {
            how != CancelHow::Abandon && !is_running(state, alive, args.owner_is_gone) && !over(state)
        };
        // Before anything is journaled: what could not be tidied up is not asked for either.
        if ends_here(&loaded.state, launch.engine.alive(&run, &loaded.state).await?) {
            may_tidy(context, &loaded, &run)?;
        }
        let state = launch.engine.ask_cancel(&run, how, &args.because, &AsItWas).await?;
        let alive = launch.engine.alive(&run, &state).await?;
        if is_running(&state, alive, args.owner_is_gone) {
            asked(context, &run, alive);
            return Ok(Exit::DONE);
        }
        // Its process may have died in between.
        if ends_here(&state, alive) {
            may_tidy(context, &loaded, &run)?;
        }
        // Nobody is there who could do it, so it is done here.
        let exit = launch.resume(run).await?;
        // It cannot end before somebody says what became of an act.
        Ok(if exit == Exit::PARKED { exit } else { Exit::DONE })
    })?
}

/// As far as can be told; a person may know better.
fn is_running(state: &State, alive: Alive, owner_is_gone: bool) -> bool {
    let gone = alive == Alive::CannotTell && owner_is_gone;
    status(state, alive) == RunStatus::Running && !gone
}

/// `finally` has the inventory's secrets and grants, so it needs its trust as every other step.
fn may_tidy(context: &Context, loaded: &Loaded, run: &RunId) -> Result<()> {
    may_resume(context, &loaded.runbook, loaded.state.inputs()).map_err(|error| {
        error.hint(format!("or end it as it stands, without `finally`: sluice cancel {run} --abandon --because '...'"))
    })
}

fn asked(context: &Context, run: &RunId, alive: Alive) {
    let who = match alive {
        Alive::Yes | Alive::No => "its process ends it",
        Alive::CannotTell => "its process is on another machine and ends it if it lives",
    };
    context.note(&format!("asked run {run} to end; {who}. `sluice runs follow {run}` shows how"));
}
