//! Locks between runs: of one store, and of several homes that share only the place of their locks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::ids::RunId;
use sluice_engine::journal::store::*;
use sluice_engine::journal::{After, Event, Loss, Outcome, Trigger};
use sluice_engine::machine::State;
use sluice_engine::run::{Ending, Engine, LockError, LockPlaces, OpenError, Order, Place, RunError, Signal};
use sluice_engine::runbook::Checked;
use sluice_store::MemoryStore;

use super::stores::{Dying, When};
use super::world::World;
use super::{check_text, comes_out_the_same, end_of, recheck, resume, run_id};

pub(super) const READS_THEN_ACTS: &str = "
runbook: toy
summary: A toy.
lock: it
steps:
  - { id: a, uses: toy.read, with: { takes: 10s } }
  - { id: b, uses: toy.change, with: { value: 1 } }
  - { id: c, uses: toy.read, with: { takes: 10s } }
";

pub(super) const ACTS: &str = "
runbook: other
summary: A toy.
lock: it
steps:
  - { id: x, uses: toy.change, with: { value: 9 } }
";

/// Locks that several homes see, as those of a service that may not answer.
#[derive(Default)]
pub(super) struct Shared {
    locks: MemoryStore,
    silent: AtomicBool,
    /// Each answer takes so many seconds.
    slow: AtomicU64,
    /// What happens while the machine sleeps over the next answer that decides about an act.
    sleeps: Mutex<Option<Sleep>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    BeforeTheFirstAct,
    BeforeTheSecondAct,
}

#[async_trait]
impl Locks for Shared {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.answers().await?;
        let seen = self.locks.look(name).await;
        let acts = seen.iter().flatten().filter_map(Lock::holder).any(|holder| holder.effect);
        self.sleep(Sleep::BeforeTheSecondAct, acts).await;
        seen
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        self.answers().await?;
        self.locks.take(name, seen, holder).await
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        self.answers().await?;
        let kept = self.locks.renew(name, generation, keep).await;
        self.sleep(Sleep::BeforeTheFirstAct, keep.effect).await;
        kept
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.answers().await?;
        self.locks.release(name, generation).await
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        self.locks.break_lock(name, generation, breach).await
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.locks.held().await
    }
}

impl Shared {
    /// Two hours, in which somebody breaks the lock.
    async fn sleep(&self, which: Sleep, now: bool) {
        let due = self.sleeps.lock().unwrap().take_if(|wanted| *wanted == which && now);
        if due.is_some() {
            let generation = self.locks.look("it").await.unwrap().unwrap().generation;
            let breach = Breach { by: "ben@desk".into(), why: "nobody answers".into(), at: Timestamp(1) };
            assert!(self.locks.break_lock("it", generation, &breach).await.unwrap());
            tokio::time::advance(Duration::from_secs(7200)).await;
        }
    }

    async fn answers(&self) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_secs(self.slow.load(Ordering::SeqCst))).await;
        let silent = self.silent.load(Ordering::SeqCst);
        if silent { Err(StoreError::Unreachable("nobody answers".into())) } else { Ok(()) }
    }
}

struct Places(Arc<Shared>);

#[async_trait]
impl LockPlaces for Places {
    fn choose(&self, _: &Checked, _: &Value) -> LockedAt {
        LockedAt::Ssm { account: Some("123456789012".into()), region: "us-east-2".into(), path: "/x".into() }
    }

    async fn open(&self, _: &LockedAt, _: &Value) -> Result<Place, StoreError> {
        Ok(Place { locks: self.0.clone(), caller: Some("arn:aws:sts::123456789012:ana".into()) })
    }
}

/// Homes with a store each; clock, dead processes and what was done are those of one world.
pub(super) struct Homes {
    pub(super) world: World,
    pub(super) shared: Arc<Shared>,
}

impl Homes {
    pub(super) fn new() -> Self {
        Self { world: World::new(Arc::new(MemoryStore::default())), shared: Arc::default() }
    }

