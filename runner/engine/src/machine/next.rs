//! What should be in flight. Pure: the shell starts what is new in the answer and cuts what is gone from it.
//!
//! The answer follows from the state alone, so a crash, a resume and a live run all go on the same way.

mod call;
mod confirm;
mod turns;

pub use confirm::{Check, wanted_in};

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sluice_plugin::{Attempt, Effect, Problem, Timestamp};

use crate::expr;
use crate::journal::{CancelHow, Event, Found, Item, Key, Outcome, Phase, Void};
use crate::machine::path::{Hop, Path, Root};
use crate::machine::scope::StepScope;
use crate::machine::state::{Inside, Intent, List, Rounds, Slot, State, Status};
use crate::machine::{acts, asks, fill, lock};
use crate::runbook::checked::{Checked, Kind, Step};

/// One thing that should be happening. Each ends in one or more events.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Call the action of a step.
    Call { path: Path },
    /// Sample a gate until it has passed or its time is over. `until` is `None` before the first wait.
    Judge { path: Path, until: Option<Timestamp> },
    /// Look, not before that moment, whether an act happened of which nobody knows.
    Reconcile { path: Path, not_before: Timestamp },
    /// Call an ephemeral step again: a later one needs what it gave.
    Renew { path: Path },
    /// Read what a loop's next item is chosen by, and choose it.
    Pick { path: Path },
    /// A part of the way from a question to an act.
    Check(Check),
    /// Hand the terminal to a person.
    Session,
    /// Take the run's lock; nothing else starts before that.
    Take,
    /// Give it back: the run has ended.
    Release,
    /// A decision that needs nobody outside: append it now.
    Emit(Event),
    /// Ask again then.
    Wake(Timestamp),
}

/// What the shell has in flight now.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    pub paths: BTreeSet<Path>,
    /// Those among them that only look whether an act happened.
    pub looks: BTreeSet<Path>,
    /// Loops that read to choose their next item.
    pub picks: BTreeSet<Path>,
    pub checks: BTreeSet<Check>,
    /// A person is there who can be asked.
    pub attended: bool,
    /// Nothing is done, and so nobody is asked: acts are only looked at.
    pub plans: bool,
    /// Acts among them: they are never cut, and a phase does not end before they do.
    pub acts: usize,
    pub session: bool,
}

/// The desired set. Once it is empty, or holds only `Wake`, nothing goes on by itself.
pub fn next(runbook: &Checked, state: &State, now: Timestamp, flight: &InFlight) -> Vec<Command> {
    walk(runbook, state, now, flight).commands
}

/// The step that waits for `renewed` to be done again; `None` when it is the session, or nobody any more.
pub fn who_needs(runbook: &Checked, state: &State, now: Timestamp, flight: &InFlight, renewed: &Path) -> Option<Path> {
    let waiting = walk(runbook, state, now, flight).waiting;
    waiting.into_iter().find_map(|(path, stale)| (stale == *renewed).then_some(path))
}

fn walk<'a>(runbook: &'a Checked, state: &'a State, now: Timestamp, flight: &'a InFlight) -> Walk<'a> {
    let mut walk =
        Walk { runbook, state, now, flight, commands: Vec::new(), waiting: Vec::new(), asks: BTreeSet::new() };
    if state.is_over() && state.lock.held.is_some() {
        walk.commands.push(Command::Release);
    }
    if state.started.is_none() || state.phase == Phase::Ended || state.parked {
        return walk;
    }
    let how = state.cancel.as_ref().map(|cancel| cancel.how);
    if how == Some(CancelHow::Abandon) {
        let unknown = acts::left_behind(runbook, state);
        walk.emit(Event::Ended { outcome: Outcome::Abandoned { unknown } });
        return walk;
    }
    if lock::is_wanted(runbook, state) {
        walk.commands.push(Command::Take);
        return walk;
    }
    let cut = state.interrupted || how == Some(CancelHow::Now);
    let ending = cut || how == Some(CancelHow::AfterStep);
    match state.phase {
        Phase::Steps if ending => {
            walk.tidy(&runbook.steps, &state.steps, !cut, &Path::root(Root::Steps));
            if walk.commands.is_empty() && !state.steps.is_untidy() {
                walk.leave(Phase::Finally);
            }
        }
        Phase::Steps => {
            walk.list(&runbook.steps, &state.steps, 1, &Path::root(Root::Steps));
            if walk.commands.is_empty() && state.steps.is_settled() && asks::is_stopped_open(runbook, state).is_none() {
                let well = state.steps.front.broken.is_none();
                walk.leave(if well && runbook.session.is_some() { Phase::Session } else { Phase::Finally });
            }
        }
        Phase::Session if state.session.status.is_settled() || cut || (ending && !flight.session) => {
            walk.leave(Phase::Finally);
        }
        Phase::Session => walk.session(),
        Phase::Finally => {
            walk.list(&runbook.finally, &state.finally, 1, &Path::root(Root::Finally));
            if state.finally.is_settled() && !walk.has_acts() {
                walk.emit(Event::Ended { outcome: outcome_of(runbook, state) });
            }
        }
        Phase::Ended => {}
    }
    walk.open_acts(ending);
    walk.withdraw();
    walk.park();
    walk.begin_nothing_beside_a_failure();
    walk
}

