//! The pure core under random runbooks and random schedules: crashes, cancels, interrupts, stale writers, junk.
//!
//! By default 2,000 schedules; `PROPTEST_CASES` says otherwise, and `PROPTEST_RNG_SEED` which: CI has 100,000, each time the
//! same, so that it tells of the change it runs for. What a run of these once found stands in `found.rs` as plain cases.

mod acts;
mod adds_up;
mod asks;
mod books;
mod calls;
mod checks;
mod confirmed;
mod ends;
mod found;
mod junk;
mod old;
mod people;
mod sim;
mod tape;
mod toys;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestCaseError, TestError, TestRunner};

use books::all_books;
pub(crate) use books::{Book, books};
use sim::Sim;
use tape::{Move, tapes};
pub(crate) use toys::{OPERATIONS, read};

/// What happened over all schedules: a promise that was never put to the test is none.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, usize>>);

impl Tally {
    fn count(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }
}

/// Everything that must come up in many schedules.
const COMES_UP: &[&str] = &[
    "a call in a call",
    "a call tidied up beside a failure",
    "a call tidied up on the way out",
    "a call waits to return",
    "a call waits to tidy up",
    "a gate failed after the yes",
    "a gate passed too long ago",
    "a look was cut",
    "abandoned",
    "abandoned with an act open",
    "an act in flight in a broken group",
    "an answer that does not count",
    "an open act in finally",
    "answered too late",
    "asked",
    "asked again",
    "asked for several",
    "called",
    "cancelled",
    "cancelled just before an act",
    "cancelled just before it destroys",
    "cancelled too late",
    "cancelled while ended",
    "cannot tell",
    "could not ask",
    "crashed",
    "crashed at its lock",
    "crashed in finally after an interrupt",
    "denied",
    "destroys",
    "done",
    "done already",
    "expired",
    "failed",
    "finally goes on behind a failure",
    "found done",
    "found not done",
    "interrupted",
    "judged anew",
    "junk refused",
    "locked",
    "locked again",
    "looked too slowly",
    "lost a race to a cancel",
    "lost its lock",
    "made again",
    "may not override",
    "moved",
    "needs refused",
    "no",
    "no at the terminal",
    "not begun after all",
    "not confirmed",
    "overridden",
    "parked",
    "parked over a gate",
    "parked over a question",
    "picked",
    "picking failed",
    "picking tried again",
    "rebound",
    "rejudged",
    "renewed",
    "renewing failed",
    "reopened",
    "returned",
    "settled",
    "several rounds at once",
    "several steps at once",
    "stale writer refused",
    "stopped",
    "stuck",
    "swapped with a cancel",
    "the same person again",
    "tried again",
    "under way when cancelled",
    "unknown",
    "unlocked",
    "waiting",
    "withdrawn",
    "yes",
    "yes at the terminal",
];

fn config() -> ProptestConfig {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => 2_000,
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        // The default one takes a third of the time without optimisation.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    }
}

fn play(book: &Book, tape: &[Move], tally: &Tally) -> Result<(), String> {
    let runbook = toys::checked(&book.0).map_err(|errors| format!("the checker refuses this runbook: {errors}"))?;
    Sim::new(runbook, tape, tally).play()
}

fn play_many(config: ProptestConfig, tally: &Tally) {
    let mut runner = TestRunner::new(config);
    let outcome =
        runner.run(&(all_books(), tapes()), |(book, tape)| play(&book, &tape, tally).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, (book, tape))) => panic!("{why}\n{book:?}\n{tape:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// All cases are dealt to so many parts, whatever the machine: the same seed gives the same cases everywhere.
const PARTS: u64 = 8;

fn seed_of(part: u64, seed: &RngSeed) -> RngSeed {
    match seed {
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed.wrapping_mul(PARTS).wrapping_add(part)),
        RngSeed::Random => RngSeed::Random,
    }
}

#[test]
fn any_schedule_of_any_runbook_keeps_the_promises() {
    let config = config();
    let many = config.cases >= 50_000;
    let tally = Tally::default();
    let each = ProptestConfig { cases: config.cases.div_ceil(PARTS as u32), ..config };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let left = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let part = left.fetch_add(1, Ordering::Relaxed);
                    if part >= PARTS {
                        return;
                    }
                    play_many(ProptestConfig { rng_seed: seed_of(part, &each.rng_seed), ..each.clone() }, &tally);
                }
            });
        }
    });
    let tally = tally.0.into_inner().unwrap();
    for what in COMES_UP {
        assert!(!many || tally.contains_key(what), "no schedule with: {what}\n{tally:?}");
    }
}
