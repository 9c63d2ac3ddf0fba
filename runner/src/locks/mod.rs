//! Where the locks of runs are: in the store, or in the parameter store of the cluster's account.

#[cfg(feature = "aws")]
mod parameters;
#[cfg(not(feature = "aws"))]
#[path = "nowhere.rs"]
mod parameters;

#[cfg(feature = "aws")]
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use sluice_engine::inventory::{Inventory, LocksAt};
#[cfg(feature = "aws")]
use sluice_engine::journal::store::Locks;
use sluice_engine::journal::store::{LockedAt, StoreError};
use sluice_engine::machine::lock::cluster_input;
use sluice_engine::run::{LockPlaces, Place};
use sluice_engine::runbook::Checked;
use sluice_plugin::inventory::Cluster;

use crate::locks::parameters::{folder, opened};
pub(crate) use parameters::shelf;

/// The places that the trusted inventory knows.
pub(crate) struct Places {
    inventory: Option<Inventory>,
}

/// Locks below this path of an account's parameter store.
#[cfg(feature = "aws")]
pub(crate) fn in_parameters(aws: sluice_plugin::inventory::Aws, prefix: &str) -> Arc<dyn Locks> {
    Arc::new(parameters::locks(aws, prefix))
}

impl Places {
    pub(crate) fn new(inventory: Option<&Inventory>) -> Self {
        Self { inventory: inventory.cloned() }
    }

    /// Where the inventory wants the locks of this cluster.
    pub(crate) fn of_cluster(&self, cluster: &Cluster) -> LockedAt {
        let wanted = self.inventory.as_ref().and_then(|inventory| inventory.entry(&cluster.name));
        match wanted.map(|entry| entry.locks) {
            Some(LocksAt::Ssm) => {
                let account = cluster.aws.as_ref().and_then(|aws| aws.account.clone());
                let region = cluster.aws.as_ref().map(|aws| aws.region.clone()).unwrap_or_default();
                LockedAt::Ssm { account, region, path: folder(&cluster.ssm_prefix) }
            }
            Some(LocksAt::Local) => LockedAt::Local,
            Some(LocksAt::Store) | None => LockedAt::Store,
        }
    }
}

#[async_trait]
impl LockPlaces for Places {
    /// That of the first cluster whose input, or a node of which, the lock's name is made of.
    fn choose(&self, runbook: &Checked, inputs: &Value) -> LockedAt {
        let cluster = cluster_input(runbook).and_then(|name| cluster_of(inputs.get(name)?));
        cluster.map_or(LockedAt::Store, |cluster| self.of_cluster(&cluster))
    }

    async fn open(&self, at: &LockedAt, inputs: &Value) -> Result<Place, StoreError> {
        let LockedAt::Ssm { path, .. } = at else {
            return Err(StoreError::Unreachable("these locks are in the store".to_owned()));
        };
        let clusters = inputs.as_object().into_iter().flat_map(|inputs| inputs.values().filter_map(cluster_of));
        let cluster = clusters.into_iter().find(|cluster| leads_to(cluster, at));
        let found = cluster.and_then(|cluster| Some((cluster.aws?, cluster.ssm_prefix)));
        let (aws, prefix) = found.ok_or_else(|| {
            StoreError::Unreachable(format!("no cluster of this run has an AWS account with locks at {path}"))
        })?;
        opened(aws, &prefix).await
    }
}

fn leads_to(cluster: &Cluster, at: &LockedAt) -> bool {
    let LockedAt::Ssm { account, region, path } = at else { return false };
    let there = cluster.aws.as_ref().is_some_and(|aws| aws.account == *account && aws.region == *region);
    there && folder(&cluster.ssm_prefix) == *path
}

fn cluster_of(value: &Value) -> Option<Cluster> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use sluice_engine::inventory::parse;
    use sluice_engine::runbook::{Given, load, resolve_inputs};
    use sluice_engine::source::Source;

    use super::*;

    const INVENTORY: &str = "
clusters:
  far: { nodes: 3, aws: { account: '123456789012', region: us-east-2 } }
  near: { nodes: 3, aws: { account: '123456789012', region: us-east-2 }, locks: local }
  bare: { nodes: 3 }
";

    #[test]
    fn the_cluster_in_the_name_decides() {
        let inventory = parse(&sluice_engine::yaml::read("sluice.yaml", INVENTORY.as_bytes()).unwrap()).unwrap();
        let check = |lock: &str, cluster: &str, expect: &str| {
            let text = format!(
                "runbook: toy\nsummary: A toy.\ninputs: {{ cluster: {{ type: cluster }}, node: {{ type: node, of: \
                 cluster }}, word: {{ type: string }} }}\nlock: \"{lock}\"\nsteps: [{{ id: a, uses: base.echo, with: \
                 {{ value: ['{{{{ inputs.cluster }}}}', '{{{{ inputs.node }}}}', '{{{{ inputs.word }}}}'] }} }}]\n"
            );
            let registry = crate::plugins::registry(Vec::new()).unwrap();
            let runbook = load(&Source::new("toy.yaml", text), &registry).unwrap().runbook;
            let given = [("cluster", cluster), ("node", "node-1"), ("word", "x")];
            let given = given.map(|(name, text)| (name.to_owned(), Given::Text(text.to_owned())));
            let inputs = resolve_inputs(&runbook, &BTreeMap::from(given), &inventory).unwrap();
            let at = Places::new(Some(&inventory)).choose(&runbook, &inputs);
            assert_eq!(json!(at)["is"], expect, "{lock} of {cluster}");
        };
        check("cluster/{{ inputs.cluster.name }}", "far", "ssm");
        check("node/{{ inputs.node.name }}", "far", "ssm");
        check("cluster/{{ inputs.cluster.name }}", "near", "local");
        check("cluster/{{ inputs.cluster.name }}", "bare", "store");
        check("by-hand/{{ inputs.word }}", "far", "store");
        check("maintenance", "far", "store");
    }
}
