//! The ending that hands the terminal to a person, or runs one command in place of one.
//!
//! What happens there is not an act of Sluice: the child gets a bare environment, the run's files stay until it is over,
//! and its exit code is all that is known of it.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};
use serde_json::{Value, json};
use sluice_engine::diagnostic::visible;
use sluice_engine::run::{SessionRequest, Sessions};
use sluice_host::{EnvValue, Redactor, command};
use sluice_plugin::{Applied, Problem};
use tokio::process::Child;

use crate::screen::Stream;
use crate::signals::{Foreground, SessionProcess};
use crate::views;
use crate::views::live::RunView;
use crate::views::outcome::outputs_of;

/// Passed on beside what the session lists: a shell works with these, and none of them is a secret.
const PASSED_ON: &[&str] =
    &["PATH", "HOME", "TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL"];

pub(crate) struct TerminalSessions {
    /// What came after `--`; takes the place of the runbook's own command.
    pub(crate) given: Vec<String>,
    /// There is a person at a terminal.
    pub(crate) interactive: bool,
    /// Standard output is for our document; the child's goes to standard error.
    pub(crate) out_is_taken: bool,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) view: Arc<dyn RunView>,
    pub(crate) foreground: Arc<Foreground>,
    /// Of standard error.
    pub(crate) screen: Stream,
    /// Set when a person has seen what the runbook gives, before the shell.
    pub(crate) outputs_shown: Arc<AtomicBool>,
}

/// How long a session that was told to end may take for it.
const TO_END: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

#[async_trait]
impl Sessions for TerminalSessions {
    async fn run(&self, session: SessionRequest) -> Result<Value, Problem> {
        let argv = if self.given.is_empty() { session.command } else { self.given.clone() };
        let is_shell = argv.is_empty();
        if is_shell && !self.interactive {
            let why = "there is no terminal to hand over, and no command was given after `--`";
            return Ok(json!({ "summary": format!("skipped: {why}"), "skipped": true, "exit": null }));
        }
        let argv = if is_shell { vec![shell()] } else { argv };
        self.view.clear();
        if is_shell {
            views::err(&outputs_of(&session.outputs, &self.screen));
            self.outputs_shown.store(true, Ordering::Relaxed);
        }
        if let Some(banner) = session.banner.filter(|_| self.interactive) {
            banner.lines().for_each(|line| self.view.say(&visible(line)));
        }
        let status = self.child(&argv, &session.env).await?;
        if status.signal().is_some() && self.interactive {
            // The terminal has written `^C` where our next line begins.
            views::err("\n");
        }
        let exit = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        // A shell ends with the code of whatever was last typed in it: that is no failure of the run.
        if !is_shell && exit != 0 {
            // Its arguments may hold what nobody should read in a journal.
            let program = argv.first().map(String::as_str).unwrap_or_default();
            let message = format!("`{program}` ended with exit code {exit}");
            let problem = Problem { applied: Applied::Maybe, ..Problem::not_applied("session_failed", message) };
            return Err(problem.with_details(json!({ "exit": exit })));
        }
        Ok(json!({ "summary": format!("ended with exit code {exit}"), "skipped": false, "exit": exit }))
    }
}

impl TerminalSessions {
    async fn child(&self, argv: &[String], listed: &[(String, String)]) -> Result<ExitStatus, Problem> {
        let passed = PASSED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)));
        // What the runbook leaves empty is as it is outside.
        let listed = listed.iter().filter(|(_, value)| !value.is_empty()).cloned();
        let env: Vec<_> = passed.chain(listed).map(|(name, value)| (name, EnvValue::Plain(value))).collect();
        let mut child = command(&self.redactor, argv, &env)?;
        child.stdin(Stdio::inherit()).stdout(if self.out_is_taken {
            Stdio::from(io::stderr())
        } else {
            Stdio::inherit()
        });
        let terminal = Terminal::remember();
        let alone = !has_terminal();
        if alone {
            // Nobody but us can end what it starts, and a group can be ended as a whole.
            child.process_group(0);
        }
        let child = child.spawn().map_err(|error| cannot_start(argv, &error))?;
        let mut running = Running::new(child, alone, self.foreground.clone());
        let status = running.child.wait().await;
        // What ended it may have been told to us as well, as when a terminal is closed: that is heard first, so that the
        // run does not count as done.
        tokio::time::sleep(LOOK_EVERY).await;
        running.over = true;
        drop(running);
        drop(terminal);
        status.map_err(|error| Problem::maybe_applied("session_lost", format!("the session was lost: {error}")))
    }
}

