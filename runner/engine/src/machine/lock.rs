//! A run's lock in its state, and the rule of who may take a lock from whom. Pure: what was seen of a lock, of a process
//! and of another run's journal comes in.

use serde_json::{Map, Value};
use sluice_plugin::{Problem, Timestamp};

use crate::expr::{Key as PartKey, template_roots};
use crate::ids::RunId;
use crate::journal::Version;
use crate::journal::lock::{After, Holder, Lock, LockedAt, Loss, Standing};
use crate::journal::{Epoch, Event, Outcome, Owner, Phase};
use crate::machine::fill;
use crate::machine::next::is_act;
use crate::machine::state::{Inside, List, Slot, State, Status};
use crate::runbook::checked::{Checked, InputKind, Kind, Step};

/// A lock's name is shown in one line and becomes the name of a parameter.
const LONGEST_NAME: usize = 200;

/// What the journal says of the run's lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LockState {
    /// Kept while the run is interrupted or parked.
    pub held: Option<Hold>,
    /// The one that was taken away, until it is held again.
    pub lost: Option<Hold>,
    /// Why it is held no more, until it is held again.
    pub loss: Option<Loss>,
    /// From whom it was taken last.
    pub after: Option<After>,
    /// Whom AWS took the process for that took it.
    pub caller: Option<String>,
    /// And the one before, where that was somebody else.
    pub caller_before: Option<String>,
}

impl LockState {
    /// What the run knows of its lock. One that acted goes on only under the lock as it was, whoever took it away: another
    /// run may have acted since.
    pub fn known(&self, acted: bool) -> Option<&Hold> {
        self.held.as_ref().or(self.lost.as_ref().filter(|_| acted))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub name: String,
    pub generation: u64,
    pub at: LockedAt,
    /// The claim under which it was taken; a later one takes it anew.
    pub epoch: Epoch,
}

/// Who wants a lock, and what of it his journal knows.
#[derive(Clone, Copy, Debug)]
pub struct Wants<'a> {
    pub run: &'a RunId,
    /// The last claim before this one that the journal knows.
    pub epoch: Epoch,
    /// The process that wants it; what it took itself it may take again.
    pub me: &'a Owner,
    /// The generation that the journal says is the run's, where it says so.
    pub known: Option<u64>,
    /// The run whose lock is wanted, to repair it.
    pub repairs: Option<&'a RunId>,
}

/// What is known of the run that has the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its process is provably gone.
    pub gone: bool,
    /// Its journal is here and says that it has ended.
    pub ended: bool,
    /// Of the run that wants the lock itself: its journal lacks the event under which it acted last.
    pub behind: bool,
}

/// How a lock may be had.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub after: Option<After>,
    /// A mark that goes on: the run, or the one it repairs, has begun to act.
    pub effect: bool,
    /// The same of its last act.
    pub acted: Option<Version>,
    pub repairs: Option<Box<Holder>>,
}

/// Why it may not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Another run has it. It may give it back.
    Held,
    /// The lock knows more of this run than its journal does, or has moved on without it.
    MovedOn,
    /// The lock knows of an act of this run that its journal does not know.
    Behind,
    /// To repair a run, its lock must be there to be taken.
    NotRepairable,
}

