//! What one process and its children take while they poll, read from /proc. It knows nothing of what they do.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// One that polls, and the file it writes a line into at each poll.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) file: PathBuf,
    /// All that it writes is in here.
    pub(crate) folder: PathBuf,
    /// It starts programs, whose time is added up when it is over: then all of its polls count.
    pub(crate) starts_others: bool,
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of one poll, but for memory.
pub(crate) struct Cost {
    pub(crate) polls: u64,
    pub(crate) cpu_ms: f64,
    pub(crate) first_mib: f64,
    pub(crate) last_mib: f64,
    pub(crate) peak_mib: f64,
    pub(crate) bytes: f64,
}

/// Waits for the first polls, which are dearer, then for so many.
pub(crate) fn watch(mut started: Started, polls: u64) -> Outcome<Cost> {
    const WARM: u64 = 3;
    until(&mut started, WARM)?;
    let pid = started.child.id();
    let (cpu, first, bytes, counted) =
        (on_cpu_ms(pid)?, resident(pid, "VmRSS")?, size(&started.folder), count(&started));
    until(&mut started, counted + polls)?;
    let (window, last, peak) = (on_cpu_ms(pid)? - cpu, resident(pid, "VmRSS")?, resident(pid, "VmHWM")?);
    let (written, seen) = (size(&started.folder) - bytes, count(&started) - counted);
    let before = children_ms()?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
    started.child.wait()?;
    let whole = children_ms()? - before;
    let cpu_ms = if started.starts_others { whole / (counted + seen) as f64 } else { window / seen as f64 };
    Ok(Cost {
        polls: seen,
        cpu_ms,
        first_mib: first,
        last_mib: last,
        peak_mib: peak,
        bytes: written as f64 / seen as f64,
    })
}

fn until(started: &mut Started, polls: u64) -> Outcome<()> {
    let patience = Duration::from_secs(60 + 3 * polls);
    let began = Instant::now();
    while count(started) < polls {
        if let Some(status) = started.child.try_wait()? {
            return Err(format!("it ended ({status}) after {} polls", count(started)).into());
        }
        if began.elapsed() > patience {
            return Err(format!("{} of {polls} polls after {patience:?}", count(started)).into());
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn count(started: &Started) -> u64 {
    let text = fs::read(&started.file).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Of all files in it.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// Of all its threads. Threads that have ended are not in it: neither way has those.
fn on_cpu_ms(pid: u32) -> Outcome<f64> {
    let mut nanos = 0_u64;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(nanos as f64 / 1e6)
}

fn resident(pid: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name)).ok_or("no memory in its status")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure in its status")?.parse()?;
    Ok(kib / 1024.0)
}

/// Of all children of this process that have ended, and of theirs.
fn children_ms() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ms = |time: TimeVal| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3;
    Ok(ms(usage.user_time()) + ms(usage.system_time()))
}
