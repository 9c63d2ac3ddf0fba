//! Whether an instance may be ended, and what a person should see before it is.
//!
//! Everything is read afresh. The target may be sick, silent or unknown to EC2: replacing such a node is the usual
//! reason. What must hold is that it is the group's one instance, and that the group would replace it.

use std::time::Duration;

use serde::Serialize;
use sluice_plugin::inventory::Node;
use sluice_plugin::{Problem, format_duration};

use crate::action::{millis, text};
use crate::clients::ClientSet;
use crate::ec2;
use crate::group::{self, Member, Template};
use crate::moving::{self, Activity, Refresh};

/// So many activities are looked through for the newest launch.
const LAUNCHES: i32 = 20;
/// Only worth a line: an act is not refused for it, and no last look grows old over it.
const LAUNCHES_WITHIN: Duration = Duration::from_secs(1);

pub(crate) struct Seen {
    region: String,
    desired: Option<i32>,
    min: Option<i32>,
    /// `Delete in progress` while the group is being deleted.
    status: Option<String>,
    suspended: Vec<String>,
    template: Option<Template>,
    members: Vec<Member>,
    /// Ended or not.
    pub(crate) refreshes: Vec<Refresh>,
    /// EC2's state of the given instance, whether or not it is in the group.
    state: Option<String>,
    launched_at: Option<i64>,
    private_ip: Option<String>,
    /// How long the group's newest launch took, as far as AWS still lists one.
    last_launch: Option<Duration>,
}

/// What is shown and not bound: it may change while a person thinks.
#[derive(Debug, Serialize)]
pub(crate) struct Facts<'a> {
    region: &'a str,
    instance_type: Option<&'a str>,
    zone: Option<&'a str>,
    private_ip: Option<&'a str>,
    /// Milliseconds since 1970 in UTC.
    launched_at: Option<i64>,
    lifecycle: &'a str,
    health: &'a str,
    /// EC2's own state; null when EC2 does not list it.
    state: Option<&'a str>,
    /// What it was launched from. What its successor will be launched from is bound.
    launch_template: Option<&'a Template>,
    /// Until there is a new instance. How long its data takes is for who knows the data.
    expected_time: String,
    desired: Option<i32>,
    min: Option<i32>,
    /// Processes of the group that are switched off, and that do not stand in the way.
    suspended: &'a [String],
}

pub(crate) async fn look(aws: &ClientSet, node: &Node, instance: &str) -> Result<Seen, Problem> {
    let names = std::slice::from_ref(&node.group);
    let needed = async {
        tokio::try_join!(
            group::describe(aws, names),
            moving::all_refreshes(aws, &node.group),
            ec2::describe(aws, instance)
        )
    };
    let launches = tokio::time::timeout(LAUNCHES_WITHIN, moving::activities(aws, &node.group, LAUNCHES));
    let (needed, activities) = tokio::join!(needed, launches);
    let (groups, refreshes, instance) = needed?;
    let activities = activities.ok().and_then(Result::ok).unwrap_or_default();
    let group = groups.get(&node.group).ok_or_else(|| group::no_such_group(aws, &node.group))?;
    let instance = instance.as_ref();
    Ok(Seen {
        region: aws.region().to_owned(),
        desired: group.desired_capacity(),
        min: group.min_size(),
        status: text(group.status()),
        suspended: group::suspended(group),
        template: Template::of_group(group),
        members: Member::all(group),
        refreshes,
        state: ec2::state(instance),
        launched_at: millis(instance.and_then(|instance| instance.launch_time())),
        private_ip: text(instance.and_then(|instance| instance.private_ip_address())),
        last_launch: activities.iter().find_map(Activity::launched_within),
    })
}

impl Seen {
    /// The words of the refusal, if there is one.
    pub(crate) fn may_end(&self, node: &Node, instance: &str) -> Result<(), String> {
        self.would_replace(node)?;
        let group = &node.group;
        let target = match self.members.as_slice() {
            [] => {
                let state = self.state.as_deref().unwrap_or("not known to EC2");
                return Err(format!("{instance} is already gone ({state}): group {group} has no instance"));
            }
            [one] if one.id == instance => one,
            [other] => {
                return Err(format!(
                    "{} is already replaced: {instance} is {} and group {group} has {} ({}) in its place; nothing was \
                     done",
                    node.name,
                    self.state.as_deref().unwrap_or("not known to EC2"),
                    other.id,
                    other.lifecycle
                ));
            }
            several => {
                let listed: Vec<_> = several.iter().map(|one| format!("{} {}", one.id, one.lifecycle)).collect();
                let listed = listed.join(", ");
                return Err(format!("group {group} has {} instances where one is expected: {listed}", several.len()));
            }
        };
        if target.lifecycle != "InService" {
            return Err(format!("{instance} is {} in group {group}, not InService", target.lifecycle));
        }
        if let Some(state @ ("shutting-down" | "terminated")) = self.state.as_deref() {
            return Err(format!("{instance} is already gone ({state}), and group {group} will replace it by itself"));
        }
        if target.protected_from_scale_in {
            return Err(format!(
                "{instance} is protected from scale-in: somebody wants it kept; take the protection away first"
            ));
        }
        Ok(())
    }

    /// An instance is only ended where another one will come, and where nobody else is at it.
    fn would_replace(&self, node: &Node) -> Result<(), String> {
        let group = &node.group;
        for process in ["Launch", "Terminate"] {
            if self.suspended.iter().any(|suspended| suspended == process) {
                return Err(format!(
                    "{process} is suspended in group {group}: the instance would not be replaced; resume it with `aws \
                     autoscaling resume-processes`"
                ));
            }
        }
        if self.desired.unwrap_or(0) < 1 {
            return Err(format!("group {group} wants no instance (desired capacity 0): nothing would replace it"));
        }
        if let Some(status) = &self.status {
            return Err(format!("group {group} is not in its usual state: {status}"));
        }
        if let Some(refresh) = self.refreshes.iter().find(|refresh| refresh.goes_on()) {
            return Err(format!("{} in group {group}: it replaces instances by itself", refresh.said()));
        }
        Ok(())
    }

    /// What the group launches from.
    pub(crate) fn next_template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    fn expected_time(&self) -> String {
        match self.last_launch.map(|took| Duration::from_secs(took.as_secs().max(1))) {
            Some(took) => {
                format!("{} to a new instance, as long as the last launch took; then its data", format_duration(took))
            }
            None => "not known: AWS lists no launch of this group any more".to_owned(),
        }
    }

    pub(crate) fn facts(&self, instance: &str) -> Facts<'_> {
        let target = self.members.iter().find(|member| member.id == instance);
        Facts {
            region: &self.region,
            instance_type: target.and_then(|target| target.instance_type.as_deref()),
            zone: target.and_then(|target| target.zone.as_deref()),
            private_ip: self.private_ip.as_deref(),
            launched_at: self.launched_at,
            lifecycle: target.map_or("unknown", |target| &target.lifecycle),
            health: target.map_or("unknown", |target| &target.health),
            state: self.state.as_deref(),
            launch_template: target.and_then(|target| target.launch_template.as_ref()),
            expected_time: self.expected_time(),
            desired: self.desired,
            min: self.min,
            suspended: &self.suspended,
        }
    }
}
