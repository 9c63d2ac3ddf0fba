//! Instance refreshes on the real lab: the way by which nodes are replaced, and somebody else's rollout, watched.

use std::time::Duration;

use sluice_lab::{Fault, Options};

use super::{asked, done, lead, says_yes, starts};
use crate::common::person::Person;
use crate::replace::site::{PATIENCE, Site, says, side_by_side, words};

#[test]
fn by_instance_refreshes() {
    side_by_side(
        &[("a rollout goes too fast, and is watched", too_fast), ("one node by a refresh", one)],
        &[
            ("all of an empty cluster", || all(0)),
            ("all of 10,000 messages", || all(10_000)),
            ("one is slow", slow),
            ("a rollout waits long enough, and is watched", in_time),
            ("nobody answers the alarm", unanswered),
        ],
    );
}

/// Each of these nodes lost the instance it had at first to a refresh, safely, and no other call was accepted.
#[track_caller]
fn refreshed(site: &Site, nodes: &[u8]) {
    let lost = lost(site);
    let wanted: Vec<(String, bool)> = nodes.iter().map(|n| (site.first[&site.name(*n)].clone(), true)).collect();
    assert_eq!(lost, wanted);
    site.whole();
}

/// The instances that AWS was asked to end, and whether that was safe.
fn lost(site: &Site) -> Vec<(String, bool)> {
    let ended = site.terminations();
    assert!(ended.iter().all(|one| one.call.operation == "StartInstanceRefresh"), "{ended:#?}");
    ended.into_iter().map(|one| (one.verdict.instance, one.verdict.safe)).collect()
}

fn one() {
    let site = Site::new(Options::default());
    let mut person =
        Person::starts(&site.user, &words(&[site.arguments(2), vec!["-i".into(), "via=refresh".into()]].concat()));
    site.sees_question(&mut person, 2);
    site.nothing_ended();
    says(&person.shown(), &["aws.start_refresh", &site.first[&site.name(2)], "min_healthy_percentage"]);
    says_yes(&site, &mut person, 2);
    let done = person.end_within(PATIENCE).expect_code(0);
    says(&done.stdout, &["refresh_over", "Successful", "replace-node done"]);
    refreshed(&site, &[2]);
}

fn all(messages: u64) {
    let site = Site::new(Options { preload: messages, ..Options::default() });
    lead(&site, 2);
    roll(&site, &[1, 3, 2], |_| ());
}

/// The node that goes second gets a thirtieth of the time once its instance is new.
fn slow() {
    let site = Site::new(Options { preload: 10_000, preload_size: 4_000, ..Options::default() });
    lead(&site, 3);
    roll(&site, &[1, 2, 3], |n| {
        if n == 2 {
            site.until("the second instance is ended", |site| site.terminations().len() == 2);
            site.fault(Fault::Slow { node: site.name(2), duty: 0.03 });
            std::thread::sleep(Duration::from_secs(40));
            assert_eq!(site.terminations().len(), 2);
            site.fault(Fault::Thaw { node: site.name(2) });
        }
    });
}

fn roll(site: &Site, order: &[u8], then: impl Fn(u8)) {
    let mut person = starts(site, &["-i", "via=refresh"]);
    for n in order {
        assert_eq!(asked(site, &mut person), *n);
        says_yes(site, &mut person, *n);
        then(*n);
    }
    done(person);
    refreshed(site, order);
}

/// Terraform: one refresh when the one before was successful.
fn refresh(site: &Site, n: u8) {
    site.fault(Fault::Refresh { node: site.name(n) });
}

fn successful(site: &Site, count: usize) -> bool {
    let refreshes = site.ask(site.lab.status())["aws"]["refreshes"].as_array().cloned().unwrap_or_default();
    refreshes.iter().filter(|one| one["Status"] == "Successful").count() == count
}

fn watch(site: &Site, nodes: &str) -> Person {
    let mut person = Person::starts(&site.user, &["run", "rollout-watch", "-i", "cluster=nats-staging", "-i", nodes]);
    person.sees("was never refreshed").sees("was never refreshed");
    person
}

/// AWS takes its time to begin, and calls a node well long before its server runs.
fn hasty(site: &Site, pending: f64) {
    site.fault(Fault::RefreshPending { seconds: pending });
    site.fault(Fault::BootDelay { seconds: 15.0 });
}

fn too_fast() {
    let site = Site::new(Options::default());
    let mut person = watch(&site, "nodes=node-1,node-2");
    hasty(&site, 1.0);
    refresh(&site, 1);
    site.until("AWS calls the first one well", |site| successful(site, 1));
    // Time for a person to read, and for everything that is looked at before the act.
    site.fault(Fault::RefreshPending { seconds: 60.0 });
    refresh(&site, 2);
    person.sees("/alarm  ALARM: nats-staging-node-2 must not go now");
    assert_eq!(lost(&site).len(), 1, "the second is still there when the alarm goes off");
    assert_eq!(asked(&site, &mut person), 2);
    says(&person.shown(), &["aws.cancel_refresh", "cannot undo: nothing yet"]);
    says_yes(&site, &mut person, 2);
    let done = person.end_within(PATIENCE).expect_code(0);
    says(&done.stdout, &["too_early/cancel", "watch[nats-staging-node-1]/data_back", "rollout-watch done"]);
    assert_eq!(site.ask(site.lab.instances())[&site.name(2)], site.first[&site.name(2)]);
    refreshed(&site, &[1]);
}

fn in_time() {
    let site = Site::new(Options { preload: 10_000, ..Options::default() });
    let mut person = watch(&site, "nodes=node-1,node-2");
    hasty(&site, 1.0);
    refresh(&site, 1);
    person.sees_within("✓ watch[nats-staging-node-1]/data_back", PATIENCE);
    refresh(&site, 2);
    let done = person.end_within(PATIENCE).expect_code(0);
    assert!(!done.stdout.contains("Type "), "nobody is asked: {}", done.stdout);
    refreshed(&site, &[1, 2]);
}

/// Without anybody there it goes as it goes, and was told all the same.
fn unanswered() {
    let site = Site::new(Options::default());
    let mut person = watch(&site, "nodes=node-1,node-2");
    hasty(&site, 8.0);
    refresh(&site, 1);
    site.until("AWS calls the first one well", |site| successful(site, 1));
    refresh(&site, 2);
    assert_eq!((asked(&site, &mut person), lost(&site).len()), (2, 1));
    site.until("the second is gone", |site| site.terminations().len() == 2);
    assert_eq!(lost(&site).iter().map(|(_, safe)| *safe).collect::<Vec<_>>(), [true, false]);
    person.types("\u{3}");
    assert_eq!(person.end_within(PATIENCE).code, Some(130));
}
