//! What a session has to be allowed: the document and each machine, or everything.

use serde_json::{Value, json};
use sluice_lab::{ACT_ROLE, Lab};

use super::{instance, script};
use crate::lab;
use crate::wire::{Caller, call, json_as, tag};

/// A session that may do what these statements say.
async fn session(lab: &Lab, statements: Value) -> Caller {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ACT_ROLE}&RoleSessionName=ana&Policy={policy}");
    let (status, answer) = call(lab, "sts", None, &body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    Caller { key: tag(&answer, "AccessKeyId").into(), token: Some(tag(&answer, "SessionToken").into()) }
}

#[tokio::test]
async fn a_session_needs_the_document_and_the_machine() {
    let lab = lab().await;
    let [first, second] = [instance(&lab, 1).await, instance(&lab, 2).await];
    let document = "arn:aws:ssm:us-east-2::document/AWS-RunShellScript";
    let machine = |id: &str| format!("arn:aws:ec2:us-east-2:123456789012:instance/{id}");
    let allow = |action: &str, resource: Value| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    let send = |resource: Value| json!([allow("ssm:SendCommand", resource)]);
    let mut of_name = allow("ssm:SendCommand", json!(machine("*")));
    of_name["Condition"] = json!({ "StringLike": { "ssm:resourceTag/Name": "nats-staging-node-1" } });
    let both = json!({ "DocumentName": "AWS-RunShellScript", "InstanceIds": [first, second], "Parameters": { "commands": ["true"] } });
    let by_tag = json!({ "DocumentName": "AWS-RunShellScript", "Targets": [{ "Key": "tag:Name", "Values": ["nats-staging-node-2"] }], "Parameters": { "commands": ["true"] } });
    let cases = [
        (send(json!([document, machine(&first)])), script(&first, "true"), None),
        (send(json!([document])), script(&first, "true"), Some(machine(&first))),
        (send(json!([machine("*")])), script(&first, "true"), Some(document.to_owned())),
        (send(json!([document, machine(&first)])), script(&second, "true"), Some(machine(&second))),
        (send(json!([document, machine(&first)])), both, Some(machine(&second))),
        (send(json!([document, machine(&first)])), by_tag, Some(machine(&second))),
        (json!([allow("ssm:SendCommand", json!(document)), of_name]), script(&first, "true"), None),
        (json!([allow("ssm:SendCommand", json!(document)), of_name]), script(&second, "true"), Some(machine(&second))),
    ];
    for (statements, asked, lacks) in cases {
        let caller = session(&lab, statements.clone()).await;
        let answer = json_as(&lab, &caller, "ssm", "SendCommand", &asked).await;
        match (&answer, lacks) {
            (Ok(_), None) => {}
            (Err(error), Some(lacks)) => assert!(
                error.starts_with("AccessDeniedException") && error.contains(&format!("on resource: {lacks} ")),
                "{statements}: {error}"
            ),
            other => panic!("{statements} {asked}: {other:?}"),
        }
    }
    // The others know no resource.
    let reads = ["GetCommandInvocation", "DescribeInstanceInformation", "CancelCommand", "ListCommandInvocations"];
    let of_all = |resource: &str| json!([allow("ssm:*", json!(resource))]);
    let (all, one) = (session(&lab, of_all("*")).await, session(&lab, of_all(&machine(&first))).await);
    for operation in reads {
        let asked = json!({ "CommandId": "0".repeat(36), "InstanceId": first });
        let denied = json_as(&lab, &one, "ssm", operation, &asked).await.unwrap_err();
        assert!(
            denied.starts_with("AccessDeniedException") && denied.contains("on resource: * "),
            "{operation}: {denied}"
        );
        let answer = json_as(&lab, &all, "ssm", operation, &asked).await;
        assert!(!answer.is_err_and(|error| error.starts_with("AccessDenied")), "{operation}");
    }
    let group = "arn:aws:logs:us-east-2:123456789012:log-group:/aws/ec2/nats-cluster/nats-staging/diagnostic:*";
    let reader = session(&lab, json!([allow("logs:*", json!(group))])).await;
    let query = json!({ "logGroupName": lab.plan().log_group(), "startTime": 0, "endTime": 4_000_000_000u64, "queryString": "limit 1" });
    let started = json_as(&lab, &reader, "logs", "StartQuery", &query).await.unwrap();
    let denied = json_as(&lab, &reader, "logs", "GetQueryResults", &started).await.unwrap_err();
    assert!(denied.contains("on resource: * "), "{denied}");
    let other = json!({ "logGroupName": "/other", "startTime": 0, "endTime": 1, "queryString": "limit 1" });
    assert!(json_as(&lab, &reader, "logs", "StartQuery", &other).await.unwrap_err().starts_with("AccessDenied"));
}
