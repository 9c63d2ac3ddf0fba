//! For tests: the groups of a small cluster as Auto Scaling and EC2 list them, written down in Rust and answered in XML.
//!
//! It has no behaviour: a test says what is there, and what changes between two requests.

use serde_json::{Value, json};

use crate::standin::{ACCOUNT, Answer, Request, aws};

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/act";

/// A node of the inventory of all tests; its group is `lab-node-<n>-asg`.
pub(crate) fn node(number: u32) -> Value {
    json!({
        "number": number, "name": format!("lab-node-{number}"), "cluster": "lab", "host": "127.0.0.1",
        "group": format!("lab-node-{number}-asg"), "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 },
        "aws": aws(),
    })
}

/// The cluster of these nodes, with logs.
pub(crate) fn cluster(nodes: u32) -> Value {
    let nodes: Vec<Value> = (1..=nodes).map(node).collect();
    let by_node = |end: &str| -> Value {
        let named = nodes.iter().map(|node| node["name"].as_str().unwrap());
        Value::Object(named.map(|name| (name.to_owned(), json!(format!("{name}{end}")))).collect())
    };
    let (prefixes, values) = (by_node("-bootstrap-"), by_node(""));
    json!({
        "name": "lab", "labels": {}, "aws": aws(), "nodes": nodes, "ssm_prefix": "/lab", "streams": [], "services": {},
        "creds": { "admin": { "jwt": "/j", "seed": "/s" }, "system": null },
        "logs": {
            "cloudwatch": {
                "group": "/lab/diagnostic", "stream_prefixes": prefixes,
                "bootstrap": { "match": "Axiom ingest check", "ok": ["ok"], "failed": ["failed"] },
            },
            "axiom": {
                "url": "http://127.0.0.1", "dataset": "d", "node_field": "host", "match": values, "instance_field": "instance_id",
                "time_field": "_time",
            },
        },
    })
}

/// One group and what EC2 says of its instances.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) desired: i32,
    pub(crate) status: Option<&'static str>,
    pub(crate) suspended: Vec<&'static str>,
    /// Of the launch template `lt-1`, whose newest version is 8 and whose default is 7.
    pub(crate) version: &'static str,
    pub(crate) members: Vec<Member>,
    /// Id and status.
    pub(crate) refreshes: Vec<(&'static str, &'static str)>,
    /// Newest first.
    pub(crate) activities: Vec<Activity>,
    /// Id and EC2's state, of instances in the group or not.
    pub(crate) ec2: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) lifecycle: &'static str,
    pub(crate) health: &'static str,
    pub(crate) protected: bool,
    /// Of `lt-1`.
    pub(crate) version: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) status: &'static str,
    pub(crate) description: String,
    pub(crate) message: &'static str,
}

impl Group {
    /// One instance, `i-<number>`, with which all is well.
    pub(crate) fn well(number: u32) -> Self {
        Self {
            name: format!("lab-node-{number}-asg"),
            desired: 1,
            status: None,
            suspended: Vec::new(),
            version: "8",
            members: vec![Member::well(&format!("i-{number}"))],
            refreshes: Vec::new(),
            activities: Vec::new(),
            ec2: vec![(format!("i-{number}"), "running")],
        }
    }

