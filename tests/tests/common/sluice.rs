//! The real command in a world of its own: an empty HOME, no environment but what is given here, and a trusted inventory.
//!
//! It knows the product's command line and nothing of what is inside.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::{User, geteuid};
use serde_json::Value;
use sluice_lab::Lab;
use tempfile::TempDir;

/// No command of a test may take longer.
const PATIENCE: Duration = Duration::from_secs(150);

/// `sluice` as shipped.
pub(crate) const SHIPPED: &str = env!("CARGO_BIN_EXE_sluice-as-shipped");

/// One user on one machine, with their own state.
pub(crate) struct Sluice {
    home: TempDir,
    env: Vec<(String, String)>,
    /// Whose processes its commands are, where they are not those of whoever runs the tests.
    user: Option<User>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// A command that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    began: Instant,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Sluice {
    /// Without an inventory.
    pub(crate) fn alone() -> Self {
        let home = tempfile::Builder::new().prefix("sluice-test-").tempdir().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let env = [("HOME", home.path().display().to_string()), ("PATH", path), ("LANG", "C.UTF-8".to_owned())];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { home, env, user: None }
    }

    /// With the lab's inventory and environment, but a store of its own.
    pub(crate) fn on(lab: &Lab) -> Self {
        Self::on_with(lab, |inventory| inventory)
    }

    /// The same; `edit` may change the inventory's text before it is trusted.
    pub(crate) fn on_with(lab: &Lab, edit: impl FnOnce(String) -> String) -> Self {
        let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
        let own_store = inventory.lines().filter(|line| !line.starts_with("store:"));
        let inventory = edit(own_store.map(|line| format!("{line}\n")).collect());
        let mut sluice = Self::alone();
        sluice.env.extend(lab.env().into_iter().map(|(name, value)| (name.to_owned(), value)));
        sluice.trust(&inventory);
        sluice
    }

    /// Makes this text the inventory, and trusts it as a script would.
    pub(crate) fn trust(&mut self, inventory: &str) {
        let path = self.file("sluice.yaml", inventory);
        self.set("SLUICE_INVENTORY", &path.display().to_string());
        let digest = self.run(&["trust", "--print-digest"]).expect_code(0).stdout;
        self.run(&["trust", "--digest", digest.trim()]).expect_code(0);
    }

    /// Its HOME.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file that only this user can write, below HOME.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// Makes all of it another user's, if the tests may do that: root may, where others may run the program. Who its
    /// commands are run by then; no file is written for it after this.
    pub(crate) fn of_another_user(&mut self) -> User {
        let me = User::from_uid(geteuid()).unwrap().unwrap();
        let other = User::from_name("nobody").unwrap();
        let other = other.filter(|other| me.uid.is_root() && may_run(other, Path::new(SHIPPED)));
        let Some(other) = other else { return me };
        let owner = format!("{}:{}", other.uid, other.gid);
        assert!(Command::new("chown").arg("-R").arg(owner).arg(self.home()).status().unwrap().success());
        self.user.insert(other).clone()
    }

    /// Sets a variable of its environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The command, not yet started: `sluice` as shipped, in HOME, with this environment only and no input.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.program(Path::new(SHIPPED), arguments)
    }

    /// Another program in the same world. It is told of every signal, even where who started the tests ignores some, as
    /// `nohup` does: the command keeps to that.
    pub(crate) fn program(&self, program: &Path, arguments: &[&str]) -> Command {
        // Away from the terminal of whoever runs the tests: what is signalled then is told by nobody else.
        let mut command = Command::new("setsid");
        command.args(["env", "--default-signal=HUP,INT,QUIT,TERM"]);
        if let Some(user) = &self.user {
            command.args(become_user(user));
        }
        command.arg(program);
        command.args(arguments).env_clear().envs(self.env.iter().cloned()).current_dir(self.home());
        command.stdin(Stdio::null());
        command
    }

    /// Runs `sluice` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.start(arguments).end()
    }

    /// Starts `sluice`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::new(self.command(arguments))
    }
}

fn become_user(user: &User) -> [String; 4] {
    let (uid, gid) = (format!("--reuid={}", user.uid), format!("--regid={}", user.gid));
    ["setpriv".to_owned(), uid, gid, "--clear-groups".to_owned()]
}

fn may_run(user: &User, program: &Path) -> bool {
    let [setpriv, arguments @ ..] = become_user(user);
    let test = Command::new(setpriv).args(arguments).args(["test", "-x"]).arg(program).status();
    test.is_ok_and(|test| test.success())
}

impl Running {
    pub(crate) fn new(command: Command) -> Self {
        let mut running = Self::unread(command);
        running.stdout = Some(reader(running.child.stdout.take().unwrap()));
        running
    }

    /// Whose standard output somebody else reads, and whose standard input they write.
    pub(crate) fn by_hand(mut command: Command) -> (Self, ChildStdin, ChildStdout) {
        command.stdin(Stdio::piped());
        let mut running = Self::unread(command);
        let (keys, screen) = (running.child.stdin.take().unwrap(), running.child.stdout.take().unwrap());
        (running, keys, screen)
    }

    fn unread(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Some(reader(child.stderr.take().unwrap()));
        Self { child, began: Instant::now(), stdout: None, stderr }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Done {
        self.end_within(PATIENCE)
    }

    pub(crate) fn end_within(mut self, patience: Duration) -> Done {
        let status = self.wait(patience);
        let took = self.began.elapsed();
        let text = |reader: Option<JoinHandle<String>>| reader.map(|reader| reader.join().unwrap()).unwrap_or_default();
        Done {
            code: status.code(),
            signal: status.signal(),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            took,
        }
    }

    fn wait(&mut self, patience: Duration) -> ExitStatus {
        while self.began.elapsed() < patience {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        // What it started may hold the other ends.
        std::thread::sleep(Duration::from_secs(1));
        let said = |reader: &mut Option<JoinHandle<String>>| match reader.take() {
            Some(reader) if reader.is_finished() => reader.join().unwrap(),
            _ => "(not known)".to_owned(),
        };
        let (stdout, stderr) = (said(&mut self.stdout), said(&mut self.stderr));
        panic!("it did not end within {patience:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// Fails the test, with all that was said, unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said());
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.said()))
    }

    /// Everything, for messages.
    pub(crate) fn said(&self) -> String {
        format!(
            "code {:?}, signal {:?}, after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.signal, self.took, self.stdout, self.stderr
        )
    }
}

/// Read while it runs, or a full pipe would stop it.
fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
