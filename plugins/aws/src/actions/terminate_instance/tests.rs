//! `aws.terminate_instance` against the stand-in: one request whatever comes back, as whom, and what is refused.

use std::time::Duration;

use serde_json::Value;
use sluice_plugin::{Applied, Attempt, Plugin, Purpose};

use super::*;
use crate::standin::{Answer, FakeHost, Request, StandIn, aws, call};
use crate::standin_cloud::{self as cloud, Group, ROLE};

const SENT: &str = "TerminateInstanceInAutoScalingGroup";

fn with(role: Option<&str>) -> Value {
    let mut node = cloud::node(1);
    node["aws"]["act_role"] = json!(role);
    json!({ "node": node, "instance": "i-1" })
}

async fn cloud(groups: Vec<Group>) -> StandIn {
    StandIn::start(move |request, _| cloud::answer(&groups, request)).await
}

async fn act(stand_in: &StandIn, with: Value) -> Result<Outcome, Problem> {
    let host = FakeHost::by("ana maría@laptop");
    let call = Call { run: "01k2run".into(), attempt: Attempt(1), ..call(Purpose::Act, with) };
    stand_in.plugin().run("terminate_instance", &host, &call).await
}

fn sent(stand_in: &StandIn) -> Vec<Request> {
    stand_in.asked().into_iter().filter(|request| request.operation == SENT).collect()
}

#[tokio::test]
async fn it_ends_exactly_the_instance_it_was_given() {
    let stand_in = cloud(vec![Group::well(1)]).await;
    let outcome = act(&stand_in, with(None)).await.unwrap();
    let expect = json!({
        "instance": "i-1", "group": "lab-node-1-asg", "activity": "a-end", "requested_at": 1_795_370_400_000_i64,
        "status": "InProgress",
    });
    assert_eq!(outcome.output, expect);
    let sent = sent(&stand_in);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].body.contains("&InstanceId=i-1&ShouldDecrementDesiredCapacity=false"), "{}", sent[0].body);
    assert!(sent[0].authorization.contains("AKIDEXAMPLE"), "{}", sent[0].authorization);
    // It asks whom it is taken for, and resolves nothing.
    assert_eq!(stand_in.asked().len(), 2);
}

/// The text of a form's field.
fn field(body: &str, name: &str) -> String {
    let pair = body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
    let mut bytes = Vec::new();
    let mut rest = pair.bytes();
    while let Some(byte) = rest.next() {
        let mut hex = || char::from(rest.next().unwrap()).to_digit(16).unwrap();
        bytes.push(if byte == b'%' { u8::try_from(hex() * 16 + hex()).unwrap() } else { byte });
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn with_a_role_it_is_done_as_the_role_which_may_do_nothing_else() {
    let stand_in = cloud(vec![Group::well(1)]).await;
    act(&stand_in, with(Some(ROLE))).await.unwrap();
    let asked = stand_in.asked();
    let assumed = asked.iter().find(|request| request.operation == "AssumeRole").unwrap();
    assert_eq!(field(&assumed.body, "RoleArn"), ROLE);
    assert_eq!(field(&assumed.body, "RoleSessionName"), "ana-mar-a@laptop-01k2run");
    assert_eq!(field(&assumed.body, "DurationSeconds"), "900");
    let policy: Value = serde_json::from_str(&field(&assumed.body, "Policy")).unwrap();
    let resource = "arn:aws:autoscaling:us-east-2:123456789012:autoScalingGroup:*:autoScalingGroupName/lab-node-1-asg";
    let statement = json!({ "Effect": "Allow", "Action": TERMINATE, "Resource": resource });
    assert_eq!(policy, json!({ "Version": "2012-10-17", "Statement": [statement] }));
    let sent = sent(&stand_in);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].authorization.contains("ASIAROLE"), "{}", sent[0].authorization);
    assert!(assumed.authorization.contains("AKIDEXAMPLE"), "{}", assumed.authorization);
}

#[tokio::test]
async fn a_role_that_is_refused_ends_nothing() {
    for answer in [Answer::query_error(403, "AccessDenied", "not you"), Answer::page(500), Answer::HangUp] {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            "AssumeRole" => answer.clone(),
            _ => cloud::answer(&[Group::well(1)], request),
        })
        .await;
        let problem = act(&stand_in, with(Some(ROLE))).await.unwrap_err();
        assert_eq!(problem.applied, Applied::No, "{problem}");
        assert_eq!((sent(&stand_in).len(), stand_in.counts()["AssumeRole"]), (0, 1));
    }
}