    pub(crate) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn instances(&mut self, instances: &[(&str, &'static str)]) {
        self.members = instances.iter().map(|(id, lifecycle)| Member { lifecycle, ..Member::well(id) }).collect();
    }

    pub(crate) fn activity(&mut self, status: &'static str, description: &str, message: &'static str) {
        self.activities.push(Activity { status, description: description.to_owned(), message });
    }

    fn listed(&self) -> String {
        let members: String = self.members.iter().map(Member::listed).collect();
        let suspended = self.suspended.iter().map(|process| {
            format!("<member><ProcessName>{process}</ProcessName><SuspensionReason>x</SuspensionReason></member>")
        });
        let suspended: String = suspended.collect();
        let status = self.status.map(|status| format!("<Status>{status}</Status>")).unwrap_or_default();
        format!(
            "<member><AutoScalingGroupName>{}</AutoScalingGroupName><MinSize>1</MinSize><MaxSize>1</MaxSize>\
             <DesiredCapacity>{}</DesiredCapacity><Instances>{members}</Instances><LaunchTemplate><LaunchTemplateId>lt-1\
             </LaunchTemplateId><Version>{}</Version></LaunchTemplate><SuspendedProcesses>{suspended}\
             </SuspendedProcesses>{status}</member>",
            self.name, self.desired, self.version
        )
    }
}

impl Member {
    pub(crate) fn well(id: &str) -> Self {
        Self { id: id.to_owned(), lifecycle: "InService", health: "Healthy", protected: false, version: "7" }
    }

    fn listed(&self) -> String {
        let Self { id, lifecycle, health, protected, version } = self;
        format!(
            "<member><InstanceId>{id}</InstanceId><InstanceType>m8gd.medium</InstanceType><AvailabilityZone>us-east-2a\
             </AvailabilityZone><LifecycleState>{lifecycle}</LifecycleState><HealthStatus>{health}</HealthStatus>\
             <ProtectedFromScaleIn>{protected}</ProtectedFromScaleIn><LaunchTemplate><LaunchTemplateId>lt-1\
             </LaunchTemplateId><Version>{version}</Version></LaunchTemplate></member>"
        )
    }
}

/// What AWS says about these groups; whom it takes the caller for; and for anything else that it cannot.
pub(crate) fn answer(groups: &[Group], request: &Request) -> Answer {
    let asked = |group: &&Group| request.body.contains(&format!("={}", group.name));
    let group = groups.iter().find(asked);
    match request.operation.as_str() {
        "GetCallerIdentity" => Answer::identity(ACCOUNT),
        "DescribeAutoScalingGroups" => {
            let listed: String = groups.iter().filter(asked).map(Group::listed).collect();
            query("DescribeAutoScalingGroups", &format!("<AutoScalingGroups>{listed}</AutoScalingGroups>"))
        }
        "DescribeInstanceRefreshes" => {
            let refreshes = group.iter().flat_map(|group| &group.refreshes).map(|(id, status)| {
                format!("<member><InstanceRefreshId>{id}</InstanceRefreshId><Status>{status}</Status></member>")
            });
            let listed: String = refreshes.collect();
            query("DescribeInstanceRefreshes", &format!("<InstanceRefreshes>{listed}</InstanceRefreshes>"))
        }
        "DescribeScalingActivities" => {
            let activities = group.iter().flat_map(|group| &group.activities).enumerate();
            let listed: String = activities.map(|(nth, activity)| activity.listed(nth)).collect();
            query("DescribeScalingActivities", &format!("<Activities>{listed}</Activities>"))
        }
        "DescribeInstances" => reservations(groups, request),
        "DescribeLaunchTemplates" => templates(),
        "AssumeRole" => assumed(),
        "TerminateInstanceInAutoScalingGroup" => accepted(),
        "StartInstanceRefresh" => query("StartInstanceRefresh", "<InstanceRefreshId>r-new</InstanceRefreshId>"),
        "CancelInstanceRefresh" => match group.and_then(|group| group.refreshes.first()) {
            Some((id, _)) => query("CancelInstanceRefresh", &format!("<InstanceRefreshId>{id}</InstanceRefreshId>")),
            None => Answer::query_error(400, "ActiveInstanceRefreshNotFound", "No in progress Instance Refresh"),
        },
        other => Answer::query_error(400, "InvalidAction", other),
    }
}

impl Activity {
    /// The first in the list is the newest.
    fn listed(&self, nth: usize) -> String {
        let Self { status, description, message } = self;
        let minute = 59 - nth;
        let ended = match *status {
            "Successful" => format!("<EndTime>2026-11-22T17:{minute:02}:43.000Z</EndTime>"),
            _ => String::new(),
        };
        let message =
            if message.is_empty() { String::new() } else { format!("<StatusMessage>{message}</StatusMessage>") };
        format!(
            "<member><ActivityId>a-{nth}</ActivityId><Description>{description}</Description><Cause>c</Cause>\
             <StartTime>2026-11-22T17:{minute:02}:00.000Z</StartTime>{ended}<StatusCode>{status}</StatusCode>{message}\
             </member>"
        )
    }
}

fn query(operation: &str, result: &str) -> Answer {
    Answer::xml(format!(
        "<{operation}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{operation}Result>{result}\
         </{operation}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    ))
}

fn reservations(groups: &[Group], request: &Request) -> Answer {
    let known = groups.iter().flat_map(|group| &group.ec2);
    let Some((id, state)) = known.into_iter().find(|(id, _)| request.body.contains(&format!("InstanceId.1={id}")))
    else {
        return Answer::ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID does not exist");
    };
    Answer::xml(format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>1</requestId>\
         <reservationSet><item><instancesSet><item><instanceId>{id}</instanceId><instanceState><code>0</code>\
         <name>{state}</name></instanceState><privateIpAddress>10.0.1.10</privateIpAddress>\
         <launchTime>2026-11-22T18:00:00.000Z</launchTime></item></instancesSet></item></reservationSet>\
         </DescribeInstancesResponse>"
    ))
}

fn templates() -> Answer {
    Answer::xml(
        "<DescribeLaunchTemplatesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>1</requestId>\
         <launchTemplates><item><launchTemplateId>lt-1</launchTemplateId><launchTemplateName>lab</launchTemplateName>\
         <defaultVersionNumber>7</defaultVersionNumber><latestVersionNumber>8</latestVersionNumber></item>\
         </launchTemplates></DescribeLaunchTemplatesResponse>",
    )
}

fn accepted() -> Answer {
    query(
        "TerminateInstanceInAutoScalingGroup",
        "<Activity><ActivityId>a-end</ActivityId><AutoScalingGroupName>lab-node-1-asg</AutoScalingGroupName><Description>\
         Terminating EC2 instance: i-1</Description><Cause>c</Cause><StartTime>2026-11-22T18:00:00.000Z</StartTime>\
         <StatusCode>InProgress</StatusCode><Progress>0</Progress></Activity>",
    )
}

fn assumed() -> Answer {
    Answer::xml(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
         <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>no</SecretAccessKey><SessionToken>tok</SessionToken>\
         <Expiration>2036-11-22T18:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>1\
         </RequestId></ResponseMetadata></AssumeRoleResponse>",
    )
}
