//! Gates: what they look at, what must hold of it, and whether they can pass in the time they are given.

use std::time::Duration;

use sluice_plugin::{ActionSpec, Effect, GateClass, parse_duration};

use super::super::checked::{Expect, FailIf, Gate, Hold, Passes, Progress, Tree};
use super::super::model::{GateModel, InputType, Lasting, PassesModel, StepModel};
use super::{Check, asked, leaf};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::expr::{Kinds, Ty};
use crate::yaml::Kind as NodeKind;
use crate::yaml::fields::Spanned;

impl Check<'_> {
    pub(super) fn gate(&mut self, step: &StepModel, model: &GateModel) -> Option<(Gate, Ty)> {
        let action = model.action.as_ref()?;
        let spec = self.spec(action)?;
        if spec.effect != Effect::Read {
            let message = format!("`{}` is `{}`: a gate only looks", spec.name, spec.effect);
            self.findings.helped(
                Code::GateMustRead,
                action.span,
                message,
                "use it as a step, and judge in a gate after it",
            );
        }
        if spec.gate.is_none() && model.expect.is_empty() {
            let message = format!("`{}` gives no verdict, so the gate could not fail", spec.name);
            self.findings.helped(Code::GateWithoutVerdict, step.span, message, "say what must hold with `expect`");
        }
        let with = self.with(action, &model.with, &spec);
        let output = asked::output(&spec.output, with.as_ref());
        let expect = self.expect(model, &output);
        let passes =
            model.passes.as_ref().map_or_else(|| Some(Passes::default()), |passes| self.passes(passes, &output));
        let gate = Gate {
            class: self.class(model, &spec),
            judges: spec.gate.is_some(),
            action: spec.name,
            with: with.unwrap_or(Tree::Constant(serde_json::Value::Null)),
            expect: expect.unwrap_or_default(),
            passes: passes.unwrap_or_default(),
            timeout: model.timeout.as_ref().map(|time| time.value),
        };
        Some((gate, output))
    }

    fn class(&mut self, model: &GateModel, spec: &ActionSpec) -> GateClass {
        let own = spec.gate.unwrap_or(GateClass::Data);
        let Some(wanted) = &model.class else { return own };
        if own == GateClass::Evidence && wanted.value == GateClass::Data {
            let message = format!("`{}` gives evidence, and a runbook cannot make it data", spec.name);
            let help = "a class may be lowered to `evidence`, never raised; leave `class` out";
            self.findings.helped(Code::ClassRaised, wanted.span, message, help);
        }
        wanted.value
    }

    fn expect(&mut self, model: &GateModel, output: &Ty) -> Option<Vec<Expect>> {
        let (names, findings) = self.here(Some(output));
        let mut all = Vec::new();
        for expect in &model.expect {
            let that = leaf::condition(&expect.that, "`that`", &names, findings);
            let otherwise = expect.otherwise.as_ref().map(|node| {
                let (template, ty) = leaf::template(node, "`else`", &names, findings)?;
                leaf::fits(node, "`else`", &ty, &Ty::of_kinds(Kinds::TEXT), findings)?;
                Some(template)
            });
            let otherwise = otherwise.map_or(Some(None), |template| template.map(Some));
            all.push(that.zip(otherwise).map(|(that, otherwise)| Expect { that, otherwise }));
        }
        all.into_iter().collect()
    }

    fn passes(&mut self, model: &PassesModel, output: &Ty) -> Option<Passes> {
        let (hold, lasting) = match (&model.lasting, &model.consecutive) {
            (Some(lasting), _) => self.lasting(lasting)?,
            (None, consecutive) => (Hold::Consecutive(consecutive.as_ref().map_or(1, |count| count.value)), None),
        };
        let every = model.every.as_ref().map_or(Passes::EVERY, |time| time.value);
        let within = model.within.as_ref()?;
        self.can_pass(model, hold, every, within);
        let (names, findings) = self.here(Some(output));
        let fail_if = model.fail_if.as_ref().map(|node| {
            let that = leaf::condition(node, "`fail_if`", &names, findings)?;
            let text = match &node.kind {
                NodeKind::Text(text) => text.value.clone(),
                _ => findings.source().slice(node.span).to_owned(),
            };
            Some(FailIf { that, text })
        });
        let progress = model.progress.as_ref().map(|node| {
            let (value, ty) = leaf::value(node, "`progress`", &names, findings)?;
            let moving = Ty::union([Ty::number(), Ty::Str, Ty::Null]);
            leaf::fits(node, "`progress`", &ty, &moving, findings)?;
            Some(Progress { value, stalled: model.stalled.as_ref().map(|time| time.value) })
        });
        Some(Passes {
            hold,
            lasting,
            every,
            within: within.value,
            fail_if: fail_if.map_or(Some(None), |expr| expr.map(Some))?,
            progress: progress.map_or(Some(None), |progress| progress.map(Some))?,
        })
    }

    /// Of an input it is the time that this has by itself, or none.
    fn lasting(&mut self, lasting: &Spanned<Lasting>) -> Option<(Hold, Option<String>)> {
        let name = match &lasting.value {
            Lasting::Time(time) => return Some((Hold::For(*time), None)),
            Lasting::Input(name) => name,
        };
        self.used_inputs.borrow_mut().insert(name.clone());
        let inputs = &self.model.inputs;
        let Some(input) = inputs.get(name) else {
            let near = did_you_mean(name, inputs.keys().map(String::as_str)).unwrap_or_default();
            self.findings.error(Code::UndefinedName, lasting.span, format!("there is no input `{name}`"), &near);
            return None;
        };
        if !matches!(input.kind, Some(InputType::Duration) | None) {
            let message = format!("`for` takes a time, and the input `{name}` has another type");
            self.findings.helped(Code::TypeMismatch, lasting.span, message, "give it `type: duration`");
            return None;
        }
        let text = input
            .default
            .as_ref()
            .and_then(|node| if let NodeKind::Text(text) = &node.kind { Some(&text.value) } else { None });
        let time = text.and_then(|text| parse_duration(text).ok()).unwrap_or(Duration::ZERO);
        Some((Hold::For(time), Some(name.clone())))
    }

    /// A gate that cannot pass in the time it is given is a mistake, however healthy the world is. The last sample has
    /// to be answered before the time is over, so all of it is not enough.
    fn can_pass(&mut self, model: &PassesModel, hold: Hold, every: Duration, within: &Spanned<Duration>) {
        let least = match hold {
            Hold::Consecutive(count) => every.saturating_mul(count.saturating_sub(1)),
            Hold::For(Duration::ZERO) => every,
            Hold::For(time) => time,
        };
        let waits = !(least.is_zero() && within.value.is_zero());
        if waits && least >= within.value {
            let least = sluice_plugin::format_duration(least);
            let given = sluice_plugin::format_duration(within.value);
            let message = format!("this gate needs more than {least} to pass and is given {given}");
            let found = Diagnostic::error(Code::NeverPasses, message).at(self.findings.source(), within.span, "");
            let other =
                model.lasting.as_ref().map(|time| time.span).or(model.consecutive.as_ref().map(|count| count.span));
            let found = other.into_iter().fold(found, |found, span| found.also(span, "it takes this"));
            self.findings.push(found.help("give it more time, or ask for less"));
        }
    }
}
