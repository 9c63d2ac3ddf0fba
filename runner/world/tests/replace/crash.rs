//! `replace-node` whose process dies at every point: before and after each append, after each call, around its lock.
//! Whoever goes on comes to the same end, and over the whole story one instance was ended, and the right one.

use std::sync::Arc;

use sluice_engine::journal::Snapshot;
use sluice_engine::run::{Asker, Recheck};
use sluice_store::MemoryStore;
use sluice_world::harness::{Crashed, End, Trial};

use super::{Person, bench, harm, instance, setup};
use crate::books::Bench;
use crate::crash::Begun;

fn begun(bench: &Bench) -> Begun {
    bench.world.begin_again(setup(bench));
    (Arc::new(MemoryStore::default()), bench.order())
}

/// With a person at every process who never has enough of saying yes.
fn trial<'a>(bench: &'a Bench, begin: &'a (dyn Fn() -> Begun + Sync), recheck: Recheck<'a>) -> Trial<'a> {
    let asker: Arc<dyn Asker> = Arc::new(Person { patience: u32::MAX, ..Person::new(&bench.world) });
    Trial { asker: Some(asker), ..crate::crash::trial(bench, begin, recheck) }
}

fn assert_same(bench: &Bench, expect: &End, crashed: &Crashed, old: &str) {
    let point = &crashed.point;
    let end = crashed.end.clone().unwrap_or_else(|why| panic!("{point}: {why}"));
    assert_eq!(end.summary(), expect.summary(), "{point}");
    let outputs = |end: &End| {
        let mut outputs = end.outputs.clone();
        outputs.remove("instance");
        // Traffic goes on, so there may be more of it by now.
        outputs.remove("data");
        outputs
    };
    assert_eq!(outputs(&end), outputs(expect), "{point}");
    assert_eq!(end.outputs["instance"], instance(&bench.world).as_str(), "{point}");
    assert_eq!(crashed.terminations, [old], "{point}");
    assert_eq!(harm(&bench.world), [""; 0], "{point}");
}

#[tokio::test]
async fn wherever_a_process_dies_one_instance_is_ended_and_the_data_comes_back() {
    let bench = bench();
    let (begin, recheck) = (|| begun(&bench), |snapshot: &Snapshot| bench.recheck(snapshot));
    let trial = trial(&bench, &begin, &recheck);
    bench.world.begin_again(setup(&bench));
    let old = instance(&bench.world);
    let (expect, _) = trial.uninterrupted().await.unwrap();
    assert_eq!(expect.outcome, "done", "{}", expect.summary());
    let (mut points, mut around) = (0, 0);
    while let Some(crashed) = trial.crashed_at(points + 1).await {
        assert_same(&bench, &expect, &crashed, &old);
        around += usize::from(crashed.point.contains("terminate"));
        points += 1;
    }
    eprintln!("replace-node: {points} points");
    assert!(points > 80 && around >= 2, "{points} points, {around} of them around the act");
}

/// Each step that is called, failing: before the act nothing is ended, and whoever reads the end knows which step it was.
#[tokio::test]
async fn whichever_step_fails_it_is_named_and_nothing_is_ended_in_doubt() {
    let bench = bench();
    let (begin, recheck) = (|| begun(&bench), |snapshot: &Snapshot| bench.recheck(snapshot));
    let trial = trial(&bench, &begin, &recheck);
    let failures = trial.failed_everywhere().await.unwrap();
    let steps: Vec<&str> = failures.iter().map(|failure| failure.step.as_str()).collect();
    for step in ["instance", "before", "idle", "quorum", "replace/terminate", "new", "data_back"] {
        assert!(steps.contains(&step), "{steps:?}");
    }
    let ends = ["new", "data_back", "boot", "events"];
    let passes = ["boot_before", "replace/step_down", "replace/step_down_meta", "replace/at_the_act"];
    for failure in &failures {
        let (step, end) = (failure.step.as_str(), failure.end.clone().unwrap());
        let what = format!("{step}: {}", end.summary());
        let status = end.step(step).unwrap().status;
        assert!(["failed", "stopped"].contains(&status), "{what}");
        let after = ends.contains(&step) || passes.contains(&step);
        assert_eq!(failure.terminations.len(), usize::from(after), "{what}");
        match (end.outcome.as_str(), &failure.named) {
            ("done", _) => assert!(passes.contains(&step), "{what}"),
            // A run that may have destroyed stays open where a gate stopped it.
            ("open", _) => assert_eq!(status, "stopped", "{what}"),
            (_, named) => assert_eq!(named.as_deref(), Some(step), "{what}"),
        }
    }
}
