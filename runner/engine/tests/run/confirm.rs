//! Acts that destroy: asked for, answered, looked at once more, done once, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::confirm::{Identity, Proof};
use sluice_engine::diagnostic::Code;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::chain::encode;
use sluice_engine::journal::{CancelHow, Durability, Envelope, Event, Filter, Key, Outcome, Page, Record, Void};
use sluice_engine::run::{Asker, Confirming, Ending, Engine, OpenError, Question, Reply, RunError, Sources};
use sluice_engine::runbook::{Book, load_book};
use sluice_engine::source::Source;
use sluice_store::MemoryStore;

use super::cases::Case;
use super::world::World;
use super::{begin, comes_out_the_same, ends, recheck, resume};

/// One gate, and one act behind a question.
pub(super) const ONE: &str = "
    lock: it
    steps:
      - { id: g, gate: toy.gate }
      - { id: a, uses: toy.destroy, with: { value: 1 }, needs: [g], confirm: { typed: node-2 } }
      - { id: b, uses: toy.read }
    finally:
      - { id: f, uses: toy.change }";

pub(super) fn case(steps: &'static str) -> Case {
    Case { name: "confirm", steps, outcome: "", ends: "" }
}

pub(super) fn world() -> World {
    World::new(Arc::new(MemoryStore::default()))
}

pub(super) fn yes(typed: &str) -> Reply {
    Reply { yes: true, typed: typed.to_owned(), because: None }
}

pub(super) fn no() -> Reply {
    Reply { yes: false, typed: String::new(), because: Some("not tonight".into()) }
}

/// Gives the same answer to every question, after a while.
struct Says(Reply, Duration, Arc<AtomicUsize>);

#[async_trait]
impl Asker for Says {
    async fn ask(&self, _: Question) -> Reply {
        self.2.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.1).await;
        self.0.clone()
    }
}

/// A process at which somebody sits.
pub(super) fn attended(world: &World, pid: u32, reply: Reply, after: Duration) -> Engine {
    let engine = world.process(pid);
    let asker: Arc<dyn Asker> = Arc::new(Says(reply, after, Arc::default()));
    Engine { confirming: Confirming { asker: Some(asker), ..engine.confirming.clone() }, ..engine }
}

/// One whose policy and person are these.
pub(super) fn as_person(engine: Engine, by: Identity, policy: Value) -> Engine {
    let sources = Sources { policy, ..Sources::from("a test") };
    Engine { confirming: Confirming { sources, me: by, ..engine.confirming.clone() }, ..engine }
}

pub(super) fn person(name: &str, groups: &[&str]) -> Identity {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Identity { actor: format!("{name}@server"), person: Some(name.to_owned()), groups, proof: Proof::Verified }
}

pub(super) fn policy(people: u32, requester: bool, groups: &[&str], overriders: &[&str]) -> Value {
    json!({ "c": {
        "confirm": { "people": people, "requester": requester, "groups": groups, "answer_within": null },
        "override": overriders,
    } })
}

pub(super) async fn how(engine: &Engine, run: &RunId) -> String {
    let loaded = engine.load(run, &recheck).await.unwrap();
    ends(&loaded.runbook, &loaded.state)
}

/// The kinds of events of a run, without those that every run has.
pub(super) async fn kinds(engine: &Engine, run: &RunId) -> Vec<&'static str> {
    let loaded = engine.load(run, &recheck).await.unwrap();
    let kinds = loaded.envelopes.iter().map(|envelope| envelope.event.kind());
    kinds.filter(|kind| !["started", "claimed", "locked", "unlocked", "entered"].contains(kind)).collect()
}

