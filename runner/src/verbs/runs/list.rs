//! `sluice runs list`

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Filter, IndexEntry, Page, Store};
use sluice_engine::run::{Clock as _, index_entry};
use sluice_plugin::Timestamp;

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::report::{RunStatus, status, time};
use crate::screen::Tone;
use crate::views::live::Json;
use crate::views::sign::Sign;
use crate::views::table::Table;
use crate::views::{self, text};

/// List runs, newest first
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Only those that are running, wait for somebody or can be resumed
    #[arg(long)]
    open: bool,

    /// Only runs of this runbook
    #[arg(long, value_name = "NAME")]
    runbook: Option<String>,

    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One line of the list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Row {
    /// The run's id.
    run: String,
    /// The runbook's name.
    runbook: String,
    /// As in the document of a run, or `unreadable`.
    status: String,
    /// RFC 3339, UTC.
    started: String,
    ended: Option<String>,
    /// The exit code; null while it runs.
    exit: Option<u8>,
    #[serde(skip)]
    began: Timestamp,
    #[serde(skip)]
    over: Option<Timestamp>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let rows = context.block_on(rows(context, &store, &args))??;
    if args.json {
        views::json(&rows)?;
    } else if rows.is_empty() {
        context.note("no runs; start with `sluice run hello`");
    } else {
        views::out(&shown(context, &rows))?;
    }
    Ok(Exit::DONE)
}

async fn rows(context: &Context, store: &Arc<dyn Store>, args: &Args) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let take = args.limit.clamp(1, 1000);
    let mut skip = 0;
    let filter = Filter { runbook: args.runbook.clone(), open: None };
    for run in unlisted(&**store, take).await? {
        let entry = looked_at(context, store, &run).await?;
        if args.runbook.as_ref().is_none_or(|name| *name == entry.runbook) {
            rows.push(row(entry));
        }
    }
    // What the index says of an open run may be old; only its journal and its process tell.
    while rows.len() < take as usize {
        let page = store.list(&filter, Page { skip, take }).await?;
        if page.is_empty() {
            break;
        }
        skip += take;
        for entry in page {
            let entry = if entry.ended.is_some() { entry } else { looked_at(context, store, &entry.run).await? };
            // What was interrupted can be resumed; else what has ended has.
            if !args.open || entry.ended.is_none() || entry.status == RunStatus::Interrupted.name() {
                rows.push(row(entry));
            }
        }
    }
    rows.sort_by(|left, right| right.run.cmp(&left.run));
    rows.truncate(take as usize);
    Ok(rows)
}

/// Runs whose process died before it could list them.
async fn unlisted(store: &dyn Store, take: u32) -> Result<Vec<RunId>> {
    let mut runs = store.journals().await?;
    runs.sort_by(|left, right| right.cmp(left));
    let mut missing = Vec::new();
    for run in runs.into_iter().take(take as usize) {
        if store.get(&run).await?.is_none() {
            missing.push(run);
        }
    }
    Ok(missing)
}

/// The entry as the journal tells it, with the process asked. A run that this version cannot read says so.
async fn looked_at(context: &Context, store: &Arc<dyn Store>, run: &RunId) -> Result<IndexEntry> {
    let engine = Launch::new(context, store.clone(), run, Some(Json::Document), Vec::new())?.engine;
    let loaded = match engine.load(run, &AsItWas).await {
        Ok(loaded) => loaded,
        Err(error) => {
            context.note(&format!("run {run}: {error}"));
            let known = store.get(run).await?;
            return Ok(IndexEntry { status: "unreadable".to_owned(), ..known.unwrap_or_else(|| nothing(run)) });
        }
    };
    let status = status(&loaded.state, engine.alive(run, &loaded.state).await?);
    Ok(IndexEntry { status: status.name().to_owned(), ..index_entry(run, &loaded.state, loaded.state.ordinal) })
}

fn nothing(run: &RunId) -> IndexEntry {
    IndexEntry {
        run: run.clone(),
        runbook: "?".to_owned(),
        started: Timestamp(0),
        ended: None,
        status: String::new(),
        exit: None,
        waiting_until: None,
        ordinal: 0,
    }
}

fn row(entry: IndexEntry) -> Row {
    Row {
        run: entry.run.to_string(),
        runbook: entry.runbook,
        status: entry.status,
        started: time(entry.started),
        ended: entry.ended.map(time),
        exit: entry.exit,
        began: entry.started,
        over: entry.ended,
    }
}

fn shown(context: &Context, rows: &[Row]) -> String {
    let out = &context.screen.out;
    let now = WallClock.now();
    let cells = |row: &Row| {
        vec![
            row.run.clone(),
            row.runbook.clone(),
            format!("{} {}", Sign::of(&row.status).on(&crate::screen::Stream { color: false, ..*out }), row.status),
            format!("{} ago", text::duration(now.since(row.began))),
            row.over.map_or_else(String::new, |over| text::duration(over.since(row.began))),
        ]
    };
    let head = ["run", "runbook", "how it is", "started", "took"].map(str::to_owned).to_vec();
    let tone = |at: usize, column: usize| match column {
        2 => rows.get(at).map(|row| Sign::of(&row.status).tone()),
        3 | 4 => Some(Tone::Dim),
        _ => None,
    };
    Table { head, rows: rows.iter().map(cells).collect(), tone: &tone }.show(out, 0)
}
