//! What must hold of steps that call a runbook, and what the other checks have to know of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_engine::journal::{Event, Key, Outcome};
use sluice_engine::machine::path::{Level, Path, Root, locate};
use sluice_engine::machine::state::{Called, Inside, List, Slot};
use sluice_engine::machine::{State, Status};
use sluice_engine::runbook::checked::{Call, Checked, Kind, Step};
use sluice_plugin::{Attempt, Problem};

use super::adds_up;
use super::checks::{self, breaks, counts, fresh, hold, names_in};
use super::sim::{Held, Sim, Task};

/// The runbook in which a place is, and the levels of the way that lie in it.
pub(super) struct Frame<'a, 'b> {
    pub(super) text: &'a str,
    pub(super) steps: &'a [Step],
    pub(super) list: &'a List,
    pub(super) levels: &'b [Level<'a>],
}

pub(super) fn frame<'a, 'b>(levels: &'b [Level<'a>], runbook: &'a Checked, state: &'a State) -> Frame<'a, 'b> {
    let above = levels.len().saturating_sub(1);
    let innermost = (0..above).rev().find_map(|at| Some((at, of_level(&levels[at])?)));
    match innermost {
        Some((at, (call, called))) => Frame {
            text: call.runbook.source.text(),
            steps: &call.runbook.steps,
            list: &called.steps,
            levels: &levels[at + 1..],
        },
        None => Frame { text: runbook.source.text(), steps: &runbook.steps, list: &state.steps, levels },
    }
}

fn own<'a>(level: &Level<'a>) -> &'a Slot {
    level.round.map_or(level.slot, |round| &round.slot)
}

fn of_level<'a>(level: &Level<'a>) -> Option<(&'a Call, &'a Called)> {
    of_slot(level.step, own(level))
}

pub(super) fn of_slot<'a>(step: &'a Step, slot: &'a Slot) -> Option<(&'a Call, &'a Called)> {
    match (&step.kind, &slot.inside) {
        (Kind::Call(call), Inside::Call(called)) => Some((call, called)),
        _ => None,
    }
}

/// The levels from the innermost `finally` of a called runbook on: nothing around that keeps it from running.
pub(super) fn since_finally<'a, 'b>(levels: &'b [Level<'a>]) -> &'b [Level<'a>] {
    let at = levels.iter().rposition(|level| level.hop.finally && of_level(level).is_some());
    at.map_or(levels, |at| &levels[at + 1..])
}

pub(super) fn is_in_finally(path: &Path) -> bool {
    path.hops.iter().any(|hop| hop.finally)
}

