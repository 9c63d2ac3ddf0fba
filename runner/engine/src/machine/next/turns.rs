//! The rounds of a loop that are wanted: those whose turn has come, and the choice of the next one.

use super::{Command, Walk};
use crate::machine::path::Path;
use crate::machine::pick;
use crate::machine::state::{Rounds, Slot, Turns};
use crate::runbook::checked::{Loop, NextBy, Step};

impl Walk<'_> {
    pub(super) fn rounds(&mut self, step: &Step, slot: &Slot, rounds: &Rounds, path: &Path) {
        let Some(each) = &step.for_each else { return };
        let late = self.late_rounds(rounds, path);
        match (&each.next_by, &rounds.turns) {
            (Some(next_by), Some(turns)) => {
                let before = self.commands.len();
                for at in turns.open(rounds) {
                    if let Some(round) = rounds.rounds.get(at) {
                        self.body(step, &round.slot, path.in_round(at));
                    }
                }
                // What is decided about the rounds that are on may end the loop.
                let decided = self.commands.iter().skip(before).any(|command| command.event().is_some());
                if !decided && pick::is_due(step, slot, late) {
                    self.choose((each, next_by), turns, path);
                }
            }
            _ => self.in_order(step, each, rounds, late, path),
        }
    }

    fn in_order(&mut self, step: &Step, each: &Loop, rounds: &Rounds, late: usize, path: &Path) {
        let unsettled = rounds.rounds.iter().enumerate().skip(rounds.front.cursor);
        let unsettled = unsettled.filter(|(_, round)| !round.slot.status.is_settled());
        for (at, round) in unsettled.take((each.at_most as usize).saturating_sub(late)) {
            self.body(step, &round.slot, path.in_round(at));
        }
    }

    fn choose(&mut self, (each, next_by): (&Loop, &NextBy), turns: &Turns, path: &Path) {
        if self.flight.picks.contains(path) {
            return self.commands.push(Command::Pick { path: path.clone() });
        }
        if let Some(until) = turns.until.filter(|until| self.now < *until) {
            return self.commands.push(Command::Wake(until));
        }
        if self.renews_first(|| each.paths_of_choice(), path) {
            return;
        }
        match &next_by.read {
            Some(_) => self.commands.push(Command::Pick { path: path.clone() }),
            None => self.emit(pick::picked(self.runbook, self.state, path, &serde_json::Value::Null)),
        }
    }
}
