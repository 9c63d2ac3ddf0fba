//! Faults do to the cluster what they say.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{Fault, Load};

use crate::{lab, node, until};

#[tokio::test]
async fn kill_freeze_slow() {
    let lab = lab().await;
    let name = || "2".to_owned();
    lab.fault(Fault::Kill { node: "nats-staging-node-2".into() }).await.unwrap();
    let killed = lab.status().await.unwrap();
    assert_eq!((&node(&killed, 2)["doing"], &node(&killed, 2)["pid"]), (&json!("stopped"), &json!(null)));
    assert_eq!(node(&killed, 2)["healthz"], "no answer");
    assert!(lab.fault(Fault::Freeze { node: name() }).await.is_err(), "there is nothing to freeze");
    lab.fault(Fault::Start { node: name() }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(40)).await.unwrap();

    lab.fault(Fault::Freeze { node: name() }).await.unwrap();
    let frozen = lab.status().await.unwrap();
    assert!(node(&frozen, 2)["pid"].is_u64() && node(&frozen, 2)["healthz"] == "no answer", "{frozen:#}");
    lab.fault(Fault::Thaw { node: name() }).await.unwrap();
    lab.wait_healthy(Duration::from_secs(40)).await.unwrap();

    let pid = node(&lab.status().await.unwrap(), 2)["pid"].as_u64().unwrap();
    lab.fault(Fault::Slow { node: name(), duty: 0.03 }).await.unwrap();
    let mut stopped = 0;
    for _ in 0..40 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stopped += usize::from(stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T'));
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    assert!(stopped > 20, "it was seen stopped {stopped} of 40 times");
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(40)).await.unwrap();
    assert!(lab.fault(Fault::Kill { node: "4".into() }).await.unwrap_err().to_string().contains("no node '4'"));
}

#[tokio::test]
async fn a_new_name_leaves_a_ghost() {
    let lab = lab().await;
    let replace = Fault::Replace { node: "3".into(), new_name: true, boot_delay: None };
    lab.fault(replace).await.unwrap();
    let ghost = until("a meta group of four, and the new server healthy", 40, &lab, |status| {
        let grown = status["nodes"].as_array().unwrap().iter().all(|node| node["cluster_size"] == 4);
        grown && node(status, 3)["healthz"] == "200" && node(status, 3)["server_name"] != "nats-staging-node-3"
    });
    let ghost = ghost.await;
    assert_eq!(node(&ghost, 3)["stream"], json!(null), "healthy, and no replica: {ghost:#}");
    assert!(lab.wait_healthy(Duration::from_secs(1)).await.is_err());
    lab.fault(Fault::Kill { node: "1".into() }).await.unwrap();
    let verdicts = lab.verdicts().await.unwrap();
    assert!(verdicts[0].safe, "the first loss was safe: {:?}", verdicts[0]);
    assert!(!verdicts[1].safe, "with a ghost, one more is not: {:?}", verdicts[1]);
}

#[tokio::test]
async fn a_deleted_stream_is_gone() {
    let lab = lab().await;
    lab.load(Load { rate: 2000, size: 10, count: Some(50), no_consume: true }).await.unwrap();
    lab.fault(Fault::DeleteStream { name: "pivot_main".into() }).await.unwrap();
    assert_eq!(lab.audit().await.unwrap().lost, 50);
    assert!(lab.fault(Fault::DeleteStream { name: "pivot_main".into() }).await.is_err());
}

#[tokio::test]
async fn a_slowed_node_is_healthy_before_its_data_is_there() {
    let lab = lab().await;
    lab.load(Load { rate: 5000, size: 12_000, count: Some(4000), no_consume: true }).await.unwrap();
    lab.fault(Fault::Slow { node: "2".into(), duty: 0.03 }).await.unwrap();
    // The moment can fall between two looks on a busy machine: then the node is replaced once more.
    let mut seen = false;
    for _ in 0..15 {
        let before = node(&lab.status().await.unwrap(), 2)["instance"].clone();
        lab.fault(Fault::Replace { node: "2".into(), new_name: false, boot_delay: None }).await.unwrap();
        let stored = |status: &Value| node(status, 2)["stream"]["last_seq"].as_u64();
        let status = until("healthz 200 with something in the store", 60, &lab, |status| {
            let new = node(status, 2)["instance"] != before && node(status, 2)["doing"] != "stopped";
            new && node(status, 2)["healthz"] == "200" && stored(status).is_some_and(|seq| seq > 0)
        });
        seen = stored(&status.await).is_some_and(|seq| seq < 4000);
        if seen {
            break;
        }
    }
    assert!(seen, "healthz never said 200 before the data was there");
    let taken = lab.wait_healthy(Duration::ZERO).await.is_ok();
    let there = node(&lab.status().await.unwrap(), 2)["stream"]["last_seq"] == 4000;
    assert!(!taken || there, "the lab itself must not take healthz for the data");
    lab.fault(Fault::Clear).await.unwrap();
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    assert_eq!(node(&lab.status().await.unwrap(), 2)["stream"]["last_seq"], 4000);
}
