//! `cargo lab upgrade`: what one release left behind, the other takes up, both ways. Builds the product of an earlier
//! commit beside this one's; each writes runs that end, are killed, interrupted or parked, and the other reads them,
//! brings them to their end or cancels them, and leaves them to be read by the first again.
//!
//! It knows the product's command line and git; not how anything is stored.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::bench::built_path;
use crate::cli::teller;
use crate::error::{Context, Error, Result};
use crate::registry::cache;

/// No command of this takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A change that would be seen if it were made twice, a wait, a loop and an end. Every release understands it.
const BOOK: &str = r#"
runbook: upgrade
summary: Left in the middle by one release, and taken up by another.
inputs:
  folder: { type: string }
steps:
  - { id: names, uses: base.echo, with: { value: [ant, bee] } }
  - { id: first, uses: base.file, with: { path: "{{ inputs.folder }}/first", content: "first\n" } }
  - id: go
    gate: base.read_file
    with: { path: "{{ inputs.folder }}/go" }
    expect: [ { that: 'seen.content == "go"' } ]
    passes: { every: 100ms, within: 1h }
  - id: each
    for_each: "steps.names.value"
    uses: base.file
    with: { path: "{{ inputs.folder }}/{{ item }}", content: "{{ item }} {{ index }}\n" }
finally:
  - { id: last, uses: base.file, with: { path: "{{ inputs.folder }}/last", content: "over\n" } }
outputs:
  names: "{{ steps.names.value }}"
"#;

/// An act that must not be done twice. A process is killed over the first call of `open`, before it did anything.
const OPEN: &str = r#"
runbook: upgrade
inputs:
  folder: { type: string }
steps:
  - id: act
    uses: base.toy_append
    timeout: 4s
    with:
      file: "{{ inputs.folder }}/acts"
      line: once
      script: { outcome: sleep, for: 2s, memory: "{{ inputs.folder }}/calls" }
"#;

/// It was done, its answer was lost, and looking does not tell.
const PARKED: &str = r#"
runbook: upgrade
inputs:
  folder: { type: string }
steps:
  - id: act
    uses: base.toy_append
    timeout: 1s
    with:
      file: "{{ inputs.folder }}/acts"
      line: once
      moment: after
      script: { fail_first: 1, problem: { code: timeout, message: the answer was lost, applied: maybe } }
      reconcile: cannot_tell
"#;

/// How the first one leaves its run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Ended,
    Killed,
    Interrupted,
    /// Killed, and then cancelled by the other.
    Given,
    /// Killed over an act.
    Open,
    Parked,
}

const WAYS: [(Left, &str); 6] = [
    (Left::Ended, "ended: read"),
    (Left::Killed, "killed: resumed to its end"),
    (Left::Interrupted, "interrupted: resumed to its end"),
    (Left::Given, "killed: cancelled"),
    (Left::Open, "killed over an act: looked for, and begun again"),
    (Left::Parked, "parked: settled, and the act not done again"),
];

impl Left {
    fn book(self) -> &'static str {
        match self {
            Self::Ended | Self::Killed | Self::Interrupted | Self::Given => BOOK,
            Self::Open => OPEN,
            Self::Parked => PARKED,
        }
    }

    /// What the other says of the run.
    fn status(self) -> &'static str {
        match self {
            Self::Ended => "done",
            Self::Killed | Self::Interrupted | Self::Given | Self::Open => "interrupted",
            Self::Parked => "parked",
        }
    }

    /// How the other brings it to its end.
    fn takes_up(self) -> &'static [&'static str] {
        match self {
            Self::Ended => &[],
            Self::Killed | Self::Interrupted | Self::Open => &["resume", "last"],
            Self::Given => &["cancel", "last", "--because", "the window closes"],
            Self::Parked => &["settle", "last", "act", "done", "--because", "it is in the file"],
        }
    }

    fn ends(self) -> &'static str {
        if self == Self::Given { "cancelled" } else { "done" }
    }
}

