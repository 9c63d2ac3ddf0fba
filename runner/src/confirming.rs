//! What this process is to runs that destroy: who sits at it, what of the inventory a run is bound to, and the receipt it
//! was given.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use sluice_engine::confirm::{Identity, Proof, Receipt};
use sluice_engine::inventory::Inventory;
use sluice_engine::run::{Asker, Confirming, InventorySource, Sources};
use sluice_engine::runbook::Checked;

use crate::context::Context;
use crate::error::Result;
use crate::floor;
use crate::prepare::uses_inventory;

/// For a run of this runbook, begun or gone on with here.
pub(crate) fn confirming(
    context: &Context,
    (runbook, inputs, origin): (&Checked, &Value, &str),
    asker: Option<Arc<dyn Asker>>,
    receipt: Option<Receipt>,
) -> Result<Confirming> {
    let sources = sources(context, runbook, inputs, origin)?;
    Ok(Confirming { sources, me: me(context)?, asker, receipt, asks_beside: false })
}

/// Where a run or plan of this comes from, and what of the inventory it is bound to.
pub(crate) fn sources(context: &Context, runbook: &Checked, inputs: &Value, origin: &str) -> Result<Sources> {
    let used = uses_inventory(context, runbook)?;
    let trusted = context.trusted_inventory()?;
    let inventory = context.inventory()?.map(|found| InventorySource {
        path: found.path.display().to_string(),
        sha256: found.digest,
        trusted: trusted.is_some(),
        used,
    });
    let sources = Sources { inventory, ..Sources::from(origin) };
    Ok(match trusted.filter(|_| used) {
        Some(found) => Sources {
            policy: floor::policy_for(&found.inventory, runbook, inputs)?,
            uses: found.inventory.used_by(runbook),
            ..sources
        },
        None => sources,
    })
}

/// Whoever is at this process, as the machine says: that proves that somebody is there, and nobody's identity.
pub(crate) fn me(context: &Context) -> Result<Identity> {
    let actor = context.actor();
    // A name of the system may hold an `@` itself; a host's does not.
    let user = actor.rsplit_once('@').map_or(actor.as_str(), |(user, _)| user).to_owned();
    let inventory = context.trusted_inventory()?.map(|found| &found.inventory);
    Ok(inventory.map_or_else(|| Identity::nobody_known(&actor), |inventory| person(inventory, &actor, &user)))
}

fn person(inventory: &Inventory, actor: &str, user: &str) -> Identity {
    let found = inventory.people.iter().find(|(_, person)| person.os.as_deref() == Some(user));
    Identity {
        actor: actor.to_owned(),
        person: found.map(|(name, _)| name.clone()),
        groups: found.map_or_else(BTreeSet::new, |(_, person)| person.groups.iter().cloned().collect()),
        proof: Proof::Presence,
    }
}
