//! Locks: what is seen of one, that nothing is taken or changed blind, and that each take has a generation of its own.
//! Who may take a lock from whom is the engine's and not asked here.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use sluice_engine::ids::Sha256;
use sluice_engine::journal::store::{Breach, Holder, Keep, Lock, Locks, Standing, Timestamp, Version};
use sluice_engine::journal::{Epoch, Owner};

use super::fixture::{at, race, run};
use super::{LockPlace, Outcome, Wrong, holds, same};

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;
type Body = Box<dyn Fn(Arc<dyn LockPlace>) -> Running + Send + Sync>;

pub(super) fn cases() -> Vec<(&'static str, Body)> {
    vec![
        case("a lock is taken once, and says by whom", taken_once),
        case("a lock that has moved since it was seen is not taken", moved),
        case("a lock is taken over under the next generation", taken_over),
        case("a lease is renewed by its generation alone", renewal),
        case("the mark of an effect stays", marked),
        case("a lock is given back by its generation alone", releases),
        case("each take raises the generation", generations),
        case("a lock taken for a repair goes back", repaired),
        case("a break needs the exact generation", breaks),
        case("a broken lock says by whom and why until it is taken", broken),
        case("locks that are not free are listed by name", listing),
        case("names of locks keep every character", names),
        case("of racing takers one gets the lock", racing_takers),
        case("racing takes never share a generation", racing_generations),
    ]
}

fn case<F>(name: &'static str, body: fn(Arc<dyn LockPlace>) -> F) -> (&'static str, Body)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    (name, Box::new(move |place| Box::pin(body(place))))
}

fn holder(number: u8, lease_until: i64) -> Holder {
    Holder {
        run: run(number),
        epoch: Epoch(u32::from(number)),
        runbook: "replace-node".into(),
        person: format!("ana-{number}@laptop"),
        owner: Owner { host: "laptop".into(), pid: 7, started: "boot/1/2".into() },
        since: at(0),
        lease_until: at(lease_until),
        effect: false,
        acted: None,
        repairs: None,
    }
}

fn held(name: &str, generation: u64, holder: Holder) -> Lock {
    Lock { name: name.into(), generation, standing: Standing::Held { holder } }
}

fn keep(lease_until: i64) -> Keep {
    Keep { lease_until: at(lease_until), effect: false, acted: None }
}

fn breach() -> Breach {
    Breach { by: "ben@desk".into(), why: "the laptop \"fell\"\ninto the canal".into(), at: at(5) }
}

/// Takes it as it is now.
async fn take(locks: &dyn Locks, name: &str, holder: &Holder) -> Result<Option<u64>, Wrong> {
    let seen = locks.look(name).await?;
    Ok(locks.take(name, seen.as_ref(), holder).await?)
}

async fn taken_once(place: Arc<dyn LockPlace>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    same("before", store.look("a").await?, None)?;
    let first = holder(1, 30_000);
    same("first", store.take("a", None, &first).await?, Some(1))?;
    same("second", other.take("a", None, &holder(2, 30_000)).await?, None)?;
    same("seen", other.look("a").await?, Some(held("a", 1, first.clone())))?;
    same("another lock", other.take("b", None, &holder(2, 30_000)).await?, Some(1))?;
    same("first is unchanged", store.look("a").await?, Some(held("a", 1, first)))
}

async fn moved(place: Arc<dyn LockPlace>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    store.take("a", None, &holder(1, 30_000)).await?;
    let seen = other.look("a").await?;
    same("renewed", store.renew("a", 1, keep(60_000)).await?, true)?;
    same("after a renewal", other.take("a", seen.as_ref(), &holder(2, 30_000)).await?, None)?;
    let seen = other.look("a").await?;
    same("marked", store.renew("a", 1, Keep { effect: true, ..keep(60_000) }).await?, true)?;
    same("after a mark", other.take("a", seen.as_ref(), &holder(2, 30_000)).await?, None)?;
    let seen = other.look("a").await?;
    same("released", store.release("a", 1).await?, true)?;
    same("after a release", other.take("a", seen.as_ref(), &holder(2, 30_000)).await?, None)?;
    let seen = other.look("a").await?;
    same("taken", store.take("a", seen.as_ref(), &holder(1, 30_000)).await?, Some(2))?;
    same("after a take", other.take("a", seen.as_ref(), &holder(2, 30_000)).await?, None)?;
    same("a lock that was never there", other.take("b", seen.as_ref(), &holder(2, 30_000)).await?, None)?;
    same("the last one has it", other.look("a").await?, Some(held("a", 2, holder(1, 30_000))))
}

