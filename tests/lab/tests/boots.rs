//! Instances that boot wrongly, as they were ordered to, and a lab that takes all of it back.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab, Line, NoBoot};

use crate::wire::log_lines;
use crate::{lab, node, until};

async fn replaced(lab: &Lab, n: u8, is_so: impl Fn(&Value) -> bool) -> Value {
    let old = node(&lab.status().await.unwrap(), n.into())["instance"].clone();
    lab.fault(Fault::Replace { node: n.to_string(), new_name: false, boot_delay: None }).await.unwrap();
    until("the replacement as ordered", 40, lab, |status| {
        let node = node(status, n.into());
        // Between the two there is none.
        node["instance"] != ""
            && node["instance"] != old
            && !["terminating", "booting", "empty"].contains(&node["doing"].as_str().unwrap())
            && is_so(node)
    })
    .await
}

async fn boot_log(lab: &Lab, n: u8) -> Vec<String> {
    let instance = lab.instances().await.unwrap()[&lab.plan().node_name(n)].clone();
    let stream = format!("{}-bootstrap-{instance}", lab.plan().node_name(n));
    // A server that ended at once is seen before its last words are written.
    for _ in 0..100 {
        let lines = log_lines(lab, json!({ "logStreamNamePrefix": stream })).await.0;
        if !lines.is_empty() {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Vec::new()
}

#[tokio::test]
async fn servers_that_never_come_up() {
    let lab = lab().await;
    lab.fault(Fault::NeverBoots { node: "1".into(), how: NoBoot::Silence }).await.unwrap();
    let silent = replaced(&lab, 1, |node| node["doing"] == "stopped").await;
    assert_eq!(silent["groups"]["nats-staging-node-1-asg"]["instances"][0]["state"], "InService", "{silent:#}");
    let instance = node(&silent, 1)["instance"].as_str().unwrap().to_owned();
    let asked = json!({ "logStreamNamePrefix": format!("nats-staging-node-1-bootstrap-{instance}") });
    assert_eq!(log_lines(&lab, asked).await.0, [] as [String; 0]);
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();

    lab.fault(Fault::NvmeNotMounted { node: "2".into(), runs: false }).await.unwrap();
    replaced(&lab, 2, |node| node["note"].as_str().unwrap().contains("ended by itself")).await;
    let lines = boot_log(&lab, 2).await;
    assert!(lines[0].contains("not mounted") && lines[1].contains("failed"), "{lines:#?}");
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();

    lab.fault(Fault::NvmeNotMounted { node: "2".into(), runs: true }).await.unwrap();
    let runs = replaced(&lab, 2, |node| node["doing"] == "running" && node["setup"] == "no-jet-stream").await;
    assert_eq!(node(&runs, 2)["stream"], Value::Null);
    assert!(lab.wait_healthy(Duration::from_secs(2)).await.is_err());
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn the_line_of_the_ingest_check_is_missing_or_bad() {
    let lab = lab().await;
    lab.fault(Fault::BootDelay { seconds: 0.0 }).await.unwrap();
    for (line, checks) in [(Line::Missing, 0), (Line::Failing, 1)] {
        lab.fault(Fault::BootstrapLine { node: "3".into(), line }).await.unwrap();
        replaced(&lab, 3, |node| node["doing"] == "running").await;
        let lines = boot_log(&lab, 3).await;
        let found: Vec<&String> = lines.iter().filter(|line| line.contains("Axiom ingest check")).collect();
        assert!(found.len() == checks && found.iter().all(|line| line.contains("FAILED")), "{lines:#?}");
        lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_moved_is_found_when_its_name_leads_there() {
    let lab = lab().await;
    let elsewhere = Fault::BootsAs { node: "2".into(), server_name: None, elsewhere: true, found_after: None };
    lab.fault(elsewhere).await.unwrap();
    let moved = replaced(&lab, 2, |node| node["healthz"] == "200").await;
    assert_ne!(node(&moved, 2)["address"], node(&moved, 2)["client"].as_str().unwrap().split(':').next().unwrap());
    assert!(tokio::net::TcpStream::connect(lab.plan().monitor(2)).await.is_err(), "its own address must be silent");
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    lab.fault(Fault::Clear).await.unwrap();
    let mut found = false;
    for _ in 0..100 {
        found |= tokio::net::TcpStream::connect(lab.plan().monitor(2)).await.is_ok();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(found, "its own address must lead there");
    replaced(&lab, 2, |node| node["healthz"] == "200").await;
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
async fn another_name_is_a_ghost_until_the_lab_is_cleared() {
    let lab = lab().await;
    let other =
        Fault::BootsAs { node: "1".into(), server_name: Some("stranger".into()), elsewhere: false, found_after: None };
    lab.fault(other).await.unwrap();
    replaced(&lab, 1, |node| node["server_name"] == "stranger" && node["cluster_size"] == 4).await;
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    assert_eq!(node(&lab.status().await.unwrap(), 1)["server_name"], "nats-staging-node-1");
}

#[tokio::test]
async fn impostors_wiped_disks_and_lonely_streams() {
    let lab = lab().await;
    lab.fault(Fault::Impostor { node: "1".into(), as_other: false }).await.unwrap();
    let answer = get(&lab, 1, "/healthz").await;
    assert!(answer.contains("200 OK") && answer.contains("\"ok\""), "{answer}");
    assert!(get(&lab, 1, "/varz").await.contains("\"server_name\": \"nats-staging-node-1\""));
    assert_eq!(node(&lab.status().await.unwrap(), 1)["healthz"], "no answer", "the lab is not taken in");
    lab.fault(Fault::Wipe { node: "2".into(), stopped: true }).await.unwrap();
    let verdicts = lab.verdicts().await.unwrap();
    assert!(verdicts[0].safe && !verdicts[1].safe, "nor is the referee: {verdicts:#?}");
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();

    lab.fault(Fault::R1Stream { name: "lonely".into(), node: "3".into() }).await.unwrap();
    lab.fault(Fault::Kill { node: "3".into() }).await.unwrap();
    lab.fault(Fault::Start { node: "3".into() }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    lab.fault(Fault::Kill { node: "1".into() }).await.unwrap();
    let verdicts = lab.verdicts().await.unwrap();
    let lonely = verdicts[2].why.iter().any(|why| why.contains("lonely"));
    assert!(!verdicts[2].safe && lonely, "{verdicts:#?}");
    assert!(verdicts[3].safe, "another node has nothing of it: {verdicts:#?}");
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    assert_eq!(lab.status().await.unwrap()["streams"], json!(["pivot_main"]));
}

async fn get(lab: &Lab, n: u8, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(lab.plan().monitor(n)).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
