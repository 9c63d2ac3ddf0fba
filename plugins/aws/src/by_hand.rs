//! The `aws` command with which a person asks what an action asks, in the account and region of the inventory.
//!
//! How a word is quoted is the contract's affair.

use sluice_plugin::ByHand;
use sluice_plugin::inventory::Aws;

/// `aws` with these arguments, as the profile of the inventory.
pub(crate) fn aws<'a>(aws: &'a Aws, arguments: impl IntoIterator<Item = &'a str>, look_for: &str) -> ByHand {
    let profile = aws.profile.iter().flat_map(|profile| ["--profile", profile.as_str()]);
    let region = ["--region", aws.region.as_str()];
    ByHand::run("aws", profile.chain(region).chain(arguments), look_for)
}

/// Before anything else: is this the account that is meant?
pub(crate) fn account(of: &Aws) -> ByHand {
    let arguments = ["sts", "get-caller-identity", "--query", "Account", "--output", "text"];
    let look_for = match &of.account {
        Some(account) => format!("{account}; with any other account, stop here"),
        None => "the account that you mean; the inventory names none".to_owned(),
    };
    aws(of, arguments, &look_for).once()
}

/// The instances of these groups.
pub(crate) fn groups<'a>(of: &'a Aws, groups: impl IntoIterator<Item = &'a str>, look_for: &str) -> ByHand {
    const QUERY: &str = "AutoScalingGroups[].[AutoScalingGroupName,DesiredCapacity,\
                         join(' ',SuspendedProcesses[].ProcessName),Instances[].[InstanceId,LifecycleState,HealthStatus]]";
    let names = ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names"].into_iter().chain(groups);
    aws(of, names.chain(["--query", QUERY, "--output", "json"]), look_for)
}

/// Instance refreshes of one group.
pub(crate) fn refreshes(of: &Aws, group: &str, look_for: &str) -> ByHand {
    aws(of, ["autoscaling", "describe-instance-refreshes", "--auto-scaling-group-name", group], look_for)
}

/// None goes on.
pub(crate) fn no_refresh(of: &Aws, group: &str) -> ByHand {
    refreshes(of, group, "no refresh that is not over")
}

/// The newest activity of one group.
pub(crate) fn activities(of: &Aws, group: &str, look_for: &str) -> ByHand {
    let ask = ["autoscaling", "describe-scaling-activities", "--max-items", "1", "--auto-scaling-group-name", group];
    aws(of, ask, look_for)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::{Value, json};
    use sluice_plugin::{Attempt, Call, Plugin as _, Purpose};

    use super::*;

    fn commands(action: &str, with: &Value) -> Vec<ByHand> {
        let (run, step) = ("run-1".to_owned(), "params".to_owned());
        let purpose = Purpose::Preview;
        let call = Call { run, step, attempt: Attempt(1), purpose, deadline: None, with: with.clone() };
        crate::plugin().by_hand(action, &call)
    }

    /// What an `aws` is given that prints its arguments, one line a call.
    fn typed(commands: &[ByHand], after: &str) -> String {
        let lines: Vec<String> = commands.iter().map(ByHand::line).collect();
        let script = format!("aws() {{ echo \"aws $*\"; }}\nset -e\n{}\n{after}", lines.join("\n"));
        let output = Command::new("bash").args(["-c", &script]).env_clear().output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn every_action_has_commands_and_looks_at_the_account_first() {
        let plugin = crate::plugin();
        for action in &plugin.describe().actions {
            for example in &action.examples {
                let found = commands(action.name.operation(), &example.with);
                let of = example.with.pointer("/aws").or(example.with.pointer("/node/aws"));
                let of = of.or(example.with.pointer("/cluster/aws")).unwrap();
                let account = account(&serde_json::from_value(of.clone()).unwrap());
                assert_eq!(found.first(), Some(&account), "{}", action.name);
                assert!(account.look_for.contains("123456789012"), "{}", account.look_for);
                for line in typed(&found, "").lines() {
                    assert!(line.contains("--region us-east-2"), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_secret_parameter_goes_into_the_variable_that_later_steps_read() {
        let with = json!({
            "aws": { "account": null, "region": "us-east-2", "profile": "it's", "act_role": null },
            "names": { "host": "/c/nats_host", "jwt": "/c/jwt" }, "secret": ["jwt"], "optional": ["host"],
        });
        let said = typed(&commands("parameters", &with), "echo \"kept: ${SLUICE_PARAMS_SECRETS_JWT}\"");
        let lines: Vec<&str> = said.lines().collect();
        let get = |name: &str| {
            format!(
                "aws --profile it's --region us-east-2 ssm get-parameter --with-decryption --name {name} --query Parameter.Value --output text"
            )
        };
        assert_eq!(
            lines[0],
            "aws --profile it's --region us-east-2 sts get-caller-identity --query Account --output text"
        );
        assert_eq!(lines[1..], [get("/c/nats_host"), format!("kept: {}", get("/c/jwt"))]);
    }
}
