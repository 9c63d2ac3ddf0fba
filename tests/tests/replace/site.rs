//! A lab under load, a user of its own who replaces nodes of it, and what has to be true of it afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_lab::{Lab, Load, Options, Termination};
use tokio::runtime::Runtime;

use crate::common::person::Person;
use crate::common::sluice::{Done, Running, Sluice};

pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// Labs in use; a machine carries two for each core at the daily rate, one at the full.
static SEATS: Seats = Seats { taken: Mutex::new(0), left: Condvar::new() };

struct Seats {
    taken: Mutex<usize>,
    left: Condvar,
}

/// Left when dropped.
struct Seat;

impl Seat {
    fn take() -> Self {
        let cores = thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let all = if is_long() { cores } else { 2 * cores };
        let taken = SEATS.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = SEATS.left.wait_while(taken, |taken| *taken >= all).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *SEATS.taken.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        SEATS.left.notify_one();
    }
}

/// Messages a second, where a scene is not about them: four labs fit on a small machine. When everything is asked for it is
/// as many as everywhere else.
const DAILY_RATE: u32 = 60;

pub(crate) struct Site {
    runtime: Runtime,
    pub(crate) lab: Lab,
    pub(crate) user: Sluice,
    rate: u32,
    /// The instances as they were when the lab was ready.
    pub(crate) first: BTreeMap<String, String>,
    /// After the lab.
    _seat: Seat,
}

impl Site {
    pub(crate) fn new(options: Options) -> Self {
        Self::at(if is_long() { Load::steady().rate } else { DAILY_RATE }, options)
    }

    /// As busy as an operator's cluster, every day.
    pub(crate) fn busy(options: Options) -> Self {
        Self::at(Load::steady().rate, options)
    }

    fn at(rate: u32, options: Options) -> Self {
        let seat = Seat::take();
        let runtime = Runtime::new().unwrap();
        let (lab, first) = runtime.block_on(async {
            let lab = Lab::up(options).await.unwrap();
            lab.wait_healthy(PATIENCE).await.unwrap();
            lab.load(Load { rate, ..Load::steady() }).await.unwrap();
            let first = lab.instances().await.unwrap();
            (lab, first)
        });
        let user = Sluice::on(&lab);
        let site = Self { runtime, lab, user, rate, first, _seat: seat };
        site.until("messages flow", |site| site.ask(site.lab.counts()).delivered > 0);
        site
    }

    /// What the lab answers.
    #[track_caller]
    pub(crate) fn ask<T>(&self, question: impl Future<Output = sluice_lab::Result<T>>) -> T {
        self.runtime.block_on(question).unwrap()
    }

    #[track_caller]
    pub(crate) fn fault(&self, fault: sluice_lab::Fault) {
        self.ask(self.lab.fault(fault));
    }

