//! The `aws` command with which a person asks what an action asks, in the account and region of the inventory.
//!
//! How a word is quoted is the contract's affair.

use std::time::Duration;

use serde_json::json;
use sluice_plugin::ByHand;
use sluice_plugin::by_hand::Word;
use sluice_plugin::inventory::Aws;

use crate::command::{DOCUMENT, TO_BEGIN};

/// Where a person keeps the id of an instance, and of a command that was sent to it.
const INSTANCE: &str = "SLUICE_INSTANCE";
const COMMAND: &str = "SLUICE_COMMAND";

/// And that of a query.
const QUERY: &str = "SLUICE_QUERY";

/// `aws` with these arguments, as the profile of the inventory.
pub(crate) fn aws<'a>(aws: &'a Aws, arguments: impl IntoIterator<Item = &'a str>, look_for: &str) -> ByHand {
    words(aws, arguments.into_iter().map(Word::from), look_for)
}

fn words(aws: &Aws, arguments: impl IntoIterator<Item = Word>, look_for: &str) -> ByHand {
    let profile = aws.profile.iter().flat_map(|profile| ["--profile", profile.as_str()]);
    let place = profile.chain(["--region", aws.region.as_str()]).map(Word::from);
    ByHand::run("aws", place.chain(arguments), look_for)
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

/// The instance of a group into a variable, for those who do not know it yet. By the group, never by a tag.
pub(crate) fn instance(of: &Aws, group: &str) -> (ByHand, Word) {
    const FIELD: &str = "AutoScalingGroups[0].Instances[].InstanceId";
    let ask = ["autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", group];
    let ask = ask.into_iter().chain(["--query", FIELD, "--output", "text"]);
    let look_for = "no error; with more than one id in ${SLUICE_INSTANCE}, stop here";
    (aws(of, ask, look_for).into_variable(INSTANCE), Word::Variable(INSTANCE.to_owned()))
}

/// Whom Systems Manager reaches. Of all instances: a filter would have to be put together from the id.
pub(crate) fn agents(of: &Aws, instance: &str) -> ByHand {
    const FIELDS: &str = "InstanceInformationList[].[InstanceId,PingStatus,LastPingDateTime]";
    let ask = ["ssm", "describe-instance-information", "--query", FIELDS, "--output", "text"];
    aws(of, ask, &format!("Online beside {instance}; where it is missing or ConnectionLost no command reaches it"))
}

/// Sends `text` to an instance, and keeps the id of the command.
pub(crate) fn send(of: &Aws, instance: Word, text: &str, timeout: Duration) -> ByHand {
    let parameters = json!({ "commands": [text], "executionTimeout": [timeout.as_secs().max(1).to_string()] });
    let (parameters, to_begin) = (parameters.to_string(), TO_BEGIN.as_secs().to_string());
    let ask = [
        "ssm",
        "send-command",
        "--document-name",
        DOCUMENT,
        "--timeout-seconds",
        &to_begin,
        "--parameters",
        &parameters,
    ];
    let ask = ask.into_iter().chain(["--query", "Command.CommandId", "--output", "text", "--instance-ids"]);
    let look_for = "no error; its id is in ${SLUICE_COMMAND}";
    words(of, ask.map(Word::from).chain([instance]), look_for).into_variable(COMMAND)
}

/// What became of it.
pub(crate) fn invocation(of: &Aws, instance: Word, look_for: &str) -> ByHand {
    const FIELDS: &str = "[StatusDetails,ResponseCode,StandardOutputContent,StandardErrorContent]";
    let ask = ["ssm", "get-command-invocation", "--query", FIELDS, "--output", "text", "--instance-id"];
    let command = ["--command-id".into(), Word::Variable(COMMAND.to_owned())];
    words(of, ask.into_iter().map(Word::from).chain([instance]).chain(command), look_for)
}

/// A query of Insights over these milliseconds, and its answer. A plan has no clock here: where a time is not known, all
/// that the group keeps is looked at.
pub(crate) fn insights(of: &Aws, (group, query): (&str, &str), times: (Option<i64>, Option<i64>)) -> [ByHand; 2] {
    /// The year 2100.
    const FAR: i64 = 4_102_444_800_000;
    let seconds = |millis: i64| millis.div_euclid(1000).to_string();
    let (from, to) = (seconds(times.0.unwrap_or(0)), seconds(times.1.unwrap_or(FAR)));
    let ask = ["logs", "start-query", "--log-group-name", group, "--query-string", query, "--query", "queryId"];
    let ask = ask.into_iter().chain(["--output", "text", "--start-time", &from, "--end-time", &to]);
    let results = ["logs", "get-query-results", "--query-id"].into_iter().map(Word::from);
    let results = results.chain([Word::Variable(QUERY.to_owned())]);
    let ended = "status Complete, then the lines; while it is Running they are not all: ask again";
    [
        aws(of, ask, "no error; the id of the query is in ${SLUICE_QUERY}").into_variable(QUERY),
        words(of, results, ended),
    ]
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
    fn a_text_for_a_node_gets_through_a_persons_shell_as_it_is() {
        let printed = "aws() { while [ $# -gt 0 ]; do case $1 in --parameters) printf %s \"$2\";; esac; shift; done; }";
        for text in ["true", "'; rm -rf /", "a\nb\n", "$(id) `id` ${x}", "\\ \"x\" !! é \u{1b}[2J", "{{.Names}}"] {
            let example = crate::action::example_node();
            let with = json!({ "node": example, "instance": "i-1", "command": text, "timeout": "90s" });
            let lines: Vec<String> = commands("run_command", &with).iter().map(ByHand::line).collect();
            let send = lines.iter().find(|line| line.contains("send-command")).unwrap();
            let script = format!("{printed}\n{send}\nprintf %s \"$SLUICE_COMMAND\"");
            let output = Command::new("bash").args(["-c", &script]).env_clear().output().unwrap();
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(found, json!({ "commands": [text], "executionTimeout": ["90"] }), "{send}");
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
