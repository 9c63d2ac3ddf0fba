//! `cargo lab up`: the lab as a process of its own, in the background. The two ends of it are here: the one that
//! starts the process and reports what it waits for, and the process itself.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::Progress;
use crate::daemon::{Daemon, Ending};
use crate::error::{Context, Error, Result};
use crate::http;
use crate::plan::Options;
use crate::process::{Proc, ignores};
use crate::programs;
use crate::registry::{self, Found};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static BESIDE: Mutex<Option<Proc>> = Mutex::new(None);
const READY: &str = "ready";
const FAILED: &str = "failed: ";

/// Starts a lab in the background; returns when it is ready. Ctrl-C and the like end it again, as long as this process
/// lives.
pub(crate) fn start(name: &str, options: &Options, progress: &Progress) -> Result<()> {
    programs::ensure(progress)?;
    for orphan in registry::sweep()? {
        progress(&format!("swept what was left of lab '{orphan}'"));
    }
    let log = registry::cache()?.join("daemon.log");
    let mut child = Command::new(std::env::current_exe().context("own path")?)
        .args(["daemon", name, &serde_json::to_string(options).context("options")?])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(&log).context(log.display())?)
        .spawn()
        .context("starting the lab's daemon")?;
    let out = child.stdout.take().context("the daemon's output")?;
    end_on_signals(Proc::of(child.id()));
    for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
        if line == READY {
            return Ok(());
        }
        match line.strip_prefix(FAILED) {
            Some(_) if INTERRUPTED.load(Ordering::Relaxed) => break,
            Some(error) => return Err(Error::new(error)),
            None => progress(&line),
        }
    }
    end_if_told();
    Err(Error::new(format!("the lab's daemon ended before it was ready; see {}", log.display())))
}

/// The daemon has a session of its own and hears nothing of what this process is told, so it is told too, and so is the
/// program that runs beside it.
fn end_on_signals(daemon: Option<Proc>) {
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let number = runtime.block_on(told())?;
        INTERRUPTED.store(true, Ordering::Relaxed);
        let beside = BESIDE.lock().ok().and_then(|beside| *beside);
        beside.into_iter().for_each(|program| program.signal(number));
        if let Some(daemon) = daemon {
            daemon.signal(Signal::SIGTERM);
            daemon.gone_within(Duration::from_secs(10));
        }
        std::process::exit(128 + number as i32);
        #[allow(unreachable_code)]
        Ok::<(), std::io::Error>(())
    };
    std::thread::spawn(wait);
}

/// Waits for Ctrl-C, the end of a service, the end of a terminal (unless that is ignored, as `nohup` asks).
async fn told() -> std::io::Result<Signal> {
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = if ignores(Signal::SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    Ok(tokio::select! {
        _ = int.recv() => Signal::SIGINT,
        _ = term.recv() => Signal::SIGTERM,
        _ = hung_up => Signal::SIGHUP,
    })
}

/// Does not return once this process was told to end: the thread that was told ends it.
pub(crate) fn end_if_told() {
    while INTERRUPTED.load(Ordering::Relaxed) {
        std::thread::park();
    }
}

/// Says which program is run on the lab now, and ends with it when this process is told to.
pub(crate) fn beside(program: Option<Proc>) {
    if let Ok(mut beside) = BESIDE.lock() {
        *beside = program;
    }
}

/// The background process: brings the lab up, reports on stdout until it is ready, runs until it is told to end.
pub(crate) fn daemon(name: &str, options: &str) -> Result<()> {
    // Fails only for a process that leads its group already, and then there is nothing to leave.
    let _ = nix::unistd::setsid();
    let options: Options = serde_json::from_str(options).context("options")?;
    let out = Mutex::new(std::io::stdout());
    let say = move |line: &str| {
        if let Ok(mut out) = out.lock() {
            // The one who started us may be gone; the lab goes on.
            let _ = writeln!(out, "{}", line.replace('\n', " ")).and_then(|()| out.flush());
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("runtime")?;
    let run = async {
        let programs = programs::ensure(&say)?;
        let (mut term, mut int) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
        let mut daemon = tokio::select! {
            daemon = Daemon::start(name, options, programs, &say) => daemon?,
            _ = term.recv() => {
                // The start was dropped, and its processes with it; what is left is the folder.
                registry::remove(name)?;
                return Err(Error::new("told to end before the lab was ready"));
            }
        };
        say(READY);
        let ending = tokio::select! {
            ending = daemon.until_stopped() => ending,
            _ = term.recv() => Ending { keep: false },
            _ = int.recv() => Ending { keep: false },
        };
        daemon.end(ending).await
    };
    runtime.block_on(run).inspect_err(|error| say(&format!("{FAILED}{error}")))
}

fn handler(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).context("signal handler")
}

/// Asks a lab to end and waits until its process is gone; ends it by force when it does not listen.
pub(crate) fn stop(lab: &Found, keep: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")?;
    let asked =
        runtime.block_on(http::post(lab.plan.control(), "/down", &json!({ "keep": keep }), Duration::from_secs(5)));
    if asked.is_err() {
        lab.daemon.signal(Signal::SIGTERM);
    }
    if !lab.daemon.gone_within(Duration::from_secs(20)) {
        lab.daemon.end();
        registry::sweep()?;
    }
    Ok(())
}
