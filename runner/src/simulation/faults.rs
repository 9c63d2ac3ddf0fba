//! `--fault kill=2@confirm+5s`: what goes wrong in a simulation, to which node, and when.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_engine::diagnostic::{did_you_mean, visible};
use sluice_engine::journal::{Envelope, Event, Found, Key};
use sluice_engine::machine::path::locate;
use sluice_engine::run::{LockError, Observer, Sample, Watched};
use sluice_engine::runbook::checked::Step;
use sluice_plugin::inventory::{Cluster, Node};
use sluice_plugin::{Problem, Timestamp, format_duration, parse_duration};
use sluice_world::{AwsFault, AwsTrouble, BootLine, Fault, When, World};

use crate::error::{CommandError, Result};
use crate::views::live::{RunView, Watcher};

/// For `--help`.
pub(crate) const AFTER: &str = "\
A fault is NAME[=WHAT][@MOMENT[+TIME]]. WHAT is a node (2, node-2, or its name), with a value behind a comma where one is \
named below. MOMENT is `start` (where none is given: before the run begins), `confirm` (somebody is asked), `yes` (somebody has \
said yes) or `act` (something was destroyed), of the second time `confirm:2`; TIME is so long after it.

  kill, freeze, slow=NODE,PERCENT, cut-off, lose-disk, impostor   the server, its machine, or the way to it
  replace, refresh, suspend=NODE,PROCESS, no-capacity=NODE,TIMES  what others, or AWS, do to its group
  rollout=PAUSE                                                   somebody (Terraform) refreshes all groups, one after
                                                                  another, with this pause when one was successful
  never-boots, boots-as=NODE,NAME, stale-name=NODE,TIME, no-disk  its next instances; boot-takes=TIME all of them
  boot-says=NODE,failed|missing|unclear, no-events                what is logged of it
  start, thaw, reconnect, boots                                   it is well again
  leads-meta, keeps-leading, one-replica=NODE,STREAM, ghost=NAME  who leads and who counts
  aws=HOW[,OPERATION[,TIMES]], aws-well, axiom-down               throttled, down, error, denied, expired, answer-lost;
                                                                  OPERATION as in ec2:DescribeInstances
  sleep=TIME                                                      this machine sleeps; the world goes on";

/// A fault, not yet of any cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// As it was typed, without its moment.
    text: String,
    name: &'static str,
    what: String,
    moment: Moment,
    later: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Start,
    /// The n-th, from 1.
    Confirm(u32),
    Yes(u32),
    Act(u32),
}

const NAMES: &[&str] = &[
    "kill",
    "freeze",
    "slow",
    "cut-off",
    "lose-disk",
    "impostor",
    "replace",
    "refresh",
    "rollout",
    "suspend",
    "no-capacity",
    "never-boots",
    "boots-as",
    "stale-name",
    "no-disk",
    "boot-says",
    "no-events",
    "start",
    "thaw",
    "reconnect",
    "boots",
    "boot-takes",
    "leads-meta",
    "keeps-leading",
    "one-replica",
    "ghost",
    "aws",
    "aws-well",
    "axiom-down",
    "sleep",
];

impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (fault, when) = text.split_once('@').unwrap_or((text, "start"));
        let (name, what) = fault.split_once('=').unwrap_or((fault, ""));
        let known = NAMES.iter().find(|known| **known == name).ok_or_else(|| {
            let near = did_you_mean(name, NAMES.iter().copied()).map(|near| format!("; {near}")).unwrap_or_default();
            format!("there is no fault `{name}`{near}")
        })?;
        let (moment, later) = when.split_once('+').unwrap_or((when, "0s"));
        let later = parse_duration(later).map_err(|why| format!("`{later}`: {why}"))?;
        Ok(Self { text: fault.to_owned(), name: known, what: what.to_owned(), moment: moment.parse()?, later })
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(|| format!("`{nth}` does not count from 1"))?;
        match name {
            "start" => Ok(Self::Start),
            "confirm" => Ok(Self::Confirm(nth)),
            "yes" => Ok(Self::Yes(nth)),
            "act" => Ok(Self::Act(nth)),
            _ => Err(format!("there is no moment `{name}`: start, confirm, yes, act")),
        }
    }
}

