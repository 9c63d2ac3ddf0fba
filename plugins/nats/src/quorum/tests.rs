//! The judgement over the recorded cluster, node-2 about to go: it leads `pivot_main` and both consumers.

use serde_json::json;
use sluice_plugin::Verdict;

use super::{Quorum, judge};
use crate::health::tests::{STREAM, put};
use crate::health::view::Source;
use crate::look::tests::{Scene, name};
use crate::look::{Answer, Door};
use crate::monitor::reach::Kind;

/// Judges after `change`; `expect` is a part of each reason, in order.
fn check(change: impl FnOnce(&mut Scene), verdict: Verdict, expect: &[&str]) -> Quorum {
    let mut scene = Scene::new(Some(2));
    change(&mut scene);
    let judged = judge(&scene.look());
    let quorum = judged.quorum;
    let all: Vec<String> = judged.reasons.texts();
    let fits = all.len() == expect.len() && all.iter().zip(expect).all(|(reason, part)| reason.contains(part));
    assert!(fits, "{expect:#?}\n{all:#?}");
    assert_eq!(judged.reasons.verdict(), verdict, "{}", quorum.summary);
    assert!(!quorum.summary.is_empty());
    quorum
}

#[test]
fn a_healthy_cluster_can_lose_any_one_node() {
    let quorum = check(|_| (), Verdict::Pass, &[]);
    assert_eq!((quorum.voters, quorum.voters_left, quorum.majority, quorum.voters_now), (3, 2, 2, 3));
    assert_eq!((quorum.groups, quorum.without_majority.len(), quorum.target_up), (4, 0, true));
    assert_eq!(
        quorum.summary,
        "3 of 3 voters now, 2 left without nats-staging-node-2 and 2 needed; it leads pivot_main and 2 consumers, \
         serves 1 connection, holds 192.2 kB that the new one has to copy back; seen by the nodes' endpoints alone"
    );
    let leads = ["PIVOT/pivot_main", "PIVOT/pivot_main/facebox-worker", "PIVOT/pivot_main/messenger-worker"];
    assert_eq!((quorum.target.leads.as_slice(), quorum.target.leads_meta), (leads.map(String::from).as_slice(), false));
    let other = check(|scene| scene.target = Some(3), Verdict::Pass, &[]);
    assert!(other.target.leads_meta && other.summary.contains("it leads the meta group, serves"), "{}", other.summary);
    let last = check(|scene| scene.target = Some(1), Verdict::Pass, &[]);
    assert!(last.summary.contains("it leads nothing, serves"), "{}", last.summary);
}

#[test]
fn a_dead_target_can_be_replaced() {
    let dead = |scene: &mut Scene| scene.bury(2, 3);
    let quorum = check(dead, Verdict::Pass, &[]);
    assert_eq!((quorum.voters_now, quorum.voters_left, quorum.target_up), (2, 2, false));
    assert!(quorum.summary.starts_with("2 of 3 voters now, 2 left"), "{}", quorum.summary);
    assert!(quorum.summary.contains("it is not up (silent: connection refused"), "{}", quorum.summary);
    assert!(quorum.summary.contains("what it alone holds could not be seen"), "{}", quorum.summary);
    assert_eq!((quorum.target.connections, quorum.target.bytes), (None, 192_254));
    // With credentials it is known that no stream of theirs is on it alone.
    let quorum = check(listed_without_it, Verdict::Pass, &[]);
    let note = "; of what it alone holds, only streams of account PIVOT were listed";
    assert!(quorum.summary.ends_with(note), "{}", quorum.summary);
}

/// node-2 is dead, and the JetStream API tells what it has.
fn listed_without_it(scene: &mut Scene) {
    scene.bury(2, 3);
    let account = scene.world.rounds[1][2].jsz["account_details"][0].clone();
    scene.api(&[], |told| *told = account);
}