/// Begins without anybody there: the run is parked over its question.
pub(super) async fn asked(world: &World, steps: &'static str) -> RunId {
    let (run, ended) = begin(&world.process(1), &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    assert!(world.diary.sends().is_empty(), "nothing is done before the yes");
    run
}

pub(super) async fn answer(engine: &Engine, run: &RunId, reply: Reply) -> Result<(), String> {
    engine.answer(run, None, reply, &recheck).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_yes_at_the_terminal_does_it_once() {
    let world = world();
    let engine = attended(&world, 1, yes("node-2"), Duration::from_secs(90));
    let (run, ended) = begin(&engine, &case(ONE)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(how(&engine, &run).await, "g done, a done, b done, f done");
    assert_eq!(world.diary.sends(), ["a"]);
    let way = ["ruled", "judged", "asked", "answered", "rebound", "rejudged", "looked_last", "intended", "done"];
    assert_eq!(kinds(&engine, &run).await[..way.len()], way);
    comes_out_the_same(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn without_anybody_the_run_waits_parked() {
    let world = world();
    let run = asked(&world, ONE).await;
    let (other, third) = (world.process(2), world.process(3));
    assert_eq!(how(&other, &run).await, "g done, a pending, b pending, f pending");
    assert!(answer(&other, &run, yes("node-3")).await.unwrap_err().contains("is not `node-2`"));
    answer(&other, &run, yes("node-2")).await.unwrap();
    assert!(matches!(other.answer(&run, None, no(), &recheck).await, Err(OpenError::NothingAsked { .. })));
    assert!(world.diary.sends().is_empty(), "an answer does nothing by itself");
    let (ending, _) = resume(&third, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["a"]);
    comes_out_the_same(&third, &run).await;
}

#[tokio::test(start_paused = true)]
async fn refused_nothing_is_done_and_the_exit_is_4() {
    let check = async |reply: Reply, why: &str| {
        let world = world();
        let engine = attended(&world, 1, reply, Duration::from_secs(1));
        let (run, ended) = begin(&engine, &case(ONE)).await;
        let (ending, state) = ended.unwrap();
        assert_eq!(ending, Ending::Ended(Outcome::Unconfirmed { key: Key("a".into()) }), "{why}");
        assert_eq!(state.ended.unwrap().0.exit(), 4);
        assert_eq!(how(&engine, &run).await, "g done, a not confirmed, b pending, f done");
        assert!(world.diary.sends().is_empty());
        let loaded = engine.load(&run, &recheck).await.unwrap();
        let said = loaded.envelopes.iter().find_map(|envelope| match &envelope.event {
            Event::Answered { yes, because, .. } => Some((*yes, because.clone().unwrap_or_default())),
            _ => None,
        });
        let (yes, because) = said.unwrap();
        assert!(!yes && because.contains(why), "{because}");
        comes_out_the_same(&engine, &run).await;
    };
    check(no(), "not tonight").await;
    check(yes("node-3"), "is not `node-2`").await;
    check(yes(""), "is not `node-2`").await;
    // Letters that only look alike.
    check(yes("nоde-2"), "is not `node-2`").await;
    check(yes("node-2 "), "is not `node-2`").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_answered_in_time() {
    let world = world();
    let run = asked(&world, ONE).await;
    tokio::time::sleep(Duration::from_secs(10 * 60 + 1)).await;
    let other = world.process(2);
    assert!(answer(&other, &run, yes("node-2")).await.unwrap_err().contains("is over"));
    let (ending, _) = resume(&other, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Unconfirmed { key: Key("a".into()) }));
    // The same with somebody who types for too long.
    let world = self::world();
    let slow = attended(&world, 1, yes("node-2"), Duration::from_secs(11 * 60));
    let (_, ended) = begin(&slow, &case(ONE)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Unconfirmed { key: Key("a".into()) }));
    assert!(world.diary.sends().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_yes_does_not_keep_for_ever() {
    let world = world();
    let run = asked(&world, ONE).await;
    let other = world.process(2);
    answer(&other, &run, yes("node-2")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(15 * 60 + 1)).await;
    let (ending, _) = resume(&other, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Unconfirmed { key: Key("a".into()) }));
    assert!(world.diary.sends().is_empty());
}

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

/// The first sample is the one before the question; after the yes each takes longer than is left to the gate in the end.
#[tokio::test(start_paused = true)]
async fn a_gate_whose_time_is_over_after_the_yes_says_what_it_saw_last() {
    const SLOW: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate, with: { verdicts: pf, takes: 4s }, passes: { every: 1s, within: 10s } }
          - { id: a, uses: toy.destroy, needs: [g], confirm: { typed: it } }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(SLOW)).await;
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
        let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
        let (run, ended) = begin(&engine, &case(steps)).await;
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
async fn people_are_counted_as_people() {
    let world = world();
    let two = || policy(2, false, &["sre"], &["oncall"]);
    let by = |pid, who: Identity| as_person(world.process(pid), who, two());
    let (run, ended) = begin(&by(1, person("ana", &["sre"])), &case(ONE)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    let check = async |who: Identity, expect: &str| {
        let said = answer(&by(2, who), &run, yes("node-2")).await;
        match expect {
            "" => said.unwrap(),
            expect => assert!(said.clone().unwrap_err().contains(expect), "{said:?}"),
        }
    };
    check(person("ana", &["sre"]), "somebody else has to say yes").await;
    check(person("bo", &["dev"]), "not in the group sre").await;
    check(person("bo", &["sre"]), "").await;
    // Another identity of the same person.
    check(Identity { actor: "slack:U7".into(), ..person("bo", &["sre"]) }, "each person counts once").await;
    check(person("cy", &["sre"]), "").await;
    let (ending, _) = resume(&by(3, person("ana", &["sre"])), &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_one_machine_cannot_prove_is_refused_at_once() {
    let world = world();
    for (policy, wants) in [
        (policy(2, true, &[], &[]), "2 people"),
        (policy(1, false, &[], &[]), "somebody else"),
        (policy(1, true, &["sre"], &[]), "the group sre"),
    ] {
        let me = Identity { proof: Proof::Presence, ..person("ana", &["sre"]) };
        let (run, ended) = begin(&as_person(world.process(1), me, policy), &case(ONE)).await;
        let error = ended.unwrap_err();
        assert!(matches!(&error, RunError::Policy(why) if why.contains(wants)), "{error}");
        assert!(world.store.read(&run, 0).await.unwrap().is_empty(), "nothing has begun");
    }
}

/// Who sits at the run says yes once, and waits there for the second person.
#[tokio::test(start_paused = true)]
async fn a_second_person_says_yes_elsewhere() {
    let world = world();
    let two = || policy(2, true, &[], &[]);
    let count = Arc::new(AtomicUsize::new(0));
    let asker: Arc<dyn Asker> = Arc::new(Says(yes("node-2"), Duration::from_secs(1), count.clone()));
    let ana = as_person(world.process(1), person("ana", &[]), two());
    let ana = Engine { confirming: Confirming { asker: Some(asker), ..ana.confirming.clone() }, ..ana };
    let bo = as_person(world.process(2), person("bo", &[]), two());
    let case = case(ONE);
    let elsewhere = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let runs = world.store.list(&Filter::default(), Page { skip: 0, take: 1 }).await.unwrap();
        let run = runs[0].run.clone();
        assert!(world.diary.sends().is_empty(), "one yes is not enough");
        let again = as_person(world.process(3), Identity { actor: "slack:U7".into(), ..person("ana", &[]) }, two());
        assert!(answer(&again, &run, yes("node-2")).await.unwrap_err().contains("each person counts once"));
        answer(&bo, &run, yes("node-2")).await.unwrap();
    };
    let ((run, ended), ()) = tokio::join!(begin(&ana, &case), elsewhere);
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(count.load(Ordering::SeqCst), 1, "nobody is asked twice");
    assert_eq!(world.diary.sends(), ["a"]);
    comes_out_the_same(&ana, &run).await;
}

/// The first answer stands, and whoever comes second is told so.
#[tokio::test(start_paused = true)]
async fn of_two_answers_at_once_one_counts() {
    for second in [yes("node-2"), no()] {
        let world = world();
        let run = asked(&world, ONE).await;
        let (ana, bo) = (world.process(2), world.process(3));
        let question = ana.load(&run, &recheck).await.unwrap();
        let (_, ask) = question.state.unanswered().next().unwrap();
        let shown = Some((ask.id, ask.digest));
        let (one, two) = tokio::join!(
            ana.answer(&run, shown, yes("node-2"), &recheck),
            bo.answer(&run, shown, second.clone(), &recheck),
        );
        let lost: Vec<String> = [one, two].into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        let [lost] = lost.as_slice() else { panic!("{lost:?}") };
        assert!(lost.contains("answered already"), "{lost}");
        assert_eq!(kinds(&ana, &run).await.iter().filter(|kind| **kind == "answered").count(), 1);
    }
}

/// What was right for an earlier question of the same run says nothing to the next.
#[tokio::test(start_paused = true)]
async fn an_answer_is_not_said_again() {
    const MOVES: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { previews: moves }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let run = asked(&world, MOVES).await;
    let engine = world.process(2);
    let question = async || {
        let loaded = engine.load(&run, &recheck).await.unwrap();
        let (_, ask) = loaded.state.unanswered().next().unwrap();
        (ask.id, ask.digest)
    };
    let first = question().await;
    engine.answer(&run, Some(first), yes("it"), &recheck).await.unwrap();
    assert_eq!(resume(&engine, &run).await.unwrap().0, Ending::Parked, "it moved, and is asked anew");
    let second = question().await;
    for (shown, why) in [(first, "not open any more"), ((second.0, first.1), "it answers another question")] {
        let error = engine.answer(&run, Some(shown), yes("it"), &recheck).await.unwrap_err();
        assert!(matches!(&error, OpenError::NotCounted { why: said, .. } if said.contains(why)), "{error}");
    }
    let error = forged(&world, &run, |_| {}, Some(first.1)).await;
    assert!(error.contains("it answers another question"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_yes_covers_all_in_a_group_and_each_is_looked_at_again() {
    let steps = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - id: all
            needs: [g]
            confirm: { typed: it }
            steps:
              - { id: c, uses: toy.change }
              - { id: a, uses: toy.destroy, with: { value: 1 } }
              - { id: b, uses: toy.destroy, with: { value: 2 }, when: 'steps.g.letter == \"p\"' }
              - { id: n, uses: toy.destroy, with: { value: 3 }, when: 'steps.g.letter == \"f\"' }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["all/a", "all/b"]);
    let way = kinds(&engine, &run).await;
    assert_eq!(way.iter().filter(|kind| **kind == "asked").count(), 1);
    assert_eq!(way.iter().filter(|kind| **kind == "looked_last").count(), 2);
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

#[tokio::test(start_paused = true)]
async fn a_skipped_gate_is_no_gate() {
    let steps = "
        lock: it
        steps:
          - { id: r, uses: toy.read, with: { value: 1 } }
          - { id: g, gate: toy.gate, when: 'steps.r.value == 2' }
          - { id: a, uses: toy.destroy, needs: [g], confirm: { typed: it } }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(world.diary.sends().is_empty());
    comes_out_the_same(&engine, &run).await;
}

/// What the checker says of a runbook.
fn refused(steps: &str) -> Vec<Code> {
    let text = super::text("toy", steps);
    let book = Book { id: "toy".into(), origin: "a test".into(), source: Source::new("toy.yaml", text) };
    let registry = super::world::registry(&super::world::Diary::default());
    let found = load_book(&book, &registry, &super::called::Shelf).err().unwrap_or_default();
    found.iter().filter(|one| one.is_error()).map(|one| one.code).collect()
}

#[test]
fn no_runbook_says_that_an_act_is_less_than_it_is() {
    let head = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }";
    let check = |more: &str, code: Code| {
        let found = refused(&format!("{head}\n{more}"));
        assert!(found.contains(&code), "{more}: {found:?}");
    };
    check("          - { id: a, uses: toy.destroy, needs: [g], effect: read }", Code::EffectLowered);
    check("          - { id: a, uses: toy.destroy, needs: [g], effect: change }", Code::EffectLowered);
    check("          - { id: a, uses: toy.destroy, needs: [g] }", Code::DestroyWithoutConfirm);
    check("          - { id: a, uses: toy.read, needs: [g], effect: destroy }", Code::DestroyWithoutConfirm);
    check("          - { id: a, gate: toy.destroy, expect: [{ that: 'true' }] }", Code::GateMustRead);
    check(
        "          - { id: l, for_each: [1], next_by: { uses: toy.destroy, by: item }, uses: toy.read }",
        Code::NextByMustRead,
    );
    let group = "          - id: x
            needs: [g]
            confirm: { typed: it }
            steps:
              - { id: c, call: ends, with: { value: 1 } }
              - { id: a, uses: toy.destroy }";
    check(group, Code::ConfirmMisplaced);
    check("          - { id: c, call: ends, with: { value: 1 }, confirm: { typed: it } }", Code::ConfirmMisplaced);
    let last = "        finally:\n          - { id: f, uses: toy.destroy, needs: [g], confirm: { typed: it } }";
    check(last, Code::NotInFinally);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_no_way_around() {
    let steps = "
        lock: it
        steps:
          - { id: c, call: ends, with: { value: 7 } }";
    let world = world();
    let run = asked(&world, steps).await;
    let engine = world.process(2);
    assert!(answer(&engine, &run, yes("it")).await.unwrap_err().contains("is not `node-7`"));
    answer(&engine, &run, yes("node-7")).await.unwrap();
    let (ending, _) = resume(&engine, &run).await.unwrap();
    assert_eq!(ending, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["c/a"]);
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
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
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
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("all".into()) }));
    assert_eq!(how(&engine, &run).await, "g done, all failed, all/c done, all/a pending");
    comes_out_the_same(&engine, &run).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_over_nothing_is_no_gate() {
    let steps = "
        lock: it
        steps:
          - { id: none, for_each: [], gate: toy.gate }
          - { id: e, gate: toy.gate, class: evidence }
          - { id: a, uses: toy.destroy, needs: [none, e], confirm: { typed: it } }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (_, ended) = begin(&engine, &case(steps)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(world.diary.sends().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_one_does_it() {
    let world = world();
    let run = asked(&world, ONE).await;
    let (one, two) = (world.process(2), world.process(3));
    answer(&one, &run, yes("node-2")).await.unwrap();
    let (first, second) = tokio::join!(resume(&one, &run), resume(&two, &run));
    let done = [&first, &second].iter().filter(|ended| matches!(ended, Ok((Ending::Ended(Outcome::Done), _)))).count();
    assert!(done >= 1, "{first:?} {second:?}");
    assert_eq!(world.diary.sends(), ["a"]);
    // Another run under the same lock waits for it, or does not begin.
    let world = self::world();
    let slow = Duration::from_secs(30);
    let (one, two) = (attended(&world, 1, yes("node-2"), slow), attended(&world, 2, yes("node-2"), slow));
    let case = case(ONE);
    let ((_, first), (run, second)) = tokio::join!(begin(&one, &case), begin(&two, &case));
    assert_eq!(first.unwrap().0, Ending::Ended(Outcome::Done));
    assert!(second.is_err());
    assert!(world.store.read(&run, 0).await.unwrap().is_empty(), "it was never begun");
    assert_eq!(world.diary.sends(), ["a"]);
}

/// A yes, written into the store by hand.
async fn forged(world: &World, run: &RunId, change: impl FnOnce(&mut Record), asked: Option<Sha256>) -> String {
    let engine = world.process(2);
    let loaded = engine.load(run, &recheck).await.unwrap();
    let (_, ask) = loaded.state.unanswered().next().unwrap();
    let event = Event::Answered {
        ask: ask.id,
        asked: asked.unwrap_or(ask.digest),
        yes: true,
        by: engine.confirming.me.clone(),
        typed: ask.typed.clone(),
        because: None,
        receipt: None,
    };
    let ordinal = loaded.state.ordinal + 1;
    let envelope = Envelope { ordinal, at: engine.clock.now(), epoch: None, actor: "p@here".into(), event };
    let mut record = encode(&envelope, loaded.head).unwrap();
    change(&mut record);
    world.store.append(run, loaded.head, &[record], Durability::Sync).await.unwrap();
    let error = resume(&engine, run).await.unwrap_err().to_string();
    assert!(world.diary.sends().is_empty(), "{error}");
    error
}

#[tokio::test(start_paused = true)]
async fn a_yes_written_by_hand_is_none() {
    let world = world();
    let run = asked(&world, ONE).await;
    let error = forged(&world, &run, |record| record.hash = Sha256::ZERO, None).await;
    assert!(error.contains("chain") || error.contains("hash"), "{error}");
    // Its bytes follow another past than this run's.
    let world = self::world();
    let run = asked(&world, ONE).await;
    let other = |record: &mut Record| {
        let text = String::from_utf8(record.bytes.clone()).unwrap();
        let at = text.find("\"prev\":\"").unwrap() + 8;
        let bytes = format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]).into_bytes();
        *record = Record { hash: Sha256::of(&bytes), bytes, ..*record };
    };
    let error = forged(&world, &run, other, None).await;
    assert!(error.contains("chain") || error.contains("hash") || error.contains("follow"), "{error}");
    // The digest of what another run asked.
    let world = self::world();
    let first = asked(&world, ONE).await;
    let engine = world.process(2);
    let digest = engine.load(&first, &recheck).await.unwrap().state.unanswered().next().unwrap().1.digest;
    end(&engine, &first).await;
    let run = asked(&world, ONE).await;
    let error = forged(&world, &run, |_| {}, Some(digest)).await;
    assert!(error.contains("it answers another question"), "{error}");
}

pub(super) async fn end(engine: &Engine, run: &RunId) {
    engine.ask_cancel(run, CancelHow::Now, "enough", &recheck).await.unwrap();
    resume(engine, run).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_edited_policy_asks_anew() {
    let world = world();
    let ana = || person("ana", &["sre"]);
    let loose = || as_person(world.process(1), ana(), policy(1, true, &[], &[]));
    let (run, ended) = begin(&loose(), &case(ONE)).await;
    assert_eq!(ended.unwrap().0, Ending::Parked);
    answer(&loose(), &run, yes("node-2")).await.unwrap();
    for strict in [policy(2, true, &[], &[]), policy(1, true, &["oncall"], &[])] {
        let (ending, state) = resume(&as_person(world.process(2), ana(), strict), &run).await.unwrap();
        assert_eq!(ending, Ending::Parked);
        assert_eq!(state.unanswered().count(), 1);
    }
    // And it stays the stricter one, whoever goes on.
    let (ending, _) = resume(&loose(), &run).await.unwrap();
    assert_eq!(ending, Ending::Parked);
    let said = answer(&loose(), &run, yes("node-2")).await.unwrap_err();
    assert!(said.contains("not in the group oncall"), "{said}");
    // Nor does this machine's own: a policy that it cannot prove lets nobody on it say yes.
    let here = Identity { proof: Proof::Presence, ..ana() };
    let here = as_person(world.process(3), here, policy(2, true, &[], &[]));
    let error = here.answer(&run, None, yes("node-2"), &recheck).await.unwrap_err();
    assert!(matches!(&error, OpenError::NotCounted { why, .. } if why.contains("2 people")), "{error}");
    assert!(world.diary.sends().is_empty());
}

/// A policy that nobody here can satisfy any more: nothing more is destroyed, and the run can still be brought to its end.
#[tokio::test(start_paused = true)]
async fn a_run_ends_under_a_policy_that_this_machine_cannot_prove() {
    let here = || Identity { proof: Proof::Presence, ..person("ana", &[]) };
    let tight = |engine: Engine| as_person(engine, here(), policy(2, true, &[], &[]));
    let world = world();
    let run = asked(&world, ONE).await;
    // At a terminal too: nobody is asked whose yes cannot count.
    let (ending, _) = resume(&tight(attended(&world, 2, yes("node-2"), Duration::from_secs(1))), &run).await.unwrap();
    assert_eq!(ending, Ending::Parked);
    assert!(answer(&tight(world.process(3)), &run, yes("node-2")).await.unwrap_err().contains("2 people"));
    end(&tight(world.process(3)), &run).await;
    assert_eq!(how(&world.process(4), &run).await, "g done, a pending, b pending, f done");
    assert!(world.diary.sends().is_empty());
    // Whoever said yes before it was tightened did not say it under this one.
    let world = self::world();
    let run = asked(&world, ONE).await;
    answer(&world.process(2), &run, yes("node-2")).await.unwrap();
    assert_eq!(resume(&tight(world.process(2)), &run).await.unwrap().0, Ending::Parked);
    assert!(world.diary.sends().is_empty());
}

/// What an act is given has to be a cluster of the run's inputs or a node of one: of no other was it said who may confirm.
#[tokio::test(start_paused = true)]
async fn what_no_input_names_is_not_touched() {
    const STRANGER: &str = "
        inputs: { all: { type: array, default: [{ name: node-1, cluster: other, aws: { account: '1', region: r } }] } }
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { value: '{{ inputs.all[0] }}' }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(STRANGER)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(!kinds(&engine, &run).await.contains(&"asked"));
    assert!(world.diary.sends().is_empty());
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
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let ended = tokio::time::timeout(Duration::from_secs(300), begin(&engine, &case(LATER))).await;
    let (run, ended) = ended.unwrap();
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
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(SLOW)).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    let way = kinds(&engine, &run).await;
    assert_eq!(way.iter().rev().find(|kind| ["rebound", "rejudged"].contains(kind)), Some(&"rejudged"), "{way:?}");
    assert_eq!(world.diary.sends(), ["a"]);
    comes_out_the_same(&engine, &run).await;
}

/// Trouble that does not pass: before the question nobody is kept waiting without a word.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_before_the_question_fails() {
    const TROUBLE: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { previews: trouble }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let engine = attended(&world, 1, yes("it"), Duration::from_secs(1));
    let ended = tokio::time::timeout(Duration::from_secs(600), begin(&engine, &case(TROUBLE))).await;
    let (run, ended) = ended.unwrap();
    assert!(matches!(ended.unwrap().0, Ending::Ended(Outcome::Failed { .. })));
    assert!(!kinds(&engine, &run).await.contains(&"asked"));
    let lock = world.store.look("it").await.unwrap();
    assert!(lock.is_none_or(|lock| lock.holder().is_none()), "the lock is given back");
}
