//! `cargo lab test`: the whole test suite with one command, and a summary that can be read at a glance.
//! It knows cargo and the lines libtest prints; not what is tested.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::cli::teller;
use crate::error::{Context, Result};
use crate::programs;

/// What libtest takes the number of its threads from.
const THREADS: &str = "RUST_TEST_THREADS";

#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    names: Vec<String>,
}

/// Installs what the tests need, runs them, passes the output on, and sums it up.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let start = Instant::now();
    programs::ensure(&teller())?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--locked"]);
    if !arguments.iter().any(|word| word == "-p" || word.starts_with("--package")) {
        // Without --no-fail-fast the first failing package would hide the others.
        command.args(["--workspace", "--no-fail-fast"]);
    }
    // Half of the tests wait for labs: a core with nothing but those would be idle.
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        command.env(THREADS, (cores + cores.div_ceil(2)).to_string());
    }
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().context("cargo test")?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().context("output")?).lines().map_while(std::io::Result::ok) {
        tally.add(&line);
        println!("{line}");
    }
    let status = child.wait().context("cargo test")?;
    tally.show(start.elapsed().as_secs_f64(), status.success());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Tally {
    fn add(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.names.push(name.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            match (number, words.next()) {
                (Some(n), Some("passed")) => self.passed += n,
                (Some(n), Some("failed")) => self.failed += n,
                (Some(n), Some("ignored")) => self.ignored += n,
                _ => {}
            }
        }
    }

    fn show(&self, seconds: f64, good: bool) {
        let word = if good { "passed" } else { "FAILED" };
        say!("\n{word}: {} passed, {} failed, {} ignored in {seconds:.0} s", self.passed, self.failed, self.ignored);
        for name in &self.names {
            say!("  failed: {name}");
        }
        if !good && self.names.is_empty() {
            say!("  no test failed by name: something did not build or ended early; see above");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_what_libtest_prints() {
        let mut tally = Tally::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s",
        ] {
            tally.add(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.ignored), (41, 1, 2));
        assert_eq!(tally.names, ["a::c"]);
    }
}
