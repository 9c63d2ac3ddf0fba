//! Questions and their answers in the state: what was asked, who said what, and
//! what was looked at again since. And the one condition under which an act that destroys may begin.
//!
//! Pure, and a part of the table in [`super::apply`]. What should be done about a question is said in [`super::next`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_plugin::{Timestamp, parse_duration};

use super::amend::amend;
use super::apply::{Illegal, is_ending, on_step, settle};
use super::path::{Hop, Path, locate};
use super::state::{Inside, Intent, Slot, State, Status};
use super::{acts, overrides};
use crate::confirm::{Identity, Policy};
use crate::digest::digest;
use crate::ids::{RunId, Sha256};
use crate::journal::{AskId, Bound, Epoch, Event, Glance, Key, Phase, Samples, Void};
use crate::runbook::checked::{Checked, Kind, Step};

/// From the oldest sample of the last look to the intent.
pub const FRESH: Duration = Duration::from_secs(5);

/// So long a gate that passed as a whole after the yes need not pass again: everything that is looked at may wait for the
/// slowest of it, and not for much longer.
pub const HOLDS: Duration = Duration::from_secs(120);

/// All that people were asked, and under which policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asking {
    /// The strictest that any owner of the run knew.
    pub policy: Option<Policy>,
    /// Of the claim under which it was said last.
    ruled: Epoch,
    pub requester: Option<Identity>,
    /// Open questions, by the step that asks.
    pub open: BTreeMap<Path, Ask>,
    /// The last question, whatever became of it.
    pub last: AskId,
    /// Acts that are about to begin, and what was looked at again for them.
    pub checks: BTreeMap<Path, Recheck>,
    /// Gates that a person let pass, until an act was done under it.
    pub overrides: BTreeMap<Path, Override>,
    /// All that were ever given, also those that were used up: who looks at the run later is told of each.
    pub overridden: Vec<(Path, Override)>,
    /// Why the last question counts no more: whoever asks anew says so.
    pub voided: Option<(AskId, Void)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub id: AskId,
    /// What an answer names.
    pub digest: Sha256,
    /// Each is taken out when it begins: no yes counts twice.
    pub acts: BTreeMap<Path, Sha256>,
    pub typed: String,
    pub answer_by: Timestamp,
    pub valid_for: Duration,
    pub shown: Arc<Value>,
    pub yes: Vec<Identity>,
    pub no: Option<(Identity, Option<String>)>,
    /// When the last yes that was needed came.
    pub confirmed: Option<Timestamp>,
}

/// What was looked at again for an act since the yes.
#[derive(Clone, Debug, PartialEq)]
pub struct Recheck {
    pub ask: AskId,
    /// What it would do is what was confirmed.
    pub rebound: bool,
    /// Gates that passed as a whole, and when they were seen last.
    pub passed: BTreeMap<Path, Timestamp>,
    /// The oldest sample of the last look, if every gate passed it.
    pub looked: Option<Timestamp>,
}

impl Recheck {
    /// The gate has passed since the yes, and not long ago.
    pub fn holds(&self, gate: &Path, now: Timestamp) -> bool {
        self.passed.get(gate).is_some_and(|seen| now.since(*seen) <= HOLDS)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    pub by: Identity,
    pub why: String,
    pub observation: Sha256,
    /// Why the gate had not passed.
    pub saw: String,
    pub at: Timestamp,
}

impl Ask {
    /// Nobody says yes to it any more, or the yes is too old.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now > self.confirmed.map_or(self.answer_by, |at| at.plus(self.valid_for))
    }
}

impl State {
    /// Questions that still wait for somebody.
    pub fn unanswered(&self) -> impl Iterator<Item = (&Path, &Ask)> {
        self.asking.open.iter().filter(|(_, ask)| ask.confirmed.is_none() && ask.no.is_none())
    }

    /// The process that owns the run has said what policy it knows.
    pub fn is_ruled(&self) -> bool {
        self.asking.policy.is_some() && self.asking.ruled == self.epoch
    }
}

/// What an answer names: everything that was asked.
pub fn asked_digest(run: Option<&RunId>, event: &Event) -> Option<Sha256> {
    let Event::Asked { ask, key, acts, typed, answer_by, valid_for, .. } = event else { return None };
    Some(digest(&json!({
        "run": run, "ask": ask, "step": key, "acts": acts, "typed": typed, "answer_by": answer_by, "valid_for": valid_for,
    })))
}

