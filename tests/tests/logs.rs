//! What was written down of nodes, on a real lab: lines in Axiom and in CloudWatch, what starts said, the alert table judged on
//! the newest metrics, and the monitors that it asks for.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_lab::{Fault, Options};

use crate::common::sluice::{Done, Running, SHIPPED};
use crate::replace::site::{PATIENCE, Site, says};

#[test]
fn logs_starts_and_alerts_are_told_as_they_are() {
    let site = Site::new(Options::default());
    lines(&site);
    follows(&site);
    starts(&site);
    alerts(&site);
    monitors(&site);
}

fn run(site: &Site, runbook: &str, more: &[&str]) -> Done {
    site.user.run(&[&["run", runbook, "-i", "cluster=nats-staging", "--json"][..], more].concat())
}

/// The messages that `logs` gives, and what it says of them.
#[track_caller]
fn logs(site: &Site, more: &[&str]) -> (Vec<String>, String) {
    let node = format!("node={}", site.name(1));
    let outputs = run(site, "logs", &[&["-i", &node][..], more].concat()).expect_code(0).json()["outputs"].take();
    let lines = outputs["lines"].as_array().unwrap_or_else(|| panic!("{outputs:#}"));
    let messages = lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    (messages, format!("{} {}", outputs["note"], outputs["why"]))
}

const BOOT: &str = "[bootstrap] Axiom ingest check: OK (HTTP 200)";

fn lines(site: &Site) {
    let has_boot = |lines: &[String]| lines.iter().any(|line| line == BOOT);
    site.until("the lines of the start are in Axiom", |site| has_boot(&logs(site, &["-i", "source=axiom"]).0));
    let (all, note) = logs(site, &[]);
    // The newest last, as in a log.
    assert!(all.last().unwrap().contains("monitor: healthz") && note == "null null", "{note}: {all:?}");
    let (some, _) = logs(site, &["-i", "contains=ingest CHECK"]);
    assert_eq!(some, [BOOT]);
    let (few, _) = logs(site, &["-i", "limit=2"]);
    assert_eq!(few.len(), 2);
    let (of_the_start, note) = logs(site, &["-i", "source=cloudwatch"]);
    assert!(has_boot(&of_the_start) && of_the_start.len() == 3 && note == "null null", "{note}: {of_the_start:?}");
    // Axiom knows nothing of it: CloudWatch may.
    let (nothing, note) = logs(site, &["-i", "contains=no such text"]);
    assert!(nothing.is_empty() && note.contains("Axiom has nothing of the node"), "{note}");

    site.fault(Fault::AxiomAway { cut: false });
    let (fallen_back, note) = logs(site, &[]);
    assert!(has_boot(&fallen_back) && note.contains("from CloudWatch") && note.contains("did not answer"), "{note}");
    let node = format!("node={}", site.name(1));
    let none = run(site, "logs", &["-i", &node, "-i", "source=axiom"]).expect_code(3);
    says(&none.stdout, &["nobody answered; Axiom: "]);
    site.fault(Fault::LogGroupGone);
    let (nothing, note) = logs(site, &[]);
    assert!(nothing.is_empty() && note.contains("no log group"), "{note}");
    site.fault(Fault::Clear);
}

