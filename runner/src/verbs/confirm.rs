//! `sluice confirm`

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use sluice_engine::machine::State;
use sluice_engine::run::{Question, Reply};

use crate::asking::typed_line;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::known::AsItWas;
use crate::launch::Launch;
use crate::prepare::may_resume;
use crate::report::{RunStatus, status};
use crate::verbs::which;
use crate::views::question::Otherwise;
use crate::views::{self, question};
use crate::{receipts, report};

const AFTER: &str = "\
You are shown what would be destroyed and what was looked at, and type its name; there is no flag for it. What \
is bound is compared once more and every gate is judged again before anything is done. With --plan you say yes \
beforehand, to exactly what a saved plan is bound to, for one run that nobody watches.

Exit codes: those of `sluice run` where the run goes on from here, 4 where you did not say yes.

Examples:
  sluice inbox                                            what waits for an answer
  sluice confirm last
  sluice plan replace-node -i cluster=nats-staging -i node=node-2 --save tonight.plan
  sluice confirm --plan tonight.plan --receipt tonight.receipt --expires 8h
  sluice run --plan tonight.plan --receipt tonight.receipt";

/// Say yes to what a run asks, or to a saved plan beforehand
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The run's id, the beginning of it (6 characters or more), or `last`
    #[arg(value_name = "RUN", required_unless_present = "plan", conflicts_with = "plan")]
    run: Option<String>,

    /// A saved plan to say yes to
    #[arg(long, value_name = "FILE", requires = "receipt")]
    plan: Option<PathBuf>,

    /// Where to write the receipt, for you alone
    #[arg(long, value_name = "FILE", requires = "plan")]
    receipt: Option<PathBuf>,

    /// How long the receipt is good
    #[arg(long, value_name = "TIME", requires = "plan", default_value = "12h")]
    expires: crate::prepare::Time,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(no_terminal(args.plan.is_some()));
    }
    if let (Some(plan), Some(receipt)) = (&args.plan, &args.receipt) {
        return receipts::make(context, plan, receipt, args.expires.duration());
    }
    let wanted = args.run.unwrap_or_default();
    let store = context.store()?;
    context.block_on(async {
        let run = which::run(&*store, &wanted).await?;
        let mut launch = Launch::new(context, store, &run, None, Vec::new())?;
        let loaded = launch.engine.load(&run, &AsItWas).await?;
        may_resume(context, &loaded.runbook, loaded.state.inputs())?;
        launch.at(&loaded)?;
        let Some(question) = asked(context, &run, &loaded.runbook, &loaded.state)? else {
            return launch.resume(run).await;
        };
        if let Some(lost) = report::lock_lost(&loaded.state) {
            context.note(&format!("the run's lock is not its own any more ({lost}); a yes asks for it again first"));
        }
        views::err(&question::show(&question, Otherwise::AnswersNothing, &context.screen.err));
        let typed = typed_line(&AtomicBool::new(false))?;
        if typed.as_deref() != Some(question.typed.as_str()) {
            context.note("that is not the name; nothing was answered, and the run still waits");
            return Ok(Exit::NOT_CONFIRMED);
        }
        let reply = Reply { yes: true, typed: question.typed.clone(), because: None };
        let state = launch.engine.answer(&run, Some((question.ask, question.digest)), reply, &AsItWas).await?;
        if state.unanswered().any(|(_, ask)| ask.id == question.ask) {
            context.note("your yes counts; more people have to say yes");
            return Ok(Exit::DONE);
        }
        go_on(context, launch, run, &state).await
    })?
}

fn no_terminal(beforehand: bool) -> CommandError {
    let error = CommandError::refused("a yes is typed by a person at a terminal, and there is none here")
        .hint("give the same command in a terminal of yours, on this machine");
    if beforehand {
        return error;
    }
    error.hint("for a run that nobody watches, say yes beforehand: sluice confirm --plan FILE --receipt FILE")
}

/// The run's own process goes on where there is one; else it is gone on with here.
pub(super) async fn go_on(
    context: &Context,
    launch: Launch<'_>,
    run: sluice_engine::ids::RunId,
    state: &State,
) -> Result<Exit> {
    let alive = launch.engine.alive(&run, state).await?;
    if status(state, alive) == RunStatus::Running {
        context.note(&format!("the run's own process goes on: `sluice runs follow {run}`"));
        return Ok(Exit::DONE);
    }
    launch.resume(run).await
}

/// What the run asks first; nothing where the time for an answer is over, which is a no that whoever opens the run next
/// writes down.
pub(super) fn asked(
    context: &Context,
    run: &sluice_engine::ids::RunId,
    runbook: &sluice_engine::runbook::Checked,
    state: &State,
) -> Result<Option<Question>> {
    let Some((path, ask)) = state.unanswered().next() else {
        return Err(CommandError::failed(format!("run {run} asks nobody anything"))
            .hint(format!("`sluice runs show {run}` tells how it stands; `sluice inbox` lists what waits")));
    };
    let now = {
        use sluice_engine::run::Clock as _;
        crate::clock::WallClock.now()
    };
    if ask.is_over(now) {
        let when = report::time(ask.answer_by);
        context.note(&format!("the time for an answer was over at {when}: nobody said yes, and the run ends"));
        return Ok(None);
    }
    Ok(Some(Question {
        run: run.clone(),
        ask: ask.id,
        digest: ask.digest,
        key: path.key(runbook, state),
        typed: ask.typed.clone(),
        answer_by: ask.answer_by,
        shown: ask.shown.clone(),
    }))
}
