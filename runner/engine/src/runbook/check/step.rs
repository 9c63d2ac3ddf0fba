//! The steps: each against its action's contract, in the order in which they see each other.

use sluice_plugin::{ActionName, ActionSpec, Effect, GateClass};

use super::super::checked::{Confirm, Group, Kind, Loop, NextBy, OnError, Order, Retry, Step, Tree, Use};
use super::super::model::{KindModel, RetryModel, StepModel, UseModel, WithGiven};
use super::super::names::StepId;
use super::names::{Level, Visible};
use super::{Check, asked, leaf, shown, with};
use crate::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::expr::{Ty, facts};
use crate::source::Span;
use crate::yaml::fields::Spanned;
use crate::yaml::{Kind as NodeKind, Map, Node};

/// A checked step and what it leaves for others to see. The step is missing when something was wrong with it.
struct Done {
    step: Option<Step>,
    visible: Option<Visible>,
}

impl Check<'_> {
    /// The runbook's own list. It stays open: `outputs`, the session and `finally` see it.
    pub(super) fn steps(&mut self, steps: &[StepModel]) -> Option<Vec<Step>> {
        self.place.levels.push(Level::default());
        self.list(steps, Order::Written, &[])
    }

    /// What runs at the end, whatever happened: none of the steps before is sure to have run.
    pub(super) fn finally(&mut self, steps: &[StepModel]) -> Option<Vec<Step>> {
        for step in self.place.levels.iter_mut().flat_map(|level| &mut level.visible) {
            step.output = step.output.clone().or_null();
        }
        self.refuse_in_finally(steps);
        self.finally = true;
        self.place.levels.push(Level::default());
        self.list(steps, Order::Written, &[])
    }

    fn refuse_in_finally(&mut self, steps: &[StepModel]) {
        for step in steps {
            if matches!(step.kind, Some(KindModel::Call(_))) {
                let help = "write the steps that are to run at the end here";
                self.findings.helped(Code::NotInFinally, step.span, "`finally` calls no other runbook", help);
            }
            if matches!(step.kind, Some(KindModel::Gate(_))) {
                let help = "use the action as a step, without a verdict";
                self.findings.helped(
                    Code::NotInFinally,
                    step.span,
                    "`finally` has no gates: nothing comes after it",
                    help,
                );
            }
            self.refuse_in_finally(step.children());
        }
    }

    /// The steps of the innermost open list.
    fn list(&mut self, steps: &[StepModel], order: Order, needs: &[StepId]) -> Option<Vec<Step>> {
        let mut checked = Vec::with_capacity(steps.len());
        let mut later = Vec::new();
        for model in steps {
            let done = self.step(model, needs);
            checked.push(done.step);
            match order {
                Order::Written => self.see(done.visible),
                // Siblings run at the same time: none sees another.
                Order::Parallel { .. } => later.push(done.visible),
            }
        }
        later.into_iter().for_each(|visible| self.see(visible));
        checked.into_iter().collect()
    }

    fn see(&mut self, visible: Option<Visible>) {
        if let Some(level) = self.place.levels.last_mut() {
            level.visible.extend(visible);
        }
    }

    fn step(&mut self, model: &StepModel, inherited: &[StepId]) -> Done {
        let id = model.id.as_ref().and_then(|id| self.declare(id));
        let needs = self.needs(model, inherited);
        let when = self.optional(model.when.as_ref(), |check, node| {
            let (names, findings) = check.here(None);
            leaf::condition(node, "`when`", &names, findings)
        });
        let before = self.place.facts.len();
        self.place.facts.extend(when.iter().flatten().flat_map(facts));
        let (round, item) = self.round(model);
        self.place.items.extend(item.clone());
        self.place.remaining.extend(item.clone().map(Ty::list));
        let confirm = self.confirm(model);
        let inside = self.kind(model, &needs);
        self.confirms_what_destroys(model, &needs, inside.as_ref().and_then(|(kind, _)| kind.as_ref()));
        if item.is_some() {
            self.place.items.pop();
            self.place.remaining.pop();
        }
        self.place.facts.truncate(before);
        self.misplaced_max_parallel(model);
        self.misplaced_next_by(model);
        let output = inside.as_ref().map_or(Ty::Any, |(_, output)| output.clone());
        let on_error = self.on_error(model);
        let visible = id.clone().map(|id| Visible {
            id,
            output: seen_from_outside(model, on_error, output, item),
            gate: class_of(model, inside.as_ref()),
            is_ephemeral: matches!(&inside, Some((Some(kind), _)) if kind.is_ephemeral()),
        });
        let kind = inside.and_then(|(kind, _)| kind);
        Done { step: finished(model, id, when, round, needs, (kind, on_error, confirm)), visible }
    }

    /// What stands in `finally` is done whatever happened, a failure beside it included.
    fn on_error(&self, model: &StepModel) -> OnError {
        let in_finally = self.finally && self.place.levels.len() == 2;
        let silent = if in_finally { OnError::Later } else { OnError::Stop };
        model.on_error.as_ref().map_or(silent, |choice| choice.value)
    }

    /// Applies to what may be left out: `Some(None)` when it is, `None` when it is wrong.
    fn optional<T>(
        &mut self,
        node: Option<&Node>,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        node.map_or(Some(None), |node| read(self, node).map(Some))
    }

    fn declare(&mut self, id: &Spanned<StepId>) -> Option<StepId> {
        if let Some(first) = self.place.declared(&id.value) {
            let found = Diagnostic::error(Code::DuplicateId, format!("there is a step `{}` already", id.value));
            let found = found.at(self.findings.source(), id.span, "again here").also(first, "first here");
            self.findings.push(found);
            return None;
        }
        let level = self.place.levels.last_mut()?;
        level.declared.push((id.value.clone(), id.span));
        Some(id.value.clone())
    }

    fn needs(&mut self, model: &StepModel, inherited: &[StepId]) -> Option<Vec<StepId>> {
        let mut needs = inherited.to_vec();
        let mut fine = true;
        for need in &model.needs {
            match self.place.find(need.value.as_str()) {
                Some(step) if step.gate.is_some() => {
                    if !needs.contains(&need.value) {
                        needs.push(need.value.clone());
                    }
                }
                found => {
                    let exists = found.is_some();
                    self.no_such_gate(need, exists);
                    fine = false;
                }
            }
        }
        fine.then_some(needs)
    }

    fn no_such_gate(&mut self, need: &Spanned<StepId>, exists: bool) {
        let why = if exists { "is no gate" } else { "is no gate that stands before this step" };
        let gates = shown(self.place.visible().filter(|step| step.gate.is_some()).map(|step| &step.id));
        let found = Diagnostic::error(Code::UnknownGate, format!("`{}` {why}", need.value));
        let near = did_you_mean(need.value.as_str(), gates.iter().map(String::as_str)).unwrap_or_default();
        let help = match gates.as_slice() {
            [] => "no gate stands before it".to_owned(),
            gates => {
                format!("the gates before it: {}", crate::diagnostic::list(gates.iter().map(String::as_str), "and"))
            }
        };
        self.findings.push(found.at(self.findings.source(), need.span, near).help(help));
    }

    /// `for_each`, and the type of one item.
    fn round(&mut self, model: &StepModel) -> (Option<Option<Loop>>, Option<Ty>) {
        let Some(node) = &model.for_each else { return (Some(None), None) };
        let at_most = model.max_parallel.as_ref().map_or(1, |most| most.value);
        let over = self.over(node);
        let item = over.as_ref().map_or(Ty::Any, |(_, ty)| ty.items());
        let next_by = self.optional_next_by(model, &item);
        let whole = over.zip(next_by).map(|((over, _), next_by)| Some(Loop { over, at_most, next_by }));
        (whole, Some(item))
    }

    fn optional_next_by(&mut self, model: &StepModel, item: &Ty) -> Option<Option<NextBy>> {
        model.next_by.as_ref().map_or(Some(None), |next_by| self.next_by(next_by, item).map(Some))
    }

    fn over(&mut self, node: &Node) -> Option<(Tree, Ty)> {
        let (names, findings) = self.here(None);
        let (tree, ty) = if let NodeKind::Seq(_) = node.kind {
            let (tree, ty) = leaf::tree(node, "`for_each`", &names, findings)?;
            leaf::no_secret(node, &ty, "`for_each`", findings)?;
            (tree, ty)
        } else {
            let (expr, ty) = leaf::value(node, "`for_each`", &names, findings)?;
            (Tree::Leaf(crate::expr::Template::Whole(expr)), ty)
        };
        leaf::fits(node, "`for_each`", &ty, &Ty::list(Ty::Any), findings)?;
        Some((tree, ty))
    }

    fn misplaced_max_parallel(&mut self, model: &StepModel) {
        let parallel = matches!(model.kind, Some(KindModel::Parallel(_)) | None);
        if let Some(most) = &model.max_parallel
            && model.for_each.is_none()
            && !parallel
        {
            let help = "it belongs to a step with `for_each`, or to a `parallel` group";
            self.findings.helped(Code::BadValue, most.span, "`max_parallel` means nothing here", help);
        }
    }

    /// What the step is, unless something was wrong with it, and the type of its output, if that is known.
    fn kind(&mut self, model: &StepModel, needs: &Option<Vec<StepId>>) -> Option<(Option<Kind>, Ty)> {
        let needs = needs.as_deref().unwrap_or_default();
        let found = match model.kind.as_ref()? {
            KindModel::Call(call) => return self.call(call),
            KindModel::Use(used) => self.used(used).map(|(used, ty)| (Kind::Use(used), ty)),
            KindModel::Gate(gate) => self.gate(model, gate).map(|(gate, ty)| (Kind::Gate(Box::new(gate)), ty)),
            KindModel::Steps(steps) => self.group(model, steps, Order::Written, needs),
            KindModel::Parallel(steps) => {
                // With `for_each`, `max_parallel` counts items.
                let most = model.max_parallel.as_ref().filter(|_| model.for_each.is_none());
                let at_most = most.map_or(u32::MAX, |most| most.value);
                self.group(model, steps, Order::Parallel { at_most }, needs)
            }
        };
        found.map(|(kind, ty)| (Some(kind), ty))
    }

    /// The group's output is there even when a step inside was wrong: what comes after it is checked as well.
    fn group(&mut self, model: &StepModel, steps: &[StepModel], order: Order, needs: &[StepId]) -> Option<(Kind, Ty)> {
        if model.for_each.is_some() {
            self.reserved(steps);
        }
        self.place.levels.push(Level::default());
        let checked = self.list(steps, order, needs);
        let level = self.place.levels.pop().unwrap_or_default();
        let fields = level.visible.into_iter().map(|step| (step.id.as_str().to_owned(), step.output));
        let output = Ty::record(fields);
        // An empty group of the right type stands in until the error that was found is mended.
        Some((Kind::Group(Group { steps: checked.unwrap_or_default(), order }), output))
    }

    /// Each round of a loop over a group is an object of its children's outputs, with these two beside them.
    fn reserved(&mut self, steps: &[StepModel]) {
        for id in steps.iter().filter_map(|step| step.id.as_ref()) {
            if ["key", "item"].contains(&id.value.as_str()) {
                let message = format!("a step inside a loop cannot be called `{}`", id.value);
                let help = "`steps.<loop>` is a list with `key`, `item` and the outputs of the steps by id";
                self.findings.helped(Code::BadName, id.span, message, help);
            }
        }
    }

    fn used(&mut self, model: &UseModel) -> Option<(Use, Ty)> {
        let action = model.action.as_ref()?;
        let spec = self.spec(action)?;
        let with = self.with(action, &model.with, &spec);
        let effect = self.effect(action, model.effect.as_ref(), &spec);
        let retry = self.retry(model.retry.as_ref(), effect, &spec);
        let timeout = model.timeout.as_ref().map(|time| time.value);
        let output = asked::output(&spec.output, with.as_ref());
        let (idempotent, ephemeral) = (spec.idempotent, spec.ephemeral);
        let used = Use {
            action: spec.name,
            with: with.unwrap_or(Tree::Constant(serde_json::Value::Null)),
            effect,
            idempotent,
            ephemeral,
            timeout,
            retry,
        };
        Some((used, output))
    }

    fn effect(&mut self, action: &Spanned<ActionName>, wanted: Option<&Spanned<Effect>>, spec: &ActionSpec) -> Effect {
        if let Some(wanted) = wanted
            && wanted.value < spec.effect
        {
            let message = format!("`{}` is `{}`, and a runbook cannot make it less", spec.name, spec.effect);
            let help = "an effect may be raised, never lowered; leave `effect` out";
            self.findings.helped(Code::EffectLowered, wanted.span, message, help);
        }
        let effect = wanted.map_or(spec.effect, |wanted| wanted.value.max(spec.effect));
        let span = wanted.map_or(action.span, |wanted| wanted.span);
        self.not_yet_allowed(effect, span, spec);
        effect
    }

    fn not_yet_allowed(&mut self, effect: Effect, span: Span, spec: &ActionSpec) {
        match effect {
            Effect::Read => {}
            Effect::Change if spec.idempotent || !spec.ephemeral => {}
            Effect::Change => {
                let message = format!(
                    "`{}` changes things, is not idempotent, and what it gives is gone with the process",
                    spec.name
                );
                let help = "a run that is resumed would have to do it a second time";
                self.findings.helped(Code::ChangeNotIdempotent, span, message, help);
            }
            // See `confirm.rs`.
            Effect::Destroy => {}
        }
    }

    pub(super) fn retry(&mut self, model: Option<&Spanned<RetryModel>>, effect: Effect, spec: &ActionSpec) -> Retry {
        let Some(Spanned { value: model, span }) = model else { return Retry::default() };
        let safe = effect == Effect::Read || (effect == Effect::Change && spec.idempotent);
        if !safe {
            let message = format!("`{}` must not be retried: it is `{effect}` and not idempotent", spec.name);
            self.findings.helped(Code::RetryNotSafe, *span, message, "leave `retry` out");
        }
        let standard = Retry::default();
        Retry { attempts: model.attempts, delay: model.delay.unwrap_or(standard.delay), backoff: model.backoff }
    }

    /// The fields of the step over the runbook's defaults for this action, against the action's schema.
    pub(super) fn with(&mut self, action: &Spanned<ActionName>, model: &WithGiven, spec: &ActionSpec) -> Option<Tree> {
        let mut map = match model {
            WithGiven::Absent => Map::default(),
            WithGiven::Wrong => return None,
            WithGiven::Fields(with) => with.map.clone(),
        };
        let default = self.model.defaults.iter().find(|default| default.action.value == action.value);
        if let Some(default) = default {
            self.used_defaults.insert(action.value.clone());
            let missing = |entry: &&crate::yaml::Entry| map.get(&entry.key.name).is_none();
            let added: Vec<_> = default.with.map.iter().filter(missing).cloned().collect();
            map.0.extend(added);
        }
        let (names, findings) = self.here(None);
        let tree = with::check(&map, &spec.input, action.span, &names, findings)?;
        self.ask_plugin(&map, action, &tree);
        Some(tree)
    }

    /// What the plugin says of a `with` that holds no template.
    fn ask_plugin(&mut self, map: &Map, action: &Spanned<ActionName>, tree: &Tree) {
        let Some(constant) = tree.constant() else { return };
        let node = Node { span: action.span, kind: NodeKind::Map(map.clone()) };
        for problem in self.actions.check(&action.value, constant) {
            let at = node.at(problem.path.as_deref().unwrap_or_default());
            self.findings.error(Code::BadField, at.span, problem.message, "");
        }
    }
}