/// Compares this commit with `from`.
pub(crate) fn run(from: &str) -> Result<ExitCode> {
    let tell = teller();
    let commit = git(&["rev-parse", "--verify", &format!("{from}^{{commit}}")])?;
    let short = commit.get(..12).unwrap_or(&commit).to_owned();
    let folder = cache()?.join("upgrade");
    fs::create_dir_all(&folder).context(folder.display())?;
    tell(&format!("building the product of {short} and this one; the first time takes some minutes"));
    let old = of_commit(&commit, &folder.join(format!("sluice-{short}")), &folder)?;
    let new = kept(&build(Path::new("."), &[])?, &folder.join("sluice-here"))?;
    let mut failed = 0;
    for (writer, reader, both) in
        [(&old, &new, format!("{short}, then here")), (&new, &old, format!("here, then {short}"))]
    {
        for (left, name) in WAYS {
            match taken_up(writer, reader, left) {
                Ok(()) => println!("ok      {both}: {name}"),
                Err(error) => {
                    failed += 1;
                    println!("FAILED  {both}: {name}: {error}");
                }
            }
        }
    }
    tell(if failed == 0 { "each reads what the other wrote" } else { "they do not understand one another" });
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The product of a commit, built once in a work tree of its own.
fn of_commit(commit: &str, to: &Path, folder: &Path) -> Result<PathBuf> {
    if to.exists() {
        return Ok(to.to_owned());
    }
    let tree = folder.join(format!("tree-{}", std::process::id()));
    let path = tree.display().to_string();
    git(&["worktree", "add", "--detach", "--force", &path, commit])?;
    let built = apart(&tree).and_then(|settings| build(&tree, &settings)).and_then(|built| kept(&built, to));
    git(&["worktree", "remove", "--force", &path])?;
    built
}

/// Built into this tree's target folder: what both depend on is built once.
fn build(tree: &Path, settings: &[String]) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let target = std::path::absolute(&target).context(target.display())?;
    let mut command = cargo(tree);
    command.args(["build", "--locked", "--package", "sluice", "--bin", "sluice"]).args(settings);
    command.arg("--message-format=json-render-diagnostics").env("CARGO_TARGET_DIR", target);
    let output = command.stdout(Stdio::piped()).spawn().and_then(Child::wait_with_output).context("cargo")?;
    if !output.status.success() {
        return Err(Error::new("the product does not build; see above"));
    }
    built_path(&String::from_utf8_lossy(&output.stdout), "sluice").context("cargo built no sluice")
}

/// Cargo takes two trees of one workspace for the same, and would take what was built last for either. Another number of
/// codegen units for each package of the workspace keeps them apart.
fn apart(tree: &Path) -> Result<Vec<String>> {
    let output = cargo(tree).args(["metadata", "--locked", "--no-deps", "--format-version", "1"]).output();
    let metadata: Value =
        serde_json::from_slice(&output.context("cargo metadata")?.stdout).context("cargo metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata names no packages")?;
    let names = packages.iter().filter_map(|package| package.get("name").and_then(Value::as_str));
    Ok(names.flat_map(|name| ["--config".to_owned(), format!("profile.dev.package.{name}.codegen-units=64")]).collect())
}

fn cargo(tree: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tree);
    command
}

/// A copy that the next build does not write over.
fn kept(built: &Path, to: &Path) -> Result<PathBuf> {
    let part = to.with_extension("part");
    fs::copy(built, &part).context(built.display())?;
    fs::rename(&part, to).context(to.display())?;
    Ok(to.to_owned())
}