/// How a list ended, and at which step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    Failed,
    Stopped,
    Unconfirmed,
}

/// How the run has gone; complete only when `finally` is settled, whose failures never hide those of the steps.
pub(super) fn outcome_of(runbook: &Checked, state: &State) -> Outcome {
    if state.cut {
        return if state.cancel.is_some() { Outcome::Cancelled } else { Outcome::Interrupted };
    }
    let broken = first_broken(runbook, state, Root::Steps)
        .or_else(|| matches!(state.session.status, Status::Failed(_)).then(|| (Key::session(), Break::Failed)))
        .or_else(|| first_broken(runbook, state, Root::Finally));
    match broken {
        None => Outcome::Done,
        Some((key, Break::Stopped)) => Outcome::Stopped { key },
        Some((key, Break::Unconfirmed)) => Outcome::Unconfirmed { key },
        Some((key, Break::Failed)) => Outcome::Failed { key },
    }
}

/// The step whose end ended the list, and how.
fn first_broken(runbook: &Checked, state: &State, root: Root) -> Option<(Key, Break)> {
    let (mut steps, mut list) = match root {
        Root::Steps => (&*runbook.steps, &state.steps),
        Root::Finally => (&*runbook.finally, &state.finally),
    };
    let mut path = Path::root(root);
    loop {
        let at = list.front.broken.or(list.front.failed)?;
        let (step, mut slot) = (steps.get(at)?, list.slots.get(at)?);
        let mut round = None;
        // A loop whose choice of the next item failed has no round to blame.
        if let (Inside::Rounds(rounds), false) = (&slot.inside, matches!(slot.status, Status::Failed(_))) {
            round = rounds.front.broken.or(rounds.front.failed);
            slot = &rounds.rounds.get(round?)?.slot;
        }
        path = path.child(at, round);
        match &slot.inside {
            Inside::List(inner)
                if inner.front.broken.is_some() && !matches!(slot.status, Status::Unconfirmed { .. }) =>
            {
                (steps, list) = (step.children(), inner);
            }
            Inside::Call(called) if slot.status == Status::Broken => {
                let Kind::Call(call) = &step.kind else { return None };
                if called.steps.front.broken.is_some() {
                    (steps, list) = (&*call.runbook.steps, &called.steps);
                } else {
                    path = path.in_finally();
                    (steps, list) = (&*call.runbook.finally, &called.finally);
                }
            }
            _ => {
                let how = match slot.status {
                    Status::Stopped { .. } => Break::Stopped,
                    Status::Unconfirmed { .. } => Break::Unconfirmed,
                    _ => Break::Failed,
                };
                return Some((path.key(runbook, state), how));
            }
        }
    }
}

struct Walk<'a> {
    runbook: &'a Checked,
    state: &'a State,
    now: Timestamp,
    flight: &'a InFlight,
    commands: Vec<Command>,
    /// Steps that cannot start before a stale one is done again, each with that one.
    waiting: Vec<(Path, Path)>,
    /// Steps that ask or were asked about, and go on.
    asks: BTreeSet<Path>,
}

