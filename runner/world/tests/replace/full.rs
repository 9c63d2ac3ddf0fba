//! A store whose disk is full from one event on: nothing is done that cannot be written down first, and with room again
//! the run goes on to the same end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::Event;
use sluice_engine::journal::store::{
    AppendError, Blobs, Breach, Durability, Filter, Holder, Index, IndexEntry, Journal, Keep, Lock, Locks, Page,
    Record, Schedules, Store, StoreError, Timestamp, Version,
};
use sluice_engine::run::Order;
use sluice_store::MemoryStore;

use super::{Person, Scene, Story, bench, instance, process, resume, tell};
use crate::books::Bench;

/// Takes no event from this one on, and nothing else that is written after that.
pub(crate) struct FullStore {
    inner: MemoryStore,
    from: u64,
    met: AtomicU64,
}

impl FullStore {
    pub(crate) fn from_event(from: u64) -> Arc<Self> {
        Arc::new(Self { inner: MemoryStore::default(), from, met: AtomicU64::new(0) })
    }

    /// There is room again.
    pub(crate) fn make_room(&self) {
        self.met.store(2, Ordering::SeqCst);
    }

    fn write(&self) -> Result<(), StoreError> {
        if self.met.load(Ordering::SeqCst) == 1 { Err(full()) } else { Ok(()) }
    }
}

fn full() -> StoreError {
    StoreError::Full("no space left on device".into())
}

#[async_trait]
impl Journal for FullStore {
    async fn append(
        &self,
        run: &RunId,
        expected: Version,
        records: &[Record],
        durability: Durability,
    ) -> Result<Version, AppendError> {
        if expected.ordinal + records.len() as u64 >= self.from {
            let _ = self.met.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
        }
        self.write()?;
        self.inner.append(run, expected, records, durability).await
    }

    async fn read(&self, run: &RunId, after: u64) -> Result<Vec<Record>, StoreError> {
        self.inner.read(run, after).await
    }

    async fn changed(&self, run: &RunId, after: u64, patience: Duration) -> Result<bool, StoreError> {
        self.inner.changed(run, after, patience).await
    }
}

#[async_trait]
impl Locks for FullStore {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        self.inner.look(name).await
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        self.write()?;
        self.inner.take(name, seen, holder).await
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        self.write()?;
        self.inner.renew(name, generation, keep).await
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        self.write()?;
        self.inner.release(name, generation).await
    }

    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        self.write()?;
        self.inner.break_lock(name, generation, breach).await
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        self.inner.held().await
    }
}

#[async_trait]
impl Index for FullStore {
    async fn put(&self, entry: &IndexEntry) -> Result<(), StoreError> {
        self.write()?;
        self.inner.put(entry).await
    }

    async fn get(&self, run: &RunId) -> Result<Option<IndexEntry>, StoreError> {
        self.inner.get(run).await
    }

    async fn list(&self, filter: &Filter, page: Page) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.list(filter, page).await
    }

    async fn waiting(&self, until: Timestamp) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.waiting(until).await
    }

    async fn journals(&self) -> Result<Vec<RunId>, StoreError> {
        self.inner.journals().await
    }

    async fn beat(&self, run: &RunId, until: Option<Timestamp>) -> Result<(), StoreError> {
        self.write()?;
        self.inner.beat(run, until).await
    }

    async fn lease(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        self.inner.lease(run).await
    }
}

#[async_trait]
impl Schedules for FullStore {
    async fn claim(&self, fire: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.write()?;
        self.inner.claim(fire, now).await
    }
}

impl Store for FullStore {}

#[async_trait]
impl Blobs for FullStore {
    async fn put_blob(&self, bytes: &[u8]) -> Result<Sha256, StoreError> {
        self.write()?;
        self.inner.put_blob(bytes).await
    }

    async fn get_blob(&self, hash: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get_blob(hash).await
    }
}

/// The events of a run to which nothing happens, in order.
pub(crate) async fn events() -> Vec<Event> {
    let bench = bench();
    let scene = Scene::new(&bench);
    let store = scene.store.clone();
    let story = scene.told().await;
    assert_eq!(story.exit, 0, "{:?}", story.words);
    let person = Arc::new(Person::new(&bench.world));
    let process = process(&bench, &store, 2, &person);
    let recheck = |snapshot: &_| bench.recheck(snapshot);
    let loaded = process.engine.load(&bench.order().run, &recheck).await.unwrap();
    loaded.envelopes.into_iter().map(|envelope| envelope.event).collect()
}

/// Nothing was written, so somebody begins a run of their own.
async fn begun(bench: &Bench, store: &Arc<dyn Store>, old: &str) -> Story {
    let person = Arc::new(Person::new(&bench.world));
    let second = process(bench, store, 2, &person);
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let run = RunId::new(1_790_000_000_001, [8; 10]);
    let order = Order { run: run.clone(), ..bench.order() };
    let error = bench.world.run(Box::pin(second.engine.start(order, &mut signals))).await.err();
    tell(bench, (store, &run), &second, &person, error, old).await
}

#[tokio::test]
async fn full_at_any_event_nothing_is_done_unwritten_and_with_room_again_it_comes_to_its_end() {
    let bench = bench();
    let events = events().await;
    let call =
        events.iter().position(|event| matches!(event, Event::Intended { key, .. } if key.0.ends_with("terminate")));
    let call = call.unwrap() as u64 + 1;
    let end = events.iter().position(|event| matches!(event, Event::Ended { .. })).unwrap() as u64 + 1;
    for from in 1..=events.len() as u64 {
        let store = FullStore::from_event(from);
        let scene = Scene::over(&bench, store.clone());
        let old = instance(&bench.world);
        let story = scene.told().await;
        let said = story.words.join("\n");
        // Once the end is written, only the lock is left to be given back, and whoever looks at the run next does that.
        assert_eq!(story.exit, u8::from(from <= end), "event {from}: {said}");
        assert!(from > end || said.contains("the store is full"), "event {from}: {said}");
        assert_eq!(story.requests, usize::from(from > call), "event {from}: {said}");
        store.make_room();
        let store: Arc<dyn Store> = store;
        // The lease of the first, which could not give it back, has to be over.
        bench.world.run(bench.world.clock().sleep(Duration::from_secs(61))).await;
        let written = !store.read(&bench.order().run, 0).await.unwrap().is_empty();
        let mut story =
            if written { resume(&bench, store.clone(), &old).await } else { begun(&bench, &store, &old).await };
        if story.left == "stopped, open" {
            // A gate whose time ran out while nobody looked; it is judged anew.
            story = resume(&bench, store, &old).await;
        }
        let said = story.words.join("\n");
        assert_eq!((story.exit, story.left.as_str()), (0, "done"), "event {from}: {said}");
        assert_eq!((story.requests, story.terminations.len()), (1, 1), "event {from}: {said}");
        assert_eq!(story.unsafe_, [""; 0], "event {from}");
    }
}
