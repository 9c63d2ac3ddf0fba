//! Locks: who holds one, until when, and under which generation.

use std::sync::Arc;
use std::time::Duration;

use sluice_engine::journal::store::{HeldLock, Store, Take};

use super::fixture::{at, race, run};
use super::{Case, Outcome, Place, Wrong, case, holds, same};

const LEASE: Duration = Duration::from_secs(30);

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("a lock is taken once, and says by whom", taken_once),
        case("a run takes its own lock again", re_entry),
        case("a lease is renewed by its run alone", renewal),
        case("a lock whose lease is over is still held", lapsed),
        case("a stranger releases nothing", strangers),
        case("each take-over raises the generation", generations),
        case("a break needs the exact generation", breaks),
        case("held locks are listed by name", listing),
        case("names of locks keep every character", names),
        case("of racing takers one gets the lock", racing_takers),
        case("racing take-overs never share a generation", racing_generations),
    ]
}

async fn taken_once(place: Arc<dyn Place>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    same("first", store.take("a", &run(1), LEASE, at(0)).await?, Take::Taken { generation: 1 })?;
    let held = HeldLock { name: "a".into(), run: run(1), generation: 1, lease_until: at(30_000) };
    same("second", other.take("a", &run(2), LEASE, at(1)).await?, Take::Held(held.clone()))?;
    same("another lock", other.take("b", &run(2), LEASE, at(1)).await?, Take::Taken { generation: 1 })?;
    same("first is unchanged", store.held().await?.into_iter().next(), Some(held))
}

async fn re_entry(place: Arc<dyn Place>) -> Outcome {
    let (store, resumed) = (place.open().await?, place.open().await?);
    store.take("a", &run(1), LEASE, at(0)).await?;
    for time in [5_000, 90_000] {
        same("again", resumed.take("a", &run(1), LEASE, at(time)).await?, Take::Taken { generation: 1 })?;
        let held = HeldLock { name: "a".into(), run: run(1), generation: 1, lease_until: at(time + 30_000) };
        same("held", store.held().await?, vec![held])?;
    }
    Ok(())
}

async fn renewal(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    same("unknown lock", store.renew("a", &run(1), LEASE, at(0)).await?, false)?;
    store.take("a", &run(1), LEASE, at(0)).await?;
    same("holder", store.renew("a", &run(1), LEASE, at(10_000)).await?, true)?;
    same("lease", lease_of(&*store, "a").await?, Some(40_000))?;
    same("stranger", store.renew("a", &run(2), LEASE, at(20_000)).await?, false)?;
    same("lease", lease_of(&*store, "a").await?, Some(40_000))?;
    same("holder, late", store.renew("a", &run(1), LEASE, at(99_000)).await?, true)?;
    same("a shorter lease", store.renew("a", &run(1), Duration::ZERO, at(99_000)).await?, true)?;
    same("lease", lease_of(&*store, "a").await?, Some(99_000))?;
    store.release("a", &run(1)).await?;
    same("after release", store.renew("a", &run(1), LEASE, at(100_000)).await?, false)?;
    same("held", store.held().await?, vec![])
}

async fn lapsed(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    store.take("a", &run(1), LEASE, at(0)).await?;
    let held = HeldLock { name: "a".into(), run: run(1), generation: 1, lease_until: at(30_000) };
    for time in [30_000, 30_001, 9_000_000] {
        same("a stranger", store.take("a", &run(2), LEASE, at(time)).await?, Take::Held(held.clone()))?;
    }
    same("held", store.held().await?, vec![held])
}

async fn strangers(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    store.release("a", &run(1)).await?;
    store.take("a", &run(1), LEASE, at(0)).await?;
    store.release("a", &run(2)).await?;
    store.release("b", &run(1)).await?;
    holds("the lock is still held", store.held().await?.len() == 1)?;
    store.release("a", &run(1)).await?;
    store.release("a", &run(1)).await?;
    same("held", store.held().await?, vec![])
}

async fn generations(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    for (generation, holder) in [(1, 1), (2, 2), (3, 2), (4, 1)] {
        same("taken", store.take("a", &run(holder), LEASE, at(0)).await?, Take::Taken { generation })?;
        store.release("a", &run(holder)).await?;
    }
    same("after a new open", place.open().await?.take("a", &run(3), LEASE, at(0)).await?, Take::Taken { generation: 5 })
}