/// Every line once, in order, tick after tick.
fn follows(site: &Site) {
    let node = format!("node={}", site.name(2));
    let arguments = ["run", "logs", "--every", "1s", "-i", "cluster=nats-staging", "-i", &node, "-i", "source=axiom"];
    // Ended when it tells nothing.
    let all = [&["60", SHIPPED][..], &arguments].concat();
    let mut command = site.user.program(Path::new("timeout"), &all);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (mut times, mut ticks): (Vec<String>, usize) = (Vec::new(), 0);
    for tick in BufReader::new(child.stdout.take().unwrap()).lines() {
        let tick: Value = serde_json::from_str(&tick.unwrap()).unwrap();
        assert!(tick.get("next").is_none(), "{tick}");
        let lines = tick["lines"].as_array().unwrap();
        times.extend(lines.iter().map(|line| line["_time"].as_str().unwrap().to_owned()));
        ticks += usize::from(!lines.is_empty());
        if ticks == 4 {
            break;
        }
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(ticks, 4, "{times:?}");
    let in_order: BTreeSet<&String> = times.iter().collect();
    assert_eq!(in_order.into_iter().collect::<Vec<_>>(), times.iter().collect::<Vec<_>>(), "once, in order");
}

fn starts(site: &Site) {
    let said = |done: &Done| -> Vec<String> {
        let report = done.json();
        let nodes = report["outputs"]["nodes"].as_array().unwrap_or_else(|| panic!("{report:#}")).clone();
        nodes.iter().map(|node| format!("{} {}", node["node"], node["says"])).collect()
    };
    let well = run(site, "bootstrap-check", &[]).expect_code(0);
    let expect: Vec<String> = (1..=3).map(|n| format!("\"{}\" \"ok\"", site.name(n))).collect();
    assert_eq!(said(&well), expect);
    let lines = &well.json()["outputs"]["lines"];
    assert!(lines.as_array().unwrap().iter().all(|node| node["rows"][0].to_string().contains(BOOT)), "{lines:#}");
    // Nobody reads a table without what it is for.
    let shown = site.user.run(&["run", "bootstrap-check", "-i", "cluster=nats-staging"]).expect_code(0).stdout;
    says(&shown, &[&site.name(1), "ok"]);

    // Lines of an earlier start count for nothing.
    site.fault(Fault::OldBootLines { node: site.name(2) });
    let old = run(site, "bootstrap-check", &[]).expect_code(3);
    says(&old.stdout, &[&format!("each[{}]/said", site.name(2)), "no line of"]);
    site.fault(Fault::Clear);
    // The query alone does not answer: the line is judged all the same, and it is said.
    site.fault(Fault::AwsError {
        operation: "StartQuery".into(),
        times: 99,
        code: "LimitExceededException".into(),
        status: 400,
    });
    let without = run(site, "bootstrap-check", &[]).expect_code(0);
    let notes = without.json()["outputs"]["notes"].to_string();
    assert!(notes.contains("the Insights query did not answer"), "{notes}");
    site.fault(Fault::Clear);
    // Without an instance nothing was started well.
    site.fault(Fault::EmptyGroup { node: site.name(3), message: "no capacity".into() });
    site.until("the group is empty", |site| !site.ask(site.lab.instances()).contains_key(&site.name(3)));
    let empty = run(site, "bootstrap-check", &["-i", "insights=false"]).expect_code(3);
    says(&empty.stdout, &["a start did not go well"]);
    site.fault(Fault::Clear);
    site.ask(site.lab.wait_healthy(PATIENCE));
    site.fault(Fault::LogGroupGone);
    let gone = run(site, "bootstrap-check", &[]).expect_code(3);
    says(&gone.stdout, &["found no /aws/ec2"]);
    site.fault(Fault::Clear);
}

/// Collectors beside each server, ended when there are enough events.
fn collect(site: &Site) {
    let start = |n: u8| {
        let given = [
            "cluster=nats-staging".to_owned(),
            format!("node={}", site.name(n)),
            "disk=/".into(),
            "axiom=true".into(),
            format!("spool={}", site.user.home().join(format!("spool-{n}")).display()),
        ];
        let inputs = given.iter().flat_map(|input| ["-i", input.as_str()]);
        let arguments: Vec<&str> = ["run", "collect-metrics", "--every", "1s"].into_iter().chain(inputs).collect();
        site.user.start(&arguments)
    };
    let running: Vec<Running> = (1..=3).map(start).collect();
    site.until("there are metrics of every node", |site| {
        let report = run(site, "alerts", &[]).json();
        let nodes = report["outputs"]["nodes"].as_array().cloned().unwrap_or_default();
        nodes.len() == 3 && nodes.iter().all(|node| node["samples"].as_u64() > Some(3))
    });
    for collector in running {
        kill(Pid::from_raw(i32::try_from(collector.pid()).unwrap()), Signal::SIGTERM).unwrap();
        collector.end_within(Duration::from_secs(30)).expect_code(0);
    }
}

/// A table of these rows.
fn table(site: &Site, rows: &[Value]) -> String {
    let text = json!({ "thresholds": rows }).to_string();
    format!("thresholds={}", site.user.file("rows.yaml", &text).display())
}

fn row(id: &str, field: &str, op: &str, value: u64) -> Value {
    json!({ "id": id, "field": field, "op": op, "value": value })
}

fn alerts(site: &Site) {
    collect(site);
    let judged = |rows: &[Value], fresh: &str, code: i32| -> Value {
        let (rows, fresh) = (table(site, rows), format!("fresh={fresh}"));
        run(site, "alerts", &["-i", &rows, "-i", &fresh]).expect_code(code).json()
    };
    let step = |report: &Value| -> Value {
        report["steps"].as_array().unwrap().iter().find(|step| step["key"] == "alerts").unwrap()["output"].clone()
    };
    let over = |report: &Value| -> Vec<String> {
        let findings = step(report)["findings"].as_array().unwrap_or_else(|| panic!("{report:#}")).clone();
        findings.iter().map(|one| format!("{} {}", one["code"], one["severity"])).collect()
    };
    judged(&[row("disk", "system.disk_used_percent", "above", 100)], "10m", 0);
    let report = judged(&[row("disk", "system.disk_used_percent", "at_least", 0)], "10m", 3);
    assert_eq!(over(&report), ["\"disk\" \"warning\""; 3], "{report:#}");
    // Nobody has looked for so long.
    let long = json!({ "id": "cpu", "field": "system.cpu_percent", "op": "above", "value": 1, "sustained": "1h" });
    let report = judged(&[long], "10m", 3);
    assert_eq!(over(&report), ["\"cpu\" \"unknown\""], "{report:#}");
    // Old news is no news.
    site.until("the samples are older than a second", |site| {
        let rows = table(site, &[row("disk", "system.disk_used_percent", "at_least", 0)]);
        let report = run(site, "alerts", &["-i", &rows, "-i", "fresh=1s"]).expect_code(3).json();
        over(&report) == ["\"silent\" \"unknown\""; 3]
    });
    site.fault(Fault::Axiom429);
    run(site, "alerts", &[]).expect_code(1);
    site.fault(Fault::Clear);
}

fn monitors(site: &Site) {
    let sync = |rows: &[Value]| -> Vec<String> {
        let rows = table(site, rows);
        let report = run(site, "sync-alerts", &["-i", &rows]).expect_code(0).json();
        let monitors = report["outputs"]["monitors"].as_array().unwrap().clone();
        let told = monitors.iter().map(|one| (one["name"].as_str().unwrap(), one["change"].as_str().unwrap()));
        told.filter(|(name, _)| !name.contains("silent-")).map(|(name, change)| format!("{name}: {change}")).collect()
    };
    let (cpu, disk) =
        (row("cpu", "system.cpu_percent", "at_least", 80), row("disk", "system.disk_used_percent", "above", 80));
    let named = |of: &str, change: &str| format!("sluice nats-staging: {of}: {change}");
    assert_eq!(sync(&[cpu.clone(), disk.clone()]), [named("cpu", "create"), named("disk", "create")]);
    assert_eq!(sync(&[cpu.clone(), disk]), [named("cpu", "same"), named("disk", "same")]);
    let other = row("disk", "system.disk_used_percent", "above", 90);
    assert_eq!(sync(&[cpu, other.clone()]), [named("cpu", "same"), named("disk", "update")]);
    let rows = table(site, std::slice::from_ref(&other));
    let plan = site.user.run(&["plan", "sync-alerts", "-i", "cluster=nats-staging", "-i", &rows]).expect_code(0).stdout;
    says(&plan, &["\"change\":\"delete\"", "it is not wanted any more"]);
    assert_eq!(sync(&[other]), [named("disk", "same"), named("cpu", "delete")]);
}
