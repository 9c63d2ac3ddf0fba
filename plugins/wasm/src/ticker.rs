//! The clock by which components are interrupted: one thread that counts while somebody is computing, and sleeps otherwise.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// Between two looks at how long a component has computed. Beside it, other tasks of the same thread have their turn.
pub(crate) const TICK: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    computing: usize,
    started: bool,
    over: bool,
}

/// While it lives, time is counted.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Ticker {
    /// `None` where this machine gives no thread: then nothing may be computed that could not be interrupted.
    pub(crate) fn begin(&self, engine: &Engine) -> Option<Ticking> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.started {
            let (shared, engine) = (self.shared.clone(), engine.clone());
            thread::Builder::new().name("wasm-ticks".to_owned()).spawn(move || count(&shared, &engine)).ok()?;
            state.started = true;
        }
        state.computing += 1;
        drop(state);
        self.shared.changed.notify_one();
        Some(Ticking { shared: self.shared.clone() })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).computing -= 1;
    }
}

fn count(shared: &Shared, engine: &Engine) {
    loop {
        let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |state: &mut State| state.computing == 0 && !state.over;
        let state = shared.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        if state.over {
            return;
        }
        drop(state);
        thread::sleep(TICK);
        engine.increment_epoch();
    }
}
