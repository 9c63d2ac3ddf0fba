//! Who calls AWS, and what becomes of calls: sessions and their policies, expired credentials, refused and lost answers.

use std::time::Duration;

use serde_json::json;
use sluice_lab::{ACT_ROLE, Fault, Lab};

use crate::lab;
use crate::wire::{Caller, call, call_as, raw, tag, termination};

const TERMINATE: &str = "TerminateInstanceInAutoScalingGroup";

async fn assume(lab: &Lab, name: &str, policy: &str) -> (u16, String) {
    let body =
        format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ACT_ROLE}&RoleSessionName={name}&Policy={policy}");
    call(lab, "sts", None, &body).await.unwrap()
}

fn session(answer: &str) -> Caller {
    Caller { key: tag(answer, "AccessKeyId").into(), token: Some(tag(answer, "SessionToken").into()) }
}

fn policy(effect: &str, action: &str, group: &str) -> String {
    let resource =
        format!("arn:aws:autoscaling:us-east-2:123456789012:autoScalingGroup:*:autoScalingGroupName/{group}");
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": effect, "Action": action, "Resource": resource }] })
        .to_string()
}

#[tokio::test]
async fn a_session_may_what_its_policy_says_and_is_recorded() {
    let lab = lab().await;
    let instances = lab.instances().await.unwrap();
    let action = format!("autoscaling:{TERMINATE}");
    let (status, answer) = assume(&lab, "ana@run-1", &policy("Allow", &action, "nats-staging-node-1-asg")).await;
    assert_eq!(status, 200, "{answer}");
    let ana = session(&answer);
    let (_, me) = call_as(&lab, &ana, "sts", None, "Action=GetCallerIdentity&Version=2011-06-15").await.unwrap();
    assert_eq!(tag(&me, "Arn"), "arn:aws:sts::123456789012:assumed-role/nats-operator-act/ana@run-1");

    let other =
        call_as(&lab, &ana, "autoscaling", None, &termination(&instances["nats-staging-node-2"])).await.unwrap();
    assert_eq!((other.0, tag(&other.1, "Code")), (403, "AccessDenied"), "another group");
    let read = call_as(&lab, &ana, "autoscaling", None, "Action=DescribeAutoScalingGroups").await.unwrap();
    assert_eq!((read.0, tag(&read.1, "Code")), (403, "AccessDenied"), "another action");
    let thief = Caller { token: Some("other".into()), ..session(&answer) };
    let stolen =
        call_as(&lab, &thief, "autoscaling", None, &termination(&instances["nats-staging-node-1"])).await.unwrap();
    assert_eq!((stolen.0, tag(&stolen.1, "Code")), (403, "InvalidClientTokenId"));
    assert_eq!(lab.instances().await.unwrap(), instances, "nothing was touched");

    let own = raw(&lab, &ana, "autoscaling", None, &termination(&instances["nats-staging-node-1"])).await.unwrap();
    let terminations = lab.terminations().await.unwrap();
    assert_eq!(terminations.len(), 1, "{own}");
    let (call, verdict) = (&terminations[0].call, &terminations[0].verdict);
    assert_eq!(
        (call.operation.as_str(), call.session.as_deref(), call.role.as_deref()),
        (TERMINATE, Some("ana@run-1"), Some(ACT_ROLE))
    );
    assert!(
        own.contains(&format!("x-amzn-RequestId: {}", call.request_id))
            && own.contains(&format!("<RequestId>{}<", call.request_id)),
        "{own}"
    );
    let request = verdict.request.as_ref().unwrap();
    assert_eq!(
        (request.request_id.as_str(), request.session.as_deref()),
        (call.request_id.as_str(), Some("ana@run-1"))
    );
    assert!(verdict.safe && verdict.instance == instances["nats-staging-node-1"]);
    let outcomes: Vec<_> =
        lab.calls_of(TERMINATE).await.unwrap().into_iter().map(|call| (call.status, call.error)).collect();
    assert_eq!(
        outcomes,
        [(Some(403), Some("AccessDenied".into())), (Some(403), Some("InvalidClientTokenId".into())), (Some(200), None)]
    );
}