/// A `finally` that is on may want an output of the steps before it made anew.
pub(super) fn is_in_what_tidies(levels: &[Level<'_>]) -> bool {
    levels.iter().filter_map(of_level).any(|(_, called)| called.tidies)
}

/// Why the list of a called runbook in which the step stands has no turn.
pub(super) fn out_of_turn(levels: &[Level<'_>]) -> Option<String> {
    let above = levels.len().saturating_sub(1);
    levels[..above].iter().find_map(|level| {
        let (_, called) = of_level(level)?;
        let closed = called.inputs.is_none() || called.tidies != level.hop.finally;
        closed.then(|| format!("this part of what `{}` calls is not on", level.step.id))
    })
}

/// A claim after an interrupt gives what was called, and has not returned, its `finally` anew.
pub(super) fn comes_anew(sim: &Sim<'_>, path: &Path) -> bool {
    let levels = path.levels(&sim.runbook, &sim.state);
    let until = levels.iter().position(|level| level.hop.finally && of_level(level).is_some());
    let open = |level: &Level<'_>| level.slot.status == Status::Open && own(level).status == Status::Open;
    path.root == Root::Steps && until.is_some_and(|until| levels[..=until].iter().all(open))
}

/// It stands in the `finally` of a call that had begun it before, and has not after.
pub(super) fn tidies_anew(runbook: &Checked, (before, after): (&State, &State), path: &Path) -> bool {
    let tidies = |state: &State, depth: usize| {
        let outer = Path { root: path.root, hops: path.hops[..=depth].to_vec() };
        outer.find(runbook, state).and_then(|(step, slot)| of_slot(step, slot)).is_some_and(|(_, called)| called.tidies)
    };
    let mut hops = path.hops.iter().enumerate().filter(|(_, hop)| hop.finally);
    hops.any(|(depth, _)| tidies(before, depth) && !tidies(after, depth))
}

/// Something called in here has begun, and its `finally` has not ended.
pub(super) fn untidy(steps: &[Step], list: &List) -> bool {
    steps.iter().zip(&list.slots).any(|(step, slot)| untidy_slot(step, slot))
}

pub(super) fn untidy_slot(step: &Step, slot: &Slot) -> bool {
    if slot.status.is_settled() {
        return false;
    }
    match (&step.kind, &slot.inside) {
        (_, Inside::Rounds(rounds)) => rounds.rounds.iter().any(|round| untidy_slot(step, &round.slot)),
        (Kind::Group(group), Inside::List(list)) => untidy(&group.steps, list),
        (Kind::Call(call), Inside::Call(called)) => {
            let tidied =
                call.runbook.finally.is_empty() || (called.tidies && is_over(&call.runbook.finally, &called.finally));
            called.inputs.is_some() && (!tidied || untidy(&call.runbook.steps, &called.steps))
        }
        _ => false,
    }
}

/// Nothing in the list starts any more.
pub(super) fn is_over(steps: &[Step], list: &List) -> bool {
    let mut both = steps.iter().zip(&list.slots);
    let broken = both.clone().any(|(step, slot)| breaks(step, slot));
    both.all(|(_, slot)| slot.status.is_settled()) || (broken && !untidy(steps, list))
}

/// Nobody knows yet what became of an act in there.
fn has_open_act(sim: &Sim<'_>, path: &Path) -> bool {
    let inside = format!("{}/", path.key(&sim.runbook, &sim.state));
    sim.open.keys().any(|key| key.as_str().starts_with(&inside) && sim.is_once(key))
}

/// I7: a call does not end, and tidies nothing up, before that is known.
pub(super) fn wait_for_open_acts(sim: &Sim<'_>) -> Held {
    if !sim.open.keys().any(|key| sim.is_once(key)) {
        return Ok(());
    }
    for (key, path) in super::junk::keys(sim) {
        let Some(path) = path.filter(|path| has_open_act(sim, path)) else { continue };
        let Some((step, slot)) = path.find(&sim.runbook, &sim.state) else { continue };
        let Some((_, called)) = of_slot(step, slot) else { continue };
        sim.tally.count(if called.tidies { "a call waits to return" } else { "a call waits to tidy up" });
        let (attempt, problem) = (Attempt(slot.attempts + 1), Problem::not_applied("toy", "no outputs"));
        let events = [
            Event::EnteredFinally { key: key.clone() },
            Event::Returned { key: key.clone(), outputs: json!({}) },
            Event::Failed { key, attempt, problem },
        ];
        for event in events {
            sim.refuse("I7: over an open act", &sim.envelope(Some(sim.state.epoch), event))?;
        }
    }
    Ok(())
}

pub(super) fn may_return(sim: &Sim<'_>, path: &Path) -> bool {
    let Some((step, slot)) = path.find(&sim.runbook, &sim.state) else { return false };
    let Some((call, called)) = of_slot(step, slot) else { return false };
    let well = |steps: &[Step], list: &List| {
        steps.iter().zip(&list.slots).all(|(step, slot)| slot.status.is_settled() && !counts(step, slot))
    };
    let tidied = call.runbook.finally.is_empty() || called.tidies;
    slot.status == Status::Open
        && !has_open_act(sim, path)
        && tidied
        && well(&call.runbook.steps, &called.steps)
        && well(&call.runbook.finally, &called.finally)
}

/// Whether the `finally` of this call may begin.
pub(super) fn may_tidy(sim: &Sim<'_>, path: &Path) -> bool {
    let levels = path.levels(&sim.runbook, &sim.state);
    let Some((step, slot)) = path.find(&sim.runbook, &sim.state) else { return false };
    let Some((call, called)) = of_slot(step, slot) else { return false };
    let ending = sim.state.cancel.is_some() || sim.state.interrupted;
    let ending = ending && path.root == Root::Steps && !is_in_finally(path);
    let cut = ending || checks::ended_around(since_finally(&levels));
    let due = slot.status == Status::Open && !called.tidies && !call.runbook.finally.is_empty();
    due && !has_open_act(sim, path)
        && !untidy(&call.runbook.steps, &called.steps)
        && (cut || is_over(&call.runbook.steps, &called.steps))
}

/// What a call's status has to be, from what is in it.
pub(super) fn adds_up(step: &Step, slot: &Slot) -> Held {
    let Some((call, called)) = of_slot(step, slot) else { return Ok(()) };
    adds_up::list_adds_up(&call.runbook.steps, &called.steps)?;
    adds_up::list_adds_up(&call.runbook.finally, &called.finally)?;
    let mut all = call.runbook.steps.iter().zip(&called.steps.slots);
    let mut last = call.runbook.finally.iter().zip(&called.finally.slots);
    let bad = all.clone().any(|(step, slot)| counts(step, slot)) || last.clone().any(|(step, slot)| counts(step, slot));
    let tidied = call.runbook.finally.is_empty() || (called.tidies && is_over(&call.runbook.finally, &called.finally));
    let over = is_over(&call.runbook.steps, &called.steps) && tidied;
    let begun = called.inputs.is_some();
    let fits = match &slot.status {
        Status::Pending | Status::Skipped => !begun,
        Status::Open => begun && !(over && bad),
        Status::Broken => begun && over && bad,
        Status::Failed(_) => !begun || (over && !bad),
        Status::Done(_) => {
            let settled =
                all.all(|(_, slot)| slot.status.is_settled()) && last.all(|(_, slot)| slot.status.is_settled());
            begun && settled && over && !bad
        }
        _ => false,
    };
    hold(fits, || format!("`{}` is {:?}, and what it called says otherwise", step.id, slot.status))
}

/// What the core decided of a call.
pub(super) fn decision_is_true(sim: &Sim<'_>, event: &Event) -> Held {
    let place = |key: &Key| {
        let path = locate(key, &sim.runbook, &sim.state).ok_or_else(|| format!("`{key}` is nowhere"))?;
        Ok::<_, String>(path)
    };
    match event {
        Event::Called { key, inputs } => {
            let path = place(key)?;
            sim.tally.count("called");
            if path.key(&sim.runbook, &sim.state).as_str().matches('/').count() > 0 {
                inside_another(sim, &path);
            }
            checks::may_open(sim, &path)?;
            let fits = inputs["yes"].is_boolean() && inputs["items"].is_array();
            hold(fits, || format!("I3: `{key}` is called with {inputs}"))
        }
        Event::EnteredFinally { key } => {
            let path = place(key)?;
            let act = sim.flight.keys().any(|act| act.is_inside(&path) && sim.acts(act)) || has_open_act(sim, &path);
            if sim.state.cancel.is_some() || sim.state.interrupted {
                sim.tally.count("a call tidied up on the way out");
            } else if checks::ended_around(&path.levels(&sim.runbook, &sim.state)) {
                sim.tally.count("a call tidied up beside a failure");
            }
            hold(!act, || format!("I3: `finally` of `{key}` begins before its acts have ended"))?;
            hold(may_tidy(sim, &path), || format!("I3: `finally` of `{key}` begins too early"))
        }
        Event::Returned { key, outputs } => {
            let path = place(key)?;
            sim.tally.count("returned");
            let (step, slot) = path.find(&sim.runbook, &sim.state).ok_or("nowhere")?;
            hold(may_return(sim, &path), || format!("I3: `{key}` returns too early"))?;
            let acts = |(act, task): (&Path, &Task)| act.is_inside(&path) && sim.acts(act) && *task != Task::Renew;
            let act = sim.flight.iter().any(acts);
            hold(!act, || format!("I3: `{key}` returns before its acts have ended"))?;
            gives_what_is_there(step, slot, outputs)
        }
        Event::Renewed { key, output } => {
            let path = place(key)?;
            sim.tally.count("made again");
            let (step, slot) = path.find(&sim.runbook, &sim.state).ok_or("nowhere")?;
            hold(slot.stale && of_slot(step, slot).is_some(), || format!("I3: `{key}` is made again for nothing"))?;
            gives_what_is_there(step, slot, output)
        }
        _ => Ok(()),
    }
}

fn inside_another(sim: &Sim<'_>, path: &Path) {
    let levels = path.levels(&sim.runbook, &sim.state);
    if levels[..levels.len() - 1].iter().any(|level| of_level(level).is_some()) {
        sim.tally.count("a call in a call");
    }
}

/// The outputs are fresh, and they are those of the steps that the text names.
fn gives_what_is_there(step: &Step, slot: &Slot, outputs: &Value) -> Held {
    let Some((call, called)) = of_slot(step, slot) else { return Ok(()) };
    let text = call.runbook.source.text();
    for name in outputs_named(text) {
        let at = call.runbook.steps.iter().position(|step| step.id.as_str() == name);
        let inner = at.map(|at| &called.steps.slots[at]);
        fresh(&name, inner)?;
        for field in ["yes", "items"] {
            let wanted = text.contains(&format!("\n  {field}: '{{{{ steps.{name}.{field} }}}}'"));
            let is = inner.and_then(|slot| slot.status.output()).map(|output| &output[field]);
            hold(!wanted || is == Some(&outputs[field]), || format!("`{}` gives {outputs}, not {is:?}", step.id))?;
        }
    }
    Ok(())
}

pub(super) fn outputs_named(text: &str) -> BTreeSet<String> {
    names_in(text.split_once("\noutputs:").map_or("", |(_, rest)| rest))
}

/// Calls whose outputs name what is gone with its process.
pub(super) fn gives_what_is_gone(step: &Step, slot: &Slot) -> bool {
    let Some((call, called)) = of_slot(step, slot) else { return false };
    let named = outputs_named(call.runbook.source.text());
    let mut both = call.runbook.steps.iter().zip(&called.steps.slots);
    matches!(slot.status, Status::Done(_))
        && both.any(|(step, slot)| named.contains(step.id.as_str()) && is_gone(step, slot))
}

fn is_gone(step: &Step, slot: &Slot) -> bool {
    match (&step.kind, &slot.inside) {
        (_, Inside::Rounds(rounds)) => rounds.rounds.iter().any(|round| is_gone(step, &round.slot)),
        (Kind::Group(group), Inside::List(list)) => {
            group.steps.iter().zip(&list.slots).any(|(step, slot)| is_gone(step, slot))
        }
        (Kind::Call(_), _) => gives_what_is_gone(step, slot),
        (Kind::Use(used), _) => used.ephemeral && matches!(slot.status, Status::Done(_)),
        _ => false,
    }
}

/// Whatever happened, what was called has had its `finally`, unless the run was abandoned.
pub(super) fn finally_ran(sim: &Sim<'_>, outcome: &Outcome) -> Held {
    if matches!(outcome, Outcome::Abandoned { .. }) {
        return Ok(());
    }
    each_call(&sim.runbook.steps, &sim.state.steps, &mut |step, slot| {
        let Some((call, called)) = of_slot(step, slot) else { return Ok(()) };
        let ran = call.runbook.finally.is_empty() || (called.tidies && is_over(&call.runbook.finally, &called.finally));
        hold(called.inputs.is_none() || ran, || format!("I3: `finally` of what `{}` called did not run", step.id))
    })
}

fn each_call(steps: &[Step], list: &List, visit: &mut dyn FnMut(&Step, &Slot) -> Held) -> Held {
    for (step, slot) in steps.iter().zip(&list.slots) {
        each_call_in(step, slot, visit)?;
    }
    Ok(())
}

fn each_call_in(step: &Step, slot: &Slot, visit: &mut dyn FnMut(&Step, &Slot) -> Held) -> Held {
    match (&step.kind, &slot.inside) {
        (_, Inside::Rounds(rounds)) => {
            rounds.rounds.iter().try_for_each(|round| each_call_in(step, &round.slot, visit))
        }
        (Kind::Group(group), Inside::List(list)) => each_call(&group.steps, list, visit),
        (Kind::Call(call), Inside::Call(called)) => {
            visit(step, slot)?;
            each_call(&call.runbook.steps, &called.steps, visit)
        }
        _ => Ok(()),
    }
}
