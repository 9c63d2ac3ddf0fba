//! The table of faults on the real lab: what may go wrong around a replacement, and for each what comes of it. By a command
//! of its own, since gates are given their time: `cargo test -p acceptance --test main replace::faults -- --ignored --nocapture`.
//!
//! The simulated world has the same table and more of it, every day (`runner/world/tests/replace/faults.rs`): what no lab
//! can do, as an hour of sleep, is only there.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sluice_lab::{Fault, Line, NoBoot, Options};

use super::site::{PATIENCE, Site, says, text, words};
use crate::common::parameters;
use crate::common::person::Person;
use crate::common::sluice::Sluice;
use crate::driver::book;

/// The node that is replaced, and one that stays.
const TARGET: u8 = 2;
const OTHER: u8 = 3;
const CALL: &str = "TerminateInstanceInAutoScalingGroup";
const LONGEST: Duration = Duration::from_secs(900);

/// When something is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    /// While the first question waits.
    Asked,
    /// Right after the first yes.
    Yes,
    /// When the instance was ended, while the new one is waited for.
    Ended,
}

/// What is done to a lab.
type Deed = fn(&Site);

struct Row {
    name: &'static str,
    deeds: Vec<(At, Deed)>,
    /// How often the name is asked for, and typed.
    asked: usize,
    exit: i32,
    /// Each stands on the screen at the end.
    says: &'static [&'static str],
    requests: usize,
    ended: usize,
    /// The same for `sluice simulate`: values of `--fault`.
    simulated: Option<&'static str>,
    /// How the run stands at the end, and its lock: what a gate stopped keeps it, for itself alone once it has acted.
    left: (&'static str, &'static str),
}

fn row(name: &'static str, deeds: Vec<(At, Deed)>) -> Row {
    let (says, left) = (&["replace-node done"], ("done", "free"));
    Row { name, deeds, asked: 1, exit: 0, says, requests: 1, ended: 1, left, simulated: None }
}

impl Row {
    fn simulated(self, faults: &'static str) -> Self {
        Self { simulated: Some(faults), ..self }
    }

    /// Gates stop it before anybody is asked.
    fn stops_before(self, says: &'static [&'static str]) -> Self {
        Self { asked: 0, exit: 3, says, requests: 0, ended: 0, left: ("stopped", "lapsed"), ..self }
    }

    /// The yes counts no more. Leaders were asked to move by then, which is an act, too.
    fn stops_after_the_yes(self, says: &'static [&'static str]) -> Self {
        Self { exit: 3, says, requests: 0, ended: 0, left: ("stopped", "interrupted"), ..self }
    }

    /// The instance is gone, and gates do not see that all is well.
    fn stops_after_the_act(self, says: &'static [&'static str]) -> Self {
        Self { exit: 3, says, left: ("stopped", "interrupted"), ..self }
    }

    /// The first request did nothing, which is proved or found, and it is asked for anew.
    fn asks_again(self, says: &'static [&'static str]) -> Self {
        Self { asked: 2, requests: 2, says, ..self }
    }

    fn fails(self, asked: usize, says: &'static [&'static str]) -> Self {
        let left = (if asked == 0 { "never begun" } else { "failed" }, "free");
        Self { asked, exit: 1, says, requests: 0, ended: 0, left, ..self }
    }

    /// Without its lock it goes no further, and can be taken up again.
    fn goes_no_further(self, says: &'static [&'static str]) -> Self {
        Self { left: ("interrupted", "free"), ..self.fails(1, says) }
    }
}

