//! `sluice simulate`

use std::sync::Arc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_engine::confirm::Identity;
use sluice_engine::journal::Trigger;
use sluice_engine::run::{Alive, Confirming, Loaded, Order, Sources};
use sluice_engine::runbook::checked::InputKind;
use sluice_plugin::inventory::Cluster;

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::launch::{new_run, parked};
use crate::plugins;
use crate::prepare::{Pair, Prepared, prepare_to_simulate};
use crate::report::{Report, RunStatus};
use crate::screen::Tone;
use crate::simulation::{self, Begin, FAULTS, Planned, Simulated};
use crate::views::live::{self, Json};
use crate::views::{self, outcome, text};

/// Try a runbook on a simulated cluster, with things going wrong
#[derive(clap::Args)]
#[command(after_help = AFTER, after_long_help = format!("{AFTER}\n\n{FAULTS}"))]
pub(crate) struct Args {
    /// A name (beside the inventory, then built in) or a path
    #[arg(value_name = "RUNBOOK")]
    runbook: String,

    /// A value for an input; lists with commas
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    input: Vec<Pair>,

    /// What goes wrong and when: `kill=2@confirm+5s`; `--help` lists them
    #[arg(short, long = "fault", value_name = "FAULT")]
    fault: Vec<Planned>,

    /// The same seed gives the same world, to the millisecond
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// In each stream of the inventory, in every replica, when it begins
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    messages: u64,

