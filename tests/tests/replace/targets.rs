//! The node is sick, silent or gone before anybody begins, which is the usual reason to replace it; or it leads what nobody
//! may move.

use sluice_lab::{Fault, Options};

use super::site::{Site, says, side_by_side, words};
use crate::common::parameters;

#[test]
fn a_node_that_is_not_well_is_replaced() {
    side_by_side(
        &[("dead", dead), ("no instance", empty_group)],
        &[("frozen", frozen), ("its disk gone", without_disk), ("its leaders stay", leading)],
    );
}

fn dead() {
    let site = Site::new(Options::default());
    site.fault(Fault::Kill { node: site.name(3) });
    replaced(&site, 3);
}

fn frozen() {
    let site = Site::new(Options::default());
    site.fault(Fault::Freeze { node: site.name(1) });
    replaced(&site, 1);
}

fn without_disk() {
    let site = Site::new(Options::default());
    site.fault(Fault::Wipe { node: site.name(2), stopped: true });
    replaced(&site, 2);
}

/// The credentials do not reach to move what it leads: an election does that, only later.
fn leading() {
    let site = Site::new(Options::default());
    let creds = site.ask(site.lab.creds("still"));
    let after = |line: &str| creds.lines().skip_while(|one| !one.contains(line)).nth(1).unwrap().to_owned();
    for (name, value) in [("jwt", after("BEGIN NATS USER JWT")), ("nkey_seed", after("BEGIN USER NKEY SEED"))] {
        parameters::put(
            &site.lab,
            &format!("/nats-cluster/nats-staging/admin/nats_admin_{name}"),
            &value,
            "SecureString",
        );
    }
    let n = (1..=3).find(|n| leads(&site, *n)).unwrap();
    let mut person = site.asked(n);
    person.types(&format!("{}\n", site.name(n)));
    let done = person.end().expect_code(0);
    says(&done.stdout, &["0 leaders moved off", "left: stream PIVOT/pivot_main", "replace-node done"]);
    site.ended(&[n]);
}

fn leads(site: &Site, n: u8) -> bool {
    let run = site.arguments(n);
    let plan = [&["plan"], &words(&run)[1..], &["--json"]].concat();
    let plan = site.user.run(&plan).expect_code(0).json();
    let quorum = plan["steps"].as_array().unwrap().iter().find(|step| step["key"] == "quorum").unwrap();
    quorum.to_string().contains("\"PIVOT/pivot_main\"")
}

fn replaced(site: &Site, n: u8) {
    let mut person = site.asked(n);
    site.nothing_ended();
    person.types(&format!("{}\n", site.name(n)));
    let done = person.end().expect_code(0);
    // There is nobody to move leaders off.
    says(&done.stdout, &["replace/step_down", "skipped", "replace-node done"]);
    site.ended(&[n]);
}

/// Nothing is there to be ended: it waits for the group, says why nothing comes, and ends nothing when something comes.
fn empty_group() {
    let site = Site::new(Options::default());
    let message = "Your quota allows for 0 more running instances";
    site.fault(Fault::EmptyGroup { node: site.name(2), message: message.to_owned() });
    site.until("the group is empty", |site| !site.ask(site.lab.instances()).contains_key(&site.name(2)));
    let mut person = site.at_terminal(2);
    person.sees(message);
    site.fault(Fault::Clear);
    let done = person.end().expect_code(0);
    says(&done.stdout, &["replace-node done"]);
    assert!(!done.stdout.contains("Type "), "nobody is asked where nothing is destroyed:\n{}", done.stdout);
    let asked = site.ask(site.lab.calls_of("TerminateInstanceInAutoScalingGroup"));
    assert!(asked.is_empty(), "{asked:#?}");
    site.whole();
}
