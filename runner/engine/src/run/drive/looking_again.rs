//! After the yes: whether the act would still do what was confirmed, every gate once more as a whole, and a last look at all
//! of them together, right before it begins.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, join_all};
use serde_json::{Value, json};
use sluice_plugin::{Outcome, Problem, Timestamp, Verdict, format_duration};

use super::Drive;
use super::acts::Began;
use super::confirming::Brought;
use super::sampling::{over, sample_of};
use crate::ids::Sha256;
use crate::journal::{AskId, Event, Glance, Key, Samples, Void};
use crate::machine::State;
use crate::machine::asks::{self, FRESH};
use crate::machine::path::Path;
use crate::run::attempt::{Attempt, GATE_OVER};
use crate::run::gate::{Decision, GateRun};
use crate::run::judge::{judge, look_of, passes_at, unanswered};
use crate::run::plan::Binding;
use crate::run::{Clock, RunError};
use crate::runbook::checked::{Checked, Gate, Kind, Step};

/// So many last looks may take too long, or tell nothing, before the gate counts as not passed.
const SLOW_LOOKS: u32 = 3;

/// So often it is looked at after the yes, each time patiently, before the yes counts no more.
const TROUBLES: u32 = 10;

/// The last look, and the act as it would be begun now.
pub(in crate::run) struct LastLook {
    attempt: Result<Attempt, Problem>,
    binding: Result<Box<Binding>, Problem>,
    glances: Vec<(Glance, Value)>,
    /// When the oldest sample began, on the clock that cannot be set.
    since_boot: Duration,
}

/// What a look at a gate needs, owned.
struct GateLook {
    attempt: Result<Attempt, Problem>,
    path: Path,
    key: Key,
    runbook: Arc<Checked>,
    state: Arc<State>,
}

impl Drive {
    fn gate_look(&self, gate: &Path) -> GateLook {
        GateLook {
            attempt: self.prepare(gate),
            path: gate.clone(),
            key: gate.key(&self.log.runbook, &self.log.state),
            runbook: self.log.runbook.clone(),
            state: Arc::new(self.log.state.clone()),
        }
    }