    /// A process in a home of its own.
    pub(super) fn elsewhere(&self, pid: u32) -> Engine {
        self.at(Arc::new(MemoryStore::default()), pid)
    }

    pub(super) fn at(&self, store: Arc<dyn Store>, pid: u32) -> Engine {
        let mut engine = World { store, ..self.world.clone() }.process(pid);
        engine.locking.places = Some(Arc::new(Places(self.shared.clone())));
        engine
    }

    pub(super) fn kill(&self, pid: u32) {
        self.world.dead.lock().unwrap().push(pid);
    }
}

pub(super) fn order(text: &str) -> Order {
    Order {
        run: run_id(),
        runbook: Arc::new(check_text(text)),
        origin: "a test".into(),
        inputs: json!({}),
        trigger: Trigger::Cli,
    }
}

pub(super) async fn start(engine: &Engine, order: Order) -> Result<(Ending, State), RunError> {
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    engine.start(order, &mut signals).await
}

pub(super) async fn begin(engine: &Engine, text: &str) -> (RunId, Result<Ending, RunError>) {
    let order = order(text);
    let run = order.run.clone();
    (run, start(engine, order).await.map(|(ending, _)| ending))
}

pub(super) const DONE: Ending = Ending::Ended(Outcome::Done);

/// A run whose process died right after the first step, right after it intended its act, or right after that.
pub(super) async fn died(homes: &Homes, pid: u32, after: &str) -> (Arc<dyn Store>, RunId) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    // The first append tells that the run has begun, the second one of its first step; then an intent, and its end.
    let at = match after {
        "its read" => 2,
        "its intent" => 3,
        _ => 4,
    };
    let engine = homes.at(Arc::new(Dying::new(store.clone(), at, When::After)), pid);
    let (run, ended) = begin(&engine, READS_THEN_ACTS).await;
    assert!(ended.is_err());
    homes.kill(pid);
    (store, run)
}

/// All that happened to a run, which is decided in the same way again.
pub(super) async fn events(engine: &Engine, run: &RunId) -> Vec<Event> {
    comes_out_the_same(engine, run).await;
    let loaded = engine.load(run, &recheck).await.unwrap();
    loaded.envelopes.into_iter().map(|envelope| envelope.event).collect()
}

pub(super) fn holder_of(error: &RunError) -> Option<&RunId> {
    let RunError::Lock(error) = error else { panic!("{error}") };
    error.holder()
}

