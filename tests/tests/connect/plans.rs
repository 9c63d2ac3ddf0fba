//! Plans on a real cluster: they write nothing, leave nothing however they end, and say by which commands a person does
//! the same.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::send;
use super::world::{Mute, World, files};
use crate::common::sluice::{Done, Running};

const CLUSTER: [&str; 2] = ["-i", "cluster=nats-staging"];

/// Connect, and after its creds file a step that takes its time.
const LATE: &str = "
  - id: late
    gate: nats.whoami
    with:
      urls: \"MUTE\"
      creds: { jwt: \"{{ steps.params.secrets.jwt }}\", seed: \"{{ steps.params.secrets.seed }}\" }
    expect: [{ that: seen.accepted }]
session:";

#[tokio::test]
async fn a_plan_of_connect_leaves_nothing_and_is_done_by_hand() {
    let world = World::new().await;
    the_creds_file_is_left_to_the_run(&world);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGKILL] {
        told_to_end(&world, signal);
    }
    connect_by_hand(&world);
    health_by_hand(&world);
    saved_and_compared(&world);
}

fn plan(world: &World, arguments: &[&str]) -> Done {
    let done = world.sluice.run(&[&["plan"], arguments].concat());
    world.clean(&done);
    done
}

fn the_creds_file_is_left_to_the_run(world: &World) {
    let done = plan(world, &[&["connect", "--json"], &CLUSTER[..]].concat()).expect_code(0);
    let document = done.json();
    let what = |key: &str| {
        let steps = document["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["key"] == key).unwrap();
        step["what"]["is"].as_str().unwrap().to_owned()
    };
    let all = ["params", "address", "who", "streams", "context"].map(what);
    assert_eq!(all, ["read", "read", "sample", "read", "made_in_the_run"]);
    assert_eq!(document["counts"]["unknown"], 1);
    let shown = plan(world, &[&["connect"], &CLUSTER[..]].concat()).expect_code(0).stdout;
    let first = shown.lines().next().unwrap();
    assert!(first.starts_with("plan of connect: runbook built in, inventory /"), "{shown}");
    assert!(shown.contains("sluice.yaml (trusted)") && shown.contains("made in the run"), "{shown}");
}

/// It waits for a server behind the step that would have written the creds file.
fn told_to_end(world: &World, signal: Signal) {
    let mute = Mute::listen();
    let connect = include_str!("../../../runbooks/connect.yaml");
    let late = connect.replacen("\nsession:", &LATE.replace("MUTE", &mute.address.to_string()), 1);
    let path = world.sluice.file("late.yaml", &late).display().to_string();
    let running: Running = world.sluice.start(&[&["plan", &path], &CLUSTER[..]].concat());
    let _connection = mute.wait();
    world.nothing_left();
    send(&running, signal);
    let done = running.end();
    if signal == Signal::SIGKILL {
        assert_eq!(done.signal, Some(signal as i32));
    } else {
        assert!(done.stderr.contains("nothing was changed"), "{}", done.said());
        assert_eq!((done.code, done.stdout.as_str()), (Some(130), ""), "{}", done.said());
    }
    world.clean(&done);
}

/// Types the commands into a shell in a folder of its own.
fn typed(world: &World, before: &str, commands: &str) -> (String, std::path::PathBuf) {
    let folder = world.sluice.home().join("hands");
    std::fs::create_dir_all(&folder).unwrap();
    let script = format!("set -e\nexport TMPDIR={}\n{before}\n{commands}", folder.display());
    let mut command: Command = world.sluice.program(Path::new("/bin/bash"), &["-c", &script]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), folder)
}

/// With an `aws` and a `nats` that tell what they were given.
fn connect_by_hand(world: &World) {
    let commands = plan(world, &[&["connect", "--by-hand"], &CLUSTER[..]].concat()).expect_code(0).stdout;
    let aws = "aws() { case \"$*\" in *jwt*) echo the-jwt;; *seed*) echo the-seed;; *) echo \"aws $*\";; esac; }";
    let nats = "nats() { echo \"nats $*\"; cp -p \"$4\" made.creds; }";
    let (said, folder) = typed(world, &format!("{aws}\n{nats}"), &commands);
    for part in ["--region us-east-2 sts get-caller-identity", " account info", " stream info pivot_main", " rtt"] {
        assert!(said.lines().any(|line| line.contains(part)), "{part}: {said}\n{commands}");
    }
    assert!(!said.contains("the-jwt") && !said.contains("the-seed"), "{said}");
    let made = world.sluice.home().join("made.creds");
    let text = std::fs::read_to_string(&made).unwrap();
    assert_eq!((text.lines().nth(1), text.lines().nth(5)), (Some("the-jwt"), Some("the-seed")), "{text}");
    assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files(&folder).len(), 1, "one creds file is made, however many steps use it: {commands}");
    std::fs::remove_file(made).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

/// With the real curl, on the real nodes.
fn health_by_hand(world: &World) {
    let commands = plan(world, &[&["health-check", "--by-hand"], &CLUSTER[..]].concat()).expect_code(0).stdout;
    let (said, folder) = typed(world, "", &commands);
    assert_eq!(said.matches("{\"status\":\"ok\"}").count(), 3, "{commands}\n{said}");
    for part in ["\"slow_consumers\"", "\"pivot_main\"", "\"meta_cluster\"", "\"num_connections\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// What was seen differs from one look to the next; the plan is the same.
fn saved_and_compared(world: &World) {
    let saved = world.sluice.home().join("saved.plan").display().to_string();
    let health = [&["health-check"], &CLUSTER[..]].concat();
    plan(world, &[&health[..], &["--save", &saved]].concat()).expect_code(0);
    let again = plan(world, &[&health[..], &["--against", &saved]].concat()).expect_code(0);
    assert!(again.stdout.starts_with("same "), "{}", again.said());
    let strict = [&health[..], &["-i", "strict=true", "--against", &saved, "--json"]].concat();
    let other = plan(world, &strict).expect_code(1).json();
    let made_from = &other["against"]["made_from"][0];
    assert_eq!((&made_from["at"], &made_from["is"]), (&"/inputs/strict".into(), &Value::Bool(true)));
    let shown = plan(world, &["--show", &saved]).expect_code(0).stdout;
    assert!(shown.contains("health") && shown.contains("digest "), "{shown}");
    std::fs::remove_file(saved).unwrap();
}
