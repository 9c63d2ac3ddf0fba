//! One step: which kind it is, and the keys that this kind may have.

use sluice_plugin::Effect;

use super::super::checked::OnError;
use super::super::keys;
use super::super::model::{CallModel, GateModel, KindModel, StepModel, UseModel};
use super::super::names::StepId;
use super::next_by::next_by;
use super::{action_name, optional_text, parts};
use crate::diagnostic::{Code, Diagnostic, Findings, list as name_list};
use crate::source::Span;
use crate::yaml::Node;
use crate::yaml::fields::{self, Fields, Spanned};

/// A list of steps, which must not be empty.
pub(super) fn list(node: &Node, what: &str, findings: &mut Findings) -> Vec<StepModel> {
    let Some(items) = fields::seq(node, what, findings) else { return Vec::new() };
    if items.is_empty() {
        findings.error(Code::BadValue, node.span, format!("{what} is empty"), "there must be at least one step");
    }
    items.iter().filter_map(|item| step(item, findings)).collect()
}

fn step(node: &Node, findings: &mut Findings) -> Option<StepModel> {
    let map = fields::map(node, "a step", findings)?;
    let kinds: Vec<&str> = keys::KINDS.iter().copied().filter(|kind| map.get(kind).is_some()).collect();
    let (what, allowed) = match kinds.as_slice() {
        ["uses"] => ("a step that uses an action", keys::USE),
        ["gate"] => ("a gate", keys::GATE),
        ["steps" | "parallel"] => ("a group of steps", keys::GROUP),
        ["call"] => ("a step that calls a runbook", keys::CALL),
        _ => ("a step", keys::STEP),
    };
    let step = Fields::open(node, what, allowed, findings)?;
    let id = step.require("id", findings).and_then(|node| step_id(node, findings));
    let span = step.head(findings);
    Some(StepModel {
        span: id.as_ref().map_or(span, |id| id.span),
        id,
        summary: optional_text(&step, "summary", findings),
        kind: kind(&step, &kinds, span, findings),
        when: step.get("when").cloned(),
        for_each: step.get("for_each").cloned(),
        max_parallel: step.get("max_parallel").and_then(|node| at_most(node, findings)),
        next_by: step.entry("next_by").and_then(|entry| next_by(&entry.value, entry.key.span, findings)),
        needs: step.get("needs").map_or_else(Vec::new, |node| needs(node, findings)),
        on_error: step.get("on_error").and_then(|node| on_error(node, findings)),
        confirm: step.entry("confirm").and_then(|entry| parts::confirm(entry, findings)),
    })
}

fn kind(step: &Fields<'_>, kinds: &[&str], span: Span, findings: &mut Findings) -> Option<KindModel> {
    match kinds {
        ["uses"] => Some(KindModel::Use(uses(step, findings))),
        ["gate"] => Some(KindModel::Gate(gate(step, findings))),
        ["steps"] => Some(KindModel::Steps(list(step.get("steps")?, "`steps`", findings))),
        ["parallel"] => Some(KindModel::Parallel(list(step.get("parallel")?, "`parallel`", findings))),
        ["call"] => Some(KindModel::Call(call(step, findings))),
        [] if keys::KINDS.iter().any(|kind| step.is_meant(kind)) => None,
        [] => {
            let help = "give it one of `uses`, `gate`, `steps`, `parallel` and `call`";
            findings.helped(Code::StepKind, span, "this step does nothing", help);
            None
        }
        [first, rest @ ..] => {
            let message = format!("a step is one thing: {} in one step", name_list(kinds.iter().copied(), "and"));
            let place = |kind: &str| step.entry(kind).map_or(span, |entry| entry.key.span);
            let mut found = Diagnostic::error(Code::StepKind, message).at(findings.source(), place(first), "");
            for other in rest {
                found = found.also(place(other), "and this");
            }
            findings.push(found.help("make two steps of it; a `- ` may be missing before the second"));
            None
        }
    }
}

fn uses(step: &Fields<'_>, findings: &mut Findings) -> UseModel {
    const EFFECTS: &[(&str, Effect)] =
        &[("read", Effect::Read), ("change", Effect::Change), ("destroy", Effect::Destroy)];
    UseModel {
        action: action(step, "uses", findings),
        with: parts::with_of(step, findings),
        timeout: step.get("timeout").and_then(|node| fields::duration(node, "`timeout`", findings)),
        retry: step.get("retry").and_then(|node| parts::retry(node, findings)),
        effect: step.get("effect").and_then(|node| fields::word(node, "`effect`", EFFECTS, findings)),
    }
}

fn gate(step: &Fields<'_>, findings: &mut Findings) -> GateModel {
    GateModel {
        action: action(step, "gate", findings),
        with: parts::with_of(step, findings),
        timeout: step.get("timeout").and_then(|node| fields::duration(node, "`timeout`", findings)),
        expect: step.get("expect").map_or_else(Vec::new, |node| parts::expect(node, findings)),
        passes: step.get("passes").and_then(|node| parts::passes(node, findings)),
        class: step.get("class").and_then(|node| parts::class(node, findings)),
    }
}

fn call(step: &Fields<'_>, findings: &mut Findings) -> CallModel {
    let runbook = step.get("call").and_then(|node| {
        let text = fields::text(node, "`call`", findings)?;
        Some(Spanned { value: text.to_owned(), span: node.span })
    });
    CallModel { runbook, with: parts::with_of(step, findings) }
}

pub(super) fn action(
    step: &Fields<'_>,
    key: &str,
    findings: &mut Findings,
) -> Option<Spanned<sluice_plugin::ActionName>> {
    let node = step.get(key)?;
    let text = fields::text(node, &format!("`{key}`"), findings)?;
    action_name(text, node.span, findings)
}

fn step_id(node: &Node, findings: &mut Findings) -> Option<Spanned<StepId>> {
    let text = fields::text(node, "`id`", findings)?;
    match StepId::parse(text) {
        Ok(value) => Some(Spanned { value, span: node.span }),
        Err(error) => {
            findings.error(Code::BadName, node.span, error.to_string(), "");
            None
        }
    }
}

fn needs(node: &Node, findings: &mut Findings) -> Vec<Spanned<StepId>> {
    let Some(items) = fields::seq(node, "`needs`", findings) else { return Vec::new() };
    items.iter().filter_map(|item| step_id(item, findings)).collect()
}

fn on_error(node: &Node, findings: &mut Findings) -> Option<Spanned<OnError>> {
    fields::word(node, "`on_error`", &[("stop", OnError::Stop), ("continue", OnError::Continue)], findings)
}

fn at_most(node: &Node, findings: &mut Findings) -> Option<Spanned<u32>> {
    let value = fields::integer(node, "`max_parallel`", (1, 1000), findings)?;
    u32::try_from(value).ok().map(|value| Spanned { value, span: node.span })
}
