//! A lock that was broken, lent for a repair, or is ahead of a store that was put back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluice_engine::ids::RunId;
use sluice_engine::journal::store::*;
use sluice_engine::journal::{After, CancelHow, Event, Loss, Outcome};
use sluice_engine::run::{Ending, Engine, LockError, OpenError, RunError, Signal};
use sluice_store::MemoryStore;

use super::locks::{ACTS, DONE, Homes, READS_THEN_ACTS, begin, died, events, holder_of, order, start};
use super::stores::{Dying, When};
use super::{comes_out_the_same, recheck, resume, run_id};

#[tokio::test(start_paused = true)]
async fn a_store_restored_from_yesterday_is_refused() {
    for when in ["the run ended", "the run went on and was interrupted", "another run followed"] {
        let homes = Homes::new();
        let (today, run) = died(&homes, 1, "its act").await;
        let yesterday = copy(&*today, &run).await;
        match when {
            "the run went on and was interrupted" => {
                let dying = homes.at(Arc::new(Dying::new(today.clone(), 2, When::After)), 2);
                assert!(resume(&dying, &run).await.is_err());
                homes.kill(2);
            }
            _ => assert_eq!(resume(&homes.at(today.clone(), 2), &run).await.unwrap().0, DONE),
        }
        if when == "another run followed" {
            assert_eq!(begin(&homes.elsewhere(3), ACTS).await.1.unwrap(), DONE);
        }
        let restored = homes.at(yesterday, 4);
        let refused = resume(&restored, &run).await.unwrap_err();
        assert!(matches!(&refused, OpenError::Run(RunError::Lock(LockError::MovedOn { .. }))), "{when}: {refused}");
        assert!(refused.to_string().contains("older copy"), "{refused}");
        // It can be ended, which needs no lock, and leaves the one that the newer copy has.
        let before = homes.shared.look("it").await.unwrap();
        restored.ask_cancel(&run, CancelHow::Now, "an older copy", &recheck).await.unwrap();
        let (ending, _) = resume(&restored, &run).await.unwrap();
        assert_eq!(ending, Ending::Ended(Outcome::Cancelled), "{when}");
        assert_eq!(homes.shared.look("it").await.unwrap(), before, "{when}");
    }
}

/// Another store with this run as it is now.
async fn copy(store: &dyn Store, run: &RunId) -> Arc<dyn Store> {
    let copy = MemoryStore::default();
    let records = store.read(run, 0).await.unwrap();
    copy.append(run, Version::START, &records, Durability::Sync).await.unwrap();
    let first: Value = serde_json::from_slice(&records[0].bytes).unwrap();
    let snapshot = sluice_engine::ids::Sha256::from_hex(first["body"]["snapshot"].as_str().unwrap()).unwrap();
    copy.put_blob(&store.get_blob(&snapshot).await.unwrap().unwrap()).await.unwrap();
    Arc::new(copy)
}

