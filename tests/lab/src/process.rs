//! The identity of an OS process: pid and start time, so that a recycled pid is never taken for one of ours.
//! It knows Linux's /proc and nothing of what the process does.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};

/// A process, identified beyond doubt on one boot of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proc {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of /proc/PID/stat).
    pub start: u64,
}

impl Proc {
    /// The process with this pid as it is now; `None` when there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command name may hold spaces and brackets, so fields are counted after its last bracket.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if *fields.first()? == "Z" {
            return None;
        }
        Some(Proc { pid, start: fields.get(19)?.parse().ok()? })
    }

    /// This very process.
    pub fn me() -> Result<Self> {
        Self::of(std::process::id()).context("cannot read /proc/self/stat: the lab needs Linux with /proc mounted")
    }

    /// Whether it still runs (a zombie does not).
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, if it is still the same process.
    pub fn signal(self, signal: Signal) {
        if let (true, Ok(pid)) = (self.alive(), i32::try_from(self.pid)) {
            // It may end between the look and the call; then there is nothing to do.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Stops it and waits until every thread has stopped: one that still runs could answer once more. False after 2 s.
    pub fn stop(self) -> bool {
        self.signal(Signal::SIGSTOP);
        let until = Instant::now() + Duration::from_secs(2);
        while self.alive() && !self.has_stopped() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    fn has_stopped(self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        threads.map(|thread| fs::read_to_string(thread.path().join("stat")).unwrap_or_default()).all(|stat| {
            let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
            state.is_none_or(|state| state == 'T')
        })
    }

    /// Ends it for certain (SIGKILL also ends a stopped process) and waits until it is gone; false after 5 s.
    pub fn end(self) -> bool {
        self.signal(Signal::SIGKILL);
        self.gone_within(Duration::from_secs(5))
    }

    /// Waits until it is gone; false when it still runs at the end of the time.
    pub fn gone_within(self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.alive() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Ends every process that was started with a variable that begins so (`NAME=value`), and whatever those start
    /// meanwhile.
    pub(crate) fn end_marked(start: &str) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let found = Self::marked(start);
            if found.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Error::new(format!("processes with {start} in their environment do not end: {found:?}")));
            }
            for process in found {
                // It is looked for again, and told of when it does not end.
                process.end();
            }
        }
    }

    fn marked(start: &str) -> Vec<Self> {
        let has =
            |environment: &[u8]| environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(start.as_bytes()));
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        // Other people's environments cannot be read, and are not ours.
        let marked =
            all.filter(|entry| fs::read(entry.path().join("environ")).is_ok_and(|environment| has(&environment)));
        marked.filter_map(|entry| Self::of(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// Writes the pid file.
    pub fn write(self, path: &Path) -> Result<()> {
        let text = serde_json::to_string(&self).context("pid file")?;
        fs::write(path, text).context(path.display())
    }

    /// Reads a pid file; `None` when it is missing or not one of ours.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }
}

/// Whether this process ignores the signal, by the word of the system.
pub(crate) fn ignores(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal as i32 - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start() {
        let me = Proc::me().unwrap();
        assert!(me.alive());
        assert!(!Proc { start: me.start + 1, ..me }.alive(), "another start time is another process");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let proc = Proc::of(child.id()).unwrap();
        let reaper = std::thread::spawn(move || child.wait());
        assert!(proc.end());
        reaper.join().unwrap().unwrap();
        assert!(!proc.alive());
    }

    #[test]
    fn marked_processes_are_ended_whatever_group_they_are_in() {
        let mark = format!("SLUICE_LAB_TEST={}/", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let mut command = std::process::Command::new("setsid");
        let mut child = command.args(["sleep", "60"]).env(name, format!("{value}more")).spawn().unwrap();
        let mut other = std::process::Command::new("sleep").arg("60").env(name, "other").spawn().unwrap();
        let reaper = std::thread::spawn(move || child.wait());
        // It has the environment of this process until it is another program.
        while Proc::marked(&mark).is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Proc::end_marked(&mark).unwrap();
        reaper.join().unwrap().unwrap();
        assert!(other.try_wait().unwrap().is_none(), "it was not meant");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
