//! `collect-metrics` beside real servers, one collector for each node, as systemd runs it: what an event says is so, nothing is
//! lost, nothing grows.

mod place;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use sluice_lab::Fault;

use crate::replace::site::is_long;
use place::{Collectors, SmallDisk, between, figure, moment};

/// For how long collectors run where everything is asked for, and every day.
fn span() -> Duration {
    Duration::from_secs(if is_long() { 600 } else { 120 })
}

/// Every figure of every event lies between what the node said right before and right after the collectors looked.
#[test]
fn one_collector_for_each_node_tells_what_the_servers_tell() {
    let site = Collectors::new();
    let mut running = site.start_all(&["axiom=true"]);
    let said = site.listen(&mut running, span());
    let resident: Vec<(u64, u64)> = running.iter().map(place::Collector::resident).collect();
    for (collector, (first, last)) in running.iter().zip(&resident) {
        // What is freed is not given back at once; growth goes on and on.
        assert!(*last < first + first / 5 + 1_024, "{}: {first} kB, then {last} kB", collector.node);
    }
    let ended = site.end_all(running, Signal::SIGTERM);
    let seconds = usize::try_from(span().as_secs()).unwrap();
    for (node, events) in &ended {
        // No drift: each on its second. A machine that is busy with other tests leaves some out.
        let times: BTreeSet<i64> = events.iter().map(|event| moment(event) / 1000).collect();
        assert_eq!(times.len(), events.len(), "{node}");
        assert!(2 * events.len() >= seconds && events.len() <= seconds + 3, "{node}: {}", events.len());
        for event in events {
            // A server that is kept waiting says for a moment that it is not current.
            assert_eq!(event["health_status"], event["health_code"].to_string(), "{event}");
            assert_eq!(event["node"], node.as_str(), "{event}");
            assert!(!event.to_string().contains("eyJ"), "{event}");
        }
        let none = Value::Array(Vec::new());
        let whole: Vec<Value> = events.iter().filter(|event| event["errors"] == none).cloned().collect();
        assert!(2 * whole.len() > events.len(), "{node}: {} of {} are whole", whole.len(), events.len());
        assert!(whole.iter().any(|event| event["health_code"] == 200), "{node}");
        for event in &whole {
            assert_eq!(event["jsz"]["config"]["max_storage"], event["jsz"]["config"]["max_file_store"], "{event}");
        }
        between(node, &whole, &said);
        let (first, last) = (whole.first().unwrap(), whole.last().unwrap());
        let between = |event: &&Value| moment(event) > moment(first) && moment(event) <= moment(last);
        let growth: f64 = events.iter().filter(between).filter_map(|event| event["growth"]["in_msgs"].as_f64()).sum();
        let grown = figure(last, "varz.in_msgs") - figure(first, "varz.in_msgs");
        assert!((growth - grown).abs() < 1.0, "{node}: {growth} and {grown}");
    }
    // All of it is in Axiom, each once, and in the files for whoever follows those.
    site.all_in_axiom(&ended);
    for ((_, events), n) in ended.iter().zip(1..) {
        follows_as_documented(&fs::read_to_string(site.file(n)).unwrap(), events);
    }
    eprintln!("resident, kB, first and last: {resident:?}");
}

/// As Fluent Bit reads a file, by its documentation: a line ends with its newline, one that is longer than `Buffer_Max_Size` is
/// skipped, and the time is where `Time_Key` says, as `Time_Format` says. The real one is in no registry that tests may use.
#[track_caller]
fn follows_as_documented(text: &str, events: &[Value]) {
    let conf = include_str!("../../runbooks/node/fluent-bit.conf");
    let said = |key: &str| -> &str {
        let line = conf.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
        line.trim()
    };
    assert_eq!((said("Format  "), said("Time_Key"), said("Time_Format")), ("json", "_time", "%Y-%m-%dT%H:%M:%S.%LZ"));
    assert!(text.ends_with('\n'));
    let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(read.iter().zip(text.lines()).all(|(event, line)| event.is_object() && line.len() < 32 << 10));
    for event in &read {
        let time = event[said("Time_Key")].as_str().unwrap();
        jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S%.3fZ", time).unwrap();
    }
    assert_eq!(read, events, "each once, in order");
}

