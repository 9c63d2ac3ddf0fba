//! A yes given beforehand, to a saved plan: for exactly that, once, and not for ever.

use std::path::PathBuf;

use serde_json::Value;
use sluice_lab::Options;

use super::site::{Site, says, words};
use crate::common::sluice::{Done, Running};

#[test]
fn a_receipt_is_good_once_and_for_what_it_was_given() {
    let mut site = Site::new(Options::default());
    let (plan, receipt) = planned(&site, 2, "tonight", "12h");
    // A plan alone, whoever saved it, is no yes.
    let alone = site.user.run(&["run", "--plan", &plan]).expect_code(2);
    says(&alone.stderr, &["--receipt"]);
    site.nothing_ended();
    by_hand(&site, &plan, &receipt);
    of_another_plan(&site, &plan);
    expired(&site);
    after_another_policy(&mut site, &plan, &receipt);
    used(&site, &plan, &receipt);
}

/// A saved plan of replacing this node, and a receipt for it.
fn planned(site: &Site, n: u8, name: &str, expires: &str) -> (String, String) {
    let (plan, receipt) = (format!("{name}.plan"), format!("{name}.receipt"));
    let arguments = site.arguments(n);
    let saved = [&["plan"], &words(&arguments)[1..], &["--save", plan.as_str()]].concat();
    site.user.run(&saved).expect_code(0);
    let arguments = ["confirm", "--plan", &plan, "--receipt", &receipt, "--expires", expires];
    let mut person = crate::common::person::Person::starts(&site.user, &arguments);
    person.sees("aws.terminate_instance").sees(&format!("Type {} to say yes beforehand", site.name(n))).sees("\n> ");
    person.types(&format!("{}\n", site.name(n)));
    let made = person.end().expect_code(0);
    says(&made.stdout, &["good for one run until", &format!("sluice run --plan {plan} --receipt {receipt}")]);
    (plan, receipt)
}

fn run(site: &Site, plan: &str, receipt: &str) -> Done {
    let command = site.user.command(&["run", "--plan", plan, "--receipt", receipt]);
    Running::new(command).end_within(super::site::PATIENCE)
}

#[track_caller]
fn refused(site: &Site, plan: &str, receipt: &str, why: &str) {
    let done = run(site, plan, receipt).expect_code(4);
    says(&done.stderr, &["not confirmed at step replace: nothing was destroyed there", why]);
    site.nothing_ended();
}

fn path(site: &Site, name: &str) -> PathBuf {
    site.user.home().join(name)
}

fn read(site: &Site, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(site, name)).unwrap()).unwrap()
}

/// A longer life, written into it with an editor.
fn by_hand(site: &Site, plan: &str, receipt: &str) {
    let mut edited = read(site, receipt);
    edited["expires"] = Value::from(edited["expires"].as_i64().unwrap() + 1_000_000);
    site.user.file("edited.receipt", &edited.to_string());
    refused(site, plan, "edited.receipt", "the receipt was not made in this store");
}

/// Given for another node.
fn of_another_plan(site: &Site, plan: &str) {
    let (_, other) = planned(site, 3, "other", "12h");
    refused(site, plan, &other, "the receipt does not cover what would be done now");
}

fn expired(site: &Site) {
    let (plan, receipt) = planned(site, 2, "short", "1s");
    refused(site, &plan, &receipt, "the receipt has expired");
}

/// Who may say yes has changed meanwhile: the yes of before was given under other rules.
fn after_another_policy(site: &mut Site, plan: &str, receipt: &str) {
    let inventory = std::fs::read_to_string(path(site, "sluice.yaml")).unwrap();
    let policy = "policy: [{ when: { tier: staging }, confirm: { people: 1, answer_within: 7m } }]\n";
    site.user.trust(&format!("{inventory}{policy}"));
    refused(site, plan, receipt, "the receipt does not cover what would be done now");
    site.user.trust(&inventory);
}

fn used(site: &Site, plan: &str, receipt: &str) {
    let done = run(site, plan, receipt).expect_code(0);
    says(&done.stderr, &["replace-node done"]);
    site.ended(&[2]);
    let again = run(site, plan, receipt).expect_code(4);
    says(&again.stderr, &["not confirmed at step replace: nothing was destroyed there", "receipt"]);
    // The same file under another name is the same receipt.
    std::fs::copy(path(site, receipt), path(site, "copy.receipt")).unwrap();
    run(site, plan, "copy.receipt").expect_code(4);
    site.ended(&[2]);
}