/// What a gate saw when it did not pass, as an override names it.
pub fn observation(slot: &Slot) -> Option<Sha256> {
    match &slot.status {
        Status::Stopped { verdict, why, seen } => {
            let ended = slot.ended;
            Some(digest(&json!({ "verdict": verdict, "why": why, "seen": seen, "at": ended })))
        }
        _ => None,
    }
}

/// The step with `confirm` that this act stands under: it, or a group around it in the same runbook.
pub fn scope_of(path: &Path, runbook: &Checked, state: &State) -> Option<Path> {
    let levels = path.levels(runbook, state);
    for (at, level) in levels.iter().enumerate().rev() {
        if at + 1 < levels.len() && matches!(level.step.kind, Kind::Call(_)) {
            return None;
        }
        if level.step.confirm.is_some() {
            return Some(Path { root: path.root, hops: path.hops.get(..=at)?.to_vec() });
        }
    }
    None
}

/// The acts inside this step that destroy and have not begun.
pub fn to_confirm(scope: &Path, runbook: &Checked, state: &State) -> Vec<Path> {
    let mut found = Vec::new();
    if let Some((step, slot)) = scope.find(runbook, state) {
        collect(step, slot, scope, &mut found);
    }
    found
}

fn collect(step: &Step, slot: &Slot, path: &Path, found: &mut Vec<Path>) {
    match (&step.kind, &slot.inside) {
        (Kind::Group(group), Inside::List(list)) if !slot.status.is_settled() => {
            for (at, (step, slot)) in group.steps.iter().zip(&list.slots).enumerate() {
                collect(step, slot, &path.child(at, None), found);
            }
        }
        (Kind::Use(_), Inside::Leaf) if step.destroys() && slot.status == Status::Pending => found.push(path.clone()),
        _ => {}
    }
}

/// Something in this step is being done, or nobody knows what became of it: it is over when that is.
pub fn is_busy(scope: &Path, runbook: &Checked, state: &State) -> bool {
    let open = |path: &Path| path.find(runbook, state).is_some_and(|(_, slot)| !slot.status.is_settled());
    let known = |intent: &Intent| !intent.once && intent.epoch != state.epoch;
    let intents = state.intents.iter().filter(|(path, intent)| !known(intent) && open(path));
    intents.map(|(path, _)| path).any(|path| path == scope || path.is_inside(scope))
}

/// Nobody is asked in this step, and what is to be asked in it cannot be: then it fails, whatever was done in it before.
pub(super) fn may_fail_to_ask(runbook: &Checked, state: &State, key: &Key) -> bool {
    let Some(scope) = locate(key, runbook, state) else { return false };
    let asks = |(step, slot): (&Step, &Slot)| step.confirm.is_some() && matches!(slot.inside, Inside::List(_));
    scope.find(runbook, state).is_some_and(asks)
        && !state.asking.open.contains_key(&scope)
        && !is_busy(&scope, runbook, state)
        && has_its_turn(&scope, runbook, state)
}

/// What stands before it is over: also where it had begun, and a gate before it is judged anew.
fn has_its_turn(path: &Path, runbook: &Checked, state: &State) -> bool {
    let mut width = 1;
    path.levels(runbook, state).iter().all(|level| {
        let turn = level.list.may_start(level.hop.at, width);
        width = if let Kind::Group(group) = &level.step.kind { group.order.width() } else { 1 };
        turn
    })
}

/// The places of the gates that this act needs: of a gate in a loop, all its rounds. `None`: one is not to be found.
pub fn gates_of(act: &Path, runbook: &Checked, state: &State) -> Option<Vec<Path>> {
    let (step, _) = act.find(runbook, state)?;
    let mut found = Vec::new();
    for need in &step.needs {
        found.extend(gate_at(need.as_str(), act, runbook, state)?);
    }
    Some(found)
}

pub(super) fn gate_at(id: &str, act: &Path, runbook: &Checked, state: &State) -> Option<Vec<Path>> {
    let levels = act.levels(runbook, state);
    for (depth, level) in levels.iter().enumerate().rev() {
        if depth + 1 < levels.len() && matches!(level.step.kind, Kind::Call(_)) {
            return None;
        }
        let place = level.steps.iter().take(level.hop.at).position(|step| step.id.as_str() == id);
        let Some(at) = place else { continue };
        let mut hops = act.hops.get(..depth)?.to_vec();
        hops.push(Hop { at, round: None, finally: false });
        let gate = Path { root: act.root, hops };
        return Some(match &level.list.slots.get(at)?.inside {
            // One for each of nothing looked at nothing: it is named itself, and has not passed.
            Inside::Rounds(rounds) if !rounds.rounds.is_empty() => {
                (0..rounds.rounds.len()).map(|round| gate.in_round(round)).collect()
            }
            _ => vec![gate],
        });
    }
    None
}

