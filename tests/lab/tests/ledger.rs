//! Referee and ledger: nothing is lost when nodes are replaced one after the other has its data back; and when they
//! are not, both say so (the negative control: a ledger that cannot see a loss is worth nothing).

use std::time::Duration;

use sluice_lab::{Fault, Lab, Load, NODES};

use crate::{lab, node, until};

async fn replace(lab: &Lab, n: u8) {
    let boot_delay = Some(0.0);
    lab.fault(Fault::Replace { node: n.to_string(), new_name: false, boot_delay }).await.unwrap();
}

#[tokio::test]
async fn careful_replacement_under_load_loses_nothing() {
    let lab = lab().await;
    lab.load(Load { rate: 300, size: 100, count: None, no_consume: false }).await.unwrap();
    for n in [1, 2] {
        let old = node(&lab.status().await.unwrap(), n.into())["instance"].clone();
        replace(&lab, n).await;
        until("another instance", 10, &lab, |status| {
            let node = node(status, n.into());
            node["instance"] != old && node["doing"] == "running"
        })
        .await;
        lab.wait_healthy(Duration::from_secs(60)).await.unwrap();
    }
    lab.load(Load { rate: 0, size: 0, count: None, no_consume: false }).await.unwrap();
    let audit = lab.audit().await.unwrap();
    assert_eq!(audit.lost, 0, "{audit:?}");
    assert!(audit.counts.acked > 300 && audit.counts.delivered > 0, "{audit:?}");
    let verdicts = lab.verdicts().await.unwrap();
    assert!(verdicts.len() == 2 && verdicts.iter().all(|verdict| verdict.safe), "{verdicts:?}");
}

#[tokio::test]
async fn naive_rolling_is_seen_by_referee_and_ledger() {
    let lab = lab().await;
    let counts = lab.load(Load { rate: 5000, size: 5000, count: Some(3000), no_consume: true }).await.unwrap();
    assert_eq!((counts.acked, counts.refused), (3000, 0), "{counts:?}");
    assert_eq!(lab.audit().await.unwrap().lost, 0);
    roll_naively(&lab).await;
    let verdicts = lab.verdicts().await.unwrap();
    assert!(verdicts[0].safe && !verdicts[1].safe && !verdicts[2].safe, "{verdicts:?}");
    // A quiet machine may have copied everything in time: unsafe is not yet lost. Sooner or later it is.
    for _ in 0..8 {
        let audit = lab.audit().await.unwrap();
        if audit.lost > 0 {
            assert!(!audit.first_lost.is_empty(), "{audit:?}");
            return;
        }
        roll_naively(&lab).await;
    }
    panic!("nothing was ever lost: {:?}", lab.audit().await.unwrap());
}

async fn roll_naively(lab: &Lab) {
    for n in NODES {
        let old = node(&lab.status().await.unwrap(), n.into())["instance"].clone();
        replace(lab, n).await;
        // The naive gate: a process runs on the new instance.
        until("another instance", 10, lab, |status| {
            let node = node(status, n.into());
            node["instance"] != old && node["doing"] == "running"
        })
        .await;
    }
    until("all healthy again", 60, lab, |s| NODES.iter().all(|n| node(s, usize::from(*n))["healthz"] == "200")).await;
}
