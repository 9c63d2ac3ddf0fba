//! Nobody sits there: the run waits, and somebody answers from another terminal, or nobody does.

use serde_json::json;
use sluice_lab::Options;

use super::site::{Site, says, words};
use crate::common::person::Person;

/// The built-in one, but for the time in which somebody has to answer.
const BUILT_IN: &str = include_str!("../../../runbooks/replace-node.yaml");

#[test]
fn a_run_without_a_terminal_waits_for_an_answer_from_another_one() {
    let site = Site::new(Options::default());
    denied(&site);
    unanswered(&site);
    confirmed(&site);
}

fn waits(site: &Site, n: u8) -> String {
    let parked = site.unattended(n).expect_code(7);
    let run = site.last_run();
    says(&parked.stderr, &["waits for a yes at step replace", &format!("sluice confirm {run}")]);
    let inbox = site.user.run(&["inbox", "--json"]).expect_code(0).json();
    let [row] = inbox.as_array().unwrap().as_slice() else { panic!("{inbox:#}") };
    assert_eq!(
        (&row["run"], &row["runbook"], &row["wants"], &row["step"]),
        (&json!(run), &json!("replace-node"), &json!("confirm"), &json!("replace"))
    );
    assert!(row["until"].as_str().unwrap().starts_with("20"), "{row}");
    let open = site.user.run(&["runs", "list", "--open", "--json"]).expect_code(0).json();
    assert!(open.as_array().unwrap().iter().any(|row| row["run"] == json!(run)), "{open:#}");
    site.nothing_ended();
    run
}

#[track_caller]
fn ended_without_a_yes(site: &Site, run: &str) {
    let report = site.user.run(&["runs", "show", run, "--json"]).expect_code(0).json();
    assert_eq!((&report["status"], &report["exit"]), (&json!("not_confirmed"), &json!(4)), "{report:#}");
    assert_eq!(site.user.run(&["inbox", "--json"]).expect_code(0).json(), json!([]));
    site.nothing_ended();
}

fn denied(site: &Site) {
    let run = waits(site, 2);
    let done = site.user.run(&["deny", &run, "--because", "not during the sale"]).expect_code(0);
    says(&done.stderr, &["not confirmed at step replace: nothing was destroyed there", "not during the sale"]);
    ended_without_a_yes(site, &run);
    // The answer stands.
    let late = site.user.run(&["deny", &run, "--because", "again"]).expect_code(1);
    says(&late.stderr, &["asks nobody anything"]);
}

/// Also: a runbook beside the inventory that hides the built-in one is said to do so.
fn unanswered(site: &Site) {
    let short = BUILT_IN.replace("answer_within: 10m", "answer_within: 5s");
    assert_ne!(short, BUILT_IN);
    let path = site.user.file("runbooks/replace-node.yaml", &short);
    let hides = "hides the built-in runbook `replace-node`";
    let parked = site.unattended(2).expect_code(7);
    says(&parked.stderr, &[hides]);
    let arguments = site.arguments(2);
    let arguments = [&["plan"], &words(&arguments)[1..]].concat();
    let plan = site.user.run(&arguments).expect_code(0);
    says(&plan.stderr, &[hides]);
    says(&plan.stdout, &[&format!("plan of replace-node: runbook {}", path.display())]);
    let run = site.last_run();
    site.until("the time for an answer is over", |site| {
        site.user.run(&["inbox", "--json"]).expect_code(0).json()[0]["wants"] == json!("resume")
    });
    // Nobody has written that it is over; whoever comes too late does.
    assert_eq!(site.last()["status"], "asking");
    let over = Person::starts(&site.user, &["confirm", &run]).end().expect_code(4);
    says(&over.stdout, &["the time for an answer was over at", "not confirmed at step replace", "the time was over"]);
    ended_without_a_yes(site, &run);
    std::fs::remove_file(path).unwrap();
}

fn confirmed(site: &Site) {
    let run = waits(site, 3);
    // A yes needs a terminal, wherever it is given.
    let refused = site.user.run(&["confirm", &run]).expect_code(2);
    says(&refused.stderr, &["a yes is typed by a person at a terminal"]);
    site.nothing_ended();
    let mut person = site.says_yes(&["confirm", &run], 3);
    person.sees("replace-node done");
    person.end().expect_code(0);
    let report = site.last();
    assert_eq!((&report["run"], &report["exit"]), (&json!(run), &json!(0)));
    site.ended(&[3]);
}
