//! The recorded cluster as a look sees it, changed case by case: what others test their judgement over, and who is
//! believed. node-3 leads the meta group, node-2 leads `pivot_main` and both consumers; all are at sequence 684.

use serde_json::{Value, json};
use sluice_plugin::inventory::Cluster;

use super::*;
use crate::actions::example_cluster;
use crate::health::tests::{World, put, recorded};
use crate::monitor::model::{Account, Route};
use crate::monitor::reach::{Kind, Unreached};
use crate::monitor::read::NodeRead;
use crate::overview;

/// A cluster to be changed before it is looked at. Nodes are counted from 1.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) target: Option<usize>,
    /// Whom each has routes to, by number; none where nobody tells.
    pub(crate) routes: Vec<Option<Vec<usize>>>,
    pub(crate) doors: Vec<Door>,
    pub(crate) answers: Vec<Result<Answer, String>>,
}

pub(crate) fn name(number: usize) -> String {
    format!("nats-staging-node-{number}")
}

impl Scene {
    pub(crate) fn new(target: Option<usize>) -> Self {
        let mut world = recorded();
        for (round, at) in world.rounds.iter_mut().zip(0..) {
            round.iter_mut().for_each(|said| put(&mut said.varz, "/now", &json!(format!("second {at}"))));
        }
        let routes = vec![Some(vec![2, 3]), Some(vec![1, 3]), Some(vec![1, 2])];
        Self { world, target, routes, doors: vec![Door::NotTried; 3], answers: vec![] }
    }

    pub(crate) fn id(&self, number: usize) -> String {
        self.world.rounds[0][number - 1].varz["server_id"].as_str().unwrap().to_owned()
    }

    /// Its leaders do not hear of it any more, and nobody has a route to it.
    pub(crate) fn kill(&mut self, number: usize) {
        self.world.silence(number, Kind::Refused);
        self.routes.iter_mut().flatten().for_each(|to| to.retain(|to| *to != number));
        self.routes[number - 1] = None;
        self.each_group(|_, group| {
            let peers = group["replicas"].as_array_mut().unwrap();
            peers.iter_mut().filter(|peer| peer["name"] == name(number)).for_each(|peer| {
                if peer["current"] == true && peer["active"].as_u64() < Some(2_000_000_000) {
                    peer["active"] = json!(2_500_000_000_u64);
                }
            });
        });
    }

    /// All groups have had an election: this one leads and hears everybody but the dead.
    pub(crate) fn elect(&mut self, leader: usize, dead: &[usize]) {
        let dead: Vec<String> = dead.iter().map(|number| name(*number)).collect();
        self.each_group(|server, group| {
            group["leader"] = json!(name(leader));
            let others = (1..=3).map(name).filter(|other| *other != server);
            let peer = |other: String| {
                let heard = !dead.contains(&other) && (server == name(leader) || other == name(leader));
                json!({ "name": other, "current": heard, "active": if heard { 100_000_000 } else { 0 } })
            };
            group["replicas"] = others.map(peer).collect();
        });
    }

    /// Every group of every node, with who tells of it.
    pub(crate) fn each_group(&mut self, mut change: impl FnMut(&str, &mut Value)) {
        for said in self.world.rounds.iter_mut().flatten() {
            let server = said.varz["server_name"].as_str().unwrap().to_owned();
            change(&server, &mut said.jsz["meta_cluster"]);
            let accounts = said.jsz["account_details"].as_array_mut().into_iter().flatten();
            for stream in accounts.flat_map(|account| account["stream_detail"].as_array_mut().unwrap()) {
                change(&server, &mut stream["cluster"]);
                let consumers = stream["consumer_detail"].as_array_mut().unwrap();
                consumers.iter_mut().for_each(|consumer| change(&server, &mut consumer["cluster"]));
            }
        }
    }

    /// Sets a place of the consumer of this name in the `/jsz` of a node.
    pub(crate) fn consumer(&mut self, number: usize, consumer: &str, pointer: &str, value: &Value) {
        for said in self.world.node(number) {
            let all = said.jsz["account_details"][0]["stream_detail"][0]["consumer_detail"].as_array_mut().unwrap();
            put(all.iter_mut().find(|one| one["name"] == consumer).unwrap(), pointer, value);
        }
    }

