//! The choice of a loop's next item: one call that reads, and the event that follows from what it gave.

use sluice_plugin::{Outcome, Problem};

use super::{Drive, Task};
use crate::journal::Event;
use crate::machine::path::Path;
use crate::machine::pick;
use crate::run::RunError;
use crate::run::attempt::Attempt;

impl Drive {
    pub(super) async fn pick(&mut self, path: Path) -> Result<(), RunError> {
        let Some((step, _)) = path.find(&self.log.runbook, &self.log.state) else { return Ok(()) };
        let key = path.key(&self.log.runbook, &self.log.state);
        self.engine.observer.began(&self.watched(), &key, step);
        match Attempt::to_pick(&self.engine, &self.log.run, &self.log.runbook, &self.log.state, &path) {
            Ok(attempt) => {
                let now = self.engine.clock.now();
                self.spawn(path.clone(), Task::Pick(path), attempt.run(), true, now);
                Ok(())
            }
            Err(problem) => self.failed(&path, problem).await,
        }
    }

    pub(super) fn picked(&self, path: &Path, answer: Result<Outcome, Problem>) -> Event {
        match answer {
            Ok(mut outcome) => {
                // It is chosen from what will be read.
                self.engine.hosts.redact(&mut outcome.output);
                pick::picked(&self.log.runbook, &self.log.state, path, &outcome.output)
            }
            Err(problem) => {
                let (key, attempt) = self.attempt(path);
                Event::Failed { key, attempt, problem }
            }
        }
    }
}