impl Walk<'_> {
    fn emit(&mut self, event: Event) {
        self.commands.push(Command::Emit(event));
    }

    /// A phase ends when the acts that were started have ended.
    fn leave(&mut self, phase: Phase) {
        if !self.has_acts() {
            self.emit(Event::Entered { phase });
        }
    }

    /// In flight, or begun once and not known to be over.
    fn has_acts(&self) -> bool {
        self.flight.acts > 0 || self.state.has_open_act()
    }

    /// Looks at each act of which nobody knows whether it happened, wherever it stands.
    fn open_acts(&mut self, ending: bool) {
        let (runbook, state) = (self.runbook, self.state);
        let left = state.interrupted;
        for (path, intent) in state.intents.iter().filter(|(_, intent)| intent.once) {
            let Some((step, slot)) = path.find(runbook, state) else { continue };
            match slot.status {
                // On its way out a run waits for what its `finally` did, and for nothing else.
                Status::Unknown { .. } if !left || path.is_in_finally() => {
                    self.look(step, slot, path, (intent, ending))
                }
                // Whoever wrote it did not come to call: nobody can say more.
                Status::Intended if !self.flight.paths.contains(path) => {
                    let message = "it was to be begun, and whether it was is not known";
                    let problem = Problem::maybe_applied("not_known", message);
                    let key = path.key(runbook, state);
                    self.emit(Event::Failed { key, attempt: Attempt(slot.attempts + 1), problem });
                }
                _ => {}
            }
        }
    }

    fn look(&mut self, step: &Step, slot: &Slot, path: &Path, (intent, ending): (&Intent, bool)) {
        let Kind::Use(used) = &step.kind else { return };
        let can = self.runbook.actions.get(&used.action).is_some_and(|spec| spec.abilities.reconcile);
        if !can {
            let why = format!("{} has no way to look whether it happened", used.action);
            return self.cannot_tell(slot, path, json!({ "why": why }));
        }
        let not_before = acts::over_at(step, intent);
        if !self.flight.paths.contains(path) && self.state.epoch.0 > 1 {
            let stale = {
                let scope = StepScope::new(self.runbook, self.state, path);
                self.stale_among(&fill::names(step.paths_of_body()), &scope)
            };
            let act = |path: &Path| path.find(self.runbook, self.state).is_some_and(|(step, _)| is_act(step));
            if ending && stale.iter().any(act) {
                let why = "what it needs to look would have to be done again first, and the run is to end";
                return self.cannot_tell(slot, path, json!({ "why": why }));
            }
            if !stale.is_empty() {
                self.waiting.extend(stale.iter().map(|stale| (path.clone(), stale.clone())));
                return self.renew(stale, Some(path));
            }
        }
        self.commands.push(Command::Reconcile { path: path.clone(), not_before });
    }

    fn cannot_tell(&mut self, slot: &Slot, path: &Path, evidence: Value) {
        let key = path.key(self.runbook, self.state);
        let (attempt, verdict) = (Attempt(slot.attempts + 1), Found::CannotTell);
        self.emit(Event::Reconciled { key, attempt, verdict, evidence });
    }

    /// Nothing is left to do and nothing to wait for, but for what a person has to say.
    fn park(&mut self) {
        let flying = !self.flight.paths.is_empty() || !self.flight.picks.is_empty() || self.flight.session;
        let idle = self.commands.is_empty() && !flying && self.flight.checks.is_empty();
        let asks = || self.state.unanswered().next().is_some();
        let stopped = || asks::is_stopped_open(self.runbook, self.state).is_some();
        if idle && (self.state.has_open_act() || asks() || stopped()) {
            self.emit(Event::Parked);
        }
    }

    /// What fails now, or is not confirmed, may end the group around a call or a choice that would begin in the same breath:
    /// that is decided behind it.
    fn begin_nothing_beside_a_failure(&mut self) {
        let begins = |event: &Event| matches!(event, Event::Called { .. } | Event::Picked { .. });
        let ends = |event: &Event| match event {
            Event::Failed { .. } => true,
            Event::Voided { why, .. } => matches!(why, Void::Denied | Void::Expired),
            _ => false,
        };
        if self.commands.iter().any(|command| command.event().is_some_and(ends)) {
            self.commands.retain(|command| !command.event().is_some_and(begins));
        }
    }

    fn session(&mut self) {
        let stale = self.runbook.session.as_ref().map(|session| {
            let scope = StepScope::at_end(self.runbook, self.state);
            self.stale_among(&fill::names_in_session(session), &scope)
        });
        match stale {
            Some(paths) if !paths.is_empty() => self.renew(paths, None),
            _ => self.commands.push(Command::Session),
        }
    }

    fn list(&mut self, steps: &[Step], list: &List, width: usize, path: &Path) {
        if list.is_settled() {
            return;
        }
        if list.front.broken.is_some() {
            return self.tidy(steps, list, false, path);
        }
        let unsettled = |(_, slot): &(usize, &Slot)| !slot.status.is_settled();
        let places = list.slots.iter().enumerate().skip(list.front.cursor).filter(unsettled).take(width);
        let busy = self.busy_steps(path);
        let mut free = width.saturating_sub(busy.len());
        for (at, slot) in places {
            let goes_on = busy.contains(&at);
            if !goes_on && free == 0 {
                continue;
            }
            free -= usize::from(!goes_on);
            if let Some(step) = steps.get(at) {
                self.step(step, slot, path.child(at, None));
            }
        }
    }

    fn step(&mut self, step: &Step, slot: &Slot, path: Path) {
        if self.flight.paths.contains(&path) {
            return self.leaf(step, slot, path);
        }
        let begun = slot.status != Status::Pending || self.has_in_flight(&path);
        if !begun && !self.may_begin(step, &path) {
            return;
        }
        match &slot.inside {
            Inside::Closed => self.open(step, &path),
            Inside::Rounds(rounds) if rounds.ends_early() => self.tidy_step(step, slot, false, path),
            Inside::Rounds(rounds) => self.rounds(step, slot, rounds, &path),
            Inside::Leaf | Inside::List(_) | Inside::Call(_) => self.body(step, slot, path),
        }
    }

    /// The places below `depth` hops of `path` with an act in flight or of unknown outcome; `place` gives that of a hop.
    fn busy(&self, path: &Path, depth: usize, place: impl Fn(&Hop) -> Option<usize>) -> BTreeSet<usize> {
        if !self.has_acts() {
            return BTreeSet::new();
        }
        let around = path.hops.get(..depth).unwrap_or_default();
        let open = self.state.intents.iter().filter_map(|(path, intent)| intent.once.then_some(path));
        let acts = self.flight.paths.iter().chain(open);
        let inside = acts.filter(|act| act.root == path.root && act.hops.starts_with(around));
        let open = inside.filter(|act| act.hops.get(depth).and_then(&place).is_some() && self.is_open_act(act));
        open.filter_map(|act| act.hops.get(depth).and_then(&place)).collect()
    }

    /// What a failure settled beside an act is not over before the act is; and while one is open behind a gate that is
    /// judged anew, the gate waits for it.
    fn busy_steps(&self, path: &Path) -> BTreeSet<usize> {
        self.busy(path, path.hops.len(), |hop| Some(hop.at))
    }

    /// How many settled rounds have such an act: a failure beside it settled them, and they are not over before it is.
    fn late_rounds(&self, rounds: &Rounds, path: &Path) -> usize {
        let own = path.hops.last().map(|hop| hop.at);
        let settled = |hop: &Hop| {
            let round = hop.round.filter(|_| own == Some(hop.at))?;
            rounds.rounds.get(round)?.slot.status.is_settled().then_some(round)
        };
        self.busy(path, path.hops.len().saturating_sub(1), settled).len()
    }

    fn is_open_act(&self, path: &Path) -> bool {
        path.find(self.runbook, self.state).is_some_and(|(step, slot)| is_act(step) && !slot.status.is_settled())
    }

    /// A group has begun with the first step in it, before any event tells.
    fn has_in_flight(&self, group: &Path) -> bool {
        let mut after = self.flight.paths.range(group..);
        after.next().is_some_and(|path| path.root == group.root && path.hops.starts_with(&group.hops))
    }

    /// Decides `needs` and `when`; emits the end of the step if it does not begin.
    fn may_begin(&mut self, step: &Step, path: &Path) -> bool {
        let scope = StepScope::new(self.runbook, self.state, path);
        let passed = |id: &str| scope.step(id).is_some_and(|(_, gate)| has_passed(gate));
        let refused = step.needs.iter().find(|id| !passed(id.as_str()));
        if let Some(id) = refused {
            let problem = Problem::not_applied("needs", format!("gate `{id}` did not pass, and this step needs it"));
            self.fail(path, problem);
            return false;
        }
        let Some(when) = &step.when else { return true };
        if self.renews_first(|| step.paths_of_when(), path) {
            // A question about it stands as long.
            self.asks.insert(path.clone());
            return false;
        }
        let scope = StepScope::new(self.runbook, self.state, path);
        match expr::truth(when, &scope) {
            Ok(true) => true,
            Ok(false) => {
                self.emit(Event::Skipped { key: path.key(self.runbook, self.state) });
                false
            }
            Err(error) => {
                self.fail(path, fill::problem("when", &error));
                false
            }
        }
    }

    fn fail(&mut self, path: &Path, problem: Problem) {
        let slot = path.find(self.runbook, self.state).map(|(_, slot)| slot);
        if let Some(slot @ Slot { status: Status::Unknown { .. }, .. }) = slot {
            // That nobody could look is no news about the act.
            return self.cannot_tell(slot, path, json!({ "looks": [], "problem": problem }));
        }
        let key = path.key(self.runbook, self.state);
        let attempt = Attempt(slot.map_or(0, |slot| slot.attempts) + 1);
        self.emit(Event::Failed { key, attempt, problem });
    }

    fn open(&mut self, step: &Step, path: &Path) {
        let Some(each) = &step.for_each else { return };
        if self.renews_first(|| each.paths_of_items(), path) {
            return;
        }
        let scope = StepScope::new(self.runbook, self.state, path);
        match fill::tree(&each.over, &scope) {
            Ok(Value::Array(values)) => {
                let key = path.key(self.runbook, self.state);
                self.emit(Event::Opened { key, items: items(values) });
            }
            Ok(other) => {
                let kind = expr::Kinds::of(&other);
                self.fail(path, Problem::not_applied("for_each", format!("`for_each` needs a list and got {kind}")));
            }
            Err(error) => self.fail(path, fill::problem("for_each", &error)),
        }
    }

    /// A step, or one round of it, that may begin or has begun.
    fn body(&mut self, step: &Step, slot: &Slot, path: Path) {
        if step.confirm.is_some() && !self.flight.plans && !self.is_confirmed(step, &path) {
            return;
        }
        match (&step.kind, &slot.inside) {
            (Kind::Group(group), Inside::List(list)) => self.list(&group.steps, list, group.order.width(), &path),
            (Kind::Call(call), Inside::Call(called)) => self.call(step, call, called, &path),
            _ => self.leaf(step, slot, path),
        }
    }

    fn leaf(&mut self, step: &Step, slot: &Slot, path: Path) {
        let until = match &slot.status {
            Status::Backoff { until, .. } if self.now < *until && !self.flight.paths.contains(&path) => {
                return self.commands.push(Command::Wake(*until));
            }
            Status::Waiting { until } => Some(*until),
            Status::Unknown { .. } | Status::Stuck { .. } => return,
            // Somebody has said meanwhile what it was to find out: first it ends.
            _ if self.flight.looks.contains(&path) => return,
            Status::Intended if step.is_once() && !self.flight.paths.contains(&path) => return,
            _ => None,
        };
        if !self.flight.paths.contains(&path) && self.renews_first(|| step.paths_of_body(), &path) {
            return;
        }
        if step.destroys() && !self.flight.plans && !self.flight.paths.contains(&path) {
            return self.destroy(path);
        }
        self.commands.push(match &step.kind {
            Kind::Gate(_) => Command::Judge { path, until },
            Kind::Use(_) | Kind::Group(_) | Kind::Call(_) => Command::Call { path },
        });
    }

    /// Whether a step that was named has to be done again first. Then that is wanted, and not what stands at `path`.
    fn renews_first<'p>(&mut self, named: impl FnOnce() -> Vec<&'p expr::Path>, path: &Path) -> bool {
        // Only a resume leaves something stale.
        if self.state.epoch.0 <= 1 {
            return false;
        }
        let stale = self.stale_among(&fill::names(named()), &StepScope::new(self.runbook, self.state, path));
        let some = !stale.is_empty();
        self.waiting.extend(stale.iter().map(|stale| (path.clone(), stale.clone())));
        self.renew(stale, Some(path));
        some
    }

    fn renew(&mut self, paths: Vec<Path>, needy: Option<&Path>) {
        for path in paths {
            let found = path.find(self.runbook, self.state).map(|(step, slot)| (&step.kind, &slot.inside));
            if let Some((Kind::Call(call), Inside::Call(called))) = found {
                self.renew_call(call, called, &path, needy);
                continue;
            }
            let command = Command::Renew { path };
            if !self.commands.contains(&command) {
                self.commands.push(command);
            }
        }
    }

    /// Those of the named steps, and of the steps they in turn were made from, that have to be fetched again first.
    fn stale_among(&self, names: &BTreeSet<String>, scope: &StepScope<'_>) -> Vec<Path> {
        let mut stale = Vec::new();
        for name in names {
            let Some((_, slot)) = scope.step(name) else { continue };
            for path in stale_paths(self.runbook, self.state, slot) {
                let before = path.find(self.runbook, self.state).map(|(step, slot)| match (&step.kind, &slot.inside) {
                    (Kind::Call(call), Inside::Call(called)) => self.stale_outputs(call, called),
                    _ => {
                        let names = fill::names(step.paths_of_body());
                        self.stale_among(&names, &StepScope::new(self.runbook, self.state, &path))
                    }
                });
                match before {
                    Some(deeper) if !deeper.is_empty() => stale.extend(deeper),
                    _ => stale.push(path),
                }
            }
        }
        stale
    }
}