/// A gate that passed: not one that was skipped.
pub fn has_passed(gate: &Path, runbook: &Checked, state: &State) -> bool {
    gate.find(runbook, state).is_some_and(|(_, slot)| matches!(slot.status, Status::Done(_)))
}

/// Those that have to be judged again for the act: a gate that a person let pass is not.
pub fn gates_to_judge(act: &Path, runbook: &Checked, state: &State) -> Option<Vec<Path>> {
    let gates = gates_of(act, runbook, state)?;
    Some(gates.into_iter().filter(|gate| !state.asking.overrides.contains_key(gate)).collect())
}

/// A gate ended the steps of a run that destroys: it stays open, so that the gate can be judged anew or overridden.
pub fn is_stopped_open(runbook: &Checked, state: &State) -> Option<Key> {
    if is_ending(state) { None } else { stopped_by(runbook, state) }
}

pub(super) fn stopped_by(runbook: &Checked, state: &State) -> Option<Key> {
    let over = state.phase == Phase::Steps && state.steps.is_settled();
    if !over || !runbook.destroys() {
        return None;
    }
    match super::next::outcome_of(runbook, state) {
        crate::journal::Outcome::Stopped { key } => Some(key),
        _ => None,
    }
}

pub(super) fn rule(state: &mut State, policy: &Policy, requester: Option<&Identity>) -> Result<(), Illegal> {
    let asking = &mut state.asking;
    asking.policy = Some(asking.policy.as_ref().map_or_else(|| policy.clone(), |known| known.stricter(policy)));
    asking.ruled = state.epoch;
    asking.requester = asking.requester.take().or_else(|| requester.cloned());
    count_again(asking);
    Ok(())
}

/// A yes that would not count any more counts no more, and what lacks one is asked again.
fn count_again(asking: &mut Asking) {
    let Asking { policy: Some(policy), requester, open, checks, .. } = asking else { return };
    for ask in open.values_mut() {
        ask.yes.retain(|by| policy.may_confirm(by, requester.as_ref()).is_ok());
        if ask.confirmed.is_some() && !is_enough(policy, ask) {
            ask.confirmed = None;
            checks.retain(|_, check| check.ask != ask.id);
        }
    }
}

fn is_enough(policy: &Policy, ask: &Ask) -> bool {
    u32::try_from(ask.yes.len()).unwrap_or(u32::MAX) >= policy.people
}

pub(super) fn ask(runbook: &Checked, state: &mut State, event: &Event, at: Timestamp) -> Result<(), Illegal> {
    let Event::Asked { ask: id, key, acts, typed, answer_by, valid_for, shown } = event else { return Ok(()) };
    let no = || Illegal::Misfit { kind: "asked", key: key.clone() };
    let scope = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let (step, _) = scope.find(runbook, state).ok_or_else(no)?;
    let confirm = step.confirm.as_ref().ok_or_else(no)?;
    if state.phase != Phase::Steps || is_ending(state) || !state.is_ruled() {
        return Err(Illegal::Phase { kind: "asked" });
    }
    let bound = bound(runbook, state, acts).ok_or_else(no)?;
    let wanted: BTreeSet<Path> = to_confirm(&scope, runbook, state).into_iter().collect();
    let valid = parse_duration(valid_for).map_err(|_| no())?;
    let within = state.asking.policy.as_ref().and_then(Policy::answer_within);
    let within = within.map_or(confirm.answer_within, |within| within.min(confirm.answer_within));
    let in_time = *answer_by <= at.plus(within) && valid <= confirm.valid_for;
    let fresh = id.0 == state.asking.last.0 + 1 && !state.asking.open.contains_key(&scope);
    // What `when` leaves out is not asked for; nothing is asked for that does not stand here.
    let fits = !bound.is_empty() && bound.keys().all(|act| wanted.contains(act));
    let passed = bound.keys().all(|act| {
        gates_of(act, runbook, state).is_some_and(|gates| gates.iter().all(|gate| has_passed(gate, runbook, state)))
    });
    if !(fresh && fits && passed && in_time) {
        return Err(no());
    }
    // Its turn has come, whatever else goes on.
    on_step(runbook, state, key, "asked", |_, _| true)?;
    let run = state.started.as_ref().and_then(|started| started.run.as_ref());
    let ask = Ask {
        id: *id,
        digest: asked_digest(run, event).ok_or_else(no)?,
        acts: bound,
        typed: typed.clone(),
        answer_by: *answer_by,
        valid_for: valid,
        shown: Arc::new(shown.clone()),
        yes: Vec::new(),
        no: None,
        confirmed: None,
    };
    state.asking.last = *id;
    state.asking.voided = None;
    state.asking.open.insert(scope, ask);
    Ok(())
}

