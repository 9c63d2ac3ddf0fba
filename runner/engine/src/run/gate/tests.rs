//! Decisions over lists of samples: one letter a second unless a sample says when it was.

use serde_json::json;

use super::*;
use crate::expr;
use crate::runbook::checked::Progress;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(second: f64) -> Timestamp {
    Timestamp((second * 1000.0) as i64)
}

fn look(letter: char, began: f64, ended: f64) -> Look {
    let verdict = match letter {
        'p' => Verdict::Pass,
        'i' => Verdict::Inconclusive,
        _ => Verdict::Fail,
    };
    let why = if letter == 'x' { "it is hopeless" } else { "as told" };
    Look { verdict, why: why.into(), fails: letter == 'x', progress: None, began: at(began), ended: at(ended) }
}

fn passes(hold: Hold, within: u64) -> Passes {
    Passes { hold, every: seconds(1), within: seconds(within), ..Passes::default() }
}

/// The first decision that is not to look again, with the number of samples it took.
fn decide(passes: &Passes, looks: impl IntoIterator<Item = Look>) -> String {
    let until = (!passes.within.is_zero()).then(|| Timestamp(0).plus(passes.within));
    let mut gate = GateRun::default();
    for (count, look) in (1..).zip(looks) {
        match gate.sample(passes, &look, until) {
            Decision::Passed => return format!("{count} passed"),
            Decision::Stopped(verdict, why) => return format!("{count} {verdict}: {why}"),
            Decision::Again(_) => {}
        }
    }
    "again".into()
}

#[test]
fn gates_decide() {
    let check = |hold, within: u64, samples: &str, expect: &str| {
        let looks = samples.chars().enumerate().map(|(at, letter)| look(letter, at as f64, at as f64));
        assert_eq!(decide(&passes(hold, within), looks), expect, "{samples} within {within} s");
    };
    let once = Hold::Consecutive(1);
    check(once, 0, "p", "1 passed");
    check(once, 0, "f", "1 fail: as told");
    check(once, 0, "i", "1 inconclusive: as told");
    check(once, 9, "ffip", "4 passed");
    check(once, 3, "fff", "3 fail: its time (3s) was over: as told");
    check(once, 3, "ffi", "3 inconclusive: its time (3s) was over: as told");
    let thrice = Hold::Consecutive(3);
    check(thrice, 0, "ppp", "3 passed");
    check(thrice, 0, "ppf", "3 fail: as told");
    check(thrice, 9, "ppfppp", "6 passed");
    check(thrice, 9, "ppi", "again");
    // Its time is over while it was passing: that is not yet a pass, and not what was expected to hold.
    check(thrice, 4, "fffp", "4 inconclusive: its time (4s) was over after 1 of 3 passes in a row");
    let held = Hold::For(seconds(3));
    check(held, 20, "pppp", "4 passed");
    check(held, 20, "ppfpppp", "7 passed");
    check(held, 4, "fppp", "4 inconclusive: its time (4s) was over after passes for 2s of 3s");
    check(Hold::For(Duration::ZERO), 20, "pp", "2 passed");
}

#[test]
fn fail_if_ends_it_at_once() {
    let check = |hold, within: u64, samples: &str, expect: &str| {
        let looks = samples.chars().enumerate().map(|(at, letter)| look(letter, at as f64, at as f64));
        assert_eq!(decide(&passes(hold, within), looks), expect, "{samples}");
    };
    check(Hold::Consecutive(1), 60, "ffx", "3 fail: it is hopeless");
    check(Hold::Consecutive(3), 60, "ppx", "3 fail: it is hopeless");
    check(Hold::Consecutive(1), 0, "x", "1 fail: it is hopeless");
}

#[test]
fn the_deadline_comes_before_the_pass() {
    let check = |hold, looks: &[Look], expect: &str| {
        assert_eq!(decide(&passes(hold, 5), looks.to_vec()), expect, "{looks:?}");
    };
    let (once, twice) = (Hold::Consecutive(1), Hold::Consecutive(2));
    check(once, &[look('p', 0.0, 5.0)], "1 passed");
    check(once, &[look('p', 0.0, 5.1)], "1 inconclusive: its time (5s) was over before it had passed");
    check(once, &[look('f', 0.0, 5.1)], "1 fail: its time (5s) was over: as told");
    let passed_late = [look('p', 1.0, 1.0), look('p', 2.0, 6.0)];
    check(twice, &passed_late, "2 inconclusive: its time (5s) was over after 1 of 2 passes in a row");
    // The next sample would begin when nobody waits for it any more.
    check(once, &[look('f', 4.5, 4.6)], "1 fail: its time (5s) was over: as told");
}