    /// Where the lab cannot do it now, it says so.
    pub(crate) fn try_fault(&self, fault: sluice_lab::Fault) -> Result<(), String> {
        self.runtime.block_on(self.lab.fault(fault)).map(drop).map_err(|error| error.to_string())
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn name(&self, n: u8) -> String {
        self.lab.plan().node_name(n)
    }

    /// `sluice run replace-node` of this node.
    pub(crate) fn arguments(&self, n: u8) -> Vec<String> {
        let node = format!("node={}", self.name(n));
        ["run", "replace-node", "-i", "cluster=nats-staging", "-i", &node].map(str::to_owned).to_vec()
    }

    /// At a terminal.
    pub(crate) fn at_terminal(&self, n: u8) -> Person {
        Person::starts(&self.user, &words(&self.arguments(n)))
    }

    /// At a terminal, up to the question; what was on the screen until then is the person's to look at.
    #[track_caller]
    pub(crate) fn asked(&self, n: u8) -> Person {
        let mut person = self.at_terminal(n);
        self.sees_question(&mut person, n);
        person
    }

    #[track_caller]
    pub(crate) fn sees_question(&self, person: &mut Person, n: u8) {
        person.sees("destroys, and asks for your yes").sees(&format!("Type {} to say yes", self.name(n))).sees("\n> ");
    }

    /// Without a terminal.
    pub(crate) fn unattended(&self, n: u8) -> Done {
        Running::new(self.user.command(&words(&self.arguments(n)))).end_within(PATIENCE)
    }

    /// The newest run as data.
    #[track_caller]
    pub(crate) fn last(&self) -> Value {
        self.user.run(&["runs", "show", "last", "--json"]).expect_code(0).json()
    }

    pub(crate) fn last_run(&self) -> String {
        self.last()["run"].as_str().unwrap().to_owned()
    }

    pub(crate) fn terminations(&self) -> Vec<Termination> {
        self.ask(self.lab.terminations())
    }

    /// A command at a terminal, where the name of the node is typed when it is asked for.
    #[track_caller]
    pub(crate) fn says_yes(&self, arguments: &[&str], n: u8) -> Person {
        let mut person = Person::starts(&self.user, arguments);
        self.sees_question(&mut person, n);
        person.types(&format!("{}\n", self.name(n)));
        person
    }

    /// Nobody asked AWS for a termination, and no instance was lost to anybody.
    #[track_caller]
    pub(crate) fn nothing_ended(&self) {
        let asked = self.ask(self.lab.calls_of("TerminateInstanceInAutoScalingGroup"));
        assert!(asked.is_empty(), "{asked:#?}");
        assert_eq!(self.ask(self.lab.instances()), self.first);
    }

    /// Each of these nodes lost the instance it had at first, at once and safely, and no other call was accepted; the
    /// cluster is whole, and holds every acknowledged message.
    #[track_caller]
    pub(crate) fn ended(&self, nodes: &[u8]) {
        let done = self.terminations();
        let instance = |termination: &Termination| text(&termination.call.params["InstanceId"]);
        let ended: Vec<String> = done.iter().map(instance).collect();
        let wanted: Vec<&String> = nodes.iter().map(|n| &self.first[&self.name(*n)]).collect();
        assert_eq!(ended.iter().collect::<Vec<_>>(), wanted, "{done:#?}");
        for termination in &done {
            assert!(termination.verdict.safe, "{termination:#?}");
            assert_eq!(text(&termination.call.params["ShouldDecrementDesiredCapacity"]), "false", "{termination:#?}");
        }
        let asked = self.ask(self.lab.calls_of("TerminateInstanceInAutoScalingGroup"));
        assert_eq!(asked.len(), nodes.len(), "{asked:#?}");
        self.whole();
    }

    /// Three healthy nodes with all the data, and no acknowledged message is missing.
    #[track_caller]
    pub(crate) fn whole(&self) {
        self.ask(self.lab.wait_healthy(PATIENCE));
        // Some scenes are over before there is much to lose.
        self.until("more than a hundred messages were acknowledged", |site| site.ask(site.lab.counts()).acked > 100);
        self.ask(self.lab.load(Load::stop()));
        let audit = self.ask(self.lab.audit());
        assert!(audit.lost == 0 && audit.there == audit.counts.acked && audit.there > 100, "{audit:#?}");
        eprintln!("{} of {} messages there", audit.there, audit.counts.acked);
        self.ask(self.lab.load(Load { rate: self.rate, ..Load::steady() }));
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(crate) fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// All that was said stands there.
#[track_caller]
pub(crate) fn says(shown: &str, parts: &[&str]) {
    // Lines are broken where the screen ends.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let whole = flat(shown);
    for part in parts {
        assert!(whole.contains(&flat(part)), "`{part}` is not in:\n{shown}");
    }
}

/// Asked for by itself: what takes too long for every day.
pub(crate) fn is_long() -> bool {
    std::env::var("SLUICE_LONG").is_ok_and(|long| long == "1")
}

/// A scene, by name.
pub(crate) type Scene = (&'static str, fn());

/// Plays scenes beside each other, each on a lab of its own, as far as there are seats; `rest` when that is asked for.
pub(crate) fn side_by_side(daily: &[Scene], rest: &[Scene]) {
    let scenes = daily.iter().chain(if is_long() { rest } else { &[] });
    let failed = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for (name, play) in scenes {
            let failed = failed.clone();
            scope.spawn(move || {
                let began = Instant::now();
                let ended = std::panic::catch_unwind(play);
                eprintln!(
                    "{name}: {} after {:?}",
                    if ended.is_ok() { "as it should" } else { "FAILED" },
                    began.elapsed()
                );
                if ended.is_err() {
                    failed.lock().unwrap().push(*name);
                }
            });
        }
    });
    let failed = failed.lock().unwrap();
    assert!(failed.is_empty(), "failed: {failed:?}");
}
