//! What is no yes: nothing is executed, and the run ends as not confirmed.

use serde_json::json;
use sluice_lab::Options;

use super::site::{Site, is_long, says, side_by_side};
use crate::common::person::Person;

#[test]
fn what_is_no_yes_executes_nothing() {
    side_by_side(
        &[("typed something else", something_else), ("no answer, and one that came too early", no_answer)],
        &[],
    );
}

/// It ends with 4, and nothing was done.
#[track_caller]
fn refused(site: &Site, person: Person, why: &str) {
    let done = person.end().expect_code(4);
    says(&done.stdout, &["not confirmed at step replace: nothing was destroyed there", why]);
    let report = site.last();
    assert_eq!((&report["status"], &report["exit"]), (&json!("not_confirmed"), &json!(4)), "{report:#}");
    site.nothing_ended();
}

fn something_else() {
    let site = Site::new(Options::default());
    let name = site.name(2);
    // Another node's; the same to a person's eye: a Cyrillic letter, a character that is not seen, another dash.
    let daily = [site.name(3), name.replacen('a', "\u{430}", 1), format!("{name}\u{200b}")];
    let rest = [name.replace('-', "\u{2010}"), format!(" {name}"), name.to_uppercase(), "yes".to_owned()];
    for typed in daily.into_iter().chain(rest.into_iter().filter(|_| is_long())) {
        let mut person = site.asked(2);
        person.types(&format!("{typed}\n"));
        refused(&site, person, "something else was typed");
    }
    site.whole();
}

fn no_answer() {
    let site = Site::new(Options::default());
    let mut person = site.asked(2);
    person.types("\n");
    refused(&site, person, "nothing was typed");
    let mut person = site.asked(2);
    // Ctrl-D.
    person.types("\x04");
    refused(&site, person, "the input ended without an answer");
    ahead(&site);
    from_another(&site);
    site.whole();
}

/// Pasted before the question is there. It answers nothing, and neither does what is typed then and is no yes.
fn ahead(site: &Site) {
    let mut person = site.at_terminal(2);
    person.sees("quorum");
    person.types(&format!("{0}\n{0}\n", site.name(2)));
    site.sees_question(&mut person, 2);
    person.types("no\n");
    refused(site, person, "something else was typed");
}

/// Somebody says no elsewhere while it is asked here.
fn from_another(site: &Site) {
    let person = site.asked(2);
    let run = site.last_run();
    let denied = site.user.run(&["deny", &run, "--because", "a test"]).expect_code(0);
    says(&denied.stderr, &["the run's own process goes on"]);
    refused(site, person, "a test");
}
