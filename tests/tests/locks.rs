//! Locks of runs as several machines see them: the parameter store of the lab's account, and real processes of
//! different homes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sluice_engine::journal::{Locks, StoreError};
use sluice_lab::{Lab, Options};
use sluice_plugin::inventory::Aws;
use sluice_store::compliance::{Failure, LockPlace, lock_failures};

use crate::common::parameters;
use crate::common::sluice::{Done, Running, Sluice};

/// It waits, acts, and waits again. Each wait is over when its file is there.
const SLOW: &str = r#"
runbook: slow
summary: It waits, acts, and waits.
inputs:
  cluster: { type: cluster }
  folder: { type: string }
lock: "cluster/{{ inputs.cluster.name }}"
steps:
  - id: before
    gate: base.read_file
    with: { path: "{{ inputs.folder }}/may-act" }
    expect: [{ that: "seen.bytes >= 0" }]
    passes: { every: 100ms, within: 5m }
  - id: act
    uses: base.toy_change
    with: { file: "{{ inputs.folder }}/lines", line: slow }
  - id: after
    gate: base.read_file
    with: { path: "{{ inputs.folder }}/may-end" }
    expect: [{ that: "seen.bytes >= 0" }]
    passes: { every: 100ms, within: 5m }
"#;

const QUICK: &str = r#"
runbook: quick
summary: It acts.
inputs:
  cluster: { type: cluster }
  folder: { type: string }
lock: "cluster/{{ inputs.cluster.name }}"
steps:
  - id: act
    uses: base.toy_change
    with: { file: "{{ inputs.folder }}/lines", line: quick }
"#;

/// Its act takes its time, and what became of it can be seen.
const OPEN: &str = r#"
runbook: open
summary: It acts slowly.
inputs:
  cluster: { type: cluster }
  folder: { type: string }
lock: "cluster/{{ inputs.cluster.name }}"
steps:
  - id: act
    uses: base.toy_append
    timeout: 5s
    with:
      file: "{{ inputs.folder }}/lines"
      line: open
      script: { outcome: sleep, for: 2s, memory: "{{ inputs.folder }}/began" }
"#;

/// The world that runs of all homes act on.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-site-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        Self(folder)
    }

    fn let_it(&self, what: &str) {
        std::fs::write(self.0.path().join(what), "").unwrap();
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("lines")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The lines without the notes by which toys know their own ones.
    fn said(&self) -> Vec<String> {
        self.lines().iter().map(|line| line.split(" #").next().unwrap_or_default().to_owned()).collect()
    }

    fn until_acted(&self) {
        until("the act", || self.lines().contains(&"slow".to_owned()));
    }

    fn arguments<'a>(&self, runbook: &'a str, more: &[&'a str]) -> Vec<String> {
        let folder = format!("folder={}", self.0.path().display());
        let own = ["run", runbook, "-i", "cluster=nats-staging", "-i", &folder].map(str::to_owned);
        own.into_iter().chain(more.iter().map(|one| (*one).to_owned())).collect()
    }

    fn run(&self, home: &Sluice, runbook: &str, more: &[&str]) -> Done {
        self.start(home, runbook, more).end()
    }

    fn start(&self, home: &Sluice, runbook: &str, more: &[&str]) -> Running {
        let arguments = self.arguments(runbook, more);
        home.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The slow runbook, killed after its act; its id.
    fn killed(&self, home: &Sluice) -> String {
        self.let_it("may-act");
        let running = self.start(home, "slow", &[]);
        self.until_acted();
        until("a second gate that waits", || last(home)["steps"][2]["status"] == "waiting");
        kill(Pid::from_raw(i32::try_from(running.pid()).unwrap()), Signal::SIGKILL).unwrap();
        running.end();
        last(home)["run"].as_str().unwrap().to_owned()
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not come");
        thread::sleep(Duration::from_millis(50));
    }
}

fn last(home: &Sluice) -> Value {
    let shown = home.run(&["runs", "show", "last", "--json"]);
    if shown.code == Some(0) { shown.json() } else { Value::Null }
}

fn home(lab: &Lab) -> Sluice {
    with(Sluice::on(lab))
}

fn with(sluice: Sluice) -> Sluice {
    sluice.file("runbooks/slow.yaml", SLOW);
    sluice.file("runbooks/quick.yaml", QUICK);
    sluice.file("runbooks/open.yaml", OPEN);
    sluice
}

fn how_it_is(home: &Sluice) -> Vec<String> {
    let locks = home.run(&["locks", "--json"]).expect_code(0).json();
    locks.as_array().unwrap().iter().map(|lock| lock["is"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn two_homes_have_one_lock_in_the_account() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let (site, mut first, second) = (Site::new(), home(&lab), home(&lab));
    let person = first.of_another_user().name;
    let slow = site.start(&first, "slow", &[]);
    until("the lock", || how_it_is(&second) == ["held"]);
    let run = last(&first)["run"].as_str().unwrap().to_owned();
    // At once, and it says who, where and what to do.
    let refused = site.run(&second, "quick", &[]).expect_code(1);
    let person = format!(" of {person}@");
    for said in [&run, "(slow)", &person, "process ", "--lock-wait", "sluice cancel"] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.said());
    }
    assert_eq!(second.run(&["runs", "--json"]).json(), Value::Array(Vec::new()), "nothing has begun");
    let waiting = site.start(&second, "quick", &["--lock-wait", "2m"]);
    site.let_it("may-act");
    site.until_acted();
    assert_eq!(site.lines(), ["slow"], "the other waits");
    site.let_it("may-end");
    slow.end().expect_code(0);
    let waited = waiting.end().expect_code(0);
    assert!(waited.stderr.contains("waits until") && waited.stderr.contains(&run), "{}", waited.said());
    assert!(waited.stderr.contains(&person), "{}", waited.said());
    assert_eq!(site.lines(), ["slow", "quick"]);
    assert_eq!(how_it_is(&first), [""; 0]);
    // Whom AWS took the process for is in the journal; the lock is nobody's secret.
    let lock = &last(&second)["lock"];
    assert!(lock["caller"].as_str().unwrap().starts_with("arn:aws:"), "{lock}");
}

#[tokio::test]
async fn a_killed_holder_is_resumed_at_once_and_keeps_others_out() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let (site, first, second) = (Site::new(), home(&lab), home(&lab));
    let run = site.killed(&first);
    assert_eq!(
        (how_it_is(&first), how_it_is(&second)),
        (vec!["interrupted".to_owned()], vec!["interrupted".to_owned()])
    );
    let refused = site.run(&second, "quick", &[]).expect_code(1);
    for said in [&run, "has begun to act", "sluice resume", "--repair", "locks break"] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.said());
    }
    let again = first.start(&["resume", &run]);
    until("the lock", || how_it_is(&second) == ["held"]);
    site.let_it("may-end");
    again.end().expect_code(0);
    site.run(&second, "quick", &[]).expect_code(0);
    assert_eq!(site.lines(), ["slow", "quick"]);
}

