//! `sluice locks`: which run has which lock, and the audited way to take one away.

mod breaks;
mod list;

use std::sync::Arc;

use clap::Subcommand;
use sluice_engine::journal::store::{Lock, LockedAt, Locks, Store};
use sluice_engine::journal::{Holder, Standing};
use sluice_engine::machine::lock::Seen;
use sluice_engine::run::{Clock as _, Engine};

use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::launch::{Launch, new_run};
use crate::locks::{Places, shelf};
use crate::views::live::Json;

const AFTER: &str = "\
A run has its lock until it has ended, also while it is interrupted. Another run gets it before that only where
the first had begun nothing, or to repair it: `sluice run ... --repair RUN`. Breaking a lock is the last way.

Examples:
  sluice locks                        those of this machine, and of each cluster whose locks are in its account
  sluice locks --cluster nats-staging
  sluice locks break cluster/nats-staging --because 'the laptop with the run is lost; looked at node-2 by hand'";

/// Show who has which lock, or break one
#[derive(clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    list: list::Args,
}

#[derive(Subcommand)]
enum What {
    List(list::Args),
    Break(breaks::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.what {
        None => list::run(context, args.list),
        Some(What::List(args)) => list::run(context, args),
        Some(What::Break(args)) => breaks::run(context, args),
    }
}

/// One place where locks are.
struct Shelf {
    at: LockedAt,
    /// The cluster whose account it is.
    cluster: Option<String>,
    locks: Arc<dyn Locks>,
}

/// The store, and each cluster of the trusted inventory whose locks are in its account; of one cluster, only that.
fn shelves(context: &Context, store: &Arc<dyn Store>, only: Option<&str>) -> Result<Vec<Shelf>> {
    let inventory = context.trusted_inventory()?.map(|found| &found.inventory);
    if let Some(name) = only
        && inventory.is_none_or(|inventory| inventory.entry(name).is_none())
    {
        return Err(CommandError::usage(format!("the inventory has no cluster `{name}`")));
    }
    let mut shelves = vec![Shelf { at: LockedAt::Store, cluster: None, locks: store.clone() }];
    let places = Places::new(inventory);
    let clusters = inventory.into_iter().flat_map(|inventory| inventory.clusters.values()).map(|entry| &entry.cluster);
    for cluster in clusters.filter(|cluster| only.is_none_or(|only| only == cluster.name)) {
        let at = places.of_cluster(cluster);
        if let (true, Some(aws)) = (at.is_shared(), &cluster.aws)
            && let Some(locks) = shelf(aws.clone(), &cluster.ssm_prefix)
        {
            shelves.push(Shelf { at, cluster: Some(cluster.name.clone()), locks });
        }
    }
    if only.is_some() && shelves.len() > 1 {
        shelves.remove(0);
    }
    Ok(shelves)
}

fn engine(context: &Context, store: &Arc<dyn Store>) -> Result<Engine> {
    Ok(Launch::new(context, store.clone(), &new_run()?, Some(Json::Document), Vec::new())?.engine)
}

/// How a lock stands, for people and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Is {
    /// By a process that is heard of.
    Held,
    /// Its run has begun to act, and nobody goes on with it: only that run, or its repair, gets the lock.
    Interrupted,
    /// Its run has begun nothing, and nobody goes on with it: the next run takes it.
    Lapsed,
    /// Its run has ended and could not give it back: the next run here takes it.
    Ended,
    Broken,
}

impl Is {
    fn of(lock: &Lock, seen: Seen) -> Option<Self> {
        let holder = match &lock.standing {
            Standing::Free => return None,
            Standing::Broken { .. } => return Some(Self::Broken),
            Standing::Held { holder } => holder,
        };
        let live = !seen.gone && holder.lease_until > WallClock.now();
        Some(match (seen.ended, live, holder.effect || holder.repairs.is_some()) {
            (true, ..) => Self::Ended,
            (_, true, _) => Self::Held,
            (_, _, true) => Self::Interrupted,
            (_, _, false) => Self::Lapsed,
        })
    }

    fn words(self) -> &'static str {
        match self {
            Self::Held => "held by a live run",
            Self::Interrupted => "interrupted, has begun to act",
            Self::Lapsed => "lapsed, the next run takes it",
            Self::Ended => "its run has ended",
            Self::Broken => "broken",
        }
    }
}

/// Whose it is, or was before it was broken.
fn holder(lock: &Lock) -> Option<&Holder> {
    match &lock.standing {
        Standing::Free => None,
        Standing::Held { holder } | Standing::Broken { holder, .. } => Some(holder),
    }
}
