//! What runs will need, tried one after the other: this machine's own things, then a cluster's.
//!
//! Each answer says what was tried, what was seen and what mends it. Nothing outside is changed and nothing is journaled;
//! on this machine the store is made where there is none, as every run would.

mod cluster;
mod rights;

use schemars::JsonSchema;
use serde::Serialize;
use sluice_engine::ids::RunId;
use sluice_engine::inventory::Entry;
use sluice_host::PrivateFolder;

use crate::context::Context;
use crate::error::{CommandError, Kind, Result};
use crate::prepare::Pair;
use crate::secrets::is_here;
use crate::trust::{self, Trust};
use crate::{inventory, paths};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Tried {
    /// `nats-staging-node-1 clock`.
    pub(crate) what: String,
    pub(crate) well: bool,
    pub(crate) seen: String,
    /// What to do, where something is wrong.
    pub(crate) mend: Option<String>,
}

impl Tried {
    fn well(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what: what.into(), well: true, seen: seen.into(), mend: None }
    }

    fn wrong(what: impl Into<String>, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), well: false, seen: seen.into(), mend: Some(mend.into()) }
    }

    /// A failure of our own with its first hint.
    fn error(what: impl Into<String>, error: &CommandError) -> Self {
        let mend = error.hints.first().cloned();
        Self { what: what.into(), well: false, seen: error.message.clone(), mend }
    }
}

/// The cluster that was named, if one was.
pub(crate) fn cluster(context: &Context, pairs: &[Pair]) -> Result<Option<Entry>> {
    let mut chosen = None;
    for pair in pairs {
        if pair.name() != "cluster" {
            return Err(CommandError::usage(format!("the doctor knows no input `{}`", pair.name()))
                .hint("name a cluster: -i cluster=NAME"));
        }
        let found = context.inventory()?.ok_or_else(|| {
            CommandError::usage("there is no inventory from here upwards, so there are no clusters")
                .hint("name one with --inventory or SLUICE_INVENTORY")
        })?;
        let entry = found.inventory.entry(pair.value()).ok_or_else(|| {
            let names: Vec<String> = found.inventory.clusters.keys().map(ToString::to_string).collect();
            CommandError::usage(format!("there is no cluster `{}`", pair.value()))
                .hint(format!("the inventory has: {}", names.join(", ")))
        })?;
        chosen = Some(entry.clone());
    }
    Ok(chosen)
}

/// Tries everything; what cannot be tried says so.
pub(crate) async fn examine(context: &Context, cluster: Option<&Entry>) -> Vec<Tried> {
    let (mut tried, trusted) = inventory(context);
    tried.push(store(context));
    tried.push(private());
    if trusted {
        tried.extend(secrets(context));
    }
    match cluster {
        None => {}
        Some(entry) if trusted => tried.extend(cluster::examine(context, entry).await),
        Some(entry) => {
            let name = entry.cluster.name.clone();
            tried.push(Tried::wrong(name, "not looked at", "trust the inventory first, then ask the doctor again"));
        }
    }
    tried
}

/// What is wrong with the inventory, and whether it may be used.
fn inventory(context: &Context) -> (Vec<Tried>, bool) {
    let found = match context.inventory() {
        Ok(Some(found)) => found,
        Ok(None) => {
            let seen = format!("no {} from here upwards; only runbooks without a cluster can run", inventory::FILE);
            return (vec![Tried::well("inventory", seen)], false);
        }
        Err(error) if error.kind == Kind::Invalid => {
            return (vec![Tried::wrong("inventory", error.message, "`sluice check` shows what is wrong")], false);
        }
        Err(error) => return (vec![Tried::error("inventory", &error)], false),
    };
    let read = Tried::well("inventory", format!("{} is valid", found.shown()));
    let (trust, trusted) = match trust::safe(found).and_then(|()| trust::state(found)) {
        Ok(Trust::Trusted) => (Tried::well("trust", "it is trusted as it is"), true),
        Ok(Trust::New) => {
            (Tried::wrong("trust", "it is not trusted", format!("look at it: {}", trust::command(found))), false)
        }
        Ok(Trust::Changed { .. }) => (
            Tried::wrong(
                "trust",
                "it has changed since it was trusted",
                format!("look at the change: {}", trust::command(found)),
            ),
            false,
        ),
        Err(error) => (Tried::error("trust", &error), false),
    };
    (vec![read, trust], trusted)
}

/// Those that this machine has to have for the runbooks that use them.
fn secrets(context: &Context) -> Vec<Tried> {
    let Ok(Some(found)) = context.inventory() else { return Vec::new() };
    let tried = found.inventory.secrets.iter().filter_map(|(name, entry)| {
        let what = format!("secret {name}");
        Some(match is_here(name, &entry.at, found)? {
            Ok(()) => Tried::well(what, "it is there"),
            Err(error) => Tried::error(what, &error),
        })
    });
    tried.collect()
}

fn store(context: &Context) -> Tried {
    let opened = context.store_folder().and_then(|folder| context.store().map(|_| folder));
    match opened {
        Ok(folder) => Tried::well("store", format!("{} can be written", folder.display())),
        Err(error) => Tried::error("store", &error),
    }
}

fn private() -> Tried {
    let what = "private files";
    let base = match paths::private() {
        Ok(base) => base,
        Err(error) => return Tried::error(what, &error),
    };
    let made = PrivateFolder::create(&base, RunId::new(0, [0; 10]).as_str()).and_then(|mut folder| folder.remove());
    match made {
        Ok(()) => Tried::well(what, format!("{} is ours alone", base.display())),
        Err(error) => Tried::wrong(what, error.to_string(), "runs that need credentials refuse until this is mended"),
    }
}
