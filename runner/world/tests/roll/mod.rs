//! `rolling-replace` as it ships over the world, with a person who types each name: who goes when, what ends it, and what
//! is left then. Judged by what was really so at the moment of each request.

mod chaos;
mod crash;
mod once;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::journal::{Event, Outcome};
use sluice_engine::machine::asks::is_stopped_open;
use sluice_engine::run::{Asker, Ending, Loaded, Order, Question, Reply};
use sluice_store::MemoryStore;
use sluice_world::{Fault, Process, Processes, Setup, World};

use crate::books::{Bench, cluster, text};
use crate::replace::{LOCK, SLACK, requests, setup};

const NODES: [&str; 3] = ["nats-staging-node-1", "nats-staging-node-2", "nats-staging-node-3"];

fn bench() -> Bench {
    Bench::new(&text("rolling-replace"))
}

/// Types whatever name is asked for; while it thinks about the n-th question, something happens.
struct Person {
    world: World,
    during: Mutex<Vec<(u32, Fault)>>,
    asked: AtomicU32,
    typed: Mutex<Vec<String>>,
}

impl Person {
    fn new(world: &World, during: Vec<(u32, Fault)>) -> Self {
        Self { world: world.clone(), during: Mutex::new(during), asked: AtomicU32::new(0), typed: Mutex::default() }
    }
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: Question) -> Reply {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let now = |(nth, _): &(u32, Fault)| *nth == asked;
        let due: Vec<Fault> =
            self.during.lock().unwrap().iter().filter(|one| now(one)).map(|(_, f)| f.clone()).collect();
        due.into_iter().for_each(|fault| self.world.happen(fault));
        self.world.clock().sleep(Duration::from_secs(20)).await;
        self.typed.lock().unwrap().push(question.typed.clone());
        Reply { yes: true, typed: question.typed, because: None }
    }
}

/// What came of one run.
struct Rolled {
    ending: Ending,
    loaded: Loaded,
    /// The nodes whose instances were ended, in that order.
    ended: Vec<String>,
    /// Instances that were ended and were not there at the start.
    strange: Vec<String>,
    typed: Vec<String>,
    /// Why a request was not safe in truth.
    harm: Vec<String>,
    /// Who led the meta group at each request.
    meta: Vec<Option<String>>,
    lock_held: bool,
}

struct Scene<'a> {
    bench: &'a Bench,
    processes: Processes,
    old: Vec<String>,
}

impl<'a> Scene<'a> {
    fn of(bench: &'a Bench, setup: Setup) -> Self {
        bench.world.begin_again(setup);
        let old = NODES.iter().map(|node| bench.world.instance(node).unwrap()).collect();
        Self { bench, processes: Processes::new(bench.world.clone(), Arc::new(MemoryStore::default())), old }
    }

    fn order(&self, inputs: &Value) -> Order {
        let mut order = self.bench.order();
        order.inputs.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
        order
    }

    async fn run(&self, inputs: Value, during: Vec<(u32, Fault)>) -> Rolled {
        let person = Arc::new(Person::new(&self.bench.world, during));
        let process = self.process(1, &person);
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let ran = Box::pin(process.engine.start(self.order(&inputs), &mut signals));
        let ending = self.bench.world.run(ran).await.unwrap().0;
        self.told(&process, &person, ending).await
    }

    async fn resume(&self, pid: u32) -> Rolled {
        let person = Arc::new(Person::new(&self.bench.world, Vec::new()));
        let process = self.process(pid, &person);
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let (run, recheck) = (self.bench.order().run, |snapshot: &_| self.bench.recheck(snapshot));
        let ran = Box::pin(process.engine.resume(&run, &recheck, &mut signals));
        let ending = self.bench.world.run(ran).await.unwrap().0;
        self.told(&process, &person, ending).await
    }

    fn process(&self, pid: u32, person: &Arc<Person>) -> Process {
        let mut process = self.processes.start(pid, self.bench.registry.clone());
        process.engine.confirming.asker = Some(person.clone());
        process
    }

