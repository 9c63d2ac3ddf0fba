//! A host for tests, with a clock that stands still but for sleep, and a node made of files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sluice_plugin::{
    Attempt, Call, Host, HttpRequest, HttpResponse, Level, Problem, Progress, Purpose, Secret, Timestamp,
};

/// 2026-11-22T17:54:46.927Z
const NOW: Timestamp = Timestamp(1_795_370_086_927);

pub(crate) struct FakeHost {
    pub(crate) now: Mutex<Timestamp>,
    pub(crate) slept: Mutex<Vec<Duration>>,
    /// What happens while somebody sleeps.
    asleep: Box<dyn Fn() + Send + Sync>,
}

impl FakeHost {
    pub(crate) fn new() -> Self {
        Self::meanwhile(|| {})
    }

    pub(crate) fn meanwhile(asleep: impl Fn() + Send + Sync + 'static) -> Self {
        Self { now: Mutex::new(NOW), slept: Mutex::default(), asleep: Box::new(asleep) }
    }

    pub(crate) fn later(&self, time: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(time);
    }
}

#[async_trait]
impl Host for FakeHost {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, time: Duration) {
        self.slept.lock().unwrap().push(time);
        self.later(time);
        (self.asleep)();
    }

    fn log(&self, _: Level, _: &str) {}

    fn progress(&self, _: Progress) {}

    async fn http(&self, _: HttpRequest) -> Result<HttpResponse, Problem> {
        Err(Problem::not_applied("unreachable", "not here"))
    }

    fn reveal(&self, _: &Value) -> Result<Secret, Problem> {
        Err(Problem::not_applied("no_secret", "not here"))
    }

    fn seal(&self, _: &str, _: Secret) -> Value {
        Value::Null
    }

    fn private_file(&self, _: &str, _: &Secret) -> Result<PathBuf, Problem> {
        Err(Problem::not_applied("private_file", "not here"))
    }
}

pub(crate) fn call(with: Value) -> Call {
    let (run, step) = ("run-1".to_owned(), "metrics".to_owned());
    Call { run, step, attempt: Attempt(1), purpose: Purpose::Read, deadline: None, with }
}

/// `proc` as the kernel shows it, a disk that is mounted at `disk`, and a root that says which instance it is.
pub(crate) struct Node(tempfile::TempDir);

pub(crate) const STAT: &str = "cpu  1000 50 500 9000 100 5 20 10 0 0\ncpu0 1000 50 500 9000 100 5 20 10 0 0\nintr 1\n";

/// 30 s later.
pub(crate) const STAT_LATER: &str = "cpu  1060 50 530 11893 112 5 25 10 0 0\nintr 2\n";

impl Node {
    pub(crate) fn new() -> Self {
        let node = Self(tempfile::tempdir().unwrap());
        for folder in ["proc/self", "disk", "root/var/lib/cloud/data", "root/sys/devices/virtual/dmi/id"] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        node.write("proc/stat", STAT);
        node.write("proc/meminfo", "MemTotal: 3883544 kB\nMemFree: 118204 kB\nMemAvailable: 2264104 kB\n");
        node.write("proc/loadavg", "0.20 0.18 0.12 1/80 11206\n");
        let mounts = format!(
            "27 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n60 27 259:3 / {} rw - xfs /dev/nvme1n1 rw\n",
            node.path("disk").display()
        );
        node.write("proc/self/mountinfo", &mounts);
        node.write("root/sys/devices/virtual/dmi/id/board_asset_tag", "i-0123456789abcdef0\n");
        node
    }

    /// Without links, as mounts are written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn with(&self, more: Value) -> Value {
        let mut with = json!({
            "proc_root": self.path("proc"), "disk_path": self.path("disk"), "identity_root": self.path("root"),
        });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
