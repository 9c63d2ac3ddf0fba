//! What the gates about data say of the recorded cluster, changed case by case; node-2 goes, or was replaced.

use serde_json::{Value, json};
use sluice_plugin::{Timestamp, Verdict};

use super::baseline::{self, Baseline};
use super::caught_up::{self, CaughtUp};
use super::current;
use crate::health::tests::{STREAM, put};
use crate::look::tests::{Scene, name};
use crate::monitor::reach::Kind;
use crate::reasons::Reasons;

fn fits(reasons: &Reasons, verdict: Verdict, expect: &[&str]) {
    let all = reasons.texts();
    let fits = all.len() == expect.len() && all.iter().zip(expect).all(|(reason, part)| reason.contains(part));
    assert!(fits, "{expect:#?}\n{all:#?}");
    assert_eq!(reasons.verdict(), verdict);
}

/// Whether the others hold the data, after `change`; node-2 is to go and leads all but the meta group.
fn check(change: impl FnOnce(&mut Scene), verdict: Verdict, expect: &[&str]) -> current::Current {
    let mut scene = Scene::new(Some(2));
    change(&mut scene);
    let judged = current::judge(&scene.look());
    fits(&judged.reasons, verdict, expect);
    judged.current
}

#[test]
fn the_others_hold_the_data() {
    let well = check(|_| (), Verdict::Pass, &[]);
    assert_eq!(
        well.summary,
        "the other nodes hold 684 messages in 1 stream and 2 consumers, also without nats-staging-node-2"
    );
    // 2,000 messages a second: nothing is equal, and all have reached what the leader had.
    let traffic = |scene: &mut Scene| {
        scene.world.seqs(2, &[100_000, 106_000]);
        scene.world.seqs(1, &[99_990, 105_991]);
        scene.world.seqs(3, &[99_700, 105_702]);
        scene.world.told_of_node_3(&json!({ "current": false, "lag": 14, "active": 3_000_000 }));
    };
    check(traffic, Verdict::Pass, &[]);
    // `current`, lag 0 and 200, and a third of the data.
    let behind = |scene: &mut Scene| {
        scene.world.seqs(2, &[12_000, 12_000]);
        scene.world.seqs(1, &[12_000, 12_000]);
        scene.world.seqs(3, &[4_000, 4_468]);
    };
    check(behind, Verdict::Fail, &["stream PIVOT/pivot_main: nats-staging-node-3 is at 4,468 of 12,000"]);
    let absent = |scene: &mut Scene| scene.world.jsz(1, "/account_details", &json!([]));
    check(absent, Verdict::Fail, &["nats-staging-node-1 holds nothing of it"]);
    let told = json!([
        { "name": "nats-staging-node-1", "current": true, "active": 100_000_000 },
        { "name": "nats-staging-node-3", "current": false, "lag": 4, "active": 100_000_000 }
    ]);
    check(
        |scene| scene.consumer(2, "facebox-worker", "/cluster/replicas", &told),
        Verdict::Fail,
        &["consumer PIVOT/pivot_main/facebox-worker: nats-staging-node-3 is not current"],
    );
    check(|scene| scene.single(2, "PIVOT", "orders"), Verdict::Fail, &["stream PIVOT/orders: no other node than"]);
    check(|scene| scene.single(1, "OTHER", "orders"), Verdict::Pass, &[]);
    let empty = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, "/account_details", &json!([])));
    };
    assert!(check(empty, Verdict::Pass, &[]).summary.contains("no stream"));
}