    async fn told(&self, process: &Process, person: &Person, ending: Ending) -> Rolled {
        let recheck = |snapshot: &_| self.bench.recheck(snapshot);
        let loaded = process.engine.load(&self.bench.order().run, &recheck).await.unwrap();
        let world = &self.bench.world;
        let requests = requests(world);
        let ended = loaded.envelopes.iter().filter_map(|envelope| node_of(&envelope.event)).collect::<Vec<_>>();
        assert_eq!(requests.len(), ended.len(), "a request that nobody intended, or the other way round");
        let strange = world.terminations().into_iter().filter(|id| !self.old.contains(id)).collect();
        let harm = ended.iter().zip(&requests).filter_map(|(node, call)| call.truth.needs(node, SLACK));
        let held = self.processes.store.look(LOCK).await.unwrap().is_some_and(|lock| lock.holder().is_some());
        Rolled {
            ending,
            loaded,
            harm: harm.collect(),
            meta: requests.iter().map(|call| call.truth.meta_leader.clone()).collect(),
            ended,
            strange,
            typed: person.typed.lock().unwrap().clone(),
            lock_held: held,
        }
    }
}

/// `roll[nats-staging-node-2]/node/replace/terminate` is about to be done.
fn node_of(event: &Event) -> Option<String> {
    let Event::Intended { key, .. } = event else { return None };
    let inner = key.as_str().strip_suffix("/replace/terminate")?;
    Some(inner.split_once('[')?.1.split_once(']')?.0.to_owned())
}

impl Rolled {
    fn assert_done(&self, nodes: &[&str]) {
        assert_eq!(self.ending, Ending::Ended(Outcome::Done), "{}", self.words());
        assert_eq!(self.ended, nodes);
        assert_eq!((&self.harm, &self.strange), (&Vec::new(), &Vec::new()));
        assert!(!self.lock_held);
    }

    fn words(&self) -> String {
        let said = self.loaded.envelopes.iter().filter_map(|envelope| match &envelope.event {
            Event::Judged { key, why, .. } => Some(format!("{key}: {why}")),
            Event::Failed { key, problem, .. } => Some(format!("{key}: {}", problem.message)),
            _ => None,
        });
        said.collect::<Vec<_>>().join("\n")
    }

    fn stopped_at(&self) -> Option<String> {
        is_stopped_open(&self.loaded.runbook, &self.loaded.state).map(|key| key.to_string())
    }
}

/// Every acknowledged message is there, in every replica.
fn assert_whole(world: &World) {
    for stream in world.truth().streams {
        let leader = stream.leader.clone().unwrap();
        assert!(stream.has(&leader) >= stream.acknowledged, "{stream:?}");
        assert!(stream.peers.iter().all(|peer| stream.has(peer) + SLACK >= stream.acknowledged), "{stream:?}");
    }
}

fn leader(world: &World) -> String {
    world.truth().meta_leader.unwrap()
}

fn leads(node: &str) -> Fault {
    Fault::LeadsMeta { node: node.to_owned() }
}

#[tokio::test]
async fn followers_go_first_and_the_meta_leader_last() {
    let bench = bench();
    for first in NODES {
        for messages in [0, 12_000] {
            let mut setup = setup(&bench);
            setup.messages = messages;
            let scene = Scene::of(&bench, setup);
            bench.world.happen(leads(first));
            assert_eq!(leader(&bench.world), first);
            let rolled = scene.run(json!({ "soak": "1m" }), Vec::new()).await;
            let mut order: Vec<&str> = NODES.into_iter().filter(|node| *node != first).collect();
            order.push(first);
            rolled.assert_done(&order);
            assert_eq!(rolled.typed, order, "each is asked for by its own name");
            // An admin without system rights cannot move it: it led on until its own turn.
            assert_eq!(rolled.meta, [Some(first.to_owned()), Some(first.to_owned()), Some(first.to_owned())]);
            assert_whole(&bench.world);
        }
    }
}

#[tokio::test]
async fn who_leads_is_looked_up_anew_before_each_round() {
    let bench = bench();
    let scene = Scene::of(&bench, setup(&bench));
    bench.world.happen(leads(NODES[2]));
    // While the first is asked about, the leader moves to the one that was to be the second.
    let rolled = scene.run(json!({ "soak": "10s" }), vec![(1, leads(NODES[1]))]).await;
    rolled.assert_done(&[NODES[0], NODES[2], NODES[1]]);
}

