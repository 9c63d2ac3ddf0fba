//! `rolling-replace` on the lab while things go wrong at random, and Sluice itself is killed and taken up again. It may come
//! to its end or stop and say why; it never hangs, nothing unsafe is done, and no acknowledged message is lost. What strikes after
//! the last look, while the call is on its way, can be seen by nobody: it is told, and is no fault of the roll. A seed gives
//! the same faults in the same order: `SLUICE_CHAOS=20 cargo test -p acceptance --test main roll::chaos -- --nocapture` plays
//! twenty of them, `SLUICE_CHAOS_SEED=7` begins with that one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sluice_lab::{Fault, Options, Termination};

use super::arguments;
use crate::common::person::Person;
use crate::replace::site::{Site, words};

/// What is said of a story that went wrong; its own words stand above.
const WRONG: &str = "WRONG";

/// Stories that may be played beside each other.
const AT_ONCE: u64 = 8;

/// Longer than any story: whoever is not done by then hangs.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The contract: no intent is older than this after the oldest sample of the last look.
const FRESH: i64 = 5_000;

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
    let (mut deeds, mut answered, mut blows) = (story.into_iter().peekable(), 0, Vec::new());
    let end = loop {
        assert!(began.elapsed() < LONGEST, "seed {seed} hangs:\n{}", person.map(|one| one.shown()).unwrap_or_default());
        while let Some((_, deed)) = deeds.next_if(|(at, _)| began.elapsed() >= *at) {
            match deed {
                Deed::Fault(fault) => blows.extend(Blow::dealt(&site, fault)),
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
    let looks = looks(&site);
    let mut unforeseen = 0;
    for one in &ended {
        let node = one.verdict.node.as_str();
        let its = |look: &&Look| look.step.contains(node) && look.intended <= moment(&one.call.at);
        let look = looks.iter().rfind(its).unwrap_or_else(|| panic!("seed {seed}: no last look: {one:#?}"));
        assert!(age(look, one) <= 2 * FRESH, "seed {seed}: {look:?} {one:#?}");
        assert!(look.intended - look.oldest <= FRESH, "seed {seed}: {look:?}");
        // What happens to the node itself takes nothing from the others.
        let after = |blow: &&Blow| {
            blow.ended >= look.oldest && blow.began <= moment(&one.verdict.at) && blow.node.as_deref() != Some(node)
        };
        let struck = blows.iter().find(after);
        eprintln!("seed {seed}: {} went {} ms after the last look", one.verdict.node, age(look, one));
        assert!(one.verdict.safe || struck.is_some(), "seed {seed}: {look:?} {one:#?}");
        if let Some(blow) = struck.filter(|_| !one.verdict.safe) {
            eprintln!("seed {seed}: {} ms after the last look: {blow:?}: {:?}", blow.began - look.oldest, one.verdict);
            unforeseen += 1;
        }
    }
    // Everything is taken back; what was acknowledged is there.
    site.fault(Fault::Clear);
    site.whole();
    let told = if unforeseen > 0 { format!(", {unforeseen} struck after the last look") } else { String::new() };
    format!("exit {end}, {} ended, {took} s{told}", ended.len())
}

/// A fault that does harm, and when; it struck between the two. Milliseconds since 1970, as all times here.
#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Blow {
    fault: String,
    /// Every node, where it is none.
    node: Option<String>,
    began: i64,
    ended: i64,
}

impl Blow {
    /// What cannot be done now, to a node that is on its way, is left; what takes no node and no leader away is no blow.
    fn dealt(site: &Site, fault: Fault) -> Option<Self> {
        let harms = matches!(fault, Fault::Kill { .. } | Fault::Freeze { .. } | Fault::Slow { .. });
        let moves = matches!(fault, Fault::MoveLeaders);
        let node = match &fault {
            Fault::Kill { node } | Fault::Freeze { node } | Fault::Slow { node, .. } => Some(node.clone()),
            _ => None,
        };
        let (text, began) = (format!("{fault:?}"), now());
        let dealt = site.try_fault(fault).is_ok();
        // Some leaders have moved, too, where not all would.
        (moves || harms && dealt).then(|| Self { fault: text, node, began, ended: now() })
    }
}

/// The last look before an act, as the journal has it.
#[derive(Debug)]
struct Look {
    /// Of the act.
    step: String,
    /// When the oldest sample began. One that began later may have seen what struck in between, and is believed.
    oldest: i64,
    /// When it was written down; the intent with it.
    intended: i64,
}

fn looks(site: &Site) -> Vec<Look> {
    let file = site.user.run(&["export", "last"]).expect_code(0).stdout;
    let lines = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records =
        lines.filter_map(|line| Some(serde_json::from_str::<Value>(line["record"]["bytes"].as_str()?).unwrap()));
    let looked = records.filter(|record| record["kind"] == "looked_last");
    let look = |record: Value| {
        let samples = record["body"]["looks"].as_array().unwrap();
        let oldest = samples.iter().map(|one| one["at"].as_i64().unwrap()).min().unwrap();
        Look { step: record["body"]["key"].to_string(), oldest, intended: record["at"].as_i64().unwrap() }
    };
    looked.map(look).collect()
}

fn age(look: &Look, termination: &Termination) -> i64 {
    moment(&termination.call.at) - look.oldest
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn moment(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
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
