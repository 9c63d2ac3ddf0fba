//! `sluice inbox`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Filter, Key, Page, Store};
use sluice_engine::machine::Status;
use sluice_engine::machine::asks::is_stopped_open;
use sluice_engine::machine::overrides::is_overridable;
use sluice_engine::run::{Clock as _, Loaded};

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::report::time;
use crate::screen::Tone;
use crate::views::live::Json;
use crate::views::table::Table;
use crate::views::{self, text};

const AFTER: &str = "\
Lists the runs of this machine that only a person can bring on: questions that wait for a yes, acts of which \
nobody knows whether they happened, gates that stopped a run which destroys, and questions that nobody answered in \
time, whose runs only have to be ended.

Examples:
  sluice inbox
  sluice confirm last";

/// Show what waits for a person
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that waits.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Row {
    /// The run's id.
    run: String,
    /// The runbook's name.
    runbook: String,
    /// `confirm`, `settle`, `override` or `resume`: the verb that brings it on. `resume` where nobody answered in time, and
    /// where a gate that nobody overrides stopped the run, once that is mended, and where it was answered and nobody went on.
    wants: String,
    /// The address of the step.
    step: String,
    /// Who started the run.
    by: String,
    /// Until when it can be answered, or could be: RFC 3339, UTC. Null where it waits for ever.
    until: Option<String>,
    #[serde(skip)]
    left: Option<std::time::Duration>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let rows = context.block_on(rows(context, &store))??;
    if args.json {
        views::json(&rows)?;
    } else if rows.is_empty() {
        context.note("nothing waits for anybody");
    } else {
        views::out(&shown(context, &rows))?;
    }
    Ok(Exit::DONE)
}

async fn rows(context: &Context, store: &Arc<dyn Store>) -> Result<Vec<Row>> {
    const TAKE: u32 = 200;
    let (mut rows, mut skip) = (Vec::new(), 0);
    let filter = Filter { runbook: None, open: Some(true) };
    loop {
        let page = store.list(&filter, Page { skip, take: TAKE }).await?;
        if page.is_empty() {
            return Ok(rows);
        }
        skip += TAKE;
        for entry in page {
            rows.extend(waits(context, store, &entry.run).await?);
        }
    }
}

async fn waits(context: &Context, store: &Arc<dyn Store>, run: &RunId) -> Result<Vec<Row>> {
    let engine = Launch::new(context, store.clone(), run, Some(Json::Document), Vec::new())?.engine;
    match engine.load(run, &AsItWas).await {
        Ok(loaded) => Ok(of_run(&loaded)),
        Err(error) => {
            context.note(&format!("run {run}: {error}"));
            Ok(Vec::new())
        }
    }
}

fn of_run(loaded: &Loaded) -> Vec<Row> {
    let (runbook, state) = (&loaded.runbook, &loaded.state);
    let row = |wants: &str, step: String| Row {
        run: loaded.run.to_string(),
        runbook: runbook.name.to_string(),
        wants: wants.to_owned(),
        step,
        by: state.started.as_ref().map(|started| started.by.clone()).unwrap_or_default(),
        until: None,
        left: None,
    };
    let now = WallClock.now();
    let asked = state.unanswered().map(|(path, ask)| Row {
        until: Some(time(ask.answer_by)),
        left: Some(ask.answer_by.since(now)),
        ..row(if ask.is_over(now) { "resume" } else { "confirm" }, path.key(runbook, state).to_string())
    });
    let stuck = state
        .intents
        .keys()
        .filter(|path| path.find(runbook, state).is_some_and(|(_, slot)| matches!(slot.status, Status::Stuck { .. })));
    let stuck = stuck.map(|path| row("settle", path.key(runbook, state).to_string()));
    let stopped = is_stopped_open(runbook, state).filter(|_| state.parked);
    let verb = |key: &Key| if is_overridable(runbook, state, key) { "override" } else { "resume" };
    let stopped = stopped.map(|key| row(verb(&key), key.to_string()));
    let mut rows: Vec<Row> = asked.chain(stuck).chain(stopped).collect();
    // It was answered, and whoever did that could not go on with it.
    if rows.is_empty() && state.parked {
        let step = state.asking.open.keys().next().map(|path| path.key(runbook, state).to_string());
        rows.push(row("resume", step.unwrap_or_default()));
    }
    rows
}

fn shown(context: &Context, rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let left = match row.left {
            None => "for ever".to_owned(),
            Some(left) if left.is_zero() => "too long already".to_owned(),
            Some(left) => format!("{} left", text::whole(left)),
        };
        vec![row.run.clone(), row.runbook.clone(), row.step.clone(), row.wants.clone(), row.by.clone(), left]
    };
    let head = ["run", "runbook", "step", "wants", "asked by", "waits"].map(str::to_owned).to_vec();
    let tone = |_: usize, column: usize| (column == 3).then_some(Tone::Warn);
    Table { head, rows: rows.iter().map(cells).collect(), tone: &tone }.show(&context.screen.out, 0)
}
