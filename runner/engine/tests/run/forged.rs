//! Journals of acts that destroy, written anew with a right chain: every event on the way to the act is missed, and
//! none can be changed to another word.

use std::sync::Arc;

use sluice_engine::evidence::{Difference, File, Replayed, verify};
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{Envelope, Event, Key, Void};
use sluice_engine::run::Engine;
use sluice_plugin::{Timestamp, Verdict};
use sluice_store::MemoryStore;

use super::cases::Case;
use super::destroys::{DESTROYS, attended};
use super::replay::{at, rewritten};
use super::world::World;
use super::{begin, comes_out_the_same, file_of, recheck, resume};

async fn recorded(case: &Case) -> (Engine, File) {
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = attended(&world, 1);
    let (run, ended) = begin(&engine, case).await;
    let (_, state) = ended.unwrap();
    if state.parked {
        resume(&engine, &run).await.unwrap();
    }
    comes_out_the_same(&engine, &run).await;
    (engine, file_of(&*world.store, &run).await)
}

fn differs(engine: &Engine, file: &File, what: &str, change: &dyn Fn(&mut Vec<Envelope>)) -> Difference {
    let forged = rewritten(file, change);
    assert_ne!(forged.records, file.records, "{what}: nothing was changed");
    let verdict = verify(&forged.text(), None, None);
    assert!(verdict.intact, "{what}: {:?}", verdict.findings);
    match engine.replay(&forged, &recheck).unwrap() {
        Replayed { difference: Some(difference), .. } => difference,
        _ => panic!("{what} is not missed: {}", forged.text()),
    }
}

fn named(name: &str) -> &'static Case {
    DESTROYS.iter().find(|case| case.name == name).unwrap()
}

const WAY: [&str; 8] = ["ruled", "asked", "answered", "rebound", "rejudged", "looked_last", "intended", "done"];

#[tokio::test(start_paused = true)]
async fn nothing_on_the_way_to_an_act_can_be_left_out() {
    for case in ["one act behind a question", "a group with a change and two acts"] {
        let (engine, file) = recorded(named(case)).await;
        for kind in WAY {
            differs(&engine, &file, kind, &|events| {
                let at = events.iter().position(|envelope| envelope.event.kind() == kind).unwrap();
                events.remove(at);
            });
        }
    }
    let (engine, file) = recorded(named("a gate that fails after the yes, and passes later")).await;
    // Whether it was parked or died does not matter.
    differs(&engine, &file, "voided", &|events| events.retain(|envelope| envelope.event.kind() != "voided"));
}

#[tokio::test(start_paused = true)]
async fn nothing_on_the_way_to_an_act_can_say_something_else() {
    let (engine, file) = recorded(named("one act behind a question")).await;
    let check = |what: &str, kind: &str, change: &dyn Fn(&mut Event)| {
        differs(&engine, &file, what, &|events| change(&mut at(events, kind).event));
    };
    check("a second person is needed", "ruled", &|event| {
        let Event::Ruled { policy, .. } = event else { panic!() };
        policy.people = 2;
    });
    check("another name was to be typed", "asked", &|event| {
        let Event::Asked { typed, .. } = event else { panic!() };
        *typed = "node-3".into();
    });
    check("something else was asked", "asked", &|event| {
        let Event::Asked { acts, .. } = event else { panic!() };
        acts[0].binding = Sha256::ZERO;
    });
    check("more time was given", "asked", &|event| {
        let Event::Asked { answer_by, .. } = event else { panic!() };
        *answer_by = answer_by.plus(std::time::Duration::from_secs(3600));
    });
    check("it was a no", "answered", &|event| {
        let Event::Answered { yes, .. } = event else { panic!() };
        *yes = false;
    });
    check("something else was typed", "answered", &|event| {
        let Event::Answered { typed, .. } = event else { panic!() };
        typed.push(' ');
    });
    check("another question was answered", "answered", &|event| {
        let Event::Answered { asked, .. } = event else { panic!() };
        *asked = Sha256::ZERO;
    });
    check("bound to something else", "rebound", &|event| {
        let Event::Rebound { binding, .. } = event else { panic!() };
        *binding = Sha256::ZERO;
    });
    check("another gate", "rejudged", &|event| {
        let Event::Rejudged { gate, .. } = event else { panic!() };
        *gate = Key("r".into());
    });
    check("a last look that is too old", "looked_last", &|event| {
        let Event::LookedLast { looks, .. } = event else { panic!() };
        looks[0].at = Timestamp(looks[0].at.0 - 6_000);
    });
    check("a last look that does not pass", "looked_last", &|event| {
        let Event::LookedLast { looks, .. } = event else { panic!() };
        looks[0].verdict = Verdict::Inconclusive;
    });
    check("a last look at nothing", "looked_last", &|event| {
        let Event::LookedLast { looks, .. } = event else { panic!() };
        looks.clear();
    });
    check("another act", "intended", &|event| {
        let Event::Intended { binding, .. } = event else { panic!() };
        *binding = Sha256::ZERO;
    });
    let (engine, file) = recorded(named("a gate that fails after the yes, and passes later")).await;
    let check = |what: &str, change: &dyn Fn(&mut Void)| {
        differs(&engine, &file, what, &|events| {
            let Event::Voided { why, .. } = &mut at(events, "voided").event else { panic!() };
            change(why);
        });
    };
    check("somebody said no", &|why| *why = Void::Denied);
    check("it was cancelled", &|why| *why = Void::Cancelled);
    check("another gate failed", &|why| {
        let Void::GateFailed { gate, .. } = why else { panic!() };
        *gate = Key("a".into());
    });
}

#[tokio::test(start_paused = true)]
async fn an_override_is_missed_and_names_what_was_seen() {
    let case = Case {
        name: "a gate that a person lets pass",
        steps: "
            lock: it
            steps:
              - { id: d, gate: toy.gate }
              - { id: g, gate: toy.gate, class: evidence, with: { verdicts: f } }
              - { id: a, uses: toy.destroy, needs: [d, g], confirm: { typed: it } }",
        outcome: "done",
        ends: "a",
    };
    let world = World::new(Arc::new(MemoryStore::default()));
    let engine = attended(&world, 1);
    let (run, ended) = begin(&engine, &case).await;
    assert!(ended.unwrap().1.parked);
    engine.override_gate(&run, &Key("g".into()), None, "seen with my own eyes", &recheck).await.unwrap();
    resume(&engine, &run).await.unwrap();
    assert_eq!(world.diary.sends(), ["a"]);
    let file = file_of(&*world.store, &run).await;
    differs(&engine, &file, "no override", &|events| events.retain(|one| one.event.kind() != "overridden"));
    differs(&engine, &file, "of something else", &|events| {
        let Event::Overridden { observation, .. } = &mut at(events, "overridden").event else { panic!() };
        *observation = Sha256::ZERO;
    });
    differs(&engine, &file, "of another gate", &|events| {
        let Event::Overridden { key, .. } = &mut at(events, "overridden").event else { panic!() };
        *key = Key("d".into());
    });
}
