//! What a person or the system does to the process of a run: Ctrl-C, an ended terminal, an ended service.
//!
//! A started act always ends by itself; everything here only says when to stop waiting.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal as Number, kill};
use nix::unistd::Pid;
use sluice_engine::ids::RunId;
use sluice_engine::run::{Signal, Signals};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::views::live::RunView;

/// The child that has the terminal, if there is one: Ctrl-C is for it and not for the run.
#[derive(Default)]
pub(crate) struct Foreground(AtomicU32);

impl Foreground {
    pub(crate) fn enter(&self, pid: u32) {
        self.0.store(pid, Ordering::SeqCst);
    }

    pub(crate) fn leave(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    fn child(&self) -> Option<Pid> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
    }
}

/// Starts listening. What arrives before the run is driven waits in the queue.
pub(crate) fn listen(run: &RunId, view: Arc<dyn RunView>, foreground: Arc<Foreground>) -> io::Result<Signals> {
    let (sender, receiver) = unbounded_channel();
    let mut listener = Listener { run: run.clone(), view, foreground, sender, interrupted: false };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                Some(()) = interrupt.recv() => Number::SIGINT,
                Some(()) = terminate.recv() => Number::SIGTERM,
                Some(()) = hangup.recv() => Number::SIGHUP,
                else => return,
            };
            listener.take(number);
        }
    });
    Ok(receiver)
}

struct Listener {
    run: RunId,
    view: Arc<dyn RunView>,
    foreground: Arc<Foreground>,
    sender: UnboundedSender<Signal>,
    interrupted: bool,
}

impl Listener {
    fn take(&mut self, number: Number) {
        if let Some(child) = self.foreground.child() {
            if number == Number::SIGINT {
                return;
            }
            // It may be gone already.
            let _ = kill(child, number);
        }
        let again = self.interrupted;
        self.interrupted = true;
        // Services are ended by one SIGTERM and then SIGKILL; only a person's second Ctrl-C gives the run up.
        let (signal, said) = match (number, again) {
            (Number::SIGINT, true) => (Signal::Abandon, "abandoned: the run ends now, and `finally` does not run".to_owned()),
            (_, true) => return,
            (_, false) => (Signal::Interrupt, self.interrupting(number)),
        };
        self.view.say(&said);
        // The run may have ended meanwhile.
        let _ = self.sender.send(signal);
    }

    fn interrupting(&self, number: Number) -> String {
        let (word, again) = match number {
            Number::SIGINT => ("interrupted", "; Ctrl-C again abandons it"),
            other => (other.as_str(), ""),
        };
        format!(
            "{word}: waits and reads are cut, a started act ends, `finally` runs; then `sluice resume {}` goes on{again}",
            self.run
        )
    }
}
