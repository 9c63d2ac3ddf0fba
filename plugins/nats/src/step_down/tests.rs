//! Stepping down before servers that do as they like; what real ones do is tried in `tests/`.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::inventory::Cluster;
use sluice_plugin::{Host as _, Secret};

use super::{Place, Rights, StepDown, run};
use crate::actions::example_cluster;
use crate::actions::tests::Fake;
use crate::link::creds::UserCreds;
use crate::link::creds::tests::minted;
use crate::link::wire::{Line, NoLine, NoReply, Opened, Target as Addressed, Wire};
use crate::quorum::Target;

#[derive(Clone, Copy, PartialEq)]
enum Server {
    Obeys,
    /// Takes no wish, as before 2.11, and the first elections fall on the node again.
    Older {
        falls_back: usize,
    },
    Refuses,
    /// It steps down, and nobody hears that it did.
    Mute,
}

/// `pivot_main`, led by node-2.
struct Servers {
    how: Server,
    leader: Mutex<String>,
    /// The bodies of what was asked.
    acts: Mutex<Vec<String>>,
}

impl Servers {
    fn act(&self, body: String) -> Result<Value, NoReply> {
        self.acts.lock().unwrap().push(body.clone());
        let acts = self.acts.lock().unwrap().iter().filter(|body| body.is_empty()).count();
        let move_to = |node: &str| *self.leader.lock().unwrap() = node.to_owned();
        let success = json!({ "type": "io.nats.jetstream.api.v1.stream_leader_stepdown_response", "success": true });
        let refused = |code: u64| json!({ "error": { "code": code, "err_code": 10_038, "description": "not so" } });
        match self.how {
            Server::Obeys => {
                let wish: Value = serde_json::from_str(&body).unwrap();
                move_to(wish["placement"]["preferred"].as_str().unwrap());
                Ok(success)
            }
            Server::Older { .. } if !body.is_empty() => Ok(refused(400)),
            Server::Older { falls_back } => {
                if acts > falls_back {
                    move_to("nats-staging-node-3");
                }
                Ok(success)
            }
            Server::Refuses => Ok(refused(503)),
            Server::Mute => {
                move_to("nats-staging-node-1");
                Err(NoReply::TimedOut)
            }
        }
    }

    fn info(&self) -> Value {
        let leader = self.leader.lock().unwrap().clone();
        let others = (1..=3).map(|number| format!("nats-staging-node-{number}")).filter(|name| *name != leader);
        let others: Vec<Value> = others.map(|name| json!({ "name": name, "current": true, "active": 1 })).collect();
        json!({ "config": { "name": "pivot_main" }, "cluster": { "leader": leader, "replicas": others } })
    }
}

#[async_trait]
impl Wire for Arc<Servers> {
    async fn open(&self, target: Addressed<'_>) -> Result<Opened, NoLine> {
        assert!(!target.host.contains("node-2"), "never over the node that is to lead nothing");
        let (server_name, server_id) = ("nats-staging-node-1".to_owned(), "N".to_owned());
        Ok(Opened { server_name, server_id, line: Box::new(self.clone()) })
    }
}

#[async_trait]
impl Line for Arc<Servers> {
    async fn request(&self, subject: &str, body: String) -> Result<Vec<u8>, NoReply> {
        let answer = match subject {
            "$SYS.REQ.USER.INFO" => json!({ "data": { "account": "APIVOT", "account_name": "PIVOT" } }),
            "$JS.API.STREAM.NAMES" => json!({ "total": 1, "streams": ["pivot_main"] }),
            "$JS.API.STREAM.INFO.pivot_main" => self.info(),
            "$JS.API.CONSUMER.LIST.pivot_main" => json!({ "total": 0, "consumers": [] }),
            "$JS.API.STREAM.LEADER.STEPDOWN.pivot_main" => self.act(body)?,
            _ => return Err(NoReply::NobodyServes),
        };
        Ok(answer.to_string().into_bytes())
    }