impl Planned {
    /// For this cluster.
    pub(crate) fn of(&self, cluster: &Cluster) -> Result<Fault> {
        let wrong = |why: String| {
            CommandError::usage(format!("the fault {}: {why}", self.name)).hint("`sluice simulate --help` lists them")
        };
        let (first, rest) = self.what.split_once(',').unwrap_or((&self.what, ""));
        let node = || node(cluster, first).map(|node| node.name.clone()).map_err(wrong);
        let value = || {
            if rest.is_empty() { Err(wrong("a value is wanted behind the node and a comma".into())) } else { Ok(rest) }
        };
        if !rest.is_empty() && !WITH_VALUE.contains(&self.name) {
            return Err(wrong(format!("nothing stands behind a comma here, and this has `{rest}`")));
        }
        let number = || value()?.parse::<u32>().map_err(|_| wrong(format!("`{rest}` is no number")));
        let time = |text: &str| parse_duration(text).map_err(|why| wrong(format!("`{text}`: {why}")));
        Ok(match self.name {
            "kill" => Fault::Kill { node: node()? },
            "freeze" => Fault::Freeze { node: node()? },
            "slow" => match number()? {
                percent @ 1..=100 => Fault::Slow { node: node()?, percent: percent.into() },
                _ => return Err(wrong("PERCENT is 1 to 100 of its own speed".to_owned())),
            },
            "cut-off" => Fault::CutOff { node: node()? },
            "lose-disk" => Fault::LoseDisk { node: node()? },
            "impostor" => Fault::Impostor { node: node()? },
            "replace" => Fault::Terminate { node: node()? },
            "refresh" => Fault::InstanceRefresh { node: node()? },
            "rollout" => Fault::Rollout { pause: time(first)? },
            "suspend" => {
                let process = PROCESSES.iter().find(|known| **known == rest);
                let known = process.ok_or_else(|| wrong(format!("a process is one of {}", PROCESSES.join(", "))));
                Fault::SuspendProcess { node: node()?, process: (*known?).to_owned() }
            }
            "no-capacity" => Fault::NoCapacity { node: node()?, times: number()? },
            "never-boots" => Fault::NeverBoots { node: node()? },
            "boots-as" => Fault::BootsAs { node: node()?, server: value()?.to_owned() },
            "stale-name" => Fault::StaleName { node: node()?, time: time(value()?)? },
            "no-disk" => Fault::NoDisk { node: node()? },
            "boot-says" => Fault::BootSays { node: node()?, says: boot_line(value()?).map_err(wrong)? },
            "no-events" => Fault::NoEvents { node: node()? },
            "start" => Fault::Start { node: node()? },
            "thaw" => Fault::Thaw { node: node()? },
            "reconnect" => Fault::Reconnect { node: node()? },
            "boot-takes" => Fault::BootTakes(time(first)?),
            "boots" => Fault::Boots { node: node()? },
            "leads-meta" => Fault::LeadsMeta { node: node()? },
            "keeps-leading" => Fault::KeepsLeading { node: node()? },
            "one-replica" if cluster.streams.iter().any(|stream| stream == rest) => {
                Fault::OneReplica { node: node()?, stream: rest.to_owned() }
            }
            "one-replica" => {
                let streams = cluster.streams.join(", ");
                return Err(wrong(format!("a stream behind the comma is one of the inventory: {streams}")));
            }
            "ghost" if !first.is_empty() => Fault::GhostPeer { server: first.to_owned() },
            "ghost" => return Err(wrong("a name is wanted".into())),
            "aws" => Fault::Aws(aws(&self.what).map_err(wrong)?),
            "aws-well" => Fault::AwsWell,
            "axiom-down" => Fault::AxiomDown,
            "sleep" => Fault::Suspend(time(first)?),
            other => return Err(wrong(format!("`{other}` is not simulated"))),
        })
    }
}