#[tokio::test]
async fn an_act_that_may_have_happened_keeps_the_lock_for_its_run() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let (site, first, second) = (Site::new(), home(&lab), home(&lab));
    let running = site.start(&first, "open", &[]);
    until("the act", || site.0.path().join("began").exists());
    kill(Pid::from_raw(i32::try_from(running.pid()).unwrap()), Signal::SIGKILL).unwrap();
    running.end();
    let run = last(&first)["run"].as_str().unwrap().to_owned();
    let refused = site.run(&second, "quick", &[]).expect_code(1);
    for said in [&run, "has begun to act", "sluice resume"] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.said());
    }
    // It looks what became of it, and goes on under its lock.
    first.run(&["resume", &run]).expect_code(0);
    site.run(&second, "quick", &[]).expect_code(0);
    assert_eq!(site.said(), ["open", "quick"]);
}

#[tokio::test]
async fn repair_and_break_are_in_both_journals() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let (site, first, second) = (Site::new(), home(&lab), home(&lab));
    let run = site.killed(&first);
    let of = |home: &Sluice, run: &str| home.run(&["runs", "show", run, "--json"]).expect_code(0).json();
    site.run(&second, "quick", &["--repair", &run]).expect_code(0);
    assert_eq!(last(&second)["lock"]["after"], format!("of run {run}, to repair it"));
    assert_eq!(how_it_is(&second), ["interrupted"], "it is the first run's again");
    assert_eq!(of(&first, &run)["status"], "interrupted");
    // Its own lock, although another home had it meanwhile.
    let again = first.start(&["resume", &run]);
    until("the lock", || how_it_is(&second) == ["held"]);
    kill(Pid::from_raw(i32::try_from(again.pid()).unwrap()), Signal::SIGKILL).unwrap();
    again.end();
    // No break while somebody lives is in the engine's tests; here the holder is gone.
    let broken = first.run(&["locks", "break", "cluster/nats-staging", "--because", "a test"]).expect_code(0);
    assert!(broken.stderr.contains("it has begun to act"), "{}", broken.said());
    let lost = of(&first, &run)["lock"]["lost"].clone();
    assert_eq!(lost, "broken: a test");
    site.run(&second, "quick", &[]).expect_code(0);
    let after = last(&second)["lock"]["after"].as_str().unwrap().to_owned();
    assert!(after.contains(&run) && after.contains("a test"), "{after}");
    // It had begun to act, and another has acted since: it does not go on.
    site.let_it("may-end");
    let refused = first.run(&["resume", &run]).expect_code(1);
    assert!(refused.stderr.contains("it was broken and another run had it since"), "{}", refused.said());
}

