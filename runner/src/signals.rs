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
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::owners;
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

/// Starts listening. What arrives before the run is driven waits in the queue. What whoever started us had ignored stays
/// ignored: `nohup` asks for that, and so does a shell of what a script puts into the background.
pub(crate) fn listen(run: &RunId, view: Arc<dyn RunView>, foreground: Arc<Foreground>) -> io::Result<Signals> {
    let (sender, receiver) = unbounded_channel();
    let mut listener = Listener { run: run.clone(), view, foreground, sender, told: Told::default() };
    let ignored = Ignored::of_process();
    let mut interrupt = ignored.unless(Number::SIGINT)?;
    let mut terminate = ignored.unless(Number::SIGTERM)?;
    let mut hangup = ignored.unless(Number::SIGHUP)?;
    // Left to itself it would write a core file, with every secret of the run in it.
    let mut quit = ignored.unless(Number::SIGQUIT)?;
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                () = next(&mut interrupt) => Number::SIGINT,
                () = next(&mut terminate) => Number::SIGTERM,
                () = next(&mut hangup) => Number::SIGHUP,
                () = next(&mut quit) => Number::SIGQUIT,
            };
            listener.take(number);
        }
    });
    Ok(receiver)
}

async fn next(signal: &mut Option<Stream>) {
    let heard = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending().await
    }
}

/// The signals that this process was started to ignore, one bit each. Asked before anything listens.
struct Ignored(u64);

impl Ignored {
    /// By the word of the system. Where it has none, nothing is ignored.
    fn of_process() -> Self {
        Self(owners::of_system("/proc/self/status").and_then(|status| mask(&status)).unwrap_or(0))
    }

    fn has(&self, number: Number) -> bool {
        self.0 & (1 << (number as i32 - 1)) != 0
    }

    fn unless(&self, number: Number) -> io::Result<Option<Stream>> {
        if self.has(number) { Ok(None) } else { signal(SignalKind::from_raw(number as i32)).map(Some) }
    }
}

fn mask(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

struct Listener {
    run: RunId,
    view: Arc<dyn RunView>,
    foreground: Arc<Foreground>,
    sender: UnboundedSender<Signal>,
    told: Told,
}

/// What the run was told before.
#[derive(Default)]
struct Told {
    /// By any signal: that it is to end.
    once: bool,
    /// By Ctrl-C.
    by_hand: bool,
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
        let once = std::mem::replace(&mut self.told.once, true);
        let by_hand = self.told.by_hand;
        self.told.by_hand |= number == Number::SIGINT;
        // Services are ended by one SIGTERM and then SIGKILL; only a person's second Ctrl-C gives the run up.
        let (signal, said) = match (number, once, by_hand) {
            (Number::SIGINT, true, true) => {
                (Some(Signal::Abandon), "abandoned: the run ends now, and `finally` does not run".to_owned())
            }
            (Number::SIGINT, true, false) => (None, "it is ending already; Ctrl-C again abandons it".to_owned()),
            (_, true, _) => return,
            (_, false, _) => (Some(Signal::Interrupt), self.interrupting(number)),
        };
        self.view.say(&said);
        // The run may have ended meanwhile.
        let _ = signal.map(|signal| self.sender.send(signal));
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl RunView for Nobody {
        fn say(&self, _text: &str) {}
    }

    #[test]
    fn only_a_second_ctrl_c_gives_a_run_up() {
        use Number::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let check = |numbers: &[Number], expect: &[Signal]| {
            let (sender, mut receiver) = unbounded_channel();
            let (view, foreground) = (Arc::new(Nobody), Arc::default());
            let run = RunId::new(0, [0; 10]);
            let mut listener = Listener { run, view, foreground, sender, told: Told::default() };
            numbers.iter().for_each(|number| listener.take(*number));
            let mut sent = Vec::new();
            while let Ok(signal) = receiver.try_recv() {
                sent.push(signal);
            }
            assert_eq!(sent, expect, "{numbers:?}");
        };
        check(&[SIGINT], &[Signal::Interrupt]);
        check(&[SIGINT, SIGINT], &[Signal::Interrupt, Signal::Abandon]);
        check(&[SIGTERM, SIGTERM, SIGHUP, SIGQUIT], &[Signal::Interrupt]);
        check(&[SIGTERM, SIGINT], &[Signal::Interrupt]);
        check(&[SIGTERM, SIGINT, SIGINT], &[Signal::Interrupt, Signal::Abandon]);
        check(&[SIGINT, SIGTERM, SIGINT], &[Signal::Interrupt, Signal::Abandon]);
    }

    #[test]
    fn what_is_ignored_is_read_from_the_system() {
        let ignored = Ignored(mask("Name:\tsluice\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n").unwrap());
        assert!(ignored.has(Number::SIGHUP) && ignored.has(Number::SIGPIPE));
        assert!(!ignored.has(Number::SIGINT) && !ignored.has(Number::SIGTERM));
        assert_eq!(mask("Name:\tsluice\n"), None);
    }
}
