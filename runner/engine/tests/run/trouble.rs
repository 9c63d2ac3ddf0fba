//! Stores in trouble at every append: full, not to be written, unsure, without power. Each ends with a message that says
//! so, and whoever goes on when the trouble is over comes to the same end, and does nothing twice that must not be.

use std::sync::Arc;

use sluice_engine::ids::RunId;
use sluice_engine::journal::StoreError;
use sluice_engine::run::{OpenError, RunError};
use sluice_store::MemoryStore;

use super::cases::{CASES, Case};
use super::stores::{Powered, Trouble, Troubled};
use super::world::World;
use super::{begin, comes_out_the_same, copy_until, end_of, resume};

/// The end of a case without any trouble, and its changes.
async fn plain(case: &Case) -> (String, Vec<String>) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = world.process(1);
    let (run, ended) = begin(&engine, case).await;
    ended.unwrap();
    (end_of(&engine, &run).await, sorted(&world))
}

fn sorted(world: &World) -> Vec<String> {
    let mut changes = world.diary.changes();
    changes.sort();
    changes
}

/// Goes on in a new process, where there is anything to go on with.
async fn gone_on(world: &World, case: &Case, run: RunId) -> String {
    world.dead.lock().unwrap().push(1);
    let engine = world.process(2);
    let run = if world.store.read(&run, 0).await.unwrap().is_empty() {
        let (run, ended) = begin(&engine, case).await;
        ended.unwrap();
        run
    } else {
        match resume(&engine, &run).await {
            Ok(_) | Err(OpenError::Over { .. }) => run,
            Err(other) => panic!("{}: {other}", case.name),
        }
    };
    comes_out_the_same(&engine, &run).await;
    end_of(&engine, &run).await
}

/// Whether the store came into trouble at all.
async fn troubled(case: &Case, at: usize, trouble: Trouble, (end, changes): &(String, Vec<String>)) -> bool {
    let name = format!("{}, {trouble:?} at append {at}", case.name);
    let world = World::new(Arc::new(MemoryStore::default()));
    let store = Arc::new(Troubled::new(world.store.clone(), at, trouble));
    let mut first = world.process(1);
    first.store = store.clone();
    let (run, ended) = begin(&first, case).await;
    match (trouble, ended) {
        (_, Ok(_)) if !store.was_troubled() => return false,
        // Read back, and gone on with: nothing is done again.
        (Trouble::Unsure(_), Ok(_)) => {
            comes_out_the_same(&first, &run).await;
            assert_eq!((&end_of(&first, &run).await, &sorted(&world)), (end, changes), "{name}");
            return true;
        }
        // It has ended, and could not write down that its lock is free again: whoever opens it next does.
        (Trouble::Full | Trouble::ReadOnly, Ok((_, state))) if state.lock.held.is_some() => {}
        (Trouble::Full, Err(RunError::Store(error @ StoreError::Full(_)))) => {
            assert_eq!(error.to_string(), "the store is full: no room");
        }
        (Trouble::ReadOnly, Err(RunError::Store(error @ StoreError::ReadOnly(_)))) => {
            assert_eq!(error.to_string(), "the store cannot be written: no right");
        }
        (_, other) => panic!("{name}: {other:?}"),
    }
    // As long as it lasts, nobody gets any further, and nothing is done.
    let before = world.diary.changes();
    let mut still = world.process(3);
    world.dead.lock().unwrap().push(1);
    still.store = Arc::new(Troubled::new(world.store.clone(), 1, trouble));
    assert!(resume(&still, &run).await.is_err(), "{name}");
    assert_eq!(world.diary.changes(), before, "{name}");
    assert_eq!(gone_on(&world, case, run).await, *end, "{name}");
    repeated_by_one_crash_at_most(&name, &sorted(&world), changes);
    true
}

/// An idempotent change whose outcome was lost may be repeated, once; none may be missing.
fn repeated_by_one_crash_at_most(name: &str, done: &[String], changes: &[String]) {
    let extra = done.len() - changes.len();
    let (mut once, mut wanted) = (done.to_vec(), changes.to_vec());
    once.dedup();
    wanted.dedup();
    assert!(once == wanted && extra <= 1, "{name}: {done:?}");
}

#[tokio::test(start_paused = true)]
async fn no_trouble_of_a_store_changes_the_end() {
    let mut points = 0;
    for case in CASES {
        let plain = plain(case).await;
        for trouble in [Trouble::Full, Trouble::ReadOnly, Trouble::Unsure(true), Trouble::Unsure(false)] {
            for at in 1.. {
                if !troubled(case, at, trouble, &plain).await {
                    break;
                }
                points += 1;
            }
        }
    }
    assert!(points > 300, "only {points} points were tried");
}

/// A store that never knows is given up, instead of being asked for ever.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_never_sure_is_given_up() {
    let world = World::new(Arc::new(MemoryStore::default()));
    for at in [1, 3] {
        let mut engine = world.process(1);
        engine.store = Arc::new(Troubled::new(world.store.clone(), at, Trouble::NeverSure));
        let (_, ended) = begin(&engine, &CASES[1]).await;
        let error = ended.unwrap_err().to_string();
        assert_eq!(error, "the store cannot be reached: it took none of 5 appends: it took too long");
    }
}

/// Only what was synced is left, or all but the last event.
#[tokio::test(start_paused = true)]
async fn a_loss_of_power_changes_no_end() {
    let mut points = 0;
    for case in CASES {
        let plain = plain(case).await;
        for all_but_one in [false, true] {
            for at in 1.. {
                if !without_power(case, at, all_but_one, &plain).await {
                    break;
                }
                points += 1;
            }
        }
    }
    assert!(points > 100, "only {points} points were tried");
}

/// Whether the run came that far.
async fn without_power(case: &Case, at: usize, all_but_one: bool, (end, changes): &(String, Vec<String>)) -> bool {
    let world = World::new(Arc::new(MemoryStore::default()));
    let store = Arc::new(Powered::new(world.store.clone(), at));
    let mut first = world.process(1);
    first.store = store.clone();
    let (run, ended) = begin(&first, case).await;
    if ended.is_ok() {
        return false;
    }
    let whole = world.store.read(&run, 0).await.unwrap().len();
    let kept = if all_but_one { whole - 1 } else { store.synced() };
    let left = World { store: copy_until(&*world.store, &run, kept).await, ..world };
    let name = format!("{}, without power after append {at}, {kept} of {whole} events left", case.name);
    assert_eq!(gone_on(&left, case, run).await, *end, "{name}");
    // What was lost is done again, and may be: what may not would have been synced.
    let (mut once, mut wanted) = (sorted(&left), changes.clone());
    once.dedup();
    wanted.dedup();
    assert_eq!(once, wanted, "{name}");
    true
}
