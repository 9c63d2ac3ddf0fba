//! `sluice resume`

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::recheck;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::verbs::which;
use crate::views::live::Json;

const AFTER: &str = "\
A run can be resumed when it was interrupted or its process died. What was done is not done again; what \
was waiting waits on, with the deadlines it had. Exit codes are those of `sluice run`.

Examples:
  sluice resume last
  sluice resume 0198c1f2-7a";

/// Go on with an interrupted run
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// Print JSON: one document at the end, or `events`, one line each as they happen
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "document", hide_possible_values = true)]
    json: Option<Json>,

    /// For a runbook with a session: run this in it instead of handing over the terminal
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let launch = Launch::new(context, store, &run, args.json, args.command)?;
        let loaded = launch.engine.load(&run, &recheck(&launch.engine.registry)).await?;
        may_resume(context, &loaded.runbook)?;
        launch.resume(run).await
    })?
}
