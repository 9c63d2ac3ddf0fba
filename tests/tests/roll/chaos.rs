//! `rolling-replace` on the lab while things go wrong at random, and Sluice itself is killed and taken up again. It may come
//! to its end or stop and say why; it never hangs, nothing unsafe is done, and no acknowledged message is lost. A seed gives
//! the same faults in the same order: `SLUICE_CHAOS=20 cargo test -p acceptance --test main roll::chaos -- --nocapture` plays
//! twenty of them, `SLUICE_CHAOS_SEED=7` begins with that one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_lab::{Fault, Options};

use super::arguments;
use crate::common::person::Person;
use crate::replace::site::{Site, words};

/// What is said of a story that went wrong; its own words stand above.
const WRONG: &str = "WRONG";

/// Stories that may be played beside each other.
const AT_ONCE: u64 = 8;

/// Longer than any story: whoever is not done by then hangs.
const LONGEST: Duration = Duration::from_secs(15 * 60);

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
}

#[derive(Debug)]
enum Deed {
    Fault(Fault),
    /// The process of the run is killed, and another one goes on.
    Kill,
}

/// What happens after so long, in order.
fn story(seed: u64, site: &Site) -> Vec<(Duration, Deed)> {
    let mut dice = Dice(seed);
    let mut deeds = Vec::new();
    for _ in 0..2 + dice.roll(3) {
        let at = Duration::from_millis(3_000 + dice.roll(120_000));
        let well = at + Duration::from_millis(2_000 + dice.roll(25_000));
        let node = site.name(u8::try_from(1 + dice.roll(3)).unwrap());
        let (fault, mended) = match dice.roll(7) {
            0 => (Fault::Kill { node: node.clone() }, Some(Fault::Start { node })),
            1 => (Fault::Freeze { node: node.clone() }, Some(Fault::Thaw { node })),
            2 => (Fault::Slow { node: node.clone(), duty: 0.1 }, Some(Fault::Thaw { node })),
            3 => (Fault::AwsDown, Some(Fault::AwsUp)),
            4 => (Fault::AwsThrottle { operation: "*".into(), times: 20 }, None),
            5 => (Fault::MoveLeaders, None),
            _ => {
                deeds.push((at, Deed::Kill));
                continue;
            }
        };
        deeds.push((at, Deed::Fault(fault)));
        deeds.extend(mended.map(|mended| (well, Deed::Fault(mended))));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

#[test]
fn whatever_goes_wrong_nothing_unsafe_is_done_and_nothing_is_lost() {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (stories, first) = (number("SLUICE_CHAOS", 1), number("SLUICE_CHAOS_SEED", 1));
    // As many at a time as there are seats for labs; one that goes wrong does not keep the others from being played.
    let (next, ends) = (AtomicU64::new(first), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..stories.min(AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + stories {
                        break;
                    }
                    let end = std::panic::catch_unwind(|| play(seed)).unwrap_or_else(|_| WRONG.to_owned());
                    eprintln!("seed {seed}: {end}");
                    ends.lock().unwrap().insert(seed, end);
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    eprintln!("{stories} stories: {ends:#?}");
    assert!(ends.values().all(|end| end != WRONG), "{ends:#?}");
}

fn play(seed: u64) -> String {
    let site = Site::new(Options { preload: 2_000, ..Options::default() });
    let story = story(seed, &site);
    eprintln!("seed {seed}: {story:?}");
    let began = Instant::now();
    let mut person = Some(Person::starts(&site.user, &words(&arguments(&[]))));
    let (mut deeds, mut answered) = (story.into_iter().peekable(), 0);
    let end = loop {
        assert!(began.elapsed() < LONGEST, "seed {seed} hangs:\n{}", person.map(|one| one.shown()).unwrap_or_default());
        while let Some((_, deed)) = deeds.next_if(|(at, _)| began.elapsed() >= *at) {
            match deed {
                // What cannot be done now, to a node that is on its way, is left.
                Deed::Fault(fault) => drop(site.try_fault(fault)),
                Deed::Kill => {
                    let left = person.take().and_then(|person| killed(&site, person));
                    answered = 0;
                    person = Some(left.unwrap_or_else(|| Person::starts(&site.user, &["resume", "last"])));
                }
            }
        }
        let here = person.as_mut().unwrap();
        answered += answer(here, answered);
        if here.is_over() {
            let last = person.take().unwrap();
            eprintln!(
                "seed {seed}, the last lines:\n{}",
                last.shown().lines().rev().take(12).collect::<Vec<_>>().join("\n")
            );
            break last.end_within(LONGEST * 2).code.unwrap_or(-1);
        }
        thread::sleep(Duration::from_millis(100));
    };
    let took = began.elapsed().as_secs();
    assert!([0, 1, 3, 4, 7].contains(&end), "seed {seed}: exit {end}");
    let ended = site.terminations();
    let mut instances: Vec<&str> = ended.iter().map(|one| one.verdict.instance.as_str()).collect();
    assert!(instances.iter().all(|one| site.first.values().any(|old| old == one)), "seed {seed}: {ended:#?}");
    instances.sort_unstable();
    instances.dedup();
    assert_eq!(instances.len(), ended.len(), "seed {seed}: {ended:#?}");
    for one in &ended {
        assert!(one.verdict.safe, "seed {seed}: {one:#?}");
    }
    // Everything is taken back; what was acknowledged is there.
    site.fault(Fault::Clear);
    site.whole();
    format!("exit {end}, {} ended, {took} s", ended.len())
}

/// Kills the process of the run; the person, where there was nothing to kill.
fn killed(site: &Site, person: Person) -> Option<Person> {
    let shown = site.user.run(&["runs", "show", "last", "--json"]);
    let owner = (shown.code == Some(0)).then(|| shown.json()["owner"]["pid"].as_i64()).flatten();
    let alive = owner.and_then(|pid| i32::try_from(pid).ok()).filter(|_| !person.is_over());
    let Some(pid) = alive else { return Some(person) };
    kill(Pid::from_raw(pid), Signal::SIGKILL).ok()?;
    let _ = person.end_within(LONGEST * 2);
    None
}

/// Types what is asked for, once for each question that stands on the screen.
fn answer(person: &mut Person, answered: usize) -> usize {
    let shown = person.shown();
    let questions: Vec<&str> = shown.split("Type ").skip(1).collect();
    let Some(newest) = questions.get(answered).filter(|text| text.contains("\n> ")) else { return 0 };
    let name = newest.split_whitespace().next().unwrap_or_default().to_owned();
    person.types(&format!("{name}\n"));
    1
}
