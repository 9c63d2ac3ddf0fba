//! `sluice resume`

use sluice_engine::run::Clock as _;

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::{Time, may_resume};
use crate::report::{is_long_ago, may_miss_acts};
use crate::verbs::which;
use crate::views::live::Json;
use crate::views::outcome::ONLY_THE_STORE;

const AFTER: &str = "\
A run can be resumed when it was interrupted or its process died. What was done is not done again; \
a gate that was waiting waits on, with the deadline it had. A read that was cut is done anew, and so is a \
`base.wait`, from its beginning. Exit codes are those of `sluice run`.

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

    /// How long to wait while another run has its lock: `10m` [default: not at all]
    #[arg(long, value_name = "TIME")]
    lock_wait: Option<Time>,

    /// Its process ran on another machine, and you know that it is gone
    #[arg(long)]
    owner_is_gone: bool,

    /// For a runbook with a session: run this in it instead of handing over the terminal
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let mut launch = Launch::new(context, store, &run, args.json, args.command)?;
        launch.engine.locking.owner_is_gone = args.owner_is_gone;
        launch.engine.locking.wait = args.lock_wait.map(Time::duration).unwrap_or_default();
        let loaded = launch.engine.load(&run, &AsItWas).await?;
        may_resume(context, &loaded.runbook, loaded.state.inputs())?;
        if is_long_ago(loaded.state.at, WallClock.now()) && may_miss_acts(&loaded.runbook, &loaded.state) {
            context.note(ONLY_THE_STORE);
        }
        launch.resume(run).await
    })?
}
