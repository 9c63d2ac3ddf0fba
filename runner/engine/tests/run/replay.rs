//! Runs decided again from what was recorded: whatever was decided otherwise is named. That everything which really
//! happened comes out the same is checked where it happens: after each toy, each crash and each race.

use std::sync::Arc;
use std::time::Duration;

use sluice_engine::evidence::{Difference, File, Replayed, verify};
use sluice_engine::journal::chain::{decode, encode, version_of};
use sluice_engine::journal::{CancelHow, Envelope, Event, Outcome, Phase, Version};
use sluice_engine::run::Signal;
use sluice_plugin::Verdict;
use sluice_store::MemoryStore;

use super::cases::{CASES, Case};
use super::world::World;
use super::{begin, comes_out_the_same, file_of, recheck};

async fn recorded(case: &Case) -> (World, File) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = world.process(1);
    let (run, ended) = begin(&engine, case).await;
    ended.unwrap();
    let file = file_of(&*world.store, &run).await;
    (world, file)
}

/// The journal written anew, its events changed.
pub(super) fn rewritten(file: &File, change: impl Fn(&mut Vec<Envelope>)) -> File {
    let mut envelopes = decode(&file.records, Version::START).unwrap();
    change(&mut envelopes);
    let (mut version, mut records) = (Version::START, Vec::new());
    for (ordinal, mut envelope) in (1..).zip(envelopes) {
        envelope.ordinal = ordinal;
        let record = encode(&envelope, version).unwrap();
        version = version_of(&record);
        records.push(record);
    }
    let mut other = File { records, ..file.clone() };
    (other.header.head, other.header.records) = (version, version.ordinal);
    other
}

fn named(name: &str) -> &'static Case {
    CASES.iter().find(|case| case.name == name).unwrap()
}

pub(super) fn at<'a>(envelopes: &'a mut [Envelope], kind: &str) -> &'a mut Envelope {
    envelopes.iter_mut().find(|envelope| envelope.event.kind() == kind).unwrap()
}

/// Where the forged journal differs, though its chain is right.
async fn differs(case: &str, change: impl Fn(&mut Vec<Envelope>)) -> Difference {
    let (world, file) = recorded(named(case)).await;
    let forged = rewritten(&file, change);
    let verdict = verify(&forged.text(), None, None);
    assert!(verdict.intact, "{case}: {:?}", verdict.findings);
    let replayed = world.process(1).replay(&forged, &recheck).unwrap();
    let Replayed { difference: Some(difference), .. } = replayed else { panic!("{case}: {}", forged.text()) };
    difference
}

