//! The engine's locks in the parameter store: what a generation's text means, and the order of requests that lets two
//! processes never both believe that they have a lock, although AWS promises no order of what it answers.
//!
//! Whoever takes writes the next generation and then looks at the one before; whoever holds writes that one and then
//! looks for a next. So of two at a time at least one sees the other, and who sees the other does not act. A generation
//! names what its taker saw before: it does not count over a holder that began to act since, and who saw nobody else
//! when it wrote that down goes on, whoever comes. Whoever breaks a lock takes it in the same way and leaves it broken.
//!
//! The highest generation is never removed, so that generations rise for ever: who took one that does not count writes
//! that into it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sluice_engine::ids::Sha256;
use sluice_engine::journal::store::{Breach, Holder, Keep, Lock, Locks, Standing, StoreError};
use sluice_engine::run::Place;
use sluice_plugin::Problem;
use sluice_plugin::inventory::Aws;

use crate::plugins::parameter_locks::{Entry, LockParameters};

pub(super) use crate::plugins::parameter_locks::folder;

/// Between writing over another's claim and looking at it again: copies of the store may lag behind.
const SETTLE: Duration = Duration::from_millis(500);

/// How often to read again what was just written and is not there yet.
const READS: u32 = 5;

pub(crate) struct ParameterLocks<P = LockParameters>(pub(crate) P);

pub(super) fn locks(aws: Aws, prefix: &str) -> ParameterLocks {
    ParameterLocks(LockParameters::new(aws, prefix))
}

/// Those of an account, to be looked at.
pub(crate) fn shelf(aws: Aws, prefix: &str) -> Option<Arc<dyn Locks>> {
    Some(super::in_parameters(aws, prefix))
}

/// The same, once AWS has said whom it takes us for.
pub(super) async fn opened(aws: Aws, prefix: &str) -> Result<Place, StoreError> {
    let locks = LockParameters::new(aws, prefix);
    let caller = locks.caller().await.map_err(|problem| StoreError::Unreachable(problem.message))?;
    Ok(Place { locks: Arc::new(ParameterLocks(locks)), caller: Some(caller) })
}

/// The requests that locks are made of, each on its own.
#[async_trait]
pub(crate) trait Parameters: Send + Sync {
    /// The generations of a lock that are there, oldest first.
    async fn entries(&self, lock: &str) -> Result<Vec<Entry>, Problem>;

    /// Those of all locks, by the lock's name.
    async fn all(&self) -> Result<BTreeMap<String, Vec<Entry>>, Problem>;

    /// False: this generation is there already.
    async fn create(&self, lock: &str, entry: &Entry) -> Result<bool, Problem>;

    /// False: it was not there.
    async fn overwrite(&self, lock: &str, entry: &Entry) -> Result<bool, Problem>;

    async fn remove(&self, lock: &str, generations: &[u64]) -> Result<(), Problem>;

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[async_trait]
impl Parameters for LockParameters {
    async fn entries(&self, lock: &str) -> Result<Vec<Entry>, Problem> {
        self.entries(lock).await
    }

    async fn all(&self) -> Result<BTreeMap<String, Vec<Entry>>, Problem> {
        self.all().await
    }

    async fn create(&self, lock: &str, entry: &Entry) -> Result<bool, Problem> {
        self.create(lock, entry).await
    }

    async fn overwrite(&self, lock: &str, entry: &Entry) -> Result<bool, Problem> {
        self.overwrite(lock, entry).await
    }

    async fn remove(&self, lock: &str, generations: &[u64]) -> Result<(), Problem> {
        self.remove(lock, generations).await
    }
}

/// The text of one generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    standing: Standing,
    /// The generation before, as its taker saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<Over>,
    take: Take,
}

/// What became of the take itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Take {
    /// Its taker looks whether it counts.
    Tried,
    Counts,
    Withdrawn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Over {
    generation: u64,
    text: Sha256,
    /// Whoever had it had begun to act.
    effect: bool,
}

/// What became of a text that was written over one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rewritten {
    Counts,
    /// It counted, and somebody took the lock since.
    Followed,
    Not,
}

/// A generation, and what it says.
struct Read {
    entry: Entry,
    stored: Stored,
}

#[async_trait]
impl<P: Parameters> Locks for ParameterLocks<P> {
    async fn look(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        Ok(lock(name, &self.read(name).await?))
    }

