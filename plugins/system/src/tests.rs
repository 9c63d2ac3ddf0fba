//! The action through the contract, as the engine calls it, over nodes made of files.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use sluice_plugin::{Effect, NativePlugin, Plugin, Problem};

use crate::plugin;
use crate::testing::{FakeHost, Node, STAT, STAT_LATER, call, write};

const CPU: [&str; 3] = ["cpu_percent", "iowait_percent", "steal_percent"];
const MEMORY: [&str; 4] = ["mem_used_percent", "mem_total_bytes", "mem_used_bytes", "mem_available_bytes"];
const DISK: [&str; 4] = ["disk_used_percent", "disk_total_bytes", "disk_used_bytes", "disk_available_bytes"];
const LOAD: [&str; 3] = ["load_1", "load_5", "load_15"];

fn valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::draft202012::new(schema).unwrap().is_valid(instance)
}

async fn run(plugin: &NativePlugin, host: &FakeHost, with: Value) -> Result<Value, Problem> {
    let outcome = plugin.run("metrics", host, &call(with)).await?;
    let (output, schema) = (outcome.output, &plugin.action("metrics").unwrap().output);
    assert!(valid(schema, &output), "{output}");
    assert!(!output["errors"].to_string().contains("200"), "{output}");
    for (name, figure) in output["system"].as_object().unwrap() {
        let fits = match name.as_str() {
            "disk_mounted" => figure.is_boolean(),
            name if name.ends_with("_bytes") => figure.is_u64(),
            // A store of logs keeps the first type it sees of a field.
            _ => figure.is_f64(),
        };
        assert!(fits, "{name}: {figure}");
    }
    Ok(output)
}

/// Of a node that has been sampled before.
async fn second(node: &Node, break_it: impl FnOnce()) -> Value {
    let (plugin, host) = (plugin(), FakeHost::new());
    run(&plugin, &host, node.with(json!({ "settle": "0s" }))).await.unwrap();
    host.later(Duration::from_secs(30));
    node.write("proc/stat", STAT_LATER);
    break_it();
    run(&plugin, &host, node.with(json!({}))).await.unwrap()
}

