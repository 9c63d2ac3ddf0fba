//! Cases about streams and consumers, and about the two sources.

use super::*;

#[test]
fn a_configured_stream_must_exist() {
    check(|world| world.streams.push("orders".into()), Verdict::Fail, &["critical stream_missing orders"]);
    check(
        |world| (1..=3).for_each(|number| world.jsz(number, "/account_details", &json!([]))),
        Verdict::Fail,
        &["critical stream_missing pivot_main"],
    );
    // Null stands for an empty list in some versions.
    check(
        |world| {
            world.streams.clear();
            (1..=3).for_each(|number| world.jsz(number, "/account_details", &Value::Null));
        },
        Verdict::Pass,
        &[],
    );
}

#[test]
fn current_and_healthy_is_not_enough_when_the_data_is_not_there() {
    // Measured: current, lag 0 and healthz 200 with 4,468 of 12,000 messages in the store.
    let report = check(
        |world| {
            world.seqs(2, &[12_000, 12_000]);
            world.seqs(1, &[12_000, 12_000]);
            world.seqs(3, &[4_468, 6_400]);
        },
        Verdict::Fail,
        &["critical replica_behind pivot/pivot_main"],
    );
    assert!(report.findings[0].seen.contains("nats-staging-node-3 at 6400"), "{}", report.findings[0].seen);
    assert!(report.may_settle());
    check(
        |world| {
            let streams = json!([]);
            world.jsz(3, "/account_details", &streams);
        },
        Verdict::Fail,
        &["critical replica_absent pivot/pivot_main"],
    );
}

#[test]
fn only_the_last_word_of_a_replica_counts() {
    // It had everything in the second look, and in the third its store is empty.
    check(
        |world| {
            let mut again = world.rounds[1].clone();
            put(&mut again[2].jsz, "/account_details", &json!([]));
            world.rounds.push(again);
        },
        Verdict::Fail,
        &["critical replica_absent pivot/pivot_main"],
    );
    // What it holds is the stream of that name from before it was made anew.
    check(
        |world| {
            world.seqs(3, &[9_000, 9_000]);
            world.jsz(3, &format!("{STREAM}/created"), &json!("2026-11-01T00:00:00Z"));
        },
        Verdict::Fail,
        &["critical replica_absent pivot/pivot_main"],
    );
}

#[test]
fn how_far_behind_a_follower_may_be_grows_with_the_traffic() {
    let at = |lag: u64| {
        move |world: &mut World| {
            world.seqs(2, &[100_000, 127_000]);
            world.seqs(1, &[100_000, 127_000]);
            world.seqs(3, &[99_000, 124_000]);
            world.told_of_node_3(&json!({ "current": false, "lag": lag, "active": 3_000_000 }));
        }
    };
    check(at(3_000), Verdict::Pass, &[]);
    check(at(14_000), Verdict::Fail, &["critical replica_lags pivot/pivot_main"]);
}

#[test]
fn under_traffic_nothing_is_equal_and_that_is_fine() {
    // 2,000 messages a second: the follower is behind at every moment and past what the leader had three seconds ago.
    check(
        |world| {
            world.seqs(2, &[100_000, 106_000]);
            world.seqs(1, &[99_990, 105_991]);
            world.seqs(3, &[99_700, 105_702]);
            world.told_of_node_3(&json!({ "current": false, "lag": 14, "active": 3_000_000 }));
        },
        Verdict::Pass,
        &[],
    );
    // Past what the leader had, and yet falling behind fast.
    check(
        |world| {
            world.seqs(2, &[100_000, 106_000]);
            world.seqs(1, &[99_990, 105_991]);
            world.seqs(3, &[60_000, 100_001]);
            world.told_of_node_3(&json!({ "current": false, "lag": 6_000, "active": 3_000_000 }));
        },
        Verdict::Fail,
        &["critical replica_lags pivot/pivot_main"],
    );
}

#[test]
fn a_replica_behind_at_first_and_caught_up_on_a_later_look_is_fine() {
    check(
        |world| {
            let again = world.rounds[1].clone();
            world.rounds.push(again);
            for number in [1, 2] {
                world.seqs(number, &[1_000, 1_000, 1_000]);
            }
            world.seqs(3, &[700, 900, 1_000]);
        },
        Verdict::Pass,
        &[],
    );
}

#[test]
fn a_leader_that_lost_messages_is_seen() {
    // The leader before had 684; all of them are at 10 now, each current and healthy.
    check(
        |world| (1..=3).for_each(|number| world.seqs(number, &[684, 10])),
        Verdict::Fail,
        &["critical replica_behind pivot/pivot_main"; 3],
    );
    // A stream made anew between the looks starts again.
    check(
        |world| {
            (1..=3).for_each(|number| world.seqs(number, &[684, 10]));
            world.rounds[1]
                .iter_mut()
                .for_each(|said| put(&mut said.jsz, &format!("{STREAM}/created"), &json!("2026-11-23T00:00:00Z")));
        },
        Verdict::Pass,
        &[],
    );
}

