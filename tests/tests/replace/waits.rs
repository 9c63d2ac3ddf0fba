//! The world moves while the question waits: what is bound stays, or the yes is worth nothing.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sluice_lab::{Fault, Load, Options};

use super::site::{PATIENCE, Site, is_long, says, side_by_side};

#[test]
fn while_the_question_waits_the_world_moves() {
    side_by_side(&[("leaders move and clients reconnect", restless), ("its instance is replaced", replaced)], &[]);
}

/// Leaders and connections are facts: they are shown, and what must not get worse is a gate's matter.
fn restless() {
    let site = Site::busy(Options::default());
    let mut person = site.asked(1);
    let long = if is_long() { Duration::from_secs(9 * 60) } else { Duration::ZERO };
    let (began, mut moves) = (Instant::now(), 0);
    while moves < 3 || began.elapsed() < long {
        site.fault(Fault::MoveLeaders);
        // All clients leave, and come back on new connections.
        let before = site.ask(site.lab.counts()).delivered;
        site.ask(site.lab.load(Load::steady()));
        site.until("messages flow again", |site| site.ask(site.lab.counts()).delivered > before);
        moves += 1;
        if !long.is_zero() {
            thread::sleep(Duration::from_secs(1));
        }
    }
    eprintln!("leaders moved {moves} times in {:?} while it was asked", began.elapsed());
    site.nothing_ended();
    person.types(&format!("{}\n", site.name(1)));
    person.end_within(long + PATIENCE).expect_code(0);
    site.ended(&[1]);
}

/// What was asked for is gone, and its successor was not asked for.
fn replaced() {
    let site = Site::busy(Options::default());
    let mut person = site.asked(3);
    site.fault(Fault::Replace { node: site.name(3), new_name: false, boot_delay: None });
    site.until("the instance is another one", |site| {
        let now = site.ask(site.lab.instances());
        now.get(&site.name(3)).is_some_and(|new| *new != site.first[&site.name(3)])
    });
    site.ask(site.lab.wait_healthy(PATIENCE));
    person.types(&format!("{}\n", site.name(3)));
    let done = person.end();
    let new = &site.ask(site.lab.instances())[&site.name(3)];
    assert_ne!(done.code, Some(0), "{}", done.said());
    says(&done.stdout, &[&site.first[&site.name(3)], new]);
    let asked = site.ask(site.lab.calls_of("TerminateInstanceInAutoScalingGroup"));
    assert_eq!(json!(asked.len()), json!(0), "{asked:#?}");
    site.whole();
}
