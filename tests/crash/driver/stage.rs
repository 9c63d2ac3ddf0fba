//! One lab with traffic on it, and one story after the other: a node is replaced, the process is killed, another one takes
//! the run up, and the lab's record says what happened. Nothing that the product says of itself is believed alone.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_lab::{Audit, Fault, Lab, Load, Options, Termination};
use tokio::process::Command;

use super::book::{Book, REPLACE};
use super::desk::{Desk, Programs};
use super::point::{Appends, Point, Side, read};
use super::terminal::{Ended, Terminal};
use super::{Because, Outcome};

const HEALTHY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Nobody goes on with a run for ever that a gate stops.
const MOST_STOPS: usize = 6;
const AUDITED_WITHIN: Duration = Duration::from_secs(120);
const CALL: &str = "TerminateInstanceInAutoScalingGroup";

pub(crate) struct Stage {
    lab: Lab,
    desk: Desk,
    book: Book,
    /// The runbook's path.
    path: String,
}

/// A story with a good end.
pub(crate) struct Told {
    /// The process was killed; else its end came before the point.
    pub(crate) killed: bool,
    /// How old the process was then.
    pub(crate) age: Duration,
    /// How often a person was asked, by all processes.
    pub(crate) questions: usize,
    /// How often a gate stopped the run, which was gone on with: a busy machine's nodes answer late.
    pub(crate) stops: usize,
    /// The first run left nothing, and another one was started.
    pub(crate) anew: bool,
    pub(crate) took: Duration,
    /// Acknowledged messages so far, all of them there.
    pub(crate) messages: u64,
}

/// What was before a story.
struct Before {
    instance: String,
    terminations: usize,
    calls: usize,
    run: Option<String>,
}

impl Stage {
    /// A lab with `rate` messages a second, and this runbook beside it.
    pub(crate) async fn up(programs: Programs, book: Book, rate: u32) -> Outcome<Self> {
        let options = Options { with_system_creds: true, ..Options::default() };
        let lab = Lab::up(options).await.because("lab")?;
        lab.wait_healthy(HEALTHY_WITHIN).await.because("lab")?;
        lab.load(Load { rate, ..Load::steady() }).await.because("load")?;
        let desk = Desk::beside(&lab, programs).await?;
        let path = desk.file("killed.yaml", &book.text)?.display().to_string();
        // Where it is looked for before the shipped one.
        book.called.as_ref().map(|text| desk.file(&format!("{REPLACE}.yaml"), text)).transpose()?;
        Ok(Self { lab, desk, book, path })
    }

    pub(crate) fn name(&self) -> &str {
        &self.lab.plan().name
    }

    pub(crate) fn down(self) -> Outcome {
        self.lab.down().because("lab")
    }

    /// The appends of a run that nobody kills.
    #[allow(dead_code, reason = "the tests know their points")]
    pub(crate) async fn appends(&self, node: u8) -> Outcome<Appends> {
        let file = self.desk.path("appends");
        let before = self.before(node).await?;
        for _ in 0..MOST_STOPS {
            let _ = std::fs::remove_file(&file);
            let dying = &self.desk.programs.dying;
            let mut command = self.started(dying, node);
            command.env("APPENDS_TO", &file);
            let ended = Terminal::start(command)?.end(&self.typed(node)).await?;
            if was_stopped(&ended) {
                // It has not all the events.
                self.ended_for_good().await?;
                continue;
            }
            self.judged(node, &before, &ended.expect_done("run")?, false, false).await?;
            return std::fs::read_to_string(&file).map(|text| read(&text)).because(file.display());
        }
        Err(format!("{MOST_STOPS} runs that nobody killed were stopped by a gate: the machine is too busy"))
    }

