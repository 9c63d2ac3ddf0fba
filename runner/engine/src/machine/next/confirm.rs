//! The way from a step that destroys to the act: people are asked, and after the yes everything is looked at once more.
//!
//! Only one such act is on its way at a time: a gate that was judged for one of two at once would be judged in a world in
//! which the other had not happened yet.

use std::time::Duration;

use sluice_plugin::Problem;

use super::{Command, Walk};
use crate::expr;
use crate::journal::{Event, Void};
use crate::machine::asks::{self, Ask};
use crate::machine::fill;
use crate::machine::overrides;
use crate::machine::path::Path;
use crate::machine::scope::StepScope;
use crate::machine::state::{State, Status};
use crate::runbook::checked::{Checked, Step};

/// Something counts up to a moment, and no longer.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// A part of that way. None of them acts: each may be cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Find out what everything that destroys in this step would do, and put the question.
    Bind { scope: Path },
    /// Wait for the answer of the person at the terminal.
    Ask { scope: Path },
    /// See whether the act would still do what was confirmed.
    Rebind { act: Path },
    /// Judge a gate once more, as a whole.
    Rejudge { act: Path, gate: Path },
    /// Take one sample of every gate together, and begin.
    LookLast { act: Path },
}

/// The acts inside this step that destroy and would begin: what `when` leaves out is nobody's question.
pub fn wanted_in(scope: &Path, runbook: &Checked, state: &State) -> Result<Vec<Path>, Problem> {
    let mut wanted = Vec::new();
    for act in asks::to_confirm(scope, runbook, state) {
        if is_wanted(&act, scope, runbook, state)? {
            wanted.push(act);
        }
    }
    Ok(wanted)
}

