//! What nobody may do, done on the same lab: nodes replaced one after another as soon as something looks well. The referee
//! and the ledger see it, so they would see it of Sluice too.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_lab::{Fault, Options, Verdict};

use super::nodes;
use crate::replace::site::{Site, side_by_side};

/// The seed's pause between two nodes is two minutes; here data comes back slower than that by as much as the pause is
/// shorter.
const PAUSE: Duration = Duration::from_secs(12);

#[test]
fn whoever_follows_too_fast_is_seen() {
    side_by_side(
        &[("as soon as healthz says 200", || rolled(healthy)), ("after a pause", || rolled(paused))],
        &[("as soon as the server answers", || rolled(answers))],
    );
}

/// The node as the lab sees it, and since when its instance is another one.
type Looks = fn(&Value, Duration) -> bool;

fn answers(node: &Value, _: Duration) -> bool {
    node["healthz"] != "no answer"
}

fn healthy(node: &Value, _: Duration) -> bool {
    node["healthz"].as_str().is_some_and(|said| said.starts_with("200"))
}

fn paused(node: &Value, since: Duration) -> bool {
    healthy(node, since) && since > PAUSE
}

fn rolled(looks_well: Looks) {
    let site = Site::new(Options { preload: 12_000, preload_size: 12_000, ..Options::default() });
    for n in 1..=3 {
        site.fault(Fault::Replace { node: site.name(n), new_name: false, boot_delay: Some(0.5) });
        site.until("its instance is another one", |site| {
            site.ask(site.lab.instances()).get(&site.name(n)).is_some_and(|new| *new != site.first[&site.name(n)])
        });
        // As a small machine has it when its disk is empty.
        site.fault(Fault::Slow { node: site.name(n), duty: 0.05 });
        let came = Instant::now();
        site.until("it looks well", |site| {
            let nodes = nodes(site);
            nodes.iter().find(|node| node["n"] == n).is_some_and(|node| looks_well(node, came.elapsed()))
        });
    }
    let verdicts: Vec<Verdict> = site.ask(site.lab.verdicts());
    assert_eq!(verdicts.len(), 3, "{verdicts:#?}");
    let bad: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.safe).collect();
    eprintln!(
        "{} of 3 were not safe: {:?}",
        bad.len(),
        bad.iter().map(|verdict| verdict.why.first()).collect::<Vec<_>>()
    );
    assert!(!bad.is_empty(), "nobody saw it: {verdicts:#?}");
    assert!(verdicts[0].safe, "the first may go: {verdicts:#?}");
}
