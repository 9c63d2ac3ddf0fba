//! What a person or the system does to the process of a run: Ctrl-C, Ctrl-\, an ended terminal, an ended service.
//!
//! A started act always ends by itself; everything here only says when to stop waiting.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waker, Poll};

use nix::sys::signal::{Signal as Number, kill, killpg};
use nix::unistd::Pid;
use sluice_engine::ids::RunId;
use sluice_engine::run::{Signal, Signals};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::views::live::RunView;

/// The process that runs the session, if there is one. On a terminal, Ctrl-C is for it and not for the run.
#[derive(Default)]
pub(crate) struct Foreground {
    process: Mutex<Option<SessionProcess>>,
    told: AtomicBool,
}

/// Whom to tell when the run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionProcess {
    /// In our process group: the terminal tells it of Ctrl-C itself.
    OnTerminal(Pid),
    /// The leader of a group of its own, which nobody but us tells anything.
    Alone(Pid),
}

impl Foreground {
    pub(crate) fn enter(&self, process: SessionProcess) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    pub(crate) fn leave(&self) {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether it was told to end.
    pub(crate) fn was_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    fn process(&self) -> Option<SessionProcess> {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionProcess {
    /// It may be gone already.
    pub(crate) fn tell(self, number: Number) {
        let _ = self.send(Some(number));
    }

    /// It, or of a group any process.
    pub(crate) fn lives(self) -> bool {
        self.send(None).is_ok()
    }

    fn send(self, number: Option<Number>) -> nix::Result<()> {
        match self {
            Self::OnTerminal(pid) => kill(pid, number),
            Self::Alone(pid) => killpg(pid, number),
        }
    }
}

/// Ends when the process is told to end, by whichever signal. From now on none of them ends it by itself.
pub(crate) fn any() -> io::Result<impl Future<Output = ()>> {
    let mut told = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()]
        .map(signal)
        .into_iter()
        .collect::<io::Result<Vec<_>>>()?;
    Ok(async move { std::future::poll_fn(|context| first(&mut told, context)).await })
}

fn first(told: &mut [tokio::signal::unix::Signal], context: &mut Waker<'_>) -> Poll<()> {
    let any = told.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
    if any { Poll::Ready(()) } else { Poll::Pending }
}

/// Starts listening. What arrives before the run is driven waits in the queue.
pub(crate) fn listen(run: &RunId, view: Arc<dyn RunView>, foreground: Arc<Foreground>) -> io::Result<Signals> {
    let (sender, receiver) = unbounded_channel();
    let mut listener = Listener { run: run.clone(), view, foreground, sender, interrupted: false };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // Left to itself it would write a core file, with every secret of the run in it.
    let mut quit = signal(SignalKind::quit())?;
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                Some(()) = interrupt.recv() => Number::SIGINT,
                Some(()) = terminate.recv() => Number::SIGTERM,
                Some(()) = hangup.recv() => Number::SIGHUP,
                Some(()) = quit.recv() => Number::SIGQUIT,
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
        match (self.foreground.process(), number) {
            (Some(SessionProcess::OnTerminal(_)), Number::SIGINT | Number::SIGQUIT) => return,
            (Some(process), _) => {
                self.foreground.told.store(true, Ordering::Relaxed);
                process.tell(number);
            }
            (None, _) => {}
        }
        let again = self.interrupted;
        self.interrupted = true;
        // Services are ended by one SIGTERM and then SIGKILL; only a person's second Ctrl-C gives the run up.
        let (signal, said) = match (number, again) {
            (Number::SIGINT, true) => {
                (Signal::Abandon, "abandoned: the run ends now, and `finally` does not run".to_owned())
            }
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
