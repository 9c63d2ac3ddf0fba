//! Takers, holders and sleepers over parameters that are only in memory, in every order that chance gives.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};

use sluice_engine::ids::RunId;
use sluice_engine::journal::{Epoch, Owner};
use sluice_plugin::Timestamp;

use super::*;

fn holder(number: u8, effect: bool) -> Holder {
    Holder {
        run: RunId::new(u64::from(number), [number; 10]),
        epoch: Epoch(1),
        runbook: "x".into(),
        person: "ana".into(),
        owner: Owner { host: "here".into(), pid: 1, started: String::new() },
        since: Timestamp(0),
        lease_until: Timestamp(0),
        effect,
        acted: None,
        repairs: None,
    }
}

fn held(generation: u64, holder: Holder, over: Option<Over>) -> Read {
    let stored = Stored { standing: Standing::Held { holder }, over, take: Take::Tried };
    Read { entry: written(generation, &stored).unwrap(), stored }
}

#[test]
fn a_take_over_a_holder_that_was_not_gone_does_not_count() {
    // The first one as it is now, taken over by the second when it was as it was then.
    let check = |now: bool, then: bool, expect: u64| {
        let over = held(1, holder(1, then), None).seen();
        let reads = [held(1, holder(1, now), None), held(2, holder(2, false), Some(over))];
        assert_eq!(lock("it", &reads).unwrap().generation, expect, "began to act: {then} then, {now} now");
    };
    check(false, false, 2);
    check(true, true, 2);
    check(true, false, 1);
}

/// Parameters in memory. Each request takes a while, and so does its answer.
#[derive(Default)]
struct InMemory(Mutex<BTreeMap<u64, (String, u32)>>);

impl InMemory {
    async fn request<T>(&self, work: impl FnOnce(&mut BTreeMap<u64, (String, u32)>) -> T + Send) -> T {
        moment().await;
        let answer = work(&mut self.0.lock().unwrap());
        moment().await;
        answer
    }
}

/// Others go on meanwhile.
async fn moment() {
    let mut over = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut over, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

#[async_trait]
impl Parameters for InMemory {
    async fn entries(&self, _: &str) -> Result<Vec<Entry>, Problem> {
        let entry =
            |(generation, (value, _)): (&u64, &(String, u32))| Entry { generation: *generation, value: value.clone() };
        self.request(|all| Ok(all.iter().map(entry).collect())).await
    }

    async fn all(&self) -> Result<BTreeMap<String, Vec<Entry>>, Problem> {
        Ok(BTreeMap::from([("it".to_owned(), self.entries("it").await?)]))
    }

    async fn create(&self, _: &str, entry: &Entry) -> Result<bool, Problem> {
        self.request(|all| {
            let free = !all.contains_key(&entry.generation);
            if free {
                all.insert(entry.generation, (entry.value.clone(), 1));
            }
            Ok(free)
        })
        .await
    }

    async fn overwrite(&self, _: &str, entry: &Entry) -> Result<bool, Problem> {
        self.request(|all| {
            let version = all.get(&entry.generation).map_or(0, |(_, version)| *version) + 1;
            all.insert(entry.generation, (entry.value.clone(), version));
            Ok(version > 1)
        })
        .await
    }

    async fn remove(&self, _: &str, generations: &[u64]) -> Result<(), Problem> {
        self.request(|all| {
            let highest = all.keys().next_back().copied();
            assert!(!generations.iter().any(|one| Some(*one) == highest), "the highest of {all:?} is removed");
            all.retain(|generation, _| !generations.contains(generation));
        })
        .await;
        Ok(())
    }

    async fn wait(&self, _: Duration) {
        moment().await;
    }
}

/// What may be seen of a lock by all who want it.
struct Site {
    locks: ParameterLocks<InMemory>,
    /// Who acts now.
    acts: Mutex<Option<u8>>,
    /// Generations under which somebody acted.
    acted: Mutex<Vec<u64>>,
    taken: Mutex<Vec<u64>>,
}

impl Site {
    /// Takes what is free, and what belongs to somebody who has not begun to act and may be gone, and again what it
    /// marked itself; acts, if it is still its own then; gives it back.
    async fn takes_turns(&self, number: u8, times: usize) {
        let mut turns = 0;
        while turns < times {
            let known = self.taken.lock().unwrap().last().copied();
            let seen = self.locks.look("it").await.unwrap();
            assert!(seen.is_some() || known.is_none(), "nothing is left of the lock after generation {known:?}");
            let marked = seen.as_ref().and_then(Lock::holder).filter(|holder| holder.effect);
            if marked.is_some_and(|marked| marked.run != holder(number, true).run) {
                continue;
            }
            let wants = holder(number, marked.is_some());
            let Some(generation) = self.locks.take("it", seen.as_ref(), &wants).await.unwrap() else {
                // Not all at once again.
                for _ in 0..u32::from(number) * 5 {
                    moment().await;
                }
                continue;
            };
            self.taken.lock().unwrap().push(generation);
            moment().await;
            let keep = Keep { lease_until: Timestamp(i64::from(number)), effect: true, acted: None };
            if self.locks.renew("it", generation, keep).await.unwrap() {
                self.act(number, generation).await;
                assert!(self.locks.release("it", generation).await.unwrap(), "{number} acted and lost {generation}");
                turns += 1;
            }
        }
    }

    async fn act(&self, number: u8, generation: u64) {
        let other = self.acts.lock().unwrap().replace(number);
        assert_eq!(other, None, "{number} acts while another one does");
        let last = self.acted.lock().unwrap().last().copied();
        assert!(last < Some(generation), "{number} acts under {generation} after {last:?}");
        self.acted.lock().unwrap().push(generation);
        moment().await;
        let seen = self.locks.look("it").await.unwrap().unwrap();
        assert!(seen.is_held_by(generation, &holder(number, true).run, Epoch(1)), "{number} acts and sees {seen:?}");
        *self.acts.lock().unwrap() = None;
    }
}

/// Goes on with one of them at a time, in an order that follows from the seed.
fn in_some_order(seed: u64, mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut context = std::task::Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = usize::try_from(random >> 33).unwrap() % tasks.len();
        if tasks[at].as_mut().poll(&mut context).is_ready() {
            drop(tasks.swap_remove(at));
        }
        if tasks.is_empty() {
            return;
        }
    }
    panic!("they go round in circles");
}

