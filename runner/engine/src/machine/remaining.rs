//! Which steps of a run may still be called: what a resume asks about, before it begins, of contracts and secrets.

use std::collections::BTreeSet;

use sluice_plugin::ActionName;

use crate::journal::CancelHow;
use crate::machine::fill::names_in_step;
use crate::machine::state::{Inside, List, Slot, State};
use crate::runbook::StepId;
use crate::runbook::checked::{Checked, Kind, Step};

/// The actions that may still be called.
pub fn remaining_actions(runbook: &Checked, state: &State) -> BTreeSet<ActionName> {
    let name = |step: &Step| match &step.kind {
        Kind::Use(used) => Some(used.action.clone()),
        Kind::Gate(gate) => Some(gate.action.clone()),
        Kind::Group(_) | Kind::Call(_) => None,
    };
    let choice = |step: &Step| Some(step.for_each.as_ref()?.next_by.as_ref()?.read.as_ref()?.action.clone());
    let steps = remaining(runbook, state);
    let names = steps.iter().flat_map(|step| [name(step), choice(step)]).flatten();
    names.collect()
}

/// The steps that may still be called, without groups; those of called runbooks stand for the call.
pub fn remaining_steps<'a>(runbook: &'a Checked, state: &'a State) -> Vec<&'a Step> {
    remaining(runbook, state).into_iter().filter(|step| step.children().is_empty()).collect()
}

/// What is not settled, and what is stale. Once the run is to end
/// only `finally` is left, with the stale steps it names, and the looks at open acts; an abandoned run calls nothing.
fn remaining<'a>(runbook: &'a Checked, state: &'a State) -> Vec<&'a Step> {
    let mut found = Vec::new();
    let mut finally = Vec::new();
    collect(&runbook.finally, &state.finally, Wanted::All, &mut finally);
    match state.cancel.as_ref().map(|cancel| cancel.how) {
        Some(CancelHow::Abandon) => return found,
        None => collect(&runbook.steps, &state.steps, Wanted::All, &mut found),
        Some(CancelHow::Now | CancelHow::AfterStep) => {
            stale_for(&finally, runbook, &state.steps, &mut found);
            tidying(&runbook.steps, &state.steps, &mut found);
            // Whether an act happened is looked at whatever else is called.
            found.extend(state.intents.keys().filter_map(|path| Some(path.find(runbook, state)?.0)));
        }
    }
    found.extend(finally);
    let again = gates_again(runbook, &found);
    found.extend(again);
    found
}

/// The gates that are judged again before something destroys, though they have passed. Names are not unique over called
/// runbooks: rather one too many.
fn gates_again<'a>(runbook: &'a Checked, remaining: &[&Step]) -> Vec<&'a Step> {
    let needs: BTreeSet<&str> = remaining
        .iter()
        .flat_map(|step| step.walk())
        .filter(|step| step.destroys())
        .flat_map(|step| step.needs.iter().map(StepId::as_str))
        .collect();
    if needs.is_empty() {
        return Vec::new();
    }
    runbook.walk_deep().into_iter().filter(|step| needs.contains(step.id.as_str())).collect()
}

/// The stale steps of a runbook that its `finally` names.
fn stale_for<'a>(finally: &[&Step], runbook: &'a Checked, list: &List, found: &mut Vec<&'a Step>) {
    let named = named_by(runbook, finally);
    let lists = runbook.steps.iter().zip(&list.slots).filter(|(step, _)| named.contains(step.id.as_str()));
    lists.for_each(|(step, slot)| in_slot(step, slot, Wanted::Stale, found));
}

/// What is left of the `finally` of every runbook that was called here and has not returned.
fn tidying<'a>(steps: &'a [Step], list: &List, found: &mut Vec<&'a Step>) {
    steps.iter().zip(&list.slots).for_each(|(step, slot)| tidying_in(step, slot, found));
}

fn tidying_in<'a>(step: &'a Step, slot: &Slot, found: &mut Vec<&'a Step>) {
    match (&step.kind, &slot.inside) {
        _ if slot.status.is_settled() => {}
        (_, Inside::Rounds(rounds)) => rounds.rounds.iter().for_each(|round| tidying_in(step, &round.slot, found)),
        (Kind::Group(group), Inside::List(inner)) => tidying(&group.steps, inner, found),
        (Kind::Call(call), Inside::Call(called)) if called.inputs.is_some() => {
            let mut finally = Vec::new();
            collect(&call.runbook.finally, &called.finally, Wanted::All, &mut finally);
            stale_for(&finally, &call.runbook, &called.steps, found);
            tidying(&call.runbook.steps, &called.steps, found);
            found.extend(finally);
        }
        _ => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Stale,
}

fn collect<'a>(steps: &'a [Step], list: &List, wanted: Wanted, found: &mut Vec<&'a Step>) {
    steps.iter().zip(&list.slots).for_each(|(step, slot)| in_slot(step, slot, wanted, found));
}

fn in_slot<'a>(step: &'a Step, slot: &Slot, wanted: Wanted, found: &mut Vec<&'a Step>) {
    let open = !slot.status.is_settled() && wanted == Wanted::All;
    match (&step.kind, &slot.inside) {
        // What is stale is called again although it is settled, wherever it stands.
        (_, Inside::Rounds(rounds)) => {
            // Its next item may have to be chosen.
            found.extend(open.then_some(step));
            rounds.rounds.iter().for_each(|round| in_slot(step, &round.slot, wanted, found));
        }
        (Kind::Group(group), Inside::List(inner)) if open => collect(&group.steps, inner, wanted, found),
        (Kind::Group(group), Inside::List(inner)) => collect(&group.steps, inner, Wanted::Stale, found),
        (Kind::Call(call), Inside::Call(called)) => {
            let inside = if open { Wanted::All } else { Wanted::Stale };
            if open || slot.stale {
                collect(&call.runbook.steps, &called.steps, inside, found);
            }
            if open {
                collect(&call.runbook.finally, &called.finally, inside, found);
            }
        }
        _ if open || slot.stale => found.extend(step.walk_deep()),
        _ => {}
    }
}

/// The top steps that these name, and those that they in turn were made from.
fn named_by(runbook: &Checked, steps: &[&Step]) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = steps.iter().flat_map(|step| names_in_step(step)).collect();
    loop {
        let inside = runbook.steps.iter().filter(|step| named.contains(step.id.as_str())).flat_map(Step::walk);
        let more: BTreeSet<String> = inside.flat_map(names_in_step).collect();
        let before = named.len();
        named.extend(more);
        if named.len() == before {
            return named;
        }
    }
}