#[test]
fn what_a_dead_target_may_hold_alone_is_not_known_from_one_accounts_streams() {
    // It may be another account's; in this one it would be listed.
    let other = |scene: &mut Scene| {
        listed_without_it(scene);
        scene.world.streams.push("orders".into());
    };
    check(other, Verdict::Inconclusive, &["stream orders, which the inventory has, is held by no other node"]);
    let consumers = |scene: &mut Scene| {
        listed_without_it(scene);
        scene.listed(|listed| listed.partly_told.push("pivot_main".into()));
    };
    let not_all = "not all consumers of stream PIVOT/pivot_main are told: one may be on nats-staging-node-2 alone";
    check(consumers, Verdict::Inconclusive, &[not_all]);
    let mute = |scene: &mut Scene| {
        scene.bury(2, 3);
        scene.answers = vec![Err("connection refused".into())];
    };
    let nothing =
        "does not tell what it alone holds, and the connection with the credentials given tells nothing: conn";
    check(mute, Verdict::Inconclusive, &[nothing]);
    // It tells itself, so nobody else is needed for that.
    let up = |scene: &mut Scene| {
        scene.api(&[], |_| ());
        scene.listed(|listed| listed.partly_told.push("pivot_main".into()));
    };
    check(up, Verdict::Pass, &[]);
}

#[test]
fn with_system_rights_a_listing_is_of_one_account_only() {
    let told = |listed: &'static str, more: &'static [&'static str]| {
        move |scene: &mut Scene| {
            let mut reads = scene.world.sample().rounds[1].reads.clone();
            scene.bury(2, 3);
            scene.api(more, |_| ());
            let mut answer = scene.answers[0].clone().unwrap();
            let mut jsz = scene.world.sample().rounds[1].reads[2].jsz.clone().unwrap();
            jsz.account_details.iter_mut().for_each(|account| account.id = listed.to_owned());
            jsz.account_details[0].stream_detail[0].name = "other".into();
            reads.iter_mut().for_each(|read| read.jsz.as_mut().unwrap().account_details.clear());
            reads[2].jsz = Ok(jsz);
            (answer.source, answer.reads) = (Source::System, reads);
            scene.answers = vec![Ok(answer)];
        }
    };
    // The system service knows a stream of another account that no node shows.
    let unheld = "stream PIVOT/other is held by no other node that answers";
    check(told("AOTHER", &[]), Verdict::Fail, &[unheld, "no node shows consumer", "no node shows consumer"]);
    let orders = "stream orders is held by no other node that answers";
    let both = [unheld, orders, "no node shows consumer", "no node shows consumer"];
    check(told("AOTHER", &["orders"]), Verdict::Fail, &both);
}

#[test]
fn what_a_sick_target_alone_believes_does_not_keep_it() {
    let no_leader = |scene: &mut Scene| scene.world.jsz(2, "/meta_cluster/leader", &json!(""));
    check(no_leader, Verdict::Pass, &[]);
    check(|scene| scene.world.jsz(2, "/meta_cluster/leader", &json!(name(1))), Verdict::Pass, &[]);
    // It leads, and another does not hear it.
    let claims = |scene: &mut Scene| {
        scene.target = Some(3);
        scene.world.jsz(1, "/meta_cluster/leader", &json!(""));
    };
    check(claims, Verdict::Inconclusive, &["nats-staging-node-3 leads it and nats-staging-node-1 names no leader"]);
    let quorum = check(|scene| scene.forgotten(2, "facebox-worker"), Verdict::Pass, &[]);
    assert_eq!((quorum.groups, quorum.target.leads.len()), (3, 2));
    // Led by it, or known to somebody else, or while another tells nothing, it is there.
    let reason = ["consumer PIVOT/pivot_main/facebox-worker"];
    let leads = |scene: &mut Scene| {
        scene.forgotten(2, "facebox-worker");
        scene.consumer(2, "facebox-worker", "/cluster/leader", &json!(name(2)));
    };
    check(leads, Verdict::Fail, &reason);
    let known = |scene: &mut Scene| {
        scene.api(&[], |_| ());
        scene.forgotten(2, "facebox-worker");
    };
    check(known, Verdict::Fail, &reason);
    check(|scene| scene.forgotten(1, "facebox-worker"), Verdict::Fail, &reason);
    // The system service repeats what each node says.
    let system = |scene: &mut Scene| {
        scene.forgotten(2, "facebox-worker");
        let reads = scene.world.sample().rounds[1].reads.clone();
        scene.answers = vec![Ok(Answer { source: Source::System, reads, listed: None })];
    };
    check(system, Verdict::Pass, &[]);
    // A stream is data: the last copy of it may stand there.
    let stream = |scene: &mut Scene| {
        [1, 3].iter().for_each(|number| scene.world.jsz(*number, "/account_details", &json!([])));
        scene.world.jsz(2, &format!("{STREAM}/cluster/leader"), &json!(""));
    };
    let held = ["stream PIVOT/pivot_main has 0 of 3", "facebox-worker", "messenger-worker"];
    check(stream, Verdict::Fail, &held);
}