    /// Messages a second that are published into each stream
    #[arg(long, value_name = "N", default_value_t = 200)]
    rate: u64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
The real engine and the real runbook run over the inventory's cluster as it would be: nothing is reached, nothing is written, \
and somebody types every name that is asked for. At the end stands what was so in truth, whatever the run thought of it.

Exit codes: those of `sluice run`.

Examples:
  sluice simulate replace-node -i cluster=nats-staging -i node=node-2
  sluice simulate replace-node -i cluster=nats-staging -i node=node-2 --fault kill=3@confirm
  sluice simulate rolling-replace -i cluster=nats-staging --fault never-boots=2
  sluice simulate rolling-replace -i cluster=nats-staging --fault leads-meta=1@act+1m --fault freeze=3@confirm:2";

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document {
    /// `done`, `stopped`, ...; null where it did not even begin.
    status: Option<RunStatus>,
    /// That of `sluice run`.
    exit: u8,
    /// The step that decided it.
    decided_by: Option<String>,
    /// Why, for people.
    why: Option<String>,
    /// In the order in which they were ended.
    ended: Vec<Ended>,
    messages: Messages,
    /// Faults whose moment never came.
    missed: Vec<String>,
    /// In the simulated world.
    seconds: u64,
}

#[derive(Serialize, JsonSchema)]
struct Ended {
    node: String,
    instance: String,
    /// Why it was not safe at that moment, in truth; null where it was.
    unsafe_because: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Messages {
    acknowledged: u64,
    lost: u64,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let began = Instant::now();
    let prepared = prepare_to_simulate(context, &args.runbook, &args.input)?;
    let cluster = cluster(&prepared)?;
    let planned = args.fault.iter().map(|fault| Ok((fault.clone(), fault.of(&cluster)?)));
    let faults = planned.collect::<Result<Vec<_>>>()?;
    let Prepared { runbook, origin, inputs } = prepared;
    if !args.json {
        let (name, seed) = (&cluster.name, args.seed);
        context.note(&format!("a simulation of {name} (seed {seed}): nothing is reached, and none of it is kept; one person says yes to everything"));
    }
    if runbook.confirms_once(&inputs) {
        context.note("one yes to all is not simulated: somebody says yes to each when its turn comes");
    }
    let world = simulation::world(Begin { cluster, seed: args.seed, messages: args.messages, rate: args.rate })?;
    let registry = Arc::new(plugins::simulated(&world)?);
    let view = live::view(&context.screen, args.json.then_some(Json::Document));
    // One person says yes to everything: who may, and how many have to, is not what is tried.
    let me = Identity::nobody_known(&context.actor());
    let confirming = Confirming { sources: Sources::from(origin.as_str()), me, ..Confirming::default() };
    let order =
        Order { run: new_run()?, runbook: runbook.clone(), origin: origin.clone(), inputs, trigger: Trigger::Cli };
    let done = context.block_on(simulation::run(&world, registry, order, confirming, (faults, view.clone())))??;
    view.clear();
    let exit = exit(&done);
    let report = done.loaded.as_ref().map(|loaded| {
        let report = Report::new(&loaded.run, &origin, &runbook, &loaded.state, Alive::No);
        // Neither is there for anybody else.
        Report { run: "simulated".to_owned(), lock: None, ..report }
    });
    if args.json {
        views::json(&document(&done, report.as_ref(), exit))?;
        return Ok(exit);
    }
    if let Some(report) = &report {
        views::out(&outcome::results(report, &context.screen.out))?;
        views::err(&outcome::told(report, &context.screen.err));
    }
    if let Some(error) = &done.error {
        context.note(&error.to_string());
    }
    views::out(&in_truth(context, &done, began))?;
    Ok(exit)
}

/// The one that the run is about.
fn cluster(prepared: &Prepared) -> Result<Cluster> {
    let mut clusters = prepared.runbook.inputs.iter().filter(|(_, input)| matches!(input.kind, InputKind::Cluster));
    let none = || CommandError::usage(format!("the runbook {} has no cluster to simulate", prepared.runbook.name));
    let (name, _) = clusters.next().ok_or_else(none)?;
    let cluster = prepared.inputs.get(name).unwrap_or(&Value::Null);
    Cluster::deserialize(cluster).map_err(|error| CommandError::failed(format!("the cluster cannot be read: {error}")))
}

/// The exit code that `sluice run` would have had.
fn exit(done: &Simulated) -> Exit {
    let Some(loaded) = done.loaded.as_ref().filter(|_| done.error.is_none()) else {
        return Exit(CommandError::failed("").exit());
    };
    let Loaded { runbook, state, .. } = loaded;
    match &state.ended {
        Some((outcome, _)) => Exit(outcome.exit()),
        None => parked(runbook, state),
    }
}

fn document(done: &Simulated, report: Option<&Report>, exit: Exit) -> Document {
    let decided = report.and_then(|report| report.step(report.decided_by.as_deref()?));
    let why =
        decided.and_then(|step| step.problem.as_ref().map(|problem| problem.message.clone()).or(step.why.clone()));
    let ended = done.ended.iter().map(|one| Ended {
        node: one.node.clone(),
        instance: one.instance.clone(),
        unsafe_because: one.harm.clone(),
    });
    Document {
        status: report.map(|report| report.status),
        exit: exit.0,
        decided_by: report.and_then(|report| report.decided_by.clone()),
        why: done.error.as_ref().map(ToString::to_string).or(why),
        ended: ended.collect(),
        missed: done.missed.clone(),
        messages: Messages { acknowledged: done.acknowledged, lost: done.lost },
        seconds: done.took.as_secs(),
    }
}

fn in_truth(context: &Context, done: &Simulated, began: Instant) -> String {
    let out = &context.screen.out;
    let mut shown = format!("\n{}\n", out.paint(Tone::Strong, "in truth"));
    let mut row = |label: &str, said: &str, tone: Option<Tone>| {
        let said = tone.map_or_else(|| said.to_owned(), |tone| out.paint(tone, said));
        shown.push_str(&format!("  {}  {said}\n", out.paint(Tone::Dim, &text::pad(label, 8))));
    };
    if done.ended.is_empty() {
        row("ended", "no instance by this run", None);
    }
    for one in &done.ended {
        match &one.harm {
            None => row("ended", &format!("{} of {}, when that was safe", one.instance, one.node), None),
            Some(why) => {
                row("ended", &format!("{} of {}, NOT SAFE: {why}", one.instance, one.node), Some(Tone::Bad));
            }
        }
    }
    for fault in &done.missed {
        row("missed", &format!("{fault} did not happen: its moment never came"), Some(Tone::Warn));
    }
    let acknowledged = text::count(done.acknowledged);
    match done.lost {
        0 => row("messages", &format!("all {acknowledged} that were acknowledged are there"), None),
        lost => row("messages", &format!("{} of {acknowledged} LOST", text::count(lost)), Some(Tone::Bad)),
    }
    let (took, real) = (text::whole(done.took), began.elapsed().as_millis());
    row("time", &format!("{took} in the simulated world, {real} ms here"), None);
    shown
}