/// A server that is killed, frozen or started anew is a field that says so, and the machine's figures go on.
#[test]
fn a_server_that_does_not_answer_is_a_field_and_no_gap() {
    let site = Collectors::new();
    let mut collector = site.start(1, &["axiom=true"]);
    let node = site.name(1);
    let well = |event: &Value| event["health_code"] == 200 && event["jsz"]["storage"].is_u64();
    collector.until("it is well", well);
    site.fault(Fault::Kill { node: node.clone() });
    collector.until("it is dead", |event| {
        event["health_status"] == "error: refused" && event["health_code"] == 0 && event.get("jsz").is_none()
    });
    site.fault(Fault::Start { node: node.clone() });
    collector.until("it is well again, with counters from 0", |event| well(event) && event.get("growth").is_some());
    site.fault(Fault::Freeze { node: node.clone() });
    collector.until("it hangs", |event| {
        event["health_status"] == "error: timeout" && event["errors"].to_string().contains("jsz: timeout")
    });
    site.fault(Fault::Thaw { node });
    collector.until("it is well again", well);
    let (name, events) = collector.end(Signal::SIGTERM);
    for event in &events {
        assert!(event["system"]["mem_used_bytes"].is_u64() && event["system"]["load_1"].is_f64(), "{event}");
        assert_eq!(event["health_status"].to_string().contains("200"), event["health_code"] == 200, "{event}");
    }
    site.all_in_axiom(&[(name, events)]);
}

/// What Axiom does not take waits, and comes later, in order. Where everything is asked for, an hour of polls waits.
#[test]
fn what_axiom_does_not_take_waits() {
    let site = Collectors::new();
    let mut collector = site.start(1, &["axiom=true"]);
    collector.until("the first one", |_| true);
    for (fault, why) in
        [(Fault::AxiomAway { cut: false }, "waits"), (Fault::Axiom429, "HTTP 429"), (Fault::Axiom503, "HTTP 503")]
    {
        site.fault(fault);
        site.until_status("it says why", |status| status["why"].as_str().is_some_and(|said| said.contains(why)));
        collector.more(if is_long() { 120 } else { 3 });
        site.fault(Fault::Clear);
        site.until_status("it is well again", |status| status["why"].is_null());
    }
    let (name, events) = collector.end(Signal::SIGTERM);
    site.all_in_axiom(&[(name, events)]);
}

/// Killed at once and started again: what waited is sent, and nothing is there twice but what was on its way.
#[test]
fn what_waits_outlives_the_process() {
    let site = Collectors::new();
    let mut collector = site.start(1, &["axiom=true"]);
    collector.until("the first one", |_| true);
    site.fault(Fault::AxiomAway { cut: false });
    collector.more(5);
    let (name, mut events) = collector.end(Signal::SIGKILL);
    site.fault(Fault::Clear);
    let mut collector = site.start(1, &["axiom=true"]);
    collector.more(2);
    events.extend(collector.end(Signal::SIGTERM).1);
    site.all_in_axiom(&[(name, events)]);
}

/// Axiom says 200 and stores nothing of it: that is read in the answer, said, and the events are kept.
#[test]
fn what_axiom_rejects_is_kept() {
    let site = Collectors::new();
    let mut collector = site.start(1, &["axiom=true"]);
    collector.until("the first one", |_| true);
    site.fault(Fault::AxiomRejects { field: "growth".into() });
    site.until_status("it says so", |status| status["why"].as_str().is_some_and(|why| why.contains("rejected")));
    let kept = site.spool(1).join("rejected.ndjson");
    assert!(fs::read_to_string(&kept).unwrap().lines().count() > 0);
    site.fault(Fault::Clear);
    site.until_status("it is well again", |status| status["why"].is_null());
    let (name, events) = collector.end(Signal::SIGTERM);
    // Each is in one of the two.
    let text = fs::read_to_string(&kept).unwrap();
    let stored: Vec<Value> = events.into_iter().filter(|event| !text.contains(event["id"].as_str().unwrap())).collect();
    site.all_in_axiom(&[(name, stored)]);
}

/// Nothing is written down, and everything is sent all the same; it is said, and over when there is room.
#[test]
fn a_full_disk_keeps_nothing_from_axiom() {
    let site = Collectors::new();
    let Some(disk) = SmallDisk::over(&site.spool(1)) else { return };
    let mut collector = site.start(1, &["axiom=true"]);
    collector.more(2);
    disk.fill();
    site.until_status("it says so", |status| status["why"].as_str().is_some_and(|why| why.contains("did not take it")));
    collector.more(3);
    disk.has_room();
    site.until_status("it is well again", |status| status["why"].is_null());
    let (name, events) = collector.end(Signal::SIGTERM);
    site.all_in_axiom(&[(name, events)]);
}
