//! What operators look at on nodes, and what they run there, through Systems Manager of the lab, which really runs it: in good
//! times, and where a machine is not known, does not answer or is not the one that has the name now.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use sluice_lab::{Fault, Options};

use crate::common::person::Person;
use crate::replace::site::{PATIENCE, Site, says, side_by_side};

#[test]
fn nodes_are_looked_at_from_inside() {
    side_by_side(&[("a fixed list of commands", inspected), ("a command and a shell of one's own", one_s_own)], &[]);
}

/// `sluice run RUNBOOK -i cluster=nats-staging` with more, as a document.
fn run(site: &Site, runbook: &str, more: &[&str], code: i32) -> Value {
    let arguments = [&["run", runbook, "-i", "cluster=nats-staging", "--json"][..], more].concat();
    site.user.run(&arguments).expect_code(code).json()
}

/// The instance that the node had until now.
fn replaced(site: &Site, n: u8) -> String {
    let before = instance(site, n);
    site.fault(Fault::Replace { node: site.name(n), new_name: false, boot_delay: None });
    site.until("another instance is there", |site| {
        site.ask(site.lab.instances()).get(&site.name(n)).is_some_and(|now| *now != before)
    });
    site.ask(site.lab.wait_healthy(PATIENCE));
    before
}

fn on(site: &Site, n: u8) -> String {
    format!("node={}", site.name(n))
}

fn instance(site: &Site, n: u8) -> String {
    site.ask(site.lab.instances())[&site.name(n)].clone()
}

/// What was seen on a node.
#[track_caller]
fn seen<'a>(report: &'a Value, node: &str) -> &'a Value {
    let nodes = report["outputs"]["nodes"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    nodes.iter().find(|seen| seen["node"] == node).unwrap_or_else(|| panic!("{node}: {report:#}"))
}

fn section<'a>(seen: &'a Value, name: &str) -> Option<&'a Value> {
    seen["sections"].as_array().unwrap().iter().find(|section| section["name"] == name)
}

fn inspected() {
    let site = &Site::new(Options::default());
    let report = run(site, "node-inspect", &[], 0);
    for n in 1..=3 {
        let seen = seen(&report, &site.name(n));
        assert_eq!(seen["instance"], instance(site, n), "{seen:#}");
        let nats = &seen["services"][0];
        assert_eq!((&nats["unit"], &nats["active"]), (&json!("nats"), &json!("active")), "{seen:#}");
        assert_eq!(seen["disk"]["mounted"], true, "{seen:#}");
        let boot = section(seen, "bootstrap").unwrap()["text"].as_str().unwrap();
        assert!(boot.contains("Axiom ingest check"), "{boot}");
        assert!(section(seen, "logs/nats").unwrap()["text"].as_str().unwrap().contains("Route connection"), "{seen:#}");
        // The only node with the context.
        assert_eq!(section(seen, "streams").is_some(), n == 1, "{seen:#}");
    }
    let streams = section(seen(&report, &site.name(1)), "streams").unwrap()["text"].as_str().unwrap();
    assert!(streams.contains("pivot_main"), "{streams}");

    // A section alone is given whole, as far as AWS keeps it, and a person reads it.
    let one = ["run", "node-inspect", "-i", "cluster=nats-staging", "-i", "sections=[\"services\"]"];
    let shown = site.user.run(&one).expect_code(0).stdout;
    says(&shown, &[&format!("{} ({})", site.name(2), instance(site, 2)), "services\n│ ", "Id=nats.service"]);

    // One that was there before has the same name, and is not asked.
    let before = replaced(site, 2);
    let report = run(site, "node-inspect", &["-i", &format!("nodes={}", site.name(2))], 0);
    let now = &seen(&report, &site.name(2))["instance"];
    assert!(*now != before && *now == instance(site, 2), "{before}: {report:#}");

    // The disk is not there: that is said, and the others are looked at all the same as one that nobody can reach.
    site.fault(Fault::SsmUnregistered { node: site.name(3) });
    let report = run(site, "node-inspect", &[], 3);
    assert_eq!(seen(&report, &site.name(1))["status"], "Success");
    let third = format!("each[{}]/inside", site.name(3));
    assert!(problem(&report, &third).contains("Systems Manager"), "{report:#}");
    site.fault(Fault::Clear);
    site.fault(Fault::SsmLost { node: site.name(3), after: Some(1.0) });
    let report = run(site, "node-inspect", &["-i", &format!("nodes={}", site.name(3))], 3);
    assert!(!problem(&report, &third).is_empty(), "{report:#}");
    site.fault(Fault::Clear);
}

