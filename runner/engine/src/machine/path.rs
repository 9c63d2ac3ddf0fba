//! From a step's address to its place in the runbook and in the state, and back.

use crate::journal::Key;
use crate::machine::state::{Inside, List, Round, Slot, State};
use crate::runbook::checked::{Checked, Kind, Step};

/// Which of the two lists of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    Steps,
    Finally,
}

/// One step down: the place in the list, and the round when the step is a loop. Below a call it goes on in one of two
/// lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    pub at: usize,
    pub round: Option<usize>,
    /// Of a call: the way goes on in the `finally` of what is called.
    pub finally: bool,
}

/// A place, by indices. Valid only for the runbook it was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    pub root: Root,
    pub hops: Vec<Hop>,
}

impl Path {
    pub fn root(root: Root) -> Self {
        Self { root, hops: Vec::new() }
    }

    #[must_use]
    pub fn child(&self, at: usize, round: Option<usize>) -> Self {
        let mut hops = Vec::with_capacity(self.hops.len() + 1);
        hops.extend_from_slice(&self.hops);
        hops.push(Hop { at, round, finally: false });
        Self { root: self.root, hops }
    }

    /// The same step, in this round of it.
    #[must_use]
    pub fn in_round(&self, round: usize) -> Self {
        let mut path = self.clone();
        path.hops.last_mut().into_iter().for_each(|hop| hop.round = Some(round));
        path
    }

    /// Where the way into the `finally` of this call begins.
    #[must_use]
    pub fn in_finally(&self) -> Self {
        let mut path = self.clone();
        path.hops.last_mut().into_iter().for_each(|hop| hop.finally = true);
        path
    }

    /// Whether it stands in the `finally` of the run, or of a runbook that is called on the way.
    pub fn is_in_finally(&self) -> bool {
        self.root == Root::Finally || self.hops.iter().any(|hop| hop.finally)
    }

    /// Whether it stands inside the step at `outer`, in whichever of its lists.
    pub fn is_inside(&self, outer: &Self) -> bool {
        let Some((last, above)) = outer.hops.split_last() else { return self.root == outer.root };
        let Some(rest) = self.hops.strip_prefix(above).filter(|_| self.root == outer.root) else { return false };
        matches!(rest, [hop, _, ..] if (hop.at, hop.round) == (last.at, last.round))
    }

    /// The lists from the outermost in, each with the hop taken in it.
    pub fn levels<'a>(&'a self, runbook: &'a Checked, state: &'a State) -> Vec<Level<'a>> {
        let (mut steps, mut list) = root_of(self.root, runbook, state);
        let mut levels = Vec::with_capacity(self.hops.len());
        for hop in &self.hops {
            let (Some(step), Some(slot)) = (steps.get(hop.at), list.slots.get(hop.at)) else { break };
            let round = hop.round.and_then(|round| round_of(slot, round));
            levels.push(Level { steps, list, step, slot, hop: *hop, round });
            match below(step, round.map_or(slot, |round| &round.slot), hop.finally) {
                Some(inner) => (steps, list) = inner,
                None => break,
            }
        }
        levels
    }

    /// The step and what is known of it (of the round, in a loop).
    pub fn find<'a>(&'a self, runbook: &'a Checked, state: &'a State) -> Option<(&'a Step, &'a Slot)> {
        let levels = self.levels(runbook, state);
        let last = levels.last().filter(|_| levels.len() == self.hops.len())?;
        Some((last.step, last.round.map_or(last.slot, |round| &round.slot)))
    }

    pub fn key(&self, runbook: &Checked, state: &State) -> Key {
        let mut text = String::new();
        for level in self.levels(runbook, state) {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(level.step.id.as_str());
            if let Some(round) = level.round {
                text.push('[');
                text.push_str(&round.key);
                text.push(']');
            }
        }
        Key(text)
    }
}

/// One level of a path.
#[derive(Clone, Copy)]
pub struct Level<'a> {
    pub steps: &'a [Step],
    pub list: &'a List,
    pub step: &'a Step,
    pub slot: &'a Slot,
    pub hop: Hop,
    pub round: Option<&'a Round>,
}

