//! What the nodes ship arrives in Axiom, unless they were told to be silent or Axiom to refuse.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lab;

async fn ask(lab: &Lab, apl: &str) -> (u16, Value) {
    let body = json!({ "apl": apl }).to_string();
    let request = format!(
        "POST /v1/datasets/_apl?format=tabular HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        lab.plan().axiom_token(),
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(lab.plan().axiom()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.contains("X-RateLimit-Remaining: 0\r\n"), head.contains(" 429 "), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// How many events there are of an instance since the second.
async fn count(lab: &Lab, instance: &str, since: jiff::Timestamp) -> u64 {
    let apl = format!(
        "['nats-logs'] | where ['host'] == \"nats-staging-node-1\" and ['instance_id'] == \"{instance}\" and _time > datetime(\"{since}\") | summarize n = count()"
    );
    let (status, answer) = ask(lab, &apl).await;
    assert_eq!(status, 200, "{answer}");
    answer["tables"][0]["columns"][0][0].as_u64().unwrap()
}

async fn arrives(lab: &Lab, instance: &str) {
    let (since, end) = (jiff::Timestamp::now(), Instant::now() + Duration::from_secs(20));
    while count(lab, instance, since).await == 0 {
        assert!(Instant::now() < end, "nothing of {instance} arrives");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn nodes_ship_until_they_are_silent() {
    let lab = lab().await;
    let instances = lab.instances().await.unwrap();
    arrives(&lab, &instances["nats-staging-node-1"]).await;
    lab.fault(Fault::AxiomSilent { node: "1".into() }).await.unwrap();
    // An event may be on its way; the other nodes tell how time goes by.
    arrives_of_others(&lab).await;
    let since = jiff::Timestamp::now();
    arrives_of_others(&lab).await;
    assert_eq!(count(&lab, &instances["nats-staging-node-1"], since).await, 0);
    lab.fault(Fault::Clear).await.unwrap();
    arrives(&lab, &instances["nats-staging-node-1"]).await;

    lab.fault(Fault::Axiom429).await.unwrap();
    assert_eq!(ask(&lab, "['nats-logs'] | take 1").await.0, 429);
    lab.fault(Fault::Clear).await.unwrap();
    assert_eq!(ask(&lab, "['nats-logs'] | take 1").await.0, 200);

    lab.fault(Fault::Replace { node: "1".into(), new_name: false, boot_delay: Some(0.0) }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while lab
        .instances()
        .await
        .unwrap()
        .get("nats-staging-node-1")
        .is_none_or(|new| *new == instances["nats-staging-node-1"])
    {
        assert!(Instant::now() < end, "it is not replaced");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    arrives(&lab, &lab.instances().await.unwrap()["nats-staging-node-1"]).await;
    assert!(lab.queries().await.unwrap().iter().any(|query| query.status == 429));
}

/// Three seconds, told by the events of another node.
async fn arrives_of_others(lab: &Lab) {
    let (since, end) = (jiff::Timestamp::now(), Instant::now() + Duration::from_secs(30));
    let apl =
        format!("['nats-logs'] | where host == \"nats-staging-node-2\" and _time > datetime(\"{since}\") | count");
    while ask(lab, &apl).await.1["tables"][0]["columns"][0][0].as_u64().unwrap() < 3 {
        assert!(Instant::now() < end, "nothing arrives");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
