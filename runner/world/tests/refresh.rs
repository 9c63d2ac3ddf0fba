//! Instance refreshes over the world: as the way by which a node is replaced, and as somebody else's, watched and
//! cancelled. Judged by what was really so when an instance was ended.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::journal::{Event, Key, Outcome, Snapshot};
use sluice_engine::machine::asks::is_stopped_open;
use sluice_engine::run::{Asker, Ending, Loaded, Question, Reply};
use sluice_plugin::Verdict;
use sluice_store::MemoryStore;
use sluice_world::harness::Trial;
use sluice_world::{AwsFault, AwsTrouble, Fault, Processes, Setup, When, World};

use crate::books::{Bench, cluster, text};
use crate::crash::Begun;
use crate::replace::setup;

const NODES: [&str; 3] = ["nats-staging-node-1", "nats-staging-node-2", "nats-staging-node-3"];

/// Says yes after a while, or never.
struct Person {
    world: World,
    thinks: Option<Duration>,
    asked: AtomicU32,
    /// Instances that were ended when it was asked first.
    gone: Mutex<Option<usize>>,
    typed: Mutex<Vec<String>>,
}

impl Person {
    fn thinking(world: &World, thinks: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            thinks,
            asked: AtomicU32::new(0),
            gone: Mutex::default(),
            typed: Mutex::default(),
        })
    }
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: Question) -> Reply {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gone.lock().unwrap().get_or_insert(self.world.terminated().len());
        self.world.clock().sleep(self.thinks.unwrap_or(Duration::from_secs(86_400))).await;
        self.typed.lock().unwrap().push(question.typed.clone());
        Reply { yes: true, typed: question.typed, because: None }
    }
}

struct Told {
    ending: Ending,
    loaded: Loaded,
}

