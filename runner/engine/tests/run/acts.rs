//! Acts that may not be done twice: intended first, begun in time or not at all, looked for, parked, settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Event, Found, Key, Outcome, Ruling};
use sluice_engine::machine::State;
use sluice_engine::run::{Clock, Ending, Engine, Loaded, OpenError, Order, Signal, index_entry};
use sluice_plugin::{Purpose, Timestamp};
use sluice_store::MemoryStore;

use super::cases::Case;
use super::stores::{Dying, Slow, When};
use super::world::{TestClock, World};
use super::{begin, check_text, ends, recheck, resume, run_id, text_of};

fn case(steps: &'static str) -> Case {
    Case { name: "acts", steps, outcome: "", ends: "" }
}

fn world() -> World {
    World::new(Arc::new(MemoryStore::default()))
}

async fn load(engine: &Engine, run: &RunId) -> Loaded {
    engine.load(run, &recheck).await.unwrap()
}

fn how(loaded: &Loaded) -> String {
    ends(&loaded.runbook, &loaded.state)
}

async fn settle(engine: &Engine, run: &RunId, key: &str, ruling: Ruling) -> Result<State, OpenError> {
    engine.settle(run, &Key(key.into()), ruling, "somebody looked", &recheck).await
}

/// Begins the case in process 1; a run that parks is left to anybody.
async fn parked(world: &World, steps: &'static str) -> RunId {
    let (run, ended) = begin(&world.process(1), &case(steps)).await;
    let (ending, state) = ended.unwrap();
    assert_eq!(ending, Ending::Parked);
    assert_eq!(index_entry(&run, &state, 0).status, "parked");
    run
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_waits_for_a_person() {
    for looks in ["cannot", "error", "flip", "panic"] {
        let world = world();
        let steps = Box::leak(
            format!(
                "
            steps:
              - {{ id: a, uses: toy.send, with: {{ value: 1, answers: maybe, looks: {looks} }}, timeout: 1m }}
              - {{ id: b, uses: toy.read, with: {{ value: '{{{{ steps.a }}}}' }} }}
            finally:
              - {{ id: f, uses: toy.change }}"
            )
            .into_boxed_str(),
        );
        let run = parked(&world, steps).await;
        let (first, second) = (world.process(1), world.process(2));
        assert_eq!(how(&load(&first, &run).await), "a stuck, b pending, f pending", "{looks}");
        assert_eq!(world.diary.sends(), ["a"], "{looks}");
        // Process 1 lives on; nobody has to wait for it.
        let (ending, _) = resume(&second, &run).await.unwrap();
        assert_eq!(ending, Ending::Parked, "{looks}");
        assert_eq!(world.diary.sends(), ["a"], "{looks}");
        let done = Ruling::Done { output: json!({ "value": 7 }) };
        assert!(settle(&first, &run, "a", done.clone()).await.is_ok(), "{looks}");
        assert!(matches!(settle(&first, &run, "a", done).await, Err(OpenError::NotOpen { is: "done", .. })));
        let (ending, _) = resume(&second, &run).await.unwrap();
        assert_eq!(ending, Ending::Ended(Outcome::Done), "{looks}");
        let loaded = load(&first, &run).await;
        assert_eq!(loaded.state.steps.slots[1].output(&loaded.runbook.steps[1]), json!({ "value": { "value": 7 } }));
        assert_eq!(world.diary.sends(), ["a"], "{looks}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_that_cannot_be_looked_for_is_parked_at_once() {
    let world = world();
    let before = world.clock.now();
    let run = parked(&world, "steps: [ { id: a, uses: toy.once, with: { value: 1, answers: lost } } ]").await;
    assert!(world.clock.now().since(before) < Duration::from_secs(60));
    let engine = world.process(3);
    assert!(settle(&engine, &run, "a", Ruling::NotDone).await.is_ok());
    let (ending, _) = resume(&engine, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    // The second attempt did it, and the first did not.
    assert_eq!(world.diary.sends(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_says_is_judged() {
    let world = world();
    let run = parked(
        &world,
        "
        steps:
          - { id: r, uses: toy.read }
          - { id: a, uses: toy.once, with: { answers: maybe } }
          - { id: b, uses: toy.once }",
    )
    .await;
    let engine = world.process(2);
    let check = async |key: &str, ruling, expect: fn(&OpenError) -> bool| {
        let said = settle(&engine, &run, key, ruling).await.unwrap_err();
        assert!(expect(&said), "{key}: {said}");
    };
    check("r", Ruling::NotDone, |said| matches!(said, OpenError::NotOpen { is: "done", .. })).await;
    check("b", Ruling::NotDone, |said| matches!(said, OpenError::NotOpen { is: "pending", .. })).await;
    check("x", Ruling::NotDone, |said| matches!(said, OpenError::NoStep { .. })).await;
    let unfit = Ruling::Done { output: json!({ "nonsense": 1 }) };
    check("a", unfit, |said| matches!(said, OpenError::BadOutput { .. })).await;
    assert!(settle(&engine, &run, "a", Ruling::Done { output: json!(null) }).await.is_ok());
    resume(&engine, &run).await.unwrap();
    check("a", Ruling::NotDone, |said| matches!(said, OpenError::Over { .. })).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_before_the_act_is_over() {
    let world = world();
    let steps = "steps: [ { id: a, uses: toy.send, with: { value: 1, answers: lost }, timeout: 5m } ]";
    let (run, ended) = begin(&world.process(1), &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    let loaded = load(&world.process(1), &run).await;
    let intents: Vec<Timestamp> = events(&loaded, |event| match event {
        Event::Intended { act_by, .. } => Some(*act_by),
        _ => None,
    });
    assert_eq!(intents.len(), 2);
    let looked = loaded.envelopes.iter().find(|envelope| matches!(envelope.event, Event::Reconciled { .. })).unwrap();
    assert!(looked.at >= intents[0].plus(Duration::from_secs(300)), "{looked:?}");
    assert!(matches!(&looked.event, Event::Reconciled { verdict: Found::NotDone, evidence, .. }
        if evidence["looks"].as_array().unwrap().len() == 2));
    assert_eq!(world.diary.sends(), ["a"]);
}

fn events<T>(loaded: &Loaded, wanted: impl Fn(&Event) -> Option<T>) -> Vec<T> {
    loaded.envelopes.iter().filter_map(|envelope| wanted(&envelope.event)).collect()
}

/// A clock that somebody sets back by an hour.
struct SetBack {
    inner: Arc<TestClock>,
    back: Arc<AtomicBool>,
}

#[async_trait]
impl Clock for SetBack {
    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        if self.back.load(Ordering::SeqCst) { Timestamp(now.0 - 3_600_000) } else { now }
    }

    fn since_boot(&self) -> Duration {
        self.inner.since_boot()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.inner.sleep_until(at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_begins_in_time_or_not_at_all() {
    let steps = "
        steps:
          - { id: a, uses: toy.send, with: { value: 1 } }
        finally:
          - { id: f, uses: toy.read }";
    // Six seconds pass while the intent is written, and somebody may set the clock back meanwhile.
    for (seconds, sets_back, acts) in [(1, false, true), (6, false, false), (6, true, false), (1, true, true)] {
        let world = world();
        let mut engine = world.process(1);
        let back = Arc::new(AtomicBool::new(false));
        engine.clock = Arc::new(SetBack { inner: world.clock.clone(), back: back.clone() });
        let during = Some(back).filter(|_| sets_back);
        engine.store = Arc::new(Slow { inner: world.store.clone(), time: Duration::from_secs(seconds), during });
        let (run, ended) = begin(&engine, &case(steps)).await;
        let (ending, state) = ended.unwrap();
        let outcome = if acts { Outcome::Done } else { Outcome::Failed { key: Key("a".into()) } };
        assert_eq!(ending, Ending::Ended(outcome), "{seconds} {sets_back}");
        assert_eq!(world.diary.sends().len(), usize::from(acts), "{seconds} {sets_back}");
        assert!(state.intents.is_empty());
        let intents = events(&load(&engine, &run).await, |event| matches!(event, Event::Intended { .. }).then_some(()));
        assert_eq!(intents.len(), 1);
    }
}

async fn with_signal(world: &World, steps: &'static str, after: u64, signals: &[Signal]) -> (RunId, Ending, State) {
    let order = Order {
        run: run_id(),
        runbook: Arc::new(check_text(&text_of(&case(steps)))),
        origin: "a test".into(),
        inputs: json!({}),
        trigger: sluice_engine::journal::Trigger::Cli,
    };
    let run = order.run.clone();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let engine = world.process(1);
    let tell = async {
        tokio::time::sleep(Duration::from_secs(after)).await;
        signals.iter().for_each(|signal| sender.send(*signal).unwrap());
    };
    let (ended, ()) = tokio::join!(engine.start(order, &mut receiver), tell);
    let (ending, state) = ended.unwrap();
    (run, ending, state)
}

#[tokio::test(start_paused = true)]
async fn a_run_abandoned_over_an_act_says_so() {
    let unknown = |key: &str| Outcome::Abandoned { unknown: vec![Key(key.into())] };
    for action in ["send", "once", "change"] {
        let world = world();
        let steps = format!("steps: [ {{ id: a, uses: toy.{action}, with: {{ takes: 1m }} }} ]");
        let steps = Box::leak(steps.into_boxed_str());
        let (_, ending, _) = with_signal(&world, steps, 10, &[Signal::Interrupt, Signal::Abandon]).await;
        let Ending::Ended(outcome) = ending else { panic!("{ending:?}") };
        assert_eq!((&outcome, outcome.exit()), (&unknown("a"), 6), "{action}");
    }
    // Nothing had begun: a preview and a read are no acts.
    for with in ["uses: toy.send, with: { previews: slow }", "uses: toy.read, with: { takes: 1m }"] {
        let steps = Box::leak(format!("steps: [ {{ id: a, {with} }} ]").into_boxed_str());
        let (_, ending, _) = with_signal(&world(), steps, 10, &[Signal::Abandon]).await;
        assert_eq!(ending, Ending::Ended(Outcome::Abandoned { unknown: Vec::new() }), "{with}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_process_leaves_its_act_in_the_outcome() {
    for action in ["send", "change"] {
        let steps =
            Box::leak(format!("steps: [ {{ id: a, uses: toy.{action}, with: {{ value: 1 }} }} ]").into_boxed_str());
        let world = world();
        let mut first = world.process(1);
        // The second append is the intent.
        first.store = Arc::new(Dying::new(world.store.clone(), 2, When::After));
        let (run, died) = begin(&first, &case(steps)).await;
        assert!(died.is_err());
        world.dead.lock().unwrap().push(1);
        let second = world.process(2);
        second.ask_cancel(&run, CancelHow::Abandon, "no more", &recheck).await.unwrap();
        let (ending, _) = resume(&second, &run).await.unwrap();
        assert_eq!(ending, Ending::Ended(Outcome::Abandoned { unknown: vec![Key("a".into())] }), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_interrupted_before_it_acts_does_not_act() {
    let steps = "
        steps: [ { id: a, uses: toy.send, with: { previews: slow } } ]
        finally: [ { id: f, uses: toy.read } ]";
    let world = world();
    let (_, ending, _) = with_signal(&world, steps, 10, &[Signal::Interrupt]).await;
    assert_eq!(ending, Ending::Ended(Outcome::Interrupted));
    assert_eq!(world.diary.sends(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_does_not_wait_to_look() {
    let steps = "
        steps: [ { id: a, uses: toy.send, with: { value: 1, answers: maybe } } ]
        finally: [ { id: f, uses: toy.change } ]";
    let world = world();
    let before = world.clock.now();
    let (run, ending, _) = with_signal(&world, steps, 10, &[Signal::Interrupt]).await;
    assert_eq!(ending, Ending::Parked);
    assert!(world.clock.now().since(before) < Duration::from_secs(60));
    let (ending, _) = resume(&world.process(2), &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.changes(), ["a 1", "f null"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_a_run_may_leave_before_the_time_of_its_act_is_over() {
    let steps = "steps: [ { id: a, uses: toy.send, with: { value: 1, answers: maybe } }, { id: b, uses: toy.read } ]";
    let world = world();
    let (run, ending, _) = with_signal(&world, steps, 10, &[Signal::Interrupt]).await;
    assert_eq!(ending, Ending::Parked);
    let second = world.process(2);
    second.ask_cancel(&run, CancelHow::Now, "wrong cluster", &recheck).await.unwrap();
    let before = world.clock.now();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let tell = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        sender.send(Signal::Interrupt).unwrap();
    };
    let (ended, ()) = tokio::join!(second.resume(&run, &recheck, &mut signals), tell);
    assert_eq!(ended.unwrap().0, Ending::Parked);
    assert!(world.clock.now().since(before) < Duration::from_secs(60), "it waited to look all the same");
    let (ending, _) = resume(&world.process(3), &run).await.unwrap();
    assert_eq!((ending, world.diary.sends()), (Ending::Ended(Outcome::Cancelled), vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_what_somebody_settles() {
    let steps = "
        steps:
          - { id: a, uses: toy.send, with: { value: 1, answers: lost } }
          - { id: b, uses: toy.read }";
    for (ruling, sends) in [(Ruling::Done { output: json!(null) }, 0), (Ruling::NotDone, 1)] {
        let world = world();
        let run = run_id();
        let order = Order {
            run: run.clone(),
            runbook: Arc::new(check_text(&text_of(&case(steps)))),
            origin: "a test".into(),
            inputs: json!({}),
            trigger: sluice_engine::journal::Trigger::Cli,
        };
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let (owner, other) = (world.process(1), world.process(2));
        let says = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            settle(&other, &run, "a", ruling.clone()).await.unwrap();
        };
        let before = world.clock.now();
        let (ended, ()) = tokio::join!(owner.start(order, &mut signals), says);
        assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
        assert!(world.clock.now().since(before) < Duration::from_secs(300), "it waited to look all the same");
        assert_eq!(world.diary.sends().len(), sends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_in_the_middle_of_an_act_is_asked_for_it() {
    let steps = "steps: [ { id: a, uses: toy.send, with: { value: 1, answers: hang } } ]";
    let world = world();
    let first = world.process(1);
    let case = case(steps);
    // Dropped where it stands, as a kill would.
    let killed = tokio::time::timeout(Duration::from_secs(10), begin(&first, &case)).await;
    assert!(killed.is_err());
    let run = world.store.journals().await.unwrap().pop().unwrap();
    let second = world.process(2);
    let said = settle(&second, &run, "a", Ruling::NotDone).await.unwrap_err();
    assert!(matches!(said, OpenError::NotOpen { is: "intended", .. }), "{said}");
    assert!(matches!(resume(&second, &run).await, Err(OpenError::Owned { .. })));
    world.dead.lock().unwrap().push(1);
    let (ending, _) = resume(&second, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_for_what_its_action_does() {
    let steps = "
        steps:
          - { id: a, uses: toy.read, effect: change }
          - { id: b, uses: toy.change }
          - { id: c, uses: toy.send, with: { answers: maybe } }";
    let world = world();
    let (_, ended) = begin(&world.process(1), &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    let check = |step: &str, expect: &[Purpose]| assert_eq!(world.diary.purposes(step), expect, "{step}");
    check("a", &[Purpose::Read]);
    check("b", &[Purpose::Act]);
    check("c", &[Purpose::Preview, Purpose::Act, Purpose::Reconcile, Purpose::Reconcile]);
}