#[tokio::test]
async fn what_takes_too_long_before_the_request_sends_none() {
    for (ticks, sent_then) in [(3, 1), (4, 0), (3_600, 0)] {
        for role in [None, Some(ROLE)] {
            let stand_in = cloud(vec![Group::well(1)]).await;
            let host = FakeHost::slow(Duration::from_secs(ticks));
            let call = call(Purpose::Act, with(role));
            let answer = stand_in.plugin().run("terminate_instance", &host, &call).await;
            assert_eq!(sent(&stand_in).len(), sent_then, "after {ticks} s");
            if let Err(problem) = answer {
                assert_eq!((problem.code.as_str(), problem.applied), ("too_late", Applied::No), "{problem}");
            }
        }
    }
}

/// Between the last look and the request nobody waits for a login: it was made with the preview.
#[tokio::test]
async fn after_a_preview_only_the_act_is_asked_for() {
    let stand_in = cloud(vec![Group::well(1)]).await;
    let plugin = stand_in.plugin();
    let host = FakeHost::default();
    plugin.preview("terminate_instance", &host, &call(Purpose::Preview, with(None))).await.unwrap();
    let before = stand_in.asked().len();
    plugin.run("terminate_instance", &host, &call(Purpose::Act, with(None))).await.unwrap();
    let after: Vec<String> = stand_in.asked().into_iter().skip(before).map(|request| request.operation).collect();
    assert_eq!(after, [SENT]);
}

/// What AWS may answer to the act itself, and whether that proves that nothing was done.
fn answers() -> Vec<(Answer, Applied, &'static str)> {
    let no = |code, says| (Answer::query_error(400, code, "no"), Applied::No, says);
    let maybe = |status, code| (Answer::query_error(status, code, "no"), Applied::Maybe, code);
    vec![
        no("ValidationError", "ValidationError"),
        no("ScalingActivityInProgress", "ScalingActivityInProgress"),
        no("ResourceContention", "ResourceContention"),
        no("Throttling", "throttles"),
        (Answer::query_error(403, "AccessDenied", "not you"), Applied::No, "sluice iam"),
        (Answer::query_error(403, "ExpiredToken", "expired"), Applied::No, "aws sso login"),
        maybe(500, "InternalFailure"),
        maybe(503, "ServiceUnavailable"),
        maybe(503, "Throttling"),
        (Answer::page(500), Applied::Maybe, "HTTP 500 and a web page"),
        (Answer::page(403), Applied::Maybe, "HTTP 403 and a web page"),
        (Answer::HangUp, Applied::Maybe, "gave no answer"),
        (Answer::Silence, Applied::Maybe, "gave no answer"),
        (Answer::xml("<html"), Applied::Maybe, "HTTP 200"),
    ]
}

#[tokio::test]
async fn whatever_comes_back_one_request_was_sent() {
    for role in [None, Some(ROLE)] {
        for (answer, applied, says) in answers() {
            let given = answer.clone();
            let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
                SENT => given.clone(),
                _ => cloud::answer(&[Group::well(1)], request),
            });
            let stand_in = stand_in.await.impatient();
            let problem = act(&stand_in, with(role)).await.unwrap_err();
            assert_eq!(problem.applied, applied, "{says}: {problem}");
            assert!(problem.message.contains(says), "`{says}` is not in: {problem}");
            assert_eq!(sent(&stand_in).len(), 1, "{says} {role:?}");
        }
    }
}

/// The environment of [`nor_does_an_environment_that_asks_for_retries_get_any`]; does nothing without.
#[tokio::test]
async fn helper_that_ends_an_instance_where_retries_are_asked_for() {
    let Ok(endpoint) = std::env::var("SLUICE_TEST_ENDPOINT") else { return };
    let surroundings = crate::connect::Surroundings { endpoint: Some(endpoint), ..Default::default() };
    let clients = Arc::new(Clients::with(surroundings));
    for role in [None, Some(ROLE)] {
        let call = call(Purpose::Act, with(role));
        let problem = TerminateInstance(clients.clone()).run(&FakeHost::default(), &call).await.unwrap_err();
        assert_eq!(problem.applied, Applied::Maybe, "{problem}");
    }
}