#[tokio::test(start_paused = true)]
async fn a_second_run_gives_up_at_once_and_says_who_has_the_lock() {
    let homes = Homes::new();
    let (first, second) = (homes.elsewhere(1), homes.elsewhere(2));
    let one = order(READS_THEN_ACTS);
    let run = one.run.clone();
    let other = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        begin(&second, ACTS).await
    };
    let (ended, (refused, error)) = tokio::join!(start(&first, one), other);
    assert_eq!(ended.unwrap().0, DONE);
    let error = error.unwrap_err();
    assert_eq!(holder_of(&error), Some(&run));
    assert!(error.to_string().contains("toy") && error.to_string().contains("p1@here"), "{error}");
    // It was never begun: nothing of it is left.
    assert!(second.store.journals().await.unwrap().is_empty(), "{refused}");
    assert_eq!(homes.world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_run_waits_as_long_as_it_is_told_to() {
    for (wait, comes) in [(60, true), (3, false)] {
        let homes = Homes::new();
        let (first, mut second) = (homes.elsewhere(1), homes.elsewhere(2));
        second.locking.wait = Duration::from_secs(wait);
        let other = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            begin(&second, ACTS).await.1
        };
        let (ended, other) = tokio::join!(start(&first, order(READS_THEN_ACTS)), other);
        assert_eq!(ended.unwrap().0, DONE);
        assert_eq!(other.is_ok(), comes, "{other:?}");
        let changes: &[&str] = if comes { &["b 1", "x 9"] } else { &["b 1"] };
        assert_eq!(homes.world.diary.changes(), changes);
        assert!(homes.shared.held().await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_can_be_interrupted() {
    let homes = Homes::new();
    let mut second = homes.elsewhere(2);
    second.locking.wait = Duration::from_secs(60);
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        second.start(order(ACTS), &mut signals).await
    };
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        sender.send(Signal::Interrupt).unwrap();
    };
    let first = homes.elsewhere(1);
    let (_, other, ()) = tokio::join!(start(&first, order(READS_THEN_ACTS)), other, interrupt);
    assert!(matches!(other, Err(RunError::Lock(LockError::GivenUp { .. }))), "{other:?}");
    assert_eq!(homes.world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_holder_keeps_the_lock_once_it_has_begun_to_act() {
    for (after, free) in [("its read", true), ("its intent", false), ("its act", false)] {
        let homes = Homes::new();
        let (store, run) = died(&homes, 1, after).await;
        let other = homes.elsewhere(2);
        let (_, ended) = begin(&other, ACTS).await;
        assert_eq!(ended.is_ok(), free, "{after}: {ended:?}");
        if free {
            // Its own journal does not know of it: it is another home's. What it would repeat is not known there.
            let error = resume(&homes.at(store, 3), &run).await.unwrap_err();
            assert!(matches!(error, OpenError::Run(RunError::Lock(LockError::MovedOn { .. }))), "{error}");
            continue;
        }
        assert_eq!(holder_of(&ended.unwrap_err()), Some(&run));
        // The same run goes on at once, and then the other one.
        let again = homes.at(store, 3);
        assert_eq!(resume(&again, &run).await.unwrap().0, DONE);
        comes_out_the_same(&again, &run).await;
        assert_eq!(begin(&other, ACTS).await.1.unwrap(), DONE);
        assert_eq!(homes.world.diary.changes(), ["b 1", "x 9"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_lost_to_another_run_is_in_both_journals_and_taken_again() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 2, When::After));
    let (run, died) = begin(&first, READS_THEN_ACTS).await;
    died.unwrap_err();
    world.dead.lock().unwrap().push(1);
    let second = world.process(2);
    let (other, ended) = begin(&second, ACTS).await;
    assert_eq!(ended.unwrap(), DONE);
    let lost = Event::LockLost { generation: 1, how: Loss::Taken { by: other.clone() } };
    assert!(events(&second, &run).await.contains(&lost));
    let lapsed = After::Lapsed { run: run.clone() };
    let took = |event: &Event| matches!(event, Event::Locked { after: Some(after), .. } if *after == lapsed);
    assert!(events(&second, &other).await.iter().any(took));
    assert_eq!(resume(&second, &run).await.unwrap().0, DONE);
    assert_eq!(world.diary.changes(), ["x 9", "b 1"]);
    assert!(world.store.held().await.unwrap().is_empty());
}

/// Asleep: nothing of the process goes on, and the clock does.
#[tokio::test(start_paused = true)]
async fn a_sleeper_whose_lease_lapsed_does_not_act_when_it_wakes() {
    // Acts that may be repeated, that are done once, and that are done once and foreseen.
    for act in ["toy.change", "toy.once", "toy.send"] {
        sleeps_through_its_lease(&READS_THEN_ACTS.replace("toy.change", act)).await;
    }
}

async fn sleeps_through_its_lease(text: &str) {
    let homes = Homes::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (sleeper, other) = (homes.at(store.clone(), 1), homes.elsewhere(2));
    let order = order(text);
    let run = order.run.clone();
    let mut asleep = Box::pin(start(&sleeper, order));
    tokio::select! {
        ended = &mut asleep => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    // Half a minute is no silence yet.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(holder_of(&begin(&other, ACTS).await.1.unwrap_err()), Some(&run));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(begin(&other, ACTS).await.1.unwrap(), DONE);
    let woken = asleep.await;
    assert!(matches!(&woken, Err(RunError::Lock(LockError::Lost { name })) if name == "it"), "{woken:?}");
    assert_eq!(homes.world.diary.changes(), ["x 9"]);
    // It knows what happened, and goes on under the lock when told to.
    let again = homes.at(store, 3);
    homes.kill(1);
    assert!(events(&again, &run).await.iter().any(|event| matches!(event, Event::LockLost { .. })));
    assert_eq!(resume(&again, &run).await.unwrap().0, DONE);
    assert_eq!(homes.world.diary.changes(), ["x 9", "b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_that_only_looks_stops_as_well() {
    let homes = Homes::new();
    let sleeper = homes.elsewhere(1);
    let looks = READS_THEN_ACTS.replace("toy.change", "toy.read").replace("10s", "1h");
    let mut asleep = Box::pin(start(&sleeper, order(&looks)));
    tokio::select! {
        ended = &mut asleep => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(begin(&homes.elsewhere(2), ACTS).await.1.unwrap(), DONE);
    let woken = asleep.await;
    assert!(matches!(&woken, Err(RunError::Lock(LockError::Lost { .. }))), "{woken:?}");
}

/// The answer was true when it was given.
#[tokio::test(start_paused = true)]
async fn who_sleeps_over_the_answer_asks_again_before_it_acts() {
    let acts = "runbook: toy\nsummary: A toy.\nlock: it\nsteps:\n  - { id: a, uses: toy.change, with: { value: 1 } }\n  - { \
                id: b, uses: toy.once, with: { value: 2 } }\n";
    let cases = [(Sleep::BeforeTheFirstAct, [].as_slice()), (Sleep::BeforeTheSecondAct, &["a 1"])];
    for (sleep, changes) in cases {
        let homes = Homes::new();
        *homes.shared.sleeps.lock().unwrap() = Some(sleep);
        let (_, woken) = begin(&homes.elsewhere(1), acts).await;
        assert_eq!(homes.world.diary.changes(), changes);
        assert!(matches!(&woken, Err(RunError::Lock(LockError::Lost { .. }))), "{woken:?}");
        assert!(homes.shared.sleeps.lock().unwrap().is_none(), "it did not sleep");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_whose_lock_nobody_took_goes_on() {
    let homes = Homes::new();
    let sleeper = homes.elsewhere(1);
    let mut asleep = Box::pin(start(&sleeper, order(READS_THEN_ACTS)));
    tokio::select! {
        ended = &mut asleep => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(asleep.await.unwrap().0, DONE);
    assert_eq!(homes.world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_living_run_is_heard_of_for_hours() {
    let homes = Homes::new();
    let text = READS_THEN_ACTS.replace("{ takes: 10s } }\n  - { id: b", "{ takes: 9h }, timeout: 10h }\n  - { id: b");
    let first = homes.elsewhere(1);
    let order = order(&text);
    let run = order.run.clone();
    let other = async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            // From another machine nothing but the lease tells.
            assert_eq!(holder_of(&begin(&homes.elsewhere(2), ACTS).await.1.unwrap_err()), Some(&run));
        }
    };
    let (ended, ()) = tokio::join!(start(&first, order), other);
    assert_eq!(ended.unwrap().0, DONE);
    assert_eq!(homes.world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_nothing_is_begun_and_nothing_done() {
    let homes = Homes::new();
    homes.shared.silent.store(true, Ordering::SeqCst);
    let first = homes.elsewhere(1);
    let (_, ended) = begin(&first, ACTS).await;
    assert!(matches!(&ended, Err(RunError::Lock(LockError::CannotTell { .. }))), "{ended:?}");
    assert!(first.store.journals().await.unwrap().is_empty());
    homes.shared.silent.store(false, Ordering::SeqCst);
    // A short silence is waited out, before the act; a long one ends the process, and the run can be resumed.
    for (seconds, acts) in [(60, true), (600, false)] {
        let homes = Homes::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let first = homes.at(store.clone(), 1);
        let order = order(READS_THEN_ACTS);
        let run = order.run.clone();
        let silence = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            homes.shared.silent.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            homes.shared.silent.store(false, Ordering::SeqCst);
        };
        let (ended, ()) = tokio::join!(start(&first, order), silence);
        assert_eq!(ended.is_ok(), acts, "{ended:?}");
        if !acts {
            assert!(matches!(ended, Err(RunError::Lock(LockError::CannotTell { .. }))), "{ended:?}");
            assert!(homes.world.diary.changes().is_empty());
            homes.kill(1);
            assert_eq!(resume(&homes.at(store, 2), &run).await.unwrap().0, DONE);
        }
        assert_eq!(homes.world.diary.changes(), ["b 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_keeps_its_lock() {
    let homes = Homes::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = homes.at(store.clone(), 1);
    let order = order(READS_THEN_ACTS);
    let run = order.run.clone();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        sender.send(Signal::Interrupt).unwrap();
    };
    let (ended, ()) = tokio::join!(first.start(order, &mut signals), interrupt);
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Interrupted));
    assert_eq!(holder_of(&begin(&homes.elsewhere(2), ACTS).await.1.unwrap_err()), Some(&run));
    assert_eq!(resume(&homes.at(store, 3), &run).await.unwrap().0, DONE);
    assert_eq!(homes.world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_could_not_give_the_lock_back_is_an_end() {
    let homes = Homes::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = homes.at(store.clone(), 1);
    let order = order(READS_THEN_ACTS);
    let run = order.run.clone();
    let silence = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        homes.shared.silent.store(true, Ordering::SeqCst);
    };
    let (ended, ()) = tokio::join!(start(&first, order), silence);
    assert_eq!(ended.unwrap().0, DONE);
    homes.shared.silent.store(false, Ordering::SeqCst);
    // Elsewhere nobody knows that it has ended; here everybody does.
    assert_eq!(holder_of(&begin(&homes.elsewhere(2), ACTS).await.1.unwrap_err()), Some(&run));
    let again = homes.at(store.clone(), 3);
    assert!(matches!(resume(&again, &run).await, Err(OpenError::Over { .. })));
    assert!(homes.shared.held().await.unwrap().is_empty());
    assert!(end_of(&again, &run).await.starts_with("done"));
    assert_eq!(begin(&homes.elsewhere(2), ACTS).await.1.unwrap(), DONE);
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_lease_lets_anybody_go_on_with_the_run() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let (first, second) = (world.process(1), world.process(2));
    let text = READS_THEN_ACTS.replace("lock: it\n", "");
    let order = order(&text);
    let run = order.run.clone();
    let mut asleep = Box::pin(start(&first, order));
    tokio::select! {
        ended = &mut asleep => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    assert!(matches!(resume(&second, &run).await, Err(OpenError::Owned { .. })));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(resume(&second, &run).await.unwrap().0, DONE);
    assert_eq!(asleep.await.unwrap().0, Ending::Lost);
    assert_eq!(world.diary.changes(), ["b 1"]);
}

#[tokio::test(start_paused = true)]
async fn acts_that_begin_together_ask_once() {
    let acts: String =
        (0..6).map(|at| format!("      - {{ id: a{at}, uses: toy.once, with: {{ value: 1 }} }}\n")).collect();
    let text = format!("runbook: toy\nsummary: A toy.\nlock: it\nsteps:\n  - id: all\n    parallel:\n{acts}");
    let homes = Homes::new();
    homes.shared.slow.store(2, Ordering::SeqCst);
    let (_, ended) = begin(&homes.elsewhere(1), &text).await;
    assert_eq!(ended.unwrap(), DONE);
    assert_eq!(homes.world.diary.changes().len(), 6);
}
