//! The shell's part in acts, played: intents, previews, looks at what nobody knows about, people who say what is so, and
//! runs that are parked for them.

use std::time::Duration;

use serde_json::json;
use sluice_engine::ids::Sha256;
use sluice_engine::journal::{CancelHow, Event, Found, Key, Phase, Ruling};
use sluice_engine::machine::path::Path;
use sluice_engine::machine::{Command, Status, is_act};
use sluice_engine::runbook::checked::Kind;
use sluice_plugin::{Applied, Attempt, Problem};

use super::sim::{Held, Sim, Task};
use super::tape::{Move, output};
use super::{adds_up, calls, ends, junk};

impl Sim<'_> {
    /// What a call of this step is now.
    pub(super) fn task(&self, path: &Path) -> Task {
        let Some((step, slot)) = path.find(&self.runbook, &self.state) else { return Task::Call };
        let previewed = step.is_once()
            && self.runbook.actions.values().any(|spec| {
                spec.abilities.preview && matches!(&step.kind, Kind::Use(used) if used.action == spec.name)
            });
        match (is_act(step), previewed && slot.status == Status::Pending) {
            (false, _) => Task::Call,
            (true, true) => Task::Preview,
            (true, false) => Task::Act,
        }
    }

    /// The intent, and the act in flight; unless somebody cancels in between.
    pub(super) fn act(&mut self, path: &Path, task: Task) -> Held {
        let Some((_, slot)) = path.find(&self.runbook, &self.state) else { return Err(format!("{path:?} is gone")) };
        let attempt = Attempt(slot.attempts + u32::from(task == Task::Act));
        let (key, act_by) = (path.key(&self.runbook, &self.state), self.now.plus(Duration::from_secs(5)));
        let event = Event::Intended { key, attempt, binding: Sha256::ZERO, act_by };
        if let Some((how, _)) = self.race.take() {
            self.flight.remove(path);
            self.take(None, Event::CancelAsked { how, why: "just before".into() })?;
            self.tally.count("cancelled just before an act");
            let levels = path.levels(&self.runbook, &self.state);
            let renews = task == Task::Renew && calls::is_in_what_tidies(&levels);
            let ends = self.state.phase == Phase::Steps && !calls::is_in_finally(path) && !renews;
            if how == CancelHow::Abandon || ends {
                return self.refuse("I3: after a cancel", &self.envelope(Some(self.state.epoch), event));
            }
            return Ok(());
        }
        self.own(event)?;
        self.flight.insert(path.clone(), task);
        Ok(())
    }

    pub(super) fn finish_preview(&mut self, path: &Path, key: Key, how: u8, what: u8) -> Held {
        let attempt = Attempt(path.find(&self.runbook, &self.state).map_or(0, |(_, slot)| slot.attempts) + 1);
        if how % 8 < 5 {
            let wanted = self.next().contains(&Command::Call { path: path.clone() });
            let ending = self.state.cancel.is_some() || self.state.interrupted;
            let ending = ending && self.state.phase == Phase::Steps && !calls::is_in_finally(path);
            if !wanted || ending {
                self.tally.count("not begun after all");
                self.flight.remove(path);
                return Ok(());
            }
            return self.act(path, Task::Act);
        }
        self.flight.remove(path);
        self.own(if how % 8 == 5 {
            self.tally.count("done already");
            Event::Done { key, attempt, output: output(what) }
        } else {
            Event::Failed { key, attempt, problem: Problem::not_applied("refused", "it would not") }
        })
    }

    pub(super) fn finish_look(&mut self, path: &Path, key: Key, how: u8, what: u8) -> Held {
        let Some(intent) = self.state.intents.get(path) else { return Err(format!("I3: `{key}` is not open")) };
        // It looks when the act is over, whatever became of it.
        let (attempt, over) = (Attempt(intent.attempt), intent.act_by.plus(Duration::from_secs(600)));
        let found =
            |verdict| Event::Reconciled { key: key.clone(), attempt, verdict, evidence: json!({ "seen": what }) };
        if self.now < over {
            let early = self.envelope(Some(self.state.epoch), found(Found::NotDone));
            self.refuse("I7: too early", &early)?;
            self.now = over;
        }
        let (verdict, came) = match how % 8 {
            0..3 => (Found::Done { output: output(what) }, "found done"),
            3..6 => (Found::NotDone, "found not done"),
            _ => (Found::CannotTell, "cannot tell"),
        };
        self.tally.count(came);
        let event = found(verdict);
        ends::a_cancel_commutes(self, &event, what)?;
        self.flight.remove(path);
        self.own(event)
    }

    /// A person says what became of an act; of anything else there is nothing to say.
    pub(super) fn settle(&mut self, which: u8, what: u8) -> Held {
        let keys = junk::keys(self);
        let open: Vec<&(Key, Option<Path>)> =
            keys.iter().filter(|(key, _)| self.open.contains_key(key) && self.is_once(key)).collect();
        let (key, path) = match open.get(usize::from(which) % (open.len() + 1)) {
            Some(found) => (*found).clone(),
            None => keys[usize::from(which) % keys.len()].clone(),
        };
        let slot = path.as_ref().and_then(|path| path.find(&self.runbook, &self.state)).map(|(_, slot)| slot);
        let (attempts, status) = slot.map_or((0, None), |slot| (slot.attempts, Some(&slot.status)));
        let verdict = if what.is_multiple_of(2) { Ruling::Done { output: output(what) } } else { Ruling::NotDone };
        let settled =
            |attempt| Event::Settled { key: key.clone(), attempt, verdict: verdict.clone(), why: String::new() };
        for wrong in [attempts, attempts + 2] {
            self.refuse("I7: another attempt", &self.envelope(None, settled(Attempt(wrong))))?;
        }
        let event = settled(Attempt(attempts + 1));
        if !matches!(status, Some(Status::Unknown { .. } | Status::Stuck { .. })) {
            return self.refuse("I7: nothing to settle", &self.envelope(None, event));
        }
        self.tally.count("settled");
        ends::a_cancel_commutes(self, &event, what)?;
        self.take(None, event)
    }

    /// Nobody drives the run. Somebody settles it, cancels it, or claims it; in the end everything is settled.
    pub(super) fn parked(&mut self) -> Held {
        self.tally.count("parked");
        self.flight.clear();
        self.checks.clear();
        if matches!(self.log.last().map(|envelope| &envelope.event), Some(Event::Parked)) {
            adds_up::parked_for_a_reason(self)?;
        }
        match self.tape.next().copied() {
            Some(Move::Settle(which, what)) => self.settle(which, what)?,
            Some(Move::Cancel(how)) => self.take(None, Event::CancelAsked { how, why: "enough".into() })?,
            Some(Move::Junk(pick)) => return junk::junk(self, pick),
            Some(Move::Stale(pick)) => return junk::stale(self, pick),
            Some(Move::Answer(who, how)) => return self.answer(who, how),
            Some(Move::Override(which, who)) => self.override_gate(which, who)?,
            // Nothing is in flight that could end: people come by.
            Some(Move::Finish(who, how, what)) if self.runbook.destroys() => match what % 4 {
                0 => {}
                1 => return self.answer(who, how),
                2 => return self.override_gate(who, how),
                _ => {
                    self.now = self.now.plus(Duration::from_secs(60 * u64::from(how % 16)));
                    return Ok(());
                }
            },
            Some(Move::Long(minutes)) => {
                self.now = self.now.plus(Duration::from_secs(u64::from(minutes) * 60));
                return Ok(());
            }
            Some(_) => {}
            None => {
                self.quiet += 1;
                self.everybody_says_yes()?;
                let open = self.open.keys().filter(|key| self.is_once(key)).count();
                (0..open).try_for_each(|_| self.settle(0, u8::from(self.quiet.is_multiple_of(2))))?;
            }
        }
        self.claim()
    }

    /// I2: an act that is done once is not begun again before it is known what became of it.
    pub(super) fn count_acts(&mut self, event: &Event) -> Held {
        match event {
            Event::Intended { key, .. } => {
                let before = self.open.insert(key.clone(), self.state.epoch);
                // A renewal that failed may be tried again for another step.
                let renews = junk::slot_of(self, key).is_some_and(|slot| slot.stale);
                let again = before.is_some_and(|epoch| self.is_once(key) || (epoch == self.state.epoch && !renews));
                if again {
                    return Err(format!("I2: `{key}` is begun, and nobody knows what became of it before"));
                }
            }
            Event::Failed { key, problem, .. } if problem.applied == Applied::Maybe && self.is_once(key) => {
                self.tally.count("unknown");
            }
            Event::Reconciled { verdict: Found::CannotTell, .. } => self.tally.count("stuck"),
            Event::Done { key, .. }
            | Event::Failed { key, .. }
            | Event::Renewed { key, .. }
            | Event::Reconciled { key, .. }
            | Event::Settled { key, .. } => drop(self.open.remove(key)),
            _ => {}
        }
        adds_up::books_of_acts_agree(self)
    }
}
