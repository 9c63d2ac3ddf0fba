//! Acts that destroy: asked for, answered by whom the policy lets, done once, or not at all. What is looked at after the yes
//! stands in `confirm_again`, and what is no way around it in `confirm_ways`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_engine::confirm::{Identity, Proof};
use sluice_engine::ids::RunId;
use sluice_engine::journal::{CancelHow, Event, Filter, Key, Outcome, Page};
use sluice_engine::machine::State;
use sluice_engine::run::{Asker, Confirming, Ending, Engine, OpenError, Question, Reply, RunError, Sources};
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
pub(super) struct Says(pub(super) Reply, pub(super) Duration, pub(super) Arc<AtomicUsize>);

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

/// Begins where somebody says yes to it after a second.
pub(super) async fn with_a_yes(
    world: &World,
    steps: &'static str,
) -> (Engine, RunId, Result<(Ending, State), RunError>) {
    let engine = attended(world, 1, yes("it"), Duration::from_secs(1));
    let (run, ended) = begin(&engine, &case(steps)).await;
    (engine, run, ended)
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
    let (engine, run, ended) = with_a_yes(&world, steps).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Done));
    assert_eq!(world.diary.sends(), ["all/a", "all/b"]);
    let way = kinds(&engine, &run).await;
    assert_eq!(way.iter().filter(|kind| **kind == "asked").count(), 1);
    assert_eq!(way.iter().filter(|kind| **kind == "looked_last").count(), 2);
    comes_out_the_same(&engine, &run).await;
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

/// Trouble that does not pass: before the question nobody is kept waiting without a word.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_before_the_question_fails() {
    const TROUBLE: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { previews: trouble }, needs: [g], confirm: { typed: it } }";
    let world = world();
    let ended = tokio::time::timeout(Duration::from_secs(600), with_a_yes(&world, TROUBLE)).await;
    let (engine, run, ended) = ended.unwrap();
    assert!(matches!(ended.unwrap().0, Ending::Ended(Outcome::Failed { .. })));
    assert!(!kinds(&engine, &run).await.contains(&"asked"));
    let lock = world.store.look("it").await.unwrap();
    assert!(lock.is_none_or(|lock| lock.holder().is_none()), "the lock is given back");
}
