//! `system.metrics`: how busy and how full the machine is: processors, memory, disk, load. What is too much is not known
//! here.
//!
//! Percentages of processors are those since the sample before. That is kept in memory, for a few `proc_root` at most, and
//! by nobody else: a process that ends forgets it, and one that begins takes two samples.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_plugin::{
    Action, ActionSpec, ByHand, Call, Example, Host, Outcome, Problem, Progress, Timestamp, duration, format_duration,
    parse_duration,
};

use crate::cpu::Usage;
use crate::describe::{input, output, reading};
use crate::disk::{self, Disk};
use crate::load::Load;
use crate::looks::Looks;
use crate::machine::{self, Look, Sample};
use crate::memory::Memory;

#[derive(Default)]
pub(crate) struct Metrics {
    machines: Looks<Option<Sample>>,
    disks: Looks<()>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Where the kernel's figures are to be read.
    #[serde(default = "proc_root")]
    proc_root: String,
    /// Where the disk is mounted that is looked at.
    #[serde(default = "disk_path")]
    disk_path: String,
    /// How far apart two samples of the processors are taken where this process has none yet. With `0s` only one is
    /// taken, and the first look has no percentages of the processors.
    #[serde(default = "settle")]
    #[schemars(schema_with = "duration::schema")]
    settle: String,
    /// The machine's instance id, where it is known.
    #[serde(default)]
    instance: Option<String>,
    /// Below it the id is looked for where it is not: in `sys/devices/virtual/dmi/id/board_asset_tag`, and then in
    /// `var/lib/cloud/data/instance-id`.
    #[serde(default = "identity_root")]
    identity_root: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// When the sample was taken. RFC 3339, UTC.
    time: String,
    /// Null on a machine that is no instance.
    instance: Option<String>,
    /// Seconds between the two samples that the percentages of the processors are made of. Null without percentages.
    interval_s: Option<f64>,
    system: System,
    /// One line for each part that cannot be read, and one where the disk is not mounted. Empty when all is well.
    errors: Vec<String>,
}

/// What cannot be read, or is not known yet, is not there.
#[derive(Serialize, JsonSchema)]
struct System {
    #[serde(flatten)]
    usage: Option<Usage>,
    #[serde(flatten)]
    memory: Option<Memory>,
    #[serde(flatten)]
    disk: Option<Disk>,
    /// Whether a file system of its own is mounted at `disk_path`. If not, the figures are those of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    disk_mounted: Option<bool>,
    #[serde(flatten)]
    load: Option<Load>,
}

fn proc_root() -> String {
    "/proc".to_owned()
}

fn disk_path() -> String {
    "/var/lib/nats".to_owned()
}

fn settle() -> String {
    "1s".to_owned()
}

fn identity_root() -> String {
    "/".to_owned()
}

/// An input that makes sense.
struct Asked {
    look: Look,
    disk: PathBuf,
    settle: Duration,
    instance: Option<String>,
}

#[async_trait]
impl Action for Metrics {
    fn spec(&self) -> ActionSpec {
        let summary = "Read how busy and how full this machine is: processors, memory, disk, load";
        let mut spec = reading::<Input, Output>("metrics", summary);
        spec.examples = vec![example()];
        spec
    }

    fn check(&self, with: &Value) -> Vec<Problem> {
        // What is filled in later cannot be judged yet.
        let text = |key: &str| with.get(key).and_then(Value::as_str).filter(|text| !text.contains("{{"));
        let paths = ["proc_root", "disk_path", "identity_root"];
        let paths = paths.into_iter().filter_map(|key| absolute(key, text(key)?).err());
        paths.chain(text("settle").and_then(|text| duration_of(text).err())).collect()
    }

    async fn run(&self, host: &dyn Host, call: &Call) -> Result<Outcome, Problem> {
        let asked = Asked::of(input(&call.with)?)?;
        self.settle(host, &asked).await;
        let ((at, seen), disk) = tokio::join!(self.machine(host, &asked), self.disk(&asked));
        let mut errors = seen.errors.into_lines();
        errors.extend(disk.errors.into_lines());
        let system = System {
            usage: seen.usage,
            memory: seen.memory,
            disk: disk.figures,
            disk_mounted: disk.mounted,
            load: seen.load,
        };
        let (instance, interval_s) = (asked.instance.or(seen.instance), seen.interval_s);
        output(&Output { time: sluice_plugin::time::written(at), instance, interval_s, system, errors })
            .map(Outcome::plain)
    }