fn git(arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").args(arguments).output().context("git")?;
    if !output.status.success() {
        return Err(Error::new(format!(
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// One run, written by one and taken up by the other, in a home of its own.
fn taken_up(writer: &Path, reader: &Path, left: Left) -> Result<()> {
    let home = Home::new()?;
    home.lay("upgrade.yaml", left.book())?;
    leave(&home, writer, left)?;
    expect(home.status(reader)?.as_str(), left.status(), "what the other says of it")?;
    home.lay("go", "go")?;
    if !left.takes_up().is_empty() {
        home.run(reader, left.takes_up())?;
    }
    for binary in [reader, writer] {
        expect(home.status(binary)?.as_str(), left.ends(), "how it ended")?;
    }
    home.has_what_was_done(left)
}

/// Begins the run, and stops over it in this way.
fn leave(home: &Home, writer: &Path, left: Left) -> Result<()> {
    if left == Left::Ended {
        home.lay("go", "go")?;
    }
    let folder = format!("folder={}", home.0.display());
    let child = home.command(writer, &["run", "./upgrade.yaml", "-i", &folder]).spawn();
    let mut running = Running(child.context(writer.display())?);
    match left {
        Left::Ended => running.ends_with(0),
        Left::Parked => running.ends_with(7),
        Left::Killed | Left::Given => {
            until("the run waits at `go`", || home.report(writer).is_ok_and(|report| waits_at(&report, "go")))?;
            running.kill()
        }
        Left::Open => {
            until("the act is called", || home.0.join("calls").exists())?;
            running.kill()
        }
        Left::Interrupted => {
            until("the run waits at `go`", || home.report(writer).is_ok_and(|report| waits_at(&report, "go")))?;
            let pid = i32::try_from(running.0.id()).context("pid")?;
            kill(Pid::from_raw(pid), Signal::SIGINT).context("interrupt")?;
            running.ends_with(130)
        }
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if is_so() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Error::new(format!("it never came to this: {what}")))
}

/// A process that does not outlive what went wrong.
struct Running(Child);

impl Running {
    fn ends_with(&mut self, code: i32) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().context("run")? {
                return expect(status.code(), Some(code), "the exit code of the run");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::new("the run never ended"))
    }

    fn kill(&mut self) -> Result<()> {
        self.0.kill().and_then(|()| self.0.wait()).context("kill").map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, but where something went wrong.
        let _ = self.kill();
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(is: T, should: T, what: &str) -> Result<()> {
    if is == should { Ok(()) } else { Err(Error::new(format!("{what} is {is:?} and should be {should:?}"))) }
}

/// A user's home, removed in the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sluice-upgrade-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).context(path.display())?;
        Ok(Self(path))
    }

    fn lay(&self, name: &str, text: &str) -> Result<()> {
        let path = self.0.join(name);
        fs::write(&path, text).context(path.display())
    }

    fn command(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.args(arguments).env_clear().env("HOME", &self.0).env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.current_dir(&self.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The answer of a command that has to do what it is asked.
    fn run(&self, binary: &Path, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(binary, arguments);
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().context(binary.display())?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::new(format!("sluice {} ended with {}: {}", arguments.join(" "), output.status, said.trim())))
    }

    fn report(&self, binary: &Path) -> Result<Value> {
        let output = self.run(binary, &["runs", "show", "last", "--json"])?;
        serde_json::from_slice(&output.stdout).context("runs show --json")
    }

    fn status(&self, binary: &Path) -> Result<String> {
        let report = self.report(binary)?;
        Ok(report.get("status").and_then(Value::as_str).unwrap_or("?").to_owned())
    }

    fn has_what_was_done(&self, left: Left) -> Result<()> {
        let text = |name: &str| fs::read_to_string(self.0.join(name)).unwrap_or_default();
        match left {
            Left::Open | Left::Parked => expect(text("acts").lines().count(), 1, "how often the act was done"),
            Left::Ended | Left::Killed | Left::Interrupted | Left::Given => {
                expect(text("first").as_str(), "first\n", "the file of the first step")?;
                expect(text("last").as_str(), "over\n", "the file of finally")?;
                let looped = if left == Left::Given { "" } else { "bee 1\n" };
                expect(text("bee").as_str(), looped, "the file of the loop")
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // It lies where the system clears up, too.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn waits_at(report: &Value, gate: &str) -> bool {
    let steps = report.get("steps").and_then(Value::as_array).into_iter().flatten();
    let mut waiting = steps.filter(|step| step.get("status").and_then(Value::as_str) == Some("waiting"));
    waiting.any(|step| step.get("key").and_then(Value::as_str) == Some(gate))
}