/// What the simulated AWS is asked, as rights are called.
const OPERATIONS: [&str; 11] = [
    "autoscaling:CancelInstanceRefresh",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeInstanceRefreshes",
    "autoscaling:DescribeScalingActivities",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:TerminateInstanceInAutoScalingGroup",
    "ec2:DescribeInstances",
    "logs:FilterLogEvents",
    "ssm:GetParameters",
    "sts:AssumeRole",
    "sts:GetCallerIdentity",
];

/// Those that take a value beside the node, or an operation beside the trouble.
const WITH_VALUE: [&str; 8] =
    ["slow", "suspend", "no-capacity", "boots-as", "stale-name", "boot-says", "one-replica", "aws"];

/// Of an Auto Scaling group.
const PROCESSES: [&str; 2] = ["Launch", "Terminate"];

fn node<'a>(cluster: &'a Cluster, name: &str) -> std::result::Result<&'a Node, String> {
    let fits =
        |node: &&Node| node.name == name || node.number.to_string() == name || format!("node-{}", node.number) == name;
    cluster.nodes.iter().find(fits).ok_or_else(|| match name {
        "" => "a node is wanted: 2, node-2, or its name".to_owned(),
        _ => format!("{} has no node `{name}`", cluster.name),
    })
}

fn boot_line(text: &str) -> std::result::Result<BootLine, String> {
    match text {
        "failed" => Ok(BootLine::Failed),
        "missing" => Ok(BootLine::Missing),
        "unclear" => Ok(BootLine::Unclear),
        _ => Err(format!("`{text}` is none of failed, missing, unclear")),
    }
}

fn aws(text: &str) -> std::result::Result<AwsFault, String> {
    let mut parts = text.split(',');
    let how = match parts.next().unwrap_or_default() {
        "throttled" => AwsTrouble::Throttled,
        "down" => AwsTrouble::Down,
        "error" => AwsTrouble::ServerError,
        "denied" => AwsTrouble::Denied,
        "expired" => AwsTrouble::Expired,
        "answer-lost" => AwsTrouble::AnswerLost,
        other => return Err(format!("`{other}` is none of throttled, down, error, denied, expired, answer-lost")),
    };
    let operation = parts.next().filter(|operation| !operation.is_empty()).map(str::to_owned);
    // As the simulated AWS calls them.
    if let Some(other) = operation.as_ref().filter(|operation| !OPERATIONS.contains(&operation.as_str())) {
        let near = did_you_mean(other, OPERATIONS.iter().copied()).map(|near| format!("; {near}")).unwrap_or_default();
        return Err(format!("`{other}` is no operation that is simulated{near}: {}", OPERATIONS.join(", ")));
    }
    let times = match parts.next() {
        None => u32::MAX,
        Some(times) => times.parse().map_err(|_| format!("`{times}` is no number"))?,
    };
    Ok(AwsFault { operation, how, times })
}

/// Shows the run, and lets things happen at their moments.
pub(super) struct Falls {
    world: World,
    faults: Vec<(Planned, Fault)>,
    shown: Watcher,
    view: Arc<dyn RunView>,
    seen: Mutex<Seen>,
    /// The places of those that have happened, or were set for a moment.
    fell: Mutex<BTreeSet<usize>>,
}

#[derive(Default)]
struct Seen {
    asked: u32,
    said_yes: u32,
    acted: u32,
}

impl Falls {
    pub(super) fn new(world: &World, faults: Vec<(Planned, Fault)>, view: Arc<dyn RunView>) -> Self {
        Self {
            world: world.clone(),
            faults,
            shown: Watcher(view.clone()),
            view,
            seen: Mutex::default(),
            fell: Mutex::default(),
        }
    }

    /// What happens before the run begins, or so long after.
    pub(super) fn begin(&self) {
        self.fall(Moment::Start);
    }

