//! Receipts: a yes to a saved plan, typed by a person beforehand, for one run that nobody watches.
//!
//! What a receipt says is kept in the store where it was made; a file by itself is worth nothing.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sluice_engine::confirm::{Policy, RECEIPT_FORM, Receipt};
use sluice_engine::run::Clock as _;

use crate::asking::typed_line;
use crate::clock::WallClock;
use crate::confirming::me;
use crate::context::Context;
use crate::error::{CommandError, Exit, Result};
use crate::paths;
use crate::plan_document::{PlanDocument, read_private, write_private};
use crate::screen::Tone;
use crate::views::{self, plan};

/// Longer than anybody means.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long one yes to all of a run is good, from then to its last act.
const ONCE: Duration = Duration::from_secs(12 * 3600);

/// Shows the plan, has the names typed, and writes the receipt.
pub(crate) fn make(context: &Context, plan: &Path, receipt: &Path, expires: Duration) -> Result<Exit> {
    if expires > LONGEST {
        return Err(CommandError::usage("a receipt is good for at most 7 days").hint("--expires 12h"));
    }
    let Some(made) = asked(context, &PlanDocument::open(plan)?, expires)? else {
        context.note("that is not the name; no receipt was made");
        return Ok(Exit::NOT_CONFIRMED);
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

/// Before a run whose runbook asks once: its plan is shown, and the names of all that it destroys are typed. `None`: they were
/// not.
pub(crate) fn beforehand(context: &Context, document: &PlanDocument) -> Result<Option<Receipt>> {
    if !(context.screen.input && context.screen.err.terminal) {
        return Err(CommandError::refused("one yes to all of it is typed by a person at a terminal, and there is none here")
            .hint("sluice plan ... --save FILE, sluice confirm --plan FILE --receipt FILE, sluice run --plan FILE --receipt FILE"));
    }
    asked(context, document, ONCE)
}

/// Shows the plan and has the names typed; what was said yes to is kept in the store.
fn asked(context: &Context, document: &PlanDocument, expires: Duration) -> Result<Option<Receipt>> {
    let covers = document.plan.bindings();
    let typed = names(document)?;
    let policy = Policy::of_sources(&document.plan.sources.policy).map_err(CommandError::failed)?;
    if let Some(wants) = policy.beyond_presence() {
        return Err(CommandError::refused(format!(
            "the policy wants {wants}, and a receipt made at a terminal proves nobody's identity"
        )));
    }
    let err = &context.screen.err;
    views::err(&plan::show(document, err));
    for name in &typed {
        let shown = err.paint(Tone::Strong, name);
        views::err(&format!("Type {shown} to say yes beforehand, for one run; anything else says no.\n"));
        if typed_line(&AtomicBool::new(false))?.as_deref() != Some(name.as_str()) {
            return Ok(None);
        }
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
    Ok(Some(made))
}

fn names(document: &PlanDocument) -> Result<BTreeSet<String>> {
    let typed: BTreeSet<String> = document.plan.steps.iter().filter_map(|step| step.confirm.clone()).collect();
    if typed.is_empty() || document.plan.bindings().is_empty() {
        return Err(CommandError::refused(
            "the plan destroys nothing that is known beforehand, so there is no yes to give",
        )
        .hint("what is known only in the run is asked for there"));
    }
    Ok(typed)
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