/// The rule. A lock is never taken from a run that began to act and has not ended, but to repair it.
pub fn may_take(lock: Option<&Lock>, wants: Wants<'_>, seen: Seen, now: Timestamp) -> Result<Way, Refusal> {
    let fresh = Way { after: None, effect: false, acted: None, repairs: None };
    let Some(lock) = lock else {
        return match (wants.known, wants.repairs) {
            (None, None) => Ok(fresh),
            (Some(_), _) => Err(Refusal::MovedOn),
            (None, Some(_)) => Err(Refusal::NotRepairable),
        };
    };
    let own = |holder: &Holder| holder.run == *wants.run;
    let newer = |holder: &Holder| holder.epoch > wants.epoch && holder.owner != *wants.me;
    match &lock.standing {
        Standing::Held { holder } | Standing::Broken { holder, .. } if own(holder) && newer(holder) => {
            Err(Refusal::MovedOn)
        }
        Standing::Held { holder } | Standing::Broken { holder, .. } if own(holder) && seen.behind => {
            Err(Refusal::Behind)
        }
        Standing::Held { holder } if own(holder) => {
            Ok(Way { effect: holder.effect, acted: holder.acted, repairs: holder.repairs.clone(), ..fresh })
        }
        // Its own journal may not know yet that it was broken; it was this run's own lock, though.
        Standing::Broken { holder, breach } if own(holder) && wants.repairs.is_none() => {
            let after = After::Broken { run: holder.run.clone(), breach: breach.clone() };
            Ok(Way { effect: holder.effect, acted: holder.acted, after: Some(after), repairs: holder.repairs.clone() })
        }
        _ if wants.known.is_some() => Err(Refusal::MovedOn),
        Standing::Held { holder } => from_another(holder, wants, seen, now),
        Standing::Free | Standing::Broken { .. } if wants.repairs.is_some() => Err(Refusal::NotRepairable),
        Standing::Free => Ok(fresh),
        Standing::Broken { holder, breach } => {
            Ok(Way { after: Some(After::Broken { run: holder.run.clone(), breach: breach.clone() }), ..fresh })
        }
    }
}

fn from_another(holder: &Holder, wants: Wants<'_>, seen: Seen, now: Timestamp) -> Result<Way, Refusal> {
    let run = holder.run.clone();
    let way = |after| Way { after: Some(after), effect: false, acted: None, repairs: None };
    let quiet = seen.gone || holder.lease_until <= now;
    match wants.repairs {
        Some(broken) if *broken != holder.run => Err(Refusal::NotRepairable),
        Some(_) if seen.ended => Err(Refusal::NotRepairable),
        Some(_) if !quiet => Err(Refusal::Held),
        Some(_) => Ok(Way { repairs: Some(Box::new(holder.clone())), ..way(After::Repairs { run }) }),
        // What it repaired is still broken: the lock goes back there, not to whoever comes next.
        None if holder.repairs.is_some() => Err(Refusal::Held),
        None if seen.ended => Ok(way(After::Ended { run })),
        None if quiet && !holder.effect => Ok(way(After::Lapsed { run })),
        None => Err(Refusal::Held),
    }
}

/// The lock's name for these inputs; `None` for a runbook without a lock.
pub fn name(runbook: &Checked, inputs: &Value) -> Result<Option<String>, Problem> {
    let Some(template) = &runbook.lock else { return Ok(None) };
    let scope = Map::from_iter([("inputs".to_owned(), inputs.clone())]);
    let name = fill::text(template, &scope).map_err(|error| fill::problem("lock", &error))?;
    let bad = |why: &str| Problem::not_applied("bad_lock", format!("the name of the lock, {name:?}, {why}"));
    match name.len() {
        0 => Err(bad("is empty")),
        length if length > LONGEST_NAME => Err(bad("is longer than 200 bytes")),
        _ if name.chars().any(char::is_control) || name.trim() != name => {
            Err(bad("has spaces around or controls in it"))
        }
        _ => Ok(Some(name)),
    }
}

/// The input of type cluster that the lock's name speaks of, by itself or through a node: the lock is kept with it.
pub fn cluster_input(runbook: &Checked) -> Option<&str> {
    let paths = template_roots(runbook.lock.as_ref()?);
    paths.into_iter().filter(|path| path.root == "inputs").find_map(|path| {
        let PartKey::Name(name) = &path.parts.first()?.key else { return None };
        let (name, input) = runbook.inputs.get_key_value(name)?;
        match &input.kind {
            InputKind::Cluster => Some(name.as_str()),
            InputKind::Node { of } | InputKind::Nodes { of } => Some(of.as_str()),
            InputKind::Duration | InputKind::Thresholds | InputKind::Plain(_) => None,
        }
    })
}

