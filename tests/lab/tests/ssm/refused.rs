//! What Systems Manager refuses, and in which words.

use serde_json::{Value, json};

use super::{instance, script};
use crate::lab;
use crate::wire::ssm;

#[tokio::test]
async fn what_systems_manager_refuses() {
    let lab = lab().await;
    let first = instance(&lab, 1).await;
    let send_with = |change: Value| {
        let mut asked = script(&first, "echo ran");
        for (key, value) in change.as_object().unwrap() {
            asked[key] = value.clone();
        }
        asked
    };
    let with = |name: &str, value: Value| {
        let mut asked = script(&first, "echo ran");
        asked["Parameters"][name] = value;
        asked
    };
    let refused = "not in a valid state for account 123456789012";
    let nobody = "i-0123456789abcdef0";
    let (command, none) = ("0".repeat(36), json!(null));
    let cases = [
        ("SendCommand", send_with(json!({ "InstanceIds": [nobody] })), format!("InvalidInstanceId: Instances [[{nobody}]] {refused}")),
        ("SendCommand", send_with(json!({ "InstanceIds": ["node-1"] })), "ValidationException: 1 validation error detected: Value 'node-1' at 'instanceIds.1.member' failed".into()),
        ("SendCommand", send_with(json!({ "InstanceIds": vec![&first; 51] })), "ValidationException: 1 validation error detected: Value".into()),
        ("SendCommand", send_with(json!({ "InstanceIds": [first, first] })), "DuplicateInstanceId".into()),
        ("SendCommand", send_with(json!({ "InstanceIds": none })), "InvalidParameters".into()),
        ("SendCommand", send_with(json!({ "InstanceIds": first })), "SerializationException: Expected list or null".into()),
        ("SendCommand", send_with(json!({ "DocumentName": "AWS-RunPowerShellScript" })), "InvalidDocument: ".into()),
        ("SendCommand", send_with(json!({ "DocumentName": none })), "ValidationException: 1 validation error detected: Value null at 'documentName'".into()),
        ("SendCommand", send_with(json!({ "DocumentVersion": "7" })), "InvalidDocumentVersion: ".into()),
        ("SendCommand", send_with(json!({ "Comment": "a".repeat(101) })), "ValidationException: ".into()),
        ("SendCommand", send_with(json!({ "TimeoutSeconds": 29 })), "ValidationException: 1 validation error detected: Value '29' at 'timeoutSeconds' failed to satisfy constraint: Member must have value greater than or equal to 30".into()),
        ("SendCommand", send_with(json!({ "TimeoutSeconds": 2_592_001 })), "ValidationException: ".into()),
        ("SendCommand", send_with(json!({ "TimeoutSeconds": "60" })), "SerializationException: STRING_VALUE can not be converted to an Integer".into()),
        ("SendCommand", send_with(json!({ "OutputS3BucketName": "bucket" })), "InvalidParameters: the lab does not honour".into()),
        ("SendCommand", with("commands", json!("echo ran")), "SerializationException: Expected list or null".into()),
        ("SendCommand", with("commands", json!([1])), "SerializationException: NUMBER_VALUE can not be converted to a String".into()),
        ("SendCommand", with("commands", json!([])), "InvalidParameters: ".into()),
        ("SendCommand", with("executionTimeout", json!(60)), "SerializationException: ".into()),
        ("SendCommand", with("executionTimeout", json!(["0"])), "InvalidParameters: ".into()),
        ("SendCommand", with("executionTimeout", json!(["172801"])), "InvalidParameters: ".into()),
        ("SendCommand", with("executionTimeout", json!(["60", "60"])), "InvalidParameters: ".into()),
        ("SendCommand", with("shell", json!(["bash"])), "InvalidParameters: ".into()),
        ("GetCommandInvocation", json!({ "CommandId": command, "InstanceId": first }), "InvocationDoesNotExist: ".into()),
        ("GetCommandInvocation", json!({ "CommandId": "7", "InstanceId": first }), "ValidationException: ".into()),
        ("GetCommandInvocation", json!({ "CommandId": command }), "ValidationException: 1 validation error detected: Value null at 'instanceId'".into()),
        ("CancelCommand", json!({ "CommandId": command }), "InvalidCommandId: ".into()),
        ("DescribeInstanceInformation", json!({ "MaxResults": 4 }), "ValidationException: ".into()),
        ("DescribeInstanceInformation", json!({ "NextToken": "x" }), "InvalidNextToken: ".into()),
        ("DescribeInstanceInformation", json!({ "Filters": [{ "Key": "Name", "Values": ["a"] }] }), "InvalidFilterKey: ".into()),
        ("DescribeInstanceInformation", json!({ "Filters": [{ "Key": "PingStatus", "Values": ["Up"] }] }), "InvalidInstanceInformationFilterValue: ".into()),
        ("DescribeInstanceInformation", json!({ "Filters": [{ "Key": "PingStatus", "Values": [] }] }), "ValidationException: ".into()),
    ];
    for (operation, asked, expect) in cases {
        let error = ssm(&lab, operation, asked.clone()).await.unwrap_err();
        assert!(
            error.starts_with(&expect),
            "{operation} {asked}\nis to be refused with {expect}\nand is with        {error}"
        );
    }
    let all = ssm(&lab, "ListCommandInvocations", json!({})).await.unwrap();
    assert_eq!(all["CommandInvocations"], json!([]), "nothing was run");
}
