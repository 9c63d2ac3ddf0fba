//! A person at a terminal: a program of the product in a pseudo terminal, and the name typed whenever it is asked for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::{Because, Outcome};

/// Nothing that is killed and taken up takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A program that runs. Dropped, it is killed.
pub(crate) struct Terminal {
    child: Child,
    began: Instant,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen was there when it was last answered.
    answered: usize,
    questions: usize,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// How often the name was asked for.
    pub(crate) questions: usize,
    /// How often a gate stopped what this is the end of.
    pub(crate) stops: usize,
    pub(crate) took: Duration,
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    pub(crate) fn expect_done(self, what: &str) -> Outcome<Self> {
        match self.status.code() {
            Some(0) => Ok(self),
            _ => Err(format!("{what}: {} after {:?}\n{}", self.status, self.took, self.said)),
        }
    }
}

impl Terminal {
    pub(crate) fn start(mut command: Command) -> Outcome<Self> {
        let (mut screen, theirs) = pair()?;
        let keyboard = screen.try_clone().because("terminal")?;
        let side = || theirs.try_clone().map(Stdio::from).because("terminal");
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        let child = command.kill_on_drop(true).spawn().because("cannot start")?;
        // Only the program holds the other end now: reading ends with it.
        drop((command, theirs));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let to = shown.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                to.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes.iter().take(count));
            }
        });
        Ok(Self { child, began: Instant::now(), keyboard, screen: shown, answered: 0, questions: 0 })
    }

    /// SIGKILL, from outside.
    pub(crate) fn kill(&self) -> Outcome {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("it has ended already")?;
        kill(Pid::from_raw(pid), Signal::SIGKILL).because("kill")
    }

    /// Answers with this name until it ends.
    pub(crate) async fn end(&mut self, name: &str) -> Outcome<Ended> {
        while self.began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().because("wait")? {
                let (questions, took) = (self.questions, self.began.elapsed());
                return Ok(Ended { status, questions, stops: 0, took, said: self.said() });
            }
            if self.asks() {
                writeln!(self.keyboard, "{name}").because("keyboard")?;
                self.questions += 1;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("it did not end within {PATIENCE:?}\n{}", self.said()))
    }

    /// Is there a prompt that was not answered yet?
    fn asks(&mut self) -> bool {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let asks = screen.get(self.answered..).is_some_and(|new| new.ends_with(b"\n> "));
        if asks {
            self.answered = screen.len();
        }
        asks
    }

    /// What stayed on the screen: of a line that was drawn again and again, what was drawn last.
    fn said(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&screen);
        let stayed = |line: &str| line.rsplit("\u{1b}[2K").next().unwrap_or_default().trim_end().to_owned();
        text.lines().map(stayed).collect::<Vec<_>>().join("\n")
    }
}

/// Both ends of a new terminal. No program that is started meanwhile gets one that is not its own: it would keep the
/// terminal of another one open.
fn pair() -> Outcome<(File, File)> {
    let ours = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).because("terminal")?;
    grantpt(&ours).because("terminal")?;
    unlockpt(&ours).because("terminal")?;
    let name = ptsname_r(&ours).because("terminal")?;
    let theirs = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&name);
    Ok((File::from(OwnedFd::from(ours)), theirs.because(name)?))
}
