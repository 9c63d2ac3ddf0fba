//! What one act is bound to, in a plan and in a run alike: the same act has the same digest wherever it is looked at.

use serde_json::Value;

use super::Hosts;
use super::attempt::Attempt;
use super::plan::{BINDING_FORM, Binding, MadeFrom, identities};
use crate::journal::Key;
use crate::runbook::checked::Step;

/// All that is known of an act without asking it; `target` is what its preview says beside that.
pub(super) fn bind(
    hosts: &dyn Hosts,
    step: &Step,
    attempt: &Attempt,
    made_from: &MadeFrom,
    target: Value,
) -> Box<Binding> {
    let mut with = attempt.call.with.clone();
    hosts.redact(&mut with);
    Box::new(Binding {
        form: BINDING_FORM,
        step: Key(attempt.call.step.clone()),
        action: attempt.action.spec.name.clone(),
        contract: attempt.action.contract(),
        effect: step.effect(),
        identity: identities(&with),
        with,
        target,
        made_from: made_from.clone(),
    })
}
