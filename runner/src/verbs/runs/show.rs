//! `sluice runs show`

use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::report::Report;
use crate::verbs::which;
use crate::views::live::{Json, event_line};
use crate::views::{self, outcome, tree};

/// Show one run: its steps, what they found, how it ended, what comes next
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// Print JSON: the run as one document, or its `events`, one line each
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "document", hide_possible_values = true)]
    json: Option<Json>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let (loaded, alive) = context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let engine = Launch::new(context, store, &run, Some(Json::Document), Vec::new())?.engine;
        let loaded = engine.load(&run, &AsItWas).await?;
        let alive = engine.alive(&run, &loaded.state).await?;
        crate::error::Result::Ok((loaded, alive))
    })??;
    let report = Report::of(&loaded, alive);
    match args.json {
        Some(Json::Document) => views::json(&report)?,
        Some(Json::Events) => {
            let lines = loaded.envelopes.iter().map(|envelope| format!("{}\n", event_line(&loaded.run, envelope)));
            views::out(&lines.collect::<String>())?;
        }
        None => views::out(&human(&report, &context.screen.out))?,
    }
    Ok(Exit::DONE)
}

fn human(report: &Report, out: &crate::screen::Stream) -> String {
    let mut shown = tree::head(report, out);
    shown.push('\n');
    shown.push_str(&tree::steps(report, out));
    let results = outcome::results(report, out);
    if !results.is_empty() {
        shown.push('\n');
        shown.push_str(&results);
    }
    shown.push('\n');
    shown.push_str(&outcome::ending(report, out));
    shown
}
