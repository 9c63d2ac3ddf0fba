//! Credentials that ran out: a run with a lock says so, waits for somebody to log in, and goes on by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sluice_engine::journal::{CancelHow, Filter, Key, Outcome, Page};
use sluice_engine::run::{Ending, Engine, Observer};
use sluice_plugin::{Problem, Timestamp};
use tokio::time::Instant;

use super::confirm::{case, world};
use super::{begin, comes_out_the_same, recheck};

/// Whom it was said to, and how often.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn waits_for_login(&self, key: &Key, problem: &Problem, _: Timestamp) {
        self.0.lock().unwrap().push(format!("{key}: {}", problem.message));
    }
}

/// How it ended, after how long, and what was said meanwhile.
async fn ended(steps: &'static str) -> (Ending, Duration, Vec<String>) {
    let world = world();
    let told = Arc::new(Told::default());
    let engine = Engine { observer: told.clone(), ..world.process(1) };
    let began = Instant::now();
    let (run, ended) = begin(&engine, &case(steps)).await;
    let ending = ended.unwrap().0;
    comes_out_the_same(&engine, &run).await;
    (ending, began.elapsed(), told.0.lock().unwrap().clone())
}

#[tokio::test(start_paused = true)]
async fn a_run_with_a_lock_waits_and_goes_on() {
    let (ending, took, told) = ended(
        "
        lock: it
        steps:
          - { id: a, uses: toy.read, with: { fails: 30, code: credentials } }
          - { id: b, uses: toy.read, with: { fails: 3, code: credentials } }",
    )
    .await;
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(took.as_secs(), 330);
    assert_eq!(told, ["a: log in first", "b: log in first"], "once each time");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_without_a_lock_or_for_ever() {
    let (ending, took, told) = ended(
        "
        steps:
          - { id: a, uses: toy.read, with: { fails: 3, code: credentials } }",
    )
    .await;
    assert_eq!((ending, took.as_secs()), (Ending::Ended(Outcome::Failed { key: Key("a".into()) }), 0));
    assert_eq!(told, [""; 0]);
    let (ending, took, told) = ended(
        "
        lock: it
        steps:
          - { id: a, uses: toy.read, with: { fails: 9999, code: credentials }, retry: { attempts: 3, delay: 1s } }",
    )
    .await;
    assert_eq!(ending, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!((900..930).contains(&took.as_secs()), "{took:?}");
    assert_eq!(told.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_to_end_waits_for_nobody() {
    const STEPS: &str = "
        lock: it
        steps:
          - { id: a, uses: toy.read, with: { fails: 9999, code: credentials } }
        finally:
          - { id: f, uses: toy.read, with: { fails: 9999, code: credentials } }";
    let world = world();
    let (one, two) = (world.process(1), world.process(2));
    let case = case(STEPS);
    let began = Instant::now();
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let runs = world.store.list(&Filter::default(), Page { skip: 0, take: 1 }).await.unwrap();
        two.ask_cancel(&runs[0].run, CancelHow::AfterStep, "enough", &recheck).await.unwrap();
    };
    let ((_, ended), ()) = tokio::join!(begin(&one, &case), cancel);
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
}