fn of_the_cluster() -> Vec<Row> {
    use At::{Asked, Before, Yes};
    let kill: Deed = |site| site.fault(Fault::Kill { node: site.name(OTHER) });
    let freeze: Deed = |site| site.fault(Fault::Freeze { node: site.name(OTHER) });
    let impostor: Deed = |site| site.fault(Fault::Impostor { node: site.name(OTHER), as_other: false });
    let alone: Deed = |site| site.fault(Fault::R1Stream { name: "lonely".into(), node: site.name(TARGET) });
    vec![
        row("nothing", vec![]).simulated(""),
        row("a second node is down before", vec![(Before, kill)])
            .simulated("kill=3")
            .stops_before(&["stopped by gate", "node-3"]),
        row("a second node is frozen before", vec![(Before, freeze)])
            .simulated("freeze=3")
            .stops_before(&["stopped by gate", "node-3"]),
        row("a second node goes down while the question waits", vec![(Asked, kill)])
            .simulated("kill=3@confirm")
            .stops_after_the_yes(&["after the yes", "node-3"]),
        row("a second node goes down right after the yes", vec![(Yes, kill)])
            .simulated("kill=3@yes")
            .stops_after_the_yes(&["after the yes", "node-3"]),
        row("an impostor answers for another node", vec![(Before, impostor)])
            .simulated("impostor=3")
            .stops_before(&["stopped by gate", "node-3"]),
        row("an impostor takes over from another node while the question waits", vec![(Asked, impostor)])
            .simulated("impostor=3@confirm")
            .stops_after_the_yes(&["after the yes", "node-3"]),
        row("a stream at one replica, on the node", vec![(Before, alone)])
            .simulated("one-replica=2,pivot_main")
            .stops_before(&["lonely", "no other node than"]),
    ]
}

fn of_the_replacement() -> Vec<Row> {
    use At::{Before, Ended};
    let never: Deed = |site| site.fault(Fault::NeverBoots { node: site.name(TARGET), how: NoBoot::Silence });
    let stranger: Deed = |site| site.fault(boots_as(site, Some("stranger"), None));
    let elsewhere: Deed = |site| site.fault(boots_as(site, None, None));
    let stale: Deed = |site| site.fault(boots_as(site, None, Some(300.0)));
    let no_disk: Deed = |site| site.fault(Fault::NvmeNotMounted { node: site.name(TARGET), runs: false });
    let diskless: Deed = |site| site.fault(Fault::NvmeNotMounted { node: site.name(TARGET), runs: true });
    let missing: Deed = |site| site.fault(boot_line(site, Line::Missing));
    let failing: Deed = |site| site.fault(boot_line(site, Line::Failing));
    let silent: Deed = |site| site.fault(Fault::AxiomSilent { node: site.name(TARGET) });
    let limited: Deed = |site| site.fault(Fault::Axiom429);
    vec![
        row("the replacement never boots", vec![(Before, never)])
            .simulated("never-boots=2")
            .stops_after_the_act(&["data_back", "no progress"]),
        row("it boots under another name", vec![(Before, stranger)])
            .simulated("boots-as=2,stranger")
            .stops_after_the_act(&["data_back", "stranger"]),
        row("it boots under an address that its name never leads to", vec![(Before, elsewhere)])
            .simulated("stale-name=2,24h")
            .stops_after_the_act(&["data_back", "no progress"]),
        row("DNS is stale for five minutes", vec![(Before, stale)]).simulated("stale-name=2,5m"),
        row("the NVMe is not mounted, and the server does not start", vec![(Before, no_disk)])
            .simulated("never-boots=2")
            .stops_after_the_act(&["data_back", "no progress"]),
        row("the NVMe is not mounted, and the server runs without JetStream", vec![(Before, diskless)])
            .simulated("no-disk=2")
            .stops_after_the_act(&["data_back", "JetStream is switched off on it"]),
        row("the line of its boot is missing", vec![(Before, missing)])
            .simulated("boot-says=2,missing")
            .stops_after_the_act(&["boot", "no line"]),
        row("the line of its boot says that it failed", vec![(Before, failing)])
            .simulated("boot-says=2,failed")
            .stops_after_the_act(&["boot", "FAILED"]),
        row("Axiom is silent after", vec![(Ended, silent)])
            .simulated("no-events=2@act")
            .stops_after_the_act(&["events", "no event of"]),
        row("Axiom refuses everybody before", vec![(Before, limited)])
            .simulated("axiom-down")
            .stops_before(&["events_before", "429"]),
    ]
}

