//! Which names an expression sees at one place of a runbook, and their types.
//!
//! A step sees the steps before it in its own list and in all lists around it, the inputs, and inside loops the item.
//! What it cannot see although it exists is told with the reason.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use sluice_plugin::GateClass;

use super::super::model::{Model, StepModel};
use super::super::names::StepId;
use super::shown;
use crate::expr::{Fact, Key, Part, Resolved, Ty, TypeScope};
use crate::inventory::SecretName;
use crate::source::{Source, Span};

/// Where the checker is: the open lists from outer to inner, and the items of the open loops.
#[derive(Default)]
pub(super) struct Place {
    pub(super) levels: Vec<Level>,
    pub(super) items: Vec<Ty>,
    /// What is left to do in the open loops.
    pub(super) remaining: Vec<Ty>,
    /// What the conditions of the step and of those around it say.
    pub(super) facts: Vec<Fact>,
}

/// One open list of steps.
#[derive(Default)]
pub(super) struct Level {
    /// Done before the current one.
    pub(super) visible: Vec<Visible>,
    /// All so far, siblings of a parallel group included.
    pub(super) declared: Vec<(StepId, Span)>,
}

#[derive(Clone)]
pub(super) struct Visible {
    pub(super) id: StepId,
    pub(super) output: Ty,
    /// Set of a gate: as the runbook lets it count.
    pub(super) gate: Option<GateClass>,
    /// Its output lives only as long as the process that made it.
    pub(super) is_ephemeral: bool,
}

/// A step somewhere in the runbook.
pub(super) struct Hidden {
    id: String,
    /// `roll.terminate`
    path: String,
    line: usize,
}

impl Place {
    pub(super) fn visible(&self) -> impl Iterator<Item = &Visible> {
        self.levels.iter().flat_map(|level| &level.visible)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Visible> {
        self.visible().find(|step| step.id.as_str() == id)
    }

    /// A step with this id that would be confused with a new one.
    pub(super) fn declared(&self, id: &StepId) -> Option<Span> {
        let (last, outer) = self.levels.split_last()?;
        let here = last.declared.iter().find(|(known, _)| known == id).map(|(_, span)| *span);
        here.or_else(|| {
            let above = |level: &Level| {
                let seen = level.visible.iter().any(|step| step.id == *id);
                level.declared.iter().find(|(known, _)| seen && known == id).map(|(_, span)| *span)
            };
            outer.iter().find_map(above)
        })
    }
}

/// Every step of the model, `finally` included.
pub(super) fn hidden(model: &Model, source: &Source) -> Vec<Hidden> {
    let mut all = Vec::new();
    collect(&model.steps, "", source, &mut all);
    collect(&model.finally, "", source, &mut all);
    all
}

fn collect(steps: &[StepModel], above: &str, source: &Source, all: &mut Vec<Hidden>) {
    for step in steps {
        let Some(id) = &step.id else { continue };
        let path = format!("{above}{}", id.value);
        let line = source.position(id.span.start).line;
        collect(step.children(), &format!("{path}."), source, all);
        all.push(Hidden { id: id.value.as_str().to_owned(), path, line });
    }
}

/// The names at one place.
pub(super) struct Names<'a> {
    pub(super) inputs: &'a Ty,
    /// `None` where only inputs are known.
    pub(super) place: Option<&'a Place>,
    /// The output of the gate whose conditions are read.
    pub(super) seen: Option<&'a Ty>,
    pub(super) hidden: &'a [Hidden],
    pub(super) used_inputs: &'a RefCell<BTreeSet<String>>,
}

impl TypeScope for Names<'_> {
    fn facts(&self) -> &[Fact] {
        self.place.map(|place| place.facts.as_slice()).unwrap_or_default()
    }

    fn resolve(&self, root: &str, path: &[Part]) -> Resolved<'_, Ty> {
        let item = || self.place.and_then(|place| place.items.last());
        match root {
            "inputs" => self.input(path),
            "steps" if self.place.is_some() => self.step(path),
            "run" if self.place.is_some() => self.run(path),
            "secrets" if self.place.is_some() => secret(path),
            "seen" => self.seen.map_or_else(|| self.unknown(), found),
            "item" => item().map_or_else(|| self.unknown(), found),
            "index" if item().is_some() => Resolved::Found { value: Cow::Owned(Ty::Int), used: 0 },
            "remaining" => self.remaining().map_or_else(|| self.unknown(), found),
            _ => self.unknown(),
        }
    }
}

fn found(ty: &Ty) -> Resolved<'_, Ty> {
    Resolved::Found { value: Cow::Borrowed(ty), used: 0 }
}

