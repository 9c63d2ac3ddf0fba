//! One yes to all that a run destroys: its plan is shown first, every name is typed, and the run asks for nothing else.

use crate::common::person::Person;
use crate::common::sluice::{Done, Sluice};

const SWEEP: &str = r#"
runbook: sweep
inputs:
  confirm: { type: string, enum: [each, once], default: each }
  ends: { type: boolean, default: true }
confirm_once: inputs.confirm == "once"
lock: "lines"
steps:
  - { id: look, gate: base.toy, with: { value: 0, verdicts: [pass] } }
  - id: sweep
    for_each: ["one", "two"]
    steps:
      - id: end
        uses: base.toy_destroy
        when: inputs.ends
        needs: [look]
        confirm: { typed: "{{ item }}" }
        with: { file: lines, line: "{{ item }}" }
"#;

fn home() -> Sluice {
    let home = Sluice::alone();
    home.file("sweep.yaml", SWEEP);
    home.file("lines", "one\ntwo\nthree\n");
    home
}

fn lines(home: &Sluice) -> String {
    std::fs::read_to_string(home.home().join("lines")).unwrap()
}

fn begins(home: &Sluice) -> Person {
    let mut person = Person::starts(home, &["run", "./sweep.yaml", "-i", "confirm=once"]);
    person.sees("Type one to say yes beforehand").sees("\n> ");
    person
}

#[track_caller]
fn ends(person: Person, code: i32, says: &str) -> Done {
    let done = person.end().expect_code(code);
    assert!(done.stdout.contains(says), "{}", done.stdout);
    done
}

#[test]
fn each_name_is_typed_once_and_nothing_is_asked_in_the_run() {
    let home = home();
    let mut person = begins(&home);
    assert_eq!(lines(&home), "one\ntwo\nthree\n", "nothing before the yes");
    person.types("one\n").sees("Type two to say yes beforehand").sees("\n> ").types("two\n");
    let done = ends(person, 0, "sweep done");
    assert!(!done.stdout.contains("asks for your yes"), "{}", done.stdout);
    assert_eq!(lines(&home), "three\n");
}

#[test]
fn whoever_says_anything_else_has_begun_nothing() {
    let home = home();
    let mut person = begins(&home);
    person.types("one\n").sees("Type two to say yes beforehand").sees("\n> ").types("too\n");
    ends(person, 4, "nobody said yes, and nothing has begun");
    let mut person = begins(&home);
    person.types("\u{3}");
    ends(person, 130, "interrupted: nothing has begun");
    assert_eq!(lines(&home), "one\ntwo\nthree\n");
    let runs = home.run(&["runs", "--json"]).expect_code(0).json();
    assert_eq!(runs.as_array().unwrap().len(), 0, "{runs}");
}

const MOVES: &str = r#"
runbook: moves
confirm_once: true
lock: "lines"
steps:
  - { id: look, gate: base.toy, with: { value: 0, verdicts: [pass] } }
  - { id: which, uses: base.read_file, with: { path: which } }
  - id: end
    uses: base.toy_destroy
    needs: [look]
    confirm: { typed: it }
    with: { file: lines, line: "{{ steps.which.content }}" }
"#;

/// What is bound to something else by its turn is asked of whoever sits there, and not done under the yes to the other.
#[test]
fn what_is_another_thing_by_then_is_asked_for_anew() {
    let home = home();
    home.file("which", "one");
    home.file("moves.yaml", MOVES);
    let mut person = Person::starts(&home, &["run", "./moves.yaml"]);
    person.sees("line: one").sees("Type it to say yes beforehand").sees("\n> ");
    home.file("which", "two");
    person.types("it\n").sees("asks for your yes").sees("line: two").sees("Type it to say yes").sees("\n> ");
    assert_eq!(lines(&home), "one\ntwo\nthree\n");
    person.types("it\n");
    ends(person, 0, "moves done");
    assert_eq!(lines(&home), "one\nthree\n");
}

#[test]
fn where_nobody_sits_it_says_how_a_yes_is_given_and_where_nothing_dies_none_is_asked() {
    let home = home();
    let refused = home.run(&["run", "./sweep.yaml", "-i", "confirm=once"]).expect_code(2);
    assert!(refused.stderr.contains("sluice confirm --plan FILE --receipt FILE"), "{}", refused.stderr);
    home.run(&["run", "./sweep.yaml", "-i", "confirm=once", "-i", "ends=false"]).expect_code(0);
    assert_eq!(lines(&home), "one\ntwo\nthree\n");
}
