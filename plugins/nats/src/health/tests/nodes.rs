//! Cases about whole nodes: healthy, dead, frozen, sick, misread.

use super::*;
use crate::health::view::ReplicaState;

#[test]
fn a_healthy_cluster_passes_without_a_finding() {
    let report = check(|_| {}, Verdict::Pass, &[]);
    assert_eq!((report.voters.total, report.voters.left, report.voters.majority), (3, 3, 2));
    assert_eq!(report.voters.groups, 4, "meta, one stream, two consumers");
    assert_eq!(report.meta.group.leader.as_deref(), Some("nats-staging-node-3"));
    assert_eq!(report.streams[0].group.replicas.iter().map(|row| row.own_last_seq).collect::<Vec<_>>(), [Some(684); 3]);
    assert!(report.streams[0].group.ok && report.consumers.iter().all(|row| row.group.ok));
    assert!(report.summary.starts_with("nats-staging: healthy; 3 of 3 nodes answer"), "{}", report.summary);
    assert!(report.not_judged.contains(&"cpu".to_owned()) && !report.not_judged.contains(&"storage".to_owned()));
}

#[test]
fn a_dead_node_is_unknown_and_its_replicas_critical() {
    let dead = json!({ "current": false, "active": 0, "lag": 12 });
    let report = check(
        |world| {
            world.silence(3, Kind::Refused);
            // After the failover node-1 leads the meta group and has never heard of node-3.
            for number in [1, 2] {
                world.jsz(number, "/meta_cluster/leader", &json!("nats-staging-node-1"));
            }
            world.jsz(
                1,
                "/meta_cluster/replicas",
                &json!([
                    { "name": "nats-staging-node-2", "current": true, "active": 100_000_000 },
                    { "name": "nats-staging-node-3", "current": false, "active": 0 },
                ]),
            );
            world.told_of_node_3(&dead);
            for consumer in [0, 1] {
                let mut peer = dead.clone();
                peer["name"] = json!("nats-staging-node-3");
                let others = json!([{ "name": "nats-staging-node-1", "current": true, "active": 100_000_000 }, peer]);
                world.jsz(2, &format!("{STREAM}/consumer_detail/{consumer}/cluster/replicas"), &others);
            }
        },
        Verdict::Fail,
        &[
            "unknown node_unreachable nats-staging-node-3",
            "critical replica_silent nats-staging",
            "critical replica_silent pivot/pivot_main",
            "critical replica_silent pivot/pivot_main/facebox-worker",
            "critical replica_silent pivot/pivot_main/messenger-worker",
        ],
    );
    assert_eq!((report.voters.total, report.voters.left, report.voters.majority), (3, 2, 2));
    assert!(report.findings.last().unwrap().why.contains("no server listens"));
    assert_eq!(report.nodes[2].unreached.as_ref().unwrap().kind, Kind::Refused);
    assert!(!report.may_settle(), "waiting does not bring a dead node back");
}

#[test]
fn a_node_that_cannot_be_asked_alone_is_inconclusive() {
    // The way to node-1 is broken; its peers are content.
    for kind in [Kind::Timeout, Kind::NameNotResolved, Kind::NotGranted] {
        let report = check(
            |world| world.silence(1, kind),
            Verdict::Inconclusive,
            &["unknown node_unreachable nats-staging-node-1"],
        );
        assert_eq!(report.voters.left, 2, "unknown counts as down");
        assert_eq!(report.streams[0].group.replicas[1].state, ReplicaState::Unknown);
    }
}

#[test]
fn a_frozen_leader_leaves_its_groups_unknown() {
    check(
        |world| world.silence(2, Kind::Timeout),
        Verdict::Inconclusive,
        &[
            "unknown node_unreachable nats-staging-node-2",
            "unknown leader_silent pivot/pivot_main",
            "unknown leader_silent pivot/pivot_main/facebox-worker",
            "unknown leader_silent pivot/pivot_main/messenger-worker",
        ],
    );
}

