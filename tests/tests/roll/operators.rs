//! Two operators, each with a home and a journal of their own, and one cluster: the lock in its account is all they share.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_lab::{Fault, Options};

use super::{arguments, asked, done, lead, says_yes, starts};
use crate::common::parameters;
use crate::common::person::Person;
use crate::common::sluice::Sluice;
use crate::replace::site::{PATIENCE, Site, says, side_by_side, words};

#[test]
fn two_operators_do_not_get_in_each_others_way() {
    side_by_side(
        &[("one falls asleep between the yes and the act", sleeper)],
        &[("the other repairs what the first one left", repaired)],
    );
}

/// Of another user of the machine, where the tests may make one.
fn other(site: &Site) -> Sluice {
    let mut other = Sluice::on(&site.lab);
    other.of_another_user();
    other
}

fn waits_for_lock(site: &Site, user: &Sluice, more: &[&str]) -> Person {
    let all = [&["--lock-wait", "10m"], more].concat();
    let mut person = Person::starts(user, &words(&arguments(&all)));
    person.sees(&format!("held by run {}", site.last_run()));
    person
}

/// As if the machine had been asleep for longer than anybody waits.
fn lapse(site: &Site) {
    for (name, value) in parameters::below(&site.lab, "/nats-cluster/nats-staging/sluice/lock") {
        let mut lock: Value = serde_json::from_str(&value).unwrap();
        lock["holder"]["lease_until"] = json!(1);
        parameters::put(&site.lab, &name, &lock.to_string(), "String");
    }
}

fn sleeper() {
    let site = Site::new(Options::default());
    let bo = other(&site);
    let mut ana = starts(&site, &[]);
    let n = asked(&site, &mut ana);
    let mut second = waits_for_lock(&site, &bo, &["-i", &format!("nodes=node-{n}")]);
    // Leaders were moved, and everything is looked at anew for some seconds: before that is over her machine sleeps.
    says_yes(&site, &mut ana, n);
    ana.sees("replace/step_down ");
    let pid = Pid::from_raw(i32::try_from(site.last()["owner"]["pid"].as_i64().unwrap()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    site.nothing_ended();
    lapse(&site);
    // It has begun to act, so nobody gets its lock who does not say why it may be taken away.
    let why = ["--because", "ana's laptop sleeps, and the node has to go"];
    let break_it = [&["locks", "break", "cluster/nats-staging", "--cluster", "nats-staging"][..], &why].concat();
    bo.run(&break_it).expect_code(0);
    assert_eq!(asked(&site, &mut second), n);
    says_yes(&site, &mut second, n);
    done(second);
    assert_eq!(site.terminations().len(), 1);
    kill(pid, Signal::SIGCONT).unwrap();
    let woken = ana.end_within(PATIENCE).expect_code(1);
    says(&woken.stdout, &["was taken away"]);
    site.ended(&[n]);
}

fn repaired() {
    let site = Site::new(Options::default());
    lead(&site, 3);
    let bo = other(&site);
    site.fault(Fault::NeverBoots { node: site.name(2), how: Default::default() });
    let mut ana = starts(&site, &["-i", "nodes=node-2,node-3"]);
    assert_eq!(asked(&site, &mut ana), 2);
    says_yes(&site, &mut ana, 2);
    ana.sees("new  ");
    ana.types("\u{3}");
    let left = ana.end_within(PATIENCE);
    assert_eq!(left.code, Some(130), "{}", left.said());
    let run = site.last_run();
    site.fault(Fault::Clear);
    // It has begun to act, so nobody else gets its lock but to repair it.
    let replace = ["run", "replace-node", "-i", "cluster=nats-staging", "-i", "node=node-2"];
    let refused = bo.run(&replace).expect_code(1);
    says(&refused.stderr, &[&run, "has begun to act", "--repair"]);
    let mut second = Person::starts(&bo, &[&replace[..], &["--repair", &run]].concat());
    site.sees_question(&mut second, 2);
    second.types(&format!("{}\n", site.name(2)));
    says(&second.end_within(PATIENCE * 2).expect_code(0).stdout, &["replace-node done"]);
    // The first goes on where it was, and finds the node back.
    let mut ana = Person::starts(&site.user, &["resume", "last"]);
    assert_eq!(asked(&site, &mut ana), 3);
    says_yes(&site, &mut ana, 3);
    done(ana);
    let ended = site.terminations();
    assert!(ended.len() == 3 && ended.iter().all(|one| one.verdict.safe), "{ended:#?}");
    site.whole();
}
