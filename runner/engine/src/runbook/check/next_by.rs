//! How a loop chooses its next item: what is read for it, and the key by which the lowest is taken.

use sluice_plugin::Effect;

use super::super::checked::{NextBy, Tree, Use};
use super::super::model::{NextByModel, StepModel, UseModel};
use super::{Check, asked, leaf};
use crate::diagnostic::Code;
use crate::expr::{Kinds, Ty};

impl Check<'_> {
    /// `item` is the type of one item of the loop.
    pub(super) fn next_by(&mut self, model: &NextByModel, item: &Ty) -> Option<NextBy> {
        self.place.remaining.push(Ty::list(item.clone()));
        let read = model.read.as_ref().map(|read| self.pick_read(read));
        let (read, seen) = match read {
            None => (Some(None), None),
            Some(None) => (None, Some(Ty::Any)),
            Some(Some((read, output))) => (Some(Some(Box::new(read))), Some(output)),
        };
        self.place.items.push(item.clone());
        let (names, findings) = self.here(seen.as_ref());
        let by = leaf::value(&model.by, "`next_by`", &names, findings).and_then(|(by, ty)| {
            leaf::fits(&model.by, "`next_by`", &ty, &Ty::of_kinds(Kinds::TEXT), findings)?;
            Some(by)
        });
        self.place.items.pop();
        self.place.remaining.pop();
        Some(NextBy { read: read?, by: by? })
    }

    fn pick_read(&mut self, model: &UseModel) -> Option<(Use, Ty)> {
        let action = model.action.as_ref()?;
        let spec = self.spec(action)?;
        if spec.effect != Effect::Read {
            let message = format!("`{}` is `{}`: to choose what is next is only to look", spec.name, spec.effect);
            let help = "use an action that reads, and change things in the steps of the loop";
            self.findings.helped(Code::NextByMustRead, action.span, message, help);
        }
        let with = self.with(action, &model.with, &spec);
        let retry = self.retry(model.retry.as_ref(), Effect::Read, &spec);
        let output = asked::output(&spec.output, with.as_ref());
        let read = Use {
            action: spec.name,
            with: with.unwrap_or(Tree::Constant(serde_json::Value::Null)),
            effect: Effect::Read,
            idempotent: spec.idempotent,
            ephemeral: false,
            timeout: model.timeout.as_ref().map(|time| time.value),
            retry,
        };
        Some((read, output))
    }

    pub(super) fn misplaced_next_by(&mut self, model: &StepModel) {
        if let Some(next_by) = &model.next_by
            && model.for_each.is_none()
        {
            let help = "it belongs to a step with `for_each`";
            self.findings.helped(Code::BadValue, next_by.span, "`next_by` means nothing here", help);
        }
    }
}