/// The acts by their places; nothing when one is not there as it was asked.
fn bound(runbook: &Checked, state: &State, acts: &[Bound]) -> Option<BTreeMap<Path, Sha256>> {
    let one = |act: &Bound| {
        let path = locate(&act.key, runbook, state)?;
        let (_, slot) = path.find(runbook, state)?;
        (slot.attempts + 1 == act.attempt.0).then_some((path, act.binding))
    };
    acts.iter().map(one).collect()
}

/// Why an answer does not count.
pub fn judge_answer(state: &State, event: &Event, at: Timestamp) -> Result<(), String> {
    let Event::Answered { ask, asked, yes, by, typed, .. } = event else { return Ok(()) };
    let open = state.asking.open.values().find(|open| open.id == *ask);
    let open = open.ok_or("the question is not open any more")?;
    if open.digest != *asked {
        return Err("it answers another question".to_owned());
    }
    if open.no.is_some() || open.confirmed.is_some() {
        return Err("the question was answered already".to_owned());
    }
    if at > open.answer_by {
        return Err("the time for an answer is over".to_owned());
    }
    if !yes {
        return Ok(());
    }
    if open.typed != *typed {
        return Err(format!("what was typed is not `{}`", open.typed));
    }
    let policy = state.asking.policy.as_ref().ok_or("nobody said who may answer")?;
    policy.may_confirm(by, state.asking.requester.as_ref())?;
    if open.yes.iter().any(|one| one.may_be(by)) {
        return Err(format!("{by} has said yes already, and each person counts once"));
    }
    Ok(())
}

pub(super) fn answer(state: &mut State, event: &Event, at: Timestamp) -> Result<(), Illegal> {
    judge_answer(state, event, at).map_err(|why| Illegal::NoAnswer { why })?;
    let Event::Answered { ask, yes, by, because, .. } = event else { return Ok(()) };
    let Asking { policy: Some(policy), open, .. } = &mut state.asking else { return Ok(()) };
    let Some(open) = open.values_mut().find(|open| open.id == *ask) else { return Ok(()) };
    if *yes {
        open.yes.push(by.clone());
        if is_enough(policy, open) {
            open.confirmed = Some(at);
        }
    } else {
        open.no = Some((by.clone(), because.clone()));
    }
    Ok(())
}

pub(super) fn void(
    runbook: &Checked,
    state: &mut State,
    (id, key, why): (AskId, &Key, &Void),
    at: Timestamp,
) -> Result<(), Illegal> {
    let no = || Illegal::Misfit { kind: "voided", key: key.clone() };
    let scope = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    let ask = state.asking.open.get(&scope).filter(|ask| ask.id == id).ok_or_else(no)?;
    let busy = is_busy(&scope, runbook, state);
    let holds = |act: &Key| locate(act, runbook, state).is_some_and(|act| ask.acts.contains_key(&act));
    let legal = match why {
        Void::Denied => ask.no.is_some() && !busy,
        Void::Expired => ask.is_over(at) && !busy,
        Void::Moved { act, .. } | Void::GateFailed { act, .. } => ask.confirmed.is_some() && holds(act),
        Void::Cancelled | Void::Superseded => true,
    };
    if !legal {
        return Err(no());
    }
    let ask = ask.clone();
    match why {
        Void::Denied | Void::Expired => {
            let why = refusal(&ask, why);
            on_step(runbook, state, key, "voided", |_, slot| {
                settle(slot, Status::Unconfirmed { why }, at);
                true
            })?;
        }
        Void::GateFailed { act, gate, verdict, why, seen } => {
            let act = locate(act, runbook, state).ok_or_else(no)?;
            let gate = locate(gate, runbook, state).ok_or_else(no)?;
            if !gates_of(&act, runbook, state).ok_or_else(no)?.contains(&gate) {
                return Err(no());
            }
            amend(runbook, state, &gate, |slot| {
                let (why, seen) = (why.clone(), Arc::new(seen.clone()));
                slot.status = Status::Stopped { verdict: *verdict, why, seen };
                slot.ended = Some(at);
            });
        }
        Void::Moved { .. } | Void::Cancelled | Void::Superseded => {}
    }
    state.asking.open.remove(&scope);
    state.asking.checks.retain(|_, check| check.ask != id);
    // Where the steps are to end, no gate is judged any more.
    let over = state.phase != Phase::Steps || is_ending(state);
    let again = !over && !matches!(why, Void::Denied | Void::Expired);
    for act in ask.acts.keys() {
        overrides::use_up(runbook, state, act, again);
    }
    state.asking.voided = Some((id, why.clone()));
    Ok(())
}