#[tokio::test(start_paused = true)]
async fn what_would_be_decided_otherwise_is_named() {
    const PLAIN: &str = "one after the other";
    // `d` was skipped; the forger says it was done.
    let found = differs(PLAIN, |events| {
        let Event::Skipped { key } = at(events, "skipped").event.clone() else { panic!() };
        at(events, "skipped").event = Event::Done { key, attempt: sluice_plugin::Attempt(1), output: 0.into() };
    })
    .await;
    assert_eq!((found.ordinal, found.why.as_str()), (7, "Sluice decides otherwise now"));
    assert_eq!(found.recorded["kind"], "done");
    assert_eq!(found.instead.unwrap()["kind"], "skipped");
    // What `c` depends on had another output: `d` would have been next.
    let found = differs(PLAIN, |events| {
        let done = events.iter_mut().filter(|envelope| envelope.event.kind() == "done").nth(1).unwrap();
        let Event::Done { output, .. } = &mut done.event else { panic!() };
        *output = serde_json::json!({ "value": 3 });
    })
    .await;
    assert_eq!((found.ordinal, found.recorded["body"]["key"].as_str()), (6, Some("c")));
    assert_eq!(found.instead.unwrap()["body"]["key"], "c");
    // An event left out.
    let found = differs(PLAIN, |events| drop(events.remove(3))).await;
    assert_eq!(found.ordinal, 4);
    assert!(found.why.contains("does not lead to it: b"), "{}", found.why);
    // Something else was to be done than the step says.
    let found = differs(PLAIN, |events| {
        let Event::Intended { binding, .. } = &mut at(events, "intended").event else { panic!() };
        *binding = sluice_engine::ids::Sha256::ZERO;
    })
    .await;
    assert!(found.why.contains("what was intended is not what the step says now"), "{}", found.why);
    // Another end.
    let found = differs("a failure ends the list, and finally runs", |events| {
        at(events, "ended").event = Event::Ended { outcome: Outcome::Done };
    })
    .await;
    assert_eq!(found.instead.unwrap()["body"]["outcome"]["is"], "failed");
    // `finally` was left out.
    let found = differs("a failure ends the list, and finally runs", |events| {
        events.retain(|envelope| envelope.event.key().is_none_or(|key| key.as_str() != "f"));
    })
    .await;
    assert!(found.why.contains("does not lead to it: f"), "{found:?}");
    // The steps' end came before the steps did.
    let found = differs(PLAIN, |events| {
        events.insert(2, Envelope { event: Event::Entered { phase: Phase::Finally }, ..events[1].clone() });
    })
    .await;
    assert_eq!(found.ordinal, 3);
    // Tried again at once, although there was a delay.
    let found = differs("tried again", |events| {
        let first = at(events, "failed").at;
        events.iter_mut().for_each(|envelope| envelope.at = first);
    })
    .await;
    assert_eq!(found.recorded["kind"], "failed");
    assert!(found.why.starts_with("nothing would be under way"), "{found:?}");
    // Items that the runbook does not give.
    let found = differs("a loop, and what is made of it", |events| {
        let Event::Opened { items, .. } = &mut at(events, "opened").event else { panic!() };
        items.pop();
    })
    .await;
    assert_eq!(found.instead.unwrap()["body"]["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_word_of_a_gate_has_to_fit_what_it_saw() {
    let judged = |events: &mut Vec<Envelope>, change: &dyn Fn(&mut Event)| change(&mut at(events, "judged").event);
    let found = differs("what is expected does not hold", |events| {
        judged(events, &|event| {
            let Event::Judged { verdict, .. } = event else { panic!() };
            *verdict = Verdict::Pass;
        });
    })
    .await;
    assert!(found.why.contains("what the gate saw is no pass: 3 is too few"), "{}", found.why);
    let found = differs("a gate that waits", |events| {
        judged(events, &|event| {
            let Event::Judged { samples, .. } = event else { panic!() };
            samples.count = 1;
        });
    })
    .await;
    assert!(found.why.contains("did not look often or long enough"), "{}", found.why);
    let found = differs("a gate that waits", |events| {
        let Event::Waiting { until, .. } = &mut at(events, "waiting").event else { panic!() };
        *until = until.plus(Duration::from_secs(3600));
    })
    .await;
    assert!(found.why.contains("longer than its `within`"), "{}", found.why);
}

/// Signals, wishes and everything else that may come at any time.
#[tokio::test(start_paused = true)]
async fn whatever_comes_in_between_comes_out_the_same() {
    let mut outcomes = std::collections::BTreeSet::new();
    for case in CASES {
        for after in [0, 1, 1500, 3500] {
            for what in [None, Some(CancelHow::Now), Some(CancelHow::AfterStep), Some(CancelHow::Abandon)] {
                outcomes.insert(disturbed(case, after, what).await);
            }
        }
    }
    let outcomes: Vec<&str> = outcomes.into_iter().collect();
    assert_eq!(outcomes, ["abandoned", "cancelled", "done", "failed", "interrupted", "parked", "stopped"]);
}

async fn disturbed(case: &Case, after: u64, what: Option<CancelHow>) -> &'static str {
    let world = World::new(Arc::new(MemoryStore::default()));
    let (engine, other) = (world.process(1), world.process(2));
    let order = super::order_of(case);
    let run = order.run.clone();
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let disturbs = async {
        tokio::time::sleep(Duration::from_millis(after)).await;
        match what {
            None => drop(sender.send(Signal::Interrupt)),
            // It may be too late.
            Some(how) => drop(other.ask_cancel(&run, how, "enough", &recheck).await),
        }
    };
    let (ended, ()) = tokio::join!(engine.start(order, &mut signals), disturbs);
    let (_, state) = ended.unwrap();
    let replayed = comes_out_the_same(&engine, &run).await;
    assert_eq!(replayed.events, replayed.decisions + replayed.answers + replayed.given);
    let outcome = state.ended.map(|(outcome, _)| outcome);
    if outcome.as_ref().is_none_or(|outcome| *outcome == Outcome::Interrupted) {
        world.dead.lock().unwrap().push(1);
        super::resume(&other, &run).await.unwrap();
        comes_out_the_same(&engine, &run).await;
    }
    outcome.map_or("parked", |outcome| outcome.name())
}