/// What `when` says of it and of the groups around it, up to the step that asks.
fn is_wanted(act: &Path, scope: &Path, runbook: &Checked, state: &State) -> Result<bool, Problem> {
    for depth in scope.hops.len()..=act.hops.len() {
        let place = Path { root: act.root, hops: act.hops.get(..depth).unwrap_or_default().to_vec() };
        let Some((step, slot)) = place.find(runbook, state) else { return Ok(false) };
        // What has begun was wanted; of a loop it was said before its first round.
        let begun = slot.status != Status::Pending || place.hops.last().is_some_and(|hop| hop.round.is_some());
        let Some(when) = step.when.as_ref().filter(|_| !begun) else { continue };
        let names = StepScope::new(runbook, state, &place);
        if !expr::truth(when, &names).map_err(|error| fill::problem("when", &error))? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Walk<'_> {
    /// Whether nothing in this step has to be asked any more. If it has, that is decided here, and nothing in it starts.
    pub(super) fn is_confirmed(&mut self, step: &Step, path: &Path) -> bool {
        if self.state.asking.open.contains_key(path) {
            self.asks.insert(path.clone());
        }
        // What has begun in it ends first, whatever became of the yes.
        if asks::is_busy(path, self.runbook, self.state) {
            return true;
        }
        // What nobody can say yes to any more waits for nothing else.
        match self.state.asking.open.get(path) {
            Some(ask) if ask.no.is_some() => {
                self.void(path, ask, Void::Denied);
                return false;
            }
            Some(ask) if ask.is_over(self.now) => {
                self.void(path, ask, Void::Expired);
                return false;
            }
            _ => {}
        }
        let ways = || step.walk().skip(1).filter(|inner| inner.walk().any(Step::destroys));
        let whens = || ways().flat_map(Step::paths_of_when).collect();
        if self.renews_first(whens, path) {
            return false;
        }
        let Some(acts) = self.acts_to_confirm(path) else { return false };
        if acts.is_empty() {
            return true;
        }
        match self.state.asking.open.get(path) {
            None => self.question(step, path, &acts),
            Some(ask) if acts.iter().any(|act| !ask.acts.contains_key(act)) => self.void(path, ask, Void::Superseded),
            Some(ask) if overrides::are_too_old(&acts, self.runbook, self.state, self.now) => {
                self.void(path, ask, Void::Superseded);
            }
            Some(Ask { confirmed: Some(at), valid_for, .. }) => {
                self.commands.push(Command::Wake(at.plus(*valid_for).plus(JUST_AFTER)));
                return true;
            }
            Some(ask) => self.wait_for_answer(path, ask),
        }
        false
    }

    fn void(&mut self, path: &Path, ask: &Ask, why: Void) {
        let key = path.key(self.runbook, self.state);
        self.emit(Event::Voided { ask: ask.id, key, why });
    }

    fn wait_for_answer(&mut self, path: &Path, ask: &Ask) {
        if !self.flight.attended {
            return;
        }
        self.commands.push(Command::Wake(ask.answer_by.plus(JUST_AFTER)));
        // One person reads one question at a time.
        let other = |check: &Check| matches!(check, Check::Ask { scope } if scope != path);
        let asked = self.commands.iter().any(|command| matches!(command, Command::Check(check) if other(check)));
        if !asked && !self.flight.checks.iter().any(other) {
            self.commands.push(Command::Check(Check::Ask { scope: path.clone() }));
        }
    }

    /// The acts in there that would begin. `None`: one of them cannot, and that was decided.
    fn acts_to_confirm(&mut self, path: &Path) -> Option<Vec<Path>> {
        match wanted_in(path, self.runbook, self.state) {
            Ok(acts) => Some(acts),
            Err(problem) => {
                self.fail(path, problem);
                None
            }
        }
    }

    fn question(&mut self, step: &Step, path: &Path, acts: &[Path]) {
        for act in acts {
            let gates = asks::gates_of(act, self.runbook, self.state);
            let mut all = gates.as_deref().unwrap_or_default().iter();
            let missing = all.find(|gate| !asks::has_passed(gate, self.runbook, self.state));
            if gates.as_ref().is_none_or(Vec::is_empty) || missing.is_some() {
                let gate = missing.map(|gate| format!("gate `{}`", gate.key(self.runbook, self.state)));
                let gate = gate.unwrap_or_else(|| "a gate".to_owned());
                let why = format!("{gate} was not judged, or did not pass, and nothing is destroyed without it");
                return self.fail(path, Problem::not_applied("needs", why));
            }
        }
        let named = || acts.iter().filter_map(|act| Some(act.find(self.runbook, self.state)?.0)).collect::<Vec<_>>();
        let (names, own) = (named(), step.paths_of_confirm());
        let stale = || names.iter().flat_map(|step| step.paths_of_body()).chain(own.clone()).collect();
        if self.renews_first(stale, path) {
            return;
        }
        self.commands.push(Command::Check(Check::Bind { scope: path.clone() }));
    }

    /// An act that was confirmed and has its turn.
    pub(super) fn destroy(&mut self, path: Path) {
        let beside = asks::is_beside_another(&path, self.runbook, self.state);
        let checked = self.state.asking.checks.keys().any(|other| *other != path);
        if beside || checked || self.is_checked_beside(&path) {
            return;
        }
        let Some(scope) = asks::scope_of(&path, self.runbook, self.state) else { return };
        let Some(ask) = self.state.asking.open.get(&scope) else { return };
        let (ask, check) = (ask.id, self.state.asking.checks.get(&path));
        let gates = asks::gates_to_judge(&path, self.runbook, self.state).unwrap_or_default();
        let before = self.commands.len();
        if !check.is_some_and(|check| check.ask == ask && check.rebound) {
            self.commands.push(Command::Check(Check::Rebind { act: path.clone() }));
        }
        for gate in &gates {
            if check.is_some_and(|check| check.ask == ask && check.holds(gate, self.now)) {
                continue;
            }
            let stale = || gate.find(self.runbook, self.state).map_or_else(Vec::new, |(step, _)| step.paths_of_body());
            // Where that cannot be, it is the act that fails: the gate has had its say.
            if self.renews_first(stale, &path) {
                continue;
            }
            self.commands.push(Command::Check(Check::Rejudge { act: path.clone(), gate: gate.clone() }));
        }
        if self.commands.len() == before {
            self.commands.push(Command::Check(Check::LookLast { act: path }));
        }
    }

    /// Another act has its turn already in this very walk.
    fn is_checked_beside(&self, path: &Path) -> bool {
        let of_another = |check: &Check| match check {
            Check::Rebind { act } | Check::Rejudge { act, .. } | Check::LookLast { act } => act != path,
            Check::Bind { .. } | Check::Ask { .. } => false,
        };
        self.commands.iter().any(|command| matches!(command, Command::Check(check) if of_another(check)))
    }

    /// A question that stands in what is over or is to end waits for nobody.
    pub(super) fn withdraw(&mut self) {
        let gone = self.state.asking.open.iter().filter(|(path, _)| !self.asks.contains(*path));
        let gone: Vec<_> = gone.map(|(path, ask)| (path.clone(), ask.id)).collect();
        for (path, ask) in gone {
            let key = path.key(self.runbook, self.state);
            self.emit(Event::Voided { ask, key, why: Void::Cancelled });
        }
    }
}
