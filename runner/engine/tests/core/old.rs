//! Journals that were written under older rules are read as they were meant.

use serde_json::json;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{CancelHow, Envelope, Epoch, Event, Key, Outcome, Owner, Phase, Trigger};
use sluice_engine::machine::{SEMANTICS, State, apply};
use sluice_plugin::{Attempt, Problem, Timestamp};

use super::toys::checked;

const TEXT: &str = "runbook: toy
summary: A toy.
steps:
  - { id: a, uses: toy.read }
finally:
  - { id: f, uses: toy.read }
  - { id: g, uses: toy.read }
";

/// Folds a run of `semantics`; gives the place of the event that is refused.
fn fold(semantics: u16, events: &[Event]) -> Option<usize> {
    let runbook = checked(TEXT).unwrap();
    let mut state = State::new(&runbook);
    let owner = Owner { host: "here".into(), pid: 1, started: "boot/1".into() };
    let (inputs, trigger) = (json!({}), Trigger::Cli);
    let started =
        Event::Started { run: None, runbook: "toy".into(), snapshot: Sha256::ZERO, inputs, trigger, semantics };
    let begin = [started, Event::Claimed { epoch: Epoch(1), owner }];
    for (ordinal, event) in (1..).zip(begin.iter().chain(events)) {
        let epoch = (!event.is_outside()).then_some(Epoch(1));
        let at = Timestamp(1_790_000_000_000);
        let envelope = Envelope { ordinal, at, epoch, actor: "p@here".into(), event: event.clone() };
        if apply(&runbook, &mut state, &envelope).is_err() {
            return Some(ordinal as usize - 3);
        }
    }
    None
}

fn done(key: &str) -> Event {
    Event::Done { key: Key(key.into()), attempt: Attempt(1), output: json!({ "value": 1, "yes": true, "items": [] }) }
}

fn failed(key: &str) -> Event {
    let problem = Problem::not_applied("toy", "it was told to fail");
    Event::Failed { key: Key(key.into()), attempt: Attempt(1), problem }
}

#[test]
fn ends_under_the_first_rules() {
    let entered = || Event::Entered { phase: Phase::Finally };
    let ended = |outcome| Event::Ended { outcome };
    let cancel = Event::CancelAsked { how: CancelHow::Now, why: String::new() };
    let failed_in_finally = vec![done("a"), entered(), failed("f"), ended(Outcome::Failed { key: Key("f".into()) })];
    let cancelled_late = vec![done("a"), entered(), cancel, done("f"), done("g"), ended(Outcome::Cancelled)];
    let interrupted_late =
        vec![done("a"), entered(), Event::Interrupted, done("f"), done("g"), ended(Outcome::Interrupted)];
    for events in [failed_in_finally, cancelled_late, interrupted_late] {
        assert_eq!(fold(1, &events), None, "{events:?}");
        assert_eq!(fold(SEMANTICS, &events), Some(events.len() - 1), "{events:?}");
    }
    for semantics in [1, SEMANTICS] {
        let events = [done("a"), entered(), done("f"), done("g"), ended(Outcome::Cancelled)];
        assert_eq!(fold(semantics, &events), Some(4), "nobody cancelled");
        let events = [done("a"), entered(), done("f"), done("g"), ended(Outcome::Done)];
        assert_eq!(fold(semantics, &events), None);
    }
}
