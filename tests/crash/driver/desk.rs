//! One user on one machine beside a lab: a HOME with a store of its own, the lab's inventory, trusted, and the two
//! programs, the product as shipped and the one that dies.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use sluice_lab::Lab;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Because, Outcome};

#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) shipped: PathBuf,
    pub(crate) dying: PathBuf,
}

pub(crate) struct Desk {
    home: TempDir,
    env: Vec<(String, String)>,
    pub(crate) programs: Programs,
}

impl Desk {
    pub(crate) async fn beside(lab: &Lab, programs: Programs) -> Outcome<Self> {
        let home = tempfile::Builder::new().prefix("sluice-crash-").tempdir().because("HOME")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [("HOME", home.path().display().to_string()), ("PATH", path), ("LANG", "C.UTF-8".to_owned())];
        let more = [("TERM", "xterm".to_owned()), ("NO_COLOR", "1".to_owned()), ("COLUMNS", "160".to_owned())];
        let env = own.into_iter().chain(more).chain(lab.env());
        let env = env.map(|(name, value)| (name.to_owned(), value)).collect();
        let mut desk = Self { home, env, programs };
        let inventory = std::fs::read_to_string(lab.inventory()).because("inventory")?;
        let own_store = inventory.lines().filter(|line| !line.starts_with("store:"));
        let inventory: String = own_store.map(|line| format!("{line}\n")).collect();
        let path = desk.file("sluice.yaml", &inventory)?;
        desk.env.push(("SLUICE_INVENTORY".to_owned(), path.display().to_string()));
        let digest = desk.run(&["trust", "--print-digest"]).await?;
        desk.run(&["trust", "--digest", digest.trim()]).await?;
        Ok(desk)
    }

    /// Writes a file that only this user can write.
    pub(crate) fn file(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).because(path.display())?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).because(path.display())?;
        Ok(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Not yet started; in the foreground of the terminal that it is given.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        self.in_session(&["--ctty"], program, arguments)
    }

    /// Away from the terminal of whoever started this, and told of every signal.
    fn in_session(&self, options: &[&str], program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new("setsid");
        command.args(options).args(["env", "--default-signal=HUP,INT,QUIT,TERM"]).arg(program).args(arguments);
        command.env_clear().envs(self.env.iter().cloned()).current_dir(self.home.path()).kill_on_drop(true);
        command.stdin(Stdio::null());
        command
    }

    /// Runs the product as shipped, before nobody.
    pub(crate) async fn output(&self, arguments: &[&str]) -> Outcome<Output> {
        self.in_session(&[], &self.programs.shipped, arguments).output().await.because(arguments.join(" "))
    }

    /// The same, to a good end: what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.output(arguments).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("sluice {}: {}: {}", arguments.join(" "), output.status, said.trim()))
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Outcome<Value> {
        serde_json::from_str(&self.run(arguments).await?).because(arguments.join(" "))
    }
}
