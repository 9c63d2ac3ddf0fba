//! `sluice schema`

use clap::ValueEnum;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use sluice_engine::inventory::inventory_schema;
use sluice_engine::runbook::runbook_schema;
use sluice_plugin::ActionSpec;

use crate::context::Context;
use crate::doctor::Tried;
use crate::error::{Exit, Result};
use crate::plan_document::PlanDocument;
use crate::report::Report;
#[cfg(feature = "simulate")]
use crate::verbs::simulate;
use crate::verbs::{check, replay, runs, verify};
use crate::views;
use crate::views::live::EventLine;

const AFTER: &str = "\
An editor that knows YAML schemas completes and checks a runbook as you type:
  # yaml-language-server: $schema=runbook.schema.json

Examples:
  sluice schema runbook > runbook.schema.json
  sluice schema run                   what `sluice run --json` prints";

/// Print a JSON Schema
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    #[arg(value_name = "WHAT", value_enum)]
    what: What,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// A runbook
    Runbook,
    /// The inventory, sluice.yaml
    Inventory,
    /// What `run`, `resume` and `runs show` print with --json
    Run,
    /// One line of --json=events
    Events,
    /// What `plan` prints with --json and writes with --save
    Plan,
    /// What `simulate` prints with --json
    #[cfg(feature = "simulate")]
    Simulate,
    /// What `check` prints with --json
    Check,
    /// What `doctor` prints with --json
    Doctor,
    /// What `runs` prints with --json
    Runs,
    /// What `actions` prints with --json
    Actions,
    /// What `verify` prints with --json
    Verify,
    /// What `replay` prints with --json
    Replay,
}

pub(crate) fn run(_: &Context, args: Args) -> Result<Exit> {
    views::json(&schema(args.what))?;
    Ok(Exit::DONE)
}

fn schema(what: What) -> Value {
    match what {
        What::Runbook => runbook_schema(),
        What::Inventory => inventory_schema(),
        What::Run => of::<Report>(),
        What::Events => of::<EventLine>(),
        What::Plan => of::<PlanDocument>(),
        #[cfg(feature = "simulate")]
        What::Simulate => of::<simulate::Document>(),
        What::Check => of::<check::Document>(),
        What::Doctor => of::<Vec<Tried>>(),
        What::Runs => of::<Vec<runs::Row>>(),
        What::Actions => of::<Vec<ActionSpec>>(),
        What::Verify => of::<verify::Document<'_>>(),
        What::Replay => of::<replay::Document<'_>>(),
    }
}

/// A step holds steps, so these have references.
fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
