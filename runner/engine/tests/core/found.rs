//! What random schedules once broke, as small as they shrank: each stays mended.

use sluice_engine::journal::CancelHow;

use super::books::Book;
use super::tape::Move;
use super::{Tally, play};

fn check(steps: &str, tape: &[Move]) {
    let book = Book(format!("runbook: toy\nsummary: A toy.\n{steps}"));
    if let Err(why) = play(&book, tape, &Tally::default()) {
        panic!("{why}\n{book:?}\n{tape:?}");
    }
}

/// Plainly: ends well.
const DONE: Move = Move::Finish(0, 0, 0);
const FAIL: Move = Move::Finish(0, 7, 0);

#[test]
fn a_gate_that_was_never_judged_has_not_passed() {
    check(
        "
steps:
  - { id: a, uses: toy.read }
  - { id: g, gate: toy.gate }
finally:
  - { id: f, needs: [g], uses: toy.read }
",
        &[FAIL],
    );
}

#[test]
fn a_gate_in_a_loop_has_passed_when_every_round_has() {
    check(
        "
steps:
  - { id: g, for_each: [x, y], on_error: continue, gate: toy.gate }
  - { id: a, needs: [g], uses: toy.read }
",
        &[Move::Finish(0, 4, 0), DONE],
    );
}

#[test]
fn a_renewal_that_fails_ends_the_step_that_needs_it() {
    check(
        "
steps:
  - { id: t, uses: toy.token }
  - id: p
    parallel:
      - { id: a, uses: toy.change }
      - { id: b, uses: toy.read, with: { value: '{{ steps.t }}' } }
",
        &[DONE, Move::Crash, Move::Finish(0, 7, 0)],
    );
}

#[test]
fn an_end_that_was_decided_before_a_cancel_is_decided_again() {
    for how in [CancelHow::AfterStep, CancelHow::Now, CancelHow::Abandon] {
        for after in 0..3 {
            check(
                "
steps:
  - { id: a, uses: toy.read }
  - { id: b, when: 'false', uses: toy.read }
session: { env: { A: b } }
finally:
  - { id: f, for_each: [x], uses: toy.read }
",
                &[Move::Race(how, after)],
            );
        }
    }
}

#[test]
fn a_session_ends_once_and_before_finally() {
    check(
        "
steps:
  - { id: a, uses: toy.read }
session: { env: { A: b } }
",
        &[Move::Junk(0), Move::Junk(2), DONE, Move::Junk(0), Move::Junk(1), Move::Junk(2), Move::Junk(3)],
    );
}

#[test]
fn nothing_has_a_turn_after_the_step_that_ended_the_list() {
    for pick in 0..60 {
        check(
            "
steps:
  - id: a
    on_error: continue
    steps:
      - { id: b, uses: toy.read }
      - { id: c, uses: toy.read }
  - { id: d, for_each: [x, y], on_error: continue, steps: [ { id: e, uses: toy.read }, { id: f, uses: toy.read } ] }
",
            &[FAIL, Move::Junk(pick), FAIL, Move::Junk(pick), Move::Junk(60 + pick)],
        );
    }
}

#[test]
fn an_act_beside_a_failure_ends_before_the_next_step_starts_and_is_written_down() {
    check(
        "
steps:
  - id: a
    steps:
      - id: b
        on_error: continue
        parallel:
          - { id: c, uses: toy.read }
          - { id: d, uses: toy.change }
  - { id: e, uses: toy.read }
",
        &[FAIL, DONE],
    );
    check(
        "
steps:
  - id: a
    for_each: [x, y]
    on_error: continue
    parallel:
      - { id: b, uses: toy.read }
      - { id: c, uses: toy.change }
",
        &[FAIL, DONE],
    );
}

#[test]
fn an_interrupted_run_goes_on_although_its_process_died_in_finally() {
    check(
        "
steps:
  - { id: a, uses: toy.read }
finally:
  - { id: f, uses: toy.read }
",
        &[Move::Interrupt, Move::Crash],
    );
}

#[test]
fn a_group_that_has_begun_is_not_asked_again_whether_it_should() {
    check(
        "
steps:
  - { id: t, uses: toy.token }
  - id: p
    when: 'steps.t.yes'
    parallel:
      - { id: a, uses: toy.change }
      - { id: b, uses: toy.read, with: { value: '{{ steps.t }}' } }
",
        &[DONE, Move::Crash, Move::Finish(0, 0, 1)],
    );
}

