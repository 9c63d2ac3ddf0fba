//! `sluice run health-check` on a real cluster in good and bad times, judged by its exit code and `--json`.
//!
//! The lab says what is true; whether the check says so too is what is proved here.

use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_lab::{Fault, Lab, Load, Options};

use crate::common::sluice::{Done, Sluice};

/// For what needs an election, or a few thousand messages copied.
const PATIENCE: Duration = Duration::from_secs(90);

/// One health-check that has ended.
struct Check {
    done: Done,
    report: Value,
}

fn check(sluice: &Sluice, more: &[&str]) -> Check {
    let mut arguments = vec!["run", "health-check", "-i", "cluster=nats-staging", "--json"];
    arguments.extend(more);
    let done = sluice.run(&arguments);
    let report = done.json();
    assert_eq!(report["exit"], json!(done.code), "{}", done.said());
    Check { done, report }
}

impl Check {
    /// What the gate saw: the whole judgement.
    fn seen(&self) -> &Value {
        &self.report["steps"][0]["output"]
    }

    /// `critical replica_behind PIVOT/pivot_main`, worst first.
    fn findings(&self) -> Vec<String> {
        let line = |finding: &Value| {
            let of = |name: &str| text(&finding[name]);
            format!("{} {} {}", of("severity"), of("code"), text(&finding["subject"]["name"]))
        };
        self.seen()["findings"].as_array().unwrap_or_else(|| panic!("{}", self.done.said())).iter().map(line).collect()
    }

    fn has(&self, part: &str) -> bool {
        self.findings().iter().any(|finding| finding.contains(part))
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.done.code, Some(code), "{:#?}\n{}", self.findings(), self.done.stderr);
        self
    }
}

/// Checks until it is as wanted; every check before must have had the given code.
#[track_caller]
fn until(sluice: &Sluice, what: &str, before: i32, wanted: impl Fn(&Check) -> bool) -> Check {
    let began = Instant::now();
    loop {
        let check = check(sluice, &[]);
        if wanted(&check) {
            eprintln!("{what}: seen after {:?}", began.elapsed());
            return check;
        }
        let check = check.expect(before);
        assert!(began.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}: {:#?}", check.findings());
    }
}

async fn lab() -> Lab {
    let lab = Lab::up(Options::default()).await.unwrap();
    lab.wait_healthy(PATIENCE).await.unwrap();
    lab
}

fn node(n: u8) -> String {
    n.to_string()
}

/// What `lab.status` says of a node.
fn in_status(status: &Value, n: usize) -> &Value {
    &status["nodes"][n - 1]
}

#[tokio::test]
async fn healthy_idle_without_aws_and_under_load() {
    let lab = lab().await;
    let sluice = Sluice::on(&lab);

    // Nobody is connected to a new cluster, and its interest stream never held a message.
    let idle = check(&sluice, &[]).expect(0);
    assert_eq!(idle.findings(), ["warning no_connections nats-staging"]);
    assert_eq!(idle.seen()["streams"][0]["last_seq"], 0);
    assert_eq!(idle.report["outputs"]["counts"], json!({ "critical": 0, "warning": 1, "unknown": 0 }));
    let strict = check(&sluice, &["-i", "strict=true"]).expect(3);
    assert_eq!(strict.report["decided_by"], "health");
    assert!(strict.report["steps"][0]["why"].as_str().unwrap().contains("1 warnings, and `strict` counts them"));

    lab.fault(Fault::AwsDown).await.unwrap();
    assert!(TcpStream::connect(lab.plan().aws()).is_err(), "AWS is still there");
    check(&sluice, &[]).expect(0);
    lab.fault(Fault::AwsUp).await.unwrap();

    // The same stream, empty again and with a past.
    lab.load(Load { rate: 2_000, size: 256, count: Some(200), no_consume: false }).await.unwrap();
    let emptied = until(&sluice, "emptied", 0, |check| check.seen()["streams"][0]["messages"] == 0).expect(0);
    assert!(emptied.seen()["streams"][0]["last_seq"].as_u64().unwrap() >= 200);
    assert_eq!(no_run_is_running(&sluice), emptied.report["run"].as_str().map(str::to_owned));

    under_load(&lab, &sluice).await;
    no_run_is_running(&sluice);
    lab.down().unwrap();
}

/// How many checks are made under load: the first third one by one, the others four at a time.
fn evaluations() -> usize {
    if is_measured() { 300 } else { 30 }
}

/// Asked for by itself. Otherwise other tests use the machine, and how much load it bears says nothing.
fn is_measured() -> bool {
    std::env::var("SLUICE_LONG").is_ok_and(|long| long == "1")
}

async fn under_load(lab: &Lab, sluice: &Sluice) {
    lab.load(Load { rate: 2_000, size: 256, count: None, no_consume: false }).await.unwrap();
    let flows = Instant::now();
    while lab.counts().await.unwrap().delivered == 0 {
        assert!(flows.elapsed() < PATIENCE, "no message came through");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let acked = async || lab.counts().await.unwrap().acked;
    let (before, began) = (acked().await, Instant::now());
    let all = evaluations();
    let one_by_one = all / 3;
    let mut checks: Vec<Check> = (0..one_by_one).map(|_| check(sluice, &[])).collect();
    checks.extend(at_once(sluice, all - one_by_one, 4));
    let after = acked().await;
    let rate = (after - before) as f64 / began.elapsed().as_secs_f64();
    let refused: Vec<_> = checks.iter().filter(|check| check.done.code != Some(0)).map(Check::findings).collect();
    let warned: Vec<String> = checks.iter().flat_map(Check::findings).collect();
    let slowest = checks.iter().map(|check| check.done.took).max().unwrap();
    eprintln!(
        "{all} checks in {:?} under {rate:.0} acknowledged messages/s: {} refused, warnings {warned:?}, the slowest took {slowest:?}",
        began.elapsed(),
        refused.len()
    );
    assert!(refused.is_empty(), "{} of {all} refused: {refused:#?}", refused.len());
    assert!(after > before, "no message came through while the cluster was checked");
    let ended = Instant::now();
    while acked().await <= after {
        assert!(ended.elapsed() < PATIENCE, "the load has ended before the checks did");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_measured() || rate > 1_800.0, "the load was only {rate:.0} messages a second");
}

/// So many checks, so many of them at any time.
fn at_once(sluice: &Sluice, count: usize, workers: usize) -> Vec<Check> {
    let (left, checks) = (Mutex::new(count), Mutex::new(Vec::new()));
    let next = || {
        let mut left = left.lock().unwrap();
        *left = left.checked_sub(1)?;
        Some(())
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while next().is_some() {
                    let done = check(sluice, &[]);
                    checks.lock().unwrap().push(done);
                }
            });
        }
    });
    checks.into_inner().unwrap()
}

