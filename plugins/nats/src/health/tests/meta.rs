//! Cases about Raft groups: ghosts, splits, sizes.

use super::*;

#[test]
fn a_followers_misleading_view_is_not_taken() {
    // Recorded: node-1 and node-3 each call the other `current: false, active: 0` in all groups. The healthy case
    // above passes with that; here the followers claim even more.
    let wrong = json!({ "name": "nats-staging-node-3", "current": false, "offline": true, "active": 0, "lag": 99_999 });
    check(|world| world.jsz(1, &format!("{STREAM}/cluster/replicas/1"), &wrong), Verdict::Pass, &[]);
}

#[test]
fn a_ghost_peer_is_named_with_the_way_out() {
    let ghost = "Server name unknown at this time (peerID: yrzKKRBu)";
    let report = check(
        |world| {
            (1..=3).for_each(|number| world.jsz(number, "/meta_cluster/cluster_size", &json!(4)));
            world.jsz(
                3,
                "/meta_cluster/replicas/-",
                &json!({ "name": ghost, "current": false, "offline": true, "active": 0 }),
            );
        },
        Verdict::Fail,
        &["critical ghost_peer nats-staging", "critical meta_size nats-staging"],
    );
    assert_eq!(report.meta.ghosts, [ghost]);
    assert!(report.findings.iter().any(|finding| finding.todo.contains("peer-remove")));
    assert_eq!((report.voters.total, report.voters.left, report.voters.majority), (4, 3, 3));
}

#[test]
fn a_ghost_in_a_stream_counts_against_it() {
    check(
        |world| world.told_of_node_3(&json!({ "name": "i-0abc", "current": false, "offline": true })),
        Verdict::Fail,
        &["critical ghost_peer pivot/pivot_main"],
    );
}

#[test]
fn a_renamed_server_leaves_a_ghost_of_its_old_name() {
    let new = "nats-staging-node-1-i-0abc";
    let report = check(
        |world| {
            // Measured: the new name joined as a fourth peer, the old one stays in the meta group and in the stream.
            world.node(1).into_iter().for_each(|said| put(&mut said.varz, "/server_name", &json!(new)));
            (1..=3).for_each(|number| world.jsz(number, "/meta_cluster/cluster_size", &json!(4)));
            world.jsz(3, "/meta_cluster/replicas/-", &json!({ "name": new, "current": true, "active": 100_000_000 }));
            world.jsz(1, "/account_details", &json!([]));
        },
        Verdict::Fail,
        &[
            "critical wrong_server_name nats-staging-node-1",
            "critical ghost_peer nats-staging",
            "critical meta_size nats-staging",
            "critical ghost_peer pivot/pivot_main",
            "critical ghost_peer pivot/pivot_main/facebox-worker",
            "critical ghost_peer pivot/pivot_main/messenger-worker",
        ],
    );
    assert_eq!(report.meta.ghosts, ["nats-staging-node-1"], "the old name is the ghost, never the server that runs");
    let removes = report.findings.iter().filter(|finding| finding.todo.contains("peer-remove '"));
    assert!(removes.into_iter().all(|finding| !finding.todo.contains(new)));
    assert_eq!(
        (report.voters.total, report.voters.left, report.voters.majority),
        (4, 3, 3),
        "the ghost makes it need three"
    );
    assert!(report.voters.without_majority.is_empty());
}

#[test]
fn a_split_of_the_meta_group_is_seen() {
    check(
        |world| world.jsz(1, "/meta_cluster/leader", &json!("nats-staging-node-1")),
        Verdict::Fail,
        &["critical meta_split nats-staging"],
    );
    check(
        |world| world.jsz(1, "/meta_cluster/leader", &json!("")),
        Verdict::Fail,
        &["critical meta_split nats-staging"],
    );
    check(
        |world| (1..=3).for_each(|node| world.jsz(node, "/meta_cluster/cluster_size", &json!(2))),
        Verdict::Fail,
        &["critical meta_size nats-staging"],
    );
}

#[test]
fn every_group_has_its_configured_peers() {
    check(
        |world| {
            world.jsz(
                2,
                &format!("{STREAM}/cluster/replicas"),
                &json!([{ "name": "nats-staging-node-1", "current": true, "active": 1_000_000 }]),
            )
        },
        Verdict::Fail,
        &["critical peer_count pivot/pivot_main"],
    );
    check(
        |world| (1..=3).for_each(|number| world.jsz(number, &format!("{STREAM}/config/num_replicas"), &json!(5))),
        Verdict::Fail,
        &[
            "critical peer_count pivot/pivot_main",
            "critical peer_count pivot/pivot_main/facebox-worker",
            "critical peer_count pivot/pivot_main/messenger-worker",
        ],
    );
}

#[test]
fn a_group_of_one_needs_its_one_node() {
    let single = |world: &mut World| {
        (1..=3).filter(|number| *number != 2).for_each(|number| world.jsz(number, "/account_details", &json!([])));
        world.jsz(2, &format!("{STREAM}/config/num_replicas"), &json!(1));
        world.jsz(2, &format!("{STREAM}/cluster"), &json!({ "name": "nats-staging", "leader": "nats-staging-node-2" }));
        world.jsz(2, &format!("{STREAM}/consumer_detail"), &json!([]));
    };
    let report = check(single, Verdict::Pass, &[]);
    assert_eq!((report.voters.total, report.voters.left), (3, 3), "the meta group is shown, not the group of one");
}