    async fn take(&self, name: &str, seen: Option<&Lock>, holder: &Holder) -> Result<Option<u64>, StoreError> {
        let before = self.read(name).await?;
        if lock(name, &before).as_ref() != seen {
            return Ok(None);
        }
        let next = self.follow(name, &before, Standing::Held { holder: holder.clone() }).await?;
        let Some((generation, _)) = next else { return Ok(None) };
        self.remove(name, &generations(&before)).await;
        Ok(Some(generation))
    }

    async fn renew(&self, name: &str, generation: u64, keep: Keep) -> Result<bool, StoreError> {
        let renewed = |holder: Holder| Standing::Held { holder: holder.heard(keep) };
        Ok(self.rewrite(name, generation, renewed).await? == Rewritten::Counts)
    }

    async fn release(&self, name: &str, generation: u64) -> Result<bool, StoreError> {
        Ok(self.rewrite(name, generation, Standing::after).await? != Rewritten::Not)
    }

    /// A generation of its own, so that nothing its holder still writes can hide it. A holder that is heard of meanwhile
    /// is not broken.
    async fn break_lock(&self, name: &str, generation: u64, breach: &Breach) -> Result<bool, StoreError> {
        let before = self.read(name).await?;
        let Some(was) = counts(&before).filter(|read| read.entry.generation == generation) else { return Ok(false) };
        let Standing::Held { holder } = was.stored.standing.clone() else { return Ok(false) };
        let next = self.follow(name, &before, Standing::broken(holder, breach)).await?;
        let Some((generation, stored)) = next else { return Ok(false) };
        // Nobody takes care of it from now on: it counts whatever the holder comes to write.
        let mine = written(generation, &Stored { take: Take::Counts, ..stored })?;
        if !self.0.overwrite(name, &mine).await.map_err(cannot_tell)? {
            // Somebody has taken the lock since.
            self.remove(name, &[generation]).await;
        }
        self.remove(name, &generations(&before)).await;
        Ok(true)
    }

    async fn held(&self) -> Result<Vec<Lock>, StoreError> {
        let all = self.0.all().await.map_err(cannot_tell)?;
        let mut held = Vec::new();
        for (name, entries) in all {
            held.extend(lock(&name, &understood(&name, entries)?).filter(|lock| lock.standing != Standing::Free));
        }
        Ok(held)
    }
}

impl<P: Parameters> ParameterLocks<P> {
    async fn read(&self, name: &str) -> Result<Vec<Read>, StoreError> {
        understood(name, self.0.entries(name).await.map_err(cannot_tell)?)
    }

    /// Writes the generation behind those that were read, and looks whether they still are as they were. `None`: somebody
    /// was quicker, or was heard of.
    async fn follow(
        &self,
        name: &str,
        before: &[Read],
        standing: Standing,
    ) -> Result<Option<(u64, Stored)>, StoreError> {
        let generation = before.last().map_or(0, |last| last.entry.generation) + 1;
        let was = counts(before);
        let stored = Stored { standing, over: was.map(Read::seen), take: Take::Tried };
        let mine = written(generation, &stored)?;
        if !self.0.create(name, &mine).await.map_err(cannot_tell)? {
            return Ok(None);
        }
        if was.is_some_and(|was| was.stored.standing != Standing::Free) {
            self.0.wait(SETTLE).await;
        }
        let after = match self.read_back(name, &mine).await {
            Ok(after) => after,
            Err(error) => {
                // It does not count, and nobody has to wait for its lease.
                self.withdraw(name, generation, stored).await;
                return Err(error);
            }
        };
        let expected = before.iter().map(|read| &read.entry).chain([&mine]);
        if !after.iter().map(|read| &read.entry).eq(expected) {
            self.withdraw(name, generation, stored).await;
            return Ok(None);
        }
        Ok(Some((generation, stored)))
    }

    /// What was written counts only once it is read.
    async fn read_back(&self, name: &str, mine: &Entry) -> Result<Vec<Read>, StoreError> {
        for _ in 0..READS {
            let reads = self.read(name).await?;
            if reads.iter().any(|read| read.entry.generation >= mine.generation) {
                return Ok(reads);
            }
            self.0.wait(SETTLE).await;
        }
        Err(StoreError::Unreachable(format!("generation {} was written and cannot be read", mine.generation)))
    }

