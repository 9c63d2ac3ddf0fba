//! What goes wrong between the yes and the act, at each request that is made in between: what the last look could still
//! see stops it.

use std::time::Duration;

use sluice_engine::journal::Event;
use sluice_world::{Fault, When};

use super::{OTHER, Person, Scene, TERMINATE, bench, process};
use crate::books::Bench;

/// Where the requests between the yes and the act are, counted from 1, and when the last look began.
struct Way {
    from: usize,
    act: usize,
}

async fn way(bench: &Bench) -> Way {
    let scene = Scene::new(bench);
    let store = scene.store.clone();
    assert_eq!(scene.told().await.exit, 0);
    let calls = bench.world.calls();
    let act = calls.iter().position(|call| call.what == TERMINATE).unwrap() + 1;
    let events = events(bench, &store).await;
    let yes = events.iter().find(|(_, event)| matches!(event, Event::Answered { .. })).unwrap().0;
    let from = calls.iter().position(|call| call.at >= yes).unwrap() + 1;
    Way { from, act }
}

/// Each with its time since the world began.
async fn events(bench: &Bench, store: &std::sync::Arc<dyn sluice_engine::journal::Store>) -> Vec<(Duration, Event)> {
    let person = std::sync::Arc::new(Person::new(&bench.world));
    let process = process(bench, store, 9, &person);
    let recheck = |snapshot: &_| bench.recheck(snapshot);
    let loaded = process.engine.load(&bench.order().run, &recheck).await.unwrap();
    let since = |at: sluice_plugin::Timestamp| at.since(sluice_world::EPOCH);
    loaded.envelopes.into_iter().map(|envelope| (since(envelope.at), envelope.event)).collect()
}

/// When the last look began, if there was one.
fn looked(events: &[(Duration, Event)]) -> Option<Duration> {
    events.iter().rev().find_map(|(_, event)| match event {
        Event::LookedLast { looks, .. } => looks.iter().map(|look| look.at.since(sluice_world::EPOCH)).min(),
        _ => None,
    })
}

#[tokio::test]
async fn a_second_node_that_goes_down_before_the_last_look_stops_the_act() {
    let bench = bench();
    let way = way(&bench).await;
    assert!(way.act - way.from > 60, "{} to {}", way.from, way.act);
    let (mut stopped, mut too_late) = (0, 0);
    for fault in [Fault::Kill { node: OTHER.into() }, Fault::Freeze { node: OTHER.into() }] {
        for call in (way.from..way.act).step_by((way.act - way.from) / 16).chain([way.act]) {
            let scene = Scene::new(&bench);
            let store = scene.store.clone();
            bench.world.plan(When::Before { call }, fault.clone());
            let story = scene.told().await;
            let what = format!("{fault:?} at {call}: {:?}", story.words);
            let events = events(&bench, &store).await;
            let fell = bench.world.calls()[call - 1].at;
            if story.requests == 0 {
                stopped += 1;
                assert_eq!((story.exit, story.left.as_str(), story.lock_held), (3, "stopped, open", true), "{what}");
                assert!(story.words[0].starts_with("the yes counts no more: "), "{what}");
                continue;
            }
            too_late += 1;
            // Nothing can be seen after the last look; it is at most five seconds before the call.
            let looked = looked(&events).unwrap();
            assert!(fell >= looked, "{what}: it fell at {fell:?} and the last look began at {looked:?}");
        }
    }
    eprintln!("{stopped} stopped, {too_late} too late");
    assert!(stopped > 15 && too_late > 0, "{stopped} stopped, {too_late} too late");
}
