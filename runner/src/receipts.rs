//! Receipts: a yes to a saved plan, typed by a person beforehand, for one run that nobody watches.
//!
//! What a receipt says is kept in the store where it was made; a file by itself is worth nothing.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_engine::confirm::{Policy, RECEIPT_FORM, Receipt};
use sluice_engine::run::{Clock as _, What};

use crate::asking::typed_line;
use crate::clock::WallClock;
use crate::confirming::me;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::plan_document::{PlanDocument, read_private, write_private};
use crate::screen::Tone;
use crate::views::{self, plan, text};
use crate::{paths, signals};

/// Longer than anybody means.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long one yes to all of a run is good, from then to its last act.
const ONCE: Duration = Duration::from_secs(12 * 3600);

/// Shows the plan, has the names typed, and writes the receipt.
pub(crate) fn make(context: &Context, plan: &Path, receipt: &Path, expires: Duration) -> Result<Exit> {
    if expires > LONGEST {
        return Err(CommandError::usage("a receipt is good for at most 7 days").hint("--expires 12h"));
    }
    let document = PlanDocument::open(plan)?;
    if document.plan.bindings().is_empty() {
        return Err(CommandError::refused(
            "the plan destroys nothing that is known beforehand, so there is no yes to give",
        )
        .hint("what is known only in the run is asked for there"));
    }
    let made = match asked(context, &document, expires)? {
        Said::Yes(made) => *made,
        Said::Interrupted => return Ok(Exit::INTERRUPTED),
        Said::No | Said::NothingToSay => {
            context.note("that is not the name; no receipt was made");
            return Ok(Exit::NOT_CONFIRMED);
        }
    };
    let text = serde_json::to_string_pretty(&made)
        .map_err(|error| CommandError::failed(format!("the receipt cannot be written as JSON: {error}")))?;
    write_private(receipt, text + "\n", "the receipt")?;
    context.note(&format!(
        "written to {}, good for one run until {}: sluice run --plan {} --receipt {}",
        paths::shown(receipt),
        crate::report::time(made.expires),
        paths::shown(plan),
        paths::shown(receipt)
    ));
    Ok(Exit::DONE)
}

/// What came of asking for a yes beforehand.
pub(crate) enum Said {
    Yes(Box<Receipt>),
    /// Another name was typed, or too late.
    No,
    /// Nothing is destroyed.
    NothingToSay,
    Interrupted,
}

/// Before a run whose runbook asks once: its plan is shown, and the names of all that it destroys are typed.
pub(crate) fn beforehand(context: &Context, document: &PlanDocument) -> Result<Said> {
    let destroys = document.plan.steps.iter().filter(|step| step.confirm.is_some());
    let unclear = destroys.filter(|step| !matches!(step.what, What::Would { .. } | What::Skipped));
    let unclear: Vec<&str> = unclear.map(|step| step.key.as_str()).collect();
    if !unclear.is_empty() {
        let which = unclear.join(", ");
        return Err(CommandError::refused(format!(
            "what {which} would destroy is not known now, so one yes cannot cover it"
        ))
        .hint("`sluice plan` with the same words says why")
        .hint("leave the one yes for all out: each is asked for when its turn comes"));
    }
    if document.plan.bindings().is_empty() {
        return Ok(Said::NothingToSay);
    }
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(CommandError::refused("one yes to all of it is typed by a person at a terminal, and there is none here")
            .hint("sluice plan ... --save FILE, sluice confirm --plan FILE --receipt FILE, sluice run --plan FILE --receipt FILE"));
    }
    asked(context, document, ONCE)
}

