//! AWS for runbooks: the native plugin `aws`, one file per action.
//!
//! Region, account and profile come from the inventory object an action is given, never from the environment; only
//! endpoints (`AWS_ENDPOINT_URL*`) and the places where credentials are kept are the usual ones of every AWS tool.
//! Nothing here knows NATS, the engine or a runbook, and nothing is set up before the first call.

mod action;
mod actions;
mod clients;
mod connect;
mod endpoint;
mod failure;
mod group;
mod problem;
#[cfg(test)]
mod standin;

use std::sync::Arc;

use sluice_plugin::{Action, NativePlugin, PluginName, PluginSpec, Power};

use crate::action::constant;
use crate::clients::Clients;

/// The plugin with its own clients. Each call of this function starts with an empty cache of them.
pub fn plugin() -> NativePlugin {
    NativePlugin::new(spec(), actions(&Arc::new(Clients::default())))
}

/// A new action is one file in `actions/` and one line here.
fn actions(clients: &Arc<Clients>) -> Vec<Box<dyn Action>> {
    vec![
        Box::new(actions::CallerIdentity(clients.clone())),
        Box::new(actions::Parameters(clients.clone())),
        Box::new(actions::NodeInstance(clients.clone())),
        Box::new(actions::Groups(clients.clone())),
    ]
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: constant(PluginName::parse("aws")),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Accounts, parameters, instances and Auto Scaling groups".to_owned(),
        powers: vec![
            power(Power::NETWORK, "calls the AWS services of the region and account that the inventory names"),
            power("files", "reads the AWS configuration, credentials and SSO token files of the user"),
            power("environment", "reads AWS credentials and AWS_ENDPOINT_URL*; never the region or the account"),
            power("processes", "starts the credential_process of a profile that has one"),
        ],
        actions: Vec::new(),
    }
}

fn power(kind: &str, why: &str) -> Power {
    Power { kind: kind.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use sluice_plugin::{Abilities, Effect, Plugin};

    use super::*;

    #[test]
    fn every_example_fits_both_schemas() {
        let plugin = plugin();
        for action in &plugin.describe().actions {
            assert!(!action.examples.is_empty(), "{} has no example", action.name);
            for example in &action.examples {
                check_fits(&format!("{} input", action.name), &action.input, &example.with);
                check_fits(&format!("{} output", action.name), &action.output, &example.output);
            }
        }
    }

    fn check_fits(what: &str, schema: &serde_json::Value, instance: &serde_json::Value) {
        let validator = jsonschema::draft202012::new(schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(instance).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:?}");
    }

    /// The simulated world answers the same actions and carries their description in a file, which this test keeps:
    /// `SLUICE_BLESS=1 cargo test -p sluice-aws described_alike` writes it anew.
    #[test]
    fn the_simulated_actions_are_described_alike() {
        const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../runner/world/specs/aws.json");
        let spec = PluginSpec { version: "simulated".to_owned(), ..plugin().describe().clone() };
        if std::env::var_os("SLUICE_BLESS").is_some() {
            std::fs::write(KEPT, serde_json::to_string_pretty(&spec).unwrap() + "\n").unwrap();
        }
        let kept: PluginSpec = serde_json::from_str(&std::fs::read_to_string(KEPT).unwrap()).unwrap();
        assert_eq!(kept, spec, "set SLUICE_BLESS=1 and look at what changes");
    }

    #[test]
    fn every_action_here_only_reads_and_says_which_rights_it_needs() {
        let plugin = plugin();
        let mut names: Vec<_> = plugin.describe().actions.iter().map(|action| action.name.operation()).collect();
        names.sort_unstable();
        assert_eq!(names, ["caller_identity", "groups", "node_instance", "parameters"]);
        for action in &plugin.describe().actions {
            assert_eq!((action.effect, action.idempotent, action.gate), (Effect::Read, true, None), "{}", action.name);
            assert!(action.permissions.iter().any(|permission| permission.right == "sts:GetCallerIdentity"));
            assert_eq!(
                action.abilities,
                Abilities { check: action.name.operation() == "parameters", ..Abilities::default() }
            );
        }
    }
}
