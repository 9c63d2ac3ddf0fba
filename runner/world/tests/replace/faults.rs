//! The table of faults: what may go wrong around a replacement, and for each what comes of it: exit code, words, what was
//! done and what is left. `BLESS=1` writes `faults.txt` anew, for people to read.
//!
//! In none of the rows is an instance ended that is not the one a person said yes to, or more than one, or at a moment at
//! which in truth it was not safe.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sluice_store::MemoryStore;
use sluice_world::{AwsFault, AwsTrouble, BootLine, Fault};

use super::{At, OTHER, Scene, Story, TARGET, TERMINATE, bench};
use crate::books::Bench;

const HOUR: Duration = Duration::from_secs(3_600);

/// What has to come of it.
struct Expect {
    exit: u8,
    /// Each stands somewhere in the report.
    words: &'static [&'static str],
    /// Instances ended.
    ended: usize,
    left: &'static str,
}

const fn expect(exit: u8, words: &'static [&'static str], ended: usize, left: &'static str) -> Expect {
    Expect { exit, words, ended, left }
}

/// The rows that were checked, as text.
struct Table {
    bench: Bench,
    text: String,
    wrong: Vec<String>,
}

impl Table {
    async fn check(&mut self, what: &str, faults: Vec<(At, Fault)>, expect: Expect) {
        let store = Arc::new(MemoryStore::default());
        self.told(what, store, faults, &expect).await;
    }

    /// The same, and afterwards AWS is well again, and another process goes on to the end.
    async fn resumed(&mut self, what: &str, faults: Vec<(At, Fault)>, expect: Expect) {
        let store = Arc::new(MemoryStore::default());
        let old = self.told(what, store.clone(), faults, &expect).await;
        if expect.exit == 0 {
            return;
        }
        let story = Box::pin(super::resume(&self.bench, store, &old)).await;
        self.row_of(&format!("{what}; then it is resumed"), &story, &self::expect(0, &[], 1, DONE));
    }

    /// Which instance there was at the start.
    async fn told(&mut self, what: &str, store: Arc<MemoryStore>, faults: Vec<(At, Fault)>, expect: &Expect) -> String {
        let bench = &self.bench;
        // In a box: a run is large, and a test has many.
        let telling = Box::pin(async move {
            let mut scene = Scene::over(bench, store);
            for (at, faults) in grouped(faults) {
                scene = scene.with(at, faults).await;
            }
            scene.told().await
        });
        let story = telling.await;
        self.row_of(what, &story, expect);
        story.old
    }

    async fn lock_broken(&mut self) {
        let story = Box::pin(Scene::new(&self.bench).lock_broken().told()).await;
        let expect = expect(1, &["lock"], 0, "open, lock free");
        self.row_of("somebody breaks the lock while the question waits", &story, &expect);
    }

    fn row_of(&mut self, what: &str, story: &Story, expect: &Expect) {
        let left = left(story);
        let (said, ended) = (story.words.join("\n"), story.terminations.len());
        let mut wrong = Vec::new();
        if (story.exit, ended, left.as_str()) != (expect.exit, expect.ended, expect.left) {
            wrong.push(format!("exit {}, {ended} ended, {left}", story.exit));
        }
        wrong.extend(expect.words.iter().filter(|word| !said.contains(**word)).map(|word| format!("no `{word}`")));
        wrong.extend(story.unsafe_.iter().map(|why| format!("not safe: {why}")));
        if !wrong.is_empty() {
            self.wrong.push(format!("{what}: {}\n{said}\n", wrong.join(", ")));
        }
        self.row(what, story, &left);
    }