#[tokio::test]
async fn what_a_session_cannot_be_is_refused() {
    let lab = lab().await;
    let all = policy("Allow", "*", "*");
    let statement = json!({ "Statement": [{ "Effect": "Allow", "NotAction": "iam:*", "Resource": "*" }] }).to_string();
    for (name, policy, code) in [
        ("a b", all.as_str(), "ValidationError"),
        ("x", "{", "MalformedPolicyDocument"),
        ("ana", &statement, "MalformedPolicyDocument"),
    ] {
        let (status, answer) = assume(&lab, name, policy).await;
        assert_eq!(
            (status, tag(&answer, "Code")),
            (400, if name == "x" { "ValidationError" } else { code }),
            "{answer}"
        );
    }
    let body = "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/other&RoleSessionName=ana";
    let (status, answer) = call(&lab, "sts", None, body).await.unwrap();
    assert_eq!((status, tag(&answer, "Code")), (403, "AccessDenied"));
    let denied = session(&assume(&lab, "ana", &policy("Deny", "*", "*")).await.1);
    assert_eq!(
        call_as(&lab, &denied, "ec2", None, "Action=DescribeInstances&Version=2016-11-15").await.unwrap().0,
        403
    );

    lab.fault(Fault::AwsExpired).await.unwrap();
    let (status, answer) = call(&lab, "sts", None, "Action=GetCallerIdentity").await.unwrap();
    assert_eq!((status, tag(&answer, "Code")), (403, "ExpiredToken"));
    let parameter = json!({ "Name": "/x" }).to_string();
    let (status, answer) = call(&lab, "ssm", Some("AmazonSSM.GetParameter"), &parameter).await.unwrap();
    assert!(status == 403 && answer.contains("ExpiredTokenException"), "{status} {answer}");
    lab.fault(Fault::Clear).await.unwrap();
    assert_eq!(call(&lab, "sts", None, "Action=GetCallerIdentity").await.unwrap().0, 200);
}

#[tokio::test]
async fn answers_are_refused_and_lost_and_the_work_is_done_or_not() {
    let lab = lab().await;
    let instances = lab.instances().await.unwrap();
    let operation = || TERMINATE.to_owned();
    let body = termination(&instances["nats-staging-node-1"]);
    lab.fault(Fault::AwsThrottle { operation: operation(), times: 1 }).await.unwrap();
    let (status, answer) = call(&lab, "autoscaling", None, &body).await.unwrap();
    assert_eq!((status, tag(&answer, "Code")), (400, "Throttling"));
    lab.fault(Fault::AwsHtml { operation: operation(), times: 1 }).await.unwrap();
    let (status, answer) = call(&lab, "autoscaling", None, &body).await.unwrap();
    assert!(status == 503 && answer.starts_with("<html>"), "{status} {answer}");
    assert_eq!(lab.terminations().await.unwrap().len(), 0, "neither did anything");

    lab.fault(Fault::AwsTimeoutAfter { operation: operation(), times: 1, cut: true }).await.unwrap();
    let cut = raw(&lab, &Caller::user(), "autoscaling", None, &body).await;
    assert!(cut.as_ref().map_or(true, String::is_empty), "{cut:?}");
    assert_eq!(lab.terminations().await.unwrap().len(), 1, "and yet it was done");
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();

    lab.fault(Fault::AwsTimeoutAfter { operation: operation(), times: 1, cut: false }).await.unwrap();
    let (user, body) = (Caller::user(), termination(&instances["nats-staging-node-2"]));
    let silent = tokio::time::timeout(Duration::from_secs(2), raw(&lab, &user, "autoscaling", None, &body)).await;
    assert!(silent.is_err(), "{silent:?}");
    let terminations = lab.terminations().await.unwrap();
    assert_eq!(terminations.len(), 2);
    assert!(!terminations[1].call.answered && terminations[1].verdict.instance == instances["nats-staging-node-2"]);
}
