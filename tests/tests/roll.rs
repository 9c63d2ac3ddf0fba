//! `rolling-replace` on the real lab under traffic: a person types each name, and the cloud's record, the referee and the
//! ledger say what came of it.

mod chaos;
mod naive;
mod operators;
mod refresh;

use std::time::Duration;

use serde_json::{Value, json};
use sluice_lab::{Fault, Options};

use crate::common::person::Person;
use crate::common::sluice::Done;
use crate::replace::site::{PATIENCE, Site, says, side_by_side, words};

#[test]
fn three_nodes_go_one_after_another() {
    side_by_side(
        &[("10,000 messages, the meta leader moves in between", moving)],
        &[
            ("an empty stream, system rights", with_rights),
            ("one node is slow", slow),
            ("one does not come back, and is mended", mended),
        ],
    );
}

/// `sluice run rolling-replace`.
fn arguments(more: &[&str]) -> Vec<String> {
    let all = ["run", "rolling-replace", "-i", "cluster=nats-staging", "-i", "soak=5s"];
    all.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn starts(site: &Site, more: &[&str]) -> Person {
    Person::starts(&site.user, &words(&arguments(more)))
}

/// The number of the node that is asked about next.
#[track_caller]
fn asked(site: &Site, person: &mut Person) -> u8 {
    person.sees_within("Type nats-staging-node-", PATIENCE * 2).sees("\n> ");
    let shown = person.shown();
    let (_, last) = shown.rsplit_once("Type ").unwrap();
    let name = last.split_whitespace().next().unwrap();
    (1..=3).find(|n| site.name(*n) == name).unwrap_or_else(|| panic!("it asks for {name}"))
}

#[track_caller]
fn says_yes(site: &Site, person: &mut Person, n: u8) {
    person.types(&format!("{}\n", site.name(n)));
}

fn nodes(site: &Site) -> Vec<Value> {
    site.ask(site.lab.status())["nodes"].as_array().unwrap().clone()
}

/// Who leads the meta group; nobody while it elects.
fn leader(site: &Site) -> Option<u8> {
    let leads = nodes(site).into_iter().find(|node| node["meta_leader"] == json!(true))?;
    u8::try_from(leads["n"].as_u64()?).ok()
}

/// The meta leader, moved to this node where it is another.
fn lead(site: &Site, n: u8) {
    site.until("the meta group has a leader", |site| leader(site).is_some());
    if leader(site) != Some(n) {
        site.fault(Fault::MoveMeta { node: site.name(n) });
    }
    site.until("it leads the meta group", |site| leader(site) == Some(n));
}

#[track_caller]
fn done(person: Person) -> Done {
    let done = person.end_within(PATIENCE * 3).expect_code(0);
    says(&done.stdout, &["rolling-replace done"]);
    done
}

/// While the first is asked about, the leader moves to the one that would have been second.
fn moving() {
    let site = Site::new(Options { preload: 10_000, ..Options::default() });
    lead(&site, 3);
    let mut person = starts(&site, &[]);
    let first = asked(&site, &mut person);
    assert_eq!(first, 1);
    lead(&site, 2);
    says_yes(&site, &mut person, first);
    let second = asked(&site, &mut person);
    assert_eq!((second, leader(&site)), (3, Some(2)), "the follower first");
    says_yes(&site, &mut person, second);
    let third = asked(&site, &mut person);
    says_yes(&site, &mut person, third);
    let done = done(person);
    says(&done.stdout, &["chosen", "3 of 3 nodes", "roll[nats-staging-node-1]/soak"]);
    let last = format!("roll[{}]/soak", site.name(third));
    let after = done.stdout.lines().rfind(|line| line.contains(&last)).unwrap();
    assert!(after.contains("skipped"), "nothing is waited for after the last: {after}");
    site.ended(&[1, 3, 2]);
    let new = site.ask(site.lab.instances());
    assert!(site.first.iter().all(|(node, old)| new[node] != *old), "{new:?} and before {:?}", site.first);
}

fn with_rights() {
    let site = Site::new(Options { with_system_creds: true, ..Options::default() });
    let mut person = starts(&site, &[]);
    let mut order = Vec::new();
    for nth in 1..=3 {
        let n = asked(&site, &mut person);
        assert_eq!(leader(&site) == Some(n), nth == 3, "{n} is the {nth}. to go");
        says_yes(&site, &mut person, n);
        order.push(n);
    }
    done(person);
    site.ended(&order);
}

/// The second has a thirtieth of a machine until it has its data: nobody goes on meanwhile.
fn slow() {
    let site = Site::new(Options { preload: 10_000, preload_size: 4_000, ..Options::default() });
    lead(&site, 3);
    let mut person = starts(&site, &[]);
    for n in [1, 2] {
        assert_eq!(asked(&site, &mut person), n);
        says_yes(&site, &mut person, n);
    }
    site.until("the second instance is ended", |site| site.terminations().len() == 2);
    site.fault(Fault::Slow { node: site.name(2), duty: 0.03 });
    std::thread::sleep(Duration::from_secs(40));
    assert_eq!(site.terminations().len(), 2);
    site.fault(Fault::Thaw { node: site.name(2) });
    assert_eq!(asked(&site, &mut person), 3);
    says_yes(&site, &mut person, 3);
    done(person);
    site.ended(&[1, 2, 3]);
}

/// Its server never comes up; somebody sees to it, and the run goes on with what is left.
fn mended() {
    let site = Site::new(Options::default());
    lead(&site, 3);
    site.fault(Fault::NoLaunch { node: site.name(2), message: "no capacity".to_owned() });
    let mut person = starts(&site, &["-i", "nodes=node-2,node-3"]);
    assert_eq!(asked(&site, &mut person), 2);
    says_yes(&site, &mut person, 2);
    person.sees_within("no capacity", PATIENCE);
    // The operator goes home.
    person.types("\u{3}");
    let left = person.end_within(PATIENCE);
    assert_eq!(left.code, Some(130), "{}", left.said());
    assert_eq!(site.terminations().len(), 1);
    site.fault(Fault::Clear);
    let mut person = Person::starts(&site.user, &["resume", "last"]);
    assert_eq!(asked(&site, &mut person), 3);
    says_yes(&site, &mut person, 3);
    done(person);
    site.ended(&[2, 3]);
}
