//! Crashed at every event: before the append and after it. A new process always brings the run to the same end.

use std::sync::Arc;

use sluice_engine::run::OpenError;
use sluice_store::MemoryStore;

use super::cases::{CASES, Case};
use super::stores::{Dying, When};
use super::world::World;
use super::{begin, comes_out_the_same, end_of, resume};

/// Runs the case in a process that dies, then in new ones until it has ended. `None` when nobody died.
async fn crashed(case: &Case, at: usize, when: When) -> Option<(String, World)> {
    let inner = Arc::new(MemoryStore::default());
    let world = World::new(inner.clone());
    let mut first = world.process(1);
    first.store = Arc::new(Dying::new(inner, at, when));
    let (run, began) = begin(&first, case).await;
    if began.is_ok() {
        return None;
    }
    world.dead.lock().unwrap().push(1);
    let second = world.process(2);
    let nothing_written = world.store.read(&run, 0).await.unwrap().is_empty();
    if nothing_written {
        let (run, began) = begin(&second, case).await;
        began.unwrap();
        return Some((end_of(&second, &run).await, world));
    }
    match resume(&second, &run).await {
        // It died after its last word.
        Ok(_) | Err(OpenError::Over { .. }) => {}
        Err(other) => panic!("{}, {when:?} append {at}: {other}", case.name),
    }
    assert_eq!(world.store.held().await.unwrap(), [], "{}, {when:?} append {at}: a lock is left", case.name);
    comes_out_the_same(&second, &run).await;
    Some((end_of(&second, &run).await, world))
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_event_changes_nothing() {
    let mut points = 0;
    for case in CASES {
        let world = World::new(Arc::new(MemoryStore::default()));
        let engine = world.process(1);
        let (run, began) = begin(&engine, case).await;
        began.unwrap();
        let expect = end_of(&engine, &run).await;
        let mut changes = world.diary.changes();
        changes.sort();
        for when in [When::Before, When::After] {
            for at in 1.. {
                let Some((end, crashed)) = crashed(case, at, when).await else { break };
                points += 1;
                let mut done = crashed.diary.changes();
                assert_eq!(end, expect, "{}, {when:?} append {at}", case.name);
                // An idempotent change may be repeated, once, by the one crash; none may be missing.
                done.sort();
                // What may not be repeated never is.
                let mut sends = crashed.diary.sends();
                sends.sort();
                assert!(sends.windows(2).all(|two| two[0] != two[1]), "{}, {when:?} append {at}: {sends:?}", case.name);
                let extra = done.len() - changes.len();
                done.dedup();
                let mut once = changes.clone();
                once.dedup();
                assert!(done == once && extra <= 1, "{}, {when:?} append {at}: {done:?}", case.name);
            }
        }
    }
    assert!(points > 100, "only {points} points were tried");
}
