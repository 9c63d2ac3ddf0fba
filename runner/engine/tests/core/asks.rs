//! The shell's part in what destroys, played: questions put and answered, everything looked at once more, gates that
//! people let pass, and time going by meanwhile.

use std::time::Duration;

use serde_json::json;
use sluice_engine::confirm::Identity;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{AskId, Bound, CancelHow, Event, Glance, Key, Samples, Void};
use sluice_engine::machine::asks::{self, observation};
use sluice_engine::machine::path::Path;
use sluice_engine::machine::scope::StepScope;
use sluice_engine::machine::{Check, Command, InFlight, Status, apply, fill, next, wanted_in};
use sluice_engine::runbook::checked::{Kind, OnError};
use sluice_plugin::{Attempt, GateClass, Problem, Timestamp, Verdict, format_duration};

use super::checks::hold;
use super::confirmed::{self, asked, gates_of, is_stopped_open};
use super::junk;
use super::people::{self, Rules};
use super::sim::{Held, Sim, Task};
use super::tape::output;

impl Sim<'_> {
    /// Who owns the run says which policy it knows, and who started it.
    pub(super) fn rule(&mut self) -> Held {
        if !self.runbook.destroys() {
            return Ok(());
        }
        let first = self.state.epoch.0 == 1;
        // Some processes know a stricter policy than those before.
        let pick = if first { self.seed } else { self.seed + usize::from(self.state.epoch.0.is_multiple_of(5)) };
        self.own(Event::Ruled { policy: people::policy(pick), requester: first.then(people::me) })
    }

    /// A person sits at every other process.
    pub(super) fn is_attended(&self) -> bool {
        (self.seed + self.state.epoch.0 as usize).is_multiple_of(2)
    }

    /// What the act would do now.
    fn binding(&self, key: &Key) -> Sha256 {
        Sha256::of(format!("{key} {}", self.moved.get(key).copied().unwrap_or_default()).as_bytes())
    }

    /// The world is another one for an act.
    pub(super) fn shift(&mut self, which: u8) {
        let keys: Vec<Key> = self.needed.keys().cloned().collect();
        if let Some(key) = keys.get(usize::from(which) % keys.len().max(1)) {
            *self.moved.entry(key.clone()).or_default() += 1;
        }
    }

    pub(super) fn start_check(&mut self, check: &Check) -> Held {
        if self.checks.contains(check) {
            return Ok(());
        }
        confirmed::may_check(self, check)?;
        self.checks.insert(check.clone());
        Ok(())
    }

    pub(super) fn finish_check(&mut self, check: &Check, how: u8, what: u8) -> Held {
        self.checks.remove(check);
        match check {
            Check::Bind { scope } => self.bind(scope, how, what),
            Check::Ask { scope } => self.ask_me(scope, how),
            Check::Rebind { act } => self.rebind(act, how),
            Check::Rejudge { act, gate } => self.rejudge(act, gate, how, what),
            Check::LookLast { act } => self.look_last(act, how, what),
        }
    }

    fn bind(&mut self, scope: &Path, how: u8, what: u8) -> Held {
        let (key, runbook, state) = (scope.key(&self.runbook, &self.state), &self.runbook, &self.state);
        let (step, slot) = scope.find(runbook, state).ok_or("the step is gone")?;
        let confirm = step.confirm.clone().ok_or("the step asks nobody")?;
        let typed =
            fill::text(&confirm.typed, &StepScope::new(runbook, state, scope)).map_err(|error| error.to_string())?;
        if how % 8 > 5 {
            self.tally.count(if slot.status == Status::Pending { "could not ask" } else { "could not ask again" });
            let problem = Problem { retryable: how % 8 == 6, ..Problem::not_applied("already", "it is gone") };
            return self.own(Event::Failed { key, attempt: Attempt(slot.attempts + 1), problem });
        }
        let wanted = wanted_in(scope, runbook, state).map_err(|problem| problem.to_string())?;
        let bound = wanted.iter().map(|act| {
            let attempts = act.find(runbook, state).map_or(0, |(_, slot)| slot.attempts);
            let key = act.key(runbook, state);
            Bound { attempt: Attempt(attempts + 1), binding: self.binding(&key), key }
        });
        let acts: Vec<Bound> = bound.collect();
        let within = if what.is_multiple_of(4) { confirm.answer_within } else { Duration::from_secs(60) };
        let ask = AskId(u32::try_from(asked(&self.log).len()).unwrap() + 1);
        for act in &acts {
            let gates = gates_of(self, &act.key).into_iter().collect();
            self.needed.insert(act.key.clone(), gates);
        }
        self.tally.count(match acts.len() {
            1 => "asked",
            _ => "asked for several",
        });
        if ask.0 > 1 {
            self.tally.count("asked again");
        }
        self.own(Event::Asked {
            ask,
            key,
            acts,
            typed,
            answer_by: self.now.plus(within.min(confirm.answer_within)),
            valid_for: format_duration(confirm.valid_for),
            shown: json!({ "seen": what }),
        })
    }

    /// At the terminal: a yes that would not count is a no.
    fn ask_me(&mut self, scope: &Path, how: u8) -> Held {
        let key = scope.key(&self.runbook, &self.state);
        let (rules, all, by) = (Rules::of(&self.log), asked(&self.log), people::me());
        let one = all.iter().rev().find(|one| *one.scope == key).ok_or("nothing is asked")?;
        let yes = how % 8 < 5 && rules.counts(&by) && !one.has_said(&by) && self.now <= one.answer_by;
        let (ask, asked, typed) = (one.ask, one.digest, if yes { one.typed.to_owned() } else { String::new() });
        self.tally.count(if yes { "yes at the terminal" } else { "no at the terminal" });
        self.take(None, Event::Answered { ask, asked, yes, by, typed, because: None, receipt: None })
    }

    fn confirmed_as(&self, act: &Path) -> Result<(AskId, Key, Key, Sha256), String> {
        let key = act.key(&self.runbook, &self.state);
        let all = asked(&self.log);
        let one = all.iter().rev().find(|one| one.binding(&key).is_some()).ok_or("nobody was asked for it")?;
        let binding = one.binding(&key).ok_or("nobody was asked for it")?;
        Ok((one.ask, one.scope.clone(), key, binding))
    }

    fn rebind(&mut self, act: &Path, how: u8) -> Held {
        let (ask, _, key, was) = self.confirmed_as(act)?;
        let now = self.binding(&key);
        if how % 8 > 5 || now != was {
            return self.moves(act, (how % 8 < 7).then_some(now));
        }
        self.tally.count("rebound");
        let other = Event::Rebound { ask, key: key.clone(), binding: Sha256::ZERO, facts: json!(null) };
        self.refuse("I1: bound to something else", &self.envelope(Some(self.state.epoch), other))?;
        self.own(Event::Rebound { ask, key, binding: was, facts: json!(null) })
    }

    fn moves(&mut self, act: &Path, now: Option<Sha256>) -> Held {
        let (ask, scope, act, was) = self.confirmed_as(act)?;
        self.tally.count("moved");
        let why = Void::Moved { act, was, now, changes: json!({}) };
        self.own(Event::Voided { ask, key: scope, why })
    }

    fn rejudge(&mut self, act: &Path, gate: &Path, how: u8, what: u8) -> Held {
        let (ask, _, key, _) = self.confirmed_as(act)?;
        let gate = gate.key(&self.runbook, &self.state);
        if how % 8 > 5 {
            let verdict = if how % 8 == 6 { Verdict::Fail } else { Verdict::Inconclusive };
            return self.gate_fails(act, gate, verdict, what);
        }
        self.tally.count("rejudged");
        let samples = Samples { count: 1, flips: 0, first: self.now, last: self.now };
        self.own(Event::Rejudged { ask, key, gate, why: "as told".into(), samples, seen: output(what) })
    }

    fn gate_fails(&mut self, act: &Path, gate: Key, verdict: Verdict, what: u8) -> Held {
        let (ask, scope, act, _) = self.confirmed_as(act)?;
        self.tally.count("a gate failed after the yes");
        let why = Void::GateFailed { act, gate, verdict, why: "as told".into(), seen: output(what) };
        self.own(Event::Voided { ask, key: scope, why })
    }

    fn look_last(&mut self, act: &Path, how: u8, what: u8) -> Held {
        let (ask, _, key, was) = self.confirmed_as(act)?;
        let gates = asks::gates_to_judge(act, &self.runbook, &self.state).unwrap_or_default();
        let gates: Vec<Key> = gates.iter().map(|gate| gate.key(&self.runbook, &self.state)).collect();
        if how % 8 == 3 && !gates.is_empty() {
            // It takes so long that what passed before it has passed too long ago.
            self.now = Timestamp(self.now.0 + 130_000);
        }
        match (how % 8, gates.first()) {
            (6, Some(gate)) => return self.gate_fails(act, gate.clone(), Verdict::Fail, what),
            (7, _) => return self.moves(act, None),
            _ if self.binding(&key) != was => return self.moves(act, Some(self.binding(&key))),
            _ => {}
        }
        let epoch = Some(self.state.epoch);
        let look = |at: Timestamp, verdict| {
            let glance = |gate: &Key| Glance { gate: gate.clone(), verdict, why: String::new(), at };
            Event::LookedLast { ask, key: key.clone(), looks: gates.iter().map(glance).collect() }
        };
        let began = Timestamp(self.now.0 - i64::from(what % 6) * 999);
        if !gates.is_empty() {
            self.refuse("I1: a gate fails", &self.envelope(epoch, look(began, Verdict::Inconclusive)))?;
        }
        let attempts = act.find(&self.runbook, &self.state).map_or(0, |(_, slot)| slot.attempts);
        let act_by = self.now.plus(Duration::from_secs(5));
        let intended = |binding| Event::Intended { key: key.clone(), attempt: Attempt(attempts + 1), binding, act_by };
        self.refuse("I1: without a last look", &self.envelope(epoch, intended(was)))?;
        if let Some((how, _)) = self.race.take() {
            self.take(None, Event::CancelAsked { how, why: "just before".into() })?;
            self.tally.count("cancelled just before it destroys");
            return self.refuse("I3: after a cancel", &self.envelope(Some(self.state.epoch), intended(was)));
        }
        if gates.iter().any(|gate| confirmed::passed_ago(self, ask, &key, gate) > 120_000) {
            self.tally.count("a gate passed too long ago");
            return self.refuse("I1: a gate passed too long ago", &self.envelope(epoch, look(began, Verdict::Pass)));
        }
        self.own(look(began, Verdict::Pass))?;
        self.refuse("I1: something else", &self.envelope(epoch, intended(Sha256::ZERO)))?;
        if matches!(how % 8, 4 | 5) {
            // The look is too old by the time it could begin.
            self.now = Timestamp(self.now.0 + 6_000);
            self.tally.count("looked too slowly");
            return self.refuse("I1: too late", &self.envelope(epoch, intended(was)));
        }
        self.own(intended(was))?;
        self.tally.count("destroys");
        self.flight.insert(act.clone(), Task::Act);
        Ok(())
    }

    /// Somebody says something, from wherever. Whether it counts is told by the books.
    pub(super) fn answer(&mut self, who: u8, how: u8) -> Held {
        let (rules, all) = (Rules::of(&self.log), asked(&self.log));
        let open: Vec<_> = all.iter().filter(|one| one.waits(&rules)).collect();
        // Now and then somebody who has spoken speaks again, under whatever name.
        let known = |by: &Identity| how >= 160 && open.iter().any(|one| one.has_said(by) && rules.counts(by));
        let by = people::everybody().filter(known).last().unwrap_or_else(|| people::person(who));
        let Some(one) = open.get(usize::from(how / 8) % open.len().max(1)) else {
            let (ask, typed) = (AskId(u32::try_from(all.len()).unwrap()), "it".to_owned());
            let digest = all.last().map_or(Sha256::ZERO, |one| one.digest);
            let late = Event::Answered { ask, asked: digest, yes: true, by, typed, because: None, receipt: None };
            return self.refuse("I1: nothing is asked", &self.envelope(None, late));
        };
        let yes = how % 8 != 6;
        let ask = if how % 8 == 7 { AskId(one.ask.0 + 1) } else { one.ask };
        let digest = if how % 8 == 5 { Sha256::ZERO } else { one.digest };
        let typed = if how % 8 == 4 { format!("{} ", one.typed) } else { one.typed.to_owned() };
        let fits = ask == one.ask && digest == one.digest && self.now <= one.answer_by;
        let counts = fits && (!yes || (typed == one.typed && rules.counts(&by) && !one.has_said(&by)));
        if self.now > one.answer_by {
            self.tally.count("answered too late");
        } else if fits && yes && one.has_said(&by) && rules.counts(&by) {
            self.tally.count("the same person again");
        }
        let event = Event::Answered { ask, asked: digest, yes, by, typed, because: None, receipt: None };
        if !counts {
            self.tally.count("an answer that does not count");
            return self.refuse("I1: an answer that does not count", &self.envelope(None, event));
        }
        self.tally.count(if yes { "yes" } else { "no" });
        self.answers_commute(&event)?;
        self.take(None, event)
    }

    /// I6: in whatever order people speak, nothing begins that one order would not let begin.
    fn answers_commute(&self, event: &Event) -> Held {
        let Event::Answered { ask, asked, typed, by, .. } = event else { return Ok(()) };
        let no = Event::Answered {
            ask: *ask,
            asked: *asked,
            yes: false,
            by: by.clone(),
            typed: typed.clone(),
            because: None,
            receipt: None,
        };
        let others: Vec<Event> = people::everybody()
            .map(|by| Event::Answered {
                ask: *ask,
                asked: *asked,
                yes: true,
                by,
                typed: typed.clone(),
                because: None,
                receipt: None,
            })
            .collect();
        let cancel = Event::CancelAsked { how: CancelHow::AfterStep, why: String::new() };
        let fold = |events: &[&Event]| {
            let mut state = self.state.clone();
            for event in events {
                let envelope = self.envelope(None, (*event).clone());
                let envelope = sluice_engine::journal::Envelope { ordinal: state.ordinal + 1, ..envelope };
                let before = state.clone();
                if apply(&self.runbook, &mut state, &envelope).is_err() {
                    state = before;
                }
            }
            state
        };
        let yes = |state: &sluice_engine::machine::State| {
            state.asking.open.values().filter(|one| one.id == *ask && one.confirmed.is_some()).count()
        };
        for other in &others {
            let (one, two) = (fold(&[event, other]), fold(&[other, event]));
            hold(yes(&one) == yes(&two) || !is_yes(event), || "I6: the order of two answers matters".into())?;
            let (one, two) = (fold(&[&no, other]), fold(&[&no, event, other]));
            hold(yes(&one) == 0 && yes(&two) == 0, || "I6: a yes counts behind a no".into())?;
            for order in [[event, other, &cancel], [&cancel, event, other], [event, &cancel, other]] {
                let wanted = next(&self.runbook, &fold(&order), self.now, &InFlight::default());
                let checks = wanted.iter().any(|command| matches!(command, Command::Check(_)));
                hold(!checks, || format!("I6: {wanted:?} after a cancel"))?;
            }
        }
        Ok(())
    }

    /// A person lets a gate pass. Only one that stopped the run, in what it saw, and only if they may.
    pub(super) fn override_gate(&mut self, which: u8, who: u8) -> Held {
        let stopped = |status: &Status| matches!(status, Status::Stopped { .. });
        let gates: Vec<(Key, Option<Sha256>, (bool, bool))> = junk::keys(self)
            .into_iter()
            .filter_map(|(key, path)| {
                let path = path?;
                let (step, slot) = path.find(&self.runbook, &self.state)?;
                let slot = slot.clone();
                let data = matches!(&step.kind, Kind::Gate(gate) if gate.class == GateClass::Data);
                (stopped(&slot.status) && matches!(slot.inside, sluice_engine::machine::state::Inside::Leaf))
                    .then(|| (key, observation(&slot), (data, self.ends_its_steps(&path))))
            })
            .collect();
        let (by, why) = (people::person(who / 2), "seen with my own eyes".to_owned());
        let Some((key, Some(seen), (data, ends))) = gates.get(usize::from(which) % gates.len().max(1)).cloned() else {
            let keys = junk::keys(self);
            let (key, _) = keys[usize::from(which) % keys.len()].clone();
            let event = Event::Overridden { key, observation: Sha256::ZERO, by, why };
            return self.refuse("I7: nothing to override", &self.envelope(None, event));
        };
        let event = |observation, by: &Identity| Event::Overridden {
            key: key.clone(),
            observation,
            by: by.clone(),
            why: why.clone(),
        };
        self.refuse("I7: another observation", &self.envelope(None, event(Sha256::ZERO, &by)))?;
        let open = is_stopped_open(self);
        match (open, Rules::of(&self.log).overrides(&by) && !data && ends) {
            (Some(true), true) => {
                self.tally.count("overridden");
                self.take(None, event(seen, &by))
            }
            (None, true) => Ok(()),
            _ => {
                self.tally.count("may not override");
                self.refuse("I7: an override that does not count", &self.envelope(None, event(seen, &by)))
            }
        }
    }

    /// No step that it stands in, nor itself, says that the rest goes on when it does not pass.
    fn ends_its_steps(&self, path: &Path) -> bool {
        path.levels(&self.runbook, &self.state).iter().all(|level| level.step.on_error == OnError::Stop)
    }

    /// Nothing disturbs any more: everybody who may says yes.
    pub(super) fn everybody_says_yes(&mut self) -> Held {
        for by in people::everybody() {
            let rules = Rules::of(&self.log);
            let all = asked(&self.log);
            let fits = |one: &&confirmed::Asked<'_>| {
                one.waits(&rules) && self.now <= one.answer_by && rules.counts(&by) && !one.has_said(&by)
            };
            let answers: Vec<Event> = all
                .iter()
                .filter(fits)
                .map(|one| Event::Answered {
                    ask: one.ask,
                    asked: one.digest,
                    yes: true,
                    by: by.clone(),
                    typed: one.typed.to_owned(),
                    because: None,
                    receipt: None,
                })
                .collect();
            answers.into_iter().try_for_each(|event| self.take(None, event))?;
        }
        Ok(())
    }

    /// I1, I7: each act that destroys and was asked for, wherever it is: begun now it would be legal, or is refused.
    pub(super) fn nothing_begins_too_early(&self) -> Held {
        for one in asked(&self.log) {
            for key in self.needed.keys() {
                let Some(binding) = one.binding(key) else { continue };
                let attempts = junk::slot_of(self, key).map_or(0, |slot| slot.attempts);
                let attempt = Attempt(attempts + 1);
                if confirmed::may_begin(self, key, attempt, binding).is_ok() {
                    continue;
                }
                let act_by = self.now.plus(Duration::from_secs(5));
                let event = Event::Intended { key: key.clone(), attempt, binding, act_by };
                self.refuse("I1: it may not begin", &self.envelope(Some(self.state.epoch), event))?;
            }
        }
        Ok(())
    }
}

fn is_yes(event: &Event) -> bool {
    matches!(event, Event::Answered { yes: true, .. })
}
