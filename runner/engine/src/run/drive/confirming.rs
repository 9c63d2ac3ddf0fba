//! The way to an act that destroys: the question put, the answer taken, and after the yes everything looked at once more.
//!
//! The core says which of it is wanted; here it is done, and what came of it is written down.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{AbortHandle, Abortable, FutureExt, join_all};
use serde_json::{Value, json};
use sluice_plugin::{Applied, Outcome, Preview, Problem, Timestamp, Verdict, format_duration};

use super::acts::Began;
use super::sampling::{over, sample_of};
use super::{Answer, Drive, Finished, Task};
use crate::confirm::{BadReceipt, Identity, Policy};
use crate::ids::Sha256;
use crate::journal::{AskId, Bound, Event, Glance, Key, Samples, Void};
use crate::machine::asks::{self, FRESH};
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{Check, State, fill, wanted_in};
use crate::run::attempt::{Attempt, GATE_OVER};
use crate::run::bind::bind;
use crate::run::confirming::{Question, Reply};
use crate::run::gate::{Decision, GateRun};
use crate::run::judge::{judge, look_of, unanswered};
use crate::run::login::Login;
use crate::run::plan::{Binding, MadeFrom, made_from_all};
use crate::run::{Clock, RunError};
use crate::runbook::checked::{Checked, Confirm, Gate, InputKind, Kind, Step};

/// So many last looks may take too long, or tell nothing, before the gate counts as not passed.
const SLOW_LOOKS: u32 = 3;

/// So often it is looked at what would be done, each time patiently, before nobody is asked at all.
const SLOW_BINDS: u32 = 5;

/// So often it is looked at after the yes, each time patiently, before the yes counts no more.
const TROUBLES: u32 = 10;

/// A preview that fails for a while is asked again so often, and after so long.
const PREVIEWS: u32 = 3;
const PREVIEW_PAUSE: Duration = Duration::from_secs(3);

/// What an act would do, bound, with facts.
type Looked = (Path, Result<(Box<Binding>, Value), Problem>);