/// A gate that was skipped is no obstacle; one that was never judged is. Of a loop, every round must have passed.
fn has_passed(gate: &Slot) -> bool {
    match (&gate.status, &gate.inside) {
        (Status::Complete, Inside::Rounds(rounds)) => rounds.rounds.iter().all(|round| has_passed(&round.slot)),
        (status, _) => status.is_settled() && !status.is_bad(),
    }
}

/// Every stale leaf in this slot, by its place in the run.
fn stale_paths(runbook: &Checked, state: &State, wanted: &Slot) -> Vec<Path> {
    let mut found = Vec::new();
    let roots = [(Root::Steps, &runbook.steps, &state.steps), (Root::Finally, &runbook.finally, &state.finally)];
    for (root, steps, list) in roots {
        collect_stale(steps, list, &Path::root(root), wanted, false, &mut found);
    }
    found
}

fn collect_stale(steps: &[Step], list: &List, path: &Path, wanted: &Slot, inside: bool, found: &mut Vec<Path>) {
    for (at, (step, slot)) in steps.iter().zip(&list.slots).enumerate() {
        let inside = inside || std::ptr::eq(slot, wanted);
        let mut visit = |slot: &Slot, round: Option<usize>| {
            let path = path.child(at, round);
            if slot.stale && inside {
                found.push(path.clone());
            }
            match (&step.kind, &slot.inside) {
                (_, Inside::List(inner)) => collect_stale(step.children(), inner, &path, wanted, inside, found),
                // From outside only what it gives counts.
                (Kind::Call(call), Inside::Call(called)) if !inside => {
                    collect_stale(&call.runbook.steps, &called.steps, &path, wanted, false, found);
                    let path = path.in_finally();
                    collect_stale(&call.runbook.finally, &called.finally, &path, wanted, false, found);
                }
                _ => {}
            }
        };
        match &slot.inside {
            Inside::Rounds(rounds) => {
                rounds.rounds.iter().enumerate().for_each(|(at, round)| visit(&round.slot, Some(at)));
            }
            Inside::Leaf | Inside::List(_) | Inside::Call(_) | Inside::Closed => visit(slot, None),
        }
    }
}

