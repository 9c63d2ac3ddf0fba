//! `sluice run`

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::launch::{Launch, new_run};
use crate::prepare::{Pair, prepare};
use crate::views::live::Json;

const AFTER: &str = "\
Exit codes:
  0  done                                 4  not confirmed
  1  failed                               5  cancelled
  2  usage, or the runbook is not valid   6  ended with an outcome unknown
  3  stopped by a gate                    7  waits for an answer
  130  interrupted; `sluice resume` goes on

Ctrl-C cuts waits and reads at once, lets a started act end, and runs `finally`. Twice abandons the run.

Examples:
  sluice run hello
  sluice run health-check -i cluster=nats-staging
  sluice run health-check -i cluster=nats-staging --json > health.json
  sluice run connect -i cluster=nats-staging -i service=messenger
  sluice run connect -i cluster=nats-staging -- nats stream ls
  sluice run ./maintenance/drain.yaml -i node=node-2";

/// Run a runbook
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK")]
    runbook: String,

    /// A value for an input; lists with commas
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// Print JSON: one document at the end, or `events`, one line each as they happen
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "document", hide_possible_values = true)]
    json: Option<Json>,

    /// For a runbook with a session: run this in it instead of handing over the terminal
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let prepared = prepare(context, &args.runbook, &args.input)?;
    if !args.command.is_empty() && prepared.runbook.session.is_none() {
        let message = format!("the runbook {} has no session, so no command can run in one", prepared.runbook.name);
        return Err(CommandError::usage(message).hint("leave out `--` and what follows it"));
    }
    let run = new_run()?;
    let launch = Launch::new(context, context.store()?, &run, args.json, args.command)?;
    context.block_on(launch.start(run, prepared))?
}