/// Fails if a run is listed as running; the newest run otherwise.
fn no_run_is_running(sluice: &Sluice) -> Option<String> {
    let runs = sluice.run(&["runs", "--json", "--limit", "1000"]).expect_code(0).json();
    let runs = runs.as_array().unwrap();
    assert!(runs.iter().all(|run| run["status"] == "done" || run["status"] == "stopped"), "{runs:#?}");
    runs.first().map(|run| run["run"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn killed_frozen_and_without_its_stream() {
    let lab = lab().await;
    let sluice = Sluice::on(&lab);
    check(&sluice, &[]).expect(0);
    killed(&lab, &sluice).await;
    frozen(&lab, &sluice).await;
    lab.fault(Fault::DeleteStream { name: "pivot_main".into() }).await.unwrap();
    let gone = check(&sluice, &[]).expect(3);
    assert_eq!(gone.findings()[0], "critical stream_missing pivot_main");
    no_run_is_running(&sluice);
    lab.down().unwrap();
}

/// The meta leader is killed: the others have to elect a new one, and the check has to say who is missing at once.
async fn killed(lab: &Lab, sluice: &Sluice) {
    let name = text(&check(sluice, &[]).expect(0).seen()["meta"]["group"]["leader"]);
    lab.fault(Fault::Kill { node: name.clone() }).await.unwrap();
    let at_once = check(sluice, &[]).expect(3);
    assert!(at_once.has(&format!("node_unreachable {name}")), "{:?}", at_once.findings());
    let dead = until(sluice, "two voters left", 3, |check| check.seen()["voters"]["left"] == 2).expect(3);
    let voters = &dead.seen()["voters"];
    assert_eq!((&voters["total"], &voters["majority"]), (&json!(3), &json!(2)));
    assert_eq!(unreached(&dead, &name), "refused");
    // The same in the words an operator reads.
    let said = sluice.run(&["run", "health-check", "-i", "cluster=nats-staging"]).expect_code(3);
    let words = format!("{}{}", said.stdout, said.stderr);
    for part in [name.as_str(), "2 of 3"] {
        assert!(words.contains(part), "`{part}` is not in:\n{words}");
    }
    lab.fault(Fault::Start { node: name }).await.unwrap();
    until(sluice, "well after a kill", 3, |check| check.done.code == Some(0));
}

/// The stream's leader is frozen: its connections stay and it answers nothing.
async fn frozen(lab: &Lab, sluice: &Sluice) {
    let name = text(&check(sluice, &[]).expect(0).seen()["streams"][0]["group"]["leader"]);
    lab.fault(Fault::Freeze { node: name.clone() }).await.unwrap();
    let frozen = check(sluice, &[]).expect(3);
    assert!(frozen.has(&format!("unknown node_unreachable {name}")), "{:?}", frozen.findings());
    assert_eq!(unreached(&frozen, &name), "timeout");
    assert!(frozen.done.took < Duration::from_secs(30), "{:?}", frozen.done.took);
    let silent = until(sluice, "a new leader calls it silent", 3, |check| check.has("critical replica_"));
    assert!(silent.expect(3).has(&format!("unknown node_unreachable {name}")));
    lab.fault(Fault::Thaw { node: name }).await.unwrap();
    until(sluice, "well after a freeze", 3, |check| check.done.code == Some(0));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Why a node did not answer.
fn unreached(check: &Check, name: &str) -> Value {
    let nodes = check.seen()["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).unwrap()["unreached"]["kind"].clone()
}

#[tokio::test]
async fn replaced_under_its_name_and_under_a_new_one() {
    let lab = lab().await;
    let sluice = Sluice::on(&lab);
    lab.load(Load { rate: 5_000, size: 12_000, count: Some(MESSAGES), no_consume: true }).await.unwrap();
    until(&sluice, "well with data", 3, |check| check.done.code == Some(0));
    // A fast machine may fill the store between two looks; then nothing was proved, and it is done again.
    let mut lied = 0;
    for _ in 0..3 {
        lied += replaced_slowly(&lab, &sluice).await;
        if lied > 0 {
            break;
        }
    }
    assert!(lied > 0, "the leader never called it current before the data was there");

    lab.fault(Fault::Replace { node: node(1), new_name: true, boot_delay: None }).await.unwrap();
    let name = lab.plan().node_name(1);
    let ghost = until(&sluice, "haunted", 3, |check| check.has("ghost_peer") && check.has("wrong_server_name"));
    assert!(ghost.expect(3).has(&format!("critical wrong_server_name {name}")));
    no_run_is_running(&sluice);
    lab.down().unwrap();
}

/// Enough that a slow replica needs many looks to be filled.
const MESSAGES: u64 = 6_000;

/// The new server is empty, slow, and called current and healthy long before it has the data. How often that was seen.
async fn replaced_slowly(lab: &Lab, sluice: &Sluice) -> u32 {
    lab.fault(Fault::Slow { node: node(2), duty: 0.03 }).await.unwrap();
    lab.fault(Fault::Replace { node: node(2), new_name: false, boot_delay: None }).await.unwrap();
    let began = Instant::now();
    let stored = async || in_status(&lab.status().await.unwrap(), 2)["stream"]["last_seq"].as_u64().unwrap_or(0);
    while stored().await == 0 {
        assert!(began.elapsed() < PATIENCE, "the new server holds nothing");
    }
    // From here on the node answers, is a peer, and fills.
    let (mut lied, mut checks) = (0, 0);
    loop {
        let check = check(sluice, &[]);
        checks += 1;
        let held = stored().await;
        if check.done.code == Some(0) {
            assert_eq!(held, MESSAGES, "called healthy before the data was there");
            break;
        }
        lied += u32::from(called_current_and_behind(&check.expect(3)));
        assert!(began.elapsed() < PATIENCE, "it did not get well; it holds {held} of {MESSAGES}");
        if held == MESSAGES {
            lab.fault(Fault::Thaw { node: node(2) }).await.unwrap();
        }
    }
    eprintln!(
        "{checks} checks of a slow replica over {:?}; in {lied} its leader called it current too early",
        began.elapsed()
    );
    lab.fault(Fault::Thaw { node: node(2) }).await.unwrap();
    lab.wait_healthy(PATIENCE).await.unwrap();
    lied
}

/// Whether some replica of the stream was `current` in its leader's words, with less in its own store.
fn called_current_and_behind(check: &Check) -> bool {
    let replicas = check.seen()["streams"][0]["group"]["replicas"].as_array().into_iter().flatten();
    let behind = |replica: &Value| replica["current"] == true && replica["state"] == "behind";
    replicas.filter(|replica| behind(replica)).count() > 0
}
