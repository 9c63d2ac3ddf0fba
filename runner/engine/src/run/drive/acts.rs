//! The part of the loop that acts: preview, intent, call, and the look at what nobody knows about.
//!
//! The order is the whole point: nothing is called before its intent is written, and nothing is written that was decided
//! on an older journal.

use std::sync::Arc;
use std::time::Duration;

use sluice_plugin::{Applied, Attempt as Number, Preview, Problem, Timestamp};

use super::{Answer, Drive, Task};
use crate::ids::Sha256;
use crate::journal::{Durability, Event};
use crate::machine::path::{Path, locate};
use crate::machine::{Command, next};
use crate::run::RunError;
use crate::run::act::{Deadline, binding, look_twice};
use crate::run::attempt::Attempt;
use crate::run::fence::Fence;
use crate::run::log::Appended;

/// Whether an act has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Began {
    Yes,
    /// What it was decided on is too old by now.
    TooLate,
    /// It is not wanted as things are now, or the lock gives no answer.
    No,
}

impl Drive {
    /// Writes down that the act begins, and begins it. Whatever came between the decision and this is decided on again.
    pub(super) async fn act(
        &mut self,
        path: Path,
        attempt: Attempt,
        binding: Sha256,
        renew: bool,
    ) -> Result<(), RunError> {
        if self.begin(Vec::new(), None, (path.clone(), attempt, binding), renew).await? != Began::Yes {
            self.landed(&path, false);
        }
        Ok(())
    }

    /// The same for an act that was confirmed: `before` is written with its intent, and on the clock that cannot be set it
    /// is not later than `fresh`.
    pub(super) async fn act_after(
        &mut self,
        before: Vec<Event>,
        fresh: Duration,
        act: (Path, Attempt, Sha256),
    ) -> Result<Began, RunError> {
        self.begin(before, Some(fresh), act, false).await
    }

    async fn begin(
        &mut self,
        before: Vec<Event>,
        fresh: Option<Duration>,
        (path, attempt, binding): (Path, Attempt, Sha256),
        renew: bool,
    ) -> Result<Began, RunError> {
        if !self.still_mine().await? {
            return Ok(Began::No);
        }
        if fresh.is_some_and(|fresh| self.engine.clock.since_boot() > fresh) {
            return Ok(Began::TooLate);
        }
        let deadline = Deadline::from_now(&*self.engine.clock);
        let once = path.find(&self.log.runbook, &self.log.state).is_some_and(|(step, _)| step.is_once());
        let (key, number) = self.attempt(&path);
        let number = if renew { Number(number.0.saturating_sub(1)) } else { number };
        let intent = Event::Intended { key, attempt: number, binding, act_by: deadline.act_by };
        let durability = if once { Durability::Sync } else { Durability::Lazy };
        let events = before.into_iter().chain([intent]).collect();
        let ordinal = self.log.ordinal();
        if !self.append_as_decided(events, durability).await? {
            // Where nothing has moved, it was the time that had passed.
            let late = fresh.is_some() && self.log.ordinal() == ordinal;
            return Ok(if late { Began::TooLate } else { Began::No });
        }
        let task = if renew { Task::Renew(path.clone()) } else { Task::Act(path.clone()) };
        self.flight.acts += 1;
        let began = self.engine.clock.now();
        let fence = self.fence.clone().filter(|_| once);
        fence.iter().for_each(|fence| fence.intended(self.log.head()));
        let work = async move {
            match noted(fence).await {
                Ok(()) => Answer::Outcome(attempt.act(deadline).await),
                Err(problem) => Answer::Outcome(Err(problem)),
            }
        };
        self.spawn(path, task, work, false, began);
        Ok(Began::Yes)
    }

    /// What the act would do is known: it is done, if it is still wanted.
    pub(super) async fn previewed(
        &mut self,
        path: Path,
        attempt: Attempt,
        preview: Result<Preview, Problem>,
    ) -> Result<(), RunError> {
        let problem = match preview {
            Ok(Preview::Ready { binding: bound, .. }) => {
                let now = self.engine.clock.now();
                let wanted = next(&self.log.runbook, &self.log.state, now, &self.flight);
                if !wanted.contains(&Command::Call { path: path.clone() }) {
                    self.landed(&path, false);
                    return Ok(());
                }
                let binding = binding(&attempt, Some(&bound));
                return self.act(path, attempt, binding, false).await;
            }
            Ok(Preview::Already { output }) => match attempt.output_fits(&output) {
                Ok(()) => {
                    self.landed(&path, false);
                    let (key, attempt) = self.attempt(&path);
                    return self.append(vec![Event::Done { key, attempt, output }]).await;
                }
                Err(problem) => problem,
            },
            Ok(Preview::Refused { why }) => Problem::not_applied("refused", why),
            Err(problem) => problem,
        };
        self.landed(&path, false);
        // Nothing that only looks can have changed anything.
        let problem = Problem { applied: Applied::No, ..problem };
        self.failed(&path, problem).await
    }

    /// Looks whether an act happened, which is not known.
    pub(super) async fn look(&mut self, path: Path, not_before: Timestamp) -> Result<(), RunError> {
        let Some((step, _)) = path.find(&self.log.runbook, &self.log.state) else { return Ok(()) };
        let key = path.key(&self.log.runbook, &self.log.state);
        self.engine.observer.looks(&self.watched(), &key, step, not_before);
        match self.prepare(&path) {
            Ok(attempt) => {
                let work = async move {
                    let (found, evidence) = look_twice(attempt, not_before).await;
                    Answer::Looked(found, evidence)
                };
                let began = self.engine.clock.now();
                self.flight.looks.insert(path.clone());
                self.spawn(path.clone(), Task::Look(path), work, true, began);
                Ok(())
            }
            Err(problem) => self.failed(&path, problem).await,
        }
    }

    /// Appends what was decided on the journal as it is known here, and nothing when it has moved on or will not have it.
    async fn append_as_decided(&mut self, events: Vec<Event>, durability: Durability) -> Result<bool, RunError> {
        let now = self.engine.clock.now();
        match self.log.append(events, Some(self.epoch), &self.engine.actor, now, durability).await? {
            Appended::Yes(envelopes) => {
                self.tell(&envelopes);
                Ok(true)
            }
            Appended::Moved(_) => {
                self.again = true;
                Ok(false)
            }
            Appended::Refused(illegal, _) => {
                tracing::debug!(%illegal, "an act is not wanted any more");
                Ok(false)
            }
        }
    }

    /// The end of an act that is done once is as safe as its intent.
    pub(super) fn durability(&self, events: &[Event]) -> Durability {
        let once = |path: &Path| self.log.state.intents.get(path).is_some_and(|intent| intent.once);
        let closes = |event: &Event| {
            let path = event.key().and_then(|key| locate(key, &self.log.runbook, &self.log.state));
            path.is_some_and(|path| once(&path))
        };
        let any = (self.log.state.has_open_act() && events.iter().any(closes))
            || events.iter().any(super::confirming::is_about_a_question);
        if any { Durability::Sync } else { Durability::Lazy }
    }
}

/// The lock says how far the journal is, before an act is called that may happen once.
async fn noted(fence: Option<Arc<Fence>>) -> Result<(), Problem> {
    let Some(fence) = fence else { return Ok(()) };
    let nothing = |why: String| Problem::not_applied("lock", format!("nothing was done: {why}"));
    match fence.note_act().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(nothing(format!("the lock `{}` was taken away right before", fence.name))),
        Err(error) => Err(nothing(format!("the lock `{}` could not be written: {error}", fence.name))),
    }
}
