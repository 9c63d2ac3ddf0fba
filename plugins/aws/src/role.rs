//! The role in which an act is done: assumed for one call, and allowed that one call on that one group or instance alone.
//!
//! The session is named after the person and the run, so that the account's own trail tells who did it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use serde_json::{Value, json};
use sluice_plugin::Problem;

use crate::clients::ClientSet;
use crate::command::DOCUMENT;

pub(crate) const ASSUME_ROLE: &str = "sts:AssumeRole";

/// AWS gives no shorter session.
const SECONDS: i32 = 900;

/// AWS takes no longer name.
const LONGEST_NAME: usize = 64;

/// What a session may do, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) policy: String,
}

impl Session {
    /// `right` on `resource` (or a list of them), and nothing else, whatever the role may do besides.
    pub(crate) fn new(actor: &str, run: &str, right: &str, resource: &Value) -> Self {
        let statement = json!({ "Effect": "Allow", "Action": right, "Resource": resource });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
        Self { name: name(actor, run), policy: policy.to_string() }
    }
}

/// Credentials that are good for the session's one right. No request of an act was sent when this fails.
pub(crate) async fn assume(aws: &ClientSet, role: &str, session: &Session) -> Result<Credentials, Problem> {
    let request = aws.sts.client.assume_role().role_arn(role).role_session_name(&session.name);
    let answer = request.policy(&session.policy).duration_seconds(SECONDS).send().await;
    let answer = answer.map_err(|error| aws.problem(&aws.sts, ASSUME_ROLE, role, &error))?;
    let given = answer.credentials().ok_or_else(|| {
        Problem::not_applied("bad_answer", format!("{ASSUME_ROLE} of {role} gave no credentials; nothing was done"))
    })?;
    Ok(Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        SystemTime::try_from(*given.expiration()).ok(),
        "act_role",
    ))
}

/// `ana@laptop-<run>`. The run stays whole; what AWS does not allow in a name becomes `-`.
fn name(actor: &str, run: &str) -> String {
    let allowed = |one: char| if one.is_ascii_alphanumeric() || "_+=,.@-".contains(one) { one } else { '-' };
    let run: String = run.chars().map(allowed).take(LONGEST_NAME - 2).collect();
    let actor = if actor.is_empty() { "sluice" } else { actor };
    let actor: String = actor.chars().map(allowed).take(LONGEST_NAME - 1 - run.len()).collect();
    format!("{actor}-{run}")
}

/// The resource that a right on one group is given on.
pub(crate) fn group_arn(region: &str, account: &str, group: &str) -> String {
    let partition = partition(region);
    format!("arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}")
}

/// The resources that the right to send a command to one instance is given on: it takes the document and the instance.
pub(crate) fn command_arns(region: &str, account: &str, instance: &str) -> [String; 2] {
    let partition = partition(region);
    [
        format!("arn:{partition}:ssm:{region}:*:document/{DOCUMENT}"),
        format!("arn:{partition}:ec2:{region}:{account}:instance/{instance}"),
    ]
}

fn partition(region: &str) -> &'static str {
    match region.split_once('-') {
        Some(("cn", _)) => "aws-cn",
        Some(("us", rest)) if rest.starts_with("gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_in_what_aws_allows() {
        let check = |actor: &str, run: &str, expect: &str| {
            let name = name(actor, run);
            assert_eq!(name, expect);
            assert!((2..=64).contains(&name.len()), "{name}");
        };
        check("ana@laptop", "01k2", "ana@laptop-01k2");
        check("", "01k2", "sluice-01k2");
        check("ana maría@x:y", "r/1", "ana-mar-a@x-y-r-1");
        check(&"a".repeat(90), "01k2", &format!("{}-01k2", "a".repeat(59)));
        check("a", &"r".repeat(90), &format!("a-{}", "r".repeat(62)));
    }

    #[test]
    fn a_group_lies_in_the_partition_of_its_region() {
        let check = |region: &str, start: &str| {
            let arn = group_arn(region, "1", "g");
            assert_eq!(arn, format!("{start}:autoscaling:{region}:1:autoScalingGroup:*:autoScalingGroupName/g"));
        };
        check("us-east-2", "arn:aws");
        check("cn-north-1", "arn:aws-cn");
        check("us-gov-west-1", "arn:aws-us-gov");
        let commands =
            ["arn:aws-cn:ssm:cn-north-1:*:document/AWS-RunShellScript", "arn:aws-cn:ec2:cn-north-1:1:instance/i-1"];
        assert_eq!(command_arns("cn-north-1", "1", "i-1"), commands);
    }
}
