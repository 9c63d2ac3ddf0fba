//! One yes to all three nodes, given before the first: each is ended under it, once, and whatever is another thing by then is
//! not ended under it.

use std::sync::Arc;

use serde_json::{Value, json};
use sluice_engine::confirm::{Identity, RECEIPT_FORM, Receipt};
use sluice_engine::journal::Outcome;
use sluice_engine::run::{Ending, Sources, What};
use sluice_world::Fault;

use super::{NODES, Person, Rolled, Scene, assert_whole, bench, leads};
use crate::replace::setup;

async fn rolled(scene: &Scene<'_>, inputs: Value, later: impl FnOnce()) -> Rolled {
    let world = &scene.bench.world;
    let person = Arc::new(Person::new(world, Vec::new()));
    let mut process = scene.process(1, &person);
    process.engine.confirming.asker = None;
    let order = scene.order(&inputs);
    let planner = scene.process(2, &person);
    let sources = Sources::from(order.origin.as_str());
    let plan = world.run(Box::pin(planner.engine.plan(&order.runbook, sources, order.inputs.clone()))).await;
    assert_eq!(plan.bindings().len(), 3, "{:#?}", plan.steps);
    // Whoever is asked before the run is asked for what is known, and for nothing else.
    let asking = plan.steps.iter().filter(|step| step.confirm.is_some());
    let open: Vec<_> =
        asking.filter(|step| !matches!(step.what, What::Would { .. } | What::Skipped)).map(|step| &step.key).collect();
    assert!(open.is_empty(), "{open:?}");
    let now = process.engine.clock.now();
    let receipt = Receipt {
        form: RECEIPT_FORM,
        nonce: "0".repeat(64),
        runbook: plan.runbook.clone(),
        plan: plan.digest,
        covers: plan.bindings(),
        typed: plan.steps.iter().filter_map(|step| step.confirm.clone()).collect(),
        by: Identity::nobody_known("ana@laptop"),
        at: now,
        expires: now.plus(std::time::Duration::from_secs(12 * 3600)),
    };
    scene.processes.store.put_blob(receipt.text().as_bytes()).await.unwrap();
    process.engine.confirming.receipt = Some(receipt);
    later();
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let ran = Box::pin(process.engine.start(order, &mut signals));
    let ending: Ending = world.run(ran).await.unwrap().0;
    scene.told(&process, &person, ending).await
}

#[tokio::test]
async fn one_yes_is_enough_for_all_that_is_as_it_was() {
    let bench = bench();
    let scene = Scene::of(&bench, setup(&bench));
    bench.world.happen(leads(NODES[2]));
    // The order may be another one than planned: what is bound is the same.
    let moves = || bench.world.happen(leads(NODES[0]));
    let rolled = rolled(&scene, json!({ "soak": "10s" }), moves).await;
    rolled.assert_done(&[NODES[1], NODES[2], NODES[0]]);
    assert_whole(&bench.world);
}

#[tokio::test]
async fn what_is_another_instance_by_then_is_not_ended_under_it() {
    let bench = bench();
    let scene = Scene::of(&bench, setup(&bench));
    bench.world.happen(leads(NODES[2]));
    let refresh = || bench.world.happen(Fault::InstanceRefresh { node: NODES[1].to_owned() });
    let rolled = rolled(&scene, json!({ "soak": "10s" }), refresh).await;
    assert_eq!(rolled.ended, [NODES[0]], "{}", rolled.words());
    assert!(matches!(rolled.ending, Ending::Ended(Outcome::Unconfirmed { .. })), "{:?}", rolled.ending);
    assert_eq!((&rolled.harm, &rolled.strange), (&Vec::new(), &Vec::new()));
}