/// Where a key leads, if the state has such a place now.
pub fn locate(key: &Key, runbook: &Checked, state: &State) -> Option<Path> {
    let in_root = |root| locate_in(key, root, runbook, state);
    in_root(Root::Steps).or_else(|| in_root(Root::Finally))
}

fn locate_in(key: &Key, root: Root, runbook: &Checked, state: &State) -> Option<Path> {
    let (mut steps, mut list) = root_of(root, runbook, state);
    let mut path = Path::root(root);
    let mut parts = key.as_str().split('/').peekable();
    while let Some(part) = parts.next() {
        let (id, round_key) = match part.split_once('[') {
            Some((id, rest)) => (id, Some(rest.strip_suffix(']')?)),
            None => (part, None),
        };
        let at = place_of(id, steps, list)?;
        let (step, slot) = (steps.get(at)?, list.slots.get(at)?);
        let round = round_key.map(|wanted| round_place(slot, wanted));
        let round = match round {
            Some(None) => return None,
            Some(found) => found,
            None => None,
        };
        let next = parts.peek().map(|next| next.split_once('[').map_or(*next, |(id, _)| id));
        let finally = next.is_some_and(|next| is_named_in_finally(step, next));
        path.hops.push(Hop { at, round, finally });
        if next.is_some() {
            let slot = round.and_then(|round| round_of(slot, round)).map_or(slot, |round| &round.slot);
            (steps, list) = below(step, slot, finally)?;
        }
    }
    (!path.hops.is_empty()).then_some(path)
}

/// Looks at the list's front first: events come in the order of the steps, and lists can be long.
fn place_of(id: &str, steps: &[Step], list: &List) -> Option<usize> {
    let front = list.front.cursor;
    if steps.get(front).is_some_and(|step| step.id.as_str() == id) {
        return Some(front);
    }
    steps.iter().position(|step| step.id.as_str() == id)
}

fn round_place(slot: &Slot, key: &str) -> Option<usize> {
    let Inside::Rounds(rounds) = &slot.inside else { return None };
    let front = rounds.front.cursor;
    let ahead = rounds.rounds.iter().enumerate().skip(front).find(|(_, round)| round.key == key);
    let found = ahead.or_else(|| rounds.rounds.iter().enumerate().find(|(_, round)| round.key == key));
    found.map(|(place, _)| place)
}

fn root_of<'a>(root: Root, runbook: &'a Checked, state: &'a State) -> (&'a [Step], &'a List) {
    match root {
        Root::Steps => (&runbook.steps, &state.steps),
        Root::Finally => (&runbook.finally, &state.finally),
    }
}

fn round_of(slot: &Slot, round: usize) -> Option<&Round> {
    match &slot.inside {
        Inside::Rounds(rounds) => rounds.rounds.get(round),
        Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => None,
    }
}

/// The steps inside a group, or one of the two lists of what is called.
fn below<'a>(step: &'a Step, slot: &'a Slot, finally: bool) -> Option<(&'a [Step], &'a List)> {
    match (&step.kind, &slot.inside) {
        (Kind::Group(group), Inside::List(list)) => Some((&group.steps, list)),
        (Kind::Call(call), Inside::Call(called)) if finally => Some((&call.runbook.finally, &called.finally)),
        (Kind::Call(call), Inside::Call(called)) => Some((&call.runbook.steps, &called.steps)),
        _ => None,
    }
}

/// Those from the innermost `finally` on: how things stand around a call decides nothing in its `finally`.
pub fn since_finally<'l, 'a>(levels: &'l [Level<'a>]) -> &'l [Level<'a>] {
    let from = levels.iter().rposition(|level| level.hop.finally).map_or(0, |at| at + 1);
    levels.get(from..).unwrap_or_default()
}

/// The ids of a runbook's two lists differ: each of the steps is seen by `finally`.
fn is_named_in_finally(step: &Step, id: &str) -> bool {
    let Kind::Call(call) = &step.kind else { return false };
    let named = |steps: &[Step]| steps.iter().any(|step| step.id.as_str() == id);
    !named(&call.runbook.steps) && named(&call.runbook.finally)
}
