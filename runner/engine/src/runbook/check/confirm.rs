//! Steps that destroy, and the confirmation they stand under: a gate that looks at the data, a lock, and a question that
//! can be asked before anything in it has happened.

use std::collections::BTreeSet;

use sluice_plugin::GateClass;

use super::super::checked::{Confirm, Group, Kind, OnError, Order, Step};
use super::super::model::StepModel;
use super::super::names::StepId;
use super::super::step_of;
use super::{Check, leaf};
use crate::diagnostic::{Code, Diagnostic};
use crate::expr::{Kinds, Ty};
use crate::source::Span;

impl Check<'_> {
    /// `confirm` of a step, read before what is inside it: that is no part of the question.
    pub(super) fn confirm(&mut self, model: &StepModel) -> Option<Option<Confirm>> {
        let Some(confirm) = &model.confirm else { return Some(None) };
        if self.confirming > 0 {
            let help = "one yes covers all that is inside: keep the outer or the inner one";
            self.findings.helped(Code::ConfirmMisplaced, confirm.span, "a `confirm` inside a `confirm`", help);
        }
        self.confirming += 1;
        let node = confirm.typed.as_ref()?;
        let (names, findings) = self.here(None);
        let (typed, ty) = leaf::template(node, "`typed`", &names, findings)?;
        leaf::fits(node, "`typed`", &ty, &Ty::of_kinds(Kinds::TEXT), findings)?;
        Some(Some(Confirm {
            typed,
            answer_within: confirm.answer_within.as_ref().map_or(Confirm::ANSWER_WITHIN, |time| time.value),
            valid_for: confirm.valid_for.as_ref().map_or(Confirm::VALID_FOR, |time| time.value),
        }))
    }

    /// After what is inside the step was read.
    pub(super) fn confirms_what_destroys(
        &mut self,
        model: &StepModel,
        needs: &Option<Vec<StepId>>,
        kind: Option<&Kind>,
    ) {
        if let Some(Kind::Use(used)) = kind
            && used.effect == sluice_plugin::Effect::Destroy
        {
            self.may_destroy(model, needs.as_deref(), used.action.as_str());
        }
        if let Some(confirm) = &model.confirm {
            self.confirming -= 1;
            if let Some(on_error) = model.on_error.as_ref().filter(|choice| choice.value != OnError::Stop) {
                let help = "leave `on_error` out: a no is the end of the run";
                let message = "after a no nothing goes on as if it had been a yes";
                self.findings.helped(Code::ConfirmMisplaced, on_error.span, message, help);
            }
            if let Some(kind) = kind {
                self.covers(confirm.span, kind);
            }
        }
    }

    fn may_destroy(&mut self, model: &StepModel, needs: Option<&[StepId]>, action: &str) {
        let span = model.span;
        if self.finally {
            let help = "nobody can be asked at the end of a run, whatever happened before it";
            return self.findings.helped(
                Code::NotInFinally,
                span,
                format!("`{action}` destroys, and `finally` does not"),
                help,
            );
        }
        let data = |id: &StepId| self.place.find(id.as_str()).is_some_and(|step| step.gate == Some(GateClass::Data));
        if let Some(needs) = needs
            && !needs.iter().any(data)
        {
            let message = format!("`{action}` destroys, and no gate that looks at data stands before it in `needs`");
            self.findings.helped(Code::DestroyWithoutGate, span, message, self.gates_for(needs));
        }
        if self.model.lock.is_none() {
            let message = format!("`{action}` destroys, and the runbook has no `lock`");
            let help = "two runs at once would each see the world without the other: lock: \"cluster/{{ inputs.cluster.name }}\"";
            self.findings.helped(Code::DestroyWithoutLock, span, message, help);
        }
        if self.confirming == 0 {
            let message = format!("`{action}` destroys, and nobody is asked before");
            let help = "say what a person has to type: confirm: { typed: \"{{ inputs.node.name }}\" }, here or on the group around it";
            self.findings.helped(Code::DestroyWithoutConfirm, span, message, help);
        }
    }

    fn gates_for(&self, needs: &[StepId]) -> String {
        let lowered = needs.iter().find(|id| self.place.find(id.as_str()).is_some_and(|step| step.gate.is_some()));
        match lowered {
            Some(id) => format!("`{id}` is only evidence; what is about to be lost has to be looked at itself"),
            None => "write a gate such as nats.quorum before it, and name it: needs: [quorum]".to_owned(),
        }
    }

    /// What a question covers has to be known when it is asked.
    fn covers(&mut self, span: Span, kind: &Kind) {
        let inside: Vec<&Step> = match kind {
            Kind::Use(used) if used.effect == sluice_plugin::Effect::Destroy => return,
            // Something is wrong with what is inside, and that was told.
            Kind::Group(group) if group.steps.is_empty() => return,
            Kind::Group(group) => group.steps.iter().flat_map(Step::walk).collect(),
            Kind::Use(_) | Kind::Gate(_) | Kind::Call(_) => Vec::new(),
        };
        if let Some(call) = inside.iter().find(|step| matches!(step.kind, Kind::Call(_))) {
            let found = Diagnostic::error(Code::ConfirmMisplaced, "a called runbook asks for its acts itself");
            let found = found.at(self.findings.source(), span, "").also(call.span, "this call");
            return self.findings.push(found.help("take the call out of the step with `confirm`"));
        }
        if !inside.iter().any(|step| step.destroys()) {
            let help = "leave it out: people who are asked for nothing learn to say yes";
            return self.findings.helped(Code::ConfirmMisplaced, span, "nothing in this step destroys", help);
        }
        if let Some(group) = at_once(kind, span, &inside) {
            let found =
                Diagnostic::error(Code::ConfirmMisplaced, "what destroys in a `parallel` group is asked for by itself");
            let found = found.at(self.findings.source(), group, "");
            let found = if group == span { found } else { found.also(span, "asked here") };
            return self
                .findings
                .push(found.help("write `confirm` on the step in the group, or `steps` for `parallel`"));
        }
        let ids: BTreeSet<&str> = inside.iter().map(|step| step.id.as_str()).collect();
        for step in inside.iter().filter(|step| step.walk().any(Step::destroys)) {
            self.is_known_before(step, &ids, span);
        }
    }

    fn is_known_before(&mut self, step: &Step, inside: &BTreeSet<&str>, span: Span) {
        if step.for_each.is_some() {
            let found =
                Diagnostic::error(Code::ConfirmMisplaced, "what is destroyed in a loop is asked for round by round");
            let found = found.at(self.findings.source(), step.span, "this loop").also(span, "asked here");
            return self.findings.push(found.help("write `confirm` on the step in the loop"));
        }
        let named = step.paths_of_when().into_iter().chain(step.paths_of_body()).filter_map(step_of);
        let needed = step.needs.iter().filter(|_| step.destroys()).map(StepId::as_str);
        if let Some(id) = named.chain(needed).find(|id| inside.contains(id)) {
            let message = format!("`{}` needs what `{id}` gives, and that is not known when people are asked", step.id);
            let found = Diagnostic::error(Code::ConfirmTooEarly, message).at(self.findings.source(), step.span, "");
            let found = found.also(span, "asked here, before anything inside");
            self.findings.push(found.help(format!("put `{id}` before the step with `confirm`")));
        }
    }
}

/// A `parallel` group in which something destroys: the one that asks, or one in it.
fn at_once(kind: &Kind, span: Span, inside: &[&Step]) -> Option<Span> {
    let own = if let Kind::Group(group) = kind { Some((span, group)) } else { None };
    let inner = inside.iter().filter_map(|step| match &step.kind {
        Kind::Group(group) => Some((step.span, group)),
        Kind::Use(_) | Kind::Gate(_) | Kind::Call(_) => None,
    });
    let destroys = |group: &Group| group.steps.iter().flat_map(Step::walk).any(Step::destroys);
    let parallel = |group: &Group| group.order != Order::Written && destroys(group);
    own.into_iter().chain(inner).find_map(|(span, group)| parallel(group).then_some(span))
}