/// Items with keys a person would choose: a name or the text itself where that is unique and short, else the index.
fn items(values: Vec<Value>) -> Vec<Item> {
    let named: Vec<Option<String>> = values.iter().map(natural_key).collect();
    let distinct: BTreeSet<&String> = named.iter().flatten().collect();
    let by_name = distinct.len() == values.len();
    let key = |index: usize| match named.get(index) {
        Some(Some(name)) if by_name => name.clone(),
        _ => index.to_string(),
    };
    let keys: Vec<String> = (0..values.len()).map(key).collect();
    keys.into_iter().zip(values).map(|(key, value)| Item { key, value }).collect()
}

fn natural_key(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(object) => object.get("name").or_else(|| object.get("key"))?.as_str()?.to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) => return None,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(plain)).then_some(text)
}

impl Command {
    /// The decision in it, if it is one.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Self::Emit(event) => Some(event),
            Self::Call { .. } | Self::Judge { .. } | Self::Renew { .. } | Self::Pick { .. } => None,
            Self::Reconcile { .. } | Self::Check(_) | Self::Session | Self::Take | Self::Release | Self::Wake(_) => {
                None
            }
        }
    }

    /// The step it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Call { path } | Self::Judge { path, .. } | Self::Renew { path } | Self::Pick { path } => Some(path),
            Self::Reconcile { path, .. } => Some(path),
            Self::Check(_) | Self::Session | Self::Take | Self::Release | Self::Emit(_) | Self::Wake(_) => None,
        }
    }
}

/// Whether a command may be cut: an act never is.
pub fn is_act(step: &Step) -> bool {
    step.effect() != Effect::Read
}