#[test]
fn two_dead_nodes_leave_no_quorum() {
    let report = check(
        |world| {
            world.silence(1, Kind::Refused);
            world.silence(2, Kind::Refused);
            world.jsz(3, "/meta_cluster/leader", &json!(""));
            world.jsz(3, &format!("{STREAM}/cluster/leader"), &json!(""));
            for consumer in [0, 1] {
                world.jsz(3, &format!("{STREAM}/consumer_detail/{consumer}/cluster/leader"), &json!(""));
            }
            world.node(3).into_iter().for_each(|said| {
                said.health = Health {
                    code: 503,
                    error: Some("JetStream has not established contact with a meta leader".into()),
                };
            });
        },
        Verdict::Fail,
        &[
            "unknown node_unreachable nats-staging-node-1",
            "unknown node_unreachable nats-staging-node-2",
            "critical health_status nats-staging-node-3",
            "critical meta_no_leader nats-staging",
            "critical no_leader pivot/pivot_main",
            "critical no_leader pivot/pivot_main/facebox-worker",
            "critical no_leader pivot/pivot_main/messenger-worker",
            "critical no_quorum nats-staging",
            "critical no_quorum pivot/pivot_main",
            "critical no_quorum pivot/pivot_main/facebox-worker",
            "critical no_quorum pivot/pivot_main/messenger-worker",
        ],
    );
    assert_eq!((report.voters.left, report.voters.majority), (1, 2));
    assert_eq!(report.voters.without_majority.len(), 4);
}

#[test]
fn nothing_answers_at_all() {
    let report = check(
        |world| (1..=3).for_each(|number| world.silence(number, Kind::NameNotResolved)),
        Verdict::Fail,
        &[
            "unknown node_unreachable nats-staging-node-1",
            "unknown node_unreachable nats-staging-node-2",
            "unknown node_unreachable nats-staging-node-3",
            "unknown stream_missing pivot_main",
            "critical no_quorum nats-staging",
        ],
    );
    assert!(report.findings.iter().any(|finding| finding.why.contains("VPN")));
}

#[test]
fn a_503_that_passes_is_a_warning_and_one_that_stays_is_critical() {
    let sick = Health { code: 503, error: Some("JetStream is not current with the meta leader".into()) };
    check(
        |world| world.rounds[0][0].health = sick.clone(),
        Verdict::Pass,
        &["warning health_flapped nats-staging-node-1"],
    );
    let report = check(
        |world| world.rounds[1][0].health = sick.clone(),
        Verdict::Fail,
        &["critical health_status nats-staging-node-1"],
    );
    assert!(report.findings[0].seen.contains("503: JetStream is not current"));
    assert!(report.findings[0].wording.as_deref().is_some_and(|words| words.contains("not containing 200")));
}

#[test]
fn mixed_versions_are_a_warning() {
    let report = check(
        |world| world.node(1).into_iter().for_each(|said| put(&mut said.varz, "/version", &json!("2.14.0"))),
        Verdict::Pass,
        &["warning mixed_versions nats-staging"],
    );
    assert_eq!(
        report.findings[0].seen,
        "2.14.0 (nats-staging-node-1); 2.15.1 (nats-staging-node-2, nats-staging-node-3)"
    );
}

#[test]
fn two_names_for_one_server_are_seen() {
    let mut world = recorded();
    let second = world.rounds[1][1].clone();
    world.rounds.iter_mut().for_each(|round| round[0] = second.clone());
    let report = judge(&world.sample(), &[]);
    assert!(report.findings.iter().any(|finding| finding.code == "same_server"), "{:?}", report.findings);
    assert_eq!(report.verdict(), Verdict::Fail);
}

#[test]
fn jetstream_switched_off_is_critical() {
    let report = {
        let mut world = recorded();
        world
            .node(1)
            .into_iter()
            .for_each(|said| said.jsz = json!({ "disabled": true, "server_id": "N", "config": {} }));
        judge(&world.sample(), &[])
    };
    assert!(report.findings.iter().any(|finding| finding.code == "jetstream_disabled"));
    assert_eq!(report.verdict(), Verdict::Fail);
}
