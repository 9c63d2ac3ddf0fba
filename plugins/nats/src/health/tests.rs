//! Judgement over recorded answers of three real servers (2.15.1), changed case by case.

use serde_json::{Value, json};
use sluice_plugin::Verdict;

use super::judge;
use super::report::Report;
use super::sample::{Configured, Own, Sample};
use super::threshold::Threshold;
use super::view::ReplicaState;
use crate::monitor::model::Health;
use crate::monitor::reach::{Kind, Unreached};
use crate::monitor::read::{NodeRead, Round};

/// node-3 leads the meta group, node-2 leads `pivot_main` and both consumers; all are at sequence 684.
const RECORDED: &str = include_str!("../../tests/samples/three-nodes.json");
const STREAM: &str = "/account_details/0/stream_detail/0";

/// Two rounds of three nodes as JSON, to be changed before they are judged.
struct World {
    rounds: Vec<Vec<Said>>,
    streams: Vec<String>,
    own: Own,
}

#[derive(Clone)]
struct Said {
    silent: Option<Kind>,
    health: Health,
    varz: Value,
    jsz: Value,
    connz: Value,
}

fn recorded() -> World {
    let all: Value = serde_json::from_str(RECORDED).unwrap();
    let said = |number: usize| {
        let node = &all[format!("nats-staging-node-{number}")];
        let (varz, jsz, connz) = (node["varz"].clone(), node["jsz"].clone(), node["connz"].clone());
        Said { silent: None, health: Health { code: 200, error: None }, varz, jsz, connz }
    };
    let round = vec![said(1), said(2), said(3)];
    World { rounds: vec![round.clone(), round], streams: vec!["pivot_main".into()], own: Own::default() }
}

impl World {
    fn node(&mut self, number: usize) -> Vec<&mut Said> {
        self.rounds.iter_mut().map(|round| &mut round[number - 1]).collect()
    }

    fn silence(&mut self, number: usize, kind: Kind) {
        self.node(number).into_iter().for_each(|said| said.silent = Some(kind));
    }

    /// Sets a place in the `/jsz` of a node in every round.
    fn jsz(&mut self, number: usize, pointer: &str, value: &Value) {
        self.node(number).into_iter().for_each(|said| put(&mut said.jsz, pointer, value));
    }

    /// A node's own last sequence of the stream, round by round.
    fn seqs(&mut self, number: usize, seqs: &[u64]) {
        let pointer = format!("{STREAM}/state/last_seq");
        for (said, seq) in self.node(number).into_iter().zip(seqs) {
            put(&mut said.jsz, &pointer, &json!(seq));
        }
    }

    /// What the stream's leader (node-2) says of node-3.
    fn told_of_node_3(&mut self, peer: &Value) {
        let mut full =
            json!({ "name": "nats-staging-node-3", "current": true, "active": 200_000_000, "peer": "8ZgsgcPf" });
        full.as_object_mut().unwrap().extend(peer.as_object().unwrap().clone());
        let others = json!([{ "name": "nats-staging-node-1", "current": true, "active": 100_000_000 }, full]);
        self.jsz(2, &format!("{STREAM}/cluster/replicas"), &others);
    }

    fn sample(&self) -> Sample {
        let configured = |number| {
            let name = format!("nats-staging-node-{number}");
            Configured { host: format!("{name}.nats-staging.internal"), name }
        };
        let rounds = self.rounds.iter().enumerate();
        Sample {
            cluster: "nats-staging".into(),
            nodes: (1..=3).map(configured).collect(),
            streams: self.streams.clone(),
            rounds: rounds
                .map(|(at, round)| Round { at: at as u64 * 3_000, reads: round.iter().map(Said::read).collect() })
                .collect(),
            own: self.own,
        }
    }
}

impl Said {
    fn read(&self) -> NodeRead {
        if let Some(kind) = self.silent {
            let why = Unreached::new(kind, "");
            return NodeRead {
                health: Err(why.clone()),
                varz: Err(why.clone()),
                jsz: Err(why.clone()),
                connz: Err(why),
            };
        }
        NodeRead {
            health: Ok(self.health.clone()),
            varz: Ok(serde_json::from_value(self.varz.clone()).unwrap()),
            jsz: Ok(serde_json::from_value(self.jsz.clone()).unwrap()),
            connz: Ok(serde_json::from_value(self.connz.clone()).unwrap()),
        }
    }
}

fn put(json: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match parent {
        Value::Array(list) if key == "-" => list.push(value.clone()),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
        _ => parent[key] = value.clone(),
    }
}

/// The rows the runbooks ship with.
fn shipped() -> Vec<Threshold> {
    #[derive(serde::Deserialize)]
    struct File {
        thresholds: Vec<Threshold>,
    }
    let file: File = serde_saphyr::from_str(include_str!("../../../../runbooks/thresholds.yaml")).unwrap();
    file.thresholds
}

