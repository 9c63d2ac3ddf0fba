//! `sluice plan`

use std::path::PathBuf;

use crate::confirming::sources;
use crate::context::Context;
use crate::error::{Exit, Result};
use crate::launch::{Launch, new_run};
use crate::plan_document::PlanDocument;
use crate::plugins;
use crate::prepare::{Pair, Prepared, prepare};
use crate::views;
use crate::views::{by_hand, changes, plan};

const AFTER: &str = "\
Reads are done for real, each gate is sampled once, and nothing is changed, journaled or written. What can \
only be known in the run says so. `digest` covers what the acts are bound to, never what was seen.

Exit codes:
  0  planned                     with --against: planned, and nothing that is bound differs
  1  a read failed, an act would be refused, or, with --against, it is another plan
  2  usage, or the runbook is not valid                130  interrupted

Examples:
  sluice plan health-check -i cluster=nats-staging
  sluice plan connect -i cluster=nats-staging --by-hand
  sluice plan hello --save hello.plan
  sluice plan hello --against hello.plan               what differs now
  sluice plan --show hello.plan
  sluice plan hello --json                             `sluice schema plan` describes it";

/// Show what a run would do, without doing it
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK", required_unless_present = "show")]
    runbook: Option<String>,

    /// A value for an input; lists with commas
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// Print the commands with which a person does the same, and what to look for after each
    #[arg(long, conflicts_with = "json")]
    by_hand: bool,

    /// Write the plan to a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "show")]
    save: Option<PathBuf>,

    /// Let --save take the place of a file that is there
    #[arg(long, requires = "save")]
    overwrite: bool,

    /// Show a saved plan; nothing is planned and nothing outside is asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runbook", "input"])]
    show: Option<PathBuf>,

    /// Say what differs from this saved plan, what is bound and what is known apart
    #[arg(long, value_name = "FILE", conflicts_with = "by_hand")]
    against: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    // Read first: a file that is no plan is said before anything outside is asked.
    let before = args.against.as_deref().map(PlanDocument::open).transpose()?;
    let Some(mut document) = document(context, &args)? else {
        context.note("interrupted: nothing was changed, and nothing is left");
        return Ok(Exit::INTERRUPTED);
    };
    if let Some(path) = &args.save {
        document.save(path, args.overwrite)?;
    }
    document.against = before.as_ref().map(|before| document.plan.changes_since(&before.plan));
    let out = &context.screen.out;
    match &document.against {
        _ if args.json => views::json(&document)?,
        _ if args.by_hand => views::out(&by_hand::show(&document, plugins::is_shipped))?,
        Some(against) => {
            views::out(&changes::show(against, &before.map(|before| before.made).unwrap_or_default(), out))?
        }
        None => views::out(&plan::show(&document, out))?,
    }
    let moved = document.against.as_ref().is_some_and(|changes| changes.is_another_plan());
    let bad = document.plan.steps.iter().any(|step| step.what.is_bad());
    Ok(if bad || moved { Exit::FOUND } else { Exit::DONE })
}

/// The plan that is asked for; nothing when a signal came before it was made.
fn document(context: &Context, args: &Args) -> Result<Option<PlanDocument>> {
    if let Some(path) = &args.show {
        return PlanDocument::open(path).map(Some);
    }
    of_prepared(context, &prepare(context, args.runbook.as_deref().unwrap_or_default(), &args.input)?)
}

/// What a run of this would do; nothing when a signal came first.
pub(super) fn of_prepared(context: &Context, prepared: &Prepared) -> Result<Option<PlanDocument>> {
    let sources = sources(context, &prepared.runbook, &prepared.inputs, &prepared.origin)?;
    let run = new_run()?;
    let launch = Launch::for_plan(context, &run)?;
    let plan = context.block_on(launch.plan(&run, prepared, sources))??;
    Ok(plan.map(|plan| PlanDocument::new(context, prepared, plan)))
}