/// The session's process. However the session ends, Ctrl-C is the run's again, and where the run ends first, the process
/// does too, before the run's files are removed.
struct Running {
    child: Child,
    process: Option<SessionProcess>,
    /// It ended by itself. What it started may go on then: that is its own affair.
    over: bool,
    foreground: Arc<Foreground>,
}

impl Running {
    fn new(child: Child, alone: bool, foreground: Arc<Foreground>) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        let process = pid.map(if alone { SessionProcess::Alone } else { SessionProcess::OnTerminal });
        if let Some(process) = process {
            foreground.enter(process);
        }
        Self { child, process, over: false, foreground }
    }

    /// A shell that is asked first keeps its history and ends its jobs. It does not listen to SIGTERM, but to SIGHUP.
    fn end(&mut self, process: SessionProcess) {
        if !self.lives(process) {
            return;
        }
        process.tell(Signal::SIGHUP);
        process.tell(Signal::SIGTERM);
        let started = Instant::now();
        while self.lives(process) && started.elapsed() < TO_END {
            thread::sleep(LOOK_EVERY);
        }
        if self.lives(process) {
            process.tell(Signal::SIGKILL);
        }
    }

    /// Of a group, what the process has left behind counts too. A single one that has ended may be somebody else by now.
    fn lives(&mut self, process: SessionProcess) -> bool {
        let itself = matches!(self.child.try_wait(), Ok(None));
        match process {
            SessionProcess::OnTerminal(_) => itself,
            SessionProcess::Alone(_) => itself || process.lives(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.foreground.leave();
        let cut = !self.over || self.foreground.was_told();
        if let Some(process) = self.process.filter(|_| cut) {
            self.end(process);
        }
    }
}

/// Whether there is a terminal that could tell a child of Ctrl-C.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// The terminal's settings before the session. A program that was killed may leave it without echo, or in the hands of a
/// process group that is gone.
struct Terminal(Option<Termios>);

impl Terminal {
    fn remember() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let Some(settings) = &self.0 else { return };
        // Taking the terminal back from the background would stop us.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        let _ = stop.thread_block();
        let stdin = io::stdin();
        // When it is gone there is nothing to restore.
        let _ = tcsetpgrp(stdin.as_fd(), getpgrp());
        let _ = tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, settings);
        let _ = stop.thread_unblock();
    }
}

fn shell() -> String {
    let named = env::var("SHELL").ok().filter(|shell| shell.starts_with('/'));
    named.unwrap_or_else(|| "/bin/sh".to_owned())
}

fn cannot_start(argv: &[String], error: &io::Error) -> Problem {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no program `{program}` in PATH"),
        _ => format!("`{program}` cannot be started: {error}"),
    };
    Problem::not_applied("session_not_started", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its number may be somebody else's by now.
    #[tokio::test]
    async fn a_process_that_has_ended_is_told_nothing() {
        let mut over = tokio::process::Command::new("true").spawn().unwrap();
        over.wait().await.unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let process = SessionProcess::OnTerminal(Pid::from_raw(other.id().try_into().unwrap()));
        drop(Running { child: over, process: Some(process), over: false, foreground: Arc::default() });
        let killed = other.try_wait().unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(killed, None);
    }
}