fn names(output: &Value) -> Vec<&str> {
    output["system"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn errors(output: &Value) -> Vec<&str> {
    output["errors"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

#[test]
fn every_description_holds() {
    let plugin = plugin();
    for spec in &plugin.describe().actions {
        assert_eq!((spec.effect, spec.gate), (Effect::Read, None));
        for example in &spec.examples {
            assert!(valid(&spec.input, &example.with), "{}: with", spec.name);
            assert!(valid(&spec.output, &example.output), "{}: output", spec.name);
            assert_eq!(plugin.check(spec.name.operation(), &example.with), []);
        }
        assert!(valid(&spec.input, &json!({})), "all has a default");
        assert!(!valid(&spec.input, &json!({ "unknown": 1 })), "{} takes unknown fields", spec.name);
    }
    // Absent is not null: an expression and a store of logs are told so.
    let system = &plugin.action("metrics").unwrap().output["properties"]["system"];
    assert_eq!(system.get("required"), None, "{system}");
    for name in CPU.iter().chain(&MEMORY).chain(&DISK).chain(&LOAD).chain(&["disk_mounted"]) {
        assert!(system["properties"][name]["type"].is_string(), "{name}: {system}");
    }
}

#[tokio::test]
async fn the_first_look_takes_two_samples() {
    let node = Node::new();
    let stat = node.path("proc/stat");
    let host = FakeHost::meanwhile(move || write(&stat, STAT_LATER));
    let mut seen = run(&plugin(), &host, node.with(json!({}))).await.unwrap();
    assert_eq!(*host.slept.lock().unwrap(), [Duration::from_secs(1)]);
    let system = seen["system"].as_object_mut().unwrap();
    // Those of the real file system on which the test stands.
    for name in DISK {
        assert!(system.remove(name).is_some(), "{name}");
    }
    let expect = json!({
        "time": "2026-11-22T17:54:47.927Z",
        "instance": "i-0123456789abcdef0",
        "interval_s": 1.0,
        "system": {
            "cpu_percent": 3.17, "iowait_percent": 0.4, "steal_percent": 0.0,
            "mem_used_percent": 41.7, "mem_total_bytes": 3_976_749_056_u64,
            "mem_used_bytes": 1_658_306_560_u64, "mem_available_bytes": 2_318_442_496_u64,
            "disk_mounted": true,
            "load_1": 0.2, "load_5": 0.18, "load_15": 0.12,
        },
        "errors": [],
    });
    assert_eq!(seen, expect);
}

#[tokio::test]
async fn later_looks_go_back_to_the_one_before() {
    let (node, plugin, host) = (Node::new(), plugin(), FakeHost::new());
    let first = run(&plugin, &host, node.with(json!({ "settle": "0s" }))).await.unwrap();
    assert!(CPU.iter().all(|name| !names(&first).contains(name)), "{first}");
    assert_eq!((&first["interval_s"], &first["errors"]), (&Value::Null, &json!([])));
    host.later(Duration::from_millis(30_003));
    node.write("proc/stat", STAT_LATER);
    let next = run(&plugin, &host, node.with(json!({}))).await.unwrap();
    assert_eq!((&next["system"]["cpu_percent"], &next["interval_s"]), (&json!(3.17), &json!(30.003)));
    // The clock was set back; that is nothing to the ticks.
    *host.now.lock().unwrap() = sluice_plugin::Timestamp(0);
    node.write("proc/stat", "cpu  1060 50 530 11993 112 5 25 110\n");
    let next = run(&plugin, &host, node.with(json!({}))).await.unwrap();
    assert_eq!((&next["system"]["cpu_percent"], &next["interval_s"]), (&json!(50.0), &Value::Null));
    assert_eq!(next["time"], "1970-01-01T00:00:00.000Z");
    assert_eq!(*host.slept.lock().unwrap(), [], "there was one to go back to");
    // Another root is another machine.
    let other = Node::new();
    let stat = other.path("proc/stat");
    let host = FakeHost::meanwhile(move || write(&stat, STAT_LATER));
    let seen = run(&plugin, &host, other.with(json!({ "settle": "250ms" }))).await.unwrap();
    assert_eq!((&seen["system"]["cpu_percent"], &seen["interval_s"]), (&json!(3.17), &json!(0.25)));
}

#[tokio::test]
async fn counters_that_begin_anew_leave_one_look_without_percentages() {
    let (node, plugin, host) = (Node::new(), plugin(), FakeHost::new());
    let look = async |stat: &str| {
        host.later(Duration::from_secs(30));
        node.write("proc/stat", stat);
        let seen = run(&plugin, &host, node.with(json!({ "settle": "0s" }))).await.unwrap();
        (seen["system"].get("cpu_percent").cloned(), seen["interval_s"].as_f64(), errors(&seen).join("; "))
    };
    let stat = |text: &str| format!("cpu: {}: {text}", node.path("proc/stat").display());
    assert_eq!(look(STAT).await, (None, None, String::new()));
    let back = stat("the counters went back: no percentages until the next sample");
    assert_eq!(look("cpu  0 0 0 100 0 0 0 0\n").await, (None, None, back));
    assert_eq!(look("cpu  30 0 0 170 0 0 0 0\n").await, (Some(json!(30.0)), Some(30.0), String::new()));
    let nothing = stat("no tick has been counted since the sample before");
    assert_eq!(look("cpu  30 0 0 170 0 0 0 0\n").await, (None, None, nothing));
    // What cannot be read once leaves the sample before as it was.
    assert_eq!(look("").await, (None, None, stat("no line begins with `cpu `")));
    assert_eq!(look("cpu  40 0 0 180 0 0 0 0\n").await, (Some(json!(50.0)), Some(60.0), String::new()));
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_left_out_and_named() {
    let check = async |file: &str, text: Option<&str>, missing: &[&str], said: &str| {
        let node = Node::new();
        let seen = second(&node, || match text {
            Some(text) => node.write(file, text),
            None => node.remove(file),
        })
        .await;
        let all = CPU.iter().chain(&MEMORY).chain(&DISK).chain(&LOAD).chain(&["disk_mounted"]);
        let gone: Vec<&str> = all.filter(|name| !names(&seen).contains(name)).copied().collect();
        assert_eq!(gone, missing, "{file} {text:?}");
        let expect = said.replace("FILE", &node.path(file).display().to_string());
        assert_eq!(errors(&seen), [expect], "{file} {text:?}");
    };
    let no_file = "No such file or directory (os error 2)";
    check("proc/stat", None, &CPU, &format!("cpu: FILE: {no_file}")).await;
    check("proc/stat", Some(""), &CPU, "cpu: FILE: no line begins with `cpu `").await;
    check("proc/stat", Some("cpu  1 2"), &CPU, "cpu: FILE: the line `cpu` is cut off").await;
    check("proc/stat", Some("\u{1}\u{2}cpu"), &CPU, "cpu: FILE: no line begins with `cpu `").await;
    check("proc/meminfo", None, &MEMORY, &format!("memory: FILE: {no_file}")).await;
    check("proc/meminfo", Some("MemTotal: 9 kB\n"), &MEMORY, "memory: FILE: no MemAvailable and no MemFree").await;
    check("proc/meminfo", Some(""), &MEMORY, "memory: FILE: no MemTotal").await;
    check("proc/loadavg", None, &LOAD, &format!("load: FILE: {no_file}")).await;
    check("proc/loadavg", Some("0.1 0.2\n"), &LOAD, "load: FILE: it does not begin with three numbers").await;
    check("proc/self/mountinfo", None, &["disk_mounted"], &format!("mounts: FILE: {no_file}")).await;
    check("proc/self/mountinfo", Some("x\n"), &["disk_mounted"], "mounts: FILE: no line names a mount").await;
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_flagged() {
    let node = Node::new();
    let seen = second(&node, || node.write("proc/self/mountinfo", "27 1 259:1 / / rw - ext4 x rw\n")).await;
    assert_eq!(seen["system"]["disk_mounted"], false);
    assert!(DISK.iter().all(|name| names(&seen).contains(name)), "{seen}");
    let said = format!(
        "disk: {}: it is not a mount point: the NVMe is not mounted, and the figures are those of the file system around it",
        node.path("disk").display()
    );
    assert_eq!(errors(&seen), [said]);
    let node = Node::new();
    let seen = second(&node, || fs::remove_dir(node.path("disk")).unwrap()).await;
    assert_eq!(seen["system"]["disk_mounted"], false);
    assert!(DISK.iter().all(|name| !names(&seen).contains(name)), "{seen}");
}

#[tokio::test]
async fn a_machine_of_which_nothing_can_be_read_gives_an_answer() {
    let (plugin, host) = (plugin(), FakeHost::new());
    // An alarm looks for that text.
    let with = json!({ "proc_root": "/no/200", "disk_path": "/no/disk200", "identity_root": "/no/root" });
    let seen = run(&plugin, &host, with).await.unwrap();
    assert_eq!(names(&seen), ["disk_mounted"]);
    let parts: Vec<&str> = errors(&seen).iter().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(parts, ["cpu", "memory", "load", "disk"]);
    assert_eq!(seen["instance"], Value::Null);
    assert_eq!(*host.slept.lock().unwrap(), [], "there is nothing to wait for");
}

#[tokio::test]
async fn the_instance_is_what_is_given_or_what_is_found() {
    let check = async |node: &Node, given: Value, expect: Value| {
        let with = node.with(json!({ "settle": "0s", "instance": given }));
        assert_eq!(run(&plugin(), &FakeHost::new(), with).await.unwrap()["instance"], expect);
    };
    let node = Node::new();
    check(&node, json!("i-given"), json!("i-given")).await;
    check(&node, json!(""), json!("i-0123456789abcdef0")).await;
    node.write("root/var/lib/cloud/data/instance-id", "i-0fedcba9876543210\n");
    node.write("root/sys/devices/virtual/dmi/id/board_asset_tag", "Not Specified\n");
    check(&node, Value::Null, json!("i-0fedcba9876543210")).await;
    node.remove("root/var/lib/cloud/data/instance-id");
    check(&node, Value::Null, Value::Null).await;
}

#[tokio::test]
async fn only_what_makes_no_sense_is_an_error() {
    let check = async |with: Value, expect: &str| {
        let plugin = plugin();
        let found = run(&plugin, &FakeHost::new(), with.clone()).await.unwrap_err();
        assert_eq!((found.code.as_str(), found.path.as_deref()), ("bad_input", Some(expect)));
        let problems = plugin.check("metrics", &with);
        assert_eq!(problems.iter().filter_map(|problem| problem.path.as_deref()).collect::<Vec<_>>(), [expect]);
        assert!(plugin.by_hand("metrics", &call(with)).is_empty());
    };
    check(json!({ "settle": "soon" }), "/settle").await;
    check(json!({ "proc_root": "proc" }), "/proc_root").await;
    check(json!({ "disk_path": "" }), "/disk_path").await;
    check(json!({ "identity_root": "../x" }), "/identity_root").await;
    let later = json!({ "disk_path": "{{ inputs.disk }}", "settle": "{{ inputs.settle }}" });
    assert_eq!(plugin().check("metrics", &later), []);
    // A name that no file can have is a part that cannot be read.
    let seen = run(&plugin(), &FakeHost::new(), json!({ "disk_path": "/a\u{0}b", "proc_root": "/a\u{0}b" })).await;
    assert_eq!(names(&seen.unwrap()), Vec::<&str>::new());
}

/// A file that answers nobody until this is dropped, also by a test that fails.
struct Silent(PathBuf);

impl Silent {
    fn at(node: &Node, name: &str) -> Self {
        node.remove(name);
        nix::unistd::mkfifo(&node.path(name), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        Self(node.path(name))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Whoever waits there sees somebody come, who has nothing to say and leaves.
        OpenOptions::new().read(true).write(true).open(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_hangs_hides_nothing_else() {
    let node = Node::new();
    let (plugin, host) = (plugin(), FakeHost::new());
    let silent = Silent::at(&node, "proc/self/mountinfo");
    let mut said = Vec::new();
    for stat in [STAT, STAT_LATER] {
        node.write("proc/stat", stat);
        let seen = run(&plugin, &host, node.with(json!({ "settle": "0s" }))).await.unwrap();
        assert!(LOAD.iter().chain(&MEMORY).all(|name| names(&seen).contains(name)), "{seen}");
        assert!(DISK.iter().all(|name| !names(&seen).contains(name)), "{seen}");
        said.extend(errors(&seen).into_iter().map(str::to_owned));
    }
    let disk = format!("disk: {}", node.path("disk").display());
    let hangs = [": no answer within 2 s: it hangs", ": an earlier look still hangs, and no other is begun"];
    assert_eq!(said, hangs.map(|why| format!("{disk}{why}")));
    // Once it answers, what it says holds again, and nobody else had been waiting.
    drop(silent);
    node.remove("proc/self/mountinfo");
    node.write("proc/self/mountinfo", "27 1 259:1 / / rw - ext4 x rw\n");
    // The one that hung needs a moment to be through.
    loop {
        let seen = run(&plugin, &host, node.with(json!({}))).await.unwrap();
        if !errors(&seen).iter().any(|error| error.contains("still hangs")) {
            assert_eq!(seen["system"]["disk_mounted"], false);
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_machine_that_hangs_hides_no_disk() {
    let node = Node::new();
    let (plugin, host) = (plugin(), FakeHost::new());
    let _silent = Silent::at(&node, "proc/stat");
    let seen = run(&plugin, &host, node.with(json!({}))).await.unwrap();
    assert!(DISK.iter().all(|name| names(&seen).contains(name)), "{seen}");
    let said = format!("machine: {}: an earlier look still hangs, and no other is begun", node.path("proc").display());
    assert_eq!(errors(&seen), [said]);
}

#[tokio::test]
async fn two_at_once_do_not_disturb_each_other() {
    let (node, plugin, host) = (Node::new(), plugin(), FakeHost::new());
    run(&plugin, &host, node.with(json!({ "settle": "0s" }))).await.unwrap();
    node.write("proc/stat", STAT_LATER);
    let look = || run(&plugin, &host, node.with(json!({})));
    let (one, other) = tokio::join!(look(), look());
    let (one, other) = (one.unwrap(), other.unwrap());
    // One of them comes first; to the other nothing has passed.
    let percentages: Vec<&Value> = [&one, &other].iter().filter_map(|seen| seen["system"].get("cpu_percent")).collect();
    assert_eq!(percentages, [&json!(3.17)]);
    assert_eq!(errors(&one).len() + errors(&other).len(), 1, "{one} {other}");
}

#[test]
fn a_person_looks_with_four_commands() {
    let lines = |with: Value| {
        let commands = plugin().by_hand("metrics", &call(with));
        assert!(commands.iter().all(|command| !command.look_for.is_empty()));
        commands.iter().map(sluice_plugin::ByHand::line).collect::<Vec<_>>()
    };
    assert_eq!(lines(json!({})), ["top -bn2 -d1", "free -b", "df -B1 -P /var/lib/nats", "cat /proc/loadavg"]);
    assert_eq!(
        lines(json!({ "disk_path": "/srv/it's here", "proc_root": "/host/proc" }))[2..],
        [r"df -B1 -P '/srv/it'\''s here'", "cat /host/proc/loadavg"]
    );
}
