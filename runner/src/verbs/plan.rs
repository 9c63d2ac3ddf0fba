//! `sluice plan`

use sluice_engine::run::What;

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::launch::{Launch, new_run};
use crate::prepare::{Pair, prepare};
use crate::report::given;
use crate::views;
use crate::views::plan;

const AFTER: &str = "\
Reads are done for real, each gate is sampled once, and nothing is changed or journaled. What can only be
known after an act says so. Exit code 0: planned; 1: a read failed or an act would be refused.

Examples:
  sluice plan health-check -i cluster=nats-staging
  sluice plan hello --json";

/// Show what a run would do, without doing it
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK")]
    runbook: String,

    /// A value for an input; lists with commas
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let prepared = prepare(context, &args.runbook, &args.input)?;
    let from = context.trusted_inventory()?.map(crate::inventory::Found::shown);
    let run = new_run()?;
    let launch = Launch::new(context, context.store()?, &run, None, Vec::new())?;
    let plan = context.block_on(launch.plan(&run, &prepared))??;
    match args.json {
        true => views::json(&plan)?,
        false => views::out(&plan::show(
            &plan,
            &given(&prepared.runbook, &plan.inputs),
            from.as_deref(),
            &context.screen.out,
        ))?,
    }
    let bad = |what: &What| matches!(what, What::Failed { .. } | What::Refused { .. });
    Ok(if plan.steps.iter().any(|step| bad(&step.what)) { Exit::FOUND } else { Exit::DONE })
}
