//! AWS for runbooks: the native plugin `aws`, one file per action.
//!
//! Region, account and profile come from the inventory object an action is given, never from the environment; only
//! endpoints (`AWS_ENDPOINT_URL*`) and the places where credentials are kept are the usual ones of every AWS tool.
//! Nothing here knows NATS, the engine or a runbook, and nothing is set up before the first call.

mod act;
mod action;
mod actions;
mod by_hand;
mod clients;
mod command;
mod connect;
mod ec2;
mod ending;
mod endpoint;
mod failure;
mod group;
mod leftover;
mod limits;
pub mod locks;
mod logs;
mod moment;
mod moving;
mod problem;
mod role;
mod shell;
#[cfg(test)]
mod standin;
#[cfg(test)]
mod standin_cloud;
#[cfg(test)]
mod standin_commands;

use std::sync::Arc;

use sluice_plugin::{Listed, NativePlugin, PluginName, PluginSpec, Power};

use crate::action::constant;
use crate::clients::Clients;

/// The plugin with its own clients. Each call of this function starts with an empty cache of them.
pub fn plugin() -> NativePlugin {
    NativePlugin::new(spec(), actions(&Arc::new(Clients::default())))
}

/// A new action is one file in `actions/` and one line here.
fn actions(clients: &Arc<Clients>) -> Vec<Listed> {
    vec![
        ("caller_identity", Box::new(actions::CallerIdentity(clients.clone()))),
        ("parameters", Box::new(actions::Parameters(clients.clone()))),
        ("node_instance", Box::new(actions::NodeInstance(clients.clone()))),
        ("choose_nodes", Box::new(actions::ChooseNodes(clients.clone()))),
        ("groups", Box::new(actions::Groups(clients.clone()))),
        ("activities", Box::new(actions::Activities(clients.clone()))),
        ("cluster_idle", Box::new(actions::ClusterIdle(clients.clone()))),
        ("new_instance", Box::new(actions::NewInstance(clients.clone()))),
        ("bootstrap_line", Box::new(actions::BootstrapLine(clients.clone()))),
        ("log_lines", Box::new(actions::LogLines(clients.clone()))),
        ("insights", Box::new(actions::Insights(clients.clone()))),
        ("inspect_node", Box::new(actions::InspectNode(clients.clone()))),
        ("newest_refresh", Box::new(actions::NewestRefresh(clients.clone()))),
        ("terminate_instance", Box::new(actions::TerminateInstance(clients.clone()))),
        ("start_refresh", Box::new(actions::StartRefresh(clients.clone()))),
        ("cancel_refresh", Box::new(actions::CancelRefresh(clients.clone()))),
        ("run_command", Box::new(actions::RunCommand(clients.clone()))),
    ]
}

fn spec() -> PluginSpec {
    PluginSpec {
        name: constant(PluginName::parse("aws")),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Accounts, parameters, instances, Auto Scaling groups, commands on nodes and their logs".to_owned(),
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

    /// By name: the effect, whether it is a gate and of which class, and what else it answers.
    #[test]
    fn what_each_action_may_do_and_which_rights_it_needs() {
        use sluice_plugin::GateClass::{Data, Evidence};
        let plugin = plugin();
        let described = |operation: &str, effect, gate, abilities| {
            let action = plugin.action(operation).unwrap();
            let repeatable = effect == Effect::Read;
            let is = (action.effect, action.idempotent, action.gate, action.abilities);
            assert_eq!(is, (effect, repeatable, gate, abilities), "{operation}");
            assert!(action.permissions.iter().any(|permission| permission.right == "sts:GetCallerIdentity"));
            let acts = action.permissions.iter().filter(|permission| permission.service == action::OF_THE_ACT);
            let acts: std::collections::BTreeSet<&str> = acts.map(|permission| permission.right.as_str()).collect();
            assert_eq!(acts.len(), usize::from(!repeatable), "{operation}");
        };
        let (none, acts) = (Abilities::default(), Abilities { check: false, preview: true, reconcile: true });
        for operation in ["caller_identity", "choose_nodes", "groups", "node_instance", "activities", "newest_refresh"]
            .into_iter()
            .chain(["log_lines", "insights", "inspect_node"])
        {
            described(operation, Effect::Read, None, none);
        }
        described("parameters", Effect::Read, None, Abilities { check: true, ..none });
        described("cluster_idle", Effect::Read, Some(Data), none);
        described("new_instance", Effect::Read, Some(Data), none);
        described("bootstrap_line", Effect::Read, Some(Evidence), none);
        for operation in ["terminate_instance", "start_refresh", "cancel_refresh"] {
            described(operation, Effect::Destroy, None, acts);
        }
        described("run_command", Effect::Destroy, None, Abilities { check: true, ..acts });
        assert_eq!(plugin.describe().actions.len(), 17);
    }
}
