//! `sluice override`

use std::sync::atomic::AtomicBool;

use sluice_engine::diagnostic::visible;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::Key;
use sluice_engine::machine::Status;
use sluice_engine::machine::asks::observation;
use sluice_engine::machine::overrides::is_overridable;
use sluice_engine::machine::path::locate;
use sluice_engine::run::Loaded;

use super::confirm::go_on;
use crate::asking::typed_line;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::screen::Tone;
use crate::verbs::which;
use crate::views;

const AFTER: &str = "\
A gate that stopped a run may count as passed once, for what is asked next: you are shown what it saw, and type \
its name. Whoever says yes then, the report and the evidence all show who let it pass and why. It does not \
help against a wrong account, a lock that somebody holds, or an act that may have happened already.

Exit codes are those of `sluice run`; 4 where you did not type the name.

Examples:
  sluice override last fresh_events --reason 'Axiom is down, the console shows the node booting'";

/// Let a gate that stopped a run count as passed, once
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// The gate's address, as `sluice runs show` has it
    #[arg(value_name = "GATE")]
    gate: String,

    /// How you know better, for the journal and for whoever says yes
    #[arg(long, value_name = "WHY")]
    reason: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    if args.reason.trim().is_empty() {
        return Err(CommandError::usage("--reason says nothing").hint("say how you know better; it is kept"));
    }
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(CommandError::refused("a gate is overridden by a person at a terminal, and there is none here")
            .hint("give the same command in a terminal of yours, on this machine"));
    }
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let mut launch = Launch::new(context, store, &run, None, Vec::new())?;
        let loaded = launch.engine.load(&run, &AsItWas).await?;
        may_resume(context, &loaded.runbook, loaded.state.inputs())?;
        launch.at(&loaded)?;
        let seen = show(context, &loaded, &args.gate)?;
        if typed_line(&AtomicBool::new(false))?.as_deref() != Some(args.gate.as_str()) {
            context.note("that is not the gate's name; nothing was written, and the run still waits");
            return Ok(Exit::NOT_CONFIRMED);
        }
        let key = Key(args.gate.clone());
        let state = launch.engine.override_gate(&run, &key, Some(seen), &args.reason, &AsItWas).await?;
        go_on(context, launch, run, &state).await
    })?
}

/// Shows what the gate saw; the digest is of that.
fn show(context: &Context, loaded: &Loaded, gate: &str) -> Result<Sha256> {
    let err = &context.screen.err;
    let path = locate(&Key(gate.to_owned()), &loaded.runbook, &loaded.state);
    let slot = path.as_ref().and_then(|path| path.find(&loaded.runbook, &loaded.state)).map(|(_, slot)| slot);
    let (Some(slot), run) = (slot, &loaded.run) else {
        return Err(CommandError::usage(format!("run {} has no gate `{gate}`", loaded.run))
            .hint(format!("`sluice runs show {}` lists its steps", loaded.run)));
    };
    let (Status::Stopped { verdict, why, .. }, Some(seen)) = (&slot.status, observation(slot)) else {
        return Err(CommandError::failed(format!("gate {gate} did not stop run {run}; it is {}", slot.status.name())));
    };
    if !is_overridable(&loaded.runbook, &loaded.state, &Key(gate.to_owned())) {
        return Err(CommandError::refused(format!(
            "gate {gate} looks at the data itself, and nobody overrides what it saw: {why}"
        ))
        .hint(format!("mend that, and then `sluice resume {run}`; `sluice cancel {run}` ends it")));
    }
    let head = format!("Gate {} did not pass ({verdict})", visible(gate));
    views::err(&format!(
        "\n{}  {}\n  {}\nType {} to let it count as passed, once; anything else leaves it.\n",
        err.paint(Tone::Bad, &head),
        err.paint(Tone::Dim, &format!("run {run}")),
        visible(why),
        err.paint(Tone::Strong, &visible(gate)),
    ));
    Ok(seen)
}
