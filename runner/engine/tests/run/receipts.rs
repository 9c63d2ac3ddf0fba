//! A yes given beforehand: for one run, for exactly what was shown, to each act once.

use std::time::Duration;

use sluice_engine::confirm::{Identity, RECEIPT_FORM, Receipt};
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{Event, Outcome};
use sluice_engine::run::{Confirming, Ending, Engine};

use super::confirm::{ONE, asked, case, end, world};
use super::world::World;
use super::{begin, comes_out_the_same, recheck};

/// A receipt for what this run would do, and the store that keeps it.
async fn receipt(world: &World, steps: &'static str) -> Receipt {
    let run = asked(world, steps).await;
    let engine = world.process(2);
    let loaded = engine.load(&run, &recheck).await.unwrap();
    let (_, ask) = loaded.state.unanswered().next().unwrap();
    let (covers, typed) = (ask.acts.values().copied().collect(), [ask.typed.clone()].into());
    end(&engine, &run).await;
    let at = engine.clock.now();
    let receipt = Receipt {
        form: RECEIPT_FORM,
        nonce: "n1".into(),
        runbook: "toy".into(),
        plan: Sha256::ZERO,
        covers,
        typed,
        by: Identity::nobody_known("ana@laptop"),
        at,
        expires: at.plus(Duration::from_secs(3600)),
    };
    keep(world, &receipt).await;
    receipt
}

async fn keep(world: &World, receipt: &Receipt) {
    assert_eq!(world.store.put_blob(receipt.text().as_bytes()).await.unwrap(), receipt.digest());
}

async fn with_receipt(world: &World, receipt: &Receipt) -> (Outcome, String) {
    of_receipt(world, receipt, ONE).await
}

/// How the run ended, and what was said with its last answer.
async fn of_receipt(world: &World, receipt: &Receipt, steps: &'static str) -> (Outcome, String) {
    let engine = world.process(3);
    let confirming = Confirming { receipt: Some(receipt.clone()), ..engine.confirming.clone() };
    let engine = Engine { confirming, ..engine };
    let (run, ended) = begin(&engine, &case(steps)).await;
    let Ending::Ended(outcome) = ended.unwrap().0 else { panic!("a run with a receipt waits for nobody") };
    let loaded = engine.load(&run, &recheck).await.unwrap();
    let said = loaded.envelopes.iter().rev().find_map(|envelope| match &envelope.event {
        Event::Answered { because, receipt: Some(used), .. } => {
            assert_eq!(*used, receipt.digest());
            Some(because.clone().unwrap_or_default())
        }
        _ => None,
    });
    comes_out_the_same(&engine, &run).await;
    (outcome, said.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_receipt_is_for_one_run_of_what_was_shown() {
    let world = world();
    let good = receipt(&world, ONE).await;
    let check = async |receipt: Receipt, why: &str| {
        let sends = world.diary.sends().len();
        let (outcome, said) = with_receipt(&world, &receipt).await;
        assert_eq!((outcome.exit(), said.contains(why)), (4, true), "{said}");
        assert_eq!(world.diary.sends().len(), sends, "{why}");
    };
    // Edited by whoever has the file: the store keeps another one.
    check(Receipt { expires: good.expires.plus(Duration::from_secs(9)), ..good.clone() }, "not made in this store")
        .await;
    let other = Receipt { covers: [Sha256::ZERO].into(), nonce: "n2".into(), ..good.clone() };
    keep(&world, &other).await;
    check(other, "bound to something else").await;
    let other = Receipt { typed: ["node-3".to_owned()].into(), nonce: "n3".into(), ..good.clone() };
    keep(&world, &other).await;
    check(other, "another name is to be typed").await;
    let (outcome, _) = with_receipt(&world, &good).await;
    assert_eq!((outcome, world.diary.sends().as_slice()), (Outcome::Done, ["a".to_owned()].as_slice()));
    check(good.clone(), "used already").await;
    let late = Receipt { nonce: "n4".into(), ..good };
    keep(&world, &late).await;
    tokio::time::sleep(Duration::from_secs(3601)).await;
    check(late, "has expired").await;
}

/// The answer is lost, and nothing was done: it may be done again, and somebody has to say so.
#[tokio::test(start_paused = true)]
async fn a_receipt_says_yes_to_each_act_once() {
    const LOST: &str = "
        lock: it
        steps:
          - { id: g, gate: toy.gate }
          - { id: a, uses: toy.destroy, with: { answers: lost }, needs: [g], timeout: 1m, confirm: { typed: it } }";
    let world = world();
    let receipt = receipt(&world, LOST).await;
    let (outcome, said) = of_receipt(&world, &receipt, LOST).await;
    assert_eq!((outcome.exit(), said.contains("needs a person's yes")), (4, true), "{said}");
    assert!(world.diary.sends().is_empty());
}