    /// Writes over what is held under this generation, and looks whether it still counts afterwards.
    async fn rewrite(
        &self,
        name: &str,
        generation: u64,
        to: impl FnOnce(Holder) -> Standing + Send,
    ) -> Result<Rewritten, StoreError> {
        let reads = self.read(name).await?;
        let Some(was) = counts(&reads).filter(|read| read.entry.generation == generation) else {
            return Ok(Rewritten::Not);
        };
        let Standing::Held { holder } = was.stored.standing.clone() else { return Ok(Rewritten::Not) };
        let mine = written(generation, &Stored { standing: to(holder), over: was.stored.over, take: Take::Counts })?;
        if !self.0.overwrite(name, &mine).await.map_err(cannot_tell)? {
            // Whoever took the lock had removed it.
            self.remove(name, &[generation]).await;
            return Ok(Rewritten::Not);
        }
        let after = self.read_back(name, &mine).await?;
        let Some(next) = standing(&after).find(|read| read.entry.generation > generation) else {
            let older = after.iter().map(|read| read.entry.generation).filter(|is| *is < generation);
            self.remove(name, &older.collect::<Vec<_>>()).await;
            return Ok(Rewritten::Counts);
        };
        let still = counts(&after).is_some_and(|read| read.entry.generation == generation);
        // Otherwise it stays all the same: who took what was there before sees that it has changed.
        Ok(match next.stored.over {
            _ if was.is_marked() && still => Rewritten::Counts,
            Some(over) if over.text == was.seen().text => Rewritten::Not,
            Some(_) | None => Rewritten::Followed,
        })
    }

    /// Nobody has to wait for the lease of a take that does not count.
    async fn withdraw(&self, name: &str, generation: u64, stored: Stored) {
        let withdrawn = Stored { take: Take::Withdrawn, ..stored };
        let Ok(entry) = written(generation, &withdrawn) else { return };
        match self.0.overwrite(name, &entry).await {
            Ok(true) => {}
            Ok(false) => self.remove(name, &[generation]).await,
            Err(problem) => tracing::debug!(%problem, lock = name, "its lease has to run out"),
        }
    }

    /// What is left behind does no harm: it names nobody who counts.
    async fn remove(&self, name: &str, generations: &[u64]) {
        if generations.is_empty() {
            return;
        }
        if let Err(problem) = self.0.remove(name, generations).await {
            tracing::debug!(%problem, lock = name, "older generations are left");
        }
    }
}

fn written(generation: u64, stored: &Stored) -> Result<Entry, StoreError> {
    let value = serde_json::to_string(stored).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Entry { generation, value })
}

fn understood(name: &str, entries: Vec<Entry>) -> Result<Vec<Read>, StoreError> {
    let read = |entry: Entry| {
        let stored = serde_json::from_str(&entry.value).map_err(|error| {
            StoreError::Corrupt(format!("generation {} of the lock `{name}` cannot be read: {error}", entry.generation))
        })?;
        Ok(Read { entry, stored })
    };
    entries.into_iter().map(read).collect()
}

fn generations(reads: &[Read]) -> Vec<u64> {
    reads.iter().map(|read| read.entry.generation).collect()
}

/// Those that their takers have not withdrawn, oldest first.
fn standing(reads: &[Read]) -> impl DoubleEndedIterator<Item = &Read> {
    reads.iter().filter(|read| read.stored.take != Take::Withdrawn)
}

/// The highest generation counts; one that is only tried not over an older one that has begun to act and was not seen
/// doing so: that holder was not gone.
fn counts(reads: &[Read]) -> Option<&Read> {
    standing(reads).reduce(|older, newer| {
        let seen = newer.stored.over.is_some_and(|over| over.effect && over.generation == older.entry.generation);
        let tried = newer.stored.take == Take::Tried && !seen;
        if older.is_marked() && tried { older } else { newer }
    })
}

fn lock(name: &str, reads: &[Read]) -> Option<Lock> {
    let Read { entry, stored } = counts(reads)?;
    Some(Lock { name: name.to_owned(), generation: entry.generation, standing: stored.standing.clone() })
}

impl Read {
    /// Its holder has begun to act.
    fn is_marked(&self) -> bool {
        match &self.stored.standing {
            Standing::Free => false,
            Standing::Held { holder } | Standing::Broken { holder, .. } => holder.effect,
        }
    }

    fn seen(&self) -> Over {
        Over {
            generation: self.entry.generation,
            text: Sha256::of(self.entry.value.as_bytes()),
            effect: self.is_marked(),
        }
    }
}

/// Throttled, refused, no answer: nothing is known of the lock then.
fn cannot_tell(problem: Problem) -> StoreError {
    StoreError::Unreachable(problem.message)
}

#[cfg(test)]
mod tests;