#[test]
fn of_two_renewals_each_has_its_own_step() {
    check(
        "
steps:
  - { id: t, uses: toy.token }
  - { id: u, uses: toy.token }
  - id: p
    parallel:
      - { id: a, uses: toy.read, with: { value: '{{ steps.t }}' } }
      - { id: b, uses: toy.read, with: { value: '{{ steps.u }}' } }
",
        &[DONE, DONE, Move::Crash, Move::Finish(1, 7, 0)],
    );
}

#[test]
fn nothing_is_decided_on_what_died_with_another_process() {
    for decided in [
        "when: 'steps.t.yes'",
        "for_each: 'steps.t.items'",
        "for_each: [x, y]\n    next_by: 'steps.t.yes == (index == 0)'",
    ] {
        let steps = format!(
            "
steps:
  - {{ id: t, uses: toy.token }}
  - {{ id: a, uses: toy.read }}
  - id: b
    {decided}
    uses: toy.change
"
        );
        check(&steps, &[DONE, Move::Crash, DONE]);
        check(&steps, &[DONE, Move::Crash, DONE, Move::Crash, Move::Finish(0, 7, 0)]);
    }
}

#[test]
fn a_loop_chooses_one_after_the_other() {
    let steps = "
steps:
  - id: a
    for_each: [x, y, z]
    next_by: { uses: toy.read, retry: { attempts: 2, delay: 2s }, by: 'seen.yes' }
    max_parallel: 2
    on_error: continue
    uses: toy.change
";
    for pick in 0..40 {
        let moves =
            [Move::Finish(0, 5, 0), Move::Time(3), Move::Finish(0, 0, 2), Move::Junk(pick), Move::Finish(1, 7, 1)];
        check(steps, &moves);
        check(
            steps,
            &[&moves[..], &[Move::Crash, Move::Junk(pick), Move::Finish(0, 0, 1), Move::Cancel(CancelHow::Now)]]
                .concat(),
        );
    }
    // Twice it could not look: the loop has failed, and the act that is on ends all the same.
    check(steps, &[Move::Finish(0, 0, 0), Move::Finish(0, 6, 0), Move::Time(3), Move::Finish(0, 6, 0)]);
}

/// The one that may not start breaks the group, and the call beside it must not begin in the same turn.
#[test]
fn nothing_is_called_in_a_group_that_fails_in_the_same_turn() {
    let steps = "
steps:
  - id: s1
    on_error: continue
    gate: toy.gate
  - id: s2
    parallel:
      - id: s3
        needs: [s1]
        uses: toy.read
      - id: s4
        call: r0
--- r0
runbook: r0
summary: A toy.
inputs:
  yes: { type: boolean, default: true }
  items: { type: array, default: [x, y] }
steps:
  - id: s5
    uses: toy.read
outputs:
  value: 1
  yes: true
  items: [x]
";
    (0..=255).step_by(4).for_each(|answer| check(steps, &[Move::Finish(0, answer, 0)]));
}

const CALLED: &str = "summary: A toy.
inputs:
  yes: { type: boolean, default: true }
  items: { type: array, default: [x, y] }
";

/// A failed gate cuts the call beside it, which tidies up; when the gate is judged anew, or let pass, the call goes on.
#[test]
fn what_a_stopped_gate_cut_goes_on_with_it() {
    let steps = format!(
        "
lock: it
steps:
  - id: p
    parallel:
      - {{ id: s, steps: [ {{ id: g, gate: toy.gate }} ] }}
      - {{ id: c, on_error: continue, call: r0 }}
--- r0
runbook: r0
lock: it
{CALLED}steps:
  - {{ id: h, gate: toy.gate }}
  - {{ id: d, needs: [h], confirm: {{ typed: it }}, uses: toy.destroy }}
finally:
  - {{ id: f, needs: [h], uses: toy.read }}
outputs: {{ value: 1, yes: true, items: [x] }}
"
    );
    for more in [vec![Move::Settle(0, 0)], vec![Move::Override(0, 0)], vec![Move::Crash]] {
        check(&steps, &[vec![Move::Finish(0, 4, 0)], more].concat());
    }
}

/// The `finally` of what is called was over when its gate was let pass.
#[test]
fn a_gate_in_a_call_is_let_pass_and_its_steps_go_on() {
    let steps = format!(
        "
lock: it
steps:
  - {{ id: c, call: r0 }}
--- r0
runbook: r0
lock: it
{CALLED}steps:
  - {{ id: g, gate: toy.gate }}
  - {{ id: d, needs: [g], confirm: {{ typed: it }}, uses: toy.destroy }}
finally:
  - {{ id: f, uses: toy.read }}
outputs: {{ value: 1, yes: true, items: [x] }}
"
    );
    check(&steps, &[Move::Finish(0, 4, 0), DONE, Move::Override(0, 0)]);
}