/// Why nothing was done, for people.
fn refusal(ask: &Ask, why: &Void) -> String {
    match (why, &ask.no) {
        (Void::Denied, Some((by, because))) => {
            let because = because.as_ref().map_or_else(String::new, |because| format!(": {because}"));
            format!("{by} said no{because}")
        }
        _ if ask.confirmed.is_some() => "the yes was too old before everything was done".to_owned(),
        _ => "nobody said yes in time".to_owned(),
    }
}

/// The question and the check of an act that is confirmed and about to begin.
fn confirmed<'a>(state: &'a State, scope: &Path, id: AskId) -> Option<&'a Ask> {
    state.asking.open.get(scope).filter(|ask| ask.id == id && ask.confirmed.is_some())
}

pub(super) fn rebound(
    runbook: &Checked,
    state: &mut State,
    (id, key, binding): (AskId, &Key, Sha256),
) -> Result<(), Illegal> {
    let (act, ask) = about_to_begin(runbook, state, id, key, "rebound")?;
    if ask.acts.get(&act) != Some(&binding) {
        return Err(Illegal::Misfit { kind: "rebound", key: key.clone() });
    }
    check(state, act, id).rebound = true;
    Ok(())
}

pub(super) fn rejudged(
    runbook: &Checked,
    state: &mut State,
    (id, key, gate): (AskId, &Key, &Key),
    samples: &Samples,
) -> Result<(), Illegal> {
    let no = || Illegal::Misfit { kind: "rejudged", key: key.clone() };
    let (act, ask) = about_to_begin(runbook, state, id, key, "rejudged")?;
    // What was seen before the yes is no second look.
    if ask.confirmed.is_none_or(|at| samples.first < at) {
        return Err(no());
    }
    let gate = locate(gate, runbook, state).ok_or_else(no)?;
    if !gates_of(&act, runbook, state).ok_or_else(no)?.contains(&gate) {
        return Err(no());
    }
    check(state, act, id).passed.insert(gate, samples.last);
    Ok(())
}

pub(super) fn looked_last(
    runbook: &Checked,
    state: &mut State,
    (id, key, looks): (AskId, &Key, &[Glance]),
    at: Timestamp,
) -> Result<(), Illegal> {
    let no = || Illegal::Misfit { kind: "looked_last", key: key.clone() };
    let (act, _) = about_to_begin(runbook, state, id, key, "looked_last")?;
    let gates = gates_to_judge(&act, runbook, state).ok_or_else(no)?;
    let looked: BTreeSet<Path> = looks.iter().filter_map(|look| locate(&look.gate, runbook, state)).collect();
    let pass = looks.iter().all(|look| look.verdict == sluice_plugin::Verdict::Pass);
    let ready = state.asking.checks.get(&act).is_some_and(|check| is_ready(check, id, &gates, at));
    // A data gate may be overridden only by name; that nothing was looked at is no look.
    if !pass || !ready || gates.iter().any(|gate| !looked.contains(gate)) {
        return Err(no());
    }
    // Where people let every gate pass, only the act itself was looked at.
    let oldest = looks.iter().map(|look| look.at).min().unwrap_or(at);
    check(state, act, id).looked = Some(oldest);
    Ok(())
}