impl Told {
    fn words(&self) -> String {
        let said = self.loaded.envelopes.iter().filter_map(|envelope| match &envelope.event {
            Event::Judged { key, why, .. } => Some(format!("{key}: {why}")),
            Event::Failed { key, problem, .. } => Some(format!("{key}: {}", problem.message)),
            _ => None,
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// Gates of this name that passed, by their keys.
    fn passed(&self, gate: &str) -> Vec<String> {
        let passed = self.loaded.envelopes.iter().filter_map(|envelope| match &envelope.event {
            Event::Judged { key, verdict: Verdict::Pass, .. } if key.as_str().ends_with(gate) => Some(key.to_string()),
            _ => None,
        });
        passed.collect()
    }

    fn done(&self, key: &str) -> bool {
        let is = |found: &Key| found.as_str() == key;
        self.loaded.envelopes.iter().any(|envelope| match &envelope.event {
            Event::Done { key, .. } | Event::Reconciled { key, .. } => is(key),
            _ => false,
        })
    }
}

async fn run(bench: &Bench, inputs: Value, person: &Arc<Person>) -> Told {
    let mut order = bench.order();
    order.inputs.as_object_mut().unwrap().extend(inputs.as_object().unwrap().clone());
    let mut process =
        Processes::new(bench.world.clone(), Arc::new(MemoryStore::default())).start(1, bench.registry.clone());
    process.engine.confirming.asker = Some(person.clone());
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let run = order.run.clone();
    let ran = Box::pin(process.engine.start(order, &mut signals));
    let ending = bench.world.run(ran).await.unwrap().0;
    let recheck = |snapshot: &_| bench.recheck(snapshot);
    let loaded = process.engine.load(&run, &recheck).await.unwrap();
    Told { ending, loaded }
}

/// The nodes whose instances were ended, in that order, and why one was not safe.
fn ended(world: &World) -> Vec<(String, Option<String>)> {
    world.terminated().into_iter().map(|one| (one.node, one.harm)).collect()
}

fn safely(nodes: &[&str]) -> Vec<(String, Option<String>)> {
    nodes.iter().map(|node| ((*node).to_owned(), None)).collect()
}

fn via_refresh(bench: &Bench) -> Begun {
    bench.world.begin_again(setup(bench));
    let mut order = bench.order();
    order.inputs["via"] = json!("refresh");
    (Arc::new(MemoryStore::default()), order)
}

#[tokio::test]
async fn wherever_a_process_dies_one_refresh_replaces_the_node_and_its_data_comes_back() {
    let bench = Bench::new(&text("replace-node"));
    let points = crashed_everywhere(&bench, &|| via_refresh(&bench), &[NODES[1]]).await;
    assert!(points > 80, "{points}");
}

#[tokio::test]
async fn what_aws_may_answer_to_the_start_of_a_refresh_starts_one_at_most() {
    let bench = Bench::new(&text("replace-node"));
    let trouble =
        |how| Fault::Aws(AwsFault { operation: Some("autoscaling:StartInstanceRefresh".into()), how, times: 1 });
    // How often somebody is asked: what was not done is asked for anew.
    for (how, asked) in [(AwsTrouble::AnswerLost, 1), (AwsTrouble::Down, 2), (AwsTrouble::ServerError, 2)] {
        bench.world.begin_again(setup(&bench));
        bench.world.happen(trouble(how));
        let person = Person::thinking(&bench.world, Some(Duration::from_secs(20)));
        let told = run(&bench, json!({ "via": "refresh" }), &person).await;
        assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{how:?}: {}", told.words());
        assert_eq!(ended(&bench.world), safely(&[NODES[1]]), "{how:?}");
        assert_eq!(person.asked.load(Ordering::SeqCst), asked, "{how:?}");
    }
    bench.world.begin_again(setup(&bench));
    bench.world.happen(trouble(AwsTrouble::Denied));
    let person = Person::thinking(&bench.world, Some(Duration::from_secs(20)));
    let told = run(&bench, json!({ "via": "refresh" }), &person).await;
    assert_eq!(
        (ended(&bench.world).len(), told.ending == Ending::Ended(Outcome::Done)),
        (0, false),
        "{}",
        told.words()
    );
}

#[tokio::test]
async fn a_whole_cluster_is_refreshed_one_node_after_another() {
    let bench = Bench::new(&text("rolling-replace"));
    for messages in [0, 12_000] {
        bench.world.begin_again(Setup { messages, ..setup(&bench) });
        bench.world.happen(Fault::LeadsMeta { node: NODES[0].to_owned() });
        let person = Person::thinking(&bench.world, Some(Duration::from_secs(20)));
        let told = run(&bench, json!({ "via": "refresh", "soak": "10s" }), &person).await;
        assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
        assert_eq!(ended(&bench.world), safely(&[NODES[1], NODES[2], NODES[0]]));
        assert_eq!(bench.world.truth().streams[0].missing(), 0);
    }
}

/// The world anew, and soon a rollout with this pause in it.
fn rolls_out(bench: &Bench, pause: u64) {
    bench.world.begin_again(setup(bench));
    let begins = When::At(bench.world.clock().elapsed() + Duration::from_secs(20));
    bench.world.plan(begins, Fault::Rollout { pause: Duration::from_secs(pause) });
}

/// A rollout with this pause, watched by somebody who takes so long to answer.
async fn watched(bench: &Bench, pause: u64, thinks: Option<u64>) -> (Told, Arc<Person>) {
    rolls_out(bench, pause);
    let person = Person::thinking(&bench.world, thinks.map(Duration::from_secs));
    let told = run(bench, json!({}), &person).await;
    (told, person)
}

#[tokio::test]
async fn a_rollout_that_waits_for_the_data_is_watched_in_silence() {
    let bench = Bench::new(&text("rollout-watch"));
    let (told, person) = watched(&bench, 300, Some(1)).await;
    assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
    assert_eq!(ended(&bench.world), safely(&NODES));
    assert_eq!((person.asked.load(Ordering::SeqCst), told.passed("/alarm")), (0, Vec::new()));
    let back = NODES.map(|node| format!("watch[{node}]/data_back"));
    assert_eq!(told.passed("/data_back"), back);
}

#[tokio::test]
async fn a_rollout_that_goes_too_fast_is_cancelled_before_the_second_node_is_gone() {
    let bench = Bench::new(&text("rollout-watch"));
    let (told, person) = watched(&bench, 0, Some(1)).await;
    assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
    assert_eq!(*person.typed.lock().unwrap(), [NODES[1]]);
    assert!(told.done("watch[nats-staging-node-2]/too_early/cancel"), "{}", told.words());
    assert_eq!(ended(&bench.world), safely(&[NODES[0]]));
    assert_eq!(told.passed("/data_back"), ["watch[nats-staging-node-1]/data_back"]);
    assert_eq!(bench.world.truth().streams[0].missing(), 0);
}

#[tokio::test]
async fn the_alarm_is_there_before_the_second_node_is_gone_whether_or_not_somebody_answers() {
    let bench = Bench::new(&text("rollout-watch"));
    let (told, person) = watched(&bench, 0, None).await;
    assert_ne!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
    assert!(told.words().contains("an alarm was left without a cancel"), "{}", told.words());
    let stopped = is_stopped_open(&told.loaded.runbook, &told.loaded.state);
    assert_eq!(stopped.map(|key| key.to_string()).as_deref(), Some("well"));
    assert!(person.asked.load(Ordering::SeqCst) >= 1);
    assert_eq!(told.passed("/alarm").first().unwrap(), "watch[nats-staging-node-2]/alarm");
    assert_eq!(*person.gone.lock().unwrap(), Some(1), "the second was still there");
    let gone = ended(&bench.world);
    assert!(gone.len() >= 2 && gone[1].1.is_some(), "without somebody it goes all the same: {gone:?}");
}

#[tokio::test]
async fn a_refresh_is_cancelled_by_hand_and_none_that_is_over() {
    let bench = Bench::new(&text("cancel-refresh"));
    let node = json!({ "node": cluster().nodes[0] });
    bench.world.begin_again(setup(&bench));
    bench.world.happen(Fault::Rollout { pause: Duration::ZERO });
    let person = Person::thinking(&bench.world, Some(Duration::from_secs(2)));
    let told = run(&bench, node.clone(), &person).await;
    assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
    assert_eq!(ended(&bench.world), []);

    // Too late for the instance: what ends is the wait of whoever started it.
    bench.world.begin_again(setup(&bench));
    bench.world.happen(Fault::Rollout { pause: Duration::ZERO });
    let person = Person::thinking(&bench.world, Some(Duration::from_secs(25)));
    let told = run(&bench, node.clone(), &person).await;
    assert_eq!(told.ending, Ending::Ended(Outcome::Done), "{}", told.words());
    assert_eq!(ended(&bench.world), safely(&[NODES[0]]));

    bench.world.begin_again(setup(&bench));
    let told = run(&bench, node, &person).await;
    assert!(told.words().contains("no instance refresh of nats-staging-node-1 goes on"), "{}", told.words());
}

#[tokio::test]
async fn wherever_a_cancel_dies_the_refresh_is_cancelled_and_no_instance_goes() {
    let bench = Bench::new(&text("cancel-refresh"));
    let begin = || -> Begun {
        let mut setup = setup(&bench);
        setup.times.refresh_pending = Duration::from_secs(3_600);
        bench.world.begin_again(setup);
        bench.world.happen(Fault::Rollout { pause: Duration::ZERO });
        let mut order = bench.order();
        order.inputs["node"] = json!(cluster().nodes[0]);
        (Arc::new(MemoryStore::default()), order)
    };
    assert!(crashed_everywhere(&bench, &begin, &[]).await >= 40);
}

#[tokio::test]
async fn wherever_a_watch_dies_it_is_taken_up_and_comes_to_the_same_end() {
    let bench = Bench::new(&text("rollout-watch"));
    let begin = || -> Begun {
        bench.world.begin_again(setup(&bench));
        let soon = When::At(bench.world.clock().elapsed() + Duration::from_secs(5));
        // Only the first, for as long as this takes.
        bench.world.plan(soon, Fault::Rollout { pause: Duration::from_secs(86_400) });
        let mut order = bench.order();
        order.inputs["nodes"] = json!([cluster().nodes[0]]);
        (Arc::new(MemoryStore::default()), order)
    };
    assert!(crashed_everywhere(&bench, &begin, &[NODES[0]]).await > 60);
}

/// The number of points, each of which comes to the same end with these nodes' instances ended, safely.
async fn crashed_everywhere(bench: &Bench, begin: &(dyn Fn() -> Begun + Sync), gone: &[&str]) -> usize {
    let recheck = |snapshot: &Snapshot| bench.recheck(snapshot);
    let watch = bench.runbook.name.as_str() == "rollout-watch";
    let asker: Arc<dyn Asker> = Person::thinking(&bench.world, Some(Duration::from_secs(2)));
    let trial = Trial { asker: Some(asker), ..crate::crash::trial(bench, begin, &recheck) };
    let (expect, _) = trial.uninterrupted().await.unwrap();
    assert_eq!(expect.outcome, "done", "{}", expect.summary());
    let mut points = 0;
    while let Some(crashed) = trial.crashed_at(points + 1).await {
        let point = &crashed.point;
        let end = crashed.end.clone().unwrap_or_else(|why| panic!("{point}: {why}"));
        // Whoever takes a watch up late sees less of a node that goes.
        let same = if watch { end.outcome == expect.outcome } else { end.summary() == expect.summary() };
        assert!(same, "{point}: {} and not {}", end.summary(), expect.summary());
        assert_eq!(ended(&bench.world), safely(gone), "{point}");
        points += 1;
    }
    eprintln!("{points} points");
    points
}

#[tokio::test]
async fn a_node_that_may_not_go_any_more_keeps_its_instance_when_somebody_cancels_in_time() {
    let bench = Bench::new(&text("replace-node"));
    let mut hesitant = setup(&bench);
    hesitant.times.refresh_pending = Duration::from_secs(600);
    bench.world.begin_again(hesitant);
    // Everything was looked at, the refresh was started, and AWS has not ended anything yet.
    let later = When::At(bench.world.clock().elapsed() + Duration::from_secs(150));
    bench.world.plan(later, Fault::Kill { node: NODES[2].to_owned() });
    let person = Person::thinking(&bench.world, Some(Duration::from_secs(20)));
    let told = run(&bench, json!({ "via": "refresh" }), &person).await;
    assert!(told.done("replace/refresh") && told.done("too_early/cancel"), "{}", told.words());
    assert_eq!(ended(&bench.world), []);
    assert!(told.words().contains("nothing was replaced"), "{}", told.words());
    assert_eq!(*person.typed.lock().unwrap(), [NODES[1], NODES[1]]);
}
