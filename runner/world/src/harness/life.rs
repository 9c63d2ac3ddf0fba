//! The life of one process: it counts the points it passes, and at one of them it is killed as by SIGKILL: nothing of it
//! goes on, and nobody is told.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Counts points from 1. A process without a point of death passes them all.
#[derive(Default)]
pub struct Life(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    passed: Vec<String>,
    dies_at: Option<usize>,
    dead: bool,
    undertaker: Option<Waker>,
}

impl Life {
    pub fn until(point: usize) -> Self {
        Self(Mutex::new(Inner { dies_at: Some(point), ..Inner::default() }))
    }

    /// Passes a point, or ends there.
    pub async fn point(&self, name: impl FnOnce() -> String) {
        if self.passes(name()) {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Resolves when the process is dead: whoever drives it drops it then.
    pub async fn death(&self) {
        std::future::poll_fn(|cx| {
            let mut inner = self.lock();
            inner.undertaker = Some(cx.waker().clone());
            if inner.dead { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// The points it passed, in order, the last being where it died.
    pub fn passed(&self) -> Vec<String> {
        self.lock().passed.clone()
    }

    fn passes(&self, name: String) -> bool {
        let mut inner = self.lock();
        // The dead pass nothing, even if something of them is still asked.
        if inner.dead {
            return false;
        }
        inner.passed.push(name);
        if inner.dies_at != Some(inner.passed.len()) {
            return true;
        }
        inner.dead = true;
        inner.undertaker.take().into_iter().for_each(Waker::wake);
        false
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
