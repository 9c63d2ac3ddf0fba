//! A home, a folder and an environment of their own for each case, and what differs from run to run made the same.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use regex::Regex;
use tempfile::TempDir;

/// Components, for who adds plugins.
const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/guests/built");

pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::create_dir(folder.path().join("desk")).unwrap();
        Self { folder }
    }

    pub(crate) fn lay(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // Whatever the umask of whoever runs the tests.
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Both streams, line by line, and the exit code.
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.output(line);
        let marked = |mark: &str, bytes: &[u8]| {
            let text = self.same(&String::from_utf8_lossy(bytes));
            text.lines().map(|line| format!("{mark}| {line}").trim_end().to_owned() + "\n").collect::<String>()
        };
        let exit = output.status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string());
        format!("{}{}exit {exit}\n", marked("out", &output.stdout), marked("err", &output.stderr))
    }

    /// What the command line does, as it is.
    pub(crate) fn output(&self, line: &str) -> Output {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_sluice"));
        let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
        // What waits for something that never comes has failed.
        Command::new("timeout")
            .args(["100", "/bin/sh", "-c", line])
            .current_dir(self.work())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path().join("home"))
            .env("LANG", "C.UTF-8")
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .env("SHELL", "/bin/sh")
            .env("GUESTS", GUESTS)
            .output()
            .unwrap()
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("desk")
    }

    fn same(&self, text: &str) -> String {
        let text = text.replace(GUESTS, "GUESTS");
        let mut text = text.replace(&self.folder.path().canonicalize().unwrap().display().to_string(), "DIR");
        for (pattern, with) in SAME.iter() {
            text = pattern.replace_all(&text, *with).into_owned();
        }
        text
    }
}

/// Ids, times, durations, and who and where we are.
static SAME: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "RUN"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
        (r"\b\d+(\.\d)? s\b|\b\d+ min( \d+ s)?\b", "N s"),
        // A slow machine says how long a step took where a quick one does not.
        (r"(?m)  N s$", ""),
        (r"\b[\d,]+ ms\b", "N ms"),
        (r"\bhead(:?)( +)[0-9a-f]{64}", "head${1}${2}HASH"),
        (r"\bblob [0-9a-f]{64}", "blob HASH"),
        (r#""hash": "[0-9a-f]{64}""#, r#""hash": "HASH""#),
        // What is bound holds the folder of the test; what `--digest` takes does not.
        (r"(?m)(^|[^-])\b(digest|plan) [0-9a-f]{64}\b", "${1}${2} DIGEST"),
        (r"(as|:|is now) [0-9a-f]{12}\b", "$1 BOUND"),
        (r#""pid": \d+"#, r#""pid": PID"#),
        (r#""host": "[^"]*""#, r#""host": "HOST""#),
        (r"process \d+ on [\w.-]+", "process PID on HOST"),
        (r"\b[\w-]+@[\w.-]+", "USER@HOST"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    .into()
});
