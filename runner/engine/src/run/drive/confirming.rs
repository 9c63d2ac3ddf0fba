//! The way to an act that destroys: the question put, and the answer taken. What is looked at after the yes stands in
//! `looking_again`.
//!
//! The core says which of it is wanted; here it is done, and what came of it is written down.

use std::time::Duration;

use futures::future::{AbortHandle, Abortable, FutureExt, join_all};
use serde_json::{Value, json};
use sluice_plugin::{Applied, Preview, Problem, Verdict, format_duration};

use super::looking_again::LastLook;
use super::{Answer, Drive, Finished, Task};
use crate::confirm::{BadReceipt, Identity, Policy};
use crate::ids::Sha256;
use crate::journal::{AskId, Bound, Event, Samples};
use crate::machine::asks;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::{Check, fill, wanted_in};
use crate::run::RunError;
use crate::run::attempt::Attempt;
use crate::run::bind::bind;
use crate::run::confirming::{Question, Reply};
use crate::run::login::Login;
use crate::run::plan::{Binding, MadeFrom, made_from_all};
use crate::runbook::checked::{Confirm, InputKind, Kind};

/// So often it is looked at what would be done, each time patiently, before nobody is asked at all.
const SLOW_BINDS: u32 = 5;

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
    Rebound(Result<(Box<Binding>, Value), Problem>),
    Rejudged(Verdict, String, Samples, Value),
    Looked(Box<LastLook>),
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
                async move { Brought::Rebound(preview.await.1) }.boxed()
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
    pub(super) fn preview_of(&self, act: Path) -> impl Future<Output = Looked> + Send + 'static {
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
                // Nothing was said of what would be done: it is asked again, for a while. Nobody waits before a screen that
                // says nothing: after that the run fails, with the reason, and nothing was touched.
                Err(problem) if problem.retryable && self.slow_binds.again(scope, SLOW_BINDS) => {
                    tracing::warn!(%problem, "what would be destroyed cannot be looked at now");
                    return Ok(());
                }
                Err(problem) => return self.scope_failed(scope, problem).await,
            }
        }
        self.slow_binds.forget(scope);
        let asked = match self.asked(scope, bound) {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(()),
            Err(problem) => return self.scope_failed(scope, problem).await,
        };
        self.append(vec![asked]).await?;
        self.use_receipt(scope).await
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
            Err(bad) if self.engine.confirming.asks_beside => {
                tracing::debug!(%bad, "the one yes does not cover it");
                return Ok(());
            }
            Ok(()) => Reply { yes: true, typed, because: None },
            Err(bad) => Reply { yes: false, typed: String::new(), because: Some(bad.to_string()) },
        };
        let answer = self.answer(id, receipt.by.clone(), reply, Some(digest));
        self.append_as(vec![answer], None).await
    }
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
            Ok(Preview::Ready { binding, facts }) => {
                login.is_good();
                return Ok((binding, facts));
            }
            Ok(Preview::Already { .. }) => {
                let message = "what it would destroy is not there any more, and nobody was asked";
                return Err(Problem::not_applied("already", message));
            }
            Ok(Preview::Refused { why }) => return Err(Problem::not_applied("refused", why)),
            Err(problem) if login.awaited(attempt, &problem).await => tries = 0,
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
