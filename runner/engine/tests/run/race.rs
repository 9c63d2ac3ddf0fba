//! Two processes that want the same run and one that wants it to end, in every order of what they do to the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Event};
use sluice_engine::run::{Ending, Engine, OpenError};
use sluice_store::MemoryStore;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, LocalSet, yield_now};

use super::cases::{CASES, Case};
use super::stores::{Dying, Turns, When};
use super::world::World;
use super::{begin, comes_out_the_same, recheck, resume};

#[derive(Debug, PartialEq)]
enum Came {
    Drove(Ending),
    Refused,
    Cancelled,
    TooLate,
}

async fn owner(engine: Engine, run: RunId) -> Came {
    match resume(&engine, &run).await {
        Ok((ending, _)) => Came::Drove(ending),
        Err(OpenError::Owned { .. } | OpenError::Over { .. }) => Came::Refused,
        Err(other) => panic!("{other}"),
    }
}

async fn canceller(engine: Engine, run: RunId) -> Came {
    match engine.ask_cancel(&run, CancelHow::Now, "enough", &recheck).await {
        Ok(_) => Came::Cancelled,
        Err(OpenError::Over { .. }) => Came::TooLate,
        Err(other) => panic!("{other}"),
    }
}

/// One order of turns; after it everybody goes on freely.
async fn race(case: &Case, order: &[usize]) {
    let inner = Arc::new(MemoryStore::default());
    let world = World::new(inner.clone());
    let run = interrupted(&world, case).await;
    let turns: Vec<Arc<Semaphore>> = (0..3).map(|_| Arc::new(Semaphore::new(0))).collect();
    let engine = |actor: usize| {
        let mut engine = world.process(10 + u32::try_from(actor).unwrap());
        engine.store = Arc::new(Turns { inner: inner.clone(), turns: turns[actor].clone() });
        engine
    };
    let mut tasks: Vec<JoinHandle<Came>> = vec![
        tokio::task::spawn_local(owner(engine(0), run.clone())),
        tokio::task::spawn_local(owner(engine(1), run.clone())),
        tokio::task::spawn_local(canceller(engine(2), run.clone())),
    ];
    for actor in order {
        turns[*actor].add_permits(1);
        for _ in 0..12 {
            yield_now().await;
        }
    }
    turns.iter().for_each(|turn| turn.add_permits(Semaphore::MAX_PERMITS / 2));
    let mut came = Vec::new();
    for task in &mut tasks {
        came.push(task.await.unwrap());
    }
    judge(&world, &run, &came, order).await;
}

/// A run whose first process died after its second event.
async fn interrupted(world: &World, case: &Case) -> RunId {
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(world.store.clone(), 2, When::After));
    let (run, ended) = begin(&first, case).await;
    assert!(ended.is_err());
    world.dead.lock().unwrap().push(1);
    run
}

async fn judge(world: &World, run: &RunId, came: &[Came], order: &[usize]) {
    let engine = world.process(99);
    comes_out_the_same(&engine, run).await;
    let loaded = engine.load(run, &recheck).await.unwrap();
    let drove = came[..2].iter().filter(|came| matches!(came, Came::Drove(Ending::Ended(_)))).count();
    assert!(drove <= 1, "{order:?}: both drove it to its end: {came:?}");
    // Whoever wrote under an epoch claimed it.
    let mut owner = String::new();
    let mut claims = BTreeSet::new();
    for envelope in &loaded.envelopes {
        if let Event::Claimed { epoch, .. } = &envelope.event {
            assert!(claims.insert(*epoch), "{order:?}: an epoch was claimed twice");
            owner.clone_from(&envelope.actor);
        } else if envelope.epoch.is_some() && !matches!(envelope.event, Event::Started { .. }) {
            assert_eq!(envelope.actor, owner, "{order:?}: event {} is not its owner's", envelope.ordinal);
        }
    }
    // What was done is written down, whoever came in between.
    let changes = world.diary.changes();
    for change in &changes {
        let step = change.split(' ').next().unwrap_or_default();
        let at = loaded.runbook.steps.iter().position(|other| other.id.as_str() == step).unwrap();
        assert_eq!(loaded.state.steps.slots[at].status.name(), "done", "{order:?}: {change}");
    }
    let ended = loaded.state.ended.map(|(outcome, _)| outcome.name());
    assert!(drove == 0 || ended.is_some(), "{order:?}: {came:?}");
    if came[2] == Came::Cancelled && drove == 1 {
        // Who comes when everything is over has come too late.
        let over = loaded.state.steps.slots.iter().all(|slot| slot.status.is_settled());
        assert_eq!(ended, Some(if over { "done" } else { "cancelled" }), "{order:?}");
    }
}

#[test]
fn in_every_order_one_advances() {
    let case = CASES.iter().find(|case| case.name == "one after the other").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    const LENGTH: u32 = 6;
    for number in 0..3_usize.pow(LENGTH) {
        let order: Vec<usize> = (0..LENGTH).map(|place| number / 3_usize.pow(place) % 3).collect();
        LocalSet::new().block_on(&runtime, race(case, &order));
    }
}
