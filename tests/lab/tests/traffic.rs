//! Traffic as in production while a node is replaced: nothing acknowledged is lost, and how long nobody could publish is
//! known. At nothing and at ten thousand messages in the stream.

use std::time::Duration;

use sluice_lab::{Fault, Lab, Load, Options};

use crate::node;

async fn a_replacement_under_traffic(preload: u64) {
    let lab = Lab::up(Options { boot_delay: 0.2, preload, ..Options::default() }).await.unwrap();
    assert_eq!(node(&lab.status().await.unwrap(), 1)["stream"]["last_seq"], preload);
    lab.load(Load::steady()).await.unwrap();
    while lab.counts().await.unwrap().acked < preload + 500 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let old = lab.instances().await.unwrap()["nats-staging-node-1"].clone();
    lab.fault(Fault::Replace { node: "1".into(), new_name: false, boot_delay: None }).await.unwrap();
    while lab.instances().await.unwrap().get("nats-staging-node-1").is_none_or(|new| *new == old) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    lab.load(Load::stop()).await.unwrap();
    let audit = lab.audit().await.unwrap();
    assert_eq!((audit.lost, audit.there), (0, audit.counts.acked), "{audit:?}");
    assert!(audit.in_stream >= preload && audit.counts.delivered > 500 && audit.counts.longest_gap_ms > 0, "{audit:?}");
}

#[tokio::test]
async fn at_nothing() {
    a_replacement_under_traffic(0).await;
}

#[tokio::test]
async fn at_ten_thousand_messages() {
    a_replacement_under_traffic(10_000).await;
}

#[tokio::test]
async fn messages_that_must_stay_are_missed_though_they_were_delivered() {
    let lab = Lab::up(Options { preload: 50, ..Options::default() }).await.unwrap();
    lab.load(Load::steady()).await.unwrap();
    while lab.counts().await.unwrap().delivered < 60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.load(Load::stop()).await.unwrap();
    assert_eq!(lab.audit().await.unwrap().lost, 0);
    lab.fault(Fault::DeleteStream { name: "pivot_main".into() }).await.unwrap();
    let audit = lab.audit().await.unwrap();
    assert!(audit.lost >= 50 && audit.there == audit.counts.acked - audit.lost, "{audit:?}");
}