#[test]
fn the_state_of_the_target_does_not_matter_but_somebody_must_lead() {
    let behind = |scene: &mut Scene| {
        scene.target = Some(3);
        scene.world.seqs(3, &[1, 2]);
    };
    check(behind, Verdict::Pass, &[]);
    let dead = |scene: &mut Scene| {
        scene.kill(2);
        scene.elect(3, &[2]);
    };
    check(dead, Verdict::Pass, &[]);
    let said = "nats-staging-node-2 leads it and does not answer";
    check(|scene| scene.world.silence(2, Kind::Timeout), Verdict::Inconclusive, &[said; 3]);
    // It leads, cannot be asked itself, and the API gives its word.
    let by_api = |scene: &mut Scene| {
        scene.api(&[], |_| ());
        scene.world.silence(2, Kind::BadAnswer);
    };
    let current = check(by_api, Verdict::Pass, &[]);
    assert_eq!(json!(current.streams[0].last_seq_source), "jetstream_api");
    let leaderless = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, &format!("{STREAM}/cluster/leader"), &json!("")));
    };
    check(leaderless, Verdict::Inconclusive, &["it has no leader"]);
    let other_dead = |scene: &mut Scene| scene.world.silence(1, Kind::Timeout);
    check(other_dead, Verdict::Fail, &["nats-staging-node-1: silent: no answer in time"]);
    // It was deleted while the target could not hear of it.
    let forgotten = check(|scene| scene.forgotten(2, "facebox-worker"), Verdict::Pass, &[]);
    assert_eq!(forgotten.consumers.len(), 1);
    let mute = |scene: &mut Scene| {
        scene.bury(2, 3);
        scene.answers = vec![Err("connection refused".into())];
    };
    check(mute, Verdict::Inconclusive, &["nats-staging-node-2 does not tell what it alone holds"]);
    check(|scene| scene.answers = vec![Err("connection refused".into())], Verdict::Pass, &[]);
}

fn noted(change: impl FnOnce(&mut Scene)) -> Baseline {
    let mut scene = Scene::new(None);
    change(&mut scene);
    baseline::of(&scene.look(), Timestamp(1_795_400_000_000))
}

#[test]
fn a_baseline_holds_what_must_not_get_less() {
    let before = noted(|_| ());
    let stream = &before.streams[0];
    assert_eq!((stream.account.as_str(), stream.name.as_str(), stream.replicas), ("PIVOT", "pivot_main", 3));
    assert_eq!((stream.messages, stream.first_seq, stream.last_seq), (684, 1, 684));
    assert_eq!((stream.created.as_str(), stream.config.len()), ("2026-11-22T18:12:05.191578873Z", 64));
    let consumers: Vec<&str> = stream.consumers.iter().map(|consumer| consumer.name.as_str()).collect();
    assert_eq!(consumers, ["facebox-worker", "messenger-worker"]);
    assert!(before.nodes.iter().all(|node| node.server_id.is_some()) && before.notes.is_empty());
    // The leader says more than its followers have agreed on.
    let ahead = noted(|scene| {
        for (number, seq) in [(1, 80), (2, 90), (3, 70)] {
            scene.consumer(number, "facebox-worker", "/delivered/stream_seq", &json!(seq));
        }
    });
    assert_eq!(ahead.streams[0].consumers[0].delivered, 80);
    // What is deleted goes at its own time everywhere; a wiped store has not begun.
    let first = noted(|scene| {
        [(1, 290), (2, 300), (3, 0)].iter().for_each(|(number, seq)| first_seq(scene, *number, *seq));
        scene.world.seqs(3, &[0, 0]);
    });
    assert_eq!(first.streams[0].first_seq, 290);
    // One that only a node which is cut off still knows would never come back.
    let known = noted(|scene| scene.forgotten(2, "facebox-worker"));
    assert_eq!(known.streams[0].consumers.len(), 1);
}

fn first_seq(scene: &mut Scene, number: usize, seq: u64) {
    scene.world.jsz(number, &format!("{STREAM}/state/first_seq"), &json!(seq));
}

#[test]
fn a_baseline_is_taken_with_a_node_dead() {
    let before = noted(|scene| {
        scene.kill(2);
        scene.elect(3, &[2]);
    });
    assert_eq!(before.nodes[1].server_id, None);
    assert_eq!((before.streams.len(), before.streams[0].last_seq), (1, 684));
    assert!(before.notes[0].contains("what nats-staging-node-2 alone holds"), "{:?}", before.notes);
    // Died a moment ago: nobody leads, and what the others hold is known.
    let orphaned = noted(|scene| {
        scene.kill(2);
        scene.each_group(|_, group| group["leader"] = json!(""));
        scene.world.seqs(1, &[10, 690]);
    });
    assert_eq!(orphaned.streams[0].last_seq, 690);
}

/// The cluster after node-2 was replaced, all data back, and then `change`.
fn after(before: &Baseline, change: impl FnOnce(&mut Scene), verdict: Verdict, expect: &[&str]) -> CaughtUp {
    let mut scene = Scene::new(None);
    replace(&mut scene);
    change(&mut scene);
    let judged = caught_up::judge(&scene.look(), 1, before);
    fits(&judged.reasons, verdict, expect);
    judged.caught_up
}

