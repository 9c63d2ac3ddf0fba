//! `cargo lab demo` with a stand-in for the product: however it ends, its lab is gone, and so is what it ran.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sluice_lab::{Found, Proc, running};

/// Says its number and waits when it is to run something and there is a file `wait`. Its run that replaces waits for a
/// yes, which it reads from a terminal alone.
const PRODUCT: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$1 $2" in
    "trust --print-digest") echo 1234 ;;
    "trust --digest") echo "$XDG_STATE_HOME" > "$here/state" ;;
    "run replace-node") [ ! -t 0 ] && exit 7 ;;
    "confirm last")
        printf 'Type nats-staging-node-2 to say yes; anything else answers nothing.\n> '
        [ -t 0 ] && read -r name && [ "$name" = nats-staging-node-2 ] && echo "$name" > "$here/confirmed" ;;
    "run hello") [ ! -e "$here/wait" ] || { echo $$ > "$here/new" && mv "$here/new" "$here/pid" && exec sleep 60; } ;;
esac
"#;

struct Demo {
    folder: PathBuf,
    child: Child,
    name: String,
}

impl Demo {
    fn start(name: &str, wait: bool) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("sluice-lab-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let product = folder.join("product");
        std::fs::write(&product, PRODUCT).unwrap();
        std::fs::set_permissions(&product, PermissionsExt::from_mode(0o700)).unwrap();
        if wait {
            std::fs::write(folder.join("wait"), "").unwrap();
        }
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,TERM").arg(env!("CARGO_BIN_EXE_sluice-lab"));
        command.args(["demo", "--name", &name, "--product"]).arg(&product);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // Nobody reads what it says.
        drop(child.stderr.take());
        Self { folder, child, name }
    }

    /// The lab, and the program that is run on it now.
    fn running(&mut self) -> (Found, Proc) {
        let file = self.folder.join("pid");
        let began = Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < Duration::from_secs(120) && self.child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(20));
        }
        let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        (running().unwrap().into_iter().find(|lab| lab.plan.name == self.name).unwrap(), Proc::of(pid).unwrap())
    }

    fn end(mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        assert!(running().unwrap().iter().all(|lab| lab.plan.name != self.name), "its lab is up");
        std::fs::remove_dir_all(&self.folder).unwrap();
        code
    }
}

fn told(signal: Signal) {
    let mut demo = Demo::start(&format!("told-{}", signal as i32), true);
    let (lab, program) = demo.running();
    let servers = [1, 2, 3].map(|n| Proc::read(&lab.plan.node_folder(n).join("server.pid")).unwrap());
    Proc::of(demo.child.id()).unwrap().signal(signal);
    assert_eq!(demo.end(), Some(128 + signal as i32));
    assert!(servers.iter().all(|server| !server.alive()) && !lab.plan.folder.exists(), "a part of it is left");
    assert!(program.gone_within(Duration::from_secs(5)), "what it ran goes on");
}

#[test]
fn told_to_end_it_leaves_nothing() {
    told(Signal::SIGTERM);
    told(Signal::SIGHUP);
}

#[test]
fn it_needs_no_reader_and_trusts_nothing_of_the_users() {
    let mut demo = Demo::start("unread", false);
    // It says yes in a second terminal, and sees that nothing was ended.
    assert_eq!(demo.child.wait().unwrap().code(), Some(1));
    assert!(demo.folder.join("confirmed").exists(), "nobody said yes");
    let state = std::fs::read_to_string(demo.folder.join("state")).unwrap();
    assert!(state.contains(&format!("/labs/{}/", demo.name)), "{state}");
    assert_eq!(demo.end(), Some(1));
}
