//! The node that goes may be in any state: the others are looked at. A group in an odd state is named and left alone.

use std::time::Duration;

use sluice_world::Fault;

use super::{At, Scene, Story, TARGET, bench, instance};
use crate::books::Bench;

fn target() -> String {
    TARGET.to_owned()
}

/// Replaced, with all its data back, whatever it was like half a minute before.
async fn replaced(bench: &Bench, faults: Vec<Fault>) -> Story {
    let what = format!("{faults:?}");
    let scene = Scene::new(bench).with(At::Before(30), faults).await;
    let old = instance(&bench.world);
    let story = scene.told().await;
    assert_eq!((story.exit, story.left.as_str()), (0, "done"), "{what}: {:?}", story.words);
    assert_eq!((story.terminations.as_slice(), story.requests), ([old.clone()].as_slice(), 1), "{what}");
    assert_eq!((story.asked, story.lock_held), (1, false), "{what}");
    assert_whole(bench, &story, &what);
    assert_eq!(story.outputs["instance_before"], old.as_str(), "{what}");
    assert_ne!(story.outputs["instance"], old.as_str(), "{what}");
    story
}

/// The run's end and the truth are the same.
fn assert_whole(bench: &Bench, story: &Story, what: &str) {
    let truth = bench.world.truth();
    let stream = truth.stream("pivot_main").unwrap();
    assert!(truth.servers.contains(&target()), "{what}");
    assert!(stream.has(TARGET) + 50 >= stream.acknowledged, "{what}: {stream:?}");
    assert_eq!(story.outputs["instance"], instance(&bench.world).as_str(), "{what}");
}

#[tokio::test]
async fn a_node_is_replaced_in_every_state_it_may_be_in() {
    let bench = bench();
    let story = replaced(&bench, vec![]).await;
    assert_eq!(story.unsafe_, [""; 0]);
    assert!(story.words.is_empty(), "{:?}", story.words);
    assert!(story.took > Duration::from_secs(90), "{:?}", story.took);
    for state in [
        Fault::Kill { node: target() },
        Fault::Freeze { node: target() },
        Fault::LoseDisk { node: target() },
        Fault::Slow { node: target(), percent: 5 },
        Fault::Impostor { node: target() },
    ] {
        let story = replaced(&bench, vec![state.clone()]).await;
        assert_eq!(story.unsafe_, [""; 0], "{state:?}");
    }
}

/// Its group has no instance: nothing is ended and nobody is asked; the next one is waited for.
#[tokio::test]
async fn an_empty_group_is_waited_for_and_the_reason_is_said_when_nothing_comes() {
    let bench = bench();
    let suspend = || Fault::SuspendProcess { node: target(), process: "Launch".into() };
    // Comes later: without capacity for two minutes.
    let scene = Scene::new(&bench);
    bench.world.happen(Fault::NoCapacity { node: target(), times: 4 });
    let scene = scene.with(At::Before(70), vec![Fault::Terminate { node: target() }]).await;
    assert_eq!(instance(&bench.world), "");
    let story = scene.told().await;
    assert_eq!((story.exit, story.requests, story.asked), (0, 0, 0), "{:?}", story.words);
    assert_whole(&bench, &story, "comes later");

    // Never comes: the newest activity says why.
    let scene = Scene::new(&bench);
    bench.world.happen(Fault::NoCapacity { node: target(), times: 1_000 });
    let story = scene.with(At::Before(70), vec![Fault::Terminate { node: target() }]).await.told().await;
    let said = story.words.join("\n");
    assert_eq!((story.exit, story.requests), (3, 0), "{said}");
    assert!(said.contains("new: ") && said.contains("sufficient m8gd.medium capacity"), "{said}");

    // Nobody lets it come: seen at once, before anything is asked.
    let scene = Scene::new(&bench);
    let story = scene.with(At::Before(70), vec![suspend(), Fault::Terminate { node: target() }]).await.told().await;
    let said = story.words.join("\n");
    assert_eq!((story.exit, story.requests, story.asked), (3, 0, 0), "{said}");
    assert!(said.contains("Launch is suspended"), "{said}");
}

/// Somebody else's work in the group: named, and nothing is done.
#[tokio::test]
async fn an_odd_group_is_named_and_left_alone() {
    let bench = bench();
    for (seconds, word) in [(5, "Terminating"), (20, "2 instances")] {
        let scene = Scene::new(&bench).with(At::Before(seconds), vec![Fault::Terminate { node: target() }]).await;
        let story = scene.told().await;
        let said = story.words.join("\n");
        assert_eq!((story.exit, story.requests, story.asked), (1, 0, 0), "{said}");
        assert!(said.contains("instance: ") && said.contains(word), "{said}");
    }
}