/// Everything was looked at once more since the yes, and the last look can be taken.
pub fn is_ready(check: &Recheck, id: AskId, gates: &[Path], now: Timestamp) -> bool {
    check.ask == id && check.rebound && gates.iter().all(|gate| check.holds(gate, now))
}

fn about_to_begin(
    runbook: &Checked,
    state: &State,
    id: AskId,
    key: &Key,
    kind: &'static str,
) -> Result<(Path, Ask), Illegal> {
    let no = || Illegal::Misfit { kind, key: key.clone() };
    let act = locate(key, runbook, state).ok_or_else(|| Illegal::NoStep(key.clone()))?;
    if state.phase != Phase::Steps || is_ending(state) {
        return Err(Illegal::Phase { kind });
    }
    let scope = scope_of(&act, runbook, state).ok_or_else(no)?;
    let ask = confirmed(state, &scope, id).filter(|ask| ask.acts.contains_key(&act)).ok_or_else(no)?;
    if is_beside_another(&act, runbook, state) {
        return Err(no());
    }
    Ok((act, ask.clone()))
}

/// Another act that destroys has begun and is not known to be over: nothing that is seen now holds for after it.
pub(super) fn is_beside_another(act: &Path, runbook: &Checked, state: &State) -> bool {
    let others = state.intents.keys().filter(|other| *other != act);
    others.filter_map(|other| other.find(runbook, state)).any(|(step, _)| step.destroys())
}

fn check(state: &mut State, act: Path, ask: AskId) -> &mut Recheck {
    let fresh = || Recheck { ask, rebound: false, passed: BTreeMap::new(), looked: None };
    let check = state.asking.checks.entry(act).or_insert_with(fresh);
    if check.ask != ask {
        *check = fresh();
    }
    check
}

/// The condition under which an act that destroys begins: confirmed, bound as it was confirmed, every gate passed again as
/// a whole, all of them once more together just now.
pub(super) fn may_begin(
    runbook: &Checked,
    state: &State,
    (act, binding): (&Path, Sha256),
    at: Timestamp,
) -> Result<(), &'static str> {
    let scope = scope_of(act, runbook, state).ok_or("nobody was asked")?;
    let ask = state.asking.open.get(&scope).ok_or("nobody was asked")?;
    if ask.confirmed.is_none() || ask.is_over(at) {
        return Err("nobody said yes, or the yes is too old");
    }
    if ask.acts.get(act) != Some(&binding) {
        return Err("something else was confirmed");
    }
    if is_beside_another(act, runbook, state) {
        return Err("another act that destroys is not over");
    }
    if overrides::are_too_old(std::slice::from_ref(act), runbook, state, at) {
        return Err("an override is too old");
    }
    let check = state.asking.checks.get(act).ok_or("nothing was looked at again")?;
    let gates = gates_to_judge(act, runbook, state).ok_or("a gate is not to be found")?;
    if !is_ready(check, ask.id, &gates, at) {
        return Err("not every gate has passed again");
    }
    if !check.looked.is_some_and(|looked| looked <= at && at.since(looked) <= FRESH) {
        return Err("the last look is not fresh");
    }
    Ok(())
}

/// An act that failed before it began is not on its way any more, and another one may be.
pub(super) fn forget_checks_of(runbook: &Checked, state: &mut State, key: &Key) {
    if !state.asking.checks.is_empty()
        && let Some(path) = locate(key, runbook, state)
    {
        state.asking.checks.remove(&path);
    }
}

/// The act has begun: the yes to it is used up, and the world is not what was seen before it.
pub(super) fn use_up(runbook: &Checked, state: &mut State, act: &Path) {
    state.asking.checks.clear();
    let Some(scope) = scope_of(act, runbook, state) else { return };
    if let Some(ask) = state.asking.open.get_mut(&scope) {
        ask.acts.remove(act);
        if ask.acts.is_empty() {
            state.asking.open.remove(&scope);
        }
    }
    overrides::use_up(runbook, state, act, false);
}

/// A new owner looks again at everything; a gate that stopped the run is judged anew.
pub(super) fn claimed(runbook: &Checked, state: &mut State, at: Timestamp) {
    state.asking.checks.clear();
    // Also on the way out: what is ended then was not over.
    // But a `finally` does not begin anew before it is known what it has done.
    if stopped_by(runbook, state).is_some() && !acts::is_open_in_finally(state) {
        super::amend::judge_anew(runbook, state);
    }
    overrides::grow_old(runbook, state, at);
}
