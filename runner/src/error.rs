//! What went wrong with a command, and the one place where that becomes an exit code.
//!
//! Library errors become a [`CommandError`] where they enter a verb; that is where the hint is added. How a run ended is
//! no error of the command: the run's own exit code stands for it.

use std::io;

use sluice_engine::diagnostic::{Diagnostic, render, visible};
use sluice_engine::journal::{Holder, Lock, StoreError};
use sluice_engine::run::{LockError, OpenError, RunError};

use crate::owners::hostname;
use crate::report::time;
use crate::screen::{Stream, Tone};
use crate::trust::quoted;
use crate::views;

pub(crate) type Result<T> = std::result::Result<T, CommandError>;

/// The exit code of a command that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const DONE: Self = Self(0);
    /// It ran, and the answer is no: a check that found something, a doctor who did.
    pub(crate) const FOUND: Self = Self(1);
    /// A run waits for a person.
    pub(crate) const PARKED: Self = Self(crate::report::PARKED);
    /// A gate stopped a run.
    pub(crate) const STOPPED: Self = Self(3);
    /// Somebody was asked and did not say yes.
    pub(crate) const NOT_CONFIRMED: Self = Self(4);
    /// A signal ended it first.
    pub(crate) const INTERRUPTED: Self = Self(130);
}

/// Shown once, at the end.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    /// Small letter first, no full stop.
    pub(crate) message: String,
    /// What to do next, each on a line of its own.
    pub(crate) hints: Vec<String>,
    /// What is wrong with a file, shown before the message.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was typed makes no sense.
    Usage,
    /// A runbook, an inventory or an input is not valid.
    Invalid,
    /// Sluice will not do it as things are: the inventory is not trusted, a file is open to others.
    Refused,
    /// It was tried and did not work.
    Failed,
    /// Somebody answered, and the answer does not count.
    NotConfirmed,
    /// Nobody reads what we write.
    BrokenPipe,
}

impl CommandError {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), diagnostics: Vec::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// A file with findings. The message says how many there are.
    pub(crate) fn invalid(what: &str, diagnostics: Vec<Diagnostic>) -> Self {
        let errors = diagnostics.iter().filter(|one| one.is_error()).count();
        let count = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        let mut hints = Vec::new();
        if let Some(first) = diagnostics.iter().find(|one| one.is_error()) {
            hints.push(format!("`sluice explain {}` tells more", first.code));
        }
        Self { hints, diagnostics, ..Self::new(Kind::Invalid, format!("{what} is not valid: {count}")) }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Codes 3 to 7 and 130 belong to runs; of them only an answer that does not count is told by a command that failed.
    pub(crate) fn exit(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::NotConfirmed => Exit::NOT_CONFIRMED.0,
            Kind::Usage | Kind::Invalid | Kind::Refused => 2,
            // What the shell reports of a process that SIGPIPE ended.
            Kind::BrokenPipe => 141,
        }
    }

    pub(crate) fn show(&self, err: &Stream) {
        if self.kind == Kind::BrokenPipe {
            return;
        }
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&render(diagnostic, err.engine_paint()));
            text.push('\n');
        }
        text.push_str(&format!("{} {}\n", err.paint(Tone::Bad, "error:"), visible_lines(&self.message)));
        for hint in &self.hints {
            text.push_str(&format!("  {} {}\n", err.paint(Tone::Accent, "= help:"), visible_lines(hint)));
        }
        views::err(&text);
    }
}

/// As [`visible`], but our own messages may have several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.lines().map(|line| visible(line).into_owned()).collect::<Vec<_>>().join("\n  ")
}