/// A new server, of another id under the same name; node-3 leads all.
fn replace(scene: &mut Scene) {
    scene.world.node(2).into_iter().for_each(|said| put(&mut said.varz, "/server_id", &json!("NNEW")));
    scene.world.jsz(2, "/server_id", &json!("NNEW"));
    scene.elect(3, &[]);
}

fn check_after(change: impl FnOnce(&mut Scene), verdict: Verdict, expect: &[&str]) -> CaughtUp {
    after(&noted(|_| ()), change, verdict, expect)
}

#[test]
fn the_data_is_back_when_the_new_nodes_own_store_has_it() {
    let back = check_after(|_| (), Verdict::Pass, &[]);
    assert_eq!((back.behind, back.total, back.ghost_peer), (0, 684, false));
    assert_eq!(back.summary, "nats-staging-node-2 has all 684 messages of 1 stream again");
    // Its leader calls it current, healthz is 200, and a third is there.
    let behind = |scene: &mut Scene| {
        [1, 3].iter().for_each(|number| {
            scene.world.seqs(*number, &[12_000, 12_000]);
        });
        scene.world.seqs(2, &[4_000, 4_468]);
    };
    let at = check_after(behind, Verdict::Fail, &["nats-staging-node-2 is at 4,468 of 12,000 in its own store"]);
    assert_eq!((at.behind, at.total), (7_532, 12_000));
    assert_eq!(at.progress, "nats-staging-node-2: pivot_main 4,468 of 12,000");
    assert!(at.summary.starts_with(&at.progress), "{}", at.summary);
    assert_eq!(json!(at.streams[0].state), "behind");
    let absent = |scene: &mut Scene| scene.world.jsz(2, "/account_details", &json!([]));
    assert_eq!(check_after(absent, Verdict::Fail, &["holds nothing of it"]).behind, 684);
    // The new node leads and has less than there was.
    let lost = |scene: &mut Scene| (1..=3).for_each(|number| scene.world.seqs(number, &[10, 10]));
    let lost = check_after(lost, Verdict::Fail, &["has lost messages: its last sequence is 10, and was 684"]);
    assert_eq!(json!(lost.streams[0].state), "lost");
    // Traffic all the time.
    let traffic = |scene: &mut Scene| {
        scene.world.seqs(3, &[100_000, 106_000]);
        scene.world.seqs(1, &[99_990, 105_991]);
        scene.world.seqs(2, &[99_700, 105_702]);
    };
    check_after(traffic, Verdict::Pass, &[]);
}

#[test]
fn it_must_be_a_new_server_under_the_old_name() {
    let before = noted(|_| ());
    let mut scene = Scene::new(None);
    scene.elect(3, &[]);
    let judged = caught_up::judge(&scene.look(), 1, &before);
    fits(&judged.reasons, Verdict::Fail, &["nats-staging-node-2 is still the server of before"]);
    // It was dead before, so any server will do.
    let dead = noted(|scene| {
        scene.kill(2);
        scene.elect(3, &[2]);
    });
    fits(&caught_up::judge(&scene.look(), 1, &dead).reasons, Verdict::Pass, &[]);
    let silent = |scene: &mut Scene| {
        scene.kill(2);
        scene.elect(3, &[2]);
    };
    let judged = check_after_parts(silent);
    assert_eq!((judged.0, judged.1.behind), (Verdict::Fail, 684));
    assert!(judged.1.reasons[0].contains("nats-staging-node-2: silent"), "{:?}", judged.1.reasons);
    // Under a new name: the old one stays in the groups, and the new one is no configured node.
    let renamed = |scene: &mut Scene| {
        scene.world.node(2).into_iter().for_each(|said| put(&mut said.varz, "/server_name", &json!("ip-10-0-1-7")));
        let peer = json!({ "name": "ip-10-0-1-7", "current": true, "active": 100_000_000 });
        (1..=3).for_each(|number| scene.world.jsz(number, "/meta_cluster/cluster_size", &json!(4)));
        scene.world.jsz(3, "/meta_cluster/replicas/-", &peer);
    };
    let (verdict, judged) = check_after_parts(renamed);
    assert_eq!((verdict, judged.ghost_peer, judged.ghosts), (Verdict::Fail, true, vec!["ip-10-0-1-7".to_owned()]));
}