/// The odd number of moves sits somebody at the terminal.
#[test]
fn a_yes_that_grows_old_over_what_is_begun_does_not_hide_its_end() {
    let steps = "
lock: it
steps:
  - { id: g, gate: toy.gate }
  - id: all
    needs: [g]
    confirm: { typed: it, valid_for: 1m }
    steps:
      - { id: c, uses: toy.once }
      - { id: d, uses: toy.destroy }
      - { id: e, uses: toy.destroy }
";
    let road = [DONE, DONE, DONE];
    check(steps, &[&road[..], &[Move::Long(2), DONE]].concat());
    check(steps, &[&road[..], &[DONE, DONE, DONE, DONE, Move::Long(2), DONE]].concat());
    check(steps, &[&road[..], &[DONE, DONE, DONE, DONE, Move::Crash, Move::Long(2), DONE, DONE]].concat());
}

/// A Ctrl-C beside a gate that stops leaves a run that can be resumed.
#[test]
fn a_gate_that_stops_on_the_way_out_stays_open() {
    let steps = "
lock: it
steps:
  - { id: g, gate: toy.gate }
  - { id: d, needs: [g], confirm: { typed: it }, uses: toy.destroy }
finally:
  - { id: f, uses: toy.read }
";
    for after in 0..3 {
        for how in [CancelHow::AfterStep, CancelHow::Now] {
            check(steps, &[Move::Race(how, after), Move::Finish(0, 4, 0), DONE]);
        }
    }
    check(steps, &[Move::Finish(0, 4, 0), Move::Interrupt, DONE]);
    check(steps, &[DONE, DONE, DONE, Move::Finish(0, 6, 0), Move::Interrupt, DONE, DONE]);
}

#[test]
fn a_gate_over_nothing_has_not_passed() {
    check(
        "
lock: it
steps:
  - { id: g, for_each: [], gate: toy.gate }
  - { id: h, gate: toy.gate }
  - { id: d, needs: [g, h], confirm: { typed: it }, uses: toy.destroy }
",
        &[DONE],
    );
}

/// A question whose time is over ends a round, and beside it another loop would have chosen in the same breath.
#[test]
fn nothing_is_chosen_beside_a_question_that_is_over() {
    use Move::{Answer, Crash, Finish, Long, Lose, Time};
    let tape = [
        Finish(5, 8, 0),
        Finish(0, 53, 0),
        Finish(19, 0, 0),
        Finish(36, 0, 0),
        Lose,
        Finish(2, 23, 0),
        Finish(0, 40, 6),
        Lose,
        Finish(1, 0, 0),
        Lose,
        Finish(49, 0, 0),
        Finish(44, 0, 0),
        Finish(216, 0, 0),
        Finish(89, 0, 53),
        Lose,
        Time(0),
        Lose,
        Lose,
        Time(0),
        Lose,
        Finish(19, 8, 0),
        Lose,
        Finish(2, 0, 0),
        Finish(66, 29, 0),
        Crash,
        Finish(74, 205, 0),
        Finish(74, 0, 109),
        Finish(162, 16, 0),
        Finish(31, 0, 0),
        Crash,
        Long(1),
        Answer(0, 0),
        Finish(0, 64, 0),
    ];
    // How long it is tells schedules apart.
    let tape = [&tape[..], &[DONE; 17]].concat();
    check(
        "
lock: it
steps:
  - id: s1
    for_each: [x, y, z]
    max_parallel: 2
    call: r1
--- r0
runbook: r0
lock: it
summary: A toy.
inputs:
  yes: { type: boolean, default: true }
  items: { type: array, default: [x, y] }
steps:
  - id: s3
    for_each: [{ name: a }, { name: b }]
    next_by: 0 - index
    on_error: continue
    uses: toy.send
  - id: s4
    uses: toy.read
  - id: s5
    for_each: 'steps.s4.items'
    uses: toy.read
outputs:
  value: 1
  yes: true
  items: [x]
--- r1
runbook: r1
lock: it
summary: A toy.
inputs:
  yes: { type: boolean, default: true }
  items: { type: array, default: [x, y] }
steps:
  - id: s2
    for_each: [{ name: a }, { name: b }]
    on_error: continue
    call: r0
  - id: s6
    gate: toy.gate
  - id: s7
    needs: [s6]
    confirm: { typed: it }
    uses: toy.destroy
outputs:
  value: 1
  yes: true
  items: [x]
",
        &tape,
    );
}