/// Shows the plan and has the names typed; what was said yes to is kept in the store.
fn asked(context: &Context, document: &PlanDocument, expires: Duration) -> Result<Said> {
    let covers = document.plan.bindings();
    let typed = names(document);
    let policy = Policy::of_sources(&document.plan.sources.policy).map_err(CommandError::failed)?;
    if let Some(wants) = policy.beyond_presence() {
        return Err(CommandError::refused(format!(
            "the policy wants {wants}, and a receipt made at a terminal proves nobody's identity"
        )));
    }
    let err = &context.screen.err;
    let shown = WallClock.now();
    views::err(&plan::show(document, err));
    for name in &typed {
        let said = err.paint(Tone::Strong, name);
        views::err(&format!("Type {said} to say yes beforehand, for one run; anything else says no.\n"));
        match answer(context)? {
            Typed::Line(line) if line.as_deref() == Some(name.as_str()) => {}
            Typed::Line(_) => return Ok(Said::No),
            Typed::Interrupted => return Ok(Said::Interrupted),
        }
    }
    if let Some(within) = policy.answer_within().filter(|within| WallClock.now().since(shown) > *within) {
        context.note(&format!("the policy wants an answer within {}, and this one took longer", text::whole(within)));
        return Ok(Said::No);
    }
    let now = WallClock.now();
    let made = Receipt {
        form: RECEIPT_FORM,
        nonce: nonce()?,
        runbook: document.plan.runbook.clone(),
        plan: document.plan.digest,
        covers,
        typed,
        by: me(context)?,
        at: now,
        expires: now.plus(expires),
    };
    keep(context, &made)?;
    Ok(Said::Yes(Box::new(made)))
}

enum Typed {
    Line(Option<String>),
    Interrupted,
}

/// One line, unless a signal comes first: some may be listened to already, and then they end nothing by themselves.
fn answer(context: &Context) -> Result<Typed> {
    let failed = |error: std::io::Error| CommandError::failed(format!("the terminal cannot be read: {error}"));
    context.block_on(async {
        let told = signals::any().map_err(failed)?;
        let over = Arc::new(AtomicBool::new(false));
        let flag = over.clone();
        let line = tokio::task::spawn_blocking(move || typed_line(&flag));
        tokio::select! {
            line = line => match line {
                Ok(line) => line.map(Typed::Line).map_err(failed),
                Err(_) => Err(CommandError::failed("the terminal cannot be read")),
            },
            () = told => {
                over.store(true, Ordering::Relaxed);
                views::err("\n");
                Ok(Typed::Interrupted)
            }
        }
    })?
}

/// Of all that would be destroyed and is known.
fn names(document: &PlanDocument) -> BTreeSet<String> {
    let known = document.plan.steps.iter().filter(|step| matches!(step.what, What::Would { .. }));
    known.filter_map(|step| step.confirm.clone()).collect()
}

fn nonce() -> Result<String> {
    let mut random = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    read.map_err(|error| CommandError::failed(format!("cannot read /dev/urandom: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// In the store under the digest that a run looks for: nobody writes a receipt by hand.
fn keep(context: &Context, receipt: &Receipt) -> Result<()> {
    let store = context.store()?;
    let kept = context.block_on(store.put_blob(receipt.text().as_bytes()))??;
    if kept != receipt.digest() {
        return Err(CommandError::failed("the receipt is kept under another name than it will be looked for"));
    }
    Ok(())
}

/// Reads one back.
pub(crate) fn open(path: &Path) -> Result<Receipt> {
    let name = paths::shown(path);
    let text =
        read_private(path).map_err(|why| CommandError::usage(format!("cannot read the receipt {name}: {why}")))?;
    let receipt: Receipt = serde_json::from_str(&text).map_err(|error| {
        CommandError::refused(format!("{name} is not a receipt: {error}"))
            .hint("a receipt is made with `sluice confirm --plan FILE --receipt FILE`")
    })?;
    if receipt.form != RECEIPT_FORM {
        let message =
            format!("the receipt {name} has form {}, and this Sluice reads form {RECEIPT_FORM}", receipt.form);
        return Err(CommandError::refused(message).hint("make it again with this version"));
    }
    Ok(receipt)
}
