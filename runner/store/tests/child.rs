//! This test binary started again, as another process on the same store. A child does one role and says what it has done
//! on lines of its own, which begin with `@`.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{crash, processes, trouble};

const ROLE: &str = "SLUICE_STORE_TEST_ROLE";
const FOLDER: &str = "SLUICE_STORE_TEST_FOLDER";

/// Killed and waited for when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(role: &str, folder: &Path) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), role, folder)
    }

    /// The same, with a limit on the size of files, in blocks of 512 bytes. Writes beyond it fail and do not kill.
    pub(crate) fn start_limited(role: &str, folder: &Path, blocks: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
        shell.arg(std::env::current_exe().unwrap());
        Self::spawn(shell, role, folder)
    }

    fn spawn(mut command: Command, role: &str, folder: &Path) -> Self {
        command.args(["--exact", "child::role", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(FOLDER, folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next thing it says; `None` when it has ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            if let Some(said) = line.strip_prefix('@') {
                return Some(said.to_owned());
            }
        }
    }

    /// All it says until its end, which must be a good one.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let said: Vec<_> = std::iter::from_fn(|| self.next()).collect();
        assert!(self.child.wait().unwrap().success(), "the child failed after {said:?}");
        said
    }

    /// SIGKILL; what it had said until then.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// On a line of its own, whatever the test harness has written before.
pub(crate) fn say(what: impl std::fmt::Display) {
    println!("\n@{what}");
}

#[test]
#[ignore = "what children of other tests run"]
fn role() {
    let Some(role) = std::env::var_os(ROLE) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match role.to_str().unwrap() {
            "append-forever" => crash::append_forever(&folder).await,
            "race" => processes::race(&folder).await,
            "append-one" => processes::append_one(&folder).await,
            "fill" => trouble::fill(&folder).await,
            "unprivileged" => trouble::unprivileged(&folder).await,
            other => panic!("no role {other:?}"),
        }
    });
}
