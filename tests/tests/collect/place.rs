//! A lab, and collectors that run beside its servers; what they said, what the servers said, and what Axiom has.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_lab::{Fault, Lab, Load, Options};
use tokio::runtime::Runtime;

use crate::common::sluice::Sluice;

const PATIENCE: Duration = Duration::from_secs(120);

/// The figures that a server's own answers must enclose, and the endpoint that has them.
const FIGURES: [(&str, &str); 9] = [
    ("varz", "in_msgs"),
    ("varz", "out_msgs"),
    ("varz", "in_bytes"),
    ("varz", "total_connections"),
    ("varz", "slow_consumers"),
    ("connz", "num_connections"),
    ("jsz", "streams"),
    ("jsz", "consumers"),
    ("jsz", "api.total"),
];

pub(super) struct Collectors {
    runtime: Runtime,
    lab: Lab,
    user: Sluice,
}

/// One that runs.
pub(super) struct Collector {
    pub(super) node: String,
    child: Child,
    lines: BufReader<ChildStdout>,
    events: Vec<Value>,
    first_resident: u64,
}

/// What one server said, and when it was asked and had answered.
pub(super) struct Said {
    node: String,
    from: i64,
    to: i64,
    figures: BTreeMap<(&'static str, &'static str), f64>,
}

