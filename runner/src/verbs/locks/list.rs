//! `sluice locks list`

use serde::Serialize;
use sluice_engine::diagnostic::visible;
use sluice_engine::journal::Standing;
use sluice_engine::journal::store::Lock;
use sluice_engine::machine::lock::Seen;
use sluice_engine::run::{Clock as _, Engine};
use sluice_plugin::Timestamp;

use super::{Is, Shelf, engine, holder, shelves};
use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{Exit, Result};
use crate::owners::hostname;
use crate::report::time;
use crate::screen::Tone;
use crate::views::table::Table;
use crate::views::{self, text};

/// List the locks that are not free
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Only those of this cluster's account
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One lock.
#[derive(Serialize)]
struct Row {
    name: String,
    generation: u64,
    is: Is,
    run: String,
    runbook: String,
    person: String,
    host: String,
    pid: u32,
    /// RFC 3339, UTC.
    since: String,
    lease_until: String,
    /// Whether its run has begun to act.
    effect: bool,
    /// The run that it repairs.
    repairs: Option<String>,
    broken_by: Option<String>,
    because: Option<String>,
    at: String,
    #[serde(skip)]
    began: Timestamp,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let engine = engine(context, &store)?;
    let shelves = shelves(context, &store, args.cluster.as_deref())?;
    let (rows, silent) = context.block_on(rows(context, &engine, &shelves))??;
    let known = context.inventory().ok().flatten().is_some_and(|found| !found.inventory.clusters.is_empty());
    let unasked = known && context.trusted_inventory()?.is_none();
    if args.json {
        views::json(&rows)?;
    } else if rows.is_empty() {
        context.note(match (silent, unasked) {
            (true, _) => "no locks beside those that cannot be told",
            (false, true) => {
                "no locks on this machine; those in the accounts of the inventory's clusters were not asked for"
            }
            (false, false) => "no locks: nothing that has one is running or interrupted",
        });
    } else {
        views::out(&shown(context, &rows))?;
    }
    // What could not be asked is no answer.
    Ok(if silent || unasked { Exit::FOUND } else { Exit::DONE })
}

async fn rows(context: &Context, engine: &Engine, shelves: &[Shelf]) -> Result<(Vec<Row>, bool)> {
    let (mut rows, mut silent) = (Vec::new(), false);
    for shelf in shelves {
        let found = match (shelf.locks.held().await, &shelf.cluster) {
            (Ok(found), _) => found,
            (Err(error), Some(cluster)) => {
                silent = true;
                context.note(&format!("the locks of {cluster} cannot be told ({}): {error}", shelf.at));
                continue;
            }
            (Err(error), None) => return Err(error.into()),
        };
        for lock in found {
            let seen = match lock.holder() {
                Some(holder) => engine.seen(holder, &shelf.at).await?,
                None => Seen::default(),
            };
            rows.extend(row(&lock, seen, shelf));
        }
    }
    Ok((rows, silent))
}

fn row(lock: &Lock, seen: Seen, shelf: &Shelf) -> Option<Row> {
    let (is, holder) = (Is::of(lock, seen)?, holder(lock)?);
    let breach = match &lock.standing {
        Standing::Broken { breach, .. } => Some(breach),
        Standing::Free | Standing::Held { .. } => None,
    };
    Some(Row {
        name: lock.name.clone(),
        generation: lock.generation,
        is,
        run: holder.run.to_string(),
        runbook: holder.runbook.clone(),
        person: holder.person.clone(),
        host: holder.owner.host.clone(),
        pid: holder.owner.pid,
        since: time(holder.since),
        lease_until: time(holder.lease_until),
        effect: holder.effect,
        repairs: holder.repairs.as_ref().map(|repaired| repaired.run.to_string()),
        broken_by: breach.map(|breach| breach.by.clone()),
        because: breach.map(|breach| breach.why.clone()),
        at: shelf.cluster.as_ref().map_or_else(|| shelf.at.to_string(), |cluster| format!("account of {cluster}")),
        began: holder.since,
    })
}

fn shown(context: &Context, rows: &[Row]) -> String {
    let out = &context.screen.out;
    let now = WallClock.now();
    let cells = |row: &Row| {
        let how = match (&row.broken_by, &row.because, &row.repairs) {
            (Some(by), Some(why), _) => format!("broken by {by}: {why}"),
            (_, _, Some(run)) => format!("{}, repairs run {run}", row.is.words()),
            _ => row.is.words().to_owned(),
        };
        let since = format!("{} ago", text::duration(now.since(row.began)));
        let all = [&row.name, &how, &row.run, &row.runbook, &row.person, &row.host, &since, &row.at];
        all.map(|cell| visible(cell).into_owned()).to_vec()
    };
    let head = ["lock", "how it is", "run", "runbook", "person", "host", "since", "where"].map(str::to_owned).to_vec();
    let tone = |at: usize, column: usize| match (column, rows.get(at).map(|row| row.is)) {
        (1, Some(Is::Held)) => Some(Tone::Accent),
        (1, Some(Is::Interrupted | Is::Broken)) => Some(Tone::Warn),
        (1 | 6 | 7, _) => Some(Tone::Dim),
        _ => None,
    };
    let mut shown = Table { head, rows: rows.iter().map(cells).collect(), tone: &tone }.show(out, 0);
    for row in rows.iter().filter(|row| matches!(row.is, Is::Interrupted | Is::Lapsed)) {
        let command = out.paint(Tone::Accent, &format!("sluice resume {}", row.run));
        let there = if row.host == hostname() { String::new() } else { format!(" (on {})", visible(&row.host)) };
        shown.push_str(&format!("{} {command}{there}\n", out.paint(Tone::Dim, "go on:")));
    }
    shown
}
