//! What went wrong with the parts of a look, for the same log in which the figures stand: `memory: /proc/meminfo: ...`.

use std::fmt::Display;
use std::path::Path;

#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<String>);

impl Errors {
    pub(crate) fn add(&mut self, part: &str, path: &Path, why: impl Display) {
        // An alarm looks for the text 200 in what is logged of a node, and takes it for a sign of health. Paths may have it.
        self.0.push(format!("{part}: {}: {why}", path.display()).replace("200", "2-0-0"));
    }

    /// What is there, and an error of what is not.
    pub(crate) fn part<T>(&mut self, part: &str, path: &Path, seen: Result<T, impl Display>) -> Option<T> {
        seen.map_err(|why| self.add(part, path, why)).ok()
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_failed_looks_healthy() {
        let mut errors = Errors::default();
        assert_eq!(errors.part("load", Path::new("/x"), Ok::<_, &str>(1)), Some(1));
        assert_eq!(errors.part("load", Path::new("/proc/loadavg"), Err::<(), _>("empty")), None);
        errors.add("disk", Path::new("/mnt/200/20200200"), "status 200, or 2000");
        let lines = errors.into_lines();
        assert_eq!(lines, ["load: /proc/loadavg: empty", "disk: /mnt/2-0-0/202-0-02-0-0: status 2-0-0, or 2-0-00"]);
        assert!(lines.iter().all(|line| !line.contains("200")));
    }
}
