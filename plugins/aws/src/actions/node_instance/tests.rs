//! `aws.node_instance` against recorded answers of Auto Scaling and EC2.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::standin::{ACCOUNT, Answer, Expect, StandIn, aws, check};

const GROUP: &str = "lab-node-1-asg";

fn with() -> Value {
    json!({ "node": {
        "number": 1, "name": "lab-node-1", "cluster": "lab", "host": "127.0.0.1", "group": GROUP,
        "ports": { "client": 4222, "cluster": 6222, "monitor": 8222 }, "aws": aws(),
    } })
}

/// An answer with one group that holds these instances, each an id and a lifecycle state.
fn group(instances: &[(&str, &str)]) -> Answer {
    let mut members = String::new();
    for (id, state) in instances {
        write!(
            members,
            "<member><InstanceId>{id}</InstanceId><InstanceType>m8gd.medium</InstanceType>\
             <AvailabilityZone>us-east-2a</AvailabilityZone><LifecycleState>{state}</LifecycleState>\
             <HealthStatus>Healthy</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn><LaunchTemplate>\
             <LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>lab-node-1</LaunchTemplateName>\
             <Version>7</Version></LaunchTemplate></member>"
        )
        .unwrap();
    }
    groups(&format!(
        "<member><AutoScalingGroupName>{GROUP}</AutoScalingGroupName><MinSize>1</MinSize><MaxSize>1</MaxSize>\
         <DesiredCapacity>1</DesiredCapacity><Instances>{members}</Instances><MixedInstancesPolicy><LaunchTemplate>\
         <LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId><Version>$Latest</Version>\
         </LaunchTemplateSpecification></LaunchTemplate></MixedInstancesPolicy><SuspendedProcesses><member>\
         <ProcessName>Launch</ProcessName><SuspensionReason>x</SuspensionReason></member></SuspendedProcesses></member>"
    ))
}

fn groups(members: &str) -> Answer {
    Answer::xml(format!(
        "<DescribeAutoScalingGroupsResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
         <DescribeAutoScalingGroupsResult><AutoScalingGroups>{members}</AutoScalingGroups>\
         </DescribeAutoScalingGroupsResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
         </DescribeAutoScalingGroupsResponse>"
    ))
}

/// EC2's list, each instance in a reservation of its own.
fn reservations(instances: &[(&str, &str)]) -> Answer {
    let mut items = String::new();
    for (id, state) in instances {
        write!(
            items,
            "<item><reservationId>r-{id}</reservationId><instancesSet><item><instanceId>{id}</instanceId>\
             <instanceState><code>0</code><name>{state}</name></instanceState><privateIpAddress>10.0.1.10\
             </privateIpAddress><launchTime>2026-11-22T18:00:00.000Z</launchTime></item></instancesSet></item>"
        )
        .unwrap();
    }
    Answer::xml(format!(
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>1</requestId>\
         <reservationSet>{items}</reservationSet></DescribeInstancesResponse>"
    ))
}

async fn ask(group: Answer, ec2: Answer, expect: Expect<'_>) -> StandIn {
    let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
        "DescribeAutoScalingGroups" => group.clone(),
        "DescribeInstances" => ec2.clone(),
        _ => Answer::identity(ACCOUNT),
    })
    .await;
    check(&stand_in, "node_instance", with(), expect).await;
    stand_in
}

fn found(state: Option<&str>) -> Value {
    let known = state.is_some();
    json!({
        "id": "i-new", "node": "lab-node-1", "group": GROUP, "region": "us-east-2", "desired": 1,
        "suspended": ["Launch"], "group_launch_template": { "id": "lt-1", "name": null, "version": "$Latest" },
        "lifecycle": "InService", "health": "Healthy", "zone": "us-east-2a", "instance_type": "m8gd.medium",
        "launch_template": { "id": "lt-1", "name": "lab-node-1", "version": "7" }, "state": state,
        "private_ip": known.then_some("10.0.1.10"), "launched_at": known.then_some(1_795_370_400_000_i64),
    })
}

