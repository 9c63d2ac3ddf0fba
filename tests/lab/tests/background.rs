//! `cargo lab up` and `down` as a person uses them, also after the daemon was shot.

use std::process::{Command, Output};

use nix::sys::signal::Signal;
use sluice_lab::{Proc, is_free, running};

fn lab(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-lab"));
    command.args(arguments).env_remove("SLUICE_LAB").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn up_env_exec_and_a_shot_daemon() {
    let name = format!("cli-{}", std::process::id());
    let up = lab(&["up", "--name", &name, "--with-system-creds"]);
    assert!(up.status.success(), "{}", text(&up.stderr));
    let twice = lab(&["up", "--name", &name]);
    assert!(!twice.status.success() && text(&twice.stderr).contains("is up already"), "{}", text(&twice.stderr));

    let env = text(&lab(&["env", "--name", &name]).stdout);
    assert!(env.contains("export AWS_ENDPOINT_URL='http://127.77.") && env.contains("sluice.yaml'"), "{env}");
    let script = "grep -c nats_system_jwt $SLUICE_INVENTORY; exit 7";
    let exec = lab(&["exec", "--name", &name, "--", "sh", "-c", script]);
    assert_eq!((text(&exec.stdout).trim(), exec.status.code()), ("1", Some(7)));

    let found = running().unwrap().into_iter().find(|lab| lab.plan.name == name).unwrap();
    let server = Proc::read(&found.plan.node_folder(1).join("server.pid")).unwrap();
    found.daemon.signal(Signal::SIGKILL);
    assert!(found.daemon.gone_within(std::time::Duration::from_secs(5)) && server.alive());
    // Another test's lab may sweep the orphan first, and then there is nothing left to take down.
    lab(&["down", "--name", &name]);
    // That one may still be at it.
    let gone = || !server.alive() && !found.plan.folder.exists() && found.plan.listens().into_iter().all(is_free);
    let began = std::time::Instant::now();
    while !gone() {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "something of it is left");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