fn of_aws() -> Vec<Row> {
    use At::{Before, Ended};
    let throttled: Deed = |site| site.fault(Fault::AwsThrottle { operation: CALL.into(), times: 1 });
    let error: Deed = |site| {
        let (code, status) = ("InternalFailure".to_owned(), 500);
        site.fault(Fault::AwsError { operation: CALL.into(), times: 1, code, status });
    };
    let html: Deed = |site| site.fault(Fault::AwsHtml { operation: CALL.into(), times: 1 });
    let lost: Deed = |site| site.fault(Fault::AwsTimeoutAfter { operation: CALL.into(), times: 1, cut: false });
    let cut: Deed = |site| site.fault(Fault::AwsTimeoutAfter { operation: CALL.into(), times: 1, cut: true });
    let expired: Deed = |site| site.fault(Fault::AwsExpired);
    vec![
        row("AWS throttles the act", vec![(Before, throttled)])
            .simulated("aws=throttled,autoscaling:TerminateInstanceInAutoScalingGroup,1")
            .asks_again(&["throttles", "replace-node done"]),
        row("AWS answers the act with HTTP 500", vec![(Before, error)])
            .simulated("aws=error,autoscaling:TerminateInstanceInAutoScalingGroup,1")
            .asks_again(&["it did not happen", "replace-node done"]),
        row("AWS answers the act with a page of HTML", vec![(Before, html)])
            .asks_again(&["it did not happen", "replace-node done"]),
        row("AWS accepts the act and never answers", vec![(Before, lost)])
            .simulated("aws=answer-lost,autoscaling:TerminateInstanceInAutoScalingGroup,1"),
        row("AWS accepts the act and cuts the connection", vec![(Before, cut)]),
        row("the credentials have expired before", vec![(Before, expired)])
            .fails(0, &["the lock `cluster/nats-staging` cannot be asked for", "ExpiredToken"]),
        row("the credentials expire while the new instance is waited for", vec![(Ended, expired)])
            .simulated("aws=expired@act")
            .stops_after_the_act(&["new", "aws sso login"]),
    ]
}

fn of_others() -> Vec<Row> {
    use At::{Asked, Before, Ended};
    let refresh: Deed = |site| {
        site.fault(Fault::BootDelay { seconds: 200.0 });
        site.fault(Fault::Refresh { node: site.name(OTHER) });
    };
    let suspend: Deed = |site| site.fault(suspended(site, TARGET));
    let delete_lock: Deed = |site| {
        let entries = parameters::below(&site.lab, "/nats-cluster/nats-staging/sluice/lock");
        assert!(!entries.is_empty(), "the run has no lock");
        entries.iter().for_each(|(name, _)| parameters::delete(&site.lab, name));
    };
    let suspend_other: Deed = |site| site.fault(suspended(site, OTHER));
    vec![
        row("somebody refreshes another group before", vec![(Before, refresh)])
            .simulated("boot-takes=200s refresh=3")
            // As AWS sees it the refresh is over at once; the node is not back yet.
            .stops_before(&["stopped by gate", "node-3"]),
        row("somebody refreshes another group while the question waits", vec![(Asked, refresh)])
            .simulated("boot-takes=200s refresh=3@confirm")
            .stops_after_the_yes(&["after the yes"]),
        row("Launch is suspended in the node's group", vec![(Before, suspend)])
            .simulated("suspend=2,Launch")
            .stops_before(&["stopped by gate idle", "Launch is suspended"]),
        row("Launch is suspended in another group", vec![(Before, suspend_other)])
            .simulated("suspend=3,Launch")
            .stops_before(&["stopped by gate idle", "Launch is suspended"]),
        row("Launch is suspended while the question waits", vec![(Asked, suspend)])
            .simulated("suspend=2,Launch@confirm")
            .fails(1, &["Launch is suspended"]),
        row("somebody deletes the lock while the question waits", vec![(Asked, delete_lock)])
            .goes_no_further(&["the lock `cluster/nats-staging` was taken away"]),
        row("Launch is suspended right after the end of the instance", vec![(Ended, suspend)])
            .simulated("suspend=2,Launch@act")
            .stops_after_the_act(&["Launch is suspended"]),
    ]
}