    fn row(&mut self, what: &str, story: &Story, left: &str) {
        let Story { exit, requests, asked, took, terminations, verdict, .. } = story;
        let verdict = verdict.as_ref().map(|verdict| format!("; {verdict}")).unwrap_or_default();
        let ended = terminations.len();
        let minutes = took.as_secs() / 60;
        let _ = writeln!(
            self.text,
            "{what}\n    exit {exit}{verdict}; {left}; {requests} requests, {ended} ended; asked {asked} times; {minutes} min"
        );
        for words in &story.words {
            let _ = writeln!(self.text, "    | {}", first(words));
        }
    }
}

/// The first words, without what is another number in every world.
fn first(words: &str) -> String {
    const SHOWN: usize = 150;
    let line = words.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(SHOWN).collect();
    if line.chars().count() > SHOWN { format!("{cut} ...") } else { cut }
}

fn left(story: &Story) -> String {
    let lock = if story.lock_held { "lock kept" } else { "lock free" };
    format!("{}, {lock}", story.left)
}

/// What happens at one time, together; what waits for the end of an instance first, since it begins the world anew.
fn grouped(faults: Vec<(At, Fault)>) -> Vec<(At, Vec<Fault>)> {
    let mut groups: Vec<(At, Vec<Fault>)> = Vec::new();
    for (at, fault) in faults {
        match groups.iter_mut().find(|(known, _)| *known == at) {
            Some((_, group)) => group.push(fault),
            None => groups.push((at, vec![fault])),
        }
    }
    groups
}

fn target() -> String {
    TARGET.to_owned()
}

fn other() -> String {
    OTHER.to_owned()
}

fn aws(how: AwsTrouble, operation: Option<&str>, times: u32) -> Fault {
    Fault::Aws(AwsFault { operation: operation.map(str::to_owned), how, times })
}

fn expired() -> Fault {
    aws(AwsTrouble::Expired, None, u32::MAX)
}

const DONE: &str = "done, lock free";
const OPEN: &str = "stopped, open, lock kept";
const FAILED: &str = "failed, lock free";
const REFUSED: &str = "not confirmed, lock free";

async fn of_the_cluster(table: &mut Table) {
    use At::{Asked, Before, Yes};
    let kill = || Fault::Kill { node: other() };
    table.check("nothing", vec![], expect(0, &[], 1, DONE)).await;
    table
        .check(
            "a second node is down before",
            vec![(Before(30), kill())],
            expect(3, &["replicas: ", "silent: connection refused"], 0, OPEN),
        )
        .await;
    table
        .check(
            "a second node is frozen before",
            vec![(Before(30), Fault::Freeze { node: other() })],
            expect(3, &["replicas: ", "silent: no answer in time"], 0, OPEN),
        )
        .await;
    table
        .check(
            "a second node goes down while the question waits",
            vec![(Asked(60), kill())],
            expect(3, &["the yes counts no more", "voters left"], 0, OPEN),
        )
        .await;
    table
        .check(
            "a second node goes down two seconds after the yes",
            vec![(Yes(2_000), kill())],
            expect(3, &["the yes counts no more", "nats-staging-node-3: silent"], 0, OPEN),
        )
        .await;
    table
        .check(
            "the leader will not move",
            vec![(Before(1), Fault::KeepsLeading { node: target() })],
            expect(0, &[], 1, DONE),
        )
        .await;
    let alone = Fault::OneReplica { stream: "pivot_main".into(), node: target() };
    table
        .check(
            "a stream at one replica, on the node",
            vec![(Before(1), alone)],
            expect(3, &["no other node than nats-staging-node-2 holds it"], 0, OPEN),
        )
        .await;
    table
        .check(
            "an impostor answers for another node",
            vec![(Before(30), Fault::Impostor { node: other() })],
            expect(3, &["has no route to the server that answers there"], 0, OPEN),
        )
        .await;
    table
        .check(
            "an impostor takes over from another node while the question waits",
            vec![(Asked(60), Fault::Impostor { node: other() })],
            expect(3, &["the yes counts no more", "has no route to the server that answers there"], 0, OPEN),
        )
        .await;
    table
        .check(
            "the meta group counts a ghost",
            vec![(Before(1), Fault::GhostPeer { server: "old".into() })],
            expect(3, &["old"], 0, OPEN),
        )
        .await;
}