#[test]
fn in_every_order_one_acts_at_a_time_and_generations_rise() {
    for seed in 0..150 {
        let site = Site {
            locks: ParameterLocks(InMemory::default()),
            acts: Mutex::default(),
            acted: Mutex::default(),
            taken: Mutex::default(),
        };
        let tasks = (1..=4).map(|number| Box::pin(site.takes_turns(number, 2)) as Pin<Box<dyn Future<Output = ()>>>);
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| in_some_order(seed, tasks.collect())));
        assert!(tried.is_ok(), "seed {seed}");
        let mut taken = site.taken.into_inner().unwrap();
        taken.sort_unstable();
        assert!(taken.is_sorted_by(|one, next| one < next), "seed {seed}: a generation was taken twice: {taken:?}");
    }
}

/// A holder that gives signs of life, and a person who breaks its lock.
struct Broken {
    locks: ParameterLocks<InMemory>,
    done: Mutex<bool>,
}

impl Broken {
    async fn lives(&self) {
        // It may be broken before it counts.
        let Some(generation) = self.locks.take("it", None, &holder(1, false)).await.unwrap() else { return };
        for until in 1..=4 {
            let before = *self.done.lock().unwrap();
            let keep = Keep { lease_until: Timestamp(until), effect: until > 1, acted: None };
            let mine = self.locks.renew("it", generation, keep).await.unwrap();
            assert!(!(mine && before), "told that a broken lock is its own");
            if !mine {
                return;
            }
        }
    }

    async fn breaks(&self) {
        let breach = Breach { by: "ben".into(), why: "a test".into(), at: Timestamp(1) };
        for _ in 0..6 {
            let seen = self.locks.look("it").await.unwrap();
            if let Some(seen) = seen.filter(|seen| seen.holder().is_some())
                && self.locks.break_lock("it", seen.generation, &breach).await.unwrap()
            {
                *self.done.lock().unwrap() = true;
                return;
            }
        }
    }
}

#[test]
fn in_every_order_a_break_stays() {
    let (mut broken, mut refused) = (0, 0);
    for seed in 0..600 {
        let site = Broken { locks: ParameterLocks(InMemory::default()), done: Mutex::default() };
        let tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(site.lives()), Box::pin(site.breaks())];
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| in_some_order(seed, tasks)));
        assert!(tried.is_ok(), "seed {seed}");
        let done = *site.done.lock().unwrap();
        let mut is = None;
        in_some_order(seed, vec![Box::pin(async { is = site.locks.look("it").await.unwrap() })]);
        let stays = is.as_ref().is_some_and(|is| matches!(is.standing, Standing::Broken { .. }));
        assert!(stays || !done, "seed {seed}: hidden by {is:?}");
        if done { broken += 1 } else { refused += 1 }
    }
    // A living holder is not broken while it is heard of.
    assert!(broken > 50 && refused > 0, "{broken} broken, {refused} not");
}
