//! The secrets of the inventory that a run's steps name, fetched anew whenever a run is begun or goes on.
//!
//! They go into the run's vault and nowhere else. A secret that nothing names is not fetched.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use sluice_engine::ids::RunId;
use sluice_engine::inventory::{Inventory, SecretAt, SecretEntry, SecretName};
use sluice_engine::registry::Registry;
use sluice_engine::run::Hosts as _;
use sluice_engine::runbook::checked::InputKind;
use sluice_engine::runbook::{Checked, SecretUse};
use sluice_plugin::{ActionName, Attempt, Call, Problem, Purpose, Secret};

use crate::error::{CommandError, Result};
use crate::hosts::RunHosts;
use crate::inventory::Found;
use crate::{paths, plugins};

/// What a run takes its secrets from.
pub(crate) struct Secrets<'a> {
    pub(crate) inventory: &'a Found,
    pub(crate) runbook: &'a Checked,
    pub(crate) inputs: &'a Value,
    pub(crate) registry: &'a Registry,
    pub(crate) hosts: &'a RunHosts,
    pub(crate) run: &'a RunId,
}

impl Secrets<'_> {
    /// Fetches those that steps name. The inventory has all of them: see `Checked::secret_errors`.
    pub(crate) async fn fetch(&self, wanted: &[SecretUse]) -> Result<()> {
        let mut parameters = BTreeMap::new();
        for (name, entry) in named(wanted, &self.inventory.inventory) {
            match &entry.at {
                SecretAt::Env(variable) => self.hosts.keep(name, environment(name, variable)?, &entry.to)?,
                SecretAt::File(path) => self.hosts.keep(name, file(name, path, self.inventory)?, &entry.to)?,
                SecretAt::Ssm(path) => {
                    parameters.insert(name, (path.as_str(), entry));
                }
            }
        }
        if parameters.is_empty() { Ok(()) } else { self.parameters(&parameters).await }
    }

    /// All in one call, by the action that runbooks use for it.
    async fn parameters(&self, wanted: &BTreeMap<&SecretName, (&str, &SecretEntry)>) -> Result<()> {
        let aws = self.account()?;
        let names: BTreeMap<&str, &str> = wanted.iter().map(|(name, (path, _))| (name.as_str(), *path)).collect();
        let secret: Vec<&str> = names.keys().copied().collect();
        let with = json!({ "aws": aws, "names": names, "secret": secret });
        let output = self.call(with).await.map_err(|problem| {
            let names: Vec<&str> = wanted.keys().map(|name| name.as_str()).collect();
            CommandError::failed(format!("the secrets {} cannot be fetched: {}", names.join(", "), problem.message))
        })?;
        for (name, (_, entry)) in wanted {
            let sealed = output.pointer(&format!("/secrets/{name}")).unwrap_or(&Value::Null);
            let secret = self.hosts.sealed(sealed).map_err(|problem| gone(name, problem.message))?;
            self.hosts.keep(name, secret, &entry.to)?;
        }
        Ok(())
    }

    async fn call(&self, with: Value) -> std::result::Result<Value, Problem> {
        let broken = |why: String| Problem::not_applied("no_such_action", why);
        let name = ActionName::parse(plugins::PARAMETERS).map_err(|error| broken(error.to_string()))?;
        let action = self.registry.action(&name).ok_or_else(|| broken(format!("there is no action {name}")))?;
        let call = Call {
            run: self.run.to_string(),
            step: "secrets".to_owned(),
            attempt: Attempt(1),
            purpose: Purpose::Read,
            deadline: None,
            with,
        };
        let host = self.hosts.host(&name, &call);
        Ok(action.plugin.run(name.operation(), &*host, &call).await?.output)
    }

    /// A parameter's path says nothing of the account; the run's cluster does.
    fn account(&self) -> Result<&Value> {
        let mut clusters = self.runbook.inputs.iter().filter(|(_, input)| matches!(input.kind, InputKind::Cluster));
        let aws = clusters.next().and_then(|(name, _)| self.inputs.get(name)?.get("aws"));
        match aws {
            Some(aws) if clusters.next().is_none() => Ok(aws),
            _ => Err(CommandError::refused(
                "a secret of the parameter store is fetched from the account of the run's cluster",
            )
            .hint("give the runbook exactly one input of type cluster, or fetch the secret from `env` or `file`")),
        }
    }
}

fn named<'a>(wanted: &[SecretUse], inventory: &'a Inventory) -> BTreeMap<&'a SecretName, &'a SecretEntry> {
    wanted.iter().filter_map(|used| inventory.secrets.get_key_value(&used.name)).collect()
}

/// Whether it is to be had on this machine; `None` where only its account can tell.
pub(crate) fn is_here(name: &SecretName, at: &SecretAt, inventory: &Found) -> Option<Result<()>> {
    let found = match at {
        SecretAt::Env(variable) => environment(name, variable),
        SecretAt::File(path) => file(name, path, inventory),
        SecretAt::Ssm(_) => return None,
    };
    Some(found.map(|_| ()))
}

fn file(name: &SecretName, path: &str, inventory: &Found) -> Result<Secret> {
    let path = paths::expand(path, inventory.folder())?;
    let shown = paths::shown(&path);
    let text =
        fs::read_to_string(&path).map_err(|error| gone(name, format!("the file {shown} cannot be read: {error}")))?;
    of_text(name, text.trim_end_matches(['\r', '\n']), &format!("the file {shown}"))
}

fn environment(name: &SecretName, variable: &str) -> Result<Secret> {
    let place = format!("the environment variable {variable}");
    match std::env::var(variable) {
        Ok(text) => of_text(name, &text, &place),
        Err(std::env::VarError::NotPresent) => Err(gone(name, format!("{place} is not set"))),
        Err(std::env::VarError::NotUnicode(_)) => Err(gone(name, format!("{place} is no text"))),
    }
}

fn of_text(name: &SecretName, text: &str, place: &str) -> Result<Secret> {
    if text.trim().is_empty() { Err(gone(name, format!("{place} is empty"))) } else { Ok(Secret::new(text)) }
}

fn gone(name: &SecretName, why: String) -> CommandError {
    CommandError::refused(format!("the secret `{name}` cannot be had: {why}"))
        .hint("`secrets` in the inventory says where each is fetched; nothing has begun")
}