fn name_of(part: Option<&Part>) -> Option<&str> {
    match part.map(|part| &part.key) {
        Some(Key::Name(name)) => Some(name),
        Some(Key::Index(_)) | None => None,
    }
}

impl Names<'_> {
    fn unknown<'b>(&self) -> Resolved<'b, Ty> {
        let looped = self.place.is_some_and(|place| !place.items.is_empty());
        let names = [
            ("inputs", true),
            ("steps", self.place.is_some()),
            ("run", self.place.is_some()),
            ("secrets", self.place.is_some()),
            ("seen", self.seen.is_some()),
            ("item", looped),
            ("index", looped),
            ("remaining", self.remaining().is_some()),
        ];
        let known = names.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect();
        Resolved::Unknown { known }
    }

    fn remaining(&self) -> Option<&Ty> {
        self.place.and_then(|place| place.remaining.last())
    }

    fn input(&self, path: &[Part]) -> Resolved<'_, Ty> {
        let mut used = self.used_inputs.borrow_mut();
        match (name_of(path.first()), self.inputs) {
            (Some(name), _) => {
                used.insert(name.to_owned());
            }
            // All of them at once.
            (None, Ty::Object(object)) => used.extend(object.fields.keys().cloned()),
            (None, _) => {}
        }
        found(self.inputs)
    }

    fn step(&self, path: &[Part]) -> Resolved<'_, Ty> {
        let known = || self.place.map(|place| shown(place.visible().map(|step| &step.id))).unwrap_or_default();
        let Some(id) = name_of(path.first()) else {
            return Resolved::Missing { used: 0, known: known(), why: None };
        };
        match self.place.and_then(|place| place.find(id)) {
            Some(step) => Resolved::Found { value: Cow::Borrowed(&step.output), used: 1 },
            None => Resolved::Missing { used: 0, known: known(), why: self.why_not(id) },
        }
    }

    /// Why a step cannot be seen from here; nothing when there is none.
    fn why_not(&self, id: &str) -> Option<String> {
        let hidden = self.hidden.iter().find(|step| step.id == id)?;
        let reachable = hidden.path.rsplit_once('.').map(|(group, _)| group);
        let outer = reachable.and_then(|group| group.split('.').next());
        if outer.is_some_and(|outer| self.place.is_some_and(|place| place.find(outer).is_some())) {
            let (line, path) = (hidden.line, &hidden.path);
            return Some(format!("step `{id}` (line {line}) is inside a group: write `steps.{path}`"));
        }
        Some(format!(
            "step `{id}` (line {}) cannot be seen from here: a step sees those before it, in its own list and in the \
             lists around it",
            hidden.line
        ))
    }

    /// `run.steps.<id>`: what is known of a step beside its output.
    fn run(&self, path: &[Part]) -> Resolved<'_, Ty> {
        let missing = |used, known: Vec<String>, why| Resolved::Missing { used, known, why };
        if name_of(path.first()) != Some("steps") {
            return missing(0, vec!["steps".to_owned()], None);
        }
        let known = || self.place.map(|place| shown(place.visible().map(|step| &step.id))).unwrap_or_default();
        match name_of(path.get(1)) {
            Some(id) if self.place.is_some_and(|place| place.find(id).is_some()) => {
                Resolved::Found { value: Cow::Owned(bookkeeping()), used: 2 }
            }
            Some(id) => missing(1, known(), self.why_not(id)),
            None => missing(1, known(), None),
        }
    }
}

/// Whether the inventory has it is found when there is an inventory.
fn secret<'a>(path: &[Part]) -> Resolved<'a, Ty> {
    let missing = |why: &str| Resolved::Missing { used: 0, known: Vec::new(), why: Some(why.to_owned()) };
    match name_of(path.first()) {
        Some(name) if SecretName::parse(name).is_some() => Resolved::Found { value: Cow::Owned(Ty::Secret), used: 1 },
        Some(name) => missing(&format!("`{name}` cannot name a secret: {}", SecretName::FORM)),
        None => missing("one secret is named at a time: `secrets.NAME`"),
    }
}

/// `ended` is in milliseconds since 1970 in UTC; none while the step has not ended. `why` is none where nothing went wrong.
fn bookkeeping() -> Ty {
    let ended = ("ended", Ty::Int.or_null());
    let fields = [("status", Ty::Str), ("attempts", Ty::Int), ended, ("why", Ty::Str.or_null())];
    Ty::record(fields.map(|(name, ty)| (name.to_owned(), ty)))
}
