//! `sluice run`

use std::path::{Path, PathBuf};

use sluice_engine::ids::RunId;
use sluice_engine::journal::Store;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::every;
use crate::launch::{Launch, new_run};
use crate::plan_document::PlanDocument;
use crate::prepare::{Pair, Prepared, Time, prepare};
use crate::receipts::{self, Said};
use crate::trust::quoted;
use crate::verbs::{plan, which};
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
  sluice run ./maintenance/drain.yaml -i node=node-2
  sluice run health-check -i cluster=nats-staging --every 15m
  sluice run --plan tonight.plan --receipt tonight.receipt";

/// Run a runbook
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK", required_unless_present = "plan")]
    runbook: Option<String>,

    /// A value for an input; lists with commas
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// Print JSON: one document at the end, or `events`, one line each as they happen
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "document", hide_possible_values = true)]
    json: Option<Json>,

    /// How long to wait while another run has the lock: `10m` [default: not at all]
    #[arg(long, value_name = "TIME")]
    lock_wait: Option<Time>,

    /// Repair what this run left, under its lock; it stays what it is and gets its lock back
    #[arg(long, value_name = "RUN")]
    repair: Option<String>,

    /// Run what this saved plan is of, with its inputs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runbook", "input"], requires = "receipt")]
    plan: Option<PathBuf>,

    /// A yes given beforehand by `sluice confirm --plan`; nobody is asked, and what it does not cover is not done
    #[arg(long, value_name = "FILE", requires = "plan")]
    receipt: Option<PathBuf>,

    /// Do it again at every interval until the process is told to end: `30s`. What a runbook gives is printed as one line of
    /// JSON each time; one that can destroy is refused
    #[arg(long, value_name = "TIME", conflicts_with_all = ["plan", "receipt", "repair", "lock_wait", "json", "command"])]
    every: Option<Time>,

    /// For a runbook with a session: run this in it instead of handing over the terminal
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    if let Some(every) = args.every {
        let order =
            every::Order { runbook: args.runbook.unwrap_or_default(), inputs: args.input, every: every.duration() };
        return every::run(context, &order);
    }
    let receipt = args.receipt.as_deref().map(receipts::open).transpose()?;
    let prepared = match &args.plan {
        Some(path) => planned(context, path)?,
        None => prepare(context, args.runbook.as_deref().unwrap_or_default(), &args.input)?,
    };
    if !args.command.is_empty() && prepared.runbook.session.is_none() {
        let message = format!("the runbook {} has no session, so no command can run in one", prepared.runbook.name);
        return Err(CommandError::usage(message).hint("leave out `--` and what follows it"));
    }
    let once = receipt.is_none() && prepared.runbook.confirms_once(&prepared.inputs);
    let receipt = match once {
        true => match beforehand(context, &prepared)? {
            Said::Yes(receipt) => Some(*receipt),
            Said::NothingToSay => None,
            Said::No => return Ok(Exit::NOT_CONFIRMED),
            Said::Interrupted => return Ok(Exit::INTERRUPTED),
        },
        false => receipt,
    };
    let run = new_run()?;
    let store = context.store()?;
    let repairs = match &args.repair {
        Some(broken) => Some(context.block_on(repaired(&*store, broken))??),
        None => None,
    };
    let mut launch = Launch::new(context, store, &run, args.json, args.command)?;
    launch.receipt = receipt;
    launch.asks_beside = once;
    launch.engine.locking.repairs = repairs;
    launch.engine.locking.wait = args.lock_wait.map(Time::duration).unwrap_or_default();
    context.block_on(launch.start(run, prepared))?
}

/// The one yes that the runbook asks for before it begins.
fn beforehand(context: &Context, prepared: &Prepared) -> Result<Said> {
    let said = match plan::of_prepared(context, prepared)? {
        Some(document) => receipts::beforehand(context, &document)?,
        None => Said::Interrupted,
    };
    match said {
        Said::No => context.note("that is not the name: nobody said yes, and nothing has begun"),
        Said::Interrupted => context.note("interrupted: nothing has begun"),
        Said::Yes(_) | Said::NothingToSay => {}
    }
    Ok(said)
}

/// What a saved plan was of, as it is now. What else differs is seen when the run asks.
fn planned(context: &Context, path: &Path) -> Result<Prepared> {
    let document = PlanDocument::open(path)?;
    let wanted = match document.plan.sources.runbook.as_str() {
        "built in" => document.plan.runbook.clone(),
        origin => origin.to_owned(),
    };
    let pairs = document.given.iter().map(|pair| pair.parse().map_err(CommandError::usage));
    let pairs: Vec<Pair> = pairs.collect::<Result<_>>()?;
    let prepared = prepare(context, &wanted, &pairs)?;
    if prepared.inputs == document.plan.inputs {
        return Ok(prepared);
    }
    let again = document.given.iter().map(|pair| format!(" -i {}", quoted(pair))).collect::<String>();
    let (shown, wanted) = (crate::paths::shown(path), quoted(&wanted));
    Err(CommandError::refused(format!("the inputs of the plan {shown} are others by now"))
        .hint(format!("what differs: sluice plan {wanted}{again} --against {}", quoted(&shown))))
}

/// A run of another store is given by its whole id.
async fn repaired(store: &dyn Store, wanted: &str) -> Result<RunId> {
    match RunId::parse(wanted) {
        Some(run) => Ok(run),
        None => which::run(store, wanted).await,
    }
}