/// In a process of its own, since an environment belongs to a process.
#[tokio::test]
async fn nor_does_an_environment_that_asks_for_retries_get_any() {
    let bad = [Answer::page(500), Answer::HangUp, Answer::query_error(503, "ServiceUnavailable", "later")];
    for answer in bad {
        let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
            SENT => answer.clone(),
            _ => cloud::answer(&[Group::well(1)], request),
        })
        .await;
        let helper = "actions::terminate_instance::tests::helper_that_ends_an_instance_where_retries_are_asked_for";
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args([helper, "--exact"]).env("SLUICE_TEST_ENDPOINT", stand_in.endpoint());
        let child = child.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "no");
        let child = child.env("AWS_MAX_ATTEMPTS", "10").env("AWS_RETRY_MODE", "adaptive").kill_on_drop(true);
        let output = child.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(sent(&stand_in).len(), 2, "one as the caller and one as the role");
    }
}

async fn previewed(group: Group, with: Value) -> Preview {
    let stand_in = cloud(vec![group]).await;
    let (plugin, call) = (stand_in.plugin(), call(Purpose::Preview, with));
    let answer = plugin.preview("terminate_instance", &FakeHost::default(), &call).await.unwrap();
    assert_eq!(sent(&stand_in).len(), 0);
    answer
}

#[tokio::test]
async fn a_person_confirms_ids_and_sees_what_they_are() {
    let Preview::Ready { binding, facts } = previewed(Group::well(1), with(None)).await else { panic!() };
    let template = |version: &str| json!({ "id": "lt-1", "name": null, "version": version });
    let bound = json!({
        "account": "123456789012", "region": "us-east-2", "group": "lab-node-1-asg", "node": "lab-node-1",
        "instance": "i-1", "decrement": false, "next_launch_template": template("8"),
    });
    assert_eq!(binding, bound);
    let shown = json!({
        "region": "us-east-2", "instance_type": "m8gd.medium", "zone": "us-east-2a", "private_ip": "10.0.1.10",
        "launched_at": 1_795_370_400_000_i64, "lifecycle": "InService", "health": "Healthy", "state": "running",
        "launch_template": template("7"), "desired": 1, "min": 1, "suspended": [],
        "expected_time": "not known: AWS lists no launch of this group any more",
    });
    assert_eq!(facts, shown);
    let launched = Group::well(1).but(|group| {
        group.activity("Successful", "Terminating EC2 instance: i-0", "");
        group.activity("Failed", "Launching a new EC2 instance.  Status Reason: no capacity", "no capacity");
        group.activity("Successful", "Launching a new EC2 instance: i-1", "");
    });
    let Preview::Ready { facts, .. } = previewed(launched, with(None)).await else { panic!() };
    assert_eq!(facts["expected_time"], "43s to a new instance, as long as the last launch took; then its data");
    let Preview::Ready { binding, .. } = previewed(Group::well(1), with(Some(ROLE))).await else { panic!() };
    assert_eq!(binding["act_role"], ROLE);
}

#[tokio::test]
async fn a_sick_node_may_be_replaced_and_one_that_ec2_does_not_list() {
    let ready = async |group: Group| assert!(matches!(previewed(group, with(None)).await, Preview::Ready { .. }));
    ready(Group::well(1).but(|group| group.members[0].health = "Unhealthy")).await;
    ready(Group::well(1).but(|group| group.ec2.clear())).await;
    ready(Group::well(1).but(|group| group.ec2[0].1 = "stopped")).await;
    ready(Group::well(1).but(|group| group.suspended.push("AZRebalance"))).await;
    ready(Group::well(1).but(|group| group.refreshes.push(("r-1", "Successful")))).await;
}

