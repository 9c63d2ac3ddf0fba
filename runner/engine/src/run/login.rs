//! Waiting for somebody to log in: credentials that ran out say nothing of what was asked. The run keeps its lock, says what
//! it waits for, and goes on by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_plugin::{Outcome, Problem, Timestamp};

use super::Observer;
use super::attempt::Attempt;
use crate::journal::Key;

/// How an action says that the caller has to log in.
const NOT_LOGGED_IN: &str = "credentials";

/// After that the step fails as it would have at once.
const WITHIN: Duration = Duration::from_secs(15 * 60);

const AGAIN: Duration = Duration::from_secs(10);

/// Until when somebody is waited for, once for all that waits in a run.
#[derive(Clone)]
pub(super) struct Login {
    until: Arc<Mutex<Option<Timestamp>>>,
    observer: Arc<dyn Observer>,
}

impl Login {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self { until: Arc::default(), observer }
    }

    /// Says so and waits a little where the problem is that nobody is logged in, and there is still time for that.
    pub(super) async fn awaited(&self, attempt: &Attempt, problem: &Problem) -> bool {
        let now = attempt.clock.now();
        if problem.code != NOT_LOGGED_IN || now >= self.begun(now, attempt, problem) {
            return false;
        }
        attempt.clock.sleep_until(now.plus(AGAIN)).await;
        true
    }

    fn begun(&self, now: Timestamp, attempt: &Attempt, problem: &Problem) -> Timestamp {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = *until {
            return until;
        }
        let new = *until.insert(now.plus(WITHIN));
        self.observer.waits_for_login(&Key(attempt.call.step.clone()), problem, new);
        new
    }

    /// Somebody is logged in: the next time is a new one.
    pub(super) fn is_good(&self) {
        self.set(None);
    }

    /// The run is to end, and waits for nobody.
    pub(super) fn give_up(&self) {
        self.set(Some(Timestamp(0)));
    }

    fn set(&self, until: Option<Timestamp>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Attempt {
    /// A call that only reads, made again until somebody has logged in.
    pub(super) async fn read(self, login: Login) -> Result<Outcome, Problem> {
        loop {
            match self.clone().run().await {
                Err(problem) if login.awaited(&self, &problem).await => {}
                Err(problem) => return Err(problem),
                Ok(outcome) => {
                    login.is_good();
                    return Ok(outcome);
                }
            }
        }
    }
}
