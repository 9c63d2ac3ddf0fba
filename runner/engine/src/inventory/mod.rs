//! The inventory, `sluice.yaml`: clusters with every default filled in, policy, people, plugins and where secrets are.
//!
//! Text in, values out: it reads no file, asks no service and holds no secret. Sections that nothing reads yet are
//! strict all the same, so that a key means something or is an error.

mod assume;
mod cluster;
mod keys;
mod logs;
mod names;
mod parse;
mod pattern;
mod schema;
mod sections;
mod used;

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Effect, PluginName};

pub use assume::{Assumption, Basis};
pub use names::{ClusterName, SecretName};
pub use parse::parse;
pub use schema::inventory_schema;

/// All of it, checked.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub clusters: IndexMap<ClusterName, Entry>,
    pub policy: Vec<Rule>,
    pub people: IndexMap<String, Person>,
    pub plugins: IndexMap<PluginName, PluginEntry>,
    pub secrets: IndexMap<SecretName, SecretEntry>,
    pub axiom: Axiom,
    pub terraform: Terraform,
    pub store: StoreAt,
}

/// A cluster as actions get it, and what of its entry only the engine reads.
#[derive(Clone, Debug)]
pub struct Entry {
    pub cluster: Cluster,
    /// How long to wait between two nodes.
    pub soak: Duration,
    pub locks: LocksAt,
    /// systemd units on each node.
    pub units: Vec<String>,
    /// Names of ECS services, by service.
    pub ecs: BTreeMap<String, String>,
    /// Defaults that this entry relies on.
    pub assumptions: Vec<Assumption>,
}

/// Where the lock around destroy steps lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocksAt {
    /// The account's parameter store: all who may act can see it.
    Ssm,
    /// The store of the runs.
    Store,
    /// This machine only.
    Local,
}

/// Who must say yes, for clusters with these labels. The first rule that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub when: BTreeMap<String, String>,
    pub confirm: Confirm,
    /// Groups that may override; empty: those who may confirm.
    pub overriders: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    pub people: u32,
    /// Whether the one who asked may be among them.
    pub requester: bool,
    pub groups: Vec<String>,
    pub answer_within: Option<Duration>,
}

impl Default for Confirm {
    /// One person, who may be the requester.
    fn default() -> Self {
        Self { people: 1, requester: true, groups: Vec::new(), answer_within: None }
    }
}

/// One human being and the identities that are theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub os: Option<String>,
    pub slack: Option<String>,
    pub oidc: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginEntry {
    /// Set for a plugin of one's own.
    pub component: Option<Component>,
    pub http: Vec<HttpGrant>,
    pub secrets: Vec<SecretName>,
    /// By operation: what it is at least, whatever it says of itself. Only of a plugin of one's own.
    pub effects: BTreeMap<String, Effect>,
}

/// A WASM file and what it must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub file: String,
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// `https://host:443`, without a path.
    pub origin: String,
    /// Requests that only read although their method could write: method and path.
    pub read: Vec<(String, String)>,
    /// The operations that may change something there; without it, every act may.
    pub write: Option<Vec<String>>,
    /// Whether private and link-local addresses may be reached.
    pub private: bool,
}

/// Where a secret is fetched and where it may go; never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretEntry {
    pub at: SecretAt,
    /// The origins it may be sent to. Empty: wherever the plugin that is granted it may send requests.
    pub to: Vec<String>,
}

/// Where a secret is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretAt {
    Env(String),
    Ssm(String),
    File(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axiom {
    pub url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terraform {
    pub address: Option<String>,
    pub organization: Option<String>,
    pub workspace: Option<String>,
    pub repo: Option<String>,
    pub file: Option<String>,
    pub block: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreAt {
    /// As written: `~` is for whoever opens it to resolve.
    pub path: Option<String>,
}

impl Inventory {
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.entry(name).map(|entry| &entry.cluster)
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.clusters.iter().find(|(known, _)| known.as_str() == name).map(|(_, entry)| entry)
    }

    /// Defaults in use, cluster by cluster.
    pub fn assumptions(&self) -> impl Iterator<Item = (&ClusterName, &Assumption)> {
        self.clusters.iter().flat_map(|(name, entry)| entry.assumptions.iter().map(move |one| (name, one)))
    }
}