    pub(super) fn rejudge(&self, gate: Path) -> futures::future::BoxFuture<'static, Brought> {
        let (look, hosts, clock) = (self.gate_look(&gate), self.engine.hosts.clone(), self.engine.clock.clone());
        let (observer, run) = (self.engine.observer.clone(), self.log.run.clone());
        async move {
            let Some((step, gate)) = look.gate() else { return nothing_seen(&*clock) };
            let passes = passes_at((&look.runbook, &look.state, &look.path), gate);
            let until = (!gate.passes.within.is_zero()).then(|| clock.now().plus(gate.passes.within));
            let (mut gate_run, mut last) = (GateRun::default(), None);
            let mut at = clock.now();
            loop {
                if at > clock.now() {
                    clock.sleep_until(at).await;
                }
                let began = clock.now();
                let answer = look.sample(until).await;
                if matches!(&answer, Err(problem) if problem.code == GATE_OVER) {
                    let (verdict, why, seen) = over(&gate_run, &passes, last);
                    return Brought::Rejudged(verdict, why, gate_run.samples(), seen);
                }
                let (seen_look, judgement, seen) = look_of(
                    &*hosts,
                    (&look.runbook, &look.state, &look.path),
                    (step, gate),
                    answer,
                    (began, clock.now()),
                );
                match gate_run.sample(&passes, &seen_look, until) {
                    Decision::Passed => {
                        return Brought::Rejudged(Verdict::Pass, judgement.why, gate_run.samples(), seen);
                    }
                    Decision::Stopped(verdict, why) => {
                        return Brought::Rejudged(verdict, why, gate_run.samples(), seen);
                    }
                    Decision::Again(next) => {
                        let sample = sample_of(&seen_look, &gate_run, until.unwrap_or(next));
                        let watched = super::Watched { run: &run, runbook: &look.runbook, state: &look.state };
                        observer.sampled(&watched, &look.key, &sample);
                        (at, last) = (next, Some((judgement, seen)));
                    }
                }
            }
        }
        .boxed()
    }

    pub(super) fn look_last(&self, act: &Path) -> futures::future::BoxFuture<'static, Brought> {
        let gates = asks::gates_to_judge(act, &self.log.runbook, &self.log.state).unwrap_or_default();
        let looks: Vec<GateLook> = gates.iter().map(|gate| self.gate_look(gate)).collect();
        let attempt = self.prepare(act).and_then(Attempt::checked);
        let preview = self.preview_of(act.clone());
        let (hosts, clock) = (self.engine.hosts.clone(), self.engine.clock.clone());
        async move {
            let since_boot = clock.since_boot();
            let glances = join_all(looks.iter().map(|look| look.glance(&*hosts, &*clock)));
            let (glances, (_, bound)) = futures::future::join(glances, preview).await;
            let binding = bound.map(|(binding, _)| binding);
            Brought::Looked(Box::new(LastLook { attempt, binding, glances, since_boot }))
        }
        .boxed()
    }

    /// The question that an act stands under, with its key and the binding that was confirmed.
    fn confirmed(&self, act: &Path) -> Option<(AskId, Key, Sha256)> {
        let scope = asks::scope_of(act, &self.log.runbook, &self.log.state)?;
        let ask = self.log.state.asking.open.get(&scope)?;
        Some((ask.id, scope.key(&self.log.runbook, &self.log.state), *ask.acts.get(act)?))
    }

    pub(super) async fn rebound(
        &mut self,
        act: &Path,
        bound: Result<(Box<Binding>, Value), Problem>,
    ) -> Result<(), RunError> {
        let Some((ask, _, was)) = self.confirmed(act) else { return Ok(()) };
        match bound {
            // Trouble that passes says nothing of what would be done: it is looked at again, for a while.
            Err(problem) if problem.retryable && self.may_pass(act, &problem) => Ok(()),
            Ok((binding, facts)) if binding.digest() == was => {
                self.troubles.forget(act);
                let (key, before) = (act.key(&self.log.runbook, &self.log.state), self.was_shown(act, "facts"));
                let facts = if facts == before { Value::Null } else { json!({ "was": before, "is": facts }) };
                self.append(vec![Event::Rebound { ask, key, binding: was, facts }]).await
            }
            other => self.moved(act, other.map(|(binding, _)| binding)).await,
        }
    }

    /// What was confirmed is not what would be done.
    async fn moved(&mut self, act: &Path, found: Result<Box<Binding>, Problem>) -> Result<(), RunError> {
        let Some((ask, key, was)) = self.confirmed(act) else { return Ok(()) };
        let before = self.was_shown(act, "binding");
        let (now, changes) = match &found {
            Ok(binding) => (Some(binding.digest()), json!({ "was": before, "is": binding })),
            Err(problem) => (None, json!({ "was": before, "problem": problem })),
        };
        let act = act.key(&self.log.runbook, &self.log.state);
        let why = Void::Moved { act, was, now, changes };
        self.append(vec![Event::Voided { ask, key, why }]).await
    }

    /// The act's binding or its facts, as the person saw them.
    fn was_shown(&self, act: &Path, part: &str) -> Value {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let shown = || {
            let scope = asks::scope_of(act, runbook, state)?;
            let acts = state.asking.open.get(&scope)?.shown.get("acts")?.as_array()?;
            let key = act.key(runbook, state);
            let mine = acts.iter().find(|one| one.get("step").and_then(Value::as_str) == Some(key.as_str()))?;
            mine.get(part).cloned()
        };
        shown().unwrap_or_default()
    }

    pub(super) async fn rejudged(
        &mut self,
        act: &Path,
        gate: &Path,
        (verdict, why, samples, seen): (Verdict, String, Samples, Value),
    ) -> Result<(), RunError> {
        if verdict != Verdict::Pass {
            return self.gate_failed(act, gate, (verdict, why, seen)).await;
        }
        let Some((ask, ..)) = self.confirmed(act) else { return Ok(()) };
        let (key, gate) = (act.key(&self.log.runbook, &self.log.state), gate.key(&self.log.runbook, &self.log.state));
        self.append(vec![Event::Rejudged { ask, key, gate, why, samples, seen }]).await
    }

    async fn gate_failed(
        &mut self,
        act: &Path,
        gate: &Path,
        (verdict, why, seen): (Verdict, String, Value),
    ) -> Result<(), RunError> {
        let Some((ask, key, _)) = self.confirmed(act) else { return Ok(()) };
        let (act, gate) = (act.key(&self.log.runbook, &self.log.state), gate.key(&self.log.runbook, &self.log.state));
        let why = format!("after the yes: {why}");
        self.append(vec![Event::Voided { ask, key, why: Void::GateFailed { act, gate, verdict, why, seen } }]).await
    }

    /// Every gate was seen together: the act begins, or the yes counts no more.
    pub(super) async fn looked(&mut self, act: Path, look: LastLook) -> Result<(), RunError> {
        let Some((ask, _, was)) = self.confirmed(&act) else { return Ok(()) };
        // A gate may have grown too old meanwhile: it is judged again first.
        let gates = asks::gates_to_judge(&act, &self.log.runbook, &self.log.state).unwrap_or_default();
        let (check, now) = (self.log.state.asking.checks.get(&act), self.engine.clock.now());
        if !check.is_some_and(|check| asks::is_ready(check, ask, &gates, now)) {
            return Ok(());
        }
        let binding = match look.binding {
            Ok(binding) if binding.digest() == was => was,
            Err(problem) if problem.retryable && self.may_pass(&act, &problem) => return Ok(()),
            other => return self.moved(&act, other).await,
        };
        self.troubles.forget(&act);
        let first =
            |wanted: &dyn Fn(Verdict) -> bool| look.glances.iter().position(|(glance, _)| wanted(glance.verdict));
        let fails = first(&|verdict| verdict == Verdict::Fail);
        let failed = fails.or_else(|| first(&|verdict| verdict != Verdict::Pass));
        // One answer that came late or not at all tells nothing of the world: all of them are taken once more, together.
        if failed.is_some() && fails.is_none() && self.slow_looks.again(&act, SLOW_LOOKS) {
            return Ok(());
        }
        if let Some(at) = failed
            && let (Some((glance, seen)), Some(gate)) = (look.glances.get(at), gates.get(at))
        {
            let (verdict, why, seen) = (glance.verdict, glance.why.clone(), seen.clone());
            return self.gate_failed(&act, gate, (verdict, why, seen)).await;
        }
        let attempt = match look.attempt {
            Ok(attempt) => attempt,
            Err(problem) => return self.moved(&act, Err(problem)).await,
        };
        let key = act.key(&self.log.runbook, &self.log.state);
        let looks = look.glances.into_iter().map(|(glance, _)| glance).collect();
        let before = vec![Event::LookedLast { ask, key, looks }];
        let fresh = look.since_boot.saturating_add(FRESH);
        match self.act_after(before, fresh, (act.clone(), attempt, binding)).await? {
            Began::TooLate => self.too_slow(&act, gates.first()).await,
            Began::Yes => {
                self.slow_looks.forget(&act);
                Ok(())
            }
            Began::No => Ok(()),
        }
    }

    /// Whether what the act would do is looked at once more. After a while the yes counts no more, and says why.
    fn may_pass(&mut self, act: &Path, problem: &Problem) -> bool {
        tracing::warn!(%problem, "what was confirmed cannot be looked at now");
        self.troubles.again(act, TROUBLES)
    }

    /// The intent was not written. A look that is always too old by then will not become younger.
    async fn too_slow(&mut self, act: &Path, gate: Option<&Path>) -> Result<(), RunError> {
        if self.slow_looks.again(act, SLOW_LOOKS) || self.confirmed(act).is_none() {
            return Ok(());
        }
        let Some(gate) = gate else { return Ok(()) };
        let why = format!("{SLOW_LOOKS} last looks took longer than {} each", format_duration(FRESH));
        self.gate_failed(act, gate, (Verdict::Inconclusive, why, Value::Null)).await
    }
}

