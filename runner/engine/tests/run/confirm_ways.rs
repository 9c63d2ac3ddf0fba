//! Ways around a yes, each closed: what the checker refuses, what the journal does, and what no input names.

use sluice_engine::diagnostic::Code;
use sluice_engine::ids::{RunId, Sha256};
use sluice_engine::journal::chain::encode;
use sluice_engine::journal::{Durability, Envelope, Event, Key, Outcome, Record};
use sluice_engine::run::{Ending, OpenError};
use sluice_engine::runbook::{Book, load_book};
use sluice_engine::source::Source;

use super::confirm::{ONE, answer, asked, end, kinds, with_a_yes, world, yes};
use super::world::World;
use super::{comes_out_the_same, recheck, resume};

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
async fn a_skipped_gate_is_no_gate() {
    let steps = "
        lock: it
        steps:
          - { id: r, uses: toy.read, with: { value: 1 } }
          - { id: g, gate: toy.gate, when: 'steps.r.value == 2' }
          - { id: a, uses: toy.destroy, needs: [g], confirm: { typed: it } }";
    let world = world();
    let (engine, run, ended) = with_a_yes(&world, steps).await;
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

#[tokio::test(start_paused = true)]
async fn a_gate_over_nothing_is_no_gate() {
    let steps = "
        lock: it
        steps:
          - { id: none, for_each: [], gate: toy.gate }
          - { id: e, gate: toy.gate, class: evidence }
          - { id: a, uses: toy.destroy, needs: [none, e], confirm: { typed: it } }";
    let world = world();
    let (_, _, ended) = with_a_yes(&world, steps).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(world.diary.sends().is_empty());
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
    let (engine, run, ended) = with_a_yes(&world, STRANGER).await;
    assert_eq!(ended.unwrap().0, Ending::Ended(Outcome::Failed { key: Key("a".into()) }));
    assert!(!kinds(&engine, &run).await.contains(&"asked"));
    assert!(world.diary.sends().is_empty());
}