async fn taken_over(place: Arc<dyn LockPlace>) -> Outcome {
    let (store, other) = (place.open().await?, place.open().await?);
    store.take("a", None, &holder(1, 30_000)).await?;
    same("taken over", take(&*other, "a", &holder(2, 90_000)).await?, Some(2))?;
    same("now", store.look("a").await?, Some(held("a", 2, holder(2, 90_000))))?;
    same("the former renews", store.renew("a", 1, keep(99_000)).await?, false)?;
    same("the former releases", store.release("a", 1).await?, false)?;
    same("the former breaks", store.break_lock("a", 1, &breach()).await?, false)?;
    same("still", store.look("a").await?, Some(held("a", 2, holder(2, 90_000))))
}

async fn renewal(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    same("unknown lock", store.renew("a", 1, keep(1)).await?, false)?;
    same("nothing is made of it", store.look("a").await?, None)?;
    store.take("a", None, &holder(1, 30_000)).await?;
    for generation in [0, 2, u64::MAX] {
        same("another generation", store.renew("a", generation, keep(70_000)).await?, false)?;
    }
    for lease in [40_000, 99_000, 0] {
        same("holder", store.renew("a", 1, keep(lease)).await?, true)?;
        same("lease", store.look("a").await?, Some(held("a", 1, holder(1, lease))))?;
    }
    store.release("a", 1).await?;
    same("after release", store.renew("a", 1, keep(100_000)).await?, false)?;
    same("held", store.held().await?, vec![])
}

async fn marked(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    store.take("a", None, &holder(1, 30_000)).await?;
    store.renew("a", 1, Keep { effect: true, ..keep(40_000) }).await?;
    store.renew("a", 1, keep(50_000)).await?;
    let acted = Version { ordinal: 7, hash: Sha256::of(b"seven") };
    store.renew("a", 1, Keep { acted: Some(acted), ..keep(60_000) }).await?;
    store.renew("a", 1, keep(50_000)).await?;
    let marked = Holder { effect: true, acted: Some(acted), ..holder(1, 50_000) };
    same("marked", place.open().await?.look("a").await?, Some(held("a", 1, marked)))
}

async fn releases(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    same("unknown lock", store.release("a", 1).await?, false)?;
    store.take("a", None, &holder(1, 30_000)).await?;
    for generation in [0, 2] {
        same("another generation", store.release("a", generation).await?, false)?;
    }
    same("another lock", store.release("b", 1).await?, false)?;
    holds("the lock is still held", store.held().await?.len() == 1)?;
    same("its own", store.release("a", 1).await?, true)?;
    same("again", store.release("a", 1).await?, false)?;
    let free = Lock { name: "a".into(), generation: 1, standing: Standing::Free };
    same("free", store.look("a").await?, Some(free))?;
    same("held", store.held().await?, vec![])
}

async fn generations(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    for (generation, number) in [(1, 1), (2, 2), (3, 2), (4, 1)] {
        same("taken", take(&*store, "a", &holder(number, 0)).await?, Some(generation))?;
        same("released", store.release("a", generation).await?, true)?;
    }
    same("after a new open", take(&*place.open().await?, "a", &holder(3, 0)).await?, Some(5))
}

async fn repaired(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    let broken = Holder { effect: true, ..holder(1, 30_000) };
    store.take("a", None, &broken).await?;
    let repairs = Holder { repairs: Some(Box::new(broken.clone())), ..holder(2, 60_000) };
    same("taken", take(&*store, "a", &repairs).await?, Some(2))?;
    same("for the repair", store.look("a").await?, Some(held("a", 2, repairs)))?;
    same("given back", store.release("a", 2).await?, true)?;
    let back = Lock {
        standing: Standing::after(Holder { repairs: Some(Box::new(broken)), ..holder(2, 0) }),
        ..held("a", 2, holder(2, 0))
    };
    let held = back.holder().map(|holder| (holder.run.clone(), holder.effect, holder.lease_until.0));
    same("it is the first one's", held, Some((run(1), true, 0)))?;
    same("back", store.look("a").await?, Some(back))?;
    same("taken again", take(&*store, "a", &holder(1, 90_000)).await?, Some(3))
}

async fn breaks(place: Arc<dyn LockPlace>) -> Outcome {
    let (store, owner) = (place.open().await?, place.open().await?);
    same("unknown lock", store.break_lock("a", 1, &breach()).await?, false)?;
    owner.take("a", None, &holder(1, 30_000)).await?;
    for generation in [0, 2, u64::MAX] {
        same("another generation", store.break_lock("a", generation, &breach()).await?, false)?;
    }
    same("the holder's", store.break_lock("a", 1, &breach()).await?, true)?;
    same("again", store.break_lock("a", 1, &breach()).await?, false)?;
    same("the broken holder's lease", owner.renew("a", 1, keep(40_000)).await?, false)?;
    same("the broken holder's release", owner.release("a", 1).await?, false)?;
    let next = take(&*store, "a", &holder(2, 30_001)).await?;
    holds("the next has a generation of its own", next > Some(1))?;
    same("an old generation", store.break_lock("a", 1, &breach()).await?, false)
}

