//! The loop and its lock: taken when the core wants it, asked about right before each act, given back at the end.

use std::sync::Arc;
use std::time::Duration;

use futures::future::FutureExt as _;
use futures::stream::StreamExt as _;

use super::drive::{Drive, Turn};
use super::fence::{Fence, keep_alive};
use super::locking::{Known, LockError};
use super::{RunError, Signals};
use crate::journal::{Event, Loss};
use crate::machine::lock::has_acted;
use crate::machine::{Command, InFlight, next};

/// Between two questions to a place that gave no answer.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// Acts that begin so close together, with nothing between them, are asked for once.
const TOGETHER: Duration = Duration::from_secs(1);

/// So long a run with an act to do waits for an answer; then it stops and can be resumed.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

impl Drive {
    /// Takes the lock for this claim of the run.
    pub(super) async fn take_lock(&mut self) -> Result<(), RunError> {
        // A process takes it once. What it lost while it lived is not taken again behind the back of whoever had it.
        if self.fence.is_some() {
            self.lost();
            return Ok(());
        }
        let (run, runbook, state) = (&self.log.run, &self.log.runbook, &self.log.state);
        let (inputs, acted) = (state.inputs(), has_acted(runbook, state));
        let known = Known { run, runbook, inputs, epoch: self.epoch, hold: state.lock.known(acted), acted };
        let Some(request) = self.engine.lock_request(known).await? else { return Ok(()) };
        let taken = match self.engine.take_lock(&request).await {
            Ok(taken) => taken,
            Err(why) => {
                self.stopping = Some(why);
                return Ok(());
            }
        };
        self.fence = Some(taken.fence.clone());
        self.stay_alive(Some(taken.fence));
        self.append(vec![taken.event]).await?;
        if let Some(after) = &taken.after {
            self.engine.tell_former(after, &self.log.run).await?;
        }
        Ok(())
    }

    fn stay_alive(&mut self, fence: Option<Arc<Fence>>) {
        let (store, clock) = (self.engine.store.clone(), self.engine.clock.clone());
        self.alive = keep_alive(store, clock, self.log.run.clone(), fence).boxed();
    }

    /// Where the lock is kept gave no answer just now: nothing is prepared that could not be done.
    pub(super) fn is_silent(&self) -> bool {
        let now = self.engine.clock.now();
        self.no_act_before.is_some_and(|at| now < at)
    }

    /// Asked right before each act, and before its intent is written. False: not now, or not any more.
    pub(super) async fn still_mine(&mut self) -> Result<bool, RunError> {
        if self.stopping.is_some() {
            return Ok(false);
        }
        let Some(fence) = self.fence.clone() else { return Ok(true) };
        if self.is_silent() {
            return Ok(false);
        }
        self.no_act_before = None;
        let now = self.engine.clock.since_boot();
        if self.asked.is_some_and(|asked| now.saturating_sub(asked) <= TOGETHER) {
            return Ok(true);
        }
        // A sign of life that is under way is written first.
        let answer = tokio::select! {
            biased;
            answer = fence.still_mine() => answer,
            () = &mut self.alive => Ok(false),
        };
        match answer {
            Ok(true) => {
                self.silent_since = None;
                self.asked = Some(self.engine.clock.since_boot());
                Ok(true)
            }
            Ok(false) => {
                self.lost();
                self.tell_loss(fence.generation).await?;
                Ok(false)
            }
            Err(error) => {
                let now = self.engine.clock.now();
                let since = *self.silent_since.get_or_insert(now);
                tracing::warn!(%error, lock = %fence.name, "it cannot be told whose the lock is, so nothing is done");
                self.no_act_before = Some(now.plus(ASK_AGAIN));
                if now.since(since) > LONGEST_SILENCE
                    && let Some(hold) = &self.log.state.lock.held
                {
                    let (name, at, why) = (hold.name.clone(), hold.at.clone(), error.to_string());
                    self.stopping = Some(LockError::CannotTell { name, at, why });
                }
                Ok(false)
            }
        }
    }

    /// The lock has moved on: the run stops here.
    pub(super) fn lost(&mut self) {
        // The process lives on until its acts have ended.
        self.stay_alive(None);
        if let Some(fence) = &self.fence {
            self.stopping.get_or_insert(LockError::Lost { name: fence.name.clone() });
        }
    }

    /// Whoever took the lock may have had no way to this journal.
    async fn tell_loss(&mut self, generation: u64) -> Result<(), RunError> {
        if self.log.state.has_lock() {
            let how = Loss::MovedOn;
            self.append_as(vec![Event::LockLost { generation, how }], None).await?;
        }
        Ok(())
    }

    /// Waits for the acts in flight, whose ends are written down, and cuts the rest.
    pub(super) async fn stop(&mut self, why: LockError, signals: &mut Signals) -> Result<Turn, RunError> {
        self.cut_what_is_gone(&[]);
        if self.flight.acts == 0 {
            return Err(why.into());
        }
        tokio::select! {
            biased;
            Some(finished) = self.tasks.next() => self.finished(finished).await?,
            Some(signal) = signals.recv() => self.signal(signal).await?,
            () = &mut self.alive => self.lost(),
        }
        Ok(Turn::Goes)
    }

    /// The run has ended or is parked: the lock is given back, or stays with a run that is only interrupted. What cannot be given
    /// back now is given back by whoever looks at the run next; its end stands.
    pub(super) async fn leave_lock(&mut self) -> Result<(), RunError> {
        if !self.log.is_listed()
            && let Err(error) = self.engine.store.beat(&self.log.run, None).await
        {
            tracing::debug!(%error, "the lease of the run runs on");
        }
        let wanted = next(&self.log.runbook, &self.log.state, self.engine.clock.now(), &InFlight::default());
        if wanted.contains(&Command::Release) {
            if let Err(error) = self.engine.give_back_ended(&self.log.run).await {
                tracing::warn!(%error, "the run has ended, and its lock could not be given back");
            }
            self.log.catch_up().await?;
        } else if let Some(fence) = &self.fence
            && let Err(error) = fence.leave().await
        {
            tracing::debug!(%error, "the lease of the lock runs on");
        }
        Ok(())
    }
}