    /// One more stream of one replica, without consumers, on this node.
    pub(crate) fn single(&mut self, number: usize, account: &str, stream: &str) {
        for said in self.world.node(number) {
            let accounts = said.jsz["account_details"].as_array_mut().unwrap();
            let mut detail = accounts[0]["stream_detail"][0].clone();
            detail["name"] = json!(stream);
            detail["config"]["num_replicas"] = json!(1);
            detail["cluster"] = json!({ "name": "nats-staging", "leader": name(number) });
            detail["consumer_detail"] = json!([]);
            if account == "PIVOT" {
                accounts[0]["stream_detail"].as_array_mut().unwrap().push(detail);
            } else {
                accounts.push(json!({ "name": account, "id": format!("A{account}"), "stream_detail": [detail] }));
            }
        }
    }

    /// The JetStream API says what the leaders say, after `change`, and lists these streams beside.
    pub(crate) fn api(&mut self, more: &[&str], change: impl FnOnce(&mut Value)) {
        let mut account = self.world.rounds[1][1].jsz["account_details"][0].clone();
        change(&mut account);
        let mut account: Account = serde_json::from_value(account).unwrap();
        account.stream_detail.iter_mut().for_each(|stream| stream.source = Source::JetstreamApi);
        let cluster: Cluster = serde_json::from_value(example_cluster()).unwrap();
        let nothing = Unreached::new(Kind::Other, "");
        let mut reads = vec![NodeRead::never(&nothing); 3];
        overview::overlay(&cluster, &mut reads, &account);
        let streams = account.stream_detail.iter().map(|stream| stream.name.clone());
        let listed = Listed {
            account_id: account.id.clone(),
            account: account.name.clone(),
            streams: streams.chain(more.iter().map(ToString::to_string)).collect(),
            partly_told: vec![],
        };
        let answer = Answer { source: Source::JetstreamApi, reads, listed: Some(listed) };
        self.answers = vec![Ok(answer.clone()), Ok(answer)];
    }

    /// Changes what the JetStream API listed.
    pub(crate) fn listed(&mut self, change: impl Fn(&mut Listed)) {
        self.answers.iter_mut().flatten().filter_map(|answer| answer.listed.as_mut()).for_each(change);
    }

    /// The node went without a word, and another has been elected.
    pub(crate) fn bury(&mut self, number: usize, leader: usize) {
        self.kill(number);
        self.elect(leader, &[number]);
    }

    /// A consumer that only this node shows, led by nobody: it was deleted while the node was cut off.
    pub(crate) fn forgotten(&mut self, number: usize, consumer: &str) {
        for other in (1..=3).filter(|other| *other != number) {
            for said in self.world.node(other) {
                let all = said.jsz["account_details"][0]["stream_detail"][0]["consumer_detail"].as_array_mut().unwrap();
                all.retain(|one| one["name"] != consumer);
            }
        }
        self.consumer(number, consumer, "/cluster/leader", &json!(""));
    }

    pub(crate) fn look(&self) -> Look {
        let routes = self.routes.iter().map(|to| {
            let to = to.as_ref().ok_or_else(|| Unreached::new(Kind::BadAnswer, "/routez: HTTP 404"))?;
            let route = |to: &usize| Route { remote_id: self.id(*to), remote_name: name(*to) };
            Ok(Routez { routes: to.iter().map(route).collect() })
        });
        Raw {
            sample: self.world.sample(),
            target: self.target.map(|target| target - 1),
            routes: routes.collect(),
            doors: self.doors.clone(),
            answers: self.answers.clone(),
        }
        .believed()
    }

    fn door(&self, number: usize) -> Door {
        Door::Open { server_name: name(number), server_id: self.id(number) }
    }
}

/// What is thought of node-1 after `change`; node-2 is to go.
fn check(change: impl FnOnce(&mut Scene), expect: &str) {
    let mut scene = Scene::new(Some(2));
    change(&mut scene);
    let look = scene.look();
    let node = &look.nodes[0];
    assert!(node.state.contains(expect), "{expect}: {}", node.state);
    assert_eq!(node.up, expect == "up", "{node:?}");
    assert_eq!(look.sample.silent(0).is_some(), node.server_id.is_none(), "who is not believed is silent: {node:?}");
    assert_eq!(look.up(&name(1)), node.up);
}