fn check_after_parts(change: impl FnOnce(&mut Scene)) -> (Verdict, CaughtUp) {
    let mut scene = Scene::new(None);
    replace(&mut scene);
    change(&mut scene);
    let judged = caught_up::judge(&scene.look(), 1, &noted(|_| ()));
    (judged.reasons.verdict(), judged.caught_up)
}

#[test]
fn everything_of_before_is_there() {
    let all = |pointer: &'static str, value: Value| {
        move |scene: &mut Scene| (1..=3).for_each(|number| scene.world.jsz(number, pointer, &value))
    };
    let gone = all("/account_details", json!([]));
    let gone = check_after(gone, Verdict::Fail, &["stream PIVOT/pivot_main is gone: it was deleted, or lost"]);
    assert_eq!(json!(gone.streams[0].state), "gone");
    let anew = all("/account_details/0/stream_detail/0/created", json!("2026-11-23T00:00:00Z"));
    check_after(anew, Verdict::Fail, &["stream PIVOT/pivot_main was made anew at 2026-11-23T00:00:00Z"]);
    let config = all("/account_details/0/stream_detail/0/config/max_age", json!(5));
    check_after(config, Verdict::Fail, &["stream PIVOT/pivot_main has another configuration than before"]);
    let no_consumer = all("/account_details/0/stream_detail/0/consumer_detail", json!([]));
    check_after(no_consumer, Verdict::Fail, &["facebox-worker is gone", "messenger-worker is gone"]);
    let anew = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.consumer(number, "facebox-worker", "/created", &json!("2026-11-23T00:00:00Z")));
    };
    check_after(anew, Verdict::Fail, &["facebox-worker was made anew"]);
    let before = noted(|scene| {
        let floor = |number: usize| scene.consumer(number, "messenger-worker", "/ack_floor/stream_seq", &json!(300));
        (1..=3).for_each(floor);
    });
    let back = ["messenger-worker went back: acknowledged up to 0, and was at 300"];
    after(&before, |_| (), Verdict::Fail, &back);
    // What was made since is judged too.
    let since = check_after(|scene| scene.single(1, "OTHER", "orders"), Verdict::Pass, &[]);
    assert_eq!((since.streams.len(), since.streams[1].last_seq_before), (2, None));
}

/// Whether data is lost for good, after `change`; node-2 was replaced and node-3 leads.
fn check_lost(before: &Baseline, change: impl FnOnce(&mut Scene), lost: bool) {
    let mut scene = Scene::new(None);
    replace(&mut scene);
    change(&mut scene);
    let judged = caught_up::judge(&scene.look(), 1, before);
    let reasons = judged.reasons.texts();
    assert_ne!(judged.reasons.verdict(), Verdict::Pass, "it does not pass either way");
    assert_eq!(judged.caught_up.lost, lost, "{reasons:?}");
    assert!(!lost || !judged.settled(), "it is looked at as long as a look lasts");
}

#[test]
fn a_loss_is_told_when_the_leader_says_so_all_along() {
    let before = noted(|scene| (1..=3).for_each(|number| first_seq(scene, number, 300)));
    let restarted = |scene: &mut Scene, seqs: [u64; 2]| {
        (1..=3).for_each(|number| first_seq(scene, number, 300));
        (1..=3).for_each(|number| scene.world.seqs(number, &seqs));
    };
    check_lost(&before, |scene| restarted(scene, [10, 20]), true);
    // Just elected: it had not applied all of its log, or has not yet.
    check_lost(&before, |scene| restarted(scene, [10, 684]), false);
    check_lost(&before, |scene| restarted(scene, [684, 10]), false);
    // It has passed what was there before, and began anew below it.
    let passed = |scene: &mut Scene| {
        restarted(scene, [900, 900]);
        (1..=3).for_each(|number| first_seq(scene, number, 1));
    };
    check_lost(&before, passed, true);
    // A follower that keeps what its consumers have acknowledged does not say so, nor does an empty store.
    let follower = |scene: &mut Scene| {
        restarted(scene, [900, 900]);
        first_seq(scene, 1, 298);
        first_seq(scene, 2, 0);
        scene.world.seqs(2, &[0, 0]);
    };
    check_lost(&before, follower, false);
    let anew = |scene: &mut Scene| {
        let created = json!("2026-11-23T00:00:00Z");
        (1..=3).for_each(|number| scene.world.jsz(number, &format!("{STREAM}/created"), &created));
    };
    check_lost(&before, anew, true);
}

