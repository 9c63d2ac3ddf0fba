//! Time that nobody waits for: it stands while anything can be done, and then goes on to the next moment that somebody
//! waits for. It knows nothing of clusters or runs.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use sluice_engine::run::Clock;
use sluice_plugin::Timestamp;

/// When every simulation begins: a morning in September 2026.
pub const EPOCH: Timestamp = Timestamp(1_790_000_000_000);

/// The clock of one simulated world, shared by all processes in it.
#[derive(Clone, Default)]
pub struct SimClock(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Time since the world began. It counts suspends and no setting of the wall clock moves it.
    elapsed: Duration,
    /// What the wall clock was set forward (or back), in milliseconds.
    set_by: i64,
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_id: u64,
}

impl SimClock {
    /// Time since the world began, suspends included.
    pub fn elapsed(&self) -> Duration {
        self.inner().elapsed
    }

    /// Sets the wall clock forward or back, as an operator or NTP does. Who sleeps sleeps on.
    pub fn set_by(&self, milliseconds: i64) {
        self.inner().set_by += milliseconds;
    }

    /// Lets time pass in which no process runs: the machine is suspended. Sleepers whose time came wake afterwards.
    pub fn suspend(&self, time: Duration) {
        let until = self.elapsed() + time;
        self.go_to(until);
    }

    pub async fn sleep(&self, time: Duration) {
        let due = self.elapsed() + time;
        Sleep { clock: self.clone(), due, id: None }.await;
    }

    pub(crate) fn begin_again(&self) {
        let sleepers = std::mem::take(&mut *self.inner()).sleepers;
        sleepers.into_values().for_each(Waker::wake);
    }

    /// The next moment that somebody waits for.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.inner().sleepers.keys().next().map(|(due, _)| *due)
    }

    /// Goes on to this moment and wakes whoever waited for it. Time never goes back.
    pub(crate) fn go_to(&self, moment: Duration) {
        let woken: Vec<Waker> = {
            let mut inner = self.inner();
            inner.elapsed = inner.elapsed.max(moment);
            let after = inner.elapsed + Duration::from_nanos(1);
            let later = inner.sleepers.split_off(&(after, 0));
            std::mem::replace(&mut inner.sleepers, later).into_values().collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let inner = self.inner();
        Timestamp(EPOCH.plus(inner.elapsed).0 + inner.set_by)
    }

    fn since_boot(&self) -> Duration {
        self.inner().elapsed
    }

    async fn sleep_until(&self, at: Timestamp) {
        let left = at.since(self.now());
        self.sleep(left).await;
    }
}

struct Sleep {
    clock: SimClock,
    due: Duration,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.clock.inner();
        if inner.elapsed >= self.due {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or(inner.next_id);
        inner.next_id = inner.next_id.max(id + 1);
        inner.sleepers.insert((self.due, id), cx.waker().clone());
        drop(inner);
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.inner().sleepers.remove(&(self.due, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_sleeps_wakes_in_order_and_not_before() {
        let clock = SimClock::default();
        let mut early = Box::pin(clock.sleep(SECOND));
        let mut late = Box::pin(clock.sleep_until(clock.now().plus(SECOND * 2)));
        assert!((&mut early).now_or_never().is_none() && (&mut late).now_or_never().is_none());
        clock.go_to(clock.next_due().unwrap());
        assert_eq!(clock.elapsed(), SECOND);
        assert!((&mut early).now_or_never().is_some() && (&mut late).now_or_never().is_none());
        clock.go_to(clock.next_due().unwrap());
        assert!((&mut late).now_or_never().is_some());
        assert_eq!((clock.now(), clock.next_due()), (EPOCH.plus(SECOND * 2), None));
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_no_sleeper_and_a_suspend_does() {
        let clock = SimClock::default();
        let mut sleeper = Box::pin(clock.sleep_until(clock.now().plus(SECOND * 10)));
        assert!((&mut sleeper).now_or_never().is_none());
        clock.set_by(3_600_000);
        assert_eq!(clock.now(), EPOCH.plus(SECOND * 3600));
        assert_eq!(clock.next_due(), Some(SECOND * 10));
        clock.suspend(SECOND * 60);
        assert!((&mut sleeper).now_or_never().is_some());
        assert_eq!(clock.elapsed(), SECOND * 60);
    }

    #[test]
    fn whoever_is_gone_is_not_waited_for() {
        let clock = SimClock::default();
        let mut sleeper = Box::pin(clock.sleep(SECOND));
        assert!((&mut sleeper).now_or_never().is_none());
        drop(sleeper);
        assert_eq!(clock.next_due(), None);
    }
}