#[test]
fn each_of_the_leaders_flags_is_heard() {
    let cases = [
        // After a graceful stop: current and offline at once.
        (json!({ "current": true, "offline": true }), "critical replica_offline pivot/pivot_main"),
        (json!({ "current": true, "active": 11_000_000_000_u64 }), "critical replica_silent pivot/pivot_main"),
        (json!({ "current": false, "active": 0 }), "critical replica_silent pivot/pivot_main"),
        (json!({ "current": true, "lag": 5_000 }), "critical replica_lags pivot/pivot_main"),
        (json!({ "current": true, "lag": u64::MAX }), "critical replica_lags pivot/pivot_main"),
    ];
    for (peer, expect) in cases {
        check(|world| world.told_of_node_3(&peer), Verdict::Fail, &[expect]);
    }
    // Its own store has everything, and yet its leader says no: nothing moves that would explain it.
    check(
        |world| world.told_of_node_3(&json!({ "current": false, "lag": 900 })),
        Verdict::Fail,
        &["critical replica_not_current pivot/pivot_main"],
    );
    // Heard of in this very instant.
    check(|world| world.told_of_node_3(&json!({ "current": true, "active": 0 })), Verdict::Pass, &[]);
}

#[test]
fn a_stream_without_a_leader_is_critical() {
    let report = check(
        |world| (1..=3).for_each(|number| world.jsz(number, &format!("{STREAM}/cluster/leader"), &json!(""))),
        Verdict::Fail,
        &["critical no_leader pivot/pivot_main"],
    );
    assert_eq!(report.streams[0].group.leader, None);
    assert_eq!(report.streams[0].last_seq, 684);
    // All name node-3, and node-3 does not lead.
    check(
        |world| {
            [1, 2].iter().for_each(|number| {
                world.jsz(*number, &format!("{STREAM}/cluster/leader"), &json!("nats-staging-node-3"))
            })
        },
        Verdict::Fail,
        &["critical no_leader pivot/pivot_main"],
    );
    check(
        |world| world.jsz(1, &format!("{STREAM}/cluster/leader"), &json!("nats-staging-node-1")),
        Verdict::Fail,
        &["critical two_leaders pivot/pivot_main"],
    );
}

#[test]
fn a_consumer_is_judged_like_its_stream() {
    let consumer = format!("{STREAM}/consumer_detail/0");
    let peer = |change: Value| {
        let mut peer = json!({ "name": "nats-staging-node-3", "current": true, "active": 100_000_000 });
        peer.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        peer
    };
    let name = "critical replica_not_current pivot/pivot_main/facebox-worker";
    let told = |world: &mut World, change: Value| {
        let others = json!([{ "name": "nats-staging-node-1", "current": true, "active": 100_000_000 }, peer(change)]);
        world.jsz(2, &format!("{consumer}/cluster/replicas"), &others);
    };
    // The stream turned current before its consumer did.
    check(|world| told(world, json!({ "current": false, "lag": 4 })), Verdict::Fail, &[name]);
    // The same while its messages flow.
    check(
        |world| {
            told(world, json!({ "current": false, "lag": 4 }));
            put(&mut world.rounds[1][1].jsz, &format!("{consumer}/delivered/consumer_seq"), &json!(6_000));
        },
        Verdict::Pass,
        &[],
    );
    // One message does not explain that it has hundreds of operations to catch up with.
    check(
        |world| {
            told(world, json!({ "current": false, "lag": 900 }));
            put(&mut world.rounds[1][1].jsz, &format!("{consumer}/delivered/consumer_seq"), &json!(685));
        },
        Verdict::Fail,
        &[name],
    );
    check(
        |world| world.jsz(2, &format!("{consumer}/cluster/leader"), &json!("")),
        Verdict::Fail,
        &["critical no_leader pivot/pivot_main/facebox-worker"],
    );
}

#[test]
fn an_empty_interest_stream_is_healthy() {
    let report = check(
        |world| {
            (1..=3).for_each(|number| {
                world.jsz(
                    number,
                    &format!("{STREAM}/state"),
                    &json!({ "messages": 0, "bytes": 0, "first_seq": 685, "last_seq": 684 }),
                )
            })
        },
        Verdict::Pass,
        &[],
    );
    assert_eq!(report.streams[0].messages, 0);
}

#[test]
fn the_two_sources_must_agree() {
    let said = |said| Some(Ok(vec![ApiStream { name: "pivot_main".into(), said }]));
    let stream = |leader: &str, last_seq| ApiSaid::Stream { account: "PIVOT".into(), leader: leader.into(), last_seq };
    let leader = "nats-staging-node-2";
    check(|world| world.api = said(stream(leader, 684)), Verdict::Pass, &[]);
    check(|world| world.api = said(stream(leader, 700)), Verdict::Pass, &[]);
    let differs = ["unknown sources_disagree pivot_main"];
    check(|world| world.api = said(stream("nats-staging-node-1", 684)), Verdict::Inconclusive, &differs);
    check(|world| world.api = said(stream(leader, 683)), Verdict::Inconclusive, &differs);
    check(|world| world.api = said(ApiSaid::Missing), Verdict::Inconclusive, &differs);
    let alone = said(ApiSaid::Unanswered("these credentials may not ask".into()));
    check(|world| world.api = alone, Verdict::Pass, &["warning no_second_source pivot_main"]);
    check(
        |world| world.api = Some(Err("connection refused".into())),
        Verdict::Pass,
        &["warning no_second_source nats-staging"],
    );
}