    fn by_hand(&self, call: &Call) -> Vec<ByHand> {
        let Ok(asked) = input(&call.with).and_then(Asked::of) else { return Vec::new() };
        let [loadavg, disk] = [asked.look.proc_root.join("loadavg"), asked.disk].map(|path| path.display().to_string());
        let top = "the second line `%Cpu(s)`, as the first is since the start: cpu_percent is 100 less `id` and `wa`, \
                   iowait_percent is `wa`, steal_percent is `st`";
        let free = "in the line `Mem`: mem_total_bytes is `total`, mem_available_bytes is `available`, and used is the \
                    one less the other, whatever stands under `used`";
        let df = format!(
            "disk_used_percent is `Capacity`, rounded up; `Mounted on` is {disk} itself: if not, the NVMe is not mounted"
        );
        vec![
            ByHand::run("top", ["-bn2", "-d1"], top),
            ByHand::run("free", ["-b"], free),
            ByHand::run("df", ["-B1", "-P", &disk], &df),
            ByHand::run("cat", [loadavg], "the first three numbers are load_1, load_5 and load_15"),
        ]
    }
}

impl Metrics {
    /// Takes a first sample where there is none, and waits until a second one tells something.
    async fn settle(&self, host: &dyn Host, asked: &Asked) {
        if asked.settle.is_zero() || !self.takes_first(host, asked).await {
            return;
        }
        let note = format!("watching the processors for {}", format_duration(asked.settle));
        host.progress(Progress { note, done: 0, total: None });
        host.sleep(asked.settle).await;
    }

    /// What goes wrong here goes wrong again right after, and is said there.
    async fn takes_first(&self, host: &dyn Host, asked: &Asked) -> bool {
        let Ok(turn) = self.machines.turn(&asked.look.proc_root).await else { return false };
        if turn.state().is_some() {
            return false;
        }
        let (proc_root, at) = (asked.look.proc_root.clone(), host.now());
        let first = move |before: &mut Option<Sample>| {
            *before = machine::sample(&proc_root, at);
            before.is_some()
        };
        turn.look(first).await.unwrap_or(false)
    }

    async fn machine(&self, host: &dyn Host, asked: &Asked) -> (Timestamp, machine::Seen) {
        let turn = self.machines.turn(&asked.look.proc_root).await;
        // Only now: another call may have been waited for, and its sample is the one before.
        let at = host.now();
        let look = asked.look.clone();
        let seen = match turn {
            Ok(turn) => turn.look(move |before| look.look(at, before)).await,
            Err(unseen) => Err(unseen),
        };
        let seen = seen.unwrap_or_else(|unseen| {
            let mut nothing = machine::Seen::default();
            nothing.errors.add("machine", &asked.look.proc_root, unseen);
            nothing
        });
        (at, seen)
    }

    async fn disk(&self, asked: &Asked) -> disk::Seen {
        let (proc_root, path) = (asked.look.proc_root.clone(), asked.disk.clone());
        let seen = match self.disks.turn(&asked.disk).await {
            Ok(turn) => turn.look(move |()| disk::look(&proc_root, &path)).await,
            Err(unseen) => Err(unseen),
        };
        seen.unwrap_or_else(|unseen| {
            let mut nothing = disk::Seen::default();
            nothing.errors.add("disk", &asked.disk, unseen);
            nothing
        })
    }
}

impl Asked {
    fn of(input: Input) -> Result<Self, Problem> {
        let identity_root = absolute("identity_root", &input.identity_root)?;
        let instance = input.instance.filter(|instance| !instance.is_empty());
        let identity_root = instance.is_none().then_some(identity_root);
        Ok(Self {
            look: Look { proc_root: absolute("proc_root", &input.proc_root)?, identity_root },
            disk: absolute("disk_path", &input.disk_path)?,
            settle: duration_of(&input.settle)?,
            instance,
        })
    }
}

/// A relative one would lead elsewhere in another process.
fn absolute(key: &str, text: &str) -> Result<PathBuf, Problem> {
    if Path::new(text).is_absolute() {
        return Ok(PathBuf::from(text));
    }
    Err(Problem::bad_input(&format!("/{key}"), format!("`{text}` is no absolute path; write it from / on")))
}

fn duration_of(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|why| Problem::bad_input("/settle", why))
}

fn example() -> Example {
    Example {
        summary: "a node that has been sampled 30 s before".to_owned(),
        with: json!({ "disk_path": "/var/lib/nats" }),
        output: json!({
            "time": "2026-11-22T17:54:46.927Z",
            "instance": "i-0123456789abcdef0",
            "interval_s": 30.0,
            "system": {
                "cpu_percent": 3.21, "iowait_percent": 0.4, "steal_percent": 0.0,
                "mem_used_percent": 41.7, "mem_total_bytes": 3_976_749_056_u64,
                "mem_used_bytes": 1_658_306_560_u64, "mem_available_bytes": 2_318_442_496_u64,
                "disk_used_percent": 12.5, "disk_total_bytes": 58_982_400_000_u64,
                "disk_used_bytes": 7_372_800_000_u64, "disk_available_bytes": 51_609_600_000_u64,
                "disk_mounted": true,
                "load_1": 0.2, "load_5": 0.18, "load_15": 0.12,
            },
            "errors": [],
        }),
    }
}