fn boots_as(site: &Site, name: Option<&str>, found_after: Option<f64>) -> Fault {
    let (node, server_name) = (site.name(TARGET), name.map(str::to_owned));
    Fault::BootsAs { node, server_name, elsewhere: name.is_none(), found_after }
}

fn boot_line(site: &Site, line: Line) -> Fault {
    Fault::BootstrapLine { node: site.name(TARGET), line }
}

fn suspended(site: &Site, n: u8) -> Fault {
    Fault::Suspend { node: site.name(n), process: "Launch".into() }
}

/// What gates wait for is shorter, so that a table takes minutes; what decides before the act is as it ships.
fn shorter() -> String {
    let text = book::shipped(book::REPLACE).and_then(book::shorter).unwrap().text;
    let text = text.replace("within: 30m }", "within: 90s }").replace("within: 5m }", "within: 1m }");
    assert!(text.contains("within: 90s }") && text.contains("within: 1m }"));
    text
}

impl Row {
    /// What stands still for a minute stands still, but where it has to be found only after five.
    fn book(&self) -> String {
        let text = shorter();
        if self.name.starts_with("DNS") { text } else { text.replace("stalled: 15m", "stalled: 1m") }
    }

    fn play(&self) -> String {
        let mut site = Site::new(Options::default());
        // Whatever the environment says, an act is sent once.
        site.user.set("AWS_MAX_ATTEMPTS", "10");
        site.user.file("faulty.yaml", &self.book());
        self.happens(At::Before, &site);
        let arguments = site.arguments(TARGET).into_iter().map(|word| match word.as_str() {
            "replace-node" => "./faulty.yaml".to_owned(),
            _ => word,
        });
        let mut person = Person::starts(&site.user, &words(&arguments.collect::<Vec<_>>()));
        for asked in 0..self.asked {
            site.sees_question(&mut person, TARGET);
            let first = asked == 0;
            if first {
                self.happens(At::Asked, &site);
            }
            person.types(&format!("{}\n", site.name(TARGET)));
            if first {
                person.sees("says yes");
                self.happens(At::Yes, &site);
                self.after_the_act(&site);
            }
        }
        let done = person.end_within(LONGEST).expect_code(self.exit);
        says(&done.stdout, self.says);
        self.judge(&site);
        let left = self.left_as_it_should(&site);
        format!("{}: exit {}, {left}, asked {} times", self.name, self.exit, self.asked)
    }

    fn left_as_it_should(&self, site: &Site) -> String {
        let (left, locks) = (Self::left(site), site.user.run(&["locks", "--json"]).expect_code(0).json());
        let locks: Vec<String> = locks.as_array().unwrap().iter().map(|lock| text(&lock["is"])).collect();
        assert!(locks.len() < 2, "{locks:?}");
        let lock = locks.first().map_or("free", String::as_str);
        assert_eq!((left.as_str(), lock), self.left);
        format!("{left}, lock {lock}")
    }

    /// How the run stands.
    fn left(site: &Site) -> String {
        let shown = site.user.run(&["runs", "show", "last", "--json"]);
        if shown.code == Some(0) { text(&shown.json()["status"]) } else { "never begun".to_owned() }
    }

    fn happens(&self, at: At, site: &Site) {
        self.deeds.iter().filter(|(when, _)| *when == at).for_each(|(_, deed)| deed(site));
    }