async fn of_the_replacement(table: &mut Table) {
    use At::{Before, Ended};
    let says = |says: BootLine| vec![(Before(1), Fault::BootSays { node: target(), says })];
    let stale = |time: Duration| vec![(Before(1), Fault::StaleName { node: target(), time })];
    table
        .check(
            "the replacement never boots",
            vec![(Before(1), Fault::NeverBoots { node: target() })],
            expect(3, &["data_back: no progress for 15m", "silent: connection refused"], 1, OPEN),
        )
        .await;
    let named = Fault::BootsAs { node: target(), server: "ip-10-0-1-7".into() };
    table
        .check(
            "it boots under another name",
            vec![(Before(1), named)],
            expect(3, &["data_back: ", "ip-10-0-1-7"], 1, OPEN),
        )
        .await;
    table
        .check(
            "it boots under an address that its name never leads to",
            stale(HOUR * 24),
            expect(3, &["data_back: no progress for 15m", "silent: no answer in time"], 1, OPEN),
        )
        .await;
    table.check("DNS is stale for five minutes", stale(Duration::from_secs(300)), expect(0, &[], 1, DONE)).await;
    table
        .check(
            "the NVMe is not mounted",
            vec![(Before(1), Fault::NoDisk { node: target() })],
            expect(3, &["JetStream is switched off on it"], 1, OPEN),
        )
        .await;
    table
        .check("its start says that it failed", says(BootLine::Failed), expect(3, &["boot: ", "FAILED"], 1, OPEN))
        .await;
    table.check("its start says nothing", says(BootLine::Missing), expect(3, &["boot: ", "no line of"], 1, OPEN)).await;
    table.check("its start says nothing clear", says(BootLine::Unclear), expect(3, &["boot: "], 1, OPEN)).await;
    let silent = || Fault::NoEvents { node: target() };
    table
        .check("Axiom is silent before", vec![(Before(200), silent())], expect(3, &["events_before: "], 0, OPEN))
        .await;
    table
        .check("Axiom is silent after", vec![(Ended(5), silent())], expect(3, &["events: ", "no event of"], 1, OPEN))
        .await;
    table
        .check(
            "Axiom answers nobody before",
            vec![(Before(1), Fault::AxiomDown)],
            expect(3, &["events_before: "], 0, OPEN),
        )
        .await;
    table
        .check("Axiom answers nobody after", vec![(Ended(5), Fault::AxiomDown)], expect(3, &["events: "], 1, OPEN))
        .await;
}