#[tokio::test(start_paused = true)]
async fn a_broken_lock_is_in_both_journals() {
    let homes = Homes::new();
    let (store, run) = died(&homes, 1, "its act").await;
    let other = homes.elsewhere(2);
    begin(&other, ACTS).await.1.unwrap_err();
    let breach = Breach { by: "ben@desk".into(), why: "the laptop is lost".into(), at: Timestamp(1) };
    // By somebody who has no way to the journal of the run.
    assert!(homes.shared.break_lock("it", 1, &breach).await.unwrap());
    let (next, ended) = begin(&other, ACTS).await;
    assert_eq!(ended.unwrap(), DONE);
    let broken = After::Broken { run: run.clone(), breach };
    let took = |event: &Event| matches!(event, Event::Locked { after: Some(after), .. } if *after == broken);
    assert!(events(&other, &next).await.iter().any(took));
    let refused = resume(&homes.at(store, 3), &run).await.unwrap_err();
    assert!(matches!(refused, OpenError::Run(RunError::Lock(LockError::MovedOn { .. }))), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lock_was_broken_does_not_go_on_behind_another() {
    for followed in [false, true] {
        let homes = Homes::new();
        let (store, run) = died(&homes, 1, "its act").await;
        let at = LockedAt::Ssm { account: None, region: "us-east-2".into(), path: "/x".into() };
        let lock = homes.shared.look("it").await.unwrap().unwrap();
        homes.at(store.clone(), 2).break_lock(&*homes.shared, &at, &lock, "it was looked at").await.unwrap();
        if followed {
            assert_eq!(begin(&homes.at(store.clone(), 3), ACTS).await.1.unwrap(), DONE);
        }
        match resume(&homes.at(store.clone(), 4), &run).await {
            Ok((ending, _)) => assert!(!followed, "{ending:?}"),
            Err(OpenError::Run(RunError::Lock(error @ LockError::MovedOn { .. }))) => assert!(followed, "{error}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_broken_in_both_journals_and_never_under_a_living_holder() {
    let homes = Homes::new();
    let at = LockedAt::Ssm { account: None, region: "us-east-2".into(), path: "/x".into() };
    let held = async || homes.shared.look("it").await.unwrap().unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (first, person) = (homes.at(store.clone(), 1), homes.at(store.clone(), 2));
    let order = order(READS_THEN_ACTS);
    let run = order.run.clone();
    let refused = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        person.break_lock(&*homes.shared, &at, &held().await, "it takes so long").await
    };
    let mut process = Box::pin(start(&first, order));
    tokio::select! {
        ended = &mut process => panic!("{ended:?}"),
        refused = refused => {
            let refused = refused.unwrap_err();
            assert!(matches!(&refused, LockError::Held { live: true, .. }), "{refused:?}");
        }
    }
    drop(process);
    homes.kill(1);
    tokio::time::sleep(Duration::from_secs(61)).await;
    person.break_lock(&*homes.shared, &at, &held().await, "the laptop is lost").await.unwrap();
    let why = "the laptop is lost".to_owned();
    let lost = Event::LockLost { generation: 1, how: Loss::Broken { why: why.clone() } };
    assert!(events(&person, &run).await.contains(&lost));
    let other = homes.elsewhere(3);
    let (next, ended) = begin(&other, ACTS).await;
    assert_eq!(ended.unwrap(), DONE);
    let took = |event: &Event| match event {
        Event::Locked { after: Some(After::Broken { run: of, breach }), .. } => {
            *of == run && breach.why == why && breach.by == "p2@here"
        }
        _ => false,
    };
    assert!(events(&other, &next).await.iter().any(took));
    // The lock is free again, but the run had begun to act, and another has acted since.
    let refused = resume(&person, &run).await.unwrap_err();
    assert!(matches!(refused, OpenError::Run(RunError::Lock(LockError::MovedOn { .. }))), "{refused}");
    comes_out_the_same(&person, &run).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_lock_that_nobody_took_is_its_runs_again_and_says_so() {
    let homes = Homes::new();
    let (store, run) = died(&homes, 1, "its act").await;
    let breach = Breach { by: "ben@desk".into(), why: "the laptop is lost".into(), at: Timestamp(1) };
    assert!(homes.shared.break_lock("it", 1, &breach).await.unwrap());
    let again = homes.at(store, 3);
    let (ending, state) = resume(&again, &run).await.unwrap();
    assert_eq!(ending, DONE);
    assert_eq!(state.lock.after, Some(After::Broken { run, breach }));
}

#[tokio::test(start_paused = true)]
async fn a_repair_holds_the_broken_runs_lock_and_gives_it_back_to_it() {
    for same_home in [true, false] {
        let homes = Homes::new();
        let (store, run) = died(&homes, 1, "its act").await;
        let mut repairer = if same_home { homes.at(store.clone(), 2) } else { homes.elsewhere(2) };
        repairer.locking.repairs = Some(run.clone());
        let (repair, ended) = begin(&repairer, ACTS).await;
        assert_eq!(ended.unwrap(), DONE);
        let repairs = After::Repairs { run: run.clone() };
        let took = |event: &Event| matches!(event, Event::Locked { after: Some(after), .. } if *after == repairs);
        assert!(events(&repairer, &repair).await.iter().any(took));
        // The repaired run is what it was, and its lock is its own.
        let others = homes.elsewhere(4);
        assert_eq!(holder_of(&begin(&others, ACTS).await.1.unwrap_err()), Some(&run));
        let engine = homes.at(store, 5);
        let lent = Event::LockLost { generation: 1, how: Loss::Lent { to: repair } };
        assert_eq!(events(&engine, &run).await.contains(&lent), same_home);
        assert_eq!(resume(&engine, &run).await.unwrap().0, DONE);
        assert_eq!(homes.world.diary.changes(), ["b 1", "x 9"]);
        assert!(homes.shared.held().await.unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_needs_a_broken_run_that_has_the_lock() {
    let homes = Homes::new();
    let (_store, run) = died(&homes, 1, "its act").await;
    let mut repairer = homes.elsewhere(2);
    repairer.locking.repairs = Some(run_id());
    let (_, ended) = begin(&repairer, ACTS).await;
    assert!(matches!(ended, Err(RunError::Lock(LockError::NotRepairable { .. }))), "{ended:?}");
    repairer.locking.repairs = Some(run);
    let (_, ended) = begin(&repairer, &ACTS.replace("lock: it\n", "")).await;
    assert!(matches!(ended, Err(RunError::Lock(LockError::NothingToRepair { .. }))), "{ended:?}");
    let (_, ended) = begin(&repairer, &ACTS.replace("lock: it\n", "lock: that\n")).await;
    assert!(matches!(ended, Err(RunError::Lock(LockError::NotRepairable { .. }))), "{ended:?}");
    // A living run is not repaired behind its back.
    let living = homes.elsewhere(3);
    let order = order(&READS_THEN_ACTS.replace("lock: it", "lock: live"));
    repairer.locking.repairs = Some(order.run.clone());
    let repair = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        begin(&repairer, &ACTS.replace("lock: it\n", "lock: live\n")).await.1
    };
    let (ended, repair) = tokio::join!(start(&living, order), repair);
    ended.unwrap();
    assert!(matches!(repair, Err(RunError::Lock(LockError::Held { .. }))), "{repair:?}");
}

/// A store as it was when the run's journal had so many events.
async fn as_it_was(engine: &Engine, run: &RunId, events: usize) -> Arc<dyn Store> {
    let older: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let records = engine.store.read(run, 0).await.unwrap();
    let snapshot = engine.load(run, &recheck).await.unwrap().state.started.unwrap().snapshot;
    older.put_blob(&engine.store.get_blob(&snapshot).await.unwrap().unwrap()).await.unwrap();
    older.append(run, Version::START, &records[..events], Durability::Sync).await.unwrap();
    older
}

const TWO_ACTS: &str = "
runbook: toy
summary: A toy.
lock: it
steps:
  - { id: a, uses: toy.once, with: { value: 1 } }
  - { id: b, uses: toy.once, with: { value: 2 } }
  - { id: c, uses: toy.read, with: { takes: 10s } }
";

#[tokio::test(start_paused = true)]
async fn a_store_put_back_to_before_an_act_is_known_by_the_lock() {
    // It died behind its second act; started, claimed and locked, an intent and an end for each act.
    for (events, behind) in [(3, true), (4, true), (5, true), (6, false), (7, false)] {
        let homes = Homes::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let engine = homes.at(Arc::new(Dying::new(store.clone(), 5, When::After)), 1);
        let (run, ended) = begin(&engine, TWO_ACTS).await;
        assert!(ended.is_err());
        homes.kill(1);
        assert_eq!(homes.world.diary.changes(), ["a 1", "b 2"]);
        let older = as_it_was(&homes.at(store, 2), &run, events).await;
        let resumed = resume(&homes.at(older.clone(), 3), &run).await;
        if behind {
            let Err(OpenError::Run(RunError::Lock(LockError::OlderCopy { event, .. }))) = &resumed else {
                panic!("{events}: {resumed:?}")
            };
            assert_eq!(*event, 6);
            // It stays as it was: whoever looks at it does not see it claimed.
            assert_eq!(older.read(&run, 0).await.unwrap().len(), events);
            // A break does not make the copy any newer.
            let breach = Breach { by: "ben@desk".into(), why: "a test".into(), at: Timestamp(1) };
            assert!(homes.shared.break_lock("it", 1, &breach).await.unwrap());
            let again = resume(&homes.at(older, 4), &run).await;
            assert!(matches!(again, Err(OpenError::Run(RunError::Lock(LockError::OlderCopy { .. })))), "{again:?}");
        } else {
            resumed.unwrap();
        }
        assert_eq!(homes.world.diary.changes(), ["a 1", "b 2"], "{events}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_act_under_a_lost_lock_can_be_abandoned() {
    let text = "runbook: toy\nsummary: A toy.\nlock: it\nsteps:\n  - { id: a, uses: toy.send, with: { takes: 5h }, timeout: \
                6h }\n";
    let homes = Homes::new();
    let engine = homes.elsewhere(1);
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let person = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let generation = homes.shared.look("it").await.unwrap().unwrap().generation;
        let breach = Breach { by: "ben@desk".into(), why: "a test".into(), at: Timestamp(1) };
        assert!(homes.shared.break_lock("it", generation, &breach).await.unwrap());
        tokio::time::sleep(Duration::from_secs(60)).await;
        sender.send(Signal::Interrupt).unwrap();
        sender.send(Signal::Abandon).unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    let ended = tokio::select! {
        ended = engine.start(order(text), &mut signals) => ended.unwrap().0,
        () = person => panic!("it waits on"),
    };
    let Ending::Ended(Outcome::Abandoned { unknown }) = ended else { panic!("{ended:?}") };
    assert_eq!(unknown.len(), 1);
}
