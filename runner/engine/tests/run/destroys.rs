//! Acts that destroy, crashed at every event: whoever goes on brings the run to the same end, with a new question where
//! one is due, and nothing is destroyed twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sluice_engine::ids::RunId;
use sluice_engine::journal::Store;
use sluice_engine::run::{Asker, Confirming, Ending, Engine, OpenError, Question, Reply};
use sluice_store::MemoryStore;

use super::cases::Case;
use super::stores::{Dying, When};
use super::world::World;
use super::{begin, comes_out_the_same, end_of, recheck, resume};

pub(super) const DESTROYS: &[Case] = &[
    Case {
        name: "one act behind a question",
        steps: "
            lock: it
            steps:
              - { id: r, uses: toy.read, with: { value: node-2 } }
              - { id: g, gate: toy.gate }
              - { id: a, uses: toy.destroy, with: { value: 1 }, needs: [g], confirm: { typed: '{{ steps.r.value }}' } }
              - { id: b, uses: toy.change, with: { value: '{{ steps.a.value + 1 }}' } }
            finally:
              - { id: f, uses: toy.change }",
        outcome: "done",
        ends: "a",
    },
    Case {
        name: "a group with a change and two acts",
        steps: "
            lock: it
            steps:
              - { id: g, gate: toy.gate }
              - { id: h, gate: toy.gate, class: evidence }
              - id: all
                needs: [g]
                confirm: { typed: it }
                steps:
                  - { id: c, uses: toy.change, with: { value: 0 } }
                  - { id: a, uses: toy.destroy, with: { value: 1 } }
                  - { id: b, uses: toy.destroy, with: { value: 2 }, needs: [h] }
                  - { id: n, uses: toy.destroy, with: { value: 3, previews: refused }, when: 'steps.g.letter == \"f\"' }",
        outcome: "done",
        ends: "all/a all/b",
    },
    Case {
        name: "in a loop of calls",
        steps: "
            lock: it
            steps:
              - { id: l, for_each: [1, 2], call: ends, with: { value: '{{ item }}' } }
              - { id: z, uses: toy.read, with: { value: '{{ steps.l[1].output.value }}' } }",
        outcome: "done",
        ends: "l[1]/a l[2]/a",
    },
    Case {
        name: "a gate that fails after the yes, and passes later",
        steps: "
            lock: it
            steps:
              - { id: g, gate: toy.gate, with: { verdicts: pfpppp } }
              - { id: a, uses: toy.destroy, with: { value: 1 }, needs: [g], confirm: { typed: it } }",
        outcome: "done",
        ends: "a",
    },
    Case {
        name: "a lost answer of an act that happened",
        steps: "
            lock: it
            steps:
              - { id: g, gate: toy.gate }
              - { id: a, uses: toy.destroy, with: { value: 1, answers: maybe }, needs: [g], timeout: 1m, confirm: { typed: it } }",
        outcome: "done",
        ends: "a",
    },
    Case {
        name: "a lost answer of an act that did not happen",
        steps: "
            lock: it
            steps:
              - { id: g, gate: toy.gate }
              - { id: a, uses: toy.destroy, with: { value: 1, answers: lost }, needs: [g], timeout: 1m, confirm: { typed: it } }",
        outcome: "done",
        ends: "a",
    },
    Case {
        name: "a lost answer in a group",
        steps: "
            lock: it
            steps:
              - { id: g, gate: toy.gate }
              - id: all
                needs: [g]
                confirm: { typed: it, valid_for: 1m }
                steps:
                  - { id: a, uses: toy.destroy, with: { value: 1, answers: maybe }, timeout: 1m }
                  - { id: b, uses: toy.change, with: { value: 2 } }",
        outcome: "done",
        ends: "all/a",
    },
];

/// Somebody who says yes to everything, as it is asked.
struct Yes(AtomicUsize);

#[async_trait]
impl Asker for Yes {
    async fn ask(&self, question: Question) -> Reply {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        yes(&question.typed)
    }
}

/// A process at which somebody sits who says yes.
pub(super) fn attended(world: &World, pid: u32) -> Engine {
    let engine = world.process(pid);
    let asker: Arc<dyn Asker> = Arc::new(Yes(AtomicUsize::new(0)));
    Engine { confirming: Confirming { asker: Some(asker), ..engine.confirming.clone() }, ..engine }
}

fn yes(typed: &str) -> Reply {
    Reply { yes: true, typed: typed.to_owned(), because: None }
}