#[test]
fn a_server_that_nobody_follows_tells_of_no_loss() {
    let before = noted(|_| ());
    // Empty, and sure that it leads; the others have another leader, or none.
    let alone = |scene: &mut Scene| {
        scene.world.seqs(2, &[0, 0]);
        scene.world.jsz(2, &format!("{STREAM}/cluster/leader"), &json!(name(2)));
    };
    check_lost(&before, alone, false);
    let leaderless = |scene: &mut Scene| {
        alone(scene);
        [1, 3].iter().for_each(|number| scene.world.jsz(*number, &format!("{STREAM}/cluster/leader"), &json!("")));
    };
    check_lost(&before, leaderless, false);
    // The others do not answer, and what answers has nothing.
    let unseen = |scene: &mut Scene| {
        [1, 3].iter().for_each(|number| scene.world.silence(*number, Kind::Timeout));
        scene.world.jsz(2, "/account_details", &json!([]));
    };
    check_lost(&before, unseen, false);
    check_lost(&before, |scene| (1..=3).for_each(|number| scene.world.silence(number, Kind::Timeout)), false);
    // The server of before is still there, and leads.
    let old = |scene: &mut Scene| {
        *scene = Scene::new(None);
        (1..=3).for_each(|number| scene.world.seqs(number, &[10, 10]));
    };
    check_lost(&before, old, false);
}

#[test]
fn what_is_gone_is_lost_when_everybody_says_so() {
    let before = noted(|_| ());
    let nobody = |scene: &mut Scene| (1..=3).for_each(|number| scene.world.jsz(number, "/account_details", &json!([])));
    check_lost(&before, nobody, true);
    let sick = |scene: &mut Scene| {
        nobody(scene);
        scene.world.node(1).into_iter().for_each(|said| said.health.code = 503);
    };
    check_lost(&before, sick, false);
    let a_moment_ago = |scene: &mut Scene| {
        let held = scene.world.rounds[0][0].jsz["account_details"].clone();
        nobody(scene);
        scene.world.rounds[0][0].jsz["account_details"] = held;
    };
    check_lost(&before, a_moment_ago, false);
    let listed = |scene: &mut Scene| {
        scene.api(&[], |_| ());
        nobody(scene);
    };
    check_lost(&before, listed, false);
}

#[test]
fn a_durable_consumer_that_went_back_is_a_loss() {
    let floors = |scene: &mut Scene, floors: [u64; 3]| {
        for (number, floor) in (1..=3).zip(floors) {
            scene.consumer(number, "messenger-worker", "/delivered/stream_seq", &json!(floor));
        }
    };
    let before = noted(|scene| floors(scene, [300, 300, 300]));
    check_lost(&before, |scene| floors(scene, [300, 300, 90]), true);
    // The leader's word counts, and not the followers'.
    let followers = after(&before, |scene| floors(scene, [90, 90, 300]), Verdict::Pass, &[]);
    assert!(!followers.lost);
    // It was elected a moment ago.
    let elected = |scene: &mut Scene| {
        floors(scene, [300, 300, 300]);
        let first = scene.world.rounds[0].clone();
        floors(scene, [300, 300, 90]);
        scene.world.rounds[0] = first;
    };
    check_lost(&before, elected, false);
    // One that was made anew says of itself that it is another one.
    let anew = |scene: &mut Scene| {
        let created = json!("2026-11-23T00:00:00Z");
        (1..=3).for_each(|number| scene.consumer(number, "messenger-worker", "/created", &created));
    };
    check_lost(&before, anew, false);
}

#[test]
fn the_meta_group_and_every_group_must_be_whole() {
    let none = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, "/meta_cluster/leader", &json!("")));
    };
    check_after(none, Verdict::Fail, &["the cluster has no meta leader"]);
    let stream = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, &format!("{STREAM}/cluster/leader"), &json!("")));
    };
    check_after(stream, Verdict::Inconclusive, &["stream PIVOT/pivot_main: it has no leader now"]);
    let short = |scene: &mut Scene| {
        let one = json!([{ "name": name(1), "current": true, "active": 1_000_000 }]);
        scene.world.jsz(3, &format!("{STREAM}/cluster/replicas"), &one);
    };
    check_after(short, Verdict::Fail, &["stream PIVOT/pivot_main: 2 peers, and 3 are configured"]);
}