#[test]
fn passes_with_a_gap_between_them_are_not_in_a_row() {
    let check = |hold, looks: &[Look], expect: &str| {
        assert_eq!(decide(&passes(hold, 9000), looks.to_vec()), expect, "{looks:?}");
    };
    let (held, twice) = (Hold::For(seconds(3)), Hold::Consecutive(2));
    // The machine slept for an hour between two passes.
    check(held, &[look('p', 0.0, 0.1), look('p', 3600.0, 3600.1)], "again");
    check(twice, &[look('p', 0.0, 0.1), look('p', 3600.0, 3600.1)], "again");
    check(twice, &[look('p', 0.0, 0.1), look('p', 3600.0, 3600.1), look('p', 3601.0, 3601.1)], "3 passed");
    // The clock was set back.
    check(twice, &[look('p', 3600.0, 3600.1), look('p', 9.0, 9.1)], "again");
    // A machine under load is a little late, and a slow sample delays the next.
    check(twice, &[look('p', 0.0, 0.1), look('p', 6.9, 6.9)], "2 passed");
    check(twice, &[look('p', 0.0, 0.1), look('p', 7.1, 7.2)], "again");
    check(twice, &[look('p', 0.0, 40.0), look('p', 40.0, 80.0)], "2 passed");
    // Time is counted from the start of one sample to the start of the other.
    check(held, &[look('p', 0.0, 2.9), look('p', 2.9, 9.0)], "again");
    check(held, &[look('p', 0.0, 2.9), look('p', 3.0, 3.1)], "2 passed");
}

#[test]
fn the_sample_that_completes_for_comes_on_time() {
    let passes = Passes { every: seconds(20), ..passes(Hold::For(seconds(30)), 60) };
    let mut gate = GateRun::default();
    let mut next = |began| gate.sample(&passes, &look('p', began, began + 0.5), Some(at(60.0)));
    assert_eq!(next(0.0), Decision::Again(at(20.0)));
    assert_eq!(next(20.0), Decision::Again(at(30.0)));
    assert_eq!(next(30.0), Decision::Passed);
}

#[test]
fn what_does_not_move_is_stalled() {
    let progress = Progress { value: expr::parse("seen.behind").unwrap(), stalled: Some(seconds(3)) };
    let passes = Passes { progress: Some(progress), ..passes(Hold::Consecutive(2), 9000) };
    let check = |samples: &[(char, Value)], expect: &str| {
        let looks = samples.iter().enumerate().map(|(at, (letter, value))| Look {
            progress: Some(value.clone()).filter(|value| !value.is_null()),
            ..look(*letter, at as f64, at as f64)
        });
        assert_eq!(decide(&passes, looks), expect, "{samples:?}");
    };
    let (five, four, none) = (json!(5), json!(4), json!(null));
    let stands = |letter: char| (letter, five.clone());
    check(&[stands('f'), stands('f'), stands('f')], "again");
    check(
        &[stands('f'), stands('f'), stands('f'), stands('f')],
        "4 fail: no progress for 3s: `progress` stays at 5; as told",
    );
    check(
        &[stands('f'), stands('i'), ('f', none.clone()), stands('f')],
        "4 fail: no progress for 3s: `progress` stays at 5; as told",
    );
    check(&[stands('f'), stands('f'), ('f', four.clone()), stands('f'), stands('f')], "again");
    // Higher again is no nearer.
    check(
        &[stands('f'), stands('f'), ('f', four.clone()), stands('f'), stands('f'), ('f', json!(6))],
        "6 fail: no progress for 3s: `progress` stays at 6; as told",
    );
    // While it passes nothing has to move, and what nobody could read does not stand.
    check(&[stands('f'), stands('f'), stands('f'), stands('p'), stands('f'), stands('f')], "again");
    check(&[stands('f'), ('f', none.clone()), ('f', none.clone()), ('f', none.clone()), ('f', none)], "again");
    check(&[('f', json!("a")), ('f', json!("b")), ('f', json!("b"))], "again");
}

#[test]
fn a_gap_begins_everything_anew() {
    let progress = Progress { value: expr::parse("seen.behind").unwrap(), stalled: Some(seconds(60)) };
    let passes = Passes { progress: Some(progress), ..passes(Hold::Consecutive(1), 9000) };
    let stands = |second: f64| Look { progress: Some(json!(5)), ..look('f', second, second) };
    assert_eq!(decide(&passes, [stands(0.0), stands(3600.0), stands(3601.0)]), "again");
}
