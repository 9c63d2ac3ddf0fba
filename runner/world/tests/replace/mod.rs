//! `replace-node` as it ships, driven by the real engine over the world, with a person at the terminal who types the name.
//!
//! A story is one run of it with all that happened meanwhile, and what a person could read afterwards.

mod crash;
mod faults;
mod full;
mod moments;
mod targets;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{Breach, Envelope, Event, Store, Void};
use sluice_engine::machine::asks::is_stopped_open;
use sluice_engine::run::{Asker, Loaded, OpenError, Question, Reply, RunError};
use sluice_plugin::{Timestamp, Verdict};
use sluice_store::MemoryStore;
use sluice_world::{Called, Fault, Process, Processes, Setup, Traffic, When, World};

use crate::books::{Bench, text};

pub(crate) const TARGET: &str = "nats-staging-node-2";
pub(crate) const OTHER: &str = "nats-staging-node-3";
pub(crate) const TERMINATE: &str = "autoscaling:TerminateInstanceInAutoScalingGroup";
pub(crate) const LOCK: &str = "cluster/nats-staging";

/// Messages that may be on their way to the other replicas when a node goes.
pub(crate) const SLACK: u64 = 100;

pub(crate) fn bench() -> Bench {
    Bench::new(&text("replace-node"))
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// So long before the run begins.
    Before(u64),
    /// So long after the run has begun.
    Begun(u64),
    /// When it is looked at what would be done, right before anybody is asked; when nothing else happens.
    Binding,
    /// While the person thinks, which then takes so many seconds more.
    Asked(u64),
    /// So many milliseconds after the yes.
    Yes(u64),
    /// So many seconds after the instance was ended, when nothing else happens.
    Ended(u64),
}

/// Sits at the terminal, thinks for a while and types the name whenever it is asked.
pub(crate) struct Person {
    world: World,
    thinks: Duration,
    /// While it thinks, the first time.
    during: Mutex<Vec<Fault>>,
    /// After its first yes.
    after: Mutex<Vec<(Duration, Fault)>>,
    /// Somebody breaks the lock while it thinks.
    breaks: Option<Arc<dyn Store>>,
    asked: AtomicU32,
    /// Calls over the network before it was asked first.
    calls_before: AtomicUsize,
    /// So often it says yes before it has had enough.
    pub(crate) patience: u32,
}

impl Person {
    pub(crate) fn new(world: &World) -> Self {
        let (world, thinks) = (world.clone(), Duration::from_secs(20));
        Self {
            world,
            thinks,
            during: Mutex::default(),
            after: Mutex::default(),
            breaks: None,
            asked: AtomicU32::new(0),
            calls_before: AtomicUsize::new(0),
            patience: 4,
        }
    }

    async fn break_lock(&self, store: &Arc<dyn Store>) {
        let lock = store.look(LOCK).await.unwrap().unwrap();
        let breach = Breach { by: "bo@laptop".into(), why: "it hung".into(), at: Timestamp(0) };
        assert!(store.break_lock(LOCK, lock.generation, &breach).await.unwrap());
    }
}

#[async_trait]
impl Asker for Person {
    async fn ask(&self, question: Question) -> Reply {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        if asked == 1 {
            self.calls_before.store(self.world.calls().len(), Ordering::SeqCst);
        }
        std::mem::take(&mut *self.during.lock().unwrap()).into_iter().for_each(|fault| self.world.happen(fault));
        self.world.clock().sleep(self.thinks).await;
        if let Some(store) = &self.breaks {
            self.break_lock(store).await;
        }
        for (later, fault) in std::mem::take(&mut *self.after.lock().unwrap()) {
            self.world.plan(When::At(self.world.clock().elapsed() + later), fault);
        }
        let because = (asked > self.patience).then(|| "enough".to_owned());
        Reply { yes: asked <= self.patience, typed: question.typed, because }
    }
}

/// One run, told from its end.
pub(crate) struct Story {
    /// The exit code that `run` would have.
    pub(crate) exit: u8,
    /// Where the run stands: `done`, `stopped, open`, `asking`, ...
    pub(crate) left: String,
    /// What its journal says of what went wrong, and the error it ended with, in order.
    pub(crate) words: Vec<String>,
    /// The instance that there was at the start.
    pub(crate) old: String,
    pub(crate) terminations: Vec<String>,
    /// Requests to end an instance that left, whatever came of them.
    pub(crate) requests: usize,
    /// Why a request was not safe at its moment.
    pub(crate) unsafe_: Vec<String>,
    pub(crate) lock_held: bool,
    pub(crate) asked: u32,
    calls_before: usize,
    /// Of the gate that did not pass last.
    pub(crate) verdict: Option<String>,
    pub(crate) outputs: serde_json::Map<String, serde_json::Value>,
    pub(crate) took: Duration,
}

