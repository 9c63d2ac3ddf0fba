//! `sluice schema`

use clap::ValueEnum;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use sluice_engine::inventory::inventory_schema;
use sluice_engine::runbook::runbook_schema;

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::plan_document::PlanDocument;
use crate::report::Report;
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
    }
}

/// A step holds steps, so these have references.
fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