/// All processes of a run over one store, at which one of them dies.
struct Life {
    world: World,
    store: Arc<dyn Store>,
    attended: bool,
    pid: u32,
}

impl Life {
    fn new(attended: bool, at: usize, when: When) -> Self {
        let inner = Arc::new(MemoryStore::default());
        let store = Arc::new(Dying::new(inner.clone(), at, when));
        Self { world: World::new(inner), store, attended, pid: 0 }
    }

    /// A new process; those before it are gone.
    fn process(&mut self) -> Engine {
        self.world.dead.lock().unwrap().push(self.pid);
        self.pid += 1;
        let engine = self.world.process(self.pid);
        let asker: Option<Arc<dyn Asker>> = if self.attended { Some(Arc::new(Yes(AtomicUsize::new(0)))) } else { None };
        Engine { store: self.store.clone(), confirming: Confirming { asker, ..engine.confirming.clone() }, ..engine }
    }

    /// Until it has ended, whatever it takes; how often a process died.
    async fn bring_to_its_end(&mut self, case: &Case) -> (RunId, usize) {
        let (mut run, mut ended) = begin(&self.process(), case).await;
        let mut deaths = 0;
        for _ in 0..40 {
            match &ended {
                Ok((Ending::Ended(_), _)) => return (run, deaths),
                Ok((Ending::Parked, state)) => {
                    let typed = state.unanswered().next().map(|(_, ask)| ask.typed.clone());
                    if let Some(typed) = typed {
                        let said = self.process().answer(&run, None, yes(&typed), &recheck).await;
                        deaths += usize::from(said.is_err());
                    }
                }
                Ok((other, _)) => panic!("{}: {other:?}", case.name),
                Err(_) => deaths += 1,
            }
            let engine = self.process();
            if self.world.store.read(&run, 0).await.unwrap().is_empty() {
                (run, ended) = begin(&engine, case).await;
                continue;
            }
            ended = match resume(&engine, &run).await {
                Ok(ended) => Ok(ended),
                // It died after its last word.
                Err(OpenError::Over { .. }) => return (run, deaths),
                Err(OpenError::Run(error)) => Err(error),
                Err(other) => panic!("{}: {other}", case.name),
            };
        }
        panic!("{} goes round", case.name)
    }

    async fn end(&mut self, run: &RunId) -> String {
        let engine = self.process();
        comes_out_the_same(&engine, run).await;
        end_of(&engine, run).await
    }

    fn sends(&self) -> String {
        let mut sends = self.world.diary.sends();
        sends.sort();
        sends.join(" ")
    }

    fn changes(&self) -> BTreeMap<String, usize> {
        let mut changes = BTreeMap::new();
        self.world.diary.changes().into_iter().for_each(|change| *changes.entry(change).or_default() += 1);
        changes
    }
}

async fn crashed_everywhere(attended: bool) -> usize {
    let mut points = 0;
    for case in DESTROYS {
        let mut plain = Life::new(attended, usize::MAX, When::Before);
        let (run, deaths) = plain.bring_to_its_end(case).await;
        let (expect, changes) = (plain.end(&run).await, plain.changes());
        assert_eq!((deaths, plain.sends().as_str()), (0, case.ends), "{}: {expect}", case.name);
        assert!(expect.starts_with(case.outcome), "{}: {expect}", case.name);
        for when in [When::Before, When::After] {
            for at in 1.. {
                let mut life = Life::new(attended, at, when);
                let (run, deaths) = life.bring_to_its_end(case).await;
                if deaths == 0 {
                    break;
                }
                points += 1;
                let place = format!("{}, attended: {attended}, {when:?} append {at}", case.name);
                assert_eq!(life.end(&run).await, expect, "{place}");
                assert_eq!(life.sends(), case.ends, "{place}: nothing twice, and nothing is missing");
                let done = life.changes();
                assert!(done.keys().eq(changes.keys()), "{place}: {done:?}");
                let extra: usize = done.values().sum::<usize>() - changes.values().sum::<usize>();
                assert!(extra <= 1, "{place}: {done:?}");
                assert_eq!(life.world.store.held().await.unwrap(), [], "{place}: a lock is left");
            }
        }
    }
    points
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_event_with_somebody_there_destroys_nothing_twice() {
    let points = crashed_everywhere(true).await;
    assert!(points > 150, "only {points} points were tried");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_event_of_parked_runs_destroys_nothing_twice() {
    let points = crashed_everywhere(false).await;
    assert!(points > 150, "only {points} points were tried");
}
