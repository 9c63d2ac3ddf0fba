//! Waiting for somebody to log in: credentials that ran out say nothing of what was asked. The run keeps its lock, says what
//! it waits for, and goes on by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_plugin::{Outcome, Problem, Progress, Timestamp};

use super::Clock;
use super::attempt::Attempt;

/// How an action says that the caller has to log in.
const NOT_LOGGED_IN: &str = "credentials";

/// After that the step fails as it would have at once.
const WITHIN: Duration = Duration::from_secs(15 * 60);

const AGAIN: Duration = Duration::from_secs(10);

/// Until when somebody is waited for, once for all that waits in a run.
#[derive(Clone, Default)]
pub(super) struct Login(Arc<Mutex<Option<Timestamp>>>);

impl Login {
    /// Waits a little where the problem is that nobody is logged in, and there is still time for that.
    pub(super) async fn awaited(&self, clock: &dyn Clock, problem: &Problem) -> bool {
        let now = clock.now();
        if problem.code != NOT_LOGGED_IN || now >= self.until(now) {
            return false;
        }
        clock.sleep_until(now.plus(AGAIN)).await;
        true
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now.plus(WITHIN))
    }

    /// The next time is a new one.
    fn is_good(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Attempt {
    /// A call that only reads, made again until somebody has logged in.
    pub(super) async fn read(self, login: Login) -> Result<Outcome, Problem> {
        let mut waited = false;
        loop {
            match self.clone().run().await {
                Err(problem) if problem.code == NOT_LOGGED_IN => {
                    self.says(format!("waits: {}", problem.message));
                    if !login.awaited(&*self.clock, &problem).await {
                        return Err(problem);
                    }
                    waited = true;
                }
                answer => {
                    if waited {
                        login.is_good();
                    }
                    return answer;
                }
            }
        }
    }

    fn says(&self, note: String) {
        let host = self.hosts.host(self.action.plugin.name(), &self.call);
        host.progress(Progress { note, done: 0, total: None });
    }
}
