//! Auto Scaling groups as several actions read them: one request for many groups, and their members in our words.
//!
//! States are text as AWS gives it: the set is open, and a state this program never heard of must not become another.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{AutoScalingGroup, Instance, LaunchTemplateSpecification};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_plugin::Problem;

use crate::action::text;
use crate::clients::ClientSet;

pub(crate) const DESCRIBE_GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";

/// AWS takes at most this many names in one request.
const MOST_NAMES: usize = 50;

/// An instance as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// `InService`, `Pending`, `Terminating:Wait`, ...
    pub(crate) lifecycle: String,
    /// `Healthy` or `Unhealthy`: what the group thinks of it, not what NATS says.
    pub(crate) health: String,
    /// Availability zone.
    pub(crate) zone: Option<String>,
    pub(crate) instance_type: Option<String>,
    pub(crate) protected_from_scale_in: bool,
    /// What it was launched from.
    pub(crate) launch_template: Option<Template>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    /// A number, or for a group also `$Latest` and `$Default`.
    pub(crate) version: Option<String>,
}

/// The groups of these names that exist, by name. AWS leaves unknown ones out without an error.
pub(crate) async fn describe(aws: &ClientSet, names: &[String]) -> Result<BTreeMap<String, AutoScalingGroup>, Problem> {
    let mut groups = BTreeMap::new();
    for names in names.chunks(MOST_NAMES) {
        let request = aws.autoscaling.client.describe_auto_scaling_groups();
        let request = request.set_auto_scaling_group_names(Some(names.to_vec()));
        let mut pages = request.into_paginator().items().send();
        while let Some(group) = pages.next().await {
            let group =
                group.map_err(|error| aws.problem(&aws.autoscaling, DESCRIBE_GROUPS, &names.join(", "), &error))?;
            groups.insert(group.auto_scaling_group_name().unwrap_or_default().to_owned(), group);
        }
    }
    Ok(groups)
}

/// What is said of groups that are not there.
pub(crate) fn no_such_group(aws: &ClientSet, names: &str) -> Problem {
    let message = format!(
        "no Auto Scaling group {names} in {}; look at `group`, `region` and `account` of the cluster in the inventory",
        aws.place()
    );
    Problem::not_applied("not_found", message)
}

impl Member {
    pub(crate) fn all(group: &AutoScalingGroup) -> Vec<Self> {
        group.instances().iter().map(Self::of).collect()
    }

    fn of(instance: &Instance) -> Self {
        Self {
            id: instance.instance_id().unwrap_or_default().to_owned(),
            lifecycle: instance.lifecycle_state().map_or("unknown", |state| state.as_str()).to_owned(),
            health: text(instance.health_status()).unwrap_or_else(|| "unknown".to_owned()),
            zone: text(instance.availability_zone()),
            instance_type: text(instance.instance_type()),
            protected_from_scale_in: instance.protected_from_scale_in().unwrap_or(false),
            launch_template: instance.launch_template().map(Template::of),
        }
    }
}

impl Template {
    /// What the group launches the next instance from, also when that stands in a mixed instances policy.
    pub(crate) fn of_group(group: &AutoScalingGroup) -> Option<Self> {
        let mixed = || group.mixed_instances_policy()?.launch_template()?.launch_template_specification();
        group.launch_template().or_else(mixed).map(Self::of)
    }

    fn of(template: &LaunchTemplateSpecification) -> Self {
        Self {
            id: text(template.launch_template_id()),
            name: text(template.launch_template_name()),
            version: text(template.version()),
        }
    }
}

/// Names of the processes that are switched off, such as `Launch`.
pub(crate) fn suspended(group: &AutoScalingGroup) -> Vec<String> {
    group.suspended_processes().iter().filter_map(|process| process.process_name()).map(str::to_owned).collect()
}