    async fn gather(
        &self,
        _: &str,
        _: String,
        _: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply> {
        Err(NoReply::NobodyServes)
    }
}

/// What comes of it, and what was asked.
async fn check(how: Server, leader: usize, leads: &[&str]) -> (StepDown, Vec<String>) {
    let leader = Mutex::new(format!("nats-staging-node-{leader}"));
    let servers = Arc::new(Servers { how, leader, acts: Mutex::default() });
    let cluster: Cluster = serde_json::from_value(example_cluster()).unwrap();
    let (jwt, seed) = minted(None);
    let creds = UserCreds::parse(&Secret::new(jwt), &Secret::new(seed), "").unwrap();
    let host = Fake::new();
    let before = host.now();
    let place = Place { host: &host, wire: &servers, cluster: &cluster, node: &cluster.nodes[1] };
    let leads = leads.iter().map(ToString::to_string).collect();
    let led =
        Target { name: "nats-staging-node-2".into(), up: true, leads_meta: false, leads, connections: None, bytes: 0 };
    let done = run(&place, Rights { account: Some(&creds), system: None }, &led).await;
    assert!(host.now().since(before).as_secs() < 20, "it ends within a bounded time");
    let acts = servers.acts.lock().unwrap().clone();
    (done, acts)
}

#[tokio::test]
async fn a_leader_moves_and_what_is_led_no_more_is_left_alone() {
    let (done, acts) = check(Server::Obeys, 2, &["PIVOT/pivot_main"]).await;
    assert_eq!(
        (done.moved[0].what.as_str(), done.moved[0].to.as_str()),
        ("stream PIVOT/pivot_main", "nats-staging-node-1")
    );
    assert_eq!((done.left.len(), acts.len()), (0, 1));
    let (done, acts) = check(Server::Obeys, 3, &[]).await;
    assert_eq!((done.summary.as_str(), acts.len()), ("nats-staging-node-2 leads nothing", 0));
}

#[tokio::test]
async fn older_servers_are_asked_without_a_wish_and_again_when_it_falls_back() {
    let (done, acts) = check(Server::Older { falls_back: 1 }, 2, &["PIVOT/pivot_main"]).await;
    assert_eq!((done.moved.len(), done.moved[0].to.as_str()), (1, "nats-staging-node-3"));
    assert_eq!(acts.iter().filter(|body| body.is_empty()).count(), 2);
    let (done, acts) = check(Server::Older { falls_back: 9 }, 2, &["PIVOT/pivot_main"]).await;
    assert_eq!((done.moved.len(), acts.iter().filter(|body| body.is_empty()).count()), (0, 3));
    assert_eq!(done.left[0].why, "the leadership came back to it each time");
}

#[tokio::test]
async fn what_stays_is_told_and_is_no_error() {
    let (done, _) = check(Server::Refuses, 2, &["PIVOT/pivot_main", "OTHER/orders"]).await;
    let left: Vec<(&str, &str)> = done.left.iter().map(|left| (left.what.as_str(), left.why.as_str())).collect();
    assert!(left[0].0 == "stream PIVOT/pivot_main" && left[0].1.contains("not so (503/10038)"), "{left:?}");
    assert_eq!(left[1], ("stream OTHER/orders", "no credentials of its account were given"));
    // It is read again, whatever was answered.
    let (done, acts) = check(Server::Mute, 2, &["PIVOT/pivot_main"]).await;
    assert_eq!((done.moved[0].to.as_str(), done.left.len(), acts.len()), ("nats-staging-node-1", 0, 1));
}

/// What becomes of the meta group, which node-2 leads, after it was asked to move.
#[derive(Clone, Copy)]
enum Election {
    Moves,
    /// The first time it falls on the node again.
    FallsBackOnce,
    FallsBack,
    NobodyLeads,
    /// It leads on for a moment, and then nobody does.
    EndsLate,
    NobodyAnswers,
}

struct Meta {
    election: Election,
    /// How often it was asked to move, and the answers of the system service since.
    acts: Mutex<usize>,
    looks: Mutex<usize>,
}

impl Meta {
    fn leader(&self) -> &'static str {
        let (acts, looks) = (*self.acts.lock().unwrap(), *self.looks.lock().unwrap());
        match self.election {
            Election::Moves => "nats-staging-node-1",
            Election::FallsBackOnce if acts > 1 => "nats-staging-node-3",
            Election::FallsBackOnce | Election::FallsBack => "nats-staging-node-2",
            Election::EndsLate if looks < 3 => "nats-staging-node-2",
            Election::NobodyLeads | Election::EndsLate | Election::NobodyAnswers => "",
        }
    }
}