#[test]
fn a_target_that_leads_and_says_nothing_is_judged_by_whom_the_others_hear() {
    // Frozen or gone for some seconds: the others still name it.
    let quorum = check(|scene| scene.world.silence(2, Kind::Timeout), Verdict::Pass, &[]);
    assert_eq!((quorum.voters_left, quorum.target.leads.len()), (2, 3));
    // One of them has not heard of it for long, so it is not in the group any more.
    let deaf = |scene: &mut Scene| {
        scene.world.silence(2, Kind::Timeout);
        scene.each_group(|server, group| {
            let peers = group["replicas"].as_array_mut().unwrap();
            let of_leader = peers.iter_mut().filter(|peer| server == name(1) && peer["name"] == name(2));
            of_leader.for_each(|peer| peer["active"] = json!(11_000_000_000_u64));
        });
    };
    check(deaf, Verdict::Fail, &["stream PIVOT/pivot_main has 1 of 3", "facebox-worker has 1 of", "messenger-worker"]);
    // While nobody leads, nothing can be told.
    let leaderless = |scene: &mut Scene| {
        scene.kill(2);
        scene.each_group(|_, group| group["leader"] = json!(""));
    };
    check(leaderless, Verdict::Inconclusive, &["it has no leader now"; 4]);
}

#[test]
fn the_others_must_be_there() {
    let lost = ["nats-staging-node-1: ", "meta group", "stream PIVOT/pivot_main", "facebox-worker", "messenger-worker"];
    let quorum = check(
        |scene| {
            scene.kill(1);
            scene.each_group(|_, group| {
                let peers = group["replicas"].as_array_mut().unwrap();
                let of_1 = peers.iter_mut().filter(|peer| peer["name"] == name(1));
                of_1.for_each(|peer| (peer["current"], peer["active"]) = (json!(false), json!(0)));
            });
        },
        Verdict::Fail,
        &lost,
    );
    assert_eq!((quorum.voters, quorum.voters_left, quorum.majority), (3, 1, 2));
    assert_eq!(quorum.without_majority.len(), 4);
    assert_eq!(
        quorum.reasons[1],
        "meta group nats-staging has 1 of 3 voters left without nats-staging-node-2 and needs 2"
    );
    // Frozen: its leaders have heard of it a moment ago, and it does not answer.
    check(|scene| scene.world.silence(1, Kind::Timeout), Verdict::Fail, &lost);
    check(|scene| scene.world.node(1).into_iter().for_each(|said| said.health.code = 503), Verdict::Fail, &lost);
    // The target leads, and it is its word that the other is gone.
    let gone = json!({ "current": false, "active": 0 });
    check(|scene| scene.world.told_of_node_3(&gone), Verdict::Fail, &["stream PIVOT/pivot_main has 1 of 3"]);
    // Behind is not down: the data is another gate's affair.
    check(|scene| scene.world.seqs(1, &[3, 4]), Verdict::Pass, &[]);
    // It answers and holds nothing.
    check(|scene| scene.world.jsz(1, "/account_details", &json!([])), Verdict::Fail, &lost[2..]);
}