async fn broken(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    let before = Holder { effect: true, ..holder(1, 30_000) };
    store.take("a", None, &before).await?;
    store.break_lock("a", 1, &breach()).await?;
    // A break may be a generation of its own.
    let generation = place.open().await?.look("a").await?.map_or(0, |lock| lock.generation);
    let standing = Standing::Broken { holder: before, breach: breach() };
    let broken = Lock { name: "a".into(), generation, standing };
    same("broken", place.open().await?.look("a").await?, Some(broken.clone()))?;
    same("listed", store.held().await?, vec![broken])?;
    same("taken", take(&*store, "a", &holder(2, 30_000)).await?, Some(generation + 1))?;
    same("held", store.look("a").await?, Some(held("a", generation + 1, holder(2, 30_000))))?;
    // One that repairs a run gives it back: what the other did is as unknown as before.
    let repaired = Holder { effect: true, ..holder(3, 0) };
    let repairer = Holder { repairs: Some(Box::new(repaired.clone())), ..holder(4, 30_000) };
    store.take("b", None, &repairer).await?;
    same("a repair is broken", store.break_lock("b", 1, &breach()).await?, true)?;
    let back = place.open().await?.look("b").await?.map(|lock| lock.standing);
    same("given back", back, Some(Standing::Held { holder: Holder { lease_until: Timestamp(0), ..repaired } }))
}

async fn listing(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    for (name, number) in [("cluster/b", 1), ("cluster/a", 2), ("z", 1), ("A", 3)] {
        store.take(name, None, &holder(number, 0)).await?;
    }
    store.release("z", 1).await?;
    let held = store.held().await?;
    let found: Vec<_> = held.iter().filter_map(|lock| Some((lock.name.as_str(), lock.holder()?.run.clone()))).collect();
    same("held", found, vec![("A", run(3)), ("cluster/a", run(2)), ("cluster/b", run(1))])
}

async fn names(place: Arc<dyn LockPlace>) -> Outcome {
    let store = place.open().await?;
    let odd = ["", " ", "a\0b", "a", "a ", "'\"%_*>.", "größe/💧", "A", "a/b", "a_2Fb"];
    for name in odd {
        same(name, store.take(name, None, &holder(1, 0)).await?, Some(1))?;
    }
    let mut wanted = odd.map(str::to_owned).to_vec();
    wanted.sort_unstable();
    let found: Vec<_> = store.held().await?.into_iter().map(|lock| lock.name).collect();
    same("held", found, wanted)
}

async fn racing_takers(place: Arc<dyn LockPlace>) -> Outcome {
    for round in 0..10 {
        let name = format!("lock-{round}");
        let mut racers = Vec::new();
        for racer in 1..=4 {
            let (store, name) = (place.open().await?, name.clone());
            racers.push(async move { Ok((racer, store.take(&name, None, &holder(racer, 30_000)).await?)) });
        }
        let outcomes: Vec<(u8, Option<u64>)> = race(racers).await?;
        let winners: Vec<u8> = outcomes.iter().filter(|(_, take)| take.is_some()).map(|(racer, _)| *racer).collect();
        same("winners", winners.len(), 1)?;
        let is = place.open().await?.look(&name).await?;
        same(
            "it is the winner's",
            is.and_then(|lock| Some(lock.holder()?.run.clone())),
            winners.first().map(|one| run(*one)),
        )?;
    }
    Ok(())
}

async fn racing_generations(place: Arc<dyn LockPlace>) -> Outcome {
    const EACH: usize = 6;
    let mut racers = Vec::new();
    for racer in 1..=4 {
        let store = place.open().await?;
        racers.push(async move { take_and_release(&*store, racer, EACH).await });
    }
    let generations: Vec<u64> = race(racers).await?.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = generations.iter().copied().collect();
    same("distinct generations", distinct.len(), 4 * EACH)?;
    holds("each racer's generations rise", generations.chunks(EACH).all(|own| own.is_sorted()))
}

/// Takes it whenever it is free.
async fn take_and_release(store: &dyn Locks, racer: u8, times: usize) -> Result<Vec<u64>, Wrong> {
    let mut generations = Vec::new();
    while generations.len() < times {
        let seen = store.look("a").await?;
        let free = seen.as_ref().is_none_or(|lock| lock.standing == Standing::Free);
        if free && let Some(generation) = store.take("a", seen.as_ref(), &holder(racer, 30_000)).await? {
            holds("what was taken is given back", store.release("a", generation).await?)?;
            generations.push(generation);
        }
        tokio::task::yield_now().await;
    }
    Ok(generations)
}
