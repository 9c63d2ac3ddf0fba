//! Whether Systems Manager reaches an instance: what its agent there said last.

use aws_sdk_ssm::types::{InstanceInformation, InstanceInformationStringFilter};
use sluice_plugin::Problem;
use sluice_plugin::inventory::Node;

use crate::action::{millis, text};
use crate::clients::ClientSet;
use crate::moment;

pub(crate) const DESCRIBE_AGENTS: &str = "ssm:DescribeInstanceInformation";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// `Online`, `ConnectionLost`, `Inactive`.
    pub(crate) ping: String,
    /// Milliseconds since 1970 in UTC.
    pub(crate) last_ping: Option<i64>,
    pub(crate) version: Option<String>,
    /// `Amazon Linux 2023`.
    pub(crate) platform: Option<String>,
}

impl Agent {
    /// Nothing where no agent ever registered for this instance.
    pub(crate) async fn of(aws: &ClientSet, instance: &str) -> Result<Option<Self>, Problem> {
        let only = InstanceInformationStringFilter::builder().key("InstanceIds").values(instance).build();
        let only = only.map_err(|error| Problem::not_applied("bad_request", format!("{DESCRIBE_AGENTS}: {error}")))?;
        let answer = aws.ssm.client.describe_instance_information().filters(only).send().await;
        let answer = answer.map_err(|error| aws.problem(&aws.ssm, DESCRIBE_AGENTS, instance, &error))?;
        let mut listed = answer.instance_information_list().iter();
        Ok(listed.find(|one| one.instance_id() == Some(instance)).map(Self::from))
    }

    /// What is in the way of a command, and what to do about it.
    pub(crate) fn must_be_online(agent: Option<&Self>, node: &Node, instance: &str) -> Result<(), Problem> {
        let Some(agent) = agent else { return Err(not_registered(node, instance)) };
        if agent.ping == "Online" {
            return Ok(());
        }
        let last = match agent.last_ping {
            Some(last) => format!("was heard last at {}", moment::written(last)),
            None => "was never heard".to_owned(),
        };
        let message = format!(
            "Systems Manager has lost {instance} of {} ({}): its agent {last}; the machine may be down, out of memory or \
             without network: look at it in EC2, and at its logs in Axiom and CloudWatch",
            node.name, agent.ping
        );
        Err(Problem::not_applied("connection_lost", message).retryable())
    }
}

impl From<&InstanceInformation> for Agent {
    fn from(one: &InstanceInformation) -> Self {
        let platform = [text(one.platform_name()), text(one.platform_version())];
        let platform = platform.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Self {
            ping: one.ping_status().map_or("unknown", |ping| ping.as_str()).to_owned(),
            last_ping: millis(one.last_ping_date_time()),
            version: text(one.agent_version()),
            platform: text(Some(&platform)),
        }
    }
}

/// Also what a refused request says when AWS means the same.
pub(crate) fn not_registered(node: &Node, instance: &str) -> Problem {
    let message = format!(
        "{instance} of {} is not registered with Systems Manager, so no command reaches it; a new instance takes a minute or \
         two; if it stays away look for AmazonSSMManagedInstanceCore in its role, for the agent and the way out of its \
         network, and read its start in CloudWatch",
        node.name
    );
    Problem::not_applied("not_registered", message).retryable()
}