#[test]
fn an_impostor_does_not_vote() {
    let lost = ["nats-staging-node-1: ", "meta group", "stream PIVOT/pivot_main", "facebox-worker", "messenger-worker"];
    // Healthy words from all endpoints, and node-3 has no route to such a server.
    let quorum = check(|scene| scene.routes[2] = Some(vec![2]), Verdict::Fail, &lost);
    assert!(quorum.nodes[0].state.contains("has no route"), "{:?}", quorum.nodes);
    let renamed = |number: usize| {
        move |scene: &mut Scene| {
            let strange = |said: &mut crate::health::tests::Said| put(&mut said.varz, "/server_name", &json!("other"));
            scene.world.node(number).into_iter().for_each(strange);
        }
    };
    check(renamed(1), Verdict::Fail, &lost);
    // In the place of the target it is the same as a silent one.
    let quorum = check(renamed(2), Verdict::Pass, &[]);
    assert!(!quorum.target_up && quorum.summary.contains("it calls itself `other`"), "{}", quorum.summary);
    let shut = |scene: &mut Scene| {
        let open = Door::Open { server_name: name(3), server_id: scene.id(3) };
        scene.doors = vec![Door::Shut("connection refused".into()), Door::NotTried, open];
    };
    check(shut, Verdict::Fail, &lost);
}

#[test]
fn what_stands_on_the_target_alone_stays() {
    let quorum = check(
        |scene| scene.single(2, "PIVOT", "orders"),
        Verdict::Fail,
        &["stream PIVOT/orders has one replica, on nats-staging-node-2: replacing it loses the data"],
    );
    assert_eq!(quorum.without_majority, ["stream PIVOT/orders"]);
    check(|scene| scene.single(2, "OTHER", "orders"), Verdict::Fail, &["stream OTHER/orders has one replica"]);
    let elsewhere = check(|scene| scene.single(1, "OTHER", "orders"), Verdict::Pass, &[]);
    assert_eq!((elsewhere.groups, elsewhere.voters), (5, 3), "the figures are of the group with the least to lose");
    // A consumer that goes with its client, which makes it anew.
    let consumer = |durable: bool| {
        move |scene: &mut Scene| {
            for said in scene.world.node(2) {
                let all = format!("{STREAM}/consumer_detail");
                let mut one = said.jsz.pointer(&format!("{all}/0")).unwrap().clone();
                one["name"] = json!("x1");
                one["config"] = json!({ "num_replicas": 1, "durable_name": if durable { "x1" } else { "" } });
                one["cluster"] = json!({ "leader": name(2) });
                put(&mut said.jsz, &format!("{all}/-"), &one);
            }
        }
    };
    let passing = check(consumer(false), Verdict::Pass, &[]);
    assert_eq!(passing.passing, ["PIVOT/pivot_main/x1"]);
    check(consumer(true), Verdict::Fail, &["consumer PIVOT/pivot_main/x1 has one replica, on nats-staging-node-2"]);
}

#[test]
fn a_dead_targets_own_streams_are_known_to_the_api() {
    let told = |dead: bool| {
        move |scene: &mut Scene| {
            if dead {
                scene.kill(2);
                scene.elect(3, &[2]);
            }
            let account = scene.world.rounds[1][if dead { 2 } else { 1 }].jsz["account_details"][0].clone();
            scene.api(&["orders"], |told| *told = account);
        }
    };
    check(told(true), Verdict::Fail, &["stream orders is held by no other node that answers"]);
    check(told(false), Verdict::Inconclusive, &["stream orders is in the account"]);
    // Without credentials the inventory is all there is.
    let missing = |scene: &mut Scene| {
        scene.kill(2);
        scene.elect(3, &[2]);
        scene.world.streams.push("orders".into());
    };
    check(missing, Verdict::Inconclusive, &["stream orders, which the inventory has"]);
    check(|scene| scene.world.streams.push("orders".into()), Verdict::Pass, &[]);
}