#[tokio::test]
async fn between_two_nodes_the_cluster_is_well_for_as_long_as_was_asked() {
    let bench = bench();
    let check = async |soak: &str, seconds: u64| {
        let scene = Scene::of(&bench, setup(&bench));
        bench.world.happen(leads(NODES[2]));
        let rolled = scene.run(json!({ "soak": soak }), Vec::new()).await;
        rolled.assert_done(&NODES);
        let held = rolled.loaded.envelopes.iter().filter_map(|envelope| match &envelope.event {
            Event::Judged { key, samples, .. } if key.as_str().ends_with("/soak") => {
                Some((key.to_string(), samples.last.since(samples.first).as_secs()))
            }
            _ => None,
        });
        let expect = [NODES[0], NODES[1]].map(|node| (format!("roll[{node}]/soak"), seconds));
        assert_eq!(held.collect::<Vec<_>>(), expect, "not after the last");
    };
    check("10s", 10).await;
    check("5m", 300).await;
}

#[tokio::test]
async fn only_those_that_were_asked_for_are_replaced() {
    let bench = bench();
    let node = |at: usize| json!(cluster().nodes[at]);
    let check = async |inputs: Value, outdated: &[u32], expect: &[&str]| {
        let mut setup = setup(&bench);
        setup.outdated = outdated.iter().copied().collect();
        let scene = Scene::of(&bench, setup);
        bench.world.happen(leads(NODES[0]));
        let mut given = json!({ "soak": "10s" });
        given.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
        scene.run(given, Vec::new()).await.assert_done(expect);
    };
    check(json!({ "nodes": [node(2)] }), &[], &[NODES[2]]).await;
    check(json!({ "nodes": [node(0), node(1)] }), &[], &[NODES[1], NODES[0]]).await;
    check(json!({ "outdated": true }), &[], &[]).await;
    check(json!({ "outdated": true }), &[1, 3], &[NODES[2], NODES[0]]).await;
    check(json!({ "outdated": true, "nodes": [node(0)] }), &[1, 3], &[NODES[0]]).await;
    // All run for a day.
    check(json!({ "older_than": "2d" }), &[], &[]).await;
    check(json!({ "older_than": "12h", "nodes": [node(1)] }), &[], &[NODES[1]]).await;
}

#[tokio::test]
async fn the_first_that_does_not_come_back_ends_it_and_the_lock_is_kept() {
    let bench = bench();
    let scene = Scene::of(&bench, setup(&bench));
    bench.world.happen(leads(NODES[2]));
    let never = Fault::NeverBoots { node: NODES[1].to_owned() };
    let rolled = scene.run(json!({ "soak": "10s" }), vec![(2, never)]).await;
    assert_eq!(rolled.ended, [NODES[0], NODES[1]], "{}", rolled.words());
    assert_eq!(rolled.harm, [""; 0]);
    assert_eq!(rolled.stopped_at().as_deref(), Some("roll[nats-staging-node-2]/node/data_back"));
    assert!(rolled.lock_held);
    // Somebody mends it, and the run goes on with what is left of it.
    bench.world.happen(Fault::Boots { node: NODES[1].to_owned() });
    let rolled = scene.resume(2).await;
    rolled.assert_done(&NODES);
    assert_eq!(rolled.typed, [NODES[2]]);
    assert_whole(&bench.world);
}

#[tokio::test]
async fn a_second_node_that_goes_away_while_one_is_asked_about_keeps_everything_from_being_ended() {
    let bench = bench();
    let scene = Scene::of(&bench, setup(&bench));
    bench.world.happen(leads(NODES[2]));
    let rolled = scene.run(json!({ "soak": "10s" }), vec![(2, Fault::Kill { node: NODES[2].to_owned() })]).await;
    assert_eq!(rolled.ended, [NODES[0]], "{}", rolled.words());
    assert_eq!(rolled.harm, [""; 0]);
    assert!(rolled.stopped_at().is_some() && rolled.lock_held);
}

#[tokio::test]
async fn somebody_elses_refresh_in_between_is_waited_for_or_stops_it() {
    let bench = bench();
    for node in NODES {
        let scene = Scene::of(&bench, setup(&bench));
        bench.world.happen(leads(NODES[2]));
        let refresh = Fault::InstanceRefresh { node: node.to_owned() };
        let rolled = scene.run(json!({ "soak": "10s" }), vec![(2, refresh)]).await;
        assert_eq!(rolled.harm, [""; 0], "{node}: {}", rolled.words());
        assert!(rolled.words().contains("refresh") || rolled.ended.len() == 3, "{node}: {}", rolled.words());
        if rolled.ending == Ending::Ended(Outcome::Done) {
            assert_whole(&bench.world);
        }
    }
}
