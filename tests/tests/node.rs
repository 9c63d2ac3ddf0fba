//! What puts the collector on a node, run as it is: each way in which it can go wrong leaves the node as it was, says so in
//! the bootstrap log and ends with 0, as whatever calls it goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../runbooks/node/user-data.sh");
const UNIT: &str = include_str!("../../runbooks/node/sluice-metrics.service");

/// A node's files, and what it is told.
struct Node {
    folder: TempDir,
    told: Vec<(&'static str, String)>,
}

/// What it left.
struct Left {
    log: String,
    installed: bool,
    /// What systemd was asked.
    asked: String,
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Node {
    /// `program` is what can be fetched; systemd's `enable` ends with this.
    fn new(program: &str, enable: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["bin", "etc", "units"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("program"), program).unwrap();
        fs::write(at("etc/sluice-metrics.service"), UNIT).unwrap();
        let asked = at("asked").display().to_string();
        executable(
            &at("bin/systemctl"),
            &format!("#!/bin/sh\necho \"$1 $2\" >>'{asked}'\n[ \"$1\" != enable ] || exit {enable}\n"),
        );
        let summed = Command::new("sha256sum").arg(at("program")).output().unwrap().stdout;
        let digest = String::from_utf8(summed).unwrap().split_whitespace().next().unwrap().to_owned();
        let told = vec![
            ("SLUICE_URL", format!("file://{}", at("program").display())),
            ("SLUICE_SHA256", digest),
            ("CLUSTER", "nats-staging".to_owned()),
            ("NODE", "nats-staging-node-1".to_owned()),
            ("INVENTORY_DIGEST", "d".repeat(64)),
        ];
        Self { folder, told }
    }

    fn told(mut self, name: &str, value: &str) -> Self {
        self.told.retain(|(known, _)| *known != name);
        let name = ["SLUICE_URL", "SLUICE_SHA256", "NODE"].into_iter().find(|known| *known == name).unwrap();
        self.told.push((name, value.to_owned()));
        self
    }

    fn installs(&self) -> Left {
        let at = |name: &str| self.folder.path().join(name);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", at("bin").display());
        let mut command = Command::new("sh");
        command.arg(SCRIPT).env_clear().env("PATH", path);
        command.env("SOURCE", at("etc")).env("UNITS", at("units"));
        command.env("LOG", at("log")).env("PROGRAM", at("bin/sluice"));
        let output = command.envs(self.told.iter().map(|(name, value)| (*name, value))).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let read = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
        Left { log: read("log"), installed: at("bin/sluice").exists(), asked: read("asked") }
    }
}

const GOOD: &str = "#!/bin/sh\necho 'sluice 9.9.9'\n";

#[test]
fn the_collector_is_put_beside_the_script_or_nothing_is() {
    let fails = |node: Node, why: &str, installed: bool, asked: &str| {
        let left = node.installs();
        let line = format!("[bootstrap] collector: FAILED: {why}");
        assert!(left.log.starts_with(&line) && left.log.lines().count() == 1, "{why}: {}", left.log);
        assert!(left.log.contains("nats-monitor goes on"), "{}", left.log);
        assert_eq!((left.installed, left.asked.as_str()), (installed, asked), "{why}");
    };
    fails(Node::new(GOOD, 0).told("SLUICE_URL", ""), "SLUICE_URL is not set", false, "");
    fails(Node::new(GOOD, 0).told("NODE", ""), "NODE is not set", false, "");
    fails(Node::new(GOOD, 0).told("SLUICE_URL", "file:///nowhere"), "the program could not be fetched", false, "");
    fails(Node::new(GOOD, 0).told("SLUICE_SHA256", &"0".repeat(64)), "it is another program", false, "");
    fails(Node::new("#!/bin/sh\nexit 1\n", 0), "the program does not start on this machine", false, "");
    let tried = "daemon-reload \nenable --now\ndisable --now\n";
    fails(Node::new(GOOD, 1), "its service does not start", true, tried);

    let node = Node::new(GOOD, 0);
    let left = node.installs();
    assert_eq!(left.log, "[bootstrap] collector: OK, sluice 9.9.9\n");
    assert_eq!((left.installed, left.asked.as_str()), (true, "daemon-reload \nenable --now\n"));
    let env = node.folder.path().join("etc/node.env");
    let expect = format!("CLUSTER=nats-staging\nNODE=nats-staging-node-1\nINVENTORY_DIGEST={}\n", "d".repeat(64));
    assert_eq!(fs::read_to_string(&env).unwrap(), expect);
    assert_eq!(fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(node.folder.path().join("units/sluice-metrics.service")).unwrap(), UNIT);
}
