//! After a yes: what is looked at once more before the act, what voids the yes, and what is asked anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use sluice_engine::journal::{CancelHow, Event, Key, Outcome, Void};
use sluice_engine::run::{Asker, Confirming, Ending, Engine};

use super::confirm::{Says, answer, asked, attended, case, how, kinds, with_a_yes, world, yes};
use super::{begin, comes_out_the_same, recheck, resume};

#[tokio::test(start_paused = true)]
async fn what_moved_is_asked_anew() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { previews: moves }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let run = asked(&world, steps).await;
    let other = world.process(2);
    answer(&other, &run, yes("it")).await.unwrap();
    let (ending, _) = resume(&other, &run).await.unwrap();
    assert_eq!(ending, Ending::Parked, "asked anew");
    assert!(world.diary.sends().is_empty());
    let loaded = other.load(&run, &recheck).await.unwrap();
    let moved = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::Voided { why: Void::Moved { changes, .. }, .. } => Some(changes.clone()),
        _ => None,
    });
    let changes = moved.unwrap();
    assert_eq!((&changes["was"]["target"]["value"], &changes["is"]["target"]["value"]), (&json!(1), &json!(2)));
    let (_, ask) = loaded.state.unanswered().next().unwrap();
    assert_eq!(ask.shown["before"]["is"], "moved", "whoever is asked sees what changed");
    comes_out_the_same(&other, &run).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_the_same_act_and_changed_is_kept_beside_the_yes() {
    for (previews, expect) in [
        ("ready", json!(null)),
        ("warms", json!({ "was": { "leads": 1, "is": "warm" }, "is": { "leads": 2, "is": "warm" } })),
    ] {
        let steps = format!(
            "
            lock: it
            steps:
              - {{ id: g, gate: toy.gate }}
              - {{ id: a, uses: toy.destroy, with: {{ previews: {previews} }}, needs: [g], confirm: {{ typed: it }} }}"
        );
        let world = world();
        let (engine, run, ended) = with_a_yes(&world, Box::leak(steps.into_boxed_str())).await;
        assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done), "{previews}: the yes counts");
        let loaded = engine.load(&run, &recheck).await.unwrap();
        let kept = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
            Event::Rebound { facts, .. } => Some(facts),
            _ => None,
        });
        assert_eq!(kept, Some(&expect), "{previews}");
        comes_out_the_same(&engine, &run).await;
    }
}

/// The first sample is the one before the question; after the yes each takes longer than is left to the gate in the end.
#[tokio::test(start_paused = true)]
async fn a_gate_whose_time_is_over_after_the_yes_says_what_it_saw_last() {
    const SLOW: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate, with: { verdicts: pf, takes: 4s }, passes: { every: 1s, within: 10s } }
          - { id: a, uses: toy.destroy, needs: [g], confirm: { typed: it } }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, SLOW).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let loaded = engine.load(&run, &recheck).await.unwrap();
    let said = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::Voided { why: Void::GateFailed { why, .. }, .. } => Some(why.as_str()),
        _ => None,
    });
    assert_eq!(said, Some("after the yes: its time (10s) was over: as told"));
}