    fn fall(&self, now: Moment) {
        let due = self.faults.iter().enumerate().filter(|(_, (planned, _))| planned.moment == now);
        for (at, (planned, fault)) in due {
            self.fell.lock().unwrap_or_else(PoisonError::into_inner).insert(at);
            let Planned { text, later, .. } = planned;
            if later.is_zero() {
                self.view.say(&visible(&format!("it happens: {text}")));
                self.world.happen(fault.clone());
            } else {
                self.view.say(&visible(&format!("in {} it happens: {text}", format_duration(*later))));
                self.world.plan(When::At(self.world.clock().elapsed() + *later), fault.clone());
            }
        }
    }

    /// Those whose moment never came.
    pub(super) fn missed(&self) -> Vec<String> {
        let fell = self.fell.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = self.faults.iter().enumerate().filter(|(at, _)| !fell.contains(at));
        missed.map(|(_, (planned, _))| planned.text.clone()).collect()
    }

    /// What this event is the moment of.
    fn moment(&self, watched: &Watched<'_>, event: &Event) -> Option<Moment> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Asked { .. } => {
                seen.asked += 1;
                Some(Moment::Confirm(seen.asked))
            }
            Event::Answered { yes: true, .. } => {
                seen.said_yes += 1;
                Some(Moment::Yes(seen.said_yes))
            }
            Event::Done { key, .. } | Event::Reconciled { key, verdict: Found::Done { .. }, .. } => {
                let path = locate(key, watched.runbook, watched.state)?;
                let (step, _) = path.find(watched.runbook, watched.state)?;
                seen.acted += u32::from(step.destroys());
                step.destroys().then_some(Moment::Act(seen.acted))
            }
            _ => None,
        }
    }
}

impl Observer for Falls {
    fn event(&self, watched: &Watched<'_>, envelope: &Envelope) {
        self.shown.event(watched, envelope);
        if let Some(moment) = self.moment(watched, &envelope.event) {
            self.fall(moment);
        }
    }

    fn began(&self, watched: &Watched<'_>, key: &Key, step: &Step) {
        self.shown.began(watched, key, step);
    }

    fn looks(&self, watched: &Watched<'_>, key: &Key, step: &Step, not_before: Timestamp) {
        self.shown.looks(watched, key, step, not_before);
    }

    fn sampled(&self, watched: &Watched<'_>, key: &Key, sample: &Sample) {
        self.shown.sampled(watched, key, sample);
    }

    fn waits_for_lock(&self, refused: &LockError, until: Timestamp) {
        self.shown.waits_for_lock(refused, until);
    }

    fn waits_for_login(&self, key: &Key, problem: &Problem, until: Timestamp) {
        self.shown.waits_for_login(key, problem, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_they_are_typed() {
        let check = |text: &str, expect: (&str, &str, Moment, u64)| {
            let found: Planned = text.parse().unwrap();
            assert_eq!((found.name, found.what.as_str(), found.moment, found.later.as_secs()), expect, "{text}");
        };
        check("kill=2", ("kill", "2", Moment::Start, 0));
        check("kill=2@confirm", ("kill", "2", Moment::Confirm(1), 0));
        check("slow=node-2,3@act:2+1m", ("slow", "node-2,3", Moment::Act(2), 60));
        check("aws=expired,ec2:DescribeInstances@yes+5s", ("aws", "expired,ec2:DescribeInstances", Moment::Yes(1), 5));
        check("axiom-down", ("axiom-down", "", Moment::Start, 0));
        for (text, expect) in [
            ("kil=2", "there is no fault `kil`; did you mean `kill`?"),
            ("kill=2@confirmed", "there is no moment `confirmed`: start, confirm, yes, act"),
            ("kill=2@confirm:0", "`0` does not count from 1"),
            ("kill=2@yes+5", "`5`: "),
        ] {
            let found = text.parse::<Planned>().unwrap_err();
            assert!(found.starts_with(expect), "{found}");
        }
    }
}
