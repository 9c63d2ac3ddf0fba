//! `sluice runs follow`

use std::sync::Arc;
use std::time::Duration;

use sluice_engine::run::{Alive, Loaded, Watched};

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::{self, Launch};
use crate::report::{Report, RunStatus, status};
use crate::verbs::which;
use crate::views::live::{self, Json};

/// Between two looks whether the run's process still lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// Follow a run to its end. Ctrl-C ends the following, not the run
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// Print JSON: one document at the end, or `events`, one line each as they happen
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "document", hide_possible_values = true)]
    json: Option<Json>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let (loaded, alive) = context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let engine = Launch::new(context, store.clone(), &run, Some(Json::Document), Vec::new())?.engine;
        let view = live::view(&context.screen, args.json);
        let mut told = 0;
        loop {
            let loaded = engine.load(&run, &AsItWas).await?;
            tell(&loaded, told, &view);
            told = loaded.state.ordinal;
            let alive = engine.alive(&run, &loaded.state).await?;
            if status(&loaded.state, alive) != RunStatus::Running {
                view.clear();
                return crate::error::Result::Ok((loaded, alive));
            }
            store.changed(&run, told, PATIENCE).await?;
        }
    })??;
    let report = Report::of(&loaded, alive);
    launch::show(context, &report, args.json, false)?;
    Ok(exit(&report, alive))
}

fn tell(loaded: &Loaded, told: u64, view: &Arc<dyn live::RunView>) {
    let watched = Watched { run: &loaded.run, runbook: &loaded.runbook, state: &loaded.state };
    let new = loaded.envelopes.iter().filter(|envelope| envelope.ordinal > told);
    new.for_each(|envelope| view.event(&watched, envelope));
}

/// That of the run; one whose process died was interrupted.
fn exit(report: &Report, _: Alive) -> Exit {
    Exit(report.exit.unwrap_or(130))
}
