//! Loops that choose what is next: from how things stand at that moment, and never twice for one turn.

use std::sync::Arc;

use serde_json::json;
use sluice_engine::ids::RunId;
use sluice_engine::journal::Event;
use sluice_engine::run::{Engine, What};
use sluice_store::MemoryStore;

use super::cases::Case;
use super::stores::{Dying, When};
use super::world::World;
use super::{begin, check_text, recheck, resume, text_of};

/// Followers first: the leader is `one` at first, then `two`, and at last `three`. Whoever is chosen is not it.
const ROLL: Case = Case {
    name: "roll",
    steps: "
        steps:
          - id: roll
            for_each: [{ name: one }, { name: two }, { name: three }]
            next_by:
              uses: toy.gate
              with: { values: [one, two, three] }
              by: item.name == seen.value
            steps:
              - { id: replace, uses: toy.change, with: { value: '{{ item.name }}, then {{ remaining | length }}' } }",
    outcome: "done",
    ends: "",
};

/// `leader>chosen` for each turn.
async fn turns(engine: &Engine, run: &RunId) -> Vec<String> {
    let loaded = engine.load(run, &recheck).await.unwrap();
    let turn = |event: &Event| match event {
        Event::Picked { item, seen, .. } => Some(format!("{}>{item}", seen["value"].as_str().unwrap())),
        _ => None,
    };
    loaded.envelopes.iter().filter_map(|envelope| turn(&envelope.event)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_turn_is_chosen_by_how_things_stand_then() {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = world.process(1);
    let (run, ended) = begin(&engine, &ROLL).await;
    ended.unwrap();
    assert_eq!(turns(&engine, &run).await, ["one>two", "two>one", "three>three"]);
    let expect = ["two, then 2", "one, then 1", "three, then 0"];
    let done: Vec<String> =
        world.diary.changes().iter().map(|text| text.split('"').nth(1).unwrap().to_owned()).collect();
    assert_eq!(done, expect);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_written_down_is_not_given_again() {
    // 1 begins, 2 opens the loop, 3 is the first turn, 4 its intent, 5 its end, 6 the second turn.
    for (at, when, expect) in [
        (3, When::Before, ["two>one", "three>two", "three>three"]),
        (3, When::After, ["one>two", "two>one", "three>three"]),
        (6, When::Before, ["one>two", "three>one", "three>three"]),
        (6, When::After, ["one>two", "two>one", "three>three"]),
    ] {
        let inner = Arc::new(MemoryStore::default());
        let world = World::new(inner.clone());
        let mut first = world.process(1);
        first.store = Arc::new(Dying::new(inner, at, when));
        let (run, died) = begin(&first, &ROLL).await;
        assert!(died.is_err());
        world.dead.lock().unwrap().push(1);
        let second = world.process(2);
        resume(&second, &run).await.unwrap();
        assert_eq!(turns(&second, &run).await, expect, "{when:?} append {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_the_turns_as_they_would_be_now() {
    let engine = World::new(Arc::new(MemoryStore::default())).process(1);
    let plan = engine.plan(&check_text(&text_of(&ROLL)), "a test", json!({})).await;
    let keys: Vec<&str> = plan.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["roll", "roll[two]/replace", "roll[one]/replace", "roll[three]/replace"]);
    assert!(matches!(plan.steps[1].what, What::Would { .. }), "{:?}", plan.steps[1]);
}
