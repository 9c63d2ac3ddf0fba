//! `sluice plugin test`: each action's examples, in the sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_engine::registry::Registry;
use sluice_engine::run::{Clock as _, Hosts as _};
use sluice_plugin::{ActionSpec, Attempt, Call, Effect, Example, Level, Plugin as _, Problem, Progress, Purpose};
use sluice_wasm::{Component, Raised, WasmPlugin};

use super::build;
use crate::clock::WallClock;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::hosts::{Of, RunHosts};
use crate::screen::{Stream, Tone};
use crate::{components, views};

const AFTER: &str = "\
Builds it if it is a folder, and tries every example of every action: what goes in and out must fit the action's schemas, \
and an action that only reads is done, with nothing granted, and must give exactly what the example says. An example that \
needs something granted is checked and not done.

Examples:
  sluice plugin test acme
  sluice plugin test acme/acme.wasm";

/// Try a plugin's examples in the sandbox
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Its sources, or the component
    #[arg(value_name = "FOLDER|FILE", default_value = ".")]
    what: PathBuf,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let component = component(&args.what)?;
    let plugin = Arc::new(WasmPlugin::new(component, &Raised::new()));
    let mut registry = Registry::default();
    let made = plugin.clone();
    let failed = |error: String| CommandError::failed(error);
    registry.add(plugin.name().clone(), move || made.clone()).map_err(|error| failed(error.to_string()))?;
    let of = Of { run: "test", actor: &context.actor() };
    let hosts = RunHosts::new(of, None, context.redactor.clone(), Arc::new(Told))?;
    let (mut wrong, mut tried) = (0, 0);
    for spec in &plugin.describe().actions {
        if spec.examples.is_empty() {
            views::out(&line(&context.screen.out, spec, "", &Outcome::NoExample))?;
        }
        for example in &spec.examples {
            let outcome = context.block_on(tried_out(&registry, &hosts, spec, example))?;
            tried += 1;
            wrong += usize::from(matches!(outcome, Outcome::Wrong(_)));
            views::out(&line(&context.screen.out, spec, &example.summary, &outcome))?;
        }
    }
    hosts.end()?;
    if wrong > 0 {
        return Err(CommandError::failed(format!("{wrong} of {tried} examples do not hold")));
    }
    Ok(Exit::DONE)
}

fn component(what: &Path) -> Result<Component> {
    if what.is_dir() {
        return build::build(what, None).map(|(_, component)| component);
    }
    components::look(what).map(|(_, component)| component)
}

/// For one example.
const PATIENCE: Duration = Duration::from_secs(60);

enum Outcome {
    Holds,
    /// It fits the schemas, and was not done for this reason.
    NotDone(String),
    Wrong(String),
    NoExample,
}

async fn tried_out(registry: &Registry, hosts: &RunHosts, spec: &ActionSpec, example: &Example) -> Outcome {
    let Some(action) = registry.action(&spec.name) else { return Outcome::Wrong("it is not there".to_owned()) };
    let bad = action.input_errors(&example.with).into_iter().map(|(at, why)| format!("`with{at}`: {why}"));
    let mut bad =
        bad.chain(action.output_errors(&example.output).into_iter().map(|(at, why)| format!("`output{at}`: {why}")));
    if let Some(bad) = bad.next() {
        return Outcome::Wrong(bad);
    }
    if spec.effect != Effect::Read {
        return Outcome::NotDone(format!("it would {}", spec.effect));
    }
    let call = Call {
        run: "test".to_owned(),
        step: "example".to_owned(),
        attempt: Attempt(1),
        purpose: Purpose::Read,
        deadline: Some(WallClock.now().plus(PATIENCE)),
        with: example.with.clone(),
    };
    let host = hosts.host(&spec.name, &call);
    match action.plugin.run(spec.name.operation(), &*host, &call).await {
        Ok(outcome) if outcome.output == example.output => Outcome::Holds,
        Ok(outcome) => Outcome::Wrong(format!("it gave {}, and the example says {}", outcome.output, example.output)),
        Err(Problem { code, message, .. }) if code == "denied" => Outcome::NotDone(message),
        Err(problem) => Outcome::Wrong(problem.message),
    }
}

fn line(out: &Stream, spec: &ActionSpec, example: &str, outcome: &Outcome) -> String {
    let (sign, tone, rest) = match outcome {
        Outcome::Holds => ("✓", Tone::Good, String::new()),
        Outcome::NotDone(why) => ("·", Tone::Dim, format!(" (fits; not done: {why})")),
        Outcome::Wrong(why) => ("✗", Tone::Bad, format!(": {why}")),
        Outcome::NoExample => ("·", Tone::Dim, " has no example".to_owned()),
    };
    let example = if example.is_empty() { String::new() } else { format!(": {example}") };
    format!("{} {}{example}{rest}\n", out.paint(tone, sign), spec.name)
}

/// What the plugin says while it is tried.
struct Told;

impl sluice_host::Sink for Told {
    fn log(&self, _: &str, level: Level, text: &str) {
        views::err(&format!(
            "  {}: {}\n",
            format!("{level:?}").to_lowercase(),
            sluice_engine::diagnostic::visible(text)
        ));
    }

    fn progress(&self, _: &str, _: Progress) {}
}
