//! The pure core under random runbooks and random schedules: crashes, cancels, interrupts, stale writers, junk.
//!
//! By default 2,000 schedules. Many more: `SLUICE_LONG=1 cargo test -p sluice-engine --test main core::` (100,000), or
//! any number with `PROPTEST_CASES`. What a run of these once found stands in `found.rs` as plain cases.

mod acts;
mod books;
mod checks;
mod ends;
mod found;
mod junk;
mod old;
mod sim;
mod tape;
mod toys;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRunner};

pub(crate) use books::{Book, books};
use sim::Sim;
use tape::{Move, tapes};
pub(crate) use toys::OPERATIONS;

/// What happened over all schedules: a promise that was never put to the test is none.
#[derive(Default)]
pub(crate) struct Tally(std::cell::RefCell<std::collections::BTreeMap<&'static str, usize>>);

impl Tally {
    fn count(&self, what: &'static str) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }
}

/// Everything that must come up in a thousand schedules.
const COMES_UP: &[&str] = &[
    "abandoned",
    "abandoned with an act open",
    "an act in flight in a broken group",
    "an open act in finally",
    "cannot tell",
    "cancelled",
    "cancelled just before an act",
    "cancelled too late",
    "cancelled while ended",
    "crashed",
    "crashed in finally after an interrupt",
    "done",
    "done already",
    "failed",
    "found done",
    "found not done",
    "finally goes on behind a failure",
    "interrupted",
    "junk refused",
    "lost a race to a cancel",
    "needs refused",
    "not begun after all",
    "parked",
    "picked",
    "picking failed",
    "picking tried again",
    "renewed",
    "renewing failed",
    "reopened",
    "settled",
    "several rounds at once",
    "several steps at once",
    "stale writer refused",
    "stopped",
    "stuck",
    "swapped with a cancel",
    "tried again",
    "under way when cancelled",
    "unknown",
    "waiting",
];

/// Too rare for a few thousand cases; every long run has them.
const RARE: &[&str] = &["could not even look"];

fn config() -> ProptestConfig {
    let long = std::env::var_os("SLUICE_LONG").is_some();
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None if long => 100_000,
        None => 2_000,
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        // The default one takes a third of the time without optimisation.
        rng_algorithm: RngAlgorithm::XorShift,
        ..ProptestConfig::default()
    }
}

fn play(book: &Book, tape: &[Move], tally: &Tally) -> Result<(), String> {
    let runbook = toys::checked(&book.0).map_err(|errors| format!("the checker refuses this runbook: {errors}"))?;
    Sim::new(runbook, tape, tally).play()
}

#[test]
fn any_schedule_of_any_runbook_keeps_the_promises() {
    let config = config();
    let (enough, many) = (config.cases >= 1_000, config.cases >= 50_000);
    let tally = Tally::default();
    let mut runner = TestRunner::new(config);
    let outcome =
        runner.run(&(books(), tapes()), |(book, tape)| play(&book, &tape, &tally).map_err(TestCaseError::fail));
    if let Err(TestError::Fail(why, (book, tape))) = outcome {
        panic!("{why}\n{book:?}\n{tape:?}");
    }
    let tally = tally.0.into_inner();
    for what in COMES_UP {
        assert!(!enough || tally.contains_key(what), "no schedule with: {what}\n{tally:?}");
    }
    for what in RARE {
        assert!(!many || tally.contains_key(what), "no schedule with: {what}\n{tally:?}");
    }
}
