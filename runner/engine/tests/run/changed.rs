//! Runs met by a Sluice whose actions are others by now: what may still be called must be what it was; the rest is no
//! obstacle, and a run can always be ended.

use std::sync::Arc;

use serde_json::json;
use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Outcome, Snapshot, Trigger};
use sluice_engine::run::{Ending, Engine, OpenError, Order, Signal};
use sluice_engine::runbook::{Checked, load};
use sluice_engine::source::Source;
use sluice_store::MemoryStore;

use super::stores::{Dying, When};
use super::world::{World, changed_registry};
use super::{check_text, end_of, recheck, run_id};

const HEAD: &str = "runbook: toy\nsummary: A toy.\n";

/// A world with the run of these steps, whose process died after this append.
async fn died(steps: &str, at: usize) -> (World, RunId) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), at, When::After));
    let order = order(steps);
    let run = order.run.clone();
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    assert!(first.start(order, &mut signals).await.is_err());
    world.dead.lock().unwrap().push(1);
    (world, run)
}

fn order(steps: &str) -> Order {
    Order {
        run: run_id(),
        runbook: Arc::new(check_text(&format!("{HEAD}{steps}"))),
        origin: "a test".into(),
        inputs: json!({}),
        trigger: Trigger::Cli,
    }
}

/// A process of another release, and how it reads runbooks.
fn later(world: &World, pid: u32, changed: &[&'static str]) -> Engine {
    let mut engine = world.process(pid);
    engine.registry = Arc::new(changed_registry(&world.diary, changed));
    engine
}

async fn go_on(engine: &Engine, run: &RunId) -> Result<Ending, OpenError> {
    let registry = engine.registry.clone();
    let recheck = move |snapshot: &Snapshot| -> Result<Checked, String> {
        let source = Source::new("toy.yaml", snapshot.runbook.as_str());
        load(&source, &*registry).map(|loaded| loaded.runbook).map_err(|errors| format!("{errors:?}"))
    };
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    engine.resume(run, &recheck, &mut signals).await.map(|(ending, _)| ending)
}

fn refused(ended: &Result<Ending, OpenError>, by: &str) -> bool {
    matches!(ended, Err(OpenError::Changed { action, .. }) if action.as_str() == by)
}

const STEPS: &str = "
steps:
  - { id: a, uses: toy.read, with: { value: 1 } }
  - { id: b, uses: toy.read, with: { value: 2 } }
finally:
  - { id: f, uses: toy.change, with: { value: 3 } }
";

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_called_must_be_what_it_was() {
    let (world, run) = died(STEPS, 2).await;
    assert!(refused(&go_on(&later(&world, 2, &["read"]), &run).await, "toy.read"));
    assert!(refused(&go_on(&later(&world, 3, &["change"]), &run).await, "toy.change"));
    let other = later(&world, 4, &["gate", "echo"]);
    assert_eq!(go_on(&other, &run).await.unwrap(), Ending::Ended(Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_go_on_can_be_ended() {
    for (changed, how, expect) in [
        ("read", CancelHow::Now, Some(Outcome::Cancelled)),
        ("read", CancelHow::AfterStep, Some(Outcome::Cancelled)),
        // `finally` would call another action than it was written with.
        ("change", CancelHow::Now, None),
        ("change", CancelHow::Abandon, Some(Outcome::Abandoned { unknown: Vec::new() })),
    ] {
        let (world, run) = died(STEPS, 2).await;
        let engine = later(&world, 2, &[changed]);
        engine.ask_cancel(&run, how, "no more", &recheck).await.unwrap();
        let ended = go_on(&engine, &run).await;
        match expect {
            Some(outcome) => assert_eq!(ended.unwrap(), Ending::Ended(outcome), "{changed} {how:?}"),
            None => assert!(refused(&ended, "toy.change"), "{changed} {how:?}: {ended:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_lived_in_the_old_process_is_called_again_wherever_it_stands() {
    for steps in [
        "{ id: a, uses: toy.token }",
        "{ id: a, steps: [ { id: t, uses: toy.token } ] }",
        "{ id: a, for_each: [x, y], uses: toy.token }",
        "{ id: a, for_each: [x], steps: [ { id: g, steps: [ { id: t, uses: toy.token } ] } ] }",
    ] {
        let steps = format!(
            "
steps:
  - {steps}
  - {{ id: b, uses: toy.read, with: {{ value: 1 }} }}
  - {{ id: c, uses: toy.read, with: {{ value: '{{{{ steps.a }}}}' }} }}
"
        );
        // The last append tells that `b` is done.
        let (world, run) = before_the_last_step(&steps).await;
        let ended = go_on(&later(&world, 2, &["token"]), &run).await;
        assert!(refused(&ended, "toy.token"), "{steps}: {ended:?}");
        assert_eq!(go_on(&later(&world, 3, &[]), &run).await.unwrap(), Ending::Ended(Outcome::Done));
    }
}

/// As many appends as it takes until `c` alone is left.
async fn before_the_last_step(steps: &str) -> (World, RunId) {
    for at in 2.. {
        let (world, run) = died(steps, at).await;
        let loaded = world.process(9).load(&run, &recheck).await.unwrap();
        if loaded.state.steps.front.cursor == 2 {
            return (world, run);
        }
    }
    unreachable!("some append is the one")
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_will_have_its_finally_again() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let first = world.process(1);
    let order = order(&STEPS.replace("value: 1", "value: 1, takes: 10s"));
    let run = order.run.clone();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    sender.send(Signal::Interrupt).unwrap();
    let (ending, _) = first.start(order, &mut signals).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Interrupted));
    assert!(refused(&go_on(&later(&world, 2, &["change"]), &run).await, "toy.change"));
    assert_eq!(go_on(&later(&world, 3, &[]), &run).await.unwrap(), Ending::Ended(Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_even_be_read_can_be_abandoned() {
    let (world, run) = died(&format!("lock: it{STEPS}"), 2).await;
    let engine = world.process(2);
    let unreadable = |_: &Snapshot| -> Result<Checked, String> { Err("no such action".into()) };
    let asked = engine.ask_cancel(&run, CancelHow::Abandon, "too old", &unreadable).await;
    assert!(matches!(asked, Err(OpenError::Runbook { .. })), "{asked:?}");
    engine.abandon(&run, "too old").await.unwrap();
    assert!(world.store.held().await.unwrap().is_empty(), "its lock is given back");
    assert!(end_of(&engine, &run).await.starts_with("abandoned"));
    let entry = world.store.get(&run).await.unwrap().unwrap();
    assert_eq!((entry.status.as_str(), entry.exit), ("abandoned", Some(5)));
    assert!(world.diary.changes().is_empty(), "nothing of it is called");
    assert!(matches!(engine.abandon(&run, "again").await, Err(OpenError::Over { .. })));
    assert!(matches!(engine.abandon(&run_id(), "what").await, Err(OpenError::NoRun(_))));
}

#[tokio::test(start_paused = true)]
async fn a_living_run_is_not_abandoned_behind_its_back() {
    let (world, run) = died(STEPS, 2).await;
    world.dead.lock().unwrap().clear();
    let abandoned = world.process(2).abandon(&run, "too old").await;
    assert!(matches!(abandoned, Err(OpenError::Owned { .. })), "{abandoned:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_abandoned_run_leaves_unknown_is_told_without_its_runbook() {
    let steps = "
steps:
  - { id: a, uses: toy.change, with: { value: 1 } }
  - { id: s, uses: toy.send, with: { value: 2 } }
";
    for at in 2.. {
        let (world, run) = died(steps, at).await;
        let engine = world.process(2);
        let open = engine.load(&run, &recheck).await.unwrap().state.intents.len();
        engine.abandon(&run, "too old").await.unwrap();
        // The fold takes it, and nothing that is open is left out.
        let state = engine.load(&run, &recheck).await.unwrap().state;
        let Some((Outcome::Abandoned { unknown }, _)) = state.ended else { panic!("{:?}", state.ended) };
        assert_eq!(unknown.len(), open, "append {at}: {unknown:?}");
        if unknown.iter().any(|key| key.as_str() == "s") {
            assert_eq!(world.store.get(&run).await.unwrap().unwrap().exit, Some(6));
            return;
        }
    }
}

/// What a step has learnt stays unsaid, whichever process says the rest.
#[tokio::test(start_paused = true)]
async fn secrets_of_what_is_done_are_known_after_a_resume() {
    let steps = "
steps:
  - { id: a, uses: toy.secret }
  - { id: b, uses: toy.change, with: { value: 1 } }
  - { id: c, uses: toy.read, with: { value: a s3cr3t-value b } }
";
    for at in 2..=6 {
        let (world, run) = died(steps, at).await;
        let engine = world.process(2);
        if engine.load(&run, &recheck).await.unwrap().state.ended.is_none() {
            assert_eq!(super::resume(&engine, &run).await.unwrap().0, Ending::Ended(Outcome::Done));
        }
        let loaded = engine.load(&run, &recheck).await.unwrap();
        let said = format!("{:?}", loaded.envelopes.iter().skip(1).collect::<Vec<_>>());
        assert!(said.contains("a *** b") && !said.contains("s3cr3t"), "{at}: {said}");
        super::comes_out_the_same(&engine, &run).await;
    }
}

/// Killed anywhere on the way out, or there, and given up by somebody who cannot read the runbook: whether what timed out
/// in its `finally` happened is not known, and that `finally` would begin anew.
#[tokio::test(start_paused = true)]
async fn an_interrupted_run_abandoned_without_its_runbook_can_be_read_ever_after() {
    let text = "runbook: toy
summary: A toy.
steps:
  - { id: a, uses: toy.read, with: { takes: 10s } }
finally:
  - { id: one, uses: toy.change, with: { value: 1, takes: 10s }, timeout: 1s, on_error: continue }
  - { id: each, for_each: [x, y], uses: toy.change, with: { value: '{{ item }}', takes: 10s }, timeout: 1s, on_error: continue }
  - { id: both, steps: [{ id: in, uses: toy.change, with: { value: 3 } }, { id: last, uses: toy.send, with: { value: 4 } }] }
";
    let mut open = 0;
    for at in 2.. {
        let world = World::new(Arc::new(MemoryStore::default()));
        let mut engine = world.process(1);
        engine.store = Arc::new(Dying::new(world.store.clone(), at, When::After));
        let order = super::locks::order(text);
        let run = order.run.clone();
        let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        sender.send(Signal::Interrupt).unwrap();
        let ended = engine.start(order, &mut signals).await.is_ok();
        world.dead.lock().unwrap().push(1);
        let engine = world.process(2);
        engine.abandon(&run, "too old").await.unwrap();
        let read = engine.load(&run, &recheck).await;
        let state = read.unwrap_or_else(|error| panic!("append {at}: {error}")).state;
        let Some((Outcome::Abandoned { unknown }, _)) = state.ended else { panic!("{:?}", state.ended) };
        open += unknown.len();
        if ended {
            break;
        }
    }
    assert!(open > 3, "only {open} acts were open");
}