impl GateLook {
    fn gate(&self) -> Option<(&Step, &Gate)> {
        let (step, _) = self.path.find(&self.runbook, &self.state)?;
        let Kind::Gate(gate) = &step.kind else { return None };
        Some((step, gate))
    }

    async fn sample(&self, until: Option<Timestamp>) -> Result<Outcome, Problem> {
        let attempt = self.attempt.clone()?;
        Attempt { until, ..attempt }.run().await
    }

    async fn glance(&self, hosts: &dyn crate::run::Hosts, clock: &dyn Clock) -> (Glance, Value) {
        let at = clock.now();
        let answer = self.sample(Some(at.plus(FRESH))).await;
        let (judgement, seen) = match (answer, self.gate()) {
            (Ok(mut outcome), Some(gate)) => {
                hosts.redact(&mut outcome.output);
                judge(&self.runbook, &self.state, &self.path, gate, outcome)
            }
            (Ok(_), None) => unanswered(&Problem::not_applied("no_such_step", "the run has no such gate")),
            (Err(problem), _) => unanswered(&problem),
        };
        (Glance { gate: self.key.clone(), verdict: judgement.verdict, why: judgement.why, at }, seen)
    }
}

fn nothing_seen(clock: &dyn Clock) -> Brought {
    let now = clock.now();
    let samples = Samples { count: 0, flips: 0, first: now, last: now };
    Brought::Rejudged(Verdict::Inconclusive, "the run has no such gate".to_owned(), samples, Value::Null)
}