/// What is called works under the lock that the run holds, and under no other: one of the same name, kept with the same
/// cluster.
pub(super) fn reenters(
    (runbook, inputs): (&Checked, &Value),
    (called, given): (&Checked, &Value),
    name_of_called: &str,
) -> Result<(), Problem> {
    let Some(wanted) = name(called, given)? else { return Ok(()) };
    let refused = |why: String| Err(Problem::not_applied("lock", why));
    match name(runbook, inputs)? {
        Some(held) if held == wanted => {}
        held => {
            let held = held.map_or_else(|| "none".to_owned(), |held| format!("`{held}`"));
            return refused(format!("{name_of_called} wants the lock `{wanted}`, and the run holds {held}"));
        }
    }
    let Some(cluster) = cluster_input(called).and_then(|input| given.get(input)) else { return Ok(()) };
    if cluster_input(runbook).and_then(|input| inputs.get(input)) == Some(cluster) {
        return Ok(());
    }
    refused(format!(
        "{name_of_called} keeps the lock `{wanted}` with its cluster, and the run's lock does not name that cluster: name \
         it there too"
    ))
}

/// Has an act of the run been tried, as far as the journal knows?
pub fn has_acted(runbook: &Checked, state: &State) -> bool {
    !state.intents.is_empty() || acted_in(&runbook.steps, &state.steps) || acted_in(&runbook.finally, &state.finally)
}

fn acted_in(steps: &[Step], list: &List) -> bool {
    steps.iter().zip(&list.slots).any(|(step, slot)| acted(step, slot))
}

fn acted(step: &Step, slot: &Slot) -> bool {
    match &slot.inside {
        Inside::Leaf => is_act(step) && slot.attempts > 0 && slot.status != Status::Skipped,
        Inside::Closed => false,
        Inside::List(list) => acted_in(step.children(), list),
        Inside::Call(called) => {
            let Kind::Call(call) = &step.kind else { return false };
            acted_in(&call.runbook.steps, &called.steps) || acted_in(&call.runbook.finally, &called.finally)
        }
        Inside::Rounds(rounds) => rounds.rounds.iter().any(|round| acted(step, &round.slot)),
    }
}

impl State {
    /// Has the process that owns the run the lock as well?
    pub fn has_lock(&self) -> bool {
        self.lock.held.as_ref().is_some_and(|hold| hold.epoch == self.epoch)
    }

    /// Ended for good: interrupted runs are opened again.
    pub fn is_over(&self) -> bool {
        self.ended.as_ref().is_some_and(|(outcome, _)| *outcome != Outcome::Interrupted)
    }
}

/// Must the lock be taken before anything goes on? Not to end a run that has nothing left to tidy up and no act of which
/// nobody knows.
pub(super) fn is_wanted(runbook: &Checked, state: &State) -> bool {
    let ending = state.cancel.is_some() || state.interrupted || state.phase == Phase::Finally;
    let nothing_left = ending && state.finally.is_settled() && !state.has_open_act() && !state.steps.is_untidy();
    runbook.lock.is_some() && !state.has_lock() && !nothing_left
}

/// `locked`, `unlocked`, `lock_lost`: false where one cannot be.
pub(super) fn change(runbook: &Checked, state: &mut State, event: &Event) -> bool {
    match event {
        Event::Locked { name, generation, at, after, caller } => {
            if runbook.lock.is_none() || state.has_lock() || state.phase == Phase::Ended {
                return false;
            }
            let (name, at, epoch) = (name.clone(), at.clone(), state.epoch);
            let after = after.clone().or_else(|| state.lock.after.take());
            let held = Some(Hold { name, generation: *generation, at, epoch });
            let caller_before = state.lock.caller.take().filter(|before| caller.as_ref() != Some(before));
            state.lock = LockState { held, lost: None, loss: None, after, caller: caller.clone(), caller_before };
            true
        }
        Event::Unlocked { .. } => state.is_over() && state.lock.held.take().is_some(),
        Event::LockLost { generation, how } => {
            let Some(held) = state.lock.held.take_if(|hold| hold.generation == *generation) else { return false };
            state.lock.loss = Some(how.clone());
            // What is lent comes back.
            state.lock.lost = Some(held).filter(|_| !matches!(how, Loss::Lent { .. }));
            true
        }
        _ => false,
    }
}