/// What is said of a step that failed, wherever in the report it stands.
fn problem(report: &Value, key: &str) -> String {
    fn find<'a>(steps: &'a Value, key: &str) -> Option<&'a Value> {
        let steps = steps.as_array()?;
        steps.iter().find(|step| step["key"] == key).or_else(|| steps.iter().find_map(|step| find(&step["steps"], key)))
    }
    let step = find(&report["steps"], key).unwrap_or_else(|| panic!("no step {key}: {report:#}"));
    step["problem"]["message"].as_str().unwrap_or_default().to_owned()
}

fn sent(site: &Site) -> usize {
    site.ask(site.lab.calls_of("SendCommand")).len()
}

fn one_s_own() {
    let site = Site::new(Options::default());
    commands(&site);
    shell(&site);
}

/// `sluice run node-run` at a terminal.
fn command(site: &Site, n: u8, more: &[&str]) -> Person {
    let node = on(site, n);
    let arguments = [&["run", "node-run", "-i", "cluster=nats-staging", "-i", &node][..], more].concat();
    Person::starts(&site.user, &arguments)
}

fn commands(site: &Site) {
    // What it prints, and how it ends, whatever that is.
    let long = "echo hello; echo wrong >&2; head -c 30000 /dev/zero | tr '\\0' x; exit 3";
    let mut person = command(site, 2, &["-i", &format!("command={long}")]);
    site.sees_question(&mut person, 2);
    says(&person.shown(), &[long, &instance(site, 2), "runs as: root"]);
    assert_eq!(sent(site), 0);
    person.types(&format!("{}\n", site.name(2)));
    person.end().expect_code(0);
    let outputs = site.last()["outputs"].clone();
    assert_eq!((&outputs["exit"], &outputs["ended"]), (&json!(3), &json!("exited")), "{outputs:#}");
    let stdout = outputs["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("hello\nxxx") && stdout.len() <= 24_000 && stdout.len() > 23_000, "{}", stdout.len());
    // As the agent ends it.
    assert_eq!(outputs["stderr"], "wrong\nfailed to run commands: exit status 3");
    assert_eq!(sent(site), 1);

    // It is killed when its time is over, and that is told.
    let mut person = command(site, 2, &["-i", "command=sleep 60", "-i", "timeout=5s"]);
    site.sees_question(&mut person, 2);
    person.types(&format!("{}\n", site.name(2)));
    person.end().expect_code(0);
    let outputs = site.last()["outputs"].clone();
    assert_eq!((&outputs["exit"], &outputs["ended"]), (&json!(null), &json!("timed_out")), "{outputs:#}");
    assert_eq!(sent(site), 2);

    // A machine that is not known is told before anybody is asked.
    site.fault(Fault::SsmUnregistered { node: site.name(2) });
    command(site, 2, &["-i", "command=true"]).end().expect_code(1);
    site.fault(Fault::Clear);
    assert_eq!(sent(site), 2);

    // Without the others there is no quorum: refused; whoever knows better says why, and is asked all the same.
    site.fault(Fault::Kill { node: site.name(3) });
    let stopped = command(site, 1, &["-i", "command=echo mended"]).end().expect_code(3);
    says(&stopped.stdout, &["stopped by gate quorum"]);
    assert_eq!(sent(site), 2);
    let run = site.last_run();
    let mut person =
        Person::starts(&site.user, &["override", &run, "quorum", "--reason", "the quorum is lost, and this mends it"]);
    person.sees("quorum").sees("\n> ").types("quorum\n");
    site.sees_question(&mut person, 1);
    person.types(&format!("{}\n", site.name(1)));
    person.end().expect_code(0);
    assert_eq!(site.last()["outputs"]["stdout"], "mended\n");
    assert_eq!(sent(site), 3);
    site.fault(Fault::Clear);
    site.ask(site.lab.wait_healthy(PATIENCE));
}

/// Up to the command that is run: what it would open only AWS has.
fn shell(site: &Site) {
    let aws = said_by_aws(site);
    let path = format!("{}:{}", aws.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let node = on(site, 2);
    let open = || {
        let mut command = site.user.command(&["run", "node-session", "-i", "cluster=nats-staging", "-i", &node]);
        command.env("PATH", &path);
        crate::common::sluice::Running::new(command).end().expect_code(0)
    };
    let says_aws = |instance: &str| format!("aws: ssm start-session --region us-east-2 --target {instance}");
    let before = instance(site, 2);
    let shown = open();
    says(&shown.said(), &[&says_aws(&before)]);
    replaced(site, 2);
    let shown = open();
    says(&shown.said(), &[&says_aws(&instance(site, 2))]);
    assert!(!shown.said().contains(&before), "{}", shown.said());
}

/// A program `aws` that says what it was asked.
fn said_by_aws(site: &Site) -> PathBuf {
    let path = site.user.file("bin/aws", "#!/bin/sh\necho \"aws: $*\"\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