#[test]
fn the_two_sources_must_agree() {
    let quorum = check(|scene| scene.api(&[], |_| ()), Verdict::Pass, &[]);
    assert_eq!(json!(quorum.sources), json!(["monitoring", "jetstream_api"]));
    assert!(quorum.source.contains("of account PIVOT"), "{}", quorum.source);
    let stream = |pointer: &'static str, value: serde_json::Value| {
        move |scene: &mut Scene| scene.api(&[], |told| put(&mut told["stream_detail"][0], pointer, &value))
    };
    let disagree = |part| [part];
    let led = stream("/cluster/leader", json!(name(1)));
    check(led, Verdict::Inconclusive, &disagree("as the second source says"));
    let made = stream("/created", json!("2026-11-27T00:00:00Z"));
    check(made, Verdict::Inconclusive, &disagree("made 2026-11-22T18:12:05.191578873Z as the nodes say"));
    let fewer = stream("/state/last_seq", json!(683));
    check(fewer, Verdict::Inconclusive, &disagree("last_seq 683"));
    check(stream("/state/last_seq", json!(700)), Verdict::Pass, &[]);
    let strange = |scene: &mut Scene| {
        scene.api(&[], |told| told["stream_detail"] = json!([]));
    };
    check(strange, Verdict::Inconclusive, &["the JetStream API has no stream pivot_main"]);
    let mute = check(|scene| scene.answers = vec![Err("connection refused".into())], Verdict::Pass, &[]);
    assert!(mute.source.contains("connection refused"));
}

#[test]
fn the_meta_group_has_as_many_peers_as_there_are_nodes() {
    let ghost = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, "/meta_cluster/cluster_size", &json!(4)));
        let peer = json!({ "name": "ip-10-0-1-7", "current": false, "offline": true, "active": 0 });
        scene.world.jsz(3, "/meta_cluster/replicas/-", &peer);
    };
    let reasons = ["counts 4 peers and 3 nodes", "counts `ip-10-0-1-7` as a peer", "has 2 of 4 voters left"];
    let quorum = check(ghost, Verdict::Fail, &reasons);
    assert_eq!((quorum.voters, quorum.voters_left, quorum.majority), (4, 2, 3));
    check(
        |scene| (1..=3).for_each(|number| scene.world.jsz(number, "/meta_cluster/cluster_size", &json!(2))),
        Verdict::Fail,
        &["counts 2 peers"],
    );
    let split = |scene: &mut Scene| scene.world.jsz(1, "/meta_cluster/leader", &json!(name(2)));
    check(split, Verdict::Inconclusive, &["nats-staging-node-3 leads it and nats-staging-node-1 names"]);
    let two = |scene: &mut Scene| scene.world.jsz(1, "/meta_cluster/leader", &json!(name(1)));
    check(two, Verdict::Inconclusive, &["both say that they lead it"]);
    let none = |scene: &mut Scene| {
        (1..=3).for_each(|number| scene.world.jsz(number, "/meta_cluster/leader", &json!("")));
    };
    check(none, Verdict::Inconclusive, &["it has no leader now"]);
}

#[test]
fn without_streams_there_is_the_meta_group() {
    let empty = |scene: &mut Scene| {
        scene.world.streams.clear();
        (1..=3).for_each(|number| scene.world.jsz(number, "/account_details", &json!([])));
    };
    let quorum = check(empty, Verdict::Pass, &[]);
    assert_eq!((quorum.groups, quorum.group.as_str()), (1, "meta group nats-staging"));
}