/// As what others may need it; one in which something is wrong counts as data, which is told once.
fn class_of(model: &StepModel, inside: Option<&(Option<Kind>, Ty)>) -> Option<GateClass> {
    match (inside, &model.kind) {
        (Some((Some(Kind::Gate(gate)), _)), _) => Some(gate.class),
        (_, Some(KindModel::Gate(_))) => Some(GateClass::Data),
        _ => None,
    }
}

/// What others see of the step's output.
fn seen_from_outside(model: &StepModel, on_error: OnError, output: Ty, item: Option<Ty>) -> Ty {
    let output = match item {
        Some(item) => rounds(model, item, output),
        None => output,
    };
    let goes_on = on_error != OnError::Stop;
    if model.when.is_some() || goes_on { output.or_null() } else { output }
}

/// A loop gives a list of its rounds.
fn rounds(model: &StepModel, item: Ty, output: Ty) -> Ty {
    let beside = [("key".to_owned(), Ty::Str), ("item".to_owned(), item)];
    let is_group = matches!(model.kind, Some(KindModel::Steps(_) | KindModel::Parallel(_)));
    let inner: Vec<(String, Ty)> = match output {
        Ty::Object(object) if is_group => {
            object.fields.into_iter().map(|(name, field)| (name, field.ty.or_null())).collect()
        }
        other => vec![("output".to_owned(), other.or_null())],
    };
    Ty::list(Ty::record(beside.into_iter().chain(inner)))
}

fn finished(
    model: &StepModel,
    id: Option<StepId>,
    when: Option<Option<crate::expr::Expr>>,
    round: Option<Option<Loop>>,
    needs: Option<Vec<StepId>>,
    (kind, on_error, confirm): (Option<Kind>, OnError, Option<Option<Confirm>>),
) -> Option<Step> {
    Some(Step {
        id: id?,
        summary: model.summary.clone(),
        when: when?,
        for_each: round?,
        needs: needs?,
        on_error,
        confirm: confirm?,
        kind: kind?,
        span: model.span,
    })
}
