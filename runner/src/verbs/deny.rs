//! `sluice deny`

use sluice_engine::run::Reply;

use super::confirm::{asked, go_on};
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::verbs::which;

const AFTER: &str = "\
Nothing is destroyed, `finally` runs, and the run ends as not confirmed (its exit code is 4).

Examples:
  sluice deny last --because 'not during the sale'";

/// Say no to what a run asks
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// Why, for the journal and for who asked
    #[arg(long, value_name = "WHY")]
    because: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    if args.because.trim().is_empty() {
        return Err(CommandError::usage("--because says nothing").hint("say why; it is kept in the journal"));
    }
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let mut launch = Launch::new(context, store, &run, None, Vec::new())?;
        let loaded = launch.engine.load(&run, &AsItWas).await?;
        may_resume(context, &loaded.runbook, loaded.state.inputs())?;
        launch.at(&loaded)?;
        let Some(question) = asked(context, &run, &loaded.runbook, &loaded.state)? else {
            return Ok(wanted(launch.resume(run).await?));
        };
        let reply = Reply { yes: false, typed: String::new(), because: Some(args.because.clone()) };
        let state = launch.engine.answer(&run, Some((question.ask, question.digest)), reply, &AsItWas).await?;
        Ok(wanted(go_on(context, launch, run, &state).await?))
    })?
}

/// That the run ends without a yes is what was asked for.
fn wanted(exit: Exit) -> Exit {
    if exit == Exit::NOT_CONFIRMED { Exit::DONE } else { exit }
}
