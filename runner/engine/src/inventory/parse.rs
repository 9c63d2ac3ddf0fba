//! From the tree to the inventory: the sections, and what holds between them.

use indexmap::IndexMap;

use super::names::ClusterName;
use super::{Inventory, cluster, keys, sections};
use crate::diagnostic::{Code, Diagnostic, Findings, did_you_mean, list};
use crate::source::Source;
use crate::yaml::fields::{self, Fields};
use crate::yaml::{self, Node};

/// The inventory, or everything that is wrong with it.
pub fn parse(source: &Source) -> Result<Inventory, Vec<Diagnostic>> {
    let mut findings = Findings::new(source);
    let inventory = yaml::parse(source, &mut findings).map(|root| read(&root, &mut findings));
    match inventory {
        Some(inventory) if !findings.any_error() => Ok(inventory),
        _ => Err(findings.finish()),
    }
}

fn read(root: &Node, findings: &mut Findings) -> Inventory {
    let Some(top) = Fields::open(root, "the inventory", keys::INVENTORY, findings) else { return Inventory::default() };
    for name in ["slack", "schedules", "server"] {
        if let Some(node) = top.get(name) {
            sections::empty(node, name, findings);
        }
    }
    let secrets = top.get("secrets").map_or_else(IndexMap::new, |node| sections::secrets(node, findings));
    let mut inventory = Inventory {
        clusters: top.get("clusters").map_or_else(IndexMap::new, |node| clusters(node, findings)),
        policy: top.get("policy").map_or_else(Vec::new, |node| sections::policy(node, findings)),
        people: top.get("people").map_or_else(IndexMap::new, |node| sections::people(node, findings)),
        plugins: top.get("plugins").map_or_else(IndexMap::new, |node| sections::plugins(node, findings)),
        secrets,
        axiom: top.get("axiom").map_or_else(Default::default, |node| sections::axiom(node, findings)),
        terraform: top.get("terraform").map_or_else(Default::default, |node| sections::terraform(node, findings)),
        store: top.get("store").map_or_else(Default::default, |node| sections::store(node, findings)),
    };
    if let Some(url) = &inventory.axiom.url {
        let logs = inventory.clusters.values_mut().filter_map(|entry| entry.cluster.logs.as_mut());
        logs.for_each(|logs| logs.axiom.url.clone_from(url));
    }
    if let Some(node) = top.get("plugins") {
        known_secrets(node, &inventory, findings);
    }
    inventory
}

fn clusters(node: &Node, findings: &mut Findings) -> IndexMap<ClusterName, super::Entry> {
    let Some(map) = fields::map(node, "`clusters`", findings) else { return IndexMap::new() };
    let mut clusters = IndexMap::new();
    for entry in map.iter() {
        let name = ClusterName::parse(&entry.key.name);
        if name.is_none() {
            let message = format!("`{}` cannot name a cluster", entry.key.name);
            findings.helped(Code::BadName, entry.key.span, message, ClusterName::FORM);
        }
        // A cluster with a bad name is read all the same, for what else may be wrong with it.
        let read = cluster::parse(&entry.key.name, &entry.value, findings);
        if let (Some(name), Some(read)) = (name, read) {
            clusters.insert(name, read);
        }
    }
    clusters
}

/// A plugin may be granted only secrets that the inventory names.
fn known_secrets(node: &Node, inventory: &Inventory, findings: &mut Findings) {
    for (secret, span) in sections::granted_secrets(node) {
        if inventory.secrets.keys().any(|known| known.as_str() == secret) {
            continue;
        }
        let names = || inventory.secrets.keys().map(super::SecretName::as_str);
        let message = format!("there is no secret `{secret}`");
        let found = Diagnostic::error(Code::UnknownSecret, message);
        let found = found.at(findings.source(), span, did_you_mean(&secret, names()).unwrap_or_default());
        let help = format!("`secrets` names {}; add it there with where it is fetched", list(names(), "and"));
        findings.push(found.help(help));
    }
}