/// What is told about: the world made anew, and what is to happen in it.
pub(crate) struct Scene<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) store: Arc<dyn Store>,
    person: Person,
    old: Option<String>,
    /// When the request leaves, once it is asked for. That begins the world anew, so it is asked for first.
    ended: Option<Duration>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(bench: &'a Bench) -> Self {
        Self::over(bench, Arc::new(MemoryStore::default()))
    }

    pub(crate) fn over(bench: &'a Bench, store: Arc<dyn Store>) -> Self {
        bench.world.begin_again(setup(bench));
        Self { bench, store, person: Person::new(&bench.world), old: None, ended: None }
    }

    /// Lets the lock be broken while the person thinks.
    pub(crate) fn lock_broken(mut self) -> Self {
        self.person.breaks = Some(self.store.clone());
        self
    }

    pub(crate) async fn with(mut self, at: At, faults: Vec<Fault>) -> Self {
        let world = &self.bench.world;
        match at {
            At::Before(seconds) => {
                self.old = Some(instance(world));
                faults.into_iter().for_each(|fault| world.happen(fault));
                world.run(world.clock().sleep(Duration::from_secs(seconds))).await;
            }
            At::Begun(later) => {
                let moment = When::At(world.clock().elapsed() + Duration::from_secs(later));
                faults.into_iter().for_each(|fault| world.plan(moment, fault));
            }
            At::Binding => {
                let story = Box::pin(Scene::new(self.bench).told()).await;
                world.begin_again(setup(self.bench));
                let moment = When::Before { call: story.calls_before };
                faults.into_iter().for_each(|fault| world.plan(moment, fault));
            }
            At::Asked(seconds) => {
                self.person.thinks = Duration::from_secs(seconds);
                *self.person.during.lock().unwrap() = faults;
            }
            At::Yes(later) => {
                let later = Duration::from_millis(later);
                let more = faults.into_iter().map(|fault| (later, fault));
                self.person.after.lock().unwrap().extend(more);
            }
            At::Ended(later) => {
                let ended = match self.ended {
                    Some(ended) => ended,
                    None => {
                        let ended = ended_at(self.bench).await;
                        world.begin_again(setup(self.bench));
                        *self.ended.insert(ended)
                    }
                };
                let moment = When::At(ended + Duration::from_secs(later));
                faults.into_iter().for_each(|fault| world.plan(moment, fault));
            }
        }
        self
    }

    /// Drives the run from its beginning.
    pub(crate) async fn told(self) -> Story {
        let old = self.old.clone().unwrap_or_else(|| instance(&self.bench.world));
        let person = Arc::new(self.person);
        let process = process(self.bench, &self.store, 1, &person);
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let ran = Box::pin(process.engine.start(self.bench.order(), &mut signals));
        let ran = self.bench.world.run(ran).await;
        let error = ran.err();
        tell(self.bench, (&self.store, &self.bench.order().run), &process, &person, error, &old).await
    }
}

/// Another process, with AWS well again, goes on with what the first one left.
pub(crate) async fn resume(bench: &Bench, store: Arc<dyn Store>, old: &str) -> Story {
    bench.world.happen(Fault::AwsWell);
    let person = Arc::new(Person::new(&bench.world));
    let second = process(bench, &store, 2, &person);
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (run, recheck) = (bench.order().run, |snapshot: &_| bench.recheck(snapshot));
    let resumed = bench.world.run(Box::pin(second.engine.resume(&run, &recheck, &mut signals))).await;
    let error = match resumed {
        // It may have ended, and could not give its lock back.
        Ok(_) | Err(OpenError::Over { .. }) => None,
        Err(OpenError::Run(error)) => Some(error),
        Err(other) => panic!("{other}"),
    };
    tell(bench, (&store, &run), &second, &person, error, old).await
}

/// Traffic all the time, and a store that takes a while to copy.
pub(crate) fn setup(bench: &Bench) -> Setup {
    let mut setup = bench.setup(7);
    setup.traffic = Traffic::steady(200);
    setup
}

pub(crate) fn process(bench: &Bench, store: &Arc<dyn Store>, pid: u32, person: &Arc<Person>) -> Process {
    let mut process = Processes::new(bench.world.clone(), store.clone()).start(pid, bench.registry.clone());
    process.engine.confirming.asker = Some(person.clone());
    process
}

/// The instance behind the target.
pub(crate) fn instance(world: &World) -> String {
    world.instance(TARGET).unwrap_or_default()
}

/// When the request leaves in a run to which nothing happens.
async fn ended_at(bench: &Bench) -> Duration {
    let story = Box::pin(Scene::new(bench).told()).await;
    assert_eq!(story.exit, 0, "{:?}", story.words);
    requests(&bench.world)[0].at
}