impl Collectors {
    pub(super) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let lab = runtime.block_on(async {
            let lab = Lab::up(Options::default()).await.unwrap();
            lab.wait_healthy(PATIENCE).await.unwrap();
            lab.load(Load { rate: 50, ..Load::steady() }).await.unwrap();
            lab
        });
        let user = Sluice::on(&lab);
        Self { runtime, lab, user }
    }

    pub(super) fn name(&self, n: u8) -> String {
        self.lab.plan().node_name(n)
    }

    #[track_caller]
    pub(super) fn fault(&self, fault: Fault) {
        self.runtime.block_on(self.lab.fault(fault)).unwrap();
    }

    pub(super) fn start_all(&self, inputs: &[&str]) -> Vec<Collector> {
        (1..=3).map(|n| self.start(n, inputs)).collect()
    }

    pub(super) fn start(&self, n: u8, inputs: &[&str]) -> Collector {
        let node = self.name(n);
        let spool = self.spool(n);
        let mut arguments = vec!["run".to_owned(), "collect-metrics".into(), "--every".into(), "1s".into()];
        // A disk that is mounted on every machine.
        let given = [
            "cluster=nats-staging".to_owned(),
            "disk=/".into(),
            format!("node={node}"),
            format!("spool={}", spool.display()),
            format!("file={}", self.file(n).display()),
        ];
        for input in given.into_iter().chain(inputs.iter().map(|input| (*input).to_owned())) {
            arguments.extend(["-i".to_owned(), input]);
        }
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Collector::new(node, self.user.command(&words))
    }

    /// What a shipper of logs follows.
    pub(super) fn file(&self, n: u8) -> PathBuf {
        self.user.home().join(format!("metrics-{n}.jsonl"))
    }

    /// Where what waits lies.
    pub(super) fn spool(&self, n: u8) -> PathBuf {
        self.user.home().join(format!("spool-{n}"))
    }

    /// Asks every server again and again, while the collectors run that long.
    pub(super) fn listen(&self, collectors: &mut [Collector], time: Duration) -> Vec<Said> {
        let began = Instant::now();
        let mut said = Vec::new();
        for collector in &mut *collectors {
            collector.until("the first one", |_| true);
            collector.first_resident = collector.resident_now();
        }
        while began.elapsed() < time {
            for n in 1..=3 {
                let address = self.lab.plan().monitor(n);
                said.push(asked(self.name(n), address));
            }
            collectors.iter_mut().for_each(Collector::read_what_is_there);
            thread::sleep(Duration::from_millis(40));
        }
        said
    }

    pub(super) fn end_all(&self, collectors: Vec<Collector>, signal: Signal) -> Vec<(String, Vec<Value>)> {
        collectors.into_iter().map(|collector| collector.end(signal)).collect()
    }

    /// The line on disk, once it is so.
    #[track_caller]
    pub(super) fn until_status(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let folder = self.user.home().join(".local/state/sluice/every");
        let began = Instant::now();
        loop {
            let files = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let lines = files.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
            let status: Vec<Value> =
                lines.filter_map(|path| serde_json::from_str(&fs::read_to_string(path).ok()?).ok()).collect();
            if status.iter().any(&holds) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {status:#?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Each event that was printed is in the dataset, once.
    #[track_caller]
    pub(super) fn all_in_axiom(&self, told: &[(String, Vec<Value>)]) {
        for (node, events) in told {
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            for row in self.in_axiom(node) {
                *found.entry(row["id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
            let missing: Vec<&Value> = events
                .iter()
                .map(|event| &event["id"])
                .filter(|id| !found.contains_key(id.as_str().unwrap()))
                .collect();
            assert!(missing.is_empty(), "{node}: {} of {} are not in Axiom: {missing:?}", missing.len(), events.len());
            let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
            assert!(twice.is_empty(), "{node}: {twice:?}");
        }
    }

    fn in_axiom(&self, node: &str) -> Vec<Value> {
        let apl = format!("['nats-logs'] | where kind == \"metrics\" and node == \"{node}\" | take 10000");
        let body = json!({ "apl": apl, "startTime": "2026-01-01T00:00:00Z" }).to_string();
        let token = self.lab.env().into_iter().find(|(name, _)| *name == "AXIOM_TOKEN").unwrap().1;
        let url = format!("http://{}/v1/datasets/_apl?format=legacy", self.lab.plan().axiom());
        let (bearer, kind) = (format!("authorization: Bearer {token}"), "content-type: application/json");
        let done = Command::new("curl").args(["-sS", "-H", &bearer, "-H", kind, "--data-binary", &body, &url]).output();
        let answer: Value = serde_json::from_slice(&done.unwrap().stdout).unwrap();
        answer["matches"].as_array().unwrap().iter().map(|row| row["data"].clone()).collect()
    }
}

impl Collector {
    fn new(node: String, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { node, child, lines, events: Vec::new(), first_resident: 0 }
    }

    /// Reads on until an event is so.
    #[track_caller]
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        while !self.next().is_some_and(&holds) {
            assert!(began.elapsed() < PATIENCE, "{what}: {:#?}", self.events.last());
        }
    }

    pub(super) fn more(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    fn next(&mut self) -> Option<&Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        if line.is_empty() {
            return None;
        }
        self.events.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        self.events.last()
    }

    /// A pipe that nobody reads would stop it.
    fn read_what_is_there(&mut self) {
        while is_readable(&self.lines) {
            self.next();
        }
    }

    fn resident_now(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// In kB, after its first event and now.
    pub(super) fn resident(&self) -> (u64, u64) {
        (self.first_resident, self.resident_now())
    }

    /// Its node, and all that it said.
    pub(super) fn end(mut self, signal: Signal) -> (String, Vec<Value>) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        while self.next().is_some() {}
        let status = self.child.wait().unwrap();
        assert!(status.success() || signal == Signal::SIGKILL, "{status}");
        (std::mem::take(&mut self.node), std::mem::take(&mut self.events))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A disk that can be full. It takes somebody who may mount a small one in memory.
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(super) fn over(folder: &Path) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let small = ["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"];
        let mounted = Command::new("mount").args(small).arg(folder).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: a test of a full disk needs somebody who may mount one");
        }
        mounted.then(|| Self(folder.to_owned()))
    }

    /// Until what runs has no room either.
    pub(super) fn fill(&self) {
        let mut rest = fs::File::create(self.0.join("rest")).unwrap();
        for length in [4096, 1] {
            while rest.write_all(&vec![0; length]).is_ok() {}
        }
    }

    pub(super) fn has_room(&self) {
        fs::remove_file(self.0.join("rest")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn is_readable(lines: &BufReader<ChildStdout>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd as _;
    let mut asked = [PollFd::new(lines.get_ref().as_fd(), PollFlags::POLLIN)];
    !lines.buffer().is_empty() || poll(&mut asked, PollTimeout::ZERO).unwrap() > 0
}

fn asked(node: String, address: SocketAddr) -> Said {
    let from = now();
    let get = |path: &str| -> Value {
        let done = Command::new("curl").args(["-sS", "--max-time", "5", &format!("http://{address}{path}")]).output();
        serde_json::from_slice(&done.unwrap().stdout).unwrap_or_default()
    };
    let (varz, connz, jsz) = (get("/varz"), get("/connz?limit=1"), get("/jsz"));
    let of = |endpoint: &str, name: &str| match (endpoint, name) {
        ("connz", _) => connz["total"].as_f64(),
        ("varz", name) => varz[name].as_f64(),
        (_, "api.total") => jsz["api"]["total"].as_f64(),
        (_, name) => jsz[name].as_f64(),
    };
    let figures = FIGURES.into_iter().filter_map(|(endpoint, name)| Some(((endpoint, name), of(endpoint, name)?)));
    Said { node, from, to: now(), figures: figures.collect() }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// When the event was made, in milliseconds.
pub(super) fn moment(event: &Value) -> i64 {
    event["_time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

pub(super) fn figure(event: &Value, path: &str) -> f64 {
    path.split('.').fold(event, |value, part| &value[part]).as_f64().unwrap_or_else(|| panic!("{path}: {event}"))
}

/// Each figure of each event lies between the last one that the server told before and the first one it told afterwards.
#[track_caller]
pub(super) fn between(node: &str, events: &[Value], said: &[Said]) {
    let of_node: Vec<&Said> = said.iter().filter(|one| one.node == node).collect();
    let (mut compared, mut enclosed) = (0, 0);
    for event in events {
        let (from, to) =
            (moment(event), moment(event) + 1_000 + i64::try_from(event["duration_ms"].as_u64().unwrap()).unwrap());
        let before = of_node.iter().rev().find(|one| one.to <= from);
        let after = of_node.iter().find(|one| one.from >= to);
        let (Some(before), Some(after)) = (before, after) else { continue };
        enclosed += 1;
        for (endpoint, name) in FIGURES {
            let (Some(low), Some(high)) = (before.figures.get(&(endpoint, name)), after.figures.get(&(endpoint, name)))
            else {
                continue;
            };
            let found = figure(event, &format!("{endpoint}.{name}"));
            let (low, high) = (low.min(*high), high.max(*low));
            assert!(
                (low..=high).contains(&found),
                "{node}: {endpoint}.{name} is {found}, not {low} to {high}: {event}"
            );
            compared += 1;
        }
    }
    assert!(10 * enclosed >= 9 * events.len(), "{node}: {enclosed} of {} events were compared", events.len());
    assert!(compared > 4 * enclosed, "{node}: {compared} figures of {enclosed} events were compared");
}