async fn of_aws(table: &mut Table) {
    use At::{Before, Begun, Ended, Yes};
    let act = |how: AwsTrouble| vec![(Before(1), aws(how, Some(TERMINATE), 1))];
    table.check("AWS throttles the act", act(AwsTrouble::Throttled), expect(0, &["throttles"], 1, DONE)).await;
    table
        .check(
            "AWS answers the act with HTTP 500 and a web page",
            act(AwsTrouble::ServerError),
            expect(0, &["not done"], 1, DONE),
        )
        .await;
    table.check("AWS does not answer the act", act(AwsTrouble::Down), expect(0, &["not done"], 1, DONE)).await;
    table
        .check(
            "AWS accepts the act and the answer is lost",
            act(AwsTrouble::AnswerLost),
            expect(0, &["looked for: done"], 1, DONE),
        )
        .await;
    table.check("AWS refuses the act", act(AwsTrouble::Denied), expect(1, &["may not"], 0, FAILED)).await;
    let groups = "autoscaling:DescribeAutoScalingGroups";
    for (what, how) in
        [("throttles", AwsTrouble::Throttled), ("answers with HTTP 500 and a web page", AwsTrouble::ServerError)]
    {
        table
            .check(
                &format!("AWS {what} for a moment after the yes"),
                vec![(Yes(100), aws(how, Some(groups), 3))],
                expect(0, &[], 1, DONE),
            )
            .await;
    }
    table
        .check(
            "the credentials have expired before it begins",
            vec![(Before(1), expired())],
            expect(1, &["instance: ", "aws sso login"], 0, FAILED),
        )
        .await;
    table
        .check(
            "they have expired before it begins, and somebody logs in after five minutes",
            vec![(Before(1), expired()), (Begun(300), Fault::AwsWell)],
            expect(0, &[], 1, DONE),
        )
        .await;
    table
        .resumed(
            "the credentials expire right after the yes",
            vec![(Yes(100), expired())],
            expect(3, &["the yes counts no more", "aws sso login"], 0, OPEN),
        )
        .await;
    table
        .check(
            "they expire right after the yes, and somebody logs in",
            vec![(Yes(100), expired()), (Yes(20_000), Fault::AwsWell)],
            expect(0, &[], 1, DONE),
        )
        .await;
    table
        .resumed(
            "they expire while the new instance is waited for",
            vec![(Ended(5), expired())],
            expect(3, &["new: ", "aws sso login"], 1, OPEN),
        )
        .await;
    table
        .check(
            "they expire while it is waited for, and somebody logs in after ten minutes",
            vec![(Ended(5), expired()), (Ended(600), Fault::AwsWell)],
            expect(0, &[], 1, DONE),
        )
        .await;
}

/// In each phase of a run somebody has to log in anew, and nobody does until it has ended.
async fn of_credentials(table: &mut Table) {
    use At::{Asked, Before, Binding, Ended};
    let login: &[&str] = &["aws sso login"];
    table
        .check(
            "they expire while it is looked at what would be done",
            vec![(Binding, expired())],
            expect(1, login, 0, FAILED),
        )
        .await;
    table
        .resumed("they expire while the question waits", vec![(Asked(60), expired())], expect(3, login, 0, OPEN))
        .await;
    table
        .check(
            "they expire with the act itself",
            vec![(Before(1), aws(AwsTrouble::Expired, Some(TERMINATE), 1))],
            expect(0, login, 1, DONE),
        )
        .await;
    table
        .resumed(
            "they expire when the answer to the act is lost, and nobody can look for it",
            vec![(Before(1), aws(AwsTrouble::AnswerLost, Some(TERMINATE), 1)), (Ended(1), expired())],
            expect(3, &["new: its time (30m) was over", "aws sso login"], 1, OPEN),
        )
        .await;
    table
        .resumed(
            "they expire while the line of its boot is waited for",
            vec![(Before(1), aws(AwsTrouble::Expired, Some("logs:FilterLogEvents"), u32::MAX))],
            expect(3, &["boot: its time (5m) was over", "aws sso login"], 1, OPEN),
        )
        .await;
}

async fn of_others(table: &mut Table) {
    use At::{Asked, Before, Yes};
    let refresh = |at: At, node: String| vec![(at, Fault::InstanceRefresh { node })];
    // One that cannot end, since nothing launches.
    let stuck = |at: At| {
        vec![(at, Fault::NoCapacity { node: other(), times: 1_000 }), (at, Fault::InstanceRefresh { node: other() })]
    };
    let moving: &[&str] = &["the yes counts no more", "instance refresh"];
    table
        .check(
            "a refresh of another group runs before",
            stuck(Before(1)),
            expect(3, &["idle: ", "instance refresh"], 0, OPEN),
        )
        .await;
    table
        .check(
            "a refresh of another group runs before, and is over soon",
            refresh(Before(1), other()),
            expect(0, &[], 1, DONE),
        )
        .await;
    table
        .check(
            "a refresh of the node's group runs before",
            refresh(Before(1), target()),
            expect(1, &["instance: ", "Terminating"], 0, FAILED),
        )
        .await;
    table
        .check(
            "somebody starts a refresh of another group while the question waits",
            stuck(Asked(5)),
            expect(3, moving, 0, OPEN),
        )
        .await;
    table
        .check(
            "somebody starts a refresh of another group right after the yes",
            stuck(Yes(100)),
            expect(3, moving, 0, OPEN),
        )
        .await;
    table
        .check(
            "somebody refreshes another group while the question waits, and is done soon",
            refresh(Asked(5), other()),
            expect(0, &[], 1, DONE),
        )
        .await;
    table
        .check(
            "somebody starts a refresh of the node's group while the question waits",
            refresh(Asked(5), target()),
            expect(1, moving, 0, FAILED),
        )
        .await;
    let replaced = vec![(Asked(200), Fault::Terminate { node: target() })];
    table
        .check(
            "the group has replaced the node while the question waited",
            replaced,
            expect(1, &["already replaced"], 0, FAILED),
        )
        .await;
    table.lock_broken().await;
}