    async fn ended_for_good(&self) -> Outcome {
        let output = self.desk.output(&["cancel", "last", "--because", "another one is begun"]).await?;
        match output.status.code() {
            Some(0 | 5) => Ok(()),
            _ => Err(format!("cancel: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// One node is replaced, and the process killed at this point.
    pub(crate) async fn play(&self, point: &Point, node: u8) -> Outcome<Told> {
        let began = Instant::now();
        let before = self.before(node).await?;
        let died = self.killed(point, node, &before).await?;
        let killed = died.was_killed();
        if !killed && died.status.code() != Some(0) {
            return Err(format!("it ended before it was killed: {}\n{}", died.status, died.said));
        }
        if killed && let Point::Answering { side, .. } = point {
            self.waits_for(if *side == Side::Before { "confirm" } else { "resume" }).await?;
        }
        let (ended, anew) = if killed { self.taken_up(node, &before, died).await? } else { (died, false) };
        let told = self.judged(node, &before, &ended, killed, anew).await?;
        Ok(Told { took: began.elapsed(), age: told.age, ..told })
    }

    async fn before(&self, node: u8) -> Outcome<Before> {
        self.lab.wait_healthy(HEALTHY_WITHIN).await.because("the cluster before the story")?;
        Ok(Before {
            instance: self.instance(node).await?,
            terminations: self.lab.terminations().await.because("terminations")?.len(),
            calls: self.lab.calls_of(CALL).await.because("calls")?.len(),
            run: self.newest().await?.map(|(run, _)| run),
        })
    }

    /// The name of an append of node 1, with this node instead: items of loops are named after nodes.
    fn of_node(&self, append: &str, node: u8) -> String {
        append.replace(&format!("[{}]", self.typed(1)), &format!("[{}]", self.typed(node)))
    }

    fn typed(&self, node: u8) -> String {
        self.lab.plan().node_name(node)
    }

    async fn instance(&self, node: u8) -> Outcome<String> {
        let name = self.typed(node);
        let instances = self.lab.instances().await.because("instances")?;
        instances.get(&name).cloned().ok_or_else(|| format!("{name} has no instance"))
    }

    /// The run that was started last, and how it stands.
    async fn newest(&self) -> Outcome<Option<(String, String)>> {
        let runs = self.desk.json(&["runs", "--json"]).await?;
        let text = |value: &Value, part: &str| value.get(part).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(runs.get(0).map(|run| (text(run, "run"), text(run, "status"))))
    }

    /// Whoever asks what waits for a person is told what this run wants.
    async fn waits_for(&self, verb: &str) -> Outcome {
        let inbox = self.desk.json(&["inbox", "--json"]).await?;
        let wants = inbox.pointer("/0/wants").and_then(Value::as_str);
        if wants == Some(verb) { Ok(()) } else { Err(format!("it does not want {verb}: {inbox:#}")) }
    }

    /// The command that begins a run.
    fn started(&self, program: &Path, node: u8) -> Command {
        let run = self.run_of(node);
        self.desk.command(program, &run.each_ref().map(String::as_str))
    }

    fn run_of(&self, node: u8) -> [String; 6] {
        let cluster = format!("cluster={}", self.lab.plan().options.cluster);
        let node = self.book.input(&self.typed(node));
        ["run".to_owned(), self.path.clone(), "-i".to_owned(), cluster, "-i".to_owned(), node]
    }

    /// The process that dies, to its end.
    async fn killed(&self, point: &Point, node: u8, before: &Before) -> Outcome<Ended> {
        let dying = &self.desk.programs.dying;
        let mut command = match point {
            Point::Answering { .. } => {
                self.parked(node).await?;
                self.desk.command(dying, &["confirm", "last"])
            }
            Point::Append { .. } | Point::Called => self.started(dying, node),
        };
        if let Some((name, value)) = point.variable() {
            command.env(name, self.of_node(value, node));
        }
        if *point == Point::Called {
            let fault = Fault::AwsTimeoutAfter { operation: CALL.to_owned(), times: 1, cut: false };
            self.lab.fault(fault).await.because("fault")?;
        }
        self.carried(command, dying, Some(point), node, before).await
    }

    /// A command to its end, and on for as long as only a gate stops it; by this program, which dies at the same point.
    async fn carried(
        &self,
        mut command: Command,
        program: &Path,
        point: Option<&Point>,
        node: u8,
        before: &Before,
    ) -> Outcome<Ended> {
        let (mut questions, mut stops) = (0, 0);
        loop {
            let terminal = Terminal::start(command)?;
            let ended = self.one(terminal, point, node, before).await?;
            questions += ended.questions;
            if !was_stopped(&ended) || stops == MOST_STOPS {
                return Ok(Ended { questions, stops, ..ended });
            }
            stops += 1;
            self.lab.wait_healthy(HEALTHY_WITHIN).await.because("the cluster after a gate stopped the run")?;
            let (run, _) = self.newest().await?.ok_or("no run is left")?;
            command = self.desk.command(program, &["resume", &run]);
            if let Some((name, value)) = point.and_then(Point::variable) {
                command.env(name, self.of_node(value, node));
            }
        }
    }

    async fn one(&self, mut terminal: Terminal, point: Option<&Point>, node: u8, before: &Before) -> Outcome<Ended> {
        let typed = self.typed(node);
        if point != Some(&Point::Called) {
            return terminal.end(&typed).await;
        }
        tokio::select! {
            ended = terminal.end(&typed) => return ended,
            done = self.called(before) => done?,
        }
        terminal.kill()?;
        terminal.end(&typed).await
    }

    /// A run started where nobody can answer.
    async fn parked(&self, node: u8) -> Outcome {
        let output = self.desk.output(&self.run_of(node).each_ref().map(String::as_str)).await?;
        match output.status.code() {
            Some(7) => Ok(()),
            _ => Err(format!("it did not park: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Returns when AWS has done what it was asked.
    async fn called(&self, before: &Before) -> Outcome {
        while self.lab.terminations().await.because("terminations")?.len() == before.terminations {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// The product as shipped brings the run to its end, or starts one where the first left nothing.
    async fn taken_up(&self, node: u8, before: &Before, died: Ended) -> Outcome<(Ended, bool)> {
        let left = self.newest().await?.filter(|(run, _)| before.run.as_ref() != Some(run));
        let shipped = &self.desk.programs.shipped;
        let command = match &left {
            Some((_, status)) if status == "done" => return Ok((died, false)),
            Some((run, _)) => self.desk.command(shipped, &["resume", run]),
            None => self.started(shipped, node),
        };
        let what = if left.is_some() { "resume" } else { "run" };
        let ended = self.carried(command, shipped, None, node, before).await?.expect_done(what)?;
        let (questions, stops) = (died.questions + ended.questions, died.stops + ended.stops);
        Ok((Ended { questions, stops, took: died.took, ..ended }, left.is_none()))
    }

    /// What the lab recorded, and what the product says of the run.
    async fn judged(&self, node: u8, before: &Before, ended: &Ended, killed: bool, anew: bool) -> Outcome<Told> {
        self.one_termination(before).await.map_err(|error| format!("{error}\n{}", ended.said))?;
        let now = self.instance(node).await?;
        if now == before.instance {
            return Err(format!("{now} was ended and is still there"));
        }
        let (run, status) = self.newest().await?.ok_or("no run is left")?;
        if status != "done" {
            return Err(format!("run {run} is {status}\n{}", ended.said));
        }
        self.evidence(&run).await?;
        let audit = self.audit().await?;
        if audit.lost > 0 {
            return Err(format!("{} acknowledged messages are lost: {:?}", audit.lost, audit.first_lost));
        }
        let Ended { questions, stops, took, .. } = *ended;
        Ok(Told { killed, age: took, questions, stops, anew, took, messages: audit.there })
    }

    /// A cluster that is busy, or elects, cannot be read for a while; that says nothing of what is in it.
    async fn audit(&self) -> Outcome<Audit> {
        let until = Instant::now() + AUDITED_WITHIN;
        loop {
            match self.lab.audit().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(LOOK_EVERY).await,
                audit => return audit.because("audit"),
            }
        }
    }

    /// Exactly one request, accepted, of the instance that was there first, and safe.
    async fn one_termination(&self, before: &Before) -> Outcome {
        let calls = self.lab.calls_of(CALL).await.because("calls")?.len() - before.calls;
        let mut ended = self.lab.terminations().await.because("terminations")?.split_off(before.terminations);
        let of = |one: &Termination| format!("{} by {}", one.verdict.instance, one.call.operation);
        let all = ended.iter().map(of).collect::<Vec<_>>().join(", ");
        let Some(one) = ended.pop().filter(|_| ended.is_empty() && calls == 1) else {
            return Err(format!("not exactly one termination: {calls} requests, ended: [{all}]"));
        };
        if one.verdict.instance != before.instance || one.call.operation != CALL {
            return Err(format!("{all}, and {} was to be ended", before.instance));
        }
        if !one.verdict.safe {
            return Err(format!("the referee said unsafe: {}", one.verdict.why.join("; ")));
        }
        Ok(())
    }

    async fn evidence(&self, run: &str) -> Outcome {
        let file = self.desk.path(&format!("{run}.ndjson"));
        let file = file.to_str().ok_or("the folder's name is no text")?;
        self.desk.run(&["export", run, "-o", file]).await?;
        self.desk.run(&["verify", file, "--run", run]).await?;
        self.desk.run(&["replay", file]).await?;
        Ok(())
    }
}

/// By a gate: it is open, and `resume` judges anew.
fn was_stopped(ended: &Ended) -> bool {
    ended.status.code() == Some(3)
}
