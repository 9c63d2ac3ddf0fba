//! `sluice locks break`

use std::sync::Arc;

use sluice_engine::diagnostic::visible;
use sluice_engine::journal::Holder;
use sluice_engine::journal::store::{Lock, Store};
use sluice_engine::run::{Engine, LockError, OpenError};

use super::{Shelf, engine, shelves};
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::report::time;
use crate::trust::quoted;

/// Take a lock away from a run that nobody can go on with; what is unknown of it is shown first
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The lock's name, as `sluice locks` shows it
    #[arg(value_name = "NAME")]
    name: String,

    /// Why nobody can go on with its run, and what you looked at; for both journals
    #[arg(long, value_name = "WHY", value_parser = reason)]
    because: String,

    /// The cluster in whose account the lock is
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
}

/// Longer reasons belong into a ticket: a lock is one short record.
const LONGEST_REASON: usize = 500;

fn reason(text: &str) -> std::result::Result<String, String> {
    match text.trim().len() {
        0 => Err("say why".to_owned()),
        length if length > LONGEST_REASON => Err(format!("at most {LONGEST_REASON} bytes")),
        _ => Ok(text.trim().to_owned()),
    }
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let store = context.store()?;
    let engine = engine(context, &store)?;
    let shelves = shelves(context, &store, args.cluster.as_deref())?;
    context.block_on(async {
        let (shelf, lock) = find(&shelves, &args.name).await?;
        let Some(holder) = lock.holder().cloned() else {
            return Err(CommandError::failed(format!("the lock {} is held by nobody", quoted(&args.name))));
        };
        tell(context, &engine, &store, shelf, &lock).await?;
        engine.break_lock(&*shelf.locks, &shelf.at, &lock, &args.because).await.map_err(|error| match error {
            LockError::Held { .. } => living(&holder),
            other => other.into(),
        })?;
        if let Some(repaired) = &holder.repairs {
            context.note(&format!("the lock is back with run {}, which this one repaired", repaired.run));
            return Ok(Exit::DONE);
        }
        context.note("the lock is broken: the next run takes it, and its journal says whose it was and why");
        context.note(&format!(
            "run {} stays what it is; what it may have done is for you to look at. `sluice cancel {} --because ...` ends it",
            holder.run, holder.run
        ));
        Ok(Exit::DONE)
    })?
}

/// Whoever holds it can still act. What is to be done is not to take the lock, but to end the run.
fn living(holder: &Holder) -> CommandError {
    let Holder { run, owner, lease_until, .. } = holder;
    let (host, pid) = (visible(&owner.host), owner.pid);
    CommandError::refused(format!(
        "nothing was broken: run {run} is alive, its process {pid} on {host} was heard of and may act at any moment"
    ))
    .hint(format!("end the run where it is: `sluice cancel {run} --because ...`; it gives its lock back"))
    .hint("or wait for it: `sluice run ... --lock-wait 10m`")
    .hint(format!(
        "if the process is gone all the same, nobody hears of it after {}: break the lock then",
        time(*lease_until)
    ))
}

async fn find<'a>(shelves: &'a [Shelf], name: &str) -> Result<(&'a Shelf, Lock)> {
    let mut found = Vec::new();
    for shelf in shelves {
        match shelf.locks.look(name).await {
            Ok(Some(lock)) if lock.holder().is_some() => found.push((shelf, lock)),
            Ok(_) => {}
            Err(error) => {
                let at = shelf.cluster.as_deref().unwrap_or("this machine");
                return Err(CommandError::failed(format!("the locks of {at} cannot be told: {error}")));
            }
        }
    }
    if found.len() > 1 {
        return Err(CommandError::usage(format!("there are {} locks {}", found.len(), quoted(name)))
            .hint("say which one with --cluster"));
    }
    found.pop().ok_or_else(|| {
        CommandError::failed(format!("nobody has a lock {}", quoted(name))).hint("`sluice locks` shows them")
    })
}

/// What is known of the holder, and what is not.
async fn tell(context: &Context, engine: &Engine, store: &Arc<dyn Store>, shelf: &Shelf, lock: &Lock) -> Result<()> {
    let Some(holder) = lock.holder() else { return Ok(()) };
    let (run, owner) = (&holder.run, &holder.owner);
    context.note(&format!(
        "{} ({}) is held by run {run} ({}) of {} since {}, process {} on {}",
        visible(&lock.name),
        shelf.at,
        visible(&holder.runbook),
        visible(&holder.person),
        time(holder.since),
        owner.pid,
        visible(&owner.host)
    ));
    if let Some(repaired) = &holder.repairs {
        let effect = if repaired.effect { ", which has begun to act" } else { "" };
        context.note(&format!("it repairs run {}{effect}: the lock goes back there", repaired.run));
    }
    if !holder.effect && holder.repairs.is_some() {
        context.note("it had begun no act of its own");
    } else if !holder.effect {
        context.note("it had begun no act: a new run takes the lock without this, once the lease is over");
    } else if store.read(run, 0).await?.is_empty() {
        context.note("it has begun to act; its journal is in another store, so what it did is unknown here");
    } else {
        context.note(&format!("it has begun to act; unknown: {}", unknown(engine, holder).await?));
    }
    Ok(())
}

/// The acts of which nobody knows whether they were done.
async fn unknown(engine: &Engine, holder: &Holder) -> Result<String> {
    let loaded = match engine.load(&holder.run, &AsItWas).await {
        Ok(loaded) => loaded,
        Err(error @ OpenError::Runbook { .. }) => return Ok(format!("all of it: {error}")),
        Err(error) => return Err(error.into()),
    };
    let (runbook, state) = (&loaded.runbook, &loaded.state);
    let acts: Vec<String> = state.intents.keys().map(|path| path.key(runbook, state).to_string()).collect();
    Ok(if acts.is_empty() {
        format!("no act was under way; `sluice runs show {}` tells what was done", holder.run)
    } else {
        format!("whether {} was done; look at the world, not at the journal", acts.join(", "))
    })
}
