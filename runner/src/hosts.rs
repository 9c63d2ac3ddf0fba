//! What plugins may touch in one run: the host's parts put together, with the grants that the inventory gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sluice_engine::inventory::{Inventory, PluginEntry, SecretName};
use sluice_engine::run::Hosts;
use sluice_host::{
    BadGrant, Bound, Grants, HostParts, HttpGrant, Origin, ReadingPath, Redactor, Shared, Sink, SystemClock, Vault,
};
use sluice_plugin::{ActionName, Call, Host, PluginName, Problem, Secret, SecretRef};

use crate::error::{CommandError, Result};
use crate::{paths, plugins};

/// Which run, and who acts in it.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) run: &'a str,
    pub(crate) actor: &'a str,
}

/// The hosts of one run.
pub(crate) struct RunHosts {
    shared: Shared,
}

impl RunHosts {
    /// `inventory` is the trusted one; without it nothing is granted.
    pub(crate) fn new(
        of: Of<'_>,
        inventory: Option<&Inventory>,
        redactor: Arc<Redactor>,
        sink: Arc<dyn Sink>,
    ) -> Result<Self> {
        let parts = parts(of, inventory, redactor, sink)?;
        Ok(Self { shared: Shared::new(parts) })
    }

    /// Keeps a secret of the inventory for the run. `to` are the only origins it may be sent to, if there are any.
    pub(crate) fn keep(&self, name: &SecretName, secret: Secret, to: &[String]) -> Result<()> {
        let bad = |error: BadGrant| CommandError::refused(format!("the secret `{name}` cannot be kept: {error}"));
        let origins = to.iter().map(|origin| Origin::parse(origin)).collect::<std::result::Result<Vec<_>, _>>();
        let origins = origins.map_err(bad)?;
        let bound = if origins.is_empty() { Bound::Granted } else { Bound::To(origins) };
        self.shared.vault().keep(name.as_str(), secret, bound);
        Ok(())
    }

    /// Those of a plan, which write no private file.
    pub(crate) fn of_plan(
        of: Of<'_>,
        inventory: Option<&Inventory>,
        redactor: Arc<Redactor>,
        sink: Arc<dyn Sink>,
    ) -> Result<Self> {
        let parts = parts(of, inventory, redactor, sink)?;
        Ok(Self { shared: Shared::of_plan(parts) })
    }

    /// What a step of this run has sealed.
    pub(crate) fn sealed(&self, leaf: &Value) -> std::result::Result<Secret, Problem> {
        let no_secret = || Problem::not_applied("bad_output", "it is no secret");
        self.shared.vault().reveal(&SecretRef::from_json(leaf).ok_or_else(no_secret)?)
    }

    /// Removes the run's private files now.
    pub(crate) fn end(&self) -> Result<()> {
        self.shared.end().map_err(|error| CommandError::failed(format!("private files are left: {error}")))
    }
}

impl Hosts for RunHosts {
    fn host(&self, action: &ActionName, call: &Call) -> Box<dyn Host> {
        Box::new(self.shared.for_call(action, call))
    }

    fn redact(&self, value: &mut Value) {
        self.shared.redactor().json(value);
    }

    fn redact_text(&self, text: &mut String) {
        if let std::borrow::Cow::Owned(clean) = self.shared.redactor().text(text) {
            *text = clean;
        }
    }
}

fn parts(of: Of<'_>, inventory: Option<&Inventory>, redactor: Arc<Redactor>, sink: Arc<dyn Sink>) -> Result<HostParts> {
    Ok(HostParts {
        run: of.run.to_owned(),
        actor: of.actor.to_owned(),
        grants: inventory.map_or_else(|| Ok(BTreeMap::new()), grants)?,
        vault: Arc::new(Vault::new(redactor)),
        private_base: paths::private()?,
        clock: Arc::new(SystemClock),
        sink,
    })
}

/// What the inventory's `plugins` say, and the monitoring endpoints of its own nodes for the plugin that reads them.
fn grants(inventory: &Inventory) -> Result<BTreeMap<PluginName, Grants>> {
    let bad = |error: BadGrant| CommandError::refused(format!("the inventory grants what cannot be: {error}"));
    let mut grants = BTreeMap::new();
    for (name, entry) in &inventory.plugins {
        grants.insert(name.clone(), written(entry).map_err(bad)?);
    }
    let monitoring = PluginName::parse(plugins::MONITORING).map_err(|error| CommandError::failed(error.to_string()))?;
    let own: &mut Grants = grants.entry(monitoring).or_default();
    for node in inventory.clusters.values().flat_map(|entry| &entry.cluster.nodes) {
        // Nodes lie in private networks; naming them in the inventory is what grants them.
        own.http.push(HttpGrant {
            origin: Origin::parse(&node.monitor_url()).map_err(bad)?,
            private: true,
            read: Vec::new(),
            write: None,
        });
    }
    Ok(grants)
}

fn written(entry: &PluginEntry) -> std::result::Result<Grants, BadGrant> {
    let http = entry.http.iter().map(|grant| {
        let read = grant.read.iter().map(|(method, path)| ReadingPath::parse(&format!("{method} {path}")));
        Ok(HttpGrant {
            origin: Origin::parse(&grant.origin)?,
            private: grant.private,
            write: grant.write.clone(),
            read: read.collect::<std::result::Result<_, BadGrant>>()?,
        })
    });
    Ok(Grants {
        http: http.collect::<std::result::Result<_, BadGrant>>()?,
        secrets: entry.secrets.iter().map(ToString::to_string).collect(),
    })
}
