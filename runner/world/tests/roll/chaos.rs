//! `rolling-replace` while things go wrong at random: a seed gives the same faults in the same order. It may come to its end
//! or stop and say why; what it must never do is end an instance when that is not safe, or lose a message.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use serde_json::json;
use sluice_engine::journal::Outcome;
use sluice_engine::run::{Ending, OpenError, RunError};
use sluice_world::{AwsFault, AwsTrouble, Fault, When};

use super::{NODES, Person, Scene, bench, leads};
use crate::books::Bench;
use crate::replace::setup;

/// Each is another story; `CHAOS=1000` tells more of them.
const STORIES: u64 = 40;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64: the same on every machine.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn node(&mut self) -> String {
        NODES[usize::try_from(self.roll(3)).unwrap()].to_owned()
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from * 1000 + self.roll((to - from) * 1000))
    }
}

/// What goes wrong, when, and what makes it well again.
fn trouble(dice: &mut Dice) -> Vec<(Duration, Fault)> {
    let (at, node) = (dice.seconds(0, 600), dice.node());
    let later = at + dice.seconds(5, 240);
    let named = |make: fn(String) -> Fault| make(node.clone());
    let aws = |how| Fault::Aws(AwsFault { operation: None, how, times: u32::MAX });
    let (fault, mended) = match dice.roll(11) {
        0 => (named(|node| Fault::Kill { node }), Some(named(|node| Fault::Start { node }))),
        1 => (named(|node| Fault::Freeze { node }), Some(named(|node| Fault::Thaw { node }))),
        2 => (Fault::Slow { node: node.clone(), percent: 5 }, Some(named(|node| Fault::Thaw { node }))),
        3 => (named(|node| Fault::CutOff { node }), Some(named(|node| Fault::Reconnect { node }))),
        4 => (aws(AwsTrouble::Throttled), Some(Fault::AwsWell)),
        5 => (aws(AwsTrouble::Down), Some(Fault::AwsWell)),
        6 => (aws(AwsTrouble::Expired), Some(Fault::AwsWell)),
        7 => (named(|node| Fault::LeadsMeta { node }), None),
        8 => (named(|node| Fault::InstanceRefresh { node }), None),
        9 => (named(|node| Fault::NeverBoots { node }), Some(named(|node| Fault::Boots { node }))),
        _ => (Fault::Suspend(dice.seconds(10, 300)), None),
    };
    [Some((at, fault)), mended.map(|mended| (later, mended))].into_iter().flatten().collect()
}

/// How it ended, for whoever reads.
async fn tell(bench: &Bench, seed: u64) -> String {
    let mut dice = Dice(seed);
    let scene = Scene::of(bench, setup(bench));
    bench.world.happen(leads(&dice.node()));
    let mut faults: Vec<(Duration, Fault)> = (0..=dice.roll(4)).flat_map(|_| trouble(&mut dice)).collect();
    faults.sort_by_key(|(at, _)| *at);
    faults.iter().for_each(|(at, fault)| bench.world.plan(When::At(*at), fault.clone()));
    let story = format!("seed {seed}: {faults:?}");
    // Then somebody else has ended instances too, and the successors are as good as any.
    let refreshed = faults.iter().any(|(_, fault)| matches!(fault, Fault::InstanceRefresh { .. }));
    let ended = lived(bench, &scene, &mut dice).await;
    // Whatever it thinks of it, and although somebody else may have ended instances too.
    for ended in bench.world.terminated() {
        assert_eq!(ended.harm, None, "{story}: {}", ended.node);
    }
    let took = bench.world.clock().elapsed();
    assert!(took < Duration::from_secs(8 * 3600), "{story}: it took {took:?}");
    for stream in bench.world.truth().streams {
        assert_eq!(stream.missing(), 0, "{story}: {stream:?}");
    }
    // Nothing is ended twice, and no replacement.
    let gone = bench.world.terminations();
    let of_the_start = |id: &String| scene.old.contains(id) || refreshed;
    assert!(gone.iter().all(of_the_start) && gone.len() <= 3, "{story}: {gone:?}");
    match ended {
        Ok(Ending::Ended(outcome)) => outcome.name(),
        Ok(Ending::Parked) => "open, with advice",
        Ok(Ending::Lost) => panic!("{story}: nobody else had it"),
        // Nothing was begun, or it goes no further, and says why.
        Err(RunError::Lock(_)) => "without its lock",
        Err(error) => panic!("{story}: {error}"),
    }
    .to_owned()
}

/// The run to its end; in every other story its process is killed somewhere, and another one goes on.
async fn lived(bench: &Bench, scene: &Scene<'_>, dice: &mut Dice) -> Result<Ending, RunError> {
    let person = Arc::new(Person::new(&bench.world, Vec::new()));
    let first = scene.process(1, &person);
    let order = scene.order(&json!({ "soak": "10s" }));
    let death = if dice.roll(2) == 0 { Duration::MAX } else { dice.seconds(0, 500) };
    {
        let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
        let running = Box::pin(first.engine.start(order, &mut signals));
        let clock = bench.world.clock().clone();
        let dies = Box::pin(async move {
            if death == Duration::MAX {
                std::future::pending::<()>().await;
            }
            clock.sleep(death).await;
        });
        match bench.world.run(select(running, dies)).await {
            Either::Left((ended, _)) => return ended.map(|(ending, _)| ending),
            Either::Right(_) => first.died(),
        }
    }
    let second = scene.process(2, &person);
    let (_sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    let (run, recheck) = (bench.order().run, |snapshot: &_| bench.recheck(snapshot));
    match bench.world.run(Box::pin(second.engine.resume(&run, &recheck, &mut signals))).await {
        Ok((ending, _)) => Ok(ending),
        Err(OpenError::Over { outcome, .. }) => Ok(Ending::Ended(outcome)),
        Err(OpenError::Run(error)) => Err(error),
        // It died before it had begun.
        Err(OpenError::NoRun(_)) => Ok(Ending::Ended(Outcome::Interrupted)),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn whatever_goes_wrong_nothing_unsafe_is_done_and_nothing_is_lost() {
    let bench = bench();
    let stories = std::env::var("CHAOS").ok().and_then(|count| count.parse().ok()).unwrap_or(STORIES);
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for seed in 1..=stories {
        *ends.entry(tell(&bench, seed).await).or_default() += 1;
    }
    eprintln!("{stories} stories: {ends:?}");
    assert!(ends["done"] > 0 && ends.len() > 1, "{ends:?}");
}