/// What one part of the way brings back.
pub(in crate::run) enum Brought {
    Bound(Vec<Looked>),
    /// To the question with this number.
    Replied(AskId, Reply),
    Rebound(Result<Box<Binding>, Problem>),
    Rejudged(Verdict, String, Samples, Value),
    Looked(Box<LastLook>),
}

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
    pub(super) fn check(&mut self, check: Check) {
        // Where the lock is kept gives no answer: nothing could begin after the look.
        if matches!(check, Check::LookLast { .. }) && self.is_silent() {
            return;
        }
        let work = match &check {
            Check::Bind { scope } => {
                // One whose `when` cannot be said is no act; the core has decided about it.
                let acts = wanted_in(scope, &self.log.runbook, &self.log.state).unwrap_or_default();
                let previews: Vec<_> = acts.into_iter().map(|act| self.preview_of(act)).collect();
                async move { Brought::Bound(join_all(previews).await) }.boxed()
            }
            Check::Ask { scope } => {
                let (Some(asker), Some(question)) = (self.engine.confirming.asker.clone(), self.question(scope)) else {
                    return;
                };
                // Whoever said yes has said it: more people have to, and the run waits for them.
                if self.has_said_yes(scope) {
                    return;
                }
                let ask = question.ask;
                async move { Brought::Replied(ask, asker.ask(question).await) }.boxed()
            }
            Check::Rebind { act } => {
                let preview = self.preview_of(act.clone());
                async move { Brought::Rebound(preview.await.1.map(|(binding, _)| binding)) }.boxed()
            }
            Check::Rejudge { gate, .. } => self.rejudge(gate.clone()),
            Check::LookLast { act } => self.look_last(act),
        };
        let (handle, registration) = AbortHandle::new_pair();
        self.flight.checks.insert(check.clone());
        self.checks.insert(check.clone(), handle);
        let began = self.engine.clock.now();
        let work = Abortable::new(work, registration);
        self.tasks.push(
            async move {
                let answer = work.await.ok().map(|answer| Answer::Check(Box::new(answer)));
                Finished { task: Task::Check(check), began, answer }
            }
            .boxed(),
        );
    }

    fn made_from(&self) -> MadeFrom {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        made_from_all(runbook, &self.engine.registry, state.inputs(), &self.engine.confirming.sources)
    }

    /// What the act would do now, bound.
    fn preview_of(&self, act: Path) -> impl Future<Output = Looked> + Send + 'static {
        let prepared = self.prepare(&act).and_then(Attempt::checked);
        let step = act.find(&self.log.runbook, &self.log.state).map(|(step, _)| step.clone());
        let (hosts, made_from, login) = (self.engine.hosts.clone(), self.made_from(), self.login.clone());
        async move {
            let bound = async {
                let attempt = prepared?;
                let gone = || Problem::not_applied("no_such_step", "the run has no such step");
                let step = step.ok_or_else(gone)?;
                let (target, facts) = preview_patiently(&attempt, login).await?;
                Ok((bind(&*hosts, &step, &attempt, &made_from, target), facts))
            };
            let bound = bound.await;
            (act, bound)
        }
    }

    fn question(&self, scope: &Path) -> Option<Question> {
        let ask = self.log.state.asking.open.get(scope)?;
        Some(Question {
            run: self.log.run.clone(),
            ask: ask.id,
            digest: ask.digest,
            key: scope.key(&self.log.runbook, &self.log.state),
            typed: ask.typed.clone(),
            answer_by: ask.answer_by,
            shown: ask.shown.clone(),
        })
    }

    fn has_said_yes(&self, scope: &Path) -> bool {
        let me = &self.engine.confirming.me;
        self.log.state.asking.open.get(scope).is_some_and(|ask| ask.yes.iter().any(|one| one.may_be(me)))
    }

    fn gate_look(&self, gate: &Path) -> GateLook {
        GateLook {
            attempt: self.prepare(gate),
            path: gate.clone(),
            key: gate.key(&self.log.runbook, &self.log.state),
            runbook: self.log.runbook.clone(),
            state: Arc::new(self.log.state.clone()),
        }
    }

    fn rejudge(&self, gate: Path) -> futures::future::BoxFuture<'static, Brought> {
        let (look, hosts, clock) = (self.gate_look(&gate), self.engine.hosts.clone(), self.engine.clock.clone());
        let (observer, run) = (self.engine.observer.clone(), self.log.run.clone());
        async move {
            let Some((step, gate)) = look.gate() else { return nothing_seen(&*clock) };
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
                    let (verdict, why, seen) = over(&gate_run, gate, last);
                    return Brought::Rejudged(verdict, why, gate_run.samples(), seen);
                }
                let (seen_look, judgement, seen) = look_of(
                    &*hosts,
                    (&look.runbook, &look.state, &look.path),
                    (step, gate),
                    answer,
                    (began, clock.now()),
                );
                match gate_run.sample(&gate.passes, &seen_look, until) {
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

    fn look_last(&self, act: &Path) -> futures::future::BoxFuture<'static, Brought> {
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

    /// What a part of the way has brought.
    pub(super) async fn checked(&mut self, check: Check, answer: Brought) -> Result<(), RunError> {
        match (check, answer) {
            (Check::Bind { scope }, Brought::Bound(acts)) => self.put_question(&scope, acts).await,
            (Check::Ask { scope }, Brought::Replied(ask, reply)) => self.replied(&scope, ask, reply).await,
            (Check::Rebind { act }, Brought::Rebound(bound)) => self.rebound(&act, bound).await,
            (Check::Rejudge { act, gate }, Brought::Rejudged(verdict, why, samples, seen)) => {
                self.rejudged(&act, &gate, (verdict, why, samples, seen)).await
            }
            (Check::LookLast { act }, Brought::Looked(look)) => self.looked(act, *look).await,
            _ => Ok(()),
        }
    }

    /// What is meant is a cluster that the run was given, or a node of it, to the last field: of any other no policy speaks,
    /// and no shared lock stands for it.
    fn is_named(&self, binding: &Binding) -> Result<(), Problem> {
        let (runbook, inputs) = (&self.log.runbook, self.log.state.inputs());
        let clusters = runbook.inputs.iter().filter(|(_, input)| matches!(input.kind, InputKind::Cluster));
        let named: Vec<&Value> = clusters.filter_map(|(name, _)| inputs.get(name)).collect();
        let nodes = |cluster: &&Value| cluster.get("nodes").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_given = |thing: &Value| named.iter().any(|cluster| *cluster == thing || nodes(cluster).contains(thing));
        let mut meant = Vec::new();
        of_clusters(&binding.with, &mut meant);
        let Some(stranger) = meant.into_iter().find(|thing| !is_given(thing)) else { return Ok(()) };
        let text = |pointer: &str| stranger.pointer(pointer).and_then(Value::as_str);
        let cluster = text("/cluster").or(text("/name")).unwrap_or("?");
        let account = text("/aws/account").map(|account| format!(" in account {account}")).unwrap_or_default();
        let message = format!(
            "it would act on cluster {cluster}{account}, and no input of the run is that cluster: its policy and its lock \
             would not count; give the runbook an input of `type: cluster`, and take nodes from it"
        );
        Err(Problem::not_applied("not_named", message))
    }

    async fn put_question(&mut self, scope: &Path, acts: Vec<Looked>) -> Result<(), RunError> {
        let mut bound = Vec::with_capacity(acts.len());
        for (act, result) in acts {
            match result {
                Ok((binding, facts)) => match self.is_named(&binding) {
                    Ok(()) => bound.push((act, binding, facts)),
                    Err(problem) => return self.scope_failed(scope, problem).await,
                },
                // Nothing was said of what would be done: it is asked again, for a while.
                Err(problem) if problem.retryable && self.binds_again(scope) => {
                    tracing::warn!(%problem, "what would be destroyed cannot be looked at now");
                    return Ok(());
                }
                Err(problem) => return self.scope_failed(scope, problem).await,
            }
        }
        self.slow_binds.remove(scope);
        let asked = match self.asked(scope, bound) {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(()),
            Err(problem) => return self.scope_failed(scope, problem).await,
        };
        self.append(vec![asked]).await?;
        self.use_receipt(scope).await
    }

    /// Whether what would be done is looked at once more before anybody is asked. Nobody waits before a screen that says
    /// nothing: after that the run fails, with the reason, and nothing was touched.
    fn binds_again(&mut self, scope: &Path) -> bool {
        let tries = self.slow_binds.entry(scope.clone()).or_default();
        *tries += 1;
        *tries < SLOW_BINDS
    }

    /// Nothing that only looks can have changed anything.
    async fn scope_failed(&mut self, scope: &Path, problem: Problem) -> Result<(), RunError> {
        let problem = Problem { applied: Applied::No, retryable: false, ..problem };
        self.failed(scope, problem).await
    }

    fn asked(&self, scope: &Path, acts: Vec<(Path, Box<Binding>, Value)>) -> Result<Option<Event>, Problem> {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let Some((step, _)) = scope.find(runbook, state) else { return Ok(None) };
        let (Some(confirm), Some(policy)) = (&step.confirm, &state.asking.policy) else { return Ok(None) };
        let now = self.engine.clock.now();
        let within = policy.answer_within().map_or(confirm.answer_within, |time| time.min(confirm.answer_within));
        let bound = acts.iter().map(|(act, binding, _)| {
            let attempts = act.find(runbook, state).map_or(0, |(_, slot)| slot.attempts);
            let attempt = sluice_plugin::Attempt(attempts + 1);
            Bound { key: act.key(runbook, state), attempt, binding: binding.digest() }
        });
        Ok(Some(Event::Asked {
            ask: AskId(state.asking.last.0 + 1),
            key: scope.key(runbook, state),
            acts: bound.collect(),
            typed: self.typed(confirm, &StepScope::new(runbook, state, scope))?,
            answer_by: now.plus(within),
            valid_for: format_duration(confirm.valid_for),
            shown: self.shown(&acts, policy),
        }))
    }

    fn typed(&self, confirm: &Confirm, scope: &StepScope<'_>) -> Result<String, Problem> {
        let typed = fill::text(&confirm.typed, scope).map_err(|error| fill::problem("confirm.typed", &error))?;
        let mut clean = typed.clone();
        self.engine.hosts.redact_text(&mut clean);
        if can_be_typed(&typed) && clean == typed {
            return Ok(typed);
        }
        let message =
            format!("what is to be typed, {clean:?}, has to be one word of plain ASCII without a secret in it");
        Err(Problem::not_applied("bad_typed", message))
    }

    /// What a person is to see before they say yes.
    fn shown(&self, acts: &[(Path, Box<Binding>, Value)], policy: &Policy) -> Value {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let dies: Vec<Value> = acts
            .iter()
            .map(|(act, binding, facts)| {
                let summary = act.find(runbook, state).and_then(|(step, _)| step.summary.clone());
                json!({ "step": binding.step, "summary": summary, "binding": binding, "digest": binding.digest(),
                    "facts": facts })
            })
            .collect();
        let needed = acts.iter().filter_map(|(act, ..)| asks::gates_of(act, runbook, state)).flatten();
        // What somebody let pass on the way here is shown too, whoever needs it.
        let gates: std::collections::BTreeSet<Path> = needed.chain(state.asking.overrides.keys().cloned()).collect();
        let gates: Vec<Value> = gates.iter().filter_map(|gate| self.shown_gate(gate)).collect();
        let sources = &self.engine.confirming.sources;
        json!({
            "acts": dies, "gates": gates, "policy": policy, "requester": state.asking.requester,
            "runbook": sources.runbook, "inventory": sources.inventory,
            "before": state.asking.voided.as_ref().map(|(_, why)| why),
        })
    }

    fn shown_gate(&self, gate: &Path) -> Option<Value> {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let (step, slot) = gate.find(runbook, state)?;
        let class = if let Kind::Gate(gate) = &step.kind { Some(gate.class) } else { None };
        let over = state.asking.overrides.get(gate);
        // Whoever says yes is to know what the gate saw, and not only what somebody thought of it.
        let why = over.map_or(slot.why.as_str(), |over| over.saw.as_str());
        let over = over.map(|over| json!({ "by": over.by, "why": over.why }));
        Some(json!({ "gate": gate.key(runbook, state), "class": class, "why": why, "overridden": over }))
    }

    async fn replied(&mut self, scope: &Path, ask: AskId, reply: Reply) -> Result<(), RunError> {
        // What was answered may not be what is asked by now.
        let Some(question) = self.question(scope).filter(|question| question.ask == ask) else { return Ok(()) };
        let by = self.engine.confirming.me.clone();
        let answer = self.answer((question.ask, question.digest), by, reply, None);
        self.append_as(vec![answer], None).await
    }

    /// A yes that would not count is a no, and says why.
    fn answer(&self, (ask, asked): (AskId, Sha256), by: Identity, reply: Reply, receipt: Option<Sha256>) -> Event {
        let Reply { yes, typed, because } = reply;
        let answer = Event::Answered { ask, asked, yes, by: by.clone(), typed, because, receipt };
        match asks::judge_answer(&self.log.state, &answer, self.engine.clock.now()) {
            Err(why) if yes => {
                let (typed, because) = (String::new(), Some(why));
                Event::Answered { ask, asked, yes: false, by, typed, because, receipt }
            }
            _ => answer,
        }
    }

    /// A run with a receipt waits for nobody: its question is answered by it, or not at all.
    async fn use_receipt(&mut self, scope: &Path) -> Result<(), RunError> {
        let (Some(receipt), Some(ask)) =
            (self.engine.confirming.receipt.clone(), self.log.state.asking.open.get(scope))
        else {
            return Ok(());
        };
        let (id, digest, now) = ((ask.id, ask.digest), receipt.digest(), self.engine.clock.now());
        let missing = ask.acts.values().find(|binding| !receipt.covers.contains(binding)).is_some();
        let (typed, bindings) = (ask.typed.clone(), ask.acts.values().copied().collect::<Vec<_>>());
        let good = if missing || !receipt.typed.contains(&typed) {
            let what = "the acts are bound to something else, or another name is to be typed";
            Err(BadReceipt::Another(what.to_owned()))
        } else if now > receipt.expires {
            Err(BadReceipt::Expired)
        } else if self.engine.store.get_blob(&digest).await?.is_none() {
            Err(BadReceipt::Unknown)
        } else if bindings.iter().any(|binding| self.receipt_spent.contains(binding)) {
            Err(BadReceipt::Spent)
        } else if self.receipt_spent.is_empty() && !self.engine.store.claim(&receipt.claim(), now).await? {
            Err(BadReceipt::Used)
        } else {
            Ok(())
        };
        // It may cover several questions of this run, and each act in them once.
        if good.is_ok() {
            self.receipt_spent.extend(bindings);
        }
        let reply = match good {
            Ok(()) => Reply { yes: true, typed, because: None },
            Err(bad) => Reply { yes: false, typed: String::new(), because: Some(bad.to_string()) },
        };
        let answer = self.answer(id, receipt.by.clone(), reply, Some(digest));
        self.append_as(vec![answer], None).await
    }

    /// The question that an act stands under, with its key and the binding that was confirmed.
    fn confirmed(&self, act: &Path) -> Option<(AskId, Key, Sha256)> {
        let scope = asks::scope_of(act, &self.log.runbook, &self.log.state)?;
        let ask = self.log.state.asking.open.get(&scope)?;
        Some((ask.id, scope.key(&self.log.runbook, &self.log.state), *ask.acts.get(act)?))
    }

    async fn rebound(&mut self, act: &Path, bound: Result<Box<Binding>, Problem>) -> Result<(), RunError> {
        let Some((ask, _, was)) = self.confirmed(act) else { return Ok(()) };
        match bound {
            // Trouble that passes says nothing of what would be done: it is looked at again, for a while.
            Err(problem) if problem.retryable && self.may_pass(act, &problem) => Ok(()),
            Ok(binding) if binding.digest() == was => {
                self.troubles.remove(act);
                let key = act.key(&self.log.runbook, &self.log.state);
                self.append(vec![Event::Rebound { ask, key, binding: was }]).await
            }
            other => self.moved(act, other).await,
        }
    }

    /// What was confirmed is not what would be done.
    async fn moved(&mut self, act: &Path, found: Result<Box<Binding>, Problem>) -> Result<(), RunError> {
        let Some((ask, key, was)) = self.confirmed(act) else { return Ok(()) };
        let before = self.was_shown(act);
        let (now, changes) = match &found {
            Ok(binding) => (Some(binding.digest()), json!({ "was": before, "is": binding })),
            Err(problem) => (None, json!({ "was": before, "problem": problem })),
        };
        let act = act.key(&self.log.runbook, &self.log.state);
        let why = Void::Moved { act, was, now, changes };
        self.append(vec![Event::Voided { ask, key, why }]).await
    }

    /// The binding as the person saw it.
    fn was_shown(&self, act: &Path) -> Value {
        let (runbook, state) = (&self.log.runbook, &self.log.state);
        let shown = || {
            let scope = asks::scope_of(act, runbook, state)?;
            let acts = state.asking.open.get(&scope)?.shown.get("acts")?.as_array()?;
            let key = act.key(runbook, state);
            let mine = acts.iter().find(|one| one.get("step").and_then(Value::as_str) == Some(key.as_str()))?;
            mine.get("binding").cloned()
        };
        shown().unwrap_or_default()
    }

    async fn rejudged(
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
    async fn looked(&mut self, act: Path, look: LastLook) -> Result<(), RunError> {
        let Some((ask, _, was)) = self.confirmed(&act) else { return Ok(()) };
        let binding = match look.binding {
            Ok(binding) if binding.digest() == was => was,
            Err(problem) if problem.retryable && self.may_pass(&act, &problem) => return Ok(()),
            other => return self.moved(&act, other).await,
        };
        self.troubles.remove(&act);
        let first =
            |wanted: &dyn Fn(Verdict) -> bool| look.glances.iter().position(|(glance, _)| wanted(glance.verdict));
        let fails = first(&|verdict| verdict == Verdict::Fail);
        let failed = fails.or_else(|| first(&|verdict| verdict != Verdict::Pass));
        // One answer that came late or not at all tells nothing of the world: all of them are taken once more, together.
        if failed.is_some() && fails.is_none() && self.looks_again(&act) {
            return Ok(());
        }
        let gates = asks::gates_to_judge(&act, &self.log.runbook, &self.log.state).unwrap_or_default();
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
                self.slow_looks.remove(&act);
                Ok(())
            }
            Began::No => Ok(()),
        }
    }

    /// Whether what the act would do is looked at once more. After a while the yes counts no more, and says why.
    fn may_pass(&mut self, act: &Path, problem: &Problem) -> bool {
        tracing::warn!(%problem, "what was confirmed cannot be looked at now");
        let troubles = self.troubles.entry(act.clone()).or_default();
        *troubles += 1;
        let again = *troubles < TROUBLES;
        if !again {
            self.troubles.remove(act);
        }
        again
    }

    /// Whether a last look that told nothing is taken once more; the last one of them counts as it is.
    fn looks_again(&mut self, act: &Path) -> bool {
        let slow = self.slow_looks.entry(act.clone()).or_default();
        *slow += 1;
        let again = *slow < SLOW_LOOKS;
        if !again {
            self.slow_looks.remove(act);
        }
        again
    }

    /// The intent was not written. A look that is always too old by then will not become younger.
    async fn too_slow(&mut self, act: &Path, gate: Option<&Path>) -> Result<(), RunError> {
        if self.looks_again(act) || self.confirmed(act).is_none() {
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

/// What the act says it would do: what it is bound to, and facts. Trouble that passes is waited out for a little.
async fn preview_patiently(attempt: &Attempt, login: Login) -> Result<(Value, Value), Problem> {
    if !attempt.action.spec.abilities.preview {
        return Ok((Value::Null, Value::Null));
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt.clone().preview().await {
            Ok(Preview::Ready { binding, facts }) => return Ok((binding, facts)),
            Ok(Preview::Already { .. }) => {
                let message = "what it would destroy is not there any more, and nobody was asked";
                return Err(Problem::not_applied("already", message));
            }
            Ok(Preview::Refused { why }) => return Err(Problem::not_applied("refused", why)),
            Err(problem) if login.awaited(&*attempt.clock, &problem).await => tries = 0,
            Err(problem) if problem.retryable && tries < PREVIEWS => {
                attempt.clock.sleep_until(attempt.clock.now().plus(PREVIEW_PAUSE)).await;
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// What a keyboard writes, so that nothing that only looks like it passes.
pub(in crate::run) fn can_be_typed(typed: &str) -> bool {
    !typed.is_empty() && typed.len() <= 128 && typed.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What stands in a value that says of itself that it is a cluster of an account, or a node of one.
fn of_clusters<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| of_clusters(item, found)),
        Value::Object(fields) => {
            let is_one = fields.contains_key("nodes") || fields.contains_key("cluster");
            match fields.get("aws") {
                Some(aws) if is_one && !aws.is_null() => found.push(value),
                _ => fields.values().for_each(|field| of_clusters(field, found)),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Is this the end of something that people were asked about?
pub(super) fn is_about_a_question(event: &Event) -> bool {
    matches!(event, Event::Asked { .. } | Event::Answered { .. } | Event::Voided { .. } | Event::Overridden { .. })
}
