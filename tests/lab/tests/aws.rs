//! The lab's AWS: the seed's parameters and groups, recorded calls, errors on demand, and a termination as EC2 does it.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{AdminSys, Fault, Lab, NODES, Options};

use crate::wire::call;
use crate::{lab, node, until};

async fn parameter(lab: &Lab, name: &str) -> Value {
    let body = json!({ "Name": format!("/nats-cluster/nats-staging/{name}"), "WithDecryption": true }).to_string();
    let (status, body) = call(lab, "ssm", Some("AmazonSSM.GetParameter"), &body).await.unwrap();
    assert_eq!(status, 200, "{name}: {body}");
    serde_json::from_str::<Value>(&body).unwrap()["Parameter"].take()
}

#[tokio::test]
async fn parameters_calls_and_errors() {
    let lab = lab().await;
    let cases = [
        ("admin/nats_admin_jwt", "SecureString", "eyJ"),
        ("admin/nats_admin_nkey_seed", "SecureString", "SU"),
        ("system/nats_system_nkey_seed", "SecureString", "SU"),
        ("services/facebox/nats_host", "String", "nats://127."),
        ("services/messenger/nats_admin_jwt", "SecureString", "eyJ"),
    ];
    for (name, kind, start) in cases {
        let parameter = parameter(&lab, name).await;
        assert_eq!(parameter["Type"], kind, "{name}");
        assert!(parameter["Value"].as_str().unwrap().starts_with(start), "{name}");
    }
    let calls = lab.calls(0).await.unwrap();
    assert_eq!(calls.len(), cases.len());
    assert_eq!((&calls[0]["operation"], &calls[0]["identity"]), (&json!("GetParameter"), &json!("AKIATEST")));

    let operation = "DescribeAutoScalingGroups".to_owned();
    lab.fault(Fault::AwsError { operation, times: 2, code: "Throttling".into(), status: 400 }).await.unwrap();
    let ask = "Action=DescribeAutoScalingGroups&Version=2011-01-01";
    for expect in [400, 400, 200] {
        let (status, body) = call(&lab, "autoscaling", None, ask).await.unwrap();
        assert_eq!((status, body.contains("Throttling")), (expect, expect == 400), "{body}");
    }
    lab.fault(Fault::AwsDown).await.unwrap();
    assert!(call(&lab, "autoscaling", None, ask).await.is_err());
    lab.fault(Fault::AwsUp).await.unwrap();
    assert_eq!(call(&lab, "autoscaling", None, ask).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_termination_takes_its_time_and_is_judged() {
    let lab = lab().await;
    let before = lab.status().await.unwrap();
    let old = node(&before, 1)["instance"].as_str().unwrap().to_owned();
    let group = |status: &Value| status["groups"]["nats-staging-node-1-asg"]["instances"][0].clone();
    let body = format!(
        "Action=TerminateInstanceInAutoScalingGroup&Version=2011-01-01&InstanceId={old}&ShouldDecrementDesiredCapacity=false"
    );
    let (status, answer) = call(&lab, "autoscaling", None, &body).await.unwrap();
    assert!(status == 200 && answer.contains("<StatusCode>InProgress</StatusCode>"), "{answer}");
    let marked = lab.status().await.unwrap();
    assert_eq!(group(&marked), json!({ "id": old, "state": "Terminating" }));
    let again = call(&lab, "autoscaling", None, &body).await.unwrap();
    assert_eq!(again.0, 400, "a second request for the same instance: {}", again.1);
    let after = until("a new instance", 10, &lab, |s| group(s)["state"] == "InService").await;
    assert_ne!(group(&after)["id"], json!(old));
    lab.wait_healthy(Duration::from_secs(30)).await.unwrap();
    let verdicts = lab.verdicts().await.unwrap();
    assert_eq!(verdicts.len(), 1);
    assert!(verdicts[0].safe && verdicts[0].instance == old, "{:?}", verdicts[0]);
}

/// How many servers answer a user's question to the system account: all three, or none, which the server that was asked
/// says itself.
async fn servers_seen_by(lab: &Lab, user: &str) -> usize {
    use futures::StreamExt;
    let options = async_nats::ConnectOptions::with_credentials(&lab.creds(user).await.unwrap()).unwrap();
    let client = options.connect(lab.plan().client(1).to_string()).await.unwrap();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply("$SYS.REQ.SERVER.PING.JSZ", inbox, "".into()).await.unwrap();
    let mut seen = 0;
    while seen < NODES.len() {
        // Neither an answer nor the word that there are no more is a failure.
        let answer = tokio::time::timeout(Duration::from_secs(30), answers.next()).await;
        let message = answer.unwrap().unwrap();
        if message.status.is_some() {
            assert_eq!(message.status, Some(async_nats::StatusCode::NO_RESPONDERS), "{user}");
            return seen;
        }
        seen += 1;
    }
    seen
}

#[tokio::test]
async fn admin_has_system_rights_only_with_the_import() {
    let imports = Options { admin_sys: AdminSys::Import, ..Options::default() };
    let (plain, imports) = tokio::join!(lab(), Lab::up(imports));
    let imports = imports.unwrap();
    assert_eq!(servers_seen_by(&plain, "admin").await, 0);
    assert_eq!(servers_seen_by(&plain, "sys").await, 3);
    assert_eq!(servers_seen_by(&imports, "admin").await, 3);
}
