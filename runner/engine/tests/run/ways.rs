//! Single ways through the loop that no table of runbooks shows: what a resume cannot do again, and a session cut short.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::journal::Outcome;
use sluice_engine::machine::Status;
use sluice_engine::run::{Ending, SessionRequest, Sessions, Signal};
use sluice_plugin::Problem;
use sluice_store::MemoryStore;

use super::cases::Case;
use super::stores::{Dying, When};
use super::world::{Diary, World};
use super::{begin, check_text, order_of, resume, text_of};

#[tokio::test(start_paused = true)]
async fn a_renewal_that_cannot_even_start_fails_whoever_needs_it() {
    let case = Case {
        name: "tokens",
        steps: "
            steps:
              - { id: a, uses: toy.token }
              - { id: b, uses: toy.token, with: { value: '{{ steps.a.value.n1 }}' } }
              - { id: c, uses: toy.read, with: { value: '{{ steps.b }}' } }",
        outcome: "failed",
        ends: "",
    };
    let inner = Arc::new(MemoryStore::default());
    let world = World::new(inner.clone());
    let mut first = world.process(1);
    // The third append is the end of `b`.
    first.store = Arc::new(Dying::new(inner, 3, When::After));
    let (run, died) = begin(&first, &case).await;
    assert!(died.is_err());
    world.dead.lock().unwrap().push(1);
    let second = world.process(2);
    let ended = tokio::time::timeout(Duration::from_secs(3600), resume(&second, &run)).await;
    let (ending, _) = ended.expect("the run hangs").unwrap();
    let Ending::Ended(Outcome::Failed { key }) = ending else { panic!("{ending:?}") };
    assert_eq!(key.as_str(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_given_up_stops_when_it_sees_that() {
    let case = Case {
        name: "given up",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { takes: 10s } }
              - { id: b, uses: toy.change, with: { value: 1 } }",
        outcome: "done",
        ends: "",
    };
    let world = World::new(Arc::new(MemoryStore::default()));
    let (first, second) = (world.process(1), world.process(2));
    let order = order_of(&case);
    let run = order.run.clone();
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let takes_over = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.dead.lock().unwrap().push(1);
        resume(&second, &run).await
    };
    let (first, second) = tokio::join!(first.start(order, &mut signals), takes_over);
    assert_eq!(first.unwrap().0, Ending::Lost);
    assert_eq!(second.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.changes(), ["b 1"]);
}

/// A person who never leaves, and a note when the terminal is taken away.
struct Endless(Diary);

struct Gone(Diary);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.note("session gone");
    }
}

#[async_trait]
impl Sessions for Endless {
    async fn run(&self, _: SessionRequest) -> Result<Value, Problem> {
        let _gone = Gone(self.0.clone());
        std::future::pending::<()>().await;
        Ok(json!({}))
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_session_is_gone_before_finally() {
    let case = Case {
        name: "session",
        steps: "
            steps:
              - { id: a, uses: toy.read }
            session: { command: ['true'] }
            finally:
              - { id: f, uses: toy.change, with: { value: 1 } }",
        outcome: "interrupted",
        ends: "",
    };
    let world = World::new(Arc::new(MemoryStore::default()));
    let mut engine = world.process(1);
    engine.sessions = Arc::new(Endless(world.diary.clone()));
    let order = order_of(&case);
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let interrupt = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        sender.send(Signal::Interrupt).unwrap();
    };
    let (ended, ()) = tokio::join!(engine.start(order, &mut signals), interrupt);
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Interrupted));
    assert_eq!(world.diary.changes(), ["session gone null", "f 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_given_the_word_null() {
    let case = Case {
        name: "session",
        steps: "
            steps:
              - { id: a, uses: toy.read, with: { value: null } }
            session: { env: { A: '{{ steps.a.value }}' } }",
        outcome: "failed",
        ends: "",
    };
    let (run, ended) = begin(&World::new(Arc::new(MemoryStore::default())).process(1), &case).await;
    let (ending, state) = ended.unwrap();
    let Ending::Ended(Outcome::Failed { key }) = ending else { panic!("{run}: {ending:?}") };
    assert_eq!(key.as_str(), "session.");
    let Status::Failed(problem) = &state.session.status else { panic!("{:?}", state.session) };
    assert!(problem.message.contains("none cannot stand in text"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_goes_on_behind_the_session() {
    let case = Case {
        name: "session",
        steps: "
            steps:
              - { id: a, uses: toy.read }
            session: { command: ['true'] }
            finally:
              - { id: f, uses: toy.change, with: { value: 1 } }",
        outcome: "",
        ends: "",
    };
    let engine = World::new(Arc::new(MemoryStore::default())).process(1);
    let plan = engine.plan(&check_text(&text_of(&case)), "a test", json!({})).await;
    let keys: Vec<&str> = plan.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!((keys, plan.session), (vec!["a", "f"], true));
}