#[tokio::test]
async fn what_must_not_be_ended_is_refused_in_words() {
    let refused = async |change: fn(&mut Group), says: &[&str]| {
        let Preview::Refused { why } = previewed(Group::well(1).but(change), with(None)).await else {
            panic!("not refused: {says:?}")
        };
        for part in says {
            assert!(why.contains(part), "`{part}` is not in: {why}");
        }
    };
    let replaced = ["already replaced", "i-1 is terminated", "i-2 (InService)"];
    let gone = |group: &mut Group| group.ec2[0].1 = "terminated";
    assert!(matches!(previewed(Group::well(1).but(gone), with(None)).await, Preview::Refused { .. }));
    refused(
        |group| {
            group.instances(&[("i-2", "InService")]);
            group.ec2[0].1 = "terminated";
        },
        &replaced,
    )
    .await;
    refused(|group| group.instances(&[]), &["already gone", "no instance"]).await;
    refused(|group| group.ec2[0].1 = "shutting-down", &["already gone", "shutting-down"]).await;
    refused(|group| group.instances(&[("i-1", "InService"), ("i-2", "Pending")]), &["2 instances", "i-2 Pending"])
        .await;
    refused(|group| group.instances(&[("i-1", "Terminating")]), &["i-1 is Terminating"]).await;
    refused(|group| group.instances(&[("i-1", "Standby")]), &["i-1 is Standby"]).await;
    refused(|group| group.suspended.push("Launch"), &["Launch is suspended", "resume-processes"]).await;
    refused(|group| group.suspended.push("Terminate"), &["Terminate is suspended"]).await;
    refused(|group| group.desired = 0, &["desired capacity 0"]).await;
    refused(|group| group.status = Some("Delete in progress"), &["Delete in progress"]).await;
    refused(|group| group.refreshes.push(("r-1", "InProgress")), &["instance refresh r-1 is InProgress"]).await;
    refused(|group| group.refreshes.push(("r-1", "Pondering")), &["r-1 is Pondering"]).await;
    refused(|group| group.members[0].protected = true, &["protected from scale-in"]).await;
}

#[tokio::test]
async fn nothing_is_ended_in_an_account_that_nobody_named() {
    let mut with = with(None);
    with["node"]["aws"]["account"] = Value::Null;
    let stand_in = cloud(vec![Group::well(1)]).await;
    let problem = act(&stand_in, with.clone()).await.unwrap_err();
    assert_eq!((problem.path.as_deref(), problem.applied), (Some("/node/aws/account"), Applied::No));
    let call = call(Purpose::Preview, with);
    stand_in.plugin().preview("terminate_instance", &FakeHost::default(), &call).await.unwrap_err();
    assert!(stand_in.asked().is_empty());
    assert_eq!(aws()["account"], "123456789012");
}

#[tokio::test]
async fn a_look_back_is_told_with_its_evidence() {
    let looked = async |group: Group| {
        let stand_in = cloud(vec![group]).await;
        let call = call(Purpose::Reconcile, with(None));
        let answer = stand_in.plugin().reconcile("terminate_instance", &FakeHost::default(), &call).await;
        assert_eq!(sent(&stand_in).len(), 0);
        answer.unwrap()
    };
    let Reconciled::NotDone { evidence } = looked(Group::well(1)).await else { panic!() };
    assert_eq!((&evidence["state"], &evidence["ending"]), (&json!("running"), &Value::Null));

    let ended = Group::well(1).but(|group| {
        group.instances(&[("i-2", "Pending")]);
        group.ec2[0].1 = "shutting-down";
        group.activity("InProgress", "Launching a new EC2 instance: i-2", "");
        group.activity("InProgress", "Terminating EC2 instance: i-1", "");
    });
    let Reconciled::Done { output, evidence } = looked(ended).await else { panic!() };
    assert_eq!(output["activity"], "a-1");
    assert_eq!((output["status"].as_str(), output["requested_at"].is_i64()), (Some("InProgress"), true));
    assert_eq!(evidence["instances"][0]["id"], "i-2");

    let strange = Group::well(1).but(|group| group.instances(&[("i-1", "Standby")]));
    assert!(matches!(looked(strange).await, Reconciled::CannotTell { .. }));
}

#[tokio::test]
async fn a_look_that_could_not_be_taken_is_no_word() {
    for refused in ["DescribeAutoScalingGroups", "DescribeInstances", "DescribeScalingActivities"] {
        for (code, expect) in [("ExpiredToken", "credentials"), ("Throttling", "throttled")] {
            let stand_in = StandIn::start(move |request, _| match request.operation.as_str() {
                operation if operation == refused && operation == "DescribeInstances" => {
                    Answer::ec2_error(400, code, "no")
                }
                operation if operation == refused => Answer::query_error(400, code, "no"),
                _ => cloud::answer(&[Group::well(1)], request),
            })
            .await;
            let call = call(Purpose::Reconcile, with(None));
            let problem = stand_in.plugin().reconcile("terminate_instance", &FakeHost::default(), &call).await;
            assert_eq!(problem.unwrap_err().code, expect, "{refused}");
        }
    }
}
