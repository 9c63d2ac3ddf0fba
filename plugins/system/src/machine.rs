//! One look at the figures of the kernel below `/proc`, and at the sample of the processors that was taken before it.
//!
//! A part that cannot be read is left out and named; the others stay. When it is asked is the caller's business.

use std::path::{Path, PathBuf};

use sluice_plugin::Timestamp;

use crate::cpu::{self, Ticks, Usage};
use crate::errors::Errors;
use crate::identity;
use crate::load::{self, Load};
use crate::memory::{self, Memory};
use crate::read;

/// The processors as they were counted at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    at: Timestamp,
    ticks: Ticks,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) usage: Option<Usage>,
    /// Seconds from the sample before, where there was one.
    pub(crate) interval_s: Option<f64>,
    pub(crate) memory: Option<Memory>,
    pub(crate) load: Option<Load>,
    pub(crate) instance: Option<String>,
    pub(crate) errors: Errors,
}

/// The line of all processors is the first; what follows it can be long.
const MOST_OF_STAT: usize = 4 * 1024;
const MOST_OF_MEMINFO: usize = 16 * 1024;
const MOST_OF_LOADAVG: usize = 256;

/// The first sample, where there is none yet.
pub(crate) fn sample(proc_root: &Path, at: Timestamp) -> Option<Sample> {
    let stat =
        read::text(&proc_root.join("stat"), MOST_OF_STAT, &mut Vec::with_capacity(MOST_OF_STAT)).ok()?.into_owned();
    cpu::ticks(&stat).ok().map(|ticks| Sample { at, ticks })
}

/// Where to look.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) proc_root: PathBuf,
    /// Below it the instance's id is looked for.
    pub(crate) identity_root: Option<PathBuf>,
}

impl Look {
    /// What is seen at that moment, which takes the place of the sample before.
    pub(crate) fn look(&self, at: Timestamp, before: &mut Option<Sample>) -> Seen {
        let mut seen = Seen::default();
        let mut buffer = Vec::with_capacity(MOST_OF_STAT);
        self.cpu(at, before, &mut seen, &mut buffer);
        seen.memory = self.part("memory", "meminfo", MOST_OF_MEMINFO, memory::memory, &mut seen.errors, &mut buffer);
        seen.load = self.part("load", "loadavg", MOST_OF_LOADAVG, load::load, &mut seen.errors, &mut buffer);
        seen.instance = self.identity_root.as_deref().and_then(|root| identity::instance(root, &mut buffer));
        seen
    }

    fn cpu(&self, at: Timestamp, before: &mut Option<Sample>, seen: &mut Seen, buffer: &mut Vec<u8>) {
        let ticks = self.part("cpu", "stat", MOST_OF_STAT, cpu::ticks, &mut seen.errors, buffer);
        // Without a reading the one before is kept: it is as good for the next.
        let Some(ticks) = ticks else { return };
        let Some(before) = before.replace(Sample { at, ticks }) else { return };
        let usage = cpu::usage(before.ticks, ticks);
        seen.usage = seen.errors.part("cpu", &self.proc_root.join("stat"), usage);
        seen.interval_s = seen.usage.and_then(|_| seconds(before.at, at));
    }

    fn part<T>(
        &self,
        part: &str,
        name: &str,
        most: usize,
        parse: fn(&str) -> Result<T, &'static str>,
        errors: &mut Errors,
        buffer: &mut Vec<u8>,
    ) -> Option<T> {
        let path = self.proc_root.join(name);
        let text = errors.part(part, &path, read::text(&path, most, buffer))?;
        errors.part(part, &path, parse(&text))
    }
}

/// `None` where somebody has set the clock back meanwhile.
fn seconds(from: Timestamp, to: Timestamp) -> Option<f64> {
    let passed = to.since(from);
    (!passed.is_zero()).then_some(passed.as_secs_f64())
}