    fn after_the_act(&self, site: &Site) {
        if self.deeds.iter().any(|(when, _)| *when == At::Ended) {
            site.until("the instance is ended", |site| !site.terminations().is_empty());
            self.happens(At::Ended, site);
        }
    }

    /// What the cloud has recorded, what the referee said, and with everything taken back no message is missing.
    fn judge(&self, site: &Site) {
        let requests = site.ask(site.lab.calls_of(CALL));
        assert_eq!(requests.len(), self.requests, "{requests:#?}");
        let ended = site.terminations();
        let ours: Vec<_> = ended.iter().filter(|one| one.call.operation == CALL).collect();
        assert_eq!(ours.len(), self.ended, "{ended:#?}");
        for one in ours {
            assert!(one.verdict.safe, "{one:#?}");
            assert_eq!(one.verdict.instance, site.first[&site.name(TARGET)], "{one:#?}");
        }
        site.fault(Fault::Clear);
        site.ask(site.lab.wait_healthy(PATIENCE));
        site.whole();
    }
}

fn check(rows: &[Row]) {
    let told = Mutex::new(String::new());
    thread::scope(|scope| {
        for row in rows {
            let told = &told;
            scope.spawn(move || {
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| row.play()));
                let line = ended.unwrap_or_else(|_| format!("WRONG {}", row.name));
                writeln!(told.lock().unwrap(), "{line}").unwrap();
            });
        }
    });
    let told = told.into_inner().unwrap();
    eprintln!("\n{told}");
    assert!(!told.contains("WRONG"), "{told}");
}

#[test]
#[ignore = "by a command: it takes minutes"]
fn with_the_cluster() {
    check(&of_the_cluster());
}

#[test]
#[ignore = "by a command: it takes minutes"]
fn with_the_replacement() {
    check(&of_the_replacement());
}

#[test]
#[ignore = "by a command: it takes minutes"]
fn with_aws() {
    check(&of_aws());
}

#[test]
#[ignore = "by a command: it takes minutes"]
fn with_other_people() {
    check(&of_others());
}

/// What an operator is told at noon is what the lab does: exit code, what was ended, and the gate that decided.
#[test]
fn a_simulation_says_what_the_lab_does() {
    const GATES: [&str; 8] = ["idle", "replicas", "quorum", "events_before", "new", "data_back", "boot", "events"];
    let home = Sluice::alone();
    home.file("sluice.yaml", INVENTORY);
    let rows = [of_the_cluster(), of_the_replacement(), of_aws(), of_others()].into_iter().flatten();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for row in rows {
        let Some(faults) = row.simulated else { continue };
        let faults = faults.split_whitespace().flat_map(|fault| ["--fault", fault]);
        let words = ["simulate", "replace-node", "-i", "cluster=nats-staging", "-i", "node=node-2", "--json"];
        let done = home.run(&words.into_iter().chain(faults).collect::<Vec<_>>());
        let said = done.json();
        let (ended, decided) = (said["ended"].as_array().unwrap(), said["decided_by"].as_str().unwrap_or_default());
        let words = || row.says.iter().flat_map(|said| said.split_whitespace());
        let gate = GATES.into_iter().find(|gate| row.exit == 3 && words().any(|word| word == *gate));
        let safe = ended.iter().all(|one| one["unsafe_because"].is_null()) && said["messages"]["lost"] == 0;
        tried += 1;
        if done.code != Some(row.exit) || ended.len() != row.ended || gate.is_some_and(|gate| gate != decided) || !safe
        {
            wrong
                .push(format!("{}: {}, and the lab: exit {}, {} ended, {gate:?}", row.name, said, row.exit, row.ended));
        }
    }
    assert!(wrong.is_empty() && tried == 28, "of {tried}:\n{}", wrong.join("\n"));
}

/// As the lab's, as far as it counts here.
const INVENTORY: &str = "\
clusters:
  nats-staging:
    nodes: 3
    aws: { account: \"123456789012\", region: us-east-2 }
    streams: [pivot_main]
";
