//! Gates that a person let pass: by whom, for what, and for how long.

use std::time::Duration;

use sluice_engine::confirm::{Identity, Proof};
use sluice_engine::journal::{Event, Key, Outcome};
use sluice_engine::run::Ending;

use super::confirm::{answer, as_person, attended, case, how, person, policy, with_a_yes, world, yes};
use super::{begin, comes_out_the_same, file_of, recheck, resume};

/// One gate of data, one of evidence that does not pass, and an act that needs both.
const GATED: &str = "
    lock: it
    steps:
      - { id: d, gate: toy.gate }
      - { id: g, gate: toy.gate, class: evidence, with: { verdicts: f } }
      - { id: a, uses: toy.destroy, needs: [d, g], confirm: { typed: it } }";

#[tokio::test(start_paused = true)]
async fn a_person_lets_a_gate_pass_once() {
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, GATED).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let gate = |key: &str| Key(key.to_owned());
    let says = async |key: &str| engine.override_gate(&run, &gate(key), None, "seen with my own eyes", &recheck).await;
    assert!(says("a").await.unwrap_err().to_string().contains("did not stop the run"));
    assert!(says("d").await.unwrap_err().to_string().contains("did not stop the run"));
    says("g").await.unwrap();
    assert!(says("g").await.unwrap_err().to_string().contains("did not stop the run"), "once");
    let (ending, _) = resume(&engine, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["a"]);
    let loaded = engine.load(&run, &recheck).await.unwrap();
    let shown = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
        Event::Asked { shown, .. } => Some(shown.clone()),
        _ => None,
    });
    let gates = &shown.unwrap()["gates"];
    assert_eq!(gates[1]["overridden"]["why"], "seen with my own eyes", "whoever says yes is told: {gates}");
    assert_eq!(gates[1]["why"], "fail: as told", "and what the gate saw: {gates}");
    let [(_, given)] = loaded.state.asking.overridden.as_slice() else { panic!("{:?}", loaded.state.asking) };
    assert_eq!((given.why.as_str(), given.saw.as_str()), ("seen with my own eyes", "fail: as told"));
    comes_out_the_same(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn an_override_does_not_keep() {
    // It was let pass for what comes after it all the same.
    const BEFORE: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate, class: evidence, with: { verdicts: f } }
          - { id: d, gate: toy.gate, with: { verdicts: fp } }
          - { id: a, uses: toy.destroy, needs: [d], confirm: { typed: it } }";
    for (steps, stops) in [(GATED, 0), (BEFORE, 1)] {
        for (waits, acts) in [(29 * 60, true), (31 * 60, false)] {
            let world = world();
            let (engine, run, ended) = with_a_yes(&world, steps).await;
            assert_eq!(ended.unwrap().0, Ending::Parked);
            engine.override_gate(&run, &Key("g".into()), None, "trust me", &recheck).await.unwrap();
            for _ in 0..stops {
                assert_eq!(resume(&engine, &run).await.unwrap().0, Ending::Parked, "another gate stops it");
            }
            tokio::time::sleep(Duration::from_secs(waits)).await;
            let (ending, _) = resume(&engine, &run).await.unwrap();
            let expect = if acts { Ending::Ended(Outcome::Done) } else { Ending::Parked };
            assert_eq!(ending, expect, "after {waits} s: {steps}");
            assert_eq!(world.diary.sends().len(), usize::from(acts));
            comes_out_the_same(&engine, &run).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_overrides_what_looks_at_the_data() {
    let steps = "
        lock: it
        steps:
          - { id: d, gate: toy.gate, with: { verdicts: f } }
          - { id: a, uses: toy.destroy, needs: [d], confirm: { typed: it } }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, steps).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let said = engine.override_gate(&run, &Key("d".into()), None, "it is fine", &recheck).await.unwrap_err();
    assert!(said.to_string().contains("looks at the data itself"), "{said}");
    assert_eq!(how(&engine, &run).await, "d stopped, a pending");
}

#[tokio::test(start_paused = true)]
async fn only_a_fitting_person_overrides() {
    let world = world();
    let by = |who: Identity| as_person(world.process(1), who, policy(1, true, &[], &["oncall"]));
    let (run, ended) = begin(&by(person("ana", &["sre"])), &case(GATED)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let says = async |who| by(who).override_gate(&run, &Key("g".into()), None, "because", &recheck).await;
    assert!(says(person("ana", &["sre"])).await.unwrap_err().to_string().contains("not in the group oncall"));
    let presence = Identity { proof: Proof::Presence, ..person("bo", &["oncall"]) };
    assert!(says(presence).await.unwrap_err().to_string().contains("proves nobody's identity"));
    says(person("bo", &["oncall"])).await.unwrap();
    // The act is done, and the evidence says by whose word.
    let ana = by(person("ana", &["sre"]));
    assert_eq!(resume(&ana, &run).await.unwrap().0, Ending::Parked, "it asks for a yes");
    answer(&ana, &run, yes("it")).await.unwrap();
    assert_eq!(resume(&ana, &run).await.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["a"]);
    let exported = file_of(&*world.store, &run).await.text();
    for said in ["overridden", "bo@server", "because"] {
        assert!(exported.contains(said), "no {said} in the evidence");
    }
    comes_out_the_same(&ana, &run).await;
}

/// Whom the policy named when the run was begun may not override any more once it was tightened.
#[tokio::test(start_paused = true)]
async fn a_tightened_policy_counts_for_overrides() {
    let world = world();
    let under =
        |overriders: &[&str]| as_person(world.process(1), person("bo", &["sre"]), policy(1, true, &[], overriders));
    let (run, ended) = begin(&under(&["sre"]), &case(GATED)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let key = Key("g".into());
    let error = under(&["oncall"]).override_gate(&run, &key, None, "because", &recheck).await.unwrap_err();
    assert!(error.to_string().contains("tightened"), "{error}");
    under(&["sre"]).override_gate(&run, &key, None, "because", &recheck).await.unwrap();
}

/// The called runbook's `finally` was over when the gate was let pass: its steps go on, and it comes again.
#[tokio::test(start_paused = true)]
async fn a_gate_in_a_call_is_let_pass() {
    let steps = "
        lock: it
        steps:
          - { id: c, call: ends, with: { value: 7, verdicts: f } }
          - { id: d, uses: toy.read, with: { value: '{{ steps.c.value }}' } }";
    let world = world();
    let engine = attended(&world, 1, yes("node-7"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    assert_eq!(how(&engine, &run).await, "c failed, c/d done, c/g stopped, c/a pending, c/clean done, d pending");
    engine.override_gate(&run, &Key("c/g".into()), None, "I have looked", &recheck).await.unwrap();
    let (ending, _) = resume(&engine, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["c/a"]);
    assert_eq!(world.diary.changes(), ["c/clean \"clean 7\"", "c/a 7", "c/clean \"clean 7\""]);
    comes_out_the_same(&engine, &run).await;
}
