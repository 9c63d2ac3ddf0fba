//! Machines that are not known, not heard of, or gone.

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab};

use super::{ended, instance, look, run, script, seen, send};
use crate::wire::{call, ssm, tag};
use crate::{lab, node, until};

/// The ids that DescribeInstanceInformation gives, over all its pages, with their ping status.
async fn informed(lab: &Lab, filters: Value) -> Vec<(String, String)> {
    let (mut found, mut token, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let asked = json!({ "Filters": filters, "NextToken": token, "MaxResults": 50 });
        let page = ssm(lab, "DescribeInstanceInformation", asked).await.unwrap();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let list = page["InstanceInformationList"].as_array().unwrap();
        found.extend(list.iter().map(|entry| (text(entry, "InstanceId"), text(entry, "PingStatus"))));
        (token, pages) = (page["NextToken"].clone(), pages + 1);
        if token.is_null() {
            assert!(found.len() < 3 || pages > 1, "whoever reads one page only is to be found out");
            found.sort();
            return found;
        }
    }
}

#[tokio::test]
async fn machines_that_are_not_known_not_heard_of_or_gone() {
    let lab = lab().await;
    let [first, second, third] = [instance(&lab, 1).await, instance(&lab, 2).await, instance(&lab, 3).await];
    assert_eq!(informed(&lab, json!([])).await.len(), 3);
    let online = |id: &str| (id.to_owned(), "Online".to_owned());
    let named = |n: u8| json!([{ "Key": "tag:Name", "Values": [lab.plan().node_name(n)] }]);
    assert_eq!(informed(&lab, named(2)).await, [online(&second)]);

    lab.fault(Fault::SsmUnregistered { node: "1".into() }).await.unwrap();
    lab.fault(Fault::SsmLost { node: "2".into(), after: Some(1.0) }).await.unwrap();
    let ids = json!([{ "Key": "InstanceIds", "Values": [first, third] }]);
    assert_eq!(informed(&lab, ids).await, [online(&third)]);
    let lost = json!([{ "Key": "PingStatus", "Values": ["ConnectionLost"] }]);
    assert_eq!(informed(&lab, lost).await, [(second.clone(), "ConnectionLost".to_owned())]);
    let error = ssm(&lab, "SendCommand", script(&first, "true")).await.unwrap_err();
    assert_eq!(
        error,
        format!("InvalidInstanceId: Instances [[{first}]] not in a valid state for account 123456789012")
    );
    let unheard = send(&lab, script(&second, "echo ran")).await;
    let pending = seen(&lab, &unheard, |_| true).await;
    assert_eq!((&pending["Status"], &pending["ResponseCode"]), (&json!("Pending"), &json!(-1)));
    let late = ended(&lab, &unheard).await;
    assert_eq!(
        (&late["Status"], &late["StatusDetails"], &late["ResponseCode"], &late["ExecutionStartDateTime"]),
        (&json!("TimedOut"), &json!("DeliveryTimedOut"), &json!(-1), &json!(""))
    );
    // Without the lab's help a command waits as long as it says, and runs when the machine is heard of again.
    lab.fault(Fault::SsmLost { node: "2".into(), after: None }).await.unwrap();
    let waits = send(&lab, script(&second, "echo ran")).await;
    let forgotten = send(&lab, script(&second, "echo ran")).await;
    seen(&lab, &waits, |invocation| invocation["Status"] == "Pending").await;
    ssm(&lab, "CancelCommand", json!({ "CommandId": forgotten["CommandId"] })).await.unwrap();
    assert_eq!(ended(&lab, &forgotten).await["StatusDetails"], "Cancelled");
    lab.fault(Fault::Clear).await.unwrap();
    assert_eq!(ended(&lab, &waits).await["StandardOutputContent"], "ran\n");
    assert_eq!(run(&lab, 1, "echo ran").await["StandardOutputContent"], "ran\n");

    // The machine goes while a command runs on it: nothing is ever reported.
    let unheard = send(&lab, script(&third, "sleep 1000")).await;
    seen(&lab, &unheard, |invocation| invocation["Status"] == "InProgress").await;
    lab.fault(Fault::Replace { node: "3".into(), new_name: false, boot_delay: None }).await.unwrap();
    until("another machine", 40, &lab, |status| {
        node(status, 3)["doing"] == "running" && node(status, 3)["instance"] != json!(third)
    })
    .await;
    assert_eq!(look(&lab, &unheard).await.unwrap()["Status"], "InProgress");
    let error = ssm(&lab, "SendCommand", script(&third, "true")).await.unwrap_err();
    assert!(error.starts_with("InvalidInstanceId"), "{error}");
    let new = instance(&lab, 3).await;
    assert_eq!(informed(&lab, named(3)).await, [online(&new)], "the dead are not told of here");
    // They are told of by EC2, under the same name, and first.
    let body = format!(
        "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag:Name&Filter.1.Value.1={}",
        lab.plan().node_name(3)
    );
    let (_, described) = call(&lab, "ec2", None, &body).await.unwrap();
    assert_eq!(tag(&described, "instanceId"), third, "{described}");
    assert!(described.contains(&new) && described.contains("<name>terminated</name>"), "{described}");

    let targets = json!({
        "DocumentName": "AWS-RunShellScript", "Parameters": { "commands": ["echo $AWS_SSM_INSTANCE_ID"] },
        "Targets": [{ "Key": "tag:Name", "Values": [lab.plan().node_name(3)] }],
    });
    let command = ssm(&lab, "SendCommand", targets).await.unwrap()["Command"].take();
    let sent = json!({ "CommandId": command["CommandId"], "InstanceId": new });
    assert_eq!(ended(&lab, &sent).await["StandardOutputContent"], format!("{new}\n"));
    let of_dead = json!({ "CommandId": command["CommandId"], "InstanceId": third });
    assert!(look(&lab, &of_dead).await.unwrap_err().starts_with("InvocationDoesNotExist"));
}