#[tokio::test]
async fn without_the_account_nothing_begins_unless_this_machine_is_enough() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let site = Site::new();
    let mut alone = home(&lab);
    alone.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let refused = site.run(&alone, "quick", &[]).expect_code(1);
    assert!(refused.stderr.contains("`locks: local`"), "{}", refused.said());
    assert_eq!(site.lines(), [""; 0]);
    let mut local = with(Sluice::on_with(&lab, |text| text.replace("    labels:", "    locks: local\n    labels:")));
    local.set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    site.run(&local, "quick", &[]).expect_code(0);
    assert_eq!(site.lines(), ["quick"]);
    // What has no lock needs no account at all.
    alone.run(&["run", "hello"]).expect_code(0);
}

/// Stopped past its lease, it finds the lock taken when it goes on, and does not act: nothing but the lock tells it.
#[tokio::test]
async fn a_stopped_process_does_not_act_when_another_home_had_its_lock() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let (site, first, second) = (Site::new(), home(&lab), home(&lab));
    let sleeper = site.start(&first, "slow", &[]);
    until("the lock", || how_it_is(&second) == ["held"]);
    let run = last(&first)["run"].as_str().unwrap().to_owned();
    let pid = Pid::from_raw(i32::try_from(sleeper.pid()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    // Nobody waits a minute: it was last heard of long ago.
    for (name, value) in parameters::below(&lab, "/nats-cluster/nats-staging/sluice/lock") {
        let mut lock: Value = serde_json::from_str(&value).unwrap();
        lock["holder"]["lease_until"] = json!(1);
        parameters::put(&lab, &name, &lock.to_string(), "String");
    }
    assert_eq!(how_it_is(&second), ["lapsed"]);
    let took = site.run(&second, "quick", &[]).expect_code(0);
    assert!(took.stderr.contains(&format!("from run {run}, which had begun nothing")), "{}", took.said());
    site.let_it("may-act");
    site.let_it("may-end");
    kill(pid, Signal::SIGCONT).unwrap();
    let woken = sleeper.end().expect_code(1);
    assert!(woken.stderr.contains("was taken away"), "{}", woken.said());
    assert_eq!(site.lines(), ["quick"], "the sleeper acted");
    // Its journal says that it was without its lock; told to, it goes on under it.
    assert_eq!(last(&first)["lock"]["lost"], "it moved on while the run was not heard of");
    first.run(&["resume", &run]).expect_code(0);
    assert_eq!(site.lines(), ["quick", "slow"]);
}

/// The same with a short lease and in one home, where the journal tells it too.
#[tokio::test]
async fn a_stopped_process_does_not_act_when_its_lock_has_moved_on() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let site = Site::new();
    let home = with(Sluice::on_with(&lab, |text| text.replace("    labels:", "    locks: local\n    labels:")));
    let program = Path::new(env!("CARGO_BIN_EXE_sluice-dying"));
    let arguments = site.arguments("slow", &[]);
    let mut command = home.program(program, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    command.env("LEASE_MS", "500");
    let sleeper = Running::new(command);
    until("the lock", || how_it_is(&home).len() == 1);
    let pid = Pid::from_raw(i32::try_from(sleeper.pid()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    until("the lease's end", || how_it_is(&home) == ["lapsed"]);
    site.run(&home, "quick", &[]).expect_code(0);
    site.let_it("may-act");
    site.let_it("may-end");
    kill(pid, Signal::SIGCONT).unwrap();
    let woken = sleeper.end().expect_code(1);
    assert!(woken.stderr.contains("was taken away"), "{}", woken.said());
    assert_eq!(site.lines(), ["quick"], "the sleeper acted");
    // It is told when it is resumed, and has the lock again.
    let slow = home.run(&["runs", "--json", "--runbook", "slow"]).json()[0]["run"].as_str().unwrap().to_owned();
    home.run(&["resume", &slow]).expect_code(0);
    assert_eq!(site.lines(), ["quick", "slow"]);
}

/// The suite runs in a process of its own: the way to the account is in its environment.
#[tokio::test]
async fn locks_in_the_account_keep_every_promise_of_locks() {
    let lab = Lab::up(Options::default()).await.unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "locks::suite_in_the_account", "--ignored", "--nocapture"]).envs(lab.env());
    let said = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && text.contains("1 passed"), "{text}");
}

static PLACES: AtomicU32 = AtomicU32::new(0);

/// A path of its own in the account.
struct Account(String);

#[async_trait]
impl LockPlace for Account {
    async fn open(&self) -> Result<Arc<dyn Locks>, StoreError> {
        let aws = Aws {
            account: Some("123456789012".to_owned()),
            region: "us-east-2".to_owned(),
            profile: None,
            act_role: None,
        };
        Ok(sluice::parameter_locks(aws, &self.0))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "what a process of another test runs"]
async fn suite_in_the_account() {
    let place =
        || -> Arc<dyn LockPlace> { Arc::new(Account(format!("/suite/{}", PLACES.fetch_add(1, Ordering::SeqCst)))) };
    assert_eq!(lock_failures(place).await, Vec::<Failure>::new());
}