/// Judges the recorded cluster after `change`; `expect` lists the findings as `severity code subject-name`.
fn check(change: impl FnOnce(&mut World), verdict: Verdict, expect: &[&str]) -> Report {
    let mut world = recorded();
    change(&mut world);
    let report = judge(&world.sample(), &shipped());
    let found: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{:?} {} {}", finding.severity, finding.code, finding.subject.name).to_lowercase())
        .collect();
    let mut sorted = found.clone();
    sorted.sort();
    let mut expected: Vec<String> = expect.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(sorted, expected, "{:#?}", report.findings);
    assert_eq!(report.verdict(), verdict, "{}", report.summary);
    for finding in &report.findings {
        let told = [&finding.seen, &finding.threshold, &finding.why, &finding.todo];
        assert!(told.iter().all(|text| !text.is_empty()), "a finding says everything: {finding:?}");
    }
    report
}

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
fn a_followers_misleading_view_is_not_taken() {
    // Recorded: node-1 and node-3 each call the other `current: false, active: 0` in all groups. The healthy case
    // above passes with that; here the followers claim even more.
    let wrong = json!({ "name": "nats-staging-node-3", "current": false, "offline": true, "active": 0, "lag": 99_999 });
    check(|world| world.jsz(1, &format!("{STREAM}/cluster/replicas/1"), &wrong), Verdict::Pass, &[]);
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
    // Its own store shows that it has everything; the flag is late.
    check(|world| world.told_of_node_3(&json!({ "current": false, "lag": 3 })), Verdict::Pass, &[]);
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
fn counters_are_judged_by_growth_without_our_own_calls() {
    let errors = |world: &mut World| {
        put(&mut world.rounds[0][2].jsz, "/api/errors", &json!(40));
        put(&mut world.rounds[1][2].jsz, "/api/errors", &json!(43));
    };
    let report = check(errors, Verdict::Pass, &["warning api_errors nats-staging"]);
    assert_eq!(report.findings[0].seen, "jsz.api.errors +3 in 3000 ms (nats-staging-node-3 +3)");
    assert_eq!(report.findings[0].wording.as_deref(), Some("JetStream API error count: alert on sustained non-zero"));
    let ours = |world: &mut World| {
        errors(world);
        world.own.api_errors = 3;
    };
    check(ours, Verdict::Pass, &[]);
    // Old errors that do not grow, and a server started anew in between, which counts from 0 again.
    check(|world| world.jsz(3, "/api/errors", &json!(40)), Verdict::Pass, &[]);
    let restarted = |world: &mut World| {
        put(&mut world.rounds[0][1].varz, "/slow_consumers", &json!(0));
        put(&mut world.rounds[1][1].varz, "/slow_consumers", &json!(9));
        put(&mut world.rounds[1][1].varz, "/server_id", &json!("NNEW"));
    };
    check(restarted, Verdict::Pass, &[]);
    let slow = |world: &mut World| put(&mut world.rounds[1][1].varz, "/slow_consumers", &json!(1));
    check(slow, Verdict::Pass, &["warning slow_consumers nats-staging"]);
}

#[test]
fn zero_connections_are_judged_over_the_cluster() {
    // Recorded: node-1 and node-3 have none, and that is normal.
    check(
        |world| world.node(2).into_iter().for_each(|said| put(&mut said.connz, "/total", &json!(0))),
        Verdict::Pass,
        &["warning no_connections nats-staging"],
    );
    check(|world| world.own.connections = 1, Verdict::Pass, &["warning no_connections nats-staging"]);
}

#[test]
fn storage_that_approaches_its_limit_is_a_warning() {
    let max = 1_073_741_824_u64;
    check(|world| world.jsz(1, "/storage", &json!(max * 79 / 100)), Verdict::Pass, &[]);
    let report = check(
        |world| world.jsz(1, "/storage", &json!(max * 81 / 100)),
        Verdict::Pass,
        &["warning storage nats-staging-node-1"],
    );
    assert!(
        report.findings[0].seen.ends_with("(80 %)") || report.findings[0].seen.ends_with("(81 %)"),
        "{}",
        report.findings[0].seen
    );
    check(|world| world.jsz(1, "/storage", &json!(u64::MAX)), Verdict::Pass, &["warning storage nats-staging-node-1"]);
    check(|world| world.jsz(1, "/config/max_storage", &json!(-1)), Verdict::Pass, &[]);
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

#[test]
fn thresholds_are_checked_before_anything_is_read() {
    for (at, row) in shipped().iter().enumerate() {
        assert_eq!(row.check(&format!("/thresholds/{at}")), None);
    }
    let cases = [
        (json!({ "id": "x", "field": "jsz.storge", "op": "above", "value": 1 }), "/thresholds/0/field"),
        (json!({ "id": "x", "field": "jsz.storage", "op": "above" }), "/thresholds/0/value"),
        (json!({ "id": "x", "field": "jsz.storage", "op": "approaching", "value": 80 }), "/thresholds/0/of"),
        (
            json!({ "id": "x", "field": "jsz.storage", "op": "approaching", "value": 80, "of": "no" }),
            "/thresholds/0/of",
        ),
    ];
    for (row, path) in cases {
        let row: Threshold = serde_json::from_value(row).unwrap();
        assert_eq!(row.check("/thresholds/0").unwrap().path.as_deref(), Some(path));
    }
}