/// A group that was begun under an earlier yes does not fail while a gate before it is judged anew.
#[test]
fn nothing_fails_to_be_asked_before_its_turn() {
    use Move::{Answer, Finish, Junk, Lose, Race, Time};
    let tape = [
        Lose,
        Lose,
        Finish(0, 70, 0),
        Finish(0, 0, 0),
        Answer(0, 0),
        Finish(0, 0, 0),
        Finish(0, 0, 0),
        Finish(0, 0, 0),
        Finish(0, 0, 0),
        Finish(0, 0, 0),
        Finish(0, 5, 0),
        Lose,
        Finish(0, 164, 0),
        Finish(0, 0, 0),
        Time(0),
        Finish(0, 8, 0),
        Finish(0, 120, 0),
        Race(CancelHow::AfterStep, 0),
        Finish(0, 168, 0),
        Finish(0, 40, 0),
        Finish(0, 0, 0),
        Finish(0, 8, 0),
        Finish(0, 24, 0),
        Finish(127, 0, 0),
        Finish(0, 86, 0),
        Finish(0, 40, 0),
        Finish(0, 0, 0),
        Finish(0, 24, 0),
        Finish(0, 0, 0),
        Answer(0, 0),
        Finish(0, 174, 0),
        Race(CancelHow::AfterStep, 0),
        Finish(0, 84, 0),
        Race(CancelHow::AfterStep, 0),
        Lose,
        Junk(19214),
    ];
    let tape = [&tape[..], &[DONE; 17]].concat();
    check(
        "
lock: it
steps:
  - id: s1
    on_error: continue
    steps:
      - id: s2
        gate: toy.gate
      - id: s3
        for_each: [{ name: a }, { name: b }]
        next_by: 0 - index
        needs: [s2]
        confirm: { typed: it }
        uses: toy.destroy
  - id: s4
    gate: toy.gate
  - id: s5
    needs: [s4]
    confirm: { typed: it }
    steps:
      - id: s6
        uses: toy.destroy
      - id: s7
        uses: toy.destroy
      - id: s8
        uses: toy.read
finally:
  - id: s9
    uses: toy.read
",
        &tape,
    );
}

/// A group that was skipped is over: nothing in it begins, not even a call.
#[test]
fn what_was_skipped_takes_nothing_up() {
    for pick in 0..1_000 {
        check(
            "
steps:
  - id: p
    parallel:
      - { id: a, for_each: [x, y, z], next_by: 0 - index, uses: toy.read }
      - id: g
        when: 'false'
        steps:
          - { id: c, call: r0 }
--- r0
runbook: r0
summary: A toy.
steps:
  - { id: r, uses: toy.read }
",
            &[Move::Junk(pick)],
        );
    }
}

/// After the yes the gate fails before which all of it stands, while a called runbook is on: that tidies up.
#[test]
fn what_is_called_tidies_up_behind_a_gate_that_was_judged_again() {
    use Move::{Answer, Finish, Lose, Race};
    let tape = [
        Finish(0, 24, 0),
        Race(CancelHow::AfterStep, 1),
        Finish(0, 48, 0),
        Lose,
        Finish(0, 16, 0),
        Lose,
        Finish(110, 56, 0),
        Answer(9, 56),
        DONE,
        Finish(63, 0, 0),
        Finish(164, 8, 0),
        Finish(45, 0, 0),
        Finish(125, 22, 0),
    ];
    let tape = [&tape[..], &[DONE; 22]].concat();
    check(
        "
lock: it
steps:
  - id: s1
    gate: toy.gate
  - id: s2
    for_each: []
    next_by: 0 - index
    needs: [s1]
    confirm: { typed: it }
    uses: toy.destroy
  - id: s3
    max_parallel: 2
    parallel:
      - id: s4
        for_each: [{ name: a }, { name: b }]
        max_parallel: 2
        parallel:
          - id: s5
            needs: [s1]
            confirm: { typed: it }
            uses: toy.destroy
          - id: s6
            needs: [s1]
            confirm: { typed: it }
            uses: toy.destroy
      - id: s7
        call: r0
--- r0
runbook: r0
lock: it
summary: A toy.
inputs:
  yes: { type: boolean, default: true }
  items: { type: array, default: [x, y] }
steps:
  - id: s8
    gate: toy.gate
  - id: s9
    needs: [s8]
    confirm: { typed: it }
    uses: toy.destroy
finally:
  - id: s10
    uses: toy.read
outputs:
  value: 1
  yes: true
  items: [x]
",
        &tape,
    );
}