#[tokio::test]
async fn the_one_in_service_is_found_behind_a_dead_one_listed_first() {
    let ec2 = reservations(&[("i-old", "terminated"), ("i-new", "running")]);
    let stand_in = ask(group(&[("i-new", "InService")]), ec2, Expect::Output(found(Some("running")))).await;
    let asked = stand_in.asked();
    let by_id = asked.iter().find(|request| request.operation == "DescribeInstances").unwrap();
    assert!(by_id.body.contains("InstanceId.1=i-new") && !by_id.body.contains("Filter"), "{}", by_id.body);
    assert!(by_id.authorization.contains("/us-east-2/ec2/"), "{}", by_id.authorization);
    assert_eq!(asked[0].operation, "GetCallerIdentity");
}

#[tokio::test]
async fn an_instance_that_ec2_does_not_list_yet_is_still_the_one() {
    let unknown = Answer::ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-new' does not exist");
    ask(group(&[("i-new", "InService")]), unknown, Expect::Output(found(None))).await;
    ask(group(&[("i-new", "InService")]), reservations(&[]), Expect::Output(found(None))).await;
}

#[tokio::test]
async fn none_is_an_answer() {
    let mut none = found(None);
    for field in ["id", "lifecycle", "health", "zone", "instance_type", "launch_template"] {
        none[field] = Value::Null;
    }
    let stand_in = ask(group(&[]), Answer::page(500), Expect::Output(none)).await;
    assert_eq!(stand_in.counts().get("DescribeInstances"), None);
}

#[tokio::test]
async fn several_or_an_odd_state_stop_the_run() {
    let running = || reservations(&[("i-1", "running"), ("i-2", "running")]);
    let odd = |state: &'static str, expect| async move { ask(group(&[("i-1", state)]), running(), expect).await };
    odd("Pending", Expect::retryable("odd_state", &["i-1", "Pending", GROUP])).await;
    odd("Pending:Wait", Expect::retryable("odd_state", &["Pending:Wait"])).await;
    odd("Terminating", Expect::retryable("odd_state", &["Terminating"])).await;
    odd("Terminated", Expect::retryable("odd_state", &["Terminated"])).await;
    odd("Terminating:Retained", Expect::problem("odd_state", &["Terminating:Retained"])).await;
    odd("Standby", Expect::problem("odd_state", &["Standby"])).await;
    odd("Pondering", Expect::problem("odd_state", &["Pondering"])).await;

    let two = group(&[("i-1", "InService"), ("i-2", "InService")]);
    ask(two, running(), Expect::problem("several_instances", &["2 instances", "i-1 InService, i-2 InService"])).await;
    let replacing = group(&[("i-1", "Terminating"), ("i-2", "Pending")]);
    ask(replacing, running(), Expect::retryable("several_instances", &["i-1 Terminating, i-2 Pending"])).await;

    let gone = reservations(&[("i-1", "shutting-down")]);
    ask(group(&[("i-1", "InService")]), gone, Expect::retryable("odd_state", &["i-1", "shutting-down"])).await;
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let ec2 = || reservations(&[("i-1", "running")]);
    let one = || group(&[("i-1", "InService")]);
    ask(groups(""), ec2(), Expect::problem("not_found", &[GROUP, "us-east-2"])).await;
    let refused = Answer::query_error(403, "AccessDenied", "User ana is not authorized");
    ask(refused, ec2(), Expect::problem("denied", &["autoscaling:DescribeAutoScalingGroups", GROUP])).await;
    let refused = Answer::ec2_error(403, "UnauthorizedOperation", "no. Encoded authorization failure message: zzz");
    ask(one(), refused, Expect::problem("denied", &["ec2:DescribeInstances", "i-1"])).await;
    ask(one(), Answer::page(500), Expect::retryable("server_error", &["ec2:DescribeInstances", "HTTP 500"])).await;
    let limit = Answer::ec2_error(503, "RequestLimitExceeded", "Request limit exceeded.");
    let stand_in = ask(one(), limit, Expect::retryable("throttled", &["ec2:DescribeInstances"])).await;
    assert_eq!(stand_in.counts()["DescribeInstances"], 3);
}

#[tokio::test]
async fn without_aws_in_the_inventory_it_says_what_to_add() {
    let stand_in = StandIn::start(|_, _| Answer::HangUp).await;
    let mut with = with();
    with["node"]["aws"] = Value::Null;
    check(&stand_in, "node_instance", with, Expect::problem("bad_input", &["cluster lab", "region"])).await;
    assert!(stand_in.asked().is_empty());
}