async fn breaks(place: Arc<dyn Place>) -> Outcome {
    let (store, holder) = (place.open().await?, place.open().await?);
    same("unknown lock", store.break_lock("a", 1).await?, false)?;
    holder.take("a", &run(1), LEASE, at(0)).await?;
    for generation in [0, 2, u64::MAX] {
        same("another generation", store.break_lock("a", generation).await?, false)?;
    }
    same("the holder's", store.break_lock("a", 1).await?, true)?;
    same("again", store.break_lock("a", 1).await?, false)?;
    same("the broken holder's lease", holder.renew("a", &run(1), LEASE, at(1)).await?, false)?;
    same("the next", store.take("a", &run(2), LEASE, at(1)).await?, Take::Taken { generation: 2 })?;
    same("an old generation", store.break_lock("a", 1).await?, false)?;
    holder.release("a", &run(1)).await?;
    let held = HeldLock { name: "a".into(), run: run(2), generation: 2, lease_until: at(30_001) };
    same("the broken holder", holder.take("a", &run(1), LEASE, at(2)).await?, Take::Held(held))
}

async fn listing(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    for (name, holder) in [("cluster/b", 1), ("cluster/a", 2), ("z", 1), ("A", 3)] {
        store.take(name, &run(holder), LEASE, at(0)).await?;
    }
    store.release("z", &run(1)).await?;
    let held = store.held().await?;
    let found: Vec<_> = held.iter().map(|lock| (lock.name.as_str(), &lock.run)).collect();
    same("held", found, vec![("A", &run(3)), ("cluster/a", &run(2)), ("cluster/b", &run(1))])
}

async fn names(place: Arc<dyn Place>) -> Outcome {
    let store = place.open().await?;
    let odd = ["", " ", "a\0b", "a", "a ", "'\"%_*>.", "größe/💧", "A"];
    for name in odd {
        same(name, store.take(name, &run(1), LEASE, at(0)).await?, Take::Taken { generation: 1 })?;
    }
    let mut wanted = odd.map(str::to_owned).to_vec();
    wanted.sort_unstable();
    let found: Vec<_> = store.held().await?.into_iter().map(|lock| lock.name).collect();
    same("held", found, wanted)
}

async fn racing_takers(place: Arc<dyn Place>) -> Outcome {
    for round in 0..10 {
        let name = format!("lock-{round}");
        let mut racers = Vec::new();
        for racer in 1..=4 {
            let (store, name) = (place.open().await?, name.clone());
            racers.push(async move { Ok((racer, store.take(&name, &run(racer), LEASE, at(0)).await?)) });
        }
        let outcomes = race(racers).await?;
        let winners: Vec<_> = outcomes.iter().filter(|(_, take)| matches!(take, Take::Taken { .. })).collect();
        same("winners", winners.len(), 1)?;
        for (racer, take) in &outcomes {
            if let Take::Held(held) = take {
                holds("a loser is told another holder", held.run != run(*racer))?;
                same("holder told", winners.iter().any(|(winner, _)| run(*winner) == held.run), true)?;
            }
        }
    }
    Ok(())
}

async fn racing_generations(place: Arc<dyn Place>) -> Outcome {
    const EACH: usize = 15;
    let mut racers = Vec::new();
    for racer in 1..=4 {
        let store = place.open().await?;
        racers.push(async move { take_and_release(&*store, racer, EACH).await });
    }
    let mut generations: Vec<u64> = race(racers).await?.into_iter().flatten().collect();
    generations.sort_unstable();
    same("generations", generations, (1..=4 * EACH as u64).collect())
}

async fn take_and_release(store: &dyn Store, racer: u8, times: usize) -> Result<Vec<u64>, Wrong> {
    let mut generations = Vec::new();
    while generations.len() < times {
        if let Take::Taken { generation } = store.take("a", &run(racer), LEASE, at(0)).await? {
            generations.push(generation);
            store.release("a", &run(racer)).await?;
        }
        tokio::task::yield_now().await;
    }
    Ok(generations)
}

/// Milliseconds after the start of the case.
async fn lease_of(store: &dyn Store, name: &str) -> Result<Option<i64>, Wrong> {
    let held = store.held().await?.into_iter().find(|lock| lock.name == name);
    Ok(held.map(|lock| lock.lease_until.0 - at(0).0))
}