#[test]
fn a_stranger_on_a_nodes_port_does_not_count_as_the_node() {
    let varz = |pointer: &'static str, value: &'static str| {
        move |scene: &mut Scene| {
            scene.world.node(1).into_iter().for_each(|said| put(&mut said.varz, pointer, &json!(value)));
        }
    };
    check(|_| (), "up");
    check(varz("/server_name", "ip-10-0-1-7"), "another server answers there: it calls itself `ip-10-0-1-7`");
    check(varz("/server_id", "NSTRANGE"), "not one server");
    check(varz("/server_id", ""), "not one server");
    check(varz("/now", "always the same"), "its clock stands still");
    check(|scene| put(&mut scene.world.rounds[0][0].varz, "/server_id", &json!("NBEFORE")), "changed while we looked");
    check(
        |scene| {
            let id = scene.id(3);
            scene.world.node(1).into_iter().for_each(|said| put(&mut said.varz, "/server_id", &json!(id)));
            scene.world.jsz(1, "/server_id", &json!(id));
        },
        "the same server answers for it and for nats-staging-node-3",
    );
    // All of it fits together, and the cluster has another server of that name, or none.
    check(|scene| scene.routes[2] = Some(vec![2]), "nats-staging-node-3 has no route to the server");
    check(|scene| scene.routes[2] = Some(vec![]), "nats-staging-node-3 has no route to the server");
    // What the node that is to go says of routes does not matter, nor that nobody tells of any.
    check(|scene| scene.routes[1] = Some(vec![]), "up");
    check(|scene| scene.routes = vec![None, None, None], "up");
    check(|scene| scene.world.jsz(1, "/disabled", &json!(true)), "JetStream is switched off");
}

#[test]
fn one_node_that_is_cut_off_does_not_make_strangers_of_the_others() {
    let mut scene = Scene::new(None);
    scene.routes = vec![Some(vec![3]), Some(vec![]), Some(vec![1])];
    let up: Vec<bool> = scene.look().nodes.iter().map(|node| node.up).collect();
    assert_eq!(up, [true, false, true]);
}

#[test]
fn the_client_port_shows_who_a_node_is() {
    let doors = |of_1: fn(&Scene) -> Door| {
        move |scene: &mut Scene| scene.doors = vec![of_1(scene), Door::NotTried, scene.door(3)]
    };
    check(doors(|scene| scene.door(1)), "up");
    check(doors(|scene| scene.door(2)), "its client port leads to another server");
    check(doors(|_| Door::Shut("connection refused".into())), "takes no clients: connection refused");
    check(doors(|_| Door::Rejected("not accepted".into())), "up");
    // From here no client port can be reached at all.
    check(|scene| scene.doors = vec![Door::Shut("no way".into()), Door::NotTried, Door::Shut("no way".into())], "up");
}

#[test]
fn a_node_that_stays_must_be_well_and_the_one_that_goes_need_not() {
    check(
        |scene| {
            for said in scene.world.node(1) {
                said.health.code = 503;
                said.health.error = Some("JetStream is not current with the meta leader".into());
            }
        },
        "not well: HTTP 503: JetStream is not current",
    );
    check(|scene| scene.world.silence(1, Kind::Timeout), "silent: no answer in time");
    let mut scene = Scene::new(Some(2));
    scene.world.node(2).into_iter().for_each(|said| said.health.code = 503);
    assert!(scene.look().up(&name(2)));
}

#[test]
fn the_system_service_shows_who_a_node_is() {
    let system = |change: fn(&mut Vec<NodeRead>)| {
        move |scene: &mut Scene| {
            let mut reads = scene.world.sample().rounds[1].reads.clone();
            change(&mut reads);
            scene.answers = vec![Ok(Answer { source: Source::System, reads, listed: None })];
        }
    };
    check(system(|_| ()), "up");
    check(system(|reads| reads[0] = identity::silence("")), "does not answer the system service");
    check(system(|reads| reads[0].varz.as_mut().unwrap().server_id = "NOTHER".into()), "knows another server");
}

#[test]
fn a_peer_without_a_name_is_known_by_its_id() {
    let mut scene = Scene::new(Some(2));
    let unknown = "Server name unknown at this time (peerID: Ra7G6fRg)";
    scene.each_group(|_, group| {
        let peers = group["replicas"].as_array_mut().unwrap();
        peers.iter_mut().filter(|peer| peer["name"] == name(2)).for_each(|peer| peer["name"] = json!(unknown));
    });
    let look = scene.look();
    let jsz = look.sample.rounds[1].reads[2].jsz.as_ref().unwrap();
    let names: Vec<&str> = jsz.meta_cluster.as_ref().unwrap().replicas.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, [name(1), name(2)]);
}
