//! Gates say no: before the question, after the yes, and where a person knows better.

use serde_json::json;
use sluice_lab::{Fault, Options};

use super::site::{Site, says, side_by_side, text};
use crate::common::person::Person;

#[test]
fn gates_stop_it_before_anything_is_touched() {
    side_by_side(
        &[("Axiom refuses", overridden), ("between yes and act", killed_meanwhile)],
        &[("a second node is down", second_down), ("Axiom is silent", silent)],
    );
}

/// The gate that looks at logs stops it; somebody lets it count, with a reason that is kept.
fn overridden() {
    let site = Site::new(Options::default());
    site.fault(Fault::Axiom429);
    let stopped = site.unattended(2).expect_code(3);
    says(&stopped.stderr, &["stopped by gate events_before, and stays open", "429", "sluice override"]);
    goes_on_over_it(&site, "Axiom limits our rate, the console shows the node well");
}

/// Nothing of the node arrives. What came before is fresh for two minutes.
fn silent() {
    let site = Site::new(Options::default());
    site.fault(Fault::AxiomSilent { node: site.name(2) });
    let mut stopped = site.unattended(2);
    while stopped.code == Some(7) {
        site.user.run(&["deny", "last", "--because", "Axiom still shows older events"]).expect_code(0);
        stopped = site.unattended(2);
    }
    let stopped = stopped.expect_code(3);
    says(&stopped.stderr, &["stopped by gate events_before"]);
    goes_on_over_it(&site, "Axiom is down, the console shows the node well");
}

fn goes_on_over_it(site: &Site, reason: &str) {
    let run = site.last_run();
    let report = site.last();
    assert_eq!((&report["status"], &report["decided_by"]), (&json!("stopped"), &json!("events_before")), "{report:#}");
    site.nothing_ended();
    // Something else than its name leaves it.
    let arguments = ["override", &run, "events_before", "--reason", reason];
    let mut person = Person::starts(&site.user, &arguments);
    person.sees("Type events_before to let it count").sees("\n> ").types("yes\n");
    person.end().expect_code(4);
    let mut person = Person::starts(&site.user, &arguments);
    person.sees("Gate events_before did not pass").sees("\n> ").types("events_before\n");
    site.sees_question(&mut person, 2);
    says(&person.shown(), &["NOT PASSED", reason]);
    let shown = site.last();
    assert_eq!(shown["overrides"][0]["why"], json!(reason), "{:#}", shown["overrides"]);
    site.nothing_ended();
    site.fault(Fault::Clear);
    person.types(&format!("{}\n", site.name(2)));
    person.end().expect_code(0);
    let file = site.user.run(&["export", &run]).expect_code(0).stdout;
    assert!(file.contains(reason), "the evidence does not say why");
    site.user.file("kept.ndjson", &file);
    let verified = site.user.run(&["verify", "kept.ndjson", "--json"]).expect_code(0).json();
    assert_eq!((&verified["intact"], &verified["complete"]), (&json!(true), &json!(true)), "{verified:#}");
    site.ended(&[2]);
}

fn second_down() {
    let site = Site::new(Options::default());
    site.fault(Fault::Kill { node: site.name(3) });
    let stopped = site.unattended(1).expect_code(3);
    says(&stopped.stderr, &["stopped by gate", &site.name(3)]);
    site.nothing_ended();
    // What was looked at before is not forgotten: mended, the same run goes on, and asks.
    site.fault(Fault::Clear);
    site.ask(site.lab.wait_healthy(super::site::PATIENCE));
    let run = site.last_run();
    site.user.run(&["resume", &run]).expect_code(7);
    site.user.run(&["cancel", &run]);
    site.nothing_ended();
    site.whole();
}

/// The gates are judged again after the yes, and a node has died meanwhile.
fn killed_meanwhile() {
    let site = Site::new(Options::default());
    let mut person = site.asked(2);
    person.types(&format!("{}\n", site.name(2)));
    person.sees("says yes");
    site.fault(Fault::Kill { node: site.name(1) });
    let stopped = person.end().expect_code(3);
    // Which gate sees it first is chance; none of them passes.
    says(&stopped.stdout, &["after the yes", "stopped by gate", "and stays open"]);
    site.nothing_ended();
    let done = site.last();
    assert_eq!(
        (&done["status"], &done["ended"], &done["exit"]),
        (&json!("stopped"), &json!(null), &json!(3)),
        "{done:#}"
    );
    // What it saw is mended; nobody lets it count.
    let gate = text(&done["decided_by"]);
    let inbox = site.user.run(&["inbox", "--json"]).expect_code(0).json();
    assert_eq!((&inbox[0]["wants"], &inbox[0]["step"]), (&json!("resume"), &json!(gate)), "{inbox:#}");
    let arguments = ["override", "last", &gate, "--reason", "it looks well from here"];
    let refused = Person::starts(&site.user, &arguments).end().expect_code(2);
    says(&refused.stdout, &["looks at the data itself, and nobody overrides what it saw"]);
    site.fault(Fault::Clear);
    site.whole();
}
