//! The node is sick, silent or gone before anybody begins: the usual reason to replace it.

use sluice_lab::{Fault, Options};

use super::site::{Site, says, side_by_side};

#[test]
fn a_node_that_is_not_well_is_replaced() {
    side_by_side(
        &[("dead", dead), ("no instance", empty_group)],
        &[("frozen", frozen), ("its disk gone", without_disk)],
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
