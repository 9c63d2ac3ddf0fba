//! What one whole process costs: time of the clock, time of the processors, memory. It knows nothing of what runs.
//!
//! Each run has a parent of its own, this program started again: the kernel adds up processor time and peak memory over
//! all children of a process, and a child's peak begins with that of the process it was forked from, which is small here.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::Outcome;

/// The hidden first word that makes this program the parent of one run.
pub(crate) const VERB: &str = "--meter";

/// What one run took.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall_ms: f64,
    /// User and system, of the process and all that it waited for.
    pub(crate) cpu_ms: f64,
    /// Of the largest process.
    pub(crate) peak_mib: f64,
}

/// One program to measure.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    command: Command,
}

/// Starts one program, waits, prints what it took.
pub(crate) fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = words.next() else { return ExitCode::FAILURE };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status();
    let wall = started.elapsed();
    match (status, getrusage(UsageWho::RUSAGE_CHILDREN)) {
        (Ok(status), Ok(usage)) if status.success() => {
            let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
            let cpu = micros(usage.user_time()) + micros(usage.system_time());
            println!("{} {cpu} {}", wall.as_micros(), usage.max_rss());
            ExitCode::SUCCESS
        }
        (Ok(status), _) => {
            eprintln!("{status}");
            ExitCode::FAILURE
        }
        (Err(error), _) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Subject {
    /// `command` with its environment and folder; where its standard streams go is decided here.
    pub(crate) fn new(name: &'static str, command: Command) -> Self {
        Self { name, command }
    }

    /// Runs it once.
    pub(crate) fn run(&self) -> Outcome<Cost> {
        let mut meter = Command::new(std::env::current_exe()?);
        meter.arg(VERB).arg(self.command.get_program()).args(self.command.get_args());
        if let Some(folder) = self.command.get_current_dir() {
            meter.current_dir(folder);
        }
        meter.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // A file, as in a service: a pipe would make the reader part of what is measured.
        let mut said = tempfile::tempfile()?;
        let output = meter.stdout(Stdio::piped()).stderr(said.try_clone()?).spawn()?.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("{} failed: {}", self.name, everything(&mut said)?).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let [wall, cpu, peak] = numbers.try_into().map_err(|_| format!("the meter said {text:?}"))?;
        Ok(Cost { wall_ms: wall / 1e3, cpu_ms: cpu / 1e3, peak_mib: peak / 1024.0 })
    }
}

fn everything(file: &mut File) -> Outcome<String> {
    use std::io::Seek as _;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Runs all of them in turns, so that whatever else the machine does hits all alike; gives the medians of each.
pub(crate) fn in_turns<const N: usize>(subjects: &[Subject; N], runs: usize) -> Outcome<[Cost; N]> {
    let mut costs: [Vec<Cost>; N] = std::array::from_fn(|_| Vec::with_capacity(runs));
    for subject in subjects {
        // What is on disk comes into the cache, and stores are made.
        subject.run()?;
    }
    for _ in 0..runs {
        for (subject, costs) in subjects.iter().zip(&mut costs) {
            costs.push(subject.run()?);
        }
    }
    Ok(costs.map(|costs| Cost {
        wall_ms: median(costs.iter().map(|cost| cost.wall_ms)),
        cpu_ms: median(costs.iter().map(|cost| cost.cpu_ms)),
        peak_mib: median(costs.iter().map(|cost| cost.peak_mib)),
    }))
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let check = |values: &[f64], expect: f64| assert_eq!(median(values.iter().copied()), expect, "{values:?}");
        check(&[7.0], 7.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[9.0, 1.0, 2.0, 4.0], 3.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