impl From<io::Error> for CommandError {
    /// Of writing to standard output: everything else is turned into words where it happens.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::BrokenPipe, ""),
            _ => Self::failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<RunError> for CommandError {
    fn from(error: RunError) -> Self {
        let hint = match &error {
            RunError::Lock(error) => return of_lock(error),
            RunError::Policy(why) => return CommandError::refused(why.clone()),
            RunError::Component { .. } => "nothing was begun; `sluice plugin list` says which plugins can be used",
            RunError::Store(StoreError::TooNew(_)) => "nothing was written; the run is as it was",
            RunError::Store(_) => {
                "the run stays as its journal says; once the store works, `sluice resume last` goes on"
            }
            RunError::Journal { .. } => "the journal was not written by this version of Sluice, or was altered",
            RunError::Rewritten { .. } => {
                "nothing more was done; look at what the run has done so far before you resume it: its journal forgot some"
            }
        };
        Self::failed(error.to_string()).hint(hint)
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        of_lock(&error)
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        let hint = match &error {
            OpenError::NoRun(_) => "`sluice runs` lists them".to_owned(),
            OpenError::Over { run, .. } => {
                format!("`sluice runs show {run}` tells how; start it anew with `sluice run`")
            }
            OpenError::Owned { run, owner } => {
                let gone = match owner.host == hostname() {
                    true => String::new(),
                    false => format!("; if that process is surely gone: `sluice resume {run} --owner-is-gone`"),
                };
                format!(
                    "watch it with `sluice runs follow {run}`, or end it with `sluice cancel {run} --because ...`{gone}"
                )
            }
            OpenError::NoStep { run, .. } => format!("`sluice runs show {run}` lists its steps"),
            OpenError::NotOpen { run, is: "intended", .. } => {
                format!("if its process is gone, `sluice resume {run}` looks first whether it happened")
            }
            OpenError::NotOpen { run, .. } => format!("`sluice runs show {run}` tells how each step is"),
            OpenError::NothingAsked { run } => format!("`sluice runs show {run}` tells how it stands"),
            OpenError::NotCounted { run, .. } => {
                format!("nothing was written; `sluice runs show {run}` tells how it stands")
            }
            OpenError::BadOutput { action, .. } => format!("`sluice actions {action}` shows what it gives"),
            OpenError::Changed { run, .. } => {
                format!(
                    "resume it with the version that started it, or end it with `sluice cancel {run} --because ...`; \
                     where `finally` has changed too, with `--abandon`"
                )
            }
            OpenError::Runbook { run, .. } => {
                format!(
                    "resume it with the version that started it, or end it with `sluice cancel {run} --abandon \
                     --because ...`, which calls nothing of it"
                )
            }
            OpenError::Run(_) => String::new(),
        };
        match error {
            OpenError::Run(error) => error.into(),
            OpenError::NotCounted { why, .. } => Self::new(Kind::NotConfirmed, why).hint(hint),
            other => Self::failed(other.to_string()).hint(hint),
        }
    }
}

/// Who has it and what can be done, or why the run may not go on.
fn of_lock(error: &LockError) -> CommandError {
    let shown = CommandError::failed(error.to_string());
    match error {
        LockError::Held { lock, live, .. } => match lock.holder() {
            Some(holder) => held_by(shown, lock, holder, *live),
            None => shown,
        },
        LockError::MovedOn { .. } => shown
            .hint("look at what is there now, and start what is still to be done as a new run")
            .hint("`sluice runs` shows this one, and `sluice cancel RUN --abandon --because ...` ends it"),
        LockError::OlderCopy { run, .. } => {
            shown.hint("bring the newer store back, if there is one; nothing was done").hint(format!(
                "or look at what is there now, and end this run with `sluice cancel {run} --abandon --because ...`"
            ))
        }
        LockError::NotRepairable { .. } => shown.hint("`sluice locks` shows who has which lock"),
        LockError::NothingToRepair { .. } => shown.hint("give the repairing runbook the same `lock:`"),
        LockError::Lost { .. } => {
            shown.hint("`sluice locks` shows who has it; once it is free, `sluice resume` with this run's id goes on")
        }
        LockError::CannotTell { .. } => shown.hint("nothing is done as long as it cannot be told who has the lock"),
        LockError::BadName(_) => shown.hint("the `lock:` of the runbook is filled in from its inputs"),
        LockError::GivenUp { .. } => shown,
    }
}

fn held_by(shown: CommandError, lock: &Lock, holder: &Holder, live: bool) -> CommandError {
    let Holder { run, owner, .. } = holder;
    let there = if owner.host == hostname() { String::new() } else { format!(" on {}", owner.host) };
    let shown = shown.hint(format!("since {}; look at it{there}: `sluice runs show {run}`", time(holder.since)));
    if live {
        return shown
            .hint("wait for it with `--lock-wait 10m`")
            .hint(format!("or end it{there}: `sluice cancel {run} --because ...`"));
    }
    let name = quoted(&lock.name);
    shown
        .hint(format!("go on with it{there}: `sluice resume {run}`"))
        .hint(format!("or end it{there}: `sluice cancel {run} --because ...`"))
        .hint(format!("to repair what it left: `sluice run ... --repair {run}`"))
        .hint(format!("if nobody ever can: `sluice locks break {name} --because ...`"))
}
