//! `sluice settle`

use clap::ValueEnum;
use serde_json::Value;
use sluice_engine::journal::{Key, Ruling};

use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::report::{RunStatus, status};
use crate::verbs::which;

const AFTER: &str = "\
A run is parked when nobody knows whether an act happened: its process died over it, or its answer was \
lost, and looking did not tell. Look yourself, then say what is so; the run goes on with it. An act that \
did not happen is begun again. Exit codes are those of `sluice run`.

Examples:
  sluice settle last notify done --because 'the message is in the channel'
  sluice settle 0198c1f2-7a 'roll[node-2]/send' not-done --because 'their log has no such request'";

/// Say whether an act of unknown outcome happened, and go on
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN")]
    run: String,

    /// The step's address, as `sluice runs show` has it
    #[arg(value_name = "STEP")]
    step: String,

    /// Whether it happened
    #[arg(value_enum, value_name = "WHAT")]
    what: What,

    /// How you know, for the journal
    #[arg(long, value_name = "WHY")]
    because: String,

    /// What the step gave, as JSON, where later steps need it [default: null]
    #[arg(long, value_name = "JSON")]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// It happened
    Done,
    /// It did not, and will not any more
    NotDone,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let ruling = ruling(&args)?;
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &args.run).await?;
        let launch = Launch::new(context, store, &run, None, Vec::new())?;
        let loaded = launch.engine.load(&run, &AsItWas).await?;
        may_resume(context, &loaded.runbook, loaded.state.inputs())?;
        let key = Key(args.step.clone());
        let state = launch.engine.settle(&run, &key, ruling, &args.because, &AsItWas).await?;
        let alive = launch.engine.alive(&run, &state).await?;
        if status(&state, alive) == RunStatus::Running {
            context.note(&format!("settled; the run's own process goes on with it: `sluice runs follow {run}`"));
            return Ok(Exit::DONE);
        }
        launch.resume(run).await
    })?
}

fn ruling(args: &Args) -> Result<Ruling> {
    if args.because.trim().is_empty() {
        return Err(CommandError::usage("--because says nothing").hint("say how you know; it is kept in the journal"));
    }
    match (args.what, &args.output) {
        (What::NotDone, None) => Ok(Ruling::NotDone),
        (What::NotDone, Some(_)) => {
            Err(CommandError::usage("what was not done gave no output").hint("leave --output out, or say `done`"))
        }
        (What::Done, None) => Ok(Ruling::Done { output: Value::Null }),
        (What::Done, Some(text)) => match serde_json::from_str(text) {
            Ok(output) => Ok(Ruling::Done { output }),
            Err(error) => Err(CommandError::usage(format!("--output is not JSON: {error}"))
                .hint("quote it for the shell: --output '{ \"id\": 7 }'")),
        },
    }
}