#[tokio::test(start_paused = true)]
async fn a_last_look_that_tells_nothing_is_taken_again_and_one_that_fails_is_not() {
    // The first two are of the gate itself: before the question, and after the yes.
    for (verdicts, acts) in [("ppp", true), ("ppip", true), ("ppiip", true), ("ppiiip", false), ("ppfp", false)] {
        let world = world();
        let engine = attended(&world, 1, yes("node-2"), Duration::from_secs(1));
        let steps = format!(
            "
            lock: it
            steps:
              - {{ id: g, gate: toy.gate, with: {{ verdicts: {verdicts} }} }}
              - {{ id: a, uses: toy.destroy, with: {{ value: 1 }}, needs: [g], confirm: {{ typed: node-2 }} }}"
        );
        let (_, ended) = begin(&engine, &case(Box::leak(steps.into_boxed_str()))).await;
        let expect = if acts { Ending::Ended(Outcome::Done) } else { Ending::Parked };
        assert_eq!(ended.unwrap().0, expect, "{verdicts}");
        assert_eq!(world.diary.sends().len(), usize::from(acts), "{verdicts}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_after_the_yes_stops_and_is_judged_anew() {
    // First look, whole gate again, last look: each may be the one that fails.
    for verdicts in ["pf", "pi", "ppf", "pfpppp"] {
        let steps: &'static str = Box::leak(
            format!(
                "
            lock: it
            steps:
              - {{ id: g, gate: toy.gate, with: {{ verdicts: {verdicts} }} }}
              - {{ id: a, uses: toy.destroy, needs: [g], confirm: {{ typed: it }} }}"
            )
            .into_boxed_str(),
        );
        let world = world();
        let (engine, run, ended) = with_a_yes(&world, steps).await;
        assert_eq!(ended.unwrap().0, Ending::Parked, "{verdicts}: the run stays open");
        assert_eq!(how(&engine, &run).await, "g stopped, a pending", "{verdicts}");
        assert!(world.diary.sends().is_empty(), "{verdicts}");
        let (ending, _) = resume(&engine, &run).await.unwrap();
        let expect = if verdicts == "pfpppp" { Ending::Ended(Outcome::Done) } else { Ending::Parked };
        assert_eq!(ending, expect, "{verdicts}");
        assert_eq!(world.diary.sends().len(), usize::from(verdicts == "pfpppp"), "{verdicts}");
        comes_out_the_same(&engine, &run).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_gate_stopped_can_be_ended() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate, with: { verdicts: f } }
          - { id: a, uses: toy.destroy, needs: [g], confirm: { typed: it } }
        finally:
          - { id: f, uses: toy.change }";
    let world = world();
    let (run, ended) = begin(&world.process(1), &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let engine = world.process(2);
    assert_eq!(how(&engine, &run).await, "g stopped, a pending, f pending", "`finally` waits");
    engine.ask_cancel(&run, CancelHow::Now, "enough", &recheck).await.unwrap();
    let (ending, _) = resume(&engine, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Cancelled));
    comes_out_the_same(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_to_be_done_takes_the_whole_road_again() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { answers: lost }, needs: [g], timeout: 1m, confirm: { typed: it } }";
    let world = world();
    let count = Arc::new(AtomicUsize::new(0));
    let asker: Arc<dyn Asker> = Arc::new(Says(yes("it"), Duration::from_secs(1), count.clone()));
    let engine = world.process(1);
    let engine = Engine { confirming: Confirming { asker: Some(asker), ..engine.confirming.clone() }, ..engine };
    let (run, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(count.load(Ordering::SeqCst), 2, "not done, so somebody is asked anew");
    assert_eq!(world.diary.sends(), ["a"]);
    comes_out_the_same(&engine, &run).await;
}

/// What has begun under a yes ends, however old the yes is by then; what has not begun does not.
#[tokio::test(start_paused = true)]
async fn a_yes_that_grows_old_over_an_act_does_not_hide_its_end() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - id: all
            needs: [g]
            confirm: { typed: it, valid_for: 1m }
            steps:
              - { id: a, uses: toy.destroy, with: { value: 1, takes: 2m } }
              - { id: b, uses: toy.destroy, with: { value: 2 } }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, steps).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Unconfirmed { key: Key("all".into()) }));
    assert_eq!(how(&engine, &run).await, "g done, all not confirmed, all/a done, all/b pending");
    assert_eq!(world.diary.sends(), ["all/a"]);
    comes_out_the_same(&engine, &run).await;
}

/// An act that was not done asks anew, in a group that has begun; and what is gone by then cannot be asked for.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_anew_fails_in_a_group_as_well() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - id: all
            needs: [g]
            confirm: { typed: it }
            steps:
              - { id: c, uses: toy.change }
              - { id: a, uses: toy.destroy, with: { value: 1, answers: lost, previews: gone }, timeout: 1m }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, steps).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("all".into()) }));
    assert_eq!(how(&engine, &run).await, "g done, all failed, all/c done, all/a pending");
    comes_out_the_same(&engine, &run).await;
}

/// Trouble after the yes is told, and does not last until the yes is too old.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_after_the_yes_voids_it_and_says_why() {
    const LATER: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { previews: later }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let ended = tokio::time::timeout(Duration::from_secs(300), with_a_yes(&world, LATER)).await;
    let (engine, run, ended) = ended.unwrap();
    assert!(matches!(ended.unwrap().0, Ending::Ended(Outcome::Failed { .. })));
    assert!(world.diary.sends().is_empty());
    let loaded = engine.load(&run, &recheck).await.unwrap();
    let voided = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::Voided { why: Void::Moved { changes, .. }, .. } => Some(changes.clone()),
        _ => None,
    });
    assert_eq!(voided.unwrap()["problem"]["code"], "trouble");
}

/// Gates that passed again are not taken for passed while something else is waited for.
#[tokio::test(start_paused = true)]
async fn a_gate_that_passed_long_ago_is_judged_again() {
    const SLOW: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate, passes: { consecutive: 2, every: 1s, within: 10s } }
          - { id: a, uses: toy.destroy, with: { value: 1, previews: late }, needs: [g], timeout: 10m, confirm: { typed: it } }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, SLOW).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    let way = kinds(&engine, &run).await;
    assert_eq!(way.iter().rev().find(|kind| ["rebound", "rejudged"].contains(kind)), Some(&"rejudged"), "{way:?}");
    assert_eq!(world.diary.sends(), ["a"]);
    comes_out_the_same(&engine, &run).await;
}