async fn of_launches(table: &mut Table) {
    use At::{Asked, Before, Ended};
    let suspended = |at: At, node: String| vec![(at, Fault::SuspendProcess { node, process: "Launch".into() })];
    let said: &[&str] = &["Launch is suspended"];
    table.check("Launch is suspended in another group", suspended(Before(1), other()), expect(3, said, 0, OPEN)).await;
    table
        .check("Launch is suspended in the node's group", suspended(Before(1), target()), expect(3, said, 0, OPEN))
        .await;
    let meanwhile: &[&str] = &["the yes counts no more", "Launch is suspended"];
    table
        .check(
            "Launch is suspended while the question waits",
            suspended(Asked(30), target()),
            expect(1, meanwhile, 0, FAILED),
        )
        .await;
    let after = expect(3, &["none will come: Launch is suspended"], 1, OPEN);
    table.check("Launch is suspended right after the end of the instance", suspended(Ended(2), target()), after).await;
}

/// What the machine slept through is looked at anew: a gate whose time is over by then stops the run, which goes on when it
/// is resumed, and a yes is too old.
async fn of_sleep(table: &mut Table) {
    use At::{Asked, Ended, Yes};
    let sleeps = |at: At| vec![(at, Fault::Suspend(HOUR))];
    let over: &[&str] = &["new: its time (30m) was over"];
    table
        .resumed(
            "the machine sleeps an hour while the new instance is waited for",
            sleeps(Ended(10)),
            expect(3, over, 1, OPEN),
        )
        .await;
    table
        .resumed("the machine sleeps an hour while the data comes back", sleeps(Ended(75)), expect(0, &[], 1, DONE))
        .await;
    let old: &[&str] = &["nobody said yes in time, or it is too old"];
    table
        .check("the machine sleeps an hour while the question waits", sleeps(Asked(5)), expect(4, old, 0, REFUSED))
        .await;
    table.check("the machine sleeps an hour right after the yes", sleeps(Yes(100)), expect(4, old, 0, REFUSED)).await;
    let late = expect(3, &["the yes counts no more", "its time (2m) was over"], 0, OPEN);
    table.resumed("the machine sleeps an hour between the yes and the act", sleeps(Yes(5_000)), late).await;
}

#[tokio::test]
async fn every_fault_comes_to_the_end_that_is_written_here() {
    let mut table = Table { bench: bench(), text: String::new(), wrong: Vec::new() };
    of_the_cluster(&mut table).await;
    of_the_replacement(&mut table).await;
    of_aws(&mut table).await;
    of_credentials(&mut table).await;
    of_others(&mut table).await;
    of_launches(&mut table).await;
    of_sleep(&mut table).await;
    let path = format!("{}/tests/replace/faults.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &table.text).unwrap();
    }
    assert!(table.wrong.is_empty(), "{}", table.wrong.join("\n"));
    assert_eq!(table.text, std::fs::read_to_string(&path).unwrap_or_default(), "`BLESS=1` writes {path} anew");
}
