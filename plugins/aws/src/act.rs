//! What every act on a node shares: the account it is bound to, as whom it is done, and how soon after the last look.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::inventory::{Aws, Node};
use sluice_plugin::{Call, Host, Problem, Timestamp};

use crate::clients::{ClientSet, Service};
use crate::role::{self, Session, command_arns, group_arn};

/// What a right of an act is needed on, for `sluice iam`.
pub(crate) const GROUP_ARN: &str =
    "arn:aws:autoscaling:{node.aws.region}:{node.aws.account}:autoScalingGroup:*:autoScalingGroupName/{node.group}";

/// From the beginning of the call to its one request. What was looked at last is older by as much, and a machine that slept
/// meanwhile knows nothing of the world any more.
const SEND_WITHIN: Duration = Duration::from_secs(3);

/// The place of a node, whose account somebody named.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) account: &'a str,
    pub(crate) node: &'a Node,
}

impl<'a> Place<'a> {
    /// What ends something is bound to an account.
    pub(crate) fn of(node: &'a Node) -> Result<Self, Problem> {
        let aws = crate::action::required(node.aws.as_ref(), "/node/aws", &node.cluster)?;
        let account = aws.account.as_deref().ok_or_else(|| {
            let message = format!(
                "the inventory names no AWS account for cluster {}, and nothing is ended in an account that nobody named; \
                 add `account: \"<12 digits>\"` to its `aws`",
                node.cluster
            );
            Problem::bad_input("/node/aws/account", message)
        })?;
        Ok(Self { aws, account, node })
    }

    /// The client that may send `right` on the group: the role's where the inventory names one, else the caller's.
    pub(crate) async fn client(
        self,
        clients: &ClientSet,
        (host, call): (&dyn Host, &Call),
        right: &str,
    ) -> Result<Service<aws_sdk_autoscaling::Client>, Problem> {
        let Some(role) = &self.aws.act_role else { return Ok(clients.autoscaling.clone()) };
        let resource = group_arn(&self.aws.region, self.account, &self.node.group);
        let session = Session::new(host.actor(), &call.run, right, &json!(resource));
        Ok(clients.autoscaling_as(role::assume(clients, role, &session).await?))
    }

    /// The client that may send a command to `instance`, in the same way.
    pub(crate) async fn commander(
        self,
        clients: &ClientSet,
        (host, call): (&dyn Host, &Call),
        (right, instance): (&str, &str),
    ) -> Result<Service<aws_sdk_ssm::Client>, Problem> {
        let Some(role) = &self.aws.act_role else { return Ok(clients.ssm.clone()) };
        let resources = command_arns(&self.aws.region, self.account, instance);
        let session = Session::new(host.actor(), &call.run, right, &json!(resources));
        Ok(clients.ssm_as(role::assume(clients, role, &session).await?))
    }

    /// What a person confirms: where, as whom, and `what` of it. The role is in it, since it is as whom the act is done.
    pub(crate) fn binding(self, what: Value) -> Value {
        let mut binding = what;
        if let Some(fields) = binding.as_object_mut() {
            let place = [
                ("account", json!(self.account)),
                ("region", json!(self.aws.region)),
                ("group", json!(self.node.group)),
                ("node", json!(self.node.name)),
            ];
            let role = self.aws.act_role.as_ref().map(|role| ("act_role", json!(role)));
            fields.extend(place.into_iter().chain(role).map(|(name, value)| (name.to_owned(), value)));
        }
        binding
    }
}

/// Whether the one request may still be sent.
pub(crate) fn in_time(begun: Timestamp, now: Timestamp) -> Result<(), Problem> {
    // A clock that was set back says nothing of how long it took.
    if now >= begun && now.since(begun) <= SEND_WITHIN {
        return Ok(());
    }
    let message =
        "the machine slept, or the login took too long, between the last look and the request; nothing was done";
    Err(Problem::not_applied("too_late", message).retryable())
}