pub(crate) fn requests(world: &World) -> Vec<Called> {
    world.calls().into_iter().filter(|call| call.what == TERMINATE).collect()
}

/// What of the requests was not safe in truth. A target that is down or empty anyway can only be missed.
pub(crate) fn harm(world: &World) -> Vec<String> {
    requests(world).iter().filter_map(|call| call.truth.needs(TARGET, SLACK)).collect()
}

async fn tell(
    bench: &Bench,
    (store, run): (&Arc<dyn Store>, &RunId),
    process: &Process,
    person: &Person,
    error: Option<RunError>,
    old: &str,
) -> Story {
    let recheck = |snapshot: &_| bench.recheck(snapshot);
    let loaded = process.engine.load(run, &recheck).await;
    let held = store.look(LOCK).await.unwrap().is_some_and(|lock| lock.holder().is_some());
    let terminations = bench.world.terminations();
    assert!(terminations.iter().all(|ended| ended == old), "{terminations:?} and not only {old}");
    assert!(terminations.len() <= 1, "{terminations:?}");
    let mut words = loaded.as_ref().map_or_else(|_| Vec::new(), |loaded| words(&loaded.envelopes));
    words.extend(error.as_ref().map(ToString::to_string));
    let (exit, left) = match (&loaded, &error) {
        (_, Some(RunError::Policy(_))) => (2, "refused".to_owned()),
        (Err(_), _) => (1, "never begun".to_owned()),
        (Ok(_), Some(_)) => (1, "open".to_owned()),
        (Ok(loaded), None) => standing(loaded),
    };
    Story {
        exit,
        left,
        words,
        old: old.to_owned(),
        terminations,
        requests: requests(&bench.world).len(),
        unsafe_: harm(&bench.world),
        lock_held: held,
        asked: person.asked.load(Ordering::SeqCst),
        calls_before: person.calls_before.load(Ordering::SeqCst),
        verdict: loaded.as_ref().ok().and_then(|loaded| verdict(&loaded.envelopes)),
        outputs: loaded
            .map(|loaded| sluice_engine::machine::fill::outputs(&loaded.runbook, &loaded.state))
            .unwrap_or_default(),
        took: bench.world.clock().elapsed(),
    }
}

/// Exit code and state, as the command line tells them.
fn standing(loaded: &Loaded) -> (u8, String) {
    if let Some((outcome, _)) = &loaded.state.ended {
        return (outcome.exit(), outcome.name().to_owned());
    }
    if is_stopped_open(&loaded.runbook, &loaded.state).is_some() {
        return (3, "stopped, open".to_owned());
    }
    let asking = loaded.state.unanswered().next().is_some();
    (7, if asking { "asking" } else { "parked" }.to_owned())
}

fn words(envelopes: &[Envelope]) -> Vec<String> {
    let one = |envelope: &Envelope| {
        Some(match &envelope.event {
            Event::Judged { key, verdict, why, .. } if *verdict != Verdict::Pass => format!("{key}: {why}"),
            Event::Failed { key, problem, .. } => format!("{key}: {}: {}", problem.code, problem.message),
            Event::Reconciled { key, verdict, .. } => format!("{key} looked for: {}", found(verdict)),
            Event::Voided { why, .. } => format!("the yes counts no more: {}", void(why)),
            Event::LockLost { how, .. } => format!("the lock is lost: {how:?}"),
            _ => return None,
        })
    };
    envelopes.iter().filter_map(one).collect()
}

/// `quorum: fail`, of the gate that did not pass last.
fn verdict(envelopes: &[Envelope]) -> Option<String> {
    envelopes.iter().rev().find_map(|envelope| match &envelope.event {
        Event::Judged { key, verdict, .. } if *verdict != Verdict::Pass => Some(format!("{key}: {verdict}")),
        Event::Voided { why: Void::GateFailed { gate, verdict, .. }, .. } => Some(format!("{gate}: {verdict}")),
        _ => None,
    })
}

fn found(found: &sluice_engine::journal::Found) -> &'static str {
    use sluice_engine::journal::Found::{CannotTell, Done, NotDone};
    match found {
        Done { .. } => "done",
        NotDone => "not done",
        CannotTell => "cannot tell",
    }
}

fn void(why: &Void) -> String {
    match why {
        Void::GateFailed { gate, why, .. } => format!("{gate}: {why}"),
        Void::Moved { changes, .. } => match changes["problem"]["message"].as_str() {
            Some(message) => message.to_owned(),
            None => format!("it would do something else: {}", changes["is"]),
        },
        Void::Denied => "denied".to_owned(),
        Void::Expired => "nobody said yes in time, or it is too old".to_owned(),
        Void::Cancelled => "the run is to end".to_owned(),
        Void::Superseded => "something else is asked".to_owned(),
    }
}