#[async_trait]
impl Wire for Arc<Meta> {
    async fn open(&self, _: Addressed<'_>) -> Result<Opened, NoLine> {
        let (server_name, server_id) = ("nats-staging-node-1".to_owned(), "N".to_owned());
        Ok(Opened { server_name, server_id, line: Box::new(self.clone()) })
    }
}

#[async_trait]
impl Line for Arc<Meta> {
    async fn request(&self, subject: &str, _: String) -> Result<Vec<u8>, NoReply> {
        assert_eq!(subject, "$JS.API.META.LEADER.STEPDOWN");
        *self.acts.lock().unwrap() += 1;
        // Whether it was heard is not known: the answer is lost.
        Err(NoReply::TimedOut)
    }

    async fn gather(
        &self,
        _: &str,
        _: String,
        take: &mut (dyn for<'m> FnMut(&'m [u8]) -> bool + Send),
    ) -> Result<(), NoReply> {
        if let Election::NobodyAnswers = self.election {
            return Err(NoReply::TimedOut);
        }
        *self.looks.lock().unwrap() += 1;
        for number in 1..=3 {
            let server = json!({ "name": format!("nats-staging-node-{number}"), "id": format!("N{number}") });
            let data = json!({ "meta_cluster": { "leader": self.leader() } });
            take(json!({ "server": server, "data": data }).to_string().as_bytes());
        }
        Ok(())
    }
}

/// Where it goes to, or why it stays, and how often it was asked.
async fn check_meta(election: Election, expect: Result<&str, &str>, acts: usize) {
    let meta = Arc::new(Meta { election, acts: Mutex::default(), looks: Mutex::default() });
    let cluster: Cluster = serde_json::from_value(example_cluster()).unwrap();
    let (jwt, seed) = minted(None);
    let creds = UserCreds::parse(&Secret::new(jwt), &Secret::new(seed), "").unwrap();
    let host = Fake::new();
    let place = Place { host: &host, wire: &meta, cluster: &cluster, node: &cluster.nodes[1] };
    let name = "nats-staging-node-2".into();
    let led = Target { name, up: true, leads_meta: true, leads: vec![], connections: None, bytes: 0 };
    let done = run(&place, Rights { account: None, system: Some(&creds) }, &led).await;
    let went = match (done.moved.as_slice(), done.left.as_slice()) {
        ([moved], []) => Ok(moved.to.as_str()),
        ([], [left]) => Err(left.why.as_str()),
        other => panic!("{other:?}"),
    };
    assert_eq!((went, *meta.acts.lock().unwrap()), (expect, acts));
}

#[tokio::test]
async fn the_meta_leader_is_asked_again_only_while_it_leads() {
    check_meta(Election::Moves, Ok("nats-staging-node-1"), 1).await;
    check_meta(Election::FallsBackOnce, Ok("nats-staging-node-3"), 2).await;
    check_meta(Election::FallsBack, Err("no answer to $JS.API.META.LEADER.STEPDOWN within 2 s"), 2).await;
    // Somebody else may have been elected meanwhile, and would be moved for nothing.
    for unknown in [Election::NobodyLeads, Election::EndsLate, Election::NobodyAnswers] {
        check_meta(unknown, Err("no new leader was seen within ten seconds"), 1).await;
    }
}
